"""Where in an object it is that can't be sent. An object and an error in, a `CodecError` with the path to it out."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from mpnb.errors import CodecError


class Unsendable(Exception):
    """Raised while pickling by the reducers below; the reason is its text, the path is found afterwards."""


def kind_name(thing: Any) -> str:
    """A class as a user knows it: `sqlite3.Connection`."""
    kind = type(thing)
    return (
        kind.__qualname__ if kind.__module__ in {"builtins", "__main__"} else f"{kind.__module__}.{kind.__qualname__}"
    )


def located(path: str, thing: Any, error: Exception, probe: Callable[[Any], Exception | None]) -> CodecError:
    """Walk from an object that could not be encoded to the one inside that is to blame."""
    seen: set[int] = set()
    while id(thing) not in seen and not isinstance(error, RecursionError):
        seen.add(id(thing))
        for step, child in _children(thing):
            found = None if id(child) in seen or isinstance(child, (str, bytes, int, float)) else probe(child)
            if found is not None:
                path, thing, error = path + step, child, found
                break
    if isinstance(error, (Unsendable, CodecError)):
        why = str(error) if isinstance(error, Unsendable) else error.why
    elif isinstance(error, RecursionError):
        why = "it is nested too deeply"
    else:
        why = f"{kind_name(thing)} ({type(error).__name__}: {error})"
    return CodecError(path, why)


def _children(thing: Any) -> Iterator[tuple[str, Any]]:
    """What an object holds, each with the code that leads to it."""
    if isinstance(thing, (list, tuple)):
        yield from ((f"[{index}]", child) for index, child in enumerate(thing))
    elif isinstance(thing, (set, frozenset)):
        yield from (("{…}", child) for child in thing)
    elif isinstance(thing, dict):
        for key, value in list(thing.items()):
            yield f"[{key!r}]", value
            yield f" key {key!r}", key
    elif isinstance(thing, FunctionType):
        for name, cell in zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True):
            try:
                yield f" closure {name}", cell.cell_contents
            except ValueError:
                continue
        yield ".__defaults__", thing.__defaults__
        yield ".__kwdefaults__", thing.__kwdefaults__
    elif isinstance(thing, functools.partial):
        yield from ((".func", thing.func), (".args", thing.args), (".keywords", thing.keywords))
    elif isinstance(thing, types.MethodType):
        yield ".__self__", thing.__self__
    if not isinstance(thing, ModuleType):
        attributes = getattr(thing, "__dict__", None)
        for name, value in list((attributes or {}).items()):
            yield f".{name}", value
        for kind in type(thing).__mro__:
            slots = kind.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name not in {"__dict__", "__weakref__"} and hasattr(thing, name):
                    yield f".{name}", getattr(thing, name)
