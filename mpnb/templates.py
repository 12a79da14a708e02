"""The templates of a pool, seen from the kernel: one that forks now, one that imports ahead, old ones with workers.

    fork ───────────► the base, which all pools share, or the latest that has imported something
    prepare(names) ─► a new template imports them, beside the one that goes on forking
                      ├─ it was worth it ─► it forks from now on; the old one goes when its last worker has gone
                      └─ light, or unfit (a thread, a failure) ─► thrown away, and nothing has changed

While a job is open the import stands still, so that the workers have the cores.

So no fork ever waits for an import, and whatever an import does to its process, it does to one without workers.
Lives in the pool's I/O thread; starts and ends processes, decides nothing about workers.
"""

# Strategy: the new template is a fresh interpreter, not a fork of the old one: it is the kernel's own child, so that
# templates end in any order and leave nothing behind.

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from mpnb import base, interpreter, wire

WORTH_S: Final = 0.05  # processor's time of imports, from which on workers are replaced to have them
END_S: Final = 1.0
LIMIT_S: Final = 60.0  # an import that takes longer is left to the workers
MODULE_S: Final = 0.0007  # to import one module, while nothing was measured: 0.3 to 1.8 ms on the average of libraries


@dataclass(slots=True, eq=False)
class Template:
    """One such process; `modules` are those that a worker forked from it begins with, as far as it has told."""

    process: subprocess.Popen[bytes]
    sock: socket.socket
    names: tuple[str, ...] = ()
    modules: frozenset[str] = frozenset()
    asked: bool = False  # what it has imported
    stoppable: bool = False  # its process ends with the kernel even while it is stopped
    lost: bool = False
    shared: base.Base | None = None  # where other pools may have workers of it, too
    incoming: wire.Incoming = field(default_factory=wire.Incoming)


class Templates:
    """Starts templates, asks them for workers, and keeps the one that has imported the most.

    Parameters
    ----------
    selector, lifeline
        What the I/O thread waits with; the pipe whose other end is closed when the kernel ends.
    hear
        Is told what a template says of a worker.
    lost
        Is told of a template that has ended by itself.
    renewed
        Is told that from now on workers start with more imported.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        lifeline: int,
        hear: Callable[[wire.Message], None],
        lost: Callable[[Template], None],
        renewed: Callable[[], None],
    ) -> None:
        self._selector = selector
        self._lifeline = lifeline
        self._hear = hear
        self._lost = lost
        self._renewed = renewed
        self.current: Template | None = None
        self._base: Template | None = None
        self._joined: list[base.Base] = []  # also those that were lost: the workers that they have left live on
        self.module_s = MODULE_S
        self._next: Template | None = None
        self._next_until = 0.0
        self._paused = False
        self._tried: tuple[str, ...] = ()
        self._old: list[Template] = []
        self._names: dict[str, None] = {}
        self._unfit: dict[str, str] = {}  # name -> why
        self._bare: frozenset[str] = frozenset()  # what every template begins with

    # ------------------------------------------------------------ workers

    def fork(self, number: int, threads: int, fds: tuple[int, ...]) -> Template | None:
        """Ask for a worker; the template that will say what became of it, None where there is none to ask."""
        for _ in range(2):
            if self.current is None:
                if self._base is None:
                    self._base = self._join()
                self.current = self._base
            template = self.current
            if self._tell(template, ("fork", number, threads), fds):
                if not template.asked:
                    template.asked = True
                    self._tell(template, ("import", ()))
                return template
        return None

    def retire(self, used: Iterable[Template | None]) -> None:
        """Let the old templates go that none of these workers came from."""
        using = list(used)
        for template in [each for each in self._old if each not in using]:
            self._old.remove(template)
            self._close(template)

    def distrust(self, template: Template) -> None:
        """A worker of this template did not get ready: if it is for what was imported, no other has to die of it."""
        if template is self.current and template.names:
            self._unfit.update(dict.fromkeys(template.names, "a worker that had it did not get ready"))
            self._old.append(template)
            self.current = None

    # ------------------------------------------------------------ what is imported ahead

    def prepare(self, names: Iterable[str]) -> None:
        """Have these imported ahead, too, as soon as may be; returns at once."""
        self._names.update(dict.fromkeys(names))
        self._prepare()

    def pause(self, *, on: bool) -> None:
        """Let the import stand still, or go on; none begins meanwhile."""
        if on == self._paused:
            return
        self._paused = on
        if self._next is None:
            if not on:
                self._prepare()
        elif self._next.stoppable:
            self._next.process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)
        self._next_until = time.perf_counter() + LIMIT_S

    @property
    def deadline(self) -> float | None:
        """When to call `tick`, on the clock `time.perf_counter`."""
        return self._next_until if self._next is not None and not self._paused else None

    def tick(self, now: float) -> None:
        """Give up an import that takes too long."""
        if self._next is not None and not self._paused and now >= self._next_until:
            self._reject(self._next, dict.fromkeys(self._next.names, f"it took longer than {LIMIT_S:g} s"))

    def _prepare(self) -> None:
        names = tuple(name for name in self._names if name not in self._unfit)
        if self._next is not None or self._paused or names == self._tried or not hasattr(os, "fork"):
            return  # the one under way ends here again, and so does the pause
        if self.current is not None and set(names) <= {*self.current.names, *self.current.modules}:
            return
        self._tried = names
        template = self._next = self._start()
        template.names, template.asked = names, True
        self._next_until = time.perf_counter() + LIMIT_S
        self._tell(template, ("import ahead", names))

    def _imported(
        self, template: Template, unfit: tuple[tuple[str, str], ...], seconds: float, modules: tuple[str, ...]
    ) -> None:
        template.modules = frozenset(modules)
        if not template.names:
            self._bare = template.modules
        if template is not self._next:
            return
        if unfit:
            self._reject(template, dict(unfit))
            return
        if seconds >= WORTH_S:
            self.module_s = seconds / max(1, len(template.modules - self._bare))
        gained = template.modules - (self.current.modules if self.current is not None else self._bare)
        if len(gained) * self.module_s < WORTH_S:
            self._reject(template, {})
            return
        self._next = None
        template.process.send_signal(signal.SIGCONT)  # it may have been stopped after its last word
        if self.current is not None and self.current is not self._base:
            self._old.append(self.current)
        self.current = template
        self._renewed()
        self._prepare()

    def _reject(self, template: Template, unfit: dict[str, str]) -> None:
        """Throw away what was to be the next one; another one is tried without what was unfit."""
        self._unfit.update(unfit)
        self._next = None
        self._unwatch(template)
        template.lost = True
        template.process.kill()
        template.process.wait()
        self._prepare()

    # ------------------------------------------------------------ processes

    def _start(self) -> Template:
        ours, theirs = socket.socketpair()
        template = Template(interpreter.start("template", theirs.fileno(), self._lifeline), ours)
        theirs.close()
        self._selector.register(ours, selectors.EVENT_READ, partial(self._read, template))
        return template

    def _join(self) -> Template:
        found, line = base.join()
        self._joined.append(found)
        template = Template(found.process, line, shared=found)
        self._selector.register(line, selectors.EVENT_READ, partial(self._read, template))
        return template

    def _tell(self, template: Template, note: wire.Note, fds: tuple[int, ...] = ()) -> bool:
        try:
            wire.send(template.sock, note, fds=fds)
        except ConnectionError:
            self._lose(template)
            return False
        return True

    def _read(self, template: Template, _mask: int) -> None:
        try:
            messages = template.incoming.pull(template.sock)
        except ConnectionError:
            messages = None
        if messages is None:
            self._lose(template)
            return
        for message in messages:
            match message.note:
                case ("importing",):
                    template.stoppable = True
                    if self._paused:
                        template.process.send_signal(signal.SIGSTOP)
                case ("imported", _names, unfit, seconds, modules):
                    self._imported(template, unfit, seconds, modules)
                case _:
                    self._hear(message)

    def _lose(self, template: Template) -> None:
        """A template has ended by itself. Its workers live on; only how they end is not known any more."""
        if template.lost:
            return
        if template is self._next:
            self._reject(template, dict.fromkeys(template.names, "it ends its process"))
            return
        template.lost = True
        self._unwatch(template)
        if template.shared is not None:
            self._base = None
            base.lose(template.shared)
        else:
            template.process.kill()
            template.process.wait()
        if template is self.current:
            self._unfit.update(dict.fromkeys(template.names, "a template that had it ended"))
            self.current = None
        elif template in self._old:
            self._old.remove(template)
        self._lost(template)

    def _close(self, template: Template) -> None:
        """A template ends its workers, and then itself, when its socket is closed; the base only the pool's workers."""
        template.lost = True
        if template.shared is not None:
            self._selector.unregister(template.sock)
            _hang_up(template.sock)
            return
        self._unwatch(template)
        try:
            template.process.wait(END_S)
        except subprocess.TimeoutExpired:
            template.process.kill()
            template.process.wait()

    def _unwatch(self, template: Template) -> None:
        if template.sock.fileno() >= 0:
            self._selector.unregister(template.sock)
            template.sock.close()

    def end(self) -> None:
        """End all of them, and so all their workers."""
        if self._next is not None:
            self._next.process.kill()  # an import would not let it listen
        everyone = self._everyone()
        for template in everyone:
            if template.shared is None:
                self._unwatch(template)
        for template in everyone:
            self._close(template)
        while self._joined:
            base.leave(self._joined.pop())

    def abandon(self) -> None:
        """In a process forked from the pool's: close what belongs to the pool, and end nothing."""
        for template in self._everyone():
            template.sock.close()
            template.process.returncode = 0  # it is not this process's child

    def _everyone(self) -> list[Template]:
        everyone = (self._base, self.current, self._next, *self._old)
        return list(dict.fromkeys(each for each in everyone if each is not None))


def _hang_up(line: socket.socket) -> None:
    """Close a line to a template, and wait until it has ended the workers that were asked for there."""
    with line, contextlib.suppress(ConnectionError, TimeoutError):
        line.settimeout(END_S)
        line.shutdown(socket.SHUT_WR)
        while line.recv(1 << 16):
            pass
