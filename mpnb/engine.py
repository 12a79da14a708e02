"""What the session asks of anything that runs tasks: a job and its items in, outcomes in order out.

A job's function is called in a worker as `function(item, effects)` and appends to `effects`, a list of tuples whose
first member is an effect number. Numbers from 0 up belong to the caller (an append, a result …); the worker itself
adds `(STDOUT, text)` and `(STDERR, text)` where the function prints, and `(WARNED, message, category, filename, line)`
where it warns, so that everything stays in order.
"""

from __future__ import annotations

import copy
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Final, Protocol

from mpnb.events import Event
from mpnb.streams import Streams

STDOUT: Final = -1
STDERR: Final = -2
WARNED: Final = -4  # -3 and -5 are taken by the plan
FILED: Final = -6  # what it did to files: `drafts` keeps it back, `filing` puts it in place
SEEN: Final = -7  # what it saw of files

Effects = list[tuple[Any, ...]]
Tell = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Job:
    """One function to be called for many items.

    Parameters
    ----------
    function
        A plain function without closure over notebook state other than its globals, which are the notebook's names.
    site
        Number of the site in its cell.
    first
        Number of the first item, as the user counts the site's iterations (from 0).
    targets
        Objects of the notebook that the effects will change. One that a worker could read is an error:
        `CodecError` before anything was sent.
    hidden
        Names that the effects will set. One that a worker would look up is a `CodecError` as well.
    shared
        Names of a function's own that the effects will set. A function sent along that closes over one is a
        `CodecError` too.
    expected_s
        Seconds per iteration, where some have been measured.
    total
        How many items there are, where it is known.
    nets
        Whether the worker watches that an iteration changes nothing that it must not change, and does nothing that is
        seen outside its process. Without nets a task may do as it likes, as with `multiprocessing.Pool`.
    files
        Whether an iteration may write files. They are kept back in the worker and become effects.
    orders
        Whether the function may take an order from something that is perhaps a set. What is sent must then hold no set
        whose order a copy would change, but for sets that are a name's value: those the caller has judged.
    streams
        The random numbers of its iterations, on the generators of this process; None where they have none of their own.
    chunk
        How many items to send at a time, where that was said.
    threads
        How many threads each kind of library has for it (`blas.threads`); empty where those of a worker are right.
    calls
        Whether its iterations are calls made for `Pool` or `Executor`: independent of each other, so that one that
        fails does not end the job; arguments and results are copies.
    ahead
        How many items may be pulled before the caller takes an outcome, where there is a limit.
    timeout_s
        How long an iteration may run; then its worker is ended, and another takes its place.
    retries
        How often an iteration whose worker ended, or that ran too long, is run again.
    modules
        Names of modules that it needs, as far as that is known: whoever works on it has them afterwards.
    steady
        Asked when its names have been encoded, where its calls may leave no trace in a worker: whether they leave none.
    """

    function: FunctionType
    site: int = 0
    first: int = 0
    targets: tuple[object, ...] = ()
    hidden: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    expected_s: float | None = None
    total: int | None = None
    nets: bool = True
    files: bool = False
    orders: bool = False
    streams: Streams | None = None
    chunk: int | None = None
    threads: tuple[tuple[str, int], ...] = ()
    calls: bool = False
    ahead: int | None = None
    timeout_s: float | None = None
    retries: int = 0
    modules: frozenset[str] = frozenset()
    steady: Callable[[], bool] | None = None


@dataclass(slots=True)  # not frozen, which takes three times as long to make
class Outcome:
    """What became of one iteration.

    `error` is None where it finished. Otherwise `kind` says whose matter it is, and `effects` is empty:
    ``raised`` the function raised (its text is in `error`); ``tripped`` a net found that the iteration changed
    something that must not change in a worker; ``unsendable`` item or effects could not be encoded;
    ``died`` the worker process ended (`error` is a `WorkerDiedError`).
    """

    index: int
    effects: Effects
    kind: str = "finished"
    error: str | Exception | None = None
    nbytes: int = 0


class Running(Protocol):
    """A job under way: an iterator of outcomes in the order of their items."""

    def __iter__(self) -> Iterator[Outcome]: ...

    def __next__(self) -> Outcome: ...

    def resize(self, workers: int) -> None:
        """Have at most so many of the engine's workers from now on; those that go finish what they are running."""
        ...

    def close(self) -> list[Outcome]:
        """Cancel what is left, and give back the outcomes that were finished and not yet yielded."""
        ...


class Engine(Protocol):
    """Anything that runs jobs."""

    @property
    def workers(self) -> int:
        """How many workers it has, or is about to have."""
        ...

    @property
    def ready(self) -> int:
        """How many of them take work at this moment."""
        ...

    @property
    def threads(self) -> int:
        """How many threads BLAS and OpenMP have in a worker, unless a job asks for others."""
        ...

    def import_s(self, modules: Iterable[str]) -> float:
        """Seconds that a worker needs to import what it lacks of these modules, and of what comes with them."""
        ...

    def run(self, job: Job, items: Iterator[object], tell: Tell, workers: int | None = None) -> Running:
        """Start a job. `items` is pulled lazily, and `tell` called, in the calling thread only.

        While the caller waits in `next()`, `tell(Ticked)` comes at least every 0.1 s; what `tell` raises ends the wait.
        """
        ...

    def resize(self, workers: int) -> None:
        """Have so many workers from now on; the ones that go finish what they are running."""
        ...


class _Notebook:
    """How to get at the engine of the notebook, from the moment that it is on its way; how many cells have run."""

    engine: Callable[[], Engine] | None = None
    cells: int = 0


notebook: Final = _Notebook()


#: Seconds from which on an iteration is long: what it takes to send home all that it sets is little beside them.
LONG_S: Final = 0.05


class _Turn:
    """The running iteration of a worker: since when it runs, and which of its effects may be left out."""

    began: float = 0.0
    extra: tuple[int, ...] = ()


turn: Final = _Turn()


class IfLong:
    """In the place of False for "is this the last item?": true all the same, once the iteration has taken long.

    The last iteration sends home what every iteration sets. Where a long one does so as well, the loop can be cut short
    after it without doing it again. These effects (`numbers`) may be left out where they can't be sent.
    """

    __slots__ = ("numbers",)

    def __init__(self, numbers: tuple[int, ...]) -> None:
        self.numbers = numbers

    def __bool__(self) -> bool:
        if time.perf_counter() - turn.began < LONG_S:
            return False
        turn.extra = self.numbers
        return True

    def __reduce__(self) -> tuple[Any, ...]:
        return IfLong, (self.numbers,)


#: How an effect uses its operands up, so that what the iteration does to them later must not show: what going through
#: them gives now; the same, where the last one is a slice; their present value; that with all that hangs on it.
ITERATED: Final = "iterated"
SLICED: Final = "sliced"
VALUED: Final = "valued"
CONSUMED: Final = "consumed"

_LASTING: Final = (int, float, complex, bool, str, bytes, tuple, frozenset, range, type(None))


def entry(uses: Mapping[int, str], number: int, *operands: Any) -> tuple[Any, ...]:
    """Make the record of effect `number`, in which its operands are as they are now.

    Raises TypeError for what can't be copied without running code of the user's; the iteration is then done in the
    kernel.
    """
    use = uses.get(number)
    if use is None or (use == SLICED and type(operands[-1]) is not slice):
        return (number, *operands)
    copied = {VALUED: _valued, CONSUMED: _consumed}.get(use, _iterated)
    return (number, *[operand if type(operand) is slice else copied(operand) for operand in operands])


def _iterated(value: Any) -> Any:
    kind = type(value)
    if kind in _LASTING:
        return value
    if kind in _PLAIN or hasattr(kind, "keys"):
        return _valued(value)
    if hasattr(kind, "__next__") or kind in _VIEWS or not _is_own(kind):
        return list(value)
    raise TypeError(f"a {kind.__name__} is gone through by code of its own")


def _valued(value: Any) -> Any:
    kind = type(value)
    if kind in _LASTING or _is_lent(value):
        return value
    if hasattr(kind, "__next__") or kind in _VIEWS or _is_own(kind):
        raise TypeError(f"a {kind.__name__} can't be copied")
    return copy.copy(value)


def _consumed(value: Any) -> Any:
    kind = type(value)
    if (kind in _LASTING and kind is not tuple) or _is_lent(value):
        return value
    if hasattr(kind, "__next__") or kind in _VIEWS or _is_own(kind):
        raise TypeError(f"a {kind.__name__} can't be copied")
    return copy.deepcopy(value)


_PLAIN: Final = (list, dict, set, bytearray)
_VIEWS: Final[tuple[type, ...]] = (type({}.keys()), type({}.values()), type({}.items()))


def _is_own(kind: type) -> bool:
    return kind.__module__ == "__main__" or "__main__" in {base.__module__ for base in kind.__mro__}


def _is_lent(value: Any) -> bool:
    """Tell whether it is an array in memory that this process may only read."""
    numpy = sys.modules.get("numpy")
    if numpy is None or type(value) is not numpy.ndarray or value.dtype.hasobject:
        return False
    while isinstance(value.base, numpy.ndarray):
        value = value.base
    return not value.flags.writeable


def warn_again(message: Warning, category: type[Warning], filename: str, line: int) -> None:
    """Warn here as a worker was warned: this process's filters decide, and what it has shown once it shows no more."""
    modules = list(sys.modules.values())
    module = next((each for each in modules if getattr(each, "__file__", None) == filename), sys.modules["__main__"])
    registry = vars(module).setdefault("__warningregistry__", {})
    warnings.warn_explicit(message, category, filename, line, module.__name__, registry)
