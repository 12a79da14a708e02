"""Calls on a lent worker, with real processes: quick, never stale, and never in anybody's way."""

from __future__ import annotations

import os
import signal
import statistics
import textwrap
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from waiting import wait_for

from mpnb.engine import Job
from mpnb.errors import MpnbError, PoolClosedError, WorkerDiedError
from mpnb.pool import Pool


def cell(source: str) -> dict[str, Any]:
    """The names that a cell with this source leaves in a notebook."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(textwrap.dedent(source), "<cell>", "exec"), names)
    return names


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    """No test waits for ever."""

    def on_alarm(_number: int, _frame: Any) -> None:
        pytest.fail("the test takes longer than 30 s")

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def shared() -> Iterator[Pool]:
    with Pool(2) as made:
        wait_for(lambda: made.ready == 2)
        yield made


@pytest.fixture
def pool(shared: Pool) -> Iterator[Pool]:
    """A pool of two that is ready."""
    shared.resize(2)
    wait_for(lambda: shared.ready == 2 and len(shared.pids()) == 2)
    hands = shared._hands
    yield shared
    assert shared._hands is hands
    assert hands is not None
    assert hands.failure is None


def is_lent(pool: Pool) -> bool:
    """Whether a worker is with the caller."""
    return pool._lender is not None and pool._lender.loan is not None and not pool._lender.loan.ended


NAMES = """
    import os, time
    k = 1
    def g(x): return x * k
    def f(x, y=10): return g(x) + y
    def pid(): return os.getpid()
    def whose(_): time.sleep(0.1); return os.getpid()
    def say(x): print("said", x); return x
    def fail(x): return 1 / x
    def same(x): return x
    def spin(s):
        until = time.perf_counter() + s
        while time.perf_counter() < until: pass
        return s
    def nothing(): return None
    def deep(n): return deep(n - 1) + 1 if n else 0
    def long(n): return "x" * n
    def makes(n): return (i for i in range(n))
"""


def test_calls_stay_with_one_worker(pool: Pool) -> None:
    """A steady function is called again and again by the worker that has it, and quickly."""
    names = cell(NAMES)
    wait_for(lambda: pool.apply(names["pid"]) and is_lent(pool))
    assert len({pool.apply(names["pid"]) for _ in range(20)}) == 1
    assert pool.apply(names["pid"]) in pool.pids()
    took = []
    for _ in range(300):
        began = time.perf_counter()
        assert pool.apply(names["pid"])
        took.append(time.perf_counter() - began)
    assert statistics.median(took) < 0.0005  # the usual way takes longer on an idle machine


CHANGES = [
    ("k = 5", 20),
    ("def g(x): return -x", 8),
    ("f.__defaults__ = (0,)", 2),
    ("def f(x): return 'new'", "new"),
    ("g.__code__ = (lambda x: 100).__code__", 110),
    ("del k", NameError),
    ("k = [1]", [1, 1]),
]


@pytest.mark.parametrize(("change", "expected"), CHANGES)
def test_never_stale(pool: Pool, change: str, expected: Any) -> None:
    """Whatever a function hangs on may change between two calls."""
    names = cell(NAMES)
    for _ in range(3):
        assert pool.apply(names["f"], (2,)) == 12
    exec(change, names)
    for _ in range(3):
        if expected is NameError:
            with pytest.raises(NameError):
                pool.apply(names["f"], (2,))
        elif change.startswith("k = ["):
            assert pool.apply(names["g"], (2,)) == expected
        else:
            assert pool.apply(names["f"], (2,)) == expected


@pytest.mark.parametrize(
    "value",
    [0, 1.5, "", b"x", None, True, (), [1, [2]], {"a": {1, 2}}, "y" * 100_000, b"z" * 3_000_000, 1j, int, range(3)],
    ids=lambda value: repr(value)[:20],
)
def test_values_come_home_as_they_are(pool: Pool, value: Any) -> None:
    """Plain or not, small or large."""
    names = cell(NAMES)
    for _ in range(2):
        found = pool.apply(names["same"], (value,))
        assert found == value
        assert type(found) is type(value)
    assert pool.apply(names["long"], (2_000_000,)) == "x" * 2_000_000
    assert pool.apply(names["nothing"]) is None
    assert pool.apply(names["same"], (), {"x": 3}) == 3


def test_prints_and_errors(pool: Pool, capsys: pytest.CaptureFixture[str]) -> None:
    """What a call prints is printed here; what it raises is raised, with its own traceback; the loan goes on."""
    names = cell(NAMES)
    for x in range(3):
        assert pool.apply(names["say"], (x,)) == x
    assert capsys.readouterr().out == "said 0\nsaid 1\nsaid 2\n"
    for _ in range(2):
        with pytest.raises(ZeroDivisionError) as info:
            pool.apply(names["fail"], (0,))
        assert "in fail" in str(info.value.__cause__)
        assert pool.apply(names["fail"], (2,)) == 0.5
    assert is_lent(pool)
    with pytest.raises(RecursionError):
        pool.apply(names["deep"], (10**6,))
    with pytest.raises(Exception, match="generator"):
        pool.apply(names["makes"], (2,))
    with pytest.raises(TypeError, match="missing 1 required"):
        pool.apply(names["same"])


def test_the_worker_is_back_for_anything_else(pool: Pool) -> None:
    """A map has all workers, and a loan that follows one works as well."""
    names = cell(NAMES)
    for _ in range(30):
        assert pool.apply(names["f"], (1,)) == 11
        assert pool.map(names["f"], range(3)) == [10, 11, 12]
    assert set(pool.map(names["whose"], range(4), chunksize=1)) == set(pool.pids())
    assert pool.apply_async(names["f"], (1,)).get(10) == 11
    assert pool.apply(names["f"], (1,)) == 11


def test_a_loop_of_the_notebook_has_all_workers(pool: Pool) -> None:
    """What `%%parallel` runs does not wait for a call that nobody makes."""
    names = cell(NAMES)
    wait_for(lambda: pool.apply(names["f"], (1,)) == 11 and is_lent(pool))
    job = cell("import os, time\ndef task(item, effects):\n    time.sleep(0.05)\n    effects.append((0, os.getpid()))")
    outcomes = list(pool.run(Job(job["task"]), iter(range(6)), lambda _event: None))
    assert {outcome.effects[0][1] for outcome in outcomes} == set(pool.pids())
    assert not is_lent(pool)


def test_several_threads(pool: Pool) -> None:
    """Calls of several threads at once are all right, and side by side."""
    names = cell(NAMES)
    wrong: list[Any] = []

    def work(number: int) -> None:
        for x in range(40):
            try:
                if pool.apply(names["f"], (number * 100 + x,)) != number * 100 + x + 10:
                    wrong.append(x)
            except BaseException as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []
    long = threading.Thread(target=lambda: pool.apply(names["spin"], (1.0,)))
    long.start()
    time.sleep(0.1)
    began = time.perf_counter()
    assert pool.apply(names["f"], (1,)) == 11
    assert pool.map(names["f"], range(2)) == [10, 11]
    assert time.perf_counter() - began < 0.8
    long.join(10)


def test_a_worker_that_dies_between_calls_is_not_missed(pool: Pool) -> None:
    """The next call is made by another."""
    names = cell(NAMES)
    for _ in range(5):
        pid = pool.apply(names["pid"])
        os.kill(pid, signal.SIGKILL)
        assert pool.apply(names["pid"]) != pid
        wait_for(lambda: pool.ready == 2)


def test_a_worker_that_dies_in_a_call(pool: Pool) -> None:
    """The call fails with what became of the worker, and only that call."""
    names = cell(NAMES)
    assert pool.apply(names["spin"], (0.0,)) == 0.0
    pid = pool.apply(names["pid"])
    assert pid in pool.pids()
    victims = pool.pids()
    kill = threading.Timer(0.3, lambda: [os.kill(pid, signal.SIGKILL) for pid in victims])
    kill.start()
    with pytest.raises(WorkerDiedError, match="SIGKILL"):
        pool.apply(names["spin"], (5.0,))
    kill.join()
    assert pool.apply(names["f"], (1,)) == 11


def test_an_interrupt_stops_the_call(pool: Pool) -> None:
    """The worker is free at once, and the same one goes on."""
    names = cell(NAMES)
    assert pool.apply(names["spin"], (0.0,)) == 0.0
    pids = pool.pids()
    for _ in range(5):
        timer = threading.Timer(0.05, lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT))
        timer.start()
        began = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            pool.apply(names["spin"], (20.0,))
        timer.join()
        assert time.perf_counter() - began < 1.0
        assert pool.apply(names["spin"], (0.0,)) == 0.0
        assert pool.map(names["f"], range(4)) == [10, 11, 12, 13]
    assert pool.pids() == pids


def test_interrupts_at_any_moment(pool: Pool) -> None:
    """However often, whatever it hits: the next call is right, and every worker comes back."""
    names = cell(NAMES)
    main = threading.main_thread().ident or 0
    hit = 0
    for number in range(60):
        timer = threading.Timer(0.0005 * (number % 12), lambda: signal.pthread_kill(main, signal.SIGINT))
        try:
            timer.start()
            for x in range(10_000):
                assert pool.apply(names["f"], (x,)) == x + 10
        except KeyboardInterrupt:
            hit += 1
        timer.join()
        assert pool.apply(names["f"], (number,)) == number + 10
    assert hit == 60
    assert set(pool.map(names["whose"], range(4), chunksize=1)) == set(pool.pids())


def test_resized_and_restarted() -> None:
    """A lent worker goes like the others, and a loan is over with its pool."""
    names = cell(NAMES)
    with Pool(2) as pool:
        for workers in (1, 3, 1, 2):
            assert pool.apply(names["f"], (1,)) == 11
            pool.resize(workers)
            wait_for(lambda workers=workers: pool.ready == workers)
            assert pool.apply(names["f"], (1,)) == 11
        pool.restart()
        assert pool.apply(names["f"], (1,)) == 11
        assert pool.apply(names["f"], (1,)) == 11
        pool.close()
        with pytest.raises(PoolClosedError):
            pool.apply(names["f"], (1,))
        pool.join()
    assert pool.pids() == []


@pytest.mark.parametrize("end", ["close", "terminate"])
def test_a_pool_that_ends_during_a_call(end: str) -> None:
    """`close` lets it be done; `terminate` ends it with an error."""
    names = cell(NAMES)
    pool = Pool(2)
    assert pool.apply(names["spin"], (0.0,)) == 0.0
    timer = threading.Timer(0.2, getattr(pool, end))
    timer.start()
    if end == "close":
        assert pool.apply(names["spin"], (0.6,)) == 0.6
    else:
        with pytest.raises(MpnbError, match="shut down"):
            pool.apply(names["spin"], (20.0,))
    timer.join(5)
    pool.join()
    assert pool.pids() == []


def test_modules_are_prepared_and_workers_replaced_all_the_same(pool: Pool) -> None:
    """A loan that nobody uses does not hold up what is done while there is nothing to do."""
    names = cell(NAMES)
    assert pool.apply(names["f"], (1,)) == 11
    before = set(pool.pids())
    pool.preload(["pandas"])
    wait_for(lambda: len(pool.pids()) == 2 and not before & set(pool.pids()), 20.0)
    assert pool.apply(names["f"], (1,)) == 11


def test_where_there_is_more_to_mind_calls_go_the_usual_way() -> None:
    """Time limits, repetitions and workers of few tasks are the scheduler's matter."""
    names = cell(NAMES)
    for options in ({"timeout": 5.0}, {"retries": 1}, {"maxtasksperchild": 2}):
        with Pool(1, **options) as pool:  # type: ignore[arg-type]
            assert [pool.apply(names["f"], (x,)) for x in range(4)] == [10, 11, 12, 13]
            assert not is_lent(pool)
    with Pool(1) as pool:
        assert pool.apply(names["f"], (1,), timeout=5.0) == 11
        assert pool.apply(names["f"], (1,), retries=2) == 11
        assert not is_lent(pool)


def test_an_initializer_is_called_before(capsys: pytest.CaptureFixture[str]) -> None:
    """What it sets and prints is there for the first call."""
    names = cell("def begin():\n    global base\n    base = 40\n    print('begun')\ndef f(x): return base + x")
    with Pool(1, initializer=names["begin"]) as pool:
        assert [pool.apply(names["f"], (x,)) for x in range(3)] == [40, 41, 42]
    assert capsys.readouterr().out == "begun\n"


def test_a_fork_of_the_notebook_has_a_pool_of_its_own(pool: Pool) -> None:
    """The child's end closes nothing of the parent's."""
    names = cell(NAMES)
    assert pool.apply(names["f"], (1,)) == 11
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 7 if pool.apply(names["f"], (2,)) == 12 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    wait_for(lambda: pool.apply(names["f"], (1,)) == 11 and is_lent(pool))
