"""Configs: merging, what runs now, and what a task sees."""
