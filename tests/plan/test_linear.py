"""Which loops reach linear algebra: by what their code and that of their helpers names."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import sklearn.cluster

from mpnb.plan.linear import reaches_linear_algebra

HELPERS = """
import functools
def square(A):
    return A @ A
def indirect(A):
    return [square(a) for a in A]
def plain(A):
    return A * A + A.sum()
def grows(A):
    A @= A
    return A
class Model:
    def score(self, x):
        return np.linalg.norm(x)
class Plain:
    def score(self, x):
        return x + 1
class Holder:
    def __init__(self):
        self.inner = Model()
model, no_model, holder = Model(), Plain(), Holder()
table = {"square": square, "plain": plain}
twice = functools.partial(square)
cluster = sklearn.cluster.KMeans()
"""


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("x @ x", True),
        ("x * x", False),
        ("square(x)", True),
        ("indirect(x)", True),
        ("plain(x)", False),
        ("grows(x)", True),
        ("np.dot(x, x)", True),
        ("x.dot(x)", True),
        ("np.sqrt(x)", False),
        ("np.linalg.eigh(x)", True),
        ("model.score(x)", True),
        ("no_model.score(x)", False),
        ("holder.inner.score(x)", True),
        ("table['square'](x)", True),
        ("twice(x)", True),
        ("cluster.fit(x)", True),
        ("scipy.linalg.solve(x, x)", True),
        ("(lambda y: y @ y)(x)", True),
        ("sum(plain(y) for y in x)", False),
        ("missing(x)", False),
    ],
)
def test_linear_algebra_is_found(expression: str, expected: object) -> None:
    """The operator, the usual names, libraries that compute with BLAS; through helpers, classes and containers."""
    scope: dict[str, Any] = {"__name__": "__main__", "np": np, "scipy": scipy, "sklearn": sklearn}
    exec(HELPERS + f"\ndef task(x):\n    return {expression}", scope)
    task = scope["task"]
    assert isinstance(task, FunctionType)
    assert reaches_linear_algebra(task) is expected
