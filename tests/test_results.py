"""Handles for work in the background, iterators, and how a pool ends: as `multiprocessing.Pool` has it, with a limit."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import random
import signal
import textwrap
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import async_runs
import pytest
from waiting import wait_for

from mpnb.errors import MpnbError, PoolClosedError, TaskTimeoutError, WorkerDiedError
from mpnb.pool import Pool


def cell(source: str) -> dict[str, Any]:
    """The names that a cell with this source leaves in a notebook."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(textwrap.dedent(source), "<cell>", "exec"), names)
    return names


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """A pool of two."""
    with Pool(2) as made:
        yield made


# ---------------------------------------------------------------- handles


def test_a_handle_says_how_it_stands(pool: Pool) -> None:
    """`ready`, `successful`, `wait` and `get`, while a call runs and after it."""
    result = pool.apply_async(time.sleep, (0.3,))
    assert not result.ready()
    with pytest.raises(ValueError, match="not ready"):
        result.successful()
    with pytest.raises(multiprocessing.TimeoutError, match=r"no result after 0\.01 s"):
        result.get(0.01)
    result.wait(0.01)
    assert not result.ready()
    result.wait(10)
    assert result.ready()
    assert result.successful()
    assert result.get() is None
    failed = pool.apply_async(divmod, (1, 0))
    failed.wait(10)
    assert not failed.successful()
    with pytest.raises(ZeroDivisionError):
        failed.get()


@pytest.mark.parametrize("kind", [TimeoutError, multiprocessing.TimeoutError])
def test_a_result_that_is_late_raises_both_kinds_of_timeout(pool: Pool, kind: type[Exception]) -> None:
    """Python's own TimeoutError catches it as well as multiprocessing's, from `get` and from `imap`."""
    late = pool.apply_async(time.sleep, (0.3,))
    with pytest.raises(kind, match=r"no result after 0\.01 s"):
        late.get(0.01)
    results: Any = pool.imap(time.sleep, [0.3])
    with pytest.raises(kind, match=r"no result after 0\.01 s"):
        results.next(0.01)
    late.wait(10)
    results.next(10)


def test_callbacks_come_before_the_result_is_ready(pool: Pool) -> None:
    """One of the two is called, once, with value or exception; one that fails harms nobody, and is logged."""
    called: list[Any] = []

    def note(value: Any) -> None:
        time.sleep(0.05)
        called.append(value)

    pool.apply_async(pow, (2, 3), callback=note, error_callback=called.append).wait(10)
    assert called == [8]
    pool.map_async(abs, [-1, -2], callback=note).wait(10)
    assert called[1:] == [[1, 2]]
    pool.map_async(int, ["1", "a"], callback=called.append, error_callback=note).wait(10)
    assert [type(error) for error in called[2:]] == [ValueError]
    pool.starmap_async(pow, [(2, 3)], callback=note).wait(10)
    assert called[3:] == [[8]]


def test_a_callback_that_fails_is_logged(pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    """And the result is there all the same."""

    def fail(_value: object) -> None:
        raise LookupError("of the callback")

    assert pool.apply_async(pow, (2, 3), callback=fail).get(10) == 8
    assert "of the callback" in caplog.text


def test_results_can_be_awaited(pool: Pool) -> None:
    """Several at a time, failures too; who gives up waiting does not cancel the call."""

    async def main() -> list[Any]:
        both = await asyncio.gather(pool.apply_async(pow, (2, 3)), pool.map_async(abs, [-1, -2]))
        with pytest.raises(ZeroDivisionError):
            await pool.apply_async(divmod, (1, 0))
        slow = pool.apply_async(time.sleep, (0.3,))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_of(slow), 0.05)
        return [*both, await slow]

    async def _of(result: Any) -> Any:
        return await result

    assert async_runs.run(main()) == [8, [1, 2], None]


def test_the_first_failure_in_order_is_raised_when_all_are_done(pool: Pool) -> None:
    """Not the first in time, and not before the others have run."""
    names = cell("""
        import time
        def f(x):
            time.sleep(0.2 if x == 1 else 0)
            if x in (1, 3): raise LookupError(x)
            return x
    """)
    with pytest.raises(LookupError) as info:
        pool.map_async(names["f"], range(5), chunksize=1).get(10)
    assert info.value.args == (1,)
    assert info.value.__notes__ == ["in task 2 of 5"]


def test_arguments_are_those_of_the_call(pool: Pool) -> None:
    """What is changed after apply_async is not seen by the task."""
    items = [1]
    results = []
    for number in range(20):
        items[0] = number
        results.append(pool.apply_async(list, (items,)))
    assert [result.get(10) for result in results] == [[number] for number in range(20)]


def test_prints_of_the_background_appear(pool: Pool, capsys: pytest.CaptureFixture[str]) -> None:
    """They are shown before the result is ready."""
    names = cell("def f(x):\n    print('task', x)\n    return x")
    pool.map_async(names["f"], range(3), chunksize=1).get(10)
    assert sorted(capsys.readouterr().out.splitlines()) == ["task 0", "task 1", "task 2"]


def test_a_worker_that_dies_costs_one_of_many(pool: Pool) -> None:
    """The handle of that call fails, or that item of a map, and the others are done."""
    names = cell("import os\ndef f(x):\n    if x == 7: os._exit(3)\n    return x")
    results = [pool.apply_async(names["f"], (x,)) for x in range(20)]
    for x, result in enumerate(results):
        if x == 7:
            with pytest.raises(WorkerDiedError, match="exit code 3"):
                result.get(10)
        else:
            assert result.get(10) == x
    with pytest.raises(WorkerDiedError) as info:
        pool.map_async(names["f"], range(20)).get(10)
    assert info.value.__notes__ == ["in task 8 of 20"]


def test_thousands_of_calls_at_once(pool: Pool) -> None:
    """Every one of five thousand gives its own result, and nothing stays behind."""
    threads = threading.active_count()
    results = [pool.apply_async(divmod, (k, 7)) for k in range(5000)]
    assert [result.get(30) for result in results] == [divmod(k, 7) for k in range(5000)]
    hands = pool._hands
    assert hands is not None
    wait_for(lambda: not hands._jobs and not hands._chunks and not hands._digests)
    assert threading.active_count() <= threads + 1


def test_arguments_and_results_are_let_go(pool: Pool) -> None:
    """Nothing of a call is kept when it is over, though its handle is."""
    names = cell("class Thing:\n    def __init__(self): self.k = 1\ndef same(x): return x")
    thing = names["Thing"]()
    gone = weakref.ref(thing)
    result = pool.apply_async(names["same"], (thing,))
    back = weakref.ref(result.get(10))
    del thing, result
    gc.collect()
    wait_for(lambda: gone() is None and back() is None)


# ---------------------------------------------------------------- imap


@pytest.mark.parametrize("method", ["imap", "imap_unordered"])
@pytest.mark.parametrize("chunksize", [None, 1, 5])
def test_imap_gives_what_map_gives(pool: Pool, method: str, chunksize: int | None) -> None:
    """For any number of items, from iterables with a length and without."""
    for count in (0, 1, 7, 500):
        for items in (range(count), iter(range(count))):
            results = list(getattr(pool, method)(abs, items, chunksize))
            assert sorted(results) == list(range(count))
            assert method == "imap_unordered" or results == list(range(count))


def test_unordered_results_come_as_they_are_ready(pool: Pool) -> None:
    """A slow first item holds nobody up."""
    names = cell("import time\ndef f(x):\n    time.sleep(1.0 if x == 0 else 0)\n    return x")
    results = pool.imap_unordered(names["f"], range(10), chunksize=1)
    assert sorted(next(results) for _ in range(9)) == list(range(1, 10))
    assert next(results) == 0


@pytest.mark.parametrize("method", ["imap", "imap_unordered"])
def test_a_consumer_that_stands_still_has_little_pulled_for_it(pool: Pool, method: str) -> None:
    """At most 64 items more than it has taken, however fast the tasks are."""
    pulled = 0

    def items() -> Iterator[int]:
        nonlocal pulled
        for number in range(2_000_000):
            pulled += 1
            yield number

    results = getattr(pool, method)(abs, items())
    for taken in range(3000):
        next(results)
        assert pulled <= taken + 1 + 64
    time.sleep(0.2)
    assert pulled <= 3000 + 64
    results.close()


def test_chunks_are_pulled_a_few_at_a_time(pool: Pool) -> None:
    """With a chunk size, two chunks for each worker and one more."""
    pulled: list[int] = []
    results = pool.imap(abs, (pulled.append(k) or k for k in range(100_000)), chunksize=100)
    for _ in range(1000):
        next(results)
    assert len(pulled) <= 1000 + 5 * 100


def test_work_begins_before_anybody_asks(pool: Pool) -> None:
    """The first items are on their way when imap returns."""
    names = cell("import time\ndef f(x):\n    time.sleep(0.3)\n    return time.time()")
    results = pool.imap(names["f"], range(2))
    time.sleep(0.5)
    began = time.time()
    assert all(done < began for done in results)


def test_an_iterator_waits_as_long_as_it_may(pool: Pool) -> None:
    """`next(timeout)` raises multiprocessing.TimeoutError, and the result comes later."""
    results: Any = pool.imap(time.sleep, [0.3])
    began = time.perf_counter()
    with pytest.raises(multiprocessing.TimeoutError):
        results.next(0.05)
    assert 0.04 < time.perf_counter() - began < 0.25
    assert results.next(10) is None
    with pytest.raises(StopIteration):
        results.next(10)


def test_results_follow_a_failure(pool: Pool) -> None:
    """An exception ends nothing: the next result can be asked for."""
    results = pool.imap(int, ["1", "a", "3"])
    assert next(results) == 1
    with pytest.raises(ValueError, match="'a'") as info:
        next(results)
    assert info.value.__notes__ == ["in task 2 of 3"]
    assert list(results) == [3]


# ---------------------------------------------------------------- limits


def test_a_timeout_stops_the_task() -> None:
    """Its worker is ended, whatever it does; the others' tasks are done; the handle says how long it might have taken."""
    names = cell("""
        import os, signal, time
        def f(x):
            if x == 1: time.sleep(60)
            if x == 2:
                while True: pass
            if x == 3: os.kill(os.getpid(), signal.SIGSTOP)
            return x
    """)
    with Pool(2) as pool:
        pool.map(abs, range(10))
        before = pool.pids()
        began = time.perf_counter()
        results = [pool.apply_async(names["f"], (x,), timeout=0.4) for x in range(6)]
        for x, result in enumerate(results):
            if x in {1, 2, 3}:
                with pytest.raises(TaskTimeoutError, match=r"longer than 0\.4 s"):
                    result.get(10)
            else:
                assert result.get(10) == x
        assert 0.8 <= time.perf_counter() - began < 5
        wait_for(lambda: pool.ready == 2)
        assert not set(before) & set(pool.pids())
        with pytest.raises(TimeoutError):
            pool.map(names["f"], [0, 1, 4], timeout=0.2)
        assert pool.map(names["f"], [0, 4]) == [0, 4]


def test_short_tasks_may_take_long_together() -> None:
    """The limit is for a task, not for a chunk or a map."""
    with Pool(1) as pool:
        assert pool.map(time.sleep, [0.02] * 60, timeout=0.5) == [None] * 60
        assert [pool.apply(time.sleep, (0.1,), timeout=0.25) for _ in range(5)] == [None] * 5


@pytest.mark.parametrize("how", ["raise OSError('not yet')", "os._exit(3)", "time.sleep(60)"])
def test_retries(how: str, tmp_path: Any) -> None:
    """A task that failed, died or took too long is tried again, as often as was said."""
    names = cell(f"""
        import os, time
        def f(path):
            with open(path, "a") as file: file.write("x")
            if os.path.getsize(path) < 3:
                {how}
            return os.path.getsize(path)
    """)
    with Pool(2, retries=2) as pool:
        assert pool.map(names["f"], [str(tmp_path / name) for name in "abc"], timeout=0.5) == [3, 3, 3]
        with pytest.raises((OSError, WorkerDiedError)):
            pool.apply(names["f"], (str(tmp_path / "d"),), timeout=0.5, retries=1)
        assert (tmp_path / "d").stat().st_size == 2


def test_workers_are_replaced() -> None:
    """With maxtasksperchild no worker does more tasks than that, and none is lost."""
    names = cell("import os\ndef f(x): return os.getpid()")
    with Pool(2, maxtasksperchild=3) as pool:
        results = [pool.apply_async(names["f"], (x,)) for x in range(30)]
        pids = [result.get(20) for result in results]
        assert max(pids.count(pid) for pid in set(pids)) <= 3
        assert len(set(pids)) >= 10
        assert pool.map(abs, range(100), chunksize=5) == list(range(100))


# ---------------------------------------------------------------- initializer


def test_an_initializer_prepares_every_worker(capsys: pytest.CaptureFixture[str]) -> None:
    """Names that it binds or whose values it changes are there for all tasks, whatever the notebook has."""
    names = cell("""
        import os, time
        settings, model = {"level": 0}, None
        def begin(value):
            global model, path
            model, path = value, [os.getpid()]
            settings["level"] += 1
            print("begun")
        def f(x):
            time.sleep(0.01)
            return model, path == [os.getpid()], settings["level"], later
        later = 1
    """)
    with Pool(2, names["begin"], ("a model",)) as pool:
        assert set(pool.map(names["f"], range(20))) == {("a model", True, 1, 1)}
        names["later"] = 2  # what the initializer did not touch is never stale
        assert set(pool.map(names["f"], range(20))) == {("a model", True, 1, 2)}
        pool.resize(3)
        assert set(pool.map(names["f"], range(50))) == {("a model", True, 1, 2)}
    assert names["model"] is None
    assert capsys.readouterr().out.count("begun") in {2, 3}


def test_a_worker_that_is_replaced_is_prepared_too() -> None:
    """After a crash as well."""
    names = cell("""
        import os
        def begin():
            global ready
            ready = True
        def f(x):
            if x == 3: os._exit(1)
            return ready
    """)
    with Pool(1, initializer=names["begin"]) as pool:
        results = [pool.apply_async(names["f"], (x,)) for x in range(8)]
        assert [result.get(10) for x, result in enumerate(results) if x != 3] == [True] * 7


# ---------------------------------------------------------------- arguments

BAD: list[tuple[str, type[Exception], str]] = [
    ("Pool(0)", ValueError, "processes must be 1 or more, was 0"),
    ("Pool('2')", TypeError, "processes must be a whole number, was '2'"),
    ("Pool(1, initializer=3)", TypeError, "initializer must be callable, was 3"),
    ("Pool(1, maxtasksperchild=0)", ValueError, "maxtasksperchild must be 1 or more, or None, was 0"),
    ("Pool(1, timeout=0)", ValueError, "timeout must be more than 0 seconds, or None, was 0"),
    ("Pool(1, retries=-1)", ValueError, "retries must be 0 or more, was -1"),
    ("pool.map(abs, [1], chunksize=0)", ValueError, "chunksize must be 1 or more, was 0"),
    ("pool.imap(abs, [1], -1)", ValueError, "chunksize must be 1 or more, was -1"),
    ("pool.imap_unordered(abs, [1], 0)", ValueError, "chunksize must be 1 or more, was 0"),
    ("pool.map(3, [1])", TypeError, "func must be callable, was 3"),
    ("pool.apply_async('f')", TypeError, "func must be callable, was 'f'"),
    ("pool.map(abs, 3)", TypeError, "'int' object is not iterable"),
    ("pool.map_async(abs, 3)", TypeError, "'int' object is not iterable"),
    ("pool.apply(abs, 3)", TypeError, "'int' object is not iterable"),
    ("pool.map(abs, [1], timeout=-1)", ValueError, "timeout must be more than 0 seconds"),
    ("pool.resize(0)", ValueError, "workers must be 1 or more, was 0"),
    ("pool.join()", ValueError, "still running: call close"),
    ("__import__('pickle').dumps(pool)", NotImplementedError, "can't be sent to another process"),
]


@pytest.mark.parametrize(("expression", "kind", "words"), BAD, ids=[row[0] for row in BAD])
def test_bad_arguments(pool: Pool, expression: str, kind: type[Exception], words: str) -> None:
    """They raise what multiprocessing raises, and say what is allowed; the pool works afterwards."""
    with pytest.raises(kind, match=words):
        eval(expression, {"Pool": Pool, "pool": pool})
    assert pool.map(abs, [-1]) == [1]


# ---------------------------------------------------------------- the end


def test_close_and_join_wait_for_all_work() -> None:
    """What was asked for is done, in the background and in iterators that nobody has emptied."""
    pool = Pool(2)
    one = pool.map_async(time.sleep, [0.1] * 4, chunksize=1)
    iterator = pool.imap(abs, iter([-1, -2, -3]))
    begun = pool.imap(int, ["1", "a", "3"])
    assert next(begun) == 1
    pool.close()
    for call in (lambda: pool.map(abs, [1]), lambda: pool.apply_async(abs, (1,)), lambda: pool.imap(abs, [1])):
        with pytest.raises(PoolClosedError, match=r"closed by close\(\)"):
            call()
    pids = pool.pids()
    pool.join()
    assert one.ready()
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    assert list(iterator) == [1, 2, 3]
    with pytest.raises(ValueError, match="'a'"):
        next(begun)
    assert list(begun) == [3]
    pool.join()


def test_close_alone_ends_the_workers_when_all_is_done() -> None:
    """Nobody has to call join()."""
    pool = Pool(1)
    result = pool.apply_async(time.sleep, (0.2,))
    pool.close()
    assert result.get(10) is None
    wait_for(lambda: not pool.pids())


def test_terminate_tells_who_waits() -> None:
    """Handles of calls that were not done raise, instead of leaving their owner to wait for ever."""
    pool = Pool(2)
    results = [pool.apply_async(time.sleep, (60,)) for _ in range(5)]
    time.sleep(0.2)
    began = time.perf_counter()
    pool.terminate()
    pool.join()
    assert time.perf_counter() - began < 2
    for result in results:
        with pytest.raises(MpnbError, match="shut down"):
            result.get(5)
    with pytest.raises(PoolClosedError):
        pool.__enter__()
    pool.restart()
    assert pool.map(abs, [-1]) == [1]
    pool.terminate()


def test_a_handle_keeps_its_pool_at_work() -> None:
    """A pool that nobody refers to finishes what somebody waits for; then it ends, threads and all."""
    threads = threading.active_count()
    assert Pool(1).apply_async(pow, (2, 3)).get(10) == 8
    gc.collect()
    wait_for(lambda: threading.active_count() == threads)


def test_resize_and_restart_with_calls_under_way() -> None:
    """Workers come and go, and no call is lost."""
    with Pool(1) as pool:
        results = [pool.apply_async(time.sleep, (0.01,)) for _ in range(100)]
        for workers in (3, 1, 2):
            pool.resize(workers)
            time.sleep(0.05)
        assert [result.get(20) for result in results] == [None] * 100
        wait_for(lambda: len(pool.pids()) == 2)


def test_interrupts_at_any_moment() -> None:
    """Ctrl-C while work is handed out, waited for or taken: the pool works on, and ends when it is told to."""
    pool = Pool(2)
    assert pool.map(abs, range(100)) == list(range(100))
    main = threading.main_thread().ident
    assert main is not None
    draw = random.Random(3)
    calls: list[Callable[[], object]] = [
        lambda: pool.map(abs, range(2000)),
        lambda: pool.apply(time.sleep, (0.002,)),
        lambda: [result.get(10) for result in [pool.apply_async(abs, (k,)) for k in range(5)]],
        lambda: pool.map_async(abs, range(50)).get(10),
        lambda: list(pool.imap(abs, range(300))),
    ]
    interrupted = 0
    for number in range(150):
        timer = threading.Timer(draw.uniform(0, 0.008), signal.pthread_kill, (main, signal.SIGINT))
        try:
            timer.start()
            calls[number % len(calls)]()
            timer.join()
            time.sleep(0.001)
        except KeyboardInterrupt:
            interrupted += 1
        timer.join()
    assert interrupted > 50
    for call in calls:
        call()
    assert pool.map(abs, range(100)) == list(range(100))
    pool.close()
    began = time.perf_counter()
    pool.join()
    assert time.perf_counter() - began < 5


def test_a_pool_inside_a_task_runs_there(pool: Pool) -> None:
    """All methods do, with the same results, and start no process."""
    names = cell("""
        import os
        from mpnb import Executor, Pool
        def pid(_): return os.getpid()
        def begin():
            global began
            began = True
        def f(_):
            me = os.getpid()
            with Pool(2) as pool, Executor(2) as executor:
                found = [pool.map(abs, [-1, -2]), pool.starmap(pow, [(2, 3)]), pool.apply(pow, (2, 3))]
                found += [list(pool.imap(abs, [-1])), list(pool.imap_unordered(abs, [-1]))]
                found += [pool.map_async(abs, [-1]).get(), pool.apply_async(abs, (-1,)).get()]
                found += [executor.submit(abs, -1).result(), list(executor.map(abs, [-1, -2]))]
                same = {*pool.map(pid, range(3)), executor.submit(pid, 0).result()} == {me}
                try: pool.map(int, ["a"])
                except ValueError as error: found.append(str(error)[-3:])
            return found, same
    """)
    expected = [[1, 2], [8], 8, [1], [1], [1], 1, 1, [1, 2], "'a'"]
    assert pool.map(names["f"], [0]) == [(expected, True)]
