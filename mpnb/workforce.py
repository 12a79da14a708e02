"""The processes of a pool, from its start to its end: started when they are needed, let go when their work is done.

What a session asks of an engine is here as well: `run`. What people ask of a pool is in `pool`.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol, Self

from mpnb import blas
from mpnb.budget import Budget
from mpnb.cache import EncodeCache
from mpnb.cores import free_memory, usable_cores
from mpnb.engine import Job, Running, Tell
from mpnb.errors import PoolClosedError
from mpnb.hands import Hands
from mpnb.imports import pulled_in
from mpnb.templates import WORTH_S

TOLD_S: Final = 5.0  # in which workers that start have told what they begin with

if TYPE_CHECKING:
    from mpnb.calls import CallEncoder
    from mpnb.frames import Part
    from mpnb.jobs import JobEncoder
    from mpnb.results import Collector, ResultIterator


def in_worker() -> bool:
    """Whether this process is a worker; the notebook's own never needs that room for anything else."""
    room = sys.modules.get("mpnb.worker")
    return room is not None and bool(room.is_worker())


class Work(Protocol):
    """Something that workers do for somebody."""

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is to be done any more."""
        ...


class Workforce:
    """Worker processes that stay warm, and heal.

    Parameters
    ----------
    workers
        How many; by default as many as there are cores for this process.
    initial
        A function that every worker calls before its first task, and its arguments.
    tasks_each
        After so many tasks a worker is replaced.
    """

    def __init__(
        self,
        workers: int | None = None,
        initial: tuple[Callable[..., object], tuple[Any, ...]] | None = None,
        tasks_each: int | None = None,
    ) -> None:
        self._closing: str | None = None  # what closed it: "close" or "terminate"
        self._hands: Hands | None = None
        self._wanted = usable_cores() if workers is None else at_least(1, "processes", workers)
        self._initial = initial
        self._tasks_each = tasks_each
        self._finalizer: weakref.finalize[[Hands, Collector | None], Workforce] | None = None
        self._collector: Collector | None = None
        self._cache = EncodeCache()
        self._imports: tuple[str, ...] = ()
        self._given: tuple[list[int], frozenset[str]] = ([], frozenset())  # processes, and what their jobs needed
        #: Held while something is encoded: what is remembered between jobs is for one thread at a time.
        self.encoding = threading.RLock()
        self._at_work: weakref.WeakSet[Work] = weakref.WeakSet()  # must be done before the pool may end
        self._idle = threading.Condition(self.encoding)
        self._iterators: weakref.WeakSet[ResultIterator[Any]] = weakref.WeakSet()

    # ------------------------------------------------------------ its processes

    def start(self) -> None:
        """Start the workers; returns at once, they become ready in the background."""
        self._live()

    def _live(self) -> Hands:
        self._check_open()
        with self.encoding:
            hands = self._hands
            if hands is not None and hands.owner == os.getpid() and hands.failure is not None:
                self._let_go()
                hands = None
            if hands is None or hands.owner != os.getpid():  # not started, or in a process forked from the notebook's
                if self._finalizer is not None:
                    self._finalizer.detach()
                self._cache = EncodeCache() if hands is not None else self._cache
                hands = self._hands = self._start_hands()
                self._collector = None
            return hands

    def _start_hands(self) -> Hands:
        hands = Hands(self._wanted, self._tasks_each, self._initial_parts())
        self._finalizer = weakref.finalize(self, _stop, hands, None)
        if self._imports:
            hands.post("import", self._imports)
        return hands

    def _collecting(self) -> Collector:
        """The collector that belongs to the hands."""
        from mpnb.results import Collector

        with self.encoding:
            if self._collector is None:
                assert self._hands is not None
                assert self._finalizer is not None
                self._collector = Collector()
                self._collector.start()
                self._finalizer.detach()
                self._finalizer = weakref.finalize(self, _stop, self._hands, self._collector)
            return self._collector

    def _check_open(self) -> None:
        if self._closing is not None:
            msg = f"the pool has been closed by {self._closing}(): make a new one, or call restart()"
            raise PoolClosedError(msg)

    def _let_go(self) -> None:
        if self._finalizer is not None:
            self._finalizer()  # stops the hands; does nothing in a forked process
        self._finalizer = self._hands = self._collector = None

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
        """Import modules ahead, in a process that workers are forked from as soon as it has them; returns at once.

        Workers that are there are replaced one by one, at a time when there is nothing to do. What can't be imported,
        or starts a thread, is left to the workers.
        """
        new = tuple(name for name in names if name not in self._imports)
        self._imports += new
        if new and self._hands is not None and self._hands.owner == os.getpid():
            self._hands.post("import", new)

    def preload_heavy(self, names: Iterable[str]) -> None:
        """As `preload`, where a worker that has yet to import these loses time worth a new worker. May take seconds."""
        asked = tuple(names)
        end = time.monotonic() + TOLD_S
        while (hands := self._hands) is None or not hands.loaded():
            if time.monotonic() > end or self._closing is not None:
                return  # the next cell that imports something asks again
            time.sleep(0.02)
        if len(pulled_in(asked, hands.loaded())) * hands.templates.module_s >= WORTH_S:
            self.preload(asked)

    def import_s(self, modules: Iterable[str]) -> float:
        """Seconds that a worker needs to import what it lacks of these modules, and of what comes with them."""
        hands = self._hands
        if hands is None or hands.owner != os.getpid():
            return 0.0
        pids, given = self._given
        known = hands.loaded() | (given if pids == hands.pids() else frozenset())
        return len(pulled_in(modules, known)) * hands.templates.module_s

    def resize(self, workers: int) -> None:
        """Have so many workers from now on; the ones that go finish what they are running."""
        self._wanted = at_least(1, "workers", workers)
        if self._hands is not None and self._closing is None:
            self._live().post("resize", workers)

    def restart(self) -> None:
        """End all workers, whatever they do, and start new ones."""
        self._let_go()
        self._closing = None
        self._cache = EncodeCache()
        self.start()

    def close(self) -> None:
        """Take no more work. What was asked for is still done; then the workers end."""
        with self._idle:
            if self._closing is None:
                self._closing = "close"
            # An iterator that nobody has emptied yet is work that was asked for.
            if not self._is_at_work() and not self._iterators:
                self._let_go()

    def terminate(self) -> None:
        """End all workers at once, whatever they do; who still waits for a result gets an MpnbError."""
        with self.encoding:
            self._closing = "terminate"
        self._let_go()
        with self._idle:
            self._idle.notify_all()

    def shutdown(self) -> None:
        """As `terminate`."""
        self.terminate()

    def join(self) -> None:
        """Wait until all work is done and the workers have ended; `close()` or `terminate()` comes first."""
        if self._closing is None:
            msg = "the pool is still running: call close() or terminate() before join()"
            raise ValueError(msg)
        if self._closing == "close":
            for each in list(self._iterators):
                each.drain()
            with self._idle:
                while self._is_at_work() and self._closing == "close":
                    self._idle.wait(0.1)
        hands = self._hands
        self._let_go()
        if hands is not None:
            hands.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.terminate()

    def __reduce__(self) -> NoReturn:
        msg = "a pool can't be sent to another process: make one there, where it runs everything in that process"
        raise NotImplementedError(msg)

    def __repr__(self) -> str:
        state = "running" if self._closing is None else f"after {self._closing}()"
        return f"<{type(self).__name__} {state}, {self._wanted} workers>"

    # ------------------------------------------------------------ work for the session

    def run(self, job: Job, items: Iterator[object], tell: Tell, workers: int | None = None) -> Running:
        """Start a job; see `mpnb.engine.Engine`. More workers than the pool has make it grow."""
        from mpnb.running import JobRun, SerialRun

        if in_worker():
            return SerialRun(job, items, tell)
        hands = self._live()
        if workers is not None and workers > self._wanted:
            self.resize(workers)
        if job.modules:
            pids, given = self._given
            self._given = (now := hands.pids()), job.modules | (given if pids == now else frozenset())
        return JobRun(self, hands, job, items, tell, workers)

    def encoder(self, job: Job) -> JobEncoder:
        """What turns this job's names and items into frames; raises CodecError."""
        if job.calls:
            return self.call_encoder(job)
        from mpnb.jobs import JobEncoder  # not before the processes are on their way: it takes as long as they do

        return JobEncoder(job, self._cache, self._budget())

    def call_encoder(self, job: Job) -> CallEncoder:
        """As `encoder`, for calls."""
        from mpnb.calls import CallEncoder

        return CallEncoder(job, self._cache, self._budget())

    def _budget(self) -> Budget:
        return Budget(self.workers, free_memory, self._cache.held)

    def enter(self, work: Work) -> None:
        """Work has begun that must be done before the pool may end; PoolClosedError where it may not begin."""
        with self._idle:
            self._live()
            self._at_work.add(work)

    def leave(self, work: Work) -> None:
        """Such work is done."""
        with self._idle:
            self._at_work.discard(work)
            if not self._is_at_work():
                self._idle.notify_all()
                if self._closing == "close" and not self._iterators:
                    self._let_go()

    def _is_at_work(self) -> bool:
        # What an interrupt cut off before it could leave is over all the same.
        return any(not work.is_over for work in list(self._at_work))

    def _initial_parts(self) -> tuple[Part, ...] | None:
        """The initializer and its arguments, encoded."""
        if self._initial is None:
            return None
        from mpnb.calls import beginning

        return self.call_encoder(Job(beginning(*self._initial), nets=False, calls=True)).parts


def _stop(hands: Hands, collector: Collector | None) -> None:
    hands.stop()
    if collector is not None and hands.owner == os.getpid():
        collector.stop()


def at_least(least: int, name: str, value: Any) -> int:
    """The value, where it is a whole number from `least` on."""
    if not isinstance(value, int):
        msg = f"{name} must be a whole number, was {value!r}"
        raise TypeError(msg)
    if value < least:
        msg = f"{name} must be {least} or more, was {value}"
        raise ValueError(msg)
    return value


def callable_only(thing: Any, name: str) -> None:
    """TypeError unless this can be called."""
    if not callable(thing):
        msg = f"{name} must be callable, was {thing!r}"
        raise TypeError(msg)
