"""Which engine is meant by what a user says, and what is said where there is none."""

from __future__ import annotations

import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import pytest

from mpnb import adapters
from mpnb.cache import EncodeCache
from mpnb.errors import MissingLibraryError, MpnbError
from mpnb.frames import in_band, read_frame, write_frame


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("local", True),
        ("dask", True),
        ("tcp://127.0.0.1:8786", True),
        ("tls://cluster.example:8786/", True),
        ("dask://node-7:1", True),
        ("tcp://node", False),
        ("http://node:8786", False),
        ("moon", False),
        ("", False),
    ],
)
def test_names_of_engines(text: str, is_one: bool) -> None:
    """The pool, the connected client, the address of a scheduler: nothing else."""
    assert adapters.is_name(text) is is_one


def test_the_pool_of_this_machine_needs_no_engine() -> None:
    """None stands for it."""
    assert adapters.find("local") is None
    assert adapters.find(None) is None


class _Silent(Executor):
    """It does not say how many workers it has."""


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        ("moon", "there is no engine 'moon'"),
        (7, "a int is no engine: give a distributed.Client"),
        (_Silent(), r"use\(executor, workers=N\)"),
        (ThreadPoolExecutor(2), "give an executor of processes"),
    ],
    ids=["name", "number", "silent", "threads"],
)
def test_what_is_no_engine_is_said(thing: Any, words: str) -> None:
    """With what would be one."""
    with pytest.raises(MpnbError, match=words):
        adapters.find(thing)


@pytest.mark.parametrize("named", ["dask", "tcp://127.0.0.1:9"])
def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    """And how to get it."""
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(MissingLibraryError, match=r'pip install "mpnb\[dask\]"'):
        adapters.find(named)


def test_joblib_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As dask is."""
    monkeypatch.setitem(sys.modules, "joblib._parallel_backends", None)

    with pytest.raises(MissingLibraryError, match=r'pip install "mpnb\[joblib\]"'):
        adapters.register_joblib()


@pytest.mark.parametrize("body", [b"a pickle", b"a big one" * 20_000], ids=["small", "big"])
@pytest.mark.parametrize("sizes", [[], [10], [100_000, 64, 1_000_001]])
def test_a_frame_in_band_says_the_same(sizes: list[int], body: bytes) -> None:
    """Where a host can't pass descriptors, what lay in blocks lies in the frame."""
    buffers = [memoryview(bytes([size % 251]) * size) for size in sizes]
    frame = write_frame("bundle", ("some", 3), body, buffers, EncodeCache())

    kind, details, found, read = read_frame(in_band(frame))

    assert not in_band(frame).blocks
    assert (kind, details, found.read()) == ("bundle", ("some", 3), body)
    assert [bytes(each) for each in read] == [bytes(each) for each in buffers]
