"""An attribute that is no graph."""

builder = ["plan", "act"]
