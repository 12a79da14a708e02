"""Objects ↔ bytes for processes that work beside the notebook: the code that they need of it comes along.

    dumps / loads   one message: an object, and the notebook's names that functions in it look up
    Start           what a process begins with: a function or object and its names, as parts of a job

A class of the notebook has an identity, by which every process knows it again: what comes home is an instance of the
notebook's own class. What can't be sent is a `CodecError` with the path to it, raised by the sender.
"""

from __future__ import annotations

import ctypes
import io
import linecache
import pickle
import sys
import threading
import uuid
import weakref
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType, GetSetDescriptorType
from typing import Any, Final

from mpnb.blame import located
from mpnb.cache import BLIND, EncodeCache
from mpnb.codec import Decoder, Encoder
from mpnb.engine import Job
from mpnb.errors import CodecError
from mpnb.frames import Part
from mpnb.jobs import JobEncoder
from mpnb.modules import is_local
from mpnb.namespace import Mirror

_PLAIN: Final = b"\0"  # one pickle
_CODE: Final = b"\1"  # names, lines of source, and the pickle


class _Process:
    """What is one per process: whether it is the notebook's own, and what it has received."""

    home = True
    received: Final[dict[str, bytes]] = {}


_cache = EncodeCache()
_classes: weakref.WeakValueDictionary[str, type] = weakref.WeakValueDictionary()
_identities: weakref.WeakKeyDictionary[type, str] = weakref.WeakKeyDictionary()
_complete: weakref.WeakSet[type] = weakref.WeakSet()
_guard = threading.RLock()


def identity(kind: type) -> str:
    """The text by which all processes know a class of the notebook."""
    with _guard:
        if kind not in _identities:
            _identities[kind] = uuid.uuid4().hex
            _classes[_identities[kind]] = kind
            _complete.add(kind)
        return _identities[kind]


def make_class(key: str, make: Callable[..., type], arguments: tuple[Any, ...]) -> type:
    """The class that this process knows by this identity, or a new one without members."""
    with _guard:
        kind = _classes.get(key)
        if kind is None:
            kind = make(*arguments)
            _identities[kind] = key
            _classes[key] = kind
        return kind


def fill_class(kind: type, state: tuple[Callable[[type, Any], object], Any]) -> None:
    """Give a new class its members; one that was here before keeps its own."""
    if kind not in _complete:
        _complete.add(kind)
        state[0](kind, state[1])


def make_struct(name: str, bases: tuple[type, ...], space: dict[str, Any]) -> type:
    """A ctypes structure or union; its metaclass has no name in any module."""
    made: type = type(bases[0])(name, bases, space)
    return made


class ParcelEncoder(Encoder):
    """A pickler of what another process may have for itself: nothing of it is watched or comes home by reference."""

    lends = False
    exact = False

    def reduce_class(self, kind: type) -> Any:
        """By name where it can be imported; else by value, with its identity."""
        if issubclass(kind, _C_STRUCTS) and not self.has_name(kind):
            space = {key: value for key, value in vars(kind).items() if not _is_made_by_class(value)}
            return make_class, (identity(kind), make_struct, (kind.__name__, kind.__bases__, space))
        reduced = super().reduce_class(kind)
        if reduced is NotImplemented or len(reduced) < 6:
            return reduced
        make, arguments, state, _, _, fill = reduced
        return make_class, (identity(kind), make, arguments), (fill, state), None, None, fill_class

    def reduce_function(self, function: FunctionType) -> Any:
        """As every encoder; but code whose names can't be read from it gets all names that can be sent."""
        reduced = super().reduce_function(function)
        blind = BLIND.intersection(self.wanted) - self.main.keys()
        if blind:
            for name in blind:
                del self.wanted[name]
            self.wanted.update(dict.fromkeys(filter(self._is_sendable, list(self.main))))
        return reduced

    def _is_sendable(self, name: str) -> bool:
        if name.startswith("_") or name in _JUPYTERS:
            return False
        try:
            _Trial(io.BytesIO(), self.cache, self.main, {}, []).dump(self.main[name])
        except Exception:  # whatever the reason: code that needs it will say so
            return False
        return True


class _Example(ctypes.Structure):
    _fields_ = (("n", ctypes.c_int),)


_C_STRUCTS: Final = (ctypes.Structure, ctypes.Union)
_MADE_BY_CLASS: Final = (type(vars(_Example)["n"]), GetSetDescriptorType)


def _is_made_by_class(member: Any) -> bool:
    """Whether a member of a ctypes class is there because of its `_fields_`, or because it is a class."""
    return isinstance(member, _MADE_BY_CLASS)


class _Trial(ParcelEncoder):
    """Finds out whether something can be sent, apart from the names that it needs."""

    reduce_function = Encoder.reduce_function


_JUPYTERS: Final = frozenset({"In", "Out", "get_ipython", "exit", "quit", "open"})  # what it puts among the names


def add_reducers(table: Mapping[type, Callable[[Any], Any]]) -> None:
    """Let a (live) table say how its classes are reduced."""
    ParcelEncoder.dispatch_table = ChainMap(table, *Encoder.dispatch_table.maps)  # type: ignore[arg-type]


def _notebook() -> dict[str, Any]:
    return vars(sys.modules["__main__"])


# --- one message -----------------------------------------------------------------------------------------------------


def dumps(thing: Any, path: str = "object") -> bytes:
    """Encode a message; raises CodecError, in which `path` stands for the object."""
    file = io.BytesIO()
    file.write(_PLAIN)
    encoder = _encoded(file, thing, path)
    if not encoder.wanted and not encoder.scripts:
        return file.getvalue()
    scripts = dict(encoder.scripts)
    todo = dict(encoder.wanted)
    names: dict[str, bytes] = {}
    main = _notebook()
    while todo:
        name = next(iter(todo))
        del todo[name]
        if name in main and name not in names:
            own = io.BytesIO()
            encoder = _encoded(own, main[name], name)
            names[name] = own.getvalue()
            scripts.update(encoder.scripts)
            todo.update(encoder.wanted)
    files = {script.code.co_filename for script in scripts.values()}
    lines = {file: entry[2] for file in files if (entry := linecache.cache.get(file)) and len(entry) == 4}
    return _CODE + pickle.dumps((_Process.home, names, lines, file.getvalue()[1:]), 5)


def _encoded(file: io.BytesIO, thing: Any, path: str) -> ParcelEncoder:
    encoder = ParcelEncoder(file, _cache, _notebook(), {}, None)
    try:
        encoder.dump(thing)
    except CodecError:
        raise
    except Exception as error:
        raise located(path, thing, error, _probe) from error
    finally:
        _unmark(encoder)
    return encoder


def _unmark(encoder: Encoder) -> None:
    """Take away what pickling an instance leaves on its class: the notebook's classes stay as they are."""
    for kind in encoder.unmarked:
        if "__slotnames__" in vars(kind):
            del kind.__slotnames__  # type: ignore[attr-defined]  # copyreg's


def _probe(thing: Any) -> Exception | None:
    try:
        ParcelEncoder(io.BytesIO(), _cache, _notebook(), {}, None).dump(thing)
    except Exception as error:
        return error
    return None


def loads(data: bytes) -> Any:
    """Decode a message.

    Functions from the notebook bring its present names, which are bound here unless the same ones came before: then
    what this process did to them since stays. Those from elsewhere bind only what is missing; in the notebook nothing
    is ever bound.
    """
    if data[:1] == _PLAIN:
        return _decoded(memoryview(data)[1:])
    from_home, names, lines, body = pickle.loads(memoryview(data)[1:])
    if not _Process.home:
        for file, text in lines.items():
            linecache.cache[file] = (sum(map(len, text)), None, text, file)
        main = _notebook()
        for name, blob in names.items():
            if name not in main or (from_home and _Process.received.get(name) != blob):
                main[name] = _decoded(blob)
            if from_home:
                _Process.received[name] = blob
    return _decoded(body)


def _decoded(body: Any) -> Any:
    return Decoder(io.BytesIO(body), [], _notebook(), own=True).load()


# --- the start of a process ------------------------------------------------------------------------------------------


class Start(JobEncoder):
    """Encodes what a process begins with, and every name that it needs.

    Parameters
    ----------
    thing
        The object that the process gets.
    paths
        What the user calls the parts of it, for errors.

    Attributes
    ----------
    library_modules
        What a template may import ahead.
    """

    library_modules: tuple[str, ...] = ()

    def __init__(self, thing: Any, paths: Mapping[str, Any]) -> None:
        self._paths = paths
        super().__init__(Job(_carrier(thing), nets=False), EncodeCache())

    def _located(self, path: str, thing: Any, error: Exception) -> CodecError:
        if isinstance(thing, FunctionType) and thing.__code__.co_name == "carry":
            for name, part in self._paths.items():
                found = self._probe(part)
                if found is not None:
                    return located(name, part, found, self._probe)
        return super()._located(path, thing, error)

    def _encoder(self, file: io.BytesIO, known: Mapping[int, int], buffers: list[Any] | None) -> Encoder:
        return ParcelEncoder(file, self._cache, self._main, known, buffers)

    def _side_parts(self, encoder: Encoder) -> Iterator[Part]:
        modules = encoder.modules.items()
        self.library_modules = tuple(name for name, module in modules if not is_local(module) and name != "__main__")
        return super()._side_parts(encoder)


def _carrier(thing: Any) -> FunctionType:
    """A function of the notebook that gives an object."""

    def carry() -> Any:
        return thing

    return FunctionType(carry.__code__, _notebook(), "carry", None, carry.__closure__)


def know_classes() -> None:
    """Give the notebook's classes their identities now: a process that is forked from this one has them, too."""
    for value in list(_notebook().values()):
        if isinstance(value, type) and value.__module__ == "__main__":
            identity(value)


def leave_home() -> None:
    """Say that this process is not the notebook's own."""
    _Process.home = False


def begin(parts: tuple[Part, ...]) -> Any:
    """Bind in this process's `__main__` what `Start` sent, and give the object."""
    leave_home()
    mirror = Mirror(nets=False)
    mirror.bind(parts, own=True)
    return mirror.function()
