"""Dask's door: an engine on the cluster of a `distributed.Client`.

Requests are dask tasks, each bound to a worker; what all workers need and is big is scattered, so that dask keeps it
there once. Every thread of a dask worker gets a process of mpnb's beside it. Security, dashboards and what workers
there are stay dask's matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Final

from mpnb.adapters import host
from mpnb.adapters.letters import VERSION, Content, Reply, Request
from mpnb.adapters.remote import RemoteEngine
from mpnb.errors import MissingLibraryError, MpnbError

if TYPE_CHECKING:
    from distributed import Client

LOOK_S: Final = 0.25  # between two looks at which workers there are
GONE_S: Final = 5.0  # without an answer, after which a scheduler that the client has lost counts as gone
MUTE_S: Final = 60.0  # and one that it has not: it may have much to do
CONNECT_S: Final = 10.0
SCATTER: Final = 1 << 20  # bytes from which on a block is scattered, rather than sent along


def _library() -> Any:
    try:
        import distributed
    except ImportError:
        raise MissingLibraryError('running on dask needs distributed: pip install "mpnb[dask]"') from None
    return distributed


class DaskTransport:
    """Requests as dask tasks.

    Parameters
    ----------
    client
        A connected client with an event loop in a thread of its own, as `Client()` has it in a notebook.
    """

    spread = 1
    peeks = True

    def __init__(self, client: Client) -> None:
        self._client: Any = client  # half of it has no types
        self._post: Callable[..., None] = _ignore
        self._owner = f"{id(self):x}-{time.time_ns():x}"
        self._blocks: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()  # block -> dask's future
        self._futures: dict[int, Any] = {}  # of requests, so that dask does not forget them
        self._places: set[str] = set()  # that have been told of
        self._unfit: set[str] = set()
        self._heard_at = time.monotonic()
        self._ended = threading.Event()
        self._why = ""
        self._attempts = 0
        self._running: set[asyncio.Task[None]] = set()

    def start(self, post: Callable[..., None]) -> None:
        """See `remote.Transport`, as all that follows."""
        self._post = post
        self._do(self._watch())

    def send(self, place: str, request: Request, contents: tuple[Any, ...], answer: Callable[[object], None]) -> object:
        """Submit a task."""
        self._attempts += 1
        key = f"mpnb-{self._owner}-{self._attempts}"
        self._do(self._serve(place, key, request, contents, answer))
        return None

    def content(self, block: Any) -> Any:
        """Scatter what is big, once."""
        if block.nbytes < SCATTER:
            return Content(block)
        future = self._blocks.get(block)
        if future is None or future.status in {"lost", "cancelled", "error"}:
            key = f"mpnb-block-{self._owner}-{block.serial}"
            future = self._blocks[block] = self._client.scatter({key: Content(block)}, broadcast=True)[key]
        return future

    def withdraw(self, place: str, sent: object, owner: str, number: int, answer: Callable[[bool], None]) -> None:
        """Ask the worker: dask itself can't tell whether a task has begun."""
        del sent
        self._do(self._give_back(place, owner, number, answer))

    def peek(
        self, place: str, owner: str, job: int, number: int, have: int, answer: Callable[[Reply | None], None]
    ) -> None:
        """Ask beside what the worker runs."""
        self._do(self._peek(place, (owner, job, number, have), answer))

    def close_job(self, places: Iterable[str], owner: str, number: int) -> None:
        """Tell the workers, beside all that they run."""
        self._do(self._tell(list(places), host.close_job, owner, number))

    def look(self) -> str:
        """Whether the scheduler still answers."""
        silent = time.monotonic() - self._heard_at
        if self._client.status in {"closed", "closing"}:
            return "the dask client was closed"
        if silent > (GONE_S if self._client.status != "running" else MUTE_S):
            address = self._client.scheduler.address if self._client.scheduler is not None else "unknown"
            return f"the dask scheduler at {address} has not answered for {silent:.0f} s{self._why}"
        return ""

    def end(self) -> None:
        """End mpnb's processes beside the workers; the client stays as it is."""
        self._ended.set()
        if self._client.status == "running":
            self._do(self._tell(sorted(self._places), host.end))

    # ------------------------------------------------------------ in the client's own loop

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        def begin() -> None:
            task = asyncio.ensure_future(work)
            self._running.add(task)
            task.add_done_callback(self._running.discard)

        try:
            self._client.loop.asyncio_loop.call_soon_threadsafe(begin)
        except RuntimeError:  # the loop is closed: `look` says so
            work.close()

    async def _watch(self) -> None:
        """Look which workers there are, and greet those that are new."""
        while not self._ended.is_set() and self._client.status not in {"closed", "closing"}:
            try:
                workers = await asyncio.wait_for(self._client.scheduler.ncores(), GONE_S)
            except Exception as error:
                self._why = f" ({type(error).__name__}: {error})"
            else:
                self._heard_at = time.monotonic()
                for place in self._places - workers.keys():
                    self._post("left", place, f"the dask worker at {place} is gone")
                self._places &= workers.keys()
                for place, threads in workers.items():
                    if place not in self._places | self._unfit:
                        self._places.add(place)
                        self._do(self._greet(place, max(1, threads)))
            await asyncio.sleep(LOOK_S)

    async def _greet(self, place: str, threads: int) -> None:
        self._attempts += 1
        key = f"mpnb-greet-{self._owner}-{self._attempts}"
        try:
            note = await self._submit(place, key, host.greet, threads, VERSION)
        except asyncio.CancelledError:
            self._places.discard(place)  # it is gone, or greeted again
        except Exception as error:
            self._unfit.add(place)
            self._post("unfit", f"the dask worker at {place} can't run mpnb: {type(error).__name__}: {error}")
        else:
            self._post("joined", place, threads, note)

    async def _serve(
        self, place: str, key: str, request: Request, contents: tuple[Any, ...], answer: Callable[[object], None]
    ) -> None:
        reply: object
        try:
            reply = await self._submit(place, key, host.serve, request, *contents)
        except asyncio.CancelledError as error:
            reply = error
        except Exception as error:
            reply = error
        answer(reply)

    async def _submit(self, place: str, key: str, function: Callable[..., Any], *args: Any) -> Any:
        future = self._client.submit(
            function, *args, workers=[place], allow_other_workers=False, pure=False, key=key, retries=0
        )
        try:
            return await future
        finally:
            future.release()

    async def _give_back(self, place: str, owner: str, number: int, answer: Callable[[bool], None]) -> None:
        came = False
        with contextlib.suppress(Exception):  # a worker that is gone gives nothing back
            found = await self._client.run(host.give_back, owner, number, workers=[place], on_error="ignore")
            came = bool(found.get(place))
        answer(came)

    async def _peek(self, place: str, asked: tuple[str, int, int, int], answer: Callable[[Reply | None], None]) -> None:
        reply = None
        with contextlib.suppress(Exception):  # as above: the reply itself tells it all
            found = await self._client.run(host.so_far, *asked, workers=[place], on_error="ignore")
            reply = found.get(place)
        answer(reply)

    async def _tell(self, places: list[str], function: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(Exception):  # as above; the others have been told
            await self._client.run(function, *args, workers=places, on_error="ignore")


def _ignore(*_: object) -> None:
    pass


def is_client(thing: object) -> bool:
    """Tell whether this is a client of dask's; where it is none, dask is not imported for it."""
    return any(each.__module__.partition(".")[0] == "distributed" for each in type(thing).__mro__) and hasattr(
        thing, "scheduler"
    )


def connected() -> Client:
    """The client that is connected in the notebook; MpnbError where there is none."""
    distributed = _library()
    try:
        client: Client = distributed.default_client()
    except ValueError:
        raise MpnbError(
            "no dask client is connected here: client = distributed.Client(...) first, or --on tcp://HOST:PORT"
        ) from None
    return client


def connect(address: str) -> Client:
    """A client of the scheduler at an address; MpnbError where none answers."""
    distributed = _library()
    try:
        client: Client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise MpnbError(f"no dask scheduler answers at {address}: {error}") from None
    return client


def engine(client: Client) -> RemoteEngine:
    """An engine on the cluster of a client."""
    _library()
    if client.asynchronous:
        raise MpnbError(
            "this dask client is asynchronous, and would wait for the very cell that waits for it: make it with "
            "asynchronous=False"
        )
    if client.status != "running":
        raise MpnbError(f"this dask client is {client.status}: make a new one")
    return RemoteEngine(DaskTransport(client), str(getattr(client.scheduler, "address", "dask")))
