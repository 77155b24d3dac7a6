"""The nodes: what production runs. Nothing here imports langgraph."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, TypedDict

from lgc import Send, StreamWriter, interrupt


class State(TypedDict):
    """A trip: the cities in question, their weather, and where it goes."""

    cities: list[str]
    forecasts: Annotated[dict[str, str], operator.or_]
    trip: str


class City(TypedDict):
    """What `forecast` is sent."""

    city: str


# A weather service that needs no key and no network: the seconds it takes, and what it says.
WEATHER = {"Bern": (0.02, "sunny, 21 °C"), "Oslo": (2.0, "rain, 9 °C")}
UNKNOWN = (0.1, "")


async def each_city(state: State) -> list[Send]:
    """The router: asks for all cities at the same time.

    Async like the nodes: a sync function runs on another thread, which takes longer than it does.
    """
    return [Send("forecast", {"city": city}) for city in state["cities"]]


async def forecast(state: City, writer: StreamWriter) -> dict[str, dict[str, str]]:
    """Asks the weather service; it fails for a city it does not know."""
    city = state["city"]
    writer({"asking for": city})
    seconds, text = WEATHER.get(city, UNKNOWN)
    await asyncio.sleep(seconds)
    if not text:
        raise LookupError(f"no weather station in {city}")
    return {"forecasts": {city: text}}


async def choose(state: State) -> dict[str, str]:
    """Chooses the sunny city, if a person agrees: the run stops here until that is answered."""
    city = next(city for city in state["cities"] if "sunny" in state["forecasts"][city])
    return {"trip": city if interrupt({"book": city}) else ""}


async def next_step(state: State) -> str:
    """The router: books what was agreed to."""
    return "book" if state["trip"] else "end"


async def book(state: State) -> dict[str, str]:
    """Books the trip."""
    await asyncio.sleep(0.01)
    return {"trip": f"booked: {state['trip']}"}
