"""imports: the imports of the generated module, and the names they get there.

The emitter looks every reference up here. A name of the user's that the module itself needs, or
that two modules share, gets an alias.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final

from lgc.compiler.diagnostics import note
from lgc.compiler.identifiers import unique
from lgc.compiler.ir import GraphIR, Import
from lgc.compiler.ir_refs import BuilderRef
from lgc.compiler.passes.node_diagnostic import NodeDiagnostic

RESERVED: Final = frozenset(
    [
        "Any",
        "BUILDER",
        "Graph",
        "TYPE_CHECKING",
        "TypeAlias",
        "abi",
        "annotations",
        "apply",
        "compile",
        "due",
        "graph",
        "int",
        "key",
        "list",
        "run",
        "state",
        "str",
        "supersteps",
        "task",
        "type",
        "update",
        "values",
        "written",
    ]
)
"""Names the template uses."""

_DEFINE: Final = "define it at module level and it is imported by name"
_BIND: Final = (
    "bind it to a module-level name, such as `tools = ToolNode([...])`, add it by that name, "
    "and it is imported"
)
_WRITE: Final = "bind literals only, or pass the config when running"


def run(ir: GraphIR) -> tuple[GraphIR, list[NodeDiagnostic]]:
    """Sets `imports`, sorted by module and name, those for type checkers last.

    Notes what goes through the builder (LGC301).
    """
    target_module, _, target_attribute = ir.target.partition(":")
    symbols: set[tuple[str, str]] = set()
    reserved = set(RESERVED)
    graphs = [graph for _, graph in ir.graphs()]
    for ref in (ref for graph in graphs for ref in graph.refs()):
        if not isinstance(ref, BuilderRef):
            first = ref.name.split(".")[0]
            if ref.module == "builtins":
                reserved.add(first)
            else:
                symbols.add((ref.module, first))
    # The module of a graph in this process gets its builder by injection.
    if ir.target and any(graph.uses_builder for graph in graphs):
        symbols.add((target_module, target_attribute.split(".")[0]))
    notes = list(_notes(ir, ir.target)) if ir.target else []
    types: set[tuple[str, str]] = set()
    for schema in ir.types.refs():
        if schema is not None:
            first = schema.name.split(".")[0]
            if schema.module == "builtins":
                reserved.add(first)
            else:
                types.add((schema.module, first))
    taken = dict.fromkeys(reserved, 2)
    imports = [Import(module, name, unique(name, taken)) for module, name in sorted(symbols)]
    imports += [
        Import(module, name, unique(name, taken), is_for_types=True)
        for module, name in sorted(types - symbols)
    ]
    return dataclasses.replace(ir, imports=tuple(imports)), notes


def _notes(ir: GraphIR, target: str) -> Iterator[NodeDiagnostic]:
    """What a graph, and those that are its nodes, takes from the builder of the target."""
    functions: list[str] = []
    runnables: list[str] = []
    for ref in ir.refs():
        if not isinstance(ref, BuilderRef):
            continue
        if ref.kind == "function" and ref.node is not None:
            functions.append(ref.node)
        elif ref.kind == "runnable" and ref.node is not None:
            runnables.append(ref.node)
        else:
            yield _through_builder(target, _title(ref), ref.node or "")
    # One note for all nodes of a kind: it says the same of each.
    if functions:
        yield _through_builder(target, f"the function of {_nodes(functions)}", functions[0])
    if runnables:
        title = f"the Runnable of {_nodes(runnables)}"
        yield _through_builder(target, title, runnables[0], _BIND)
    if ir.takes_config:
        yield _through_builder(target, "something in the bound config", "", _WRITE)
    for child in ir.children:
        yield from (diagnostic.inside(child.name) for diagnostic in _notes(child.graph, target))


def _through_builder(target: str, title: str, node: str, help: str = _DEFINE) -> NodeDiagnostic:
    text = f"{title} has no importable name, so the module imports {target} "
    text += "and takes it from there"
    return NodeDiagnostic(note("LGC301", text, help=help), node)


def _title(ref: BuilderRef) -> str:
    """What a message calls a part of the builder."""
    if ref.kind == "context_schema":
        return "the context schema"
    if ref.key is not None:
        part = {"channel": "the channel", "seed": "the type", "managed": "the managed value"}
        return f"{part.get(ref.kind, 'the reducer')} of state key `{ref.key}`"
    if ref.kind == "schema" and ref.node == "__start__":
        return "the state schema"
    owner = f"node `{ref.node}`"
    if ref.branch is not None:
        owner = f"router `{ref.branch}` of {owner}"
    if ref.kind == "schema":
        return f"the input schema of {owner}"
    return f"the destinations of {owner}" if ref.kind == "ends" else owner


def _nodes(names: list[str]) -> str:
    """Nodes of a message: each of them, or the first ten and how many more."""
    shown = ", ".join(f"`{name}`" for name in names[:10])
    if len(names) > 10:
        shown += f" and {len(names) - 10} more"
    return f"node {shown}" if len(names) == 1 else f"each of the nodes {shown}"
