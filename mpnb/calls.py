"""The kernel's side of calls made for `Pool` and `Executor`: functions and arguments in, values or errors out.

A loop of a notebook keeps the identity of its objects and may change none of them. A call is what it is with
`multiprocessing`: arguments and results are copies, a task may do with them as it likes, and how a class wants to be
pickled is the class's matter. Functions and classes are the notebook's own on both ways, and never stale.
"""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import IO, Any, Final, NoReturn, cast

from mpnb import plain
from mpnb.blame import Unsendable
from mpnb.budget import Budget
from mpnb.cache import EncodeCache
from mpnb.codec import LASTING, Encoder
from mpnb.engine import STDERR, STDOUT, WARNED, Effects, Job, Outcome, warn_again
from mpnb.errors import CodecError, MpnbError
from mpnb.frames import Frame, read_frame, write_frame
from mpnb.jobs import ItemsMemo, JobEncoder
from mpnb.parcels import ParcelEncoder
from mpnb.steady import Watch
from mpnb.tasks import LOST, NEVER_SENT, RAISED, UNSENDABLE, VALUE, NeverSent

#: How pickle says that it can't; what else comes out of it was raised by the user's own code, and is the user's.
_PICKLES: Final = (pickle.PicklingError, TypeError, AttributeError, RecursionError, Unsendable, CodecError)


class _ValueEncoder(ParcelEncoder):
    """A pickler of copies; classes are shipped with their job, not kept by the workers."""

    def reduce_class(self, kind: type) -> Any:
        """As a loop's: by name where it can be imported, else by value and anew for every job."""
        return Encoder.reduce_class(self, kind)


class CallEncoder(JobEncoder):
    """Encodes a task and its arguments, and decodes what became of them.

    Parameters
    ----------
    job
        Its function is one that `task_of` made.
    cache, budget
        As for `mpnb.jobs.JobEncoder`.
    """

    def __init__(self, job: Job, cache: EncodeCache, budget: Budget | None = None) -> None:
        super().__init__(job, cache, budget)
        self._known = {key: n for key, n in self._known.items() if isinstance(self._objects[n], LASTING)}
        self._unsent: list[Exception] = []

    def _encoder(self, file: IO[bytes], known: Mapping[int, int], buffers: list[Any] | None) -> Encoder:
        return _ValueEncoder(file, self._cache, self._main, known, buffers)  # type: ignore[arg-type]

    def encode_items(self, items: Sequence[object]) -> tuple[Frame, ItemsMemo]:
        """Encode some items; in the place of one that can't be sent goes a number, and its error is kept here."""
        frame = plain_frame(items)
        if frame is not None:
            return frame, ItemsMemo([])
        try:
            frame, memo = super().encode_items(items)
        except Exception:
            frame, memo = super().encode_items([self._sendable(item) for item in items])
        return frame, ItemsMemo([each if isinstance(each, LASTING) else None for each in memo.objects])

    def _sendable(self, item: object) -> object:
        try:
            super().encode_items([item])
        except Exception as error:
            self._unsent.append(users_own(error))
            return NeverSent(len(self._unsent) - 1)
        return item

    def values(self, frame: Frame) -> list[Any] | None:
        """The values of some calls, where there is nothing else to say of any of them."""
        kind, _, body, _ = read_frame(frame)
        return plain.loads(body.getbuffer()) if kind == "values" else None

    def decode_effects(self, frame: Frame, memo: ItemsMemo) -> list[Effects]:
        """What each of some calls did."""
        values = self.values(frame)
        return super().decode_effects(frame, memo) if values is None else [[(VALUE, value)] for value in values]

    def settle(self, outcome: Outcome) -> tuple[bool, Any]:
        """Say whether a call succeeded, and give its value or its exception; what it printed is printed now."""
        settled: tuple[bool, Any] | None = None
        for effect in outcome.effects:
            match effect:
                case (kind, value) if kind == VALUE:
                    settled = (True, value)
                case (number, text) if number == STDOUT:
                    sys.stdout.write(text)
                case (number, text) if number == STDERR:
                    sys.stderr.write(text)
                case (number, message, category, filename, line) if number == WARNED:
                    warn_again(message, category, filename, line)
                case _:
                    settled = (False, self._failure(effect))
        if settled is not None:
            return settled
        error = outcome.error if isinstance(outcome.error, Exception) else MpnbError(outcome.error)
        return (False, error)

    def _failure(self, effect: tuple[Any, ...]) -> BaseException:
        theirs: Any = importlib.import_module("multiprocessing.pool")  # whose types do not know these two
        match effect:
            case (kind, error, text) if kind == RAISED:
                failure: BaseException = error
            case (kind, words, text) if kind == LOST:
                failure = MpnbError(words)
            case (kind, number) if kind == NEVER_SENT:
                unsent: Exception = self._unsent[number]
                return unsent
            case (kind, why, text) if kind == UNSENDABLE:
                unsendable: Any = theirs.MaybeEncodingError(None, None)
                unsendable.exc, unsendable.value = why, text  # the words themselves, and not their repr
                return cast("Exception", unsendable)
            case _:
                raise AssertionError(effect)
        failure.__cause__ = theirs.RemoteTraceback(f'\n"""\n{text}"""') if text else None
        return failure


@dataclass(slots=True, eq=False)
class Kept:
    """A steady function's task, and what it was encoded as: that serves as long as the watch holds."""

    watch: Watch
    do: Callable[..., None]
    retries: int
    task: FunctionType
    encoder: CallEncoder | None = None

    def serves(self, function: Any, do: Callable[..., None], retries: int) -> bool:
        """Whether this is the task of such calls."""
        mine = self.watch.function is function and self.do is do and self.retries == retries
        return mine and self.watch.holds()


def plain_frame(items: Sequence[object]) -> Frame | None:
    """Some items, where all are plain values: what copies of them are hangs on nothing in the notebook."""
    data = plain.dumps(list(items))
    return None if data is None else write_frame("plain", None, data, ())


def users_own(error: Exception) -> Exception:
    """What the user's own code raised while something was pickled, with a note; else the error as it is."""
    cause = error.__cause__
    if isinstance(error, CodecError) and isinstance(cause, Exception) and not isinstance(cause, _PICKLES):
        cause.add_note(str(error))
        return cause
    return error


def task_of(function: Callable[..., Any], do: Callable[..., None], retries: int = 0) -> FunctionType:
    """A job's function that has as its one effect what a call of another gives; `do` is one of `mpnb.tasks`."""

    def task(item: object, effects: Effects) -> None:
        do(function, retries, item, effects)

    # It looks up no global name itself; its globals say which dict the notebook's names are in.
    return FunctionType(task.__code__, notebook_of(function), "task", None, task.__closure__)


def beginning(function: Callable[..., object], arguments: tuple[Any, ...]) -> FunctionType:
    """A job's function that calls another with these arguments, and has no effect."""

    def begin(_item: object, _effects: Effects) -> None:
        function(*arguments)

    return FunctionType(begin.__code__, notebook_of(function), "begin", None, begin.__closure__)


def notebook_of(function: Any) -> dict[str, Any]:
    """The dict of notebook names that a function belongs to, whatever it is wrapped in."""
    for _ in range(100):
        for name in ("__wrapped__", "__func__", "func"):
            if hasattr(function, name):
                function = getattr(function, name)
                break
        else:
            break
    if isinstance(function, FunctionType):
        module = sys.modules.get(function.__module__)
        if module is None or vars(module) is not function.__globals__:
            return function.__globals__
    return vars(sys.modules["__main__"])


def noted(error: BaseException, index: int, total: int | None) -> BaseException:
    """Say of which call an exception is."""
    of = "" if total is None else f" of {total:,}"
    error.add_note(f"in task {index + 1:,}{of}")
    return error


# The frame that a notebook always shows: in three lines, and it does not hold what holds its traceback.
def throw(held: list[BaseException]) -> NoReturn:  # noqa: D103 -- it would be shown, too
    raise held.pop()
