"""Every error mpnb raises, and nothing else.

    MpnbError
    ├── PlanError            a cell could not be read (our matter, never the user's syntax)
    ├── RefusedError         --strict: a loop that mpnb will not split
    ├── CodecError           an object that cannot be sent; names the path to it
    ├── WorkerDiedError      a worker process ended under an iteration
    │   └── PoolBrokenError  workers end before they are ready, again and again
    ├── TaskTimeoutError     a task of a pool ran longer than it may; a TimeoutError too
    ├── PoolClosedError      the pool was asked for work after close(); a ValueError too, as multiprocessing has it
    ├── EngineLostError      the cluster that a loop ran on is gone
    └── MissingLibraryError  an optional library is not installed

The user's own exceptions come back as themselves. Wrong options raise IPython's UsageError.
"""

from __future__ import annotations


class MpnbError(Exception):
    """The root of every error that mpnb raises."""


class PlanError(MpnbError):
    """A cell could not be turned into a plan."""


class RefusedError(MpnbError):
    """A loop is not split, and `--strict` makes that an error."""


class CodecError(MpnbError):
    """An object cannot be sent to a worker or back.

    Parameters
    ----------
    path
        How to get to the object from a name the user knows: ``conn`` or ``jobs[3].lock``.
    why
        What it is and what to do instead, in one clause.
    """

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"cannot send {path!r}: {why}")
        self.path = path
        self.why = why

    def __reduce__(self) -> tuple[type[CodecError], tuple[str, str], dict[str, object]]:
        return type(self), (self.path, self.why), vars(self)


class WorkerDiedError(MpnbError):
    """A worker process died while it ran an iteration.

    Parameters
    ----------
    message
        What happened, to which iteration.
    iteration
        Number of the iteration, counted from 0; None where it is not known.
    exitcode
        As `multiprocessing.Process.exitcode`: negative for a signal.
    peak_bytes
        Peak resident memory of the process; None where it is not known.
    """

    def __init__(
        self,
        message: str,
        *,
        iteration: int | None = None,
        exitcode: int | None = None,
        peak_bytes: int | None = None,
    ) -> None:
        super().__init__(message)
        self.iteration = iteration
        self.exitcode = exitcode
        self.peak_bytes = peak_bytes


class PoolBrokenError(WorkerDiedError):
    """Workers ended before they were ready, again and again; nothing can be run."""


class TaskTimeoutError(MpnbError, TimeoutError):
    """A task ran longer than it may, and its worker was ended."""


class PoolClosedError(MpnbError, ValueError):
    """The pool has been closed and takes no more work."""


class EngineLostError(MpnbError):
    """The engine that a loop ran on is gone, and with it what was under way; the notebook's own pool is not.

    What had finished is in `mpnb.last_run().finished`.
    """


class MissingLibraryError(MpnbError):
    """An optional library that this feature needs is not installed."""
