"""A cell, or a call of a function, whose loops are all short so far: they run here, and next to nothing is kept.

The first loop that takes long gets it its run (`session.Run`), and goes on as a site of that one. So a cell in which
nothing pays, and a function that is called very often with little to do, cost microseconds more than without mpnb.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FrameType
from typing import Any, Final

from mpnb import session as sessions
from mpnb import worth
from mpnb.applied import why_plain
from mpnb.events import KernelRan, RunEnded, SiteEnded, SiteStarted
from mpnb.plan import Leaf, check_consumers, is_bar
from mpnb.plan.types import CellPlan, Refusal
from mpnb.record import Record
from mpnb.serial import Serial
from mpnb.session import Options, Run, Session, SiteRun

#: Seconds that a loop takes before there is a run, which costs some 0.1 ms.
SHORT_S: Final = 0.001


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

    __slots__ = ("begin_run", "cell", "loops", "names", "options", "run", "session", "status")

    def __init__(
        self,
        session: Session,
        cell: CellPlan,
        names: frozenset[str],
        options: Options,
        begin_run: Callable[[], Run],
    ) -> None:
        self.session = session
        self.cell = cell
        self.names = names
        self.options = options
        self.begin_run = begin_run
        self.loops: dict[int, _Short] = {}
        self.run: Run | None = None
        self.status = "finished"

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
        if isinstance(loop, _Short):
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
            loop = self.loops[number] = _Short(self, number)
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
        if isinstance(short, _Short):
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
        for loop in self.loops.values():
            loop.tell(run)
        return run

    def _record(self) -> Record:
        """The record of what never needed a run."""
        run = Run(self.session, self.cell, {}, self.options, [], self.names)
        for loop in self.loops.values():
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


class _Short(Serial):
    """A site that has not taken long, and goes on as the run's where it does."""

    __slots__ = (
        "began", "brief", "count", "frame", "leaves", "number", "opened", "own", "passes", "refusal", "seconds", "site",
    )  # fmt: skip

    def __init__(self, brief: Brief, number: int) -> None:
        self.brief = brief
        self.number = number
        self.site: SiteRun | None = None
        self.refusal: Refusal | None = None
        self.frame: FrameType | None = None
        self.own: Mapping[str, Any] | None = None
        self.leaves: list[Leaf] = []
        self.opened = False
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
        counter = itertools.count(1)
        counted = itertools.compress(iterator, counter)
        count, asked, size = 0, 0, 1
        then = began = clock()
        self.opened = True
        try:
            while True:
                yield itertools.islice(counted, size)
                now = clock()
                taken = next(counter) - 1 - asked
                asked += 1
                ended, count = taken < count + size, taken
                if ended:
                    return
                if now - began >= SHORT_S:
                    site = self._site()
                    yield site.go_on(iterator, self.leaves, count, began)
                    return
                size = worth.next_batch(size, now - then)
                then = now
        finally:
            self.opened = False
            if self.site is None:
                self.began = self.began or began
                self.seconds += clock() - began
                self.count += max(count, next(counter) - 1 - asked)
                self.passes += 1

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
        __tracebackhide__ = True
        yield from head
        if self.site is not None:
            yield from self.site.collect_generator(iter(()), rest)
