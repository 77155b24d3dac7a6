"""How the time to compile a graph in this process grows with its nodes, next to LangGraph's.

    .venv/bin/python bench/growth.py [--check]

A compilation has a process of its own, because lgc keeps the code of what it compiled. With
`--check` the exit code is 1 when lgc's time for `SIZES[1]` nodes is more than `LIMIT` times the
one for `SIZES[0]`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, TypedDict

SIZES = (1000, 4000)
LIMIT = 8.0
"""Four times the nodes; linear work on more memory takes up to about 6 times as long."""


def _node(state: Any) -> Any:
    return {"x": 1}


def _route(state: Any) -> str:
    return "__end__"


def _with_nodes(size: int, **options: Any) -> Any:
    from langgraph.graph import START, StateGraph

    builder = StateGraph(TypedDict("State", {"x": int}))
    for i in range(size):
        builder.add_node(f"n{i}", _node, **options)
    return builder.add_edge(START, "n0")


def chain(size: int) -> Any:
    """A node after the other."""
    builder = _with_nodes(size)
    for i in range(size - 1):
        builder.add_edge(f"n{i}", f"n{i + 1}")
    return builder


def fan_out(size: int) -> Any:
    """One node starts all others."""
    builder = _with_nodes(size)
    for i in range(1, size):
        builder.add_edge("n0", f"n{i}")
    return builder


def one_join(size: int) -> Any:
    """One node starts all others, and the last one waits for them."""
    builder = _with_nodes(size)
    for i in range(1, size - 1):
        builder.add_edge("n0", f"n{i}")
    return builder.add_edge([f"n{i}" for i in range(1, size - 1)], f"n{size - 1}")


def joins(size: int) -> Any:
    """Pairs of nodes, each waiting for the pair before it."""
    builder = _with_nodes(size).add_edge("__start__", "n1")
    for i in range(0, size - 3, 2):
        for end in (i + 2, i + 3):
            builder.add_edge([f"n{i}", f"n{i + 1}"], f"n{end}")
    return builder


def many_ends(size: int) -> Any:
    """One router that can lead to every node."""
    builder = _with_nodes(size)
    return builder.add_conditional_edges("n0", _route, [f"n{i}" for i in range(size)])


def deferred(size: int) -> Any:
    """A chain in which every node starts a deferred one."""
    builder = chain(size // 2)
    for i in range(size // 2):
        builder.add_node(f"late{i}", _node, defer=True)
        builder.add_edge(f"n{i}", f"late{i}")
    return builder


def keys(size: int) -> Any:
    """One node and as many state keys."""
    from langgraph.graph import START, StateGraph

    fields: Any = {f"k{i}": int for i in range(size)}
    builder = StateGraph(TypedDict("State", fields))
    return builder.add_node("n0", _node).add_edge(START, "n0")


def schemas(size: int) -> Any:
    """A chain in which every node has an input schema with a key of its own."""
    builder = _with_nodes(0)
    for i in range(size):
        builder.add_node(f"n{i}", _node, input_schema=TypedDict("Part", {f"p{i}": int}))  # type: ignore[misc]
        if i:
            builder.add_edge(f"n{i - 1}", f"n{i}")
    return builder


SHAPES: tuple[Callable[[int], Any], ...] = (
    chain,
    fan_out,
    one_join,
    joins,
    many_ends,
    deferred,
    keys,
    schemas,
)


def measure(rounds: int) -> list[dict[str, Any]]:
    """Per shape: the median seconds of both engines at both sizes."""
    rows = []
    for shape in SHAPES:
        row: dict[str, Any] = {"shape": shape.__name__}
        for engine in ("lgc", "langgraph"):
            row[engine] = [
                median(_in_child(engine, shape.__name__, size) for _ in range(rounds))
                for size in SIZES
            ]
        rows.append(row)
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """Prints the rows."""
    small, large = SIZES
    print(
        f"\ncompiling in this process: seconds for {small} and {large} nodes, and how many times "
        f"as long {large} take\n"
        f"{'':12}{'lgc':^26}{'LangGraph':^26}"
    )
    for row in rows:
        sides = (row["lgc"], row["langgraph"])
        shown = "".join(f"{a:8.2f}{b:8.2f}{b / a:8.1f} ×" for a, b in sides)
        print(f"{row['shape']:12}{shown}")


def _in_child(engine: str, shape: str, size: int) -> float:
    command = [sys.executable, str(Path(__file__).resolve()), engine, shape, str(size)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def _compile_once(engine: str, shape: str, size: int) -> float:
    from lgc.compiler.inprocess import compile_graph

    shapes = {function.__name__: function for function in SHAPES}
    # What is loaded or cached by the first compilation is no part of the growth.
    shapes["chain"](2).compile()
    compile_graph(shapes["chain"](2))
    builder = shapes[shape](size)
    start = time.perf_counter()
    compile_graph(builder) if engine == "lgc" else builder.compile()
    return time.perf_counter() - start


def main() -> None:
    """Measures and prints; or, as a child, compiles once."""
    if len(sys.argv) == 4:
        print(_compile_once(sys.argv[1], sys.argv[2], int(sys.argv[3])))
        return
    rows = measure(3)
    show(rows)
    slow = [row["shape"] for row in rows if row["lgc"][1] > LIMIT * row["lgc"][0]]
    if "--check" in sys.argv and slow:
        sys.exit(f"more than {LIMIT} times as long: {', '.join(slow)}")


if __name__ == "__main__":
    main()
