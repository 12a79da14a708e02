"""What pages and plots of a run have in common: colours, and lanes with no more pieces than can be seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from mpnb.markup import GREEN
from mpnb.record import (
    ALONE,
    CHECK,
    DECODE,
    ENCODE,
    FAILED,
    PACKING,
    PLANNING,
    REPEATED,
    SLOWER,
    START,
    TASK,
    TRANSFER,
    UNEVEN,
    USEFUL,
    WAITING,
    Lane,
)

# Okabe and Ito's colours, told apart by all eyes, a little towards the middle so that they hold on white and on black.
COLOURS: Final = {TASK: "#2f86c8", DECODE: "#d99a1c", ENCODE: "#d99a1c", CHECK: "#a77bc9", FAILED: "#d9541e"}
KERNEL: Final = "kernel"
KERNEL_COLOUR: Final = GREEN
LOSS_COLOURS: Final = {
    USEFUL: "#2f86c8",
    SLOWER: "#6fb4dd",
    PLANNING: "#a77bc9",
    ALONE: "#7cc4a8",
    START: "#2c9f7c",
    PACKING: "#d99a1c",
    TRANSFER: "#efcf85",
    WAITING: "#b4bac4",
    UNEVEN: "#868c96",
    REPEATED: "#d9541e",
}


def thinned(lane: Lane, resolution: float) -> list[tuple[str, float, float, float]]:
    """Give kind, start, end and busy share of a lane's spans, those below the resolution merged."""
    out: list[_Stretch] = []
    for span in lane.spans:
        if not out or span.end - out[-1].start >= resolution:
            out.append(_Stretch(span.start))
        out[-1].end = span.end
        out[-1].kinds[span.kind] = out[-1].kinds.get(span.kind, 0.0) + span.end - span.start
        out[-1].busy += span.busy if span.kind == TASK else span.end - span.start
    return [(each.kind(), each.start, each.end, min(1.0, each.busy / max(1e-9, each.end - each.start))) for each in out]


@dataclass(slots=True)
class _Stretch:
    """What is drawn as one piece."""

    start: float
    end: float = 0.0
    busy: float = 0.0
    kinds: dict[str, float] = field(default_factory=dict)

    def kind(self) -> str:
        return FAILED if FAILED in self.kinds else max(self.kinds, key=self.kinds.__getitem__)
