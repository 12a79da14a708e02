"""A loop's task as a function over the notebook's names, as an engine runs it."""

from __future__ import annotations

import ast
import functools
import types
from collections import deque

from mpnb.engine import CONSUMED, ITERATED, SLICED, VALUED, entry
from mpnb.plan.nodes import placed
from mpnb.plan.objects import NUMBERS
from mpnb.plan.space import Space
from mpnb.plan.types import Loop


def make_task(loop: Loop, filename: str, space: Space) -> types.FunctionType:
    """Compile a loop's task into a function over the notebook's names, as if it stood in the cell's own file.

    What it reads of a function's own names it closes over, with the values that they have now.
    """
    code = _compiled(loop.task, filename, space.names)
    uses = {effect.number: use for effect in loop.effects if (use := _use(effect.form, space.get(effect.target)))}
    cells = tuple(types.CellType(space.own[n]) if n in space.own else types.CellType() for n in code.co_freevars)
    return types.FunctionType(code, space.globals, code.co_name, (functools.partial(entry, uses),), cells)


def _compiled(task: ast.FunctionDef, filename: str, names: frozenset[str]) -> types.CodeType:
    arguments = [ast.arg(name) for name in sorted(names)]
    scope = ast.FunctionDef(
        "_mpnb_scope",
        ast.arguments(posonlyargs=[], args=arguments, kwonlyargs=[], kw_defaults=[], defaults=[]),
        [task],
        [],
    )
    if "type_params" in ast.FunctionDef._fields:
        scope.type_params = []  # type: ignore[attr-defined]  # from Python 3.12 on
    module = ast.Module([placed(scope, task)], [])
    outer = compile(module, filename, "exec")
    return _inner(_inner(outer))


def _inner(code: types.CodeType) -> types.CodeType:
    return next(constant for constant in code.co_consts if isinstance(constant, types.CodeType))


def _use(form: str, target: object) -> str | None:
    """How an effect uses its operands up (see `engine.entry`); None where it keeps them."""
    array = type(target).__module__ == "numpy"
    if form.startswith("inner "):
        form = form.split()[1]
        target = [] if form == "setitem" else {}
    match form:
        case "extend" | "extendleft" | "update":
            return ITERATED
        case "aug" if isinstance(target, list | deque):
            return ITERATED
        case "aug" | "binop" | "augitem":
            return CONSUMED if array or isinstance(target, (*NUMBERS, str, bytes)) else VALUED
        case "display" | "frame":
            return CONSUMED
        case "setitem" if type(target).__module__.split(".")[0] == "pandas":
            return CONSUMED
        case "setitem":
            return CONSUMED if array else SLICED if isinstance(target, list) else None
        case _:
            return None
