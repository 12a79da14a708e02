"""Maps of short calls, which workers make many at a time: each call is told from the others all the same."""

from __future__ import annotations

import os
import signal
import textwrap
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from mpnb.errors import TaskTimeoutError, WorkerDiedError
from mpnb.pool import Pool


def cell(source: str) -> dict[str, Any]:
    """The names that a cell with this source leaves in a notebook."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(textwrap.dedent(source), "<cell>", "exec"), names)
    return names


NAMES = """
    import os, sys, time, warnings
    seen = []
    def add(x, y=1): return x + y
    def odd(x):
        if x % 1000 == 7: raise ValueError(x)
        return x
    def say(x):
        if x % 1000 == 7:
            print("out", x, end=";"); print(" and", x)
            sys.stderr.write(f"err {x}\\n")
            warnings.warn(f"warned {x}")
            print("after", x)
            if x == 2007: raise ValueError("said")
        return x
    def some(x): return (x, {x}) if x % 1000 == 7 else complex(x) if x == 5 else None
    def die(x):
        if x == 7007: os._exit(3)
        return x
    def slow(x):
        if x == 7007: time.sleep(30)
        return x
    def forever(x):
        while True: pass
    def bad(x): return (i for i in range(x)) if x == 7007 else x
    def count(x): seen.append(x); return len(seen)
    def uneven(x): time.sleep(0.3 if x == 5_000 else 0); return x
    def quits(x):
        if x == 7007: raise KeyboardInterrupt
        return x
"""


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """A pool of two."""
    with Pool(2) as made:
        yield made


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


@pytest.mark.parametrize("count", [0, 1, 2, 3, 63, 64, 65, 129, 1000, 100_000])
@pytest.mark.parametrize("kind", [list, tuple, range, iter])
def test_values_are_in_order(pool: Pool, count: int, kind: Any) -> None:
    """However many, and whatever they come out of."""
    add = cell(NAMES)["add"]
    items = range(count) if kind is range else kind(range(count))
    assert pool.map(add, items) == list(range(1, count + 1))


def test_every_way_to_ask(pool: Pool) -> None:
    """All methods give the same values."""
    add = cell(NAMES)["add"]
    pairs = [(x, 2 * x) for x in range(5000)]
    assert pool.starmap(add, pairs) == [3 * x for x in range(5000)]
    assert pool.starmap_async(add, pairs).get(20) == [3 * x for x in range(5000)]
    assert pool.map_async(add, range(5000)).get(20) == list(range(1, 5001))
    assert list(pool.imap(add, range(5000))) == list(range(1, 5001))
    assert list(pool.imap(add, range(5000), chunksize=100)) == list(range(1, 5001))
    assert sorted(pool.imap_unordered(add, range(5000))) == list(range(1, 5001))
    assert pool.map(add, range(5000), chunksize=7) == list(range(1, 5001))


def test_exceptions_have_their_place(pool: Pool) -> None:
    """One that raises costs no other call; a map raises the first."""
    odd = cell(NAMES)["odd"]
    with pytest.raises(ValueError, match="7") as info:
        pool.map(odd, range(20_000))
    assert info.value.args == (7,)
    assert info.value.__notes__ == ["in task 8 of 20,000"]
    assert "in odd" in str(info.value.__cause__)
    results = pool.imap(odd, range(9000), chunksize=1000)
    found: list[Any] = []
    while len(found) < 9000:
        try:
            found.append(next(results))
        except ValueError as error:
            found.append(str(error))
    assert found == [str(x) if x % 1000 == 7 else x for x in range(9000)]


def test_prints_and_warnings_have_theirs(pool: Pool, capsys: pytest.CaptureFixture[str]) -> None:
    """What a call prints comes in the order of the items, in whole."""
    say = cell(NAMES)["say"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(ValueError, match="said"):
            pool.map(say, range(9000))
    numbers = range(7, 9000, 1000)
    printed = capsys.readouterr()
    assert printed.out == "".join(f"out {x}; and {x}\nafter {x}\n" for x in numbers)
    assert printed.err == "".join(f"err {x}\n" for x in numbers)
    assert [str(each.message) for each in caught] == [f"warned {x}" for x in numbers]


def test_values_that_are_not_plain_among_those_that_are(pool: Pool) -> None:
    """They come home as any other."""
    some = cell(NAMES)["some"]
    expected = [(x, {x}) if x % 1000 == 7 else complex(x) if x == 5 else None for x in range(9000)]
    assert pool.map(some, range(9000)) == expected
    bad = cell(NAMES)["bad"]
    with pytest.raises(Exception, match="generator") as info:
        pool.map(bad, range(9000))
    assert info.value.__notes__ == ["in task 7,008 of 9,000"]


def test_a_crash_names_its_call(pool: Pool) -> None:
    """The worker dies of the call that it ran, and no other is lost."""
    die = cell(NAMES)["die"]
    with pytest.raises(WorkerDiedError, match="exit code 3") as info:
        pool.map(die, range(20_000))
    assert info.value.iteration == 7007
    results = pool.imap(die, range(20_000), chunksize=2500)
    found = 0
    for _ in range(20_000):
        try:
            found += next(results)
        except WorkerDiedError:
            found += 7007
    assert found == sum(range(20_000))


def test_a_call_that_takes_too_long(pool: Pool) -> None:
    """It alone is ended."""
    slow = cell(NAMES)["slow"]
    with pytest.raises(TaskTimeoutError) as info:
        pool.map(slow, range(20_000), timeout=0.5)
    assert info.value.__notes__ == ["in task 7,008 of 20,000"]
    assert pool.map(abs, [-1]) == [1]


def test_an_interrupt_stops_calls(pool: Pool) -> None:
    """The same workers go on."""
    names = cell(NAMES)
    assert pool.map(names["add"], range(100)) == list(range(1, 101))
    pids = set(pool.pids())
    for _ in range(3):
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        began = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            pool.map(names["forever"], range(1000))
        assert time.perf_counter() - began < 1.0
        timer.join()
        assert pool.map(names["add"], range(1000)) == list(range(1, 1001))
    assert set(pool.pids()) == pids


def test_an_interrupt_that_a_call_raises_is_its_own(pool: Pool) -> None:
    """It ends no worker, and no other call."""
    quits = cell(NAMES)["quits"]
    with pytest.raises(KeyboardInterrupt) as info:
        pool.map(quits, range(9000))
    assert info.value.__notes__ == ["in task 7,008 of 9,000"]
    assert pool.map(quits, range(7000)) == list(range(7000))


def test_a_long_call_among_short_ones_keeps_no_others(pool: Pool) -> None:
    """What its worker has not begun is done by the other meanwhile."""
    uneven = cell(NAMES)["uneven"]
    began = time.perf_counter()
    assert pool.map(uneven, range(10_000)) == list(range(10_000))
    assert time.perf_counter() - began < 2.0


def test_what_a_call_leaves_is_its_workers(pool: Pool) -> None:
    """As with multiprocessing; the next map begins with what the notebook has."""
    count = cell(NAMES)["count"]
    assert sum(value == 1 for value in pool.map(count, range(1000))) <= 2
    assert pool.map(count, [0]) == [1]


def test_what_a_worker_has_loaded_is_never_stale(pool: Pool) -> None:
    """A worker that goes on with what it has of a steady function sees no trace of other calls, and every change."""
    names = cell("""
        base = 1
        def helper(x): return x + base
        def steady(x): return helper(x)
        def spoil(x):
            global base, helper
            base, helper = 99, None
            return x
    """)
    for _ in range(3):
        assert pool.map(names["steady"], range(100)) == list(range(1, 101))
        assert pool.map(names["steady"], range(100)) == list(range(1, 101))
        assert pool.apply(names["steady"], (1,)) == 2
        assert pool.map(names["spoil"], range(100)) == list(range(100))
    names["base"] = 5
    assert pool.map(names["steady"], range(100)) == list(range(5, 105))
    exec("def helper(x): return -x", names)
    assert pool.map(names["steady"], range(100)) == [-x for x in range(100)]
    assert pool.map_async(names["steady"], range(100)).get(10) == [-x for x in range(100)]


STEADY = """
    import time
    def tell(x):
        if x % 1000 == 7: print("out", x, end=";"); print(" and", x)
        return x
    def stops(x):
        if x == 7007: raise StopIteration("here")
        return x
    def fails(x, y=1):
        if x % 1000 == 7: raise ValueError(x)
        return x + y
    def naps(x):
        if x == 7007: time.sleep(2.5)
        return x
"""


def test_calls_without_marks_are_told_apart(pool: Pool, capsys: pytest.CaptureFixture[str]) -> None:
    """A function that leaves no trace runs at the speed of `map`: what it prints and raises is its call's all the same."""
    names = cell(STEADY)
    numbers = range(20_000)
    assert pool.map(names["tell"], numbers) == list(numbers)
    assert capsys.readouterr().out == "".join(f"out {x}; and {x}\n" for x in range(7, 20_000, 1000))
    with pytest.raises(StopIteration, match="here") as raised:
        pool.map(names["stops"], numbers)
    assert raised.value.__notes__ == ["in task 7,008 of 20,000"]
    done = 0
    results = pool.imap(names["fails"], numbers)
    for x in numbers:
        if x % 1000 == 7:
            with pytest.raises(ValueError, match=rf"^{x}\b"):
                next(results)
        else:
            assert next(results) == x + 1
            done += 1
    assert done == 20_000 - 20
    with pytest.raises(ValueError, match=r"^7\b"):
        pool.starmap(names["fails"], [(x, 2) for x in numbers])


def sleeper(pool: Pool) -> list[int]:
    """The process that is in the midst of the long call: what came before it has been done, and is not sent."""
    found = [each for each in pool._hands._processes.values() if each.word[0] and each.pid is not None]
    time.sleep(0.3)
    return [each.pid for each in found if each.word[0] and each.ready]


@pytest.mark.parametrize("times", [1, 2])
def test_a_crash_of_calls_without_marks(pool: Pool, times: int) -> None:
    """They are run again, with marks: nothing is lost where the worker was killed from outside, else the call is named."""
    naps = cell(STEADY)["naps"]
    result = pool.map_async(naps, range(20_000), chunksize=10_000)
    for _ in range(times):
        while not (pids := sleeper(pool)):
            time.sleep(0.01)
        os.kill(pids[0], signal.SIGKILL)
        while pids[0] in pool.pids():
            time.sleep(0.01)
    if times == 1:
        assert result.get(20) == list(range(20_000))
    else:
        with pytest.raises(WorkerDiedError, match=r"while it ran iteration 7008\b") as died:
            result.get(20)
        assert died.value.iteration == 7007
