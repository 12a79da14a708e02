"""What of a loop depends on objects: iterables, accumulators, builtins given another meaning, helpers (`purity`).

Objects are looked at; nothing is pulled from an iterator and nothing of the user's is called.
"""

from __future__ import annotations

import ast
import builtins
import collections
import decimal
import fractions
import sys
from collections import deque
from collections.abc import Mapping
from typing import Final

from mpnb.plan.library import is_own
from mpnb.plan.purity import Finding, inspect_loop
from mpnb.plan.space import Space
from mpnb.plan.tables import SAFE_ITERABLES
from mpnb.plan.types import Loop, Refusal
from mpnb.plan.values import MISSING

NUMBERS: Final[tuple[type, ...]] = (int, float, complex, bool, decimal.Decimal, fractions.Fraction)
_DICTS: Final[tuple[type, ...]] = (dict, collections.defaultdict, collections.OrderedDict, collections.Counter)
#: Which types of object each form of effect is replayed on; the type must be exactly one of these.
_REPLAYED_ON: Final[Mapping[str, tuple[type, ...]]] = {
    "append": (list, deque),
    "appendleft": (deque,),
    "extend": (list, deque),
    "extendleft": (deque,),
    "insert": (list, deque),
    "add": (set,),
    "discard": (set,),
    "update": (set, *_DICTS),
    "setitem": (list, *_DICTS),
    "augitem": (list, *_DICTS),
    "aug": (*NUMBERS, str, bytes, tuple, list, set, frozenset, *_DICTS, deque),
    "binop": (*NUMBERS, str, bytes, tuple, list, set, frozenset, *_DICTS, deque),
}
_ON_ARRAYS: Final = frozenset({"setitem", "augitem", "aug", "binop"})
_TASK_BUILTINS: Final = ("NameError", "slice")

#: Accumulators of these types are rebound, never changed: nothing else can see them through another name.
UNALIASED: Final = (*NUMBERS, str, bytes, tuple, frozenset, range, type(None))


def is_safe(iterable: object) -> bool:
    """Tell whether an iterable can be pulled from ahead of the loop: no iterator, nothing of the user's."""
    kind = type(iterable)
    if kind in SAFE_ITERABLES:
        return True
    library = (kind.__module__ or "").split(".")[0]
    if library == "numpy":
        return kind.__name__ == "ndarray" and getattr(iterable, "ndim", 0) > 0
    return library == "pandas" and kind.__name__ in {"Series", "Index", "RangeIndex", "DataFrame", "DatetimeIndex"}


def check_loop(
    loop: Loop, space: Space, leaves: list[object], *, seeded: bool = False, trusted: frozenset[str] = frozenset()
) -> Finding:
    """Everything about a loop that depends on objects: iterables, accumulators, builtins, helpers."""
    refusal = _check_objects(loop, space, leaves)
    if refusal is not None:
        return Finding(refusal)
    return inspect_loop(loop, space, leaves, seeded=seeded, trusted=trusted)


def _check_objects(loop: Loop, space: Space, leaves: list[object]) -> Refusal | None:
    line = loop.line
    mentioned = {node.id for node in ast.walk(loop.iterable) if isinstance(node, ast.Name)}
    used = {"enumerate", "zip", "reversed"} & mentioned | {*_TASK_BUILTINS, loop.consumer or "slice"}
    used |= {"map"} if loop.kind == "map" else set()
    for name in sorted(used):
        if space.get(name, MISSING) not in (MISSING, getattr(builtins, name, None)):
            return Refusal("shadowed", line, name, "is no longer Python's own")
    for leaf in leaves:
        if not is_safe(leaf):
            why = f"the iterable is a {type(leaf).__name__}, which is pulled from step by step"
            return Refusal("iterator", line, "", why, "loop over list(…) of it")
    for name in sorted(loop.handler_names):
        if name in space:
            return Refusal("statement", line, name, "is the name of a caught exception, and of something else")
    for name, effects in loop.accumulators.items():
        target = space.get(name, MISSING)
        for effect in effects:
            if not _can_replay(effect.form, target):
                what = "not defined" if target is MISSING else f"a {type(target).__name__}"
                why = f"is {what}; {effect.form} on it can't be replayed"
                return Refusal("accumulator-type", effect.line, name, why)
        if isinstance(target, UNALIASED):
            continue
        if any(target is leaf or _overlap(target, leaf) for leaf in leaves):
            return Refusal("shared-object", line, name, "is changed by the loop that runs over it")
        for other in sorted(loop.reads):
            if target is space.get(other) or _overlap(target, space.get(other)):
                return Refusal("shared-object", line, name, f"is changed by the loop and also read by it, as `{other}`")
    return None


def _can_replay(form: str, target: object) -> bool:
    kind = type(target)
    if kind.__module__ == "numpy" and form in _ON_ARRAYS:
        array = kind.__name__ == "ndarray" and not target.dtype.hasobject  # type: ignore[attr-defined]
        return array or (form in {"aug", "binop"} and hasattr(target, "dtype") and not hasattr(target, "__setitem__"))
    if kind not in _REPLAYED_ON[form]:
        return False
    if form == "augitem" or kind is collections.defaultdict:
        values = target.values() if isinstance(target, dict) else target
        factory = getattr(target, "default_factory", None)
        own_factory = factory is not None and is_own(factory)
        return not own_factory and not any(is_own(type(value)) for value in values)  # type: ignore[attr-defined]
    return True


def _overlap(one: object, other: object) -> bool:
    numpy = sys.modules.get("numpy")
    if numpy is None or not (isinstance(one, numpy.ndarray) and isinstance(other, numpy.ndarray)):
        return False
    return bool(numpy.may_share_memory(one, other))
