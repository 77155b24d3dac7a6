"""link: the imports of the generated module, and the names they get there.

After `reducers`; the emitter looks every reference up here. A name of the user's
that the module itself needs, or that two modules share, gets an alias.
"""

from __future__ import annotations

import dataclasses
import keyword
from typing import Final

from lgc.compiler.diagnostics import note
from lgc.compiler.ir import GraphIR, Import
from lgc.compiler.passes.finding import Finding

RESERVED: Final = frozenset(
    [
        "Any",
        "BODY",
        "BUILDER",
        "KEYS",
        "abi",
        "annotations",
        "compile",
        "graph",
        "state",
        "task",
        "value",
        "write",
    ]
)
"""Names the template uses."""


def run(ir: GraphIR) -> tuple[GraphIR, list[Finding]]:
    """Sets `imports`, sorted by module and name; notes what goes through the builder."""
    # Whose function a reference is: the node, and what it is to it.
    owners = {
        b.path.function: (n.name, f"router `{b.name}` of node `{n.name}`")
        for n in ir.nodes
        for b in n.branches
    }
    calls = {n.call.function: n for n in ir.nodes if n.call is not None}
    functions: list[str] = []
    objects: list[str] = []
    target_module, _, target_attribute = ir.target.partition(":")
    said: list[Finding] = []
    wanted: set[tuple[str, str]] = set()
    reserved = set(RESERVED)
    for ref in ir.refs():
        if ref.through_builder and not ir.target:
            # A graph of this process is given its builder.
            continue
        if ref.through_builder:
            wanted.add((target_module, target_attribute.split(".")[0]))
            owner = calls.get(ref)
            if owner is not None and owner.call is not None:
                (objects if owner.call.invoke else functions).append(owner.name)
                continue
            node, what = owners.get(ref, ("", ref.name))
            said.append(_by_builder(ir, what, node))
        elif ref.module == "builtins":
            reserved.add(ref.name.split(".")[0])
        else:
            wanted.add((ref.module, ref.name.split(".")[0]))
    # One note for all nodes of a kind: it says the same of each.
    if functions:
        said.append(_by_builder(ir, f"the function of {_nodes(functions)}", functions[0]))
    if objects:
        said.append(_by_builder(ir, f"the Runnable of {_nodes(objects)}", objects[0], _BIND))
    taken = dict.fromkeys(reserved, 2)
    imports = [Import(module, name, _unique(name, taken)) for module, name in sorted(wanted)]
    return dataclasses.replace(ir, imports=tuple(imports)), said


_BIND: Final = (
    "bind it to a module-level name, such as `tools = ToolNode([...])`, add it by that name, "
    "and it is imported"
)


def _by_builder(
    ir: GraphIR,
    what: str,
    node: str,
    help: str = "define it at module level and it is imported by name",
) -> Finding:
    text = f"{what} has no importable name, so the module imports {ir.target} "
    text += "and takes it from there"
    return Finding(note("LGC301", text, help=help), node)


def _nodes(names: list[str]) -> str:
    """Nodes of a message: each of them, or the first ten and how many more."""
    shown = ", ".join(f"`{name}`" for name in names[:10])
    if len(names) > 10:
        shown += f" and {len(names) - 10} more"
    return f"node {shown}" if len(names) == 1 else f"each of the nodes {shown}"


def identifier(name: str, taken: dict[str, int]) -> str:
    """A Python identifier for a node's or key's `name`, not in `taken`; added to it.

    Args:
        name: any text.
        taken: the identifiers in use, each with the number to try first for its next namesake.
    """
    base = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name) or "_"
    if keyword.iskeyword(base):
        base += "_"
    if base[0].isdigit():
        base = f"_{base}"
    return _unique(base, taken)


def _unique(base: str, taken: dict[str, int]) -> str:
    """`base`, numbered when it is in `taken`; added to it."""
    candidate = base
    while candidate in taken:
        # Counting from 2 for every namesake would take the square of their number.
        candidate = f"{base}_{taken[base]}"
        taken[base] += 1
    taken[candidate] = 2
    return candidate
