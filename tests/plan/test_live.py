"""The traps of `live`, each in a real kernel: plainly, and split on one, two and three workers, with the same end.

Compared are all names with what hangs on them, the files and the process state, the two streams, displays, the result,
and the exception with its traceback.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from live import NOT_YET, TRAPS, Trap
from real_kernel import Kernel, Result, prepare_jupyter

#: Seconds that a cell may take; on a busy machine workers are slow to start.
PATIENCE_S = 20
HERE = Path(__file__).parent
STAGE = "__import__('inside').stage"
SITES = "[(s.line, s.parallel, s.reason) for s in __import__('mpnb').last_run().sites]"


class Stand:
    """One kernel for many traps; a new one where a trap has ended it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: set[psutil.Process] = set()  # every process that came from a kernel
        self.ended = self.busy = False
        self.kernel = self.begin()

    def begin(self) -> Kernel:
        """Start a kernel."""
        # a module of the user's own is edited and reloaded within the second that its bytecode is dated by
        kernel = Kernel(self.folder).start(PYTHONDONTWRITEBYTECODE="1")
        places = [str(HERE), str(HERE.parent)]
        kernel.check(
            f"import sys; sys.path[:0] = {places}\nimport inside, numpy, pandas, sklearn.linear_model, threadpoolctl\ndel sys.path[:2], sys, inside, numpy, pandas, sklearn, threadpoolctl"
        )
        kernel.check("%load_ext mpnb")
        kernel.check("%%parallel -n 3 --no-probe\n[x for x in range(9)];")
        return kernel

    def renew(self) -> None:
        """Start another kernel where the last trap has left this one without an answer."""
        if self.busy:
            self.note()
            self.kernel.close()
            self.kernel = self.begin()
        self.busy = True

    def note(self) -> None:
        """Note which processes there are."""
        self.seen.update(self.kernel.children())

    def close(self) -> None:
        """End the kernel as a front end does, where that has not been done."""
        if self.ended:
            return
        self.ended = True
        self.kernel.check(f"{STAGE}.close()")
        self.note()
        self.kernel.close()


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A kernel in a clean corner of the disk, for all traps."""
    with pytest.MonkeyPatch.context() as patch:
        prepare_jupyter(tmp_path_factory.mktemp("jupyter"), patch)
        stand = Stand(tmp_path_factory.mktemp("stand"))
        yield stand
        stand.close()


def comparable(text: str) -> str:
    """Take away what may differ: colours, numbers of cells, addresses, times, mpnb's own lines, hidden frames."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.sub(r"In ?\[\d+\]|ipykernel_\d+/\d+", "In[]", text)
    text = re.sub(r"0x[0-9a-f]{6,}", "0x", text)
    text = re.sub(r"^(CPU times|Wall time|\[mpnb\]|.*skipping hidden).*\n?", "", text, flags=re.MULTILINE)
    text = re.sub(r"^[ |]*in iteration \d+.*\n?", "", text, flags=re.MULTILINE)
    text = re.sub(r"'%%parallel [^']*'", "# serial", text)
    return re.sub(r"\n\n+", "\n", text).strip()


def under(first_line: str, cell: str) -> str:
    """Put a line on top of a cell, but below another magic of the cell's own."""
    if cell.startswith("%%"):
        magic, _, rest = cell.partition("\n")
        return f"{magic}\n{first_line}\n{rest}"
    return f"{first_line}\n{cell}"


def shown(result: Result) -> list[dict[str, object]]:
    """What was displayed, without mpnb's own."""
    return [
        {"data": display["data"], "update": display["update"]}
        for display in result.displays
        if "mpnb" not in display["metadata"]
    ]


def run(kernel: Kernel, trap: Trap, first_line: str) -> dict[str, object]:
    """Run a trap in one way; tell its end in what can be compared."""
    made = kernel.run(f"{STAGE}.begin()\n{trap.setup}", PATIENCE_S)
    assert made.status == "ok", made.traceback
    result = kernel.run(under(first_line, trap.cell), PATIENCE_S)
    looks = [kernel.run(expression, PATIENCE_S) for expression in trap.look]
    picture = ast.literal_eval(kernel.value(f"{STAGE}.picture()") or "")
    return {
        "error": (result.status, result.ename, comparable(result.evalue)),
        "traceback": comparable(result.traceback),
        "looks": [(look.result_text, look.ename) for look in looks],
        "stdout": comparable(result.stdout),
        "stderr": comparable(result.stderr),
        "displays": shown(result),
        "result": result.result,
        **json.loads(picture),
    }


@pytest.mark.parametrize("trap", TRAPS, ids=[trap.name for trap in TRAPS])
def test_a_trap_ends_as_the_plain_cell_ends(stand: Stand, trap: Trap) -> None:
    """On one, two and three workers; and what may be split is."""
    stand.renew()
    plain = run(stand.kernel, trap, "# serial")
    ends = {}
    for workers in (1, 2, 3):
        ends[workers] = run(stand.kernel, trap, f"%%parallel --no-probe -n {workers}")
        sites = ast.literal_eval(stand.kernel.value(SITES) or "")
    stand.busy = False
    for workers, end in ends.items():
        for what, right in plain.items():
            assert end[what] == right, (workers, what, sites)
    if trap.splits is not None and trap.name not in NOT_YET:
        assert any(site[1] for site in sites) is trap.splits, sites


def test_the_table_is_worth_running() -> None:
    """There are enough traps, and a product that splits next to nothing would not pass them."""
    names = [trap.name for trap in TRAPS]
    assert len(names) == len(set(names))
    assert len(names) >= 120
    splittable = {trap.name for trap in TRAPS if trap.splits}
    assert splittable >= NOT_YET
    assert len(splittable - NOT_YET) >= 0.6 * len(splittable)
    assert len(splittable) >= 60


def test_no_process_outlives_the_kernel(stand: Stand) -> None:
    """The last one: when the kernel is gone, so is every worker that it ever had."""
    stand.note()
    assert len(stand.seen) > 3
    stand.close()
    deadline = time.monotonic() + 10
    while left := [process for process in stand.seen if process.is_running() and process.status() != "zombie"]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
