"""What a loop reads and sets at its own index only, as one iteration in a worker has it.

A `Sliced` is made in the kernel when a job begins, of a list, dict, array or frame as it is then, and travels with the
job. `turn()` gives an iteration three ways into it: `one` for what is read, `every` for what is read and used up at
once, `own` for what `+=` begins with. What the iteration sets it sees itself; nobody else does, and nothing of the
notebook's is changed. What can't be told apart raises PlanError: the iteration is then done in the kernel.
"""

from __future__ import annotations

import decimal
import fractions
import sys
import warnings
from typing import Any, Final

from mpnb.errors import PlanError

#: Types whose objects `+=` does not change in place.
LASTING: Final = (
    int, float, complex, bool, str, bytes, tuple, frozenset, range, type(None), decimal.Decimal, fractions.Fraction,
)  # fmt: skip


class Sliced:
    """A list, dict, array or frame, of which every iteration has its own part.

    Parameters
    ----------
    whole
        A copy of it, as shallow as can be, with the elements of the original.
    position
        Where in a key of several parts the loop variable stands.
    """

    def __init__(self, whole: Any, position: int = 0) -> None:
        self.whole = whole
        self.position = position

    def turn(self) -> tuple[Any, Any, Any]:
        """The ways into it for one iteration: `one`, `every` and `own`."""
        if isinstance(self.whole, list | dict):
            elements = _Elements(self.whole)
            return elements, elements, _Lasting(elements)
        if type(self.whole).__name__ == "ndarray":
            self.whole.flags.writeable = False
            memory = _Memory(self.whole, self.position)
            return _One(memory), _Every(memory), _Own(memory)
        frame = _Frame(self.whole)
        return frame, frame, frame


class _Elements:
    """A list or dict: elements are read from it until they are set."""

    def __init__(self, whole: Any) -> None:
        self.whole = whole
        self.set: dict[Any, Any] = {}

    def __len__(self) -> int:
        return len(self.whole)

    def __getitem__(self, key: Any) -> Any:
        return self.set[key] if key in self.set else self.whole[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.set[key] = value


class _Lasting:
    """The same where `+=` begins with an element, which must not be one that it changes in place."""

    def __init__(self, elements: _Elements) -> None:
        self.elements = elements

    def __getitem__(self, key: Any) -> Any:
        element = self.elements[key]
        if type(element) not in LASTING and not _is_scalar(element):
            raise PlanError(f"+= would change a {type(element).__name__} in place")
        return element


class _Memory:
    """An array, and what an iteration has set in it: single elements by their full index, or anything else."""

    def __init__(self, whole: Any, position: int) -> None:
        self.whole = whole
        self.position = position
        self.set: dict[tuple[int, ...], Any] = {}
        self.closed = False  # more than single elements were set

    def full(self, key: Any) -> tuple[int, ...] | None:
        """A key as the index of a single element, None where it is not one."""
        parts = key if type(key) is tuple else (key,)
        for part in parts[: self.position]:
            if type(part) is not slice and not _is_index(part):
                raise PlanError("which axis is meant can't be told")
        if len(parts) != self.whole.ndim or not all(map(_is_index, parts)):
            return None
        return tuple(int(part) % size if size else 0 for part, size in zip(parts, self.whole.shape, strict=True))

    def single(self, key: Any, full: tuple[int, ...]) -> Any:
        """A single element."""
        if full in self.set:
            place = self.whole[(slice(0, 1),) * self.whole.ndim].copy()
            with warnings.catch_warnings():  # the array of the notebook says it again
                warnings.simplefilter("ignore")
                place.fill(self.set[full])
            return place.reshape(1)[0]
        if self.closed:
            raise PlanError("reads an element after it has set a part")
        return self.whole[key]

    def part(self, key: Any) -> Any:
        """More than a single element."""
        if self.set or self.closed:
            raise PlanError("reads a part after it has set some of it")
        return self.whole[key]


class _One:
    """An array of which single elements are read, or anything is set."""

    def __init__(self, memory: _Memory) -> None:
        self.memory = memory

    def __len__(self) -> int:
        return len(self.memory.whole)

    @property
    def shape(self) -> Any:
        return self.memory.whole.shape

    @property
    def size(self) -> Any:
        return self.memory.whole.size

    @property
    def ndim(self) -> Any:
        return self.memory.whole.ndim

    @property
    def dtype(self) -> Any:
        return self.memory.whole.dtype

    def __getitem__(self, key: Any) -> Any:
        full = self.memory.full(key)
        if full is None:
            raise PlanError("takes a part of an array, which goes on to show what is set in it")
        return self.memory.single(key, full)

    def __setitem__(self, key: Any, value: Any) -> None:
        full = self.memory.full(key)
        if full is None:
            self.memory.closed = True
        else:
            self.memory.set[full] = value


class _Every:
    """An array of which anything is read, and used up at once."""

    def __init__(self, memory: _Memory) -> None:
        self.memory = memory

    def __getitem__(self, key: Any) -> Any:
        full = self.memory.full(key)
        return self.memory.part(key) if full is None else self.memory.single(key, full)


class _Own(_Every):
    """The same where `+=` begins with it: a part is a copy."""

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return found if self.memory.full(key) is not None else found.copy()


class _Frame:
    """A frame: columns, or cells by `loc` and `at`. What was set is set in a copy when it is asked for."""

    def __init__(self, whole: Any) -> None:
        self.whole = whole
        self.set: list[tuple[str, Any, Any]] = []
        self.loc = _Cells(self, "loc")
        self.at = _Cells(self, "at")

    def __getitem__(self, key: Any) -> Any:
        return self.now()[key].copy()

    def __setitem__(self, key: Any, value: Any) -> None:
        self.set.append(("", key, value))

    def now(self) -> Any:
        """The frame with all that was set."""
        if not self.set:
            return self.whole
        frame = self.whole.copy(deep=False)
        with warnings.catch_warnings():  # the frame of the notebook says it again
            warnings.simplefilter("ignore")
            for how, key, value in self.set:
                (getattr(frame, how) if how else frame)[key] = value
        return frame


class _Cells:
    """The cells of a frame."""

    def __init__(self, frame: _Frame, how: str) -> None:
        self.frame = frame
        self.how = how

    def __getitem__(self, key: Any) -> Any:
        found = getattr(self.frame.now(), self.how)[key]
        if hasattr(found, "iloc"):
            raise PlanError("reads more than one cell of a frame")
        return found

    def __setitem__(self, key: Any, value: Any) -> None:
        self.frame.set.append((self.how, key, value))


def _is_index(part: Any) -> bool:
    return type(part) is int or (_is_scalar(part) and part.dtype.kind in "iu")


def _is_scalar(thing: Any) -> bool:
    """Tell whether it is one of numpy's numbers."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(thing, numpy.generic)
