"""The superstep automaton as `lgc explain` prints it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from small_ir import graph, join, node, router, start

from lgc.compiler.ir import GraphIR
from lgc.compiler.ir_text import to_text
from lgc.compiler.passes import run_passes
from lgc.compiler.superstep_text import superstep_lines


def block(ir: GraphIR, name: str) -> list[str]:
    """The lines of a superstep below its name."""
    lines = [*superstep_lines(run_passes(ir)[0]), ""]
    first = lines.index(f"  {name}") + 1
    return lines[first : lines.index("", first)]


def test_single_node() -> None:
    ir = graph(start("a"), node("a", "b", "c"), node("b"), node("c", defer=True))
    assert block(ir, "__start__") == ["    next: a"]
    assert block(ir, "a") == ["    a -> b, c (deferred)", "    next: b"]
    assert block(ir, "b") == ["    next: __end__"]


def test_fan_out_with_everything() -> None:
    nodes = (
        node("a", "c", branches=(router("a", "__end__"),)),
        node("b", "late", gotos=("a",)),
        node("c"),
        node("d"),
        node("late", defer=True),
    )
    joins = (join("a", "b", end="d"), join("a", "c", end="late"))
    ir = graph(start("a", "b"), *nodes, joins=joins)
    assert block(ir, "a, b") == [
        "    a -> c",
        "    a -> r? a, __end__",
        "    b -> late (deferred)",
        "    b -> Command? a",
        "    a + b -> d",
        "    a -> late (deferred), once c has run",
        "    next: c, d | put together by the run, of c, late (deferred), d, a",
    ]


def test_any_node() -> None:
    ir = graph(start("a"), node("a", branches=(router(),)), node("b", "a", gotos=()))
    assert block(ir, "a") == ["    a -> r? any node", "    next: __end__ | any node"]
    assert block(ir, "b") == [
        "    b -> a",
        "    b -> Command? any node",
        "    next: a | any node besides",
    ]


def test_a_long_join_is_counted() -> None:
    names = [f"n{i}" for i in range(10)]
    ir = graph(start(*names), *map(node, names), node("z"), joins=(join(*names, end="z"),))
    assert block(ir, "n0") == [
        "    n0 -> z, once 9 others have run",
        "    next: z | __end__",
    ]
    assert block(ir, ", ".join(names))[0] == f"    {' + '.join(names)} -> z"


def test_it_ends_what_explain_prints() -> None:
    ir = run_passes(graph(start("a"), node("a")))[0]
    assert to_text(ir).endswith("\n".join(["", "", *superstep_lines(ir), ""]))
    assert "supersteps\n  The nodes" not in to_text(dataclasses.replace(ir, supersteps=()))


def test_the_example_of_the_architecture() -> None:
    nodes = (
        node("plan", "search", "read"),
        node("read"),
        node("search"),
        node("write", branches=(dataclasses.replace(router("plan", "__end__"), name="good"),)),
    )
    ir = run_passes(graph(start("plan"), *nodes, joins=(join("search", "read", end="write"),)))[0]
    lines = [*superstep_lines(ir)]
    text = "\n".join(lines[lines.index("  plan") :])
    document = Path(__file__).parents[2] / "docs" / "architecture.md"
    assert f"```\n{text}\n```" in document.read_text(encoding="utf-8")
