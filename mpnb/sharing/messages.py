"""Queues and pipes for objects of the notebook: multiprocess's, but for how an object becomes bytes.

An object is encoded by `put` or `send` itself: what can't be sent is an error there, and what is changed afterwards
does not matter. Locks, queues and shared values in it are lent: whoever gets it opens them in this process.
"""

from __future__ import annotations

import fcntl
import os
import queue
import stat
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from multiprocess import connection, context, heap, managers, queues, reduction

from mpnb import parcels
from mpnb.blame import Unsendable
from mpnb.sharing.memory import assert_starting

parcels.add_reducers(reduction.ForkingPickler._extra_reducers)  # a table without a public name

every_queue: Final[weakref.WeakSet[queues.Queue]] = weakref.WeakSet()


class _Borrowed:
    """A descriptor of another process, which is opened there by its number."""

    def __init__(self, place: tuple[int, int, int, int, int]) -> None:
        self._place = place

    def detach(self) -> int:
        """Give a descriptor of one's own."""
        pid, number, mode, device, inode = self._place
        words = "what this object shares is gone: the process that sent it has ended, or let go of it"
        try:
            # Without O_NONBLOCK a pipe that nobody holds any more would be waited for.
            fd = os.open(f"/proc/{pid}/fd/{number}", mode | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise FileNotFoundError(words) from error
        found = os.fstat(fd)
        if (found.st_dev, found.st_ino) != (device, inode):
            os.close(fd)
            raise FileNotFoundError(words)
        os.set_blocking(fd, True)
        return fd


class _Lender:
    """What multiprocess asks, while something is encoded, how a descriptor gets to where that is decoded."""

    DupFd = _Borrowed
    _kept: Final[dict[int, Any]] = {}

    def duplicate_for_child(self, fd: int) -> tuple[int, int, int, int, int]:
        """Say where it is to be found."""
        found = os.fstat(fd)
        if stat.S_ISSOCK(found.st_mode) or not sys.platform.startswith("linux"):
            raise Unsendable("an open connection: give it to a process that starts, Process(args=…)")
        mode = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
        return os.getpid(), fd, mode, found.st_dev, found.st_ino

    def keep(self, memory: heap.BufferWrapper) -> None:
        """Keep a small piece of memory for good: nobody will say when it is not used any more."""
        self._kept[id(memory)] = memory


_lender: Final = _Lender()


@contextmanager
def lending() -> Iterator[None]:
    """Let what is shared between processes be encoded."""
    before = context.get_spawning_popen()
    context.set_spawning_popen(_lender)
    try:
        yield
    finally:
        context.set_spawning_popen(before)


def dumps(thing: Any, path: str = "object") -> bytes:
    """Encode; raises CodecError."""
    with lending():
        return parcels.dumps(thing, path)


class Connection(connection.Connection):
    """`multiprocessing.connection.Connection`."""

    def send(self, obj: Any) -> None:
        """Send an object."""
        self._check_closed()
        self._check_writable()
        self._send_bytes(dumps(obj))

    def recv(self) -> Any:
        """Receive an object; waits for one."""
        self._check_closed()
        self._check_readable()
        return parcels.loads(self._recv_bytes().getvalue())

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_connection, (reduction.DupFd(self.fileno()), self.readable, self.writable)


def _rebuild_connection(dup: Any, readable: bool, writable: bool) -> Connection:
    return Connection(dup.detach(), readable, writable)


def taken_over(other: connection.Connection, kind: type[Connection] = Connection) -> Connection:
    """Give a connection that has the descriptor of another one, which is closed."""
    handle, other._handle = other._handle, None  # there is no detach
    return kind(handle, other.readable, other.writable)


def pipe(duplex: bool = True) -> tuple[Connection, Connection]:
    """Make what `multiprocessing.Pipe` makes."""
    one, other = connection.Pipe(duplex)
    return taken_over(one), taken_over(other)


class Queue(queues.Queue):
    """`multiprocessing.Queue`."""

    def __init__(self, maxsize: int = 0, *, ctx: Any) -> None:
        super().__init__(maxsize, ctx=ctx)
        every_queue.add(self)

    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an object in; waits while the queue is full."""
        super().put(dumps(obj), block, timeout)

    def __getstate__(self) -> Any:
        assert_starting(self)
        return super().__getstate__()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take an object out; waits for one."""
        if self._closed:
            raise ValueError(f"Queue {self!r} is closed")
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = 0.0 if not block else None if end is None else max(0.0, end - time.monotonic())
            # Without the lock: a process that is killed while it waits does not take that along.
            if not self._poll(left) or not self._rlock.acquire(block, left):
                raise queue.Empty
            try:
                data = self._recv_bytes() if self._poll() else None  # nothing: another process was faster
            finally:
                self._rlock.release()
            if data is not None:
                self._sem.release()
                return parcels.loads(reduction.ForkingPickler.loads(data))


class JoinableQueue(Queue, queues.JoinableQueue):
    """`multiprocessing.JoinableQueue`."""


class SimpleQueue(queues.SimpleQueue):
    """`multiprocessing.SimpleQueue`."""

    _reader: Any
    _writer: Any

    def __init__(self, *, ctx: Any) -> None:
        super().__init__(ctx=ctx)
        # A pool reads and writes at the ends themselves.
        self._reader, self._writer = taken_over(self._reader), taken_over(self._writer)
        self._poll = self._reader.poll

    def __getstate__(self) -> Any:
        assert_starting(self)
        return super().__getstate__()

    def put(self, obj: Any) -> None:
        """Put an object in."""
        data = dumps(obj)
        with self._wlock:
            self._writer.send_bytes(data)

    def get(self) -> Any:
        """Take an object out; waits for one."""
        while True:
            self._poll(None)  # without the lock, as Queue does
            with self._rlock:
                if self._poll():
                    data = self._reader.recv_bytes()
                    break
        return parcels.loads(data)


# --- a manager's connections -----------------------------------------------------------------------------------------

SERIALIZER: Final = "mpnb"


class _Listener(connection.Listener):
    def accept(self) -> Connection:
        return taken_over(super().accept())


class _ClientConnection(Connection):
    """To a manager's process; says what it means when that is not there."""

    def send(self, obj: Any) -> None:
        with telling_of_end():
            super().send(obj)

    def recv(self) -> Any:
        with telling_of_end():
            return super().recv()


@contextmanager
def telling_of_end() -> Iterator[None]:
    """Say in words that a manager's process has ended."""
    try:
        yield
    except (EOFError, ConnectionError, FileNotFoundError) as error:
        words = "the manager's process has ended, and with it all that it held: make a new Manager()"
        raise ConnectionResetError(words) from error


def _client(address: str, family: str | None = None, authkey: bytes | None = None) -> Connection:
    with telling_of_end():
        return taken_over(connection.Client(address, family, authkey), _ClientConnection)


managers.listener_client[SERIALIZER] = (_Listener, _client)
