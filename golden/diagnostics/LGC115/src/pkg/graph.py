"""Imports the package by two names."""

import sys

sys.path.append("src")

from langgraph.graph import START, StateGraph
from src.pkg.nodes import work

builder = StateGraph(dict)
builder.add_node("work", work)
builder.add_edge(START, "work")
