"""What calls do: of builtins, of libraries, of the notebook's functions and methods, of hooks behind attributes."""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import operator
import types
from collections.abc import Sequence
from typing import Final

from mpnb.ordering import is_seed_fixed
from mpnb.plan.advice import KEEP_ELSEWHERE, PULL_TOGETHER, instead_of_library
from mpnb.plan.library import (
    changes_first,
    generator_types,
    instead_of,
    is_artist,
    is_own,
    sounds_changing,
    static_attribute,
    why_stateful,
)
from mpnb.plan.loops import EFFECTS, MAKE_ENTRY
from mpnb.plan.rules import Rules
from mpnb.plan.syntax import is_standard_stream, says_inplace
from mpnb.plan.tables import (
    CHANGES_FIRST,
    COMPARING_FUNCTIONS,
    COMPARING_METHODS,
    FILE_METHODS,
    HASHING_CALLS,
    KEEPING_METHODS,
    MUTATING_DUNDERS,
    MUTATORS,
    READERS,
    SHALLOW,
    SHALLOW_METHODS,
    STATEFUL_TYPES,
    WRITING_METHODS,
    LruCache,
)
from mpnb.plan.values import MISSING, UNKNOWN, Summary, Value
from mpnb.streams import describe

_NAMED: Final = "call a function by its own name"
_NEW: Final = "a function that returns something new"


class Calls(Rules):
    """What a body calls, held against the summaries of what is called."""

    def check_setters(self, target: ast.Attribute) -> None:
        """What setting an attribute runs: a property of the same name, a descriptor."""
        for cls in list(self.inspector.classes):
            member = vars(cls).get(target.attr)
            if isinstance(member, property) and member.fset is not None:
                self.inspector.check_callable(member.fset, target.lineno, f"{cls.__name__}.{target.attr}")
        self.check_descriptors(target, "__set__")

    def _visit_result(self, node: ast.expr) -> None:
        """What goes home as it is: nothing in the worker reads it again."""
        match node:
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part in parts:
                    self._visit_result(part)
            case ast.Dict(keys=keys, values=values):
                for each in [*keys, *values]:
                    if each is not None:
                        self._visit_result(each)
            case _:
                self.visit(node)

    def _effect(self, node: ast.Call) -> bool:
        """Read what an effect is made of, `(number, operand, …)`; False where the call is something else."""
        match node:
            case ast.Call(ast.Attribute(ast.Name(name), "append"), [ast.Tuple(elts=[ast.Constant(), *operands])]) if (
                name == EFFECTS
            ):
                for operand in operands:
                    self._visit_result(operand)
                return True
            case ast.Call(ast.Name(name), [ast.Constant(value=number), *operands]) if name == MAKE_ENTRY:
                by_key = len(operands) > 1
                is_slice = by_key and isinstance(operands[0], ast.Call | ast.Slice)
                for operand in operands:
                    if number in self.ordering and (not by_key or is_slice or number in self.adding):
                        self.check_order(operand, operand)
                    self._visit_result(operand)
                return True
            case _:
                return False

    def check_descriptors(self, node: ast.Attribute, hook: str) -> None:
        """A class attribute whose own type says what reading or setting it does."""
        for cls in list(self.inspector.classes):
            kind = type(vars(cls).get(node.attr))
            method = getattr(kind, hook, None)
            if is_own(kind) and isinstance(method, types.FunctionType):
                label = f"{kind.__name__}.{hook}"
                summary = self.inspector.check_callable(method, node.lineno, label)
                if summary is not None:
                    self.summary.reads |= summary.reads
                    if summary.mutates.keys() - set(summary.parameters[1:2]) or summary.calls:
                        why = "changes an object that outlives the iteration"
                        raise self.refuse("hidden-state", node, label, why, KEEP_ELSEWHERE)
                    if summary.mutates:
                        self.change(node.value, node, max(summary.mutates.values()))

    def visit_Call(self, node: ast.Call) -> None:
        """A call is an effect of the loop, or of a name, of a method, or of something that can't be told."""
        function = node.func
        if self._effect(node):
            return
        match function:
            case ast.Name(name):
                self._named_call(name, node)
            case ast.Attribute(value=base, attr=method):
                owner = self.value(base)
                resolved = self.value(function).thing
                if isinstance(owner.thing, types.ModuleType | type) and resolved is not MISSING:
                    if isinstance(owner.thing, type) and method in MUTATORS | MUTATING_DUNDERS and node.args:
                        self.change(node.args[0], node)  # list.append(xs, x), object.__setattr__(x, name, value)
                    self._checked_call(resolved, node, ast.unparse(function))
                elif method == "at" and type(owner.thing).__name__ == "ufunc" and node.args:
                    self.change(node.args[0], node)  # np.add.at(a, indices, b), which minds no read-only flag
                elif isinstance(base, ast.Call) and isinstance(base.func, ast.Name) and base.func.id == "super":
                    self.method_call(
                        method, ast.copy_location(ast.Name(self._self_name(), ast.Load()), base), self._self(), node
                    )
                else:
                    self.method_call(method, base, owner, node)
                self.visit(base)
            case ast.Lambda():
                self.visit(function)
            case _:
                why = "is called, and it can't be told which function that is"
                raise self.refuse("unknown-call", node, ast.unparse(function), why, _NAMED)
        order_free = self.is_order_free(node)
        takes = not order_free and self.takes_order(function)
        for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
            if not takes:
                if isinstance(function, ast.Attribute) and function.attr in KEEPING_METHODS:
                    self.keep(argument)
            elif self.is_builtin(function, SHALLOW) or getattr(function, "attr", "") in SHALLOW_METHODS:
                if not isinstance(argument, ast.Starred):  # which sees to itself
                    self.check_order(argument, node)
            else:
                self.check_orders_in(argument)
        for argument in node.args:
            if order_free and isinstance(argument, ast.GeneratorExp | ast.ListComp):
                self.order_free(argument)
            else:
                self.visit(argument)
        for keyword in node.keywords:
            self.visit(keyword.value)

    def _self_name(self) -> str:
        return self.summary.parameters[0] if self.summary.parameters else "self"

    def _self(self) -> Value:
        return Value(0, roots=frozenset({self._self_name()}))

    def _named_call(self, name: str, node: ast.Call) -> None:
        assert isinstance(node.func, ast.Name)
        if name in self.locals or any(name in names for names in self.lambda_names):
            value = self.local(name) if name in self.locals else UNKNOWN
            if value.checked:
                return
            if name in self.parameters:
                self.summary.calls.add(name)
                return
            if value.thing is not MISSING and callable(value.thing):
                self._checked_call(value.thing, node, name)
                return
            why = "is called, and it can't be told which function that is"
            raise self.refuse("unknown-call", node, name, why, _NAMED)
        thing = self.lookup(name)
        self.visit(node.func)
        if thing is MISSING:
            return  # a NameError, for both
        if thing is builtins.open:
            self._check_mode(node, 1)
            return
        if name in HASHING_CALLS:
            self.inspector.compares = self.inspector.compares or (node, self.name)
        if thing is builtins.hash and not is_seed_fixed():
            why = "gives another number for text in every process"
            raise self.refuse("set-order", node, "hash", why, "zlib.crc32 or hashlib")
        if self.is_builtin(node.func, CHANGES_FIRST) and node.args:
            self.change(node.args[0], node, instead=PULL_TOGETHER if name == "next" else "")
            return
        if self.is_builtin(node.func, frozenset({"print"})):
            for keyword in node.keywords:
                if (
                    keyword.arg == "file"
                    and self.value(keyword.value).fresh == 0
                    and not is_standard_stream(keyword.value)
                ):
                    self.change(keyword.value, node)
            return
        if self.is_builtin(node.func, frozenset({"getattr"})) and not isinstance(node.args[-1], ast.Constant):
            return  # a plain look-up; what is done with the result is judged by its name
        if thing is type and len(node.args) != 1:
            raise self.refuse("statement", node, name, "makes a class inside the iteration", "make it above the loop")
        if thing is getattr(builtins, name, MISSING):
            self._passed_functions(node)
            return
        self._checked_call(thing, node, name)

    def _check_mode(self, node: ast.Call, place: int) -> None:
        """What a call of open() may do: of the function, or of a path's method, whose mode is the first argument."""
        mode: ast.expr | None = node.args[place] if len(node.args) > place else None
        for keyword in node.keywords:
            if keyword.arg == "mode":
                mode = keyword.value
        if mode is None:
            return
        text = mode.value if isinstance(mode, ast.Constant) else None
        if isinstance(text, str) and not set(text) <= set("rwxabt+U"):
            return  # another method of that name
        if isinstance(text, str) and ("a" in text or ("r" in text and "+" in text)):
            why = "adds to a file, whose content iterations share"
            raise self.refuse(
                "outside-effect", node, "open", why, "collect the lines in a list, and write after the loop"
            )
        self.inspector.writes |= not isinstance(text, str) or not set(text).isdisjoint("wx")

    def _passed_functions(self, node: ast.Call) -> None:
        """Functions of the notebook handed to a library: they are called with who knows what."""
        for argument in [*node.args, *(k.value for k in node.keywords)]:
            thing = self.value(argument).thing
            if isinstance(thing, types.FunctionType | types.MethodType | functools.partial) or (
                thing is not MISSING and not isinstance(thing, type) and callable(thing)
            ):
                summary = self.inspector.check_callable(thing, node.lineno, ast.unparse(argument))
                if summary is not None and (summary.mutates or summary.calls):
                    what = ast.unparse(argument)
                    raise self.refuse("mutates", node, what, "changes what it is given, or calls it", _NEW)

    def _checked_call(self, thing: object, node: ast.Call, name: str) -> None:
        if thing in (operator.is_, operator.is_not):
            raise self.refuse("identity", node, name, "compares by identity what may be a number or text", "==")
        if getattr(thing, "__name__", "") in COMPARING_FUNCTIONS:
            self.inspector.compares = self.inspector.compares or (node, self.name)
        summary = self.inspector.check_callable(thing, node.lineno, name, functools.partial(self.given_sets, node))
        if summary is None:
            self._passed_functions(node)
            if changes_first(thing) and node.args:
                self.change(node.args[0], node)
            if type(thing).__name__ == "ufunc":
                for argument in node.args[thing.nin :]:  # type: ignore[attr-defined]
                    self.change(argument, node)
            for keyword in node.keywords:
                if keyword.arg in {"out", "inplace"} and not (
                    isinstance(keyword.value, ast.Constant) and keyword.value.value in {None, False}
                ):
                    self.change(keyword.value if keyword.arg == "out" else node.func, node)
            return
        self.summary.reads |= summary.reads
        self._arguments(summary, list(summary.parameters), node, name)

    def _arguments(self, summary: Summary, parameters: list[str], node: ast.Call, name: str) -> None:
        """Hold what a helper changes or calls of its parameters against what it is given here."""
        loose = any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords)
        given = self.given(parameters, node)
        for parameter, needed in summary.mutates.items():
            if parameter not in given:
                if parameter in parameters or summary.variadic or loose:
                    why = f"changes its argument `{parameter}`, which lives on after the call"
                    raise self.refuse("hidden-state", node, name, why, KEEP_ELSEWHERE)
                continue
            self.change(given[parameter], node, needed)
        for parameter in summary.calls:
            argument = given.get(parameter)
            value = self.value(argument) if argument is not None else UNKNOWN
            if value.checked:
                continue
            if argument is not None and isinstance(argument, ast.Name) and argument.id in self.parameters:
                self.summary.calls.add(argument.id)
                continue
            if value.thing is MISSING or not callable(value.thing):
                why = f"calls its argument `{parameter}`, which can't be told"
                raise self.refuse("unknown-call", node, name, why, _NAMED)
            inner = self.inspector.check_callable(value.thing, node.lineno, parameter)
            if inner is not None and (inner.mutates or inner.calls):
                raise self.refuse("mutates", node, parameter, "changes what it is given, or calls it", _NEW)

    def why_kept(self, thing: object) -> tuple[str, str] | None:
        """Is this an object that keeps a state which iterations must not share? (code, why) or None."""
        if isinstance(thing, generator_types()):
            seeded = self.inspector.seeded and describe(thing) is not None
            return None if seeded else ("random", "is a random generator, whose numbers all iterations share")
        if isinstance(thing, STATEFUL_TYPES):
            return "stateful", f"is a {type(thing).__name__}, which keeps a state of its own"
        return None

    def method_call(self, method: str, base: ast.expr, owner: Value, node: ast.AST) -> None:
        """Hold a method call against what is known of its object, or of every method of that name."""
        thing = owner.thing
        shown = ast.unparse(base)
        if is_standard_stream(base) and method in {"write", "flush"}:
            return  # caught in the worker and replayed in order
        if thing is not MISSING and not isinstance(thing, types.ModuleType | type):
            stateful = self.why_kept(thing) or why_stateful(
                static_attribute(thing, method), seeded=self.inspector.seeded
            )
            if stateful is not None:
                raise self.refuse(stateful[0], node, shown, stateful[1], instead_of(*stateful))
            if isinstance(getattr(type(thing), method, None), types.FunctionType) and is_own(type(thing)):
                self.check_method(type(thing), getattr(type(thing), method), base, node)
                return
        for cls, function in self.inspector.methods(method):
            self.check_method(cls, function, base, node)
        for cls in list(self.inspector.classes):
            cached = static_attribute(cls, method) if method in vars(cls) else None
            cached = getattr(cached, "__func__", cached)
            if isinstance(cached, LruCache) and (thing is MISSING or isinstance(thing, cls)):
                self.inspector.check_callable(cached, getattr(node, "lineno", 0), f"{cls.__name__}.{method}")
        self._check_template(method, base, node)
        if method == "__hash__" and not is_seed_fixed():
            raise self.refuse("set-order", node, f"{shown}.__hash__", "gives another number in every process")
        if method in COMPARING_METHODS and isinstance(node, ast.Call) and node.args:
            self.inspector.compares = self.inspector.compares or (node, self.name)
        if method in FILE_METHODS:
            why = "changes files, which is not split"
            raise self.refuse("outside-effect", node, f"{shown}.{method}", why, "do that after the loop")
        self.inspector.writes |= method in WRITING_METHODS
        if method == "open" and isinstance(node, ast.Call):
            self._check_mode(node, 0)
        if method == "pop" and isinstance(node, ast.Call) and not node.args:
            self.check_order(base, node)
        if method == "shuffle" and isinstance(node, ast.Call):
            for argument in [*node.args[:1], *(k.value for k in node.keywords if k.arg == "x")]:
                self.change(argument, node)
        if method in MUTATORS or method in READERS:
            if method == "join" or (method == "update" and owner.fresh >= 1):
                return
            if method in {"read", "readline", "readlines"} and owner.fresh == 0 and not owner.roots:
                return
            self.change(base, node)
        elif method == "plot" or (isinstance(base, ast.Attribute) and base.attr == "plot"):
            if not any(method in vars(cls) for cls in self.inspector.classes) and owner.fresh < 2:
                why = "draws on a figure"
                raise self.refuse("stateful", node, f"{shown}.{method}", why, instead_of_library(why))
        elif self._draws(owner):
            if not method.startswith(("get_", "contains")):
                self.change(base, node)
        elif sounds_changing(method) and not any(method in vars(cls) for cls in self.inspector.classes):
            self.change(base, node)
        if isinstance(node, ast.Call):
            self._passed_functions(node)
            if any(says_inplace(k, self.value(k.value).thing) for k in node.keywords if k.arg is None):
                self.change(base, node)
            if any(
                k.arg == "inplace" and not (isinstance(k.value, ast.Constant) and not k.value.value)
                for k in node.keywords
            ):
                self.change(base, node)

    def _draws(self, owner: Value) -> bool:
        """Tell whether this is something of matplotlib's, or one of several in a list or an array."""
        if owner.thing is not MISSING or owner.fresh:
            return is_artist(owner.thing)
        return any(is_artist(self.lookup(root), among=True) for root in owner.roots - self.locals)

    def _check_template(self, method: str, base: ast.expr, node: ast.AST) -> None:
        """A method that a class of the user's has from a library may call any method that the user's class has."""
        for cls in list(self.inspector.classes):
            inherited = inspect.getattr_static(cls, method, None)
            if not isinstance(inherited, types.FunctionType) or is_own(inherited):
                continue
            for name, member in vars(cls).items():
                if not isinstance(member, types.FunctionType) or (name.startswith("__") and name.endswith("__")):
                    continue
                label = f"{cls.__name__}.{name}"
                summary = self.inspector.check_callable(member, getattr(node, "lineno", 0), label)
                if summary is None:
                    continue
                self.summary.reads |= summary.reads
                if summary.mutates.keys() - set(summary.parameters[:1]) or summary.calls:
                    raise self.refuse("mutates", node, label, "changes what it is given, or calls it", _NEW)
                if summary.mutates:
                    self.change(base, node)

    def check_method(self, cls: type, function: types.FunctionType, base: ast.expr, node: ast.AST) -> None:
        """Hold what a method of the notebook changes or calls against its object and its arguments."""
        label = f"{cls.__name__}.{function.__name__}"
        raw = vars(cls).get(function.__name__)
        bound = 0 if isinstance(raw, staticmethod) else 1

        def sets(parameters: Sequence[str]) -> frozenset[str]:
            return self.given_sets(node, parameters[bound:]) if isinstance(node, ast.Call) else frozenset()

        summary = self.inspector.check_callable(function, node.lineno, label, sets)  # type: ignore[attr-defined]
        if summary is None:
            return
        self.summary.reads |= summary.reads
        if summary.result.is_set and not is_seed_fixed():
            self.inspector.keeps_sets = True  # which method is called is not known, so neither is what it gives
        parameters = list(summary.parameters)
        if not isinstance(raw, staticmethod) and parameters:
            own = parameters.pop(0)
            if own in summary.mutates:
                if isinstance(raw, classmethod):
                    raise self.refuse("hidden-state", node, label, "changes its class", KEEP_ELSEWHERE)
                self.change(base, node, summary.mutates[own])
            rest = {p: level for p, level in summary.mutates.items() if p != own}
        else:
            rest = dict(summary.mutates)
        inner = Summary(mutates=rest, calls=set(summary.calls), variadic=summary.variadic)
        if isinstance(node, ast.Call):
            self._arguments(inner, parameters, node, label)
        elif rest or summary.calls:
            raise self.refuse("hidden-state", node, label, "changes or calls its arguments", KEEP_ELSEWHERE)
