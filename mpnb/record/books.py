"""The books of one job: every second of its workers goes into exactly one account. Pure arithmetic.

`Costs` has seconds by number of iteration, in buckets that double so that they stay few.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

USEFUL: Final = "useful work"
SLOWER: Final = "slower than alone"
START: Final = "start"
PACKING: Final = "encode and decode"
WAITING: Final = "waiting for work"
UNEVEN: Final = "uneven end"
REPEATED: Final = "failed and repeated"
LOSSES: Final = (USEFUL, SLOWER, START, PACKING, WAITING, UNEVEN, REPEATED)

MAX_BUCKETS: Final = 2048  # of iteration times


class Costs:
    """Seconds of tasks by number of iteration, in buckets that double so that they stay few."""

    def __init__(self) -> None:
        self.size = 1
        self.seconds: list[float] = []
        self.counts: list[int] = []

    def add(self, first: int, durations: Sequence[float]) -> None:
        """Put in consecutive iterations."""
        at, end = 0, len(durations)
        while (first + end - 1) // self.size >= MAX_BUCKETS:
            self.size *= 2
            self.seconds = [sum(self.seconds[i : i + 2]) for i in range(0, len(self.seconds), 2)]
            self.counts = [sum(self.counts[i : i + 2]) for i in range(0, len(self.counts), 2)]
        missing = (first + end - 1) // self.size + 1 - len(self.seconds)
        if missing > 0:
            self.seconds += [0.0] * missing
            self.counts += [0] * missing
        while at < end:
            bucket = (first + at) // self.size
            stop = min(end, (bucket + 1) * self.size - first)
            self.seconds[bucket] += sum(durations[at:stop])
            self.counts[bucket] += stop - at
            at = stop

    def beyond(self, limit: int) -> float:
        """Seconds of the iterations from `limit` on."""
        bucket, inside = divmod(limit, self.size)
        rest = sum(self.seconds[bucket + 1 :])
        if bucket < len(self.seconds) and self.counts[bucket] > inside:  # those of a bucket are taken as alike
            rest += self.seconds[bucket] * (1 - inside / self.counts[bucket])
        return rest


@dataclass(slots=True)
class Row:
    """One worker's place in a job: accounted for up to `cursor`."""

    cursor: float
    state: str = START  # what the time up to the next batch is: START, WAITING or REPEATED
    sent: dict[int, float] = field(default_factory=dict)  # chunks it has, and since when


@dataclass(slots=True)
class Job:
    """The pool's part in a site."""

    site: int
    declared: int
    start: float
    end: float | None = None
    rows: dict[int, Row] = field(default_factory=dict)
    parts: dict[str, float] = field(default_factory=lambda: dict.fromkeys(LOSSES, 0.0))
    costs: Costs = field(default_factory=Costs)
    pulled: int = 0  # iterations that were encoded for it
    home: int = 0  # iterations that came home
    count: int = 0
    squares: float = 0.0
    lowest: int | None = None  # iteration that it was given
    limit: int | None = None  # iterations from here on took no effect
    wasted: float = 0.0
    yardstick: float = 1.0
    longest_end: float = -1.0  # of the site's longest iteration, where this job ran it

    @property
    def workers(self) -> int:
        """How many cores it owned."""
        return max(self.declared, len(self.rows))

    def row(self, number: int) -> Row:
        """The place of the worker in this row."""
        return self.rows.setdefault(number, Row(self.start))

    def scale(self, alone_s: float, alone: int) -> float:
        """How long an iteration takes alone, as a share of what it took in the workers.

        The kernel's iterations are a sample; only where they are a few, the iterations are alike, and the mean lies
        beyond chance, do they say something. Else 1: the workers' own seconds count.
        """
        if alone < 3 or self.count < 3:
            return 1.0
        mean = self.parts[USEFUL] / self.count
        variance = max(0.0, self.squares / self.count - mean * mean)
        if mean <= 0 or variance > 0.25 * mean * mean:
            return 1.0
        if mean - alone_s / alone <= 3 * math.sqrt(variance / min(alone, self.count)):
            return 1.0
        return max(alone_s / alone / mean, 1 / max(1, self.workers))

    def account(self, now: float) -> dict[str, float]:
        """Core seconds by what they went into, adding up to workers × wall."""
        end = now if self.end is None else self.end
        parts = dict(self.parts)
        if self.end is None:
            for row in self.rows.values():  # what is under way is taken for useful, from when it was sent
                sent = max(row.cursor, min(end, min(row.sent.values(), default=end)))
                parts[row.state] += sent - row.cursor
                parts[USEFUL] += max(0.0, end - sent)
            parts[START] += (self.workers - len(self.rows)) * max(0.0, end - self.start)
        wasted = min(self.wasted, parts[USEFUL])
        useful = parts[USEFUL] - wasted
        parts[REPEATED] += wasted
        parts[USEFUL] = useful * self.yardstick
        parts[SLOWER] = useful - parts[USEFUL]
        # What floating point lost on the way goes where nobody sees it.
        largest = max(parts, key=parts.__getitem__)
        parts[largest] += self.workers * max(0.0, end - self.start) - math.fsum(parts.values())
        return parts
