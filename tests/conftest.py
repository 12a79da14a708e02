"""What the tests share: a real kernel in a clean corner of the disk, and where a browser is."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mirror_process import Notebook, Worker
from real_kernel import Kernel, prepare_jupyter
from web_browser import find_browser, open_browser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent

# ---------------------------------------------------------------------------------------------- browser and long tests

no_browser = pytest.StashKey[int]()


def browser_is_a_must() -> bool:
    """Say whether a missing browser is a failure: under continuous integration."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --full."""
    parser.addoption("--full", action="store_true", help="run the long tests too")


def pytest_configure() -> None:
    """Take interrupts again: a script that starts the tests in the background hands them down ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what takes long, and what needs a browser where there is none; each skip says why."""
    full = config.getoption("--full")
    browser = find_browser()
    config.stash[no_browser] = 0
    for item in items:
        if item.get_closest_marker("full") and not full:
            item.add_marker(pytest.mark.skip(reason="takes long: --full runs it"))
        elif item.get_closest_marker("browser") and browser is None:
            item.add_marker(pytest.mark.skip(reason="no browser"))
            config.stash[no_browser] += 1


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say that there was no browser, where there was none."""
    if skipped := config.stash.get(no_browser, 0):
        word = "a failure, because CI is set" if browser_is_a_must() else "install chromium to run them"
        terminalreporter.section("no browser")
        terminalreporter.line(f"no browser: {skipped} browser tests skipped ({word})")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail the run under continuous integration where browser tests could not run."""
    if exitstatus == 0 and browser_is_a_must() and session.config.stash.get(no_browser, 0):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def takes_interrupts() -> Iterator[None]:
    """No test leaves behind a handler that swallows interrupts."""
    yield
    left = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert left is signal.default_int_handler


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests marked `browser`, and only for those."""
    with open_browser() as browser:
        yield browser


# ------------------------------------------------------------------------------------------------------------- a kernel


@pytest.fixture
def clean_jupyter(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings, history and connection files of Jupyter and IPython in a folder of their own."""
    home = tmp_path_factory.mktemp("jupyter")
    prepare_jupyter(home, monkeypatch)
    return home


@pytest.fixture
def start_kernel(clean_jupyter: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Kernel]]:
    """Start a real kernel in an empty folder; keyword arguments are added to its environment."""
    kernels: list[Kernel] = []

    def start(**environ: str) -> Kernel:
        for attempt in (1, 2, 3):
            kernels.append(Kernel(tmp_path_factory.mktemp("kernel")))
            with contextlib.suppress(RuntimeError) if attempt < 3 else contextlib.nullcontext():
                # Its ports are found free first and bound later: somebody else may have been faster.
                return kernels[-1].start(**environ)
        raise AssertionError

    yield start
    for kernel in kernels:
        kernel.close()


@pytest.fixture
def kernel(start_kernel: Callable[..., Kernel]) -> Kernel:
    """Give the test a real kernel in an empty folder."""
    return start_kernel()


# ------------------------------------------------------------------------------------------------ a mirror to drive alone


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """Give an empty notebook whose namespace is `__main__` during the test."""
    return Notebook(monkeypatch)


@pytest.fixture
def fresh_worker() -> Iterator[Worker]:
    """A process with a mirror, for one test."""
    process = Worker()
    yield process
    process.close()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """A process with a mirror, for all tests of a room: each job must find it as if it were new."""
    process = Worker()
    yield process
    process.close()
