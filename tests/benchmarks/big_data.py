"""Big arrays to the workers and back, for each pool: time, and memory summed over all its processes. Runs in a kernel.

The functions are the notebook's own; they find the array as the notebook's global `big`.
"""

from __future__ import annotations

import functools
import itertools
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import peers
import psutil

Names = dict[str, Any]
#: They need minutes for this, or refuse it.
LEFT_OUT: Final = {"loky", "pebble", "mpire"}
NUMBERS: Final = 50_000_000  # 400 MB
ARRAYS: Final = 50
EACH: Final = 1_000_000  # numbers in each: 8 MB


def big_array() -> np.ndarray[Any, Any]:
    """An array of 400 MB, every page of it touched."""
    return np.arange(NUMBERS, dtype=float)


def opened() -> Iterator[tuple[str, peers.Peer]]:
    """Each pool by itself, from its creation to its end; the array is there before it, as forked workers need it."""
    for name, make in peers.installed().items():
        if name not in LEFT_OUT:
            peer = make()
            try:
                peer.map(abs, range(4))
                yield name, peer
            finally:
                peer.close()


@contextmanager
def noted(found: peers.Figures, name: str, columns: int) -> Iterator[None]:
    """A pool that fails has no figures, and the others go on; mpnb's own failure is one of the benchmark."""
    try:
        yield
    except Exception:
        if name == "mpnb":
            raise
        found[name] = [math.nan] * columns


def milliseconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1e3


def global_array(names: Names, rounds: int) -> peers.Figures:
    """Milliseconds of the first map that reads the global, and of a repeated one; whether a change is not seen."""
    found: peers.Figures = {}
    first: dict[str, list[float]] = {}
    again: dict[str, list[float]] = {}
    names["big"] = big_array()
    for _ in range(rounds):
        for name, peer in opened():
            with noted(found, name, 3):
                ask = functools.partial(peer.map, names["read_big"], [1, 2])
                first.setdefault(name, []).append(milliseconds(ask))
                again.setdefault(name, []).extend(milliseconds(ask) for _ in range(3))
                names["big"][1] += 1  # in place: what was sent before is stale
                missed = ask() != [names["big"][1], names["big"][2]]
                found[name] = [statistics.median(first[name]), statistics.median(again[name]), missed]
    del names["big"]
    return found


def shared_array(names: Names, rounds: int) -> peers.Figures:
    """Milliseconds of a map that reads an array of `mpnb.shared`, when that is known to the workers."""
    import mpnb

    names["big"] = mpnb.shared(big_array())
    with mpnb.Pool(peers.WORKERS) as pool:
        ask = functools.partial(pool.map, names["read_big"], [1, 2])
        first = milliseconds(ask)
        again = [milliseconds(ask) for _ in range(10 * rounds)]
    del names["big"]
    return {"mpnb": [statistics.median(again), first]}


def resident_mb() -> float:
    """Megabytes of memory of this process and all that come from it; what several map, or none has mapped, once."""
    own = psutil.Process()
    total = 0
    for process in (own, *own.children(recursive=True)):
        try:
            held = kilobytes(Path(f"/proc/{process.pid}/smaps_rollup"))
        except OSError:  # it has ended
            continue
        total += held["Pss"] - held["Pss_Shmem"]
    return (total + kilobytes(Path("/proc/meminfo"))["Shmem"]) * 1024 / 1e6


def kilobytes(path: Path) -> dict[str, int]:
    """The figures of such a file by their names."""
    lines = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if words[-1] == "kB"}


def memory(names: Names) -> peers.Figures:
    """Megabytes that there are more when every worker has read all of the global: with 1, 2 and 4 workers."""
    import mpnb

    makers: dict[str, Callable[[int], Any]] = {
        "mpnb": mpnb.Pool,
        "mp-fork": multiprocessing.get_context("fork").Pool,
        "joblib": lambda workers: closing(peers.JoblibPeer(workers)),
    }
    names["big"] = big_array()
    found: peers.Figures = {}
    for name in [name for name in makers if name in peers.installed()]:
        for workers in (1, 2, 4):
            with makers[name](workers) as pool, noted(found, name, 3):
                pool.map(names["double"], [np.zeros(1)] * 4 * workers)  # numpy itself is not the array's
                before = resident_mb()
                served: set[int] = set()
                end = time.perf_counter() + 20
                while len(served) < workers and time.perf_counter() < end:
                    served.update(pool.map(names["touch_big"], range(2 * workers)))
                assert len(served) == workers, f"{len(served)} of {workers} workers of {name} have read it"
                found.setdefault(name, []).append(resident_mb() - before)
    del names["big"]
    return found


def arrays(names: Names, rounds: int) -> peers.Figures:
    """50 arrays of 8 MB to the workers, and their doubles back: as a multiple of copying both in warm memory."""
    sources = [np.arange(EACH, dtype=float) + number for number in range(ARRAYS)]
    copies = [source.copy() for source in sources]

    def copy() -> None:
        for source, target in zip(sources, copies, strict=True):
            np.copyto(target, source)

    def check(results: list[Any]) -> None:
        assert all(result[7] == 2 * source[7] for result, source in zip(results, sources, strict=True))

    taken: peers.Figures = {}
    found: peers.Figures = {}
    unit = min(milliseconds(copy) for _ in range(5))
    double = names["double"]
    for name, peer in itertools.chain([("serial", None)], opened()):
        for number in range(2 if name not in {"serial", "mpnb"} else rounds + 1):
            with noted(found, name, 2):
                began = time.perf_counter()
                results = [double(source) for source in sources] if peer is None else peer.map(double, sources)
                took = (time.perf_counter() - began) * 1e3
                check(results)
                del results
                if number:  # in the first one memory is new to everybody
                    taken.setdefault(name, []).append(took)
    unit = min(unit, *(milliseconds(copy) for _ in range(5)))
    return found | {name: [statistics.median(each) / (2 * unit), 2 * unit] for name, each in taken.items()}
