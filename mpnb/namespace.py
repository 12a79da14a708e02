"""The names a task needs, and their mirror in a worker's `__main__`. Frames in, objects out, and back; runs no task.

`needed_names` reads functions and says which names of the notebook they lead to. `Mirror` is the worker's side: it
owns the dict of `__main__`, binds exactly a job's names in it, and sees whether a task changed what it was lent.
"""

# ruff: noqa: SLF001 -- the pickler and the net of a mirror are parts of it

from __future__ import annotations

import hashlib
import importlib
import io
import itertools
import linecache
import mmap
import operator
import pickle
import sys
import zlib
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any, Final

from mpnb import blas, plain, surroundings
from mpnb.arrays import copies_on_write
from mpnb.blame import Unsendable, located
from mpnb.buffers import Stock, is_portable
from mpnb.cache import EncodeCache, global_names
from mpnb.codec import LASTING, Decoder, Encoder, find_importable, make_view
from mpnb.collector import collector_paused
from mpnb.engine import Effects
from mpnb.errors import CodecError
from mpnb.frames import OUT_OF_BAND, Frame, Part, read_frame, write_frame
from mpnb.libraries import Constants, Descriptions, find, first_other
from mpnb.modules import fingerprint
from mpnb.ordering import why_misordered
from mpnb.streams import NUMPY, PYTHON, SEEDED, SHARED, Streams

_SNAPSHOT_LIMIT: Final = 4 * 1024 * 1024  # bytes of pickle up to which shipped data is compared
_HOT: Final = 2000
_LOOKED_AT: Final = 1 << 20  # bytes of small arrays whose content is compared: a third of a millisecond


def needed_names(function: FunctionType, extra: Iterable[object] = ()) -> dict[str, object]:
    """Find the notebook names that a function may look up, itself or through what it calls.

    Parameters
    ----------
    function
        Its `__globals__` are the notebook's names.
    extra
        More functions, classes or instances to start from (an item, say).

    Returns
    -------
    dict
        Name to object, of names that are bound; data is not looked into beyond the class of an instance.
    """
    main = function.__globals__
    found: dict[str, object] = {}
    seen: set[int] = set()
    todo: list[object] = [function, *extra]
    while todo:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        todo.extend(_leads(thing, main))
        if isinstance(thing, FunctionType) and thing.__globals__ is main:
            for name in global_names(thing.__code__):
                if name in main and name not in found:
                    found[name] = main[name]
                    todo.append(main[name])
    return found


def _leads(thing: Any, main: dict[str, Any]) -> Iterator[object]:
    """What to look into next, from a function, class or instance."""
    if isinstance(thing, ModuleType):
        return
    if isinstance(thing, FunctionType):
        for cell in thing.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # not bound yet
                continue
        yield from thing.__defaults__ or ()
        yield from (thing.__kwdefaults__ or {}).values()
        yield from vars(thing).values()
    elif isinstance(thing, type):
        if find_importable(thing, main) is None:
            yield from thing.__mro__
            yield from vars(thing).values()
            yield type(thing)
    elif isinstance(thing, (classmethod, staticmethod)):
        yield thing.__func__
    elif isinstance(thing, property):
        yield from (thing.fget, thing.fset, thing.fdel)
    else:
        yield type(thing)
        for name in ("__wrapped__", "__func__", "__self__", "func"):
            inner = getattr(thing, name, None)
            if inner is not None:
                yield inner


class _EffectEncoder(Encoder):
    """The worker's pickler of effects: shipped arrays' views stay views, new arrays that share memory keep sharing."""

    lends = False

    def __init__(self, mirror: Mirror, file: io.BytesIO, buffers: list[Any] | None, as_views: frozenset[int]) -> None:
        super().__init__(file, mirror._cache, mirror._main, mirror._known, buffers, mirror._generators)
        self._mirror = mirror
        self._as_views = as_views
        self.roots: dict[int, set[int]] = {}

    def reduce_array(self, array: Any) -> Any:
        numpy = sys.modules["numpy"]
        lent = self._mirror._lender(array)
        if id(array) in self.of_pandas and copies_on_write():
            # A copy, as pandas would make at the first write; read-only only because what it lay in was lent.
            reduced = super().reduce_array(array)
            return (reduced[0], (*reduced[1][:-1], True)) if lent is not None and len(reduced) == 2 else reduced
        if lent is not None:
            if type(array) is not numpy.ndarray or array.dtype.hasobject:
                raise Unsendable("a view of a shared array, of a kind that can't be sent as a view")
            # Every lent array is read-only here; in the kernel the view is as writeable as what it is a view of.
            return make_view, (*self._as_view(array, lent)[:-1], array.nbytes <= _span(array))
        root = array
        while isinstance(root.base, numpy.ndarray):
            root = root.base
        memory = root.base.obj if isinstance(root.base, memoryview) else root.base
        if isinstance(memory, mmap.mmap) and self._mirror._lender(root) is None:  # ours are mapped too
            raise Unsendable("an array that is mapped from a file, which changes with it")
        self.roots.setdefault(id(root), set()).add(id(array))
        if root is not array and id(root) in self._as_views:
            if type(array) is not numpy.ndarray or type(root) is not numpy.ndarray or array.dtype.hasobject:
                raise Unsendable("arrays that share memory, of a kind that can't be sent so")
            return make_view, self._as_view(array, root)
        return super().reduce_array(array)

    def _as_view(self, array: Any, of: Any) -> tuple[Any, ...]:
        offset = array.__array_interface__["data"][0] - of.__array_interface__["data"][0]
        return of, offset, array.dtype, array.shape, array.strides, array.flags.writeable

    def reduce_odd_array(self, array: Any) -> Any:
        return self.reduce_attributes(array, writeable=True)

    def reduce_function(self, function: FunctionType) -> Any:
        """Only as one that the kernel has: one made here has this process's globals and cells, not the notebook's."""
        if find_importable(function, self.main) is None:
            raise Unsendable("a function made in the worker, which would not be the notebook's own")
        return super().reduce_function(function)

    def reduce_class(self, kind: type) -> Any:
        """Only as one that the kernel has."""
        if not self.has_name(kind):
            raise Unsendable("a class made in the worker, which would not be the notebook's own")
        return super().reduce_class(kind)


class _ValueEncoder(_EffectEncoder):
    """The worker's pickler of a call's result, which is a copy however it came to be."""

    reduce_array = Encoder.reduce_array
    reduce_odd_array = Encoder.reduce_odd_array
    exact = False


class _Snapshot(Encoder):
    """A pickler for comparing: code and protected memory are named by id, everything that can change is written out."""

    lends = False
    looked_at = 0  # bytes of small arrays

    def reduce_exception(self, _error: BaseException) -> Any:
        return NotImplemented

    def reduce_function(self, function: FunctionType) -> Any:
        if function.__globals__ is not self.main and find_importable(function, self.main) is not None:
            return NotImplemented
        state = (
            id(function.__code__),
            function.__defaults__,
            function.__kwdefaults__,
            function.__dict__ or None,
            function.__closure__,
        )
        return int, (), state

    def reduce_class(self, kind: type) -> Any:
        if find_importable(kind, self.main) is not None:
            return NotImplemented
        if not kind.__flags__ & _HEAP_TYPE:
            return int, (), id(kind)  # of C, and of no name: it can't change
        members = [(name, value) for name, value in vars(kind).items() if name not in _CLASS_OWN]
        return int, (), (id(kind), kind.__bases__, members)

    def reduce_array(self, array: Any) -> Any:
        if array.flags.writeable or array.dtype.hasobject:
            return super().reduce_array(array)
        place = array.__array_interface__["data"][0]
        # A flag alone does not protect what lies in the pickle: some C functions write all the same.
        content = 0
        if 0 < array.nbytes < OUT_OF_BAND and self.looked_at < _LOOKED_AT:
            self.looked_at += array.nbytes
            content = zlib.crc32(array.tobytes())
        return int, (), (place, array.shape, array.strides, array.dtype.str, content)

    def reduce_module(self, module: ModuleType) -> Any:
        try:
            return super().reduce_module(module)
        except Unsendable:
            return int, (), id(module)


# What a class has of itself, and what only counts its instances or remembers answers.
_HEAP_TYPE: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_CLASS_OWN: Final = frozenset(
    {
        *("__dict__", "__weakref__", "__doc__", "__annotations__"),
        *("_abc_impl", "__slotnames__", "_value2member_map_", "_unhashable_values_", "_hashable_values_"),
    }
)


_UNSET: Final = object()


class Mirror:
    """The notebook's names in a worker; one per worker process.

    Parameters
    ----------
    namespace
        The dict to own; by default that of `__main__`. Everything in it but names with two underscores is unbound.
    stock
        Where blocks for big results come from.

    Attributes
    ----------
    function
        The job's function, after `load`.
    streams
        The random numbers of the job's iterations, on the generators of this process, in place after `load`.
    """

    function: FunctionType
    streams: Streams | None = None
    has_plain_items = False  # in the chunk that was decoded last
    _by_value = False  # a call's arguments and result are copies, and nothing of them is watched

    def __init__(
        self, namespace: dict[str, Any] | None = None, *, nets: bool = True, stock: Stock | None = None
    ) -> None:
        self._stock = stock
        self._main: dict[str, Any] = vars(sys.modules["__main__"]) if namespace is None else namespace
        self._replaced: list[tuple[Any, str, Any]] = []  # what libraries had before the notebook's values
        self._cache = EncodeCache()
        self._bundle: list[Any] = []
        self._known: dict[int, int] = {}
        self._names: dict[str, Any] = {}
        self._items: list[Any] = []
        self._chunk: list[Any] = []
        self._lent: list[int] = []
        self._hot: dict[int, None] = {}
        self._generators: dict[int, int] = {}
        self._extra: list[str] = []
        self._regions: tuple[list[int], list[tuple[int, Any]]] | None = None
        self._before: _Before | None = None
        self._free_threads: Callable[[], None] | None = None  # gives the worker's own number of threads back
        self._kept: dict[str, Any] = {}  # what an initializer bound or changed: the worker's own from then on
        if nets:
            surroundings.install()
            sys.dont_write_bytecode = True

    def load(self, parts: Sequence[Part], *, by_value: bool = False) -> None:
        """Bind exactly the names of the job these parts are of; everything is decoded afresh from the kept bytes.

        `by_value`: it consists of calls, whose arguments and results are copies, and of which nothing is watched.
        """
        self.bind(parts)
        self._by_value = by_value
        if by_value:
            self._known = {key: n for key, n in self._known.items() if isinstance(self._bundle[n], LASTING)}
            self._main.update(self._kept)
            return
        self._main.update(self._kept)
        self._bundle_bytes = self._snapshot((self.function, self._names))
        self._bundle_lengths = _lengths(self._bundle) if self._bundle_bytes is None else b""

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Keep, for all jobs to come, the names that are bound meanwhile, or whose values change."""
        before = {name: (value, self._looks(value)) for name, value in self._main.items() if not _is_dunder(name)}
        yield
        for name, value in self._main.items():
            if not _is_dunder(name):
                known, looked = before.get(name, (_UNSET, None))
                if known is not value or looked != self._looks(value):
                    self._kept[name] = value

    def _looks(self, value: Any) -> bytes | None:
        """What data looks like, as bytes to compare; None for what is no data, or can't be compared."""
        if isinstance(value, (*LASTING, ModuleType)):
            return None
        try:
            return self._snapshot(value)
        except Exception:  # of a class of the user's, that can't be pickled
            return None

    def bind(self, parts: Sequence[Part], *, own: bool = False) -> None:
        """As `load`, and remember nothing to compare with; with `own`, arrays get memory of their own."""
        self._forget()
        if self._stock is not None:
            self._stock.begin()
        state: surroundings.State = {}
        constants: Constants = {}
        described: Descriptions = {}
        threads: blas.Threads = ()
        for part in parts:
            kind, details, body, buffers = read_frame(part.frame)
            if kind == "surroundings":
                state = pickle.load(body)
                surroundings.apply(state, early=True)
            elif kind == "modules":
                self._load_modules(pickle.load(body))
            elif kind == "lines":
                for name, lines in pickle.load(body).items():
                    linecache.cache[name] = (sum(map(len, lines)), None, lines, name)
            elif kind == "streams":
                self.streams = Streams.from_plain(pickle.load(body))
                self._generators = self.streams.numbers()
            elif kind == "threads":
                threads = pickle.load(body)
            elif kind == "constants":
                constants = pickle.load(body)
            elif kind == "described":
                described = pickle.load(body)
            else:
                self._load_bundle(details, body, buffers, own=own)
        surroundings.apply(state)
        self._set_constants(constants)
        other = first_other(described)
        if other is not None:
            raise CodecError(other, "the notebook set it, and workers have the library's own")
        if threads:  # now that the libraries are there which the job needs
            self._free_threads = blas.limit(threads)
        if self.streams is not None:
            self.streams.enter()

    def _set_constants(self, wanted: Constants) -> None:
        """Give libraries the plain values that the notebook's have, until the next job."""
        for place, values in wanted.items():
            holder = find(place)
            if holder is None:
                continue
            for name, (kind, value) in values.items():
                now = vars(holder).get(name, _UNSET)
                if type(now).__name__ != kind or repr(now) != repr(value):
                    self._replaced.append((holder, name, now))
                    setattr(holder, name, value)

    def _load_modules(self, prints: dict[str, bytes]) -> None:
        """Import the user's own modules, anew if they differ from the notebook's."""
        if self._stale_module(prints) is None:
            return
        for name in prints:
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        stale = self._stale_module(prints)
        if stale is not None:
            raise CodecError(stale, "the module in the notebook differs from its file: changed since it was imported")

    def _stale_module(self, prints: dict[str, bytes]) -> str | None:
        try:
            modules = {name: importlib.import_module(name) for name in prints}
        except Exception as error:
            raise CodecError(
                ", ".join(prints), f"not imported by the worker ({type(error).__name__}: {error})"
            ) from error
        return next((name for name, each in prints.items() if fingerprint(modules[name], self._cache) != each), None)

    def _forget(self) -> None:
        """Unbind everything, and give libraries their own values back."""
        if self.streams is not None:
            self.streams.leave()
        self.streams, self._generators = None, {}
        if self._free_threads is not None:
            self._free_threads()
            self._free_threads = None
        while self._replaced:
            holder, name, value = self._replaced.pop()
            if value is _UNSET:
                delattr(holder, name)
            else:
                setattr(holder, name, value)
        for name in [name for name in self._main if not _is_dunder(name) or name == "__file__"]:
            del self._main[name]
        self._names = {}
        self._bundle, self._known, self._hot = [], {}, {}
        self._items, self._chunk, self._lent, self._extra = [], [], [], []
        self._regions = None
        self._before = None

    def _load_bundle(self, names: list[str], body: io.BytesIO, buffers: list[memoryview], *, own: bool) -> None:
        decoder = Decoder(body, buffers, self._main, own=own, generators=self._own_generators())
        try:
            with collector_paused():
                self.function = decoder.load()
                self._names = dict(_pairs(decoder))
        except CodecError:
            raise
        except Exception as error:
            raise CodecError(
                ", ".join(names) or "the loop's body", f"not loaded by the worker ({type(error).__name__}: {error})"
            ) from error
        self._main.update(self._names)
        self._bundle = decoder.objects()
        self._known = {id(thing): n for n, thing in enumerate(self._bundle) if type(thing) not in (str, bytes)}

    def _own_generators(self) -> Sequence[object]:
        return () if self.streams is None else self.streams.generators

    def decode_items(self, frame: Frame) -> list[object]:
        """Decode a chunk's items, and begin to watch for changes."""
        kind, details, body, buffers = read_frame(frame)
        for name in self._extra:
            self._main.pop(name, None)
        self.has_plain_items = kind == "plain"
        if self.has_plain_items:  # of calls
            self._main.update(self._kept)
            self._extra, self._chunk, self._lent = [], [], []
            return plain.loads(body.getbuffer())  # type: ignore[no-any-return]
        primed, _ = details
        primed = [self._bundle[n] for n in primed]
        decoder = Decoder(
            body, buffers, self._main, primed, self._bundle, own=self._by_value, generators=self._own_generators()
        )
        try:
            with collector_paused():
                items: list[object] = decoder.load()
                extra = dict(_pairs(decoder))
        except Exception as error:
            raise CodecError("item", f"not loaded by the worker ({type(error).__name__}: {error})") from error
        self._main.update(extra)
        self._main.update(self._kept)
        self._extra = list(extra)
        self._chunk = decoder.objects()
        if self._by_value:
            self._lent = [n for n, thing in enumerate(self._chunk) if isinstance(thing, LASTING)]
            self._chunk = [thing if isinstance(thing, LASTING) else None for thing in self._chunk]
            return items
        self._items = items
        # Two numbers may be one object here: of what makes an object of another the later is the real one. Bytes are
        # arrays' memory, unless they are items.
        own = set(map(id, items))
        lent = {id(t): n for n, t in enumerate(self._chunk) if type(t) is not bytes or (t and id(t) in own)}
        self._lent = sorted(lent.values())
        self._regions = None
        surroundings.forget()
        self._before = _Before(self)
        return items

    def encode_effects(self, batch: list[Effects]) -> Frame:
        """Encode the effects of some iterations; what was lent goes home as a reference."""
        hot = list(self._hot)
        views: frozenset[int] = frozenset()
        places: list[int] | None
        with collector_paused():
            while True:
                buffers: list[Any] | None = None if is_portable() else []
                file = io.BytesIO()
                pickler = _ValueEncoder if self._by_value else _EffectEncoder
                encoder = pickler(self, file, buffers, views)
                memo: dict[int, tuple[int, Any]] = {}
                for number in hot:
                    memo[id(self._bundle[number])] = (len(memo), self._bundle[number])
                places = [number for number in self._lent if id(self._chunk[number]) not in memo]
                for number in places:
                    memo[id(self._chunk[number])] = (len(memo), self._chunk[number])
                encoder.memo = memo
                try:
                    encoder.dump(batch)
                except Exception as error:
                    raise self._blamed(batch, error) from error
                if self._by_value:
                    break
                met = encoder.memo.copy()
                why = why_misordered(thing for key, (_, thing) in met.items() if key not in memo)
                if why:
                    raise CodecError("result", why)
                missed = [
                    self._known[key]
                    for key in met.keys() & self._known.keys()
                    if key not in memo and type(met[key][1]) in _CONTAINERS
                ]
                shared = frozenset(root for root, members in encoder.roots.items() if len(members) > 1)
                if not missed and shared <= views:
                    break
                hot += missed
                views |= shared
        if len(hot) <= _HOT:
            self._hot = dict.fromkeys(hot)
        if len(places) == len(self._chunk):
            places = None
        stock = self._stock if encoder.is_arrays else None  # all of which the kernel copies
        return write_frame("effects", (hot, places), file.getvalue(), buffers or (), stock=stock)

    def check(self) -> str | None:
        """Say in a clause what tasks changed since `decode_items` that a worker must not change; or None."""
        words = surroundings.tripped()
        if words is not None:
            return words
        return None if self._before is None else self._before.compare(self)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Let the audit net watch while an iteration runs."""
        surroundings.watch(True)
        try:
            yield
        finally:
            surroundings.watch(False)

    def _lender(self, array: Any) -> Any:
        """The shipped array in whose memory another array lies, if any."""
        if array.flags.owndata or array.size == 0:
            return None
        if self._regions is None:
            numpy = sys.modules["numpy"]
            arrays = [a for a in (*self._bundle, *self._chunk) if isinstance(a, numpy.ndarray) and a.size]
            bounds = sorted(((*_bounds(a), n) for n, a in enumerate(arrays)))
            self._regions = [low for low, _, _ in bounds], [(high, arrays[n]) for _, high, n in bounds]
        starts, ends = self._regions
        low, _ = _bounds(array)
        place = bisect_right(starts, low) - 1
        if place >= 0 and low < ends[place][0]:
            return ends[place][1]
        return None

    def _snapshot(self, things: Any) -> bytes | None:
        """What shipped things look like now, as bytes to compare; None where there is too much of it."""
        file = io.BytesIO()
        encoder = _Snapshot(file, self._cache, self._main, {}, None, self._generators)
        encoder.dump(things)
        if file.tell() > _SNAPSHOT_LIMIT:
            return None
        return hashlib.blake2b(file.getbuffer()).digest() if file.tell() > 65536 else file.getvalue()

    def _blamed(self, batch: list[Effects], error: Exception) -> CodecError:
        return located("result", batch, error, self._probe)

    def blame(self, value: Any) -> CodecError | None:
        """Why the result of a call can't be sent, with the path to the culprit; None where it can."""
        error = self._probe(value)
        return None if error is None else located("result", value, error, self._probe)

    def _probe(self, thing: Any) -> Exception | None:
        try:
            pickler = _ValueEncoder if self._by_value else _EffectEncoder
            pickler(self, io.BytesIO(), [], frozenset()).dump(thing)
        except Exception as error:
            return error
        return None


def _lengths(things: Sequence[Any]) -> bytes:
    """How long the containers among these are: what is looked at where there is too much to look at it all."""
    found = (len(thing) for thing in things if isinstance(thing, _GROWING))
    return array("q", itertools.islice(found, _MOST_LENGTHS)).tobytes()


_GROWING: Final = (list, dict, set, bytearray, deque)
_MOST_LENGTHS: Final = 100_000
_CONTAINERS: Final = (list, dict, set, frozenset, tuple, bytearray)


class _Before:
    """What may not change, as it was when a chunk's items were decoded."""

    def __init__(self, mirror: Mirror) -> None:
        self.items = mirror._snapshot(mirror._items)
        self.lengths = _lengths(mirror._chunk) if self.items is None else b""
        self.names = {name: value for name, value in mirror._main.items() if not _is_dunder(name)}
        self.random = _random_state(mirror.streams)
        self.modules = len(sys.modules)
        self.state = surroundings.capture()

    def compare(self, mirror: Mirror) -> str | None:
        """Say what changed."""
        names = {name: value for name, value in mirror._main.items() if not _is_dunder(name)}
        if names.keys() != self.names.keys() or not all(map(operator.is_, names.values(), map(self.names.get, names))):
            return f"it binds the name `{_first_other(self.names, names)}`"
        if self.items is not None and mirror._snapshot(mirror._items) != self.items:
            return "it changes an item"
        if self.items is None and _lengths(mirror._chunk) != self.lengths:
            return "it changes an item"
        whole = mirror._bundle_bytes is not None
        if whole and mirror._snapshot((mirror.function, mirror._names)) != mirror._bundle_bytes:
            return "it changes an object that it shares with other iterations"
        if not whole and _lengths(mirror._bundle) != mirror._bundle_lengths:
            return "it changes an object that it shares with other iterations"
        for library, value in _random_state(mirror.streams).items():
            if value != self.random[library] if library in self.random else not _is_unused(library, value):
                helps = mirror.streams is None and library in SHARED
                return f"it draws from {library}" + (f"; instead: {SEEDED}" if helps else "")
        words = surroundings.changed(self.state, surroundings.capture(), imported=len(sys.modules) != self.modules)
        return None if words is None else f"it changes {words}"


def _first_other(before: dict[str, Any], after: dict[str, Any]) -> str:
    return next(
        name for name in (before | after) if name not in before or name not in after or before[name] is not after[name]
    )


def _random_state(streams: Streams | None) -> dict[str, Any]:
    """States of the generators that everybody shares, but for those that have streams."""
    seeded = () if streams is None else streams.shared
    found: dict[str, Any] = {}
    random = sys.modules.get("random")
    if PYTHON not in seeded and random is not None and hasattr(random, "getstate"):
        found[PYTHON] = random.getstate()
    numpy = sys.modules.get("numpy.random")
    if NUMPY not in seeded and numpy is not None and hasattr(numpy, "get_state"):
        name, keys, *rest = numpy.get_state()
        found[NUMPY] = (name, keys.tobytes(), *rest)
    torch: Any = sys.modules.get("torch")
    if hasattr(torch, "get_rng_state"):
        found["torch"] = torch.get_rng_state().numpy().tobytes()
    return found


def _is_unused(library: str, state: Any) -> bool:
    """Whether a generator that was imported a moment ago is as its seeding left it: nobody has drawn from it."""
    if library == "random":
        return bool(state[1][-1] == 624)
    if library == "torch":
        return bool(sys.modules["torch"].Generator().get_state().numpy().tobytes() == state)
    return int.from_bytes(state[1][:4], sys.byteorder) == 1 << 31 and bool(state[2] == 623)


def _bounds(array: Any) -> tuple[int, int]:
    """Address of an array's first byte, and of the one after its last."""
    low = high = array.__array_interface__["data"][0]
    for size, stride in zip(array.shape, array.strides, strict=True):
        reach = (size - 1) * stride
        low, high = low + min(reach, 0), high + max(reach, 0)
    return low, high + array.itemsize


def _span(array: Any) -> int:
    low, high = _bounds(array)
    return high - low


def _pairs(decoder: Decoder) -> Iterator[tuple[str, Any]]:
    """Names and values, until the None that ends them."""
    while (pair := decoder.load()) is not None:
        yield pair


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
