"""Runs that never were, built event by event, so that what went where is known."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

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
    WorkerReady,
    WorkerStarted,
)


@dataclass(frozen=True)
class Built:
    """A run as it is to be: seconds of its iterations in the workers, and of all that costs time around them."""

    lengths: tuple[float, ...] = (0.1,) * 400
    workers: int = 4
    chunk: int = 1
    probe: tuple[int, float] = (5, 0.1)  # iterations in the kernel, and seconds of each
    warm: tuple[int, float] = (0, 0.0)  # those of them that are the yardstick, and seconds of each
    names_s: float = 0.001
    names_nbytes: int = 2_000
    items_s: float = 1e-5  # in the kernel, per chunk; workers wait for it
    queue_s: float = 1e-5  # until the next chunk is sent, per chunk
    sending_s: float = 1e-4  # per chunk
    unpacking_s: float = 1e-4  # per chunk
    checks_s: float = 1e-5  # per chunk
    results_s: float = 1e-4  # per chunk
    home_s: float = 0.002  # after the last iteration
    deciding_s: float = 0.001
    start_s: float = 0.0  # until workers are ready that start with the run
    first_s: float = 0.0  # what the first iteration of a worker takes beyond its length
    deaths: int = 0  # iterations that end their worker, and are run again by another
    death_s: float = 0.0  # how long each of them has run by then
    replaced_s: float = 0.0  # until the next one has its first iteration

    def events(self) -> list[Event]:
        """The events, as a pool would send them that gives each chunk to whoever is free first."""
        count, each = self.probe
        at = 50.0
        out: list[Event] = [
            RunStarted(at=at, workers=self.workers),
            SiteStarted(at=at, site=0, total=count + len(self.lengths)),
            KernelRan(
                at=at + count * each,
                site=0,
                first=0,
                count=count,
                seconds=count * each,
                warm=self.warm[0],
                warm_s=self.warm[0] * self.warm[1],
            ),
        ]
        opened = at + count * each + self.deciding_s + self.names_s
        out.append(JobStarted(at=opened, site=0, workers=self.workers, encode_s=self.names_s, nbytes=self.names_nbytes))
        begin = opened + self.start_s
        if self.start_s:
            for worker in range(self.workers):
                out += [WorkerStarted(at=opened, worker=worker, pid=1), WorkerReady(at=begin, worker=worker)]
        free = [(begin, worker) for worker in range(self.workers)]
        fresh, deaths, end = set(range(self.workers)), self.deaths, begin
        todo = [(first, self.lengths[first : first + self.chunk]) for first in range(0, len(self.lengths), self.chunk)][
            ::-1
        ]
        number = 0
        while todo:
            first, lengths = todo.pop()
            number += 1
            now, worker = heapq.heappop(free)
            at_iteration = count + first
            encoded = now + self.items_s
            out.append(
                ChunkEncoded(at=encoded, chunk=number, first=at_iteration, count=len(lengths), nbytes=90, encode_s=self.items_s)
            )  # fmt: skip
            sent = encoded + self.queue_s
            out.append(ChunkSent(at=sent, worker=worker, chunk=number, first=at_iteration, count=len(lengths)))
            now = sent + self.sending_s + self.unpacking_s
            if deaths and worker not in fresh:
                deaths -= 1
                died = now + self.death_s
                out.append(WorkerDied(at=died, worker=worker, exitcode=-9, iteration=at_iteration))
                heapq.heappush(free, (died + self.replaced_s, worker + 100))
                todo.append((first, lengths))
                continue
            times: list[float] = []
            for length in lengths:
                extra = self.first_s if worker in fresh else 0.0
                fresh.discard(worker)
                times += [now, now := now + length + extra]
            now += self.checks_s + self.results_s
            out.append(
                BatchFinished(
                    at=now, worker=worker, chunk=number, first=at_iteration, count=len(lengths), times=tuple(times),
                    decode_s=self.unpacking_s, check_s=self.checks_s, encode_s=self.results_s, nbytes=90, chunk_done=True,
                )
            )  # fmt: skip
            end = max(end, now)
            heapq.heappush(free, (now, worker))
        end += self.home_s
        done = count + len(self.lengths)
        out += [
            JobEnded(at=end, site=0),
            SiteEnded(at=end, site=0, iterations=done),
            RunEnded(at=end, status="finished"),
        ]
        return sorted(out, key=lambda event: event.at)


USUAL = Built()
