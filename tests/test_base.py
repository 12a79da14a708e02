"""One process that the workers of all pools are forked from: what becomes of one pool is no matter of the others."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial

import psutil
import pytest
import waiting

from mpnb.errors import WorkerDiedError
from mpnb.pool import Pool

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no templates on this platform")

LIMIT_S = 30.0
wait_for = partial(waiting.wait_for, limit_s=LIMIT_S)


@pytest.fixture(autouse=True)
def no_pools_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools that other tests have left have another base: one is begun anew where such a variable has changed."""
    monkeypatch.setenv("PYTHON_TEST_OF_THE_BASE", "1")


@contextlib.contextmanager
def two_pools() -> Iterator[tuple[Pool, Pool]]:
    """Two pools side by side, each of which has worked; no fixture, for pytest changes the environment after those."""
    with Pool(2) as one, Pool(2) as other:
        for pool in (one, other):
            wait_for(lambda pool=pool: pool.ready == 2)
            assert works(pool)
        yield one, other


def works(pool: Pool) -> bool:
    """Whether it does what it is there for."""
    return pool.map(abs, [-1, 2, -3]) == [1, 2, 3]


def template_of(pool: Pool) -> psutil.Process:
    """The process that a pool's workers were forked from."""
    (pid,) = {psutil.Process(pid).ppid() for pid in pool.pids()}
    return psutil.Process(pid)


def are_gone(pids: list[int]) -> bool:
    """Whether none of these processes is there, not even as a zombie."""
    return not any(psutil.pid_exists(pid) for pid in pids)


ENDS: dict[str, Callable[[Pool], object]] = {
    "terminate": Pool.terminate,
    "close": lambda pool: (pool.close(), pool.join()),
    "restart": Pool.restart,
    "resize": lambda pool: pool.resize(1),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_one_pool_does_is_no_matter_of_the_other(end: str) -> None:
    """Its workers end, and are waited for; those of the other, which came from the same process, work on."""
    with two_pools() as pools:
        one, other = pools
        template = template_of(one)
        assert template == template_of(other)
        theirs, others = one.pids(), other.pids()
        ENDS[end](one)
        wait_for(lambda: are_gone(theirs[1:] if end == "resize" else theirs))
        assert other.pids() == others
        assert works(other)
        assert template_of(other) == template
        if end == "restart":
            wait_for(lambda: one.ready == 2)
            assert template_of(one) == template


def test_a_pool_beside_another_starts_no_template() -> None:
    """It finds the one that is there; the last pool to end takes it along."""
    with two_pools() as pools:
        template = template_of(pools[0])
        with Pool(1) as third:
            assert works(third)
            assert template_of(third) == template
        for pool in pools:
            assert template.is_running()
            pool.terminate()
        assert are_gone([template.pid])


def test_a_crash_is_told_to_whose_it_is() -> None:
    """With its exit code, while both run into one at the same time; both heal."""
    with two_pools() as pools:
        results = [pool.map_async(os._exit, [3 + number] * 5, chunksize=1) for number, pool in enumerate(pools)]
        for number, result in enumerate(results):
            with pytest.raises(WorkerDiedError, match=f"ended with exit code {3 + number}"):
                result.get(LIMIT_S)
        for pool in pools:
            wait_for(lambda pool=pool: pool.ready == 2)
            assert works(pool)


def test_a_killed_template_is_replaced_for_all() -> None:
    """The workers that are there go on; the next ones of every pool come from a new one, which again is one for all."""
    with two_pools() as pools:
        template = template_of(pools[0])
        before = [pool.pids() for pool in pools]
        template.kill()
        wait_for(lambda: are_gone([template.pid]))
        assert all(map(works, pools))
        assert [pool.pids() for pool in pools] == before
        for pool in pools:
            for pid in pool.pids():
                os.kill(pid, signal.SIGKILL)
        for pool, old in zip(pools, before, strict=True):
            wait_for(lambda pool=pool, old=old: pool.ready == 2 and not set(old) & set(pool.pids()))
            assert works(pool)
        assert template_of(pools[0]) == template_of(pools[1]) != template


def test_the_end_of_a_pool_does_not_hang_on_a_template_that_stands_still() -> None:
    """Its workers are ended all the same; what it wants of others it does when it goes on."""
    with two_pools() as pools:
        one, other = pools
        template = template_of(one)
        theirs = [psutil.Process(pid) for pid in one.pids()]
        template.suspend()
        try:
            began = time.perf_counter()
            one.terminate()
            assert time.perf_counter() - began < 3
            wait_for(lambda: all(each.status() == psutil.STATUS_ZOMBIE for each in theirs))
            assert works(other)
        finally:
            template.resume()
        wait_for(lambda: are_gone([each.pid for each in theirs]))
        os.kill(other.pids()[0], signal.SIGKILL)
        wait_for(lambda: other.ready == 2 and template_of(other) == template)


def test_another_environment_is_another_template(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an interpreter reads when it starts is as it was when the pool was made; the rest travels with every job."""
    with two_pools() as pools:
        monkeypatch.setenv("LATER_TEST", "later")
        with Pool(1) as pool:
            assert pool.map(os.getenv, ["LATER_TEST"]) == ["later"]
            assert template_of(pool) == template_of(pools[0])
        monkeypatch.setenv("PYTHONNODEBUGRANGES", "1")
        with Pool(1) as pool:
            assert works(pool)
            template = template_of(pool)
            assert template != template_of(pools[0])
            assert template.environ()["PYTHONNODEBUGRANGES"] == "1"
            assert all(map(works, pools))
        assert are_gone([template.pid])


def test_a_forked_process_has_its_own() -> None:
    """What it starts and ends is no matter of the process that it was forked from."""
    with two_pools() as pools:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with Pool(1) as pool:
                    code = 0 if works(pool) and psutil.Process(pool.pids()[0]).parents()[1].pid == os.getpid() else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert all(map(works, pools))
