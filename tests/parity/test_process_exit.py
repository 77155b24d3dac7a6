"""Processes with async runs end without a warning, a lost exception or a task left behind."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from time import sleep
from typing import Any, NamedTuple

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver

PROGRAM = """
import asyncio, gc, operator, sys
from lgc.runtime import abi
from lgc.savers import AsyncSqliteSaver, MemorySaver

async def quick(state):
    return {"log": ["quick"]}

async def slow(state):
    await asyncio.sleep(0 if how == "normal" else 30)
    return {"log": ["slow"]}

async def interrupted(state):
    raise KeyboardInterrupt

def supersteps(run, due):
    if due == "__start__":
        due = run.start(then="a")
    if due == "a":
        due = run.node("a", then="b | c")
    if due == "b | c":
        due = run.parallel(due)
    if due == "b":
        due = run.node("b")
    if due == "c":
        due = run.node("c")
    return due

def apply(run, values, update):
    for key, written in update.items():
        if key == "log":
            values[key] = abi.reduce(values, key, operator.add, written)

def graph(second):
    return abi.compiled(
        "g",
        supersteps,
        apply,
        keys=(abi.aggregate("log", list, operator.add),),
        nodes=(
            abi.Node("a", quick, call=abi.AWAIT),
            abi.Node("b", second, call=abi.AWAIT),
            abi.Node("c", quick, call=abi.AWAIT),
        ),
    )

class Broken(MemorySaver):
    async def aput_writes(self, *args, **kwargs):
        raise OSError("disk")

CONFIG = {"configurable": {"thread_id": "t"}}
INPUT = {"log": ["in"]}

async def main():
    # A busy machine is slow, and development mode would say so.
    asyncio.get_running_loop().slow_callback_duration = 60
    saver = Broken() if how == "broken saver" else MemorySaver()
    compiled = graph(interrupted if how == "KeyboardInterrupt" else slow)
    if how == "sqlite":
        async with AsyncSqliteSaver.from_conn_string(":memory:") as saver:
            await cancelled(compiled.compile(checkpointer=saver))
        return
    compiled = compiled.compile(checkpointer=saver)
    if how == "cancelled":
        await cancelled(compiled)
    elif how == "abandoned":
        async for _ in compiled.astream(INPUT, CONFIG):
            break
    elif how == "half read":
        stream = compiled.astream(INPUT, CONFIG, stream_mode="values")
        await stream.__anext__()
        globals()["kept"] = stream
    elif how == "left running":
        globals()["kept"] = asyncio.ensure_future(compiled.ainvoke(INPUT, CONFIG))
        await asyncio.sleep(0.05)
    else:
        await compiled.ainvoke(INPUT, CONFIG)

async def cancelled(compiled):
    run = asyncio.ensure_future(compiled.ainvoke(INPUT, CONFIG))
    await asyncio.sleep(0.05)
    run.cancel()
    try:
        await run
    except asyncio.CancelledError:
        pass
    assert len(asyncio.all_tasks()) == 1

how = sys.argv[1]
try:
    asyncio.run(main())
except (KeyboardInterrupt, OSError) as exc:
    print(type(exc).__name__)
gc.collect()
"""

SAID = {"KeyboardInterrupt": "KeyboardInterrupt\n", "broken saver": "OSError\n"}


@pytest.mark.parametrize(
    "how",
    [
        "normal",
        "cancelled",
        "sqlite",
        "abandoned",
        "half read",
        "left running",
        "KeyboardInterrupt",
        "broken saver",
    ],
)
def test_nothing_is_said_at_the_end(how: str) -> None:
    """In Python's development mode, where asyncio reports what is left behind."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM, how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert (done.returncode, done.stdout) == (0, SAID.get(how, ""))


SIGNALLED = """
import asyncio, operator, sys
from time import sleep

engine, where, durability, path = sys.argv[1:]

def here(text="here"):
    print(text, flush=True)

async def quick(state):
    return {"log": ["quick"]}

def is_told():
    return main_task.cancelling() or main_task.done()

async def waits(state):
    if where == "async node":
        # Till then its sibling's writes are stored.
        await asyncio.sleep(0.2)
        here()
        await asyncio.sleep(30)
    return {"log": ["waited"]}

def waits_on_a_thread(state):
    sleep(0.2)
    here()
    while not is_told():
        sleep(0.01)
    return {"log": ["waited"]}

nodes = {"a": quick, "b": waits_on_a_thread if where == "sync node" else waits, "c": quick}

def ours():
    from lgc.runtime import abi
    def node(name):
        is_sync = name == "b" and where == "sync node"
        call = {} if is_sync else {"call": abi.AWAIT}
        return abi.Node(name, nodes[name], **call)
    def supersteps(run, due):
        if due == "__start__":
            due = run.start(then="a")
        if due == "a":
            due = run.node("a", then="b | c")
        if due == "b | c":
            due = run.parallel(due)
        if due == "b":
            due = run.node("b")
        if due == "c":
            due = run.node("c")
        return due
    def apply(run, values, update):
        for key, written in update.items():
            if key == "log":
                values[key] = abi.reduce(values, key, operator.add, written)
    return abi.compiled(
        "g",
        supersteps,
        apply,
        keys=(abi.aggregate("log", list, operator.add),),
        nodes=(node("a"), node("b"), node("c")),
    ).compile

def upstream():
    from typing import Annotated, TypedDict
    from langgraph.graph import StateGraph
    builder = StateGraph(TypedDict("State", {"log": Annotated[list, operator.add]}))
    for name, node in nodes.items():
        builder.add_node(name, node)
    return builder.add_edge("__start__", "a").add_edge("a", "b").add_edge("a", "c").compile

if engine == "ours":
    from lgc.savers import AsyncSqliteSaver
else:
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

class Saver(AsyncSqliteSaver):
    waits = where in ("saver", "saver, twice")

    async def aput(self, config, checkpoint, metadata, versions):
        if self.waits and metadata["step"] == 1:
            self.waits = False
            here()
            while not is_told():
                await asyncio.sleep(0.01)
            if where == "saver, twice":
                here("again")
                await asyncio.sleep(30)
        return await super().aput(config, checkpoint, metadata, versions)

async def main():
    global main_task
    main_task = asyncio.current_task()
    asyncio.get_running_loop().slow_callback_duration = 60
    async with Saver.from_conn_string(path) as saver:
        await saver.setup()
        graph = globals()[engine]()(checkpointer=saver)
        config = {"configurable": {"thread_id": "t"}}
        if where == "stream":
            options = {"durability": durability, "stream_mode": "updates"}
            async for chunk in graph.astream({"log": ["in"]}, config, **options):
                here()
                await asyncio.sleep(30)
        await graph.ainvoke({"log": ["in"]}, config, durability=durability)

asyncio.run(main())
"""


class Signalled(NamedTuple):
    """A process that got SIGINT.

    Attributes:
        status: its exit status.
        said: what stands on stderr, but for the frames of tracebacks.
        stored: of each checkpoint its superstep, the log, and what tasks on it wrote that finished.
    """

    status: int
    said: list[str]
    stored: list[Any]


def signalled(engine: str, where: str, durability: str, folder: Path) -> Signalled:
    """Sends SIGINT to a process once it is where it is to be, and waits for its end."""
    place = folder / f"{engine}.db"
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", SIGNALLED]
    if engine == "upstream":
        # Its imports warn.
        command[3:5] = []
    command += [engine, where, durability, str(place)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            assert process.stdout is not None
            for _ in range(2 if where == "saver, twice" else 1):
                assert process.stdout.readline(), process.communicate()[1]
                # By then it waits, and the event loop with it.
                sleep(0.1)
                process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=20)
        finally:
            process.kill()
    with closing(sqlite3.connect(place)) as conn:
        stored = [
            [
                saved.metadata["step"],
                saved.checkpoint["channel_values"].get("log"),
                # Whether LangGraph notes who was cancelled is chance.
                sorted(each[1:] for each in saved.pending_writes or () if each[1] != "__error__"),
            ]
            for saved in SqliteSaver(conn).list({"configurable": {"thread_id": "t"}})
        ]
    said = [line for line in stderr.splitlines() if line and not line.startswith(" ")]
    return Signalled(process.returncode, said, stored)


_SINCE_3_11 = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="asyncio.run does not cancel its task at a signal"
)

_WORDS = {
    "Traceback (most recent call last):",
    "asyncio.exceptions.CancelledError",
    "During handling of the above exception, another exception occurred:",
    "KeyboardInterrupt",
}
"""What stands on stderr of a process that ended by SIGINT, and nothing else."""


@_SINCE_3_11
@pytest.mark.parametrize(
    ("where", "durability"),
    [
        ("async node", "sync"),
        ("async node", "async"),
        ("async node", "exit"),
        ("sync node", "sync"),
        ("sync node", "exit"),
        # With "async" it is chance what is stored when a chunk comes out.
        ("stream", "sync"),
    ],
)
def test_sigint(where: str, durability: str, tmp_path: Path) -> None:
    """A KeyboardInterrupt and no other word, and what had finished is stored, as by LangGraph."""
    seen = signalled("ours", where, durability, tmp_path)
    assert seen.status == -signal.SIGINT
    assert set(seen.said) <= _WORDS
    assert seen == signalled("upstream", where, durability, tmp_path)


@_SINCE_3_11
@pytest.mark.parametrize(("durability", "steps"), [("sync", [1, 0, -1]), ("async", [2, 1, 0, -1])])
@pytest.mark.parametrize("where", ["saver", "saver, twice"])
def test_sigint_while_a_saver_stores(
    where: str, durability: str, steps: list[int], tmp_path: Path
) -> None:
    """LangGraph breaks the call off; here it goes on, and at a second signal it is made anew."""
    seen = signalled("ours", where, durability, tmp_path)
    assert seen.status == -signal.SIGINT
    assert set(seen.said) <= _WORDS
    assert seen.said[-1] == "KeyboardInterrupt"
    assert [step for step, *_ in seen.stored] == steps
