"""The calls that build graphs in one source file, read with libcst; nothing is executed."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from lgc.compiler.diagnostics import Span

# The methods whose positions a diagnostic shows.
_BUILDER_METHODS = frozenset(
    {
        "add_node",
        "add_sequence",
        "set_node_defaults",
        "compile",
    }
)


@dataclass(frozen=True)
class BuilderCall:
    """A call on a builder, or the construction of one.

    Attributes:
        method: the method; "StateGraph" for a construction, also of a subclass.
        span: the call.
        keywords: its keyword arguments.
        owners: the names that it can be looked up by: the variable, the enclosing definitions.
        nodes: the nodes that it adds.
        passed: the names in its arguments.
    """

    method: str
    span: Span
    keywords: dict[str, Span]
    owners: frozenset[str]
    nodes: dict[str, Span]
    passed: frozenset[str]


@dataclass
class SourceFile:
    """What one file says of the graphs built in it.

    Attributes:
        calls: the calls that build graphs, in the order of the source.
        definitions: the last module-level assignment, def or class of each (dotted) name.
        leads_to: from a name to those whose calls belong to it, too. For `graph =
            builder.compile()`, graph -> builder; for `fill(builder)`, builder -> fill; for
            `def make(): fill(...)`, make -> fill.
    """

    calls: list[BuilderCall] = field(default_factory=list)
    definitions: dict[str, Span] = field(default_factory=dict)
    leads_to: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def scan(path: Path) -> SourceFile:
    """Reads the file at `path`; the result is empty when the file cannot be parsed."""
    source = SourceFile()
    try:
        wrapper = MetadataWrapper(cst.parse_module(path.read_bytes()), unsafe_skip_copy=True)
        positions = cast("dict[cst.CSTNode, CodeRange]", wrapper.resolve(PositionProvider))
        spans = _Spans(str(path), re.split(r"\r\n?|\n", wrapper.module.code), positions)
        wrapper.module.visit(_Scanner(source, spans))
    except (OSError, ValueError, SyntaxError, RecursionError, cst.ParserSyntaxError):
        return SourceFile()
    return source


@dataclass(frozen=True)
class _Spans:
    """The positions of the nodes of one file."""

    file: str
    lines: list[str]
    positions: dict[cst.CSTNode, CodeRange]

    def of(self, node: cst.CSTNode, start: cst.CSTNode | None = None) -> Span:
        """From `start`, or else from the start of `node`, to its end, within the first line."""
        begin, end = self.positions[start or node].start, self.positions[node].end
        text = self.lines[begin.line - 1]
        end_column = end.column if end.line == begin.line else len(text.rstrip())
        return Span(self.file, begin.line, begin.column + 1, end_column + 1, text)

    def of_call(self, node: cst.Call) -> Span:
        """The call; in a chain of calls, from the name of its method on."""
        if isinstance(node.func, cst.Attribute) and not _root(node.func.value, False):
            return self.of(node, node.func.attr)
        return self.of(node)


class _Scanner(cst.CSTVisitor):
    """Fills a SourceFile in one walk over the module, in source order."""

    def __init__(self, source: SourceFile, spans: _Spans) -> None:
        super().__init__()
        self.source = source
        self.spans = spans
        self.stack: list[str] = []  # enclosing functions and classes
        self.functions = 0  # how many of them are functions
        self.targets: list[str] = []  # names the statement being visited assigns to
        self.names = _ModuleNames()
        self.classes: set[str] = set()  # StateGraph and its subclasses in this file

    # Names

    def visit_Module(self, node: cst.Module) -> None:
        # Constants and aliases first: a function above them may use them.
        node.visit(self.names)
        self.classes = {"StateGraph"}
        for name, bases in self.names.bases.items():
            if any(self.names.original_of(base) in self.classes for base in bases):
                self.classes.add(name)

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self._define(node.name)
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
                self.source.leads_to[target].add(root)

    def _define(self, name: cst.Name) -> None:
        if not self.functions:
            self.source.definitions[".".join([*self.stack, name.value])] = self.spans.of(name)

    # Calls

    def visit_Call(self, node: cst.Call) -> None:
        method = self.names.original_of(_last_name(node.func))
        if isinstance(node.func, cst.Attribute) and method in _BUILDER_METHODS:
            root = self._variable(node)
            if root == "re":  # re.compile
                return
        elif method in self.classes:
            root, method = None, "StateGraph"
        else:
            self._delegate(node)
            return
        arguments = _Arguments(node)
        nodes: dict[str, Span] = {}
        if method == "add_node":
            name = self._node_name(arguments.get(0, "node"))
            if name is not None:
                nodes[name] = self.spans.of_call(node)
        elif method == "add_sequence":
            nodes = self._sequence(arguments.get(0, "nodes"))
        self.source.calls.append(
            BuilderCall(
                method=method,
                span=self.spans.of_call(node),
                keywords={name: self.spans.of(a) for name, a in arguments.keywords.items()},
                owners=frozenset([*self.stack, *self.targets, *([root] if root else [])]),
                nodes=nodes,
                passed=frozenset(name for a in node.args for name in self._passed(a.value)),
            )
        )

    def _delegate(self, node: cst.Call) -> None:
        """`fill(builder)` in `make`: what belongs to `fill` belongs to `builder` and `make`."""
        if not isinstance(node.func, cst.Name):
            return
        passed = [arg.value.value for arg in node.args if isinstance(arg.value, cst.Name)]
        for name in (*self.stack, *(() if self.stack else passed)):
            self.source.leads_to[name].add(node.func.value)

    def _passed(self, value: cst.BaseExpression) -> set[str]:
        """The last names in an argument: `f`, `m.f`, `Wrap(f)`."""
        if isinstance(value, cst.Call):
            inner = (name for arg in value.args for name in self._passed(arg.value))
            return {_last_name(value.func), *inner}
        return {name} if (name := self._callable_name(value)) else set()

    def _sequence(self, argument: cst.BaseExpression | None) -> dict[str, Span]:
        """The nodes that a list given to `add_sequence` adds."""
        nodes: dict[str, Span] = {}
        for element in argument.elements if isinstance(argument, (cst.List, cst.Tuple)) else ():
            value = element.value
            if isinstance(value, cst.Tuple) and value.elements:
                name = self._string(value.elements[0].value)
            else:
                name = self._node_name(value)
            if name is not None:
                nodes[name] = self.spans.of(value)
        return nodes

    def _node_name(self, value: cst.BaseExpression | None) -> str | None:
        name = self._string(value)
        return self._callable_name(value) if name is None else name

    def _variable(self, value: object) -> str | None:
        """The name that a value goes back to: a builder, or a function that made one."""
        root = _root(value)
        return None if self.names.original_of(root or "") == "StateGraph" else root

    def _callable_name(self, value: cst.BaseExpression | None) -> str | None:
        if not isinstance(value, (cst.Name, cst.Attribute)):
            return None
        name = _last_name(value)
        return self.names.original_of(name) if isinstance(value, cst.Name) else name

    def _string(self, value: cst.BaseExpression | None) -> str | None:
        """The string that `value` is: a literal, or a module-level constant."""
        text = _literal(value)
        if text is not None:
            return text
        if isinstance(value, cst.Name) and value.value in self.names.constants:
            return self.names.constants[value.value]
        return None


class _Arguments:
    """The arguments of a call, by position and by keyword."""

    def __init__(self, node: cst.Call) -> None:
        self.positional = [a for a in node.args if a.keyword is None and not a.star]
        self.keywords = {a.keyword.value: a for a in node.args if a.keyword is not None}

    def get(self, index: int, name: str) -> cst.BaseExpression | None:
        """The argument at `index`, or else the one called `name`."""
        if index < len(self.positional):
            return self.positional[index].value
        return self.keywords[name].value if name in self.keywords else None


class _ModuleNames(cst.CSTVisitor):
    """Module-level string constants, and what `import ... as` renames anywhere in the file."""

    def __init__(self) -> None:
        super().__init__()
        self.constants: dict[str, str | None] = {}  # None: assigned, but not one string
        self.original: dict[str, str] = {}  # `from m import f as g`: g -> f
        self.bases: dict[str, list[str]] = {}
        self.depth = 0

    def original_of(self, name: str) -> str:
        """The name under which the module that defines it knows `name`."""
        return self.original.get(name, name)

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
