"""Joblib's door: `Parallel(n_jobs=…)`, and so scikit-learn's `n_jobs`, on the notebook's own pool.

A batch of joblib's is one call of the pool. Arrays from a megabyte on are put where all workers map them, once for a
`Parallel` call, read-only there as joblib's own backends have them.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

from mpnb import tasks
from mpnb.arrays import shared
from mpnb.errors import MissingLibraryError
from mpnb.pool import Pool, notebook_pool
from mpnb.workforce import in_worker

if TYPE_CHECKING:
    from mpnb.results import Background, Settled

NAME: Final = "mpnb"
SHARED_NBYTES: Final = 1 << 20  # as joblib's max_nbytes


def run_batch(batch: Callable[[], list[Any]]) -> list[Any]:
    """Make the calls of a batch; in a worker."""
    return batch()


class _Batch:
    """A batch on its way, and the future that joblib waits for."""

    def __init__(self) -> None:
        self.future: Future[list[Any]] = Future()
        self.background: Background | None = None

    def take(self, _index: int, settled: Settled) -> None:
        ok, value = settled
        if self.future.done():
            return
        if ok:
            self.future.set_result(value)
        else:
            self.future.set_exception(value)


class _Shared:
    """The big arrays of one `Parallel` call, and what workers get in their place."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Any]] = {}

    def replaced(self, value: Any) -> Any:
        """The same, with big arrays in shared memory, also where they are in a plain list, tuple or dict."""
        kind = type(value)
        if kind in {list, tuple}:
            new = [self.replaced(each) for each in value]
            return value if all(map(_is, new, value)) else kind(new)
        if kind is dict:
            found = {key: self.replaced(each) for key, each in value.items()}
            return value if all(found[key] is value[key] for key in value) else found
        if kind.__module__ != "numpy" or kind.__name__ != "ndarray":
            return value
        if value.nbytes < SHARED_NBYTES or value.dtype.hasobject:
            return value
        if id(value) not in self._known:
            self._known[id(value)] = value, shared(value)
        return self._known[id(value)][1]


def _is(one: object, other: object) -> bool:
    return one is other


def _backend() -> Any:
    """The backend's class; made when it is asked for, because what it is derived from is joblib's."""
    try:
        from joblib._parallel_backends import (  # the only home of what every backend is derived from
            AutoBatchingMixin,
            FallbackToBackend,
            ParallelBackendBase,
            SequentialBackend,
        )
    except ImportError:
        raise MissingLibraryError('register_joblib() needs joblib: pip install "mpnb[joblib]"') from None

    class MpnbBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
        """What joblib asks of a backend."""

        supports_retrieve_callback = True
        supports_sharedmem = False
        uses_threads = False
        default_n_jobs = -1

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self._pool: Pool | None = None
            self._under_way: set[_Batch] = set()
            self._shared = _Shared()

        def effective_n_jobs(self, n_jobs: int | None) -> int:
            """How many of the pool's workers have work at a time."""
            if n_jobs == 0:
                raise ValueError("n_jobs == 0 in Parallel has no meaning")
            if in_worker() or (self.nesting_level or 0) > 0:
                return 1
            workers = notebook_pool().workers
            if n_jobs is None:
                return workers
            return max(1, workers + 1 + n_jobs) if n_jobs < 0 else min(n_jobs, workers)

        def configure(self, n_jobs: int = 1, parallel: Any = None, **_options: Any) -> int:
            """Begin a `Parallel` call."""
            n_jobs = self.effective_n_jobs(n_jobs)
            if n_jobs == 1:
                raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
            self.parallel = parallel
            self._pool = notebook_pool()
            self._pool.start()
            return n_jobs

        def submit(self, func: Any, callback: Callable[[Future[list[Any]]], None] | None = None) -> Any:
            """Have a batch run; a future of its list of results."""
            assert self._pool is not None
            func.items = self._shared.replaced(func.items)
            batch = _Batch()
            item: tuple[tuple[Any], dict[str, Any]] = ((func,), {})
            self._under_way.add(batch)
            batch.future.add_done_callback(lambda _: self._under_way.discard(batch))
            job = self._pool.job(run_batch, tasks.call_with, [item], None, None, None)
            batch.background = self._pool.background(job, [item], 1, batch.take)
            if callback is not None:
                batch.future.add_done_callback(callback)
            return batch.future

        def retrieve_result_callback(self, future: Future[list[Any]]) -> list[Any]:
            """What a batch gave, or raises."""
            return future.result()

        def abort_everything(self, ensure_ready: bool = True) -> None:
            """End what is under way; the pool stays."""
            del ensure_ready
            for batch in list(self._under_way):
                if batch.background is not None:
                    batch.background.cancel()
            self._shared = _Shared()

        def terminate(self) -> None:
            """End a `Parallel` call."""
            self._shared = _Shared()
            self.reset_batch_stats()

        def get_nested_backend(self) -> tuple[Any, None]:
            """Inside a worker everything runs there."""
            return SequentialBackend(nesting_level=(self.nesting_level or 0) + 1), None

    return MpnbBackend


def register() -> None:
    """See `mpnb.register_joblib`."""
    backend = _backend()
    from joblib import register_parallel_backend

    register_parallel_backend(NAME, backend)
