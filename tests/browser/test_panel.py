"""The panel in a real JupyterLab."""

from __future__ import annotations

from itertools import pairwise

import ipykernel
import pytest

pytestmark = pytest.mark.browser

# A number per canvas that changes with what is drawn on it
FINGERPRINTS = """() => [...document.querySelectorAll('.mpnb-panel canvas')].map((canvas) => {
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0;
  for (let i = 0; i < data.length; i += 1) sum = (sum * 31 + data[i]) % 2147483647;
  return sum;
})"""


def test_the_panel_moves_and_becomes_static(jupyterlab, page):
    """Bars, lanes, curve and progress change at least four times a second; at the end static HTML stands there."""
    notebook = jupyterlab.open(page, ["synthetic_runs.show(seconds=5);", "'and the next cell runs'"])
    notebook.run_all()
    page.wait_for_selector(".mpnb-panel canvas")
    page.wait_for_timeout(500)
    seen = []
    for _ in range(40):
        bar = page.locator(".mpnb-bar").get_attribute("aria-valuenow")
        seen.append((*page.evaluate(FINGERPRINTS), bar, page.locator(".mpnb-count").inner_text()))
        page.wait_for_timeout(50)
    seconds = 40 * 0.05
    changes = [sum(a != b for a, b in pairwise(column)) for column in zip(*seen, strict=True)]
    cores, lanes, curve, _bar, count = changes

    assert min(cores, lanes, curve) >= 4 * seconds
    assert count >= 4
    assert {"≈", "≤"} & set(page.locator(".mpnb-big").inner_text())

    notebook.wait_until_idle()
    page.wait_for_selector(".jp-OutputArea details")
    [output] = [o for o in notebook.save()["cells"][1]["outputs"] if o["output_type"] == "display_data"]

    assert page.locator(".mpnb-panel").count() == 0
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert "".join(output["data"]["text/plain"]).startswith("[mpnb] features: 240 iterations")
    assert output["metadata"]["mpnb"] == {"key": "synthetic"}
    assert notebook.outputs(2)[0]["data"]["text/plain"] == "'and the next cell runs'"


def test_stop_works_while_the_main_thread_is_blocked(jupyterlab, page):
    """A click on Stop is heard in a thread of its own while the cell runs, within a second, and the next cell runs.

    ipykernel 6 has no such threads: there the panel interrupts the kernel.
    """
    heard = "subshell-" if int(ipykernel.__version__.split(".")[0]) >= 7 else "interrupt"
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


def test_a_second_view_knows_the_whole_run(jupyterlab, page):
    """A view that is opened in the midst of a run shows what was before."""
    notebook = jupyterlab.open(page, ["synthetic_runs.show(seconds=8);"])
    notebook.run_all()
    page.wait_for_selector(".mpnb-panel canvas")
    page.wait_for_timeout(2500)
    page.evaluate(
        """() => {
          const panel = window.jupyterapp.shell.currentWidget;
          panel.content.activeCellIndex = 1;
          return window.jupyterapp.commands.execute('notebook:create-output-view');
        }"""
    )
    page.wait_for_function("() => document.querySelectorAll('.mpnb-panel').length === 2")
    page.wait_for_timeout(500)
    counts = page.locator(".mpnb-count").all_inner_texts()

    assert counts[0] == counts[1]
    assert len(page.evaluate(FINGERPRINTS)) == 6
    page.click(".mpnb-stop >> nth=0")


def test_a_page_reloaded_in_the_midst_shows_the_end(jupyterlab, page):
    """A page that is reloaded while the cell runs shows the static view when it has ended."""
    notebook = jupyterlab.open(page, ["synthetic_runs.show(seconds=7);"])
    notebook.run_all()
    page.wait_for_selector(".mpnb-panel canvas")
    page.wait_for_timeout(1500)
    notebook.save()
    page.reload()
    page.wait_for_selector(".jp-OutputArea details", timeout=30_000)

    assert "240 iterations" in page.locator(".jp-OutputArea details summary").inner_text()


def test_the_panel_follows_the_theme_and_the_width(jupyterlab, page):
    """A change of theme changes the colours drawn, and in a narrow place nothing sticks out."""
    notebook = jupyterlab.open(page, ["synthetic_runs.show(seconds=8);"])
    notebook.run_all()
    page.wait_for_selector(".mpnb-panel canvas")
    page.wait_for_timeout(1000)
    ground = "() => getComputedStyle(document.querySelector('.mpnb-card')).backgroundColor"
    light = page.evaluate(ground)
    page.evaluate("() => { window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'}); }")
    page.wait_for_function(f"(light) => ({ground})() !== light", arg=light)
    page.set_viewport_size({"width": 560, "height": 700})
    page.wait_for_timeout(700)
    sticks_out = """() => {
      const card = document.querySelector('.mpnb-card').getBoundingClientRect();
      return [...document.querySelectorAll('.mpnb-card *:not(.mpnb-tip):not(.mpnb-spoken)')]
        .filter((each) => each.getBoundingClientRect().right > card.right + 1).map((each) => each.className);
    }"""

    assert page.evaluate(sticks_out) == []
    page.click(".mpnb-stop")
    notebook.wait_until_idle()
