"""A cell, or a call of a function, whose loops are all short so far: they run here, and next to nothing is kept.

The first loop that takes so long that the pool may pay gets it its run (`session.Run`), and goes on as a site of that
one. So a function that is called very often with little to do costs microseconds more than without mpnb.
"""

from __future__ import annotations

import itertools
import operator
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FrameType
from typing import Any

from mpnb import session as sessions
from mpnb import worth
from mpnb.applied import why_plain
from mpnb.events import KernelRan, RunEnded, SiteEnded, SiteStarted
from mpnb.plan import Leaf, check_consumers, is_bar, length
from mpnb.plan.types import CellPlan, Refusal
from mpnb.record import Record
from mpnb.serial import Serial
from mpnb.session import Options, Run, Session, SiteRun


class Brief(Serial):
    """What the rewritten code speaks to until one of its loops takes long.

    Parameters
    ----------
    session
        Where it counts among what is running, from the caller's `session.running.append` to `end`.
    cell, names, options
        The plan, the names that are a function's own, and what the run is begun with.
    begin_run
        Begins the run.
    """

    __slots__ = ("_cell", "begin_run", "loops", "names", "options", "run", "session", "status")

    def __init__(
        self,
        session: Session,
        cell: CellPlan | None,
        names: frozenset[str],
        options: Options,
        begin_run: Callable[[], Run],
    ) -> None:
        self.session = session
        self._cell = cell
        self.names = names
        self.options = options
        self.begin_run = begin_run
        self.loops: dict[int, Short] = {}
        self.run: Run | None = None
        self.status = "finished"

    @property
    def planned(self) -> bool:
        """Whether there is a plan yet."""
        return self._cell is not None

    @property
    def cell(self) -> CellPlan:
        """The plan."""
        assert self._cell is not None
        return self._cell

    def everyone(self) -> list[Short]:
        """The loops that have been reached and are sites."""
        return list(self.loops.values())

    def end(self, status: str) -> None:
        """The cell or call is over; its record is made when somebody asks for it."""
        if self in self.session.running:
            self.session.running.remove(self)
        if self.run is not None:
            self.run.end(status)
            return
        self.status = status
        for loop in self.loops.values():
            loop.let_go()
        self.session.last = self._record

    def is_looping(self) -> bool:
        """Tell whether iterations of a site are running."""
        looping = any(loop.opened for loop in self.loops.values())
        return looping or (self.run is not None and self.run.is_looping())

    def open(self, number: int) -> Any:
        """A site is reached; one of the run's, once there is one."""
        frame = sys._getframe(1)  # noqa: SLF001 -- the cell's or function's own
        loop = self.at(number)
        if isinstance(loop, Short):
            if self.run is not None:
                loop.site = self.run.sites[number]
                return self.run.open(number, frame)
            loop.frame = frame
            loop.leaves = []
            if self.names and self.cell.sites[number].kind in sessions.INLINED:
                loop.own = sessions.own_names(frame, self.names)
            return loop
        assert self.run is not None
        return self.run.open(number, frame)

    def at(self, number: int) -> Any:
        """The site that is under way."""
        loop = self.loops.get(number)
        if loop is None:
            loop = self.loops[number] = Short(self, number)
        return loop if loop.site is None else loop.site

    def knows(self, number: int, *called: tuple[str, object]) -> bool:  # type: ignore[override]
        """Tell whether the functions around a site are the library's that go through what they are given at once."""
        if self.run is not None:
            return self.run.knows(number, *called)
        refusal = check_consumers(self.cell.sites[number], called)
        if refusal is not None:
            self.at(number).refusal = refusal
        return refusal is None

    def owner(  # type: ignore[override]
        self, number: int, thing: Any, method: str, *, rows: bool, skips: bool
    ) -> Any:
        """Note whose `apply` or `map` is about to be called; where it is pandas', there is a run from now on."""
        short = self.at(number)
        if isinstance(short, Short):
            why = why_plain(thing, method, rows=rows)
            if why:
                short.refusal = Refusal("unknown-call", self.cell.sites[number].line, method, why)
                return thing
            short.begin()  # a call of pandas' takes as long as that
        assert self.run is not None
        frame = sys._getframe(1)  # noqa: SLF001 -- as in `open`
        return self.run.owner(number, thing, method, rows=rows, skips=skips, frame=frame)

    def noting(self) -> Any:
        """Around statements of the user's: as the run has it, if there is one at their end."""
        return _Noting(self)

    @staticmethod
    def show(entry: tuple[Any, ...]) -> None:
        """Replay what an iteration printed, or warned of."""
        __tracebackhide__ = True
        Run.show(entry)

    def begin(self) -> Run:
        """Begin the run, and tell it of the loops that have run already."""
        run = self.run = self.begin_run()
        for loop in self.everyone():
            loop.tell(run)
        return run

    def _record(self) -> Record:
        """The record of what never needed a run."""
        run = Run(self.session, self.cell, {}, self.options, [], self.names)
        for loop in self.everyone():
            loop.tell(run)
        run.record.add(RunEnded(at=time.perf_counter(), status=self.status))
        return run.record


class _Noting:
    """What `Run.noting` gives, for what may get its run before the statements end."""

    __slots__ = ("brief",)

    def __init__(self, brief: Brief) -> None:
        self.brief = brief

    def __enter__(self) -> None:
        pass

    def __exit__(self, *how: object) -> None:
        if self.brief.run is not None:
            self.brief.run.noting().__exit__(*how)  # type: ignore[arg-type]


class Short(Serial):
    """A site that has not taken long, and goes on as the run's where it does."""

    __slots__ = (
        "began", "brief", "count", "frame", "leaves", "number", "opened", "own", "passes", "refusal", "seconds", "site",
        "through",
    )  # fmt: skip

    def __init__(self, brief: Brief, number: int) -> None:
        self.brief = brief
        self.number = number
        self.site: SiteRun | None = None
        self.refusal: Refusal | None = None
        self.frame: FrameType | None = None
        self.own: Mapping[str, Any] | None = None
        self.leaves: list[Leaf] = []
        self.opened = self.through = False
        self.began = self.seconds = 0.0  # when it began first, and what all passes took
        self.passes = self.count = 0

    def leaf(self, iterable: Any, name: str | None = None) -> Any:  # type: ignore[override]
        """Note what is really looped over; a progress bar is the run's from the beginning."""
        if self.site is not None:
            return self.site.leaf(iterable, name)
        if is_bar(iterable):
            site = self._site()
            site.leaves += self.leaves
            return site.leaf(iterable, name)
        self.leaves.append(Leaf(iterable, name, name is None and sys.getrefcount(iterable) <= sessions.ALONE))
        return iterable

    def items(self, iterable: Any) -> Any:  # type: ignore[override]
        """What the loop runs over in the kernel."""
        __tracebackhide__ = True
        if self.site is not None:
            return self.site.items(iterable)
        return itertools.chain.from_iterable(self._batches(iter(iterable)))

    def _batches(self, iterator: Iterator[Any]) -> Iterator[Iterator[Any]]:
        """The items in batches that Python takes apart by itself; when it has taken long, those of the run's site."""
        __tracebackhide__ = True
        clock = time.perf_counter
        counted, done = self._counted(iterator)
        count, size = 0, 1
        then = began = clock()
        patience = worth.PROBE_S
        deadline = began + patience
        self.opened = True
        try:
            while True:
                yield itertools.islice(counted, size)
                now = clock()
                taken = done()
                ended, count = taken < count + size, taken
                if ended:
                    break
                total = self.total() if now - began >= worth.BATCH_S else None
                if worth.is_tail(now - began, count, total):
                    yield counted
                    break
                if now >= deadline:
                    if self._may_pay(now - began, count, total):
                        yield self.go_on(iterator, count, began)
                        break
                    patience *= 2
                    deadline = now + patience
                size = worth.next_batch(size, now - then)
                then = now
            self.through = True
        finally:
            self.opened = False
            if self.site is None:
                self.leaves = []  # what the loop ran over may be the last to hold a file or a generator
                self.began = self.began or began
                self.seconds += clock() - began
                self.count += max(count, done())
                self.passes += 1

    def _counted(self, iterator: Iterator[Any]) -> tuple[Iterator[Any], Callable[[], int]]:
        """The items, and what tells how many of them have been taken."""
        thing: Any = self.leaves[0].thing if len(self.leaves) == 1 else None
        if (type(thing), type(iterator)) in sessions.COUNTING:  # it knows; for a tiny loop that is much
            return iterator, lambda: len(thing) - operator.length_hint(iterator)
        counter = itertools.count(1)
        calls = itertools.count()  # asking takes one of the counter's numbers
        return itertools.compress(iterator, counter), lambda: next(counter) - 1 - next(calls)

    def total(self) -> int | None:
        """How many iterations there will be, as far as the iterables tell."""
        lengths = [length(leaf.thing) for leaf in self.leaves]
        known = [each for each in lengths if each is not None]
        return min(known) if known and len(known) == len(lengths) else None

    def _may_pay(self, seconds: float, count: int, total: int | None) -> bool:
        """Tell by time alone whether it is worth a look, which costs some 0.1 ms."""
        options = self.brief.options
        workers = options.workers or (options.engine or self.brief.session.engine).workers
        left = count if total is None else total - count
        verdict = worth.judge(worth.Figures(seconds / count, left, workers))
        return verdict.pays or bool(verdict.reason)

    def go_on(self, iterator: Iterator[Any], count: int, began: float) -> Iterator[Any]:
        """What is left of a loop that takes long."""
        return self._site().go_on(iterator, self.leaves, count, began)

    def _site(self) -> SiteRun:
        """Go on as a site of the run."""
        run = self.brief.run or self.brief.begin()
        self.site = run.open(self.number, self.frame, self.own)
        self.frame = self.own = None
        return self.site

    def begin(self) -> None:
        """Be a site of the run from now on, which has not been reached yet."""
        run = self.brief.run or self.brief.begin()
        self.site = run.sites[self.number]

    def let_go(self) -> None:
        """Hold nothing of the user's any more."""
        self.leaves = []
        self.frame = self.own = None

    def tell(self, run: Run) -> None:
        """Tell a run's record what the loop did before there was a run."""
        if self.refusal is not None:
            run.sites[self.number].refuse(self.refusal)
        if self.passes:
            number, end = self.number, self.began + self.seconds
            run.record.add(SiteStarted(at=self.began, site=number, total=None))
            run.record.add(KernelRan(at=end, site=number, first=0, count=self.count, seconds=self.seconds))
            run.record.add(SiteEnded(at=end, site=number, iterations=self.count))

    def rest(self) -> Iterator[Any]:  # type: ignore[override]
        """What the pool has left; asked when the loop's first part has ended."""
        __tracebackhide__ = True
        if self.site is not None:
            yield from self.site.rest()

    def applied(self, result: Any) -> Any:
        """Pandas is through."""
        return result if self.site is None else self.site.applied(result)

    def made(self, head: Any) -> Any:
        """What a comprehension has made in the kernel."""
        return head if self.site is None else self.site.made(head)

    def collect_list(self, head: Any, rest: Iterable[Any]) -> Any:  # type: ignore[override]
        """The whole of a comprehension."""
        return head if self.site is None else self.site.collect_list(head, rest)  # type: ignore[arg-type]

    def collect_set(self, head: Any, rest: Iterable[Any]) -> Any:
        """See `collect_list`."""
        return head if self.site is None else self.site.collect_set(head, rest)  # type: ignore[arg-type]

    def collect_dict(self, head: Any, rest: Iterable[Any]) -> Any:
        """See `collect_list`."""
        return head if self.site is None else self.site.collect_dict(head, rest)  # type: ignore[arg-type]

    def collect_generator(self, head: Iterator[Any], rest: Iterator[Any]) -> Iterator[Any]:  # type: ignore[override]
        """A generator expression that is used up at once."""
        return itertools.chain(head, self._behind(rest))

    def _behind(self, rest: Iterator[Any]) -> Iterator[Any]:
        __tracebackhide__ = True
        if self.site is not None:
            yield from self.site.collect_generator(iter(()), rest)
