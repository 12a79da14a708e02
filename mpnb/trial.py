"""`--compare`: a site run twice, in the pool without taking effect and then in the kernel for real, and both compared.

The pool's effects are redone on copies of what the loop changes, so nothing of the notebook's is changed twice. What
the pool gives is an engine's business and comes in as outcomes; what the kernel gives is watched from beside it.
"""

from __future__ import annotations

import ast
import copy
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mpnb import plan as planning
from mpnb.compare import Difference, differences
from mpnb.engine import FILED, STDERR, STDOUT, Effects, Outcome
from mpnb.plan.loops import ENTRY
from mpnb.plan.types import Loop

_LISTED: Final = 3  # differences that are told


@dataclass(slots=True)
class Given:
    """What one of the two gave: how many iterations, which one raised, what was printed, and how long it took."""

    iterations: int = 0
    raised: bool = False
    printed: dict[int, str] = field(default_factory=lambda: {STDOUT: "", STDERR: ""})
    seconds: float = 0.0


class Trial:
    """One pass over a site, in the pool first.

    Parameters
    ----------
    loop
        The site.
    names
        What the names mean that the loop changes, before it runs.
    workers
        How many the pool uses.
    """

    def __init__(self, loop: Loop, names: Mapping[str, Any], workers: int) -> None:
        self.loop = loop
        self.workers = workers
        self.why = ""  # it can't be compared
        self.verdict = ""
        self.pool = Given()
        self.kernel = Given()
        self.streams: list[_Tee] = []
        self.values: list[Any] = []  # of a comprehension
        self.found: list[Difference] = []
        self.scratch: dict[str, Any] = {}
        shown = {effect.target for effect in loop.effects if effect.form == "display"}  # which is shown once
        self.replays = {e.number: _compiled(e.replay) for e in loop.effects if e.target not in shown}
        if shown:
            self.why = "it displays something, which only the kernel can do"
        nested = {e.target for e in loop.effects if e.form in {"augitem", "frame"} or e.form.startswith("inner ")}
        try:
            for name in loop.accumulators.keys() - shown:
                self.scratch[name] = (copy.deepcopy if name in nested else copy.copy)(names[name])
        except Exception as error:  # the user's object decides whether it can be copied
            self.why = f"`{name}` can't be copied ({type(error).__name__}: {error})"

    # -- the pool ----------------------------------------------------------------------------------------------------

    def take(self, outcomes: Iterable[Outcome], began: float) -> None:
        """Redo the pool's effects on the copies, in order, up to a break or an error; the pool began at `began`."""
        for outcome in outcomes:
            if outcome.error is not None:
                self.pool.raised = outcome.kind == "raised"
                if not self.pool.raised:
                    self.why = str(outcome.error)
                break
            self.pool.iterations += 1
            if any(entry[0] == FILED for entry in outcome.effects):
                self.why = "it writes files"
                break
            try:
                self._redo(outcome.effects)
            except Exception:  # as it will be raised in the kernel
                self.pool.raised = True
                self.pool.iterations -= 1
                break
            if any(entry[0] == planning.BREAK for entry in outcome.effects):
                break
        self.pool.seconds = time.perf_counter() - began

    def _redo(self, effects: Effects) -> None:
        for entry in effects:
            number = entry[0]
            if number in self.pool.printed:
                self.pool.printed[number] += entry[1]
            elif self.loop.kind != "for" and number == 0:
                self.values.append(entry[1] if len(entry) == 2 else entry[1:])
            elif number in self.replays:
                self.scratch[ENTRY] = entry
                exec(self.replays[number], self.scratch)

    # -- the kernel --------------------------------------------------------------------------------------------------

    def serial(self, items: Iterable[Any], names: Mapping[str, Any]) -> Iterator[Any]:
        """Hand the items to the plain loop, watch what it prints, and compare when it is through."""
        __tracebackhide__ = True
        self.streams = [_Tee("stdout"), _Tee("stderr")]
        began = time.perf_counter()
        through = False
        try:
            for item in items:
                yield item
                self.kernel.iterations += 1
            through = True
        except GeneratorExit:  # a break, or an error somewhere in the body: `judge` tells which by the count
            self.kernel.iterations += 1
            raise
        finally:
            self.kernel.seconds = time.perf_counter() - began
            self._leave()
            if self.loop.kind == "for":
                self.judge(names, through=through)

    def _leave(self) -> None:
        for number, tee in zip((STDOUT, STDERR), self.streams, strict=False):
            tee.leave()
            self.kernel.printed[number] = tee.text
        self.streams = []

    def made(self, head: Any, names: Mapping[str, Any]) -> None:
        """A comprehension has made its list, set or dict in the kernel."""
        match self.loop.kind:
            case "list":
                expected: Any = self.values
            case "set":
                expected = set(self.values)
            case _:
                expected = dict(self.values)
        self.found += differences(head, expected, self.loop.label, _LISTED)
        self.judge(names, through=True)

    def watched(self, values: Iterable[Any], names: Mapping[str, Any]) -> Iterator[Any]:
        """What a generator expression gives in the kernel, each value compared on its way."""
        __tracebackhide__ = True
        for number, value in enumerate(values):
            if number < len(self.values) and len(self.found) < _LISTED:
                self.found += differences(value, self.values[number], f"value {number}", 1)
            yield value
        self.judge(names, through=True)

    # -- both --------------------------------------------------------------------------------------------------------

    def judge(self, names: Mapping[str, Any], *, through: bool) -> None:
        """Compare what is there now with what the pool's effects come to; once."""
        if self.verdict:
            return
        self._leave()
        if self.why:
            self.verdict = f"not compared: {self.why}"
            return
        pool, kernel = self.pool, self.kernel
        if pool.raised or pool.iterations != kernel.iterations:
            self.verdict = self._unequal_lengths(through=through)
            return
        compared = [name for name in self.scratch if name not in {ENTRY, "__builtins__"}]
        for name in compared:
            if len(self.found) >= _LISTED:
                break
            if name not in names:
                self.found.append(Difference(name, "key", "not set", "set"))
            else:
                self.found += differences(names[name], self.scratch[name], name, _LISTED - len(self.found))
        for number, stream in ((STDOUT, "what it prints"), (STDERR, "what it prints to stderr")):
            self.found += differences(kernel.printed[number], pool.printed[number], stream, 1)
        workers = f"{self.workers} worker{'' if self.workers == 1 else 's'}"
        times = f"{_seconds(kernel.seconds)} serially, {_seconds(pool.seconds)} on {workers}"
        if self.found:
            listed = "; ".join(map(str, self.found[:_LISTED]))
            self.verdict = f"differs, kernel and pool: {listed} · {times}"
            return
        what = ", ".join(sorted(compared) if self.loop.kind == "for" else [self.loop.label])
        what += " and what it prints" if kernel.printed[STDOUT] or kernel.printed[STDERR] else ""
        iterations = f"{kernel.iterations:,} iteration{'' if kernel.iterations == 1 else 's'}"
        self.verdict = f"same: {f'{what} over ' if what else ''}{iterations} · {times}"

    def _unequal_lengths(self, *, through: bool) -> str:
        pool, kernel = self.pool, self.kernel
        if pool.raised and not through and kernel.iterations == pool.iterations + 1:
            return f"same as far as it goes: both raise in iteration {kernel.iterations}; what it left is not compared"
        ends = f"raises in iteration {pool.iterations + 1}" if pool.raised else f"does {pool.iterations} iterations"
        if self.loop.kind == "generator" and not pool.raised and kernel.iterations < pool.iterations:
            return f"same: the first {kernel.iterations} of {pool.iterations}, where the kernel needed no more"
        return f"differs: the pool {ends}, the kernel does {kernel.iterations}"

    @property
    def speedup(self) -> float | None:
        """Seconds in the kernel over seconds in the pool, both measured; None where there is nothing to compare."""
        if self.why or self.pool.raised or not self.pool.seconds or self.kernel.iterations != self.pool.iterations:
            return None
        return self.kernel.seconds / self.pool.seconds


class _Tee:
    """In the place of sys.stdout or sys.stderr: passes everything on, and keeps the text."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stream = getattr(sys, name)
        self.text = ""
        setattr(sys, name, self)

    def write(self, text: str) -> Any:
        self.text += text
        return self.stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def leave(self) -> None:
        """Give the stream its place back, unless somebody else has taken it."""
        if getattr(sys, self.name) is self:
            setattr(sys, self.name, self.stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _compiled(statement: ast.stmt) -> Any:
    return compile(ast.Module([statement], []), "<compare>", "exec")


def _seconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


__all__ = ["Trial"]
