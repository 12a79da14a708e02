"""What every engine promises, with the serial cell as the oracle."""

from __future__ import annotations

import ast
import contextlib
import io
import itertools
import linecache
import os
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests are files, not a package

from kinds import KINDS, Kind, wait_for

from mpnb import plan
from mpnb.engine import Engine, Job
from mpnb.errors import WorkerDiedError
from mpnb.record import Record
from mpnb.session import Options, Session

AT_ONCE = Options(probe=False)
FILENAME = "<cell of the contract>"


@dataclass
class Ending:
    """How a cell ended."""

    names: dict[str, Any]
    printed: str = ""
    error: BaseException | None = None
    record: Record = field(default_factory=lambda: Record([], workers=1))

    @property
    def told(self) -> tuple[Any, ...]:
        """The error in words: its class, its text, and the line of the cell that it was raised in."""
        if self.error is None:
            return ()
        lines = []
        trace = self.error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == FILENAME:
                lines.append(trace.tb_lineno)
            trace = trace.tb_next
        return type(self.error).__name__, str(self.error), lines


def names_of(setup: str) -> dict[str, Any]:
    """The names of a notebook whose first cell this was."""
    names: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
    run_before(setup, names)
    return names


def run_before(source: str, names: dict[str, Any]) -> None:
    """Run an earlier cell, whose source can be looked up."""
    filename = f"<cell {next(_cells)} before the contract's>"
    exec(compile(remember(source, filename), filename, "exec"), names)


def remember(source: str, filename: str) -> str:
    """Keep a cell's source where tracebacks and the plan look for it, as IPython does."""
    source = textwrap.dedent(source)
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    return source


_cells = itertools.count(1)


def run_serially(cell: str, names: dict[str, Any]) -> Ending:
    """The oracle."""
    ending, out = Ending(names), io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(remember(cell, FILENAME), FILENAME, "exec"), names)
    except BaseException as error:
        ending.error = error
    ending.printed = out.getvalue()
    return ending


def run_on(
    engine: Engine, cell: str, names: dict[str, Any], options: Options = AT_ONCE, listeners: tuple[Any, ...] = ()
) -> Ending:
    """Run a cell as `%%parallel` does, on an engine."""
    source = remember(cell, FILENAME)
    planned = plan.read_cell(ast.parse(source))
    run = Session(engine).begin(planned, names, options, listeners)
    names[plan.RUN] = run
    ending, out, status = Ending(names), io.StringIO(), "failed"
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(ast.fix_missing_locations(planned.tree), FILENAME, "exec"), names)
        status = "finished"
    except KeyboardInterrupt as error:
        ending.error, status = error, "stopped"
    except BaseException as error:
        ending.error = error
    finally:
        ending.record = run.end(status)
    ending.printed = out.getvalue()
    return ending


def plain(names: dict[str, Any]) -> dict[str, Any]:
    """The data among the names, in a form that compares by content and type."""

    def shown(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.dtype.str, value.shape, value.tobytes()
        if isinstance(value, (list, tuple)):
            return type(value).__name__, [shown(each) for each in value]
        if isinstance(value, dict):
            return [(key, shown(each)) for key, each in value.items()]
        if type(value).__module__ == "__main__" and hasattr(value, "__dict__"):
            return type(value).__name__, shown(vars(value))
        return type(value).__name__, repr(value)

    hidden = {name for name in names if name.startswith("_")}
    return {
        name: shown(value)
        for name, value in names.items()
        if name not in hidden and not callable(value) and type(value).__name__ != "module"
    }


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    """No test waits for ever."""

    def on_alarm(_number: int, _frame: Any) -> None:
        pytest.fail("the test takes longer than 60 s")

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """A kind of engine, where what it needs is installed."""
    found: Kind = request.param
    if found.needs:
        pytest.importorskip(found.needs, reason=f"{found.needs} is not installed")
    return found


@pytest.fixture(scope="module")
def engine(kind: Kind) -> Iterator[Engine]:
    """One engine for all tests of a kind: each finds it as the one before left it."""
    with kind.make() as made:
        yield made


SETUP = """
    import dataclasses, math
    import numpy as np

    @dataclasses.dataclass
    class Point:
        x: float
        y: float
        def away(self, k):
            return Point(self.x + k, math.sqrt(self.y * k))

    scale = 3
    table = {"a": [1, 2], "b": [3]}
    points = [Point(k, k + 0.5) for k in range(12)]
    big = np.arange(1_000_000, dtype=float).reshape(1000, 1000)

    def times(k):
        return k * scale + len(table["a"])

    def even(k):
        return k == 0 or odd(k - 1)

    def odd(k):
        return k != 0 and even(k - 1)
"""

# name: cell, and whether all of it runs on the engine
CELLS = {
    "list": ("r = [times(k) for k in range(40)]", True),
    "dict and set": ("r = {k: times(k) for k in range(20)}\ns = {times(k) % 7 for k in range(20)}", True),
    "generator": ("r = sum(times(k) for k in range(50) if even(k))", True),
    "map": ("r = list(map(times, range(30)))", True),
    "instances": ("r = [p.away(2) for p in points]", True),
    "identity": ("r = [p for p in points if p.x > 3]\nsame = all(a is b for a, b in zip(r, points[4:]))", True),
    "effects in order": (
        """
        seen, total, by = [], 0.0, {}
        for k in range(30):
            y = times(k) / 7
            seen.append(y)
            total += y * 0.1
            by[k % 5] = y
            if k % 10 == 3:
                print("at", k, y)
        """,
        True,
    ),
    "break and else": (
        """
        out = []
        for k in range(1000):
            out.append(times(k))
            if out and k == 17:
                break
        else:
            out.append(-1)
        """,
        False,
    ),
    "temporaries": ("for k in range(9):\n    a = times(k)\n    b = [a, k]\nlast = (k, a, b)", True),
    "a big array": ("rows = [big[k].sum() for k in range(40)]\nviews = [big[k, :3] * 2 for k in range(5)]", True),
    "big results": ("r = [big[: 100 + k] * 2 for k in range(4)]", True),
    "nothing": ("r = [times(k) for k in []]", False),
    "prints of all sorts": (
        """
        import sys
        for k in range(6):
            print(k, end=" ")
            sys.stdout.write(f"<{k}>")
            print("ä" * k, sep="", flush=True)
        """,
        True,
    ),
    "a traceback's own lines": (
        """
        import traceback
        errors = []
        for k in range(6):
            try:
                r = 6 // (k - 3)
            except ZeroDivisionError:
                errors.append(traceback.format_exc())
        """,
        True,
    ),
    "numpy errors and decimals": (
        """
        import decimal
        decimal.getcontext().prec = 7
        old = np.seterr(all="raise")
        r = [str(decimal.Decimal(1) / (k + 3)) for k in range(8)]
        n = np.seterr(**old)
        decimal.getcontext().prec = 28
        """,
        True,
    ),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_ends_as_without_the_engine(engine: Engine, name: str) -> None:
    """Names, values, types, prints: as the serial cell leaves them."""
    cell, whole = CELLS[name]
    serial = run_serially(cell, names_of(SETUP))

    parallel = run_on(engine, cell, names_of(SETUP))

    assert parallel.error is None
    assert plain(parallel.names) == plain(serial.names)
    assert parallel.printed == serial.printed
    if whole:
        assert all(site.parallel and not site.reason for site in parallel.record.sites), parallel.record.sites


@pytest.mark.parametrize("at", [0, 7, 29])
def test_an_exception_is_the_serial_one_with_its_line_and_its_item(engine: Engine, at: int) -> None:
    """What came before it has taken place, nothing after it has, and a note says which iteration it was."""
    cell = f"""
        out = []
        for k in range(30):
            print(k)
            out.append(times(k))
            if k >= {at}:
                raise ValueError(f"no {{k}}")
        """
    serial = run_serially(cell, names_of(SETUP))

    parallel = run_on(engine, cell, names_of(SETUP))

    assert parallel.told == serial.told
    assert parallel.error is not None
    assert parallel.error.__notes__ == [f"in iteration {at + 1} of 30, item {at}"]
    assert plain(parallel.names) == plain(serial.names)
    assert parallel.printed == serial.printed


def test_it_is_never_stale(engine: Engine) -> None:
    """A redefined function, a rebound global, an array changed in place: the next run uses them."""
    names = names_of(SETUP)
    cell = "r = [times(k) + big[k, 0] for k in range(8)]"
    changes = [
        "scale = 5",
        "def times(k):\n    return -k",
        "big[3, 0] = -1e9",
        "def helper(k):\n    return k + 100\ndef times(k):\n    return helper(k)",
        "def helper(k):\n    return k + 200",
        "table['a'].append(9)\ndef times(k):\n    return len(table['a'])",
        "table['a'].append(9)",
    ]
    for change in changes:
        run_before(change, names)
        ending = run_on(engine, cell, names)
        assert ending.error is None
        assert ending.record.sites[0].parallel
        assert names["r"] == [names["times"](k) + names["big"][k, 0] for k in range(8)]


def test_items_are_pulled_only_as_they_are_needed(engine: Engine) -> None:
    """Of a million items a caller that stops early has had few pulled, and none twice; what it has is in order."""
    names = names_of(
        "import time\ndef task(item, effects):\n    time.sleep(0.001)\n    effects.append((0, item * 3))\n"
    )
    pulled: list[int] = []

    def source() -> Iterator[int]:
        for k in range(1_000_000):
            pulled.append(k)
            yield k

    running = engine.run(Job(names["task"]), source(), lambda _event: None)
    assert [next(running).effects for _ in range(100)] == [[(0, k * 3)] for k in range(100)]
    first = len(pulled)
    time.sleep(0.3)  # a caller that stands still
    assert len(pulled) == first
    running.close()
    assert pulled == list(range(len(pulled)))
    assert len(pulled) < 2_000


def test_streams_are_those_of_the_kernel(engine: Engine) -> None:
    """Under --seed the numbers hang on seed and iteration alone, wherever it runs, and the generators are as before."""
    setup = "import random\nimport numpy as np\nrng = np.random.default_rng(1)\nrandom.seed(3); np.random.seed(3)\n"
    cell = "r = [(random.random(), np.random.rand(2), rng.normal()) for k in range(24)]"
    here = run_on(engine, cell, names_of(setup), Options(seed=7))  # too short for anything but the kernel
    assert not here.record.sites[0].parallel
    after = here.names["np"].random.rand(), here.names["rng"].normal()  # `random` is drawn from by dask's own threads
    for chunk in (None, 5):
        there = run_on(engine, cell, names_of(setup), Options(seed=7, probe=False, chunk=chunk))
        assert there.record.sites[0].parallel
        assert plain({"r": there.names["r"]}) == plain({"r": here.names["r"]})
        assert (there.names["np"].random.rand(), there.names["rng"].normal()) == after


DEATH = """
    import faulthandler, os
    home = os.getpid()
    def die():
        if os.getpid() != home:
            faulthandler._sigsegv()
"""


@pytest.mark.parametrize("at", [0, 5, 19])
def test_a_crash_costs_one_iteration_and_the_next_cell_works(engine: Engine, at: int) -> None:
    """The error says which iteration it was, what came before has taken place, and the engine heals."""
    cell = f"""
        out = []
        for k in range(20):
            if k == {at}:
                die()
            out.append(times(k))
        """
    names = names_of(SETUP + DEATH)

    ending = run_on(engine, cell, names, Options(probe=False, trust=frozenset({"die"})))

    assert isinstance(ending.error, WorkerDiedError), (ending.error, ending.record.sites)
    assert ending.error.iteration == at
    assert f"iteration {at + 1} of 20, item {at}" in str(ending.error)
    assert "SIGSEGV" in str(ending.error)
    assert names["out"] == [3 * k + 2 for k in range(at)]
    after = run_on(engine, "r = [times(k) for k in range(20)]", names)
    assert after.error is None
    assert names["r"] == [3 * k + 2 for k in range(20)]
    assert after.record.sites[0].parallel


def test_an_interrupt_ends_the_cell_between_two_iterations(engine: Engine, kind: Kind) -> None:
    """The cell ends at once, with serial state, and the next one does not wait for what was running."""
    cell = """
        out, also = [], []
        for k in range(40):
            time.sleep(0.01 if k < 6 else 3)
            out.append(k)
            also.append(k)
        """
    names = names_of(SETUP + "    import time\n")
    sent: list[float] = []

    def interrupt() -> None:
        wait_for(lambda: len(names.get("out", ())) >= 6, 20)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    ending = run_on(engine, cell, names)
    ended = time.perf_counter()
    thread.join()
    signal.signal(signal.SIGINT, before)

    assert isinstance(ending.error, KeyboardInterrupt)
    assert ended - sent[0] < 1.0
    assert names["out"] == names["also"] == list(range(len(names["out"])))
    assert len(names["out"]) >= 6
    began = time.perf_counter()
    after = run_on(engine, "r = [times(k) for k in range(20)]", names)
    assert after.error is None
    assert names["r"] == [3 * k + 2 for k in range(20)]
    if kind.stops:
        assert time.perf_counter() - began < 2.5


def test_what_the_record_tells_adds_up(engine: Engine) -> None:
    """Every iteration is told of once, by a worker that was said to take work, in times of this machine's clock."""
    told: list[Any] = []
    began = time.perf_counter()

    ending = run_on(engine, "r = [math.sqrt(k) for k in range(60)]", names_of(SETUP), listeners=(told.append,))

    assert ending.error is None
    batches = [event for event in told if type(event).__name__ == "BatchFinished"]
    ready = {event.worker for event in told if type(event).__name__ == "WorkerReady"}
    iterations = sorted(k for each in batches for k in range(each.first, each.first + each.count))
    assert iterations == list(range(60))
    assert {each.worker for each in batches} <= ready
    for each in batches:
        assert list(each.times) == sorted(each.times)
        assert len(each.times) == 2 * each.count
        assert all(began - 0.05 <= at <= time.perf_counter() + 0.05 for at in each.times)


def test_it_says_how_many_workers_it_has(engine: Engine) -> None:
    """The session decides by that."""
    assert engine.workers == 2
    wait_for(lambda: engine.ready == 2, 20)
    assert engine.threads >= 1
    assert engine.import_s(["math"]) >= 0.0
