"""Random cells, each run in every way and compared with serial: python -m tests.plan.fuzz --cells 10000 [--seed 1].

The cells come from `grammar`, the same ones for the same seed; `differ` runs them and compares the whole namespace
(values, types, what is shared with what), the prints and warnings, the exception with its lines, the state of the
process and the files. A cell that differs is made small by `shrinker` and printed ready to paste.

How much was really split is part of the answer: cells that are all refused prove nothing.
"""

from __future__ import annotations

import argparse
import collections
import re
import sys
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from differ import WAYS, Bench, EndlessError, Verdict
from grammar import write
from shrinker import shrink

#: Seconds that a cell may take plainly (more: it has no end, and is left out), and in every other way.
LIMIT_S = (2.0, 20.0)
_CODE = re.compile(r"\[([-a-z]+)\]")


@dataclass(slots=True)
class Tally:
    """What became of the cells so far."""

    cells: int = 0
    split: int = 0
    failed: int = 0
    invalid: int = 0
    wrong: list[int] = field(default_factory=list)
    refusals: collections.Counter[str] = field(default_factory=collections.Counter)

    def add(self, number: int, verdict: Verdict) -> None:
        """Count a cell."""
        self.cells += 1
        self.split += verdict.split
        self.failed += bool(verdict.plain and verdict.plain.error)
        self.refusals.update(code for site in verdict.sites for code in _CODE.findall(site)[:1])
        if verdict.differences:
            self.wrong.append(number)

    def __str__(self) -> str:
        share = self.split / max(self.cells, 1)
        text = f"{self.cells} cells, {len(self.wrong)} differ from serial, {self.split} ({share:.0%}) really split, "
        text += f"{self.failed} end with an exception"
        return text + (f", {self.invalid} left out: no end, or a set-up that fails" if self.invalid else "")


def judge(bench: Bench, seed: int, number: int, focus: tuple[str, ...] = ()) -> tuple[str, str, Verdict | None]:
    """Run a cell in every way; no verdict where its set-up cell fails, or it has no end."""
    setup, cell = write(seed, number, focus)
    return setup, cell, _judge(bench, setup, cell)


def _judge(bench: Bench, setup: str, cell: str, ways: tuple[str, ...] = ("pool", "mixed", "rest")) -> Verdict | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # what a random cell says may be silly
        try:
            return bench.judge(setup, cell, ways, LIMIT_S)
        except EndlessError:
            return None
        except ValueError as error:
            if "the set-up fails" in str(error):
                return None
            raise


def smallest(bench: Bench, setup: str, cell: str, verdict: Verdict) -> tuple[str, str]:
    """The smallest cell found that differs from serial in one of the same ways, with the same kind of error."""
    ways = tuple(verdict.differences)[:1]
    assert verdict.plain is not None
    ends = verdict.plain.error.partition("(")[0]

    def still(setup: str, cell: str) -> bool:
        again = _judge(bench, setup, cell, ways)
        if again is None or again.plain is None or not again.differences:
            return False
        return again.plain.error.partition("(")[0] in {ends, ""}

    return shrink(setup, cell, still)


def search(
    bench: Bench, seed: int, numbers: range, *, focus: tuple[str, ...] = (), first: bool = False
) -> tuple[Tally, list[str]]:
    """Run cells; each that differs as a text to paste, made small. `first`: stop at the first one, and leave it as it is."""
    tally, texts = Tally(), []
    for number in numbers:
        setup, cell, verdict = judge(bench, seed, number, focus)
        if verdict is None:
            tally.invalid += 1
            continue
        tally.add(number, verdict)
        if not verdict.differences:
            continue
        if first:
            return tally, [f"{setup}\n---\n{cell}"]
        texts.append(_shown(seed, number, cell, verdict, bench, setup))
    return tally, texts


def _shown(seed: int, number: int, cell: str, verdict: Verdict, bench: Bench, setup: str) -> str:
    lines = [f"--- seed {seed}, cell {number}", cell, *(f"# {site}" for site in verdict.sites)]
    for way, differences in reversed(verdict.differences.items()):
        lines += [f"#   {way}: {line}" for line in differences]
    small_setup, small = smallest(bench, setup, cell, verdict)
    return "\n".join([*lines, "--- made small: the set-up cell, and the cell", small_setup, "", WAYS[way], small])


def main() -> None:
    """Run many, print those that differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first cell")
    parser.add_argument("--focus", nargs="*", default=[], help="what the cells are to have, see grammar.Writer")
    parser.add_argument("--show", action="store_true", help="print the cells, run nothing")
    asked = parser.parse_args()
    focus = tuple(asked.focus)
    numbers = range(asked.first, asked.first + asked.cells)
    if asked.show:
        for number in numbers:
            print(f"--- {number}", write(asked.seed, number, focus)[1], sep="\n")
        return
    bench = Bench()
    total = Tally()
    began = time.perf_counter()
    try:
        for number in numbers:
            tally, texts = search(bench, asked.seed, range(number, number + 1), focus=focus)
            total.cells += tally.cells
            total.split += tally.split
            total.failed += tally.failed
            total.invalid += tally.invalid
            total.wrong += tally.wrong
            total.refusals += tally.refusals
            for text in texts:
                print(text, flush=True)
    finally:
        bench.close()
        seconds = time.perf_counter() - began
        print("refused:", ", ".join(f"{code} {count}" for code, count in total.refusals.most_common()))
        print(f"seed {asked.seed}: {total}, {seconds:.0f} s")
    sys.exit(bool(total.wrong))


if __name__ == "__main__":
    main()
