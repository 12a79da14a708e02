"""Functions with loops, each plain and under `@mpnb.parallel`: the same results, changes, prints and errors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from as_functions import PLACES, as_function
from cells import CELLS
from differ import Bench, Verdict
from functions import FUNCTIONS
from grammar import write

from mpnb import session
from mpnb.record import Record

#: Functions that stay serial are warned of; the warnings of the cells themselves are part of what is compared.
pytestmark = pytest.mark.filterwarnings("default")

_DECORATOR = "parallel = __import__('functools').partial(__import__('mpnb').parallel, quiet=True, {})"


class FunctionBench(Bench):
    """A bench whose cells name their decorator `parallel`."""

    ways: ClassVar = {
        "plain": "parallel = lambda function: function",
        "pool": _DECORATOR.format("probe=False"),
        "mixed": _DECORATOR.format("probe=True"),
        "rest": _DECORATOR.format("probe=False"),
    }

    def __init__(self) -> None:
        super().__init__()
        self.own.add("parallel")
        self.records: list[Record] = []
        begin = self.session.begin

        def noted(*arguments: Any, **options: Any) -> session.Run:
            run = begin(*arguments, **options)
            self.records.append(run.record)
            return run

        self.session.begin = noted  # type: ignore[method-assign]

    def judged(self, cell: str) -> Verdict:
        """As `judge`, with the sites of every call."""
        plain = self.run("", cell, "plain")
        verdict = Verdict(plain=plain)
        for way in ("pool", "mixed", "rest"):
            self.records.clear()
            differences = self.run("", cell, way).differs_from(plain)
            if differences:
                verdict.differences[way] = differences
            if way == "pool":
                sites = [site for record in self.records for site in record.sites]
                verdict.split = any(site.parallel for site in sites)
                verdict.sites = [
                    f"line {s.line - 1}: " + ("split" if s.parallel else f"[{s.code}] {s.reason}") for s in sites
                ]
        return verdict


@pytest.fixture(scope="module")
def bench() -> Iterator[FunctionBench]:
    """A shell with mpnb loaded, for all functions."""
    bench = FunctionBench()
    yield bench
    bench.close()


@pytest.mark.parametrize(("cell", "splits"), [row[1:] for row in FUNCTIONS], ids=[row[0] for row in FUNCTIONS])
def test_a_function_gives_what_it_gives_without_the_decorator(
    bench: FunctionBench, cell: str, splits: bool | None
) -> None:
    """In the pool, begun in the kernel, and ended in the kernel; and what can be split is."""
    verdict = bench.judged(cell)
    assert not verdict.differences
    assert splits in (None, verdict.split), verdict.sites


def test_the_table_is_worth_running() -> None:
    """A decorator that does nothing would pass the rest."""
    names = [row[0] for row in FUNCTIONS]
    assert len(names) == len(set(names)) >= 60
    assert sum(bool(row[2]) for row in FUNCTIONS) >= 50


@pytest.mark.parametrize("number", range(0, len(CELLS), 10))
def test_a_cell_in_a_function_gives_what_the_plain_function_gives(bench: FunctionBench, number: int) -> None:
    """The cells of `test_cells` are as many functions, whether their names are the function's own or not."""
    name, setup, cell, splits = CELLS[number]
    code = as_function(setup, cell, PLACES[number // 10 % 3])
    assert code is not None, name
    verdict = bench.judged(code)
    assert not verdict.differences, code
    assert verdict.split or not splits, verdict.sites


@pytest.mark.parametrize("seed", range(40))
def test_random_functions_give_what_they_give_without_the_decorator(bench: FunctionBench, seed: int) -> None:
    """Cells of the fuzzer as functions that return where the cell breaks."""
    code = as_function(*write(0, seed), PLACES[seed % 3], returns=True)
    assert code is not None
    assert not bench.judged(code).differences, code
