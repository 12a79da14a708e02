"""`drafts` keeps back what an iteration does to files, and `filing` puts it in place; both in this process."""

from __future__ import annotations

import io
import os
import shutil
import textwrap
from pathlib import Path

import pytest

from mpnb import drafts, filing, surroundings
from mpnb.closed import closed_file, opened_by
from mpnb.engine import FILED, SEEN

# files that are closed as soon as nobody holds them, as in a notebook
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder of its own, with a file, a folder and a link in it."""
    monkeypatch.chdir(tmp_path)
    Path("old.txt").write_text("old")
    Path("sub").mkdir()
    Path("link").symlink_to("sub")
    return tmp_path


def picture(folder: Path) -> dict[str, object]:
    """What is in a folder: modes, contents, links."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes() if path.is_file() else None)
        for path in sorted(folder.rglob("*"))
    }


KEPT: list[object] = []


def kept(code: str) -> list[tuple]:
    """Run code as an iteration whose writes are kept back, and give its effects."""
    effects: list[tuple] = []
    surroundings.install()
    surroundings.forget()
    held = drafts.begin(effects)
    surroundings.watch(True)
    try:
        exec(textwrap.dedent(code), {"os": os, "io": io, "shutil": shutil, "Path": Path, "KEPT": KEPT})
        held.finish()
    finally:
        surroundings.watch(False)
        drafts.end()
    return effects


@pytest.mark.parametrize(
    "code",
    [
        "open('a', 'w').write('é')",
        "with open('old.txt', 'w') as f: f.write('new')",
        "open('a', 'x').write('x')",
        "open(b'a', 'wb').write(b'123')",
        "io.open('a', 'w', newline='\\r\\n').write('a\\nb')",
        "with open('a', 'w+') as f: f.write('abc'); f.seek(1); assert f.read() == 'bc' and f.name == 'a'",
        "Path('link/a').write_text('through a link')",
        "Path('a').open('w', encoding='utf-16').write('x')",
        "os.mkdir('d'); open('d/a', 'w').write('1'); open('d/b', 'w').write('2')",
        "os.makedirs('d/e/f', exist_ok=True); Path('d/e/f/a').write_bytes(bytes(3))",
        "os.makedirs('sub', exist_ok=True); os.makedirs('sub/d', mode=0o700)",
        "Path('d/e').mkdir(parents=True, exist_ok=True); Path('sub').mkdir(exist_ok=True)",
        "shutil.copy('old.txt', 'sub')",
        "shutil.copyfile('old.txt', 'a'); os.chmod('a', 0o600)",
        "open('a', 'w').write('1'); open('a', 'w').write('2')",
        "with open('a', 'wb', buffering=0) as f: f.write(b'1'); f.truncate(10)",
    ],
)
def test_nothing_happens_until_it_is_put_in_place(folder, code):
    """While an iteration runs no file changes; its effects then do to them what the code does by itself."""
    before = picture(folder)
    effects = kept(code)
    assert picture(folder) == before

    for entry in effects:
        if entry[0] == FILED:
            filing.put(entry)
    after = picture(folder)
    shutil.rmtree("d", ignore_errors=True)
    for each in (*Path().glob("[ab]"), *Path("sub").iterdir()):
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    Path("old.txt").write_text("old")
    assert picture(folder) == before

    exec(textwrap.dedent(code), {"os": os, "io": io, "shutil": shutil, "Path": Path})
    assert picture(folder) == after


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("open('a', 'w').write('1'); open('a').read()", "looks at 'a'"),
        ("open('a', 'w').write('1'); os.path.getsize('a')", "looks at 'a'"),
        ("open('sub/a', 'w').write('1'); os.path.exists('link/a')", "looks at 'link/a'"),
        ("open('a', 'x').write('1'); open('a', 'x')", "looks at 'a'"),
        ("KEPT.append(open('a', 'w'))", "leaves 'a' open"),
    ],
)
def test_what_can_not_be_kept_back_trips(code, why):
    """An iteration that looks at its own writing, or leaves a file open, is stopped."""
    with pytest.raises(surroundings.Tripped, match=why):
        kept(code)
    KEPT.clear()
    surroundings.forget()
    assert open is io.open
    assert not Path("a").exists()


@pytest.mark.parametrize(
    "code",
    [
        "open('none/a', 'w')",
        "os.makedirs('old.txt', exist_ok=True)",
        "os.mkdir('sub')",
        "open('old.txt', 'x')",
        "open('n' * 300, 'w')",
        "open('sub', 'w')",
    ],
)
def test_what_fails_fails_as_ever(code):
    """Where Python raises, the same error comes while writes are kept back."""
    with pytest.raises(OSError, match="Errno") as plain:
        exec(code)
    with pytest.raises((OSError, surroundings.Tripped)) as here:  # tripped: it is left to the kernel
        kept(code)
    assert isinstance(here.value, surroundings.Tripped) or here.value.args == plain.value.args
    surroundings.forget()


@pytest.mark.parametrize(
    ("first", "second", "clashes"),
    [
        ("open('a', 'w')", "open('b', 'w')", False),
        ("open('a', 'w')", "open('a', 'w')", False),
        ("open('a', 'w')", "os.path.exists('a')", True),
        ("open('a', 'w')", "os.path.exists('b')", False),
        ("open('old.txt', 'w')", "open('old.txt').read()", True),
        ("open('old.txt', 'w')", "open('./sub/../old.txt').read()", True),
        ("open('old.txt').read()", "open('old.txt', 'w')", False),
        ("open('sub/a', 'w')", "os.path.lexists('link/a')", True),
        ("open('sub/a', 'w')", "os.listdir('link')", True),
        ("open('sub/a', 'w')", "list(Path('.').rglob('*'))", True),
        ("open('sub/a', 'w')", "os.listdir('.')", False),
        ("open('a', 'w')", "open('a', 'x')", True),
        ("os.mkdir('d')", "os.mkdir('d')", True),
        ("os.makedirs('d', exist_ok=True)", "os.makedirs('d', exist_ok=True)", False),
        ("os.makedirs('d', exist_ok=True)", "os.path.isdir('d')", True),
        ("os.makedirs('d/e', exist_ok=True); open('d/e/a', 'w')", "os.makedirs('d', exist_ok=True)", False),
        ("shutil.copy('old.txt', 'a')", "shutil.copy('old.txt', 'b')", False),
        ("shutil.copy('old.txt', 'a')", "shutil.copy('a', 'b')", True),
    ],
)
@pytest.mark.parametrize("placed", [False, True])
def test_a_clash_is_seen(first, second, clashes, placed):
    """An iteration clashes with an earlier one where it looks at what that one writes, however spelled."""
    if "copy('a'" in second and not placed:
        pytest.skip("there is nothing to be copied yet: an error, and the kernel does it")
    ledger = filing.Ledger()
    earlier = kept(first)
    assert ledger.clash(3, earlier) == ""
    if placed:
        for entry in earlier:
            if entry[0] == FILED:
                filing.put(entry)
    if placed and second in {"open('a', 'x')", "os.mkdir('d')"}:
        with pytest.raises((FileExistsError, surroundings.Tripped)):  # the kernel does it, then
            kept(second)
        surroundings.forget()
        return
    said = ledger.clash(4, kept(second))
    assert bool(said) is clashes
    assert not said or "iteration 4 writes" in said


def test_a_clash_with_another_name_of_the_file():
    """A hard link is the same file."""
    os.link("old.txt", "other.txt")
    ledger = filing.Ledger()
    assert not ledger.clash(0, kept("open('other.txt', 'w').write('1')"))
    assert ledger.clash(1, kept("open('old.txt').read()"))


def test_what_an_iteration_saw_comes_last_and_once():
    """Reads are told in one entry; an iteration that touches no file tells nothing."""
    assert kept("1 + 1") == []
    effects = kept("open('old.txt').read(); open('a', 'w').write('x'); os.stat('sub')")
    assert [entry[0] for entry in effects] == [FILED, SEEN]


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("w", {}),
        ("x", {"encoding": "utf-16"}),
        ("wb", {}),
        ("rb", {}),
        ("wb", {"buffering": 0}),
        ("w+b", {}),
        ("w", {"buffering": 1}),
    ],
)
def test_a_closed_file_and_its_like(mode, options):
    """What can be seen of a closed file is the same of the one made after it; the file itself is not touched."""
    path = "old.txt" if "r" in mode else "made"
    with open(path, mode, **options) as file:
        pass
    before = picture(Path())
    made = closed_file(*(opened_by(file) or ()))
    assert picture(Path()) == before
    assert made.closed
    assert type(made) is type(file)
    for name in ("name", "mode", "encoding", "errors", "line_buffering"):
        assert getattr(made, name, None) == getattr(file, name, None)


def test_an_open_file_has_no_like():
    """Nor has one that has seen line ends."""
    with open("old.txt") as file:
        assert opened_by(file) is None
    Path("old.txt").write_text("a\nb\n")
    with open("old.txt") as file:
        file.read()
    assert opened_by(file) is None
