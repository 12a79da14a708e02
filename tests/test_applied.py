"""Pandas' own apply and map: which are followed, and which results may be handed out."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest

from mpnb.applied import CHUNK, Calls, _is_apart, _is_same, why_plain

FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})


class Ours(pd.Series):  # type: ignore[misc]
    """A subclass, which may do anything."""


def _patched() -> pd.Series:
    series = pd.Series([1, 2])
    object.__setattr__(series, "apply", len)
    return series


@pytest.mark.parametrize(
    ("thing", "method", "rows", "words"),
    [
        (FRAME["a"], "apply", False, ""),
        (FRAME["b"], "map", False, ""),
        (FRAME, "apply", True, ""),
        (FRAME, "apply", False, "columns or single cells"),
        (FRAME, "map", False, "columns or single cells"),
        (FRAME["a"], "apply", True, "hands on to the function"),
        (FRAME[:0], "apply", True, "nothing to go through"),
        (pd.Series(["x"], dtype="category"), "map", False, "type category"),
        (pd.Series([1, None], dtype="Int64"), "map", False, "type Int64"),
        (FRAME.groupby("b"), "apply", False, "DataFrameGroupBy"),
        (FRAME.groupby("b")["a"], "apply", False, "SeriesGroupBy"),
        (pd.Index([1]), "map", False, "Index"),
        (Ours([1]), "map", False, "Ours"),
        (_patched(), "apply", False, "no longer pandas' own"),
        ([1, 2], "map", False, "list"),
    ],
)
def test_what_is_not_pandas_own_way_is_told(thing: object, method: str, rows: bool, words: str) -> None:
    """In words; nothing where it can be followed."""
    why = why_plain(thing, method, rows=rows)
    assert bool(why) == bool(words)
    assert words in why


@pytest.mark.parametrize(
    ("thing", "method", "skips"),
    [
        (pd.Series(np.arange(3 * CHUNK + 5)), "apply", False),
        (pd.Series(np.arange(2 * CHUNK) / 3), "map", False),
        (pd.Series([0.5, np.nan] * CHUNK), "map", True),
        (pd.Series(pd.date_range("2024-01-01", periods=CHUNK + 3, tz="Europe/Rome")), "map", False),
        (pd.Series(["x", None, "z"] * CHUNK), "map", False),
        (pd.Series([[1], "x", 2.5] * CHUNK), "apply", False),
    ],
)
@pytest.mark.parametrize("first", [0, 1, CHUNK, CHUNK + 2])
def test_items_are_what_pandas_gives_its_calls(thing: pd.Series, method: str, skips: bool, first: int) -> None:
    """From any call on, in its order, and of its types."""
    given: list[object] = []
    named = {"na_action": "ignore"} if skips else {}
    getattr(thing, method)(given.append, **named)
    calls = Calls(None, thing, method, rows=False, skips=skips)  # type: ignore[arg-type]
    items = list(calls._left(first))
    assert len(items) == max(0, len(given) - first)
    assert all(map(_is_same, items, given[first:]))


@pytest.mark.parametrize("columns", [["a"], ["a", "b"], ["a", "c"], ["a", "b", "c"], ["d", "b"], ["d"], ["b"]])
def test_rows_are_what_pandas_gives_its_calls(columns: list[str]) -> None:
    """Values, types and names alike, and each its own: pandas puts new values into one Series."""
    count = CHUNK + 3
    frame = pd.DataFrame({"a": range(count), "b": list("xyz" * count)[:count], "c": np.arange(count) / 3})
    frame["d"] = pd.date_range("2024-01-01", periods=count)
    given: list[pd.Series] = []
    frame[columns].apply(lambda row: given.append(row.copy()), axis=1)
    calls = Calls(None, frame[columns], "apply", rows=True, skips=False)  # type: ignore[arg-type]
    items = list(calls._left(2))
    assert len(items) == count - 2
    for item, row in zip(items, given[2:], strict=True):
        pd.testing.assert_series_equal(item, row)
        assert [type(value) for value in item] == [type(value) for value in row]


@pytest.mark.parametrize(
    ("value", "apart"),
    [
        (1, True),
        ("x", True),
        (np.float64(2), True),
        (pd.Timestamp("2024-01-01"), True),
        (pd.NA, True),
        ([1, (2, {"k": {3}})], True),
        (FRAME["a"], False),
        ([FRAME["a"]], False),
        ({"k": (FRAME["a"],)}, False),
        (np.arange(3), False),
        (FRAME.columns, False),
        (FRAME, False),
        (functools.partial(len), False),
        ([[[[[1]]]]], False),
    ],
)
def test_what_may_hold_a_part_of_a_row_is_told_apart(value: object, apart: bool) -> None:
    """What can't be told may hold one."""
    assert _is_apart(value) is apart
