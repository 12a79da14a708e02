"""A loop's task as a function over the notebook's names, as an engine runs it."""

from __future__ import annotations

import ast
import functools
import types
from collections import deque
from typing import Any

from mpnb.engine import CONSUMED, ITERATED, SLICED, VALUED, entry
from mpnb.plan.objects import NUMBERS
from mpnb.plan.types import Loop


def make_task(loop: Loop, filename: str, namespace: dict[str, Any]) -> types.FunctionType:
    """Compile a loop's task into a function over the notebook's names, as if it stood in the cell's own file."""
    module = ast.Module([loop.task], [])
    code = compile(module, filename, "exec")
    inner = next(constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    uses = {effect.number: use for effect in loop.effects if (use := _use(effect.form, namespace.get(effect.target)))}
    return types.FunctionType(inner, namespace, inner.co_name, (functools.partial(entry, uses),))


def _use(form: str, target: object) -> str | None:
    """How an effect uses its operands up (see `engine.entry`); None where it keeps them."""
    array = type(target).__module__ == "numpy"
    match form:
        case "extend" | "extendleft" | "update":
            return ITERATED
        case "aug" if isinstance(target, list | deque):
            return ITERATED
        case "aug" | "binop" | "augitem":
            return CONSUMED if array or isinstance(target, (*NUMBERS, str, bytes)) else VALUED
        case "setitem":
            return CONSUMED if array else SLICED if isinstance(target, list) else None
        case _:
            return None
