"""`mpnb.pool()` is the notebook's own pool, the one that `%%parallel` uses; `Pool` is what it is made of.

`Pool` has the methods of `multiprocessing.Pool`:

map, starmap, apply, imap ─► running.JobRun       the caller waits, pulls, encodes and decodes
apply_async, map_async … ──► results.Background   nobody waits: the collector thread takes in what comes
└── both by one I/O thread (hands) that has one socket pair per worker
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from mpnb import events, tasks
from mpnb.engine import Job, notebook
from mpnb.errors import MpnbError
from mpnb.workforce import Workforce, at_least, callable_only, in_worker

if TYPE_CHECKING:
    from mpnb.calls import CallEncoder, Kept
    from mpnb.loans import Lender
    from mpnb.results import AsyncResult, Background, MapResult, ResultIterator, Take
    from mpnb.running import JobRun

AHEAD: Final = 64  # items that imap pulls ahead of its consumer
FEW: Final = 1000  # items that are looked at in the time of a few calls
_PLAIN: Final = frozenset({int, float, complex, bool, str, bytes, type(None)})
CHUNKS_EACH: Final = 4  # chunks per worker that a map in the background begins with, as multiprocessing's

A = TypeVar("A")
R = TypeVar("R")
Callback = Callable[[Any], object]


def _are_few_and_plain(items: object) -> bool:
    """Whether it can be told at once that an encoder that has served before will do."""
    if not isinstance(items, list | tuple):
        return type(items) is range
    return len(items) <= FEW and _PLAIN.issuperset(map(type, items))


def _ignore(_event: events.Event) -> None:
    """A listener that does not listen."""


class Pool(Workforce):
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
        tasks_each: Any = maxtasksperchild
        if tasks_each is not None and not (isinstance(tasks_each, int) and tasks_each > 0):
            msg = f"maxtasksperchild must be 1 or more, or None, was {maxtasksperchild!r}"
            raise ValueError(msg)
        if initializer is not None:
            callable_only(initializer, "initializer")
        initial = None if initializer is None else (initializer, tuple(initargs))
        super().__init__(processes, initial, maxtasksperchild)
        self._timeout, self._retries = limits(timeout, retries)
        self._initialized_here = False
        self._lends = maxtasksperchild is None and self._timeout is None and not self._retries
        self._lender: Lender | None = None
        self._kept: Kept | None = None

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
        __tracebackhide__ = True
        item = (tuple(args), dict(kwds or {}))
        if timeout is None and not retries and self._lends and not in_worker():
            settled = self._call_at_once(func, item)
            if settled is not None:
                return _value(settled)  # type: ignore[no-any-return]
        value: R = self._map(func, tasks.call_with, [item], None, timeout, retries)[0]
        return value

    def _call_at_once(self, func: Any, item: tuple[tuple[Any, ...], dict[str, Any]]) -> tuple[bool, Any] | None:
        """Whether a call succeeded, and its value or exception; None where it was not begun, and goes the usual way."""
        hands = self._live()
        if self._lender is None:
            from mpnb.loans import Lender

            self._lender = Lender()
        settled = self._lender.call(self, hands, func, item)
        if self._closing is not None and self._lender.loan is not None:
            self.leave(self._lender.loan)
        return settled

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
        __tracebackhide__ = True
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
        __tracebackhide__ = True
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
        __tracebackhide__ = True
        job = self.job(func, do, iterable, chunksize, timeout, retries)
        if in_worker():
            return [_value(each) for each in self._serially(job, iter(iterable))]
        run = self._begin(job, iterable)
        values: list[Any] = []
        run.bulk = values
        failed: BaseException | None = None
        try:
            self.enter(run)
            for outcome in run:
                ok, value = _settled(run, outcome, job.total if do is not tasks.call_with else None)
                if not ok and failed is None:
                    failed = value
                values.append(value)
        finally:
            run.close()
            self.leave(run)
        if failed is not None:
            values.clear()
            held, failed = [failed], None
            _throw(held)
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
        if in_worker():
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
        from mpnb.calls import Kept, task_of
        from mpnb.steady import watch

        self._check_open()
        callable_only(func, "func")
        if chunksize is not None:
            at_least(1, "chunksize", chunksize)
        timeout, retries = limits(
            self._timeout if timeout is None else timeout, self._retries if retries is None else retries
        )
        kept = self._kept
        if kept is None or not kept.serves(func, do, retries):
            task, watched = task_of(func, do, retries), watch(func)
            kept = self._kept = None if watched is None else Kept(watched, do, retries, task)
        else:
            task, watched = kept.task, kept.watch
        return Job(
            task, nets=False, calls=True, total=len(items) if isinstance(items, Sized) else None,
            chunk=chunksize, ahead=ahead, timeout_s=timeout, retries=retries,
            steady=None if watched is None else watched.holds,
        )  # fmt: skip

    def kept_encoder(self, job: Job) -> CallEncoder:
        """As `call_encoder`, for plain items alone; for a steady function it is made once and serves again."""
        kept = self._kept
        if kept is None or kept.task is not job.function:
            return self.call_encoder(job)
        if kept.encoder is not None and kept.watch.holds():
            return kept.encoder
        made = self.call_encoder(job)
        if kept.watch.holds() and not any(part.frame.blocks for part in made.parts):  # memory is not kept for it
            kept.encoder = made
        return made

    def _begin(self, job: Job, items: Iterable[Any], *, ordered: bool = True) -> JobRun:
        from mpnb.running import JobRun

        exact = type(items) in {list, tuple, range}  # of which the length is what is in it
        with self.encoding:
            encoder = self.kept_encoder(job) if _are_few_and_plain(items) else None
        return JobRun(
            self, self._live(), job, iter(items), _ignore, ordered=ordered, exact=exact, encoder=encoder
        )  # fmt: skip

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

        if in_worker():
            if begin is None or begin():
                for index, settled in enumerate(self._serially(job, iter(items))):
                    take(index, list(settled))
            return None
        with self.encoding:
            under_way = Background(self, self._live(), self._collecting(), take, begin)
            self.enter(under_way)
            try:
                under_way.start(job, items, size)
            except BaseException:  # an interrupt: nobody will ever hold the result
                under_way.withdraw()
                raise
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


def _value(settled: tuple[bool, Any]) -> Any:
    __tracebackhide__ = True
    ok, value = settled
    if not ok:
        held, settled, value = [value], (False, None), None
        _throw(held)
    return value


def _throw(held: list[BaseException]) -> NoReturn:
    from mpnb.calls import throw

    __tracebackhide__ = True
    throw(held)


def _settled(run: JobRun, outcome: Any, total: int | None) -> tuple[bool, Any]:
    from mpnb.calls import CallEncoder, noted

    assert isinstance(run.encoder, CallEncoder)
    ok, value = run.encoder.settle(outcome)
    return ok, value if ok or total is None else noted(value, outcome.index, total)


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
