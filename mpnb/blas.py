"""How many threads BLAS and OpenMP have in this process: told, set, and set for a while. Imports no such library.

The sums inside a product of matrices are made in another order on another number of threads, and so differ in their
last bits. A worker has its share of the cores; a job can ask for the number that the notebook's own process has.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Final

#: How many threads each kind of library has: ("blas", 2), ("openmp", 2).
Threads = tuple[tuple[str, int], ...]

VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
                    "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS")  # fmt: skip
_given = 1  # threads that this process was given when it started
_USERS: Final = ("numpy", "scipy", "sklearn", "torch", "numexpr")


def is_loaded() -> bool:
    """Tell whether a library that brings BLAS or OpenMP has been imported."""
    return any(name in sys.modules for name in _USERS)


def allowed(count: int) -> int:
    """So many threads, or fewer where the user's environment says so.

    Examples
    --------
    >>> allowed(1)
    1
    """
    return min(count, *(_fewer(os.environ.get(name), count) for name in VARIABLES))


def set_threads(count: int) -> None:
    """Give BLAS and OpenMP so many threads in this process, or fewer where the user's environment says so."""
    _set_variables(count)
    if count > 1 and is_loaded():
        from threadpoolctl import threadpool_limits

        threadpool_limits(allowed(count))


def threads() -> Threads:
    """How many threads the libraries that are loaded have: of each kind the most."""
    if not is_loaded():
        return ()
    from threadpoolctl import threadpool_info

    found: dict[str, int] = {}
    for library in threadpool_info():
        kind = library["user_api"]
        found[kind] = max(found.get(kind, 0), library["num_threads"])
    return tuple(sorted(found.items()))


def limit(wanted: Threads) -> Callable[[], None]:
    """Give each kind of library so many threads, those too that are yet to be loaded; returns what undoes it."""
    from threadpoolctl import threadpool_limits

    for name in VARIABLES:
        os.putenv(name, str(max(count for _, count in wanted)))
    limits = threadpool_limits(dict(wanted))

    def undo() -> None:
        limits.restore_original_limits()
        _set_variables(_given)

    return undo


def _set_variables(count: int) -> None:
    """Tell C libraries that are yet to be loaded; os.environ, which the user may read, stays as it is."""
    global _given
    _given = count
    for name in VARIABLES:
        os.putenv(name, str(_fewer(os.environ.get(name), count)))


def _fewer(wanted: str | None, count: int) -> int:
    return min(int(wanted), count) if wanted and wanted.isdecimal() and int(wanted) else count
