"""The control flow of a generated module as text: the function `supersteps`.

A block for each superstep of the automaton, in its order. A block of one node says where that
node leads, and is all that says it; a block of several names them, and comments what follows. A
large graph is cut into functions of some blocks each, where the hash of a node's name says so, so
that a node more or less leaves the cuts elsewhere as they are (architecture §2.6.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from xxhash import xxh3_64_intdigest

from lgc.compiler.identifiers import LONGEST, identifier, identifier_part
from lgc.compiler.ir import GraphIR, NodeIR, Superstep
from lgc.compiler.layout import WIDTH, Expr, call, equals, lay_out, names, quote, tuple_of, width
from lgc.compiler.superstep_text import missing
from lgc.runtime.engine.flow import label_of, names_of

_WHOLE: Final = 48
"""A graph of more supersteps than these is cut."""
_MEAN: Final = 32
"""How many supersteps a part has on average."""
_MOST: Final = 96
"""A part of so many is cut wherever that is."""

_LONG_LABEL: Final = 56
"""A label of more characters is a constant."""

_LISTED: Final = 8
"""What may follow is counted where it is more than that."""

_DOC: Final = (
    '    """Runs what is due, from top to bottom, and returns what is due then; "" at the end."""'
)
_PARAMETERS: Final = "run: abi.Run, due: str"


@dataclass(frozen=True)
class Function:
    """A generated function.

    Attributes:
        head: its first line or lines, up to the colon.
        lines: those of its body.
        comment: what the comment above it says.
    """

    head: str
    lines: tuple[str, ...]
    comment: str = ""


def cuts(name: str) -> bool:
    """Whether a list of a large graph's parts is cut before the one of this name."""
    return xxh3_64_intdigest(name.encode("utf-8", "surrogatepass")) % _MEAN == 0


class FlowText:
    """Writes the control flow of one graph.

    Args:
        ir: annotated by every pass.
        taken: the identifiers in use; those of this text are added.
        join_key: the expression for the key of a join.
        name: the name of the function.
        stem: what the names of the functions that it is cut into begin with.
    """

    def __init__(
        self,
        ir: GraphIR,
        taken: dict[str, int],
        join_key: Callable[[str], str],
        name: str = "supersteps",
        stem: str = "",
    ) -> None:
        self._ir = ir
        self._name = name
        self._stem = stem
        self._taken = taken
        self._join_key = join_key
        self._deferred = {node.name for node in ir.nodes if node.defer}
        # By the key of a join, its starts and its end, as comments show them.
        self._joins = {j.key: (set(map(shown, j.starts)), shown(j.end)) for j in ir.joins}
        # By the sorted nodes of a set, their order in its label: that of the first edges to it.
        self._order: dict[tuple[str, ...], tuple[str, ...]] = {}
        for node in ir.nodes:
            due = self._due(node)
            self._order.setdefault(tuple(sorted(due)), due)
        self._constants: dict[str, str] = {}

    def functions(self) -> list[Function]:
        """`supersteps`, and the functions that it is cut into."""
        parts: list[list[Superstep]] = [[]]
        supersteps = self._ir.supersteps
        for superstep in supersteps:
            is_cut = len(superstep.nodes) == 1 and cuts(superstep.nodes[0])
            if len(supersteps) > _WHOLE and parts[-1] and (is_cut or len(parts[-1]) == _MOST):
                parts.append([])
            parts[-1].append(superstep)
        head = f"def {self._name}({_PARAMETERS}) -> str:"
        if len(parts) == 1:
            lines = [line for superstep in parts[0] for line in self._block(superstep)]
            return [Function(head, (_DOC, *lines, "    return due"))]
        functions = []
        for part in parts:
            first = identifier_part(part[0].nodes[0])
            name = f"from_{first[: LONGEST - len(self._stem)]}"
            name = identifier(f"{self._stem}_{name}" if self._stem else name, self._taken)
            lines = [line for superstep in part for line in self._block(superstep)]
            functions.append(
                (name, Function(f"def {name}({_PARAMETERS}) -> str:", (*lines, "    return due")))
            )
        calls = [f"    due = {name}(run, due)" for name, _ in functions]
        whole = Function(head, (_DOC, *calls, "    return due"))
        return [whole, *(function for _, function in functions)]

    def constants(self) -> list[str]:
        """The constants that the functions use, once these are written."""
        return [
            lay_out(call("abi.together", *map(quote, names_of(label)), statement=f"{name} = "))
            for label, name in self._constants.items()
        ]

    def _due(self, node: NodeIR) -> tuple[str, ...]:
        """The nodes that the edges of a node lead to, deferred ones left out."""
        return tuple(e for e in node.edges if e != "__end__" and e not in self._deferred)

    def _label(self, nodes: tuple[str, ...]) -> str:
        return label_of(self._order.get(tuple(sorted(nodes)), nodes))

    def _quoted(self, label: str) -> str:
        """The expression for a label."""
        nodes = names_of(label)
        if len(label) <= _LONG_LABEL or len(nodes) == 1:
            return quote(label)
        name = self._constants.get(label)
        if name is None:
            part = identifier_part(nodes[0])[: LONGEST - len(self._stem)]
            stem = f"{self._stem}_" if self._stem else ""
            name = identifier(f"WITH_{stem}{part}".upper(), self._taken)
            self._constants[label] = name
        return name

    # -- blocks -------------------------------------------------------------------------

    def _block(self, superstep: Superstep) -> Iterator[str]:
        """The lines of a superstep."""
        yield "    " + equals("if", "due", self._quoted(self._label(superstep.nodes)), 4)
        if len(superstep.nodes) > 1:
            yield from _comment("in parallel; next: ", self._next(superstep), " or ")
            yield "        due = run.parallel(due)"
            return
        node = self._ir.node(superstep.nodes[0])
        for key in dict.fromkeys(node.joins):
            starts, end = self._joins[key]
            yield from _comment("", [f"{end}{missing(starts, [shown(node.name)])}"], "")
        if node.gotos:
            yield from _comment("Command? ", self._ends(node.targets), ", ")
        for branch in node.branches:
            yield from _comment(f"{shown(branch.name)}? ", self._ends(branch.targets), ", ")
        if node.retries:
            yield "        # runs again when it fails, as `retry` of the node says"
        if node.timeout is not None:
            yield "        # cancelled when it takes too long, as `timeout` of the node says"
        if node.cache is not None:
            yield "        # not run where the graph's cache has its result"
        if node.error_handler:
            yield from _comment("when it has failed: ", [shown(node.error_handler)], "")
        yield lay_out(self._run(node), 8)

    def _run(self, node: NodeIR) -> Expr:
        """The call that runs a node."""
        items: list[Expr] = [quote(node.name)]
        routers = [branch.name for branch in node.branches]
        if node.name == "__start__" and not routers:
            items = []
        if routers:
            items.append(quote(routers[0]) if len(routers) == 1 else names(routers))
        ends = [end for end in node.edges if end != "__end__"]
        due = self._due(node)
        deferred = tuple(end for end in ends if end in self._deferred)
        label = self._label(due)
        if due:
            items.append(f"then={self._quoted(label)}")
        if deferred:
            items.append(names(deferred, "deferred="))
        if node.joins:
            items.append(tuple_of(map(self._join_key, node.joins), "joins="))
        if ends != [*self._order.get(tuple(sorted(due)), due), *deferred]:
            items.append(names(ends, "edges="))
        how = "routed" if routers else "start" if node.name == "__start__" else "node"
        return call(f"run.{how}", *items, statement="due = ")

    def _ends(self, targets: tuple[str, ...]) -> list[str]:
        """Where a router or a Command leads."""
        if not targets:
            return ["any node"]
        return ["the end" if end == "__end__" else shown(end) for end in targets]

    def _next(self, superstep: Superstep) -> list[str]:
        """What may follow on several nodes, put together by the run last."""
        possible = [quote(self._label(nodes)) if nodes else "the end" for nodes in superstep.next]
        if superstep.any_node:
            possible.append("any node besides")
        if superstep.together:
            possible.append(f"several of {', '.join(map(shown, superstep.together))}")
        return possible or ["what the run puts together"]


def _comment(prefix: str, parts: list[str], between: str) -> Iterator[str]:
    """A comment in a block, wrapped between its parts."""
    if len(parts) > _LISTED:
        parts = [*parts[: _LISTED - 1], f"{len(parts) - _LISTED + 1} more"]
    line = f"        # {prefix}{parts[0]}"
    for part in parts[1:]:
        more = f"{line}{between}{part}"
        if width(more) > WIDTH:
            yield f"{line}{between}".rstrip()
            line = f"        #     {part}"
        else:
            line = more
    yield line


def shown(name: str) -> str:
    """`name` as a comment shows it: on one line and visible, whatever it contains."""
    return name if name.isprintable() and name.strip() == name != "" else quote(name)
