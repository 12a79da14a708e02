"""The engines that keep the contract: how each is made, and what one of them lacks by its nature."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from mpnb.engine import Engine
from mpnb.pool import Pool

START_S = 30.0  # until an engine takes work, on a machine that does something else as well


@dataclass(frozen=True)
class Kind:
    """A kind of engine.

    `needs` is the module without which its tests are skipped. `stops`: an interrupt ends iterations that are running;
    without it they go on to their end, and nobody waits for them.
    """

    name: str
    make: Callable[[], AbstractContextManager[Engine]]
    needs: str = ""
    stops: bool = True


def wait_for(what: Callable[[], Any], limit_s: float = 5.0) -> Any:
    """Wait until something is so."""
    end = time.perf_counter() + limit_s
    while not (found := what()):
        assert time.perf_counter() < end, "waited in vain"
        time.sleep(0.005)
    return found


@contextmanager
def local() -> Iterator[Engine]:
    """The pool of this machine."""
    with Pool(2) as pool:
        wait_for(lambda: pool.ready == 2, START_S)
        yield pool


@contextmanager
def portable() -> Iterator[Engine]:
    """The same, as it is where no memory can be shared."""
    before = os.environ.get("MPNB_TRANSPORT")
    os.environ["MPNB_TRANSPORT"] = "portable"
    try:
        with local() as pool:
            yield pool
    finally:
        if before is None:
            del os.environ["MPNB_TRANSPORT"]
        else:
            os.environ["MPNB_TRANSPORT"] = before


@contextmanager
def adapted(to: Any) -> Iterator[Engine]:
    """The engine on a client or an executor."""
    from mpnb.adapters import find

    engine: Any = find(to)
    wait_for(lambda: engine.ready == 2, START_S)
    yield engine
    engine.shutdown()


@contextmanager
def dask() -> Iterator[Engine]:
    """A dask cluster of two processes on this machine; what that sets in the environment goes with it."""
    import distributed

    with (
        patch.dict(os.environ),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
        adapted(client) as engine,
    ):
        yield engine


@contextmanager
def loky() -> Iterator[Engine]:
    """Loky's executor."""
    from loky import get_reusable_executor

    with get_reusable_executor(2, timeout=120) as executor, adapted(executor) as engine:
        yield engine


@contextmanager
def ipyparallel() -> Iterator[Engine]:
    """An executor of ipyparallel's."""
    import ipyparallel as ipp

    with ipp.Cluster(n=2, log_level=40) as client, adapted(client.load_balanced_view().executor) as engine:
        yield engine


KINDS = (
    Kind("local", local),
    Kind("portable", portable),
    Kind("dask", dask, "distributed"),
    Kind("loky", loky, "loky", stops=False),
    Kind("ipyparallel", ipyparallel, "ipyparallel", stops=False),
)
