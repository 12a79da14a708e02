"""A stream of random numbers for every iteration: seed, site, pass and iteration in, seeded generators out.

The key of a stream is `numpy.random.SeedSequence(seed, spawn_key=(site, turn, which, iteration))`: `turn` counts the
passes over the site, `which` is 0 for the generator of `random`, 1 for numpy's legacy one, and from 2 on the
notebook's own ones. Nothing else goes in, so it is the same on any worker, in any chunk, and in the kernel:

    random, random.Random          seed(key.generate_state(4) as one whole number)
    np.random, RandomState         seed(key.generate_state(4))
    Generator                      as Generator(its own kind of bit generator(key))

What the notebook's generators were before is never overwritten: numpy's get a bit generator of ours while the streams
are in place (`enter`), and their own back (`leave`). Knows nothing of loops and processes.
"""

from __future__ import annotations

import copy
import functools
import importlib
import random
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

#: The generators that everybody shares, by their place in the key.
PYTHON: Final = "random"
NUMPY: Final = "numpy.random"
SHARED: Final = (PYTHON, NUMPY)
#: What to do instead of drawing from a generator that all iterations share.
SEEDED: Final = "%%parallel --seed 0 gives every iteration its own stream"
#: So many of the notebook's own generators get streams; each of them is seeded anew in every iteration.
MOST: Final = 64

_PYTHON: Final[random.Random] = random.random.__self__  # type: ignore[attr-defined]  # a method, not a function
_BLOCK: Final = 256  # keys are computed for so many iterations at once
_BIT_GENERATORS: Final = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")

# The constants of numpy's SeedSequence and PCG64, which its compatibility policy keeps as they are.
_INIT_A, _MULT_A = 0x43B0D7E5, 0x931E8875
_INIT_B, _MULT_B = 0x8B51F9DD, 0x58F38DED
_MIX_L, _MIX_R = 0xCA01F9DD, 0x4973F715
_PCG_MULTIPLIER: Final = 0x2360ED051FC65DA44385DF649FCCF645
_WORD: Final = (1 << 32) - 1
_PCG_WORD: Final = (1 << 128) - 1


class Streams:
    """The streams of one pass over a site.

    Parameters
    ----------
    seed, site, turn
        See above.
    shared
        Which of `SHARED` the iterations may draw from.
    generators
        The notebook's own ones, in the order of their numbers: `describe` must know each.

    Examples
    --------
    >>> rng = random.Random()
    >>> streams = Streams(0, site=0, turn=0, generators=[rng])
    >>> with streams:
    ...     streams.start(7)
    ...     first = rng.random()
    ...     streams.start(7)
    ...     rng.random() == first
    True
    """

    def __init__(
        self, seed: int, site: int, turn: int, shared: Iterable[str] = (), generators: Sequence[object] = ()
    ) -> None:
        self.seed = seed
        self.site = site
        self.turn = turn
        self.shared = tuple(name for name in SHARED if name in set(shared))
        self.generators = tuple(generators)
        chosen: list[tuple[int, Any]] = [(SHARED.index(name), shared_generator(name)) for name in self.shared]
        chosen += enumerate(self.generators, len(SHARED))
        self._seeders = [_seeder(generator, seed, (site, turn, which)) for which, generator in chosen]
        self._entered: list[_Seeder] = []

    def enter(self) -> None:
        """Put the streams in place of the generators' own states."""
        if not self._entered:
            for seeder in self._seeders:
                self._entered.append(seeder)  # first: an interrupt may come in between
                seeder.enter()

    def leave(self) -> None:
        """Give every generator the state that it had at `enter`; to be called again where an interrupt cut it short."""
        while self._entered:
            self._entered[-1].leave()
            self._entered.pop()

    def start(self, iteration: int) -> None:
        """Set every generator to the beginning of its stream for this iteration."""
        for seeder in self._seeders:
            seeder.start(iteration)

    def numbers(self) -> dict[int, int]:
        """The number in the key of every generator here, by its id."""
        numbered = {id(shared_generator(name)): SHARED.index(name) for name in self.shared}
        return numbered | {id(each): number for number, each in enumerate(self.generators, len(SHARED))}

    def __enter__(self) -> None:
        self.enter()

    def __exit__(self, *_: object) -> None:
        self.leave()

    def plain(self) -> tuple[Any, ...]:
        """All of it as plain data, for `from_plain` in another process."""
        return self.seed, self.site, self.turn, self.shared, [describe(each) for each in self.generators]

    @classmethod
    def from_plain(cls, data: tuple[Any, ...]) -> Streams:
        """The same streams, on generators made here."""
        seed, site, turn, shared, described = data
        return cls(seed, site, turn, shared, [_make(words) for words in described])


# -- generators --------------------------------------------------------------------------------------------------------


def shared_generator(name: str) -> Any:
    """The object behind the functions of `random` or `numpy.random`."""
    if name == PYTHON:
        return _PYTHON
    return importlib.import_module("numpy.random").mtrand._rand  # noqa: SLF001 -- there is no public name for it


def shared_name(thing: object) -> str | None:
    """Which of the shared generators this object is, if one."""
    if thing is _PYTHON:
        return PYTHON
    numpy_random: Any = sys.modules.get("numpy.random")
    mtrand = getattr(numpy_random, "mtrand", None)
    return NUMPY if mtrand is not None and thing is getattr(mtrand, "_rand", None) else None


def describe(generator: object) -> str | None:
    """A generator's kind, as a word to make one like it from; None for what can't be given streams."""
    kind = type(generator)
    if kind is random.Random:
        return "Random"
    numpy_random: Any = sys.modules.get("numpy.random")
    if numpy_random is None or not hasattr(numpy_random, "Generator"):
        return None
    if kind is numpy_random.RandomState:
        return "RandomState"
    if kind is numpy_random.Generator:
        bits = type(generator.bit_generator)  # type: ignore[attr-defined]
        if bits.__name__ in _BIT_GENERATORS and bits is getattr(numpy_random, bits.__name__):
            return str(bits.__name__)
    return None


def _make(words: str) -> Any:
    if words == "Random":
        return random.Random()  # noqa: S311 -- not for secrets
    numpy_random = importlib.import_module("numpy.random")
    if words == "RandomState":
        return numpy_random.RandomState()
    return numpy_random.Generator(getattr(numpy_random, words)())


def _seeder(generator: Any, seed: int, prefix: tuple[int, ...]) -> _Seeder:
    kind = describe(generator)
    if kind is None:
        msg = f"a {type(generator).__name__} can't be given streams"
        raise TypeError(msg)
    if kind == "Random":
        return _PythonSeeder(generator, _Keys(seed, prefix, 4))
    if kind == "RandomState":
        return _LegacySeeder(generator, _Keys(seed, prefix, 4))
    if kind in {"PCG64", "PCG64DXSM"}:  # which begin alike
        return _PcgSeeder(generator, _Keys(seed, prefix, 8), kind)
    return _AnySeeder(generator, _Keys(seed, prefix, 0))


class _Seeder(Protocol):
    """Puts the streams of one generator in its place."""

    def enter(self) -> None: ...

    def start(self, iteration: int) -> None: ...

    def leave(self) -> None: ...


class _PythonSeeder:
    """A `random.Random`: its state is kept, and set back."""

    def __init__(self, generator: random.Random, keys: _Keys) -> None:
        self._generator = generator
        self._keys = keys
        self._before: Any = None

    def enter(self) -> None:
        self._before = self._generator.getstate()

    def start(self, iteration: int) -> None:
        self._generator.seed(int.from_bytes(self._keys.words(iteration).astype("<u4").tobytes(), "little"))

    def leave(self) -> None:
        if self._before is not None:
            self._generator.setstate(self._before)
            self._before = None


class _LegacySeeder:
    """A `RandomState`: gets a Mersenne Twister of ours; of itself it only keeps half a pair of normal numbers."""

    def __init__(self, generator: Any, keys: _Keys) -> None:
        self._generator = generator
        self._keys = keys
        self._ours = importlib.import_module("numpy.random").MT19937(0)
        self._before: Any = None

    def enter(self) -> None:
        state = self._generator.get_state(legacy=False)
        self._before = self._generator._bit_generator, state["has_gauss"], state["gauss"]  # noqa: SLF001 -- no other way
        self._generator.__init__(self._ours)

    def start(self, iteration: int) -> None:
        self._generator.seed(self._keys.words(iteration))

    def leave(self) -> None:
        if self._before is not None:
            bits, has_gauss, gauss = self._before
            self._generator.__init__(bits)  # and there is no half pair any more
            if has_gauss:
                self._generator.set_state(self._generator.get_state(legacy=False) | {"has_gauss": 1, "gauss": gauss})
            self._before = None


class _AnySeeder:
    """A `Generator` of any kind: gets a new bit generator of its own kind for every iteration."""

    def __init__(self, generator: Any, keys: _Keys) -> None:
        self._generator = generator
        self._keys = keys
        self._kind = type(generator.bit_generator)
        self._before: Any = None

    def enter(self) -> None:
        self._before = self._generator.bit_generator

    def start(self, iteration: int) -> None:
        self._generator.__init__(self._kind(self._keys.sequence(iteration)))

    def leave(self) -> None:
        if self._before is not None:
            self._generator.__init__(self._before)
            self._before = None


class _PcgSeeder(_AnySeeder):
    """A `Generator` over a PCG64: the state is worked out here, which takes a fifth of the time."""

    def __init__(self, generator: Any, keys: _Keys, kind: str) -> None:
        super().__init__(generator, keys)
        self._children = _children()(keys)
        self._ours = self._kind(self._children)
        self._state: dict[str, Any] = {"bit_generator": kind, "state": {}, "has_uint32": 0, "uinteger": 0}

    def enter(self) -> None:
        super().enter()
        self._generator.__init__(self._ours)

    def start(self, iteration: int) -> None:
        # As pcg64_set_seed: low word first within each 64 bits, high 64 bits first within each 128.
        a, b, c, d, e, f, g, h = self._keys.words(iteration).tolist()
        begin = b << 96 | a << 64 | d << 32 | c
        increment = (f << 97 | e << 65 | h << 33 | g << 1 | 1) & _PCG_WORD
        state = ((increment + begin) * _PCG_MULTIPLIER + increment) & _PCG_WORD
        self._state["state"] = {"state": state, "inc": increment}
        self._ours.state = self._state
        self._children.begin(iteration)


# -- keys --------------------------------------------------------------------------------------------------------------


class _Keys:
    """`SeedSequence(seed, spawn_key=(*prefix, iteration)).generate_state(count)`, many iterations at once."""

    def __init__(self, seed: int, prefix: tuple[int, ...], count: int) -> None:
        self._seed = seed
        self._prefix = prefix
        self._count = count
        self._numpy = importlib.import_module("numpy")
        self._first: int | None = None
        self._words: Any = None
        # What the hash has come to where the number of the iteration goes in: pool, and constant after so many words.
        self._pool = [int(word) for word in self.sequence().pool]
        taken = max(4, _length(seed)) + sum(map(_length, prefix))
        self._constant = _INIT_A * pow(_MULT_A, 16 + 4 * (taken - 4), 1 << 32) & _WORD

    def sequence(self, *iteration: int) -> Any:
        """The `SeedSequence` itself."""
        return self._numpy.random.SeedSequence(self._seed, spawn_key=(*self._prefix, *iteration))

    def words(self, iteration: int) -> Any:
        """An array of `count` words of 32 bits."""
        if self._first is None or not 0 <= iteration - self._first < _BLOCK:
            first = iteration - iteration % _BLOCK
            if first > _WORD:  # such a number goes into the hash as two words
                return self.sequence(iteration).generate_state(self._count)
            self._first, self._words = first, self._block(first)
        return self._words[iteration - self._first]

    def _block(self, first: int) -> Any:
        uint32 = self._numpy.uint32
        numbers = self._numpy.arange(first, first + _BLOCK, dtype=uint32)
        constant = self._constant
        pool = []
        for word in self._pool:
            constant, hashed = self._hashed(numbers, constant, _MULT_A)
            mixed = uint32(_MIX_L * word & _WORD) - uint32(_MIX_R) * hashed
            pool.append(mixed ^ (mixed >> uint32(16)))
        words = self._numpy.empty((_BLOCK, self._count), uint32)
        constant = _INIT_B
        for place in range(self._count):
            constant, words[:, place] = self._hashed(pool[place % 4], constant, _MULT_B)
        return words

    def _hashed(self, values: Any, constant: int, multiplier: int) -> tuple[int, Any]:
        uint32 = self._numpy.uint32
        values = values ^ uint32(constant)
        constant = constant * multiplier & _WORD
        values = values * uint32(constant)
        return constant, values ^ (values >> uint32(16))


def _length(number: int) -> int:
    """How many words of 32 bits a whole number has in a SeedSequence."""
    return max(1, -(-number.bit_length() // 32))


@functools.cache
def _children() -> Any:
    """The class of what a bit generator that is used for all iterations says that it was seeded with."""
    numpy_random = importlib.import_module("numpy.random")

    class Children(numpy_random.bit_generator.ISpawnableSeedSequence):  # type: ignore[misc,name-defined]
        """The key of the running iteration, made when somebody wants to know: `spawn()` does."""

        def __init__(self, keys: _Keys) -> None:
            self._keys = keys
            self._made: Any = None
            self._iteration = 0

        def begin(self, iteration: int) -> None:
            self._iteration, self._made = iteration, None

        def sequence(self) -> Any:
            if self._made is None:
                self._made = self._keys.sequence(self._iteration)
            return self._made

        def generate_state(self, *arguments: Any) -> Any:
            return self.sequence().generate_state(*arguments)

        def spawn(self, n_children: int) -> Any:
            return self.sequence().spawn(n_children)

        @property
        def entropy(self) -> Any:
            return self.sequence().entropy

        @property
        def spawn_key(self) -> Any:
            return self.sequence().spawn_key

        @property
        def n_children_spawned(self) -> Any:
            return self.sequence().n_children_spawned

        def __reduce__(self) -> tuple[Any, ...]:
            return copy.copy, (self.sequence(),)

    return Children
