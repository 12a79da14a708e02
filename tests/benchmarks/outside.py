"""What only somebody outside the kernel can measure: an interrupt, the kernel's death, and what a front end is shown.

Each pool gets a kernel of its own, for it may hang.
"""

from __future__ import annotations

import ast
import contextlib
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import psutil
from _pytest.outcomes import Failed
from real_kernel import Kernel, Request

Figures = dict[str, list[float]]
Open = Callable[[Path], Kernel]  # a kernel with the benchmark's names, and this folder for its temporary files

NEVER: Final = float("inf")
MAGIC: Final = "%%parallel"  # the pool of a notebook's cells
SHARED: Final = Path("/dev/shm")
MAP: Final = "try:\n    out = peer.map({function}, {items})\nfinally:\n    ended = time.time()"
LOOP: Final = (
    "%%parallel --no-probe --quiet\ntry:\n    for item in {items}:\n        out.append({function}(item))\n"
    "finally:\n    ended = time.time()"
)
LINES: Final = 100


@contextlib.contextmanager
def kernel_with(open_kernel: Open, name: str) -> Iterator[tuple[Kernel, set[Path], Path]]:
    """A kernel in which `peer` is this pool, and warm; the things there were before it, and its temporary files."""
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder)
        kernel = open_kernel(temporary)
        before = things(temporary)
        try:
            if name == MAGIC:
                kernel.check("import mpnb\n%load_ext mpnb\npeer = peers.PoolPeer(mpnb.pool())\nout = []")
                kernel.check(LOOP.format(function="add_one", items="range(50)"))
            else:
                kernel.check(f"peer = peers.installed()[{name!r}]()")
            kernel.check("peer.map(add_one, range(4))\nout, ended = [], 0.0")
            yield kernel, before, temporary
        finally:
            close(kernel)


def close(kernel: Kernel) -> None:
    """End a kernel, and remove what joblib leaves behind when that is done in a hurry."""
    pid = kernel.pid
    kernel.close()
    for path in SHARED.glob(f"joblib_memmapping_folder_{pid}_*"):
        shutil.rmtree(path)
    for path in SHARED.glob(f"sem.loky-{pid}-*"):
        path.unlink()


def things(temporary: Path) -> set[Path]:
    """What has a name in shared memory and in a folder for temporary files."""
    return {*SHARED.iterdir(), *temporary.iterdir()}


def ends(running: Request, timeout: float) -> bool:
    """Whether a cell ends in time."""
    try:
        running.result(timeout)
    except Failed:
        return False
    return True


def value(kernel: Kernel, expression: str) -> Any:
    """What an expression gives in the kernel."""
    return ast.literal_eval(kernel.value(expression) or "None")


def interrupts(open_kernel: Open, names: list[str]) -> Figures:
    """Interrupted 3 s into 20 tasks of 2 s: when the cell ends, what goes on, whether the pool is of use, what is kept.

    Seconds to the cell's end (of 10, else it is endless); cores that are busy when the tasks that ran then would have
    ended; milliseconds of a map that is asked for at once (of 20 s); how many results there are.
    """
    found: Figures = {}
    for name in (MAGIC, *names):
        with kernel_with(open_kernel, name) as (kernel, _, _):
            cell = LOOP if name == MAGIC else MAP
            running = kernel.submit(cell.format(function="spin_wall", items="[2.0] * 20"))
            time.sleep(3)
            sent = time.time()
            kernel.interrupt()
            if not ends(running, 10):
                found[name] = [NEVER, NEVER, NEVER, 0.0]
                continue
            following = kernel.submit(
                "began = time.perf_counter()\npeer.map(add_one, [1, 2])\nnext_ms = (time.perf_counter() - began) * 1e3"
            )
            time.sleep(max(0.0, sent + 2.5 - time.time()))
            busy = busy_cores(kernel)
            next_ms = value(kernel, "next_ms") if ends(following, 20) else NEVER
            kept, took = (value(kernel, "len(out)"), value(kernel, "ended") - sent) if next_ms != NEVER else (0, NEVER)
            found[name] = [took, busy, next_ms, kept]
    return found


def busy_cores(kernel: Kernel, seconds: float = 1.0) -> float:
    """How many cores the kernel's processes use."""

    def used() -> float:
        total = 0.0
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += sum(process.cpu_times()[:2])
        return total

    processes = kernel.children()
    before = used()
    time.sleep(seconds)
    return (used() - before) / seconds


def deaths(open_kernel: Open, names: list[str]) -> Figures:
    """Processes alive 5 s after the kernel was killed in the midst of a map, and things left behind."""
    found: Figures = {}
    for name in names:
        with kernel_with(open_kernel, name) as (kernel, before, temporary):
            kernel.check("import numpy; table = numpy.arange(2_000_000.0)")
            kernel.submit("peer.map(rest, [table] * 8)")
            time.sleep(2)
            processes = kernel.children()
            kernel.kill()
            time.sleep(5)
            alive = [process for process in processes if is_alive(process)]
            left = things(temporary) - before
            found[name] = [len(alive), len(left)]
            for process in alive:
                process.kill()
    return found


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs, and is not merely waiting to be buried."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def prints(open_kernel: Open, names: list[str]) -> Figures:
    """What a front end is shown of what tasks print and raise.

    Of 100 lines, those that come whole in the cell that asked; whether they come while it runs; whether a traceback
    shows the line that failed, and of how many lines it is; µs of a call that prints.
    """
    found: Figures = {}
    for name in names:
        with kernel_with(open_kernel, name) as (kernel, _, _):
            asked = kernel.submit(f"out = peer.map(tell, range({LINES}))")
            asked.result()
            time.sleep(0.5)
            kernel.check("pass")  # what came late has been taken in by now
            lines = asked.so_far.stdout.splitlines()
            whole = sum(f"line {number} of it" in lines for number in range(LINES))

            running = kernel.submit("out = peer.map(tell_slowly, range(6))")
            try:
                running.wait_for_stdout("line 0 of it", timeout=20)
                seen = time.perf_counter()
            except (AssertionError, Failed):
                seen = NEVER
            running.result()
            live = time.perf_counter() - seen > 0.3

            failed = kernel.run("peer.map(fail, range(4))")
            text = re.sub(r"\x1b\[[\d;]*m", "", failed.traceback)
            cost = float(value(kernel, "peers.printing(tell, peer)"))
            found[name] = [whole, live, "return 1 // (x - 2)" in text, len(text.splitlines()), cost]
    return found
