"""How the speedup goes with the number of workers: points in, laws that they follow out. Measures nothing.

The laws say what the points mean: Amdahl's serial share, and the contention and coherence of the Universal Scalability
Law. numpy fits them; matplotlib draws them, in the report.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mpnb.record import round_seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WORTH_ADDING: Final = 0.5  # of a core: a worker that adds less lies beyond the knee


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured on so many workers: seconds of each repetition, and the speedup over the serial loop."""

    workers: int
    seconds: tuple[float, ...]
    serial_s: float

    @property
    def speedup(self) -> float:
        """By the median."""
        return self.serial_s / statistics.median(self.seconds)

    @property
    def range(self) -> tuple[float, float]:
        """Of the slowest and of the fastest repetition."""
        return self.serial_s / max(self.seconds), self.serial_s / min(self.seconds)


@dataclass(frozen=True, slots=True)
class Law:
    """Speedup by number of workers: `gain · n / (1 + contention · (n - 1) + coherence · n · (n - 1))`.

    With a coherence of 0 it is Amdahl's law, and the contention is the serial share. `gain` is the speedup on one
    worker, below 1 by what a pool costs.
    """

    gain: float
    contention: float
    coherence: float = 0.0

    def __call__(self, workers: float) -> float:
        """The speedup on so many workers."""
        slowed = 1 + self.contention * (workers - 1) + self.coherence * workers * (workers - 1)
        return self.gain * workers / slowed

    @property
    def most(self) -> float:
        """The largest speedup that it allows, on any number of workers."""
        if self.coherence > 0:
            peak = max(1.0, math.sqrt(max(0.0, 1 - self.contention) / self.coherence))
            return max(self(math.floor(peak)), self(math.ceil(peak)))
        return self.gain / self.contention if self.contention > 0 else math.inf


@dataclass(frozen=True, slots=True, repr=False)
class Scaling:
    """What `mpnb.scaling` measured of a function, or `%%parallel --scaling` of a loop.

    Parameters
    ----------
    name
        Of the function, or what is looped over.
    items
        For how many items it ran.
    serial_s
        Seconds of each repetition of the serial loop.
    points
        What was measured, by number of workers.
    amdahl, usl
        The laws that come closest; None where there are too few points: two for Amdahl's, four for the other.
    knee
        The last number of workers that still adds half a core or more; None where even the last one measured does.
    """

    name: str
    items: int
    serial_s: tuple[float, ...]
    points: tuple[Point, ...]
    amdahl: Law | None = field(init=False)
    usl: Law | None = field(init=False)
    knee: int | None = field(init=False)

    def __post_init__(self) -> None:
        measured = [(point.workers, point.speedup) for point in self.points]
        amdahl = fit(measured, with_coherence=False)
        usl = fit(measured, with_coherence=True)
        object.__setattr__(self, "amdahl", amdahl)
        object.__setattr__(self, "usl", usl)
        object.__setattr__(self, "knee", find_knee(usl or amdahl, [workers for workers, _ in measured]))

    @property
    def verdict(self) -> str:
        """Where more workers stop to pay, in a sentence."""
        law, last = self.usl or self.amdahl, self.points[-1].workers
        if law is None:
            return "measure at least two numbers of workers to see where more of them stop to pay"
        if self.knee is None:
            return f"no knee up to {last} workers: each adds half a core or more"
        most = "" if math.isinf(law.most) else f"; at most ≈{law.most:.1f}× on any number"
        return f"the knee is at {_workers(self.knee)}: one more adds less than half a core{most}"

    def __repr__(self) -> str:
        """A line for each number of workers, the laws, and where the knee is."""
        serial = round_seconds(statistics.median(self.serial_s))
        lines = [f"{self.name} for {self.items:,} items, {serial} serially"]
        for point in self.points:
            low, high = point.range
            seconds = round_seconds(statistics.median(point.seconds))
            line = f"  {_workers(point.workers):>11}  {seconds:>8}  {point.speedup:5.2f}×"
            lines.append(line + (f"  ({low:.2f} to {high:.2f})" if len(point.seconds) > 1 else ""))
        if self.amdahl is not None:
            lines.append(f"  Amdahl: serial share {self.amdahl.contention:.1%}")
        if self.usl is not None:
            lines.append(f"  USL: contention {self.usl.contention:.1%}, coherence {self.usl.coherence:.2%}")
        return "\n".join([*lines, f"  {self.verdict}"])

    def to_png(self) -> bytes:
        """Draw it as `plot` does, as the bytes of a picture."""
        from mpnb import report

        return report.to_png(self.plot, *report.SCALING_INCHES)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the measured speedups with their range, the laws and the knee.

        Parameters
        ----------
        ax
            Where to draw; a new figure where it is None.
        """
        from mpnb import report

        laws: dict[str, Callable[[float], float]] = {}
        if self.amdahl is not None:
            laws[f"Amdahl: serial share {self.amdahl.contention:.1%}"] = self.amdahl
        if self.usl is not None:
            laws[f"USL: contention {self.usl.contention:.1%}, coherence {self.usl.coherence:.2%}"] = self.usl
        measured = [(point.workers, point.speedup, *point.range) for point in self.points]
        return report.scaling(measured, laws, self.knee, ax)


def fit(measured: Sequence[tuple[int, float]], *, with_coherence: bool) -> Law | None:
    """Find the law that comes closest to (workers, speedup), by least squares of relative errors; None where too few.

    Both laws are linear in workers over speedup, `n / S = (1 + contention (n - 1) + coherence n (n - 1)) / gain`, and
    none of their parameters may be below 0: so all ways of leaving some out are tried.

    Examples
    --------
    >>> law = Law(gain=0.9, contention=0.1)
    >>> found = fit([(n, law(n)) for n in (1, 2, 4, 8)], with_coherence=False)
    >>> round(found.gain, 3), round(found.contention, 3)
    (0.9, 0.1)
    """
    import numpy as np

    if len({workers for workers, _ in measured}) < (4 if with_coherence else 2):
        return None
    n = np.array([workers for workers, _ in measured], dtype=float)
    ratio = n / np.array([speedup for _, speedup in measured], dtype=float)
    columns = [np.ones_like(n), n - 1, n * (n - 1)][: 3 if with_coherence else 2]
    best: tuple[float, list[float]] | None = None
    for size in range(len(columns)):
        for kept in itertools.combinations(range(1, len(columns)), size):
            matrix = np.column_stack([columns[i] for i in (0, *kept)]) / ratio[:, None]
            found = np.linalg.lstsq(matrix, np.ones_like(n), rcond=None)[0]
            error = float(np.sum((matrix @ found - 1) ** 2))
            if found.min() >= 0 and found[0] > 0 and (best is None or error < best[0]):
                factors = [0.0] * 3
                for i, value in zip((0, *kept), found, strict=True):
                    factors[i] = float(value)
                best = error, factors
    if best is None:
        return None
    first, contention, coherence = best[1]
    return Law(1 / first, contention / first, coherence / first)


def find_knee(law: Law | None, workers: Sequence[int]) -> int | None:
    """Give the last number of workers that adds `WORTH_ADDING` of a core or more; None where all measured ones do.

    Examples
    --------
    >>> find_knee(Law(1.0, 0.1), [1, 2, 4, 8, 16]), find_knee(Law(1.0, 0.0), [1, 2, 4])
    (4, None)
    """
    if law is None:
        return None
    for count in range(1, workers[-1]):
        if law(count + 1) - law(count) < WORTH_ADDING:
            return count
    return None


def _workers(count: int) -> str:
    return f"{count} worker{'' if count == 1 else 's'}"
