"""Two objects in, where they differ out: type, dtype, shape, order, NaN, to the last bit. Changes and calls nothing.

Rounding is told apart: numbers that differ by a billionth of themselves or less, with the distance in *ulps*, the
steps from one floating point number to the next.
"""

from __future__ import annotations

import math
import struct
import sys
import types
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

#: What a difference can be. All but `rounding` mean that something else was computed.
KINDS: Final = ("rounding", "value", "type", "dtype", "shape", "length", "order", "key", "identity", "unknown")
#: Relative difference up to which two numbers are told to differ by rounding.
ROUNDING: Final = 1e-9

_ATOMS: Final = (int, str, bytes, bytearray, bool, type(None), type(...), range, slice)
_BY_IDENTITY: Final = (type, types.ModuleType, types.BuiltinFunctionType, Enum)


@dataclass(frozen=True, slots=True)
class Difference:
    """One place in which two objects differ: a path such as `out[3]['a']`, the kind, and both sides in words."""

    path: str
    kind: str
    one: str
    other: str
    ulps: int | None = None

    def __str__(self) -> str:
        """The difference in one line."""
        steps = "" if self.ulps is None else f" ({self.kind}, {self.ulps} ulp{'' if self.ulps == 1 else 's'})"
        what = "" if self.kind in {"value", "rounding"} else f" ({self.kind})"
        return f"{self.path}: {self.one} and {self.other}{steps or what}"


def differences(one: object, other: object, name: str = "it", limit: int = 5) -> list[Difference]:
    """List the first differences between two objects, at most `limit`; an empty list says that they are the same.

    Examples
    --------
    >>> print(*differences({"a": [1, 2.0]}, {"a": [1, 2.0000000000000004]}, "out"))
    out['a'][1]: 2.0 and 2.0000000000000004 (rounding, 1 ulp)
    >>> differences(float("nan"), float("nan"))
    []
    """
    found: list[Difference] = []
    for difference in _Walk().walk(name, one, other):
        found.append(difference)
        if len(found) >= limit:
            break
    return found


def ulps(one: float, other: float) -> int:
    """How many floating point numbers apart two of them are; both zeros are one number.

    Examples
    --------
    >>> ulps(1.0, 1.0000000000000002), ulps(-0.0, 0.0)
    (1, 0)
    """
    return abs(_place(one) - _place(other))


def _place(number: float) -> int:
    """The number's place in the row of all of them."""
    bits: int = struct.unpack("<q", struct.pack("<d", number))[0]
    return bits if bits >= 0 else -(bits & 0x7FFFFFFFFFFFFFFF)


def _short(value: object) -> str:
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= 60 else text[:59] + "…"


class _Walk:
    """One comparison: remembers which object of one side stands for which of the other."""

    def __init__(self) -> None:
        self.partner: dict[int, int] = {}
        self.alive: list[object] = []  # keeps the ids above from being used again

    def walk(self, path: str, one: Any, other: Any) -> Iterator[Difference]:
        if one is other:
            return
        if type(one) is not type(other):
            yield Difference(path, "type", _kind(one), _kind(other))
            return
        if isinstance(one, float | complex) and type(one) in {float, complex}:
            yield from self._numbers(path, one, other)
            return
        if type(one) in _ATOMS:
            if one != other:
                yield Difference(path, "value", _short(one), _short(other))
            return
        if isinstance(one, _BY_IDENTITY):
            yield Difference(path, "value", _short(one), _short(other))
            return
        if type(one) is not tuple and type(one).__module__ != "numpy":
            if id(one) in self.partner or id(other) in self.partner:
                if self.partner.get(id(one)) != id(other) or self.partner.get(id(other)) != id(one):
                    yield Difference(path, "identity", "one object in several places", "several objects, or elsewhere")
                return
            self.partner[id(one)], self.partner[id(other)] = id(other), id(one)
            self.alive += (one, other)
        yield from self._parts(path, one, other)

    def _numbers(self, path: str, one: Any, other: Any) -> Iterator[Difference]:
        if isinstance(one, complex):
            yield from self._numbers(f"{path}.real", one.real, other.real)
            yield from self._numbers(f"{path}.imag", one.imag, other.imag)
            return
        if struct.pack("<d", one) == struct.pack("<d", other) or (one != one and other != other):  # noqa: PLR0124 -- NaN
            return
        close = abs(one - other) <= ROUNDING * max(abs(one), abs(other)) < math.inf
        yield Difference(
            path,
            "rounding" if close else "value",
            repr(one),
            repr(other),
            ulps(one, other) if close else None,
        )

    def _parts(self, path: str, one: Any, other: Any) -> Iterator[Difference]:
        library = type(one).__module__.split(".")[0]
        if library == "numpy" and hasattr(one, "dtype") and hasattr(one, "shape"):
            yield from self._arrays(path, one, other)
        elif library == "pandas" and hasattr(one, "to_numpy"):
            yield from self._tables(path, one, other)
        elif isinstance(one, list | tuple | deque):
            yield from self._sequences(path, one, other)
            yield from self._attributes(path, one, other)
        elif isinstance(one, dict):
            yield from self._mappings(path, one, other)
            yield from self._attributes(path, one, other)
        elif isinstance(one, set | frozenset):
            yield from self._sets(path, one, other)
            yield from self._attributes(path, one, other)
        elif isinstance(one, types.FunctionType):
            if one.__code__ != other.__code__ or one.__qualname__ != other.__qualname__:
                yield Difference(path, "value", _short(one), _short(other))
        else:
            yield from self._objects(path, one, other)

    def _sequences(self, path: str, one: Any, other: Any) -> Iterator[Difference]:
        if len(one) != len(other):
            yield Difference(path, "length", f"{len(one)} elements", f"{len(other)}")
        for number, (mine, its) in enumerate(zip(one, other, strict=False)):
            yield from self.walk(f"{path}[{number}]", mine, its)

    def _mappings(self, path: str, one: Any, other: Any) -> Iterator[Difference]:
        for key in one:
            if key not in other:
                yield Difference(f"{path}[{_short(key)}]", "key", "there", "missing")
        for key in other:
            if key not in one:
                yield Difference(f"{path}[{_short(key)}]", "key", "missing", "there")
        if one.keys() == other.keys() and list(one) != list(other):
            mine, its = next((m, i) for m, i in zip(one, other, strict=True) if m != i)
            yield Difference(path, "order", f"{_short(mine)} first", f"{_short(its)} first")
        for key, value in one.items():
            if key in other:
                yield from self.walk(f"{path}[{_short(key)}]", value, other[key])

    def _sets(self, path: str, one: Any, other: Any) -> Iterator[Difference]:
        for element in one - other:
            yield Difference(path, "key", f"{_short(element)} there", "missing")
        for element in other - one:
            yield Difference(path, "key", "missing", f"{_short(element)} there")

    def _arrays(self, path: str, one: Any, other: Any) -> Iterator[Difference]:
        numpy = sys.modules["numpy"]
        if one.dtype != other.dtype:
            yield Difference(path, "dtype", str(one.dtype), str(other.dtype))
            return
        if one.shape != other.shape:
            yield Difference(path, "shape", str(one.shape), str(other.shape))
            return
        if one.dtype.hasobject:
            for place in numpy.ndindex(one.shape):
                yield from self.walk(f"{path}[{', '.join(map(str, place))}]", one[place], other[place])
            return
        if one.tobytes() == other.tobytes():
            return
        mine, its = numpy.asarray(one), numpy.asarray(other)
        unequal = mine != its
        if mine.dtype.kind in "fc":
            unequal &= ~(numpy.isnan(mine) & numpy.isnan(its))
            unequal |= (mine == its) & (numpy.signbit(mine.real) != numpy.signbit(its.real))
        elif mine.dtype.kind in "mM":
            unequal &= ~(numpy.isnat(mine) & numpy.isnat(its))
        for place in numpy.argwhere(unequal):
            where = tuple(int(number) for number in place)
            inside = f"{path}[{', '.join(map(str, where))}]" if where else path
            a, b = mine[where].item(), its[where].item()
            if isinstance(a, float | complex):
                yield from self._numbers(inside, a, b)
            else:
                yield Difference(inside, "value", _short(a), _short(b))

    def _tables(self, path: str, one: Any, other: Any) -> Iterator[Difference]:
        for part in ("columns", "index"):
            if hasattr(one, part):
                yield from self._tables(f"{path}.{part}", getattr(one, part), getattr(other, part))
        if hasattr(one, "columns"):
            if list(one.columns) != list(other.columns):
                return
            for number, column in enumerate(one.columns):
                yield from self._tables(f"{path}[{_short(column)}]", one.iloc[:, number], other.iloc[:, number])
            return
        if hasattr(one, "dtype") and one.dtype != other.dtype:
            yield Difference(path, "dtype", str(one.dtype), str(other.dtype))
            return
        yield from self.walk(f"{path}.name", getattr(one, "name", None), getattr(other, "name", None))
        yield from self._arrays(path, one.to_numpy(), other.to_numpy())

    def _objects(self, path: str, one: Any, other: Any) -> Iterator[Difference]:
        if _state(one) or _state(other):
            yield from self._attributes(path, one, other)
            return
        try:
            same = one == other
        except Exception:
            same = None
        if same is True:
            return
        # without an == of its own, an object is equal to itself only, which says nothing of two copies
        known = same is False and "__eq__" in {name for cls in type(one).__mro__[:-1] for name in vars(cls)}
        yield Difference(path, "value" if known else "unknown", _short(one), _short(other))

    def _attributes(self, path: str, one: Any, other: Any) -> Iterator[Difference]:
        mine, its = _state(one), _state(other)
        for name in sorted(mine.keys() | its.keys()):
            if name not in mine or name not in its:
                here = ["there" if name in side else "missing" for side in (mine, its)]
                yield Difference(f"{path}.{name}", "key", here[0], here[1])
            else:
                yield from self.walk(f"{path}.{name}", mine[name], its[name])


def _kind(thing: object) -> str:
    return f"{type(thing).__name__} {_short(thing)}"


def _state(thing: object) -> Mapping[str, object]:
    """What an object keeps under names: its `__dict__` and its slots, read without its own code."""
    found: dict[str, object] = {}
    for cls in type(thing).__mro__:
        for name, member in vars(cls).items():
            if isinstance(member, types.MemberDescriptorType) and isinstance(
                cls.__dict__.get("__slots__"), str | tuple | list
            ):
                try:
                    found[name] = member.__get__(thing)
                except AttributeError:  # not set
                    continue
    own = getattr(thing, "__dict__", None)
    return found | own if isinstance(own, dict) else found


__all__ = ["KINDS", "Difference", "differences", "ulps"]
