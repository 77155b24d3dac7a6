"""The IR as text for people: `lgc explain` and `golden/*/want/ir.txt`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lgc.compiler.ir import Call, ChannelIR, GraphIR, RetryIR, TimeoutIR
from lgc.compiler.ir_refs import BuilderRef, SymbolRef
from lgc.compiler.superstep_text import superstep_lines


def to_text(ir: GraphIR) -> str:
    """The whole IR, the graphs that are nodes behind the one that holds them; ends with a line
    break."""
    head = f"graph {ir.target}  name={ir.name!r}  langgraph={ir.langgraph}  hash={ir.hash}"
    lines = [head, *_lines(ir)]
    for path, graph in _inner(ir):
        nodes = " of node ".join(reversed(path))
        lines += ["", "", f"graph of node {nodes}  name={graph.name!r}", *_lines(graph)]
    return "\n".join(lines) + "\n"


def _inner(ir: GraphIR, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], GraphIR]]:
    """The graphs that are nodes, with the nodes that lead to them."""
    for child in ir.children:
        inner = (*path, ", ".join(child.nodes))
        yield inner, child.graph
        yield from _inner(child.graph, inner)


def _lines(ir: GraphIR) -> list[str]:
    """The lines of one graph below the first."""
    lines = ["", "channels"]
    for channel in ir.channels:
        lines.append(f"  {channel.key}: {_channel_text(channel)}")
    for value in ir.managed:
        lines.append(f"  {value.key}: managed, {value.cls or value.kind}")
    for node in ir.nodes:
        lines += ["", f"node {node.name}{'  deferred' if node.defer else ''}"]
        lines.append(f"  triggers  {', '.join(node.triggers)}")
        if node.call is not None:
            lines.append(f"  calls     {_call_text(node.call)}")
        if node.child:
            lines.append(f"  runs      the graph of node {node.child}")
        if node.name != "__start__":
            schema = f" as {node.schema}" if node.schema is not None else ""
            lines.append(f"  reads     {_keys_text(node.reads)}{schema}")
            if node.subgraph and not node.child:
                lines.append("  calls a graph")
            for policy in node.retries:
                lines.append(f"  retries   {_retry_text(policy)}")
            if node.cache is not None:
                key = node.cache.key_func or "the input"
                lines.append(f"  cached    by {key}; ttl={node.cache.ttl}")
            if node.timeout is not None:
                lines.append(f"  timeout   {_timeout_text(node.timeout)}")
            if node.error_handler:
                lines.append(f"  fails to  {node.error_handler}")
            if node.metadata or node.metadata_ref is not None:
                lines.append(f"  metadata  {node.metadata or node.metadata_ref}")
            if node.gotos:
                lines.append(f"  goes to   {', '.join(node.targets) or 'any node'}")
        else:
            lines.append(f"  accepts   {_keys_text(ir.inputs)}")
        if node.edges:
            lines.append(f"  edges     {', '.join(node.edges)}")
        if node.joins:
            lines.append(f"  joins     {', '.join(node.joins)}")
        for branch in node.branches:
            lines.append(f"  branch    {branch.name} = {_call_text(branch.path)}")
            merged = " + the node's output" if branch.merges else ""
            schema = f" as {branch.schema}" if branch.schema is not None else ""
            lines.append(f"    reads   {_keys_text(branch.reads)}{schema}{merged}")
            if branch.ends is not None:
                ends = ", ".join(f"{value!r} -> {end}" for value, end in branch.ends)
                lines.append(f"    ends    {ends}")
            elif branch.ends_ref is not None:
                lines.append(f"    ends    {branch.ends_ref}")
    for join in ir.joins:
        lines += ["", f"join {join.key}{'  deferred' if join.defer else ''}"]
        lines.append(f"  waits for {', '.join(join.starts)}, then {join.end}")
    schema = f" as {ir.output_schema}" if ir.output_schema is not None else ""
    lines += ["", f"outputs   {_keys_text(ir.outputs)}{schema}"]
    if ir.state_schema is not None:
        lines.append(f"state     {ir.state_schema}")
    if ir.context_schema is not None:
        lines.append(f"context   {ir.context_schema}")
    types = map(_type_text, ir.types.refs())
    lines.append(f"types     {', '.join(types)}")
    if ir.allowlist:
        lines.append(f"allowed   {', '.join(map('.'.join, ir.allowlist))}")
    if ir.settings or ir.takes_config:
        lines += ["", "settings"]
        if ir.takes_config:
            lines.append("  config = what is bound to the object")
        lines += [f"  {keyword} = {source}" for keyword, source in ir.settings]
    if ir.schedule is not None:
        lines += ["", "static supersteps"]
        for i, names in enumerate(ir.schedule.supersteps):
            lines.append(f"  {i}: {', '.join(names)}")
        lines.append(f"  then: {ir.schedule.then}")
    if ir.supersteps:
        lines += ["", *superstep_lines(ir)]
    return lines


def _type_text(ref: SymbolRef | None) -> str:
    if ref is None:
        return "any"
    return ref.name if ref.module == "builtins" else str(ref)


def _channel_text(channel: ChannelIR) -> str:
    text = f"{channel.kind} {channel.custom}" if channel.custom else str(channel.kind)
    if channel.reducer is not None:
        reducer = str(channel.reducer)
        text += f"({channel.seed or 'no seed'}, {reducer}"
        if channel.kind == "DeltaChannel":
            text += f", snapshot_frequency={channel.snapshot_frequency}"
        text += ")"
    elif channel.kind in ("EphemeralValue", "UntrackedValue"):
        text += f"(guard={channel.guard})"
    elif channel.kind == "Topic":
        text += f"(accumulate={channel.accumulate})"
    return text


def _call_text(call: Call) -> str:
    extra = "".join(f", {parameter}={source}" for parameter, source in call.inject)
    function = f"{call.function}.invoke" if call.invoke else str(call.function)
    if call.is_async:
        is_on_builder = isinstance(call.function, BuilderRef)
        function = f"await {re.sub('func$', 'afunc', function) if is_on_builder else function}"
    return f"{function}(state{extra})"


def _keys_text(keys: tuple[str, ...] | None) -> str:
    return "the root value" if keys is None else ", ".join(keys) or "nothing"


def _retry_text(policy: RetryIR) -> str:
    """A retry policy on one line."""
    fields = [f"{name}={value}" for name, value in policy.fields]
    if policy.retry_on is not None:
        fields.append(f"retry_on={', '.join(map(str, policy.retry_on)) or 'nothing'}")
    return "; ".join(fields) or "as by default"


def _timeout_text(policy: TimeoutIR) -> str:
    """A timeout on one line."""
    parts = [f"{policy.run} s"] if policy.run != "None" else []
    if policy.idle != "None":
        parts.append(f"{policy.idle} s without progress ({policy.refresh_on})")
    return "; ".join(parts)
