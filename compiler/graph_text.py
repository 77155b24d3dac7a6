"""One graph as text: its section of a generated module.

The control flow, what an update does to the state, the functions that inject, and the declarations.
A module has a section for every graph that is a node, and the last for the target's.
"""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lgc.compiler.flow_text import FlowText, Function, cuts, shown
from lgc.compiler.identifiers import LONGEST, identifier, identifier_part, unique
from lgc.compiler.ir import (
    BranchIR,
    Call,
    ChannelIR,
    GraphIR,
    JoinIR,
    ManagedIR,
    NodeIR,
    RetryIR,
    TimeoutIR,
)
from lgc.compiler.ir_refs import BuilderRef, Ref, SymbolRef
from lgc.compiler.layout import (
    Expr,
    Group,
    assigned,
    brackets,
    call,
    lay_out,
    literal,
    names,
    quote,
    table_of,
    tuple_of,
)
from lgc.compiler.literals import expression
from lgc.compiler.state_text import apply_function

# Rows share a function up to this many brackets, because mypyc's work on a function grows with the
# square of its length, most of all at a module's top level. Larger tables are cut as `supersteps`.
_TABLE_BRACKETS = 80
_MOST_BRACKETS = 160

# A join whose key has more characters gets a constant.
_LONG = 60

_LONGEST_STEM: Final = 24
"""What the identifiers of a graph begin or end with has so many characters."""


@dataclass(frozen=True)
class Section:
    """What a module says of one graph.

    Attributes:
        title: the comment above it; "" for none.
        constants: assignments.
        functions: in their order.
        graph: the statement that makes the compiled graph.
    """

    title: str
    constants: tuple[str, ...]
    functions: tuple[Function, ...]
    graph: str


class Names:
    """The identifiers of a module.

    Attributes:
        taken: those in use, each with the number to try first for its next namesake.
        aliases: those of what is imported, by module and name.
        stems: what the identifiers of a graph have in common, by the nodes that lead to it; "" for
            the outermost.
    """

    def __init__(self, ir: GraphIR) -> None:
        self.taken = {i.alias: 2 for i in ir.imports}
        self.aliases = {(i.module, i.name): i.alias for i in ir.imports}
        self.stems: dict[tuple[str, ...], str] = {(): ""}
        self._add_stems(ir, (), {})

    def _add_stems(self, ir: GraphIR, path: tuple[str, ...], taken: dict[str, int]) -> None:
        # The outer graphs first: another graph inside one does not change their names.
        for child in ir.children:
            parts = [*map(identifier_part, path), identifier_part(child.name)]
            stem = "_".join(parts)
            if len(stem) > _LONGEST_STEM:
                stem = parts[-1][:_LONGEST_STEM]
            self.stems[(*path, child.name)] = unique(stem, taken)
        for child in ir.children:
            self._add_stems(child.graph, (*path, child.name), taken)


class GraphText:
    """Writes the section of one graph.

    Args:
        ir: the graph, annotated by every pass.
        path: the nodes that lead to it; () for that of the target.
        module: the identifiers of the module; those of the section are added.

    Attributes:
        variable: the name of the compiled graph.
    """

    def __init__(self, ir: GraphIR, path: tuple[str, ...], module: Names) -> None:
        self.ir = ir
        self.path = path
        self.graphs: Mapping[tuple[str, ...], str] = {}
        self.stem = module.stems[path]
        keys = tuple(c.key for c in ir.channels)
        self.whole_state = None if ir.is_root else keys
        self.everything = None if ir.is_root else (*keys, *(value.key for value in ir.managed))
        self.taken = module.taken
        self.aliases = module.aliases
        self.functions: list[Function] = []
        self.builder = "BUILDER"
        self.variable = "graph"
        # A join's key names all its starts, and each start names the key: written out, that is the
        # square of their number.
        prefix = f"JOIN_{self.stem.upper()}_" if path else "JOIN_"
        self.constants: dict[str, str] = {
            join.key: identifier(f"{prefix}{identifier_part(join.end).upper()}", self.taken)
            for join in ir.joins
            if len(join.key) > _LONG
        }
        if path:
            self.builder = identifier(f"{self.stem.upper()}_BUILDER", self.taken)
            self.variable = identifier(f"{self.stem}_graph", self.taken)

    def section(self, graphs: Mapping[tuple[str, ...], str], annotation: str) -> Section:
        """The section.

        Args:
            graphs: the variables of all graphs, by their paths.
            annotation: of the variable of the outermost graph.
        """
        ir = self.ir
        self.graphs = graphs
        supersteps, apply = self._named("supersteps"), self._named("apply")
        flow = FlowText(ir, self.taken, self._join_key, supersteps, self.stem)
        flow_functions = flow.functions()
        state = apply_function(ir, self._reducer, apply)
        tables = {
            "keys": [(c.key, self._channel_row(c)) for c in ir.channels],
            "managed": [(value.key, self._managed_row(value)) for value in ir.managed],
            "nodes": [
                (node.name, self._node_row(node))
                for node in ir.nodes
                if node.name != "__start__" or node.branches
            ],
            "joins": [(join.key, self._join_row(join)) for join in ir.joins],
            "allowlist": [(".".join(n), tuple_of(map(quote, n))) for n in ir.allowlist],
        }
        graph = call(
            "abi.compiled",
            quote(ir.name),
            supersteps,
            apply,
            *(self._table(name, rows) for name, rows in tables.items() if rows),
            *self._keys("inputs=", ir.inputs, self.whole_state),
            *self._keys("outputs=", ir.outputs, self.whole_state),
            *(
                self._name(schema, f"{keyword}=")
                for keyword, schema in (
                    ("output_schema", ir.output_schema),
                    ("state_schema", ir.state_schema),
                    ("context_schema", ir.context_schema),
                )
                if schema is not None
            ),
            *self._config(),
            *(expression(literal_eval(text), f"{name}=") for name, text in ir.settings),
            statement=f"{self.variable} = " if self.path else f"graph: {annotation} = ",
            table=True,
        )
        constants = [
            *flow.constants(),
            *(assigned(name, key) for key, name in self.constants.items()),
        ]
        if self.path and any(isinstance(ref, BuilderRef) for ref in ir.refs()):
            builder = call("abi.builder_in", "BUILDER", *map(quote, self.path))
            constants.insert(0, lay_out(replace(builder, statement=f"{self.builder} = ")))
        functions = (*flow_functions, state, *self.functions)
        return Section(self._title(), tuple(constants), functions, lay_out(graph))

    def _title(self) -> str:
        if not self.path:
            return "The graph that holds these." if self.ir.children else ""
        return f"The graph of {' in '.join(f'node {shown(name)}' for name in reversed(self.path))}."

    def _config(self) -> list[Expr]:
        """The argument `config` when the module takes it from the object."""
        if not self.ir.takes_config:
            return []
        return [call("config=abi.config_of", "BUILDER", *map(quote, self.path))]

    def _named(self, name: str) -> str:
        """The identifier of this graph's function `name`."""
        return identifier(f"{name}_{self.stem}", self.taken) if self.stem else name

    # -- functions --------------------------------------------------------------------------

    def _reducer(self, channel: ChannelIR) -> Expr:
        assert channel.reducer is not None
        return self._name(channel.reducer)

    def _callee(self, kind: str, name: str, target: Call) -> Expr:
        """The expression for the body in a row; where something is injected, the name of a
        function that this adds to `self.functions`."""
        function = self._name(target.function)
        if not target.inject:
            return function
        lines = []
        if not isinstance(function, str):
            lines.append(lay_out(replace(function, statement="function = "), 4))
            function = "function"
        arguments = [f"{parameter}={SOURCES[source]}" for parameter, source in target.inject]
        lines.append(lay_out(call(function, "state", *arguments, statement="return "), 4))
        owner = f"{kind}_{self.stem}" if self.stem else kind
        wrapper = identifier(f"{owner}_{identifier_part(name)}", self.taken)
        role = "node" if kind == "node" else "router"
        if target.is_async:
            role = f"async {role}"
        self.functions.append(
            Function(
                lay_out(_head(wrapper, "state: Any", "task: Any"), 0, ":"),
                tuple(lines),
                f"{role} {shown(name)}, with what it asks for",
            )
        )
        return wrapper

    def _name(self, ref: Ref, prefix: str = "") -> Expr:
        """The expression for `ref` in the module, after `prefix`."""
        if isinstance(ref, BuilderRef):
            return call(f"{prefix}abi.{ref.kind}_of", self.builder, *map(quote, ref.names))
        return prefix + symbol_text(ref, self.aliases)

    # -- tables -----------------------------------------------------------------------------

    def _table(self, name: str, rows: Sequence[tuple[str, Group]]) -> Expr:
        """The argument `name`; functions that return its rows are added to `self.functions`.

        Args:
            rows: with the names of what they declare.
        """
        calls: list[str] = []
        for first, part in _parts(rows):
            whole = f"{name}_{self.stem}" if self.stem else name
            if calls:
                whole += f"_from_{identifier_part(first)[: LONGEST - len(self.stem)]}"
            function = identifier(whole, self.taken)
            head = f"def {function}() -> tuple[{_ROWS[name]}, ...]:"
            self.functions.append(Function(head, (lay_out(table_of(part), 4),)))
            calls.append(f"{function}()")
        if len(calls) == 1:
            return f"{name}={calls[0]}"
        return tuple_of((f"*{each}" for each in calls), f"{name}=")

    def _channel_row(self, channel: ChannelIR) -> Group:
        items: list[Expr] = [quote(channel.key)]
        if channel.custom is not None:
            items.append(self._name(channel.custom))
        elif channel.reducer is not None:
            items.append("None" if channel.seed is None else self._name(channel.seed))
            items.append(self._name(channel.reducer))
            if channel.snapshot_frequency != 100:
                items.append(f"snapshot_frequency={channel.snapshot_frequency}")
        elif channel.kind in ("EphemeralValue", "UntrackedValue") and not channel.guard:
            items.append("guard=False")
        elif channel.kind == "Topic" and channel.accumulate:
            items.append("accumulate=True")
        return call(f"abi.{_CONSTRUCTORS[channel.kind]}", *items)

    def _join_row(self, join: JoinIR) -> Group:
        return call("abi.join", self._join_key(join.key), names(join.starts), quote(join.end))

    def _join_key(self, key: str) -> str:
        return self.constants.get(key) or quote(key)

    def _managed_row(self, value: ManagedIR) -> Group:
        extra = [] if value.cls is None else [self._name(value.cls)]
        function = "managed" if value.kind == "custom" else value.kind
        return call(f"abi.{function}", quote(value.key), *extra)

    def _node_row(self, node: NodeIR) -> Group:
        """The row of a node; the functions it needs are added to `self.functions`."""
        items: list[Expr] = [quote(node.name)]
        if node.child:
            items.append(self.graphs[(*self.path, node.child)])
        elif node.call is not None:
            items.append(self._callee("node", node.name, node.call))
        if len(items) > 1:
            items += self._keys("reads=", node.reads, self.everything)
        branches = [self._branch_row(node, branch) for branch in node.branches]
        if node.schema is not None:
            items.append(self._name(node.schema, "schema="))
        if branches:
            items.append(tuple_of(branches, "branches="))
        if node.gotos and node.targets:
            items.append(names(node.targets, "destinations="))
        if node.defer:
            items.append("defer=True")
        if node.child:
            items.append("call=abi.GRAPH")
        elif node.call is not None:
            items += _how(node.call)
            if node.subgraph:
                items.append(call("subgraph=abi.graph_in", self._name(node.call.function)))
        items += self._policies(node)
        return call("abi.Node", *items)

    def _policies(self, node: NodeIR) -> list[Expr]:
        """What a node's row says of its failures, and of its metadata."""
        items: list[Expr] = []
        if node.retries:
            items.append(tuple_of(map(self._retry, node.retries), "retry="))
        if node.cache is not None:
            kept: list[Expr] = [quote(node.cache.function), quote(node.name)]
            if node.cache.key_func is not None:
                kept.append(self._name(node.cache.key_func, "key_func="))
            if node.cache.ttl != "None":
                kept.append(f"ttl={node.cache.ttl}")
            items.append(call("cache=abi.cached", *kept))
        if node.timeout is not None:
            items.append(_timeout(node.timeout))
        if node.error_handler:
            items.append(f"error_handler={quote(node.error_handler)}")
        if node.metadata:
            items.append(expression(literal_eval(node.metadata), "metadata="))
        elif node.metadata_ref is not None:
            items.append(self._name(node.metadata_ref, "metadata="))
        return items

    def _retry(self, policy: RetryIR) -> Expr:
        items: list[Expr] = [
            expression(literal_eval(source), f"{name}=") for name, source in policy.fields
        ]
        if policy.retry_on is not None:
            kinds = [self._name(ref) for ref in policy.retry_on]
            if policy.is_sequence:
                items.append(tuple_of(kinds, "retry_on="))
            else:
                items.append(self._name(policy.retry_on[0], "retry_on="))
        return call("abi.retry", *items)

    def _branch_row(self, node: NodeIR, branch: BranchIR) -> Group:
        path = self._callee("branch", f"{node.name} {branch.name}", branch.path)
        items: list[Expr] = [quote(branch.name), path]
        items += self._keys("reads=", branch.reads, self.everything)
        if branch.schema is not None:
            items.append(self._name(branch.schema, "schema="))
        if branch.merges:
            items.append("merges=True")
        if branch.ends is not None:
            if branch.ends and all(value == end for value, end in branch.ends):
                parts: Iterable[str] = (quote(end) for _, end in branch.ends)
            else:
                parts = (f"{literal(value)}: {quote(end)}" for value, end in branch.ends)
            items.append(Group("ends={", tuple(parts), "}"))
        elif branch.ends_ref is not None:
            items.append(self._name(branch.ends_ref, "ends="))
        items += _how(branch.path)
        if branch.anonymous:
            items.append("anonymous=True")
        return call("abi.Branch", *items)

    def _keys(
        self, prefix: str, keys: tuple[str, ...] | None, everything: tuple[str, ...] | None
    ) -> list[Expr]:
        """The argument that says which keys; none when they are everything."""
        return [] if keys == everything else [names(keys, prefix)]


def symbol_text(ref: SymbolRef, aliases: Mapping[tuple[str, str], str]) -> str:
    """The expression for what the module imports.

    Args:
        aliases: the names of the imports in the module, by module and name.
    """
    if ref.module == "builtins":
        return ref.name
    first, *rest = ref.name.split(".")
    return ".".join([aliases[ref.module, first], *rest])


def _timeout(policy: TimeoutIR) -> Expr:
    """The argument `timeout` of a node's row."""
    items = []
    if policy.run != "None":
        items.append(f"run={policy.run}")
    if policy.idle != "None":
        items.append(f"idle={policy.idle}")
    if policy.refresh_on != "auto":
        items.append(f"refresh_on={quote(policy.refresh_on)}")
    return call("timeout=abi.timeout", *items)


def _how(target: Call) -> list[str]:
    """The argument `call` of a body that is not called with the state alone."""
    if target.invoke:
        return ["call=abi.INVOKE"]
    if target.is_async:
        return ["call=abi.AWAIT_WITH_TASK" if target.inject else "call=abi.AWAIT"]
    return ["call=abi.CALL_WITH_TASK"] if target.inject else []


def _parts(rows: Sequence[tuple[str, Group]]) -> Iterator[tuple[str, list[Group]]]:
    """The rows of a table, and those of a large one in parts, each with its first row's name."""
    is_large = sum(brackets(row) for _, row in rows) > _TABLE_BRACKETS
    first, size = rows[0][0], 0
    part: list[Group] = []
    for name, row in rows:
        size += brackets(row)
        if is_large and part and (cuts(name) or size > _MOST_BRACKETS):
            yield first, part
            first, part, size = name, [], brackets(row)
        part.append(row)
    yield first, part


# The type of a table's rows.
_ROWS = {
    "keys": "abi.Channel",
    "managed": "abi.Managed",
    "nodes": "abi.Node",
    "joins": "abi.Join",
    "allowlist": "tuple[str, str]",
}

_CONSTRUCTORS = {
    "LastValue": "last_value",
    "AnyValue": "any_value",
    "EphemeralValue": "ephemeral",
    "UntrackedValue": "untracked",
    "Topic": "topic",
    "BinaryOperatorAggregate": "aggregate",
    "DeltaChannel": "delta",
    "custom": "custom",
}

SOURCES = {
    "config": "task.config",
    "runtime": "task.runtime",
    "writer": "task.stream_writer",
    "store": "task.store",
    "optional_store": "task.optional_store",
    "previous": "task.previous",
    "error": "task.node_error",
}


def _head(name: str, *parameters: str) -> Group:
    """The head of a function, without its colon."""
    return Group(f"def {name}(", parameters, ") -> Any")
