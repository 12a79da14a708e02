"""An exercise says in one line whether it is solved, and never ends a notebook. In real kernels: pytest rewrites asserts."""

from __future__ import annotations

import pytest

from mpnb.exercise import exercise

HINTED = 'with exercise():\n    assert answer > 0, "it is positive"\n    assert answer == 12, "multiply the two"'
BARE = "with exercise():\n    assert len(answer) == 2"
NO_LENGTH = "TypeError: object of type 'int' has no len()"
CASES = [
    ("12", HINTED, "✓ right"),
    ("12.0", HINTED, "✓ right"),
    ("7", HINTED, "✗ not yet: multiply the two"),
    ("-1", HINTED, "✗ not yet: it is positive"),
    ("'ab'", BARE, "✓ right"),
    ("'abc'", BARE, "✗ not yet, for this is not so: assert len(answer) == 2"),
    ("7", BARE, f"✗ not yet: the check can't use this answer ({NO_LENGTH}), at: assert len(answer) == 2"),
]


def test_it_says_right_or_gives_the_hint(kernel):
    """A right answer is told, a wrong one gets the hint, one of the wrong kind is wrong, too; none is an error."""
    kernel.check("from mpnb.exercise import exercise")

    said = [kernel.check(f"answer = {answer}\n{check}").stdout for answer, check, _ in CASES]

    assert said == [f"{expected}\n" for *_, expected in CASES]


def test_an_error_above_the_check_is_the_readers(kernel):
    """What the reader's own lines raise is shown as ever."""
    kernel.check("from mpnb.exercise import exercise")

    result = kernel.run(f"answer = 1 / 0\n{BARE}")

    assert (result.ename, result.stdout) == ("ZeroDivisionError", "")


def test_an_interrupt_goes_through():
    """Stop stops the check."""
    with pytest.raises(KeyboardInterrupt), exercise():
        raise KeyboardInterrupt
