"""Every notebook runs from top to bottom without an error, and is stored as a reader should find it."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PLAIN_AND_PARALLEL = {"01_quickstart.ipynb": ("plain", "parallel")}  # ids of the cells that show the same work twice

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@each_notebook
def test_it_runs(path, run_notebook):
    """No cell of it ends with an error, and none writes to stderr."""
    notebook = run_notebook(path)  # an error in a cell is raised here

    outputs = [(cell.id, output) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [(cell, output.text) for cell, output in outputs if output.get("name") == "stderr"] == []
    assert outputs, "a notebook that shows nothing was not run"


@each_notebook
def test_it_is_stored_without_outputs(path):
    """It is stored valid, without outputs and counts, and asks for any Python 3."""
    notebook = nbformat.read(path, as_version=4)

    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "version" not in notebook.metadata.get("language_info", {})
    for cell in notebook.cells:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
        assert cell.get("id")


@pytest.mark.parametrize(("name", "ids"), PLAIN_AND_PARALLEL.items())
def test_the_parallel_cell_is_the_plain_one_with_a_line_more(name, ids):
    """What runs in parallel is word for word the plain cell: only its first line is new."""
    cells = {cell.id: cell.source for cell in nbformat.read(ROOT / "notebooks" / name, as_version=4).cells}
    plain, parallel = (cells[name] for name in ids)

    assert parallel == f"%%parallel\n{plain}"
