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
their globals; notebook classes by cloudpickle's reducers; all else by C pickle. dill is not used: what it adds to this
(locks, lru_cache, weak references) is in the tables below, and some of what it adds (open files) is not faithful.
"""

from __future__ import annotations

import builtins
import ctypes
import functools
import gc
import hashlib
import importlib
import io
import itertools
import linecache
import marshal
import opcode
import operator
import os
import pickle
import struct
import sys
import threading
import types
import weakref
from collections import ChainMap
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, Final

import cloudpickle.cloudpickle as clouds  # type: ignore[import-untyped]

from mpnb import surroundings
from mpnb.buffers import Block, aligned, is_portable
from mpnb.engine import Effects, Job
from mpnb.errors import CodecError

OUT_OF_BAND: Final = 64 * 1024  # buffers from this size on leave the pickle
_OWN_BLOCK: Final = 1024 * 1024  # arrays of a bundle from this size on get a block of their own, so that it can be kept
_MOST_OWN_BLOCKS: Final = 32  # a block costs a descriptor, of which a process often has 1,024
_KEPT_FOR: Final = 4  # jobs for which an unused block is kept
_HOT: Final = 2000  # at most so many bundle objects are named in advance in every chunk

_PREFIX: Final = struct.Struct("<I")
_PRIME: Final = b"\x97\x94\x30"  # NEXT_BUFFER MEMOIZE POP: put a given object into the unpickler's memo

Name = str
Memo = dict[int, tuple[int, Any]]  # the C pickler's: id -> (number, object)


@dataclass(frozen=True, slots=True)
class Frame:
    """What travels over a socket: bytes, and blocks whose descriptors are passed beside them."""

    head: bytes
    blocks: tuple[Block, ...] = ()

    @property
    def nbytes(self) -> int:
        """Size of all of it."""
        return len(self.head) + sum(block.nbytes for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a worker keeps by digest, because it may be needed again."""

    digest: bytes
    frame: Frame


@dataclass(frozen=True, slots=True)
class ItemsMemo:
    """The notebook's own objects in a chunk, by the number they have on both sides."""

    objects: list[Any]


# --- frames ----------------------------------------------------------------------------------------------------------


def write_frame(
    kind: str, details: Any, body: bytes, buffers: Sequence[Any], cache: EncodeCache | None = None
) -> Frame:
    """Put a pickle and its out-of-band buffers into a frame: the buffers into as few blocks as is sensible."""
    groups: list[list[int]] = []
    rest: list[int] = []
    for number, buffer in enumerate(buffers):
        if cache is not None and buffer.nbytes >= _OWN_BLOCK and len(groups) < _MOST_OWN_BLOCKS:
            groups.append([number])
        else:
            rest.append(number)
    if rest:
        groups.append(rest)
    blocks: list[Block] = []
    places: list[tuple[int, int, int]] = [(0, 0, 0)] * len(buffers)
    for group in groups:
        pieces = [buffers[number] for number in group]
        blocks.append(Block.create(pieces) if cache is None else cache.block(pieces))
        offset = 0
        for number, piece in zip(group, pieces, strict=True):
            places[number] = (len(blocks) - 1, offset, piece.nbytes)
            offset = aligned(offset + piece.nbytes)
    if cache is not None and len(body) >= OUT_OF_BAND and not is_portable():
        blocks.append(cache.body(body))  # a big pickle is written once for all workers as well
        header = pickle.dumps((kind, details, places, len(body)), 5)
        return Frame(_PREFIX.pack(len(header)) + header, tuple(blocks))
    header = pickle.dumps((kind, details, places, -1), 5)
    return Frame(_PREFIX.pack(len(header)) + header + body, tuple(blocks))


def read_frame(frame: Frame) -> tuple[str, Any, io.BytesIO, list[memoryview]]:
    """Take a frame apart: kind, details, the pickle, its buffers (views of the mapped blocks)."""
    (length,) = _PREFIX.unpack_from(frame.head)
    start = _PREFIX.size + length
    kind, details, places, size = pickle.loads(frame.head[_PREFIX.size : start])
    views = [block.view() for block in frame.blocks]
    body: Any = memoryview(frame.head)[start:] if size < 0 else views[-1][:size]
    return kind, details, io.BytesIO(body), [views[b][offset : offset + n] for b, offset, n in places]


def kind_of(part: Part) -> str:
    """Which kind a part is, without decoding it."""
    return str(read_frame(part.frame)[0])


# --- reading code ----------------------------------------------------------------------------------------------------

_GLOBAL_OPS: Final = {
    number
    for name in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "STORE_GLOBAL", "DELETE_GLOBAL")
    if (number := opcode.opmap.get(name)) is not None
}
_SHIFTED: Final = opcode.opmap["LOAD_GLOBAL"]  # its lowest bit says whether a NULL is pushed too
_EXTENDED: Final = opcode.EXTENDED_ARG
# Builtins by which code reaches names that can't be read from it.
_BLIND: Final = frozenset({"eval", "exec", "globals"})


def global_names(code: CodeType) -> tuple[Name, ...]:
    """The names that code, and the code nested in it, looks up outside itself, in the order of appearance."""
    found: dict[Name, None] = {}
    argument = 0
    instructions = code.co_code
    for position in range(0, len(instructions), 2):
        operation = instructions[position]
        argument = argument << 8 | instructions[position + 1]
        if operation == _EXTENDED:
            continue
        if operation in _GLOBAL_OPS:
            found[code.co_names[argument >> 1 if operation == _SHIFTED else argument]] = None
        argument = 0
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found.update(dict.fromkeys(global_names(constant)))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Script:
    """What is remembered of a code object; holds it, so that its id stays its own."""

    code: CodeType
    data: bytes
    names: tuple[Name, ...]


class EncodeCache:
    """What the kernel remembers between jobs; lives as long as the pool.

    Blocks of big arrays, recognised by address and size and believed only after their content was compared; code,
    recognised by identity. Nothing in it can be stale, and it holds no object of the notebook but code.
    """

    def __init__(self) -> None:
        self._scripts: dict[int, _Script] = {}
        self._signatures: dict[int, tuple[CodeType, bytes]] = {}
        self._blocks: dict[Hashable, tuple[Block, int]] = {}
        self._parts: dict[str, tuple[Any, Part]] = {}
        self._members: dict[int, tuple[Any, list[int]]] = {}
        self._jobs = 0

    def begin(self) -> None:
        """Begin a job: blocks that the last few jobs did not use are let go."""
        self._jobs += 1
        self._blocks = {key: kept for key, kept in self._blocks.items() if self._jobs - kept[1] <= _KEPT_FOR}

    def script(self, code: CodeType) -> _Script:
        """Marshalled code and the names in it."""
        found = self._scripts.get(id(code))
        if found is None:
            if len(self._scripts) > 4096:
                self._scripts.clear()
            found = self._scripts[id(code)] = _Script(code, marshal.dumps(code), global_names(code))
        return found

    def block(self, pieces: Sequence[Any]) -> Block:
        """A block with this content: the one there is, if it still holds."""
        key = tuple((address_of(piece), piece.nbytes) for piece in pieces)
        block, _ = self._blocks.get(key, (None, 0))
        if block is None or not _same_content(block, pieces):
            block = Block.create([memoryview(piece) for piece in pieces])
        self._blocks[key] = block, self._jobs
        return block

    def body(self, body: bytes) -> Block:
        """A block that holds a big pickle."""
        key = _digest(body)
        block, _ = self._blocks.get(key, (None, 0))
        if block is None:
            block = Block.create([body])
        self._blocks[key] = block, self._jobs
        return block

    def is_unchanged(self, holder: Any) -> bool:
        """Whether a module or class holds the very objects that it held when this was last asked."""
        now = list(map(id, vars(holder).values()))
        _, before = self._members.get(id(holder), (None, None))
        self._members[id(holder)] = holder, now
        return now == before

    def forget(self, holder: Any) -> None:
        """Take back what `is_unchanged` noted."""
        self._members.pop(id(holder), None)

    def signature(self, code: CodeType) -> bytes:
        """What code does, in bytes that are the same in every process (those of marshal are not)."""
        found = self._signatures.get(id(code))
        if found is None:
            if len(self._signatures) > 65536:
                self._signatures.clear()
            found = self._signatures[id(code)] = code, _digest(repr(_code_text(code)).encode("utf-8", "surrogatepass"))
        return found[1]

    def part(self, name: str, value: Any, make: Callable[[], Part]) -> Part:
        """The part made of `value`, made again only when the value is another."""
        known = self._parts.get(name)
        if known is None or known[0] != value:
            known = self._parts[name] = (value, make())
        return known[1]


def address_of(buffer: Any) -> int:
    """Where in memory a contiguous buffer begins."""
    numpy = importlib.import_module("numpy")  # loaded already, unless some other library gave the buffer
    return int(numpy.frombuffer(buffer, "u1").__array_interface__["data"][0]) if buffer.nbytes else 0


@functools.cache
def _memcmp() -> Callable[[int, int, int], int]:
    compare = ctypes.CDLL(None).memcmp
    compare.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    return compare


def _same_content(block: Block, pieces: Sequence[Any]) -> bool:
    offset, start = 0, address_of(block.view())
    compare = _memcmp()
    for piece in pieces:
        if compare(start + offset, address_of(piece), piece.nbytes) != 0:
            return False
        offset = aligned(offset + piece.nbytes)
    return True


def _digest(*pieces: bytes) -> bytes:
    found = hashlib.blake2b(digest_size=16)
    for piece in pieces:
        found.update(piece)
    return found.digest()


# --- modules of the user's own ----------------------------------------------------------------------------------------


@functools.cache
def _library_folders() -> tuple[str, ...]:
    import site
    import sysconfig

    folders = {sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders.update(site.getsitepackages(), [site.getusersitepackages()])
    return tuple(sorted(os.path.realpath(folder) + os.sep for folder in folders))


def is_local(module: ModuleType) -> bool:
    """Whether a module lies outside the standard library and site-packages, where a user may edit and reload it."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or module.__name__.partition(".")[0] == "mpnb" or module.__name__ == "__main__":
        return False
    return not file.startswith(_library_folders()) and not os.path.realpath(file).startswith(_library_folders())


def local_modules(start: Iterable[ModuleType]) -> dict[str, ModuleType]:
    """The local modules among these, and those that they use in turn."""
    found: dict[str, ModuleType] = {}
    todo = list(start)
    while todo:
        module = todo.pop()
        if module.__name__ in found or not is_local(module):
            continue
        found[module.__name__] = module
        for value in list(vars(module).values()):
            if isinstance(value, ModuleType):
                todo.append(value)
            elif isinstance(value, (FunctionType, type)):
                owner = sys.modules.get(value.__module__ or "")
                if owner is not None:
                    todo.append(owner)
    return dict(sorted(found.items()))


def fingerprint(module: ModuleType, cache: EncodeCache) -> bytes:
    """Digest of a module's code and plain data, the same in every process that has the same module."""
    lines = [
        f"{name}={_text(value, module.__name__, cache)}"
        for name, value in sorted(vars(module).items())
        if not (name.startswith("__") and name.endswith("__"))
    ]
    return _digest("\n".join(lines).encode("utf-8", "surrogatepass"))


def _text(value: Any, owner: str, cache: EncodeCache, depth: int = 0) -> str:
    """What a value is, without anything that differs from process to process."""
    kind = type(value)
    if kind in _ATOMS:
        return repr(value)
    if depth < 8:
        if kind in (list, tuple):
            return f"{kind.__name__}({','.join(_text(each, owner, cache, depth + 1) for each in value)})"
        if kind in (set, frozenset):
            return f"{kind.__name__}({','.join(sorted(_text(each, owner, cache, depth + 1) for each in value))})"
        if kind is dict:
            each = (
                f"{_text(k, owner, cache, depth + 1)}:{_text(v, owner, cache, depth + 1)}" for k, v in value.items()
            )
            return f"dict({','.join(each)})"
        if kind in (classmethod, staticmethod):
            return f"{kind.__name__}({_text(value.__func__, owner, cache, depth + 1)})"
        if kind is property:
            return f"property({_text((value.fget, value.fset, value.fdel), owner, cache, depth + 1)})"
    if kind is FunctionType:
        code = cache.signature(value.__code__).hex()
        return f"function({code},{_text((value.__defaults__, value.__kwdefaults__), owner, cache, depth + 1)})"
    if isinstance(value, type):
        if value.__module__ != owner or depth >= 8:
            return f"class {value.__module__}.{value.__qualname__}"
        members = sorted(((k, v) for k, v in vars(value).items() if k not in _CLASS_OWN), key=operator.itemgetter(0))
        return f"class({','.join(f'{k}={_text(v, owner, cache, depth + 1)}' for k, v in members)})"
    if isinstance(value, ModuleType):
        return f"module {value.__name__}"
    numpy = sys.modules.get("numpy")
    if numpy is not None and kind is getattr(numpy, "ndarray", None) and not value.dtype.hasobject:
        return f"array({value.dtype.str},{value.shape},{_digest(value.tobytes()).hex()})"
    return f"a {kind.__module__}.{kind.__qualname__}"


_ATOMS: Final = {int, float, complex, str, bytes, bool, type(None), type(...), range}
_CLASS_OWN: Final = {
    "__slotnames__",
    "__dict__",
    "__weakref__",
    "__doc__",
    "_abc_impl",
    "__firstlineno__",
    "__static_attributes__",
}


def _code_text(code: CodeType) -> tuple[Any, ...]:
    constants: list[Any] = []
    for value in code.co_consts:
        if isinstance(value, CodeType):
            constants.append(_code_text(value))
        elif isinstance(value, frozenset):
            constants.append(sorted(map(repr, value)))  # in an order that does not hang on the hash seed
        else:
            constants.append(repr(value))
    return (
        code.co_code,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_flags,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_exceptiontable,
        constants,
    )


# --- what a pickle calls when it is read -----------------------------------------------------------------------------
# The pickler names these functions; each Decoder answers to some of the names with methods of its own.


def shared(number: int) -> Any:
    """Stand for object `number` of the bundle."""
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


def make_weakref(target: Any) -> Any:
    """Make a weak reference."""
    return weakref.ref(target)


@functools.lru_cache(4096)
def _code(data: bytes) -> CodeType:
    found = marshal.loads(data)
    assert isinstance(found, CodeType)
    return found


# --- the pickler -----------------------------------------------------------------------------------------------------


class Unsendable(Exception):
    """Raised while pickling by the reducers below; the reason is its text, the path is found afterwards."""


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


_TABLE: Final[ChainMap[Any, Callable[[Any], Any]]] = ChainMap(
    {
        type(threading.Lock()): _reduce_lock,
        type(threading.RLock()): _reduce_rlock,
        weakref.ref: _reduce_weakref,
        weakref.WeakKeyDictionary: lambda thing: (weakref.WeakKeyDictionary, (dict(thing),)),
        weakref.WeakValueDictionary: lambda thing: (weakref.WeakValueDictionary, (dict(thing),)),
        functools.cached_property: _reduce_cached_property,
        io.TextIOWrapper: _refuse("an open file: open it inside the loop"),
        io.BufferedReader: _refuse("an open file: open it inside the loop"),
        io.BufferedWriter: _refuse("an open file: open it inside the loop"),
        io.FileIO: _refuse("an open file: open it inside the loop"),
        memoryview: _refuse("a memoryview: a worker would get a copy"),
        types.GeneratorType: _refuse("a generator, which only this process can run on"),
        CodeType: lambda code: (_code, (marshal.dumps(code),)),
    },
    clouds.Pickler._dispatch_table,
)
# copyreg's table stays live: libraries register into it when they are loaded.
_DISPATCH: Final = ChainMap(*_TABLE.maps, *clouds.Pickler.dispatch_table.maps[1:])


def kind_name(thing: Any) -> str:
    """A class as a user knows it: `sqlite3.Connection`."""
    kind = type(thing)
    return (
        kind.__qualname__ if kind.__module__ in {"builtins", "__main__"} else f"{kind.__module__}.{kind.__qualname__}"
    )


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
    """

    dispatch_table = _DISPATCH

    def __init__(
        self,
        file: io.BytesIO,
        cache: EncodeCache,
        main: dict[str, Any],
        known: Mapping[int, int],
        buffers: list[Any] | None,
    ) -> None:
        super().__init__(file, 5, buffer_callback=None if buffers is None else _taker(buffers))
        self.cache = cache
        self.main = main
        self.known = known
        self.wanted: dict[Name, None] = {}  # names that code met so far looks up
        self.scripts: dict[int, _Script] = {}  # notebook code met so far
        self.modules: dict[str, ModuleType] = {}  # modules met so far, directly or by something in them
        self.arrays: list[Any] = []
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
            handler = self._handlers[kind] = self._handler(kind)
        return NotImplemented if handler is None else handler(self, thing)

    def _handler(self, kind: type) -> Callable[[Any, Any], Any] | None:
        """Choose, once per class, who reduces its instances."""
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
        if kind.__module__.startswith("pandas."):
            internals, pandas = sys.modules.get("pandas._libs.internals"), sys.modules["pandas"]
            if issubclass(kind, (getattr(internals, "Block", ()), getattr(pandas, "Index", ()))):
                return mine.note_pandas
            if kind.__module__ == "pandas.core.internals.managers":  # that of a Series pickles its blocks' values bare
                return mine.note_blocks
        if (method := self._own_pickling(kind)) is not None:
            raise Unsendable(f"{kind.__qualname__} has a {method} of its own, which may leave something out")
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
        return None

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
        *arguments, _, _ = arguments  # the last but one would make one class of two that were the same at some time
        if "__slots__" in vars(kind) and make is clouds._make_skeleton_class and not issubclass(kind, tuple):
            # they only count when the class is made
            arguments[-1] = {**arguments[-1], "__slots__": kind.__slots__}
        return make, (*arguments, None, None), state, None, None, fill

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

    # arrays

    def reduce_array(self, array: Any) -> Any:
        """As a buffer, its strides kept; arrays of objects and subclasses by numpy."""
        self.arrays.append(array)
        numpy = sys.modules["numpy"]
        dtype = array.dtype
        if type(array) is not numpy.ndarray or dtype.hasobject or dtype.itemsize == 0:
            return self.reduce_odd_array(array)
        buffer, strides, offset = memory_of(array)
        return make_array, (pickle.PickleBuffer(buffer), dtype, array.shape, strides, offset, array.flags.writeable)

    def reduce_odd_array(self, array: Any) -> Any:
        """An array of objects, or of a subclass: numpy's own way, and read-only on the other side."""
        reduced = array.__reduce_ex__(5)
        if len(reduced) == 3:
            return (*reduced, None, None, fill_read_only)
        return reduced

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
_REFUSED: Final = (threading.Thread, threading.Event, threading.Condition, threading.Semaphore)


def _taker(buffers: list[Any]) -> Callable[[Any], bool]:
    def take(buffer: Any) -> bool:
        raw = buffer.raw()
        if raw.nbytes < OUT_OF_BAND:
            return True
        buffers.append(raw)
        return False

    return take


def memory_of(array: Any) -> tuple[Any, Any, int]:
    """Give the memory an array uses as read-only bytes, its strides (None: plain C order), and where it begins there."""
    flags = array.flags
    if flags.c_contiguous:
        flat = array.reshape(-1)
        strides, offset = None, 0
    elif flags.f_contiguous:
        flat = array.T.reshape(-1)
        strides, offset = array.strides, 0
    else:
        return _spanned(array)
    data = flat.view("u1")
    data.flags.writeable = False
    return data, strides, offset


def _spanned(array: Any) -> tuple[Any, Any, int]:
    """The memory from an array's first byte to its last, what lies between its elements included."""
    numpy: Any = sys.modules["numpy"]
    low = high = 0
    for size, stride in zip(array.shape, array.strides, strict=True):
        reach = (size - 1) * stride
        low, high = low + min(reach, 0), high + max(reach, 0)
    span = high - low + array.itemsize
    data = numpy.asarray(_Memory(array, array.__array_interface__["data"][0] + low, span))
    return data, array.strides, -low


class _Memory:
    """Some bytes of an array's memory, by numpy's array interface; keeps the array alive."""

    def __init__(self, array: Any, address: int, nbytes: int, *, read_only: bool = True) -> None:
        self.array = array
        self.__array_interface__ = {"version": 3, "typestr": "|u1", "shape": (nbytes,), "data": (address, read_only)}


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
    ) -> None:
        # `Unpickler.memo = …` loses what it is given (CPython up to 3.13), so the pickle itself does it.
        prelude = b"\x80\x05" + _PRIME * len(primed) + b"N."
        joined = io.BytesIO(prelude + body.getbuffer()) if primed else body
        super().__init__(joined, buffers=itertools.chain(primed, buffers))
        self._main = main
        self._bundle = bundle
        self._own = own
        self._frozen = frozen
        if primed:
            self.load()

    def find_class(self, module: str, name: str) -> Any:
        """Give the functions of this module that only this decoder can be; all else as usual."""
        if module == __name__:
            if name == "shared":
                return self._bundle.__getitem__
            if name == "make_function":
                return functools.partial(_function_in, self._main)
            if name == "make_array":
                return _own_array if self._own else _mapped_array
            if name == "make_view":
                return functools.partial(_view, self._frozen)
            if name == "fill_read_only" and self._own:
                return _fill_array
        return super().find_class(module, name)

    def objects(self) -> list[Any]:
        """Everything read so far that has a number, by number."""
        memo = self.memo.copy()
        return [memo[number] for number in range(len(memo))]


def _function_in(main: dict[str, Any], code: bytes, where: Any, name: str, cells: Any) -> FunctionType:
    space = main if where is None else where.__dict__ if isinstance(where, ModuleType) else where
    return FunctionType(_code(code), space, name, None, cells)


def _fill_array(array: Any, state: Any) -> None:
    array.__setstate__(state)


def _mapped_array(buffer: Any, dtype: Any, shape: Any, strides: Any, offset: int, writeable: bool) -> Any:
    numpy = sys.modules["numpy"]
    array = numpy.ndarray(shape, dtype, buffer, offset, strides)
    array.flags.writeable = False
    return array


def _own_array(buffer: Any, dtype: Any, shape: Any, strides: Any, offset: int, writeable: bool) -> Any:
    numpy = sys.modules["numpy"]
    source = numpy.frombuffer(buffer, "u1") if len(buffer) else numpy.empty(0, "u1")
    if strides is None:
        array = numpy.empty(shape, dtype)
        array.reshape(-1).view("u1")[...] = source
    elif offset == 0 and (array := numpy.empty(shape, dtype, order="F")).strides == strides:
        array.T.reshape(-1).view("u1")[...] = source
    else:
        array = numpy.ndarray(shape, dtype, source.copy(), offset, strides)
    if not writeable:
        array.flags.writeable = False
    return array


def _view(frozen: Container[int], of: Any, offset: int, dtype: Any, shape: Any, strides: Any, writeable: bool) -> Any:
    numpy = sys.modules["numpy"]
    if of.flags.c_contiguous:
        buffer = of if of.dtype.kind not in "Mm" else of.view("i8")
        view = numpy.ndarray(shape, dtype, buffer, offset, strides)
    else:
        low, span = offset, dtype.itemsize
        for size, stride in zip(shape, strides, strict=True):
            reach = (size - 1) * stride
            low, span = low + min(reach, 0), span + abs(reach)
        memory = _Memory(of, of.__array_interface__["data"][0] + low, span, read_only=not of.flags.writeable)
        view = numpy.ndarray(shape, dtype, numpy.asarray(memory), offset - low, strides)
    if not writeable or id(of) in frozen:
        view.flags.writeable = False
    return view


def is_misordered(memo: Memo) -> bool:
    """Whether a set of numbers would have another order on the other side: elements collided, or it was bigger once.

    The order of other sets hangs on the hash seed as well, and is refused where a loop takes it.
    """
    for _, thing in memo.values():
        if type(thing) in _SETS and len(thing) > 1:
            order = list(thing)
            if type(order[0]) in _NUMBERS and list(type(thing)(order)) != order:
                return True
    return False


_SETS: Final = (set, frozenset)
_NUMBERS: Final = (int, float, bool, complex)


def copies_on_write() -> bool:
    """Whether pandas shares memory between objects only as long as nobody writes."""
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return False
    return int(pandas.__version__.split(".")[0]) >= 3 or bool(pandas.options.mode.copy_on_write)


# --- the kernel's side -----------------------------------------------------------------------------------------------


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the garbage collector out while many objects are made that all stay."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


_TEXT: Final = {str, bytes}  # nobody asks which of two equal strings it is


class JobEncoder:
    """Kernel side of one job: encodes its names once and its items as they come, decodes the effects.

    Parameters
    ----------
    job
        The job. Main thread only, and never while the user's code runs.
    cache
        What is remembered between jobs.

    Attributes
    ----------
    parts
        What a worker must have, in the order in which it loads them.
    misordered
        Whether some set of numbers sent so far has another order in a worker: a loop that takes an order from such a
        set must then not be split. (Membership, length and equality are the same.)
    """

    def __init__(self, job: Job, cache: EncodeCache) -> None:
        self._job = job
        self._cache = cache
        self._main: dict[str, Any] = job.function.__globals__
        cache.begin()
        self._targets = {id(target): target for target in job.targets}
        buffers: list[Any] | None = None if is_portable() else []
        file = io.BytesIO()
        encoder = Encoder(file, cache, self._main, {}, buffers)
        with collector_paused():
            self._dump(encoder, "the loop's body", job.function)
            self._bound = self._dump_names(encoder, {})
            memo: Memo = encoder.memo.copy()
        self.misordered = is_misordered(memo)
        self._objects: list[Any] = [None] * len(memo)
        for number, thing in memo.values():
            self._objects[number] = thing
        self._known = {key: number for key, (number, thing) in memo.items() if type(thing) not in _TEXT}
        self._of_pandas = encoder.of_pandas
        self._hot: dict[int, None] = {}
        self._refuse_targets(memo.keys(), encoder.arrays)
        frame = write_frame("bundle", list(self._bound), file.getvalue(), buffers or (), cache)
        serials = b",".join(b"%d" % block.serial for block in frame.blocks)
        bundle = Part(_digest(frame.head, serials), frame)
        self.parts: tuple[Part, ...] = (*self._side_parts(encoder), bundle)

    def _dump(self, encoder: Encoder, path: str, thing: Any) -> None:
        try:
            encoder.dump(thing)
        except CodecError:
            raise
        except Exception as error:
            raise self._located(path, thing, error) from error
        finally:
            # pickling an instance leaves an attribute on its class: the notebook's classes stay as they are
            for kind in encoder.unmarked:
                if "__slotnames__" in vars(kind):
                    del kind.__slotnames__

    def _dump_names(self, encoder: Encoder, bound: Mapping[Name, None]) -> dict[Name, None]:
        """Write every wanted name that the notebook has, and those that these want in turn, until nothing is left."""
        done: dict[Name, None] = {}
        while encoder.wanted:
            name = next(iter(encoder.wanted))
            del encoder.wanted[name]
            if name in done or name in bound:
                continue
            if name in self._job.hidden:
                raise CodecError(name, "it is set by the loop, and also looked up by something that the loop uses")
            if name in self._main:
                done[name] = None
                self._dump(encoder, name, (name, self._main[name]))
            elif name in _BLIND and hasattr(builtins, name):
                raise CodecError(f"{name}()", "the names it uses can't be known before it runs")
        self._dump(encoder, "", None)
        return done

    def _side_parts(self, encoder: Encoder) -> Iterator[Part]:
        """The process state, local modules and source lines, which are apart because they seldom change."""
        self._refuse_patched(encoder)
        state = surroundings.capture()
        yield self._cache.part("surroundings", state, lambda: self._plain_part("surroundings", state))
        modules = local_modules(encoder.modules.values())
        if modules:
            prints = {name: fingerprint(module, self._cache) for name, module in modules.items()}
            yield self._cache.part("modules", prints, lambda: self._plain_part("modules", prints))
        lines: dict[str, list[str]] = {}
        for script in encoder.scripts.values():
            entry = linecache.cache.get(script.code.co_filename)
            if entry is not None and len(entry) == 4 and entry[1] is None:
                lines[script.code.co_filename] = entry[2]
        yield self._cache.part("lines", lines, lambda: self._plain_part("lines", lines))

    def _refuse_patched(self, encoder: Encoder) -> None:
        """CodecError where the notebook put a function of its own into a library, which a worker has unchanged."""
        holders: list[Any] = [*encoder.modules.values(), *encoder.classes]
        for holder in holders:
            if self._cache.is_unchanged(holder):
                continue
            for name, value in list(vars(holder).items()):
                if type(value) is FunctionType and value.__globals__ is self._main:
                    self._cache.forget(holder)
                    why = "the notebook set it, and workers have the library's own"
                    raise CodecError(f"{holder.__name__}.{name}", why)

    def _plain_part(self, kind: str, value: Any) -> Part:
        try:
            body = pickle.dumps(value, 5)
        except Exception as error:
            raise CodecError(kind, f"{type(error).__name__}: {error}") from error
        frame = write_frame(kind, None, body, ())
        return Part(_digest(frame.head), frame)

    def encode_items(self, items: Sequence[object]) -> tuple[Frame, ItemsMemo]:
        """Encode some items, and give what is needed to decode their effects."""
        primed = list(self._hot)
        with collector_paused():
            while True:
                buffers: list[Any] | None = None if is_portable() else []
                file = io.BytesIO()
                encoder = Encoder(file, self._cache, self._main, self._known, buffers)
                encoder.memo = {id(self._objects[n]): (place, self._objects[n]) for place, n in enumerate(primed)}
                self._dump(encoder, "item", list(items))
                names = self._dump_names(encoder, self._bound)
                memo: Memo = encoder.memo.copy()
                # Lists, dicts, sets and tuples of the bundle pass the reducers by: found now, named in a second try.
                met = {self._known[key] for key in memo.keys() & self._known.keys()}
                missed = [n for n in met.difference(primed) if type(self._objects[n]) in _CONTAINERS]
                if not missed:
                    break
                primed += missed
        if len(primed) <= _HOT:
            self._hot = dict.fromkeys(primed)
        self.misordered = self.misordered or is_misordered(memo)
        self._refuse_targets(memo.keys(), encoder.arrays)
        objects: list[Any] = [None] * len(memo)
        for number, thing in memo.values():
            objects[number] = thing
        self._of_pandas.update(encoder.of_pandas)
        frame = write_frame("chunk", (primed, list(names)), file.getvalue(), buffers or ())
        return frame, ItemsMemo(objects)

    def decode_effects(self, frame: Frame, memo: ItemsMemo) -> list[Effects]:
        """Decode what came home: references become the notebook's own objects, arrays own their memory."""
        kind, (numbers, places), body, buffers = read_frame(frame)
        assert kind == "effects"
        primed = [self._objects[n] for n in numbers]
        primed += memo.objects if places is None else [memo.objects[n] for n in places]
        decoder = Decoder(body, buffers, self._main, primed, self._objects, own=True, frozen=self._frozen())
        decoded: list[Effects] = decoder.load()
        return decoded

    def _frozen(self) -> Container[int]:
        return self._of_pandas if self._of_pandas and copies_on_write() else ()

    def _refuse_targets(self, met: Iterable[int], arrays: Sequence[Any]) -> None:
        """CodecError where something shipped is, or shares memory with, something that replay will change."""
        if not self._targets:
            return
        for key in self._targets.keys() & set(met):
            raise CodecError(self._name_of(self._targets[key]), "it is also read by the loop")
        numpy = sys.modules.get("numpy")
        if numpy is None or not arrays:
            return
        for target in self._targets.values():
            for mine in self._arrays_of(target):
                if any(numpy.may_share_memory(mine, array) for array in arrays):
                    raise CodecError(self._name_of(target), "its memory is also read by the loop")

    def _arrays_of(self, target: Any) -> list[Any]:
        """The arrays in which an object keeps its data."""
        if type(target) in _CONTAINERS:
            return []
        encoder = Encoder(io.BytesIO(), self._cache, self._main, self._known, [])
        try:
            encoder.dump(target)
        except Exception as error:
            raise self._located(self._name_of(target), target, error) from error
        return encoder.arrays

    def _name_of(self, thing: Any) -> str:
        return next((name for name, value in self._main.items() if value is thing), kind_name(thing))

    def _located(self, path: str, thing: Any, error: Exception) -> CodecError:
        if path == "item":
            return located("items", thing, error, self._probe)
        if isinstance(thing, tuple):  # a name and its value
            return located(path, thing[1], error, self._probe)
        return located(path, thing, error, self._probe)

    def _probe(self, thing: Any) -> Exception | None:
        """Whether this alone can be encoded."""
        try:
            Encoder(io.BytesIO(), self._cache, self._main, {}, []).dump(thing)
        except Exception as error:  # noqa: BLE001 - any reducer of the user's may raise anything
            return error
        return None


_CONTAINERS: Final = (list, dict, set, frozenset, tuple, bytearray)


# --- where it is ----------------------------------------------------------------------------------------------------


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
