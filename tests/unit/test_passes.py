"""What each pass computes, and that a contradictory IR is found."""

from __future__ import annotations

import dataclasses

import pytest
from small_ir import graph, node, router

from lgc.compiler.identifiers import identifier
from lgc.compiler.ir import (
    ChannelIR,
    GraphIR,
    Import,
    JoinIR,
    ManagedIR,
    NodeIR,
    Schedule,
    with_node_changes,
)
from lgc.compiler.ir_refs import BuilderRef, SymbolRef
from lgc.compiler.passes import imports as imports_pass
from lgc.compiler.passes import lint, order, reducers, run_passes, triggers
from lgc.compiler.passes.check_ir import InvalidIR, check


def steps(ir: GraphIR) -> Schedule:
    schedule = run_passes(ir)[0].schedule
    assert schedule is not None
    return schedule


class TestOrder:
    def test_edges_and_joins_follow_the_nodes(self) -> None:
        joins = (
            JoinIR("join:b+a:d", ("b", "a"), "d"),
            JoinIR("join:a+b:c", ("a", "b"), "c"),
        )
        keys = ("join:b+a:d", "join:a+b:c")
        ir = graph(
            node("__start__", "b", "__end__", "a"),
            node("a", joins=keys),
            node("b", joins=keys),
            node("c"),
            node("d"),
            joins=joins,
        )
        got, said = order.run(ir)
        assert said == []
        assert got.node("__start__").edges == ("a", "b", "__end__")
        assert [j.end for j in got.joins] == ["c", "d"]
        assert got.node("a").joins == ("join:a+b:c", "join:b+a:d")
        # Whatever order LangGraph's sets had.
        shuffled = with_node_changes(ir, {"__start__": {"edges": ("__end__", "a", "b")}})
        shuffled = dataclasses.replace(shuffled, joins=joins[::-1])
        assert order.run(shuffled)[0] == got


def test_triggers_are_sorted_as_strings() -> None:
    ir = graph(
        node("__start__", "z"),
        node("z", joins=("join:z:A",)),
        node("A"),
        joins=(JoinIR("join:z:A", ("z",), "A"),),
    )
    got, _ = triggers.run(ir)
    assert [n.triggers for n in got.nodes] == [
        ("__start__",),
        ("branch:to:z",),
        ("branch:to:A", "join:z:A"),
    ]


class TestSchedule:
    def test_chain(self) -> None:
        ir = graph(node("__start__", "a"), node("a", "b"), node("b", "__end__"))
        assert steps(ir) == Schedule((("__start__",), ("a",), ("b",)), "ends")

    def test_fan_out_is_sorted(self) -> None:
        ir = graph(node("__start__", "c", "a", "b"), node("c"), node("b"), node("a"))
        assert steps(ir).supersteps[1] == ("a", "b", "c")

    def test_branch_stops_it(self) -> None:
        ir = graph(node("__start__", "a"), node("a", branches=(router("b"),)), node("b"))
        assert steps(ir) == Schedule((("__start__",), ("a",)), "branch")

    @pytest.mark.parametrize("targets", [(), ("c",)])
    def test_command_stops_it(self, targets: tuple[str, ...]) -> None:
        ir = graph(node("__start__", "a", "b"), node("a", gotos=targets), node("b", "c"), node("c"))
        assert steps(ir) == Schedule((("__start__",), ("a", "b")), "branch")

    def test_command_of_a_later_node_stops_it_there(self) -> None:
        ir = graph(node("__start__", "a"), node("a", "b"), node("b", "c", gotos=()), node("c"))
        assert steps(ir) == Schedule((("__start__",), ("a",), ("b",)), "branch")

    def test_loop(self) -> None:
        ir = graph(node("__start__", "a"), node("a", "b"), node("b", "a"))
        assert steps(ir) == Schedule((("__start__",), ("a",), ("b",)), "repeat")

    def test_join_with_an_uneven_number_of_steps(self) -> None:
        key = "join:a+c:d"
        ir = graph(
            node("__start__", "a", "b"),
            node("a", joins=(key,)),
            node("b", "c"),
            node("c", joins=(key,)),
            node("d"),
            joins=(JoinIR(key, ("a", "c"), "d"),),
        )
        assert steps(ir).supersteps[1:] == (("a", "b"), ("c",), ("d",))

    def test_deferred_node_waits(self) -> None:
        ir = graph(
            node("__start__", "a", "late"), node("a", "b"), node("b"), node("late", defer=True)
        )
        assert steps(ir).supersteps[1:] == (("a",), ("b",), ("late",))

    def test_incomplete_join_ends(self) -> None:
        key = "join:a+b:c"
        ir = graph(
            node("__start__", "a"),
            node("a", joins=(key,)),
            node("b", joins=(key,)),
            node("c"),
            joins=(JoinIR(key, ("a", "b"), "c"),),
        )
        assert steps(ir) == Schedule((("__start__",), ("a",)), "ends")


def test_known_reducers_are_operators() -> None:
    kind = "BinaryOperatorAggregate"
    refs = {
        SymbolRef("operator", "add"): "+",
        SymbolRef("operator", "or_"): "|",
        SymbolRef("operator", "mul"): "*",
        SymbolRef("operator", "sub"): "",
        SymbolRef("app", "add"): "",
    }
    channels = tuple(
        ChannelIR(f"k{i}", kind, ref, SymbolRef("builtins", "list")) for i, ref in enumerate(refs)
    )
    got, _ = reducers.run(graph(node("__start__"), channels=channels))
    assert [c.operator for c in got.channels[1:]] == list(refs.values())
    # For what is written otherwise than as a plain value, they are imported.
    imports = imports_pass.run(got)[0].imports
    assert [i.name for i in imports] == ["add", "add", "mul", "or_", "sub"]


class TestImports:
    def test_imports_are_sorted_and_named_apart(self) -> None:
        ir = graph(
            node("__start__"),
            *(
                node(f"n{i}", function=ref)
                for i, ref in enumerate(
                    [
                        SymbolRef("b", "same"),
                        SymbolRef("a", "same"),
                        SymbolRef("a", "same_2"),
                        SymbolRef("a", "compile"),
                        SymbolRef("a", "Tools.search"),
                        SymbolRef("a", "Tools.find"),
                        SymbolRef("a", "list"),
                        SymbolRef("a", "dict"),
                        SymbolRef("builtins", "list"),
                        SymbolRef("builtins", "int.bit_count"),
                        SymbolRef("a", "int"),
                    ]
                )
            ),
        )
        got, said = imports_pass.run(ir)
        assert said == []
        assert got.imports == (
            Import("a", "Tools", "Tools"),
            Import("a", "compile", "compile_2"),
            Import("a", "dict", "dict"),
            Import("a", "int", "int_2"),
            # What is taken from builtins keeps its name.
            Import("a", "list", "list_2"),
            Import("a", "same", "same"),
            Import("a", "same_2", "same_2"),
            Import("b", "same", "same_3"),
        )

    def test_builder_is_imported_once(self) -> None:
        ir = graph(
            node("__start__"),
            node("a", function=BuilderRef("function", "a")),
            node("b", function=BuilderRef("function", "b")),
        )
        ir = dataclasses.replace(ir, target="app.graph:Holder.builder")
        got, said = imports_pass.run(ir)
        assert got.imports == (Import("app.graph", "Holder", "Holder"),)
        assert [(f.diagnostic.code, f.node) for f in said] == [("LGC301", "a")]
        assert "each of the nodes `a`, `b`" in said[0].diagnostic.message

    @pytest.mark.parametrize(
        ("ref", "title"),
        [
            (BuilderRef("router", "a", "r"), "router `r` of node `a`"),
            (BuilderRef("path", "a", "r"), "router `r` of node `a`"),
            (BuilderRef("ends", "a", "r"), "the destinations of router `r` of node `a`"),
            (BuilderRef("schema", "a", "r"), "the input schema of router `r` of node `a`"),
            (BuilderRef("schema", "a"), "the input schema of node `a`"),
            (BuilderRef("schema", "__start__"), "the state schema"),
            (BuilderRef("context_schema"), "the context schema"),
            (BuilderRef("channel", key="x"), "the channel of state key `x`"),
            (BuilderRef("reducer", key="x"), "the reducer of state key `x`"),
            (BuilderRef("seed", key="x"), "the type of state key `x`"),
            (BuilderRef("managed", key="x"), "the managed value of state key `x`"),
        ],
        ids=str,
    )
    def test_what_the_note_names(self, ref: BuilderRef, title: str) -> None:
        ir = dataclasses.replace(graph(node("__start__")), context_schema=ref, target="app:g")
        ((diagnostic, of, _),) = imports_pass.run(ir)[1]
        assert diagnostic.message.startswith(f"{title} has no importable name")
        assert of == (ref.node or "")

    @pytest.mark.parametrize(
        ("name", "wanted"),
        [
            ("plan", "plan"),
            ("a b", "a_b"),
            ("a-b", "a_b"),
            ("class", "class_"),
            ("1st", "_1st"),
            ("", "_"),
            ("é名", "__"),
        ],
    )
    def test_identifier(self, name: str, wanted: str) -> None:
        taken: dict[str, int] = {}
        assert identifier(name, taken) == wanted
        assert identifier(name, taken) == f"{wanted}_2"
        assert identifier(name, taken) == f"{wanted}_3"


class TestLint:
    def unreachable(self, *nodes: NodeIR, joins: tuple[JoinIR, ...] = ()) -> list[str]:
        return [f.node for f in lint.run(graph(*nodes, joins=joins))[1]]

    def test_unreachable(self) -> None:
        unreachable = self.unreachable(node("__start__", "a"), node("a"), node("b", "c"), node("c"))
        assert unreachable == ["b", "c"]

    def test_branch_reaches_its_targets(self) -> None:
        start = node("__start__", "a")
        assert self.unreachable(start, node("a", branches=(router("b"),)), node("b")) == []
        assert self.unreachable(start, node("a", branches=(router(),)), node("b")) == []

    def test_command_reaches_its_targets(self) -> None:
        start, rest = node("__start__", "a"), (node("b"), node("c"))
        assert self.unreachable(start, node("a", gotos=("b", "__end__")), *rest) == ["c"]
        assert self.unreachable(start, node("a", gotos=()), *rest) == []

    def test_command_of_a_node_that_is_not_reached(self) -> None:
        nodes = (node("__start__", "a"), node("a"), node("b", gotos=()), node("c"))
        assert self.unreachable(*nodes) == ["b", "c"]

    def test_join_reaches_its_end(self) -> None:
        joins = (JoinIR("join:a:b", ("a",), "b"),)
        nodes = (node("__start__", "a"), node("a", joins=("join:a:b",)), node("b"))
        assert self.unreachable(*nodes, joins=joins) == []


class TestValidate:
    def test_sound(self) -> None:
        ir = graph(node("__start__", "a"), node("a", "__end__", gotos=("a", "__end__")))
        ir = with_node_changes(ir, {"a": {"reads": ("x", "last")}})
        check(dataclasses.replace(ir, managed=(ManagedIR("last", "is_last_step"),)), "test")

    @pytest.mark.parametrize(
        ("ir", "words"),
        [
            (graph(node("a")), "first node"),
            (graph(node("__start__"), node("a"), node("a")), "two nodes"),
            (graph(node("__start__", "b"), node("a")), r"__start__ names unknown \['b'\]"),
            (graph(node("__start__"), node("a", joins=("j",))), r"unknown \['j'\]"),
            (graph(node("__start__", branches=(router("b"),))), r"unknown \['b'\]"),
            (graph(node("__start__"), channels=(ChannelIR("x", "Topic"),)), "two channels"),
            (
                dataclasses.replace(
                    graph(node("__start__")), managed=(ManagedIR("x", "is_last_step"),)
                ),
                "two channels",
            ),
            (graph(node("__start__"), node("a", gotos=("b",))), r"a names unknown \['b'\]"),
            (graph(node("__start__"), joins=(JoinIR("j", ("a",), "b"),)), "join j"),
            (dataclasses.replace(graph(node("__start__")), outputs=("y",)), "projection"),
            (
                dataclasses.replace(
                    graph(node("__start__")), allowlist=(("app", "B"), ("app", "A"))
                ),
                "allow-list",
            ),
            (
                with_node_changes(graph(node("__start__"), node("a")), {"a": {"reads": ("y",)}}),
                r"unknown \['y'\]",
            ),
            (
                with_node_changes(graph(node("__start__"), node("a")), {"a": {"call": None}}),
                "only __start__",
            ),
        ],
    )
    def test_contradictions(self, ir: GraphIR, words: str) -> None:
        with pytest.raises(InvalidIR, match=f"after test: .*{words}"):
            check(ir, "test")

    def test_runs_before_the_first_pass(self) -> None:
        with pytest.raises(InvalidIR, match="after frontend"):
            run_passes(graph(node("a")))
