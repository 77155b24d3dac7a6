"""What users import: commands, policies, Runtime, errors, messages, and the functions for nodes."""

from lgc.runtime.public import commands, errors, policies, runtime, wrapped_values

__all__ = ["commands", "errors", "policies", "runtime", "wrapped_values"]
