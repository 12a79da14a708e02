"""A real kernel: cells are sent to it as a front end sends them, and what it shows is collected."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import queue
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil
import pytest
from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient

ROOT = Path(__file__).resolve().parent.parent


@dataclass(slots=True)
class Result:
    """What one execution sent to the front end.

    `displays` holds every display_data and update_display_data in order, as dictionaries with the keys
    `data`, `metadata`, `transient` and `update`. `result` is the mime bundle of the Out value, `paged` what `?` shows.
    """

    status: str = "running"
    stdout: str = ""
    stderr: str = ""
    displays: list[dict[str, Any]] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    paged: str = ""
    ename: str = ""
    evalue: str = ""
    traceback: str = ""
    execution_count: int | None = None

    @property
    def result_text(self) -> str | None:
        """The Out value as text."""
        return self.result.get("text/plain")


class Request:
    """One cell on its way: `result()` waits for its end, `wait_for_stdout()` for a text on the way.

    Several may be under way; whichever of them waits takes in what comes, and `requests` tells whose it is.
    """

    def __init__(
        self, client: BlockingKernelClient, requests: dict[str, Request], code: str, *, store_history: bool
    ) -> None:
        self._client = client
        self._requests = requests
        self._code = code
        requests[client.execute(code, allow_stdin=False, store_history=store_history)] = self
        self._idle = False
        self._replied = False
        self.so_far = Result()

    def result(self, timeout: float = 60) -> Result:
        """Wait until the cell has ended and everything that it showed has come."""
        deadline = time.monotonic() + timeout
        while not (self._idle and self._replied):
            self._pull(deadline)
        return self.so_far

    def wait_for_stdout(self, text: str, timeout: float = 60) -> Result:
        """Wait until `text` was printed."""
        deadline = time.monotonic() + timeout
        while text not in self.so_far.stdout:
            assert not self._idle, f"the cell ended without printing {text!r}: {self.so_far}"
            self._pull(deadline)
        return self.so_far

    def wait_for_display(self, timeout: float = 60) -> Result:
        """Wait until something was displayed."""
        deadline = time.monotonic() + timeout
        while not self.so_far.displays:
            assert not self._idle, f"the cell ended without a display: {self.so_far}"
            self._pull(deadline)
        return self.so_far

    def _pull(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            pytest.fail(f"the cell did not get there in time:\n{self._code}\nso far: {self.so_far}")
        # Both channels are looked at in turns, so that a kernel that dies under the cell is noticed, too.
        with contextlib.suppress(queue.Empty):
            message = self._client.get_iopub_msg(timeout=0 if self._idle else min(left, 0.2))
            if request := self._whose(message):
                request._on_iopub(message)
        with contextlib.suppress(queue.Empty):
            message = self._client.get_shell_msg(timeout=min(left, 0.2) if self._idle else 0)
            if request := self._whose(message):
                request._on_shell(message)

    def _whose(self, message: dict[str, Any]) -> Request | None:
        return self._requests.get(message["parent_header"].get("msg_id", ""))

    def _on_shell(self, message: dict[str, Any]) -> None:
        self._replied = True
        self.so_far.status = message["content"]["status"]
        self.so_far.execution_count = message["content"].get("execution_count")
        pages = [page for page in message["content"].get("payload", ()) if page["source"] == "page"]
        self.so_far.paged = "".join(page["data"]["text/plain"] for page in pages)

    def _on_iopub(self, message: dict[str, Any]) -> None:
        seen, content = self.so_far, message["content"]
        match message["msg_type"]:
            case "stream" if content["name"] == "stdout":
                seen.stdout += content["text"]
            case "stream":
                seen.stderr += content["text"]
            case "display_data" | "update_display_data" as kind:
                seen.displays.append({**content, "update": kind == "update_display_data"})
            case "execute_result":
                seen.result = content["data"]
            case "error":
                seen.ename, seen.evalue = content["ename"], content["evalue"]
                seen.traceback = "\n".join(content["traceback"])
            case "status" if content["execution_state"] == "idle":
                self._idle = True


class Kernel:
    """A real ipykernel. `run(code)` runs a cell in it and gives back what a front end would have seen."""

    def __init__(self, cwd: Path) -> None:
        self._cwd = cwd
        self._manager = KernelManager(kernel_name="python3", connection_file=str(cwd / "kernel.json"))
        self._client: BlockingKernelClient | None = None
        self._requests: dict[str, Request] = {}  # every one that was sent, by the id of its message

    def start(self, timeout: float = 60, **environ: str) -> Self:
        """Start the process and wait until it answers."""
        self._manager.start_kernel(cwd=str(self._cwd), env={**os.environ, **environ})
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=timeout)
        return self

    @property
    def pid(self) -> int:
        """Process id of the kernel."""
        pid = self._manager.provisioner.pid
        assert pid is not None
        return int(pid)

    def submit(self, code: str, *, store_history: bool = True) -> Request:
        """Send a cell and do not wait."""
        assert self._client is not None, "the kernel was not started"
        return Request(self._client, self._requests, code, store_history=store_history)

    def run(self, code: str, timeout: float = 60) -> Result:
        """Run a cell to its end, whatever the end is."""
        return self.submit(code).result(timeout)

    def check(self, code: str, timeout: float = 60) -> Result:
        """Run a cell that must end without an exception."""
        result = self.run(code, timeout)
        assert result.status == "ok", result.traceback
        return result

    def value(self, expression: str, timeout: float = 60) -> str | None:
        """Evaluate an expression in the kernel, and give back its repr as the front end shows it."""
        return self.check(expression, timeout).result_text

    def children(self) -> list[psutil.Process]:
        """List every process that descends from the kernel now."""
        return psutil.Process(self.pid).children(recursive=True)

    def interrupt(self) -> None:
        """Do what a front end's stop button does: SIGINT to the kernel's whole process group."""
        self._manager.interrupt_kernel()

    def kill(self) -> None:
        """SIGKILL the kernel alone, as the kernel's machine might."""
        os.kill(self.pid, signal.SIGKILL)

    def restart(self, timeout: float = 60) -> None:
        """Restart the kernel as a front end does; names are gone, the connection stays."""
        assert self._client is not None, "the kernel was not started"
        self._manager.restart_kernel(now=True)
        self._client.wait_for_ready(timeout=timeout)

    def close(self) -> None:
        """End the kernel and every process that came from it."""
        orphans = []
        with contextlib.suppress(psutil.NoSuchProcess, AssertionError):
            orphans = self.children()
        if self._client is not None:
            self._client.stop_channels()
        if self._manager.has_kernel:
            self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()
        self._manager.context.destroy(linger=0)
        for process in orphans:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def prepare_jupyter(home: Path, patch: pytest.MonkeyPatch) -> None:
    """Put settings, history and connection files of Jupyter and IPython into a folder of their own."""
    for name in (
        "IPYTHONDIR",
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_RUNTIME_DIR",
        "JUPYTERLAB_SETTINGS_DIR",
        "JUPYTERLAB_WORKSPACES_DIR",
        "MPLCONFIGDIR",
    ):
        folder = home / name.lower()
        folder.mkdir()
        patch.setenv(name, str(folder))
    patch.delenv("MPLBACKEND", raising=False)  # else the kernel would not choose the inline one
    patch.setenv("JUPYTER_PLATFORM_DIRS", "1")  # or jupyter_core warns that its paths will move
    patch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    try:
        importlib.metadata.distribution("mpnb")
    except importlib.metadata.PackageNotFoundError:  # not installed: the kernels, too, take it from the working tree
        patch.setenv("PYTHONPATH", str(ROOT))
