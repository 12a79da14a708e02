"""What goes wrong in a task costs that task, says so, and the next map works: each fault injected, on both transports."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing.pool import MaybeEncodingError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpnb.errors import CodecError, MpnbError, PoolBrokenError, TaskTimeoutError, WorkerDiedError
from mpnb.pool import Pool

HOME = str(Path(__file__).resolve().parent.parent)

# A task is a number, to be doubled, or the name of a fault.
FAULTS = """
    import ctypes, os, resource, signal, sqlite3, sys, threading, time
    import numpy as np

    def limit(what, soft):
        resource.setrlimit(what, (soft, resource.getrlimit(what)[1]))

    def overflow():
        limit(resource.RLIMIT_STACK, 1 << 16)
        sys.setrecursionlimit(100_000)
        x = []
        for _ in range(9000):
            x = [x]
        return repr(x)

    def no_memory():
        limit(resource.RLIMIT_AS, 1 << 30)
        return bytes(8 << 30)

    def no_block():
        limit(resource.RLIMIT_FSIZE, 1 << 20)
        return np.full(1 << 19, 7)

    class Odd(Exception):
        def __init__(self, a, b):
            super().__init__(f"{a} and {b}")
            self.both = a, b

    def odd():
        raise Odd(1, 2)

    def holding():
        raise ValueError("it holds a lock", threading.Lock())

    def stopped():
        os.kill(os.getpid(), signal.SIGSTOP)

    def connection():
        return {"rows": 3, "conn": sqlite3.connect(":memory:")}

    def do(x):
        return globals()[x]() if isinstance(x, str) else x * 2

    def killed(): os.kill(os.getpid(), signal.SIGKILL)
    def segfault(): ctypes.string_at(0)
    def left(): os._exit(3)
    def aborted(): os.abort()
"""


@pytest.fixture(scope="module", params=["memfd", "portable"])
def transport(request: pytest.FixtureRequest) -> Iterator[str]:
    """How big data travels, in the whole process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPNB_TRANSPORT", "" if request.param == "memfd" else request.param)
        yield request.param


@pytest.fixture(scope="module")
def pool(transport: str) -> Iterator[Pool]:
    """A pool of two."""
    assert transport
    with Pool(2) as made:
        yield made


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What a notebook has whose cell defines the tasks."""
    found: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(textwrap.dedent(FAULTS), "<cell>", "exec"), found)
    return found


CASES = [
    ("killed", WorkerDiedError, r"killed by SIGKILL .* while it ran iteration 3"),
    ("segfault", WorkerDiedError, r"killed by SIGSEGV .* while it ran iteration 3"),
    ("left", WorkerDiedError, r"ended with exit code 3 .* while it ran iteration 3"),
    ("aborted", WorkerDiedError, r"killed by SIGABRT .* while it ran iteration 3"),
    ("overflow", WorkerDiedError, r"killed by SIGSEGV .* while it ran iteration 3"),
    ("no_memory", MemoryError, r"^\nin task 3 of 6$"),
    ("odd", "Odd", r"^1 and 2\nin task 3 of 6$"),
    ("holding", MpnbError, r"ValueError: .*it holds a lock"),
    ("connection", MaybeEncodingError, r"result\['conn'\].*sqlite3.Connection"),
]


@pytest.mark.parametrize(("fault", "error", "words"), CASES, ids=[name for name, _, _ in CASES])
def test_a_fault_costs_its_task(pool: Pool, names: dict[str, Any], fault: str, error: Any, words: str) -> None:
    """The five others have their results, the sixth its error, and the next map works on two workers."""
    expected = names[error] if isinstance(error, str) else error
    do = names["do"]
    with pytest.raises(expected, match=words) as caught:
        pool.map(do, [1, 2, fault, 4, 5, 6])
    if fault == "odd":
        assert caught.value.both == (1, 2)

    handles = [pool.apply_async(do, (item,)) for item in [1, 2, fault, 4, 5, 6]]
    with pytest.raises(expected):
        handles.pop(2).get(timeout=20)
    assert [handle.get(timeout=20) for handle in handles] == [2, 4, 8, 10, 12]

    assert pool.map(do, range(20)) == [2 * i for i in range(20)]
    wait_until(lambda: pool.ready == 2)


def test_a_stopped_worker_costs_its_task_once_the_timeout_is_over(pool: Pool, names: dict[str, Any]) -> None:
    """SIGSTOP is no end: only a limit tells."""
    began = time.perf_counter()
    with pytest.raises(TaskTimeoutError, match=r"longer than 0.5 s"):
        pool.apply(names["do"], ("stopped",), timeout=0.5)
    assert time.perf_counter() - began < 3
    assert pool.map(names["do"], range(20)) == [2 * i for i in range(20)]


def test_an_argument_that_cannot_be_sent_is_named(pool: Pool, names: dict[str, Any]) -> None:
    """The path to it, and what it is; the others are done."""
    with (
        closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(CodecError, match=r"item\['where'\]\[0\].*sqlite3.Connection(.|\n)*in task 2 of 3"),
    ):
        pool.map(names["do"], [1, {"where": [connection]}, 3], chunksize=3)
    assert pool.map(names["do"], [1, 3]) == [2, 6]


def test_a_result_for_which_there_is_no_block_comes_home(pool: Pool, names: dict[str, Any]) -> None:
    """A worker on a full machine sends its array in band."""
    first, array, third = pool.map(names["do"], [1, "no_block", 3], chunksize=1)
    assert (first, third) == (2, 6)
    assert np.array_equal(array, np.full(1 << 19, 7))
    pool.restart()
    assert pool.map(names["do"], [1, 2]) == [2, 4]


@contextmanager
def no_blocks_here() -> Iterator[None]:
    """Writing more than a megabyte fails in this process, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_argument_for_which_there_is_no_block_goes_out(pool: Pool, names: dict[str, Any]) -> None:
    """So does an array that a task reads as a global."""
    array = np.arange(1 << 19)
    names["array"] = array
    exec("def pick(i): return int(array[i])", names)
    with no_blocks_here():
        for result in pool.map(names["do"], [array] * 3, chunksize=1):
            assert np.array_equal(result, array * 2)
        assert pool.map(names["pick"], [5, 1 << 18]) == [5, 1 << 18]
    assert pool.map(names["pick"], [6]) == [6]


def test_a_full_pipe_in_both_directions(pool: Pool, names: dict[str, Any]) -> None:
    """Arguments and results of 2 MB each, in band, more than any buffer holds: nobody waits for the other."""
    items = [bytearray([number]) * (1 << 21) for number in range(40)]
    results = pool.map(names["do"], items, chunksize=1)
    assert [len(result) for result in results] == [1 << 22] * 40
    assert [result[0] for result in results] == list(range(40))


STARTS = {
    "raises": ("def begin(): return 1 / 0", r"the initializer raised ZeroDivisionError"),
    "imports what is not there": ("def begin(): import no_such_module", r"No module named 'no_such_module'"),
    "exits": ("def begin(): import os; os._exit(4)", r"exit code 4"),
}


@pytest.mark.parametrize("how", STARTS)
def test_workers_that_die_while_they_start_are_not_started_for_ever(transport: str, how: str) -> None:
    """After three in a row the pool gives up, and says of what."""
    assert transport
    source, words = STARTS[how]
    found: dict[str, Any] = {"__name__": "__main__"}
    exec(source, found)
    began = time.perf_counter()
    with Pool(2, found["begin"]) as pool, pytest.raises(PoolBrokenError, match=r"3 workers in a row(.|\n)*" + words):
        pool.map(abs, [-1, -2])
    assert time.perf_counter() - began < 10


MANY = """
    import os, resource, sys
    import numpy as np
    from mpnb.pool import Pool

    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    def make(i):
        return np.full(8960, i)

    count = int(sys.argv[1])
    with Pool(2) as pool:
        pool.map(make, range(10))
        for i, result in enumerate(pool.imap(make, range(count), chunksize=16)):
            assert len(result) == 8960 and result[0] == result[-1] == i
        assert i == count - 1
        held = pool.map(make, range(1000))
        assert [int(result[7]) for result in held] == list(range(1000))
        assert len(os.listdir("/proc/self/fd")) < 40
    print("done")
"""


@pytest.mark.parametrize(
    "count", [pytest.param(3000, id="3,000"), pytest.param(100_000, id="100,000", marks=pytest.mark.full)]
)
def test_many_results_need_few_descriptors(transport: str, count: int, tmp_path: Path) -> None:
    """Results of 70 KB each, in a process that may open 256 files."""
    script = tmp_path / "many.py"
    script.write_text(textwrap.dedent(MANY))
    way = "" if transport == "memfd" else transport
    environment = os.environ | {"MPNB_TRANSPORT": way, "PYTHONPATH": HOME}
    run = subprocess.run(
        [sys.executable, str(script), str(count)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert run.stdout == "done\n", run.stderr


def wait_until(what: Any, limit_s: float = 10.0) -> None:
    """Wait until something is so."""
    end = time.perf_counter() + limit_s
    while not what():
        assert time.perf_counter() < end, "waited in vain"
        time.sleep(0.005)
