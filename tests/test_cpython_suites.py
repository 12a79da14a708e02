"""CPython's own tests of process pools, run on mpnb's classes from the interpreter's `test` package.

Debian's Python comes without that package, and some builds without parts of it: then they are skipped, and say so.
"""

from __future__ import annotations

import importlib
import unittest
from collections.abc import Mapping
from typing import Any
from unittest import mock

import pytest

import mpnb

# The suites are CPython's, and so are their warnings: a reference cycle that is collected late, a deprecated name.
pytestmark = pytest.mark.filterwarnings("default")


def suite(name: str) -> Any:
    """A module of CPython's tests, or None."""
    try:
        return importlib.import_module(f"test.{name}")
    except (ImportError, unittest.SkipTest):
        return None


def leave_out(reasons: Mapping[str, str]) -> Any:
    """Skip these tests of a class, each with its reason; one that is not there is a mistake of this table."""

    def decorate(kind: type) -> type:
        for name, reason in reasons.items():
            setattr(kind, name, unittest.skip(reason)(getattr(kind, name)))
        return kind

    return decorate


def absent(module: str) -> type:
    """A class with one test, which says what is missing."""

    @unittest.skip(f"this Python comes without test.{module}")
    class Absent(unittest.TestCase):
        def test_all(self) -> None: ...

    return Absent


theirs = suite("_test_multiprocessing")
if theirs is None:
    TestPool = TestPoolWorkerErrors = TestPoolWorkerLifetime = absent("_test_multiprocessing")
else:

    class Swapped(unittest.TestCase):
        """What CPython's tests take from the mixin of a start method."""

        TYPE = "processes"
        Pool = mpnb.Pool

        def setUp(self) -> None:
            swapped = mock.patch.object(theirs.multiprocessing, "Pool", mpnb.Pool)
            swapped.start()
            self.addCleanup(swapped.stop)

    @leave_out(
        {
            "test_make_pool": "looks at Pool._pool; see test_pool.test_wrong_numbers_of_workers",
            "test_resource_warning": "sets Pool._state; a pool that nobody closed ends without a warning",
        }
    )
    class TestPool(theirs._TestPool, Swapped):
        """`multiprocessing.Pool`'s methods."""

        # Theirs, and not this class's: a worker has to find the class by its name.
        _test_traceback = theirs._TestPool._test_traceback
        _test_wrapped_exception = theirs._TestPool._test_wrapped_exception

    class TestPoolWorkerErrors(theirs._TestPoolWorkerErrors, Swapped):
        """What a worker can't do, or can't send home."""

    @leave_out(
        {
            "test_pool_worker_lifetime": "looks at Pool._pool; see test_results.test_workers_are_replaced",
            "test_worker_finalization_via_atexit_handler_of_multiprocessing": "makes multiprocessing's own pool",
        }
    )
    class TestPoolWorkerLifetime(theirs._TestPoolWorkerLifetime, Swapped):
        """`maxtasksperchild`."""


futures = suite("test_concurrent_futures")
if futures is None:
    TestExecutor = TestAsCompleted = TestWait = absent("test_concurrent_futures")
else:
    # A package from Python 3.12 on, one file before.
    parts = [
        suite(f"test_concurrent_futures.{name}") or futures for name in ("executor", "test_as_completed", "test_wait")
    ]
    util = suite("test_concurrent_futures.util") or futures

    class Executed(util.ExecutorMixin, util.BaseTestCase):
        """What CPython's tests take from the mixin of an executor."""

        executor_type = mpnb.Executor

    class TestExecutor(parts[0].ExecutorTest, Executed):
        """`submit`, `map`, and what must not be kept alive."""

    class TestAsCompleted(parts[1].AsCompletedTests, Executed):
        """`concurrent.futures.as_completed`."""

    class TestWait(parts[2].WaitTests, Executed):
        """`concurrent.futures.wait`."""

    del Executed
