# What type checkers know of the graph of a generated module: a class over that of graph.py that
# is generic as CompiledStateGraph is, of state, context, input and output. The types are
# LangGraph's own, which are imported for nothing else.

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any, Generic, Literal, TypedDict, TypeVar, overload

from langgraph.runtime import RunControl
from langgraph.types import All, Command, Durability, GraphOutput, StreamPart
from typing_extensions import Unpack

from lgc.runtime import graph

StateT = TypeVar("StateT")
ContextT = TypeVar("ContextT")
InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")

# Those of LangGraph's that lgc has; with any but "values" alone, `invoke` gives a list of chunks.
ChunkMode = Literal["updates", "custom", "tasks", "checkpoints", "debug"]
StreamMode = Literal["values"] | ChunkMode
# Not Sequence: a str is one, too.
StreamModes = list[StreamMode] | tuple[StreamMode, ...]
Config = Mapping[str, Any]

# The keyword arguments of a run that do not decide the type of what it gives.
class RunOptions(TypedDict, Generic[ContextT], total=False):
    context: ContextT | Mapping[str, Any] | None
    print_mode: StreamMode | StreamModes
    output_keys: str | Sequence[str] | None
    interrupt_before: All | Sequence[str] | None
    interrupt_after: All | Sequence[str] | None
    durability: Durability | None
    control: RunControl | None
    subgraphs: bool
    debug: bool | None

class CompiledGraph(graph.CompiledGraph, Generic[StateT, ContextT, InputT, OutputT]):
    def compile(
        self,
        checkpointer: Any = None,
        *,
        cache: Any = None,
        store: Any = None,
        interrupt_before: All | Sequence[str] | None = None,
        interrupt_after: All | Sequence[str] | None = None,
        debug: bool | None = None,
        name: str | None = None,
        transformers: Sequence[Any] | None = None,
    ) -> CompiledGraph[StateT, ContextT, InputT, OutputT]: ...

    # The dict of version "v1" is of no schema: keys may be missing, and "__interrupt__" there.
    @overload  # type: ignore[override]
    def invoke(
        self,
        input: InputT | Command[Any] | None,
        config: Config | None = None,
        *,
        stream_mode: Literal["values"] = "values",
        version: Literal["v1"] = "v1",
        **options: Unpack[RunOptions[ContextT]],
    ) -> dict[str, Any]: ...
    @overload
    def invoke(
        self,
        input: InputT | Command[Any] | None,
        config: Config | None = None,
        *,
        stream_mode: Literal["values"] = "values",
        version: Literal["v2"],
        **options: Unpack[RunOptions[ContextT]],
    ) -> GraphOutput[OutputT]: ...
    @overload
    def invoke(
        self,
        input: InputT | Command[Any] | None,
        config: Config | None = None,
        *,
        stream_mode: ChunkMode | StreamModes,
        version: Literal["v1", "v2"] = "v1",
        **options: Unpack[RunOptions[ContextT]],
    ) -> list[Any]: ...
    @overload  # type: ignore[override]
    def stream(
        self,
        input: InputT | Command[Any] | None,
        config: Config | None = None,
        *,
        stream_mode: StreamMode | StreamModes | None = None,
        version: Literal["v1"] = "v1",
        **options: Unpack[RunOptions[ContextT]],
    ) -> Iterator[Any]: ...
    @overload
    def stream(
        self,
        input: InputT | Command[Any] | None,
        config: Config | None = None,
        *,
        stream_mode: StreamMode | StreamModes | None = None,
        version: Literal["v2"],
        **options: Unpack[RunOptions[ContextT]],
    ) -> Iterator[StreamPart[StateT, OutputT]]: ...
    @overload  # type: ignore[override]
    async def ainvoke(
        self,
        input: InputT | Command[Any] | None,
        config: Config | None = None,
        *,
        stream_mode: Literal["values"] = "values",
        version: Literal["v1"] = "v1",
        **options: Unpack[RunOptions[ContextT]],
    ) -> dict[str, Any]: ...
    @overload
    async def ainvoke(
        self,
        input: InputT | Command[Any] | None,
        config: Config | None = None,
        *,
        stream_mode: Literal["values"] = "values",
        version: Literal["v2"],
        **options: Unpack[RunOptions[ContextT]],
    ) -> GraphOutput[OutputT]: ...
    @overload
    async def ainvoke(
        self,
        input: InputT | Command[Any] | None,
        config: Config | None = None,
        *,
        stream_mode: ChunkMode | StreamModes,
        version: Literal["v1", "v2"] = "v1",
        **options: Unpack[RunOptions[ContextT]],
    ) -> list[Any]: ...
    @overload  # type: ignore[override]
    def astream(
        self,
        input: InputT | Command[Any] | None,
        config: Config | None = None,
        *,
        stream_mode: StreamMode | StreamModes | None = None,
        version: Literal["v1"] = "v1",
        **options: Unpack[RunOptions[ContextT]],
    ) -> AsyncGenerator[Any]: ...
    @overload
    def astream(
        self,
        input: InputT | Command[Any] | None,
        config: Config | None = None,
        *,
        stream_mode: StreamMode | StreamModes | None = None,
        version: Literal["v2"],
        **options: Unpack[RunOptions[ContextT]],
    ) -> AsyncGenerator[StreamPart[StateT, OutputT]]: ...
