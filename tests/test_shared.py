"""`mpnb.shared`: an array lies once in memory that all workers map, and is sent without a copy."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import mpnb
from mpnb import buffers
from mpnb.arrays import is_shared
from mpnb.pool import Pool
from mpnb.weight import weigh

pytestmark = pytest.mark.skipif(buffers.is_portable(), reason="no memfd_create here: nothing is shared")

SIZE = 1 << 18


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """A pool of two."""
    with Pool(2) as made:
        yield made


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of each block that is made in this process."""
    made: list[int] = []
    create = buffers.Block.create.__func__  # type: ignore[attr-defined]

    def noted(cls: type[buffers.Block], pieces: Any) -> buffers.Block:
        block = create(cls, pieces)
        made.append(block.nbytes)
        return block

    monkeypatch.setattr(buffers.Block, "create", classmethod(noted))
    return made


LAYOUTS: list[tuple[str, Callable[[], np.ndarray[Any, Any]]]] = [
    ("rows", lambda: np.arange(SIZE, dtype=float).reshape(512, -1)),
    ("columns", lambda: np.asfortranarray(np.arange(SIZE, dtype=float).reshape(512, -1))),
    ("every other", lambda: np.arange(2 * SIZE)[::2]),
    ("backwards", lambda: np.arange(SIZE)[::-1]),
    ("records", lambda: np.zeros(SIZE, dtype=[("a", "i4"), ("b", "f8")])),
    ("dates", lambda: np.arange("2000-01-01", "2500-01-01", dtype="M8[D]")),
    ("text", lambda: np.array(["ab", "cde"] * SIZE)),
    ("small", lambda: np.arange(3)),
    ("empty", lambda: np.empty((0, 4))),
    ("one", lambda: np.array(5.0)),
]


@pytest.mark.parametrize("make", [make for _, make in LAYOUTS], ids=[name for name, _ in LAYOUTS])
def test_it_has_the_same_values_and_layout(make: Callable[[], np.ndarray[Any, Any]]) -> None:
    """And is read-only, whoever changes the array that it was made of."""
    array = make()
    expected = array.copy()
    table = mpnb.shared(array)
    if array.size:
        array[...] = np.zeros(1, array.dtype)[0]
    assert table.dtype == expected.dtype
    assert table.strides == array.strides
    np.testing.assert_array_equal(table, expected)
    assert not table.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        table[...] = 0
    if array.size:
        with pytest.raises(ValueError, match="WRITEABLE"):
            table.flags.writeable = True


@pytest.mark.parametrize("name", ["rows", "columns", "every other", "backwards"])
def test_workers_get_it_without_a_copy(pool: Pool, blocks: list[int], name: str) -> None:
    """As a global, a default, an argument and a view; again and again, no block is made."""
    table = mpnb.shared(dict(LAYOUTS)[name]())
    assert blocks == [table.nbytes if name != "every other" else blocks[0]]
    blocks.clear()
    names: dict[str, Any] = {"__name__": "__main__", "table": table, "part": table[3:9]}
    exec("def pick(i): return table[i].sum(), part[1].sum()\ndef get(a): return a[2].sum(), a.flags.writeable", names)
    for _ in range(3):
        assert pool.map(names["pick"], [0, 5]) == [(table[i].sum(), table[4].sum()) for i in (0, 5)]
        assert pool.map(names["get"], [table, table[1:]]) == [(table[2].sum(), False), (table[3].sum(), False)]
    assert blocks == []


def test_it_weighs_nothing() -> None:
    """A loop that reads it is judged as one that reads a number."""
    table = mpnb.shared(np.zeros(SIZE))
    for array in (table, table[10:], table.reshape(2, -1).T):
        assert is_shared(array)
        assert weigh(array).nbytes == 0
    assert not is_shared(np.zeros(SIZE))
    assert weigh(np.zeros(SIZE)).nbytes > SIZE


def test_its_memory_is_given_back() -> None:
    """With the last view of it."""
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    table = mpnb.shared(np.zeros(SIZE))
    part = table[5:]
    del table
    gc.collect()
    assert is_shared(part)
    assert len(os.listdir("/proc/self/fd")) > before
    address = part.ctypes.data
    assert buffers.lent(address, part.nbytes) is not None
    del part
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before
    assert buffers.lent(address, 1) is None


class Own(np.ndarray[Any, Any]):
    """A class of one's own, of which only the array could be shared."""


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        pytest.param([1, 2], r"takes a numpy array, was list; np.asarray", id="a list"),
        pytest.param(np.array([1, "a", None], dtype=object), r"plain values, was one of object", id="objects"),
        pytest.param(np.zeros(3).view(Own), r"was Own", id="a subclass"),
    ],
)
def test_what_it_does_not_take(thing: Any, words: str) -> None:
    """Says what it was given, and what it takes."""
    with pytest.raises(TypeError, match=words):
        mpnb.shared(thing)


def test_without_shared_memory_it_is_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read-only all the same, so that a notebook runs alike everywhere."""
    monkeypatch.setenv("MPNB_TRANSPORT", "portable")
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    table = mpnb.shared(array)
    assert np.array_equal(table, array)
    assert table.strides == array.strides
    assert table is not array
    assert not table.flags.writeable
