"""What of a loop depends on objects: iterables, accumulators, builtins given another meaning, helpers (`purity`).

Objects are looked at; nothing is pulled from an iterator and nothing of the user's is called.
"""

from __future__ import annotations

import ast
import builtins
import collections
import decimal
import fractions
import gc
import inspect
import sys
import types
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any, Final

from mpnb.plan.advice import instead_of_change
from mpnb.plan.iterables import Leaf, check_leaf, check_pulled, overlap
from mpnb.plan.library import is_eager, is_open, is_own
from mpnb.plan.names import read_names
from mpnb.plan.purity import Finding, inspect_loop
from mpnb.plan.slices import distinct, runs_over_itself, why_not
from mpnb.plan.space import Space
from mpnb.plan.tables import DICT_VIEWS
from mpnb.plan.types import Loop, Refusal, SitePlan, place
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
    "setnew": (list, *_DICTS),
    "augitem": (list, *_DICTS),
    "tally": _DICTS,
    "aug": (*NUMBERS, str, bytes, tuple, list, set, frozenset, *_DICTS, deque),
    "binop": (*NUMBERS, str, bytes, tuple, list, set, frozenset, *_DICTS, deque),
}
_ON_ARRAYS: Final = frozenset({"setitem", "setnew", "augitem", "aug", "binop"})
#: What a defaultdict may make of its own accord where what hangs on it is changed.
_FACTORIES: Final = (None, list, dict, set, int, float, str, collections.Counter, deque)
#: What is looked at of what hangs on an object.
_HANGING: Final = 20_000
_TASK_BUILTINS: Final = ("NameError", "slice")

#: Accumulators of these types are rebound, never changed: nothing else can see them through another name.
UNALIASED: Final = (*NUMBERS, str, bytes, tuple, frozenset, range, type(None))


def check_loop(
    loop: Loop, space: Space, leaves: Sequence[Leaf], *, seeded: bool = False, trusted: frozenset[str] = frozenset()
) -> Finding:
    """Everything about a loop that depends on objects: iterables, accumulators, builtins, helpers."""
    refusal = _check_objects(loop, space, leaves)
    if refusal is not None:
        return Finding(refusal)
    finding = inspect_loop(loop, space, [leaf.thing for leaf in leaves], seeded=seeded, trusted=trusted)
    if finding.refusal is None and finding.writes:
        refusal = next((found for leaf in leaves if (found := check_pulled(leaf, loop)) is not None), None)
        return finding if refusal is None else Finding(refusal)
    return finding


def _check_objects(loop: Loop, space: Space, leaves: Sequence[Leaf]) -> Refusal | None:
    line, column = loop.line, loop.column
    mentioned = {node.id for node in ast.walk(loop.iterable) if isinstance(node, ast.Name)}
    used = {"enumerate", "zip", "reversed"} & mentioned | {*_TASK_BUILTINS, loop.consumer or "slice"}
    used |= {"map", "filter"} if loop.kind == "map" else set()
    used |= {builtin for name in loop.copied for builtin in loop.sliced[name].builtins}
    for name in sorted(used):
        if space.get(name, MISSING) not in (MISSING, getattr(builtins, name, None)):
            why = "is no longer Python's own"
            return Refusal("shadowed", line, name, why, f"del {name}, and another name for yours", column)
    changed = changed_objects(loop, space)
    for number, leaf in enumerate(leaves):
        if any(leaf.thing is each for each in changed) and not _in_turn(loop, space, number, leaf):
            name = next((n for n in loop.accumulators if space.get(n) is leaf.thing), min(loop.accumulators))
            return _runs_over(loop, name)
        refusal = check_leaf(leaf, loop, changed, _closed_files(loop, space))
        if refusal is not None:
            return refusal
    for name in sorted(loop.handler_names):
        if name in space:
            why = "is the name of a caught exception, and of something else"
            return Refusal("statement", line, name, why, "another name for the exception", column)
    for name, effects in loop.accumulators.items():
        target = space.get(name, MISSING)
        if target is MISSING and name == "display":  # IPython puts it beside Python's own
            target = getattr(builtins, name, MISSING)
        inner = {effect.form.split()[-1] for effect in effects if effect.form.startswith("inner ")}
        others = {effect.form for effect in effects if not effect.form.startswith("inner ")} - {"setnew"}
        if inner and (others or len(inner) > 1):
            why = "is changed at more than one depth, so what hangs on it can't be told"
            at = effects[0].position
            return Refusal("accumulator-type", at[0], name, why, "a loop for each depth", at[1])
        for effect in effects:
            if not _can_replay(effect.form, target):
                what = "not defined" if target is MISSING else f"a {type(target).__name__}"
                why = f"is {what}; {effect.form} on it can't be replayed"
                instead = instead_of_change(name) if target is not MISSING else f"define {name} above the loop"
                return Refusal("accumulator-type", effect.line, name, why, instead, effect.position[1])
        if isinstance(target, UNALIASED):
            continue
        if any(
            (target is _owner(leaf.thing) and not _in_turn(loop, space, number, leaf)) or overlap(target, leaf.thing)
            for number, leaf in enumerate(leaves)
        ):
            return _runs_over(loop, name)
        for other in sorted(loop.reads):
            if target is space.get(other) or overlap(target, space.get(other)):
                return _is_also(loop, name, other)
    return _check_slices(loop, space, leaves)


def _in_turn(loop: Loop, space: Space, number: int, leaf: Leaf) -> bool:
    """Tell whether a leaf is changed by the loop in such a way that each of its items has been seen by then."""
    owner = _owner(leaf.thing)
    names = [name for name in loop.accumulators if space.get(name) is owner]
    return len(names) == 1 and runs_over_itself(loop.sliced.get(names[0]), number, owner, space.get(names[0]))


def _check_slices(loop: Loop, space: Space, leaves: Sequence[Leaf]) -> Refusal | None:
    """Of what is read and changed, is it certain that each iteration has its own part?"""
    for name in loop.copied:
        slices = loop.sliced[name]
        thing = space.get(name)
        others = {other: effects for other, effects in loop.accumulators.items() if other != name}
        for each in changed_objects(replace(loop, accumulators=others), space):
            if each is thing or overlap(each, thing):
                why = f"is read at {place(slices.read)}, and the loop changes it by another name too"
                return Refusal("shared-object", slices.read[0], name, why, "", slices.read[1])
        why = why_not(slices, thing, distinct(leaves[slices.leaf].thing, slices.what), space)
        if why:
            at = loop.accumulators[name][0].position
            why = f"is read at {place(slices.read)} and changed at {place(at)}, and {why}"
            why += ", so an iteration may need the one before"
            return Refusal("accumulator-read", slices.read[0], name, why, "", slices.read[1], at)
    return None


def _runs_over(loop: Loop, name: str) -> Refusal:
    at = loop.accumulators[name][0].position
    why = f"is changed at {place(at)} by the loop that runs over it at {place((loop.line, loop.column))}"
    instead = f"loop over a copy: {name}.copy()"
    return Refusal("shared-object", loop.line, name, why, instead, loop.column, at)


def _is_also(loop: Loop, name: str, other: str) -> Refusal:
    at = loop.accumulators[name][0].position
    read = min(read_names(loop.body).refs.get(other, [(loop.line, loop.column)]))
    why = f"is changed at {place(at)} by the loop, which also reads it at {place(read)}, as `{other}`"
    instead = f"a copy of it under another name, made above the loop: {other} = {other}.copy()"
    return Refusal("shared-object", at[0], name, why, instead, at[1], read)


def _closed_files(loop: Loop, space: Space) -> list[object]:
    """The files that a `with open(…)` or `with path.open(…)` around the loop made itself."""
    found = []
    for name, call in loop.closing.items():
        owner, _, method = call.rpartition(".")
        if method != "open":
            continue
        thing = space.get(owner)
        if (isinstance(thing, PurePath) and not is_own(type(thing))) or (
            not owner and is_open(space.get("open", builtins.open))
        ):
            found.append(space.get(name))
    return found


def _is_frame(target: object) -> bool:
    """Tell whether this is a frame of pandas 3 or later, of which nothing else sees what is set in it."""
    pandas = sys.modules.get("pandas")
    if pandas is None or type(target) is not pandas.DataFrame or int(pandas.__version__.split(".")[0]) < 3:
        return False
    return len(target.columns) <= 200  # type: ignore[attr-defined]


def hanging(form: str, target: object) -> list[object] | None:
    """What hangs on an object that an effect of this form changes the inside of; None where it can't be replayed."""
    where = form.rsplit(maxsplit=1)[-1]
    start: object = target
    if where != "[]":
        kind = type(target)
        plain = kind is types.SimpleNamespace or kind.__getattribute__ is object.__getattribute__
        if not plain or issubclass(kind, types.ModuleType | type):
            return None
        held = _attributes(target)
        if where not in held:
            return None
        if inspect.getattr_static(type(target), where, MISSING) is not MISSING:
            return None
        start = held[where]
    elif type(target) not in {list, *_DICTS}:
        return None
    found: list[object] = []
    todo = [start]
    met: set[int] = set()
    while todo:
        thing = todo.pop()
        if isinstance(thing, tuple) and type(thing) is tuple:
            todo += thing
            continue
        if type(thing) in {*UNALIASED, type(None)}:
            continue
        if id(thing) in met:
            continue
        met.add(id(thing))
        if type(thing) not in {list, set, deque, *_DICTS} or len(met) > _HANGING:
            return None
        if isinstance(thing, collections.defaultdict) and thing.default_factory not in _FACTORIES:
            return None
        found.append(thing)
        parts: Any = thing.values() if isinstance(thing, dict) else thing
        todo += parts
    return found


def _attributes(target: object) -> dict[str, object]:
    """An object's own attributes, got without running a hook of its class."""
    try:
        held = object.__getattribute__(target, "__dict__")
    except AttributeError:
        return {}
    return held if type(held) is dict else {}


def check_consumers(site: SitePlan, called: Sequence[tuple[str, object]]) -> Refusal | None:
    """Look at the functions around a site, each as its name and what that stands on: do they use it up at once?"""
    for name, thing in called:
        if not is_eager(name, thing):
            why = "is given an iterator, and it can't be told whether it goes through it at once"
            return Refusal("unknown-call", site.line, name, why, "give it a list", site.column)
    return None


def changed_objects(loop: Loop, space: Space) -> list[object]:
    """The objects that a loop's effects change: no worker may read one of them."""
    found: list[object] = []
    for name, effects in loop.accumulators.items():
        target = space.get(name, MISSING)
        if target is MISSING or issubclass(type(target), UNALIASED):
            continue
        found.append(target)
        for effect in effects:
            if effect.form.startswith("inner "):
                found += hanging(effect.form, target) or []
        if _is_frame(target):
            found += [target.iloc[:, n].to_numpy() for n in range(len(target.columns))]
    return found


def _can_replay(form: str, target: object) -> bool:
    kind = type(target)
    if form.startswith("inner "):
        return hanging(form, target) is not None
    if form == "frame" or (form == "setitem" and kind.__module__.split(".")[0] == "pandas"):
        return _is_frame(target)
    if form == "display":
        return kind is types.FunctionType and str(target.__module__).startswith("IPython.")
    if kind.__module__ == "numpy" and form in _ON_ARRAYS:
        array = kind.__name__ == "ndarray" and not target.dtype.hasobject  # type: ignore[attr-defined]
        return array or (form in {"aug", "binop"} and hasattr(target, "dtype") and not hasattr(target, "__setitem__"))
    if kind not in _REPLAYED_ON[form]:
        return False
    if form in {"augitem", "tally"} or kind is collections.defaultdict:
        values = target.values() if isinstance(target, dict) else target
        factory = getattr(target, "default_factory", None)
        own_factory = factory is not None and is_own(factory)
        return not own_factory and not any(is_own(type(value)) for value in values)  # type: ignore[attr-defined]
    return True


def _owner(leaf: object) -> object:
    """What an iterable shows the content of: the dict of its keys(), values() or items(), else itself."""
    if not isinstance(leaf, DICT_VIEWS):
        return leaf
    return next((each for each in gc.get_referents(leaf) if isinstance(each, dict)), leaf)
