"""The books of a job: every second of its workers goes into exactly one cause. Pure arithmetic, no clock of its own.

A job owns workers × wall core seconds. Each worker's row has a cursor, the time up to which it is accounted for.
Whatever comes moves the cursor on, and puts the time that it passed down to one cause:

    start ─ names ┤ waiting ┤ on the way ┤ unpacking ┤ work ┤ results ┤ cursor'

So the causes add up by construction, whatever the order of the events and however wrong a clock was. Where the number
of workers changes in the midst of it, each is owned from when it came until it had done its last: `Row.begin`.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

USEFUL: Final = "useful work"
SLOWER: Final = "slower than alone"
PLANNING: Final = "planning"
ALONE: Final = "kernel alone"
START: Final = "start"
PACKING: Final = "encode and decode"
TRANSFER: Final = "transfer"
WAITING: Final = "waiting for work"
UNEVEN: Final = "uneven end"
REPEATED: Final = "failed and repeated"
LOSSES: Final = (USEFUL, SLOWER, PLANNING, ALONE, START, PACKING, TRANSFER, WAITING, UNEVEN, REPEATED)

# What the clocks tell apart, and the loss that each is part of.
WORK: Final = "work"
CONTENTION: Final = "contention"  # what an iteration took beside the others beyond what it takes alone
DECIDING: Final = "deciding"  # the kernel neither ran iterations nor had the pool run any
KERNEL_ONLY: Final = "kernel only"  # the other cores, while the kernel ran iterations
STARTING: Final = "starting"  # until a worker that was started for the run took work
WARMING: Final = "warming"  # what each worker's first iteration took beyond the others
NAMES: Final = "names"  # the kernel encoded what the loop reads
ITEMS: Final = "items"  # the kernel encoded the next items, and a worker waited for them
UNPACKING: Final = "unpacking"
CHECKS: Final = "checks"
RESULTS: Final = "results"  # encoded in the worker
SENDING: Final = "sending"  # from the kernel to a worker that had nothing else to do
HOME: Final = "home"  # all iterations were over, their results were on the way, or being taken in
QUEUE: Final = "queue"  # nothing had been sent to the worker
TAIL: Final = "tail"  # others still ran their last iterations
IDLE: Final = "idle"  # the worker never got an iteration
DEATHS: Final = "deaths"  # what a worker was at when it ended, and the time until another took its place
CALLED_OFF: Final = "called off"
NO_EFFECT: Final = "no effect"  # iterations that ran, and whose effects did not take place
CAUSES: Final = {
    WORK: USEFUL,
    CONTENTION: SLOWER,
    DECIDING: PLANNING,
    KERNEL_ONLY: ALONE,
    STARTING: START,
    WARMING: START,
    NAMES: PACKING,
    ITEMS: PACKING,
    UNPACKING: PACKING,
    CHECKS: PACKING,
    RESULTS: PACKING,
    SENDING: TRANSFER,
    HOME: TRANSFER,
    QUEUE: WAITING,
    TAIL: UNEVEN,
    IDLE: UNEVEN,
    DEATHS: REPEATED,
    CALLED_OFF: REPEATED,
    NO_EFFECT: REPEATED,
}
_NOTHING_RAN: Final = (STARTING, NAMES, ITEMS, SENDING, HOME, QUEUE, TAIL, IDLE)

MAX_BUCKETS: Final = 2048  # of iteration times
_OF_BATCH: Final = 4  # iterations of a batch that are sampled
_SAMPLED: Final = 512  # iterations of a job that are kept
_QUARTILES: Final = 1.35  # standard deviations between the quartiles, where the distribution is normal
_FEW: Final = 3  # below so many iterations, a mean says nothing
_CLOSE: Final = 0.1  # of an estimate, within which it is to be
_NINE_IN_TEN: Final = 1.64  # standard deviations, within which so many lie
_PARTS: Final = 4  # of a job that are compared, to see whether its iterations grow
_LONG_S: Final = 0.1  # an iteration in which what is cold at first takes no part worth speaking of
_NEWS: Final = 1.1  # as many iterations again are a reason to judge anew, while the job goes on
_DRIFT: Final = 1.25  # as many times longer they are in one of them, then


def by_loss(causes: dict[str, float]) -> dict[str, float]:
    """Add up causes to losses; a loss whose causes are not known, as in older records, stands for itself."""
    losses = dict.fromkeys(LOSSES, 0.0)
    for cause, seconds in causes.items():
        losses[CAUSES.get(cause, cause)] += seconds
    return losses


@dataclass(slots=True)
class Times:
    """Seconds of iterations by their number, in buckets that double so that they stay few; sums are exact."""

    size: int = 1
    seconds: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    longest: list[float] = field(default_factory=list)  # of an iteration in the bucket

    def add(self, first: int, durations: Sequence[float]) -> None:
        """Put in consecutive iterations."""
        at, end = 0, len(durations)
        while (first + end - 1) // self.size >= MAX_BUCKETS:
            self.halve()
        missing = (first + end - 1) // self.size + 1 - len(self.seconds)
        if missing > 0:
            self.seconds += [0.0] * missing
            self.counts += [0] * missing
            self.longest += [0.0] * missing
        while at < end:
            bucket = (first + at) // self.size
            stop = min(end, (bucket + 1) * self.size - first)
            part = durations[at:stop]
            self.seconds[bucket] += sum(part)
            self.counts[bucket] += stop - at
            self.longest[bucket] = max(self.longest[bucket], *part)
            at = stop

    def halve(self) -> None:
        """Have half as many buckets."""
        pairs = range(0, len(self.seconds), 2)
        self.size *= 2
        self.seconds = [sum(self.seconds[i : i + 2]) for i in pairs]
        self.counts = [sum(self.counts[i : i + 2]) for i in pairs]
        self.longest = [max(self.longest[i : i + 2]) for i in pairs]

    def beyond(self, limit: int) -> float:
        """Seconds of the iterations from `limit` on."""
        bucket, inside = divmod(limit, self.size)
        rest = sum(self.seconds[bucket + 1 :])
        if bucket < len(self.seconds) and self.counts[bucket] > inside:  # those of a bucket are taken as alike
            rest += self.seconds[bucket] * (1 - inside / self.counts[bucket])
        return rest


@dataclass(slots=True)
class Sample:
    """Seconds of some of the iterations, evenly from all of them."""

    seconds: list[float] = field(default_factory=list)
    every: int = 1  # so many of them go by for each that is taken
    passed: int = 0

    def add(self, durations: Sequence[float]) -> None:
        """Take of these what there is to take: of a long batch no more than a few."""
        for each in durations[:: max(1, len(durations) // _OF_BATCH)]:
            if self.passed % self.every == 0:
                self.seconds.append(each)
            self.passed += 1
        if len(self.seconds) > _SAMPLED:
            self.seconds = self.seconds[::2]
            self.every *= 2

    @property
    def unlike(self) -> float:
        """How far iterations are from being alike: a standard deviation over the mean, by the middle half of them.

        What now and then is held up by something else, and takes much longer, says nothing of that.
        """
        low, middle, high = statistics.quantiles(self.seconds, n=4) if len(self.seconds) > 1 else (0.0, 0.0, 1.0)
        return (high - low) / _QUARTILES / middle if middle > 0 else math.inf


@dataclass(slots=True)
class Costs:
    """What sending took, besides the workers' waiting for it: of what a forecast is made."""

    names_s: float = 0.0  # the kernel encoded what the loop reads
    items_s: float = 0.0  # the kernel encoded items, in so many
    chunks: int = 0
    loading_s: float = 0.0  # workers unpacked their first chunk, and with it what the loop reads; so many did
    loaded: int = 0


@dataclass(slots=True)
class Row:
    """One worker's place in a job: owned from `begin` on, accounted for up to `cursor`."""

    begin: float
    cursor: float
    ready: float = -math.inf  # when the worker in it could take work
    owned_s: float = 0.0  # before it began for the last time
    leaves: bool = False  # once it has done what it was sent
    is_gone: bool = False
    died: bool = False  # and nobody has run anything here since
    ran: int = 0
    first: int = 0  # the iteration that ran here first, and its seconds
    first_s: float = 0.0
    sent: dict[int, float] = field(default_factory=dict)  # chunks it has, and since when


@dataclass(slots=True)
class Job:
    """The pool's part in a site. `opened`: when its names were encoded.

    `unseen`: since when it owns each of the workers that nothing has been heard of; `left_s`: core seconds of those
    that went without a word.
    """

    site: int
    start: float
    opened: float
    unseen: list[float]
    end: float | None = None
    left_s: float = 0.0
    rows: dict[int, Row] = field(default_factory=dict)
    parts: dict[str, float] = field(default_factory=lambda: dict.fromkeys(CAUSES, 0.0))
    times: Times = field(default_factory=Times)
    pulled: int = 0  # iterations that were encoded for it
    home: int = 0  # iterations that came home
    beside_s: float = 0.0  # what the kernel ran itself meanwhile
    rest: int = 0  # iterations but for the first of each row, their seconds, and the squares of these
    rest_s: float = 0.0
    squares: float = 0.0
    sample: Sample = field(default_factory=Sample)
    lowest: int | None = None  # iteration that it was given
    limit: int | None = None  # iterations from here on took no effect
    wasted: float = 0.0
    warmed: float = 0.0
    yardstick: float = 1.0
    certain: bool = False  # what an iteration takes alone is known well enough
    judged: int = 0  # from so many iterations
    longest_end: float = -1.0  # of the site's longest iteration, where this job ran it

    @property
    def workers(self) -> int:
        """How many workers it has; one that is about to leave is none of them."""
        return len(self.unseen) + sum(not (row.is_gone or row.leaves) for row in self.rows.values())

    def core_s(self, now: float) -> float:
        """Core seconds that it owned until now, or its end."""
        at = now if self.end is None else self.end
        rows = sum(row.owned_s + (0.0 if row.is_gone else max(0.0, at - row.begin)) for row in self.rows.values())
        return rows + self.left_s + sum(max(0.0, at - begin) for begin in self.unseen)

    def row(self, number: int, ready: float) -> Row:
        """The row of a worker; `ready`: when it could take work."""
        row = self.rows.get(number)
        if row is None:
            begin = self._seen(ready, self.start)
            row = self.rows[number] = Row(begin, begin, ready)
        elif row.is_gone:  # it had begun something that it was asked for back
            row.begin, row.is_gone, row.leaves = row.cursor, False, True
        return row

    def row_again(self, number: int, ready: float, at: float) -> Row:
        """The row of a worker that work is sent to at this time: if it was to leave, it, or another one, is back."""
        row = self.rows.get(number)
        if row is None or not (row.is_gone or row.leaves):
            return self.row(number, ready)
        begin = self._seen(ready, at)
        if row.is_gone:
            row.begin = row.cursor = max(begin, row.cursor)
            row.ready, row.died = ready, False
            row.sent.clear()
        row.is_gone = row.leaves = False
        return row

    def _seen(self, ready: float, otherwise: float) -> float:
        """Since when it owns a worker that is heard of for the first time: those started for the job came last."""
        if not self.unseen:
            return otherwise
        return self.unseen.pop(-1 if ready >= self.unseen[-1] > self.start else 0)

    def resize(self, workers: int, at: float, last: Iterable[int], encodes: Sequence[tuple[float, float]]) -> None:
        """Own so many workers from now on; `last` are the rows of those that would stay last, these first."""
        self.unseen += [at] * (workers - self.workers)
        for number in last:
            if self.workers <= workers:
                return
            row = self.rows.get(number)
            if row is not None and not row.is_gone and not row.leaves:
                row.leaves = True
                if not row.sent:
                    self.idle(row, at, at, encodes)
                    self.let_go(row)
        while self.unseen and self.workers > workers:
            spent = max(0.0, at - self.unseen.pop())
            self.left_s += spent
            self.parts[IDLE] += spent

    def let_go(self, row: Row) -> None:
        """A worker that leaves has done its last."""
        row.owned_s += max(0.0, row.cursor - row.begin)
        row.is_gone, row.leaves = True, False

    def wall_s(self, now: float) -> float:
        """Seconds from its start until now, or its end."""
        return max(0.0, (now if self.end is None else self.end) - self.start)

    def pass_to(self, row: Row, cause: str, until: float) -> None:
        """Put the time up to `until` down to a cause."""
        if until > row.cursor:
            self.parts[cause] += until - row.cursor
            row.cursor = until

    def idle(self, row: Row, until: float, sent: float, encodes: Sequence[tuple[float, float]]) -> None:
        """Account for the time up to `until`, when a worker had nothing to run; `sent`: when what it ran next was sent.

        `encodes` are the times in which the kernel encoded items, in order.
        """
        sent = min(sent, until)
        if row.died:
            self.pass_to(row, DEATHS, sent)
        else:
            self.pass_to(row, STARTING, min(row.ready, sent))
            self.pass_to(row, NAMES, min(self.opened, sent))
            if encodes and row.cursor < sent:
                for begin, end in encodes[max(0, bisect_right(encodes, (row.cursor, math.inf)) - 1) :]:
                    if begin >= sent:
                        break
                    self.pass_to(row, QUEUE, min(begin, sent))
                    self.pass_to(row, ITEMS, min(end, sent))
            self.pass_to(row, QUEUE, sent)
        self.pass_to(row, SENDING, until)

    def close(self, at: float, unused: Iterable[Row]) -> None:
        """Account for the time to the end; `unused` are the rows of workers that it never sent anything to."""
        last = max((row.cursor for row in self.rows.values()), default=self.start)
        called_off = self.home < self.pulled  # else what is still out was taken back, and done by another worker
        for row in [*(row for row in self.rows.values() if not row.is_gone), *unused]:
            if row.died:
                self.pass_to(row, DEATHS, min(row.ready, at))
            elif called_off and row.sent:  # what it was doing was called off
                self.pass_to(row, CALLED_OFF, at)
            elif not row.ran:
                self.pass_to(row, STARTING, min(row.ready, at))
                self.pass_to(row, NAMES, min(self.opened, at))
                self.pass_to(row, IDLE, last)
            self.pass_to(row, TAIL, last)
            self.pass_to(row, HOME, at)
            row.sent.clear()
        self.end = at

    def judge(self, alone_s: float, alone: int, limit: int | None = None, *, warm: bool = False) -> None:
        """Find what was wasted, what went into warming up, and how much slower than alone iterations were.

        `alone` iterations took `alone_s` seconds in the kernel, and others went before them where it was `warm`; those
        from `limit` on took no effect.
        """
        if limit is not None:
            self.wasted = self.times.beyond(limit if self.limit is None else min(limit, self.limit))
        self.warmed = self._warmed(alone)
        if self.end is not None or self.rest >= _NEWS * self.judged:
            self.yardstick, self.certain = self._scale(alone_s, alone, warm=warm)
            self.judged = self.rest

    def _spread(self) -> tuple[float, float]:
        """Mean and standard deviation of the iterations that were not the first of their worker."""
        mean = self.rest_s / self.rest
        return mean, math.sqrt(max(0.0, self.squares / self.rest - mean * mean))

    def _warmed(self, alone: int) -> float:
        """What the workers' first iterations took beyond the others, if that can be said of all of them.

        A serial loop warms up once as well: either the kernel's own iterations did, or the shortest of these counts.
        """
        firsts = [row.first_s for row in self.rows.values() if row.ran > 1]
        if len(firsts) < 2 or self.rest < _FEW:
            return 0.0
        mean, deviation = self._spread()
        extra = [first - mean for first in firsts]
        if min(extra) <= max(mean, 3 * deviation):
            return 0.0
        return sum(extra) - (0.0 if alone else min(extra))

    def _drifts(self) -> bool:
        """Whether iterations take longer, or shorter, in one part of the job than in another, by a quarter or more."""
        sums, counts = self.times.seconds.copy(), self.times.counts.copy()
        for row in self.rows.values():
            if row.ran:  # what warming up took is not theirs
                sums[row.first // self.times.size] -= row.first_s
                counts[row.first // self.times.size] -= 1
        means, seconds, count = [], 0.0, 0
        left = self.rest
        for each_s, each in zip(sums, counts, strict=True):
            seconds, count, left = seconds + each_s, count + each, left - each
            if count and (count * _PARTS >= self.rest or not left):
                means.append(seconds / count)
                seconds, count = 0.0, 0
        return len(means) > 1 and max(means) > _DRIFT * min(means)

    def _scale(self, alone_s: float, alone: int, *, warm: bool) -> tuple[float, bool]:
        """How long an iteration takes alone, as a share of what it took in the workers; and whether that is certain.

        The kernel's iterations are a sample of a loop whose iterations neither grow nor shrink: the more there are, and
        the more alike all of them, the less is chance. Where less is known the workers' own seconds count, as 1.
        """
        if not alone or self.rest < _FEW or self.rest_s <= 0 or self._drifts():
            return 1.0, False
        share = alone_s / alone / (self.rest_s / self.rest)
        chance = self.sample.unlike / math.sqrt(alone)
        certain = _NINE_IN_TEN * chance <= _CLOSE and share <= 1 + _CLOSE  # slower yet, and the kernel was cold
        if alone < 2 and not warm:  # the first of all may have been that, too
            certain = certain and alone_s >= _LONG_S
        if 1 - share <= (2 if certain else 3) * chance:
            share = 1.0
        return min(1.0, max(share, 1 / max(1, self.workers))), certain

    def useful_s(self, now: float) -> float:
        """Seconds of its iterations, as long as they would have taken alone."""
        return self._parts(now)[WORK]

    def account(self, now: float) -> dict[str, float]:
        """Core seconds by cause, adding up to workers × wall."""
        parts = self._parts(now)
        # The kernel's own iterations took a core that a worker had nothing to run on, as far as there was one.
        idle = sum(parts[cause] for cause in _NOTHING_RAN)
        taken = min(self.beside_s, idle)
        for cause in _NOTHING_RAN if taken > 0 else ():
            parts[cause] -= taken * parts[cause] / idle
        parts[WORK] += taken
        # What floating point lost on the way goes where nobody sees it.
        largest = max(parts, key=parts.__getitem__)
        parts[largest] += self.core_s(now) - math.fsum(parts.values())
        return parts

    def _parts(self, now: float) -> dict[str, float]:
        parts = dict(self.parts)
        if self.end is None:
            there = [row for row in self.rows.values() if not row.is_gone]
            for row in there:  # what is under way is taken for useful, from when it was sent
                sent = max(row.cursor, min(now, min(row.sent.values(), default=now)))
                parts[DEATHS if row.died else QUEUE] += sent - row.cursor
                parts[WORK] += max(0.0, now - sent)
            parts[QUEUE] += sum(max(0.0, now - begin) for begin in self.unseen)
        for cause, seconds in ((NO_EFFECT, self.wasted), (WARMING, self.warmed)):
            moved = min(seconds, parts[WORK])
            parts[cause] += moved
            parts[WORK] -= moved
        beside_others = parts[WORK]
        parts[WORK] *= self.yardstick
        parts[CONTENTION] += beside_others - parts[WORK]
        return parts
