"""A seed and a number in, a random cell out: the same one every time. Writes text, runs nothing.

A cell comes with a set-up cell: names (lists, dicts, arrays, objects, some of them aliases of one another) and helpers,
some with a state of their own that is hidden one or more calls deep. The cell has one to three loops or comprehensions,
at the top or inside `if`, `with`, `try` or a serial `for`, with effects, temporaries, branches, inner loops, `break`,
prints and now and then an error; and statements around them that look at what they left. Most of it is valid Python
that an ordinary cell could have; what of it may be split is what is asked.
"""

from __future__ import annotations

import random
import textwrap
from typing import Final

SETUP: Final = """
import collections, contextlib, copy, dataclasses, decimal, enum, fractions, functools, heapq, io, itertools, math
import operator, os, random, sys, types, warnings
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
import numpy as np
class Box:
    made = 0
    def __init__(self, v): self.v = v; self.kept = []
    def get(self): return self.v
    def put(self, x): self.kept.append(x); return self
    def bump(self): self.v += 1; return self.v
    def total(self): return self.v + sum(k for k in self.kept if isinstance(k, int))
    def __eq__(self, other): return isinstance(other, Box) and self.v == other.v
    def __hash__(self): return hash(self.v)
    def __repr__(self): return f'Box({self.v})'
    def __add__(self, other): return Box(self.v + (other.v if isinstance(other, Box) else other))
    @property
    def double(self): return self.v * 2
class Count(Box):
    def __init__(self, v):
        super().__init__(v)
        Count.made += 1
@dataclasses.dataclass
class Point:
    x: object
    y: object = 0
    seen: list = dataclasses.field(default_factory=list)
    def moved(self, d): return dataclasses.replace(self, y=self.y + d)
Pair = namedtuple('Pair', 'left right')
class Colour(enum.Enum):
    RED = 1
    BLUE = 2
class Odd(Exception):
    pass
xs = [3, 1, 4, 1, 5, 9, 2, 6]
words = ['a', 'bb', 'ccc', 'dd', 'e']
names = set(['anna', 'bob', 'carl', 'dora', 'emil'])  # a literal's order hangs on which strings were met before
rows = [[1, 2], [3, 4], [5, 6], [7, 8]]
boxes = [Box(1), Box(2), Box(3)]
pairs = [(1, 'x'), (2, 'y'), (3, 'x')]
points = [Point(1), Point(2, 5), Point('p')]
table = {'a': [1], 'b': [2], 'ccc': [3]}
mixed = [1, 'two', 3.0, None, (4,), [5], float('nan')]
grid = np.arange(12.0).reshape(4, 3)
ints = np.array([3, 1, 2, 5], dtype=np.int16)
out, out2, log, queue = [], [], [], deque([0], maxlen=6)
found, seen, ordered = {}, set(), OrderedDict()
counts, groups, nested = Counter(), defaultdict(list), [0] * 10
total, text, peak, low, frac, data, some = 0, '', 0, 1e3, fractions.Fraction(1, 3), b'', ()
acc, cells, column = np.zeros(3), np.zeros((10, 3)), np.zeros(8, dtype=np.float32)
shared, box, holder = [0], Box(10), {'o': None}
def pure(x): return x * 2 + 1 if isinstance(x, (int, float)) else (x, x)
def deep(x): return [pure(x), {'k': x}]
def local(x):
    made = []
    for k in range(3): made.append((k, x))
    made.sort(key=str)
    return made
def keep(x, into=None):
    into = [] if into is None else into
    into.append(x)
    return into
def make(x):
    b = Box(x)
    b.put(x)
    return b
def same(x): return x
def first(x): return x[0] if isinstance(x, (list, tuple, str)) and len(x) else x
def rec(n): return 0 if not isinstance(n, int) or n <= 0 else n + rec(n - 1)
def loud(x):
    print('loud', x)
    return x
def fails(x):
    if x in (4, 'ccc'): raise ValueError(x)
    return x
def tries(x):
    try:
        return 12 / (x - 4)
    except (ZeroDivisionError, TypeError) as e:
        return type(e).__name__
    finally:
        print('tried', end=';')
def gen(x):
    for k in range(2):
        yield (k, x)
def uses_gen(x): return list(gen(x))
def closure(x):
    n = [0]
    def add(y):
        n[0] += 1
        return (n[0], y)
    return [add(x), add(x)]
def counter(x):
    n = 0
    def bump():
        nonlocal n
        n += 1
        return n
    bump()
    return bump()
def point(x): return Point(x).moved(2)
def pair(x): return Pair(x, str(x))
def colour(x): return Colour.RED if len(str(x)) == 1 else Colour.BLUE
def own_dice(x): return random.Random(len(str(x))).random()
def own_rng(x): return np.random.default_rng(len(str(x))).integers(10)
def vector(x): return np.full(2, len(str(x)), dtype=np.float32)
def row(x): return grid[len(str(x)) % 4]
def unique(x): return sorted(set(str(x)))
def memo_inside(x):
    cache = {}
    for k in (1, 2, 1):
        if k not in cache: cache[k] = (k, x)
    return list(cache.values())
def kwargs(x, *rest, scale=1, **more): return (x, rest, scale, sorted(more))
def money(x): return decimal.Decimal(len(str(x))) / 3
def warns(x):
    warnings.warn(f'beware {x}')
    return x
def err(x):
    print('e', x, file=sys.stderr)
    return x
def len_(x): return len(str(x))
@contextlib.contextmanager
def entered(x):
    yield [x]
def with_it(x):
    with entered(x) as made: made.append(1)
    return made
twice = functools.partial(kwargs, scale=2)
"""

PURE: Final = (
    "pure deep local keep make same first rec str repr len_ loud fails tries uses_gen closure counter point pair colour "
    "own_dice own_rng vector row unique memo_inside kwargs money warns err with_it twice"
).split()

#: Helpers with a state that outlives the call, or with an order of their own; each is called as `name(x)`.
HIDDEN: Final = {
    "note": "def note(x):\n    log.append(x)\n    return len(log)",
    "remember": "def remember(x, cache={}):\n    cache[str(x)] = len(cache)\n    return cache[str(x)]",
    "glob": "tally = 0\ndef glob(x):\n    global tally\n    tally += 1\n    return tally",
    "glob2": "tally2 = 0\ndef set_it():\n    global tally2\n    tally2 = tally2 + 1\ndef glob2(x):\n    set_it()\n    return 0",
    "into": "def into(x):\n    keep(x, shared)\n    return len(shared)",
    "attr": "def attr(x):\n    attr.n = getattr(attr, 'n', 0) + 1\n    return attr.n",
    "alias": "def alias(x):\n    here = shared\n    here.append(x)\n    return len(here)",
    "viaself": "def viaself(x): return box.bump()",
    "reads": "def reads(x): return len(out)",
    "readsloop": "i = 0\ndef readsloop(x): return i",
    "readstotal": "def readstotal(x): return (total, text)",
    "counted": "def counted(x): return Count(x).made",
    "late": "def late(x): return [f(x) for f in (pure, same)]",
    "grouped": "def grouped(x): return len(groups[str(x)])",
    "closed": "def maker():\n    n = [0]\n    def closed(x):\n        n[0] += 1\n        return n[0]\n    return closed\nclosed = maker()",
    "nonlocal_": "def maker2():\n    n = 0\n    def inner(x):\n        nonlocal n\n        n += 1\n        return n\n    return inner\nnonlocal_ = maker2()",
    "returns": "def the_list(): return shared\ndef returns(x):\n    the_list().append(x)\n    return len(shared)",
    "arr": "def arr(x):\n    a = acc\n    a[0] = a[0] + 1\n    return float(a[0])",
    "addat": "def addat(x):\n    np.add.at(acc, [0], 1)\n    return float(acc[0])",
    "addout": "def addout(x):\n    np.add(acc, 1, out=acc)\n    return 0",
    "viewed": "view_ = cells[1]\ndef viewed(x):\n    view_[0] += 1\n    return float(view_[0])",
    "memo": "known = {}\ndef memo(x):\n    if str(x) not in known: known[str(x)] = len(known)\n    return known[str(x)]",
    "cached": "@functools.lru_cache(maxsize=None)\ndef cached_(k): return len(k)\ndef cached(x): return cached_(str(x))",
    "decorated": "calls = []\ndef counting(f):\n    def inner(*a):\n        calls.append(f.__name__)\n        return f(*a)\n    return inner\n@counting\ndef decorated(x): return len(str(x))",
    "wrapped": "def counts_itself(f):\n    @functools.wraps(f)\n    def inner(*a):\n        inner.n = getattr(inner, 'n', 0) + 1\n        return inner.n\n    return inner\n@counts_itself\ndef wrapped(x): return x",
    "prop": "class Peek:\n    looks = 0\n    @property\n    def v(self):\n        Peek.looks += 1\n        return Peek.looks\npeek = Peek()\ndef prop(x): return peek.v",
    "added": "class Adds:\n    n = 0\n    def __add__(self, other):\n        self.n += 1\n        return self.n\nadds = Adds()\ndef added(x): return adds + 1",
    "equal": "class Equals:\n    n = 0\n    def __eq__(self, other):\n        Equals.n += 1\n        return True\nequals = Equals()\ndef equal(x): return equals == x",
    "truth": "class Truth:\n    def __init__(self): self.n = 0\n    def __bool__(self):\n        self.n += 1\n        return self.n % 2 == 0\ntruth_ = Truth()\ndef truth(x): return 1 if truth_ else 2",
    "contains": "class Holds:\n    def __init__(self): self.asked = []\n    def __contains__(self, k):\n        self.asked.append(k)\n        return len(self.asked) > 2\nholds = Holds()\ndef contains(x): return x in holds",
    "getitem": "class Gets:\n    def __init__(self): self.n = 0\n    def __getitem__(self, k):\n        self.n += 1\n        return (self.n, k)\ngets = Gets()\ndef getitem(x): return gets[x]",
    "called": "class Calls:\n    def __init__(self): self.n = 0\n    def __call__(self, x):\n        self.n += 1\n        return self.n\ncalled = Calls()",
    "iterated": "class Iterates:\n    def __init__(self): self.n = 0\n    def __iter__(self):\n        self.n += 1\n        return iter([self.n])\nits = Iterates()\ndef iterated(x): return [k for k in its]",
    "shown": "class Shows:\n    n = 0\n    def __format__(self, spec):\n        Shows.n += 1\n        return str(Shows.n)\nshows = Shows()\ndef shown(x): return f'{shows}'",
    "getattr_": "class Finds:\n    def __init__(self): self.asked = []\n    def __getattr__(self, name):\n        if name.startswith('_'): raise AttributeError(name)\n        self.asked.append(name)\n        return len(self.asked)\nfinds = Finds()\ndef getattr_(x): return finds.something",
    "drawn": "def draw(): return random.random()\ndef drawn(x): return draw()",
    "drawn3": "def draw1(): return np.random.rand()\ndef draw2(): return draw1() + 1\ndef drawn3(x): return draw2()",
    "dealt": "dice = random.Random(3)\ndef dealt(x): return dice.random()",
    "genned": "rng = np.random.default_rng(5)\ndef genned(x): return float(rng.normal())",
    "shuffled": "deck = [1, 2, 3, 4]\ndef shuffled(x):\n    random.shuffle(deck)\n    return list(deck)",
    "sampled": "def sampled(x): return random.choice(words)",
    "stepped": "steps = itertools.count()\ndef stepped(x): return next(steps)",
    "ticket": "tickets = (n for n in range(100))\ndef ticket(x): return next(tickets)",
    "popped": "stack = list(range(30))\ndef popped(x): return stack.pop()",
    "setted": "def setted(x):\n    setattr(box, 'v', box.v + 1)\n    return box.v",
    "globbed": "def globbed(x):\n    globals()['by_name'] = globals().get('by_name', 0) + 1\n    return by_name",
    "pushed": "push = log.append\ndef pushed(x):\n    push(x)\n    return len(log)",
    "partialed": "partialed = functools.partial(keep, into=shared)",
    "keyed": "def note_key(x):\n    log.append(x)\n    return str(x)\ndef keyed(x): return sorted([x, x], key=note_key)",
    "mapped": "def mapped(x): return list(map(log.append, [x]))",
    "modstate": "mod = types.ModuleType('mod')\nmod.n = 0\ndef modstate(x):\n    mod.n += 1\n    return mod.n",
    "environ": "def environ(x):\n    os.environ['MPNB_N'] = str(int(os.environ.get('MPNB_N', 0)) + 1)\n    return os.environ['MPNB_N']",
    "classattr": "def classattr(x):\n    type(box).made += 1\n    return Box.made",
    "classm": "class Counts:\n    n = 0\n    kept = []\n    @classmethod\n    def up(cls):\n        cls.n += 1\n        return cls.n\n    def add(self, x):\n        self.kept.append(x)\n        return len(self.kept)\ndef classm(x): return Counts.up()\ndef classlist(x): return Counts().add(x)",
    "inherited": "class Logs(Box):\n    def get(self):\n        log.append('got')\n        return super().get()\nlogs = Logs(1)\ndef inherited(x): return logs.get()",
    "factory": "numbers = []\ndef next_number():\n    numbers.append(len(numbers))\n    return numbers[-1]\n@dataclasses.dataclass\nclass Numbered:\n    n: int = dataclasses.field(default_factory=next_number)\ndef factory(x): return Numbered().n",
    "defaulted": "def defaulted(x, past=set()):\n    past.add(str(x))\n    return len(past)",
    "kwonly": "def kwonly(x, *, past=[]):\n    past.append(x)\n    return len(past)",
    "star": "def star(*given):\n    shared.extend(given)\n    return len(shared)",
    "rec_state": "def rec_state(x, n=2):\n    if n == 0:\n        shared.append(x)\n        return len(shared)\n    return rec_state(x, n - 1)",
    "lambda_": "lambda_ = lambda x: log.append(x) or len(log)",
    "keyset": "def keyset(x):\n    table['n'] = [len(table.get('n', [])) + 1]\n    return table['n']",
    "ctx": "@contextlib.contextmanager\ndef logged(x):\n    log.append(x)\n    yield x\ndef ctx(x):\n    with logged(x) as y: return y",
    "descr": "class Reads:\n    def __init__(self): self.n = 0\n    def __get__(self, obj, owner):\n        self.n += 1\n        return self.n\nclass HasReads:\n    v = Reads()\nhas = HasReads()\ndef descr(x): return has.v",
    "cachedprop": "class Slow:\n    @functools.cached_property\n    def v(self):\n        log.append('made')\n        return len(log)\nslow = Slow()\ndef cachedprop(x): return slow.v",
    "decimaled": "def decimaled(x):\n    decimal.getcontext().prec += 1\n    return decimal.Decimal(1) / 3",
    "setorder": "def setorder(x): return ''.join(names)",
    "setlist": "def setlist(x): return list(names | {str(x)})",
    "setpop": "def setpop(x): return {'p', 'q', str(x)}.pop()",
    "setrepr": "def setrepr(x): return str({'p', 'q', 'r', str(x)})",
    "setmax": "def setmax(x): return max(names, key=len)",
    "hashing": "def hashing(x): return hash('abc') % 7",
    "buffer": "buffer_ = io.StringIO()\ndef buffer(x): return buffer_.write(str(x))",
    "queued": "recent = deque(maxlen=2)\ndef queued(x):\n    recent.append(x)\n    return list(recent)",
    "heaped": "heap = [5, 6, 7]\ndef heaped(x):\n    heapq.heappush(heap, len(str(x)))\n    return heap[0]",
    "appended": "def appended(x):\n    with open('a.txt', 'a') as f: f.write(str(x))\n    return 1",
    "delled": "victims = list(range(30))\ndef delled(x):\n    del victims[0]\n    return len(victims)",
    "augged": "def augged(x):\n    mine = shared\n    mine += [x]\n    return len(mine)",
    "nested_def": "def nested_def(x):\n    def inner(): shared.append(x)\n    inner()\n    return len(shared)",
    "given": "def given_(f, x): return f(x)\ndef given(x): return given_(shared.append, x)",
    "methodcalled": "adder = operator.methodcaller('append', 1)\ndef methodcalled(x):\n    adder(shared)\n    return len(shared)",
    "swallowed": "def swallowed(x):\n    try: shared.append(x)\n    finally: pass\n    return 0",
    "identity": "big = 10 ** 9\ndef identity(x): return x is big or x is words[0]",
}  # fmt: skip

ALIASES: Final = (
    "out2 = out", "log = out", "shared = log", "table['a'] = shared", "rows[1] = rows[0]", "boxes[0].kept = out",
    "box.kept = log", "acc = cells[0]", "rows.append(out)", "found = table", "boxes.append(boxes[0])", "grid = cells[:4]",
    "holder['o'] = out", "holder['o'] = found", "holder = found", "rows = [out, [3, 4]]", "table = groups", "xs = out2; xs += [1, 2, 3]",
    "column = cells[:8, 1]", "acc = grid[2]", "boxes[1].v = seen", "points[0].seen = out", "def same(x, o=out): return (x, len(o))",
    "def pure(x): return (x, len(holder['o'] or ()))\nholder['o'] = out", "twice = functools.partial(kwargs, out)", "queue = deque(xs)",
    "pairs = [(1, out), (2, 'y')]", "table['b'] = table", "shared = [shared]", "grid = grid.T", "cells = cells[:, ::-1]",
    "words = ('a', 'bb', 'ccc')", "nested = rows[0]", "out = rows[2]", "seen = names", "counts = Counter('aab')", "grid = np.asfortranarray(grid)",
    "box = boxes[2]", "mixed.append(box)", "total = True", "acc = np.zeros(3, dtype=int)", "acc = acc[::-1]", "ints = ints[::2]",
)  # fmt: skip


#: What is set and read at the loop's own index, and what a loop with such an index runs over.
SLICED: Final = {
    "xs": "range(len(xs))|enumerate(xs)|range(8)|[0, 2, 1, 5]|[4, 1, 4]|range(-3, 2)|ints|reversed(range(6))|zip(range(5), words)",
    "rows": "range(len(rows))|enumerate(rows)|range(4)|[3, 1, 2]|range(3)",
    "nested": "range(10)|range(2, 7)|enumerate(xs)|xs|zip(range(5), words)",
    "grid": "range(4)|range(len(grid))|range(grid.shape[0])|enumerate(grid)|[2, 0, 2]|range(3)",
    "column": "range(8)|enumerate(column)|range(column.size)|zip(range(5), words)",
    "cells": "range(10)|range(len(cells))|enumerate(cells)",
    "table": "table|table.items()|list(table)|['ccc', 'a']|table.keys()|words",
    "found": "words|xs|enumerate(words)|'text'",
    "boxes": "range(3)|enumerate(boxes)",
}


#: Where a cell that writes files does so: places of its own for each iteration, one for all, and other names of those.
FILES: Final = (
    "f'f{len_({v})}.txt'", "f'f{str({v})[:2]}.txt'.replace('/', '_')", "'one.txt'", "'f1.txt'", "'./d/../f1.txt'", "os.path.abspath('one.txt')",
    "f'd/{len_({v})}'", "'d/x'", "'link'", "'hard'", "'old.txt'", "'e/new'", "f'e/{len_({v})}/x'", "Path('d', 'x')", "b'one.txt'", "'none/x'",
)  # fmt: skip
FILES_SETUP: Final = """
import glob, json, shutil
from pathlib import Path
os.mkdir('d')
for name in ('old.txt', 'd/x', 'f1.txt'):
    Path(name).write_text('1')
os.symlink('old.txt', 'link')
os.link('old.txt', 'hard')
def save(path, x):
    with open(path, 'w') as file:
        print(str(x), file=file)
    return len(str(x))
def load(path):
    try:
        with open(path) as file: return file.read()
    except OSError as error: return type(error).__name__
def sure(path):
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    return path
"""
#: What is done there: `{p}` and `{q}` are two of those places, `{v}` is the loop variable, `{e}` an expression.
FILING: Final = (
    *["save({p}, {e})"] * 4, "with open({p}, 'w') as file:\n    file.write(str({v}))\n    print({v}, 'x', file=file)", "Path(os.fsdecode({p})).write_text(str({v}))",
    "open({p}, 'wb').write(b'%d' % len_({v}))", "with open({p}, 'w') as file:\n    file.write('a' * 3)\n    t = 1 / (len_({v}) - 2)\n    file.write('b')",
    "os.makedirs({p}, exist_ok=True)", "save(sure('e/new'), {v})", "os.makedirs(f'e/{{len_({v})}}', exist_ok=True)", "if not os.path.exists('e'): os.mkdir('e')",
    "if os.path.exists({p}): out.append({v})", "out.append(load({p}))", "print(load({p}))", "t = load({p})\nsave({q}, t)", "out.append(sorted(os.listdir('d')))",
    "print(len(os.listdir()))", "out.append(sorted(glob.glob('*.txt')))", "print(sum(len(files) for _, _, files in os.walk('.')))", "out.append(os.path.isdir('e'))",
    "try:\n    with open({p}, 'x') as file: file.write(str({v}))\nexcept FileExistsError:\n    print('there')", "shutil.copy({p}, {q})", "out.append(os.path.getsize({p}))",
    "file = open({p}, 'w')\nfile.write(str({v}))", "file = open({p}, 'w')\nfile.write(str({v}))\nfile.close()", "np.save('a.npy', np.arange(len_({v})))", "with open({p}, 'a') as file: file.write('+')",
    "with open({p}) as one, open({q}, 'w') as two: two.write(one.read() + str({v}))", "json.dump([len_({v})], open({p}, 'w'))", "with open({p}, 'w+') as file:\n    file.write('abc')\n    file.seek(1)\n    print(file.read())",
    "os.remove({p})", "os.rename({p}, {q})", "out.append(open({p}, 'w'))", "gen = (save(name, {v}) for name in [{p}, {q}])\ntotal += next(gen)",
)  # fmt: skip
#: What a loop that writes files runs over, besides the usual.
FILED_OVER: Final = (
    "os.listdir('.')", "sorted(os.listdir('d'))", "Path('d').iterdir()", "sorted(Path('.').rglob('*'))", "Path('.').rglob('*')", "os.walk('.')",
    "map(os.path.exists, ['one.txt', 'f1.txt', 'd/x'])", "glob.iglob('**', recursive=True)", "map(load, ['one.txt', 'old.txt', 'd/x'])", "open('old.txt')",
)  # fmt: skip


class Writer:
    """Writes one cell from a seed and a number.

    `focus`: helpers of `HIDDEN` that it uses, `aliases` that it has, loops that are `sliced`, or that write `files`; every
    seventh cell has some of either.
    """

    def __init__(self, seed: int, number: int, focus: tuple[str, ...] = ()) -> None:
        self.random = random.Random(f"{seed}/{number}")
        self.focus = focus
        self.hidden: list[str] = []
        self.temporaries: list[str] = []
        self.results: list[str] = []  # of the sites before
        self.iterators: list[str] = []
        self.variable = "i"
        self.others: list[str] = []
        self.has_sliced = "sliced" in focus or number % 7 == 3
        self.has_files = "files" in focus or number % 7 == 5
        self.sliced = ""  # what the loop reads and sets at its own index

    def one(self, *choices: str) -> str:
        return self.random.choice(choices)

    def chance(self, part: float) -> bool:
        return self.random.random() < part

    def write(self) -> tuple[str, str]:
        """The set-up cell and the cell."""
        setup = [SETUP + FILES_SETUP if self.has_files else SETUP]
        aliases = 3 if "aliases" in self.focus else self.random.choice([0, 0, 0, 0, 1, 1, 2])
        setup += [self.one(*ALIASES) for _ in range(aliases)]
        wanted = sorted(HIDDEN.keys() & set(self.focus))
        if wanted or self.chance(0.3):
            among = wanted or sorted(HIDDEN)
            self.hidden = self.random.sample(among, min(len(among), self.random.choice([1, 1, 2])))
            setup += [HIDDEN[name] for name in self.hidden]
        if self.chance(0.15):
            setup.append(
                self.one(
                    "t = 'old'", "u = [0]", "i = 7", "total = 0.5", "total = np.float32(0.1)", "w = out", "k = 'k'"
                )
            )
        statements = []
        for number in range(self.random.choice([1, 1, 1, 1, 2, 2, 3])):
            if self.chance(0.12):
                self.iterators.append("it")
                setup.append(
                    "it = " + self.one("iter(xs)", "(pure(k) for k in words)", "enumerate(xs)", "zip(xs, words)")
                )
            statements.append(self.around(self.site(f"r{number or ''}")))
            if self.chance(0.3):
                statements.append(self.afterwards())
        return "\n".join(setup), "\n".join(statements)

    # -- around sites ------------------------------------------------------------------------------------------------

    def around(self, site: str) -> str:
        """The place of a site in its cell."""
        inner = textwrap.indent(site, "    ")
        kind = self.random.random()
        if kind < 0.74:
            return site
        if kind < 0.79:
            return f"if {self.one('xs', 'total == 0', 'True')}:\n{inner}"
        if kind < 0.87:
            handler = self.one("Exception as e", "(ValueError, TypeError) as e", "ArithmeticError as e")
            ending = self.one("", "\nelse:\n    print('fine')", "\nfinally:\n    print('finally', len(out))")
            return f"try:\n{inner}\nexcept {handler}:\n    caught = repr(e)" + ending
        if kind < 0.91:
            return f"with contextlib.suppress({self.one('ValueError', 'Exception')}):\n{inner}"
        if kind < 0.97:
            return f"for rnd in range({self.one('2', '3')}):\n{inner}"
        return f"try:\n{inner}\nfinally:\n    out2.append(len(out))"

    def afterwards(self) -> str:
        """What other code does with what a site left behind."""
        choices = ["out.append('after')", "print(total, text)", "last = i if 'i' in globals() else None", "total += 1",
                   "found['after'] = len(found)", "snapshot = list(out)", "acc *= 2", "xs.append(7)", "print(len(seen))"]  # fmt: skip
        choices += [f"kept_{name} = {name}" for name in self.temporaries]
        choices += [f"{name}.append(1)" for name in self.temporaries if self.chance(0.3)]
        for name in self.results:
            choices += [
                f"print({name})",
                f"again = list({name})",
                f"{name}_first = {name}[0]",
                f"{name}[0].append('x')",
            ]
        choices += [f"left = list({name})" for name in self.iterators for _ in range(6)]
        return self.one(*choices)

    # -- expressions -------------------------------------------------------------------------------------------------

    def iterable(self) -> str:
        if self.iterators and self.chance(0.5):
            return self.one("it", "it", "zip(it, words)", "enumerate(it)", "itertools.islice(it, 3)")
        if self.results and self.chance(0.4):
            return self.one(*self.results)
        if self.chance(0.45):
            return self.one(
                "xs", "xs", "range(7)", "range(7)", "words", "rows", "boxes", "points", "enumerate(xs)", "ints"
            )
        return self.one(
            "range(1, 9, 2)", "table", "list(table.items())", "table.items()", "range(len(xs))", "zip(words, xs)", "mixed",
            "table.values()", "grid", "sorted(words)", "reversed(xs)", "{3, 1, 2}", "'text'", "zip(xs, xs)", "deque(xs)",
            "enumerate(words)", "pairs", "[x for x in xs]", "out[:4]", "np.arange(5)", "iter(xs)", "(x for x in xs)", "xs[::-1]",
            "set(words)", "[[k] for k in range(5)]", "[box, box, Box(2)]", "names", "sorted(names)", "enumerate(words, 1)",
            "itertools.chain(xs, words)", "itertools.product(words, [1, 2])", "grid.T", "found", "[[1, [2]], [3, [4]]]", "()",
            "[(k, [k], (k, k)) for k in range(4)]", "range(0)", "Counter('abca').items()", "map(pure, xs)", "counts", "[xs, xs, words]",
            "reversed(list(enumerate(words)))", "uses_gen(2)", "gen(3)", "[out, log]", "np.ones((3, 2), dtype=np.int8)", "dict(table)",
            "[1.5, float('nan'), -0.0, float('inf')]", "[True, 1, 1.0]", "[Colour.RED, Colour.BLUE]", "list(names)", "zip(grid, words)",
        )  # fmt: skip

    def atom(self) -> str:
        if self.sliced and self.chance(0.25):
            return f"{self.sliced}[{self.variable}]"
        mine = [self.variable] * 6 + self.others * 3 + self.temporaries * 2
        if self.chance(0.93):
            return self.one(
                *mine, *mine, "1", "2.5", "'s'", "len(words)", "xs", "rows", "table", "box", "grid", "None", "mixed", "points",
                "-0.0", "(1, 2)", "Colour.RED", "float('nan')", "ints", "1j",
            )  # fmt: skip
        return self.one(
            "len(out)", "box.v", "box.double", "seen", "acc", "rows[0]", "table['a']", "total", "shared", "out", "holder",
            "names", "frac", "some", "queue", "column", "cells[0]", "counts['a']", "random.random()", "np.random.rand()",
            "list(names)", "next(iter(names))", "len(holder['o'] or ())", "*xs", "sys.getrecursionlimit()",
        ).replace("*xs", "xs[0]")  # fmt: skip

    def call(self, depth: int) -> str:
        name = self.one(*PURE, *self.hidden * 6)
        return f"{name}({self.expression(depth + 1)})"

    def expression(self, depth: int = 0) -> str:
        if self.hidden and depth == 0 and self.chance(0.6 if self.focus else 0.3):
            return f"{self.one(*self.hidden)}({self.expression(1)})"
        if depth > 2 or self.chance(0.35):
            return self.atom()
        inner, v = self.expression(depth + 1), self.variable
        return self.one(
            *[self.call(depth) for _ in range(6)],
            f"[{inner}, {self.atom()}]", f"({inner},)", f"{{'k': {inner}}}", "[k for k in range(3)]", f"[{v}] * 2", f"str({inner})",
            f"f'{{{v}}}'", f"[y for y in [{inner}]]", f"({inner} if {self.condition()} else {self.atom()})", "box.get()", "box.total()",
            "Box(1).put(2).v", f"isinstance({inner}, int)", "grid[1]", "grid.sum()", f"sorted([{v}, {v}])", f"make({self.atom()}).put({self.atom()})",
            f"{v} is {self.one('xs', 'box', 'rows[0]', 'None', 'boxes[0]')}", "sum([1, 2])", f"max([{v}, {v}])", "next(iter(rows))",
            "list(table.values())[0]", f"keep({inner}, [1])", f"keep({inner}, [{self.atom()}])[0]", "same(rows)[0]", f"same({inner})",
            "dict(table)", "np.zeros(3)", "list(rows)", f"len_({v}) / ({self.random.randint(1, 5)} - len_({v}))", "grid[:, 0]", "grid[1:3]",
            f"[same(y) for y in {self.one('rows', 'xs', 'words')} if y]", f"{{y: {self.atom()} for y in range(2)}}", f"{{str(y) for y in [{v}]}}",
            f"sum(len_(y) for y in [{inner}, {v}])", f"(lambda y: [y, {self.atom()}])({inner})", f"list(map(same, [{inner}]))", f"[*[{v}], {self.atom()}]",
            f"''.join(sorted(str({v})))", f"{{**table, 'z': {inner}}}", f"np.array([len_({v}), 2.5]) * 0.1", "grid @ np.ones(3)", f"ints[{self.one('0', '1:', '::-1')}]",
            f"functools.reduce(operator.add, [len_({v}), 1])", f"Pair({inner}, {v}).left", f"Point({inner})", f"copy.copy({self.atom()})", "[[]] * 2",
            f"(w := {inner})" if self.chance(0.2) else f"({inner})", f"'%s' % ({v},)", f"len_({v}) * 0.1 + 0.2", f"any(len_(y) > 1 for y in [{v}])",
            f"sorted({{len_({v}), 2, 1}})", f"sorted([{v}], key=str)", f"dict(a={inner})", f"tuple([{inner}])", f"list(zip([{v}], words))",
        )  # fmt: skip

    def condition(self) -> str:
        v = self.variable
        return self.one(
            f"{v} in (1, 'bb', 3)", f"isinstance({v}, int)", f"len(str({v})) > 1", f"{v} == 4", f"{v} != 2", "True",
            f"str({v}) < '4'", f"len_({v}) % 2", f"{v} is not None", f"not {v}", f"{v} in words", f"str({v}) in names",
            *(["total", f"{v} in seen", f"{v} in found", "len(out) > 3"] if self.chance(0.12) else []),
        )  # fmt: skip

    # -- statements --------------------------------------------------------------------------------------------------

    def slicing(self) -> str:
        """What reads and sets an element, and now and then another one or the whole."""
        e, v, name = self.expression(), self.variable, self.sliced
        own = f"{name}[{v}]"
        usual = (
            f"{own} = {e}", f"{own} = {own} * 2", f"{own} = same({own})", f"{own} += {self.one('1', own, e, '[1]')}", f"out.append({own})",
            f"print({own})", f"t = {own}", f"{own} = ({own}, {v})", f"{own} = {name}.get({v}, 0) + 1" if name in {"table", "found"} else f"{own} *= 2",
            f"if len_({own}) > 1: {own} = 0", f"{own} = len({name})", f"total += len_({own})", f"{own} = {own} if {self.condition()} else {e}",
        )  # fmt: skip
        inner = (
            f"{name}[{v}, 1] = {name}[{v}, 0] + 1", f"{name}[{v}, :2] = {own}[::-1][:2]", f"{name}[:, {v}] = {name}[:, {v}] * 2", f"print({own}.sum())",
            f"for k in range(2):\n    {name}[{v}, k] = {name}[{v}, k] - k", f"{own}[1] = 7", f"{own} /= {own}.sum() + 1", f"{name}[{v}, 2] += {name}[{v}, 1]",
        )  # fmt: skip
        unusual = (
            f"{own} = {name}[{v} - 1]" if name not in {"table", "found"} else f"{name}['a'] = {own}", f"print({name})", f"{own} = {own} is {name}[0]",
            f"{own}.append(1)", f"w = {name}", f"{own} = sum(len_(y) for y in {name})", f"del {own}", f"{v} = 0", f"out.append({name})", f"{own}, t = {own}, 1",
        )  # fmt: skip
        kind = self.random.random()
        if name in {"grid", "cells"} and kind < 0.4:
            return self.one(*inner)
        return self.one(*usual) if kind < 0.93 else self.one(*unusual)

    def effect(self) -> str:
        if self.sliced and self.chance(0.6):
            return self.slicing()
        e, v, key = self.expression(), self.variable, f"len_({self.variable}) % 8"
        common = (
            f"out.append({e})", f"out.append({e})", f"out.append({e})", f"out2.append({e})", f"out.extend([{e}])", f"found[{v}] = {e}",
            f"found[str({v})] = {e}", f"seen.add(str({v}))", f"total += {self.one('1', v, f'len_({v})', '0.1')}", f"text += str({v})",
            f"counts[str({v})] += 1", f"groups[str({v})].append({v})", f"print({v})", f"nested[{key}] = {e}", f"column[{key}] = len_({v})",
            f"print('p', {v}, end=' ')", f"cells[{key}] = 1", f"print({e})", f"out.append(({v}, {e}))", f"out.append([{v}, {e}])",
        )  # fmt: skip
        rare = (
            f"out.extend({self.atom()})", f"seen.add({v})", f"counts.update([str({v})])", f"groups[str({v})] += [{e}]", "acc += 1",
            "acc += np.ones(3) * 0.1", f"out += [{e}]", f"out.insert(0, {v})", f"found.update({{str({v}): {e}}})", f"seen |= {{str({v})}}",
            "total = total + 1", f"total = total + len_({v}) * 0.1", f"cells[{key}, 1] += 0.1", f"cells[{key}] = {e}", f"queue.append({v})",
            f"queue.appendleft({e})", f"queue.extendleft([{v}, 1])", f"low -= len_({v}) * 0.3", f"frac += {self.one('1', 'frac * 0', 'fractions.Fraction(1, 7)')}",
            f"data += str({v}).encode()", f"some += ({v},)", f"ordered[str({v})] = {e}", f"nested[{key}] += 1", f"column[{key}] += 0.1", "column *= 1.1",
            f"print({v}, {e}, sep='-', file=sys.stderr)", f"sys.stdout.write(str({v}))", f"peak |= len_({v})", "low *= 0.9", "total -= 1", f"acc -= row({v})[:3]",
            f"seen.update([str({v}), 'z'])", f"seen.discard(str({v}))", f"found.update(a={e})", f"cells[{key}, ::2] = [1, 2]", f"nested[1:2] = [{v}]",
            f"warnings.warn(str({v}))", f"some = some + ({e},)", f"text = text + str({v})", f"out = out + [{v}]", f"counts[str({v})] -= 2", f"seen ^= {{str({v})}}",
            f"found |= {{str({v}): {e}}}", f"box.v = {v}", "assert len(out) < 99",
        )  # fmt: skip
        refused = (
            "total = total * 2 + 1", f"peak = max(peak, len_({v}))", "cells[2] = grid[1]", f"shared.append({v})", f"box.put({v})", "box.bump()",
            "rows[0][0] = 5", f"{v}.append(1)", f"{v}.bump()", "out.pop()", "xs[:] = [*xs[:9], 1]", f"del found[{v}]", f"found.setdefault(str({v}), []).append(1)",
            f"holder['o'] = {v}", f"{v}[0] = 1", "grid[0] = 7", "row(1)[0] += 1", "boxes[0].v += 1", f"table['a'].append({v})", "random.seed(1)", "out.sort(key=str)",
            f"out[-1:] = [{v}]", "same(out).append(1)", f"acc[{key} % 3], total = 1, 2", "out, out2 = out2, out", "total = len(out)", "global_ = total = 3",
        )  # fmt: skip
        kind = self.random.random()
        return self.one(*common) if kind < 0.72 else self.one(*rare) if kind < 0.95 else self.one(*refused)

    def temporary(self) -> str:
        name = self.one("t", "u", "w")
        value = self.expression()
        if name not in self.temporaries:
            self.temporaries.append(name)
        if self.chance(0.1):
            return f"{name} = q = {value}"
        if self.chance(0.08):
            return f"{name}, *q = [{value}, {self.atom()}, 3]"
        return f"{name} = {value}"

    def after(self) -> str:
        if not self.temporaries:
            return self.temporary()
        name = self.one(*self.temporaries)
        return self.one(
            f"{name} = [{name}]", f"{name} = same({name})", f"out.append({name})", f"found[1] = {name}",
            f"{name} = [1]; out.append({name}); {name}.append(2)", f"{name} = [3]; out.extend({name}); {name}.append(2)",
            f"{name} = np.ones(3); acc += {name}; {name}[0] = 7", f"{name} = [1.0] * 3; cells[1] = {name}; {name}[0] = 7",
            f"{name} = Box(1); {name}.put(2); out.append({name}.kept)", f"{name} = {{}}; found[2] = {name}; {name}['k'] = 1",
            f"{name} = 0\nfor k in range(3):\n    {name} += k", f"{name} = []\nfor k in range(2):\n    {name}.append(k)\nout.append({name})",
            f"{name} = np.zeros(2); out.append({name}); out2.append({name}[1:]); {name} += 1", f"{name} = iter([1, 2, 3]); next({name}); out.extend({name})",
            f"{name} = set(); {name}.add(1); seen |= {name}; {name}.add(2)", f"{name} = [[]]; out += {name}; {name}[0].append(1)", f"del {name}",
            f"{name} = (k for k in range(3)); out.append(next({name}))", f"{name} = lambda: {self.variable}", f"{name} = grid[1]", f"{name} += [1]",
        )  # fmt: skip

    def filing(self) -> str:
        """What writes files, or looks at them."""
        v = self.variable
        places = [self.one(*FILES).replace("{v}", v) for _ in range(2)]
        return self.one(*FILING).format(p=places[0], q=places[1], v=v, e=self.expression())

    def statement(self, depth: int) -> str:
        if self.has_files and self.chance(0.35):
            return self.filing()
        kind = self.random.random()
        v = self.variable
        if kind < 0.42 or depth > 2:
            return self.effect()
        if kind < 0.6:
            return self.temporary()
        if kind < 0.68:
            return self.after()
        if kind < 0.78:
            then = self.body(depth + 1, self.random.choice([1, 1, 2]))
            otherwise = f"\nelse:\n{self.body(depth + 1, 1)}" if self.chance(0.3) else ""
            return f"if {self.condition()}:\n{then}{otherwise}"
        if kind < 0.84:
            return self.one(
                f"if {self.condition()}: continue", f"if {self.condition()}: break", "if 0: break",
                f"if str({v}) == {self.one('str(xs[4])', repr('ccc'), repr('5'))}: break",
                f"if {self.condition()}:\n{self.body(depth + 1, 1)}\n    break",
            )  # fmt: skip
        if kind < 0.89:
            name = self.one("k", "m")
            over = self.one(
                "range(3)", f"range(len_({v}))", "rows[0]", "words", "rows", f"[{self.atom()}]", "zip(xs, words)"
            )
            ending = self.one("", "", f"\n    if {name}: break", "\nelse:\n" + self.body(depth + 1, 1))
            return f"for {name} in {over}:\n{self.body(depth + 1, 1)}{ending}"
        if kind < 0.94:
            handler = self.one("Exception", "ValueError", "ZeroDivisionError as e", "(TypeError, ValueError) as e")
            ending = self.one("", "", "\nelse:\n" + self.body(depth + 1, 1), "\nfinally:\n" + self.body(depth + 1, 1))
            return f"try:\n{self.body(depth + 1, 1)}\nexcept {handler}:\n{self.body(depth + 1, 1)}{ending}"
        if kind < 0.97:
            number = self.random.randint(1, 6)
            return self.one(
                f"assert str({v}) != '9'", f"if str({v}) == '{number}': raise Odd({v}, {number})", f"if {v} == {number}: raise Odd from KeyError(1)",
                f"{{1: 2, 3: 4, 5: 6}}[{v}]", f"t = 1 / ({v} - {number})", f"if {v} == {number}: raise StopIteration", f"t = undefined_{number}" + f" if {v} == {number} else 1",
                f"if {v} == {number}: raise KeyboardInterrupt", "'a' + 1" if self.chance(0.3) else f"int(str({v}))",
            )  # fmt: skip
        return self.one(
            "with contextlib.suppress(Exception):\n" + self.body(depth + 1, 1),
            f"with entered({v}) as t:\n" + self.body(depth + 1, 1),
            f"n = 0\nwhile n < 2:\n    n += 1\n{self.body(depth + 1, 1)}",
            f"match {v}:\n    case int():\n{textwrap.indent(self.body(depth + 1, 1), '    ')}\n    case _:\n        pass",
        )  # fmt: skip

    def body(self, depth: int, count: int) -> str:
        lines = [self.statement(depth) for _ in range(count)]
        return textwrap.indent("\n".join(lines), "    ")

    def target(self, iterable: str) -> str:
        self.others = []
        v = self.variable
        if iterable.startswith(("zip(", "enumerate(", "itertools.product", "uses_gen", "gen(")) or iterable in {
            "pairs", "list(table.items())", "table.items()", "Counter('abca').items()", "reversed(list(enumerate(words)))",
        }:  # fmt: skip
            if self.chance(0.75):
                self.others = [self.one("b", "q")]
                return f"{v}, {self.others[0]}"
        elif iterable in {
            "rows",
            "[[1, [2]], [3, [4]]]",
            "[(k, [k], (k, k)) for k in range(4)]",
            "words",
        } and self.chance(0.3):
            self.others = ["b"]
            return self.one(f"{v}, *b", f"{v}, *b", f"({v}, b)")
        return v

    def site(self, result: str) -> str:
        if self.chance(0.65):
            return self.loop()
        return self.comprehension(result)

    def loop(self) -> str:
        self.variable = self.one("i", "i", "x", "item")
        if self.has_sliced and self.chance(0.7):
            self.sliced = self.one(*SLICED)
            iterable = self.one(*SLICED[self.sliced].split("|"), self.iterable())
        elif self.has_files and self.chance(0.2):
            iterable = self.one(*FILED_OVER)
        else:
            iterable = self.iterable()
        target = self.target(iterable)
        ending = "\nelse:\n    out2.append('else')" if self.chance(0.1) else ""
        loop = f"for {target} in {iterable}:\n{self.body(1, self.random.choice([1, 2, 2, 3, 4]))}{ending}"
        self.sliced = ""
        return loop

    def comprehension(self, result: str) -> str:
        self.variable = self.one("i", "x")
        iterable = self.iterable()
        target = self.target(iterable)
        condition = f" if {self.condition()}" if self.chance(0.25) else ""
        inner = f" for z in {self.one('range(2)', 'rows[0]', f'[{self.atom()}]', 'words')}" if self.chance(0.12) else ""
        source = f"for {target} in {iterable}{condition}{inner}"
        value, v = self.expression(), self.variable
        functions = (*PURE, *self.hidden * 4)
        site = self.one(
            *[f"{result} = [{value} {source}]"] * 5, f"{result} = {{str({v}): {value} {source}}}", f"{result} = {{{v}: {value} {source}}}",
            f"{result} = {{str({v}) {source}}}", f"{result} = {{len_({value}) {source}}}", f"{result} = sum(len_({value}) {source})",
            f"{result} = sum(len_({v}) * 0.1 {source})", f"{result} = list({value} {source})", f"{result} = max(str({value}) {source})",
            f"{result} = list(map({self.one(*functions)}, {iterable}))", f"{result} = sorted((str({value}) {source}), reverse=True)",
            f"[{value} {source}]", f"{result} = dict((str({v}), {value}) {source})", f"{result} = ' '.join(str({value}) {source})",
            f"{result} = [[{value}, z] {source} for z in range(2)]" if not inner else f"{result} = [(z, {value}) {source}]", f"{result} = any(len_({value}) > 3 {source})",
            f"{result} = np.array([len_({value}) {source}])", f"{result} = tuple({value} {source})", f"{result} = [[same(y) for y in [{value}]] {source}]",
            f"{result} = list(map(lambda {v}: {value}, {iterable}))", f"{result} = min([len_({value}) {source}], default=0)", f"out += [{value} {source}]",
            f"{result} = set(str({value}) {source})", f"found.update({{str({v}): {value} {source}}})", f"{result} = sorted([{value} {source}], key=str)",
            f"{result} = list(itertools.starmap(kwargs, {self.one('pairs', 'rows', 'zip(xs, words)')}))", f"{result} = len([{value} {source}])",
        )  # fmt: skip
        # no order is taken of a set of text that comes from a worker: it hangs on the hashes of the day, in serial too
        if site.startswith(tuple(f"{result} = {kind}" for kind in ("[", "list(", "sorted(", "tuple(", "dict(", "np."))):
            self.results.append(result)
        return site


def write(seed: int, number: int, focus: tuple[str, ...] = ()) -> tuple[str, str]:
    """The set-up cell and the cell of a seed and a number; the same in every version of Python."""
    return Writer(seed, number, focus).write()
