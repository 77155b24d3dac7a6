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
        b.path.function: (n.name, f"router `{b.name}` of") for n in ir.nodes for b in n.branches
    }
    owners |= {n.call.function: (n.name, "the function of") for n in ir.nodes if n.call is not None}
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
            node, role = owners.get(ref, ("", ""))
            what = f"{role} node `{node}`" if node else ref.name
            said.append(
                Finding(
                    note(
                        "LGC301",
                        f"{what} has no importable name, so the module imports {ir.target} "
                        "and takes it from there",
                        help="define it at module level and it is imported by name",
                    ),
                    node,
                )
            )
        elif ref.module == "builtins":
            reserved.add(ref.name.split(".")[0])
        else:
            wanted.add((ref.module, ref.name.split(".")[0]))
    taken = dict.fromkeys(reserved, 2)
    imports = [Import(module, name, _unique(name, taken)) for module, name in sorted(wanted)]
    return dataclasses.replace(ir, imports=tuple(imports)), said


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
