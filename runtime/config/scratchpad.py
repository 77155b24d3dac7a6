"""The counters of a task under LangGraph's names, for where langgraph is not loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Scratchpad:
    """Counters of one task, shared with what it calls (_internal/_scratchpad.py).

    Args:
        step, stop: the superstep, and the one at which the run stops.
        call_counter, interrupt_counter, subgraph_counter: each call returns the next number.
        get_null_resume: returns the resume value that the caller gave without an interrupt's id;
            with True, nobody gets it after that.
        resume: the resume values of the task's interrupts so far.
    """

    __slots__ = (
        "step",
        "stop",
        "call_counter",
        "interrupt_counter",
        "get_null_resume",
        "resume",
        "subgraph_counter",
    )

    def __init__(
        self,
        *,
        step: int,
        stop: int,
        call_counter: Callable[[], int],
        interrupt_counter: Callable[[], int],
        get_null_resume: Callable[[bool], Any],
        resume: list[Any],
        subgraph_counter: Callable[[], int],
    ) -> None:
        self.step = step
        self.stop = stop
        self.call_counter = call_counter
        self.interrupt_counter = interrupt_counter
        self.get_null_resume = get_null_resume
        self.resume = resume
        self.subgraph_counter = subgraph_counter
