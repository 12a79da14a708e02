"""Errors travel: each is pickled and comes back as it was."""

from __future__ import annotations

import pickle

import pytest

from mpnb import errors


@pytest.mark.parametrize(
    "error",
    [
        errors.PlanError("x"),
        errors.CodecError("docs[3].lock", "a lock that is held"),
        errors.WorkerDiedError("it died", iteration=3, exitcode=-9, peak_bytes=5),
        errors.PoolClosedError("closed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_pickles(error: errors.MpnbError) -> None:
    """Class, message and attributes are the same afterwards, notes included."""
    error.add_note("in iteration 3")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))
