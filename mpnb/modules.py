"""The user's own modules: which a task uses, and whether a worker has the same. Modules in, digests out; imports none."""

from __future__ import annotations

import functools
import operator
import os
import sys
from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any, Final

from mpnb.cache import EncodeCache, digest
from mpnb.ordering import SETS


@functools.cache
def _library_folders() -> tuple[str, ...]:
    import site
    import sysconfig

    folders = {sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders.update(site.getsitepackages(), [site.getusersitepackages()])
    return tuple(sorted(os.path.realpath(folder) + os.sep for folder in folders))


def is_local(module: ModuleType) -> bool:
    """Whether a module lies outside the standard library and site-packages, where a user may edit and reload it."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or module.__name__.partition(".")[0] == "mpnb" or module.__name__ == "__main__":
        return False
    return not file.startswith(_library_folders()) and not os.path.realpath(file).startswith(_library_folders())


def local_modules(start: Iterable[ModuleType]) -> dict[str, ModuleType]:
    """The local modules among these, and those that they use in turn."""
    found: dict[str, ModuleType] = {}
    todo = list(start)
    while todo:
        module = todo.pop()
        if module.__name__ in found or not is_local(module):
            continue
        found[module.__name__] = module
        for value in list(vars(module).values()):
            if isinstance(value, ModuleType):
                todo.append(value)
            elif isinstance(value, (FunctionType, type)):
                owner = sys.modules.get(value.__module__ or "")
                if owner is not None:
                    todo.append(owner)
    return dict(sorted(found.items()))


def data_of(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """What a module's functions may read: its data but for its sets, and what its classes and functions hold."""
    for name, value in list(vars(module).items()):
        if isinstance(value, (FunctionType, type)):
            if value.__module__ == module.__name__:
                members = vars(value).values() if isinstance(value, type) else (value.__defaults__, value.__kwdefaults__)
                yield name, [each for each in members if not callable(each)]
        elif not isinstance(value, (ModuleType, *SETS)) and not (name.startswith("__") and name.endswith("__")):
            yield name, value


def fingerprint(module: ModuleType, cache: EncodeCache) -> bytes:
    """Digest of a module's code and plain data, the same in every process that has the same module."""
    lines = [
        f"{name}={_text(value, module.__name__, cache)}"
        for name, value in sorted(vars(module).items())
        if not (name.startswith("__") and name.endswith("__"))
    ]
    return digest("\n".join(lines).encode("utf-8", "surrogatepass"))


def _text(value: Any, owner: str, cache: EncodeCache, depth: int = 0) -> str:
    """What a value is, without anything that differs from process to process."""
    kind = type(value)
    if kind in _ATOMS:
        return repr(value)
    if depth < 8:
        if kind in (list, tuple):
            return f"{kind.__name__}({','.join(_text(each, owner, cache, depth + 1) for each in value)})"
        if kind in (set, frozenset):
            return f"{kind.__name__}({','.join(sorted(_text(each, owner, cache, depth + 1) for each in value))})"
        if kind is dict:
            each = (
                f"{_text(k, owner, cache, depth + 1)}:{_text(v, owner, cache, depth + 1)}" for k, v in value.items()
            )
            return f"dict({','.join(each)})"
        if kind in (classmethod, staticmethod):
            return f"{kind.__name__}({_text(value.__func__, owner, cache, depth + 1)})"
        if kind is property:
            return f"property({_text((value.fget, value.fset, value.fdel), owner, cache, depth + 1)})"
    if kind is FunctionType:
        code = cache.signature(value.__code__).hex()
        return f"function({code},{_text((value.__defaults__, value.__kwdefaults__), owner, cache, depth + 1)})"
    if isinstance(value, type):
        if value.__module__ != owner or depth >= 8:
            return f"class {value.__module__}.{value.__qualname__}"
        members = sorted(((k, v) for k, v in vars(value).items() if k not in _CLASS_OWN), key=operator.itemgetter(0))
        return f"class({','.join(f'{k}={_text(v, owner, cache, depth + 1)}' for k, v in members)})"
    if isinstance(value, ModuleType):
        return f"module {value.__name__}"
    numpy = sys.modules.get("numpy")
    if numpy is not None and kind is getattr(numpy, "ndarray", None) and not value.dtype.hasobject:
        return f"array({value.dtype.str},{value.shape},{digest(value.tobytes()).hex()})"
    return f"a {kind.__module__}.{kind.__qualname__}"


_ATOMS: Final = {int, float, complex, str, bytes, bool, type(None), type(...), range}
_CLASS_OWN: Final = {
    "__slotnames__",
    "__dict__",
    "__weakref__",
    "__doc__",
    "_abc_impl",
    "__firstlineno__",
    "__static_attributes__",
}
