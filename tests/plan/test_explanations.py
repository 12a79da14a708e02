"""Every refusal's paragraph holds: its cell is refused by that code, its other cell is split, and both give the same."""

from __future__ import annotations

import ast

import pytest

from mpnb.plan.refusals import EXPLANATIONS, Explanation, explain_code, list_codes
from mpnb.plan.types import REFUSALS

SITES = "[(s.code, s.parallel) for s in __import__('mpnb').last_run().sites]"
#: The pool's own failure is not a cell's doing, so there is no cell for it.
WITHOUT_A_CELL = {"engine"}


def test_every_code_is_explained() -> None:
    """Each code has a paragraph, and each but the pool's own failure a cell before and after."""
    assert list(EXPLANATIONS) == list(REFUSALS)
    for code, each in EXPLANATIONS.items():
        assert all(text.endswith(".") for text in (each.what, each.why)), code
        assert bool(each.before and each.after) == (code not in WITHOUT_A_CELL), code
        text = explain_code(code)
        assert text.startswith(f"{code}: {REFUSALS[code]}\n")
        assert all(line.strip() in text for line in each.after.splitlines()), code
        assert code in list_codes()


@pytest.mark.parametrize(
    ("asked", "told"), [("caried", "did you mean 'carried'?"), ("", "carried"), ("xyzzy", "walrus")]
)
def test_a_code_that_does_not_exist(asked: str, told: str) -> None:
    """The answer names the code nearest to it, and all that there are."""
    text = explain_code(asked)
    assert text.startswith(f"there is no refusal {asked!r}: ")
    assert told in text


def start_over(kernel, setup: str) -> None:
    """Have a notebook with nothing in it but an earlier cell."""
    kernel.check("%reset -f")
    kernel.check("from pathlib import Path\nPath('scores.txt').unlink(missing_ok=True)\ndel Path")
    kernel.check(setup)


def result_of(kernel, explanation: Explanation, cell: str) -> object:
    """Run a cell in a notebook that has the earlier one, and give what it leaves."""
    start_over(kernel, explanation.setup)
    kernel.check(cell)
    return ast.literal_eval(kernel.value("result"))


def test_every_example_holds(kernel) -> None:
    """Before: refused with that code. After: split. Both give what they give serially, and the same where they say so."""
    kernel.check("%load_ext mpnb")
    for code, each in EXPLANATIONS.items():
        if code in WITHOUT_A_CELL:
            continue
        before = result_of(kernel, each, each.before)
        again = result_of(kernel, each, f"%%parallel --no-probe\n{each.before}")
        sites = ast.literal_eval(kernel.value(SITES))
        assert sites[0] == (code, False), (code, sites)
        serial = result_of(kernel, each, each.after)
        parallel = result_of(kernel, each, f"%%parallel --no-probe {each.options}\n{each.after}")
        sites = ast.literal_eval(kernel.value(SITES))
        assert sites, code
        assert all(site == ("", True) for site in sites), (
            code,
            sites,
            kernel.value("__import__('mpnb').last_run().sites"),
        )
        if code == "random":  # neither the serial cell's numbers nor others each time
            assert parallel == result_of(kernel, each, f"%%parallel -n 1 --no-probe {each.options}\n{each.after}")
            continue
        assert again == before, code
        assert parallel == serial, code
        assert (before == serial) or not each.same, code
