"""A real JupyterLab or Notebook 7 and a real browser: a server in a folder of its own, a notebook opened, its cells run."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipykernel
import nbformat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# Whether the kernel hears the panel while a cell runs: ipykernel 6 has no threads for that
HEARS = int(ipykernel.__version__.split(".")[0]) >= 7

# So that a cell finds the made-up runs
PRELUDE = f"import sys\nsys.path[:0] = [{str(ROOT)!r}, {str(HERE)!r}]\nimport synthetic_runs"

IDLE = """() => {
  const panel = window.jupyterapp?.shell.currentWidget;
  const stars = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].some((p) => p.textContent.includes('*'));
  return !stars && panel?.sessionContext?.session?.kernel?.status === 'idle';
}"""


@dataclass
class Server:
    """A running JupyterLab, which serves Notebook 7 as well."""

    url: str
    folder: Path
    _opened: int = 0

    def open(
        self,
        page: Page,
        cells: list[str],
        *,
        dark: bool = False,
        lab: bool = True,
        outputs: dict[int, dict[str, str]] | None = None,
    ) -> Notebook:
        """Write a notebook, open it in JupyterLab or in Notebook 7, and wait until its kernel answers.

        `outputs` are what some cells show already, as when they had been run, and the notebook saved.
        """
        self._opened += 1
        name = f"nb{self._opened}.ipynb"
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (PRELUDE, *cells)])
        for cell, data in (outputs or {}).items():
            notebook.cells[cell].outputs = [nbformat.v4.new_output("display_data", data)]
        # without it, JupyterLab would ask which kernel
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.folder / name)
        return self.show(page, name, dark=dark, lab=lab)

    def show(self, page: Page, name: str, *, dark: bool = False, lab: bool = True) -> Notebook:
        """Open a notebook that lies in the server's folder, and wait until its kernel answers."""
        workspace = name.removesuffix(".ipynb")
        page.goto(f"{self.url}/lab/workspaces/{workspace}/tree/{name}" if lab else f"{self.url}/notebooks/{name}")
        page.wait_for_selector(".jp-NotebookPanel .jp-Notebook .jp-Cell", timeout=60_000)
        if lab:
            theme = "JupyterLab Dark" if dark else "JupyterLab Light"
            page.evaluate("(theme) => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
            page.wait_for_selector(f"body[data-jp-theme-name='{theme}']", state="attached", timeout=60_000)
        page.wait_for_function(IDLE, timeout=60_000)
        return Notebook(page, self.folder / name)


@dataclass
class Notebook:
    """An open notebook; cell 0 is the prelude."""

    page: Page
    path: Path

    def run_all(self) -> None:
        """Start all cells; does not wait."""
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")

    def run(self, cell: int) -> None:
        """Start one cell; does not wait."""
        self.page.evaluate(
            """(n) => {
                window.jupyterapp.shell.currentWidget.content.activeCellIndex = n;
                window.jupyterapp.commands.execute('notebook:run-cell');
            }""",
            cell,
        )

    def wait_until_idle(self, timeout: float = 60) -> None:
        """Wait until every cell has run."""
        self.page.wait_for_function(IDLE, timeout=timeout * 1000)

    def outputs(self, cell: int) -> list[dict[str, Any]]:
        """Give a cell's outputs as they would be saved now."""
        found: list[dict[str, Any]] = self.page.evaluate(
            "(n) => window.jupyterapp.shell.currentWidget.content.widgets[n].model.outputs.toJSON()", cell
        )
        return found

    def text(self, cell: int) -> str:
        """Give what a cell printed."""
        return "".join(o["text"] for o in self.outputs(cell) if o["output_type"] == "stream")

    def save(self) -> dict[str, Any]:
        """Save, and read back what was written."""
        before = self.path.stat().st_mtime_ns
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        deadline = time.monotonic() + 20
        while self.path.stat().st_mtime_ns == before and time.monotonic() < deadline:
            time.sleep(0.05)
        saved: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return saved


@contextlib.contextmanager
def server(folder: Path) -> Iterator[Server]:
    """Start a JupyterLab that reads nobody's settings, and end it with its kernels."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home, notebooks = folder / "home", folder / "notebooks"
    notebooks.mkdir(parents=True)
    environ = dict(os.environ)
    for name in (
        "IPYTHONDIR",
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_RUNTIME_DIR",
        "JUPYTERLAB_SETTINGS_DIR",
        "JUPYTERLAB_WORKSPACES_DIR",
    ):
        (home / name).mkdir(parents=True)
        environ[name] = str(home / name)
    for plugin, settings in {
        "notebook-extension/tracker": {"windowingMode": "none"},  # all cells in the page
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    }.items():
        path = home / "JUPYTERLAB_SETTINGS_DIR" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings), encoding="utf-8")
    log = (folder / "server.log").open("w", encoding="utf-8")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--expose-app-in-browser"),
            *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={notebooks}"),
            "--JupyterNotebookApp.expose_app_in_browser=True",
            *("--IdentityProvider.token=", "--ServerApp.password=", "--ServerApp.disable_check_xsrf=True"),
        ],
        env=environ,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{url}/api/status", timeout=5):  # noqa: S310 - it is ours
                    break
            except OSError:
                assert process.poll() is None, (folder / "server.log").read_text(encoding="utf-8")
                assert time.monotonic() < deadline, "the server did not come up"
                time.sleep(0.1)
        yield Server(url, notebooks)
    finally:
        process.terminate()  # ends its kernels, too
        process.wait(30)
        log.close()
