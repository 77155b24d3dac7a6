"""Imports a module of its package by two names."""

from langgraph.graph import START, StateGraph
from src.pkg.nodes import review

from pkg.nodes import work

builder = StateGraph(dict)
builder.add_node("work", work)
builder.add_node("review", review)
builder.add_edge(START, "work")
builder.add_edge("work", "review")
