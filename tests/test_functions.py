"""`@mpnb.parallel` in a real kernel with the real pool: what is split, what is said, and where it stays out of the way.

That it gives what the plain function gives is shown in `tests/plan/test_functions.py`, over more than a hundred of them.
"""

from __future__ import annotations

import ast
import re

import pytest

import mpnb
from mpnb.errors import RefusedError

BUSY = """
import mpnb, os, time
def work(x):
    end = time.perf_counter() + {seconds}
    while time.perf_counter() < end:
        pass
    return x * x
"""
SQUARES = """
@mpnb.parallel{options}
def squares(xs):
    out = []
    for x in xs:
        out.append(work(x))
    return out
"""


@pytest.fixture
def loaded(kernel):
    """Give a kernel in which the pool is warm, and a function that takes its time."""
    kernel.check("%load_ext mpnb")
    kernel.check("%%parallel --no-probe --quiet\nwarm = [x for x in range(4)]")
    kernel.check(BUSY.format(seconds=0.02))
    return kernel


def value(kernel, expression):
    """Give the value of an expression, as far as it is a literal."""
    return ast.literal_eval(kernel.value(expression))


def said(result) -> list[str]:
    """Give the lines that mpnb itself showed under a cell."""
    shown = [shown["data"]["text/plain"] for shown in result.displays if "mpnb" in shown["metadata"]]
    return [line for text in shown for line in text.splitlines()]


def split(kernel) -> list[bool]:
    """Tell of each site of the last run whether it was split."""
    return value(kernel, "[site.parallel for site in mpnb.last_run().sites]")


# ------------------------------------------------------------------------------------------------------ what is split


def test_a_loop_that_pays_is_split_and_one_line_says_so(loaded):
    """A call that takes long goes to the pool; the summary is that of a cell, and last_run() is the call's record."""
    loaded.check(SQUARES.format(options=""))
    result = loaded.check("r = squares(range(60))")
    assert value(loaded, "r") == [x * x for x in range(60)]
    assert split(loaded) == [True]
    assert len([line for line in said(result) if line.startswith("[mpnb] out: 60 iterations in ")]) == 1
    assert value(loaded, "mpnb.last_run().status") == "finished"


def test_a_call_in_which_nothing_pays_shows_nothing(loaded):
    """A tiny call has no output, a thousand of them neither, and one line tells how long it took."""
    loaded.check(SQUARES.format(options="").replace("work(x)", "x * x"))
    result = loaded.check("r = [squares(range(2)) for _ in range(1000)]")
    assert (result.stdout, result.stderr, result.displays) == ("", "", [])
    assert split(loaded) == [False]
    assert "too small" in value(loaded, "mpnb.last_run().sites[0].reason")


def test_a_function_called_in_a_loop_does_not_flood_the_cell(loaded):
    """At most three calls of a function are shown in a cell, and in the next one again."""
    loaded.check(SQUARES.format(options="(probe=False)"))
    assert len(said(loaded.check("for _ in range(8):\n    squares(range(4))"))) == 3
    assert len(said(loaded.check("squares(range(4)); None"))) == 1


def test_a_refusal_is_said_where_the_loop_would_have_paid(loaded):
    """One line names line, name and reason, as for a cell."""
    loaded.check(
        "import random\n@mpnb.parallel\ndef draws(n):\n    out = []\n    for i in range(n):\n        work(i)\n"
        "        out.append(random.random())\n    return out"
    )
    lines = said(loaded.check("r = draws(30)"))
    assert len(lines) == 1
    assert lines[0].startswith("[mpnb] line 5 ran serially: `random.random` draws from a random generator"), lines


def test_quiet_and_workers(loaded):
    """quiet=True shows nothing; workers=1 means one."""
    loaded.check(SQUARES.format(options="(probe=False, quiet=True, workers=1)").replace("work(x)", "os.getpid()"))
    result = loaded.check("r = set(squares(range(50)))")
    assert (result.stdout, result.displays) == ("", [])
    assert value(loaded, "len(r), os.getpid() in r") == (1, False)


def test_strict_makes_a_refusal_an_error(loaded):
    """At once where the text of the function says so, else when it is called."""
    result = loaded.run(
        "@mpnb.parallel(strict=True)\ndef carried(xs):\n    a = 0\n    for x in xs:\n        a = x - a\n    return a"
    )
    assert result.ename == "RefusedError"
    assert "carried: line 5: `a` is read" in result.evalue
    loaded.check(
        "seen = []\ndef see(x):\n    seen.append(x)\n"
        "@mpnb.parallel(strict=True)\ndef looks(xs):\n    return [see(x) for x in xs]"
    )
    result = loaded.run("looks(range(3))")
    assert result.ename == "RefusedError"
    assert "`seen` is changed inside the iteration" in result.evalue


def test_what_can_not_be_split_is_warned_of_once_and_runs(loaded):
    """A generator, or a function without a loop that can be split, stays what it is."""
    for body, why in [("yield from xs", "is a generator"), ("while xs: xs = xs[1:]", "while loops stay serial")]:
        result = loaded.check(f"@mpnb.parallel\ndef f(xs):\n    {body}\nr = list(f([1, 2]) or ())")
        assert "UserWarning: [mpnb] f stays serial: line " in result.stderr
        assert why in result.stderr
    assert value(loaded, "hasattr(f, '__wrapped__')") is False


# ------------------------------------------------------------------------------------------- where it stays out of it


def test_one_level_is_split(loaded):
    """What a split loop calls is not split again: neither in the worker nor in the kernel, with `%%parallel` or not."""
    loaded.check(SQUARES.format(options="(probe=False)").replace("work(x)", "(x, os.getpid())"))
    loaded.check("@mpnb.parallel(probe=False)\ndef table(n):\n    return [squares(range(n)) for _ in range(n)]")
    loaded.check("r = table(5)")
    loaded.check("%%parallel --no-probe\ns = [squares(range(5)) for _ in range(6)]")
    for name in "rs":  # each inner call in one process, which is not this one
        assert value(loaded, f"[len({{pid for _, pid in row}} - {{os.getpid()}}) for row in {name}]") == [1] * (
            5 if name == "r" else 6
        )
    loaded.check("%%parallel\nt = [squares(range(5)) for _ in range(6)]")  # tiny: in the kernel
    assert value(loaded, "{pid for row in t for _, pid in row} == {os.getpid()}") is True


def test_a_marked_cell_that_calls_it_has_its_loops_split(loaded):
    """`%%parallel` above a cell whose one statement is the call."""
    loaded.check(SQUARES.format(options="(probe=False)").replace("work(x)", "os.getpid()"))
    loaded.check("%%parallel\nr = squares(range(20))")
    assert value(loaded, "os.getpid() in r") is False
    assert split(loaded) == [True]


def test_in_a_thread_it_is_the_plain_function(loaded):
    """Only the main thread may wait for the pool."""
    loaded.check(SQUARES.format(options="(probe=False)").replace("work(x)", "os.getpid()"))
    loaded.check("from concurrent.futures import ThreadPoolExecutor as Threads")
    loaded.check("with Threads(2) as threads:\n    r = list(threads.map(squares, [range(5)] * 4))")
    assert value(loaded, "{pid for row in r for pid in row} == {os.getpid()}") is True


def test_workers_get_it_without_the_kernel_s_rooms(loaded):
    """A decorated function is sent like any other, and a worker does not import what only the kernel needs."""
    loaded.check(SQUARES.format(options="").replace("work(x)", "x + 1"))
    loaded.check(
        "import sys\ndef inside(x):\n    return squares([x]), [n for n in sys.modules if n.startswith('mpnb.')]\n"
        "with mpnb.Pool(2) as pool:\n    r = pool.map(inside, range(4))"
    )
    assert value(loaded, "[result for result, _ in r]") == [[x + 1] for x in range(4)]
    rooms = {room for _, rooms in value(loaded, "r") for room in rooms}
    assert "mpnb.serial" in rooms
    assert not rooms & {"mpnb.functions", "mpnb.session", "mpnb.plan", "mpnb.view"}


def test_before_the_extension_is_loaded_it_is_the_plain_function(kernel):
    """Decorated first and loaded later is as good as the other way round."""
    kernel.check("import mpnb, os" + SQUARES.format(options="(probe=False)").replace("work(x)", "os.getpid()"))
    assert value(kernel, "set(squares(range(4))) == {os.getpid()}") is True
    kernel.check("%load_ext mpnb")
    assert value(kernel, "os.getpid() in squares(range(4))") is False


# ----------------------------------------------------------------------------------------------------- how it is left


def test_an_error_shows_the_notebook_s_own_lines(loaded):
    """The traceback names the function and its line, and no frame between the call and the line is mpnb's."""
    loaded.check(SQUARES.format(options="(probe=False)").replace("work(x)", "1 / (5 - x)"))
    result = loaded.run("squares(range(9))")
    assert result.ename == "ZeroDivisionError"
    shown = re.sub(r"\x1b\[[0-9;]*m", "", result.traceback)
    assert "in squares(xs)" in shown
    assert re.search(r"-> \d+ +out\.append\(1 / \(5 - x\)\)", shown), shown
    assert "/mpnb/" not in shown
    assert "in iteration 6 of 9, item 5" in shown
    assert value(loaded, "mpnb.last_run().status") == "failed"


def test_an_interrupt_ends_the_call(loaded):
    """It is raised in the function, which may catch it, between two iterations; the pool goes on."""
    loaded.check(
        "@mpnb.parallel\ndef f(n, out):\n    try:\n        for x in range(n):\n            y = work(x)\n"
        "            out.append(x)\n    except KeyboardInterrupt:\n        return x, y, len(out)\n    return 'all'"
    )
    request = loaded.submit("out = []\nprint('go', flush=True)\nr = f(2000, out)")
    request.wait_for_stdout("go")
    request.wait_for_display()  # the panel, once the pool has been at work for a while
    loaded.interrupt()
    assert request.result().status == "ok"
    x, y, done = value(loaded, "r")
    assert 0 < done < 2000
    assert (x, y) == (done - 1, (done - 1) ** 2)
    assert value(loaded, "out == list(range(len(out)))") is True
    assert value(loaded, "f(20, [])") == "all"


def test_deep_recursion_costs_no_frame(loaded):
    """A decorated function recurses as deep as the plain one."""
    loaded.check(
        "import sys\n@mpnb.parallel\ndef deep(n):\n    own = [i for i in range(2)]\n"
        "    return deep(n - 1) + 1 if n else len(own)\nsys.setrecursionlimit(1000)"
    )
    assert value(loaded, "deep(900)") == 902


# ------------------------------------------------------------------------------------------------------- its arguments


@pytest.mark.parametrize("workers", [0, -1, 2.0, True, "2", 5000])
def test_workers_must_be_a_number_of_workers(workers):
    """A wrong option is an error at once."""
    with pytest.raises(ValueError, match="workers must be a whole number from 1 to 1024, was "):
        mpnb.parallel(workers=workers)


def test_it_is_put_on_functions():
    """A class, or what another decorator has made of a function, is an error that says what to do."""
    with pytest.raises(TypeError, match="is put on a function, not on type 'list': put it below the others"):
        mpnb.parallel(list)


def test_a_function_of_a_module_stays_as_it_is():
    """Only the notebook's own are split: a warning says so, or an error where that was asked for."""

    def of_this_module(xs):
        return [x + 1 for x in xs]

    with pytest.warns(UserWarning, match=r"of_this_module stays serial: .* only functions of the notebook are split"):
        assert mpnb.parallel(of_this_module) is of_this_module
    with pytest.raises(RefusedError, match="only functions of the notebook"):
        mpnb.parallel(strict=True)(of_this_module)
