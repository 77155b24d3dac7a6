"""A service that streams an async graph, which knows nothing of LangGraph when it runs."""
