"""What a node returned, as channel writes (spec §2.3, §2.4; graph/state.py).

`writes_from_result` is `_get_updates` (or `_get_root`) followed by `_control_branch`: first
the state, then what comes next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lgc.runtime.constants import BRANCH_TO, END, ROOT, TASKS
from lgc.runtime.public.commands import Command
from lgc.runtime.public.errors import with_code
from lgc.runtime.public.state import annotated_keys, attributes
from lgc.runtime.upstream import error_class, is_a


def writes_from_result(
    returned: Any, writes: list[tuple[str, object]], keys: dict[str, int], root: bool
) -> None:
    """Appends the `(channel, value)` writes of what a node returned to `writes`.

    Args:
        returned: the node's result, not a Runnable.
        writes: the task's writes so far; extended in place, or left alone on an error.
        keys: the state keys that may be written, in the builder's order, with their slots.
        root: the state is one unnamed value.

    Raises:
        InvalidUpdateError: the result is of no kind that LangGraph takes.
        ParentCommand: a Command for the parent graph.
    """
    kind = type(returned)
    if returned is None:
        return
    if kind is dict and not root:
        for key, value in returned.items():
            if key in keys:
                writes.append((key, value))
        return
    if root and (kind is str or kind is int or kind is dict):
        writes.append((ROOT, returned))
        return
    into: list[tuple[str, object]] = []
    if root:
        _root(returned, into)
    else:
        _update(returned, into, keys)
    _control(returned, into)
    writes.extend(into)


def _is_command(value: Any) -> bool:
    return is_a(value, "Command")


def _has_command(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        for item in value:
            if _is_command(item):
                return True
    return False


def _root(returned: Any, into: list[tuple[str, object]]) -> None:
    if _is_command(returned):
        if returned.graph != Command.PARENT:
            into.extend(returned._update_as_tuples())
    elif _has_command(returned):
        for item in returned:
            if not _is_command(item):
                into.append((ROOT, item))
            elif item.graph != Command.PARENT:
                into.extend(item._update_as_tuples())
    else:
        into.append((ROOT, returned))


def _update(returned: Any, into: list[tuple[str, object]], keys: dict[str, int]) -> None:
    if returned is None:
        return
    if isinstance(returned, dict):
        _known(returned.items(), into, keys)
    elif _is_command(returned):
        if returned.graph != Command.PARENT:
            _known(returned._update_as_tuples(), into, keys)
    elif _has_command(returned):
        for item in returned:
            _update(item, into, keys)
    elif annotated_keys(type(returned)):
        into.extend(attributes(returned, keys))
    else:
        raise error_class("InvalidUpdateError")(
            with_code(f"Expected dict, got {format(returned)}", "INVALID_GRAPH_NODE_RETURN_VALUE")
        )


def _known(pairs: Iterable[Any], into: list[tuple[str, object]], keys: dict[str, int]) -> None:
    for key, value in pairs:
        if key in keys:
            into.append((key, value))


def _control(returned: Any, into: list[tuple[str, object]]) -> None:
    """Where a Command goes, and a Send; nothing of the result is kept when it is the parent's."""
    if is_a(returned, "Send"):
        into.append((TASKS, returned))
    elif _is_command(returned):
        _goto(returned, into)
    elif isinstance(returned, (list, tuple)):
        for item in returned:
            if _is_command(item):
                _goto(item, into)


def _goto(command: Any, into: list[tuple[str, object]]) -> None:
    if command.graph == Command.PARENT:
        raise error_class("ParentCommand")(command)
    goto = command.goto
    for target in [goto] if isinstance(goto, str) or is_a(goto, "Send") else goto:
        if is_a(target, "Send"):
            into.append((TASKS, target))
        elif isinstance(target, str) and target != END:
            into.append((branch_to(target), None))


def branch_to(target: Any) -> str:
    """The channel that starts the node `target`.

    By format(), as upstream's template: mypyc's own f-strings call str(), which is another text for
    an Enum that is a str.
    """
    return BRANCH_TO + target if type(target) is str else BRANCH_TO + format(target)
