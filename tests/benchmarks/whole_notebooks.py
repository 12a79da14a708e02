"""What `%parallel on` costs whole notebooks in which hardly anything pays: three long ones, in turns with and without.

A notebook of half a second is as long as the machine lets it be, so the sum of its cells' medians is what counts; how
whole runs differ is printed beside it.

Run it from the repository's root: python tests/benchmarks/whole_notebooks.py
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "plan")]

from real_kernel import Kernel  # noqa: E402, I001 -- found once the path is set
from notebooks import NOTEBOOKS, cells  # noqa: E402

REPEAT = 15
ON, OFF = "%parallel on", "%parallel off"


def main() -> None:
    """Measure and print."""
    os.environ.setdefault("PYTHONPATH", str(ROOT))
    with tempfile.TemporaryDirectory() as folder:
        for name, text in NOTEBOOKS.items():
            (cwd := Path(folder) / name).mkdir()
            kernel = Kernel(cwd).start()
            try:
                pairs = measured(kernel, cells(text))
            finally:
                kernel.close()
            ratios = [sum(marked) / sum(plain) for plain, marked in pairs]
            low, middle, high = statistics.quantiles(ratios, n=4)
            whole = statistics.median(sum(plain) for plain, _ in pairs)
            each = [statistics.median(m[i] - p[i] for p, m in pairs) for i in range(len(pairs[0][0]))]
            print(
                f"{name:6s} {whole:6.2f} s without; with it {1 + sum(each) / whole:.3f} times that, by the medians of its "
                f"{len(each)} cells; of whole runs {middle:.3f} (quartiles {low:.3f}, {high:.3f})"
            )
            worst = max(range(len(each)), key=each.__getitem__)
            first = cells(text)[worst].splitlines()[0]
            print(f"       added to a cell: median {1000 * statistics.median(each):.2f} ms,", end=" ")
            print(f"most {1000 * each[worst]:.2f} ms ({first!r})")


def measured(kernel: Kernel, notebook: list[str]) -> list[tuple[list[float], list[float]]]:
    """Run a notebook in turns without and with `%parallel on`; give the seconds of its cells."""
    kernel.check("%load_ext mpnb")
    through(kernel, OFF, notebook)
    through(kernel, ON, notebook)
    pairs = []
    for number in range(REPEAT):
        spent = {line: through(kernel, line, notebook) for line in ((OFF, ON) if number % 2 else (ON, OFF))}
        pairs.append((spent[OFF], spent[ON]))
    return pairs


def through(kernel: Kernel, line: str, notebook: list[str]) -> list[float]:
    """Seconds of a notebook's cells as a front end sees them: from sending one until all of what it shows is there."""
    kernel.check(line)
    spent = []
    for cell in notebook:
        began = time.perf_counter()
        kernel.check(cell)
        spent.append(time.perf_counter() - began)
    kernel.check(OFF)
    return spent


if __name__ == "__main__":
    main()
