"""What a compiled graph has beyond its builder: config, breakpoints, name, a saver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableBinding
from langgraph._internal._config import merge_configs
from langgraph.graph.state import CompiledStateGraph

from lgc.compiler.frontend.validity import Builder
from lgc.compiler.literals import NotLiteral, source_of
from lgc.runtime.graph import CompiledGraph


@dataclass(frozen=True)
class Settings:
    """What a compiled graph has beyond its builder.

    Attributes:
        builder: the builder.
        config: what is bound to the graph, without empty values.
        coerces: whether typed chunks hold objects of the graph's schemas; those of a copy that
            `with_config` made do not (spec, trap 56).
        The rest as on the graph.
    """

    builder: Builder
    name: str
    config: dict[str, Any]
    coerces: bool
    checkpointer: Any
    store: Any
    cache: Any
    interrupt_before_nodes: Any
    interrupt_after_nodes: Any
    debug: bool
    stream_mode: Any
    step_timeout: Any

    def not_default(self) -> dict[str, Any]:
        """What differs from the defaults of `compile`, by the keyword of `abi.compiled`."""
        settings = {
            "config": (self.config, {}),
            "interrupt_before": (self.interrupt_before_nodes, ()),
            "interrupt_after": (self.interrupt_after_nodes, ()),
            "debug": (self.debug, False),
            "stream_mode": (self.stream_mode, "updates"),
            "step_timeout": (self.step_timeout, None),
        }
        return {
            keyword: value
            for keyword, (value, default) in settings.items()
            if value != default and not (default == () and not value)
        }

    def facts(self, fail: Callable[[str, NotLiteral], None]) -> dict[str, Any]:
        """What the IR says of the graph besides what it says of the builder, as its fields.

        Args:
            fail: called with the keyword, and the reason, of each setting that can be neither
                written as source nor taken from the object.
        """
        written = []
        takes_config = False
        for keyword, value in self.not_default().items():
            try:
                if keyword == "config" and "callbacks" in value:
                    # Runs refuse callbacks, whoever gives them, so the message is about these.
                    source_of({"callbacks": value["callbacks"]})
                written.append((keyword, source_of(value)))
            except NotLiteral as exc:
                if keyword == "config" and "callbacks" not in value:
                    takes_config = True
                else:
                    fail(keyword, exc)
        facts: dict[str, Any] = {
            "name": self.name,
            "settings": tuple(written),
            "takes_config": takes_config,
        }
        if not self.coerces:
            facts |= {"output_schema": None, "state_schema": None}
        return facts


def is_compiled(target: object) -> bool:
    """Whether `target` is a compiled StateGraph of LangGraph's, bound to something or not."""
    while isinstance(target, RunnableBinding):
        target = target.bound
    # One of lgc's passes for LangGraph's.
    return isinstance(target, CompiledStateGraph) and not isinstance(target, CompiledGraph)


def settings_of(target: Any, refuse: Callable[[str, str], None]) -> Settings:
    """Reads a compiled graph.

    Args:
        target: an object for which `is_compiled` is true.
        refuse: called with a diagnostic's code and the name of each feature that lgc cannot
            take over.
    """
    bound: list[Any] = []
    while isinstance(target, RunnableBinding):
        if target.kwargs:
            refuse("LGC219", f"bind({', '.join(target.kwargs)}) on a compiled graph")
        if target.config_factories:
            refuse("LGC219", "listeners of a compiled graph")
        if target.config.get("tags"):
            # LangGraph sorts the tags of a binding together with the caller's.
            refuse("LGC219", "tags bound to a binding of a compiled graph")
        bound.append(target.config)
        target = target.bound
    config = merge_configs(target.config, *reversed(bound))
    for attribute, code in (("retry_policy", "LGC206"), ("cache_policy", "LGC207")):
        if getattr(target, attribute):
            refuse(code, f"{attribute} of a compiled graph")
    _check_unchanged(target, refuse)
    return Settings(
        builder=target.builder,
        name=target.name,
        # An empty value in a config is the same as no value.
        config={k: v for k, v in config.items() if v is not None and v not in ([], {}, ())},
        coerces=target._output_mapper is not None or target._state_mapper is not None,
        checkpointer=target.checkpointer,
        store=target.store,
        cache=target.cache,
        interrupt_before_nodes=target.interrupt_before_nodes,
        interrupt_after_nodes=target.interrupt_after_nodes,
        debug=target.debug,
        stream_mode=target.stream_mode,
        step_timeout=target.step_timeout,
    )


def _check_unchanged(graph: Any, refuse: Callable[[str, str], None]) -> None:
    """Refuses what `compile` would not make of the builder as it is now."""
    builder = graph.builder
    runnables = {name: spec.runnable for name, spec in builder.nodes.items()}
    if {name: node.bound for name, node in graph.nodes.items() if name != "__start__"} != runnables:
        refuse("LGC221", "nodes changed after compile()")
    stored = [key for key in builder.schemas[builder.output_schema] if key not in builder.managed]
    for attribute, keys in (
        ("output_channels", stored),
        ("stream_channels", list(builder.channels)),
        ("input_channels", "__start__"),
    ):
        if getattr(graph, attribute) != ("__root__" if keys == ["__root__"] else keys):
            refuse("LGC221", f"{attribute} changed after compile()")
