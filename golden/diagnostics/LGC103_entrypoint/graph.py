"""A graph of the functional API."""

from langgraph.func import entrypoint


@entrypoint()
def builder(text: str) -> str:
    return text.upper()
