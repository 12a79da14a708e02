"""Processes that run functions of the notebook: how each start method starts one, and what it does from then on."""

from __future__ import annotations

import atexit
import builtins
import contextlib
import functools
import os
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, NoReturn

from multiprocess import context, heap, managers, process, util

from mpnb import parcels, worker
from mpnb.errors import CodecError
from mpnb.frames import Part
from mpnb.sharing import children, endings
from mpnb.sharing.children import Child, Flow, Sink
from mpnb.sharing.messages import every_queue

_HIDDEN: Final = (__file__, process.__file__)  # files whose lines are left out where a traceback begins


class Inherited:
    """A descriptor that comes with a process's start, by its number."""

    fds: ClassVar[Sequence[int]] = ()

    def __init__(self, number: int) -> None:
        self._number = number

    def detach(self) -> int:
        """Give it."""
        return Inherited.fds[self._number]


class Popen:
    """A process that was started from the template; see `multiprocessing.popen_fork.Popen`."""

    method = "forkserver"
    DupFd = Inherited

    def __init__(self, started: process.BaseProcess) -> None:
        util._flush_std_streams()  # as multiprocess does
        self._fds: list[int] = []
        self._kept: list[Any] = []
        self._child = self._launch(started)
        self.pid = self._child.pid
        self.sentinel = self._child.sentinel

    def duplicate_for_child(self, fd: int) -> int:
        """Have a descriptor come along."""
        self._fds.append(fd)
        return len(self._fds) - 1

    def keep(self, memory: heap.BufferWrapper) -> None:
        """Hold what the process uses, until it has ended."""
        self._kept.append(memory)

    def _launch(self, started: process.BaseProcess) -> Child:
        before = context.get_spawning_popen()
        context.set_spawning_popen(self)
        try:
            start = parcels.Start(started, paths_of(started))
        finally:
            context.set_spawning_popen(before)
        arguments = (*started._args, *started._kwargs.values())  # see paths_of
        # A manager forgets an object at once when nobody has it, and the process is not there yet.
        self._kept += [each for each in arguments if isinstance(each, managers.BaseProxy)]
        flows, ends = streams(started.name)
        ours, theirs = socket.socketpair()
        on_end = _on_end(started)
        try:
            child = self._begin(start, flows, (theirs.fileno(), *ends), on_end)
            theirs.close()
            about = {"name": started.name, "cleans_up": on_end is not None}
            children.begin(ours, about, start.parts, self._fds)
        finally:
            theirs.close()
            ours.close()
            for fd in ends:
                os.close(fd)
        return child

    def _begin(
        self, start: parcels.Start, flows: Sequence[Flow], fds: Sequence[int], on_end: Callable[[], None] | None
    ) -> Child:
        mine = children.children()
        mine.warm_up(start.library_modules)
        return mine.fork(flows, fds, on_end)

    @property
    def returncode(self) -> int | None:
        """How it ended, None while it has not."""
        return self._child.returncode

    def poll(self, _flag: int = os.WNOHANG) -> int | None:
        """How it ended, None while it has not."""
        if self._child.returncode is not None:
            self._kept.clear()
        return self._child.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for its end; how that was, None where the time was not enough."""
        self._child.ended.wait(timeout)
        return self.poll()

    def _send_signal(self, number: int) -> None:
        if self._child.returncode is None and self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def interrupt(self) -> None:
        """Send it SIGINT."""
        self._send_signal(signal.SIGINT)

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self._send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send it SIGKILL."""
        self._send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Close the sentinel."""
        self._child.close()

    def __del__(self) -> None:
        child = getattr(self, "_child", None)
        if child is not None:
            child.close()


class SpawnPopen(Popen):
    """A process in a fresh interpreter."""

    method = "spawn"

    def _begin(
        self, _start: parcels.Start, flows: Sequence[Flow], fds: Sequence[int], on_end: Callable[[], None] | None
    ) -> Child:
        return children.children().spawn(flows, fds, on_end)


class ForkPopen(Popen):
    """A copy of the notebook's own process."""

    method = "fork"

    def _launch(self, started: process.BaseProcess) -> Child:
        parcels.know_classes()
        self._kept.append(vars(started).copy())  # shared memory among it must not be used for something else
        mine = children.children()
        flows, ends = streams(started.name)
        code = endings.FAILED
        pid = os.fork()
        if pid == 0:
            try:
                for flow in flows:
                    os.close(flow.fd)
                code = self._live(started, ends)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        for fd in ends:
            os.close(fd)
        return mine.adopt(pid, flows, _on_end(started))

    def _live(self, started: process.BaseProcess, ends: tuple[int, int]) -> int:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        endings.wear(*ends)
        builtins.input = _no_input  # the notebook's would ask through a connection that is not this process's
        parcels.leave_home()
        lifeline = children.parents_lifeline()
        assert lifeline is not None
        folder = getattr(started, "cleans_up", None)
        worker.watch_lifeline(os.dup(lifeline), signal.SIGKILL if folder is None else signal.SIGTERM)
        return _lived(started, lifeline)


def _on_end(started: process.BaseProcess) -> Callable[[], None] | None:
    """What is to be done when it has ended: remove its folder, if it has one."""
    folder = getattr(started, "cleans_up", None)
    return None if folder is None else functools.partial(shutil.rmtree, folder, ignore_errors=True)


def _no_input(_prompt: object = "") -> NoReturn:
    raise EOFError("a process has no stdin: ask in the notebook, and give it the answer")


def streams(name: str) -> tuple[tuple[Flow, Flow], tuple[int, int]]:
    """Two pipes for what a process prints to the cell that runs now: the ends to read and those to write."""
    sinks = Sink("stdout"), Sink("stderr")
    (out_r, out_w), (err_r, err_w) = os.pipe(), os.pipe()
    children.children().in_notebook |= sinks[0].is_kernels
    return (Flow(out_r, sinks[0], name), Flow(err_r, sinks[1], name)), (out_w, err_w)


def paths_of(started: process.BaseProcess) -> dict[str, Any]:
    """What a user calls the parts of a process."""
    own = {key: value for key, value in vars(started).items() if key not in _MULTIPROCESS}
    parts = {
        "target": started._target,
        "args": started._args,
        "kwargs": started._kwargs,
    }  # it has no other names for them
    return parts | {f"self.{key}": value for key, value in own.items()}


_MULTIPROCESS: Final = frozenset(vars(process.BaseProcess()))


class NotebookProcess(process.BaseProcess):
    """The part of a process that all start methods share."""

    _start_method = None
    run: Any

    def _bootstrap(self, parent_sentinel: int | None = None) -> Any:
        self.run = functools.partial(_run, self, self.run)
        return super()._bootstrap(parent_sentinel)


class TemplateProcess(NotebookProcess):
    """A process that is forked from the template."""

    _Popen = staticmethod(Popen)


class SpawnProcess(NotebookProcess):
    """A process in a fresh interpreter."""

    _Popen = staticmethod(SpawnPopen)


class ForkProcess(NotebookProcess):
    """A copy of the notebook's own process."""

    _Popen = staticmethod(ForkPopen)


def _run(started: process.BaseProcess, run: Callable[[], object]) -> None:
    """Run it, and say what ends it early: an interrupt in a line, all else as a traceback that begins in its code."""
    try:
        run()
    except SystemExit:
        raise
    except BaseException as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename in _HIDDEN:
            trace = trace.tb_next
        if isinstance(error, KeyboardInterrupt):
            frames = traceback.extract_tb(trace)
            place = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
            text = f"Process {started.name} was interrupted{place}\n"
        else:
            text = f"Process {started.name}:\n" + "".join(traceback.format_exception(type(error), error, trace))
        sys.stderr.write(text)
        raise SystemExit(endings.FAILED) from None


def live(about: dict[str, Any], parts: tuple[Part, ...], fds: tuple[int, ...]) -> int:
    """Be the process that was started: its exit code."""
    Inherited.fds = fds
    parent: Any = process.current_process()
    parent._inheriting = True  # a manager is told of its objects' new users when all of them are here
    try:
        started = parcels.begin(parts)
    except CodecError as error:
        sys.stderr.write(f"Process {about['name']} did not begin: {error}\n")
        return endings.FAILED
    finally:
        del parent._inheriting
    return _lived(started, about["parent_sentinel"])


def _lived(started: process.BaseProcess, parent_sentinel: int) -> int:
    """Have a process do what it is for, up to its end: its exit code."""
    atexit._clear()  # what the process that this one was forked from is to do
    atexit.register(util._exit_function)  # from Python 3.13 on, nobody else waits for what is still in queues
    try:
        return int(started._bootstrap(parent_sentinel=parent_sentinel))
    finally:
        atexit._run_exitfuncs()


def _end_with_notebook() -> None:
    """End all processes with the notebook's; elsewhere Python's end waits for those that are not daemons."""
    if children.in_notebook():
        for each in process.active_children():
            (each.kill if getattr(each, "cleans_up", None) is None else each.terminate)()
        for queue in every_queue:
            queue.cancel_join_thread()


atexit.register(_end_with_notebook)  # after multiprocess's own, so it is called before that waits
