"""`%parallel` as a line: `on`, `off`, one expression; every cell here goes through a real kernel."""

from __future__ import annotations

import ast
import re

import pytest

PLAIN = "pass"  # stands where %parallel on stands in the other kernel, so that the cells have the same numbers
ON = "%parallel on -n 2 --no-probe --quiet"
SPLIT = "_sites()"
SHOWN = "status stdout stderr result paged ename evalue traceback execution_count".split()


@pytest.fixture
def loaded(kernel):
    """Give a kernel in which the magic is there."""
    kernel.check("%load_ext mpnb")
    kernel.check("import mpnb\ndef _sites():\n    return [(s.line, s.parallel) for s in mpnb.last_run().sites]")
    return kernel


def value(kernel, expression):
    """Give the value of an expression, as far as it is a literal."""
    return ast.literal_eval(kernel.value(expression))


def mine(result) -> list[str]:
    """Give what mpnb displayed."""
    return [shown["data"]["text/plain"] for shown in result.displays if "mpnb" in shown["metadata"]]


def steady(text: str) -> str:
    """Take out colours, times and addresses, and the lines that `%time` adds where compiling took long."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.sub(r"Cell In\[\d+\]|/tmp/\S+|0x[0-9a-f]+|at 0x\S+", "…", text)
    text = re.sub(r"\n +\[\.\.\. skipping hidden \d+ frame\]\n", "", text)
    text = re.sub(r"^(Compiler|Parser) *: .*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"[\d.]+(e\+\d+)? (ns|[µμ]s|ms|s)\b", "…", text)


# Each runs in a kernel after `%parallel on` and in one without it; all that a front end gets is the same. Whether the
# cell's loops are split: None where that does not matter.
CELLS = [
    ("import asyncio\nimport time\nseen = []\ndef f(x):\n    return x * x", None),
    ("[f(x) for x in range(4)]", True),
    ("[f(x) for x in range(4)];", True),
    ("_", None),
    ("r = [f(x) for x in range(4)]\nr", True),
    ("Out[2], _ == Out[3] or _ == r", None),
    ("for x in range(3):\n    print('line', x)\n    seen.append(x)\nprint(seen, x)", True),
    ("total = 0\nfor x in range(3):\n    total = total * 2 + x\ntotal", False),
    ("!echo from the shell", None),
    ("words = !echo one two\n[w.upper() for w in list(words)]", True),
    ("f?", None),
    ("%time r = [f(x) for x in range(5)]", None),
    ("%timeit -n1 -r1 -q [f(x) for x in range(5)]", None),
    ("%%time\nr = [f(x) for x in range(6)]\nr", True),
    ("%%timeit -n1 -r1 -q\n[f(x) for x in range(6)]", None),
    ("%%capture got\nfor x in range(3):\n    print('caught', x)", True),
    ("got.stdout", None),
    ("%%bash\nfor x in 1 2; do echo $x; done", None),
    ("%%writefile made.txt\n[x for x in range(3)]", None),
    ("%%python\nprint([x for x in range(3)])", None),
    ("%run made.txt", None),
    ("%%parallel --no-probe --quiet\n[f(x) for x in range(7)]", True),
    ("async def later(x):\n    await asyncio.sleep(0)\n    return x + 1", None),
    ("a = await later(1)\nr = [f(x) for x in range(3)]\na, r", True),
    ("[await later(x) for x in range(3)]", None),
    ("async with asyncio.timeout(5):\n    r = [f(x) for x in range(3)]\nr", None),
    ("if r:\n    with open('made.txt') as lines:\n        r = [f(x) for x in range(3)]", True),
    ("seen = []\nfor x in range(9):\n    seen.append(12 // (x - 5))", True),
    ("seen, x", None),
    ("[1 // (x - 2) for x in range(4)]", True),
    ("def g():\n    return [f(x) for x in range(3)]\ng()", None),
    ("class C:\n    rows = [x for x in range(3)]\nC.rows", None),
    ("for x in range(3)\n    pass", None),
    ("1 // 0", None),
    ("", None),
    ("   \n", None),
    ("# only a comment", None),
    ("get_ipython().run_cell('inner = [f(x) for x in range(3)]; inner')\nouter = [f(x) for x in inner]\nouter", None),
    ("get_ipython().run_cell('')\n[f(x) for x in range(3)]", None),
    ("globals()['r'] = [f(x) for x in range(3)]\nr", None),
    ("%%script cat\n[x for x in range(3)]", None),
    ("from IPython.display import HTML, display\nfor x in range(2):\n    display(HTML(f'<b>{x}</b>'))", None),
    ("sorted(n for n in globals() if n.strip('_') and n.strip('_')[0] != 'i')", None),
]


def test_cells_are_as_without_it(start_kernel):
    """After `%parallel on`, whatever a cell shows, gives, keeps or raises is what it does without, split or not."""
    plain, marked = start_kernel(), start_kernel()
    for kernel in (plain, marked):
        kernel.check("%load_ext mpnb")
    plain.check(PLAIN)
    marked.check(ON)
    watch = "import mpnb as _m, mpnb.session as _s\nif _s._sessions:\n    _s._sessions[0].last = None"
    for cell, split in CELLS:
        for kernel in (plain, marked):
            kernel.submit(watch, store_history=False).result()
        alone, split_one = plain.run(cell), marked.run(cell)
        for field in SHOWN:
            here, there = getattr(split_one, field), getattr(alone, field)
            if isinstance(here, str):
                here, there = steady(here), steady(there)
            elif isinstance(here, dict):
                here, there = ({kind: steady(text) for kind, text in each.items()} for each in (here, there))
            if field == "traceback" and split:  # its frames are tested in test_magic
                continue
            assert here == there, (cell, field)
        assert [d["data"] for d in split_one.displays] == [d["data"] for d in alone.displays], cell
        if split is not None:
            asked = marked.submit(
                "print(any(s.parallel for s in _m.last_run().sites) if _m.last_run() else False)", store_history=False
            )
            assert asked.result().stdout == f"{split}\n", cell


SLOW = "import time\ndef slow(x):\n    time.sleep(0.012)\n    return x * x\ndef bad(x):\n    time.sleep(0.012)\n    return 12 // (x - 20)"
# Each of these loops takes a third of a second; what it leaves and shows is that of the plain cell, and whether it is split.
LONG = [
    ("out = []\nfor x in range(25):\n    out.append(slow(x))\nout, x", True),
    ("for x in range(25):\n    y = slow(x)\nelse:\n    print('to the end', x, y)", True),
    ("for x in range(25):\n    if slow(x) > 500:\n        break\nelse:\n    print('to the end')\nx", True),
    ("for x in range(2):\n    if x:\n        break\nelse:\n    print('to the end')", False),
    ("for x in range(2):\n    pass\nelse:\n    print('to the end')", False),
    ("r = [slow(x) for x in range(25)]\nr", True),
    ("[slow(x) for x in range(25)]", True),
    ("{slow(x): n for n, x in enumerate(range(25))}", True),
    ("sorted({slow(x) for x in range(25)})", True),
    ("sum(slow(x) for x in range(25)) / 2", True),
    ("list(map(slow, range(25)))", True),
    ("from collections import Counter\nCounter(slow(x) % 7 for x in range(25))", True),
    ("t = 0\nfor k in range(3):\n    t = t * 2 + 1\n    r = [slow(x) + k for x in range(25)]\nt, r", True),
    (
        "t = 0\nfor k in range(20):\n    t = t * 2 + 1\n    r = [slow(x) + k for x in range(9 if k == 3 else 1)]\nt, r",
        None,
    ),
    (
        "t = 0\nfor k in [1]:\n    t = t * 2 + 1\n    for x in range(25):\n        y = slow(x) + k\nelse:\n    print('to the end')\nt, y",
        True,
    ),
    ("t = 1\nfor x in range(25):\n    t = t * 2 + slow(x)\nt", False),
    ("out = []\nfor x in range(25):\n    out.append(x)\n    bad(x)", True),
    ("out, x", None),
    ("[bad(x) for x in range(25)]", True),
    ("r = [\n    bad(x)\n    for x in range(25)\n]", True),
    ("{\n    x: bad(x)\n    for x in range(25)\n}", True),
    ("sum(\n    bad(x)\n    for x in range(25)\n)", True),
    ("for x in 5:\n    pass", False),
    ("%%time\nout = []\nfor x in range(25):\n    out.append(slow(x))\nlen(out)", True),
]


def test_long_loops_are_as_without_it(start_kernel):
    """A loop that proves long is split from where it has got to; its tracebacks show the notebook's lines alone."""
    plain, marked = start_kernel(), start_kernel()
    for kernel, line in ((plain, PLAIN), (marked, "%parallel on -n 2 --quiet")):
        kernel.check(f"%load_ext mpnb\nimport mpnb\n{SLOW}")
        kernel.check("%%parallel --no-probe --quiet\n[x for x in range(2)]")  # the pool is up
        kernel.check(line)
    for cell, split in LONG:
        alone, split_one = plain.run(cell), marked.run(cell)
        for field in SHOWN:
            here, there = getattr(split_one, field), getattr(alone, field)
            if isinstance(here, str):
                here, there = (re.sub(r"\nin iteration 21 of 25, item 20", "", steady(each)) for each in (here, there))
            elif isinstance(here, dict):
                here, there = ({kind: steady(text) for kind, text in each.items()} for each in (here, there))
            assert here == there, (cell, field)
        said = "any(s.parallel for s in mpnb.last_run().sites), [n for n in list(vars()) if '_mpnb' in n]"
        asked = marked.submit(f"print({said})", store_history=False).result().stdout
        assert asked in ({f"{split} []\n"} if split is not None else {"True []\n", "False []\n"}), cell


def test_a_function_called_in_a_loop_that_stays_serial_is_split(loaded):
    """A loop that is not planned yet does not keep `@mpnb.parallel` from splitting what it calls."""
    loaded.check("%parallel on -n 2")
    loaded.check(
        "@mpnb.parallel(probe=False, quiet=True)\ndef step(t):\n    seen = [x + t for x in range(4)]\n"
        "    return t * 2 + sum(seen), mpnb.last_run().sites[0].parallel"
    )
    loaded.check("t, split = 0, []\nfor k in range(2):\n    t, was = step(t)\n    split.append(was)")
    assert value(loaded, "t, split") == (42, [True, True])


def test_the_last_run_is_that_of_the_last_cell_with_a_loop(loaded):
    """It tells of short loops, and why a loop is serial, though nothing was planned when they ran."""
    loaded.check("%parallel on\nt = 0")
    loaded.check("r = [x for x in range(3)]")
    loaded.check("r")
    said = "[(s.line, s.parallel, s.code, s.iterations) for s in mpnb.last_run().sites]"
    assert value(loaded, said) == [(1, False, "small", 3)]
    loaded.check("for x in r:\n    t = t * 2 + x")
    assert value(loaded, said) == [(1, False, "carried", None)]


def test_run_all_stops_at_an_error(loaded):
    """An error in a cell that is split without a mark ends Run All, and leaves what the serial cell leaves."""
    loaded.check(ON)
    loaded.check("out = []")
    failing = loaded.submit("for x in range(9):\n    out.append(12 // (x - 5))")
    behind = loaded.submit("behind = 1")
    assert (failing.result().status, behind.result().status) == ("error", "aborted")
    assert value(loaded, "out, x, 'behind' in globals()") == ([-3, -3, -4, -6, -12], 5, False)


def test_it_says_whether_it_is_on_and_with_what(loaded):
    """`%parallel` alone tells the state; options after `on` are told too."""
    assert "is off" in loaded.check("%parallel").stdout
    loaded.check("%parallel on -n 2")
    assert "is on (-n 2)" in loaded.check("%parallel").stdout
    loaded.check("%parallel on")
    assert "is on:" in loaded.check("%parallel").stdout
    loaded.check("%parallel off")
    assert "is off" in loaded.check("%parallel").stdout


def test_a_cell_that_takes_all_names_away_is_left_alone(loaded):
    """`%reset` in the middle of a cell: its loops are the plain ones."""
    loaded.check("%parallel on -n 2")
    assert loaded.check("x = 1\n%reset -f\n[i * i for i in range(4)]").result_text == "[0, 1, 4, 9]"
    assert loaded.check("[i + 1 for i in range(4)]").result_text == "[1, 2, 3, 4]"


def test_on_is_for_the_cells_after_it(loaded):
    """`%parallel on` in a cell with other code leaves that code alone, and so does `off`."""
    loaded.check("%parallel on --no-probe\nr = [x for x in range(3)]")
    assert loaded.value("__import__('mpnb').last_run()") is None
    loaded.check("r = [x for x in range(3)]\n%parallel off")
    assert value(loaded, SPLIT) == [(1, True)]
    loaded.check("r = [x for x in range(3)]\n\nr = [x for x in range(3)]")
    assert value(loaded, SPLIT) == [(1, True)]


def test_a_cell_with_its_own_line_obeys_that_line(loaded):
    """What stands on a cell's own `%%parallel` line is all that counts for it."""
    loaded.check("%parallel on --no-probe --quiet")
    shown = loaded.check("%%parallel\nr = [x for x in range(3)]")
    assert value(loaded, SPLIT) == [(2, False)]
    assert mine(shown)
    shown = loaded.check("r = [x for x in range(3)]")
    assert not mine(shown)
    explained = loaded.check("%%parallel --explain\nr = 5")
    assert [shown["data"]["text/plain"] for shown in explained.displays] == ["[mpnb] no loop here"]
    assert value(loaded, "r") == [0, 1, 2]


def test_nothing_is_shown_where_nothing_was_split(loaded):
    """After `%parallel on`, a cell whose loops stay in the kernel shows nothing of mpnb's; one that is split does."""
    loaded.check("%parallel on\nit = iter(range(3))")
    for cell in (
        "x = 1",
        "r = [x for x in range(3)]",
        "for x in range(3):\n    t = x if x else 0",
        "t = 0\nfor x in range(3):\n    t = t * 2 + x",
        "r = [x for x in it]",
        "while t < 100:\n    t += 1",
    ):
        assert loaded.check(cell).displays == [], cell
    loaded.check("%parallel on --no-probe\nit = iter(range(3))")
    assert loaded.check("r = [x for x in it]").displays == []  # refused when it was reached
    assert "3 iterations" in "".join(mine(loaded.check("r = [x for x in range(3)]")))


def test_strict_holds_for_every_cell(loaded):
    """`%parallel on --strict` makes a refusal an error in every cell."""
    loaded.check("%parallel on --strict --no-probe\nt = 0")
    result = loaded.run("# first\nfor x in range(3):\n    t = t * 2 + x")
    assert (result.ename, "line 3" in result.evalue) == ("RefusedError", True), result


@pytest.mark.parametrize(
    ("line", "named"),
    [("on -n 0", "'0'"), ("on --explain", "--explain"), ("on --nonsense", "--nonsense"), ("x = 1", "one expression"),
     ("-n many [1]", "'many'"), ("--nonsense [1]", "--nonsense"), ("for", None), ("[1", None)],
)  # fmt: skip
def test_a_wrong_line_changes_nothing(loaded, line, named):
    """A wrong option or something that is no expression is an error that names it; the state stays."""
    loaded.check("%parallel on -n 2")
    result = loaded.run(f"%parallel {line}")
    assert result.status == "error"
    if named is None:
        assert result.ename == "SyntaxError"
    else:
        assert result.stderr.startswith("UsageError: ")
        assert named in result.stderr
    assert "is on (-n 2)" in loaded.check("%parallel").stdout


def test_an_expression_gives_its_value(loaded):
    """`%parallel EXPRESSION` gives the expression's value, braces and dollars included, and is split."""
    loaded.check("xs = [3, 4]\ndef f(x):\n    return x * x")
    for line, expected in (
        ("--no-probe [f(x) for x in xs]", [9, 16]),
        ("-n 2 --no-probe {x: f'{x}$xs' for x in xs}", {3: "3$xs", 4: "4$xs"}),
        ("--no-probe sum(f(x) for x in xs)  # a comment", 25),
        ("--no-probe -f(3) + len([f(x) for x in xs])", -7),
        ("-f(2)", -4),
        ("xs", [3, 4]),
    ):
        assert value(loaded, f"%parallel {line}") == expected, line
        result = loaded.check(f"kept = %parallel {line}")
        assert value(loaded, "kept") == expected, line
        assert any("iterations" in text for text in mine(result)) == ("for" in line), line
    assert value(loaded, "sorted(n for n in globals() if '_mpnb' in n)") == []


def test_an_expression_inside_a_cell_that_is_split(loaded):
    """A `%parallel` line in a marked cell runs, and the cell's other loops are split around it."""
    loaded.check(
        "%%parallel --no-probe\na = [x for x in range(3)]\nb = %parallel --no-probe [x + 1 for x in a]\n"
        "c = [x + 1 for x in b]"
    )
    assert value(loaded, "a, b, c") == ([0, 1, 2], [1, 2, 3], [2, 3, 4])


def test_an_expression_that_fails(loaded):
    """An exception in the expression is raised as itself, shows the expression, and leaves nothing behind."""
    result = loaded.run("%parallel --no-probe [1 // (x - 3) for x in range(9)]")
    assert result.ename == "ZeroDivisionError"
    assert "1 // (x - 3) for x in range(9)" in steady(result.traceback)
    assert value(loaded, "sorted(n for n in globals() if '_mpnb' in n)") == []
    loaded.check("%%parallel --no-probe\nr = [x for x in range(3)]")
    assert value(loaded, SPLIT) == [(2, True)]


def test_why_explains_a_refusal(loaded):
    """`%parallel why` takes the code that a refusal's line ends in; without one it lists them; a variable stays one."""
    loaded.check("total = 0; xs = [1, 2]")
    said = loaded.check("%%parallel --no-probe\nfor x in xs:\n    total = x - total").displays[-1]["data"]["text/plain"]
    assert said.endswith("[carried]"), said
    for asked in ("carried", "[carried]"):
        told = loaded.check(f"%parallel why {asked}")
        assert told.stdout.startswith("carried: a value goes from one iteration to the next\n"), told.stdout
        assert (told.result, told.stderr) == ({}, "")
    assert "did you mean 'carried'?" in loaded.check("%parallel why caried").stdout
    assert loaded.check("%parallel why").stdout.startswith("carried ")
    loaded.check("why = 5")
    assert [loaded.check(f"%parallel {text}").result_text for text in ("why", "why + 1")] == ["5", "6"]


def test_an_expression_explained_or_refused(loaded):
    """`--explain` and `--strict` hold for an expression as for a cell."""
    loaded.check("xs = [1, 2]")
    explained = loaded.check("%parallel --explain [print('ran') for x in xs]")
    assert explained.displays[0]["data"]["text/plain"].startswith(
        "[mpnb] line 1 col 1, list `[print('ran') for x in xs]`: "
    )
    assert (explained.result_text, explained.stdout) == (None, "")
    refused = loaded.run("%parallel --strict [t for x in xs if (t := x)]")
    assert refused.ename == "RefusedError"


def test_silent_cells_of_the_front_end_are_left_alone(loaded):
    """What a front end runs silently, for itself, is not split."""
    loaded.check("%parallel on --no-probe")
    assert loaded.value("1") == "1"
    loaded._client.execute("silent = [x for x in range(3)]", silent=True)
    assert value(loaded, "silent") == [0, 1, 2]
    assert loaded.value("__import__('mpnb').last_run()") is None


def test_unloading_turns_it_off(loaded):
    """%unload_ext takes `%parallel on` away, and the line magic with it."""
    loaded.check("%parallel on --no-probe")
    loaded.check("import mpnb\n%unload_ext mpnb")
    loaded.check("r = [x for x in range(3)]")
    assert loaded.value("mpnb.last_run()") is None
    assert "not found" in loaded.run("%parallel").stderr
    loaded.check("%load_ext mpnb")
    assert "is off" in loaded.check("%parallel").stdout
