"""Fixtures that several rooms' tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mirror_process import Notebook, Worker


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """An empty notebook whose namespace is `__main__` during the test."""
    return Notebook(monkeypatch)


@pytest.fixture
def fresh_worker() -> Iterator[Worker]:
    """A process with a mirror, for one test."""
    process = Worker()
    yield process
    process.close()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """A process with a mirror, for all tests of a room: each job must find it as if it were new."""
    process = Worker()
    yield process
    process.close()
