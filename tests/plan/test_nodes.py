"""Trees walked, copied and placed, compared with what `ast` and `copy` do."""

from __future__ import annotations

import ast
import copy
from pathlib import Path

import pytest

from mpnb import plan
from mpnb.plan.nodes import children, copied, placed, walked

HERE = Path(__file__)
TREES = [ast.parse(path.read_text(encoding="utf-8")) for path in (HERE, *sorted(HERE.parent.glob("test_*.py")))]
SAYS_NOTHING = (ast.expr_context, ast.operator, ast.boolop, ast.unaryop, ast.cmpop)


@pytest.mark.parametrize("tree", TREES, ids=str)
def test_a_tree_is_walked_as_by_ast(tree: ast.Module) -> None:
    """The same nodes in the same order, but for those without parts."""
    expected = [node for node in ast.walk(tree) if not isinstance(node, SAYS_NOTHING)]

    assert [node for node in walked(tree) if not isinstance(node, SAYS_NOTHING)] == expected


@pytest.mark.parametrize("tree", TREES, ids=str)
def test_a_copy_is_equal_and_shares_no_node_that_could_be_changed(tree: ast.Module) -> None:
    """Positions are copied, too, and the lists that hold nodes."""
    copy_of_it = copied(tree)

    assert ast.dump(copy_of_it, include_attributes=True) == ast.dump(copy.deepcopy(tree), include_attributes=True)
    assert not {id(node) for node in walked(tree) if node._fields} & {id(node) for node in walked(copy_of_it)}
    assert not {id(held) for held in lists(tree)} & {id(held) for held in lists(copy_of_it)}


def lists(tree: ast.AST) -> list[list[object]]:
    """Every list that a node of the tree holds; those of operators and empty ones included."""
    return [value for node in ast.walk(tree) for value in vars(node).values() if isinstance(value, list)]


def test_placing_leaves_what_has_a_place() -> None:
    """Made nodes get the position, nodes of the cell keep theirs."""
    kept = ast.parse("\n\nf(x)").body[0].value  # type: ignore[attr-defined]
    where = ast.parse("\nwhere").body[0]

    made = placed(ast.Assign([ast.Name("y", ast.Store())], kept), where)

    assert [(type(node).__name__, node.lineno) for node in [made, *children(made)]] == [  # type: ignore[attr-defined]
        ("Assign", 2),
        ("Name", 2),
        ("Call", 3),
    ]


@pytest.mark.parametrize(
    "cell",
    [
        "for i, x in enumerate(xs, 1):\n    out.append(x)\n    a[i, 1:2] = x\n    t += x\n    if x: break\nelse:\n    y = 1",
        "for x in zip(xs, reversed(ys)):\n    d[x] += 1\n    total = total + x\n    print(x, end='')\n    z = x",
        "r = [f(x) for x in xs if x for y in x if y]\ns = {g(x) for x in xs}\nd = {x: 1 for x in xs}\nlist(map(f, xs))",
        "for row in [load(p) for p in ps]:\n    out.extend(row)\nsum((x for x in sorted(a for a in b)), 1)",
        "sorted(map(lambda x: x[1:], xs), key=len)",
    ],
)
def test_every_node_of_a_rewritten_cell_has_a_place(cell: str) -> None:
    """Whoever runs a rewritten cell need not look for missing lines; the tree that was given is as it was."""
    tree = ast.parse(cell)
    before = ast.dump(tree, include_attributes=True)

    planned = plan.read_cell(tree)

    assert planned.sites
    for site in planned.sites:
        assert site.loop is not None, site.refusal
        assert missing(site.loop.task()) == []
        assert [missing(effect.replay) for effect in site.loop.effects] == [[]] * len(site.loop.effects)
    assert missing(planned.tree) == []
    assert ast.dump(tree, include_attributes=True) == before


def missing(tree: ast.AST) -> list[str]:
    """Nodes that should have a line and have none."""
    return [ast.dump(node) for node in ast.walk(tree) if node._attributes and not hasattr(node, "lineno")]
