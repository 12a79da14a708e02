"""Which random generators a loop may draw from. Reads code and looks at objects; calls nothing of the user's.

Whoever finds too many here only loses time: they are seeded for nothing. One that is missed keeps its numbers, and a
loop that draws from it stays in the kernel, for the codec does not send it and the nets see it drawn from.
"""

from __future__ import annotations

import builtins
import cmath
import collections
import datetime
import functools
import itertools
import math
import re
import sys
import types
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from mpnb.plan import codes
from mpnb.plan.library import is_library_module, is_own
from mpnb.streams import MOST, NUMPY, PYTHON, SHARED, describe, shared_name

#: Modules whose functions draw from no shared generator: all of them, by their first name. numpy's: see `_by_module`.
_HARMLESS: Final = frozenset(
    """builtins math cmath itertools functools operator _operator collections _collections re json string datetime
    time calendar decimal _decimal fractions numbers bisect _bisect heapq _heapq copy hashlib _hashlib zlib struct
    textwrap os posix posixpath pathlib sys io _io csv typing dataclasses enum abc contextlib types warnings numpy
    unicodedata pandas mpnb""".split()
)
_LEAST: Final = 20_000  # so many objects are looked at
_PLAIN: Final = frozenset(
    {int, float, complex, bool, str, bytes, bytearray, type(None), range, slice, types.CodeType, types.MappingProxyType}
)


@dataclass(frozen=True, slots=True)
class Draws:
    """What a loop may draw from: names of the shared generators, and the notebook's own in the order of their numbers.

    `many`: there are more of its own than get streams.
    """

    shared: tuple[str, ...] = ()
    generators: tuple[object, ...] = ()
    many: bool = False

    def __bool__(self) -> bool:
        return bool(self.shared or self.generators)


def find_draws(task: types.FunctionType, leaves: Iterable[object] = ()) -> Draws:
    """Look at what a loop's task reaches, and at the items of what is looped over."""
    finder = _Finder(task.__globals__)
    finder.look(task)
    for leaf in leaves:
        finder.look(leaf)
    finder.run()
    finder.judge_names()
    shared = tuple(name for name in SHARED if name in finder.shared)
    return Draws(shared, tuple(finder.generators[:MOST]), len(finder.generators) > MOST)


class _Finder:
    """Goes from object to object, the nearest first."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.shared: set[str] = set()
        self.generators: list[object] = []
        self.words: set[str] = set()  # names in code that no global has: attributes, and what is imported
        self.numpy = self.random = False  # whether code names both
        self.todo: deque[object] = deque()
        self.seen: dict[int, object] = {}

    def look(self, thing: object) -> None:
        if type(thing) not in _PLAIN and id(thing) not in self.seen and len(self.seen) < _LEAST:
            self.seen[id(thing)] = thing
            self.todo.append(thing)

    def run(self) -> None:
        while self.todo:
            thing = self.todo.popleft()
            name = shared_name(thing)
            if name is not None:
                self.shared.add(name)
            elif describe(thing) is not None:
                self.generators.append(thing)
            else:
                for inner in self._inside(thing):
                    self.look(inner)

    def judge_names(self) -> None:
        """An attribute that is nobody's we know may be a function that draws."""
        if self.numpy and self.random:
            self.shared.add(NUMPY)
        if not self.words <= _known_names("numpy" in sys.modules, "pandas" in sys.modules):
            self.shared.update(SHARED)

    def _inside(self, thing: Any) -> Iterator[object]:
        kind = type(thing)
        if is_own(kind) and not issubclass(kind, list | tuple | deque | dict | functools.partial | type):
            yield from self._in_instance(thing)  # not asked what it is: a class of the user's may answer with code
            return
        match thing:
            case types.FunctionType():
                yield from self._in_function(thing)
            case types.ModuleType():
                yield from self._in_module(thing)
            case type():
                yield from self._in_class(thing)
            case functools.partial():
                yield from (thing.func, *thing.args, *thing.keywords.values())
            case types.MethodType():
                yield from (thing.__self__, thing.__func__)
            case types.BuiltinFunctionType() | types.MethodWrapperType():
                owner = thing.__self__
                if owner is None or isinstance(owner, types.ModuleType | type):
                    self._by_module(thing)
                else:
                    yield owner
            case property():
                yield from (thing.fget, thing.fset)
            case staticmethod() | classmethod():
                yield thing.__func__
            case functools.cached_property():
                yield thing.func
            case list() | tuple() | deque() | dict():
                yield from _parts(thing)
                yield from self._in_instance(thing)
            case _:
                yield from self._in_instance(thing)

    def _in_function(self, function: types.FunctionType) -> Iterator[object]:
        if not is_own(function):
            self._by_module(function)
            if function.__globals__ is not self.namespace:
                yield from vars(function).values()
                yield from _cells(function)
                return
        names = _names(function.__code__)
        self.random |= "random" in names
        for name in sorted(names):
            if name in function.__globals__ and not _is_attribute(name, function):
                yield function.__globals__[name]
            elif name not in _BUILTINS:
                self.words.add(name)
        yield from _cells(function)
        yield from function.__defaults__ or ()
        yield from (function.__kwdefaults__ or {}).values()
        yield from vars(function).values()

    def _in_module(self, module: types.ModuleType) -> Iterator[object]:
        name = module.__name__
        first = name.partition(".")[0]
        if name == "random":
            self.shared.add(PYTHON)
        elif name.startswith("numpy.random"):
            self.shared.add(NUMPY)
        elif first == "numpy":
            self.numpy = True
        elif first in _HARMLESS:
            return
        elif not is_library_module(name):
            yield from (value for key, value in sorted(vars(module).items()) if not key.startswith("__"))
        else:
            self.shared.update(SHARED)

    def _in_class(self, kind: type) -> Iterator[object]:
        for base in kind.__mro__:
            if is_own(base):
                yield from (value for key, value in vars(base).items() if key != "__dict__")
            elif base is not object:
                self._by_module(base)

    def _in_instance(self, thing: Any) -> Iterator[object]:
        kind = type(thing)
        if is_own(kind):
            yield kind
        with suppress(AttributeError):  # past a __getattribute__ of the user's
            yield from _parts(object.__getattribute__(thing, "__dict__"))
        for base in kind.__mro__ if is_own(kind) else ():
            for member in vars(base).values():
                if isinstance(member, types.MemberDescriptorType):
                    with suppress(AttributeError):  # not set
                        yield member.__get__(thing)

    def _by_module(self, thing: Any) -> None:
        """A function or class of a library: by where it is from."""
        module = getattr(thing, "__module__", None) or getattr(getattr(thing, "__self__", None), "__name__", None) or ""
        if module.startswith(("numpy.random", "random")):
            made = isinstance(thing, type) or getattr(thing, "__name__", "") == "default_rng"
            if not made:  # one that a loop makes is its own affair
                self.shared.add(NUMPY if module.startswith("numpy") else PYTHON)
        elif module.partition(".")[0] not in _HARMLESS:
            self.shared.update(SHARED)


_BUILTINS: Final = frozenset(dir(builtins))


def _names(code: types.CodeType) -> set[str]:
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return found


def _is_attribute(name: str, function: types.FunctionType) -> bool:
    """Tell whether a function means no module by this name, as by `random` in `np.random`; only where that matters."""
    thing = function.__globals__[name]
    if not issubclass(type(thing), types.ModuleType):  # not isinstance, which asks the object
        return False
    draws = thing.__name__.startswith("numpy.random") or thing.__name__.partition(".")[0] not in _HARMLESS
    return draws and is_library_module(thing.__name__) and name not in codes.names_by_themselves(function.__code__)


def _cells(function: types.FunctionType) -> Iterator[object]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not bound yet
            continue


def _parts(container: Any) -> Iterable[object]:
    parts = container.values() if isinstance(container, dict) else container
    return () if set(map(type, parts)) <= _PLAIN else list(parts)


@functools.cache
def _known_names(numpy_is_loaded: bool, pandas_is_loaded: bool) -> frozenset[str]:
    """Attributes that plain data has, and the methods of generators, which are found by themselves."""
    owners: list[Any] = [
        *(str, bytes, int, float, complex, list, tuple, dict, set, frozenset, range, slice, BaseException),
        *(deque, collections.Counter, collections.defaultdict, collections.OrderedDict, re.Match, re.Pattern),
        *(datetime.datetime, datetime.timedelta, Path, Random, math, cmath, itertools, functools, collections, re),
        *(types.FunctionType, property),
    ]
    if numpy_is_loaded:
        numpy = sys.modules["numpy"]
        numpy_random: Any = sys.modules.get("numpy.random")
        owners += [numpy, getattr(numpy, "ndarray", numpy), getattr(numpy, "linalg", numpy)]
        owners += [numpy_random, *(getattr(numpy_random, name, None) for name in ("Generator", "RandomState"))]
    if pandas_is_loaded:
        pandas: Any = sys.modules["pandas"]
        owners += [getattr(pandas, name, pandas) for name in ("DataFrame", "Series")]
    known = {name for owner in owners for name in dir(owner)}
    # `random` is looked for beside numpy; `sample` draws from numpy's legacy generator.
    return frozenset(known - {"sample"} | {"random"})
