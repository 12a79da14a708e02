"""Cells in the manner of real notebooks: what is independent is split, what is not is refused by line and name.

`python tests/plan/test_notebook_cells.py` prints what is not split, and why.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

# what they set up when they are first imported is no cell's doing
import sklearn.cluster
import sklearn.model_selection
import sklearn.naive_bayes
import sklearn.neighbors
import sklearn.svm
import sklearn.tree  # noqa: F401 -- as above
import tqdm.auto  # noqa: F401 -- as above
from differ import Bench, Verdict
from notebook_cells import NOTEBOOK_CELLS, Row
from notebook_cells_more import MORE_CELLS

from mpnb import session
from mpnb.plan.types import Refusal
from mpnb.session import SiteRun

pytestmark = pytest.mark.filterwarnings("default")

#: Share of each kind among the sites of real notebooks, in per cent.
SHARES = {"for": 66, "list": 23, "generator": 4, "dict": 3, "map": 2, "set": 1}
#: The part of the independent cells that is split at least.
SPLIT = 0.93
ROWS = [(kind, row) for cells in (NOTEBOOK_CELLS, MORE_CELLS) for kind, rows in cells.items() for row in rows]


@dataclass
class Judged:
    """What came of a row: the comparison with serial, whether its site was split, and the refusal if there was one."""

    kind: str
    row: Row
    verdict: Verdict
    split: bool
    refusal: Refusal | None

    @property
    def why(self) -> str:
        """Why it was not split, for a person to read."""
        if self.refusal is None:
            return " / ".join(self.verdict.sites) or "no site"
        return f"line {self.refusal.line - 1}, [{self.refusal.code}] {self.refusal.reason}"


@contextlib.contextmanager
def noted() -> Iterator[list[tuple[SiteRun, Refusal]]]:
    """Note what is refused while cells run, with the site."""
    found: list[tuple[SiteRun, Refusal]] = []
    begin, refuse = session.Session.begin, SiteRun.refuse

    def noting_begin(self: session.Session, *arguments: Any, **keywords: Any) -> session.Run:
        run = begin(self, *arguments, **keywords)
        found.extend((site, site.plan.refusal) for site in run.sites if site.plan.refusal)
        return run

    def noting_refuse(self: SiteRun, refusal: Refusal) -> None:
        found.append((self, refusal))
        refuse(self, refusal)

    session.Session.begin, SiteRun.refuse = noting_begin, noting_refuse  # type: ignore[method-assign, assignment]
    try:
        yield found
    finally:
        session.Session.begin, SiteRun.refuse = begin, refuse  # type: ignore[method-assign]


def judge(bench: Bench, kind: str, row: Row) -> Judged:
    """Run a row plainly and in the pool; its site is the first one of its kind."""
    _, setup, cell, _ = row
    with noted() as found:
        verdict = bench.judge(setup, cell.strip("\n"), ("pool",))
    record = bench.session.last
    assert record is not None
    number = next((n for n, site in enumerate(record.sites) if site.kind == kind), None)
    if number is None:
        return Judged(kind, row, verdict, split=False, refusal=None)
    refusal = next((refusal for site, refusal in found if site.plan.number == number), None)
    return Judged(kind, row, verdict, record.sites[number].parallel and refusal is None, refusal)


@pytest.fixture(scope="module")
def judged() -> Iterator[list[Judged]]:
    """All rows, run once."""
    stdin = sys.stdin
    bench = Bench()
    try:
        yield [judge(bench, kind, row) for kind, row in ROWS]
    finally:
        bench.close()
        sys.stdin = stdin


def test_the_table_has_the_shares_of_real_notebooks() -> None:
    """At least 150 cells with names of their own; each kind has its share, within a few cells."""
    names = [(kind, row[0]) for kind, row in ROWS]
    assert len(names) >= 150
    assert len(names) == len(set(names))
    for kind, share in SHARES.items():
        assert abs(sum(each == kind for each, _ in ROWS) - share / 100 * len(names)) <= 4, kind


def test_every_cell_ends_as_without_the_magic(judged: list[Judged]) -> None:
    """Names, prints, error and process state are the serial ones, whatever was split."""
    assert not {(each.kind, each.row[0]): each.verdict.differences for each in judged if each.verdict.differences}


def test_most_of_the_independent_cells_are_split(judged: list[Judged]) -> None:
    """Cells whose iterations can be done in any order really go to the pool."""
    independent = [each for each in judged if each.row[3] is None]
    serial = {(each.kind, each.row[0]): each.why for each in independent if not each.split}
    print(f"{len(independent) - len(serial)} of {len(independent)} independent cells are split; not split are:")
    for (kind, name), why in serial.items():
        print(f"  {kind} {name!r}: {why}")
    assert len(serial) <= len(independent) * (1 - SPLIT), serial


def test_a_refusal_names_what_stands_in_the_way(judged: list[Judged]) -> None:
    """A cell whose iterations hang together is refused at the line and for the name that a reader would give."""
    wrong = {}
    for each in judged:
        blame = each.row[3]
        if blame is None or each.split:
            continue
        found = each.refusal
        if found is None or found.line - 1 != blame[0] or not names_it(found.name, blame[1]):
            wrong[each.kind, each.row[0]] = (blame, found and (found.line - 1, found.name), each.why)
    assert not wrong


def names_it(found: str, blamed: str) -> bool:
    """Tell whether a refusal names what is to blame, or a part of it."""
    return found == blamed or found.startswith((f"{blamed}.", f"{blamed}["))


if __name__ == "__main__":
    bench = Bench()
    every = [judge(bench, kind, row) for kind, row in ROWS]
    bench.close()
    for one in every:
        expected = "independent" if one.row[3] is None else f"dependent {one.row[3]}"
        if (one.row[3] is None) != one.split or one.verdict.differences:
            print(f"{one.kind:9} {one.row[0]:35} {expected}: {'SPLIT' if one.split else one.why}")
        blame = one.row[3]
        if blame and one.refusal and not (one.refusal.line - 1 == blame[0] and names_it(one.refusal.name, blame[1])):
            print(f"{one.kind:9} {one.row[0]:35} SHOULD BLAME {blame}: {one.refusal.name!r} {one.why}")
        for way, differences in one.verdict.differences.items():
            print(f"    {way}: {differences}"[:600])
    split = [one.split for one in every if one.row[3] is None]
    print(f"{sum(split)} of {len(split)} independent cells are split ({sum(split) / len(split):.1%}), of {len(every)}")
