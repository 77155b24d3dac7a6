"""A small agent; its nodes know nothing of LangGraph."""
