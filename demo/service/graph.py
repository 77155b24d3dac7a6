"""The graph, written with LangGraph; needed to compile, not to run."""

from langgraph.graph import END, START, StateGraph

from service.nodes import State, book, choose, each_city, forecast, next_step

builder = StateGraph(State)
builder.add_node("forecast", forecast)
builder.add_node("choose", choose)
builder.add_node("book", book)
builder.add_conditional_edges(START, each_city, ["forecast"])
builder.add_edge("forecast", "choose")
builder.add_conditional_edges("choose", next_step, {"book": "book", "end": END})
builder.add_edge("book", END)
