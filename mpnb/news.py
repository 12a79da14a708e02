"""What the panel is told: a record in, small messages out, each with what is new since the last. Draws nothing.

Times are in tenths of milliseconds and bytes are whole, so that they are short in JSON. A message says from which span
and point on it replaces what was sent before; `whole` stands for all before it.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol

from mpnb.record import KINDS, Lane, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mpnb.cores import Sample

OPENS: Final = 8  # added to a span's kind: a chunk begins with it
SITE: Final = 16  # times the number of its site, added too
KERNEL_SPANS: Final = 40  # of the kernel itself that are drawn: the last ones
MEMORY_EVERY: Final = 5  # messages from one look at the workers' memory to the next

Past = list[tuple[int, list[float]]]  # of earlier runs of a cell: workers, and the speedup's curve, flat

_numbers = count(1)


class Sampler(Protocol):
    """Anything that says how busy the machine is."""

    def sample(self) -> Sample:
        """Give the load since the last call."""
        ...

    def memory_of(self, pids: Iterable[int | None]) -> list[int | None]:
        """Give the bytes that each of these processes has to itself."""
        ...


class News:
    """What has changed since the last message.

    Parameters
    ----------
    record
        What happens.
    load
        How busy the machine is.
    past
        Curves of earlier runs of the same cell.
    stays, pinned
        Whether the panel stays when the run is over; else, whether its pictures then do.
    """

    def __init__(
        self, record: Record, load: Sampler, past: Past | None = None, *, stays: bool = False, pinned: bool = False
    ) -> None:
        self._record = record
        self._load = load
        self._fixed = {"past": past or [], "stays": stays, "pinned": pinned}
        self._run = next(_numbers)
        self._number = 0
        self._lanes: list[tuple[int, int, float]] = []  # per lane: version, spans sent, end of the last
        self._points = 0
        self._machine: dict[str, Any] = {}
        self._memory: list[int] = []
        self.spans = 0

    def since_last(self) -> dict[str, Any]:
        """Make the next message."""
        record = self._record
        self._sample()
        self._number += 1
        self._lanes += [(-1, 0, 0.0)] * (len(record.lanes) - len(self._lanes))
        changed = []
        for n, lane in enumerate(record.lanes):
            version, sent, end = self._lanes[n]
            here = (lane.version, len(lane.spans), lane.spans[-1].end if lane.spans else 0.0)
            if here != (version, sent, end):
                first = max(0, sent - 1) if version == lane.version else 0  # the last one may have grown
                changed.append([n, first, _flat(lane, first)])
                self._lanes[n] = here
        first = 0 if len(record.curve) < self._points else max(0, self._points - 1)
        self._points = len(record.curve)
        return {**self._now("tick"), "lanes": changed, "curve": [first, flat_curve(record.curve[first:])]}

    def whole(self) -> dict[str, Any]:
        """Make a message that stands for all before it."""
        if not self._machine:
            self._sample()
        record = self._record
        self.spans = sum(len(lane.spans) for lane in record.lanes)
        lanes = [[n, 0, _flat(lane, 0)] for n, lane in enumerate(record.lanes)]
        return {**self._now("whole"), "lanes": lanes, "curve": [0, flat_curve(record.curve)], **self._fixed}

    def _now(self, kind: str) -> dict[str, Any]:
        record, progress = self._record, self._record.progress
        rows = _rows(record)
        return {
            "kind": kind,
            "run": self._run,
            "number": self._number,
            "kinds": KINDS,
            "label": label(record),
            "sites": [site.label or f"line {site.line}" for site in record.sites],
            "status": record.status if record.started is not None else "idle",
            "now": _short(record.now),
            "workers": max(1, record.workers),
            "rows": rows,
            "done": progress.done,
            "total": progress.total,
            "rate": progress.rate,
            "eta": progress.eta_s,
            "queued": record.queued,
            "sent": record.sent_nbytes,
            "home": record.home_nbytes,
            "speedup": record.speedup,
            "ideal": record.ideal,
            "mark": record.speedup_mark,
            "serial_from": record.serial_from,
            "running": [-1 if since is None else _short(since) for since in record.running_since],
            "left": [-1 if at is None else _short(at) for at in record.left_at],
            "deaths": [number for row, at in record.deaths for number in (row, _short(at))],
            "kernel": _flat(record.kernel, max(0, len(record.kernel.spans) - KERNEL_SPANS)),
            "held": self._memory,
            **self._machine,
        }

    def _sample(self) -> None:
        sample = self._load.sample()
        every = len(sample.allowed) == len(sample.cores)
        self._machine = {
            "cores": [round(100 * share) for core in sample.cores for share in core],
            "allowed": None if every or not sample.allowed else sorted(sample.allowed),
            "quota": sample.quota,
            "own": [round(100 * sample.own), sample.own_memory],
            "memory": [sample.memory_used, sample.memory_total],
        }
        if self._number % MEMORY_EVERY == 0:
            self._memory = [-1 if each is None else each for each in self._load.memory_of(self._record.pids)]


def label(record: Record) -> str:
    """Name what is under way."""
    if record.current is None:
        return "starting"
    site = record.sites[record.current]
    return site.label or f"line {site.line}"


def flat_curve(points: Sequence[tuple[float, float]]) -> list[float]:
    """Give a curve as times and values in turn."""
    return [number for t, value in points for number in (_short(t), round(value, 3))]


def _rows(record: Record) -> list[int]:
    """The lanes that are drawn: those of the workers that it has, and of all that did something."""
    return [n for n, lane in enumerate(record.lanes) if lane.spans or n < record.workers]


def _short(seconds: float) -> int:
    return round(seconds * 1e4)


def _flat(lane: Lane, first: int) -> list[int]:
    """Seven numbers a span: start, length, kind, first iteration, how many, the busy share in percent, and bytes.

    The kind is a place in `KINDS`, with `OPENS` and `SITE` added.
    """
    out: list[int] = []
    for span in lane.spans[first:]:
        start, length = _short(span.start), _short(span.end - span.start)
        busy = 100 if span.kind != KINDS[0] or not length else min(100, round(1e6 * span.busy / length))
        kind = KINDS.index(span.kind) + OPENS * span.opens + SITE * span.site
        out += (start, length, kind, span.first, span.count, busy, round(span.nbytes))
    return out
