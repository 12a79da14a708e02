"""What the functions that a loop calls may change. Reads sources and looks at objects; calls nothing of the user's.

`inspect_loop` looks into a loop's body and, from there, into every function and class of the notebook (or of its own
local modules) that the body can reach, by the same rules. Libraries are taken as pure, but for the table of stateful
ones (`tables`).

The rooms below, each knowing only those before it: `tables`, `values` and `library`, `syntax` and `source`;
`inspector` (what a function does); then one body: `scope` (its names), `evaluator` (its expressions), `rules`,
`calls`, `reader` (its statements).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from mpnb.plan.advice import GIVE_AS_ARGUMENT
from mpnb.plan.identity import holds_only_kept, nans_in
from mpnb.plan.inspector import Inspector
from mpnb.plan.iterables import holds_objects
from mpnb.plan.loops import EFFECTS, LAST, MAKE_ENTRY, is_wrapper
from mpnb.plan.names import read_names, target_names
from mpnb.plan.nodes import walked
from mpnb.plan.reader import BodyReader
from mpnb.plan.slices import holds_lasting, made_names, unmade
from mpnb.plan.space import Space
from mpnb.plan.tables import SAFE_ITERABLES
from mpnb.plan.types import Effect, Loop, Position, Refusal
from mpnb.plan.values import Problem, Summary


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found.

    Why the loop can't be split, if so; whether it takes an order from what may be a set; whether it may write files.
    """

    refusal: Refusal | None
    orders: bool = True
    writes: bool = False


def inspect_loop(
    loop: Loop,
    space: Space,
    iterables: Sequence[object],
    *,
    seeded: bool = False,
    trusted: frozenset[str] = frozenset(),
) -> Finding:
    """Look into everything that a loop can reach. Without a refusal it can be split as far as can be told.

    Names that the loop slices are the notebook's own again in a refusal.

    `iterables` are the objects that are looped over; their items are met, and nothing is pulled from an iterator.
    `seeded`: every iteration has its own stream of random numbers, so it may draw.
    `trusted` names functions that are taken as harmless, whatever they do.
    """
    finding = _inspect(loop, space, iterables, seeded=seeded, trusted=trusted)
    refusal = finding.refusal
    if refusal is None or not loop.sliced:
        return finding
    name, why, instead = map(unmade, (refusal.name, refusal.why, refusal.instead))
    return replace(finding, refusal=replace(refusal, name=name, why=why, instead=instead))


def _inspect(
    loop: Loop, space: Space, iterables: Sequence[object], *, seeded: bool, trusted: frozenset[str]
) -> Finding:
    inspector = Inspector(space.globals, BodyReader, seeded=seeded)
    inspector.own = space.own
    inspector.trust(trusted)
    while True:
        summary = Summary()
        try:
            _read_loop(loop, space, inspector, summary, iterables)
        except Problem as problem:
            return Finding(problem.refusal)
        if not inspector.next_pass():
            break
    shared = inspector.closed_over() & loop.sets & space.names
    if shared:
        why = "is set by the loop and shared with a function that it calls"
        return Finding(Refusal("reads-loop-name", loop.line, min(shared), why, GIVE_AS_ARGUMENT, loop.column))
    reads = summary.reads - space.names  # a global of the same name is another one
    for name in sorted(reads & (loop.targets | loop.temporaries)):
        if loop.kind == "for":
            why = "is set by the loop and read by a function that it calls"
            return Finding(Refusal("reads-loop-name", loop.line, name, why, GIVE_AS_ARGUMENT, loop.column))
    for name in sorted(reads & set(loop.accumulators)):
        at = loop.accumulators[name][0].position
        why = "is changed by the loop and read by a function that it calls"
        instead = "append to a new list, which the function does not read"
        return Finding(Refusal("accumulator-read", at[0], name, why, instead, at[1]))
    nan = _nan_at(loop, space, inspector, summary, iterables)
    if nan is not None:
        return Finding(nan)
    if inspector.keeps_sets and inspector.order_place is not None:
        node, where = inspector.order_place
        line, column = _placed(node, where, loop)
        why = "may be a set made in the iteration, whose order differs between processes"
        return Finding(Refusal("set-order", line, ast.unparse(node), why, f"sorted({ast.unparse(node)})", column))
    if inspector.writes and inspector.unseen is not None:
        line, name = inspector.unseen
        why = "may look at files in a way that can't be seen, beside those that the loop writes"
        return Finding(Refusal("outside-effect", line or loop.line, name, why, "write in a loop of its own"))
    return Finding(None, inspector.orders, inspector.writes)


def _nan_at(
    loop: Loop, space: Space, inspector: Inspector, summary: Summary, iterables: Sequence[object]
) -> Refusal | None:
    """Where a nan that is sent would be looked for, which is found where it is the same object, and only there."""
    by_key = (
        loop.kind in {"set", "dict"}
        or loop.hashed
        or any(
            effect.form in {"add", "discard", "update"}
            or (effect.form in {"setitem", "augitem", "tally"} and isinstance(space.get(effect.target), dict))
            for effect in loop.effects
        )
    )
    if not by_key and inspector.compares is None and inspector.looks_up is None:
        return None
    reached = [space.get(name) for name in sorted(loop.reads.union(summary.reads, loop.copied))]
    anywhere, as_key = nans_in([*reached, *iterables, *inspector.alive])
    if anywhere and by_key:
        why = "may hold a nan, of which results come home as other objects, each a key of its own"
        return Refusal("identity", loop.line, loop.label, why, "math.isnan or pd.isna", loop.column)
    place = inspector.compares if anywhere else None
    place = place or (inspector.looks_up if as_key else None)
    if place is None:
        return None
    node, where = place
    line, column = _placed(node, where, loop)
    why = "may look for a nan, which is only found where it is the same object"
    return Refusal("identity", line, ast.unparse(node), why, "math.isnan or pd.isna", column)


def _placed(node: ast.AST, where: str, loop: Loop) -> Position:
    """The place of a part of the loop; of a part of a helper, the loop's own."""
    if where != "the loop":
        return loop.line, loop.column
    return getattr(node, "lineno", loop.line), getattr(node, "col_offset", loop.column)


def _read_loop(loop: Loop, space: Space, inspector: Inspector, summary: Summary, iterables: Sequence[object]) -> None:
    for iterable in iterables:
        if isinstance(iterable, SAFE_ITERABLES):
            inspector.meet(iterable)
    if holds_objects(iterables):
        inspector.meet_all()
    reader = BodyReader(inspector, space.globals, space.closure, (), "the loop", summary)
    made_here = all(isinstance(iterable, range | str) for iterable in iterables)
    reader.bindings = {name: [("fresh" if made_here else "unknown", None)] for name in loop.targets}
    once = _once(loop)
    # `*rest` is a new list each time
    stars = [inner for inner in walked(once.target) if isinstance(inner, ast.Starred)]
    reader.bindings |= {name: [("sliced", None)] for star in stars for name in target_names(star)}
    reader.bindings |= {EFFECTS: [("fresh", None)], MAKE_ENTRY: [("def", None)], LAST: [("fresh", None)]}
    reader.locals = set(reader.bindings) | loop.temporaries
    counts = any(isinstance(node, ast.Name) and node.id == "enumerate" for node in ast.walk(loop.iterable))
    if iterables and not counts and all(map(holds_only_kept, iterables)):
        reader.items = loop.targets - set(read_names(list(loop.body)).defs)
    reader.ordering = frozenset(e.number for e in loop.effects if _shows_order(e, space.get(e.target)))
    reader.adding = (
        frozenset(e.number for e in loop.effects if e.form == "augitem" or e.form.startswith("inner "))
        & reader.ordering
    )
    for name in loop.copied:
        thing = space.get(name)
        inspector.meet(thing)
        reader.bindings |= {
            made: [("fresh" if holds_lasting(thing) else "sliced", None)] for made in made_names([name])
        }
    reader.locals |= reader.bindings.keys()
    unpacked = (
        once.target.elts
        if isinstance(once.target, ast.Tuple | ast.List) and is_wrapper(loop.iterable)
        else [once.target]
    )
    if any(isinstance(target, ast.Tuple | ast.List) for target in unpacked) and any(map(_holds_sets, iterables)):
        inspector.orders = True
    reader.read_body(once.body)
    if loop.kind not in {"for", "map"}:
        entries = [node for node in walked(*once.body) if isinstance(node, ast.Tuple) and _is_result(node)]
        reader.check_kept([result for entry in entries for result in entry.elts[1:]], loop.targets)
    inspector.check_operators(loop.line, summary)


def _once(loop: Loop) -> ast.For:
    """The loop of one turn in a task, in which its body stands."""
    return next(statement for statement in loop.task().body if isinstance(statement, ast.For))


def _is_result(node: ast.Tuple) -> bool:
    """Tell whether this is what a comprehension's task hands back, `(0, value)`."""
    match node.elts:
        case [ast.Constant(value=0), _, *_]:
            return True
        case _:
            return False


def _shows_order(effect: Effect, target: object) -> bool:
    """Tell whether an effect goes through its operand in order, and the order shows."""
    match effect.form.removeprefix("inner ").split()[0]:
        case "extend" | "extendleft":
            return True
        case "update" | "aug" | "augitem":
            if isinstance(effect.replay, ast.AugAssign) and not isinstance(effect.replay.op, ast.Add):
                return False
            return not isinstance(target, set | frozenset | int | float | complex | str)
        case "setitem":  # where what is set is a slice, see Calls._effect
            return isinstance(target, list)
        case _:
            return False


def _holds_sets(iterable: Any) -> bool:
    """Are there sets among the items themselves? What can't be looked at may hold some."""
    if not isinstance(iterable, SAFE_ITERABLES):
        return True
    return any(isinstance(item, set | frozenset) for item in cast("Iterable[object]", iterable))
