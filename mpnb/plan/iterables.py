"""What a loop runs over: may it be pulled from ahead of the loop? Looks at objects; pulls nothing.

A container may: it is the same afterwards. An iterator may where nobody else can see how far it was pulled, and where
pulling runs nothing of the user's: it was made in the loop's header (`for i, row in df.iterrows()`), or it reads from a
file that the `with` around the loop closes right after it.
"""

from __future__ import annotations

import collections
import functools
import gc
import io
import itertools
import os
import pathlib
import sys
import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mpnb.plan.library import changes_owner, generator_types, is_library_module, is_own, why_stateful
from mpnb.plan.tables import LAZY_LIBRARIES, SAFE_ITERABLES
from mpnb.plan.types import Loop, Refusal

_BASES: Final[tuple[type, ...]] = (list, tuple, dict, set, frozenset, str, bytes, bytearray, collections.deque, range)
_ATOMS: Final = (int, float, complex, str, bytes, bytearray, bool, range, type(None), types.ModuleType, slice)
_FILES: Final = (io.TextIOWrapper, io.BufferedReader)
#: Iterators of which a piece can outlive the next pull.
_SHARING: Final[tuple[type, ...]] = (itertools.groupby, type(itertools.tee(())[0]))
#: What a walk through the inside of an iterator looks at before it gives up.
_WALK: Final = 2_000


@dataclass(frozen=True, slots=True)
class Leaf:
    """One thing that a loop runs over, below enumerate(), zip() and a progress bar.

    `name` is the name that it was reached by; `alone` whether nothing but the loop holds it.
    """

    thing: Any
    name: str | None = None
    alone: bool = False


def is_safe(iterable: object) -> bool:
    """Tell whether an iterable can be pulled from ahead of the loop, whoever holds it: no iterator, nothing own."""
    kind = type(iterable)
    if kind in SAFE_ITERABLES:
        return True
    for base in _BASES:
        if issubclass(kind, base):
            return kind.__iter__ is base.__iter__ and kind.__len__ is base.__len__  # type: ignore[attr-defined]
    library = _library(kind)
    if library == "numpy":
        return kind.__name__ == "ndarray" and getattr(iterable, "ndim", 0) > 0
    if library == "array":
        return kind.__name__ == "array"
    return library == "pandas" and any(_is_pandas(base) for base in kind.__mro__)


_PANDAS: Final = frozenset({"Series", "Index", "DataFrame", "ExtensionArray", "BaseGroupBy"})


def _is_pandas(base: type) -> bool:
    return base.__name__ in _PANDAS and _library(base) == "pandas"


def length(iterable: object) -> int | None:
    """How many items there are, where asking costs nothing."""
    if not is_safe(iterable) or any(base.__name__ == "BaseGroupBy" for base in type(iterable).__mro__):
        return None
    return len(iterable)  # type: ignore[arg-type]


def is_bar(thing: Any) -> bool:
    """Tell whether this is a progress bar of tqdm's around an iterable."""
    kinds = type(thing).__mro__
    bar = any(kind.__name__ == "tqdm" and kind.__module__ == "tqdm.std" for kind in kinds)
    return bar and not any(map(is_own, kinds)) and thing.iterable is not None


def check_leaf(leaf: Leaf, loop: Loop, targets: Sequence[object], files: Sequence[object]) -> Refusal | None:
    """Why one leaf can't be pulled from ahead of the loop, None where it can.

    `targets` are the objects that the loop changes, `files` those that are closed when it ends.
    """
    if is_safe(leaf.thing):
        return None
    kind = type(leaf.thing)
    refused = f"the iterable is a {kind.__name__}, which "
    instead = "loop over list(…) of it"
    if any(leaf.thing is file for file in files) and kind in _FILES:
        return None
    if not hasattr(kind, "__next__"):
        return Refusal.at("iterator", loop.iterable, "", refused + "is not known", instead)
    if not leaf.alone:
        why = refused + "other code can see as well, and how far it was pulled"
        return Refusal.at("iterator", loop.iterable, leaf.name or "", why, instead)
    seen = _why_seen(leaf.thing, targets, files)
    return None if seen is None else Refusal.at("iterator", loop.iterable, "", refused + seen, instead)


def check_pulled(leaf: Leaf, loop: Loop) -> Refusal | None:
    """Why one leaf of a loop that writes files can't be pulled from ahead of it: it may look at files meanwhile."""
    if is_safe(leaf.thing) or not hasattr(type(leaf.thing), "__next__"):
        return None
    todo: list[object] = [leaf.thing]
    met: set[int] = set()
    while todo:
        thing = todo.pop()
        if id(thing) in met:
            continue
        met.add(id(thing))
        if len(met) > _WALK or _looks_at_files(thing):
            why = f"is pulled from a {type(leaf.thing).__name__}, which may look at the files that the loop writes"
            return Refusal.at("iterator", loop.iterable, "", f"the iterable {why}", "loop over list(…) of it")
        if hasattr(type(thing), "__next__") or isinstance(thing, _CONTAINERS):
            todo += [inner for inner, _ in _referents(thing)]
    return None


def _looks_at_files(thing: Any) -> bool:
    """Tell whether an iterator, or something that it calls, may look at files when it is pulled from."""
    if isinstance(thing, types.GeneratorType):
        if thing.gi_code is pathlib.Path.iterdir.__code__:
            return False  # it lists the folder when it is pulled from first, before the loop writes
        if thing.gi_code is pathlib.Path.glob.__code__ and thing.gi_frame is not None:
            pattern = thing.gi_frame.f_locals.get("pattern")
            return not isinstance(pattern, str) or "**" in pattern or not {os.sep, "/"}.isdisjoint(pattern)
        frame = thing.gi_frame
        return frame is not None and not _is_fileless(str(frame.f_globals.get("__name__")), calls=False)
    if isinstance(thing, io.IOBase):
        return not isinstance(thing, io.StringIO | io.BytesIO)
    if isinstance(thing, type):
        return False
    if not callable(thing) and not hasattr(type(thing), "__next__"):
        return False
    iterates = hasattr(type(thing), "__next__")
    module = str((None if iterates else getattr(thing, "__module__", None)) or type(thing).__module__)
    if not iterates and isinstance(getattr(thing, "__self__", None), type) and thing.__name__ == "_make":
        return False  # of a namedtuple
    return thing is open or not _is_fileless(module, calls=not iterates)


def _is_fileless(module: str, *, calls: bool) -> bool:
    library = module.split(".", maxsplit=1)[0].lstrip("_")
    return library in _FILELESS and not module.startswith("pandas.io") and not (calls and library in _OPENING)


#: Libraries whose iterators look at no file, and those among them whose functions may.
_FILELESS: Final = LAZY_LIBRARIES - {"io", "os", "pathlib", "glob"} | {"math", "cmath"}
_OPENING: Final = frozenset({"numpy", "pandas", "sklearn", "networkx", "csv"})


def _why_seen(iterator: object, targets: Sequence[object], files: Sequence[object]) -> str | None:
    """What can be seen of an iterator's having been pulled, by looking at all that it is made of; None: nothing."""
    todo: list[tuple[object, bool]] = [(iterator, False)]
    met: set[int] = set()
    while todo:
        thing, visible = todo.pop()
        if id(thing) in met or any(thing is file for file in files):
            continue
        met.add(id(thing))
        if len(met) > _WALK:
            return "is made of too much to be looked through"
        if any(thing is target or overlap(thing, target) for target in targets):
            return "reads what the loop changes"
        iterates = hasattr(type(thing), "__next__")
        if iterates and visible:
            return f"pulls from a {type(thing).__name__} that other code can see as well"
        why = _why_not_lazy(thing) if iterates else _why_not_plain(thing)
        if why is not None:
            return why
        if iterates or isinstance(thing, _CONTAINERS):
            todo += [(inner, visible or count > _HELD_ONCE) for inner, count in _referents(thing)]
        elif isinstance(thing, types.BuiltinMethodType | types.MethodType | types.MethodWrapperType):
            todo.append((thing.__self__, True))
    return None


_CONTAINERS: Final = (list, tuple, dict, set, frozenset, collections.deque, types.CellType, functools.partial)


def _why_not_lazy(iterator: Any) -> str | None:
    """What pulling from an iterator of this type would do besides, not looking at what it is made of."""
    kind = type(iterator)
    module = kind.__module__ or ""
    if isinstance(iterator, types.GeneratorType):
        module = iterator.gi_frame.f_globals.get("__name__", "") if iterator.gi_frame is not None else ""
    if is_own(kind) or not is_library_module(module):
        return "runs code of the notebook while it is pulled"
    listed = module.split(".")[0] in LAZY_LIBRARIES
    if not listed or isinstance(iterator, _SHARING) or kind.__name__ == "nditer":
        return "is pulled from step by step"
    return "is pulled from step by step" if isinstance(iterator, io.IOBase) and kind not in _FILES else None


def _why_not_plain(thing: Any) -> str | None:
    """What pulling from an iterator that is made of this would do besides."""
    kind = type(thing)
    if is_own(thing if isinstance(thing, types.FunctionType | type) else kind):
        return "runs code of the notebook while it is pulled"
    if thing is print or thing is input or thing is next:
        return f"calls {thing.__name__}() while it is pulled"
    if isinstance(thing, types.BuiltinMethodType | types.MethodWrapperType) and changes_owner(thing):
        return "changes an object while it is pulled"
    if callable(thing) and (stateful := why_stateful(thing)) is not None:
        return f"{stateful[1]} while it is pulled"
    if isinstance(thing, generator_types()) or _draws(thing):
        return "draws from a random generator while it is pulled"
    return None


def _draws(thing: Any) -> bool:
    """Tell whether it is one of scikit-learn's splitters without a seed."""
    held = getattr(thing, "__dict__", None)
    if not isinstance(held, dict) or "random_state" not in held:
        return False
    return not isinstance(held["random_state"], int) and held.get("shuffle", True) is not False


def _library(kind: type) -> str:
    return (kind.__module__ or "").split(".", maxsplit=1)[0]


def _referents(thing: Any) -> Iterator[tuple[object, int]]:
    """What an object holds, each with how many hold it, as it looks from here."""
    inside = getattr(thing, "__dict__", None)
    if isinstance(thing, _FILES):
        held = []
    elif type(thing).__name__ == "flatiter":
        held = [thing.base]
    elif isinstance(inside, dict) and inside:
        held = list(inside.values())
    else:
        held = gc.get_referents(thing)
    if isinstance(thing, types.GeneratorType):
        # its own function and code are no data
        held = [inner for inner in held if not isinstance(inner, types.CodeType) and not _is_of(thing, inner)]
        if _is_iterrows(thing) and thing.gi_frame is not None:
            # from its first row on it goes through what it took of the frame, which is looked at besides
            held = [inner for inner in held if inner is not thing.gi_frame.f_locals.get("self")]
    while held:
        inner = held.pop()
        count = sys.getrefcount(inner)
        if not isinstance(inner, _ATOMS):
            yield inner, count


def _is_of(generator: types.GeneratorType[Any, Any, Any], function: object) -> bool:
    return isinstance(function, types.FunctionType) and function.__code__ is generator.gi_code


def _is_iterrows(generator: types.GeneratorType[Any, Any, Any]) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and generator.gi_code is pandas.DataFrame.iterrows.__code__


#: What `_referents` says of a thing that nothing else holds.
_HELD_ONCE: Final = next(count for inner, count in _referents(enumerate(iter([]))) if hasattr(inner, "__next__"))


def overlap(one: object, other: object) -> bool:
    """Tell whether two arrays share memory."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not (issubclass(type(one), numpy.ndarray) and issubclass(type(other), numpy.ndarray)):
        return False
    return bool(numpy.may_share_memory(one, other))


def holds_objects(leaves: Iterable[Any]) -> bool:
    """Tell whether items may be of classes that can't be told by looking at the leaves."""
    for leaf in leaves:
        if isinstance(leaf, (*SAFE_ITERABLES, *_FILES, itertools.count)):
            continue
        dtypes = getattr(leaf, "dtypes", getattr(leaf, "dtype", None))
        if dtypes is not None and "object" not in str(dtypes):
            continue
        return True
    return False
