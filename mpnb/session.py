"""Runs planned cells: keeps the engine between them, drives each site through its three phases, fills the record.

A `Run` is what a rewritten cell speaks to under the name `_mpnb`; a `SiteRun` is one site of it. Work goes first
through the kernel's main thread; what turns out to be large goes to the pool, and its effects are handed back to the
cell in the order of the iterations; what the pool could not do runs in the kernel again, from that iteration on.

The session is handed its engine and its listeners and does not know who they are.
"""

from __future__ import annotations

import ast
import dataclasses
import io
import itertools
import operator
import signal
import sys
import threading
import time
import types
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, Self, TypeVar

from mpnb import applied, blas, drafts, filing, forecast, worth
from mpnb import plan as planning
from mpnb.applied import Calls, why_plain
from mpnb.bars import Bar
from mpnb.collector import collector_spares_what_is_there
from mpnb.engine import (
    FILED,
    SEEN,
    STDERR,
    STDOUT,
    WARNED,
    Effects,
    Engine,
    IfLong,
    Job,
    Outcome,
    Running,
    notebook,
    warn_again,
)
from mpnb.errors import CodecError, EngineLostError, MpnbError, PlanError, RefusedError, WorkerDiedError
from mpnb.events import BatchFinished, Event, KernelRan, RunEnded, RunStarted, SiteEnded, SiteStarted
from mpnb.forecast import Forecast
from mpnb.imports import module_of
from mpnb.outlook import Measured, Outlook, look_at_cell, measure
from mpnb.plan.loops import ENTRY, MAPPED
from mpnb.plan.types import CellPlan, Loop, Refusal, SitePlan, place, unreadable
from mpnb.record import Record, Site
from mpnb.streams import SEEDED, SHARED, Streams
from mpnb.surroundings import Tripped
from mpnb.trial import Trial
from mpnb.weight import Weight, ids_in, weigh, weigh_made, weigh_names

#: Seconds of a site's own run for which it waits in the kernel for a pool that is not ready.
START_S: Final = 1.0
#: Bytes of results already in the notebook that are also kept for `finished`, so that a sum of arrays stays bounded.
KEPT_BYTES: Final = 256 << 20

#: Cells of which it is kept what an iteration took.
CELLS: Final = 200

HOUSE: Final = str(Path(__file__).parent)

_Made = TypeVar("_Made", list[Any], set[Any], dict[Any, Any])
_FILLING: Final = frozenset({"append", "extend", "add", "update", "setitem"})  # effects whose operands stay to be seen
_ENDS: Final = frozenset({planning.BREAK, planning.RETURN})
_KERNEL, _POOL, _REST, _DONE = "kernel", "pool", "rest", "done"


@dataclass(frozen=True, slots=True)
class Options:
    """What can be said on the `%%parallel` line."""

    workers: int | None = None
    probe: bool = True
    explain: bool = False
    compare: bool = False
    scaling: tuple[int, ...] = ()  # numbers of workers; what --compare says is said of the last one
    strict: bool = False
    quiet: bool = False
    seed: int | None = None
    trust: frozenset[str] = frozenset()
    chunk: int | None = None
    exact: bool = False
    on: str | None = None
    engine: Engine | None = None  # that `on` names; None for the session's


@dataclass(slots=True)  # as `Outcome`: there is one for each iteration
class Replay:
    """One iteration as the cell redoes it: its item and effects, or the error that ends the loop."""

    item: object = None
    effects: Effects = field(default_factory=list)
    index: int = 0
    broke: bool = False
    returned: int | None = None
    value: object = None
    error: BaseException | None = None


class Looping(Protocol):
    """Something that has begun and not ended, and can tell whether it is in a site."""

    def is_looping(self) -> bool:
        """Tell whether iterations of a site are running."""
        ...


class Session:
    """What stays between cells: the engine, the last record, and the runs that have begun and not ended.

    Parameters
    ----------
    engine
        Anything that runs jobs (`mpnb.engine.Engine`).

    Attributes
    ----------
    engine
        Where cells run that do not name an engine of their own; another one after `mpnb.use`.
    local
        The one that it was given.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = self.local = engine
        self.running: list[Looping] = []
        self._last: Record | Callable[[], Record] | None = None
        self.measured: dict[str, dict[int, Measured]] = {}  # by the source of a cell, by its site
        self.foretold: dict[str, list[Forecast]] = {}  # by the source of a cell: of its last run, and of those before

    def note(self, source: str, sites: Sequence[Site]) -> None:
        """Keep what a run of a cell tells of its next one; that of cells long past is let go of."""
        found = {number: told for number, site in enumerate(sites) if (told := measure(site)) is not None}
        if found:
            self.measured.pop(source, None)
            self.measured[source] = found
        if len(self.measured) > CELLS:
            del self.measured[next(iter(self.measured))]

    def check(self, source: str, record: Record) -> None:
        """Hold a run against what was foretold of it; what it will be asked itself is for the runs after it."""
        earlier = self.foretold.pop(source, None)
        if earlier:
            record.checked = forecast.check(record, earlier)
            met = {each.how for each in record.checked}
            record.foretold += [each for each in earlier if each.how not in met]
        self.foretold[source] = record.foretold
        if len(self.foretold) > CELLS:
            del self.foretold[next(iter(self.foretold))]

    @property
    def last(self) -> Record | None:
        """The record of what ran last, or has begun last."""
        if callable(self._last):
            self._last = self._last()
        return self._last

    @last.setter
    def last(self, record: Record | Callable[[], Record] | None) -> None:
        """Set it, or what makes it when it is asked for."""
        self._last = record

    def begin(
        self,
        cell: CellPlan,
        namespace: dict[str, Any],
        options: Options,
        listeners: Iterable[Callable[[Event], None]] = (),
        names: frozenset[str] = frozenset(),
        *,
        within: bool = False,
        apart: bool = False,
        source: str = "",
    ) -> Run:
        """Start the run of a planned cell, or call of a function; its record is the last one from now on.

        `namespace` are the notebook's names, and `names` those that are a function's own. `within`: it is part of
        something that is in `running` already. `apart`: its record is not the last one before it ends. By its `source`
        a cell is known again when it is explained.
        """
        run = Run(self, cell, namespace, options, list(listeners), names, source)
        if not within:
            self.running.append(run)
        if not apart:
            self.last = run.record
        return run

    def is_looping(self) -> bool:
        """Tell whether a site is under way: what its iterations call must not be split once more.

        A run begins only where none of those before it is in a site, so the last one tells.
        """
        return bool(self.running) and self.running[-1].is_looping()


class Run:
    """One run of one cell, or of one call of a function: what the rewritten code calls `_mpnb`."""

    planned: Final = True

    def __init__(
        self,
        session: Session,
        cell: CellPlan,
        namespace: dict[str, Any],
        options: Options,
        listeners: list[Callable[[Event], None]],
        names: frozenset[str],
        source: str = "",
    ) -> None:
        self.session = session
        self.source = source
        self.engine = engine = options.engine or session.engine
        self.cell = cell
        self.namespace = namespace
        self.names = names
        self.options = options
        self.listeners = listeners
        self.workers = options.workers or engine.workers
        sites = [
            Site(
                line=plan.line,
                column=plan.column,
                kind=plan.kind,
                label=plan.label,
                parallel=False,
                **_refused(plan, plan.refusal),
            )
            for plan in cell.sites
        ]
        self.record = Record(sites, workers=self.workers)
        self.record.note = cell.note
        self.record.seed, self.record.chunk = options.seed, options.chunk
        self.sites = [SiteRun(self, plan, site) for plan, site in zip(cell.sites, sites, strict=True)]
        self.interrupted = False
        self.asked: int | None = None  # for so many workers, by whoever looks on
        self.tell(RunStarted(at=time.perf_counter(), workers=self.workers))

    zip = staticmethod(zip)  # Python's own, whatever the notebook calls so
    starmap = staticmethod(itertools.starmap)

    # -- called by the rewritten cell --------------------------------------------------------------------------------

    def open(self, number: int, frame: types.FrameType | None = None, own: Mapping[str, Any] | None = None) -> SiteRun:
        """A site is reached (in an outer serial loop: again)."""
        site = self.sites[number]
        frame = frame or sys._getframe(1)  # noqa: SLF001 -- its file is in tracebacks, and it has a function's own names
        site.begin(frame.f_code.co_filename, frame if self.names else None)
        site.own = own
        if self.names and own is None and site.plan.kind in INLINED:
            site.own = own_names(frame, self.names)
        return site

    def at(self, number: int) -> SiteRun:
        """The site that is under way."""
        return self.sites[number]

    def knows(self, number: int, *called: tuple[str, object]) -> bool:
        """Tell whether the functions around a site are the library's that go through what they are given at once."""
        site = self.sites[number]
        refusal = planning.check_consumers(site.plan, called)
        if refusal is not None:
            site.refuse(refusal)
        return refusal is None

    def owner(
        self, number: int, thing: Any, method: str, *, rows: bool, skips: bool, frame: types.FrameType | None = None
    ) -> Any:
        """Note whose `apply` or `map` is about to be called, and give it back."""
        site = self.sites[number]
        site.leave_calls()
        why = why_plain(thing, method, rows=rows)
        if why:
            site.refuse(Refusal("unknown-call", site.plan.line, method, why))
        else:
            site.calls = Calls(site, thing, method, rows=rows, skips=skips)
            site.caller = frame or sys._getframe(1)  # noqa: SLF001 -- see `open`
        return thing

    @staticmethod
    def show(entry: tuple[Any, ...]) -> None:
        """Replay what an iteration printed, or warned of."""
        __tracebackhide__ = True
        number, *what = entry
        if number == STDOUT:
            sys.stdout.write(*what)
        elif number == STDERR:
            sys.stderr.write(*what)
        elif number == WARNED:
            warn_again(*what)
        elif number == FILED:
            filing.put(entry)
        elif number == SEEN:
            pass  # the ledger has held it against what others wrote
        else:
            msg = f"effect {number} is not one of this loop's"
            raise PlanError(msg)

    def noting(self) -> _Noting:
        """Tell an exception which iteration it is from, where a rest of a split site was running."""
        return _Noting(self.sites)

    def refused(self) -> RefusedError:
        """What `--strict` raises for a site that its own text keeps serial."""
        plan = next(plan for plan in self.cell.sites if plan.refusal is not None)
        assert plan.refusal is not None
        return _refused_error(plan.refusal)

    def explain(self, tree: ast.Module) -> Outlook:
        """What the cell would do, which is `tree` as it was written; nothing of it is run."""
        measured = self.session.measured.get(self.source, {})
        seeded, trusted = self.options.seed is not None, self.options.trust
        return look_at_cell(self.cell, tree, self.namespace, self.workers, measured, seeded=seeded, trusted=trusted)

    def is_looping(self) -> bool:
        """Tell whether iterations of a site are running."""
        return any(site.opened for site in self.sites)

    # -- called by the session and the sites -------------------------------------------------------------------------

    def __enter__(self) -> None:
        """A function's call has begun."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """And is over."""
        stopped = kind is not None and issubclass(kind, KeyboardInterrupt)
        self.end("finished" if kind is None else "stopped" if stopped else "failed")

    def tell(self, event: Event) -> None:
        """Add an event to the record and pass it on."""
        self.record.add(event)
        for listener in list(self.listeners):
            try:
                listener(event)
            except Exception as error:  # a view that fails must never fail the run
                self.listeners.remove(listener)
                warnings.warn(f"[mpnb] a view failed and is left out: {error!r}", RuntimeWarning, stacklevel=2)

    def stop(self) -> None:
        """End the run as an interrupt would; may be called from any thread."""
        self.interrupted = True

    def resize(self, workers: int) -> None:
        """Have so many workers from now on, in this run and, unless it has a number of its own, in those after it.

        May be called from any thread: it takes effect in the run's own, within a tenth of a second.
        """
        self.asked = workers

    def heed_resize(self, running: Running | None = None) -> None:
        """Do what `resize` asked for; `running` is the job under way."""
        workers, self.asked = self.asked, None
        if workers is None or workers == self.workers:
            return
        if self.options.workers is None or workers > self.engine.workers:
            self.engine.resize(workers)
        workers = min(workers, self.engine.workers)  # how many there are may not be ours to say
        if workers == self.workers:
            return
        self.workers = workers
        if running is not None:
            running.resize(workers)

    def end(self, status: str) -> Record:
        """The cell is over: `finished`, `failed` or `stopped`."""
        if self in self.session.running:
            self.session.running.remove(self)
        for site in self.sites:
            site.end()
            site.forget()
        if status == "finished":
            self.record.finished.clear()
        if self.source:
            self.session.note(self.source, self.record.sites)
        if self.record.sites:  # a function that was called in here may have been the last to begin
            self.session.last = self.record
        self.tell(RunEnded(at=time.perf_counter(), status=status))
        if self.source and self.record.sites:
            self.session.check(self.source, self.record)
        return self.record


class _Noting:
    """Around the user's own statements: errors leave with a note, and without frames of mpnb's at their end."""

    def __init__(self, sites: list[SiteRun]) -> None:
        self.sites = sites

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, trace: types.TracebackType | None) -> None:
        if error is not None:  # in a traceback, the iterator that would see to it lives on
            for site in self.sites:
                site.leave_streams()
        if isinstance(error, Exception):
            for site in self.sites:
                site.note(error)
        if error is not None:
            for site in self.sites:
                site.leave_calls()
        last = entry = trace
        while entry is not None:
            while entry.tb_next is not None and entry.tb_next.tb_frame.f_code.co_filename == applied.__file__:
                entry.tb_next = entry.tb_next.tb_next  # between pandas and the function that it calls
            if not entry.tb_frame.f_code.co_filename.startswith(HOUSE):
                last = entry
            entry = entry.tb_next
        if last is not None:
            last.tb_next = None


class _Replaying:
    """Around the effects of one iteration."""

    def __init__(self, site: SiteRun, replay: Replay) -> None:
        self.site = site
        self.replay = replay

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, trace: types.TracebackType | None) -> None:
        self.site.mended = {}
        if isinstance(error, Exception) and trace is not None:
            run = self.site.run
            self.site.mend(self.replay, (trace.tb_frame.f_locals if run.names else run.namespace).get(ENTRY))
            if not run.names:
                run.namespace.update(self.site.mended)  # a function does that itself
        self.site.before = self.replay


class SiteRun:
    """One site under way: where its items come from, where its iterations run, what it has come to."""

    def __init__(self, run: Run, plan: SitePlan, site: Site) -> None:
        self.run = run
        self.plan = plan
        self.site = site
        # the numbers of the effects by which an iteration sends home what every iteration sets
        self.binds = (
            ()
            if plan.loop is None
            else tuple(e.number for e in plan.loop.effects if e.form == "bind" and e.target in plan.loop.kept_last)
        )
        self.phase = _DONE
        self.opened = False
        self.orders = True  # until it was looked into
        self.writes = False
        self.ledger = filing.Ledger()
        self.filename = ""
        self.frame: types.FrameType | None = None  # of the function that it stands in
        self.own: Mapping[str, Any] | None = None  # what that function's names mean, where it was asked for already
        self.space = planning.Space(run.namespace, run.names)  # from `check` on with what a function's names mean
        self.mended: dict[str, Any] = {}  # see `mend`
        self.leaves: list[planning.Leaf] = []
        self.bars: list[Bar] = []
        self.iterator: Iterator[Any] = iter(())
        self.pulled: deque[Any] = deque()
        self.pull_error: BaseException | None = None
        self.index = 0  # of the next iteration that takes place in the notebook
        self.held: Outcome | None = None  # see _replays
        self.before: Replay | None = None  # the iteration whose effects took place last
        self.taken = 0  # iterations from the pool that took effect
        self.kept_bytes = 0
        self.head: Any = None  # what a comprehension has made so far
        self.turn = -1  # which pass over the site this is
        self.streams: Streams | None = None
        self.modules: frozenset[str] = frozenset()  # that the loop uses, as far as they have been looked for
        self.figures: worth.Figures | None = None  # what the decision for the pool was made by
        self.stick: worth.Yardstick | None = None  # what an iteration takes in the kernel
        self.watch: worth.Watch | None = None  # whether the workers are any faster
        self.slower = ""  # why they are not: no more items are sent
        self.in_pool: Callable[[], Generator[Replay] | None] = lambda: None  # what `pool` gave last; the loop holds it
        self.interrupts = _interrupts_set_flag(run)  # while it was at work
        self.running: Running | None = None  # the job under way, whose workers may become more or fewer
        self.trial: Trial | None = None  # under --compare
        self.task: types.FunctionType | None = None  # of the job that is under way, or was last
        self.calls: Calls | None = None  # which pandas makes
        self.caller: types.FrameType | None = None  # of that, until it begins
        self.in_rest = False  # an iteration of the rest is running; its item is
        self.item: object = None

    @property
    def loop(self) -> Loop:
        """The loop that this site is; PlanError where it is refused."""
        if self.plan.loop is None:
            msg = f"site {self.plan.number} is refused and must not be opened"
            raise PlanError(msg)
        return self.plan.loop

    # -- phase 1: in the kernel --------------------------------------------------------------------------------------

    def begin(self, filename: str, frame: types.FrameType | None = None) -> None:
        """Reset for a new pass over the site."""
        self._end_trial()
        self.leave_streams()
        self.streams = None
        self.turn += 1
        self.frame = frame
        self.phase = _KERNEL
        self.opened = True
        self.filename = filename
        self.leaves = []
        self.bars = []
        self.pulled.clear()
        self.pull_error = None
        self.index = 0
        self.head = None
        self.held = self.before = None
        self.figures = self.stick = self.watch = None
        self.slower = ""
        self.in_rest = False

    def leaf(self, iterable: Any, name: str | None) -> object:
        """Note what is really looped over, below enumerate() and zip(), and the name that it was reached by."""
        alone = name is None and sys.getrefcount(iterable) <= ALONE
        if not planning.is_bar(iterable):
            self.leaves.append(planning.Leaf(iterable, name, alone))
            return iterable
        # the bar holds what it goes through once, and some bars hold its __next__ besides
        holders = 1 + hasattr(iterable, "iterable_next")
        alone = alone and sys.getrefcount(iterable.iterable) <= ALONE - 1 + holders
        self.leaves.append(planning.Leaf(iterable.iterable, name, alone))
        self.bars.append(Bar(iterable))
        return self.bars[-1]

    def total(self) -> int | None:
        """How many iterations there will be, as far as the iterables tell."""
        lengths = [planning.length(leaf.thing) for leaf in self.leaves]
        known = [length for length in lengths if length is not None]
        return min(known) if known and len(known) == len(lengths) else None

    def items(self, iterable: Any) -> Any:
        """What the loop runs over in the kernel: all of it, a probe's worth, or (`--no-probe`) nothing."""
        __tracebackhide__ = True
        options = self.run.options
        began = time.perf_counter()
        self.run.record.add(SiteStarted(at=began, site=self.plan.number, total=self.total()))
        self.streams = self._streams()
        if not options.probe or options.strict or options.compare:
            refusal = self.check()
            if refusal is not None:
                self.refuse(refusal)
                if options.strict:
                    raise _refused_error(refusal)
                self.phase = _DONE
                if self.streams is not None:
                    return self._seeded(iter(iterable))
                self._let_go()
                return iterable.bar if isinstance(iterable, Bar) else iterable
        if options.compare:
            if len(self._safe_leaves()) == len(self.leaves) and not self.bars:
                looked_s = time.perf_counter() - began
                return self._tried(iterable if iter(iterable) is not iterable else list(iterable), looked_s)
            self.site.compared = "not compared: its items can be pulled only once"
            self.site.reason = "--compare leaves the result to the kernel"
            self.phase = _DONE
            self._let_go()
            return iterable.bar if isinstance(iterable, Bar) else iterable
        for bar in self.bars:
            bar.open()
        if not options.probe:
            self.iterator = iter(iterable)
            self.phase = _POOL
            return ()
        return itertools.chain.from_iterable(self._probe(iter(iterable)))

    def stand_in(self, function: object) -> object:
        """What pandas is to call in the place of a function; the function, where it is called as ever."""
        calls, caller, self.caller = self.calls, self.caller, None
        if calls is None or caller is None:
            return function
        self.run.open(self.plan.number, caller)
        self.calls = calls
        stand_in = calls.begin(function)
        if stand_in is None:
            kind = type(function).__name__
            self.refuse(
                Refusal(
                    "unknown-call", self.plan.line, calls.method, f"is given a {kind}, which is no function of Python's"
                )
            )
            self.leave_calls()
            return function
        return stand_in

    def applied(self, result: object) -> object:
        """Pandas is through."""
        calls, self.calls = self.calls, None
        if calls is not None:
            calls.end()
            self.end()
        return result

    def leave_calls(self) -> None:
        """Pandas was left by an error, or did not get so far."""
        calls, self.calls, self.caller = self.calls, None, None
        if calls is not None:
            calls.leave()
            self.end()

    def batches(self, thing: object, ticks: Iterator[int]) -> Iterator[Iterator[Any]]:
        """As `items`, where pandas goes through them: a tick for each call in the kernel, in the probe's batches."""
        options = self.run.options
        self.leaves = [planning.Leaf(thing)]
        self.run.record.add(SiteStarted(at=time.perf_counter(), site=self.plan.number, total=self.total()))
        self.streams = self._streams()
        refusal = None
        if options.compare:
            self.site.compared = "not compared: pandas calls the function itself"
            self.site.reason = "--compare leaves the result to the kernel"
        elif not options.probe or options.strict:
            refusal = self.check()
        if refusal is not None:
            self.refuse(refusal)
            if options.strict:
                raise _refused_error(refusal)
        if options.compare or refusal is not None:
            self.phase = _DONE
            return iter([self._seeded(ticks) if self.streams is not None else ticks])
        if not options.probe:
            self.phase = _POOL
            return iter(())
        return self._probe(ticks)

    @property
    def goes_to_pool(self) -> bool:
        """Whether it has been found that the pool is worth it."""
        return self.phase == _POOL

    def give_back(self, item: object, why: str) -> None:
        """The kernel does the iteration whose outcome was taken last, and all after it."""
        self.pulled.appendleft(item)
        self.index -= 1
        self.taken -= 1
        self._fall_back(Outcome(self.index, [], "tripped", why))
        self.site.code = "shared-object"

    def _tried(self, items: Any, looked_s: float) -> Iterator[Any]:
        """Run the site in the pool and keep what that gives to oneself; then hand the items to the plain loop.

        The record is told nothing of the pool's part: it is a trial, and the site's own run comes after it. To look
        into the loop took `looked_s` seconds, which are the pool's.
        """
        counts = self.run.options.scaling
        pooled: list[tuple[int, float]] = []
        if counts:  # all workers have what they need before the first is timed
            self._try(itertools.islice(items, 2 * max(counts)), max(counts), looked_s)
        for count in counts or (self.run.workers,):
            self.trial = trial = self._try(iter(items), count, looked_s)
            if trial.why:
                break
            pooled.append((count, trial.pool.seconds))
        if counts and not trial.why and not trial.pool.raised:
            self.site.pooled = pooled
        return trial.serial(self._seeded(iter(items)), _Names(self.space))

    def _try(self, items: Iterator[Any], workers: int, looked_s: float) -> Trial:
        """Run items in the pool, on so many workers, and redo their effects on copies."""
        run = self.run
        trial = Trial(self.loop, _Names(self.space), workers)
        self.trial = trial
        self.iterator = items
        self.phase = _POOL
        running: Running | None = None
        began = time.perf_counter() - looked_s
        try:
            with _interrupts_set_flag(run) as interrupts:
                running = run.engine.run(self._job(), self._feed(), self._heed, workers)
                trial.take(running, began)
            if interrupts.pending:
                raise KeyboardInterrupt
        except CodecError as error:
            trial.why = f"{error.path} can't be sent: {error.why}"
        except MpnbError as error:
            trial.why = str(error)
        finally:
            if running is not None:
                running.close()
            self.pulled.clear()
            self.phase = _DONE
        if self.pull_error is not None:
            trial.why = trial.why or f"its iterable raises {type(self.pull_error).__name__}"
        return trial

    def _heed(self, _event: Event) -> None:
        """A pending interrupt ends the wait for the pool."""
        if self.run.interrupted:
            raise KeyboardInterrupt

    def _end_trial(self) -> None:
        trial, self.trial = self.trial, None
        if trial is None:
            return
        trial.judge(_Names(self.space), through=False)
        self.index = trial.kernel.iterations
        self.site.compared, self.site.reason = trial.verdict, "--compare leaves the result to the kernel"
        self.site.speedup, self.site.speedup_measured = trial.speedup, trial.speedup is not None
        if trial.speedup is None:
            self.site.pooled = []
        at = time.perf_counter()
        self.run.record.add(
            KernelRan(at=at, site=self.plan.number, first=0, count=self.index, seconds=trial.kernel.seconds)
        )

    def _streams(self) -> Streams | None:
        """The random numbers of this pass, under `--seed`.

        Whether there are any hangs on the loop's text and iterable only, not on whether it is split.
        """
        seed = self.run.options.seed
        if seed is None or len(self._safe_leaves()) < len(self.leaves):
            return None
        try:
            task = planning.make_task(self.loop, self.filename, self._look())
            draws = planning.find_draws(task, self._safe_leaves())
        except Exception:  # an object that can't bear to be looked at
            draws = planning.Draws(SHARED)
        if not draws:
            return None
        self.site.seed = seed
        return Streams(seed, self.plan.number, self.turn, draws.shared, draws.generators)

    def leave_streams(self) -> None:
        """Give the kernel's generators the state that they had before the site."""
        if self.streams is not None:
            self.streams.leave()

    def _seeded(self, iterator: Iterator[Any]) -> Iterator[Any]:
        """Yield items for iterations in the kernel, each with its stream in place."""
        __tracebackhide__ = True
        streams = self.streams
        if streams is None:
            yield from iterator
            return
        with streams:
            for item in iterator:
                streams.start(self.index)
                yield item
                self.index += 1

    def go_on(self, iterator: Iterator[Any], leaves: list[planning.Leaf], count: int, began: float) -> Iterator[Any]:
        """Take over a loop of which some iterations have run already; as `items` from there on."""
        __tracebackhide__ = True
        self.leaves = leaves
        self.run.record.add(SiteStarted(at=began, site=self.plan.number, total=self.total()))
        return itertools.chain.from_iterable(self._probe(iterator, count, began))

    def _probe(self, iterator: Iterator[Any], before: int = 0, begun: float = 0.0) -> Iterator[Iterator[Any]]:
        """Yield items while it is not clear that the pool would pay; then stop, in phase _POOL.

        They come in batches that Python takes apart by itself: what is done here for every single item would be all of
        the time of a tiny loop. `before` iterations have run since `begun`.
        """
        clock = time.perf_counter
        total = self.total()
        counted, done = self._counted(iterator, before)
        count = before
        size = 1
        then = now = clock()
        began = begun if before else now
        patience = worth.PROBE_S
        deadline = began + patience
        marks = deque([(0, 0.0), (before, now - began)] if before else [(0, 0.0)], maxlen=64)
        self.site.reason = ""
        streams = self.streams
        judged = not before or now < deadline  # where its first iterations took long, there is no need to see more
        last = None  # the iterator that runs on to its end by itself
        if streams is not None:
            streams.enter()
        try:
            while last is None:
                if judged:
                    if streams is not None:
                        streams.start(count)
                    yield itertools.islice(counted, size)
                    now = clock()
                    taken = done()
                    ended, count = taken < count + size, taken
                    if ended:
                        self.phase = _DONE
                        return
                    marks.append((count, now - began))
                    size = 1 if streams is not None else worth.next_batch(size, now - then)
                    then = now
                judged = True
                if now >= deadline:
                    if self._pays(now - began, count, total):
                        refusal = self.check()
                        if refusal is None:
                            self.iterator = iterator
                            self.stick = worth.yardstick(marks)
                            self.phase = _POOL
                            return
                        self.refuse(refusal)
                        deadline = float("inf")
                    else:
                        patience *= 2
                        deadline = now + patience
                tail = worth.is_tail(now - began, count, total)
                if self.calls is not None:  # of pandas, each of which costs time while the clock is looked at
                    tail = tail or worth.is_tiny(now - began, count)
                if streams is None and (deadline == float("inf") or tail):
                    by_itself = total is not None and hasattr(iterator, "__length_hint__") and not self.bars
                    last = iterator if by_itself else counted
            yield last
            self.phase = _DONE
        finally:
            self.leave_streams()
            if last is iterator:
                count = max(count, (total or 0) - operator.length_hint(iterator))
            elif self.phase != _POOL:
                count = max(count, done())
            if self.phase == _DONE:
                now = clock()
            elif self.phase == _KERNEL:  # left early, within an iteration: a break, a return, an error
                count = max(0, count - 1)
            if self.phase != _POOL:
                self._let_go()
            self.index = count
            if count:
                stick = self.stick if self.phase == _POOL else None
                warm, warm_s = (0, 0.0) if stick is None else (stick.count, stick.count * stick.each_s)
                self.run.record.add(
                    KernelRan(
                        at=now,
                        site=self.plan.number,
                        first=0,
                        count=count,
                        seconds=now - began,
                        warm=warm,
                        warm_s=warm_s,
                    )
                )
            if self.phase == _KERNEL:
                self.end()

    def _counted(self, iterator: Iterator[Any], before: int) -> tuple[Iterator[Any], Callable[[], int]]:
        """The items, and what tells how many of them have been taken, together with the `before` ones."""
        thing: Any = self.leaves[0].thing if self.leaves else None
        if (type(thing), type(iterator)) in COUNTING and not self.bars:  # it knows; for a tiny loop that is much
            return iterator, lambda: len(thing) - operator.length_hint(iterator)
        counter = itertools.count(1)
        calls = itertools.count()  # asking takes one of the counter's numbers
        return (
            itertools.compress(self._moving(iterator), counter),
            lambda: before + next(counter) - 1 - next(calls),
        )

    def _moving(self, iterator: Iterator[Any]) -> Iterator[Any]:
        """The items, as each of which takes its turn the progress bars move."""
        return self._pulled_with_bars(iterator) if self.bars else iterator

    def _pulled_with_bars(self, iterator: Iterator[Any]) -> Iterator[Any]:
        __tracebackhide__ = True
        try:
            for item in iterator:
                self._move_bars()
                yield item
        except Exception as error:  # the user's, from the iterable; it goes through the bar, which raises it again
            self._end_bars(error)
            raise
        self._end_bars()

    def _move_bars(self) -> None:
        for bar in self.bars:
            bar.move()

    def _end_bars(self, error: BaseException | None = None) -> None:
        __tracebackhide__ = True
        for bar in self.bars:
            bar.end(error)

    def _let_go(self) -> None:
        """The loop is over or was left: hold no iterator any more."""
        for bar in self.bars:
            bar.drop()
        self.bars = []
        self.iterator = iter(())
        self.leaves = [leaf if planning.is_safe(leaf.thing) else planning.Leaf(None) for leaf in self.leaves]

    def _pays(self, seconds: float, count: int, total: int | None) -> bool:
        """Tell whether the rest of the site takes long enough for the pool to be worth its start."""
        workers = self.run.workers
        # While the pool starts, the kernel gets on with the work; one that does not come up has to say why.
        if workers > 1 and not self.run.engine.ready and seconds < START_S:
            self.site.reason = "the pool was not ready yet"
            return False
        # Where the length is not known, the loop is taken to be half over.
        figures = worth.Figures(seconds / count, count if total is None else total - count, workers)
        verdict = worth.judge(figures)
        if verdict.pays and worth.wants_another(figures, count):
            return False
        if verdict.pays:
            self.figures = self._with_sending(figures)
            verdict = worth.judge(self.figures)
        self.site.reason = verdict.reason
        return verdict.pays

    def _with_sending(self, figures: worth.Figures) -> worth.Figures:
        """Add what it would cost to send what the loop reads; a few objects are looked at, and stand for the others."""
        try:
            look_up = self._look().get
            weights = weigh_names(self.loop.reads.union(self.loop.copied), look_up)
            names = sum(weights.values(), Weight())
            self.modules = frozenset(filter(None, (module_of(look_up(name)) for name in weights)))
            sized = [leaf for leaf in self._safe_leaves() if hasattr(leaf, "__len__")]
            items = sum((weigh(leaf).times(1 / max(1, len(leaf))) for leaf in sized), Weight())
            item_s = worth.sending_s(items.objects, items.nbytes)
            if self.calls is not None:
                item_s += self.calls.making_s
        except Exception:  # an object that can't bear to be looked at: `check` says so
            return figures
        return dataclasses.replace(
            figures,
            names_s=worth.sending_s(names.objects, names.nbytes),
            item_s=item_s,
            import_s=self.run.engine.import_s(self.modules),
        )

    def _pays_home(self) -> bool:
        """Tell whether the pool still pays now that it is seen what the kernel's iterations have made.

        That is only there once the loop has been left: a comprehension's list is nobody's until it is done.
        """
        figures = self.figures
        if figures is None or not self.index:
            return True
        made = self._made()
        verdict = worth.judge(dataclasses.replace(figures, result_s=worth.sending_home_s(made.objects, made.nbytes)))
        if not verdict.pays:
            self.site.reason = verdict.reason
        return verdict.pays

    def _made(self) -> Weight:
        """What an iteration has made, on the average, but for what it has from the notebook: a reference comes home."""
        look_up = self._look().get
        grown = [name for name, effects in self.loop.accumulators.items() if any(e.form in _FILLING for e in effects)]
        filled = [look_up(name) for name in grown] if self.head is None else [self.head]
        known = ids_in([*self._safe_leaves(), *(look_up(name) for name in self.loop.reads)])
        try:
            return sum((weigh_made(each, self.index, known) for each in filled), Weight())
        except Exception:  # an object that can't bear to be looked at
            return Weight()

    def _safe_leaves(self) -> list[Any]:
        return [leaf.thing for leaf in self.leaves if planning.is_safe(leaf.thing)]

    def _look(self) -> planning.Space:
        """What the names that the loop stands among mean now."""
        if self.frame is not None:
            own = own_names(self.frame, self.run.names) if self.own is None else self.own
            place = f"{self.frame.f_code.co_qualname}.<locals>."
            self.space = planning.Space(self.run.namespace, self.run.names, own, place)
        return self.space

    def check(self) -> Refusal | None:
        """Look at the objects and helpers that the loop reaches; None when it may be split."""
        try:
            finding = planning.check_loop(
                self.loop,
                self._look(),
                self.leaves if self.calls is None else [*self.leaves, planning.Leaf(self.calls.objects())],
                seeded=self.streams is not None,
                trusted=self.run.options.trust,
            )
        except Exception as error:
            return unreadable(self.plan.line, error)
        self.orders = finding.orders
        self.writes = finding.writes
        refusal = finding.refusal
        if self.calls is not None and refusal is not None and refusal.name == MAPPED:  # none of the cell's names
            what = "row" if self.calls.rows else "value"
            why = f"the function changes the {what} that it is given"
            refusal = dataclasses.replace(refusal, name="", why=why, instead="change a copy: x = x.copy()")
        return refusal

    def refuse(self, refusal: Refusal) -> None:
        """Note why the site stays, or goes on, in the kernel."""
        for name, value in _refused(self.plan, refusal).items():
            setattr(self.site, name, value)

    # -- phase 2: in the pool ----------------------------------------------------------------------------------------

    def pool(self) -> Iterator[Replay]:
        """Run what is left in the pool and yield its iterations in order; ends early for a rest in the kernel."""
        replays = self._in_pool()
        self.in_pool = weakref.ref(replays)
        return replays

    def leave(self) -> None:
        """A `break` or `return` ends the loop: the rest is called off, and an interrupt that came meanwhile is raised.

        Where a generator is closed because nobody holds it any more, nothing can be raised.
        """
        __tracebackhide__ = True
        replays = self.in_pool()
        if replays is not None:
            replays.close()
        if self.interrupts.pending:
            raise KeyboardInterrupt

    def _in_pool(self) -> Generator[Replay]:
        __tracebackhide__ = True
        if self.phase == _POOL and not self._pays_home():
            self.phase = _REST
        if self.phase != _POOL:
            return
        run = self.run
        self.interrupts = interrupts = _interrupts_set_flag(run)
        with interrupts, collector_spares_what_is_there():
            running: Running | None = None
            self.ledger = filing.Ledger()
            run.heed_resize()
            self.watch = worth.Watch(run.workers, self.stick) if run.options.probe else None
            try:
                running = self.running = run.engine.run(self._job(), self._feed(), self._tell, run.workers)
                yield from self._replays(running)
            except CodecError as error:
                why, _, instead = error.why.partition("; instead: ")
                code = "random" if SEEDED in instead else "unsendable"
                self.refuse(Refusal(code, self.plan.line, error.path, f"can't be sent: {why}", instead))
                self.phase = _REST
            except EngineLostError as error:  # what runs on a cluster may take the kernel days
                yield from self._cut_short(error)
            except MpnbError as error:  # the pool's own trouble must not cost the user the result
                self.refuse(Refusal("engine", self.plan.line, "", f"the pool failed: {error}"))
                self.phase = _REST
            except KeyboardInterrupt:
                run.interrupted = False  # it is seen to here
                yield from self._cut_short(KeyboardInterrupt())
            finally:
                broke = self.phase == _POOL  # or returned
                if broke:
                    self.phase = _DONE
                if self.phase == _DONE:
                    self._let_go()
                self.running = None
                if running is not None:
                    for outcome in running.close():
                        if outcome.error is None:
                            self._keep(outcome)
                self.site.parallel = bool(self.taken)
                if broke:
                    self.end()
        if interrupts.pending:
            if self.phase != _REST or not self.taken or not self.pulled:
                raise KeyboardInterrupt
            # What the iterations set comes from the first of the rest: then it is between two of them.
            self.pulled = deque([self.pulled[0]])
            self.pull_error = KeyboardInterrupt()

    def _tell(self, event: Event) -> None:
        """Pass an event on; while the pool works, a pending interrupt ends the wait that the event came from."""
        self.run.tell(event)
        if isinstance(event, BatchFinished) and self.watch is not None and not self.slower:
            self.watch.add(event)
            self.slower = self.watch.look()
        if self.run.asked is not None and self.running is not None:
            self.run.heed_resize(self.running)
            self.watch = worth.Watch(self.run.workers, self.stick) if self.watch is not None else None
        if self.run.interrupted and self.phase == _POOL:
            raise KeyboardInterrupt

    def _placed(self, error: WorkerDiedError) -> WorkerDiedError:
        """A worker's death in the words of the loop: which iteration of how many, and of what item."""
        total, item = self.total(), self.pulled[0]
        words = f"{error}" + (f" of {total}" if total is not None else "")
        words += f", item {_short(item)}" if type(item) in _SHOWN else ""
        placed = WorkerDiedError(words, iteration=error.iteration, exitcode=error.exitcode, peak_bytes=error.peak_bytes)
        return placed.with_traceback(error.__traceback__)

    def _replays(self, running: Running) -> Iterator[Replay]:
        """Hand outcomes on in order.

        What every iteration sets is sent home by the last one, and by long ones. So where there is such a name, the
        outcome of a short one is held back until the next one is there: should that one fail, the rest begins with the
        iteration before it, and the names are what a serial loop had set when it failed.
        """
        for outcome in running:
            if isinstance(outcome.error, WorkerDiedError):
                yield from self._cut_short(self._placed(outcome.error))
                return
            if outcome.error is not None:
                self._fall_back(outcome)
                return
            if self.writes and (clash := self.ledger.clash(outcome.index, outcome.effects)):
                self._fall_back(Outcome(outcome.index, [], "tripped", clash))
                self.site.code = "outside-effect"
                return
            self._keep(outcome)
            if not self.binds:  # the short way, for most loops
                yield self._taken(outcome)
            else:
                yield from self._held_back()
                self.held = outcome
                if self._is_whole(outcome):
                    yield from self._held_back()
            if self.run.interrupted:
                raise KeyboardInterrupt
        if self.slower and self.pulled:
            self._come_back()
            return
        yield from self._held_back()
        self.phase = _REST if self.pull_error is not None else _DONE
        if self.phase == _DONE:
            self._end_bars()

    def _come_back(self) -> None:
        """Go on in the kernel: what was sent has taken place, and nothing more was sent."""
        self.held = None  # what it sets has stayed in the worker: done again
        workers = self.run.workers
        self.site.reason = (
            f"went on in the kernel from iteration {self.index + 1}: "
            f"{workers} workers were slower than one ({self.slower})"
        )
        self.phase = _REST

    def _cut_short(self, error: BaseException) -> Iterator[Replay]:
        """End the loop with an error that no iteration raised, after the iteration that is held back.

        What it sets has stayed in the worker, so it takes place in the kernel once more.
        """
        if self.held is not None:
            self.held = None
            self.pulled = deque([self.pulled[0]])
            self.pull_error = error
            self.phase = _REST
            return
        self.phase = _DONE
        yield Replay(error=error)

    def _is_whole(self, outcome: Outcome) -> bool:
        """Tell whether an iteration sent home all that it sets: the loop may end after it."""
        numbers = {entry[0] for entry in outcome.effects}
        return numbers.issuperset(self.binds) or not _ENDS.isdisjoint(numbers)

    def _held_back(self) -> Iterator[Replay]:
        if self.held is not None:
            held, self.held = self.held, None
            yield self._taken(held)

    def _taken(self, outcome: Outcome) -> Replay:
        self._move_bars()
        self.taken += 1
        self.index = outcome.index + 1
        item = self.pulled.popleft()
        for entry in outcome.effects:
            if entry[0] in _ENDS:
                break
        else:
            return Replay(item, outcome.effects, outcome.index)
        ends = {entry[0]: entry[1:] for entry in outcome.effects if entry[0] in _ENDS}
        effects = [entry for entry in outcome.effects if entry[0] not in _ENDS]
        if planning.RETURN in ends:
            which, value = ends[planning.RETURN]
            return Replay(item, effects, outcome.index, returned=which, value=value)
        return Replay(item, effects, outcome.index, broke=planning.BREAK in ends)

    def _threads(self, task: types.FunctionType) -> blas.Threads:
        """The threads that a worker has to give to linear algebra, to have the kernel's last bits: under `--exact`.

        Without it the record is told where they differ, and the loop reaches linear algebra.
        """
        self.site.threads = None
        if not blas.is_loaded() or not (self.run.options.exact or planning.reaches_linear_algebra(task)):
            return ()
        here, there = blas.threads(), self.run.engine.threads
        other = [count for _, count in here if count != there]
        if self.run.options.exact:
            return here if other else ()
        if other:
            self.site.threads = max(other), there
        return ()

    def _job(self) -> Job:
        space = self.space
        self.task = planning.make_task(self.loop, self.filename, space)
        return Job(
            function=self.task,
            site=self.plan.number,
            first=self.index,
            expected_s=self.site.kernel_s / self.site.kernel_iterations if self.site.kernel_iterations else None,
            total=None if (total := self.total()) is None else total - self.index,
            orders=self.orders,
            files=self.writes,
            targets=tuple(planning.changed_objects(self.loop, space)),
            hidden=self.loop.sets - space.names,
            shared=self.loop.sets & space.names,
            streams=self.streams,
            chunk=self.run.options.chunk,
            threads=self._threads(self.task),
            modules=self.modules,
        )

    def _feed(self) -> Iterator[tuple[Any, bool | IfLong]]:
        """Pull the items, each with whether it is the last one; they are kept until their effects have taken place.

        Ends early where the workers are no faster than the kernel, which goes on with what was pulled last.
        """
        between = IfLong(self.binds) if self.binds and self.trial is None else False
        more = self._pull()
        while more and not self.slower:
            item = self.pulled[-1]
            more = self._pull()
            yield item, between if more else True

    def _pull(self) -> bool:
        """Pull one item; False at the end, or where the iterable raised (raised again when the loop gets there)."""
        try:
            self.pulled.append(next(self.iterator))
        except StopIteration:
            return False
        except Exception as error:  # the user's, whatever it is
            self.pull_error = error
            return False
        return True

    def _keep(self, outcome: Outcome) -> None:
        """Keep what an iteration gave, for `finished`, should the run be cut short."""
        self.kept_bytes += outcome.nbytes
        if self.kept_bytes > KEPT_BYTES and self.loop.kind == "for" and outcome.index < self.index:
            return
        self.run.record.finished[outcome.index] = _given(outcome.effects, self.loop)

    def _fall_back(self, outcome: Outcome) -> None:
        """Do an iteration that a worker can't do, or that raised there, in the kernel, and all after it."""
        if outcome.kind != "raised":
            why = f"from iteration {outcome.index + 1} on in the kernel: {outcome.error}"
            self.site.reason = why if self.taken else str(outcome.error)
            self.site.code = "unsendable" if outcome.kind == "unsendable" else "hidden-state"
            if SEEDED in str(outcome.error):
                self.site.code = "random"
        elif not self.taken:
            self.site.reason = f"its first iteration raised an error in a worker and ran here instead: {outcome.error}"
        self.phase = _REST

    def replaying(self, replay: Replay) -> _Replaying:
        """Where an effect raises when it is redone, set the names that the iteration had set by then."""
        return _Replaying(self, replay)

    def mend(self, replay: Replay, failed: object) -> None:
        """Run the iteration before again for the names it set, and the failed one up to the effect that failed.

        `mended` then says what they must be.

        Iterations change nothing but through their effects, so they can be run again here; what they print is dropped,
        and what they do to files, which is done, is kept back. What they gave once has taken effect already: a name for
        the same thing is one for that.
        """
        names = {effect.number: effect.target for effect in self.loop.effects if effect.form == "bind"}
        task = self.task
        assert task is not None
        own = [entry for entry in replay.effects if entry[0] >= 0]
        place = next((n for n, entry in enumerate(own) if entry is failed), None)
        streams = self.streams if self.streams is not None else Streams(0, 0, 0)
        again = drafts.kept_back if self.writes else nullcontext
        with suppress(Exception, Tripped), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), streams:
            if self.before is not None:
                effects: Effects = []
                streams.start(self.before.index)
                with again():
                    task((self.before.item, True), effects)
                given = _given_once(self.before.effects, [entry for entry in effects if entry[0] not in names])
                self.mended.update({names[e[0]]: given.get(id(e[1]), e[1]) for e in effects if e[0] in names})
            if place is not None:
                streams.start(replay.index)
                reached = _Until(place)
                with suppress(_Reached), again():
                    task((replay.item, False), reached)
                given = _given_once(own, reached)
                kept = {name: reached.names[name] for name in self.loop.temporaries & reached.names.keys()}
                self.mended.update({name: given.get(id(value), value) for name, value in kept.items()})

    # -- phase 3: a rest in the kernel -------------------------------------------------------------------------------

    def rest(self) -> Iterator[Any]:
        """Items whose iterations the pool has not done, in order; a comprehension's pool part runs before them."""
        __tracebackhide__ = True
        if self.loop.kind in {"list", "set", "dict"}:
            for entry in self._entries():
                self._collect(entry)
        return self._left()

    def _left(self) -> Iterator[Any]:
        __tracebackhide__ = True
        if self.phase != _REST:
            self.end()
            return
        self.phase = _DONE
        first, began = self.index, time.perf_counter()
        self.in_rest = True
        streams = self.streams if self.streams is not None else Streams(0, 0, 0)
        try:
            streams.enter()
            if self.pulled and self.taken and self.binds:
                # What iterations in the pool set is not here: this one sets it, so an interrupt waits for its end.
                with _interrupts_set_flag(self.run) as interrupts:
                    yield self._next_pulled(streams)
                    self.index += 1
                if interrupts.pending:
                    self.in_rest = False
                    raise KeyboardInterrupt
            while self.pulled:
                yield self._next_pulled(streams)
                self.index += 1
            if self.pull_error is not None:
                self.in_rest = False
                self._end_bars(self.pull_error)
                raise self.pull_error
            for item in self._moving(self.iterator):
                self.item = item
                streams.start(self.index)
                yield item
                self.index += 1
            self.in_rest = False
        finally:
            streams.leave()
            if not self.in_rest:  # or it ended under an iteration: `note` says in which
                self.item = None
            self._let_go()
            now = time.perf_counter()
            count = self.index - first
            self.run.record.add(KernelRan(at=now, site=self.plan.number, first=first, count=count, seconds=now - began))
            self.end()

    def _next_pulled(self, streams: Streams) -> Any:
        self.item = self.pulled.popleft()
        streams.start(self.index)
        self._move_bars()
        return self.item

    def note(self, error: Exception) -> None:
        """Say in which iteration an exception was raised, where one of the rest was running."""
        if not self.in_rest:
            return
        self.in_rest = False
        total = self.total()
        where = f"in iteration {self.index + 1}" + (f" of {total}" if total is not None else "")
        item, self.item = self.item, None
        error.add_note(f"{where}, item {_short(item)}" if type(item) in _SHOWN else where)

    # -- comprehensions ----------------------------------------------------------------------------------------------

    def made(self, head: _Made) -> _Made:
        """Note what a comprehension has made in the kernel: what comes from the pool goes there."""
        self.head = head
        if self.trial is not None:
            self.trial.made(head, _Names(self.space))
        return head

    def add(self, value: object) -> None:
        """Add an element to a set comprehension's set."""
        self.head.add(value)

    def _collect(self, entry: tuple[Any, ...]) -> None:
        match self.loop.kind:
            case "list":
                self.head.append(entry[1])
            case "set":
                self.head.add(entry[1])
            case _:
                self.head[entry[1]] = entry[2]

    def collect_list(self, head: list[Any], rest: list[Any]) -> list[Any]:
        """A list comprehension: `head` with what `rest()` has added from the pool, and `rest` from the kernel."""
        head.extend(rest)
        return head

    def collect_set(self, head: set[Any], _rest: set[Any]) -> set[Any]:
        """A set comprehension; its rest has been added already, one by one."""
        return head

    def collect_dict(self, head: dict[Any, Any], rest: dict[Any, Any]) -> dict[Any, Any]:
        """A dict comprehension; see `collect_list`."""
        head.update(rest)
        return head

    def collect_generator(self, head: Iterator[Any], rest: Iterator[Any]) -> Iterator[Any]:
        """A generator expression or map that is used up at once: everything when it is asked for."""
        if self.trial is not None:
            head = self.trial.watched(head, _Names(self.space))
        return itertools.chain(head, self._behind(rest))  # for tiny ones a generator around it would be half the time

    def _behind(self, rest: Iterator[Any]) -> Iterator[Any]:
        __tracebackhide__ = True
        if self.phase == _KERNEL:  # it ended by itself: a StopIteration inside map()
            return
        for result in self._entries():
            yield result[1]
        yield from rest

    def _entries(self) -> Iterator[tuple[Any, ...]]:
        """The results of the pool's iterations; what they printed is shown on the way."""
        __tracebackhide__ = True
        for replay in self.pool():
            if replay.error is not None:
                raise replay.error
            for effect in replay.effects:
                if effect[0] == 0:
                    yield effect
                else:
                    self.run.show(effect)

    def end(self) -> None:
        """The site is over, or the cell is."""
        self.leave_calls()
        self._end_trial()
        if self.opened:
            self.opened = False
            self.run.record.add(SiteEnded(at=time.perf_counter(), site=self.plan.number, iterations=self.index))
            self._let_go()
            self.frame = self.own = None
            self.space = planning.Space(self.run.namespace, self.run.names)

    def forget(self) -> None:
        """Let go of everything of the user's."""
        self.leave_streams()
        self.streams = None
        self.leaves = []
        self.held = self.before = None
        self.head = self.item = None
        self.pulled.clear()
        self.mended = {}
        self.task = None


class _Names(Mapping[str, Any]):
    """The names of a space as a mapping, as they are when they are looked up."""

    def __init__(self, space: planning.Space) -> None:
        self.space = space

    def __getitem__(self, name: str) -> Any:
        return self.space[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self.space

    def __iter__(self) -> Iterator[str]:
        return iter(self.space.globals)

    def __len__(self) -> int:
        return len(self.space.globals)


class _Alone:
    """How many hold a thing that nobody else holds, as it looks from inside `SiteRun.leaf`."""

    def leaf(self, iterable: Any, _name: str | None) -> int:
        """Count them, in the same place."""
        return sys.getrefcount(iterable)


ALONE: Final = _Alone().leaf(iter(()), None)


class _Reached(BaseException):
    """The effect that an iteration was to be run up to."""


class _Until(Effects):
    """Takes effects up to one of them, and then ends the iteration, keeping its names."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place
        self.names: dict[str, Any] = {}

    def append(self, entry: tuple[Any, ...]) -> None:
        if len(self) == self.place:
            self.names = dict(sys._getframe(1).f_locals)  # noqa: SLF001 -- the task's own variables
            raise _Reached
        super().append(entry)


def _given_once(first: Effects, again: Effects) -> dict[int, Any]:
    """What stands in the effects of an iteration that is run again, by id, and what its first run gave in its place."""
    own = [entry for entry in first if entry[0] >= 0]
    pairs = itertools.chain.from_iterable(map(zip, own, again))
    return {id(two): one for one, two in pairs}


def _given(effects: Effects, loop: Loop) -> object:
    """What an iteration gave, for a person to read: a comprehension's element, or a loop's changes as pairs."""
    if loop.kind != "for":
        if len(effects) == 1 and effects[0][0] == 0 and len(effects[0]) == 2:
            return effects[0][1]
        values = [entry[1] if len(entry) == 2 else entry[1:] for entry in effects if entry[0] == 0]
        return values[0] if len(values) == 1 else values
    names = {e.number: f"{e.target}.{e.form}" for e in loop.effects if e.form != "bind"}
    return [(names[entry[0]], *entry[1:]) for entry in effects if entry[0] in names]


#: Types of things whose iterators tell how far they are, with the types of those iterators.
COUNTING: Final = {(list, type(iter([]))), (tuple, type(iter(()))), (range, type(iter(range(0))))}
#: Types of items that are shown in a note: others may be large, or run the user's code to be shown.
_SHOWN: Final = frozenset({int, float, str, bytes, bool, complex, type(None), type(Path())})


def _short(item: object) -> str:
    text = repr(item)
    return text if len(text) <= 60 else text[:59] + "…"


#: Comprehensions that Python makes a part of the function, from 3.12 on: while one runs, a name of the function's may
#: have another thing in its place, and looking at that crashes Python 3.13. So the names are taken before.
INLINED: Final = frozenset({"list", "set", "dict"})


def own_names(frame: types.FrameType, names: frozenset[str]) -> dict[str, Any]:
    """What those of a running function's names mean that are bound now."""
    found = frame.f_locals
    own = {name: found[name] for name in names if name in found}
    if isinstance(found, dict):  # up to Python 3.12 a copy, which would keep objects alive until the function ends
        found.clear()
    return own


def _refused(plan: SitePlan, refusal: Refusal | None) -> dict[str, Any]:
    """What a site's record says of a refusal."""
    if refusal is None:
        return {}
    at = None if refusal.column is None else (refusal.line, refusal.column)
    return {
        "code": refusal.code,
        "reason": refusal.told((plan.line, plan.column)),
        "refused_at": at,
        "conflict": refusal.other,
    }


def _refused_error(refusal: Refusal) -> RefusedError:
    where = f"line {refusal.line}" if refusal.column is None else place((refusal.line, refusal.column))
    why = refusal.told((refusal.line, refusal.column or 0))
    return RefusedError(f"{why if where in why else f'{where}: {why}'} [{refusal.code}]")


class _interrupts_set_flag:  # noqa: N801 -- reads as a clause: with _interrupts_set_flag(run)
    """While the pool works, an interrupt only sets a flag that is tested between iterations; a second one raises."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.before: Any = None
        self.active = False
        self.pending = False  # at the end: one came after the flag was tested for the last time

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self.before = signal.signal(signal.SIGINT, self._on_signal)
            self.active = True
        return self

    def __exit__(self, *_: object) -> None:
        self.active = False
        # Generators may be closed in any order: a handler of one that has ended is never put back.
        now = signal.getsignal(signal.SIGINT)
        while isinstance(owner := getattr(now, "__self__", None), _interrupts_set_flag) and not owner.active:
            now = owner.before
        if self.before is not None:
            signal.signal(signal.SIGINT, now)
        self.pending, self.run.interrupted = self.run.interrupted, False

    def _on_signal(self, _number: int, _frame: types.FrameType | None) -> None:
        if self.run.interrupted:
            raise KeyboardInterrupt
        self.run.interrupted = True


_sessions: list[Session] = []
_starting = threading.Lock()  # the pool may be on its way in another thread


def current() -> Session:
    """The notebook's session; waits for an engine that is on its way."""
    with _starting:
        if not _sessions:
            if notebook.engine is None:
                msg = "mpnb is not loaded: run %load_ext mpnb first"
                raise MpnbError(msg)
            _sessions.append(Session(notebook.engine()))
        return _sessions[0]


def last_run() -> Record | None:
    """The record of the last `%%parallel` cell, None before the first one.

    Its `sites` are the loops and comprehensions of the cell, each with `line`, `parallel`, `reason`, and for split
    ones `iterations`, `wall_s`, `speedup` and `speedup_measured`. `finished` holds what the iterations gave that had
    finished when a run was cut short: {iteration, counted from 0: a comprehension's element, or a loop's changes}.

    Examples
    --------
    >>> import mpnb
    >>> run = mpnb.last_run()
    >>> run is None or run.status in {"running", "finished", "failed", "stopped"}
    True
    """
    return _sessions[0].last if _sessions else None
