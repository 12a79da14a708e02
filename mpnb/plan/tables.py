"""What is known beforehand of builtins, methods and libraries: which change their object, keep state, take an order.

Tables only. A rule that asks one of them stands in the room that reads the code.
"""

from __future__ import annotations

import collections
import functools
import io
import logging
import random
import threading
from collections.abc import Mapping
from typing import Final

LruCache: Final = type(functools.lru_cache(print))

#: Methods of the usual containers and files that change their object.
MUTATORS: Final = frozenset(
    """append appendleft extend extendleft insert remove pop popleft popitem clear sort reverse rotate add discard
    update setdefault difference_update intersection_update symmetric_difference_update move_to_end subtract
    write writelines truncate close seek read readline readlines send throw fill put itemset resize partition setflags
    setfield byteswap partial_fit fit fit_transform spawn acquire release set notify
    wait start join_thread cancel enable disable""".split()
) - {"read", "readline", "readlines"}
#: Reading moves a file's position, so a file that is not made in the iteration must not be read either.
READERS: Final = frozenset({"read", "readline", "readlines", "recv", "get_nowait", "__next__"})

#: Builtins whose first argument is changed.
CHANGES_FIRST: Final = frozenset({"next", "setattr", "delattr"})
DYNAMIC: Final = frozenset(
    {"globals", "locals", "exec", "eval", "compile", "__import__", "breakpoint", "input", "vars", "dir", "get_ipython"}
)
ATOMIC_CALLS: Final = frozenset(
    """len int float complex bool str bytes ord chr round hash id repr ascii format bin hex oct isinstance issubclass
    callable any all range print hasattr""".split()
)
ARITHMETIC: Final = frozenset(
    f"__{side}{name}__"
    for side in ("", "r")
    for name in "add sub mul matmul truediv floordiv mod pow lshift rshift and or xor".split()
)
CONTAINER_CALLS: Final = frozenset(
    "list dict set tuple frozenset bytearray sorted enumerate zip map filter reversed iter slice".split()
)
#: Builtins that give the same for every order of their argument. `sum` does for whole numbers, see `is_order_free`;
#: `sorted`, `min` and `max` do not where a `key` makes elements equal that are not.
ORDER_FREE: Final = frozenset(
    """sorted len min max any all set frozenset isinstance issubclass bool type id hash callable hasattr getattr
    int float complex abs round divmod pow range chr ord bin hex oct slice""".split()
)
#: Builtins and methods that take an order from their arguments, but not from what hangs on those.
SHALLOW: Final = CONTAINER_CALLS | frozenset({"sum", "min", "max"})
SHALLOW_METHODS: Final = frozenset({"join", "extend", "extendleft", "fromkeys"})
#: Methods by which an object keeps what it is given.
KEEPING_METHODS: Final = frozenset({"append", "appendleft", "insert", "add", "setdefault"})
#: Methods that take no order from their arguments, whatever those are.
ORDER_FREE_METHODS: Final = frozenset(
    """union intersection difference symmetric_difference issubset issuperset isdisjoint update add append appendleft
    insert discard remove get setdefault pop index count startswith endswith strip lstrip rstrip split rsplit replace
    intersection_update difference_update symmetric_difference_update""".split()
)
#: Functions that are called like one of those and keep nothing, and what IPython only wraps to be displayed.
NOT_STATEFUL: Final = frozenset(
    {("dataclasses", "replace"), ("copy", "replace")}
    | {("IPython.core.display", name) for name in ("HTML", "Markdown", "Latex", "Math")}
)
#: Functions and methods that look for what they are given, or count it.
COMPARING_FUNCTIONS: Final = frozenset("contains countOf indexOf eq ne Counter OrderedDict defaultdict groupby".split())
#: Builtins that put what they are given in a place by its hash, or compare tuples.
HASHING_CALLS: Final = frozenset("set frozenset dict sorted min max".split())
COMPARING_METHODS: Final = frozenset("index count remove get pop discard setdefault".split())
NUMBER_CALLS: Final = frozenset("len int float complex abs ord round sum hash id bool".split())

_READ_FRAMES: Final = frozenset(
    """read_csv read_table read_fwf read_excel read_json read_parquet read_feather read_pickle read_stata""".split()
)
#: Those on which hangs what hung on their arguments.
JOINED_FRAMES: Final = frozenset({"concat", "merge"})

#: Library callables that use up an iterator given to them first, at once; and `starmap`, which goes through one as map
#: does. Each with its module.
EAGER: Final[Mapping[str, str]] = {
    "fromiter": "numpy",
    "DataFrame": "pandas",
    "Series": "pandas",
    "Counter": "collections",
    "OrderedDict": "collections",
    "deque": "collections",
    "fsum": "math",
    "prod": "math",
    "starmap": "itertools",
} | dict.fromkeys("mean fmean median stdev pstdev variance pvariance mode multimode".split(), "statistics")

#: Library functions that make a new object each time: module → names; None stands for all of its functions.
MAKERS: Final[Mapping[str, frozenset[str] | None]] = {
    "numpy": frozenset(
        """zeros ones empty full arange linspace logspace geomspace eye identity zeros_like ones_like empty_like
        full_like array copy concatenate stack vstack hstack column_stack dstack tile repeat sort argsort cumsum
        cumprod where unique outer meshgrid diff gradient convolve histogram bincount""".split()
    ),
    "pandas": _READ_FRAMES | JOINED_FRAMES,  # as pandas 3 says where they are from
    "pandas.io": _READ_FRAMES,
    "pandas.core.reshape": JOINED_FRAMES,
    "hashlib": None,
    "sklearn.base": frozenset({"clone"}),
    "copy": frozenset({"deepcopy"}),
    "itertools": None,
    "_collections": None,
}
FRESH_METHODS: Final = frozenset(
    """copy deepcopy astype tolist split rsplit splitlines strip lower upper replace encode decode format join title
    flatten to_dict to_list read_text read_bytes items keys values groups partition rpartition most_common
    open""".split()
)

TEXT_METHODS: Final = frozenset(
    """split rsplit splitlines strip lower upper replace encode decode format join title read_text read_bytes partition
    rpartition""".split()
)

#: The documented table of stateful libraries: a callable whose module (or a parent of it) stands here is refused.
STATEFUL_MODULES: Final[Mapping[str, tuple[str, str]]] = {
    "random": ("random", "draws from a random generator that all iterations share"),
    "matplotlib.pyplot": ("stateful", "draws on the current figure"),
    "pylab": ("stateful", "draws on the current figure"),
    "logging": ("stateful", "sends log records to handlers of this process"),
    "warnings": ("stateful", "remembers which warnings were shown"),
    "IPython": ("stateful", "speaks to the notebook"),
    "ipywidgets": ("stateful", "speaks to the notebook"),
    "tqdm": ("stateful", "draws a progress bar"),
    "threading": ("stateful", "starts or waits for threads"),
    "_thread": ("stateful", "starts or waits for threads"),
    "asyncio": ("stateful", "needs the event loop of this process"),
    "multiprocessing": ("stateful", "starts processes"),
    "concurrent.futures": ("stateful", "starts threads or processes"),
    "joblib": ("stateful", "starts processes"),
    "subprocess": ("outside-effect", "starts a process"),
    "socket": ("outside-effect", "opens a connection"),
    "sqlite3": ("outside-effect", "uses a database connection"),
    "shutil": ("outside-effect", "changes files"),
    "tempfile": ("outside-effect", "makes a file"),
    "signal": ("stateful", "changes this process"),
    "atexit": ("stateful", "changes this process"),
    "gc": ("stateful", "changes this process"),
    "mimetypes": ("stateful", "looks types up in a table of this process"),
    "locale": ("stateful", "changes this process"),
    "ctypes": ("stateful", "reaches memory directly"),
}
STATEFUL_FUNCTIONS: Final = frozenset(
    """chdir fchdir putenv unsetenv mkdir makedirs rmdir removedirs remove unlink rename renames replace link symlink
    truncate chmod chown mkfifo system popen fork execv execve execvp spawnv kill killpg umask nice setsid
    _getframe currentframe set_printoptions seterr seterrcall setcontext localcontext set_option reset_option seed
    setstate setrecursionlimit
    settrace setprofile setswitchinterval addaudithook setlocale setdefaulttimeout set_default_dtype""".split()
)
#: Methods that do something to files which a worker can't keep back.
FILE_METHODS: Final = frozenset(
    """rmdir unlink rename touch symlink_to hardlink_to to_parquet to_sql to_hdf to_orc to_netcdf to_zarr
    savefig""".split()
)
#: Methods that write files, or may do so: what they write is kept back in a worker.
WRITING_METHODS: Final = frozenset(
    """write_text write_bytes mkdir to_csv to_excel to_feather to_html to_json to_latex to_markdown to_pickle to_stata
    to_string to_xml save tofile""".split()
)
_OPENERS: Final = frozenset("open ZipFile GzipFile BZ2File LZMAFile TarFile Wave_write".split())
#: The same for functions and classes, by library.
WRITERS: Final[Mapping[str, frozenset[str]]] = {
    "numpy": frozenset({"save", "savez", "savez_compressed"}),
    "pandas": frozenset({"ExcelWriter", "to_pickle"}),
    "scipy": frozenset({"savemat", "mmwrite", "write"}),
    "joblib": frozenset({"dump"}),
    "os": frozenset({"makedirs"}),
    "posix": frozenset({"mkdir"}),
    "nt": frozenset({"mkdir"}),
    "shutil": frozenset({"copy", "copyfile"}),
    **dict.fromkeys(("gzip", "bz2", "lzma", "zipfile", "tarfile", "codecs", "wave"), _OPENERS),
}
#: Those that a table below would refuse if they could not be kept back.
KEPT_BACK: Final = frozenset(
    {("os", "makedirs"), ("posix", "mkdir"), ("nt", "mkdir"), ("shutil", "copy"), ("shutil", "copyfile")}
)
#: Libraries that open and look at files through Python, so that it is seen; and functions of theirs that do not.
SEEN_LIBRARIES: Final = frozenset(
    """numpy pandas scipy sklearn PIL matplotlib IPython joblib tqdm requests bs4 yaml toolz more_itertools networkx
    sympy statsmodels mpnb""".split()
)
UNSEEN_READERS: Final = frozenset("read_parquet read_feather read_orc read_hdf read_spss HDFStore".split())
STATEFUL_TYPES: Final[tuple[type, ...]] = (
    io.IOBase,
    random.Random,
    logging.Logger,
    logging.Handler,
    threading.Thread,
    threading.Event,
    threading.Condition,
    threading.local,
)
DICT_VIEWS: Final[tuple[type, ...]] = (type({}.keys()), type({}.values()), type({}.items()))
SAFE_ITERABLES: Final[tuple[type, ...]] = (
    list, tuple, range, dict, set, frozenset, str, bytes, bytearray, *DICT_VIEWS,
    collections.deque, collections.Counter, collections.OrderedDict, collections.defaultdict,
)  # fmt: skip
#: Libraries whose iterators give the same items whenever they are pulled, and change nothing by it.
LAZY_LIBRARIES: Final = frozenset(
    """builtins itertools re _sre csv _csv io _io os pathlib glob fnmatch calendar collections operator functools heapq
    ast difflib string statistics pandas numpy scipy sklearn networkx bs4 more_itertools toolz""".split()
)
#: Dunders that are looked at where they are called, and those that change their own object by their nature.
CALLED_DUNDERS: Final = frozenset(
    """__init__ __new__ __post_init__ __init_subclass__ __set_name__ __enter__ __exit__ __call__
    __getstate__ __setstate__ __reduce__ __reduce_ex__ __getnewargs__""".split()
)
#: Dunders that change their object in place.
MUTATING_DUNDERS: Final = frozenset(
    """__setitem__ __delitem__ __setattr__ __delattr__ __iadd__ __isub__ __imul__ __imatmul__ __itruediv__ __ifloordiv__
    __imod__ __ipow__ __iand__ __ior__ __ixor__ __ilshift__ __irshift__ __next__ __setstate__ __init__""".split()
)
CHANGING_DUNDERS: Final = (MUTATING_DUNDERS - {"__next__"}) | {"__del__"}
#: Functions of libraries that change their first argument, by module.
CHANGING_FUNCTIONS: Final[Mapping[str, frozenset[str]]] = {
    "heapq": frozenset({"heappush", "heappop", "heapify", "heappushpop", "heapreplace"}),
    "bisect": frozenset({"insort", "insort_left", "insort_right"}),
    "operator": frozenset(
        """setitem delitem iadd isub imul imatmul itruediv ifloordiv imod ipow iand ior ixor ilshift irshift
        iconcat""".split()
    ),
    "numpy": frozenset({"put", "place", "copyto", "putmask", "fill_diagonal", "put_along_axis"}),
    "ast": frozenset({"fix_missing_locations", "increment_lineno", "copy_location"}),
}
#: Beginnings of the names of methods that change their object, and methods that begin so and do not.
CHANGING_PREFIXES: Final = ("set_", "add_", "remove_", "insert_", "append_", "update_", "delete_", "register")
NOT_CHANGING: Final = frozenset({"set_index", "set_axis", "set_flags", "add_prefix", "add_suffix"})
