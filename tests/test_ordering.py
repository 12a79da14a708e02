"""The order of sets differs between processes: what takes one from a set is refused, what does not is split."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from typing import Any

import pytest
from mirror_process import Notebook, Worker
from test_codec import result, run

from mpnb import plan
from mpnb.cache import EncodeCache
from mpnb.errors import CodecError
from mpnb.jobs import JobEncoder
from mpnb.ordering import is_seed_fixed, keeps_order, reordered, why_misordered

COLLIDED = {8, 0, 16, 3.5, 1 << 40}


@pytest.mark.parametrize(
    ("one", "verdict"),
    [
        ({1, 2, 3}, True),
        (frozenset({1.5, 2j, True}), True),
        ({(1, 2), (3, frozenset({4}))}, True),
        (COLLIDED, False),
        ({"a"}, False),
        ({1, "a"}, False),
        ({float("nan"), 1.0}, False),
        ({None, 1}, False),
        ({(1, "a")}, False),
        ({object(), 2}, False),
    ],
)
def test_which_sets_keep_their_order(one: Any, verdict: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers have the same hashes everywhere; text and most objects have not."""
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    assert keeps_order(one) is verdict
    assert list(reordered([1, one, "x"])) == ([] if verdict else [one])


def test_empty_sets_have_no_order() -> None:
    """An empty set, of whatever class, is the same everywhere."""

    class Tags(set):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return 5

    assert list(reordered([set(), frozenset(), Tags()])) == []
    assert len(list(reordered([Tags([1])]))) == 1


def test_misordered_numbers() -> None:
    """A set of numbers of which a copy has another order is found."""
    assert why_misordered([{1, 2}, COLLIDED]) == "a set of numbers whose order a copy would not keep"
    assert not why_misordered([{1, 2}, {"a"}, set(), frozenset({(1, 2.5), 7})])


@pytest.mark.skipif(is_seed_fixed(), reason="text has the same hashes in every process")
@pytest.mark.parametrize("found", [{"a", "b"}, frozenset({"a", 1}), {(1, "a"), (1, "b")}, {object(), object()}])
def test_a_set_of_text_has_another_order_in_another_process(found: object) -> None:
    """Which of its elements collide, and so where they come, hangs on hashes that the other process has not."""
    assert "whose order would be another here; instead: sorted(...)" in why_misordered([{1, 2}, found])


# what a loop does with sets: refused by its text, or left to what is sent, or no matter


CELL = """
words = {"a", "b", "c"}
nums = {1, 2, 3}
bad = {8, 0, 16, 3.5, 1 << 40}
docs = [{"a", "b"}] * 3
texts = ["a b", "c d"]
weight = {"a": 0.1, "b": 0.2, "c": 0.3}
out = []
every = set()
class Doc:
    def __init__(self, tags): self.tags = tags
    def joined(self): return " ".join(self.tags)
    def letters(self): return set("".join(["a", "b"]))
objs = [Doc({"x", "y"})]
def join(ws): return " ".join(ws)
def count(ws): return len(ws)
def join_set(text): return join(set(text.split()))
def count_set(text): return count(set(text.split()))
def hidden(text):
    kept = [set(text.split())]
    return " ".join(kept[0])
def without(text, stop): return [w for w in text if w not in stop]
def within(text, stop): return [w for w in stop if w in text]
def grown(text):
    seen = set()
    for w in text.split(): seen.add(w)
    return [w for w in seen]
def deduplicated(text):
    seen, found = set(), []
    for w in text.split():
        if w not in seen:
            seen.add(w)
            found.append(w)
    return found
def is_prime(n):
    for k in range(2, n):
        if n % k == 0: return False
    return True
"""

LOOPS = [
    # membership, size and sorting take no order
    ("[t in words for t in texts]", False),
    ("[len(s) for s in docs]", False),
    ("[sorted(s) for s in docs]", False),
    ("[len(o.tags) for o in objs]", False),
    ("[len(set(t.split())) for t in texts]", False),
    ("[set(t.split()) for t in texts]", False),
    ("[{'n': t, 's': set(t.split())} for t in texts]", False),
    ("[count_set(t) for t in texts]", False),
    ("[deduplicated(t) for t in texts]", False),
    ("[is_prime(i) for i in range(9)]", False),
    ("[sum(len(w) for w in words) for t in texts]", False),
    # what was judged by its name
    ("[list(words) for t in texts]", "set-order"),
    ("[list(nums) for t in texts]", False),
    ("[list(bad) for t in texts]", "set-order"),
    ("[max(words, key=len) for t in texts]", "set-order"),
    ("[sorted(words, key=len) for t in texts]", "set-order"),
    ("[sum(weight[w] for w in words) for t in texts]", "set-order"),
    ("[f'{words}' for t in texts]", "set-order"),
    ("['%s' % words for t in texts]", "set-order"),
    ("[[*words] for t in texts]", "set-order"),
    ("[next(iter(words)) for t in texts]", "set-order"),
    ("[(words | {'z'}).pop() for t in texts]", "set-order"),
    # made in the iteration, known as a set or not
    ("[list(set(t.split())) for t in texts]", "set-order"),
    ("[grown(t) for t in texts]", "set-order"),
    ("[join_set(t) for t in texts]", "set-order"),
    ("[hidden(t) for t in texts]", "set-order"),
    ("[list(o.letters()) for o in objs]", "set-order"),
    ("[within(t, words) for t in texts]", "set-order"),
    # perhaps sets: it hangs on what is sent
    ("[list(s) for s in docs]", True),
    ("[o.joined() for o in objs]", True),
    ("[sorted(s, key=len) for s in docs]", True),
    ("[without(t, words) for t in texts]", True),
    ("[str(s) for s in docs]", True),
]
STATEMENTS = [
    ("for s in docs:\n    out.append(len(s))", False),
    ("for i, s in enumerate(docs):\n    out.append(len(s))", False),
    ("for s in docs:\n    every.update(s)", False),
    ("for t, n in [('a', 1)]:\n    out.append(n)", False),
    ("for s in docs:\n    out.extend(s)", True),
    ("for s in docs:\n    out += s", True),
    ("for a, b in docs:\n    out.append(a)", True),
    ("for s in docs:\n    a, b = s\n    out.append(a)", True),
    ("for s in docs:\n    print(s)", True),
    ("for t in texts:\n    out.extend(words)", "set-order"),
    ("for t in texts:\n    print(words)", "set-order"),
]


@pytest.mark.parametrize(("cell", "expected"), [(f"r = {text}", verdict) for text, verdict in LOOPS] + STATEMENTS)
def test_what_takes_an_order(notebook: Notebook, cell: str, expected: str | bool) -> None:
    """A known set is refused; from something unknown the job says that it takes an order."""
    notebook.cell(CELL)
    loop = plan.read_cell(ast.parse(cell)).sites[0].loop
    assert loop is not None
    leaf = loop.iterable.args[0] if isinstance(loop.iterable, ast.Call) else loop.iterable
    finding = plan.inspect_loop(loop, plan.Space(notebook.names), [eval(ast.unparse(leaf), notebook.names)])
    assert (finding.refusal.code if finding.refusal else finding.orders) == expected


# what is sent


SENT = [
    ("items", "", "list(item)", [{"a", "b"}], "items\\[0\\]"),
    ("inside items", "", "list(item[1]['k'])", [[1, {"k": {"a", "b"}}]], "items\\[0\\]\\[1\\]\\['k'\\]"),
    ("a name's list", "docs = [1, {'a', 'b'}]", "list(docs[1])", [0], "docs\\[1\\]"),
    ("an attribute", "class D: pass\nd = D()\nd.tags = {'x'}", "list(d.tags)", [0], "d.tags"),
    ("a default", "def f(s={'a', 'b'}): return list(s)", "f()", [0], "f"),
    ("a class", "class D:\n    tags = {'a', 'b'}\nd = D()", "list(d.tags)", [0], "d"),
    ("numbers that collided", "docs = [{8, 0, 16, 3.5, 1 << 40}]", "list(docs[0])", [0], "docs\\[0\\]"),
    ("also as a name", "s = {'a', 'b'}\ndocs = [s]", "'a' in s, list(docs[0])", [0], "docs\\[0\\]"),
    ("a subclass", "class S(set): pass\ndocs = [S('ab')]", "list(docs[0])", [0], "docs\\[0\\]"),
]


@pytest.mark.parametrize(("cell", "expression", "items", "path"), [c[1:] for c in SENT], ids=[c[0] for c in SENT])
def test_a_set_from_which_an_order_may_be_taken_is_not_sent(
    notebook: Notebook, worker: Worker, cell: str, expression: str, items: list[Any], path: str
) -> None:
    """Where the loop takes an order, a set inside data is an error that names the path; where not, it is sent."""
    notebook.cell(cell)
    body = f"effects.append((0, ({expression})))"
    with pytest.raises(CodecError, match=rf"'{path}.*' *: is a set|\"{path}.*\": is a set"):
        run(notebook, worker, body, items, orders=True)
    assert run(notebook, worker, body, items)


def test_a_name_that_is_a_set_is_sent(notebook: Notebook, worker: Worker) -> None:
    """`word in stopwords` is split also where the loop takes an order from something else."""
    notebook.cell("stop = {'the', 'a'}\nfine = [{1, 2, 3}]")
    effects = run(
        notebook, worker, "effects.append((0, [w in stop for w in item], list(fine[0])))", [["the", "x"]], orders=True
    )
    assert effects == [[(0, [True, False], [1, 2, 3])]]


def test_a_named_set_that_is_also_an_item(notebook: Notebook, worker: Worker) -> None:
    """The plan has judged the name, not what an item is."""
    notebook.cell("stop = {'the', 'a'}")
    encoder = JobEncoder(notebook.job("'a' in stop, list(item)", orders=True), EncodeCache())
    with pytest.raises(CodecError, match="is a set"):
        encoder.encode_items([notebook.names["stop"]])
    encoder.encode_items([["a"]])


def test_sets_that_a_local_module_holds(notebook: Notebook, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker imports the user's module itself, so that sets inside its data have another order there."""
    (tmp_path / "tagged_of_mine.py").write_text(
        "TABLE = {'k': {'a', 'b'}}\nSTOP = {'x', 'y'}\ndef f(): return list(TABLE['k'])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    notebook.cell("import tagged_of_mine")
    JobEncoder(notebook.job("tagged_of_mine.f()"), EncodeCache())
    with pytest.raises(CodecError, match=r"tagged_of_mine\.TABLE"):
        JobEncoder(notebook.job("tagged_of_mine.f()", orders=True), EncodeCache())
    del sys.modules["tagged_of_mine"]


def test_result_sets_come_home_equal(notebook: Notebook, worker: Worker) -> None:
    """Where its order is the same; a set of text is made in the notebook, or not at all."""
    assert result(notebook, worker, "set(range(9)), {frozenset('a')}") == (set(range(9)), {frozenset("a")})
    with pytest.raises(CodecError, match="a set that holds a str, whose order would be another here"):
        result(notebook, worker, "set('hello world')")


def test_a_seed_that_was_set_when_the_notebook_had_begun_helps_no_worker(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker begins with it, and yet goes by the notebook's hashes: dask, for one, sets it beside a cluster."""
    monkeypatch.setenv("PYTHONHASHSEED", "6640")
    process = Worker()
    try:
        with pytest.raises(CodecError, match="a set that holds a str, whose order would be another here"):
            result(notebook, process, "set('hello world')")
    finally:
        process.close()


RELIED = """
import sys
from mpnb import ordering
try:
    ordering.agree_on(int(sys.argv[1]))
except ValueError as error:
    print(error)
else:
    print(ordering.is_seed_fixed())
ordering.agree_on(None)
print(ordering.is_seed_fixed())
"""


@pytest.mark.parametrize(("seed", "expected"), [("7", "True"), ("8", "text has other hashes here"), ("0", "text has")])
def test_a_worker_whose_hashes_are_others_says_so(seed: str, expected: str) -> None:
    """A notebook that relies upon its fixed seed gets no worker that was begun with another."""

    def run(code: str, seed: str, *arguments: str) -> list[str]:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()

    (there,) = run("from mpnb import ordering; print(ordering.hashes())", "7")
    first, second = run(RELIED, seed, there)
    assert first.startswith(expected)
    assert second == "False"


FIXED = """
from mpnb.ordering import is_seed_fixed, keeps_order
import os
print(is_seed_fixed(), keeps_order({"a", "b"}))
os.environ["PYTHONHASHSEED"] = "8"
print(is_seed_fixed())
"""


@pytest.mark.parametrize(("seed", "expected"), [("7", "True True False"), ("random", "False False False")])
def test_a_fixed_seed(seed: str, expected: str) -> None:
    """With PYTHONHASHSEED fixed from the start on text has the same order everywhere; set later on it does not help."""
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", FIXED], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == expected.split()
