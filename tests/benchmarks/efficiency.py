"""How many workers can one notebook feed? The pool's own scheduler played with workers of paper, at measured prices.

    python tests/benchmarks/efficiency.py [--seconds 4]

First what an iteration costs beside its work is measured in a real kernel, for a `%%parallel` loop and for
`mpnb.pool().map`: the kernel's part, which nobody shares, from iterations that do nothing; a worker's part from the
record. Then jobs of so many seconds for every worker are played at these prices. Prints the efficiency (useful work
over workers × time), and where it is below 95 %, why. Cores that slow each other down are left out of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from real_kernel import Kernel  # noqa: E402 - the tests' own kernel, found by the line above

from mpnb.simulation import Lengths, Prices, play  # noqa: E402

WORKERS = (2, 8, 32, 128)
TASKS_MS = (1, 5, 50)
GOOD = 0.95
EMPTY = 50_000  # iterations that do nothing, to measure the kernel by

MEASURE = """
import json, time, mpnb
from mpnb.record import books

def empty(i):
    return i

def spin(i):
    end = time.perf_counter() + 0.001
    while time.perf_counter() < end:
        pass
    return i

def timed(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began

pool = mpnb.pool()
pool.map(spin, range(200))
"""
LOOP_EMPTY = f"%%parallel --no-probe --quiet -n 2\nout = [empty(i) for i in range({EMPTY})]"
LOOP_WORK = "%%parallel --no-probe --quiet -n 2\nout = [spin(i) for i in range(1000)]"
READ = """
site = mpnb.last_run().sites[0]
parts, counted = site.parts, sum(site.times.counts)
json.dumps({
    "wall_s": site.wall_s, "items_s": site.costs.items_s, "chunks": site.costs.chunks, "loading_s": site.costs.loading_s,
    "iterations": site.iterations, "workers_s": sum(parts.get(name, 0.0) for name in (books.CHECKS, books.RESULTS)) / counted,
    "sending_s": parts.get(books.SENDING, 0.0),
})
"""


def measured(kernel: Kernel) -> dict[str, Prices]:
    """What the kernel and the workers take for an iteration of a loop, and for a call of a map."""
    kernel.check("%load_ext mpnb")
    kernel.check(MEASURE)
    walls, worked = [], {}
    for _ in range(3):
        kernel.check(LOOP_EMPTY, timeout=60)
        walls.append(_read(kernel)["wall_s"] / EMPTY)
        kernel.check(LOOP_WORK, timeout=60)
        worked = _read(kernel)
    maps = json.loads(
        str(kernel.value(f"json.dumps([timed(lambda: pool.map(empty, range({EMPTY}))) for _ in range(5)])")).strip("'")
    )
    sending_s = worked["sending_s"] / max(1, worked["chunks"])
    loading_s = worked["loading_s"] / 2
    return {
        "%%parallel": Prices(
            taking_s=sorted(walls)[1], packing_s=worked["workers_s"], sending_s=sending_s, loading_s=loading_s
        ),
        "pool().map": Prices(taking_s=sorted(maps)[2] / EMPTY, sending_s=sending_s, loading_s=loading_s),
    }


def _read(kernel: Kernel) -> dict[str, float]:
    return json.loads(str(kernel.value(READ)).strip("'"))


def why(each_s: float, workers: int, prices: Prices, efficiency: float) -> str:
    """What keeps the workers from their work, in a few words."""
    if efficiency >= GOOD:
        return ""
    fed = (each_s + prices.packing_s) / prices.taking_s
    if fed < workers:
        return f"the kernel takes {prices.taking_s * 1e6:.0f} µs a task, which keeps {fed:.0f} workers busy"
    if prices.packing_s > each_s * (1 - GOOD):
        return f"a worker takes {prices.packing_s * 1e6:.0f} µs a task beside it"
    return "the beginning and the end of the job, when not all have work"


def main() -> None:
    """Measure, play, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="of work for every worker (default 4)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(Path(folder)).start(PYTHONPATH=str(ROOT))
        try:
            prices_of = measured(kernel)
        finally:
            kernel.close()
    for name, prices in prices_of.items():
        print(
            f"{name}: the kernel {prices.taking_s * 1e6:.1f} µs a task, a worker {prices.packing_s * 1e6:.1f} µs beside it, "
            f"{prices.sending_s * 1e6:.0f} µs a chunk on its way, {prices.loading_s * 1e3:.1f} ms to begin"
        )
    print(f"\n{'':12}{'task':>7}{'workers':>9}{'efficiency':>12}")
    for name, prices in prices_of.items():
        for each_ms in TASKS_MS:
            for workers in WORKERS:
                count = round(options.seconds * workers / each_ms * 1000)
                took = play(Lengths([(count, each_ms / 1000)]), workers, prices)
                efficiency = options.seconds / took
                reason = why(each_ms / 1000, workers, prices, efficiency)
                print(f"{name:12}{each_ms:5} ms{workers:9}{efficiency:11.1%}   {reason}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
