"""Which generators a loop may draw from: too many only cost time, one too few keeps the loop in the kernel."""

from __future__ import annotations

import ast
import random
import sys
import types
from typing import Any

import numpy as np
import pytest

from mpnb import plan
from mpnb.streams import MOST, NUMPY, PYTHON, SHARED


def draws(cell: str, leaves: tuple[object, ...] = (), **names: Any) -> plan.Draws:
    """What the first site of a cell may draw from."""
    space = {"__name__": "__main__", "random": random, "np": np, **names}
    loop = plan.read_cell(ast.parse(cell)).sites[0].loop
    assert loop is not None
    return plan.find_draws(plan.make_task(loop, "<cell>", plan.Space(space)), leaves)


#: cell, the shared generators that it may draw from
SHARED_ONES = [
    ("r = [i * i for i in range(3)]", ()),
    ("r = [str(i).upper().split() for i in range(3)]", ()),
    ("r = [np.sin(i).sum() for i in range(3)]", ()),
    ("r = [np.linalg.norm([i]) for i in range(3)]", ()),
    ("for i in range(3):\n    print(i, sorted([i]), round(i / 3, 2))", ()),
    ("r = [random.random() for i in range(3)]", (PYTHON,)),
    ("r = [np.random.normal() for i in range(3)]", (NUMPY,)),  # though `random` is a name of the notebook, too
    ("r = [np.random.normal() + random.random() for i in range(3)]", SHARED),
    ("r = [np.random.normal() for i in range(3) if list(random.random() for _ in [i])]", SHARED),
    ("r = [imports() for i in range(3)]", (PYTHON,)),
    ("r = [[i].library for i in range(3)]", SHARED),  # an attribute that nobody knows
    ("r = [box.random() for i in range(3)]", ()),
    ("r = [numpy_random.normal() for i in range(3)]", (NUMPY,)),
    ("r = [numpy_random.default_rng(i).normal() for i in range(3)]", (NUMPY,)),
    ("r = [normal() for i in range(3)]", (NUMPY,)),
    ("r = [gauss(0, 1) for i in range(3)]", (PYTHON,)),
    ("r = [partly() for i in range(3)]", (PYTHON,)),
    ("r = [model.rvs() for i in range(3)]", SHARED),
    ("r = [frame.sample(3) for i in range(3)]", SHARED),
    ("r = [library.thing(i) for i in range(3)]", SHARED),
]


@pytest.mark.parametrize(("cell", "shared"), SHARED_ONES, ids=[row[0] for row in SHARED_ONES])
def test_shared_generators(cell: str, shared: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain Python and numpy draw from none; a method that nobody knows may draw from both."""
    library = types.ModuleType("some_library")
    library.__file__ = pytest.__file__
    monkeypatch.setitem(sys.modules, "some_library", library)
    names = {"normal": np.random.normal, "gauss": random.gauss, "partly": random.random, "library": library}
    notebook: dict[str, Any] = {"__name__": "__main__", "random": random}
    exec("def imports():\n    import random\n    return random.random()", notebook)
    names |= {"numpy_random": np.random, "box": [1], "imports": notebook["imports"]}
    assert draws(cell, **names).shared == shared


def test_generators_of_the_notebook_are_found_wherever_they_hang() -> None:
    """In names, containers, attributes, slots, closures, defaults, bound methods and items; each once."""
    rngs = [np.random.default_rng(i) for i in range(9)]

    class Held:
        def __init__(self, rng: object) -> None:
            self.rng = rng

    class Slotted:
        __slots__ = ("other", "rng")

        def __init__(self, rng: object) -> None:
            self.rng = rng

    def closed(i: int, held: object = rngs[0]) -> object:
        return rngs[1], held, i

    names = {
        "a": rngs[2], "b": {"x": [rngs[3], rngs[2]]}, "c": Held((rngs[4],)), "d": Slotted(rngs[5]),
        "e": rngs[6].normal, "f": closed, "unused": np.random.default_rng(9),
    }  # fmt: skip
    found = draws("r = [(a, b, c, d, e(), f(i)) for i in range(3)]", ([rngs[7]], rngs[8]), **names)
    assert {id(each) for each in found.generators} == {id(each) for each in rngs}
    assert len(found.generators) == 9
    again = draws("r = [(f(i), e(), d, c, b, a) for i in range(3)]", ([rngs[7]], rngs[8]), **names)
    assert list(map(id, again.generators)) == list(map(id, found.generators))  # whatever the order in the text


def test_looking_is_bounded() -> None:
    """Long data is not gone through, and no more generators are seeded than can be in an iteration."""
    rngs = [random.Random(i) for i in range(MOST + 5)]
    found = draws("r = [(xs, rngs) for i in range(3)]", xs=list(range(10**6)), rngs=rngs)
    assert len(found.generators) == MOST
    assert found.many


def test_what_resists_being_looked_at_is_left_alone() -> None:
    """No code of the user's is run."""

    class Shy:
        def __getattribute__(self, name: str) -> object:
            raise AssertionError(name)

    assert not draws("r = [shy for i in range(3)]", shy=Shy())
