"""What users import: commands, policies, Runtime, errors, messages, and the functions for nodes.

Whichever module of this package is imported first, all classes that stand for LangGraph's are
registered then (`upstream.mirrors`), so that any of them can be asked for by name.
"""

from lgc.runtime.public import commands, errors, policies, runtime, wrapped_values

__all__ = ["commands", "errors", "policies", "runtime", "wrapped_values"]
