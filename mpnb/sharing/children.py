"""Processes beside the notebook, seen from it: started from a template, what they print shown where they were started.

    Process.start() ──► Children ── fork ──► template ══► process          one thread per notebook: it hears how
                           ▲ ▲ ◄── exited ──────┘            │             processes end, and moves what they print
              the cell ◄───┘ └── stdout, stderr (a pipe each)┘

A process counts as ended only when all that it printed has been shown. Knows nothing of what processes do.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from mpnb import interpreter, wire
from mpnb.cores import usable_cores
from mpnb.errors import MpnbError
from mpnb.frames import Part

SHOW_S: Final = 0.1  # what a process prints is gathered for so long; servers drop messages above 1,000 a second
BYTES_PER_S: Final = 700_000  # and bytes above a million
MOST_BYTES: Final = 2_000_000  # of one stream of one process; what is more is counted
_READ_NBYTES: Final = 1 << 16
_LOST: Final = 255  # exit code of a process of which nobody knows how it ended, as multiprocessing has it
#: Held while a descriptor is opened or closed and that is noted, by whatever thread: a process forked in between would
#: keep it open, or close another of that number.
_no_fork: Final = threading.RLock()


class Sink:
    """One stream of the cell that runs now: what is written to it later still goes to that cell.

    Parameters
    ----------
    name
        ``stdout`` or ``stderr``.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._stream: Any = getattr(sys, name)
        # ipykernel's streams know the cell that runs; they would write to whichever runs when they are written to.
        self._is_kernels = hasattr(self._stream, "pub_thread") and hasattr(self._stream, "parent_header")
        self._parent = self._stream.parent_header if self._is_kernels else None

    @property
    def is_kernels(self) -> bool:
        """Whether this is a notebook."""
        return self._is_kernels

    def write(self, text: str) -> None:
        """Show a text."""
        stream = self._stream
        if self._is_kernels:
            if stream.pub_thread is None:
                return  # the kernel is ending, and has nobody to show it to
            stream.flush()  # what the cell printed before is on its way first
            content = {"name": self._name, "text": text}
            stream.session.send(stream.pub_thread, "stream", content, parent=self._parent, ident=stream.topic)
            return
        if stream.closed:  # it was that of a `with redirect_stdout`
            stream = getattr(sys, self._name)
        stream.write(text)
        stream.flush()


class Flow:
    """What one process prints to one of its streams, on its way to a sink.

    Parameters
    ----------
    fd
        Where to read it.
    sink
        Where to show it.
    name
        Of the process, for a note.
    """

    def __init__(self, fd: int, sink: Sink, name: str) -> None:
        self.fd = fd
        self.name = name
        self._sink = sink
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting: list[str] = []
        self._nbytes = 0  # waiting
        self._shown = 0
        self._left_out = 0
        self._lock = threading.Lock()
        self.due: float | None = None
        self._last = 0.0
        os.set_blocking(fd, False)

    @property
    def waiting(self) -> int:
        """Bytes that were read and not shown."""
        return self._nbytes

    def read(self) -> bool:
        """Read what there is; False at the end."""
        with self._lock:
            return self._read()

    def _read(self) -> bool:
        if self.fd < 0:
            return False
        try:
            data = os.read(self.fd, _READ_NBYTES)
        except BlockingIOError:
            return True
        if self._shown + self._nbytes >= MOST_BYTES:
            self._left_out += len(data)
        elif data:
            text = self._decoder.decode(data)
            self._waiting.append(text)
            self._nbytes += len(data)
            if self.due is None:
                # The rest of a line is awaited: print() writes its end by itself.
                self.due = max(self._last + SHOW_S, time.monotonic() + (0.005 if text.endswith("\n") else SHOW_S / 2))
        return bool(data)

    def show(self) -> int:
        """Show what has been read; how many bytes that was."""
        with self._lock:
            return self._show()

    def _show(self) -> int:
        count, self._nbytes, self.due = self._nbytes, 0, None
        text, self._waiting = "".join(self._waiting), []
        self._last = time.monotonic()
        self._shown += count
        if text:
            self._sink.write(text)
        return count

    def finish(self) -> None:
        """Read and show all that is there, say what was left out, and close."""
        with self._lock:
            if self.fd < 0:
                return
            end = time.monotonic() + 1  # somebody else may have the pipe, and fill it
            while time.monotonic() < end and _is_readable(self.fd) and self._read():
                pass
            self._waiting.append(self._decoder.decode(b"", final=True))
            self._show()
            if self._left_out:
                words = f"[mpnb] {self.name} printed {self._left_out / 1e6:,.1f} MB more, which are not shown\n"
                self._sink.write(words)
            with _no_fork:
                os.close(self.fd)
                self.fd = -1


def _is_readable(fd: int) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        return bool(selector.select(0))


class Forked:
    """A process that was forked from this one; as much of `subprocess.Popen` as is needed."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """How it ended, None while it has not."""
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else in the notebook waited for it
                self.returncode = _LOST
            else:
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode


class Child:
    """One process; `sentinel` can be read from when it has ended.

    Attributes
    ----------
    returncode
        None until it has ended; negative for a signal.
    """

    def __init__(self, number: int, flows: Sequence[Flow], on_end: Callable[[], None] | None) -> None:
        self.number = number
        self.flows = flows
        self.on_end = on_end
        self.pid: int | None = None
        self.returncode: int | None = None
        self.refused = False
        self.born = threading.Event()
        self.ended = threading.Event()
        self.popen: subprocess.Popen[bytes] | Forked | None = None  # where it is this process's own child
        self.template: socket.socket | None = None  # to the one that it was forked from
        self.pidfd: int | None = None
        self.sentinel, self._ended_fd = os.pipe()

    def end(self, returncode: int) -> None:
        """Take note of how it ended, when all that it printed is shown."""
        if self.returncode is not None:
            return
        for flow in self.flows:
            flow.finish()
        if self.on_end is not None:
            self.on_end()
        self.returncode = returncode
        with _no_fork:
            os.close(self._ended_fd)
            self._ended_fd = -1
        self.born.set()
        self.ended.set()

    def refuse(self) -> None:
        """Say that the template did not fork it, so that it has to be started in another way."""
        self.refused = True
        self.born.set()

    def close(self) -> None:
        """Close the sentinel."""
        with _no_fork:
            if self.sentinel >= 0:
                os.close(self.sentinel)
                self.sentinel = -1

    def abandon(self) -> None:
        """In a process forked from the notebook's: close what is not its own."""
        for fd in (self.sentinel, self._ended_fd, self.pidfd, *(flow.fd for flow in self.flows)):
            if fd is not None and fd >= 0:
                os.close(fd)
        if self.popen is not None:
            self.popen.returncode = _LOST  # it is not this process's child


class Children:
    """The processes that this one has started, and the thread that looks after them."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.in_notebook = False
        self._lock = threading.RLock()
        self._lifeline_in, self._lifeline_out = os.pipe()
        self._wake_out, self._wake_in = socket.socketpair()
        self._wake_out.setblocking(False)
        self._wake_in.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_out, selectors.EVENT_READ, self._woken)
        self._todo: list[Callable[[], None]] = []
        self._children: dict[int, Child] = {}
        self._count = 0
        self._flows: list[Flow] = []
        self._tokens = float(BYTES_PER_S)
        self._tokens_at = time.monotonic()
        self._template: subprocess.Popen[bytes] | None = None
        self._sock: socket.socket | None = None
        self._imports: set[str] = set()
        self._guarded: set[str] = set()
        self._failure: BaseException | None = None
        threading.Thread(target=self._run, name="mpnb children", daemon=True).start()

    # ------------------------------------------------------------ for other threads

    @property
    def lifeline(self) -> int:
        """The pipe that is closed at its other end when this process ends."""
        return self._lifeline_in

    def warm_up(self, imports: Sequence[str] = ()) -> None:
        """Have a template, which has imported these."""
        with self._lock:
            self._tell(("import", tuple(name for name in imports if name not in self._imports)))
            self._imports.update(imports)

    def fork(self, flows: Sequence[Flow], fds: Sequence[int], on_end: Callable[[], None] | None) -> Child:
        """Start a process from the template; where that can't be, from a fresh interpreter.

        Its descriptors are its socket, stdout and stderr.
        """
        with self._lock:
            child = self._add(flows, on_end)
            told = self._tell(("fork", child.number, usable_cores()), fds)
            child.template = self._sock
        if told:
            child.born.wait()
        if not told or child.refused:
            self._start_fresh(child, fds)
        return child

    def spawn(self, flows: Sequence[Flow], fds: Sequence[int], on_end: Callable[[], None] | None) -> Child:
        """Start a process in a fresh interpreter."""
        with self._lock:
            child = self._add(flows, on_end)
        self._start_fresh(child, fds)
        return child

    def adopt(self, pid: int, flows: Sequence[Flow], on_end: Callable[[], None] | None) -> Child:
        """Look after a process that was forked from this one."""
        with self._lock:
            child = self._add(flows, on_end)
        child.popen = Forked(pid)
        self._watch_own(child)
        return child

    def guard(self, folder: str, *, on: bool) -> None:
        """Have the template remove a folder when this process has ended without doing it itself; or no longer."""
        with self._lock:
            if on:
                self._guarded.add(folder)
            else:
                self._guarded.discard(folder)
            self._tell(("guard" if on else "unguard", folder))

    def _add(self, flows: Sequence[Flow], on_end: Callable[[], None] | None) -> Child:
        if self._failure is not None:
            raise MpnbError("the thread that looks after processes has failed") from self._failure
        self._count += 1
        with _no_fork:
            child = self._children[self._count] = Child(self._count, flows, on_end)
        self._do(partial(self._watch_flows, flows))
        return child

    def _start_fresh(self, child: Child, fds: Sequence[int]) -> None:
        values = (usable_cores(),)
        child.popen = interpreter.start(
            "sharing.nursery:begin", *fds, self._lifeline_in, values=values, own_session=False
        )
        self._watch_own(child)

    def _watch_own(self, child: Child) -> None:
        assert child.popen is not None
        child.pid = child.popen.pid
        child.born.set()
        self._do(partial(self._watch_fresh, child))

    def _tell(self, note: wire.Note, fds: Sequence[int] = ()) -> bool:
        """Tell the template, which is started if there is none; False where there can't be one."""
        if not hasattr(os, "fork"):
            return False
        for _ in range(2):
            if self._sock is None:
                self._start_template()
            assert self._sock is not None
            try:
                wire.send(self._sock, note, fds=fds)
            except ConnectionError:
                self._lose_template()
            else:
                return True
        return False

    def _start_template(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            # An interrupt of the notebook's group must not end it before it can say so itself.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                self._template = interpreter.start(
                    "sharing.nursery", theirs.fileno(), self._lifeline_in, own_session=False
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._sock = ours
        for folder in self._guarded:
            wire.send(ours, ("guard", folder))
        self._do(partial(self._watch_template, ours))

    def _do(self, call: Callable[[], None]) -> None:
        """Have the thread do something."""
        self._todo.append(call)
        with contextlib.suppress(BlockingIOError):  # it has been woken already
            self._wake_in.send(b"x")

    # ------------------------------------------------------------ the thread

    def _run(self) -> None:
        try:
            while True:
                for key, _ in self._selector.select(self._timeout()):
                    now = self._selector.get_map().get(key.fd)
                    if now is not None and now.data is key.data:
                        key.data()
                while self._todo:
                    self._todo.pop(0)()
                self._show()
        except BaseException as error:
            if os.getpid() == self.owner:
                self._failure = error
                traceback.print_exc()
                for child in list(self._children.values()):
                    child.end(_LOST)

    def _timeout(self) -> float | None:
        due = [flow.due for flow in self._flows if flow.due is not None]
        polled = any(child.popen is not None and child.pidfd is None for child in self._children.values())
        if polled:
            due.append(time.monotonic() + SHOW_S)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _woken(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_out.recv(4096)

    def _show(self) -> None:
        """Show what is due, as much as a server lets through; a process that prints more waits."""
        now = time.monotonic()
        self._tokens = min(2.0 * BYTES_PER_S, self._tokens + (now - self._tokens_at) * BYTES_PER_S)
        self._tokens_at = now
        for flow in self._flows:
            if flow.due is not None and flow.due <= now:
                if self._tokens > 0:
                    self._tokens -= flow.show()
                    self._watch_flow(flow)
                else:
                    flow.due = now + SHOW_S
        for child in list(self._children.values()):
            if child.popen is not None and child.pidfd is None:
                self._poll(child)

    def _watch_flows(self, flows: Sequence[Flow]) -> None:
        for flow in flows:
            self._flows.append(flow)
            self._watch_flow(flow)

    def _watch_flow(self, flow: Flow) -> None:
        if flow.fd >= 0 and flow.fd not in self._selector.get_map():
            self._selector.register(flow.fd, selectors.EVENT_READ, partial(self._read_flow, flow))

    def _read_flow(self, flow: Flow) -> None:
        fd = flow.fd
        going_on = flow.read()
        if not going_on or flow.waiting >= _READ_NBYTES:
            self._selector.unregister(fd)  # until what is waiting has been shown
        if not going_on:
            self._forget_flow(flow)

    def _forget_flow(self, flow: Flow) -> None:
        if flow.fd >= 0:
            if flow.fd in self._selector.get_map():
                self._selector.unregister(flow.fd)
            flow.finish()
        if flow in self._flows:
            self._flows.remove(flow)

    def _end(self, child: Child, returncode: int) -> None:
        if child.pidfd is not None:
            self._selector.unregister(child.pidfd)
            with _no_fork:
                os.close(child.pidfd)
                child.pidfd = None
        for flow in child.flows:
            self._forget_flow(flow)
        child.end(returncode)
        self._children.pop(child.number, None)  # not before: a process forked by now closes what its like still has

    # ------------------------------------------------------------ the template

    def _watch_template(self, sock: socket.socket) -> None:
        self._selector.register(sock, selectors.EVENT_READ, partial(self._hear_template, sock, wire.Incoming()))

    def _hear_template(self, sock: socket.socket, incoming: wire.Incoming) -> None:
        try:
            messages = incoming.pull(sock)
        except ConnectionError:
            messages = None
        if messages is None:
            self._selector.unregister(sock)
            with self._lock:
                if sock is self._sock:
                    self._lose_template()
                orphans = [child for child in self._children.values() if child.template is sock]
            sock.close()
            for child in orphans:
                if child.pid is None:
                    child.refuse()
                elif child.popen is None:
                    self._watch_end(child)
            return
        for message in messages:
            match message.note:
                case ("forked", number, pid):
                    child = self._children[number]
                    child.pid = pid
                    child.born.set()
                case ("refused", number):
                    self._children[number].refuse()
                case ("exited", number, _pid, returncode, _peak):
                    self._end(self._children[number], returncode)
                case ("imported", *_):
                    pass
                case note:
                    msg = f"the template said {note[0]!r}"
                    raise RuntimeError(msg)

    def _lose_template(self) -> None:
        """The template has ended; its end of the socket is heard by the thread."""
        if self._template is not None:
            self._template.kill()
            self._template.wait()
        self._template = self._sock = None
        self._imports.clear()

    def _watch_end(self, child: Child) -> None:
        """Have a process's end seen by its pidfd: its template is gone, and nobody will say how it ended."""
        assert child.pid is not None
        try:
            with _no_fork:
                child.pidfd = os.pidfd_open(child.pid)
        except (OSError, AttributeError):  # it has ended, or there are no pidfds here
            self._end(child, _LOST)
        else:
            self._selector.register(child.pidfd, selectors.EVENT_READ, partial(self._end, child, _LOST))

    # ------------------------------------------------------------ this process's own children

    def _watch_fresh(self, child: Child) -> None:
        assert child.popen is not None
        with contextlib.suppress(OSError, AttributeError):  # no pidfds here: it is asked after from time to time
            with _no_fork:
                child.pidfd = os.pidfd_open(child.popen.pid)
            self._selector.register(child.pidfd, selectors.EVENT_READ, partial(self._poll, child))

    def _poll(self, child: Child) -> None:
        assert child.popen is not None
        returncode = child.popen.poll()
        if returncode is not None:
            self._end(child, returncode)

    # ------------------------------------------------------------ ending

    def abandon(self) -> None:
        """In a process forked from the notebook's: close what belongs to that, and end nothing."""
        for child in self._children.values():
            child.abandon()
        for end in (self._wake_in, self._wake_out, self._sock):
            if end is not None:
                end.close()
        if self._template is not None:
            self._template.returncode = _LOST
        os.close(self._lifeline_out)
        self._selector.close()


class _Here:
    """The children of this process."""

    children: Children | None = None
    parents_lifeline: int | None = None  # in a process forked from the notebook's


def children() -> Children:
    """Give this process's children."""
    if _Here.children is None:
        _Here.children = Children()
    return _Here.children


def parents_lifeline() -> int | None:
    """In a process that was forked from the notebook's: the pipe that is closed when that ends."""
    return _Here.parents_lifeline


def _after_fork_in_child() -> None:
    _no_fork.release()
    if _Here.children is not None:
        _Here.children.abandon()
        _Here.parents_lifeline = _Here.children.lifeline
        _Here.children = None


def in_notebook() -> bool:
    """Whether processes were started from a notebook's cells here."""
    return _Here.children is not None and _Here.children.in_notebook


def begin(control: socket.socket, about: dict[str, Any], parts: Sequence[Part], fds: Sequence[int]) -> None:
    """Tell a process what to do; one that has ended already needs no telling."""
    with contextlib.suppress(ConnectionError):
        note = ("begin", about, tuple(part.digest for part in parts))
        wire.send(control, note, tuple(part.frame for part in parts), fds)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_no_fork.acquire, after_in_parent=_no_fork.release, after_in_child=_after_fork_in_child)
