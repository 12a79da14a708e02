"""What the pool costs: python tests/benchmarks/pool_cost.py. Prints figures; nothing is asserted."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from typing import Any

from mpnb.pool import Pool


def add_one(x: int) -> int:
    """Next to no work."""
    return x + 1


def spin(x: int) -> int:
    """Five milliseconds of work."""
    end = time.perf_counter() + 0.005
    while time.perf_counter() < end:
        pass
    return x


def seconds(call: Callable[[], Any], times: int = 5) -> float:
    """The median of some runs."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def main() -> None:
    """Measure and print."""
    began = time.perf_counter()
    pool = Pool(2)
    pool.start()
    started = time.perf_counter() - began
    while pool.ready < 2:
        time.sleep(0.0005)
    print(f"start() returns after      {started * 1e3:8.2f} ms")
    print(f"two workers ready after    {(time.perf_counter() - began) * 1e3:8.1f} ms")
    pool.map(add_one, [1, 2])
    print(f"map of one item, warm      {seconds(lambda: pool.map(add_one, [1]), 50) * 1e3:8.2f} ms")
    print(f"map of 1,000 x + 1         {seconds(lambda: pool.map(add_one, range(1000))) * 1e3:8.1f} ms")
    print(f"map of 100,000 x + 1       {seconds(lambda: pool.map(add_one, range(100_000))) * 1e3:8.1f} ms")
    serial = seconds(lambda: list(map(spin, range(400))), 3)
    ours = seconds(lambda: pool.map(spin, range(400)), 3)
    print(f"400 tasks of 5 ms, serial  {serial * 1e3:8.1f} ms")
    print(f"            mpnb           {ours * 1e3:8.1f} ms  {serial / ours:.2f}×")
    pool.shutdown()
    with multiprocessing.get_context("fork").Pool(2) as theirs:
        theirs.map(add_one, [1, 2])
        print(f"their map of one item      {seconds(lambda: theirs.map(add_one, [1]), 50) * 1e3:8.2f} ms")
        print(f"their map of 100,000       {seconds(lambda: theirs.map(add_one, range(100_000))) * 1e3:8.1f} ms")
        other = seconds(lambda: theirs.map(spin, range(400)), 3)
        print(f"            multiprocessing{other * 1e3:8.1f} ms  {serial / other:.2f}×")


if __name__ == "__main__":
    main()
