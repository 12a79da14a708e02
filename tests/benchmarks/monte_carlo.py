"""How much faster is a Monte Carlo cell under --seed? Four of them in a real kernel, plain and split in turns.

    python tests/benchmarks/monte_carlo.py [--rounds 3] [--workers 2] [--at-least 1.8]

First, what the machine has to give: how much faster that many processes are than one that share nothing. It is less than
their number where cores share a cache or others are at work, and no pool can be above it.

Prints the medians and their ratio; ends with an error where two split runs differ or a ratio is too small. Below, what a
stream costs: loops of the shortest iterations there are, which nobody would split.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from real_kernel import Kernel  # noqa: E402 - the tests' own kernel, found by the line above

SETUP = """
import random
import numpy as np
rng = np.random.default_rng(1)
data = rng.lognormal(size=20_000)

def inside(n):
    return sum(random.random() ** 2 + random.random() ** 2 < 1 for _ in range(n))

def step(scale):
    return rng.normal(scale=scale)

def walk(n):
    x = highest = 0.0
    for _ in range(n):
        x += step(0.5)
        highest = max(highest, x)
    return highest
"""
#: name → cell; each leaves its result as `answer`, and takes some three seconds alone.
CELLS = {
    "pi": "hits = 0\nfor _ in range(500):\n    hits += inside(50_000)\nanswer = 4 * hits / (500 * 50_000)",
    "bootstrap": "answer = [np.median(np.random.choice(data, size=len(data))) for _ in range(8_000)]",
    "option price": (
        "payoffs = []\nfor _ in range(400):\n"
        "    z = rng.standard_normal((2_000, 250))\n"
        "    paths = 100 * np.exp(np.cumsum(-0.0001 + 0.01 * z, axis=1))\n"
        "    payoffs.append(np.maximum(paths.mean(axis=1) - 100, 0).mean())\n"
        "answer = np.mean(payoffs)"
    ),
    "random walk": "answer = [walk(2_000) for _ in range(2_500)]",
}
TINY = {
    "random.random()": "[random.random() for _ in range(100_000)]",
    "np.random.random()": "[np.random.random() for _ in range(100_000)]",
    "rng.random()": "[rng.random() for _ in range(100_000)]",
    "no draw": "[i * i for i in range(100_000)]",
}


SPIN = "total = 0\nfor i in range(8_000_000):\n    total += i * i"


def ceiling(workers: int, rounds: int) -> float:
    """How many times as much so many processes do in the time of one."""
    best = {1: float("inf"), workers: float("inf")}
    for _ in range(rounds):
        for count, before in best.items():
            began = time.perf_counter()
            spinning = [subprocess.Popen([sys.executable, "-S", "-c", SPIN]) for _ in range(count)]
            for each in spinning:
                each.wait()
            best[count] = min(before, time.perf_counter() - began)
    return workers * best[1] / best[workers]


def timed(kernel: Kernel, cell: str) -> float:
    """Seconds of a cell as the front end sees it."""
    started = time.perf_counter()
    kernel.check(cell, timeout=300)
    return time.perf_counter() - started


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each cell runs (default 3)")
    parser.add_argument("--workers", type=int, default=2, help="workers (default 2)")
    parser.add_argument("--at-least", type=float, default=0, help="fail where a ratio is smaller")
    options = parser.parse_args()
    line = f"%%parallel --seed 0 -n {options.workers}\n"
    print(f"{options.workers} processes that share nothing: {ceiling(options.workers, options.rounds):.2f} times one")
    short = []
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(Path(folder)).start(PYTHONPATH=str(ROOT))
        try:
            kernel.check("%load_ext mpnb")
            kernel.check(SETUP)
            kernel.check(f"{line}answer = [inside(1_000) for _ in range(100)]")
            for name, cell in CELLS.items():
                plain, split, answers = [], [], set()
                for _ in range(options.rounds):
                    plain.append(timed(kernel, cell))
                    split.append(timed(kernel, line + cell))
                    answers.add(kernel.value("repr(answer)"))
                ratio = statistics.median(plain) / statistics.median(split)
                if len(answers) > 1:
                    sys.exit(f"{name}: the same seed gave different numbers")
                if ratio < options.at_least:
                    short.append(name)
                split_sites = kernel.value("[site.parallel for site in __import__('mpnb').last_run().sites]")
                print(
                    f"{name:14} plain {statistics.median(plain):6.2f} s   --seed 0 {statistics.median(split):6.2f} s"
                    f"   ratio {ratio:.2f}   split {split_sites}"
                )
            for name, cell in TINY.items():
                alone = min(timed(kernel, cell) for _ in range(options.rounds))
                seeded = min(timed(kernel, f"%%parallel --seed 0 -n 1 --quiet\n{cell}") for _ in range(options.rounds))
                print(f"{name:20} plain {10 * alone:6.2f} µs   with a stream {10 * seeded:6.2f} µs an iteration")
        finally:
            kernel.close()
    if short:
        sys.exit(f"less than {options.at_least}: {', '.join(short)}")


if __name__ == "__main__":
    main()
