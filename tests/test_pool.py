"""The pool with real processes; every wait has a limit."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import psutil
import pytest
from waiting import wait_for

from mpnb import events
from mpnb.engine import STDERR, STDOUT, WARNED, Job, Outcome
from mpnb.errors import CodecError, MpnbError, PoolClosedError, WorkerDiedError
from mpnb.pool import Pool

HOME = str(Path(__file__).resolve().parent.parent)


def cell(source: str) -> dict[str, Any]:
    """The names that a cell with this source leaves in a notebook."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(textwrap.dedent(source), "<cell>", "exec"), names)
    return names


def task(body: str, before: str = "") -> FunctionType:
    """A job's function with this body."""
    source = textwrap.dedent(before) + "\ndef task(item, effects):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    return cell(source)["task"]


def ignore(_event: events.Event) -> None:
    """Listens to nothing."""


def values(outcomes: Any) -> list[Any]:
    """The first member of the first effect of each."""
    return [outcome.effects[0][1] for outcome in outcomes]


@pytest.fixture(scope="module")
def shared() -> Iterator[Pool]:
    with Pool(2) as pool:
        wait_for(lambda: pool.ready == 2)
        yield pool


@pytest.fixture
def pool(shared: Pool) -> Iterator[Pool]:
    """A pool of two that is ready."""
    shared.resize(2)
    wait_for(lambda: shared.ready == 2 and len(shared.pids()) == 2)
    hands = shared._hands
    yield shared
    assert shared._hands is hands, "the I/O thread failed"
    assert hands is None or hands.failure is None


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    """No test waits for ever."""

    def on_alarm(_number: int, _frame: Any) -> None:
        pytest.fail("the test takes longer than 40 s")

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(40)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


SQUARE = task("effects.append((0, item * item))")
SPIN = """
    import time
    def spin(seconds):
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
"""


# ---------------------------------------------------------------- starting


def test_start_returns_at_once_and_workers_are_soon_ready() -> None:
    """`start()` does not wait; workers are ready within a second even on a loaded machine."""
    pool = Pool(2)
    began = time.perf_counter()
    pool.start()
    assert time.perf_counter() - began < 0.05
    wait_for(lambda: pool.ready == 2, 2.0)
    assert len(pool.pids()) == 2
    pool.shutdown()


def test_work_may_be_given_before_any_worker_is_ready() -> None:
    """Nobody needs to wait for a pool to be ready."""
    with Pool(2) as pool:
        assert pool.map(str, range(5)) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("workers", [0, -1])
def test_wrong_numbers_of_workers(workers: int) -> None:
    """A pool has one worker or more."""
    with pytest.raises(ValueError, match=f"processes must be 1 or more, was {workers}"):
        Pool(workers)


# ---------------------------------------------------------------- results


@pytest.mark.parametrize("count", [0, 1, 2, 3, 17, 1000])
def test_outcomes_come_in_order(pool: Pool, count: int) -> None:
    """Outcomes come in the order of the items, each with its number."""
    outcomes = list(pool.run(Job(SQUARE), iter(range(count)), ignore))
    assert values(outcomes) == [item * item for item in range(count)]
    assert [outcome.index for outcome in outcomes] == list(range(count))
    assert {outcome.kind for outcome in outcomes} <= {"finished"}


def test_outcomes_come_in_order_whoever_is_first(pool: Pool) -> None:
    """A slow early item delays the others' outcomes, and loses none."""
    slow = task("time.sleep(0.3 if item in (0, 7) else 0.001); effects.append((0, item))", "import time")
    assert values(pool.run(Job(slow), iter(range(60)), ignore)) == list(range(60))


def test_numbers_count_from_the_jobs_first(pool: Pool) -> None:
    """Where the kernel ran the first iterations, the pool counts on."""
    running = pool.run(Job(SQUARE, first=100), iter(range(5)), ignore)
    assert [outcome.index for outcome in running] == [100, 101, 102, 103, 104]


def test_prints_are_effects_in_their_place(pool: Pool) -> None:
    """What a task writes is an effect of its iteration, in order with the others, joined where it is in one go."""
    before = "import sys, warnings"
    body = """
        print("a", item, flush=True)
        sys.stdout.write("b")
        effects.append((0, item))
        sys.stderr.write("c")
        print("d", end="")
        assert not sys.stdout.isatty() and sys.stdout.encoding == "utf-8"
        import os
        os.write(1, b"nobody sees this")
    """
    outcomes = list(pool.run(Job(task(body, before)), iter(range(3)), ignore))
    for number, outcome in enumerate(outcomes):
        assert outcome.effects == [(STDOUT, f"a {number}\nb"), (0, number), (STDERR, "c"), (STDOUT, "d")]


def test_warnings_are_effects(pool: Pool) -> None:
    """A warning comes home as one, as often as it was raised, whatever was shown before: the notebook filters."""
    body = "warnings.warn('look out', FutureWarning); effects.append((0, item))"
    with warnings.catch_warnings():
        warnings.simplefilter("once")
        outcomes = list(pool.run(Job(task(body, "import warnings"), nets=False), iter([1, 2, 3]), ignore))
    for number, outcome in enumerate(outcomes, 1):
        (kind, message, category, filename, line), value = outcome.effects
        assert (kind, str(message), category, value) == (WARNED, "look out", FutureWarning, (0, number))
        assert filename
        assert line


def test_events_tell_the_story(pool: Pool) -> None:
    """A listener hears, in its own thread, of workers, chunks, batches, and the end."""
    told: list[events.Event] = []
    threads = set()

    def tell(event: events.Event) -> None:
        told.append(event)
        threads.add(threading.get_ident())

    began = time.perf_counter()
    job = Job(task("time.sleep(0.01); effects.append((0, 1))", "import time"), first=3, site=5)
    list(pool.run(job, iter(range(30)), tell))
    ended = time.perf_counter()
    assert threads == {threading.get_ident()}
    kinds = [type(event).__name__ for event in told]
    assert kinds.count("WorkerStarted") == kinds.count("WorkerReady") == 2
    assert kinds[-1] == "JobEnded"
    batches = [event for event in told if isinstance(event, events.BatchFinished)]
    assert sum(event.count for event in batches) == 30
    assert min(event.first for event in batches) == 3
    for event in batches:
        assert len(event.times) == 2 * event.count
        assert list(event.times) == sorted(event.times)
        assert event.count == 0 or began < event.times[0] <= event.times[-1] <= event.at <= ended
    assert {event.chunk for event in batches} == {e.chunk for e in told if isinstance(e, events.ChunkSent)}
    assert sum(e.count for e in told if isinstance(e, events.ChunkEncoded)) == 30


def test_ticks_while_it_waits(pool: Pool) -> None:
    """A caller who waits gets a tick at least every 0.1 s."""
    at: list[float] = []

    def tell(event: events.Event) -> None:
        if isinstance(event, events.Ticked):
            at.append(event.at)

    list(pool.run(Job(task("time.sleep(0.55)", "import time")), iter(range(2)), tell))
    assert len(at) >= 4


def test_fewer_workers_for_one_job(pool: Pool) -> None:
    """A job may be kept to some of the workers."""
    pids = task("time.sleep(0.002); effects.append((0, os.getpid()))", "import os, time")
    assert len(set(values(pool.run(Job(pids), iter(range(50)), ignore, workers=1)))) == 1
    assert len(set(values(pool.run(Job(pids), iter(range(50)), ignore)))) == 2


# ---------------------------------------------------------------- laziness


def test_a_slow_caller_has_little_pulled_for_it(pool: Pool) -> None:
    """Of a million items, few are pulled for a caller who takes twenty outcomes and goes."""
    pulled = []
    # Two milliseconds each: what one worker gets done while the other one is held up by the machine stays little.
    nap = task("time.sleep(0.002); effects.append((0, item))", "import time")
    running = pool.run(Job(nap), (pulled.append(i) or i for i in range(10**6)), ignore)
    for _ in range(20):
        next(running)
        time.sleep(0.005)
    running.close()
    assert 20 <= len(pulled) < 1000


def test_an_endless_iterable(pool: Pool) -> None:
    """The length of the iterable need not be known, nor finite."""

    def forever() -> Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1

    running = pool.run(Job(SQUARE), forever(), ignore)
    assert [next(running).index for _ in range(500)] == list(range(500))
    running.close()


def test_items_are_pulled_in_the_calling_thread(pool: Pool) -> None:
    """A generator of the user's runs where it would run without the pool."""
    threads = set()

    def items() -> Iterator[int]:
        for number in range(300):
            threads.add(threading.get_ident())
            yield number

    list(pool.run(Job(SQUARE), items(), ignore))
    assert threads == {threading.get_ident()}


def test_an_iterable_that_fails_fails_in_its_place(pool: Pool) -> None:
    """The outcomes of the items before the failure come first, then the user's own exception."""

    def items() -> Iterator[int]:
        yield from range(7)
        raise LookupError("no more")

    running = pool.run(Job(SQUARE), items(), ignore)
    assert [next(running).index for _ in range(7)] == list(range(7))
    with pytest.raises(LookupError, match="no more"):
        next(running)
    assert running.close() == []


# ---------------------------------------------------------------- what goes wrong in a task


def test_an_exception_ends_the_job_in_its_place(pool: Pool) -> None:
    """Outcomes before the exception come first, then one that says what was raised, then nothing."""
    fail = task("effects.append((0, 1 // (item - 17)))")
    outcomes = list(pool.run(Job(fail), iter(range(200)), ignore))
    assert [outcome.index for outcome in outcomes] == list(range(18))
    assert outcomes[-1] == Outcome(17, [], "raised", outcomes[-1].error)
    assert outcomes[-1].error == "ZeroDivisionError: integer division or modulo by zero"


@pytest.mark.parametrize("what", ["SystemExit(3)", "KeyboardInterrupt()", "GeneratorExit()", "BaseException('odd')"])
def test_any_exception_is_only_the_tasks(pool: Pool, what: str) -> None:
    """Not even SystemExit ends a worker."""
    before = pool.pids()
    outcomes = list(pool.run(Job(task(f"raise {what}")), iter(range(3)), ignore))
    assert [(outcome.index, outcome.kind) for outcome in outcomes] == [(0, "raised")]
    assert str(outcomes[0].error).startswith(what[:10])
    assert pool.pids() == before


def test_effects_that_cannot_be_sent_are_named(pool: Pool) -> None:
    """Iterations before the one with the unsendable effect are delivered."""
    body = "effects.append((0, open(os.devnull) if item == 5 else item))"
    outcomes = list(pool.run(Job(task(body, "import os")), iter(range(9)), ignore))
    assert [(o.index, o.kind) for o in outcomes] == [*((i, "finished") for i in range(5)), (5, "unsendable")]
    assert "open file" in str(outcomes[-1].error)


def test_items_that_cannot_be_sent_are_named(pool: Pool) -> None:
    """So are items, with all before them done."""
    with Path(os.devnull).open() as file:
        items = [0, 1, 2, file, 4]
        outcomes = list(pool.run(Job(task("effects.append((0, item))")), iter(items), ignore))
    assert [(o.index, o.kind) for o in outcomes] == [*((i, "finished") for i in range(3)), (3, "unsendable")]
    assert isinstance(outcomes[-1].error, CodecError)


def test_a_net_ends_the_job_at_the_first_iteration_of_the_batch(pool: Pool) -> None:
    """Nothing from a batch in which something was changed that must not be is delivered."""
    body = "effects.append((0, item)); os.environ['X'] = 'y' if item == 3 else 'z'"
    outcomes = list(pool.run(Job(task("import os\n" + body)), iter(range(9)), ignore))
    assert outcomes[-1].kind == "tripped"
    assert outcomes[-1].index == len(outcomes) - 1
    assert values(pool.run(Job(SQUARE), iter(range(50)), ignore)) == [i * i for i in range(50)]
    wait_for(lambda: pool.ready == 2)


def test_a_net_that_sees_a_change_afterwards(pool: Pool) -> None:
    """A shipped list that a task changes is found by comparing, and the whole batch is void."""
    job = Job(task("seen.append(item); effects.append((0, len(seen)))", "seen = []"))
    outcomes = list(pool.run(job, iter(range(9)), ignore))
    assert [(o.index, o.kind) for o in outcomes] == [(0, "tripped")]


@pytest.mark.parametrize("module", ["random", "torch"])
def test_a_draw_from_a_shared_generator_is_found(pool: Pool, module: str) -> None:
    """Whoever draws: a library does it where no text shows it. (torch is too large to be installed for this.)"""
    stand_in = """
        class State(bytes):
            def numpy(self): return self
            def tobytes(self): return bytes(self)
        torch = types.SimpleNamespace(drawn=0, get_rng_state=lambda: State([torch.drawn]))
        class Generator:
            def get_state(self): return State([0])
        torch.Generator = Generator
        sys.modules.setdefault("torch", torch)
    """
    draw = {"random": "random.random()", "torch": "sys.modules['torch'].drawn += item"}[module]
    outcomes = list(
        pool.run(Job(task(f"{textwrap.dedent(stand_in)}\n{draw}", "import random, sys, types")), iter([0, 1]), ignore)
    )
    assert outcomes[-1].kind == "tripped"
    assert f"draws from {module}" in str(outcomes[-1].error)


# ---------------------------------------------------------------- death

DEATHS = {
    "os.kill(os.getpid(), signal.SIGKILL)": (-9, "SIGKILL"),
    "os._exit(3)": (3, "exit code 3"),
    "ctypes.string_at(0)": (-11, "SIGSEGV"),
}


@pytest.mark.parametrize("how", DEATHS)
def test_one_dies_one_dies(pool: Pool, how: str) -> None:
    """A worker that dies costs one iteration, which is named; all others finish, and the pool heals."""
    exitcode, words = DEATHS[how]
    body = f"time.sleep(0.002)\nif item == 17: {how}\neffects.append((0, item))"
    told: list[events.Event] = []
    job = Job(task(body, "import os, signal, ctypes, time"), nets=False)
    outcomes = list(pool.run(job, iter(range(100)), told.append))
    assert [outcome.index for outcome in outcomes] == list(range(100))
    assert [outcome.index for outcome in outcomes if outcome.kind != "finished"] == [17]
    error = outcomes[17].error
    assert isinstance(error, WorkerDiedError)
    assert (error.iteration, error.exitcode) == (17, exitcode)
    assert error.peak_bytes is not None
    assert error.peak_bytes > 1_000_000
    assert "iteration 18" in str(error)
    assert words in str(error)
    (died,) = [event for event in told if isinstance(event, events.WorkerDied)]
    assert (died.iteration, died.exitcode) == (17, exitcode)
    wait_for(lambda: pool.ready == 2)
    assert values(pool.run(Job(SQUARE), iter(range(9)), ignore)) == [i * i for i in range(9)]


def test_death_is_seen_soon(pool: Pool) -> None:
    """Between the kill and the outcome pass a few hundredths of a second, whatever children the worker has."""
    body = "subprocess.Popen(['sleep', '3'], close_fds=False); time.sleep(5)"
    running = pool.run(Job(task(body, "import subprocess, time"), nets=False), iter(range(2)), ignore)
    victims: list[float] = []

    def kill() -> None:
        victims.append(time.perf_counter())
        os.kill(pool.pids()[0], signal.SIGKILL)

    timer = threading.Timer(0.3, kill)
    timer.start()
    outcome = next(running)
    seen = time.perf_counter()
    timer.join()
    running.close()
    assert outcome.kind == "died"
    assert seen - victims[0] < 0.3


def test_every_iteration_deadly(pool: Pool) -> None:
    """Even then every iteration has its outcome, and the pool works afterwards."""
    outcomes = list(pool.run(Job(task("os._exit(item)", "import os"), nets=False), iter(range(1, 9)), ignore))
    assert [o.kind for o in outcomes] == ["died"] * 8
    assert [o.error.exitcode for o in outcomes if isinstance(o.error, WorkerDiedError)] == list(range(1, 9))
    assert pool.map(abs, [-1]) == [1]


def test_idle_workers_that_are_killed_are_replaced(pool: Pool) -> None:
    """The pool heals while nobody uses it."""
    before = pool.pids()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: pool.ready == 2 and len(pool.pids()) == 2 and not set(before) & set(pool.pids()))
    assert pool.map(abs, [-1, -2]) == [1, 2]


# ---------------------------------------------------------------- stopping


@pytest.mark.parametrize("body", ["time.sleep(30)", "spin(30)"])
def test_close_interrupts(pool: Pool, body: str) -> None:
    """Closing takes at most 0.2 s, and tasks that can be interrupted leave their workers alive."""
    before = pool.pids()
    job = Job(task(f"time.sleep(0.01) if item < 3 else {body}\neffects.append((0, item))", SPIN))
    running = pool.run(job, iter(range(100)), ignore)
    assert next(running).index == 0
    time.sleep(0.2)
    began = time.perf_counter()
    finished = running.close()
    assert time.perf_counter() - began < 0.2
    assert [outcome.index for outcome in finished] == [1, 2]
    assert values(pool.run(Job(SQUARE), iter(range(9)), ignore)) == [i * i for i in range(9)]
    assert pool.pids() == before
    with pytest.raises(StopIteration):
        next(running)


def test_close_kills_what_ignores_it(pool: Pool) -> None:
    """A task that swallows KeyboardInterrupt costs its worker, and only that one."""
    before = pool.pids()
    body = """
        while item == 0:
            try:
                spin(30)
            except KeyboardInterrupt:
                pass
        spin(30)
    """
    running = pool.run(Job(task(body, SPIN)), iter(range(2)), ignore)
    timer = threading.Timer(0.3, lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        next(running)
    began = time.perf_counter()
    running.close()
    assert time.perf_counter() - began < 0.2
    assert values(pool.run(Job(SQUARE), iter(range(9)), ignore)) == [i * i for i in range(9)]
    wait_for(lambda: pool.ready == 2)
    assert len(set(before) & set(pool.pids())) == 1


def test_a_listener_may_raise(pool: Pool) -> None:
    """What `tell` raises ends the wait, and the job can be closed."""

    def tell(event: events.Event) -> None:
        if isinstance(event, events.Ticked):
            raise KeyboardInterrupt

    running = pool.run(Job(task("time.sleep(30)", "import time")), iter(range(9)), tell)
    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        next(running)
    running.close()
    assert time.perf_counter() - began < 0.5
    assert pool.map(abs, [-1]) == [1]


def test_close_gives_back_what_was_finished(pool: Pool) -> None:
    """Iterations that finished beyond the one that is awaited are not lost."""
    raised: list[bool] = []

    def tick(_event: events.Event) -> None:
        if not raised and time.perf_counter() - began > 0.5:
            raised.append(True)
            raise KeyboardInterrupt

    began = time.perf_counter()
    job = Job(task("time.sleep(30 if item == 0 else 0.03)\neffects.append((0, item))", "import time"))
    running = pool.run(job, iter(range(500)), tick)
    with pytest.raises(KeyboardInterrupt):
        next(running)
    finished = running.close()
    assert len(finished) >= 5
    assert [outcome.effects[0][1] for outcome in finished] == [outcome.index for outcome in finished]
    assert 0 not in [outcome.index for outcome in finished]


def test_a_job_that_is_dropped_stops(pool: Pool) -> None:
    """Nobody has to call close(): a job that nobody refers to is cancelled."""
    job = Job(task("time.sleep(30) if item else effects.append((0, 1))", "import time"))
    running = pool.run(job, iter(range(9)), ignore)
    next(running)
    del running
    began = time.perf_counter()
    assert pool.map(abs, [-1, -2, -3]) == [1, 2, 3]
    assert time.perf_counter() - began < 2.0


def test_two_jobs_at_once(pool: Pool) -> None:
    """Jobs may be under way side by side."""
    one = pool.run(Job(SQUARE), iter(range(300)), ignore)
    two = pool.run(Job(task("effects.append((0, -item))")), iter(range(300)), ignore)
    for number in range(300):
        assert next(one).effects == [(0, number * number)]
        assert next(two).effects == [(0, -number)]


def test_jobs_in_threads(pool: Pool) -> None:
    """So may they in several threads."""
    results: dict[int, list[Any]] = {}

    def work(name: int) -> None:
        results[name] = values(pool.run(Job(SQUARE, first=name), iter(range(200)), ignore))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == {name: [i * i for i in range(200)] for name in range(5)}


# ---------------------------------------------------------------- size


def test_resize(pool: Pool) -> None:
    """Workers come and go while a job runs, and none of it is lost."""
    slow = Job(task("time.sleep(0.003); effects.append((0, item))", "import time"))
    found = []
    for outcome in pool.run(slow, iter(range(300)), ignore):
        found.append(outcome.effects[0][1])
        if outcome.index in (20, 100, 200):
            pool.resize({20: 4, 100: 1, 200: 3}[outcome.index])
    assert found == list(range(300))
    assert pool.workers == 3
    wait_for(lambda: pool.ready == 3 and len(pool.pids()) == 3)


def test_a_job_that_wants_more_workers_gets_them(pool: Pool) -> None:
    """`workers` above the pool's size makes it grow."""
    pids = task("time.sleep(0.01); effects.append((0, os.getpid()))", "import os, time")
    assert len(set(values(pool.run(Job(pids), iter(range(60)), ignore, workers=3)))) == 3
    assert pool.workers == 3


def test_restart_and_shutdown() -> None:
    """A restarted pool has other processes; one that is shut down has none, and says so."""
    pool = Pool(2)
    assert pool.map(abs, [-1]) == [1]
    wait_for(lambda: pool.ready == 2)
    before = pool.pids()
    pool.restart()
    wait_for(lambda: pool.ready == 2)
    after = pool.pids()
    assert not set(before) & set(after)
    assert not any(psutil.pid_exists(pid) for pid in before)
    assert pool.map(abs, [-1]) == [1]
    pool.shutdown()
    assert not any(psutil.pid_exists(pid) for pid in after)
    assert pool.pids() == []
    assert pool.ready == 0
    with pytest.raises(PoolClosedError):
        pool.map(abs, [-1])
    pool.shutdown()
    pool.restart()
    assert pool.map(abs, [-1]) == [1]
    pool.shutdown()


def test_shutdown_under_a_running_job() -> None:
    """Who waits for a job is told."""
    pool = Pool(1)
    running = pool.run(Job(task("time.sleep(30)", "import time")), iter(range(3)), ignore)
    threading.Timer(0.3, pool.shutdown).start()
    with pytest.raises(MpnbError, match="shut down"):
        next(running)
    assert running.close() == []


# ---------------------------------------------------------------- map


def test_map_is_like_map(pool: Pool) -> None:
    """Functions of the notebook with all they refer to; library functions; methods; partials."""
    names = cell("""
        import functools
        base = 10
        def add(x): return x + base
        def twice(x): return 2 * add(x)
        class Thing:
            def __init__(self, k): self.k = k
            def times(self, x): return self.k * x
        thing = Thing(3).times
        part = functools.partial(pow, 2)
        lam = lambda x: twice(x) - 1
    """)
    items = list(range(20))
    for function in (names["add"], names["twice"], names["thing"], names["part"], names["lam"], abs, str):
        assert pool.map(function, items) == list(map(function, items))


def test_map_is_never_stale(pool: Pool) -> None:
    """The next call uses the present names."""
    names = cell("def f(x): return x + k\nk = 1")
    assert pool.map(names["f"], [1, 2]) == [2, 3]
    names["k"] = 100
    assert pool.map(names["f"], [1, 2]) == [101, 102]


def test_map_raises_the_users_exception(pool: Pool) -> None:
    """As itself, at its place, with a note that says which task; results before it are yielded."""
    names = cell("def f(x):\n    if x == 16: raise LookupError('sixteen', 16)\n    return x")
    with pytest.raises(LookupError) as info:
        pool.map(names["f"], range(200))
    assert info.value.args == ("sixteen", 16)
    assert "in task 17 of 200" in info.value.__notes__
    assert "in f" in str(info.value.__cause__)
    got = []
    with pytest.raises(LookupError):
        got.extend(pool.imap(names["f"], iter(range(200))))
    assert got == list(range(16))


def test_map_raises_what_cannot_travel_in_words(pool: Pool) -> None:
    """An exception that does not survive pickling is an MpnbError with its text."""
    names = cell("""
        import threading
        class Bad(Exception):
            def __str__(self): return "wrong"
        def f(x): raise Bad(threading.Lock())
    """)
    with pytest.raises(MpnbError, match=r"Bad: wrong"):
        pool.map(names["f"], [1])


def test_map_says_which_worker_died(pool: Pool) -> None:
    """A death is raised with the task's number."""
    names = cell("import os\ndef f(x):\n    if x == 3: os._exit(7)\n    return x")
    with pytest.raises(WorkerDiedError, match="exit code 7") as info:
        pool.map(names["f"], range(9))
    assert info.value.__notes__ == ["in task 4 of 9"]


def test_map_replays_prints(pool: Pool, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints appear in order, where the caller's prints appear."""
    names = cell("import sys\ndef f(x):\n    print('task', x)\n    print('err', x, file=sys.stderr)")
    pool.map(names["f"], range(50))
    out, err = capsys.readouterr()
    assert out == "".join(f"task {i}\n" for i in range(50))
    assert err == "".join(f"err {i}\n" for i in range(50))


def test_map_may_do_as_it_likes(pool: Pool, tmp_path: Path) -> None:
    """No net stops a function given to map: it may write files, draw random numbers, change globals."""
    names = cell("import random\ndef f(path):\n    open(path, 'w').write('x')\n    return random.random()")
    drawn = pool.map(names["f"], [str(tmp_path / str(i)) for i in range(6)])
    assert len(set(drawn)) == 6
    assert len(list(tmp_path.iterdir())) == 6


def test_numpy_draws_differ_between_workers() -> None:
    """Workers forked from one template do not share one stream of numbers."""
    numpy = pytest.importorskip("numpy")
    assert numpy
    names = cell("""
        import numpy as np, time, os
        def f(x):
            time.sleep(0.02)
            return os.getpid(), np.random.rand()
    """)
    pool = Pool(2)
    pool.preload(["numpy"])
    with pool:
        wait_for(lambda: pool.ready == 2)
        drawn = pool.map(names["f"], range(8))
    assert len({pid for pid, _ in drawn}) == 2
    assert len({value for _, value in drawn}) == 8


def test_nested_use_runs_serially(pool: Pool) -> None:
    """A pool used inside a worker starts no processes."""
    names = cell("""
        import os
        def inner(x): return x + 1, os.getpid()
        def f(x):
            from mpnb.pool import Pool
            found = Pool(4).map(inner, range(x))
            assert {pid for _, pid in found} <= {os.getpid()}
            return [value for value, _ in found]
    """)
    assert pool.map(names["f"], range(4)) == [[], [1], [1, 2], [1, 2, 3]]


def test_big_arrays_go_and_come(pool: Pool) -> None:
    """Megabytes in items and results, also where they are many times a socket's buffer."""
    numpy = pytest.importorskip("numpy")
    names = cell("def f(a): return a * 2")
    arrays = [numpy.full(300_000, i, dtype=float) for i in range(20)]
    for got, array in zip(pool.map(names["f"], arrays), arrays, strict=True):
        assert (got == array * 2).all()
    texts = ["x" * 3_000_000, "y" * 10]
    assert pool.map(str.upper, texts) == [text.upper() for text in texts]


# ---------------------------------------------------------------- nobody else gets in, nothing stays behind


def descriptors(pid: int) -> dict[int, str]:
    """What each descriptor of a process is."""
    found = {}
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            found[int(entry.name)] = os.readlink(entry.path)
        except FileNotFoundError:
            continue
    return found


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@linux
def test_workers_inherit_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker has its own socket and its page, and none of the notebook's descriptors; nobody listens."""
    monkeypatch.setenv("PYTHONNODEBUGRANGES", "1")  # so that it is forked from a template of its own
    with socket.create_server(("127.0.0.1", 0)) as server, Path(__file__).open() as file:
        os.set_inheritable(server.fileno(), True)
        os.set_inheritable(file.fileno(), True)
        me = psutil.Process()
        others = {process.pid for process in me.children(recursive=True)}
        with Pool(2) as pool:
            wait_for(lambda: pool.ready == 2)
            pool.map(abs, range(10))
            family = [process for process in me.children(recursive=True) if process.pid not in others]
            assert len(family) == 3
            for process in family:
                assert process.net_connections("inet") == []
                opened = descriptors(process.pid)
                assert [opened.pop(fd) for fd in (0, 1, 2)] == ["/dev/null"] * 3
                kinds = sorted(link.split(":")[0] for link in opened.values())
                # its end of the lifeline; a worker has its page, too, and the template the first end of the pipe
                assert kinds in (["/memfd", "pipe", "socket"], ["pipe", "socket"], ["pipe", "pipe", *["socket"] * 4])
                assert os.getsid(process.pid) != os.getsid(0)
            unix = [c for p in (me, *family) for c in p.net_connections("unix")]
            assert all(not c.laddr and not c.raddr for c in unix), "only nameless socket pairs"
            mine = {c.laddr for c in me.net_connections("inet")}
            assert mine == {server.getsockname()}


@linux
def test_each_worker_is_its_own_session(pool: Pool) -> None:
    """A signal to the notebook's process group does not reach a worker."""
    for pid in pool.pids():
        assert os.getsid(pid) == pid == os.getpgid(pid)


@linux
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library has no such setting")
def test_a_worker_keeps_the_memory_of_temporary_arrays(pool: Pool) -> None:
    """An iteration that makes arrays of some megabytes does not pay for each of their pages anew."""
    faults = pool.map(
        cell(
            """
            import numpy, resource
            def faults(k):
                before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
                numpy.ones(300_000) + k + 1
                return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
            """
        )["faults"],
        range(40),
    )

    assert sorted(faults)[20] < 100  # of 4 kB pages; the arrays together have 1,700


def test_many_jobs_leave_nothing(pool: Pool) -> None:
    """Two thousand jobs: no descriptor, no thread and next to no memory more than before."""
    names = cell("k = 0\ndef f(x): return x + k")

    def once(number: int) -> None:
        names["k"] = number
        assert pool.map(names["f"], [1]) == [1 + number]

    for number in range(200):
        once(number)
    gc.collect()  # what earlier tests have left may hold descriptors
    everyone = [os.getpid(), *pool.pids()]
    fds = [len(descriptors(pid)) for pid in everyone]
    memory = [psutil.Process(pid).memory_info().rss for pid in everyone]
    threads = threading.active_count()
    for number in range(2000):
        once(number)
    assert [os.getpid(), *pool.pids()] == everyone
    assert [len(descriptors(pid)) for pid in everyone] == fds
    assert threading.active_count() == threads
    for before, pid in zip(memory, everyone, strict=True):
        assert psutil.Process(pid).memory_info().rss - before < 4_000_000


KERNEL = """
    import os, sys, time
    sys.path.insert(0, {home!r})
    from mpnb.pool import Pool
    from mpnb.engine import Job
    def task(item, effects):
        {body}
    pool = Pool(2)
    pool.start()
    while pool.ready < 2:
        time.sleep(0.005)
    running = pool.run(Job(task, nets=False), iter(range(8)), lambda event: None)
    import threading
    threading.Thread(target=lambda: next(running, None), daemon=True).start()
    time.sleep(0.3)
    print(*pool.pids(), pool._hands.templates.current.process.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    "body",
    ["pass", "import time; time.sleep(60)", "while True: pass", "sum(range(10**12))",
     "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"],
    ids=["idle", "sleeping", "busy", "in C", "deaf"],
)  # fmt: skip
def test_no_process_outlives_the_kernel(body: str, tmp_path: Path) -> None:
    """After SIGKILL of the notebook's process its workers and template are gone within two seconds."""
    script = tmp_path / "kernel.py"
    script.write_text(textwrap.dedent(KERNEL.format(home=HOME, body=body)))
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as kernel:
        assert kernel.stdout is not None
        pids = [int(word) for word in kernel.stdout.readline().split()]
        assert len(pids) == 3
        assert all(psutil.pid_exists(pid) for pid in pids)
        kernel.kill()
    wait_for(lambda: not any(alive(pid) for pid in pids), 2.0)


def alive(pid: int) -> bool:
    """Whether a process still runs; a zombie that nobody has waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


ENDINGS = {
    "without a word": "pool = Pool(2); pool.map(abs, [1])",
    "while it starts": "pool = Pool(2); pool.start()",
    "with a job half done": "pool = Pool(2); it = pool.imap(abs, range(100)); next(it)",
    "with a worker lent": """pool = Pool(2)
def f(x): return x
assert [pool.apply(f, (x,)) for x in range(3)] == [0, 1, 2]""",
    "by sys.exit": "pool = Pool(2); pool.map(abs, [1]); sys.exit(0)",
    "forked": """pool = Pool(2); assert pool.map(abs, [-1]) == [1]
pid = os.fork()
if pid == 0:
    assert pool.pids() == []
    assert pool.map(abs, [-2]) == [2]
    assert pool.pids() != []
    pool.shutdown()
    os._exit(5)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
before = pool.pids()
assert pool.map(abs, [-3]) == [3]
assert pool.pids() == before""",
    "forked, and the child leaves": """pool = Pool(2); assert pool.map(abs, [-1]) == [1]
pid = os.fork()
if pid == 0:
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert pool.map(abs, [-3]) == [3]""",
    "collected": """import gc, psutil
pool = Pool(2); pool.map(abs, [1]); pids = pool.pids()
del pool; gc.collect()
assert not any(psutil.pid_exists(pid) for pid in pids)""",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_kernel_ends_well(ending: str) -> None:
    """A notebook's process that ends, or forks, prints no warning, leaves nothing, and is not held up."""
    filters = ["-W", "error"]
    if ending.startswith("forked"):
        filters += ["-W", "ignore:This process:DeprecationWarning"]  # the test's own os.fork()
    code = f"import os, sys\nsys.path.insert(0, {HOME!r})\nfrom mpnb.pool import Pool\n{ENDINGS[ending]}\n"
    before = {process.pid for process in psutil.process_iter()}
    command = [sys.executable, *filters, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    new = [process for process in psutil.process_iter(["cmdline"]) if process.pid not in before]
    assert [process for process in new if HOME in str(process.info["cmdline"])] == []


def test_fresh_interpreters_where_the_template_cannot_fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A template with a second thread forks nobody: workers are interpreters of their own, and all else is the same."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, threading\n"
        "if 'template' in sys.orig_argv:\n"
        "    threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Pool(2) as pool:
        wait_for(lambda: pool.ready == 2)
        pool.resize(3)
        wait_for(lambda: pool.ready == 3)
        names = cell("import os\ndef f(x):\n    if x == 5: os._exit(9)\n    return x, os.getppid()")
        assert {parent for _, parent in pool.map(names["f"], range(3))} == {os.getpid()}
        with pytest.raises(WorkerDiedError, match="exit code 9"):
            pool.map(names["f"], range(9))
        assert pool.map(abs, [-1]) == [1]
        assert psutil.Process(pool.pids()[-1]).ppid() == os.getpid()
