"""The table that `--explain` shows: sizes near the real ones, times by the model that decides, the same in HTML."""

from __future__ import annotations

import ast
import pickle
from html.parser import HTMLParser
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mpnb import plan, worth
from mpnb.outlook import Measured, Outlook, look_at_cell, measure
from mpnb.record import Site
from mpnb.weight import OUT_OF_BAND, weigh


def look(cell: str, names: dict[str, Any], workers: int = 2, measured: Measured | None = None) -> Outlook:
    """Look ahead at a cell in a notebook that has these names; `measured` is of its first site."""
    tree = ast.parse("\n" + cell)
    found = {} if measured is None else {0: measured}
    return look_at_cell(plan.read_cell(tree), tree, names, workers, found)


def sizes(thing: Any) -> tuple[int, int]:
    """Bytes in the pickle and in shared blocks, as they are really made."""
    buffers: list[pickle.PickleBuffer] = []

    def beside(buffer: pickle.PickleBuffer) -> bool:
        large = buffer.raw().nbytes >= OUT_OF_BAND
        if large:
            buffers.append(buffer)
        return not large  # in band

    pickled = len(pickle.dumps(thing, protocol=5, buffer_callback=beside))
    return pickled, sum(buffer.raw().nbytes for buffer in buffers)


@pytest.mark.parametrize(
    "thing",
    [
        [1.5] * 1000,
        list(range(1000)),
        [f"word {n}" for n in range(1000)],
        "x" * 100_000,
        {f"key {n}": n / 3 for n in range(1000)},
        [{"name": f"name {n}", "size": n} for n in range(300)],
        np.zeros(1000),
        np.zeros(100_000),
        [np.zeros(1000)] * 1 + [np.ones(1000) * n for n in range(20)],
        {"a": np.zeros(50_000), "b": np.zeros(10)},
        pd.DataFrame({"a": np.arange(100_000), "b": np.arange(100_000) / 3}),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_sizes_are_near_the_real_ones(thing: Any) -> None:
    """What is pickled within a factor of 3.5 (keys that repeat cost less than they seem to), what is shared within a tenth."""
    pickled, shared = sizes(thing)
    found = weigh(thing)
    assert pickled / 2.5 - 1000 <= found.pickled <= pickled * 3.5 + 1000
    assert found.shared == pytest.approx(shared, rel=0.1)


def own(text: str, **names: Any) -> dict[str, Any]:
    """Make a notebook's names: what a text defines, and others."""
    scope: dict[str, Any] = {"__name__": "__main__", **names}
    exec(text, scope)
    return scope


def test_helpers_bring_what_they_read() -> None:
    """A function's size has that of what it needs in its turn, which is named; a module is imported there."""
    names = own(
        "import math\ndef outer(x):\n    return inner(x)\ndef inner(x):\n    return math.sqrt(x) + table[0]",
        table=np.zeros(100_000),
        xs=[1.0, 2.0],
    )
    (site,) = look("y = [outer(x) for x in xs]", names).sites
    by_name = {each.name: each for each in site.names}
    assert by_name["outer"].brings == ("inner", "math", "table")
    assert by_name["outer"].shared == 800_000
    assert 100 < (by_name["outer"].pickled or 0) < 2000
    assert (by_name["x"].pickled, by_name["x"].note) == (9 + 15, "each item")
    assert isinstance(names["math"], ModuleType)


def test_what_the_cell_sets_has_no_size() -> None:
    """A name that the cell sets itself has no size yet, and the note says so."""
    names = {"xs": [1, 2], "table": [0] * 10_000}
    (site,) = look("table = [1]\ny = [table[x] for x in xs]", names).sites
    table = next(each for each in site.names if each.name == "table")
    assert (table.role, table.pickled, table.note) == ("broadcast", None, "set by this cell")
    assert "before this cell sets `table`" in site.verdict


class Shy:
    """Can't bear to be looked at."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise ZeroDivisionError


def test_an_object_that_cannot_be_looked_at() -> None:
    """The table is made all the same; the verdict is the one that the run would come to."""
    (site,) = look("y = [x + len(shy) for x in xs]", {"xs": [1, 2], "shy": Shy()}).sites
    shy = next(each for each in site.names if each.name == "shy")
    assert shy.role == "broadcast"
    assert site.code == "dynamic"
    assert "could not be looked into (ZeroDivisionError" in site.verdict


CELL = "out = []\nfor x in xs:\n    out.append(x * factor)"


@pytest.mark.parametrize(
    ("each_s", "workers", "words", "counts"),
    [
        (None, 4, "not known until the cell has run once", []),
        (0.01, 4, "≈4.0× faster on 4 workers · 500 iterations of 10 ms", [1, 2, 3, 4]),
        (1e-6, 4, "stays in the kernel: 0.5 ms of work is too small to split", [1, 2, 3, 4]),
        (0.01, 1, "stays in the kernel: one worker is no faster than the kernel itself", [1]),
        (0.01, 24, "× faster on 24 workers", [1, 2, 4, 8, 16, 24]),
    ],
)
def test_what_is_expected(each_s: float | None, workers: int, words: str, counts: list[int]) -> None:
    """Nothing before a run; afterwards what the pool's own judgement says, with the reason where it stays serial."""
    measured = None if each_s is None else Measured(each_s, 7)
    (site,) = look(CELL, {"xs": list(range(500)), "factor": 2}, workers, measured).sites
    assert words in site.gain
    assert [count for count, _ in site.expected] == counts
    if each_s is None:
        return
    assert site.expected[0][1] == pytest.approx(500 * each_s), "one worker: the kernel itself"
    for count, seconds in site.expected:
        figures = worth.Figures(each_s, 500, count)
        assert seconds == pytest.approx(figures.pool_s if worth.judge(figures).pays else figures.serial_s, rel=0.05)


def test_large_data_is_weighed_against_the_work() -> None:
    """Where sending would take longer than the work, that is the reason."""
    names = {"xs": list(range(100)), "factor": ["word"] * 500_000}
    (site,) = look(CELL, names, 2, Measured(0.001, 100)).sites
    assert "sending what it needs would take 1.02 s, finishing it here 0.10 s" in site.gain


@pytest.mark.parametrize(
    ("site", "measured"),
    [
        (Site(line=1), None),
        (Site(line=1, iterations=10, kernel_iterations=4, kernel_s=0.2), Measured(0.05, 10)),
        (Site(line=1, iterations=10, pool_s=0.5), Measured(0.05, 10)),
        (Site(line=1, iterations=10), None),
    ],
)
def test_what_a_run_tells(site: Site, measured: Measured | None) -> None:
    """The kernel's own iterations are the measure; where it ran none, what the workers took."""
    assert measure(site) == measured


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        assert not {name for name, _ in attrs} - {"style"}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_says_what_the_text_says() -> None:
    """The same words, escaped, well nested, without scripts, and in the front end's own colours."""
    names = {"xs": ["<b>"], "factor": 2}
    outlook = look("y = ['<script>' + x * factor for x in xs]", names)
    tags = _Tags()
    tags.feed(outlook.to_html())
    assert tags.open == []
    for site in outlook.sites:
        for word in (site.head.replace("`", ""), *(each.name for each in site.names), site.gain):
            assert word in tags.text
            assert word.split()[0] in outlook.to_text()
    assert "<script" not in outlook.to_html()
    assert "var(--jp-ui-font-color1" in outlook.to_html()


def test_a_cell_without_a_loop() -> None:
    """It says why there is nothing to split."""
    outlook = look("while True:\n    break", {})
    assert outlook.to_text() == "while loops stay serial (line 2)"
    assert "while loops stay serial" in outlook.to_html()
