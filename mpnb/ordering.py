"""Whether a set would have the same order in another process. Sets in, yes or no out; sends and changes nothing.

A set's order hangs on its elements' hashes, and where those collide on its history. Hashes of text differ between
processes unless PYTHONHASHSEED is fixed, those of most objects are addresses, those of numbers are the same everywhere.
"""

from __future__ import annotations

import functools
import os
import sys
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

SETS: Final = (set, frozenset, weakref.WeakSet)
_NUMBERS: Final = (int, float, bool, complex)
_TEXT: Final = (str, bytes)
_PLAIN_SETS: Final = {set, frozenset}


@functools.cache
def _seed_at_start() -> str:
    """The PYTHONHASHSEED that this process began with; "random" where that can't be told."""
    if sys.flags.ignore_environment:
        return "random"
    try:
        entries = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return "random" if sys.flags.hash_randomization else "0"
    found = [entry.partition(b"=")[2].decode() for entry in entries if entry.startswith(b"PYTHONHASHSEED=")]
    return found[0] if found else "random"


def is_seed_fixed() -> bool:
    """Whether text has the same hashes here and at the other end: in workers, or in the notebook.

    Workers inherit the environment, which may have changed since the notebook began; so a worker goes by what the
    notebook said with the job: see `hashes`.
    """
    if _told is not None:
        return _told
    seed = os.environ.get("PYTHONHASHSEED", "random")
    return seed.isdigit() and seed == _seed_at_start()


_PROBE: Final = "text"
_told: bool | None = None  # by the notebook, in a worker


def hashes() -> int | None:
    """What a worker has to have the same of, where the order of sets is relied upon: the hash of a text; else None."""
    return hash(_PROBE) if is_seed_fixed() else None


def agree_on(theirs: int | None) -> None:
    """In a worker: go by what `hashes` gave in the notebook.

    Raises
    ------
    ValueError
        It relies upon hashes that are others here.
    """
    global _told
    if theirs is not None and theirs != hash(_PROBE):
        msg = "text has other hashes here than in the notebook: PYTHONHASHSEED differs"
        raise ValueError(msg)
    _told = theirs is not None


def _is_hashed_alike(element: Any) -> bool:
    kind = type(element)
    if kind in _NUMBERS:
        return bool(element == element)  # noqa: PLR0124 - not a number is not itself, and its hash is its address
    if kind in _TEXT:
        return is_seed_fixed()
    return kind in (tuple, frozenset) and all(map(_is_hashed_alike, element))


def keeps_order(one: Any) -> bool:
    """Whether a copy of this set made in a worker, and every set made of it there, iterates as it would here."""
    order = list(one)
    return all(map(_is_hashed_alike, order)) and _same_when_made(one, order)


def _same_when_made(one: Any, order: list[Any]) -> bool:
    # compared by identity: 1 and True are equal
    return len(order) < 2 or all(a is b for a, b in zip(type(one)(order), order, strict=True))


def reordered(things: Iterable[Any]) -> Iterator[Any]:
    """The sets among some objects of which `keeps_order` is not true."""
    every = list(things)
    kinds = {kind for kind in set(map(type, every)) if issubclass(kind, SETS)}
    if kinds:
        yield from (thing for thing in every if type(thing) in kinds and not _is_kept(thing))


def _is_kept(thing: Any) -> bool:
    """As `keeps_order`; a subclass may have methods of the user's, so only its size is looked at."""
    if type(thing) in (set, frozenset):
        return keeps_order(thing)
    if isinstance(thing, weakref.WeakSet):
        return not len(thing)
    return not (set.__len__(thing) if isinstance(thing, set) else frozenset.__len__(thing))


def why_misordered(things: Iterable[Any]) -> str:
    """What a set among some objects holds that a copy made in another process would have in another order; or "".

    Where elements collide, which is often, a set's order hangs on the order in which they were added, and which of them
    collide on hashes that another process has not. What is a copy of a set of text can't be told from the original.
    """
    for thing in things:
        if type(thing) in _PLAIN_SETS and len(thing) > 1:
            order = list(thing)
            if not all(map(_is_hashed_alike, order)):
                holds = type(order[0]).__name__
                return f"a set that holds a {holds}, whose order would be another here; instead: sorted(...)"
            if not _same_when_made(thing, order):
                return "a set of numbers whose order a copy would not keep"
    return ""
