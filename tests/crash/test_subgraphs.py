"""A process that dies while graphs run in graphs: a later one finishes what is stored.

It ends where a process ended that did not die, and what was stored as done is not done again.
"""

from __future__ import annotations

from zlib import crc32

import pytest
from crashing import KILLS
from mortal import SAVERS, STORIES, Died, Life, World, finished, live, mortal
from nested_spec import ALONE, LANGGRAPH, LGC, Engines
from seeds import SCALE

_STRIDE = 6
"""Every so manyth point is one to die at."""


def check(
    story: str, durability: str, saver: str, engines: Engines = ALONE, is_async: bool = False
) -> None:
    """Dies at a sixth of the points of a story, or at all with LGC_SCALE=6."""
    cls = SAVERS[saver]
    whole = Life()
    expected = live(STORIES[story](World(whole, engines), mortal(cls, whole)), durability, is_async)
    stride = max(1, round(_STRIDE / SCALE))
    first = 1 + crc32(f"{story} {durability} {saver} {engines}".encode()) % stride
    for kill in range(first, whole.points + 1, stride):
        life = Life(kill)
        dead = mortal(cls, life)
        with pytest.raises(Died):
            live(STORIES[story](World(life, engines), dead), durability, is_async)
        done = finished(dead)
        after = Life()
        graph = STORIES[story](World(after, engines), mortal(cls, after, dead))
        where = f"killed at {kill} of {whole.points}"
        assert live(graph, durability, is_async) == expected, where
        again = [effect for effect in after.effects if effect[1] in done]
        assert not again, f"{where}: what was stored is done again: {again}"
        ran = {who for who, _ in (*life.effects, *after.effects)}
        assert ran == {who for who, _ in whole.effects}, where
        KILLS[f"{saver} with graphs in graphs"] += 1


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("story", STORIES)
def test_graphs_in_graphs(story: str, durability: str) -> None:
    check(story, durability, "lgc's saver")


@pytest.mark.parametrize("story", STORIES)
def test_with_the_saver_of_langgraph(story: str) -> None:
    check(story, "sync", "langgraph's saver")


@pytest.mark.parametrize("engines", [(LGC, LANGGRAPH, LGC), (LANGGRAPH, LGC, LANGGRAPH)])
@pytest.mark.parametrize("story", STORIES)
def test_engines_mixed(story: str, engines: Engines) -> None:
    check(story, "sync", "langgraph's saver", engines)


@pytest.mark.parametrize("story", STORIES)
def test_on_an_event_loop(story: str) -> None:
    check(story, "sync", "lgc's saver", is_async=True)
