"""Is an estimated speedup the one that --compare then measures? Ten cells in a real kernel, in turns.

    python tests/benchmarks/estimates.py [--rounds 3] [--workers 2] [--at-most 0.1] [--at-least 8]

Each cell runs under plain `%%parallel`, which estimates its speedup, and under `--compare`, which measures it. Prints
both medians and how far they are apart; ends with an error where one that is shown is further off than allowed, or
fewer are shown than asked for. The machine must have nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from real_kernel import Kernel  # noqa: E402 - the tests' own kernel, found by the line above

SETUP = """
import json, random, re, time, mpnb
from collections import Counter
import numpy as np

def spin(turns):
    total = 0
    for i in range(turns):
        total += i * i
    return total

began = time.perf_counter()
spin(2_000_000)
turns_ms = int(2_000_000 / (time.perf_counter() - began) / 1000)
rng = random.Random(0)
mixed = [int(turns_ms * rng.lognormvariate(2, 0.8)) for _ in range(100)]
big = np.random.default_rng(0).random(4_000_000)
square = np.random.default_rng(1).random((128, 128))
lines = [json.dumps({"id": n, "words": [f"w{n * k % 97}" for k in range(500)]}) for n in range(3_000)]

def count(line):
    words = json.loads(line)["words"]
    return Counter(word[::-1] for word in sorted(words, key=str.lower) if re.fullmatch(r"w\\d*[13579]", word))

def wait(n):
    time.sleep(0.008)
    return n
"""
#: name → cell; each takes about a second alone.
CELLS = {
    "alike, 15 ms": "out = [spin(15 * turns_ms) for _ in range(80)]",
    "short, 0.2 ms": "out = [spin(turns_ms // 5) for _ in range(6_000)]",
    "tiny, 0.03 ms": "out = [spin(turns_ms // 33) for _ in range(40_000)]",
    "mixed": "out = [spin(turns) for turns in mixed]",
    "growing": "out = [spin(i * turns_ms // 8) for i in range(130)]",
    "memory": "out = [float((big[i * 1_000 : i * 1_000 + 800_000] * 1.5).sum()) for i in range(1_600)]",
    "linear algebra": "out = []\nfor i in range(1_500):\n    out.append(float(np.linalg.inv(square + i).sum()))",
    "text": "out = []\nfor line in lines:\n    out.append(count(line))",
    "waiting": "out = [wait(n) for n in range(120)]",
    "arrays home": "out = [np.convolve(big[n * 1_000 : n * 1_000 + 12_000], big[:800]) for n in range(1_000)]",
}

NAMES = ("parallel", "speedup", "certain", "reason")


def look(kernel: Kernel, line: str, cell: str) -> dict[str, Any]:
    """Run a cell and give what its record says of its site."""
    kernel.check(f"%%parallel {line}\n{cell}", timeout=120)
    asked = f"print(json.dumps({{name: getattr(mpnb.last_run().sites[0], name) for name in {NAMES}}}))"
    found: dict[str, Any] = json.loads(kernel.check(asked).stdout)
    return found


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each cell runs (default 3)")
    parser.add_argument("--workers", type=int, default=2, help="workers (default 2)")
    parser.add_argument("--at-most", type=float, default=0.1, help="fail where one is further off (default 0.1)")
    parser.add_argument("--at-least", type=int, default=8, help="fail where fewer are shown (default 8)")
    options = parser.parse_args()
    shown, wrong = 0, []
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(Path(folder)).start(PYTHONPATH=str(ROOT))
        try:
            kernel.check("%load_ext mpnb")
            kernel.check(SETUP)
            kernel.check(f"%%parallel --no-probe -n {options.workers}\nout = [spin(10 * turns_ms) for _ in range(40)]")
            for name, cell in CELLS.items():
                estimates: list[float | None] = []
                measured: list[float] = []
                for _ in range(options.rounds):
                    found = look(kernel, f"-n {options.workers}", cell)
                    estimates.append(found["speedup"] if found["parallel"] and found["certain"] else None)
                    measured.append(look(kernel, f"-n {options.workers} --compare", cell)["speedup"])
                known = [each for each in estimates if each is not None]
                truth = statistics.median(measured)
                if len(known) <= options.rounds / 2:
                    why = "no number shown" if found["parallel"] else f"stayed serial: {found['reason']}"
                    print(f"{name:16} {why:34} measured {truth:5.2f}×", flush=True)
                    continue
                shown += 1
                estimate = statistics.median(known)
                error = estimate / truth - 1
                span = f"({min(known):.2f} to {max(known):.2f}) against ({min(measured):.2f} to {max(measured):.2f})"
                print(f"{name:16} ≈{estimate:5.2f}×  measured {truth:5.2f}×  error {error:+6.1%}  {span}", flush=True)
                if abs(error) > options.at_most:
                    wrong.append(name)
        finally:
            kernel.close()
    print(f"shown: {shown} of {len(CELLS)}")
    if wrong:
        sys.exit(f"off by more than {options.at_most:.0%}: {', '.join(wrong)}")
    if shown < options.at_least:
        sys.exit(f"fewer than {options.at_least} are shown")


if __name__ == "__main__":
    main()
