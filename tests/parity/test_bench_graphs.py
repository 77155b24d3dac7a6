"""Graphs nobody here wrote: those of LangGraph's own bench/ folder, taken from its sdist."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import importlib.util
import subprocess
import sys
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
from inprocess import compile_in_process
from langchain_core.messages import BaseMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from parity import COUNTS, pinned, same_edge_order

SDIST = "langgraph-1.2.24"
SHA256 = "86b0dd611b7201cb393da2de0e064029c1bef520f11a5e6ee04be53c2a815bc7"
UPSTREAM = Path(__file__).resolve().parents[2] / "build" / "upstream"
DOWNLOAD = "-m pip download --quiet --no-deps --no-binary langgraph langgraph==1.2.24 --dest"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], ModuleType]]:
    """Imports a module of bench/; the sdist is downloaded once per checkout."""
    folder = tmp_path_factory.mktemp("bench")
    with tarfile.open(sdist()) as archive:
        prefix = f"{SDIST}/bench/"
        for member in archive.getmembers():
            if member.isfile() and member.name.startswith(prefix):
                source = archive.extractfile(member)
                assert source is not None
                (folder / member.name.removeprefix(prefix)).write_bytes(source.read())
    loaded: list[str] = []

    def load(name: str) -> ModuleType:
        # Schemas of a graph find the module they are defined in by its name.
        spec = importlib.util.spec_from_file_location(f"upstream_{name}", folder / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        loaded.append(module.__name__)
        sys.modules[module.__name__] = module
        spec.loader.exec_module(module)
        # What a node draws must not depend on what an engine draws.
        if hasattr(module, "choice"):
            module.choice = min
        if hasattr(module, "uuid4"):
            module.uuid4 = lambda: uuid.uuid4()
        return module

    yield load
    for name in loaded:
        sys.modules.pop(name, None)


def sdist() -> Path:
    """LangGraph's source distribution, downloaded when it is not there; never another file."""
    path = UPSTREAM / f"{SDIST}.tar.gz"
    if not path.exists():
        UPSTREAM.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=UPSTREAM) as folder:
            done = subprocess.run(
                [sys.executable, *DOWNLOAD.split(), folder], capture_output=True, text=True
            )
            assert done.returncode == 0, f"cannot download {SDIST}:\n{done.stderr}"
            Path(folder, path.name).rename(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest == SHA256, f"{path} is not the sdist of {SDIST}: its SHA-256 is {digest}"
    return path


@contextmanager
def counted_uuids() -> Iterator[None]:
    """`uuid.uuid4` counts from the start."""
    numbers = count(1)
    with patch.object(uuid, "uuid4", lambda: uuid.UUID(int=next(numbers))):
        yield


def renumbered(value: Any, ids: dict[str, str]) -> Any:
    """`value` with the ids that messages got by chance, not from the graph, numbered."""
    if isinstance(value, dict):
        return {key: renumbered(item, ids) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(renumbered(item, ids) for item in value)
    if isinstance(value, BaseMessage) and not str(value.id).startswith("00000000-"):
        assert value.id
        return value.model_copy(update={"id": ids.setdefault(value.id, f"id {len(ids)}")})
    return value


def nested(size: int) -> dict[str, Any]:
    """An input like that of the benchmarks, `size` by `size`."""
    cell = ["hi?" * 10, True, 1, 6327816386138, None] * 5
    rows = {str(i) * 10: {str(j) * 10: cell for j in range(size)} for i in range(size)}
    return {"messages": [rows]}


def without_races(chunks: list[Any]) -> list[Any]:
    """The chunks, those of the only two nodes that run at once in one order."""
    chunks = list(chunks)
    if any("generate_joke" in _update(chunk) for chunk in chunks):
        # The tasks of a fan-out end in any order.
        return sorted(chunks, key=repr)
    for i in range(1, len(chunks)):
        if "four" in _update(chunks[i - 1]) and "three" in _update(chunks[i]):
            chunks[i - 1 : i + 1] = chunks[i], chunks[i - 1]
    return chunks


def _has_messages(given: dict[str, Any]) -> bool:
    return not all(isinstance(message, dict) for message in given.get("messages", ()))


def _update(chunk: Any) -> Any:
    return chunk[1] if isinstance(chunk, tuple) else chunk


# The module, the function with its arguments, the input.
GRAPHS: dict[str, tuple[str, str, tuple[Any, ...], dict[str, Any]]] = {
    "sequential 10": ("sequential", "create_sequential", (10,), {"messages": []}),
    "sequential 1000": ("sequential", "create_sequential", (1000,), {"messages": [("user", "hi")]}),
    "wide_state": ("wide_state", "wide_state", (30,), nested(5)),
    "wide_state, wide": ("wide_state", "wide_state", (3,), nested(25)),
    "wide_dict": ("wide_dict", "wide_dict", (30,), nested(5)),
    "wide_dict, wide": ("wide_dict", "wide_dict", (3,), nested(25)),
    "pydantic_state": ("pydantic_state", "pydantic_state", (30,), nested(5)),
    "pydantic_state, wide": ("pydantic_state", "pydantic_state", (3,), nested(25)),
    "react_agent 10": (
        "react_agent",
        "react_agent",
        (10, None),
        {"messages": [HumanMessage("hi?")]},
    ),
    "react_agent 100": ("react_agent", "react_agent", (100, None), {"messages": [("ai", "hi?")]}),
    "fanout_to_subgraph": (
        "fanout_to_subgraph",
        "fanout_to_subgraph_sync",
        (),
        {"subjects": [letter * 100 for letter in "abcdefghij"]},
    ),
}


@pytest.mark.parametrize("case", GRAPHS)
@pytest.mark.filterwarnings("ignore:create_react_agent", "ignore:The `copy` method")
def test_same_results(bench: Callable[[str], ModuleType], case: str) -> None:
    """Invoke and every stream give what LangGraph gives."""
    name, function, arguments, given = GRAPHS[case]
    make = getattr(bench(name), function)
    with counted_uuids():
        builder = make(*arguments)
    with counted_uuids():
        ours = compile_in_process(make(*arguments), name)
    # create_react_agent compiles; its builder is compiled again, with its edges in lgc's order.
    theirs = same_edge_order(getattr(builder, "builder", builder)).compile()
    COUNTS["graphs"] += 1
    modes: list[Any] = [None, "updates", "values", ["updates", "values"]]
    for mode in modes:
        expected, actual = (run(graph, given, mode) for graph in (theirs, ours))
        COUNTS["runs"] += 1
        assert expected and actual == expected, mode


@pytest.mark.parametrize("case", GRAPHS)
@pytest.mark.filterwarnings("ignore:create_react_agent", "ignore:The `copy` method")
def test_same_results_async(bench: Callable[[str], ModuleType], case: str) -> None:
    """The async methods, on a thread, with what is stored at its end."""
    name, function, arguments, given = GRAPHS[case]
    make = getattr(bench(name), function.removesuffix("_sync"))
    with counted_uuids():
        builder = make(*arguments)
    with counted_uuids():
        ours = compile_in_process(make(*arguments), name)
    theirs = same_edge_order(getattr(builder, "builder", builder))
    config: Any = {"configurable": {"thread_id": "t"}}
    for mode in ("invoke", "updates", ["updates", "values"]):
        told = []
        for target in (theirs, ours):
            graph = target.compile(checkpointer=InMemorySaver())
            found = asyncio.run(arun(graph, given, None if mode == "invoke" else mode, config))
            told.append((found, renumbered(graph.get_state(config).values, {})))
        assert told[0][0] and told[1] == told[0], mode


async def arun(graph: Any, given: dict[str, Any], mode: Any, config: Any) -> Any:
    """The result of `ainvoke`, or the chunks of `astream`, with durability "exit"."""
    given = copy.deepcopy(given)
    config = {**config, "recursion_limit": 1_000_000}
    with pinned():
        if mode is None:
            found = await graph.ainvoke(given, config, durability="exit")
        else:
            chunks = graph.astream(given, config, stream_mode=mode, durability="exit")
            found = without_races([chunk async for chunk in chunks])
    return renumbered(found, {}) if _has_messages(given) else found


def run(graph: Any, given: dict[str, Any], mode: Any) -> Any:
    """The result of `invoke`, or the chunks of a stream."""
    config = {"recursion_limit": 1_000_000}
    given = copy.deepcopy(given)
    with pinned():
        if mode is None:
            found = graph.invoke(given, config)
        else:
            found = without_races(list(graph.stream(given, config, stream_mode=mode)))
    # The other graphs have no message objects, but much to walk through.
    return renumbered(found, {}) if _has_messages(given) else found
