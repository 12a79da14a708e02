"""Whose a function or class is, a library's or the user's own; and what a library's does. Looks, and calls nothing."""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import itertools
import random
import sys
import sysconfig
import threading
import types
from pathlib import Path
from typing import Any

from mpnb.plan.advice import instead_of_library
from mpnb.plan.tables import (
    CHANGING_FUNCTIONS,
    CHANGING_PREFIXES,
    EAGER,
    KEPT_BACK,
    MUTATING_DUNDERS,
    MUTATORS,
    NOT_CHANGING,
    NOT_STATEFUL,
    READERS,
    SEEN_LIBRARIES,
    STATEFUL_FUNCTIONS,
    STATEFUL_MODULES,
    STATEFUL_TYPES,
    UNSEEN_READERS,
    WRITERS,
)
from mpnb.plan.values import MISSING
from mpnb.streams import SEEDED, describe


@functools.cache
def _library_roots() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    roots = {str(Path(paths[key]).resolve()) for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    return tuple(sorted(roots | {str(Path(entry).resolve()) for entry in sys.path if entry.endswith("-packages")}))


@functools.cache
def is_library_module(name: str) -> bool:
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
    return isinstance(module, str) and not is_library_module(module)


def is_open(thing: object) -> bool:
    """Tell whether this is Python's open(), or what IPython puts around it."""
    wraps = isinstance(thing, types.FunctionType) and vars(thing).get("__wrapped__") is builtins.open
    return thing is builtins.open or wraps


def is_artist(thing: Any, *, among: bool = False) -> bool:
    """Tell whether something is of matplotlib's, or, `among` others, a list, dict or array holds such a thing."""
    kind = type(thing)
    if kind.__module__.split(".")[0] == "matplotlib":
        return True
    if not among:
        return False
    if kind.__module__ == "numpy" and kind.__name__ == "ndarray":
        return bool(thing.dtype.hasobject and thing.size and is_artist(thing.flat[0]))
    parts = thing.values() if kind is dict else thing if kind in {list, tuple} else ()
    return any(is_artist(part) for part in itertools.islice(parts, 20))


def changes_owner(method: types.BuiltinFunctionType | types.MethodWrapperType) -> bool:
    """Tell whether it is a method of an object, and one that changes it or moves it on."""
    owner = getattr(method, "__self__", None)
    if owner is None or isinstance(owner, types.ModuleType | type):
        return False
    return method.__name__ in MUTATORS | READERS | MUTATING_DUNDERS


def why_stateful(thing: object, *, seeded: bool = False) -> tuple[str, str] | None:
    """Is a callable in the table of stateful ones? (code, why) or None.

    `seeded`: the generators that can be given streams have some.
    """
    owner = getattr(thing, "__self__", None)
    generators = generator_types()
    if isinstance(owner, generators):
        return None if seeded and describe(owner) is not None else STATEFUL_MODULES["random"]
    if isinstance(thing, type):
        if issubclass(thing, generators) or thing.__module__.startswith("numpy.random"):
            return None  # a generator made in the iteration is the iteration's own
        if issubclass(thing, threading.Thread):
            return STATEFUL_MODULES["threading"]
    if owner is not None and not isinstance(owner, types.ModuleType | type) and isinstance(owner, STATEFUL_TYPES):
        return "stateful", "keeps state outside the notebook's names"
    module = getattr(thing, "__module__", None) or getattr(owner, "__name__", None)
    name = getattr(thing, "__name__", "")
    if not isinstance(module, str) or (module, name) in KEPT_BACK or (module, name) in NOT_STATEFUL:
        return None
    if name in STATEFUL_FUNCTIONS and is_library_module(module):
        return "stateful", "changes the state of this process"
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        entry = STATEFUL_MODULES.get(".".join(parts[:length]))
        if entry is not None:
            return None if seeded and entry[0] == "random" else entry
    return None


def may_write(thing: Any) -> bool:
    """Tell whether a function or class of a library is one that writes files, or may."""
    module = getattr(thing, "__module__", None)
    names = WRITERS.get(module.split(".")[0]) if isinstance(module, str) else None
    return names is not None and getattr(thing, "__name__", "") in names


def is_unseen(thing: Any, name: str) -> bool:
    """Tell whether a library's function, called by a name, may look at files in a way that a worker does not see."""
    module = getattr(thing, "__module__", None) or getattr(getattr(thing, "__self__", None), "__name__", None)
    if not isinstance(module, str):
        return False
    if module in {"posix", "nt"}:
        return "." not in name  # imported by itself, it is not looked up in `os`
    library = module.split(".")[0].lstrip("_")
    known = library in SEEN_LIBRARIES or module.split(".")[0] in sys.stdlib_module_names
    return not known or getattr(thing, "__name__", "") in UNSEEN_READERS


def imported(alias: ast.alias) -> Any:
    """The module that an import binds, where it has been imported already."""
    return sys.modules.get(alias.name.split(".")[0] if alias.asname is None else alias.name, MISSING)


def sounds_changing(method: str) -> bool:
    """Tell whether a method of a library's object changes the object, by its name."""
    return method in MUTATING_DUNDERS or (method.startswith(CHANGING_PREFIXES) and method not in NOT_CHANGING)


def is_eager(name: str, thing: object) -> bool:
    """Tell whether this is what the table of eager callables has by that name, or the module that it is looked up in.

    `join` is a text's.
    """
    if name == "join":
        return type(thing) is str
    module = sys.modules.get(EAGER.get(name, ""))
    known = getattr(module, name, MISSING)
    return known is not MISSING and not is_own(known) and (thing is module or thing is known)


def changes_first(thing: object) -> bool:
    """Tell whether this is a function of a library that changes its first argument."""
    if getattr(thing, "__name__", "") == "shuffle":  # whose module the methods of a generator do not tell
        return isinstance(getattr(thing, "__self__", None), generator_types())
    names = CHANGING_FUNCTIONS.get((getattr(thing, "__module__", None) or "").lstrip("_"))
    return names is not None and getattr(thing, "__name__", "") in names


def generator_types() -> tuple[type, ...]:
    """The types of random generators that are shared when they are not made in the iteration."""
    np_random: Any = sys.modules.get("numpy.random")
    names = ("RandomState", "Generator", "BitGenerator")
    return (random.Random, *(getattr(np_random, name) for name in names if hasattr(np_random, name)))


def instead_of(code: str, why: str) -> str:
    """What to do where a library's state keeps a loop from being split."""
    return SEEDED if code == "random" else instead_of_library(why)


def static_attribute(owner: object, attribute: str) -> Any:
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
