"""How long a run would have taken on other workers, in another order or other chunks. A record in, seconds out.

The measured iterations are handed out once more, by the pool's own scheduler, to workers of paper. What the model does
not know of the run is taken from it: what it says of the run as it was is held against what was measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from mpnb.record import Record, Site, books, round_seconds
from mpnb.simulation import Lengths, Prices, play

AS_IT_WAS: Final = "as it was"
LONGEST_FIRST: Final = "longest first"
SHORTEST_FIRST: Final = "shortest first"
ORDERS: Final = (AS_IT_WAS, LONGEST_FIRST, SHORTEST_FIRST)

_WAITED: Final = 0.05  # of the workers' time: from there on, what the kernel takes for results is estimated from it
_STEPS: Final = 12  # of the search for it


@dataclass(frozen=True, slots=True, repr=False)
class Forecast:
    """How long a run is expected to take.

    Parameters
    ----------
    workers, order, chunk
        Under which conditions; `chunk` is None where the scheduler decides.
    wall_s
        Seconds that the run is expected to take.
    measured_s, measured_workers
        What the run took that was measured, and on how many workers.
    speedup
        Of what was split, over the same work done serially.
    """

    workers: int
    order: str
    chunk: int | None
    wall_s: float
    measured_s: float
    measured_workers: int
    speedup: float

    def error(self, run: Record) -> float:
        """How far off it was: 0.1 where it said a tenth more than `run` took, -0.1 where it said a tenth less.

        Parameters
        ----------
        run
            The cell, run again under these conditions: `mpnb.last_run()`.
        """
        return self.wall_s / run.wall_s - 1

    def __repr__(self) -> str:
        how = f"on {self.workers} worker{'' if self.workers == 1 else 's'}"
        how += "" if self.order == AS_IT_WAS else f", {self.order}"
        how += "" if self.chunk is None else f", in chunks of {self.chunk}"
        was = f"{round_seconds(self.measured_s)} on {self.measured_workers}"
        return f"≈{round_seconds(self.wall_s)} {how} (measured: {was}) · ≈{self.speedup:.1f}× the serial speed"


def what_if(
    record: Record,
    *,
    workers: int | None = None,
    order: str = AS_IT_WAS,
    chunk: int | None = None,
    contention: float | None = None,
) -> Forecast:
    """Tell how long a run would take under other conditions: see `Record.what_if`, which asks this."""
    if contention is not None and contention < 0:
        raise ValueError(f"contention must be 0 or more, was {contention}")
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be 1 or more, was {workers}")
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk must be 1 or more, was {chunk}")
    if order not in ORDERS:
        raise ValueError(f"order must be one of {', '.join(map(repr, ORDERS))}, was {order!r}")
    split = [site for site in record.sites if site.was_split]
    if record.status == "running" or not split:
        raise ValueError("what_if needs a run that is over and of which a loop was split: see run.sites for why not")
    if any(site.times is None or not site.times.counts for site in split):
        raise ValueError("this record has no times of iterations, as of older versions: run the cell again")
    measured = sum(site.wall_s or 0.0 for site in split)
    predicted = sum(_wall_s(site, workers or site.workers, order, chunk, contention) for site in split)
    return Forecast(
        workers=workers or record.ideal,
        order=order,
        chunk=chunk,
        wall_s=record.wall_s - measured + predicted,
        measured_s=record.wall_s,
        measured_workers=record.ideal,
        speedup=sum(site.kernel_s + site.pool_s for site in split) / predicted if predicted > 0 else 0.0,
    )


def _wall_s(site: Site, workers: int, order: str, chunk: int | None, contention: float | None) -> float:
    """Seconds of a site: what the kernel did by itself stays, the pool's part is played again."""
    fixed = site.costs.names_s + site.parts.get(books.STARTING, 0.0) / site.workers  # whatever the workers
    once = max(0.0, site.job_s - fixed) / site.jobs  # in an outer loop, it had several passes
    slower = (1 / site.yardstick - 1) / max(1, site.workers - 1) if contention is None else contention
    scale = (1 + slower * (workers - 1)) / (1 + slower * (site.workers - 1))
    expected_s = site.kernel_s / site.kernel_iterations if site.kernel_iterations else None
    as_it_was = partial(play, _lengths(site, 1.0, AS_IT_WAS), site.workers, expected_s=expected_s)
    prices = _prices(site, 0.0)
    waited = site.parts.get(books.QUEUE, 0.0) + site.parts.get(books.HOME, 0.0)
    if waited > _WAITED * site.core_job_s and as_it_was(prices) < once:
        low, high = 0.0, once / sum(site.times.counts if site.times else [1])
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if as_it_was(_prices(site, middle)) < once else (low, middle)
        prices = _prices(site, low)
    known = as_it_was(prices)
    again = play(_lengths(site, scale, order), workers, prices, chunk=chunk, expected_s=expected_s)
    pool_s = once * again / known if known > 0 else once
    return max(0.0, (site.wall_s or 0.0) - site.job_s) + fixed + site.jobs * pool_s


def _prices(site: Site, taking_s: float) -> Prices:
    """What went by around an iteration, on the average; `taking_s` is what the kernel took to take in its result."""
    parts, costs = site.parts, site.costs
    counted = sum(site.times.counts) if site.times else 0
    iterations = max(1, counted, (site.iterations or 0) - site.kernel_iterations)
    chunks = max(1, costs.chunks)
    return Prices(
        item_s=costs.items_s / iterations,
        sending_s=parts.get(books.SENDING, 0.0) / chunks,
        unpacking_s=max(0.0, parts.get(books.UNPACKING, 0.0) - costs.loading_s) / chunks,
        packing_s=(parts.get(books.CHECKS, 0.0) + parts.get(books.RESULTS, 0.0)) / iterations,
        loading_s=costs.loading_s / max(1, costs.loaded),
        taking_s=taking_s,
    )


def _lengths(site: Site, scale: float, order: str) -> Lengths:
    """The iterations, so many times as long as they were measured."""
    assert site.times is not None
    runs = list(_runs(site.times, scale))
    if order != AS_IT_WAS:
        runs.sort(key=lambda run: run[1], reverse=order == LONGEST_FIRST)
    return Lengths(runs)


def _runs(times: books.Times, scale: float) -> Iterable[tuple[int, float]]:
    """Of each bucket the longest iteration, and the others, which are taken as alike."""
    for seconds, count, longest in zip(times.seconds, times.counts, times.longest, strict=True):
        if count == 1:
            yield 1, seconds * scale
        elif count:
            yield 1, longest * scale
            yield count - 1, max(0.0, seconds - longest) / (count - 1) * scale
