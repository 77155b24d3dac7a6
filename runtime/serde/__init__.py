"""Turns values into bytes and back, as LangGraph's serializers do (spec §11)."""
