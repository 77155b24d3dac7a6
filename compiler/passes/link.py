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
    taken: set[str] = set()
    imports = []
    for module, name in sorted(wanted):
        alias = name
        number = 2
        while alias in taken or alias in reserved:
            alias = f"{name}_{number}"
            number += 1
        taken.add(alias)
        imports.append(Import(module, name, alias))
    return dataclasses.replace(ir, imports=tuple(imports)), said


def identifier(name: str, taken: set[str]) -> str:
    """A Python identifier for a node's or key's `name`, not in `taken`; added to it."""
    base = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name) or "_"
    if keyword.iskeyword(base):
        base += "_"
    if base[0].isdigit():
        base = f"_{base}"
    candidate = base
    number = 2
    while candidate in taken:
        candidate = f"{base}_{number}"
        number += 1
    taken.add(candidate)
    return candidate
