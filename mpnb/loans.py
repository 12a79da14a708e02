"""Calls on a worker that is lent: the caller writes to it and reads from it, with no thread of the pool between them.

    caller ── arguments ──► worker      one line per loan; for steady functions and plain values (`steady`, `plain`)
    caller ◄── value ────── worker      what else there is to say comes by the I/O thread, and is announced here

The I/O thread has a worker back as soon as anything else is to be done. Whatever can't go this way takes the usual one:
`Lender.call` answers None.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from queue import SimpleQueue
from typing import Any, Final, Protocol

from mpnb import plain, scheduler, steady, tasks
from mpnb.calls import CallEncoder, task_of
from mpnb.engine import Job, Outcome
from mpnb.errors import CodecError
from mpnb.frames import Frame
from mpnb.hands import Hands, OpenJob
from mpnb.jobs import ItemsMemo
from mpnb.running import next_chunk, next_job, opened

MOST_NBYTES: Final = 1 << 16  # of arguments: as much as a socket takes at once


class Owner(Protocol):
    """What a loan asks of its pool."""

    encoding: threading.RLock

    def call_encoder(self, job: Job) -> CallEncoder:
        """What turns the job's names into frames."""
        ...

    def enter(self, work: Loan) -> None:
        """A loan has begun, whose calls must be done before the pool may end."""
        ...


class Loan:
    """One worker, lent to one thread for one function.

    Parameters
    ----------
    watch
        The function, and what it needs to stay as it is.
    job, encoder
        Of which a worker loads the names; its one iteration are all the calls.
    hands
        Whose worker it is.
    """

    def __init__(self, watch: steady.Watch, job: Job, encoder: CallEncoder, hands: Hands) -> None:
        self.watch = watch
        self.hands = hands
        self.thread = threading.get_ident()
        self.ended = False
        self._encoder = encoder
        self._number = next_job()
        self._lock = threading.Lock()  # held during a call; the I/O thread never waits for it
        self._recalled = False
        self._calling = False  # still true after a call: it was cut off, and the line is of no use
        self._mail: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
        self._sock, self.line = socket.socketpair()
        at = time.perf_counter()
        mine = OpenJob(self._number, encoder.parts, nets=False, mail=self, calls=True, steady=True, loan=self)
        hands.queue("open", mine, opened(self._number, job, loan=True))
        chunk = scheduler.ChunkQueued(at=at, job=self._number, chunk=next_chunk(), first=0, count=1)
        hands.queue("chunk", self._number, Frame(b""), chunk)
        hands.post(scheduler.ItemsEnded(at=at, job=self._number))

    @property
    def is_over(self) -> bool:
        """Whether no call is under way."""
        return self.ended or not self._calling

    # ------------------------------------------------------------ for the I/O thread

    def put(self, item: tuple[Any, ...]) -> None:
        """Take in a message; one that ends the loan ends the caller's wait, too."""
        self._mail.put(item)
        if item[0] in {"lost", "failed", "again"}:
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

    def recall(self) -> bool:
        """Have the worker back: True once, when no call is under way."""
        self._recalled = True
        if not self._lock.acquire(blocking=False):
            return False
        try:
            return self._end()
        finally:
            self._lock.release()

    def bury(self) -> None:
        """Close both ends."""
        self._sock.close()
        self.line.close()

    # ------------------------------------------------------------ for the caller

    def call(self, request: bytes) -> tuple[bool, Any] | None:
        """Make one call: whether it succeeded, and its value or exception. None where it was not begun."""
        try:
            with self._lock:
                if self.ended or self._calling:
                    return None
                self._calling = True
                answer = self._exchange(request)
                self._calling = False
        except BaseException:  # an interrupt: the worker is told, too
            self.close()
            raise
        finally:
            if self._recalled or self._calling:
                self.close()
        if answer is None or isinstance(answer, tuple):
            return answer
        return True, plain.loads(answer)

    def _exchange(self, request: bytes) -> bytes | tuple[bool, Any] | None:
        try:
            plain.send(self._sock, request)
            reply = plain.receive(self._sock)
        except ConnectionError:
            reply = None
        if reply:
            return reply
        while True:
            match self._mail.get():
                case ("reply", frame):
                    return self._decode(frame)
                case ("lost", _, error):
                    self._recalled = True
                    return False, error
                case ("failed", error):
                    self._recalled = True
                    self.bury()  # the I/O thread may have ended
                    return False, error
                case ("again",) | ("released",):
                    self._recalled = True
                    return None

    def _decode(self, frame: Frame) -> tuple[bool, Any]:
        try:
            (effects,) = self._encoder.decode_effects(frame, ItemsMemo([]))
        except Exception as error:  # of a class of the user's, that does not load what it gave to be pickled
            return False, CodecError("result", f"not loaded in the notebook ({type(error).__name__}: {error})")
        return self._encoder.settle(Outcome(0, effects))

    def close(self) -> None:
        """Give the worker back; a call that is under way is interrupted."""
        if self._end():
            self.hands.post(scheduler.JobClosed(at=time.perf_counter(), job=self._number))

    def _end(self) -> bool:
        first, self.ended = not self.ended, True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        return first


class Lender:
    """Lends a pool's workers, one at a time."""

    def __init__(self) -> None:
        self._loan: Loan | None = None

    @property
    def loan(self) -> Loan | None:
        """The latest loan."""
        return self._loan

    def call(
        self, pool: Owner, hands: Hands, function: Any, item: tuple[tuple[Any, ...], dict[str, Any]]
    ) -> tuple[bool, Any] | None:
        """Call a function on a lent worker, as `Loan.call`; None where it has to go the usual way."""
        loan = self._loan
        if loan is not None and (loan.ended or loan.hands is not hands):
            loan = None
        if loan is not None and not (
            loan.watch.function is function and loan.thread == threading.get_ident() and loan.watch.holds()
        ):
            return None  # the other job has this worker back
        request = plain.dumps(item)
        if request is None or len(request) > MOST_NBYTES:
            return None
        if loan is None:
            loan = self._borrow(pool, hands, function)
        return None if loan is None else loan.call(request)

    def _borrow(self, pool: Owner, hands: Hands, function: Any) -> Loan | None:
        watch = steady.watch(function)
        if watch is None:
            return None
        job = Job(task_of(function, tasks.call_with), nets=False, calls=True, total=1)
        with pool.encoding:
            encoder = pool.call_encoder(job)
            if not watch.holds():  # another thread changed it meanwhile
                return None
            loan = self._loan = Loan(watch, job, encoder, hands)
            pool.enter(loan)
        return loan
