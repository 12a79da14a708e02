"""`Manager()`: a process that holds objects for all others. What it listens on is gone when it or its parent is."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import tempfile
import weakref
from pathlib import Path
from typing import Any, Final, NoReturn

from multiprocess import managers

from mpnb.sharing import children
from mpnb.sharing.messages import SERIALIZER, telling_of_end

_MOST_PATH: Final = 90  # bytes of a socket's path; the system takes 107


class _Maker:
    """Makes the manager's process: as the context does, but it has a folder to remove at its end."""

    def __init__(self, ctx: Any, folder: str) -> None:
        self._ctx = ctx
        self._folder = folder

    def Process(self, *args: Any, **kwargs: Any) -> Any:  # as a context calls it
        made = self._ctx.Process(*args, **kwargs)
        made.cleans_up = self._folder
        return made


class SyncManager(managers.SyncManager):
    """`multiprocessing.managers.SyncManager` on a Unix socket that nobody else can open.

    Parameters
    ----------
    ctx
        The context whose start method it uses.
    """

    shutdown: Any

    def __init__(self, *, ctx: Any) -> None:
        folder = tempfile.mkdtemp(prefix="mpnb-")
        if len(os.fsencode(folder)) > _MOST_PATH:
            Path(folder).rmdir()
            folder = tempfile.mkdtemp(prefix="mpnb-", dir="/tmp")
        super().__init__(str(Path(folder, "socket")), serializer=SERIALIZER, ctx=_Maker(ctx, folder))
        children.children().guard(folder, on=True)
        self.remove = weakref.finalize(self, _remove, folder, os.getpid())

    def start(self, initializer: Any = None, initargs: tuple[Any, ...] = ()) -> None:
        """Start the process."""
        with telling_of_end():
            super().start(initializer, initargs)
        shutdown = self.shutdown
        self.shutdown = functools.partial(_shut_down, shutdown, self.remove)

    @classmethod
    def _run_server(cls, registry: Any, address: str, *args: Any) -> None:
        folder = str(Path(address).parent)

        def end(_number: int, _frame: object) -> NoReturn:
            shutil.rmtree(folder, ignore_errors=True)
            os._exit(0)

        signal.signal(signal.SIGTERM, end)
        os.setsid()  # who kills the notebook's group leaves it the moment that it needs to clear up
        super()._run_server(registry, address, *args)


def _shut_down(shutdown: Any, remove: Any) -> None:
    shutdown()
    remove()


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
        children.children().guard(folder, on=False)
