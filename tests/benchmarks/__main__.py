"""The pool beside its peers: python -m tests.benchmarks [--rounds 7] [--only call]. Prints figures; asserts nothing.

Runs the peers that are installed in turns with mpnb, in a real kernel, with functions defined there, on two workers.
Of each figure the median of the rounds counts. Others that use the machine spoil them: the load is printed as well.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from real_kernel import Kernel  # noqa: E402 -- found once the path is set

SETUP = f"""
import sys; sys.path.insert(0, {str(ROOT / "tests" / "benchmarks")!r})
import os, random, signal, time, peers
base = 0
def helper(x): return x
def follows(x, y=0): return helper(x) + base + y
def add_one(x): return x + 1
def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end: pass
def survive(number):
    if number == 17: os.kill(os.getpid(), signal.SIGKILL)
    return number
draw = random.Random(1)
mix = [draw.lognormvariate(0, 1.5) for _ in range(200)]
mix = [4 * size / sum(mix) for size in mix]
"""

#: Row -> its heading, what is measured (an expression; `rounds` is filled in), its columns, and the goal.
ROWS = {
    "call": ("a warm single call", "peers.calls(add_one, {rounds})", ("median µs", "p99 µs"), "≤ 0.9 × mp-fork, ≤ 150"),
    "stale": ("changes not seen, of 3", "peers.staleness(globals())", ("missed",), "0"),
    "map": ("map of 100,000 x + 1", "peers.maps(add_one, {rounds})", ("M/s",), "≥ mp-fork"),
    "start": ("from creation", "peers.starts(add_one, {rounds})", ("first ms", "second ms"), "≤ 60, ≤ 1"),
    "even": ("400 tasks of 5 ms", "peers.speedups(spin, {few}, [0.005] * 400)", ("speedup", "of ideal"), "≥ 1.95"),
    "mix": ("lognormal mix, 4 s", "peers.speedups(spin, {few}, mix)", ("speedup", "of ideal"), "≥ 0.985 of ideal"),
    "ahead": ("pulled ahead of a slow consumer", "peers.ahead(add_one)", ("items",), "≤ 64"),
    "kill": ("1 of 50 tasks kills its worker", "peers.kills(survive)", ("of 49", "s"), "49 in ≤ 0.5 s"),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=ROWS, action="append", help="this row alone; may be given more than once")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(Path(folder))
        kernel.start(PYTHONPATH=str(ROOT))
        try:
            kernel.check(SETUP)
            missing = kernel.value("sorted(peers.PEERS.keys() - peers.installed().keys())")
            print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores; not installed: {missing}\n")
            for row in options.only or ROWS:
                heading, expression, columns, goal = ROWS[row]
                asked = expression.format(rounds=options.rounds, few=min(3, options.rounds))
                found = ast.literal_eval(kernel.value(asked, timeout=600) or "{}")
                show(heading, columns, goal, found)
            print(f"load {os.getloadavg()[0]:.1f}")
        finally:
            kernel.close()


def show(heading: str, columns: tuple[str, ...], goal: str, found: dict[str, list[float]]) -> None:
    """Print a row of the table as lines, one for each peer, with the first figure's ratio to mp-fork's."""
    print(f"{heading}   (goal: {goal})")
    print(f"  {'':14}" + "".join(f"{column:>14}" for column in columns) + f"{'× mp-fork':>14}")
    base = found.get("mp-fork", [0.0])[0]
    for name, figures in found.items():
        ratio = f"{figures[0] / base:14.2f}" if base else f"{'–':>14}"
        print(f"  {name:14}" + "".join(f"{figure:14,.2f}" for figure in figures) + ratio)
    print(flush=True)


if __name__ == "__main__":
    main()
