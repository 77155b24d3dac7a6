"""Sync and async nodes and routers in one graph, with config, runtime and writer by name."""

import asyncio
from functools import partial
from operator import add
from typing import Annotated, Literal, TypedDict

from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, StreamWriter


class State(TypedDict):
    text: str
    log: Annotated[list[str], add]


class Context(TypedDict):
    user: str


def clean(state: State, runtime: Runtime[Context]) -> dict:
    return {"text": state["text"].strip(), "log": [f"cleaned for {runtime.context['user']}"]}


async def greet(state: State, *, runtime: Runtime[Context], writer: StreamWriter) -> dict:
    await asyncio.sleep(0)
    writer("greeting")
    return {"text": f"{runtime.context['user']}: {state['text']}", "log": ["greeted"]}


class Translator:
    """Called like an async function; a service would hold its client here."""

    def __init__(self, words: dict[str, str]) -> None:
        self.words = words

    async def __call__(self, state: State, config: RunnableConfig) -> dict:
        words = (self.words.get(word, word) for word in state["text"].split())
        return {"text": " ".join(words), "log": [f"translated for {config['tags']}"]}

    async def known(self, state: State) -> bool:
        return any(word in self.words for word in state["text"].split())


async def suffixed(suffix: str, state: State) -> dict:
    return {"text": state["text"] + suffix}


async def decide(state: State) -> Command[Literal["shout", "__end__"]]:
    return Command(update={"log": ["decided"]}, goto="shout" if "!" in state["text"] else END)


async def shout_later(state: State) -> dict:
    return {"text": state["text"].upper(), "log": ["shouted on the event loop"]}


def shout(state: State) -> dict:
    return {"text": state["text"].upper(), "log": ["shouted"]}


async def by_user(state: State, config: RunnableConfig) -> str:
    return "translate" if "translate" in config["tags"] else "suffix"


def ends(state: State) -> str:
    return "decide"


translator = Translator({"hello": "hallo", "world": "Welt"})

builder = StateGraph(State, context_schema=Context)
builder.add_node("clean", clean)
builder.add_node("greet", greet)
builder.add_node("translate", translator)
builder.add_node("suffix", partial(suffixed, "?"))
builder.add_node("decide", decide)
builder.add_node("shout", RunnableLambda(shout, afunc=shout_later))
builder.add_edge(START, "clean")
builder.add_conditional_edges("clean", translator.known, {True: "greet", False: "decide"})
builder.add_conditional_edges("greet", by_user, ["translate", "suffix"])
builder.add_conditional_edges("translate", ends, ["decide"])
builder.add_edge("suffix", "decide")


async def run(graph):
    for text, tag in ((" hello world! ", "translate"), ("hello", "plain"), ("unknown !", "plain")):
        arguments = {"config": {"tags": [tag]}, "context": {"user": "Ada"}}
        state = {"text": text, "log": []}
        async for mode, chunk in graph.astream(
            state, **arguments, stream_mode=["updates", "custom"]
        ):
            print(mode, chunk)
        print(await graph.ainvoke(state, **arguments))


def main(graph):
    asyncio.run(run(graph))
    # A sync run gets as far as the first async router.
    try:
        for chunk in graph.stream({"text": "hello", "log": []}, context={"user": "Bob"}):
            print(chunk)
    except TypeError as exc:
        print(exc)
