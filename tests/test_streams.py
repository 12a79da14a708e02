"""Streams of random numbers: what goes into them is seed, site, pass and iteration, and nothing else."""

from __future__ import annotations

import copy
import pickle
import random

import numpy as np
import pytest

from mpnb.streams import NUMPY, PYTHON, SHARED, Streams, _Keys, describe, shared_generator, shared_name

KINDS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


def key(seed: int, *where: int) -> np.random.SeedSequence:
    """The key of a stream, as the room's docstring defines it."""
    return np.random.SeedSequence(seed, spawn_key=where)


def generator(kind: str, seed: int | np.random.SeedSequence = 1) -> np.random.Generator:
    """A generator over a bit generator of some kind."""
    return np.random.Generator(getattr(np.random, kind)(seed))


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**40 + 3, 2**200 + 17])
@pytest.mark.parametrize("prefix", [(0, 0, 0), (3, 1, 2), (7, 2**33, 1)])
def test_keys_are_numpys_seed_sequences(seed, prefix):
    """What is worked out for many iterations at once is what SeedSequence gives for each."""
    keys = _Keys(seed, prefix, 8)

    for iteration in (0, 1, 255, 256, 70_000, 3, 2**32 - 1, 2**32, 2**32 + 5):
        assert list(keys.words(iteration)) == list(key(seed, *prefix, iteration).generate_state(8))


@pytest.mark.parametrize("kind", KINDS)
def test_a_generator_begins_as_its_kind_does_with_the_key(kind):
    """So anybody can have an iteration's numbers again, without mpnb."""
    mine = generator(kind)
    streams = Streams(7, 1, 4, generators=[mine])

    with streams:
        for iteration in (33, 0, 33):
            streams.start(iteration)
            wanted = generator(kind, key(7, 1, 4, 2, iteration))
            assert list(mine.random(5)) == list(wanted.random(5))
            assert mine.integers(0, 9, dtype=np.uint32) == wanted.integers(0, 9, dtype=np.uint32)
            assert mine.spawn(2)[1].random() == wanted.spawn(2)[1].random()
            assert copy.deepcopy(mine).random() == pickle.loads(pickle.dumps(mine)).random() == wanted.random()


def test_the_shared_generators_begin_as_the_docstring_says():
    """`random` and numpy's legacy generator, through the names that everybody uses."""
    streams = Streams(5, 2, 0, SHARED)

    with streams:
        streams.start(11)
        number = int.from_bytes(key(5, 2, 0, 0, 11).generate_state(4).astype("<u4").tobytes(), "little")
        python = random.Random(number)
        assert [random.random(), random.gauss(0, 1)] == [python.random(), python.gauss(0, 1)]
        wanted = np.random.RandomState(key(5, 2, 0, 1, 11).generate_state(4))
        assert np.random.standard_normal() == wanted.standard_normal()
        assert np.random.randint(100) == wanted.randint(100)


def everything() -> list:
    """A generator of every kind that can be given streams, in the middle of its numbers."""
    made = [random.Random(1), np.random.RandomState(2), *(generator(kind) for kind in KINDS)]
    made[0].gauss(0, 1)  # which keeps the second of a pair
    made[1].standard_normal()
    for each in made[2:]:
        each.integers(0, 9, dtype=np.uint32)  # which keeps half a word
    return made


def states(generators) -> str:
    """The states of generators, to compare."""
    with np.printoptions(threshold=10_000):
        found = []
        for each in generators:
            if isinstance(each, random.Random):
                found.append(each.getstate())
            elif isinstance(each, np.random.RandomState):
                found.append(each.get_state(legacy=False))
            else:
                found.append(each.bit_generator.state)
        return repr(found)


def test_afterwards_every_generator_is_as_before():
    """Whatever was drawn, down to a kept half pair of normal numbers; the bit generators are the very same."""
    mine = [*everything(), shared_generator(PYTHON), shared_generator(NUMPY)]
    np.random.standard_normal()
    before, bits = states(mine), [each.bit_generator for each in mine[2:7]]
    streams = Streams(0, 0, 0, SHARED, mine[:7])

    with pytest.raises(KeyboardInterrupt), streams:
        for iteration in range(3):
            streams.start(iteration)
            for each in mine:
                each.random()
        raise KeyboardInterrupt

    assert states(mine) == before
    assert all(each.bit_generator is bit for each, bit in zip(mine[2:7], bits, strict=True))


class Interrupted:
    """A function whose first call is interrupted before it does anything."""

    def __init__(self, function) -> None:
        self.function = function
        self.called = False

    def __call__(self) -> None:
        """Raise, or do it."""
        if not self.called:
            self.called = True
            raise KeyboardInterrupt
        self.function()


def test_an_interrupt_on_the_way_in_or_out_loses_nothing(monkeypatch):
    """Wherever it comes, leaving once more makes good what was not done."""
    mine = [*everything(), shared_generator(PYTHON), shared_generator(NUMPY)]
    before = states(mine)
    for method in ("enter", "leave"):
        for place in range(9):
            streams = Streams(0, 0, 0, SHARED, mine[:7])
            seeder = streams._seeders[place]
            interrupted = Interrupted(getattr(seeder, method))
            monkeypatch.setattr(seeder, method, interrupted)
            with pytest.raises(KeyboardInterrupt), streams:
                streams.start(place)
            streams.leave()
            assert states(mine) == before, (method, place)


def test_leaving_twice_takes_nothing_back():
    """Numbers that are drawn after the site stay drawn."""
    mine, like = random.Random(3), random.Random(3)
    streams = Streams(0, 0, 0, generators=[mine])
    streams.enter()
    streams.leave()
    first = mine.random()
    streams.leave()

    assert [first, mine.random()] == [like.random(), like.random()]


def test_they_are_the_same_in_another_process():
    """What goes to a worker is plain data, and gives the same numbers on generators made there."""
    here = Streams(9, 1, 2, SHARED, everything())
    data = pickle.loads(pickle.dumps(here.plain()))
    drawn = []
    for streams in (here, Streams.from_plain(data)):
        with streams:
            streams.start(5)
            drawn.append([[each.random() for each in streams.generators], random.random(), np.random.random()])

    assert drawn[0] == drawn[1]


def test_no_two_streams_are_alike():
    """Another seed, site, pass, generator or iteration is another stream."""
    drawn = set()
    for seed, site, turn in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1)]:
        streams = Streams(seed, site, turn, SHARED, everything())
        with streams:
            for iteration in range(3):
                streams.start(iteration)
                drawn |= {random.random(), np.random.random(), *(each.random() for each in streams.generators)}

    assert len(drawn) == 5 * 3 * 9


@pytest.mark.parametrize("kind", [PYTHON, NUMPY, "PCG64", "SFC64"])
def test_streams_are_not_correlated(kind):
    """Neither neighbouring iterations, nor sites, nor passes; within an iteration, the numbers are evenly spread."""
    draws = {PYTHON: random.random, NUMPY: np.random.random}
    mine = [] if kind in SHARED else [generator(kind)]
    draw = draws.get(kind) or mine[0].random
    tables = []
    for site, turn in [(0, 0), (1, 0), (0, 1)]:
        streams = Streams(1, site, turn, [kind], mine)
        with streams:
            rows = []
            for iteration in range(2_000):
                streams.start(iteration)
                rows.append([draw() for _ in range(8)])
        tables.append(np.array(rows))
    first = tables[0]
    limit = 5 / np.sqrt(len(first) - 1)  # five times the deviation that independent numbers have

    pairs = [(first[:-1, place], first[1:, place]) for place in range(8)]  # an iteration and the next
    pairs += [(first[:, place], other[:, place]) for other in tables[1:] for place in range(8)]
    pairs += [(first[:, place], first[:, place + 1]) for place in range(7)]
    assert max(abs(np.corrcoef(one, other)[0, 1]) for one, other in pairs) < limit
    counts = np.histogram(first[:, 0], bins=20, range=(0, 1))[0]
    assert ((counts - 100) ** 2 / 100).sum() < 60  # chi square of 19 degrees of freedom: 60 has p = 4e-6


def test_what_can_be_given_streams_is_known_by_its_kind():
    """A class of the user's, or one that asks the system, keeps its own numbers."""

    class Mine(random.Random):
        pass

    assert [describe(each) for each in everything()] == ["Random", "RandomState", *KINDS]
    assert [describe(each) for each in (Mine(), random.SystemRandom(), np.random.PCG64(), 3)] == [None] * 4
    assert [shared_name(shared_generator(name)) for name in SHARED] == list(SHARED)
    assert shared_name(random.Random()) is None
    with pytest.raises(TypeError, match="a Mine can't be given streams"):
        Streams(0, 0, 0, generators=[Mine()])
