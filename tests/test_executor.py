"""`mpnb.Executor` beyond CPython's own suite (see test_cpython_suites): crashes, cancelling, broken pools, asyncio."""

from __future__ import annotations

import asyncio
import concurrent.futures
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import async_runs
import pytest

from mpnb.errors import CodecError, TaskTimeoutError, WorkerDiedError
from mpnb.executor import Executor

HOME = str(Path(__file__).resolve().parent.parent)


def cell(source: str) -> dict[str, Any]:
    """The names that a cell with this source leaves in a notebook."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(textwrap.dedent(source), "<cell>", "exec"), names)
    return names


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    """An executor with two workers."""
    with Executor(2) as made:
        yield made


def test_a_crash_costs_one_task(executor: Executor) -> None:
    """The future of the task that ended its worker fails, all others succeed, and the executor is not broken."""
    names = cell("import os\ndef f(x):\n    if x == 17: os._exit(3)\n    return x")
    futures = [executor.submit(names["f"], x) for x in range(50)]
    done, left = concurrent.futures.wait(futures, timeout=20)
    assert not left
    assert [x for x, future in enumerate(futures) if future.exception() is not None] == [17]
    assert isinstance(futures[17].exception(), WorkerDiedError)
    assert {future.result() for future in done - {futures[17]}} == set(range(50)) - {17}
    assert executor.submit(abs, -1).result(10) == 1


def test_only_what_has_not_begun_is_cancelled(executor: Executor, tmp_path: Path) -> None:
    """A future that was cancelled never ran; one that runs can't be cancelled."""
    names = cell("""
        import time
        def f(path):
            with open(path, "w") as file: file.write("begun")
            time.sleep(0.3)
    """)
    paths = [tmp_path / str(k) for k in range(6)]
    futures = [executor.submit(names["f"], str(path)) for path in paths]
    end = time.perf_counter() + 10
    while not (paths[0].exists() and paths[1].exists()):
        assert time.perf_counter() < end
        time.sleep(0.01)
    cancelled = [future.cancel() for future in futures]
    assert cancelled == [False, False, True, True, True, True]
    assert [future.result(10) for future in futures[:2]] == [None, None]
    assert executor.submit(abs, -2).result(10) == 2
    assert [path.exists() for path in paths] == [True, True, False, False, False, False]


def test_shutdown_cancels_what_has_not_begun() -> None:
    """With `cancel_futures` the running tasks end, and the others are cancelled; afterwards nothing is taken."""
    executor = Executor(1)
    first = executor.submit(time.sleep, 0.3)
    others = [executor.submit(time.sleep, 30) for _ in range(5)]
    while not first.running():
        time.sleep(0.01)
    began = time.perf_counter()
    executor.shutdown(cancel_futures=True)
    assert time.perf_counter() - began < 3
    assert first.done()
    assert not first.cancelled()
    assert all(other.cancelled() for other in others)
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        executor.submit(abs, -1)
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        executor.map(abs, [-1])
    executor.shutdown()


def test_shutdown_without_waiting() -> None:
    """It returns at once; what was submitted is still done, and then the workers end."""
    executor = Executor(1)
    future = executor.submit(time.sleep, 0.4)
    began = time.perf_counter()
    executor.shutdown(wait=False)
    assert time.perf_counter() - began < 0.2
    assert future.result(10) is None
    end = time.perf_counter() + 5
    while executor.pool.pids():
        assert time.perf_counter() < end
        time.sleep(0.01)


def test_an_initializer_that_fails_breaks_the_executor() -> None:
    """Only where workers can't start is it a BrokenProcessPool, which says what the initializer raised."""
    names = cell("def begin(): raise LookupError('no model')")
    with Executor(1, initializer=names["begin"]) as executor:
        with pytest.raises(BrokenProcessPool, match="the initializer raised LookupError: no model"):
            executor.submit(abs, -1).result(20)
        with pytest.raises(BrokenProcessPool):
            list(executor.map(abs, [1], timeout=20))


def test_a_function_that_cannot_be_sent(executor: Executor) -> None:
    """The future says why, as with concurrent.futures."""
    with Path(__file__).open() as file:
        names = cell("def f(x): return file.name")
        names["file"] = file
        assert isinstance(executor.submit(names["f"], 1).exception(10), CodecError)


def test_limits_hold_for_every_task() -> None:
    """`timeout` and `retries` of the executor."""
    with Executor(1, timeout=0.2, retries=1) as executor, pytest.raises(TaskTimeoutError, match=r"longer than 0.2 s"):
        executor.submit(time.sleep, 30).result(10)


def test_map_goes_on_behind_a_failure(executor: Executor) -> None:
    """Bad arguments are errors at once; an iterator that is left cancels the rest."""
    with pytest.raises(ValueError, match="chunksize must be 1 or more, was 0"):
        executor.map(abs, [1], chunksize=0)
    with pytest.raises(TypeError, match="must be callable, was 3"):
        executor.submit(3)  # type: ignore[arg-type]
    results = executor.map(time.sleep, [0, 30, 30, 30], chunksize=1)
    assert next(results) is None
    results.close()  # type: ignore[attr-defined]
    began = time.perf_counter()
    assert executor.submit(abs, -3).result(10) == 3
    assert time.perf_counter() - began < 5


def test_asyncio(executor: Executor) -> None:
    """`run_in_executor`, as it is written with concurrent.futures."""

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(executor, pow, 2, k) for k in range(20)))

    assert async_runs.run(main()) == [2**k for k in range(20)]


def test_what_was_submitted_is_done_before_the_process_ends(tmp_path: Path) -> None:
    """A script that ends without shutdown() loses none of it, and leaves nothing."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {HOME!r})
        import time, mpnb
        def f(k):
            time.sleep(0.2)
            print("done", k)
        executor = mpnb.Executor(1)
        for k in range(3): executor.submit(f, k)
        """)
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("done 0\ndone 1\ndone 2\n", "")


CHANGES = {
    "nothing": "pass",
    "a global": "base = 10",
    "a helper": "def helper(x): return -x",
    "its own code": "def follows(x, y=0): return 5 * x",
    "its defaults": "follows.__defaults__ = (1000,)",
    "a global that can change in place": "base = [3]; helper = lambda x: x * base[0]",
    "that in place": "base[0] = 4",
    "back again": "base = 7\ndef helper(x): return x",
}


def test_what_was_encoded_once_is_never_stale() -> None:
    """A steady function's code is encoded once for many calls; every change is seen by the next of each kind."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec("base = 1\ndef helper(x): return x\ndef follows(x, y=0): return helper(x) + y, base", names)

    class Odd(int):
        """Not a plain value, so that it goes another way."""

    with Executor(2) as executor:
        for change in CHANGES.values():
            exec(change, names)
            for _ in range(3):
                follows = names["follows"]
                futures = [executor.submit(follows, 2), executor.submit(follows, y=3, x=4), executor.submit(abs, -1)]
                wanted = [follows(2), follows(4, 3), 1]
                for asked in (executor.pool.map_async, executor.pool.starmap_async):
                    items = [(5,)] if asked == executor.pool.starmap_async else [5]
                    futures.append(executor.submit(list, asked(follows, items).get(30)))
                    wanted.append([follows(5)])
                futures.append(executor.submit(follows, Odd(6)))
                wanted.append(follows(6))
                assert [future.result(30) for future in futures] == wanted, change


def test_a_call_in_the_background_has_what_was_there_when_it_was_made() -> None:
    """What is changed while it waits is for the calls after it."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec("import time\nbase = 0\ndef late(x):\n    time.sleep(0.02)\n    return base", names)
    with Executor(1) as executor:
        futures = []
        for base in range(10):
            names["base"] = base
            futures += [executor.submit(names["late"], 0), executor.submit(names["late"], 0)]
        assert [future.result(30) for future in futures] == [base for base in range(10) for _ in range(2)]
