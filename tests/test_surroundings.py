"""Process state travels whole, differences are named, and the audit net holds what would be seen outside."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from mirror_process import ROOT

from mpnb import surroundings

# Runs in two fresh processes: the first sets something and says what it captured; the second applies that and looks.
SCRIPT = """
import sys, pickle
from mpnb import surroundings
{first}
state = surroundings.capture()
"""

# (what, how the notebook sets it, how a worker sees it)
SETTINGS = [
    ("cwd", "import os; os.chdir('/')", "__import__('os').getcwd()"),
    (
        "environ",
        "import os; os.environ['MINE'] = 'x'; del os.environ['HOME']",
        "__import__('os').environ.get('MINE'), 'HOME' in __import__('os').environ",
    ),
    (
        "time zone",
        "import os, time; os.environ['TZ'] = 'Asia/Tokyo'; time.tzset()",
        "__import__('time').strftime('%H', __import__('time').localtime(0))",
    ),
    ("sys.path", "sys.path.insert(0, '/nowhere')", "sys.path"),
    ("recursion limit", "sys.setrecursionlimit(2345)", "sys.getrecursionlimit()"),
    ("int digits", "sys.set_int_max_str_digits(5000)", "sys.get_int_max_str_digits()"),
    (
        "warning filters",
        "import warnings; warnings.filterwarnings('error', 'a.*b', DeprecationWarning, 'mod')",
        "[(f[0], f[1] and f[1].pattern, f[2].__name__, f[3] and getattr(f[3], 'pattern', f[3])) for f in __import__('warnings').filters]",
    ),
    (
        "decimal",
        "import decimal; decimal.getcontext().prec = 7; decimal.getcontext().traps[decimal.Inexact] = True",
        "(lambda c: (c.prec, [s.__name__ for s, on in c.traps.items() if on]))(__import__('decimal').getcontext())",
    ),
    ("numpy errors", "import numpy; numpy.seterr(divide='raise')", "__import__('numpy').geterr()"),
    (
        "numpy print options",
        "import numpy; numpy.set_printoptions(precision=3, suppress=True)",
        "__import__('numpy').get_printoptions()",
    ),
    (
        "pandas options",
        "import pandas; pandas.set_option('display.max_rows', 7)",
        "__import__('pandas').get_option('display.max_rows')",
    ),
    (
        "rcParams",
        "import matplotlib; matplotlib.rcParams['lines.linewidth'] = 9.0",
        "__import__('matplotlib').rcParams['lines.linewidth']",
    ),
    (
        "scikit-learn",
        "import sklearn; sklearn.set_config(assume_finite=True)",
        "__import__('sklearn').get_config()['assume_finite']",
    ),
    (
        "logging levels",
        "import logging; logging.getLogger().setLevel(5); logging.getLogger('a.b').setLevel(17); logging.disable(3)",
        "(lambda l: (l.root.level, l.getLogger('a.b').level, l.root.manager.disable))(__import__('logging'))",
    ),
    ("locale", "import locale; locale.setlocale(locale.LC_ALL, 'C')", "__import__('locale').setlocale(0)"),
]


def python(source: str, *arguments: str) -> str:
    """Run a script in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source), *arguments],
        env={**os.environ, "PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("setting", "look"), [case[1:] for case in SETTINGS], ids=[case[0] for case in SETTINGS])
def test_state_travels(setting: str, look: str, tmp_path: Path) -> None:
    """What the notebook set is so in a worker, in which the library may not be loaded yet."""
    file = tmp_path / "state"
    if "sklearn" in setting:
        pytest.importorskip("sklearn")
    here = python(
        f"""
import sys, pickle
from mpnb import surroundings
before = surroundings.capture()
{setting}
after = surroundings.capture()
pickle.dump(after, open({str(file)!r}, 'wb'))
again = surroundings.capture()
assert after == again
print({look})
"""
    )
    there = python(
        f"""
import sys, pickle
from mpnb import surroundings
state = pickle.load(open({str(file)!r}, 'rb'))
surroundings.apply(state, early=True)
surroundings.apply(state)
assert {{k: v for k, v in surroundings.capture().items() if k in state}} == state, (surroundings.capture(), state)
surroundings.apply(state)
print({look})
"""
    )
    assert there == here


def test_defaults_are_set_back() -> None:
    """A worker that an earlier job changed is made as fresh as the notebook."""
    python(
        """
        import decimal, logging, os, sys, numpy, pandas, matplotlib
        from mpnb import surroundings
        fresh = surroundings.capture()
        decimal.getcontext().prec = 5
        logging.getLogger().setLevel(1); logging.basicConfig()
        os.environ["X"] = "1"; sys.setrecursionlimit(3000)
        numpy.seterr(all="ignore"); numpy.set_printoptions(precision=2)
        pandas.set_option("display.max_rows", 3); matplotlib.rcParams["lines.linewidth"] = 9
        assert surroundings.capture() != fresh
        surroundings.apply(fresh)
        assert surroundings.capture() == fresh
        """
    )


def test_nothing_is_imported_for_defaults() -> None:
    """Applying the state of a notebook that only loaded the libraries loads none of them."""
    python(
        """
        import subprocess, sys, pickle
        from mpnb import surroundings
        code = "import numpy, pandas, matplotlib, sys, pickle; from mpnb import surroundings; sys.stdout.buffer.write(pickle.dumps(surroundings.capture()))"
        state = pickle.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        surroundings.apply(state)
        assert not {"numpy", "pandas", "matplotlib"} & set(sys.modules)
        """
    )


def test_handlers() -> None:
    """Stream handlers write to the worker's stream in the same form; others stop the task when they are used."""
    python(
        """
import io, logging, os, sys, pickle, subprocess
from mpnb import surroundings
code = '''
import logging, os, sys, pickle
from mpnb import surroundings
logging.basicConfig(level=logging.INFO, format="%(levelname)s|%(message)s")
logging.getLogger("filed").addHandler(logging.FileHandler(os.devnull))
sys.stdout.buffer.write(pickle.dumps(surroundings.capture()))
'''
state = pickle.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
surroundings.apply(state)
sys.stderr = io.StringIO()
logging.info("hello")
assert sys.stderr.getvalue() == "INFO|hello\\n"
try:
    logging.getLogger("filed").error("x")
except surroundings.Tripped as error:
    assert "filed" in str(error)
else:
    raise SystemExit("not tripped")
assert surroundings.tripped()
"""
    )


def test_differences_are_named() -> None:
    """`changed` says in words what is another; an import may add warning filters."""
    before = surroundings.capture()
    assert surroundings.changed(before, dict(before)) is None
    assert surroundings.changed(before, {**before, "recursion": 1}) == "the recursion limit"
    assert surroundings.changed(before, {**before, "warnings": []}) == "the warning filters"
    assert surroundings.changed(before, {**before, "warnings": []}, imported=True) is None


# (what a task does, whether it is held)
DEEDS = [
    ("open(target, 'w')", True),
    ("open(target, 'a')", True),
    ("open(target, 'x')", True),
    ("open(existing, 'r+')", True),
    ("os.open(target, os.O_CREAT | os.O_WRONLY)", True),
    ("pathlib.Path(target).write_text('x')", True),
    ("pathlib.Path(target).touch()", True),
    ("os.rename(existing, target)", True),
    ("os.remove(existing)", True),
    ("os.mkdir(target)", True),
    ("os.link(existing, target)", True),
    ("os.symlink(existing, target)", True),
    ("os.truncate(existing, 0)", True),
    ("os.chmod(existing, 0)", True),
    ("os.utime(existing)", True),
    ("os.chdir('/')", True),
    ("os.environ.__setitem__('A', 'b')", True),
    ("os.environ.pop('HOME')", True),
    ("os.system('true')", True),
    ("subprocess.run(['true'])", True),
    ("os.fork()", True),
    ("shutil.copy(existing, target)", True),
    ("shutil.rmtree(folder)", True),
    ("tempfile.mkstemp()", True),
    ("tempfile.TemporaryFile()", True),
    ("socket.create_connection(('127.0.0.1', 9))", True),
    ("socket.socket().bind(('127.0.0.1', 0))", True),
    ("sqlite3.connect(target)", True),
    ("urllib.request.urlopen('http://127.0.0.1:9')", True),
    ("os.kill(os.getpid(), 0)", True),
    ("open(existing).read()", False),
    ("open(os.devnull, 'w').write('x')", False),
    ("os.makedirs(folder, exist_ok=True)", False),
    ("os.listdir(folder)", False),
    ("os.stat(existing)", False),
    ("sqlite3.connect(':memory:').close()", False),
    ("importlib.import_module('wave')", False),
    ("os.urandom(3)", False),
]


def test_the_audit_net(tmp_path: Path) -> None:
    """What would be seen outside the process raises Tripped and does not happen; reading is free; asleep, all is free."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "existing").write_text("content")
    listed = [(deed, held) for deed, held in DEEDS]
    python(
        f"""
import importlib, os, pathlib, shutil, socket, sqlite3, subprocess, sys, tempfile, urllib.request
from mpnb import surroundings
target, existing, folder = {str(tmp_path / "new")!r}, {str(tmp_path / "existing")!r}, {str(tmp_path / "folder")!r}
surroundings.install()
surroundings.install()
open(target, "w").close(); os.remove(target)
for deed, held in {listed!r}:
    surroundings.forget()
    surroundings.watch(True)
    try:
        eval(deed)
    except surroundings.Tripped:
        caught = True
    except Exception as error:
        raise SystemExit((deed, error))
    else:
        caught = False
    finally:
        surroundings.watch(False)
    assert caught == held == (surroundings.tripped() is not None), (deed, surroundings.tripped())
surroundings.forget()
surroundings.watch(True)
try:
    try:
        open(target, "w")
    except BaseException:
        pass
finally:
    surroundings.watch(False)
assert "opens" in surroundings.tripped()
assert sorted(os.listdir({str(tmp_path)!r})) == ["existing", "folder"]
assert open(existing).read() == "content"
"""
    )


def test_state_of_a_worker_is_light() -> None:
    """The rooms that a worker starts with load no IPython, numpy, pandas, matplotlib or dill."""
    python(
        """
        import sys
        import mpnb.namespace
        heavy = {"IPython", "numpy", "pandas", "matplotlib", "dill", "scipy"} & set(sys.modules)
        assert not heavy, heavy
        """
    )
