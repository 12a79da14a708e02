"""How long a run would have taken on other workers, in another order or other chunks. A record in, seconds out.

The measured iterations are handed out once more, by the pool's own scheduler, to workers of paper. What the model does
not know of the run is taken from it: what it says of the run as it was is held against what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from mpnb import worth
from mpnb.record import Checked, Record, Site, books, round_seconds
from mpnb.simulation import Lengths, Prices, play

AS_IT_WAS: Final = "as it was"
LONGEST_FIRST: Final = "longest first"
SHORTEST_FIRST: Final = "shortest first"
ORDERS: Final = (AS_IT_WAS, LONGEST_FIRST, SHORTEST_FIRST)

_WAITED: Final = 0.05  # of the workers' time: from there on, what the kernel takes for results is estimated from it
_ALIKE: Final = 1.25  # as many times as long is no other length
_WRONG: Final = 0.05  # of the seconds of iterations may lie against an order
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
    probe
        Whether the kernel runs the first iterations itself; False as with `--no-probe`, None as it was.
    alone
        Whether it takes it that iterations beside others are no slower than alone: the run did not tell.
    probed, iterations
        Whether the kernel then runs some of them, and how many each loop has: by which such a run is known.
    """

    workers: int
    order: str
    chunk: int | None
    wall_s: float
    measured_s: float
    measured_workers: int
    speedup: float
    probe: bool | None = None
    alone: bool = False
    probed: bool = True
    iterations: tuple[int | None, ...] = ()

    def error(self, run: Record) -> float:
        """How far off it was: 0.1 where it said a tenth more than `run` took, -0.1 where it said a tenth less.

        Parameters
        ----------
        run
            The cell, run again under these conditions: `mpnb.last_run()`.
        """
        return self.wall_s / run.wall_s - 1

    def __repr__(self) -> str:
        was = f"{round_seconds(self.measured_s)} on {self.measured_workers}"
        words = f"≈{round_seconds(self.wall_s)} {self.how} (measured: {was}) · ≈{self.speedup:.1f}× the serial speed"
        return words + (
            ", if iterations don't slow each other down, of which this run does not tell" if self.alone else ""
        )

    @property
    def how(self) -> str:
        """The conditions, in words."""
        how = f"on {self.workers} worker{'' if self.workers == 1 else 's'}"
        how += "" if self.order == AS_IT_WAS else f", {self.order}"
        how += "" if self.chunk is None else f", in chunks of {self.chunk}"
        return how + ("" if self.probe is None else ", without a probe" if not self.probe else ", with a probe")


def what_if(
    record: Record,
    *,
    workers: int | None = None,
    order: str = AS_IT_WAS,
    chunk: int | None = None,
    probe: bool | None = None,
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
    terms = _Terms(workers, order, chunk, probe, contention)
    predicted = sum(_wall_s(site, record.chunk, terms) for site in split)
    return Forecast(
        workers=workers or record.ideal,
        order=order,
        chunk=chunk,
        wall_s=record.wall_s - measured + predicted,
        measured_s=record.wall_s,
        measured_workers=record.ideal,
        speedup=sum(site.kernel_s + site.pool_s for site in split) / predicted if predicted > 0 else 0.0,
        probe=probe,
        probed=any(site.kernel_iterations for site in split) if probe is None else probe,
        iterations=tuple(site.iterations for site in split),
        alone=contention is None and any(_is_news(site, workers or site.workers) for site in split),
    )


def check(record: Record, earlier: Sequence[Forecast]) -> list[Checked]:
    """Hold what was foretold against a run of the same cell that was as it said.

    Whether the cell runs in another order can be seen only by what its iterations took.
    """
    split = [site for site in record.sites if site.was_split]
    if record.status != "finished" or not split:
        return []
    iterations = [site.iterations for site in split]
    probed = any(site.kernel_iterations for site in split)
    found = []
    for each in earlier:
        same = (each.workers, each.chunk, each.iterations) == (record.ideal, record.chunk, tuple(iterations))
        if same and each.probed == probed and (each.order == AS_IT_WAS or all(_is_in(each.order, s) for s in split)):
            found.append(Checked(each.how, each.wall_s, record.wall_s))
    return found


def _is_in(order: str, site: Site) -> bool:
    """Whether iterations came in this order, but for what holds up one now and then."""
    runs = _runs(site)
    if site.kernel_iterations:
        runs.insert(0, (site.kernel_iterations, site.kernel_s / site.kernel_iterations))
    if order == SHORTEST_FIRST:
        runs.reverse()
    shortest, wrong_s = math.inf, 0.0
    for count, each in runs:
        wrong_s += count * max(0.0, each - _ALIKE * shortest)
        shortest = min(shortest, each)
    return wrong_s <= _WRONG * sum(count * each for count, each in runs)


def _is_news(site: Site, workers: int) -> bool:
    """Whether the run does not tell how much slower iterations are on so many workers."""
    return workers != site.workers and not site.certain and site.yardstick == 1


@dataclass(frozen=True, slots=True)
class _Terms:
    """Under which conditions a site is played again; None is as it was, but for `chunk`: as the scheduler decides."""

    workers: int | None
    order: str
    chunk: int | None
    probe: bool | None
    contention: float | None


def _wall_s(site: Site, chunk: int | None, terms: _Terms) -> float:
    """Seconds of a site that ran in such chunks: what the kernel did stays, the pool's part is played again."""
    workers = terms.workers or site.workers
    fixed = site.costs.names_s + site.parts.get(books.STARTING, 0.0) / site.workers  # whatever the workers
    once = max(0.0, site.job_s - fixed) / site.jobs  # in an outer loop, it had several passes
    slower = (1 / site.yardstick - 1) / max(1, site.workers - 1) if terms.contention is None else terms.contention
    beside = 1 + slower * (site.workers - 1)  # as many times as long as alone
    scale = (1 + slower * (workers - 1)) / beside
    expected_s = site.kernel_s / site.kernel_iterations if site.kernel_iterations else None
    as_it_was = partial(play, Lengths(_runs(site)), site.workers, chunk=chunk, expected_s=expected_s)
    prices = _prices(site, 0.0)
    waited = site.parts.get(books.QUEUE, 0.0) + site.parts.get(books.HOME, 0.0)
    if waited > _WAITED * site.core_job_s and as_it_was(prices) < once:
        low, high = 0.0, once / sum(site.times.counts if site.times else [1])
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if as_it_was(_prices(site, middle)) < once else (low, middle)
        prices = _prices(site, low)
    known = as_it_was(prices)
    runs, kernel_s = _runs(site), 0.0
    if _can_be_dealt_anew(site) and (terms.order != AS_IT_WAS or terms.probe is not None):
        runs, kernel_s, expected_s = _dealt(site, beside, workers, terms.order, probe=terms.probe)
    else:
        runs = _sorted(runs, terms.order)
    lengths = Lengths((count, each * scale) for count, each in runs)
    again = play(lengths, workers, prices, chunk=terms.chunk, expected_s=expected_s)
    pool_s = once * again / known if known > 0 else once
    return max(0.0, (site.wall_s or 0.0) - site.job_s + kernel_s) + fixed + site.jobs * pool_s


_Runs = list[tuple[int, float]]
"""How many iterations that are alike, and seconds of each."""


def _can_be_dealt_anew(site: Site) -> bool:
    """Whether it was one pass, of which the kernel ran no more than a probe."""
    return site.jobs == 1 and site.beside_s == 0 and not site.reason


def _dealt(
    site: Site, beside: float, workers: int, order: str, *, probe: bool | None
) -> tuple[_Runs, float, float | None]:
    """Deal all iterations anew, first to a probe: those of the pool, seconds of the kernel, and of each one there.

    The seconds of the kernel are beyond what the probe has taken that was measured.
    """
    count = site.kernel_iterations
    runs = _runs(site)
    if count:
        runs.insert(0, (count, site.kernel_s / count * beside))
    runs = _sorted(runs, order)
    if not (count > 0 if probe is None else probe):
        return runs, -site.kernel_s, None
    left = sum(each for each, _ in runs)
    took, taken, patience = 0.0, 0, worth.PROBE_S
    while runs and took < patience:
        many, each = runs[0]
        some = max(1, min(many, round((patience - took) * beside / each))) if each > 0 else many
        took, taken = took + some * each / beside, taken + some
        runs[:1] = [(many - some, each)] if many > some else []
        if took >= patience and taken < 2 and left - taken >= worth.MANY * workers:  # one is no yardstick
            patience = took + 2 * worth.PROBE_S
    return runs, took - site.kernel_s, took / max(1, taken)


def _sorted(runs: _Runs, order: str) -> _Runs:
    if order == AS_IT_WAS:
        return runs
    return sorted(runs, key=lambda run: run[1], reverse=order == LONGEST_FIRST)


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


def _runs(site: Site) -> _Runs:
    """The pool's iterations: of each bucket the longest, and the others, which are taken as alike."""
    assert site.times is not None
    runs = []
    for seconds, count, longest in zip(site.times.seconds, site.times.counts, site.times.longest, strict=True):
        if count == 1:
            runs.append((1, seconds))
        elif count:
            runs += [(1, longest), (count - 1, max(0.0, seconds - longest) / (count - 1))]
    return runs
