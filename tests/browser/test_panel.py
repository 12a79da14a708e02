"""The panel in a real JupyterLab."""

from __future__ import annotations

import re
from itertools import pairwise

import lab
import nbconvert
import pytest
import synthetic_runs

from mpnb import report

pytestmark = pytest.mark.browser

# A number per canvas that changes with what is drawn on it
FINGERPRINTS = """() => [...document.querySelectorAll('.mpnb-panel canvas')].map((canvas) => {
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0;
  for (let i = 0; i < data.length; i += 1) sum = (sum * 31 + data[i]) % 2147483647;
  return sum;
})"""


def changes_per_second(page, seconds=2.0):
    """How often bars, lanes, curve and progress change."""
    page.wait_for_timeout(500)
    seen = []
    began = page.evaluate("() => performance.now()")
    while (now := page.evaluate("() => performance.now()")) < began + 1000 * seconds:
        seen.append((*page.evaluate(FINGERPRINTS), page.locator(".mpnb-count").inner_text()))
        page.wait_for_timeout(50)
    changes = [sum(a != b for a, b in pairwise(column)) for column in zip(*seen, strict=True)]
    return [1000 * count / (now - began) for count in changes]


def test_the_panel_moves_and_becomes_static(jupyterlab, page):
    """Bars, lanes, curve and progress change at least four times a second; at the end static HTML stands there."""
    notebook = jupyterlab.open(page, ["synthetic_runs.show(tasks=1200, seconds=5);", "'and the next cell runs'"])
    notebook.run_all()
    page.wait_for_selector(".mpnb-panel canvas")

    assert min(changes_per_second(page)) >= 4
    assert {"≈", "≤"} & set(page.locator(".mpnb-big").inner_text())

    notebook.wait_until_idle()
    page.wait_for_selector(".jp-OutputArea details")
    [output] = [o for o in notebook.save()["cells"][1]["outputs"] if o["output_type"] == "display_data"]

    assert page.locator(".mpnb-panel").count() == 0
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert "".join(output["data"]["text/plain"]).startswith("[mpnb] features: 1,200 iterations")
    assert len("".join(output["data"]["text/html"])) < 60_000
    exported, _ = nbconvert.HTMLExporter().from_filename(str(notebook.path))
    assert 'aria-label="timeline of the workers"' in exported
    assert "<script" not in "".join(output["data"]["text/html"])
    assert output["metadata"]["mpnb"] == {"key": "synthetic"}
    assert notebook.outputs(2)[0]["data"]["text/plain"] == "'and the next cell runs'"


def test_stop_works_while_the_main_thread_is_blocked(jupyterlab, page):
    """A click on Stop is heard in a thread of its own while the cell runs, within a second, and the next cell runs.

    ipykernel 6 has no such threads: there the panel interrupts the kernel.
    """
    heard = "subshell-" if lab.HEARS else "interrupt"
    notebook = jupyterlab.open(page, ["synthetic_runs.show(seconds=30);", "'and the next cell runs'"])
    notebook.run_all()
    page.wait_for_selector(".mpnb-panel canvas")
    page.wait_for_timeout(1500)
    page.click(".mpnb-stop")
    notebook.wait_until_idle(timeout=2)
    _, _, _, seconds = notebook.text(1).split()

    assert notebook.text(1).startswith(f"stopped by {heard}")
    assert float(seconds) < 0.5
    assert "■" in page.locator(".jp-OutputArea details summary").inner_text()
    assert notebook.outputs(2)[0]["data"]["text/plain"] == "'and the next cell runs'"


def test_stop_interrupts_the_kernel_where_nobody_hears_it(jupyterlab, page):
    """Where the request is not answered while the cell runs, the kernel is interrupted instead, within a second."""
    deaf = "import mpnb.dashboard\nmpnb.dashboard.Dashboard.hear = lambda *_: None"
    notebook = jupyterlab.open(page, [deaf, "synthetic_runs.show(seconds=30);"])
    notebook.run_all()
    page.wait_for_selector(".mpnb-panel canvas")
    page.wait_for_timeout(1500)
    page.click(".mpnb-stop")
    notebook.wait_until_idle(timeout=3)

    assert notebook.text(2).startswith("stopped by interrupt")


def test_notebook_7_shows_what_was_saved_and_the_panel(jupyterlab, page):
    """In Notebook 7 a saved figure is shown without a run, the panel moves, and Stop ends the run within a second."""
    record = synthetic_runs.record_of(synthetic_runs.events())
    saved = {"text/html": report.static_html(record), "text/plain": report.summary(record)}
    cells = ["'ran before'", "synthetic_runs.show(tasks=6000, seconds=30);"]
    notebook = jupyterlab.open(page, cells, lab=False, outputs={1: saved})

    assert "240 iterations" in page.locator(".jp-OutputArea details summary").inner_text()

    notebook.run(0)
    notebook.wait_until_idle()
    notebook.run(2)
    page.wait_for_selector(".mpnb-panel canvas")
    assert min(changes_per_second(page)) >= 4
    page.click(".mpnb-stop")
    notebook.wait_until_idle(timeout=2)
    assert float(notebook.text(2).split()[-1]) < 1


def test_a_closer_look(jupyterlab, page):
    """Pointer and keys tell what a block is; drag, wheel and keys zoom; the panel can be folded, and pinned."""
    notebook = jupyterlab.open(page, ["synthetic_runs.show(workers=2, tasks=600, seconds=30);"])
    notebook.run_all()
    page.wait_for_selector(".mpnb-panel canvas")
    page.wait_for_timeout(3000)
    lanes = page.locator(".mpnb-lanes canvas")
    box = lanes.bounding_box()
    whole, tip = page.locator(".mpnb-whole"), page.locator(".mpnb-tip")
    assert not whole.is_visible()

    page.mouse.move(box["x"] + 25, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + 30, steps=3)
    page.mouse.up()
    assert whole.is_visible()
    page.mouse.move(box["x"] + 100, box["y"] + 30)
    assert re.fullmatch(r"iteration \d+ · \d+ ms · worker 1 · [\d.]+ kB|(un)?packing, .*", tip.inner_text())
    whole.click()
    assert not whole.is_visible()

    lanes.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowRight", "+"):
        page.keyboard.press(key)
    assert "worker 2" in tip.inner_text()
    assert tip.inner_text() == page.locator(".mpnb-spoken").inner_text()
    assert whole.is_visible()
    page.keyboard.press("Escape")
    assert not whole.is_visible()
    assert not tip.is_visible()
    page.mouse.move(box["x"] + 40, box["y"] + 30)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    assert whole.is_visible()

    page.click(".mpnb-more")
    if not lab.HEARS:
        page.wait_for_selector(".mpnb-note:not([hidden])")
        assert "%pool resize" in page.locator(".mpnb-note").inner_text()
        page.click(".mpnb-stop")
        notebook.wait_until_idle()
        return
    page.wait_for_function(
        "() => document.querySelector('.mpnb-lanes .mpnb-title').textContent.startsWith('3 workers')"
    )
    assert "3 workers" in lanes.get_attribute("aria-label")
    page.click(".mpnb-fold")
    assert not lanes.is_visible()
    page.click(".mpnb-fold")
    assert lanes.is_visible()
    unnamed = (
        "() => [...document.querySelectorAll('.mpnb-panel :is(button, canvas, [role]):not([hidden])')].filter((each) =>"
        " !(each.textContent.trim() || each.getAttribute('aria-label'))).map((each) => each.outerHTML)"
    )
    assert page.evaluate(unnamed) == []
    page.click(".mpnb-pin")
    page.click(".mpnb-stop")
    notebook.wait_until_idle()
    assert page.locator(".jp-OutputArea details[open]").count() == 1


def test_the_standing_panel_follows_every_run_in_each_of_its_views(jupyterlab, page):
    """`mpnb.dashboard()`, and a second view of it, show the same as the panel under the cell; the next run begins anew.

    When the kernel is started anew in the midst of a run, they say that it is over.
    """
    cells = [
        "import mpnb\nmpnb.dashboard()",
        *["synthetic_runs.show(seconds=3, seed=1);", "synthetic_runs.show(seconds=30);"],
    ]
    page.set_viewport_size({"width": 1280, "height": 1500})  # what is out of sight is not drawn
    notebook = jupyterlab.open(page, cells)
    for cell in (0, 1):
        notebook.run(cell)
        notebook.wait_until_idle()
    page.wait_for_selector(".mpnb-panel")
    assert page.locator(".mpnb-count").inner_text() == "waiting for %%parallel"
    page.evaluate(
        """() => {
          const panel = window.jupyterapp.shell.currentWidget;
          window.notebookPanel = panel;
          panel.content.activeCellIndex = 1;
          return window.jupyterapp.commands.execute('notebook:create-output-view');
        }"""
    )
    page.wait_for_function("() => document.querySelectorAll('.mpnb-panel').length === 2")
    page.evaluate("() => window.jupyterapp.shell.activateById(window.notebookPanel.id)")
    notebook.run(2)
    page.wait_for_function("() => document.querySelectorAll('.mpnb-panel').length === 3")
    page.wait_for_timeout(1500)
    counts = page.evaluate("() => [...document.querySelectorAll('.mpnb-count b')].map((each) => +each.textContent)")

    assert len(counts) == 3
    assert max(counts) - min(counts) <= 30  # a tick apart
    notebook.wait_until_idle()
    assert all("240 / 240 · finished in" in text for text in page.locator(".mpnb-count").all_inner_texts())
    assert page.locator(".mpnb-panel").count() == 2

    notebook.run(3)
    page.wait_for_function("() => document.querySelectorAll('.mpnb-panel').length === 3")
    is_running = "[...document.querySelectorAll('.mpnb-dot')].every((each) => each.dataset.status === 'running')"
    page.wait_for_function(f"() => {is_running}")
    page.evaluate("() => { window.notebookPanel.sessionContext.session.kernel.restart(); }")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.mpnb-dot')].every((each) => each.dataset.status === 'lost')"
    )
    assert not page.locator(".mpnb-stop").first.is_visible()


def test_a_page_reloaded_in_the_midst_shows_the_end(jupyterlab, page):
    """A page that is reloaded while the cell runs shows the static view when it has ended."""
    notebook = jupyterlab.open(page, ["synthetic_runs.show(seconds=5);"])
    notebook.run_all()
    page.wait_for_selector(".mpnb-panel canvas")
    page.wait_for_timeout(700)
    notebook.save()
    page.reload()
    page.wait_for_selector(".jp-OutputArea details", timeout=30_000)

    assert "240 iterations" in page.locator(".jp-OutputArea details summary").inner_text()


def test_the_panel_follows_the_theme_and_the_width(jupyterlab, page):
    """A change of theme changes the colours drawn, and of 128 cores and lanes nothing sticks out of a narrow place."""
    run = "synthetic_runs.show(cores=128, workers=128, tasks=20000, chunk=6, seconds=20);"
    notebook = jupyterlab.open(page, [run])
    notebook.run_all()
    page.wait_for_selector(".mpnb-panel canvas")
    page.wait_for_timeout(1000)
    ground = "() => getComputedStyle(document.querySelector('.mpnb-card')).backgroundColor"
    light = page.evaluate(ground)
    page.evaluate("() => { window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'}); }")
    page.wait_for_function(f"(light) => ({ground})() !== light", arg=light)
    sticks_out = """() => {
      const card = document.querySelector('.mpnb-card').getBoundingClientRect();
      return [...document.querySelectorAll('.mpnb-card *:not(.mpnb-tip):not(.mpnb-spoken)')]
        .filter((each) => each.getBoundingClientRect().right > card.right + 1).map((each) => each.className);
    }"""

    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    for width in (560, 380):
        page.set_viewport_size({"width": width, "height": 700})
        page.wait_for_timeout(500)
        assert page.evaluate(sticks_out) == []
    page.click(".mpnb-stop")
    notebook.wait_until_idle()
