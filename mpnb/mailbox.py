"""What one thread leaves for another, in the order in which it was left."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from queue import Empty
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_FOR_EVER: Final = -1.0


class Mailbox(Generic[T]):
    """A queue of which one thread takes, and any may put, also out of a finalizer or a signal handler.

    `queue.SimpleQueue` would be that, but up to Python 3.12 its `get(timeout=…)` waits for ever where a signal comes
    shortly before the time is over and its handler runs until after it: a negative rest is taken for none at all.

    Examples
    --------
    >>> box = Mailbox()
    >>> box.put("a letter")
    >>> box.get(timeout=1), box.empty()
    ('a letter', True)
    """

    __slots__ = ("_bell", "_items")

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._bell = threading.Lock()  # free while something may be there that has not been seen
        self._bell.acquire()

    def empty(self) -> bool:
        """Whether nothing is there."""
        return not self._items

    def put(self, item: T) -> None:
        """Leave something; never waits."""
        self._items.append(item)
        if self._bell.locked():
            with suppress(RuntimeError):  # another thread rang at the same time
                self._bell.release()

    def get(self, timeout: float | None = None) -> T:
        """Take the first; waits until there is one, or for so many seconds.

        Raises
        ------
        queue.Empty
            Nothing came in time.
        """
        if self._items:
            return self._items.popleft()
        deadline = None if timeout is None else time.monotonic() + timeout
        left = _FOR_EVER
        while True:
            if deadline is not None:
                left = max(0.0, deadline - time.monotonic())
            rung = self._bell.acquire(timeout=left)
            if self._items:
                return self._items.popleft()
            if not rung:
                raise Empty

    def get_nowait(self) -> T:
        """Take the first; queue.Empty is raised where there is none."""
        try:
            return self._items.popleft()
        except IndexError:
            raise Empty from None
