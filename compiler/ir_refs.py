"""How the IR names the objects of the user's that a generated module needs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

BuilderPart = Literal[
    "function",
    "runnable",
    "schema",
    "router",
    "path",
    "ends",
    "channel",
    "reducer",
    "seed",
    "managed",
    "context_schema",
    "retry_on",
    "key_func",
    "metadata",
]
"""What of a builder a module can take; `runtime/abi.py` has a function `<part>_of` for each."""


@dataclass(frozen=True)
class SymbolRef:
    """An object of the user's that the generated module imports by name.

    Attributes:
        module: the module to import from; "builtins" needs no import.
        name: the (dotted) name in that module.
    """

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class BuilderRef:
    """An object without an importable name: the module takes it from the builder.

    Attributes:
        kind: which part of the builder it is.
        node: the node, of a part of a node or of a conditional edge; `__start__` has a
            schema too, the state's, and so has `__end__`, the output's.
        branch: the name of the conditional edge that leaves `node`.
        key: the state key, of a part of a channel or of a managed value; of `retry_on`, the place
            of the policy, and behind a dot that of the class in it.
    """

    kind: BuilderPart
    node: str | None = None
    branch: str | None = None
    key: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names that tell this part from others of its kind, in the order of the ABI."""
        return tuple(n for n in (self.node, self.branch, self.key) if n is not None)

    def __str__(self) -> str:
        owner = "channels" if self.branch is None else "branches"
        if self.branch is None and self.node is not None:
            owner = "nodes"
        elif self.kind == "managed":
            owner = "managed"
        keys = "".join(f"[{json.dumps(name, ensure_ascii=False)}]" for name in self.names)
        return f"<builder>.{owner if keys else ''}{keys}{_ATTRIBUTES[self.kind]}"


Ref = SymbolRef | BuilderRef
"""How the generated module reaches an object of the user's (`compiler/references.py`)."""

_ATTRIBUTES: dict[BuilderPart, str] = {
    "function": ".runnable.func",
    "runnable": ".runnable",
    "schema": ".input_schema",
    "router": ".path.func",
    "path": ".path",
    "ends": ".ends",
    "channel": "",
    "reducer": ".reducer",
    "seed": ".typ",
    "managed": "",
    "context_schema": "context_schema",
    "retry_on": ".retry_policy",
    "key_func": ".cache_policy.key_func",
    "metadata": ".metadata",
}
"""Where a part stands below its node, conditional edge or key, for `lgc explain`."""
