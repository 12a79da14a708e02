"""mpnb: an ordinary notebook cell on every core.

`%load_ext mpnb`, then `%%parallel` on top of a cell, or `@mpnb.parallel` on a function. `last_run()` tells what became
of it; `last_run().save(path)` keeps that, and `load_run(path)` has it again. `dashboard()` is a panel that follows
every run. `Pool` and `Executor` are `multiprocessing`'s and `concurrent.futures`' for functions of the notebook;
`pool()` is the one that stays between cells, and `shared()` puts an array where its workers see it. `use(client)` has
cells run on a dask cluster or an executor of processes, and `register_joblib()` has joblib use the pool. `Process`,
`Queue`, `Lock`, `Array`, `Manager` and the like are `multiprocessing`'s, for functions and classes of the notebook.

Names are loaded when they are first used: a worker process imports this package too, and must start light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from mpnb import dashboard as dashboard
    from mpnb import pool as pool
    from mpnb.adapters import register_joblib as register_joblib
    from mpnb.adapters import use as use
    from mpnb.arrays import shared as shared
    from mpnb.errors import CodecError as CodecError
    from mpnb.errors import EngineLostError as EngineLostError
    from mpnb.errors import MissingLibraryError as MissingLibraryError
    from mpnb.errors import MpnbError as MpnbError
    from mpnb.errors import PoolBrokenError as PoolBrokenError
    from mpnb.errors import PoolClosedError as PoolClosedError
    from mpnb.errors import RefusedError as RefusedError
    from mpnb.errors import TaskTimeoutError as TaskTimeoutError
    from mpnb.errors import WorkerDiedError as WorkerDiedError
    from mpnb.executor import Executor as Executor
    from mpnb.functions import parallel as parallel
    from mpnb.pool import Pool as Pool
    from mpnb.record import load_run as load_run
    from mpnb.scalability import scaling as scaling
    from mpnb.session import last_run as last_run
    from mpnb.sharing import Array as Array
    from mpnb.sharing import Barrier as Barrier
    from mpnb.sharing import BoundedSemaphore as BoundedSemaphore
    from mpnb.sharing import Condition as Condition
    from mpnb.sharing import Event as Event
    from mpnb.sharing import JoinableQueue as JoinableQueue
    from mpnb.sharing import Lock as Lock
    from mpnb.sharing import Manager as Manager
    from mpnb.sharing import Pipe as Pipe
    from mpnb.sharing import Process as Process
    from mpnb.sharing import Queue as Queue
    from mpnb.sharing import RawArray as RawArray
    from mpnb.sharing import RawValue as RawValue
    from mpnb.sharing import RLock as RLock
    from mpnb.sharing import Semaphore as Semaphore
    from mpnb.sharing import SimpleQueue as SimpleQueue
    from mpnb.sharing import Value as Value
    from mpnb.sharing import active_children as active_children
    from mpnb.sharing import current_process as current_process
    from mpnb.sharing import get_context as get_context
    from mpnb.sharing import parent_process as parent_process

__version__ = "0.1.0"

_SHARING: Final = (
    "Array Barrier BoundedSemaphore Condition Event JoinableQueue Lock Manager Pipe Process Queue RLock RawArray "
    "RawValue Semaphore SimpleQueue Value active_children current_process get_context parent_process"
).split()
_HOMES: Final = {
    "parallel": "mpnb.functions",
    "last_run": "mpnb.session",
    "load_run": "mpnb.record",
    "scaling": "mpnb.scalability",
    "Pool": "mpnb.pool",
    "pool": "mpnb.pool",  # the room itself, which can be called
    "dashboard": "mpnb.dashboard",  # so can this one
    "Executor": "mpnb.executor",
    "shared": "mpnb.arrays",
    "PoolBrokenError": "mpnb.errors",
    "PoolClosedError": "mpnb.errors",
    "TaskTimeoutError": "mpnb.errors",
    "MpnbError": "mpnb.errors",
    "RefusedError": "mpnb.errors",
    "WorkerDiedError": "mpnb.errors",
    "CodecError": "mpnb.errors",
    "EngineLostError": "mpnb.errors",
    "MissingLibraryError": "mpnb.errors",
    "use": "mpnb.adapters",
    "register_joblib": "mpnb.adapters",
    **dict.fromkeys(_SHARING, "mpnb.sharing"),
}
__all__ = [
    "Array",
    "Barrier",
    "BoundedSemaphore",
    "CodecError",
    "Condition",
    "EngineLostError",
    "Event",
    "Executor",
    "JoinableQueue",
    "Lock",
    "Manager",
    "MissingLibraryError",
    "MpnbError",
    "Pipe",
    "Pool",
    "PoolBrokenError",
    "PoolClosedError",
    "Process",
    "Queue",
    "RLock",
    "RawArray",
    "RawValue",
    "RefusedError",
    "Semaphore",
    "SimpleQueue",
    "TaskTimeoutError",
    "Value",
    "WorkerDiedError",
    "active_children",
    "current_process",
    "dashboard",
    "get_context",
    "last_run",
    "load_run",
    "parallel",
    "parent_process",
    "pool",
    "register_joblib",
    "scaling",
    "shared",
    "use",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module 'mpnb' has no attribute {name!r}"
        raise AttributeError(msg)
    home = import_module(_HOMES[name])
    value = vars(home).get(name, home)
    globals()[name] = value
    return value


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Hook `%%parallel` into IPython and start the pool in the background."""
    from mpnb import magic

    def start() -> Pool:
        from mpnb.pool import Pool

        pool = Pool()
        pool.start()
        return pool

    magic.load(shell, start)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take `%%parallel` out again; the pool ends with the kernel."""
    from mpnb import magic

    magic.unload(shell)
