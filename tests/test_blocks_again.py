"""Arguments and results in memory that is used again: whatever is kept of them, on either side, stays what it was."""

from __future__ import annotations

import pickle
import random
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mpnb import buffers
from mpnb.pool import Pool

pytestmark = pytest.mark.skipif(buffers.is_portable(), reason="no memfd_create here: nothing is used again")

SOURCE = """
kept = []
def keep(thing):
    kept.append((thing, frozen(thing)))
    for each, was in kept:
        assert frozen(each) == was
    return thing
def frozen(thing):
    if hasattr(thing, "strides"):
        return thing.tobytes(), thing.shape, thing.strides
    if hasattr(thing, "data"):
        return bytes(thing.data)
    return [frozen(each) for each in thing] if isinstance(thing, (list, tuple)) else thing
def change(array):
    array += 1
    return array
def die(array):
    if array[0] == 13 and not kept:
        import os
        os._exit(3)
    return array * 2
"""


class Raw:
    """Bytes that leave its pickle, and are not an array's: who unpickles it has the very memory they came in."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __reduce_ex__(self, _protocol: Any) -> Any:
        return Raw, (pickle.PickleBuffer(self.data),)


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The functions, as a notebook's."""
    made: dict[str, Any] = {"__name__": "__main__"}
    exec(SOURCE, made)
    return made


@pytest.fixture
def pool() -> Iterator[Pool]:
    """A pool of two; no test waits for ever."""
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("the test takes longer than 60 s"))
    signal.alarm(60)
    with Pool(2) as made:
        yield made
    signal.alarm(0)


def a_thing(chance: random.Random) -> Any:
    """Something with buffers: arrays of many sizes and layouts, and others."""
    size = chance.choice([9_000, 20_000, 70_000, 200_000])
    array = np.arange(size, dtype=float) + chance.random()
    return chance.choice(
        [
            lambda: array,
            lambda: array[::2],
            lambda: np.asfortranarray(array[: size // 10 * 10].reshape(10, -1)),
            lambda: [array, array[: size // 2] + 1, "text"],
            lambda: Raw(array.tobytes()),
            lambda: (array, Raw(array.tobytes())),
        ]
    )()


@pytest.mark.parametrize("seed", range(3))
def test_what_is_kept_stays_what_it_was(pool: Pool, names: dict[str, Any], seed: int) -> None:
    """Results in the notebook and arguments in the workers, while others go through the same memory."""
    plain = names["frozen"]
    chance = random.Random(seed)
    held: list[tuple[Any, Any]] = []
    for _ in range(25):
        things = [a_thing(chance) for _ in range(chance.randint(1, 12))]
        expected = [plain(thing) for thing in things]
        method = chance.choice(
            [pool.map, lambda f, xs: list(pool.imap(f, xs)), lambda f, xs: pool.map_async(f, xs).get(30)]
        )
        results = method(names["keep"], things)
        assert [plain(result) for result in results] == expected
        held.append((results[-1], expected[-1]))
        if chance.random() < 0.7:
            held.pop(chance.randrange(len(held)))
        assert all(plain(result) == was for result, was in held)


def test_arguments_are_the_tasks_own(pool: Pool, names: dict[str, Any]) -> None:
    """A task that changes its argument changes neither the notebook's nor what another task gets."""
    arrays = [np.full(50_000, float(number)) for number in range(20)]
    for _ in range(4):
        for number, result in enumerate(pool.map(names["change"], arrays, chunksize=1)):
            assert result[0] == result[-1] == number + 1
            assert result.flags.writeable
            result[...] = -1
    assert [array[0] for array in arrays] == list(range(20))


def test_a_death_loses_no_other_argument(pool: Pool, names: dict[str, Any]) -> None:
    """What a dead worker had in its hands goes to another one as it was."""
    arrays = [np.full(50_000, float(number)) for number in range(30)]
    for _ in range(3):
        handles = [pool.apply_async(names["die"], (array,)) for array in arrays]
        for number, handle in enumerate(handles):
            if number == 13:
                with pytest.raises(Exception, match="exit code 3"):
                    handle.get(30)
            else:
                assert handle.get(30)[-1] == 2 * number


def test_memory_is_used_again(pool: Pool, names: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first maps no block is made any more for arguments; with the pool its descriptors go."""
    arrays = [np.full(50_000, float(number)) for number in range(30)]
    made: list[int] = []
    memory = buffers._memory

    def counted() -> int:
        made.append(1)
        return memory()

    monkeypatch.setattr(buffers, "_memory", counted)
    for _ in range(3):
        pool.map(names["change"], arrays, chunksize=1)
    made.clear()
    for _ in range(3):
        pool.map(names["change"], arrays, chunksize=1)
    assert len(made) <= 4
