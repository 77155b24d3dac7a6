"""Draws random graphs of control flow alone: many joins and ways of different length.

The graphs of `graph_strategy` have everything, and so of each thing a little.
"""

from __future__ import annotations

from typing import Any

from graph_spec import Act, GraphSpec, NodeSpec, RouterSpec
from graph_strategy import chance
from hypothesis import strategies as st
from langgraph.graph import END, START
from random_graphs import Case

_NAMES = tuple("abcdefgh")


@st.composite
def flows(draw: Any) -> Case:
    """Graphs whose nodes do nothing and whose routers return one end at a time."""
    names = _NAMES[: draw(st.integers(3, len(_NAMES)))]
    loops = chance(draw, 30)
    nodes = tuple(NodeSpec(name, (Act("dict"),), defer=chance(draw, 10)) for name in names)
    edges: dict[tuple[str, str], None] = {(START, names[0]): None}
    joins: dict[tuple[tuple[str, ...], str], None] = {}
    for i, name in enumerate(names[1:], 1):
        if i > 2 and chance(draw, 40):
            several = st.lists(st.sampled_from(names[:i]), min_size=2, max_size=3, unique=True)
            joins[tuple(draw(several)), name] = None
        else:
            edges[draw(st.sampled_from((START, *names[:i]))), name] = None
    for start in draw(st.lists(st.integers(0, len(names) - 2), max_size=4)):
        edges[names[start], draw(st.sampled_from(names if loops else names[start + 1 :]))] = None
    routers = []
    for source in draw(st.lists(st.sampled_from((START, *names[:-1])), max_size=2)):
        later = names if loops else names[names.index(source) + 1 if source in names else 0 :]
        ends = draw(st.lists(st.sampled_from((*later, END)), min_size=1, max_size=3, unique=True))
        returns = draw(st.lists(st.sampled_from(ends), min_size=1, max_size=3))
        routers.append(RouterSpec(source, tuple(returns), ends))
    graph = GraphSpec((("x", "add_list"),), nodes, tuple(edges), tuple(joins), tuple(routers))
    return Case(graph, {"x": []}, {"recursion_limit": 15}, ())
