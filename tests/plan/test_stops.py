"""A loop that ends early, at a random iteration: by an interrupt, an exception or a `break`. The state is serial's.

The long run, 500 tries each: python -m pytest tests/plan/test_stops.py --full
"""

from __future__ import annotations

import random
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from differ import Bench, Picture

pytestmark = pytest.mark.filterwarnings("default")

SETUP = """
import os, sys, time
from collections import Counter
import numpy as np
class Odd(Exception):
    pass
def work(x):
    if busy: time.sleep(busy)
    return [x, x * x]
def save(folder, i, x):
    os.makedirs(folder, exist_ok=True)
    with open(f'{folder}/{i % 4}', 'w') as f:
        f.write(str(x))
def ever(i):
    yield i
def fails(x, k):
    if x == k: raise Odd('deep', x)
    return x
out, also, found, seen, counts, nested = [], [], {}, set(), Counter(), [0] * 5
total, text, acc, w = 0.0, '', np.zeros(3), 'old'
"""
PIECES = (
    "u = [t, i]", "total += 0.1 * x", "found[str(x)] = t", "acc += 0.1", "text += str(x)", "seen.add(x)", "print(i, x)",
    "if x % 3 == 0: w = [x]", "counts[x % 4] += 1", "v = np.full(2, x)", "also += [t]", "print(x, file=sys.stderr)",
    "open(f'{i}.txt', 'w').write(str(t))", "open('last.txt', 'w').write(str(x))", "save('folder', i, x)",
    "nested[i % 5] = t", "t = [t]", "also.append(t)", "for k in range(x % 3): also.append(k)", "t.append(i)", "acc[i % 3] = x",
)  # fmt: skip
TRIES = pytest.mark.parametrize(
    "tries", [pytest.param(25, id="some"), pytest.param(500, id="many", marks=pytest.mark.full)]
)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """A shell with mpnb loaded and two workers."""
    bench = Bench()
    yield bench
    bench.close()


def a_body(chance: random.Random, stop: str) -> list[str]:
    """The statements of a loop, `stop` among them."""
    pieces = chance.sample(PIECES, chance.randint(2, 6))
    pieces.insert(chance.randint(0, len(pieces)), "out.append((i, t))")
    if stop:
        pieces.insert(chance.randint(0, len(pieces)), stop)
    return ["t = work(x)", *pieces]


def a_loop(body: list[str], ending: str = "") -> str:
    """A cell with one loop."""
    return "for i, x in enumerate(xs[:limit]):\n" + "".join(f"    {line}\n" for line in body) + ending


@TRIES
@pytest.mark.parametrize("kind", ["exception", "break"])
def test_a_loop_that_ends_early_leaves_what_serial_leaves(bench: Bench, kind: str, tries: int) -> None:
    """At any iteration and any statement, wherever the iterations before it ran."""
    split = 0
    for number in range(tries):
        chance = random.Random(f"{kind} {number}")
        count = chance.choice([3, 12, 12, 40])
        k = chance.randrange(count)
        stops = {
            "exception": (f"if i == {k}: raise Odd(i, x)", f"fails(i, {k})", f"t = 1 / (i - {k})", f"assert i != {k}, x",
                          f"t = [1] * {k} and [5][i - {k} == 0] if i == {k} else t", f"found[i // {k + 1}] = {{}}[x] if i == {k} else 1"),
            "break": (f"if i == {k}: break", f"if i >= {k}:\n        w = 'end'\n        break", f"if i == {k}:\n        print('last')\n        break"),
        }  # fmt: skip
        body = a_body(chance, chance.choice(stops[kind]))
        cell = a_loop(body, chance.choice(["", "else:\n    done = True\n"]))
        verdict = bench.judge(f"{SETUP}busy = 0; limit = None\nxs = list(range(3, {count + 3}))", cell)
        assert not verdict.differences, f"try {number}:\n{cell}"
        split += verdict.split
    assert split >= tries // 2


@dataclass
class Interrupted:
    """A run of a cell that a SIGINT met, and how many of its iterations took effect."""

    picture: Picture | None
    done: int = 0


def interrupt(bench: Bench, setup: str, cell: str, after_s: float, way: str = "pool") -> Interrupted:
    """Run a cell in the pool; a real SIGINT reaches the main thread so long after it has begun."""
    over = threading.Event()

    def send() -> None:
        while not bench.session.running:
            if over.wait(0.0005):
                return
        if not over.wait(after_s):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    sender = threading.Thread(target=send)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sender.start()
        picture = bench.run(setup, cell, way)
        over.set()
        sender.join()
    except KeyboardInterrupt:  # it came before the cell's own statements began, or after they had ended
        return Interrupted(None)
    finally:
        over.set()
        sender.join()
        signal.signal(signal.SIGINT, handler)
    return Interrupted(picture, len(bench.shell.user_ns["out"]))


#: Iterations that the kernel itself runs in each way, and in which an interrupt is that of a serial loop.
OWN = {"pool": 0, "watched mixed": 3}


@TRIES
@pytest.mark.parametrize("way", OWN)
def test_an_interrupt_leaves_the_state_between_two_iterations(bench: Bench, way: str, tries: int) -> None:
    """All effects of the iterations before it and none of the others, temporaries and prints included."""
    met = amid = 0
    for number in range(tries):
        chance = random.Random(f"interrupt {number}")
        count = chance.choice([20, 60])
        cell = a_loop(a_body(chance, ""))
        busy = chance.choice([0, 0.001, 0.003])
        setup = f"{SETUP}busy = {busy}\nxs = list(range(3, {count + 3}))\n"
        run = interrupt(bench, setup + "limit = None", cell, chance.uniform(0, 0.01 + count * busy / 2), way)
        if run.picture is None or "KeyboardInterrupt" not in run.picture.error:
            continue
        met += 1
        if run.done <= OWN[way] and OWN[way]:
            continue
        amid += 0 < run.done < count
        serial = bench.run(f"{setup}limit = {run.done}", cell, "plain")
        differences = [line for line in run.picture.differs_from(serial) if not line.startswith(("limit:", "error:"))]
        assert not differences, f"try {number}, after {run.done} of {count} iterations:\n{cell}"
    assert met >= tries // 3
    assert amid >= tries // 10


LONG = pytest.mark.parametrize(
    "tries", [pytest.param(4, id="some"), pytest.param(80, id="many", marks=pytest.mark.full)]
)


@LONG
@pytest.mark.parametrize("kept", ["t", "large", "unsendable"])
def test_an_interrupt_of_long_iterations_leaves_the_state_between_two_of_them(
    bench: Bench, kept: str, tries: int
) -> None:
    """What every iteration sets is that of the last one that took effect, also where it takes a tenth of a second."""
    extra = {"t": "", "large": "big = np.full(1 << 18, i)", "unsendable": "later = ever(i)"}[kept]
    met = amid = 0
    for number in range(tries):
        chance = random.Random(f"long {kept} {number}")
        cell = a_loop([*a_body(chance, ""), *([extra] if extra else [])])
        setup = f"{SETUP}busy = {chance.choice([0.06, 0.12])}\nxs = list(range(3, 15))\n"
        run = interrupt(bench, setup + "limit = None", cell, chance.uniform(0.1, 0.5))
        if run.picture is None or "KeyboardInterrupt" not in run.picture.error:
            continue
        met += 1
        amid += 0 < run.done < 12
        serial = bench.run(f"{setup}limit = {run.done}", cell, "plain")
        aside = ("limit:", "error:")
        if kept == "unsendable" and run.picture.names.get("i") == f"int:{run.done}":
            # The kernel runs such an iteration again, and is interrupted in its `work`, as a serial loop is.
            aside += ("i:", "x:")
        differences = [line for line in run.picture.differs_from(serial) if not line.startswith(aside)]
        assert not differences, f"try {number}, after {run.done} of 12 iterations:\n{cell}"
    assert met >= tries // 2
    assert amid >= tries // 4


@TRIES
def test_an_interrupted_comprehension_leaves_its_name_as_it_was(bench: Bench, tries: int) -> None:
    """What it printed are the prints of its first iterations, each whole."""
    met = 0
    for number in range(tries):
        chance = random.Random(f"comprehension {number}")
        cell = chance.choice(
            ["r = [(print('a', x), work(x), print('b', x)) for x in xs]", "r = {x: (print('a', x), work(x), print('b', x)) for x in xs}",
             "r = sum(len((print('a', x), work(x), print('b', x))) for x in xs)"]
        )  # fmt: skip
        run = interrupt(bench, f"{SETUP}busy = 0.002; r = 'old'; xs = list(range(40))", cell, chance.uniform(0, 0.05))
        if run.picture is None or "KeyboardInterrupt" not in run.picture.error:
            continue
        met += 1
        assert run.picture.names["r"] == "'old'"
        lines = run.picture.output.replace("<out>", "").splitlines()
        assert lines == [f"{letter} {x}" for x in range(len(lines) // 2) for letter in "ab"]
    assert met >= tries // 3
