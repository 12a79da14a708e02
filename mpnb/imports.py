"""Which library modules a notebook uses, and what comes with them. Objects in, names of modules out; imports none.

After each cell `Uses.look` notes what new names lead to; it must cost next to nothing. What follows from it, `wanted`
says, in a thread of its own: library modules that may be imported ahead in another process and be the same there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final

_module_of_type: Final = type.__dict__["__module__"].__get__  # asks no metaclass of the user's
_NEVER: Final = frozenset({"__main__", "mpnb", "ipykernel", "antigravity", "this"})  # here already, or seen by the user
_BUILT_IN: Final = type(len)


def module_of(thing: Any) -> str:
    """Name of the module that a thing is, or was made in; that of its type for all but modules, types and functions.

    Examples
    --------
    >>> module_of(sys), module_of(Mapping), module_of(os.path.join), module_of(field())
    ('sys', 'collections.abc', 'posixpath', 'dataclasses')
    """
    kind = type(thing)
    if kind is MethodType:
        thing = thing.__func__
        kind = type(thing)
    if kind is FunctionType or kind is _BUILT_IN:
        name = thing.__module__
    elif issubclass(kind, ModuleType):
        name = object.__getattribute__(thing, "__dict__").get("__name__")
    else:
        name = _module_of_type(thing if issubclass(kind, type) else kind)
    return name if type(name) is str else ""


@dataclass(slots=True)
class Uses:
    """Which modules the names of a notebook lead to; `hidden` are names that the notebook has by itself."""

    namespace: Mapping[str, Any]
    hidden: Collection[str] = ()
    modules: set[str] = field(default_factory=set)
    _last: str = ""
    _count: int = 0

    def look(self) -> bool:
        """Look at the names that came since the last time; tell whether modules did."""
        names = list(self.namespace)
        found = set()
        for name in reversed(names):
            if name == self._last:
                break
            if name[:1] != "_" and name not in self.hidden and name in self.namespace:
                found.add(module_of(self.namespace[name]))
        self._last = names[-1] if names else ""
        count, self._count = self._count, len(sys.modules)
        if found <= self.modules and count == self._count:
            return False
        self.modules |= found
        return True


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What decides what an import gives: os.environ, and where modules are looked for."""

    environ: dict[str, str]
    path: list[str]

    @classmethod
    def now(cls) -> Surroundings:
        """Those of this moment."""
        return cls(os.environ.copy(), list(sys.path))

    def are_as(self, other: Surroundings) -> bool:
        """Tell whether they are the same, but for the number of threads, which is the pool's business."""
        from mpnb.surroundings import is_own_variable  # not above: it takes longer than the cell that loads mpnb may

        keys = self.environ.keys() | other.environ.keys()
        changed = [key for key in keys if self.environ.get(key) != other.environ.get(key)]
        return self.path == other.path and all(map(is_own_variable, changed))


def wanted(used: Iterable[str], begun: Surroundings) -> tuple[str, ...]:
    """Library modules among those that are used, with their parts that are loaded, in the order of their names.

    None of them where the notebook no longer imports as a process would that began as it did: its variables or its
    path have changed, or a module of the user's has the name of a standard one.
    """
    from mpnb.modules import is_local

    everything: list[tuple[str, Any]] = list(sys.modules.items())  # not modules alone: anybody may put things there
    loaded = {name: module for name, module in everything if isinstance(module, ModuleType)}
    local = {name for name, module in loaded.items() if is_local(module)}
    if local & sys.stdlib_module_names or not begun.are_as(Surroundings.now()):
        return ()
    roots = {name for name in used if name in loaded}
    parts = {name for name in loaded if name.rpartition(".")[0] in roots and name.rpartition(".")[2][:1] != "_"}
    found = [name for name in sorted(roots | parts) if _is_library(loaded[name], name) and name not in local]
    return tuple(name for name in found if not pulled_in([name]) & local)


def pulled_in(names: Iterable[str], known: Collection[str] = ()) -> set[str]:
    """The modules that come with these, as far as what they hold tells; those that are known are not looked into."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        module = sys.modules.get(name)
        if name in found or name in known or name in _NEVER or not isinstance(module, ModuleType):
            continue
        found.add(name)
        parent = name.rpartition(".")[0]
        todo += {parent, *map(module_of, list(vars(module).values()))} - found
    return found


def _is_library(module: ModuleType, name: str) -> bool:
    space = vars(module)
    own = name == space.get("__name__") and space.get("__spec__") is not None and isinstance(space.get("__file__"), str)
    return own and name.partition(".")[0] not in _NEVER
