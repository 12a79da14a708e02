"""How a function scales: measured on one worker after the other. The times are measured, never foretold."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from mpnb.cores import usable_cores
from mpnb.laws import Point, Scaling
from mpnb.pool import Pool

READY_S: Final = 60.0  # so long may workers take to start


def scaling(
    f: Callable[[Any], object], xs: Iterable[Any], workers: Iterable[int] | None = None, repeat: int = 3
) -> Scaling:
    """Measure how much faster `f` is for all of `xs` on one worker, two, and so on.

    Calls it for every item, once in the kernel and once on each number of workers, all of it `repeat` times.

    Parameters
    ----------
    f
        A function of one argument, which may be defined in the notebook.
    xs
        The items; enough of them to keep the workers busy for a second or so.
    workers
        Numbers of workers; 1 to the number of cores where it is None.
    repeat
        How often each is measured.

    Returns
    -------
    Scaling
        Points with their noise, the laws of Amdahl and USL with their parameters, the knee; `.plot()` draws it.

    Examples
    --------
    >>> def work(n):
    ...     return sum(i * i for i in range(n))
    >>> measured = scaling(work, [2_000] * 20, workers=[1, 2], repeat=1)
    >>> [point.workers for point in measured.points]
    [1, 2]
    """
    items = list(xs)
    counts = sorted({*(range(1, usable_cores() + 1) if workers is None else workers)})
    if not items:
        raise ValueError("xs must have an item or more, was empty")
    if not counts or counts[0] < 1:
        raise ValueError(f"workers must be numbers of 1 or more, were {counts}")
    if repeat < 1:
        raise ValueError(f"repeat must be 1 or more, was {repeat}")
    serial: list[float] = []
    pooled: dict[int, list[float]] = {}
    for count in counts:
        with Pool(count) as pool:
            pool.start()
            _wait(pool, count)
            pool.map(f, items[:count], chunksize=1)  # what f needs is sent, and imported
            pooled[count] = []
            for _ in range(repeat):  # in turns: what else the machine does meets both
                serial.append(_seconds(lambda: [f(item) for item in items]))
                pooled[count].append(_seconds(lambda pool=pool: pool.map(f, items)))  # type: ignore[misc]
    alone = statistics.median(serial)
    points = tuple(Point(count, tuple(seconds), alone) for count, seconds in pooled.items())
    return Scaling(getattr(f, "__qualname__", repr(f)), len(items), tuple(serial), points)


def _wait(pool: Pool, count: int) -> None:
    """Until that many workers take work."""
    end = time.monotonic() + READY_S
    while pool.ready < count:
        if time.monotonic() > end:
            raise TimeoutError(f"of {count} workers {pool.ready} have started within {READY_S:.0f} s")
        time.sleep(0.002)


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
