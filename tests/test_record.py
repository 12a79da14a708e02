"""The record: what events add up to."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from built_runs import USUAL
from hypothesis import given, settings
from hypothesis import strategies as st

import mpnb
from mpnb import report
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
    WorkerReady,
    WorkerStarted,
)
from mpnb.record import FAILED, TASK, Lane, Record, Site, Span, load_run, round_seconds

sys.path.insert(0, str(Path(__file__).parent / "browser"))
import synthetic_runs as runs

# ----------------------------------------------------------------------------------------------------------- by hand


def batch(worker, first, *times: float, chunk=0, done=True, at=None, decode=0.0, check=0.0, encode=0.0):
    return BatchFinished(
        at=times[-1] + encode if at is None else at,
        worker=worker,
        chunk=chunk,
        first=first,
        count=len(times) // 2,
        times=times,
        decode_s=decode,
        check_s=check,
        encode_s=encode,
        nbytes=10,
        chunk_done=done,
    )


def run(*events: Event, workers=2, total=10):
    """Put events between the usual beginning and end: times are seconds, the job starts at 100."""
    return runs.record_of(
        [RunStarted(at=100.0, workers=workers), SiteStarted(at=100.0, site=0, total=total), *events],
        Site(line=2, label="squares", parallel=True),
    )


def test_every_part_of_a_job_has_its_place():
    """Start, decode, tasks, packing, waiting and an uneven end are told apart, to the second."""
    record = run(
        JobStarted(at=101.0, site=0, workers=2, encode_s=1.0, nbytes=5),
        ChunkSent(at=101.0, worker=0, chunk=0, first=0, count=2),
        ChunkSent(at=101.0, worker=1, chunk=1, first=2, count=1),
        batch(0, 0, 103.0, 104.0, 104.0, 106.0, chunk=0, decode=1.0, encode=1.0),
        batch(1, 2, 102.0, 103.0, chunk=1),
        ChunkSent(at=104.0, worker=1, chunk=2, first=3, count=1),
        batch(1, 3, 105.0, 109.0, chunk=2),
        JobEnded(at=110.0, site=0),
        SiteEnded(at=110.0, site=0, iterations=4),
        RunEnded(at=110.0, status="finished"),
    )

    assert record.losses == pytest.approx(
        {
            "useful work": 3 + 1 + 4,
            "slower than alone": 0,
            "planning": 0,
            "kernel alone": 0,
            "start": 0,
            "encode and decode": 2 * 1 + 1 + 1,
            "transfer": 1 + 1 + 1 + 2 * 1,
            "waiting for work": 1,
            "uneven end": 2,
            "failed and repeated": 0,
        }
    )
    assert record.core_s == pytest.approx(20)
    assert record.sites[0].speedup == pytest.approx(8 / 10)
    assert record.sites[0].wall_s == pytest.approx(10)
    assert record.sites[0].longest == (3, pytest.approx(4))


def test_waiting_while_the_kernel_encodes_is_not_called_waiting():
    """A worker that waits while the kernel encodes its items loses time to encoding."""
    record = run(
        JobStarted(at=100.0, site=0, workers=1, encode_s=0.0, nbytes=5),
        ChunkSent(at=100.0, worker=0, chunk=0, first=0, count=1),
        batch(0, 0, 100.0, 101.0, chunk=0),
        ChunkEncoded(at=104.0, chunk=1, first=1, count=1, nbytes=9, encode_s=2.0),
        ChunkSent(at=104.0, worker=0, chunk=1, first=1, count=1),
        batch(0, 1, 104.0, 105.0, chunk=1),
        JobEnded(at=105.0, site=0),
        SiteEnded(at=105.0, site=0, iterations=2),
        RunEnded(at=105.0, status="finished"),
        workers=1,
    )

    assert record.losses["encode and decode"] == pytest.approx(2)
    assert record.losses["waiting for work"] == pytest.approx(1)


def test_a_death_costs_what_was_under_way_and_the_replacement_takes_the_lane():
    """What a dead worker was doing counts as failed, until its replacement has work, in the same lane."""
    record = run(
        JobStarted(at=100.0, site=0, workers=2, encode_s=0.0, nbytes=5),
        ChunkSent(at=100.0, worker=0, chunk=0, first=0, count=1),
        ChunkSent(at=100.0, worker=1, chunk=1, first=1, count=1),
        WorkerDied(at=103.0, worker=1, exitcode=-9, iteration=1),
        WorkerStarted(at=103.5, worker=7, pid=1),
        WorkerReady(at=103.6, worker=7),
        ChunkSent(at=104.0, worker=7, chunk=2, first=2, count=1),
        batch(7, 2, 104.0, 106.0, chunk=2),
        batch(0, 0, 100.0, 106.0, chunk=0),
        JobEnded(at=106.0, site=0),
        SiteEnded(at=106.0, site=0, iterations=3),
        RunEnded(at=106.0, status="finished"),
    )

    assert record.losses["failed and repeated"] == pytest.approx(4)
    assert record.died == 1
    assert len(record.lanes) == 2
    assert [span.kind for span in record.lanes[1].spans] == [FAILED, TASK]


def test_work_that_took_no_effect_is_not_useful():
    """After a break or an error, iterations that ran beyond it count as thrown away."""
    record = run(
        JobStarted(at=100.0, site=0, workers=1, encode_s=0.0, nbytes=5),
        ChunkSent(at=100.0, worker=0, chunk=0, first=0, count=4),
        batch(0, 0, 100.0, 101.0, 101.0, 102.0, 102.0, 103.0, 103.0, 104.0),
        JobEnded(at=104.0, site=0),
        SiteEnded(at=104.0, site=0, iterations=1),
        RunEnded(at=104.0, status="failed"),
        workers=1,
    )

    assert record.losses["useful work"] == pytest.approx(1)
    assert record.losses["failed and repeated"] == pytest.approx(3)
    assert record.sites[0].speedup == pytest.approx(0.25)


def test_what_the_kernel_did_again_is_not_useful_twice():
    """Where the kernel runs the rest from k on, what the pool had done from k on is thrown away."""
    record = run(
        JobStarted(at=100.0, site=0, workers=1, encode_s=0.0, nbytes=5),
        ChunkSent(at=100.0, worker=0, chunk=0, first=1, count=3),
        KernelRan(at=101.0, site=0, first=0, count=1, seconds=1.0),  # a long first iteration, beside the pool
        batch(0, 1, 100.0, 101.0, 101.0, 102.0, 102.0, 103.0),
        JobEnded(at=103.0, site=0),
        KernelRan(at=105.0, site=0, first=2, count=2, seconds=2.0),
        SiteEnded(at=105.0, site=0, iterations=4),
        RunEnded(at=105.0, status="finished"),
        workers=1,
    )

    assert record.losses["useful work"] == pytest.approx(2 + 1)
    assert record.losses["failed and repeated"] == pytest.approx(2)
    assert record.sites[0].speedup == pytest.approx((3 + 1) / 5)


def test_the_yardstick_scales_when_it_says_something():
    """Iterations that are alike, and take twice as long in workers as alone in the kernel, count half."""
    twice = [t for n in range(8) for t in (102.0 + 0.2 * n, 102.2 + 0.2 * n)]
    record = run(
        *(KernelRan(at=100.1 + 0.1 * n, site=0, first=n, count=1, seconds=0.1) for n in range(8)),
        JobStarted(at=102.0, site=0, workers=2, encode_s=0.0, nbytes=5),
        ChunkSent(at=102.0, worker=0, chunk=0, first=8, count=8),
        ChunkSent(at=102.0, worker=1, chunk=1, first=16, count=8),
        batch(0, 8, *twice, chunk=0),
        batch(1, 16, *twice, chunk=1),
        JobEnded(at=103.6, site=0),
        SiteEnded(at=103.6, site=0, iterations=24),
        RunEnded(at=103.6, status="finished"),
    )

    assert record.sites[0].yardstick == pytest.approx(0.5)
    assert record.losses["useful work"] == pytest.approx(1.6 + 8 * 0.1)
    assert record.losses["kernel alone"] == pytest.approx(8 * 0.1)
    assert record.losses["planning"] == pytest.approx(2 * (2.0 - 8 * 0.1))
    assert record.losses["slower than alone"] == pytest.approx(1.6)


def test_a_worker_is_owned_from_when_it_comes_until_it_has_done_its_last():
    """Workers that come or go in the midst of a job cost core seconds only while they are there."""
    grown = run(
        JobStarted(at=100.0, site=0, workers=1, encode_s=0, nbytes=0),
        ChunkSent(at=100.0, worker=0, chunk=0, first=0, count=1),
        JobResized(at=101.0, workers=2),
        WorkerStarted(at=101.0, worker=1, pid=1),
        WorkerReady(at=101.5, worker=1),
        ChunkSent(at=101.5, worker=1, chunk=1, first=1, count=1),
        batch(0, 0, 100.0, 103.0),
        batch(1, 1, 101.5, 103.0, chunk=1),
        JobEnded(at=103.0, site=0),
        workers=1,
    )
    shrunk = run(
        JobStarted(at=100.0, site=0, workers=2, encode_s=0, nbytes=0),
        ChunkSent(at=100.0, worker=0, chunk=0, first=0, count=1),
        ChunkSent(at=100.0, worker=1, chunk=1, first=1, count=1),
        JobResized(at=100.5, workers=1),
        Ticked(at=100.6),
        batch(1, 1, 100.0, 101.0, chunk=1),
        batch(0, 0, 100.0, 104.0),
        JobEnded(at=104.0, site=0),
    )

    assert grown.core_s == pytest.approx(3 + 2)
    assert grown.losses["useful work"] == pytest.approx(3 + 1.5)
    assert grown.losses["start"] == pytest.approx(0.5)
    assert (grown.workers, grown.ideal, len(grown.lanes)) == (2, 2, 2)
    assert shrunk.core_s == pytest.approx(4 + 1)
    assert shrunk.losses["useful work"] == pytest.approx(4 + 1)
    assert (shrunk.workers, shrunk.ideal) == (1, 2)


def test_workers_that_start_within_the_run_are_waited_for():
    """Until a worker is ready the time goes to its start, also where it never gets an iteration."""
    record = run(
        JobStarted(at=100.0, site=0, workers=3, encode_s=0.0, nbytes=5),
        *(WorkerStarted(at=100.0, worker=number, pid=1) for number in range(3)),
        WorkerReady(at=101.0, worker=0),
        WorkerReady(at=103.0, worker=1),
        WorkerReady(at=102.0, worker=2),
        ChunkSent(at=101.0, worker=0, chunk=0, first=0, count=1),
        ChunkSent(at=103.0, worker=1, chunk=1, first=1, count=1),
        batch(0, 0, 101.0, 106.0, chunk=0),
        batch(1, 1, 103.0, 107.0, chunk=1),
        JobEnded(at=107.0, site=0),
        SiteEnded(at=107.0, site=0, iterations=2),
        RunEnded(at=107.0, status="finished"),
        workers=3,
    )

    assert record.causes["starting"] == pytest.approx(1 + 3 + 2)
    assert record.causes["idle"] == pytest.approx(5)
    assert record.causes["tail"] == pytest.approx(1)


def test_what_the_kernel_runs_beside_the_pool_fills_what_was_idle():
    """An iteration of the kernel's own is useful work on a core that a worker had no use for."""
    record = run(
        JobStarted(at=100.0, site=0, workers=2, encode_s=0.0, nbytes=5),
        ChunkSent(at=100.0, worker=0, chunk=0, first=1, count=1),
        batch(0, 1, 100.0, 104.0, chunk=0),
        KernelRan(at=103.0, site=0, first=0, count=1, seconds=3.0),
        JobEnded(at=104.0, site=0),
        SiteEnded(at=104.0, site=0, iterations=2),
        RunEnded(at=104.0, status="finished"),
    )

    assert record.losses["useful work"] == pytest.approx(4 + 3)
    assert record.losses["uneven end"] == pytest.approx(1)
    assert record.sites[0].speedup == pytest.approx(7 / 4)


def test_a_loop_that_never_reached_the_pool_is_not_called_parallel():
    """A loop over before the pool paid says so: not parallel, with the reason."""
    record = run(
        KernelRan(at=100.002, site=0, first=0, count=10, seconds=0.002),
        SiteEnded(at=100.003, site=0, iterations=10),
        RunEnded(at=100.003, status="finished"),
    )
    site = record.sites[0]

    assert (site.parallel, site.code, site.speedup) == (False, "small", None)
    assert site.reason == "finished in the kernel in 3 ms: too small to split"
    assert site.iterations == 10


def test_progress_counts_iterations_and_expects_the_end():
    """Progress has what is done, of how many, how fast lately, and how long it will take."""
    events = [
        event for n in range(4) for event in (batch(0, n, 100.0 + n, 101.0 + n, done=False), Ticked(at=101.0 + n))
    ]
    record = run(JobStarted(at=100.0, site=0, workers=1, encode_s=0.0, nbytes=5), *events, workers=1)

    assert (record.progress.done, record.progress.total) == (4, 10)
    assert record.progress.rate == pytest.approx(1, rel=0.4)
    assert record.progress.eta_s == pytest.approx(6, rel=0.4)


def test_a_site_that_begins_again_adds_up():
    """A loop inside a serial loop is one site: iterations and seconds add up over its runs."""
    record = Record([Site(line=3, parallel=True)])
    record.add(RunStarted(at=0.0, workers=1))
    for n in range(3):
        record.add(SiteStarted(at=10.0 * n, site=0, total=2))
        record.add(JobStarted(at=10.0 * n, site=0, workers=1, encode_s=0.0, nbytes=0))
        record.add(ChunkSent(at=10.0 * n, worker=0, chunk=n, first=0, count=2))
        record.add(batch(0, 0, 10.0 * n, 10.0 * n + 1, 10.0 * n + 1, 10.0 * n + 2, chunk=n))
        record.add(JobEnded(at=10.0 * n + 2, site=0))
        record.add(SiteEnded(at=10.0 * n + 2, site=0, iterations=2))
    record.add(RunEnded(at=30.0, status="finished"))
    site = record.sites[0]

    assert (site.iterations, site.total, site.jobs) == (6, 6, 3)
    assert site.wall_s == pytest.approx(6)
    assert site.speedup == pytest.approx(1)


def test_the_record_says_what_it_knows_while_the_run_goes_on():
    """Before the end there is a speedup so far, losses that add up, and since when each lane is at work."""
    record = run(
        JobStarted(at=100.0, site=0, workers=2, encode_s=0.0, nbytes=5),
        ChunkSent(at=100.0, worker=0, chunk=0, first=0, count=1),
        Ticked(at=102.0),
    )

    assert record.status == "running"
    assert record.speedup == pytest.approx(1)
    assert record.running_since == [0.0, None]
    assert sum(record.losses.values()) == pytest.approx(record.core_s)


def test_a_job_that_ends_as_the_run_begins_takes_no_time():
    """Two jobs begin at the very start and the first one's end never comes: it counts for nothing, the second in full."""
    record = run(
        JobStarted(at=100.0, site=0, workers=2, encode_s=0.0, nbytes=5),
        JobStarted(at=100.0, site=0, workers=2, encode_s=0.0, nbytes=5),
        SiteEnded(at=101.0, site=0, iterations=0),
    )

    assert record.core_s == pytest.approx(2)
    assert sum(record.losses.values()) == pytest.approx(2)


# ------------------------------------------------------------------------------------------------------ random events

seconds = st.floats(0, 5, allow_nan=False).map(lambda s: round(s, 6))


EVENTS = ["kernel", "job", "encode", "sent", "batch", "died", "started", "ended", "tick", "resized"]


@st.composite
def streams(draw):
    """Events of a run whose clocks, orders and numbers need make no sense."""
    workers = draw(st.integers(1, 4))
    events = [RunStarted(at=50.0, workers=workers), SiteStarted(at=50.0, site=0, total=draw(st.none() | st.just(20)))]
    at = 50.0
    for n in range(draw(st.integers(0, 30))):
        at += draw(seconds)
        worker = draw(st.integers(0, 5))
        match draw(st.sampled_from(EVENTS)):
            case "kernel":
                events.append(KernelRan(at=at, site=0, first=n, count=2, seconds=draw(seconds)))
            case "job":
                events.append(JobStarted(at=at, site=0, workers=workers, encode_s=draw(seconds), nbytes=1))
            case "encode":
                events.append(ChunkEncoded(at=at, chunk=n, first=n, count=1, nbytes=1, encode_s=draw(seconds)))
            case "sent":
                events.append(ChunkSent(at=at, worker=worker, chunk=draw(st.integers(0, n)), first=n, count=1))
            case "batch":
                begin, times = at - draw(seconds), []
                for _ in range(draw(st.integers(0, 4))):
                    times += [begin, begin := begin + draw(seconds)]
                    begin += draw(seconds) * draw(st.sampled_from([0, 1]))
                costs = {name: draw(seconds) for name in ("decode", "check", "encode")}
                if times:
                    done = draw(st.booleans())
                    events.append(batch(worker, n, *times, chunk=draw(st.integers(0, n)), at=at, done=done, **costs))
            case "died":
                events.append(WorkerDied(at=at, worker=worker, exitcode=-9, iteration=draw(st.none() | st.just(n))))
            case "started":
                events.append(WorkerStarted(at=at, worker=worker, pid=1))
            case "ended":
                events.append(JobEnded(at=at, site=0))
            case "tick":
                events.append(Ticked(at=at))
            case "resized":
                events.append(JobResized(at=at, workers=draw(st.integers(1, 5))))
    if draw(st.booleans()):
        events.append(SiteEnded(at=at + draw(seconds), site=0, iterations=draw(st.integers(0, 40))))
    if draw(st.booleans()):
        events.append(RunEnded(at=at + 10, status=draw(st.sampled_from(["finished", "failed", "stopped"]))))
    return events


@settings(max_examples=400, deadline=None)
@given(streams())
def test_losses_add_up_whatever_comes(events):
    """At every moment of any stream of events no loss is negative, and they add up to workers × wall."""
    record = Record()
    for event in events:
        record.add(event)
        losses = record.losses

        assert sum(losses.values()) == pytest.approx(record.core_s, abs=1e-6)
        assert min(losses.values()) >= -1e-6
    assert Record.from_json(record.to_json()).losses == pytest.approx(record.losses)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(seconds, st.sampled_from(["task", "decode", "failed"])), max_size=200), st.integers(5, 50))
def test_lanes_stay_small_and_lose_nothing(lengths, limit):
    """A lane never has more spans than its limit, and iterations and busy seconds stay exact."""
    lane, at = Lane(limit), 0.0
    for n, (length, kind) in enumerate(lengths):
        lane.add(Span(at, at + length, kind, n, int(kind == "task"), length * (kind == "task")))
        at += length

    assert len(lane.spans) <= limit
    assert sum(span.count for span in lane.spans) == sum(kind == "task" for _, kind in lengths)
    busy = sum(length for length, kind in lengths if kind == "task")
    assert sum(span.busy for span in lane.spans) == pytest.approx(busy)
    assert any(span.kind == FAILED for span in lane.spans) == any(kind == FAILED for _, kind in lengths)


# ------------------------------------------------------------------------------------------------------ size and JSON


def test_millions_of_iterations_stay_small_and_cheap():
    """A million iterations cost little time, stay below 5 MB as JSON, and every sum is exact."""
    each, size, many = 20e-6, 1000, 1000
    record = Record([Site(line=2, parallel=True)])
    record.add(RunStarted(at=0.0, workers=4))
    record.add(SiteStarted(at=0.0, site=0, total=size * many))
    record.add(JobStarted(at=0.0, site=0, workers=4, encode_s=0.0, nbytes=0))
    at = [0.0] * 4
    spent = 0.0
    for n in range(many):
        worker = n % 4
        times = tuple(at[worker] + each * (i // 2 + i % 2) for i in range(2 * size))
        at[worker] = times[-1]
        sent = ChunkSent(at=times[0], worker=worker, chunk=n, first=n * size, count=size)
        came = batch(worker, n * size, *times, chunk=n)
        begin = time.process_time()
        record.add(sent)
        record.add(came)
        spent += time.process_time() - begin
    record.add(JobEnded(at=max(at), site=0))
    record.add(SiteEnded(at=max(at), site=0, iterations=size * many))
    record.add(RunEnded(at=max(at), status="finished"))
    text = record.to_json()

    assert spent / (size * many) < 2e-6
    assert len(text) < 1_000_000
    assert record.losses["useful work"] == pytest.approx(each * size * many, rel=1e-6)
    assert sum(span.count for lane in record.lanes for span in lane.spans) == size * many


def test_many_long_sites_stay_small_as_well():
    """A hundred sites of thousands of iterations stay below 5 MB; times are coarser then, and their sums the same."""
    each = runs.record_of(runs.events(tasks=6000, chunk=20)).sites[0]
    record = Record([replace(each, line=n) for n in range(100)])
    text = record.to_json()
    again = Record.from_json(text)

    assert len(text) < 5_000_000
    assert [site.times.counts for site in record.sites] == [each.times.counts] * 100
    for site in again.sites:
        assert sum(site.times.counts) == sum(each.times.counts)
        assert sum(site.times.seconds) == pytest.approx(sum(each.times.seconds))
        assert max(site.times.longest) == max(each.times.longest)


def test_a_record_comes_back_from_json():
    """A saved record gives the same account, and values of results are not in it."""
    record = runs.record_of(runs.events(dies=0.4), source="secret = 1")
    record.finished[3] = "the value of a result"
    text = record.to_json()
    again = Record.from_json(text)

    assert "the value of a result" not in text
    assert again.to_json() == text
    assert again.sites == record.sites
    assert again.losses == pytest.approx(record.losses)
    assert again.wall_s == pytest.approx(record.wall_s)
    assert again.speedup == pytest.approx(record.speedup)


def test_a_record_is_saved_and_loaded(tmp_path):
    """`save` writes a file whole and leaves nothing beside it; `mpnb.load_run` gives the same record."""
    record = runs.record_of(runs.events(dies=0.4), source="x = [f(i) for i in xs]")
    path = tmp_path / "run.json"
    path.write_text("what was there before", encoding="utf-8")

    assert record.save(path) == path
    assert [each.name for each in tmp_path.iterdir()] == ["run.json"]
    assert mpnb.load_run(str(path)).to_json() == record.to_json()


@pytest.mark.parametrize("text", ["", "[1, 2]", "{}", '{"schema": "new"}', '{"schema": 99}'])
def test_a_file_that_is_no_record_is_named(tmp_path, text):
    """What is not a record, or a newer one, is refused with the file's name."""
    path = tmp_path / "other.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ValueError, match=r".") as caught:
        load_run(path)
    assert caught.value.__notes__ == [f"in {path}"]


def test_json_of_another_version():
    """Fields that are unknown or missing do no harm; a newer schema is refused with what to do."""
    data = json.loads(runs.record_of(runs.events()).to_json())
    data["sites"][0]["invented_later"] = 1
    del data["curve"], data["died"]

    assert Record.from_json(json.dumps(data)).curve == []
    with pytest.raises(ValueError, match="upgrade"):
        Record.from_json(json.dumps(data | {"schema": 99}))
    with pytest.raises(ValueError, match="no schema"):
        Record.from_json("{}")


def test_a_record_of_the_first_schema_still_loads():
    """What the first version wrote has its losses, though not their causes, and is drawn and saved as any other."""
    old = Record.from_json((Path(__file__).parent / "records" / "schema_1.json").read_text(encoding="utf-8"))

    assert old.losses["uneven end"] == pytest.approx(5.850667, abs=1e-4)
    assert sum(old.losses.values()) == pytest.approx(old.core_s)
    assert old.sites[0].speedup == pytest.approx(2.623374, abs=1e-4)
    assert Record.from_json(old.to_json()).losses == pytest.approx(old.losses)
    assert "cores" in report.remedy(old)
    assert "where the cores" in report.static_html(old)


def test_a_run_cut_short_is_closed():
    """A run whose site never said that it ended still has a wall time, and losses that add up."""
    made = [e for e in runs.events() if not isinstance(e, (JobEnded, SiteEnded))]
    record = runs.record_of([*made[:-1], RunEnded(at=made[-1].at, status="stopped")])

    assert record.status == "stopped"
    assert record.sites[0].wall_s
    assert sum(record.losses.values()) == pytest.approx(record.core_s)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0004, "0.4 ms"),
        (0.003, "3 ms"),
        (0.9499, "950 ms"),
        (0.95, "0.9 s"),
        (3.14, "3.1 s"),
        (9.96, "10 s"),
        (59.7, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3720, "1 h 2 min"),
    ],
)
def test_durations_read_well(seconds, text):
    """A duration has the unit and the precision that a person would use."""
    assert round_seconds(seconds) == text


LIKE = (0.098, 0.1, 0.102, 0.1)
GROWING = tuple(0.05 + 0.001 * n for n in range(100))


@pytest.mark.parametrize(
    ("lengths", "probe", "warm", "mark", "yardstick"),
    [
        pytest.param(LIKE * 25, (5, 0.1), (3, 0.1), "≈", 1.0, id="alike"),
        pytest.param(LIKE * 25, (5, 0.12), (3, 0.08), "≈", 0.8, id="the first ones were cold"),
        pytest.param(LIKE * 25, (2, 0.1), (1, 0.1), "≈", 1.0, id="one, and one before it"),
        pytest.param(LIKE * 25, (1, 0.1), (0, 0.0), "≈", 1.0, id="a long one alone"),
        pytest.param((0.01,) * 100, (1, 0.01), (0, 0.0), "≤", 1.0, id="a short one alone"),
        pytest.param(LIKE * 25, (0, 0.0), (0, 0.0), "≤", 1.0, id="no probe"),
        pytest.param(LIKE * 25, (5, 0.2), (3, 0.2), "≤", 1.0, id="slower in the kernel"),
        pytest.param(GROWING, (5, 0.05), (3, 0.05), "≤", 1.0, id="growing"),
        pytest.param((0.02, 0.05, 0.3, 0.1) * 25, (3, 0.05), (2, 0.05), "≤", 1.0, id="mixed"),
        pytest.param((*LIKE * 24, 4.0), (5, 0.1), (3, 0.1), "≤", 1.0, id="a long one at the end"),
        pytest.param((1e-4,) * 40 + (2e-3,), (5, 1e-4), (3, 1e-4), "≤", 1.0, id="too few for one that was held up"),
        pytest.param(((1e-3,) * 97 + (3e-2,)) * 8, (9, 1e-3), (5, 1e-3), "≈", None, id="now and then held up"),
    ],
)
def test_a_speedup_is_an_estimate_where_it_is_known_what_an_iteration_takes_alone(
    lengths, probe, warm, mark, yardstick
):
    """Else it is the most that it may be: what the workers did counts in full, and the mark says so."""
    built = replace(USUAL, lengths=lengths, probe=probe, warm=warm, workers=2)
    record = Record()
    for event in built.events():
        record.add(event)
    site = record.sites[0]

    assert (record.speedup_mark, site.speedup_mark) == (mark, mark)
    if yardstick is not None:
        assert site.yardstick == pytest.approx(yardstick, rel=0.02)
    assert Record.from_json(record.to_json()).speedup_mark == mark
    site.speedup_measured = True
    assert record.speedup_mark == site.speedup_mark == ""
