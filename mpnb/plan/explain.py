"""A site of a plan laid open: the verdict, and the class of each of its names with its place. Runs nothing.

The cell has not run: what it sets itself is not known yet. Neither is what a loop runs over, unless that can be told
without running anything.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpnb.plan.iterables import Leaf, is_safe
from mpnb.plan.loops import EFFECTS, MAKE_ENTRY, is_wrapper
from mpnb.plan.names import read_names
from mpnb.plan.objects import check_loop
from mpnb.plan.purity import inspect_loop
from mpnb.plan.space import Space
from mpnb.plan.types import Loop, Position, Refusal, SitePlan, unreadable


@dataclass(frozen=True, slots=True)
class NameUse:
    """One name of a site: its class, in the words of MATLAB's parfor, and where it is met first."""

    name: str
    role: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class SiteExplained:
    """What is known of a site before the cell runs.

    `refusal` is None where it can be split as far as can be told; `leaves` are what it runs over, None where only the
    run will tell; `later` are names that the cell sets before the site, so that they are looked into when it runs.
    """

    plan: SitePlan
    refusal: Refusal | None
    names: tuple[NameUse, ...]
    leaves: tuple[Leaf, ...] | None
    later: tuple[str, ...]


def explain_site(
    plan: SitePlan,
    space: Space,
    set_in_cell: Mapping[str, Sequence[Position]],
    *,
    seeded: bool = False,
    trusted: frozenset[str] = frozenset(),
) -> SiteExplained:
    """Lay a site open. `set_in_cell` are the names that the cell binds, with the places where it does."""
    loop = plan.loop
    if loop is None:
        refusal = plan.refusal
        names = () if refusal is None else _of_refused(refusal)
        return SiteExplained(plan, refusal, names, None, ())
    inside = _lines_of(loop)
    later = {
        name for name, places in set_in_cell.items() if not all(inside[0] <= place < inside[1] for place in places)
    }
    known = Space({name: thing for name, thing in space.globals.items() if name not in later}, space.names, space.own)
    leaves = known_leaves(loop.iterable, known)
    looked_over = [] if leaves is None else list(leaves)
    try:
        if all(name in known or name == "display" for name in loop.accumulators):
            refusal = check_loop(loop, known, looked_over, seeded=seeded, trusted=trusted).refusal
        else:
            things = [leaf.thing for leaf in looked_over]
            refusal = inspect_loop(loop, known, things, seeded=seeded, trusted=trusted).refusal
    except Exception as error:
        refusal = unreadable(plan.line, error)
    names = _classes(loop, known, later)
    own = {"loop variable", "temporary"}  # which the iteration sets itself
    used = {each.name for each in names if each.role not in own} | set(read_names([loop.iterable]).refs)
    return SiteExplained(plan, refusal, names, leaves, tuple(sorted(later & used)))


def _of_refused(refusal: Refusal) -> tuple[NameUse, ...]:
    if refusal.code not in {"carried", "accumulator-read"}:
        return ()
    return (NameUse(refusal.name, "carried", refusal.line, refusal.column or 0),)


def _lines_of(loop: Loop) -> tuple[Position, Position]:
    last = max((node.end_lineno or 0, node.end_col_offset or 0) for node in loop.body)
    return (loop.line, loop.column), max(last, (loop.iterable.end_lineno or 0, loop.iterable.end_col_offset or 0))


def _classes(loop: Loop, space: Space, later: set[str]) -> tuple[NameUse, ...]:
    once = next(statement for statement in loop.task().body if isinstance(statement, ast.For))
    found = read_names([once.target, *loop.body])
    roles = dict.fromkeys((name for name in loop.reads if name in space or name in later), "broadcast")
    roles |= dict.fromkeys(loop.targets - {EFFECTS, MAKE_ENTRY}, "loop variable")
    roles |= dict.fromkeys(loop.temporaries | loop.handler_names, "temporary")
    roles |= {name: "sliced" if _is_sliced(loop, name) else "reduction" for name in loop.accumulators}
    here = (loop.line, loop.column)
    uses = []
    for name, role in roles.items():
        line, column = min([*found.defs.get(name, []), *found.refs.get(name, [])], default=here)
        uses.append(NameUse(name, role, line, column))
    order = ("loop variable", "broadcast", "temporary", "sliced", "reduction")
    return tuple(sorted(uses, key=lambda use: (order.index(use.role), use.line, use.column, use.name)))


def _is_sliced(loop: Loop, name: str) -> bool:
    """Tell whether every iteration changes its own part only, which the loop variable numbers."""
    if name in loop.sliced:
        return True
    keys = [
        node.slice
        for statement in loop.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == name
    ]
    by_key = all(effect.form in {"setitem", "augitem", "setnew"} for effect in loop.accumulators[name])
    return by_key and bool(keys) and all(isinstance(key, ast.Name) and key.id in loop.targets for key in keys)


def known_leaves(iterable: ast.expr, space: Space) -> tuple[Leaf, ...] | None:
    """What an iterable's text leads to, below enumerate(), zip() and reversed(); None where it would have to be run."""
    if is_wrapper(iterable) and isinstance(iterable, ast.Call):
        found = [known_leaves(argument, space) for argument in iterable.args]
        return tuple(leaf for leaves in found for leaf in leaves or ()) if None not in found else None
    match iterable:
        case ast.Name(name) if name in space:
            return (Leaf(space[name], name),)
        case ast.Call(ast.Name("range"), arguments, []) if "range" not in space and arguments:
            numbers = [_number(argument, space) for argument in arguments]
            if len(numbers) > 3 or None in numbers or (len(numbers) == 3 and numbers[2] == 0):
                return None
            return (Leaf(range(*(number for number in numbers if number is not None))),)
        case ast.Call(ast.Attribute(ast.Name(name), "keys" | "values" | "items" as method), [], []):
            thing = space.get(name)
            return (Leaf(getattr(thing, method)(), None, True),) if type(thing) is dict else None
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            if all(isinstance(element, ast.Constant) for element in elements):
                return (Leaf(ast.literal_eval(iterable)),)
            return None
        case _:
            return None


def _number(node: ast.expr, space: Space) -> int | None:
    """A whole number that is written down, a name for one, or the length of what has one without running anything."""
    match node:
        case ast.Constant(int(number)) | ast.UnaryOp(ast.USub(), ast.Constant(int(number))):
            return int(number) if isinstance(node, ast.Constant) else -int(number)
        case ast.Name(name) if type(space.get(name)) is int:
            return int(space[name])
        case ast.Call(ast.Name("len"), [ast.Name(name)], []) if "len" not in space and name in space:
            thing: Any = space[name]
            return len(thing) if is_safe(thing) else None
        case _:
            return None
