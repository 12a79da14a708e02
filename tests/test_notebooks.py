"""Every notebook runs from top to bottom without an error, teaches what it says, and is stored as a reader finds it.

A notebook is run once, with each exercise twice: as it is stored, and right after it with its folded answer put in.
The Chinese edition has the code of the English one, so it runs only with --full.
"""

from __future__ import annotations

import copy
import re
import runpy
import time
from pathlib import Path

import nbclient
import nbformat
import pytest
from real_kernel import prepare_jupyter

import mpnb

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / "notebooks" / "runs"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHINESE = sorted((ROOT / "notebooks" / "zh").glob("*.ipynb"))
PLAIN_AND_PARALLEL = {"01_quickstart.ipynb": ("plain", "parallel")}  # ids of the cells that show the same work twice
MEANT = "writes-to-stderr"  # the tag of a cell that shows an error of a process

CODE_SPAN = re.compile(r"`+[^`]+`+")
LINK = re.compile(r"\]\(([^)]+)\)")
OUTLINE = re.compile(r"^#+ (?:\d )?|^- |^\*\*\d", re.MULTILINE)  # headings, lists, exercises
BROKEN_LINE = re.compile(r"[\u3000-\u9fff\uff00-\uffef]\n[\u3000-\u9fff\uff00-\uffef]")


def edition_and_name(path):
    """Name a notebook in the list of tests."""
    return f"zh-{path.stem}" if path in CHINESE else path.stem


each_notebook = pytest.mark.parametrize("path", [*NOTEBOOKS, *CHINESE], ids=edition_and_name)
each_in_chinese = pytest.mark.parametrize("path", CHINESE, ids=edition_and_name)


def stored(path):
    """Give a notebook as it lies in the repository."""
    return nbformat.read(path, as_version=4)


def answers(notebook):
    """The code of each folded answer, by the id of the exercise."""
    folded = {
        cell.id.removesuffix("-answer"): re.findall(r"^```python\n(.*?)^```$", cell.source, re.DOTALL | re.MULTILINE)
        for cell in notebook.cells
        if cell.id.endswith("-answer")
    }
    assert all(len(blocks) == 1 for blocks in folded.values()), "an answer is one block of code"
    return {name: block for name, (block,) in folded.items()}


def with_answers(notebook):
    """Put each exercise in a second time, after the first: its answer in place of the lines above its check.

    Where the check is a cell of its own, because a line of the exercise is a magic for its whole cell, that comes twice.
    """
    given = answers(notebook)
    cells = []
    for cell, following in zip(notebook.cells, [*notebook.cells[1:], None], strict=True):
        cells.append(cell)
        if cell.id in given and (check := re.search(r"^with exercise\(\):", cell.source, re.MULTILINE)):
            cells.append(answered(cell, f"{given.pop(cell.id)}\n{cell.source[check.start() :]}"))
        elif cell.id in given:
            assert following.source.rpartition("with exercise():")[1], "the next cell checks it"
        elif cells[-2:-1] and cells[-2].id in given:
            before = cells[-2]
            cells += [answered(before, given.pop(before.id)), answered(cell, cell.source)]
    assert given == {}, "each answer has its exercise"
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


def answered(cell, source):
    """Give a copy of a cell for the second time."""
    new = copy.deepcopy(cell)
    new.id, new.source = f"{cell.id}-done", source
    return new


def text(cell):
    """What a cell printed."""
    return "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout")


@pytest.fixture(scope="module")
def clean_home(tmp_path_factory):
    """A corner of the disk for all notebooks of this file."""
    with pytest.MonkeyPatch.context() as environ:
        prepare_jupyter(tmp_path_factory.mktemp("jupyter"), environ)
        yield


@pytest.fixture(
    scope="module",
    params=[*NOTEBOOKS, *(pytest.param(path, marks=pytest.mark.full) for path in CHINESE)],
    ids=edition_and_name,
)
def executed(clean_home, request):
    """Give a notebook that was run to its end, its exercises twice, and how long that took."""
    notebook = with_answers(stored(request.param))
    began = time.monotonic()
    executed = run_to_its_end(notebook, request.param.parent)
    return executed, time.monotonic() - began


def run_to_its_end(notebook, folder):
    """Run all cells in a kernel of their own; an error in a cell is raised here."""
    client = nbclient.NotebookClient(
        notebook, timeout=60, startup_timeout=60, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    return client.execute()


def test_it_runs(executed):
    """No cell of it ends with an error, and none writes to stderr but those that are to show it."""
    notebook, _ = executed

    outputs = [(cell, output) for cell in notebook.cells for output in cell.get("outputs", [])]
    said = {cell.id for cell, output in outputs if output.get("name") == "stderr"}
    assert said == {cell.id for cell in notebook.cells if MEANT in cell.metadata.get("tags", [])}
    assert outputs, "a notebook that shows nothing was not run"


@pytest.mark.full
def test_it_takes_less_than_a_minute(executed):
    """A reader who runs all of it waits less than a minute, exercises included, where nothing else keeps the cores busy."""
    _, seconds = executed

    assert seconds < 60


def test_exercises_fail_before_and_pass_after(executed):
    """An exercise as it stands is not solved, and says how to go on; with the folded answer it is right."""
    notebook, _ = executed
    checks = [cell for cell in notebook.cells if cell.cell_type == "code" and "with exercise():" in cell.source]

    verdicts = [(cell.id, text(cell).splitlines()[-1]) for cell in checks]
    open_ones = [verdict for name, verdict in verdicts if not name.endswith("-done")]
    done = [(name, verdict) for name, verdict in verdicts if name.endswith("-done")]
    assert len(open_ones) == len(done) > 0
    assert [verdict for verdict in open_ones if not verdict.startswith("✗ not yet: ")] == []
    assert [(name, verdict) for name, verdict in done if verdict != "✓ right"] == []


@each_notebook
def test_each_exercise_has_its_answer_folded(path):
    """An answer is there, and not seen before one asks for it."""
    notebook = stored(path)
    exercises = {cell.id for cell in notebook.cells if cell.cell_type == "code" and cell.id.startswith("exercise")}
    answer = "答案" if path in CHINESE else "Answer"

    assert exercises == set(answers(notebook)) != set()
    for cell in notebook.cells:
        if cell.id.endswith("-answer"):
            assert cell.cell_type == "markdown"
            assert cell.source.startswith(f"<details><summary>{answer}</summary>\n\n")
            assert cell.source.endswith("\n\n</details>")


@each_notebook
def test_it_is_stored_without_outputs(path):
    """It is stored valid, without outputs and counts, and asks for any Python 3."""
    notebook = stored(path)

    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "version" not in notebook.metadata.get("language_info", {})
    for cell in notebook.cells:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
        assert cell.get("id")


@each_notebook
def test_it_has_the_size_of_a_lesson(path):
    """It has 20 to 40 cells, and no wall of text; two Chinese characters count as a word."""
    notebook = stored(path)

    assert 20 <= len(notebook.cells) <= 40
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and not cell.id.endswith("-answer"):
            assert len(re.findall(r"[\u4e00-\u9fff]{1,2}|[^\s\u4e00-\u9fff]+", cell.source)) <= 120, cell.id


@pytest.mark.parametrize(("name", "ids"), PLAIN_AND_PARALLEL.items())
def test_the_parallel_cell_is_the_plain_one_with_a_line_more(name, ids):
    """What runs in parallel is word for word the plain cell: only its first line is new."""
    cells = {cell.id: cell.source for cell in stored(ROOT / "notebooks" / name).cells}
    plain, parallel = (cells[name] for name in ids)

    assert parallel == f"%%parallel\n{plain}"


@each_notebook
def test_the_readme_names_it(path):
    """The list of notebooks in the README of its language leads to it."""
    readme = path.parent / "README.zh.md" if path in CHINESE else ROOT / "README.md"

    link = f"- [{path.stem}]({path.relative_to(readme.parent).as_posix()})"
    assert link in readme.read_text(encoding="utf-8")


def test_the_chinese_edition_has_every_lesson():
    """Both editions have the same notebooks."""
    assert [path.name for path in CHINESE] == [path.name for path in NOTEBOOKS]


@each_in_chinese
def test_both_editions_have_the_same_cells(path):
    """Code is the same to the letter, cell by cell; text has its place, its code, links and answers, in both languages."""
    english, chinese = stored(ROOT / "notebooks" / path.name), stored(path)

    assert len(chinese.cells) == len(english.cells)
    assert chinese.metadata == english.metadata
    for number, (theirs, ours) in enumerate(zip(english.cells, chinese.cells, strict=True)):
        where = f"cell {number} of notebooks/zh/{path.name}"
        assert (ours.cell_type, ours.id, ours.metadata) == (theirs.cell_type, theirs.id, theirs.metadata), where
        if ours.cell_type == "code":
            assert ours.source == theirs.source, f"{where}: copy the English one"
        else:
            assert set(CODE_SPAN.findall(theirs.source)) <= set(CODE_SPAN.findall(ours.source)), where
            assert LINK.findall(ours.source) == LINK.findall(theirs.source), where
            assert OUTLINE.findall(ours.source) == OUTLINE.findall(theirs.source), where
    assert answers(chinese) == answers(english)


@each_in_chinese
def test_its_chinese_is_set_as_written(path):
    """A paragraph is one line, for a line's end shows as a blank; what is bold begins and ends with a letter, else it isn't."""
    for cell in stored(path).cells:
        if cell.cell_type == "markdown":
            assert re.search("[\u4e00-\u9fff]", cell.source), cell.id
            assert not BROKEN_LINE.search(cell.source), cell.id
            bold = re.findall(r"\*\*(.+?)\*\*", cell.source)
            assert [words for words in bold if not (words[0].isalnum() and words[-1].isalnum())] == [], cell.id


def test_runs_of_larger_machines_are_those_that_their_script_makes():
    """Each stored record is what the script simulates, says in its first line that it is simulated, and adds up."""
    script = runpy.run_path(str(RUNS / "simulate.py"))
    stored_runs = {path.name: mpnb.load_run(path) for path in RUNS.glob("*.json")}

    assert set(stored_runs) == {f"simulated_{cores}_cores.json" for cores in script["CORES"]}
    for cores in script["CORES"]:
        run, made = stored_runs[f"simulated_{cores}_cores.json"], script["simulate"](cores)
        assert run.source.startswith(f"# simulated: {cores} cores that exist on paper only")
        assert run.wall_s == pytest.approx(made.wall_s), "the scheduler deals otherwise now: run simulate.py again"
        assert run.losses == pytest.approx(made.losses)
        assert sum(run.losses.values()) == pytest.approx(cores * run.wall_s)
        assert run.sites[0].iterations == script["TASKS"]
