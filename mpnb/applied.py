"""pandas' own `apply` and `map` with a stand-in for the function, whose results come from the kernel or the pool.

Pandas goes through its object and puts the result together, as ever, one call after the other.

    s.apply(f)      →      S.applied(_mpnb.owner(0, s, "apply", False).apply(S.stand_in(f)))

The first calls are made in the kernel. When the pool is worth it, the items of the calls that are left are taken from
pandas by its own method, given a function that only keeps them, and each call of pandas' is answered with what came of
its item. Where the pool ends early, or a call is not the one that is due, the function itself is called from there on.
"""

from __future__ import annotations

import functools
import sys
import time
import types
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final, Protocol

#: Rows or values that are taken from pandas at a time, ahead of their calls.
CHUNK: Final = 256
#: Those on which it is tried what it costs to send one: a millisecond's worth of rows.
SAMPLE: Final = 64
#: Seconds that both processes take to send a row, which is a Series of its own: 0.3 to 0.5 ms measured.
ROW_S: Final = 0.4e-3
_OVER: Final = object()
_FUNCTIONS: Final = (types.FunctionType, types.MethodType)
_OF_VALUES: Final = (*_FUNCTIONS, types.BuiltinFunctionType, types.MethodDescriptorType, type)
_SCALARS: Final = frozenset({int, float, complex, bool, str, bytes, type(None)})
_SCALAR_LIBRARIES: Final = frozenset({"datetime", "decimal", "fractions", "uuid", "numpy", "pandas"})
_OF_PANDAS: Final = frozenset({"Timestamp", "Timedelta", "Period", "Interval", "NAType", "NaTType"})
_CONTAINERS: Final = frozenset({list, tuple, set, frozenset})
#: Dtypes beside numpy's of which a value does not hang on the values around it.
_BY_VALUE: Final = frozenset({"StringDtype", "DatetimeTZDtype"})


def why_plain(thing: object, method: str, *, rows: bool) -> str:
    """Why pandas' own call stays as it is, in words; empty where it can be followed. Runs nothing of the user's."""
    pandas: Any = sys.modules.get("pandas")
    kind = type(thing)
    if pandas is None or kind not in (getattr(pandas, "Series", None), getattr(pandas, "DataFrame", None)):
        name = kind.__name__
        if name.endswith("GroupBy") and kind.__module__.startswith("pandas."):
            return f"of a {name} is not split; instead: a comprehension over its groups"
        return f"belongs to a {name}: what is split is pandas.Series and pandas.DataFrame"
    if int(pandas.__version__.split(".")[0]) < 3:
        return f"is split from pandas 3 on; this is {pandas.__version__}"
    own = getattr(kind, method, None)
    if (
        not isinstance(own, types.FunctionType)
        or not own.__module__.startswith("pandas.core.")
        or method in vars(thing)
    ):
        return "is no longer pandas' own"
    shown: Any = thing
    if kind is pandas.DataFrame:
        if method == "map" or not rows:
            return "goes through the columns or single cells of a DataFrame; what is split is apply(f, axis=1)"
    elif rows:
        return "is given axis or result_type, which a Series hands on to the function"
    other = next((each for each in _dtypes(shown) if not _is_by_value(each)), None)
    if other is not None:
        return f"goes through values of type {other}, which pandas hands out in a way of its own"
    return "" if all(shown.shape) else "has nothing to go through"


def _dtypes(thing: Any) -> list[Any]:
    """Those of a DataFrame's columns, or of a Series."""
    return list(thing.dtypes) if hasattr(thing, "columns") else [thing.dtype]


def _is_by_value(dtype: Any) -> bool:
    return type(dtype).__module__.startswith("numpy") or type(dtype).__name__ in _BY_VALUE


class Site(Protocol):
    """What the calls ask of the site that they are the iterations of."""

    run: Any
    index: int
    iterator: Iterator[Any]

    @property
    def goes_to_pool(self) -> bool:
        """Whether it has been found that the pool is worth it."""
        ...

    def batches(self, thing: object, ticks: Iterator[int]) -> Iterator[Iterator[Any]]:
        """A tick for each call in the kernel."""
        ...

    def pool(self) -> Iterator[Any]:
        """The iterations that ran in the pool, in order."""
        ...

    def give_back(self, item: object, why: str) -> None:
        """The kernel does the iteration that was taken last, and all after it."""
        ...

    def rest(self) -> Iterator[Any]:
        """The items of the iterations that the pool has not done."""
        ...


class Calls:
    """The calls that pandas makes of one function, on its way through one object."""

    def __init__(self, site: Site, thing: Any, method: str, *, rows: bool, skips: bool) -> None:
        self.site = site
        self.thing = thing
        self.method = method
        self.rows = rows
        self.skips = skips  # missing values
        self.first: type | None = None  # of what the function gave first
        self.ticks: Any = iter(range(0))
        self.batches: Iterator[Iterator[Any]] = iter(())
        self.batch: Iterator[Any] = iter(())
        self.replays: Iterator[Any] | None = None
        self.rest: Iterator[Any] | None = None

    def begin(self, function: Any) -> Any:
        """Give what pandas is to call: the function itself where it is not one that can be followed."""
        if not isinstance(function, _FUNCTIONS if self.rows else _OF_VALUES):
            return None
        self.function: Callable[..., Any] = function
        self.ticks = iter(range(len(self.thing)))
        self.batches = self.site.batches(self.thing, self.ticks)
        self.stand_in: Any = functools.partial(self._probing)
        self._switch(self._probing)
        return self.stand_in

    def _switch(self, function: Callable[..., Any]) -> None:
        """From now on pandas calls this. The attribute keeps its own partial() from being made of what is in here."""
        self.stand_in.__setstate__((function, (), {}, {"of": "mpnb"}))

    # -- what pandas calls, by and by ---------------------------------------------------------------------------------

    def _probing(self, *given: Any, **named: Any) -> Any:
        __tracebackhide__ = True
        while next(self.batch, _OVER) is _OVER:
            batch = next(self.batches, None)
            if batch is None:
                return self._through(*given, **named)
            self.batch = batch
            if batch is self.ticks:  # nobody asks any more
                self._switch(self.function)
                break
        value = self.function(*given, **named)
        if self.first is None:
            self.first = type(value)
        return value

    def _through(self, *given: Any, **named: Any) -> Any:
        """The probe is: the pool takes over, or there are more calls than pandas' object has items."""
        __tracebackhide__ = True
        if self.site.goes_to_pool:
            self.site.iterator = self._left(self.site.index)
            self.replays = self.site.pool()
            self._switch(self._answered)
            return self._answered(*given, **named)
        self._switch(self.function)
        return self.function(*given, **named)

    def _answered(self, *given: Any, **named: Any) -> Any:
        __tracebackhide__ = True
        assert self.replays is not None
        replay = next(self.replays, None)
        if replay is not None and replay.error is not None:
            raise replay.error
        if replay is not None:
            value = next((entry[1] for entry in replay.effects if entry[0] == 0), None)
            why = self._why_not(given[0], replay.item, value)
            if not why:
                if self.first is None:
                    self.first = type(value)
                for entry in replay.effects:
                    if entry[0] != 0:
                        self.site.run.show(entry)
                return value
            self.site.give_back(replay.item, why)
            self.replays.close()  # type: ignore[attr-defined]
        self.rest = self.site.rest()
        self._switch(self._resting)
        return self._resting(*given, **named)

    def _resting(self, *given: Any, **named: Any) -> Any:
        __tracebackhide__ = True
        assert self.rest is not None
        if next(self.rest, _OVER) is _OVER:
            self._switch(self.function)
        return self.function(*given, **named)

    # -- the items ----------------------------------------------------------------------------------------------------

    def objects(self) -> list[Any]:
        """What pandas hands out as it lies there and does not make anew for each call: a nan among texts, objects."""
        columns = [self.thing.iloc[:, n] for n in range(self.thing.shape[1])] if self.rows else [self.thing]
        return [list(each) for each in columns if each.dtype == object or type(each.dtype).__name__ == "StringDtype"]

    @functools.cached_property
    def making_s(self) -> float:
        """Seconds that an item costs besides being sent, by trying it on a few; a row's sending is in it."""
        began = time.perf_counter()
        some = list(islice(self._taken(0, SAMPLE), SAMPLE))
        taken_s = (time.perf_counter() - began) / max(1, len(some))
        return 2 * taken_s + (ROW_S if self.rows else 0.0)  # pandas makes them once more for its own calls

    def _left(self, first: int) -> Iterator[Any]:
        """What pandas will give its calls from number `first` on."""
        if self.skips:
            yield from islice(self._taken(0), first, None)
        else:
            yield from self._taken(first)

    def _taken(self, first: int, size: int = CHUNK) -> Iterator[Any]:
        for start in range(first, len(self.thing), size):
            part = self.thing.iloc[start : start + size]
            kept: list[Any] = []
            if self.rows:  # pandas has one Series for all rows, and puts new values into it
                part.apply(lambda row, kept=kept: kept.append(row.copy(deep=False)), axis=1)
            elif self.method == "map":
                part.map(kept.append, na_action="ignore" if self.skips else None)
            else:
                part.apply(kept.append)
            yield from kept

    def _why_not(self, given: Any, item: Any, value: Any) -> str:
        """Why a value can't be the answer to a call; empty where it can."""
        if not self.rows:
            return "" if _is_same(given, item) else "pandas did not hand out the value that was due"
        if not (given.name is item.name or _is_same(given.name, item.name)):
            return "pandas did not hand out the row that was due"
        kind = type(value)
        if kind is type(given):
            # where the first result is none, pandas keeps each as it is, which may be a view of its row
            if self.first not in (None, kind):
                return "its results are Series only now and then"
            return "" if value.dtype != object or all(map(_is_apart, value)) else _MAY_HOLD
        return "" if _is_apart(value) else _MAY_HOLD

    # -- the end ------------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Pandas has called all that it wanted to call."""
        if self.rest is not None:
            next(self.rest, None)
        elif self.replays is not None:
            next(self.replays, None)
            deque(self.site.rest(), maxlen=0)
        else:
            self.ticks.__setstate__(len(self.thing))  # the end, at once
            for batch in self.batches:
                deque(batch, maxlen=0)
        self.leave()

    def leave(self) -> None:
        """It was left, by an error or at its end."""
        for each in (self.batches, self.replays, self.rest):
            if isinstance(each, types.GeneratorType):
                each.close()


_MAY_HOLD: Final = "its results may hold a part of their row, which pandas uses for the next row again"


def _is_scalar(value: object) -> bool:
    kind = type(value)
    if kind in _SCALARS:
        return True
    library, _, inside = kind.__module__.partition(".")
    if library == "numpy":
        return hasattr(value, "dtype") and not hasattr(value, "__array_finalize__")
    if library == "pandas":
        return inside.startswith("_libs") or kind.__name__ in _OF_PANDAS
    return library in _SCALAR_LIBRARIES


def _is_same(one: Any, other: Any) -> bool:
    """Tell whether two values are one object, or equal ones of a type whose objects can't be told apart."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if type(one) is tuple:
        return len(one) == len(other) and all(map(_is_same, one, other))
    return _is_scalar(one) and (bool(one == other) or (_is_nan(one) and _is_nan(other)))


def _is_nan(value: Any) -> bool:
    return bool(value != value)  # noqa: PLR0124 -- the one thing that is not equal to itself, of whatever type


def _is_apart(value: Any, depth: int = 0) -> bool:
    """Tell whether a value surely holds no part of a row: it is a scalar, or made of such."""
    if _is_scalar(value):
        return True
    if depth > 3:
        return False
    if type(value) is dict:
        value = [*value.keys(), *value.values()]
    elif type(value) not in _CONTAINERS:
        return False
    return all(_is_apart(part, depth + 1) for part in value)


__all__ = ["CHUNK", "Calls", "why_plain"]
