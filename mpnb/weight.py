"""How much there is to send: objects in, about how many small objects and bytes of arrays out. Encodes nothing.

Large containers are judged by a few of their members, so that a look takes microseconds. Runs no code of the user's.
"""

from __future__ import annotations

import itertools
import sys
from collections import deque
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Final

from mpnb.arrays import is_shared

SAMPLE: Final = 5  # members of a container that stand for all
DEPTH: Final = 6
MOST: Final = 10_000  # members whose ids are taken: a third of a millisecond
OUT_OF_BAND: Final = 64 * 1024  # bytes of an array from which on it lies beside the pickle, as in frames
TEXT: Final = 256  # bytes of text that count like one more object


@dataclass(frozen=True, slots=True)
class Weight:
    """About how many small objects, and how many bytes of arrays; and where the bytes go, for a person to read.

    `pickled` are about the bytes of the pickle, small arrays in it; `shared` those that lie in shared blocks beside it.
    """

    objects: float = 0.0
    nbytes: float = 0.0
    pickled: float = 0.0
    shared: float = 0.0

    def __add__(self, other: Weight) -> Weight:
        return Weight(
            self.objects + other.objects,
            self.nbytes + other.nbytes,
            self.pickled + other.pickled,
            self.shared + other.shared,
        )

    def times(self, number: float) -> Weight:
        """So many of these."""
        return Weight(self.objects * number, self.nbytes * number, self.pickled * number, self.shared * number)


_LIGHT: Final = Weight(0.2, pickled=5.0)
_FLOAT: Final = Weight(0.2, pickled=9.0)
_ONE: Final = Weight(1.0, pickled=30.0)


def _array(nbytes: float) -> Weight:
    if nbytes < OUT_OF_BAND:
        return Weight(1.0, nbytes, nbytes + 100.0)
    return Weight(1.0, nbytes, 100.0, nbytes)


def weigh(thing: Any, depth: int = DEPTH, known: Container[int] = ()) -> Weight:
    """Weigh one object with all that hangs on it, down to some depth; objects with a known id are light.

    Examples
    --------
    >>> weigh([1.0] * 1000).objects
    201.0
    """
    kind: type[Any] = type(thing)
    if kind in {int, float, bool, complex, type(None)}:
        return _FLOAT if kind is float else _LIGHT
    if id(thing) in known:
        return _LIGHT
    if issubclass(kind, str | bytes | bytearray):
        size = len(thing) if kind in {str, bytes, bytearray} else 0
        return Weight(1.0 + size / TEXT, pickled=5.0 + size)
    if depth == 0:
        return _ONE
    if kind in {list, tuple}:
        return _ONE + _of_many(len(thing), _spread(thing), depth, known)
    if kind in {set, frozenset, deque}:
        return _ONE + _of_many(len(thing), itertools.islice(thing, SAMPLE), depth, known)
    if issubclass(kind, dict):
        count = dict.__len__(thing)
        pairs: Iterable[Any] = itertools.chain.from_iterable(itertools.islice(dict.items(thing), SAMPLE))
        return _ONE + _of_many(2 * count, pairs, depth, known)
    library = kind.__module__.split(".")[0]
    if library in {"numpy", "pandas"}:
        return _of_library(thing, depth, known)
    held = getattr(kind, "__dict__", {}).get("__dict__")
    if held is not None and library not in sys.stdlib_module_names:
        try:
            return _ONE + weigh(object.__getattribute__(thing, "__dict__"), depth - 1, known)
        except AttributeError:
            return _ONE
    return _ONE


def _spread(things: Any) -> list[Any]:
    """A few members of a sequence, from its whole length."""
    size = len(things)
    if size <= SAMPLE:
        return list(things)
    return [things[place * (size - 1) // (SAMPLE - 1)] for place in range(SAMPLE)]


def _of_many(size: int, sample: Iterable[Any], depth: int, known: Container[int]) -> Weight:
    weights = [weigh(each, depth - 1, known) for each in sample]
    return sum(weights, Weight()).times(size / len(weights)) if weights else Weight()


def _of_library(thing: Any, depth: int, known: Container[int]) -> Weight:
    """An array, or a table: its columns of objects are so many small objects."""
    kind = type(thing).__name__
    if kind == "ndarray":
        if not thing.dtype.hasobject:
            return _ONE if id(thing.base) in known or is_shared(thing) else _array(thing.nbytes)
        return _of_many(thing.size, list(thing.flat[:SAMPLE]), depth, known)
    if kind == "DataFrame":
        return sum((_of_column(len(thing), dtype) for dtype in thing.dtypes), Weight(10.0))
    if kind in {"Series", "Index"}:
        return _of_column(len(thing), thing.dtype) + Weight(10.0)
    return _ONE


def _of_column(size: int, dtype: Any) -> Weight:
    plain = getattr(dtype, "kind", "O") not in "OUST"
    return _array(size * getattr(dtype, "itemsize", 8)) if plain else Weight(float(size), pickled=30.0 * size)


def weigh_made(thing: Any, count: int, known: Container[int] = ()) -> Weight:
    """Weigh what each of `count` iterations has put into a container, as far as its latest members tell.

    Examples
    --------
    >>> weigh_made(["a", 1.0, "b", 1.0], 2).objects > weigh_made(["a", "b"], 2).objects > 1
    True
    """
    if type(thing) is list:
        sample = [each for each in (*thing[:2], *thing[-SAMPLE:]) if each is not None]  # it may have been filled before
    elif issubclass(type(thing), dict):
        sample = list(itertools.islice(reversed(dict.items(thing)), SAMPLE))
    elif type(thing) is set:
        sample = list(itertools.islice(thing, SAMPLE))
    elif type(thing).__module__ == "numpy" and getattr(thing, "ndim", 0) > 0:
        return Weight(1.0, thing.nbytes / max(1, len(thing)))
    else:
        return Weight()
    return _of_many(len(thing), sample, DEPTH, known).times(1 / count)


def ids_in(things: Iterable[Any]) -> set[int]:
    """The ids of some objects, and of the members of plain containers among them, as many as can be looked at."""
    found: set[int] = set()
    for thing in things:
        found.add(id(thing))
        if type(thing) in {list, tuple, deque}:
            found.update(map(id, itertools.islice(thing, MOST)))
        elif type(thing) is dict:
            found.update(map(id, itertools.islice(thing.values(), MOST)))
    return found


def weigh_names(names: Iterable[str], look_up: Callable[[str], object]) -> dict[str, Weight]:
    """Weigh what some names lead to, and what is read by the notebook's functions among them, each name by itself.

    `look_up` gives None for a name that the notebook does not have.
    """
    found: dict[str, Weight] = {}
    todo = list(names)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        thing = look_up(name)
        if type(thing) is FunctionType and thing.__module__ == "__main__":
            found[name] = _ONE + sum((weigh(default) for default in thing.__defaults__ or ()), Weight())
            todo += _read_by(thing.__code__)
        else:
            found[name] = Weight() if thing is None else weigh(thing)
    return found


def _read_by(code: Any) -> list[str]:
    inner = [constant for constant in code.co_consts if isinstance(constant, type(code))]
    return [*code.co_names, *(name for each in inner for name in _read_by(each))]
