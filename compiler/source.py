"""Where in the user's source a graph is built, for diagnostics, lint and drawing.

A live builder does not know the lines that made it, so this reads them with libcst, without
running anything. All answers are best effort: None means "not written literally". Nothing that
executes may depend on them.
"""

from __future__ import annotations

import functools
import linecache
import os
import re
import sysconfig
from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import cast

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from lgc.compiler.diagnostics import Span

_BUILDER_METHODS = frozenset(
    {
        "add_node",
        "add_edge",
        "add_conditional_edges",
        "add_sequence",
        "set_entry_point",
        "set_finish_point",
        "set_conditional_entry_point",
        "set_node_defaults",
        "compile",
    }
)
_SENTINELS = {"START": "__start__", "END": "__end__"}


@dataclass(frozen=True)
class _Call:
    """A call on a builder, reduced to what the lookups need."""

    method: str
    span: Span
    keywords: dict[str, Span]
    owners: frozenset[str]  # the names it can be found by: variable, enclosing definitions
    nodes: dict[str, Span] = field(default_factory=dict)
    edges: Sequence[tuple[str | None, str | None]] = ()  # None: not written literally
    join: tuple[list[str], str] | None = None  # sorted starts, end
    branch: tuple[str, str | None] | None = None  # source, name of the router
    passed: frozenset[str] = frozenset()  # names in its arguments


class SourceMap:
    """The calls that build graphs in one source file.

    Lookups take `scope`, the attribute of the TARGET (a builder, a compiled graph or a
    factory), and look at the calls that belong to it: those on its variable, in the function
    or class that makes it, and in the functions these hand it to. Another call is taken only
    when it is the one that passes something called by one of `names` (the node's function, the
    state's class): no span is better than a wrong one. Lookups that take `keyword` return the
    span of that keyword argument when the call has it.
    """

    def __init__(self) -> None:
        """An empty map; `of_file` makes the others."""
        self._calls: list[_Call] = []
        self._definitions: dict[str, Span] = {}
        self._returns: dict[str, frozenset[str] | None] = {}
        # `graph = builder.compile()`: graph -> builder; `fill(builder)`: builder -> fill;
        # `def make(): fill(...)`: make -> fill.
        self._leads_to: defaultdict[str, set[str]] = defaultdict(set)
        self._by_node: dict[str, list[_Call]] | None = None

    @staticmethod
    def of_file(path: Path) -> SourceMap:
        """The map of the file at `path`, read once a process; empty when it cannot be parsed."""
        return _of_file(path)

    def node(
        self, name: str, *, scope: str = "", keyword: str = "", names: Set[str] = frozenset()
    ) -> Span | None:
        """Where the node `name` is added."""
        if self._by_node is None:
            self._by_node = {}
            for call in self._calls:
                for node in call.nodes:
                    self._by_node.setdefault(node, []).append(call)
        found = self._first(self._by_node.get(name, []), scope, names)
        return found.keywords.get(keyword, found.nodes[name]) if found else None

    def edge(self, start: str, end: str, *, scope: str = "") -> Span | None:
        """Where the static edge from `start` to `end` is added."""
        found = self._first([c for c in self._calls if (start, end) in c.edges], scope)
        return found.span if found else None

    def join(self, starts: Sequence[str], end: str, *, scope: str = "") -> Span | None:
        """Where the edge that waits for all of `starts`, in any order, is added."""
        wanted = (sorted(starts), end)
        found = self._first([c for c in self._calls if c.join == wanted], scope)
        return found.span if found else None

    def branch(self, source: str, path_name: str | None, *, scope: str = "") -> Span | None:
        """Where the conditional edge from `source` is added, best the one routed by `path_name`."""
        calls = [c for c in self._calls if c.branch and c.branch[0] == source]
        named = [c for c in calls if path_name and c.branch == (source, path_name)]
        found = self._first(named or calls, scope, {path_name} if path_name else frozenset())
        return found.span if found else None

    def constructor(
        self, *, scope: str = "", keyword: str = "", names: Set[str] = frozenset()
    ) -> Span | None:
        """Where the `StateGraph`, or an object of a subclass in this file, is made."""
        return self.call("StateGraph", scope=scope, keyword=keyword, names=names)

    def call(
        self, method: str, *, scope: str = "", keyword: str = "", names: Set[str] = frozenset()
    ) -> Span | None:
        """Where `method` of the builder (such as "compile") is first called."""
        found = self._first([c for c in self._calls if c.method == method], scope, names)
        return found.keywords.get(keyword, found.span) if found else None

    def definition(self, attr: str) -> Span | None:
        """The name in the last module-level assignment, def or class of `attr`, may be dotted."""
        return self._definitions.get(attr)

    def returned_literals(self, func_name: str) -> frozenset[str] | None:
        """The strings that the module-level function `func_name` can return, alone or in lists.

        None when it is not there, returns nothing, or returns anything that is not written as
        string literals. Decorators and falling off the end are not considered.
        """
        return self._returns.get(func_name)

    def _first(self, calls: list[_Call], scope: str, names: Set[str] = frozenset()) -> _Call | None:
        if not scope:
            return calls[0] if calls else None
        owners: set[str] = set()
        pending = [scope.partition(".")[0]]
        while pending:
            name = pending.pop()
            if name not in owners:
                owners.add(name)
                pending += self._leads_to.get(name, ())
        own = [c for c in calls if owners & c.owners]
        passing = [c for c in own or calls if c.passed & names]
        if own and (len(own) == 1 or not names):
            return own[0]
        return passing[0] if len(passing) == 1 else None


def span_of_code(code: CodeType) -> Span | None:
    """The line of the user's file on which a function begins; None for one of a library."""
    file = os.path.abspath(code.co_filename)
    places = {os.path.abspath(place) for place in sysconfig.get_paths().values()}
    library = any(file.startswith(place + os.sep) for place in places)
    if library or {"site-packages", "dist-packages"} & set(Path(file).parts):
        return None
    lines = linecache.getlines(file)
    number = code.co_firstlineno
    if code.co_name != "<lambda>":
        # Code begins at its first decorator.
        head = re.compile(rf"\s*(async\s+)?def\s+{re.escape(code.co_name)}\b")
        after = range(number, min(number + 50, len(lines) + 1))
        number = next((n for n in after if head.match(lines[n - 1])), number)
    if not 0 < number <= len(lines):
        return None
    text = lines[number - 1].rstrip("\r\n")
    begin, end = len(text) - len(text.lstrip()) + 1, len(text.rstrip()) + 1
    return Span(file, number, begin, max(begin + 1, end), text)


@functools.cache
def _of_file(path: Path) -> SourceMap:
    source_map = SourceMap()
    try:
        wrapper = MetadataWrapper(cst.parse_module(path.read_bytes()), unsafe_skip_copy=True)
        positions = cast("dict[cst.CSTNode, CodeRange]", wrapper.resolve(PositionProvider))
        lines = re.split(r"\r\n?|\n", wrapper.module.code)
        wrapper.module.visit(_Scanner(source_map, str(path), lines, positions))
    except (OSError, ValueError, SyntaxError, RecursionError, cst.ParserSyntaxError):
        return SourceMap()
    return source_map


class _Scanner(cst.CSTVisitor):
    """Fills a SourceMap in one walk over the module, in source order."""

    def __init__(
        self,
        source_map: SourceMap,
        file: str,
        lines: list[str],
        positions: dict[cst.CSTNode, CodeRange],
    ) -> None:
        super().__init__()
        self.map = source_map
        self.file = file
        self.lines = lines
        self.positions = positions
        self.stack: list[str] = []  # enclosing functions and classes
        self.functions = 0  # how many of them are functions
        self.targets: list[str] = []  # names the statement being visited assigns to
        self.constants: dict[str, str | None] = {}
        self.original: dict[str, str] = {}  # `from m import f as g`: g -> f
        self.classes: set[str] = set()  # StateGraph and its subclasses in this file

    # Names

    def visit_Module(self, node: cst.Module) -> None:
        # Constants and aliases first: a function above them may use them.
        names = _Names()
        node.visit(names)
        self.constants, self.original = names.constants, names.original
        self.classes = {"StateGraph"}
        for name, bases in names.bases.items():
            if any(self.original.get(base, base) in self.classes for base in bases):
                self.classes.add(name)

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self._define(node.name)
        if not self.stack:
            self.map._returns[node.name.value] = self._literals_of(node)
        self.stack.append(node.name.value)
        self.functions += 1

    def leave_FunctionDef(self, original_node: cst.FunctionDef) -> None:
        self.stack.pop()
        self.functions -= 1

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        self._define(node.name)
        self.stack.append(node.name.value)

    def leave_ClassDef(self, original_node: cst.ClassDef) -> None:
        self.stack.pop()

    def visit_Assign(self, node: cst.Assign) -> None:
        self._assign([target.target for target in node.targets], node.value)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        if node.value is not None:
            self._assign([node.target], node.value)

    def leave_Assign(self, original_node: cst.Assign) -> None:
        self.targets = []

    def leave_AnnAssign(self, original_node: cst.AnnAssign) -> None:
        self.targets = []

    def _assign(self, targets: list[cst.BaseAssignTargetExpression], value: object) -> None:
        names = [name for target in targets for name in _target_names(target)]
        for name in names:
            self._define(name)
        self.targets = [name.value for name in names]
        root = self._variable(value)
        if root and not self.stack:
            for target in self.targets:
                self.map._leads_to[target].add(root)

    def _define(self, name: cst.Name) -> None:
        if not self.functions:
            self.map._definitions[".".join([*self.stack, name.value])] = self._span(name)

    # Calls

    def visit_Call(self, node: cst.Call) -> None:
        method = _last_name(node.func)
        method = self.original.get(method, method)
        if isinstance(node.func, cst.Attribute) and method in _BUILDER_METHODS:
            root = self._variable(node)
            if root == "re":  # re.compile
                return
        elif method in self.classes:
            root, method = None, "StateGraph"
        else:
            self._hand_on(node)
            return
        positional = [a for a in node.args if a.keyword is None and not a.star]
        keywords = {a.keyword.value: a for a in node.args if a.keyword is not None}

        def argument(index: int, name: str) -> cst.BaseExpression | None:
            if index < len(positional):
                return positional[index].value
            return keywords[name].value if name in keywords else None

        span = self._call_span(node)
        nodes: dict[str, Span] = {}
        edges: list[tuple[str | None, str | None]] = []
        join = branch = None
        if method == "add_node":
            name = self._node_name(argument(0, "node"))
            if name is not None:
                nodes[name] = span
        elif method == "add_edge":
            start, end = argument(0, "start_key"), self._string(argument(1, "end_key"))
            if isinstance(start, (cst.List, cst.Tuple)):
                names = [self._string(element.value) for element in start.elements]
                starts = [name for name in names if name is not None]
                if end is not None and len(starts) == len(names):
                    join = (sorted(starts), end)
            else:
                edges.append((self._string(start), end))
        elif method == "add_sequence":
            nodes, edges = self._sequence(argument(0, "nodes"))
        elif method == "set_entry_point":
            edges.append(("__start__", self._string(argument(0, "key"))))
        elif method == "set_finish_point":
            edges.append((self._string(argument(0, "key")), "__end__"))
        elif method == "add_conditional_edges":
            source = self._string(argument(0, "source"))
            if source is not None:
                branch = (source, self._callable_name(argument(1, "path")))
        elif method == "set_conditional_entry_point":
            branch = ("__start__", self._callable_name(argument(0, "path")))
        self.map._calls.append(
            _Call(
                method=method,
                span=span,
                keywords={name: self._span(a) for name, a in keywords.items()},
                owners=frozenset([*self.stack, *self.targets, *([root] if root else [])]),
                nodes=nodes,
                edges=edges,
                join=join,
                branch=branch,
                passed=frozenset(name for a in node.args for name in self._passed(a.value)),
            )
        )

    def _hand_on(self, node: cst.Call) -> None:
        """`fill(builder)` in `make`: what belongs to `fill` belongs to `builder` and `make`."""
        if not isinstance(node.func, cst.Name):
            return
        given = [arg.value.value for arg in node.args if isinstance(arg.value, cst.Name)]
        for name in (*self.stack, *(() if self.stack else given)):
            self.map._leads_to[name].add(node.func.value)

    def _passed(self, value: cst.BaseExpression) -> set[str]:
        """The last names in an argument: `f`, `m.f`, `Wrap(f)`."""
        if isinstance(value, cst.Call):
            inner = (name for arg in value.args for name in self._passed(arg.value))
            return {_last_name(value.func), *inner}
        return {name} if (name := self._callable_name(value)) else set()

    def _sequence(
        self, argument: cst.BaseExpression | None
    ) -> tuple[dict[str, Span], list[tuple[str | None, str | None]]]:
        nodes: dict[str, Span] = {}
        edges: list[tuple[str | None, str | None]] = []
        previous: str | None = None
        for element in argument.elements if isinstance(argument, (cst.List, cst.Tuple)) else ():
            value = element.value
            if isinstance(value, cst.Tuple) and value.elements:
                name = self._string(value.elements[0].value)
            else:
                name = self._node_name(value)
            if name is not None:
                nodes[name] = self._span(value)
            if previous is not None:
                edges.append((previous, name))
            previous = name
        return nodes, edges

    def _node_name(self, value: cst.BaseExpression | None) -> str | None:
        name = self._string(value)
        return self._callable_name(value) if name is None else name

    def _variable(self, value: object) -> str | None:
        """The name that a value goes back to: a builder, or a function that made one."""
        root = _root(value)
        return None if self.original.get(root or "", root) == "StateGraph" else root

    def _callable_name(self, value: cst.BaseExpression | None) -> str | None:
        if not isinstance(value, (cst.Name, cst.Attribute)):
            return None
        name = _last_name(value)
        return self.original.get(name, name) if isinstance(value, cst.Name) else name

    def _string(self, value: cst.BaseExpression | None) -> str | None:
        """The string that `value` is: a literal, START or END, or a module-level constant."""
        text = _literal(value)
        if text is not None:
            return text
        if isinstance(value, cst.Name) and value.value in self.constants:
            return self.constants[value.value]
        if isinstance(value, (cst.Name, cst.Attribute)):
            return _SENTINELS.get(self._callable_name(value) or "")
        return None

    # Returns

    def _literals_of(self, function: cst.FunctionDef) -> frozenset[str] | None:
        body = _FunctionBody(function)
        if not body.returns or body.is_generator:
            return None
        found: set[str] = set()
        for value in body.returns:
            literals = self._literals(value, body.local_names)
            if literals is None:
                return None
            found |= literals
        return frozenset(found)

    def _literals(self, value: cst.BaseExpression | None, local_names: set[str]) -> set[str] | None:
        if isinstance(value, cst.IfExp):
            parts = [value.body, value.orelse]
        elif isinstance(value, (cst.List, cst.Tuple)):
            parts = [element.value for element in value.elements]
        elif isinstance(value, cst.Name) and value.value in local_names:
            return None
        else:
            text = self._string(value)
            return None if text is None else {text}
        found: set[str] = set()
        for part in parts:
            literals = self._literals(part, local_names)
            if literals is None:
                return None
            found |= literals
        return found

    # Spans

    def _span(self, node: cst.CSTNode, start: cst.CSTNode | None = None) -> Span:
        """From `start`, or else from the start of `node`, to its end, within the first line."""
        begin, end = self.positions[start or node].start, self.positions[node].end
        text = self.lines[begin.line - 1]
        end_column = end.column if end.line == begin.line else len(text.rstrip())
        return Span(self.file, begin.line, begin.column + 1, end_column + 1, text)

    def _call_span(self, node: cst.Call) -> Span:
        # In a chain the call begins where the chain begins: start at its own name instead.
        if isinstance(node.func, cst.Attribute) and _root(node.func.value, through_calls=False):
            return self._span(node)
        return self._span(node, node.func.attr if isinstance(node.func, cst.Attribute) else None)


class _Names(cst.CSTVisitor):
    """Module-level string constants, and what `import ... as` renames anywhere in the file."""

    def __init__(self) -> None:
        super().__init__()
        self.constants: dict[str, str | None] = {}  # None: assigned, but not one string
        self.original: dict[str, str] = {}
        self.bases: dict[str, list[str]] = {}
        self.depth = 0

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self.depth += 1

    def leave_FunctionDef(self, original_node: cst.FunctionDef) -> None:
        self.depth -= 1

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        self.bases[node.name.value] = [_last_name(base.value) for base in node.bases]
        self.depth += 1

    def leave_ClassDef(self, original_node: cst.ClassDef) -> None:
        self.depth -= 1

    def visit_ImportFrom(self, node: cst.ImportFrom) -> None:
        for alias in () if isinstance(node.names, cst.ImportStar) else node.names:
            if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
                self.original[alias.asname.name.value] = _last_name(alias.name)

    def visit_Assign(self, node: cst.Assign) -> None:
        for target in node.targets:
            self._constant(target.target, node.value)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        self._constant(node.target, node.value)

    def _constant(
        self, target: cst.BaseAssignTargetExpression, value: cst.BaseExpression | None
    ) -> None:
        if self.depth or value is None:
            return
        text = _literal(value)
        for name in _target_names(target):
            same = self.constants.setdefault(name.value, text) == text
            self.constants[name.value] = text if same else None


class _FunctionBody(cst.CSTVisitor):
    """What one function returns and which names are its own; nested functions are left out."""

    def __init__(self, function: cst.FunctionDef) -> None:
        super().__init__()
        self.returns: list[cst.BaseExpression | None] = []
        self.local_names: set[str] = set()
        self.is_generator = False
        function.params.visit(self)
        function.body.visit(self)

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        self.local_names.add(node.name.value)
        return False

    def visit_ClassDef(self, node: cst.ClassDef) -> bool:
        self.local_names.add(node.name.value)
        return False

    def visit_Lambda(self, node: cst.Lambda) -> bool:
        return False

    def visit_Return(self, node: cst.Return) -> None:
        self.returns.append(node.value)

    def visit_Yield(self, node: cst.Yield) -> None:
        self.is_generator = True

    def visit_Param(self, node: cst.Param) -> None:
        self.local_names.add(node.name.value)

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        self._bind(node.target)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        self._bind(node.target)

    def visit_For(self, node: cst.For) -> None:
        self._bind(node.target)

    def visit_NamedExpr(self, node: cst.NamedExpr) -> None:
        self._bind(node.target)

    def _bind(self, target: cst.BaseExpression) -> None:
        self.local_names.update(name.value for name in _target_names(target))


def _target_names(target: cst.CSTNode) -> list[cst.Name]:
    if isinstance(target, cst.Name):
        return [target]
    if isinstance(target, (cst.Tuple, cst.List)):
        return [name for element in target.elements for name in _target_names(element.value)]
    return []


def _literal(value: cst.BaseExpression | None) -> str | None:
    if isinstance(value, (cst.SimpleString, cst.ConcatenatedString)):
        text = value.evaluated_value
        return text if isinstance(text, str) else None
    return None


def _last_name(expression: cst.CSTNode) -> str:
    """`f` of `f` and of `module.f`; empty for anything else."""
    if isinstance(expression, cst.Attribute):
        return expression.attr.value
    return expression.value if isinstance(expression, cst.Name) else ""


def _root(expression: object, through_calls: bool = True) -> str | None:
    """The name that a chain of attributes (and calls) begins with: `b` of `b.x(1).y()`."""
    while True:
        if isinstance(expression, cst.Attribute):
            expression = expression.value
        elif isinstance(expression, cst.Call) and through_calls:
            expression = expression.func
        else:
            return expression.value if isinstance(expression, cst.Name) else None
