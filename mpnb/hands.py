"""The pool's I/O thread: starts processes, moves messages, carries out what the scheduler decides. Decides nothing.

    callers ── post(...) ─► inbox ─►┌───────────┐─► template ══fork══► workers
    callers ◄─ mail, per job ───────┤ I/O thread├◄═ one socket pair each, and a pidfd that says when it has ended
                                    └───────────┘
The scheduler lives in this thread only: no KeyboardInterrupt in a caller can come between an event and its commands.
"""

from __future__ import annotations

import contextlib
import heapq
import mmap
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import weakref
from array import array
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol

from mpnb import events, interpreter, scheduler, wire
from mpnb.buffers import Readers
from mpnb.cores import usable_cores
from mpnb.errors import MpnbError, PoolBrokenError, TaskTimeoutError, WorkerDiedError
from mpnb.frames import Frame, Part
from mpnb.mailbox import Mailbox
from mpnb.templates import Template, Templates

GRACE_S: Final = 0.1  # an interrupted task that has not ended by then is killed
TICK_S: Final = 0.05
MIN_TICK_S: Final = 0.005  # how exactly the time that a task may take is measured, at best
OBITUARY_S: Final = 0.5  # how long the template may take to say how a worker ended
END_S: Final = 1.0
KEPT_PARTS: Final = 8  # a worker keeps the parts of its last two or three jobs: a cell that runs again finds them there


class Postbox(Protocol):
    """Where a job hears what happens."""

    def put(self, item: tuple[Any, ...]) -> None:
        """Take in one message; called by the I/O thread, so it must not take long."""
        ...


Mail = Mailbox[tuple[Any, ...]]
"""What a job hears: ("event", Event), ("batch", BatchFinished, Frame | None, stop), ("want", count),
("lost", iteration, WorkerDiedError), ("released",), ("failed", Exception)."""


class Lent(Postbox, Protocol):
    """A worker that is with a caller, who speaks with it on a line of their own."""

    line: socket.socket  # the worker's end

    def recall(self) -> bool:
        """Have the worker back: True once, when no call is under way. Otherwise the caller closes the job itself."""
        ...

    def bury(self) -> None:
        """Close both ends."""
        ...


@dataclass(slots=True, eq=False)
class OpenJob:
    """What the I/O thread knows of a job."""

    number: int
    parts: tuple[Part, ...]
    nets: bool
    mail: Postbox
    calls: bool = False
    files: bool = False
    begin: Callable[[], bool] | None = None  # asked before anything is sent; False: it has been cancelled
    timeout_s: float | None = None
    steady: bool = False  # its calls leave no trace in a worker, which may go on with it under another number
    loan: Lent | None = None
    lent: bool = False  # a worker has been given the line
    chunks: dict[int, tuple[int, Frame]] = field(default_factory=dict)  # number -> first iteration, items


@dataclass(slots=True, eq=False)
class _Process:
    """A worker as seen from here."""

    number: int
    sock: socket.socket
    word: memoryview
    started_at: float
    incoming: wire.Incoming
    readers: Readers = field(default_factory=Readers)
    pid: int | None = None
    pidfd: int | None = None
    popen: subprocess.Popen[bytes] | None = None
    template: Template | None = None  # that it is forked from
    outgoing: deque[wire.Outgoing] = field(default_factory=deque)
    history: list[events.Event] = field(default_factory=list)
    jobs: set[int] = field(default_factory=set)
    digests: dict[bytes, None] = field(default_factory=dict)  # parts that it has, the latest used last
    ready: bool = False
    seen: tuple[int, float] = (0, 0.0)  # the number of the call that was running when last looked at, and since when
    asked: bool = False  # its end was ordered
    killed: bool = False  # nothing it says counts any more
    last_words: str = ""


class Hands:
    """One per pool and process; other threads call `post`, `pids` and `stop`, and read `ready` and `failure`.

    Parameters
    ----------
    workers
        How many workers to keep.
    tasks_each
        After so many pieces of work a worker is replaced, where that is said.
    initial
        Parts of a job whose function every worker calls before it takes work.
    """

    def __init__(self, workers: int, tasks_each: int | None = None, initial: tuple[Part, ...] | None = None) -> None:
        self.owner = os.getpid()
        self.workers = workers
        self._tasks_each = tasks_each
        self._initial = initial
        self.ready = 0
        self.failure: Exception | None = None
        self._scheduler = scheduler.Scheduler()
        self._inbox: deque[tuple[Any, ...]] = deque()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._lifeline_in, self._lifeline_out = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_out, selectors.EVENT_READ, self._woken)
        self._processes: dict[int, _Process] = {}
        self._jobs: dict[int, OpenJob] = {}
        self._chunks: dict[int, int] = {}  # chunk -> its job
        self._digests: Counter[bytes] = Counter()  # parts of open jobs -> of how many
        self.templates = Templates(
            self._selector, self._lifeline_in, self._hear_template, self._lose_template, self._outdate
        )
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_count = 0
        self._next_tick = 0.0
        self._tick_s = TICK_S
        self._timed: set[int] = set()  # jobs whose iterations have a limit
        self._obituary = ""  # of the worker that ended last
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="mpnb pool", daemon=True)
        _every.add(self)
        self._thread.start()

    # ------------------------------------------------------------ for other threads

    def queue(self, *item: Any) -> None:
        """As `post`, but the thread need not look before it is woken: a switch of threads for many items."""
        self._inbox.append(item)

    def post(self, *item: Any) -> None:
        """Tell the I/O thread something: an event of the scheduler, or a word with what belongs to it."""
        self._inbox.append(item)
        self.wake()

    def wake(self) -> None:
        """Make the I/O thread look into its inbox."""
        # A full socket means that the thread has been woken already; a closed one that it has ended.
        with contextlib.suppress(BlockingIOError, OSError):
            self._wake_in.send(b"x")

    def pids(self) -> list[int]:
        """Process ids of the workers that stay, in the order of their numbers."""
        staying = (each for _, each in sorted(self._processes.copy().items()) if not each.asked)
        return [each.pid for each in staying if each.pid is not None]

    def loaded(self) -> frozenset[str]:
        """Names of the modules that every worker began with, as far as that has been told."""
        each = [process.template for process in self._processes.copy().values()]
        return frozenset.intersection(*(one.modules if one else frozenset() for one in each)) if each else frozenset()

    def stop(self) -> None:
        """End all processes and the thread. Does nothing in a process that was forked from the pool's."""
        if os.getpid() != self.owner:
            return
        self.post("end")
        if threading.current_thread() is not self._thread:
            self._thread.join(END_S * 3)

    def abandon(self) -> None:
        """In a process forked from the pool's: close what belongs to the pool, and end nothing."""
        for process in self._processes.values():
            process.sock.close()
            if process.pidfd is not None:
                os.close(process.pidfd)
        self.templates.abandon()
        for job in self._jobs.values():
            if job.loan is not None:
                job.loan.bury()
        for each in self._processes.values():
            if each.popen is not None:
                each.popen.returncode = 0
        self._wake_in.close()
        self._wake_out.close()
        with contextlib.suppress(OSError):
            os.close(self._lifeline_in)
            os.close(self._lifeline_out)
        # Closing it says nothing to the parent's selector; unregistering would.
        if isinstance(self._selector, selectors.EpollSelector | selectors.PollSelector | selectors.SelectSelector):
            self._selector.close()
        self._processes.clear()

    # ------------------------------------------------------------ the thread

    def _run(self) -> None:
        try:
            self._resize()
            while not self._stopping:
                for key, mask in self._selector.select(self._timeout()):
                    # What one event led to may have closed what the next one is about.
                    now = self._selector.get_map().get(key.fd)
                    if now is not None and now.data is key.data:
                        key.data(mask)
                self._read_inbox()
                self._run_timers()
        except BaseException as error:
            # A defect of mpnb: nobody must wait for ever, and the text must not go to a terminal nobody sees.
            self.failure = MpnbError(f"the pool's I/O thread failed\n{traceback.format_exc()}")
            self.failure.__cause__ = error
        finally:
            self._end()

    def _timeout(self) -> float | None:
        now = time.perf_counter()
        deadlines = [self._timers[0][0]] if self._timers else []
        if self.templates.deadline is not None:
            deadlines.append(self.templates.deadline)
        if not self._scheduler.idle:
            if self._next_tick <= now - self._tick_s or self._next_tick > now + self._tick_s:
                self._next_tick = now + self._tick_s
            deadlines.append(self._next_tick)
        return max(0.0, min(deadlines) - now) if deadlines else None

    def _run_timers(self) -> None:
        now = time.perf_counter()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        self.templates.tick(now)
        if now >= self._next_tick and not self._scheduler.idle:
            self._next_tick = now + self._tick_s
            for process in list(self._processes.values()):
                if self._timed:
                    self._look_for_overrun(process, now)
                if process.popen is not None and process.pidfd is None:
                    self._poll(process)
            self._handle(events.Ticked(at=now))

    def _look_for_overrun(self, process: _Process, now: float) -> None:
        """Measure how long a worker has been running its present call; who ran too long is told of."""
        running, number = process.word[0], process.word[1]
        if not running or process.killed:
            return
        if process.seen[0] != number:
            process.seen = (number, now)
            return
        limit = self._scheduler.limit_of(process.number)
        if limit is None or now - process.seen[1] < limit or self._receive(process):
            return
        # What it has sent in the meantime has been heard, and counts.
        if process.word[1] == number and process.word[0] == running and not process.killed:
            overran = scheduler.IterationOverran(at=now, worker=process.number, iteration=running - 1)
            self._handle(overran)

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self._timer_count += 1
        heapq.heappush(self._timers, (time.perf_counter() + seconds, self._timer_count, call))

    def _woken(self, _mask: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_out.recv(4096)

    def _read_inbox(self) -> None:
        while self._inbox:
            match self._inbox.popleft():
                case ("open", OpenJob() as job, scheduler.JobOpened() as event):
                    if job.loan is None:
                        self.templates.pause(on=True)
                    self._jobs[job.number] = job
                    self._digests.update(part.digest for part in job.parts)
                    if job.timeout_s is not None:
                        self._timed.add(job.number)
                        self._tick_s = min(self._tick_s, max(MIN_TICK_S, job.timeout_s / 8))
                    for process in self._processes.values() if not job.calls else ():
                        for past in process.history if not process.asked else ():
                            job.mail.put(("event", past))
                    self._handle(event)
                case ("chunk", int(number), Frame() as frame, scheduler.ChunkQueued() as event, *start):
                    if number in self._jobs:  # where only the later part is to be done, `start` is what it begins with
                        self._jobs[number].chunks[event.chunk] = (*start, event.first)[0], frame
                        self._chunks[event.chunk] = number
                        self._handle(event)
                case (scheduler.JobResized() as event,):
                    self._handle(event)
                    if event.job in self._jobs:  # told from here, so that it is in order with what is sent
                        told = events.JobResized(at=event.at, workers=event.workers)
                        self._jobs[event.job].mail.put(("event", told))
                case (scheduler.JobClosed() as event,):
                    self._handle(event)
                    if event.job in self._jobs:
                        self._later(GRACE_S, partial(self._grace_passed, event.job))
                case ("resize", int(workers)):
                    self.workers = workers
                    self._resize()
                case ("import", tuple(names)):
                    self.templates.prepare(names)
                case ("end",):
                    self._stopping = True
                case (event,):
                    self._handle(event)
                case item:
                    msg = f"the I/O thread does not know {item[0]!r}"
                    raise RuntimeError(msg)

    def _resize(self) -> None:
        self._handle(scheduler.PoolResized(at=time.perf_counter(), workers=self.workers, tasks_each=self._tasks_each))

    def _grace_passed(self, job: int) -> None:
        if job in self._jobs:
            self._handle(scheduler.GracePassed(at=time.perf_counter(), job=job))

    # ------------------------------------------------------------ commands

    def _handle(self, event: events.Event) -> None:
        for command in self._scheduler.handle(event):
            self._do(command, event)
        self.ready = self._scheduler.ready

    def _do(self, command: scheduler.Command, cause: events.Event) -> None:
        match command:
            case scheduler.SendChunk():
                self._send_chunk(command)
            case scheduler.PullItems(number, count):
                self._jobs[number].mail.put(("want", count))
            case scheduler.StartWorker(number):
                self._start(number)
            case scheduler.StopWorker(number):
                process = self._processes[number]
                process.asked = True
                self._send(process, ("stop",))
            case scheduler.KillWorker(number):
                self._processes[number].asked = self._processes[number].killed = True
                self._kill(self._processes[number])
            case scheduler.InterruptWorker(number, job_number):
                self._send(self._processes[number], ("cancel", job_number))
            case scheduler.TakeBack(number, piece):
                self._send(self._processes[number], ("back", piece))
            case scheduler.FailIteration(job_number, iteration, _, known, overran):
                job = self._jobs[job_number]
                if overran:
                    text = f"it ran longer than {job.timeout_s:g} s, and its worker was ended: give it a longer timeout"
                    job.mail.put(("lost", iteration, TaskTimeoutError(text)))
                else:
                    assert isinstance(cause, events.WorkerDied)
                    job.mail.put(("lost", iteration, self._death(cause, iteration, known=known)))
            case scheduler.ReleaseChunk(job_number, chunk):
                self._chunks.pop(chunk, None)
                if job_number in self._jobs:
                    self._jobs[job_number].chunks.pop(chunk, None)
            case scheduler.ReleaseJob(job_number):
                self._release(job_number)
            case scheduler.EndLoan(job_number):
                self._recall(self._jobs[job_number])
            case scheduler.GiveUp(failed):
                assert isinstance(cause, events.WorkerDied)
                words = f"{failed} workers in a row ended before they were ready: {self._obituary}"
                self._fail_jobs(PoolBrokenError(words, exitcode=cause.exitcode))
            case _:
                msg = f"the hands do not know {command!r}"
                raise RuntimeError(msg)

    def _send_chunk(self, command: scheduler.SendChunk) -> None:
        process, job = self._processes[command.worker], self._jobs[command.job]
        if job.begin is not None and not job.begin():
            return  # its owner has cancelled it, and says so next: then the worker is told, too
        if job.number not in process.jobs:
            new = [part for part in job.parts if part.digest not in process.digests]
            digests = tuple(part.digest for part in job.parts)
            kind = (job.nets, job.calls, job.files, job.steady, job.timeout_s is not None)
            note = ("job", job.number, kind, digests, tuple(part.digest for part in new))
            self._send(process, note, tuple(part.frame for part in new))
            process.jobs.add(job.number)
            for digest in digests:
                process.digests.pop(digest, None)
                process.digests[digest] = None
        if job.loan is not None:
            if job.lent:  # that worker is gone, and may have read a call that it did not begin
                job.mail.put(("again",))
                self._recall(job)
            else:
                job.lent = True
                self._send(process, ("lend", command.piece, job.number, command.chunk), fds=(job.loan.line.fileno(),))
            return
        first, frame = job.chunks[command.chunk]
        chunk = ("chunk", command.piece, job.number, command.chunk, first, command.first, command.stop, command.again)
        self._send(process, chunk, (frame,))
        if not job.calls:
            job.mail.put(("event", events.ChunkSent(
                at=time.perf_counter(), worker=command.worker, chunk=command.chunk, first=command.first,
                count=command.stop - command.first,
            )))  # fmt: skip

    def _recall(self, job: OpenJob) -> None:
        if job.loan is not None and job.loan.recall():
            self.post(scheduler.JobClosed(at=time.perf_counter(), job=job.number))

    def _release(self, job_number: int) -> None:
        job = self._jobs.pop(job_number)
        if all(each.loan is not None for each in self._jobs.values()):
            self.templates.pause(on=False)
        self._timed.discard(job_number)
        if not self._timed:
            self._tick_s = TICK_S
        for part in job.parts:
            self._digests[part.digest] -= 1
            if not self._digests[part.digest]:
                del self._digests[part.digest]
        for process in self._processes.values():
            if job_number in process.jobs:
                process.jobs.discard(job_number)
                old = tuple(digest for digest in list(process.digests)[:-KEPT_PARTS] if digest not in self._digests)
                for digest in old:
                    del process.digests[digest]
                self._send(process, ("forget", job_number, old))
        job.mail.put(("released",))
        if job.loan is not None:
            job.loan.bury()

    def _fail_jobs(self, error: Exception) -> None:
        for job in self._jobs.values():
            job.mail.put(("failed", error))

    def _tell_jobs(self, event: events.Event) -> None:
        for job in self._jobs.values():
            if not job.calls:
                job.mail.put(("event", event))

    # ------------------------------------------------------------ messages

    def _send(
        self, process: _Process, note: wire.Note, frames: tuple[Frame, ...] = (), fds: tuple[int, ...] = ()
    ) -> None:
        process.outgoing.append(wire.Outgoing(wire.Message(note, frames, fds), process.readers))
        if len(process.outgoing) == 1:
            self._flush(process)

    def _flush(self, process: _Process) -> None:
        try:
            while process.outgoing:
                process.outgoing[0].push(process.sock, socket.MSG_DONTWAIT)
                process.outgoing.popleft()
        except BlockingIOError:
            pass
        except ConnectionError:
            process.outgoing.clear()  # it has ended; its pidfd or the template will say so
        self._watch(process)

    def _watch(self, process: _Process) -> None:
        mask = selectors.EVENT_READ | (selectors.EVENT_WRITE if process.outgoing else 0)
        key = self._selector.get_map().get(process.sock.fileno())
        if key is not None and key.events != mask:
            self._selector.modify(process.sock, mask, key.data)

    def _unwatch(self, fd: int) -> None:
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def _serve(self, process: _Process, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self._flush(process)
        if mask & selectors.EVENT_READ and self._receive(process):
            # Its end of the socket is closed. Until its exit is reported, there is nothing to wait for here.
            self._unwatch(process.sock.fileno())
            if process.pidfd is None:
                self._poll(process)

    def _receive(self, process: _Process) -> bool:
        """Take in what a worker has sent; True at the end of the stream."""
        try:
            messages = process.incoming.pull(process.sock)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        for message in messages or ():
            if not process.killed:
                self._hear(process, message)
        return messages is None

    def _hear(self, process: _Process, message: wire.Message) -> None:
        now = time.perf_counter()
        match message.note:
            case ("batch", chunk, first, count, times, decode_s, check_s, encode_s, _at, done, stop):
                frame = message.frames[0] if message.frames else None
                event = events.BatchFinished(
                    at=now, worker=process.number, chunk=chunk, first=first, count=count,
                    times=tuple(array("d", times)), decode_s=decode_s, check_s=check_s, encode_s=encode_s,
                    nbytes=_nbytes(frame), chunk_done=done,
                )  # fmt: skip
                job = self._jobs.get(self._chunks.get(chunk, -1))
                if job is not None:
                    job.mail.put(("batch", event, frame, stop))
                self._handle(event)
            case ("reply", job_number):
                if job_number in self._jobs:
                    self._jobs[job_number].mail.put(("reply", message.frames[0]))
            case ("ready", pid):
                self._born(process, pid)
                if self._initial is None:
                    self._ready(process)
                else:
                    digests = tuple(part.digest for part in self._initial)
                    process.digests = dict.fromkeys(digests)
                    self._send(process, ("init", digests), tuple(part.frame for part in self._initial))
            case ("initialized",):
                self._ready(process)
            case ("returned", piece, first, stop, whole):
                number = process.number
                self._handle(
                    scheduler.ChunkReturned(at=now, worker=number, piece=piece, first=first, stop=stop, whole=whole)
                )
            case ("cancelled", job_number):
                self._handle(scheduler.CancelDone(at=now, worker=process.number, job=job_number))
            case ("spoiled",):
                self._handle(scheduler.WorkerSpoiled(at=now, worker=process.number))
                process.killed = True
            case ("broken", words):
                process.last_words = words
            case note:
                msg = f"worker {process.number} said {note[0]!r}"
                raise RuntimeError(msg)

    def _ready(self, process: _Process) -> None:
        process.ready = True
        ready = events.WorkerReady(at=time.perf_counter(), worker=process.number)
        process.history.append(ready)
        self._handle(ready)
        self._tell_jobs(ready)

    # ------------------------------------------------------------ starting

    def _start(self, number: int) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        word_fd = _anonymous_page()
        word = memoryview(mmap.mmap(word_fd, mmap.PAGESIZE)).cast("q")
        process = self._processes[number] = _Process(number, ours, word, time.perf_counter(), wire.Incoming(word))
        self._selector.register(ours, selectors.EVENT_READ, lambda mask: self._serve(process, mask))
        try:
            if not hasattr(os, "fork") or not self._ask_template(process, theirs.fileno(), word_fd):
                self._start_fresh(process, theirs.fileno(), word_fd)
        finally:
            theirs.close()
            os.close(word_fd)

    def _threads(self) -> int:
        return max(1, usable_cores() // max(1, self.workers))

    def _ask_template(self, process: _Process, sock_fd: int, word_fd: int) -> bool:
        process.template = self.templates.fork(process.number, self._threads(), (sock_fd, word_fd))
        return process.template is not None

    def _lose_template(self, template: Template) -> None:
        for process in list(self._processes.values()):
            if process.pid is None and process.template is template:  # it was never forked
                self._ended(process, None, None)

    def _outdate(self) -> None:
        """Workers begin with more imported from now on: those that are there are replaced when there is time."""
        current = self.templates.current
        old = tuple(each.number for each in self._processes.values() if each.template is not current and not each.asked)
        self._handle(scheduler.WorkersOutdated(at=time.perf_counter(), workers=old))

    def _hear_template(self, message: wire.Message) -> None:
        match message.note:
            case ("forked", number, pid):
                if number in self._processes:
                    self._born(self._processes[number], pid)
            case ("refused", number):
                self._restart_fresh(self._processes[number])
            case ("exited", number, pid, exitcode, peak):
                process = self._processes.get(number)
                if process is not None and process.pid == pid:
                    self._ended(process, exitcode, peak)
            case note:
                msg = f"the template said {note[0]!r}"
                raise RuntimeError(msg)

    def _restart_fresh(self, process: _Process) -> None:
        """The template can't fork: give the worker's number to a fresh interpreter."""
        self._unwatch(process.sock.fileno())
        process.sock.close()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        process.sock = ours
        self._selector.register(ours, selectors.EVENT_READ, lambda mask: self._serve(process, mask))
        word_fd = _anonymous_page()
        process.word = memoryview(mmap.mmap(word_fd, mmap.PAGESIZE)).cast("q")
        process.incoming = wire.Incoming(process.word)
        self._start_fresh(process, theirs.fileno(), word_fd)
        theirs.close()
        os.close(word_fd)

    def _start_fresh(self, process: _Process, sock_fd: int, word_fd: int) -> None:
        process.template = None
        process.popen = interpreter.start("worker", sock_fd, word_fd, self._lifeline_in, values=(self._threads(),))
        self._born(process, process.popen.pid)

    def _born(self, process: _Process, pid: int) -> None:
        if process.pid is not None:  # the worker and the template both say so, in any order
            return
        process.pid = pid
        if hasattr(os, "pidfd_open"):
            try:
                process.pidfd = os.pidfd_open(pid)
            except ProcessLookupError:
                pass  # it has ended, and the template is about to say so
            except OSError:
                pass  # a kernel or sandbox without pidfds: the socket and the template say when it ends
            else:
                self._selector.register(process.pidfd, selectors.EVENT_READ, lambda _: self._gone(process))
        started = events.WorkerStarted(at=process.started_at, worker=process.number, pid=pid)
        process.history.insert(0, started)
        self._tell_jobs(started)
        if process.killed:
            self._kill(process)

    # ------------------------------------------------------------ ending

    def _kill(self, process: _Process) -> None:
        if process.pid is None:
            return  # it is killed when its number is known
        with contextlib.suppress(ProcessLookupError):
            if process.pidfd is not None:
                signal.pidfd_send_signal(process.pidfd, signal.SIGKILL)
            else:
                os.kill(process.pid, signal.SIGKILL)

    def _gone(self, process: _Process) -> None:
        """The pidfd says that a worker has ended; its exit code comes from its parent."""
        assert process.pidfd is not None
        self._unwatch(process.pidfd)
        if process.popen is not None:
            self._poll(process)
        elif process.template is None or process.template.lost:
            self._ended(process, None, None)
        else:
            self._later(OBITUARY_S, lambda: self._ended(process, None, None))

    def _poll(self, process: _Process) -> None:
        """Ask after a worker that is a child of this process."""
        if process.popen is None:
            return
        try:
            pid, status, usage = os.wait4(process.popen.pid, os.WNOHANG)
        except ChildProcessError:  # somebody else in the notebook waited for it
            process.popen.returncode = 0
            self._ended(process, None, None)
            return
        if pid:
            process.popen.returncode = os.waitstatus_to_exitcode(status)
            peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            self._ended(process, process.popen.returncode, peak)

    def _ended(self, process: _Process, exitcode: int | None, peak: int | None) -> None:
        """A worker's process is no more: hear what it still said, then bury it."""
        if self._processes.get(process.number) is not process:
            return
        while not process.killed and _readable(process.sock) and not self._receive(process):
            pass
        self._unwatch(process.sock.fileno())
        process.sock.close()
        process.incoming.close()
        if process.pidfd is not None:
            self._unwatch(process.pidfd)
            os.close(process.pidfd)
        del self._processes[process.number]
        running = process.word[0]
        known = running and not process.word[2] and not process.killed
        iteration = running - 1 if known else None
        self._obituary = _how(process, exitcode, peak)
        died = events.WorkerDied(
            at=time.perf_counter(), worker=process.number, exitcode=exitcode, iteration=iteration, peak_bytes=peak
        )
        if not process.asked:
            self._tell_jobs(died)
            if not process.ready and process.template is not None:
                self.templates.distrust(process.template)
        self._handle(died)
        self.templates.retire(each.template for each in self._processes.values())

    def _death(self, died: events.WorkerDied, iteration: int, *, known: bool) -> WorkerDiedError:
        # Burying the worker is what led here, so its obituary is the last one written.
        which = f"iteration {iteration + 1}" if known else f"iteration {iteration + 1} or one soon after it"
        return WorkerDiedError(
            f"{self._obituary} while it ran {which}",
            iteration=iteration, exitcode=died.exitcode, peak_bytes=died.peak_bytes,
        )  # fmt: skip

    def _end(self) -> None:
        """Close everything; every process of the pool is gone when this returns."""
        _every.discard(self)  # or a forked process would close descriptors that are somebody else's by then
        self._stopping = True
        self._fail_jobs(self.failure or MpnbError("the pool was shut down"))
        for job in self._jobs.values():
            job.mail.put(("released",))
            if job.loan is not None and job.loan.recall():
                job.loan.bury()
        for process in self._processes.values():
            if process.popen is not None:
                process.popen.kill()
                process.popen.wait()
            process.sock.close()
            process.incoming.close()
            if process.pidfd is not None:
                self._kill(process)  # all at once, and whether or not the template listens
                os.close(process.pidfd)
        self.templates.end()
        os.close(self._lifeline_in)
        os.close(self._lifeline_out)
        self._selector.close()
        self._wake_out.close()
        self._wake_in.close()
        self._processes.clear()
        self.ready = 0


def _nbytes(frame: Frame | None) -> int:
    return 0 if frame is None else len(frame.head) + sum(block.nbytes for block in frame.blocks)


def _readable(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _how(process: _Process, exitcode: int | None, peak: int | None) -> str:
    """How a worker ended, in a clause: `worker 1 (process 4711) was killed by SIGKILL, peak memory 1.2 GB,`."""
    if exitcode is None:
        end = "ended"
    elif exitcode < 0:
        end = f"was killed by {_signal_name(-exitcode)}"
    else:
        end = f"ended with exit code {exitcode}"
    memory = "" if peak is None else f" (peak memory {peak / 1e6:,.0f} MB)"
    words = f": {process.last_words.strip()}" if process.last_words else ""
    return f"worker {process.number} (process {process.pid}) {end}{memory}{words}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _anonymous_page() -> int:
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("mpnb", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:  # it has no name, and is gone with its last descriptor
            fd = os.dup(file.fileno())
    os.ftruncate(fd, mmap.PAGESIZE)
    return fd


_every: weakref.WeakSet[Hands] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for hands in list(_every):
        hands.abandon()
    _every.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
