"""The broadcast budget: what each name costs all workers in memory, against what is free. Encodes nothing itself.

A clear error before anything is sent, where else the system would end some process for want of memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mpnb.errors import CodecError

#: Bytes of objects that a worker makes of a pickled byte: text about 1, floats 3.5, small integers 10.
OBJECTS: Final = 3
#: Below so many bytes nobody asks what is free.
CARELESS: Final = 64 << 20
#: Of what is free, so much may be used.
SHARE: Final = 0.9


class Budget:
    """What the names of one job cost.

    Parameters
    ----------
    workers
        How many there are: each makes its own objects of what is pickled, while an array's block is one for all.
    free
        Gives the bytes of memory that can be had.
    held
        What names have cost in earlier jobs, which the workers hold until something else comes in its place.

    Examples
    --------
    >>> budget = Budget(4, lambda: 1 << 30)
    >>> budget.spend("texts", pickled=100_000_000)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    mpnb.errors.CodecError: cannot send 'texts': it takes about 1.20 GB in 4 workers, and of 1.07 GB that are free ...
    """

    def __init__(self, workers: int, free: Callable[[], int], held: dict[str, int] | None = None) -> None:
        self._workers = workers
        self._free = free
        self._held = {} if held is None else held
        self._spent = 0
        self._most = _Cost("", 0, 0)

    def spend(self, name: str, pickled: int, shared: int = 0) -> None:
        """Count a name's bytes in the pickle and in new blocks; CodecError of the largest where all are too much."""
        objects = pickled * OBJECTS * self._workers
        cost = _Cost(name, max(0, objects - self._held.get(name, 0)), shared)
        self._spent += cost.nbytes
        self._most = max(self._most, cost, key=lambda each: each.nbytes)
        if self._spent >= CARELESS and self._spent > (free := self._free()) * SHARE:
            raise self._too_much(free)
        self._held[name] = objects

    def _too_much(self, free: int) -> CodecError:
        most = self._most
        where, instead = "shared by the workers", "smaller data"
        if most.objects > most.shared:
            where = f"in {self._workers} workers"
            instead = "fewer workers, smaller data, or numpy arrays, which all workers share"
        rest = "" if most.nbytes == self._spent else f" (all names {_gb(self._spent)})"
        why = (
            f"it takes about {_gb(most.nbytes)} {where}{rest}, and of {_gb(free)} that are free {_gb(free * SHARE)} may"
        )
        return CodecError(most.name, f"{why} be used; instead: {instead}")


@dataclass(frozen=True, slots=True)
class _Cost:
    """Bytes of objects in all workers, and of memory that they share."""

    name: str
    objects: int
    shared: int

    @property
    def nbytes(self) -> int:
        return self.objects + self.shared


def _gb(nbytes: float) -> str:
    return f"{nbytes / 1e9:.2f} GB"
