"""What travels to a worker and back: same values, same objects, never stale, or a CodecError that says where."""

from __future__ import annotations

import builtins
import os
import pickle
import string
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
from mirror_process import Notebook, Worker

from mpnb.cache import EncodeCache, global_names
from mpnb.engine import Job
from mpnb.errors import CodecError
from mpnb.jobs import JobEncoder


def run(notebook: Notebook, worker: Worker, body: str, items: list[Any] = [0], **job: Any) -> list[Any]:  # noqa: B006
    """Run a body in the worker; each iteration's effects, the net having been silent."""
    encoder = JobEncoder(notebook.job(body, **job), EncodeCache())
    words, effects = worker.run(encoder, items)
    assert words is None, words
    return effects


def result(notebook: Notebook, worker: Worker, expression: str, item: Any = 0) -> Any:
    """The value of one expression, computed in the worker."""
    (((_, value),),) = run(notebook, worker, f"effects.append((0, ({expression})))", [item])
    return value


# (what, cell, expression): the value there is the value here.
SAME = [
    ("a global", "K = 3", "K + item"),
    ("recursion", "def f(n): return 1 if n < 2 else n * f(n - 1)", "f(10)"),
    (
        "mutual recursion",
        """
        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        """,
        "even(10), odd(10)",
    ),
    (
        "a closure with state of its own",
        """
        def adder(k):
            def add(x): return x + k
            return add
        add3 = adder(3)
        """,
        "add3(4)",
    ),
    (
        "two closures over one cell",
        """
        def pair():
            n = [0]
            m = 0
            def up():
                nonlocal m
                m += 1
                return m
            def get(): return m
            return up, get
        up, get = pair()
        def both():
            up(); up()
            return get()
        """,
        "get()",
    ),
    (
        "a closure that calls itself",
        """
        def make():
            def count(n): return 0 if n == 0 else 1 + count(n - 1)
            return count
        count = make()
        """,
        "count(5)",
    ),
    (
        "defaults, keyword defaults, attributes, doc, names",
        """
        def f(a, b=2, *, c=[3]) -> int:
            'Doc.'
            return a + b + c[0]
        f.note = "x"
        """,
        "f(1), f.note, f.__doc__, f.__name__, f.__qualname__, f.__module__, f.__annotations__, f.__kwdefaults__",
    ),
    (
        "super() and class attributes",
        """
        class A:
            k = 5
            def f(self): return self.k
        class B(A):
            def f(self): return super().f() + 1
        """,
        "B().f()",
    ),
    (
        "properties, class and static methods, slots",
        """
        class P:
            __slots__ = ("x",)
            def __init__(self, x): self.x = x
            @property
            def double(self): return 2 * self.x
            @classmethod
            def of(cls, x): return cls(x)
            @staticmethod
            def one(): return 1
        """,
        "P.of(4).double, P.one()",
    ),
    ("a lambda", "square = lambda x: x * x", "square(7)"),
    (
        "lru_cache",
        "import functools\n@functools.lru_cache(maxsize=7)\ndef f(n): return n",
        "f(3), f.cache_parameters()",
    ),
    (
        "cached_property",
        "import functools\nclass A:\n    @functools.cached_property\n    def x(self): return 9",
        "A().x",
    ),
    ("partial", "import functools\ndef f(a, b): return a - b\ng = functools.partial(f, 10)", "g(3)"),
    (
        "a decorator of the notebook",
        """
        import functools
        def twice(f):
            @functools.wraps(f)
            def g(*a): return 2 * f(*a)
            return g
        @twice
        def h(x): return x + 1
        """,
        "h(3), h.__name__, h.__wrapped__(3)",
    ),
    (
        "a library's decorator",
        """
        import contextlib
        @contextlib.contextmanager
        def opened(x): yield x + 1
        def use(x):
            with opened(x) as y: return y
        """,
        "use(1)",
    ),
    (
        "singledispatch",
        """
        import functools
        @functools.singledispatch
        def f(x): return "any"
        @f.register
        def _(x: int): return "int"
        """,
        "f(1), f('a')",
    ),
    (
        "abstract classes",
        """
        import abc
        class Shape(abc.ABC):
            @abc.abstractmethod
            def area(self): ...
        class Square(Shape):
            def area(self): return 4
        """,
        "Square().area(), isinstance(Square(), Shape)",
    ),
    ("a name that shadows a builtin", "def len(x): return -1", "len([1])"),
    ("a module by another name", "import os.path as p", "p.basename('/a/b')"),
    ("a module made here", "import types\ncfg = types.ModuleType('cfg')\ncfg.k = [4]", "cfg.k[0], cfg.__name__"),
    ("comprehensions and nested functions", "K = 2", "[[K * i for i in range(j)] for j in range(3)]"),
    ("a generator function", "def g(n):\n    for i in range(n): yield i * K\nK = 3", "list(g(4))"),
    (
        "a lock in an object",
        "import threading\nclass A:\n    def __init__(self): self.l = threading.Lock(); self.x = 1\na = A()",
        "a.x",
    ),
    (
        "typing",
        "from typing import NamedTuple, TypeVar\nT = TypeVar('T')\nclass N(NamedTuple):\n    a: int = 1",
        "N(2).a",
    ),
    (
        "a mappingproxy",
        "import types\nd = {'a': [1]}\nm = types.MappingProxyType(d)",
        "m['a'], m['a'] is d['a'], type(m).__name__",
    ),
    ("a property object", "class A: x = property(lambda self: 5)\np = property(lambda self: 7)", "p.fget(0), A().x"),
    (
        "a super object",
        "class A:\n    def f(self): return 1\nclass B(A):\n    def f(self): return 2\nb = B()\nup = super(B, b)",
        "up.f(), up.__self__ is b",
    ),
    (
        "dataclasses' sentinels",
        "import dataclasses\n@dataclasses.dataclass\nclass P:\n    x: int\n    y: list = dataclasses.field(default_factory=list)",
        "[f.default is dataclasses.MISSING for f in dataclasses.fields(P)], dataclasses.replace(P(1), x=2).x",
    ),
    (
        "a C descriptor",
        "import types\nget = types.FunctionType.__code__\ndef f(): pass",
        "get.__get__(f) is f.__code__",
    ),
    ("a memoryview of bytes", "m = memoryview(b'abc')", "bytes(m), m.readonly"),
    ("a slice", "s = slice(1, 2)", "[1, 2, 3][s]"),
    ("a metaclass", "class M(type):\n    def __len__(cls): return 3\nclass A(metaclass=M): pass", "len(A)"),
    (
        "__init_subclass__",
        "class A:\n    kinds = []\n    def __init_subclass__(cls): A.kinds.append(cls.__name__)\nclass B(A): pass",
        "A.kinds",
    ),
]


@pytest.mark.parametrize(("cell", "expression"), [case[1:] for case in SAME], ids=[case[0] for case in SAME])
def test_same_value(notebook: Notebook, worker: Worker, cell: str, expression: str) -> None:
    """What the notebook defines works in a worker as it does here."""
    notebook.cell(cell)
    here = eval(expression, notebook.names, {"item": 0})
    assert result(notebook, worker, expression) == here


INSTANCES = [
    (
        "a class",
        "class P:\n    def __init__(self, x): self.x = x\n    def __eq__(self, o): return self.x == o.x",
        "P(3)",
    ),
    ("a dataclass", "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int = 0", "P(3)"),
    (
        "a frozen dataclass with slots",
        "from dataclasses import dataclass\n@dataclass(frozen=True, slots=True)\nclass P:\n    x: int = 0",
        "P(3)",
    ),
    (
        "slots",
        """
class P:
    __slots__ = ('x', '__y')
    def __init__(self, x): self.x = self.__y = x
    def __eq__(self, o): return (self.x, self.__y, hasattr(self, '__dict__')) == (o.x, o.__y, False)
""",
        "P(3)",
    ),
    (
        "slots beside a dict",
        """
class B:
    __slots__ = 'b'
class P(B):
    __slots__ = ('x', '__dict__', '__weakref__')
    def __init__(self, x): self.x = self.b = self.y = x
    def __eq__(self, o): return (self.x, self.y, self.b) == (o.x, o.y, o.b)
""",
        "P(3)",
    ),
    ("a namedtuple", "from collections import namedtuple\nP = namedtuple('P', 'x y')", "P(1, 2)"),
    ("an enum", "import enum\nclass P(enum.Enum):\n    R = 1\n    G = 2", "P.G"),
    ("a flag", "import enum\nclass P(enum.Flag):\n    R = 1\n    G = 2", "P.G | P.R"),
    ("an exception", "class P(Exception):\n    pass\nP.__eq__ = lambda a, b: a.args == b.args", "P('x')"),
    ("a subclass of dict", "class P(dict): pass", "P(a=1)"),
]


@pytest.mark.parametrize(("cell", "expression"), [case[1:] for case in INSTANCES], ids=[case[0] for case in INSTANCES])
def test_instances_come_home_as_the_notebooks_class(
    notebook: Notebook, worker: Worker, cell: str, expression: str
) -> None:
    """An object of a notebook class that a worker makes is of the notebook's own class."""
    notebook.cell(cell)
    value = result(notebook, worker, expression)
    assert type(value) is notebook.names["P"]
    assert value == eval(expression, notebook.names)


def test_enum_members_are_the_same(notebook: Notebook, worker: Worker) -> None:
    """A member of a notebook enum comes back as that member."""
    notebook.cell("import enum\nclass C(enum.Enum):\n    R = 1")
    assert result(notebook, worker, "C.R") is notebook.names["C"].R


def test_functions_see_the_mirror(notebook: Notebook, worker: Worker) -> None:
    """A function in a worker has `__main__`'s dict as its globals, so that all share one."""
    notebook.cell("import sys\nK = 1\ndef f(): return K\nclass A:\n    def m(self): return f()")
    main = "vars(sys.modules['__main__'])"
    assert result(notebook, worker, f"f.__globals__ is {main}, A.m.__globals__ is {main}, A().m()") == (True, True, 1)


def test_items_of_a_class_that_no_name_leads_to(notebook: Notebook, worker: Worker) -> None:
    """An item's class, and what its methods look up, travel with the items."""
    notebook.cell("""
        K = [10]
        def helper(x): return x + K[0]
        class Point:
            def __init__(self, x): self.x = x
            def moved(self): return Point(helper(self.x))
    """)
    points = [notebook.names["Point"](i) for i in range(3)]
    effects = run(notebook, worker, "effects.append((0, item.moved(), item))", points)
    assert [e[0][1].x for e in effects] == [10, 11, 12]
    assert {type(e[0][1]) for e in effects} == {notebook.names["Point"]}
    assert all(e[0][2] is p for e, p in zip(effects, points, strict=True))


UNFAITHFUL = [
    ("a weak proxy", "import weakref\nclass A: pass\na = A()\nthing = weakref.proxy(a)"),
    ("a context", "import contextvars\nthing = contextvars.copy_context()"),
    ("a capsule", "import datetime\nthing = datetime.datetime_CAPI"),
    ("a frame", "import sys\nthing = sys._getframe()"),
    ("a coroutine", "async def f(): pass\nthing = f()\nthing.close()"),
    ("a memoryview of what can change", "thing = memoryview(bytearray(b'abc'))"),
    ("a part of a memoryview", "thing = memoryview(b'abc')[1:]"),
    ("an open file", "import os\nthing = open(os.devnull, 'rb+')"),
]


@pytest.mark.parametrize("cell", [case[1] for case in UNFAITHFUL], ids=[case[0] for case in UNFAITHFUL])
def test_what_would_be_no_copy_is_refused(notebook: Notebook, cell: str) -> None:
    """What dill would take but not copy faithfully is an error that names it."""
    notebook.cell(cell)
    with pytest.raises(CodecError, match="'thing'"):
        JobEncoder(notebook.job("thing"), EncodeCache())
    if hasattr(notebook.names["thing"], "fileno"):
        notebook.names["thing"].close()


def test_dill_is_imported_only_where_it_is_needed() -> None:
    """An ordinary job does not pay for it."""
    code = (
        "import sys, types\nfrom mpnb.cache import EncodeCache\nfrom mpnb.jobs import JobEncoder\nfrom mpnb.engine import Job\n"
        "xs = [1]\ndef f(item, effects): effects.append((0, xs))\nJobEncoder(Job(f), EncodeCache())\nprint('dill' in sys.modules)\n"
        "xs = super(dict, {})\nJobEncoder(Job(f), EncodeCache())\nprint('dill' in sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


# identity


def test_names_share_objects(notebook: Notebook, worker: Worker) -> None:
    """An object with two names, or in a default, a closure or a class, is one object in the worker."""
    notebook.cell("""
        base = {"a": [1]}
        other = base
        inner = base["a"]
        def f(x=base): return x
        class A: data = base
        def make():
            b = base
            def g(): return b
            return g
        g = make()
    """)
    expression = "base is other, base['a'] is inner, f() is base, A.data is base, g() is base"
    assert result(notebook, worker, expression) == (True,) * 5


def test_items_come_back_as_themselves(notebook: Notebook, worker: Worker) -> None:
    """A result that is, or holds, an item is the notebook's own object, at any depth."""
    items: list[Any] = [[1], {"a": 1}, {2}, (3, [4]), np.arange(3), np.arange(100_000), bytearray(b"x"), object()]
    for item, effects in zip(items, run(notebook, worker, "effects.append((0, item, [[item]]))", items), strict=True):
        assert effects[0][1] is item
        assert effects[0][2][0][0] is item


def test_parts_of_items_come_back_as_themselves(notebook: Notebook, worker: Worker) -> None:
    """What is inside an item comes back as the object inside the notebook's item."""
    item = [[1], {"k": [2]}]
    ((effect,),) = run(notebook, worker, "effects.append((0, item[0], item[1]['k']))", [item])
    assert effect[1] is item[0]
    assert effect[2] is item[1]["k"]


def test_broadcast_objects_come_back_as_themselves(notebook: Notebook, worker: Worker) -> None:
    """`[(base, i) …]` shares one `base`, the notebook's; so do functions, classes and modules."""
    notebook.cell("import math\nbase = {'a': [1]}\ndef f(): pass\nclass A: pass\na = A()")
    for effects in run(notebook, worker, "effects.append((0, base, base['a'], f, A, a, math))", [0, 1, 2]):
        _, base, inner, f, kind, a, math = effects[0]
        names = notebook.names
        assert (base is names["base"], inner is names["base"]["a"]) == (True, True)
        assert (f is names["f"], kind is names["A"], a is names["a"], math is names["math"]) == (True,) * 4


@pytest.mark.parametrize("size", [10, 20_000])
def test_items_that_are_in_a_broadcast_container(notebook: Notebook, worker: Worker, size: int) -> None:
    """An item that is also reachable from a name is one object in the worker, for small and big containers."""
    notebook.names["xs"] = xs = [[i] for i in range(size)]
    body = "effects.append((0, any(item is x for x in xs[:10]), item, xs))"
    for number, effects in enumerate(run(notebook, worker, body, xs[:3])):
        assert effects[0][1] is True
        assert effects[0][2] is xs[number]
        assert effects[0][3] is xs


def test_sharing_within_an_iteration(notebook: Notebook, worker: Worker) -> None:
    """New objects that an iteration puts into two effects are one object in the notebook."""
    ((one, two),) = run(notebook, worker, "x = []\neffects.append((0, x))\neffects.append((1, [x]))")
    assert two[1][0] is one[1]


def test_the_order_of_sets_of_numbers(notebook: Notebook, worker: Worker) -> None:
    """A set of numbers comes home in its order, or not at all."""
    notebook.names["good"] = good = {0, 1, 2, 30, 4.0}
    there, back = result(notebook, worker, "list(good), good | {5}")
    assert there == list(good)
    assert list(back) == list(good | {5})
    notebook.names["collided"] = collided = {8, 0, 16, 3.5, 1 << 40}
    assert list(set(collided.__iter__())) != list(collided)
    assert result(notebook, worker, "collided") is collided
    with pytest.raises(CodecError, match="order"):
        run(notebook, worker, "effects.append((0, {8, 0, 16, 3.5, 1 << 40}))")


def test_a_target_is_refused(notebook: Notebook) -> None:
    """An object that replay changes must not be readable in a worker."""
    notebook.cell("out = []\nholder = {'x': [out]}")
    job = notebook.job("holder", targets=(notebook.names["out"],))
    with pytest.raises(CodecError, match="'out'"):
        JobEncoder(job, EncodeCache())
    encoder = JobEncoder(notebook.job("item", targets=(notebook.names["out"],)), EncodeCache())
    with pytest.raises(CodecError, match="'out'"):
        encoder.encode_items([1, [notebook.names["out"]]])


@pytest.mark.parametrize(
    "expression",
    [
        "big.flags.writeable",
        "[x.flags.owndata for x in [big, small]]",
        "helper(small)",
        "(lambda: big.base is None)()",
        "sys.getsizeof(big)",
        "item.flags['WRITEABLE']",
        "str(item.flags), len(item)",
        "helper(item)",
        "item.flags.c_contiguous, item.flags.writeable",
    ],
)
def test_what_tells_a_lent_array_from_the_notebooks_is_refused(notebook: Notebook, expression: str) -> None:
    """Whether it may be written, owns its memory, is a view: in a worker that would be another answer, silently."""
    notebook.cell("""
        import sys, numpy as np
        big, small = np.zeros(100_000), np.zeros(3)
        def helper(x): return x.flags.writeable
        """)
    with pytest.raises(
        CodecError, match=r"the loop asks for \.(flags|base|getsizeof), and workers see arrays read-only"
    ):
        JobEncoder(notebook.job(expression), EncodeCache()).encode_items([np.zeros(5)])


def test_the_same_names_are_no_matter_without_arrays(notebook: Notebook, worker: Worker) -> None:
    """Of other objects they may be asked, and they may be names of the notebook's own beside arrays."""
    notebook.cell("""
        import re, numpy as np
        class Path: base = "there"
        path, pattern, base, flags, big = Path(), re.compile("x", re.I), 5, 7, np.ones(100_000)
        """)
    assert result(notebook, worker, "path.base, pattern.flags & 2, item", 3) == ("there", 2, 3)
    assert result(notebook, worker, "base + flags + big[item]", 3) == 13.0
    assert result(notebook, worker, "big.flags.c_contiguous, big[::2].flags.f_contiguous") == (True, False)


def test_code_of_cells_gone_by_is_forgotten(notebook: Notebook) -> None:
    """Every run of a cell has code of its own: what is remembered of it does not grow with the cells."""
    cache = EncodeCache()
    notebook.cell("def often(): return 1")
    for number in range(400):
        notebook.cell(f"def once(): return {number}")
        JobEncoder(notebook.job("once() + often()"), cache)
    assert len(cache._scripts) < 300
    script = cache.script(notebook.names["often"].__code__)
    assert script is cache.script(notebook.names["often"].__code__)


def test_a_target_that_shares_memory_is_refused(notebook: Notebook) -> None:
    """So must not an array that overlaps one, also inside a DataFrame."""
    notebook.cell("import numpy as np, pandas as pd\nbase = np.zeros(10)\nout = base[5:]\nother = np.zeros(3)")
    names = notebook.names
    with pytest.raises(CodecError, match="'out'"):
        JobEncoder(notebook.job("base[:8]", targets=(names["out"],)), EncodeCache())
    JobEncoder(notebook.job("other", targets=(names["out"],)), EncodeCache())
    names["df"] = names["pd"].DataFrame({"a": names["base"]}, copy=False)
    with pytest.raises(CodecError, match="'df'"):
        JobEncoder(notebook.job("base", targets=(names["df"],)), EncodeCache())


# arrays

LAYOUTS = [
    "a",
    "a.T",
    "a[::2]",
    "a[:, ::3]",
    "a[::-1, ::-2]",
    "a[3]",
    "a[:, 3]",
    "a[5:5]",
    "np.asfortranarray(a)",
    "a.astype('>f4')",
    "a.astype('M8[s]')",
    "a.astype('M8[s]').T",
    "np.array(3.5)",
    "np.zeros((3, 0))",
    "a.astype('S5')",
    "np.zeros(4, dtype=[('x', 'f8'), ('y', 'i4', 2)])",
    "np.zeros((2, 3), dtype='V0')",
    "np.broadcast_to(a[0], (3, a.shape[1]))",
    "a > 3",
]


@pytest.mark.parametrize("size", [20, 300])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_keep_their_layout(notebook: Notebook, worker: Worker, layout: str, size: int) -> None:
    """Broadcast, as an item and as a result an array keeps values, dtype, shape and strides; in a worker it is read-only."""
    rng = np.random.default_rng(0)
    here = eval(layout, {"np": np, "a": rng.random((size, size)).round(3)})
    notebook.names.update(np=np, lent=here)
    body = """
        for x in (lent, item):
            effects.append((0, x.dtype, x.shape, x.strides, getattr(x, 'flags').writeable, x.tobytes()))
        fresh = np.empty(lent.shape, lent.dtype)
        effects.append((1, lent, item))
    """
    item = eval(layout, {"np": np, "a": np.random.default_rng(0).random((size, size)).round(3)})
    *both, last = run(notebook, worker, body, [item])[0]
    for _, dtype, shape, strides, writeable, content in both:
        assert (dtype, shape, content) == (here.dtype, here.shape, here.tobytes())
        assert strides == here.strides or here.size == 0
        assert not writeable
    assert last[1] is here
    assert last[2] is item


@pytest.mark.parametrize("size", [20, 300])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_new_arrays_come_home(notebook: Notebook, worker: Worker, layout: str, size: int) -> None:
    """An array made in a worker arrives with its layout, writeable as it was there."""
    notebook.names.update(np=np)
    body = f"a = np.random.default_rng(0).random((item, item)).round(3)\neffects.append((0, {layout}))"
    here = eval(layout, {"np": np, "a": np.random.default_rng(0).random((size, size)).round(3)})
    there = run(notebook, worker, body, [size])
    value = there[0][0][1]
    assert (value.dtype, value.shape, value.tobytes()) == (here.dtype, here.shape, here.tobytes())
    assert value.strides == here.strides or here.size == 0
    assert value.flags.writeable == here.flags.writeable
    if here.flags.owndata and here.size:
        assert value.flags.owndata


@pytest.mark.parametrize("size", [8, 200])
def test_views_of_lent_arrays_stay_views(notebook: Notebook, worker: Worker, size: int) -> None:
    """A result that is a view of a broadcast array or an item is a view of the notebook's array."""
    notebook.names.update(
        np=np, m=np.arange(size * size, dtype=float).reshape(size, size).copy(), t=np.zeros((size, size)).T
    )
    m, t = notebook.names["m"], notebook.names["t"]
    item = np.arange(size * size * 2.0).reshape(size, -1)[:, ::2]
    body = "effects.append((0, m[2], m[::-2, 1:3], m.reshape(-1)[3:9], item[1], t[1:3], m.view('i8')[0], m[:0]))"
    _, row, part, flat, from_item, from_t, cast, empty = run(notebook, worker, body, [item])[0][0]
    assert (row == m[2]).all()
    assert (part == m[::-2, 1:3]).all()
    assert part.strides == m[::-2, 1:3].strides
    assert row.base is m
    m[2, :] = -1
    assert (row == -1).all()
    flat[0] = 77
    assert m.reshape(-1)[3] == 77
    item[1, 0] = 5.5
    assert from_item[0] == 5.5
    from_t[...] = 4
    assert (t[1:3] == 4).all()
    assert np.shares_memory(cast, m)
    assert empty.shape == (0, size)


BITS = [0, 1 << 63, 1, 0x7FF0 << 48, 0x7FF8 << 48, 0xFFF8 << 48 | 0xDEAD, 0x3FB999999999999A, 2**64 - 1]


@pytest.mark.parametrize("bits", BITS, ids=hex)
def test_numbers_of_numpy_keep_their_bits(notebook: Notebook, worker: Worker, bits: int) -> None:
    """Zeros of both signs, infinity, any nan: there and back the same type and the same 64 bits."""
    number = np.array([bits], np.uint64).view(np.float64)[0]
    for thing in (number, np.array([bits], np.uint64).view(np.int64)[0], np.bool_(bits % 2)):
        there, back = result(notebook, worker, "(type(item).__name__, item.tobytes()), item * 1", thing)
        assert there == (type(thing).__name__, thing.tobytes())
        assert type(back) is type(thing * 1)
        assert back.tobytes() == (thing * 1).tobytes()


def test_new_arrays_that_share_memory_keep_sharing(notebook: Notebook, worker: Worker) -> None:
    """`return a, a[:3]` of a new array gives an array and its view."""
    notebook.names.update(np=np)
    _, a, b, c = run(notebook, worker, "a = np.zeros(10)\neffects.append((0, a, a[:3], a[2:5]))")[0][0]
    a[2] = 9
    assert (b[2], c[0]) == (9, 9)
    assert b.base is a
    _, b, c = run(notebook, worker, "a = np.zeros(10)\neffects.append((0, a[:3], a[2:5]))")[0][0]
    b[2] = 8
    assert c[0] == 8


def test_lent_arrays_cannot_be_written(notebook: Notebook, worker: Worker) -> None:
    """Writing into a broadcast array or an item raises in a worker, for small and big ones, and can't be switched on."""
    notebook.names.update(np=np, small=np.zeros(3), big=np.zeros(100_000), objects=np.array([[1], [2]], dtype=object))
    body = """
        for x in (small, big, objects, item):
            for write in (lambda: x.__setitem__(0, 1), lambda: x.sort(), lambda: x.setflags(write=True)):
                try:
                    write()
                    effects.append((0, "written"))
                except ValueError:
                    effects.append((0, "refused"))
    """
    effects = run(notebook, worker, body.replace("objects, ", ""), [np.zeros(4)])[0]
    assert {effect[1] for effect in effects} == {"refused"}
    ((effect,),) = run(notebook, worker, "effects.append((0, getattr(objects, 'flags').writeable))")
    assert effect[1] is False


def test_dataframes(notebook: Notebook, worker: Worker) -> None:
    """DataFrames travel both ways; a part of one comes back as pandas gives it, not as a hole into the original."""
    pd = pytest.importorskip("pandas")
    df = pd.DataFrame({"a": range(50_000), "b": 1.5, "c": [f"s{i}" for i in range(50_000)]})
    notebook.names.update(pd=pd, df=df)
    body = (
        "effects.append((0, df, df.iloc[item:item + 10], df['a'], df['b'].values, df.groupby('b').a.sum(), df.index))"
    )
    _, whole, part, column, values, grouped, index = run(notebook, worker, body, [5])[0][0]
    assert whole is df
    pd.testing.assert_frame_equal(part, df.iloc[5:15])
    part.loc[part.index[0], "b"] = 99.0
    assert df["b"].iloc[5] == 1.5
    pd.testing.assert_series_equal(column, df["a"])
    assert values.flags.writeable == df["b"].values.flags.writeable
    pd.testing.assert_series_equal(grouped, df.groupby("b").a.sum())
    assert index is df.index


@pytest.mark.parametrize("transport", ["", "portable"])
def test_portable_transport(notebook: Notebook, monkeypatch: pytest.MonkeyPatch, transport: str) -> None:
    """Without memory blocks everything travels in band, and nothing else is different."""
    monkeypatch.setenv("MPNB_TRANSPORT", transport)
    process = Worker(MPNB_TRANSPORT=transport)
    notebook.names.update(np=np, big=np.arange(100_000.0), text=["x" * 100] * 3000)
    encoder = JobEncoder(
        notebook.job("effects.append((0, big, big * 2, getattr(big, 'flags').writeable, len(text), big[5:]))"),
        EncodeCache(),
    )
    assert bool(encoder.parts[-1].frame.blocks) == (not transport)
    words, (((_, big, double, writeable, count, view),),) = process.run(encoder, [0])
    assert words is None
    assert big is notebook.names["big"]
    assert (double == big * 2).all()
    assert (writeable, count) == (False, 3000)
    assert view.base is big
    process.close()


# never stale


def test_changes_are_seen(notebook: Notebook, worker: Worker) -> None:
    """A mutated list, dict or array, a redefined function or class: the next job uses it."""
    cache = EncodeCache()
    notebook.cell("import numpy as np\nxs = [1]\nbig = np.zeros(200_000)\ndef f(): return 1\nclass A: k = 1")
    body = "effects.append((0, xs[0], big[7], f(), A.k))"

    def there() -> Any:
        words, effects = worker.run(JobEncoder(notebook.job(body), cache), [0])
        assert words is None
        return effects[0][0][1:]

    assert there() == (1, 0, 1, 1)
    notebook.cell("xs[0] = 2")
    assert there() == (2, 0, 1, 1)
    notebook.cell("big[7] = 3")
    assert there() == (2, 3, 1, 1)
    notebook.cell("def f(): return 4")
    assert there() == (2, 3, 4, 1)
    notebook.cell("A.k = 5")
    assert there() == (2, 3, 4, 5)
    notebook.cell("class A: k = 6\nf.__defaults__ = (1,)")
    assert there() == (2, 3, 4, 6)


def test_what_is_unchanged_is_not_made_again(notebook: Notebook) -> None:
    """The same names give the same digests and the same blocks."""
    cache = EncodeCache()
    notebook.cell(
        "import numpy as np\nbig = np.zeros(200_000)\nlittle = np.zeros(20_000)\ndef f(x): return big[x]\nclass A: pass"
    )
    job = notebook.job("f(item)", "A", "little")
    one, two = JobEncoder(job, cache), JobEncoder(job, cache)
    assert [part.digest for part in one.parts] == [part.digest for part in two.parts]
    assert [b.serial for b in one.parts[-1].frame.blocks] == [b.serial for b in two.parts[-1].frame.blocks]
    notebook.names["big"][3] = 1
    three = JobEncoder(job, cache)
    before, after = ({b.serial for b in each.parts[-1].frame.blocks} for each in (two, three))
    assert len(before - after) == 1
    assert one.parts[-1].digest != three.parts[-1].digest


def test_names_that_went_are_gone(notebook: Notebook, worker: Worker) -> None:
    """A worker has exactly the names of the job: what another job left is not there."""
    notebook.cell("a = 1\nb = 2")
    assert result(notebook, worker, "a") == 1
    assert result(notebook, worker, "b") == 2
    del notebook.names["a"]
    ((effect,),) = run(notebook, worker, "a")
    assert effect[:2] == ("raised", "NameError")


# errors


@pytest.mark.parametrize(
    ("cell", "body", "path"),
    [
        ("import sqlite3\nconn = sqlite3.connect(':memory:')", "conn", "conn"),
        (
            "import threading\nclass J: pass\njobs = [J(), J()]\njobs[1].lock = threading.Lock()\njobs[1].lock.acquire()",
            "jobs",
            "jobs[1].lock",
        ),
        ("d = {'k': (x for x in [1])}", "d", "d['k']"),
        ("import os\nf = open(os.devnull)", "f", "f"),
        ("m = memoryview(bytearray(b'x'))", "m", "m"),
        ("import itertools\nc = [itertools.count()]", "c", "c[0]"),
        ("deep = []\nfor i in range(100_000): deep = [deep]", "deep", "deep"),
        ("def f(): return eval('1')", "f()", "eval()"),
        ("import threading\nt = threading.Event()", "t", "t"),
    ],
)
def test_what_cannot_travel_is_named(notebook: Notebook, cell: str, body: str, path: str) -> None:
    """CodecError says how to get to what can't be sent."""
    notebook.cell(cell)
    with pytest.raises(CodecError) as caught:
        JobEncoder(notebook.job(body), EncodeCache())
    assert caught.value.path.startswith(path)
    for thing in ("conn", "f"):
        if hasattr(notebook.names.get(thing), "close"):
            notebook.names[thing].close()
    if "jobs" in notebook.names:
        notebook.names["jobs"][1].lock.release()


def test_items_that_cannot_travel_are_named(notebook: Notebook) -> None:
    """So does it for items."""
    encoder = JobEncoder(notebook.job("item"), EncodeCache())
    with pytest.raises(CodecError, match=r"items\[1\]"):
        encoder.encode_items([1, threading.local()])


def test_results_that_cannot_travel(notebook: Notebook, worker: Worker) -> None:
    """And for results."""
    encoder = JobEncoder(notebook.job("effects.append((0, {'g': (x for x in [1])}))"), EncodeCache())
    with pytest.raises(CodecError, match=r"\['g'\]"):
        worker.run(encoder, [0])


def test_a_notebook_function_in_a_library_is_refused(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the notebook put into a library module or class is not there in a worker: CodecError."""
    import textwrap

    notebook.cell("import textwrap\ndef mine(text): return text")
    monkeypatch.setattr(textwrap, "dedent", notebook.names["mine"])
    with pytest.raises(CodecError, match="textwrap.dedent"):
        JobEncoder(notebook.job("textwrap.dedent('x')"), EncodeCache())


def test_what_the_notebook_set_in_a_library_is_set_in_a_worker(notebook: Notebook, worker: Worker) -> None:
    """A plain value that the notebook gave a library's module or class, or the builtins, is the worker's as well."""
    notebook.cell(
        "import string\nfrom textwrap import TextWrapper\ndef f(): return TextWrapper.x, string.digits, extra"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(string, "digits", "01")
        patch.setattr("textwrap.TextWrapper.x", 4, raising=False)
        for extra in (1, True, 1.5, "text", None):
            patch.setattr(builtins, "extra", extra, raising=False)
            assert repr(result(notebook, worker, "f()")) == repr((4, "01", extra))
    notebook.cell("import builtins")
    left = "[string.digits, hasattr(builtins, 'extra'), hasattr(TextWrapper, 'x')]"
    assert result(notebook, worker, left) == ["0123456789", False, False]


@pytest.mark.parametrize("what", ["mine", "Mine", "Mine()", "Mine().m", "functools.partial(mine, 1)"])
def test_whatever_the_notebook_put_into_a_library_is_refused(notebook: Notebook, what: str) -> None:
    """A function, class, instance, method or partial of the notebook's in a library: CodecError."""
    import colorsys

    cell = "import functools, colorsys\ndef mine(*a): return 1\nclass Mine:\n    def m(self, *a): return 1\n"
    notebook.cell(f"{cell}    __call__ = m\nwhat = {what}")
    for holder, name in ((colorsys, "rgb_to_hls"), (builtins, "oct")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(holder, name, notebook.names["what"])
            with pytest.raises(CodecError, match=rf"{holder.__name__}\.{name}"):
                JobEncoder(notebook.job("oct(3), colorsys.rgb_to_hls(1, 2, 3)"), EncodeCache())


# modules of the user's own


def test_local_modules_follow_their_reload(
    notebook: Notebook, worker: Worker, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edited and reloaded module is used as it is here; one edited but not reloaded is refused."""
    import importlib

    file = tmp_path / "mymod_of_mine.py"
    file.write_text("K = 1\ndef f(): return K\nclass A:\n    def m(self): return K\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    notebook.cell("import mymod_of_mine as mymod\nfrom mymod_of_mine import f")
    assert result(notebook, worker, "f(), mymod.A().m()") == (1, 1)
    file.write_text("K = 22\ndef f(): return K + 1\nclass A:\n    def m(self): return K\n")
    os.utime(file, (1, 1))
    with pytest.raises(CodecError, match="mymod_of_mine"):
        fresh = Worker()
        try:
            result(notebook, fresh, "f()")
        finally:
            fresh.close()
    importlib.reload(notebook.names["mymod"])
    notebook.cell("from mymod_of_mine import f")
    assert result(notebook, worker, "f(), mymod.A().m()") == (23, 22)
    notebook.names["mymod"].K = 5
    with pytest.raises(CodecError, match="mymod_of_mine"):
        result(notebook, worker, "f()")
    del sys.modules["mymod_of_mine"]


# code


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("lambda: a + b", ("a", "b")),
        ("lambda: x.attribute", ("x",)),
        ("lambda: [c for _ in d]", ("d", "c")),
        ("lambda y: (lambda: y + z)", ("z",)),
    ],
)
def test_global_names(source: str, names: tuple[str, ...]) -> None:
    """Only names that code looks up are found, attributes are not, nested code is read too."""
    assert set(global_names(eval(source).__code__)) == set(names)


def test_many_global_names() -> None:
    """Code with more than 255 names is read right (EXTENDED_ARG)."""
    names = [f"n{i}" for i in range(600)]
    code = compile("def f():\n" + "".join(f"    {n}\n" for n in names), "x", "exec").co_consts[0]
    assert list(global_names(code)) == names


def test_source_lines_travel(notebook: Notebook, worker: Worker) -> None:
    """A traceback in a worker shows the notebook's line."""
    notebook.cell(
        "import traceback\ndef bad():\n    return 1 / 0  # here\ndef text():\n    try: bad()\n    except ZeroDivisionError: return traceback.format_exc()"
    )
    assert "return 1 / 0  # here" in result(notebook, worker, "text()")


def test_frames_hold_plain_bytes(notebook: Notebook) -> None:
    """A big pickle leaves the head, so that it is written once for all workers."""
    notebook.names["words"] = [f"w{i}" for i in range(50_000)]
    encoder = JobEncoder(notebook.job("words"), EncodeCache())
    frame = encoder.parts[-1].frame
    assert len(frame.head) < 1000
    assert frame.nbytes > len(pickle.dumps(notebook.names["words"])) * 0.9


@pytest.mark.parametrize(
    "thing",
    [
        "iter([1])",
        "[zip([1], [2])]",
        "__import__('io').StringIO('x')",
        "__import__('random').Random(0)",
        "{'g': __import__('numpy').random.default_rng(0)}",
    ],
)
def test_what_moves_on_when_it_is_used_is_not_lent(thing: str) -> None:
    """An iterator, a buffer, a random generator: a worker would use a copy, and the notebook's would stay behind."""
    names: dict[str, Any] = {"__name__": "__main__", "thing": eval(thing)}
    exec("def task(item, effects): effects.append((0, thing))", names)
    with pytest.raises(CodecError, match="thing"):
        JobEncoder(Job(names["task"]), EncodeCache())


def test_names_that_the_loop_sets_are_not_sent() -> None:
    """What a worker would read of them is of another iteration."""
    names: dict[str, Any] = {"__name__": "__main__", "i": 1}
    exec("def f(): return i\ndef task(item, effects): effects.append((0, f()))", names)
    with pytest.raises(CodecError, match="'i'"):
        JobEncoder(Job(names["task"], hidden=frozenset({"i"})), EncodeCache())
