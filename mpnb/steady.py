"""Steady functions: those that do the same with the same arguments, as long as a few objects stay what they are.

A function in, a `Watch` out, or None for one of which that can't be said. A worker that has loaded a steady function
may call it again and again, and `Watch.holds` says, at next to no cost, whether the notebook's is still the same: its
code and default arguments, the globals and helpers that it leads to. What leaves a trace, or hangs on something that
can change in place (a list, a class, the working directory), is not steady. Only time depends on whether a function is.
"""

from __future__ import annotations

import builtins
import opcode
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any, Final

_ATOMS: Final = frozenset({int, float, complex, str, bytes, bool, type(None), range})
_UNBOUND: Final = object()

#: Builtins whose answer hangs on their arguments alone; what is printed is an effect of the call.
_BUILTINS: Final = frozenset(
    """abs all any ascii bin bool bytearray bytes callable chr complex dict divmod enumerate filter float format
    frozenset hex int isinstance issubclass iter len list map max min next oct ord pow print range repr reversed round
    set slice sorted str sum tuple zip True False None NotImplemented Ellipsis""".split()
) | {name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)}

#: Modules, and what of them is so as well; None: all.
_MODULES: Final[Mapping[str, frozenset[str] | None]] = {
    "math": None,
    "cmath": None,
    "operator": None,
    "_operator": None,
    "itertools": None,
    "bisect": None,
    "_bisect": None,
    "heapq": None,
    "_heapq": None,
    "time": frozenset({"sleep", "time", "time_ns", "perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns"}),
    "os": frozenset({"getpid"}),
    "posix": frozenset({"getpid"}),
}

#: By these attributes code reaches what it was not handed, or what a function is made of.
_INNER: Final = re.compile(
    r"__(globals|dict|defaults|kwdefaults|code|closure|builtins|class|self|subclasses|mro|base)__"
)
_BY_LOCALE: Final = re.compile(r"(^|[:\d,.+\- ])n($|\})")  # the format code that follows the locale
_LEAVES: Final = frozenset(  # what leaves a trace in something that outlives the call, or makes a class
    opcode.opmap[name]
    for name in ("STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR", "DELETE_ATTR", "IMPORT_NAME", "LOAD_BUILD_CLASS")
    if name in opcode.opmap
)
_CELLS: Final = frozenset(opcode.opmap[name] for name in ("STORE_DEREF", "DELETE_DEREF") if name in opcode.opmap)
_GLOBALS: Final = frozenset(
    opcode.opmap[name] for name in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS") if name in opcode.opmap
)
_SHIFTED: Final = opcode.opmap["LOAD_GLOBAL"]


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """What a steady function consists of; it holds all of it, so that nothing else can take an object's place."""

    function: FunctionType
    functions: tuple[tuple[FunctionType, CodeType, Any], ...]
    names: tuple[tuple[dict[str, Any], str, object], ...]
    cells: tuple[tuple[CellType, object], ...]
    limits: tuple[int, int]

    def holds(self) -> bool:
        """Whether all is as it was."""
        for space, name, thing in self.names:
            if space.get(name, _UNBOUND) is not thing:
                return False
        for function, code, defaults in self.functions:
            if function.__code__ is not code or function.__defaults__ is not defaults:
                return False
            if function.__kwdefaults__ or function.__dict__:
                return False
        for cell, content in self.cells:
            try:
                if cell.cell_contents is not content:
                    return False
            except ValueError:  # it was emptied
                return False
        return self.limits == _limits()


def _limits() -> tuple[int, int]:
    return sys.getrecursionlimit(), sys.get_int_max_str_digits()


def watch(function: Any) -> Watch | None:
    """What to look at before a worker calls this function again; None where it is not steady."""
    if type(function) is not FunctionType or function.__globals__.get("__name__") != "__main__":
        return None
    limits = _limits()
    functions: dict[int, tuple[FunctionType, CodeType, Any]] = {}
    names: list[tuple[dict[str, Any], str, object]] = []
    cells: list[tuple[CellType, object]] = []
    todo: list[FunctionType] = [function]
    while todo:
        one = todo.pop()
        if id(one) in functions:
            continue
        functions[id(one)] = one, one.__code__, one.__defaults__
        if one.__globals__ is not function.__globals__ or one.__kwdefaults__ or one.__dict__:
            return None
        try:
            held = [(cell, cell.cell_contents) for cell in one.__closure__ or ()]
        except ValueError:  # not bound yet
            return None
        cells += held
        found = _lookups(one.__code__)
        if found is None:
            return None
        values = [*(one.__defaults__ or ()), *(content for _, content in held)]
        for name in found:
            space = one.__globals__
            thing = space.get(name, _UNBOUND)
            names.append((space, name, thing))
            if thing is _UNBOUND:
                space = vars(builtins)
                thing = space.get(name, _UNBOUND)
                names.append((space, name, thing))
                if thing is not _UNBOUND and name not in _BUILTINS:
                    return None
            else:
                values.append(thing)
        for value in values:
            if type(value) is FunctionType:
                todo.append(value)
            elif isinstance(value, ModuleType):
                inside = _used_of(value, one.__code__)
                if inside is None:
                    return None
                names += inside
            elif not _is_lasting(value):
                return None
    return Watch(function, tuple(functions.values()), tuple(names), tuple(cells), limits)


def _is_lasting(value: Any) -> bool:
    """Whether this can't change, and means the same in every process."""
    kind = type(value)
    if kind in _ATOMS:
        return True
    if kind is tuple or kind is frozenset:
        return all(map(_is_lasting, value))
    if isinstance(value, (BuiltinFunctionType, type)):
        name, home = value.__name__, value.__module__
        if home == "builtins":
            return name in _BUILTINS and vars(builtins).get(name) is value
        allowed = _MODULES.get(home or "", frozenset())
        owner = sys.modules.get(home or "")
        known = isinstance(value, BuiltinFunctionType) and getattr(owner, name, None) is value
        return known and (allowed is None or name in allowed)
    return False


def _used_of(module: ModuleType, code: CodeType) -> list[tuple[dict[str, Any], str, object]] | None:
    """The names that code may look up in a module, and their values; None where one of them may hang on more."""
    allowed = _MODULES.get(module.__name__, frozenset())
    if sys.modules.get(module.__name__) is not module:
        return None
    space = vars(module)
    used = [name for inner in _nested(code) for name in inner.co_names if name in space]
    if allowed is not None and not allowed.issuperset(used):
        return None
    if any(_is_notebooks(space[name]) for name in used):
        return None
    return [(space, name, space[name]) for name in used]


def _is_notebooks(value: Any) -> bool:
    """Whether it was put into a library: a worker has the library's own."""
    return getattr(value, "__module__", None) == "__main__" or not (
        type(value) in _ATOMS or isinstance(value, (BuiltinFunctionType, FunctionType, type))
    )


def _nested(code: CodeType) -> Iterator[CodeType]:
    """A code object, and those in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _lookups(code: CodeType) -> dict[str, None] | None:
    """The names that code looks up outside itself; None where it may change something that outlives the call."""
    found: dict[str, None] = {}
    for inner in _nested(code):
        if any(map(_INNER.fullmatch, inner.co_names)):
            return None
        if any(isinstance(each, str) and _BY_LOCALE.search(each) for each in _texts(inner.co_consts)):
            return None
        slots = (
            inner.co_varnames + tuple(n for n in inner.co_cellvars if n not in inner.co_varnames) + inner.co_freevars
        )
        argument = 0
        instructions = inner.co_code
        for position in range(0, len(instructions), 2):
            operation = instructions[position]
            argument = argument << 8 | instructions[position + 1]
            if operation == opcode.EXTENDED_ARG:
                continue
            if operation in _LEAVES:
                return None
            if operation in _CELLS and slots[argument] in code.co_freevars:
                return None
            if operation in _GLOBALS:
                found[inner.co_names[argument >> 1 if operation == _SHIFTED else argument]] = None
            argument = 0
    return found


def _texts(constants: Any) -> Iterator[Any]:
    for constant in constants:
        if isinstance(constant, tuple):
            yield from _texts(constant)
        else:
            yield constant
