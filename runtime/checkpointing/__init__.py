"""Checkpoints: the model, versions, order of what is stored, and the state of a thread."""
