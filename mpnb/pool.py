"""The pool of worker processes: `run` is what the session uses, `map` and `imap` are for everybody.

The calling thread pulls items, encodes them, decodes what comes back, and waits; `hands` does the rest.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from queue import Empty
from types import FunctionType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from mpnb import blas, events, scheduler
from mpnb.cache import EncodeCache
from mpnb.cores import usable_cores
from mpnb.engine import STDERR, STDOUT, WARNED, Effects, Job, Outcome, Running, Tell, warn_again
from mpnb.errors import CodecError, MpnbError, PoolClosedError
from mpnb.frames import Frame
from mpnb.hands import GRACE_S, Hands, Mail, OpenJob

if TYPE_CHECKING:
    from mpnb.jobs import ItemsMemo, JobEncoder

TICK_S: Final = 0.05  # an interrupt is seen within it; with the grace of close() that is 0.15 s
PULL_S: Final = 0.02  # an iterable that takes long to give its items is left alone after so long

A = TypeVar("A")
R = TypeVar("R")

_chunks = itertools.count()
_jobs = itertools.count()


def _now() -> float:
    return time.perf_counter()


def _in_worker() -> bool:
    """Whether this process is a worker; the notebook's own never needs that room for anything else."""
    room = sys.modules.get("mpnb.worker")
    return room is not None and bool(room.is_worker())


def _ignore(_event: events.Event) -> None:
    """A listener that does not listen."""


class Pool:
    """Worker processes that stay warm, and take functions defined in this notebook.

    Parameters
    ----------
    workers
        How many; by default as many as there are cores for this process.

    Examples
    --------
    >>> with Pool(2) as pool:
    ...     pool.map(abs, [-1, 2, -3])
    [1, 2, 3]
    """

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            msg = f"workers must be 1 or more, was {workers}"
            raise ValueError(msg)
        self._wanted = usable_cores() if workers is None else workers
        self._hands: Hands | None = None
        self._finalizer: weakref.finalize[[], Pool] | None = None
        self._cache = EncodeCache()
        self._imports: tuple[str, ...] = ()
        self._closed = False

    # ------------------------------------------------------------ its processes

    def start(self) -> None:
        """Start the workers; returns at once, they become ready in the background."""
        self._live()

    def _live(self) -> Hands:
        if self._closed:
            msg = "the pool has been shut down: make a new one, or call restart()"
            raise PoolClosedError(msg)
        hands = self._hands
        if hands is not None and hands.owner == os.getpid() and hands.failure is not None:
            self._let_go()
            hands = None
        if hands is None or hands.owner != os.getpid():  # not started, or in a process forked from the notebook's
            if self._finalizer is not None:
                self._finalizer.detach()
            self._cache = EncodeCache() if hands is not None else self._cache
            hands = self._hands = Hands(self._wanted)
            self._finalizer = weakref.finalize(self, hands.stop)
            if self._imports:
                hands.post("import", self._imports)
        return hands

    def _let_go(self) -> None:
        if self._finalizer is not None:
            self._finalizer()  # stops the hands; does nothing in a forked process
        self._finalizer = self._hands = None

    @property
    def workers(self) -> int:
        """How many workers the pool has, or is about to have."""
        return self._wanted

    @property
    def ready(self) -> int:
        """How many workers take work at this moment."""
        return self._hands.ready if self._hands is not None and self._hands.owner == os.getpid() else 0

    @property
    def threads(self) -> int:
        """How many threads BLAS and OpenMP have in a worker that starts now: its share of the cores."""
        return blas.allowed(max(1, usable_cores() // max(1, self._wanted)))

    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return self._hands.pids() if self._hands is not None and self._hands.owner == os.getpid() else []

    def preload(self, names: Iterable[str]) -> None:
        """Import modules ahead, in the process that later workers are forked from."""
        new = tuple(name for name in names if name not in self._imports)
        self._imports += new
        if new and self._hands is not None and self._hands.owner == os.getpid():
            self._hands.post("import", new)

    def resize(self, workers: int) -> None:
        """Have so many workers from now on; the ones that go finish what they are running."""
        if workers < 1:
            msg = f"workers must be 1 or more, was {workers}"
            raise ValueError(msg)
        self._wanted = workers
        if self._hands is not None and not self._closed:
            self._live().post("resize", workers)

    def restart(self) -> None:
        """End all workers, whatever they do, and start new ones."""
        self._let_go()
        self._closed = False
        self._cache = EncodeCache()
        self.start()

    def shutdown(self) -> None:
        """End all workers; the pool takes no more work."""
        self._closed = True
        self._let_go()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.shutdown()

    # ------------------------------------------------------------ work

    def run(self, job: Job, items: Iterator[object], tell: Tell, workers: int | None = None) -> Running:
        """Start a job; see `mpnb.engine.Engine`. More workers than the pool has make it grow."""
        if _in_worker():
            return _Serial(job, items, tell)
        hands = self._live()
        if workers is not None and workers > self._wanted:
            self.resize(workers)
        return _Running(self, hands, job, items, tell, workers)

    def encoder(self, job: Job) -> JobEncoder:
        """What turns this job's names and items into frames; raises CodecError."""
        from mpnb.jobs import JobEncoder  # not before the processes are on their way: it takes as long as they do

        return JobEncoder(job, self._cache)

    def imap(self, function: Callable[[A], R], items: Iterable[A]) -> Iterator[R]:
        """Results of `function` for each item, in order, while they are computed; items are pulled as needed.

        Examples
        --------
        >>> with Pool(2) as pool:
        ...     sum(pool.imap(abs, range(-3, 3)))
        9
        """
        total = len(items) if isinstance(items, Sized) else None
        running = self.run(Job(_task(function), total=total, nets=False), iter(items), _ignore)
        return _results(running, total)

    def map(self, function: Callable[[A], R], items: Iterable[A]) -> list[R]:
        """The list of results of `function` for each item; the first exception in order is raised as itself.

        Examples
        --------
        >>> with Pool(2) as pool:
        ...     pool.map(str, [1, 2])
        ['1', '2']
        """
        return list(self.imap(function, items))


def _task(function: Callable[[Any], Any]) -> FunctionType:
    """A job's function that calls another and has its value, or what it raised, as its one effect."""
    from mpnb.worker import guarded

    def task(item: object, effects: Effects) -> None:
        effects.append(guarded(function, item))

    # It looks up no global name itself; its globals say which dict the notebook's names are in.
    return FunctionType(task.__code__, _notebook_of(function), "task", None, task.__closure__)


def _notebook_of(function: Any) -> dict[str, Any]:
    """The dict of notebook names that a function belongs to, whatever it is wrapped in."""
    for _ in range(100):
        for name in ("__wrapped__", "__func__", "func"):
            if hasattr(function, name):
                function = getattr(function, name)
                break
        else:
            break
    if isinstance(function, FunctionType):
        module = sys.modules.get(function.__module__)
        if module is None or vars(module) is not function.__globals__:
            return function.__globals__
    return vars(sys.modules["__main__"])


def _results(running: Running, total: int | None) -> Iterator[Any]:
    try:
        for outcome in running:
            of = "" if total is None else f" of {total}"
            place = f"in task {outcome.index + 1}{of}"
            if outcome.error is not None:
                error = outcome.error if isinstance(outcome.error, Exception) else MpnbError(outcome.error)
                error.add_note(place)
                raise error
            for effect in outcome.effects:
                match effect:
                    case (0, value):
                        yield value
                    case (1, error, text):
                        error.add_note(place)
                        error.add_note(text)
                        raise error
                    case (2, words, text):
                        error = MpnbError(words)
                        error.add_note(place)
                        error.add_note(text)
                        raise error
                    case (number, text) if number == STDOUT:
                        sys.stdout.write(text)
                    case (number, text) if number == STDERR:
                        sys.stderr.write(text)
                    case (number, message, category, filename, line) if number == WARNED:
                        warn_again(message, category, filename, line)
    finally:
        running.close()


class _Running:
    """A job under way in the pool."""

    def __init__(
        self, pool: Pool, hands: Hands, job: Job, items: Iterator[object], tell: Tell, workers: int | None
    ) -> None:
        self._closed = True  # until the hands know of it
        self._pool = pool  # keeps its processes alive
        self._hands = hands
        self._job = job
        self._items = items
        self._tell = tell
        self._mail: Mail = Mail()
        self._number = next(_jobs)
        self._next = job.first  # the iteration to be yielded next
        self._pulled = job.first
        self._want = 0
        self._ended = False  # no more items are pulled
        self._over = False  # no more outcomes are yielded
        self._item_error: BaseException | None = None
        self._failure: Exception | None = None
        self._released = False  # no worker has anything of it
        self._ready: deque[Outcome] = deque()
        self._stop = job.first  # the iteration after those in _ready
        self._arrived: dict[int, tuple[events.BatchFinished, Frame]] = {}
        self._special: dict[int, Outcome] = {}  # those that did not finish
        self._finished: list[Outcome] = []  # when it was closed
        self._memos: dict[int, ItemsMemo] = {}
        self._ends: dict[int, int] = {}  # chunk -> the iteration after its last
        self._ticked_at = _now()
        began = _now()
        self._encoder = pool.encoder(job)
        at = _now()
        open_job = OpenJob(self._number, self._encoder.parts, job.nets, self._mail)
        event = scheduler.JobOpened(
            at=at, job=self._number, first=job.first, workers=workers, total=job.total, expected_s=job.expected_s,
            chunk=job.chunk,
        )  # fmt: skip
        self._closed = False
        hands.post("open", open_job, event)
        nbytes = sum(_nbytes(part.frame) for part in self._encoder.parts)
        used = pool.workers if workers is None else min(workers, pool.workers)
        tell(events.JobStarted(at=at, site=job.site, workers=used, encode_s=at - began, nbytes=nbytes))

    def __iter__(self) -> Iterator[Outcome]:
        return self

    def __next__(self) -> Outcome:
        while True:
            if self._ready and self._mail.empty():
                return self._take()
            if self._closed or self._over:
                raise StopIteration
            self._read_mail(wait=False)
            if self._want and not self._ended:
                self._pull()
            if self._ready or self._decode_next():
                return self._take()
            if self._next in self._special:
                outcome = self._special.pop(self._next)
                self._next += 1
                self._stop = self._next
                # A worker's death costs one iteration; after anything else no later one may count.
                self._over = outcome.kind != "died"
                if self._over:
                    self.close()
                else:
                    self._say_taken()
                return outcome
            if self._ended and self._next == self._pulled:
                self._over = True
                self.close()
                if self._item_error is not None:
                    raise self._item_error
                raise StopIteration
            if self._failure is not None:
                raise self._failure
            if not (self._want and not self._ended):
                self._read_mail(wait=True)

    def _take(self) -> Outcome:
        outcome = self._ready.popleft()
        self._next += 1
        if not self._ready:
            self._say_taken()
        return outcome

    def _say_taken(self) -> None:
        self._hands.post(scheduler.OutcomesTaken(at=_now(), job=self._number, stop=self._next))

    def _read_mail(self, *, wait: bool) -> None:
        """Take in all that has come; with `wait`, until something has, or it is time for a tick."""
        now = _now()
        if now - self._ticked_at >= TICK_S:
            self._ticked_at = now
            self._tell(events.Ticked(at=now))
        try:
            if wait:
                self._read(self._mail.get(timeout=max(0.001, self._ticked_at + TICK_S - now)))
            while True:
                self._read(self._mail.get_nowait())
        except Empty:
            pass

    def _read(self, item: tuple[Any, ...]) -> None:
        match item:
            case ("batch", event, frame, stop):
                if event.count:
                    self._arrived[event.first] = (event, frame)
                if stop is not None:
                    kind, index, text = stop
                    self._special[index] = Outcome(index, [], kind, text)
                self._tell(event)
            case ("event", event):
                self._tell(event)
            case ("want", count):
                self._want = count
            case ("lost", index, error):
                self._special[index] = Outcome(index, [], "died", error)
            case ("failed", error):
                self._failure = error
            case ("released",):
                self._released = True

    # ------------------------------------------------------------ items out

    def _pull(self) -> None:
        """Pull and encode the items that the scheduler asked for."""
        began = _now()
        items: list[object] = []
        want, self._want = self._want, 0
        try:
            for item in itertools.islice(self._items, want):
                items.append(item)
                if len(items) < want and _now() - began > PULL_S:
                    break
            else:
                self._ended = len(items) < want
        except Exception as error:
            self._item_error, self._ended = error, True
        if items:
            self._encode(items)
        if self._ended:
            self._hands.post(scheduler.ItemsEnded(at=_now(), job=self._number))

    def _encode(self, items: list[object]) -> None:
        began = _now()
        try:
            frame, memo = self._encoder.encode_items(items)
        except CodecError as error:
            items = self._cut(items, error)
            if not items:
                return
            frame, memo = self._encoder.encode_items(items)
        at = _now()
        chunk, first, count, nbytes = next(_chunks), self._pulled, len(items), _nbytes(frame)
        self._memos[chunk], self._ends[chunk] = memo, first + count
        self._pulled += count
        queued = scheduler.ChunkQueued(at=at, job=self._number, chunk=chunk, first=first, count=count, nbytes=nbytes)
        self._hands.post("chunk", self._number, frame, queued)
        encoded = events.ChunkEncoded(at=at, chunk=chunk, first=first, count=count, nbytes=nbytes, encode_s=at - began)
        self._tell(encoded)

    def _cut(self, items: list[object], error: CodecError) -> list[object]:
        """The items before the first that can't be encoded; nothing after that one is sent."""
        place = 0  # where each can be sent by itself, it is the first that could not be sent with the others
        for number, item in enumerate(items):
            try:
                self._encoder.encode_items([item])
            except CodecError as found:
                place, error = number, found
                break
        index = self._pulled + place
        self._special[index] = Outcome(index, [], "unsendable", error)
        self._ended = True
        return items[:place]

    # ------------------------------------------------------------ outcomes in

    def _decode_next(self) -> bool:
        """Decode the batch that begins with the next iteration, if it is here."""
        if self._next not in self._arrived:
            return False
        event, frame = self._arrived.pop(self._next)
        self._ready.extend(self._decode(event, frame))
        self._stop = self._next + event.count
        if self._ends.get(event.chunk, self._stop + 1) <= self._stop:
            del self._memos[event.chunk], self._ends[event.chunk]
        return True

    def _decode(self, event: events.BatchFinished, frame: Frame) -> Iterator[Outcome]:
        try:
            decoded = self._encoder.decode_effects(frame, self._memos[event.chunk])
        except Exception as error:  # of a class of the user's, that does not load what it gave to be pickled
            why = f"not loaded in the notebook ({type(error).__name__}: {error})"
            yield Outcome(event.first, [], "unsendable", CodecError("result", why))
            return
        nbytes = event.nbytes // max(1, event.count)
        for index, effects in enumerate(decoded, event.first):
            yield Outcome(index, effects, nbytes=nbytes)

    def close(self) -> list[Outcome]:
        """Cancel what is left, and give back the outcomes that were finished and not yet yielded.

        Where `tell` raises, everything has been cancelled, and the next call gives the outcomes back.
        """
        if not self._closed:
            self._closed = True
            self._cancel()
        finished, self._finished = self._finished, []
        return finished

    def _cancel(self) -> None:
        self._hands.post(scheduler.JobClosed(at=_now(), job=self._number))
        deadline = _now() + GRACE_S + 0.05
        told: list[events.Event] = []
        tell, self._tell = self._tell, told.append
        while not self._released and (left := deadline - _now()) > 0:
            try:
                self._read(self._mail.get(timeout=left))
            except Empty:
                break
        self._finished = list(self._ready)
        self._ready.clear()
        for _, (event, frame) in sorted(self._arrived.items()):
            self._finished.extend(self._decode(event, frame))
        self._arrived.clear()
        for event_told in told:
            tell(event_told)
        tell(events.JobEnded(at=_now(), site=self._job.site))

    def __del__(self) -> None:
        if not self._closed:
            self._hands.post(scheduler.JobClosed(at=_now(), job=self._number))


class _Serial:
    """A job that runs in this process: a pool used inside a worker starts no others."""

    def __init__(self, job: Job, items: Iterator[object], tell: Tell) -> None:
        self._job, self._items, self._tell = job, items, tell
        self._index = job.first
        self._over = False

    def __iter__(self) -> Iterator[Outcome]:
        return self

    def __next__(self) -> Outcome:
        if self._over:
            raise StopIteration
        item = next(self._items)
        index, self._index = self._index, self._index + 1
        effects: Effects = []
        try:
            self._job.function(item, effects)
        except Exception as error:
            self._over = True
            text = "".join(traceback.format_exception_only(error)).strip()
            return Outcome(index, [], "raised", text)
        return Outcome(index, effects)

    def close(self) -> list[Outcome]:
        self._over = True
        return []


def _nbytes(frame: Frame) -> int:
    return len(frame.head) + sum(block.nbytes for block in frame.blocks)
