"""An exercise checks itself: assertions in, one line out. Starts nothing, keeps nothing, needs no network."""

from __future__ import annotations

import contextlib
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def exercise() -> Iterator[None]:
    """Tell whether the assertions below hold; what the first that does not hold says is the hint.

    The cell goes on in both cases, so that a notebook runs to its end while its exercises are still open. Ask for what
    a right answer has, not for one way to get it. An error of the assertions themselves, such as a number where they
    want a list, is a wrong answer too; an error of the lines above them is the reader's own, and looks as ever.

    Examples
    --------
    >>> answer = 3
    >>> with exercise():
    ...     assert answer != 3, "3 is one of the two numbers"
    ...     assert answer == 12, "multiply them"
    ✗ not yet: 3 is one of the two numbers
    >>> answer = 12
    >>> with exercise():
    ...     assert answer == 12, "multiply the two"
    ✓ right
    """
    try:
        yield
    except AssertionError as error:
        print(f"✗ not yet: {error}" if str(error) else f"✗ not yet, for this is not so: {_line(error)}")  # noqa: T201
    except Exception as error:
        said = "".join(traceback.format_exception_only(error)).strip()
        print(f"✗ not yet: the check can't use this answer ({said}), at: {_line(error)}")  # noqa: T201
    else:
        print("✓ right")  # noqa: T201


def _line(error: BaseException) -> str:
    """The line of the check at which it ended."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    return (own[0].line if own else None) or "a line of the check"
