"""Starts the service and holds it to what it promises, as an HTTP client sees it.

Run by `make demo`; it prints what it has seen, and fails with the first assertion that does not
hold.
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
from collections.abc import AsyncIterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

import httpx

# Oslo takes a second, Bern and Rome hardly any time.
FAST = {"input": {"cities": ["Bern", "Rome"]}}
SLOW = {"input": {"cities": ["Bern", "Oslo"]}}
AGREED = {"resume": True}
GO_ON: dict[str, Any] = {}

ABSENT = ("langgraph", "langchain_core", "jinja2", "mypy")


class Server:
    """The service in a process of its own, on a port that the system chooses.

    Args:
        folder: takes the threads and the log.
    """

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        # -X importtime names every imported module on stderr, without the service's doing.
        options = ["-X", "importtime", "-W", "default::ResourceWarning"]
        arguments = ["service.app:app", "--port", "0", "--timeout-graceful-shutdown", "1"]
        with self.log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, *options, "-m", "uvicorn", *arguments],
                cwd=Path(__file__).parents[1],
                env={**os.environ, "THREADS": str(folder / "threads.db")},
                stdout=subprocess.DEVNULL,  # uvicorn's access log
                stderr=stderr,
            )
        self.port = int(self.wait_for(r"running on http://127.0.0.1:(\d+)").group(1))

    def lines(self) -> list[str]:
        """What the service has logged."""
        text = self.log.read_text(encoding="utf-8")
        return [line for line in text.splitlines() if not line.startswith("import time:")]

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Waits until the service has logged something."""
        deadline = monotonic() + 60
        while monotonic() < deadline and self.process.poll() is None:
            if found := re.search(pattern, "\n".join(self.lines())):
                return found
            sleep(0.01)
        raise AssertionError(f"{pattern!r} is not in the log:\n" + "\n".join(self.lines()))

    def complaints(self) -> list[str]:
        """What the service has logged that is no information: warnings, errors, tracebacks."""
        return [line for line in self.lines() if not line.startswith("INFO: ")]

    def imported(self) -> set[str]:
        """The packages that the service's process has imported."""
        text = self.log.read_text(encoding="utf-8")
        return set(re.findall(r"^import time:.*\| *(\w+)", text, re.MULTILINE))

    def stop(self) -> None:
        """Stops the service as a deployment does."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)


@contextmanager
def running(folder: Path) -> Any:
    """A server, which is gone at the end of the block."""
    server = Server(folder)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


async def stream(
    client: httpx.AsyncClient, thread: str, body: dict[str, Any]
) -> AsyncIterator[tuple[str, Any]]:
    """The events of a run, as they arrive: name and data."""
    async with client.stream("POST", f"/threads/{thread}/runs", json=body) as response:
        assert response.status_code == 200, response.status_code
        assert response.headers["content-type"].startswith("text/event-stream")
        name = ""
        async for line in response.aiter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                yield name, json.loads(value)


async def all_events(client: httpx.AsyncClient, thread: str, body: dict[str, Any]) -> list[Any]:
    """The events of a run that is read to its end."""
    return [event async for event in stream(client, thread, body)]


async def thread_state(client: httpx.AsyncClient, thread: str) -> Any:
    """The state of a thread."""
    response = await client.get(f"/threads/{thread}")
    assert response.status_code == 200, response.status_code
    return response.json()


async def read_until_bern(client: httpx.AsyncClient, thread: str) -> None:
    """Starts a run for Bern and Oslo; goes away when Bern has answered, and Oslo has not."""
    events = stream(client, thread, SLOW)
    async for event in events:
        if event[0] == "updates":
            assert event[1] == {"forecast": {"forecasts": {"Bern": "sunny, 21 °C"}}}, event
            break
    await events.aclose()


def reset_connection(port: int, thread: str) -> None:
    """As `read_until_bern`, but the client dies: its system resets the connection."""
    body = json.dumps(SLOW).encode()
    head = f"POST /threads/{thread}/runs HTTP/1.1\r\nhost: localhost\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        received = b""
        while b"event: updates" not in received:
            received += connection.recv(4096)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def check_stream(client: httpx.AsyncClient) -> None:
    """Chunks arrive as they are made, in order; an interrupt ends the run, its answer resumes it."""
    begin = monotonic()
    seen: list[tuple[str, Any]] = []
    times: list[float] = []
    for body in (SLOW, AGREED):
        print(f"POST /threads/1/runs {json.dumps(body)}")
        async for name, data in stream(client, "1", body):
            seen.append((name, data))
            times.append(monotonic() - begin)
            print(f"{times[-1]:8.3f} s  {name:<8} {json.dumps(data, ensure_ascii=False)}")
    cities = ["Bern", "Oslo"]
    bern = {"Bern": "sunny, 21 °C"}
    both = {**bern, "Oslo": "rain, 9 °C"}
    values = {"cities": cities, "forecasts": both}
    question = seen[7][1]["__interrupt__"]
    assert [asked["value"] for asked in question] == [{"book": "Bern"}], question
    assert seen == [
        ("values", {"cities": cities, "forecasts": {}}),
        ("custom", {"asking for": "Bern"}),
        ("custom", {"asking for": "Oslo"}),
        ("updates", {"forecast": {"forecasts": bern}}),
        ("updates", {"forecast": {"forecasts": {"Oslo": "rain, 9 °C"}}}),
        ("values", values),
        ("updates", {"__interrupt__": question}),
        ("values", {**values, "__interrupt__": question}),
        ("end", None),
    ], seen
    # Oslo's second passes between what came before and what came after it.
    assert times[4] - times[3] > 0.5, times


async def main() -> None:
    """Runs the checks."""
    with TemporaryDirectory() as folder, running(Path(folder)) as server:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}", timeout=60
        ) as client:
            await check_stream(client)


if __name__ == "__main__":
    asyncio.run(main())
