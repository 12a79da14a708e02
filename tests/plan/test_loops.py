"""A loop's text in, a `Loop` or a `Refusal` out: the class of every name, or the code, the line and the name."""

from __future__ import annotations

import ast

import pytest

from mpnb import plan
from mpnb.plan.types import Loop, Refusal, SitePlan


def first_site(cell: str) -> SitePlan:
    """The first site of a cell."""
    return plan.read_cell(ast.parse(cell)).sites[0]


def classes(loop: Loop) -> dict[str, set[str]]:
    """The names of a loop by class."""
    return {
        "loop": set(loop.targets),
        "temporary": set(loop.temporaries),
        "changed": set(loop.accumulators),
        "read": set(loop.reads),
    }


#: cell, loop variables, temporaries, what is changed, what is read
READ = [
    ("for i in xs:\n    out.append(f(i))", "i", "", "out", "f"),
    ("for i, (a, b) in xs:\n    out.append(a)", "i a b", "", "out", ""),
    ("for a, *b in xs:\n    out.append(b)", "a b", "b", "out", ""),
    ("for i in xs:\n    t = g(i)\n    out.append(t + c)", "i", "t", "out", "c g"),
    ("for i in xs:\n    i = i + 1\n    out.append(i)", "i", "i", "out", ""),
    ("for i in xs:\n    total += i", "i", "", "total", ""),
    ("for i in xs:\n    total = total + w * i", "i", "", "total", "w"),
    ("for i in xs:\n    d[i] = f(i)", "i", "", "d", "f"),
    ("for i in xs:\n    d[i] += 1", "i", "", "d", ""),
    ("for i in xs:\n    d[i, 1:n] = 1", "i", "", "d", "n slice"),
    ("for i in xs:\n    s.add(i); s.discard(k); l.insert(0, i)", "i", "", "s l", "k"),
    ("for i in xs:\n    l.extend(i); d.update(i); q.appendleft(i)", "i", "", "l d q", ""),
    ("for i in xs:\n    print(i)", "i", "", "", "print"),
    ("for i in xs:\n    if i:\n        t = 1\n        out.append(t)", "i", "t", "out", ""),
    ("for i in xs:\n    for k in ks:\n        out.append(k)", "i", "k", "out", "ks"),
    ("for i in xs:\n    t = [1]\n    t.append(i)", "i", "t", "", ""),
    ("for i in xs:\n    x.y.append(i)", "i", "", "x", ""),
    ("for i in xs:\n    x.y.z.append(i)", "i", "", "", "x"),  # too far from the name: `purity` looks at it
    ("for i in xs:\n    d[i].append(i); e[i][k] = v", "i", "", "d e", "k v"),
    ("for i in xs:\n    try:\n        t = f(i)\n    except E as e:\n        t = str(e)", "i", "t", "", "E f str"),
    ("for i in xs:\n    try:\n        out.append(1)\n    except E:\n        pass", "i", "", "out", "E"),
    ("for i in xs:\n    out.append([k for k in i if k > c])", "i", "", "out", "c"),
    ("for i in xs:\n    if i:\n        break\nelse:\n    y = 1", "i", "", "", ""),
    ("r = [f(x, c) for x in xs if p(x)]", "x", "", "", "c f p"),
    ("r = [y for x in xs for y in g(x)]", "x y", "", "", "g"),
    ("r = {x: f(x) for x in xs}", "x", "", "", "f"),
    ("r = sum(f(x) for x in xs)", "x", "", "", "f"),
    ("r = list(map(f, xs))", "_mpnb_x", "", "", "f"),
    ("r = list(map(lambda x: x + c, xs))", "_mpnb_x", "", "", "c"),
]


@pytest.mark.parametrize(("cell", "loop", "temporary", "changed", "read"), READ, ids=[row[0] for row in READ])
def test_every_name_has_a_class(cell: str, loop: str, temporary: str, changed: str, read: str) -> None:
    """Loop variable, temporary, changed or read; nothing else is accepted."""
    site = first_site(cell)
    assert site.loop is not None, site.refusal
    found = classes(site.loop)
    expected = {"loop": loop, "temporary": temporary, "changed": changed, "read": read}
    assert found == {kind: set(names.split()) for kind, names in expected.items()}


#: cell, code, line, name
REFUSED = [
    ("for i in xs:\n    out.append(i - prev)\n    prev = i", "carried", 2, "prev"),
    ("for i in xs:\n    if i > top:\n        top = i", "carried", 2, "top"),
    ("for i in xs:\n    a, b = b, a", "carried", 2, "b"),
    ("for i in xs:\n    s = i + s", "carried", 2, "s"),
    ("for i in xs:\n    total += i\n    out.append(total)", "accumulator-read", 3, "total"),
    ("for i in xs:\n    out.append(len(out))", "accumulator-read", 2, "out"),
    ("for i in xs:\n    a[i] = a[i - 1]", "accumulator-read", 2, "a"),
    ("for i in xs:\n    t += t * i", "accumulator-read", 2, "t"),
    ("for i in xs:\n    def f(): pass", "statement", 2, "def"),
    ("for i in xs:\n    class A: pass", "statement", 2, "class"),
    ("for i in xs:\n    import a", "statement", 2, "import"),
    ("for i in xs:\n    del d[i]", "statement", 2, "del"),
    ("for i in xs:\n    t: int = 1", "statement", 2, "t"),
    ("for d[0] in xs:\n    pass", "statement", 1, "d[0]"),
    ("for a.b in xs:\n    pass", "statement", 1, "a.b"),
    ("for i in xs:\n    await f(i)", "statement", 2, ""),
    ("for i in xs:\n    try:\n        s.add(i)\n    except E:\n        pass", "effect-in-try", 3, "s"),
    ("for i in xs:\n    with c:\n        d[i] = 1", "effect-in-try", 3, "d"),
    ("for i in xs:\n    try:\n        pass\n    except E as e:\n        pass\n    e = 1", "statement", 1, "e"),
    ("r = [(y := x) for x in xs]", "walrus", 1, "y"),
    ("r = [await f(x) for x in xs]", "statement", 1, ""),
    ("r = [x async for x in xs]", "statement", 1, ""),
    ("r = list(map(f, *xs))", "statement", 1, "map"),
    ("r = list(map(f[0], xs))", "unknown-call", 1, "map"),
]


@pytest.mark.parametrize(("cell", "code", "line", "name"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refusals(cell: str, code: str, line: int, name: str) -> None:
    """A refusal has a stable code, the line as the cell counts, and the name that it is about."""
    refusal = first_site(cell).refusal
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.line, refusal.name) == (code, line, name)
    assert refusal.reason


#: cell, names that only the last iteration sends home, names that are sent whenever they are set
KEPT = [
    ("for i in xs:\n    t = i", "t", ""),
    ("for i in xs:\n    if i:\n        t = 1", "", "t"),
    ("for i in xs:\n    t = 1\n    if i:\n        break\n    u = 1", "t", "u"),
    ("for i in xs:\n    if i:\n        continue\n    t = 1", "", "t"),
    ("for a, *b in xs:\n    pass", "b", ""),
]


@pytest.mark.parametrize(("cell", "last", "whenever"), KEPT, ids=[row[0] for row in KEPT])
def test_what_is_sent_home_of_temporaries(cell: str, last: str, whenever: str) -> None:
    """What every iteration sets matters in the last one only."""
    loop = first_site(cell).loop
    assert loop is not None
    assert loop.kept_last == set(last.split())
    assert loop.temporaries - loop.kept_last == set(whenever.split())


#: cell, line of each site (refused ones in brackets)
SITES = [
    ("if a:\n    r = [x for x in xs]\nelse:\n    s = {x for x in xs}", "2 4"),
    ("for i in xs:\n    prev = [x + prev for x in i]", "[1] 2"),
    ("def f():\n    return [x for x in xs]", ""),
    ("g = lambda: [x for x in xs]", ""),
    ("class A:\n    b = [x for x in xs]", ""),
    ("while a:\n    r = [x for x in xs]", "2"),
    ("g = (x for x in xs)", ""),
    ("m = map(f, xs)", ""),
    ("r = [y for y in [x for x in xs]]", "1 1"),
    ("r = sorted((f(x) for x in xs), key=k)", "1"),
    ("any(x for x in xs)", "1"),
    ("some(x for x in xs)", ""),
    ("for x in xs:\n    pass\nelse:\n    r = [y for y in ys]", "1 4"),
    ("r = eval('[x for x in xs]')", ""),
]


@pytest.mark.parametrize(("cell", "sites"), SITES, ids=[row[0] for row in SITES])
def test_sites(cell: str, sites: str) -> None:
    """The outermost loop that can be split is split; functions, classes and lazy expressions are left alone."""
    found = plan.read_cell(ast.parse(cell)).sites
    assert " ".join(f"{site.line}" if site.loop else f"[{site.line}]" for site in found) == sites
