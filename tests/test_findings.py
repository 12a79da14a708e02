"""Where the speedup went: runs with a known cause, built event by event, and what is said of them."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from built_runs import USUAL

from mpnb import report
from mpnb.events import BatchFinished
from mpnb.record import USEFUL

sys.path.insert(0, str(Path(__file__).parent / "browser"))
import synthetic_runs as runs

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


def test_what_goes_by_around_tiny_iterations_is_not_the_fault_of_their_results():
    """Where next to nothing is sent, the remedy is to do more in each; where much is, it is to send less."""
    tiny = replace(USUAL, lengths=(10e-6,) * 4_000, chunk=10, results_s=1e-3, probe=(500, 10e-6))
    events = tiny.events()
    sent = [replace(each, nbytes=1 << 20) if isinstance(each, BatchFinished) else each for each in events]

    assert "very short: 10 µs each" in report.findings(runs.record_of(events))[0].sentence
    assert "packed results" in report.findings(runs.record_of(sent))[0].sentence


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
