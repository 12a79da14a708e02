"""`mpnb.pool()`, `Pool` and `Executor` in a real kernel: whose pool it is, whose cell prints belong to, interrupts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from real_kernel import Kernel


@pytest.fixture(scope="module")
def nb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with the extension loaded."""
    kernel = Kernel(tmp_path_factory.mktemp("kernel")).start()
    try:
        kernel.check("%load_ext mpnb\nimport asyncio, os, time, mpnb")
        yield kernel
    finally:
        kernel.close()


def test_the_notebooks_pool_is_the_magics(nb: Kernel) -> None:
    """Its workers run the loops of `%%parallel`, and the calls."""
    result = nb.check("""
def pid(_):
    time.sleep(0.05)
    return os.getpid()
mine = set(mpnb.pool().map(pid, range(8), chunksize=1))
print(mine <= set(mpnb.pool().pids()), os.getpid() in mine, mpnb.pool() is mpnb.pool())
""")
    assert result.stdout == "True False True\n"
    nb.check("%%parallel --no-probe --quiet\nothers = [pid(k) for k in range(8)]")
    assert nb.value("set(others) <= set(mpnb.pool().pids()) | {os.getpid()}, len(set(others)) > 1") == "(True, True)"


def test_prints_of_the_background_are_those_of_the_cell_that_asked(nb: Kernel) -> None:
    """A later cell that waits for the result does not show them."""
    nb.check("""
def speak(k):
    time.sleep(0.3)
    print("spoken", k)
    return k
later = mpnb.pool().map_async(speak, range(2), chunksize=1)
""")
    result = nb.check("print(later.get(20))")
    assert result.stdout == "[0, 1]\n"


def test_handles_are_awaited_in_a_cell(nb: Kernel) -> None:
    """At top level, as IPython allows it."""
    result = nb.check("""
def square(x): return x * x
with mpnb.Executor(2) as executor:
    print(await mpnb.pool().apply_async(square, (3,)), await asyncio.wrap_future(executor.submit(square, 4)))
""")
    assert result.stdout == "9 16\n"


@pytest.mark.parametrize(
    "call",
    [
        "pool.map(fail, range(4))",
        "pool.starmap(fail, [(2,)])",
        "pool.apply(fail, (2,))",
        "pool.apply(fail, kwds={'x': 2}, retries=1)",
        "list(pool.imap(fail, range(4)))",
        "list(pool.imap_unordered(fail, range(4)))",
        "pool.apply_async(fail, (2,)).get(20)",
        "pool.map_async(fail, range(4)).get(20)",
    ],
)
def test_a_traceback_shows_the_users_code_and_little_else(nb: Kernel, call: str) -> None:
    """The line that failed and the cell that asked, in no more than 25 lines; nothing of mpnb's that is not needed."""
    nb.check("def fail(x):\n    return 1 // (x - 2)\npool = mpnb.pool()")
    result = nb.run(call)
    assert result.ename == "ZeroDivisionError"
    text = re.sub(r"\x1b\[[\d;]*m", "", result.traceback)
    assert "    return 1 // (x - 2)" in text
    assert f"----> 1 {call}" in text
    assert "tasks.py" not in text
    assert len(text.splitlines()) <= 25, text


def test_a_failed_map_keeps_nothing(nb: Kernel) -> None:
    """Its exception is gone with the handler, and what was in its frames with it: no cycle waits for the collector."""
    nb.check("""
import gc, weakref
pool = mpnb.pool()
class Mine(Exception): pass
def fail(x): raise Mine(x)
def caught(call):
    try:
        call()
    except Mine as error:
        return weakref.ref(error)
gc.collect(); gc.disable()
kept = [caught(lambda: pool.map(fail, range(4))), caught(lambda: pool.apply_async(fail, (1,)).get(20)),
        caught(lambda: list(pool.imap(fail, range(4))))]
gc.enable()
""")
    assert nb.value("[reference() is None for reference in kept]") == "[True, True, True]"
