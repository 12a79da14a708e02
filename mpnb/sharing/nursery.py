"""Where processes of `mpnb.Process` begin: the template that they are forked from, and what each does first.

    notebook → template   fork (with its socket, stdout, stderr), import, guard, unguard
    notebook → process    begin: what it is told, parts, descriptors

The template and its children stay in the notebook's process group: who interrupts or kills that means all of them.
They end with the notebook's process, whatever becomes of it; folders that are guarded end with the template.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import socket
import sys
import traceback
from types import FrameType
from typing import NoReturn

from mpnb import blas, wire, worker
from mpnb.frames import Part
from mpnb.sharing import endings, processes
from mpnb.template import Template


class Nursery(Template):
    """The template that processes are forked from; see `mpnb.template`."""

    def __init__(self, sock: socket.socket, lifeline: int) -> None:
        super().__init__(sock, lifeline)
        self._guarded: set[str] = set()

    def become(self, fds: tuple[int, ...], lifeline: int, threads: int) -> NoReturn:
        """Be a process of the notebook."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        control_fd, out_fd, err_fd = fds
        begin(control_fd, out_fd, err_fd, lifeline, threads)

    def hear(self, note: wire.Note) -> None:
        """Take over a folder, or let it go."""
        match note:
            case ("guard", folder):
                self._guarded.add(folder)
            case ("unguard", folder):
                self._guarded.discard(folder)
            case _:
                super().hear(note)

    def end(self, number: int = 0, frame: FrameType | None = None) -> NoReturn:
        """End all processes, and remove the folders that were left in this one's care."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
        self.kill_children()
        for folder in self._guarded:
            shutil.rmtree(folder, ignore_errors=True)
        super().end(number, frame)


def main(sock_fd: int, lifeline_fd: int) -> NoReturn:
    """Be the template."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    blas.set_threads(1)
    Nursery(socket.socket(fileno=sock_fd), lifeline_fd).run()


def begin(control_fd: int, out_fd: int, err_fd: int, lifeline_fd: int, threads: int) -> NoReturn:
    """Be a process: hear what it is to do, do it, end."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = endings.FAILED
    try:
        endings.wear(out_fd, err_fd)
        gc.enable()
        with socket.socket(fileno=control_fd) as control:
            message = _hear(control)
        if message is not None:
            _, told, digests = message.note
            told["parent_sentinel"] = os.dup(lifeline_fd)
            worker.watch_lifeline(lifeline_fd, signal.SIGTERM if told["cleans_up"] else signal.SIGKILL)
            blas.set_threads(threads)
            worker.reseed()
            parts = tuple(Part(digest, frame) for digest, frame in zip(digests, message.frames, strict=True))
            code = processes.live(told, parts, message.fds)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted before it began\n")
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _hear(control: socket.socket) -> wire.Message | None:
    """What this process is told; None where the notebook gave it up."""
    incoming = wire.Incoming()
    while (messages := incoming.pull(control)) is not None:
        if messages:
            return messages[0]
    return None
