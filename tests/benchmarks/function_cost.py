"""What `@mpnb.parallel` adds to a call in which nothing pays. `python -m tests.benchmarks.function_cost`, in the root.

Plain and decorated calls take turns in one kernel-like shell; printed are microseconds per call and their difference.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "plan"))

from differ import Bench

FUNCTIONS = """
import mpnb

@mpnb.parallel
def no_turn(xs):
    if not xs:
        return None
    return [x for x in xs]

@mpnb.parallel
def loop(xs):
    out = []
    for x in xs:
        out.append(x + 1)
    return out

@mpnb.parallel
def three(xs):
    made = [x for x in xs]
    total = 0
    for x in made:
        total += x
    return {x: total for x in made}
"""


def seconds(function: object, xs: list[int], calls: int = 2000) -> float:
    """Seconds per call."""
    began = time.perf_counter()
    for _ in range(calls):
        function(xs)  # type: ignore[operator]
    return (time.perf_counter() - began) / calls


def main() -> None:
    """Measure and print."""
    bench = Bench()
    bench.shell.run_cell(FUNCTIONS)
    for name, xs in [("no_turn", []), ("loop", [1, 2, 3]), ("three", [1, 2, 3])]:
        decorated = bench.shell.user_ns[name]
        pairs = [(seconds(decorated.__wrapped__, xs), seconds(decorated, xs)) for _ in range(9)]
        plain, with_it = (statistics.median(column) * 1e6 for column in zip(*pairs, strict=True))
        print(f"{name:8} plain {plain:6.2f} µs, decorated {with_it:6.2f} µs: {with_it - plain:5.2f} µs more")
    bench.close()


if __name__ == "__main__":
    main()
