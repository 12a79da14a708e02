"""Objects in, frames out, and back: what a job's function and its names look like on their way to a worker.

A frame is a pickle (protocol 5, C pickler) and the big buffers beside it. Three kinds exist:

    bundle   the function and every name it needs, found while pickling: one pickle, so one memo: an object reachable
             from two names is one object in the worker
    chunk    some items; what is reachable from the bundle too is written as a reference to the bundle's object
    effects  what iterations did; what came from the bundle or the chunk is written as a reference, so the kernel
             gets its own objects back, and a view of a shipped array comes back as a view

    kernel                                worker (namespace.Mirror)
    JobEncoder(job).parts     ─ bundle ─► load           both sides number the objects of a pickle alike
    JobEncoder.encode_items   ─ chunk ──► decode_items   (the C pickler's memo), so a number is enough to name one
    JobEncoder.decode_effects ◄ effects ─ encode_effects

Functions travel as marshalled code, closure and attributes, and get the worker's `__main__` (or their own module) as
their globals; not by dill, which gives each a private copy of its globals, fails on mutual recursion, and takes ten
times as long. Notebook classes travel by cloudpickle's reducers (dill loses enums), all else by C pickle. For what that
refuses, dill says how it is made again, and C pickle writes it: one memo, so shared objects stay shared. Locks, caches
and weak references have entries of their own below, which are as faithful and need no 50 ms to import dill.
"""

# ruff: noqa: SLF001 -- cloudpickle's tables have no public names

from __future__ import annotations

import contextvars
import copyreg
import dataclasses
import datetime
import functools
import importlib
import io
import itertools
import marshal
import pickle
import random
import sys
import threading
import types
import typing
import weakref
from collections import ChainMap
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, Final

import cloudpickle.cloudpickle as clouds

from mpnb.arrays import fill_array, mapped_array, memory_of, own_array, view_of
from mpnb.blame import Unsendable, kind_name
from mpnb.cache import EncodeCache, Name, Script
from mpnb.closed import closed_file, opened_by
from mpnb.frames import OUT_OF_BAND
from mpnb.modules import is_local
from mpnb.streams import SEEDED, SHARED, shared_generator, shared_name

_PRIME: Final = b"\x97\x94\x30"  # NEXT_BUFFER MEMOIZE POP: put a given object into the unpickler's memo

Memo = dict[int, tuple[int, Any]]  # the C pickler's: id -> (number, object)

# --- what a pickle calls when it is read -----------------------------------------------------------------------------
# The pickler names these functions; each Decoder answers to some of the names with methods of its own.


def shared(number: int) -> Any:
    """Stand for object `number` of the bundle."""
    raise NotImplementedError(number)


def make_generator(number: int) -> Any:
    """Stand for the random generator that has this number in the keys of the streams."""
    raise NotImplementedError(number)


def make_function(code: bytes, where: Any, name: str, cells: tuple[CellType, ...] | None) -> FunctionType:
    """Make a function whose globals are the notebook's (`where` is None), a module's, or a given dict."""
    raise NotImplementedError(name)


def make_array(buffer: Any, dtype: Any, shape: Any, strides: Any, offset: int, writeable: bool) -> Any:
    """Make an array over a buffer."""
    raise NotImplementedError(dtype)


def make_view(of: Any, offset: int, dtype: Any, shape: Any, strides: Any, writeable: bool) -> Any:
    """Make a view of an array, `offset` bytes from where that begins."""
    raise NotImplementedError(dtype)


def fill_function(function: FunctionType, state: tuple[Any, ...]) -> None:
    """Give a function what may refer back to it."""
    function.__defaults__, function.__kwdefaults__, attributes, function.__qualname__, annotations = state[:5]
    function.__doc__, function.__module__, contents, globals_, parameters = state[5:]
    if attributes:
        function.__dict__.update(attributes)
    if annotations:
        function.__annotations__ = annotations
    if parameters:
        function.__type_params__ = parameters  # type: ignore[attr-defined]  # from Python 3.12 on
    if contents:
        for cell, content in contents:
            cell.cell_contents = content
    if globals_:
        function.__globals__.update(globals_)


def fill_cell(cell: CellType, state: tuple[Any]) -> None:
    """Give a cell its content."""
    cell.cell_contents = state[0]


def make_module(name: str, doc: str | None) -> ModuleType:
    """Make a module that is not imported from anywhere."""
    return ModuleType(name, doc)


def fill_module(module: ModuleType, state: dict[str, Any]) -> None:
    """Give such a module its names."""
    module.__dict__.update(state)


def make_lru_cache(function: Any, maxsize: int | None, typed: bool) -> Any:
    """Make an empty `functools.lru_cache` around a function."""
    return functools.lru_cache(maxsize, typed)(function)


def fill_attributes(thing: Any, state: dict[str, Any]) -> None:
    """Set attributes, past a class's own `__setstate__`."""
    vars(thing).update(state)


def fill_read_only(array: Any, state: Any) -> None:
    """Give an array of objects (or of a subclass) its state, and protect it."""
    array.__setstate__(state)
    array.flags.writeable = False


def fill_subclass(array: Any, state: tuple[Any, dict[str, Any], bool]) -> None:
    """Give an array of a subclass its state and its attributes, which numpy's own way leaves out."""
    own, attributes, writeable = state
    array.__setstate__(own)
    vars(array).update(attributes)
    if not writeable:
        array.flags.writeable = False


def make_weakref(target: Any) -> Any:
    """Make a weak reference."""
    return weakref.ref(target)


@functools.lru_cache(4096)
def _code(data: bytes) -> CodeType:
    found = marshal.loads(data)
    assert isinstance(found, CodeType)
    return found


# --- the pickler -----------------------------------------------------------------------------------------------------


def _refuse(why: str) -> Callable[[Any], Any]:
    def reduce(thing: Any) -> Any:
        raise Unsendable(why.format(kind_name(thing)))

    return reduce


def _reduce_lock(lock: Any) -> Any:
    if lock.locked():
        raise Unsendable("a lock that is held")
    return threading.Lock, ()


def _reduce_rlock(lock: Any) -> Any:
    if "count=0" not in repr(lock):
        raise Unsendable("a lock that is held")
    return threading.RLock, ()


def _reduce_weakref(reference: Any) -> Any:
    if reference() is None or reference.__callback__ is not None:
        raise Unsendable("a weak reference that is dead or has a callback")
    return make_weakref, (reference(),)


def _reduce_lru_cache(cached: Any) -> Any:
    parameters = cached.cache_parameters()
    state = {key: value for key, value in vars(cached).items() if key != "__wrapped__"}
    made = (cached.__wrapped__, parameters["maxsize"], parameters["typed"])
    return make_lru_cache, made, state, None, None, fill_attributes


def _reduce_cached_property(thing: Any) -> Any:
    state = {key: value for key, value in vars(thing).items() if key != "lock"}  # 3.11 has a lock in it
    return functools.cached_property, (thing.func,), state, None, None, fill_attributes


class _Noted:
    """Stands in for a dill pickler: notes how one object is made again, and writes nothing."""

    _recurse = _byref = False
    _strictio = True
    proto = 5

    def __init__(self) -> None:
        self.reduced: tuple[Any, ...] | None = None

    def save_reduce(self, *reduced: Any, obj: Any = None) -> None:
        del obj
        self.reduced = reduced


def _by_dill(kind: type) -> Callable[[Any, Any], Any] | None:
    """What dill knows of a class that C pickle refuses; None where it knows nothing."""
    dill = importlib.import_module("dill._dill")
    save = dill.Pickler.dispatch.get(kind)
    if save is None:
        return None

    def reduce(encoder: Any, thing: Any) -> Any:
        del encoder
        noted = _Noted()
        try:
            save(noted, thing)
        except AttributeError:  # it wants to write by itself
            return NotImplemented
        return NotImplemented if noted.reduced is None else noted.reduced

    return reduce


def _reduce_memoryview(view: Any) -> Any:
    if type(view.obj) is not bytes or view.nbytes != len(view.obj) or view.format != "B" or not view.c_contiguous:
        raise Unsendable("a memoryview: a worker would get a copy")
    return memoryview, (view.obj,)  # bytes can't change, so nobody can tell


_FILES: Final = (io.TextIOWrapper, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.FileIO)


def _reduce_file(file: Any) -> Any:
    made = opened_by(file)
    if made is None:
        raise Unsendable("an open file: open it inside the loop")
    return closed_file, made


#: Classes of which there is no faithful copy, though dill or a proxy's own object would give something.
_NO_COPY: Final[Mapping[tuple[type, ...], str]] = {
    (types.GeneratorType, types.AsyncGeneratorType): "a generator, which only this process can run on",
    (types.CoroutineType, types.FrameType): "a {}, which only this process can run on",
    (types.TracebackType, contextvars.Context, contextvars.Token, type(datetime.datetime_CAPI)): (
        "a {}, which belongs to this process"
    ),
    (weakref.ProxyType, weakref.CallableProxyType): "a weak proxy, whose object nothing may hold on the other side",
}
_HEAP_TYPE: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_NUMBERS: Final = ("float64", "int64", "bool_")  # of numpy's, those that Python has as well, bit for bit

_TABLE: Final[ChainMap[Any, Callable[[Any], Any]]] = ChainMap(
    {
        type(threading.Lock()): _reduce_lock,
        type(threading.RLock()): _reduce_rlock,
        weakref.ref: _reduce_weakref,
        weakref.WeakKeyDictionary: lambda thing: (weakref.WeakKeyDictionary, (dict(thing),)),
        weakref.WeakValueDictionary: lambda thing: (weakref.WeakValueDictionary, (dict(thing),)),
        functools.cached_property: _reduce_cached_property,
        memoryview: _reduce_memoryview,
        **dict.fromkeys(_FILES, _reduce_file),
        type(dataclasses.MISSING): lambda _: "MISSING",  # a sentinel: by name
        type(dataclasses.KW_ONLY): lambda _: "KW_ONLY",
        **{kind: _refuse(why) for kinds, why in _NO_COPY.items() for kind in kinds},
        CodeType: lambda code: (_code, (marshal.dumps(code),)),
    },
    clouds.Pickler._dispatch_table,
)
# copyreg's table stays live: libraries register into it when they are loaded.
_DISPATCH: Final = ChainMap(*_TABLE.maps, *clouds.Pickler.dispatch_table.maps[1:])


def find_importable(thing: Any, main: Mapping[str, Any]) -> ModuleType | None:
    """The module that a worker can import this function or class from, by its name."""
    module = sys.modules.get(getattr(thing, "__module__", None) or "")
    if module is None or module.__dict__ is main or getattr(module, "__spec__", None) is None:
        return None
    if thing.__module__ == main.get("__name__"):
        return None
    found: Any = module
    for name in thing.__qualname__.split("."):
        found = getattr(found, name, None)
        if found is None:
            return None
    return module if found is thing else None


#: What is the notebook's own on both sides of a call: of all else a task may change its copy.
LASTING: Final = (FunctionType, type)


class Encoder(pickle.Pickler):
    """A C pickler that knows the notebook's namespace; the base of all three kinds of frames.

    Parameters
    ----------
    file
        Where the pickle goes.
    cache
        Knows code.
    main
        The dict that is the globals of the notebook's functions.
    known
        id -> number of bundle objects, written as references.
    buffers
        Takes the big buffers; None where everything stays in band.
    generators
        id -> number of the random generators that have streams.
    """

    dispatch_table = _DISPATCH
    lends = True  # objects go out to be used, so none may be one that moves on when it is used
    exact = True  # nor one that might arrive as something else; else a copy is what its class says that it is

    def __init__(
        self,
        file: io.BytesIO,
        cache: EncodeCache,
        main: dict[str, Any],
        known: Mapping[int, int],
        buffers: list[Any] | None,
        generators: Mapping[int, int] = types.MappingProxyType({}),
    ) -> None:
        super().__init__(file, 5, buffer_callback=None if buffers is None else _taker(buffers))
        self.file = file
        self.buffers = buffers
        self.cache = cache
        self.main = main
        self.known = known
        self.generators = generators
        self.wanted: dict[Name, None] = {}  # names that code met so far looks up
        self.scripts: dict[int, Script] = {}  # notebook code met so far
        self.modules: dict[str, ModuleType] = {}  # modules met so far, directly or by something in them
        self.arrays: list[Any] = []
        self.array_buffers = 0  # out-of-band buffers that become arrays, which a decoder that owns its arrays copies
        self.of_pandas: dict[int, Any] = {}  # arrays inside pandas objects, by id
        self._cells: set[int] = set()
        self.classes: list[type] = []  # importable ones
        self.unmarked: list[type] = []  # notebook classes on which copyreg has not kept its list of slots yet
        self._private: dict[int, tuple[Any, dict[str, Any]]] = {}
        mine = type(self)
        self._handlers: dict[type, Callable[[Any, Any], Any] | None] = {
            **_HANDLERS,
            FunctionType: mine.reduce_function,
            type: mine.reduce_class,
            ModuleType: mine.reduce_module,
        }

    def reducer_override(self, thing: Any) -> Any:
        """Called by the C pickler for everything but the plainest built-in types."""
        if id(thing) in self.known:
            return shared, (self.known[id(thing)],)
        kind = type(thing)
        try:
            handler = self._handlers[kind]
        except KeyError:
            handler = self._handlers[kind] = self._handler(kind, thing)
        return NotImplemented if handler is None else handler(self, thing)

    def _handler(self, kind: type, thing: Any) -> Callable[[Any, Any], Any] | None:
        """Choose, once per class, who reduces its instances, of which this is the first."""
        if kind.__module__ == "__main__" and "__slotnames__" not in vars(kind):
            self.unmarked.append(kind)
        mine = type(self)
        if issubclass(kind, type):
            return mine.reduce_class
        if issubclass(kind, ModuleType):
            return mine.reduce_module
        numpy = sys.modules.get("numpy")
        if numpy is not None and issubclass(kind, getattr(numpy, "ndarray", ())):
            return mine.reduce_array
        if numpy is not None and kind in {getattr(numpy, name, None) for name in _NUMBERS}:
            return mine.reduce_number
        if kind.__module__.startswith("pandas.") and "pandas" in sys.modules:  # a row's class says so without
            internals, pandas = sys.modules.get("pandas._libs.internals"), sys.modules["pandas"]
            if issubclass(kind, (getattr(internals, "Block", ()), getattr(pandas, "Index", ()))):
                return mine.note_pandas
            if kind.__module__ == "pandas.core.internals.managers":  # that of a Series pickles its blocks' values bare
                return mine.note_blocks
        if self.exact and (method := self._own_pickling(kind)) is not None:
            raise Unsendable(f"{kind.__qualname__} has a {method} of its own, which may leave something out")
        if self.exact and issubclass(kind, BaseException):
            return mine.reduce_exception
        if issubclass(kind, _generator_types()):
            return mine.reduce_generator
        if self.lends and (reason := _moves_on(kind)) is not None:
            raise Unsendable(reason)
        if kind is super:  # C pickle would ask what it stands for, and write that
            return _by_dill(kind)
        if kind.__module__ == "itertools":
            raise Unsendable("an iterator, which only this process can run on")  # pickling is deprecated from 3.12 on
        if (
            kind.__reduce_ex__ is object.__reduce_ex__
            and kind.__reduce__ is object.__reduce__
            and kind not in _DISPATCH
        ):
            for base in (threading.local, *_REFUSED):
                if issubclass(kind, base):
                    raise Unsendable(f"{kind.__qualname__} belongs to this process")
            if not kind.__flags__ & _HEAP_TYPE:  # of C: it may have nothing that C pickle could write
                try:
                    thing.__reduce_ex__(5)
                except TypeError:
                    return _by_dill(kind)
        return None

    def reduce_number(self, number: Any) -> Any:
        """As its value in Python, which has the same bits: numpy's own way takes three times as long."""
        return type(number), (number.item(),)

    def reduce_exception(self, error: BaseException) -> Any:
        """As its class does; not where that leaves out where it was raised."""
        if error.__traceback__ is not None:
            raise Unsendable("an exception with its traceback, whose frames belong to this process")
        return NotImplemented

    # functions, classes, modules

    def reduce_function(self, function: FunctionType) -> Any:
        """By name where it can be imported; else as code, closure and attributes."""
        space = function.__globals__
        if space is not self.main:
            module = find_importable(function, self.main)
            if module is not None:
                self.modules[module.__name__] = module
                return NotImplemented
        script = self.cache.script(function.__code__)
        entries = None
        where: Any = None
        if space is self.main:
            self.scripts[id(function.__code__)] = script
            self.wanted.update(dict.fromkeys(script.names))
        else:
            owner = sys.modules.get(space.get("__name__", ""))
            if owner is not None and owner.__dict__ is space and getattr(owner, "__spec__", None) is not None:
                where = self.modules[owner.__name__] = owner
            else:
                # Made by exec or eval in a dict of its own (namedtuple, attrs): that dict, but only what is looked up.
                where = self._private.setdefault(id(space), (space, {}))[1]
                entries = {n: space[n] for n in ("__name__", *script.names) if n in space}
        closure = function.__closure__
        contents: list[Any] = []
        for cell in closure or ():
            self._cells.add(id(cell))
            try:
                contents.append((cell, cell.cell_contents))
            except ValueError:  # not bound yet
                continue
        state = (
            function.__defaults__,
            function.__kwdefaults__,
            function.__dict__ or None,
            function.__qualname__,
            function.__annotations__ or None,
            function.__doc__,
            function.__module__,
            contents or None,
            entries,
            getattr(function, "__type_params__", None) or None,
        )
        return make_function, (script.data, where, function.__name__, closure), state, None, None, fill_function

    def reduce_cell(self, cell: CellType) -> Any:
        """Empty where a function's state fills it, for it may refer to that function; else with its content."""
        if id(cell) in self._cells:
            return CellType, ()
        try:
            state = (cell.cell_contents,)
        except ValueError:  # not bound yet
            return CellType, ()
        return CellType, (), state, None, None, fill_cell

    def _own_pickling(self, kind: type) -> str | None:
        """The method by which a class of the user's says what of its instances is pickled."""
        if kind in copyreg.dispatch_table and find_importable(kind, self.main) is None:
            return "reducer in copyreg"
        for base in kind.__mro__:
            for name in ("__getstate__", "__setstate__", "__reduce__", "__reduce_ex__"):
                method = vars(base).get(name)
                if isinstance(method, FunctionType):
                    owner = sys.modules.get(method.__module__ or "")
                    if method.__globals__ is self.main or (owner is not None and is_local(owner)):
                        return name
        return None

    def has_name(self, kind: type) -> bool:
        """Tell whether a class is found on the other side by its name alone."""
        return kind in _BUILTIN_TYPES or kind in _PLAIN_TYPES or find_importable(kind, self.main) is not None

    def reduce_class(self, kind: type) -> Any:
        """By name where it can be imported; else by value, as cloudpickle does it."""
        if kind in _BUILTIN_TYPES:
            return clouds._builtin_type, (_BUILTIN_TYPES[kind],)
        if kind in _PLAIN_TYPES:
            return NotImplemented
        module = find_importable(kind, self.main)
        if module is not None:
            self.modules[module.__name__] = module
            self.classes.append(kind)
            return NotImplemented
        make, arguments, state, _, _, fill = clouds._dynamic_class_reduce(kind)
        slotted = "__slots__" in vars(kind) and make is clouds._make_skeleton_class
        if slotted and typing.NamedTuple not in arguments[2]:  # that one makes its own, and allows no others
            # cloudpickle sets them too late: instances would have a dict beside them
            arguments[3]["__slots__"] = kind.__slots__  # type: ignore[attr-defined]
            own = [name for name, value in state[0].items() if type(value) is types.MemberDescriptorType]
            for name in own:  # those of private names, which are mangled
                del state[0][name]
        if make is clouds._make_skeleton_class and kind.__qualname__ != kind.__name__:  # which cloudpickle forgets
            state[0]["__qualname__"] = kind.__qualname__
        # The last but one argument would make one class of two that were the same at some time.
        return make, (*arguments[:-2], None, None), state, None, None, fill

    def reduce_module(self, module: ModuleType) -> Any:
        """By name where it can be imported; else (made in the notebook) as data."""
        if module.__dict__ is self.main:
            raise Unsendable("the notebook's own module, whose names are found only where code says them")
        name = module.__name__
        if sys.modules.get(name) is module and getattr(module, "__spec__", None) is not None:
            self.modules[name] = module
            return importlib.import_module, (name,)
        if any(
            isinstance(value, FunctionType) and value.__globals__ is module.__dict__ for value in vars(module).values()
        ):
            raise Unsendable("a module made in this process, with functions of its own")
        state = {key: value for key, value in vars(module).items() if key not in _MODULE_OWN}
        return make_module, (name, module.__doc__), state, None, None, fill_module

    # random generators

    def reduce_generator(self, generator: Any) -> Any:
        """By number where it has streams; the shared ones are never copied, and others do not go out to be used."""
        number = self.generators.get(id(generator))
        if number is None and not self.lends and (name := shared_name(generator)) is not None:
            number = SHARED.index(name)
        if number is not None:
            return make_generator, (number,)
        if self.lends:
            raise Unsendable(f"a random generator, whose numbers all iterations share; instead: {SEEDED}")
        return NotImplemented

    # arrays

    def reduce_array(self, array: Any) -> Any:
        """As a buffer, its strides kept; arrays of objects and subclasses by numpy."""
        self.arrays.append(array)
        numpy = sys.modules["numpy"]
        dtype = array.dtype
        if type(array) is not numpy.ndarray or dtype.hasobject or dtype.itemsize == 0:
            return self.reduce_odd_array(array)
        buffer, strides, offset = memory_of(array)
        self.array_buffers += buffer.nbytes >= OUT_OF_BAND
        return make_array, (pickle.PickleBuffer(buffer), dtype, array.shape, strides, offset, array.flags.writeable)

    @property
    def is_arrays(self) -> bool:
        """Whether all that left the pickle are the buffers of arrays."""
        return len(self.buffers or ()) == self.array_buffers

    def reduce_odd_array(self, array: Any) -> Any:
        """An array of objects, or of a subclass: numpy's own way, and read-only on the other side."""
        reduced = self.reduce_attributes(array, writeable=False)
        if len(reduced) == 3:
            return (*reduced, None, None, fill_read_only)
        return reduced

    def reduce_attributes(self, array: Any, *, writeable: bool) -> Any:
        """Numpy's own way, and beside it the attributes of an instance of a subclass that says nothing of them."""
        reduced = array.__reduce_ex__(5)
        kind, plain = type(array), sys.modules["numpy"].ndarray
        silent = all(getattr(kind, name) is getattr(plain, name) for name in ("__reduce__", "__reduce_ex__"))
        held = getattr(array, "__dict__", {})
        attributes = {name: value for name, value in held.items() if value is not None}
        if "_mmap" in attributes:  # that of a numpy.memmap; by it the array knows whether its slices are mapped as well
            attributes["_mmap"] = True
        if not attributes or not silent or kind.__setstate__ is not plain.__setstate__:
            return reduced
        return (*reduced[:2], (reduced[2], attributes, writeable), None, None, fill_subclass)

    def note_blocks(self, manager: Any) -> Any:
        """Remember the arrays of all blocks of a pandas object."""
        for block in manager.blocks:
            self.note_pandas(block)
        return NotImplemented

    def note_pandas(self, thing: Any) -> Any:
        """Remember the arrays inside a pandas object, which pandas shares between objects in its own way."""
        for holder in (
            getattr(thing, "values", None) if hasattr(thing, "mgr_locs") else getattr(thing, "_data", None),
        ):
            for array in (holder, *(getattr(holder, name, None) for name in ("_ndarray", "_data", "_mask"))):
                if array is not None:
                    self.of_pandas[id(array)] = array
        return NotImplemented


_HANDLERS: Final[Mapping[type, Callable[[Any, Any], Any]]] = {
    functools._lru_cache_wrapper: lambda encoder, cached: (
        NotImplemented if find_importable(cached, encoder.main) is not None else _reduce_lru_cache(cached)
    ),
    CellType: lambda encoder, cell: encoder.reduce_cell(cell),
}
_BUILTIN_TYPES: Final[Mapping[Any, str]] = clouds._BUILTIN_TYPE_NAMES
_PLAIN_TYPES: Final = {type(None), type(NotImplemented), type(...)}
_MODULE_OWN: Final = {"__builtins__", "__loader__", "__spec__", "__doc__"}


def _moves_on(kind: type) -> str | None:
    """Say in words why an object of this class must be used in its own process only: using it changes it."""
    if kind.__module__ == "builtins" and hasattr(kind, "__next__"):
        return "an iterator, which only this process can run on"
    if issubclass(kind, (io.StringIO, io.BytesIO)):
        return "an open buffer, which is read and written at a place of its own"
    return None


def _generator_types() -> tuple[type, ...]:
    numpy_random: Any = sys.modules.get("numpy.random")
    names = ("Generator", "RandomState", "BitGenerator")
    return (random.Random, *(getattr(numpy_random, name) for name in names if hasattr(numpy_random, name)))


_REFUSED: Final = (threading.Thread, threading.Event, threading.Condition, threading.Semaphore)


def _taker(buffers: list[Any]) -> Callable[[Any], bool]:
    def take(buffer: Any) -> bool:
        raw = buffer.raw()
        if raw.nbytes < OUT_OF_BAND:
            return True
        buffers.append(raw)
        return False

    return take


# --- the unpickler ---------------------------------------------------------------------------------------------------


class Decoder(pickle.Unpickler):
    """A C unpickler that answers for the functions a pickle of `Encoder` names.

    Parameters
    ----------
    body, buffers
        The pickle and its out-of-band buffers.
    main
        Globals of functions that have the notebook's.
    primed
        Objects that get the numbers 0, 1, … before anything is read.
    bundle
        The bundle's objects by number.
    own
        Arrays get memory of their own, writeable as they were; otherwise they lie over the buffer, read-only.
    frozen
        Ids of arrays of which views are read-only, as pandas makes them under copy-on-write.
    generators
        Random generators that have streams, from number 2 on.
    """

    def __init__(
        self,
        body: io.BytesIO,
        buffers: Iterable[Any],
        main: dict[str, Any],
        primed: Sequence[Any] = (),
        bundle: Sequence[Any] = (),
        *,
        own: bool = False,
        frozen: Container[int] = (),
        generators: Sequence[Any] = (),
    ) -> None:
        # `Unpickler.memo = …` loses what it is given (CPython up to 3.13), so the pickle itself does it.
        prelude = b"\x80\x05" + _PRIME * len(primed) + b"N."
        joined = io.BytesIO(prelude + body.getbuffer()) if primed else body
        super().__init__(joined, buffers=itertools.chain(primed, buffers))
        self._main = main
        self._bundle = bundle
        self._own = own
        self._frozen = frozen
        self._generators = generators
        if primed:
            self.load()

    def find_class(self, module: str, name: str) -> Any:
        """Give the functions of this module that only this decoder can be; all else as usual."""
        if module == __name__:
            if name == "shared":
                return self._bundle.__getitem__
            if name == "make_generator":
                return self._generator
            if name == "make_function":
                return functools.partial(_function_in, self._main)
            if name == "make_array":
                return own_array if self._own else mapped_array
            if name == "make_view":
                return functools.partial(view_of, self._frozen)
            if name == "fill_read_only" and self._own:
                return fill_array
        return super().find_class(module, name)

    def _generator(self, number: int) -> Any:
        return self._generators[number - len(SHARED)] if number >= len(SHARED) else shared_generator(SHARED[number])

    def objects(self) -> list[Any]:
        """Everything read so far that has a number, by number."""
        memo = self.memo.copy()
        return [memo[number] for number in range(len(memo))]


def _function_in(main: dict[str, Any], code: bytes, where: Any, name: str, cells: Any) -> FunctionType:
    space = main if where is None else where.__dict__ if isinstance(where, ModuleType) else where
    return FunctionType(_code(code), space, name, None, cells)
