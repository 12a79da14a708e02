"""Of what a comparison would tell otherwise in a worker: numbers and texts, and nans. Objects in, yes or no out.

A worker's numbers and texts are copies, each by itself: two that are one object here are two there. To `is` that shows
at once; to `in`, `==` of containers and look-ups only with a nan, which is found by identity or not at all.
"""

from __future__ import annotations

import collections
import enum
import inspect
import itertools
import types
from collections.abc import Iterable
from typing import Any, Final

_COPIED: Final = (int, float, complex, str, bytes)
_CONTAINERS: Final = (list, tuple, set, frozenset, collections.deque, dict)
#: Objects that are walked through before a nan is taken for granted.
_PATIENCE: Final = 200_000
_NEVER_NAN: Final = frozenset({int, str, bool, bytes, type(None)})


def is_copied(thing: object) -> bool:
    """Tell whether a worker's copy of this is another object each time that it is sent."""
    return isinstance(thing, _COPIED) and not isinstance(thing, bool | enum.Enum)


def is_nan(thing: object) -> bool:
    """Tell whether this is not-a-number, the only number that is not equal to itself."""
    return isinstance(thing, float) and thing != thing  # noqa: PLR0124


def holds_only_kept(container: object) -> bool:
    """Tell whether nothing in a container (nor in tuples in it) is a number or text; what can't be looked at may be."""
    if not isinstance(container, _CONTAINERS):
        return False
    parts: Iterable[Any] = container.values() if isinstance(container, dict) else container
    return not any(is_copied(part) or (isinstance(part, tuple) and not holds_only_kept(part)) for part in parts)


def nans_in(things: Iterable[object]) -> tuple[bool, bool]:
    """Tell whether a nan hangs on any of these: anywhere; and as a key of a dict or a member of a set."""
    anywhere = False
    seen: set[int] = set()
    todo = list(things)
    left = _PATIENCE
    while todo:
        thing = todo.pop()
        if is_nan(thing):
            anywhere = True
        parts = _parts(thing)
        if not parts or id(thing) in seen:
            continue
        seen.add(id(thing))
        left -= len(parts)
        if left < 0:
            return True, True
        if isinstance(thing, dict | set | frozenset) and any(map(is_nan, thing)):
            return True, True
        if not _NEVER_NAN.issuperset(map(type, parts)):  # which is told many times faster than by a loop
            todo += [part for part in parts if type(part) not in _NEVER_NAN]
    return anywhere, False


def _parts(thing: Any) -> list[Any]:
    if isinstance(thing, dict):
        return [*dict.keys(thing), *dict.values(thing)]
    if isinstance(thing, _CONTAINERS):
        return list(thing)
    if isinstance(thing, types.FunctionType):
        cells = [cell.cell_contents for cell in thing.__closure__ or () if is_bound(cell)]
        return [*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values(), *cells]
    if isinstance(thing, types.ModuleType | types.BuiltinFunctionType):
        return []
    kind = thing if isinstance(thing, type) else type(thing)
    if kind.__module__ != "__main__":
        return []
    try:
        return (
            list(object.__getattribute__(thing, "__dict__").values())
            if kind is not thing
            else list(vars(kind).values())
        )
    except AttributeError:  # it has slots
        names = itertools.chain.from_iterable(vars(base).get("__slots__", ()) for base in kind.__mro__)
        found = (inspect.getattr_static(kind, name, None) for name in names)
        return [slot.__get__(thing) for slot in found if isinstance(slot, types.MemberDescriptorType)]


def is_bound(cell: types.CellType) -> bool:
    """Tell whether a variable that a function closes over has been set."""
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True
