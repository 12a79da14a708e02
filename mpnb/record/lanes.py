"""What each worker did, as stretches of time, few enough to be drawn: short neighbours are merged, sums stay exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

TASK: Final = "task"
DECODE: Final = "decode"
CHECK: Final = "check"
ENCODE: Final = "encode"
FAILED: Final = "failed"
KINDS: Final = (TASK, DECODE, CHECK, ENCODE, FAILED)

MAX_SPANS: Final = 600  # per lane: more than a lane has pixels
ALL_SPANS: Final = 24_000  # in all lanes
FINEST: Final = 0.001  # seconds: shorter tasks are merged from the start


@dataclass(slots=True)
class Span:
    """A stretch of a lane. `busy` is the seconds of tasks in it, less than its length where short tasks were merged.

    What is seen only while the run goes on, and not saved: `nbytes` went to and fro for it, a chunk begins with it
    (`opens`), and the number of its site.
    """

    start: float
    end: float
    kind: str
    first: int = 0
    count: int = 0
    busy: float = 0.0
    nbytes: float = 0.0
    opens: bool = False
    site: int = 0


class Lane:
    """What one worker did, as spans in order of time; short neighbours are merged once there are too many.

    `version` grows whenever spans that were there before have changed; else only the last one may.
    """

    def __init__(self, limit: int = MAX_SPANS, resolution: float = FINEST) -> None:
        self.spans: list[Span] = []
        self.resolution = resolution
        self.version = 0
        self._limit = limit

    def add(self, span: Span) -> None:
        """Put a span at the end."""
        if not self.spans or not self._join(self.spans[-1], span):
            self.spans.append(span)
        while len(self.spans) > self._limit:
            self.resolution *= 2
            self.version += 1
            old, self.spans = self.spans, []
            for each in old:
                if not self.spans or not self._join(self.spans[-1], each):
                    self.spans.append(each)

    def _join(self, last: Span, span: Span) -> bool:
        """Merge `span` into `last` if both together are shorter than what is told apart."""
        if span.end - last.start > self.resolution:
            return False
        if last.kind != span.kind and FAILED not in {last.kind, span.kind}:
            last.kind = span.kind if span.end - span.start > last.end - last.start else last.kind
        elif span.kind == FAILED:
            last.kind = FAILED
        if span.count:
            last.first = min(last.first, span.first) if last.count else span.first
        last.end = max(last.end, span.end)
        last.count += span.count
        last.busy += span.busy
        last.nbytes += span.nbytes
        last.opens = last.opens or span.opens
        return True


def packed(lane: Lane) -> list[Any]:
    """Give a lane as rows of numbers."""
    return [
        [round(s.start, 6), round(s.end - s.start, 6), KINDS.index(s.kind), s.first, s.count, round(s.busy, 6)]
        for s in lane.spans
    ]


def unpacked(rows: list[Any], kinds: Sequence[str]) -> Lane:
    """Make a lane of rows of numbers, in which a kind is a place in `kinds`."""
    lane = Lane()
    lane.spans = [Span(start, start + length, kinds[kind], *rest) for start, length, kind, *rest in rows]
    return lane
