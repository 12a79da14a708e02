"""Does a loop reach linear algebra, whose last bits hang on the number of threads? Reads code; runs nothing.

Told by names, by the operator `@` and by libraries, so it may be told of a loop that only has such a name. A library
that is not in the table, and multiplies matrices inside, is missed.
"""

from __future__ import annotations

import functools
import itertools
import opcode
import types
from collections.abc import Iterator
from typing import Any, Final

from mpnb.plan.identity import is_bound
from mpnb.plan.library import is_own

#: Functions and methods, of numpy or of its like, that call BLAS or LAPACK.
_NAMES: Final = frozenset(
    """dot matmul vdot inner outer tensordot einsum linalg solve lstsq inv pinv eig eigh eigvals eigvalsh svd qr
    cholesky det slogdet norm cov corrcoef polyfit convolve correlate multi_dot matrix_power kron""".split()
)
#: Libraries that call BLAS, or OpenMP, or both, wherever they compute.
_LIBRARIES: Final = frozenset("scipy sklearn statsmodels torch xgboost lightgbm jax tensorflow numexpr numba".split())
_MEMBERS: Final = 20  # of a container, which stand for all
_LEAST: Final = 5_000  # so many objects are looked at


def _operators(text: str) -> set[tuple[int, int]]:
    code = compile(text, "", "exec").co_code
    return {(op, argument) for op, argument in zip(code[::2], code[1::2], strict=True) if op == _BINARY}


_BINARY: Final = opcode.opmap["BINARY_OP"]
_PRODUCTS: Final = _operators("a @ b") | _operators("a @= b")


def reaches_linear_algebra(function: types.FunctionType) -> bool:
    """Tell whether a function, or what it calls of the notebook's, multiplies matrices or uses a library that does."""
    todo: list[object] = [function]
    seen: set[int] = set()
    while todo and len(seen) < _LEAST:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if _library_of(thing) in _LIBRARIES:
            return True
        if isinstance(thing, types.FunctionType) and (thing is function or is_own(thing)):
            for code in _codes(thing.__code__):
                if _multiplies(code) or not _NAMES.isdisjoint(code.co_names):
                    return True
                if any(name.split(".")[0] in _LIBRARIES for name in code.co_names):  # imported inside
                    return True
                todo += [thing.__globals__[name] for name in code.co_names if name in thing.__globals__]
            todo += [cell.cell_contents for cell in thing.__closure__ or () if is_bound(cell)]
        elif isinstance(thing, type) and is_own(thing):
            todo += [member for base in thing.__mro__ if is_own(base) for member in vars(base).values()]
        else:
            todo += _parts(thing)
    return len(seen) >= _LEAST


def _library_of(thing: object) -> str:
    if isinstance(thing, types.ModuleType):
        return thing.__name__.split(".")[0]
    kind: Any = thing if isinstance(thing, type | types.FunctionType | types.BuiltinFunctionType) else type(thing)
    module = getattr(kind, "__module__", None)
    return module.split(".")[0] if isinstance(module, str) else ""


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _multiplies(code: types.CodeType) -> bool:
    raw = code.co_code
    return any(pair in _PRODUCTS for pair in zip(raw[::2], raw[1::2], strict=True))


def _parts(thing: Any) -> list[object]:
    """What of an object may be called: wrapped functions, the class of an instance, a few members of a container."""
    match thing:
        case staticmethod() | classmethod() | types.MethodType():
            return [thing.__func__]
        case property():
            return [thing.fget, thing.fset]
        case functools.partial():
            return [thing.func, *thing.args]
        case types.FunctionType():  # a library's, which may be made around one of the notebook's
            return [*vars(thing).values()]
        case _:
            pass
    kind = type(thing)
    if kind in {list, tuple}:
        return list(thing[:_MEMBERS])
    if kind is dict:
        return list(itertools.islice(thing.values(), _MEMBERS))
    if not is_own(kind):
        return []
    try:
        held = object.__getattribute__(thing, "__dict__")
    except AttributeError:  # it has slots
        return [kind]
    return [kind, *held.values()]
