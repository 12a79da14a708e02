"""A refusal says where, what conflicts with it where, and what to write instead."""

from __future__ import annotations

import ast
import linecache
import random
import threading
from typing import Any

import pytest

from mpnb import plan
from mpnb.plan import Leaf, Refusal, Space

#: A cell's text below its magic; code, name, place, the conflicting place, what `instead` has in it ("" for none).
READ_FROM_THE_TEXT = [
    (
        "for x in xs:\n    if x > best:\n        best = x",
        ("carried", "best", (3, 11), (4, 8), "best = max(best, *results)"),
    ),
    (
        "for x in xs:\n    if best > x:\n        best = x",
        ("carried", "best", (3, 7), (4, 8), "best = min(best, *results)"),
    ),
    ("for x in xs:\n    low = min(low, f(x))", ("carried", "low", (3, 14), (3, 4), "low = min(low, *results)")),
    ("for x in xs:\n    text = f(x) + text", ("carried", "text", (3, 18), (3, 4), "")),
    ("for x in xs:\n    total = x + total", ("carried", "total", (3, 16), (3, 4), "total += x")),
    (
        "for x in xs:\n    out.append(x - previous)\n    previous = x",
        ("carried", "previous", (3, 19), (4, 4), "for previous, x in zip([previous, *xs], xs)"),
    ),
    ("for x in xs:\n    previous = x\n    last = last.next", ("carried", "last", (4, 11), (4, 4), "")),
    (
        "for x in xs:\n    total += x\n    out.append(total)",
        ("accumulator-read", "total", (4, 15), (3, 4), "itertools.accumulate(results, initial=total)"),
    ),
    ("for x in xs:\n    total *= x\n    out.append(total)", ("accumulator-read", "total", (4, 15), (3, 4), "")),
    ("for x in xs:\n    n += 1\n    out.append((n, x))", ("accumulator-read", "n", (4, 16), (3, 4), "enumerate(…)")),
    (
        "for x in xs:\n    if x:\n        n += 1\n    out.append((n, x))",
        ("accumulator-read", "n", (5, 16), (4, 8), "accumulate"),
    ),
    (
        "for x in xs:\n    if x not in seen:\n        seen.append(x)",
        ("accumulator-read", "seen", (3, 16), (4, 8), "new list"),
    ),
    (
        "for x in xs:\n    try:\n        table[x] = 1 / x\n    except ZeroDivisionError:\n        pass",
        ("effect-in-try", "table", (4, 8), None, "after the try"),
    ),
    ("for x in xs:\n    class A: pass", ("statement", "class", (3, 4), None, "above the loop")),
    ("y = [last := f(x) for x in xs]", ("walrus", "last", (2, 5), None, "for loop")),
]


@pytest.mark.parametrize(("cell", "expected"), READ_FROM_THE_TEXT)
def test_what_the_text_tells(cell: str, expected: tuple[Any, ...]) -> None:
    """Line and column are those of the access in the way, `other` those of the one it conflicts with."""
    refusal = plan.read_cell(ast.parse("\n" + cell)).sites[0].refusal
    assert refusal is not None
    check(refusal, expected)


def check(refusal: Refusal, expected: tuple[Any, ...]) -> None:
    """Hold a refusal against a row; and its one line against its parts."""
    code, name, place, other, instead = expected
    assert (refusal.code, refusal.name, (refusal.line, refusal.column), refusal.other) == (code, name, place, other)
    assert instead in refusal.instead if instead else not refusal.instead, refusal.instead
    assert "\n" not in refusal.reason
    for line, column in [place, *([other] if other else [])]:
        assert f"line {line} col {column + 1}" in refusal.reason, refusal.reason
    alone = refusal.told(place)
    assert ("line " in alone) == (other is not None), "its own place need not be said beside itself"


class Thing:
    """Has a method that changes it."""

    def grow(self) -> None:
        """Change it."""
        self.size = 1


def names() -> dict[str, Any]:
    """What the notebook of the second table has."""
    scope: dict[str, Any] = {"rows": [[2, 1]], "xs": [1, 2], "same": {"a": 1}, "random": random, "thing": Thing()}
    scope["also"] = scope["xs"]
    scope |= {"stream": iter([1, 2]), "lock": threading.Event()}
    scope["bag"] = type("Bag", (list,), {})()
    return scope


#: As above, where objects tell.
READ_FROM_OBJECTS = [
    ("for row in rows:\n    row.sort()", ("mutates", "row", (3, 4), None, "change row after the loop")),
    ("y = [random.random() for x in xs]", ("random", "random.random", (2, 5), None, "--seed")),
    (
        "for x in xs:\n    also.append(x)",
        ("shared-object", "also", (2, 0), (3, 4), "also.copy()"),
    ),
    (
        "for x in range(2):\n    xs.append(also[0])",
        ("shared-object", "xs", (3, 4), (3, 14), "also = also.copy()"),
    ),
    ("for x in xs:\n    bag.append(x)", ("accumulator-type", "bag", (3, 4), None, "results.append")),
    ("for x in xs:\n    lost.append(x)", ("accumulator-type", "lost", (3, 4), None, "define lost above the loop")),
    ("y = [next(stream) for x in xs]", ("mutates", "stream", (2, 5), None, "zip(xs, list(it))")),
    ("for x in xs:\n    lock.acquire()", ("stateful", "lock", (3, 4), None, "inside the loop")),
    ("for n in range(3):\n    if id(n) > 2:\n        pass", ("identity", "id", (3, 7), None, "of your own")),
    ("y = [eval('x') for x in xs]", None),
]


@pytest.mark.parametrize(("cell", "expected"), READ_FROM_OBJECTS)
def test_what_the_objects_tell(cell: str, expected: tuple[Any, ...] | None) -> None:
    """What stands in a part of the loop is placed there, though a helper or an object is what tells."""
    scope = names()
    sites = plan.read_cell(ast.parse("\n" + cell)).sites
    if expected is None:
        assert sites == []
        return
    loop = sites[0].loop
    assert loop is not None
    iterable = eval(ast.unparse(loop.iterable), scope)
    refusal = plan.check_loop(loop, Space(scope), [Leaf(iterable, ast.unparse(loop.iterable))]).refusal
    assert refusal is not None
    check(refusal, expected)


def test_a_problem_deep_down_is_told_once() -> None:
    """Through several helpers, the line names the one that is called here, and what is the matter in the last."""
    text = (
        "def first(x):\n    return second(x)\ndef second(x):\n    return third(x)\n"
        "def third(x):\n    global last\n    last = x\n    return x\n"
    )
    linecache.cache["<deep>"] = (len(text), None, text.splitlines(keepends=True), "<deep>")
    scope = {"__name__": "__main__", "xs": [1]}
    exec(compile(text, "<deep>", "exec"), scope)
    loop = plan.read_cell(ast.parse("\ny = [first(x) for x in xs]")).sites[0].loop
    assert loop is not None
    refusal = plan.check_loop(loop, Space(scope), [Leaf([1], "xs")]).refusal
    assert refusal is not None
    words = "`first` calls a place that can't be split: `last` is set as a global by `third` (line 2 col 6)"
    assert refusal.told().split("; instead")[0] == words


def test_a_column_is_that_of_the_innermost_part() -> None:
    """Of several calls in one line the one in the way is named, and found by its column."""
    cell = "\ny = [abs(x) + len(str(random.random())) for x in xs]"
    loop = plan.read_cell(ast.parse(cell)).sites[0].loop
    assert loop is not None
    refusal = plan.check_loop(loop, Space(names()), [Leaf([1], "xs")]).refusal
    assert refusal is not None
    assert cell.splitlines()[refusal.line - 1][refusal.column :].startswith("random.random()")
