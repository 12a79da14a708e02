"""The kernel's side of an engine whose workers are in other processes' care: the pool's scheduler, with long arms.

    caller ── queue/post ─► inbox ─►┌────────────┐─ Request ─► Transport ─► host ══► its workers
    caller ◄─ mail, per job ────────┤ Dispatcher │◄─ Reply ──────────────────┘
                                    └────────────┘
What a job's caller sees is `running.JobRun`, the same as with the pool, and what a host runs is the pool's own worker.
A slot is what the scheduler calls a worker: room at a place for one chunk that runs. A lane is what people see: one of
a host's workers.
"""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from queue import Empty
from typing import TYPE_CHECKING, Any, Final, Protocol

from mpnb import blas, events, scheduler
from mpnb.adapters.letters import Batch, Content, HostNote, JobNote, Reply, Request, machine
from mpnb.cache import EncodeCache
from mpnb.engine import Job, Running, Tell
from mpnb.errors import EngineLostError, MpnbError, WorkerDiedError
from mpnb.frames import Frame
from mpnb.hands import OpenJob
from mpnb.mailbox import Mailbox
from mpnb.running import JobRun, SerialRun
from mpnb.workforce import in_worker

if TYPE_CHECKING:
    from mpnb.jobs import JobEncoder

TICK_S: Final = 0.05
GRACE_S: Final = 1.0  # in which a host has to have stopped what it was told to stop; then its slot counts as lost
WAY_S: Final = 0.01  # to a host and back, before it was measured
WAYS: Final = 5  # until all of a loop is under way
ALONE_S: Final = 8.0  # without any place, after which jobs are given up
PEEK_S: Final = 0.25  # a chunk that takes longer is asked what there is of it so far, and again
END_S: Final = 5.0

Place = Hashable  # a transport's name for where requests go
Lane = tuple[tuple[str, int], int]  # a host, and its worker's number there


class Transport(Protocol):
    """How requests come to hosts. Called by the dispatcher's thread only."""

    #: In how many processes a request to one place may end: each has to get a job's names once.
    spread: int
    #: Whether `peek` asks.
    peeks: bool

    def start(self, post: Callable[..., None]) -> None:
        """Begin; from now on, from any thread: post("joined", place, slots, note), post("left", place, why)."""
        ...

    def send(self, place: Any, request: Request, contents: tuple[Any, ...], answer: Callable[[object], None]) -> object:
        """Have `host.serve` called; `answer` gets its reply, or an exception. Gives what `withdraw` knows it by."""
        ...

    def content(self, block: Any) -> Any:
        """What is sent in the place of the content of a block that all hosts get."""
        ...

    def withdraw(self, place: Any, sent: Any, owner: str, number: int, answer: Callable[[bool], None]) -> None:
        """Take a request back; `answer` gets whether it had not been begun."""
        ...

    def peek(
        self, place: Any, owner: str, job: int, number: int, have: int, answer: Callable[[Reply | None], None]
    ) -> None:
        """Ask what has come of a request so far, where that can be asked; `have` batches have come home."""
        ...

    def close_job(self, places: Iterable[Any], owner: str, number: int) -> None:
        """Tell hosts that a job is over, where that can be done: what runs is interrupted."""
        ...

    def look(self) -> str:
        """Why there is no way to the hosts any more; an empty string where there is one. Asked at every tick."""
        ...

    def end(self) -> None:
        """Let go of the hosts."""
        ...


@dataclass(slots=True)
class _Sent:
    """A request that has not been answered, or whose answer waits for that of the one before it in its slot."""

    number: int
    slot: int
    place: Place
    command: scheduler.SendChunk
    at: float
    handle: object = None
    answer: object = None
    have: int = 0  # batches
    peeked_at: float = 0.0
    peeking: bool = False


@dataclass(slots=True)
class _Slot:
    """A worker, as the scheduler has it; it waits for a place while it has none."""

    place: Place | None = None
    sent: dict[int, _Sent] = field(default_factory=dict)
    cancelling: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Known:
    """A place, and which of its hosts have which parts."""

    slots: int
    parts: dict[bytes, set[tuple[str, int]]] = field(default_factory=dict)


class Dispatcher(threading.Thread):
    """The thread that a scheduler lives in; other threads call `queue`, `post`, `wake` and `stop`."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(name="mpnb engine", daemon=True)
        self.transport = transport
        self.owner = uuid.uuid4().hex
        self.ready = 0
        self.threads = 0
        self.way_s = WAY_S
        self.failure: Exception | None = None
        self._inbox: Mailbox[tuple[Any, ...]] = Mailbox()
        self._scheduler = scheduler.Scheduler()
        self._slots: dict[int, _Slot] = {}
        self._places: dict[Place, _Known] = {}
        self._sent: dict[int, _Sent] = {}
        self._jobs: dict[int, tuple[OpenJob, JobNote]] = {}
        self._grace: list[tuple[float, int]] = []
        self._numbers = itertools.count()
        self._lanes: dict[Lane, int] = {}
        self._hosts: dict[Place, set[tuple[str, int]]] = {}
        self._machine = machine()
        self._shifts: dict[str, float] = {}  # machine -> what its clock is behind this one's
        self._obituary = ""
        self.why_unfit = ""
        self._alone_since = time.perf_counter()
        self._stopping = False

    # ------------------------------------------------------------ for other threads

    def queue(self, *item: Any) -> None:
        """Tell the thread something: an event of the scheduler, or a word with what belongs to it."""
        self._inbox.put(item)

    post = queue

    def wake(self) -> None:
        """Nothing: whatever is queued is looked at."""

    def stop(self) -> None:
        """End the thread, and the hosts' workers."""
        self.post("end")
        if threading.current_thread() is not self and self.is_alive():
            self.join(END_S)

    @property
    def workers(self) -> int:
        """How many slots there are."""
        return sum(place.slots for place in self._places.copy().values())

    # ------------------------------------------------------------ the thread

    def run(self) -> None:
        """Work until the end."""
        try:
            self.transport.start(self.post)
            next_tick = 0.0
            while not self._stopping:
                try:
                    self._read(self._inbox.get(timeout=TICK_S))
                    while True:
                        self._read(self._inbox.get_nowait())
                except Empty:
                    pass
                now = time.perf_counter()
                if now >= next_tick:
                    next_tick = now + TICK_S
                    self._tick(now)
        except BaseException as error:  # a defect of mpnb, or of the library: nobody must wait for ever
            self.failure = MpnbError(f"the engine's thread failed: {type(error).__name__}: {error}")
            self.failure.__cause__ = error
        finally:
            self.ready = 0
            self.failure = self.failure or MpnbError("the engine was shut down")
            while not self._inbox.empty():
                item = self._inbox.get()
                if item[0] == "open":
                    item[1].mail.put(("failed", self.failure))
            self._fail_jobs(self.failure)
            self.transport.end()

    def _tick(self, now: float) -> None:
        while self._grace and self._grace[0][0] <= now:
            job = self._grace.pop(0)[1]
            if job in self._jobs:
                self._schedule(scheduler.GracePassed(at=now, job=job))
        if why := self.transport.look():
            self.failure = EngineLostError(why)
            self._stopping = True
            return
        if self._places or not self._jobs:
            self._alone_since = now
        elif now - self._alone_since > ALONE_S:
            why = self.why_unfit or self._obituary or "none has come"
            self._fail_jobs(EngineLostError(f"there is no worker to run this on: {why}"))
            self._alone_since = now
        for slot in self._slots.values():
            for sent in itertools.islice(slot.sent.values(), 1):  # the one that runs
                if now - max(sent.at, sent.peeked_at) > PEEK_S and not sent.peeking and sent.answer is None:
                    self._peek(sent, now)
        if not self._scheduler.idle:
            self._schedule(events.Ticked(at=now))

    def _fail_jobs(self, error: Exception) -> None:
        for job, _ in self._jobs.values():
            job.mail.put(("failed", error))
            if self._stopping or self.failure:
                job.mail.put(("released",))

    def _read(self, item: tuple[Any, ...]) -> None:
        match item:
            case ("open", OpenJob() as job, scheduler.JobOpened() as event):
                digests = tuple(part.digest for part in job.parts)
                self._jobs[job.number] = job, JobNote(
                    self.owner, job.number, digests, job.nets, job.files, job.timeout_s, event.retries,
                    event.expected_s,
                )  # fmt: skip
                self._schedule(replace(event, way_s=self.way_s))
            case ("chunk", int(number), Frame() as frame, scheduler.ChunkQueued() as event):
                if number in self._jobs:
                    self._jobs[number][0].chunks[event.chunk] = (event.first, frame)
                    self._schedule(event)
            case (scheduler.JobResized() as event,):
                self._schedule(event)
                if event.job in self._jobs:
                    told = events.JobResized(at=event.at, workers=event.workers)
                    self._jobs[event.job][0].mail.put(("event", told))
            case (scheduler.JobClosed() as event,):
                if event.job in self._jobs:
                    self._grace.append((time.perf_counter() + GRACE_S, event.job))
                    self.transport.close_job(list(self._places), self.owner, event.job)
                self._schedule(event)
            case ("joined", place, int(slots), HostNote() as note):
                self._learn(place, note)
                self._join(place, slots)
            case ("left", place, str(why)):
                self._leave(place, why)
            case ("unfit", str(why)):
                self.why_unfit = why
            case ("reply", int(number), answer):
                self._hear(number, answer)
            case ("partly", int(number), answer):
                self._hear_partly(number, answer)
            case ("back", int(number), bool(came)):
                self._come_back(number, came=came)
            case ("settle",):
                self._settle()
            case ("settled", int(number)):
                self._settled(number)
            case ("lost", int(number)):
                if number in self._slots:
                    self._lose(number)
            case ("end",):
                self._stopping = True
            case (event,):
                self._schedule(event)

    def _schedule(self, event: events.Event) -> None:
        for command in self._scheduler.handle(event):
            self._do(command)
        self.ready = self._scheduler.ready

    # ------------------------------------------------------------ places

    def _join(self, place: Place, slots: int) -> None:
        if place in self._places:
            return
        self._places[place] = _Known(slots)
        self._settle()
        # Slots that still wait for a place are none of the new one's.
        self._schedule(scheduler.PoolResized(at=time.perf_counter(), workers=max(self.workers, len(self._slots))))
        self._settle()

    def _settle(self) -> None:
        """Give slots that wait for a place one that has room."""
        for number in [number for number, slot in sorted(self._slots.items()) if slot.place is None]:
            used = [slot.place for slot in self._slots.values()]
            free = [each for each, known in self._places.items() if used.count(each) < known.slots]
            if free:
                self._slots[number].place = min(free, key=used.count)
                self._schedule(events.WorkerReady(at=time.perf_counter(), worker=number))

    def _leave(self, place: Place, why: str) -> None:
        """A place is gone, and what was under way there is done again elsewhere."""
        if self._places.pop(place, None) is None:
            return
        now, self._obituary = time.perf_counter(), why
        hosts = self._hosts.pop(place, set())
        for lane in [lane for lane in self._lanes if lane[0] in hosts]:
            died = events.WorkerDied(at=now, worker=self._lanes.pop(lane), exitcode=None, iteration=None)
            for job, _ in self._jobs.values():
                job.mail.put(("event", died))
        for number in [number for number, slot in sorted(self._slots.items()) if slot.place == place]:
            self._lose(number)
        self._settle()

    def _lose(self, number: int) -> None:
        """A slot is no more; the scheduler asks for another."""
        for sent in self._slots.pop(number).sent:
            del self._sent[sent]
        self._schedule(events.WorkerDied(at=time.perf_counter(), worker=number, exitcode=None, iteration=None))

    def _learn(self, place: Place, note: HostNote) -> None:
        self._hosts.setdefault(place, set()).add(note.key)
        self.threads = min(self.threads or note.threads, note.threads)
        if note.machine != self._machine:
            # The clocks of two machines have nothing in common; what came fastest tells best how they differ.
            shift = time.perf_counter() - note.clock
            self._shifts[note.machine] = min(shift, self._shifts.get(note.machine, shift))

    def _lane(self, lane: Lane) -> int:
        """The number that people see; the lowest that is free, for one that is new."""
        if lane not in self._lanes:
            taken = set(self._lanes.values())
            self._lanes[lane] = next(number for number in itertools.count() if number not in taken)
        return self._lanes[lane]

    # ------------------------------------------------------------ commands

    def _do(self, command: scheduler.Command) -> None:
        match command:
            case scheduler.SendChunk():
                self._send(command)
            case scheduler.PullItems(job, count):
                self._jobs[job][0].mail.put(("want", count))
            case scheduler.StartWorker(number):
                self._slots[number] = _Slot()
                self.post("settle")
            case scheduler.StopWorker(number) | scheduler.KillWorker(number):
                self.post("lost", number)
            case scheduler.InterruptWorker(number, job):
                self._interrupt(number, job)
            case scheduler.TakeBack(number, piece):
                self._take_back(number, piece)
            case scheduler.FailIteration(job, iteration):
                words = f"{self._obituary}, twice while it had iteration {iteration + 1}"
                self._jobs[job][0].mail.put(("lost", iteration, WorkerDiedError(words, iteration=iteration)))
            case scheduler.ReleaseChunk(job, chunk):
                if job in self._jobs:
                    self._jobs[job][0].chunks.pop(chunk, None)
            case scheduler.ReleaseJob(job):
                self._jobs.pop(job)[0].mail.put(("released",))
            case _:
                msg = f"the engine's dispatcher does not know {command!r}"
                raise RuntimeError(msg)

    def _send(self, command: scheduler.SendChunk) -> None:
        slot = self._slots[command.worker]
        sent = _Sent(next(self._numbers), command.worker, slot.place, command, time.perf_counter())
        slot.sent[sent.number] = self._sent[sent.number] = sent
        self._ask(sent)

    def _ask(self, sent: _Sent, *, everything: bool = False) -> None:
        command = sent.command
        job, note = self._jobs[command.job]
        start, frame = job.chunks[command.chunk]
        known = self._places[sent.place].parts
        contents: list[Any] = [Content(block) for block in frame.blocks]
        parts: list[tuple[bytes, bytes, int]] = []
        for part in job.parts:
            if everything or len(known.get(part.digest, ())) < self.transport.spread:
                parts.append((part.digest, part.frame.head, len(part.frame.blocks)))
                contents += [self.transport.content(block) for block in part.frame.blocks]
        request = Request(
            sent.number, note, start, command.first, command.stop, frame.head, len(frame.blocks), tuple(parts),
            self._places[sent.place].slots if self.transport.spread == 1 else 1, self.transport.peeks,
        )  # fmt: skip
        number = sent.number
        sent.handle = self.transport.send(
            sent.place, request, tuple(contents), lambda answer: self.post("reply", number, answer)
        )

    def _peek(self, sent: _Sent, now: float) -> None:
        number = sent.number
        sent.peeking, sent.peeked_at = True, now
        self.transport.peek(
            sent.place,
            self.owner,
            sent.command.job,
            number,
            sent.have,
            lambda answer: self.post("partly", number, answer),
        )

    def _interrupt(self, number: int, job: int) -> None:
        """What was sent for a job is not wanted any more; the slot is free of it when everything has been answered."""
        slot = self._slots[number]
        slot.cancelling.add(job)
        for sent in slot.sent.values():
            if sent.command.job == job and sent.answer is None:
                self._withdraw(sent)
        self.post("settled", number)

    def _withdraw(self, sent: _Sent) -> None:
        number = sent.number
        self.transport.withdraw(
            sent.place, sent.handle, self.owner, number, lambda came: self.post("back", number, came)
        )

    def _take_back(self, number: int, piece: int) -> None:
        """Ask for a piece that has not been begun; of what runs, a host gives nothing back."""
        for place, sent in enumerate(self._slots[number].sent.values()):
            if sent.command.piece == piece and place > 0 and sent.answer is None:
                self._withdraw(sent)
                return
        self.post(
            scheduler.ChunkReturned(at=time.perf_counter(), worker=number, piece=piece, first=0, stop=0, whole=False)
        )

    # ------------------------------------------------------------ answers

    def _come_back(self, number: int, *, came: bool) -> None:
        sent = self._sent.get(number)
        if sent is None or sent.answer is not None:
            return  # it was answered in the meantime, or its slot is no more
        command = sent.command
        if came:
            self._forget(sent)
        first, stop = (command.first, command.stop) if came else (0, 0)
        if command.job not in self._slots[sent.slot].cancelling:
            self._schedule(
                scheduler.ChunkReturned(
                    at=time.perf_counter(), worker=sent.slot, piece=command.piece, first=first, stop=stop, whole=came
                )
            )
        self._hear_all(sent.slot)

    def _forget(self, sent: _Sent) -> None:
        del self._sent[sent.number], self._slots[sent.slot].sent[sent.number]

    def _hear(self, number: int, answer: object) -> None:
        sent = self._sent.get(number)
        if sent is None:
            return
        if isinstance(answer, Reply) and answer.kind == "missing":
            for digest in answer.missing:
                self._places[sent.place].parts.pop(digest, None)
            self._ask(sent, everything=True)
            return
        if isinstance(answer, Reply) and answer.kind == "returned":
            self._come_back(number, came=True)
            return
        sent.answer = answer
        self._hear_all(sent.slot)

    def _hear_partly(self, number: int, reply: Reply | None) -> None:
        """Take in what a long chunk has come to so far."""
        sent = self._sent.get(number)
        if sent is None:
            return
        sent.peeking = False
        if reply is None or reply.host is None or sent.answer is not None or sent.command.job not in self._jobs:
            return
        self._learn(sent.place, reply.host)
        new = self._new_batches(sent, reply)
        self._pass_on(sent, self._jobs[sent.command.job][0], reply, new, reply.host, time.perf_counter())
        if sent.command.job not in self._slots[sent.slot].cancelling:
            self._report_batches(sent, new, time.perf_counter())

    @staticmethod
    def _new_batches(sent: _Sent, reply: Reply) -> list[Batch]:
        """Those that have not come before."""
        new = reply.batches[sent.have - reply.before :]
        sent.have += len(new)
        return new

    def _hear_all(self, number: int) -> None:
        """Take in what a slot's requests have come to, in their order: so the scheduler has them."""
        while (slot := self._slots.get(number)) is not None and slot.sent:
            sent = next(iter(slot.sent.values()))
            if sent.answer is None:
                break
            reply = sent.answer
            given_up = isinstance(reply, Reply) and reply.kind == "closed" and sent.command.job not in slot.cancelling
            if given_up or not isinstance(reply, Reply):
                silent = "the host heard nothing of the notebook, and gave the loop up"
                self._obituary = silent if given_up else f"{type(reply).__name__}: {reply}"
                self._lose(number)
                self._settle()
                return
            self._forget(sent)
            self._take(sent, reply)
        self._settled(number)

    def _settled(self, number: int) -> None:
        """Say of which cancelled jobs a slot has nothing any more."""
        slot = self._slots.get(number)
        for job in sorted(slot.cancelling) if slot is not None else ():
            if slot is not None and all(sent.command.job != job for sent in slot.sent.values()):
                slot.cancelling.discard(job)
                self._schedule(scheduler.CancelDone(at=time.perf_counter(), worker=number, job=job))

    def _take(self, sent: _Sent, reply: Reply) -> None:
        now, command = time.perf_counter(), sent.command
        if reply.host is not None:
            self._learn(sent.place, reply.host)
        if command.job not in self._jobs:
            return
        job, note = self._jobs[command.job]
        if reply.kind == "failed":
            job.mail.put(("failed", MpnbError(reply.words)))
            return
        new: list[Batch] = []
        if reply.kind == "done" and reply.host is not None:
            known = self._places[sent.place].parts
            for digest in note.digests:
                known.setdefault(digest, set()).add(reply.host.key)
            new = self._new_batches(sent, reply)
            self._pass_on(sent, job, reply, new, reply.host, now)
            if not self._slots[sent.slot].sent:  # nor was any before it
                worked = sum(event.times[-1] - event.times[0] for event, *_ in new if event.times)
                if sent.have == len(new):
                    self.way_s = min(1.1 * self.way_s, max(0.001, now - sent.at - worked))
        if reply.kind in {"done", "dropped"} and command.job not in self._slots[sent.slot].cancelling:
            self._report_batches(sent, new, now)
            stops = [stop[1] for *_, stop in new if stop is not None]
            end = command.first if reply.kind == "dropped" else min(stops, default=command.stop)
            self._schedule(replace(self._blank(sent, now), first=end))

    def _pass_on(
        self, sent: _Sent, job: OpenJob, reply: Reply, batches: list[Batch], host: HostNote, now: float
    ) -> None:
        """Tell the job's caller what a host has told, in the clock and the numbers of this side."""
        command, shift = sent.command, self._shifts.get(host.machine, 0.0)
        for told in reply.told:
            if isinstance(told, (events.WorkerStarted, events.WorkerReady, events.WorkerDied)):
                lane = self._lane((host.key, told.worker))
                job.mail.put(("event", replace(told, at=told.at + shift, worker=lane)))
        for index, error in reply.lost:
            job.mail.put(("lost", index, error))
        for place, (event, head, contents, stop) in enumerate(batches):
            lane = self._lane((host.key, event.worker))
            if place == 0 and sent.have == len(batches):
                job.mail.put(("event", events.ChunkSent(
                    at=sent.at, worker=lane, chunk=command.chunk, first=command.first,
                    count=command.stop - command.first,
                )))  # fmt: skip
            local = replace(
                event, at=now, worker=lane, chunk=command.chunk, times=tuple(at + shift for at in event.times)
            )
            frame = Frame(head, tuple(content.block for content in contents)) if event.count else None
            job.mail.put(("batch", local, frame, stop))

    def _report_batches(self, sent: _Sent, batches: list[Batch], now: float) -> None:
        """Tell the scheduler of iterations of a piece."""
        for event, *_ in batches:
            self._schedule(replace(event, at=now, worker=sent.slot, chunk=sent.command.chunk, chunk_done=False))

    @staticmethod
    def _blank(sent: _Sent, now: float) -> events.BatchFinished:
        return events.BatchFinished(
            at=now, worker=sent.slot, chunk=sent.command.chunk, first=sent.command.stop, count=0, times=(),
            decode_s=0.0, check_s=0.0, encode_s=0.0, nbytes=0, chunk_done=True,
        )  # fmt: skip


class RemoteEngine:
    """An engine (`mpnb.engine.Engine`) over a transport."""

    def __init__(self, transport: Transport, name: str) -> None:
        self.name = name
        #: Held while something is encoded, as with the pool.
        self.encoding = threading.RLock()
        self._cache = EncodeCache()
        self._dispatcher = Dispatcher(transport)
        self._dispatcher.start()

    @property
    def workers(self) -> int:
        """How many workers it has."""
        return max(1, self._dispatcher.workers)

    @property
    def ready(self) -> int:
        """How many of them take work."""
        return self._dispatcher.ready

    @property
    def threads(self) -> int:
        """How many threads BLAS and OpenMP have in one of them."""
        return blas.allowed(max(1, self._dispatcher.threads))

    @property
    def failure(self) -> Exception | None:
        """Why it takes no work any more."""
        return self._dispatcher.failure

    def import_s(self, modules: Iterable[str]) -> float:
        """Seconds before all workers are at work: what they import is seen only when they do."""
        del modules
        return WAYS * self._dispatcher.way_s

    def encoder(self, job: Job) -> JobEncoder:
        """What turns a job's names and items into frames."""
        from mpnb.jobs import JobEncoder

        return JobEncoder(job, self._cache)

    def run(self, job: Job, items: Iterator[object], tell: Tell, workers: int | None = None) -> Running:
        """Start a job; see `mpnb.engine.Engine`."""
        if in_worker():
            return SerialRun(job, items, tell)
        self._check()
        running = JobRun(self, self._dispatcher, job, items, tell, workers)
        try:
            self._check()
        except MpnbError:  # and perhaps nobody has seen the job any more
            running.close()
            raise
        return running

    def _check(self) -> None:
        """Raise why the engine takes no work any more, if so."""
        if self._dispatcher.failure is not None:
            raise self._dispatcher.failure

    def resize(self, workers: int) -> None:
        """Nothing: how many there are is not this notebook's to say; a job may use fewer."""

    @property
    def why_unfit(self) -> str:
        """Why the last worker that can't be used can't."""
        return self._dispatcher.why_unfit

    def wait_ready(self, limit_s: float) -> bool:
        """Wait until a worker takes work; whether one does."""
        end = time.monotonic() + limit_s
        while not self.ready and self.failure is None and time.monotonic() < end:
            time.sleep(0.01)
        return self.ready > 0

    def shutdown(self) -> None:
        """Let go of the workers."""
        self._dispatcher.stop()

    def __repr__(self) -> str:
        return f"<mpnb engine on {self.name}, {self._dispatcher.workers} workers>"
