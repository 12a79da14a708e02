"""Where the speedup went: runs with a known cause, built event by event, and what is said of them."""

from __future__ import annotations

import heapq
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mpnb import report
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
from mpnb.record import USEFUL

sys.path.insert(0, str(Path(__file__).parent / "browser"))
import synthetic_runs as runs


@dataclass(frozen=True)
class Built:
    """A run as it is to be: seconds of its iterations in the workers, and of all that costs time around them."""

    lengths: tuple[float, ...] = (0.1,) * 400
    workers: int = 4
    chunk: int = 1
    probe: tuple[int, float] = (5, 0.1)  # iterations in the kernel, and seconds of each
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
            KernelRan(at=at + count * each, site=0, first=0, count=count, seconds=count * each),
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
#: A known cause: the run, the loss and the cause that are to be named, the core seconds that were built in, what the
#: sentence and the remedy have to say.
KNOWN = {
    "one straggler": (
        replace(USUAL, lengths=(0.1,) * 79 + (5.0,), probe=(1, 0.1)),
        "uneven end", "tail", 3 * 5.0 - 3 * 0.1 + 0.2, r"iteration 80 alone took 5\.0 s of 6\.9 s", "sorted.*split",
    ),
    "tiny tasks": (
        replace(USUAL, lengths=(20e-6,) * 40_000, chunk=10, queue_s=1e-3, probe=(500, 20e-6)),
        "waiting for work", "queue", 4_000 * 1e-3, "very short: 20 µs each", "blocks",
    ),
    "500 MB argument": (
        replace(USUAL, names_s=3.0, names_nbytes=500_000_000),
        "encode and decode", "names", 4 * 3.0, r"packed what the loop reads \(500 MB\)", "arrays.*path",
    ),
    "slow pickling": (
        replace(USUAL, results_s=0.08),
        "encode and decode", "results", 400 * 0.08, "packed results", "numbers or arrays",
    ),
    "a lock held across processes": (
        replace(USUAL, lengths=(0.4,) * 100),
        "slower than alone", "contention", 100 * 0.3, r"4\.0× as long as alone.* a lock", "hold locks for less",
    ),
    "bound by memory bandwidth": (
        replace(USUAL, lengths=(0.16,) * 400),
        "slower than alone", "contention", 400 * 0.06, r"1\.6× as long as alone.*share memory", "blocks of memory",
    ),
    "worker start": (
        replace(USUAL, start_s=2.0),
        "start", "starting", 4 * 2.0, "while workers started", "paid once",
    ),
    "half the workers": (
        replace(USUAL, workers=8, lengths=(3.0,) * 4, probe=(1, 0.1)),
        "uneven end", "idle", 4 * 3.0, r"never got an iteration: there were only 4 iterations", "more and smaller",
    ),
    "heavy imports": (
        replace(USUAL, first_s=2.5),
        "start", "warming", 4 * 2.5, r"first iteration, 2\.5 s more", "Import it",
    ),
    "failing tasks retried": (
        replace(USUAL, deaths=4, death_s=1.5, replaced_s=0.5),
        "failed and repeated", "deaths", 4 * (1.5 + 0.5), "lost to 4 workers that ended", "crash, memory, a time limit",
    ),
}  # fmt: skip


@pytest.mark.parametrize("built", [USUAL, *(case[0] for case in KNOWN.values())], ids=["nothing special", *KNOWN])
def test_losses_add_up_to_workers_times_wall(built):
    """The useful work and the losses are 100 % of workers × wall, and the speedup is what the useful work says."""
    record = runs.record_of(built.events())
    site = record.sites[0]

    assert record.core_s == pytest.approx(built.workers * site.wall_s, rel=1e-9)
    assert sum(record.losses.values()) == pytest.approx(record.core_s, rel=1e-9)
    assert min(record.losses.values()) >= 0
    assert record.losses[USEFUL] / site.wall_s == pytest.approx(record.speedup, rel=1e-6)


@pytest.mark.parametrize(
    ("built", "loss", "cause", "core_s", "sentence", "remedy"), list(KNOWN.values()), ids=list(KNOWN)
)
def test_the_top_loss_names_the_cause_that_was_built_in(built, loss, cause, core_s, sentence, remedy):
    """The greatest loss is the one that was built in, of that size within 10 %, and so are its sentence and remedy."""
    top = report.findings(runs.record_of(built.events()))[0]

    assert (top.loss, top.cause) == (loss, cause)
    assert top.core_s == pytest.approx(core_s, rel=0.1)
    assert top.cause_s == pytest.approx(core_s, rel=0.1)
    assert re.search(sentence, top.sentence)
    assert re.search(remedy, top.remedy)


@pytest.mark.parametrize(
    ("built", "cause"),
    [
        (replace(USUAL, items_s=0.05), "items"),
        (replace(USUAL, sending_s=0.05), "sending"),
        (replace(USUAL, unpacking_s=0.05), "unpacking"),
        (replace(USUAL, checks_s=0.05), "checks"),
        (replace(USUAL, queue_s=0.05), "queue"),
        (replace(USUAL, home_s=5.0), "home"),
        (replace(USUAL, deciding_s=5.0), "deciding"),
        (replace(USUAL, probe=(50, 0.1)), "kernel only"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_cause_that_clocks_tell_apart_is_named(built, cause):
    """What else can be built in is found as well, and has a sentence with the cores that it took and a remedy."""
    top = report.findings(runs.record_of(built.events()))[0]

    assert top.cause == cause
    assert re.search(r"\d\.\d of your 4 cores", top.sentence)
    assert top.remedy.endswith(".")


def test_a_first_iteration_that_is_long_by_chance_is_no_warming_up():
    """That one worker's first iteration is long, or all iterations differ, says nothing of imports."""
    lengths = list(USUAL.lengths)
    lengths[0] = 3.0
    one = runs.record_of(replace(USUAL, lengths=tuple(lengths)).events())
    mixed = runs.record_of(replace(USUAL, lengths=(0.5, 0.02, 0.3, 0.01, 0.4) * 80, probe=(0, 0.0)).events())

    assert one.causes["warming"] == 0
    assert mixed.causes["warming"] == 0


def test_where_the_kernel_did_not_warm_up_a_serial_loop_would_have():
    """One of the long first iterations is a serial loop's own where no iteration ran in the kernel."""
    record = runs.record_of(replace(USUAL, first_s=2.5, probe=(0, 0.0)).events())

    assert record.causes["warming"] == pytest.approx(3 * 2.5, rel=0.01)


def test_a_run_that_lost_little_has_no_remedy():
    """Below a twentieth there is nothing to be done, and the list still has all that was lost."""
    record = runs.record_of(replace(USUAL, lengths=(0.1,) * 4000).events())
    found = report.findings(record)

    assert not report.remedy(record)
    assert sum(each.share for each in found) == pytest.approx(1 - record.losses[USEFUL] / record.core_s)
    assert found == sorted(found, key=lambda each: -each.core_s)
    assert record.findings == found


def test_losses_of_a_run_under_way_have_their_words():
    """While a run goes on, its losses so far have sentences, as under a panel that is shown as HTML."""
    events = replace(USUAL, start_s=2.0).events()
    record = runs.record_of(events[: len(events) // 2])

    assert report.findings(record)[0].cause == "starting"
