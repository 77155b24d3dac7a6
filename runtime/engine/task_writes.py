"""What one node execution writes, and what says which execution it was (spec §4.4, §4.7)."""

from __future__ import annotations

from typing import Any

from lgc.runtime.constants import CONTROL_WRITES, END, NO_WRITES, PULL, PUSH, START, TASKS
from lgc.runtime.engine.node_output import branch_to, writes_from_result
from lgc.runtime.engine.program import Branch, Node, Program
from lgc.runtime.public.messages import ensure_message_ids
from lgc.runtime.upstream import error_class, is_a


class TaskWrites:
    """The writes of one task.

    Args:
        node: the node that runs.
        push: the position of its Send among the superstep's, or -1 when an edge started it.
    """

    _writes: list[tuple[str, object]] | None = None

    def __init__(self, node: Node, push: int) -> None:
        self.node: Node = node
        self.push: int = push

    @property
    def writes(self) -> list[tuple[str, object]]:
        """What it wrote, in order: `(channel, value)`."""
        if self._writes is None:
            self._writes = []
        return self._writes

    @property
    def has_writes(self) -> bool:
        """Whether it wrote anything so far."""
        return self._writes is not None and len(self._writes) > 0

    @property
    def path(self) -> tuple[Any, ...]:
        """The task path (spec §4.4)."""
        return (PULL, self.node.name) if self.push < 0 else (PUSH, self.push, False)

    @property
    def path_text(self) -> str:
        """The path as savers sort by it."""
        return self.node.path_text if self.push < 0 else self.push_path_text()

    def push_path_text(self) -> str:
        """`path_text` of a task that no edge started."""
        from lgc.runtime.ids import path_text

        return path_text(self.path)

    @property
    def triggers(self) -> tuple[str, ...]:
        """What can have started it."""
        return self.node.triggers if self.push < 0 else (PUSH,)

    def add_output(self, output: Any, program: Program) -> None:
        """Appends the writes of a node that returned `output`, and of its static edges.

        Raises:
            InvalidUpdateError: the output is of no kind that LangGraph takes.
            ParentCommand: it is a Command for the parent graph.
        """
        node = self.node
        if node.is_start:
            writes_from_result(output, self.writes, program.input_slots, program.root_input)
        else:
            writes_from_result(output, self.writes, program.slots, program.is_root)
        if node.static:
            self.writes.extend(node.static)

    def add_targets(self, branch: Branch, result: Any) -> None:
        """Appends the writes of a conditional edge whose router returned `result`.

        Upstream: graph/_branch.py:_finish.

        Raises:
            KeyError: the branch's ends do not hold the result.
            ValueError: the result is no destination.
            InvalidUpdateError: it is a Send to END.
        """
        # As Any: mypyc's own lookup in a dict loses a missing key that is None or a tuple.
        ends: Any = branch.ends
        targets: list[Any] = []
        for target in result if isinstance(result, (list, tuple)) else [result]:
            is_send = type(target) is not str and is_a(target, "Send")
            targets.append(ends[target] if ends and not is_send else target)
        for target in targets:
            if target is None or target == START:
                raise ValueError("Branch did not return a valid destination")
        for target in targets:
            if type(target) is not str and is_a(target, "Send") and target.node == END:
                raise error_class("InvalidUpdateError")("Cannot send a packet to the END node")
        for target in targets:
            if type(target) is not str and is_a(target, "Send"):
                self.writes.append((TASKS, target))
            elif target != END:
                self.writes.append((branch_to(target), None))

    def complete(self, delta_keys: dict[str, bool]) -> None:
        """Adds what the writes of every task have that has finished (pregel/_runner.py:commit)."""
        writes = self.writes
        if not writes or (
            writes[0][0] in CONTROL_WRITES and all(name in CONTROL_WRITES for name, _ in writes)
        ):
            writes.append((NO_WRITES, None))
        if delta_keys:
            ensure_message_ids(writes, delta_keys)
