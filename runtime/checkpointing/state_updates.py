"""Updates of a thread's state from outside a run (spec §6, bulk_update_state)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from lgc.runtime.checkpointing import delta_writes as deltas
from lgc.runtime.checkpointing import model
from lgc.runtime.checkpointing.checkpoint_writer import Journal
from lgc.runtime.checkpointing.checkpointed_run import SavedRun
from lgc.runtime.checkpointing.state_snapshots import probe, refuse_namespace, with_parents
from lgc.runtime.checkpointing.task_status import statuses
from lgc.runtime.config.task_config import ensure
from lgc.runtime.constants import (
    CONF,
    END,
    INPUT,
    INTERRUPT,
    NULL_TASK_ID,
    START,
)
from lgc.runtime.engine.program import Program
from lgc.runtime.engine.task import Task, UpdateTask
from lgc.runtime.ids import draw_checkpoint_id
from lgc.runtime.public.messages import ensure_message_ids
from lgc.runtime.upstream import error_class

Writes = list[tuple[str, Any]]

COPY = "__copy__"
"""As the node of an update: copies the checkpoint."""


class StateUpdate(NamedTuple):
    """One update of a superstep (types.py:StateUpdate).

    Attributes:
        values: what a node would have returned.
        as_node: the node; None for the one that wrote last.
        task_id: the id of the task the writes are stored under.
    """

    values: Any
    as_node: str | None = None
    task_id: str | None = None


def bulk_update_state(
    program: Program, bound: Any, saver: Any, config: Any, supersteps: Sequence[Sequence[Any]]
) -> Any:
    """Applies updates to a thread as if its nodes had made them.

    Args:
        program: what runs on the thread.
        bound: the config bound to the graph, or None.
        saver: keeps the thread.
        config: addresses it, and the checkpoint to go on from.
        supersteps: for each checkpoint to make, its StateUpdates.

    Returns:
        The config that addresses the last of them.

    Raises:
        ValueError: there is nothing to do, or `config` addresses a subgraph that does not exist.
        InvalidUpdateError: an update is for no node, or it is not clear for which.
        Exception: what a conditional edge, a reducer or the saver raised.
    """
    if len(supersteps) == 0:
        raise ValueError("No supersteps provided")
    if any(len(updates) == 0 for updates in supersteps):
        raise ValueError("No updates provided")
    conf = config[CONF]
    refuse_namespace(conf, for_update=True)
    current = {**config, CONF: {**conf, "thread_id": str(conf["thread_id"])}}
    for number, updates in enumerate(supersteps):
        current = _Update(program, bound, saver, current, number == 0).perform(updates)
    return current


class _Update:
    """One superstep of updates.

    Args:
        program, bound, saver: as in `bulk_update_state`.
        config: addresses the checkpoint to go on from.
        is_first: it is the caller's; the others were made just now, and have no other children.
    """

    def __init__(
        self, program: Program, bound: Any, saver: Any, config: Any, is_first: bool
    ) -> None:
        self.program = program
        self.bound = bound
        self.saver = saver
        self.is_first = is_first
        self.config = ensure(bound, config)
        self.saved = saver.get_tuple(self.config)
        self.journal = Journal(saver, False)
        self.run: SavedRun = probe(program, saver, self.config, program.output((START,), True))
        self.run.take(self.saved, self.config)
        self.step: int = -1
        if self.saved is not None:
            self.step = self.saved.metadata.get("step", -1)
        # What was pending belongs to a child: a branch does not replay it.
        self.forced: dict[str, bool] = {}
        if is_first:
            pending = [write[1:] for write in self.run.pending_writes]
            self.forced = deltas.written(program.delta_keys, pending)

    def perform(self, updates: Sequence[Any]) -> Any:
        """Makes the checkpoint; the config that addresses it."""
        values, as_node = updates[0][:2]
        alone = len(updates) == 1
        if values is None and as_node == END:
            _require(alone, "Cannot apply multiple updates when clearing state")
            return self._clear()
        if as_node == INPUT:
            _require(alone, "Cannot apply multiple updates when updating as input")
            return self._input(values)
        if as_node == COPY:
            _require(alone, "Cannot copy checkpoint with multiple updates")
            return self._copy(values)
        return self._update(updates)

    def _clear(self) -> Any:
        """The tasks that are due are over."""
        run = self.run
        updated: set[str] = set()
        if self.saved is not None:
            run.prepare_all()
            given = [write[1:] for write in run.pending_writes if write[0] == NULL_TASK_ID]
            if given:
                updated.update(self._keys(run.ledger.apply(run, given, [])))
            found = statuses(run.pending_writes)
            for task in run.tasks:
                if task.id in found:
                    task.writes.extend(found[task.id].output)
            updated.update(self._keys(run.ledger.apply(run, None, run.tasks)))
        return self._put("update", self.step + 1, self.step, updated)

    def _input(self, values: Any) -> Any:
        """The values are an input."""
        _require(values is not None, f"Received no input writes for {START}")
        writes: Writes = [(START, values)]
        self._store([(_named(self.run.checkpoint["id"], INPUT), writes, None)])
        updated = self._keys(self.run.ledger.apply(self.run, writes, []))
        known = self.saved is not None and self.saved.metadata.get("step") is not None
        step = self.step + 1 if known else -1
        return self._put("input", step, step, updated)

    def _copy(self, values: Any) -> Any:
        """A copy of the checkpoint, and, in one go, a superstep of updates upon it."""
        run, saved = self.run, self.saved
        _require(saved is not None, "Cannot copy a non-existent checkpoint")
        made = {
            "v": model.VERSION,
            "ts": model.now(),
            "id": draw_checkpoint_id(self.step),
            "channel_values": run.checkpoint["channel_values"],
            "channel_versions": run.ledger.versions,
            "versions_seen": run.ledger.seen,
            "updated_channels": None,
        }
        metadata: dict[str, Any] = {
            "source": "fork",
            "step": self.step + 1,
            "parents": saved.metadata.get("parents", {}),
        }
        if deltas.COUNTERS in saved.metadata:
            metadata[deltas.COUNTERS] = saved.metadata[deltas.COUNTERS]
        parent = saved.parent_config
        if not parent:
            parent = {**saved.config, CONF: {**saved.config[CONF], "checkpoint_id": None}}
        address = self.saver.put(parent, made, metadata, {})
        copied = with_parents(address, saved.metadata)
        if not isinstance(values, list) or not values:
            return copied
        run.checkpoint = made
        run.current = made["id"]
        run.step = self.step + 2
        run.stop = self.step + 4
        run.first_layout = False
        run.prepare_all()
        updates = _of_copy(values, run.tasks)
        return _Update(self.program, self.bound, self.saver, copied, False).perform(updates)

    def _update(self, updates: Sequence[Any]) -> Any:
        """The values are what nodes returned."""
        run = self.run
        ids: dict[str, list[str]] = {}
        if self.saved is not None and self.saved.pending_writes is not None:
            # The ids of the tasks that are due, so that they are seen to have this result.
            run.step = self.step + 1
            run.prepare_all()
            for task in run.tasks:
                ids.setdefault(task.node.name, []).append(task.id)
        run.step = self.step
        run.set_stop(self.step + 2)
        tasks: list[Task] = []
        for number, (values, as_node, given) in enumerate(self._valid(updates)):
            prepared = ids.get(as_node)
            name = f"{INTERRUPT}:{number}" if number else INTERRUPT
            task_id = given or (prepared.pop(0) if prepared else _named(run.checkpoint["id"], name))
            made = UpdateTask(run, self.program.by_name[as_node], number, task_id)
            run.write(made, values)
            tasks.append(made)
        updated = {name for task in tasks for name, _ in task.writes}
        for task in tasks:
            self.forced.update(deltas.replaced(self.program.delta_keys, task.writes))
        self._store([(task.id, task.writes, task) for task in tasks])
        run.ledger.apply(run, None, tasks)
        return self._put("update", self.step + 1, self.step + 1, updated)

    def _valid(self, updates: Sequence[Any]) -> Iterable[tuple[Any, str, str | None]]:
        """The updates with the nodes they are for."""
        found = []
        for values, as_node, task_id in updates:
            if as_node is None and len(updates) > 1:
                raise _invalid("as_node is required when applying multiple updates")
            node = self._last_writer() if as_node is None else as_node
            if node is None:
                raise _invalid("Ambiguous update, specify as_node")
            _require(node in self.program.by_name, f"Node {node} does not exist")
            found.append((values, node, task_id))
        return found

    def _last_writer(self) -> str | None:
        """The node that ran last, when it is clear which (pregel/main.py:_infer_as_node)."""
        seen = deltas.without_bumps(self.run.ledger.seen)
        if not any(version for read in seen.values() for version in read.values()):
            return START
        found = sorted(
            (version, node)
            for node, read in seen.items()
            if node in self.program.by_name
            for version in read.values()
        )
        if len(found) == 1 or (found and found[-1][0] != found[-2][0]):
            return found[-1][1]
        return None

    def _store(self, written: Sequence[tuple[str, Writes, Task | None]]) -> None:
        """Stores the writes on the checkpoint that the update goes on from.

        DeltaChannels are rebuilt from there. When the thread has moved past it, its other
        children would read them too, so the new checkpoint stores those channels in whole.
        """
        keys = self.program.delta_keys
        if keys:
            for _, writes, _ in written:
                ensure_message_ids(writes, keys)
        if self.saved is None:
            return
        if self.is_first and self._is_superseded():
            for _, writes, _ in written:
                self.forced.update(deltas.written(keys, writes))
            return
        for task_id, writes, task in written:
            if writes:
                path = "" if task is None else task.path_text
                self.journal.write(self.run.address, writes, task_id, path)

    def _is_superseded(self) -> bool:
        conf = self.config[CONF]
        if not conf.get("checkpoint_id"):
            return False
        config = {**self.config, CONF: {**conf, "checkpoint_id": None}}
        latest = self.saver.get_tuple(config)
        return latest is not None and latest.checkpoint["id"] != self.saved.checkpoint["id"]

    def _keys(self, slots: Iterable[int]) -> set[str]:
        return {self.run.channels[slot].key for slot in slots}

    def _put(self, source: str, step: int, clock: int, updated: set[str]) -> Any:
        """Stores the next checkpoint.

        Args:
            source: "update" or "input".
            step: the superstep in its metadata.
            clock: the superstep in its id.
            updated: the keys that changed.
        """
        ledger = self.run.ledger
        known: Mapping[str, Any] = {} if self.saved is None else self.saved.metadata
        metadata: dict[str, Any] = {
            "source": source,
            "step": step,
            "parents": known.get("parents", {}),
        }
        made = {
            "v": model.VERSION,
            "ts": "",
            "id": "",
            "channel_values": ledger.stored(self.run, self._snapshots(metadata, updated)),
            "channel_versions": ledger.versions,
            "versions_seen": ledger.seen,
            "updated_channels": None,
        }
        made["ts"] = model.now()
        made["id"] = draw_checkpoint_id(clock)
        address = self.saver.put(self.run.address, made, metadata, ledger.take_moved())
        return with_parents(address, known)

    def _snapshots(self, metadata: dict[str, Any], updated: set[str]) -> dict[str, bool]:
        """The DeltaChannels to store in whole; the counters go into the metadata."""
        keys = self.program.delta_keys
        if not keys:
            return {}
        versions = self.run.ledger.versions
        if self.saved is None:
            return {key: True for key in keys if key in versions}
        counters = deltas.counted(keys, self.saved.metadata.get(deltas.COUNTERS), updated)
        found = deltas.due(self.run.channels, counters, versions)
        found.update(self.forced)
        for key in found:
            counters[key] = (0, 0)
        deltas.set_counters(metadata, counters)
        return found


def _of_copy(values: list[Any], tasks: list[Task]) -> list[StateUpdate]:
    """The updates upon a copied checkpoint, each under the id of a task that is due on it."""
    ids: dict[str, list[str]] = {}
    for task in tasks:
        ids.setdefault(task.node.name, []).append(task.id)
    by_node: dict[str, list[StateUpdate]] = {}
    for item in values:
        if not isinstance(item, Sequence):
            raise _invalid(f"Invalid update item: {item} when copying checkpoint")
        given, as_node = item[:2]
        group = by_node.setdefault(as_node, [])
        prepared = ids.get(as_node, [])
        task_id = prepared[len(group)] if len(group) < len(prepared) else None
        group.append(StateUpdate(given, as_node, task_id))
    return [update for group in by_node.values() for update in group]


def _named(checkpoint_id: str, name: str) -> str:
    """The id of writes that no task made: a uuid5 of the checkpoint's."""
    from uuid import UUID, uuid5

    return str(uuid5(UUID(checkpoint_id), name))


def _require(holds: bool, text: str) -> None:
    if not holds:
        raise _invalid(text)


def _invalid(text: str) -> BaseException:
    return error_class("InvalidUpdateError")(text)
