"""An engine on any `concurrent.futures.Executor` whose calls run in other processes: loky's, ipyparallel's, mpi4py's.

An executor says neither which process a call goes to nor how to stop one that runs. So each of its processes is sent
what a job needs when it turns out to lack it, and iterations that run when a cell is interrupted go on to their end;
nobody waits for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from typing import Any

from mpnb.adapters import host
from mpnb.adapters.letters import VERSION, Content, Reply, Request
from mpnb.adapters.remote import RemoteEngine
from mpnb.errors import MpnbError


class ExecutorTransport:
    """Requests as calls of an executor, which is one place with as many slots as it has workers."""

    peeks = False

    def __init__(self, executor: Executor, workers: int) -> None:
        self._executor = executor
        self.spread = workers
        self._post: Callable[..., None] = _ignore
        self._why = ""

    def start(self, post: Callable[..., None]) -> None:
        """See `remote.Transport`, as all that follows."""
        self._post = post
        for _ in range(self.spread):  # as a rule, each of its processes gets one
            self._submit(self._greeted, host.greet, 1, VERSION)

    def send(self, place: str, request: Request, contents: tuple[Any, ...], answer: Callable[[object], None]) -> object:
        """Submit a call."""
        del place
        return self._submit(answer, host.serve, request, *contents)

    def content(self, block: Any) -> Any:
        """It travels with the request."""
        return Content(block)

    def withdraw(self, place: str, sent: Any, owner: str, number: int, answer: Callable[[bool], None]) -> None:
        """Take a call out of the executor's queue."""
        del place, owner, number
        answer(sent is not None and sent.cancel())

    def peek(
        self, place: str, owner: str, job: int, number: int, have: int, answer: Callable[[Reply | None], None]
    ) -> None:
        """It can't be asked: what comes home comes with the whole chunk."""
        del place, owner, job, number, have, answer

    def close_job(self, places: Iterable[str], owner: str, number: int) -> None:
        """Nothing: there is no way to a process but by a call, which waits for those before it."""

    def look(self) -> str:
        """Whether it took what was submitted."""
        return self._why

    def end(self) -> None:
        """Nothing: the executor is the user's, and mpnb's processes end with its own, or when nothing is asked."""

    def _greeted(self, answer: object) -> None:
        if isinstance(answer, BaseException):
            self._post("unfit", f"the executor can't run mpnb: {type(answer).__name__}: {answer}")
        else:
            self._post("joined", "executor", self.spread, answer)

    def _submit(self, answer: Callable[[object], None], function: Callable[..., Any], *args: Any) -> Any:
        def done(future: Future[Any]) -> None:
            if future.cancelled():
                return  # `withdraw` tells of it
            try:
                error = future.exception()
            except CancelledError:
                return
            answer(future.result() if error is None else error)

        try:
            future = self._executor.submit(function, *args)
        except Exception as error:  # it is broken, or was shut down
            self._why = f"the executor takes no calls any more: {type(error).__name__}: {error}"
            return None
        future.add_done_callback(done)
        return future


def _ignore(*_: object) -> None:
    pass


def engine(executor: Executor, workers: int | None = None) -> RemoteEngine:
    """An engine on an executor."""
    if isinstance(executor, ThreadPoolExecutor):
        raise MpnbError(
            "a ThreadPoolExecutor's threads share the notebook's names, and one iteration could see what another does: "
            "give an executor of processes"
        )
    count = workers or getattr(executor, "_max_workers", None)
    if not isinstance(count, int) or count < 1:
        raise MpnbError(f"a {type(executor).__name__} does not say how many workers it has: use(executor, workers=N)")
    return RemoteEngine(ExecutorTransport(executor, count), type(executor).__name__)
