"""What the live panel costs: the kernel, the run that it shows, and the browser that draws it.

    python tests/benchmarks/panel_cost.py [--rounds 5] [kernel run browser]

kernel   processor time of a kernel that shows 64 lanes five times a second, beyond that of one that shows none; its
         messages are read by a client that draws nothing. Goal: at most 1.5 % of a core
run      a CPU-bound cell on two workers, with the panel and without in turns, again with a client that draws nothing.
         Goal: at most 1 % slower. On a machine that others use, too, the clock says little; the kernel's processor
         time, as a share of the two cores, is what the panel can have taken from the workers
browser  how busy the main thread of the page is while it draws 64 lanes. Goal: under 10 %. And the cell once more,
         with the browser on the same machine, where it takes part of a core

Prints figures; asserts nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "browser"), str(ROOT)]

import lab  # noqa: E402 -- found once the path is set
from real_kernel import Kernel  # noqa: E402
from web_browser import open_browser  # noqa: E402

LANES, SECONDS, TASKS = 64, 6, 6000

SHOWN = f"""
import os, time
def cost(mode):
    os.environ["MPNB_PANEL"] = mode
    began, spent = time.perf_counter(), time.process_time()
    synthetic_runs.show(cores={LANES}, workers={LANES}, tasks={TASKS}, seconds={SECONDS}, chunk=4)
    return (time.process_time() - spent) / (time.perf_counter() - began)
cost("widget")
"""
WORK = """
import os, time
%load_ext mpnb
def work(x):
    total = 0
    for i in range(60_000):
        total += i * x % 7
    return total
def timed(mode):
    os.environ["MPNB_PANEL"] = mode
    spent = time.process_time()
    get_ipython().run_cell("%%parallel -n 2\\nbegan = time.perf_counter()\\nout = [work(x) for x in range(1500)]"
                           "\\ntook = time.perf_counter() - began")
    return took, (time.process_time() - spent) / took
"""


def kernel_cost(kernel: Kernel, rounds: int) -> list[float]:
    """Shares of a core that the panel takes, by round."""
    kernel.check(lab.PRELUDE, timeout=60)
    kernel.check(SHOWN, timeout=120)
    found = []
    for n in range(rounds):
        modes = ("widget", "none")
        share = {
            mode: float(kernel.check(f"print(cost({mode!r}))", timeout=120).stdout) for mode in modes[:: (-1) ** n]
        }
        found.append(share["widget"] - share["none"])
    return found


def run_ratio(kernel: Kernel, rounds: int) -> list[tuple[float, float]]:
    """How much longer a cell takes with the panel, and what the kernel spends more, by round."""
    kernel.check(WORK, timeout=60)
    kernel.check("timed('widget'); timed('none')", timeout=120)
    found = []
    for n in range(rounds):
        took, spent = {}, {}
        for mode in ("widget", "none")[:: (-1) ** n]:
            printed = kernel.check(f"print(*timed({mode!r}))", timeout=120).stdout.split()
            took[mode], spent[mode] = map(float, printed[-2:])
        found.append((took["widget"] / took["none"], (spent["widget"] - spent["none"]) / 2))
    return found


def browser_share(server: lab.Server, browser: Any, *, panel: bool) -> float:
    """How busy a page's main thread is in the midst of a run, with the panel in it or without."""
    page = browser.new_page(viewport={"width": 1280, "height": 760})
    mode = "widget" if panel else "none"
    run = f"synthetic_runs.show(cores={LANES}, workers={LANES}, tasks={TASKS}, seconds={SECONDS + 4}, chunk=4);"
    notebook = server.open(page, [f"import os; os.environ['MPNB_PANEL'] = {mode!r}", run])
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable")

    def busy() -> float:
        metrics = tools.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))

    notebook.run_all()
    if panel:
        page.wait_for_selector(".mpnb-panel canvas", timeout=30_000)
    page.wait_for_timeout(3000)
    before, began = busy(), time.perf_counter()
    page.wait_for_timeout(5000)
    share = (busy() - before) / (time.perf_counter() - began)
    notebook.wait_until_idle()
    page.close()
    return share


def run_ratio_in_browser(server: lab.Server, browser: Any, rounds: int) -> list[float]:
    """As `run_ratio`, with the page that draws on the same machine."""
    page = browser.new_page(viewport={"width": 1280, "height": 760})
    code = f"timed('widget'); pairs = [[timed(mode)[0] for mode in ('widget', 'none')] for _ in range({rounds})]"
    notebook = server.open(page, [WORK, code, "print([with_ / without for with_, without in pairs])"])
    notebook.run_all()
    notebook.wait_until_idle(timeout=240)
    printed = notebook.text(3)
    page.close()
    return [float(each) for each in printed.strip("[]\n ").split(",")]


def say(name: str, values: list[float], goal: str) -> None:
    """Print a figure: its median, and all of it."""
    each = ", ".join(f"{value:+.2%}" for value in values)
    print(f"{name:<46} {statistics.median(values):+7.2%}   goal {goal:<9} ({each})", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("what", nargs="*", default=["kernel", "run", "browser"])
    options = parser.parse_args()
    os.environ.pop("MPNB_PANEL", None)
    with tempfile.TemporaryDirectory() as folder:
        if {"kernel", "run"} & set(options.what):
            with contextlib.closing(Kernel(Path(folder)).start()) as kernel:
                if "kernel" in options.what:
                    say("kernel: share of a core, 64 lanes at 5 Hz", kernel_cost(kernel, options.rounds), "≤ 1.5 %")
                if "run" in options.what:
                    ratios = run_ratio(kernel, options.rounds)
                    say("run: slower on 2 cores, nobody draws", [ratio - 1 for ratio, _ in ratios], "≤ 1 %")
                    say("run: taken from the 2 cores", [spent for _, spent in ratios], "≤ 1 %")
        if "browser" in options.what:
            with lab.server(Path(folder) / "lab") as server, open_browser() as browser:
                idle = browser_share(server, browser, panel=False)
                say("browser: main thread without the panel", [idle], "")
                say("browser: main thread, 64 lanes", [browser_share(server, browser, panel=True)], "< 10 %")
                ratios = run_ratio_in_browser(server, browser, max(2, options.rounds // 2))
                say("run: slower with the browser beside it", [each - 1 for each in ratios], "")


if __name__ == "__main__":
    main()
