"""The session: a planned cell's three phases, driven with a scripted engine and no process."""

from __future__ import annotations

import ast
import os
import signal
import textwrap
import threading
import time
from fractions import Fraction
from typing import Any

import pytest
from scripted_engine import ScriptedEngine

from mpnb import plan, session
from mpnb.engine import Job, Outcome
from mpnb.errors import CodecError, RefusedError, WorkerDiedError
from mpnb.events import Event, JobEnded, Ticked
from mpnb.record import Record
from mpnb.session import Options, Session

AT_ONCE = Options(probe=False)


def run_cell(
    source: str,
    namespace: dict[str, Any] | None = None,
    engine: ScriptedEngine | None = None,
    options: Options = AT_ONCE,
    listeners: tuple[Any, ...] = (),
) -> tuple[dict[str, Any], Record]:
    """Plan and run a cell; its names afterwards and its record. What it raises is left in the record's status."""
    names = {"__builtins__": __builtins__, **(namespace or {})}
    cell = plan.read_cell(ast.parse(textwrap.dedent(source)))
    run = Session(engine or ScriptedEngine()).begin(cell, names, options, listeners)
    names[plan.RUN] = run
    status = "failed"
    try:
        exec(compile(ast.fix_missing_locations(cell.tree), "<cell>", "exec"), names)
        status = "finished"
    except KeyboardInterrupt:
        status = "stopped"
        raise
    finally:
        record = run.end(status)
        run_cell.record = record  # type: ignore[attr-defined]
    return names, record


def dead(job: Job) -> Outcome:
    """Iteration 5 takes its worker with it."""
    return Outcome(5, [], "died", WorkerDiedError("worker 1 was killed under iteration 6", iteration=5, exitcode=-9))


@pytest.mark.parametrize("kind", ["raised", "tripped", "unsendable"])
def test_an_iteration_that_a_worker_cannot_do_runs_in_the_kernel_and_so_do_those_after_it(kind: str) -> None:
    """Nothing is lost and nothing done twice when the pool gives up in the middle."""
    engine = ScriptedEngine({4: lambda _: Outcome(4, [], kind, "why")})

    names, record = run_cell("out = []\nfor i in range(9):\n    y = i * i\n    out.append(y)\n", engine=engine)

    assert names["out"] == [i * i for i in range(9)]
    assert (names["i"], names["y"]) == (8, 64)
    assert record.sites[0].parallel
    assert engine.closed == 1


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("r = [i * 2 for i in range(9)]", [i * 2 for i in range(9)]),
        ("r = {i % 4 for i in range(9)}", {0, 1, 2, 3}),
        ("r = {i: -i for i in range(9)}", {i: -i for i in range(9)}),
        ("r = sum(i for i in range(9) if i % 2)", 16),
        ("r = list(map(str, range(9)))", [str(i) for i in range(9)]),
        ("r = [(i, j) for i in range(3) for j in range(i)]", [(1, 0), (2, 0), (2, 1)]),
        ("r = sorted((-i for i in range(4)), reverse=True)", [0, -1, -2, -3]),
    ],
)
@pytest.mark.parametrize("cut", [None, 0, 2])
def test_comprehensions_give_the_plain_value_wherever_the_pool_gives_up(
    cell: str, expected: object, cut: int | None
) -> None:
    """Head, pool and rest of a comprehension join without a seam."""
    engine = ScriptedEngine({} if cut is None else {cut: lambda _: Outcome(cut or 0, [], "tripped", "why")})

    names, record = run_cell(cell, engine=engine)

    assert names["r"] == expected
    assert record.sites[0].parallel is (cut != 0)


def test_the_users_exception_is_raised_for_real_and_names_its_iteration() -> None:
    """An error in a worker is raised by the kernel's own run of that iteration, with the state of a serial loop."""
    names: dict[str, Any] = {"out": []}

    with pytest.raises(ZeroDivisionError) as caught:
        run_cell("for i in [3, 2, 1, 0, 5]:\n    y = 6 // i\n    out.append(y)\n", names)

    assert names["out"] == [2, 3, 6]
    assert caught.value.__notes__ == ["in iteration 4 of 5, item 0"]
    assert caught.traceback[-1].lineno == 1  # the second line of the cell


def test_a_dead_worker_ends_the_loop_and_keeps_what_had_finished() -> None:
    """The error names the iteration, and `finished` has the others."""
    with pytest.raises(WorkerDiedError, match="iteration 6"):
        run_cell("r = [i * 10 for i in range(9)]", engine=ScriptedEngine({5: dead}))

    record: Record = run_cell.record  # type: ignore[attr-defined]
    assert record.finished == {i: i * 10 for i in range(5)}


def test_an_interrupt_leaves_the_state_between_two_iterations() -> None:
    """A signal while the pool works ends the loop at an iteration's border, as KeyboardInterrupt."""
    names: dict[str, Any] = {"out": [], "also": []}

    def interrupt(job: Job) -> Outcome:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        return Outcome(3, [(0, 3), (1, 3)])

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_cell("for i in range(9):\n    out.append(i)\n    also.append(i)\n", names, ScriptedEngine({3: interrupt}))

    assert names["out"] == names["also"] == [0, 1, 2, 3]
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_that_comes_when_the_pool_is_through_is_not_lost() -> None:
    """It ends the loop, which has done all its iterations, before its `else`."""
    names: dict[str, Any] = {"out": []}

    def interrupt(event: Event) -> None:
        if isinstance(event, JobEnded):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_cell("for i in range(4):\n    out.append(i)\nelse:\n    out.append('all')\n", names, listeners=(interrupt,))

    assert names["out"] == [0, 1, 2, 3]
    assert run_cell.record.status == "stopped"  # type: ignore[attr-defined]


def test_an_interrupt_while_a_broken_loop_is_called_off_is_not_lost() -> None:
    """It ends the loop before what stands behind the `break`; the iteration that broke has taken place."""
    names: dict[str, Any] = {"out": []}

    def interrupt(event: Event) -> None:
        if isinstance(event, JobEnded):
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_cell(
            "for i in range(9):\n    out.append(i)\n    if i == 4:\n        break\nout.append('behind')\n",
            names,
            listeners=(interrupt,),
        )

    assert names["out"] == [0, 1, 2, 3, 4]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_interrupts_are_the_notebooks_again_whatever_ends_first(order: list[int]) -> None:
    """A loop's generator may be closed late; the handler of one that has ended is never put back."""
    before = signal.getsignal(signal.SIGINT)
    runs = [Session(ScriptedEngine()).begin(plan.read_cell(ast.parse("")), {}, AT_ONCE) for _ in order]
    waits = [session._interrupts_set_flag(run) for run in runs]
    for wait in waits:
        wait.__enter__()
    for number in order:
        assert signal.getsignal(signal.SIGINT) is not before
        waits[number].__exit__()
    assert signal.getsignal(signal.SIGINT) is before


def test_stop_from_another_thread_ends_the_loop_like_an_interrupt() -> None:
    """The Stop button's handler runs in a thread of its own."""
    engine = ScriptedEngine()
    session = Session(engine)
    cell = plan.read_cell(ast.parse("out = [0]\nfor i in range(100000):\n    out.append(i)\n"))
    names: dict[str, Any] = {"__builtins__": __builtins__}

    def stop_at_20(event: Event) -> None:
        if isinstance(event, Ticked) and engine.pulled == 20:
            thread = threading.Thread(target=run.stop)
            thread.start()
            thread.join()

    run = session.begin(cell, names, AT_ONCE, [stop_at_20])
    names[plan.RUN] = run
    with pytest.raises(KeyboardInterrupt):
        exec(compile(cell.tree, "<cell>", "exec"), names)

    assert len(names["out"]) == 21


def test_a_listener_that_fails_is_left_out_and_the_run_goes_on() -> None:
    """A broken view never breaks a cell."""

    def broken(event: Event) -> None:
        raise RuntimeError(event)

    with pytest.warns(RuntimeWarning, match=r"\[mpnb\] a view failed"):
        names, _ = run_cell("r = [i for i in range(5)]", listeners=(broken,))

    assert names["r"] == list(range(5))


def test_a_tiny_loop_never_reaches_the_engine() -> None:
    """Work first: what is done in a few milliseconds stays in the kernel."""
    engine = ScriptedEngine()

    names, record = run_cell("r = [i for i in range(1000)]", engine=engine, options=Options())

    assert names["r"] == list(range(1000))
    assert engine.jobs == []
    assert not record.sites[0].parallel


def test_a_long_loop_goes_to_the_engine_after_its_probe() -> None:
    """What is worth it is handed over in the middle, and joined without a seam."""
    engine = ScriptedEngine()

    names, record = run_cell(
        "out = []\nfor i in range(20):\n    time.sleep(0.006)\n    out.append(i)\n",
        {"time": time},
        engine,
        Options(),
    )

    assert names["out"] == list(range(20))
    assert 0 < engine.jobs[0].first < 20
    assert record.sites[0].iterations == 20


class Clock:
    """Stands in for `time` in the session; it goes on only when a loop's body says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now

    def work(self, seconds: float = 0.005) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time by hand; loops are taken to be safe, although their bodies turn it on."""
    clock = Clock()
    monkeypatch.setattr("mpnb.session.time", clock)
    monkeypatch.setattr("mpnb.session.SiteRun.check", lambda _site: None)
    return clock


CELLS = {
    "out = []\nfor i in range(200):\n    work()\n    out.append(i)\n": list(range(200)),
    "out = []\nfor i in range(200):\n    work()\n    y = [i]\n    out.append(y[0])\n": list(range(200)),
    "out = [(work(), i)[1] for i in range(200)]": list(range(200)),
    "out = {i: work() for i in range(200)}": dict.fromkeys(range(200)),
    "out = sorted((work(), -i)[1] for i in range(200))": sorted(-i for i in range(200)),
}


@pytest.mark.parametrize("cell", CELLS)
def test_workers_that_are_slower_than_the_kernel_are_left_in_the_middle(cell: str, clock: Clock) -> None:
    """Where each takes twice as long beside the other, the kernel goes on where they are; nothing is lost or redone."""
    engine = ScriptedEngine(task_s=0.011)

    names, record = run_cell(cell, {"work": clock.work}, engine, Options())

    assert names["out"] == CELLS[cell]
    assert names.get("i", 199) == 199
    assert names.get("y", [199]) == [199]
    assert 0 < engine.jobs[0].first < engine.pulled < 190
    assert engine.closed == 1
    site = record.sites[0]
    assert site.parallel
    assert site.iterations == 200
    assert site.reason.startswith("went on in the kernel from iteration ")
    assert site.reason.endswith(": 2 workers were slower than one (memory-bound, or the cores are busy)")
    went_on = int(site.reason.split()[7].rstrip(":"))
    assert site.kernel_iterations == engine.jobs[0].first + 200 - (went_on - 1)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("options", [Options(), AT_ONCE], ids=["probed", "at once"])
def test_workers_that_are_no_slower_get_the_whole_loop(cell: str, options: Options, clock: Clock) -> None:
    """As they do under --no-probe, whatever they take."""
    engine = ScriptedEngine(task_s=0.005 if options.probe else 0.05)

    names, record = run_cell(cell, {"work": clock.work}, engine, options)

    assert names["out"] == CELLS[cell]
    assert engine.jobs[0].first + engine.pulled == 200
    assert record.sites[0].reason == ""


def test_a_loop_whose_names_take_longer_to_send_stays(clock: Clock) -> None:
    """A million strings are not sent for half a second of work; the line says what it would take."""
    engine = ScriptedEngine()

    names, record = run_cell(
        "out = [(work(), i, words)[1] for i in range(100)]", {"work": clock.work, "words": ["a"] * 10**6}, engine,
        Options(),
    )  # fmt: skip

    assert names["out"] == list(range(100))
    assert engine.jobs == []
    assert "sending what it needs would take" in record.sites[0].reason


@pytest.mark.parametrize("options", [Options(), AT_ONCE], ids=["probed", "at once"])
@pytest.mark.parametrize("lacking", ["fractions", "colorsys"])
def test_a_loop_whose_libraries_take_longer_to_import_stays(lacking: str, options: Options, clock: Clock) -> None:
    """What the workers lack counts where the loop uses it, also in a helper; not where it is sent at once."""
    engine = ScriptedEngine()
    engine.lacking = {lacking}
    cell = "def half(i):\n    work()\n    return Fraction(i, 2)\nout = [half(i) for i in range(100)]"

    notebook = {"__name__": "__main__", "work": clock.work, "Fraction": Fraction}
    names, record = run_cell(cell, notebook, engine, options)

    assert names["out"] == [Fraction(i, 2) for i in range(100)]
    stays = lacking == "fractions" and options.probe
    assert (engine.jobs == []) is stays
    assert ("importing what it uses" in record.sites[0].reason) is stays


MADE = {
    "list": "out = [(work(), new(i))[1] for i in range(100)]",
    "two for each": "out = [(work(), new(i))[1] for i in range(100) for _ in (1, 2)]",
    "set": "out = {(work(), new(i))[1] for i in range(100)}",
    "dict": "out = {i: (work(), new(i))[1] for i in range(100)}",
    "append": "out = []\nfor i in range(100):\n    work()\n    out.append(new(i))\n",
    "fill": "out = [None] * 100\nfor i in range(100):\n    work()\n    out[i] = new(i)\n",
    "key": "out = {}\nfor i in range(100):\n    work()\n    out[i] = new(i)\n",
}


@pytest.mark.parametrize("kind", MADE)
def test_a_loop_whose_results_take_longer_to_send_stays(kind: str, clock: Clock) -> None:
    """What the first iterations have made is looked at before anything is sent; the line says what it would take."""
    engine = ScriptedEngine()
    cell = MADE[kind]

    names, record = run_cell(
        cell, {"work": clock.work, "new": lambda i: (i, *map(str, range(10_000)))}, engine, Options()
    )

    assert len(names["out"]) == (200 if kind == "two for each" else 100)
    assert names.get("i", 99) == 99
    assert engine.jobs == []
    site = record.sites[0]
    assert not site.parallel
    assert site.iterations == site.kernel_iterations == 100
    assert "sending home what it makes would take" in site.reason


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("result", ["small", "the notebook's own"])
def test_a_loop_whose_results_are_light_is_split(kind: str, result: str, clock: Clock) -> None:
    """What comes home as a reference to what the notebook has weighs nothing, however large it is."""
    engine = ScriptedEngine()
    held = (("x",) * 10_000,)
    new = {"small": lambda i: (i, "x"), "the notebook's own": lambda i: (i, held[0])}[result]

    names, record = run_cell(
        MADE[kind].replace("new(i)", "(held, new(i))[1]"),
        {"work": clock.work, "new": new, "held": held},
        engine,
        Options(),
    )

    assert len(names["out"]) == (200 if kind == "two for each" else 100)
    assert engine.jobs
    assert record.sites[0].parallel


@pytest.mark.parametrize(
    ("cell", "iterations"),
    [
        ("r = [x for x in range(5000)]", 5000),
        ("r = [x for x in xs]", 5000),
        ("r = [x for x in enumerate(xs)]", 5000),
        ("r = [x for x in zip(xs, reversed(xs))]", 5000),
        ("for x in xs:\n    if x == 3000:\n        break", 3000),
        ("for n, x in enumerate(xs):\n    if x == 3000:\n        break", 3000),
        ("for x in xs:\n    if x == 0:\n        break", 0),
        ("for x in []:\n    pass", 0),
        ("r = sum(x for x in {1: 2, 3: 4})", 2),
        ("r = max(map(abs, xs))", 5000),
    ],
)
@pytest.mark.parametrize("tick", [0.0, 1e-6, 1e-5])
def test_iterations_in_the_kernel_are_counted_whatever_their_length(
    cell: str, iterations: int, tick: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come in batches, and the last of a tiny loop run by themselves; the record has the exact number."""
    clock = Clock()
    monkeypatch.setattr("mpnb.session.time", clock)
    monkeypatch.setattr(Clock, "perf_counter", lambda each: each.work(tick * 1000) or each.now)

    _, record = run_cell(cell, {"xs": list(range(5000))}, ScriptedEngine(workers=1), Options())

    assert record.sites[0].kernel_iterations == record.sites[0].iterations == iterations


def test_strict_makes_a_refusal_an_error() -> None:
    """With --strict nothing runs serially without being told."""
    with pytest.raises(RefusedError, match="iterable is a list_iterator"):
        run_cell("for x in xs:\n    out.append(x)\n", {"xs": iter([1]), "out": []}, options=Options(strict=True))


def test_an_unsendable_name_keeps_the_site_serial_and_is_named() -> None:
    """CodecError from the engine is no error of the user's."""

    class Picky(ScriptedEngine):
        def run(self, *_: Any, **__: Any) -> Any:
            raise CodecError("conn", "open it inside the loop")

    names, record = run_cell("r = [i + conn for i in range(4)]", {"conn": 1}, Picky())

    assert names["r"] == [1, 2, 3, 4]
    assert "conn" in record.sites[0].reason
    assert not record.sites[0].parallel


def close(thing: object) -> None:
    """Close what can be closed."""
    if hasattr(thing, "close"):
        thing.close()


@pytest.mark.parametrize(
    ("iterable", "named"),
    [("(i for i in range(4))", "generator"), ("iter(range(4))", "range_iterator"), ("open(path)", "TextIOWrapper")],
)
def test_an_iterator_is_pulled_by_the_kernel_alone(iterable: str, named: str, tmp_path: Any) -> None:
    """What other code may see advance is not pulled ahead."""
    path = tmp_path / "lines.txt"
    path.write_text("a\nb\n")

    cell = f"f = {iterable}\nout = []\nfor x in f:\n    out.append(x)\nclose(f)"
    _, record = run_cell(cell, {"path": path, "close": close})

    assert not record.sites[0].parallel
    assert named in record.sites[0].reason


def test_items_are_the_notebooks_own_objects_after_the_loop() -> None:
    """The loop variable is rebound from the notebook's own iterable."""
    xs = [[1], [2], [3]]

    names, _ = run_cell("for x in xs:\n    n = len(x)\n", {"xs": xs})

    assert names["x"] is xs[-1]
    assert names["n"] == 1


@pytest.mark.parametrize(("cell", "orders"), [("[len(s) for s in docs]", False), ("[list(s) for s in docs]", True)])
def test_a_job_says_whether_it_takes_an_order(cell: str, orders: bool) -> None:
    """What perhaps takes an order from a set is told to the engine, which sees what is sent."""
    engine = ScriptedEngine()

    run_cell(f"r = {cell}", {"docs": [{"a"}, {"b"}]}, engine)

    assert [job.orders for job in engine.jobs] == [orders]


@pytest.mark.parametrize(
    ("has", "own", "resized"),
    [(2, None, [3, 3]), (2, 2, [3, 3]), (4, 2, [3]), (-2, None, [])],
    ids=[
        "the engine and the job",
        "an engine that has too few, too",
        "the job alone, which has a number of its own",
        "nobody, where others say how many there are",
    ],
)
def test_whoever_looks_on_may_ask_for_more_workers(has: int, own: int | None, resized: list[int]) -> None:
    """What is asked for in the midst of a run takes effect within it, and in the engine where it must or may."""
    engine = ScriptedEngine(workers=abs(has), task_s=0.001)
    if has < 0:
        engine.resize = lambda _workers: None  # type: ignore[method-assign]
    names: dict[str, Any] = {"__builtins__": __builtins__}
    cell = plan.read_cell(ast.parse("r = [i for i in range(9)]"))
    asks = []

    def ask(event: Event) -> None:
        if isinstance(event, Ticked) and not asks:
            asks.append(run.resize(3))

    run = Session(engine).begin(cell, names, Options(probe=False, workers=own), [ask])
    names[plan.RUN] = run
    exec(compile(ast.fix_missing_locations(cell.tree), "<cell>", "exec"), names)
    record = run.end("finished")

    assert engine.resized == resized
    assert (run.workers, record.workers, record.ideal) == ((3, 3, 3) if resized else (2, 2, 2))
    assert names["r"] == list(range(9))
