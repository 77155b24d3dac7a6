"""What a generated module and production need; imports nothing of the compiler."""

# Whichever module of the runtime is imported first, all classes that stand for LangGraph's are
# registered then, so that any of them can be asked for by name (`upstream.mirrors`).
from lgc.runtime import public

__all__ = ["public"]
