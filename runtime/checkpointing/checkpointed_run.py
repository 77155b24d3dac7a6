"""A run with checkpoints: it starts from one, and leaves one after every superstep (spec §4).

Upstream: pregel/_loop.py. What a run without a saver leaves out is here: which
input resumes and which starts anew, the writes of tasks that finished before,
breakpoints, and what is stored when. A Command as input and breakpoints need all
of that but the saver, so a run that is given them is one of these, too.
"""

from __future__ import annotations

from typing import Any, Final

from lgc.runtime.checkpointing import delta_writes as deltas
from lgc.runtime.checkpointing import model
from lgc.runtime.checkpointing.checkpoint_writer import Journal, keeps_checkpoint
from lgc.runtime.checkpointing.copies import copied, copied_checkpoint
from lgc.runtime.checkpointing.task_status import statuses
from lgc.runtime.checkpointing.versions import Ledger, Writes
from lgc.runtime.config.task_config import scratchpad
from lgc.runtime.constants import (
    CONF,
    CONF_RESUME_MAP,
    CONF_RESUMING,
    CONF_STRICT_RESUME,
    INTERRUPT,
    NS_SEP,
    NULL_TASK_ID,
    RESUME,
    START,
    TASKS,
)
from lgc.runtime.engine.loop import Run, is_error
from lgc.runtime.engine.node_output import branch_to
from lgc.runtime.engine.program import Output, Program
from lgc.runtime.engine.task import Task
from lgc.runtime.ids import draw_checkpoint_id, interrupt_id
from lgc.runtime.public.commands import Command, update_as_tuples
from lgc.runtime.public.messages import ensure_message_ids
from lgc.runtime.upstream import error_class, is_a, loaded

Pending = list[tuple[str, str, Any]]

_FORKS: Final = ("update", "fork")


class SavedRun(Run):
    """One run of a program on a thread of a saver.

    Args:
        saver: any BaseCheckpointSaver, LangGraph's or lgc's; None stores nothing.
        before, after: the nodes to stop at, or "*".
        keeps: when checkpoints are stored: "sync", "async" or "exit" (spec §4.12).
        The rest as in `Run`.

    Attributes:
        checkpoint: the newest one.
        address: the config that addresses it; what the caller gave is in it.
        metadata: its metadata.
        pending_writes: those that belong to it: `(task id, channel, value)`.
    """

    def __init__(
        self,
        program: Program,
        config: dict[str, Any],
        limit: Any,
        output: Output,
        updates: bool,
        values: bool,
        custom: bool,
        tagged: bool,
        silent: bool,
        durability: Any,
        context: Any,
        control: Any,
        saver: Any,
        before: Any,
        after: Any,
        keeps: Any,
    ) -> None:
        super().__init__(
            program,
            config,
            limit,
            output,
            updates,
            values,
            custom,
            tagged,
            silent,
            durability,
            context,
            control,
        )
        self.saver = saver
        self.is_plain = False
        self.plain_trigger = program.no_trigger
        self.before: Any = before
        self.after: Any = after
        self.at_exit: bool = keeps == "exit"
        self.checkpoint: dict[str, Any] = {}
        self.address: dict[str, Any] = config
        self.first_address: dict[str, Any] = config
        self.parent: dict[str, Any] | None = None
        self.metadata: dict[str, Any] = {}
        self.pending_writes: Pending = []
        self.forced: dict[str, bool] = {}
        # Whether the newest channel changes are known by name: else any node may be due.
        self.is_known: bool = False
        self.is_addressed: bool = False
        self.is_superseded: bool = False
        self.is_replaying: bool = False
        self.has_parent: bool = False
        self.loaded_id: str = ""
        # Whose writes `pending_writes` holds, and who of them wrote in this run.
        self.writers: dict[str, bool] = {}
        self.written: dict[str, bool] = {}
        self.reapplied: dict[str, bool] = {}
        self.loaded_writes: Pending = []
        # What "exit" has to store of the DeltaChannels: (superstep, task id, path, key, value).
        self.exit_writes: list[tuple[int, str, str, str, Any]] = []
        self.stored_deltas: dict[tuple[str, str], bool] = {}
        self.command_deltas: Writes = []
        # How far the run is: the input is applied, what "exit" has left is stored, all is stored.
        self.entered: bool = False
        self.kept: bool = False
        self.left: bool = False
        self.journal: Any = None
        if saver is not None:
            background = keeps == "async" and bool(getattr(type(saver), "blocking", True))
            self.journal = Journal(saver, background)
        self.ledger: Ledger = Ledger({"channel_versions": {}, "versions_seen": {}}, _increment)

    # -- where the run starts -------------------------------------------------

    def start(self, value: Any) -> None:
        """Loads the thread's checkpoint and applies the input, or resumes (spec §4.1, §4.2).

        Args:
            value: the input; None and a Command go on from the checkpoint.

        Raises:
            EmptyInputError: there is neither an input nor anything to resume.
            RuntimeError: an answer is given without a saver, or not to which of several questions.
            Exception: what the saver raised.
        """
        self.load()
        if is_a(value, "Command"):
            self._enter(value, value.resume)
        else:
            self._enter(value, None)
        self.first_step = self.step
        self.entered = True

    def load(self) -> None:
        """Takes over the checkpoint that the config addresses; the empty one if there is none.

        Raises:
            Exception: what the saver raised; a value that a channel does not take.
        """
        address = self.config
        conf = address[CONF]
        of_namespaces = conf.get("checkpoint_map")
        if of_namespaces is not None and conf.get("checkpoint_ns") in of_namespaces:
            # What the state of a graph around this one says of it (`with_parents`).
            conf = {**conf, "checkpoint_id": of_namespaces[conf["checkpoint_ns"]]}
            address = {**address, CONF: conf}
        thread = conf.get("thread_id")
        if thread and not isinstance(thread, str):
            address = {**address, CONF: {**conf, "thread_id": str(thread)}}
        saved: Any = None
        self.is_addressed = bool(conf.get("checkpoint_id"))
        if self.saver is not None:
            saved = self.saver.get_tuple(address)
            self.is_superseded = saved is not None and self._has_moved_past(address, saved)
        self.take(saved, address)

    def _has_moved_past(self, address: dict[str, Any], saved: Any) -> bool:
        """Whether the thread has a newer checkpoint than the one that was addressed."""
        if not self.is_addressed:
            return False
        latest = self.saver.get_tuple({**address, CONF: {**address[CONF], "checkpoint_id": None}})
        return latest is not None and latest.checkpoint["id"] != saved.checkpoint["id"]

    def take(self, saved: Any, address: dict[str, Any]) -> None:
        """Takes over a checkpoint that the saver gave, or the empty one.

        Args:
            saved: a CheckpointTuple, or None.
            address: the config it was asked for with.
        """
        program = self.program
        if saved is None:
            self.checkpoint = model.empty(draw_checkpoint_id(-2))
            self.metadata = {"step": -2}
            self.address = {**address, CONF: {"checkpoint_ns": "", **address[CONF]}}
        else:
            self.has_parent = True
            self.checkpoint = saved.checkpoint
            if self.saver is not None and keeps_checkpoint(self.saver):
                # The channels go on with the containers.
                self.checkpoint = copied_checkpoint(saved.checkpoint)
            self.metadata = saved.metadata
            self.parent = saved.parent_config
            self.pending_writes = [
                (str(task), key, value) for task, key, value in saved.pending_writes or ()
            ]
            self.writers = {write[0]: True for write in self.pending_writes}
            model.migrate(self.checkpoint, program.by_name, program.edges)
            conf = {"checkpoint_ns": "", **address[CONF], **saved.config.get(CONF, {})}
            self.address = {**address, **saved.config, CONF: conf}
        self.first_address = self.address
        namespace = self.address[CONF]["checkpoint_ns"]
        self.namespace = f"{namespace}{NS_SEP}" if namespace else ""
        self.first_layout = self.checkpoint["v"] == 1
        self.loaded_id = self.current = self.checkpoint["id"]
        next_version = _increment if self.saver is None else self.saver.get_next_version
        self.ledger = Ledger(self.checkpoint, next_version)
        is_reshaped = self.ledger.restore(self, self.checkpoint["channel_values"])
        if self.saver is not None:
            self._rebuild()
        updated = self.checkpoint.get("updated_channels")
        self.is_known = bool(updated) and not is_reshaped
        self.updated = [program.index[key] for key in updated or () if key in program.index]
        self.step = self.metadata["step"] + 1
        self.set_stop(self.step + self.limit + 1)

    def _rebuild(self) -> None:
        """Rebuilds the channels that the checkpoint does not store from the thread's writes."""
        channels = self.program.channels
        keys = deltas.rebuilt(channels, self.checkpoint)
        if keys:
            found = self.saver.get_delta_channel_history(config=self.address, channels=keys)
            for key in keys:
                slot = self.program.index[key]
                self.channels[slot] = deltas.replayed(channels[slot], found[key])

    def _enter(self, value: Any, answer: Any) -> None:
        """Finds out what the input means, and does it (pregel/_loop.py:_first)."""
        conf = self.config[CONF]
        ledger = self.ledger
        is_command = is_a(value, "Command")
        self._note_stored_deltas()
        self.resuming = bool(ledger.versions) and bool(
            conf.get(CONF_RESUMING, value is None or is_command or self._is_same_run())
        )
        travels = self.is_addressed and answer is None and not conf.get(CONF_RESUMING, False)
        self.is_replaying = travels or self.is_superseded
        if travels:
            self.pending_writes = [write for write in self.pending_writes if write[1] != RESUME]
        source = self.metadata.get("source")
        forks = self.resuming and travels and (source not in _FORKS or self.is_superseded)
        self._force_snapshots(self.resuming and not self.is_replaying)
        carried = self._take_command(value, answer, forks) if is_command else []
        given = [(key, item) for task, key, item in self.pending_writes if task == NULL_TASK_ID]
        given += carried
        if given:
            changed = ledger.apply(self, given, [])
            if self.is_known:
                self.updated += [slot for slot in changed if slot not in self.updated]
        bound = self.parent if forks and source in _FORKS else None
        if self.resuming:
            ledger.see_all(self.program, INTERRUPT)
            if forks:
                self.pending_writes = [
                    write for write in self.pending_writes if write[1] != INTERRUPT
                ]
                self.save("fork", None)
            if self.values:
                self._emit_all_values()
        elif value is not None:
            self._apply_input(value)
        elif CONF_RESUMING not in conf:
            raise error_class("EmptyInputError")(f"Received no input for {START}")
        if travels:
            self.replay_state = self._replay_state(bound)

    def _replay_state(self, bound: Any) -> Any:
        """What tells LangGraph's graphs inside nodes which of their checkpoints to go on from.

        Args:
            bound: addresses a checkpoint that is older than theirs; None: that is to be found.
        """
        replay = loaded("langgraph._internal._replay", "ReplayState")
        if replay is None:
            return None
        if bound is None and self.metadata.get("source") in _FORKS:
            bound = self.parent
        newest = self.checkpoint["id"]
        return replay(newest if bound is None else bound[CONF].get("checkpoint_id", newest))

    def _is_same_run(self) -> bool:
        """Whether the caller enters the run again that made the checkpoint."""
        if "run_id" not in self.metadata:
            return False
        same: bool = self.config["metadata"].get("run_id") == self.metadata["run_id"]
        return same

    def _apply_input(self, value: Any) -> None:
        """Drops the tasks that have not finished, and applies the input in their place."""
        self.prepare_all()
        self.updated = self.ledger.apply(self, [(START, value)], self.tasks)
        self.is_known = bool(self.updated)
        self.tasks = []
        self.save("input", self.updated)

    def _emit_all_values(self) -> None:
        if not self.silent:
            self.emit("values", self.read())
        elif self.output.late:
            self.has_values = True
        else:
            self.latest = self.read()

    # -- a Command as input ---------------------------------------------------

    def _take_command(self, command: Any, answer: Any, forks: bool) -> Writes:
        """Takes down what a Command writes; the writes, when the run makes a fork of its own."""
        by_id = False
        if answer is not None:
            by_id = self._check_answer(answer)
            if by_id:
                self.config[CONF][CONF_RESUME_MAP] = answer
        writes = [write for write in _of_command(command) if not (by_id and write[0] == RESUME)]
        if not writes and not by_id:
            raise error_class("EmptyInputError")("Received empty Command input")
        keys = self.program.delta_keys
        if forks:
            # The fork keeps them: the checkpoint that was addressed may have other children.
            if keys:
                ensure_message_ids(writes, keys)
                self.forced.update(deltas.written(keys, writes))
            return writes
        if writes:
            self._put(NULL_TASK_ID, "", writes, False)
            if self.at_exit and keys:
                self.command_deltas = [write for write in writes if write[0] in keys]
        return []

    def _check_answer(self, answer: Any) -> bool:
        """Whether an answer is a map by interrupt ids.

        Raises:
            RuntimeError: there is no saver, or it is not said which of several questions is meant.
            UnknownInterruptError: a strict run is given an answer to no question that waits.
        """
        if self.saver is None:
            raise RuntimeError("Cannot use Command(resume=...) without checkpointer")
        strict = self.config[CONF].get(CONF_STRICT_RESUME, False) and not self.is_superseded
        refusal: Any = error_class("UnknownInterruptError")
        if isinstance(answer, dict) and all(_is_digest(key) for key in answer):
            if strict:
                pending = self._asked()
                if not answer:
                    raise refusal(
                        "The resume map names no interrupt", reason="empty_map", pending_ids=pending
                    )
                unknown = sorted(key for key in answer if key not in pending)
                if unknown:
                    raise refusal(
                        f"Unknown or already-consumed interrupt: {unknown[0]}",
                        reason="not_pending",
                        interrupt_ids=unknown,
                        pending_ids=pending,
                    )
            return True
        pending = self._asked()
        if len(pending) > 1:
            text = (
                "When there are multiple pending interrupts, you must specify the interrupt id "
                "when resuming. Docs: https://docs.langchain.com/oss/python/langgraph/interrupts"
                "#handling-multiple-interrupts."
            )
            if strict:
                raise refusal(text, reason="ambiguous", pending_ids=pending)
            raise RuntimeError(text)
        return False

    def _asked(self) -> list[str]:
        """The ids of the interrupts that wait for an answer, sorted."""
        found = {
            question.id
            for status in statuses(self.pending_writes).values()
            for question in status.waiting
        }
        return sorted(found)

    # -- one superstep --------------------------------------------------------

    def _tick(self) -> bool:
        self.exhausted = self.is_past_stop()
        self._prepare_and_tell()
        if self.exhausted or not self.tasks:
            return False
        if self.pending_writes and not self.is_replaying:
            self._reapply()
        if self.before and self._stops_at(self.before):
            raise error_class("GraphInterrupt")()
        if self._drains():
            return False
        if self.events is not None:
            self.events.tasks(self.tasks)
        for task in self.tasks:
            if task.writes:
                self._show_again(task)
        self.due = [task for task in self.tasks if not task.writes]
        return True

    def _prepare_and_tell(self) -> None:
        self.prepare()
        if self.events is not None and self.saver is not None:
            self.events.checkpoint()

    def prepare(self) -> None:
        """Makes the tasks that are due, with what they have to resume."""
        chosen = self._triggered() if self.is_known else self.program.defined
        self._prepare(self._due_of(chosen))
        if self.pending_writes:
            for task in self.tasks:
                task.pad = _scratchpad(self, task)

    def prepare_all(self) -> None:
        """Makes the tasks that are due, looking at every node in the builder's order."""
        self._prepare(self._due_of(self.program.defined))

    def _due_of(self, positions: list[int]) -> list[int]:
        """Those of the nodes at `positions` that something has started."""
        if not self.ledger.versions:
            return []
        nodes = self.program.nodes
        return [position for position in positions if self.ledger.is_due(self, nodes[position])]

    def _reapply(self) -> None:
        """Gives the tasks that finished before what they wrote."""
        found = statuses(self.pending_writes)
        for task in self.tasks:
            status = found.get(task.id)
            if status is not None:
                task.writes.extend(status.output)
                self.reapplied[task.id] = True

    def _show_again(self, task: Task) -> None:
        """The chunk of a task that finished before."""
        if self.updates and not task.node.is_start and task.writes:
            chunk = self._update_chunk(task)
            chunk["__metadata__"] = {"cached": True}
            self.emit("updates", chunk)

    def _stops_at(self, names: Any) -> bool:
        """Whether a breakpoint at `names` stops the run at its tasks (should_interrupt)."""
        if not self.ledger.has_moved_since(INTERRUPT):
            return False
        stops = False
        # Every task is looked for, as upstream does: `names` may be an iterator.
        for task in self.tasks:
            if not task.node.is_start if names == "*" else task.node.name in names:
                stops = True
        return stops

    def has_pending_writes(self) -> bool:
        return len(self.pending_writes) > 0

    def _apply_tasks(self) -> None:
        self.updated = self.ledger.apply(self, None, self.tasks)
        self.is_known = bool(self.updated)

    def after_tick(self) -> None:
        """Applies the writes of the superstep and stores its checkpoint."""
        if self.program.delta_keys:
            self._note_deltas()
        at_exit: list[tuple[int, str, str, str, Any]] = []
        if self.at_exit and self.program.delta_keys:
            at_exit = self._writes_of_deltas()
        self._apply_tasks()
        if self.values:
            self._emit_values()
        self.exit_writes += at_exit
        self.pending_writes = []
        self.writers.clear()
        self.is_replaying = False
        self.save("loop", self.updated)
        if self.after and self._stops_at(self.after):
            # The next superstep, which would tell of this checkpoint, does not come.
            self._prepare_and_tell()
            raise error_class("GraphInterrupt")()

    # -- what is stored -------------------------------------------------------

    def _record(self, task: Task, writes: list[tuple[str, object]], is_done: bool) -> None:
        self._put(task.id, task.path_text, writes, is_done and self._is_last())

    def _is_last(self) -> bool:
        """Whether no task of the superstep is left, and none has failed or asked."""
        if self.inflight or self.unstarted or self.error is not None:
            return False
        return not self.asking and self.deferred_error is None

    def _put(self, task_id: str, path: str, writes: Writes, is_last: bool) -> None:
        """Takes down writes, and stores them (pregel/_loop.py:put_writes)."""
        self.written[task_id] = True
        indexes = model.WRITE_INDEXES
        if writes[0][0] in indexes and all(name in indexes for name, _ in writes):
            writes = list({write[0]: write for write in writes}.values())
        stored = writes
        again: Writes = []
        if task_id == NULL_TASK_ID:
            before = len(self.pending_writes)
            self.pending_writes = [
                write
                for write in self.pending_writes
                if write[0] != task_id or write[1] not in indexes
            ]
            # The special ones last: they are dropped next time, and positions must not move.
            special = [write for write in writes if write[0] in indexes]
            writes = [write for write in writes if write[0] not in indexes] + special
            stored = [(key, value) for task, key, value in self.pending_writes if task == task_id]
            stored += writes
            if len(self.pending_writes) < before and len(special) < len(stored):
                # A saver on SQL replaces a special write only by one that comes alone.
                again = special
        elif task_id in self.writers:
            self.pending_writes = [write for write in self.pending_writes if write[0] != task_id]
        self.writers[task_id] = True
        for name, value in writes:
            self.pending_writes.append((task_id, name, value))
        if self.journal is None or self.at_exit:
            return
        if self.program.untracked:
            stored = self._tracked(stored)
        if again:
            self.journal.write(self.here(), again, task_id, path)
        if is_last:
            self.journal.write_last(self.here(), stored, task_id, path)
        else:
            self.journal.write(self.here(), stored, task_id, path)

    def _tracked(self, writes: Writes) -> Writes:
        """Writes without those to UntrackedValues, which are not stored either in a Send."""
        untracked = self.program.untracked
        return [
            (name, self._sent(value) if name == TASKS else value)
            for name, value in writes
            if name not in untracked
        ]

    def _sent(self, packet: Any) -> Any:
        """A Send as it is stored."""
        if not is_a(packet, "Send") or not isinstance(packet.arg, dict):
            return packet
        untracked = self.program.untracked
        arg = {key: value for key, value in packet.arg.items() if key not in untracked}
        return type(packet)(node=packet.node, arg=arg, timeout=packet.timeout)

    def here(self) -> dict[str, Any]:
        """The config that addresses the newest checkpoint, stored or not."""
        conf = self.address[CONF]
        if conf.get("checkpoint_id") == self.checkpoint["id"]:
            return self.address
        return {**self.address, CONF: {**conf, "checkpoint_id": self.checkpoint["id"]}}

    def save(self, source: str, updated: list[int] | None) -> None:
        """Makes the next checkpoint, and stores it unless that is left to the end of the run.

        Args:
            source: "input", "loop" or "fork".
            updated: the slots that the superstep changed; None after a fork.
        """
        metadata: dict[str, Any] = {
            "source": source,
            "step": self.step,
            "parents": self.config[CONF].get("checkpoint_map", {}),
        }
        keys = None if updated is None else [self.channels[slot].key for slot in updated]
        counters: deltas.Counters = {}
        if self.program.delta_keys:
            before = self.metadata.get(deltas.COUNTERS)
            counters = deltas.counted(self.program.delta_keys, before, keys or ())
        self.metadata = metadata
        self._make(draw_checkpoint_id(self.step), keys, counters, not self.at_exit)
        self.step += 1

    def _make(
        self, made_id: str, updated: list[str] | None, counters: deltas.Counters, stores: bool
    ) -> None:
        """Makes the checkpoint `made_id` of the channels as they are (_put_checkpoint)."""
        ledger = self.ledger
        stores = stores and self.journal is not None
        snapshots: dict[str, bool] = {}
        values = self.checkpoint["channel_values"]
        if stores:
            if self.program.delta_keys:
                snapshots = deltas.due(self.channels, counters, ledger.versions)
                snapshots.update(self.forced)
            values = ledger.stored(self, snapshots)
        self.checkpoint = {
            "v": model.VERSION,
            # Of a checkpoint that is not stored, nobody sees the time.
            "ts": model.now() if stores else "",
            "id": made_id,
            "channel_values": values,
            "channel_versions": ledger.versions,
            "versions_seen": ledger.seen,
            "updated_channels": None if updated is None else sorted(updated),
        }
        self.current = made_id
        self.first_layout = False
        if self.program.delta_keys:
            for key in snapshots:
                counters[key] = (0, 0)
                self.forced.pop(key, None)
            deltas.set_counters(self.metadata, counters)
        if stores:
            self._store()

    def _store(self) -> None:
        """Hands the newest checkpoint to the saver."""
        values = self.checkpoint["channel_values"]
        if self.program.untracked and TASKS in values:
            values[TASKS] = [self._sent(packet) for packet in values[TASKS]]
        conf = self.address[CONF]
        self.parent = self.address if conf.get("checkpoint_id") else None
        address = self.address
        self.address = {**address, CONF: {**conf, "checkpoint_id": self.checkpoint["id"]}}
        moved = self.ledger.take_moved()
        self.journal.checkpoint(address, self.checkpoint, self.metadata, moved)

    # -- how the run ends -----------------------------------------------------

    def suspend(self, exc: BaseException) -> bool:
        """As in `Run`; everything is stored before anything is shown."""
        if not self.entered or not is_error(exc, "GraphInterrupt"):
            return False
        self._keep()
        shown = super().suspend(exc)
        self._leave()
        return shown

    def _leave(self) -> None:
        self._keep()
        self.left = True
        if self.journal is not None:
            self.journal.flush()

    def close(self) -> None:
        """Waits for the tasks, and stores what they wrote, and what is left to the run's end."""
        self._await_tasks()
        if not self.left and self.journal is not None:
            try:
                self._leave()
            except Exception:
                # The run has failed already; with what, its caller is about to see.
                self.left = True
        super().close()

    def _settle(self, task: Task) -> None:
        if task.error is None:
            self._finish_writes(task)
            self._commit(task)
        else:
            self.commit_error(task, task.error)

    def _keep(self) -> None:
        """Stores what durability "exit" has left to the end of the run."""
        if not self.at_exit or not self.entered or self.kept or self.journal is None:
            return
        self.kept = True
        if self.exit_writes:
            self._keep_delta_writes()
        if self.checkpoint["id"] != self.loaded_id:
            counters = dict(self.metadata.get(deltas.COUNTERS) or {})
            updated = self.checkpoint["updated_channels"]
            if updated is None and self.is_known:
                # A fork after which nothing ran: by now it is known what changed before.
                updated = [self.channels[slot].key for slot in self.updated]
            self._make(self.checkpoint["id"], updated, counters, True)
        by_task: dict[str, list[tuple[str, Any]]] = {}
        for task_id, name, value in self.pending_writes:
            # What was loaded is stored; under new positions it would count twice.
            if task_id in self.written:
                by_task.setdefault(task_id, []).append((name, value))
        paths = {task.id: task.path_text for task in self.tasks}
        for task_id, writes in by_task.items():
            self.journal.write(self.here(), writes, task_id, paths.get(task_id, ""))

    # -- DeltaChannels (spec §3.3) ----------------------------------------------

    def _note_stored_deltas(self) -> None:
        """Remembers which writes to DeltaChannels the checkpoint holds already."""
        keys = self.program.delta_keys
        if self.at_exit and keys:
            self.stored_deltas = {
                (task, key): True
                for task, key, _ in self.pending_writes
                if task != NULL_TASK_ID and key in keys
            }

    def _force_snapshots(self, reapplies: bool) -> None:
        """Has channels stored in whole whose pending writes the run may not give back."""
        keys = self.program.delta_keys
        if not keys:
            return
        if reapplies:
            self.loaded_writes = [
                write for write in self.pending_writes if write[0] != NULL_TASK_ID
            ]
        else:
            self.forced = deltas.written(keys, [write[1:] for write in self.pending_writes])

    def _note_deltas(self) -> None:
        """Has channels stored in whole that a task set anew, or whose task was dropped."""
        keys = self.program.delta_keys
        for task in self.tasks:
            self.forced.update(deltas.replaced(keys, task.writes))
        lost = [write[1:] for write in self.loaded_writes if write[0] not in self.reapplied]
        self.forced.update(deltas.written(keys, lost))
        self.loaded_writes = []

    def _writes_of_deltas(self) -> list[tuple[int, str, str, str, Any]]:
        """The superstep's writes to DeltaChannels as they are before a reducer takes them over."""
        found: list[tuple[int, str, str, str, Any]] = []
        keys = self.program.delta_keys
        first = self.step == self.first_step
        if first:
            for key, value in self.command_deltas:
                found.append((self.step, NULL_TASK_ID, "", key, copied(value)))
        paths = {task.id: task.path_text for task in self.tasks}
        for task, key, value in self.pending_writes:
            if key not in keys:
                continue
            if first and (task == NULL_TASK_ID or (task, key) in self.stored_deltas):
                continue
            found.append((self.step, task, paths.get(task, ""), key, copied(value)))
        return found

    def _keep_delta_writes(self) -> None:
        """Stores what the run wrote to DeltaChannels where they are rebuilt from.

        That is the checkpoint the run started from; one without any gets an empty one.
        """
        if self.has_parent and self.is_addressed:
            # It may have other children, which would read them.
            for _, _, _, key, _ in self.exit_writes:
                self.forced[key] = True
        counters = self.metadata.get(deltas.COUNTERS) or {}
        whole = deltas.due(self.channels, counters, self.ledger.versions)
        whole.update(self.forced)
        left = [write for write in self.exit_writes if write[3] not in whole]
        if not left:
            return
        anchor = self.first_address
        if not self.has_parent:
            # Upstream draws an id for it, too, and does not use it.
            draw_checkpoint_id(-2)
            stub = model.empty(self.loaded_id)
            conf = anchor[CONF]
            self.journal.checkpoint(
                {**anchor, CONF: {**conf, "checkpoint_id": None}}, stub, {"step": -2}, {}
            )
            anchor = {**anchor, CONF: {**conf, "checkpoint_id": self.loaded_id}}
            self.address = anchor
        grouped: dict[tuple[str, str], list[tuple[str, Any]]] = {}
        for step, task, path, key, value in left:
            if task == NULL_TASK_ID:
                place = (deltas.exit_task_id(step, task), "")
            elif step == self.first_step:
                place = (deltas.exit_task_id(step, task), path)
            else:
                place = (deltas.late_exit_task_id(step, task), f"~~{step:010d}{path}")
            grouped.setdefault(place, []).append((key, value))
        for (task_id, path), writes in grouped.items():
            self.journal.write(anchor, writes, task_id, path)


def _increment(current: Any, channel: Any) -> int:
    """The versions of a run without a saver."""
    return 1 if current is None else current + 1


def _is_digest(key: Any) -> bool:
    """Whether a key looks like an interrupt's id."""
    return isinstance(key, str) and len(key) == 32 and not key.strip("0123456789abcdef")


def _of_command(command: Any) -> Writes:
    """The writes that a Command given as input stands for (pregel/_io.py:map_command)."""
    if command.graph == Command.PARENT:
        raise error_class("InvalidUpdateError")("There is no parent graph")
    found: Writes = []
    goto = command.goto
    if goto:
        for target in goto if isinstance(goto, (tuple, list)) else [goto]:
            if is_a(target, "Send"):
                found.append((TASKS, target))
            elif isinstance(target, str):
                found.append((branch_to(target), START))
            else:
                raise TypeError(f"In Command.goto, expected Send/str, got {type(target).__name__}")
    if command.resume is not None:
        found.append((RESUME, command.resume))
    if command.update:
        found.extend(update_as_tuples(command.update))
    return found


def _scratchpad(run: SavedRun, task: Task) -> Any:
    """The scratchpad of a task with its answers so far (pregel/_algo.py:_scratchpad)."""
    pending = run.pending_writes
    waiting: Any = None
    answers: Any = []
    for write in pending:
        if write[0] == NULL_TASK_ID and write[1] == RESUME:
            waiting = write
            break
    for write in pending:
        if write[0] == task.id and write[1] == RESUME:
            answers = write[2] if isinstance(write[2], list) else [write[2]]
            break
    by_id = run.config[CONF].get(CONF_RESUME_MAP)
    if by_id:
        namespace = task.namespace
        # Older versions gave all interrupts of a task the first one's id.
        for asked in (interrupt_id(namespace, len(answers)), interrupt_id(namespace, 0)):
            if asked in by_id:
                answers.append(by_id[asked])
                break
    return scratchpad(task.step, run.stop, answers, _Answer(pending, waiting))


class _Answer:
    """The answer that was given without an id: the first interrupt that asks has it."""

    def __init__(self, pending: Pending, write: Any) -> None:
        self.pending: Pending = pending
        self.write: Any = write

    def __call__(self, consume: bool = False) -> Any:
        if self.write is None:
            return None
        if consume:
            try:
                self.pending.remove(self.write)
            except ValueError:
                return None
        return self.write[2]
