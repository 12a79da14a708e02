"""What the functions that a loop calls may change. Reads sources and looks at objects; calls nothing of the user's.

`inspect_loop` looks into a loop's body and, from there, into every function and class of the notebook (or of its own
local modules) that the body can reach, by the same rules. Libraries are taken as pure, but for the table of stateful
ones below. What can't be known is a refusal.

A value is judged by *freshness*: 2 made in this iteration with all that hangs on it, 1 made in this iteration but
holding things that may not be, 0 anything else. Only fresh things may be changed.
"""

from __future__ import annotations

import ast
import builtins
import collections
import enum
import functools
import inspect
import io
import itertools
import linecache
import logging
import math
import operator
import random
import sys
import sysconfig
import threading
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, cast

from mpnb.ordering import is_seed_fixed, keeps_order
from mpnb.plan.loops import EFFECTS, LAST, MAKE_ENTRY, is_wrapper
from mpnb.plan.names import argument_names, read_names, target_names
from mpnb.plan.types import Effect, Loop, Refusal

MISSING: Final = object()
_LruCache: Final = type(functools.lru_cache(print))

#: Methods of the usual containers and files that change their object.
MUTATORS: Final = frozenset(
    """append appendleft extend extendleft insert remove pop popleft popitem clear sort reverse rotate add discard
    update setdefault difference_update intersection_update symmetric_difference_update move_to_end subtract
    write writelines truncate close seek read readline readlines send throw fill put itemset resize partition setflags
    setfield byteswap partial_fit fit fit_transform spawn acquire release set notify
    wait start join_thread cancel enable disable""".split()
) - {"read", "readline", "readlines"}
#: Reading moves a file's position, so a file that is not made in the iteration must not be read either.
_READERS: Final = frozenset({"read", "readline", "readlines", "recv", "get_nowait", "__next__"})

#: Builtins whose first argument is changed.
_CHANGES_FIRST: Final = frozenset({"next", "setattr", "delattr"})
_DYNAMIC: Final = frozenset(
    {"globals", "locals", "exec", "eval", "compile", "__import__", "breakpoint", "input", "vars", "dir", "get_ipython"}
)
_ATOMIC_CALLS: Final = frozenset(
    """len int float complex bool str bytes ord chr round hash id repr ascii format bin hex oct isinstance issubclass
    callable any all range print hasattr""".split()
)
_ARITHMETIC: Final = frozenset(
    f"__{side}{name}__"
    for side in ("", "r")
    for name in "add sub mul matmul truediv floordiv mod pow lshift rshift and or xor".split()
)
_CONTAINER_CALLS: Final = frozenset(
    "list dict set tuple frozenset bytearray sorted enumerate zip map filter reversed iter slice".split()
)
#: Builtins that give the same for every order of their argument. `sum` does for whole numbers, see `_is_order_free`;
#: `sorted`, `min` and `max` do not where a `key` makes elements equal that are not.
_ORDER_FREE: Final = frozenset(
    """sorted len min max any all set frozenset isinstance issubclass bool type id hash callable hasattr getattr
    int float complex abs round divmod pow range chr ord bin hex oct slice""".split()
)
#: Builtins and methods that take an order from their arguments, but not from what hangs on those.
_SHALLOW: Final = _CONTAINER_CALLS | frozenset({"sum", "min", "max"})
_SHALLOW_METHODS: Final = frozenset({"join", "extend", "extendleft", "fromkeys"})
#: Methods by which an object keeps what it is given.
_KEEPING_METHODS: Final = frozenset({"append", "appendleft", "insert", "add", "setdefault"})
#: Methods that take no order from their arguments, whatever those are.
_ORDER_FREE_METHODS: Final = frozenset(
    """union intersection difference symmetric_difference issubset issuperset isdisjoint update add append appendleft
    insert discard remove get setdefault pop index count startswith endswith strip lstrip rstrip split rsplit replace
    intersection_update difference_update symmetric_difference_update""".split()
)
_NUMBER_CALLS: Final = frozenset("len int float complex abs ord round sum hash id bool".split())

#: Library functions that make a new object each time: module → names; None stands for all of its functions.
_MAKERS: Final[Mapping[str, frozenset[str] | None]] = {
    "numpy": frozenset(
        """zeros ones empty full arange linspace logspace geomspace eye identity zeros_like ones_like empty_like
        full_like array copy concatenate stack vstack hstack column_stack dstack tile repeat sort argsort cumsum
        cumprod where unique outer meshgrid diff gradient convolve histogram bincount""".split()
    ),
    "hashlib": None,
    "copy": frozenset({"deepcopy"}),
    "itertools": None,
    "_collections": None,
}
_FRESH_METHODS: Final = frozenset(
    """copy deepcopy astype tolist split rsplit splitlines strip lower upper replace encode decode format join title
    flatten to_dict to_list read_text read_bytes items keys values groups partition rpartition most_common""".split()
)

_TEXT_METHODS: Final = frozenset(
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
    "locale": ("stateful", "changes this process"),
    "ctypes": ("stateful", "reaches memory directly"),
}
_STATEFUL_FUNCTIONS: Final = frozenset(
    """chdir fchdir putenv unsetenv mkdir makedirs rmdir removedirs remove unlink rename renames replace link symlink
    truncate chmod chown mkfifo system popen fork execv execve execvp spawnv kill killpg umask nice setsid
    _getframe currentframe set_printoptions seterr seterrcall setcontext localcontext set_option reset_option seed
    setstate setrecursionlimit
    settrace setprofile setswitchinterval addaudithook setlocale setdefaulttimeout set_default_dtype""".split()
)
_FILE_METHODS: Final = frozenset(
    {
        "write_text",
        "write_bytes",
        "mkdir",
        "rmdir",
        "unlink",
        "rename",
        "touch",
        "symlink_to",
        "to_csv",
        "to_excel",
        "to_parquet",
        "to_pickle",
        "to_sql",
        "savefig",
    }
)
_STATEFUL_TYPES: Final[tuple[type, ...]] = (
    io.IOBase,
    random.Random,
    logging.Logger,
    logging.Handler,
    threading.Thread,
    threading.Event,
    threading.Condition,
    threading.local,
)
SAFE_ITERABLES: Final[tuple[type, ...]] = (
    list, tuple, range, dict, set, frozenset, str, bytes, bytearray,
    type({}.keys()), type({}.values()), type({}.items()),
    collections.deque, collections.Counter, collections.OrderedDict, collections.defaultdict,
)  # fmt: skip
#: Dunders that are looked at where they are called, and those that change their own object by their nature.
_CALLED_DUNDERS: Final = frozenset(
    """__init__ __new__ __post_init__ __init_subclass__ __set_name__ __enter__ __exit__ __call__
    __getstate__ __setstate__ __reduce__ __reduce_ex__ __getnewargs__""".split()
)
#: Dunders that change their object in place.
_MUTATING_DUNDERS: Final = frozenset(
    """__setitem__ __delitem__ __setattr__ __delattr__ __iadd__ __isub__ __imul__ __imatmul__ __itruediv__ __ifloordiv__
    __imod__ __ipow__ __iand__ __ior__ __ixor__ __ilshift__ __irshift__ __next__ __setstate__ __init__""".split()
)
_CHANGING_DUNDERS: Final = (_MUTATING_DUNDERS - {"__next__"}) | {"__del__"}
#: Functions of libraries that change their first argument, by module.
_CHANGING_FUNCTIONS: Final[Mapping[str, frozenset[str]]] = {
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
_CHANGING_PREFIXES: Final = ("set_", "add_", "remove_", "insert_", "append_", "update_", "delete_", "register")
_NOT_CHANGING: Final = frozenset({"set_index", "set_axis", "set_flags", "add_prefix", "add_suffix"})


@functools.cache
def _library_roots() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    roots = {str(Path(paths[key]).resolve()) for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    return tuple(sorted(roots | {str(Path(entry).resolve()) for entry in sys.path if entry.endswith("-packages")}))


@functools.cache
def _is_library_module(name: str) -> bool:
    """Tell whether a module is of the standard library or site-packages, not `__main__` or a local file."""
    if name in {"__main__", ""}:
        return False
    if name.startswith("_cython_"):  # the type of functions compiled by Cython
        return True
    module = sys.modules.get(name)
    filename = getattr(module, "__file__", None)
    if filename is None:
        return name.split(".", maxsplit=1)[0] in sys.stdlib_module_names or (
            module is not None and name in sys.builtin_module_names
        )
    return str(Path(filename).resolve()).startswith(_library_roots()) or name.split(".", maxsplit=1)[0] == "mpnb"


def is_own(thing: object) -> bool:
    """Tell whether a function or class is defined in the notebook, or in a module of the user's own."""
    module = getattr(thing, "__module__", None)
    if isinstance(thing, types.FunctionType):
        module = thing.__globals__.get("__name__", module)
        if module == "__main__" and thing.__code__.co_filename.startswith("<string>"):
            return True
    return isinstance(module, str) and not _is_library_module(module)


#: Stands among the roots for what can't be named.
ANYTHING: Final = frozenset({"?"})


@dataclass(frozen=True, slots=True)
class Value:
    """What is known of an expression's value.

    `thing` is the object itself, where a name or attribute leads to one without running anything. `roots` are the
    parameters, or names of the cell, that the value may be or be a part of; `held` those that may hang on it besides.
    `checked`: a lambda whose body has been looked into.
    """

    fresh: int = 0
    thing: Any = MISSING
    roots: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    is_set: bool = False
    checked: bool = False
    no_set: bool = False  # known to be no set; what hangs on it may be one

    @property
    def hanging(self) -> frozenset[str]:
        """The roots of the value and of all that hangs on it."""
        return frozenset() if self.fresh == 2 else (self.roots | self.held) or ANYTHING

    def part(self) -> Value:
        """What hangs on it: an element, an attribute."""
        return Value(2) if self.fresh == 2 else Value(0, roots=self.hanging)


FRESH: Final = Value(2, no_set=True)
UNKNOWN: Final = Value(0, roots=ANYTHING)


def _join(values: Iterable[Value]) -> Value:
    every = list(values)
    if not every:
        return FRESH
    first = every[0]
    same = all(value.thing is first.thing for value in every)
    fresh = min(value.fresh for value in every)
    # what is known to be made here is no root of the whole; what hangs on it stays so
    roots = frozenset().union(*(value.roots or ANYTHING for value in every if value.fresh == 0))
    return Value(
        fresh,
        first.thing if same else MISSING,
        roots,
        frozenset().union(*(value.held if value.fresh == 0 else value.hanging for value in every)),
        any(value.is_set for value in every),
        all(value.checked for value in every),
        all(value.no_set for value in every),
    )


def _made_of(parts: Iterable[Value], *, is_set: bool = False) -> Value:
    """A new object on which these hang."""
    held = frozenset().union(*(part.hanging for part in parts))
    return Value(1 if held else 2, held=held, is_set=is_set, no_set=not is_set)


@dataclass(slots=True)
class Summary:
    """What a function does to the world, as its callers need to know it."""

    problem: Refusal | None = None
    reads: set[str] = field(default_factory=set)  # global names, of the function's own module
    mutates: dict[str, int] = field(default_factory=dict)  # parameter → freshness that it must have
    calls: set[str] = field(default_factory=set)  # parameters that it calls
    result: Value = UNKNOWN  # its roots are parameters
    holds: dict[str, frozenset[str]] = field(default_factory=dict)  # parameter → what is made to hang on it
    parameters: tuple[str, ...] = ()
    variadic: bool = False


_WhichSets = Callable[[Sequence[str]], frozenset[str]] | None


def _known(summary: Summary) -> object:
    return summary.problem, summary.mutates, summary.calls, summary.result, summary.reads, summary.holds


class _Problem(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


@functools.lru_cache(maxsize=256)
def _parse(source: str) -> ast.Module:
    return ast.parse(source)


def _function_node(function: types.FunctionType) -> ast.FunctionDef | ast.Lambda | None:
    """The syntax of a function, from the source that its code names; None where that is not to be had."""
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    if not lines:
        return None
    try:
        tree = _parse("".join(lines))
    except (SyntaxError, ValueError):
        return None
    found: list[ast.FunctionDef | ast.Lambda] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first == code.co_firstlineno:
                found.append(node)
        elif isinstance(node, ast.Lambda) and code.co_name == "<lambda>" and node.lineno == code.co_firstlineno:
            found.append(node)
    if len(found) > 1:
        columns = {column for _, _, column, _ in code.co_positions() if column is not None}
        found = [n for n in found if isinstance(n, ast.Lambda) and n.body.col_offset in columns]
    return found[0] if len(found) == 1 else None


def _is_generated(function: types.FunctionType) -> bool:
    """Tell whether dataclasses, namedtuple or attrs made it, which put no code of the user's into it."""
    code = function.__code__
    return (
        code.co_qualname.startswith("__create_fn__.<locals>.")
        or code.co_filename.startswith("<attrs generated")
        or str(function.__globals__.get("__name__")).startswith("namedtuple_")
    )


def _factories(cls: type) -> Iterator[object]:
    """What dataclasses and attrs call for the fields that are not given."""
    for each in getattr(cls, "__dataclass_fields__", {}).values():
        yield getattr(each, "default_factory", None)
    for each in getattr(cls, "__attrs_attrs__", ()):
        yield getattr(each.default, "factory", None)


class Inspector:
    """Looks into the functions of a notebook; keeps what it found for as long as nothing was redefined."""

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self.namespace = namespace
        self.summaries: dict[tuple[int, frozenset[str]], Summary] = {}
        self.alive: list[object] = []  # keeps the ids above from being used again
        self.classes: set[type] = set()
        self.classes_before = 0
        self.previous: dict[
            tuple[int, frozenset[str]], Summary
        ] = {}  # of the pass before: what recursion is taken to do
        self.recursive = False
        self.under_way: set[tuple[int, frozenset[str]]] = set()
        self._walk_left = 5_000
        self.orders = False  # an order is taken from something that is shipped and may be a set
        self.order_place: tuple[ast.AST, str] | None = None  # where one is taken from anything that may be a set
        self.keeps_sets = False  # a set is put where it is not known as one any more: into a list, an attribute …

    def next_pass(self) -> bool:
        """Begin another pass if the last one met new classes, or changed what is known of a recursive function."""
        known = {key: _known(summary) for key, summary in self.previous.items()}
        settled = not self.recursive or known == {key: _known(summary) for key, summary in self.summaries.items()}
        if settled and len(self.classes) == self.classes_before:
            return False
        self.previous, self.summaries, self.recursive = self.summaries, {}, False
        self.classes_before = len(self.classes)
        self._walk_left = 5_000
        return True

    # -- classes that can turn up ------------------------------------------------------------------------------------

    def meet(self, value: object, depth: int = 0) -> None:
        """Note the notebook classes of whatever hangs on a value that the loop reads."""
        self._walk_left -= 1
        if self._walk_left < 0 or depth > 12:
            self.classes.update(v for v in self.namespace.values() if isinstance(v, type) and is_own(v))
            return
        kind = type(value)
        if isinstance(value, type):
            if is_own(value):
                self.classes.update(base for base in value.__mro__ if is_own(base))
            return
        if isinstance(value, types.ModuleType | types.FunctionType | types.BuiltinFunctionType | str | bytes | int):
            return
        if is_own(kind):
            self.classes.update(base for base in kind.__mro__ if is_own(base))
        parts: Iterable[object] = ()
        if isinstance(value, dict):
            parts = [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set | frozenset | collections.deque):
            parts = value
        inner = getattr(value, "__dict__", None)
        for part in parts:
            if type(part) not in (int, float, str, bool, bytes, type(None)):
                self.meet(part, depth + 1)
        if isinstance(inner, dict) and is_own(kind):
            for part in inner.values():
                self.meet(part, depth + 1)

    # -- functions ---------------------------------------------------------------------------------------------------

    def summary(self, function: types.FunctionType, sets: frozenset[str] = frozenset()) -> Summary:
        """Look into one function, some of whose parameters are sets.

        Recursion is taken as harmless in the first pass, then as found in the one before.
        """
        key = id(function), sets
        if key in self.under_way:
            self.recursive = True
            return self.previous.get(key, Summary(result=Value(2)))
        if key not in self.summaries:
            self.alive.append(function)
            self.under_way.add(key)
            self.summaries[key] = self._summarise(function, sets)
            self.under_way.discard(key)
        return self.summaries[key]

    def _summarise(self, function: types.FunctionType, sets: frozenset[str]) -> Summary:
        name = function.__qualname__
        code = function.__code__
        variadic = bool(code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS))
        summary = Summary(variadic=variadic, parameters=code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
        if code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
            summary.problem = Refusal("statement", 0, name, "is asynchronous")
            return summary
        if _is_generated(function):
            # sets its own object's fields from its arguments
            own = summary.parameters[:1]
            if code.co_name == "__init__":
                summary.mutates = dict.fromkeys(own, 1)
                summary.holds = dict.fromkeys(own, frozenset(summary.parameters[1:]))
            return summary
        node = _function_node(function)
        if node is None:
            summary.problem = Refusal("no-source", 0, name, "can't be looked into: its source is not to be had")
            return summary
        closure: dict[str, object] = {}
        for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            try:
                closure[variable] = cell.cell_contents
            except ValueError:  # not bound yet
                closure[variable] = MISSING
        reader = _BodyReader(self, function.__globals__, closure, argument_names(node.args), name, summary)
        reader.sets = sets
        try:
            reader.read_function(node)
        except _Problem as problem:
            summary.problem = problem.refusal
        return summary

    def check_callable(self, thing: object, line: int, name: str, sets: _WhichSets = None) -> Summary | None:
        """The summary of anything that is called or passed on; raises where it must not be. None: library, pure.

        `sets` says which of a function's parameters are given a set.
        """
        stateful = _stateful(thing)
        if isinstance(thing, functools.partial | types.MethodType) and stateful is None:
            return self._check_bound(thing, line, name, sets)
        if stateful is not None:
            code, why = stateful
            instead = "a generator made in each iteration: np.random.default_rng(i)" if code == "random" else ""
            raise _Problem(Refusal(code, line, name, why, instead))
        if isinstance(thing, _LruCache):
            why = "keeps a cache, which would be filled in the workers and not here"
            raise _Problem(Refusal("memoised", line, name, why))
        if isinstance(thing, types.FunctionType) and is_own(thing):
            summary = self.summary(thing)
            if sets is not None and (given := sets(summary.parameters)):
                summary = self.summary(thing, given)
        elif isinstance(thing, type) and is_own(thing):
            summary = self.class_summary(thing)
            self.keeps_sets |= sets is not None and bool(sets(summary.parameters))
        elif isinstance(thing, types.BuiltinFunctionType | types.MethodWrapperType) and _changes_owner(thing):
            raise _Problem(Refusal("mutates", line, name, "changes the object whose method it is"))
        elif isinstance(thing, types.FunctionType | type | types.BuiltinFunctionType) or not is_own(type(thing)):
            return self._check_foreign(thing, line, name, sets)
        else:
            call = inspect.getattr_static(type(thing), "__call__", None)
            if not isinstance(call, types.FunctionType):
                raise _Problem(Refusal("unknown-call", line, name, "is called, and it can't be told what that does"))
            return self._check_bound(types.MethodType(call, thing), line, name, sets)
        if summary.problem is not None:
            raise _Problem(_passed_on(summary.problem, line, name))
        return summary

    def _check_bound(
        self, thing: functools.partial[Any] | types.MethodType, line: int, name: str, sets: _WhichSets = None
    ) -> Summary | None:
        """A function some of whose arguments are given already: those live on, so it must not change them."""
        if isinstance(thing, functools.partial):
            function, given, keywords = thing.func, thing.args, thing.keywords
        else:
            function, given, keywords = thing.__func__, (thing.__self__,), {}

        def open_sets(parameters: Sequence[str]) -> frozenset[str]:
            rest = [p for p in parameters[len(given) :] if p not in keywords]
            return sets(rest) if sets is not None else frozenset()

        summary = self.check_callable(function, line, name, open_sets)
        for value in (*given, *keywords.values()):
            self.meet(value)
            if (
                isinstance(thing, functools.partial)
                and callable(value)
                and self.check_callable(value, line, name) is not None
                and summary is None
            ):
                raise _Problem(
                    Refusal("unknown-call", line, name, "is given a function, and it can't be told how it is called")
                )
        if summary is None:
            return None
        bound = {*summary.parameters[: len(given)], *keywords}
        if len(given) > len(summary.parameters):
            bound |= summary.mutates.keys()
        if bound & summary.mutates.keys():
            why = "changes an object that it is bound to, which lives on after the call"
            raise _Problem(Refusal("hidden-state", line, name, why))
        if bound & summary.calls:
            raise _Problem(Refusal("unknown-call", line, name, "calls a function that it is bound to"))
        rest = tuple(p for p in summary.parameters if p not in bound)
        result = summary.result
        if result.hanging & bound:
            result = UNKNOWN
        return replace(
            summary, parameters=rest, result=result, holds={p: h for p, h in summary.holds.items() if p in rest}
        )

    def _check_foreign(self, thing: object, line: int, name: str, sets: _WhichSets = None) -> Summary | None:
        """A callable of a library: pure, unless it is made around functions of the notebook."""
        if isinstance(thing, operator.methodcaller):
            if thing.__reduce__()[1][0] in MUTATORS:
                raise _Problem(Refusal("unknown-call", line, name, "calls a method that changes its object"))
            return None
        found: Summary | None = None
        for inner in _inner_functions(thing):
            summary = self.check_callable(inner, line, name, sets)
            if inner is getattr(thing, "__wrapped__", None):
                found = summary
            elif summary is not None and (summary.mutates or summary.calls):
                raise _Problem(
                    Refusal("mutates", line, name, "is made of a function that changes what it is given, or calls it")
                )
        return found

    def class_summary(self, cls: type) -> Summary:
        """What making an instance does."""
        self.classes.update(base for base in cls.__mro__ if is_own(base))
        combined = Summary(result=Value(1, held=ANYTHING))
        if type(cls) is not type and is_own(type(cls)):
            combined.problem = Refusal("hidden-state", 0, cls.__name__, "has a metaclass of its own")
            return combined
        for factory in _factories(cls):
            if callable(factory):
                made = self.check_callable(factory, 0, cls.__name__)
                combined.reads |= made.reads if made is not None else set()
        for method in ("__new__", "__init__", "__post_init__"):
            function = getattr(cls, method, None)
            if isinstance(function, types.FunctionType) and is_own(function):
                inner = self.summary(function)
                if inner.problem is not None:
                    combined.problem = inner.problem
                    return combined
                combined.reads |= inner.reads
                own = inner.parameters[:1]
                if method == "__new__" and inner.mutates.keys() & set(own):
                    combined.problem = Refusal(
                        "hidden-state", 0, cls.__name__, "changes its class when an instance is made"
                    )
                    return combined
                combined.parameters = inner.parameters[1:]
                combined.variadic |= inner.variadic
                combined.mutates |= {p: level for p, level in inner.mutates.items() if p not in own}
                combined.calls |= inner.calls
        if self._is_plain(cls):
            combined.result = Value(1, held=frozenset(combined.parameters))
        return combined

    def _is_plain(self, cls: type) -> bool:
        """Tell whether its instances hold nothing but what they are given and what their own methods make."""
        if isinstance(vars(cls).get("__new__"), types.FunctionType) and is_own(vars(cls)["__new__"]):
            return _is_generated(vars(cls)["__new__"])
        if any(isinstance(factory, types.FunctionType) for factory in _factories(cls)):
            return False
        for base in cls.__mro__:
            if not is_own(base):
                if base not in (object, list, dict, set, tuple, Exception, ValueError, RuntimeError, BaseException):
                    return False
                continue
            for method in vars(base).values():
                if isinstance(method, types.FunctionType) and is_own(method):
                    summary = self.summary(method)
                    held = frozenset().union(*summary.holds.values())
                    if not held <= set(summary.parameters):
                        return False
        return True

    def methods(self, name: str) -> Iterator[tuple[type, types.FunctionType]]:
        """Every method or property of that name in the classes met so far."""
        for cls in list(self.classes):
            member = vars(cls).get(name, MISSING)
            if isinstance(member, property):
                member = member.fget
            elif isinstance(member, functools.cached_property):
                member = member.func
            elif isinstance(member, staticmethod | classmethod):
                member = member.__func__
            if isinstance(member, types.FunctionType):
                yield cls, member

    def is_of_class(self, attribute: str) -> bool:
        """Tell whether one of the classes met so far keeps something that can change under this name."""
        return any(_can_change(vars(cls)[attribute]) for cls in self.classes if attribute in vars(cls))

    def check_operators(self, line: int, reader: Summary) -> None:
        """Operators, conversions and attribute hooks of the classes met so far must change nothing.

        Those that are there to change their own object may do that: they are looked at where they are used. What they
        read is added to what `reader` reads.
        """
        done: set[type] = set()
        while done != self.classes:
            for cls in list(self.classes - done):
                done.add(cls)
                for name, raw in vars(cls).items():
                    if not (name.startswith("__") and name.endswith("__")) or name in _CALLED_DUNDERS:
                        continue
                    member = raw.__func__ if isinstance(raw, staticmethod | classmethod) else raw
                    if isinstance(member, types.FunctionType) and is_own(member):
                        summary = self.summary(member)
                        reader.reads |= summary.reads
                        label = f"{cls.__name__}.{name}"
                        if summary.problem is not None:
                            raise _Problem(_passed_on(summary.problem, line, label))
                        changed = set(summary.mutates)
                        if name in _CHANGING_DUNDERS:
                            changed -= set(summary.parameters[:1])
                        if changed or summary.calls:
                            raise _Problem(
                                Refusal("hidden-state", line, label, "changes an object that outlives the iteration")
                            )


_LASTING: Final = (
    int, float, complex, str, bytes, bool, tuple, frozenset, type(None), types.FunctionType, types.BuiltinFunctionType,
    type, property, classmethod, staticmethod, functools.cached_property, types.MemberDescriptorType,
    types.GetSetDescriptorType, types.MethodDescriptorType, types.WrapperDescriptorType,
)  # fmt: skip


def _can_change(value: object) -> bool:
    return not isinstance(value, _LASTING)


def _changes_owner(method: types.BuiltinFunctionType | types.MethodWrapperType) -> bool:
    """Tell whether it is a method of an object, and one that changes it or moves it on."""
    owner = getattr(method, "__self__", None)
    if owner is None or isinstance(owner, types.ModuleType | type):
        return False
    return method.__name__ in MUTATORS | _READERS | _MUTATING_DUNDERS


def _inner_functions(thing: object) -> Iterator[object]:
    """Functions of the notebook that a library's callable is made of."""
    held: list[object] = [getattr(thing, "__wrapped__", None)]
    inner = getattr(thing, "__dict__", None)
    if isinstance(inner, dict) and not isinstance(thing, type):
        held += inner.values()
    for cell in getattr(thing, "__closure__", None) or ():
        try:
            held.append(cell.cell_contents)
        except ValueError:  # not bound yet
            continue
    for each in held:
        for one in each.values() if isinstance(each, dict | types.MappingProxyType) else (each,):
            bare = getattr(one, "__func__", getattr(one, "func", one))
            if isinstance(bare, types.FunctionType) and is_own(bare):
                yield one


def _passed_on(problem: Refusal, line: int, name: str) -> Refusal:
    """A helper's problem as the caller's: the line of the loop, the helper's name, and where in it."""
    if problem.line == 0:
        return Refusal(problem.code, line, name, problem.why, problem.instead)
    inner = problem.name and problem.name != name
    what = f"`{problem.name}` {problem.why}" if inner else problem.why
    where = f"calls a place that can't be split: {what}" if inner else what
    return Refusal(problem.code, line, name, where, problem.instead)


def _stateful(thing: object) -> tuple[str, str] | None:
    """Is a callable in the table of stateful ones? (code, why) or None."""
    owner = getattr(thing, "__self__", None)
    np_random = sys.modules.get("numpy.random")
    generators: tuple[type, ...] = (random.Random,)
    if np_random is not None:
        generators += (np_random.RandomState, np_random.Generator)
    if isinstance(owner, generators):
        return STATEFUL_MODULES["random"]
    if isinstance(thing, type):
        if issubclass(thing, generators) or thing.__module__.startswith("numpy.random"):
            return None  # a generator made in the iteration is the iteration's own
        if issubclass(thing, threading.Thread):
            return STATEFUL_MODULES["threading"]
    if owner is not None and not isinstance(owner, types.ModuleType | type) and isinstance(owner, _STATEFUL_TYPES):
        return "stateful", "keeps state outside the notebook's names"
    module = getattr(thing, "__module__", None) or getattr(owner, "__name__", None)
    name = getattr(thing, "__name__", "")
    if not isinstance(module, str):
        return None
    if name in _STATEFUL_FUNCTIONS and _is_library_module(module):
        return "stateful", "changes the state of this process"
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        entry = STATEFUL_MODULES.get(".".join(parts[:length]))
        if entry is not None:
            return entry
    return None


class _BodyReader(ast.NodeVisitor):
    """Reads one function's (or loop's) statements against the rules; fills its summary, raises at a problem."""

    def __init__(
        self,
        inspector: Inspector,
        globals_: Mapping[str, Any],
        closure: Mapping[str, Any],
        parameters: Iterable[str],
        name: str,
        summary: Summary,
    ) -> None:
        self.inspector = inspector
        self.globals = globals_
        self.closure = closure
        self.parameters = set(parameters)
        self.name = name
        self.summary = summary
        self.bindings: dict[str, list[Any]] = {}  # local name → how it is bound, see _bind
        self.locals: set[str] = set(self.parameters)
        self.global_names: set[str] = set()
        self.memo: dict[str, Value] = {}
        self.results: list[ast.expr] = []
        self.is_generator = False
        self.lambda_names: list[set[str]] = []
        self.in_order_free = False
        self.torn: set[str] = set()
        self.sets: frozenset[str] = frozenset()  # parameters that are sets
        self.ordering: frozenset[int] = frozenset()  # effects that take an order from their operand
        self.adding: frozenset[int] = frozenset()  # those of them that are `+=`

    # -- entry points ------------------------------------------------------------------------------------------------

    def read_function(self, node: ast.FunctionDef | ast.Lambda) -> None:
        body: list[ast.stmt]
        body = [ast.copy_location(ast.Return(node.body), node.body)] if isinstance(node, ast.Lambda) else node.body
        self.read_body(body)
        if self.is_generator:
            self.summary.result = Value(1, held=ANYTHING, no_set=True)
        else:
            self.summary.result = self._outside(_join([self.value(result) for result in self.results] or [FRESH]))
        for name in self.parameters:
            held = self._local(name).held
            if held:
                self.summary.holds[name] = held if held <= self.parameters else held & self.parameters | ANYTHING

    def _outside(self, result: Value) -> Value:
        """A result as callers see it: of all roots they know only the parameters."""
        known = self.parameters
        roots = result.roots if result.roots <= known else (result.roots & known) | ANYTHING
        held = result.held if result.held <= known else (result.held & known) | ANYTHING
        return Value(result.fresh, roots=roots, held=held, is_set=result.is_set, no_set=result.no_set)

    def read_body(self, body: list[ast.stmt]) -> None:
        names = read_names(body)
        for statement in body:
            for inner in ast.walk(statement):
                if isinstance(inner, ast.Global):
                    self.global_names |= set(inner.names)
        self.locals |= set(names.defs) - self.global_names
        bound = {
            name
            for statement in body
            for node in ast.walk(statement)
            if isinstance(node, ast.comprehension)
            for name in target_names(node.target)
        }
        # a comprehension's own names; one that the function reads outside of it too is two things at once
        self.torn = (bound & names.refs.keys()) - self.locals
        self.locals |= bound - self.torn
        for statement in body:
            self._bind(statement)
        for statement in body:
            self.visit(statement)

    # -- how locals are bound ----------------------------------------------------------------------------------------

    def _bind(self, tree: ast.AST) -> None:
        """Collect, for every local name, the expressions that it is bound to ("part": an element of one)."""
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        self._bind_target(target, value)
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    self._bind_target(target, value)
                case ast.AugAssign(target=ast.Name(name), value=value):
                    self.bindings.setdefault(name, []).append(("aug", value))
                case ast.NamedExpr(target=ast.Name(name), value=value):
                    self.bindings.setdefault(name, []).append(("is", value))
                case ast.For(target=target, iter=iterable) | ast.comprehension(target=target, iter=iterable):
                    for name in target_names(target):
                        self.bindings.setdefault(name, []).append(("part", iterable))
                case ast.With(items=items):
                    for item in items:
                        if item.optional_vars is not None:
                            for name in target_names(item.optional_vars):
                                self.bindings.setdefault(name, []).append(("is", item.context_expr))
                case ast.ExceptHandler(name=str(name)):
                    self.bindings.setdefault(name, []).append(("fresh", None))
                case ast.Import() | ast.ImportFrom():
                    for alias in node.names:
                        self.bindings.setdefault((alias.asname or alias.name).split(".")[0], []).append(
                            ("import", alias)
                        )
                case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                    self.bindings.setdefault(name, []).append(("unknown", None))
                case ast.MatchMapping(rest=str(name)):
                    self.bindings.setdefault(name, []).append(("unknown", None))
                case ast.FunctionDef(name=name):
                    self.bindings.setdefault(name, []).append(("def", node))
                case ast.Call(function, arguments):
                    if isinstance(function, ast.Attribute) and (root := _root_name(function.value)) is not None:
                        self.bindings.setdefault(root, []).append(("method", node))
                    for argument in arguments:
                        if (root := _root_name(argument)) is not None:
                            self.bindings.setdefault(root, []).append(("given", node))
                case _:
                    pass

    def _bind_target(self, target: ast.expr, value: ast.expr) -> None:
        match target:
            case ast.Name(name):
                self.bindings.setdefault(name, []).append(("is", value))
            case ast.Subscript(base) | ast.Attribute(base):
                root = _root_name(base)
                if root is not None:
                    self.bindings.setdefault(root, []).append(("holds", value))
            case ast.Tuple(elements) | ast.List(elements):
                same = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(elements)
                for position, element in enumerate(elements):
                    if same and not isinstance(element, ast.Starred):
                        self._bind_target(element, value.elts[position])  # type: ignore[attr-defined]
                    elif isinstance(element, ast.Subscript | ast.Attribute):
                        self._bind_target(element, value)
                    else:
                        for name in target_names(element):
                            self.bindings.setdefault(name, []).append(("part", value))
            case _:
                pass

    def _local(self, name: str) -> Value:
        """What is known of a local name: the worst of all it is ever bound to."""
        if name in self.memo:
            return self.memo[name]
        self.memo[name] = Value(2)  # while it is being worked out: x = x[1:]
        value = None
        if name in self.parameters:
            value = Value(0, roots=frozenset({name}), is_set=name in self.sets)
        held: frozenset[str] = frozenset()
        for how, node in self.bindings.get(name, ()):
            match how:
                case "is":
                    new = self.value(node)
                case "part":
                    new = self.value(node).part()
                case "holds":
                    held |= frozenset() if _is_number(node) else self.value(node).hanging
                    continue
                case "method":
                    held |= self._held_by_method(node)
                    continue
                case "given":
                    held |= self._held_by_call(name, node)
                    continue
                case "aug":
                    held |= frozenset() if _is_number(node) else self.value(node).part().hanging
                    new = replace(FRESH, is_set=self.value(node).is_set, no_set=self.value(node).no_set)
                case "fresh":
                    new = FRESH
                case "def":
                    new = Value(2, checked=True)
                case "import":
                    new = Value(0, _imported(node))
                case _:
                    new = UNKNOWN
            value = new if value is None else _join([value, new])
        if value is None:
            value = UNKNOWN
        held -= value.roots
        if held:
            value = replace(value, fresh=min(value.fresh, 1), held=value.held | held)
        if value.is_set and name not in self.parameters and all(itertools.starmap(_adds_numbers, self.bindings[name])):
            value = replace(value, is_set=False, no_set=True)
        self.memo[name] = value
        return value

    def _held_by_method(self, node: ast.Call) -> frozenset[str]:
        """What a method call may make hang on its object."""
        assert isinstance(node.func, ast.Attribute)
        method = node.func.attr
        if method not in MUTATORS and not any(method in vars(cls) for cls in self.inspector.classes):
            return frozenset()
        parts = [
            self.value(argument)
            for argument in [*node.args, *(k.value for k in node.keywords)]
            if not _is_number(argument)
        ]
        if method in {"extend", "update", "extendleft"}:
            parts = [part.part() for part in parts]
        return frozenset().union(*(part.hanging for part in parts))

    def _held_by_call(self, name: str, node: ast.Call) -> frozenset[str]:
        """What a function may make hang on an argument that it is given."""
        others = [*node.args, *(k.value for k in node.keywords)]
        if isinstance(node.func, ast.Name) and node.func.id == MAKE_ENTRY:
            return frozenset()
        thing = self.value(node.func).thing
        if isinstance(thing, types.FunctionType) and is_own(thing):
            summary = self.inspector.summary(thing)
            given = self._given(summary.parameters, node)
            held: frozenset[str] = frozenset()
            for parameter, argument in given.items():
                if _root_name(argument) == name and parameter in summary.holds:
                    held |= self._substituted(summary.holds[parameter], given)
            return held
        if _changes_first(thing) and node.args and _root_name(node.args[0]) == name:
            return frozenset().union(*(self.value(other).hanging for other in others[1:] if not _is_number(other)))
        return frozenset()

    @staticmethod
    def _given(parameters: Iterable[str], node: ast.Call) -> dict[str, ast.expr]:
        """Which parameter gets which expression, as far as that is written down."""
        plain = itertools.takewhile(lambda argument: not isinstance(argument, ast.Starred), node.args)
        given = dict(zip(parameters, plain, strict=False))
        return given | {k.arg: k.value for k in node.keywords if k.arg is not None}

    def _substituted(self, roots: frozenset[str], given: Mapping[str, ast.expr]) -> frozenset[str]:
        """Roots inside a callee, as roots here."""
        found: frozenset[str] = frozenset()
        for root in roots:
            found |= self.value(given[root]).hanging if root in given else ANYTHING
        return found

    # -- values ------------------------------------------------------------------------------------------------------

    def lookup(self, name: str) -> Any:
        """The object that a name not bound here leads to, MISSING where there is none."""
        if name in self.closure:
            return self.closure[name]
        if name in self.globals:
            return self.globals[name]
        return getattr(builtins, name, MISSING)

    def _is_builtin(self, node: ast.expr, names: frozenset[str]) -> bool:
        return (
            isinstance(node, ast.Name)
            and node.id in names
            and node.id not in self.locals
            and self.lookup(node.id) is getattr(builtins, node.id, None)
        )

    def value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant() | ast.JoinedStr() | ast.Compare():
                return FRESH
            case ast.UnaryOp(op=ast.Not()):
                return FRESH
            case ast.UnaryOp(operand=operand):
                return self._operated(self.value(operand), dunders=("__neg__", "__pos__", "__invert__"))
            case ast.Name(name):
                return self._named_value(name)
            case ast.BinOp(left=left, op=op, right=right):
                sides = [self.value(left), self.value(right)]
                both_sets = isinstance(op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor)
                is_set = both_sets and any(s.is_set for s in sides)
                no_set = not both_sets or any(s.no_set for s in sides) or _is_number(node)
                return replace(self._operated(*sides), is_set=is_set, no_set=no_set and not is_set)
            case ast.BoolOp(values=values):
                return _join([self.value(v) for v in values])
            case ast.IfExp(body=body, orelse=orelse):
                return _join([self.value(body), self.value(orelse)])
            case ast.NamedExpr(value=value):
                return self.value(value)
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                is_set = isinstance(node, ast.Set) and not all(map(_is_number, elements))
                return _made_of((self.value(e) for e in elements if not _is_number(e)), is_set=is_set)
            case ast.Dict(keys=keys, values=values):
                parts = [
                    self.value(value).part() if key is None else self.value(value)
                    for key, value in zip(keys, values, strict=True)
                ]
                return _made_of([*parts, *(self.value(key) for key in keys if key is not None)])
            case ast.ListComp(elt=elt) | ast.GeneratorExp(elt=elt):
                return _made_of([self.value(elt)])
            case ast.SetComp(elt=elt):
                return _made_of([self.value(elt)], is_set=not _is_number(elt))
            case ast.DictComp(key=key, value=value):
                return _made_of([self.value(key), self.value(value)])
            case ast.Lambda():
                return Value(2, checked=True)
            case ast.Subscript(value=base):
                return self.value(base).part()
            case ast.Starred(value=base):
                return self.value(base).part()
            case ast.Attribute(attr="__class__"):
                return UNKNOWN
            case ast.Attribute(value=base, attr=attribute):
                owner = self.value(base)
                if owner.thing is not MISSING:
                    thing = _static_attribute(owner.thing, attribute)
                    is_set = isinstance(thing, set | frozenset)
                    return Value(0, thing, owner.hanging, is_set=is_set, no_set=thing is not MISSING and not is_set)
                return UNKNOWN if self.inspector.is_of_class(attribute) else owner.part()
            case ast.Call():
                return self._call_value(node)
            case _:
                return UNKNOWN

    def _named_value(self, name: str) -> Value:
        if name in self.torn:
            return UNKNOWN
        if name in self.locals:
            return self._local(name)
        if any(name in names for names in self.lambda_names):
            return UNKNOWN
        thing = self.lookup(name)
        is_set = isinstance(thing, set | frozenset)
        return Value(0, thing, frozenset({name}), is_set=is_set, no_set=thing is not MISSING and not is_set)

    def _operated(self, *sides: Value, dunders: Iterable[str] = ()) -> Value:
        """What an operator gives: something new, with what hung on its operands; or what a class of the user's says."""
        names = set(dunders) or _ARITHMETIC
        for cls in self.inspector.classes:
            for name in names & vars(cls).keys():
                method = vars(cls)[name]
                if isinstance(method, types.FunctionType) and self.inspector.summary(method).result.fresh == 0:
                    return UNKNOWN
        return _made_of(side.part() for side in sides)

    def _call_value(self, node: ast.Call) -> Value:
        arguments = [*node.args, *(k.value for k in node.keywords)]
        if self._is_builtin(node.func, _ATOMIC_CALLS):
            return FRESH
        if self._is_builtin(node.func, _CONTAINER_CALLS):
            assert isinstance(node.func, ast.Name)
            is_set = node.func.id in {"set", "frozenset"}
            laundered = node.func.id in {"enumerate", "zip", "map", "filter", "iter"}
            from_set = laundered and any(self._is_reordered(a) for a in node.args)
            if node.func.id == "map":
                return Value(1, held=ANYTHING, is_set=from_set, no_set=not from_set)
            keywords = [
                self.value(k.value) for k in node.keywords if k.arg not in {"key", "reverse", "strict", "start"}
            ]
            parts = [self.value(a).part() for a in node.args] + keywords
            return _made_of(parts, is_set=is_set or from_set)
        if self._is_builtin(node.func, frozenset({"open"})):
            return FRESH
        if self._is_builtin(node.func, frozenset({"sum"})):
            return _made_of(self.value(a).part() for a in arguments)
        if isinstance(node.func, ast.Attribute):
            owner = self.value(node.func.value)
            if owner.thing is MISSING or not isinstance(owner.thing, types.ModuleType | type):
                set_methods = {"union", "intersection", "difference", "symmetric_difference"}
                method = node.func.attr
                if method in _FRESH_METHODS | set_methods and not any(
                    method in vars(c) for c in self.inspector.classes
                ):
                    may_be = method in set_methods | {"copy", "deepcopy"}
                    deep = method in {"deepcopy"} | _TEXT_METHODS
                    parts = [] if deep else [owner.part(), *(self.value(a).part() for a in node.args)]
                    no_set = not may_be or (owner.no_set and not owner.is_set)
                    return replace(_made_of(parts), is_set=owner.is_set and may_be, no_set=no_set)
                if method in MUTATORS | {"get", "setdefault"}:
                    return _join([owner.part(), *(self.value(a) for a in node.args[1:])])
                own = [function for _, function in self.inspector.methods(method)]
                if own and owner.thing is MISSING:
                    return self._method_value(own, node)
        thing = self.value(node.func).thing
        if thing is MISSING:
            return UNKNOWN
        if thing is type:
            return UNKNOWN
        if isinstance(thing, type):
            is_set = issubclass(thing, set | frozenset)
            if not is_own(thing):
                return _made_of([self._argument(a) for a in arguments], is_set=is_set)
            summary = self.inspector.class_summary(thing)
            returned = self._returned(summary, list(summary.parameters), node)
            return replace(returned, is_set=is_set, no_set=not is_set)
        if isinstance(thing, types.FunctionType) and is_own(thing):
            parameters = self.inspector.summary(thing).parameters
            summary = self.inspector.summary(thing, self._given_sets(node, parameters))
            return self._returned(summary, list(parameters), node)
        module = getattr(thing, "__module__", None) or ""
        for length in range(module.count(".") + 1, 0, -1):
            prefix = ".".join(module.split(".")[:length])
            if prefix in _MAKERS:
                names = _MAKERS[prefix]
                if names is None or getattr(thing, "__name__", "") in names:
                    if prefix in {"itertools", "_collections"}:
                        return _made_of(self.value(a).part() for a in arguments)
                    return replace(FRESH, no_set=prefix != "copy")
        return UNKNOWN

    def _argument(self, node: ast.expr) -> Value:
        """An argument of a library's class as what may hang on the instance: a factory stands for what it makes."""
        if isinstance(node, ast.Lambda):
            return self.value(node.body)
        value = self.value(node)
        if isinstance(value.thing, type):
            return UNKNOWN if is_own(value.thing) else FRESH
        if isinstance(value.thing, types.FunctionType) and is_own(value.thing):
            return replace(self.inspector.summary(value.thing).result, thing=MISSING)
        return value if value.fresh else replace(value, roots=value.hanging)

    def _returned(self, summary: Summary, parameters: list[str], node: ast.Call) -> Value:
        """A function's result, with its parameters' places taken by what they are given here."""
        result = summary.result
        if result.fresh == 2 or not (result.roots or result.held):
            return result if result.fresh else replace(result, roots=ANYTHING)
        given = self._given(parameters, node)
        if (
            summary.variadic
            or any(isinstance(a, ast.Starred) for a in node.args)
            or any(k.arg is None for k in node.keywords)
        ):
            return replace(result, roots=ANYTHING if result.fresh == 0 else frozenset(), held=ANYTHING)
        # a parameter that is not given has its default, which lives as long as the function
        held = self._substituted(result.held, given)
        if result.fresh == 1:
            return replace(result, fresh=1 if held else 2, held=held)
        roots = self._substituted(result.roots, given)
        return replace(result, roots=roots, held=held, fresh=0 if roots or held else 2)

    def _method_value(self, methods: list[types.FunctionType], node: ast.Call) -> Value:
        assert isinstance(node.func, ast.Attribute)
        every = []
        for function in methods:
            summary = self.inspector.summary(function)
            parameters = list(summary.parameters)
            taken = ast.Call(node.func, [node.func.value, *node.args], node.keywords)
            every.append(self._returned(summary, parameters, taken))
        return _join(every)

    def _given_sets(self, node: ast.Call, parameters: Sequence[str]) -> frozenset[str]:
        """Which parameters of a function a call gives sets whose order would differ."""
        given = dict(zip(parameters, node.args, strict=False)) | {k.arg: k.value for k in node.keywords if k.arg}
        found = frozenset(name for name, argument in given.items() if self._is_reordered(argument))
        if any(isinstance(argument, ast.Starred) for argument in node.args) and found:
            self.inspector.keeps_sets = True  # who gets which is not known
        loose = [*node.args[len(parameters) :], *(k.value for k in node.keywords if k.arg not in parameters)]
        if any(map(self._is_reordered, loose)):  # into *args and **kwargs
            self.inspector.keeps_sets = True
        return found & frozenset(parameters)

    # -- rules -------------------------------------------------------------------------------------------------------

    def _refuse(self, code: str, node: ast.AST, name: str, why: str, instead: str = "") -> _Problem:
        return _Problem(Refusal(code, getattr(node, "lineno", 0), name, why, instead))

    def _change(self, target: ast.expr, node: ast.AST, needed: int = 1) -> None:
        """Something is changed: it must be fresh, or be a parameter whose caller then has to see to it."""
        value = self.value(target)
        for inner in ast.walk(target):
            if isinstance(inner, ast.Attribute) and self.inspector.is_of_class(inner.attr):
                why = "is kept on a class, whose instances share it, and is changed inside the iteration"
                raise self._refuse("hidden-state", node, ast.unparse(target), why)
        if value.fresh >= needed:
            return
        roots = value.roots if value.fresh == 0 else frozenset()
        if needed == 2 or value.fresh == 1:
            roots |= value.held
        if roots and roots <= self.parameters:
            depth = 1 if isinstance(target, ast.Name) and target.id in self.parameters else 2
            for name in roots:
                self.summary.mutates[name] = max(self.summary.mutates.get(name, 0), depth, needed)
            return
        name = ast.unparse(target)
        root = _root_name(target)
        if root is not None and root not in self.locals and isinstance(self.lookup(root), types.FunctionType | type):
            why = "keeps state on a function or class, which is changed inside the iteration"
            raise self._refuse("hidden-state", node, name, why)
        raise self._refuse("mutates", node, name, "is changed inside the iteration, and it outlives the iteration")

    def visit_Global(self, node: ast.Global) -> None:
        raise self._refuse("hidden-state", node, node.names[0], f"is set as a global by `{self.name}`")

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        if self.lambda_names:
            return  # of a function defined in here, whose own variables are this iteration's
        raise self._refuse("hidden-state", node, node.names[0], f"is kept between calls of `{self.name}`")

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if not _is_library_module(alias.name):
                raise self._refuse("stateful", node, alias.name, "is imported inside the iteration", "import it above")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module is None or not _is_library_module(node.module):
            raise self._refuse(
                "stateful", node, node.module or ".", "is imported inside the iteration", "import it above"
            )

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        raise self._refuse("statement", node, node.name, "is a class made inside the iteration")

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        raise self._refuse("statement", node, node.name, "is asynchronous")

    def visit_Await(self, node: ast.Await) -> None:
        raise self._refuse("statement", node, "await", "needs the event loop of this process")

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None:
            if not self.lambda_names:
                self.results.append(node.value)
            else:
                self._keep(node.value)
            self.visit(node.value)

    def visit_Yield(self, node: ast.Yield) -> None:
        self.is_generator = True
        if node.value is not None:
            self._keep(node.value)
        self.generic_visit(node)

    def visit_YieldFrom(self, node: ast.YieldFrom) -> None:
        self.is_generator = True
        self._check_order(node.value, node)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        """Two numbers or texts that are one object here may be two in a worker."""
        things = [self.value(each).thing for each in (node.left, *node.comparators)]
        for op, left, right in zip(node.ops, things, things[1:], strict=False):
            if isinstance(op, ast.Is | ast.IsNot) and (_is_copied(left) or _is_copied(right)):
                why = "compares by identity what is copied to a worker"
                raise self._refuse("identity", node, ast.unparse(node), why, "== (or math.isnan)")
            if isinstance(op, ast.In | ast.NotIn) and (_is_nan(left) or _holds_nan(right)):
                why = "looks for a nan, which is only found where it is the same object"
                raise self._refuse("identity", node, ast.unparse(node), why, "math.isnan or pd.isna")
        self.generic_visit(node)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Subscript | ast.Attribute):
                self._change(target.value, node)
            elif isinstance(target, ast.Name) and target.id not in self.locals:
                raise self._refuse("mutates", node, target.id, "is deleted inside the iteration")
        self.generic_visit(node)

    def _check_targets(self, targets: Iterable[ast.expr], node: ast.AST) -> None:
        for target in targets:
            for inner in _stores(target):
                if isinstance(inner, ast.Subscript | ast.Attribute):
                    self._change(inner.value, node)
                    if isinstance(inner, ast.Attribute):
                        self._check_setters(inner)
                elif isinstance(inner, ast.Name) and inner.id in self.global_names:
                    raise self._refuse("hidden-state", node, inner.id, f"is set as a global by `{self.name}`")

    def _check_setters(self, target: ast.Attribute) -> None:
        for cls in list(self.inspector.classes):
            member = vars(cls).get(target.attr)
            if isinstance(member, property) and member.fset is not None:
                self.inspector.check_callable(member.fset, target.lineno, f"{cls.__name__}.{target.attr}")
        self._check_descriptors(target, "__set__")

    def visit_Assign(self, node: ast.Assign) -> None:
        self._check_targets(node.targets, node)
        for target in node.targets:
            self._check_unpacking(target, node.value)
        self.generic_visit(node)

    def _check_unpacking(self, target: ast.expr, value: ast.expr) -> None:
        """`a, b = x` takes an order from x, and a store into something keeps what is stored."""
        match target:
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(targets):
                    for inner, part in zip(targets, value.elts, strict=True):
                        self._check_unpacking(inner, part)
                    return
                self._check_order(value, value)
                for inner in targets:
                    if isinstance(inner, ast.Tuple | ast.List):
                        self._note_order(UNKNOWN, value)
            case ast.Subscript(slice=ast.Slice()):
                self._check_order(value, value)
            case ast.Subscript() | ast.Attribute():
                self._keep(value)
            case _:
                pass

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._check_targets([node.target], node)
        if node.value is not None:
            self._check_unpacking(node.target, node.value)
            self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            if node.target.id in self.global_names:
                raise self._refuse("hidden-state", node, node.target.id, f"is set as a global by `{self.name}`")
            if self._local(node.target.id).fresh == 0 and not _is_number(node.value):
                # x += [1] changes the list that x is; with a number on the right only an array could change,
                # and those are read-only in a worker
                self._change(ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target), node)
        else:
            self._check_targets([node.target], node)
        if isinstance(node.op, ast.Add) and not _is_number(node.value):  # a list takes the order of what is added to it
            self._check_order(node.value, node)
        elif not isinstance(node.target, ast.Name):
            self._keep(node.value)
        self.visit(node.target)
        self.visit(node.value)

    def visit_For(self, node: ast.For) -> None:
        self._check_order(node.iter, node)
        self._check_targets([node.target], node)
        self._check_parts(node.target, node.iter)
        self.generic_visit(node)

    def _check_parts(self, target: ast.expr, iterable: ast.expr) -> None:
        """`for a, b in x` takes an order from the elements of x."""
        if not isinstance(target, ast.Tuple | ast.List):
            return
        method = iterable.func if isinstance(iterable, ast.Call) else None
        pairs = (isinstance(method, ast.Attribute) and method.attr == "items") or is_wrapper(iterable)
        if not pairs or any(isinstance(inner, ast.Tuple | ast.List) for inner in target.elts):
            self._note_order(self.value(iterable).part(), iterable)

    visit_AsyncFor = visit_Await  # type: ignore[assignment]
    visit_AsyncWith = visit_Await  # type: ignore[assignment]

    def visit_comprehension(self, node: ast.comprehension) -> None:
        if not self.in_order_free:
            self._check_order(node.iter, node.iter)
        self._check_parts(node.target, node.iter)
        self.generic_visit(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._keep(node.elt)
        self._order_free(node)

    def _order_free(self, node: ast.AST, *, free: bool = True) -> None:
        before, self.in_order_free = self.in_order_free, free
        self.generic_visit(node)
        self.in_order_free = before

    def _is_reordered(self, node: ast.expr) -> bool:
        """Tell whether this is a set whose order would, or might, be another in a worker."""
        value = self.value(node)
        if not value.is_set:
            return False
        if isinstance(value.thing, set | frozenset):
            return not keeps_order(value.thing)
        return not is_seed_fixed()

    def _check_order(self, iterable: ast.expr, node: ast.AST) -> None:
        """An order is taken from this: refused where it is known to be a set, noted where that can't be told."""
        if self._is_reordered(iterable):
            why = "is a set, whose order differs between processes unless it holds only numbers"
            raise self._refuse("set-order", node, ast.unparse(iterable), why, f"sorted({ast.unparse(iterable)})")
        value = self.value(iterable)
        if not value.is_set and not value.no_set and not _is_number(iterable):
            self._note_order(value, iterable)

    def _check_orders_in(self, node: ast.expr) -> None:
        """An order is taken from this or from anything that hangs on it."""
        self._check_order(node, node)
        value = self.value(node)
        if not (value.fresh == 2 and value.no_set) and not _is_number(node) and not callable(value.thing):
            self._note_order(value.part(), node)

    def _note_order(self, value: Value, node: ast.AST) -> None:
        if value.fresh < 2:
            self.inspector.orders = True
        if self.inspector.order_place is None:
            self.inspector.order_place = node, self.name

    def _keep(self, node: ast.expr) -> None:
        """Something is put where it is not known any more what it is."""
        if self._is_reordered(node):
            self.inspector.keeps_sets = True

    def _visit_display(self, node: ast.List | ast.Tuple | ast.Dict) -> None:
        elements = node.values if isinstance(node, ast.Dict) else node.elts
        if not isinstance(node, ast.Dict) and isinstance(node.ctx, ast.Store):
            elements = []
        for element in elements:
            self._keep(element)
        self.generic_visit(node)

    visit_List = visit_Tuple = visit_Dict = _visit_display

    def visit_Set(self, node: ast.Set) -> None:
        for element in node.elts:
            self._keep(element)
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp | ast.GeneratorExp) -> None:
        self._keep(node.elt)
        self._order_free(node, free=False)

    visit_GeneratorExp = visit_ListComp

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._keep(node.value)
        self._order_free(node, free=False)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> None:
        self._check_orders_in(node.value)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant | ast.JoinedStr):  # "%s" % x
            for part in node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]:
                self._check_orders_in(part)
        self.generic_visit(node)

    def _visit_result(self, node: ast.expr) -> None:
        """What goes home as it is: nothing in the worker reads it again."""
        match node:
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part in parts:
                    self._visit_result(part)
            case ast.Dict(keys=keys, values=values):
                for each in [*keys, *values]:
                    if each is not None:
                        self._visit_result(each)
            case _:
                self.visit(node)

    def _effect(self, node: ast.Call) -> bool:
        """Read what an effect is made of, `(number, operand, …)`; False where the call is something else."""
        match node:
            case ast.Call(ast.Attribute(ast.Name(name), "append"), [ast.Tuple(elts=[ast.Constant(), *operands])]) if (
                name == EFFECTS
            ):
                for operand in operands:
                    self._visit_result(operand)
                return True
            case ast.Call(ast.Name(name), [ast.Constant(value=number), *operands]) if name == MAKE_ENTRY:
                by_key = len(operands) > 1
                is_slice = by_key and isinstance(operands[0], ast.Call | ast.Slice)
                for operand in operands:
                    if number in self.ordering and (not by_key or is_slice or number in self.adding):
                        self._check_order(operand, operand)
                    self._visit_result(operand)
                return True
            case _:
                return False

    def visit_Starred(self, node: ast.Starred) -> None:
        self._check_order(node.value, node)
        self.generic_visit(node)

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:
            owner = self.value(item.context_expr)
            for method in ("__enter__", "__exit__"):
                self._method_call(method, item.context_expr, owner, node)
            if item.optional_vars is not None:
                self._check_targets([item.optional_vars], node)
        self.generic_visit(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._keep(node.body)
        self.lambda_names.append(argument_names(node.args))
        self.generic_visit(node)
        self.lambda_names.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """A function defined inside: its body is read as part of this one, its own variables as unknown."""
        inner = argument_names(node.args) | set(read_names(node.body).defs)
        self.lambda_names.append(inner)
        hidden = self.locals & inner
        self.locals -= hidden
        for statement in node.body:
            self.visit(statement)
        self.locals |= hidden
        self.lambda_names.pop()
        for outer in [*node.decorator_list, *node.args.defaults]:
            self.visit(outer)

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load) or (node.id in self.locals and node.id not in self.torn):
            return
        if any(node.id in names for names in self.lambda_names):
            return
        thing = self.lookup(node.id)
        if node.id not in self.closure and self.globals is self.inspector.namespace:
            self.summary.reads.add(node.id)
        if node.id in _DYNAMIC and (thing is getattr(builtins, node.id, MISSING) or node.id == "get_ipython"):
            raise self._refuse("dynamic", node, node.id, "looks things up, or acts, in a way that can't be followed")
        if thing is MISSING:
            return
        if isinstance(thing, types.FunctionType | type | functools.partial | _LruCache):
            summary = self.inspector.check_callable(thing, node.lineno, node.id)
            if summary is not None:
                self.summary.reads |= summary.reads
        elif not isinstance(thing, types.ModuleType | types.BuiltinFunctionType):
            if isinstance(thing, (*_STATEFUL_TYPES, types.GeneratorType)) or _is_iterator(thing):
                raise self._refuse(
                    "stateful", node, node.id, f"is a {type(thing).__name__}, which keeps a state of its own"
                )
            self.inspector.meet(thing)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.visit(node.value)
        if isinstance(node.ctx, ast.Load):
            owner = self.value(node.value)
            if owner.thing is not MISSING:
                thing = _static_attribute(owner.thing, node.attr)
                own = isinstance(thing, types.FunctionType | type) and is_own(thing)
                if own or (callable(thing) and _stateful(thing) is not None):
                    self.inspector.check_callable(thing, node.lineno, ast.unparse(node))
            for cls, method in self.inspector.methods(node.attr):
                if isinstance(vars(cls).get(node.attr), property):
                    self._check_method(cls, method, node.value, node)
                elif isinstance(vars(cls).get(node.attr), functools.cached_property):
                    if owner.fresh == 0:
                        why = "is a cached property, filled in the workers and not here"
                        raise self._refuse("memoised", node, f"{cls.__name__}.{node.attr}", why)
                    self._check_method(cls, method, node.value, node)
            self._check_descriptors(node, "__get__")

    def _check_descriptors(self, node: ast.Attribute, hook: str) -> None:
        """A class attribute whose own type says what reading or setting it does."""
        for cls in list(self.inspector.classes):
            kind = type(vars(cls).get(node.attr))
            method = getattr(kind, hook, None)
            if is_own(kind) and isinstance(method, types.FunctionType):
                label = f"{kind.__name__}.{hook}"
                summary = self.inspector.check_callable(method, node.lineno, label)
                if summary is not None:
                    self.summary.reads |= summary.reads
                    if summary.mutates.keys() - set(summary.parameters[1:2]) or summary.calls:
                        raise self._refuse("hidden-state", node, label, "changes an object that outlives the iteration")
                    if summary.mutates:
                        self._change(node.value, node, max(summary.mutates.values()))

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if self._effect(node):
            return
        match function:
            case ast.Name(name):
                self._named_call(name, node)
            case ast.Attribute(value=base, attr=method):
                owner = self.value(base)
                resolved = self.value(function).thing
                if isinstance(owner.thing, types.ModuleType | type) and resolved is not MISSING:
                    if isinstance(owner.thing, type) and method in MUTATORS | _MUTATING_DUNDERS and node.args:
                        self._change(node.args[0], node)  # list.append(xs, x), object.__setattr__(x, name, value)
                    self._checked_call(resolved, node, ast.unparse(function))
                elif method == "at" and type(owner.thing).__name__ == "ufunc" and node.args:
                    self._change(node.args[0], node)  # np.add.at(a, indices, b), which minds no read-only flag
                elif isinstance(base, ast.Call) and isinstance(base.func, ast.Name) and base.func.id == "super":
                    self._method_call(
                        method, ast.copy_location(ast.Name(self._self_name(), ast.Load()), base), self._self(), node
                    )
                else:
                    self._method_call(method, base, owner, node)
                self.visit(base)
            case ast.Lambda():
                self.visit(function)
            case _:
                why = "is called, and it can't be told which function that is"
                raise self._refuse("unknown-call", node, ast.unparse(function), why)
        order_free = self._is_order_free(node)
        takes = not order_free and self._takes_order(function)
        for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
            if not takes:
                if isinstance(function, ast.Attribute) and function.attr in _KEEPING_METHODS:
                    self._keep(argument)
            elif self._is_builtin(function, _SHALLOW) or getattr(function, "attr", "") in _SHALLOW_METHODS:
                if not isinstance(argument, ast.Starred):  # which sees to itself
                    self._check_order(argument, node)
            else:
                self._check_orders_in(argument)
        for argument in node.args:
            if order_free and isinstance(argument, ast.GeneratorExp | ast.ListComp):
                self._order_free(argument)
            else:
                self.visit(argument)
        for keyword in node.keywords:
            self.visit(keyword.value)

    def _self_name(self) -> str:
        return self.summary.parameters[0] if self.summary.parameters else "self"

    def _self(self) -> Value:
        return Value(0, roots=frozenset({self._self_name()}))

    def _is_order_free(self, node: ast.Call) -> bool:
        """Tell whether a builtin gives the same for every order of its arguments' elements."""
        if self._is_builtin(node.func, frozenset({"sum"})):
            match node.args:
                case [ast.GeneratorExp(elt=element) | ast.ListComp(elt=element), *_]:
                    return _is_whole(element)  # sums of floats hang on the order in their last bits
                case _:
                    return False
        return self._is_builtin(node.func, _ORDER_FREE) and not any(k.arg == "key" for k in node.keywords)

    def _takes_order(self, function: ast.expr) -> bool:
        """Does a call make an order out of a set given to it? Own functions are looked into by themselves."""
        thing = self.value(function).thing
        if isinstance(function, ast.Attribute) and function.attr in _ORDER_FREE_METHODS:
            return False
        if type(thing).__name__ == "ufunc" or getattr(thing, "__module__", None) in {"math", "cmath"}:
            return False
        return not (isinstance(thing, types.FunctionType | type) and is_own(thing))

    def _named_call(self, name: str, node: ast.Call) -> None:
        assert isinstance(node.func, ast.Name)
        if name in self.locals or any(name in names for names in self.lambda_names):
            value = self._local(name) if name in self.locals else UNKNOWN
            if value.checked:
                return
            if name in self.parameters:
                self.summary.calls.add(name)
                return
            if value.thing is not MISSING and callable(value.thing):
                self._checked_call(value.thing, node, name)
                return
            raise self._refuse("unknown-call", node, name, "is called, and it can't be told which function that is")
        thing = self.lookup(name)
        self.visit(node.func)
        if thing is MISSING:
            return  # a NameError, for both
        if thing is builtins.open:
            self._check_open(node)
            return
        if thing is builtins.hash and not is_seed_fixed():
            raise self._refuse("set-order", node, "hash", "gives another number for text in every process")
        if self._is_builtin(node.func, _CHANGES_FIRST) and node.args:
            self._change(node.args[0], node)
            return
        if self._is_builtin(node.func, frozenset({"print"})):
            for keyword in node.keywords:
                if (
                    keyword.arg == "file"
                    and self.value(keyword.value).fresh == 0
                    and not _is_standard_stream(keyword.value)
                ):
                    self._change(keyword.value, node)
            return
        if self._is_builtin(node.func, frozenset({"getattr"})) and not isinstance(node.args[-1], ast.Constant):
            return  # a plain look-up; what is done with the result is judged by its name
        if thing is type and len(node.args) != 1:
            raise self._refuse("statement", node, name, "makes a class inside the iteration")
        if thing is getattr(builtins, name, MISSING):
            self._passed_functions(node)
            return
        self._checked_call(thing, node, name)

    def _check_open(self, node: ast.Call) -> None:
        mode: ast.expr | None = node.args[1] if len(node.args) > 1 else None
        for keyword in node.keywords:
            if keyword.arg == "mode":
                mode = keyword.value
        if mode is None:
            return
        if not isinstance(mode, ast.Constant) or not isinstance(mode.value, str) or set(mode.value) & set("wax+"):
            raise self._refuse("outside-effect", node, "open", "writes a file, which is not split yet")

    def _passed_functions(self, node: ast.Call) -> None:
        """Functions of the notebook handed to a library: they are called with who knows what."""
        for argument in [*node.args, *(k.value for k in node.keywords)]:
            thing = self.value(argument).thing
            if isinstance(thing, types.FunctionType | types.MethodType | functools.partial) or (
                thing is not MISSING and not isinstance(thing, type) and callable(thing)
            ):
                summary = self.inspector.check_callable(thing, node.lineno, ast.unparse(argument))
                if summary is not None and (summary.mutates or summary.calls):
                    raise self._refuse("mutates", node, ast.unparse(argument), "changes what it is given, or calls it")

    def _checked_call(self, thing: object, node: ast.Call, name: str) -> None:
        summary = self.inspector.check_callable(thing, node.lineno, name, functools.partial(self._given_sets, node))
        if summary is None:
            self._passed_functions(node)
            if _changes_first(thing) and node.args:
                self._change(node.args[0], node)
            if type(thing).__name__ == "ufunc":
                for argument in node.args[thing.nin :]:  # type: ignore[attr-defined]
                    self._change(argument, node)
            for keyword in node.keywords:
                if keyword.arg in {"out", "inplace"} and not (
                    isinstance(keyword.value, ast.Constant) and keyword.value.value in {None, False}
                ):
                    self._change(keyword.value if keyword.arg == "out" else node.func, node)
            return
        self.summary.reads |= summary.reads
        self._arguments(summary, list(summary.parameters), node, name)

    def _arguments(self, summary: Summary, parameters: list[str], node: ast.Call, name: str) -> None:
        """Hold what a helper changes or calls of its parameters against what it is given here."""
        loose = any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords)
        given = self._given(parameters, node)
        for parameter, needed in summary.mutates.items():
            if parameter not in given:
                if parameter in parameters or summary.variadic or loose:
                    why = f"changes its argument `{parameter}`, which lives on after the call"
                    raise self._refuse("hidden-state", node, name, why)
                continue
            self._change(given[parameter], node, needed)
        for parameter in summary.calls:
            argument = given.get(parameter)
            value = self.value(argument) if argument is not None else UNKNOWN
            if value.checked:
                continue
            if argument is not None and isinstance(argument, ast.Name) and argument.id in self.parameters:
                self.summary.calls.add(argument.id)
                continue
            if value.thing is MISSING or not callable(value.thing):
                raise self._refuse("unknown-call", node, name, f"calls its argument `{parameter}`, which can't be told")
            inner = self.inspector.check_callable(value.thing, node.lineno, parameter)
            if inner is not None and (inner.mutates or inner.calls):
                raise self._refuse("mutates", node, parameter, "changes what it is given, or calls it")

    def _method_call(self, method: str, base: ast.expr, owner: Value, node: ast.AST) -> None:
        thing = owner.thing
        shown = ast.unparse(base)
        if _is_standard_stream(base) and method in {"write", "flush"}:
            return  # caught in the worker and replayed in order
        if thing is not MISSING and not isinstance(thing, types.ModuleType | type):
            stateful = _stateful(_static_attribute(thing, method)) or (
                ("stateful", f"is a {type(thing).__name__}, which keeps a state of its own")
                if isinstance(thing, _STATEFUL_TYPES)
                else None
            )
            random_types = _random_types()
            if isinstance(thing, random_types):
                stateful = STATEFUL_MODULES["random"]
            if stateful is not None:
                instead = (
                    "a generator made in each iteration: np.random.default_rng(i)" if stateful[0] == "random" else ""
                )
                raise self._refuse(stateful[0], node, shown, stateful[1], instead)
            if isinstance(getattr(type(thing), method, None), types.FunctionType) and is_own(type(thing)):
                self._check_method(type(thing), getattr(type(thing), method), base, node)
                return
        for cls, function in self.inspector.methods(method):
            self._check_method(cls, function, base, node)
        self._check_template(method, base, node)
        if method in _FILE_METHODS:
            raise self._refuse("outside-effect", node, f"{shown}.{method}", "changes files, which is not split yet")
        if method == "pop" and isinstance(node, ast.Call) and not node.args:
            self._check_order(base, node)
        if method in MUTATORS or method in _READERS:
            if method == "join" or (method == "update" and owner.fresh >= 1):
                return
            if method in {"read", "readline", "readlines"} and owner.fresh == 0 and not owner.roots:
                return
            self._change(base, node)
        elif type(thing).__module__.split(".")[0] == "matplotlib":
            if not method.startswith(("get_", "contains")):
                self._change(base, node)
        elif _sounds_changing(method) and not any(method in vars(cls) for cls in self.inspector.classes):
            self._change(base, node)
        if isinstance(node, ast.Call):
            self._passed_functions(node)
            if any(_says_inplace(k, self.value(k.value).thing) for k in node.keywords if k.arg is None):
                self._change(base, node)
            if any(
                k.arg == "inplace" and not (isinstance(k.value, ast.Constant) and not k.value.value)
                for k in node.keywords
            ):
                self._change(base, node)

    def _check_template(self, method: str, base: ast.expr, node: ast.AST) -> None:
        """A method that a class of the user's has from a library may call any method that the user's class has."""
        for cls in list(self.inspector.classes):
            inherited = inspect.getattr_static(cls, method, None)
            if not isinstance(inherited, types.FunctionType) or is_own(inherited):
                continue
            for name, member in vars(cls).items():
                if not isinstance(member, types.FunctionType) or (name.startswith("__") and name.endswith("__")):
                    continue
                label = f"{cls.__name__}.{name}"
                summary = self.inspector.check_callable(member, getattr(node, "lineno", 0), label)
                if summary is None:
                    continue
                self.summary.reads |= summary.reads
                if summary.mutates.keys() - set(summary.parameters[:1]) or summary.calls:
                    raise self._refuse("mutates", node, label, "changes what it is given, or calls it")
                if summary.mutates:
                    self._change(base, node)

    def _check_method(self, cls: type, function: types.FunctionType, base: ast.expr, node: ast.AST) -> None:
        label = f"{cls.__name__}.{function.__name__}"
        raw = vars(cls).get(function.__name__)
        bound = 0 if isinstance(raw, staticmethod) else 1

        def sets(parameters: Sequence[str]) -> frozenset[str]:
            return self._given_sets(node, parameters[bound:]) if isinstance(node, ast.Call) else frozenset()

        summary = self.inspector.check_callable(function, node.lineno, label, sets)  # type: ignore[attr-defined]
        if summary is None:
            return
        self.summary.reads |= summary.reads
        if summary.result.is_set and not is_seed_fixed():
            self.inspector.keeps_sets = True  # which method is called is not known, so neither is what it gives
        parameters = list(summary.parameters)
        if not isinstance(raw, staticmethod) and parameters:
            own = parameters.pop(0)
            if own in summary.mutates:
                if isinstance(raw, classmethod):
                    raise self._refuse("hidden-state", node, label, "changes its class")
                self._change(base, node, summary.mutates[own])
            rest = {p: level for p, level in summary.mutates.items() if p != own}
        else:
            rest = dict(summary.mutates)
        inner = Summary(mutates=rest, calls=set(summary.calls), variadic=summary.variadic)
        if isinstance(node, ast.Call):
            self._arguments(inner, parameters, node, label)
        elif rest or summary.calls:
            raise self._refuse("hidden-state", node, label, "changes or calls its arguments")


def _imported(alias: ast.alias) -> Any:
    return sys.modules.get(alias.name.split(".")[0] if alias.asname is None else alias.name, MISSING)


def _root_name(node: ast.expr) -> str | None:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _stores(target: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from _stores(element)
    elif isinstance(target, ast.Starred):
        yield from _stores(target.value)
    else:
        yield target


def _is_number(node: ast.expr) -> bool:
    """Tell whether an expression is plainly a number."""
    match node:
        case ast.Constant(value=value):
            return isinstance(value, int | float | complex)
        case ast.UnaryOp(operand=operand):
            return _is_number(operand)
        case ast.Compare():
            return True
        case ast.BinOp(left=left, op=ast.Sub() | ast.Div() | ast.FloorDiv() | ast.Pow(), right=right):
            return _is_number(left) or _is_number(right)
        case ast.BinOp(left=left, right=right):
            return _is_number(left) and _is_number(right)
        case ast.Call(ast.Name(name)):
            return name in _NUMBER_CALLS
        case ast.IfExp(body=body, orelse=orelse):
            return _is_number(body) and _is_number(orelse)
        case _:
            return False


def _is_whole(node: ast.expr) -> bool:
    """Tell whether an expression is plainly a whole number, whose sum is the same in every order."""
    match node:
        case ast.Constant(value=value):
            return isinstance(value, int)
        case ast.Compare():
            return True
        case ast.Call(ast.Name(name)):
            return name in {"len", "int", "ord", "hash", "id", "bool"}
        case _:
            return False


_COPIED: Final = (int, float, complex, str, bytes)


def _is_copied(thing: object) -> bool:
    return isinstance(thing, _COPIED) and not isinstance(thing, bool | enum.Enum)


def _is_nan(thing: object) -> bool:
    return isinstance(thing, float) and math.isnan(thing)


def _holds_nan(thing: object) -> bool:
    return isinstance(thing, list | tuple | set | frozenset | dict) and any(map(_is_nan, thing))


def _sounds_changing(method: str) -> bool:
    """Tell whether a method of a library's object changes the object, by its name."""
    return method in _MUTATING_DUNDERS or (method.startswith(_CHANGING_PREFIXES) and method not in _NOT_CHANGING)


def _says_inplace(keyword: ast.keyword, thing: object) -> bool:
    """Tell whether `**keywords` holds inplace= or out=."""
    return keyword.arg is None and isinstance(thing, dict) and bool({"inplace", "out"} & thing.keys())


def _changes_first(thing: object) -> bool:
    """Tell whether this is a function of a library that changes its first argument."""
    names = _CHANGING_FUNCTIONS.get((getattr(thing, "__module__", None) or "").lstrip("_"))
    return names is not None and getattr(thing, "__name__", "") in names


def _is_iterator(thing: object) -> bool:
    return not isinstance(thing, type) and hasattr(type(thing), "__next__")


def _is_standard_stream(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.stdout", "sys.stderr"}


def _random_types() -> tuple[type, ...]:
    np_random = sys.modules.get("numpy.random")
    return (random.Random,) if np_random is None else (random.Random, np_random.RandomState, np_random.Generator)


def _static_attribute(owner: object, attribute: str) -> Any:
    """An attribute of a module or class, or a method of an object, got without running any code of the user's."""
    if isinstance(owner, types.ModuleType):
        return vars(owner).get(attribute, MISSING)
    if isinstance(owner, type):
        found = inspect.getattr_static(owner, attribute, MISSING)
        return found.__func__ if isinstance(found, staticmethod | classmethod) else found
    if is_own(type(owner)):
        return MISSING
    own = getattr(owner, "__dict__", None)
    if isinstance(own, dict) and attribute in own:
        return own[attribute]
    found = inspect.getattr_static(type(owner), attribute, MISSING)
    return found if isinstance(found, types.FunctionType | types.BuiltinFunctionType) else MISSING


# -- the loop itself -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found: why the loop can't be split, if so, and whether it takes an order from what may be a set."""

    refusal: Refusal | None
    orders: bool = True


def inspect_loop(loop: Loop, namespace: Mapping[str, Any], iterables: Sequence[object]) -> Finding:
    """Look into everything that a loop can reach. Without a refusal it can be split as far as can be told.

    `iterables` are the objects that are looped over; their items are met, and nothing is pulled from an iterator.
    """
    inspector = Inspector(namespace)
    while True:
        summary = Summary()
        try:
            _read_loop(loop, inspector, summary, iterables)
        except _Problem as problem:
            return Finding(problem.refusal)
        if not inspector.next_pass():
            break
    for name in sorted(summary.reads & (loop.targets | loop.temporaries)):
        if loop.kind == "for":
            why = "is set by the loop and read by a function that it calls"
            return Finding(Refusal("reads-loop-name", loop.line, name, why))
    for name in sorted(summary.reads & set(loop.accumulators)):
        why = "is changed by the loop and read by a function that it calls"
        return Finding(Refusal("accumulator-read", loop.line, name, why))
    if inspector.keeps_sets and inspector.order_place is not None:
        node, where = inspector.order_place
        line = getattr(node, "lineno", loop.line) if where == "the loop" else loop.line
        why = "may be a set made in the iteration, whose order differs between processes"
        return Finding(Refusal("set-order", line, ast.unparse(node), why, f"sorted({ast.unparse(node)})"))
    return Finding(None, inspector.orders)


def _read_loop(loop: Loop, inspector: Inspector, summary: Summary, iterables: Sequence[object]) -> None:
    for iterable in iterables:
        if isinstance(iterable, SAFE_ITERABLES):
            inspector.meet(iterable)
    reader = _BodyReader(inspector, inspector.namespace, {}, (), "the loop", summary)
    made_here = all(isinstance(iterable, range | str) for iterable in iterables)
    reader.bindings = {name: [("fresh" if made_here else "unknown", None)] for name in loop.targets}
    reader.bindings |= {EFFECTS: [("fresh", None)], MAKE_ENTRY: [("def", None)], LAST: [("fresh", None)]}
    reader.locals = set(reader.bindings) | loop.temporaries
    reader.ordering = frozenset(e.number for e in loop.effects if _shows_order(e, inspector.namespace.get(e.target)))
    reader.adding = frozenset(e.number for e in loop.effects if e.form == "augitem") & reader.ordering
    once = loop.task.body[1]
    assert isinstance(once, ast.For)
    unpacked = (
        once.target.elts
        if isinstance(once.target, ast.Tuple | ast.List) and is_wrapper(loop.iterable)
        else [once.target]
    )
    if any(isinstance(target, ast.Tuple | ast.List) for target in unpacked) and any(map(_holds_sets, iterables)):
        inspector.orders = True
    reader.read_body(once.body)
    inspector.check_operators(loop.line, summary)


def _shows_order(effect: Effect, target: object) -> bool:
    """Tell whether an effect goes through its operand in order, and the order shows."""
    match effect.form:
        case "extend" | "extendleft":
            return True
        case "update" | "aug" | "augitem":
            if isinstance(effect.replay, ast.AugAssign) and not isinstance(effect.replay.op, ast.Add):
                return False
            return not isinstance(target, set | frozenset | int | float | complex | str)
        case "setitem":  # where what is set is a slice, see _effect
            return isinstance(target, list)
        case _:
            return False


def _adds_numbers(how: str, node: Any) -> bool:
    """Tell whether a binding leaves a name that holds a set of numbers, made here, such a set."""
    match how, node:
        case "is", ast.Call(ast.Name("set"), []):
            return True
        case "is", ast.Set(elts=elements):
            return all(map(_is_number, elements))
        case "is", ast.SetComp(elt=element):
            return _is_number(element)
        case "holds", element:
            return _is_number(element)
        case "method", ast.Call(ast.Attribute(_, method), arguments):
            return method not in MUTATORS or (
                method in {"add", "discard", "remove"} and all(map(_is_number, arguments))
            )
        case "given", ast.Call(ast.Name(name)):
            return name in _ORDER_FREE | _SHALLOW
        case _:
            return False


def _holds_sets(iterable: Any) -> bool:
    """Are there sets among the items themselves? What can't be looked at may hold some."""
    if not isinstance(iterable, SAFE_ITERABLES):
        return True
    return any(isinstance(item, set | frozenset) for item in cast("Iterable[object]", iterable))
