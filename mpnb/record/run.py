"""The run record: events in, one account of the run out. Reads no clock, draws nothing, holds no value of a result.

Its size is bounded whatever the number of iterations: spans are merged once they are too short to be seen, sums stay
exact. Everything that is shown, live or afterwards, is a function of a `Record`.
"""

from __future__ import annotations

import math
import os
from collections import deque
from dataclasses import asdict, fields, replace
from operator import mul, sub
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mpnb.events import (
    BatchFinished,
    ChunkEncoded,
    ChunkSent,
    Event,
    JobEnded,
    JobResized,
    JobStarted,
    KernelRan,
    RunEnded,
    RunStarted,
    SiteEnded,
    SiteStarted,
    WorkerDied,
    WorkerReady,
    WorkerStarted,
)
from mpnb.record import archive
from mpnb.record.books import CAUSES, CHECKS, DEATHS, QUEUE, RESULTS, UNPACKING, WORK, Costs, Job, Row, Times, by_loss
from mpnb.record.lanes import (
    ALL_SPANS,
    CHECK,
    DECODE,
    ENCODE,
    FAILED,
    FINEST,
    KINDS,
    MAX_SPANS,
    TASK,
    Lane,
    Span,
    packed,
    unpacked,
)
from mpnb.record.sites import TOO_SMALL, Checked, Progress, Site, round_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from mpnb.forecast import Forecast
    from mpnb.laws import Scaling
    from mpnb.report import Finding

MAX_POINTS: Final = 400  # of the speedup curve
MAX_FORETOLD: Final = 15  # forecasts of a run that are kept besides the last one
MAX_ENCODES: Final = 2048  # intervals in which the kernel encoded
MAX_SAVED: Final = 20_000  # times of iterations in a file, of all sites
MAX_DEATHS: Final = 100  # that are marked in the lanes


class Record:
    """What happened in a run.

    Parameters
    ----------
    sites
        The cell's sites, in the order of their numbers.
    source
        The cell's text.
    workers
        How many workers the run has at its disposal.

    Examples
    --------
    >>> from mpnb.events import RunEnded, RunStarted
    >>> record = Record([Site(line=2, label="features")], workers=2)
    >>> record.add(RunStarted(at=10.0, workers=2))
    >>> record.add(RunEnded(at=12.5, status="finished"))
    >>> record.status, record.wall_s
    ('finished', 2.5)
    """

    def __init__(self, sites: Iterable[Site] = (), source: str = "", workers: int = 0) -> None:
        self.sites: list[Site] = list(sites)
        self.source = source
        self.note = ""  # why the cell has no site
        self.seed: int | None = None  # what `--seed` said
        self.chunk: int | None = None  # and `--chunk`
        self.workers = workers
        self.finished: dict[int, object] = {}
        self.foretold: list[Forecast] = []  # what it was asked for: held against the cell's next run under these terms
        self.checked: list[Checked] = []  # what earlier runs of the cell had foretold of this one
        self.status = "running"
        self.started: float | None = None
        self.ended: float | None = None
        self.kernel = Lane()  # what ran in the kernel itself
        self.lanes: list[Lane] = []
        self.curve: list[tuple[float, float]] = []
        self.current: int | None = None  # the site that began last
        self.died = 0
        self.deaths: list[tuple[int, float]] = []  # lane and time, while it runs
        self.sent_nbytes = self.home_nbytes = 0
        self.queued = 0  # iterations that are encoded, and with no worker yet
        self._now = 0.0
        self._jobs: list[Job] = []
        self._rows: dict[int, int] = {}  # worker → row, while it lives
        self._free: list[int] = []  # rows whose worker died
        self._pids: dict[int, int] = {}  # row → process
        self._each_nbytes: dict[int, float] = {}  # chunk → bytes of an item
        self._chunks: dict[int, int] = {}  # row → the chunk that it has sent something of last
        self._sent_to = 0  # iterations before this one have been with a worker
        self._ready: dict[int, float] = {}  # row → when its worker takes work; of those that were started for the run
        self._encodes: list[tuple[float, float]] = []
        self._samples: deque[tuple[float, int]] = deque(maxlen=64)
        self._done = 0
        self._done_before = 0  # when the site began for the last time
        self._point_every = 0.02

    # ------------------------------------------------------------------------------------------------- events come in

    def add(self, event: Event) -> None:
        """Take one event in."""
        if self.started is None:
            self.started = event.at
        at = event.at - self.started
        self._now = max(self._now, at)
        match event:
            case RunStarted():
                self.workers = event.workers or self.workers
                self._rows_for(self.workers)
            case SiteStarted():
                self._site_started(event, at)
            case KernelRan():
                self._kernel_ran(event, at)
            case JobStarted():
                self._job_started(event, at)
            case WorkerStarted():
                number = self._place(event.worker)
                self._ready[number], self._pids[number] = math.inf, event.pid
            case WorkerReady():
                self._worker_ready(self._place(event.worker), at)
            case WorkerDied():
                self._worker_died(event, at)
            case ChunkEncoded():
                if event.encode_s > 0:
                    self._encodes.append((max(at - event.encode_s, self._encodes[-1][1] if self._encodes else 0.0), at))
                    if len(self._encodes) > MAX_ENCODES:  # long past: their gaps are accounted for
                        del self._encodes[: MAX_ENCODES // 2]
                self._site_sent(event.nbytes)
                self.sent_nbytes += event.nbytes
                self.queued = max(0, event.first + event.count - self._sent_to)
                if job := self._open_job():
                    self._each_nbytes[event.chunk] = event.nbytes / max(1, event.count)
                    job.pulled += event.count
                    costs = self._site(job.site).costs
                    costs.items_s += event.encode_s
                    costs.chunks += 1
            case ChunkSent():
                stop = event.first + event.count
                self.queued = max(0, self.queued - max(0, stop - self._sent_to))
                self._sent_to = max(self._sent_to, stop)
                if job := self._open_job():
                    number = self._place(event.worker)
                    if self._ready.get(number) == math.inf:  # it is, as it seems
                        self._worker_ready(number, at)
                    job.row_again(number, self._ready.get(number, -math.inf), at).sent[event.chunk] = at
                    job.lowest = event.first if job.lowest is None else min(job.lowest, event.first)
            case BatchFinished():
                self._batch_finished(event)
            case JobResized():
                self._job_resized(event, at)
            case JobEnded():
                if job := self._open_job():
                    self._job_ended(job, at)
            case SiteEnded():
                self._site_ended(event, at)
            case RunEnded():
                self._run_ended(event, at)
            case _:  # Ticked: only the time matters
                pass
        self._add_point()

    def _site_started(self, event: SiteStarted, at: float) -> None:
        while len(self.sites) <= event.site:
            self.sites.append(Site(line=0))
        site = self.sites[event.site]
        again = site.started is not None
        self.current = event.site
        if site.ended is None and again:  # its end never came
            site.wall_s = (site.wall_s or 0.0) + at - (site.started or 0.0)
            self._settle(event.site, at)
        site.started, site.ended = at, None
        if event.total is None or (again and site.total is None):
            site.total = None
        else:
            site.total = (site.total or 0 if again else 0) + event.total
        if not again:
            self._done = 0
            self._samples.clear()
            site.iterations = 0
        self._done_before = self._done
        self._samples.append((at, self._done))

    def _kernel_ran(self, event: KernelRan, at: float) -> None:
        site = self._site(event.site)
        site.kernel_iterations += event.count
        site.kernel_s += event.seconds
        site.warm += event.warm
        site.warm_s += event.warm_s
        self._done += event.count
        start = max(0.0, at - event.seconds)
        if job := self._open_job():
            beside = max(0.0, at - max(start, job.start, self.kernel.spans[-1].end if self.kernel.spans else 0.0))
            job.beside_s += beside
            site.beside_s += beside
        self.kernel.add(Span(start, at, TASK, event.first, event.count, event.seconds))
        for job in self._jobs:  # what the pool did from here on was thrown away, and is done again
            if job.lowest is not None and event.first >= job.lowest:
                job.limit = event.first if job.limit is None else min(job.limit, event.first)

    def _job_started(self, event: JobStarted, at: float) -> None:
        if job := self._open_job():
            self._job_ended(job, at)
        site = self._site(event.site)
        start = max(0.0, at - event.encode_s, site.started or 0.0, self._jobs[-1].end or 0.0 if self._jobs else 0.0)
        self._rows_for(event.workers)
        start = min(start, at)
        self._jobs.append(Job(event.site, start, at, [start] * event.workers))
        site.jobs += 1
        site.parallel, site.code, site.reason = True, "", ""
        site.refused_at = site.conflict = None
        site.workers = max(site.workers, event.workers)
        site.nbytes += event.nbytes
        site.names_nbytes += event.nbytes
        self.sent_nbytes += event.nbytes
        self.queued = self._sent_to = 0
        self._each_nbytes.clear()
        self._chunks.clear()
        site.costs.names_s += event.encode_s

    def _worker_died(self, event: WorkerDied, at: float) -> None:
        number = self._rows.pop(event.worker, None)
        if number is None:
            return
        self._free.append(number)
        self._pids.pop(number, None)
        self.died += 1
        self.deaths = [*self.deaths[-MAX_DEATHS:], (number, at)]
        job = self._open_job()
        if job is None or number not in job.rows:
            return
        row = job.rows[number]
        if self.current is not None:
            self.sites[self.current].died += 1
        if row.sent and at > row.cursor:
            first = -1 if event.iteration is None else event.iteration
            self.lanes[number].add(Span(row.cursor, at, FAILED, first, 1))
            job.pass_to(row, DEATHS, at)
        else:
            job.idle(row, at, at, self._encodes)
        row.sent.clear()
        row.died, row.ready = True, math.inf
        if row.leaves:
            job.let_go(row)

    def _worker_ready(self, number: int, at: float) -> None:
        self._ready[number] = at
        if (job := self._open_job()) and number in job.rows:
            job.rows[number].ready = at

    def _batch_finished(self, event: BatchFinished) -> None:
        origin = self.started or 0.0
        number = self._place(event.worker)
        lane = self.lanes[number]
        starts, ends = event.times[::2], event.times[1::2]
        durations = list(map(sub, ends, starts))
        job = self._open_job()
        self._site_sent(event.nbytes)
        self.home_nbytes += event.nbytes
        if job is None:  # came home after its job was over: seen, not counted
            if starts and ends[-1] > starts[0]:
                lane.add(Span(starts[0] - origin, ends[-1] - origin, FAILED, event.first, event.count, sum(durations)))
            return
        row = job.row(number, self._ready.get(number, -math.inf))
        job.home += event.count
        self._done += event.count
        if starts:
            first, last = max(starts[0] - origin, row.cursor), max(ends[-1] - origin, row.cursor)
            self._now = max(self._now, last)
            decode = max(row.cursor, first - event.decode_s)
            job.idle(row, decode, row.sent.get(event.chunk, decode), self._encodes)
            packing = event.check_s + event.encode_s
            busy = min(max(0.0, sum(durations)), last - first)
            between = last - first - busy
            packed = min(between, packing)
            tail = max(last, min(last + packing - packed, event.at - origin))
            checked = event.check_s / packing if packing > 0 else 0.0
            job.pass_to(row, UNPACKING, first)
            job.parts[CHECKS] += (packed + tail - last) * checked
            job.parts[RESULTS] += (packed + tail - last) * (1 - checked)
            job.parts[QUEUE] += between - packed
            job.parts[WORK] += busy
            row.cursor, row.died = tail, False
            self._draw(number, event, starts, ends, (decode, first, last, tail))
            self._weigh(job, row, event, durations)
        if event.chunk_done:
            self._each_nbytes.pop(event.chunk, None)
            row.sent.pop(event.chunk, None)
            if row.leaves:  # what else it was sent, it was asked for back
                job.let_go(row)

    def _draw(
        self,
        number: int,
        event: BatchFinished,
        starts: Sequence[float],
        ends: Sequence[float],
        edges: tuple[float, float, float, float],
    ) -> None:
        origin = self.started or 0.0
        lane, site = self.lanes[number], self.current or 0
        decode, first, last, tail = edges
        opens = self._chunks.get(number) != event.chunk
        self._chunks[number] = event.chunk
        if first > decode:
            lane.add(Span(decode, first, DECODE, event.first, opens=opens, site=site))
            opens = False
        each = self._each_nbytes.get(event.chunk, 0.0) + event.nbytes / max(1, event.count)
        if last - first < lane.resolution * event.count:  # too short to be told apart
            busy, nbytes = sum(ends) - sum(starts), each * event.count
            lane.add(Span(first, last, TASK, event.first, event.count, busy, nbytes, opens, site))
        else:
            for i, (start, end) in enumerate(zip(starts, ends, strict=False)):
                begin, stop = max(first, start - origin), max(first, end - origin)
                lane.add(Span(begin, stop, TASK, event.first + i, 1, stop - begin, each, opens, site))
                opens = False
        if tail > last:
            lane.add(Span(last, tail, CHECK if event.check_s > event.encode_s else ENCODE, event.first, site=site))

    def _weigh(self, job: Job, row: Row, event: BatchFinished, durations: list[float]) -> None:
        warm = durations if row.ran else durations[1:]
        site = self._site(job.site)
        if not row.ran:
            row.first, row.first_s = event.first, durations[0]
            site.costs.loading_s += event.decode_s
            site.costs.loaded += 1
        row.ran += len(durations)
        job.rest += len(warm)
        job.rest_s += sum(warm)
        job.squares += sum(map(mul, warm, warm))
        job.sample.add(warm)
        job.times.add(event.first, durations)
        longest = max(durations)
        if site.longest is None or longest > site.longest[1]:
            at = durations.index(longest)
            site.longest = event.first + at, longest
            job.longest_end = event.times[2 * at + 1] - (self.started or 0.0)

    def _job_resized(self, event: JobResized, at: float) -> None:
        self.workers = event.workers
        self._rows_for(event.workers)
        if job := self._open_job():
            # The pool's highest numbers go, and new ones take the lowest that are free.
            last = [self._rows[worker] for worker in sorted(self._rows)[event.workers :]]
            job.resize(event.workers, at, reversed(last), self._encodes)
            site = self._site(job.site)
            site.workers = max(site.workers, event.workers)

    def _job_ended(self, job: Job, at: float) -> None:
        ends = sorted(row.cursor for row in job.rows.values())
        at = max(at, job.start, *ends, job.start)
        if job.longest_end >= 0:  # nobody else was at work in the last half of it
            site = self._site(job.site)
            half = (site.longest[1] if site.longest else 0.0) / 2
            site.longest_was_last = len(ends) > 1 and job.longest_end >= ends[-2] + half
        for number, row in job.rows.items():
            if job.home < job.pulled and not row.is_gone and row.sent and not row.died and at > row.cursor:
                self.lanes[number].add(Span(row.cursor, at, FAILED, -1))
        others = (number for number in range(len(self.lanes)) if number not in job.rows)
        job.close(at, [Row(begin, begin, self._ready.get(next(others, -1), -math.inf)) for begin in job.unseen])
        self._now = max(self._now, at)
        self._encodes.clear()

    def _site_ended(self, event: SiteEnded, at: float) -> None:
        site = self._site(event.site)
        if job := self._open_job():
            self._job_ended(job, at)
        begun = site.started if site.started is not None else at
        site.ended = at
        site.iterations = (site.iterations or 0) + event.iterations
        site.wall_s = (site.wall_s or 0.0) + max(0.0, at - begun)
        self._settle(event.site, at, event.iterations)
        if site.jobs and site.wall_s and not site.speedup_measured:
            site.speedup = (site.kernel_s + site.pool_s) / site.wall_s
        if not site.jobs and (site.parallel or not site.reason or site.code == TOO_SMALL):
            site.parallel = False
            site.code = TOO_SMALL
            site.reason = f"finished in the kernel in {round_seconds(site.wall_s)}: too small to split"

    def _settle(self, number: int, at: float, limit: int | None = None) -> None:
        """Close the books of a site's jobs; keep sums only."""
        site = self._site(number)
        mine = [job for job in self._jobs if job.site == number]
        self._jobs = [job for job in self._jobs if job.site != number]
        for job in mine:
            job.judge(*site.alone, limit, warm=site.warm > 0)
            _enter(site, job, at)

    def _run_ended(self, event: RunEnded, at: float) -> None:
        if self.current is not None and self.sites[self.current].ended is None:  # cut short
            done = self._done - self._done_before
            self._site_ended(SiteEnded(at=event.at, site=self.current, iterations=done), at)
        self.status = event.status
        self.ended = event.at

    # ------------------------------------------------------------------------------------------------------- helpers

    def _site(self, number: int) -> Site:
        while len(self.sites) <= number:
            self.sites.append(Site(line=0))
        return self.sites[number]

    def _site_sent(self, nbytes: int) -> None:
        if self.current is not None:
            self.sites[self.current].nbytes += nbytes

    def _open_job(self) -> Job | None:
        return self._jobs[-1] if self._jobs and self._jobs[-1].end is None else None

    def _rows_for(self, workers: int) -> None:
        """Have at least as many lanes as workers."""
        limit = max(120, min(MAX_SPANS, ALL_SPANS // max(1, workers)))
        self._free += range(len(self.lanes), workers)
        finest = FINEST * max(1.0, workers / 4)  # many lanes are thin: details cost and are not seen
        self.lanes += [Lane(limit, finest) for _ in range(len(self.lanes), workers)]

    def _place(self, worker: int) -> int:
        """Row of a worker; one that replaces a dead one takes its row."""
        if worker not in self._rows:
            if not self._free:
                self._rows_for(len(self.lanes) + 1)
            at = worker if worker in self._free else min(self._free)
            self._free.remove(at)
            self._rows[worker] = at
        return self._rows[worker]

    def _add_point(self) -> None:
        now = self._now
        site = None if self.current is None else self.sites[self.current]
        if not self._jobs or site is None or site.started is None or site.ended is not None:
            return
        if self._samples and now - self._samples[-1][0] >= 0.1:
            self._samples.append((now, self._done))
        if self.curve and now - self.curve[-1][0] < self._point_every:
            return
        split = [each for each in self.sites if each.jobs]
        elapsed = sum(each.wall_s or 0.0 for each in split) + now - site.started
        if elapsed <= 0:
            return
        useful = sum(each.kernel_s + each.pool_s for each in split)
        for job in self._jobs:
            job.judge(*site.alone, warm=site.warm > 0)
            useful += job.useful_s(now)
        self.curve.append((now, useful / elapsed))
        if len(self.curve) > MAX_POINTS:
            self._point_every *= 2
            self.curve = self.curve[::2]

    # ---------------------------------------------------------------------------------------------- what is asked of it

    @property
    def now(self) -> float:
        """Seconds from the start of the run to what was heard last."""
        return self._now

    @property
    def wall_s(self) -> float:
        """Seconds that the run took, so far."""
        return self._now if self.ended is None or self.started is None else self.ended - self.started

    @property
    def progress(self) -> Progress:
        """How far the site is that began last."""
        if self.current is None:
            return Progress()
        site = self.sites[self.current]
        done = self._done if site.total is None else min(self._done, site.total)
        begin = next((sample for sample in self._samples if sample[0] >= self._now - 10), None)
        rate = None
        if begin and self._now > begin[0] and self._done > begin[1]:
            rate = (self._done - begin[1]) / (self._now - begin[0])
        eta = None if rate is None or site.total is None else (site.total - done) / rate
        return Progress(done, site.total, rate, eta)

    @property
    def ideal(self) -> int:
        """How many workers there were to be had where it was split: what the speedup could be at best."""
        return max((site.workers for site in self.sites), default=0) or max(1, self.workers)

    @property
    def speedup(self) -> float | None:
        """The speedup so far, over all sites that were split; None where none was."""
        if self.status == "running":
            return self.curve[-1][1] if self.curve else None
        split = [site for site in self.sites if site.was_split and site.wall_s and site.speedup is not None]
        wall = sum(site.wall_s or 0.0 for site in split)
        return sum((site.speedup or 0.0) * (site.wall_s or 0.0) for site in split) / wall if wall else None

    @property
    def speedup_mark(self) -> str:
        """What stands before the speedup: nothing where it was measured, ≈ for an estimate, ≤ where more is not known.

        Then iterations may have been slower beside each other than alone: what they did counts in full.
        """
        if self.speedup_measured:
            return ""
        sites = self.so_far() if self.status == "running" else self.sites
        return "≈" if all(site.certain for site in sites if site.was_split) else "≤"

    @property
    def speedup_measured(self) -> bool:
        """Whether the speedup was measured against a serial run; else it is an estimate."""
        split = [site for site in self.sites if site.was_split]
        return bool(split) and all(site.speedup_measured for site in split)

    @property
    def core_s(self) -> float:
        """Core seconds of what was split: workers × wall, over all sites of which the pool had a part."""
        return self._account()[1]

    @property
    def causes(self) -> dict[str, float]:
        """Where the core seconds of what was split went, as fine as the clocks tell; the values add up to `core_s`."""
        return self._account()[0]

    @property
    def losses(self) -> dict[str, float]:
        """Where the core seconds of what was split went; the values add up to `core_s`.

        The useful work is among them: over `core_s` it is the parallel efficiency.
        """
        return by_loss(self.causes)

    def _account(self) -> tuple[dict[str, float], float]:
        """Core seconds by cause and in all, of what is over and of what is under way."""
        causes, core_s = dict.fromkeys(CAUSES, 0.0), 0.0
        for site in self.so_far():
            core_s += site.core_s
            for cause, seconds in site.causes.items():
                causes[cause] = causes.get(cause, 0.0) + seconds
        return causes, core_s

    def so_far(self) -> list[Site]:
        """The sites, as if what is under way ended now."""
        sites = list(self.sites)
        for number in {job.site for job in self._jobs} | ({self.current} if self.current is not None else set()):
            site = self._site(number)
            if site.ended is not None or not site.jobs:
                continue
            sites[number] = site = replace(site, parts=dict(site.parts), ended=self._now)
            if number == self.current and site.started is not None:
                site.wall_s = (site.wall_s or 0.0) + max(0.0, self._now - site.started)
            for job in self._jobs:
                if job.site == number:
                    _enter(site, job, self._now)
        return sites

    @property
    def serial_from(self) -> int:
        """How many iterations in the kernel the serial time is estimated from; 0: it is the iterations' own seconds."""
        site = None if self.current is None else self.sites[self.current]
        if site is None:
            return 0
        yardstick = min([site.yardstick, *(job.yardstick for job in self._jobs if job.site == self.current)])
        return site.kernel_iterations if yardstick < 1 else 0

    @property
    def pids(self) -> list[int | None]:
        """Per lane: the process of its worker, where that is known."""
        return [self._pids.get(number) for number in range(len(self.lanes))]

    @property
    def left_at(self) -> list[float | None]:
        """Per lane: when its worker was let go in the midst of the job that is under way; None where it was not."""
        left: list[float | None] = [None] * len(self.lanes)
        if job := self._open_job():
            for number, row in job.rows.items():
                left[number] = row.cursor if row.is_gone else None
        return left

    @property
    def running_since(self) -> list[float | None]:
        """Per lane: since when the worker is at what it has not sent home yet; None where it has nothing."""
        since: list[float | None] = [None] * len(self.lanes)
        if job := self._open_job():
            for number, row in job.rows.items():
                if row.sent:
                    since[number] = max(row.cursor, min(row.sent.values()))
        return since

    # ---------------------------------------------------------------------------------------------------- pictures

    @property
    def scalings(self) -> list[Scaling]:
        """What `--scaling` measured, for each loop that it could be measured for."""
        from mpnb import laws

        return [
            laws.Scaling(
                site.label or f"line {site.line}",
                site.iterations or 0,
                (site.kernel_s,),
                tuple(laws.Point(count, (seconds,), site.kernel_s) for count, seconds in site.pooled),
            )
            for site in self.sites
            if site.pooled
        ]

    @property
    def findings(self) -> list[Finding]:
        """The losses, the greatest first: each with its cause in a sentence, and a remedy."""
        from mpnb import report

        return report.findings(self)

    def __repr__(self) -> str:
        """What became of each site, a line each, as under the cell."""
        from mpnb import report

        return report.summary(self)

    def _repr_html_(self) -> str:
        """What stands under the cell when it is over."""
        from mpnb import report

        return report.static_html(self)

    def timeline(self, ax: Axes | None = None) -> Axes:
        """Draw who did what when."""
        from mpnb import report

        return report.timeline(self, ax)

    def losses_plot(self, ax: Axes | None = None) -> Axes:
        """Draw where the cores' time went."""
        from mpnb import report

        return report.losses(self, ax)

    def speedup_plot(self, ax: Axes | None = None) -> Axes:
        """Draw the speedup over time against the ideal."""
        from mpnb import report

        return report.speedup(self, ax)

    def what_if(
        self,
        *,
        workers: int | None = None,
        order: str = "as it was",
        chunk: int | None = None,
        probe: bool | None = None,
        contention: float | None = None,
    ) -> Forecast:
        """Tell how long the run would take under other conditions, by playing it again on paper.

        Parameters
        ----------
        workers
            How many workers, each on a core of its own; those that it had where it is None.
        order
            ``as it was``, ``longest first`` or ``shortest first``.
        chunk
            Iterations in a chunk; None where the scheduler decides.
        probe
            Whether the kernel runs the first iterations, as it does without ``--no-probe``: in another order, others.
            As it was where it is None.
        contention
            How much longer an iteration takes for each worker beside it, where you know it: 0.1 is a tenth. Else it is
            what the run's own iterations in the kernel and in the workers tell, which may be nothing.

        Returns
        -------
        Forecast
            Its `wall_s` and `speedup`. Once the cell has run so, `mpnb.last_run().checked` says how far off it was, and
            so do the details under the cell.
        """
        from mpnb import forecast

        found = forecast.what_if(self, workers=workers, order=order, chunk=chunk, probe=probe, contention=contention)
        self.foretold[:] = [*[each for each in self.foretold if each.how != found.how][-MAX_FORETOLD:], found]
        return found

    # -------------------------------------------------------------------------------------------------------- saved

    def to_json(self) -> str:
        """Give the record as JSON text; values of results are not in it."""
        return archive.dump(
            {
                "source": self.source,
                "note": self.note,
                "seed": self.seed,
                "chunk": self.chunk,
                "workers": self.workers,
                "status": self.status,
                "wall_s": self.wall_s,
                "sites": [asdict(site) for site in _bounded(self.so_far())],
                "current": self.current,
                "done": self._done,
                "died": self.died,
                "checked": [asdict(each) for each in self.checked],
                "curve": [[round(t, 4), round(value, 4)] for t, value in self.curve],
                "kinds": list(KINDS),
                "kernel": packed(self.kernel),
                "lanes": [packed(lane) for lane in self.lanes],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Make a record from JSON text, of this or an older version of mpnb. Its clock starts at 0."""
        data = archive.parse(text)
        known = {each.name for each in fields(Site)}
        sites = []
        for each in data["sites"]:
            site = Site(**{key: value for key, value in each.items() if key in known})
            sites.append(site)
            site.times = Times(**each["times"]) if each.get("times") else None
            site.costs = Costs(**each.get("costs", {}))
            site.pooled = [(count, seconds) for count, seconds in site.pooled]
            site.longest = None if site.longest is None else (site.longest[0], site.longest[1])
            site.refused_at = None if site.refused_at is None else (site.refused_at[0], site.refused_at[1])
            site.threads = None if site.threads is None else (site.threads[0], site.threads[1])
            site.conflict = None if site.conflict is None else (site.conflict[0], site.conflict[1])
        record = cls(sites, data.get("source", ""), data.get("workers", 0))
        record.note, record.seed, record.chunk = data.get("note", ""), data.get("seed"), data.get("chunk")
        record.status = data.get("status", "finished")
        record.started, record.ended = 0.0, data.get("wall_s", 0.0)
        record._now = record.ended or 0.0
        record.current, record._done = data.get("current"), data.get("done", 0)
        record.died = data.get("died", 0)
        record.checked = [Checked(**each) for each in data.get("checked", [])]
        record.curve = [(t, value) for t, value in data.get("curve", [])]
        kinds = data.get("kinds", KINDS)
        record.kernel = unpacked(data.get("kernel", []), kinds)
        record.lanes = [unpacked(each, kinds) for each in data.get("lanes", [])]
        return record

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the record to a file, as JSON; `mpnb.load_run(path)` reads it, here or elsewhere.

        Parameters
        ----------
        path
            Where to; a file that is there is replaced, once the new one is whole.

        Returns
        -------
        Path
            The file.
        """
        archive.write(Path(path), self.to_json())
        return Path(path)


def _bounded(sites: list[Site]) -> list[Site]:
    """The sites, with no more times of iterations than a file should hold: coarser where there are many; same sums."""
    kept = [site if site.times is None else replace(site, times=replace(site.times)) for site in sites]
    every = [site.times for site in kept if site.times is not None]
    while sum(len(times.counts) for times in every) > MAX_SAVED:
        max(every, key=lambda times: len(times.counts)).halve()
    return kept


def _enter(site: Site, job: Job, at: float) -> None:
    """Add what a job came to until then, or its end, to its site."""
    site.yardstick = job.yardstick
    site.certain = job.certain and (site.certain or not site.pool_s)
    site.job_s += job.wall_s(at)
    site.core_job_s += job.core_s(at)
    site.pool_s += job.useful_s(at)
    for cause, seconds in job.account(at).items():
        site.parts[cause] = site.parts.get(cause, 0.0) + seconds
    if site.times is None or sum(job.times.counts) >= sum(site.times.counts):
        site.times = job.times


def load_run(path: str | os.PathLike[str]) -> Record:
    """Read a run record that `record.save(path)` wrote, with this or an older version of mpnb.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Record
        What `mpnb.last_run()` gave: it is drawn, asked and saved alike.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Record([Site(line=2, label="features")], workers=2).save(f"{folder}/run.json")
    ...     load_run(path).sites
    [<Site line 2, for features: not reached>]
    """
    try:
        return Record.from_json(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or something else's
        error.add_note(f"in {os.fspath(path)}")
        raise
