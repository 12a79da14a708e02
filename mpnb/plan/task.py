"""A loop's task as a function over the notebook's names, as an engine runs it."""

from __future__ import annotations

import ast
import functools
import sys
import types
from collections import deque
from typing import Final

from mpnb.engine import CONSUMED, ITERATED, SLICED, VALUED, entry
from mpnb.plan import codes
from mpnb.plan.nodes import placed
from mpnb.plan.objects import NUMBERS
from mpnb.plan.slices import snapshot
from mpnb.plan.space import Space
from mpnb.plan.types import Loop

_SCOPE: Final = "_mpnb_scope"
_TASK: Final = "_mpnb_task"
#: Comprehensions that Python makes a function of, and how it calls that: the name of what is made inside tells.
_OWN_FUNCTION: Final = {"generator": "<genexpr>"} | (
    {} if sys.version_info >= (3, 12) else {"list": "<listcomp>", "set": "<setcomp>", "dict": "<dictcomp>"}
)


def make_task(loop: Loop, filename: str, space: Space) -> types.FunctionType:
    """Compile a loop's task into a function over the notebook's names, as if it stood in the cell's own file.

    What it reads of a function's own names it closes over, with the values that they have now; so it has a copy of
    what each iteration has a part of.
    """
    code = _compiled(loop, filename, space)
    uses = {effect.number: use for effect in loop.effects if (use := _use(effect.form, space.get(effect.target)))}
    cells = tuple(types.CellType(space.own[n]) if n in space.own else types.CellType() for n in code.co_freevars)
    defaults: list[object] = [functools.partial(entry, uses)]
    if loop.copied:
        defaults.append(tuple(snapshot(loop.sliced[name], space.get(name)) for name in loop.copied))
    return types.FunctionType(code, space.globals, _TASK, tuple(defaults), cells)


def _compiled(loop: Loop, filename: str, space: Space) -> types.CodeType:
    task = loop.task()
    arguments = [ast.arg(name) for name in sorted(space.names)]
    scope = ast.FunctionDef(
        _SCOPE,
        ast.arguments(posonlyargs=[], args=arguments, kwonlyargs=[], kw_defaults=[], defaults=[]),
        [task],
        [],
    )
    if "type_params" in ast.FunctionDef._fields:
        scope.type_params = []  # type: ignore[attr-defined]  # from Python 3.12 on
    module = ast.Module([placed(scope, task)], [])
    code = codes.inner(codes.inner(compile(module, filename, "exec"), _SCOPE), task.name)
    own = _OWN_FUNCTION.get(loop.kind)
    inside = space.place + (f"{own}." if own else "")
    named = codes.renamed(code, f"{code.co_qualname}.<locals>.", inside)
    if loop.kind != "for":
        return named
    # what traceback.format_exc() in the loop calls the place of a line
    place = space.place.removesuffix(".<locals>.") or "<module>"
    return named.replace(co_name=place.rpartition(".")[2], co_qualname=place)


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
        case "aug" | "binop" | "augitem" | "tally":
            return CONSUMED if array or isinstance(target, (*NUMBERS, str, bytes)) else VALUED
        case "display" | "frame":
            return CONSUMED
        case "setitem" if type(target).__module__.split(".")[0] == "pandas":
            return CONSUMED
        case "setitem":
            return CONSUMED if array else SLICED if isinstance(target, list) else None
        case _:
            return None
