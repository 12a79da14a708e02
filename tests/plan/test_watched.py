"""Cells as they run under `%parallel on` before anything is planned."""

from __future__ import annotations

import ast

import pytest

from mpnb.plan import read_cell
from mpnb.plan.watched import left_of, watch_cell

# A cell, and the one that runs in its stead; None where the plan comes first.
CELLS = [
    ("x = 1", "x = 1"),
    ("formula = 1", "formula = 1"),
    ("for x in xs:\n    f(x)", "for x in _mpnb.watch(0, xs, 'xs'):\n    f(x)\nif False:\n    pass"),
    ("for x in g(): f(x)", "for x in _mpnb.watch(0, g(), None):\n    f(x)\nif False:\n    pass"),
    (
        "for x in xs:\n    f(x)\nelse:\n    g()",
        "for x in _mpnb.watch(0, xs, 'xs'):\n    f(x)\nif _mpnb.is_through(0):\n    g()",
    ),
    (
        "for i, (x, y) in enumerate(zip(xs, g()), 1): f(x)",
        ("for i, (x, y) in _mpnb.watch_all(0, enumerate(zip(_mpnb.note(0, xs, 'xs'), _mpnb.note(0, g(), None)), 1)):\n"
        "    f(x)\nif False:\n    pass"),
    ),
    (
        "for x in [f(y) for y in ys]: g(x)",
        "for x in _mpnb.watch(0, _mpnb.whole(1, [f(y) for y in _mpnb.watch(1, ys, 'ys')]), None):\n    g(x)\nif False:\n    pass",
    ),
    ("for x in xs:\n    for y in x: f(y)", "for x in _mpnb.watch(0, xs, 'xs'):\n    for y in x:\n        f(y)\nif False:\n    pass"),
    ("r = [f(x) for x in xs]", "r = _mpnb.whole(0, [f(x) for x in _mpnb.watch(0, xs, 'xs')])"),
    ("{x: y for x in xs for y in x}", "_mpnb.whole(0, {x: y for x in _mpnb.watch(0, xs, 'xs') for y in x})"),
    (
        "r = len({x for x in xs}) + n",
        "r = len(_mpnb.whole(0, {x for x in _mpnb.watch(0, xs, 'xs')})) + n",
    ),
    ("sum(f(x) for x in xs)", "sum(_mpnb.chained(0, (f(x) for x in _mpnb.watch(0, xs, 'xs'))))"),
    ("','.join(map(str, xs))", "','.join(_mpnb.chained(0, map(str, _mpnb.watch(0, xs, 'xs'))))"),
    (
        "list(map(f, xs, g()))",
        ("list(_mpnb.chained(0, _mpnb.starmap(f, _mpnb.watch_all(0, "
        "_mpnb.zip(_mpnb.note(0, xs, 'xs'), _mpnb.note(0, g(), None))))))"),
    ),
    (
        "np.fromiter((f(x) for x in xs), float)",
        ("np.fromiter(_mpnb.chained(0, (f(x) for x in _mpnb.watch(0, xs, 'xs')))"
        " if _mpnb.uses_up(0, ('fromiter', np)) else (f(x) for x in xs), float)"),
    ),
    ("list(map(f, *xs))", "list(map(f, *xs))"),
    ("later = (f(x) for x in xs)", "later = (f(x) for x in xs)"),
    ("mine(f(x) for x in xs)", "mine((f(x) for x in xs))"),
    ("later = lambda: [x for x in xs]", "later = lambda: [x for x in xs]"),
    ("def g():\n    return [x for x in xs]", "def g():\n    return [x for x in xs]"),
    ("while t:\n    t -= 1", "while t:\n    t -= 1"),
    ("if a:\n    r = [x for x in xs]", None),
    ("with a:\n    for x in xs: f(x)", None),
    ("for x in xs: f(x)\nelse:\n    r = [y for y in ys]", None),
    ("s.apply(f)\nr = [x for x in xs]", None),
    ("for x in xs: print(locals())", None),
    ("for x in xs: await f(x)", None),
    ("r = [x async for x in xs]", None),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "runs"), CELLS, ids=[cell for cell, _ in CELLS])
def test_a_cell_is_watched(cell, runs):
    """The loops of its own statements are; the tree that was written stays as it is."""
    tree = ast.parse(cell)
    before = ast.dump(tree, include_attributes=True)
    watched = watch_cell(tree, cell)
    assert (watched and ast.unparse(watched.tree)) == runs
    assert ast.dump(tree, include_attributes=True) == before
    if watched:
        compile(watched.tree, "cell", "exec")  # every node has its place


@pytest.mark.parametrize("cell", [cell for cell, runs in CELLS if runs])
def test_a_watched_loop_is_found_in_the_plan(cell):
    """By its kind and its place."""
    watched = watch_cell(ast.parse(cell), cell)
    plan = read_cell(watched.written)
    for place in watched.places:
        site = place.site(plan)
        assert site is not None
        assert (site.kind, site.line, site.column) == (place.kind, place.node.lineno, place.node.col_offset)


def test_what_stands_behind_a_loop_can_still_be_changed():
    """It becomes what the plan says has to run after the kernel's part, unless the loop was left by a break."""
    cell = "for x in xs:\n    t = t * 2\n    r = [f(y) for y in x]"
    watched = watch_cell(ast.parse(cell), cell)
    (place,) = watched.places
    (rewritten,) = read_cell(watched.written).tree.body
    place.put_behind(left_of(rewritten, place))
    assert ast.unparse(watched.tree.body[1]).splitlines()[:2] == [
        "if _mpnb.is_through(0):",
        "    for x in _mpnb.left(0):",
    ]
    compile(watched.tree, "cell", "exec")
