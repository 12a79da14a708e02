"""Who does what next. Events in, commands out. Starts no process, reads no clock, opens no pipe.

    JobOpened, ChunkQueued, ItemsEnded, OutcomesTaken, JobResized …  from the caller's thread
    WorkersOutdated                                                   from the templates
    WorkerReady, BatchFinished, ChunkReturned, CancelDone, WorkerDied from the workers
    Ticked, GracePassed                                               from the clock
                                  │
                     Scheduler.handle(event) -> commands
                                  │
    StartWorker, SendChunk, TakeBack, InterruptWorker, KillWorker …   to the processes
    PullItems, FailIteration, ReleaseChunk, ReleaseJob, GiveUp        to the caller's thread

Work is a piece: a chunk, and the range of its iterations that is still to be done. A piece is in exactly one place:
in its job's queue, or with one worker. A worker runs its pieces in the order it got them, so what it reports is
always about the first. Iterations are counted as the caller counts them: from the job's `first`.
"""

from __future__ import annotations

import bisect
import heapq
from dataclasses import dataclass, field
from typing import Final

from mpnb.events import BatchFinished, Event, Ticked, WorkerDied, WorkerReady

CHUNK_S: Final = 0.02  # work in a chunk: long beside a round trip (0.3 ms), short beside a human
LONG_CHUNK_S: Final = 0.1  # in one of a long job; what a chunk costs kernel and worker is 1 to 2 ms together
RAMP: Final = 4  # a longer chunk is no more than this part of what each worker has done so far
SHORT_CHUNK_S: Final = 0.05  # chunks shorter than this are sent two at a time, so that no worker waits for the next
OVERDUE_S: Final = 0.1  # silent for so much longer than its chunk should take: what waits behind that is taken back
LEAST_S: Final = 0.001  # work in a chunk of a list all of which is to be done
SHARE_S: Final = 0.005  # less than this, left in a running chunk, is not worth moving
CHUNK_NBYTES: Final = 4 << 20  # items in a chunk: so much is copied in one go; and results, in one longer than CHUNK_S
WINDOW_NBYTES: Final = 256 << 20  # results that wait for an earlier iteration or for a slow caller
FIRST: Final = 64  # items in the first chunks of a long list
GROWTH: Final = 4  # a chunk may be so many times larger than what is known to have worked
WAY: Final = 5  # a chunk is as much work as this times its way there and back
FAR: Final = 20  # with tasks shorter than this times the way, the next chunk is on it while one runs
DEPTH: Final = 2  # chunks of short tasks that a worker holds: one to run, one to go on with
MAX_DEATHS: Final = 3  # over the same piece of work, in no known iteration: the first may be among unmarked calls
MAX_FAILED_STARTS: Final = 3

# ---------------------------------------------------------------- events beside those of mpnb.events


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOpened(Event):
    """A job has begun; at most `workers` of the pool's work on it. Chunks are of `chunk` items where that is said.

    `ahead` is how many items may be pulled that the caller has not taken, where there is a limit; `timeout_s` how long
    an iteration may run, and `retries` how often one whose worker ended, or that ran too long, is run again.
    `loan`: its one iteration is to be with the caller, and to take calls from there, until anything else is to be done.
    `eager`: all its items are there, and all are to be done, so that as many may be pulled as workers can use.
    `way_s`: seconds that a chunk takes to its worker and back, where that is more than on one machine.
    """

    job: int
    first: int = 0
    workers: int | None = None
    total: int | None = None
    expected_s: float | None = None
    chunk: int | None = None
    ahead: int | None = None
    timeout_s: float | None = None
    retries: int = 0
    loan: bool = False
    eager: bool = False
    way_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkQueued(Event):
    """Items were pulled and encoded, as asked for by `PullItems`. Chunk numbers are never used twice."""

    job: int
    chunk: int
    first: int
    count: int
    nbytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsEnded(Event):
    """There are no more items in this job."""

    job: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomesTaken(Event):
    """The caller has taken the outcomes of all iterations before `stop`."""

    job: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResized(Event):
    """At most `workers` of the pool's work on this job from now on; the others finish what they are running."""

    job: int
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobClosed(Event):
    """The caller wants nothing more of this job."""

    job: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GracePassed(Event):
    """The time that interrupted tasks have is over."""

    job: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkReturned(Event):
    """A worker gave back the iterations of a piece that it had not begun: from `first` to before `stop`.

    `whole`: it has not begun the piece, and will say no more of it. Otherwise a batch that is done still comes.
    """

    worker: int
    piece: int
    first: int
    stop: int
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelDone(Event):
    """A worker has nothing of this job any more."""

    worker: int
    job: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpoiled(Event):
    """A worker said that it is no longer as it was when it started; it has dropped all its work."""

    worker: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IterationOverran(Event):
    """The iteration that a worker runs has taken longer than its job allows."""

    worker: int
    iteration: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolResized(Event):
    """So many workers are wanted; each is to be replaced after `tasks_each` pieces of work, where that is said."""

    workers: int
    tasks_each: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersOutdated(Event):
    """These would start with more imported today: each is to be replaced at a time when there is nothing to do."""

    workers: tuple[int, ...]


# ---------------------------------------------------------------- commands


@dataclass(frozen=True, slots=True)
class Command:
    """Something to be done."""


@dataclass(frozen=True, slots=True)
class StartWorker(Command):
    """Start a process under this number."""

    worker: int


@dataclass(frozen=True, slots=True)
class StopWorker(Command):
    """Let an idle worker go; it is said to have died when its process has ended."""

    worker: int


@dataclass(frozen=True, slots=True)
class KillWorker(Command):
    """End a worker that does not listen; it is said to have died when its process has ended."""

    worker: int


@dataclass(frozen=True, slots=True)
class InterruptWorker(Command):
    """Make a worker drop all it has of a job; it answers `CancelDone`."""

    worker: int
    job: int


@dataclass(frozen=True, slots=True)
class SendChunk(Command):
    """Send the iterations from `first` to before `stop` of a chunk; `piece` names them, and no others ever.

    `again`: a worker died over them, and it is not known which one it ran.
    """

    worker: int
    piece: int
    job: int
    chunk: int
    first: int
    stop: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class TakeBack(Command):
    """Ask for a piece that the worker has not begun, or for half of what is left of it; answer: `ChunkReturned`."""

    worker: int
    piece: int


@dataclass(frozen=True, slots=True)
class PullItems(Command):
    """Pull and encode the next items of a job; answered by `ChunkQueued` or `ItemsEnded` or both."""

    job: int
    count: int


@dataclass(frozen=True, slots=True)
class FailIteration(Command):
    """An iteration is lost with the worker that ran it. `known` is False where only its chunk is known.

    `overran`: it ran too long, and the worker is ended because of it.
    """

    job: int
    iteration: int
    worker: int
    known: bool
    overran: bool = False


@dataclass(frozen=True, slots=True)
class ReleaseChunk(Command):
    """A chunk will not be sent again."""

    job: int
    chunk: int


@dataclass(frozen=True, slots=True)
class ReleaseJob(Command):
    """A closed job is with no worker any more."""

    job: int


@dataclass(frozen=True, slots=True)
class EndLoan(Command):
    """A worker that is lent is needed: the caller closes this job as soon as no call is under way. May be repeated."""

    job: int


@dataclass(frozen=True, slots=True)
class GiveUp(Command):
    """Workers die before they are ready, again and again; no more are started until the next job."""

    failed_starts: int


# ---------------------------------------------------------------- state


@dataclass(slots=True)
class _Piece:
    """Iterations `first` … `stop - 1` of a chunk."""

    job: int
    chunk: int
    first: int
    stop: int
    number: int = -1  # given anew whenever it is sent
    deaths: int = 0
    recalled: bool = False  # asked for, and not yet answered
    spent: bool = False  # the worker had nothing to give back of it

    def __lt__(self, other: _Piece) -> bool:
        return self.first < other.first


@dataclass(slots=True)
class _Worker:
    """`starting` → `ready` → `stopping` (takes no more work) → gone.

    `renewing`: it was let go, and a new process takes its number as soon as it is gone.
    """

    state: str = "starting"
    outdated: bool = False
    pieces: list[_Piece] = field(default_factory=list)
    cancelling: set[int] = field(default_factory=set)
    heard_at: float = 0.0
    overdue: bool = False
    done: int = 0  # pieces


@dataclass(slots=True)
class _Job:
    first: int
    limit: int | None
    stop: int | None  # number after the last iteration, where it is known
    each_s: float | None  # seconds per iteration
    pulled: int  # the next iteration to be pulled
    frontier: int  # iterations before this one are all finished
    taken: int  # iterations before this one are with the caller
    chunk: int | None = None
    ahead: int | None = None
    timeout_s: float | None = None
    retries: int = 0
    loan: bool = False
    eager: bool = False
    way_s: float = 0.0
    failures: dict[int, int] = field(default_factory=dict)  # iteration -> how often it was lost, while it may be again
    each_nbytes: float = 0.0
    queue: list[_Piece] = field(default_factory=list)  # a heap
    pieces_of: dict[int, int] = field(default_factory=dict)  # chunk -> how many pieces of it are not done
    pulling: bool = False
    ended: bool = False
    closed: bool = False
    cut: int | None = None  # an iteration ended the job here: nothing after it is wanted
    finished: int = 0  # iterations, wherever they are
    worked_s: float = 0.0  # seconds of all workers
    made_nbytes: int = 0  # of results
    beyond: dict[int, int] = field(default_factory=dict)  # finished intervals after the frontier: first -> stop
    waiting: list[tuple[int, int]] = field(default_factory=list)  # heap of (stop, nbytes) of results not taken
    waiting_nbytes: int = 0

    @property
    def is_fresh(self) -> bool:
        """Whether nothing is known of it yet, and any worker may have it."""
        return self.each_s is None and self.limit is None

    def finish(self, first: int, stop: int, nbytes: int) -> None:
        if stop <= first:
            return
        self.finished += stop - first
        self.beyond[first] = stop
        while self.frontier in self.beyond:
            self.frontier = self.beyond.pop(self.frontier)
        heapq.heappush(self.waiting, (stop, nbytes))
        self.waiting_nbytes += nbytes

    def take(self, stop: int) -> None:
        self.taken = max(self.taken, stop)
        while self.waiting and self.waiting[0][0] <= self.taken:
            self.waiting_nbytes -= heapq.heappop(self.waiting)[1]

    def chunk_size(self, workers: int) -> int:
        """How many items the next chunk has."""
        if self.chunk is not None:
            return self.chunk
        if self.each_s is None:
            return first_size(self.stop - self.first, workers) if self.eager and self.stop is not None else 1
        size = self.chunk_s(workers) / max(self.each_s, 1e-9)
        if self.ahead is not None:  # everybody gets a share of the few that may be pulled
            size = min(size, self.ahead / (3 * workers))
        # A caller that is slow, or stops early, has not had much pulled for nothing.
        # Where it can't take them because an early iteration is slow, what has finished counts instead.
        held_up = bool(self.beyond) and self.frontier == self.taken
        if not self.eager:
            size = min(size, 1 + (GROWTH * self.finished if held_up else 2 * (self.taken - self.first)))
        if self.finished == 0:  # only guessed so far
            size = min(size, 64.0)
        if self.each_nbytes:
            size = min(size, CHUNK_NBYTES / self.each_nbytes)
        if self.stop is not None:
            left = self.stop - self.pulled
            least_s = min(SHARE_S, self.earned_s(workers))  # what would not be moved any more
            if self.eager:  # nothing is pulled for nothing; the way there costs more than an end that is so uneven
                least_s = max(LEAST_S, least_s)
            size = min(size, max(left / (2 * workers), min(left, least_s / max(self.each_s, 1e-9))))
        return max(1, int(size))

    def chunk_s(self, workers: int) -> float:
        """Seconds of work in the next chunk: more in a long job, where fewer of them save more than they delay."""
        least = max(CHUNK_S, WAY * self.way_s)
        if self.each_s is None or self.ahead is not None:
            return least
        longest = min(LONG_CHUNK_S, self.earned_s(workers))
        if self.made_nbytes:
            longest = min(longest, CHUNK_NBYTES * self.finished / self.made_nbytes * self.each_s)
        return max(least, longest)

    def earned_s(self, workers: int) -> float:
        """Seconds of work that may be handed out at once after what has been done."""
        return self.worked_s / (RAMP * workers)

    def depth(self) -> int:
        """How many chunks a worker may hold."""
        if self.each_s is None:
            return 1
        return DEPTH if self.each_s < max(SHORT_CHUNK_S, FAR * self.way_s) else 1


def first_size(total: int, workers: int) -> int:
    """How many of so many items go to a worker first, where nothing is known of them but that all are to be done."""
    return max(1, min(FIRST, total // (16 * workers)))


class Scheduler:
    """Decides for all jobs of one pool.

    Parameters
    ----------
    workers
        How many workers are wanted. `handle(PoolResized(...))` starts the first ones.
    """

    def __init__(self) -> None:
        self.wanted = 0
        self._tasks_each: int | None = None
        self._workers: dict[int, _Worker] = {}
        self._jobs: dict[int, _Job] = {}
        # Thousands of jobs may be open that consist of one call each; these are the ones to look at.
        self._queued: list[int] = []  # jobs with work in their queue, in order, but for
        self._fresh: list[int] = []  # those of which nothing has run yet, and which any worker may have
        self._hungry: dict[int, None] = {}  # jobs that may have more items
        self._loans: dict[int, None] = {}  # open jobs by which a worker is with a caller
        self._others = 0  # how many other jobs are open
        self._failed_starts = 0
        self._sent = 0
        self._now = 0.0

    # ------------------------------------------------------------ what is seen from outside

    @property
    def ready(self) -> int:
        """How many workers take work."""
        return sum(worker.state == "ready" for worker in self._workers.values())

    @property
    def idle(self) -> bool:
        """Whether nothing is queued or running."""
        if self._queued or self._fresh:
            return False
        return not any(worker.pieces and not self._is_lent(worker) for worker in self._workers.values())

    def limit_of(self, worker: int) -> float | None:
        """How many seconds the iteration that a worker runs may take, where there is a limit."""
        state = self._workers.get(worker)
        return self._jobs[state.pieces[0].job].timeout_s if state is not None and state.pieces else None

    def handle(self, event: Event) -> list[Command]:
        """Take in what happened; say what is to be done, in this order."""
        commands: list[Command] = []
        self._now = event.at
        match event:
            case PoolResized():
                self._resize(event, commands)
            case JobOpened():
                self._open(event)
                self._failed_starts = 0
            case ChunkQueued():
                self._queue(event, commands)
            case ItemsEnded():
                if (job := self._jobs.get(event.job)) is not None:
                    job.ended, job.pulling = True, False
                    self._hungry.pop(event.job, None)
            case OutcomesTaken():
                if (job := self._jobs.get(event.job)) is not None:
                    job.take(event.stop)
            case JobResized():
                self._limit(event, commands)
            case JobClosed():
                self._close(event, commands)
            case GracePassed():
                self._end_grace(event, commands)
            case WorkerReady():
                worker = self._workers[event.worker]
                if worker.state == "starting":
                    worker.state = "ready"
                worker.heard_at = event.at
                self._failed_starts = 0
            case BatchFinished():
                self._take_in(event, commands)
            case ChunkReturned():
                self._take_back(event, commands)
            case CancelDone():
                self._cancelled(event.worker, event.job, commands)
            case WorkerSpoiled():
                worker = self._workers[event.worker]
                worker.state = "stopping"
                self._requeue_all(worker, commands)
                commands.append(StopWorker(event.worker))
                for job_number in sorted(worker.cancelling):
                    self._cancelled(event.worker, job_number, commands)
            case WorkerDied():
                self._bury(event, commands)
            case IterationOverran():
                self._stop_overrun(event, commands)
            case WorkersOutdated():
                for number in event.workers:
                    if number in self._workers:
                        self._workers[number].outdated = True
            case Ticked():
                self._look_for_overdue(event, commands)
            case _:
                msg = f"the scheduler does not know {type(event).__name__}"
                raise TypeError(msg)
        self._staff(commands)
        self._renew(commands)
        self._dispatch(commands)
        self._share_the_end(commands)
        self._ask_for_items(commands)
        self._end_loans(commands)
        return commands

    # ------------------------------------------------------------ one event each

    def _resize(self, event: PoolResized, commands: list[Command]) -> None:
        self.wanted = event.workers
        self._tasks_each = event.tasks_each
        self._failed_starts = 0
        # The highest numbers go; what they have not begun is taken back, what they run is finished.
        staying = [number for number in sorted(self._workers) if self._workers[number].state != "stopping"]
        for number in staying[self.wanted :]:
            worker = self._workers[number]
            worker.state = "stopping"
            for piece in worker.pieces[1:]:
                self._recall(number, piece, commands)
            if not worker.pieces:
                commands.append(StopWorker(number))

    def _open(self, event: JobOpened) -> None:
        self._jobs[event.job] = _Job(
            first=event.first,
            limit=event.workers,
            stop=None if event.total is None else event.first + event.total,
            each_s=event.expected_s,
            pulled=event.first,
            frontier=event.first,
            taken=event.first,
            chunk=event.chunk,
            ahead=event.ahead,
            timeout_s=event.timeout_s,
            retries=event.retries,
            loan=event.loan,
            eager=event.eager,
            way_s=event.way_s,
            pulling=event.eager,  # its first chunks are on their way
        )
        if event.loan:
            self._loans[event.job] = None
        else:
            self._others += 1
        self._hungry[event.job] = None

    def _queue(self, event: ChunkQueued, commands: list[Command]) -> None:
        job = self._jobs.get(event.job)
        if job is None or job.closed:
            commands.append(ReleaseChunk(event.job, event.chunk))
            return
        job.pulling = False
        job.pulled = event.first + event.count
        each = event.nbytes / event.count
        job.each_nbytes = each if not job.each_nbytes else (job.each_nbytes + each) / 2
        job.pieces_of[event.chunk] = 0
        self._enqueue(_Piece(event.job, event.chunk, event.first, event.first + event.count), commands)

    def _limit(self, event: JobResized, commands: list[Command]) -> None:
        job = self._jobs.get(event.job)
        if job is None or job.closed:
            return
        if job.queue:
            self._unlist(event.job, job)
        job.limit = event.workers
        if job.queue:
            self._list(event.job, job)
        staying = {number for number, _ in self._eligible(job)}
        for number, worker in sorted(self._workers.items()):
            for piece in worker.pieces[1:] if number not in staying else ():
                if piece.job == event.job:
                    self._recall(number, piece, commands)

    def _close(self, event: JobClosed, commands: list[Command]) -> None:
        job = self._jobs.get(event.job)
        if job is None or job.closed:
            return
        job.closed = True
        self._hungry.pop(event.job, None)
        if job.loan:
            del self._loans[event.job]
        else:
            self._others -= 1
        if job.queue:
            self._unlist(event.job, job)
            job.queue.clear()
        for number, worker in sorted(self._workers.items()):
            if any(piece.job == event.job for piece in worker.pieces):
                worker.cancelling.add(event.job)
                commands.append(InterruptWorker(number, event.job))
        self._release_if_free(event.job, commands)

    def _end_grace(self, event: GracePassed, commands: list[Command]) -> None:
        for number, worker in sorted(self._workers.items()):
            if event.job in worker.cancelling:
                worker.state = "stopping"
                self._requeue_all(worker, commands)
                worker.cancelling.clear()
                commands.append(KillWorker(number))
        self._release_if_free(event.job, commands)

    def _take_in(self, event: BatchFinished, commands: list[Command]) -> None:
        worker = self._workers[event.worker]
        worker.heard_at, worker.overdue = event.at, False
        if not worker.pieces and worker.state == "stopping":  # it was killed; its work is with others
            return
        piece = worker.pieces[0]
        piece.spent = False
        if piece.chunk != event.chunk:
            msg = f"worker {event.worker} reports chunk {event.chunk}, but runs chunk {piece.chunk}"
            raise RuntimeError(msg)
        job = self._jobs[piece.job]
        stop = event.first + event.count
        job.finish(event.first, stop, event.nbytes)
        piece.first = stop
        if event.count and event.times:
            took = event.times[-1] - event.times[0]
            each = took / event.count
            job.worked_s += took
            job.made_nbytes += event.nbytes
            # The newest counts half: the first iterations import and warm up, and are no guide to the others.
            if job.is_fresh and job.queue:
                self._unlist(piece.job, job)
                job.each_s = each
                self._list(piece.job, job)
            job.each_s = each if job.each_s is None or job.finished == event.count else (job.each_s + each) / 2
        if event.chunk_done:
            worker.pieces.pop(0)
            worker.done += 1
            if worker.done == self._tasks_each and worker.state == "ready":
                worker.state = "stopping"
            if piece.first < piece.stop:  # an iteration ended the job
                job.cut = piece.first if job.cut is None else min(job.cut, piece.first)
                self._drop_after_cut(piece.job, job, commands)
            self._finish_piece(piece, commands)
            if worker.state == "stopping" and not worker.pieces:
                commands.append(StopWorker(event.worker))

    def _take_back(self, event: ChunkReturned, commands: list[Command]) -> None:
        worker = self._workers[event.worker]
        for place, piece in enumerate(worker.pieces):
            if piece.number == event.piece:
                piece.recalled = False
                piece.spent = event.first >= event.stop
                if event.whole:
                    del worker.pieces[place]
                    self._enqueue_again(piece, commands)
                elif not piece.spent:
                    piece.stop = event.first
                    self._enqueue(_Piece(piece.job, piece.chunk, event.first, event.stop), commands)
                break
        if worker.state == "stopping" and not worker.pieces:
            commands.append(StopWorker(event.worker))

    def _cancelled(self, number: int, job_number: int, commands: list[Command]) -> None:
        worker = self._workers[number]
        worker.cancelling.discard(job_number)
        mine = [piece for piece in worker.pieces if piece.job == job_number]
        worker.pieces = [piece for piece in worker.pieces if piece.job != job_number]
        for piece in mine:
            self._finish_piece(piece, commands)
        if worker.state == "stopping" and mine and not worker.pieces:
            commands.append(StopWorker(number))
        self._release_if_free(job_number, commands)

    def _bury(self, event: WorkerDied, commands: list[Command]) -> None:
        worker = self._workers.pop(event.worker)
        if worker.state == "starting":
            self._failed_starts += 1
            if self._failed_starts == MAX_FAILED_STARTS:
                commands.append(GiveUp(self._failed_starts))
        if worker.pieces and worker.pieces[0].job not in worker.cancelling:
            self._blame(event, worker.pieces[0], commands)
        self._requeue_all(worker, commands)
        for job_number in sorted(worker.cancelling):
            self._release_if_free(job_number, commands)

    def _blame(self, event: WorkerDied, piece: _Piece, commands: list[Command]) -> None:
        """Take the iteration that the worker died of out of `piece`, which is left with what comes before it."""
        job = self._jobs[piece.job]
        if job.closed or piece.first >= piece.stop:
            return
        lost = event.iteration
        known = lost is not None and piece.first <= lost < piece.stop
        if not known:
            piece.deaths += 1
            if piece.deaths < MAX_DEATHS:
                return
            lost = piece.first
        assert lost is not None
        self._lose(job, piece, lost, event.worker, commands, known=known)

    def _lose(
        self, job: _Job, piece: _Piece, lost: int, worker: int, commands: list[Command], *, known: bool = True,
        overran: bool = False,
    ) -> None:  # fmt: skip
        """Take iteration `lost` out of `piece`: it is run again where it may be, by itself, or has failed."""
        failures = job.failures.get(lost, 0)
        if failures < job.retries:
            job.failures[lost] = failures + 1
            self._enqueue(_Piece(piece.job, piece.chunk, lost, lost + 1), commands)
        else:
            job.failures.pop(lost, None)
            commands.append(FailIteration(piece.job, lost, worker, known, overran))
            job.finish(lost, lost + 1, 0)
        if lost + 1 < piece.stop:
            self._enqueue(_Piece(piece.job, piece.chunk, lost + 1, piece.stop), commands)
        piece.stop = lost

    def _stop_overrun(self, event: IterationOverran, commands: list[Command]) -> None:
        worker = self._workers[event.worker]
        piece = worker.pieces[0] if worker.pieces else None
        if piece is None or not piece.first <= event.iteration < piece.stop or piece.job in worker.cancelling:
            return  # it has ended in the meantime, or is being stopped anyway
        worker.state = "stopping"
        self._lose(self._jobs[piece.job], piece, event.iteration, event.worker, commands, overran=True)
        self._requeue_all(worker, commands)
        commands.append(KillWorker(event.worker))
        for job_number in sorted(worker.cancelling):
            self._cancelled(event.worker, job_number, commands)

    def _look_for_overdue(self, event: Ticked, commands: list[Command]) -> None:
        for number, worker in sorted(self._workers.items()):
            if worker.pieces and event.at - worker.heard_at > OVERDUE_S + self._should_take_s(worker.pieces[0]):
                worker.overdue = True
                for piece in worker.pieces[1:]:
                    self._recall(number, piece, commands)

    def _should_take_s(self, piece: _Piece) -> float:
        """Seconds that a worker may be silent over a piece: all of what is left of it, or one longest batch."""
        return min(LONG_CHUNK_S, (piece.stop - piece.first) * (self._jobs[piece.job].each_s or 0.0))

    # ------------------------------------------------------------ pieces

    def _enqueue(self, piece: _Piece, commands: list[Command]) -> None:
        """Put new work into its job's queue."""
        job = self._jobs[piece.job]
        job.pieces_of[piece.chunk] += 1
        self._enqueue_again(piece, commands)

    def _enqueue_again(self, piece: _Piece, commands: list[Command]) -> None:
        job = self._jobs[piece.job]
        unwanted = job.closed or (job.cut is not None and piece.first >= job.cut)
        if unwanted or piece.first >= piece.stop:
            self._finish_piece(piece, commands)
        else:
            if not job.queue:
                self._list(piece.job, job)
            heapq.heappush(job.queue, piece)

    def _requeue_all(self, worker: _Worker, commands: list[Command]) -> None:
        for piece in worker.pieces:
            piece.recalled = piece.spent = False
            self._enqueue_again(piece, commands)
        worker.pieces = []

    def _finish_piece(self, piece: _Piece, commands: list[Command]) -> None:
        job = self._jobs[piece.job]
        job.pieces_of[piece.chunk] -= 1
        if job.pieces_of[piece.chunk] == 0:
            del job.pieces_of[piece.chunk]
            commands.append(ReleaseChunk(piece.job, piece.chunk))

    def _drop_after_cut(self, number: int, job: _Job, commands: list[Command]) -> None:
        assert job.cut is not None
        job.ended = True
        self._hungry.pop(number, None)
        keep = [piece for piece in job.queue if piece.first < job.cut]
        drop = [piece for piece in job.queue if piece.first >= job.cut]
        if drop and not keep:
            self._unlist(number, job)
        job.queue[:] = keep
        heapq.heapify(job.queue)
        for piece in drop:
            self._finish_piece(piece, commands)

    def _recall(self, number: int, piece: _Piece, commands: list[Command]) -> None:
        if not piece.recalled:
            piece.recalled = True
            commands.append(TakeBack(number, piece.number))

    def _release_if_free(self, job_number: int, commands: list[Command]) -> None:
        job = self._jobs.get(job_number)
        if job is None or not job.closed:
            return
        if any(piece.job == job_number for worker in self._workers.values() for piece in worker.pieces):
            return
        for chunk in job.pieces_of:
            commands.append(ReleaseChunk(job_number, chunk))
        del self._jobs[job_number]
        commands.append(ReleaseJob(job_number))

    # ------------------------------------------------------------ what follows from the state

    def _staff(self, commands: list[Command]) -> None:
        """Start what is missing; a number is used again when its process is gone."""
        if self._failed_starts >= MAX_FAILED_STARTS:
            return
        alive = sum(worker.state != "stopping" for worker in self._workers.values())
        number = 0
        while alive < self.wanted:
            while number in self._workers:
                number += 1
            self._workers[number] = _Worker()
            commands.append(StartWorker(number))
            alive += 1

    def _renew(self, commands: list[Command]) -> None:
        """Let one outdated worker go while there is nothing to do; the next when its successor is ready."""
        if len(self._jobs) > len(self._loans) or any(worker.state != "ready" for worker in self._workers.values()):
            return
        for number, worker in sorted(self._workers.items()):
            if worker.outdated and not worker.pieces:
                worker.state = "renewing"
                commands.append(StopWorker(number))
                return

    def _is_lent(self, worker: _Worker) -> bool:
        """Whether a worker is with a caller; then it has nothing else."""
        return bool(worker.pieces) and self._jobs[worker.pieces[0].job].loan

    def _end_loans(self, commands: list[Command]) -> None:
        """Have workers back that are lent while others wait, or that are to go."""
        for number in self._loans:
            if self._others or any(
                (worker.outdated or worker.state == "stopping") and any(piece.job == number for piece in worker.pieces)
                for worker in self._workers.values()
            ):
                commands.append(EndLoan(number))

    def _eligible(self, job: _Job) -> list[tuple[int, _Worker]]:
        """The workers that a job may use, those that are starting included."""
        usable = [(number, worker) for number, worker in sorted(self._workers.items()) if worker.state != "stopping"]
        return usable if job.limit is None else usable[: max(1, job.limit)]

    def _room(self, job: _Job, worker: _Worker) -> int:
        if self._is_lent(worker):
            return 0
        depth = 1 if worker.overdue or worker.state != "ready" else job.depth()
        if self._tasks_each is not None:
            depth = min(depth, self._tasks_each - worker.done)
        return max(0, depth - len(worker.pieces))

    def _dispatch(self, commands: list[Command]) -> None:
        """Give free workers what is queued, the oldest jobs first."""
        timed = self._queued[:]
        full = False  # no worker has room for a fresh job, so none has for the thousands after it
        while timed or (self._fresh and not full):
            if self._fresh and not full and not (timed and timed[0] < self._fresh[0]):
                full = not self._hand_out(self._fresh[0], commands)
            else:
                self._hand_out(timed.pop(0), commands)

    def _hand_out(self, number: int, commands: list[Command]) -> bool:
        """Give free workers what is queued of a job; False where something is left."""
        job = self._jobs[number]
        while job.queue:
            free = [
                (len(worker.pieces), name, worker)
                for name, worker in self._eligible(job)
                if worker.state == "ready" and not worker.cancelling and self._room(job, worker)
            ]
            if not free:
                return False
            _, name, worker = min(free, key=lambda each: each[:2])
            piece = heapq.heappop(job.queue)
            piece.number = self._sent
            self._sent += 1
            if not worker.pieces:  # until now there was nothing to say
                worker.heard_at, worker.overdue = self._now, False
            worker.pieces.append(piece)
            again = piece.deaths > 0
            commands.append(SendChunk(name, piece.number, number, piece.chunk, piece.first, piece.stop, again))
        self._unlist(number, job)
        return True

    def _list(self, number: int, job: _Job) -> None:
        """Note that a job has work in its queue."""
        bisect.insort(self._fresh if job.is_fresh else self._queued, number)

    def _unlist(self, number: int, job: _Job) -> None:
        """Note that it has none."""
        jobs = self._fresh if job.is_fresh else self._queued
        del jobs[bisect.bisect_left(jobs, number)]

    def _share_the_end(self, commands: list[Command]) -> None:
        """While there is nothing else to hand out, idle workers get what others have not begun."""
        for job_number in sorted({piece.job for worker in self._workers.values() for piece in worker.pieces}):
            job = self._jobs[job_number]
            if job.closed or job.queue or not job.ended:
                continue
            eligible = self._eligible(job)
            idle = sum(worker.state == "ready" and not worker.pieces for _, worker in eligible)
            idle -= sum(piece.recalled for _, worker in eligible for piece in worker.pieces)
            for number, worker in sorted(eligible, key=lambda each: -len(each[1].pieces)):
                for place, piece in reversed(list(enumerate(worker.pieces))):
                    if idle > 0 and not piece.recalled and self._worth_sharing(job, worker, place, piece):
                        self._recall(number, piece, commands)
                        idle -= 1

    def _worth_sharing(self, job: _Job, worker: _Worker, place: int, piece: _Piece) -> bool:
        if self._jobs[piece.job] is not job:
            return False
        if place > 0:
            return True
        left = piece.stop - piece.first - 1
        return left > 0 and not piece.spent and (worker.overdue or left * (job.each_s or 1.0) > SHARE_S)

    def _ask_for_items(self, commands: list[Command]) -> None:
        for number in sorted(self._hungry):
            job = self._jobs[number]
            if job.closed or job.ended or job.pulling:
                continue
            eligible = self._eligible(job)
            workers = max(1, len(eligible))
            if job.eager and job.each_s is None and len(job.pieces_of) >= workers:
                continue  # soon it is known how many to send
            room = sum(self._room(job, worker) for _, worker in eligible)
            reserve = room + max(1, workers // 2)
            size = job.chunk_size(workers)
            untaken = job.frontier - job.taken
            if job.ahead is not None and job.pulled + size > job.taken + job.ahead:
                continue
            ahead = untaken > workers * size or job.waiting_nbytes > WINDOW_NBYTES
            if len(job.queue) >= reserve or (ahead and not job.eager):
                continue
            job.pulling = True
            commands.append(PullItems(number, size))
