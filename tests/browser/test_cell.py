"""The magic in a real JupyterLab: the panel of a real run moves, Stop ends it, and the next cell is parallel again."""

from __future__ import annotations

import json

import lab
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SETUP = """
import time
%load_ext mpnb
def work(x):
    end = time.perf_counter() + 0.05
    n = 0
    while time.perf_counter() < end:
        n += 1
    return x * x
"""
LONG = """%%parallel -n 2
started = time.time()
out = []
try:
    for x in range(2000):
        out.append(work(x))
finally:
    ended = time.time()
"""
NEXT = """%%parallel
again = [work(x) for x in range(20)]
"""
REPORT = """import mpnb
print(ended, out == [x * x for x in range(len(out))], 0 < len(out) < 2000, mpnb.last_run().sites[0].parallel)
"""
LANES = """import json, mpnb
run = mpnb.last_run()
busy = [sum(span.busy for span in lane.spans if span.kind == "task") for lane in run.lanes]
print(json.dumps([run.workers, run.ideal, busy, sum(run.losses.values()), run.core_s, mpnb.pool().workers]))
"""


def test_stop_ends_a_real_cell_and_the_next_one_is_parallel_again(jupyterlab, page):
    """−, + and Stop, clicked while the cell runs, are heard: a lane goes, another comes, and within a second the cell ends.

    It ends between two iterations, and the pool is usable at once.
    """
    notebook = jupyterlab.open(page, [SETUP, LONG, NEXT, REPORT, LANES])
    notebook.run_all()
    page.wait_for_selector(".mpnb-panel canvas", timeout=30_000)
    texts = set()
    for _ in range(8):
        page.wait_for_timeout(250)
        texts.add(page.locator(".mpnb-panel").inner_text())
    if lab.HEARS:
        page.click(".mpnb-fewer")
        page.wait_for_selector(".mpnb-lanes canvas[aria-label*='of 1 worker ']", timeout=3000)
        page.click(".mpnb-more")
        page.click(".mpnb-more")
        page.wait_for_selector(".mpnb-lanes canvas[aria-label*='of 3 workers']", timeout=3000)
        page.wait_for_timeout(800)
    clicked = page.evaluate("() => { document.querySelector('.mpnb-stop').click(); return Date.now(); }")
    notebook.wait_until_idle(timeout=10)
    for cell in (5, 3, 4):  # Run All ended with the stopped cell
        notebook.run(cell)
        notebook.wait_until_idle()
    workers, ideal, busy, lost, core_s, pool = json.loads(notebook.text(5))
    ended, right, cut_short, parallel = notebook.text(4).split()

    assert (workers, ideal, pool) == ((3, 3, 3) if lab.HEARS else (2, 2, pool))
    assert len([each for each in busy if each > 0.2]) >= workers  # the new one has worked
    assert lost == pytest.approx(core_s)
    assert len(texts) >= 6  # progress, rate and time left move
    assert float(ended) - clicked / 1000 < 1
    assert (right, cut_short, parallel) == ("True", "True", "True")
    assert "KeyboardInterrupt" in str(notebook.outputs(2))
    assert "text/html" in str(notebook.outputs(2))
