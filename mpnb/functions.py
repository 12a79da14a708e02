"""`@mpnb.parallel`: a function of the notebook whose outermost loops are split when it is called.

The function is planned once, when it is decorated, and made anew from the rewritten code: same file and lines, same
globals, closure and defaults. So a call costs no frame more than the plain one, and tracebacks name the notebook's own
lines. Each call has a run of its own; where it must not have one, it gets a `Serial` in its place.
"""

from __future__ import annotations

import functools
import linecache
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from types import CellType, CodeType, FunctionType
from typing import Any, Final, Self, TypeVar, overload

from mpnb.brief import Brief
from mpnb.engine import notebook
from mpnb.errors import RefusedError
from mpnb.events import Event, RunEnded
from mpnb.plan.function import FunctionPlan, read_function
from mpnb.plan.rewrite import BEGIN
from mpnb.plan.types import Refusal
from mpnb.serial import SERIAL, Serial, serially
from mpnb.session import Options, Run, Session, current
from mpnb.view import View

#: How many calls of a function are shown in one cell: a function that is called in a loop must not flood it.
_SHOWN: Final = 3

_Function = TypeVar("_Function", bound=Callable[..., Any])


@overload
def parallel(function: _Function, /) -> _Function: ...
@overload
def parallel(
    *,
    workers: int | None = None,
    probe: bool = True,
    strict: bool = False,
    quiet: bool = False,
    seed: int | None = None,
    chunk: int | None = None,
    trust: Iterable[str] = (),
    exact: bool = False,
) -> Callable[[_Function], _Function]: ...
def parallel(
    function: Any = None,
    /,
    *,
    workers: int | None = None,
    probe: bool = True,
    strict: bool = False,
    quiet: bool = False,
    seed: int | None = None,
    chunk: int | None = None,
    trust: Iterable[str] = (),
    exact: bool = False,
) -> Any:
    """Split the loops of this function over every core when it is called; the result stays the same.

    What `%%parallel` does for the loops of a cell: the outermost loops and comprehensions of the function that can be
    split are, where that pays; the others stay serial. A call from inside a loop that is split already, from another
    thread or in a worker runs serially. `mpnb.last_run()` tells what became of the last call.

    Parameters
    ----------
    function
        A function defined in the notebook. Generators and asynchronous functions stay as they are, with a warning.
    workers
        Workers to use; the cores this kernel may use by default.
    probe
        Begin in the kernel, and go to the pool only where it pays. False sends every iteration to the pool at once.
    strict
        Raise RefusedError where a loop can't be split.
    quiet
        Show neither panel nor summary.
    seed
        Give every iteration that draws random numbers a stream of its own, derived from this number: the same in every
        call, for any number of workers.
    chunk
        Send so many iterations at once.
    trust
        Names of helpers that you vouch for: they are not looked into.
    exact
        Give linear algebra as many threads in a worker as it has in the notebook, for results that are equal to the
        last bit.

    Examples
    --------
    >>> import mpnb
    >>> @mpnb.parallel(quiet=True)
    ... def squares(numbers):
    ...     return [number**2 for number in numbers]
    >>> squares([1, 2, 3])
    [1, 4, 9]
    """
    if workers is not None and (type(workers) is not int or not 1 <= workers <= 1024):
        msg = f"workers must be a whole number from 1 to 1024, was {workers!r}"
        raise ValueError(msg)
    for name, number, least in (("seed", seed, 0), ("chunk", chunk, 1)):
        if number is not None and (type(number) is not int or number < least):
            msg = f"{name} must be a whole number, {least} or more, was {number!r}"
            raise ValueError(msg)
    trusted = frozenset([trust] if isinstance(trust, str) else trust)
    options = Options(
        workers=workers,
        probe=probe,
        strict=strict,
        quiet=quiet,
        seed=seed,
        chunk=chunk,
        trust=trusted,
        exact=exact,
    )
    if function is None:
        return functools.partial(_decorated, options=options)
    return _decorated(function, options)


def _decorated(thing: Any, options: Options) -> Any:
    if isinstance(thing, staticmethod | classmethod):
        return type(thing)(_decorated(thing.__func__, options))
    if isinstance(thing, property):
        getter = None if thing.fget is None else _decorated(thing.fget, options)
        return property(getter, thing.fset, thing.fdel, thing.__doc__)
    if not isinstance(thing, FunctionType):
        msg = f"parallel is put on a function, not on {type(thing).__name__} {_name(thing)!r}: put it below the others"
        raise TypeError(msg)
    function: FunctionType = thing
    if BEGIN in function.__code__.co_freevars:  # decorated twice
        function = vars(function)["__wrapped__"]
    found = _planned(function)
    if isinstance(found, Refusal):
        _say_why(function, found, options)
        return function
    if options.strict:
        refused = [site.refusal for site in found.cell.sites if site.refusal is not None]
        if refused:
            _say_why(function, refused[0], options)
    return _made(function, found, Beginning(found, function.__globals__, options))


def _name(thing: object) -> str:
    return str(getattr(thing, "__name__", thing))


def _planned(function: FunctionType) -> FunctionPlan | Refusal:
    code = function.__code__
    if function.__globals__.get("__name__") != "__main__":
        why = f"is defined in {function.__module__}: only functions of the notebook are split"
        return Refusal("no-source", code.co_firstlineno, _name(function), why)
    lines = tuple(linecache.getlines(code.co_filename, function.__globals__))
    return _plan((code.co_filename, code), lines)


@functools.lru_cache(maxsize=256)
def _plan(key: tuple[str, Any], lines: tuple[str, ...]) -> FunctionPlan | Refusal:
    """Plan each code of each file once: a function inside another is made again with every call."""
    code: CodeType = key[1]
    try:
        return read_function(code, lines)
    except Exception as error:  # a hole in the planning must not cost the user the function
        why = f"planning it failed ({type(error).__name__}: {error})"
        return Refusal("dynamic", code.co_firstlineno, "", why)


def _say_why(function: FunctionType, refusal: Refusal, options: Options) -> None:
    """The whole function stays as it is: an error where that was asked for, else a warning."""
    text = f"{_name(function)}: line {refusal.line}: {refusal.reason}"
    if options.strict:
        raise RefusedError(text)
    if not options.quiet and not _in_worker():
        warnings.warn(f"[mpnb] {_name(function)} stays serial: line {refusal.line}: {refusal.reason}", stacklevel=4)


def _in_worker() -> bool:
    room = sys.modules.get("mpnb.worker")
    return room is not None and bool(room.is_worker())


def _made(function: FunctionType, found: FunctionPlan, beginning: Beginning) -> FunctionType:
    """The function again, of the rewritten code."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    cells[BEGIN] = CellType(beginning)
    made = FunctionType(
        found.code,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        tuple(cells[name] for name in found.code.co_freevars),
    )
    functools.update_wrapper(made, function)
    made.__kwdefaults__ = function.__kwdefaults__
    made.__annotations__ = function.__annotations__
    return made


class Beginning:
    """What a rewritten function calls first: gives each call its run."""

    def __init__(self, found: FunctionPlan, namespace: dict[str, Any], options: Options) -> None:
        self.plan = found
        self.namespace = namespace
        self.options = options
        self.shown_in = -1  # the cell in which calls were shown last
        self.shown = 0  # how many of them

    def __reduce__(self) -> tuple[Any, ...]:
        return serially, ()

    def __call__(self) -> Call | Run | Serial:
        """Begin a call; a serial one inside a loop that runs already, in a thread, or without a pool."""
        if notebook.engine is None or threading.get_ident() != threading.main_thread().ident:
            return SERIAL
        try:
            session = current()
        except Exception as error:  # the pool did not start
            warnings.warn(f"[mpnb] functions run serially, for the pool failed: {error!r}", RuntimeWarning, 3)
            return SERIAL
        if session.is_looping():
            return SERIAL
        options = self.options
        if options.probe and not options.strict and options.seed is None:
            return Call(session, self.plan.cell, self.plan.names, options, lambda: self.run(session, within=True))
        return self.run(session)

    def run(self, session: Session, *, within: bool = False) -> Run:
        """Begin a run that is recorded and shown."""
        view = None if self.options.quiet else _CallView(self)
        listeners = [view.on_event] if view else []
        plan = self.plan
        run = session.begin(plan.cell, self.namespace, self.options, listeners, plan.names, within=within)
        if view:
            view.attach(run)
        return run

    def may_show(self) -> bool:
        """Tell whether one more call is shown in this cell."""
        if self.shown_in != notebook.cells:
            self.shown_in, self.shown = notebook.cells, 0
        return self.shown < _SHOWN


class Call(Brief):
    """One call of a function, until one of its loops takes long."""

    __slots__ = ()

    def __enter__(self) -> Self:
        self.session.running.append(self)
        return self

    def __exit__(self, *how: object) -> None:
        kind = how[0]
        if not isinstance(kind, type):
            self.end("finished")
        else:
            self.end("stopped" if issubclass(kind, KeyboardInterrupt) else "failed")


class _CallView(View):
    """Shows a call that was split, or that could not be though it would have paid; nothing of any other."""

    def __init__(self, beginning: Beginning) -> None:
        super().__init__()
        self.beginning = beginning

    def on_event(self, event: Event) -> None:
        if isinstance(event, RunEnded):
            if self._is_news():
                self.beginning.shown += 1
                self.close()
        elif self.dashboard is not None or self.beginning.may_show():
            super().on_event(event)

    def _is_news(self) -> bool:
        if self.dashboard is not None:
            return True
        if self.run is None or not self.beginning.may_show():
            return False
        sites = zip(self.run.record.sites, self.run.cell.sites, strict=True)
        return any(site.was_split or (site.code not in {"", "small"} and plan.loop) for site, plan in sites)


__all__ = ["parallel"]
