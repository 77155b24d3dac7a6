"""The public names of LangGraph's compiled graph that lgc's has not yet."""

from __future__ import annotations

from lgc.runtime.public.errors import Unsupported

NOT_YET = frozenset(
    (
        "InputType",
        "OutputType",
        "aget_graph",
        "as_tool",
        "assign",
        "astream_events",
        "astream_log",
        "atransform",
        "attach_branch",
        "attach_edge",
        "attach_node",
        "batch",
        "batch_as_completed",
        "bind",
        "builder",
        "cache_policy",
        "channels",
        "config_schema",
        "config_specs",
        "context_schema",
        "copy",
        "get_config_jsonschema",
        "get_context_jsonschema",
        "get_graph",
        "get_input_jsonschema",
        "get_input_schema",
        "get_output_jsonschema",
        "get_output_schema",
        "get_prompts",
        "input_channels",
        "input_schema",
        "map",
        "node_error_handler_map",
        "nodes",
        "output_channels",
        "output_schema",
        "pick",
        "pipe",
        "retry_policy",
        "schema_to_mapper",
        "stream_channels",
        "stream_channels_asis",
        "stream_channels_list",
        "stream_eager",
        "stream_events",
        "stream_transformers",
        "transform",
        "trigger_to_nodes",
        "validate",
        "with_alisteners",
        "with_config",
        "with_fallbacks",
        "with_listeners",
        "with_retry",
        "with_types",
    )
)


class UnsupportedAttribute(Unsupported, AttributeError):
    """An attribute that is not there yet; `hasattr` says that it is not there."""
