"""Hundreds of small cells, each plainly and under `%%parallel`: the same names, prints, errors and process state."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import cells
from cells_applied import APPLIED
from cells_files import FILES, FOUND
from cells_sliced import SLICED
from cells_widened import WIDENED
from differ import Bench
from fuzz import search

CELLS = [*cells.CELLS, *WIDENED, *SLICED, *FILES, *FOUND, *APPLIED]

#: Cells warn on purpose, or use what a library is about to drop; the warnings are part of what is compared.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """A shell with mpnb loaded, for all cells."""
    bench = Bench()
    yield bench
    bench.close()


@pytest.mark.parametrize(("setup", "cell", "splits"), [row[1:] for row in CELLS], ids=[row[0] for row in CELLS])
def test_a_cell_gives_what_it_gives_without_the_magic(bench: Bench, setup: str, cell: str, splits: bool | None) -> None:
    """In the pool, begun in the kernel, and ended in the kernel; and what can be split is."""
    verdict = bench.judge(setup, cell)
    assert not verdict.differences
    assert splits in (None, verdict.split), verdict.sites


@pytest.mark.parametrize(("setup", "cell"), [row[1:3] for row in CELLS[::16]], ids=[row[0] for row in CELLS[::16]])
def test_a_cell_gives_what_it_gives_without_parallel_on(bench: Bench, setup: str, cell: str) -> None:
    """Planned in the middle of its loops, and ended in the pool or in the kernel."""
    check_watched(bench, setup, cell)


@pytest.mark.full  # each of them is run in three other ways above
def test_every_cell_gives_what_it_gives_without_parallel_on(bench: Bench) -> None:
    """All of the table."""
    split = sum(check_watched(bench, setup, cell) for _, setup, cell, _ in CELLS)
    assert split >= 200


def check_watched(bench: Bench, setup: str, cell: str) -> bool:
    """Compare a cell under `%parallel on` with the plain one; tell whether it was split."""
    verdict = bench.judge(setup, cell, ("watched rest", "watched mixed"))
    assert not verdict.differences, cell
    record = bench.session.last
    return record is not None and any(site.parallel for site in record.sites)


def test_the_table_is_worth_running() -> None:
    """A product that splits nothing would pass the rest."""
    names = [row[0] for row in CELLS]
    assert len(names) == len(set(names))
    assert sum(bool(row[3]) for row in CELLS) >= 200


@pytest.mark.parametrize("first", range(0, 160, 40))
def test_random_cells_give_what_they_give_without_the_magic(bench: Bench, first: int) -> None:
    """Some hundred of the cells that `python -m tests.plan.fuzz` makes, always the same ones; most are really split."""
    tally, texts = search(bench, seed=0, numbers=range(first, first + 40))
    assert not texts, "\n".join(texts)
    assert tally.split >= 0.4 * tally.cells


@pytest.mark.full  # what must be green before a change is taken is the same for every change
def test_random_cells_that_nobody_has_seen(bench: Bench) -> None:
    """A few from a fresh seed, which is printed when one differs."""
    seed = time.time_ns() % 1_000_000
    tally, texts = search(bench, seed, range(40))
    assert not texts, "\n".join(texts)
    assert tally.cells >= 30
