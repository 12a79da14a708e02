"""Which library modules a notebook uses: pure looks at objects, and a real kernel whose workers come to have them."""

from __future__ import annotations

import collections
import functools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Never

import numpy as np
import pandas as pd
import pytest
from real_kernel import Kernel

from mpnb.imports import Surroundings, Uses, module_of, pulled_in, wanted


def held() -> Any:
    """Make a class of the user's that can't bear to be looked at, nor can its instances."""

    class Untouchable(type):
        def __getattribute__(cls, name: str) -> Never:
            raise AssertionError(name)

    class Held(metaclass=Untouchable):
        def __getattribute__(self, name: str) -> Never:
            raise AssertionError(name)

    return Held


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (np, "numpy"),
        (np.linalg, "numpy.linalg"),
        (pd.DataFrame, pd.DataFrame.__module__),
        (pd.DataFrame(), pd.DataFrame.__module__),
        (np.zeros(3), "numpy"),
        (np.mean, "numpy"),
        (np.sin, "numpy"),
        (os.path.join, "posixpath"),
        (len, "builtins"),
        (functools.partial(len), "functools"),
        (collections.Counter("abc").most_common, "collections"),
        (3, "builtins"),
        (None, "builtins"),
        (held(), __name__),
        (type.__call__(held()), __name__),
    ],
    ids=range(15),
)
def test_module_of(thing: Any, name: str) -> None:
    """A module, or where something was made; nothing of the user's runs for it."""
    assert module_of(thing) == name


def test_uses_are_noted_once() -> None:
    """A cell without new names or modules has nothing to tell; names that the notebook has by itself do not count."""
    names: dict[str, Any] = {"In": pd, "_": np, "a": 1}
    uses = Uses(names, hidden={"In"})
    assert uses.look()
    assert uses.modules == {"builtins"}
    assert not uses.look()
    names["b"] = 2
    assert not uses.look()
    names["np"], names["c"] = np, 3
    assert uses.look()
    assert uses.modules == {"builtins", "numpy"}
    del names["c"]
    names["frame"] = pd.DataFrame()
    assert uses.look()
    assert pd.DataFrame.__module__ in uses.modules


def test_a_look_is_cheap() -> None:
    """Also in a notebook of a thousand names."""
    names: dict[str, Any] = {f"name_{k}": k for k in range(1000)}
    uses = Uses(names)
    uses.look()
    took = []
    for k in range(50):
        names[f"_i{k}"] = names[f"new_{k}"] = k
        began = time.perf_counter()
        uses.look()
        took.append(time.perf_counter() - began)
    assert sorted(took)[25] < 50e-6


def test_libraries_with_their_parts_are_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what has no file, not the notebook's own, and no module that the user may edit or that imports one."""
    begun = Surroundings.now()
    found = wanted(["numpy", "builtins", "__main__", "mpnb.pool", "nowhere", __name__], begun)
    assert "numpy" in found
    assert "numpy.linalg" in found
    assert not [name for name in found if not name.startswith("numpy")]
    local = ModuleType("numpy.of_mine")
    local.__file__ = str(tmp_path / "of_mine.py")
    monkeypatch.setitem(sys.modules, "numpy.of_mine", local)
    monkeypatch.setattr(np.linalg, "of_mine", local, raising=False)
    assert "numpy.linalg" not in wanted(["numpy"], begun)


@pytest.mark.parametrize(
    ("name", "value", "same"), [("MPNB_TRY", "1", True), ("OMP_NUM_THREADS", "7", True), ("A_SWITCH", "1", False)]
)
def test_nothing_is_wanted_where_imports_would_differ(
    name: str, value: str, same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that was set before an import may decide what it gives."""
    begun = Surroundings.now()
    monkeypatch.setenv(name, value)
    assert bool(wanted(["numpy"], begun)) is same
    monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "path", ["/elsewhere", *sys.path])
    assert not wanted(["numpy"], begun)


def test_nothing_is_wanted_where_a_standard_module_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `random.py` beside the notebook is what libraries import there, and not elsewhere."""
    hiding = ModuleType("colorsys")
    hiding.__file__ = str(tmp_path / "colorsys.py")
    monkeypatch.setitem(sys.modules, "colorsys", hiding)
    assert not wanted(["numpy"], Surroundings.now())


def test_pulled_in() -> None:
    """A library brings its parts and what it uses; what is known brings nothing."""
    found = pulled_in(["pandas"])
    assert {"pandas", "numpy", "pandas.core.frame", "datetime"} <= found
    assert pulled_in(["pandas"], known=found) == set()
    assert pulled_in(["nowhere"]) == set()


WAIT = """
import time
def wait_for(what, limit_s=30):
    end = time.perf_counter() + limit_s
    while not what():
        assert time.perf_counter() < end, "waited in vain"
        time.sleep(0.01)
"""
IN_WORKERS = """
def has(name):
    import os, sys, time
    time.sleep(0.05)
    return os.getpid(), name in sys.modules
found = dict(mpnb.pool().map(has, [{name!r}] * 8, chunksize=1))
print(len(found), set(found.values()))
"""
SETTLED = """
hands = mpnb.pool()._hands
wait_for(lambda: {name!r} in hands.loaded() and hands.templates._next is None and mpnb.pool().ready == mpnb.pool().workers)
"""


@pytest.fixture
def nb(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel with the extension loaded, and a module of the user's beside the notebook."""
    (tmp_path / "of_mine.py").write_text("import fractions\n")
    kernel = Kernel(tmp_path).start()
    try:
        kernel.check("%load_ext mpnb\nimport mpnb" + WAIT)
        kernel.check("wait_for(lambda: mpnb.pool().ready == mpnb.pool().workers and mpnb.pool()._hands.loaded())")
        yield kernel
    finally:
        kernel.close()


def test_workers_have_what_the_notebook_imported(nb: Kernel) -> None:
    """A moment after the cell that imports it, before any use; and workers share its memory."""
    assert nb.check(IN_WORKERS.format(name="pandas")).stdout.endswith("{False}\n")
    nb.check("import pandas as pd, of_mine")
    nb.check(SETTLED.format(name="pandas"))
    assert nb.check(IN_WORKERS.format(name="pandas")).stdout.endswith("{True}\n")
    assert nb.check(IN_WORKERS.format(name="of_mine")).stdout.endswith("{False}\n")
    shared = """
import psutil
for pid in mpnb.pool().pids():
    memory = psutil.Process(pid).memory_full_info()
    print(memory.uss < 0.4 * memory.rss)
"""
    assert set(nb.check(shared).stdout.split()) == {"True"}


def test_a_job_right_after_the_import_does_not_wait(nb: Kernel) -> None:
    """It is done by the workers that there are, whatever is being imported beside them."""
    nb.check("import pandas as pd")
    took = nb.check("began = time.perf_counter(); mpnb.pool().map(abs, range(4)); print(time.perf_counter() - began)")
    assert float(took.stdout) < 0.5
    nb.check(SETTLED.format(name="pandas"))


def test_a_variable_that_was_set_is_not_missed(nb: Kernel) -> None:
    """What is imported after it is left to the workers, which set it first."""
    nb.check("import os\nos.environ['A_SWITCH'] = '1'\nimport pandas as pd")
    nb.check("for _ in range(20): time.sleep(0.05)")
    assert nb.check(IN_WORKERS.format(name="pandas")).stdout.endswith("{False}\n")
    nb.check("del os.environ['A_SWITCH']\nimport colorsys")
    nb.check(SETTLED.format(name="pandas"))


def test_a_short_loop_does_not_wait_for_imports_of_the_workers(nb: Kernel) -> None:
    """Workers that have yet to import a library for a loop of 0.2 s are no help; where it is long they are."""
    nb.check("import os\nos.environ['A_SWITCH'] = '1'\nimport pandas as pd\ns = pd.Series([1.0, 2.0])")
    body = "def f(x):\n    time.sleep({each})\n    return s.sum() * x\n"
    nb.check(body.format(each=0.01))
    nb.check("%%parallel\nshort = [f(x) for x in range(20)]")
    assert nb.value("mpnb.last_run().sites[0].parallel") == "False"
    nb.check(body.format(each=0.03))
    nb.check("%%parallel\nlonger = [f(x) for x in range(200)]")
    assert nb.value("mpnb.last_run().sites[0].parallel") == "True"
    nb.check(body.format(each=0.01))
    nb.check("%%parallel\nshort = [f(x) for x in range(20)]")  # they have it now
    assert nb.value("mpnb.last_run().sites[0].parallel") == "True"
