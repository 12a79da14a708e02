"""Steady functions by tables: which are, and what is seen to change."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from mpnb import steady


def cell(source: str) -> dict[str, Any]:
    """The names that a cell with this source leaves in a notebook."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(textwrap.dedent(source), "<cell>", "exec"), names)
    return names


STEADY = [
    "def f(x): return x + 1",
    "f = lambda x, y=(1, 'a'): (x, y)",
    "k = 2.5\ndef f(x): return [k * i for i in range(x)]",
    "def g(x): return f(x - 1) if x else 0\ndef f(x): return g(x)",
    "import math\nfrom math import pi, sqrt\ndef f(x): return math.sin(x) + sqrt(pi)",
    "import time, os\ndef f(x):\n    time.sleep(x)\n    return os.getpid()",
    "def make(n):\n    def f(x): return x + n\n    return f\nf = make(3)",
    "def f(x):\n    n = 0\n    def up():\n        nonlocal n\n        n += x\n    up()\n    return n",
    "def f(x):\n    if x: raise ValueError(x)\n    print(x)\n    return f'{x:.3f} {x!r}'",
    "def f(x): return undefined",
]
UNSTEADY = [
    "seen = []\ndef f(x): seen.append(x); return len(seen)",
    "n = 0\ndef f(x):\n    global n\n    n += 1\n    return n",
    "def f(x, seen=[]): seen.append(x); return len(seen)",
    "def f(x, *, seen=[]): return seen",
    "def make():\n    n = 0\n    def f(x):\n        nonlocal n\n        n += 1\n        return n\n    return f\nf = make()",
    "def make():\n    n = 0\n    def f(x):\n        def up():\n            nonlocal n\n            n += 1\n        up()\n    return f\nf = make()",
    "def f(x): f.n = getattr(f, 'n', 0) + 1; return f.n",
    "def f(x): f.__dict__['n'] = 1",
    "def f(x): return x\nf.n = 1",
    "class C: pass\ndef f(x): return C()",
    "def f(x):\n    class C: pass\n    return C.__name__",
    "import random\ndef f(x): return random.random()",
    "import os\ndef f(x): return os.getcwd()",
    "from os import getcwd\ndef f(x): return getcwd()",
    "import time\ndef f(x): return time.localtime(x)",
    "def f(x):\n    import os\n    return os.getcwd()",
    "def f(x): return open(x).read()",
    "def f(x): return eval(x)",
    "def f(x): return f'{x:n}'",
    "def f(x): return '{:n}'.format(x)",
    "def f(x): return globals()",
    "import numpy as np\ndef f(x): return np.float64(x)",
    "import itertools\ncount = itertools.count()\ndef f(x): return next(count)",
    "d = {}\ndef g(x): return d\ndef f(x): return g(x)",
    "import functools\nf = functools.partial(max, 1)",
    "import math\ndef own(x): return 0\nmath.own = own\ndef f(x): return math.own(x)",
    "f = abs",
]


@pytest.mark.parametrize("source", STEADY)
def test_steady(source: str) -> None:
    """What hangs on its arguments alone, and on what can't change in place, is steady."""
    names = cell(source)
    watch = steady.watch(names["f"])
    assert watch is not None
    assert watch.holds()


@pytest.mark.parametrize("source", UNSTEADY)
def test_not_steady(source: str) -> None:
    """What leaves a trace, or hangs on something that can change in place, is not."""
    try:
        assert steady.watch(cell(source)["f"]) is None
    finally:
        vars(__import__("math")).pop("own", None)


CHANGES = [
    "k = 3",
    "k = 2.0",
    "del k",
    "def g(x): return 0",
    "g.__code__ = (lambda x: 0).__code__",
    "f.__defaults__ = (5,)",
    "f.__kwdefaults__ = {'y': 5}",
    "f.seen = []",
    "abs = max",
    "undefined = 1",
    "import sys; sys.setrecursionlimit(sys.getrecursionlimit() + 1)",
    "import sys; sys.set_int_max_str_digits(sys.get_int_max_str_digits() + 1)",
    "import math; math.tau = 3.0",
    "inner = made.__closure__[0]; inner.cell_contents = 5",
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_is_seen(change: str) -> None:
    """Whatever a steady function leads to: once it is another object, the watch no longer holds."""
    import math
    import sys

    names = cell("""
        import math
        k = 2
        def make(n):
            def made(x): return x + n
            return made
        made = make(1)
        def g(x): return abs(x) + k
        def f(x, y=1): return g(x) + y + math.tau + made(x) + (undefined if x < 0 else 0)
    """)
    tau, limit, digits = math.tau, sys.getrecursionlimit(), sys.get_int_max_str_digits()
    watch = steady.watch(names["f"])
    assert watch is not None
    assert watch.holds()
    try:
        exec(change, names)
        assert not watch.holds()
    finally:
        math.tau = tau  # type: ignore[misc]
        sys.setrecursionlimit(limit)
        sys.set_int_max_str_digits(digits)
