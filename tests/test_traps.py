"""Cells that a naive parallel run gets wrong, each compared with the same cell run serially in the same kernel.

A trap is an earlier cell, the cell itself, and expressions to be looked at afterwards. Both runs start from the same
names. Compared are every name of the notebook, the expressions, what was printed, and the traceback.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

import pytest

CLEAR = (
    "for _name in [n for n in globals() if not n.startswith('_') and n not in ('In', 'Out', 'exit', 'quit', 'open',"
    " 'get_ipython')]:\n    del globals()[_name]"
)
#: Every name with its value, addresses taken out; expressions are looked at one by one.
NAMES = (
    "{n: __import__('re').sub(r' at 0x[0-9a-fA-F]+|ipykernel_\\d+/\\d+', '', repr(v)) for n, v in sorted(globals().items())"
    " if not n.startswith('_') and n not in ('In', 'Out', 'exit', 'quit', 'open', 'get_ipython')}"
)
SPLIT = "[(s.line, s.parallel, s.reason) for s in __import__('mpnb').last_run().sites]"


@dataclass(frozen=True)
class Trap:
    """One trap; `split` says for each of its sites whether it must really have been split (None: either is right)."""

    name: str
    setup: str
    cell: str
    look: tuple[str, ...] = ()
    split: tuple[bool | None, ...] = (True,)


TRAPS = [
    # ------------------------------------------------------------------------------- dependence between iterations
    Trap(
        "a sum of floats is rounded in order",
        "xs = [1e16, 1.0, -1e16, 1.0, 1e-3, 3.3, 1e16, -1e16] * 5; total = 0.1; product = 1.0",
        "for x in xs:\n    total += x / 3\n    product *= 1 + x * 1e-17\nmean = sum(x / 7 for x in xs)",
        ("total.hex(), product.hex(), mean.hex()",),
        (True, True),
    ),
    Trap(
        "equal keys: the last writer's value at the first writer's place",
        "words = 'the quick the lazy the dog quick'.split(); place = {}; count = {'dog': 0}",
        "for i, w in enumerate(words):\n    place[w] = i\nlengths = {w: i for i, w in enumerate(words)}",
        ("list(place), list(lengths)",),
        (True, True),
    ),
    Trap(
        "two names of one list",
        "out = []; alias = out; sizes = []",
        "for x in range(6):\n    out.append(x)\n    sizes.append(len(alias))",
        ("sizes", "alias is out"),
        (False,),
    ),
    Trap(
        "a heap that a library function changes",
        "import heapq; heap = [5, 3]",
        "smallest = []\nfor x in range(6):\n    heapq.heappush(heap, x)\n    smallest.append(heap[0])",
        (),
        (None,),
    ),
    Trap(
        "a function that minds no read-only flag",
        "import numpy as np; small = np.zeros(3); big = np.zeros(100_000)",
        "for i in (0, 1, 0):\n    np.add.at(small, i, 1)\nfor i in (0, 1, 0):\n    np.add.at(big, i, 1)",
        ("small.tolist(), big[:3].tolist()",),
        (False, False),
    ),
    Trap(
        "reading adds to a defaultdict",
        "from collections import defaultdict; seen = defaultdict(list, a=[1])",
        "got = [len(seen[k]) for k in 'abc']",
        ("list(seen)",),
        (None,),
    ),
    # ------------------------------------------------------------------------------------------- names afterwards
    Trap(
        "names keep what the last iteration that set them gave",
        "class P:\n    def __init__(self, v): self.v = v\n    def __repr__(self): return f'P{self.v}'\nps = [P(i) for i in range(9)]",
        "for i, p in enumerate(ps):\n    if p.v % 4:\n        continue\n    half, rest = divmod(p.v, 2)\n    pair = [p, p]\n"
        "    print(half)",
        ("p is ps[-1]", "pair[0] is pair[1] is ps[8]", "i, half, rest"),
    ),
    Trap(
        "a loop over nothing binds nothing",
        "xs = []",
        "for x in xs:\n    y = x\nsquares = [x * x for x in xs]\ntotal = sum(x for x in xs)",
        (),
        (None, None, None),
    ),
    Trap(
        "names set on some paths only",
        "kind = 'none'; xs = [3, 1, 4, 1, 5, 9, 2, 6]",
        "for x in xs:\n    if x == 4:\n        kind = 'four'\n    elif x == 9:\n        big = x\n    last = x, kind if x == 4 else ''",
        (),
        (None,),
    ),
    # ----------------------------------------------------------------------------------------------- hidden state
    Trap(
        "an id that a class counts",
        "import itertools\nclass Node:\n    ids = itertools.count()\n    def __init__(self, x): self.x, self.id = x, next(Node.ids)",
        "nodes = [Node(x) for x in 'abcd']\nids = [n.id for n in nodes]",
        ("ids", "next(Node.ids)"),
        (False, None),
    ),
    Trap(
        "a property that caches on its item",
        "import functools\nclass T:\n    def __init__(self, x): self.x = x\n    @functools.cached_property\n"
        "    def twice(self): return self.x * 2\nts = [T(i) for i in range(4)]",
        "got = [t.twice for t in ts]",
        ("[sorted(vars(t)) for t in ts]",),
        (None,),
    ),
    Trap(
        "a warning that is caught is caught, and counted once",
        "import warnings\ndef f(x):\n    warnings.warn('mind the gap', stacklevel=1)\n    return x",
        "with warnings.catch_warnings(record=True) as caught:\n    r = [f(x) for x in range(6)]\n"
        "with warnings.catch_warnings(record=True) as every:\n    warnings.simplefilter('always')\n"
        "    r = [f(x) for x in range(6)]\nn = len(caught), len(every), every[0].lineno, every[0].category\ndel caught, every",
        ("n",),
        (True, True),
    ),
    Trap(
        "a warning is shown once, between the prints",
        "import warnings, numpy as np",
        "for x in range(8):\n    print(x)\n    y = np.float64(x) / np.float64(x - 4 if x < 6 else 0)\n"
        "    if x % 2:\n        warnings.warn('odd', DeprecationWarning)\n    z = np.log(np.arange(-2.0, x))",
    ),
    Trap(
        "a warning that is an error",
        "import warnings\ndef f(x):\n    if x == 5:\n        warnings.warn('five', FutureWarning)\n    return x",
        "out = []\nwith warnings.catch_warnings():\n    warnings.simplefilter('error')\n    for x in range(9):\n"
        "        out.append(f(x))",
    ),
    # -------------------------------------------------------------------------------------------------- iterators
    Trap(
        "an iterator goes on after the loop",
        "it = iter(range(20)); lines = (str(x) for x in range(9))",
        "firsts = []\nfor x, line in zip(it, lines):\n    firsts.append((x, line))\nrest = list(it)",
        ("firsts, rest",),
        (False,),
    ),
    Trap(
        "an iterator hidden in a list",
        "it = iter(range(10)); pairs = [it, it]",
        "got = [next(i) for i in pairs]",
        ("got, list(it)",),
        (None,),
    ),
    # ------------------------------------------------------------------------------------ control flow and errors
    Trap(
        "break, else, and what comes after",
        "xs = [4, 8, 15, 16, 23, 42]; found = None",
        "for x in xs:\n    print('try', x)\n    if x % 5 == 0:\n        found = x\n        break\nelse:\n    found = 'none'\n"
        "for y in xs:\n    if y > 99:\n        break\nelse:\n    other = 'none'",
        ("x, found, y, other",),
        (None, True),
    ),
    Trap(
        "an error in the loop itself",
        "xs = [5, 2, 0, 1]; out = []",
        "for x in xs:\n    y = x - 1\n    out.append(10 / x)\n    z = y",
    ),
    Trap(
        "an error two calls deep, raised from another",
        "class Bad(Exception): pass\ndef inner(x):\n    if x == 6:\n        raise KeyError(x)\n    return x\n"
        "def outer(x):\n    try:\n        return inner(x)\n    except KeyError as error:\n        raise Bad('no', x) from error",
        "done = []\nfor x in range(12):\n    print(x, end=' ')\n    done.append(outer(x))",
    ),
    Trap(
        "an error in a comprehension over lines",
        "def f(x):\n    return 1 / (x - 3)",
        "squares = [\n    f(x)\n    for x in range(9)\n    if x != 100\n]",
    ),
    Trap(
        "an error in a generator that is summed",
        "xs = [[1], [2], [], [4]]",
        "total = sum(row[0] for row in xs)",
    ),
    Trap(
        "an error in a map",
        "words = ['1', '2', 'drei', '4']",
        "numbers = list(map(int, words))",
    ),
    Trap(
        "an error in a second loop",
        "xs = list(range(6))",
        "squares = {x: x * x for x in xs}\nroots = [squares[x + 1] for x in xs]",
        (),
        (True, True),
    ),
    Trap(
        "StopIteration in a task",
        "def f(x):\n    if x == 3:\n        raise StopIteration\n    return x",
        "some = list(map(f, range(6)))",
        ("some",),
    ),
    Trap(
        "try inside and outside",
        "log = []",
        "try:\n    for x in range(5):\n        try:\n            y = 6 // (x - 2)\n        except ZeroDivisionError:\n"
        "            y = None\n        print(x, y)\n        log.append(y)\n    bad = [1 // (x - 1) for x in range(3)]\n"
        "except ZeroDivisionError as error:\n    log.append(str(error))\nfinally:\n    log.append('end')",
        (),
        (True, True),
    ),
    # -------------------------------------------------------------------------------------------------- identity
    Trap(
        "results are the notebook's own objects",
        "class P:\n    def __init__(self, v): self.v = v\nps = [P(i) for i in range(8)]; base = {'k': []}; keep = []",
        "odd = [p for p in ps if p.v % 2]\nholders = [(base, p.v) for p in ps]\nfor p in ps:\n    keep.append((p, base['k']))",
        (
            "all(a is b for a, b in zip(odd, ps[1::2]))",
            "all(h[0] is base for h in holders)",
            "all(k[0] is p and k[1] is base['k'] for k, p in zip(keep, ps))",
        ),
        (True, True, True),
    ),
    Trap(
        "rows are views",
        "import numpy as np; m = np.arange(12.0).reshape(4, 3)",
        "rows = [m[i] for i in range(4)]\ntops = [row[:2] for row in m]\nrows[1][0] = 70\ntops[2][1] = 80",
        ("m.tolist()", "all(np.shares_memory(r, m) for r in rows + tops)"),
        (True, True),
    ),
    Trap(
        "an item that is changed",
        "rows = [[3, 1, 2], [6, 5, 4]]; same = rows[0]; dicts = [{'a': 1}, {'a': 2}]",
        "for row in rows:\n    row.sort()\nfor d in dicts:\n    d['b'] = d['a'] * 2",
        ("rows, same is rows[0], dicts",),
        (None, None),
    ),
    Trap(
        "out= and in-place operations",
        "import numpy as np; a = np.zeros((4, 3)); b = np.ones((4, 3)); names = np.array(['c', 'a', 'b'])",
        "for i in range(4):\n    np.multiply(b[i], i, out=a[i])\nfor row in b:\n    row *= 3\nfor i in range(4):\n    b[i].fill(i)",
        ("a.tolist(), b.tolist()",),
        (None, None, None),
    ),
    Trap(
        "None, True and singletons of the notebook",
        "MISSING = object()\nimport enum\nclass Color(enum.Enum):\n    RED = 1\n    BLUE = 2\ntable = {'a': MISSING, 'b': Color.RED}",
        "got = [table.get(k, MISSING) for k in 'abc']\nreds = [v is Color.RED for v in table.values()]\n"
        "types = [Color(1 + i % 2) for i in range(4)]",
        ("[g is MISSING for g in got], reds, types[0] is Color.RED",),
        (None, True, True),
    ),
    # ------------------------------------------------------------------------------------------------- transport
    Trap(
        "instances, namedtuples and dataclasses of the notebook",
        "from dataclasses import dataclass\nfrom typing import NamedTuple\n@dataclass\nclass D:\n    x: int\n"
        "class N(NamedTuple):\n    x: int\nclass S:\n    __slots__ = ('x',)\n    def __init__(self, x): self.x = x",
        "made = [(D(i), N(i), S(i)) for i in range(5)]",
        (
            "[type(a) is D and type(b) is N and type(c) is S and a.x == b.x == c.x for a, b, c in made]",
            "made[3][0] == D(3)",
        ),
        (None,),
    ),
    Trap(
        "functions made in the loop",
        "fs = []",
        "for i in range(4):\n    fs.append(lambda x, i=i: x + i)\ngs = [lambda: i for i in range(4)]",
        ("[f(10) for f in fs], [g() for g in gs]",),
        (None, None),
    ),
    # --------------------------------------------------------------------------------------------------- numbers
    Trap(
        "numbers keep their types and bits",
        "import numpy as np, decimal, fractions; acc = np.float32(0); whole = 0",
        "kinds = [(np.float32(x) / 3, np.int8(x), -0.0 * x, float('nan'), 10 ** (x * 9), True & x) for x in range(5)]\n"
        "for x in range(9):\n    acc += np.float32(0.1) * x\n    whole += x == 3\n"
        "exact = sum(fractions.Fraction(1, x) for x in range(1, 9))\nmoney = sum(decimal.Decimal(x) / 7 for x in range(9))",
        (
            "[[type(v).__name__ for v in k] for k in kinds]",
            "acc.tobytes(), type(acc).__name__",
            "exact, money, type(whole)",
        ),
        (True, True, True, True),
    ),
    Trap(
        "the notebook's settings hold in the loop",
        "import decimal, numpy as np, os; decimal.getcontext().prec = 5; np.set_printoptions(precision=2); os.environ['HI'] = 'x'",
        "thirds = [str(decimal.Decimal(1) / x) for x in range(1, 6)]\nshown = [str(np.array([x / 3])) for x in range(3)]\n"
        "with decimal.localcontext() as c:\n    c.prec = 2\n    less = [str(decimal.Decimal(1) / x) for x in range(1, 6)]\n"
        "with np.errstate(divide='raise'):\n    where = os.getcwd(), [os.environ['HI'] for _ in range(3)]",
        ("thirds, shown, less, where",),
        (True, True, True, True),
    ),
    # ------------------------------------------------------------------------------------------------------- RNG
    Trap(
        "numbers drawn in order, whoever draws them",
        "import random, numpy as np; random.seed(1); rng = np.random.default_rng(2)\ndef draw(x): return random.random() + x",
        "a = [draw(x) for x in range(4)]\nb = [rng.normal() for _ in range(3)]\nc = []\nfor x in range(3):\n    c.append(rng.integers(9))",
        ("a, b, c, random.random(), rng.random()",),
        (False, False, False),
    ),
    Trap(
        "a generator of its own in each iteration",
        "import random, numpy as np",
        "a = [random.Random(s).random() for s in range(5)]\nb = [np.random.default_rng(s).normal() for s in range(5)]",
        ("a, b, [type(x) for x in b]",),
        (True, True),
    ),
    # -------------------------------------------------------------------------------------------- changed libraries
    Trap(
        "what a library was given",
        "import math, os, string, textwrap, unittest.mock\nmath.tau = 3; textwrap.TextWrapper.x = 4",
        "r = [(math.tau, textwrap.TextWrapper.x) for _ in range(3)]\n"
        "with unittest.mock.patch('os.path.exists', return_value=True):\n"
        "    there = [os.path.exists('/not/there') for _ in range(3)]\n"
        "gone = [os.path.exists('/not/there') for _ in range(3)]\nstring.capwords = str.upper\n"
        "words = [string.capwords(w) for w in ('ab', 'cd')]\nmath.tau = 6.28",
        ("r, there, gone, words",),
        (True, False, True, False),
    ),
    Trap(
        "hashes of text",
        "words = ['ab', 'cd']",
        "r = [hash(w) for w in words]\ns = [len(w) for w in words]",
        ("r, s",),
        (False, True),
    ),
    # --------------------------------------------------------------------------------------------------- IPython
    Trap(
        "names of IPython in the loop",
        "41 + 1",
        "got = [(_ or 0) + x for x in range(3)]\nseen = [len(In) > x for x in range(2)]\nraw = [get_ipython() is None for x in range(2)]",
        ("got, seen, raw",),
        (None, None, None),
    ),
    Trap(
        "display in the loop, between prints",
        "from IPython.display import display",
        "for x in range(3):\n    print('before', x)\n    display(x * 10)\n    print('after', x)",
        (),
        (None,),
    ),
    Trap(
        "prints of every kind, in order",
        "import sys\nclass Loud:\n    def __repr__(self):\n        print('asked')\n        return 'loud'",
        "for x in range(4):\n    print(x, end='')\n    print('err', x, file=sys.stderr)\n    sys.stdout.write(':')\n    print(sep='')\n"
        "r = [print('in', x) for x in range(3)]\nprint('end')",
        ("r",),
        (True, True),
    ),
    Trap(
        "output caught in the cell",
        "import io, contextlib",
        "with contextlib.redirect_stdout(io.StringIO()) as buffer:\n    for x in range(3):\n        print('line', x)\n"
        "    n = sum(len(str(print(x))) for x in range(3))\ngot = buffer.getvalue()",
        ("got, n",),
        (True, True),
    ),
]


def value(kernel, expression):
    """Give the value of an expression, as far as it is a literal."""
    return ast.literal_eval(kernel.value(expression))


def plain(text: str) -> str:
    """Take away what may differ: colours, numbers of cells, the magic's line, hidden frames, the note on the iteration."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.sub(r"In ?\[\d+\]|ipykernel_\d+/\d+", "In[]", text)
    text = re.sub(r"^.*(skipping hidden|^in iteration \d+).*\n?", "", text, flags=re.MULTILINE)
    text = text.replace("'%%parallel --no-probe'", "# serial")
    return re.sub(r"\n\n+", "\n", text).strip()


def run(kernel, trap: Trap, first_line: str):
    """Run a trap in a clean namespace; give what can be compared."""
    kernel.check(CLEAR)
    kernel.check(trap.setup)
    result = kernel.run(f"{first_line}\n{trap.cell}")
    looks = [kernel.run(expression) for expression in (NAMES, *trap.look)]
    shown = [display["data"]["text/plain"] for display in result.displays if "mpnb" not in display["metadata"]]
    return {
        "status": result.status,
        "error": (result.ename, result.evalue.partition("\nin iteration")[0]),
        "stdout": result.stdout,
        "stderr": re.sub(r"ipykernel_\d+/\d+", "", result.stderr),
        "displays": shown,
        "looks": [(look.result_text, look.ename) for look in looks],
        "traceback": plain(result.traceback),
    }


@pytest.fixture
def loaded(kernel):
    """Give a kernel in which the magic is there."""
    kernel.check("%load_ext mpnb")
    return kernel


@pytest.mark.parametrize("trap", TRAPS, ids=[trap.name for trap in TRAPS])
def test_the_same_as_serial(loaded, trap):
    """A cell under %%parallel ends with the names, values, prints and traceback that it has without it."""
    serial = run(loaded, trap, "# serial")
    split = run(loaded, trap, "%%parallel --no-probe")
    for what, expected in serial.items():
        assert split[what] == expected, what
    sites = value(loaded, SPLIT)
    if serial["status"] == "ok":
        assert len(sites) == len(trap.split), sites
    for site, expected in zip(sites, trap.split, strict=False):
        assert expected is None or site[1] is expected, sites
