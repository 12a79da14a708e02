"""Code objects: what stands inside one, and under what names it is known."""

from __future__ import annotations

import dis
from types import CodeType
from typing import Any, Final

_OF_ATTRIBUTES: Final = frozenset({"LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "DELETE_ATTR"})


def names_by_themselves(code: CodeType) -> set[str]:
    """The names that code, and the code inside it, uses by themselves: globals, and what it imports; no attributes.

    Examples
    --------
    >>> sorted(names_by_themselves(compile("x.random + [y for y in random.z]", "", "eval")))
    ['random', 'x']
    """
    named = (each for each in dis.get_instructions(code) if each.opcode in dis.hasname)
    found = {str(each.argval) for each in named if each.opname not in _OF_ATTRIBUTES}
    return found.union(*(names_by_themselves(each) for each in code.co_consts if isinstance(each, CodeType)))


def inner(code: CodeType, name: str) -> CodeType:
    """The code of the function of that name that stands right inside."""
    return next(each for each in code.co_consts if isinstance(each, CodeType) and each.co_name == name)


def renamed(code: CodeType, old: str, new: str) -> CodeType:
    """The same code with all that is defined inside it known by another place: names that begin with `old`.

    Examples
    --------
    >>> code = inner(compile("def made(): return lambda: 0", "", "exec"), "made")
    >>> inner(renamed(code, "made.<locals>.", "f.<locals>."), "<lambda>").co_qualname
    'f.<locals>.<lambda>'
    """

    def fitting(constant: Any) -> Any:
        if isinstance(constant, CodeType):
            return renamed(constant, old, new)
        return new + constant[len(old) :] if isinstance(constant, str) and constant.startswith(old) else constant

    name = fitting(code.co_qualname)
    return code.replace(co_qualname=name, co_consts=tuple(fitting(constant) for constant in code.co_consts))
