"""The public object: a compiled graph (spec §6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lgc.runtime.config import (
    DEFAULT_RECURSION_LIMIT,
    ensure,
    refuse_tracing,
)
from lgc.runtime.constants import CONF, CONF_RUNTIME
from lgc.runtime.engine import Run
from lgc.runtime.errors import Unsupported
from lgc.runtime.interop import watch
from lgc.runtime.program import Output, Program
from lgc.runtime.stream import chunks, result, shown

# What LangGraph streams and lgc does not yet.
_OTHER_MODES = frozenset(("checkpoints", "debug", "messages", "tasks", "tools"))


class CompiledGraph:
    """A graph compiled by lgc; used like the object LangGraph's `compile` returns.

    It holds no state of a run: any number of threads may run it at once.

    Args:
        program: the tables of the generated module.
        name: how the graph is called; the module's own name when None.
        config: what every run's config starts from.
    """

    def __init__(
        self,
        program: Program,
        name: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.program = program
        self.config = config
        self.name = name or program.name
        self.stream_mode = "updates"
        self.debug = False
        watch()

    def __repr__(self) -> str:
        return f"<lgc graph {self.name!r}>"

    def compile(
        self,
        checkpointer: Any = None,
        *,
        cache: Any = None,
        store: Any = None,
        interrupt_before: Any = None,
        interrupt_after: Any = None,
        debug: bool = False,
        name: str | None = None,
    ) -> CompiledGraph:
        """Another graph over the same program, as the builder's `compile` would make it.

        Raises:
            Unsupported: an argument asks for what lgc does not do yet.
        """
        _refuse(
            {
                "a checkpointer": checkpointer not in (None, False),
                "a cache": cache is not None,
                "a store": store is not None,
                "interrupt_before": bool(interrupt_before),
                "interrupt_after": bool(interrupt_after),
            },
            "compile",
        )
        made = CompiledGraph(self.program, name, self.config)
        made.debug = debug
        return made

    def invoke(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        context: Any = None,
        stream_mode: str | Sequence[str] | None = "values",
        print_mode: str | Sequence[str] = (),
        output_keys: str | Sequence[str] | None = None,
        interrupt_before: Any = None,
        interrupt_after: Any = None,
        durability: str | None = None,
        control: Any = None,
        subgraphs: bool = False,
        debug: bool | None = None,
        version: str = "v1",
    ) -> Any:
        """Runs the graph (spec §5.6).

        Args:
            input: the input: a dict of state keys, or the root value.
            config: a RunnableConfig.
            context: what nodes find as `runtime.context`; a dict is made into the
                graph's context schema.
            stream_mode: "values" for the final values, else a list of chunks is returned.
            print_mode: the modes whose chunks are printed; updates and values with `debug`.
            output_keys: the keys to return; the output schema's by default.
            durability: has no effect without a checkpointer.
            control: may ask the run to stop (spec §4.13).

        Returns:
            The values of the output keys after the run; None when none was written.

        Raises:
            GraphRecursionError: `recursion_limit` supersteps were not enough.
            EmptyInputError: `input` is None.
            GraphDrained: `control` asked the run to stop before it was over.
            Unsupported: an argument asks for what lgc does not do yet.
            Exception: what a node raised.
        """
        _refuse_arguments("invoke", interrupt_before, interrupt_after, version)
        keys = self.program.outputs if output_keys is None else output_keys
        if stream_mode == "values" and not (print_mode or debug or self.debug):
            run = self._run(config, stream_mode, keys, durability, context, control, silent=True)
            return result(run, input)
        found = self.stream(
            input,
            config,
            context=context,
            stream_mode=["updates", "values"] if stream_mode == "values" else stream_mode,
            print_mode=print_mode,
            output_keys=keys,
            durability=durability,
            control=control,
            subgraphs=subgraphs,
            debug=debug,
        )
        if stream_mode != "values":
            return list(found)
        latest = None
        for *_, mode, payload in found:
            if mode == "values":
                latest = payload
        return latest

    def stream(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        context: Any = None,
        stream_mode: str | Sequence[str] | None = None,
        print_mode: str | Sequence[str] = (),
        output_keys: str | Sequence[str] | None = None,
        interrupt_before: Any = None,
        interrupt_after: Any = None,
        durability: str | None = None,
        control: Any = None,
        subgraphs: bool = False,
        debug: bool | None = None,
        version: str = "v1",
    ) -> Iterator[Any]:
        """Runs the graph and yields chunks (spec §5.1, §5.3).

        Args:
            stream_mode: "values", "updates" or "custom" gives bare payloads, a list of them
                `(mode, payload)`; "updates" by default.
            subgraphs: chunks begin with the namespace; there are no subgraphs yet, so it is ().
            The rest as in `invoke`.

        Raises:
            The same as `invoke`, at the first `next`.
        """
        _refuse_arguments("stream", interrupt_before, interrupt_after, version)
        keys = self.program.streamed if output_keys is None else output_keys
        modes = self.stream_mode if stream_mode is None else stream_mode
        printed = (print_mode,) if isinstance(print_mode, str) else tuple(print_mode)
        if debug or self.debug:
            printed = ("updates", "values")
        if not printed and not subgraphs:
            run = self._run(config, modes, keys, durability, context, control, silent=False)
            yield from chunks(run, input)
        else:
            every = [modes, *printed] if isinstance(modes, str) else [*modes, *printed]
            run = self._run(config, every, keys, durability, context, control, silent=False)
            yield from shown(chunks(run, input), modes, printed, subgraphs)

    def _run(
        self,
        config: Mapping[str, Any] | None,
        stream_mode: str | Sequence[str],
        output: str | Sequence[str] | None,
        durability: str | None,
        context: Any,
        control: Any,
        *,
        silent: bool,
    ) -> Run:
        modes = {stream_mode} if isinstance(stream_mode, str) else set(stream_mode)
        if not _OTHER_MODES.isdisjoint(modes):
            raise Unsupported(f"stream_mode={min(_OTHER_MODES & modes)!r}")
        refuse_tracing()
        merged = ensure(self.config, config)
        limit = merged.get("recursion_limit", DEFAULT_RECURSION_LIMIT)
        if limit < 1:
            raise ValueError("recursion_limit must be at least 1")
        places = merged.get("max_concurrency")
        if places is not None and places <= 0:
            raise ValueError("max_workers must be greater than 0")
        if durability is not None:
            import warnings

            warnings.warn(
                "`durability` has no effect when no checkpointer is present.", stacklevel=4
            )
        # What is false gives way to what the caller's Runtime has, as in upstream's merge.
        made = _coerced(self.program.context_schema, context) or None
        caller = merged[CONF].get(CONF_RUNTIME)
        if caller is not None:
            made = made or caller.context
            control = control or caller.control
        return Run(
            self.program,
            merged,
            limit,
            _output(self.program, output),
            "updates" in modes,
            "values" in modes,
            "custom" in modes,
            isinstance(stream_mode, list),
            silent,
            durability,
            made,
            control,
        )


def _coerced(schema: Any, context: Any) -> Any:
    """The context as the schema wants it (pregel/main.py:_coerce_context)."""
    if (
        schema is not None
        and isinstance(context, dict)
        and (hasattr(schema, "model_fields") or hasattr(schema, "__dataclass_fields__"))
    ):
        return schema(**context)
    return context


def _output(program: Program, output: str | Sequence[str] | None) -> Output:
    """What a run reports that is asked for `output`; None is the root value."""
    if output is None:
        return program.output(("__root__",), True)
    keys = (output,) if isinstance(output, str) else tuple(output)
    for key in keys:
        if key not in program.index:
            raise ValueError(f"Key {key} not in channels")
        if program.plain_trigger[program.index[key]]:
            raise Unsupported("a trigger channel as output key", key)
    return program.output(keys, isinstance(output, str))


def _refuse(asked: dict[str, bool], where: str) -> None:
    for feature, wanted in asked.items():
        if wanted:
            raise Unsupported(feature, where)


def _refuse_arguments(
    where: str,
    interrupt_before: Any,
    interrupt_after: Any,
    version: str,
) -> None:
    if interrupt_before or interrupt_after or version != "v1":
        asked = {
            "interrupt_before": bool(interrupt_before),
            "interrupt_after": bool(interrupt_after),
            f"version={version!r}": version != "v1",
        }
        _refuse(asked, where)
