"""What the notebook changed in libraries. Modules and classes in, plain values and descriptions out; imports none.

Plain values (`math.tau = 3`) travel with a job. Of what else the job's code names, a description is compared in the
worker, and something of the notebook's own is refused before anything is sent.

What stays unseen: a table inside a library (`html.entities.html5`, `json.encoder.ESCAPE_DCT`) that the notebook
changed, that only the library reads, and that the job's own code does not name. To see it, every job would have to
show every table of every library that it reaches.
"""

from __future__ import annotations

import builtins
import functools
import sys
from _abc import _get_dump  # type: ignore[import-not-found]  # registries have no other door
from abc import ABCMeta
from collections.abc import Iterable
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final

from mpnb.cache import EncodeCache, digest

Place = tuple[str, str]  # module, and the class's name in it or ""
Constants = dict[Place, dict[str, tuple[str, Any]]]
Descriptions = dict[Place, dict[str, str]]

_PLAIN_CONTAINERS: Final = (list, dict, set)
_LARGE: Final = 3_000  # entries; showing them takes a millisecond
_IMMUTABLE_TYPE: Final = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE
_EACH_ITS_OWN: Final = frozenset({"sys", "__main__"})  # what is of the process, or the mirror's matter
_DRESSED: Final = _EACH_ITS_OWN | {"builtins", "getpass"}  # where Jupyter puts functions of its own


def holders(start: Iterable[Any], names: frozenset[str]) -> list[Any]:
    """The modules and classes that a job reaches, those that its code names in them, and the builtins."""
    found: dict[int, Any] = {}
    todo = [builtins, *start]
    while todo:
        holder = todo.pop()
        if id(holder) in found:
            continue
        found[id(holder)] = holder
        space = vars(holder)
        todo += [space[name] for name in names if name in space and isinstance(space[name], (ModuleType, type))]
    return list(found.values())


def constants(found: Iterable[Any], cache: EncodeCache) -> Constants:
    """Plain public values of these modules and classes, each with its type."""
    each = {_place(holder): cache.constants(holder) for holder in found if _can_be_set(holder)}
    return {place: values for place, values in each.items() if values and place[0] not in _EACH_ITS_OWN}


def descriptions(found: Iterable[Any], names: frozenset[str]) -> Descriptions:
    """What kind of thing stands under each of these names."""
    described: Descriptions = {}
    for holder in found:
        place, space = _place(holder), vars(holder)
        if place[0] not in _DRESSED and _can_be_set(holder):
            texts = {name: describe(space[name]) for name in names if name in space and not name.startswith("__")}
            if texts := {name: text for name, text in sorted(texts.items()) if text}:
                described[place] = texts
    return described


def first_other(described: Descriptions) -> str | None:
    """The first name under which something else stands in this process, None where all is the same."""
    for place, texts in described.items():
        holder = find(place)
        for name, text in texts.items() if holder is not None else ():
            # A module that loads its names when they are first used (PEP 562) may not have got to this one here.
            lazy = name not in vars(holder) and isinstance(holder, ModuleType)
            if describe(getattr(holder, name, None) if lazy else vars(holder).get(name)) != text:
                return ".".join((*filter(None, place), name))
    return None


def describe(thing: Any) -> str:
    """What can be told of a callable without looking inside, and what is in a plain container; "" for all else."""
    if type(thing) in _PLAIN_CONTAINERS:
        return _inside(thing)
    if isinstance(thing, (staticmethod, classmethod)):
        thing = thing.__func__
    if isinstance(thing, ModuleType) or not callable(thing):
        return ""
    kind = type(thing)
    own = [getattr(thing, name, None) for name in ("__module__", "__qualname__")]
    return f"{kind.__module__}.{kind.__qualname__} {own[0] if isinstance(own[0], str) else ''}.{own[1]}"


def _inside(thing: Any) -> str:
    """A container's length, and what is in it where it is not large; the same text in every process."""
    text = f"{type(thing).__name__} of {len(thing)}"
    if len(thing) > _LARGE:
        return text
    try:
        parts = sorted(map(repr, thing)) if isinstance(thing, set) else [repr(thing)]
    except Exception:  # it holds something that can't be shown: its length has to do
        return text
    return f"{text} {digest(''.join(parts).encode('utf-8', 'surrogatepass')).hex()}"


def find(place: Place) -> Any:
    """The module or class at a place, None where it is not loaded."""
    module, qualname = place
    holder: Any = sys.modules.get(module)
    for part in qualname.split(".") if qualname else ():
        holder = getattr(holder, part, None)
    return holder


def registered(holder: Any, main: dict[str, Any]) -> str | None:
    """A class of the notebook that was registered with this abstract class of a library, by name."""
    if type(holder) is not ABCMeta or holder.__module__ == "__main__":
        return None
    known = [reference() for reference in _get_dump(holder)[0]]
    return next((each.__qualname__ for each in known if each is not None and is_notebooks(each, main)), None)


def is_notebooks(value: Any, main: dict[str, Any]) -> bool:
    """Whether a function, a class or an instance is of the notebook's own making."""
    if type(value) is FunctionType:
        return value.__globals__ is main
    if isinstance(value, MethodType):
        return is_notebooks(value.__func__, main)
    if isinstance(value, functools.partial):
        return is_notebooks(value.func, main)
    return (value if isinstance(value, type) else type(value)).__module__ == "__main__"


def _place(holder: Any) -> Place:
    return (holder.__name__, "") if isinstance(holder, ModuleType) else (holder.__module__, holder.__qualname__)


def _can_be_set(holder: Any) -> bool:
    return isinstance(holder, ModuleType) or not holder.__flags__ & _IMMUTABLE_TYPE
