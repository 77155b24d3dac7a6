"""Graphs compiled by lgc."""
