"""The process that workers are forked from: it has one thread, imports what they need, forks, and reaps.

    kernel → template   fork (with the worker's socket and word), import, import ahead, link (with another line)
    template → kernel   forked, refused, exited, importing (and may be stopped meanwhile), imported

Several pools may have a line to one template. What is answered goes where it was asked, and so do the ends of workers;
when a line is closed, the workers end that were asked for there: all of them, with the template, where it is the first.

A pool has a template import ahead that has no workers yet: what is unfit to be forked is then thrown away with it.

What a forked process becomes, `become` says: here a worker of a pool.

Signals are blocked but while it waits or imports, so a handler never runs in the midst of a message or a fork.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final, NoReturn

from mpnb import blas, wire, worker
from mpnb.modules import is_local

_SIGNALS: Final = (signal.SIGCHLD, signal.SIGTERM)


@dataclass(slots=True, eq=False)
class Line:
    """Where orders come from, and answers go."""

    sock: socket.socket
    incoming: wire.Incoming = field(default_factory=wire.Incoming)


class Template:
    """Waits for orders on `sock`; `lifeline` is the pipe that is closed when the kernel's process ends."""

    def __init__(self, sock: socket.socket, lifeline: int) -> None:
        self._first = Line(sock)
        self._lines = {sock: self._first}
        self._lifeline = lifeline
        self._children: dict[int, tuple[int, Line]] = {}  # pid -> worker's number, and where it was asked for

    def run(self) -> NoReturn:
        """Serve until the kernel closes the socket or is gone; then end all workers."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        signal.signal(signal.SIGCHLD, self._reap)
        signal.signal(signal.SIGTERM, self.end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        worker.watch_lifeline(os.dup(self._lifeline), signal.SIGTERM)
        # A signal that comes just before recv would not end its wait; a byte on this socket ends select's.
        woken, wake = socket.socketpair()
        woken.setblocking(False)
        wake.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        while True:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            readable, _, _ = select.select([*self._lines, woken], [], [])
            if woken in readable:
                woken.recv(4096)  # the handlers have run
            for sock in readable:
                if sock in self._lines:
                    self._listen(self._lines[sock])

    def _listen(self, line: Line) -> None:
        """Take in what there is on a line, and do it; signals are blocked afterwards."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        try:
            messages = line.incoming.pull(line.sock)
        except ConnectionError:
            messages = None
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            for message in messages or ():
                self._obey(line, message)
        except ConnectionError:  # it was closed before it was answered
            messages = None
        if messages is None:
            self._hang_up(line)

    def _obey(self, line: Line, message: wire.Message) -> None:
        match message.note:
            case ("fork", number, threads):
                self._fork(line, number, threads, message.fds)
            case ("import", names):
                self._import(line, names)
            case ("import ahead", names):
                self._import_ahead(line, names)
            case ("link",):
                sock = socket.socket(fileno=message.fds[0])
                self._lines[sock] = Line(sock)
            case note:
                self.hear(note)

    def _hang_up(self, line: Line) -> None:
        """A line was closed: end the workers that were asked for there, and only then this end of it."""
        if line is self._first:
            self.end()
        self.kill_children(line)
        del self._lines[line.sock]
        line.incoming.close()
        line.sock.close()

    def hear(self, note: wire.Note) -> None:
        """Take an order that is not every template's."""
        msg = f"the template does not know {note[0]!r}"
        raise RuntimeError(msg)

    def become(self, fds: tuple[int, ...], lifeline: int, threads: int) -> NoReturn:
        """Be a worker on these descriptors, in a session of its own: the notebook's interrupts are not meant for it."""
        os.setsid()
        sock_fd, word_fd = fds
        worker.main(sock_fd, word_fd, lifeline, threads)

    def _fork(self, line: Line, number: int, threads: int, fds: tuple[int, ...]) -> None:
        if _thread_count() > 1:
            # A lock that another thread holds would stay locked in the child for ever.
            for fd in fds:
                os.close(fd)
            wire.send(line.sock, ("refused", number))
            return
        gc.freeze()  # a collection in the child does not touch, and so not copy, what it shares with this process
        pid = os.fork()
        if pid == 0:
            try:
                signal.set_wakeup_fd(-1)
                for name in (*_SIGNALS, signal.SIGINT):
                    signal.signal(name, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
                for each in self._lines:
                    each.close()
                lifeline = os.dup(self._lifeline)
                for fd in _open_fds() - {0, 1, 2, *fds, lifeline}:
                    os.close(fd)
                self.become(fds, lifeline, threads)
            finally:
                os._exit(70)
        self._children[pid] = number, line
        for fd in fds:
            os.close(fd)
        wire.send(line.sock, ("forked", number, pid))

    def _import_ahead(self, line: Line, names: tuple[str, ...]) -> None:
        """Import these, before there are any workers; the kernel may stop this process meanwhile."""
        # SIGTERM would wait until it goes on; without workers there is nothing to see to in the end.
        end = worker.watch_lifeline(os.dup(self._lifeline), signal.SIGKILL)
        if end is not None:
            wire.send(line.sock, ("importing",))
        self._import(line, names)
        if end is not None:
            os.close(end)

    def _import(self, line: Line, names: tuple[str, ...]) -> None:
        """Import these; tell which are unfit for a template, the processor's time that it took, and what is loaded."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        began = time.process_time()
        unfit = tuple((name, why) for name in names if (why := _import_one(name)))
        seconds = time.process_time() - began
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        wire.send(line.sock, ("imported", names, unfit, seconds, tuple(sys.modules)))

    def _reap(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        # A second child may end while the first is seen to: handlers nest, and would wait for one process twice.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        for pid in list(self._children):
            done, status, usage = os.wait4(pid, os.WNOHANG)
            if done:
                number, line = self._children.pop(pid)
                peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
                # Where that line has been closed, `_listen` is about to see it.
                with contextlib.suppress(ConnectionError):
                    wire.send(line.sock, ("exited", number, pid, os.waitstatus_to_exitcode(status), peak))
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def end(self, _number: int = 0, _frame: FrameType | None = None) -> NoReturn:
        """End all workers, reap them, and end."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self.kill_children()
        os._exit(0)

    def kill_children(self, line: Line | None = None) -> None:
        """End all children, or those that were asked for on one line, and reap them."""
        pids = [pid for pid, (_, asked) in self._children.items() if line is None or asked is line]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            os.waitpid(pid, 0)
            del self._children[pid]


def _open_fds() -> set[int]:
    folder = "/proc/self/fd" if sys.platform.startswith("linux") else "/dev/fd"
    with os.scandir(folder) as entries:
        fds = {int(entry.name) for entry in entries}
    return {fd for fd in fds if _is_open(fd)}


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False  # the one that listed the folder
    return True


def _thread_count() -> int:
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - a template has no use for pathlib
    except FileNotFoundError:  # not Linux
        return 1


def _import_one(name: str) -> str:
    """Import a module; why it must not be in a process that others are forked from, or nothing."""
    known, threads, fds, handlers = set(sys.modules), _thread_count(), _open_fds(), _handlers()
    try:
        importlib.import_module(name)
    except (Exception, SystemExit) as error:  # a worker that needs it will say so itself
        return f"{type(error).__name__}: {error}"
    if _thread_count() > threads:
        return "it starts a thread"
    if _open_fds() - fds:
        return "it keeps a file open"  # which a worker would find closed
    if _handlers() != handlers:
        return "it handles signals"
    new = [module for each, module in list(sys.modules.items()) if each not in known]
    return "it imports a module that may be edited" if any(map(is_local, filter(None, new))) else ""


def _handlers() -> list[Any]:
    return [signal.getsignal(name) for name in (*_SIGNALS, signal.SIGINT)]


def main(sock_fd: int, lifeline_fd: int) -> NoReturn:
    """Be the template process on these descriptors."""
    blas.set_threads(1)
    Template(socket.socket(fileno=sock_fd), lifeline_fd).run()
