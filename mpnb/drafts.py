"""What an iteration does to files, kept back: its writes become effects, and nothing on disk is touched.

    open(path, "w"), mkdir, chmod of what it wrote  →  (FILED, kind, path, …, keys), put in place by `filing`
    what it reads, looks at or lists                →  (SEEN, keys), held by `filing` against what others wrote

A file that is opened for writing is a nameless one in memory until the iteration ends. Whatever can't be kept back so
goes its usual way, where the audit net of `surroundings` stops it. Never writes to a file of the user's.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from mpnb import surroundings
from mpnb.engine import FILED, SEEN, Effects

FILE: Final = "file"
FOLDER: Final = "folder"
MODE: Final = "mode"

_open, _mkdir, _makedirs, _chmod = io.open, os.mkdir, os.makedirs, os.chmod
_stat, _lstat, _access, _readlink = os.stat, os.lstat, os.access, os.readlink
_fstat, _dup, _os_open = os.fstat, os.dup, os.open
_realpath = os.path.realpath
_FOLDS_CASE: Final = sys.platform in {"darwin", "win32"}  # a.txt and A.txt may be one file

Path = str | bytes


class _Draft:
    """A file in memory: its place in the effects, and our own descriptor of it beside the iteration's."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.fd = self.own = -1
        self.fds: list[int] = []  # those of the iteration that lead to it

    def begin(self, *_: object) -> int:
        """Make it; an opener for `open`."""
        if hasattr(os, "memfd_create"):
            self.fd = os.memfd_create("mpnb-draft")
        else:
            with tempfile.TemporaryFile() as file:
                self.fd = _dup(file.fileno())
        self.own = _dup(self.fd)
        self.fds.append(self.fd)
        return self.fd

    def is_open(self) -> bool:
        """Tell whether a descriptor of the iteration's still leads to it."""
        return any(map(self.is_at, self.fds))

    def is_at(self, fd: int) -> bool:
        """Tell whether a descriptor leads to it."""
        try:
            return os.path.samestat(_fstat(fd), _fstat(self.own))
        except OSError:
            return False

    def content(self) -> bytes:
        """All that was written."""
        os.lseek(self.own, 0, os.SEEK_SET)
        with _open(self.own, "rb", closefd=False) as file:
            return file.read()

    def close(self) -> None:
        """Let go of it."""
        if self.own >= 0:
            os.close(self.own)
        self.own = -1


class Drafts:
    """What one iteration has written so far, and what it has looked at.

    Parameters
    ----------
    effects
        The iteration's effects.
    again
        Whether this iteration has taken effect before: what it makes anew is there already.
    """

    def __init__(self, effects: Effects, *, again: bool = False) -> None:
        self.effects = effects
        self.again = again
        self.thread = threading.get_ident()
        self.files: list[_Draft] = []
        self.written: set[str] = set()  # keys
        self.folders: set[str] = set()
        self.reads: set[Path] = set()
        self.listed: set[Path] = set()
        self.reading: list[tuple[Path, weakref.ref[Any]]] = []  # files that it has opened to read
        self.held: set[Path] = set()  # those of which nobody tells how long they can be read from
        self.inside = False  # something of our own is under way
        self.opening = False  # a file is opened to be read that `reading` will know

    # -- writing -----------------------------------------------------------------------------------------------------

    def open(self, file: Any, mode: str, *rest: Any) -> Any:
        """Open a draft where the file could be opened, else give None."""
        path = os.fspath(file)
        if path in {os.devnull, os.fsencode(os.devnull)} or not self._can_write(path, exclusive="x" in mode):
            return None
        if self._is_in_use(path):
            return None
        if "x" in mode:
            self._is_own(path, keys_of(path))
        draft = _Draft(len(self.effects))
        try:
            opened: Any = _open(file, mode, *rest, draft.begin)  # type: ignore[call-overload]
        except Exception:  # a wrong mode or encoding: the file may have been made by then
            draft.close()
            return None
        if "x" in mode:
            self.reads.add(path)
        self.files.append(draft)
        self.effects.append((FILED, FILE, path, "x" in mode, b"", self._write(path)))
        return opened

    def _is_in_use(self, path: Path) -> bool:
        """Tell whether the iteration has the file open already: it would see there what is written now."""
        keys = set(keys_of(path))
        if not keys.isdisjoint(self.written) and any(draft.is_open() for draft in self.files):
            return True
        reading = [each for each, found in self.reading if (file := found()) is not None and not file.closed]
        return any(not keys.isdisjoint(keys_of(each)) for each in (*reading, *self.held))

    def mapped(self, fd: int) -> None:
        """The iteration maps a file, which can be read and written when it has been closed."""
        if any(draft.is_at(fd) for draft in self.files):
            surroundings.trip("it maps a file that it writes into memory")
        self.held.update(self.reads)

    def look_at(self, fd: int) -> None:
        """The iteration looks at an open file, other than by reading it."""
        if any(draft.is_at(fd) for draft in self.files):
            surroundings.trip("it asks for the state of a file that it writes")

    def _can_write(self, path: Path, *, exclusive: bool) -> bool:
        try:
            there = _stat(path)
        except FileNotFoundError:
            return not os.path.islink(path) and self._can_make(path)
        except (OSError, ValueError):
            return False
        return stat.S_ISREG(there.st_mode) and (self.again or not exclusive) and _access(path, os.W_OK)

    def _can_make(self, path: Path) -> bool:
        parent = os.path.dirname(os.path.join(os.fsencode(os.getcwd()), os.fsencode(path)))
        if name_of(parent) in self.folders:
            return True
        try:
            return stat.S_ISDIR(_stat(parent).st_mode) and _access(parent, os.W_OK | os.X_OK)
        except (OSError, ValueError):
            return False

    def mkdir(self, path: Any, mode: int, *, ensure: bool = False) -> bool:
        """Note that a folder is made, where it could be; False where it could not."""
        path = os.fspath(path)
        if not ensure:
            self.reads.add(path)
            if name_of(path) in self.folders:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            if os.path.lexists(path) and not self.again:
                return False
        if not self._can_make(path):
            return False
        keys = self._write(path)
        self.folders.add(keys[0])
        self.effects.append((FILED, FOLDER, path, mode, ensure, keys))
        return True

    def makedirs(self, path: Any, mode: int) -> bool:
        """As `os.makedirs(path, mode, exist_ok=True)`; False where something is in the way."""
        missing = []
        folder = os.path.abspath(os.fspath(path))
        while not os.path.lexists(folder) and name_of(folder) not in self.folders:
            missing.append(folder)
            folder = os.path.dirname(folder)
        if name_of(folder) not in self.folders and not os.path.isdir(folder):
            return False
        return all(self.mkdir(each, mode if each is missing[0] else 0o777, ensure=True) for each in reversed(missing))

    def chmod(self, path: Path, mode: int) -> bool:
        """Note the mode of a file that the iteration wrote; False where it is not one of those."""
        key = name_of(path)
        if key not in self.written:
            return False
        self.effects.append((FILED, MODE, path, mode, (key,)))
        return True

    def _write(self, path: Path) -> tuple[str, ...]:
        keys = (*keys_of(path), *inside(os.path.dirname(os.path.join(os.fsencode("."), os.fsencode(path)))))
        self.written.update(keys)
        return keys

    # -- reading -----------------------------------------------------------------------------------------------------

    def read(self, path: Any) -> None:
        """The iteration looks at a file."""
        if self.inside or isinstance(path, int):
            return
        path = os.fspath(path)
        self.reads.add(path)
        if self.written:
            self._is_own(path, keys_of(path))

    def list(self, path: Any) -> None:
        """The iteration lists a folder."""
        if self.inside:
            return
        if isinstance(path, int):
            surroundings.trip("it lists a folder by a descriptor")
        path = "." if path is None else os.fspath(path)
        self.listed.add(path)
        if self.written:
            self._is_own(path, inside(path))

    def _is_own(self, path: Path, keys: Iterable[str]) -> None:
        if not self.written.isdisjoint(keys):
            surroundings.trip(f"it looks at {os.fsdecode(path)!r}, which it has just written")

    def heard(self, event: str, arguments: tuple[Any, ...]) -> bool:
        """Take an audit event; False where it is the net's matter."""
        if self.inside:
            return True
        match event:
            case "open" if not arguments[2] & surroundings.WRITING:
                self.read(arguments[0])
                if not self.opening and isinstance(arguments[0], str | bytes | os.PathLike):
                    self.held.add(os.fspath(arguments[0]))
            case "mmap.__new__" if arguments[0] >= 0:
                self.mapped(arguments[0])
            case "os.listdir" | "os.scandir":
                self.list(arguments[0])
            case "shutil.copyfile" | "shutil.copymode":
                pass  # each of its steps is heard
            case _:
                return False
        return True

    # -- the end -----------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Complete the effects with what the files have come to hold."""
        for draft in self.files:
            number, kind, path, exclusive, _, keys = self.effects[draft.place]
            if draft.is_open():
                surroundings.trip(f"it leaves {os.fsdecode(path)!r} open")
            self.effects[draft.place] = (number, kind, path, exclusive, draft.content(), keys)
        keys = {key for path in self.reads for key in keys_of(path)} | {
            key for path in self.listed for key in inside(path)
        }
        if keys:
            self.effects.append((SEEN, tuple(keys)))

    def close(self) -> None:
        """Let go of everything in memory."""
        for draft in self.files:
            draft.close()


# -- which file a path means ------------------------------------------------------------------------------------------


def name_of(path: Path) -> str:
    """A path without links, the same however it is spelled."""
    real = os.fsdecode(_realpath(path))
    return real.casefold() if _FOLDS_CASE else real


def keys_of(path: Path) -> tuple[str, ...]:
    """What tells whether two paths mean one file: the first key, and those that the system knows it by.

    These are its name in its own folder, which may be mounted in two places, and its number, which its other names
    share. A folder or file that is not there yet has none; whoever meets it later has the first key as well.
    """
    with _quiet():
        try:
            name = name_of(path)
        except (OSError, ValueError):
            return (os.fsdecode(path),)
        parent, last = os.path.split(name)
        folder, there = _number(parent), _number(path)
    named = None if folder is None else f"{folder}:{last}"
    return tuple(key for key in (name, named, there) if key is not None)


def inside(folder: Path) -> tuple[str, ...]:
    """What stands for all that is in a folder."""
    with _quiet():
        name, number = name_of(folder), _number(folder)
    return (f"{name}/", *([f"{number}/"] if number else []))


def _number(path: Path) -> str | None:
    try:
        there = _stat(path)
    except (OSError, ValueError):
        return None
    return f"{there.st_dev}:{there.st_ino}"


class _quiet:  # noqa: N801 -- reads as a clause: with _quiet()
    """While a path is looked into by us, nobody is told that it was looked at."""

    def __enter__(self) -> None:
        self.drafts = _current
        self.before = False
        if self.drafts is not None:
            self.before, self.drafts.inside = self.drafts.inside, True

    def __exit__(self, *_: object) -> None:
        if self.drafts is not None:
            self.drafts.inside = self.before


# -- in the place of Python's own functions ---------------------------------------------------------------------------

_current: Drafts | None = None


def _here() -> Drafts | None:
    drafts = _current
    return None if drafts is None or drafts.inside or drafts.thread != threading.get_ident() else drafts


def _draft_open(
    file: Any,
    mode: Any = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Any = None,
) -> Any:
    drafts = _here()
    rest = (buffering, encoding, errors, newline, closefd)
    plain = isinstance(file, str | bytes | os.PathLike) and isinstance(mode, str) and opener is None and closefd
    if drafts is not None and plain and not set(mode).isdisjoint("wx"):
        with _quiet():
            opened = drafts.open(file, mode, *rest)
        if opened is not None:
            return opened
    if drafts is None or not plain:
        return _open(file, mode, *rest, opener)  # where it would write, the net stops it
    drafts.opening = True
    try:
        opened = _open(file, mode, *rest, opener)
    finally:
        drafts.opening = False
    drafts.reading.append((os.fspath(file), weakref.ref(opened)))
    return opened


def _draft_mkdir(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
    drafts = _here()
    if drafts is not None and dir_fd is None:
        with _quiet():
            if drafts.mkdir(path, mode):
                return
    _mkdir(path, mode, dir_fd=dir_fd)


def _draft_makedirs(name: Any, mode: int = 0o777, exist_ok: bool = False) -> None:
    drafts = _here()
    if drafts is not None and exist_ok:
        with _quiet():
            if drafts.makedirs(name, mode):
                return
    _makedirs(name, mode, exist_ok)


def _draft_path_mkdir(self: Any, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
    drafts = _here()
    if drafts is not None and exist_ok and (parents or os.path.isdir(self.parent)):
        with _quiet():
            if drafts.makedirs(self, mode):
                return
    _path_mkdir(self, mode, parents, exist_ok)


def _draft_chmod(path: Any, mode: int, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> None:
    drafts = _here()
    if drafts is not None and dir_fd is None and follow_symlinks and not isinstance(path, int):
        with _quiet():
            if drafts.chmod(os.fspath(path), mode):
                return
    _chmod(path, mode, dir_fd=dir_fd, follow_symlinks=follow_symlinks)


def _seen(function: Callable[..., Any]) -> Callable[..., Any]:
    """One of Python's functions that looks at a path, which no audit event tells of."""

    def look(path: Any, *arguments: Any, **keywords: Any) -> Any:
        drafts = _current  # whichever thread it is
        if drafts is None or drafts.inside:
            return function(path, *arguments, **keywords)
        if isinstance(path, int):
            drafts.look_at(path)
        elif isinstance(path, str | bytes | os.PathLike):
            if keywords.get("dir_fd") is not None:
                surroundings.trip(f"it looks at {path!r} from a folder that can't be told")
            drafts.read(path)
        return function(path, *arguments, **keywords)

    return look


def _draft_fstat(fd: int) -> os.stat_result:
    drafts = _here()
    if drafts is not None:
        drafts.look_at(fd)
    return _fstat(fd)


def _draft_dup(fd: int) -> int:
    drafts = _here()
    copy = _dup(fd)
    if drafts is not None:
        for draft in drafts.files:
            if draft.is_at(copy):
                draft.fds.append(copy)
    return copy


def _draft_os_open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    if dir_fd is not None and _here() is not None:
        surroundings.trip(f"it opens {path!r} from a folder that can't be told")
    return _os_open(path, flags, mode, dir_fd=dir_fd)


def _path_class() -> Any:
    import pathlib

    return pathlib.Path


_path_mkdir: Callable[..., None] = _path_class().mkdir
_PLACES: Final[tuple[tuple[str, str, Any, Any], ...]] = (
    ("builtins", "open", _open, _draft_open),
    ("io", "open", _open, _draft_open),
    ("IPython.core.interactiveshell", "io_open", _open, _draft_open),  # which the notebook's own open() calls
    ("os", "makedirs", _makedirs, _draft_makedirs),
    *(
        (module, name, original, replacement)
        for module in ("os", os.stat.__module__)  # posix or nt, which has them too
        for name, original, replacement in (
            ("mkdir", _mkdir, _draft_mkdir),
            ("chmod", _chmod, _draft_chmod),
            ("stat", _stat, _seen(_stat)),
            ("lstat", _lstat, _seen(_lstat)),
            ("access", _access, _seen(_access)),
            ("readlink", _readlink, _seen(_readlink)),
            ("fstat", _fstat, _draft_fstat),
            ("dup", _dup, _draft_dup),
            ("open", _os_open, _draft_os_open),
        )
    ),
)


def _put(*, drafting: bool) -> None:
    for module, name, original, replacement in _PLACES:
        holder = sys.modules.get(module)
        if holder is not None:
            setattr(holder, name, replacement if drafting else original)
    _path_class().mkdir = _draft_path_mkdir if drafting else _path_mkdir


def begin(effects: Effects, *, again: bool = False) -> Drafts:
    """Keep back what this thread does to files from now on, until `end`."""
    global _current
    _current = Drafts(effects, again=again)
    surroundings.listen(_current.heard)
    _put(drafting=True)
    return _current


@contextmanager
def kept_back() -> Iterator[None]:
    """Run an iteration again whose writes are in place already, and give up what it does to files."""
    begin([], again=True)
    try:
        yield
    finally:
        end()


def end() -> None:
    """Let this thread write to files again; what was kept back is given up unless it was finished."""
    global _current
    drafts, _current = _current, None
    surroundings.listen(None)
    _put(drafting=False)
    if drafts is not None:
        drafts.close()
