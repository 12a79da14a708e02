"""Does last_run().what_if(...) foretell what a cell then takes? Five cells in a real kernel, run and foretold in turns.

    python tests/benchmarks/what_if.py [--rounds 3] [--workers 2] [--at-most 0.1]

Each cell is run on one worker and on all, and each time foretells the other, from nothing but its own record; one is
also run in the order that was foretold, with the kernel's probe and without. Prints both medians and the error; ends
with an error where fewer than five cells are foretold within what is allowed, or where a forecast is further off that
did not say of itself that it holds only if iterations don't slow each other down. The machine must have nothing else to
do.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from real_kernel import Kernel  # noqa: E402 - the tests' own kernel, found by the line above

SETUP = """
import json, random, time, mpnb
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
mixed = [int(turns_ms * rng.lognormvariate(2, 0.8)) for _ in range(150)]
last = [15 * turns_ms] * 80 + [900 * turns_ms]
big = np.random.default_rng(0).random(4_000_000)
"""
#: name → cell, and the cell in the order that is foretold, where there is another.
CELLS = {
    "alike, 15 ms": ("out = [spin(15 * turns_ms) for _ in range(120)]", ""),
    "mixed": ("out = [spin(turns) for turns in mixed]", ""),
    "a long one last": (
        "out = [spin(turns) for turns in last]",
        "out = [spin(turns) for turns in sorted(last, reverse=True)]",
    ),
    "short, 0.2 ms": ("out = [spin(turns_ms // 5) for _ in range(8_000)]", ""),
    "a list each": ("out = [[spin(turns_ms // 100) for j in range(800)] for _ in range(150)]", ""),
    "memory": ("out = [float((big[i:] * 1.5).sum()) for i in range(150)]", ""),
}
AT_LEAST = 5  # cells
ORDERED = {
    "probed": {"order": "longest first"},
    "bare": {"order": "longest first", "probe": False},
}


def run(
    kernel: Kernel, cell: str, line: str, rounds: int, **foretold: object
) -> tuple[float, dict[str, tuple[float, bool]]]:
    """Run a cell; median of the seconds it took, and of what is foretold, and whether any forecast had a condition."""
    walls: list[float] = []
    said: dict[str, list[tuple[float, bool]]] = {name: [] for name in foretold}
    for _ in range(rounds):
        kernel.check(f"%%parallel {line}\n{cell}", timeout=120)
        walls.append(float(str(kernel.value("mpnb.last_run().wall_s"))))
        if kernel.value("mpnb.last_run().sites[0].parallel") != "True":
            sys.exit(f"{cell}: was not split")
        for name, options in foretold.items():
            asked = f"each = mpnb.last_run().what_if(**json.loads({json.dumps(options)!r}))"
            wall_s, alone = json.loads(kernel.check(f"{asked}\nprint(json.dumps([each.wall_s, each.alone]))").stdout)
            said[name].append((wall_s, alone))
    return statistics.median(walls), {
        name: (statistics.median(wall_s for wall_s, _ in each), any(alone for _, alone in each))
        for name, each in said.items()
    }


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each cell runs (default 3)")
    parser.add_argument("--workers", type=int, default=2, help="workers (default 2)")
    parser.add_argument("--at-most", type=float, default=0.1, help="fail where an error is larger (default 0.1)")
    options = parser.parse_args()
    wrong, off = [], set()

    def say(name: str, how: str, said: tuple[float, bool], measured: float) -> None:
        foretold, alone = said
        error = foretold / measured - 1
        words = f"{f'{name}: {how}':46} foretold {foretold:6.2f} s   measured {measured:6.2f} s   error {error:+.1%}"
        print(words + ("   (if they don't slow each other down, it said)" if alone else ""), flush=True)
        if abs(error) > options.at_most:
            off.add(name)
            if not alone:
                wrong.append(f"{name}: {how}")

    many = options.workers
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(Path(folder)).start(PYTHONPATH=str(ROOT))
        try:
            kernel.check("%load_ext mpnb")
            kernel.check(SETUP)
            kernel.check(f"%%parallel --no-probe -n {many}\nout = [spin(10 * turns_ms) for _ in range(40)]")
            for name, (cell, ordered) in CELLS.items():
                # without a probe, or the kernel would run it all itself
                one, from_one = run(
                    kernel, cell, "-n 1 --no-probe", options.rounds, all={"workers": many, "probe": True}
                )
                asked = {"one": {"workers": 1, "probe": False}, **(ORDERED if ordered else {})}
                all_, from_all = run(kernel, cell, f"-n {many}", options.rounds, **asked)
                say(name, f"from 1 worker to {many}", from_one["all"], all_)
                say(name, f"from {many} workers to 1", from_all["one"], one)
                if ordered:
                    say(
                        name,
                        "longest first",
                        from_all["probed"],
                        run(kernel, ordered, f"-n {many}", options.rounds)[0],
                    )
                    bare, _ = run(kernel, ordered, f"-n {many} --no-probe", options.rounds)
                    say(name, "longest first, no probe", from_all["bare"], bare)
        finally:
            kernel.close()
    print(f"within {options.at_most:.0%}: {len(CELLS) - len(off)} of {len(CELLS)}")
    if len(CELLS) - len(off) < AT_LEAST:
        sys.exit(f"fewer than {AT_LEAST} are: not {', '.join(sorted(off))}")
    if wrong:
        sys.exit(f"off by more than {options.at_most:.0%}: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
