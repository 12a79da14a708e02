"""What %%parallel costs where there is nothing to gain: tiny cells, loading, and the time until the workers are there.

Run it from the repository's root: python tests/benchmarks/small_cells.py
"""

from __future__ import annotations

import ast
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from real_kernel import Kernel  # noqa: E402 -- found once the path is set

REPEAT = 50
KERNELS = 5
LOOP = "r = [f(x) for x in range(1000)]"
CELLS = {
    "a comprehension": LOOP,
    "a loop": "out = []\nfor x in range(1000):\n    out.append(f(x))",
    "no loop at all": "r = 1 + 1",
}
# The cell as IPython runs it, timed from before it is read until all that it shows has been sent off.
TIMED = """
import time as _time
def _timed(cell):
    began = _time.perf_counter()
    get_ipython().run_cell(cell)
    return _time.perf_counter() - began
def _compare(cell):
    return [(_timed(cell), _timed('%%parallel\\n' + cell)) for _ in range({repeat})]
"""
READY = """
import time as _time
_began = _time.perf_counter()
get_ipython().run_line_magic('load_ext', 'mpnb')
_loaded = _time.perf_counter() - _began
import mpnb.session as _session
_pool = _session.current().engine
while _pool.ready < _pool.workers and _time.perf_counter() - _began < 30:
    _time.sleep(0.001)
_ready = _time.perf_counter() - _began
"""


def value(kernel: Kernel, expression: str):
    """Give the value of an expression in the kernel."""
    return ast.literal_eval(kernel.value(expression))


def in_ms(seconds: list[float]) -> str:
    """Give median and quartiles in milliseconds."""
    low, middle, high = (1000 * each for each in statistics.quantiles(seconds, n=4))
    return f"{middle:8.2f} ms   (quartiles {low:.2f}, {high:.2f})"


def main() -> None:
    """Measure and print."""
    os.environ.setdefault("PYTHONPATH", str(ROOT))
    loaded, ready = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(KERNELS):
            (cwd := Path(folder) / str(number)).mkdir()
            kernel = Kernel(cwd).start()
            try:
                time.sleep(0.5)  # the kernel has things of its own to do at first
                kernel.check(READY)
                loaded.append(value(kernel, "_loaded"))
                ready.append(value(kernel, "_ready") - loaded[-1])
                if number == KERNELS - 1:
                    added(kernel)
            finally:
                kernel.close()
    print(f"%load_ext mpnb:            {in_ms(loaded)}   at most 150")
    print(f"workers ready after that:  {in_ms(ready)}   at most 300")


def added(kernel: Kernel) -> None:
    """Print what the magic adds to tiny cells, run in turns with the plain ones."""
    kernel.check(TIMED.format(repeat=REPEAT) + "def f(x):\n    return x + 1")
    for name, cell in CELLS.items():
        kernel.check(f"_compare({cell!r})[:5];")
        pairs = value(kernel, f"_compare({cell!r})")
        plain = statistics.median(alone for alone, _ in pairs)
        print(f"{name}: plain {1000 * plain:.2f} ms")
        print(f"  added by %%parallel:     {in_ms([marked - alone for alone, marked in pairs])}   at most 3")


if __name__ == "__main__":
    main()
