"""The pool beside its peers: python -m tests.benchmarks [row …] [--rounds 5]. Prints figures; asserts nothing.

Runs the peers that are installed in turns with mpnb, in a real kernel, with functions defined there, on two workers.
Of each figure the median of the rounds counts. Others that use the machine spoil them: the load is printed as well.
"""

from __future__ import annotations

import argparse
import ast
import math
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "benchmarks")]

import outside  # noqa: E402 -- found once the path is set
from real_kernel import Kernel  # noqa: E402

SETUP = f"""
import sys; sys.path.insert(0, {str(ROOT / "tests" / "benchmarks")!r})
import os, random, signal, time, peers
get_ipython().run_line_magic("load_ext", "mpnb")
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
def spin_wall(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end: pass
def rest(array): time.sleep(60)
def read_big(place): return big[place]
def touch_big(place):
    big[::512].sum()  # one number of every page
    time.sleep(0.02)
    return os.getpid()
def double(array): return array * 2
def tell(number):
    print("line", number, end=" ")
    print("of it")
    return number
def tell_slowly(number):
    tell(number)
    time.sleep(0.3)
def fail(x):
    return 1 // (x - 2)
"""

Figures = dict[str, list[float]]  # pool -> the figures of a row, in the order of its columns


class Bench:
    """The kernel that the rows share, and how others are started."""

    def __init__(self, folder: Path, rounds: int) -> None:
        self.rounds = rounds
        self.kernel = self.open(folder)
        found = ast.literal_eval(self.kernel.value("[*peers.installed()], [*peers.PEERS]") or "")
        self.installed: list[str] = found[0]
        self.missing = sorted(set(found[1]) - set(found[0]))

    def open(self, folder: Path) -> Kernel:
        """A kernel with the names of the benchmark, and `folder` for its temporary files."""
        kernel = Kernel(Path(tempfile.mkdtemp(dir=folder)))
        kernel.start(PYTHONPATH=str(ROOT), TMPDIR=str(folder))
        kernel.check(SETUP)
        return kernel


Measure = Callable[[Bench], Figures]


def asked(expression: str, rounds: int | None = None) -> Measure:
    """Measured in the kernel; `rounds` are filled in, at most so many."""

    def measure(bench: Bench) -> Figures:
        each = min(bench.rounds, rounds or bench.rounds)
        text = bench.kernel.value(expression.format(rounds=each), timeout=600) or "{}"
        found: Figures = ast.literal_eval(re.sub(r"\bnan\b", "None", text))
        return {pool: [math.nan if each is None else each for each in figures] for pool, figures in found.items()}

    return measure


@dataclass(frozen=True)
class Row:
    """A line of the table: what is measured, what the figures are, and which of mpnb's are good."""

    heading: str
    columns: tuple[str, ...]
    measure: Measure
    goal: str
    holds: Callable[[Sequence[float], Figures], bool]  # mpnb's figures, and everybody's


ROWS: Final = {
    "call": Row(
        "a warm single call", ("median µs", "p99 µs"), asked("peers.calls(add_one, {rounds})"),
        "≤ 0.9 × mp-fork, ≤ 150", lambda own, all_: own[0] <= 0.9 * all_["mp-fork"][0] and own[1] <= 150,
    ),
    "stale": Row(
        "changes not seen, of 3", ("missed",), asked("peers.staleness(globals())"), "0", lambda own, _: own[0] == 0
    ),
    "map": Row(
        "map of 100,000 x + 1", ("M/s",), asked("peers.maps(add_one, {rounds})"),
        "≥ mp-fork", lambda own, all_: own[0] >= all_["mp-fork"][0],
    ),
    "start": Row(
        "from creation to the first result, and the second map", ("first ms", "second ms"),
        asked("peers.starts(add_one, {rounds})"), "≤ 60, ≤ 1", lambda own, _: own[0] <= 60 and own[1] <= 1,
    ),
    "even": Row(
        "speedup, 400 tasks of 5 ms", ("speedup", "of ideal"), asked("peers.speedups(spin, {rounds}, [0.005] * 400)", 3),
        "≥ 1.95", lambda own, _: own[0] >= 1.95,
    ),
    "mix": Row(
        "speedup, lognormal mix, 4 s", ("speedup", "of ideal"), asked("peers.speedups(spin, {rounds}, mix)", 3),
        "≥ 0.985 of ideal", lambda own, _: own[1] >= 0.985,
    ),
    "global": Row(
        "400 MB array as a global", ("first ms", "repeat ms", "stale"),
        asked("__import__('big_data').global_array(globals(), {rounds})", 3),
        "≤ 350, ≤ 60, never stale", lambda own, _: own[0] <= 350 and own[1] <= 60 and not own[2],
    ),
    "memory": Row(
        "its extra memory", ("MB, 1 worker", "MB, 2", "MB, 4"), asked("__import__('big_data').memory(globals())"),
        "≤ 420 each", lambda own, _: max(own) <= 420,
    ),
    "shared": Row(
        "the array by mpnb.shared", ("repeat ms", "first ms"),
        asked("__import__('big_data').shared_array(globals(), {rounds})"), "≤ 2", lambda own, _: own[0] <= 2,
    ),
    "arrays": Row(
        "50 arrays of 8 MB in, 50 out", ("× memcpy in + out", "which takes ms"),
        asked("__import__('big_data').arrays(globals(), {rounds})"), "≤ 4", lambda own, _: own[0] <= 4,
    ),
    "ahead": Row(
        "generator of 2,000,000, slow consumer", ("pulled ahead", "MB more"), asked("peers.ahead(add_one)"),
        "≤ 64, constant memory", lambda own, _: own[0] <= 64 and own[1] <= 5,
    ),
    "kill": Row(
        "1 of 50 tasks kills its worker", ("of 49", "s", "named", "usable"), asked("peers.kills(survive)"),
        "49 in ≤ 0.5 s, the item named", lambda own, _: own[0] == 49 and own[1] <= 0.5 and own[2:] == [1, 1],
    ),
    "interrupt": Row(
        "interrupt 3 s into 20 tasks of 2 s", ("ends s", "busy cores", "next map ms", "kept"),
        lambda bench: outside.interrupts(bench.open, bench.installed), "≤ 0.2, 0, ≤ 25, those finished",
        lambda own, all_: all(each[0] <= 0.2 and each[1] < 0.05 and each[2] <= 25
                              for each in (own, all_[outside.MAGIC])) and all_[outside.MAGIC][3] >= 2,
    ),
    "death": Row(
        "kernel killed, 5 s later", ("processes", "things left"),
        lambda bench: outside.deaths(bench.open, bench.installed), "0, 0", lambda own, _: own == [0, 0],
    ),
    "prints": Row(
        "prints and tracebacks", ("lines of 100", "live", "source line", "traceback lines", "µs a call"),
        lambda bench: outside.prints(bench.open, bench.installed), "100, 1, 1, ≤ 25, ≤ mp-fork",
        lambda own, all_: own[:3] == [100, 1, 1] and own[3] <= 25 and own[4] <= all_["mp-fork"][4],
    ),
}  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="row", help=f"of {', '.join(ROWS)}; all without one")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if unknown := sorted(set(options.rows) - ROWS.keys()):
        parser.error(f"no row {', '.join(unknown)}: there are {', '.join(ROWS)}")
    began = time.perf_counter()
    # What forked workers print does not come to any cell, but here: into the table.
    sys.stdout, sys.stderr = os.fdopen(os.dup(1), "w"), os.fdopen(os.dup(2), "w")
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.rounds)
        try:
            print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores; not installed: {', '.join(bench.missing)}\n")
            print("| | mpnb | goal | holds | peers (mpnb's first figure by theirs) |\n|---|---|---|---|---|")
            for name in options.rows or ROWS:
                print(line(name, ROWS[name], ROWS[name].measure(bench)), flush=True)
            print(f"\nload {os.getloadavg()[0]:.1f}; {time.perf_counter() - began:.0f} s")
        finally:
            outside.close(bench.kernel)


def line(name: str, row: Row, found: Figures) -> str:
    """A row of the table, in Markdown."""
    own = found.pop("mpnb")
    held = "yes" if row.holds(own, {"mpnb": own, **found}) else "**no**"
    peers = "; ".join(f"{peer} {shown(each)}{ratio(own[0], each[0])}" for peer, each in found.items())
    return f"| {name}: {row.heading}: {' / '.join(row.columns)} | {shown(own)} | {row.goal} | {held} | {peers} |"


def ratio(own: float, other: float) -> str:
    """How many times a figure is another."""
    return f" ({own / other:.2f}×)" if 0 < other < outside.NEVER and own else ""


def shown(figures: Sequence[float]) -> str:
    """Figures with three digits that count."""
    return " / ".join(
        "endless"
        if each == outside.NEVER
        else f"{each:,.0f}"
        if abs(each) >= 100 or each == int(each)
        else f"{each:.3g}"
        for each in figures
    )


if __name__ == "__main__":
    main()
