"""The emitter: an annotated GraphIR becomes the text of a Python module.

It decides; `templates/module.py.j2` lays out (design §3). The same IR gives the
same bytes, whatever the hash seed, directory or locale.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from xxhash import xxh3_64_hexdigest

from lgc.compiler.ir import BranchIR, Call, ChannelIR, GraphIR, NodeIR, Ref
from lgc.compiler.layout import Expr, Group, call, lay_out, literal, names, quote, tuple_of
from lgc.compiler.passes.link import identifier
from lgc.runtime.abi import ABI, BODY_PREFIX

_BLANK = "0" * 16


@dataclass(frozen=True)
class _Function:
    """A generated function: its comment, its head and its lines."""

    comment: str
    head: str
    lines: tuple[str, ...]


def emit(ir: GraphIR, command: str) -> str:
    """The module for `ir`.

    Args:
        ir: annotated by every pass.
        command: how the module is made again; stands in its header.

    Returns:
        Python source, formatted, with the hash of its body in its header.
    """
    text = _template().render(_Emitter(ir).context(command))
    return text.replace(BODY_PREFIX + _BLANK, BODY_PREFIX + _hash(text))


def body_hash(text: str) -> str | None:
    """The body hash a generated module carries, or None when it carries none."""
    found = re.search(rf"^# body: {BODY_PREFIX}([0-9a-f]{{16}})$", text, re.MULTILINE)
    return None if found is None else found[1]


def is_edited(text: str) -> bool:
    """Whether a generated module is not what the emitter wrote."""
    claimed = body_hash(text)
    return claimed is None or claimed != _hash(text.replace(claimed, _BLANK))


def _hash(text: str) -> str:
    """16 hex digits of a module's body: all below the header, its own hash blanked."""
    body = text.split("\n\n", 1)[-1]
    digest: str = xxh3_64_hexdigest(body.encode())
    return digest


@cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("lgc", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template("module.py.j2")


class _Emitter:
    """Turns one IR into what the template prints."""

    def __init__(self, ir: GraphIR) -> None:
        self.ir = ir
        self.keys = tuple(c.key for c in ir.channels)
        self.taken: set[str] = {i.alias for i in ir.imports}
        self.aliases = {(i.module, i.name): i.alias for i in ir.imports}
        # What comes through the builder: expression -> name in the module.
        self.from_builder: dict[str, str] = {}
        for ref in ir.refs():
            if ref.through_builder:
                name = identifier(_builder_name(ref.name), self.taken)
                self.from_builder[ref.name] = name

    def context(self, command: str) -> dict[str, Any]:
        ir = self.ir
        reducers = {c.key: self._reducer_name(c) for c in ir.channels if c.inline}
        functions = [
            _Function(
                f"{c.key}: {c.kind}",
                f"def {reducers[c.key]}(value: Any, write: Any) -> Any:",
                (f"    return {c.inline}",),
            )
            for c in ir.channels
            if c.inline
        ]
        bodies: list[Expr] = []
        for node in ir.nodes:
            rows: list[Expr] = []
            name = identifier(f"node_{_plain(node.name)}", self.taken)
            functions.append(self._node_function(name, node))
            for branch in node.branches:
                path = identifier(f"branch_{_plain(node.name)}_{_plain(branch.name)}", self.taken)
                functions.append(self._branch_function(path, node, branch))
                rows.append(self._branch_row(path, branch))
            bodies.append(self._node_row(name, node, rows))
        graph = call(
            "abi.compiled",
            quote(ir.name),
            tuple_of((self._channel_row(c, reducers) for c in ir.channels), "channels="),
            tuple_of(self._trigger_rows(), "triggers="),
            tuple_of(bodies, "nodes="),
            "outputs=KEYS" if ir.outputs == self.keys else names(ir.outputs, "outputs="),
            "streamed=KEYS" if ir.streamed == self.keys else names(ir.streamed, "streamed="),
            prefix="graph = ",
        )
        return {
            "ir": ir,
            "abi": ABI,
            "command": command,
            "body": BODY_PREFIX + _BLANK,
            "topology": self._topology(),
            "require": lay_out(call("abi.require", str(ABI), "BODY", "__file__", quote(command))),
            "imports": self._imports(),
            "runtime_names": ", ".join(self._runtime_names()),
            "builder": self._builder_lines(),
            "keys": None if ir.is_root else lay_out(_keys(self.keys, "KEYS = ")),
            "inputs": None
            if ir.inputs is None or ir.inputs == self.keys
            else lay_out(call("dict.fromkeys", _keys(ir.inputs), prefix="INPUTS = ")),
            "functions": functions,
            "graph": lay_out(graph),
        }

    # -- head -----------------------------------------------------------------------------

    def _runtime_names(self) -> list[str]:
        used = {self.ir.inputs is None, self.ir.is_root}
        return [name for name, root in (("update", False), ("update_root", True)) if root in used]

    def _imports(self) -> list[str]:
        by_module: dict[str, list[str]] = {}
        for item in self.ir.imports:
            entry = item.name if item.alias == item.name else f"{item.name} as {item.alias}"
            by_module.setdefault(item.module, []).append(entry)
        lines = []
        for module, entries in by_module.items():
            line = f"from {module} import {', '.join(entries)}"
            if len(line) > 88:
                line = lay_out(Group(f"from {module} import (", tuple(entries), ")"))
            lines.append(line)
        return lines

    def _builder_lines(self) -> list[str]:
        if not self.from_builder:
            return []
        module, _, attribute = self.ir.target.partition(":")
        first, *rest = attribute.split(".")
        target = ".".join([self.aliases[module, first], *rest])
        lines = [lay_out(call("abi.from_builder", target, prefix="BUILDER = "))]
        for expression, name in self.from_builder.items():
            value: Expr = f"BUILDER.{expression}"
            if re.fullmatch(r"channels\[.*\]", expression):
                value = call("abi.seed_from", value)
            if isinstance(value, str):
                lines.append(f"{name} = {value}")
            else:
                lines.append(lay_out(Group(f"{name} = {value.opening}", value.items, ")")))
        return lines

    def _topology(self) -> list[str]:
        """The graph as comment lines: a node, an arrow, where it leads."""
        lines = []
        for node in self.ir.nodes:
            for end in node.edges:
                lines.append(f"{_shown(node.name)} -> {_shown(end)}")
            for branch in node.branches:
                ends = ", ".join(map(_shown, branch.targets)) if branch.targets else "any node"
                lines.append(f"{_shown(node.name)} -> {_shown(branch.name)}? {ends}")
        for join in self.ir.joins:
            lines.append(f"{' + '.join(map(_shown, join.starts))} -> {_shown(join.end)}")
        if self.ir.schedule is not None:
            steps = [" ".join(map(_shown, names)) for names in self.ir.schedule.supersteps]
            then = {"ends": "end", "branch": "by branch", "repeat": "again, for ever"}
            lines += ["", f"supersteps: {' | '.join([*steps, then[self.ir.schedule.then]])}"]
        return [f"#   {line}".rstrip() for line in lines]

    # -- functions --------------------------------------------------------------------------

    def _reducer_name(self, channel: ChannelIR) -> str:
        return identifier(f"reduce_{_plain(channel.key)}", self.taken)

    def _node_function(self, name: str, node: NodeIR) -> _Function:
        ir = self.ir
        lines = []
        if node.call is None:
            comment = "__start__: writes the input"
            output = "state"
            root = ir.inputs is None
            keys = "KNOWN" if ir.inputs == self.keys else "INPUTS"
        else:
            reads = "the root value" if node.reads is None else ", ".join(map(_shown, node.reads))
            comment = f"{_shown(node.name)}: reads {reads or 'nothing'}"
            output = "output"
            root = ir.is_root
            keys = "KNOWN"
            lines.append(lay_out(self._call(node.call, "output = "), 4))
        update = (
            call("update_root", output, "writes")
            if root
            else call("update", output, "writes", keys)
        )
        lines.append(lay_out(update, 4))
        written = [f"branch:to:{end}" for end in node.edges if end != "__end__"]
        pairs = [(channel, "None") for channel in written]
        pairs += [(key, quote(node.name)) for key in node.joins]
        for channel, value in pairs:
            lines.append(lay_out(call("writes.append", tuple_of([quote(channel), value])), 4))
        lines.append(f"    return {output}")
        head = Group(f"def {name}(", ("state: Any", "writes: list[Any]", "task: Any"), ") -> Any")
        return _Function(comment, lay_out(head, 0, ":"), tuple(lines))

    def _branch_function(self, name: str, node: NodeIR, branch: BranchIR) -> _Function:
        reads = "the root value" if branch.reads is None else ", ".join(map(_shown, branch.reads))
        merged = " and the node's output" if branch.merges else ""
        head = Group(f"def {name}(", ("state: Any", "task: Any"), ") -> Any")
        return _Function(
            f"{_shown(node.name)}, then {_shown(branch.name)}: reads {reads}{merged}",
            lay_out(head, 0, ":"),
            (lay_out(self._call(branch.path, "return "), 4),),
        )

    def _call(self, target: Call, prefix: str) -> Group:
        arguments = [f"{parameter}={_SOURCES[source]}" for parameter, source in target.inject]
        return call(self._name(target.function), "state", *arguments, prefix=prefix)

    def _name(self, ref: Ref) -> str:
        """The expression for `ref` in the module."""
        if ref.through_builder:
            return self.from_builder[ref.name]
        if ref.module == "builtins":
            return ref.name
        first, *rest = ref.name.split(".")
        return ".".join([self.aliases[ref.module, first], *rest])

    # -- tables -----------------------------------------------------------------------------

    def _channel_row(self, channel: ChannelIR, reducers: dict[str, str]) -> Group:
        items: list[Expr] = [quote(channel.key)]
        if channel.kind == "BinaryOperatorAggregate":
            assert channel.reducer is not None
            items.append("None" if channel.seed is None else self._name(channel.seed))
            items.append(reducers.get(channel.key) or self._name(channel.reducer))
        elif channel.kind in ("EphemeralValue", "UntrackedValue") and not channel.guard:
            items.append("guard=False")
        elif channel.kind == "Topic" and channel.accumulate:
            items.append("accumulate=True")
        return call(f"abi.{_CONSTRUCTORS[channel.kind]}", *items)

    def _trigger_rows(self) -> list[Expr]:
        rows: list[Expr] = []
        for node in self.ir.nodes[1:]:
            extra = ("defer=True",) if node.defer else ()
            rows.append(call("abi.trigger", quote(node.name), *extra))
        for join in self.ir.joins:
            extra = ("defer=True",) if join.defer else ()
            rows.append(call("abi.join", quote(join.key), _keys(join.starts), *extra))
        return rows

    def _node_row(self, name: str, node: NodeIR, branches: list[Expr]) -> Group:
        wants_config = node.call is not None and bool(node.call.inject)
        return call(
            "abi.Node",
            quote(node.name),
            name,
            self._reads(node.reads),
            names(node.triggers, "triggers="),
            *([tuple_of(branches, "branches=")] if branches else []),
            *(["wants_config=True"] if wants_config else []),
        )

    def _branch_row(self, name: str, branch: BranchIR) -> Group:
        items: list[Expr] = [quote(branch.name), name, self._reads(branch.reads)]
        if branch.merges:
            items.append("merges=True")
        if branch.ends is not None:
            pairs = (f"{literal(value)}: {quote(end)}" for value, end in branch.ends)
            items.append(Group("ends={", tuple(pairs), "}"))
        elif branch.ends_ref is not None:
            items.append(f"ends={self._name(branch.ends_ref)}")
        return call("abi.Branch", *items)

    def _reads(self, keys: tuple[str, ...] | None) -> Expr:
        """The keys a node or router is given; `KEYS` when it is all of them."""
        return "reads=KEYS" if keys == self.keys else names(keys, "reads=")


_CONSTRUCTORS = {
    "LastValue": "last_value",
    "AnyValue": "any_value",
    "EphemeralValue": "ephemeral",
    "UntrackedValue": "untracked",
    "Topic": "topic",
    "BinaryOperatorAggregate": "aggregate",
}

_SOURCES = {
    "config": "task.config",
    "runtime": "task.runtime",
    "writer": "task.runtime.stream_writer",
    "store": "task.runtime.store",
    "previous": "task.runtime.previous",
    # Only a node that handles errors gets one, and there are none yet (LGC209).
    "error": "None",
}


def _keys(keys: Iterable[str], prefix: str = "") -> Group:
    return tuple_of(map(quote, keys), prefix)


def _builder_name(expression: str) -> str:
    """A name for what `expression` takes from the builder, such as `plan_function`."""
    keys = [json.loads(text) for text in re.findall(r'"(?:[^"\\]|\\.)*"', expression)]
    for ending, kind in _BUILDER_KINDS.items():
        if expression.endswith(ending):
            return "_".join([*map(_plain, keys), kind])
    raise ValueError(f"unknown builder expression {expression}")


_BUILDER_KINDS = {
    ".runnable.func": "function",
    ".path.func": "router",
    ".ends": "ends",
    ".operator": "reducer",
    "]": "seed",
}


def _plain(name: str) -> str:
    """`name` as part of an identifier."""
    return identifier(name, set()).strip("_") or "_"


def _shown(name: str) -> str:
    """`name` in a comment: on one line, whatever it contains."""
    return name if name.isprintable() else quote(name)
