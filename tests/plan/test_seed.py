"""Cells under `--seed`: the same numbers on any number of workers, in any chunks, and wherever an iteration runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import scipy.stats  # noqa: F401 -- for importing it the first time changes os.environ
import sklearn.model_selection  # noqa: F401 -- likewise

sys.path.insert(0, str(Path(__file__).parent))

from differ import Bench

from mpnb.report import summary
from mpnb.streams import SEEDED

#: What libraries warn of is part of what is compared.
pytestmark = pytest.mark.filterwarnings("default")

#: Everything in the kernel; in the pool, in chunks of its own choice and of others'; begun or ended in the kernel.
SEEDED_WAYS = {
    "seeded kernel": "%%parallel --seed 7 -n 1 --quiet",
    "seeded pool": "%%parallel --seed 7 --no-probe --quiet",
    "seeded one": "%%parallel --seed 7 --no-probe -n 1 --chunk 4 --quiet",
    "seeded three": "%%parallel --seed 7 --no-probe -n 3 --chunk 1 --quiet",
    "seeded mixed": "%%parallel --seed 7 --chunk 3 --quiet",
    "seeded rest": "%%parallel --seed 7 --no-probe --chunk 1 --quiet",
}


class SeededBench(Bench):
    """A bench whose cells have a seed, and one that has none."""

    ways: ClassVar = {**Bench.ways, **SEEDED_WAYS, "plain pool": "%%parallel --no-probe --quiet"}


@pytest.fixture(scope="module")
def bench() -> Iterator[SeededBench]:
    """A shell with mpnb loaded, for all cells."""
    bench = SeededBench()
    yield bench
    bench.close()


#: name → set-up, cell. In those of libraries only a net sees that the loop draws.
DRAWING: dict[str, tuple[str, str]] = {
    "pi": (
        "import random",
        "hits = 0\nfor _ in range(40):\n    hits += random.random() ** 2 + random.random() ** 2 < 1",
    ),
    "bootstrap": (
        "import numpy as np\ndata = np.arange(50.0) ** 2",
        "means = [np.random.choice(data, size=len(data)).mean() for _ in range(30)]",
    ),
    "option": (
        "import numpy as np\nrng = np.random.default_rng(1)\ns0, k, r, sigma, t = 100, 105, 0.02, 0.3, 1.0",
        ("payoffs = []\nfor _ in range(25):\n"
        "    z = rng.standard_normal(100)\n"
        "    s = s0 * np.exp((r - sigma ** 2 / 2) * t + sigma * t ** 0.5 * z)\n"
        "    payoffs.append(np.maximum(s - k, 0).mean())\n"
        "price = np.exp(-r * t) * np.mean(payoffs)"),
    ),
    "walk": (
        ("import numpy as np\nrng = np.random.default_rng(2)\n"
        "def step(scale):\n    return rng.normal(scale=scale)\n"
        "def walk(n):\n    x = 0.0\n    for _ in range(n):\n        x += step(0.5)\n    return x"),
        "ends = [walk(20) for _ in range(30)]",
    ),
    "several": (
        ("import random\nfrom random import gauss\nimport numpy as np\nfrom numpy.random import normal\n"
        "mine = random.Random(1); old = np.random.RandomState(2); new = np.random.default_rng(3)\n"
        "other = np.random.Generator(np.random.SFC64(4))"),
        ("out = {i: [random.random(), gauss(0, 1), normal(), np.random.rand(2), mine.random(), old.randn(),\n"
        "           new.integers(9), other.random(3)] for i in range(30)}"),
    ),
    "attribute": (
        ("import numpy as np\nclass Sim:\n    def __init__(self, seed):\n        self.rng = np.random.default_rng(seed)\n"
        "    def run(self):\n        return self.rng.random()\nsims = {'a': [Sim(1)], 'b': (Sim(2),)}"),
        "out = [sims['a'][0].run() - sims['b'][0].run() for _ in range(30)]",
    ),
    "argument": (
        "import numpy as np\nrng = np.random.default_rng(1)\ndef draw(r):\n    return r.normal()",
        "out = [draw(rng) for _ in range(30)]",
    ),
    "bound method": (
        "import numpy as np\ndraw = np.random.default_rng(1).normal",
        "out = [draw() for _ in range(30)]",
    ),
    "closure": (
        ("import random\ndef make():\n    rng = random.Random(5)\n    def draw():\n        return rng.randint(0, 99)\n"
        "    return draw\ndraw = make()"),
        "out = [draw() for _ in range(30)]",
    ),
    "items": (
        "import numpy as np\nrngs = [np.random.default_rng(i) for i in range(12)]",
        "out = [rng.random() for rng in rngs]",
    ),
    "scipy": (
        "from scipy import stats",
        "out = [stats.norm.rvs(size=3) for _ in range(12)]",
    ),
    "scipy frozen": (
        "from scipy import stats\nnorm = stats.norm(2, 3)",
        "out = [norm.rvs() for _ in range(12)]",
    ),
    "sklearn": (
        "import numpy as np\nfrom sklearn.model_selection import train_test_split\nx = np.arange(40).reshape(20, 2)",
        "out = [train_test_split(x)[0].tolist() for _ in range(12)]",
    ),
    "pandas": (
        "import pandas as pd\ndf = pd.DataFrame({'a': range(20)})",
        "out = [df.sample(3)['a'].tolist() for _ in range(12)]",
    ),
    "shuffle": (
        "import random\nimport numpy as np\nrng = np.random.default_rng(1)",
        ("out = []\nfor i in range(20):\n    deck = list(range(10))\n    random.shuffle(deck)\n    rng.shuffle(deck)\n"
        "    np.random.shuffle(deck)\n    out.append(deck)"),
    ),
    "own seed": (
        "import random",
        "out = []\nfor i in range(20):\n    random.seed(i)\n    out.append(random.random())",
    ),
    "passes": (
        "import random",
        ("out = []\nturn = 0\nwhile turn < 3:\n    out += [random.random() for _ in range(12)]\n    turn += 1\n"
        "out += [random.random() for _ in range(12)]"),
    ),
    "between": (
        "import random",
        ("a = [random.random() for _ in range(12)]\nx = random.random()\nb = [random.random() for _ in range(12)]\n"
        "y = random.random()"),
    ),
    "break": (
        "import random",
        ("out = []\nfor i in range(50):\n    x = random.random()\n    if x > 0.9:\n        break\n    out.append(x)\n"
        "y = random.random()"),
    ),
    "error": (
        "import random\nimport numpy as np\nrng = np.random.default_rng(3)",
        ("out = []\nfor i in range(50):\n    x = rng.random() + random.random()\n    if x > 1.8:\n"
        "        raise ValueError(x)\n    out.append(x)"),
    ),
    "caught error": (
        "import random",
        ("try:\n    out = [1 / (random.random() < 0.9) for i in range(50)]\nexcept ZeroDivisionError as error:\n"
        "    y = random.random()"),
    ),
    "error of an effect": (
        "import random\ntable = [0] * 19",
        "for i in range(20):\n    x = random.random()\n    table[int(20 * x)] = x",
    ),
    "unsendable": (
        "import random, threading\nlock = threading.Event()",
        "out = [(random.random(), lock.is_set()) for _ in range(12)]",
    ),
    "functions": (
        "import random",
        ("out = sum(map(lambda i: random.random(), range(20)))\nbest = max(random.random() for _ in range(20))\n"
        "kinds = {random.randint(0, 5) for _ in range(20)}"),
    ),
}  # fmt: skip

#: Cells of the table that stay in the kernel under `--seed` as well, and why.
STAY = {"unsendable": "is a Event"}


@pytest.mark.parametrize("name", DRAWING)
def test_numbers_are_the_same_wherever_iterations_run(bench: SeededBench, name: str) -> None:
    """In the kernel, in the pool, on 1, 2 and 3 workers, in chunks of any size, begun here, ended here."""
    setup, cell = DRAWING[name]
    right = bench.run(setup, cell, "seeded kernel")
    for way in SEEDED_WAYS:
        picture = bench.run(setup, cell, way)
        assert not picture.differs_from(right), way
        record = bench.session.last
        assert record is not None
        assert record.seed == 7
        assert any(site.parallel for site in record.sites) == (way != "seeded kernel" and name not in STAY), summary(
            record
        )


@pytest.mark.parametrize("name", DRAWING)
def test_without_a_seed_a_loop_that_draws_stays_serial(bench: SeededBench, name: str) -> None:
    """Refused with the words that help, or seen by a net; with serial's own numbers either way."""
    setup, cell = DRAWING[name]
    verdict = bench.judge(setup, cell)
    assert not verdict.differences
    bench.run(setup, cell, "plain pool")
    record = bench.session.last
    assert record is not None
    assert not any(site.parallel for site in record.sites)
    drawing = [site for site in record.sites if site.code]
    assert drawing
    for site in drawing:
        assert site.code == "random", site.reason
        assert site.reason.endswith(f"; instead: {SEEDED}")
        assert site.seed is None
    assert SEEDED in summary(record)


@pytest.mark.parametrize("way", SEEDED_WAYS)
def test_numbers_are_those_of_the_key(bench: SeededBench, way: str) -> None:
    """Site, pass and iteration are the key; anybody can have the numbers again with numpy alone."""
    setup = "import numpy as np\nrng = np.random.default_rng(1)\nfirst = second = ()"
    cell = "out = []\nwhile len(out) < 2:\n    out.append([rng.random() for _ in range(9)])\nb = [rng.random() for _ in out]"
    bench.run(setup, cell, way)
    for site, turn, drawn in [(0, 0, 0), (0, 1, 1), (1, 0, 2)]:
        drawn_numbers = [*bench.shell.user_ns["out"], bench.shell.user_ns["b"]][drawn]
        for iteration, number in enumerate(drawn_numbers):
            key = np.random.SeedSequence(7, spawn_key=(site, turn, 2, iteration))
            assert number == np.random.default_rng(key).random()


def test_the_kernels_generators_are_as_before_the_cell(bench: SeededBench) -> None:
    """What is drawn after a seeded cell does not hang on it."""
    setup, cell = DRAWING["several"]
    before = bench.run(setup, "pass", "plain")
    for way in SEEDED_WAYS:
        after = bench.run(setup, cell, way)
        assert after.world == before.world
        for name in ("mine", "old", "new", "other"):
            assert repr(after.names[name]) == repr(before.names[name])


def test_the_summary_names_the_seed(bench: SeededBench) -> None:
    """Of sites that drew from streams, and of no others."""
    setup = "import random"
    bench.run(setup, "a = [random.random() for _ in range(9)]\nb = [i * i for i in range(9)]", "seeded pool")
    record = bench.session.last
    assert record is not None
    assert [site.seed for site in record.sites] == [7, None]
    first, second = summary(record).splitlines()
    assert first.endswith("random numbers from the streams of seed 7")
    assert "seed" not in second


def test_a_shuffled_object_of_the_notebook_is_refused(bench: SeededBench) -> None:
    """Drawing is allowed then, changing what outlives the iteration is not."""
    setup = "import random\nimport numpy as np\nrng = np.random.default_rng(1)\ndeck = list(range(50))"
    for call in (
        "random.shuffle(deck)",
        "rng.shuffle(deck)",
        "np.random.shuffle(deck)",
        "(lambda r: r.shuffle(deck))(rng)",
    ):
        cell = f"out = []\nfor i in range(9):\n    {call}\n    out.append(deck[0])"
        right = bench.run(setup, cell, "seeded kernel")
        assert not bench.run(setup, cell, "seeded pool").differs_from(right)
        record = bench.session.last
        assert record is not None
        assert [site.code for site in record.sites] == ["mutates"], call


def test_an_iterable_that_runs_code_keeps_the_cells_own_numbers(bench: SeededBench) -> None:
    """What it draws and what the body draws would get in each other's way; such a loop stays in the kernel."""
    setup = "import random"
    cell = "out = []\nfor x in (random.random() for _ in range(9)):\n    out.append(x + random.random())"
    plain = bench.run(setup, cell, "plain")
    for way in SEEDED_WAYS:
        assert not bench.run(setup, cell, way).differs_from(plain)
