"""One call of a pool's task: a function and an item in, one effect out. Stands in workers, and imports next to nothing.

    (VALUE, value)   (RAISED, exception, traceback)   (LOST, text, traceback)   (NEVER_SENT, number)

An exception whose class can't be called again is made anew without calling it; what would not survive the way home all
the same goes as LOST, in words. An argument that could not be sent was kept
at home, under a number, and a `NeverSent` went in its stead.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from itertools import starmap
from typing import Any, Final

VALUE: Final = 0
RAISED: Final = 1
LOST: Final = 2
NEVER_SENT: Final = 3
UNSENDABLE: Final = 4  # a result: (UNSENDABLE, why, repr), put in the place of a VALUE by the worker

Effect = tuple[Any, ...]
Task = Callable[[Any, list[Effect]], None]


@dataclass(frozen=True, slots=True)
class NeverSent:
    """Stands for an argument that could not be sent; the pool knows the error by this number."""

    number: int


def call(function: Callable[..., Any], retries: int, item: Any, effects: list[Effect]) -> None:
    """Call with one argument, as `map` does."""
    if type(item) is NeverSent:
        effects.append((NEVER_SENT, item.number))
        return
    effects.append(attempt(function, (item,), {}, retries))


def call_star(function: Callable[..., Any], retries: int, item: Any, effects: list[Effect]) -> None:
    """Call with the members of an item as arguments, as `starmap` does."""
    if type(item) is NeverSent:
        effects.append((NEVER_SENT, item.number))
        return
    effects.append(attempt(lambda: function(*item), (), {}, retries))


def call_with(function: Callable[..., Any], retries: int, item: Any, effects: list[Effect]) -> None:
    """Call with positional and named arguments, as `apply` and `submit` do."""
    if type(item) is NeverSent:
        effects.append((NEVER_SENT, item.number))
        return
    effects.append(attempt(function, item[0], item[1], retries))


def attempt(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], retries: int) -> Effect:
    """Call, and call again as often as `retries` says while it raises.

    Whatever it raises is the task's own affair, SystemExit included; the worker knows of an interrupt without that.
    """
    while True:
        try:
            return (VALUE, function(*args, **kwargs))
        except BaseException as error:
            if retries > 0 and isinstance(error, Exception):
                retries -= 1
                continue
            return _raised(error)


def _raised(error: BaseException) -> Effect:
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next  # the user's own code begins there
    text = "".join(traceback.format_exception(type(error), error, trace or error.__traceback__))
    raised = next(filter(_travels, (error, _Anew(error))), None)
    return (LOST, words(error), text) if raised is None else (RAISED, raised, text)


def _travels(thing: object) -> bool:
    try:
        pickle.loads(pickle.dumps(thing))
    except Exception:
        return False
    return True


class _Anew:
    """Pickles an exception so that its `__init__`, which may want other arguments than `args`, is not called again."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> tuple[Callable[..., BaseException], tuple[Any, ...]]:
        return _anew, (type(self.error), self.error.args, vars(self.error))


def _anew(kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(state)
    return error


def words(error: BaseException) -> str:
    """Class and text of an exception, whatever its class does when asked."""
    name = type(error).__qualname__
    try:
        text = str(error)
    except Exception as unprintable:
        text = f"(its text can't be had: {type(unprintable).__name__})"
    return f"{name}: {text}" if text else name


def simple(task: Any) -> tuple[Callable[..., Any], bool] | None:
    """The function that a task of `map` or `starmap` calls, and whether with the members of an item; else None."""
    inner = dict(zip(task.__code__.co_freevars, (cell.cell_contents for cell in task.__closure__ or ()), strict=True))
    do = inner.get("do")
    if (do is not call and do is not call_star) or inner.get("retries") != 0:
        return None
    return inner["function"], do is call_star


def call_all(
    function: Callable[..., Any], star: bool, items: list[Any], word: memoryview, first: int, values: list[Any]
) -> Effect | None:
    """Call for each of some items, and add the values; stops with the effect of the first call that raises.

    The number of the running call, counted from `first` (that of the first item), plus one is in `word[0]`.
    """
    add = values.append
    try:
        if star:
            for word[0], item in enumerate(items, first + 1):
                add(function(*item))
        else:
            for word[0], item in enumerate(items, first + 1):
                add(function(item))
    except BaseException as error:
        return _raised(error)
    return None


def call_all_unmarked(function: Callable[..., Any], star: bool, items: list[Any], values: list[Any]) -> Effect | None:
    """As `call_all`, at the speed of `map`; it may stop short of a call that raises StopIteration, as `map` does."""
    try:
        values.extend(starmap(function, items) if star else map(function, items))
    except BaseException as error:
        return _raised(error)
    return None
