"""One loop or comprehension in, a `Loop` or a `Refusal` out, by its own text alone.

What the helpers do that it calls, and of what type its objects are, is looked into later and elsewhere (`purity`):
only when the loop turns out to be worth it.

Every name in a body falls in one class, in the words of MATLAB's parfor: loop variable, temporary, broadcast,
reduction (an *accumulator*: changed, never read); anything else is carried from one iteration to the next: a refusal.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mpnb.plan.advice import instead_of_carried, instead_of_read, instead_of_statement
from mpnb.plan.names import Comprehension, assigned_first, read_names, target_names
from mpnb.plan.nodes import children, copied, placed, walked
from mpnb.plan.slices import EFFECT_METHODS, EVERY, MADE, ONE, OWN, SLICED, VALUE, find_slices, set_by_key
from mpnb.plan.types import Effect, Loop, Position, Refusal, Slices, place

#: Effect numbers beside those of a loop's own effects; negative, like the engine's STDOUT and STDERR.
BREAK: Final = -3
RETURN: Final = -5  # -4 is taken by the engine

ITEM: Final = "_mpnb_item"
EFFECTS: Final = "_mpnb_effects"
MAPPED: Final = "_mpnb_x"
LAST: Final = "_mpnb_last"
MAKE_ENTRY: Final = "_mpnb_entry"
ENTRY: Final = "_mpnb_e"

#: Forms of effects that may use up an operand at once, by what they are done to (`task` knows).
_CONSUMING: Final = frozenset(
    {"extend", "extendleft", "update", "setitem", "augitem", "aug", "binop", "tally", "display", "frame"}
)

_PLAIN = (ast.Assign, ast.AugAssign, ast.Expr, ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)
_SIMPLE = (ast.Break, ast.Continue, ast.Pass, ast.Assert, ast.Raise, ast.Return)
_STATEMENTS: Final = _PLAIN + _SIMPLE
_SUSPENDING: Final = (ast.Await, ast.Yield, ast.YieldFrom, ast.AsyncFor, ast.AsyncWith)
_ITERABLE_WRAPPERS: Final = frozenset({"enumerate", "zip", "reversed"})


_OTHER: Final = "another name for the exception"


class _Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


def _refuse(code: str, node: ast.AST, name: str, why: str, instead: str = "") -> _Refused:
    return _Refused(Refusal.at(code, node, name, why, instead))


def read_for(node: ast.For, elsewhere: frozenset[str] | None = None) -> Loop | Refusal:
    """Read a `for` loop.

    Where it stands in a function, `elsewhere` are the names that the function reads outside of its body: what else it
    sets is not seen again. Every name of a cell is.
    """
    try:
        return _ForReader(node, elsewhere).read()
    except _Refused as refused:
        return refused.refusal


def read_comprehension(node: Comprehension, label: str, consumer: str = "") -> Loop | Refusal:
    """Read a comprehension, or a generator expression that `consumer` uses up at once."""
    try:
        return _read_comprehension(node, label, consumer)
    except _Refused as refused:
        return refused.refusal


def read_map(node: ast.Call, label: str, consumer: str) -> Loop | Refusal:
    """Read `map(f, xs)`, `map(f, xs, ys)`, `filter(f, xs)` or `starmap(f, xs)`, in a call that uses it up at once."""
    function, *iterables = node.args
    assert isinstance(node.func, ast.Name | ast.Attribute)
    name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
    if node.keywords or any(isinstance(each, ast.Starred) for each in iterables):
        return Refusal.at("statement", node, name, "is given * or keywords", "a comprehension over zip()")
    if name == "filter" and len(iterables) > 1:
        return Refusal.at("statement", node, name, "is given more than one iterable")
    if not isinstance(function, ast.Name | ast.Attribute | ast.Lambda):
        why = "is given a function that is computed on the spot"
        return Refusal.at("unknown-call", function, name, why, "give the function a name above it")
    items = [MAPPED] if len(iterables) == 1 else [f"{MAPPED}{number}" for number in range(len(iterables))]
    call = ast.Call(copied(function), [ast.Name(item, ast.Load()) for item in items], [])
    if name == "starmap":
        call.args = [ast.Starred(call.args[0], ast.Load())]
    target: ast.expr = ast.Name(items[0], ast.Store())
    over: ast.expr = iterables[0]
    if len(items) > 1:
        target = ast.Tuple([ast.Name(item, ast.Store()) for item in items], ast.Store())
        over = ast.Call(ast.Name("zip", ast.Load()), iterables, [])
    body: list[ast.stmt] = [_record(0, [call if name != "filter" else ast.Name(items[0], ast.Load())], node)]
    if name == "filter":
        body = [placed(ast.If(call, body, []), node)]
    return _assemble("map", node, label, target, over, body, consumer)


#: What pandas' methods take for themselves, each with the values by which a call is still one call an item.
_OF_PANDAS: Final[Mapping[str, Mapping[str, tuple[object, ...]]]] = {
    "apply": {
        "axis": (1, "columns"), "raw": (False,), "result_type": (None, "expand", "reduce"), "by_row": ("compat",),
        "engine": (), "engine_kwargs": (), "convert_dtype": (), "func": (),
    },
    "map": {"na_action": (None, "ignore"), "engine": (), "arg": (), "func": ()},
}  # fmt: skip
#: Those by which a DataFrame is meant.
_OF_FRAMES: Final = frozenset({"axis", "raw", "result_type", "engine", "engine_kwargs"})


def read_applied(node: ast.Call, label: str) -> Loop | Refusal:
    """Read `X.apply(f, …)` or `X.map(f, …)`, where X may turn out to be pandas'."""
    assert isinstance(node.func, ast.Attribute)
    method, function = node.func.attr, node.args[0]
    given: list[ast.expr] = []
    named: list[ast.keyword] = []
    for keyword in node.keywords:
        taken = _OF_PANDAS[method].get(keyword.arg or "")
        value = keyword.value
        if taken is not None:
            if not isinstance(value, ast.Constant) or not any(
                value.value is each or value.value == each for each in taken
            ):
                why = f"with {keyword.arg}={ast.unparse(value)} is not split"
                return Refusal.at("statement", node, method, why)
        elif method == "apply" and keyword.arg == "args" and isinstance(value, ast.Tuple | ast.List):
            given += value.elts
        else:
            named.append(keyword)
    rest = node.args[1:]
    if rest and not is_by_row(node):
        return Refusal.at("statement", node, method, "is given more than a function", "keywords")
    if any(keyword.arg in {None, "args"} for keyword in named) or not all(
        isinstance(each, ast.Name | ast.Constant) for each in (*given, *(keyword.value for keyword in named))
    ):
        why = "is given arguments for the function that are computed on the spot"
        return Refusal.at("statement", node, method, why, "give them names above it")
    call = ast.Call(copied(function), [ast.Name(MAPPED, ast.Load()), *given], named)
    target = ast.Name(MAPPED, ast.Store())
    return _assemble("map", node, label, target, node.func.value, [_record(0, [call], node)], "")


def is_by_row(node: ast.Call) -> bool:
    """Tell whether `X.apply(…)` is one that only a DataFrame has, and goes through its rows."""
    match node:
        case ast.Call(ast.Attribute(attr="apply"), [_, ast.Constant(value=1)]):
            return True
        case _:
            return any(keyword.arg in _OF_FRAMES for keyword in node.keywords)


def skips_missing(node: ast.Call) -> bool:
    """Tell whether `X.map(…)` leaves missing values out."""
    return any(keyword.arg == "na_action" and ast.unparse(keyword.value) != "None" for keyword in node.keywords)


def is_wrapper(node: ast.expr) -> bool:
    """Tell whether this is `enumerate(…)`, `zip(…)` or `reversed(…)`, whose own iterables are what counts."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in _ITERABLE_WRAPPERS
        and bool(node.args)
        and not any(isinstance(argument, ast.Starred) for argument in node.args)
    )


def _record(number: int, operands: list[ast.expr], where: ast.AST, *, consumed: bool = False) -> ast.Expr:
    """`_mpnb_effects.append((number, operand, …))`, at the place of the statement that it stands for.

    What may be consumed at once goes through `_mpnb_entry(number, operand, …)`, unless nobody else can hold it.
    """
    entry: ast.expr = ast.Tuple([ast.Constant(number), *operands], ast.Load())
    if consumed and not all(isinstance(operand, ast.Constant | ast.JoinedStr) for operand in operands):
        entry = ast.Call(ast.Name(MAKE_ENTRY, ast.Load()), [ast.Constant(number), *operands], [])
    call = ast.Call(ast.Attribute(ast.Name(EFFECTS, ast.Load()), "append", ast.Load()), [entry], [])
    return placed(ast.Expr(call), where)


def _operand(position: int) -> ast.expr:
    return ast.Subscript(ast.Name(ENTRY, ast.Load()), ast.Constant(position), ast.Load())


@dataclass(slots=True)
class _Found:
    """An effect as found in a body: what it changes, its operands in the order of evaluation, how to replay it."""

    form: str
    target: str
    operands: list[ast.expr]
    replay: ast.stmt
    can_raise: bool


class _ForReader:
    """Reads one `for` loop: checks its statements, takes its effects out of the body, classifies its names."""

    def __init__(self, node: ast.For, elsewhere: frozenset[str] | None) -> None:
        self.node = node
        self.elsewhere = elsewhere
        self.effects: list[Effect] = []
        self.sliced: dict[str, Slices] = {}
        self.names = read_names(node.body)
        self.handlers = frozenset(self.names.handlers)
        self.plain = self._plain_defs()

    def _plain_defs(self) -> frozenset[str]:
        """Names that the body sets other than by `+=` and `total = total + …`."""
        inside = walked(*self.node.body)
        augmented = {
            id(inner.target) if isinstance(inner, ast.AugAssign) else id(inner.targets[0])
            for inner in inside
            if isinstance(inner, ast.AugAssign) or (isinstance(inner, ast.Assign) and _own_operand(inner) is not None)
        }
        names = [inner for inner in inside if isinstance(inner, ast.Name)]
        # both forms on one name, or anything beside them, make it an ordinary variable
        plain = {name.id for name in names if isinstance(name.ctx, ast.Store) and id(name) not in augmented}
        bound = self.names.defs.keys() - {name.id for name in names if id(name) in augmented}
        return frozenset(plain | bound | set(target_names(self.node.target)))

    def read(self) -> Loop:
        node = self.node
        _check_target(node.target)
        self._check_statements(node.body)
        body = copied(node.body)
        returns = _take_returns(body)
        fixed = frozenset(target_names(node.target)) - self.names.defs.keys()
        candidates = sorted(set_by_key(body) - self.plain)
        self.sliced = find_slices(body, node.target, node.iter, fixed, candidates) if fixed and candidates else {}
        body = _EffectTaker(self).block(body, guarded=False)
        accumulators = {effect.target for effect in self.effects}
        _without(accumulators, body, returns)

        names = read_names(body)
        targets = frozenset(target_names(node.target))
        for name, positions in names.refs.items():
            if name in accumulators:
                effects = [effect for effect in self.effects if effect.target == name]
                raise _Refused(self._read_too(name, min(positions), effects))
        both = self.handlers & (targets | {n for n, p in names.defs.items() if len(p) > 1})
        if both:
            raise _refuse(
                "statement", node, min(both), "is both the name of a caught exception and set otherwise", _OTHER
            )

        # *rest makes a new list each time, which the body may keep
        stars = (inner for inner in walked(node.target) if isinstance(inner, ast.Starred))
        starred = {name for star in stars for name in target_names(star)}
        temporaries = (frozenset(names.defs) | starred) - self.handlers - {VALUE}
        flow = assigned_first(body, targets, temporaries | targets)
        if flow.early:
            name, read = min(flow.early.items(), key=lambda item: item[1])
            raise _Refused(self._carried(name, read, min(names.defs.get(name, [read]))))

        if any(effect.can_raise for effect in self.effects):
            self._check_made(body, targets | temporaries | self.handlers)
        returned = (statement.value for statement in returns.values() if statement is not None and statement.value)
        again = temporaries
        if self.elsewhere is not None:
            again &= self.elsewhere | read_names(returned).refs.keys()
        binds = self._binds(sorted(again), flow.always)
        own = [name for name, slices in self.sliced.items() if slices.reads]
        made = {EFFECTS, MAKE_ENTRY, VALUE, *(prefix + name for name in own for prefix in MADE)}
        task = functools.partial(_task, node, node.target, _with_ends(body, binds, list(returns)), binds, own)
        by_target: dict[str, tuple[Effect, ...]] = {}
        for effect in self.effects:
            if effect.form != "bind":
                by_target[effect.target] = (*by_target.get(effect.target, ()), effect)
        return Loop(
            kind="for",
            line=node.lineno,
            column=node.col_offset,
            label=", ".join(by_target) or ast.unparse(node.target),
            targets=targets,
            reads=frozenset(names.refs) - targets - temporaries - self.handlers - made,
            accumulators=by_target,
            temporaries=temporaries,
            kept_last=again & flow.always,
            handler_names=self.handlers,
            effects=tuple(self.effects),
            task=task,
            iterable=node.iter,
            body=tuple(node.body),
            returns=tuple(returns.values()),
            sliced=self.sliced,
        )

    def _check_made(self, body: list[ast.stmt], own: frozenset[str]) -> None:
        """Refuse where a name could be left with something that sees the loop's names.

        Where the replay of an effect raises, names are set from the task, and there these are variables of its own and
        not the notebook's.
        """
        for inner in walked(*body):
            if not isinstance(inner, ast.Assign | ast.AnnAssign | ast.NamedExpr) or inner.value is None:
                continue
            for made in _made_at_once(inner.value):
                seen = own & {name.id for name in walked(made) if isinstance(name, ast.Name)}
                if seen:
                    why = "is kept in what the iteration makes here, and a later change in it could raise"
                    raise _refuse("statement", made, min(seen), why, "a def above the loop that takes it")

    def _carried(self, name: str, read: Position, written: Position) -> Refusal:
        why = f"is read at {place(read)} before this iteration sets it"
        if written[0] < read[0]:
            why = f"is read at {place(read)}, and {place(written)}, which sets it, need not have run in this iteration"
        elif written != read:
            why = f"is read at {place(read)}, before this iteration sets it at {place(written)}"
        instead = instead_of_carried(self.node, name)
        why += ", so each iteration needs the one before"
        return Refusal("carried", read[0], name, why, instead, read[1], written)

    def _read_too(self, name: str, read: Position, effects: list[Effect]) -> Refusal:
        changed = effects[0].position
        why = f"is read at {place(read)} and changed at {place(changed)}, so each iteration needs the one before"
        return Refusal(
            "accumulator-read", read[0], name, why, instead_of_read(self.node, name, effects), read[1], changed
        )

    def _check_statements(self, body: list[ast.stmt]) -> None:
        for inner in (each for statement in body for each in walked(statement)):
            if isinstance(inner, _SUSPENDING):
                raise _refuse("statement", inner, "", "a loop that awaits or yields stays serial")
            if isinstance(inner, ast.stmt) and not isinstance(inner, _STATEMENTS):
                keyword = ast.unparse(inner).split(maxsplit=1)[0].rstrip(":")
                raise _refuse("statement", inner, keyword, "inside a loop is not split", instead_of_statement(inner))
            if isinstance(inner, ast.TryStar):
                raise _refuse("statement", inner, "except*", "inside a loop is not split", "except")
            if isinstance(inner, ast.Try) and inner.finalbody:
                self._check_returns(inner)

    @staticmethod
    def _check_returns(attempt: ast.Try) -> None:
        for inner in walked(attempt):
            if isinstance(inner, ast.Return):
                why = "inside try … finally is not split: what stands in finally comes after it"
                raise _refuse("statement", inner, "return", why, "return after the try")

    def add(self, found: _Found, where: ast.stmt) -> list[ast.stmt]:
        """Number an effect, and return the statement that records it in the worker."""
        number = len(self.effects)
        replay = placed(found.replay, where)
        self.effects.append(Effect(number, found.form, found.target, where.lineno, replay, found.can_raise))
        consumed = found.form in _CONSUMING or found.form.startswith("inner ")
        return [_record(number, found.operands, where, consumed=consumed)]

    def _binds(self, temporaries: list[str], always: frozenset[str]) -> list[ast.stmt]:
        """Statements at the end of the task that send temporaries home.

        Those that every iteration sets only matter in the last one; the others are sent whenever they are set.
        """
        statements: list[ast.stmt] = []
        for name in temporaries:
            number = len(self.effects)
            replay = ast.Assign([ast.Name(name, ast.Store())], _operand(1))
            self.effects.append(Effect(number, "bind", name, self.node.lineno, placed(replay, self.node), False))
            record = _record(number, [ast.Name(name, ast.Load())], self.node)
            unbound = ast.ExceptHandler(ast.Name("NameError", ast.Load()), None, [ast.Pass()])
            attempt: ast.stmt = ast.Try([record], [unbound], [], [])
            if name in always:
                attempt = ast.If(ast.Name(LAST, ast.Load()), [attempt], [])
            statements.append(placed(attempt, self.node))
        return statements


class _EffectTaker:
    """Replaces every statement that changes an outside object by one that records the change."""

    def __init__(self, reader: _ForReader) -> None:
        self.reader = reader

    def block(self, body: list[ast.stmt], *, guarded: bool) -> list[ast.stmt]:
        taken: list[ast.stmt] = []
        for statement in body:
            own = self._own_part(statement)
            if own is not None:
                taken += own
                continue
            found = self._effect(statement)
            if found is None:
                self._inner(statement, guarded=guarded)
                taken.append(statement)
                continue
            if guarded and found.can_raise:
                why = "is changed inside try or with, where an error of the change would be seen"
                raise _refuse("effect-in-try", statement, found.target, why, "change it after the try")
            taken += self.reader.add(found, statement)
        return taken

    def _inner(self, statement: ast.stmt, *, guarded: bool) -> None:
        within = (
            guarded or isinstance(statement, ast.Try) or (isinstance(statement, ast.With) and _may_swallow(statement))
        )
        for field in ("body", "orelse", "finalbody"):
            block = getattr(statement, field, None)
            if block:
                setattr(statement, field, self.block(block, guarded=within))
        for handler in getattr(statement, "handlers", ()):
            handler.body = self.block(handler.body, guarded=within)
        for case in getattr(statement, "cases", ()):
            case.body = self.block(case.body, guarded=within)

    def _is_outside(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id not in self.reader.plain

    def _own_part(self, statement: ast.stmt) -> list[ast.stmt] | None:
        """What sets a part of a name that is also read: `a[i] = v` as a value, set for the iteration and recorded."""
        match statement:
            case ast.Assign([ast.Subscript() as place], value) | ast.AugAssign(ast.Subscript() as place, value=value):
                base = place.value.value if isinstance(place.value, ast.Attribute) else place.value
            case _:
                return None
        slices = self.reader.sliced.get(base.id) if isinstance(base, ast.Name) else None
        if slices is None or not slices.reads:
            return None
        begun: list[ast.stmt] = [ast.Assign([ast.Name(VALUE, ast.Store())], value)]
        if isinstance(statement, ast.AugAssign):
            begun = [
                ast.Assign([ast.Name(VALUE, ast.Store())], _called(place, OWN, ast.Load())),
                ast.AugAssign(ast.Name(VALUE, ast.Store()), statement.op, value),
            ]
        kept = ast.Assign([_called(place, ONE, ast.Store())], ast.Name(VALUE, ast.Load()))
        found = self._effect(placed(ast.Assign([place], ast.Name(VALUE, ast.Load())), statement))
        assert found is not None
        return [*(placed(each, statement) for each in (*begun, kept)), *self.reader.add(found, statement)]

    def _effect(self, statement: ast.stmt) -> _Found | None:
        match statement:
            case ast.Expr(ast.Call(ast.Attribute(ast.Name(name) as owner, method), arguments, [])) if (
                method in EFFECT_METHODS and self._is_outside(owner)
            ):
                if any(isinstance(argument, ast.Starred) for argument in arguments):
                    return None
                call = ast.Call(
                    ast.Attribute(ast.Name(name, ast.Load()), method, ast.Load()),
                    [_operand(i + 1) for i in range(len(arguments))],
                    [],
                )
                return _Found(method, name, list(arguments), ast.Expr(call), can_raise=method != "append")
            case ast.Expr(ast.Call(ast.Name("display") as owner, arguments, [])) if self._is_outside(owner):
                if any(isinstance(argument, ast.Starred) for argument in arguments):
                    return None
                shown = ast.Call(ast.Name("display", ast.Load()), [_operand(i + 1) for i in range(len(arguments))], [])
                return _Found("display", "display", list(arguments), ast.Expr(shown), can_raise=True)
            case ast.Assign([ast.Subscript(ast.Name(name) as owner, key)], value) if self._is_outside(
                owner
            ) and _is_new(value):
                place = ast.Subscript(ast.Name(name, ast.Load()), _operand(1), ast.Store())
                return _Found(
                    "setnew", name, [_slice_as_value(key)], ast.Assign([place], copied(value)), can_raise=True
                )
            case ast.Assign(
                [ast.Subscript(ast.Name(name) as owner, ast.Name() | ast.Constant() as key)],
                ast.BinOp(ast.Call(ast.Attribute(ast.Name(same), "get"), [again, default], []), op, value),
            ) if same == name and self._is_outside(owner) and ast.dump(again) == ast.dump(key):
                # a count: the element is looked up, or taken as the default, when the change is replayed
                place = ast.Subscript(ast.Name(name, ast.Load()), _operand(1), ast.Store())
                got = ast.Call(
                    ast.Attribute(ast.Name(name, ast.Load()), "get", ast.Load()), [_operand(1), _operand(2)], []
                )
                tallied = ast.Assign([place], ast.BinOp(got, op, _operand(3)))
                return _Found("tally", name, [key, default, value], tallied, can_raise=True)
            case ast.Assign([ast.Subscript(ast.Name(name) as owner, key)], value) if self._is_outside(owner):
                # a[k] = v evaluates v first
                place = ast.Subscript(ast.Name(name, ast.Load()), _operand(2), ast.Store())
                key = _slice_as_value(key)
                return _Found("setitem", name, [value, key], ast.Assign([place], _operand(1)), can_raise=True)
            case ast.AugAssign(ast.Name(name) as owner, op, value) if self._is_outside(owner):
                replay = ast.AugAssign(ast.Name(name, ast.Store()), op, _operand(1))
                return _Found("aug", name, [value], replay, can_raise=True)
            case ast.AugAssign(ast.Subscript(ast.Name(name) as owner, key), op, value) if self._is_outside(owner):
                place = ast.Subscript(ast.Name(name, ast.Load()), _operand(1), ast.Store())
                replay = ast.AugAssign(place, op, _operand(2))
                key = _slice_as_value(key)
                return _Found("augitem", name, [key, value], replay, can_raise=True)
            case ast.Assign([ast.Name(name) as owner], ast.BinOp(_, op, value)) if self._is_outside(owner):
                own = ast.BinOp(ast.Name(name, ast.Load()), op, _operand(1))
                return _Found("binop", name, [value], ast.Assign([ast.Name(name, ast.Store())], own), can_raise=True)
            case _:
                return self._inner_effect(statement)

    def _inner_effect(self, statement: ast.stmt) -> _Found | None:
        """A change of what hangs on an outside object: `groups[k].append(x)`, `grid[i][j] = x`, `df.loc[i] = x`."""
        operands: list[ast.expr]
        match statement:
            case ast.Expr(ast.Call(ast.Attribute(base, method), arguments, [])) if method in EFFECT_METHODS:
                operands = []
                place = self._place(base, operands)
                if place is None or any(isinstance(argument, ast.Starred) for argument in arguments):
                    return None
                given = [_operand(len(operands) + 1 + n) for n in range(len(arguments))]
                call = ast.Call(ast.Attribute(place.shown, method, ast.Load()), given, [])
                return place.found(method, [*operands, *arguments], ast.Expr(call), looked_up=place.shown)
            case ast.Assign([ast.Subscript(base, key)], value):
                operands = [value]  # which is evaluated first
                place = self._place(base, operands)
                if place is None:
                    return None
                operands.append(_slice_as_value(key))
                item = ast.Subscript(place.shown, _operand(len(operands)), ast.Store())
                form = "frame" if place.of_frame else "setitem"
                return place.found(form, operands, ast.Assign([item], _operand(1)))
            case ast.AugAssign(ast.Subscript(base, key), op, value):
                operands = []
                place = self._place(base, operands)
                if place is None or place.of_frame:
                    return None
                operands += [_slice_as_value(key), value]
                item = ast.Subscript(place.shown, _operand(len(operands) - 1), ast.Store())
                change = ast.AugAssign(item, op, _operand(len(operands)))
                seen = ast.Subscript(place.shown, _operand(len(operands) - 1), ast.Load())
                return place.found("aug", operands, change, looked_up=seen)
            case _:
                return None

    def _place(self, node: ast.expr, operands: list[ast.expr]) -> _Place | None:
        """Where something hangs on an outside name, its keys taken to the operands; None where it can't be told."""
        match node:
            case ast.Attribute(ast.Name(name) as owner, attribute) if self._is_outside(owner):
                return _Place(name, ast.Attribute(ast.Name(name, ast.Load()), attribute, ast.Load()), 0, attribute)
            case ast.Subscript(ast.Name(name) as owner, key) if self._is_outside(owner):
                operands.append(_slice_as_value(key))
                shown = ast.Subscript(ast.Name(name, ast.Load()), _operand(len(operands)), ast.Load())
                return _Place(name, shown, 1)
            case ast.Call(ast.Attribute(ast.Name(name) as owner, "setdefault"), [key, default], []) if self._is_outside(
                owner
            ) and _is_new(default):
                operands.append(key)
                method = ast.Attribute(ast.Name(name, ast.Load()), "setdefault", ast.Load())
                return _Place(name, ast.Call(method, [_operand(len(operands)), copied(default)], []), 1)
            case _:
                return None


def _called(place: ast.Subscript, made: str, context: ast.expr_context) -> ast.Subscript:
    """A place in a sliced name, by a name that it has in a task."""
    new = copied(place)
    new.ctx = context
    name = new.value.value if isinstance(new.value, ast.Attribute) else new.value
    assert isinstance(name, ast.Name)
    name.id = made + name.id
    return new


@dataclass(slots=True)
class _Place:
    """What hangs on an outside name, as it is looked up at the replay: under a key, or as an attribute."""

    name: str
    shown: ast.expr
    depth: int
    attribute: str = ""

    @property
    def of_frame(self) -> bool:
        """Is it what pandas sets cells by?"""
        return self.attribute in {"loc", "iloc", "at", "iat"}

    def found(
        self, form: str, operands: list[ast.expr], replay: ast.stmt, looked_up: ast.expr | None = None
    ) -> _Found | None:
        """The effect; None where what is looked up before the operands are evaluated could show that it is not."""
        if looked_up is not None and any(isinstance(inner, ast.Call) for inner in walked(*operands[1:])):
            return None
        kind = form if form == "frame" else f"inner {form} {self.attribute or '[]'}"
        return _Found(kind, self.name, operands, replay, can_raise=True)


def _made_at_once(value: ast.expr) -> list[ast.expr]:
    """The lambdas and generator expressions that a value is or holds; those that are given to a call are its own."""
    if isinstance(value, ast.Lambda | ast.GeneratorExp):
        return [value]
    if isinstance(value, ast.Call):
        return []
    return [made for child in children(value) if isinstance(child, ast.expr) for made in _made_at_once(child)]


def _is_new(node: ast.expr) -> bool:
    """Tell whether this makes an empty container."""
    match node:
        case ast.List(elts=[]) | ast.Dict(keys=[]):
            return True
        case _:
            return False


def _own_operand(node: ast.Assign) -> str | None:
    """The name in `total = total + …`, None for any other assignment."""
    match node:
        case ast.Assign([ast.Name(name)], ast.BinOp(ast.Name(left), _, _)) if left == name:
            return name
        case _:
            return None


def _slice_as_value(key: ast.expr) -> ast.expr:
    """`a[i:j, k]` as an expression: slices written as calls of slice()."""
    changed: ast.expr = _Slices().visit(key)
    return changed


class _Slices(ast.NodeTransformer):
    def visit_Slice(self, node: ast.Slice) -> ast.expr:
        parts = [part if part is not None else ast.Constant(None) for part in (node.lower, node.upper, node.step)]
        return placed(ast.Call(ast.Name("slice", ast.Load()), parts, []), node)


def _may_swallow(statement: ast.With) -> bool:
    """Could one of its context managers catch an exception? Files do not."""
    return not all(
        isinstance(item.context_expr, ast.Call)
        and isinstance(item.context_expr.func, ast.Name)
        and item.context_expr.func.id == "open"
        for item in statement.items
    )


def _take_returns(body: list[ast.stmt]) -> dict[int, ast.Return | None]:
    """Take the values of `return`s out: id of the statement → what is to be done in the kernel.

    A value is made in the kernel, after the effects of its iteration, so it may read what the loop changes. Not so
    where `with` or `try` would see how it is made, if it is more than names.
    """
    taken: dict[int, ast.Return | None] = {}

    def take(node: ast.AST, *, guarded: bool) -> None:
        if isinstance(node, ast.Return):
            there = guarded and not _is_plain(node.value)
            taken[id(node)] = None if there else copied(node)
            if not guarded:
                node.value = None
        for child in children(node):
            take(child, guarded=guarded or isinstance(node, ast.With | ast.Try))

    for statement in body:
        take(statement, guarded=False)
    return taken


def _is_plain(value: ast.expr | None) -> bool:
    """Tell whether a value is made of names and constants alone."""
    parts = (ast.Name, ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.expr_context)
    return value is None or all(isinstance(inner, parts) for inner in walked(value))


def _without(accumulators: set[str], body: list[ast.stmt], returns: Mapping[int, ast.Return | None]) -> None:
    """Where a `return` of names stays under `with` or `try`, leave it the names that may be unbound there."""
    for statement in body:
        for node in walked(statement):
            if isinstance(node, ast.Return) and node.value is not None and returns[id(node)] is not None:
                names = [inner for inner in walked(node.value) if isinstance(inner, ast.Name)]
                loaded: list[ast.expr] = [name for name in names if name.id not in accumulators]
                node.value = ast.copy_location(ast.Tuple(loaded, ast.Load()), node.value)


def _with_ends(body: list[ast.stmt], binds: list[ast.stmt], returns: list[int]) -> list[ast.stmt]:
    """Record every `break` that ends the loop itself and every `return`, and make its iteration the last one."""
    if not any(isinstance(inner, ast.Break | ast.Return) for inner in walked(*body)):
        return body
    ends = _Ends(binds, returns)
    return [one for statement in body for one in _listed(ends.visit(statement))]


class _Ends(ast.NodeTransformer):
    def __init__(self, binds: list[ast.stmt], returns: list[int]) -> None:
        self.binds = binds
        self.returns = returns
        self.depth = 0  # of loops inside the body, which have their own breaks

    def visit_Break(self, node: ast.Break) -> list[ast.stmt] | ast.stmt:
        return node if self.depth else [_record(BREAK, [], node), _is_last(node), node]

    def visit_Return(self, node: ast.Return) -> list[ast.stmt]:
        value = node.value if node.value is not None else ast.Constant(None)
        recorded = _record(RETURN, [ast.Constant(self.returns.index(id(node))), value], node)
        return [recorded, _is_last(node), *copied(self.binds), ast.copy_location(ast.Return(), node)]

    def _loop(self, node: ast.For | ast.While) -> ast.For | ast.While:
        self.depth += 1
        node.body = [one for statement in node.body for one in _listed(self.visit(statement))]
        self.depth -= 1
        node.orelse = [one for statement in node.orelse for one in _listed(self.visit(statement))]
        return node

    visit_For = visit_While = _loop


def _is_last(where: ast.AST) -> ast.Assign:
    return placed(ast.Assign([ast.Name(LAST, ast.Store())], ast.Constant(True)), where)


def _listed(result: ast.stmt | list[ast.stmt]) -> list[ast.stmt]:
    return result if isinstance(result, list) else [result]


def _check_target(target: ast.expr) -> None:
    for inner in walked(target):
        if isinstance(inner, ast.Attribute | ast.Subscript):
            raise _refuse(
                "statement", target, ast.unparse(target), "is not a plain loop variable", "a name, stored in the body"
            )


def _task(
    where: ast.AST, target: ast.expr, body: list[ast.stmt], end: list[ast.stmt], sliced: Sequence[str] = ()
) -> ast.FunctionDef:
    """The function that runs one iteration in a worker: `_mpnb_item` is (item, is it the last one?).

    The body stands in a loop of one turn, so that its `continue` and `break` stay as they are. Before it, each name of
    `sliced` is made ready under the names that it has there.
    """
    item = ast.Subscript(ast.Name(ITEM, ast.Load()), ast.Constant(0), ast.Load())
    once = ast.For(target, ast.Tuple([item], ast.Load()), body, [])
    last = ast.Subscript(ast.Name(ITEM, ast.Load()), ast.Constant(1), ast.Load())
    ready: list[ast.stmt] = []
    for number, name in enumerate(sliced):
        each = ast.Subscript(ast.Name(SLICED, ast.Load()), ast.Constant(number), ast.Load())
        turned = ast.Tuple([ast.Name(made + name, ast.Store()) for made in (ONE, EVERY, OWN)], ast.Store())
        ready.append(ast.Assign([turned], ast.Call(ast.Attribute(each, "turn", ast.Load()), [], [])))
    statements: list[ast.stmt] = [ast.Assign([ast.Name(LAST, ast.Store())], last), *ready, once, *end]
    given = [ast.arg(MAKE_ENTRY), *([ast.arg(SLICED)] if sliced else [])]
    arguments = ast.arguments(
        posonlyargs=[],
        args=[ast.arg(ITEM), ast.arg(EFFECTS), *given],
        kwonlyargs=[],
        kw_defaults=[],
        defaults=[ast.Constant(None) for _ in given],  # set to the real thing when the function is made
    )
    function = ast.FunctionDef("_mpnb_task", arguments, statements, [])
    if "type_params" in ast.FunctionDef._fields:
        function.type_params = []  # type: ignore[attr-defined]  # from Python 3.12 on
    return placed(function, where)


def _read_comprehension(node: Comprehension, label: str, consumer: str) -> Loop:
    for inner in walked(node):
        if isinstance(inner, _SUSPENDING) or (isinstance(inner, ast.comprehension) and inner.is_async):
            raise _refuse("statement", node, "", "a comprehension that awaits or yields stays serial")
        if isinstance(inner, ast.NamedExpr):
            raise _refuse("walrus", inner, inner.target.id, "is set inside the comprehension", "a for loop")
    outer, *rest = node.generators
    _check_target(outer.target)
    result = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    body: list[ast.stmt] = [_record(0, result, result[0])]  # shared with the cell, as all below: nothing changes it
    for generator in reversed(rest):
        body = _filtered(generator.ifs, body)
        loop = ast.For(generator.target, generator.iter, body, [])
        body = [placed(loop, generator.target)]
    body = _filtered(outer.ifs, body)
    kind = {ast.ListComp: "list", ast.SetComp: "set", ast.DictComp: "dict"}.get(type(node), "generator")
    return _assemble(kind, node, label, outer.target, outer.iter, body, consumer)


def _filtered(conditions: list[ast.expr], body: list[ast.stmt]) -> list[ast.stmt]:
    for condition in reversed(conditions):
        body = [placed(ast.If(condition, body, []), condition)]
    return body


def _assemble(
    kind: str,
    node: ast.expr,
    label: str,
    target: ast.expr,
    iterable: ast.expr,
    body: list[ast.stmt],
    consumer: str,
) -> Loop:
    """A `Loop` for a comprehension-like site, whose only effect is its result."""
    names = read_names(body)
    targets = frozenset(target_names(target)) | frozenset(names.defs)
    return Loop(
        kind=kind,
        line=node.lineno,
        column=node.col_offset,
        label=label,
        targets=targets,
        reads=frozenset(names.refs) - targets - {EFFECTS},
        accumulators={},
        temporaries=frozenset(),
        kept_last=frozenset(),
        handler_names=frozenset(),
        effects=(),
        task=functools.partial(_task, node, target, body, []),
        iterable=iterable,
        body=tuple(body),
        consumer=consumer,
    )
