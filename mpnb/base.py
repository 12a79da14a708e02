"""The base template: one process that all pools of this one fork their workers from; it imports nothing ahead.

    pool ── join ──► base ══a line of its own══► template process      the first pool starts it, others find it there
    pool ── leave ─► its workers have ended, and no others             the last one to leave ends the process

So a pool that is made beside another is at work within milliseconds. The environment's variables travel with every job;
where others have changed, which a process or a library reads once, a new base is started, and the old one stays for
those who have it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from typing import Final

from mpnb import interpreter, wire

END_S: Final = 1.0
#: Variables that do not travel: read at the start, or of linear algebra; joblib sets the exception when it is imported.
_EARLY: Final = ("PYTHON", "LD_", "DYLD_", "MALLOC_", "GLIBC_", "LC_", "LANG", "OMP_", "KMP_", "MKL_", "OPENBLAS_")
_EXCEPTION: Final = "KMP_INIT_AT_FORK"  # of processes that fork once they have used OpenMP, which a worker never does


class Base:
    """Such a process: it ends when `sock` is closed, or with the other end of its lifeline, which is here as well."""

    def __init__(self) -> None:
        self.environ = _early()
        self.users = 0
        self.lost = False
        self.lifeline = os.pipe()
        self.sock, theirs = socket.socketpair()
        with theirs:
            self.process: subprocess.Popen[bytes] = interpreter.start("template", theirs.fileno(), self.lifeline[0])

    def line(self) -> socket.socket:
        """A line for one pool; one that is at its end where the process has ended."""
        ours, theirs = socket.socketpair()
        with theirs, contextlib.suppress(ConnectionError):
            wire.send(self.sock, ("link",), fds=(theirs.fileno(),))
        return ours

    def close(self) -> None:
        """Close what this process has of it."""
        self.sock.close()
        for fd in self.lifeline:
            os.close(fd)


_alive: set[Base] = set()  # the latest, and those that others still use
_latest: Base | None = None
_lock = threading.Lock()


def _early() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_EARLY) and name != _EXCEPTION}


def join() -> tuple[Base, socket.socket]:
    """The base, started if there is none, and a line to it; `leave` it in the end."""
    global _latest
    with _lock:
        base = _latest
        if base is None or base.lost or base.process.poll() is not None or base.environ != _early():
            base = _latest = Base()
            _alive.add(base)
        base.users += 1
        return base, base.line()


def lose(base: Base) -> None:
    """A line is at its end, for the process has ended by itself: whoever joins from now on gets a new one.

    Its workers live on, until those leave who have joined it.
    """
    base.lost = True
    base.process.kill()
    base.process.wait()


def leave(base: Base) -> None:
    """Be done with it; the last one ends the process."""
    global _latest
    with _lock:
        base.users -= 1
        if base.users:
            return
        _alive.discard(base)
        if _latest is base:
            _latest = None
    base.close()
    try:
        base.process.wait(END_S)
    except subprocess.TimeoutExpired:
        base.process.kill()
        base.process.wait()


def _after_fork_in_child() -> None:
    """Close what belongs to the process that this one was forked from, and end nothing."""
    global _latest, _lock
    for base in _alive:
        base.close()
        base.process.returncode = 0  # it is not this process's child
    _alive.clear()
    _latest, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
