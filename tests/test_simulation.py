"""A pool of paper takes as long as arithmetic says."""

from __future__ import annotations

import random
import time

import pytest

from mpnb.events import BatchFinished, ChunkEncoded, ChunkSent
from mpnb.simulation import Lengths, Prices, play

RNG = random.Random(0)
MIXED = [(1, RNG.lognormvariate(-3, 0.6)) for _ in range(600)]


@pytest.mark.parametrize("runs", [[(3, 0.5)], [(1, 2.0), (4, 0.25)], [(2, 0.0), (2, 1.0)], MIXED], ids=len)
def test_lengths_are_sums_of_what_they_hold(runs):
    """Seconds until an iteration are those of all before it, and the iteration under way is found again by them."""
    flat = [each for count, each in runs for _ in range(count)]
    lengths = Lengths(runs)

    assert len(lengths) == len(flat)
    assert lengths.total_s == pytest.approx(sum(flat))
    for stop in range(len(flat) + 1):
        assert lengths.until(stop) == pytest.approx(sum(flat[:stop]))
    for n, each in enumerate(flat):
        if each > 0:
            assert lengths.reached(sum(flat[:n]) + each / 2) == n + 1


@pytest.mark.parametrize(
    ("runs", "workers", "prices", "seconds"),
    [
        pytest.param([(100, 0.1)], 4, Prices(), 2.5, id="alike"),
        pytest.param([(100, 0.1)], 1, Prices(), 10, id="one worker"),
        pytest.param([(3, 1.0)], 8, Prices(), 1, id="more workers than iterations"),
        pytest.param([(1, 5.0), (79, 0.1)], 4, Prices(), 5, id="a long one first"),
        pytest.param([(80, 0.1), (1, 5.0)], 4, Prices(), 7, id="a long one last"),
        pytest.param([(100, 0.1)], 4, Prices(loading_s=3), 2.5 + 3, id="what each worker loads"),
        pytest.param([(100, 0.1)], 4, Prices(packing_s=0.05), 2.5 + 1.25, id="results to pack"),
        pytest.param([(5_000, 1e-3)], 8, Prices(item_s=1e-3), 5, id="a kernel that encodes no faster"),
        pytest.param([(5_000, 1e-3)], 8, Prices(taking_s=1e-3), 5, id="a kernel that takes results in no faster"),
        pytest.param(MIXED, 6, Prices(sending_s=3e-4), sum(each for _, each in MIXED) / 6, id="mixed"),
    ],
)
def test_a_job_takes_what_arithmetic_says(runs, workers, prices, seconds):
    """Within a twentieth, for cases that can be worked out by hand."""
    assert play(Lengths(runs), workers, prices) == pytest.approx(seconds, rel=0.05)


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_who_listens_hears_of_every_iteration(workers):
    """Each is encoded, sent and done once, takes its length, and one worker runs one at a time; it costs no time."""
    heard = []
    prices = Prices(item_s=1e-4, sending_s=3e-4, unpacking_s=2e-4, packing_s=1e-4)

    wall_s = play(Lengths(MIXED), workers, prices, tell=heard.append)

    done, ends = {}, dict.fromkeys(range(workers), 0.0)
    for event in heard:
        if isinstance(event, BatchFinished):
            assert len(event.times) == 2 * event.count
            for n, (start, end) in enumerate(zip(event.times[::2], event.times[1::2], strict=True), event.first):
                assert n not in done
                assert start >= ends[event.worker] - 1e-9
                done[n], ends[event.worker] = end - start, end
            assert ends[event.worker] <= event.at <= wall_s + 1e-9
    encoded = [event for event in heard if isinstance(event, ChunkEncoded)]
    sent = [event for event in heard if isinstance(event, ChunkSent)]
    assert [done[n] for n in range(len(MIXED))] == pytest.approx([each for _, each in MIXED])
    assert sum(event.count for event in encoded) == len(MIXED)
    assert sum(event.encode_s for event in encoded) == pytest.approx(len(MIXED) * prices.item_s)
    assert {n for event in sent for n in range(event.first, event.first + event.count)} == set(range(len(MIXED)))
    assert wall_s == play(Lengths(MIXED), workers, prices)


def test_nothing_takes_no_time():
    """No iterations, no seconds."""
    assert play(Lengths([]), 4, Prices()) == 0


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_chunks_of_a_given_size(chunk):
    """Where chunks are said to be so large, all iterations run nevertheless, in no less than their time."""
    assert 2.5 * 0.999 <= play(Lengths([(100, 0.1)]), 4, Prices(), chunk=chunk) < 10.1


def test_millions_of_iterations_take_little_time():
    """A run of five million iterations is played in a moment, long ones, too."""
    began = time.process_time()

    assert play(Lengths([(5_000_000, 20e-6)]), 8, Prices()) == pytest.approx(12.5, rel=0.05)
    assert play(Lengths([(5_000_000, 20e-3)]), 8, Prices()) == pytest.approx(12_500, rel=0.05)
    assert time.process_time() - began < 10
