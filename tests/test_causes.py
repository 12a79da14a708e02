"""Where the speedup went, of real runs with a known cause: the top loss is that, of the size that was built in."""

from __future__ import annotations

import json
import re

import pytest

SETUP = """
import json, os, time, mpnb
table = [(n, str(n), [n]) for n in range(200_000)]

def wait(seconds):
    time.sleep(seconds)
    return seconds

def look(table, x):
    time.sleep(0.002)
    return len(table) + x

def many(x):
    return [{"n": n} for n in range(10_000)]

def heavy(x):
    import slowly
    time.sleep(0.02)
    return x

def dies(x):
    time.sleep(0.8 if x == 11 else 0.02)
    if x == 11:
        os._exit(3)
    return x
"""
#: What is on the line, the cell, the causes that may be the greatest, core seconds where they are known, the remedy.
KNOWN = {
    "one straggler": ("-n 2", "[wait(s) for s in [0.02] * 20 + [1.0]]", "tail", 1.0, "sorted.*split"),
    "tiny tasks": ("-n 2 --no-probe", "[x for x in range(40_000)]", "results queue sending checks", None, "blocks"),
    "a large argument": ("-n 2 --no-probe", "[look(table, x) for x in range(20)]", "names unpacking", None, "arrays"),
    "slow pickling": ("-n 2 --no-probe", "[many(x) for x in range(100)]", "results", None, "numbers or arrays"),
    "half the workers": ("-n 4 --no-probe", "[wait(0.6) for _ in range(2)]", "idle", 1.2, "more and smaller"),
    "heavy imports": ("-n 2 --trust heavy", "[heavy(x) for x in range(40)]", "warming", 1.0, "Import it"),
    "worker start": ("-n 4 --no-probe", "[wait(0.005) for _ in range(8)]", "starting", None, "paid once"),
    "a task that ends its worker": (
        "-n 2 --no-probe --trust dies",
        "[dies(x) for x in range(24)]",
        "deaths",
        0.8,
        "crash",
    ),
}


@pytest.fixture
def loaded(kernel, tmp_path):
    """Give a kernel with what the cells call, and a module that takes half a second to import."""
    (tmp_path / "slowly.py").write_text("import time\ntime.sleep(0.5)\n")
    kernel.check(f"%load_ext mpnb\nimport sys\nsys.path.insert(0, {str(tmp_path)!r})")
    kernel.check(SETUP)
    kernel.check("%%parallel -n 4 --no-probe\nwarm = [wait(0.02) for _ in range(40)]")
    return kernel


def test_the_top_loss_of_a_real_run_names_its_cause(loaded):
    """So does the remedy; the losses add up to workers × time; what was built in is found within a tenth."""
    for name, (line, cell, causes, core_s, remedy) in KNOWN.items():
        again = "mpnb.pool().restart()\n" if name == "worker start" else ""
        loaded.run(f"%%parallel {line}\n{again}out = {cell}")
        asked = "r = mpnb.last_run(); f = r.findings[0]; print(json.dumps([f.cause, f.cause_s, str(f), sum(r.losses.values()), r.core_s]))"
        cause, cause_s, words, lost_s, whole_s = json.loads(loaded.check(asked).stdout)

        assert cause in causes.split(), (name, words)
        assert re.search(remedy, words), (name, words)
        assert lost_s == pytest.approx(whole_s, rel=0.005), name
        if core_s is not None:
            assert cause_s == pytest.approx(core_s, rel=0.1), (name, words)
