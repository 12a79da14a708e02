"""`%%parallel` as IPython runs it: every cell here goes through a real kernel, as a front end would send it."""

from __future__ import annotations

import ast
import re

import pytest
from IPython.core.error import UsageError

from mpnb.magic import read_line
from mpnb.plan import read_cell

SITES = "[(s.line, s.kind, s.parallel, s.code) for s in __import__('mpnb').last_run().sites]"
SQUARES = "squares = [x * x for x in range(8)]"
SQUARED = [0, 1, 4, 9, 16, 25, 36, 49]


@pytest.fixture
def loaded(kernel):
    """Give a kernel in which the magic is there."""
    kernel.check("%load_ext mpnb")
    return kernel


def sites(kernel) -> list[tuple[int, str, bool, str]]:
    """Give line, kind, parallel and code of each site of the last run."""
    return ast.literal_eval(kernel.value(SITES))


def value(kernel, expression):
    """Give the value of an expression, as far as it is a literal."""
    return ast.literal_eval(kernel.value(expression))


def summary(result) -> str:
    """Give what mpnb itself said of a cell."""
    return "\n".join(shown["data"]["text/plain"] for shown in result.displays if "mpnb" in shown["metadata"])


def plain(text: str) -> str:
    """Take the colours out of a traceback."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


SHIFT = """
import ast
class Shift(ast.NodeTransformer):
    def visit_Constant(self, node):
        return ast.copy_location(ast.Constant(node.value + 1), node) if type(node.value) is int else node
get_ipython().ast_transformers.append(Shift())
"""


@pytest.mark.parametrize("line", ["", "%%parallel\n", "%%parallel --no-probe\n"])
@pytest.mark.parametrize("cell", ["r = [x * 10 for x in range(7)]", "r = []\nfor x in range(7):\n    r.append(x * 10)"])
def test_what_another_transformer_makes_of_a_cell_is_what_is_split(loaded, line, cell):
    """Also where it came later: it changes each part of a cell once, and what workers run is changed as well."""
    loaded.check(SHIFT)

    loaded.check(line + cell)

    assert value(loaded, "r") == [x * 11 for x in range(8)]


# ---------------------------------------------------------------------------------------------------------- bad options

BAD_LINES = [
    ("-n 0", "'0'"),
    ("-n -3", "-3"),
    ("-n many", "'many'"),
    ("-n 2.5", "'2.5'"),
    ("-n 5000", "'5000'"),
    ("-n", "-n"),
    ("--on nowhere", "'nowhere'"),
    ("--frobnicate", "--frobnicate"),
    ("--no-prob", "--no-prob"),
    ("--quiet=yes", "--quiet"),
    ("stray", "stray"),
    ("--seed", "--seed"),
    ("--seed x", "seed must be a whole number, 0 or more, was 'x'"),
    ("--seed -1", "seed must be a whole number, 0 or more, was '-1'"),
    ("--seed 1.5", "'1.5'"),
    ("--chunk 0", "chunk must be a whole number, 1 or more, was '0'"),
    ("--chunk many", "'many'"),
    ("--on 'local", "quot"),
]


def test_a_wrong_line_is_one_usage_error_and_nothing_runs(loaded):
    """An option that does not exist or can't be is one line that names it, and nothing of the cell runs."""
    loaded.check("ran = []")
    for line, named in BAD_LINES:
        result = loaded.run(f"%%parallel {line}\nran.append({line!r})")
        assert result.status == "error", line
        assert result.stderr.startswith("UsageError: "), line
        assert result.stderr.count("\n") == 1, result.stderr
        assert named in result.stderr, result.stderr
        assert (result.stdout, result.displays, result.traceback) == ("", [], ""), line
    assert value(loaded, "ran") == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--fast", "%%parallel: there is no option --fast (%%parallel? lists the options)"),
        (
            "-n 0",
            "%%parallel: -n: workers must be a whole number from 1 to 1024, was '0' (%%parallel? lists the options)",
        ),
    ],
)
def test_a_wrong_line_says_what_to_do(line, words):
    """The error names the option, what is allowed, and where the options are listed."""
    with pytest.raises(UsageError, match=f"^{re.escape(words)}$"):
        read_line(line)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("process(paths)", "line 2 is one call, process(); where that is yours, @mpnb.parallel above its def"),
        ("print(1)\nx = process(paths)", "line 3 is one call, process(); where"),
        ("print(1)", "[mpnb] no loop here"),
    ],
)
def test_a_cell_without_a_loop_says_where_one_may_be(cell, words):
    """A call of a function of the notebook's is named, with what splits the loops in it; a call of a builtin is not."""
    note = read_cell(ast.parse(f"'%%parallel'\n{cell}")).note
    assert words in f"[mpnb] {note}"
    assert note.startswith("no loop here")
    assert ("@mpnb" in note) == ("process" in cell)


def test_a_wrong_line_stops_the_cells_behind_it(loaded):
    """A wrong option ends Run All, as any error does."""
    wrong, behind = loaded.submit("%%parallel -n 0\n1"), loaded.submit("behind = 1")
    assert wrong.result().status == "error"
    assert behind.result().status == "aborted"
    assert value(loaded, "'behind' in globals()") is False


# -------------------------------------------------------------------------------------------- as in the cell without it


def test_a_syntax_error_is_as_in_a_plain_cell(loaded):
    """A syntax error is shown with the cell's own line, counted as the editor does, and nothing runs."""
    marked = loaded.run("%%parallel\nran = 1\nfor x in range(3)\n    pass")
    alone = loaded.run("# first\nran = 1\nfor x in range(3)\n    pass")
    assert (marked.status, marked.ename) == (alone.status, alone.ename) == ("error", "SyntaxError")
    for text, other in ((marked.evalue, alone.evalue), (marked.traceback, alone.traceback)):
        assert re.sub(r"In\[\d+\]|\d+\.py", "", plain(text)) == re.sub(r"In\[\d+\]|\d+\.py", "", plain(other))
    assert value(loaded, "'ran' in globals()") is False


@pytest.mark.parametrize("cell", ["%%parallel", "%%parallel\n", "%%parallel\n\n", "%%parallel\n# only a comment\n"])
def test_an_empty_cell_is_no_error(loaded, cell):
    """A cell with nothing in it ends well, and mpnb says that there was nothing to split."""
    result = loaded.check(cell)
    assert "nothing here to split" in summary(result) or "no loop here" in summary(result)
    assert (result.stdout, result.stderr, result.result) == ("", "", {})


# cell, what its stdout must match, names and values afterwards, lines of its split sites
OTHER_MAGICS = [
    (f"%%time\n%%parallel --no-probe\n{SQUARES}", r"CPU times: .*\nWall time: .*\n", {"squares": SQUARED}, [2]),
    (f"%%parallel --no-probe\n%%time\n{SQUARES}", r"CPU times: .*\nWall time: .*\n", {"squares": SQUARED}, [3]),
    (f"%%parallel --no-probe\n%env MPNB_TEST=1\n{SQUARES}", r"env: MPNB_TEST=1\n", {"squares": SQUARED}, [3]),
    (f"%%parallel --no-probe\n{SQUARES}\n!echo below", r"below\r?\n", {"squares": SQUARED}, [2]),
    (f"%%parallel --no-probe\nword = !echo said\n{SQUARES}", r"", {"squares": SQUARED, "list(word)": ["said"]}, [3]),
    (f"%%parallel --no-probe\n%reset -f\n{SQUARES}", r"", {"squares": SQUARED}, None),
    (f"%%parallel --no-probe\n%reset_selective -f _mp\n{SQUARES}", r"", {"squares": SQUARED}, None),
    ("%%parallel\n%%bash\necho said by bash", r"said by bash\n", {}, None),
    (
        "%%parallel\n%%writefile made.txt\nfor x in y:",
        r"Writing made.txt\n",
        {"open('made.txt').read()": "for x in y:\n"},
        None,
    ),
]


@pytest.mark.parametrize(("cell", "stdout", "values", "lines"), OTHER_MAGICS)
def test_other_magics_in_the_cell(loaded, cell, stdout, values, lines):
    """Magics and shell commands in the cell do what they do without %%parallel, and its loops are split beside them."""
    result = loaded.check(cell)
    assert re.fullmatch(stdout, result.stdout), result.stdout
    assert result.stderr == ""
    for expression, expected in values.items():
        assert value(loaded, expression) == expected, expression
    if lines is not None:
        assert [(line, parallel) for line, _, parallel, _ in sites(loaded)] == [(line, True) for line in lines]


def test_capture_around_and_inside(loaded):
    """%%capture keeps what the iterations print, above %%parallel and below it."""
    for order in ("%%capture got\n%%parallel --no-probe\n", "%%parallel --no-probe\n%%capture got\n"):
        result = loaded.check(f"{order}for x in range(3):\n    print('line', x)")
        assert result.stdout == "", order
        assert value(loaded, "got.stdout") == "line 0\nline 1\nline 2\n", order
        assert sites(loaded)[0][2], order


def test_await_runs_at_the_top_of_the_cell(loaded):
    """A cell may await: outside of the loops that are split, and in loops, which then stay serial."""
    loaded.check("import asyncio\nasync def later(x):\n    await asyncio.sleep(0)\n    return x + 1")
    result = loaded.check(
        f"%%parallel --no-probe\nfirst = await later(1)\n{SQUARES}\n[await later(x) for x in squares]"
    )
    assert ast.literal_eval(result.result_text) == [x + 1 for x in SQUARED]
    assert value(loaded, "first") == 2
    assert [(line, parallel) for line, _, parallel, _ in sites(loaded)] == [(3, True), (4, False)]


SHOWN = [
    ("[x + 1 for x in range(3)]", "[1, 2, 3]"),
    ("[x + 1 for x in range(3)];", None),
    ("[x + 1 for x in range(3)];  # quiet", None),
    ("shown = [x + 1 for x in range(3)]\nshown", "[1, 2, 3]"),
    ("sum(x + 1 for x in range(3))", "6"),
    ("[x + 1 for x in range(3)][-1] is None", "False"),
    ("for x in range(3):\n    pass", None),
    ("for x in range(3):\n    x + 1", None),
    ("None if [x for x in range(3)] else 1", None),
]


def test_the_last_expression_is_shown_and_kept(loaded):
    """The last expression is displayed and kept in Out and _, as without the magic; a final semicolon silences it."""
    for cell, expected in SHOWN:
        loaded.check("'before'")
        result = loaded.check(f"%%parallel --no-probe\n{cell}")
        assert result.result_text == expected, cell
        assert loaded.value(f"_ == {expected or repr('before')}") == "True", cell
        count = result.execution_count
        kept = loaded.value(f"Out.get({count}, 'nothing') == {expected}" if expected else f"Out.get({count}) is None")
        assert kept == "True", cell


def test_history_holds_the_cell_as_it_was_typed(loaded):
    """The cell's own text is what the history gives back, the magic's line included."""
    cell = f"%%parallel --no-probe\n{SQUARES}"
    loaded.check(cell)
    text = value(loaded, "[t for *_, t in get_ipython().history_manager.get_range(raw=True)][-2]")
    assert text == cell


def test_an_error_stops_the_cells_behind_it(loaded):
    """An exception in a split loop ends Run All, as one in a plain cell does, and leaves what a serial run leaves."""
    loaded.check("out = []")
    failing = loaded.submit("%%parallel --no-probe\nfor x in range(9):\n    out.append(12 // (x - 5))")
    behind = loaded.submit("behind = 1")
    result = failing.result()
    assert (result.status, result.ename) == ("error", "ZeroDivisionError")
    assert behind.result().status == "aborted"
    assert value(loaded, "out, x, 'behind' in globals()") == ([-3, -3, -4, -6, -12], 5, False)


def test_errors_show_only_the_users_lines(loaded):
    """A traceback points at the user's own line; of mpnb's there is at most a line that says that frames are hidden."""
    loaded.check("def half(x):\n    return 12 // (x - 5)")
    for cell, arrows in (
        ("%%parallel --no-probe\nr = []\nfor x in range(9):\n    r.append(half(x))", ["4", "2"]),
        ("%%parallel --no-probe\n\nr = [half(x)\n     for x in range(9)]", ["3", "2"]),
        ("%%parallel --no-probe\nr = sum(map(half, range(9)))", ["2", "2"]),
        ("%%parallel --no-probe\nr = sum(half(x) for x in range(9))", ["2", "2", "2"]),
    ):
        result = loaded.run(cell)
        traceback = plain(result.traceback)
        assert result.ename == "ZeroDivisionError"
        found = re.findall(r"^-+> (\d+)", traceback, re.MULTILINE)
        assert found[0] == arrows[0], traceback
        assert found[-1] == arrows[-1], traceback
        mpnb_lines = [line for line in traceback.splitlines() if "mpnb" in line and "skipping hidden" not in line]
        assert mpnb_lines == [], traceback
        assert "iteration 6 of 9" in traceback, traceback


# -------------------------------------------------------------------------------------------------------------- options


def test_explain_runs_nothing(loaded):
    """--explain shows of each site whether it can be split and why not, as text and HTML, and runs nothing of the cell."""
    loaded.check("ran = []; total = 0")
    loaded.check(f"%%parallel --no-probe\n{SQUARES}")
    result = loaded.check(
        "%%parallel --explain\nran.append('top')\nfor x in range(3):\n    ran.append(x)\n"
        "for x in range(3):\n    total = total * 2 + x\nran"
    )
    text, html = (result.displays[0]["data"][kind] for kind in ("text/plain", "text/html"))
    lines = text.splitlines()
    assert all(line.startswith(("[mpnb] line ", "    ")) for line in lines), text
    assert any("line 3 col 1" in line and "can be split" in line for line in lines)
    assert any("line 5 col 1" in line and "`total`" in line and line.endswith("[carried]") for line in lines)
    assert "<table" in html
    assert "<script" not in html
    assert (result.result, len(result.displays), result.stdout) == ({}, 1, "")
    assert "mpnb" in result.displays[0]["metadata"]
    assert value(loaded, "ran, total") == ([], 0)
    assert sites(loaded) == [(2, "list", True, "")]  # of the last run, which this was not


def test_explain_runs_nothing_though_planning_fails(loaded):
    """Where a cell can't be planned at all, --explain says so in a warning, and the cell stays unrun."""
    loaded.check("import mpnb.plan\nran = []; kept = mpnb.plan.read_cell\nmpnb.plan.read_cell = lambda tree: 1 / 0")
    result = loaded.check("%%parallel --explain\nfor x in range(3):\n    ran.append(x)")
    loaded.check("mpnb.plan.read_cell = kept")
    assert "this cell can't be explained, for planning it failed: ZeroDivisionError" in result.stderr
    assert value(loaded, "ran") == []


def test_explain_expects_what_the_last_run_measured(loaded):
    """Before the cell has run, no time is expected; afterwards it is the measured one, on 1 to N workers."""
    loaded.check("import time\nxs = list(range(40))\ndef wait(x):\n    time.sleep(0.01)\n    return x")
    cell = "out = []\nfor x in xs:\n    out.append(wait(x))"
    before = summary(loaded.check(f"%%parallel -n 2 --explain\n{cell}"))
    assert "expected: not known until the cell has run once" in before, before
    loaded.check(f"%%parallel -n 2\n{cell}")
    after = summary(loaded.check(f"%%parallel -n 2 --explain\n{cell}"))
    found = re.search(r"expected: ≈(\d\.\d)× faster on 2 workers · 40 iterations of (\d+) ms, .*, 2: (\d+) ms", after)
    assert found, after
    speedup, each_ms, all_ms = map(float, found.groups())
    assert 1.2 <= speedup <= 2
    assert each_ms >= 10
    assert all_ms >= 200
    other = summary(loaded.check(f"%%parallel -n 2 --explain\n{cell}  # another cell"))
    assert "not known" in other, "a cell is known again by its whole text"
    assert value(loaded, "out") == list(range(40))


def test_what_was_foretold_is_held_against_the_next_run(loaded):
    """The run that was foretold, and no other, says how far off that was, in its record and under the cell."""
    loaded.check(
        "import time, mpnb\nxs = list(range(60))\ndef wait(x):\n    time.sleep(0.01 if x else 0.2)\n    return x"
    )
    cell = "out = []\nfor x in xs:\n    out.append(wait(x))"
    loaded.check(f"%%parallel -n 2\n{cell}")
    loaded.check(
        "run = mpnb.last_run()\nforetold = run.what_if(workers=1, probe=False).wall_s, run.what_if(chunk=7).wall_s"
    )
    asked = "[(each.foretold_s in foretold, each.error) for each in mpnb.last_run().checked]"

    loaded.check(f"%%parallel -n 2 --no-probe --chunk 3\n{cell}")
    assert value(loaded, asked) == []
    result = loaded.check(f"%%parallel -n 1 --no-probe\n{cell}")
    [(same, error)] = value(loaded, asked)
    assert same
    assert abs(error) < 0.3
    assert "what if on 1 worker, without a probe: ≈" in result.displays[-1]["data"]["text/html"]
    loaded.check(f"%%parallel -n 1 --no-probe\n{cell}")
    assert value(loaded, asked) == []
    loaded.check(f"%%parallel -n 2 --chunk 7\n{cell}")
    assert [same for same, _ in value(loaded, asked)] == [True]


BLAS = """import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits
threadpool_limits(2, user_api="blas")
def threads():
    return max((each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"), default=0)
rng = np.random.default_rng(1)
sizes = [300, 500, 700, 300, 500, 700]
mats = [rng.random((n, n)) for n in sizes]
def square(A):
    return A @ A
serial = [square(A) for A in mats]"""
EQUAL = "[a.tobytes() == b.tobytes() for a, b in zip(serial, found)]"


def test_threads_of_linear_algebra(loaded):
    """Under 2 threads in the kernel, the summary says that workers have 1; --exact gives them 2, and the last bits."""
    loaded.check(BLAS)
    cell = "found = [square(A) for A in mats]"
    plainly = summary(loaded.check(f"%%parallel -n 2 --no-probe\n{cell}"))
    workers = value(loaded, "__import__('mpnb.session').session.current().engine.threads")
    clause = (
        f"linear algebra on {workers} thread{'s' if workers > 1 else ''}, not 2: last bits may differ (see --exact)"
    )
    assert (clause in plainly) == (workers != 2), plainly
    exactly = summary(loaded.check(f"%%parallel -n 2 --no-probe --exact\n{cell}"))
    assert "linear algebra" not in exactly
    assert "6 iterations" in exactly
    assert value(loaded, EQUAL) == [True] * 6


def test_exact_on_a_function(loaded):
    """`@mpnb.parallel(exact=True)` does for a function's loops what --exact does for a cell's."""
    loaded.check(BLAS)
    loaded.check("import mpnb")
    loaded.check(
        "@mpnb.parallel(probe=False, workers=2, exact=True)\ndef squares(mats):\n    return [square(A) for A in mats]"
    )
    said = summary(loaded.check("found = squares(mats)"))
    assert "6 iterations" in said
    assert "linear algebra" not in said
    assert value(loaded, EQUAL) == [True] * 6


def test_a_worker_has_its_own_threads_again(loaded):
    """--exact holds for its own cell; a loop without linear algebra says nothing of threads."""
    loaded.check(BLAS)
    cell = "counts = [threads() for A in mats]"
    own = summary(loaded.check(f"%%parallel -n 2 --no-probe\n{cell}"))
    assert "linear algebra" not in own
    before = value(loaded, "set(counts)")
    loaded.check(f"%%parallel -n 2 --no-probe --exact\n{cell}")
    assert value(loaded, "set(counts)") == {2}
    loaded.check(f"%%parallel -n 2 --no-probe\n{cell}")
    assert value(loaded, "set(counts)") == before
    assert value(loaded, "threads()") == 2


REFUSED = [
    ("total = 0\nfor x in range(5):\n    total = total * 2 + x", "line 4", "`total`"),
    ("seen = []\ndef note(x):\n    seen.append(x)\n    return x\nr = [note(x) for x in range(5)]", "line 6", "note"),
    ("it = iter(range(5))\nr = [x for x in it]", "line 3", "iterator"),
    ("import random\nr = [random.random() for _ in range(5)]", "line 3", "random"),
]


@pytest.mark.parametrize(("cell", "line", "named"), REFUSED)
def test_strict_makes_a_refusal_an_error(loaded, cell, line, named):
    """--strict raises RefusedError that names line, name and reason; without it, the cell runs serially and says so."""
    strict = loaded.run(f"%%parallel --strict\n{cell}")
    assert strict.ename == "RefusedError", strict
    assert line in strict.evalue
    assert named in strict.evalue
    places = re.findall(r"line \d+ col \d+", strict.evalue)
    assert len(places) == len(set(places)), strict.evalue
    free = loaded.check(f"%%parallel --no-probe\n{cell}")
    assert not any(parallel for _, _, parallel, _ in sites(loaded))
    said = summary(free)
    assert said.startswith("[mpnb] line ")
    assert "ran serially" in said
    assert named in said


def test_strict_lets_a_loop_pass_that_can_be_split(loaded):
    """--strict changes nothing for a cell whose loops can all be split."""
    loaded.check(f"%%parallel --strict --no-probe\n{SQUARES}")
    assert value(loaded, "squares") == SQUARED
    assert sites(loaded)[0][2]


def test_quiet_shows_nothing(loaded):
    """--quiet shows what the cell shows and nothing else, whether the loop is split, refused or too small."""
    for line in ("--quiet", "--quiet --no-probe"):
        result = loaded.check(
            f"%%parallel {line}\nt = 0\nfor x in range(5):\n    t = t * 2 + x\n    print(x)\n{SQUARES}\nt"
        )
        assert result.stdout == "0\n1\n2\n3\n4\n"
        assert (result.stderr, result.displays, result.result_text) == ("", [], "26")


def test_number_of_workers(loaded):
    """-n says how many workers run the cell."""
    for number in (1, 2):
        loaded.check(f"%%parallel -n {number} --no-probe\nimport os\npids = {{os.getpid() for _ in range(200)}}")
        assert value(loaded, "len(pids)") <= number


def test_what_mpnb_shows_is_marked_as_its_own(loaded):
    """Mpnb's lines begin with [mpnb], its displays carry "mpnb" in their metadata; the cell's own do neither."""
    result = loaded.check(
        "%%parallel --no-probe\nfrom IPython.display import HTML, display\ndisplay(HTML('<b>mine</b>'))\n"
        f"{SQUARES}\nprint(squares[-1])"
    )
    assert result.stdout == "49\n"
    marked = ["mpnb" in shown["metadata"] for shown in result.displays]
    mine = ["<b>mine</b>" in shown["data"].get("text/html", "") for shown in result.displays]
    assert mine == [not mark for mark in marked]
    assert all(line.startswith("[mpnb]") for line in summary(result).splitlines())
    assert summary(result)


# --------------------------------------------------------------------------------------------------------- what is left


def test_sites_count_lines_as_the_editor_does(loaded):
    """`last_run().sites` lists each site with its line; the magic's is 1, blank lines and comments count."""
    loaded.check(
        "%%parallel --no-probe\n"
        "\n"
        "# a comment\n"
        "rows = [[y for y in range(x)]\n"
        "        for x in range(3)]\n"
        '"""text\n'
        'over lines"""\n'
        "if rows:\n"
        "    total = sum(\n"
        "        len(r) for r in rows)\n"
        "\n"
        "with open('made.txt', 'w') as f:\n"
        "    names = {n for n in 'abc'}\n"
        "for r in rows: total += len(r)\n"
        "t = list(map(len, rows))\n"
    )
    assert [(line, kind) for line, kind, parallel, _ in sites(loaded) if parallel] == [
        (4, "list"),
        (9, "generator"),  # its parenthesis opens there
        (13, "set"),
        (14, "for"),
        (15, "map"),
    ]


def test_sites_of_a_plain_cell_stay_those_of_the_last_parallel_one(loaded):
    """A cell without the magic is none of mpnb's matter: last_run() stays what it was."""
    loaded.check(f"%%parallel --no-probe\n{SQUARES}")
    before = sites(loaded)
    loaded.check("r = [x for x in range(10)]")
    assert sites(loaded) == before


def test_no_name_stays(loaded):
    """After a cell, whether it ended well, failed, was refused, explained or shown, no name of mpnb's is left."""
    names = "sorted(n for n in globals() if n.strip('_') and not n.strip('_').isdigit() and not n.startswith('_i'))"
    loaded.check("out = []; total = 0; x = r = 0")
    before = value(loaded, names)
    for cell in (
        "r = [x for x in range(5)]",
        "[x for x in range(5)]",
        "sum(x for x in range(5))",
        "for x in range(5):\n    out.append(x)",
        "for x in range(5):\n    out.append(1 // (x - 3))",
        "[1 // (x - 3) for x in range(5)]",
        "for x in range(5):\n    total = total * 2 + x",
        "1 // 0",
        "def",
    ):
        for line in ("", "--no-probe", "--strict", "--explain"):
            loaded.run(f"%%parallel {line}\n{cell}")
            assert value(loaded, names) == before, (line, cell)


def test_unload_and_load_again(loaded):
    """%unload_ext takes the magic out altogether; loaded again, it works again, once and not twice."""
    loaded.check("%unload_ext mpnb")
    gone = loaded.run("%%parallel\nran = 1")
    assert (gone.status, "not found" in gone.stderr) == ("error", True)
    assert value(loaded, "'ran' in globals()") is False
    assert loaded.check(SQUARES).displays == []
    for again in ("%load_ext mpnb", "%load_ext mpnb", "%reload_ext mpnb"):
        loaded.check(again)
        result = loaded.check(f"%%parallel --no-probe\n{SQUARES}\nprint('once')")
        assert value(loaded, "squares") == SQUARED
        assert sites(loaded)[0][2]
        assert (len(result.displays), result.stdout) == (1, "once\n")


def test_help(loaded):
    """`%%parallel?` shows what it does and each of its options."""
    for question in ("%%parallel?", "?%%parallel"):
        paged = plain(loaded.check(question).paged)
        assert "on every core" in paged
        for option in (
            "-n N",
            "--on ENGINE",
            "--no-probe",
            "--explain",
            "--strict",
            "--seed N",
            "--chunk N",
            "--compare",
            "--exact",
            "--trust NAME",
            "--quiet",
        ):
            assert option in paged, option


# ------------------------------------------------------------------------------------------------------- random numbers


def test_a_seed_splits_a_loop_that_draws(loaded):
    """Refused without, in words that say how; with it the summary and the record name the seed."""
    cell = "import random\nr = [random.random() for _ in range(20)]"
    refused = loaded.check(f"%%parallel --no-probe\n{cell}")
    assert "instead: %%parallel --seed 0 gives every iteration its own stream" in summary(refused)
    split = loaded.check(f"%%parallel --no-probe --seed 12\n{cell}")
    assert summary(split).endswith("random numbers from the streams of seed 12")
    run = "__import__('mpnb').last_run()"
    assert value(loaded, f"({run}.seed, {run}.sites[0].seed, {run}.sites[0].parallel)") == (12, 12, True)
    assert value(loaded, f"type({run}).from_json({run}.to_json()).seed") == 12
    loaded.check(f"%%parallel --no-probe --seed 12\n{cell.replace('r =', 's =')}")
    assert value(loaded, "r == s")


@pytest.mark.parametrize("option", ["", "--no-probe"])
def test_an_interrupt_gives_the_generators_back(loaded, option):
    """In the kernel's own iterations or in the pool's, the numbers go on as if the cell had not been there."""
    loaded.check(
        "import random, time\nimport numpy as np\nrng = np.random.default_rng(1)\nout = []\n"
        "def drawn():\n    return random.random(), np.random.random(), rng.random()\n"
        "def states():\n    return repr((random.getstate(), np.random.get_state()[2:], rng.bit_generator.state))\n"
        "before = states()"
    )
    one = "-n 1" if not option else ""  # one worker is no faster than the kernel, so all of it stays there
    cell = "for i in range(1000):\n    out.append(drawn())\n    time.sleep(0.01)\n    print('at', i)"
    running = loaded.submit(f"%%parallel --seed 3 {option} {one}\n{cell}")
    running.wait_for_stdout("at 5\n")
    loaded.interrupt()
    result = running.result()
    assert result.ename == "KeyboardInterrupt"
    assert value(loaded, "states() == before")
    kept = value(loaded, "out[:5]")
    loaded.check("out = []")
    loaded.check("%%parallel --seed 3 --no-probe --chunk 2\nfor i in range(5):\n    out.append(drawn())")
    assert value(loaded, "out") == kept


# --------------------------------------------------------------------------------------------------- what can't be sent

UNSENDABLE = [
    (
        "import sqlite3\ncon = sqlite3.connect(':memory:')",
        "[con.execute('select ?', (x,)).fetchone()[0] for x in xs]",
        "con",
    ),
    (
        "import sqlite3\nclass Box: pass\nbox = Box()\nbox.jobs = [1, {'db': sqlite3.connect(':memory:')}]",
        "[len(box.jobs) * x for x in xs]",
        "box.jobs[1]['db']",
    ),
    ("def numbers():\n    yield 1\nhold = {'g': numbers()}", "[len(hold) * x for x in xs]", "hold['g']"),
    ("import sys\nframe = [sys._getframe()]", "[len(frame) * x for x in xs]", "frame[0]"),
]


@pytest.mark.parametrize(("setup", "cell", "path"), UNSENDABLE)
def test_what_cannot_be_sent_is_named_and_the_site_runs_serially(loaded, setup, cell, path):
    """An object that can't be sent is named with the path to it, and its site runs serially with the right result."""
    loaded.check(f"xs = [1, 2, 3]\n{setup}")
    expected = value(loaded, cell)
    result = loaded.check(f"%%parallel --no-probe\ngot = {cell}\nalso = [x + 1 for x in xs]")
    assert value(loaded, "got, also") == (expected, [2, 3, 4])
    assert [(line, parallel) for line, _, parallel, _ in sites(loaded)] == [(2, False), (3, True)]
    assert f"`{path}`" in summary(result)
    assert "line 2" in summary(result)


def test_a_result_that_cannot_be_sent(loaded):
    """A result that can't come home is made in the notebook instead, and nothing of the cell is lost or done twice."""
    result = loaded.check(
        "%%parallel --no-probe\nout = []\nfor x in range(6):\n    print('at', x)\n"
        "    out.append((y for y in range(x)) if x == 3 else x)"
    )
    assert value(loaded, "out[:3] + out[4:], list(out[3])") == ([0, 1, 2, 4, 5], [0, 1, 2])
    assert result.stdout == "".join(f"at {x}\n" for x in range(6))
