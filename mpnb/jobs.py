"""The kernel's side of one job: its names and items in, frames out; effects' frames in, the notebook's objects out."""

from __future__ import annotations

import builtins
import io
import linecache
import pickle
import sys
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, NoReturn

from mpnb import surroundings
from mpnb.arrays import copies_on_write
from mpnb.blame import Unsendable, kind_name, located
from mpnb.budget import Budget
from mpnb.buffers import is_portable
from mpnb.cache import BLIND, EncodeCache, Name, attribute_names, digest, telling_attribute
from mpnb.codec import Decoder, Encoder, Memo
from mpnb.collector import collector_paused
from mpnb.engine import Effects, Job
from mpnb.errors import CodecError
from mpnb.frames import Frame, Part, read_frame, write_frame
from mpnb.libraries import constants, descriptions, holders, is_notebooks, registered
from mpnb.modules import data_of, fingerprint, local_modules
from mpnb.ordering import SETS, reordered

_HOT: Final = 2000  # at most so many bundle objects are named in advance in every chunk


@dataclass(frozen=True, slots=True)
class ItemsMemo:
    """The notebook's own objects in a chunk, by the number they have on both sides."""

    objects: list[Any]


_TEXT: Final = {str, bytes}  # nobody asks which of two equal strings it is


class JobEncoder:
    """Kernel side of one job: encodes its names once and its items as they come, decodes the effects.

    Parameters
    ----------
    job
        The job. Main thread only, and never while the user's code runs.
    cache
        What is remembered between jobs.
    budget
        What its names may cost; None where nobody counts it.

    Attributes
    ----------
    parts
        What a worker must have, in the order in which it loads them.
    """

    def __init__(self, job: Job, cache: EncodeCache, budget: Budget | None = None) -> None:
        self._job = job
        self._cache = cache
        self._budget = budget
        self._main: dict[str, Any] = job.function.__globals__
        self._named_sets: set[int] = set()  # written as the value of a name
        cache.begin()
        self._generators = {} if job.streams is None else job.streams.numbers()
        self._targets = {id(target): target for target in job.targets}
        buffers: list[Any] | None = None if is_portable() else []
        file = io.BytesIO()
        encoder = self._encoder(file, {}, buffers)
        with collector_paused():
            self._dump(encoder, "the loop's body", job.function)
            self._bound = self._dump_names(encoder, {}, self._named_sets, [("the loop's body", job.function)])
            memo: Memo = encoder.memo.copy()
        self._budget = None  # what comes later goes to one worker at a time
        self._objects: list[Any] = [None] * len(memo)
        for number, thing in memo.values():
            self._objects[number] = thing
        self._known = {key: number for key, (number, thing) in memo.items() if type(thing) not in _TEXT}
        self._of_pandas = encoder.of_pandas
        self._hot: dict[int, None] = {}
        self._telling: str | None = (
            None  # an attribute that the loop asks for, and that tells a lent array from its own
        )
        self._refuse_targets(memo.keys(), encoder.arrays)
        self._refuse_shared(encoder)
        self._refuse_told_apart(encoder)
        frame = write_frame("bundle", list(self._bound), file.getvalue(), buffers or (), cache)
        serials = b",".join(b"%d" % block.serial for block in frame.blocks)
        bundle = Part(digest(frame.head, serials), frame)
        self.parts: tuple[Part, ...] = (*self._side_parts(encoder), bundle)

    def _encoder(self, file: io.BytesIO, known: Mapping[int, int], buffers: list[Any] | None) -> Encoder:
        return Encoder(file, self._cache, self._main, known, buffers, self._generators)

    def _dump(self, encoder: Encoder, path: str, thing: Any) -> None:
        written, held = encoder.file.tell(), len(encoder.buffers or ())
        try:
            encoder.dump(thing)
            if self._budget is not None:
                blocks = sum(raw.nbytes for raw in (encoder.buffers or ())[held:] if not self._cache.has(raw))
                self._budget.spend(path, encoder.file.tell() - written, blocks)
        except CodecError:
            raise
        except Exception as error:
            raise self._located(path, thing, error) from error
        finally:
            # pickling an instance leaves an attribute on its class: the notebook's classes stay as they are
            for kind in encoder.unmarked:
                if "__slotnames__" in vars(kind):
                    del kind.__slotnames__  # type: ignore[attr-defined]  # copyreg's

    def _dump_names(
        self, encoder: Encoder, bound: Mapping[Name, None], named: set[int], roots: list[tuple[str, Any]]
    ) -> dict[Name, None]:
        """Write every wanted name that the notebook has, and those that these want in turn, until nothing is left."""
        done: dict[Name, None] = {}
        sets: dict[Name, None] = {}
        while encoder.wanted or sets:
            if not encoder.wanted:
                self._refuse_reordered(encoder, named, roots)
            # Sets that are a name's value have been judged by the plan. They come last: one that was met before its
            # own turn lies in other data too.
            wanted = encoder.wanted or sets
            name = next(iter(wanted))
            del wanted[name]
            if name in done or name in bound:
                continue
            if name in self._job.hidden:
                raise CodecError(name, "it is set by the loop, and also looked up by something that the loop uses")
            if self._job.orders and wanted is encoder.wanted and isinstance(self._main.get(name), SETS):
                sets[name] = None
            elif name in self._main:
                done[name] = None
                if wanted is sets:
                    named.add(id(self._main[name]))
                else:
                    roots.append((name, self._main[name]))
                self._dump(encoder, name, (name, self._main[name]))
            elif name in BLIND and hasattr(builtins, name):
                raise CodecError(f"{name}()", "the names it uses can't be known before it runs")
        self._refuse_reordered(encoder, named, roots)
        self._dump(encoder, "", None)
        return done

    def _refuse_reordered(self, encoder: Encoder, named: Container[int], roots: list[tuple[str, Any]]) -> None:
        """CodecError where the loop may take an order from a set, and one was met that has another in a worker."""
        if not self._job.orders:
            return
        memo: Memo = encoder.memo.copy()
        for found in reordered(thing for _, thing in memo.values()):
            if id(found) not in named:
                self._refuse_set(found, roots)

    def _refuse_set(self, found: Any, roots: Iterable[tuple[str, Any]]) -> NoReturn:
        error = Unsendable("is a set, whose order would differ in a worker; instead: sorted(...)")

        def probe(thing: Any) -> Exception | None:
            encoder = self._encoder(io.BytesIO(), {}, [])
            with suppress(Exception):
                encoder.dump(thing)
            return error if id(found) in encoder.memo.copy() else None

        for path, thing in roots:
            if probe(thing):
                raise located(path, thing, error, probe)
        raise CodecError(kind_name(found), str(error))

    def _refuse_module_sets(self, modules: Iterable[ModuleType]) -> None:
        """As `_refuse_reordered`, for what workers do not get from here but make themselves by importing it."""
        for module in modules:
            for name, value in data_of(module):
                encoder = self._encoder(io.BytesIO(), {}, [])
                with suppress(Exception):  # what can't be encoded is not sent either
                    encoder.dump(value)
                self._refuse_reordered(encoder, (), [(f"{module.__name__}.{name}", value)])

    def _side_parts(self, encoder: Encoder) -> Iterator[Part]:
        """The process state, local modules and source lines, which are apart because they seldom change."""
        names = frozenset().union(*(attribute_names(script.code) for script in encoder.scripts.values()))
        found = holders([*encoder.modules.values(), *encoder.classes], names)
        self._refuse_patched(found)
        state = surroundings.capture()
        yield self._cache.part("surroundings", state, lambda: self._plain_part("surroundings", state))
        values = constants(found, self._cache)
        yield self._cache.part("constants", values, lambda: self._plain_part("constants", values))
        described = descriptions(found, names)
        yield self._cache.part("described", described, lambda: self._plain_part("described", described))
        if self._job.streams is not None:
            yield self._plain_part("streams", self._job.streams.plain())
        if self._job.threads:
            yield self._plain_part("threads", self._job.threads)
        modules = local_modules(encoder.modules.values())
        if modules:
            if self._job.orders:
                self._refuse_module_sets(modules.values())
            prints = {name: fingerprint(module, self._cache) for name, module in modules.items()}
            yield self._cache.part("modules", prints, lambda: self._plain_part("modules", prints))
        lines: dict[str, list[str]] = {}
        for script in encoder.scripts.values():
            entry = linecache.cache.get(script.code.co_filename)
            if entry is not None and len(entry) == 4 and entry[1] is None:
                lines[script.code.co_filename] = entry[2]
        yield self._cache.part("lines", lines, lambda: self._plain_part("lines", lines))

    def _refuse_patched(self, found: Iterable[Any]) -> None:
        """CodecError where the notebook put something of its own into a library, which a worker has unchanged."""
        for holder in found:
            if name := registered(holder, self._main):
                raise CodecError(
                    holder.__name__, f"the notebook registered {name} with it, and workers have it unchanged"
                )
            if self._cache.is_unchanged(holder):
                continue
            for name, value in list(vars(holder).items()):
                if is_notebooks(value, self._main):
                    self._cache.forget(holder)
                    why = "the notebook set it, and workers have the library's own"
                    raise CodecError(f"{holder.__name__}.{name}", why)

    def _plain_part(self, kind: str, value: Any) -> Part:
        try:
            body = pickle.dumps(value, 5)
        except Exception as error:
            raise CodecError(kind, f"{type(error).__name__}: {error}") from error
        frame = write_frame(kind, None, body, ())
        return Part(digest(frame.head), frame)

    def encode_items(self, items: Sequence[object]) -> tuple[Frame, ItemsMemo]:
        """Encode some items, and give what is needed to decode their effects."""
        primed = list(self._hot)
        with collector_paused():
            while True:
                buffers: list[Any] | None = None if is_portable() else []
                file = io.BytesIO()
                encoder = self._encoder(file, self._known, buffers)
                encoder.memo = {id(self._objects[n]): (place, self._objects[n]) for place, n in enumerate(primed)}
                self._dump(encoder, "item", list(items))
                names = self._dump_names(encoder, self._bound, set(self._named_sets), [("items", list(items))])
                memo: Memo = encoder.memo.copy()
                # Lists, dicts, sets and tuples of the bundle pass the reducers by: found now, named in a second try.
                met = {self._known[key] for key in memo.keys() & self._known.keys()}
                missed = [n for n in met.difference(primed) if type(self._objects[n]) in _CONTAINERS]
                if not missed:
                    break
                for number in missed if self._job.orders else ():
                    if id(self._objects[number]) in self._named_sets and any(reordered([self._objects[number]])):
                        self._refuse_set(self._objects[number], [("items", list(items))])
                primed += missed
        if len(primed) <= _HOT:
            self._hot = dict.fromkeys(primed)
        self._refuse_targets(memo.keys(), encoder.arrays)
        self._refuse_shared(encoder)
        self._refuse_told_apart(encoder)
        objects: list[Any] = [None] * len(memo)
        for number, thing in memo.values():
            objects[number] = thing
        self._of_pandas.update(encoder.of_pandas)
        # Only of calls all arrays of a chunk are copied in the worker, and its other buffers never.
        stock = self._cache.stock if self._job.calls and encoder.is_arrays else None
        frame = write_frame("chunk", (primed, list(names)), file.getvalue(), buffers or (), stock=stock)
        return frame, ItemsMemo(objects)

    def values(self, _frame: Frame) -> list[Any] | None:
        """The values of some calls, where there is nothing else to say of any of them."""
        return None

    def decode_effects(self, frame: Frame, memo: ItemsMemo) -> list[Effects]:
        """Decode what came home: references become the notebook's own objects, arrays own their memory."""
        kind, (numbers, places), body, buffers = read_frame(frame)
        assert kind == "effects"
        primed = [self._objects[n] for n in numbers]
        primed += memo.objects if places is None else [memo.objects[n] for n in places]
        generators = () if self._job.streams is None else self._job.streams.generators
        decoder = Decoder(
            body, buffers, self._main, primed, self._objects, own=True, frozen=self._frozen(), generators=generators
        )
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

    def _refuse_shared(self, encoder: Encoder) -> None:
        """CodecError where a function was met that closes over a name which replay will set."""
        for script in encoder.scripts.values() if self._job.shared else ():
            names = self._job.shared.intersection(script.code.co_freevars)
            if names and script.code is not self._job.function.__code__:
                raise CodecError(min(names), f"it is set by the loop, and shared with {script.code.co_name}()")

    def _refuse_told_apart(self, encoder: Encoder) -> None:
        """CodecError where an array is lent to code that asks for what tells it from the notebook's own."""
        if self._job.calls:  # whose arguments are copies
            return
        told = (telling_attribute(script.code) for script in encoder.scripts.values())
        self._telling = self._telling or next(filter(None, told), None)
        if self._telling is not None and encoder.arrays:
            name = self._name_of(encoder.arrays[0])
            raise CodecError(
                name, f"the loop asks for .{self._telling}, and workers see arrays read-only, in shared memory"
            )

    def _arrays_of(self, target: Any) -> list[Any]:
        """The arrays in which an object keeps its data; not those of a frame's labels, which never change."""
        numpy = sys.modules.get("numpy")
        axes = getattr(target, "axes", None) if type(target).__name__ == "DataFrame" else None
        found = self._arrays_in(target)
        if numpy is None or axes is None:
            return found
        labels = [array for axis in axes for array in self._arrays_in(axis)]
        return [array for array in found if not any(numpy.may_share_memory(array, label) for label in labels)]

    def _arrays_in(self, target: Any) -> list[Any]:
        if type(target) in _CONTAINERS:
            return []
        encoder = self._encoder(io.BytesIO(), self._known, [])
        try:
            encoder.dump(target)
        except Exception as error:
            raise self._located(self._name_of(target), target, error) from error
        return encoder.arrays

    def _name_of(self, thing: Any) -> str:
        return next((name for name, value in self._main.items() if value is thing), kind_name(thing))

    def _located(self, path: str, thing: Any, error: Exception) -> CodecError:
        if path == "item":
            path, thing = ("items", thing) if len(thing) > 1 else ("item", thing[0])
            return located(path, thing, error, self._probe)
        if isinstance(thing, tuple):  # a name and its value
            return located(path, thing[1], error, self._probe)
        return located(path, thing, error, self._probe)

    def _probe(self, thing: Any) -> Exception | None:
        """Whether this alone can be encoded."""
        try:
            self._encoder(io.BytesIO(), {}, []).dump(thing)
        except Exception as error:
            return error
        return None


_CONTAINERS: Final = (list, dict, set, frozenset, tuple, bytearray)
