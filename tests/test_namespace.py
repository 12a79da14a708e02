"""The mirror: exactly a job's names, and three nets that see what a task changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mirror_process import Notebook, Worker

from mpnb.cache import EncodeCache
from mpnb.jobs import JobEncoder
from mpnb.namespace import needed_names


def checked(notebook: Notebook, worker: Worker, body: str, items: list[Any] = [0]) -> str | None:  # noqa: B006
    """What the nets say after a body ran."""
    words, _ = worker.run(JobEncoder(notebook.job(body), EncodeCache()), items)
    return words


NEEDED = [
    ("x = 1\ny = 2", "x", {"x"}),
    ("def f(): return g()\ndef g(): return k\nk = 1\nother = 2", "f()", {"f", "g", "k"}),
    ("def f(): return f()", "f()", {"f"}),
    ("k = 1\nclass A:\n    def m(self): return k", "A()", {"A", "k"}),
    ("k = 1\nclass A:\n    def m(self): return k\nclass B(A): pass", "B", {"B", "k"}),
    ("k = 1\nclass A:\n    def m(self): return k\na = A()", "a", {"a", "k"}),
    (
        "k = 1\nclass A:\n    @property\n    def p(self): return k\n    @classmethod\n    def c(cls): return j\nj = 2",
        "A",
        {"A", "k", "j"},
    ),
    ("k = 1\ndef f(a=lambda: k): pass", "f", {"f", "k"}),
    ("k = 1\ndef deco(g):\n    def inner(): return g()\n    return inner\n@deco\ndef f(): return k", "f", {"f", "k"}),
    ("import functools\nk = 1\n@functools.lru_cache\ndef f(): return k", "f", {"f", "k"}),
    ("import functools\nk = 1\ndef f(a): return k\ng = functools.partial(f, 1)", "g", {"g", "k"}),
    ("k = 1", "[k for _ in range(3)]", {"k"}),
    ("k = 1\nattribute = 2", "k.attribute", {"k"}),
    ("", "len(missing)", set()),
]


@pytest.mark.parametrize(("cell", "body", "names"), NEEDED)
def test_needed_names(notebook: Notebook, cell: str, body: str, names: set[str]) -> None:
    """All the names that a function leads to are found, and no attribute, builtin or missing name."""
    notebook.cell(cell)
    assert set(needed_names(notebook.job(body).function)) == names


# (what, cell, body, word of the answer)
CHANGES = [
    ("a list", "xs = [1]", "xs.append(1)", "shares"),
    ("a dict deep inside", "d = {'a': [{'b': 1}]}", "d['a'][0]['b'] = 2", "shares"),
    ("an object", "class A: pass\na = A(); a.x = 1", "a.x = 2", "shares"),
    ("a class attribute", "class A: count = 0", "A.count += 1", "shares"),
    ("a method of a class", "class A:\n    def m(self): pass", "A.m = None", "shares"),
    ("a function's attribute", "def f(): pass", "f.calls = 1", "shares"),
    ("a mutable default", "def f(x=[]): x.append(1)", "f()", "shares"),
    ("a mutable default, twice the same", "def f(x={}): x[1] = 1", "f()", "shares"),
    (
        "a closure",
        "def make():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n    return up\nup = make()",
        "up()",
        "shares",
    ),
    ("a set", "s = {1}", "s.add(2)", "shares"),
    ("a deque", "import collections\nd = collections.deque([1])", "d.append(2)", "shares"),
    ("a defaultdict that is only read", "import collections\nd = collections.defaultdict(list)", "d[1]", "shares"),
    (
        "an array's shape",
        "import numpy as np\na = np.zeros(4)",
        "import warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    a.shape = (2, 2)",
        "shares",
    ),
    ("an item", "", "item.append(1)", "item"),
    ("a global name", "def f():\n    global k\n    k = 1", "f()", "`k`"),
    ("a global name that is there", "k = 0\ndef f():\n    global k\n    k = 1", "f()\nk", "`k`"),
    ("a name removed", "k = 0\ndef f():\n    global k\n    del k", "f()", "`k`"),
    ("random", "import random", "random.random()", "random"),
    (
        "random, several calls deep",
        "import random\ndef f(): return g()\ndef g(): return random.choice([1, 2])",
        "f()",
        "random",
    ),
    ("numpy.random", "import numpy as np", "np.random.rand()", "numpy.random"),
    (
        "the working directory, by a way that is not audited",
        "import os",
        "os.fchdir(os.open('/', os.O_RDONLY))",
        "directory",
    ),
    ("the recursion limit", "import sys", "sys.setrecursionlimit(4321)", "recursion"),
    ("sys.path", "import sys", "sys.path.append('/x')", "sys.path"),
    ("warning filters", "import warnings", "warnings.simplefilter('ignore')", "warning"),
    ("the decimal context", "import decimal", "decimal.getcontext().prec = 3", "decimal"),
    ("numpy errors", "import numpy as np", "np.seterr(all='ignore')", "numpy"),
    ("pandas options", "import pandas as pd", "pd.set_option('display.max_rows', 3)", "pandas"),
    ("rcParams", "import matplotlib", "matplotlib.rcParams['lines.linewidth'] = 7", "rcParams"),
    ("logging", "import logging", "logging.getLogger('mine').setLevel(3)", "logging"),
    ("an environment variable", "import os", "os.environ['A'] = 'b'", "environment"),
    (
        "a file, the error swallowed",
        "import os",
        "try:\n    open('/tmp/mpnb-never', 'w')\nexcept BaseException:\n    pass",
        "opens",
    ),
]


@pytest.mark.parametrize(("cell", "body", "word"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES])
def test_the_nets_see(notebook: Notebook, fresh_worker: Worker, cell: str, body: str, word: str) -> None:
    """A task that changes what it was lent, a shared generator or the process is seen."""
    notebook.cell(cell)
    assert word in (checked(notebook, fresh_worker, body, [[0]]) or "nothing seen")


HARMLESS = [
    ("reading", "d = {'a': [1]}\nclass A:\n    k = 1\na = A()", "len(d['a']), A.k, a.k"),
    ("own objects", "class A: pass", "x = A()\nx.y = 1\ny = [x]\ny.append(y)"),
    ("recursion and methods", "class A:\n    def m(self, n): return n and self.m(n - 1)", "A().m(5)"),
    ("an import", "", "import wave, csv\nfrom xml.dom import minidom"),
    ("an import of a library that adds filters", "", "import pandas, scipy.sparse, matplotlib.pyplot"),
    ("inexact decimals", "import decimal", "decimal.Decimal(1) / 3"),
    (
        "own generators",
        "import random\nimport numpy as np",
        "random.Random(1).random()\nnp.random.default_rng(1).random()",
    ),
    (
        "isinstance of abstract classes",
        "import abc\nclass A(abc.ABC): pass\nimport collections.abc",
        "isinstance(1, A), isinstance([], collections.abc.Sized)",
    ),
    ("flags that are made by or", "import enum\nclass F(enum.Flag):\n    A = 1\n    B = 2", "F.A | F.B"),
    ("pickling an instance", "import pickle, copy\nclass A: pass", "copy.deepcopy(A())"),
    (
        "sums over frames",
        "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})",
        "df.groupby('b').sum(), df.a.mean(), df.loc[0], df.describe(), df.sort_values('a'), df.index.is_unique",
    ),
    (
        "a warning",
        "import warnings",
        "with warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    warnings.warn('x')",
    ),
    ("a regular expression", "import re\np = re.compile('a')", "p.match('a')"),
    ("lru_cache", "import functools\n@functools.lru_cache\ndef f(n): return n", "f(1)"),
]


@pytest.mark.parametrize(("cell", "body"), [case[1:] for case in HARMLESS], ids=[case[0] for case in HARMLESS])
def test_the_nets_are_silent(notebook: Notebook, worker: Worker, cell: str, body: str) -> None:
    """A task that changes nothing but its own is not suspected."""
    notebook.cell(cell)
    job = notebook.job(body)
    words, effects = worker.run(JobEncoder(job, EncodeCache()), [0])
    assert words is None
    assert effects == [[]]


def test_a_job_does_not_see_what_another_changed(notebook: Notebook, worker: Worker) -> None:
    """A mutable object belongs to one job: the same parts loaded again are decoded afresh."""
    notebook.cell("xs = [1]")
    encoder = JobEncoder(notebook.job("effects.append((0, len(xs)))\nxs.append(1)"), EncodeCache())
    words, _ = worker.run(encoder, [0])
    assert words is not None
    other = JobEncoder(notebook.job("effects.append((0, len(xs)))"), EncodeCache())
    assert worker.run(other, [0]) == (None, [[(0, 1)]])


def test_surroundings_are_made_right_again(notebook: Notebook, worker: Worker) -> None:
    """What a task changed in the process is set back when the next job is loaded."""
    notebook.cell("import decimal, sys")
    assert checked(notebook, worker, "decimal.getcontext().prec = 3\nsys.path.append('/x')")
    body = "effects.append((0, decimal.getcontext().prec, '/x' in sys.path))"
    assert worker.run(JobEncoder(notebook.job(body), EncodeCache()), [0]) == (None, [[(0, 28, False)]])


def test_several_chunks_of_a_job(notebook: Notebook, worker: Worker) -> None:
    """Chunk after chunk keeps identity with the notebook's objects."""
    notebook.cell("base = {'k': [0]}\ndef f(x): return [x, base]")
    encoder = JobEncoder(notebook.job("effects.append((0, f(item)))"), EncodeCache())
    base = notebook.names["base"]
    for start in range(0, 50, 10):
        items = [[i] for i in range(start, start + 10)]
        words, effects = worker.run(encoder, [*items, base["k"]])
        assert words is None
        for item, ((_, (one, two)),) in zip([*items, base["k"]], effects, strict=True):
            assert one is item
            assert two is base


def test_blocks_survive_many_chunks(notebook: Notebook, worker: Worker) -> None:
    """Descriptors do not pile up in either process."""
    notebook.names.update(np=np, big=np.zeros(100_000))
    encoder = JobEncoder(notebook.job("effects.append((0, item + big))"), EncodeCache())
    worker.run(encoder, [np.ones(100_000)])
    before = worker.ask("len(os.listdir('/proc/self/fd'))")
    for _ in range(20):
        words, effects = worker.run(encoder, [np.ones(100_000)])
        assert words is None
        assert effects[0][0][1][0] == 1
    assert worker.ask("len(os.listdir('/proc/self/fd'))") <= before + 2
