"""The functions of `test_functions`: name, cell, and whether `probe=False` splits a loop of it (None: either).

`parallel` is `mpnb.parallel` with options, or for the plain cell a decorator that does nothing.
"""

from __future__ import annotations

Row = tuple[str, str, bool | None]

# What a function's own names are: locals, arguments, defaults, closures, globals.
NAMES: list[Row] = [
    (
        "apply to a local series, with locals",
        """
import pandas as pd

@parallel
def f(n, k=3):
    s = pd.Series(range(n), name='s')
    def g(v):
        return v * k
    r = s.apply(lambda v: v + k)
    return r.tolist(), s.map(g).tolist()

r = f(8), f(5, k=2), f(0)
""",
        True,
    ),
    (
        "apply to rows, returned",
        """
import pandas as pd
df = pd.DataFrame({'a': [3, 1, 2], 'b': [0.5, 1.5, 2.5]})

@parallel
def f(frame, k, end=''):
    print('begin')
    return frame.apply(lambda row: f'{row.a * k}{end}', axis=1).tolist()

r = f(df, 2), f(df[df.a > 1], k=4, end='!')
""",
        True,
    ),
    (
        "apply that raises in a function",
        """
import pandas as pd

@parallel
def f(xs):
    try:
        return pd.Series(xs).map(lambda x: 10 // x).tolist()
    except ZeroDivisionError as error:
        return str(error)
    finally:
        print('left')

r = f([5, 2, 0, 1]), f([5, 2, 1])
""",
        True,
    ),
    (
        "list comprehension returned",
        """
def g(x):
    return x * x

@parallel
def f(xs):
    return [g(x) for x in xs]

r = f(range(9))
""",
        True,
    ),
    (
        "append to a local",
        """
@parallel
def f(n, k=3):
    out = []
    for i in range(n):
        y = i * k
        out.append(y)
    return out, i, y

r = f(8), f(5, k=2), f(1)
""",
        True,
    ),
    (
        "sum into a local",
        """
@parallel
def f(xs):
    total = 0.0
    for x in xs:
        total += x * 0.1
    return total

r = f([0.1 * i for i in range(20)])
""",
        True,
    ),
    (
        "argument changed",
        """
@parallel
def f(xs, out):
    for x in xs:
        out.append(x + 1)

mine = []
r = f(range(6), mine), f(range(3), out=mine)
""",
        True,
    ),
    (
        "mutable default argument",
        """
@parallel
def f(x, seen=[]):
    for i in range(x):
        seen.append(i)
    return seen

r = f(4)
s = f(3)
t = r is s
d = f.__defaults__
""",
        True,
    ),
    (
        "*args and **kwargs",
        """
@parallel
def f(*args, scale=1, **kwargs):
    out = {}
    for name, value in kwargs.items():
        out[name] = value * scale + len(args)
    return out, [a + scale for a in args]

r = f(1, 2, 3, scale=10, a=1, b=2, c=3)
""",
        True,
    ),
    (
        "keyword only and positional only",
        """
@parallel
def f(a, /, b, *, c=5):
    return [a + b * i + c for i in range(6)]

r = f(1, 2), f(1, b=2, c=0)
try:
    f(a=1, b=2)
except TypeError as error:
    why = str(error)
""",
        True,
    ),
    (
        "wrong arguments",
        """
@parallel
def f(a, b):
    return [a for _ in range(3)]

whys = []
for arguments in [(), (1,), (1, 2, 3)]:
    try:
        f(*arguments)
    except TypeError as error:
        whys.append(str(error))
""",
        None,
    ),
    (
        "closure read",
        """
def make(k):
    def scaled(v):
        return v * k

    @parallel
    def f(xs):
        out = []
        for x in xs:
            out.append(scaled(x) + k)
        return out
    return f

two, three = make(2), make(3)
r = two(range(5)), three(range(5))
""",
        True,
    ),
    (
        "closure changed between calls",
        """
def make():
    k = 1
    def set_k(v):
        nonlocal k
        k = v

    @parallel
    def f(n):
        return [i * k for i in range(n)]
    return f, set_k

f, set_k = make()
r = f(4)
set_k(7)
s = f(4)
""",
        True,
    ),
    (
        "nonlocal sum",
        """
def make():
    total = 0

    @parallel
    def f(xs):
        nonlocal total
        for x in xs:
            total += x
        return total
    return f

f = make()
r = f(range(6)), f(range(6))
""",
        True,
    ),
    (
        "nonlocal sum read by a helper",
        """
def make():
    total = 0
    def so_far(x):
        return x + total

    @parallel
    def f(xs):
        nonlocal total
        for x in xs:
            total += so_far(x)
        return total
    return f

f = make()
r = f(range(6)), f(range(6))
""",
        False,
    ),
    (
        "local read by a helper inside",
        """
@parallel
def f(xs):
    total = 1
    def so_far(x):
        return x + total
    for x in xs:
        total += so_far(x)
    return total

r = f(range(6))
""",
        False,
    ),
    (
        "loop variable read by a helper inside",
        """
@parallel
def f(xs):
    out = []
    def twice():
        return 2 * x
    for x in xs:
        out.append(twice())
    return out

r = f(range(6))
""",
        False,
    ),
    (
        "temporary read by a helper inside",
        """
@parallel
def f(xs):
    out = []
    y = 100
    def other():
        return y
    for x in xs:
        y = x + 1
        out.append(other())
    return out, other()

r = f(range(6))
""",
        False,
    ),
    (
        "local changed through a helper inside",
        """
@parallel
def f(xs):
    seen = []
    def see(x):
        seen.append(x)
        return len(seen)
    return [see(x) for x in xs], seen

r = f(range(6))
""",
        False,
    ),
    (
        "helper inside reads what the loop appends to",
        """
@parallel
def f(xs):
    out = []
    def count():
        return len(out)
    for x in xs:
        out.append(x + count())
    return out

r = f(range(6))
""",
        False,
    ),
    (
        "helper inside, with a closure over an argument",
        """
@parallel
def f(xs, k):
    def add(v):
        return v + k
    return [add(x) for x in xs], list(map(add, xs))

r = f(range(6), 10)
""",
        True,
    ),
    (
        "helper inside reads the result only after the loop",
        """
@parallel
def f(xs):
    out = []
    def count():
        return len(out)
    for x in xs:
        out.append(x)
    return count()

r = f(range(6))
""",
        True,
    ),
    (
        "global read",
        """
k = 3

@parallel
def f(xs):
    return [x * k for x in xs]

r = f(range(4))
k = 5
s = f(range(4))
""",
        True,
    ),
    (
        "global sum",
        """
total = 0

@parallel
def f(xs):
    global total
    for x in xs:
        total += x * 2

f(range(7))
f(range(3))
""",
        True,
    ),
    (
        "global sum read by a helper",
        """
total = 0

def so_far(x):
    return x + total

@parallel
def f(xs):
    global total
    for x in xs:
        total += so_far(x)

f(range(7))
""",
        False,
    ),
    (
        "global loop variable and temporary",
        """
@parallel
def f(xs):
    global i, y
    out = []
    for i in xs:
        y = i + 1
        out.append(y)
    return out

r = f(range(5))
""",
        None,
    ),
    (
        "a helper reads a global of the same name as the loop variable",
        """
x = 100
total = 7

def g(v):
    return v + x + total

@parallel
def f(xs):
    total = 0
    for x in xs:
        total += g(x)
    return total

r = f(range(6))
""",
        True,
    ),
    (
        "result is the global that a helper reads",
        """
seen = []

def g(x):
    return x + len(seen)

@parallel
def f(xs, out):
    for x in xs:
        out.append(g(x))
    return out

r = f(range(5), seen)
""",
        False,
    ),
    (
        "two arguments that are one list",
        """
@parallel
def f(xs, a, b):
    for x in xs:
        a.append(len(b) + x)
    return a

one = [1]
r = f(range(5), one, one)
""",
        False,
    ),
    (
        "unbound local",
        """
@parallel
def f(xs, flag):
    out = []
    if flag:
        k = 1
    for x in xs:
        out.append(x + k)
    return out

r = f(range(3), True)
try:
    f(range(3), False)
except UnboundLocalError as error:
    why = str(error)
""",
        True,
    ),
    (
        "local shadows a global and a builtin",
        """
k = 1
def g(x):
    return x + k

@parallel
def f(xs, len, k=50):
    return [g(x) + len(x) + k for x in xs]

r = f(range(4), abs)
""",
        True,
    ),
    (
        "sum is something else",
        """
@parallel
def f(xs, sum):
    return sum(x * x for x in xs)

r = f(range(5), list)
s = f(range(5), lambda g: [next(g), next(g)])
""",
        None,
    ),
    (
        "walrus and conditional",
        """
@parallel
def f(xs):
    out = []
    for x in xs:
        if (y := x * x) > 4:
            out.append(y if y % 2 else -y)
    return out, y

r = f(range(7))
""",
        True,
    ),
    (
        "temporary set in some iterations only",
        """
@parallel
def f(xs, y="old"):
    for x in xs:
        if x == 2:
            y = [x]
        z = x
    return y, z, x

r = f(range(5)), f([1, 3])
""",
        None,
    ),
    (
        "identity of arguments and results",
        """
@parallel
def f(xs):
    kept = [x for x in xs if x]
    out = {}
    for x in xs:
        out[len(x)] = x
    return kept, out

items = [[1], [], [1, 2], [3, 4, 5]]
kept, out = f(items)
r = [a is b for a, b in zip(kept, [items[0], items[2], items[3]])], out[3] is items[3]
""",
        True,
    ),
    (
        "loop over nothing",
        """
@parallel
def f(xs):
    out = []
    for x in xs:
        out.append(x)
    else:
        out.append("none")
    return out, [x for x in xs]

r = f([])
""",
        None,
    ),
    (
        "one site after the other",
        """
@parallel
def f(n):
    squares = [i * i for i in range(n)]
    cubes = [s * i for i, s in enumerate(squares)]
    total = 0
    for s, c in zip(squares, cubes):
        total += c - s
    return {s: c for s, c in zip(squares, cubes)}, total, sum(c for c in cubes)

r = f(7)
""",
        True,
    ),
    (
        "a loop in a serial loop",
        """
@parallel
def f(n):
    state = [1.0] * n
    for step in range(3):
        state = [v * 0.5 + state[i - 1] for i, v in enumerate(state)]
    return state

r = f(6)
""",
        True,
    ),
]

# How a loop is left, and what a call raises.
ENDS: list[Row] = [
    (
        "early return of the item",
        """
@parallel
def f(xs, wanted):
    for x in xs:
        if x * x >= wanted:
            return x
    return None

r = f(range(10), 17), f(range(10), 1000), f(range(10), 0)
""",
        True,
    ),
    (
        "early return of what the loop has made",
        """
@parallel
def f(xs):
    out = []
    for x in xs:
        y = x * x
        if y > 20:
            return out, y, x
        out.append(y)
    return out

r = f(range(10)), f(range(3))
""",
        True,
    ),
    (
        "early return after prints",
        """
@parallel
def f(xs):
    for x in xs:
        print("looking at", x)
        if x == 3:
            print("found")
            return "found", x
    print("nothing")

r = f(range(8)), f(range(2))
""",
        True,
    ),
    (
        "bare return",
        """
@parallel
def f(xs, out):
    for x in xs:
        if x > 3:
            return
        out.append(x)
    out.append("end")

mine = []
r = f(range(8), mine), f(range(2), mine)
""",
        True,
    ),
    (
        "return from an inner loop",
        """
@parallel
def f(rows):
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            if value == 7:
                return i, j, value
    else:
        return "nowhere"

r = f([[1, 2], [3, 7], [7, 7]]), f([[1]])
""",
        True,
    ),
    (
        "return inside with",
        """
import contextlib

@parallel
def f(xs):
    for x in xs:
        with contextlib.suppress(ZeroDivisionError):
            if x > 2:
                return 10 / (x - 3)
    return "end"

r = f(range(8)), f(range(2))
""",
        None,
    ),
    (
        "return inside try",
        """
@parallel
def f(xs):
    bad = []
    for x in xs:
        try:
            return 10 / x
        except ZeroDivisionError:
            bad.append(x)
    return bad

r = f([0, 0, 0, 4, 0]), f([0, 0])
""",
        True,
    ),
    (
        "return inside try with finally",
        """
@parallel
def f(xs):
    for x in xs:
        try:
            if x == 2:
                return x
        finally:
            print("done", x)

r = f(range(5))
""",
        False,
    ),
    (
        "return through finally around the loop",
        """
log = []

@parallel
def f(xs):
    y = None
    try:
        for x in xs:
            y = x * 2
            if y == 6:
                return y
    finally:
        log.append((x, y))

r = f(range(9)), f(range(2))
""",
        True,
    ),
    (
        "return that raises",
        """
@parallel
def f(xs):
    for x in xs:
        if x == 3:
            return 1 / (x - 3)

f(range(8))
""",
        True,
    ),
    (
        "return of a temporary of an earlier iteration",
        """
@parallel
def f(xs):
    best = None
    for x in xs:
        if x == 1:
            best = x * 10
        if x == 4:
            return best
    return "end"

r = f(range(8))
""",
        None,
    ),
    (
        "break and else",
        """
@parallel
def f(xs, stop):
    out = []
    for x in xs:
        if x == stop:
            break
        out.append(x)
    else:
        out.append("else")
    return out, x

r = f(range(8), 4), f(range(8), 100)
""",
        True,
    ),
    (
        "continue",
        """
@parallel
def f(xs):
    out = []
    for x in xs:
        if x % 2:
            continue
        out.append(x)
    return out, x

r = f(range(8))
""",
        True,
    ),
    (
        "error at iteration k",
        """
done = []

@parallel
def f(xs):
    for x in xs:
        y = 10 / (5 - x)
        done.append(y)

f(range(9))
""",
        True,
    ),
    (
        "error caught in the function",
        """
@parallel
def f(xs):
    out = []
    try:
        for x in xs:
            y = 10 / (3 - x)
            out.append(y)
    except ZeroDivisionError as error:
        return out, x, y, str(error)

r = f(range(9))
""",
        True,
    ),
    (
        "error of an effect",
        """
@parallel
def f(xs, out):
    for x in xs:
        y = x * 2
        out[x] = y

mine = [0] * 4
f(range(9), mine)
""",
        True,
    ),
    (
        "error of an effect, caught in the function",
        """
@parallel
def f(xs, out):
    y = z = None
    try:
        for x in xs:
            y = x * 2
            out[x] = y
            z = [x]
    except IndexError as error:
        return x, y, z, str(error)

mine = [0] * 4
r = f(range(9), mine)
""",
        True,
    ),
    (
        "error of a helper, several frames deep",
        """
def inner(x):
    if x == 4:
        raise ValueError("four")
    return x

def outer(x):
    return inner(x) + 1

@parallel
def f(xs):
    return [outer(x) for x in xs]

def call():
    return f(range(9))

call()
""",
        True,
    ),
    (
        "error in a comprehension, caught by the caller",
        """
@parallel
def f(xs):
    return {x: 1 / x for x in xs}

try:
    f([3, 2, 1, 0, 5])
except ZeroDivisionError as error:
    why = str(error), error.__traceback__.tb_next.tb_lineno
""",
        True,
    ),
    (
        "assert in the loop",
        """
@parallel
def f(xs):
    for x in xs:
        assert x < 4, x
    return "fine"

r = f(range(3))
f(range(6))
""",
        True,
    ),
    (
        "raise from",
        """
@parallel
def f(xs):
    out = []
    for x in xs:
        try:
            out.append(1 / x)
        except ZeroDivisionError as error:
            raise ValueError(x) from error
    return out

f([2, 1, 0])
""",
        True,
    ),
    (
        "try and finally around",
        """
log = []

@parallel
def f(xs):
    log.append("begin")
    try:
        for x in xs:
            y = 1 / (2 - x)
        return y
    finally:
        log.append(x)

r = f([5, 4, 3])
f(range(5))
""",
        True,
    ),
    (
        "with around",
        """
import io

@parallel
def f(xs):
    with io.StringIO() as file:
        for x in xs:
            print(x, file=file)
        texts = [str(x) for x in xs]
        return file.getvalue(), texts

r = f(range(4))
""",
        True,
    ),
    (
        "while stays serial, and what is in it does not",
        """
@parallel
def f(n):
    sizes = []
    while n > 1:
        parts = [i * n for i in range(n)]
        sizes.append(sum(parts))
        n -= 2
    return sizes

r = f(7)
""",
        True,
    ),
    (
        "recursion error",
        """
@parallel
def f(n):
    deeper = [i for i in range(2)]
    return f(n + 1) + len(deeper)

try:
    f(0)
except RecursionError as error:
    why = str(error)[:30]
""",
        None,
    ),
]

# Methods, classes, recursion, decorators; functions that stay as they are.
KINDS: list[Row] = [
    (
        "method",
        """
class Model:
    def __init__(self, k):
        self.k = k

    def one(self, x):
        return x * self.k

    @parallel
    def all(self, xs):
        return [self.one(x) for x in xs]

m = Model(3)
r = m.all(range(5)), Model.all(m, [1])
""",
        True,
    ),
    (
        "method that changes its object",
        """
class Model:
    def __init__(self):
        self.seen = []

    @parallel
    def all(self, xs):
        for x in xs:
            self.seen.append(x)
        self.n = len(self.seen)
        return self

m = Model()
r = m.all(range(5)) is m
""",
        True,
    ),
    (
        "method that sets an attribute from a loop",
        """
class Model:
    @parallel
    def fit(self, xs):
        total = 0
        for x in xs:
            total += x
        self.mean = total / len(xs)
        self.parts = [x - self.mean for x in xs]
        return self

m = Model().fit([1, 2, 3, 6])
""",
        True,
    ),
    (
        "class method and static method",
        """
class Model:
    k = 4

    @classmethod
    @parallel
    def scaled(cls, xs):
        return [x * cls.k for x in xs]

    @staticmethod
    @parallel
    def doubled(xs):
        return [x * 2 for x in xs]

    @parallel
    @classmethod
    def above(cls, xs):
        return [x + cls.k for x in xs]

    @parallel
    @staticmethod
    def halved(xs):
        return [x / 2 for x in xs]

class Other(Model):
    k = 5

xs = range(5)
r = Model.scaled(xs), Other.scaled(xs), Model.doubled(xs), Model().halved(xs), Other().above(xs)
""",
        True,
    ),
    (
        "property",
        """
class Data:
    def __init__(self, xs):
        self.xs = xs

    @property
    @parallel
    def squares(self):
        return [x * x for x in self.xs]

    @parallel
    @property
    def cubes(self):
        return [x ** 3 for x in self.xs]

d = Data([1, 2, 3])
r = d.squares, d.cubes
""",
        True,
    ),
    (
        "super and __class__",
        """
class Base:
    def one(self, x):
        return x + 1

    def all(self, xs):
        return list(xs)

class Child(Base):
    def one(self, x):
        return super().one(x) * 10

    @parallel
    def all(self, xs):
        out = []
        for x in super().all(xs):
            out.append(super().one(x))
        return out, [self.one(x) for x in xs], __class__.__name__

r = Child().all(range(4))
""",
        True,
    ),
    (
        "private names",
        """
class Box:
    def __init__(self):
        self.__k = 3

    def __one(self, x, __scale=2):
        return x * self.__k * __scale

    @parallel
    def all(self, xs, __more=1):
        __out = []
        for __x in xs:
            __out.append(self.__one(__x) + __more + self.__k)
        return __out

    @parallel
    def __hidden(self, xs):
        return [x + self.__k for x in xs]

    def shown(self, xs):
        return self.__hidden(xs)

b = Box()
r = b.all(range(4)), b.shown(range(3))
""",
        True,
    ),
    (
        "dataclass",
        """
from dataclasses import dataclass, field

@dataclass
class Run:
    sizes: list
    made: dict = field(default_factory=dict)

    @parallel
    def go(self, k):
        made = {}
        for size in self.sizes:
            made[size] = [k] * size
        self.made = made
        return Point(len(made), k)

@dataclass(frozen=True)
class Point:
    x: int
    y: int

    @parallel
    def moves(self, n):
        return [Point(self.x + i, self.y) for i in range(n)]

run = Run([1, 2, 3])
p = run.go(2)
r = p.moves(4)
""",
        True,
    ),
    (
        "callable object",
        """
class Score:
    def __init__(self, w):
        self.w = w

    @parallel
    def __call__(self, xs):
        return [x * self.w for x in xs]

r = Score(0.5)(range(5))
""",
        True,
    ),
    (
        "recursion",
        """
@parallel
def depth(tree):
    if not tree:
        return 0
    return 1 + max(depth(child) for child in tree)

r = depth([[[], [[]]], [], [[[[]]]]]) if False else None

@parallel
def total(tree):
    s = 0
    for node in tree:
        s += total(node) if isinstance(node, list) else node
    return s

q = total([1, [2, 3, [4]], [[5]], 6])
""",
        True,
    ),
    (
        "recursion outside of loops",
        """
@parallel
def quicksort(xs):
    if len(xs) < 2:
        return xs
    pivot = xs[0]
    less = [x for x in xs[1:] if x < pivot]
    more = [x for x in xs[1:] if x >= pivot]
    return quicksort(less) + [pivot] + quicksort(more)

r = quicksort([3, 8, 1, 9, 2, 7])
""",
        True,
    ),
    (
        "mutual recursion",
        """
@parallel
def even(xs):
    return [odd([x - 1]) if x else "even" for x in xs]

@parallel
def odd(xs):
    return [even([x - 1]) if x else "odd" for x in xs]

r = even(range(5))
""",
        True,
    ),
    (
        "one calls another from its loop",
        """
@parallel
def row(n):
    return [i * n for i in range(n)]

@parallel
def table(n):
    return [row(i) for i in range(n)]

r = table(6), row(3)
""",
        True,
    ),
    (
        "one calls another between loops",
        """
@parallel
def half(xs):
    return [x / 2 for x in xs]

@parallel
def both(xs):
    a = [x + 1 for x in xs]
    b = half(a)
    return [x - 1 for x in b]

r = both(range(6))
""",
        True,
    ),
    (
        "called from a plain loop",
        """
@parallel
def f(n):
    return [i * i for i in range(n)]

out = []
for n in range(4):
    out.append(f(n))
r = [f(n) for n in range(3)]
""",
        True,
    ),
    (
        "decorated by something else above",
        """
import functools

calls = []

def counted(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        calls.append(function.__name__)
        return function(*args, **kwargs)
    return wrapper

@counted
@parallel
def f(xs):
    return [x + 1 for x in xs]

r = f(range(4)), f.__name__, calls
""",
        True,
    ),
    (
        "decorated by something else below",
        """
import functools

def twice(function):
    @functools.wraps(function)
    def wrapper(xs):
        out = []
        for x in xs:
            out.append(function([x, x]))
        return out
    return wrapper

@parallel
@twice
def f(xs):
    return [x + 1 for x in xs]

r = f(range(4))
""",
        True,
    ),
    (
        "memoised above",
        """
import functools

@functools.lru_cache
@parallel
def f(n):
    return tuple([i * i for i in range(n)])

r = f(4), f(4), f.cache_info()
""",
        True,
    ),
    (
        "name, doc, signature, attributes",
        """
import inspect

@parallel
def f(a: int, b: "list[int]" = None, *, c: float = 2.0) -> list:
    \"\"\"Doc.\"\"\"
    return [a * i * c for i in range(3)]

f.count = 3
r = f(2), f.__name__, f.__qualname__, f.__doc__, f.__module__, f.count
s = str(inspect.signature(f)), f.__annotations__, f.__kwdefaults__, inspect.getsource(f)
t = f.__code__.co_firstlineno, f.__code__.co_qualname, f.__code__.co_varnames[:3], f.__code__.co_argcount
f.__defaults__ = ([],)
u = str(inspect.signature(f.__wrapped__ if hasattr(f, "__wrapped__") else f))[:5]
""",
        True,
    ),
    (
        "attributes of the function inside it",
        """
@parallel
def f(xs):
    f.calls += 1
    return [x for x in xs if x != 2]

f.calls = 0
r = f(range(4)), f(range(3)), f.calls
""",
        True,
    ),
    (
        "functions and classes made inside",
        """
@parallel
def f(xs):
    class Pair:
        def __init__(self, a):
            self.a = a

    def one(x):
        return lambda: x + 1

    made = [x * 2 for x in xs]
    return [Pair.__qualname__, one.__qualname__, one(1).__qualname__, one(4)(), Pair(3).a], made

r = f(range(3))
""",
        True,
    ),
    (
        "lambdas",
        """
@parallel
def f(xs, ys):
    key = lambda y: -y
    out = []
    for x in xs:
        out.append(sorted(ys, key=lambda y: abs(y - x)))
    return out, [max(ys, key=key) + x for x in xs]

r = f(range(4), [3, 1, 2])
""",
        None,
    ),
    (
        "functions collected in the loop",
        """
@parallel
def f(xs):
    fs = []
    for x in xs:
        fs.append(lambda: x)
    return [g() for g in fs]

r = f(range(4))
""",
        False,
    ),
    (
        "generator",
        """
@parallel
def f(xs):
    for x in xs:
        print("making", x)
        yield x * 2

r = []
for y in f(range(4)):
    r.append(y)
    print("got", y)
""",
        False,
    ),
    (
        "generator expression handed out",
        """
@parallel
def f(xs):
    squares = [x * x for x in xs]
    return (s + 1 for s in squares)

r = list(f(range(4)))
""",
        True,
    ),
    (
        "asynchronous",
        """
import asyncio

@parallel
async def f(xs):
    await asyncio.sleep(0)
    return [x + 1 for x in xs]

r = asyncio.run(f(range(4)))
""",
        False,
    ),
    (
        "locals()",
        """
@parallel
def f(xs):
    out = [x for x in xs]
    return sorted(locals())

r = f(range(4))
""",
        False,
    ),
    (
        "exec",
        """
@parallel
def f(xs):
    space = {}
    exec("k = 3", space)
    return [x * space["k"] for x in xs]

r = f(range(4))
""",
        False,
    ),
    (
        "no loop",
        """
@parallel
def f(x):
    return x + 1

r = f(1)
""",
        False,
    ),
    (
        "lambda decorated",
        """
f = parallel(lambda xs: [x + 1 for x in xs])
r = f(range(3))
""",
        None,
    ),
    (
        "decorated twice",
        """
@parallel
@parallel
def f(xs):
    return [x + 1 for x in xs]

r = f(range(3))
""",
        True,
    ),
    (
        "made anew with each call",
        """
def run(k):
    @parallel
    def f(xs):
        return [x * k for x in xs]
    return f(range(4))

r = [run(k) for k in range(3)]
""",
        True,
    ),
    (
        "redefined",
        """
def g(x):
    return x + 1

@parallel
def f(xs):
    return [g(x) for x in xs]

r = f(range(3))

def g(x):
    return x + 2

s = f(range(3))
""",
        True,
    ),
    (
        "random numbers",
        """
import random

@parallel
def f(n):
    return [random.random() for _ in range(n)]

r = f(5)
""",
        False,
    ),
    (
        "carried from one to the next",
        """
@parallel
def f(n):
    a, b = 0, 1
    out = []
    for _ in range(n):
        a, b = b, a + b
        out.append(a)
    return out

r = f(9)
""",
        False,
    ),
    (
        "numpy: rows filled in place",
        """
import numpy as np

@parallel
def f(n, m):
    out = np.zeros((n, m))
    for i in range(n):
        row = np.arange(m) * i
        out[i] = row
    return out, row

r = f(5, 3)
""",
        True,
    ),
    (
        "numpy: the array that is an argument",
        """
import numpy as np

@parallel
def f(a, b):
    for i in range(len(a)):
        a[i] = a[i] + b[i]
    return a

x = np.arange(6.0)
r = f(x, np.ones(6)) is x
s = f(x, x)
""",
        None,
    ),
    (
        "pandas: rows",
        """
import pandas as pd

@parallel
def f(df, k):
    out = []
    for name, value in zip(df["name"], df["value"]):
        out.append((name.upper(), value * k))
    return out

r = f(pd.DataFrame({"name": ["a", "b", "c"], "value": [1.5, 2.5, 3.5]}), 2)
""",
        True,
    ),
    (
        "prints and warnings in order",
        """
import warnings

@parallel
def f(xs):
    for x in xs:
        print("x", x)
        if x == 2:
            warnings.warn("two")
    print("end")

f(range(4))
""",
        None,
    ),
    (
        "an iterator is pulled no further than a plain loop pulls it",
        """
@parallel
def f(it):
    for x in it:
        if x == 3:
            break
    return x

it = iter(range(9))
r = f(it), next(it)
""",
        False,
    ),
    (
        "deleted local",
        """
@parallel
def f(xs):
    k = 3
    a = [x * k for x in xs]
    del k
    out = []
    for x in xs:
        out.append(x)
    try:
        k
    except UnboundLocalError as error:
        return a, out, str(error)

r = f(range(4))
""",
        True,
    ),
    (
        "match",
        """
@parallel
def f(xs):
    out = []
    for x in xs:
        match x:
            case [a, b]:
                out.append(a + b)
            case {"k": v}:
                out.append(v)
            case _:
                return out
    return "all"

r = f([[1, 2], {"k": 5}, [3, 4], 7, [1, 1]]), f([[1, 2]])
""",
        None,
    ),
]

# What must be seen to be one thing in two places, and names that nothing reads again.
TRAPS: list[Row] = [
    (
        "a lock that is held is not sent",
        """
import threading
@parallel
def f(xs):
    lock=threading.Lock()
    lock.acquire()
    out=[]
    for x in xs:
        out.append((x, lock.locked()))
    return out
r=f(range(6))
""",
        False,
    ),
    (
        "a local generator pulled in the loop",
        """
@parallel
def f(xs):
    g=(x*x for x in xs)
    out=[]
    for x in xs:
        out.append(next(g)+x)
    return out, list(g)
r=f(range(6))
""",
        False,
    ),
    (
        "instances of a class made inside",
        """
@parallel
def f(xs):
    class P:
        def __init__(self,a): self.a=a
    out=[]
    for x in xs:
        out.append(P(x))
    return [p.a for p in out], all(type(p) is P for p in out)
r=f(range(6))
""",
        True,
    ),
    (
        "a dataclass made inside, closing over an argument",
        """
import dataclasses
@parallel
def f(xs, k):
    @dataclasses.dataclass
    class P:
        a: int
        def twice(self): return self.a*2+k
    ps=[P(x) for x in xs]
    return [p.twice() for p in ps], type(ps[0]) is P
r=f(range(6),3)
""",
        True,
    ),
    (
        "what is appended to hangs on what is read",
        """
@parallel
def f(xs):
    out=[]
    holder={"o":out}
    for x in xs:
        out.append(len(holder["o"])+x)
    return out
r=f(range(6))
""",
        False,
    ),
    (
        "two names of one local list",
        """
@parallel
def f(xs):
    a=[0]*6
    b=a
    for x in xs:
        a[x]=b[x-1]+x
    return a
r=f(range(6))
""",
        False,
    ),
    (
        "the name of a caught exception is unbound again",
        """
@parallel
def f(xs):
    out=[]
    for x in xs:
        try:
            out.append(1//x)
        except ZeroDivisionError as e:
            out.append(str(e))
    try:
        e
    except UnboundLocalError as err:
        return out, str(err)
r=f([1,0,2])
""",
        True,
    ),
    (
        "a temporary after no iteration is unbound",
        """
@parallel
def f(xs):
    for x in xs:
        y=x
    return y
try: f([])
except UnboundLocalError as e: r=str(e)
s=f([1,2])
""",
        True,
    ),
    (
        "a global set between two loops",
        """
def g(x): return x+k
k=1
@parallel
def f(xs):
    global k
    a=[g(x) for x in xs]
    k=10
    b=[g(x) for x in xs]
    return a,b
r=f(range(4))
""",
        True,
    ),
    (
        "return of what is appended, changed before",
        """
@parallel
def f(xs):
    out=[]
    for x in xs:
        row=[x]
        out.append(row)
        if x==3:
            row.append("end")
            return row is out[-1], out
r=f(range(6))
""",
        True,
    ),
    (
        "return calls something that changes a global",
        """
hits=[]
def hit(x):
    hits.append(x)
    return x
@parallel
def f(xs):
    for x in xs:
        if x==3:
            return hit(x)
r=f(range(6))
""",
        True,
    ),
    (
        "return of names under with",
        """
import pathlib
for i in range(4): pathlib.Path(f"{i}.txt").write_text(f"{i} text")
@parallel
def f(n):
    sizes=[]
    for i in range(n):
        with open(f"{i}.txt") as file:
            text=file.read()
            if "2" in text:
                return text, sizes
        sizes.append(len(text))
    return sizes
r=f(4),f(2)
""",
        None,
    ),
    (
        "a helper reads the global that has the loop variable's name",
        """
x=5
def h(): return x
@parallel
def f(xs):
    out=[]
    for x in xs:
        out.append(h()+x)
    return out, h()
r=f(range(4))
""",
        True,
    ),
    (
        "return from a while inside the loop",
        """
@parallel
def f(xs):
    for x in xs:
        n=x
        while True:
            n-=1
            if n==2: return x,n
            if n<0: break
    return None
r=f([1,2,0,5,9]), f([1])
""",
        True,
    ),
    (
        "lambdas with defaults collected",
        """
@parallel
def f(xs):
    fs=[]
    for x in xs:
        fs.append(lambda y, x=x: x+y)
    return [g(1) for g in fs]
r=f(range(4))
""",
        False,
    ),
    (
        "a comprehension that fills another list",
        """
@parallel
def f(xs):
    seen=[]
    return [seen.append(x) or len(seen) for x in xs], seen
r=f(range(6))
""",
        False,
    ),
    (
        "a private method that changes its object",
        """
class A:
    def __init__(self): self.n=0
    def __bump(self): self.n+=1; return self.n
    @parallel
    def f(self,xs):
        return [self.__bump()+x for x in xs], self.n
a=A()
r=a.f(range(6))
""",
        False,
    ),
    (
        "a counter in a closure",
        """
def make():
    n=0
    def bump(x):
        nonlocal n
        n+=1
        return n+x
    @parallel
    def f(xs):
        return [bump(x) for x in xs], n
    return f
f=make()
r=f(range(6))
""",
        False,
    ),
    (
        "nested comprehension with conditions",
        """
@parallel
def f(rows, lo):
    return {k: [v for v in vs if v > lo] for k, vs in rows.items() if k != "x"}, sum(len(v) for v in rows.values())
r=f({"a":[1,2,3],"x":[3],"b":[5]},1)
""",
        True,
    ),
    (
        "walrus before two returns",
        """
@parallel
def f(xs, *, lim=3):
    if (n := len(xs)) > lim:
        return [x + n for x in xs]
    return [x - n for x in xs]
r=f(range(5)), f(range(2))
""",
        True,
    ),
    (
        "a temporary read by a function made after the loop",
        """
@parallel
def f(xs):
    for x in xs:
        y = x * 2
        z = y
    def show():
        return y, x
    return show()
r = f(range(5))
""",
        True,
    ),
    (
        "a temporary used by += and del after the loop",
        """
@parallel
def f(xs):
    for x in xs:
        y = [x]
        z = x
        w = x
    y += [1]
    del z
    try:
        return y, z
    except UnboundLocalError:
        return y
r = f(range(5))
""",
        True,
    ),
    (
        "a temporary read before the loop, in the next turn of a serial one",
        """
@parallel
def f(xs):
    seen = []
    y = None
    for turn in range(3):
        seen.append(y)
        for x in xs:
            y = x + turn
    return seen
r = f(range(5))
""",
        True,
    ),
    (
        "a temporary that can't be sent and is not read again",
        """
import threading
@parallel
def f(xs):
    out = []
    for x in xs:
        lock = threading.Lock()
        lock.acquire()
        numbers = (n for n in range(x))
        out.append((x, sum(numbers)))
    return out
r = f(range(5))
""",
        None,
    ),
    (
        "errors in a method, with its lines",
        """
class Model:
    def __init__(self, k):
        self.k = k

    @parallel
    def all(self, xs):
        out = []
        for x in xs:
            y = self.k / (x - 3)
            out.append(
                y
            )
        return out

Model(1).all([4, 5])
Model(1).all(range(6))
""",
        True,
    ),
    (
        "an error beside a split loop",
        """
@parallel
def f(xs):
    a = [x + 1 for x in xs]
    b = a[100]
    return [x for x in b]

f(range(4))
""",
        True,
    ),
    (
        "the iterable raises",
        """
@parallel
def f(n):
    out = []
    for x in [10 // k for k in range(n, -2, -1)]:
        out.append(x)
    return out

f(3)
""",
        True,
    ),
    (
        "called with a callback that is called in the loop",
        """
@parallel
def f(xs, how):
    return [how(x) for x in xs]

r = f(range(4), abs), f(range(4), lambda x: -x), f(["a"], str.upper)
""",
        True,
    ),
    (
        "a callback that keeps count",
        """
count = 0
def counted(x):
    global count
    count += 1
    return x

@parallel
def f(xs, how):
    return [how(x) for x in xs]

r = f(range(4), counted), count
""",
        False,
    ),
    (
        "a library's function uses a generator up",
        """
import math
from collections import Counter

@parallel
def f(words):
    return math.fsum(len(w) / 3 for w in words), Counter(w[0] for w in words)

r = f(["a", "bb", "ab"])
""",
        True,
    ),
    (
        "a function of one's own with a library's name stops early",
        """
from itertools import islice

def fsum(numbers):
    return list(islice(numbers, 2))

@parallel
def f(words):
    for w in words:
        seen.append(w)
    return fsum(print(w) for w in words)

seen = []
r = [f(["a", "bb", "ab"]) for _ in range(2)]
""",
        None,
    ),
]

FUNCTIONS: list[Row] = NAMES + ENDS + KINDS + TRAPS
