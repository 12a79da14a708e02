"""`--trust NAME`: a helper that the user vouches for is not looked into; everything else still is."""

from __future__ import annotations

import ast

import pytest

HELPERS = """
import functools
@functools.cache
def fib(k):
    return k if k < 2 else fib(k - 1) + fib(k - 2)
def outer(k):
    return fib(k) + 1
def make():
    @functools.lru_cache(maxsize=8)
    def inner(k):
        return k * k
    return inner
nested = make()
class Model:
    @functools.cached_property
    def big(self):
        return 5
    @functools.lru_cache
    def score(self, k):
        return k + 1
    @staticmethod
    @functools.cache
    def plain(k):
        return k + 2
model = Model()
log = {}
def noted(k):
    log[k] = True
    return -k
"""

# what each iteration does, the name that the refusal tells to trust, the name that makes it split
TRUSTED = [
    ("fib(k)", "fib", "fib"),
    ("outer(k)", "fib", "fib"),
    ("outer(k)", "fib", "outer"),
    ("nested(k)", "inner", "inner"),
    ("nested(k)", "inner", "nested"),
    ("model.big + k", "Model.big", "Model.big"),
    ("model.score(k)", "Model.score", "Model.score"),
    ("Model.plain(k)", "Model.plain", "Model.plain"),
    ("model.plain(k)", "Model.plain", "Model.plain"),
    ("Model().score(k)", "Model.score", "Model.score"),
    ("sorted([k, 1], key=fib)[0]", "fib", "fib"),
]


@pytest.fixture
def loaded(kernel):
    """Give a kernel with the magic and some helpers that keep a state."""
    kernel.check(f"%load_ext mpnb\nimport mpnb\n{HELPERS}")
    return kernel


def run(kernel, options: str, expression: str) -> tuple[object, bool, str, str]:
    """Run a comprehension; give its value, whether it was split, and code and reason where it was not."""
    kernel.check(f"%%parallel --no-probe --quiet {options}\nr = [{expression} for k in range(6)]")
    return ast.literal_eval(
        str(kernel.value("(r, *[(s.parallel, s.code, s.reason) for s in mpnb.last_run().sites][0])"))
    )


def test_what_is_trusted_is_split_and_what_is_not_says_whom_to_trust(loaded):
    """A memoised helper is refused with the very option that lets it through; with it, the result is the serial one."""
    for expression, told, name in TRUSTED:
        expected, split, code, reason = run(loaded, "", expression)
        assert not split, expression
        assert code == "memoised", (expression, reason)
        assert reason.endswith(f"instead: --trust {told}"), (expression, reason)
        found, split, _, reason = run(loaded, f"--trust {name}", expression)
        assert split, (expression, name, reason)
        assert found == expected, expression


def test_a_helper_that_is_not_named_is_still_looked_into(loaded):
    """Trust is for the functions that are named, whatever else the loop calls."""
    _, split, code, reason = run(loaded, "--trust fib --trust nobody", "fib(k) + noted(k)")
    assert (split, code != "") == (False, True)
    assert "noted" in reason


def test_the_nets_at_run_time_stay(loaded):
    """What a trusted helper does to the notebook's own names is noticed in the worker, and done in the kernel."""
    loaded.check("log.clear()")
    found, _, _, _ = run(loaded, "--trust noted", "noted(k)")
    assert found == [0, -1, -2, -3, -4, -5]
    assert loaded.value("log") == str(dict.fromkeys(range(6), True))


def test_trust_in_a_decorated_function_and_for_every_cell(loaded):
    """`@mpnb.parallel(trust=…)` and `%parallel on --trust …` know the same names."""
    loaded.check(
        "@mpnb.parallel(probe=False, trust=['fib'], quiet=True)\ndef many(ks):\n    return [fib(k) for k in ks]\n"
        "got = many(range(5))"
    )
    assert loaded.value("got, mpnb.last_run().sites[0].parallel") == "([0, 1, 1, 2, 3], True)"
    loaded.check("%parallel on --no-probe --quiet --trust fib")
    loaded.check("r = [fib(k) for k in range(4)]")
    assert loaded.value("r, mpnb.last_run().sites[0].parallel") == "([0, 1, 1, 2], True)"


def test_a_name_that_can_be_none_is_a_usage_error(loaded):
    """What is no name is refused before anything runs."""
    result = loaded.run("%%parallel --trust 1x\n5")
    assert result.stderr.startswith("UsageError: ")
    assert "'1x'" in result.stderr
