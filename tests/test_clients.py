"""Libraries and idioms that are handed a pool, unchanged: each gives what it gives without one."""

from __future__ import annotations

import asyncio
import io
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import async_runs
import numpy as np
import pytest

from mpnb import Executor, Pool


@pytest.fixture
def names() -> Iterator[dict[str, Any]]:
    """The names of a notebook after a cell: libraries wrap its functions, so they have to be those of `__main__`."""
    main = vars(sys.modules["__main__"])
    before = dict(main)
    exec(compile(textwrap.dedent(NAMES), "<cell>", "exec"), main)
    yield main
    main.clear()
    main.update(before)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """A pool of two."""
    with Pool(2) as made:
        yield made


NAMES = """
    import numpy as np
    centre = np.array([1.0, -2.0, 0.5])
    def cost(x): return float(((x - centre) ** 2).sum() + np.cos(3 * x).sum())
    def log_prob(x): return -0.5 * float(((x - centre) ** 2).sum())
"""


def test_scipys_differential_evolution(pool: Pool, names: dict[str, Any]) -> None:
    """`workers=pool.map`: the optimum, and the way to it, is that of the serial run."""
    optimize = pytest.importorskip("scipy.optimize")
    cost = names["cost"]
    arguments: dict[str, Any] = {
        "bounds": [(-5, 5)] * 3,
        "updating": "deferred",
        "seed": 3,
        "maxiter": 12,
        "popsize": 6,
    }
    serial = optimize.differential_evolution(cost, **arguments)
    parallel = optimize.differential_evolution(cost, workers=pool.map, **arguments)
    assert parallel.x.tolist() == serial.x.tolist()
    assert (parallel.fun, parallel.nfev, parallel.nit) == (serial.fun, serial.nfev, serial.nit)


def test_scipys_brute(pool: Pool, names: dict[str, Any]) -> None:
    """`workers=pool.map`, of another function."""
    optimize = pytest.importorskip("scipy.optimize")
    cost = names["cost"]
    arguments: dict[str, Any] = {"ranges": ((-2, 2),) * 3, "Ns": 5, "finish": None}
    assert optimize.brute(cost, workers=pool.map, **arguments).tolist() == optimize.brute(cost, **arguments).tolist()


def test_emcee(pool: Pool, names: dict[str, Any]) -> None:
    """`pool=pool`: the chain is that of the serial run."""
    emcee = pytest.importorskip("emcee")
    log_prob = names["log_prob"]
    start = np.random.default_rng(5).normal(size=(8, 3))

    def chain(**options: Any) -> list[Any]:
        sampler = emcee.EnsembleSampler(8, 3, log_prob, **options)
        sampler.random_state = np.random.RandomState(7).get_state()
        sampler.run_mcmc(start, 15)
        found: list[Any] = sampler.get_chain().tolist()
        return found

    assert chain(pool=pool) == chain()


def test_tqdm_over_imap(pool: Pool) -> None:
    """The bar counts what has come back."""
    tqdm = pytest.importorskip("tqdm")
    shown = io.StringIO()
    bar = tqdm.tqdm(pool.imap(abs, range(-50, 0)), total=50, file=shown, mininterval=0)
    assert list(bar) == list(range(50, 0, -1))
    assert "50/50" in shown.getvalue()


def test_asyncios_run_in_executor(names: dict[str, Any]) -> None:
    """The loop's default executor may be one."""
    cost = names["cost"]
    points = [np.full(3, k) for k in range(10)]

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        with Executor(2) as executor:
            return await asyncio.gather(*(loop.run_in_executor(executor, cost, point) for point in points))

    assert async_runs.run(main()) == [cost(point) for point in points]
