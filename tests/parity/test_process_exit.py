"""Processes with async runs end without a warning, a lost exception or a task left behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

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

def graph(second):
    reads = ("log",)
    return abi.compiled(
        "g",
        keys=(abi.aggregate("log", list, operator.add),),
        nodes=(
            abi.Node("__start__", None, reads=None, edges=("a",)),
            abi.Node("a", quick, reads=reads, call=abi.AWAIT, edges=("b", "c")),
            abi.Node("b", second, reads=reads, call=abi.AWAIT),
            abi.Node("c", quick, reads=reads, call=abi.AWAIT),
        ),
        inputs=reads,
        outputs=reads,
    )

class Broken(MemorySaver):
    async def aput_writes(self, *args, **kwargs):
        raise OSError("disk")

CONFIG = {"configurable": {"thread_id": "t"}}
INPUT = {"log": ["in"]}

async def main():
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
