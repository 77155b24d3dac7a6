"""The service: runs of a compiled graph as server-sent events (Starlette, any ASGI server).

    POST /threads/{id}/runs  {"input": {...}}   starts a run
                             {"resume": ...}    answers the interrupt that the thread stopped at
                             {}                 goes on after a failure or a disconnect
    GET  /threads/{id}                          the thread's state

After `make demo`, in this folder's parent: `../.venv-demo/bin/python -m uvicorn service.app:app`.
A real service would also check who may use which thread.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any
from weakref import WeakValueDictionary

from build.service_graph import compile
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from lgc import Command, Interrupt
from lgc.savers import AsyncSqliteSaver

# A child of the logger that uvicorn configures, so its lines appear among uvicorn's.
log = logging.getLogger("uvicorn.service")


class EventStream(Response):
    """Sends events until they are over, or until the client has gone.

    Starlette's StreamingResponse would do for a simple service. On servers of ASGI 2.4 it notices
    only with the next event that the client has gone, and a slow node goes on until then; and a
    server that stops would not wait for what its runs have to store.

    Args:
        events: the events; they are closed in any case.
        streams: holds the asyncio task that sends them, as long as there is one.
    """

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncGenerator[bytes, None], streams: set[asyncio.Task[None]]
    ) -> None:
        self.status_code = 200
        self.background = None
        # Or nginx collects events before it passes them on.
        self.init_headers({"cache-control": "no-store", "x-accel-buffering": "no"})
        self._events = events
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response."""
        sending = asyncio.create_task(self._send(send))
        self._streams.add(sending)
        sending.add_done_callback(self._streams.discard)
        leaving = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            sending.cancel()
            await asyncio.wait({sending, leaving})
        if not sending.cancelled():
            sending.result()

    async def _send(self, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        # `send` waits for a client that reads slowly, and the run waits with it.
        async with aclosing(self._events) as events:
            async for event in events:
                await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def as_json(value: Any) -> str:
    """JSON of state and chunks; ASCII, because some clients end lines at U+2028."""

    def convert(value: Any) -> Any:
        if isinstance(value, Interrupt):
            return {"id": value.id, "value": value.value}
        raise TypeError(f"{type(value).__name__} is not JSON")

    return json.dumps(value, default=convert)


def event(name: str, data: Any) -> bytes:
    """A server-sent event."""
    return f"event: {name}\ndata: {as_json(data)}\n\n".encode()


def config_of(request: Request) -> dict[str, Any]:
    """The config that addresses the request's thread."""
    return {"configurable": {"thread_id": request.path_params["thread_id"]}}


async def events_of_run(request: Request, given: Any) -> AsyncGenerator[bytes, None]:
    """Runs the graph; its chunks as events named by the stream mode, then `end` or `error`."""
    state = request.app.state
    thread_id = request.path_params["thread_id"]
    # One run at a time on a thread: the next one waits until this one has stored all it will.
    async with state.locks.setdefault(thread_id, asyncio.Lock()):
        try:
            modes = ["updates", "custom", "values"]
            chunks = state.graph.astream(given, config_of(request), stream_mode=modes)
            # Closing the chunks cancels nodes that run, and waits until what is to be stored is.
            async with aclosing(chunks):
                async for mode, chunk in chunks:
                    yield event(mode, chunk)
        except Exception as error:
            log.exception("thread %s: the run failed", thread_id)
            # The message stays in the log: it may say what is not for clients.
            yield event("error", type(error).__name__)
        except BaseException:
            log.info("thread %s: the run was cancelled", thread_id)
            raise
        else:
            # Tells the client that the stream is whole, and not cut off.
            yield event("end", None)


async def start_run(request: Request) -> Response:
    """POST /threads/{thread_id}/runs"""
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise HTTPException(400, "the body is to be a JSON object")
    given = Command(resume=body["resume"]) if "resume" in body else body.get("input")
    return EventStream(events_of_run(request, given), request.app.state.streams)


async def get_thread(request: Request) -> Response:
    """GET /threads/{thread_id}"""
    state = await request.app.state.graph.aget_state(config_of(request))
    if state.created_at is None:
        raise HTTPException(404, "no such thread")
    thread = {"values": state.values, "next": state.next, "interrupts": state.interrupts}
    return Response(as_json(thread), media_type="application/json")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Opens the file of the threads when the server starts, closes it after the last run."""
    path = os.environ.get("THREADS", "threads.db")
    async with AsyncSqliteSaver.from_conn_string(path) as saver:
        app.state.graph = compile(checkpointer=saver)
        app.state.locks = WeakValueDictionary()
        app.state.streams = set()
        yield
        # A server that stops cancels requests, but does not wait for what they have to store.
        if app.state.streams:
            await asyncio.wait(app.state.streams)


app = Starlette(
    routes=[
        Route("/threads/{thread_id}", get_thread),
        Route("/threads/{thread_id}/runs", start_run, methods=["POST"]),
    ],
    lifespan=lifespan,
)
