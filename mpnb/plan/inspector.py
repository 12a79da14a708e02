"""What a function or class does when it is called, as its callers need to know it; found once for a whole loop.

An `Inspector` goes from function to function. Each body is read by the reader that it is handed, which asks the
inspector about what that body calls in turn.
"""

from __future__ import annotations

import ast
import collections
import functools
import inspect
import operator
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from mpnb.plan.advice import KEEP_ELSEWHERE, instead_of_change
from mpnb.plan.library import changes_owner, generator_types, instead_of, is_own, is_unseen, may_write, why_stateful
from mpnb.plan.names import argument_names
from mpnb.plan.source import factories, function_node, is_generated
from mpnb.plan.tables import CALLED_DUNDERS, CHANGING_DUNDERS, MUTATORS, LruCache
from mpnb.plan.types import Refusal
from mpnb.plan.values import ANYTHING, MISSING, UNKNOWN, Problem, Summary, Value, WhichSets


class Reader(Protocol):
    """Reads one function's body against the rules, and fills the summary that it was made with."""

    sets: frozenset[str]

    def read_function(self, node: ast.FunctionDef | ast.Lambda) -> None:
        """Read the whole of it; raises Problem where it must not be called."""
        ...


class MakeReader(Protocol):
    """Makes a reader for one function: its globals, its closure, its parameters, its name, its summary to be."""

    def __call__(
        self,
        inspector: Inspector,
        globals_: Mapping[str, Any],
        closure: Mapping[str, Any],
        parameters: Iterable[str],
        name: str,
        summary: Summary,
    ) -> Reader:
        """Make it."""
        ...


#: Types of values that nothing hangs on.
_ATOMS: Final = frozenset({int, float, str, bool, bytes, type(None)})


def _known(summary: Summary) -> object:
    return summary.problem, summary.mutates, summary.calls, summary.result, summary.reads, summary.holds


class Inspector:
    """Looks into the functions of a notebook; keeps what it found for as long as nothing was redefined."""

    def __init__(self, namespace: Mapping[str, Any], reader: MakeReader, *, seeded: bool = False) -> None:
        self.namespace = namespace
        self.own: Mapping[str, Any] = {}  # where the loop stands in a function: that function's own names
        self.reader = reader
        self.seeded = seeded  # every iteration has random numbers of its own
        self.summaries: dict[tuple[int, frozenset[str]], Summary] = {}
        self.alive: list[object] = []  # keeps the ids above from being used again
        self.classes: set[type] = set()
        self.classes_before = 0
        self.previous: dict[
            tuple[int, frozenset[str]], Summary
        ] = {}  # of the pass before: what recursion is taken to do
        self.recursive = False
        self.under_way: set[tuple[int, frozenset[str]]] = set()
        self._walk_left = 5_000
        self.trusted: frozenset[str] = frozenset()  # names of functions that the user vouches for
        self.trusted_things: list[object] = []  # what they lead to; None is in no list of these
        self.orders = False  # an order is taken from something that is shipped and may be a set
        self.order_place: tuple[ast.AST, str] | None = None  # where one is taken from anything that may be a set
        self.compares: tuple[ast.AST, str] | None = None  # where a nan would be found by identity only
        self.looks_up: tuple[ast.AST, str] | None = None  # the same, for a key
        self.writes = False  # files, perhaps
        self.unseen: tuple[int, str] | None = None  # may look at files in a way that a worker does not see
        self.keeps_sets = False  # a set is put where it is not known as one any more: into a list, an attribute …

    def trust(self, names: frozenset[str]) -> None:
        """Take the functions of these names as harmless: `fib`, `Model.score`, `module.helper`."""
        self.trusted = names
        for name in names:
            first, *rest = name.split(".")
            thing = self.own.get(first, self.namespace.get(first, MISSING))
            for attribute in rest:
                thing = inspect.getattr_static(thing, attribute, MISSING)
            if isinstance(thing, staticmethod | classmethod):
                thing = thing.__func__
            elif isinstance(thing, property):
                thing = thing.fget
            elif isinstance(thing, functools.cached_property):
                thing = thing.func
            if callable(thing):
                self.trusted_things.append(thing)

    def is_trusted(self, thing: object) -> bool:
        """Tell whether the user vouches for a function: the object that the name leads to, or one defined by it."""
        if any(thing is trusted for trusted in self.trusted_things):
            return True
        if not self.trusted or not is_own(thing):
            return False
        return str(getattr(thing, "__qualname__", "")).rpartition("<locals>.")[2] in self.trusted

    def next_pass(self) -> bool:
        """Begin another pass if the last one met new classes, or changed what is known of a recursive function."""
        known = {key: _known(summary) for key, summary in self.previous.items()}
        settled = not self.recursive or known == {key: _known(summary) for key, summary in self.summaries.items()}
        if settled and len(self.classes) == self.classes_before:
            return False
        self.previous, self.summaries, self.recursive = self.summaries, {}, False
        self.classes_before = len(self.classes)
        self._walk_left = 5_000
        return True

    def closed_over(self) -> set[str]:
        """The names that any of the functions looked into shares with the function that it was made in."""
        return {
            name for each in self.alive if isinstance(each, types.FunctionType) for name in each.__code__.co_freevars
        }

    def meet_all(self) -> None:
        """Note every class of the notebook: any may turn up."""
        values = (*self.namespace.values(), *self.own.values())
        self.classes.update(value for value in values if isinstance(value, type) and is_own(value))

    def meet(self, value: object, depth: int = 0) -> None:
        """Note the notebook classes of whatever hangs on a value that the loop reads."""
        self._walk_left -= 1
        if self._walk_left < 0 or depth > 12:
            self.meet_all()
            return
        kind = type(value)
        if isinstance(value, type):
            if is_own(value):
                self.classes.update(base for base in value.__mro__ if is_own(base))
            return
        if isinstance(value, types.ModuleType | types.FunctionType | types.BuiltinFunctionType | str | bytes | int):
            return
        if is_own(kind):
            self.classes.update(base for base in kind.__mro__ if is_own(base))
        parts: Iterable[object] = ()
        if isinstance(value, dict):
            parts = [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set | frozenset | collections.deque):
            parts = value
        inner = getattr(value, "__dict__", None)
        if not _ATOMS.issuperset(map(type, parts)):  # which is told many times faster than by a loop
            for part in parts:
                if type(part) not in _ATOMS:
                    self.meet(part, depth + 1)
        if isinstance(inner, dict) and is_own(kind):
            for part in inner.values():
                self.meet(part, depth + 1)

    def summary(self, function: types.FunctionType, sets: frozenset[str] = frozenset()) -> Summary:
        """Look into one function, some of whose parameters are sets.

        Recursion is taken as harmless in the first pass, then as found in the one before.
        """
        key = id(function), sets
        if key in self.under_way:
            self.recursive = True
            return self.previous.get(key, Summary(result=Value(2)))
        if key not in self.summaries:
            self.alive.append(function)
            self.under_way.add(key)
            self.summaries[key] = self._summarise(function, sets)
            self.under_way.discard(key)
        return self.summaries[key]

    def _summarise(self, function: types.FunctionType, sets: frozenset[str]) -> Summary:
        name = function.__qualname__
        code = function.__code__
        variadic = bool(code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS))
        summary = Summary(variadic=variadic, parameters=code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
        if code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
            summary.problem = Refusal("statement", 0, name, "is asynchronous")
            return summary
        if is_generated(function):
            # sets its own object's fields from its arguments
            own = summary.parameters[:1]
            if code.co_name == "__init__":
                summary.mutates = dict.fromkeys(own, 1)
                summary.holds = dict.fromkeys(own, frozenset(summary.parameters[1:]))
            return summary
        node = function_node(function)
        if node is None:
            why = "can't be looked into: its source is not to be had"
            summary.problem = Refusal("no-source", 0, name, why, f"define it in a cell, or --trust {name}")
            return summary
        closure: dict[str, object] = {}
        for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            try:
                closure[variable] = cell.cell_contents
            except ValueError:  # not bound yet
                closure[variable] = MISSING
        reader = self.reader(self, function.__globals__, closure, argument_names(node.args), name, summary)
        reader.sets = sets
        try:
            reader.read_function(node)
        except Problem as problem:
            summary.problem = problem.refusal
        return summary

    def check_callable(self, thing: object, line: int, name: str, sets: WhichSets = None) -> Summary | None:
        """The summary of anything that is called or passed on; raises where it must not be. None: library, pure.

        `sets` says which of a function's parameters are given a set.
        """
        if self.is_trusted(getattr(thing, "__func__", thing)):
            return None
        stateful = why_stateful(thing, seeded=self.seeded)
        if isinstance(thing, types.MethodType) and isinstance(thing.__self__, generator_types()) and stateful is None:
            return None  # it draws, which is allowed here
        if isinstance(thing, functools.partial | types.MethodType) and stateful is None:
            return self._check_bound(thing, line, name, sets)
        if stateful is not None:
            code, why = stateful
            raise Problem(Refusal(code, line, name, why, instead_of(code, why)))
        if isinstance(thing, LruCache):
            why = "keeps a cache, which would be filled in the workers and not here"
            raise Problem(Refusal("memoised", line, name, why, f"--trust {_trust_name(thing, name)}"))
        if isinstance(thing, types.FunctionType) and is_own(thing):
            summary = self.summary(thing)
            if sets is not None and (given := sets(summary.parameters)):
                summary = self.summary(thing, given)
        elif isinstance(thing, type) and is_own(thing):
            summary = self.class_summary(thing)
            self.keeps_sets |= sets is not None and bool(sets(summary.parameters))
        elif isinstance(thing, types.BuiltinFunctionType | types.MethodWrapperType) and changes_owner(thing):
            raise Problem(
                Refusal("mutates", line, name, "changes the object whose method it is", instead_of_change(name))
            )
        elif isinstance(thing, types.FunctionType | type | types.BuiltinFunctionType) or not is_own(type(thing)):
            return self._check_foreign(thing, line, name, sets)
        else:
            call = inspect.getattr_static(type(thing), "__call__", None)
            if not isinstance(call, types.FunctionType):
                raise Problem(Refusal("unknown-call", line, name, "is called, and it can't be told what that does"))
            return self._check_bound(types.MethodType(call, thing), line, name, sets)
        if summary.problem is not None:
            raise Problem(_passed_on(summary.problem, line, name))
        return summary

    def _check_bound(
        self, thing: functools.partial[Any] | types.MethodType, line: int, name: str, sets: WhichSets = None
    ) -> Summary | None:
        """A function some of whose arguments are given already: those live on, so it must not change them."""
        if isinstance(thing, functools.partial):
            function, given, keywords = thing.func, thing.args, thing.keywords
        else:
            function, given, keywords = thing.__func__, (thing.__self__,), {}

        def open_sets(parameters: Sequence[str]) -> frozenset[str]:
            rest = [p for p in parameters[len(given) :] if p not in keywords]
            return sets(rest) if sets is not None else frozenset()

        summary = self.check_callable(function, line, name, open_sets)
        for value in (*given, *keywords.values()):
            self.meet(value)
            if (
                isinstance(thing, functools.partial)
                and callable(value)
                and self.check_callable(value, line, name) is not None
                and summary is None
            ):
                raise Problem(
                    Refusal("unknown-call", line, name, "is given a function, and it can't be told how it is called")
                )
        if summary is None:
            return None
        bound = {*summary.parameters[: len(given)], *keywords}
        if len(given) > len(summary.parameters):
            bound |= summary.mutates.keys()
        if bound & summary.mutates.keys():
            why = "changes an object that it is bound to, which lives on after the call"
            raise Problem(Refusal("hidden-state", line, name, why, KEEP_ELSEWHERE))
        if bound & summary.calls:
            raise Problem(Refusal("unknown-call", line, name, "calls a function that it is bound to"))
        rest = tuple(p for p in summary.parameters if p not in bound)
        result = summary.result
        if result.hanging & bound:
            result = UNKNOWN
        return replace(
            summary, parameters=rest, result=result, holds={p: h for p, h in summary.holds.items() if p in rest}
        )

    def _check_foreign(self, thing: object, line: int, name: str, sets: WhichSets = None) -> Summary | None:
        """A callable of a library: pure, unless it is made around functions of the notebook."""
        self.writes |= may_write(thing)
        if is_unseen(thing, name):
            self.unseen = self.unseen or (line, name)
        if isinstance(thing, operator.methodcaller):
            if thing.__reduce__()[1][0] in MUTATORS:
                raise Problem(Refusal("unknown-call", line, name, "calls a method that changes its object"))
            return None
        found: Summary | None = None
        for inner in _inner_functions(thing):
            summary = self.check_callable(inner, line, name, sets)
            if inner is getattr(thing, "__wrapped__", None):
                found = summary
            elif summary is not None and (summary.mutates or summary.calls):
                raise Problem(
                    Refusal("mutates", line, name, "is made of a function that changes what it is given, or calls it")
                )
        return found

    def class_summary(self, cls: type) -> Summary:
        """What making an instance does."""
        self.classes.update(base for base in cls.__mro__ if is_own(base))
        combined = Summary(result=Value(1, held=ANYTHING))
        if type(cls) is not type and is_own(type(cls)):
            combined.problem = Refusal("hidden-state", 0, cls.__name__, "has a metaclass of its own")
            return combined
        for factory in factories(cls):
            if callable(factory):
                made = self.check_callable(factory, 0, cls.__name__)
                combined.reads |= made.reads if made is not None else set()
        for method in ("__new__", "__init__", "__post_init__"):
            function = getattr(cls, method, None)
            if isinstance(function, types.FunctionType) and is_own(function):
                inner = self.summary(function)
                if inner.problem is not None:
                    combined.problem = inner.problem
                    return combined
                combined.reads |= inner.reads
                own = inner.parameters[:1]
                if method == "__new__" and inner.mutates.keys() & set(own):
                    combined.problem = Refusal(
                        "hidden-state", 0, cls.__name__, "changes its class when an instance is made"
                    )
                    return combined
                combined.parameters = inner.parameters[1:]
                combined.variadic |= inner.variadic
                combined.mutates |= {p: level for p, level in inner.mutates.items() if p not in own}
                combined.calls |= inner.calls
        if self._is_plain(cls):
            combined.result = Value(1, held=frozenset(combined.parameters))
        return combined

    def _is_plain(self, cls: type) -> bool:
        """Tell whether its instances hold nothing but what they are given and what their own methods make."""
        if isinstance(vars(cls).get("__new__"), types.FunctionType) and is_own(vars(cls)["__new__"]):
            return is_generated(vars(cls)["__new__"])
        if any(isinstance(factory, types.FunctionType) for factory in factories(cls)):
            return False
        for base in cls.__mro__:
            if not is_own(base):
                if base not in (object, list, dict, set, tuple, Exception, ValueError, RuntimeError, BaseException):
                    return False
                continue
            for method in vars(base).values():
                if isinstance(method, types.FunctionType) and is_own(method):
                    summary = self.summary(method)
                    held = frozenset().union(*summary.holds.values())
                    if not held <= set(summary.parameters):
                        return False
        return True

    def methods(self, name: str) -> Iterator[tuple[type, types.FunctionType]]:
        """Every method or property of that name in the classes met so far."""
        for cls in list(self.classes):
            member = vars(cls).get(name, MISSING)
            if isinstance(member, property):
                member = member.fget
            elif isinstance(member, functools.cached_property):
                member = member.func
            elif isinstance(member, staticmethod | classmethod):
                member = member.__func__
            if isinstance(member, types.FunctionType):
                yield cls, member

    def is_of_class(self, attribute: str) -> bool:
        """Tell whether one of the classes met so far keeps something that can change under this name."""
        return any(_can_change(vars(cls)[attribute]) for cls in self.classes if attribute in vars(cls))

    def check_operators(self, line: int, reader: Summary) -> None:
        """Operators, conversions and attribute hooks of the classes met so far must change nothing.

        Those that are there to change their own object may do that: they are looked at where they are used. What they
        read is added to what `reader` reads.
        """
        done: set[type] = set()
        while done != self.classes:
            for cls in list(self.classes - done):
                done.add(cls)
                for name, raw in vars(cls).items():
                    if not (name.startswith("__") and name.endswith("__")) or name in CALLED_DUNDERS:
                        continue
                    member = raw.__func__ if isinstance(raw, staticmethod | classmethod) else raw
                    if isinstance(member, types.FunctionType) and is_own(member):
                        summary = self.summary(member)
                        reader.reads |= summary.reads
                        label = f"{cls.__name__}.{name}"
                        if summary.problem is not None:
                            raise Problem(_passed_on(summary.problem, line, label))
                        changed = set(summary.mutates)
                        if name in CHANGING_DUNDERS:
                            changed -= set(summary.parameters[:1])
                        if changed or summary.calls:
                            why = "changes an object that outlives the iteration"
                            raise Problem(Refusal("hidden-state", line, label, why, KEEP_ELSEWHERE))


_LASTING: Final = (
    int, float, complex, str, bytes, bool, tuple, frozenset, type(None), types.FunctionType, types.BuiltinFunctionType,
    type, property, classmethod, staticmethod, functools.cached_property, types.MemberDescriptorType,
    types.GetSetDescriptorType, types.MethodDescriptorType, types.WrapperDescriptorType,
)  # fmt: skip


def _can_change(value: object) -> bool:
    return not isinstance(value, _LASTING)


def _inner_functions(thing: object) -> Iterator[object]:
    """Functions of the notebook that a library's callable is made of."""
    held: list[object] = [getattr(thing, "__wrapped__", None)]
    inner = getattr(thing, "__dict__", None)
    if isinstance(inner, dict) and not isinstance(thing, type):
        held += inner.values()
    for cell in getattr(thing, "__closure__", None) or ():
        try:
            held.append(cell.cell_contents)
        except ValueError:  # not bound yet
            continue
    for each in held:
        for one in each.values() if isinstance(each, dict | types.MappingProxyType) else (each,):
            bare = getattr(one, "__func__", getattr(one, "func", one))
            if isinstance(bare, types.FunctionType) and is_own(bare):
                yield one


def _trust_name(thing: object, name: str) -> str:
    """By what name a function can be trusted: the one that it was defined by, where it is the notebook's."""
    defined = str(getattr(thing, "__qualname__", "")).rpartition("<locals>.")[2]
    return defined if defined and is_own(thing) else name


_DEEPER: Final = "calls a place that can't be split: "


def _passed_on(problem: Refusal, line: int, name: str) -> Refusal:
    """A helper's problem as the caller's: the line of the loop, the helper's name, and where in it."""
    if problem.line == 0:
        return Refusal(problem.code, line, name, problem.why, problem.instead)
    inner = problem.name and problem.name != name
    if problem.why.startswith(_DEEPER):  # through several functions: the last of them is what counts
        where = problem.why
    else:
        where = f"{_DEEPER}`{problem.name}` {problem.why}" if inner else problem.why
    return Refusal(problem.code, line, name, where, problem.instead)
