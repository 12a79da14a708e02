"""What if: what is said of other workers and orders is what a run under them is."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from built_runs import USUAL

from mpnb.forecast import LONGEST_FIRST, check
from mpnb.record import Record, Site

sys.path.insert(0, str(Path(__file__).parent / "browser"))
import synthetic_runs as runs

RNG = random.Random(1)
#: Runs whose twin on another number of workers is built in the same way.
TWINS = {
    "alike": USUAL,
    "mixed": replace(USUAL, lengths=tuple(RNG.lognormvariate(-2, 0.7) for _ in range(500))),
    "a long one last": replace(USUAL, lengths=(0.1,) * 399 + (4.0,)),
    "names that take long": replace(USUAL, names_s=3.0),
    "results that take long": replace(USUAL, results_s=0.1),
    "workers that start": replace(USUAL, start_s=2.0),
    "a long probe": replace(USUAL, probe=(40, 0.1)),
}


def record_of(built) -> Record:
    return runs.record_of(built.events())


@pytest.mark.parametrize("workers", [1, 2, 3, 6, 16])
@pytest.mark.parametrize("built", list(TWINS.values()), ids=list(TWINS))
def test_other_workers(built, workers):
    """The time that is foretold from a run on four workers is within a tenth of that of a run on as many."""
    foretold = record_of(built).what_if(workers=workers)
    run = record_of(replace(built, workers=workers))

    assert foretold.wall_s == pytest.approx(run.wall_s, rel=0.1)
    assert foretold.speedup == pytest.approx(run.speedup, rel=0.1)
    assert foretold.error(run) == pytest.approx(foretold.wall_s / run.wall_s - 1)


def test_the_run_as_it_was():
    """Without any change, the time is the one that was measured."""
    for built in TWINS.values():
        run = record_of(built)

        assert run.what_if().wall_s == pytest.approx(run.wall_s, rel=0.001)


def test_a_run_in_chunks_of_a_given_size_is_known_as_such():
    """What its chunks cost is not put down to anything else: played again in the same ones it takes what it took."""
    run = record_of(replace(USUAL, lengths=(1e-3,) * 4_000, chunk=1, sending_s=4e-3, probe=(5, 1e-3)))
    unknown = run.what_if(chunk=1).wall_s
    run.chunk = 1

    assert run.what_if(chunk=1).wall_s == pytest.approx(run.wall_s, rel=0.001)
    assert unknown > 1.2 * run.wall_s
    assert Record.from_json(run.to_json()).chunk == 1


def test_another_order():
    """Starting with the longest is worth what it is worth."""
    built = TWINS["a long one last"]
    ordered = tuple(sorted((*built.lengths, *(0.1,) * 5), reverse=True))
    run = record_of(replace(built, lengths=ordered, probe=(0, 0.0)))

    assert record_of(built).what_if(order=LONGEST_FIRST, probe=False).wall_s == pytest.approx(run.wall_s, rel=0.05)
    assert run.wall_s < 0.85 * record_of(built).wall_s


def test_in_another_order_the_kernel_begins_with_others():
    """The longest one is the first that the kernel runs to see whether the pool pays, and one more is its yardstick."""
    built = TWINS["a long one last"]
    ordered = tuple(sorted((*built.lengths, *(0.1,) * 5), reverse=True))
    run = record_of(replace(built, lengths=ordered[2:], probe=(2, (ordered[0] + ordered[1]) / 2)))

    assert record_of(built).what_if(order=LONGEST_FIRST).wall_s == pytest.approx(run.wall_s, rel=0.05)
    assert run.wall_s > 0.95 * record_of(built).wall_s


def test_without_a_probe_the_kernels_iterations_are_the_pools():
    """What the kernel ran itself goes to the workers, and a probe takes them back."""
    probed = TWINS["a long probe"]
    bare = replace(probed, lengths=(0.1,) * 440, probe=(0, 0.0))

    assert record_of(probed).what_if(probe=False).wall_s == pytest.approx(record_of(bare).wall_s, rel=0.02)
    few = record_of(replace(bare, lengths=(0.1,) * 438, probe=(2, 0.1)))
    assert record_of(bare).what_if(probe=True).wall_s == pytest.approx(few.wall_s, rel=0.02)


def test_a_run_that_does_not_tell_of_contention_says_so():
    """From a run without a yardstick, another number of workers is foretold on a condition, which is named."""
    told, silent = record_of(USUAL), record_of(replace(USUAL, probe=(0, 0.0)))

    assert not told.what_if(workers=8).alone
    assert "slow each other down" in repr(silent.what_if(workers=8))
    assert not silent.what_if(chunk=3).alone
    assert not silent.what_if(workers=8, contention=0.1).alone


def test_what_shares_memory_is_not_faster_on_more():
    """Iterations that slow each other down do so on other numbers of workers, too, in a straight line."""
    run = record_of(replace(USUAL, lengths=(0.2,) * 400))  # alone they take 0.1 s

    assert run.what_if(workers=1).wall_s == pytest.approx(0.5 + 400 * 0.1, rel=0.05)
    assert run.what_if(workers=7).wall_s == pytest.approx(0.5 + 400 * 0.3 / 7, rel=0.05)


def test_what_is_known_of_the_machine_is_taken_for_it():
    """Contention that is given takes the place of what the run tells: here nothing, for no iteration ran alone."""
    run = record_of(replace(USUAL, probe=(0, 0.0)))

    assert run.what_if(workers=1).wall_s == pytest.approx(400 * 0.1, rel=0.05)
    assert run.what_if(workers=1, contention=0.2).wall_s == pytest.approx(400 * 0.1 / 1.6, rel=0.05)
    assert run.what_if(workers=4, contention=0.2).wall_s == pytest.approx(run.wall_s, rel=0.001)


def test_a_loaded_record_is_asked_as_well():
    """A saved record says the same."""
    run = record_of(TWINS["mixed"])

    assert Record.from_json(run.to_json()).what_if(workers=9) == run.what_if(workers=9)
    assert repr(run.what_if(workers=9, order="longest first", chunk=3)).startswith("≈")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": 0}, "workers must be 1 or more, was 0"),
        ({"chunk": -2}, "chunk must be 1 or more, was -2"),
        ({"contention": -0.1}, "contention must be 0 or more, was -0.1"),
        ({"order": "random"}, "order must be one of 'as it was', 'longest first', 'shortest first', was 'random'"),
    ],
)
def test_what_can_not_be_is_said(options, words):
    """A wrong value is named, with what is allowed."""
    with pytest.raises(ValueError, match=words):
        record_of(USUAL).what_if(**options)


def test_a_run_that_says_nothing():
    """Where nothing was split, or the record is of an older version, there is nothing to play again."""
    old = Record.from_json((Path(__file__).parent / "records" / "schema_1.json").read_text(encoding="utf-8"))

    with pytest.raises(ValueError, match="older versions: run the cell again"):
        old.what_if(workers=2)
    with pytest.raises(ValueError, match="a loop was split"):
        Record([Site(line=1)]).what_if(workers=2)


LONG_LAST = (*(0.1,) * 399, 4.0)


@pytest.mark.parametrize(
    ("asked", "run", "chunk", "met"),
    [
        pytest.param({"workers": 8}, {"workers": 8}, None, True, id="as foretold"),
        pytest.param({"workers": 8}, {}, None, False, id="other workers"),
        pytest.param({"chunk": 5}, {}, 5, True, id="chunks"),
        pytest.param({"chunk": 5}, {}, None, False, id="other chunks"),
        pytest.param({}, {"lengths": (0.1,) * 300}, None, False, id="fewer iterations"),
        pytest.param({"probe": False}, {"probe": (0, 0.0), "lengths": (0.1,) * 405}, None, True, id="no probe"),
        pytest.param({"probe": False}, {}, None, False, id="a probe"),
        pytest.param(
            {"order": LONGEST_FIRST}, {"probe": (2, 2.05), "lengths": (0.1,) * 403}, None, True, id="longest first"
        ),
        pytest.param({"order": LONGEST_FIRST}, {"lengths": LONG_LAST}, None, False, id="longest last"),
    ],
)
def test_a_forecast_is_held_against_the_run_that_it_is_of(asked, run, chunk, met):
    """A run under other conditions says nothing of it; in which order one came is told by what its iterations took."""
    base, after = record_of(USUAL), record_of(replace(USUAL, **run))
    base.what_if(**asked)
    after.chunk = chunk
    found = check(after, base.foretold)

    assert [each.how for each in found] == [base.foretold[0].how] * met
    for each in found:
        assert each.error == pytest.approx(base.foretold[0].error(after))
    after.checked = found
    assert Record.from_json(after.to_json()).checked == found


def test_a_question_that_is_asked_again_is_kept_once():
    """The last answer is the one that is held against a run."""
    run = record_of(USUAL)
    run.what_if(workers=8, contention=0.5)
    last = run.what_if(workers=8)

    assert run.foretold == [last]
