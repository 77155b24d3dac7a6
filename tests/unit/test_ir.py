"""The hash of an IR: it changes with the meaning of a graph and with nothing else."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lgc.compiler.ir import (
    BranchIR,
    Call,
    ChannelIR,
    GraphIR,
    JoinIR,
    ManagedIR,
    NodeIR,
    with_node_changes,
)
from lgc.compiler.ir_refs import BuilderRef, SymbolRef
from lgc.compiler.ir_text import to_text
from lgc.compiler.passes import run_passes
from lgc.runtime import abi


def graph() -> GraphIR:
    """A graph with one of everything."""
    keys = ("x", "y")
    route = BranchIR(
        "route",
        Call(SymbolRef("app", "route"), (("config", "config"),)),
        keys,
        True,
        ends=((True, "c"), ("stop", "__end__")),
        targets=("c", "__end__"),
        schema=SymbolRef("app", "Part"),
    )
    return GraphIR(
        target="app.graph:builder",
        name="LangGraph",
        langgraph="1.2.22",
        channels=(
            ChannelIR(
                "x",
                "BinaryOperatorAggregate",
                SymbolRef("app", "merge"),
                SymbolRef("builtins", "list"),
            ),
            ChannelIR("y", "LastValue"),
            ChannelIR("z", "custom", custom=BuilderRef("channel", key="z")),
        ),
        nodes=(
            NodeIR("__start__", None, None, edges=("a", "b")),
            NodeIR("a", Call(SymbolRef("app", "a")), keys, joins=("join:a+b:c",), gotos=True),
            NodeIR(
                "b",
                Call(SymbolRef("app", "b"), invoke=True),
                (*keys, "left", "mine"),
                joins=("join:a+b:c",),
                gotos=True,
                targets=("a", "__end__"),
                schema=SymbolRef("app", "State"),
            ),
            NodeIR("c", Call(BuilderRef("function", "c")), ("y",), branches=(route,)),
        ),
        joins=(JoinIR("join:a+b:c", ("a", "b"), "c"),),
        inputs=keys,
        outputs=("x",),
        managed=(
            ManagedIR("left", "remaining_steps"),
            ManagedIR("mine", "custom", SymbolRef("app", "Mine")),
        ),
        context_schema=SymbolRef("app", "Settings"),
        allowlist=(("app", "Part"), ("app", "State")),
    )


def node(of: str, **change: object) -> Callable[[GraphIR], GraphIR]:
    return lambda ir: with_node_changes(ir, {of: change})


def channel(i: int, **change: object) -> Callable[[GraphIR], GraphIR]:
    def changed(ir: GraphIR) -> GraphIR:
        channels = list(ir.channels)
        channels[i] = dataclasses.replace(channels[i], **change)  # type: ignore[arg-type]
        return dataclasses.replace(ir, channels=tuple(channels))

    return changed


def branch(**change: object) -> Callable[[GraphIR], GraphIR]:
    def changed(ir: GraphIR) -> GraphIR:
        (route,) = ir.node("c").branches
        route = dataclasses.replace(route, **change)  # type: ignore[arg-type]
        return with_node_changes(ir, {"c": {"branches": (route,)}})

    return changed


def whole(**change: object) -> Callable[[GraphIR], GraphIR]:
    return lambda ir: dataclasses.replace(ir, **change)  # type: ignore[arg-type]


CHANGES: dict[str, Callable[[GraphIR], GraphIR]] = {
    "node name": node("b", name="b2"),
    "edges": node("__start__", edges=("a",)),
    "order of edges": node("__start__", edges=("b", "a")),
    "function": node("a", call=Call(SymbolRef("app", "a2"))),
    "module of a function": node("a", call=Call(SymbolRef("app2", "a"))),
    "injection": node("a", call=Call(SymbolRef("app", "a"), (("config", "config"),))),
    "input": node("a", reads=("x",)),
    "no input": node("a", reads=()),
    "root input": node("a", reads=None),
    "branch": node("c", branches=()),
    "defer": node("c", defer=True),
    "reducer": channel(0, reducer=SymbolRef("operator", "add")),
    "seed": channel(0, seed=None),
    "kind": channel(1, kind="AnyValue"),
    "key": channel(1, key="z"),
    "guard": channel(1, guard=False),
    "accumulate": channel(1, accumulate=True),
    "snapshot frequency": channel(1, snapshot_frequency=5),
    "outputs": whole(outputs=("y",)),
    "root outputs": whole(outputs=None),
    "inputs": whole(inputs=("x",)),
    "name": whole(name="other"),
    "join": whole(joins=()),
    "invoked": node("a", call=Call(SymbolRef("app", "a"), invoke=True)),
    "schema": node("a", schema=SymbolRef("app", "State")),
    "no schema": node("b", schema=None),
    "gotos": node("b", gotos=False),
    "targets": node("b", targets=("a",)),
    "schema of a branch": branch(schema=None),
    "merging of a branch": branch(merges=False),
    "ends of a branch through the builder": branch(
        ends=None, ends_ref=BuilderRef("ends", "c", "route")
    ),
    "targets of a branch": branch(targets=()),
    "managed values": whole(managed=()),
    "kind of a managed value": whole(managed=(ManagedIR("left", "is_last_step"),)),
    "class of a managed value": whole(
        managed=(ManagedIR("mine", "custom", SymbolRef("app", "M")),)
    ),
    "custom channel": channel(2, custom=SymbolRef("app", "channel")),
    "context schema": whole(context_schema=None),
    "allow-list": whole(allowlist=()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_meaning_changes_the_hash(change: str) -> None:
    assert CHANGES[change](graph()).hash != graph().hash


def test_destinations_of_another_type_change_the_hash() -> None:
    hashes = set()
    for value in (True, 1, "True", "1", None, "None"):
        c = graph().node("c")
        branch = dataclasses.replace(c.branches[0], ends=((value, "a"),))
        hashes.add(with_node_changes(graph(), {"c": {"branches": (branch,)}}).hash)
    assert len(hashes) == 6


def test_langgraph_version_does_not() -> None:
    assert dataclasses.replace(graph(), langgraph="1.2.99").hash == graph().hash


def test_hash_is_the_same_in_every_process(tmp_path: Path) -> None:
    """Whatever the hash seed and the directory; the passes included."""
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_ir\n"
        "from lgc.compiler.passes import run_passes\n"
        "print(run_passes(test_ir.graph())[0].hash)"
    )
    wanted = run_passes(graph())[0].hash
    for seed in ("0", "1", "42"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"{wanted}\n"


def test_text() -> None:
    text = to_text(run_passes(graph())[0])
    for line in (
        "  x: BinaryOperatorAggregate(builtins.list, app.merge)",
        "  branch    route = app.route(state, config=config)",
        "    reads   x, y as app.Part + the node's output",
        '  z: custom <builder>.channels["z"]',
        "  left: managed, remaining_steps",
        "  mine: managed, app.Mine",
        "  reads     x, y, left, mine as app.State",
        "  calls     app.b.invoke(state)",
        "  goes to   any node",
        "  goes to   a, __end__",
        "context   app.Settings",
        "    ends    True -> c, 'stop' -> __end__",
        '  calls     <builder>.nodes["c"].runnable.func(state)',
        "  triggers  branch:to:c, join:a+b:c",
        "  waits for a, b, then c",
        "outputs   x",
        "allowed   app.Part, app.State",
        # Where a Command may lead is known when the run is there.
        "  1: a, b",
        "  then: branch",
    ):
        assert f"\n{line}\n" in text


def test_text_of_async_functions() -> None:
    inject = (("config", "config"),)
    route = BranchIR("r", Call(BuilderRef("router", "a", "r"), inject, is_async=True), ("x",), True)
    calls: dict[str, dict[str, Any]] = {
        "a": {"call": Call(SymbolRef("app", "func"), is_async=True), "branches": (route,)},
        "b": {"call": Call(BuilderRef("function", "b"), inject, is_async=True)},
    }
    text = to_text(run_passes(with_node_changes(graph(), calls))[0])
    for line in (
        "  calls     await app.func(state)",
        '  branch    r = await <builder>.branches["a"]["r"].path.afunc(state, config=config)',
        '  calls     await <builder>.nodes["b"].runnable.afunc(state, config=config)',
    ):
        assert f"\n{line}\n" in text


def test_text_of_what_is_not_there() -> None:
    ir = with_node_changes(graph(), {"a": {"gotos": False}, "b": {"gotos": False, "schema": None}})
    ir = dataclasses.replace(ir, context_schema=None, allowlist=())
    text = to_text(run_passes(ir)[0])
    for absent in ("goes to", "context", "allowed", "State"):
        assert absent not in text
    assert "\n  2: c\n" in text


def test_refs_in_order_of_use() -> None:
    assert [str(ref) for ref in graph().refs()] == [
        "builtins.list",
        "app.merge",
        '<builder>.channels["z"]',
        "app.Mine",
        "app.a",
        "app.b",
        "app.State",
        '<builder>.nodes["c"].runnable.func',
        "app.route",
        "app.Part",
        "app.Settings",
    ]
    with pytest.raises(KeyError):
        graph().node("d")


@pytest.mark.parametrize(
    ("ref", "text"),
    [
        (BuilderRef("function", "a"), '<builder>.nodes["a"].runnable.func'),
        (BuilderRef("runnable", "é"), '<builder>.nodes["é"].runnable'),
        (BuilderRef("schema", ""), '<builder>.nodes[""].input_schema'),
        (BuilderRef("schema", "a", "r"), '<builder>.branches["a"]["r"].input_schema'),
        (BuilderRef("router", "a", "r"), '<builder>.branches["a"]["r"].path.func'),
        (BuilderRef("path", "a", "r"), '<builder>.branches["a"]["r"].path'),
        (BuilderRef("ends", "a", "r"), '<builder>.branches["a"]["r"].ends'),
        (BuilderRef("channel", key="x"), '<builder>.channels["x"]'),
        (BuilderRef("reducer", key="x"), '<builder>.channels["x"].reducer'),
        (BuilderRef("seed", key="x"), '<builder>.channels["x"].typ'),
        (BuilderRef("managed", key="x"), '<builder>.managed["x"]'),
        (BuilderRef("context_schema"), "<builder>.context_schema"),
    ],
    ids=str,
)
def test_part_of_the_builder(ref: BuilderRef, text: str) -> None:
    assert str(ref) == text
    assert hasattr(abi, f"{ref.kind}_of")
