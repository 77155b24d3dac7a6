"""A module that needs a variable of the environment to be imported."""

import os

from langgraph.graph import StateGraph

key = os.environ["LGC_GOLDEN_KEY"]
builder = StateGraph(dict)
