"""The traps of `test_live`: an earlier cell, the cell, whether it may be split and should be, what to look at afterwards.

`splits` is True where the iterations are independent of each other, so that the pool can do them; False where they are
not, or where the plain cell's result hangs on something that only the kernel has; None where it is a matter of taste,
or where the cell has sites of both kinds.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Trap:
    """One trap."""

    name: str
    setup: str
    cell: str
    splits: bool | None
    look: tuple[str, ...] = ()


TRAPS: Final[list[Trap]] = []

#: Splittable traps that are refused so far; each is a wish.
NOT_YET: Final = frozenset(
    {
        "state: pandas copies on write, or not",
    }
)


def trap(name: str, setup: str, cell: str, splits: bool | None, *look: str) -> None:
    """Add a row."""
    TRAPS.append(Trap(name, textwrap.dedent(setup).strip("\n"), textwrap.dedent(cell).strip("\n"), splits, look))


# ------------------------------------------------------------------------------------ an exception at iteration k

trap(
    "error: names, list and prints as they were",
    "xs = [5, 4, 3, 2, 0, 1, 7]; out = []; total = 0",
    """
    for n, x in enumerate(xs):
        half = x / 2
        print('at', n)
        total += x
        out.append(10 // x)
        last = half
    never = 1
    """,
    True,
)
trap(
    "error: two helpers deep, in earlier cells",
    """
    def parse(text):
        return int(text)

    def total(row):
        numbers = [parse(t) for t in row.split(',')]
        return sum(numbers)

    rows = ['1,2', '3', '4,x,5', '6']
    """,
    """
    sums = []
    for row in rows:
        sums.append(total(row))
    print(sum(sums))
    """,
    True,
)
trap(
    "error: in a comprehension inside a call over many lines",
    "table = {'a': 1, 'b': 2}",
    """
    result = dict(
        zip(
            'abc',
            [
                table[k]
                for k in 'abc'
            ],
        )
    )
    """,
    True,
)
trap(
    "error: it holds the notebook's own item",
    """
    class Bad(Exception):
        pass

    class P:
        def __init__(self, v): self.v = v

    ps = [P(v) for v in range(8)]
    """,
    """
    try:
        for p in ps:
            if p.v == 5:
                raise Bad(p, p.v)
            print(p.v)
    except Bad as bad:
        held = bad.args[0]
    """,
    True,
    "held is ps[5] is p",
)
trap(
    "error: with notes and a cause",
    "",
    """
    done = []
    for x in range(9):
        try:
            y = 1 / (x - 6)
        except ZeroDivisionError as error:
            wrong = ValueError(f'no value for {x}')
            wrong.add_note('see the manual')
            raise wrong from error
        done.append(y)
    """,
    True,
)
trap(
    "error: from None hides what came before",
    "d = {'k': 1}",
    """
    got = []
    for k in ['k', 'k', 'q', 'k']:
        try:
            value = d[k]
        except KeyError:
            raise LookupError(k) from None
        got.append(value)
    """,
    True,
)
trap(
    "error: an assertion with a message",
    "xs = [1, 2, 3, -4, 5]",
    """
    roots = []
    for x in xs:
        assert x > 0, f'{x} is not positive'
        roots.append(x ** 0.5)
    """,
    True,
)
trap(
    "error: the body raises KeyboardInterrupt itself",
    "",
    """
    seen = []
    for x in range(6):
        if x == 4:
            raise KeyboardInterrupt
        seen.append(x)
    """,
    True,
)
trap(
    "error: the body raises SystemExit",
    "import sys",
    """
    seen = []
    for x in range(6):
        if x == 3:
            sys.exit(2)
        seen.append(x)
    """,
    True,
)
trap(
    "error: an index out of the array when it is written",
    "import numpy as np; a = np.zeros(5)",
    """
    for i in range(8):
        square = i * i
        a[i] = square
        print(i)
    """,
    True,
)
trap(
    "error: an unhashable key",
    "keys = ['a', (1, 2), [3], 'b']; d = {}",
    """
    for k in keys:
        size = len(k)
        d[k] = size
    """,
    True,
)
trap(
    "error: in the inner of two loops",
    "rows = [[1, 2], [3, 4], [5, 0], [6, 7]]; out = []",
    """
    for row in rows:
        made = []
        for x in row:
            made.append(60 / x)
        out.append(made)
    """,
    True,
)
trap(
    "error: inside a library's own frames",
    "import json; texts = ['[1]', '{}', '[1, 2', '3']",
    "parsed = [json.loads(t) for t in texts]",
    True,
)
trap(
    "error: of linear algebra",
    "import numpy as np; ms = [np.eye(2), np.ones((2, 2)) + np.eye(2), np.ones((2, 2))]",
    """
    dets = []
    for m in ms:
        dets.append(float(np.linalg.inv(m)[0, 0]))
    """,
    True,
)
trap(
    "error: in the else of the loop",
    "xs = [1, 2, 3]",
    """
    for x in xs:
        y = x * x
    else:
        z = y / (x - 3)
    """,
    True,
)
trap(
    "error: raised again in finally",
    "log = []",
    """
    for x in range(5):
        try:
            y = 10 / (3 - x)
        finally:
            print('left', x)
            if x == 3:
                raise OSError('in finally')
        log.append(y)
    """,
    True,
)
trap(
    "error: too deep, with a limit of an earlier cell",
    """
    import sys
    def deep(n): return 0 if n == 0 else 1 + deep(n - 1)
    sys.setrecursionlimit(400)
    """,
    """
    depths = []
    for n in (10, 50, 100, 10000, 5):
        try:
            depths.append(deep(n))
        except RecursionError:
            depths.append(None)
    """,
    None,
)
trap(
    "error: of a group",
    "",
    """
    ok = []
    for x in range(5):
        if x == 3:
            raise ExceptionGroup('two', [ValueError(x), KeyError('k')])
        ok.append(x)
    """,
    True,
)
trap(
    "error: of a class that needs two arguments to be made",
    """
    class Odd(Exception):
        def __init__(self, one, two):
            super().__init__('odd')
            self.one, self.two = one, two
    def check(x):
        if x == 4:
            raise Odd(x, [x])
        return x
    """,
    """
    try:
        kept = [check(x) for x in range(7)]
    except Odd as odd:
        parts = odd.one, odd.two, odd.args
    """,
    True,
)
trap(
    "error: in a key function of sorted",
    "words = ['b', 'a', 3, 'c']",
    "ordered = sorted(w.upper() for w in words)",
    True,
)
trap(
    "error: the outer loop stops too",
    "",
    """
    trace = []
    for k in range(3):
        inverse = [1 / (3 - k - j) for j in range(2)]
        trace.append(inverse)
    """,
    True,
)

# ------------------------------------------------------------------------------------------ order of sets of text

SETS: Final = (
    "words = ['pear', 'fig', 'apple', 'plum', 'kiwi']; groups = [set(words[i:]) for i in range(4)]; known = set(words)"
)
trap("sets: a list of each", SETS, "lists = [list(g) for g in groups]", False)
trap("sets: joined", SETS, "texts = [' '.join(g) for g in groups]", False)
trap("sets: shown", SETS, "texts = [f'{g}' for g in groups]\nfor g in groups:\n    print(g)", False)
trap("sets: sorted by length, ties in the set's order", SETS, "best = [sorted(g, key=len) for g in groups]", False)
trap("sets: sorted", SETS, "best = [sorted(g) for g in groups]\nsizes = [len(g) for g in groups]", True)
trap("sets: asked for members only", SETS, "found = [w in known for w in ['fig', 'nut', 'plum']]", True)
trap(
    "sets: difference of two views",
    "a = dict.fromkeys('uvwxyz'); b = dict.fromkeys('xyz')",
    "left = [list(a.keys() - set(k)) for k in b]",
    False,
)
trap(
    "sets: made in the body, first one taken",
    "texts = ['a b c', 'd e f g', 'h']",
    "firsts = [next(iter(set(t.split()))) for t in texts]",
    False,
)
trap(
    "sets: returned by a helper",
    "def letters(t): return set(t)",
    "spelled = [''.join(letters(t)) for t in ('notebook', 'cell')]",
    False,
)
trap(
    "sets: a helper that orders them itself",
    "def letters(t): return sorted(set(t))",
    "spelled = [''.join(letters(t)) for t in ('notebook', 'cell')]",
    True,
)
trap(
    "sets: as keys of a dict",
    SETS,
    "counts = [dict.fromkeys(g, 0) for g in groups]",
    False,
    "[list(c) for c in counts]",
)
trap("sets: longest member, ties in the set's order", SETS, "longest = [max(g, key=len) for g in groups]", False)
trap(
    "sets: of numbers",
    "groups = [{3, 1, 2}, {1000, 1, 17}, {5.5, 0.1}]",
    "lists = [list(g) for g in groups]\ntotals = [sum(g) for g in groups]",
    True,
)
trap(
    "sets: frozen, in a tuple of the items",
    "pairs = [(1, frozenset('ab')), (2, frozenset('cde'))]",
    "out = []\nfor n, s in pairs:\n    out.append([n, *s])",
    False,
)
trap(
    "sets: popped from a copy", SETS, "out = []\nfor g in groups:\n    mine = set(g)\n    out.append(mine.pop())", False
)
trap(
    "sets: an attribute of the items",
    "class Doc:\n    def __init__(self, t): self.tokens = set(t.split())\ndocs = [Doc('a bb ccc'), Doc('dd e')]",
    "flat = [t for d in docs for t in d.tokens]",
    False,
)
trap(
    "sets: a dict counts what a set holds",
    SETS,
    "from collections import Counter\ntop = [Counter(len(w) for w in g).most_common(1) for g in groups]",
    None,
)
trap(
    "sets: a sum of floats over one",
    SETS,
    "weights = {w: 0.1 * len(w) for w in words}\nsums = [sum(weights[w] for w in g) for g in groups]",
    None,
)
trap("sets: hash of text", SETS, "buckets = [hash(w) % 7 for w in words]", False)
trap(
    "sets: numpy's and pandas' order of them",
    SETS + "; import pandas as pd",
    "series = [pd.Series(list(g)).tolist() for g in groups]",
    False,
)

# ----------------------------------------------------------------------------- identity of items and broadcast names

PEOPLE: Final = """
class P:
    def __init__(self, v): self.v = v
ps = [P(v) for v in (3, 1, 2, 5)]
best = ps[2]
"""
trap(
    "identity: `is` between item and name",
    PEOPLE,
    "flags = [p is best for p in ps]\nothers = [p.v for p in ps if p is not best]",
    True,
)
trap(
    "identity: `in` without an __eq__",
    PEOPLE + "chosen = ps[1:3]",
    "flags = [p in chosen for p in ps]\nplaces = [chosen.index(p) if p in chosen else None for p in ps]",
    True,
)
trap(
    "identity: names by id()",
    PEOPLE + "names = {id(p): n for p, n in zip(ps, 'abcd')}",
    "got = [names.get(id(p), '?') for p in ps]\ndel names",
    False,
)
trap("identity: a dict keyed by objects", PEOPLE + "age = {p: p.v for p in ps}", "got = [age.get(p) for p in ps]", True)
trap(
    "identity: hash of objects",
    PEOPLE + "names = {hash(p): p.v for p in ps}",
    "got = [names.get(hash(p), '?') for p in ps]\ndel names",
    False,
)
trap(
    "identity: large numbers that are one object",
    "xs = [10 ** 9, 10 ** 9 + 1]; xs.append(xs[0])",
    "same = [x is xs[0] for x in xs]",
    False,
)
trap(
    "identity: texts that are one object",
    "xs = ['a b'.upper(), 'a b'.upper()]; xs.append(xs[0])",
    "same = [x is xs[0] for x in xs]",
    False,
)
trap(
    "identity: one nan found by `in`",
    "nan = float('nan'); groups = {'a': [1.0, nan], 'b': [2.0]}",
    "found = [x in groups['a'] for x in (nan, 1.0, 2.0)]",
    False,
)
trap(
    "identity: rows that hold one nan are equal",
    "nan = float('nan'); rows = [(1, nan), (2, nan), (1, nan)]; ref = rows[0]",
    "same = [row == ref for row in rows]",
    False,
)
trap(
    "identity: a nan as a key",
    "import math; nan = math.nan; d = {nan: 'none', 1.0: 'one'}",
    "got = [d.get(x, 'missing') for x in (nan, 1.0, 2.0)]",
    False,
)
trap(
    "identity: nan in the items themselves",
    "nan = float('nan'); xs = [1.0, nan, 2.0, nan]",
    "places = [xs.index(x) for x in xs]\ncounts = [xs.count(x) for x in xs]",
    None,
)
trap(
    "identity: a sentinel as default",
    "MISSING = object(); d = {'a': 1, 'b': None}",
    "got = [d.get(k, MISSING) is MISSING for k in 'abc']",
    None,
)
trap(
    "identity: members of an enum",
    "import enum\nclass Color(enum.Enum):\n    RED = 1\n    BLUE = 2\npaints = [Color.RED, Color.BLUE, Color.RED]",
    "reds = [p is Color.RED for p in paints]\nback = [Color(p.value) for p in paints]",
    True,
    "all(c is p for c, p in zip(back, paints))",
)
trap(
    "identity: flags and int enums",
    "import enum\nclass Mode(enum.Flag):\n    READ = enum.auto()\n    WRITE = enum.auto()\nclass Level(enum.IntEnum):\n    LOW = 1\n    HIGH = 2",
    "modes = [m | Mode.READ for m in Mode]\nlevels = [Level(v) for v in (1, 2, 1)]",
    True,
    "modes[0] is Mode.READ, levels[0] is Level.LOW",
)
trap(
    "identity: namedtuples, one in many results",
    "from collections import namedtuple\nPoint = namedtuple('Point', 'x y')\npoints = [Point(1, 2), Point(3, 4)]",
    "moved = [(p, p._replace(x=0), Point(*p)) for p in points]",
    True,
    "[m[0] is p for m, p in zip(moved, points)]",
    "type(moved[0][1]) is Point",
)
trap(
    "identity: frozen dataclasses as keys",
    "import dataclasses\nfrom dataclasses import dataclass, field\n@dataclass(frozen=True)\nclass Key:\n    a: int\n    tags: list = field(default_factory=list, compare=False)\nkeys = [Key(1), Key(2), Key(1)]",
    "seen = {k: dataclasses.replace(k, a=k.a + 1) for k in keys}",
    True,
    "len(seen), keys[0] in seen, next(iter(seen)) is keys[0]",
)
trap(
    "identity: functions as items",
    "def double(x): return 2 * x\ndef half(x): return x / 2\nfs = [double, half, abs, double]",
    "same = [f is double for f in fs]\nnames = [f.__name__ for f in fs]",
    None,
)
trap(
    "identity: classes as items",
    "class A: pass\nclass B(A): pass\nkinds = [A, B, int]",
    "subs = [issubclass(k, A) for k in kinds]\nexact = [k is B for k in kinds]",
    True,
)
trap(
    "identity: an item inside a broadcast container",
    PEOPLE + "teams = {'x': ps[:2], 'y': ps[2:]}",
    "where = [[t for t in teams if p in teams[t]] for p in ps]\nheads = [teams[t][0] for t in teams]",
    True,
    "heads[0] is ps[0], heads[1] is ps[2]",
)
trap(
    "identity: the result holds a broadcast list twice",
    "base = [1, 2]; rows = [0, 1, 2]",
    "pairs = [(base, [base, r]) for r in rows]",
    True,
    "all(p[0] is base and p[1][0] is base for p in pairs)",
)
trap(
    "identity: parents and children",
    "class Node:\n    def __init__(self, parent=None):\n        self.parent, self.children = parent, []\n        if parent: parent.children.append(self)\nroot = Node(); kids = [Node(root) for _ in range(3)]",
    "ups = [k.parent is root for k in kids]\nsiblings = [len([s for s in k.parent.children if s is not k]) for k in kids]",
    True,
)
trap(
    "identity: rows of an array know their base",
    "import numpy as np; m = np.arange(6.0).reshape(3, 2)",
    "bases = [row.base is m for row in m]",
    None,
)
trap(
    "identity: weak references to items",
    PEOPLE
    + "import weakref; refs = [weakref.ref(p) for p in ps]; ids = weakref.WeakKeyDictionary({p: p.v for p in ps})",
    "alive = [r() is not None for r in refs]\ngot = [ids[p] for p in ps]",
    None,
)

# -------------------------------------------------------------------------------- what libraries were given, or hold

trap("library: a constant of math", "import math; math.tau = 6", "r = [math.tau * x for x in range(3)]", True)
trap(
    "library: a function of textwrap",
    "import textwrap\nkept = textwrap.shorten\ndef shorten(x, w): return 'mine ' + x\ntextwrap.shorten = shorten",
    "texts = [textwrap.shorten(x, 9) for x in ('a', 'b')]\ntextwrap.shorten = kept",
    False,
)
trap(
    "library: a builtin",
    "import builtins\nkept_divmod = builtins.divmod\nbuiltins.divmod = lambda x, y: 'mine'",
    "parts = [divmod(x, 2) for x in (1, 2)]\nbuiltins.divmod = kept_divmod",
    False,
)
trap(
    "library: a class has a new method",
    "import fractions\nfractions.Fraction.half = lambda self: self / 2",
    "halves = [fractions.Fraction(x, 3).half() for x in range(3)]\ndel fractions.Fraction.half",
    False,
)
trap(
    "library: a csv dialect",
    "import csv; csv.register_dialect('excel', delimiter=';')",
    "rows = [next(csv.reader([t], 'excel')) for t in ('a;b', 'c;d')]\ncsv.register_dialect('excel', csv.excel)",
    None,
)
trap(
    "library: the first day of the week",
    "import calendar; calendar.setfirstweekday(6)",
    "heads = [calendar.month(2024, m).splitlines()[1] for m in (1, 2)]\nweeks = [calendar.monthcalendar(2024, m)[0] for m in (1, 2)]\ncalendar.setfirstweekday(0)",
    None,
)
trap(
    "library: a mime type",
    "import mimetypes; mimetypes.add_type('text/x-own', '.py')",
    "kinds = [mimetypes.guess_type(n)[0] for n in ('a.py', 'b.txt')]\nmimetypes.add_type('text/x-python', '.py')",
    None,
)
trap(
    "library: schemes of urllib",
    "from urllib import parse; parse.uses_relative.append('own'); parse.uses_netloc.append('own')",
    "joined = [parse.urljoin('own://h/a/b', t) for t in ('c', '../d')]\nparse.uses_relative.remove('own'); parse.uses_netloc.remove('own')",
    None,
)
trap(
    "library: a namespace of ElementTree",
    "import xml.etree.ElementTree as ET; ET.register_namespace('own', 'http://own')",
    "texts = [ET.tostring(ET.Element('{http://own}' + t)) for t in 'ab']\ndel ET._namespace_map['http://own']",
    None,
)
trap(
    "library: a virtual subclass of an abstract class",
    "import collections.abc\nclass Mine:\n    pass\ncollections.abc.Sequence.register(Mine)\nthings = [Mine(), [], 3]",
    "kinds = [isinstance(t, collections.abc.Sequence) for t in things]",
    None,
)
trap(
    "library: a virtual subclass of an own abstract class",
    "import abc\nclass Shape(abc.ABC):\n    pass\nclass Circle:\n    pass\nShape.register(Circle)\nthings = [Circle(), 3]",
    "kinds = [isinstance(t, Shape) for t in things]",
    None,
)
trap(
    "library: a default timeout of sockets",
    "import socket; socket.setdefaulttimeout(3.5)",
    "waits = [socket.getdefaulttimeout() for _ in range(2)]\nsocket.setdefaulttimeout(None)",
    None,
)
trap(
    "library: the collector is off",
    "import gc; gc.disable()",
    "on = [gc.isenabled() for _ in range(2)]\ngc.enable()",
    None,
)
trap(
    "library: an accessor of pandas",
    "import pandas as pd\n@pd.api.extensions.register_series_accessor('own')\nclass Own:\n    def __init__(self, s): self.s = s\n    def twice(self): return self.s * 2\nseries = [pd.Series([1, 2]), pd.Series([3])]",
    "doubled = [s.own.twice() for s in series]\ndel pd.Series.own, Own\npd.Series._accessors.discard('own')",
    None,
)
trap(
    "library: an error handler of codecs",
    "import codecs\ncodecs.register_error('own', lambda e: ('!', e.end))",
    "texts = ['é' + t for t in 'ab']\nraw = [t.encode('ascii', 'own') for t in texts]",
    None,
)
trap(
    "library: an own dispatch function",
    "import functools\n@functools.singledispatch\ndef kind(x): return 'other'\n@kind.register(int)\ndef _(x): return 'whole'\n@kind.register\ndef _(x: list): return 'many'",
    "kinds = [kind(x) for x in (1, 'a', [2])]",
    None,
)
trap(
    "library: a subclass made after import",
    "import json\nclass Point:\n    def __init__(self, x): self.x = x\nclass Encoder(json.JSONEncoder):\n    def default(self, o): return {'x': o.x}",
    "texts = [json.dumps(Point(x), cls=Encoder) for x in range(3)]",
    True,
)
trap(
    "library: a context variable",
    "import contextvars; level = contextvars.ContextVar('level', default=0); level.set(5)",
    "seen = [level.get() + x for x in range(3)]",
    None,
)

# ------------------------------------------------------------------------ state of the process, set in an earlier cell

trap(
    "state: decimal's precision and rounding",
    "import decimal; decimal.getcontext().prec = 7; decimal.getcontext().rounding = decimal.ROUND_UP",
    "r = [decimal.Decimal(1) / d for d in range(3, 9)]",
    True,
)
trap(
    "state: decimal's default for new contexts",
    "import decimal; decimal.DefaultContext.prec = 4",
    "r = [decimal.Context().divide(decimal.Decimal(1), decimal.Decimal(d)) for d in (3, 7)]\ndecimal.DefaultContext.prec = 28",
    None,
)
trap(
    "state: decimal traps what is inexact",
    "import decimal; decimal.getcontext().traps[decimal.Inexact] = True",
    "r = []\nfor d in (1, 2, 3):\n    r.append(decimal.Decimal(1) / d)",
    True,
)
trap(
    "state: numpy raises on division",
    "import numpy as np; np.seterr(all='raise')",
    "r = []\nfor d in (1.0, 2.0, 0.0, 4.0):\n    r.append(float(np.float64(1) / np.float64(d)))",
    True,
)
trap(
    "state: numpy prints",
    "import numpy as np; np.set_printoptions(precision=2, suppress=True, threshold=4)",
    "for k in range(3):\n    print(np.arange(6) / 7 + k, k)",
    True,
)
trap(
    "state: numpy's formatter is a function of the notebook",
    "import numpy as np\ndef form(x): return f'<{x:.1f}>'\nnp.set_printoptions(formatter={'float': form})",
    "texts = [str(np.array([x / 3])) for x in range(3)]",
    None,
)
trap(
    "state: the working directory",
    "import os; os.mkdir('sub'); open('sub/a.txt', 'w').write('A'); os.chdir('sub')",
    "texts = [open(n).read() for n in ('a.txt', 'a.txt')]\nhere = [os.path.basename(os.getcwd()) for _ in range(2)]",
    True,
)
trap(
    "state: environment variables",
    "import os; os.environ['OWN_X'] = 'yes'; os.environ.pop('LANG', None)",
    "got = [os.environ.get(k, 'no') for k in ('OWN_X', 'LANG')]\nalso = [os.path.expandvars('$OWN_X') for _ in range(2)]",
    True,
)
trap(
    "state: the time zone",
    "import os, time; os.environ['TZ'] = 'America/New_York'; time.tzset()",
    "hours = [time.localtime(h * 3600).tm_hour for h in range(3)]\nnames = [time.strftime('%Z', time.localtime(0)) for _ in range(2)]",
    True,
)
trap(
    "state: a time zone that was not put into effect",
    "import os, time; os.environ['TZ'] = 'Asia/Tokyo'",
    "hours = [time.localtime(h * 3600).tm_hour for h in range(3)]",
    None,
)
trap(
    "state: the locale",
    "import locale\nfor name in ('C.UTF-8', 'C.utf8', 'C'):\n    try:\n        locale.setlocale(locale.LC_ALL, name)\n        break\n    except locale.Error:\n        pass",
    "texts = [f'{x:n}' for x in (1000, 2000.5)]\npoints = [x.__format__('n') for x in (1.5, 2.5)]",
    True,
)
trap(
    "state: the recursion limit",
    "import sys; sys.setrecursionlimit(777)",
    "limits = [sys.getrecursionlimit() for _ in range(3)]",
    True,
)
trap(
    "state: digits of whole numbers",
    "import sys; _digits = sys.get_int_max_str_digits(); sys.set_int_max_str_digits(700)",
    "sizes = []\nfor n in (10, 600, 800, 5):\n    try:\n        sizes.append(len(str(10 ** n)))\n    except ValueError:\n        sizes.append(None)\nsys.set_int_max_str_digits(_digits)",
    None,
)
trap(
    "state: pandas' options",
    "import pandas as pd; pd.set_option('display.max_rows', 4); pd.set_option('display.precision', 2); frame = pd.DataFrame({'a': [1 / 3] * 9})",
    "for k in (1, 2):\n    print(frame * k)",
    True,
)
trap(
    "state: pandas copies on write, or not",
    "import pandas as pd; frames = [pd.DataFrame({'a': [1, 2]}) for _ in range(3)]",
    "firsts = []\nfor f in frames:\n    part = f['a']\n    g = f.copy()\n    g.loc[0, 'a'] = 9\n    firsts.append((int(part[0]), int(g['a'][0])))",
    True,
)
trap(
    "state: matplotlib's parameters",
    "import matplotlib as mpl; mpl.rcParams['lines.linewidth'] = 7.5",
    "widths = [mpl.rcParams['lines.linewidth'] + x for x in range(2)]\nmpl.rcParams['lines.linewidth'] = mpl.rcParamsDefault['lines.linewidth']",
    True,
)
trap(
    "state: warnings are errors from an earlier cell on",
    "import warnings; warnings.simplefilter('error')\ndef old(x):\n    if x == 4:\n        warnings.warn('old', DeprecationWarning)\n    return x",
    "out = []\nfor x in range(6):\n    out.append(old(x))",
    None,
)
trap(
    "state: logging goes to stderr",
    "import logging; logging.basicConfig(level=logging.INFO, format='%(levelname)s %(message)s')\nlog = logging.getLogger('own')",
    "for x in range(3):\n    log.info('at %d', x)\n    print(x)",
    None,
)
trap(
    "state: loggers are asked for their level",
    "import logging; logging.getLogger('own').setLevel(logging.ERROR)",
    "on = [logging.getLogger('own').isEnabledFor(n) for n in (10, 40)]",
    None,
)
trap(
    "state: sys.path and a module beside the notebook",
    "import sys, pathlib; pathlib.Path('lib').mkdir(); pathlib.Path('lib/ownmod.py').write_text('K = 3\\ndef f(x):\\n    return x * K\\n'); sys.path.insert(0, 'lib'); import ownmod",
    "r = [ownmod.f(x) for x in range(4)]",
    True,
)
trap(
    "state: a local module edited and reloaded",
    "import sys, pathlib, importlib; pathlib.Path('editmod.py').write_text('def f(x):\\n    return x + 1\\n'); import editmod; editmod.f(1)\npathlib.Path('editmod.py').write_text('def f(x):\\n    return x * 1000\\n'); importlib.reload(editmod)",
    "r = [editmod.f(x) for x in range(4)]",
    True,
)
trap(
    "state: a local module edited and not reloaded",
    "import sys, pathlib; pathlib.Path('stalemod.py').write_text('def f(x):\\n    return x + 1\\n'); import stalemod; stalemod.f(1)\npathlib.Path('stalemod.py').write_text('def f(x):\\n    return x * 1000\\n')",
    "r = [stalemod.f(x) for x in range(4)]",
    None,
)
trap(
    "state: a local module whose global was set",
    "import sys, pathlib; pathlib.Path('setmod.py').write_text('K = 3\\nD = {}\\ndef f(x):\\n    return x * K + len(D)\\n'); import setmod; setmod.K = 7; setmod.D['a'] = 1",
    "r = [setmod.f(x) for x in range(4)]",
    None,
)
trap(
    "state: sys.argv, and a prompt of the notebook",
    "import sys; _argv = list(sys.argv); sys.argv[:] = ['own', '--fast']",
    "seen = ['--fast' in sys.argv for _ in range(2)]\nsys.argv[:] = _argv",
    None,
)
trap(
    "state: numpy's buffer and error call",
    "import numpy as np; calls = []; np.seterrcall(lambda *a: calls.append(a)); np.seterr(divide='call')",
    "r = []\nfor d in (1.0, 0.0):\n    r.append(float(np.float64(1) / d))\nnp.seterrcall(None)",
    None,
)

# --------------------------------------------------------------------------------------------------------- numbers

trap(
    "numbers: the sum of a strided array",
    "import numpy as np; big = np.random.default_rng(1).normal(size=(300, 257)); part = big[:, ::3]; turned = big.T",
    "sums = [float(part.sum()) * k for k in (1, 2)]\nrows = [float(turned[k].sum()) for k in range(5)]\nmeans = [float(part[k::2].mean()) for k in range(3)]",
    True,
)
trap(
    "numbers: items that are strided",
    "import numpy as np; big = np.random.default_rng(2).normal(size=(64, 999)); views = [big[k::3, ::2] for k in range(4)] + [big.T[::-1]]",
    "sums = [float(v.sum()) for v in views]\nflags = [(v.flags.c_contiguous, v.flags.f_contiguous, v.strides) for v in views]",
    True,
)
trap(
    "numbers: columns in Fortran's order",
    "import numpy as np; f = np.asfortranarray(np.random.default_rng(3).random((200, 33)))",
    "sums = [float(f.sum(axis=0)[k]) for k in range(5)]\norders = [(f * k).flags.f_contiguous for k in range(2)]",
    True,
)
trap(
    "numbers: whole matrices, BLAS on two threads",
    "import numpy as np, threadpoolctl; limits = threadpoolctl.threadpool_limits(2); ms = [np.arange(40000.0).reshape(200, 200) % (7 + k) for k in range(3)]",
    "products = [m @ m.T for m in ms]\ntraces = [float(np.trace(p)) for p in products]\ndel limits",
    True,
)
trap(
    "numbers: small matrices of fractions",
    "import numpy as np; ms = [np.random.default_rng(k).normal(size=(4, 4)) for k in range(4)]",
    "inverses = [np.linalg.inv(m) for m in ms]\nvalues = [np.linalg.eigvalsh(m + m.T) for m in ms]",
    True,
)
trap(
    "numbers: signs of zero, nans and subnormals",
    "xs = [0.0, -0.0, 5e-324, float('inf'), 1e308]",
    "r = [(-x, x * 10, x - x, x / 3) for x in xs]",
    True,
    "[[v.hex() for v in row] for row in r]",
)
trap(
    "numbers: a float32 accumulator",
    "import numpy as np; total = np.float32(0.1)",
    "for k in range(50):\n    total = total + np.float32(k) / np.float32(3)\nsmall = np.float16(1)\nfor k in range(9):\n    small *= np.float16(1.1)",
    True,
    "total.tobytes(), small.tobytes()",
)
trap(
    "numbers: whole numbers overflow in place",
    "import numpy as np; counts = np.zeros(3, np.uint8)",
    "for k in range(3):\n    counts[k] += 200\nfor k in range(3):\n    counts += np.uint8(100)",
    True,
)
trap(
    "numbers: a mean of means in order",
    "xs = [1e16, 1.0, -1e16, 0.1] * 6; mean = 0.0; n = 0",
    "for x in xs:\n    mean += x / len(xs)\n    n += 1",
    True,
    "mean.hex()",
)
trap(
    "numbers: statistics and fractions",
    "import statistics, fractions; rows = [[1, 2, 4], [0.1, 0.2, 0.4], [fractions.Fraction(1, 3), 2]]",
    "means = [statistics.mean(r) for r in rows]\nspreads = [statistics.pstdev(r) for r in rows]",
    True,
)
trap(
    "numbers: complex, big and bytes",
    "",
    "r = [(complex(x, -0.0), 7 ** (x * 40), bytes([x]), x.to_bytes(2, 'big'), float(x).hex()) for x in range(5)]",
    True,
)

# ------------------------------------------------------------------------------------------------ prints and streams

trap(
    "prints: a generator that prints while it is pulled",
    "def numbers():\n    for k in range(4):\n        print('pulled', k)\n        yield k",
    "out = []\nfor k in numbers():\n    print('body', k)\n    out.append(k)",
    None,
)
trap(
    "prints: a list made by a printing generator",
    "def numbers():\n    for k in range(4):\n        print('pulled', k)\n        yield k",
    "out = []\nfor k in list(numbers()):\n    print('body', k)\n    out.append(k)",
    True,
)
trap(
    "prints: stderr between them",
    "import sys",
    "for k in range(4):\n    print('out', k)\n    print('err', k, file=sys.stderr)\n    sys.stderr.write(f'{k}!\\n')\n    print(end='.')",
    True,
)
trap(
    "prints: stderr is put elsewhere",
    "import sys, io, contextlib",
    "caught = io.StringIO()\nwith contextlib.redirect_stderr(caught):\n    for k in range(3):\n        print('err', k, file=sys.stderr)\ntext = caught.getvalue()",
    True,
)
trap(
    "prints: to a stream kept in an earlier cell",
    "import sys; stream = sys.stdout",
    "for k in range(3):\n    print('kept', k, file=stream)\n    print('now', k)",
    None,
)
trap(
    "prints: a function with its own default stream",
    "import sys\ndef say(*a, to=sys.stderr): print(*a, file=to)",
    "for k in range(3):\n    say('said', k)",
    None,
)
trap(
    "prints: a progress bar",
    "from tqdm import tqdm",
    "out = []\nfor k in tqdm(range(4), bar_format='{n}/{total}', mininterval=0, miniters=1):\n    out.append(k * k)",
    None,
)
trap(
    "prints: a bar written to",
    "from tqdm import tqdm",
    "for k in tqdm(range(3), bar_format='{n}', mininterval=0):\n    tqdm.write(f'at {k}')",
    None,
)
trap(
    "prints: %%time above",
    "",
    "%%time\nsquares = []\nfor k in range(5):\n    print(k)\n    squares.append(k * k)\nsquares",
    True,
)
trap("prints: %%capture above", "", "%%capture\nfor k in range(3):\n    print('hidden', k)", None, "caught.stdout")
trap(
    "prints: carriage returns and clearing",
    "from IPython.display import clear_output",
    "for k in range(3):\n    print('\\r', k, end='', flush=True)\nfor k in range(2):\n    clear_output(wait=True)\n    print(k)",
    None,
)
trap(
    "prints: displays between them",
    "from IPython.display import display, HTML",
    "for k in range(3):\n    print('before', k)\n    display(HTML(f'<b>{k}</b>'))\n    display({'k': k})\n    print('after', k)",
    None,
)
trap(
    "prints: a handle that is updated",
    "from IPython.display import display; handle = display('start', display_id='own')",
    "for k in range(3):\n    handle.update(k)",
    None,
)
trap(
    "prints: a repr that prints",
    "class Loud:\n    def __init__(self, k): self.k = k\n    def __repr__(self):\n        print('asked', self.k)\n        return f'<{self.k}>'",
    "texts = [repr(Loud(k)) for k in range(3)]\nfor k in range(2):\n    print(Loud(k), 'shown')",
    None,
)
trap(
    "prints: a destructor that prints",
    "class Gone:\n    def __init__(self, k): self.k = k\n    def __del__(self): print('gone', self.k)",
    "for k in range(3):\n    g = Gone(k)\n    print('made', k)\ndel g",
    None,
)
trap(
    "prints: warnings shown once per place",
    "import warnings\ndef f(k):\n    warnings.warn('old way', FutureWarning)\n    return k",
    "r = [f(k) for k in range(4)]\nfor k in range(3):\n    warnings.warn(f'number {k}')\n    print(k)",
    None,
)
trap(
    "prints: a traceback printed by the body",
    "import traceback",
    "for k in range(3):\n    try:\n        1 / (k - 1)\n    except ZeroDivisionError:\n        traceback.print_exc(limit=0)\n    print(k)",
    None,
)
trap(
    "prints: pprint and a table",
    "import pprint; rows = [{'a': 1, 'b': list(range(30))}, {'c': 'x' * 100}]",
    "for r in rows:\n    pprint.pprint(r, width=40)",
    None,
)

# ---------------------------------------------------------------------------------------------------------- files

trap(
    "files: one per iteration",
    "",
    "for k in range(4):\n    with open(f'part{k}.txt', 'w') as f:\n        f.write('line\\n' * k)",
    True,
    "f.closed, f.name",
)
trap(
    "files: written by pathlib",
    "from pathlib import Path; folder = Path('made'); folder.mkdir()",
    "for k in range(4):\n    (folder / f'{k}.txt').write_text(str(k * k))",
    True,
)
trap(
    "files: arrays and frames",
    "import numpy as np, pandas as pd; arrays = [np.arange(k) for k in range(3)]",
    "for k, a in enumerate(arrays):\n    np.save(f'a{k}.npy', a)\n    pd.DataFrame({'a': a}).to_csv(f'a{k}.csv', index=False)",
    True,
)
trap(
    "files: one file written by all",
    "",
    "for k in range(4):\n    with open('same.txt', 'w') as f:\n        f.write(str(k))",
    True,
)
trap(
    "files: one file appended to",
    "",
    "for k in range(4):\n    with open('log.txt', 'a') as f:\n        f.write(f'{k}\\n')",
    False,
)
trap(
    "files: two iterations write one",
    "names = ['a', 'b', 'c', 'a', 'd']",
    "for n, name in enumerate(names):\n    with open(name + '.txt', 'w') as f:\n        f.write(f'{n} {name}')",
    True,
)
trap(
    "files: one reads what another writes",
    "open('f0.txt', 'w').write('0')",
    "for k in range(4):\n    with open(f'f{k}.txt') as f:\n        n = int(f.read())\n    with open(f'f{k + 1}.txt', 'w') as g:\n        g.write(str(n + k))",
    False,
)
trap(
    "files: an error after some were written",
    "",
    "for k in range(6):\n    with open(f'g{k}.txt', 'w') as f:\n        f.write(str(1 / (k - 3)))",
    True,
)
trap(
    "files: a break after some were written",
    "",
    "for k in range(6):\n    with open(f'h{k}.txt', 'w') as f:\n        f.write(str(k))\n    if k == 2:\n        break",
    True,
)
trap(
    "files: removed one by one",
    "from pathlib import Path\nfor k in range(4):\n    Path(f'r{k}.tmp').write_text('x')",
    "for k in range(4):\n    Path(f'r{k}.tmp').unlink()",
    None,
)
trap(
    "files: folders made one by one",
    "import os",
    "for k in range(3):\n    os.makedirs(f'd{k}/inner', exist_ok=True)",
    True,
)
trap(
    "files: a counter in a file",
    "open('n.txt', 'w').write('0')",
    "for k in range(4):\n    n = int(open('n.txt').read())\n    open('n.txt', 'w').write(str(n + 1))",
    False,
)
trap(
    "files: read only",
    "from pathlib import Path\nfor k in range(4):\n    Path(f'in{k}.txt').write_text('word ' * k)",
    "counts = {p.name: len(p.read_text().split()) for p in sorted(Path('.').glob('in*.txt'))}\nlines = []\nfor k in range(4):\n    with open(f'in{k}.txt') as f:\n        lines.append(f.readline())",
    True,
)
trap(
    "files: an open file of an earlier cell is read on",
    "open('r.txt', 'w').write('a\\nb\\nc\\nd\\n'); f = open('r.txt')",
    "got = []\nfor k in range(3):\n    got.append(f.readline())\nrest = f.read()\nf.close()",
    False,
)
trap(
    "files: an open file of an earlier cell is written",
    "f = open('w.txt', 'w')",
    "for k in range(3):\n    f.write(f'{k}\\n')\n    print(k, file=f)\nf.close()",
    False,
)
trap(
    "files: a list of open files",
    "for n in 'ab':\n    open(n + '.in', 'w').write(n * 3)\nfs = [open(n + '.in') for n in 'ab']",
    "texts = [f.read(2) for f in fs]\nrest = [f.read() for f in fs]\nfor f in fs: f.close()",
    False,
)
trap(
    "files: lines of an open file",
    "open('l.txt', 'w').write('1\\n2\\n3\\n')",
    "with open('l.txt') as f:\n    numbers = [int(line) for line in f]\n    left = f.read()",
    None,
)
trap(
    "files: in memory",
    "import io",
    "texts = []\nfor k in range(3):\n    buffer = io.StringIO()\n    buffer.write('x' * k)\n    print('y', file=buffer)\n    texts.append(buffer.getvalue())",
    True,
)
trap(
    "files: temporary ones",
    "import tempfile, os",
    "sizes = []\nfor k in range(3):\n    with tempfile.TemporaryDirectory() as d:\n        with open(os.path.join(d, 'x'), 'w') as f:\n            f.write('x' * k)\n        sizes.append(os.path.getsize(os.path.join(d, 'x')))\ndel d, f",
    None,
)
trap(
    "files: a path that does not depend on the loop, from a helper",
    "def save(text):\n    with open('last.txt', 'w') as f:\n        f.write(text)\n    return len(text)",
    "lengths = [save('x' * k) for k in range(5)]",
    True,
)
trap(
    "files: read before the iteration after it writes them",
    "for k in range(6):\n    open(f'f{k}.txt', 'w').write(str(k))",
    "for k in range(5):\n    with open(f'f{k + 1}.txt') as f:\n        n = int(f.read())\n    with open(f'f{k}.txt', 'w') as g:\n        g.write(str(n * 10))",
    True,
    "g.name, g.mode, g.closed",
)
trap(
    "files: one spelled in two ways",
    "import os; os.mkdir('a'); open('a/n', 'w').write('0')",
    "for k in range(4):\n    n = int(open(('a/n', './a/../a/n')[k % 2]).read())\n    with open(os.path.abspath('a/n'), 'w') as f:\n        f.write(str(n + k))",
    None,
)
trap(
    "files: one through a linked folder",
    "import os; os.mkdir('a'); os.symlink('a', 'b'); open('a/n', 'w').write('0')",
    "seen = []\nfor k in range(4):\n    seen.append(open('b/n').read())\n    open('a/n', 'w').write(str(k))",
    None,
)
trap(
    "files: written through a link",
    "import os; open('real', 'w').write('old'); os.symlink('real', 'link')",
    "for k in range(4):\n    with open(('real', 'link')[k % 2], 'w') as f:\n        f.write(str(k))",
    True,
)
trap(
    "files: two names of one file",
    "import os; open('a', 'w').write('old'); os.link('a', 'b')",
    "for k in range(4):\n    print(open('b').read())\n    open('a', 'w').write(str(k))",
    None,
)
trap(
    "files: two names of one file, written only",
    "import os; open('a', 'w').write('old'); os.link('a', 'b')",
    "for k in range(5):\n    open('ab'[k % 2], 'w').write('x' * k)",
    True,
)
trap(
    "files: skipped where they are there",
    "import os; open('o2.txt', 'w').write('kept')",
    "for k in range(5):\n    path = f'o{k}.txt'\n    if os.path.exists(path):\n        print('there:', path)\n        continue\n    with open(path, 'w') as f:\n        f.write(str(k))",
    True,
)
trap(
    "files: one is made by the first iteration only",
    "from pathlib import Path",
    "for k in range(4):\n    if not Path('once.txt').exists():\n        Path('once.txt').write_text(f'made by {k}')\n        print('made', k)",
    None,
)
trap(
    "files: the size of one that another iteration writes",
    "import os; open('a', 'w').write('1')",
    "for k in range(4):\n    print(os.path.getsize('a'), os.stat('a').st_size, os.access('a', os.R_OK))\n    open('a', 'w').write('x' * k)",
    None,
)
trap(
    "files: the size of one that it has just written",
    "import os",
    "sizes = []\nfor k in range(4):\n    with open(f'{k}.txt', 'w') as f:\n        f.write('x' * k)\n    sizes.append(os.path.getsize(f'{k}.txt'))",
    False,
)
trap(
    "files: read again by the iteration that wrote them",
    "import pandas as pd",
    "back = []\nfor k in range(3):\n    pd.DataFrame({'a': [k]}).to_csv(f'{k}.csv')\n    back.append(len(pd.read_csv(f'{k}.csv')))",
    False,
)
trap(
    "files: a folder is listed that fills",
    "import os; os.mkdir('d')",
    "for k in range(4):\n    print(sorted(os.listdir('d')))\n    with open(f'd/{k}', 'w') as f:\n        f.write(str(k))",
    None,
)
trap(
    "files: sizes in a listing",
    "import os; os.mkdir('d'); open('d/f', 'w').write('1')",
    "for k in range(4):\n    print([entry.stat().st_size for entry in os.scandir('d')])\n    open('d/f', 'w').write('x' * k)",
    None,
)
trap(
    "files: exclusively made",
    "",
    "for k in range(4):\n    try:\n        with open('lock', 'x') as f:\n            f.write(str(k))\n        print('mine', k)\n    except FileExistsError:\n        print('taken', k)",
    None,
)
trap(
    "files: a folder that only the first can make",
    "import os",
    "for k in range(4):\n    try:\n        os.mkdir('same')\n        print('made', k)\n    except FileExistsError:\n        print('there', k)",
    None,
)
trap(
    "files: the second can't make the folder",
    "import os",
    "for k in range(4):\n    os.mkdir('same')\n    print(k)",
    None,
    "os.path.isdir('same')",
)
trap(
    "files: in a folder that is not there",
    "import os",
    "for k in range(4):\n    if k == 2: os.makedirs('no/where')\n    try:\n        open(f'no/where/{k}', 'w').write('x')\n    except FileNotFoundError as error:\n        print(error)",
    None,
)
trap(
    "files: in folders made on the way",
    "from pathlib import Path",
    "for k in range(4):\n    folder = Path('out') / f'{k % 2}'\n    folder.mkdir(parents=True, exist_ok=True)\n    (folder / f'{k}.bin').write_bytes(bytes(k))",
    True,
)
trap(
    "files: copied",
    "import os, shutil\nfor k in range(4):\n    open(f'i{k}', 'w').write('é' * k)\n    os.chmod(f'i{k}', 0o640 + k)",
    "for k in range(4):\n    shutil.copy(f'i{k}', f'o{k}')\nmodes = [oct(os.stat(f'o{k}').st_mode) for k in range(4)]",
    True,
)
trap(
    "files: copied with their times",
    "import os, shutil; open('src', 'w').write('s'); os.utime('src', (1, 2))",
    "for k in range(3):\n    shutil.copy2('src', f'o{k}')\ntimes = [os.stat(f'o{k}').st_mtime for k in range(3)]",
    None,
)
trap(
    "files: who may read them",
    "import os; before = os.umask(0o077)",
    "for k in range(4):\n    with open(f'u{k}', 'w') as f:\n        f.write('secret')\nmodes = [oct(os.stat(f'u{k}').st_mode) for k in range(4)]\nos.umask(before)",
    None,
    "modes",
)
trap(
    "files: put in place by a rename",
    "import os",
    "for k in range(4):\n    with open('part', 'w') as f:\n        f.write(str(k))\n    os.replace('part', f'{k}.txt')",
    False,
)
trap(
    "files: paths from the folder above",
    "import os; os.makedirs('a/b'); os.chdir('a/b')",
    "for k in range(4):\n    with open(f'../{k}.txt', 'w') as f:\n        f.write(os.path.basename(os.getcwd()))",
    True,
)
trap(
    "files: another encoding, other line ends",
    "",
    "for k in range(4):\n    with open(f'{k}.txt', 'w', encoding='utf-16', newline='\\r\\n') as f:\n        print('é', k, file=f)\n        f.writelines(['a\\n', 'b'])",
    True,
    "f.encoding, f.newlines",
)
trap(
    "files: written, wound back and read",
    "",
    "for k in range(4):\n    with open(f'{k}.txt', 'w+') as f:\n        f.write('abc' * k)\n        f.seek(1)\n        print(f.read(), f.tell(), f.name)",
    True,
)
trap(
    "files: not closed by the iteration",
    "",
    "for k in range(4):\n    f = open(f'{k}.txt', 'w')\n    f.write(str(k))\nf.close()",
    None,
    "f.closed, f.name",
)
trap(
    "files: kept open in a list",
    "",
    "files = []\nfor k in range(4):\n    f = open(f'{k}.txt', 'w')\n    f.write(str(k))\n    files.append(f)\nfor f in files: f.close()",
    False,
    "[f.name for f in files]",
)
trap(
    "files: pickles and JSON",
    "import json, pickle",
    "for k in range(4):\n    with open(f'{k}.json', 'w') as f:\n        json.dump({'k': [k] * k}, f)\n    with open(f'{k}.pkl', 'wb') as f:\n        pickle.dump({'k': k}, f)",
    True,
)
trap(
    "files: arrays, packed",
    "import numpy as np, gzip",
    "for k in range(4):\n    np.savez(f'{k}.npz', a=np.arange(k), b=np.eye(k))",
    True,
)
trap(
    "files: a table by rows",
    "import csv",
    "for k in range(4):\n    with open(f'{k}.csv', 'w', newline='') as f:\n        writer = csv.writer(f)\n        writer.writerow(['k', k])\n        writer.writerows([[i, i * k] for i in range(3)])\ndel writer",
    None,
)
trap(
    "files: names and files when an effect fails",
    "found = {}; keys = ['a', 'b', [], 'c']",
    "for n, key in enumerate(keys):\n    size = n * 2\n    with open(f'{n}.txt', 'w') as f:\n        f.write('x' * size)\n    found[key] = size\n    with open(f'{n}.done', 'w') as g:\n        g.write('yes')",
    True,
)
trap(
    "files: an error in a helper, caught, and one that is not",
    "def save(k):\n    if k in (2, 5): raise KeyError(k)\n    open(f'{k}.txt', 'w').write('x')\n    return k",
    "done = []\nfor k in range(8):\n    try:\n        done.append(save(k))\n    except KeyError:\n        if k == 5: raise\n        open('failed.txt', 'w').write(str(k))",
    None,
)
trap(
    "files: what others hold is overwritten up to the error",
    "for k in range(6):\n    open(f'{k}.txt', 'w').write('old')",
    "for k in range(6):\n    open(f'{k}.txt', 'w').write(str(k))\n    if k == 3: 1 / 0",
    True,
)
trap(
    "files: overwritten while it is read",
    "for k in range(4):\n    open(f'{k}.txt', 'w').write('a\\nb\\n')",
    "for k in range(4):\n    f = open(f'{k}.txt')\n    with open(f'{k}.txt', 'w') as g:\n        g.write('new')\n    print(f.read())\n    f.close()",
    None,
)
trap(
    "files: opened twice at once",
    "",
    "for k in range(4):\n    with open(f'{k}.txt', 'w') as f, open(f'{k}.txt', 'w') as g:\n        f.write('first and longer')\n        g.write('second')",
    None,
)
trap(
    "files: an encoding that there is not",
    "import os",
    "for k in range(4):\n    try:\n        open(f'{k}.txt', 'w', encoding='no such')\n    except LookupError as error:\n        print(error, os.path.exists(f'{k}.txt'))",
    None,
)
trap(
    "files: a mode that is a name",
    "mode = 'a'; open('log', 'w').write('begin ')",
    "for k in range(4):\n    with open('log', mode) as f:\n        f.write(str(k))",
    False,
)
trap(
    "files: a mode that is a name, and writes",
    "mode = 'w'",
    "for k in range(4):\n    with open(f'{k}.log', mode) as f:\n        f.write(str(k))",
    True,
)
trap(
    "files: to where nothing is kept",
    "import os",
    "for k in range(4):\n    with open(os.devnull, 'w') as f:\n        print('lost', k, file=f)\n    print('shown', k)",
    None,
)

# -------------------------------------------------------------------------------------------- views and slices of arrays

trap(
    "views: overlapping slices are written",
    "import numpy as np; a = np.arange(8.0)",
    "for i in range(6):\n    a[i:i + 3] = a[i:i + 3] + 1",
    False,
)
trap(
    "views: overlapping slices are read",
    "import numpy as np; a = np.arange(8.0); out = np.zeros(6)",
    "for i in range(6):\n    out[i] = a[i:i + 3].sum()",
    True,
)
trap(
    "views: slices that do not overlap",
    "import numpy as np; a = np.zeros(8)",
    "for i in range(0, 8, 2):\n    a[i:i + 2] = [i, i + 0.5]",
    True,
)
trap(
    "views: a window written into the array it reads",
    "import numpy as np; a = np.arange(8.0); w = a[1:]",
    "for i in range(7):\n    a[i] = w[i] * 2",
    False,
)
trap(
    "views: rows changed in place",
    "import numpy as np; m = np.arange(6.0).reshape(3, 2)",
    "for row in m:\n    row += 1\nfor row in m:\n    row[:] = row[::-1]",
    False,
)
trap(
    "views: a column of a frame's values",
    "import pandas as pd; df = pd.DataFrame({'a': [1.0, 2.0], 'b': [3.0, 4.0]}); v = df.to_numpy()",
    "tops = [v[k].max() for k in range(2)]",
    True,
)
trap(
    "views: strides tricks",
    "import numpy as np; a = np.arange(10.0); w = np.lib.stride_tricks.sliding_window_view(a, 4)",
    "means = [float(x.mean()) for x in w]\nkept = [x for x in w[:2]]",
    True,
    "np.shares_memory(kept[0], a)",
)
trap(
    "views: read-only arrays stay so",
    "import numpy as np; a = np.arange(4.0); a.setflags(write=False); rows = [a, a[1:]]",
    "same = [r for r in rows]\nflags = [r.flags.writeable for r in rows]\ncopies = [r.copy().flags.writeable for r in rows]",
    True,
    "same[0] is a",
)
trap(
    "views: memory mapped",
    "import numpy as np; np.arange(6.0).tofile('m.bin'); m = np.memmap('m.bin', dtype=float, mode='r', shape=(3, 2))",
    "sums = [float(m[k].sum()) for k in range(3)]\ndel m",
    None,
)
trap(
    "views: structured and masked",
    "import numpy as np; s = np.array([(1, 2.5, 'a'), (2, 3.5, 'b')], dtype=[('n', int), ('x', float), ('t', 'U1')]); m = np.ma.masked_greater(np.arange(4), 2)",
    "xs = [(r['n'], r['x'], str(r['t'])) for r in s]\nhidden = [m[k] is np.ma.masked for k in range(4)]",
    True,
)
trap(
    "views: objects in an array",
    "import numpy as np; inner = [1]; o = np.array([inner, None, 'x', inner], dtype=object)",
    "kinds = [type(x).__name__ for x in o]\nback = [x for x in o]",
    None,
    "back[0] is inner is back[3]",
)
trap(
    "views: a list of slices of one array",
    "import numpy as np; a = np.arange(12.0); parts = np.array_split(a, 5)",
    "sums = [float(p.sum()) for p in parts]\nsame = [p for p in parts]",
    True,
    "all(np.shares_memory(p, a) for p in same)",
)
trap(
    "views: memoryviews and bytearrays",
    "data = bytearray(range(8)); view = memoryview(data)",
    "sums = [sum(view[k:k + 2]) for k in range(0, 8, 2)]\nfor k in range(4):\n    data[k] = 0",
    None,
)

# --------------------------------------------------------------------------------------- randomness deep in the calls

trap(
    "random: two calls deep",
    "import random; random.seed(3)\ndef step(): return random.choice((-1, 1))\ndef walk(n): return sum(step() for _ in range(n))",
    "ends = [walk(20) for _ in range(5)]",
    False,
)
trap(
    "random: numpy's, in a method",
    "import numpy as np; np.random.seed(1)\nclass Sim:\n    def run(self): return float(np.random.normal())\nsim = Sim()",
    "r = [sim.run() for _ in range(4)]",
    False,
)
trap(
    "random: a Generator as default argument",
    "import numpy as np\ndef draw(k, rng=np.random.default_rng(5)): return float(rng.random()) + k",
    "r = [draw(k) for k in range(4)]",
    False,
)
trap(
    "random: a Generator in a dict",
    "import numpy as np; tools = {'rng': np.random.default_rng(5)}",
    "r = []\nfor k in range(4):\n    r.append(int(tools['rng'].integers(100)))",
    False,
)
trap(
    "random: pandas samples",
    "import numpy as np, pandas as pd; np.random.seed(4); s = pd.Series(range(9))",
    "r = [s.sample(2).tolist() for _ in range(3)]",
    False,
)
trap(
    "random: pandas samples with a state",
    "import pandas as pd; s = pd.Series(range(9))",
    "r = [s.sample(2, random_state=k).tolist() for k in range(3)]",
    True,
)
trap(
    "random: a generator made in each",
    "import random, numpy as np",
    "r = [(random.Random(k).random(), float(np.random.default_rng(k).random()), int(np.random.RandomState(k).randint(9))) for k in range(4)]",
    True,
)
trap(
    "random: uuid and secrets are fresh entropy",
    "import uuid, secrets",
    "sizes = [(len(str(uuid.uuid4())), len(secrets.token_hex(4))) for _ in range(3)]",
    True,
)
trap(
    "random: shuffles an item in place",
    "import random; random.seed(5); decks = [[1, 2, 3], [4, 5, 6]]",
    "for d in decks:\n    random.shuffle(d)",
    False,
)
trap(
    "random: drawn by a property",
    "import random; random.seed(9)\nclass Die:\n    @property\n    def roll(self): return random.randint(1, 6)\ndie = Die()",
    "rolls = [die.roll for _ in range(6)]",
    False,
)
trap(
    "random: drawn by an operator",
    "import random; random.seed(9)\nclass Noisy:\n    def __init__(self, v): self.v = v\n    def __add__(self, o): return self.v + o + random.random()\nn = Noisy(1)",
    "sums = [n + k for k in range(4)]",
    False,
)
trap(
    "random: a lambda in a dict of strategies",
    "import random; random.seed(9); ways = {'a': lambda k: random.random() * k, 'b': lambda k: k}",
    "r = [ways['a'](k) for k in range(4)]",
    False,
)
trap(
    "random: state read afterwards",
    "import random; random.seed(9)",
    "r = [random.Random(k).random() for k in range(3)]\nafter = random.random()",
    True,
)

# -------------------------------------------------------------------------------------------------------- memo, hooks

trap(
    "memo: functools.cache",
    "import functools\n@functools.cache\ndef slow(x): return x * x\nslow(3)",
    "r = [slow(x % 3) for x in range(6)]",
    False,
    "slow.cache_info()",
)
trap(
    "memo: a dict of the notebook",
    "memo = {}\ndef slow(x):\n    if x not in memo:\n        memo[x] = x * x\n    return memo[x]",
    "r = [slow(x % 3) for x in range(6)]",
    False,
    "list(memo)",
)
trap(
    "memo: a decorator of its own",
    "def memoise(f):\n    seen = {}\n    def inner(x):\n        if x not in seen:\n            seen[x] = f(x)\n        return seen[x]\n    inner.seen = seen\n    return inner\n@memoise\ndef slow(x): return x * x",
    "r = [slow(x % 3) for x in range(6)]",
    False,
    "slow.seen",
)
trap(
    "memo: try and except KeyError",
    "cache = {}\ndef slow(x):\n    try:\n        return cache[x]\n    except KeyError:\n        value = cache[x] = x + 1\n        return value",
    "r = [slow(x % 2) for x in range(5)]",
    False,
)
trap(
    "memo: setdefault and a default argument",
    "def slow(x, memo={}): return memo.setdefault(x, [x])",
    "r = [slow(x % 2) for x in range(5)]",
    False,
    "r[0] is r[2]",
)
trap(
    "memo: on the instance",
    "class T:\n    def __init__(self): self.memo = {}\n    def f(self, x):\n        if x not in self.memo: self.memo[x] = x * 2\n        return self.memo[x]\nt = T()",
    "r = [t.f(x % 3) for x in range(6)]",
    False,
    "t.memo",
)
trap(
    "hooks: a property counts",
    "class C:\n    def __init__(self): self.n = 0\n    @property\n    def value(self):\n        self.n += 1\n        return self.n\nc = C()",
    "r = [c.value for _ in range(4)]",
    False,
)
trap(
    "hooks: __getattr__ fills in",
    "class Lazy:\n    def __getattr__(self, name):\n        value = len(name)\n        setattr(self, name, value)\n        return value\nlazy = Lazy()",
    "r = [lazy.abc + k for k in range(3)]",
    False,
    "vars(lazy)",
)
trap(
    "hooks: __getattribute__ logs",
    "log = []\nclass Logged:\n    x = 1\n    def __getattribute__(self, name):\n        if name == 'x': log.append(name)\n        return object.__getattribute__(self, name)\no = Logged()",
    "r = [o.x for _ in range(3)]",
    False,
)
trap(
    "hooks: __hash__ counts",
    "class K:\n    asked = 0\n    def __init__(self, v): self.v = v\n    def __hash__(self):\n        K.asked += 1\n        return hash(self.v)\n    def __eq__(self, o): return self.v == o.v\nks = [K(v) for v in (1, 2, 1)]",
    "d = {k: k.v for k in ks}",
    False,
)
trap(
    "hooks: __eq__ logs",
    "log = []\nclass E:\n    def __init__(self, v): self.v = v\n    def __eq__(self, o):\n        log.append(self.v)\n        return self.v == o.v\n    __hash__ = None\nes = [E(v) for v in range(3)]",
    "r = [e == es[1] for e in es]",
    False,
)
trap(
    "hooks: __len__ and __bool__ change",
    "class B:\n    def __init__(self): self.n = 3\n    def __bool__(self):\n        self.n -= 1\n        return self.n > 0\nb = B()",
    "r = [1 if b else 0 for _ in range(4)]",
    False,
)
trap(
    "hooks: __contains__ learns",
    "class Learns:\n    def __init__(self): self.seen = []\n    def __contains__(self, x):\n        self.seen.append(x)\n        return self.seen.count(x) > 1\nl = Learns()",
    "r = [x in l for x in (1, 2, 1, 2)]",
    False,
)
trap(
    "hooks: __format__ and __str__ count",
    "class F:\n    n = 0\n    def __str__(self):\n        F.n += 1\n        return f'F{F.n}'\nf = F()",
    "texts = [f'{f} {k}' for k in range(3)]",
    False,
)
trap(
    "hooks: a descriptor stores on read",
    "class Count:\n    def __get__(self, o, owner=None):\n        o.__dict__['reads'] = o.__dict__.get('reads', 0) + 1\n        return 7\nclass H:\n    x = Count()\nh = H()",
    "r = [h.x for _ in range(3)]",
    False,
    "h.reads",
)
trap(
    "hooks: a pure descriptor",
    "class Unit:\n    def __set_name__(self, owner, name): self.name = '_' + name\n    def __get__(self, o, owner=None): return getattr(o, self.name) * 10\n    def __set__(self, o, v): setattr(o, self.name, v)\nclass H:\n    x = Unit()\n    def __init__(self, x): self.x = x\nhs = [H(k) for k in range(3)]",
    "r = [h.x for h in hs]",
    None,
)
trap(
    "hooks: a metaclass counts instances",
    "class Meta(type):\n    made = 0\n    def __call__(cls, *a):\n        Meta.made += 1\n        return super().__call__(*a)\nclass M(metaclass=Meta):\n    def __init__(self, v): self.v = v",
    "ms = [M(k) for k in range(3)]",
    False,
    "Meta.made",
)
trap(
    "hooks: a metaclass with a property",
    "class Meta(type):\n    @property\n    def size(cls):\n        cls._n = getattr(cls, '_n', 0) + 1\n        return cls._n\nclass M(metaclass=Meta): pass",
    "sizes = [M.size for _ in range(3)]",
    False,
)
trap(
    "hooks: __init_subclass__ registers",
    "registry = []\nclass Base:\n    def __init_subclass__(cls, **k): registry.append(cls.__name__)",
    "kinds = [type(f'K{n}', (Base,), {}).__name__ for n in range(3)]",
    False,
)
trap(
    "hooks: __call__ keeps a history",
    "class Model:\n    def __init__(self): self.history = []\n    def __call__(self, x):\n        self.history.append(x)\n        return 2 * x\nmodel = Model()",
    "r = [model(k) for k in range(3)]",
    False,
    "model.history",
)
trap(
    "hooks: pure operators of a class",
    "class V:\n    def __init__(self, x, y): self.x, self.y = x, y\n    def __add__(self, o): return V(self.x + o.x, self.y + o.y)\n    def __mul__(self, k): return V(self.x * k, self.y * k)\n    __rmul__ = __mul__\n    def __eq__(self, o): return (self.x, self.y) == (o.x, o.y)\n    def __hash__(self): return self.x * 31 + self.y\n    def __repr__(self): return f'V({self.x}, {self.y})'\nvs = [V(1, 2), V(3, 4)]; origin = V(0, 0)",
    "moved = [2 * v + origin for v in vs]\ntexts = [f'{v!r}' for v in vs]",
    True,
)
trap(
    "hooks: a context manager that counts",
    "import contextlib\nopened = []\n@contextlib.contextmanager\ndef block(n):\n    opened.append(n)\n    yield n\n    opened.append(-n)",
    "r = []\nfor k in range(3):\n    with block(k) as n:\n        y = n * 2\n    r.append(y)",
    False,
)
trap(
    "hooks: a context manager that is pure",
    "class Scale:\n    def __init__(self, k): self.k = k\n    def __enter__(self): return self.k * 10\n    def __exit__(self, *e): return False",
    "r = []\nfor k in range(3):\n    with Scale(k) as n:\n        y = n + 1\n    r.append(y)",
    True,
)
trap(
    "hooks: one that swallows",
    "import contextlib",
    "r = []\nfor k in range(4):\n    y = None\n    with contextlib.suppress(ZeroDivisionError):\n        y = 6 / (k - 2)\n    r.append(y)",
    True,
)
trap(
    "hooks: __iadd__ and __setitem__ of a class",
    "class Acc:\n    def __init__(self): self.d = {}\n    def __setitem__(self, k, v): self.d[k] = v + len(self.d)\nacc = Acc()",
    "for k in range(4):\n    acc[k] = k",
    False,
)
trap(
    "hooks: __del__ changes a global",
    "alive = [0]\nclass Res:\n    def __init__(self): alive[0] += 1\n    def __del__(self): alive[0] -= 1\n    def use(self): return alive[0]",
    "r = [Res().use() for _ in range(3)]",
    False,
)

# ------------------------------------------------------------------------------------------------ iterators, generators

trap(
    "iterators: a generator bound to a name, taken in part",
    "g = (k * k for k in range(8))",
    "out = []\nfor x in g:\n    if x > 10:\n        break\n    out.append(x)\nrest = list(g)",
    False,
)
trap(
    "iterators: a generator function with state",
    "def counter():\n    n = 0\n    while True:\n        got = yield n\n        n += got or 1\nc = counter(); next(c)",
    "r = [c.send(k + 1) for k in range(4)]",
    False,
    "next(c)",
)
trap("iterators: one iterator zipped with itself", "it = iter(range(8))", "pairs = [p for p in zip(it, it)]", False)
trap(
    "iterators: itertools.count as an id",
    "import itertools; ids = itertools.count(10)",
    "r = [(next(ids), k) for k in range(3)]",
    False,
    "next(ids)",
)
trap(
    "iterators: a lazy expression sees later names",
    "factor = 2",
    "lazy = (factor * k for k in range(3))\nfactor = 10\ngot = list(lazy)",
    None,
)
trap(
    "iterators: groupby with shared groups",
    "import itertools; data = [('a', 1), ('a', 2), ('b', 3)]",
    "sums = [(k, sum(v for _, v in g)) for k, g in itertools.groupby(data, lambda p: p[0])]",
    None,
)
trap(
    "iterators: tee and islice",
    "import itertools; one, two = itertools.tee(range(6))",
    "r = [a + b for a, b in zip(one, itertools.islice(two, 2, None))]\nleft = list(one), list(two)",
    None,
)
trap(
    "iterators: reversed, enumerate from and zip",
    "xs = [3, 1, 2]; ys = 'abc'",
    "r = [(n, x, y) for n, (x, y) in enumerate(zip(reversed(xs), ys), 5)]",
    True,
)
trap(
    "iterators: a queue that the body feeds",
    "from collections import deque; q = deque([1, 2])",
    "out = []\nwhile q:\n    x = q.popleft()\n    out.append(x)\n    if x < 5:\n        q.append(x + 2)",
    None,
)
trap(
    "iterators: an own iterable with side effects",
    "class Feed:\n    def __init__(self): self.given = 0\n    def __iter__(self):\n        for k in range(4):\n            self.given += 1\n            yield k\nfeed = Feed()",
    "seen = []\nfor k in feed:\n    seen.append((k, feed.given))",
    False,
)
trap("iterators: dict changed while it is looped over", "d = {'a': 1, 'b': 2}", "for k in d:\n    d[k + k] = 1", None)

# -------------------------------------------------------------------------------------------------------- IPython

trap("ipython: the last expression", "", "[k * k for k in range(4)]", True, "_")
trap("ipython: a silent last expression", "", "[k * k for k in range(4)];", True)
trap(
    "ipython: the last expression is a loop's name",
    "xs = [3, 1, 2]",
    "out = [x + 1 for x in xs]\nout",
    True,
    "_ is out",
)
trap(
    "ipython: Out and In are read",
    "_marker = 1",
    "got = [len(Out) >= k - 1 for k in range(2)]\nn = [len(In) > k for k in range(2)]",
    None,
)
trap(
    "ipython: a shell command in the cell",
    "",
    "names = [f'n{k}' for k in range(3)]\n!echo from the shell\nshown = !echo $names",
    True,
)
trap("ipython: a shell command in the loop", "", "for k in range(2):\n    !echo $k", False)
trap(
    "ipython: line magics",
    "",
    "r = [k + 1 for k in range(3)]\n%env OWN_MAGIC=1\n%time total = sum(k * k for k in range(4))",
    None,
)
trap("ipython: help in the cell", "", "r = [k + 1 for k in range(3)]\nlen?", None)
trap(
    "ipython: await in the cell",
    "import asyncio\nasync def later(x):\n    await asyncio.sleep(0)\n    return x",
    "a = await later(3)\nsquares = [k * a for k in range(4)]\nb = await later(sum(squares))\nb",
    None,
)
trap(
    "ipython: async for and await in the loop",
    "import asyncio\nasync def ticks():\n    for k in range(3):\n        await asyncio.sleep(0)\n        yield k",
    "out = []\nasync for k in ticks():\n    out.append(k)\nmore = [await asyncio.sleep(0, k) for k in range(3)]",
    None,
)
trap(
    "ipython: get_ipython in a helper",
    "def ip(): return get_ipython().__class__.__name__",
    "r = [ip() for _ in range(2)]",
    False,
)
trap(
    "ipython: docstring, annotations and a class",
    "",
    "'''what this cell does'''\nx: int = 3\nclass Box:\n    size: int = x\nsizes: list[int] = [Box.size + k for k in range(3)]",
    True,
)
trap(
    "ipython: an alias of the magic's name",
    "parallel = [1, 2]; mpnb = 'mine'",
    "r = [parallel[k] for k in range(2)]",
    True,
)
trap("ipython: an error in a cell with a last expression", "", "r = [1 // (2 - k) for k in range(4)]\nr", True)
trap(
    "ipython: __name__, __file__ and __doc__",
    "",
    "names = [(__name__, k) for k in range(2)]\nfiles = ['__file__' in dir() for k in range(1)]",
    None,
)

# ----------------------------------------------------------------------------------------------------------- pandas

trap(
    "pandas: a copy of a slice is set",
    "import pandas as pd, warnings; df = pd.DataFrame({'g': list('aabb'), 'v': [1, 2, 3, 4]})",
    "parts = []\nfor g in 'ab':\n    part = df[df.g == g]\n    part['w'] = part.v * 2\n    parts.append(part)",
    None,
)
trap(
    "pandas: rows written by position",
    "import pandas as pd; df = pd.DataFrame({'a': [1, 2, 3]}); df['b'] = 0.0",
    "for i in range(len(df)):\n    df.loc[i, 'b'] = df.loc[i, 'a'] * 1.5",
    None,
)
trap(
    "pandas: categories",
    "import pandas as pd; s = pd.Series(list('abca'), dtype='category')",
    "codes = [int(c) for c in s.cat.codes]\nkinds = [s[k:].cat.categories.tolist() for k in range(2)]\nparts = [s[:k] for k in (2, 3)]",
    True,
)
trap(
    "pandas: inplace on the items",
    "import pandas as pd; frames = [pd.DataFrame({'a': [k, None]}) for k in range(3)]",
    "for f in frames:\n    f.fillna(0, inplace=True)\n    f.rename(columns={'a': 'b'}, inplace=True)",
    False,
)
trap(
    "pandas: inplace on a copy",
    "import pandas as pd; frames = [pd.DataFrame({'a': [k, None]}) for k in range(3)]",
    "filled = []\nfor f in frames:\n    g = f.copy()\n    g.fillna(0, inplace=True)\n    filled.append(g)",
    None,
)
trap(
    "pandas: attrs and a name",
    "import pandas as pd; s = pd.Series([1, 2], name='own'); s.attrs['unit'] = 'm'",
    "scaled = [s * k for k in range(3)]",
    True,
    "[x.name for x in scaled], [x.attrs for x in scaled]",
)
trap(
    "pandas: dates and zones",
    "import pandas as pd; days = pd.date_range('2024-03-30', periods=3, tz='Europe/Berlin')",
    "shifted = [d + pd.Timedelta(hours=12) for d in days]\nnames = [d.day_name() for d in days]",
    True,
)
trap(
    "pandas: columns made one by one",
    "import pandas as pd; df = pd.DataFrame({'a': [1, 2]})",
    "for k in (2, 3):\n    df[f'a{k}'] = df['a'] ** k",
    None,
)
trap(
    "pandas: groups",
    "import pandas as pd; df = pd.DataFrame({'g': list('abab'), 'v': [1.0, 2.0, 3.0, 4.0]})",
    "means = {g: float(part.v.mean()) for g, part in df.groupby('g')}",
    None,
)
trap(
    "pandas: rows as tuples and series",
    "import pandas as pd; df = pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})",
    "tuples = [r.a * 2 for r in df.itertuples()]\nseries = [row['b'] for _, row in df.iterrows()]",
    None,
)
trap(
    "pandas: missing values",
    "import pandas as pd, numpy as np; s = pd.Series([1, None, 3], dtype='Int64'); vals = [pd.NA, pd.NaT, None, np.nan, 1]",
    "known = [pd.isna(v) for v in vals]\nsame = [v is pd.NA for v in vals]\nparts = [s[:k] for k in (1, 2)]",
    None,
)
trap(
    "pandas: apply with a counter",
    "import pandas as pd; calls = []\ndef f(x):\n    calls.append(x)\n    return x + 1\nss = [pd.Series([1, 2]), pd.Series([3])]",
    "out = [s.apply(f) for s in ss]",
    False,
)

trap(
    "pandas: apply to a column",
    "import pandas as pd\ndf = pd.DataFrame({'t': ['a b', 'c', 'd e f', ''], 'n': [4, 0, 2, 1]})\ndef count(text):\n    print('counting', repr(text))\n    return len(text.split())",
    "df['words'] = df['t'].apply(count)\ndf['twice'] = df.n.map(lambda n: n * 2)\ndf",
    True,
    "df.to_dict()",
    "str(df.dtypes.to_dict())",
)
trap(
    "pandas: apply to rows",
    "import pandas as pd\ndf = pd.DataFrame({'t': ['a', 'c', 'd', 'e'], 'n': [4, 0, 2, 1]}, index=list('kkml'))\ndef f(row, k, end='.'):\n    return f'{row.name}{row.t * row.n}{k}{end}'",
    "df['made'] = df.apply(f, axis=1, args=(7,), end='!')\nprint(df.made.tolist())",
    True,
    "df.to_dict('split')",
)
trap(
    "pandas: apply raises at a row",
    "import pandas as pd\ndf = pd.DataFrame({'n': [4, 3, 0, 1], 'm': [1.5, 2, 3, 4]})\ndef share(row):\n    print('at', row.name)\n    return 12 // int(row.n)",
    "before = 1\ndf['share'] = df.apply(share, axis=1)\nafter = 2",
    True,
    "list(df.columns)",
)
trap(
    "pandas: map raises and is caught",
    "import pandas as pd\ns = pd.Series(['4', '5', 'x', '6'])",
    "try:\n    n = s.map(int)\nexcept ValueError as error:\n    n = str(error)\nm = s.map(lambda t: t + '!', na_action='ignore')",
    True,
    "n",
    "m.tolist()",
)
trap(
    "pandas: apply that keeps its rows",
    "import pandas as pd\ndf = pd.DataFrame({'n': [4.0, 3, 0, 1], 'm': [1.5, 2, 3, 4]})",
    "r = df.apply(lambda row: [row], axis=1)\nt = [x[0].tolist() for x in r.tolist()[:0]], r.iloc[0][0] is r.iloc[3][0], r.iloc[0][0].tolist()",
    None,
    "t",
)
trap(
    "pandas: apply within a function that is called in a loop",
    "import pandas as pd\ns = pd.Series([1, 2, 3])\ndef f(k):\n    return s.apply(lambda v: v * k).tolist()",
    "r = []\nfor k in range(4):\n    r.append(f(k))\nt = s.map(lambda v: f(v)[0])",
    True,
    "r",
    "t.tolist()",
)

# ----------------------------------------------------------------------------------- items and objects that are changed

trap(
    "mutation: items sorted in place",
    "rows = [[3, 1], [2, 0], [9, 8]]; alias = rows[1]",
    "for r in rows:\n    r.sort()",
    False,
    "alias is rows[1]",
)
trap(
    "mutation: items sorted by a helper",
    "rows = [[3, 1], [2, 0]]\ndef tidy(r):\n    r.sort()\n    return r[0]",
    "firsts = [tidy(r) for r in rows]",
    False,
)
trap(
    "mutation: attributes of items in a method",
    "class P:\n    def __init__(self, v): self.v = v\n    def step(self): self.v += 1; return self.v\nps = [P(1), P(2)]",
    "r = [p.step() for p in ps]",
    False,
)
trap(
    "mutation: a private list through a method with a plain name",
    "class Bag:\n    def __init__(self): self.things = []\n    def total(self, x):\n        self.things += [x]\n        return sum(self.things)\nbag = Bag()",
    "totals = [bag.total(k) for k in range(4)]",
    False,
)
trap(
    "mutation: through a name bound in the helper",
    "state = {'log': []}\ndef f(x):\n    log = state['log']\n    log.append(x)\n    return len(log)",
    "r = [f(k) for k in range(4)]",
    False,
)
trap(
    "mutation: a dict taken apart with pop",
    "confs = [{'k': 1, 'x': 2}, {'k': 3}]",
    "ks = [c.pop('k') for c in confs]",
    False,
)
trap(
    "mutation: an exception's own list",
    "class Fail(Exception):\n    seen = []\n    def __init__(self, k):\n        self.seen.append(k)\n        super().__init__(k)",
    "r = []\nfor k in range(4):\n    try:\n        raise Fail(k)\n    except Fail as f:\n        r.append(len(f.seen))",
    False,
)
trap(
    "mutation: a copy of an item only",
    "import copy; rows = [{'a': [1]}, {'a': [2]}]",
    "out = []\nfor r in rows:\n    mine = copy.deepcopy(r)\n    mine['a'].append(0)\n    out.append(mine)",
    True,
)
trap(
    "mutation: a shallow copy of an item",
    "rows = [{'a': [1]}, {'a': [2]}]",
    "out = []\nfor r in rows:\n    mine = dict(r)\n    mine['a'].append(0)\n    out.append(mine)",
    False,
)
trap(
    "mutation: a matrix by a library function",
    "import numpy as np; ms = [np.array([[3.0, 1.0], [1.0, 2.0]]) for _ in range(2)]",
    "import scipy.linalg\nxs = [scipy.linalg.lu_factor(m, overwrite_a=True)[0].tolist() for m in ms]",
    None,
)
trap(
    "mutation: fitted models",
    "import numpy as np\nfrom sklearn.linear_model import LinearRegression\nmodel = LinearRegression(); X = np.array([[0.0], [1.0]])",
    "slopes = [float(model.fit(X, [0, k]).coef_[0]) for k in range(3)]",
    False,
    "float(model.coef_[0])",
)
trap(
    "mutation: global counter in a callback",
    "hits = 0\ndef hit(x):\n    global hits\n    hits += 1\n    return x\ndef each(f, xs): return [f(x) for x in xs]",
    "r = [each(hit, range(k)) for k in range(4)]",
    False,
)
trap(
    "mutation: nonlocal in a closure",
    "def make():\n    n = 0\n    def step(x):\n        nonlocal n\n        n += x\n        return n\n    return step\nstep = make()",
    "r = [step(k) for k in range(4)]",
    False,
)
trap(
    "mutation: an attribute of a function of a module",
    "import types; box = types.SimpleNamespace(n=0)\ndef f(x):\n    box.n = max(box.n, x)\n    return box.n",
    "r = [f(k) for k in (3, 1, 2)]",
    False,
)
trap(
    "mutation: a counter object",
    "from collections import Counter; counts = Counter()",
    "for w in 'a b a c a'.split():\n    counts[w] += 1",
    True,
    "list(counts.items())",
)
trap(
    "mutation: two accumulators that are one",
    "a = []; b = a",
    "for k in range(3):\n    a.append(k)\n    b.append(-k)",
    None,
)

# ------------------------------------------------------------------- what is read and set at the loop's own index

trap(
    "sliced: elements stay the notebook's own objects",
    "a = [1]; xs = [a, [2], a]; kept = []",
    "for i in range(3):\n    kept.append(xs[i])\n    xs[i] = (i, xs[i])",
    True,
    "kept[0] is a, kept[2] is a, xs[0][1] is a",
)
trap(
    "sliced: an error in the middle leaves what serial leaves",
    "xs = [4, 2, 0, 5]",
    "for i in range(4):\n    half = 8 // xs[i]\n    xs[i] = half\n    print(i, xs[i])",
    True,
)
trap(
    "sliced: what a later iteration reads was never set",
    "xs = list(range(40))",
    "for i in range(40):\n    xs[i] = xs[i] * 3 - 1\n    if xs[i] > 100:\n        break",
    True,
)
trap(
    "sliced: two names for one list",
    "xs = [1, 2, 3]; alias = {'xs': xs}",
    "for i in range(3):\n    xs[i] = xs[i] + len(alias['xs']) + alias['xs'][-1]",
    False,
)
trap(
    "sliced: a dict that is gone through while its values are set",
    "d = {k: ord(k) for k in 'edcba'}",
    "for k, v in d.items():\n    d[k] = d[k] * 2 + v",
    True,
    "list(d.items())",
)
trap(
    "sliced: rows of an array by one stride or the other",
    "import numpy as np; a = np.arange(1.0, 61.0).reshape(6, 10) ** 0.5; whole = a[:]",
    "for j in range(a.shape[1]):\n    a[:, j] = a[:, j] / np.sqrt((a[:, j] ** 2).sum())",
    True,
    "whole.tolist()",
)
trap(
    "sliced: a view of the array sees what is set",
    "import numpy as np; a = np.arange(6); tail = a[3:]",
    "for i in range(6):\n    a[i] = a[i] * 2\n    print(tail.sum())",
    False,
)
trap(
    "sliced: columns of a frame",
    "import pandas as pd; df = pd.DataFrame({'a': [1, 2], 'b': [0.5, 0.25], 'c': ['x', 'y']})",
    "for c in df.columns:\n    df[c] = df[c] * 2\n    print(c, df[c].dtype)",
    True,
    "df.to_dict()",
)
trap(
    "sliced: cells of a frame, rows by iterrows",
    "import pandas as pd; df = pd.DataFrame({'a': [1, 2, 3], 'b': [0.5, None, 0.25], 'c': ['x', 'y', 'z']})",
    "for i, row in df.iterrows():\n    if pd.isna(row['b']):\n        df.loc[i, 'b'] = row['a'] * 10",
    True,
    "df.to_dict()",
)
trap(
    "display: HTML and Markdown between prints",
    "from IPython.display import HTML, Markdown, display",
    "for n in range(4):\n    print('before', n)\n    display(HTML(f'<b>{n}</b>'), Markdown(f'*{n}*'))\n    print('after', n)",
    True,
)
trap(
    "sets of text made by the iterations have serial's order",
    "ws = ['apple pie', 'big sea', 'corn dog', 'x y z w v', 'one two six ten']",
    "sets = [set(w.split()) | set(w) for w in ws]\norders = [list(s) for s in sets]",
    False,
)
