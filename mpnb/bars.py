"""A progress bar around an iterable, opened: what it goes through is pulled ahead, the bar moves on at the replay.

`for x in tqdm(xs)` pulls from `xs`. The bar's own generator is given what takes place in the notebook, one by one, so
that it prints and counts as if the loop were serial. Knows nothing of tqdm but that a bar goes through its `iterable`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Bar:
    """Stands for a bar in the header of a loop; whether it is opened is decided before the first pull.

    Parameters
    ----------
    bar
        The bar, which has an `iterable`.
    """

    def __init__(self, bar: Any) -> None:
        self.bar = bar
        self.inner: Any = bar.iterable
        self.is_opened = False
        self._feed: _Feed | None = None
        self._own: Iterator[Any] = iter(())  # the bar's own generator

    def __iter__(self) -> Iterator[Any]:
        """Go through the bar, or through what it goes through: asked when the first item is."""
        __tracebackhide__ = True
        yield from self.inner if self.is_opened else self.bar

    def __len__(self) -> int:
        return len(self.bar)

    def __reversed__(self) -> Iterator[Any]:
        backwards: Iterator[Any] = reversed(self.bar)
        return backwards

    def open(self) -> None:
        """From now on the bar only moves when it is told to."""
        self.is_opened = True
        self._feed = _Feed()

    def move(self) -> None:
        """One more item has taken its place in the notebook."""
        __tracebackhide__ = True
        if self._feed is None:
            return
        if not self._feed.begun:
            self._feed.begun = True
            self.bar.iterable = self._feed
            self._own = iter(self.bar)
        next(self._own, None)

    def end(self, error: BaseException | None = None) -> None:
        """There are no more items, or getting the next one raised this."""
        __tracebackhide__ = True
        if self._feed is not None:
            self._feed.over, self._feed.error = True, error
            try:
                self.move()
            finally:
                self.drop()

    def drop(self) -> None:
        """The loop was left: by a break, by an error, or because it is over."""
        if self._feed is not None:
            self._feed = None
            close = getattr(self._own, "close", None)
            self._own = iter(())
            if close is not None:
                close()
            self.bar.iterable = self.inner


class _Feed:
    """What a bar goes through once it is opened."""

    def __init__(self) -> None:
        self.begun = False
        self.over = False
        self.error: BaseException | None = None

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> None:
        if self.error is not None:
            raise self.error
        if self.over:
            raise StopIteration
