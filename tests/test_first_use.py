"""A stranger's first minutes: a fresh clone, the README's first line as it is written, the quickstart in a browser."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
COMMAND = re.findall(r"^```sh\n(.*?)\n```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)[0]

# What the page is asked. The model of the notebook in front is read, because cells out of sight are not drawn.
CURRENT = "const current = window.jupyterapp?.shell?.currentWidget;"
KERNEL_IDLE = f"() => {{ {CURRENT} return current?.sessionContext?.session?.kernel?.status === 'idle' }}"
RUN_ALL = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }"  # not awaited: it lasts as long
OUTPUTS = f"""() => {{
    {CURRENT}
    const code = current.content.widgets.map(cell => cell.model).filter(model => model.type === 'code');
    return code.map(model => ({{id: model.id, count: model.executionCount, outputs: model.outputs.toJSON()}}));
}}"""


@pytest.fixture
def fresh_clone(tmp_path: Path) -> Path:
    """Give what `git clone` gives: the last commit, and nothing that only lies about here."""
    clone = tmp_path / "mpnb"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True, timeout=60)
    return clone


@pytest.fixture
def bare_machine(tmp_path: Path) -> dict[str, str]:
    """Give an environment as on a bare machine: python3 is the Python of this test outside its virtual environment."""
    folder = tmp_path / "bin"
    folder.mkdir()
    python = folder / "python3"
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    python.write_text(f'#!/bin/sh\nexec "{base}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    config = tmp_path / "config"
    config.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The line stays as it is written: what the test needs of JupyterLab it says in a file of settings.
    server = {"ServerApp": {"port": port, "port_retries": 0, "open_browser": False}}
    (config / "jupyter_server_config.json").write_text(json.dumps(server), encoding="utf-8")
    (config / "jupyter_lab_config.json").write_text('{"LabApp": {"expose_app_in_browser": true}}', encoding="utf-8")
    ours = ("PYTEST", "JUPYTER", "PYTHON", "VIRTUAL_ENV")
    keep = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **keep,
        "PATH": f"{folder}{os.pathsep}{keep['PATH']}",
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


@pytest.fixture
def address(fresh_clone: Path, bare_machine: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """Paste the line, and give the address that JupyterLab prints."""
    log = tmp_path / "log"
    with log.open("wb") as out:
        shell = subprocess.Popen(
            ["bash", "-c", COMMAND], cwd=fresh_clone, env=bare_machine, stdout=out, stderr=out, stdin=subprocess.DEVNULL
        )
    try:
        deadline = time.monotonic() + 400
        while not (found := re.search(r"http://127\.0\.0\.1:\S+", log.read_text(encoding="utf-8"))):
            assert shell.poll() is None, log.read_text(encoding="utf-8")[-3000:]
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")[-3000:]
            time.sleep(0.2)
        yield found[0]
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in [*psutil.Process(shell.pid).children(recursive=True), psutil.Process(shell.pid)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        shell.wait(timeout=20)


@pytest.mark.browser
@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="nothing to clone from")
def test_the_quickstart_opens_and_runs(address, chromium):
    """The README's first line, pasted in a fresh clone, opens the quickstart, and Run All runs it without an error."""
    page = chromium.new_page()
    page.goto(address)
    page.wait_for_selector(".jp-NotebookPanel .jp-Notebook .jp-Cell", timeout=60_000)
    page.wait_for_function(KERNEL_IDLE, timeout=60_000)
    page.evaluate(RUN_ALL)
    deadline = time.monotonic() + 240
    cells = page.evaluate(OUTPUTS)
    while not all(cell["count"] for cell in cells):
        assert time.monotonic() < deadline, cells
        assert errors_in(cells) == []
        page.wait_for_timeout(250)
        cells = page.evaluate(OUTPUTS)
    page.wait_for_function(KERNEL_IDLE, timeout=60_000)
    cells = page.evaluate(OUTPUTS)
    page.close()

    assert errors_in(cells) == []
    assert any("times as fast" in output.get("text", "") for cell in cells for output in cell["outputs"])


def errors_in(cells: list[dict]) -> list[tuple[str, str]]:
    """List what went wrong in cells: exceptions, and whatever was written to stderr."""
    outputs = [(cell["id"], output) for cell in cells for output in cell["outputs"]]
    wrong = [(cell, "\n".join(output["traceback"])) for cell, output in outputs if output["output_type"] == "error"]
    return wrong + [(cell, str(output["text"])) for cell, output in outputs if output.get("name") == "stderr"]
