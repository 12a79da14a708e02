"""What there is to send, by tables; nothing of the user's runs for it."""

from __future__ import annotations

import functools
from collections import deque
from types import FunctionType
from typing import Any, Never

import numpy as np
import pandas as pd
import pytest

from mpnb.weight import Weight, ids_in, weigh, weigh_made, weigh_names


class Held:
    """An object of the notebook, with data hanging on it, that can't bear to be looked at."""

    def __init__(self) -> None:
        self.words = ["a"] * 1000

    def __getattribute__(self, name: str) -> Never:
        raise AssertionError(name)

    def __len__(self) -> Never:
        raise AssertionError("len")


class Slotted:
    """An object without a dict."""

    __slots__ = ("a",)


@pytest.mark.parametrize(
    ("thing", "low", "high"),
    [
        (1, 0, 1),
        ("word", 1, 2),
        ("x" * 1_000_000, 1000, 10_000),
        ([1.5] * 1000, 100, 500),
        (["a"] * 1000, 1000, 1100),
        (("a",) * 1000, 1000, 1100),
        ({"a", "b"}, 2, 4),
        (deque(["a"] * 100), 100, 110),
        ({str(i): [i, "b"] for i in range(1000)}, 3000, 5000),
        ([{"n": i, "words": ["a", "b"]} for i in range(1000)], 4000, 8000),
        ([], 0, 2),
        ({}, 0, 2),
        (Slotted(), 1, 1),
        (Held(), 1000, 1100),
        (functools.partial(max, 1), 0, 10),
        (np, 1, 1),
        (np.float64(1), 1, 1),
        (np.array(["a"] * 1000, dtype=object), 1000, 1100),
        (pd.DataFrame({"a": ["x"] * 1000, "b": range(1000)}), 1000, 1100),
        (pd.Series(["x"] * 1000), 1000, 1100),
    ],
    ids=lambda value: type(value).__name__,
)
def test_small_objects_are_counted_about(thing: Any, low: float, high: float) -> None:
    """Within a factor of two or so."""
    assert low <= weigh(thing).objects <= high


@pytest.mark.parametrize(
    ("thing", "nbytes"),
    [
        (np.zeros(1000), 8000),
        ([np.zeros(1000)] * 50, 400_000),
        ({"a": np.zeros(1000), "b": np.zeros(1000)}, 16_000),
        (pd.Series(np.zeros(1000)), 8000),
        (pd.DataFrame({"a": np.zeros(1000), "b": np.zeros(1000)}), 16_000),
    ],
    ids=["array", "list of arrays", "dict of arrays", "Series", "DataFrame"],
)
def test_arrays_weigh_their_bytes(thing: Any, nbytes: float) -> None:
    """Nothing of them is pickled."""
    assert weigh(thing).nbytes == pytest.approx(nbytes, rel=0.5)


def test_a_thing_that_holds_itself_has_a_weight() -> None:
    """The look goes down to some depth only."""
    loop: list[Any] = ["a"]
    loop.append(loop)

    assert weigh(loop).objects < 100


def test_names_that_helpers_read_are_weighed_too() -> None:
    """As they are sent, too; names of no object weigh nothing."""
    names: dict[str, Any] = {"__name__": "__main__", "table": ["a"] * 5000, "unused": ["a"] * 5000}
    exec("def helper(x):\n    return inner(x)\ndef inner(x):\n    return [table[i] for i in range(x)]", names)
    assert isinstance(names["helper"], FunctionType)

    found = weigh_names(["helper", "len"], names.get)

    assert found["table"].objects > 5000
    assert "unused" not in found
    assert found["len"] == Weight()


OWN = [["a"] * 1000, np.zeros(1000)]


@pytest.mark.parametrize(
    ("made", "count", "objects", "nbytes"),
    [
        ([], 10, 0, 0),
        ([np.zeros(1000) for _ in range(10)], 10, 1, 8000),
        ([np.zeros(1000) for _ in range(10)], 20, 0.5, 4000),
        ([np.zeros(1000), *[None] * 9], 10, 1, 8000),
        ({n: np.zeros(1000) for n in range(10)}, 10, 1, 8000),
        ({str(n) for n in range(10)}, 10, 1, 0),
        ([["a"] * 1000 for _ in range(10)], 10, 1000, 0),
        (np.zeros((100, 1000)), 10, 1, 8000),
        (np.array(1.0), 10, 0, 0),
        ("text", 10, 0, 0),
        ([OWN[0]] * 10, 10, 0.2, 0),
        ([(n, OWN[0], OWN[1]) for n in range(10)], 10, 1.5, 0),
        ([OWN[1][n:] for n in range(10)], 10, 1, 0),
    ],
    ids=[
        "nothing", "arrays", "every second", "filled before", "dict", "set", "lists", "rows", "a number", "text",
        "the notebook's own", "with them inside", "views of them",
    ],
)  # fmt: skip
def test_what_iterations_made_is_weighed_by_the_last_of_it(
    made: Any, count: int, objects: float, nbytes: float
) -> None:
    """What is the notebook's own, or a view of it, weighs nothing."""
    found = weigh_made(made, count, ids_in([OWN]))

    assert objects <= found.objects <= 2 * objects + 1
    assert found.nbytes == pytest.approx(nbytes, rel=0.01)
