"""Draws trees of graphs, and scripts of calls on a thread, of the data in `nested_spec`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

from graph_strategy import chance
from hypothesis import strategies as st
from langgraph.graph import END
from nested_spec import (
    LANGGRAPH,
    LGC,
    Answer,
    ChildCall,
    Engines,
    NestedCase,
    NodeSpec,
    Place,
    TreeSpec,
    Turn,
)

MIXES: tuple[Engines, ...] = tuple(
    mix for mix in product((LGC, LANGGRAPH), repeat=3) if LGC in mix and LANGGRAPH in mix
)
_MODES = (
    "values",
    "updates",
    "custom",
    "tasks",
    "checkpoints",
    "debug",
    ["values", "updates"],
    ["updates", "custom", "tasks"],
    ["values", "updates", "custom", "tasks", "checkpoints"],
    ["debug", "values"],
)
_CALLED_MODES = ("values", "updates", ["updates", "custom"], ["values", "tasks", "checkpoints"])


@dataclass
class _Wood:
    """What holds for a whole tree.

    Attributes:
        depth: the number of its levels.
        parallel, fails, asks: whether tasks run at once, nodes fail, and nodes ask.
        is_async: the async methods are called.
        saved: whether the root has a saver.
        left: how many more graphs it may have.
    """

    depth: int
    parallel: bool
    fails: bool
    asks: int
    saved: bool
    is_async: bool
    left: int


def _tree(
    draw: Any, wood: _Wood, name: str, level: int, parent: tuple[str, ...], many: bool = False
) -> TreeSpec:
    """A graph; `many` says that it may run several times at once."""
    names = tuple(f"n{i}" for i in range(draw(st.integers(1 + (level == 0), 4 - (level > 0)))))
    shapes = ["line", "line", "line", "routed"]
    if wood.parallel:
        # Without loops: which tasks run beside one that loops too often is chance.
        shapes += ["sends"] * 4 + (["pair"] * 4 if len(names) > 1 else [])
    else:
        shapes += ["loop", "loop"]
    shape = draw(st.sampled_from(shapes))
    at_once = shape in ("pair", "sends")
    keys = ("log", "count") if at_once else ("log", "last", "count")
    if level and shape != "loop" and chance(draw, 20):
        keys = ("log",)
    nodes = []
    first_child = draw(st.integers(0, len(names) - 1))
    for number, each in enumerate(names):
        child = None
        may_have = level + 1 < wood.depth and wood.left > 0
        if may_have and (number == first_child or chance(draw, 25)):
            wood.left -= 1
            below = () if at_once else names
            childs = f"{name}{'abcd'[number]}"
            child = _tree(draw, wood, childs, level + 1, below, many or shape == "sends")
        nodes.append(_node(draw, wood, each, child, names[number + 1 :], parent, shape))
    stops: dict[str, Any] = {}
    if level:
        for which in ("interrupt_before", "interrupt_after"):
            if chance(draw, 12):
                stops[which] = (draw(st.sampled_from(names)),)
    # Those that run at once would share a memory.
    kinds = [None] * 6 + [True] * (0 if many else 4) + [False] + (["own"] if wood.saved else [])
    return TreeSpec(
        name,
        tuple(nodes),
        shape,
        rounds=draw(st.integers(2, 3)),
        keys=keys,
        outputs=("log",) if level and chance(draw, 20) else (),
        checkpointer=draw(st.sampled_from(kinds)) if level else None,
        **stops,
    )


def _node(
    draw: Any,
    wood: _Wood,
    name: str,
    child: TreeSpec | None,
    later: tuple[str, ...],
    parent: tuple[str, ...],
    shape: str,
) -> NodeSpec:
    calls: tuple[ChildCall, ...] = ()
    if child is not None and chance(draw, 55):
        # On a thread of its own a child with a memory fails, and one with a saver has a memory.
        apart = not (wood.parallel and child.checkpointer in (True, "own"))
        # LangGraph's astream keeps the chunks of graphs inside the child from the root's consumer.
        deep = not (wood.is_async and child.depth > 1)
        calls = tuple(_call(draw, apart, deep) for _ in range(draw(st.sampled_from((1, 1, 2)))))
    is_child = child is not None and not calls
    goto: str | None = None
    leaves = False
    if not is_child:
        # In a pair the edges behind the first two join.
        if shape in ("line", "loop", "routed") and chance(draw, 12):
            goto = draw(st.sampled_from((*later, END)))
        # Where it leads runs beside what follows the child.
        if parent and not wood.fails and chance(draw, 10):
            leaves = True
            goto = draw(st.sampled_from((None, *parent, END)))
    asks = 0 if is_child or not chance(draw, wood.asks) else draw(st.sampled_from((1, 1, 2)))
    return NodeSpec(
        name,
        child,
        calls,
        bound=child is not None and chance(draw, 15),
        hidden=bool(calls) and chance(draw, 15),
        asks=asks,
        asks_later=int(bool(calls) and wood.asks > 0 and chance(draw, 15)),
        fails_at=draw(st.integers(1, 2)) if wood.fails and chance(draw, 30) else 0,
        goto=goto,
        leaves=leaves,
        sends=leaves and chance(draw, 30),
        catches=bool(calls) and wood.fails and chance(draw, 50),
        writes=chance(draw, 40),
        is_async=chance(draw, 70),
    )


def _call(draw: Any, apart: bool, deep: bool) -> ChildCall:
    configs = ("ambient",) * 5 + ("passed",) * 4 + ("tags", "thread" if apart else "tags")
    return ChildCall(
        streamed=chance(draw, 35),
        modes=draw(st.sampled_from(_CALLED_MODES)),
        subgraphs=deep and chance(draw, 50),
        config=draw(st.sampled_from(configs)),
    )


@st.composite
def nested_cases(draw: Any, is_async: bool = False) -> NestedCase:
    """Trees of two and three levels, and what is done with them.

    Args:
        draw: of hypothesis.
        is_async: the async methods are to be called.
    """
    saved = chance(draw, 88)
    parallel = chance(draw, 35)
    wood = _Wood(
        depth=draw(st.sampled_from((2, 2, 3))),
        parallel=parallel,
        # Which tasks run beside one that fails is chance.
        fails=not parallel and chance(draw, 25),
        asks=draw(st.sampled_from((0, 25, 25, 50))) if saved else 0,
        saved=saved,
        is_async=is_async,
        left=3,
    )
    tree = _tree(draw, wood, "r", 0, ())
    durability = draw(st.sampled_from(_durabilities(tree))) if saved else None
    names = sorted({node.name for node in tree.nodes})
    turns = [_run(draw, "input", Place(), durability, names if saved else None)]
    for _ in range(draw(st.integers(1, 5)) if saved else draw(st.integers(0, 1))):
        turns.append(
            _turn(draw, names, durability) if saved else _run(draw, "input", Place(), None)
        )
    mixed, seed = draw(st.sampled_from(MIXES)), draw(st.integers(0, 99))
    return NestedCase(tree, tuple(turns), saved, mixed, seed, chance(draw, 50))


def _durabilities(tree: TreeSpec) -> tuple[str, ...]:
    """Those that a case may have: LangGraph fails with "sync" where there is no saver (trap 64)."""
    bare = any(graph.checkpointer is False for graph in tree.graphs())
    if bare or any(call.config == "thread" for node in tree.all_nodes() for call in node.calls):
        return ("async", "async", "exit")
    return ("sync", "sync", "sync", "async", "exit")


def _run(
    draw: Any, kind: str, place: Place, durability: str | None, names: list[str] | None = None
) -> Turn:
    input: Any = None
    if kind == "input":
        input = {"log": ["in"], "last": "in", "count": 0}
    elif kind != "none":
        input = Answer(draw(st.sampled_from(("yes", "no"))), kind)  # type: ignore[arg-type]
    options: list[tuple[str, Any]] = []
    if durability:
        options.append(("durability", durability))
    if chance(draw, 10):
        options.append(("version", "v2"))
    if names and chance(draw, 15):
        which = draw(st.sampled_from(("interrupt_before", "interrupt_after")))
        options.append((which, draw(st.sampled_from(([draw(st.sampled_from(names))], "*")))))
    if chance(draw, 35):
        return Turn("invoke", input, place, tuple(options))
    options.append(("stream_mode", draw(st.sampled_from(_MODES))))
    options.append(("subgraphs", chance(draw, 75)))
    return Turn("stream", input, place, tuple(options))


def _turn(draw: Any, names: list[str], durability: Any) -> Turn:
    what = draw(st.sampled_from(("run",) * 7 + ("get_state", "get_state_history", "update_state")))
    if what == "run":
        kind = draw(st.sampled_from(("one", "one", "all", "all", "first", "none", "none", "input")))
        if kind == "one" and durability == "exit":
            # LangGraph stores an answer without an id, or not, by chance.
            kind = "all"
        return _run(
            draw, kind, _place(draw, 20, ("root", "child", "child past")), durability, names
        )
    kinds = ("root", "child", "child", "child past", "namespace", "namespace", "unknown")
    place = _place(draw, 65, kinds)
    if what == "get_state":
        return Turn(what, None, place, (("subgraphs", chance(draw, 70)),))
    if what == "get_state_history":
        return Turn(what, None, place, (("limit", draw(st.sampled_from((None, 2)))),))
    as_node = draw(st.sampled_from((None, None, *names)))
    return Turn(what, {"log": ["updated"]}, place, (("as_node", as_node),))


def _place(draw: Any, percent: int, kinds: tuple[Any, ...]) -> Place:
    if not chance(draw, percent):
        return Place()
    return Place(draw(st.sampled_from(kinds)), draw(st.integers(0, 5)), draw(st.integers(0, 4)))
