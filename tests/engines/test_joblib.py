"""The pool as a backend of joblib's: same numbers as its own, and scikit-learn's `n_jobs`."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import pytest

import mpnb
from mpnb.pool import notebook_pool

joblib = pytest.importorskip("joblib", reason="joblib is not installed")


@pytest.fixture(autouse=True)
def registered() -> None:
    """The backend is there, on a pool of two."""
    mpnb.register_joblib()
    notebook_pool().resize(2)


def where(k: int) -> tuple[int, int]:
    return k, os.getpid()


def fail(k: int) -> int:
    if k == 7:
        raise ZeroDivisionError(f"no {k}")
    return k


def wait(k: int) -> int:
    time.sleep(5 if k else 0.05)
    if not k:
        raise ValueError("first")
    return k


def total(array: Any, k: int) -> tuple[float, bool]:
    return float(array[k:].sum()), bool(array.flags.writeable)


def test_results_come_in_order_from_workers_of_the_pool() -> None:
    """Also as a generator, and for more tasks than are dispatched at once."""
    with joblib.parallel_config("mpnb"):
        found = joblib.Parallel(n_jobs=2)(joblib.delayed(where)(k) for k in range(200))
        lazily = list(joblib.Parallel(n_jobs=2, return_as="generator")(joblib.delayed(where)(k) for k in range(20)))

    assert [k for k, _ in found] == list(range(200))
    assert {pid for _, pid in found} <= set(notebook_pool().pids())
    assert [k for k, _ in lazily] == list(range(20))


def test_a_task_that_raises_ends_the_call_with_its_own_exception() -> None:
    """The others are stopped, and the next call works."""
    with joblib.parallel_config("mpnb"):
        with pytest.raises(ZeroDivisionError, match="no 7"):
            joblib.Parallel(n_jobs=2)(joblib.delayed(fail)(k) for k in range(50))
        began = time.perf_counter()
        with pytest.raises(ValueError, match="first"):
            joblib.Parallel(n_jobs=2)(joblib.delayed(wait)(k) for k in range(6))
        assert joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(-k) for k in range(9)) == list(range(9))
    assert time.perf_counter() - began < 4


def test_big_arrays_are_held_once_and_read_only() -> None:
    """As joblib's own backends map them."""
    array = np.arange(500_000, dtype=float)

    with joblib.parallel_config("mpnb"):
        found = joblib.Parallel(n_jobs=2)(joblib.delayed(total)(array, k) for k in range(40))

    assert found == [(float(array[k:].sum()), False) for k in range(40)]
    assert array.flags.writeable


def test_one_job_and_nested_calls_run_where_they_are() -> None:
    """No process is started for one job, and a task's own Parallel runs in its worker."""
    with joblib.parallel_config("mpnb"):
        assert {pid for _, pid in joblib.Parallel(n_jobs=1)(joblib.delayed(where)(k) for k in range(3))} == {
            os.getpid()
        }
        nested = joblib.Parallel(n_jobs=2)(joblib.delayed(inner)(k) for k in range(4))

    assert all(len({pid for _, pid in each}) == 1 for each in nested)
    with pytest.raises(ValueError, match="n_jobs == 0"):
        joblib.Parallel(n_jobs=0, backend="mpnb")(joblib.delayed(abs)(k) for k in range(3))


def inner(k: int) -> list[tuple[int, int]]:
    return joblib.Parallel(n_jobs=2)(joblib.delayed(where)(k) for k in range(3))


def test_scikit_learn_gives_the_numbers_of_loky() -> None:
    """Grid search, forests and cross-validation, to the last bit."""
    from sklearn.datasets import make_classification
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, cross_val_score

    features, labels = make_classification(400, 20, random_state=0)

    def numbers(backend: str) -> list[Any]:
        with joblib.parallel_config(backend):
            grid = GridSearchCV(LogisticRegression(max_iter=200), {"C": [0.1, 1.0, 10.0]}, n_jobs=2, cv=3)
            grid.fit(features, labels)
            forest = RandomForestClassifier(12, n_jobs=2, random_state=1).fit(features, labels)
            scores = cross_val_score(LogisticRegression(), features, labels, n_jobs=2, cv=4)
        return [
            grid.best_params_,
            grid.cv_results_["mean_test_score"].tolist(),
            grid.best_estimator_.coef_.tolist(),
            forest.predict_proba(features).tolist(),
            scores.tolist(),
        ]

    assert numbers("mpnb") == numbers("loky")
