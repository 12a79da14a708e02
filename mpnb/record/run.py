"""The run record: events in, one account of the run out. Reads no clock, draws nothing, holds no value of a result.

Its size is bounded whatever the number of iterations: spans are merged once they are too short to be seen, sums stay
exact. Everything that is shown, live or afterwards, is a function of a `Record`.
"""

# Strategy: a job owns `workers × wall` core seconds. Each worker row has a cursor: the time up to which the row is
# accounted for. Whatever comes moves the cursor on and puts the time it passed into exactly one part:
#
#     cursor ──── wait ────┤decode├─ task ─┤ ├─ task ─┤pack├ cursor'
#
# so the parts add up by construction, whatever the order of the events and however wrong a clock was.

from __future__ import annotations

import math
import os
from bisect import bisect_right
from collections import deque
from dataclasses import asdict, fields
from operator import mul, sub
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mpnb.events import (
    BatchFinished,
    ChunkEncoded,
    ChunkSent,
    Event,
    JobEnded,
    JobStarted,
    KernelRan,
    RunEnded,
    RunStarted,
    SiteEnded,
    SiteStarted,
    WorkerDied,
    WorkerStarted,
)
from mpnb.record import archive
from mpnb.record.books import LOSSES, PACKING, REPEATED, START, UNEVEN, USEFUL, WAITING, Job, Row
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
from mpnb.record.sites import TOO_SMALL, Progress, Site, round_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

MAX_POINTS: Final = 400  # of the speedup curve
MAX_ENCODES: Final = 2048  # intervals in which the kernel encoded


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
        self.workers = workers
        self.finished: dict[int, object] = {}
        self.status = "running"
        self.started: float | None = None
        self.ended: float | None = None
        self.kernel = Lane()  # what ran in the kernel itself
        self.lanes: list[Lane] = []
        self.curve: list[tuple[float, float]] = []
        self.current: int | None = None  # the site that began last
        self.died = 0
        self._now = 0.0
        self._jobs: list[Job] = []
        self._past: dict[str, float] = dict.fromkeys(LOSSES, 0.0)  # jobs that are over and settled
        self._past_core_s = 0.0
        self._rows: dict[int, int] = {}  # worker → row, while it lives
        self._free: list[int] = []  # rows whose worker died
        self._encodes: list[tuple[float, float]] = []
        self._samples: deque[tuple[float, int]] = deque(maxlen=64)
        self._done = 0
        self._done_before = 0  # when the site began for the last time
        self._site_wall = 0.0  # of the sites that are over
        self._site_useful = 0.0
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
                self._place(event.worker)
            case WorkerDied():
                self._worker_died(event, at)
            case ChunkEncoded():
                if event.encode_s > 0:
                    self._encodes.append((max(at - event.encode_s, self._encodes[-1][1] if self._encodes else 0.0), at))
                    if len(self._encodes) > MAX_ENCODES:  # long past: their gaps are accounted for
                        del self._encodes[: MAX_ENCODES // 2]
                self._site_sent(event.nbytes)
                if job := self._open_job():
                    job.pulled += event.count
            case ChunkSent():
                if job := self._open_job():
                    job.row(self._place(event.worker)).sent[event.chunk] = at
                    job.lowest = event.first if job.lowest is None else min(job.lowest, event.first)
            case BatchFinished():
                self._batch_finished(event)
            case JobEnded():
                if job := self._open_job():
                    self._job_ended(job, at)
            case SiteEnded():
                self._site_ended(event, at)
            case RunEnded():
                self._run_ended(event, at)
            case _:  # Ticked, WorkerReady: only the time matters
                pass
        self._add_point()

    def _site_started(self, event: SiteStarted, at: float) -> None:
        while len(self.sites) <= event.site:
            self.sites.append(Site(line=0))
        site = self.sites[event.site]
        again = site.started is not None
        self.current = event.site
        if site.ended is None and again:  # its end never came
            self._site_wall += at - (site.started or 0.0)
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
        self._done += event.count
        start = max(0.0, at - event.seconds)
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
        self._jobs.append(Job(event.site, event.workers, min(start, at)))
        site.jobs += 1
        site.parallel, site.code, site.reason = True, "", ""
        site.refused_at = site.conflict = None
        site.workers = max(site.workers, event.workers)
        site.nbytes += event.nbytes

    def _worker_died(self, event: WorkerDied, at: float) -> None:
        number = self._rows.pop(event.worker, None)
        if number is None:
            return
        self._free.append(number)
        self.died += 1
        job = self._open_job()
        if job is None or number not in job.rows:
            return
        row = job.rows[number]
        if self.current is not None:
            self.sites[self.current].died += 1
        if at > row.cursor:
            if row.sent:
                job.parts[REPEATED] += at - row.cursor
                first = -1 if event.iteration is None else event.iteration
                self.lanes[number].add(Span(row.cursor, at, FAILED, first, 1))
            else:
                self._idle(job, row, at)
            row.cursor = at
        row.sent.clear()
        row.state = REPEATED

    def _batch_finished(self, event: BatchFinished) -> None:
        origin = self.started or 0.0
        number = self._place(event.worker)
        lane = self.lanes[number]
        starts, ends = event.times[::2], event.times[1::2]
        durations = list(map(sub, ends, starts))
        job = self._open_job()
        self._site_sent(event.nbytes)
        if job is None:  # came home after its job was over: seen, not counted
            if starts and ends[-1] > starts[0]:
                lane.add(Span(starts[0] - origin, ends[-1] - origin, FAILED, event.first, event.count, sum(durations)))
            return
        row = job.row(number)
        job.home += event.count
        self._done += event.count
        if starts:
            first, last = max(starts[0] - origin, row.cursor), max(ends[-1] - origin, row.cursor)
            self._now = max(self._now, last)
            decode = max(row.cursor, first - event.decode_s)
            self._idle(job, row, decode)
            packing = event.check_s + event.encode_s
            busy = min(max(0.0, sum(durations)), last - first)
            between = last - first - busy
            packed = min(between, packing)
            tail = max(last, min(last + packing - packed, event.at - origin))
            job.parts[PACKING] += first - decode + packed + tail - last
            job.parts[WAITING] += between - packed
            job.parts[USEFUL] += busy
            row.cursor, row.state = tail, WAITING
            self._draw(lane, event, starts, ends, (decode, first, last, tail))
            self._weigh(job, event, durations)
        if event.chunk_done:
            row.sent.pop(event.chunk, None)

    def _draw(
        self,
        lane: Lane,
        event: BatchFinished,
        starts: Sequence[float],
        ends: Sequence[float],
        edges: tuple[float, float, float, float],
    ) -> None:
        origin = self.started or 0.0
        decode, first, last, tail = edges
        if first > decode:
            lane.add(Span(decode, first, DECODE, event.first))
        if last - first < lane.resolution * event.count:  # too short to be told apart
            lane.add(Span(first, last, TASK, event.first, event.count, sum(ends) - sum(starts)))
        else:
            for i, (start, end) in enumerate(zip(starts, ends, strict=False)):
                begin, stop = max(first, start - origin), max(first, end - origin)
                lane.add(Span(begin, stop, TASK, event.first + i, 1, stop - begin))
        if tail > last:
            lane.add(Span(last, tail, CHECK if event.check_s > event.encode_s else ENCODE, event.first))

    def _weigh(self, job: Job, event: BatchFinished, durations: list[float]) -> None:
        job.count += len(durations)
        job.squares += sum(map(mul, durations, durations))
        job.costs.add(event.first, durations)
        site = self._site(job.site)
        longest = max(durations)
        if site.longest is None or longest > site.longest[1]:
            at = durations.index(longest)
            site.longest = event.first + at, longest
            job.longest_end = event.times[2 * at + 1] - (self.started or 0.0)

    def _job_ended(self, job: Job, at: float) -> None:
        ends = sorted(row.cursor for row in job.rows.values())
        at = max(at, job.start, *ends, job.start)
        if job.longest_end >= 0:  # nobody else was at work in the last half of it
            site = self._site(job.site)
            half = (site.longest[1] if site.longest else 0.0) / 2
            site.longest_was_last = len(ends) > 1 and job.longest_end >= ends[-2] + half
        called_off = job.home < job.pulled  # else what is still out was taken back, and done by another worker
        for number, row in job.rows.items():
            left = at - row.cursor
            if called_off and row.sent and row.state != REPEATED and left > 0:  # what it was doing was called off
                job.parts[REPEATED] += left
                self.lanes[number].add(Span(row.cursor, at, FAILED, -1))
            else:
                job.parts[START if row.state == START else UNEVEN] += left
            row.cursor = at
            row.sent.clear()
        # Workers that never had anything to do: fewer chunks than workers, or they were not up in time.
        job.parts[UNEVEN if job.rows else START] += (job.workers - len(job.rows)) * (at - job.start)
        job.end = at
        self._now = max(self._now, at)
        self._site(job.site).job_s += at - job.start
        self._encodes.clear()

    def _site_ended(self, event: SiteEnded, at: float) -> None:
        site = self._site(event.site)
        if job := self._open_job():
            self._job_ended(job, at)
        begun = site.started if site.started is not None else at
        site.ended = at
        site.iterations = (site.iterations or 0) + event.iterations
        site.wall_s = (site.wall_s or 0.0) + max(0.0, at - begun)
        self._site_wall += max(0.0, at - begun)
        lost = dict.fromkeys(LOSSES, 0.0)
        core_s = 0.0
        for job in self._jobs:
            limit = event.iterations if job.limit is None else min(job.limit, event.iterations)
            job.wasted = job.costs.beyond(limit)
            job.yardstick = job.scale(site.kernel_s, site.kernel_iterations)
            site.yardstick = job.yardstick
            core_s += job.workers * ((at if job.end is None else job.end) - job.start)
            for name, seconds in job.account(at).items():
                lost[name] += seconds
        self._settle(site, lost, core_s)
        if not site.jobs and (site.parallel or not site.reason or site.code == TOO_SMALL):
            site.parallel = False
            site.code = TOO_SMALL
            site.reason = f"finished in the kernel in {round_seconds(site.wall_s)}: too small to split"

    def _settle(self, site: Site, lost: dict[str, float], core_s: float) -> None:
        """Close the books of the site's jobs; keep sums only."""
        self._jobs.clear()
        self._past_core_s += core_s
        for name, seconds in lost.items():
            self._past[name] += seconds
            site.lost[name] = site.lost.get(name, 0.0) + seconds
        self._site_useful += lost[USEFUL]
        if site.jobs and site.wall_s and not site.speedup_measured:
            site.speedup = (site.kernel_s + site.lost[USEFUL]) / site.wall_s

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

    def _idle(self, job: Job, row: Row, until: float) -> None:
        """Account for the time from the cursor on, in which the worker had nothing to do."""
        if until <= row.cursor:
            return
        encoding = 0.0
        if row.state == WAITING and self._encodes:  # it waited while the kernel was encoding what comes next
            at = max(0, bisect_right(self._encodes, (row.cursor, math.inf)) - 1)
            for start, end in self._encodes[at:]:
                if start >= until:
                    break
                encoding += max(0.0, min(end, until) - max(start, row.cursor))
        job.parts[PACKING] += encoding
        job.parts[row.state] += until - row.cursor - encoding
        row.cursor = until

    def _add_point(self) -> None:
        now = self._now
        site = None if self.current is None else self.sites[self.current]
        if not self._jobs or site is None or site.started is None or site.ended is not None:
            return
        if self._samples and now - self._samples[-1][0] >= 0.1:
            self._samples.append((now, self._done))
        if self.curve and now - self.curve[-1][0] < self._point_every:
            return
        elapsed = self._site_wall + now - site.started
        if elapsed <= 0:
            return
        useful = self._site_useful + sum(each.kernel_s for each in self.sites if each.jobs)
        for job in self._jobs:
            job.yardstick = job.scale(site.kernel_s, site.kernel_iterations)
            useful += job.account(now)[USEFUL]
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
    def speedup_measured(self) -> bool:
        """Whether the speedup was measured against a serial run; else it is an estimate."""
        split = [site for site in self.sites if site.was_split]
        return bool(split) and all(site.speedup_measured for site in split)

    @property
    def core_s(self) -> float:
        """Core seconds of the parallel part: workers × wall, over all jobs."""
        return self._past_core_s + sum(
            job.workers * max(0.0, (self._now if job.end is None else job.end) - job.start) for job in self._jobs
        )

    @property
    def losses(self) -> dict[str, float]:
        """Where the core seconds of the parallel part went; the values add up to `core_s`."""
        parts = dict(self._past)
        for job in self._jobs:
            for name, seconds in job.account(self._now).items():
                parts[name] += seconds
        return parts

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

    # -------------------------------------------------------------------------------------------------------- saved

    def to_json(self) -> str:
        """Give the record as JSON text; values of results are not in it."""
        return archive.dump(
            {
                "source": self.source,
                "note": self.note,
                "seed": self.seed,
                "workers": self.workers,
                "status": self.status,
                "wall_s": self.wall_s,
                "sites": [asdict(site) for site in self.sites],
                "current": self.current,
                "done": self._done,
                "died": self.died,
                "core_s": self.core_s,
                "losses": self.losses,
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
        sites = [Site(**{key: value for key, value in each.items() if key in known}) for each in data["sites"]]
        for site in sites:
            site.longest = None if site.longest is None else (site.longest[0], site.longest[1])
            site.refused_at = None if site.refused_at is None else (site.refused_at[0], site.refused_at[1])
            site.threads = None if site.threads is None else (site.threads[0], site.threads[1])
            site.conflict = None if site.conflict is None else (site.conflict[0], site.conflict[1])
        record = cls(sites, data.get("source", ""), data.get("workers", 0))
        record.note, record.seed = data.get("note", ""), data.get("seed")
        record.status = data.get("status", "finished")
        record.started, record.ended = 0.0, data.get("wall_s", 0.0)
        record._now = record.ended or 0.0
        record.current, record._done = data.get("current"), data.get("done", 0)
        record.died = data.get("died", 0)
        record._past_core_s = data.get("core_s", 0.0)
        record._past.update(data.get("losses", {}))
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
