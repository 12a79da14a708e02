"""A run that splits nothing: what a rewritten function speaks to in a worker, and inside a loop that runs already.

It takes the place of `session.Run`, `SiteRun` and what these hand out, all at once, and keeps no state. A worker gets
it with the function, so it must stay light.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any, Final, Self


class Serial:
    """Every site of the function runs over its own items, as if nothing had been rewritten."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def at(self, _number: int) -> Serial:
        """The site that is under way."""
        return self

    open = at

    @staticmethod
    def knows(_number: int, *_called: tuple[str, object]) -> bool:
        """Tell whether the functions around a site use it up at once: there is no need to know."""
        return False

    @staticmethod
    def owner(_number: int, thing: Any, _method: str, **_how: bool) -> Any:
        """Whose `apply` or `map` is about to be called: as it is."""
        return thing

    @staticmethod
    def stand_in(function: Any) -> Any:
        """What pandas is to call: the function itself."""
        return function

    applied = stand_in

    def noting(self) -> Serial:
        """Around statements of the user's."""
        return self

    @staticmethod
    def leaf(iterable: Any, _name: str | None = None) -> Any:
        """What is really looped over: as it is."""
        return iterable

    @staticmethod
    def items(iterable: Any) -> Any:
        """What the loop runs over: as it is."""
        return iterable

    made = items
    zip = staticmethod(zip)
    starmap = staticmethod(itertools.starmap)

    @staticmethod
    def pool() -> tuple[()]:
        """No effects come from a pool."""
        return ()

    rest = pool

    @staticmethod
    def collect_list(head: Any, _rest: Iterable[Any]) -> Any:
        """The whole result has been made already."""
        return head

    collect_set = collect_dict = collect_generator = collect_list


SERIAL: Final = Serial()


def begin_serially() -> Serial:
    """Give a function its run, where that is to be none."""
    return SERIAL


def serially() -> Callable[[], Serial]:
    """What a function gets in a worker in the place of its `functions.Beginning`."""
    return begin_serially
