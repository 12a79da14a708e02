"""The pool of worker processes: `run` is what the session uses, the rest is `multiprocessing.Pool`'s, for everybody.

run ─────────────────► running.JobRun       the caller waits: map, starmap, apply, imap
apply_async, map_async ─► results.Background   nobody waits: the collector thread takes in what comes
└── both by one I/O thread (hands) that has one socket pair per worker
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, TypeVar

from mpnb import blas, events, tasks
from mpnb.cache import EncodeCache
from mpnb.cores import usable_cores
from mpnb.engine import Job, Running, Tell, notebook
from mpnb.errors import MpnbError, PoolClosedError
from mpnb.hands import Hands

if TYPE_CHECKING:
    from mpnb.calls import CallEncoder
    from mpnb.frames import Part
    from mpnb.jobs import JobEncoder
    from mpnb.results import AsyncResult, Background, Collector, MapResult, ResultIterator, Take
    from mpnb.running import JobRun

AHEAD: Final = 64  # items that imap pulls ahead of its consumer
CHUNKS_EACH: Final = 4  # chunks per worker that a map in the background begins with, as multiprocessing's

A = TypeVar("A")
R = TypeVar("R")
Callback = Callable[[Any], object]


def _in_worker() -> bool:
    """Whether this process is a worker; the notebook's own never needs that room for anything else."""
    room = sys.modules.get("mpnb.worker")
    return room is not None and bool(room.is_worker())


def _ignore(_event: events.Event) -> None:
    """A listener that does not listen."""


class Pool:
    """Worker processes that stay warm, and take functions defined in this notebook.

    It has the methods of `multiprocessing.Pool`. Arguments and results are copies. A task that ends its worker fails
    alone, with a WorkerDiedError; the others are done, and the pool heals. Inside a task a pool runs everything in the
    task's own process.

    Parameters
    ----------
    processes
        How many workers; by default as many as there are cores for this process.
    initializer, initargs
        Called by every worker before its first task. The names that it binds in the notebook's namespace, or whose
        values it changes, are the worker's own from then on.
    maxtasksperchild
        After so many tasks (a chunk of a map is one) a worker is replaced by a new one.
    context
        There to be accepted: workers are always forked from a process that has neither threads nor the notebook's data.
    timeout
        Seconds that a task may run; then its worker is ended, and the task fails with a TaskTimeoutError.
    retries
        How often a task that raised an exception, ran too long or lost its worker is tried again.

    Examples
    --------
    >>> with Pool(2) as pool:
    ...     pool.map(abs, [-1, 2, -3])
    [1, 2, 3]
    """

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        context: object = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
    ) -> None:
        del context
        self._closing: str | None = None  # what closed it: "close" or "terminate"
        self._hands: Hands | None = None
        self._wanted = usable_cores() if processes is None else at_least(1, "processes", processes)
        tasks_each: Any = maxtasksperchild
        if tasks_each is not None and not (isinstance(tasks_each, int) and tasks_each > 0):
            msg = f"maxtasksperchild must be 1 or more, or None, was {maxtasksperchild!r}"
            raise ValueError(msg)
        if initializer is not None:
            callable_only(initializer, "initializer")
        self._initial = None if initializer is None else (initializer, tuple(initargs))
        self._tasks_each = maxtasksperchild
        self._timeout, self._retries = limits(timeout, retries)
        self._finalizer: weakref.finalize[[Hands, Collector | None], Pool] | None = None
        self._collector: Collector | None = None
        self._cache = EncodeCache()
        self._imports: tuple[str, ...] = ()
        self._initialized_here = False
        #: Held while something is encoded: what is remembered between jobs is for one thread at a time.
        self.encoding = threading.RLock()
        self._at_work = 0  # jobs that must be done before the pool may end
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
        """Import modules ahead, in the process that later workers are forked from."""
        new = tuple(name for name in names if name not in self._imports)
        self._imports += new
        if new and self._hands is not None and self._hands.owner == os.getpid():
            self._hands.post("import", new)

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
            if not self._at_work and not self._iterators:
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
                while self._at_work and self._closing == "close":
                    self._idle.wait(1.0)
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

        if _in_worker():
            return SerialRun(job, items, tell)
        hands = self._live()
        if workers is not None and workers > self._wanted:
            self.resize(workers)
        return JobRun(self, hands, job, items, tell, workers)

    def encoder(self, job: Job) -> JobEncoder:
        """What turns this job's names and items into frames; raises CodecError."""
        if job.calls:
            return self.call_encoder(job)
        from mpnb.jobs import JobEncoder  # not before the processes are on their way: it takes as long as they do

        return JobEncoder(job, self._cache)

    def call_encoder(self, job: Job) -> CallEncoder:
        """As `encoder`, for calls."""
        from mpnb.calls import CallEncoder

        return CallEncoder(job, self._cache)

    # ------------------------------------------------------------ work whose results are waited for

    def apply(
        self,
        func: Callable[..., R],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        retries: int | None = None,
    ) -> R:
        """The value of one call, made by a worker.

        Examples
        --------
        >>> with Pool(2) as pool:
        ...     pool.apply(pow, (2, 10))
        1024
        """
        item = (tuple(args), dict(kwds or {}))
        value: R = self._map(func, tasks.call_with, [item], None, timeout, retries)[0]
        return value

    def map(
        self,
        func: Callable[[A], R],
        iterable: Iterable[A],
        chunksize: int | None = None,
        *,
        timeout: float | None = None,
        retries: int | None = None,
    ) -> list[R]:
        """The list of results of a function for each item.

        All calls are made, whatever becomes of some of them; then the first exception in order is raised as itself.

        Examples
        --------
        >>> with Pool(2) as pool:
        ...     pool.map(str, [1, 2])
        ['1', '2']
        """
        return self._map(func, tasks.call, iterable, chunksize, timeout, retries)

    def starmap(
        self,
        func: Callable[..., R],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        *,
        timeout: float | None = None,
        retries: int | None = None,
    ) -> list[R]:
        """As `map`, with the members of each item as arguments.

        Examples
        --------
        >>> with Pool(2) as pool:
        ...     pool.starmap(pow, [(2, 3), (3, 2)])
        [8, 9]
        """
        return self._map(func, tasks.call_star, iterable, chunksize, timeout, retries)

    def imap(
        self,
        func: Callable[[A], R],
        iterable: Iterable[A],
        chunksize: int | None = None,
        *,
        timeout: float | None = None,
        retries: int | None = None,
    ) -> Iterator[R]:
        """Results of a function for each item, in order, while they are computed.

        Items are pulled in the thread that asks for results, at most 64 ahead of it; where `chunksize` is given, at
        most two chunks per worker and one more.

        Examples
        --------
        >>> with Pool(2) as pool:
        ...     sum(pool.imap(abs, range(-3, 3)))
        9
        """
        return self._imap(func, iterable, chunksize, timeout, retries, ordered=True)

    def imap_unordered(
        self,
        func: Callable[[A], R],
        iterable: Iterable[A],
        chunksize: int | None = None,
        *,
        timeout: float | None = None,
        retries: int | None = None,
    ) -> Iterator[R]:
        """As `imap`, each result as soon as it is there.

        Examples
        --------
        >>> with Pool(2) as pool:
        ...     sorted(pool.imap_unordered(abs, [-2, -1]))
        [1, 2]
        """
        return self._imap(func, iterable, chunksize, timeout, retries, ordered=False)

    def _map(
        self,
        func: Callable[..., Any],
        do: Callable[..., None],
        iterable: Iterable[Any],
        chunksize: int | None,
        timeout: float | None,
        retries: int | None,
    ) -> list[Any]:
        job = self.job(func, do, iterable, chunksize, timeout, retries)
        if _in_worker():
            return [_value(each) for each in self._serially(job, iter(iterable))]
        with self._working():
            run = self._begin(job, iterable)
            values: list[Any] = []
            failed: BaseException | None = None
            try:
                for outcome in run:
                    ok, value = _settled(run, outcome, job.total if do is not tasks.call_with else None)
                    if not ok and failed is None:
                        failed = value
                    values.append(value)
            finally:
                run.close()
            if failed is not None:
                values.clear()
                try:
                    raise failed
                finally:
                    del failed
            return values

    def _imap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None,
        timeout: float | None,
        retries: int | None,
        *,
        ordered: bool,
    ) -> Iterator[Any]:
        ahead = max(AHEAD, 3 * self._wanted) if chunksize is None else chunksize * (2 * self._wanted + 1)
        job = self.job(func, tasks.call, iterable, chunksize, timeout, retries, ahead=ahead)
        if _in_worker():
            return map(_value, self._serially(job, iter(iterable)))
        from mpnb.results import ResultIterator

        with self.encoding:
            run = self._begin(job, iterable, ordered=ordered)
            results: ResultIterator[Any] = ResultIterator(run, job.total)
            self._iterators.add(results)
        run.prime(self._wanted)
        return results

    def job(
        self,
        func: Callable[..., Any],
        do: Callable[..., None],
        items: Iterable[Any],
        chunksize: int | None,
        timeout: float | None,
        retries: int | None,
        ahead: int | None = None,
    ) -> Job:
        """Describe calls that are to be made; raises what bad arguments raise."""
        from mpnb.calls import task_of

        self._check_open()
        callable_only(func, "func")
        if chunksize is not None:
            at_least(1, "chunksize", chunksize)
        timeout, retries = limits(
            self._timeout if timeout is None else timeout, self._retries if retries is None else retries
        )
        return Job(
            task_of(func, do, retries), nets=False, calls=True, total=len(items) if isinstance(items, Sized) else None,
            chunk=chunksize, ahead=ahead, timeout_s=timeout, retries=retries,
        )  # fmt: skip

    def _begin(self, job: Job, items: Iterable[Any], *, ordered: bool = True) -> JobRun:
        from mpnb.running import JobRun

        return JobRun(self, self._live(), job, iter(items), _ignore, ordered=ordered)

    @contextmanager
    def _working(self) -> Iterator[None]:
        self.enter()
        try:
            yield
        finally:
            self.leave()

    def enter(self) -> None:
        """Work has begun that must be done before the pool may end; PoolClosedError where it may not begin."""
        with self._idle:
            self._live()
            self._at_work += 1

    def leave(self) -> None:
        """Such work is done."""
        with self._idle:
            self._at_work -= 1
            if not self._at_work:
                self._idle.notify_all()
                if self._closing == "close" and not self._iterators:
                    self._let_go()

    # ------------------------------------------------------------ work in the background

    def apply_async(
        self,
        func: Callable[..., R],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
        *,
        timeout: float | None = None,
        retries: int | None = None,
    ) -> AsyncResult[R]:
        """Have a worker make one call; `get()` the value, or `await` it.

        Examples
        --------
        >>> with Pool(2) as pool:
        ...     result = pool.apply_async(pow, (2, 10))
        ...     result.get(timeout=10)
        1024
        """
        from mpnb.results import AsyncResult

        item = (tuple(args), dict(kwds or {}))
        job = self.job(func, tasks.call_with, [item], None, timeout, retries)
        result: AsyncResult[R] = AsyncResult(callback, error_callback)
        self.background(job, [item], 1, result.settle)
        return result

    def map_async(
        self,
        func: Callable[[A], R],
        iterable: Iterable[A],
        chunksize: int | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
        *,
        timeout: float | None = None,
        retries: int | None = None,
    ) -> MapResult[R]:
        """As `map`, without waiting for it.

        Examples
        --------
        >>> with Pool(2) as pool:
        ...     pool.map_async(abs, [-1, -2]).get(timeout=10)
        [1, 2]
        """
        return self._map_async(func, tasks.call, iterable, chunksize, (callback, error_callback), timeout, retries)

    def starmap_async(
        self,
        func: Callable[..., R],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
        *,
        timeout: float | None = None,
        retries: int | None = None,
    ) -> MapResult[R]:
        """As `starmap`, without waiting for it.

        Examples
        --------
        >>> with Pool(2) as pool:
        ...     pool.starmap_async(pow, [(2, 3)]).get(timeout=10)
        [8]
        """
        return self._map_async(func, tasks.call_star, iterable, chunksize, (callback, error_callback), timeout, retries)

    def _map_async(
        self,
        func: Callable[..., Any],
        do: Callable[..., None],
        iterable: Iterable[Any],
        chunksize: int | None,
        callbacks: tuple[Callback | None, Callback | None],
        timeout: float | None,
        retries: int | None,
    ) -> MapResult[Any]:
        from mpnb.results import MapResult

        items = list(iterable)
        job = self.job(func, do, items, chunksize, timeout, retries)
        result: MapResult[Any] = MapResult(len(items), *callbacks)
        self.background(job, items, chunksize or self.chunk_size(len(items)), result.settle)
        return result

    def chunk_size(self, count: int) -> int:
        """How many items go to a worker at a time, where nothing is known of how long they take."""
        return max(1, -(-count // (CHUNKS_EACH * self._wanted)))

    def background(
        self,
        job: Job,
        items: Sequence[object],
        size: int,
        take: Take,
        begin: Callable[[], bool] | None = None,
    ) -> Background | None:
        """Start a job that nobody waits for; `take` is told of each call, see `mpnb.results.Background`."""
        from mpnb.results import Background

        if _in_worker():
            if begin is None or begin():
                for index, settled in enumerate(self._serially(job, iter(items))):
                    take(index, list(settled))
            return None
        with self.encoding:
            self.enter()
            assert self._hands is not None
            under_way = Background(self, self._hands, self._collecting(), take, begin)
            under_way.start(job, items, size)
        return under_way

    # ------------------------------------------------------------ in a worker

    def _serially(self, job: Job, items: Iterator[Any]) -> Iterator[tuple[bool, Any]]:
        """Do the calls here, one by one: a pool used inside a worker starts no others."""
        if self._initial is not None and not self._initialized_here:
            self._initialized_here = True
            self._initial[0](*self._initial[1])
        for item in items:
            effects: list[tuple[Any, ...]] = []
            job.function(item, effects)
            effect = effects[-1]
            if effect[0] == tasks.VALUE:
                yield True, effect[1]
            else:
                yield False, effect[1] if isinstance(effect[1], BaseException) else MpnbError(effect[1])

    def _initial_parts(self) -> tuple[Part, ...] | None:
        """The initializer and its arguments, encoded."""
        if self._initial is None:
            return None
        from mpnb.calls import beginning

        return self.call_encoder(Job(beginning(*self._initial), nets=False, calls=True)).parts


def _value(settled: tuple[bool, Any]) -> Any:
    ok, value = settled
    if not ok:
        raise value
    return value


def _settled(run: JobRun, outcome: Any, total: int | None) -> tuple[bool, Any]:
    from mpnb.calls import CallEncoder, noted

    assert isinstance(run.encoder, CallEncoder)
    ok, value = run.encoder.settle(outcome)
    return ok, value if ok or total is None else noted(value, outcome.index, total)


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


def limits(timeout: float | None, retries: int) -> tuple[float | None, int]:
    """A task's limits, where they make sense."""
    if timeout is not None and not timeout > 0:
        msg = f"timeout must be more than 0 seconds, or None, was {timeout!r}"
        raise ValueError(msg)
    return timeout, at_least(0, "retries", retries)


_own: list[Pool] = []
_making = threading.Lock()


def notebook_pool() -> Pool:
    """The notebook's own pool, which stays between cells; `%%parallel` uses it, too."""
    if notebook.engine is None:
        with _making:
            if not _own:
                _own.append(Pool())
            made = _own[0]
            if notebook.engine is None:
                notebook.engine = lambda: made
    engine = notebook.engine()
    if not isinstance(engine, Pool):
        msg = f"the notebook's engine is a {type(engine).__name__}, which is no pool: make an mpnb.Pool()"
        raise MpnbError(msg)
    return engine


class _Room(ModuleType):
    """The room itself, which can be called: `mpnb.pool()` gives the notebook's own pool."""

    def __call__(self) -> Pool:
        """The notebook's own pool, which stays between cells; `%%parallel` uses it, too.

        Examples
        --------
        >>> import mpnb
        >>> mpnb.pool().map(abs, [-1, -2])
        [1, 2]
        """
        return notebook_pool()


sys.modules[__name__].__class__ = _Room
