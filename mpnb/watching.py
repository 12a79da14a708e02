"""A cell under `%parallel on`, which is planned when one of its loops takes long; that one goes on as a site.

What a watched cell (`plan.watched`) calls `_mpnb`.
"""

from __future__ import annotations

import ast
import itertools
import sys
import warnings
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final

from mpnb import session as sessions
from mpnb.brief import Brief, Short
from mpnb.plan import CellPlan, Leaf, Place, SitePlan, WatchedCell, check_consumers, is_bar, left_of, read_cell, rest_of
from mpnb.session import Options, Run, Session, SiteRun

#: Iterations of a loop that are so many that loops inside the first one need not be split.
MANY: Final = 16


class Watching(Brief):
    """What a watched cell speaks to.

    Parameters
    ----------
    session, options
        As for `Brief`.
    watched
        The cell.
    evaluate
        Gives the value of an expression in the cell, compiled as a part of the file that is named.
    begin_run
        Begins the run of the plan.
    """

    __slots__ = ("evaluate", "seen", "watched")

    def __init__(
        self,
        session: Session,
        options: Options,
        watched: WatchedCell,
        evaluate: Callable[[ast.expr, str], Any],
        begin_run: Callable[[CellPlan], Run],
    ) -> None:
        super().__init__(session, None, frozenset(), options, lambda: begin_run(self.cell))
        self.watched = watched
        self.evaluate = evaluate
        self.seen: dict[int, _Watched] = {}

    @property
    def cell(self) -> CellPlan:
        """The plan, made when it is asked for."""
        if self._cell is None:
            try:
                self._cell = read_cell(self.watched.written)
            except Exception as error:  # a hole in the planning must not cost the user the loop
                why = f"[mpnb] this cell runs serially, for planning it failed: {error!r}"
                warnings.warn(why, RuntimeWarning, stacklevel=2)
                self._cell = CellPlan(self.watched.written, [])
        return self._cell

    def everyone(self) -> list[Short]:
        """The loops that have been reached and are sites; those of the cell's own statements, and those inside."""
        own = [loop for loop in self.seen.values() if loop.plan is not None]
        return [*own, *(loop for loop in self.loops.values() if loop not in own)]

    def is_looping(self) -> bool:
        """Tell whether iterations of a site are running."""
        looping = any(loop.opened and loop.can_be_split for loop in self.seen.values())
        return looping or super().is_looping()

    def end(self, status: str) -> None:
        """The cell is over."""
        for loop in self.seen.values():
            loop.let_go()
        super().end(status)

    # -- called by the watched cell ----------------------------------------------------------------------------------

    def note(self, number: int, iterable: Any, name: str | None) -> Any:
        """Note what is really looped over."""
        alone = name is None and sys.getrefcount(iterable) <= sessions.ALONE
        return self._at(number).noted(Leaf(iterable, name, alone))

    def watch(self, number: int, iterable: Any, name: str | None) -> Any:
        """What a loop runs over; as `watch_all`, where it is not wrapped."""
        __tracebackhide__ = True
        loop = self._at(number)
        alone = name is None and sys.getrefcount(iterable) <= sessions.ALONE
        return self._watch(loop, loop.noted(Leaf(iterable, name, alone)))

    def watch_all(self, number: int, iterable: Any) -> Any:
        """What a loop runs over, of which the parts are noted."""
        __tracebackhide__ = True
        return self._watch(self._at(number), iterable)

    @staticmethod
    def _watch(loop: _Watched, iterable: Any) -> Any:
        __tracebackhide__ = True
        loop.frame = sys._getframe(2)  # noqa: SLF001 -- the cell's: its file is in tracebacks
        kind = type(iterable)
        if not hasattr(kind, "__iter__") and not hasattr(kind, "__getitem__"):
            return iterable  # the loop itself says that it can't be looped over
        return loop.items(iterable)

    def uses_up(self, number: int, *called: tuple[str, object]) -> bool:
        """Tell whether the functions around a loop are the library's that go through what they are given at once."""
        loop = self._at(number)
        loop.refusal = check_consumers(loop.place.as_site(), called)
        return loop.refusal is None

    def is_through(self, number: int) -> bool:
        """Tell whether a `for` has ended, and not by a `break`."""
        return self._at(number).through

    def left(self, number: int) -> Iterator[Any]:
        """What is left of a loop that stays serial."""
        return self._at(number).left

    def whole(self, number: int, head: Any) -> Any:
        """A comprehension, of which the kernel has made the first part or all."""
        __tracebackhide__ = True
        loop = self._at(number)
        if loop.site is None:
            return head
        with self.noting(), _as_one(loop.site.filename):
            loop.site.made(head)
            return getattr(loop.site, f"collect_{loop.place.kind}")(head, loop.rest_made())

    def chained(self, number: int, head: Iterator[Any]) -> Iterator[Any]:
        """A generator expression that is used up at once."""
        return itertools.chain(head, self._behind(number))

    def _behind(self, number: int) -> Iterator[Any]:
        __tracebackhide__ = True
        loop = self._at(number)
        if loop.site is not None:
            with self.noting():
                yield from loop.site.collect_generator(iter(()), loop.rest_made())

    def _at(self, number: int) -> _Watched:
        loop = self.seen.get(number)
        if loop is None:
            loop = self.seen[number] = _Watched(self, self.watched.places[number])
        return loop


class _as_one:  # noqa: N801 -- reads as a clause: with _as_one(filename)
    """Around the rest of a comprehension: in a traceback it is no cell of its own, but a part of the one around it."""

    def __init__(self, filename: str) -> None:
        self.filename = filename

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, _error: object, trace: TracebackType | None) -> None:
        made = trace
        while made is not None and made.tb_next is not None and self._is_between(made):
            made = made.tb_next
        if trace is not None and made is not trace:
            trace.tb_next = made

    def _is_between(self, trace: TracebackType) -> bool:
        code = trace.tb_frame.f_code
        evaluated = code.co_name == "<module>" and code.co_filename == self.filename
        return evaluated or code.co_filename.startswith(sessions.HOUSE)


class _Watched(Short):
    """A loop that has not taken long; what the plan says of it is asked when it does."""

    __slots__ = ("left", "place", "watching")

    def __init__(self, watching: Watching, place: Place) -> None:
        super().__init__(watching, -1)
        self.watching = watching
        self.place = place
        self.left: Iterator[Any] = iter(())

    @property
    def plan(self) -> SitePlan | None:
        """What it is by the cell's plan; None where it is no site."""
        plan = self.place.site(self.watching.cell)
        if plan is not None:
            self.number = plan.number
        return plan

    @property
    def can_be_split(self) -> bool:
        """Whether it can be split as far as the cell's text tells."""
        return (plan := self.plan) is not None and plan.loop is not None

    def noted(self, leaf: Leaf) -> Any:
        """Note what is really looped over; a progress bar is the run's from the beginning."""
        if self.site is None and is_bar(leaf.thing) and self.can_be_split:
            self._site().leaves += self.leaves
        if self.site is not None:
            return self.site.leaf(leaf.thing, leaf.name)
        self.leaves.append(leaf)
        return leaf.thing

    def items(self, iterable: Any) -> Any:  # type: ignore[override]
        """What the loop runs over in the kernel."""
        __tracebackhide__ = True
        if self.site is not None:
            return itertools.chain(self.site.items(iterable), self._passed())
        if self.place.holds_others and not self._has_many() and not self.can_be_split:
            return itertools.chain(self.go_on(iter(iterable), 0, 0.0), self._passed())
        return super().items(iterable)

    def _has_many(self) -> bool:
        """Tell whether there are so many iterations that the first one is next to nothing of them."""
        total = self.total()
        return total is not None and total >= MANY

    def _passed(self) -> Iterator[Any]:
        self.through = True
        yield from ()

    def go_on(self, iterator: Iterator[Any], count: int, began: float) -> Iterator[Any]:
        """What is left of a loop that takes long: as its plan says."""
        if self.can_be_split:
            return super().go_on(iterator, count, began)
        self.opened = False
        self.leaves = []
        rewritten = self._rewritten()
        if self.place.behind is None or rewritten is self.place.node:
            return iterator
        assert isinstance(rewritten, ast.For)
        self.left = iterator
        self.place.put_behind(left_of(rewritten, self.place))
        return iter(())

    def _site(self) -> SiteRun:
        site = super()._site()
        self.watching.loops[self.number] = self
        if self.place.behind is not None:
            rewritten = self._rewritten()
            assert isinstance(rewritten, ast.For)
            self.place.put_behind(*rewritten.orelse)
        return site

    def _rewritten(self) -> ast.stmt:
        """The statement that it stands in, by the plan."""
        return self.watching.cell.tree.body[self.place.statement]

    def rest_made(self) -> Any:
        """What a comprehension makes of the items that the kernel has to see to itself."""
        __tracebackhide__ = True
        plan, node = self.plan, self.place.node
        assert self.site is not None
        assert plan is not None
        assert not isinstance(node, ast.For)
        return self.watching.evaluate(rest_of(node, plan.number), self.site.filename)

    def tell(self, run: Run) -> None:
        """Tell a run's record what the loop did; one that is refused by its text has no iterations there."""
        if self.can_be_split:
            super().tell(run)


__all__ = ["Watching"]
