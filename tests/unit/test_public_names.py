"""What `lgc` exports: lgc's own objects, or those of the libraries that are loaded."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import lgc

FROM_LANGGRAPH = {
    "langgraph.types": [
        "CachePolicy",
        "CheckpointPayload",
        "CheckpointStreamPart",
        "CheckpointTask",
        "Command",
        "CustomStreamPart",
        "DebugPayload",
        "DebugStreamPart",
        "GraphOutput",
        "Interrupt",
        "MessagesStreamPart",
        "Overwrite",
        "RetryPolicy",
        "Send",
        "StateSnapshot",
        "StateUpdate",
        "StreamPart",
        "StreamWriter",
        "TaskPayload",
        "TaskResultPayload",
        "TasksStreamPart",
        "TimeoutPolicy",
        "UpdatesStreamPart",
        "ValuesStreamPart",
        "interrupt",
    ],
    "langgraph.errors": [
        "EmptyChannelError",
        "EmptyInputError",
        "GraphBubbleUp",
        "GraphDrained",
        "GraphInterrupt",
        "GraphRecursionError",
        "InvalidUpdateError",
        "NodeCancelledError",
        "NodeError",
        "NodeTimeoutError",
        "ParentCommand",
        "UnknownInterruptError",
    ],
    "langgraph.config": ["get_config", "get_store", "get_stream_writer"],
    "langgraph.constants": ["END", "START"],
    "langgraph.graph.message": ["MessagesState", "add_messages"],
    "langgraph.runtime": ["RunControl", "Runtime", "get_runtime"],
    "langchain_core.messages": ["RemoveMessage"],
}
ALL = {"Unsupported", "__version__", "compile_graph"}.union(*FROM_LANGGRAPH.values())


def run(script: str, folder: Path) -> str:
    """What a script printed in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_names() -> None:
    assert set(lgc.__all__) == set(dir(lgc)) == ALL
    assert len(lgc.__all__) == len(ALL)
    with pytest.raises(AttributeError, match="module 'lgc' has no attribute 'nothing'"):
        _ = lgc.nothing


@pytest.mark.parametrize("module", FROM_LANGGRAPH)
def test_langgraphs_while_it_is_loaded(module: str) -> None:
    theirs = import_module(module)
    for name in FROM_LANGGRAPH[module]:
        assert getattr(lgc, name) is getattr(theirs, name)


def test_own_while_it_is_not(tmp_path: Path) -> None:
    """Every name but langchain-core's own and the compiler's, loading nothing that is slow."""
    elsewhere = {"END", "START", "__version__", "RemoveMessage", "compile_graph"}
    elsewhere |= {"DebugPayload", "StreamPart", "StreamWriter"}  # aliases of typing
    printed = run(
        "import sys, lgc\n"
        f"for name in sorted(set(lgc.__all__) - {elsewhere}):\n"
        "    assert getattr(lgc, name).__module__.startswith('lgc.runtime.'), name\n"
        "slow = 'langgraph langchain_core dataclasses inspect uuid pickle asyncio'\n"
        "print([name for name in slow.split() if name in sys.modules])\n",
        tmp_path,
    )
    assert printed == "[]\n"


def test_nothing_is_remembered(tmp_path: Path) -> None:
    """A name taken before and after LangGraph is loaded: first lgc's, then LangGraph's."""
    printed = run(
        "import lgc\n"
        "before = lgc.Send\n"
        "import langgraph.types\n"
        "print(before.__module__, lgc.Send.__module__, lgc.Send is langgraph.types.Send)",
        tmp_path,
    )
    assert printed == "lgc.runtime.public.commands langgraph.types True\n"


def test_typed_results_without_langgraph(tmp_path: Path) -> None:
    """Objects of lgc's own class, and parts that are dicts."""
    printed = run(
        "import sys\n"
        "from lgc.runtime import abi\n"
        "def supersteps(run, due):\n"
        "    if due == '__start__':\n"
        "        due = run.start(then='a')\n"
        "    if due == 'a':\n"
        "        due = run.node('a')\n"
        "    return due\n"
        "def apply(run, values, update):\n"
        "    for key, written in update.items():\n"
        "        values[key] = written\n"
        "nodes = (abi.Node('a', lambda state: {'x': state['x'] + 1}),)\n"
        "keys = (abi.last_value('x'),)\n"
        "graph = abi.compiled('g', supersteps, apply, keys=keys, nodes=nodes)\n"
        "print(graph.invoke({'x': 1}, version='v2'))\n"
        "print(*graph.stream({'x': 1}, version='v2'))\n"
        "assert not {'langgraph', 'langchain_core'} & set(sys.modules)\n",
        tmp_path,
    )
    assert printed == (
        "GraphOutput(value={'x': 2}, interrupts=())\n"
        "{'type': 'updates', 'ns': (), 'data': {'a': {'x': 2}}}\n"
    )


def test_star_import(tmp_path: Path) -> None:
    assert run("from lgc import *; print(Send('a', 1), RemoveMessage.__name__)", tmp_path) == (
        "Send(node='a', arg=1) RemoveMessage\n"
    )


def test_context_outside_of_a_node(tmp_path: Path) -> None:
    printed = run(
        "from lgc import get_config, get_runtime, get_store, get_stream_writer, interrupt\n"
        "for ask in (get_config, get_runtime, get_store, get_stream_writer,"
        " lambda: interrupt('question')):\n"
        "    try:\n"
        "        ask()\n"
        "    except RuntimeError as error:\n"
        "        print(error)\n",
        tmp_path,
    )
    assert printed == "Called get_config outside of a runnable context\n" * 5
