"""What %%parallel adds to 200 tiny cells in the manner of real notebooks, and how long a long cell takes to plan.

    python tests/benchmarks/tiny_cells.py [--rounds 7]

Nine in ten loops of real notebooks take less than 0.05 s, so what the magic adds to them decides. Each cell runs in a
real, warm kernel, with and without the magic in turns; its added time is the median of the rounds. No round runs a
text that was there before, as nobody runs a cell twice in a row who writes one. Prints figures; asserts nothing.
"""

from __future__ import annotations

import argparse
import ast
import os
import statistics
import sys
import tempfile
import textwrap
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from real_kernel import Kernel  # noqa: E402 -- found once the path is set

from mpnb import plan  # noqa: E402

SETUP = """
import json, math, re, string, collections
import numpy as np, pandas as pd
words = ("the quick brown fox jumps over the lazy dog while seven wizards make toxic brew for the evil queen " * 3).split()
lines = [f"{i},{i * 7 % 13},{w}" for i, w in enumerate(words)]
records = [{"id": i, "name": w, "score": i * 37 % 101, "tags": [w[:2], w[-2:]]} for i, w in enumerate(words)]
prices = {w: 10.0 + len(w) * 3 for w in words}
xs = [i * 0.25 - 5 for i in range(200)]
ys = [x * x - 3 * x for x in xs]
arr = np.arange(400.0).reshape(20, 20)
df = pd.DataFrame({"a": range(30), "b": [i % 5 for i in range(30)], "c": [f"r{i % 3}" for i in range(30)]})
text = " ".join(words)
matrix = [[i * j for j in range(12)] for i in range(12)]
def clean(word):
    return re.sub(r"[^a-z]", "", word.lower()).strip()
def square(x):
    return x * x
def is_prime(n):
    return n > 1 and all(n % d for d in range(2, int(n ** 0.5) + 1))
def fib(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a
class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y
    def norm(self):
        return math.hypot(self.x, self.y)
points = [Point(i, i + 1) for i in range(40)]
"""

#: Each is a cell; NUM stands for a number, which makes five of it.
CELLS = (
    "squares = [x ** 2 for x in range(NUM * 20)]",
    "evens = [w for w in words if len(w) % 2 == 0][:NUM]",
    "upper = [w.upper() for w in words]",
    "lengths = {w: len(w) for w in words}",
    "unique = {w[0] for w in words}",
    "total = sum(x * NUM for x in xs)",
    "longest = max(len(w) for w in words)",
    "out = []\nfor x in xs:\n    out.append(x * NUM)",
    "for i in range(NUM):\n    print(i, i ** 2)",
    "for w in words[:NUM]:\n    print(w.title())",
    "counts = {}\nfor w in words:\n    counts[w] = counts.get(w, 0) + 1",
    "counts = collections.Counter()\nfor w in words:\n    counts[w] += 1\ncounts.most_common(NUM)",
    "parsed = []\nfor line in lines:\n    a, b, c = line.split(',')\n    parsed.append((int(a), int(b), c))",
    "names = [r['name'] for r in records if r['score'] > NUM]",
    "by_name = {}\nfor r in records:\n    by_name[r['name']] = r['score']",
    "cleaned = [clean(w) for w in words]",
    "result = list(map(square, range(NUM * 10)))",
    "primes = [n for n in range(NUM * 15) if is_prime(n)]",
    "fibs = [fib(i) for i in range(NUM)]\nfibs[-3:]",
    "norms = [p.norm() for p in points]",
    "for p in points[:NUM]:\n    p.label = 'seen'",
    "total = 0\nfor x in xs:\n    total += x * x\ntotal",
    "mean = sum(xs) / len(xs)\nvar = sum((x - mean) ** 2 for x in xs) / len(xs)\nprint(mean, var)",
    "rows = [arr[i].sum() for i in range(arr.shape[0])]",
    "for i in range(NUM):\n    arr[i % 20] += 1",
    "means = []\nfor i in range(20):\n    means.append(np.mean(arr[i]))",
    "z = np.zeros(50)\nfor i in range(50):\n    z[i] = math.sin(i / NUM)",
    "for name, part in df.groupby('c'):\n    print(name, part['a'].mean())",
    "for i, row in df.head(NUM).iterrows():\n    print(i, row['a'], row['b'])",
    "df['d'] = df['a'].apply(lambda v: v * NUM)",
    "for col in df.columns:\n    print(col, df[col].dtype, df[col].nunique())",
    "cols = [c for c in df.columns if df[c].dtype != object]\ndf[cols].describe()",
    "pairs = [(i, j) for i in range(NUM) for j in range(i)]",
    "flat = [v for row in matrix for v in row]",
    "transposed = [[row[i] for row in matrix] for i in range(len(matrix[0]))]",
    "for i, w in enumerate(words[:NUM]):\n    if w.startswith('t'):\n        print(i, w)\n    else:\n        continue",
    "found = None\nfor w in words:\n    if len(w) > NUM:\n        found = w\n        break",
    "i = 0\nwhile i < NUM:\n    i += 1\nprint(i)",
    "a, b = 0, 1\nseq = []\nfor _ in range(NUM):\n    seq.append(a)\n    a, b = b, a + b",
    "kept = []\nfor line in lines[:NUM]:\n    try:\n        kept.append(int(line[-1]))\n    except ValueError:\n        pass",
)
NUMBERS = (5, 8, 11, 14, 20)

TIMED = """
import time as _time, json as _json
def _timed(cell):
    _began = _time.perf_counter()
    _result = get_ipython().run_cell(cell)
    _took = _time.perf_counter() - _began
    assert _result.success, cell
    return _took
def _turns(cell, rounds, text):
    _found = []
    for _round in range(rounds):
        _plain = f"# plain {text} {_round}\\n" + cell
        _marked = f"%%parallel\\n# marked {text} {_round}\\n" + cell
        if _round % 2:
            _b = _timed(_marked)
            _found.append((_timed(_plain), _b))
        else:
            _a = _timed(_plain)
            _found.append((_a, _timed(_marked)))
    return _found
"""
READY = """
%load_ext mpnb
import time as _time
import mpnb.session as _session
_pool, _began = _session.current().engine, _time.perf_counter()
while _pool.ready < _pool.workers and _time.perf_counter() - _began < 30:
    _time.sleep(0.001)
"""


def cells() -> list[str]:
    """Give all 200 cells."""
    return [cell.replace("NUM", str(number)) for cell in CELLS for number in NUMBERS]


def long_cell(lines: int = 200) -> str:
    """Give a cell of so many lines, made of the others."""
    made: list[str] = []
    for cell in cells():
        made += cell.splitlines()
        if len(made) >= lines:
            break
    return "\n".join(made[:lines]) + "\n"


def added(rounds: int) -> list[tuple[float, float, str]]:
    """Give (seconds added, seconds without, cell) for each cell, in a warm kernel."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(Path(folder)).start(PYTHONPATH=str(ROOT))
        try:
            kernel.check(READY)
            kernel.check(SETUP)
            kernel.check(TIMED)
            kernel.check(f"_turns({cells()[0]!r}, 20, 'warm');", timeout=120)
            for number, cell in enumerate(cells()):
                text = kernel.value(f"_turns({cell!r}, {rounds}, {number})", timeout=120)
                pairs = ast.literal_eval(text or "[]")
                plain = statistics.median(alone for alone, _ in pairs)
                found.append((statistics.median(marked - alone for alone, marked in pairs), plain, cell))
        finally:
            kernel.close()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="how often each cell runs in each way (default 7)")
    options = parser.parse_args()
    print(f"load average before: {os.getloadavg()[0]:.1f}")

    found = sorted(added(options.rounds))
    plain = statistics.median(alone for _, alone, _ in found)
    times = [each[0] for each in found]
    print(f"{len(found)} tiny cells, {1000 * plain:.2f} ms without the magic (median)")
    print(f"  added by %%parallel, median {1000 * statistics.median(times):6.2f} ms   at most 2")
    print(f"  added by %%parallel, worst  {1000 * times[-1]:6.2f} ms   at most 10")
    print("  the five worst:")
    for seconds, alone, cell in found[-5:]:
        print(f"    {1000 * seconds:6.2f} ms on top of {1000 * alone:.2f} ms: {textwrap.shorten(cell, 70)}")

    source = long_cell()
    planning = []
    for _ in range(25):
        tree = ast.parse(source)
        began = time.process_time()  # nothing else happens in it: what others do on the machine does not count
        plan.read_cell(tree)
        planning.append(time.process_time() - began)
    sites = len(plan.read_cell(ast.parse(source)).sites)
    lines = len(source.splitlines())
    print(f"planning a cell of {lines} lines, {sites} sites: {1000 * statistics.median(planning):6.2f} ms   at most 20")
    print(f"load average after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
