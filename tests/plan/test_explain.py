"""What `--explain` tells of a site before the cell runs: the verdict, and the class of every name."""

from __future__ import annotations

import ast
import random
from typing import Any, Never

import pytest

from mpnb import plan
from mpnb.plan import Space
from mpnb.plan.explain import SiteExplained, explain_site, known_leaves
from mpnb.plan.names import read_names


def explain(cell: str, names: dict[str, Any], number: int = 0) -> SiteExplained:
    """Lay a cell's site open in a notebook that has these names."""
    tree = ast.parse("\n" + cell)
    site = plan.read_cell(tree).sites[number]
    return explain_site(site, Space(names), read_names(tree.body).defs)


def scale(x: int) -> int:
    """Pure."""
    return x * 2


NAMES: dict[str, Any] = {
    "xs": [1, 2, 3],
    "out": [],
    "table": {},
    "grid": [0] * 3,
    "total": 0,
    "factor": 2,
    "scale": scale,
}

#: A cell; its first site's names with their class and line, in order; the code of its refusal.
TABLE = [
    ("y = [x * factor for x in xs]", [("x", "loop variable", 2), ("factor", "broadcast", 2)], None),
    (
        "for x in xs:\n    y = scale(x)\n    out.append(y)\n    total += y",
        [
            ("x", "loop variable", 2),
            ("scale", "broadcast", 3),
            ("y", "temporary", 3),
            ("out", "reduction", 4),
            ("total", "reduction", 5),
        ],
        None,
    ),
    (
        "for i, x in enumerate(xs):\n    grid[i] = x\n    table[x * 2] = i",
        [("i", "loop variable", 2), ("x", "loop variable", 2), ("grid", "sliced", 3), ("table", "reduction", 4)],
        None,
    ),
    (
        "for x in xs:\n    try:\n        y = int(x)\n    except ValueError as error:\n        y = 0\n    out.append(y)",
        [("x", "loop variable", 2), ("y", "temporary", 4), ("error", "temporary", 5), ("out", "reduction", 7)],
        None,
    ),
    ("for x in xs:\n    total = total * 2 + x", [("total", "carried", 3)], "carried"),
    ("for x in xs:\n    total += x\n    out.append(total)", [("total", "carried", 4)], "accumulator-read"),
    (
        "for x in xs:\n    xs.append(x)",
        [("x", "loop variable", 2), ("xs", "reduction", 3)],
        "shared-object",
    ),
    (
        "for i in range(3):\n    grid[i] = grid[i] * 2",
        [("i", "loop variable", 2), ("grid", "sliced", 3)],
        None,
    ),
    ("for i in range(1, 3):\n    grid[i] = grid[i - 1]", [("grid", "carried", 3)], "accumulator-read"),
    ("y = [lost(x) for x in xs]", [("x", "loop variable", 2)], None),
]


@pytest.mark.parametrize(("cell", "names", "code"), TABLE)
def test_names_and_their_classes(cell: str, names: list[tuple[str, str, int]], code: str | None) -> None:
    """Each name in one class, where it is met first; a site that is refused by what objects tell has its names too."""
    found = explain(cell, dict(NAMES))
    assert [(use.name, use.role, use.line) for use in found.names] == names
    assert (found.refusal and found.refusal.code) == code


@pytest.mark.parametrize(
    ("cell", "number", "later", "code"),
    [
        ("xs = [4]\ny = [x for x in xs]", 0, ("xs",), None),
        ("out = []\nfor x in xs:\n    out.append(x)", 0, ("out",), None),
        ("for x in xs:\n    out.append(x)\nfor x in xs:\n    out.append(x)", 1, (), None),
        ("def draw(x):\n    return x\ny = [draw(x) for x in xs]", 0, ("draw",), None),
        ("y = [draw(x) for x in xs]", 0, (), "random"),
    ],
)
def test_what_the_cell_sets_itself_is_not_told_yet(cell: str, number: int, later: tuple[str, ...], code: str) -> None:
    """A name that the cell sets is not taken for what it is now; the verdict names it."""
    found = explain(cell, {**NAMES, "draw": random.random}, number)
    assert found.later == later
    assert (found.refusal and found.refusal.code) == code


class Counting:
    """Must not be run."""

    def __iter__(self) -> Never:
        raise AssertionError("iter")

    def __len__(self) -> Never:
        raise AssertionError("len")

    def keys(self) -> Never:
        """Must not be called."""
        raise AssertionError("keys")


@pytest.mark.parametrize(
    ("text", "leaves"),
    [
        ("xs", [[1, 2, 3]]),
        ("range(4)", [range(4)]),
        ("range(-2, n)", [range(-2, 5)]),
        ("range(len(xs))", [range(3)]),
        ("range(len(own))", None),
        ("range(0, 4, 0)", None),
        ("range(read())", None),
        ("enumerate(xs)", [[1, 2, 3]]),
        ("zip(xs, range(3))", [[1, 2, 3], range(3)]),
        ("zip(xs, read())", None),
        ("(1, 2)", [(1, 2)]),
        ("[read(), 2]", None),
        ("own.keys()", None),
        ("table.keys()", [{"a": 1}.keys()]),
        ("read()", None),
        ("missing", None),
    ],
)
def test_what_is_looped_over_without_running_anything(text: str, leaves: list[Any] | None) -> None:
    """Names, ranges, dicts' views, literals; what would run code is not known."""
    names: dict[str, Any] = {"xs": [1, 2, 3], "n": 5, "own": Counting(), "table": {"a": 1}, "read": Counting()}
    found = known_leaves(ast.parse(text, mode="eval").body, Space(names))
    assert (None if found is None else [leaf.thing for leaf in found]) == leaves
