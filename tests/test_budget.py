"""The broadcast budget: what would not fit into memory is an error of its name, not the end of a process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import mpnb
from mpnb import workforce
from mpnb.budget import OBJECTS, Budget
from mpnb.errors import CodecError
from mpnb.pool import Pool

MB = 1_000_000


@pytest.mark.parametrize(
    ("workers", "free", "spent", "words"),
    [
        pytest.param(2, 1, [("a", 10 * MB, 0)], "", id="little is never asked about"),
        pytest.param(2, 200 * MB, [("a", 30 * MB, 0)], "", id="it fits"),
        pytest.param(2, 199 * MB, [("a", 30 * MB, 0)], r"'a'.*0.18 GB in 2 workers, and of 0.20 GB", id="objects"),
        pytest.param(8, 400 * MB, [("a", 0, 300 * MB)], "", id="an array is one for all"),
        pytest.param(8, 300 * MB, [("a", 0, 300 * MB)], r"'a'.*0.30 GB shared by the workers", id="an array"),
        pytest.param(
            4,
            1000 * MB,
            [("a", 20 * MB, 0), ("b", 50 * MB, 0), ("c", 10 * MB, 0)],
            r"'b'.*0.60 GB in 4 workers \(all names 0.96 GB\).*fewer workers",
            id="the largest is named",
        ),
    ],
)
def test_the_budget(workers: int, free: int, spent: list[tuple[str, int, int]], words: str) -> None:
    """By what all names before it cost as well."""
    budget = Budget(workers, lambda: free)
    *before, last = spent
    for each in before:
        budget.spend(*each)
    if not words:
        budget.spend(*last)
        return
    with pytest.raises(CodecError, match=words):
        budget.spend(*last)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """A pool of two."""
    with Pool(2) as made:
        yield made


def cell(source: str, **names: Any) -> dict[str, Any]:
    """The names of a notebook after this cell."""
    found = {"__name__": "__main__", **names}
    exec(source, found)
    return found


def test_what_is_too_much_is_not_sent(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are each worker's own; the call says so, loses nothing else, and the next one works."""
    names = cell("def f(i): return len(data[i])", data=["x" * 12 * MB + str(i) for i in range(2)])
    monkeypatch.setattr(workforce, "free_memory", lambda: 100 * MB)
    with pytest.raises(CodecError, match=r"'data'.*in 2 workers.*fewer workers, smaller data"):
        pool.map(names["f"], [0, 1])
    assert pool.map(abs, [-1, -2]) == [1, 2]
    monkeypatch.setattr(workforce, "free_memory", lambda: 24 * MB * OBJECTS * 3)
    assert pool.map(names["f"], [0, 1]) == [12 * MB + 1] * 2

    monkeypatch.setattr(workforce, "free_memory", lambda: 0)
    names["data"][0] += "and more"  # takes the place of what the workers have
    assert pool.map(names["f"], [0, 1]) == [12 * MB + 9, 12 * MB + 1]
    names["data"] += ["y" * 12 * MB, "z" * 12 * MB]
    with pytest.raises(CodecError, match=r"'data'.*0.14 GB in 2 workers"):
        pool.map(names["f"], [0, 1])


def test_what_lies_there_already_costs_nothing(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """An array is counted when its block is made, and a shared one never."""
    names = cell("def f(i): return data[i]", data=np.ones(9 * MB))
    monkeypatch.setattr(workforce, "free_memory", lambda: 70 * MB)
    with pytest.raises(CodecError, match=r"'data'.*0.07 GB shared by the workers"):
        pool.map(names["f"], [0, 1])
    monkeypatch.setattr(workforce, "free_memory", lambda: 100 * MB)
    assert pool.map(names["f"], [0, 1]) == [1, 1]
    monkeypatch.setattr(workforce, "free_memory", lambda: 0)
    assert pool.map(names["f"], [2, 3]) == [1, 1]
    names["data"] = mpnb.shared(np.zeros(9 * MB))
    assert pool.map(names["f"], [2, 3]) == [0, 0]


def test_what_goes_with_the_items_is_not_counted_up(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """An item is one worker's, and gone after it, however many there are."""
    monkeypatch.setattr(workforce, "free_memory", lambda: 100 * MB)
    names = cell("def f(text): return len(text)")
    assert pool.map(names["f"], ["x" * 4 * MB for _ in range(20)], chunksize=1) == [4 * MB] * 20
