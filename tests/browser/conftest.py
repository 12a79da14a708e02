"""One JupyterLab for all browser tests; each test has a page of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import lab


@pytest.fixture(scope="session")
def jupyterlab(tmp_path_factory):
    """Start a JupyterLab in an empty folder."""
    with lab.server(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture
def page(chromium):
    """Give the test an empty page; what its scripts get wrong fails the test, but for those of Notebook 7 itself."""
    page = chromium.new_page(viewport={"width": 1280, "height": 760})
    errors = []
    page.on("pageerror", lambda error: "/static/notebook/" in (error.stack or "") or errors.append(str(error)))
    yield page
    page.close()
    assert errors == []
