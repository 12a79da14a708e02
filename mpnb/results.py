"""What `Pool` gives back before the work is done: handles for calls that run in the background, and iterators.

    apply_async, map_async, submit …  ─► Background ─► I/O thread ─► workers
    AsyncResult, Future ◄─ collector thread ◄─ outcomes ◄─┘

Nobody waits for a background job, so a thread of its own, the collector, decodes what comes of it, shows what it
printed, and calls the callbacks. One per pool, started with the first such job.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError, Future, wait
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from mpnb import scheduler
from mpnb.calls import CallEncoder, noted, plain_frame, throw
from mpnb.engine import Job, Outcome
from mpnb.errors import CodecError, MpnbError
from mpnb.hands import Hands, OpenJob
from mpnb.jobs import ItemsMemo
from mpnb.running import DeadlinePassed, JobRun, next_chunk, next_job, opened

T = TypeVar("T")
Settled = list[Any]  # whether a call succeeded, and its value or exception; who has taken it in empties it
Take = Callable[[int, Settled], object]
Callback = Callable[[Any], object]

_log = logging.getLogger("mpnb")


class Owner(Protocol):
    """What a background job asks of its pool."""

    encoding: threading.RLock

    def call_encoder(self, job: Job) -> CallEncoder:
        """What turns the job's names and arguments into frames."""
        ...

    def kept_encoder(self, job: Job) -> CallEncoder:
        """As `call_encoder`, where all arguments are plain values."""
        ...

    def leave(self, work: Background) -> None:
        """A background job is over."""
        ...


class Collector:
    """The thread that takes in what comes for background jobs; it keeps no pool alive."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[tuple[Background, tuple[Any, ...]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, if that was not done."""
        if self._thread is None:
            self._thread = threading.Thread(target=_collect, args=(self.queue,), name="mpnb results", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread when it has taken in what there is."""
        self.queue.put(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(5)


def _collect(queue: SimpleQueue[tuple[Background, tuple[Any, ...]] | None]) -> None:
    while (entry := queue.get()) is not None:
        try:
            entry[0].hear(entry[1])
        except Exception:  # the other jobs go on
            _log.exception("what came of a background job could not be taken in")
        del entry  # while it waits it holds nothing that belongs to a task


class Background:
    """A job that nobody waits for.

    Parameters
    ----------
    pool, hands, collector
        Whose job it is, and who carries it out.
    take
        Told in the collector's thread, for each call as it ends: its index, and what became of it.
    begin
        Asked before a worker gets it; False where it has been cancelled.
    """

    def __init__(
        self,
        pool: Owner,
        hands: Hands,
        collector: Collector,
        take: Take,
        begin: Callable[[], bool] | None = None,
    ) -> None:
        self._pool: Owner | None = pool  # keeps its processes alive until the job is over
        self._hands = hands
        self._collector = collector
        self._take: Take | None = take
        self._begin = begin
        self._number = next_job()
        self._encoder: CallEncoder | None = None
        self._memos: dict[int, ItemsMemo] = {}
        self._missing: dict[int, None] = {}
        self._total = 0
        self._context = contextvars.copy_context()  # which cell its prints belong to

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is to be done any more."""
        return self._pool is None

    def start(self, job: Job, items: Sequence[object], size: int) -> None:
        """Encode everything and send it off; what can't be encoded is told to `take`, in this thread."""
        pool = self._pool
        assert pool is not None
        self._total = len(items)
        self._missing = dict.fromkeys(range(len(items)))
        try:
            parts = [items[start : start + size] for start in range(0, len(items), size)]
            plain = [frame for part in parts if (frame := plain_frame(part)) is not None]
            with pool.encoding:
                if len(plain) == len(parts):
                    encoder = self._encoder = pool.kept_encoder(job)
                    chunks = [(frame, ItemsMemo([])) for frame in plain]
                else:
                    encoder = self._encoder = pool.call_encoder(job)
                    chunks = [encoder.encode_items(part) for part in parts]
        except Exception as error:
            self._fail(error)
            return
        if not items:
            self._over()
            return
        queue = self._hands.queue
        mine = OpenJob(
            self._number, encoder.parts, nets=False, mail=self, calls=True, begin=self._begin, timeout_s=job.timeout_s,
            steady=job.steady is not None and job.steady(),
        )  # fmt: skip
        queue("open", mine, opened(self._number, job))
        at, first = time.perf_counter(), 0
        for frame, memo in chunks:
            chunk, count = next_chunk(), min(size, len(items) - first)
            self._memos[chunk] = memo
            queued = scheduler.ChunkQueued(
                at=at, job=self._number, chunk=chunk, first=first, count=count, nbytes=frame.nbytes
            )
            queue("chunk", self._number, frame, queued)
            first += count
        self._hands.post(scheduler.ItemsEnded(at=at, job=self._number))

    def put(self, item: tuple[Any, ...]) -> None:
        """Take in a message from the I/O thread."""
        if item[0] in {"batch", "lost", "failed"}:
            self._collector.queue.put((self, item))

    def hear(self, item: tuple[Any, ...]) -> None:
        """Do what a message calls for; in the collector's thread."""
        if self._take is None:  # it is over
            return
        match item:
            case ("batch", event, frame, _):
                for outcome in self._decode(event.chunk, event.first, event.count, frame):
                    self._settle(outcome)
            case ("lost", index, error):
                self._settle(Outcome(index, [], "died", error))
            case ("failed", error):
                self._fail(error)
            case ("withdrawn",):
                self._missing = {}
        if not self._missing:
            self._over()

    def cancel(self) -> None:
        """Stop it, whatever it is doing; calls that have not ended give CancelledError."""
        self._collector.queue.put((self, ("failed", CancelledError())))

    def withdraw(self) -> None:
        """Drop it before it was begun; nobody is told."""
        self._collector.queue.put((self, ("withdrawn",)))

    def _decode(self, chunk: int, first: int, count: int, frame: Any) -> Iterator[Outcome]:
        assert self._encoder is not None
        if not count:
            return
        try:
            decoded = self._encoder.decode_effects(frame, self._memos[chunk])
        except Exception as error:  # of a class of the user's, that does not load what it gave to be pickled
            failure = CodecError("result", f"not loaded in the notebook ({type(error).__name__}: {error})")
            yield from (Outcome(index, [], "unsendable", failure) for index in range(first, first + count))
            return
        yield from (Outcome(index, effects) for index, effects in enumerate(decoded, first))

    def _settle(self, outcome: Outcome) -> None:
        assert self._encoder is not None
        settled = list(self._context.run(self._encoder.settle, outcome))
        outcome.effects.clear()  # whoever takes the value has it alone, and may let it go before this returns
        self._tell(outcome.index, settled)

    def _fail(self, error: Exception) -> None:
        for index in list(self._missing):
            self._tell(index, [False, error])
        self._over()

    def _tell(self, index: int, settled: Settled) -> None:
        take = self._take
        if take is not None and index in self._missing:
            del self._missing[index]
            if not settled[0] and self._total > 1:
                noted(settled[1], index, self._total)
            self._context.run(take, index, settled)

    def _over(self) -> None:
        pool, self._pool, self._take, self._begin = self._pool, None, None, None
        self._encoder, self._memos = None, {}
        if pool is not None:
            self._hands.post(scheduler.JobClosed(at=time.perf_counter(), job=self._number))
            pool.leave(self)


def told(callback: Callback | None, value: Any) -> None:
    """Call a callback; what it raises is logged, for there is nobody to catch it."""
    if callback is not None:
        try:
            callback(value)
        except Exception:
            _log.exception("a callback of an asynchronous result failed: %r", callback)


class ResultTimeoutError(multiprocessing.TimeoutError, TimeoutError):
    """A result was not there in time; multiprocessing's error, and Python's own that most people catch."""


class AsyncResult(Generic[T]):
    """What becomes of a call that runs in the background; `await` it, or `get()` its value."""

    def __init__(self, callback: Callback | None = None, error_callback: Callback | None = None) -> None:
        self._callbacks = (callback, error_callback)
        self._future: Future[T] = Future()
        self._future.set_running_or_notify_cancel()  # nobody who awaits it may cancel it for the others

    def get(self, timeout: float | None = None) -> T:
        """Wait for the value, or raise what the call raised; multiprocessing.TimeoutError after `timeout` seconds."""
        __tracebackhide__ = True
        self.wait(timeout)
        if not self._future.done():
            msg = f"no result after {timeout} s: wait longer, or ask ready()"
            raise ResultTimeoutError(msg)
        if (error := self._future.exception()) is not None:
            held, error = [error], None
            throw(held)
        return self._future.result()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the call has ended, or for `timeout` seconds."""
        wait((self._future,), timeout)

    def ready(self) -> bool:
        """Whether the call has ended."""
        return self._future.done()

    def successful(self) -> bool:
        """Whether it ended without an exception; ValueError while it has not ended."""
        if not self._future.done():
            msg = f"{self!r} is not ready: wait() for it"
            raise ValueError(msg)
        return self._future.exception() is None

    def __await__(self) -> Generator[Any, None, T]:
        return asyncio.wrap_future(self._future).__await__()

    def settle(self, _index: int, settled: Settled) -> None:
        """Take in how the call ended."""
        ok, value = settled
        callback, error_callback = self._callbacks
        self._callbacks = (None, None)
        told(callback if ok else error_callback, value)
        if ok:
            self._future.set_result(value)
        else:
            self._future.set_exception(value)


class MapResult(AsyncResult[list[T]]):
    """What becomes of many calls: the list of their values, or the first of their exceptions, when all have ended."""

    def __init__(self, total: int, callback: Callback | None = None, error_callback: Callback | None = None) -> None:
        super().__init__(callback, error_callback)
        self._values: list[Any] = [None] * total
        self._failed: dict[int, BaseException] = {}
        self._left = total
        if not total:
            super().settle(0, [True, []])

    def settle(self, index: int, settled: Settled) -> None:
        """Take in how one of the calls ended."""
        ok, value = settled
        if ok:
            self._values[index] = value
        else:
            self._failed[index] = value
        self._left -= 1
        if not self._left:
            values, self._values = self._values, []
            failed, self._failed = self._failed, {}
            if failed:
                super().settle(0, [False, failed[min(failed)]])
            else:
                super().settle(0, [True, values])


class ResultIterator(Generic[T]):
    """Results of `imap`, while they are computed; after an exception the next results follow."""

    def __init__(self, run: JobRun, total: int | None) -> None:
        self._run = run
        self._total = total
        self._kept: deque[tuple[bool, Any]] = deque()
        self._lock = threading.RLock()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        __tracebackhide__ = True
        return self.next()

    def next(self, timeout: float | None = None) -> T:
        """The next result; multiprocessing.TimeoutError where it takes longer than `timeout` seconds."""
        __tracebackhide__ = True
        with self._lock:
            ok, value = self._kept.popleft() if self._kept else self._wait(timeout)
        if not ok:
            held, value = [value], None
            throw(held)
        result: T = value
        return result

    def _wait(self, timeout: float | None) -> tuple[bool, Any]:
        self._run.deadline = None if timeout is None else time.perf_counter() + timeout
        try:
            outcome = next(self._run)
        except DeadlinePassed:
            msg = f"no result after {timeout} s: wait longer"
            raise ResultTimeoutError(msg) from None
        return self._settled(outcome)

    def _settled(self, outcome: Outcome) -> tuple[bool, Any]:
        encoder = self._run.encoder
        assert isinstance(encoder, CallEncoder)
        ok, value = encoder.settle(outcome)
        return ok, value if ok else noted(value, outcome.index, self._total)

    def drain(self) -> None:
        """Have all of it done and kept: the pool is about to end, and somebody may still ask for the results."""
        with self._lock:
            try:
                self._run.deadline = None
                for outcome in self._run:
                    self._kept.append(self._settled(outcome))
            except MpnbError as error:
                self._kept.append((False, error))
            except Exception as error:  # the iterable's own
                self._kept.append((False, error))

    def close(self) -> None:
        """Cancel what is left."""
        self._run.close()
