"""`SqlSaver`: what the savers on SQLite and PostgreSQL share.

Whatever is put is turned into statements first, that is into SQL and rows of bytes, and then
stored in one transaction. A subclass says how rows are made of a checkpoint and of a task's writes
and how statements are run.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any

from lgc.runtime.checkpointing.model import WRITE_INDEXES
from lgc.runtime.savers.base import BaseSaver
from lgc.runtime.savers.types import Config, TaskWrites, Writes, child_config

Statement = tuple[str, Sequence[Sequence[Any]]]
"""SQL, and the parameters of each time that it is executed."""

Storing = Callable[[], Coroutine[Any, Any, None]]
"""What stores what was serialised before."""


class SqlSaver(BaseSaver):
    """Turns values into bytes as soon as they are put, and stores each put in one transaction."""

    keeps_checkpoint = False
    defers = True
    dumped = BaseSaver._dump_writes

    # --- what a subclass says ---

    def _checkpoint_statements(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Sequence[Statement]:
        """The statements that store a checkpoint; the arguments are those of `put`."""
        raise NotImplementedError

    def _writes_statement(
        self, config: Config, writes: Writes, task_id: str, task_path: str
    ) -> Statement:
        """The statement that stores a task's writes; the arguments are those of `put_writes`."""
        raise NotImplementedError

    def _store(self, statements: Iterable[Statement]) -> None:
        """Runs statements as one transaction."""
        raise NotImplementedError

    async def _astore(self, statements: Iterable[Statement]) -> None:
        """Async version of `_store`."""
        await self._off_loop(self._store, statements)

    # --- storing ---

    def _write_rows(self, task: tuple[Any, ...], writes: Writes) -> list[tuple[Any, ...]]:
        """A row for each write of a task.

        Args:
            task: the columns before the index: thread, namespace, checkpoint, task, task path.
            writes: the writes.
        """
        return [
            (*task, WRITE_INDEXES.get(channel, position), channel, *self._dump(value))
            for position, (channel, value) in enumerate(writes)
        ]

    def _superstep_statements(
        self,
        config: Config,
        writes: TaskWrites,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Sequence[Statement]:
        tasks = [
            self._writes_statement(config, task_writes, task_id, task_path)
            for task_id, task_path, task_writes in writes
        ]
        return (
            *tasks,
            *self._checkpoint_statements(config, checkpoint, metadata, new_versions),
        )

    def put(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        self._store(self._checkpoint_statements(config, checkpoint, metadata, new_versions))
        return child_config(config, checkpoint)

    def put_writes(self, config: Config, writes: Writes, task_id: str, task_path: str = "") -> None:
        self._store([self._writes_statement(config, writes, task_id, task_path)])

    def put_superstep(
        self,
        config: Config,
        writes: TaskWrites,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        self._store(self._superstep_statements(config, writes, checkpoint, metadata, new_versions))
        return child_config(config, checkpoint)

    def deferred_put(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Callable[[], None]:
        """`put` in two parts: serialises now, and returns the function that stores."""
        return partial(
            self._store, self._checkpoint_statements(config, checkpoint, metadata, new_versions)
        )

    def deferred_put_writes(
        self, config: Config, writes: Writes, task_id: str, task_path: str = ""
    ) -> Callable[[], None]:
        """`put_writes` in two parts: serialises now, and returns the function that stores."""
        return partial(self._store, [self._writes_statement(config, writes, task_id, task_path)])

    def deferred_put_superstep(
        self,
        config: Config,
        writes: TaskWrites,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Callable[[], None]:
        """`put_superstep` in two parts: serialises now, and returns the function that stores."""
        return partial(
            self._store,
            self._superstep_statements(config, writes, checkpoint, metadata, new_versions),
        )

    def adeferred_put(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Storing:
        """Async version of `deferred_put`: the function that stores returns an awaitable."""
        return partial(
            self._astore, self._checkpoint_statements(config, checkpoint, metadata, new_versions)
        )

    def adeferred_put_writes(
        self, config: Config, writes: Writes, task_id: str, task_path: str = ""
    ) -> Storing:
        """Async version of `deferred_put_writes`: as `adeferred_put`."""
        return partial(self._astore, [self._writes_statement(config, writes, task_id, task_path)])

    def adeferred_put_superstep(
        self,
        config: Config,
        writes: TaskWrites,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Storing:
        """Async version of `deferred_put_superstep`: as `adeferred_put`."""
        return partial(
            self._astore,
            self._superstep_statements(config, writes, checkpoint, metadata, new_versions),
        )


class AsyncSqlSaver(SqlSaver):
    """A saver on SQL whose async methods are not those of `BaseSaver`, which call the sync ones.

    They serialise before they first wait: afterwards other tasks of the event loop may change
    values. A saver that is sync in the first place does not derive from this class, so that a
    subclass of it has to override each method once.
    """

    # Said again because the class defines `aput` and its like anew.
    keeps_checkpoint = False
    defers = True
    dumped = SqlSaver.dumped

    async def aput(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """Async version of `put`."""
        await self._astore(self._checkpoint_statements(config, checkpoint, metadata, new_versions))
        return child_config(config, checkpoint)

    async def aput_writes(
        self, config: Config, writes: Writes, task_id: str, task_path: str = ""
    ) -> None:
        """Async version of `put_writes`."""
        await self._astore([self._writes_statement(config, writes, task_id, task_path)])

    async def aput_superstep(
        self,
        config: Config,
        writes: TaskWrites,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """Async version of `put_superstep`."""
        await self._astore(
            self._superstep_statements(config, writes, checkpoint, metadata, new_versions)
        )
        return child_config(config, checkpoint)


def replaces_writes(writes: Writes) -> bool:
    """Whether a task's writes replace stored ones of the same index, or else give way to them.

    Upstream decides for all of them together: special writes (`WRITE_INDEXES`) replace, but not
    where another write stands beside them.
    """
    return all(channel in WRITE_INDEXES for channel, _ in writes)


def config_conditions(config: Config, placeholder: str) -> dict[str, Any]:
    """The conditions for the checkpoints that the config of `list` limits it to.

    Args:
        config: has a thread and, perhaps, a namespace and an id.
        placeholder: what stands for a parameter in SQL.

    Returns:
        The parameter of each condition.
    """
    where = config["configurable"]
    conditions = {f"thread_id = {placeholder}": where["thread_id"]}
    if where.get("checkpoint_ns") is not None:
        conditions[f"checkpoint_ns = {placeholder}"] = where["checkpoint_ns"]
    if where.get("checkpoint_id"):
        conditions[f"checkpoint_id = {placeholder}"] = where["checkpoint_id"]
    return conditions
