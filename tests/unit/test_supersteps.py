"""The superstep automaton of small graphs, written out; of large ones, its size."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest
from small_ir import graph, join, node, router, start

from lgc.compiler.ir import GraphIR, Superstep
from lgc.compiler.passes import run_passes
from lgc.compiler.passes.check_ir import InvalidIR, check


def automaton(ir: GraphIR) -> dict[str, Superstep]:
    """The supersteps of the automaton, by their nodes with a space between."""
    return {" ".join(superstep.nodes): superstep for superstep in run_passes(ir)[0].supersteps}


def moves(ir: GraphIR) -> dict[str, str]:
    """What may be next, by superstep, START's left out; "-" is nothing."""
    supersteps = automaton(ir)
    del supersteps["__start__"]
    return {name: shown(superstep.next) for name, superstep in supersteps.items()}


def shown(sets: tuple[tuple[str, ...], ...]) -> str:
    return " | ".join(" ".join(names) or "-" for names in sets)


class TestEdges:
    def test_chain(self) -> None:
        ir = graph(start("a"), node("a", "b"), node("b", "__end__"))
        assert moves(ir) == {"a": "b", "b": "-"}
        assert automaton(ir)["__start__"] == Superstep(("__start__",), (("a",),))

    def test_fan_out_is_sorted_as_it_is_scheduled(self) -> None:
        ir = graph(start("p"), node("p", "n2", "n10"), node("n2"), node("n10"))
        assert moves(ir) == {"p": "n10 n2", "n2": "-", "n10 n2": "-", "n10": "-"}

    def test_what_a_fan_out_makes_is_followed(self) -> None:
        """Side by side run what START's edges start, and what these start, and so on."""
        ir = graph(
            start("a", "b"),
            node("a", "a2"),
            node("b", "b2"),
            node("a2"),
            node("b2", "b3"),
            node("b3"),
        )
        assert moves(ir)["a b"] == "a2 b2"
        assert moves(ir)["a2 b2"] == "b3"

    def test_ways_of_different_length(self) -> None:
        """`c` runs twice, once for each edge, and so does what comes after it."""
        ir = graph(start("a", "b"), node("a", "c"), node("b", "a"), node("c", "d"), node("d"))
        assert moves(ir)["a b"] == "a c"
        assert moves(ir)["a c"] == "c d"
        assert moves(ir)["c d"] == "d"

    def test_loop(self) -> None:
        ir = graph(start("a"), node("a", "b"), node("b", "a"))
        assert moves(ir) == {"a": "b", "b": "a"}

    def test_self_loop(self) -> None:
        ir = graph(start("a"), node("a", "a", "b"), node("b"))
        assert moves(ir) == {"a": "a b", "a b": "a b", "b": "-"}

    def test_loops_side_by_side_are_followed_twice_round(self) -> None:
        """Their product has 2 × 3 × 5 supersteps; a path runs no node three times."""
        nodes = [node(f"{n}{i}", f"{n}{(i + 1) % n}") for n in (2, 3, 5) for i in range(n)]
        supersteps = moves(graph(start("20", "30", "50"), *nodes))
        assert [name for name in supersteps if " " in name] == [
            "20 30 50",
            "20 32 52",
            "21 30 53",
            "21 31 51",
        ]

    def test_unreachable_node(self) -> None:
        """It has a superstep, because a Send or an undeclared Command may start it."""
        ir = graph(start("a"), node("a"), node("b", "c"), node("c"))
        assert moves(ir) == {"a": "-", "b": "c", "c": "-"}


class TestJoins:
    def test_starts_that_run_together(self) -> None:
        ir = graph(
            start("a", "b"), node("a"), node("b"), node("c"), joins=(join("a", "b", end="c"),)
        )
        supersteps = automaton(ir)
        assert supersteps["a b"] == Superstep(("a", "b"), (("c",),))
        # The barrier may have seen `b` before.
        assert supersteps["a"] == Superstep(("a",), (("c",), ()), joins=("c",))

    def test_starts_one_after_the_other(self) -> None:
        nodes = (node("a"), node("b", "b2"), node("b2"), node("c"))
        supersteps = automaton(graph(start("a", "b"), *nodes, joins=(join("a", "b2", end="c"),)))
        assert supersteps["a b"] == Superstep(("a", "b"), (("b2",),), joins=("c",))
        assert supersteps["b2"] == Superstep(("b2",), (("c",), ()), joins=("c",))

    def test_what_joins_have_seen_is_remembered_on_the_way_from_start(self) -> None:
        """Two joins are over in one superstep, with a node that another edge starts."""
        ir = graph(
            start("a", "b", "c"),
            *(node("a"), node("b"), node("c", "c2"), node("c2", "z"), node("x"), node("y", "z")),
            node("z"),
            joins=(join("a", "c2", end="x"), join("b", "c2", end="y")),
        )
        assert automaton(ir)["x y z"].next == (("z",),)

    def test_a_join_forgets_when_its_end_runs(self) -> None:
        """`a` runs again, and `b` does not: the join is not over again beside `d2`."""
        nodes = (node("a"), node("b"), node("c", "a", "d"), node("d", "d2"), node("d2"))
        ir = graph(start("a", "b"), *nodes, joins=(join("a", "b", end="c"),))
        assert [name for name in moves(ir) if " " in name] == ["a b", "a d"]
        assert automaton(ir)["a d"] == Superstep(("a", "d"), (("d2",),), joins=("c",))

    def test_edges_beside_a_join(self) -> None:
        """An edge and a join into one node: due by the edge, and again by the join."""
        nodes = (node("a", "c"), node("b", "b2"), node("b2"), node("c"))
        supersteps = automaton(graph(start("a", "b"), *nodes, joins=(join("a", "b2", end="c"),)))
        assert supersteps["a b"] == Superstep(("a", "b"), (("b2", "c"),))
        assert supersteps["b2 c"] == Superstep(("b2", "c"), (("c",), ()), joins=("c",))

    def test_a_start_named_twice(self) -> None:
        ir = graph(
            start("a"), node("a"), node("b"), node("c"), joins=(join("a", "b", "b", end="c"),)
        )
        assert automaton(ir)["b"] == Superstep(("b",), (("c",), ()), joins=("c",))

    def test_loop_over_a_join(self) -> None:
        nodes = (
            node("a", "a1", "a2"),
            node("a1"),
            node("a2"),
            node("j", branches=(router("a", "__end__"),)),
        )
        ir = graph(start("a"), *nodes, joins=(join("a1", "a2", end="j"),))
        assert moves(ir) == {"a": "a1 a2", "a1": "j | -", "a1 a2": "j", "a2": "j | -", "j": "a | -"}


class TestDeferred:
    def test_it_waits_until_nothing_else_is_due(self) -> None:
        nodes = (node("a", "b"), node("b"), node("late", defer=True))
        ir = graph(start("a", "late"), *nodes)
        assert automaton(ir)["__start__"] == Superstep(
            ("__start__",), (("a",),), deferred=("late",)
        )
        assert moves(ir) == {"a": "b", "b": "-", "late": "-"}

    def test_those_that_wait_run_together(self) -> None:
        nodes = (node("a", "b", "y"), node("b", "x"), node("x", defer=True), node("y", defer=True))
        supersteps = moves(graph(start("a"), *nodes))
        assert supersteps["b"] == "x"
        assert supersteps["x y"] == "-"

    def test_a_router_to_a_deferred_node(self) -> None:
        nodes = (node("a", "b", branches=(router("late", "c"),)), node("b"), node("c"))
        supersteps = automaton(graph(start("a"), *nodes, node("late", defer=True)))
        assert supersteps["a"] == Superstep(("a",), (("b",), ("b", "c")), deferred=("late",))

    def test_join_into_a_deferred_node(self) -> None:
        nodes = (node("a", "c"), node("b"), node("c"), node("late", defer=True))
        ir = graph(start("a", "b"), *nodes, joins=(join("a", "b", end="late"),))
        assert automaton(ir)["a b"] == Superstep(("a", "b"), (("c",),), deferred=("late",))
        assert automaton(ir)["a"] == Superstep(("a",), (("c",),), joins=("late",))


class TestDecisions:
    def test_router(self) -> None:
        ir = graph(start("a"), node("a", branches=(router("b", "__end__", "a"),)), node("b"))
        assert moves(ir) == {"a": "b | a | -", "b": "-"}

    def test_router_without_end(self) -> None:
        ir = graph(start("a"), node("a", branches=(router("b", "c"),)), node("b"), node("c"))
        assert moves(ir)["a"] == "b | c"

    def test_router_that_names_nodes_itself(self) -> None:
        ir = graph(start("a"), node("a", branches=(router(),)), node("b"))
        assert automaton(ir)["a"] == Superstep(("a",), ((),), any_node=True)

    def test_router_on_start(self) -> None:
        ir = graph(start(ends=("a", "b")), node("a"), node("b"))
        assert automaton(ir)["__start__"].next == (("a",), ("b",))

    def test_router_beside_edges(self) -> None:
        ir = graph(
            start("a"),
            node("a", "d", branches=(router("b", "__end__"),)),
            node("b", "c"),
            node("c"),
            node("d", "e"),
            node("e"),
        )
        supersteps = moves(ir)
        assert supersteps["a"] == "b d | d"
        assert supersteps["b d"] == "c e"
        assert supersteps["c e"] == "-"

    def test_router_in_a_fan_out(self) -> None:
        """Each of its ends makes a set with what runs beside it; a second decision makes none."""
        nodes = (node("a", branches=(router("a", "c"),)), node("b", "d"), node("c"), node("d", "e"))
        supersteps = moves(graph(start("a", "b"), *nodes, node("e")))
        assert supersteps["a b"] == "a d | c d"
        assert supersteps["a d"] == "a e | c e"
        assert supersteps["c d"] == "e"
        assert "a e" not in supersteps and "c e" not in supersteps

    def test_routers_side_by_side(self) -> None:
        nodes = [node(f"r{i}", branches=(router(f"x{i}", "__end__"),)) for i in range(4)]
        ends = [node(f"x{i}") for i in range(4)]
        supersteps = automaton(graph(start("r0", "r1", "r2", "r3"), *nodes, *ends))
        four = ("x0", "x1", "x2", "x3")
        assert supersteps["r0 r1 r2 r3"] == Superstep(
            ("r0", "r1", "r2", "r3"), (*((end,) for end in four), ()), together=four
        )
        assert [name for name in supersteps if "x" in name] == [*four]

    def test_several_routers_of_a_node(self) -> None:
        """One of them has to lead somewhere, so the ends of the other are no set by themselves."""
        branches = (router("b", "c"), router("d", "__end__"))
        ir = graph(start("a"), node("a", branches=branches), *map(node, "bcd"))
        assert automaton(ir)["a"] == Superstep(("a",), (("b",), ("c",)), together=("b", "c", "d"))

    def test_several_routers_beside_edges(self) -> None:
        branches = (router("b", "__end__"), router("c", "__end__"))
        ir = graph(start("a"), node("a", "d", branches=branches), *map(node, "bcd"))
        assert automaton(ir)["a"] == Superstep(("a",), (("d",),), together=("d", "b", "c"))

    def test_command(self) -> None:
        """It may as well lead nowhere: a node need not return one."""
        ir = graph(start("a"), node("a", "c", gotos=("b",)), node("b"), node("c"))
        assert moves(ir)["a"] == "b c | c"

    def test_command_that_may_lead_anywhere(self) -> None:
        """That is true of all nodes whose code does not tell: it is no reason to stop."""
        ir = graph(start("a", "b"), node("a", "c", gotos=()), node("b", "d"), node("c"), node("d"))
        supersteps = automaton(ir)
        assert supersteps["a b"] == Superstep(("a", "b"), (("c", "d"),), any_node=True)
        assert "c d" in supersteps

    def test_targets_of_sends(self) -> None:
        """A router that sends leads where it sends; several Sends start one node several times."""
        nodes = (node("a", branches=(router("work"),)), node("work", "sum"), node("sum"))
        assert moves(graph(start("a"), *nodes)) == {"a": "work", "work": "sum", "sum": "-"}

    def test_several_routers_beside_an_edge_to_a_deferred_node(self) -> None:
        """The deferred node waits, so the ends of the routers are due by themselves."""
        branches = (router("b", "__end__"), router("c", "__end__"))
        nodes = (node("b"), node("c"), node("late", defer=True))
        ir = graph(start("a"), node("a", "late", branches=branches), *nodes)
        assert moves(ir)["a"] == "b | c | late"

    def test_a_command_and_a_router(self) -> None:
        branches = (router("b", "__end__"),)
        ir = graph(start("a"), node("a", branches=branches, gotos=("c",)), node("b"), node("c"))
        assert automaton(ir)["a"] == Superstep(("a",), (("c",), ("b",), ()), together=("c", "b"))

    def test_a_join_and_a_router(self) -> None:
        nodes = (node("a"), node("b", branches=(router("b", "__end__"),)), node("c"))
        ir = graph(start("a", "b"), *nodes, joins=(join("a", "b", end="c"),))
        supersteps = automaton(ir)
        assert supersteps["a b"] == Superstep(("a", "b"), (("b", "c"), ("c",)))
        assert supersteps["b"] == Superstep(("b",), (("b",), ("c",), ()), joins=("c",))


class TestData:
    def ir(self) -> GraphIR:
        branches = (router("b", "__end__"), router())
        nodes = (node("a", branches=branches), node("b"), node("c"))
        joins = (join("a", "b", end="c"),)
        return run_passes(graph(start("a"), *nodes, joins=joins))[0]

    def test_through_json_and_back(self) -> None:
        ir = self.ir()
        data = json.loads(json.dumps(ir.to_dict()))
        assert tuple(map(Superstep.from_dict, data["supersteps"])) == ir.supersteps

    def test_it_is_no_part_of_the_hash(self) -> None:
        ir = self.ir()
        assert dataclasses.replace(ir, supersteps=()).hash == ir.hash

    @pytest.mark.parametrize(
        ("superstep", "words"),
        [
            (Superstep(("x",), ()), r"unknown \['x'\]"),
            (Superstep(("a",), (("x",),)), r"unknown \['x'\]"),
            (Superstep(("a",), (), joins=("x",)), r"unknown \['x'\]"),
            (Superstep(("a",), (), deferred=("x",)), r"unknown \['x'\]"),
            (Superstep(("a",), (), together=("x",)), r"unknown \['x'\]"),
            (Superstep(("b", "a"), ()), "not sorted"),
            (Superstep(("a",), ()), "twice"),
        ],
    )
    def test_contradictions(self, superstep: Superstep, words: str) -> None:
        ir = self.ir()
        with pytest.raises(InvalidIR, match=words):
            check(dataclasses.replace(ir, supersteps=(*ir.supersteps, superstep)), "test")

    def test_a_node_without_a_state(self) -> None:
        ir = self.ir()
        supersteps = tuple(superstep for superstep in ir.supersteps if superstep.nodes != ("c",))
        with pytest.raises(InvalidIR, match=r"superstep of their own: \['c'\]"):
            check(dataclasses.replace(ir, supersteps=supersteps), "test")


def retrying(branches: int) -> GraphIR:
    """Branches of three nodes, the last of which may go back to the first."""
    nodes = [start(*(f"a{i}" for i in range(branches)))]
    for i in range(branches):
        again = (router(f"a{i}", "__end__"),)
        nodes += [node(f"a{i}", f"b{i}"), node(f"b{i}", f"c{i}"), node(f"c{i}", branches=again)]
    return graph(*nodes)


def supervisor(workers: int) -> GraphIR:
    """A node that sends any number of workers, which lead back to it."""
    names = [f"w{i}" for i in range(workers)]
    boss = node(
        "boss", branches=(router(*names, "__end__"), *(router(w, "__end__") for w in names))
    )
    return graph(start("boss"), boss, *(node(name, "boss") for name in names))


def alarms(steps: int) -> GraphIR:
    """Two chains side by side; every step of the one may start the other again."""
    nodes = [start("a0", "b0")]
    for i in range(steps):
        go = (f"a{i + 1}",), (f"b{i + 1}",)
        edges = go if i + 1 < steps else ((), ())
        nodes += [node(f"a{i}", *edges[0], branches=(router(f"x{i}", "__end__"),))]
        nodes += [node(f"x{i}", "b0"), node(f"b{i}", *edges[1])]
    return graph(*nodes)


def side_chains(steps: int) -> GraphIR:
    """A chain in which every node starts a chain beside it; a join waits for all of them."""
    nodes, last = [start("m0")], [f"s{i}" for i in range(steps)]
    for i in range(steps):
        further = (f"m{i + 1}",) if i + 1 < steps else ()
        nodes += [node(f"m{i}", f"r{i}", *further), node(f"r{i}", f"s{i}"), node(f"s{i}")]
    return graph(*nodes, node("end"), joins=(join(*last, end="end"),))


def skipping(steps: int) -> GraphIR:
    """A chain all of whose nodes start together: the first superstep runs all, the second ..."""
    names = [f"n{i}" for i in range(3 * steps)]
    nodes = [node(name, *names[i + 1 : i + 2]) for i, name in enumerate(names)]
    return graph(start(*names), *nodes)


class TestSize:
    @pytest.mark.parametrize("shape", [retrying, supervisor, alarms, side_chains, skipping])
    def test_it_grows_with_the_graph(self, shape: Callable[[int], GraphIR]) -> None:
        """Not with its square, and not as the product of what goes on side by side."""
        small, large = (size(shape(steps)) for steps in (50, 200))
        assert large < 4.2 * small

    def test_retrying_branches(self) -> None:
        """START, the nodes, and what the edges make before the first decision."""
        supersteps = automaton(retrying(4))
        assert [name for name in supersteps if " " in name] == [
            "a0 a1 a2 a3",
            "b0 b1 b2 b3",
            "c0 c1 c2 c3",
        ]
        assert len(supersteps) == 16
        assert len(automaton(supervisor(6))) == 8


def size(ir: GraphIR) -> int:
    """How many names the automaton holds."""
    return sum(
        len(superstep.nodes)
        + len(superstep.joins)
        + len(superstep.together)
        + sum(map(len, superstep.next))
        for superstep in automaton(ir).values()
    )
