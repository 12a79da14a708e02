"""The notebooks in a real JupyterLab: Run All gets to the end of each, and every picture is there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent.parent / "notebooks"
NOTEBOOKS = {path.stem: path for path in sorted(FOLDER.glob("*.ipynb"))}
CHINESE = {f"zh-{path.stem}": path for path in sorted((FOLDER / "zh").glob("*.ipynb"))}

OUTPUTS = """() => window.jupyterapp.shell.currentWidget.content.widgets.map(
  (cell) => cell.model.type === 'code' ? [cell.model.executionCount, cell.model.outputs.toJSON()] : null
).filter((cell) => cell)"""

OVER = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.widgets.filter((cell) => cell.model.type === 'code');
  const failed = (cell) => cell.model.outputs.toJSON().some((output) => output.output_type === 'error');
  return cells.at(-1).model.executionCount !== null || cells.some(failed);
}"""


@pytest.mark.full
@pytest.mark.browser
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("name", "path"), (NOTEBOOKS | CHINESE).items(), ids=NOTEBOOKS | CHINESE)
def test_run_all_gets_to_the_end(jupyterlab, page, name, path):
    """Every code cell has run, in order, none with an error; the pictures are shown."""
    shutil.copy(path, jupyterlab.folder / f"{name}.ipynb")
    shutil.copytree(FOLDER / "runs", jupyterlab.folder / "runs", dirs_exist_ok=True)
    notebook = jupyterlab.show(page, f"{name}.ipynb")

    notebook.run_all()
    page.wait_for_function(OVER, timeout=120_000)
    notebook.wait_until_idle()

    cells = page.evaluate(OUTPUTS)
    assert [count for count, _ in cells] == list(range(1, len(cells) + 1))
    shown = [output for _, outputs in cells for output in outputs]
    assert [output for output in shown if output["output_type"] == "error"] == []
    pictures = sum("image/png" in output.get("data", {}) for output in shown)
    assert page.locator(".jp-OutputArea img").count() == pictures > 0
