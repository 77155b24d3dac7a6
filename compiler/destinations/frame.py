"""One call that is followed, and the live objects that names mean in it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from lgc.compiler.destinations.live_objects import UNKNOWN, attribute_of, free_name, imported
from lgc.compiler.destinations.reach import Reach


@dataclass
class Frame:
    """One call that is followed.

    Attributes:
        function: the live function; None for a function nested in `outer`.
        outer: the call in which a nested function is defined.
        arguments: where the values of its parameters lead.
        objects: parameters whose live value is known, such as `self`.
        first: the name of its first positional parameter; "" without one.
        bindings: the expressions assigned to its variables; None for what is not followed.
        resolving: variables that are being followed, to end on `x = f(x)`.
    """

    function: Any
    outer: Frame | None = None
    arguments: dict[str, Reach] = field(default_factory=dict)
    objects: dict[str, object] = field(default_factory=dict)
    first: str = ""
    bindings: dict[str, list[ast.AST | None]] = field(default_factory=dict)
    resolving: set[str] = field(default_factory=set)

    def is_state(self, name: str) -> bool:
        """Whether a name is the parameter in which a node gets the state."""
        return name == self.first and name not in self.objects and name not in self.bindings

    def resolve(self, node: ast.AST | None) -> Any:
        """The live object that an expression is, or UNKNOWN; runs none of the user's code."""
        if isinstance(node, ast.Attribute):
            owner = self.resolve(node.value)
            return UNKNOWN if owner is UNKNOWN else attribute_of(owner, node.attr)
        if not isinstance(node, ast.Name):
            return UNKNOWN
        frame: Frame | None = self
        while frame is not None:
            if node.id in frame.objects:
                return frame.objects[node.id]
            if node.id in frame.bindings:
                return frame._variable(node.id)
            if node.id in frame.arguments:
                return UNKNOWN
            if frame.function is not None:
                return free_name(frame.function, node.id)
            frame = frame.outer
        return UNKNOWN

    def _variable(self, name: str) -> Any:
        """What a variable is, when it is an import or another name for something."""
        (value, *more) = self.bindings[name]
        if more or name in self.resolving or name in self.arguments:
            return UNKNOWN
        if isinstance(value, (ast.Import, ast.ImportFrom)):
            return imported(value, name)
        self.resolving.add(name)
        live = self.resolve(value)
        self.resolving.discard(name)
        return live
