"""How a function scales: laws are found again in points that follow them, and a real function is measured."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

import mpnb
from mpnb.laws import Law, Point, Scaling, find_knee, fit

mpl.use("agg")
COUNTS = (1, 2, 3, 4, 6, 8, 12, 16)


def measured(law: Law, noise: float = 0.0, seed: int = 0) -> Scaling:
    """What `scaling` would have found where speedups follow a law, but for noise."""
    rng = random.Random(seed)
    points = [
        Point(n, tuple(10 / law(n) * (1 + rng.uniform(-noise, noise)) for _ in range(3)), serial_s=10.0) for n in COUNTS
    ]
    return Scaling("work", 100, (10.0, 10.0, 10.0), tuple(points))


def cell(source: str) -> Callable[[Any], Any]:
    """The function `f` that a cell with this source leaves in a notebook."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "<cell>", "exec"), names)
    return names["f"]


@pytest.mark.parametrize(
    "law",
    [
        Law(1.0, 0.0),
        Law(0.95, 0.05),
        Law(1.0, 0.3),
        Law(0.9, 0.02, 0.003),
        Law(1.0, 0.0, 0.01),
        Law(0.98, 0.1, 0.0005),
    ],
    ids=str,
)
def test_a_law_is_found_again(law):
    """Points that follow a law give its parameters; Amdahl's has no coherence."""
    found = measured(law)

    assert found.usl is not None
    assert found.usl.gain == pytest.approx(law.gain, rel=1e-6)
    assert found.usl.contention == pytest.approx(law.contention, abs=1e-6)
    assert found.usl.coherence == pytest.approx(law.coherence, abs=1e-6)
    assert found.amdahl is not None
    assert found.amdahl.coherence == 0
    if not law.coherence:
        assert found.amdahl.contention == pytest.approx(law.contention, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_noise_moves_a_law_a_little(seed):
    """With 3 % of noise the parameters stay near, none is below 0, and the curve is near the points."""
    law = Law(0.97, 0.04, 0.001)
    found = measured(law, 0.03, seed)

    assert found.usl is not None
    assert min(found.usl.contention, found.usl.coherence) >= 0
    assert found.usl.contention == pytest.approx(law.contention, abs=0.03)
    for point in found.points:
        assert found.usl(point.workers) == pytest.approx(law(point.workers), rel=0.06)


def test_better_than_linear_is_no_negative_share():
    """Superlinear speedups, from more cache say, leave a serial share of 0."""
    found = fit([(n, n**1.1) for n in COUNTS], with_coherence=True)

    assert found is not None
    assert (found.contention, found.coherence) == (0, 0)


@pytest.mark.parametrize(
    ("count", "amdahl", "usl"), [(1, False, False), (2, True, False), (3, True, False), (4, True, True)]
)
def test_few_points_have_no_law(count, amdahl, usl):
    """A law needs more points than it has parameters, or as many and no noise: two for Amdahl's, four for USL."""
    points = [(n, 0.9 * n) for n in range(1, count + 1)]

    assert (fit(points, with_coherence=False) is not None, fit(points, with_coherence=True) is not None) == (
        amdahl,
        usl,
    )


@pytest.mark.parametrize(
    ("law", "knee"),
    [
        pytest.param(Law(1.0, 0.0), None, id="each adds a core"),
        pytest.param(Law(1.0, 1.0), 1, id="all of it is serial"),
        pytest.param(Law(0.4, 0.0), 1, id="each adds 0.4 of a core"),
        pytest.param(Law(1.0, 0.1), 4, id="3.08 on four, 3.57 on five"),
        pytest.param(Law(1.0, 0.0, 0.02), 4, id="3.23 on four, 3.57 on five"),
        pytest.param(Law(1.0, 0.01), None, id="13.9 on sixteen"),
    ],
)
def test_the_knee_is_the_last_that_adds_half_a_core(law, knee):
    """One more than the knee adds less than half a core; where all that were measured do more, there is none."""
    assert find_knee(law, COUNTS) == knee


def test_most_is_the_top_of_the_curve():
    """The largest speedup that a law allows."""
    assert Law(1.0, 0.1).most == pytest.approx(10)
    assert math.isinf(Law(1.0, 0.0).most)
    law = Law(0.9, 0.02, 0.003)
    assert law.most == pytest.approx(max(law(n) for n in range(1, 200)))


def test_it_says_what_it_found():
    """In text: points with their noise, both laws with their parameters, the knee."""
    text = repr(measured(Law(0.95, 0.08, 0.002), 0.02))

    assert text.startswith("work for 100 items, 10 s serially")
    assert "   8 workers" in text
    assert "Amdahl: serial share" in text
    assert "USL: contention" in text
    assert "the knee is at" in text
    assert "no knee up to 16 workers" in repr(measured(Law(0.95, 0.0)))


@pytest.mark.parametrize("law", [Law(0.95, 0.08, 0.002), Law(1.0, 0.0)], ids=str)
def test_it_is_drawn_into_the_axes_it_is_given(law):
    """Axes in, axes out, with a question as their title, units, and everything in the legend."""
    ax = Figure().subplots()
    found = measured(law, 0.02)

    assert found.plot(ax) is ax
    assert ax.get_title().endswith("?")
    assert [text.get_text().split(":")[0] for text in ax.get_legend().get_texts()] == [
        "ideal", "Amdahl", "USL", "measured",
    ]  # fmt: skip
    assert any("knee" in text.get_text() for text in ax.texts) == (found.knee is not None)


def test_a_function_is_measured():
    """Each number of workers is measured as often as said, with the function's own results thrown away."""
    found = mpnb.scaling(cell("def f(n): return sum(i * i for i in range(n))"), [60_000] * 12, workers=[2, 1], repeat=2)

    assert [point.workers for point in found.points] == [1, 2]
    assert [len(point.seconds) for point in found.points] == [2, 2]
    assert len(found.serial_s) == 4
    assert 0.2 < found.points[0].speedup < 1.3
    assert found.points[0].range[0] <= found.points[0].speedup <= found.points[0].range[1]
    assert found.amdahl is not None
    assert found.usl is None


def test_an_error_of_the_function_is_raised():
    """What the function raises comes out, as from the serial loop."""
    with pytest.raises(ZeroDivisionError):
        mpnb.scaling(cell("def f(x): return 1 / x"), [1, 0], workers=[1])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"xs": []}, "xs must have an item or more, was empty"),
        ({"workers": []}, r"workers must be numbers of 1 or more, were \[\]"),
        ({"workers": [0, 2]}, r"workers must be numbers of 1 or more, were \[0, 2\]"),
        ({"repeat": 0}, "repeat must be 1 or more, was 0"),
    ],
)
def test_what_can_not_be_measured_is_said(options, words):
    """A wrong value is named, with what is allowed."""
    with pytest.raises(ValueError, match=words):
        mpnb.scaling(abs, **{"xs": [1], **options})


def test_measuring_libraries_are_imported_only_to_fit_and_draw():
    """`import mpnb` and the name `scaling` cost neither numpy nor matplotlib."""
    code = "import sys, mpnb; mpnb.scaling; print({'numpy', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout == "set()\n"
