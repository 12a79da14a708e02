"""The garbage collector is kept out, or its work small, and afterwards everything is as before."""

from __future__ import annotations

import gc
import weakref

import pytest

from mpnb import collector
from mpnb.collector import collector_paused, collector_spares_what_is_there


class Knot:
    """What only a collection gets rid of."""

    def __init__(self) -> None:
        self.me = self


def test_a_pause_ends_as_it_found_the_collector() -> None:
    """Also where it had been switched off, and where what is done fails."""
    with pytest.raises(ZeroDivisionError), collector_paused():
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled()

    gc.disable()
    try:
        with collector_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_is_there_is_spared_and_what_is_made_is_collected() -> None:
    """A full collection gets rid of a new knot, and looks at none of the old objects."""
    many = [[number] for number in range(5000)]
    before = gc.get_freeze_count()
    old = weakref.ref(Knot())
    with collector_spares_what_is_there():
        assert gc.get_freeze_count() >= before + len(many)
        new = weakref.ref(Knot())
        gc.collect()
        assert new() is None
        assert old() is not None
    assert gc.get_freeze_count() <= before
    gc.collect()
    assert old() is None


def test_what_somebody_else_has_frozen_stays_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing more is frozen, and nothing thawed."""
    monkeypatch.setattr(collector, "FROZEN", 0)
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with collector_spares_what_is_there():
            made = [[number] for number in range(5000)]
            assert gc.get_freeze_count() <= frozen < frozen + len(made)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
