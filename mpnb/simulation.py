"""A pool that is not there: the pool's own scheduler hands iterations of known lengths to workers of paper.

Lengths and prices in, seconds out; who listens hears what happens meanwhile, as of a pool that is there. Starts no
process and reads no clock, so that thousands of seconds take one.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, pairwise
from typing import Final

from mpnb import scheduler
from mpnb.events import BatchFinished, ChunkEncoded, ChunkSent, Event, Ticked, WorkerReady

BATCH_S: Final = 0.02  # results leave a worker at least so often, between two iterations
LONG_BATCH_S: Final = 0.1  # or so often in a long job
RAMP: Final = 4  # a longer batch is no more than this part of the time since the job began
TICK_S: Final = 0.05
MANY_CHUNKS: Final = 5_000  # in a job of more, chunks are made so long that there are no more


class Lengths:
    """Seconds of iterations in order, as runs of iterations that are alike.

    Parameters
    ----------
    runs
        How many iterations, and how many seconds each.
    """

    def __init__(self, runs: Iterable[tuple[int, float]]) -> None:
        self.runs = [(count, each) for count, each in runs if count > 0]
        self._counts = list(accumulate((count for count, _ in self.runs), initial=0))
        self._seconds = list(accumulate((count * each for count, each in self.runs), initial=0.0))

    def __len__(self) -> int:
        return self._counts[-1]

    @property
    def total_s(self) -> float:
        """Seconds of all of them."""
        return self._seconds[-1]

    def until(self, stop: int) -> float:
        """Seconds of those before `stop`."""
        place = min(bisect_right(self._counts, stop), len(self.runs)) - 1
        if place < 0:
            return 0.0
        return self._seconds[place] + (stop - self._counts[place]) * self.runs[place][1]

    def reached(self, seconds: float) -> int:
        """How many of them have begun after so many seconds, one after the other."""
        place = max(0, min(bisect_left(self._seconds, seconds), len(self.runs)) - 1)
        count, each = self.runs[place]
        inside = int((seconds - self._seconds[place]) / each) + 1 if each > 0 else count
        return self._counts[place] + max(0, min(inside, count))


@dataclass(frozen=True, slots=True)
class Prices:
    """Seconds that go by around the iterations."""

    item_s: float = 0.0  # per iteration, in the kernel: to encode it, and to let its effects take place
    chunk_s: float = 0.0  # per chunk, in the kernel
    sending_s: float = 0.0  # per chunk, on the way to a worker
    unpacking_s: float = 0.0  # per chunk, in the worker
    packing_s: float = 0.0  # per iteration, in the worker: checks and results
    loading_s: float = 0.0  # per worker, before its first chunk
    taking_s: float = 0.0  # per iteration, in the kernel, when its result has come home


@dataclass(slots=True)
class _Piece:
    number: int
    chunk: int
    next: int
    stop: int


@dataclass(slots=True)
class _Worker:
    pieces: deque[_Piece] = field(default_factory=deque)
    running: _Piece | None = None
    began: float = 0.0  # when the first iteration of the batch under way did
    turn: int = 0  # grows whenever what was said of the end of the batch no longer holds
    loaded: bool = False


def play(
    lengths: Lengths,
    workers: int,
    prices: Prices,
    *,
    chunk: int | None = None,
    expected_s: float | None = None,
    tell: Callable[[Event], object] | None = None,
) -> float:
    """Tell how long a job takes.

    Parameters
    ----------
    lengths
        Seconds of the iterations.
    workers
        How many run them, each on a core of its own.
    prices
        What goes by around them.
    chunk
        Iterations in a chunk; None where the scheduler decides.
    expected_s
        What it is told of an iteration's length before the first has run.
    tell
        Called with each chunk that is encoded or sent, and with each batch that comes home, as a record takes them in.
    """
    return _Play(lengths, workers, prices, chunk, expected_s, tell).run() if len(lengths) else 0.0


class _Play:
    def __init__(
        self,
        lengths: Lengths,
        workers: int,
        prices: Prices,
        chunk: int | None,
        expected_s: float | None,
        tell: Callable[[Event], object] | None,
    ) -> None:
        self.lengths, self.prices, self.tell = lengths, prices, tell
        self.scheduler = scheduler.Scheduler()
        self.workers: dict[int, _Worker] = {}
        self.now = 0.0
        self.kernel_free = 0.0
        self.pulled = self.done = self.taken = self.chunks = 0
        self.finished: dict[int, int] = {}  # beyond the first that is missing: first → stop
        self.agenda: list[tuple[float, int, Callable[[], None]]] = []
        self.count = 0
        self.wanted, self.expected_s = workers, expected_s
        many = lengths.total_s / BATCH_S > MANY_CHUNKS
        self.chunk = max(1, len(lengths) // MANY_CHUNKS) if many and chunk is None else chunk
        self.batch_s = max(BATCH_S, lengths.total_s / (2 * MANY_CHUNKS))
        self.tick_s = max(TICK_S, lengths.total_s / workers / 2000)

    def run(self) -> float:
        self.handle(scheduler.PoolResized(at=0.0, workers=self.wanted))
        self.handle(
            scheduler.JobOpened(
                at=0.0,
                job=0,
                total=len(self.lengths),
                chunk=self.chunk,
                expected_s=self.expected_s,
                workers=self.wanted,
            )
        )
        self.later(self.tick_s, self.tick)
        while self.done < len(self.lengths):
            self.now, _, call = heapq.heappop(self.agenda)
            call()
        return max(self.now, self.kernel_free)

    def later(self, at: float, call: Callable[[], None]) -> None:
        self.count += 1
        heapq.heappush(self.agenda, (at, self.count, call))

    def tick(self) -> None:
        self.handle(Ticked(at=self.now))
        self.later(self.now + self.tick_s, self.tick)

    def handle(self, event: Event) -> None:
        for command in self.scheduler.handle(event):
            match command:
                case scheduler.StartWorker(worker):
                    self.workers[worker] = _Worker()
                    self.later(0.0, partial(self.be_ready, worker))
                case scheduler.PullItems(_, count):
                    self.pull(count)
                case scheduler.SendChunk(worker, piece, _, chunk, first, stop):
                    sent = _Piece(piece, chunk, first, stop)
                    if self.tell:
                        self.tell(ChunkSent(at=self.now, worker=worker, chunk=chunk, first=first, count=stop - first))
                    self.later(self.now + self.prices.sending_s, partial(self.receive, worker, sent))
                case scheduler.TakeBack(worker, piece):  # on the same way as what it asks for
                    self.later(self.now + self.prices.sending_s, partial(self.give_back, worker, piece))
                case _:  # what is released costs nothing here
                    pass

    def be_ready(self, worker: int) -> None:
        self.handle(WorkerReady(at=self.now, worker=worker))

    # ------------------------------------------------------------------------------------------------- in the kernel

    def pull(self, wanted: int) -> None:
        """Encode the next items, when the kernel has time for it; that they are over is seen when there are fewer."""
        count = min(wanted, len(self.lengths) - self.pulled)
        first, self.pulled = self.pulled, self.pulled + count
        spent = self.prices.chunk_s + count * self.prices.item_s if count else 0.0
        self.kernel_free = max(self.now, self.kernel_free) + spent
        self.later(self.kernel_free, partial(self.queue, first, count, spent, ended=count < wanted))

    def queue(self, first: int, count: int, spent: float, *, ended: bool) -> None:
        self.chunks += 1
        if count:
            if self.tell:
                self.tell(
                    ChunkEncoded(at=self.now, chunk=self.chunks, first=first, count=count, nbytes=0, encode_s=spent)
                )
            self.handle(scheduler.ChunkQueued(at=self.now, job=0, chunk=self.chunks, first=first, count=count))
        if ended:
            self.handle(scheduler.ItemsEnded(at=self.now, job=0))

    def take(self, first: int, stop: int) -> None:
        """Let effects take place, in order, when the kernel has time for it."""
        self.done += stop - first
        self.finished[first] = stop
        before = self.taken
        while self.taken in self.finished:
            self.taken = self.finished.pop(self.taken)
        if self.taken > before:
            self.kernel_free = max(self.now, self.kernel_free) + (self.taken - before) * self.prices.taking_s
            self.later(self.kernel_free, partial(self.tell_taken, self.taken))

    def tell_taken(self, stop: int) -> None:
        self.handle(scheduler.OutcomesTaken(at=self.now, job=0, stop=stop))

    # -------------------------------------------------------------------------------------------------- in a worker

    def receive(self, number: int, piece: _Piece) -> None:
        self.workers[number].pieces.append(piece)
        if self.workers[number].running is None:
            self.start(number)

    def start(self, number: int) -> None:
        worker = self.workers[number]
        if worker.pieces:
            worker.running = worker.pieces.popleft()
            worker.began = self.now + self.prices.unpacking_s + (0.0 if worker.loaded else self.prices.loading_s)
            worker.loaded = True
            self.expect_batch(number)

    def expect_batch(self, number: int) -> None:
        """Say when the batch under way will be home."""
        worker, piece = self.workers[number], self.workers[number].running
        assert piece is not None
        worker.turn += 1
        before = self.lengths.until(piece.next)
        lasts = max(self.batch_s, min(LONG_BATCH_S, self.now / RAMP))
        stop = max(piece.next + 1, min(piece.stop, self.lengths.reached(before + lasts)))
        ended = worker.began + self.lengths.until(stop) - before
        home = ended + (stop - piece.next) * self.prices.packing_s
        self.later(home, partial(self.send_batch, number, stop, ended, worker.turn))

    def send_batch(self, number: int, stop: int, ended: float, turn: int) -> None:
        worker, piece = self.workers[number], self.workers[number].running
        if piece is None or turn != worker.turn:
            return
        first, piece.next = piece.next, stop
        over = piece.next >= piece.stop
        began, worker.began = worker.began, self.now
        if over:
            worker.running = None
        if self.tell:
            self.tell(self.as_measured(number, piece.chunk, first, stop, began, over=over))
        self.take(first, stop)
        self.handle(
            BatchFinished(
                at=self.now, worker=number, chunk=piece.chunk, first=first, count=stop - first, times=(began, ended),
                decode_s=0.0, check_s=0.0, encode_s=0.0, nbytes=0, chunk_done=over,
            )
        )  # fmt: skip
        if not over:
            self.expect_batch(number)
        elif worker.running is None:
            self.start(number)

    def as_measured(self, number: int, chunk: int, first: int, stop: int, began: float, *, over: bool) -> BatchFinished:
        """A batch with the times of each of its iterations, and with what goes by around them."""
        zero = began - self.lengths.until(first)
        bounds = [zero + self.lengths.until(n) for n in range(first, stop + 1)]
        return BatchFinished(
            at=self.now, worker=number, chunk=chunk, first=first, count=stop - first,
            times=tuple(t for pair in pairwise(bounds) for t in pair),
            decode_s=self.prices.unpacking_s, check_s=0.0, encode_s=(stop - first) * self.prices.packing_s,
            nbytes=0, chunk_done=over,
        )  # fmt: skip

    def give_back(self, number: int, wanted: int) -> None:
        """As a worker does: what it has not begun, or the later half of what is left of what it runs."""
        worker, piece = self.workers[number], self.workers[number].running
        first = stop = 0
        whole = False
        if piece is not None and piece.number == wanted:
            begun = max(piece.next + 1, self.lengths.reached(self.lengths.until(piece.next) + self.now - worker.began))
            if begun < piece.stop:
                stop = piece.stop
                first = piece.stop = max(begun, begun + (stop - begun) // 2)
                self.expect_batch(number)
        else:
            for waiting in worker.pieces:
                if waiting.number == wanted:
                    worker.pieces.remove(waiting)
                    first, stop, whole = waiting.next, waiting.stop, True
                    break
        self.handle(
            scheduler.ChunkReturned(at=self.now, worker=number, piece=wanted, first=first, stop=stop, whole=whole)
        )
