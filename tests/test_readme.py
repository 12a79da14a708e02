"""What the README says is so: its commands, its links, its options."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ZH = ROOT / "notebooks" / "zh"
CHINESE = (ZH / "README.zh.md").read_text(encoding="utf-8")
LINK = re.compile(r"\]\(([^)#]+)\)")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMANDS = [block.strip() for block in re.findall(r"^```sh\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)]


def test_it_has_two_commands_of_one_line():
    """There are two commands, each is one line, makes its own environment, and needs only Python and pip."""
    open_quickstart, run_tests = COMMANDS

    for command, extra in ((open_quickstart, "lab"), (run_tests, "test")):
        assert "\n" not in command
        start = (
            "python3 -m venv --without-pip .venv && "
            f'python3 -m pip --python .venv/bin/python install -e ".[{extra}]" && .venv/bin/python -m '
        )
        assert command.startswith(start)
    assert (ROOT / open_quickstart.partition("/lab/tree/")[2]).is_file()
    assert run_tests.endswith("-m pytest")


def test_ci_runs_the_command_that_it_shows():
    """`.ci/run` takes its test command from the README, word for word."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    definition = next(line for line in script.splitlines() if line.startswith("readme_test_command()"))

    taken = subprocess.run(
        ["bash", "-c", f"{definition}\nreadme_test_command"],
        env={**os.environ, "root": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    )

    assert taken.stdout.strip() == COMMANDS[-1]


@pytest.mark.parametrize("target", LINK.findall(README))
def test_what_it_links_to_exists(target):
    """Each link leads to a file of this repository."""
    assert target.startswith("https://") or (ROOT / target).exists()


def test_it_fits_on_a_screen():
    """It stays short, and no line of prose is longer than the others."""
    assert len(README.splitlines()) <= 80


def test_the_extras_it_uses_exist():
    """Each extra that a command names is one of pyproject.toml's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert set(re.findall(r'"\.\[(\w+)\]"', README)) <= set(project["optional-dependencies"])


def test_python_versions_agree():
    """Both READMEs' Python, requires-python and the classifiers say the same."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest = project["requires-python"].removeprefix(">=")

    assert f"Python {lowest} or newer" in README
    assert f"Python {lowest} 或更新" in CHINESE
    assert f"Programming Language :: Python :: {lowest}" in project["classifiers"]


def test_the_chinese_one_says_the_same():
    """The Chinese README has the code, the commands and the names of this one; it opens the Chinese quickstart."""
    ours = CHINESE.replace("/lab/tree/notebooks/zh/", "/lab/tree/notebooks/")

    assert BLOCK.findall(ours) == BLOCK.findall(README)
    assert (ROOT / re.search(r"/lab/tree/(\S+)", CHINESE)[1]).is_file()
    ours, theirs = (set(re.findall("`([^`\n]+)`", BLOCK.sub("", text))) for text in (ours, README))
    assert ours ^ theirs == set(), "named in one of the two only"


@pytest.mark.parametrize("target", LINK.findall(CHINESE))
def test_what_the_chinese_one_links_to_exists(target):
    """Each of its links, which start from its own folder, leads to a file of this repository."""
    assert target.startswith("https://") or (ZH / target).is_file()


def test_the_chinese_one_is_not_broken_into_lines():
    """A paragraph is one line there: a line's end shows as a blank, which Chinese does not have."""
    assert not re.search("[\u3000-\u9fff\uff00-\uffef]\n[\u3000-\u9fff\uff00-\uffef]", CHINESE)
