"""What does the record of a very long run cost: to keep, to save, to load and to draw?

    python tests/benchmarks/long_runs.py [--iterations 5000000] [--workers 8]

Feeds a record the events of a run that never was, as a pool would send them. Ends with an error where the JSON has more
than 5 MB or one of the drawings takes more than 1 s.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from mpnb import report  # noqa: E402 - of this checkout, found by the line above
from mpnb.events import (  # noqa: E402
    BatchFinished,
    ChunkEncoded,
    ChunkSent,
    Event,
    JobEnded,
    JobStarted,
    KernelRan,
    RunEnded,
    RunStarted,
    SiteEnded,
    SiteStarted,
)
from mpnb.record import USEFUL, Record, Site  # noqa: E402

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_NBYTES, MAX_S = 5_000_000, 1.0


def events(iterations: int, workers: int, chunk: int = 1000) -> Iterator[Event]:
    """Give the events of a run of short iterations, whose lengths drift and jump."""
    rng = random.Random(0)
    yield RunStarted(at=0.0, workers=workers)
    yield SiteStarted(at=0.0, site=0, total=iterations)
    yield KernelRan(at=0.01, site=0, first=0, count=500, seconds=0.009)
    yield JobStarted(at=0.02, site=0, workers=workers, encode_s=0.01, nbytes=1000)
    free = [0.021] * workers
    for number, first in enumerate(range(500, iterations, chunk)):
        count = min(chunk, iterations - first)
        worker = min(range(workers), key=free.__getitem__)
        sent = free[worker] + 0.0002
        yield ChunkEncoded(at=sent, chunk=number, first=first, count=count, nbytes=9 * count, encode_s=0.0001)
        yield ChunkSent(at=sent, worker=worker, chunk=number, first=first, count=count)
        now, times = sent + 0.001, []
        each = 20e-6 * rng.lognormvariate(0, 0.5)
        for _ in range(count):
            times += [now, now := now + each]
        free[worker] = now + 0.0005
        yield BatchFinished(
            at=free[worker], worker=worker, chunk=number, first=first, count=count, times=tuple(times),
            decode_s=0.0003, check_s=0.0001, encode_s=0.0003, nbytes=9 * count, chunk_done=True,
        )  # fmt: skip
    end = max(free)
    yield JobEnded(at=end, site=0)
    yield SiteEnded(at=end, site=0, iterations=iterations)
    yield RunEnded(at=end, status="finished")


def timed(what: str, call: Callable[[], object]) -> float:
    """Run once, print how long it took."""
    began = time.perf_counter()
    call()
    spent = time.perf_counter() - began
    print(f"  {what:34} {spent * 1e3:8.1f} ms")
    return spent


def draw(plot: Callable[[], Axes]) -> None:
    """Make a picture, down to its pixels."""
    plot().figure.canvas.draw()


def main() -> None:
    """Feed, save, load, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=5_000_000, help="iterations (default 5,000,000)")
    parser.add_argument("--workers", type=int, default=8, help="workers (default 8)")
    options = parser.parse_args()
    record = Record([Site(line=2, label="result", parallel=True)], workers=options.workers)
    spent = useful = 0.0
    for event in events(options.iterations, options.workers):
        began = time.perf_counter()
        record.add(event)
        spent += time.perf_counter() - began
        useful += event.times[-1] - event.times[0] if isinstance(event, BatchFinished) else 0.0
    print(f"{options.iterations:,} iterations on {options.workers} workers")
    print(f"  {'taken in, an iteration':34} {spent / options.iterations * 1e9:8.1f} ns")
    drift = abs(sum(record.losses.values()) / record.core_s - 1)
    print(f"  {'losses beside workers × wall':34} {drift:8.1e}    useful work {record.losses[USEFUL]:.6f} s")
    text = record.to_json()
    print(f"  {'as JSON':34} {len(text) / 1e6:8.3f} MB")
    timed("written as JSON", record.to_json)
    timed("read from JSON", lambda: Record.from_json(text))
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    plt.figure()  # fonts are looked for once
    again = Record.from_json(text)
    slow = []
    if timed("summary and static HTML", lambda: report.static_html(again)) > MAX_S:
        slow.append("static HTML")
    for plot in (again.timeline, again.losses_plot, again.speedup_plot):
        if timed(f"{plot.__name__}, drawn", partial(draw, plot)) > MAX_S:
            slow.append(plot.__name__)
    if len(text) > MAX_NBYTES or slow:
        sys.exit(f"too much: {len(text):,} bytes, slow: {', '.join(slow) or 'nothing'}")


if __name__ == "__main__":
    main()
