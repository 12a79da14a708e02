"""Calls made through the pool: what a task gets and gives back, with real processes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from multiprocessing.pool import MaybeEncodingError
from pathlib import Path
from typing import Any

import pytest

from mpnb.errors import CodecError
from mpnb.pool import Pool


def cell(source: str) -> dict[str, Any]:
    """The names that a cell with this source leaves in a notebook."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(textwrap.dedent(source), "<cell>", "exec"), names)
    return names


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """A pool of two."""
    with Pool(2) as made:
        yield made


NAMES = """
    import collections, enum, functools, io, random
    import numpy as np
    log = []
    base = 3
    class Thing:
        def __init__(self, k): self.k, self.secret = k, "kept here"
        def __getstate__(self): return {"k": self.k}
    class Slotted:
        __slots__ = ("a",)
    class Colour(enum.Enum):
        RED = 1
    Point = collections.namedtuple("Point", "x y")
    Point.__module__ = "__main__"
    def grow(d): d["new"] = 1; return d
    def logged(x): log.append(x); return log
    def in_place(a): a += 1; return a
    def bump(thing): thing.k += base; return thing
    def same(x): return x
    def draw(rng): return rng.random(), rng
    def twice(xs): return [xs, xs]
    def swap(point): return Point(point.y, point.x)
    def with_state(thing): return vars(thing)
"""

# A function, its item, and the expression of the notebook's names that its result is equal to.
VALUES: list[tuple[str, str, str]] = [
    ("grow", "{'a': 2}", "{'a': 2, 'new': 1}"),
    ("grow", "collections.OrderedDict(a=2)", "collections.OrderedDict(a=2, new=1)"),
    ("logged", "7", "[7]"),
    ("in_place", "np.arange(3)", "np.arange(3) + 1"),
    ("in_place", "np.arange(100_000.)", "np.arange(100_000.) + 1"),
    ("in_place", "np.array([1, None and 2, 3][:1], dtype=object)", "np.array([2], dtype=object)"),
    ("in_place", "np.asfortranarray(np.ones((300, 200)))[::2]", "np.full((150, 200), 2.)"),
    ("with_state", "Thing(1)", "{'k': 1}"),
    ("swap", "Point(1, 2)", "Point(2, 1)"),
    ("same", "Colour.RED", "Colour.RED"),
    ("same", "{3, 1, 2}", "{1, 2, 3}"),
    ("same", "functools.partial(max, 3)", "functools.partial(max, 3)"),
    ("same", "(x for x in [])", "an error"),
]


@pytest.mark.parametrize(("function", "item", "expected"), VALUES, ids=[f"{f}({i})" for f, i, _ in VALUES])
def test_a_call_gets_a_copy_and_gives_one(pool: Pool, function: str, item: str, expected: str) -> None:
    """A task may change what it gets and what it finds; the notebook's own objects stay as they were."""
    names = cell(NAMES)
    given, before = eval(item, names), eval(item, names)
    if expected == "an error":
        with pytest.raises((CodecError, TypeError)):
            pool.map(names[function], [given])
        return
    result = pool.map(names[function], [given])[0]

    def plain(value: Any) -> Any:
        if isinstance(value, names["np"].ndarray):
            return value.tolist()
        if isinstance(value, names["functools"].partial):
            return value.func, value.args
        return vars(value) if isinstance(value, names["Thing"]) else value

    assert plain(result) == plain(eval(expected, names))
    assert type(result) is type(eval(expected, names))
    assert plain(given) == plain(before)
    assert names["log"] == []


def test_results_are_writeable_and_the_callers_own(pool: Pool) -> None:
    """An array that came home has memory of its own."""
    names = cell(NAMES)
    array = names["np"].zeros(100_000)
    first, second = pool.map(names["same"], [array, array])
    first += 1
    assert array.sum() == second.sum() == 0.0
    assert first.sum() == 100_000


def test_classes_and_functions_are_the_notebooks_own(pool: Pool) -> None:
    """Instances come home as instances of the notebook's class; functions and classes as themselves."""
    names = cell(NAMES)
    assert type(pool.apply(names["bump"], (names["Thing"](1),))) is names["Thing"]
    assert pool.map(names["same"], [names["Thing"], names["grow"]]) == [names["Thing"], names["grow"]]


def test_a_class_that_changed_is_never_stale(pool: Pool) -> None:
    """A class changed in place, and one defined anew, are what the next call uses."""
    names = cell("class C:\n    k = 1\n    def get(self): return self.k\ndef get(c): return c.get()")
    assert pool.map(names["get"], [names["C"]()]) == [1]
    names["C"].k = 2
    assert pool.map(names["get"], [names["C"]()]) == [2]
    exec("class C:\n    def get(self): return 'new'", names)
    assert pool.map(names["get"], [names["C"]()]) == ["new"]


def test_a_generator_of_random_numbers_is_copied(pool: Pool) -> None:
    """As with multiprocessing: the copy is drawn from, and the notebook's stays where it was."""
    names = cell(NAMES)
    rng = names["np"].random.default_rng(3)
    (one, _), (two, _) = pool.map(names["draw"], [rng, rng], chunksize=1)
    assert one == two == rng.random()


def test_one_bad_argument_costs_one_task(pool: Pool) -> None:
    """The others are done; the error says where the culprit is."""
    with Path(__file__).open() as file:
        results = pool.imap(abs, iter([1, {"it": file}, -3]))
        assert next(results) == 1
        with pytest.raises(CodecError, match=r"\['it'\]") as info:
            next(results)
        assert info.value.__notes__ == ["in task 2"]
        assert next(results) == 3


def test_one_bad_result_costs_one_task(pool: Pool) -> None:
    """As multiprocessing has it, with the path to the culprit."""
    names = cell("import os\ndef f(x):\n    return {'file': open(os.devnull)} if x == 1 else x")
    results = [pool.apply_async(names["f"], (x,)) for x in range(3)]
    assert (results[0].get(10), results[2].get(10)) == (0, 2)
    with pytest.raises(MaybeEncodingError, match=r"cannot send \"result\['file'\]\": an open file"):
        results[1].get(10)
    with pytest.raises(MaybeEncodingError, match=r"\['file'\]"):
        pool.map(names["f"], range(3))
    assert pool.map(names["f"], [0, 2]) == [0, 2]


def test_what_the_users_code_raises_while_it_is_pickled_is_the_users(pool: Pool) -> None:
    """An exception of a `__reduce__` comes as itself, with a note that says what was being sent."""
    names = cell("class A:\n    def __reduce__(self): raise RuntimeError('not me')")
    with pytest.raises(RuntimeError, match="not me") as info:
        pool.map(id, [names["A"]()])
    assert any(note.startswith("cannot send") for note in info.value.__notes__)


def test_a_class_that_does_not_load_costs_its_tasks(pool: Pool) -> None:
    """One whose `__setstate__` fails, in the worker and in the notebook; the pool works afterwards."""
    names = cell("""
        class There:
            def __setstate__(self, state): raise OSError("not there")
            def __getstate__(self): return {"k": 1}
        class Back:
            at_home = False
            def __init__(self): self.k = 1
            def __setstate__(self, state):
                if self.at_home: raise OSError("not back")
                vars(self).update(state)
            def __getstate__(self): return {"k": 1}
        def same(x): return x
        def made(x): return x()
    """)
    with pytest.raises(Exception, match="not there"):
        pool.map(names["same"], [names["There"]()])
    back = names["Back"]
    results = pool.map_async(names["made"], [back, back])
    back.at_home = True
    with pytest.raises(CodecError, match="not back"):
        results.get(10)
    assert pool.map(abs, [-1]) == [1]


@pytest.mark.parametrize("error", ["SystemExit(3)", "KeyboardInterrupt()", "GeneratorExit()", "BaseException('odd')"])
def test_whatever_a_task_raises_is_its_own_affair(pool: Pool, error: str) -> None:
    """Not even SystemExit ends a worker, or the other calls of the map."""
    names = cell(f"def f(x):\n    if x == 1: raise {error}\n    return x")
    results = pool.imap(names["f"], range(4))
    assert next(results) == 0
    with pytest.raises(type(eval(error))) as info:
        next(results)
    assert repr(info.value) == repr(eval(error))
    assert list(results) == [2, 3]
