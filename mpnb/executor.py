"""`Executor`: the pool with the interface of `concurrent.futures`. Its futures are that library's own."""

from __future__ import annotations

import atexit
import concurrent.futures
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, InvalidStateError
from concurrent.futures.process import BrokenProcessPool
from queue import Empty
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from mpnb import tasks
from mpnb.errors import PoolBrokenError
from mpnb.mailbox import Mailbox
from mpnb.pool import Pool

if TYPE_CHECKING:
    from mpnb.results import Background, Settled

P = ParamSpec("P")
R = TypeVar("R")


class Executor(concurrent.futures.Executor):
    """A pool of worker processes for `submit` and `map`; takes functions defined in this notebook.

    A task that ends its worker fails alone, with a WorkerDiedError: the executor is not broken by it.
    BrokenProcessPool is for workers that can't start.

    Parameters
    ----------
    max_workers
        How many workers; by default as many as there are cores for this process.
    mp_context
        There to be accepted: workers are always forked from a process that has neither threads nor the notebook's data.
    initializer, initargs, max_tasks_per_child, timeout, retries
        As for `mpnb.Pool`, where `max_tasks_per_child` is `maxtasksperchild`.

    Examples
    --------
    >>> with Executor(2) as executor:
    ...     executor.submit(pow, 2, 10).result()
    1024
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: object = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        *,
        max_tasks_per_child: int | None = None,
        timeout: float | None = None,
        retries: int = 0,
    ) -> None:
        if max_workers is not None and max_workers < 1:
            msg = f"max_workers must be greater than 0, was {max_workers}"
            raise ValueError(msg)
        self._pool = Pool(
            max_workers, initializer, initargs, max_tasks_per_child, mp_context, timeout=timeout, retries=retries
        )
        self._lock = threading.Lock()
        self._down = False
        self._submitted: weakref.WeakSet[Future[Any]] = weakref.WeakSet()
        self._mapped: weakref.WeakSet[Background] = weakref.WeakSet()
        _open.add(self)

    @property
    def pool(self) -> Pool:
        """The pool behind it, which can be resized."""
        return self._pool

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Have a worker call `fn(*args, **kwargs)`; a future of the value.

        Examples
        --------
        >>> with Executor(2) as executor:
        ...     executor.submit(int, "11", base=2).result()
        3
        """
        call: _Call[R] = _Call()
        with self._lock:
            self._check_open()
            item = (args, kwargs)
            job = self._pool.job(fn, tasks.call_with, [item], None, None, None)
            call.background = self._pool.background(job, [item], 1, call.take, call.begin)
            self._submitted.add(call.future)
        call.future.add_done_callback(call.withdraw_if_cancelled)
        return call.future

    def map(
        self,
        fn: Callable[..., R],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | None = None,
    ) -> Iterator[R]:
        """Results of `fn` for the items of the iterables, in order; all work is handed out at once.

        Parameters
        ----------
        fn
            Called with an item of each iterable.
        *iterables
            Gone through before this returns.
        timeout
            Seconds from now, after which asking for a result that is not there raises TimeoutError.
        chunksize
            How many items go to a worker at a time; by default a quarter of each worker's share.

        Examples
        --------
        >>> with Executor(2) as executor:
        ...     list(executor.map(pow, [2, 3], [3, 2]))
        [8, 9]
        """
        end = None if timeout is None else time.perf_counter() + timeout
        items = list(zip(*iterables, strict=False))
        arrived: Mailbox[tuple[int, Settled]] = Mailbox()
        with self._lock:
            self._check_open()
            job = self._pool.job(fn, tasks.call_star, items, chunksize, None, None)
            size = chunksize or self._pool.chunk_size(len(items))
            under_way = self._pool.background(job, items, size, lambda *each: arrived.put(each))
            if under_way is not None:
                self._mapped.add(under_way)
        return _in_order(arrived, len(items), end, under_way)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work, and end the workers when all is done.

        Parameters
        ----------
        wait
            Whether to return only then.
        cancel_futures
            Whether to cancel what has not begun.
        """
        with self._lock:
            self._down = True
        if cancel_futures:
            for future in list(self._submitted):
                future.cancel()
            for under_way in list(self._mapped):
                under_way.cancel()
        self._pool.close()
        if wait:
            self._pool.join()

    def _check_open(self) -> None:
        if self._down:
            msg = "cannot schedule new futures after shutdown: make a new Executor"
            raise RuntimeError(msg)

    def __repr__(self) -> str:
        return f"<Executor, {self._pool!r}>"


class _Call(Generic[R]):
    """A future, and the job that it is of."""

    def __init__(self) -> None:
        self.future: Future[R] = Future()
        self.background: Background | None = None
        self._begun = False

    def begin(self) -> bool:
        """Say that a worker is about to get it; False where it has been cancelled."""
        if not self._begun:  # where a worker died, it goes to another
            self._begun = self.future.set_running_or_notify_cancel()
        return self._begun

    def take(self, _index: int, settled: Settled) -> None:
        """Take in how it ended."""
        self.background = None
        ok, value = settled
        try:
            if ok:
                self.future.set_result(value)
            else:
                self.future.set_exception(_broken(value))
        except InvalidStateError:  # cancelled, after all, before it had begun
            settled.clear()

    def withdraw_if_cancelled(self, future: Future[R]) -> None:
        """Give up what nobody wants any more."""
        if future.cancelled() and self.background is not None:
            self.background.withdraw()


def _broken(error: BaseException) -> BaseException:
    if not isinstance(error, PoolBrokenError):
        return error
    broken = BrokenProcessPool(str(error))
    broken.__cause__ = error
    return broken


def _in_order(
    arrived: Mailbox[tuple[int, Settled]], count: int, end: float | None, under_way: Background | None
) -> Iterator[Any]:
    """Yield values in the order of their items, and keep none that was yielded."""
    early: dict[int, Settled] = {}
    try:
        for wanted in range(count):
            while wanted not in early:
                left = None if end is None else max(0.0, end - time.perf_counter())
                try:
                    index, settled = arrived.get(timeout=left)
                except Empty:
                    msg = f"result {wanted + 1:,} of {count:,} is not there"
                    raise TimeoutError(msg) from None
                early[index] = settled
                del settled
            yield _emptied(early.pop(wanted))
    finally:
        if under_way is not None:
            under_way.cancel()


def _emptied(settled: Settled) -> Any:
    ok, value = settled
    settled.clear()
    if not ok:
        raise _broken(value)
    return value


_open: weakref.WeakSet[Executor] = weakref.WeakSet()
# What weakref ends at exit, pools among it, must end after this: what is registered first is done last.
weakref.finalize(Future(), time.perf_counter).detach()


@atexit.register
def _finish_all() -> None:
    """Do what was submitted before the process ends, as `concurrent.futures` does."""
    for executor in list(_open):
        executor.shutdown()
