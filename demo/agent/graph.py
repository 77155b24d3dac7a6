"""The graph, written with LangGraph; needed to compile, not to run."""

from langgraph.graph import END, START, StateGraph

from agent.nodes import State, model, next_step, tools

builder = StateGraph(State)
builder.add_node("model", model)
builder.add_node("tools", tools)
builder.add_edge(START, "model")
builder.add_conditional_edges("model", next_step, {"call": "tools", "answer": END})
builder.add_edge("tools", "model")
