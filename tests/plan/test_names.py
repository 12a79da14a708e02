"""Which names code sets and reads, and whether each is set before it is read."""

from __future__ import annotations

import ast
import textwrap

import pytest

from mpnb.plan.names import assigned_first, read_names, target_names

#: code, the names that it sets in its own scope, those that it reads from it
NAMES = [
    ("x = y", "x", "y"),
    ("x += y", "x", "y"),
    ("x: int = y", "x", "int y"),
    ("a, (b, *c) = d", "a b c", "d"),
    ("a[i] = b.c", "", "a i b"),
    ("a.b = c", "", "a c"),
    ("del a", "a", ""),
    ("import a.b", "a", ""),
    ("import a.b as c", "c", ""),
    ("from a import b, c as d", "b d", ""),
    ("for i, j in xs:\n    k = i", "i j k", "xs i"),
    ("while a:\n    b = c", "b", "a c"),
    ("with a as b, c as (d, e):\n    pass", "b d e", "a c"),
    ("try:\n    a\nexcept B as c:\n    d = c", "c d", "a B c"),
    (
        "match a:\n    case [b, *c]: pass\n    case {'k': d, **e}: pass\n    case F(g=h) as i: pass",
        "b c d e h i",
        "a F",
    ),
    ("(a := b) + c", "a", "b c"),
    # what is bound inside belongs to the inner scope
    ("[a for a in b]", "", "b"),
    ("[a + c for a in b if d]", "", "b c d"),
    ("[a for a in a]", "", "a"),
    ("[(b, c) for a in xs for b in a]", "", "xs c"),
    ("{a: b for a, b in c}", "", "c"),
    ("[(last := a) for a in b]", "last", "b"),
    ("lambda a, b=c: a + b + d", "", "c d"),
    ("def f(a, b=c):\n    e = a + d\n    return e", "f", "c d"),
    ("@dec\ndef f(): pass", "f", "dec"),
    ("class A(B, metaclass=C):\n    d = 1\n    e = d + g", "A", "B C g"),
    ("f'{a!r:{b}}'", "", "a b"),
]


@pytest.mark.parametrize(("code", "defs", "refs"), NAMES, ids=[row[0] for row in NAMES])
def test_names(code: str, defs: str, refs: str) -> None:
    """Names bound by a nested scope belong to that one."""
    found = read_names(ast.parse(code).body)
    assert set(found.defs) == set(defs.split())
    assert set(found.refs) == set(refs.split())


def test_handlers_are_told_apart() -> None:
    """Python unbinds the name of a caught exception at the end of its clause."""
    assert read_names(ast.parse("try:\n    a\nexcept B as c:\n    d = c").body).handlers == {"c"}


@pytest.mark.parametrize(
    ("target", "names"), [("a", "a"), ("a, b", "a b"), ("(a, *b), c[0], d.e", "a b"), ("[a, [b]]", "a b")]
)
def test_target_names(target: str, names: str) -> None:
    """Only names are bound; what is stored into is not."""
    assert set(target_names(ast.parse(f"{target} = 1").body[0].targets[0])) == set(names.split())  # type: ignore[attr-defined]


#: the body of a loop over `i`, names read before they are set, names set at every end of it
FLOWS = [
    ("t = i", "", "t"),
    ("u = t\nt = i", "t", "t u"),
    ("t += 1", "t", "t"),
    ("t = t + 1", "t", "t"),
    ("t = i\nt += 1", "", "t"),
    ("i += 1", "", "i"),
    ("if i:\n    t = 1", "", ""),
    ("if i:\n    t = 1\nelse:\n    t = 2", "", "t"),
    ("if i:\n    t = 1\nu = t", "t", "u"),
    ("if i:\n    t = 1\nelse:\n    continue\nu = t", "", ""),
    ("if i:\n    continue\nt = 1", "", ""),
    ("t = 1\nif i:\n    break\nu = 1", "", "t"),
    ("if i:\n    raise X\nt = 1", "", "t"),
    # inner loops and context managers are taken to run, as long as no try could catch the NameError
    ("for k in i:\n    t = k\nu = t", "", "u"),
    ("for k in i:\n    t = k\nu = k", "", "u"),
    ("while i:\n    t = 1\nu = t", "", "u"),
    ("for k in i:\n    break\nelse:\n    t = 1", "", ""),
    ("for k in i:\n    u = t\n    t = k", "t", ""),
    ("with i as w:\n    t = 1\nu = t", "", "u w"),
    ("with open(i) as f:\n    t = 1\nu = t", "", "f t u"),
    ("with i:\n    t = 1\ntry:\n    u = t\nexcept X:\n    u = 0", "t", "u"),
    ("try:\n    t = 1\nexcept X:\n    t = 2", "", "t"),
    ("try:\n    t = 1\nexcept X:\n    pass", "", ""),
    ("try:\n    t = 1\nexcept X:\n    continue\nu = t", "", ""),
    ("try:\n    t = 1\nexcept X as e:\n    t = e", "", "t"),
    ("try:\n    pass\nfinally:\n    t = 1", "", "t"),
    ("try:\n    t = 1\nfinally:\n    u = t", "t", "t u"),
    ("match i:\n    case 1: t = 1\n    case _: t = 2", "", ""),
    ("match i:\n    case [a]: u = a", "", ""),
    ("if (m := i):\n    u = m", "", "m"),
    ("if i and (m := 1):\n    u = m", "m", ""),
    ("u = (m := 1) + m", "", "m u"),
    ("u = m + (m := 1)", "m", "m u"),
    ("u = [t for t in i]", "", "u"),
    ("u = [t for k in i]", "t", "u"),
    ("t = 1\nf = lambda: t", "", "f t"),
]


@pytest.mark.parametrize(("body", "early", "always"), FLOWS, ids=[row[0] for row in FLOWS])
def test_flow(body: str, early: str, always: str) -> None:
    """Read early means carried from the iteration before; set always means that only the last one's counts."""
    statements = ast.parse(textwrap.dedent(body)).body
    watched = frozenset("t u m a k w f i".split())
    flow = assigned_first(statements, frozenset("i"), watched)
    assert set(flow.early) == set(early.split())
    assert set(flow.always) - {"i"} == set(always.split()) - {"i"}
