"""More cells of `test_cells`: files that iterations write, look at and map; places in a traceback; the one nan."""

from __future__ import annotations

import textwrap

Row = tuple[str, str, str, bool | None]

SETUP = """
import csv, glob, itertools, mmap, os
from pathlib import Path
import numpy as np
import pandas as pd
out = []
os.makedirs('sub/deep')
for n in range(4):
    Path(f'in{n}').write_text('1234')
    Path(f'sub/{n}').write_text('1234')
paths = [Path(f'in{n}') for n in range(4)]
class Tagged(np.ndarray):
    pass
def tagged(n):
    array = np.arange(n).view(Tagged)
    array.tag = ('made of', n)
    return array
arrays = [tagged(n) for n in range(1, 5)]
big = np.memmap('sub/0', dtype='u1', mode='r')
"""
WRITES = """
    out.append(str(item))
    Path('w').write_text(str(item))
    for path in [*paths, Path('sub/3'), Path('sub/deep/new')]:
        path.write_text(f'{item}')
"""


def _over(name: str, iterable: str, splits: bool | None) -> Row:
    return f"files: over {name}", SETUP, f"for item in {iterable}:{WRITES}", splits


def _cell(name: str, cell: str, splits: bool | None) -> Row:
    return f"files: {name}", SETUP, textwrap.dedent(cell).strip("\n"), splits


FILES: list[Row] = [
    # what is pulled from ahead of the loop has been looked at before the loop writes
    _over("a folder's walk", "os.walk('.')", False),
    _over("rglob", "Path('.').rglob('*')", False),
    _over("a glob of two levels", "Path('.').glob('*/*')", False),
    _over("iglob", "glob.iglob('**', recursive=True)", False),
    _over("zip with rglob", "zip(paths, Path('.').rglob('*'))", False),
    _over("a slice of rglob", "itertools.islice(Path('.').rglob('*'), 3)", False),
    _over("sorted rglob", "sorted(Path('.').rglob('*'))", True),
    _over("glob.glob", "glob.glob('*')", True),
    _over("a folder", "Path('sub').iterdir()", None),  # of Python 3.11 and 3.12 it is known to be listed first
    _over("a glob of one level", "Path('.').glob('in*')", None),
    _over("map of exists", "map(os.path.exists, paths)", False),
    _over("map of read_text", "map(Path.read_text, paths)", False),
    _over("filter by is_file", "filter(Path.is_file, paths)", False),
    _over("a chain with sizes", "itertools.chain(paths, map(os.path.getsize, paths))", False),
    _over("map of str", "map(str, paths)", True),
    _over("the lines of a file", "open('sub/3')", False),
    _over("the rows of a csv file", "csv.reader(open('sub/3'))", False),
    _over("chunks of a frame", "pd.read_csv('sub/3', chunksize=1)", False),
    _over("the rows of a frame", "pd.DataFrame({'a': [1, 2, 3]}).itertuples()", True),
    # what an iteration asks of what it writes
    _cell(
        "state of an open file",
        """
        for n in range(4):
            with open(f'w{n}', 'w') as f:
                f.write('x')
                f.flush()
                out.append((os.fstat(f.fileno()).st_nlink, oct(os.stat(f.fileno()).st_mode)))
        """,
        False,
    ),
    _cell(
        "posix by itself",
        """
        import posix
        for n in range(4):
            out.append(posix.stat('in0').st_size)
            Path('in0').write_text('x' * n)
        """,
        None,
    ),
    _cell(
        "a folder by its descriptor",
        """
        for n in range(4):
            fd = os.open('sub', os.O_RDONLY)
            out.append(sorted(os.listdir(fd)))
            os.close(fd)
            Path(f'sub/w{n}').write_text('x')
        del fd
        """,
        False,
    ),
    _cell(
        "opened from a folder's descriptor",
        """
        for n in range(4):
            fd = os.open('sub', os.O_RDONLY)
            inner = os.open('1', os.O_RDONLY, dir_fd=fd)
            out.append(os.read(inner, 9))
            os.close(inner)
            os.close(fd)
            Path('sub/1').write_text(str(n))
        del fd, inner
        """,
        False,
    ),
    _cell(
        "read by a descriptor after it is written",
        """
        for n in range(4):
            fd = os.open(f'in{n}', os.O_RDONLY)
            Path(f'in{n}').write_text('new')
            out.append(os.read(fd, 9))
            os.close(fd)
        del fd
        """,
        False,
    ),
    _cell(
        "a copy of the descriptor outlives the file",
        """
        for n in range(4):
            f = open(f'w{n}', 'w')
            fd = os.dup(f.fileno())
            f.close()
            out.append(fd)
        for fd in out:
            os.write(fd, b'late')
            os.close(fd)
        del fd, out
        """,
        False,
    ),
    _cell(
        "closed files that wrote through",
        """
        for n in range(3):
            with open(f'w{n}', 'w') as f:
                f.reconfigure(write_through=True, newline='\\r\\n')
                f.write('a\\n')
            out.append(f)
        asked = f.write_through, out[0].write_through
        """,
        None,
    ),
    # arrays in files
    _cell("a map of a written file", "for n in range(4):\n    m = np.memmap(f'in{n}', 'u1', 'r')\n    Path(f'in{n}').write_text('5678')\n    out.append(m.tolist())\n", False),
    _cell("mapped arrays are kept", "maps = [np.memmap(path, 'u1', 'r') for path in paths]\npaths[1].write_text('5678')\nout = [m.tolist() for m in maps], maps[0].filename, maps[0].flags.writeable", None),
    _cell("a mapped array is made of an open file", "maps = []\nfor n in range(4):\n    with open(f'w{n}', 'wb+') as f:\n        f.truncate(4)\n        m = np.memmap(f, 'u1', 'r+', shape=4)\n        maps.append(m)\nmaps[0][:] = 65\nmaps[0].flush()", None),
    _cell("a map behind a plain array", "import mmap\ndef mapped(path):\n    with open(path, 'rb') as f:\n        return np.frombuffer(mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ), 'u1')\nkept = [mapped(path) for path in paths]\nwriteable = kept[0].flags.writeable", None),
    _cell("sums of a mapped array", "sums = [int(big[n:].sum()) for n in range(4)]", True),
    _cell("copies of a mapped array", "kept = [big[n:].copy() for n in range(4)]\nasked = kept[0].filename, type(kept[0])", None),
    _cell("slices of a mapped array", "kept = [big[n:] for n in range(4)]\nasked = kept[0].filename, type(kept[0])", None),
    _cell("the name of a mapped array", "names = [(os.path.basename(big.filename), big.mode, big.offset, n) for n in range(4)]", True),
    _cell("attributes of arrays are sent", "tags = [(array.tag, int(array.sum())) for array in arrays]", True),
    _cell("attributes of arrays come home", "made = [(lambda a: a)(tagged(n)) for n in range(3)]\ntags = [array.tag for array in made]", None),
]  # fmt: skip

NAN = "import statistics\nfrom collections import Counter, OrderedDict\nnan = float('nan')\nxs = [3, 1, 2, 5]"
BAD = "import traceback\nout = []\ndef bad(x):\n    if x % 2: raise ValueError(x)\n    return x"
PLACES = "[(f.lineno, f.name, f.line) for f in traceback.extract_tb(e.__traceback__)]"

FOUND: list[Row] = [
    ("nan: counted", NAN, "counts = Counter(nan for x in xs)", False),
    ("nan: counted in tuples", NAN, "counts = Counter((nan, x % 2) for x in xs)", False),
    ("nan: counted by map", NAN, "counts = Counter(map(lambda x: nan, xs))", False),
    ("nan: keys in order", NAN, "found = OrderedDict((nan, x) for x in xs)", False),
    ("nan: a set of a generator", NAN, "found = set(nan for x in xs)", False),
    ("nan: a set of a map", NAN, "count = len(set(map(lambda x: nan, xs)))", False),
    ("nan: a dict of pairs", NAN, "found = dict((nan, x) for x in xs)", False),
    ("nan: most frequent", NAN, "modes = statistics.multimode(nan for x in xs)", False),
    ("counted where there is no nan", NAN.replace("nan = float('nan')\n", ""), "counts = Counter(x % 2 for x in xs)", True),
    ("place in a traceback: the cell", BAD, f"for x in range(4):\n    try: bad(x)\n    except ValueError as e: out.append({PLACES})\n", True),
    ("place in a traceback: printed", BAD, "for x in range(4):\n    try: bad(x)\n    except ValueError: traceback.print_exc()\n", True),
]  # fmt: skip
