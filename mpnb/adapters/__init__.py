"""Engines beyond the notebook's own pool: which one is meant by what a user says. Loads a library only when named.

mpnb.use(client)          every following cell runs there
%%parallel --on dask      this one does
"""

from __future__ import annotations

import re
from typing import Any, Final

from mpnb.engine import Engine, notebook
from mpnb.errors import MpnbError

LOCAL: Final = "local"
DASK: Final = "dask"
#: Addresses of dask schedulers; dask:// is tcp:// by another name.
ADDRESS: Final = re.compile(r"(tcp|tls|ucx|ws|wss|dask)://[^\s/]+:\d+/?")
READY_S: Final = 30.0  # in which a worker has to take work

_engines: list[tuple[Any, Any]] = []  # (client, executor or address, engine)


def is_name(text: str) -> bool:
    """Tell whether this names an engine: local, dask, or a scheduler's address."""
    return text in {LOCAL, DASK} or ADDRESS.fullmatch(text) is not None


def find(named: Any, workers: int | None = None) -> Engine | None:
    """The engine that is meant; None for the notebook's own pool. It is ready when this returns.

    Raises
    ------
    MpnbError
        Nothing of that kind is connected, or no worker takes work.
    """
    if named is None or named == LOCAL:
        return None
    if isinstance(named, str):
        if not is_name(named):
            raise MpnbError(
                f"there is no engine {named!r}: 'local', 'dask', or a scheduler's address as tcp://HOST:PORT"
            )
        from mpnb.adapters import dask

        address = re.sub(r"^dask:", "tcp:", named.rstrip("/"))
        return _ready(dask.connected()) if named == DASK else _ready(address)
    return _ready(named, workers)


def use(engine: Any, *, workers: int | None = None) -> None:
    """Have every cell and function after this run on an engine, unless it names another one with `--on`.

    Nothing is sent anywhere before this is called, or `--on` is given.

    Parameters
    ----------
    engine
        A `distributed.Client`; any `concurrent.futures.Executor` whose calls run in processes; ``"dask"`` for the
        client that is connected; a dask scheduler's address as ``"tcp://HOST:PORT"``; or ``"local"`` for the pool of
        this machine again.
    workers
        How many calls the executor runs side by side, where it does not say so itself.

    Examples
    --------
    >>> import mpnb
    >>> mpnb.use("local")
    """
    from mpnb.pool import notebook_pool
    from mpnb.session import current

    if notebook.engine is None:
        notebook_pool()
    session = current()
    session.engine = find(engine, workers) or session.local


def register_joblib() -> None:
    """Make the notebook's pool a backend of joblib's, named "mpnb": for `Parallel`, and scikit-learn's `n_jobs`.

    Examples
    --------
    >>> import joblib, mpnb
    >>> mpnb.register_joblib()
    >>> with joblib.parallel_config("mpnb"):
    ...     joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(k) for k in (-1, -2))
    [1, 2]
    """
    from mpnb.adapters.joblib import register

    register()


def _ready(key: Any, workers: int | None = None) -> Engine:
    """The engine for a client, executor or address: the one there is, if it still works."""
    for place, (known, engine) in enumerate(_engines):
        if known is key or (isinstance(key, str) and known == key):
            if engine.failure is None:
                return _checked(engine)
            del _engines[place]
            break
    engine = _make(key, workers)
    _engines.append((key, engine))
    return _checked(engine)


def _checked(engine: Any) -> Engine:
    if not engine.wait_ready(READY_S):
        raise MpnbError(
            f"no worker of {engine.name} takes work: {engine.failure or engine.why_unfit or 'none is there'}"
        )
    found: Engine = engine
    return found


def _make(key: Any, workers: int | None) -> Any:
    from concurrent.futures import Executor  # not above: it makes a logger, which %load_ext does not leave behind

    from mpnb.adapters import dask, executor

    if isinstance(key, str):
        return dask.engine(dask.connect(key))
    if dask.is_client(key):
        return dask.engine(key)
    if isinstance(key, Executor):
        return executor.engine(key, workers)
    raise MpnbError(
        f"a {type(key).__name__} is no engine: give a distributed.Client, a concurrent.futures.Executor, "
        "'dask', an address as tcp://HOST:PORT, or 'local'"
    )
