"""Starts the service and checks what it does, as HTTP clients see it.

Run by `make demo`: prints what was seen, and fails at the first assertion that does not hold.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten
from time import monotonic, sleep
from typing import Any

import httpx

# What clients send. Bern is known at once, Oslo after two seconds, Atlantis never (nodes.py).
TRIP = {"input": {"cities": ["Bern", "Oslo"]}}
FAILING = {"input": {"cities": ["Bern", "Atlantis"]}}
AGREE = {"resume": True}
GO_ON: dict[str, Any] = {}

BERN = {"Bern": "sunny, 21 °C"}
OSLO = {"Oslo": "rain, 9 °C"}
BOOKED = "booked: Bern"


class Server:
    """The service, in a process of its own that the end of the `with` block kills.

    Args:
        folder: where the threads and the log are.
    """

    def __init__(self, folder: Path) -> None:
        self._log = folder / "log"
        # -X importtime names every module that is imported, on stderr, where the log goes, too.
        python = [sys.executable, "-X", "importtime", "-W", "default::ResourceWarning"]
        uvicorn = ["-m", "uvicorn", "--port", "0", "--timeout-graceful-shutdown", "0"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*python, *uvicorn, "service.app:app"],
                cwd=Path(__file__).parents[1],
                env={**os.environ, "THREADS": str(folder / "threads.db")},
                stdout=subprocess.DEVNULL,  # the requests
                stderr=log,
            )

    def __enter__(self) -> Server:
        self.port = int(self.wait_for(r"running on http://127.0.0.1:(\d+)")[1])
        return self

    def __exit__(self, *failure: object) -> None:
        self._process.kill()
        self._process.wait()

    def client(self) -> httpx.AsyncClient:
        """A client of the service, as many connections as it needs."""
        limits = httpx.Limits(max_connections=None)
        url = f"http://127.0.0.1:{self.port}"
        return httpx.AsyncClient(base_url=url, limits=limits, timeout=60)

    def terminate(self) -> None:
        """Stops the service as a deployment does, and waits for its end."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=30)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Waits until the service has logged something."""
        deadline = monotonic() + 60
        while monotonic() < deadline:
            is_over = self._process.poll() is not None
            if found := re.search(pattern, self._log.read_text(encoding="utf-8")):
                return found
            if is_over:
                break
            sleep(0.01)
        raise AssertionError(f"not in the log: {pattern}\n" + "\n".join(self.complaints()))

    def complaints(self) -> list[str]:
        """What the service has logged but for information: warnings, errors, tracebacks."""
        lines = self._log.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if not line.startswith(("INFO: ", "import time:"))]

    def imported(self) -> set[str]:
        """The packages that the service has imported."""
        text = self._log.read_text(encoding="utf-8")
        return set(re.findall(r"^import time:.*\| *(\w+)", text, re.MULTILINE))


async def stream(
    client: httpx.AsyncClient, thread: str, body: dict[str, Any]
) -> AsyncGenerator[tuple[str, Any], None]:
    """The events of a run as they arrive: name and data. Closing it closes the connection."""
    async with client.stream("POST", f"/threads/{thread}/runs", json=body) as response:
        assert response.status_code == 200, response.status_code
        name = ""
        async for line in response.aiter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                yield name, json.loads(value)


async def run(client: httpx.AsyncClient, thread: str, body: dict[str, Any]) -> list[Any]:
    """All events of a run."""
    return [event async for event in stream(client, thread, body)]


async def state_of(client: httpx.AsyncClient, thread: str) -> Any:
    """The state of a thread."""
    response = await client.get(f"/threads/{thread}")
    assert response.status_code == 200, response.status_code
    return response.json()


def asked(events: list[Any]) -> list[str]:
    """The cities that a run has asked for."""
    return [data["asking for"] for name, data in events if name == "custom"]


async def check_stream(client: httpx.AsyncClient) -> None:
    """Chunks arrive as they are made, in order; an interrupt ends a run, the answer resumes it."""
    begin = monotonic()
    events: list[tuple[str, Any]] = []
    times: list[float] = []
    for body in (TRIP, AGREE):
        print(f"POST /threads/trip/runs {json.dumps(body)}")
        async for name, data in stream(client, "trip", body):
            events.append((name, data))
            times.append(monotonic() - begin)
            text = json.dumps(data, ensure_ascii=False)
            print(f"{times[-1]:6.2f} s  {name:<7}  {shorten(text, 80, placeholder=' …')}")
    question = events[6][1]["__interrupt__"]
    assert [interrupt["value"] for interrupt in question] == [{"book": "Bern"}], question
    cities = {"cities": ["Bern", "Oslo"]}
    known = {**cities, "forecasts": {**BERN, **OSLO}}
    assert events == [
        ("values", {**cities, "forecasts": {}}),
        ("custom", {"asking for": "Bern"}),
        ("custom", {"asking for": "Oslo"}),
        ("updates", {"forecast": {"forecasts": BERN}}),
        ("updates", {"forecast": {"forecasts": OSLO}}),
        ("values", known),
        ("updates", {"__interrupt__": question}),
        ("values", {**known, "__interrupt__": question}),
        ("end", None),
        ("values", known),
        ("updates", {"choose": {"trip": "Bern"}}),
        ("values", {**known, "trip": "Bern"}),
        ("updates", {"book": {"trip": BOOKED}}),
        ("values", {**known, "trip": BOOKED}),
        ("end", None),
    ], events
    # The first chunks have not waited for Oslo.
    assert times[4] - times[3] > 1, times
    assert (await client.get("/threads/unknown")).status_code == 404
    assert (await client.post("/threads/trip/runs", content="{")).status_code == 400


async def leave(client: httpx.AsyncClient, thread: str) -> None:
    """Starts a run and closes the connection when Bern is known, and Oslo is not."""
    async with aclosing(stream(client, thread, TRIP)) as events:
        async for name, _ in events:
            if name == "updates":
                break


def die(port: int, thread: str) -> None:
    """As `leave`, but resets the connection, as the system of a client that is killed."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", f"/threads/{thread}/runs", json.dumps(TRIP))
    response = connection.getresponse()
    while response.readline() != b"event: updates\n":
        pass
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.sock.close()
    response.close()


async def check_disconnect(client: httpx.AsyncClient, server: Server) -> None:
    """A client that goes away ends its run; a later request goes on where that was."""
    await asyncio.to_thread(die, server.port, "dead")
    await asyncio.to_thread(server.wait_for, "thread dead: the run was cancelled")
    # The node has been cancelled with the run: awaited, Oslo would be known.
    assert (await state_of(client, "dead"))["next"] == ["forecast"]

    async def come_back(thread: str, is_away: bool) -> None:
        # At once: nobody waits until the service has seen that the client was gone.
        if not is_away:
            await leave(client, thread)
        events = await run(client, thread, GO_ON)
        assert asked(events) == ["Oslo"], events
        assert events[-2][1]["forecasts"] == {**BERN, **OSLO}, events

    hasty = [come_back(f"hasty {number}", is_away=False) for number in range(10)]
    await asyncio.gather(come_back("dead", is_away=True), *hasty)
    assert server.complaints() == [], server.complaints()
    print("clients that reset or close their connection: the runs were cancelled, the service")
    print("logged no warning, and the next requests went on: only Oslo was asked again")


async def check_many(client: httpx.AsyncClient, clients: int) -> None:
    """Many clients are served at the same time, each on a thread of its own."""

    async def trip(thread: str) -> float:
        begin = monotonic()
        events = await run(client, thread, TRIP) + await run(client, thread, AGREE)
        assert asked(events) == ["Bern", "Oslo"] and events[-1] == ("end", None), events
        state = await state_of(client, thread)
        assert state["values"]["trip"] == BOOKED and not state["next"], state
        return monotonic() - begin

    alone = await trip("alone")
    begin = monotonic()
    await asyncio.gather(*(trip(f"client {number}") for number in range(clients)))
    together = monotonic() - begin
    print(f"one client took {alone:.1f} s for its trip, {clients} at once {together:.1f} s")
    assert together < clients * alone / 4, together


async def check_failure(client: httpx.AsyncClient, server: Server) -> None:
    """A node that fails ends the stream with an event; what had finished is kept."""
    for cities in (["Bern", "Atlantis"], ["Atlantis"]):
        events = await run(client, "failing", FAILING if "Bern" in cities else GO_ON)
        assert asked(events) == cities and events[-1] == ("error", "LookupError"), events
    logged = [line for line in server.complaints() if line.startswith("ERROR: ")]
    assert len(logged) == 2, server.complaints()
    print("a node failed: the stream ended with `error`, the log says why, the rest was kept")


async def check_restart(folder: Path) -> None:
    """A service that is stopped cancels its runs and stores what had finished."""
    with Server(folder) as server:
        async with server.client() as client:
            with suppress(httpx.RemoteProtocolError):  # the end of the connection
                async for name, _ in stream(client, "deploy", TRIP):
                    if name == "updates":
                        await asyncio.to_thread(server.terminate)
        server.wait_for("thread deploy: the run was cancelled")
        imported = server.imported()
        unwanted = imported & {"langgraph", "langchain_core", "jinja2", "mypy"}
        assert "starlette" in imported and "lgc" in imported and not unwanted, unwanted
    print("the service was stopped during a run; it had imported no langgraph, langchain_core,")
    print("jinja2 or mypy")
    with Server(folder) as server:
        async with server.client() as client:
            events = await run(client, "deploy", GO_ON)
    assert asked(events) == ["Oslo"], events
    print("its successor went on with the run: only Oslo was asked again")


async def main() -> None:
    """Makes all checks."""
    module = find_spec("build.service_graph")
    assert module is not None and module.origin is not None
    print(f"serving {Path(module.origin).name}, without langgraph")
    with TemporaryDirectory() as name:
        folder = Path(name)
        with Server(folder) as server:
            async with server.client() as client:
                await check_stream(client)
                await check_disconnect(client, server)
                await check_many(client, 50)
                await check_failure(client, server)
        await check_restart(folder)


if __name__ == "__main__":
    asyncio.run(main())
