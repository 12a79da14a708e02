"""Does the pool pay? Figures in, decision and reason out. Measures nothing, reads no clock, knows no object.

`judge` looks ahead, before a loop is handed to the pool; `Watch` looks on while the pool works, and says so when the
workers turn out to be slower than the kernel alone: memory that all of them share, cores that others use, inputs and
results that take longer to send than to compute.
"""

# Strategy: the kernel's own iterations are the serial yardstick. What a worker did in a second, in units of that
# yardstick, is what it is worth; together the workers have to be worth more than the one kernel. Iterations that
# differ much, or grow, are no yardstick for each other: then the workers' own seconds count in full, and only the time
# in which they waited or packed is held against them.

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from mpnb.events import BatchFinished

WORTH_S: Final = 0.080  # serial seconds that must be left: two workers save 30 ms of them, a busy machine takes as much
TAIL_S: Final = 0.025  # serial seconds that are too few to look at the clock for
HANDOVER_S: Final = 0.010  # look into the loop, encode its names, have the first task answered: 4 to 15 ms measured
ITEM_S: Final = 8e-6  # of both processes, to pull, send, take in and replay an iteration that does nothing
MAIN_S: Final = 5e-6  # the kernel's part of that, which no worker shares
MARGIN: Final = 1.2  # an estimate has to promise more than nothing

OBJECT_S: Final = 2e-6  # to encode a small object here, and decode and watch it in each worker
BYTE_S: Final = 1.5e-9  # to copy a byte into shared memory, and map it
HOME_BYTE_S: Final = 1.0e-9  # to copy a byte of a result there and out of it again: 0.45 and 0.1 to 0.55 ns measured

PROBE_S: Final = 0.010  # a site's own seconds in the kernel, before it is asked whether the pool would pay
MANY: Final = 20  # iterations for each worker, of which the kernel runs one more for the sake of the yardstick

BATCH_S: Final = 0.001  # work in a batch of the kernel's own iterations, between two looks at the clock

LOOK_S: Final = 0.04  # work of a worker that a look at the pool needs
LOOKS: Final = 2  # in a row that must find it slower
PACKED_S: Final = 0.002  # what a worker packs for a batch, and is held against it
PACKING: Final = 3  # batches in a row that are mostly packing: one may have been a hiccup of the machine
EVEN: Final = 1.0  # workers worth less than this together are slower than the kernel
HOPELESS: Final = 0.6  # worth less than this, one look is enough, unless those before it found them good
BUSY: Final = "memory-bound, or the cores are busy"
SENDING: Final = "sending takes longer than the work"
ALIKE: Final = 0.25  # variance over squared mean, up to which iterations are each other's yardstick
STEADY: Final = 1.2  # the mean of the second half may be so much above that of the first


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of a loop before it is handed over.

    `each_s` serial seconds of an iteration; `left` how many there still are; `names_s` seconds to send what all
    iterations read, `item_s` to send one iteration's input, `result_s` to send home what it makes; `import_s` for which
    every worker first imports what the loop uses.
    """

    each_s: float
    left: int
    workers: int
    names_s: float = 0.0
    item_s: float = 0.0
    result_s: float = 0.0
    import_s: float = 0.0

    @property
    def serial_s(self) -> float:
        """Seconds that the kernel alone would need."""
        return self.left * self.each_s

    @property
    def pool_s(self) -> float:
        """Seconds that the pool would need."""
        alone = MAIN_S + self.item_s + self.result_s / 2  # the kernel unpacks what the workers have packed
        together = self.each_s + ITEM_S + self.item_s + self.result_s
        each = max(alone, together / max(1, self.workers))
        turns = math.ceil(self.left / max(1, self.workers)) * self.each_s
        return HANDOVER_S + self.import_s + self.names_s + max(self.left * each, turns)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the pool pays; `reason` says why it does not, where that is not plainly a small loop."""

    pays: bool
    reason: str = ""


def judge(figures: Figures) -> Verdict:
    """Tell whether what is left of a loop is worth handing over.

    Examples
    --------
    >>> judge(Figures(each_s=0.01, left=100, workers=2)).pays
    True
    >>> judge(Figures(each_s=0.01, left=100, workers=2, names_s=3)).reason
    'sending what it needs would take 3.00 s, finishing it here 1.00 s'
    """
    if figures.workers < 2:
        return Verdict(False, "one worker is no faster than the kernel itself")
    if figures.left < 2 or figures.serial_s <= WORTH_S:
        return Verdict(False)
    if figures.pool_s * MARGIN < figures.serial_s:
        return Verdict(True)
    if figures.import_s > 0.25 * figures.serial_s:
        took = f"{figures.import_s:.2f} s, finishing it here {figures.serial_s:.2f} s"
        return Verdict(False, f"importing what it uses would take the workers {took}")
    sending = figures.names_s + figures.left * figures.item_s
    if sending > 0.25 * figures.serial_s:
        words = f"sending what it needs would take {sending:.2f} s, finishing it here {figures.serial_s:.2f} s"
        return Verdict(False, words)
    home_s = figures.left * figures.result_s
    if home_s > 0.25 * figures.serial_s:
        words = f"sending home what it makes would take {home_s:.2f} s, finishing it here {figures.serial_s:.2f} s"
        return Verdict(False, words)
    return Verdict(False)


def sending_s(objects: float, nbytes: float) -> float:
    """Seconds to send so many small objects and so many bytes of arrays."""
    return objects * OBJECT_S + nbytes * BYTE_S


def sending_home_s(objects: float, nbytes: float) -> float:
    """Seconds, of both processes, to send home so many small objects and so many bytes of arrays."""
    return objects * OBJECT_S + nbytes * HOME_BYTE_S


def wants_another(figures: Figures, count: int) -> bool:
    """Tell whether the kernel should run one more iteration: one alone is no yardstick, the first one least of all.

    Where so many are left that it costs next to nothing.
    """
    return count < 2 and figures.left >= MANY * figures.workers


def next_batch(size: int, took_s: float) -> int:
    """How many iterations the kernel runs before the clock is looked at again."""
    if took_s < BATCH_S / 2:
        return size * 2
    return max(1, size // 2) if took_s > BATCH_S else size


def is_tail(seconds: float, count: int, total: int | None) -> bool:
    """Tell whether what is left of a loop is so little that the clock need not be looked at any more."""
    if total is None or seconds < BATCH_S or count * 4 < total:
        return False
    return (total - count) * seconds / count < TAIL_S


def is_tiny(seconds: float, count: int) -> bool:
    """Tell whether iterations are so small, on the average, that the pool could not be worth it however many are left.

    Examples
    --------
    >>> is_tiny(0.002, 1000), is_tiny(0.002, 100), is_tiny(0.0002, 1000)
    (True, False, False)
    """
    return seconds >= BATCH_S and seconds < count * MAIN_S * MARGIN


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Seconds of an iteration in the kernel, lately, from so many; `steady`: they did not grow meanwhile."""

    each_s: float
    count: int
    steady: bool


def yardstick(marks: Sequence[tuple[int, float]]) -> Yardstick | None:
    """Make a yardstick of (iterations done, seconds since the start), noted now and then; None where it is too short.

    It is the median of what came between two notes in the later half: what now and then holds up is not in it.

    Examples
    --------
    >>> yardstick([(0, 0.0), (5, 0.5), (10, 1.0)])
    Yardstick(each_s=0.1, count=5, steady=True)
    """
    if len(marks) < 3:
        return None
    (first, began), (last, ended) = marks[0], marks[-1]
    middle, at = min(list(marks)[1:-1], key=lambda mark: abs(mark[0] - (first + last) / 2))
    if not first < middle < last or at <= began:
        return None
    early, late = (at - began) / (middle - first), (ended - at) / (last - middle)
    batches = [mark for mark in marks if mark[0] >= middle]
    each_s = statistics.median_low((t - s) / (n - m) for (m, s), (n, t) in itertools.pairwise(batches) if n > m)
    return Yardstick(each_s, last - middle, late <= early * STEADY)


@dataclass(slots=True)
class _Lane:
    """A worker's tasks since the last look."""

    since: float
    until: float
    busy: float = 0.0


@dataclass(slots=True)
class Watch:
    """Looks on while workers run a loop.

    Parameters
    ----------
    workers
        How many there are.
    stick
        What an iteration takes in the kernel, where that is known.

    Attributes
    ----------
    worth
        What the workers together are worth, in kernels, by each look.
    """

    workers: int
    stick: Yardstick | None = None
    worth: list[float] = field(default_factory=list)
    slowdown: float = 1.0  # of an iteration beside the others, as far as that can be told
    _lanes: dict[int, _Lane] = field(default_factory=dict)
    _tasks: list[tuple[int, float]] = field(default_factory=list)  # (iteration, seconds)
    _low: int = 0
    _packing: int = 0  # batches in a row that were

    def add(self, event: BatchFinished) -> None:
        """Take in what a worker has done."""
        times = event.times
        if not event.count or not times:
            return
        if event.worker in self._lanes:  # in its first batch it has decoded the names
            busy = sum(times[1::2]) - sum(times[::2])
            self._packing = self._packing + 1 if self._is_packing(event, busy) else 0
        lane = self._lanes.setdefault(event.worker, _Lane(times[0], times[0]))
        lane.until = times[-1]
        for place in range(event.count):
            seconds = times[2 * place + 1] - times[2 * place]
            lane.busy += seconds
            self._tasks.append((event.first + place, seconds))

    def look(self) -> str:
        """Why the pool should be left, in a few words; empty where it should not, or it can't be told yet."""
        if self._packing >= PACKING:
            return SENDING
        lanes = list(self._lanes.values())
        if len(self._tasks) < 2 * self.workers or len(lanes) < self.workers:
            return ""
        if min(lane.until - lane.since for lane in lanes) < LOOK_S:
            return ""
        if not self.worth:
            self.slowdown = self._slowdown()
        used = sum(lane.busy / (lane.until - lane.since) for lane in lanes)
        worth = used / self.slowdown
        self.worth.append(worth)
        self._low = self._low + 1 if worth < EVEN else 0
        for lane in lanes:  # what comes next begins where this ended
            lane.since, lane.busy = lane.until, 0.0
        self._tasks.clear()
        if self._low < LOOKS and (worth >= HOPELESS or _mean(self.worth) >= EVEN):
            return ""
        return BUSY if used > self.workers / 2 else SENDING

    def _is_packing(self, event: BatchFinished, busy_s: float) -> bool:
        """Tell whether a worker has packed for much longer than it has worked.

        What a worker packs the kernel has to unpack, which takes about as long, and alone.
        """
        cost = event.decode_s + event.check_s + event.encode_s
        if cost < PACKED_S:
            return False
        return busy_s * min(self.workers / (busy_s + cost), 1 / max(event.encode_s, 1e-9)) < HOPELESS

    def _slowdown(self) -> float:
        """How much longer an iteration takes beside the others than alone; 1 where that can't be told."""
        stick, tasks = self.stick, sorted(self._tasks)
        if stick is None or not stick.steady or stick.each_s <= 0:
            return 1.0
        seconds = [each for _, each in tasks]
        middle = len(seconds) // 2
        early, late = _mean(seconds[:middle]), _mean(seconds[middle:])
        if late > early * STEADY:
            return 1.0
        seconds, mean = seconds[middle:], late  # the first ones import and warm up
        variance = _mean((each - mean) ** 2 for each in seconds)
        if variance > ALIKE * mean * mean:
            return 1.0
        if mean - stick.each_s <= 3 * math.sqrt(variance / min(stick.count, len(seconds))):
            return 1.0
        return min(mean / stick.each_s, float(self.workers) * 2)


def _mean(values: Iterable[float]) -> float:
    each = list(values)
    return sum(each) / len(each)
