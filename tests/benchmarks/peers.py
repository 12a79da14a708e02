"""Process pools of other libraries and mpnb's, with one interface: what `python -m tests.benchmarks` compares.

Runs in a kernel; the functions that it measures with are the notebook's. A library that is not installed is left out.
"""

from __future__ import annotations

import heapq
import importlib.util
import itertools
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, Protocol

import psutil

WORKERS: Final = 2


class Peer(Protocol):
    """A pool of two workers."""

    def apply(self, function: Callable[..., Any], item: Any) -> Any:
        """One call, waited for."""
        ...

    def map(self, function: Callable[..., Any], items: Iterable[Any]) -> list[Any]:
        """Calls for all items, with the library's own settings."""
        ...

    def close(self) -> None:
        """End its processes."""
        ...


class PoolPeer:
    """A pool with multiprocessing's methods."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool

    def apply(self, function: Callable[..., Any], item: Any) -> Any:
        """One call."""
        return self.pool.apply(function, (item,))

    def map(self, function: Callable[..., Any], items: Iterable[Any]) -> list[Any]:
        """Many."""
        return list(self.pool.map(function, items))

    def close(self) -> None:
        """End it."""
        self.pool.terminate()
        self.pool.join()


class ExecutorPeer:
    """A pool with the methods of concurrent.futures."""

    def __init__(self, executor: Any, close: Callable[[], object]) -> None:
        self.executor, self.close = executor, close

    def apply(self, function: Callable[..., Any], item: Any) -> Any:
        """One call."""
        return self.executor.submit(function, item).result()

    def map(self, function: Callable[..., Any], items: Iterable[Any]) -> list[Any]:
        """Many."""
        return list(self.executor.map(function, items))


class JoblibPeer:
    """joblib's Parallel, made anew for each use as people do, and as is needed where arrays are mapped into workers."""

    def __init__(self, workers: int = WORKERS) -> None:
        import joblib

        self._delayed, self._parallel = joblib.delayed, partial(joblib.Parallel, n_jobs=workers)

    def apply(self, function: Callable[..., Any], item: Any) -> Any:
        """One call."""
        return self._parallel()([self._delayed(function)(item)])[0]

    def map(self, function: Callable[..., Any], items: Iterable[Any]) -> list[Any]:
        """Many."""
        return list(self._parallel()(self._delayed(function)(item) for item in items))

    def close(self) -> None:
        """End its workers."""
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True)


class PebblePeer:
    """pebble's pool; its map gives a future."""

    def __init__(self) -> None:
        import pebble

        self.pool = pebble.ProcessPool(max_workers=WORKERS, context=multiprocessing.get_context("fork"))

    def apply(self, function: Callable[..., Any], item: Any) -> Any:
        """One call."""
        return self.pool.schedule(function, args=[item]).result()

    def map(self, function: Callable[..., Any], items: Iterable[Any]) -> list[Any]:
        """Many."""
        return list(self.pool.map(function, items).result())

    def close(self) -> None:
        """End it."""
        self.pool.stop()
        self.pool.join()


def _mpnb() -> Peer:
    from mpnb import Pool

    return PoolPeer(Pool(WORKERS))


def _fork() -> Peer:
    return PoolPeer(multiprocessing.get_context("fork").Pool(WORKERS))


def _multiprocess() -> Peer:
    import multiprocess

    return PoolPeer(multiprocess.get_context("fork").Pool(WORKERS))


def _loky() -> Peer:
    import loky

    executor = loky.ProcessPoolExecutor(max_workers=WORKERS)
    return ExecutorPeer(executor, lambda: executor.shutdown(kill_workers=True))


def _mpire() -> Peer:
    import mpire

    return PoolPeer(mpire.WorkerPool(WORKERS, start_method="fork", keep_alive=True))


#: Name, the library it needs, how to make it.
PEERS: Final[dict[str, tuple[str, Callable[[], Peer]]]] = {
    "mpnb": ("mpnb", _mpnb),
    "mp-fork": ("multiprocessing", _fork),
    "multiprocess": ("multiprocess", _multiprocess),
    "loky": ("loky", _loky),
    "joblib": ("joblib", JoblibPeer),
    "pebble": ("pebble", PebblePeer),
    "mpire": ("mpire", _mpire),
}


def installed() -> dict[str, Callable[[], Peer]]:
    """The peers whose library is there."""
    return {name: make for name, (library, make) in PEERS.items() if importlib.util.find_spec(library)}


Figures = dict[str, list[float]]  # peer -> the figures of a row, in the order of its columns


class Open:
    """All peers at once, warmed up by this use of them: mpire takes no map after a single call."""

    def __init__(self, use: Callable[[Peer], object]) -> None:
        self.peers = {name: make() for name, make in installed().items()}
        for peer in self.peers.values():
            for _ in range(3):
                use(peer)

    def __enter__(self) -> dict[str, Peer]:
        return self.peers

    def __exit__(self, *_: object) -> None:
        for peer in self.peers.values():
            peer.close()


def calls(function: Callable[..., Any], rounds: int) -> Figures:
    """µs of one warm call: median, 99th percentile."""
    taken: Figures = {}
    with Open(lambda peer: peer.apply(function, 1)) as peers:
        for _ in range(rounds):
            for name, peer in peers.items():
                times = taken.setdefault(name, [])
                for number in range(20 if name == "joblib" else 200):
                    began = time.perf_counter()
                    value = peer.apply(function, number)
                    times.append((time.perf_counter() - began) * 1e6)
                    assert value == number + 1
    return {name: [statistics.median(times), statistics.quantiles(times, n=100)[98]] for name, times in taken.items()}


def maps(function: Callable[..., Any], rounds: int) -> Figures:
    """Millions of calls a second in a map of 100,000; a tenth of that for the slow."""
    taken: Figures = {}
    with Open(lambda peer: peer.map(function, range(4))) as peers:
        for _ in range(rounds):
            for name, peer in peers.items():
                count = 2_000 if name in {"loky", "pebble"} else 20_000 if name in {"joblib", "mpire"} else 100_000
                began = time.perf_counter()
                values = peer.map(function, range(count))
                taken.setdefault(name, []).append(count / (time.perf_counter() - began) / 1e6)
                assert values == list(range(1, count + 1))
    return {name: [statistics.median(rates)] for name, rates in taken.items()}


def starts(function: Callable[..., Any], rounds: int) -> Figures:
    """Milliseconds from the creation to the first result, and of the second map."""
    first: Figures = {}
    second: Figures = {}
    for _ in range(rounds):
        for name, make in installed().items():
            began = time.perf_counter()
            peer = make()
            peer.map(function, [1, 2])
            then = time.perf_counter()
            peer.map(function, [1, 2])
            now = time.perf_counter()
            peer.close()
            first.setdefault(name, []).append((then - began) * 1e3)
            second.setdefault(name, []).append((now - then) * 1e3)
    return {name: [statistics.median(first[name]), statistics.median(second[name])] for name in first}


def speedups(spin: Callable[[float], Any], rounds: int, sizes: list[float]) -> Figures:
    """Times as fast as one after the other, and the part of what a greedy schedule that costs nothing gives."""
    taken: Figures = {}
    free = [0.0] * WORKERS
    for size in sizes:
        heapq.heapreplace(free, free[0] + size)
    best = sum(sizes) / max(free)
    with Open(lambda peer: peer.map(spin, [0.001] * 4)) as peers:
        for _ in range(rounds):
            began = time.perf_counter()
            for size in sizes:
                spin(size)
            serial = time.perf_counter() - began
            for name, peer in peers.items():
                began = time.perf_counter()
                peer.map(spin, sizes)
                taken.setdefault(name, []).append(serial / (time.perf_counter() - began))
    return {name: [statistics.median(each), statistics.median(each) / best] for name, each in taken.items()}


def staleness(names: dict[str, Any], calls_each: int = 3) -> Figures:
    """How many of three changes a warm pool does not see: a helper, a global, default arguments."""
    found: Figures = {}
    with Open(lambda peer: peer.apply(names["follows"], 1)) as peers:
        for name, peer in peers.items():
            exec("base = 1\ndef helper(x): return x\ndef follows(x, y=0): return helper(x) + base + y", names)
            for _ in range(calls_each):
                peer.apply(names["follows"], 1)
            missed = 0
            for change in ("base = 100", "def helper(x): return 10 * x", "follows.__defaults__ = (1000,)"):
                exec(change, names)
                try:
                    missed += peer.apply(names["follows"], 1) != names["follows"](1)
                except Exception:
                    missed += 1
            found[name] = [missed]
    return found


def ahead(function: Callable[..., Any]) -> Figures:
    """Of a generator of 2,000,000: items pulled when the first result has been looked at for half a second.

    And the megabytes that this process has grown by then, and when 20,000 more have been taken.
    """
    found: Figures = {}
    for name, make in installed().items():
        peer = make()
        pool = getattr(peer, "pool", None)
        if not hasattr(pool, "imap"):
            peer.close()
            continue
        pulled = 0

        def numbers() -> Iterator[int]:
            nonlocal pulled
            for number in range(2_000_000):
                pulled += 1
                yield number

        peer.map(function, range(4))
        own = psutil.Process()
        before = own.memory_info().rss
        results = iter(pool.imap(function, numbers()))
        next(results)
        time.sleep(0.5)
        found[name] = [pulled]
        for _ in itertools.islice(results, 20_000):
            pass
        found[name].append((own.memory_info().rss - before) / 1e6)
        peer.close()
    return found


def kills(survive: Callable[[int], int]) -> Figures:
    """Of 50 tasks one kills its worker: how many of the other 49 are done, in how many seconds, where none hangs.

    And whether the error says which task it was, and the next map works.
    """
    from mpnb import Pool

    found: Figures = {}
    with Pool(WORKERS) as pool:
        pool.map(abs, range(4))
        began = time.perf_counter()
        results = pool.imap(survive, range(50), 1)
        ends = [_outcome(partial(next, results)) for _ in range(50)]
        took = time.perf_counter() - began
        named = any("task 18 of 50" in end for end in ends if isinstance(end, str))
        found["mpnb"] = [sum(isinstance(end, int) for end in ends), took, named, pool.map(abs, [-1]) == [1]]
    if importlib.util.find_spec("pebble"):
        peer = PebblePeer()
        began = time.perf_counter()
        futures = [peer.pool.schedule(survive, args=[number]) for number in range(50)]
        ends = [_outcome(partial(future.result, 30)) for future in futures]
        took = time.perf_counter() - began
        found["pebble"] = [sum(isinstance(end, int) for end in ends), took, False, peer.map(abs, [-1]) == [1]]
        peer.close()
    return found


def printing(tell: Callable[[int], int], peer: Peer) -> float:
    """µs of one warm call that prints a line."""
    times = []
    for number in range(30 if isinstance(peer, JoblibPeer) else 300):
        began = time.perf_counter()
        peer.apply(tell, number)
        times.append((time.perf_counter() - began) * 1e6)
    return statistics.median(times)


def _outcome(wait: Callable[[], int]) -> int | str:
    """What a task gave, or what its error says."""
    try:
        return wait()
    except Exception as error:  # each library has its own for it
        return "\n".join([str(error), *getattr(error, "__notes__", ())])
