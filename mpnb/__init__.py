"""mpnb: an ordinary notebook cell on every core.

`%load_ext mpnb`, then `%%parallel` on top of a cell, or `@mpnb.parallel` on a function. `last_run()` tells what became
of it.

Names are loaded when they are first used: a worker process imports this package too, and must start light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from mpnb.errors import CodecError as CodecError
    from mpnb.errors import MpnbError as MpnbError
    from mpnb.errors import RefusedError as RefusedError
    from mpnb.errors import WorkerDiedError as WorkerDiedError
    from mpnb.functions import parallel as parallel
    from mpnb.pool import Pool as Pool
    from mpnb.session import last_run as last_run

__version__ = "0.1.0"

_HOMES: Final = {
    "parallel": "mpnb.functions",
    "last_run": "mpnb.session",
    "Pool": "mpnb.pool",
    "MpnbError": "mpnb.errors",
    "RefusedError": "mpnb.errors",
    "WorkerDiedError": "mpnb.errors",
    "CodecError": "mpnb.errors",
}
__all__ = ["CodecError", "MpnbError", "Pool", "RefusedError", "WorkerDiedError", "last_run", "parallel"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module 'mpnb' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(_HOMES[name]), name)
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
