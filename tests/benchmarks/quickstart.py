"""How much faster is the quickstart's parallel cell? Its own cells, in a real kernel, plain and parallel in turns.

    python tests/benchmarks/quickstart.py [--rounds 5] [--at-least 1.7]

Prints each round, the medians and their ratio; ends with an error where an answer differs or the ratio is too small.
Times are those of the cell as the front end sees it: from sending it until the kernel is idle.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from real_kernel import Kernel  # noqa: E402 - the tests' own kernel, found by the line above

BEFORE = ("imports", "input", "measure", "load")


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each cell runs (default 5)")
    parser.add_argument("--at-least", type=float, default=0, help="fail where the median speedup is smaller")
    options = parser.parse_args()

    notebook = nbformat.read(ROOT / "notebooks" / "01_quickstart.ipynb", as_version=4)
    cells = {cell.id: cell.source for cell in notebook.cells}
    times: dict[str, list[float]] = {"plain": [], "parallel": []}
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(Path(folder)).start(PYTHONPATH=str(ROOT))
        try:
            for name in BEFORE:
                kernel.check(cells[name])
            for number in range(options.rounds):
                for name, seconds in times.items():
                    started = time.perf_counter()
                    kernel.check(cells[name], timeout=300)
                    seconds.append(time.perf_counter() - started)
                    if name == "plain":
                        kernel.check("answer = reports; reports = None")
                if kernel.value("reports == answer") != "True":
                    sys.exit(f"round {number + 1}: the parallel cell's answer is another one")
                print(f"round {number + 1}: " + ", ".join(f"{name} {took[-1]:.2f} s" for name, took in times.items()))
            sites = kernel.value("__import__('mpnb').last_run().sites")
        finally:
            kernel.close()

    plain, parallel = (statistics.median(took) for took in times.values())
    print(f"median of {options.rounds}: plain {plain:.2f} s, parallel {parallel:.2f} s, ratio {plain / parallel:.2f}")
    print(f"same answer each time; sites of the last round: {sites}")
    if plain / parallel < options.at_least:
        sys.exit(f"that is less than {options.at_least}")


if __name__ == "__main__":
    main()
