"""In a process of a cluster or executor: a few local workers, and requests handed on to them. Decides nothing.

The host's process is somebody else's, so nothing of the user's runs in it: the notebook's names, its prints, a crash or
an interrupt are in workers of this machine, which are the same as in the notebook's own pool. They end when nothing was
asked of them for a while, and with the host.
"""

from __future__ import annotations

import itertools
import os
import platform
import threading
import time
from collections import OrderedDict, deque
from dataclasses import replace
from typing import Any, Final

from mpnb import scheduler
from mpnb.adapters.letters import VERSION, Content, Held, HostNote, Reply, Request, frame_of, machine
from mpnb.cores import usable_cores
from mpnb.events import BatchFinished, Event
from mpnb.frames import Frame, Part
from mpnb.hands import Hands, OpenJob

IDLE_S: Final = 60.0  # without a request, after which the workers end
START_S: Final = 30.0  # in which they have to be ready
GONE_S: float = 30.0  # without a word from a kernel that else asks after its job, which is then ended
KEPT_JOBS: Final = 2  # that stay open, though nothing is asked of them: the next request may be one of theirs
KEPT_PARTS: Final = 16
KEPT_WORDS: Final = 1000  # about jobs that are closed, and requests that are not wanted any more

_numbers = itertools.count()


class _Waiting:
    """A request under way."""

    def __init__(self, request: Request, chunk: int) -> None:
        self.chunk = chunk
        self.first, self.stop = request.first, request.stop
        self.left = request.stop - request.first
        self.reply = Reply(request.number)
        self.over = threading.Event()

    def take(self, event: BatchFinished, frame: Frame | None, stop: tuple[str, int, str] | None) -> None:
        head, blocks = (b"", ()) if frame is None else (frame.head, frame.blocks)
        # Copied now: the worker fills a block again when nobody here has it, and a library may send views of it later.
        contents = tuple(Content(Held(memoryview(bytes(block.view())))) for block in blocks)
        self.reply.batches.append((event, head, contents, stop))
        self.left -= event.count
        if self.left <= 0 or stop is not None:
            self.over.set()

    def drop(self, have: int) -> None:
        del self.reply.batches[: have - self.reply.before]
        self.reply.before = have

    def lose(self, index: int, error: Exception) -> None:
        self.reply.lost.append((index, error))
        self.left -= 1
        if self.left <= 0:
            self.over.set()

    def end(self, kind: str, words: str = "") -> None:
        if not self.over.is_set():
            self.reply.kind, self.reply.words = kind, words
            self.over.set()


class _Desk:
    """One job at this host: hears of it from the I/O thread, and tells the requests that wait."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._lock = threading.Lock()
        self._waiting: dict[int, _Waiting] = {}  # by chunk
        self._watched = False
        self._heard_at = time.monotonic()
        self._told: list[Event] = []
        self._over: tuple[str, str] | None = None
        self.cut: int | None = None  # an iteration ended the job here: the scheduler drops what comes after it

    @property
    def is_idle(self) -> bool:
        return not self._waiting

    @property
    def is_left(self) -> bool:
        """Whether its kernel is gone, as it seems."""
        return bool(self._waiting) and self._watched and time.monotonic() - self._heard_at > GONE_S

    def expect(self, request: Request) -> _Waiting:
        waiting = _Waiting(request, next(_numbers))
        with self._lock:
            self._watched, self._heard_at = request.watched, time.monotonic()
            self._waiting[waiting.chunk] = waiting
            if self._over is not None:
                waiting.end(*self._over)
            elif self.cut is not None and waiting.first > self.cut:
                waiting.end("dropped")
        return waiting

    def so_far(self, number: int, have: int) -> Reply | None:
        """What has come of a request; the caller has the first `have` batches. None where it is over, or not begun."""
        with self._lock:
            self._heard_at = time.monotonic()
            waiting = next((each for each in self._waiting.values() if each.reply.number == number), None)
            if waiting is None or waiting.over.is_set():
                return None
            waiting.drop(have)
            told, self._told = self._told, []
            return replace(waiting.reply, kind="partly", batches=list(waiting.reply.batches), lost=[], told=told)

    def leave(self, waiting: _Waiting) -> None:
        """Its request is answered, with all that is to be told of the workers."""
        with self._lock:
            del self._waiting[waiting.chunk]
            waiting.reply.told, self._told = self._told, []

    def put(self, item: tuple[Any, ...]) -> None:
        with self._lock:
            match item:
                case ("batch", event, frame, stop) if event.chunk in self._waiting:
                    self._waiting[event.chunk].take(event, frame, stop)
                    if stop is not None:
                        self.cut = stop[1] if self.cut is None else min(self.cut, stop[1])
                        for each in self._waiting.values():
                            if each.first > self.cut:
                                each.end("dropped")
                case ("lost", int(index), Exception() as error):
                    for each in self._waiting.values():
                        if each.first <= index < each.stop:
                            each.lose(index, error)
                case ("event", event):
                    self._told.append(event)
                case ("failed", error):
                    self._end("failed", str(error))
                case ("released",):
                    self._end("closed", "")

    def _end(self, kind: str, words: str) -> None:
        self._over = self._over or (kind, words)
        for each in self._waiting.values():
            each.end(kind, words)


class Host:
    """One per process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._hands: Hands | None = None
        self._desks: OrderedDict[tuple[str, int], _Desk] = OrderedDict()
        self._parts: OrderedDict[tuple[str, bytes], Part] = OrderedDict()
        self._closed: deque[tuple[str, int]] = deque(maxlen=KEPT_WORDS)
        self._unwanted: deque[tuple[str, int]] = deque(maxlen=KEPT_WORDS)
        self._begun: deque[tuple[str, int]] = deque(maxlen=KEPT_WORDS)
        self._busy = 0
        self._asked_at = 0.0
        self._machine = machine()

    # ------------------------------------------------------------ asked from outside, in any thread

    def greet(self, workers: int, version: tuple[Any, ...]) -> HostNote:
        """Start the workers, and say who this is."""
        with self._lock:
            hands = self._start(workers)
            self._asked_at = time.monotonic()
        if version != VERSION:
            msg = f"it has Python and mpnb {_dotted(VERSION)}, the notebook {_dotted(version)}: they must be the same"
            raise RuntimeError(msg)
        end = time.monotonic() + START_S
        while hands.ready < workers and hands.failure is None and time.monotonic() < end:
            time.sleep(0.005)
        return self._note()

    def serve(self, request: Request, contents: tuple[Content, ...]) -> Reply:
        """Have the iterations done, and wait for them."""
        if request.version != VERSION:
            return Reply(request.number, "failed", words="it has another version of Python or mpnb", host=self._note())
        key = (request.job.owner, request.number)
        with self._lock:
            if key in self._unwanted:
                return Reply(request.number, "returned", host=self._note())
            if request.job.key in self._closed:
                return Reply(request.number, "closed", host=self._note())
            missing = self._take_parts(request, contents[request.blocks :])
            if missing:
                return Reply(request.number, "missing", missing=missing, host=self._note())
            self._begun.append(key)
            self._busy += 1
            hands = self._start(request.workers)
            desk = self._open(request, hands)
            waiting = desk.expect(request)
            frame = frame_of(request.head, contents[: request.blocks])
            queued = scheduler.ChunkQueued(
                at=time.perf_counter(), job=desk.number, chunk=waiting.chunk, first=request.first,
                count=request.stop - request.first, nbytes=frame.nbytes,
            )  # fmt: skip
            hands.post("chunk", desk.number, frame, queued, request.start)
        waiting.over.wait()
        desk.leave(waiting)
        with self._lock:
            self._busy -= 1
            self._asked_at = time.monotonic()
        waiting.reply.host = self._note()
        return waiting.reply

    def so_far(self, key: tuple[str, int], number: int, have: int) -> Reply | None:
        """What has come of a request that is under way; see `_Desk.so_far`."""
        with self._lock:
            desk = self._desks.get(key)
        reply = None if desk is None else desk.so_far(number, have)
        if reply is not None:
            reply.host = self._note()
        return reply

    def give_back(self, owner: str, number: int) -> bool:
        """Whether a request has not been begun; then it never will be."""
        with self._lock:
            if (owner, number) in self._begun:
                return False
            self._unwanted.append((owner, number))
            return True

    def close_job(self, key: tuple[str, int]) -> None:
        """Nothing more is wanted of this job: what runs is interrupted."""
        with self._lock:
            self._closed.append(key)
            desk = self._desks.pop(key, None)
            if desk is not None and self._hands is not None:
                self._hands.post(scheduler.JobClosed(at=time.perf_counter(), job=desk.number))

    def end(self) -> None:
        """End the workers."""
        with self._lock:
            hands, self._hands = self._hands, None
            self._desks.clear()
            self._parts.clear()
        if hands is not None:
            hands.stop()

    # ------------------------------------------------------------ with the lock held

    def _start(self, workers: int) -> Hands:
        hands = self._hands
        if hands is None or hands.failure is not None or hands.owner != os.getpid():
            self._desks.clear()
            hands = self._hands = Hands(workers)
            threading.Thread(target=self._watch, args=(hands,), name="mpnb host", daemon=True).start()
        elif hands.workers < workers:
            hands.post("resize", workers)
        return hands

    def _watch(self, hands: Hands) -> None:
        while True:
            time.sleep(1.0)
            with self._lock:
                if self._hands is not hands:
                    return
                for key in [key for key, desk in self._desks.items() if desk.is_left]:
                    hands.post(scheduler.JobClosed(at=time.perf_counter(), job=self._desks.pop(key).number))
                if not self._busy and time.monotonic() - self._asked_at > IDLE_S:
                    break
        self.end()

    def _take_parts(self, request: Request, contents: tuple[Content, ...]) -> tuple[bytes, ...]:
        """Keep the parts that came along; the digests of those that are needed and not here."""
        owner, rest = request.job.owner, list(contents)
        for digest, head, blocks in request.parts:
            mine, rest = tuple(rest[:blocks]), rest[blocks:]
            if (owner, digest) not in self._parts:
                self._parts[owner, digest] = Part(digest, frame_of(head, mine))
        missing = tuple(digest for digest in request.job.digests if (owner, digest) not in self._parts)
        for digest in request.job.digests if not missing else ():
            self._parts.move_to_end((owner, digest))
        while len(self._parts) > max(KEPT_PARTS, len(request.job.digests)):
            self._parts.popitem(last=False)
        return missing

    def _open(self, request: Request, hands: Hands) -> _Desk:
        job = request.job
        desk = self._desks.get(job.key)
        if desk is not None and desk.cut is not None and request.first <= desk.cut:
            # The answer that told of the end did not arrive.
            hands.post(scheduler.JobClosed(at=time.perf_counter(), job=self._desks.pop(job.key).number))
            desk = None
        if desk is None:
            for key in [key for key, each in self._desks.items() if each.is_idle][: -KEPT_JOBS or None]:
                idle = self._desks.pop(key)
                hands.post(scheduler.JobClosed(at=time.perf_counter(), job=idle.number))
            desk = self._desks[job.key] = _Desk(next(_numbers))
            parts = tuple(_owned(self._parts[job.owner, digest], job.owner) for digest in job.digests)
            opened = OpenJob(desk.number, parts, job.nets, desk, files=job.files, timeout_s=job.timeout_s)
            event = scheduler.JobOpened(
                at=time.perf_counter(), job=desk.number, expected_s=job.each_s, timeout_s=job.timeout_s,
                retries=job.retries,
            )  # fmt: skip
            hands.post("open", opened, event)
        self._desks.move_to_end(job.key)
        return desk

    def _note(self) -> HostNote:
        workers = self._hands.workers if self._hands is not None else 1
        threads = max(1, usable_cores() // max(1, workers))
        return HostNote(platform.node(), os.getpid(), self._machine, time.perf_counter(), threads)


def _owned(part: Part, owner: str) -> Part:
    """A part under a digest of its owner's: two notebooks number their blocks alike, and a worker serves both."""
    return replace(part, digest=owner.encode() + part.digest)


def _dotted(version: tuple[Any, ...]) -> str:
    return f"{version[0]}.{version[1]} and {version[2]}"


_host = Host()


def greet(workers: int, version: tuple[Any, ...]) -> HostNote:
    """Called in the host's process: start its workers, and say who this is."""
    return _host.greet(workers, version)


def serve(request: Request, *contents: Content) -> Reply:
    """Called in the host's process: do some iterations."""
    return _host.serve(request, contents)


def give_back(owner: str, number: int) -> bool:
    """Called in the host's process: whether a request has not been begun; then it never will be."""
    return _host.give_back(owner, number)


def so_far(owner: str, job: int, number: int, have: int) -> Reply | None:
    """Called in the host's process: what has come of a request that is under way."""
    return _host.so_far((owner, job), number, have)


def close_job(owner: str, number: int) -> None:
    """Called in the host's process: a job is over, or cancelled."""
    _host.close_job((owner, number))


def end() -> None:
    """Called in the host's process: end its workers."""
    _host.end()
