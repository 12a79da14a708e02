"""Waits that end, for the tests of pools and engines."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def wait_for(what: Callable[[], Any], limit_s: float = 5.0) -> Any:
    """Wait until something is so, and give what it was."""
    end = time.perf_counter() + limit_s
    while not (found := what()):
        assert time.perf_counter() < end, "waited in vain"
        time.sleep(0.002)
    return found
