"""The magic in a real JupyterLab: the panel of a real run moves, Stop ends it, and the next cell is parallel again."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SETUP = """
import time
def work(x):
    end = time.perf_counter() + 0.05
    n = 0
    while time.perf_counter() < end:
        n += 1
    return x * x
%load_ext mpnb
"""
LONG = """%%parallel
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


def test_stop_ends_a_real_cell_and_the_next_one_is_parallel_again(jupyterlab, page):
    """Stop, clicked while the cell runs, ends it within a second between two iterations; the pool is usable at once."""
    notebook = jupyterlab.open(page, [SETUP, LONG, NEXT, REPORT])
    notebook.run_all()
    page.wait_for_selector(".mpnb-panel canvas", timeout=30_000)
    texts = set()
    for _ in range(8):
        page.wait_for_timeout(250)
        texts.add(page.locator(".mpnb-panel").inner_text())
    clicked = page.evaluate("() => { document.querySelector('.mpnb-stop').click(); return Date.now(); }")
    notebook.wait_until_idle(timeout=10)
    for cell in (3, 4):  # Run All ended with the stopped cell
        notebook.run(cell)
        notebook.wait_until_idle()
    ended, right, cut_short, parallel = notebook.text(4).split()

    assert len(texts) >= 6  # progress, rate and time left move
    assert float(ended) - clicked / 1000 < 1
    assert (right, cut_short, parallel) == ("True", "True", "True")
    assert "KeyboardInterrupt" in str(notebook.outputs(2))
    assert "text/html" in str(notebook.outputs(2))
