"""The scheduler by tables and by random sequences of events; no process, no clock."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpnb import scheduler as s
from mpnb.events import BatchFinished, Event, Ticked, WorkerDied, WorkerReady


def batch(
    worker: int, chunk: int, first: int, count: int, *, each: float = 0.001, done: bool = True, at: float = 0.0
) -> Event:
    """What a worker reports after `count` iterations of `each` seconds."""
    times = tuple(t for i in range(count) for t in (at + i * each, at + (i + 1) * each))
    return BatchFinished(
        at=at, worker=worker, chunk=chunk, first=first, count=count, times=times, decode_s=0.0, check_s=0.0,
        encode_s=0.0, nbytes=8 * count, chunk_done=done,
    )  # fmt: skip


def queued(chunk: int, first: int, count: int, job: int = 0, at: float = 0.0) -> s.ChunkQueued:
    """A chunk of small items."""
    return s.ChunkQueued(at=at, job=job, chunk=chunk, first=first, count=count, nbytes=8 * count)


def died(worker: int, iteration: int | None = None) -> Event:
    """A worker that was killed."""
    return WorkerDied(at=0.0, worker=worker, exitcode=-9, iteration=iteration)


def ready(worker: int) -> Event:
    """A worker that takes work."""
    return WorkerReady(at=0.0, worker=worker)


OPEN = s.JobOpened(at=0.0, job=0)
KNOWN = s.JobOpened(at=5.0, job=0, expected_s=0.01)
ENDED = s.ItemsEnded(at=0.0, job=0)
CLOSED = s.JobClosed(at=0.0, job=0)
LESS = s.JobResized(at=0.0, job=0, workers=1)
TWO = (s.PoolResized(at=0.0, workers=2), ready(0), ready(1))
OUTDATED = s.WorkersOutdated(at=0.0, workers=(0, 1))
ONE = (s.PoolResized(at=0.0, workers=1), ready(0))
LOAN = s.JobOpened(at=0.0, job=0, loan=True)
LENT = (*TWO, LOAN, queued(0, 0, 1), ENDED)
OTHER = s.JobOpened(at=0.0, job=1)
EAGER = s.JobOpened(at=0.0, job=0, total=3000, eager=True)


def test_a_pool_is_idle_while_a_worker_is_lent() -> None:
    """Nobody looks every few milliseconds after a loan that nobody uses."""
    scheduler = s.Scheduler()
    for event in LENT:
        scheduler.handle(event)
    assert scheduler.idle
    scheduler.handle(OTHER)
    scheduler.handle(queued(1, 0, 1, job=1))
    assert not scheduler.idle


# name, events before, the event in question, the commands it gives
TABLE: list[tuple[str, tuple[Event, ...], Event, list[s.Command]]] = [
    ("a pool starts its workers", (), s.PoolResized(at=0.0, workers=2), [s.StartWorker(0), s.StartWorker(1)]),
    ("an open job asks for items even before a worker is ready", (s.PoolResized(at=0.0, workers=2),), OPEN,
     [s.PullItems(0, 1)]),
    ("a chunk goes to an idle worker, and the next is asked for", (*TWO, OPEN), queued(0, 0, 1),
     [s.SendChunk(0, 0, 0, 0, 0, 1), s.PullItems(0, 1)]),
    ("the second chunk goes to the other worker", (*TWO, OPEN, queued(0, 0, 1)), queued(1, 1, 1),
     [s.SendChunk(1, 1, 0, 1, 1, 2), s.PullItems(0, 1)]),
    ("with all busy one chunk is held ready", (*TWO, OPEN, queued(0, 0, 1), queued(1, 1, 1)), queued(2, 2, 1), []),
    ("a finished chunk is released and makes room", (*TWO, OPEN, queued(0, 0, 1), queued(1, 1, 1), queued(2, 2, 1)),
     batch(0, 0, 0, 1, each=1.0), [s.ReleaseChunk(0, 0), s.SendChunk(0, 2, 0, 2, 2, 3), s.PullItems(0, 1)]),
    ("a death costs the iteration that ran; what was finished and not sent is done again",
     (*ONE, OPEN, queued(0, 0, 5), ENDED), died(0, 2),
     [s.FailIteration(0, 2, 0, known=True), s.StartWorker(0)]),
    ("a death outside any iteration costs nothing the first time", (*ONE, OPEN, queued(0, 0, 5), ENDED), died(0),
     [s.StartWorker(0)]),
    ("nor the second time; it is told of the first", (*ONE, OPEN, queued(0, 0, 5), ENDED, died(0)), ready(0),
     [s.SendChunk(0, 1, 0, 0, 0, 5, again=True)]),
    ("and the first iteration the third time",
     (*ONE, OPEN, queued(0, 0, 5), ENDED, died(0), ready(0), died(0), ready(0)), died(0),
     [s.FailIteration(0, 0, 0, known=False), s.StartWorker(0)]),
    ("a job that is closed while nothing runs is released at once", (*ONE, OPEN), CLOSED, [s.ReleaseJob(0)]),
    ("one that runs is interrupted where it runs", (*TWO, OPEN, queued(0, 0, 1)), CLOSED, [s.InterruptWorker(0, 0)]),
    ("and released when the worker says so", (*TWO, OPEN, queued(0, 0, 1), CLOSED),
     s.CancelDone(at=0.0, worker=0, job=0), [s.ReleaseChunk(0, 0), s.ReleaseJob(0)]),
    ("a worker that ignores it is killed after the grace", (*TWO, OPEN, queued(0, 0, 1), CLOSED),
     s.GracePassed(at=0.0, job=0), [s.ReleaseChunk(0, 0), s.KillWorker(0), s.ReleaseJob(0), s.StartWorker(2)]),
    ("only that one", (*TWO, OPEN, queued(0, 0, 1), queued(1, 1, 1), CLOSED, s.CancelDone(at=0.0, worker=1, job=0)),
     s.GracePassed(at=0.0, job=0), [s.ReleaseChunk(0, 0), s.KillWorker(0), s.ReleaseJob(0), s.StartWorker(2)]),
    ("a smaller pool lets the last worker go", TWO, s.PoolResized(at=0.0, workers=1), [s.StopWorker(1)]),
    ("one that works goes later", (*TWO, OPEN, queued(0, 0, 1), queued(1, 1, 1), ENDED),
     s.PoolResized(at=0.0, workers=1), []),
    ("when it has finished", (*TWO, OPEN, queued(0, 0, 1), queued(1, 1, 1), ENDED, s.PoolResized(at=0.0, workers=1)),
     batch(1, 1, 1, 1), [s.ReleaseChunk(0, 1), s.StopWorker(1)]),
    ("a job that may have fewer gives no more work to the others", (*TWO, OPEN, queued(0, 0, 1), queued(1, 1, 1), LESS,
     queued(2, 2, 1)), batch(1, 1, 1, 1), [s.ReleaseChunk(0, 1), s.SendChunk(0, 2, 0, 2, 2, 3), s.PullItems(0, 5)]),
    ("what waits there is taken back", (*TWO, KNOWN, queued(0, 0, 9), queued(1, 9, 9), queued(2, 18, 9), queued(3, 27, 9)),
     LESS, [s.TakeBack(1, 3)]),
    ("one that may have more begins with them at once", (*TWO, replace(OPEN, workers=1), queued(0, 0, 1), queued(1, 1, 1)),
     replace(LESS, workers=2), [s.SendChunk(1, 1, 0, 1, 1, 2), s.PullItems(0, 1)]),
    ("an idle worker gets half of what another has not begun", (*ONE, OPEN, queued(0, 0, 9), ENDED,
     s.PoolResized(at=0.0, workers=2)), ready(1), [s.TakeBack(0, 0)]),
    ("which is sent on", (*ONE, OPEN, queued(0, 0, 9), ENDED, s.PoolResized(at=0.0, workers=2), ready(1)),
     s.ChunkReturned(at=0.0, worker=0, piece=0, first=5, stop=9, whole=False), [s.SendChunk(1, 1, 0, 0, 5, 9)]),
    ("what waits behind a long iteration is taken back", (*ONE, OPEN, queued(0, 0, 1), batch(0, 0, 0, 1),
     queued(1, 1, 2), queued(2, 3, 2)), Ticked(at=1.0), [s.TakeBack(0, 2)]),
    ("not while the chunk before it takes no longer than it should", (*ONE, KNOWN, queued(0, 0, 9, at=5.0), queued(1, 9, 9, at=5.0)),
     Ticked(at=5.18), []),
    ("but when it does", (*ONE, KNOWN, queued(0, 0, 9, at=5.0), queued(1, 9, 9, at=5.0)), Ticked(at=5.2), [s.TakeBack(0, 1)]),
    ("and for no more than a batch where the chunk is longer than that", (*ONE, replace(KNOWN, expected_s=0.049), queued(0, 0, 20, at=5.0),
     queued(1, 20, 20, at=5.0)), Ticked(at=5.21), [s.TakeBack(0, 1)]),
    ("workers that never get ready are given up", (s.PoolResized(at=0.0, workers=1), died(0), died(0)), died(0),
     [s.GiveUp(3)]),
    ("an iteration that runs too long is ended with its worker; what came before and after is done by others",
     (*ONE, OPEN, queued(0, 0, 5), ENDED), s.IterationOverran(at=0.0, worker=0, iteration=2),
     [s.FailIteration(0, 2, 0, known=True, overran=True), s.KillWorker(0), s.StartWorker(1)]),
    ("one that has ended in the meantime is no reason", (*ONE, OPEN, queued(0, 0, 5), ENDED, batch(0, 0, 0, 3, done=False)),
     s.IterationOverran(at=0.0, worker=0, iteration=2), []),
    ("an iteration that may be tried again is, by itself", (*TWO, s.JobOpened(at=0.0, job=0, retries=1), queued(0, 0, 3), ENDED),
     died(0, 0), [s.StartWorker(0), s.SendChunk(1, 1, 0, 0, 0, 1)]),
    ("but only as often as that", (*ONE, s.JobOpened(at=0.0, job=0, retries=1), queued(0, 0, 1), ENDED, died(0, 0), ready(0)),
     died(0, 0), [s.FailIteration(0, 0, 0, known=True), s.ReleaseChunk(0, 0), s.StartWorker(0)]),
    ("a worker that has done its tasks is replaced", (s.PoolResized(at=0.0, workers=1, tasks_each=1), ready(0), OPEN,
     queued(0, 0, 1), queued(1, 1, 1), ENDED), batch(0, 0, 0, 1),
     [s.ReleaseChunk(0, 0), s.StopWorker(0), s.StartWorker(1)]),
    ("a caller that takes nothing has only so much pulled", (*TWO, s.JobOpened(at=0.0, job=0, ahead=2), queued(0, 0, 1)),
     queued(1, 1, 1), [s.SendChunk(1, 1, 0, 1, 1, 2)]),
    ("until it does", (*TWO, s.JobOpened(at=0.0, job=0, ahead=2), queued(0, 0, 1), queued(1, 1, 1), batch(0, 0, 0, 1, each=1.0)),
     s.OutcomesTaken(at=0.0, job=0, stop=1), [s.PullItems(0, 1)]),
    ("a spoiled worker is replaced, its work goes elsewhere", (*TWO, OPEN, queued(0, 0, 1), ENDED),
     s.WorkerSpoiled(at=0.0, worker=0), [s.StopWorker(0), s.StartWorker(2), s.SendChunk(1, 1, 0, 0, 0, 1)]),
    ("of outdated workers one is let go while there is nothing to do", TWO, OUTDATED, [s.StopWorker(0)]),
    ("its number goes to a new process when it is gone", (*TWO, OUTDATED), died(0), [s.StartWorker(0)]),
    ("the next follows when that is ready", (*TWO, OUTDATED, died(0)), ready(0), [s.StopWorker(1)]),
    ("and then no other", (*TWO, OUTDATED, died(0), ready(0), died(1)), ready(1), []),
    ("while a job is open all of them stay", (*TWO, OPEN), OUTDATED, []),
    ("until it is closed", (*TWO, OPEN, OUTDATED), CLOSED, [s.ReleaseJob(0), s.StopWorker(0)]),
    ("a job that comes meanwhile begins with the others", (*TWO, OUTDATED, OPEN), queued(0, 0, 1),
     [s.SendChunk(1, 0, 0, 0, 0, 1), s.PullItems(0, 1)]),
    ("and the rest is replaced after it", (*TWO, OUTDATED, OPEN, died(0), ready(0)), CLOSED,
     [s.ReleaseJob(0), s.StopWorker(1)]),
    ("a pool that becomes smaller meanwhile lets it go for good", (*ONE, s.PoolResized(at=0.0, workers=2), ready(1),
     s.WorkersOutdated(at=0.0, workers=(1,)), s.PoolResized(at=0.0, workers=1)), died(1), []),
    ("of a list that is all there the first chunks are on their way", (s.PoolResized(at=0.0, workers=2),), EAGER, []),
    ("and no more are asked for until one tells how long they take", (*TWO, EAGER, queued(0, 0, 64)), queued(1, 64, 64),
     [s.SendChunk(1, 1, 0, 1, 64, 128)]),
    ("then as many as make a millisecond, whatever has been taken", (*TWO, EAGER, queued(0, 0, 64), queued(1, 64, 64)),
     batch(0, 0, 0, 64, each=1e-6), [s.ReleaseChunk(0, 0), s.PullItems(0, 1000)]),
    ("a loan is of one worker", (*TWO, LOAN), queued(0, 0, 1), [s.SendChunk(0, 0, 0, 0, 0, 1), s.PullItems(0, 1)]),
    ("a lent worker is wanted back as soon as another job is open", LENT, OTHER, [s.PullItems(1, 1), s.EndLoan(0)]),
    ("until then the job has the others; and the wish is repeated", (*LENT, OTHER), queued(1, 0, 1, job=1),
     [s.SendChunk(1, 1, 1, 1, 0, 1), s.PullItems(1, 1), s.EndLoan(0)]),
    ("nothing is sent to a lent worker", (*LENT, OTHER, queued(1, 0, 1, job=1)), queued(2, 1, 1, job=1), [s.EndLoan(0)]),
    ("which is told when the caller has closed the loan", (*LENT, OTHER, queued(1, 0, 1, job=1), queued(2, 1, 1, job=1)),
     CLOSED, [s.InterruptWorker(0, 0)]),
    ("and then has work", (*LENT, OTHER, queued(1, 0, 1, job=1), queued(2, 1, 1, job=1), CLOSED),
     s.CancelDone(at=0.0, worker=0, job=0),
     [s.ReleaseChunk(0, 0), s.ReleaseJob(0), s.SendChunk(0, 2, 1, 2, 1, 2), s.PullItems(1, 1)]),
    ("a lent worker that is to go is wanted back", LENT, s.PoolResized(at=0.0, workers=0),
     [s.StopWorker(1), s.EndLoan(0)]),
    ("so is one that is outdated; the other is let go meanwhile", LENT, OUTDATED, [s.StopWorker(1), s.EndLoan(0)]),
    ("a lent worker that dies in a call costs that call", LENT, died(0, 0),
     [s.FailIteration(0, 0, 0, known=True), s.ReleaseChunk(0, 0), s.StartWorker(0)]),
    ("one that dies between calls is followed by another", LENT, died(0),
     [s.StartWorker(0), s.SendChunk(1, 1, 0, 0, 0, 1, again=True)]),
]  # fmt: skip


@pytest.mark.parametrize(("before", "event", "commands"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_table(before: tuple[Event, ...], event: Event, commands: list[s.Command]) -> None:
    """Each line of the table holds."""
    scheduler = s.Scheduler()
    for each in before:
        scheduler.handle(each)
    assert scheduler.handle(event) == commands


def test_the_same_events_give_the_same_commands() -> None:
    """The scheduler has no state but what events gave it."""
    for row in TABLE:
        one, two = s.Scheduler(), s.Scheduler()
        assert [one.handle(each) for each in (*row[1], row[2])] == [two.handle(each) for each in (*row[1], row[2])]


@pytest.mark.parametrize(
    ("each", "total", "low", "high"),
    [(0.02, None, 1, 1), (0.001, None, 3, 20), (1.0, None, 1, 1), (1e-6, None, 3, 20_000), (1e-6, 12, 1, 3)],
)
def test_chunks_adapt(each: float, total: int | None, low: int, high: int) -> None:
    """A chunk holds about 20 ms of work, and never more than the fair share of what is left."""
    scheduler = s.Scheduler()
    before = (*TWO, s.JobOpened(at=0.0, job=0, total=total), *(queued(i, i, 1) for i in range(3)))
    for event in before:
        scheduler.handle(event)
    commands = scheduler.handle(batch(0, 0, 0, 1, each=each))
    commands += scheduler.handle(s.OutcomesTaken(at=0.0, job=0, stop=1))
    if any(isinstance(c, s.PullItems) for c in commands):  # the first is answered as it was asked
        commands = scheduler.handle(queued(3, 3, 1))
    commands += scheduler.handle(batch(1, 1, 1, 1, each=each))
    commands += scheduler.handle(s.OutcomesTaken(at=0.0, job=0, stop=2))
    counts = [c.count for c in commands if isinstance(c, s.PullItems)]
    assert counts
    assert low <= counts[-1] <= high


def chunks_of(job: s.JobOpened, each: float, nbytes: int = 8, until: int = 4000) -> list[tuple[int, int]]:
    """First iteration and length of each chunk of a job that two workers run, whose results are taken at once."""
    scheduler = s.Scheduler()
    waiting = deque(command for event in (*TWO, job) for command in scheduler.handle(event))
    chunks: list[tuple[int, int]] = []
    pulled = done = 0
    while done < until:
        match waiting.popleft():
            case s.PullItems(_, count):
                count = min(count, until - pulled)
                chunks.append((pulled, count))
                waiting += scheduler.handle(queued(len(chunks), pulled, count))
                pulled += count
                if pulled == until:
                    waiting += scheduler.handle(ENDED)
            case s.SendChunk(worker, _, _, chunk, first, stop):
                event = replace(batch(worker, chunk, first, stop - first, each=each), nbytes=nbytes * (stop - first))
                waiting += scheduler.handle(event)
                waiting += scheduler.handle(s.OutcomesTaken(at=0.0, job=0, stop=stop))
                done += stop - first
    return chunks


@pytest.mark.parametrize(
    ("nbytes", "ahead", "longest_s"),
    [(8, None, s.LONG_CHUNK_S), (8, 1000, s.CHUNK_S), (100_000, None, 0.042), (10**7, None, s.CHUNK_S)],
)
def test_chunks_of_a_long_job_are_longer(nbytes: int, ahead: int | None, longest_s: float) -> None:
    """They grow with what has been done, up to a limit; not where results are large, or few may be pulled ahead."""
    each = 0.001
    chunks = chunks_of(replace(OPEN, ahead=ahead), each, nbytes)
    for before, count in chunks:
        assert count * each <= max(s.CHUNK_S, before * each / (2 * s.RAMP)) + 1e-9
    assert max(count for _, count in chunks) * each == pytest.approx(longest_s, abs=2 * each)
    assert all(count * each >= s.CHUNK_S - each for before, count in chunks[:-1] if before > 200)


@pytest.mark.parametrize(("each", "total", "least"), [(0.001, 4000, 5), (2**-13, 4000, 40), (0.02, 400, 1)])
def test_the_end_of_a_long_job_is_not_cut_into_crumbs(each: float, total: int, least: int) -> None:
    """Its last chunks are as long as what is not worth moving, and of one iteration where that takes longer."""
    counts = [count for _, count in chunks_of(replace(OPEN, total=total), each, until=total)]
    assert sum(counts) == total
    assert min(counts[len(counts) // 2 : -2]) == least


def test_chunks_are_of_the_size_that_was_said() -> None:
    """Whatever an iteration takes, and however many there are."""
    scheduler = s.Scheduler()
    for event in TWO:
        scheduler.handle(event)
    asked = scheduler.handle(s.JobOpened(at=0.0, job=0, total=1000, expected_s=10.0, chunk=7))
    for number in range(3):
        assert [c for c in asked if isinstance(c, s.PullItems)] == [s.PullItems(0, 7)]
        asked = scheduler.handle(queued(number, 7 * number, 7))
        if number == 1:  # both workers have something to do
            asked += scheduler.handle(batch(0, 0, 0, 7, each=1e-6))
            asked += scheduler.handle(s.OutcomesTaken(at=0.0, job=0, stop=7))


def test_a_slow_caller_has_little_pulled_for_it() -> None:
    """What is pulled and not yet with the caller stays in proportion to what the caller has had."""
    world = World(workers=2, each=1e-6)
    world.open(0, total=None, items=10**6)
    for taken in range(20):
        world.settle()
        world.tell(s.OutcomesTaken(at=0.0, job=0, stop=taken))
    assert world.jobs[0].pulled < 500


# ---------------------------------------------------------------- a world of scripted workers


@dataclass
class FakeWorker:
    """Runs one iteration at a time, reports when told to, like the real one."""

    ready: bool = False
    told_to_end: bool = False
    queue: deque[list[Any]] = field(default_factory=deque)  # [job, chunk, next, stop, sent, name]
    inbox: deque[s.Command] = field(default_factory=deque)


@dataclass
class FakeJob:
    """A caller and its items."""

    items: int
    want: int = 0
    pulled: int = 0
    released: bool = False
    closed: bool = False
    ended: bool = False
    finished: Counter[int] = field(default_factory=Counter)
    lost: Counter[int] = field(default_factory=Counter)
    taken: int = 0
    chunks: dict[int, tuple[int, int]] = field(default_factory=dict)
    ahead: int | None = None
    retries: int = 0


class World:
    """All that is around a scheduler, run step by step."""

    def __init__(self, workers: int, each: float = 0.001, tasks_each: int | None = None) -> None:
        self.scheduler = s.Scheduler()
        self.workers: dict[int, FakeWorker] = {}
        self.jobs: dict[int, FakeJob] = {}
        self.each = each
        self.at = 0.0
        self.chunk = 0
        self.crashes = 0
        self.tasks_each = tasks_each
        self.resize(workers)

    def resize(self, workers: int) -> None:
        """So many workers are wanted."""
        self.tell(s.PoolResized(at=self.at, workers=workers, tasks_each=self.tasks_each))

    def tell(self, event: Event) -> None:
        """An event, and what follows from it."""
        for command in self.scheduler.handle(event):
            self.do(command)

    def do(self, command: s.Command) -> None:
        """What the pool would do."""
        match command:
            case s.StartWorker(worker):
                assert worker not in self.workers
                self.workers[worker] = FakeWorker()
            case s.SendChunk(worker, _, job, chunk, first, stop):
                assert self.workers[worker].ready
                begin, end = self.jobs[job].chunks[chunk]
                assert begin <= first < stop <= end
                self.workers[worker].inbox.append(command)
            case s.TakeBack(worker, _) | s.InterruptWorker(worker, _):
                self.workers[worker].inbox.append(command)
            case s.StopWorker(worker):
                assert not self.workers[worker].queue
                self.workers[worker].told_to_end = True
            case s.KillWorker(worker):
                self.workers[worker].told_to_end = True
            case s.PullItems(job, count):
                asked = self.jobs[job]
                assert asked.want == 0
                assert asked.ahead is None or asked.pulled + count <= asked.taken + asked.ahead
                asked.want = count
            case s.FailIteration(job, iteration, _, _):
                self.jobs[job].lost[iteration] += 1
            case s.ReleaseChunk(job, chunk):
                del self.jobs[job].chunks[chunk]
            case s.ReleaseJob(job):
                self.jobs[job].released = True
            case s.GiveUp():
                raise AssertionError(command)

    def open(
        self, job: int, *, total: int | None, items: int, workers: int | None = None, ahead: int | None = None,
        retries: int = 0,
    ) -> None:  # fmt: skip
        """A job begins."""
        self.jobs[job] = FakeJob(items, ahead=ahead, retries=retries)
        self.tell(s.JobOpened(at=self.at, job=job, total=total, workers=workers, ahead=ahead, retries=retries))

    def pull(self, number: int, short: int = 0) -> bool:
        """The caller answers PullItems."""
        job = self.jobs[number]
        if not job.want or job.closed or job.ended:
            return False
        count = min(max(1, job.want - short), job.items - job.pulled)
        job.want = 0
        if count:
            first = job.pulled
            job.pulled += count
            self.chunk += 1
            job.chunks[self.chunk] = (first, first + count)
            self.tell(s.ChunkQueued(at=self.at, job=number, chunk=self.chunk, first=first, count=count, nbytes=count))
        if job.pulled == job.items:
            job.ended = True
            self.tell(s.ItemsEnded(at=self.at, job=number))
        return True

    def take(self, number: int) -> bool:
        """The caller takes all it can have."""
        job = self.jobs[number]
        before = job.taken
        while job.finished[job.taken] or job.lost[job.taken]:
            job.taken += 1
        if job.taken > before:
            self.tell(s.OutcomesTaken(at=self.at, job=number, stop=job.taken))
        return job.taken > before

    def step(self, number: int, *, iterations: int = 1, deaf: bool = False) -> bool:
        """A worker gets ready, or ends, or reads a message, or runs."""
        worker = self.workers[number]
        if worker.told_to_end:
            self.die(number)
            return True
        if not worker.ready:
            worker.ready = True
            self.tell(WorkerReady(at=self.at, worker=number))
            return True
        if worker.inbox and not deaf:
            self.read(number, worker)
            return True
        if not worker.queue:
            return False
        piece = worker.queue[0]
        job, chunk, following, stop, sent, _ = piece
        following = min(stop, following + iterations)
        piece[2] = following
        done = following >= stop
        if done or iterations % 2:
            piece[4] = following
            if done:
                worker.queue.popleft()
            self.jobs[job].finished.update(range(sent, following))
            self.at += self.each
            self.tell(batch(number, chunk, sent, following - sent, each=self.each, done=done, at=self.at))
        return True

    def read(self, number: int, worker: FakeWorker) -> None:
        """A worker reads a message."""
        match worker.inbox.popleft():
            case s.SendChunk(_, name, job, chunk, first, stop):
                worker.queue.append([job, chunk, first, stop, first, name])
            case s.TakeBack(_, name):
                first = stop = 0
                whole = False
                for piece in list(worker.queue):
                    if piece[5] == name:
                        stop = piece[3]
                        if piece is worker.queue[0]:
                            piece[3] = first = piece[2] + (stop - piece[2]) // 2
                        else:
                            first, whole = piece[2], True
                            worker.queue.remove(piece)
                        break
                self.tell(s.ChunkReturned(at=self.at, worker=number, piece=name, first=first, stop=stop, whole=whole))
            case s.InterruptWorker(_, job):
                worker.queue = deque(piece for piece in worker.queue if piece[0] != job)
                self.tell(s.CancelDone(at=self.at, worker=number, job=job))

    def die(self, number: int) -> None:
        """A worker's process ends."""
        worker = self.workers.pop(number)
        running = worker.queue[0] if worker.queue else None
        iteration = running[2] if running and running[2] < running[3] and not worker.told_to_end else None
        if not worker.told_to_end:
            self.crashes += 1
        self.tell(WorkerDied(at=self.at, worker=number, exitcode=-9, iteration=iteration))

    def overrun(self, number: int) -> None:
        """What a worker runs has taken too long."""
        worker = self.workers[number]
        if worker.queue and worker.queue[0][2] < worker.queue[0][3] and not worker.told_to_end:
            self.crashes += 1
            self.tell(s.IterationOverran(at=self.at, worker=number, iteration=worker.queue[0][2]))

    def close(self, number: int) -> None:
        """The caller has had enough."""
        if not self.jobs[number].closed:
            self.jobs[number].closed = True
            self.tell(s.JobClosed(at=self.at, job=number))

    def grace(self, number: int) -> None:
        """The grace of a closed job is over."""
        if self.jobs[number].closed and not self.jobs[number].released:
            self.tell(s.GracePassed(at=self.at, job=number))
            assert self.jobs[number].released

    def settle(self, limit: int = 100_000) -> None:
        """Go on until nothing more happens."""
        for _ in range(limit):
            moved = [self.step(number, iterations=51) for number in list(self.workers) if number in self.workers]
            moved += [self.pull(number) for number in self.jobs]
            if not any(moved):
                return
        raise AssertionError("it never settles")


moves = st.one_of(
    st.tuples(st.just("step"), st.integers(0, 15), st.integers(1, 8)),
    st.tuples(st.just("step"), st.integers(0, 15), st.integers(1, 8)),
    st.tuples(st.just("pull"), st.integers(0, 2), st.integers(0, 3)),
    st.tuples(st.just("take"), st.integers(0, 2)),
    st.tuples(st.just("die"), st.integers(0, 15)),
    st.tuples(st.just("overrun"), st.integers(0, 15)),
    st.tuples(st.just("deaf"), st.integers(0, 15), st.integers(1, 3)),
    st.tuples(st.just("tick"), st.floats(0.0, 0.3)),
    st.tuples(st.just("resize"), st.integers(1, 16)),
    st.tuples(st.just("limit"), st.integers(0, 2), st.integers(1, 16)),
    st.tuples(st.just("close"), st.integers(1, 2)),
    st.tuples(st.just("grace"), st.integers(1, 2)),
    st.tuples(st.just("outdate"), st.integers(0, 15)),
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    workers=st.integers(1, 16),
    items=st.lists(st.integers(0, 60), min_size=3, max_size=3),
    known=st.booleans(),
    limit=st.none() | st.integers(1, 4),
    each=st.sampled_from([1e-6, 1e-3, 0.03, 0.2]),
    tasks_each=st.none() | st.integers(1, 4),
    ahead=st.none() | st.integers(1, 64),
    retries=st.integers(0, 2),
    script=st.lists(moves, max_size=150),
)
def test_random_sequences(
    workers: int, items: list[int], known: bool, limit: int | None, each: float, tasks_each: int | None,
    ahead: int | None, retries: int, script: list[Any],
) -> None:  # fmt: skip
    """Whatever happens, no iteration is lost, none is done twice without a crash, and everything comes to an end."""
    world = World(workers, each, tasks_each)
    for number, count in enumerate(items):
        total = count if known else None
        world.open(number, total=total, items=count, workers=limit, ahead=ahead, retries=retries)
    for move, *values in script:
        at = None
        if move in {"step", "die", "deaf", "overrun"} and world.workers:
            at = sorted(world.workers)[values[0] % len(world.workers)]
        match move:
            case "step" if at is not None:
                world.step(at, iterations=values[1])
            case "deaf" if at is not None:
                world.step(at, iterations=values[1], deaf=True)
            case "die" if at is not None and world.workers[at].ready:
                world.die(at)
            case "overrun" if at is not None:
                world.overrun(at)
            case "pull":
                world.pull(values[0], values[1])
            case "take":
                world.take(values[0])
            case "tick":
                world.at += values[0]
                world.tell(Ticked(at=world.at))
            case "resize":
                world.resize(values[0])
            case "limit":
                world.tell(s.JobResized(at=world.at, job=values[0], workers=values[1]))
            case "close":
                world.close(values[0])
            case "grace":
                world.grace(values[0])
            case "outdate":
                world.tell(s.WorkersOutdated(at=world.at, workers=tuple(range(values[0]))))
    for _ in range(1000):
        world.settle()
        taken = [world.take(number) for number in world.jobs]
        if not any(taken):
            break
    for number, job in world.jobs.items():
        if job.closed:
            world.grace(number)
            assert job.released
            continue
        assert job.pulled == job.items
        everything = set(range(job.items))
        lost = {index for index, count in job.lost.items() if count}
        done = {index for index, count in job.finished.items() if count}
        assert lost | done == everything
        assert not lost & done
        assert len(lost) * (1 + job.retries) <= world.crashes
        assert max(job.lost.values(), default=0) <= 1
        assert max(job.finished.values(), default=0) <= 1
        assert job.taken == job.items
        assert not job.chunks, "chunks are kept for ever"
        world.close(number)
        assert job.released
    world.settle()
    assert len(world.workers) == world.scheduler.wanted
    assert world.scheduler.idle
    assert world.scheduler.ready == world.scheduler.wanted


@pytest.mark.parametrize("workers", [1, 2, 5, 16])
def test_no_worker_idles_at_the_end(workers: int) -> None:
    """While one worker holds iterations that it has not begun, no other has nothing to do."""
    world = World(1)
    world.step(0)
    world.open(0, total=64, items=64)
    world.jobs[0].want = 64  # one chunk with everything
    world.pull(0)
    world.tell(s.PoolResized(at=0.0, workers=workers))
    for _ in range(10):
        for number, worker in world.workers.items():
            if worker.inbox or not worker.ready:
                world.step(number)
    assert all(worker.queue for worker in world.workers.values())
