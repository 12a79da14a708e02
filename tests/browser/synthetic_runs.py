"""Runs that never were: the events of a made-up job, all at once or played in real time."""

from __future__ import annotations

import heapq
import math
import random
import threading
import time
from typing import TYPE_CHECKING, Any

from mpnb.cores import Sample
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
    Ticked,
    WorkerDied,
)
from mpnb.record import Record, Site

if TYPE_CHECKING:
    from collections.abc import Iterable


def record_of(events: Iterable[Event], *sites: Site, source: str = "") -> Record:
    """Make a record of events."""
    record = Record(sites or [site()], source)
    for event in events:
        record.add(event)
    return record


def site(**changes: Any) -> Site:
    """A loop that gives `features`."""
    return Site(**{"line": 3, "label": "features", "parallel": True, **changes})


def events(
    *,
    workers: int = 4,
    tasks: int = 240,
    seconds: float = 5.0,
    seed: int = 0,
    at: float = 1000.0,
    status: str = "finished",
    spread: float = 0.35,
    chunk: int = 2,
    packing: float = 0.04,
    straggler: float = 0.0,
    dies: float | None = None,
    probe: int = 3,
    total_known: bool = True,
) -> list[Event]:
    """Make the events of one job that takes about `seconds` on `workers` workers.

    `packing` is the share of encode and decode, `straggler` the length of the longest task as a share of `seconds`,
    `dies` the share of `seconds` after which worker 1 dies under its task.
    """
    rng = random.Random(seed)
    mean = seconds * workers / tasks
    lengths = [mean * math.exp(rng.gauss(0, spread)) / (1 + packing) for _ in range(tasks)]
    if straggler:
        lengths[int(tasks * 0.93)] = seconds * straggler
    kernel_s = sum(lengths[:probe])
    out: list[Event] = [
        RunStarted(at=at, workers=workers),
        SiteStarted(at=at + 0.002, site=0, total=tasks if total_known else None),
    ]
    clock = at + 0.002
    for n in range(probe):
        clock += lengths[n]
        out.append(KernelRan(at=clock, site=0, first=n, count=1, seconds=lengths[n]))
    clock += 0.02
    out.append(JobStarted(at=clock, site=0, workers=workers, encode_s=0.02, nbytes=48_000))
    free = [(clock + 0.01 + 0.01 * rng.random(), w) for w in range(workers)]
    heapq.heapify(free)
    number, following, done, replaced = 0, probe, probe, False
    stop = at + seconds * (0.62 if status == "stopped" else 0.74 if status == "failed" else 99)
    last = clock
    while following < tasks and free:
        begin, worker = heapq.heappop(free)
        if begin >= stop:
            last = max(last, stop)
            break
        first, count = following, min(chunk, tasks - following)
        following += count
        number += 1
        out += [
            ChunkEncoded(at=begin, chunk=number, first=first, count=count, nbytes=900 * count, encode_s=0.0002),
            ChunkSent(at=begin + 0.0004, worker=worker, chunk=number, first=first, count=count),
        ]
        pack = packing * sum(lengths[first : first + count])
        now = begin + 0.001 + pack * 0.4
        if dies is not None and not replaced and worker == min(1, workers - 1) and begin > at + seconds * dies:
            replaced = True
            death = now + lengths[first] * 3
            out.append(WorkerDied(at=death, worker=worker, exitcode=-9, iteration=first))
            heapq.heappush(free, (death + 0.12, worker + 100))
            tasks_left = list(range(first + 1, first + count))
            following -= len(tasks_left)
            continue
        times = []
        for length in lengths[first : first + count]:
            times += [now, now + length]
            now += length
        end = now + pack * 0.6
        if now > stop:
            last = max(last, stop)
            continue
        done += count
        out.append(
            BatchFinished(
                at=end + 0.0005,
                worker=worker,
                chunk=number,
                first=first,
                count=count,
                times=tuple(times),
                decode_s=pack * 0.4,
                check_s=0.0,
                encode_s=pack * 0.6,
                nbytes=2400 * count,
                chunk_done=True,
            )
        )
        last = max(last, end + 0.0005)
        heapq.heappush(free, (end + 0.0015, worker))
    out += [
        JobEnded(at=last + 0.003, site=0),
        SiteEnded(at=last + 0.004, site=0, iterations=done),
        RunEnded(at=last + 0.005, status=status),
    ]
    assert kernel_s >= 0
    return sorted(out, key=lambda event: event.at)


class MadeUpLoad:
    """Load of a machine that is not there, with as many cores as wanted."""

    def __init__(
        self, cores: int, busy: int, seed: int = 0, allowed: int | None = None, quota: float | None = None
    ) -> None:
        self._rng = random.Random(seed)
        self._cores, self._busy = cores, busy
        self._allowed, self._quota = frozenset(range(cores if allowed is None else allowed)), quota

    def sample(self) -> Sample:
        """Give a load that looks like one."""
        rng = self._rng
        shares = []
        for core in range(self._cores):
            user = min(0.97, max(0.0, rng.gauss(0.9, 0.06) if core < self._busy else rng.gauss(0.06, 0.05)))
            shares.append((user, min(1 - user, abs(rng.gauss(0.03, 0.02)))))
        used = int(6.1e9 + 4e8 * rng.random())
        return Sample(
            tuple(shares), used, 16 << 30, self._allowed, self._quota, 0.03 + 0.02 * rng.random(), 212_000_000
        )

    def memory_of(self, pids: Iterable[int | None]) -> list[int | None]:
        """Give what workers of that many numbers hold."""
        return [150_000_000 + 60_000_000 * (n % 3) + int(2e7 * self._rng.random()) for n, _ in enumerate(pids)]


def play(record: Record, dashboard: Any, made: list[Event], *, until: Any = None) -> None:
    """Add events when their time has come, ticking ten times a second as an engine does; `until()` True ends it."""
    shift = time.perf_counter() - made[0].at
    for event in made:
        due = event.at + shift
        while (now := time.perf_counter()) < due:
            if until is not None and until():
                return
            record.add(Ticked(at=now))
            dashboard.tick(now)
            time.sleep(max(0.0, min(0.1, due - time.perf_counter())))
        fields = {name: getattr(event, name) for name in event.__dataclass_fields__}
        fields["at"] = due
        if isinstance(event, BatchFinished):
            fields["times"] = tuple(t + shift for t in event.times)
        record.add(type(event)(**fields))


def show(
    cores: int = 4, allowed: int | None = None, quota: float | None = None, earlier: int = 0, **options: Any
) -> Record:
    """Show a made-up run in the notebook that calls this, in real time, until it ends or Stop is clicked.

    `earlier` runs of the same cell have been before it, on fewer workers.
    """
    from mpnb.dashboard import Dashboard

    for n in range(earlier):
        fewer = max(2, int(options.get("workers", 4)) * (n + 1) // (earlier + 1))
        past = record_of(events(**{**options, "workers": fewer, "seed": n + 7, "packing": 0.2}))
        Dashboard(past, on_stop=lambda: None, key="synthetic", cell=f"synthetic {options}", mode="none").finish()
    made = events(**options)
    clicked: list[tuple[float, str]] = []
    record = Record([site()])
    workers = int(options.get("workers", 4))
    dashboard = Dashboard(
        record,
        on_stop=lambda: clicked.append((time.perf_counter(), threading.current_thread().name)),
        on_resize=lambda wished: record.add(JobResized(at=time.perf_counter(), workers=wished)),
        key="synthetic",
        cell=f"synthetic {options}",
        load=MadeUpLoad(cores, min(cores, workers), allowed=allowed, quota=quota),
    )
    dashboard.show()
    try:
        play(record, dashboard, made, until=lambda: bool(clicked))
    except KeyboardInterrupt:
        clicked.append((time.perf_counter(), "interrupt"))
    if clicked:
        now = time.perf_counter()
        record.add(JobEnded(at=now, site=0))
        record.add(SiteEnded(at=now, site=0, iterations=record.progress.done))
        record.add(RunEnded(at=now, status="stopped"))
        print("stopped by", clicked[0][1], f"{time.perf_counter() - clicked[0][0]:.3f}")
    dashboard.finish()
    return record
