"""A `Loop` in, the statements that run it in three phases out: kernel, pool, kernel again for a rest.

    for x in xs:                 for x in _mpnb.open(0).items(xs):        first in the kernel, as it stands
        BODY                         BODY
    else:                →       else:
        ORELSE                       for _mpnb_fx in _mpnb.at(0).pool():  then effects from the pool, in order
                                         REPLAY
                                     else:
                                         for x in _mpnb.at(0).rest():     a rest in the kernel, if there is one
                                             with _mpnb.noting():
                                                 BODY
                                         else:
                                             ORELSE

A `break` skips every `else`, as it does in the plain loop. A function begins its own run, one a call:

    def f(xs):                   def f(xs):
        BODY               →         _mpnb = _mpnb_begin()
                                     with _mpnb:
                                         BODY, its loops as above

All made nodes carry the place of what they stand for, so that tracebacks name the notebook's own lines. What stands
there twice is one node in two places: nothing changes it any more.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final

from mpnb.plan.loops import ENTRY, is_wrapper
from mpnb.plan.names import Comprehension
from mpnb.plan.nodes import alike, placed
from mpnb.plan.types import Loop

RUN: Final = "_mpnb"
REPLAY: Final = "_mpnb_fx"
VALUE: Final = "_mpnb_value"
MENDED: Final = "_mpnb_mended"
BEGIN: Final = "_mpnb_begin"


def _call(method: str, *arguments: ast.expr, of: ast.expr | None = None) -> ast.Call:
    owner = of if of is not None else ast.Name(RUN, ast.Load())
    return ast.Call(ast.Attribute(owner, method, ast.Load()), list(arguments), [])


def _site(number: int, *, opening: bool = False) -> ast.Call:
    return _call("open" if opening else "at", ast.Constant(number))


def _iterable(number: int, node: ast.expr) -> ast.expr:
    """The iterable with its leaves shown to the site: `enumerate(xs)` → `enumerate(_mpnb.at(0).leaf(xs))`."""
    if is_wrapper(node):
        assert isinstance(node, ast.Call)
        last_is_start = isinstance(node.func, ast.Name) and node.func.id == "enumerate"
        arguments = node.args[:1] if last_is_start else node.args
        shown = [_iterable(number, argument) for argument in arguments] + node.args[len(arguments) :]
        return placed(ast.Call(node.func, shown, node.keywords), node)
    name = ast.Constant(node.id if isinstance(node, ast.Name) else None)
    return placed(_call("leaf", node, name, of=_site(number)), node)


def _items(number: int, iterable: ast.expr) -> ast.expr:
    return _call("items", _iterable(number, iterable), of=_site(number, opening=True))


def _rest(number: int) -> ast.expr:
    return _call("rest", of=_site(number))


def _noting(body: list[ast.stmt]) -> ast.With:
    """`with _mpnb.noting(): …`: an error from a rest is told its iteration (a `raise` would move its line)."""
    return ast.With([ast.withitem(_call("noting"))], body)


def noted(statement: ast.stmt) -> ast.stmt:
    """A statement with a split comprehension in it, whose errors are told which iteration they are from."""
    return placed(_noting([statement]), statement)


def noted_value(statement: ast.Expr) -> list[ast.stmt]:
    """The same for the last expression of a cell, which has to stay one to be shown."""
    kept = placed(ast.Assign([ast.Name(VALUE, ast.Store())], statement.value), statement)
    return [noted(kept), placed(ast.Expr(ast.Name(VALUE, ast.Load())), statement)]


def rewrite_for(node: ast.For, number: int, loop: Loop, *, in_function: bool = False) -> ast.For:
    """The three phases of a `for` loop."""
    rest = ast.For(node.target, _rest(number), [_noting(node.body)], node.orelse)
    replayed = ast.For(
        ast.Name(REPLAY, ast.Store()),
        _call("pool", of=_site(number)),
        _replay(node, number, loop, in_function=in_function),
        [rest],
    )
    return placed(ast.For(node.target, _items(number, node.iter), node.body, [replayed]), node)


def _replay(node: ast.For, number_of_site: int, loop: Loop, *, in_function: bool) -> list[ast.stmt]:
    """One iteration's effects: raise what ended the loop, bind the loop variable, redo each effect in order."""

    def attribute(name: str) -> ast.expr:
        return ast.Attribute(ast.Name(REPLAY, ast.Load()), name, ast.Load())

    raised = ast.If(
        ast.Compare(attribute("error"), [ast.IsNot()], [ast.Constant(None)]),
        [ast.Raise(attribute("error"), None)],
        [],
    )
    bound = ast.Assign([node.target], attribute("item"))
    number = ast.Subscript(ast.Name(ENTRY, ast.Load()), ast.Constant(0), ast.Load())
    chosen: ast.stmt = placed(ast.Expr(_call("show", ast.Name(ENTRY, ast.Load()))), node)
    for effect in reversed(loop.effects):
        test = ast.Compare(number, [ast.Eq()], [ast.Constant(effect.number)])
        chosen = placed(ast.If(test, [effect.replay], [chosen]), effect.replay)
    effects: ast.stmt = ast.For(ast.Name(ENTRY, ast.Store()), attribute("effects"), [chosen], [])
    if loop.temporaries and any(effect.can_raise for effect in loop.effects):
        effects = ast.With(
            [ast.withitem(_call("replaying", ast.Name(REPLAY, ast.Load()), of=_site(number_of_site)))], [effects]
        )
        if in_function:
            effects = _mending(effects, number_of_site, loop)
    leaving = placed(ast.Expr(_call("leave", of=_site(number_of_site))), node)
    broken = ast.If(attribute("broke"), [leaving, ast.Break()], [])
    returned: list[ast.stmt] = []
    for position, statement in enumerate(loop.returns):
        test = ast.Compare(attribute("returned"), [ast.Eq()], [ast.Constant(position)])
        body = statement or placed(ast.Return(attribute("value")), node)
        returned.append(placed(ast.If(test, [leaving, body], []), body))
    return [raised, bound, effects, broken, *returned]


def _mending(effects: ast.stmt, number: int, loop: Loop) -> ast.Try:
    """Around the effects of an iteration: only the function itself can set its names as they were when one failed."""
    mended: list[ast.stmt] = [
        ast.Assign([ast.Name(MENDED, ast.Store())], ast.Attribute(_site(number), "mended", ast.Load()))
    ]
    for name in sorted(loop.temporaries):
        test = ast.Compare(ast.Constant(name), [ast.In()], [ast.Name(MENDED, ast.Load())])
        value = ast.Subscript(ast.Name(MENDED, ast.Load()), ast.Constant(name), ast.Load())
        mended.append(ast.If(test, [ast.Assign([ast.Name(name, ast.Store())], value)], []))
    return ast.Try([effects], [ast.ExceptHandler(None, None, [*mended, ast.Raise(None, None)])], [], [])


def rewrite_function(node: ast.FunctionDef) -> ast.FunctionDef:
    """The statements of a function, its loops rewritten, within a run that each call begins for itself."""
    begun = ast.Assign([ast.Name(RUN, ast.Store())], ast.Call(ast.Name(BEGIN, ast.Load()), [], []))
    within = ast.With([ast.withitem(ast.Name(RUN, ast.Load()))], node.body)
    first = node.body[0]
    node.body = [placed(begun, first), placed(within, first)]
    return node


def rewrite_comprehension(node: Comprehension, number: int, loop: Loop) -> ast.expr:
    """`[f(x) for x in xs]` → `S.collect_list(S.made([f(x) for x in S.items(xs)]), [f(x) for x in S.rest()])`.

    Python makes the first list and shows it to `made()`, then asks for `rest()`, which adds what the pool gives to it
    and yields what is left for the kernel. The order of a set hangs on how it grew, so its rest is added one by one.
    """
    first, *others = node.generators
    rest = rest_of(node, number)
    head: ast.expr = alike(node, generators=[alike(first, iter=placed(_items(number, first.iter), node)), *others])
    if loop.kind != "generator":
        head = _call("made", head, of=_site(number))
    return placed(_call(f"collect_{loop.kind}", head, rest, of=_site(number)), node)


def rest_of(node: Comprehension | ast.Call, number: int) -> ast.expr:
    """The second one of the two that a comprehension, or a `map()`, becomes."""
    left = _rest(number)
    if isinstance(node, ast.Call):
        if len(node.args) == 2:
            return alike(node, args=[node.args[0], placed(left, node)])
        return placed(_call("starmap", node.args[0], left), node)
    first, *others = node.generators
    rest = alike(node, generators=[alike(first, iter=placed(left, node)), *others])
    if isinstance(rest, ast.SetComp):
        rest.elt = placed(_call("add", rest.elt, of=_site(number)), node)
    return rest


def rewrite_if_known(
    node: ast.expr, split: ast.expr, number: int, called: Sequence[ast.expr], *, ask: str = "knows"
) -> ast.expr:
    """`SPLIT if _mpnb.knows(0, ("fromiter", np)) else PLAIN`: split where the functions around are what they seem."""
    pairs: list[ast.expr] = []
    for function in called:
        name = function.attr if isinstance(function, ast.Attribute) else function.id  # type: ignore[attr-defined]
        thing = function.value if isinstance(function, ast.Attribute) else function
        pairs.append(ast.Tuple([ast.Constant(name), thing], ast.Load()))
    return placed(ast.IfExp(_call(ask, ast.Constant(number), *pairs), split, node), node)


def rewrite_applied(node: ast.Call, number: int, *, rows: bool, skips: bool) -> ast.expr:
    """`S.applied(_mpnb.owner(0, X, "apply", …).apply(S.stand_in(f), …))`: pandas itself calls what stands in for f."""
    assert isinstance(node.func, ast.Attribute)
    method = node.func.attr
    owner = _call("owner", ast.Constant(number), node.func.value, ast.Constant(method))
    owner.keywords = [ast.keyword("rows", ast.Constant(rows)), ast.keyword("skips", ast.Constant(skips))]
    stand_in = _call("stand_in", node.args[0], of=_site(number))
    called = alike(
        node,
        func=alike(node.func, value=placed(owner, node.func.value)),
        args=[placed(stand_in, node.args[0]), *node.args[1:]],
    )
    return placed(_call("applied", called, of=_site(number)), node)


def rewrite_map(node: ast.Call, number: int) -> ast.expr:
    """`map(f, xs)`, filter() or starmap(), inside a call that uses it up; `map(f, xs, ys)` as a starmap over zip."""
    function, *iterables = node.args
    rest = rest_of(node, number)
    if len(iterables) == 1:
        head = alike(node, args=[function, placed(_items(number, iterables[0]), node)])
    else:
        both = _call("zip", *(_iterable(number, iterable) for iterable in iterables))
        head = _call("starmap", function, _call("items", both, of=_site(number, opening=True)))
    return placed(_call("collect_generator", head, rest, of=_site(number)), node)


__all__ = [
    "BEGIN",
    "REPLAY",
    "RUN",
    "VALUE",
    "noted",
    "noted_value",
    "rest_of",
    "rewrite_applied",
    "rewrite_comprehension",
    "rewrite_for",
    "rewrite_function",
    "rewrite_if_known",
    "rewrite_map",
]
