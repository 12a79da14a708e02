"""The garbage collector kept out, or its work kept small, for a moment."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: Objects that the interpreter freezes by itself (Python 3.12: some hundreds); more are somebody's who wants them so.
FROZEN: Final = 1000


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the garbage collector out while many objects are made that all stay."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


@contextmanager
def collector_spares_what_is_there() -> Iterator[None]:
    """Let collections look only at what is made from now on.

    Where the notebook holds a million objects, looking through all of them takes 50 ms and more, in which this process
    takes in no result and hands out no task.
    """
    if gc.get_freeze_count() > FROZEN:
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
