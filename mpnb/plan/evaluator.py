"""What is known of the value of each expression in a body: how fresh, of which object, whether a set.

Nothing is evaluated: an object is known where a name or an attribute leads to it without running anything.
"""

from __future__ import annotations

import ast
import itertools
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mpnb.ordering import is_seed_fixed, keeps_order
from mpnb.plan.library import changes_first, imported, is_own, static_attribute
from mpnb.plan.loops import MAKE_ENTRY
from mpnb.plan.scope import Scope
from mpnb.plan.slices import MADE
from mpnb.plan.syntax import adds_numbers, is_number, root_name
from mpnb.plan.tables import (
    ARITHMETIC,
    ATOMIC_CALLS,
    CONTAINER_CALLS,
    FRESH_METHODS,
    JOINED_FRAMES,
    MAKERS,
    MUTATORS,
    TEXT_METHODS,
)
from mpnb.plan.values import ANYTHING, FRESH, MISSING, UNKNOWN, Summary, Value, join, made_of


class Evaluator(Scope):
    """A body's expressions: what is known of the value of each."""

    def local(self, name: str) -> Value:
        """What is known of a local name: the worst of all it is ever bound to."""
        if name in self.memo:
            return self.memo[name]
        self.memo[name] = Value(2)  # while it is being worked out: x = x[1:]
        value = None
        if name in self.parameters:
            value = Value(0, roots=frozenset({name}), is_set=name in self.sets)
        held: frozenset[str] = frozenset()
        for how, node in self.bindings.get(name, ()):
            match how:
                case "is":
                    new = self.value(node)
                case "part":
                    new = self.value(node).part()
                case "holds":
                    held |= frozenset() if is_number(node) else self.value(node).hanging
                    continue
                case "method":
                    held |= self._held_by_method(node)
                    continue
                case "given":
                    held |= self._held_by_call(name, node)
                    continue
                case "aug":
                    held |= frozenset() if is_number(node) else self.value(node).part().hanging
                    new = replace(FRESH, is_set=self.value(node).is_set, no_set=self.value(node).no_set)
                case "fresh":
                    new = FRESH
                case "sliced":
                    new = Value(1, held=ANYTHING, no_set=True)
                case "def":
                    new = Value(2, checked=True)
                case "import":
                    new = Value(0, imported(node))
                case _:
                    new = UNKNOWN
            value = new if value is None else join([value, new])
        if value is None:
            value = UNKNOWN
        held -= value.roots
        if held:
            value = replace(value, fresh=min(value.fresh, 1), held=value.held | held)
        if value.is_set and name not in self.parameters and all(itertools.starmap(adds_numbers, self.bindings[name])):
            value = replace(value, is_set=False, no_set=True)
        self.memo[name] = value
        return value

    def _held_by_method(self, node: ast.Call) -> frozenset[str]:
        """What a method call may make hang on its object."""
        assert isinstance(node.func, ast.Attribute)
        method = node.func.attr
        if method not in MUTATORS and not any(method in vars(cls) for cls in self.inspector.classes):
            return frozenset()
        parts = [
            self.value(argument)
            for argument in [*node.args, *(k.value for k in node.keywords)]
            if not is_number(argument)
        ]
        if method in {"extend", "update", "extendleft"}:
            parts = [part.part() for part in parts]
        return frozenset().union(*(part.hanging for part in parts))

    def _held_by_call(self, name: str, node: ast.Call) -> frozenset[str]:
        """What a function may make hang on an argument that it is given."""
        others = [*node.args, *(k.value for k in node.keywords)]
        if isinstance(node.func, ast.Name) and node.func.id == MAKE_ENTRY:
            return frozenset()
        thing = self.value(node.func).thing
        if isinstance(thing, types.FunctionType) and is_own(thing):
            summary = self.inspector.summary(thing)
            given = self.given(summary.parameters, node)
            held: frozenset[str] = frozenset()
            for parameter, argument in given.items():
                if root_name(argument) == name and parameter in summary.holds:
                    held |= self._substituted(summary.holds[parameter], given)
            return held
        if changes_first(thing) and node.args and root_name(node.args[0]) == name:
            return frozenset().union(*(self.value(other).hanging for other in others[1:] if not is_number(other)))
        return frozenset()

    @staticmethod
    def given(parameters: Iterable[str], node: ast.Call) -> dict[str, ast.expr]:
        """Which parameter gets which expression, as far as that is written down."""
        plain = itertools.takewhile(lambda argument: not isinstance(argument, ast.Starred), node.args)
        given = dict(zip(parameters, plain, strict=False))
        return given | {k.arg: k.value for k in node.keywords if k.arg is not None}

    def _substituted(self, roots: frozenset[str], given: Mapping[str, ast.expr]) -> frozenset[str]:
        """Roots inside a callee, as roots here."""
        found: frozenset[str] = frozenset()
        for root in roots:
            found |= self.value(given[root]).hanging if root in given else ANYTHING
        return found

    def value(self, node: ast.expr) -> Value:
        """What is known of an expression's value."""
        match node:
            case ast.Constant() | ast.JoinedStr() | ast.Compare():
                return FRESH
            case ast.UnaryOp(op=ast.Not()):
                return FRESH
            case ast.UnaryOp(operand=operand):
                return self._operated(self.value(operand), dunders=("__neg__", "__pos__", "__invert__"))
            case ast.Name(name):
                return self._named_value(name)
            case ast.BinOp(left=left, op=op, right=right):
                sides = [self.value(left), self.value(right)]
                both_sets = isinstance(op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor)
                is_set = both_sets and any(s.is_set for s in sides)
                no_set = not both_sets or any(s.no_set for s in sides) or is_number(node)
                return replace(self._operated(*sides), is_set=is_set, no_set=no_set and not is_set)
            case ast.BoolOp(values=values):
                return join([self.value(v) for v in values])
            case ast.IfExp(body=body, orelse=orelse):
                return join([self.value(body), self.value(orelse)])
            case ast.NamedExpr(value=value):
                return self.value(value)
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                is_set = isinstance(node, ast.Set) and not all(map(is_number, elements))
                return made_of((self.value(e) for e in elements if not is_number(e)), is_set=is_set)
            case ast.Dict(keys=keys, values=values):
                parts = [
                    self.value(value).part() if key is None else self.value(value)
                    for key, value in zip(keys, values, strict=True)
                ]
                return made_of([*parts, *(self.value(key) for key in keys if key is not None)])
            case ast.ListComp(elt=elt) | ast.GeneratorExp(elt=elt):
                return made_of([self.value(elt)])
            case ast.SetComp(elt=elt):
                return made_of([self.value(elt)], is_set=not is_number(elt))
            case ast.DictComp(key=key, value=value):
                return made_of([self.value(key), self.value(value)])
            case ast.Lambda():
                return Value(2, checked=True)
            case ast.Subscript(value=base):
                return self.value(base).part()
            case ast.Starred(value=base):
                return self.value(base).part()
            case ast.Attribute(attr="__class__"):
                return UNKNOWN
            case ast.Attribute(value=ast.Name(name) as base, attr="loc" | "at") if name.startswith(MADE):
                return self.value(base)  # of a frame of which each iteration has its own cells
            case ast.Attribute(value=base, attr=attribute):
                owner = self.value(base)
                if owner.thing is not MISSING:
                    thing = static_attribute(owner.thing, attribute)
                    is_set = isinstance(thing, set | frozenset)
                    return Value(0, thing, owner.hanging, is_set=is_set, no_set=thing is not MISSING and not is_set)
                return UNKNOWN if self.inspector.is_of_class(attribute) else owner.part()
            case ast.Call():
                return self._call_value(node)
            case _:
                return UNKNOWN

    def _named_value(self, name: str) -> Value:
        if name in self.torn:
            return UNKNOWN
        if name in self.locals:
            return self.local(name)
        if any(name in names for names in self.lambda_names):
            return UNKNOWN
        thing = self.lookup(name)
        is_set = isinstance(thing, set | frozenset)
        return Value(0, thing, frozenset({name}), is_set=is_set, no_set=thing is not MISSING and not is_set)

    def _operated(self, *sides: Value, dunders: Iterable[str] = ()) -> Value:
        """What an operator gives: something new, with what hung on its operands; or what a class of the user's says."""
        names = set(dunders) or ARITHMETIC
        for cls in self.inspector.classes:
            for name in names & vars(cls).keys():
                method = vars(cls)[name]
                if isinstance(method, types.FunctionType) and self.inspector.summary(method).result.fresh == 0:
                    return UNKNOWN
        return made_of(side.part() for side in sides)

    def _call_value(self, node: ast.Call) -> Value:
        arguments = [*node.args, *(k.value for k in node.keywords)]
        if self.is_builtin(node.func, ATOMIC_CALLS):
            return FRESH
        if self.is_builtin(node.func, CONTAINER_CALLS):
            assert isinstance(node.func, ast.Name)
            is_set = node.func.id in {"set", "frozenset"}
            laundered = node.func.id in {"enumerate", "zip", "map", "filter", "iter"}
            from_set = laundered and any(self.is_reordered(a) for a in node.args)
            if node.func.id == "map":
                return Value(1, held=ANYTHING, is_set=from_set, no_set=not from_set)
            keywords = [
                self.value(k.value) for k in node.keywords if k.arg not in {"key", "reverse", "strict", "start"}
            ]
            parts = [self.value(a).part() for a in node.args] + keywords
            return made_of(parts, is_set=is_set or from_set)
        if self.is_builtin(node.func, frozenset({"open"})):
            return FRESH
        if self.is_builtin(node.func, frozenset({"sum"})):
            return made_of(self.value(a).part() for a in arguments)
        if isinstance(node.func, ast.Attribute):
            owner = self.value(node.func.value)
            if owner.thing is MISSING or not isinstance(owner.thing, types.ModuleType | type):
                set_methods = {"union", "intersection", "difference", "symmetric_difference"}
                method = node.func.attr
                if method in FRESH_METHODS | set_methods and not any(method in vars(c) for c in self.inspector.classes):
                    may_be = method in set_methods | {"copy", "deepcopy"}
                    deep = method in {"deepcopy"} | TEXT_METHODS
                    parts = [] if deep else [owner.part(), *(self.value(a).part() for a in node.args)]
                    no_set = not may_be or (owner.no_set and not owner.is_set)
                    return replace(made_of(parts), is_set=owner.is_set and may_be, no_set=no_set)
                if method in MUTATORS | {"get", "setdefault"}:
                    return join([owner.part(), *(self.value(a) for a in node.args[1:])])
                own = [function for _, function in self.inspector.methods(method)]
                if own and owner.thing is MISSING:
                    return self._method_value(own, node)
        thing = self.value(node.func).thing
        if thing is MISSING:
            return UNKNOWN
        if thing is type:
            return UNKNOWN
        if isinstance(thing, type):
            is_set = issubclass(thing, set | frozenset)
            if not is_own(thing):
                return made_of([self._argument(a) for a in arguments], is_set=is_set)
            summary = self.inspector.class_summary(thing)
            returned = self._returned(summary, list(summary.parameters), node)
            return replace(returned, is_set=is_set, no_set=not is_set)
        if isinstance(thing, types.FunctionType) and is_own(thing):
            parameters = self.inspector.summary(thing).parameters
            summary = self.inspector.summary(thing, self.given_sets(node, parameters))
            return self._returned(summary, list(parameters), node)
        module = getattr(thing, "__module__", None) or ""
        for length in range(module.count(".") + 1, 0, -1):
            prefix = ".".join(module.split(".")[:length])
            if prefix in MAKERS:
                names = MAKERS[prefix]
                if names is None or getattr(thing, "__name__", "") in names:
                    if prefix in {"itertools", "_collections"} or getattr(thing, "__name__", "") in JOINED_FRAMES:
                        return made_of(self.value(a).part() for a in arguments)
                    return replace(FRESH, no_set=prefix != "copy")
        return UNKNOWN

    def _argument(self, node: ast.expr) -> Value:
        """An argument of a library's class as what may hang on the instance: a factory stands for what it makes."""
        if isinstance(node, ast.Lambda):
            return self.value(node.body)
        value = self.value(node)
        if isinstance(value.thing, type):
            return UNKNOWN if is_own(value.thing) else FRESH
        if isinstance(value.thing, types.FunctionType) and is_own(value.thing):
            return replace(self.inspector.summary(value.thing).result, thing=MISSING)
        return value if value.fresh else replace(value, roots=value.hanging)

    def _returned(self, summary: Summary, parameters: list[str], node: ast.Call) -> Value:
        """A function's result, with its parameters' places taken by what they are given here."""
        result = summary.result
        if result.fresh == 2 or not (result.roots or result.held):
            return result if result.fresh else replace(result, roots=ANYTHING)
        given = self.given(parameters, node)
        if (
            summary.variadic
            or any(isinstance(a, ast.Starred) for a in node.args)
            or any(k.arg is None for k in node.keywords)
        ):
            return replace(result, roots=ANYTHING if result.fresh == 0 else frozenset(), held=ANYTHING)
        # a parameter that is not given has its default, which lives as long as the function
        held = self._substituted(result.held, given)
        if result.fresh == 1:
            return replace(result, fresh=1 if held else 2, held=held)
        roots = self._substituted(result.roots, given)
        return replace(result, roots=roots, held=held, fresh=0 if roots or held else 2)

    def _method_value(self, methods: list[types.FunctionType], node: ast.Call) -> Value:
        assert isinstance(node.func, ast.Attribute)
        every = []
        for function in methods:
            summary = self.inspector.summary(function)
            parameters = list(summary.parameters)
            taken = ast.Call(node.func, [node.func.value, *node.args], node.keywords)
            every.append(self._returned(summary, parameters, taken))
        return join(every)

    def given_sets(self, node: ast.Call, parameters: Sequence[str]) -> frozenset[str]:
        """Which parameters of a function a call gives sets whose order would differ."""
        given = dict(zip(parameters, node.args, strict=False)) | {k.arg: k.value for k in node.keywords if k.arg}
        found = frozenset(name for name, argument in given.items() if self.is_reordered(argument))
        if any(isinstance(argument, ast.Starred) for argument in node.args) and found:
            self.inspector.keeps_sets = True  # who gets which is not known
        loose = [*node.args[len(parameters) :], *(k.value for k in node.keywords if k.arg not in parameters)]
        if any(map(self.is_reordered, loose)):  # into *args and **kwargs
            self.inspector.keeps_sets = True
        return found & frozenset(parameters)

    def is_reordered(self, node: ast.expr) -> bool:
        """Tell whether this is a set whose order would, or might, be another in a worker."""
        value = self.value(node)
        if not value.is_set:
            return False
        if isinstance(value.thing, set | frozenset):
            return not keeps_order(value.thing)
        return not is_seed_fixed()
