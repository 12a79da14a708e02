"""What is imported ahead, with real processes: the next template imports while the one that there is goes on forking."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import waiting

from mpnb.pool import Pool

pytest.importorskip("pandas")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no templates on this platform")

LIMIT_S = 30.0
wait_for = partial(waiting.wait_for, limit_s=LIMIT_S)


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two workers that have nothing imported."""
    with Pool(2) as made:
        wait_for(lambda: made.ready == 2 and made._hands.loaded())
        yield made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where templates find modules beside the libraries."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


HAS = """
import os, sys, time
def has(name):
    time.sleep(0.05)
    return os.getpid(), name in sys.modules
"""


KERNEL = """
import psutil, time
from mpnb.pool import Pool
pool = Pool(2)
pool.start()
pool.preload(["endless_import"])
templates = pool._hands.templates
while not (pool.ready == 2 and templates._next is not None and templates._next.stoppable):
    time.sleep(0.005)
result = pool.map_async(time.sleep, [60] * 2)
while psutil.Process(templates._next.process.pid).status() != psutil.STATUS_STOPPED:
    time.sleep(0.005)
print(*pool.pids(), templates.current.process.pid, templates._next.process.pid, flush=True)
time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    """Whether a process still runs; a zombie that nobody has waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def in_workers(pool: Pool, name: str) -> set[bool]:
    """Which answers both workers give, asked whether they have a module."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(HAS, names)
    found = dict(pool.map(names["has"], [name] * 8, chunksize=1))
    assert len(found) == 2
    return set(found.values())


def is_settled(pool: Pool) -> bool:
    """Whether nothing is being imported, and no worker is to be replaced."""
    templates = pool._hands.templates
    return templates._next is None and not templates._old and pool.ready == pool.workers


def test_workers_come_to_have_what_is_imported_ahead(pool: Pool) -> None:
    """All are replaced, each under its own number, and their number is what it was."""
    before = pool.pids()
    assert in_workers(pool, "pandas") == {False}
    pool.preload(["pandas"])
    wait_for(lambda: "pandas" in pool._hands.loaded() and is_settled(pool))
    assert not set(before) & set(pool.pids())
    assert sorted(pool._hands._processes) == [0, 1]
    assert in_workers(pool, "pandas") == {True}
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in before))


def test_a_larger_pool_and_one_that_heals_have_it_too(pool: Pool) -> None:
    """Later workers come from the same template."""
    pool.preload(["pandas"])
    wait_for(lambda: "pandas" in pool._hands.loaded() and is_settled(pool))
    pool.resize(3)
    wait_for(lambda: pool.ready == 3)
    old = pool.pids()
    os.kill(old[0], signal.SIGKILL)
    wait_for(lambda: pool.ready == len(pool.pids()) == 3 and old[0] not in pool.pids())
    assert "pandas" in pool._hands.loaded()


def test_no_call_waits_for_an_import(pool: Pool, folder: Path) -> None:
    """While something is imported ahead calls are done, and workers started, by what there is."""
    (folder / "slow_to_import.py").write_text("import time\ntime.sleep(3)\n")
    pool.preload(["slow_to_import"])
    wait_for(lambda: pool._hands.templates._next is not None)
    began = time.perf_counter()
    os.kill(pool.pids()[0], signal.SIGKILL)
    pool.resize(3)
    wait_for(lambda: pool.ready == 3)
    assert pool.map(abs, range(-8, 0)) == list(range(8, 0, -1))
    assert time.perf_counter() - began < 2
    assert pool._hands.templates._next is not None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there it would end with the kernel")
def test_an_import_stands_still_while_a_job_runs(pool: Pool, folder: Path) -> None:
    """The workers have the cores; it goes on when they are done, and none begins meanwhile."""
    (folder / "endless_import.py").write_text("while True: pass\n")
    templates = pool._hands.templates
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(HAS, names)
    pool.preload(["endless_import"])
    process = wait_for(lambda: templates._next is not None and templates._next.stoppable and templates._next.process)
    state = psutil.Process(process.pid)
    assert state.status() != psutil.STATUS_STOPPED
    result = pool.map_async(names["has"], ["os"] * 20, chunksize=1)
    wait_for(lambda: state.status() == psutil.STATUS_STOPPED)
    assert len(result.get(LIMIT_S)) == 20
    wait_for(lambda: state.status() != psutil.STATUS_STOPPED)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there it is stopped")
def test_a_stopped_import_ends_with_the_kernel(tmp_path: Path) -> None:
    """A process that is stopped takes no notice of most signals."""
    (tmp_path / "endless_import.py").write_text("while True: pass\n")
    (tmp_path / "kernel.py").write_text(KERNEL)
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).resolve().parent.parent)]),
    }
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "kernel.py")], stdout=subprocess.PIPE, text=True, env=environ
    ) as kernel:
        assert kernel.stdout is not None
        pids = [int(word) for word in kernel.stdout.readline().split()]
        assert len(pids) == 4
        kernel.kill()
    wait_for(lambda: not any(is_alive(pid) for pid in pids))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("raise RuntimeError('not today')", "RuntimeError: not today"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import os; os._exit(3)", "it ends its process"),
        ("import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
         "it starts a thread"),
        ("file = open('/dev/zero')", "it keeps a file open"),
        ("import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)", "it handles signals"),
        ("print('hello'); x = 1", "it imports a module that may be edited"),
    ],
    ids=["fails", "exits", "ends", "thread", "file", "signals", "local"],
)  # fmt: skip
def test_what_is_unfit_is_left_to_the_workers(pool: Pool, folder: Path, body: str, why: str) -> None:
    """The others are imported all the same, and the workers are started from a process that it never touched."""
    (folder / "unfit_module.py").write_text(body + "\n")
    alone = why == "it ends its process"  # nothing says which of several it was
    pool.preload(["unfit_module"] if alone else ["unfit_module", "pandas"])
    templates = pool._hands.templates
    assert wait_for(lambda: templates._unfit) == {"unfit_module": why}
    pool.preload(["pandas"])
    wait_for(lambda: "pandas" in pool._hands.loaded() and is_settled(pool))
    assert in_workers(pool, "unfit_module") == {False}


def test_light_imports_replace_nobody(pool: Pool) -> None:
    """A worker is worth more than a few milliseconds."""
    before = pool.pids()
    pool.preload(["colorsys"])
    wait_for(lambda: pool._hands.templates._next is not None)
    wait_for(lambda: pool._hands.templates._next is None)
    assert in_workers(pool, "colorsys") == {False}
    assert pool._hands.templates._next is None  # what was found to be light is not tried again after every job
    assert pool.pids() == before
    assert pool.ready == 2


def test_a_worker_that_dies_of_it_brings_back_the_old_way(pool: Pool) -> None:
    """Where a worker with the imports does not get ready, the next one starts without them."""
    pool.preload(["pandas"])
    wait_for(lambda: "pandas" in pool._hands.loaded() and is_settled(pool))
    templates = pool._hands.templates
    templates.distrust(templates.current)
    for pid in pool.pids():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: pool.ready == 2 and "pandas" not in pool._hands.loaded() and pool._hands.loaded())
    pool.preload(["pandas"])
    assert in_workers(pool, "pandas") == {False}


def test_templates_end_with_the_pool(pool: Pool, folder: Path) -> None:
    """The one that imports as well, whatever it is at."""
    (folder / "endless_import.py").write_text("import time\ntime.sleep(600)\n")
    pool.preload(["endless_import"])
    templates = pool._hands.templates
    wait_for(lambda: templates._next is not None)
    pids = [templates.current.process.pid, templates._next.process.pid, *pool.pids()]
    began = time.perf_counter()
    pool.terminate()
    assert time.perf_counter() - began < 2
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_process_that_is_forked_later_leaves_a_pool_alone_that_has_ended() -> None:
    """The numbers of its descriptors are somebody else's by then, and stay open in the child."""
    made = Pool(1)
    assert made.map(abs, [-1]) == [1]
    ended = made._hands
    made.terminate()
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(32)]
    child = os.fork()
    if child == 0:
        os._exit(sum(not os.path.exists(f"/dev/fd/{fd}") for fd in taken))
    assert os.waitpid(child, 0)[1] == 0
    assert ended is not None
    for fd in taken:
        os.close(fd)
