"""One cell, run plainly and under `%%parallel` in the same shell: whatever differs afterwards is a wrong result.

A `Bench` owns the shell. Each way to run a cell begins with a namespace of its own, in which the set-up cell is run
anew, and ends with a `Picture`: everything reachable from the names (values, types, what is shared with what), what was
printed, the exception with its lines, the state of the process, and the files of the folder it ran in. Two pictures are
equal or they are not; nothing is rounded.
"""

from __future__ import annotations

import collections
import contextlib
import decimal
import enum
import functools
import hashlib
import io
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import traceback
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy
import pytest
import sklearn.model_selection  # noqa: F401 -- its first import sets variables of the environment, once
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from mpnb import brief, magic, session, worth
from mpnb.arrays import _Memory  # what a view of a strided array has for its base
from mpnb.engine import Effects, Engine, Job, Outcome, Running, Tell, notebook
from mpnb.plan.rewrite import BEGIN

ADDRESS: Final = re.compile(r"0x[0-9a-f]{6,}")
OURS: Final = re.compile(r"^\[mpnb\].*\n?", re.MULTILINE)
#: The ways to run a cell, each with its first line; what `plain` gives is right.
WAYS: Final = {
    "plain": "# the plain cell",  # so that lines count alike
    "pool": "%%parallel --no-probe --quiet",
    "mixed": "%%parallel --quiet",  # two iterations in the kernel, then the pool
    "rest": "%%parallel --no-probe --quiet",  # the pool gives up in the middle: the kernel does the rest
    "watched mixed": "# the plain cell",  # under %parallel on: it is planned after two iterations
    "watched rest": "# the plain cell",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """What a cell left behind, as text that compares."""

    names: dict[str, str]
    output: str
    error: str
    world: dict[str, str]

    def differs_from(self, other: Picture) -> list[str]:
        """Say in lines where this one differs from the other, which is taken as right."""
        found = []
        for kind in ("names", "world"):
            mine, right = getattr(self, kind), getattr(other, kind)
            for name in sorted({*mine, *right}):
                if mine.get(name) != right.get(name):
                    found.append(
                        f"{name}: {mine.get(name, '(missing)')[:300]}  SHOULD BE  {right.get(name, '(missing)')[:300]}"
                    )
        if self.output != other.output:
            found.append(f"output: {self.output[-300:]!r}  SHOULD BE  {other.output[-300:]!r}")
        if self.error != other.error:
            found.append(f"error: {self.error}  SHOULD BE  {other.error}")
        return found


@dataclass(slots=True)
class Verdict:
    """What came of a cell: differences by way, and of each site whether it was split or why not."""

    differences: dict[str, list[str]] = field(default_factory=dict)
    split: bool = False
    sites: list[str] = field(default_factory=list)
    plain: Picture | None = None


# -- pictures ---------------------------------------------------------------------------------------------------------


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


_SCALARS: Final = (int, float, complex, bool, str, bytes, type(None), type(...), type(NotImplemented), range, slice)
_OF_CLASS: Final = frozenset(
    {
        "__dict__",
        "__weakref__",
        "__doc__",
        "__module__",
        "_abc_impl",
        "__firstlineno__",
        "__static_attributes__",
        "__slotnames__",
    }
)


class _Painter:
    """Writes objects as text; a mutable one met again is written as its number, so sharing shows."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.keep: list[Any] = []
        self.memory: dict[int, tuple[int, int]] = {}

    def paint(self, thing: Any, depth: int = 0) -> str:
        kind = type(thing)
        if kind in _SCALARS:
            return f"{kind.__name__}:{thing!r}" if kind is not str else repr(thing)
        if depth > 60:
            return "…"
        if id(thing) in self.numbers:
            return f"#{self.numbers[id(thing)]}"
        if kind is tuple:
            return f"({', '.join(self.paint(part, depth + 1) for part in thing)})"
        if kind is frozenset:
            return "frozenset{" + ", ".join(self.paint(part, depth + 1) for part in thing) + "}"
        self.keep.append(thing)
        self.numbers[id(thing)] = len(self.numbers)
        return f"{kind.__module__}.{kind.__qualname__}{self.inside(thing, depth)}"

    def parts(self, things: Any, depth: int) -> str:
        return "[" + ", ".join(self.paint(part, depth + 1) for part in things) + "]"

    def inside(self, thing: Any, depth: int) -> str:
        kind = type(thing)
        if isinstance(thing, types.ModuleType):
            return f" {thing.__name__}"
        if isinstance(thing, types.FunctionType):
            if thing.__module__ != "__main__":
                return f" {thing.__module__}.{thing.__qualname__}"
            cells = []
            for cell in thing.__closure__ or ():
                try:
                    cells.append(cell.cell_contents)
                except ValueError:
                    cells.append("empty")
            held = [thing.__defaults__, thing.__kwdefaults__, vars(thing), cells]
            if BEGIN in thing.__code__.co_freevars:  # as it was written
                held[3] = [cell for name, cell in zip(thing.__code__.co_freevars, cells, strict=True) if name != BEGIN]
                held[2] = {name: value for name, value in vars(thing).items() if name != "__wrapped__"}
                thing = thing.__wrapped__
                held[2] |= {name: value for name, value in vars(thing).items() if name == "__wrapped__"}
            return f" {thing.__qualname__} {thing.__code__.co_code.hex()[:40]} {self.parts(held, depth)}"
        if isinstance(thing, type):
            if thing.__module__ != "__main__":
                return f" {thing.__module__}.{thing.__qualname__}"
            members = {name: value for name, value in vars(thing).items() if name not in _OF_CLASS}
            return f" {thing.__qualname__} {self.parts([item for pair in members.items() for item in pair], depth)}"
        if isinstance(thing, numpy.ndarray):
            return self.array(thing, depth)
        if isinstance(thing, numpy.generic | numpy.dtype):
            return f" {thing!r}"
        if isinstance(thing, numpy.random.Generator):
            return f" {thing.bit_generator.state}"
        if kind.__module__.split(".")[0] == "pandas":
            return self.pandas(thing, depth)
        if any(base.__module__ == "matplotlib.artist" for base in kind.__mro__):
            return self.drawn(thing, depth)
        if isinstance(thing, random.Random):
            return " " + _digest(repr(thing.getstate()).encode())
        if isinstance(thing, io.IOBase):
            held = thing.getvalue() if isinstance(thing, io.StringIO | io.BytesIO) and not thing.closed else ""
            place = thing.tell() if not thing.closed and thing.seekable() else -1
            return f" {thing.closed} {place} {held!r}"
        if isinstance(thing, BaseException):
            return f" {self.parts([thing.args, vars(thing)], depth)}"
        if isinstance(thing, types.MethodType):
            return f" {thing.__func__.__qualname__} {self.parts([thing.__self__], depth)}"
        if isinstance(thing, types.BuiltinFunctionType):
            owner = [] if isinstance(thing.__self__, types.ModuleType) else [thing.__self__]
            return f" {thing.__qualname__} {self.parts(owner, depth)}"
        if isinstance(thing, functools.partial):
            return f" {self.parts([thing.func, thing.args, thing.keywords], depth)}"
        if isinstance(thing, functools._lru_cache_wrapper):
            return f" {thing.cache_info()}"
        if isinstance(thing, types.GeneratorType):
            frame = thing.gi_frame
            held = [frame.f_lasti, frame.f_locals] if frame else []
            return f" {thing.__qualname__} {self.parts(held, depth)}"
        if kind.__module__ == "builtins" and hasattr(kind, "__next__"):
            return " " + self.parts(list(thing), depth)  # the last look at it
        if isinstance(thing, classmethod | staticmethod):
            return self.parts([thing.__func__], depth)
        if isinstance(thing, property):
            return self.parts([thing.fget, thing.fset], depth)
        if isinstance(thing, enum.Enum):
            return f" {thing.name} {self.parts([thing.value], depth)}"
        if isinstance(thing, re.Pattern | Path | decimal.Decimal | types.CodeType):
            return f" {thing!r}" if not isinstance(thing, types.CodeType) else f" {thing.co_name}"
        return self.members(thing, depth)

    def members(self, thing: Any, depth: int) -> str:
        kind = type(thing)
        text = ""
        if isinstance(thing, collections.defaultdict):
            text += self.parts([thing.default_factory], depth)
        if isinstance(thing, collections.deque):
            text += f"<{thing.maxlen}>"
        if isinstance(thing, dict):
            text += self.parts([part for pair in dict.items(thing) for part in pair], depth)
        elif isinstance(thing, set | frozenset):
            # the order of numbers is part of the picture: what is looped over next shows it; a nan's hash is its address
            ordered = all(isinstance(part, int | float) and part == part for part in thing)
            text += self.parts(list(thing) if ordered else sorted(thing, key=repr), depth)
        elif isinstance(thing, list | tuple | collections.deque):
            text += self.parts(list(thing), depth)
        elif isinstance(thing, int | float | complex | str | bytes | bytearray):
            text += repr(thing)
        slots = [slot for base in kind.__mro__ for slot in _slots(base) if hasattr(thing, slot)]
        if slots:
            text += self.parts([part for slot in slots for part in (slot, getattr(thing, slot))], depth)
        if isinstance(getattr(thing, "__dict__", None), dict):
            text += self.parts([part for pair in vars(thing).items() for part in pair], depth)
        if not text and kind.__module__ != "__main__" and not isinstance(thing, object.__class__):
            try:
                reduced = thing.__reduce_ex__(4)
            except Exception:  # not to be taken apart
                return " " + ADDRESS.sub("0x", repr(thing))
            parts = (
                reduced
                if isinstance(reduced, str)
                else [list(p) if isinstance(p, Iterator) else p for p in reduced[1:]]
            )
            text += self.parts(parts, depth) if not isinstance(parts, str) else parts
        return text

    def array(self, thing: Any, depth: int) -> str:
        root, place = thing, thing.__array_interface__["data"][0]
        while isinstance(root.base, numpy.ndarray | _Memory):
            root = root.base if isinstance(root.base, numpy.ndarray) else root.base.array
        # arrays that share memory are a group; where its first one begins is its zero
        group, zero = self.memory.setdefault(id(root), (len(self.memory), place))
        self.keep.append(root)
        content = self.parts(list(thing.ravel()), depth) if thing.dtype.hasobject else _digest(thing.tobytes())
        if not thing.dtype.hasobject and thing.size <= 12:
            content += f" {thing.tolist()}"
        return (
            f"<{thing.dtype} {thing.shape} {'w' if thing.flags.writeable else 'r'} {content} m{group}+{place - zero}>"
        )

    def drawn(self, thing: Any, depth: int) -> str:
        """A figure by its pixels; an artist by its figure, for what it shows is drawn there."""
        figure = thing.get_figure(root=True) if hasattr(thing, "get_figure") else None
        if figure is not thing:
            return f" of {self.paint(figure, depth + 1)}"
        figure.canvas.draw()
        return " " + _digest(bytes(figure.canvas.buffer_rgba()))

    def pandas(self, thing: Any, depth: int) -> str:
        if hasattr(thing, "columns") and hasattr(thing, "iloc"):
            held = [thing.index.to_list(), thing.columns.to_list(), thing.attrs, [str(t) for t in thing.dtypes]]
            return self.parts([*held, *(thing.iloc[:, n].to_list() for n in range(thing.shape[1]))], depth)
        if hasattr(thing, "to_list"):
            return self.parts(
                [
                    str(thing.dtype),
                    thing.name,
                    thing.to_list(),
                    thing.index.to_list() if hasattr(thing, "iloc") else None,
                ],
                depth,
            )
        return " " + ADDRESS.sub("0x", repr(thing))


def _slots(kind: type) -> list[str]:
    slots = vars(kind).get("__slots__", ()) if kind.__module__ != "builtins" else ()
    return [slot for slot in ((slots,) if isinstance(slots, str) else slots) if not slot.startswith("__")]


class _Output(io.TextIOBase):
    """Takes stdout or stderr into one text, in order, with a mark where the stream changes."""

    def __init__(self, pieces: list[tuple[str, str]], stream: str) -> None:
        self.pieces = pieces
        self.stream = stream

    def write(self, text: str) -> int:
        self.pieces.append((self.stream, text))
        return len(text)

    def writable(self) -> bool:
        return True


def _joined(pieces: list[tuple[str, str]]) -> str:
    text, last = "", ""
    for stream, piece in pieces:
        if stream != last and piece:
            text += f"<{stream}>"
            last = stream
        text += piece
    return OURS.sub("", ADDRESS.sub("0x", re.sub(r"<ipython-input-[-\w]+>", "<cell>", text)))


def _error_text(error: BaseException | None) -> str:
    """An exception with the lines of the cell it came through, its notes and its causes."""
    if error is None:
        return ""
    shown = [f"{type(error).__module__}.{type(error).__qualname__}{error.args!r}"]
    lines = [
        f"{frame.f_code.co_name}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not frame.f_code.co_name.endswith(("comp>", "genexpr>"))  # from Python 3.12 on most have none
        and ("ipykernel" in frame.f_code.co_filename or frame.f_code.co_filename.startswith("<ipython-input"))
    ]
    shown.append(" ".join(lines))
    notes = [note for note in getattr(error, "__notes__", ()) if not note.startswith("in iteration")]
    shown += notes
    if error.__cause__ is not None:
        shown.append("from " + _error_text(error.__cause__))
    elif error.__context__ is not None and not error.__suppress_context__:
        shown.append("during " + _error_text(error.__context__))
    return ADDRESS.sub("0x", " | ".join(shown))


# -- ways to be cut short ----------------------------------------------------------------------------------------------


class _GivesUp:
    """An engine whose jobs stop after a few iterations, as if a net had tripped."""

    def __init__(self, engine: Engine, after: int) -> None:
        self._engine = engine
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def run(self, job: Job, items: Iterator[object], tell: Tell, workers: int | None = None) -> Running:
        return _Cut(self._engine.run(job, items, tell, workers), self._after)  # type: ignore[return-value]


class _Cut:
    def __init__(self, running: Running, after: int) -> None:
        self._running = running
        self._left = after

    def __iter__(self) -> _Cut:
        return self

    def __next__(self) -> Outcome:
        outcome = next(self._running)
        self._left -= 1
        if self._left < 0:
            return Outcome(outcome.index, Effects(), "tripped", "it was told to")
        return outcome

    def close(self) -> list[Outcome]:
        return self._running.close()


# -- the bench ---------------------------------------------------------------------------------------------------------


class Bench:
    """A shell with mpnb loaded, in which cells are run in every way; one at a time."""

    ways: ClassVar = WAYS

    def __init__(self, workers: int = 2) -> None:
        config = Config()
        config.HistoryManager.enabled = False
        config.HistoryManager.hist_file = ":memory:"
        config.InteractiveShell.colors = "NoColor"
        self.folder = tempfile.mkdtemp(prefix="bench")
        self.shell: Any = InteractiveShell.instance(config=config)
        self.shell.showtraceback = self.shell.showsyntaxerror = lambda *_, **__: None
        from mpnb.pool import Pool

        pool = Pool(workers)
        pool.start()
        magic.load(self.shell, lambda: pool)
        self.pool = pool
        self.transformer = next(t for t in self.shell.ast_transformers if isinstance(t, magic.CellTransformer))
        self.session = session.current()
        self.run("", "", "pool")
        self.own = set(self.shell.user_ns)

    def close(self) -> None:
        """End the pool, and take away the folder and the last cell's names; the next bench begins anew."""
        for name in set(self.shell.user_ns) - self.own:
            del self.shell.user_ns[name]
        self.pool.shutdown()
        magic.unload(self.shell)
        session._sessions.clear()
        notebook.engine = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def judge(
        self,
        setup: str,
        cell: str,
        ways: tuple[str, ...] = ("pool", "mixed", "rest"),
        limit_s: tuple[float, float] = (0.0, 0.0),
    ) -> Verdict:
        """Run a cell in several ways and compare each with the plain one.

        `limit_s`: seconds after which the plain run is taken as endless, and another way (0: no limit).
        """
        with _at_most(limit_s[0]):
            verdict = Verdict(plain=self.run(setup, cell, "plain"))
        for way in ways:
            with _at_most(limit_s[1]):
                picture = self.run(setup, cell, way)
            differences = picture.differs_from(verdict.plain)
            if differences:
                verdict.differences[way] = differences
            record = self.session.last
            if way == "pool" and record is not None:
                verdict.split = any(site.parallel for site in record.sites)
                verdict.sites = [
                    f"line {site.line - 1}: " + ("split" if site.parallel else f"[{site.code}] {site.reason}")
                    for site in record.sites
                ] or [record.note]
        return verdict

    def run(self, setup: str, cell: str, way: str) -> Picture:
        """Run one cell in one way, in a namespace and a folder of its own."""
        shell = self.shell
        for name in set(shell.user_ns) - getattr(self, "own", set(shell.user_ns)):
            del shell.user_ns[name]
        shell.user_ns["_exit_code"] = 0
        folder = Path(self.folder, "run")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        line = self.ways[way]
        pieces: list[tuple[str, str]] = []
        with (
            _world(folder),
            contextlib.redirect_stdout(_Output(pieces, "out")),
            contextlib.redirect_stderr(_Output(pieces, "err")),
        ):
            made = shell.run_cell(setup) if setup else None
            if made is not None and not made.success:
                msg = f"the set-up fails: {made.error_in_exec or made.error_before_exec!r}\n{setup}"
                raise ValueError(msg)
            pieces.clear()
            with self._in_way(way):
                ran = shell.run_cell(f"{line}\n{cell}", store_history=False)
            error = ran.error_in_exec or ran.error_before_exec
            if isinstance(error, EndlessError):
                raise error
            shown = _error_text(error)
            output = _joined(pieces)
            if ran.result is not None:
                output += f"<result>{_Painter().paint(ran.result)}"
            del ran, error, made
            painter = _Painter()
            names = {
                name: ADDRESS.sub("0x", painter.paint(value))
                for name, value in sorted(shell.user_ns.items())
                if name not in getattr(self, "own", ()) and name != "__warningregistry__"
            }
            return Picture(names, output, shown, _paint_world(folder))

    @contextlib.contextmanager
    def _in_way(self, way: str) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            if way.startswith("watched"):
                patch.setattr(self.transformer, "always", magic.read_line("--quiet"))
            if way.startswith("watched") or way.endswith("mixed"):
                patch.setattr(brief.Short, "_may_pay", lambda _self, _seconds, count, _total: count >= 2)
                patch.setattr(session.SiteRun, "_pays", lambda _self, _seconds, count, _total: count >= 2)
                patch.setattr(worth, "PROBE_S", 0.0)
            if way.startswith("watched"):
                patch.setattr(worth, "is_tail", lambda _seconds, _count, _total: False)
            if way.endswith("rest"):
                patch.setattr(self.session, "engine", _GivesUp(self.pool, 2))
            yield


class EndlessError(BaseException):
    """A cell took longer than it may; no `except Exception` of the cell's own takes it for its matter."""


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    def stop(_number: int, _frame: object) -> None:
        raise EndlessError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _world(folder: Path) -> Iterator[None]:
    """Give a run a process state of its own, and take it back."""
    environ, path, cwd = dict(os.environ), list(sys.path), Path.cwd()
    modules, limit, filters = set(sys.modules), sys.getrecursionlimit(), list(warnings.filters)
    errors, printing, context = numpy.geterr(), numpy.get_printoptions(), decimal.getcontext().copy()
    random.seed(0)
    numpy.random.seed(0)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = written
        os.chdir(cwd)
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if file.startswith(str(folder)):
                del sys.modules[name]
        os.environ.clear()
        os.environ.update(environ)
        sys.setrecursionlimit(limit)
        warnings.filters[:] = filters
        warnings._filters_mutated()
        numpy.seterr(**errors)
        printing.pop("override_repr", None)
        numpy.set_printoptions(**printing)
        decimal.setcontext(context)


def _paint_file(path: Path) -> str:
    """What a file, folder or link is, who may use it, what it holds and by how many names."""
    if path.is_symlink():
        return f"-> {path.readlink()}"
    there = path.stat()
    if not path.is_file():
        return f"{there.st_mode:o}"
    content = path.read_bytes()
    return f"{there.st_mode:o} {there.st_nlink} {_digest(content)} {content[:2000].decode(errors='replace')}"


def _paint_world(folder: Path) -> dict[str, str]:
    state = numpy.random.get_state()
    files = {f"file {path.relative_to(folder)}": _paint_file(path) for path in folder.rglob("*")}
    return {
        "random": _digest(repr(random.getstate()).encode()),
        "numpy.random": _digest(state[1].tobytes() + bytes(str(state[2:]), "ascii")),
        "cwd": os.path.relpath(Path.cwd(), folder),
        "environ": _digest(repr(sorted(os.environ.items())).encode()),
        "recursion": str(sys.getrecursionlimit()),
        "decimal": str(decimal.getcontext().prec),
        "numpy": f"{sorted(numpy.geterr().items())} {sorted(numpy.get_printoptions().items(), key=str)}",
        **files,
    }


__all__ = ["WAYS", "Bench", "EndlessError", "Picture", "Verdict"]
