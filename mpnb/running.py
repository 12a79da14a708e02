"""A job under way in the pool, as its caller sees it: items in, outcomes out, in the thread that asks for them.

The calling thread pulls items, encodes them, decodes what comes back, and waits; `hands` does the rest.
"""

from __future__ import annotations

import itertools
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator
from queue import Empty
from typing import TYPE_CHECKING, Any, Final, Protocol

from mpnb import events, scheduler
from mpnb.engine import Effects, Job, Outcome, Tell
from mpnb.errors import CodecError
from mpnb.frames import Frame
from mpnb.hands import GRACE_S, Mail, OpenJob

if TYPE_CHECKING:
    from mpnb.jobs import ItemsMemo, JobEncoder

TICK_S: Final = 0.05  # an interrupt is seen within it; with the grace of close() that is 0.15 s
WAKE_S: Final = 0.0005  # a switch of threads for what was pulled takes up to half of it
PULL_S: Final = 0.02  # an iterable that takes long to give its items is left alone after so long


def _now() -> float:
    return time.perf_counter()


_chunks = itertools.count()
_jobs = itertools.count()


def next_job() -> int:
    """A number for a job, which no other has."""
    return next(_jobs)


def next_chunk() -> int:
    """A number for a chunk, which no other has."""
    return next(_chunks)


class DeadlinePassed(Exception):
    """The caller's own limit for one wait is over; the job goes on."""


class Owner(Protocol):
    """What a job asks of its pool."""

    #: Held while something is encoded: what is remembered between jobs is for one thread at a time.
    encoding: threading.RLock

    @property
    def workers(self) -> int:
        """How many workers it has, or is about to have."""
        ...

    def encoder(self, job: Job) -> JobEncoder:
        """What turns the job's names and items into frames."""
        ...


class Carrier(Protocol):
    """Who carries a job out, in a thread of its own: the pool's hands, or those of another engine."""

    def queue(self, *item: Any) -> None:
        """As `post`, but it need not be looked at before the next `wake`."""
        ...

    def post(self, *item: Any) -> None:
        """Tell of an event of the scheduler, or a word with what belongs to it."""
        ...

    def wake(self) -> None:
        """Have it look at what is queued."""
        ...


def opened(
    number: int, job: Job, workers: int | None = None, *, loan: bool = False, eager: bool = False
) -> scheduler.JobOpened:
    """Tell the scheduler of a job."""
    return scheduler.JobOpened(
        at=time.perf_counter(), job=number, first=job.first, workers=workers, total=job.total,
        expected_s=job.expected_s, chunk=job.chunk, ahead=job.ahead, timeout_s=job.timeout_s, retries=job.retries,
        loan=loan, eager=eager,
    )  # fmt: skip


class JobRun:
    """A job under way in the pool.

    Parameters
    ----------
    pool, hands
        Whose job it is, and who carries it out.
    job, items, tell, workers
        As for `mpnb.engine.Engine.run`.
    ordered
        Whether outcomes come in the order of their items, or as they arrive.
    exact
        Whether there are as many items as the job says; where they are few, all are handed out at once.
    encoder
        The job's, where there is one already.
    """

    def __init__(
        self,
        pool: Owner,
        hands: Carrier,
        job: Job,
        items: Iterator[object],
        tell: Tell,
        workers: int | None = None,
        *,
        ordered: bool = True,
        exact: bool = False,
        encoder: JobEncoder | None = None,
    ) -> None:
        self._closed = True  # until the hands know of it
        self._pool = pool  # keeps its processes alive
        self._hands = hands
        self._ordered = ordered
        self._exact = exact
        #: Takes plain values of calls that come in order, in the place of outcomes of which each is looked at.
        self.bulk: list[Any] | None = None
        self.deadline: float | None = None  # when `next()` raises DeadlinePassed, where there is a limit
        self._job = job
        self._items = items
        self._tell = tell
        self._mail: Mail = Mail()
        self._number = next_job()
        self._next = job.first  # the iteration to be yielded next
        self._pulled = job.first
        self._want = 0
        self._ended = False  # no more items are pulled
        self._over = False  # no more outcomes are yielded
        self._item_error: BaseException | None = None
        self._failure: Exception | None = None
        self._released = False  # no worker has anything of it
        self._ready: deque[Outcome] = deque()
        self._arrived: dict[int, tuple[events.BatchFinished, Frame]] = {}
        self._special: dict[int, Outcome] = {}  # those that did not finish
        self._finished: list[Outcome] = []  # when it was closed
        self._memos: dict[int, ItemsMemo] = {}
        self._left: dict[int, int] = {}  # chunk -> iterations that are still to be decoded
        self._ticked_at = _now()
        began = _now()
        with pool.encoding:
            self.encoder = pool.encoder(job) if encoder is None else encoder
        at = _now()
        open_job = OpenJob(
            self._number,
            self.encoder.parts,
            job.nets,
            self._mail,
            calls=job.calls,
            files=job.files,
            timeout_s=job.timeout_s,
            steady=job.steady is not None and job.steady(),
        )
        eager = self._eager = exact and job.calls and bool(job.total) and job.ahead is None
        event = opened(self._number, job, workers, eager=eager)
        self._closed = False
        hands.queue("open", open_job, event)
        if job.total and (eager or (exact and job.total <= pool.workers)):
            self.prime(min(job.total, pool.workers), scheduler.first_size(job.total, pool.workers))
        else:
            hands.wake()
        nbytes = sum(part.frame.nbytes for part in self.encoder.parts)
        used = pool.workers if workers is None else min(workers, pool.workers)
        tell(events.JobStarted(at=at, site=job.site, workers=used, encode_s=at - began, nbytes=nbytes))

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is to be done any more."""
        return self._closed

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
                self._hands.wake()
            if self._ready or self._decode_next():
                return self._take()
            if self._special and (special := self._special_next()) is not None:
                outcome = self._special.pop(special)
                self._next += 1
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

    def _special_next(self) -> int | None:
        if not self._ordered:
            return next(iter(self._special))
        return self._next if self._next in self._special else None

    def _take(self) -> Outcome:
        outcome = self._ready.popleft()
        self._next += 1
        if not self._ready:
            self._say_taken()
        return outcome

    def _say_taken(self) -> None:
        if self._eager or (self._ended and self._next == self._pulled):
            return  # nobody waits for that; or that it is closed says as much
        self._hands.post(scheduler.OutcomesTaken(at=_now(), job=self._number, stop=self._next))

    def _read_mail(self, *, wait: bool) -> None:
        """Take in all that has come; with `wait`, until something has, or it is time for a tick."""
        now = _now()
        if now - self._ticked_at >= TICK_S:
            self._ticked_at = now
            self._tell(events.Ticked(at=now))
        try:
            if wait:
                left = self._ticked_at + TICK_S - now
                if self.deadline is not None:
                    if now >= self.deadline:
                        raise DeadlinePassed
                    left = min(left, self.deadline - now)
                self._read(self._mail.get(timeout=max(0.001, left)))
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

    def prime(self, chunks: int, size: int = 1) -> None:
        """Pull and encode the first items now, so that work begins before anybody asks for an outcome."""
        woken_at = _now()
        for _ in range(chunks):
            if not self._ended:
                self._want = self._job.chunk or size
                self._pull()
                if _now() - woken_at > WAKE_S:
                    self._hands.wake()
                    woken_at = _now()
        self._hands.wake()

    def _pull(self) -> None:
        """Pull and encode the items that the scheduler asked for; the hands are not woken for them."""
        began = _now()
        items: list[object] = []
        whole = self._job.calls and self._job.chunk is not None  # as the user said, however long that takes
        want, self._want = self._want, 0
        try:
            if self._exact:
                items = list(itertools.islice(self._items, want))
            for item in itertools.islice(self._items, want - len(items)):
                items.append(item)
                if not whole and len(items) < want and _now() - began > PULL_S:
                    break
            else:
                self._ended = len(items) < want
        except Exception as error:
            self._item_error, self._ended = error, True
            if whole:  # multiprocessing drops what it had of a chunk, too
                items.clear()
        if items:
            self._encode(items)
        if self._exact and self._job.total is not None and self._pulled >= self._job.first + self._job.total:
            self._ended = True
        if self._ended:
            self._hands.queue(scheduler.ItemsEnded(at=_now(), job=self._number))

    def _encode(self, items: list[object]) -> None:
        began = _now()
        with self._pool.encoding:
            try:
                frame, memo = self.encoder.encode_items(items)
            except CodecError as error:
                items = self._cut(items, error)
                if not items:
                    return
                frame, memo = self.encoder.encode_items(items)
        at = _now()
        chunk, first, count, nbytes = next_chunk(), self._pulled, len(items), frame.nbytes
        self._memos[chunk], self._left[chunk] = memo, count
        self._pulled += count
        queued = scheduler.ChunkQueued(at=at, job=self._number, chunk=chunk, first=first, count=count, nbytes=nbytes)
        self._hands.queue("chunk", self._number, frame, queued)
        encoded = events.ChunkEncoded(at=at, chunk=chunk, first=first, count=count, nbytes=nbytes, encode_s=at - began)
        self._tell(encoded)

    def _cut(self, items: list[object], error: CodecError) -> list[object]:
        """The items before the first that can't be encoded; nothing after that one is sent."""
        place = 0  # where each can be sent by itself, it is the first that could not be sent with the others
        for number, item in enumerate(items):
            try:
                self.encoder.encode_items([item])
            except CodecError as found:
                place, error = number, found
                break
        index = self._pulled + place
        self._special[index] = Outcome(index, [], "unsendable", error)
        self._ended = True
        return items[:place]

    # ------------------------------------------------------------ outcomes in

    def _decode_next(self) -> bool:
        """Decode the batch that begins with the next iteration, or any, if it is here."""
        while True:
            if not self._ordered and self._arrived:
                event, frame = self._arrived.pop(next(iter(self._arrived)))
            elif self._next in self._arrived:
                event, frame = self._arrived.pop(self._next)
            else:
                return False
            values = None if self.bulk is None else self.encoder.values(frame)
            if values is None or self.bulk is None:
                break
            self.bulk.extend(values)
            self._next += event.count
            self._account(event)
            self._say_taken()
        self._ready.extend(self._decode(event, frame))
        self._account(event)
        return True

    def _account(self, event: events.BatchFinished) -> None:
        self._left[event.chunk] -= event.count
        if not self._left[event.chunk]:
            del self._memos[event.chunk], self._left[event.chunk]

    def _decode(self, event: events.BatchFinished, frame: Frame) -> Iterator[Outcome]:
        try:
            decoded = self.encoder.decode_effects(frame, self._memos[event.chunk])
        except Exception as error:  # of a class of the user's, that does not load what it gave to be pickled
            why = f"not loaded in the notebook ({type(error).__name__}: {error})"
            for index in range(event.first, event.first + (event.count if self._job.calls else 1)):
                yield Outcome(index, [], "unsendable", CodecError("result", why))
            return
        nbytes = event.nbytes // max(1, event.count)
        for index, effects in enumerate(decoded, event.first):
            yield Outcome(index, effects, nbytes=nbytes)

    def resize(self, workers: int) -> None:
        """Have at most so many of the pool's workers from now on; those that go finish what they are running."""
        if not self._closed:
            self._hands.post(scheduler.JobResized(at=_now(), job=self._number, workers=workers))

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
        done = self._ended and self._next == self._pulled  # then no worker has anything of it
        while not done and not self._released and (left := deadline - _now()) > 0:
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


class SerialRun:
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

    def resize(self, workers: int) -> None:
        """There is only one worker, this process."""

    def close(self) -> list[Outcome]:
        """Take no more items; nothing is ever finished ahead here."""
        self._over = True
        return []
