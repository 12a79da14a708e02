"""Is a cell ever slower with %%parallel than without? Kinds of work that gain nothing, or little, from more workers.

    python tests/benchmarks/never_slower.py [--rounds 9] [--only memory]

Each cell runs in a real, warm kernel with and without the magic in turns; of both the median counts. The bound is 1.05
times the serial cell plus 3 ms. Prints figures and asserts nothing: on a busy machine look at the medians of many
rounds, and at the load printed beside them.
"""

from __future__ import annotations

import argparse
import ast
import os
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "benchmarks")]

from real_kernel import Kernel  # noqa: E402 -- found once the path is set
from tiny_cells import READY, TIMED  # noqa: E402

SETUP = """
import numpy as np, time as _clock
rng = np.random.default_rng(0)
big = rng.random(8_000_000)          # 64 MB
table = rng.random(400_000)          # 3 MB: about a core's own cache
places = rng.integers(0, len(table), 300_000)
arrays = [rng.random(250_000) for _ in range(60)]     # 2 MB each
rows = [{"n": i, "words": ["a", "b", str(i)]} for i in range(60_000)]
matrix = rng.random((400, 400))
def spin(ms):                        # pure Python: that long on this machine, now
    total = 0
    for i in range(int(ms * _per_ms)):
        total += i * i
    return total
_per_ms = 10_000
def _spin_s():
    began = _clock.perf_counter()
    spin(20)
    return _clock.perf_counter() - began
_per_ms = int(0.02 / min(_spin_s() for _ in range(10)) * _per_ms)
"""

#: What it is, and the cell.
WORKLOADS = {
    "1 µs each": "r = [x + 1 for x in range(300_000)]",
    "30 µs each, 60 ms in all": "r = [spin(0.03) for _ in range(2_000)]",
    "1 ms each, 40 ms in all": "r = [spin(1) for _ in range(40)]",
    "1 ms each, 300 ms in all": "out = []\nfor _ in range(300):\n    out.append(spin(1))",
    "10 ms each": "r = [spin(10) for _ in range(30)]",
    "100 ms each": "r = [spin(100) for _ in range(5)]",
    "memory-bound: reads 64 MB each": "r = [float(big.sum()) + k for k in range(40)]",
    "memory-bound: makes 64 MB each": "r = [float((big + k).max()) for k in range(16)]",
    "cache-bound: looks up in 3 MB": "r = [float(table[(places + k) % 400_000].sum()) for k in range(80)]",
    "large inputs: 2 MB each": "r = [float(a.mean()) for a in arrays for _ in range(3)]\nr = [float(a.max() + a.std()) for a in arrays]",
    "large inputs: small objects": "out = []\nfor row in rows:\n    out.append(len(row['words']) + row['n'])",
    "large names: small objects": "r = [sum(each['n'] for each in rows) + k for k in range(25)]",
    "large results: 2 MB each": "r = [np.full(250_000, k, dtype=float) for k in range(100)]",
    "large results: small objects": "r = [[(i, str(i)) for i in range(3000)] for _ in range(60)]",
    "uneven": "r = [spin(0.2 + (i * 7919 % 97) / 25) for i in range(120)]",
    "growing": "r = [spin(i / 40) for i in range(160)]",
    "one long, the first": "r = [spin(250 if i == 0 else 0.1) for i in range(100)]",
    "one long, the last": "r = [spin(250 if i == 99 else 0.5) for i in range(100)]",
    "releases the GIL, BLAS": "r = [float((matrix @ matrix)[0, 0]) + k for k in range(80)]",
    "sleeps: 2 ms each": "r = [_clock.sleep(0.002) for _ in range(60)]",
}
SITES = "[(s.parallel, s.reason) for s in __import__('mpnb').last_run().sites]"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="how often each cell runs in each way (default 9)")
    parser.add_argument("--only", default="", help="only workloads whose name has this text")
    options = parser.parse_args()
    print(f"load average before: {os.getloadavg()[0]:.1f}")
    over = 0
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(Path(folder)).start(PYTHONPATH=str(ROOT))
        try:
            for cell in (READY, SETUP, TIMED):
                kernel.check(cell, timeout=120)
            kernel.check("_turns('r = [x for x in range(10)]', 20, 'warm');", timeout=120)
            for name, cell in WORKLOADS.items():
                if options.only in name:
                    text = kernel.value(f"_turns({cell!r}, {options.rounds}, {name!r})", timeout=600)
                    pairs = ast.literal_eval(text or "[]")
                    sites = ast.literal_eval(kernel.value(SITES) or "[]")
                    over += report(name, pairs, sites)
        finally:
            kernel.close()
    print(f"{over} over the bound of 1.05 × serial + 3 ms; load average after: {os.getloadavg()[0]:.1f}")


def report(name: str, pairs: list[tuple[float, float]], sites: list[tuple[bool, str]]) -> bool:
    """Print one workload's figures; tell whether it was over the bound."""
    serial = statistics.median(alone for alone, _ in pairs)
    marked = statistics.median(each for _, each in pairs)
    ratio = statistics.median((each - 0.003) / alone for alone, each in pairs)
    best = min(each for _, each in pairs) / min(alone for alone, _ in pairs)
    over = ratio > 1.05
    went = "; ".join(("split" if split else "kernel") + (f" ({reason})" if reason else "") for split, reason in sites)
    print(
        f"{name:32} serial {1e3 * serial:7.1f} ms, marked {1e3 * marked:7.1f} ms, ratio less 3 ms {ratio:5.2f} "
        f"(of the fastest {best:4.2f}) {'OVER' if over else 'ok  '} {went}"
    )
    return over


if __name__ == "__main__":
    main()
