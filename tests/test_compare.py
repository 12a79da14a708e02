"""Where two objects differ: by tables, by properties, and as `--compare` tells it in a real kernel."""

from __future__ import annotations

import copy
import math
import re
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpnb.compare import KINDS, differences, ulps

NAN = float("nan")


class Plain:
    def __init__(self, x) -> None:
        self.x = x


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a) -> None:
        self.a = a


@dataclass
class Data:
    name: str
    rows: list = field(default_factory=list)


class Colour(Enum):
    RED = 1
    BLUE = 2


class Listed(list):
    pass


def half(x):
    return x / 2


SAME = [
    (1, 1), ("a", "a"), (b"a", b"a"), (None, None), (1.5, 1.5), (NAN, float("nan")), (-NAN, NAN), (2j, 2j),
    ([1, [2.0, {"a": NAN}]], [1, [2.0, {"a": NAN}]]), ({1, 2}, {2, 1}), (range(3), range(3)), (..., ...),
    (deque([1], 3), deque([1], 3)), (Plain([1]), Plain([1])), (Slotted(1), Slotted(1)), (Data("a"), Data("a")),
    (np.array([1.0, NAN]), np.array([1.0, NAN])), (np.float32(1), np.float32(1)), (Colour.RED, Colour.RED),
    (np.array(["x", None], object), np.array(["x", None], object)), (half, half), (int, int),
    (np.array(["2024", "NaT"], "M8[D]"), np.array(["2024", "NaT"], "M8[D]")),
    (pd.DataFrame({"a": [1, 2], "b": ["x", None]}), pd.DataFrame({"a": [1, 2], "b": ["x", None]})),
    (pd.Series([1.0, NAN], name="s"), pd.Series([1.0, NAN], name="s")), (Listed([1]), Listed([1])),
]  # fmt: skip

# one, other, the path of the first difference, its kind
DIFFERENT = [
    (1, 2, "it", "value"),
    (1, 1.0, "it", "type"),
    (True, 1, "it", "type"),
    ("a", "b", "it", "value"),
    (1.0, 1.0000000000000002, "it", "rounding"),
    (1.0, 1.1, "it", "value"),
    (0.0, -0.0, "it", "rounding"),
    (NAN, 1.0, "it", "value"),
    (math.inf, -math.inf, "it", "value"),
    (1 + 2j, 1 + 3j, "it.imag", "value"),
    ([1, 2], [1, 2, 3], "it", "length"),
    ([1, 2], (1, 2), "it", "type"),
    ([1, [2, {"a": 3}]], [1, [2, {"a": 4}]], "it[1][1]['a']", "value"),
    ({"a": 1}, {"b": 1}, "it['a']", "key"),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, "it", "order"),
    ({1}, {2}, "it", "key"),
    (OrderedDict(a=1), {"a": 1}, "it", "type"),
    (defaultdict(list, a=[1]), defaultdict(list, a=[2]), "it['a'][0]", "value"),
    (np.zeros(2), np.zeros(3), "it", "shape"),
    (np.zeros(2), np.zeros(2, "f4"), "it", "dtype"),
    (np.array([[1.0, 2.0]]), np.array([[1.0, 2.0000000000000004]]), "it[0, 1]", "rounding"),
    (np.array([1, 2]), np.array([1, 3]), "it[1]", "value"),
    (np.array([0.0]), np.array([-0.0]), "it[0]", "rounding"),
    (np.array([1.0, NAN]), np.array([NAN, NAN]), "it[0]", "value"),
    (np.array([1 + 1j]), np.array([1 + 2j]), "it[0].imag", "value"),
    (np.array(["a", None], object), np.array(["a", 1], object), "it[1]", "type"),
    (np.float64(1), 1.0, "it", "type"),
    (np.float64(1), np.float32(1), "it", "type"),
    (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1.0]}), "it['a']", "dtype"),
    (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]}), "it.columns[0]", "value"),
    (pd.DataFrame({"a": [1.0, 2.0]}), pd.DataFrame({"a": [1.0, 2.5]}), "it['a'][1]", "value"),
    (pd.Series([1], name="a"), pd.Series([1], name="b"), "it.name", "value"),
    (pd.Series([1, 2], index=[0, 1]), pd.Series([1, 2], index=[0, 2]), "it.index[1]", "value"),
    (Plain([1]), Plain([2]), "it.x[0]", "value"),
    (Slotted(1), Slotted(2), "it.a", "value"),
    (Data("a", [1]), Data("a", [2]), "it.rows[0]", "value"),
    (Colour.RED, Colour.BLUE, "it", "value"),
    (half, math.sin, "it", "type"),
    (object(), object(), "it", "unknown"),
    (Listed([1]), Listed([2]), "it[0]", "value"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_is_the_same(one, other):
    """Two objects of the same type, content and order are the same, NaN included."""
    assert differences(one, other) == []
    assert differences(one, copy.deepcopy(other)) == []


@pytest.mark.parametrize(("one", "other", "path", "kind"), DIFFERENT)
def test_what_differs_is_found_with_its_path(one, other, path, kind):
    """The first difference has the path to it and says of what kind it is; the other way round as well."""
    first = differences(one, other)[0]
    assert (first.path, first.kind) == (path, kind), str(first)
    assert first.kind in KINDS
    assert differences(other, one)[0].kind == kind
    assert path in str(first)


def test_one_object_in_two_places_is_not_two_objects():
    """Identity inside a structure counts; circles end."""
    row = [1]
    assert differences([row, row], [row, row]) == []
    assert differences([row, row], [[1], [1]])[0].kind == "identity"
    assert differences([[1], [1]], [row, row])[0].kind == "identity"
    ring, other = [], []
    ring.append(ring)
    other.append(other)
    assert differences(ring, other) == []


def test_at_most_so_many_are_listed():
    """A long list of differences is cut."""
    assert len(differences(list(range(100)), [-1] * 100, limit=3)) == 3


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 40))
def test_steps_are_counted(number, steps):
    """`ulps` counts the numbers from one to the other, over zero too."""
    moved = number
    for _ in range(steps):
        moved = math.nextafter(moved, math.inf)
    if not math.isinf(moved):
        assert ulps(number, moved) == ulps(moved, number) == steps


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=4) | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_a_copy_is_the_same(value):
    """Whatever is copied deeply is the same as before, and comparing changes nothing."""
    before = repr(value)
    assert differences(value, copy.deepcopy(value)) == []
    assert repr(value) == before


@given(VALUES, VALUES)
def test_it_agrees_with_equality(one, other):
    """What Python calls unequal is told to differ; both ways round alike."""
    found = differences(one, other)
    assert bool(found) == bool(differences(other, one))
    if not found:
        assert repr(one) == repr(other)


# ------------------------------------------------------------------------------------------------- in a real kernel


@pytest.fixture
def loaded(kernel):
    """Give a kernel with the magic and a record of what ran."""
    kernel.check("%load_ext mpnb\nimport mpnb, os, numpy as np\nout = []; total = 0.0; hits = {}")
    return kernel


def compared(kernel, cell: str, status: str = "ok") -> tuple[list[str], object]:
    """Run a cell under --compare; give what is said of each site, and what the cell showed."""
    result = kernel.run(f"%%parallel --compare -n 2\n{cell}")
    assert result.status == status, result
    return eval(str(kernel.value("[s.compared or s.reason for s in mpnb.last_run().sites]"))), result


SAME_CELLS = [
    ("for x in range(20):\n    out.append(x * 0.1)\n    total += x / 3", "out, total over 20 iterations", "len(out), total == sum(x / 3 for x in range(20))", "(20, True)"),
    ("r = [x * x for x in range(9)]", "r over 9 iterations", "r[-1]", "64"),
    ("r = {x: str(x) for x in range(4)}", "r over 4 iterations", "r[3]", "'3'"),
    ("r = {x % 3 for x in range(9)}", "r over 9 iterations", "sorted(r)", "[0, 1, 2]"),
    ("r = sum(x / 7 for x in range(50))", "50 iterations", "r == sum(x / 7 for x in range(50))", "True"),
    ("for i, x in enumerate(range(5)):\n    t = x + 1\n    print(i, t)", "t and what it prints", "i, t", "(4, 5)"),
    ("for x in range(9):\n    out.append(x)\n    if x == 4:\n        break", "out over 5 iterations", "x", "4"),
    ("for x in range(3):\n    hits[x] = [x]", "hits over 3 iterations", "hits", "{0: [0], 1: [1], 2: [2]}"),
]  # fmt: skip


def test_what_is_the_same_is_said_and_nothing_is_changed_twice(loaded):
    """A site whose effects agree is told to be the same, in one line with both times; the cell takes effect once."""
    for cell, said, expression, expected in SAME_CELLS:
        loaded.check("out = []; total = 0.0; hits = {}")
        (line,), result = compared(loaded, cell)
        assert line.startswith("same: "), (cell, line)
        assert said in line, line
        assert " serially, " in line
        assert loaded.value(expression) == expected, cell
        assert result.stdout == ("".join(f"{i} {i + 1}\n" for i in range(5)) if "print" in cell else ""), cell
        site = eval(str(loaded.value("(lambda s: (s.speedup_measured, s.speedup > 0))(mpnb.last_run().sites[0])")))
        assert site == (True, True), cell
        shown = [d["data"]["text/plain"] for d in result.displays if "mpnb" in d["metadata"]]
        assert line in "".join(shown), shown
    assert loaded.value("[n for n in globals() if n.startswith('_mpnb')]") == "[]"


def test_a_loop_is_measured_on_several_numbers_of_workers(loaded):
    """--scaling shows a table and a picture, says that the results are the same, and changes nothing twice."""
    loaded.check("import time\nout = []; total = 0.0")
    cell = "for x in range(12):\n    time.sleep(0.02)\n    out.append(x)\n    total += x / 3\n    print(x)"
    result = loaded.check(f"%%parallel --scaling 2,1\n{cell}")

    assert loaded.value("out == list(range(12)), total == sum(x / 3 for x in range(12))") == "(True, True)"
    printed, _, table = result.stdout.partition("[mpnb] ")
    assert printed == "".join(f"{x}\n" for x in range(12))
    assert re.match(r"out, total for 12 items, \d+ ms serially\n\[mpnb\] +1 worker +\d+ ms +\d\.\d\d×\n", table)
    assert "Amdahl: serial share" in table
    shown = [each["data"] for each in result.displays]
    assert any("same: out, total and what it prints" in each["text/plain"] for each in shown)
    assert [each["image/png"][:5] for each in shown if "image/png" in each] == ["iVBOR"]
    points = "[(p.workers, round(p.speedup, 1)) for p in mpnb.last_run().scalings[0].points]"
    (one, alone), (two, both) = eval(str(loaded.value(points)))
    assert (one, two) == (1, 2)
    assert alone < 1.3 < both
    reloaded = "mpnb.record.Record.from_json(mpnb.last_run().to_json()).scalings == mpnb.last_run().scalings"
    assert loaded.value(reloaded) == "True"


def test_what_can_not_be_measured_on_other_workers_says_so(loaded):
    """A loop that stays serial, or can't be compared, has no picture and keeps its result."""
    loaded.check("t = 1; made = []")
    serial = loaded.check("%%parallel --scaling 1,2\nfor x in range(4):\n    t = t * 2 + x")
    assert loaded.value("t, mpnb.last_run().scalings") == "(27, [])"
    assert "[carried]" in serial.displays[-1]["data"]["text/plain"]
    assert "Amdahl" not in serial.stdout
    once = loaded.check("%%parallel --scaling 1,2\nfor x in iter([1, 2]):\n    made.append(x)")
    assert loaded.value("made, mpnb.last_run().scalings") == "([1, 2], [])"
    assert "pulled only once" in once.displays[-1]["data"]["text/plain"]
    wrong = loaded.run("%%parallel --scaling 0,2\nmade.append(1)")
    assert "scaling takes numbers of workers from 1 to 1024, as in 1,2,4, was '0,2'" in wrong.evalue + wrong.stderr


def test_what_differs_is_said(loaded):
    """What a worker sees differently is told with its path; the cell keeps what the kernel gave."""
    (line,), _ = compared(loaded, "for x in range(6):\n    hits[x] = {'pid': os.getpid()}")
    assert line.startswith("differs, kernel and pool: hits[0]['pid']: "), line
    assert loaded.value("{h['pid'] for h in hits.values()} == {os.getpid()}") == "True"
    (line,), _ = compared(loaded, "r = [os.getpid() * 1.0 for x in range(6)]")
    assert "r[0]: " in line


def test_what_can_not_be_compared_says_so(loaded):
    """A refused site runs serially and says why; an error ends both at the same iteration."""
    (line,), _ = compared(loaded, "t = 0\nfor x in range(4):\n    t = t * 2 + x")
    assert "needs the one before" in line
    (line,), _ = compared(loaded, "for x in range(3):\n    os.mkdir(f'made{x}')")
    assert not line.startswith(("same", "differs")), line
    assert loaded.value("sorted(n for n in os.listdir() if n.startswith('made'))") == "['made0', 'made1', 'made2']"
    loaded.check("out = []")
    (line,), result = compared(loaded, "for x in range(9):\n    out.append(12 // (x - 5))", "error")
    assert result.ename == "ZeroDivisionError"
    assert "both raise in iteration 6" in line
    assert loaded.value("out, x") == "([-3, -3, -4, -6, -12], 5)"
    assert loaded.check("print('still here')").stdout == "still here\n"


def test_several_sites_each_have_a_line(loaded):
    """Each site is compared by itself, and later ones see what earlier ones gave."""
    lines, _ = compared(loaded, "a = [x + 1 for x in range(5)]\nb = [x * 2 for x in a]\nc = sum(x for x in b)")
    assert [line.split(":")[0] for line in lines] == ["same"] * 3, lines
    assert loaded.value("c") == "30"


def test_random_numbers_with_a_seed_are_the_same(loaded):
    """Under --seed both draw from the same streams."""
    result = loaded.check("%%parallel --compare --seed 3 -n 2\nr = [np.random.random() for _ in range(8)]")
    assert "same: r over 8 iterations" in str(result.displays)
