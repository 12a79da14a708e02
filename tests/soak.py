"""One pool through a day's troubles: python -m tests.soak --tasks 2000000 --cells 10000 [--seed 1].

Tiny tasks and small cells on the notebook's own pool, while workers are killed, the main thread is interrupted, tasks
raise and the pool is resized, all at random. Every result is compared with what it must be: whole where nothing came
in between, else the error that was injected and the state of a serial loop that ended there. Prints how memory,
descriptors, threads and processes go, and ends with an error where a result was wrong or something grew.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import gc
import io
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

sys.path.insert(0, str(Path(__file__).parent / "plan"))

from differ import Bench

SETUP: Final = """
import os, time
class Odd(Exception):
    pass
def plus(x):
    return x + 1
def odd(x):
    if x == bad:
        raise Odd(x)
    return x + step
def deadly(x):
    if x == bad:
        os._exit(9)
    return -x
bad, step = -1, 1
"""
CELL: Final = """\
out, total, last = [], 0, None
for i, x in enumerate(xs):
    last = odd(x)
    out.append((i, last))
    total += last
    if i % 7 == 0:
        print(i)
"""
COMPREHENSION: Final = "out = None\nout = [odd(x) for x in xs]"
#: How much more there may be at the end than a fifth of the way there: descriptors come and go with blocks on their way.
GROWTH: Final = {"kernel_mb": 12.0, "largest_worker_mb": 12.0, "descriptors": 10, "threads": 0, "processes": 1}


@dataclass(frozen=True, slots=True)
class Held:
    """What the kernel and its processes hold at some moment."""

    tasks: int
    cells: int
    kernel_mb: float
    largest_worker_mb: float
    descriptors: int
    threads: int
    processes: int


@dataclass(slots=True)
class Tally:
    """What has happened."""

    tasks: int = 0
    cells: int = 0
    wrong: list[str] = field(default_factory=list)
    ends: collections.Counter[str] = field(default_factory=collections.Counter)
    troubles: collections.Counter[str] = field(default_factory=collections.Counter)
    held: list[Held] = field(default_factory=list)


class Troubles(threading.Thread):
    """Kills, interrupts and resizes at random moments, as long as it lives."""

    def __init__(self, pool: Any, chance: random.Random, tally: Tally) -> None:
        super().__init__(daemon=True)
        self.pool = pool
        self.chance = chance
        self.tally = tally
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.armed = False  # an interrupt may come: once

    def run(self) -> None:
        """Wait, do harm, and so on."""
        kinds: list[Callable[[], None]] = [self.kill, self.interrupt, self.interrupt, self.resize]
        while not self.over.wait(self.chance.expovariate(8)):
            self.chance.choice(kinds)()

    def kill(self) -> None:
        """End a worker."""
        if pids := self.pool.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.chance.choice(pids), signal.SIGKILL)
            self.tally.troubles["kills"] += 1

    def interrupt(self) -> None:
        """A real SIGINT for the main thread, if it runs something now."""
        with self.lock:
            if self.armed:
                self.armed = False
                self.tally.troubles["interrupts"] += 1
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def resize(self) -> None:
        """More workers, or fewer."""
        self.pool.resize(self.chance.randint(1, 4))
        self.tally.troubles["resizes"] += 1

    @contextlib.contextmanager
    def arm(self) -> Iterator[None]:
        """Interrupts may come."""
        try:
            with self.lock:
                self.armed = True
            yield
        finally:
            with self.lock:
                self.armed = False


class Soak:
    """The pool, its shell, and what has happened so far."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.bench = Bench()
        self.pool = self.bench.pool
        self.names = self.bench.shell.user_ns
        self.bench.shell.run_cell(SETUP)
        self.tally = Tally()
        self.troubles = Troubles(self.pool, random.Random(seed + 1), self.tally)

    def run(self, tasks: int, cells: int, every: int = 20) -> Tally:
        """Go on until so many tasks and cells are through; look at what is held `every` so often on the way."""
        tally, handler = self.tally, signal.signal(signal.SIGINT, signal.default_int_handler)
        looks = 0
        self.troubles.start()
        try:
            while tally.tasks < tasks or tally.cells < cells:
                share = min(tally.tasks / max(tasks, 1), tally.cells / max(cells, 1))
                if share * every >= looks:
                    looks += 1
                    self.look()
                if tally.tasks / max(tasks, 1) <= tally.cells / max(cells, 1):
                    self.some_tasks(tasks // 500 + 10)
                else:
                    self.a_cell()
            self.look()
        finally:
            self.troubles.over.set()
            self.troubles.join()
            signal.signal(signal.SIGINT, handler)
        return tally

    def look(self) -> None:
        """Note what is held when two workers have nothing to do."""
        gc.collect()
        self.pool.resize(2)
        end = time.perf_counter() + 20
        while self.pool.ready != 2 or len(self.pool.pids()) != 2:
            if time.perf_counter() > end:
                self.tally.wrong.append(f"no two workers within 20 s: {self.pool}")
                break
            time.sleep(0.01)
        own = psutil.Process()
        sizes = [0.0]
        for pid in self.pool.pids():
            with contextlib.suppress(psutil.NoSuchProcess):
                sizes.append(psutil.Process(pid).memory_info().rss / 1e6)
        tally = self.tally
        tally.held.append(
            Held(
                tally.tasks, tally.cells, own.memory_info().rss / 1e6, max(sizes), own.num_fds(), own.num_threads(),
                len(own.children(recursive=True)),
            )
        )  # fmt: skip

    def settled(self, what: Callable[[], Any]) -> tuple[Any, BaseException | None]:
        """Run something into which anything may fall: what it gave, or how it ended."""
        try:
            with self.troubles.arm():
                return what(), None
        except (Exception, KeyboardInterrupt) as error:
            return None, error

    def ended(self, error: BaseException | None, expected: str) -> bool:
        """Count how something ended; whether it is to be held against what it must be."""
        name = type(error).__name__ if error is not None else "whole"
        self.tally.ends[name] += 1
        if name in {"KeyboardInterrupt", "WorkerDiedError", expected}:
            return error is None
        self.tally.wrong.append(f"ended with {error!r}, expected {expected}")
        return False

    def some_tasks(self, most: int) -> None:
        """Some method of the pool, with what it gives or raises."""
        count, names = self.chance.randint(1, most), self.names
        names["bad"] = bad = self.chance.choice([-1, self.chance.randrange(count)])
        names["step"] = step = self.chance.randrange(100)
        kind = self.chance.choice(["plus", "map", "map", "imap", "unordered", "async", "deadly"])
        pool = self.pool
        expected = "Odd" if bad >= 0 and kind not in {"plus", "deadly", "async"} else "whole"
        what: Callable[[], Any]
        match kind:
            case "plus":
                right, what = list(range(1, count + 1)), lambda: pool.map(names["plus"], range(count))
            case "map":
                right, what = [x + step for x in range(count)], lambda: pool.map(names["odd"], range(count))
            case "imap":
                right, what = [x + step for x in range(count)], lambda: list(pool.imap(names["odd"], range(count), 50))
            case "unordered":
                right = [x + step for x in range(count)]
                what = lambda: sorted(pool.imap_unordered(names["odd"], range(count), 50))  # noqa: E731
            case "async":
                count = min(count, 50)
                names["bad"] = -1
                right = [x + step for x in range(count)]
                what = lambda: [h.get(60) for h in [pool.apply_async(names["odd"], (x,)) for x in range(count)]]  # noqa: E731
            case _:
                count = min(count, 20)
                names["bad"] = bad = bad if bad < count else -1
                expected = "WorkerDiedError" if bad >= 0 else "whole"
                right, what = [-x for x in range(count)], lambda: pool.map(names["deadly"], range(count))
        made, error = self.settled(what)
        self.tally.tasks += count
        if self.ended(error, expected) and (made != right or expected != "whole"):
            self.tally.wrong.append(f"{kind} of {count}, bad {bad}, step {step}: {str(made)[:200]}")

    def a_cell(self) -> None:
        """A loop or a comprehension, with the state that it leaves."""
        count, names, shell = self.chance.choice([3, 20, 60]), self.names, self.bench.shell
        names["bad"] = bad = self.chance.choice([-1, -1, self.chance.randrange(count)])
        names["step"] = step = self.chance.randrange(100)
        names["xs"] = list(range(count))
        cell = self.chance.choice([CELL, CELL, COMPREHENSION])
        line = self.chance.choice(["%%parallel --no-probe --quiet", "%%parallel --quiet"])
        printed = io.StringIO()

        def ran() -> Any:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
                return shell.run_cell(f"{line}\n{cell}", store_history=False)

        result, error = self.settled(ran)
        if result is not None:
            error = result.error_in_exec or result.error_before_exec
        del result
        self.tally.cells += 1
        whole = self.ended(error, "whole" if bad < 0 else "Odd")
        self.check(cell, count if bad < 0 else bad, step, whole and bad < 0, printed.getvalue())
        for name in ("out", "total", "last", "i", "x"):
            names.pop(name, None)

    def check(self, cell: str, most: int, step: int, whole: bool, printed: str) -> None:
        """The state after a cell: of a serial loop that ended where this one did, at `most` at the latest."""
        names = self.names
        out = names.get("out")
        if cell is COMPREHENSION:
            right = out == [x + step for x in range(most)] if whole else out is None
            if not right:
                self.tally.wrong.append(f"a comprehension, whole: {whole}: {str(out)[:200]}")
            return
        out = out or []
        done = len(out)
        expected = [(x, x + step) for x in range(done)]
        total = sum(value for _, value in expected)
        lines = [str(i) for i in range(done) if i % 7 == 0]
        # An iteration of the kernel's own that is interrupted in its midst has changed what comes first in it.
        behind = {total, total - (expected[-1][1] if expected else 0)} if not whole else {total}
        if (
            out != expected
            or done > most
            or (whole and done != most)
            or names.get("total", 0) not in behind
            or printed.split() not in ([lines] if whole else [lines, lines[:-1]])
        ):
            total = names.get("total")
            self.tally.wrong.append(f"a loop, whole: {whole}, {done} of {most}: {str(out)[-99:]}, {total}, {printed!r}")

    def close(self) -> None:
        """End the pool."""
        self.bench.close()


def growth(held: list[Held]) -> list[str]:
    """What has grown from a fifth of the way to the end, by more than noise."""
    early, late = held[len(held) // 5], held[-1]
    found = []
    for name, most in GROWTH.items():
        before, after = getattr(early, name), getattr(late, name)
        if after - before > most:
            found.append(f"{name} grew from {before:.1f} to {after:.1f}")
    return found


def main() -> None:
    """Run it, and print how it goes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=2_000_000, help="tiny tasks (default 2,000,000)")
    parser.add_argument("--cells", type=int, default=10_000, help="cells (default 10,000)")
    parser.add_argument("--seed", type=int, default=1, help="of everything random (default 1)")
    options = parser.parse_args()

    soak = Soak(options.seed)
    began = time.perf_counter()
    try:
        tally = soak.run(options.tasks, options.cells)
    finally:
        soak.close()
    print(
        f"{'tasks':>10} {'cells':>7} {'kernel MB':>10} {'worker MB':>10} {'files':>6} {'threads':>8} {'processes':>10}"
    )
    for each in tally.held:
        print(
            f"{each.tasks:10,} {each.cells:7,} {each.kernel_mb:10.1f} {each.largest_worker_mb:10.1f} "
            f"{each.descriptors:6} {each.threads:8} {each.processes:10}"
        )
    print(f"{time.perf_counter() - began:.0f} s; troubles: {dict(tally.troubles)}; ends: {dict(tally.ends)}")
    grown = growth(tally.held)
    for text in [*tally.wrong[:20], *grown]:
        print(text)
    if tally.wrong or grown:
        sys.exit(f"{len(tally.wrong)} results were wrong, and {len(grown)} things grew")
    print("every result right, nothing grew")


if __name__ == "__main__":
    main()
