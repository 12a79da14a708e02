"""Inside a worker process: receive, decode, call, check, encode, send. Decides nothing about who does what.

Two threads share the work. The main thread runs the tasks: only there can Python be interrupted. The reader thread
receives; so the worker sees at once that its kernel is gone or that a job is cancelled, whatever its task is doing.

    kernel → worker   init, job, forget, chunk, lend, back, cancel, stop
    worker → kernel   ready, initialized, batch, reply, returned, cancelled, spoiled, broken

A worker that is lent takes calls from a line of its own, which its main thread reads itself: no switch of threads is
between a call and its answer.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import io
import mmap
import os
import reprlib
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from array import array
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final, NoReturn

from mpnb import blas, drafts, plain, surroundings, wire
from mpnb.buffers import Readers, Stock
from mpnb.engine import STDERR, STDOUT, WARNED, Effects, turn
from mpnb.errors import CodecError
from mpnb.frames import Frame, Part, write_frame
from mpnb.namespace import Mirror
from mpnb.tasks import LOST, UNSENDABLE, VALUE, Effect, call_all, call_all_unmarked, simple, words
from mpnb.weight import Weight, weigh

BATCH_S: Final = 0.02  # results leave at least this often, between two iterations
LONG_BATCH_S: Final = 0.1  # or so often in a long job, where they are small and nothing is printed
RAMP: Final = 4  # a longer batch is no more than this part of the time since its job was loaded
SMALL_NBYTES: Final = 1 << 20  # of a batch
EXTRA: Final = Weight(1000, 1 << 20)  # the most that an iteration of LONG_S sends home without need
STRIP_S: Final = 0.001  # work that a worker takes out of a chunk at a time, and won't give back
STRIP_GROWTH: Final = 8
STOCK_NBYTES: Final = 128 << 20  # of the blocks for results that are kept for the next ones
MOST_PLAIN: Final = 1 << 20  # a larger result may have a memory block
KEPT_NBYTES: Final = 32 << 20  # the most that glibc allows for; of larger blocks each is mapped by itself
_M_TRIM_THRESHOLD: Final = -1  # malloc.h
_M_MMAP_THRESHOLD: Final = -3
_F_SETSIG: Final = 10  # Linux; the fcntl module has no name for it

_inside = False
_pthread_kill = ctypes.CDLL(None).pthread_kill
_pthread_kill.argtypes = (ctypes.c_ulong, ctypes.c_int)


def is_worker() -> bool:
    """Whether this process is a worker; a pool that is used here runs everything in this process."""
    return _inside


class Capture(io.TextIOBase):
    """Stands in for `sys.stdout` or `sys.stderr`: what is written becomes an effect of the running iteration."""

    def __init__(self, number: int, worker: Worker) -> None:
        self._number = number
        self._worker = worker

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """As a notebook's stream has it."""
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """As a notebook's stream has it."""
        return "strict"

    def writable(self) -> bool:
        """It takes text."""
        return True

    def isatty(self) -> bool:
        """It is no terminal."""
        return False

    def write(self, text: Any) -> int:
        """Take text."""
        if not isinstance(text, str):  # print() converts, a task's own call may not
            msg = f"write() argument must be str, not {type(text).__name__}"
            raise TypeError(msg)
        if text:
            self._worker.written(self._number, text)
        return len(text)


@dataclass(slots=True)
class _Piece:
    """Iterations `next` … `stop - 1` of a chunk whose items begin at iteration `first`."""

    number: int
    job: int
    chunk: int
    first: int
    next: int
    stop: int
    frame: Frame
    sent: int  # what comes before this one has gone home
    line: int | None = None  # descriptor of the line from which calls come, where the worker is lent
    again: bool = False  # a worker died over it


@dataclass(slots=True)
class _Batch:
    """Finished iterations that have not been checked and sent."""

    first: int
    began_at: float
    effects: list[Effects] = field(default_factory=list)
    times: array[float] = field(default_factory=lambda: array("d"))
    extra: list[tuple[int, ...]] = field(default_factory=list)  # of each one's effects, the numbers not needed

    def drop_extra(self, *, light: bool = True) -> bool:
        """Leave out the effects that are not needed, or only those that weigh much; tell whether there were any."""
        found = False
        for effects, extra in zip(self.effects, self.extra, strict=True):
            if extra and (light or _is_heavy(entry[1] for entry in effects if entry[0] in extra)):
                effects[:] = [entry for entry in effects if entry[0] not in extra]
                found = True
        return found


def _is_heavy(things: Iterable[object]) -> bool:
    weight = sum(map(weigh, things), Weight())
    return weight.objects > EXTRA.objects or weight.nbytes > EXTRA.nbytes


@dataclass(slots=True)
class _Values:
    """What calls gave that have not been sent: a value each, and beside it what some printed, or raised."""

    first: int
    began_at: float
    values: list[Any] = field(default_factory=list)
    said: dict[int, Effects] = field(default_factory=dict)  # index -> effects before the value
    failed: dict[int, Effect] = field(default_factory=dict)  # index -> effect instead of the value

    def effects(self) -> list[Effects]:
        """What each call did, as a loop's iterations have it."""
        return [
            [*self.said.get(index, ()), self.failed.get(index) or (VALUE, value)]
            for index, value in enumerate(self.values, self.first)
        ]


class _Cancelled(Exception):
    """The running task was interrupted, as was asked for."""


class Worker:
    """One worker's life.

    Parameters
    ----------
    sock
        The socket to the kernel.
    word
        What the kernel sees too: the number of the running iteration plus one, or zero; how many were begun; whether
        the first is only where a strip began that is being run without marks; and the flags of the stock of blocks.
    """

    def __init__(self, sock: socket.socket, word: memoryview) -> None:
        self._sock = sock
        self._word = word
        self._readers = Readers()
        self._mirror = Mirror(stock=Stock(STOCK_NBYTES, word))
        self._parts: dict[bytes, Part] = {}
        self._jobs: dict[
            int, tuple[tuple[bool, bool, bool, bool, bool], tuple[bytes, ...]]
        ] = {}  # nets? calls? files? steady? timed?
        self._as_loaded: tuple[bytes, ...] = ()  # parts of the loaded job, where it left no trace in what was loaded
        self._nets = True  # of the job that is loaded
        self._calls = False  # whether it consists of calls, of which one that fails leaves the others be
        self._files = False  # whether what it does to files is kept back
        self._simple: tuple[Callable[..., Any], bool] | None = None  # what the loaded job calls, if that is all it does
        self._unmarked = False  # whether it matters to nobody which call runs, but after a crash
        self._loaded: int | None = None
        self._loaded_at = 0.0
        self._last_nbytes = 0  # of the job's last batch
        self._said = False  # something in this batch is for people to read
        self._sending = threading.Lock()
        self._changed = threading.Condition(threading.Lock())
        self._queue: deque[_Piece] = deque()
        self._running: _Piece | None = None
        self._cancelled = False  # the running piece's job
        self._in_task = False
        self._interrupt = False
        self._effects: Effects | None = None
        self._written: list[tuple[int, list[str]]] = []  # place in the effects, texts
        self._decode_s = 0.0
        self._initial: tuple[bytes, ...] = ()  # parts of what is to be called before any task
        self._strip: _Values | None = None  # takes in the prints of running calls, of which there are many
        self._written_by = 0  # the one that printed last
        self._preface: Effects = []  # what that printed: it goes home with the first iteration
        self._started = 0  # iterations

    # ------------------------------------------------------------ prints

    def written(self, number: int, text: str) -> None:
        """Take in what the running iteration wrote to stream `number`."""
        effects = self._running_effects()
        if effects is None:
            return  # a thread that outlived its iteration
        self._said = True
        place = len(effects) - 1
        if self._written and self._written[-1][0] == place and effects[place][0] == number:
            self._written[-1][1].append(text)
        else:
            self._written.append((place + 1, [text]))
            effects.append((number, ""))

    def warned(self, message: Warning, category: type[Warning], filename: str, line: int, *_: object) -> None:
        """Take in a warning of the running iteration; whether it is shown is decided in the notebook."""
        effects = self._running_effects()
        if effects is not None:
            self._said = True
            effects.append((WARNED, message, category, filename, line))

    def _running_effects(self) -> Effects | None:
        """Where the running iteration puts what it prints; what the one before in a strip printed is put together."""
        if self._strip is None:
            return self._effects
        index = self._strip.first + len(self._strip.values)
        if self._written and index != self._written_by:
            self._join_written(self._strip.said[self._written_by])
        self._written_by = index
        return self._strip.said.setdefault(index, [])

    def _join_written(self, effects: Effects) -> None:
        for place, texts in self._written:
            effects[place] = (effects[place][0], "".join(texts))
        self._written.clear()

    # ------------------------------------------------------------ the reader thread

    def read(self) -> None:
        """Receive until the kernel is gone, then end the process, whatever it is doing."""
        incoming = wire.Incoming()
        try:
            while (messages := incoming.pull(self._sock)) is not None:
                for message in messages:
                    self._receive(message)
        except ConnectionError:
            pass  # the kernel is gone
        except BaseException:
            self._break()
        os._exit(0)

    def _receive(self, message: wire.Message) -> None:
        match message.note:
            case ("chunk", number, job, chunk, first, start, stop, again):
                piece = _Piece(number, job, chunk, first, start, stop, message.frames[0], start, again=again)
                with self._changed:
                    self._queue.append(piece)
                    self._changed.notify()
            case ("lend", number, job, chunk):
                with self._changed:
                    self._queue.append(_Piece(number, job, chunk, 0, 0, 1, Frame(b""), 0, message.fds[0]))
                    self._changed.notify()
            case ("job", job, kind, digests, new):
                for digest, frame in zip(new, message.frames, strict=True):
                    self._parts[digest] = Part(digest, frame)
                self._jobs[job] = (kind, digests)
            case ("init", digests):
                for digest, frame in zip(digests, message.frames, strict=True):
                    self._parts[digest] = Part(digest, frame)
                with self._changed:
                    self._initial = digests
                    self._changed.notify()
            case ("forget", job, digests):
                self._jobs.pop(job, None)
                for digest in digests:
                    self._parts.pop(digest, None)
            case ("back", number):
                self._give_back(number)
            case ("cancel", job):
                self._cancel(job)
            case ("stop",):
                os._exit(0)
            case note:
                msg = f"a worker does not know {note[0]!r}"
                raise RuntimeError(msg)

    def _give_back(self, number: int) -> None:
        """Give a piece back that was not begun, or the later half of what is left of the running one.

        The running one is never given back whole: the kernel waits for the batch that says it is done.
        """
        first = stop = 0
        whole = False
        with self._changed:
            running = self._running
            if running is not None and running.number == number:
                kept = max(running.next, running.sent + 1)
                if kept < running.stop:
                    stop = running.stop
                    first = running.stop = max(kept, running.next + (stop - running.next) // 2)
            else:
                for piece in self._queue:
                    if piece.number == number:
                        self._queue.remove(piece)
                        first, stop, whole = piece.next, piece.stop, True
                        break
        self._send(("returned", number, first, stop, whole))

    def _cancel(self, job: int) -> None:
        with self._changed:
            for piece in [piece for piece in self._queue if piece.job == job]:
                self._queue.remove(piece)
                if piece.line is not None:
                    os.close(piece.line)
            busy = self._running is not None and self._running.job == job
            if busy:
                self._cancelled = self._interrupt = True
        if busy:
            # Wakes the main thread even from a sleep; _on_sigint sees to it that only the running task is hit.
            # Not signal.pthread_kill: the audit net would take that for a deed of the task.
            _pthread_kill(threading.main_thread().ident, int(signal.SIGINT))
        else:
            self._send(("cancelled", job))

    def _on_sigint(self, _number: int, _frame: FrameType | None) -> None:
        if self._in_task and self._interrupt:
            self._interrupt = False
            raise KeyboardInterrupt

    # ------------------------------------------------------------ the main thread

    def run(self) -> NoReturn:
        """Work until the process ends."""
        signal.signal(signal.SIGINT, self._on_sigint)
        sys.stdout = Capture(STDOUT, self)
        sys.stderr = Capture(STDERR, self)
        warnings.showwarning = self.warned  # type: ignore[assignment]
        threading.Thread(target=self.read, name="mpnb reader", daemon=True).start()
        self._send(("ready", os.getpid()))
        while True:
            with self._changed:
                while not self._queue and not self._initial:
                    self._changed.wait()
                if not self._initial:  # which comes before all else
                    piece = self._running = self._queue.popleft()
                    self._cancelled = self._interrupt = False
            if self._initial:
                self._initialize()
                continue
            with contextlib.suppress(_Cancelled):
                if piece.line is None:
                    self._run_piece(piece)
                else:
                    self._serve(piece.job, piece.line)
            with self._changed:
                cancelled, self._running, self._interrupt = self._cancelled, None, False
            if cancelled:
                # An interrupted iteration may have left something half done.
                if self._check() is not None:
                    self._send(("spoiled",))
                self._send(("cancelled", piece.job))

    def _initialize(self) -> None:
        """Call what the pool's user wants called before any task; where that fails, the worker is of no use."""
        digests, self._initial = self._initial, ()
        self._effects = self._preface
        try:
            self._mirror.load([self._parts[digest] for digest in digests], by_value=True)
            let_warnings_pass()
            with self._mirror.keeping():
                self._mirror.function(None, self._preface)
        except BaseException as error:
            text = "".join(traceback.format_exception(error))
            self._send(("broken", f"the initializer raised {_text(error)}\n{text}"))
            os._exit(70)
        self._effects = None
        self._join_written(self._preface)
        self._send(("initialized",))

    def _run_piece(self, piece: _Piece) -> None:
        began = time.perf_counter()
        try:
            function, items = self._prepare(piece)
        except Exception as error:
            if self._calls:
                self._fail_piece(piece, began, _text(error))
            else:
                self._send_batch(piece, _Batch(piece.next, began), ("unsendable", piece.next, _text(error)))
            return
        self._decode_s = time.perf_counter() - began
        if self._simple is not None and self._mirror.has_plain_items:
            self._run_strips(piece, items, *self._simple)
            return
        stop: tuple[str, int, str] | None = None
        batch = _Batch(piece.next, time.perf_counter())
        now = batch.began_at
        while stop is None:
            with self._changed:
                index = piece.next
                if index >= piece.stop:
                    break
                piece.next = index + 1
            effects, self._preface = self._preface, []
            turn.began, turn.extra = now, ()
            kind_text = self._call(function, items[index - piece.first], effects, index)
            then, now = now, time.perf_counter()
            if self._cancelled:
                raise _Cancelled
            if kind_text is not None:
                stop = (kind_text[0], index, kind_text[1])
                break
            batch.effects.append(effects)
            batch.extra.append(turn.extra)
            batch.times.append(then)
            batch.times.append(now)
            if now - batch.began_at > BATCH_S and piece.next < piece.stop and self._is_due(now - batch.began_at, now):
                stop = self._send_batch(piece, batch, None)
                now = time.perf_counter()
                batch = _Batch(index + 1, now)
                if stop is not None:
                    return
        self._send_batch(piece, batch, stop, done=True)

    def _run_strips(self, piece: _Piece, items: list[Any], function: Callable[..., Any], star: bool) -> None:
        """Call for plain items, a strip of them at a time: what is done around a call costs more than a short one."""
        now = time.perf_counter()
        batch = _Values(piece.next, now)
        size = 1
        while True:
            with self._changed:
                first = piece.next
                if first >= piece.stop:
                    break
                stop = piece.next = min(first + size, piece.stop)
            if self._preface:
                batch.said[first], self._preface = self._preface, []
            strip = items[first - piece.first : stop - piece.first]
            self._call_strip(batch, function, star, strip, marked=piece.again or not self._unmarked)
            if self._cancelled:
                raise _Cancelled
            then, now = now, time.perf_counter()
            each = (now - then) / (stop - first)
            size = max(1, min(size * STRIP_GROWTH, int(STRIP_S / max(each, 1e-9))))
            if now - batch.began_at > BATCH_S and stop < piece.stop:
                self._send_values(piece, batch, now)
                now = time.perf_counter()
                batch = _Values(stop, now)
        self._send_values(piece, batch, now, done=True)

    def _call_strip(
        self, batch: _Values, function: Callable[..., Any], star: bool, items: list[Any], *, marked: bool
    ) -> None:
        begun = len(batch.values)
        first = batch.first + begun
        self._word[2] = not marked
        self._started = self._word[1] = self._started + 1
        self._word[0] = first + 1
        self._strip = batch
        done = 0
        try:
            surroundings.watch(False)
            self._in_task = True
            # An interrupt that was asked for before this could not be raised: then nothing is begun.
            while done < len(items) and not self._cancelled:
                if marked:
                    failed = call_all(function, star, items[done:], self._word, first + done, batch.values)
                else:
                    failed = call_all_unmarked(function, star, items[done:], batch.values)
                if failed is not None:
                    batch.failed[batch.first + len(batch.values)] = failed
                    batch.values.append(None)
                done = len(batch.values) - begun
                marked, self._word[2] = True, 0  # one that raises StopIteration has stopped the others as well
        except KeyboardInterrupt:
            if not self._cancelled:
                raise
        finally:
            self._in_task = False
            self._strip = None
            if self._written:
                self._join_written(batch.said[self._written_by])
            self._word[0] = self._word[2] = 0

    def _send_values(self, piece: _Piece, batch: _Values, now: float, *, done: bool = False) -> None:
        count, times = len(batch.values), array("d", (batch.began_at, now))
        data = None if batch.said or batch.failed else plain.dumps(batch.values)
        if data is None:
            effects = _Batch(batch.first, batch.began_at, batch.effects(), times, [()] * count)
            self._send_batch(piece, effects, None, done=done)
        else:
            frame = write_frame("values", None, data, ())
            costs = 0.0, time.perf_counter() - now
            self._say_finished(piece, batch.first, count, times, costs, [frame], done=done)

    def _is_due(self, lasted_s: float, now: float) -> bool:
        """Whether a batch leaves that is older than BATCH_S; in a long job fewer of them cost less."""
        if self._said or self._calls or self._last_nbytes > SMALL_NBYTES:
            return True
        return lasted_s > min(LONG_BATCH_S, (now - self._loaded_at) / RAMP)

    def _prepare(self, piece: _Piece) -> tuple[Callable[[object, Effects], object], list[object]]:
        self._load(piece.job)
        return self._mirror.function, self._mirror.decode_items(piece.frame)

    def _load(self, job: int) -> None:
        if self._loaded != job:
            self._loaded = None
            (self._nets, self._calls, self._files, steady, timed), digests = self._jobs[job]
            before, self._as_loaded = self._as_loaded, ()
            if not steady or before != digests:
                self._mirror.load([self._parts[digest] for digest in digests], by_value=self._calls)
                let_warnings_pass()
            if steady:
                self._as_loaded = digests
            self._simple = simple(self._mirror.function) if self._calls else None
            self._unmarked = steady and not timed
            self._loaded = job
            self._loaded_at, self._last_nbytes = time.perf_counter(), 0

    def _serve(self, job: int, line: int) -> None:
        """Be lent: take calls of one function from this line, one by one, until it is closed at the other end."""
        broken: str | None = None
        try:
            self._load(job)
        except Exception as error:
            broken = _text(error)
        with socket.socket(fileno=line) as sock, contextlib.suppress(ConnectionError):
            while (request := plain.receive(sock)) is not None:
                effects, self._preface = self._preface, []
                if broken is None:
                    ended = self._call(self._mirror.function, plain.loads(request), effects, 0)
                    broken_now = None if ended is None else ended[1]
                else:
                    broken_now = f"CodecError: {broken}"
                if self._cancelled:
                    raise _Cancelled
                if broken_now is not None:
                    effects.append((LOST, broken_now, ""))
                self._reply(job, sock, effects)

    def _reply(self, job: int, sock: socket.socket, effects: Effects) -> None:
        """Answer on the line with a plain value; whatever else there is to say goes the usual way, and is announced."""
        if len(effects) == 1 and effects[0][0] == VALUE:
            data = plain.dumps(effects[0][1])
            if data is not None and len(data) <= MOST_PLAIN:
                plain.send(sock, data)
                return
        batch = _Batch(0, 0.0, [effects])
        try:
            frame = self._mirror.encode_effects(batch.effects)
        except Exception:
            self._replace_unsendable(batch)
            frame = self._mirror.encode_effects(batch.effects)
        self._send(("reply", job), [frame])
        plain.send(sock, b"")

    def _call(
        self, function: Callable[[object, Effects], object], item: object, effects: Effects, index: int
    ) -> tuple[str, str] | None:
        """Run one iteration; what ended it early, if anything did."""
        result = None
        try:
            self._started = self._word[1] = self._started + 1
            self._word[0] = index + 1
            self._effects = effects
            try:
                if self._mirror.streams is not None:
                    self._mirror.streams.start(index)
                kept = drafts.begin(effects) if self._files else None
                surroundings.watch(self._nets)
                self._in_task = True
                if self._interrupt:  # asked for after the last iteration, when there was nothing to interrupt
                    self._interrupt = False
                    raise KeyboardInterrupt
                function(item, effects)
                if kept is not None:
                    if kept.files and turn.extra:  # what is not needed may be a file, and keeps it open
                        effects[:] = [entry for entry in effects if entry[0] not in turn.extra]
                        turn.extra = ()
                    kept.finish()
            finally:
                self._in_task = False
                surroundings.watch(False)
                if self._files:
                    drafts.end()
        except surroundings.Tripped as tripped:
            result = ("tripped", str(tripped))
        except BaseException as error:
            # A KeyboardInterrupt that was asked for is told from one the task raised by self._cancelled.
            self._in_task = False
            surroundings.watch(False)
            result = ("raised", _text(error))
        self._effects = None
        self._word[0] = 0
        if self._written:
            self._join_written(effects)
        return result

    def _send_batch(
        self, piece: _Piece, batch: _Batch, stop: tuple[str, int, str] | None, *, done: bool = False
    ) -> tuple[str, int, str] | None:
        """Check, encode, send; effects leave only after the check that covers them. Returns what ends the job."""
        before = time.perf_counter()
        changed = self._check()
        checked = time.perf_counter()
        frames: list[Frame] = []
        if changed is not None:
            stop = ("tripped", batch.first, changed)
            batch = _Batch(batch.first, batch.began_at)
        elif batch.effects:
            batch.drop_extra(light=False)
            try:
                frames = [self._mirror.encode_effects(batch.effects)]
            except Exception as error:
                if self._calls:
                    self._replace_unsendable(batch)
                else:
                    stop = self._find_unsendable(batch, error)
                if batch.effects:
                    frames = [self._mirror.encode_effects(batch.effects)]
        encoded = time.perf_counter()
        costs = checked - before, encoded - checked
        self._say_finished(piece, batch.first, len(batch.effects), batch.times, costs, frames, stop, done=done)
        if stop is not None and stop[0] == "tripped":
            self._send(("spoiled",))
        return stop

    def _say_finished(
        self, piece: _Piece, first: int, count: int, times: array[float], costs: tuple[float, float],
        frames: list[Frame], stop: tuple[str, int, str] | None = None, *, done: bool,
    ) -> None:  # fmt: skip
        note = (
            "batch", piece.chunk, first, count, times.tobytes(), self._decode_s, *costs, time.perf_counter(),
            done or stop is not None, stop,
        )  # fmt: skip
        self._decode_s = 0.0
        self._said = False
        self._last_nbytes = sum(frame.nbytes for frame in frames)
        with self._changed:
            piece.sent = first + count
        self._send(note, frames)

    def _find_unsendable(self, batch: _Batch, error: Exception) -> tuple[str, int, str] | None:
        """Cut the batch before the first iteration whose effects can't be encoded; None where only extra ones can't."""
        if batch.drop_extra():
            try:
                self._mirror.encode_effects(batch.effects)
            except Exception as found:
                error = found
            else:
                return None
        place = 0  # where each can be sent by itself, all of them have to be done by the kernel
        for number, effects in enumerate(batch.effects):
            try:
                self._mirror.encode_effects([effects])
            except Exception as found:
                place, error = number, found
                break
        del batch.effects[place:], batch.times[2 * place :]
        return ("unsendable", batch.first + place, _text(error))

    def _fail_piece(self, piece: _Piece, began: float, text: str) -> None:
        """Say of each call of a piece that it could not be loaded here."""
        with self._changed:
            first, piece.next = piece.next, piece.stop
        batch = _Batch(first, began)
        for _ in range(first, piece.stop):
            batch.effects.append([(LOST, f"CodecError: {text}", "")])
            batch.extra.append(())
            batch.times.extend((began, began))
        self._send_batch(piece, batch, None, done=True)

    def _replace_unsendable(self, batch: _Batch) -> None:
        """Put words in the place of what calls gave, or printed, that can't be sent."""
        for effects in batch.effects:
            try:
                self._mirror.encode_effects([effects])
            except Exception as error:
                value = effects[-1][-1]
                effects[:] = [(UNSENDABLE, _text(self._mirror.blame(value) or error), _shown(value))]

    def _check(self) -> str | None:
        return self._mirror.check() if self._nets else None

    def _send(self, note: wire.Note, frames: Iterable[Frame] = ()) -> None:
        try:
            with self._sending:
                wire.send(self._sock, note, tuple(frames), readers=self._readers)
        except ConnectionError:
            os._exit(0)  # the kernel is gone

    def _break(self) -> NoReturn:
        """Tell the kernel what is wrong with mpnb itself, and end."""
        self._send(("broken", traceback.format_exc()))
        os._exit(70)


def _text(error: BaseException) -> str:
    return str(error) if isinstance(error, CodecError) else words(error)


def _shown(value: Any) -> str:
    """What something looks like, in a line."""
    try:
        return reprlib.repr(value)
    except Exception as error:
        return f"a {type(value).__name__} (its repr raises {type(error).__name__})"


def let_warnings_pass() -> None:
    """Show always what is to be shown once: the notebook, which gets it from all workers, knows what it has shown."""
    once = {"default", "module", "once", "all"}
    rules = [("always", *rule[1:]) if rule[0] in once else rule for rule in warnings.filters]
    rules.append(("always", None, Warning, None, 0))
    warnings.filters[:] = rules  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def watch_lifeline(fd: int, number: int = signal.SIGKILL) -> int | None:
    """Have the system send this process signal `number` when the other end of the pipe `fd` is closed.

    The kernel's process holds the other end, so this sees its death even where a task holds the GIL. Linux only;
    elsewhere the reader thread sees it as soon as it can run. Gives the descriptor that has to stay open for it.
    """
    if not sys.platform.startswith("linux"):
        return None
    # Opened anew, because the process to be told belongs to the open file, which all workers would share.
    own = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.fcntl(own, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(own, _F_SETSIG, number)
    fcntl.fcntl(own, fcntl.F_SETFL, fcntl.fcntl(own, fcntl.F_GETFL) | os.O_ASYNC)
    os.close(fd)
    try:
        at_end = os.read(own, 1) == b""
    except BlockingIOError:
        at_end = False
    if at_end:  # it was closed before anyone watched
        os.kill(os.getpid(), number)
    return own


def keep_freed_memory() -> None:
    """Keep freed memory for the next iteration, as a C library that has this setting (glibc) comes to do by itself.

    A young process gives every temporary array back to the system, and pays for each of its pages anew: half the time
    of an iteration that computes with arrays of some megabytes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, KEPT_NBYTES)
        mallopt(_M_TRIM_THRESHOLD, 2 * KEPT_NBYTES)


def reseed() -> None:
    """Give this process random numbers of its own, where a library does not see the fork."""
    random: Any = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()


def main(sock_fd: int, word_fd: int, lifeline_fd: int, threads: int) -> NoReturn:
    """Be a worker on these descriptors until the process ends."""
    global _inside
    _inside = True
    sock = socket.socket(fileno=sock_fd)
    try:
        watch_lifeline(lifeline_fd)
        word = memoryview(mmap.mmap(word_fd, mmap.PAGESIZE)).cast("q")
        os.close(word_fd)
        blas.set_threads(threads)
        keep_freed_memory()
        reseed()
        gc.enable()
        Worker(sock, word).run()
    except BaseException:
        wire.send(sock, ("broken", traceback.format_exc()))
        os._exit(70)
