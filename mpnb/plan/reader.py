"""Reads the body of a function, or of a loop, statement by statement, and holds each against the rules."""

from __future__ import annotations

import ast
import builtins
import collections
import functools
import itertools
import types
from collections.abc import Iterable, Iterator
from typing import Final

from mpnb.plan.advice import KEEP_ELSEWHERE
from mpnb.plan.calls import Calls
from mpnb.plan.identity import holds_only_kept, is_copied
from mpnb.plan.library import instead_of, is_library_module, is_own, static_attribute, why_stateful
from mpnb.plan.names import argument_names, read_names, target_names
from mpnb.plan.syntax import is_number, stores
from mpnb.plan.tables import DYNAMIC, LruCache
from mpnb.plan.values import ANYTHING, FRESH, MISSING, Value, join


class BodyReader(Calls):
    """Reads one function's (or loop's) statements against the rules; fills its summary, raises at a problem."""

    def read_function(self, node: ast.FunctionDef | ast.Lambda) -> None:
        """Read a function: its body, what it gives back, and what it makes hang on its parameters."""
        body: list[ast.stmt]
        body = [ast.copy_location(ast.Return(node.body), node.body)] if isinstance(node, ast.Lambda) else node.body
        self.read_body(body)
        if self.is_generator:
            self.summary.result = Value(1, held=ANYTHING, no_set=True)
        else:
            self.summary.result = self._outside(join([self.value(result) for result in self.results] or [FRESH]))
        for name in self.parameters:
            held = self.local(name).held
            if held:
                self.summary.holds[name] = held if held <= self.parameters else held & self.parameters | ANYTHING

    def _outside(self, result: Value) -> Value:
        """A result as callers see it: of all roots they know only the parameters."""
        known = self.parameters
        roots = result.roots if result.roots <= known else (result.roots & known) | ANYTHING
        held = result.held if result.held <= known else (result.held & known) | ANYTHING
        return Value(result.fresh, roots=roots, held=held, is_set=result.is_set, no_set=result.no_set)

    def read_body(self, body: list[ast.stmt]) -> None:
        """Read statements: first which names they bind, then each against the rules."""
        names = read_names(body)
        for statement in body:
            for inner in ast.walk(statement):
                if isinstance(inner, ast.Global):
                    self.global_names |= set(inner.names)
        self.locals |= set(names.defs) - self.global_names
        bound = {
            name
            for statement in body
            for node in ast.walk(statement)
            if isinstance(node, ast.comprehension)
            for name in target_names(node.target)
        }
        # a comprehension's own names; one that the function reads outside of it too is two things at once
        self.torn = (bound & names.refs.keys()) - self.locals
        self.locals |= bound - self.torn
        for statement in body:
            self.bind(statement)
        for statement in body:
            self.visit(statement)

    def visit_Global(self, node: ast.Global) -> None:
        """A name set as a global outlives the call."""
        raise self.refuse("hidden-state", node, node.names[0], f"is set as a global by `{self.name}`", KEEP_ELSEWHERE)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        """A name of an enclosing function outlives the call, unless that function is defined in here."""
        if self.lambda_names:
            return  # of a function defined in here, whose own variables are this iteration's
        raise self.refuse(
            "hidden-state", node, node.names[0], f"is kept between calls of `{self.name}`", KEEP_ELSEWHERE
        )

    def visit_Import(self, node: ast.Import) -> None:
        """Importing a module of the user's own runs it; libraries are taken as pure."""
        for alias in node.names:
            if not is_library_module(alias.name):
                raise self.refuse("stateful", node, alias.name, "is imported inside the iteration", "import it above")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """As `visit_Import`."""
        if node.module is None or not is_library_module(node.module):
            raise self.refuse(
                "stateful", node, node.module or ".", "is imported inside the iteration", "import it above"
            )

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """A class made here would be another one in every process."""
        raise self.refuse(
            "statement", node, node.name, "is a class made inside the iteration", "make it above the loop"
        )

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """What is asynchronous needs the event loop."""
        raise self.refuse("statement", node, node.name, "is asynchronous")

    def visit_Await(self, node: ast.Await) -> None:
        """What is asynchronous needs the event loop."""
        raise self.refuse("statement", node, "await", "needs the event loop of this process")

    def visit_Return(self, node: ast.Return) -> None:
        """What is returned is a result of this function, or of one that is defined in it."""
        if node.value is not None:
            if not self.lambda_names:
                self.results.append(node.value)
            else:
                self.keep(node.value)
            self.visit(node.value)

    def visit_Yield(self, node: ast.Yield) -> None:
        """What is yielded is held by whoever goes through the generator."""
        self.is_generator = True
        if node.value is not None:
            self.keep(node.value)
        self.generic_visit(node)

    def visit_YieldFrom(self, node: ast.YieldFrom) -> None:
        """An order is taken of what is yielded from."""
        self.is_generator = True
        self.check_order(node.value, node)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        """Two numbers or texts that are one object here may be two in a worker."""
        sides = [node.left, *node.comparators]
        for op, left, right in zip(node.ops, sides, sides[1:], strict=False):
            match op:
                case ast.Is() | ast.IsNot():
                    copied = is_copied(self.value(left).thing) or is_copied(self.value(right).thing)
                    if copied or not (self._is_kept(left) or self._is_kept(right)):
                        why = "compares by identity what may be a number or text, of which a worker has copies"
                        raise self.refuse("identity", node, ast.unparse(node), why, "== (or math.isnan)")
                case ast.In() | ast.NotIn():
                    if not isinstance(right, ast.Constant | ast.JoinedStr):
                        self.inspector.compares = self.inspector.compares or (node, self.name)
                case ast.Eq() | ast.NotEq():
                    if not any(
                        isinstance(side, ast.Constant | ast.JoinedStr) or is_number(side) for side in (left, right)
                    ):
                        self.inspector.compares = self.inspector.compares or (node, self.name)
                case _:
                    pass
        self.generic_visit(node)

    def _is_kept(self, node: ast.expr) -> bool:
        """Tell whether this is surely no number and no text, so that `is` tells the same of it in a worker."""
        match node:
            case ast.Constant(value=value):
                return not is_copied(value)
            case ast.List() | ast.Dict() | ast.Set() | ast.ListComp() | ast.DictComp() | ast.SetComp() | ast.Lambda():
                return True
            case ast.Call(ast.Name("type")) | ast.Attribute(attr="__class__"):
                return True
            case ast.Name(name) if name in self.items and not any(name in names for names in self.lambda_names):
                return True
            case _:
                pass
        thing = self.value(node).thing
        if thing is not MISSING:
            return not is_copied(thing)
        return isinstance(node, ast.Subscript) and holds_only_kept(self.value(node.value).thing)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """A look-up by a key that is a nan finds the one and the same only."""
        if isinstance(node.ctx, ast.Load) and not isinstance(node.slice, ast.Constant | ast.Slice | ast.JoinedStr):
            self.inspector.looks_up = self.inspector.looks_up or (node, self.name)
        self.generic_visit(node)

    def visit_Delete(self, node: ast.Delete) -> None:
        """To delete a part changes the whole."""
        for target in node.targets:
            if isinstance(target, ast.Subscript | ast.Attribute):
                self.change(target.value, node)
            elif isinstance(target, ast.Name) and target.id not in self.locals:
                raise self.refuse(
                    "mutates", node, target.id, "is deleted inside the iteration", "delete it after the loop"
                )
        self.generic_visit(node)

    def _check_targets(self, targets: Iterable[ast.expr], node: ast.AST) -> None:
        for target in targets:
            for inner in stores(target):
                if isinstance(inner, ast.Subscript | ast.Attribute):
                    self.change(inner.value, node)
                    if isinstance(inner, ast.Attribute):
                        self.check_setters(inner)
                elif isinstance(inner, ast.Name) and inner.id in self.global_names:
                    why = f"is set as a global by `{self.name}`"
                    raise self.refuse("hidden-state", node, inner.id, why, KEEP_ELSEWHERE)

    def visit_Assign(self, node: ast.Assign) -> None:
        """A store into something changes it."""
        self._check_targets(node.targets, node)
        for target in node.targets:
            self.check_unpacking(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """As `visit_Assign`."""
        self._check_targets([node.target], node)
        if node.value is not None:
            self.check_unpacking(node.target, node.value)
            self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """`x += y` may change the object that x is, or bind x anew."""
        if isinstance(node.target, ast.Name):
            if node.target.id in self.global_names:
                why = f"is set as a global by `{self.name}`"
                raise self.refuse("hidden-state", node, node.target.id, why, KEEP_ELSEWHERE)
            if self.local(node.target.id).fresh == 0 and not is_number(node.value):
                # x += [1] changes the list that x is; with a number on the right only an array could change,
                # and those are read-only in a worker
                self.change(ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target), node)
        else:
            self._check_targets([node.target], node)
        if isinstance(node.op, ast.Add) and not is_number(node.value):  # a list takes the order of what is added to it
            self.check_order(node.value, node)
        elif not isinstance(node.target, ast.Name):
            self.keep(node.value)
        self.visit(node.target)
        self.visit(node.value)

    def visit_For(self, node: ast.For) -> None:
        """A loop takes an order of what it goes through, and stores into its targets."""
        self.check_order(node.iter, node)
        self._check_targets([node.target], node)
        self.check_parts(node.target, node.iter)
        self.generic_visit(node)

    visit_AsyncFor = visit_Await  # type: ignore[assignment]

    visit_AsyncWith = visit_Await  # type: ignore[assignment]

    def visit_comprehension(self, node: ast.comprehension) -> None:
        """A comprehension takes an order of what it goes through, where its order shows."""
        if not self.in_order_free:
            self.check_order(node.iter, node.iter)
        self.check_parts(node.target, node.iter)
        self.generic_visit(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        """What a set is made of may come in any order."""
        self.inspector.compares = self.inspector.compares or (node, self.name)
        self.keep(node.elt)
        self.order_free(node)

    def _visit_display(self, node: ast.List | ast.Tuple | ast.Dict) -> None:
        elements = node.values if isinstance(node, ast.Dict) else node.elts
        if not isinstance(node, ast.Dict) and isinstance(node.ctx, ast.Store):
            elements = []
        for element in elements:
            self.keep(element)
        self.generic_visit(node)

    visit_List = visit_Tuple = visit_Dict = _visit_display

    def visit_Set(self, node: ast.Set) -> None:
        """A set holds its elements, known no more."""
        self.inspector.compares = self.inspector.compares or (node, self.name)
        for element in node.elts:
            self.keep(element)
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp | ast.GeneratorExp) -> None:
        """A list has the order of what it is made of."""
        self.keep(node.elt)
        self.order_free(node, free=False)

    visit_GeneratorExp = visit_ListComp

    def visit_DictComp(self, node: ast.DictComp) -> None:
        """A dict has the order of what it is made of."""
        self.inspector.compares = self.inspector.compares or (node, self.name)
        self.keep(node.value)
        self.order_free(node, free=False)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> None:
        """A text shows the order of what is formatted."""
        self.check_orders_in(node.value)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """`"%s" % x` shows the order of x."""
        if isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant | ast.JoinedStr):  # "%s" % x
            for part in node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]:
                self.check_orders_in(part)
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        """`*x` takes an order of x."""
        self.check_order(node.value, node)
        self.generic_visit(node)

    def visit_With(self, node: ast.With) -> None:
        """Calls `__enter__` and `__exit__`."""
        for item in node.items:
            owner = self.value(item.context_expr)
            for method in ("__enter__", "__exit__"):
                self.method_call(method, item.context_expr, owner, node)
            if item.optional_vars is not None:
                self._check_targets([item.optional_vars], node)
        self.generic_visit(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """A lambda's body is read as part of this one, its parameters as unknown."""
        self.keep(node.body)
        self.lambda_names.append(argument_names(node.args))
        self.generic_visit(node)
        self.lambda_names.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """A function defined inside: its body is read as part of this one, its own variables as unknown."""
        inner = argument_names(node.args) | set(read_names(node.body).defs)
        self.lambda_names.append(inner)
        hidden = self.locals & inner
        self.locals -= hidden
        for statement in node.body:
            self.visit(statement)
        self.locals |= hidden
        self.lambda_names.pop()
        for outer in [*node.decorator_list, *node.args.defaults]:
            self.visit(outer)

    def visit_Name(self, node: ast.Name) -> None:
        """A name that leads out of the body: what it leads to is met, and noted as read."""
        if not isinstance(node.ctx, ast.Load) or (node.id in self.locals and node.id not in self.torn):
            return
        if any(node.id in names for names in self.lambda_names):
            return
        thing = self.lookup(node.id)
        if node.id not in self.closure and self.globals is self.inspector.namespace:
            self.summary.reads.add(node.id)
        if node.id in DYNAMIC and (thing is getattr(builtins, node.id, MISSING) or node.id == "get_ipython"):
            raise self.refuse("dynamic", node, node.id, "looks things up, or acts, in a way that can't be followed")
        if thing is MISSING:
            return
        if thing is builtins.id:
            why = "gives an address, which is another one in a worker"
            raise self.refuse("identity", node, node.id, why, "an attribute or a number of your own")
        if isinstance(thing, types.FunctionType | type | functools.partial | LruCache):
            summary = self.inspector.check_callable(thing, node.lineno, node.id)
            if summary is not None:
                self.summary.reads |= summary.reads
        elif not isinstance(thing, types.ModuleType | types.BuiltinFunctionType):
            kept = self.why_kept(thing)
            if kept is None and (isinstance(thing, types.GeneratorType) or _is_iterator(thing)):
                kept = "stateful", f"is a {type(thing).__name__}, which keeps a state of its own"
            if kept is not None:
                raise self.refuse(kept[0], node, node.id, kept[1], instead_of(*kept))
            self.inspector.meet(thing)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """An attribute may run code: a property, a cached one, a descriptor."""
        self.visit(node.value)
        if isinstance(node.ctx, ast.Load):
            owner = self.value(node.value)
            if owner.thing is not MISSING:
                thing = static_attribute(owner.thing, node.attr)
                own = isinstance(thing, types.FunctionType | type) and is_own(thing)
                if own or (callable(thing) and why_stateful(thing, seeded=self.inspector.seeded) is not None):
                    self.inspector.check_callable(thing, node.lineno, ast.unparse(node))
            for cls, method in self.inspector.methods(node.attr):
                if isinstance(vars(cls).get(node.attr), property):
                    self.check_method(cls, method, node.value, node)
                elif isinstance(vars(cls).get(node.attr), functools.cached_property):
                    if owner.fresh == 0 and not self.inspector.is_trusted(method):
                        why = "is a cached property, filled in the workers and not here"
                        name = f"{cls.__name__}.{node.attr}"
                        raise self.refuse("memoised", node, name, why, f"--trust {name}")
                    self.check_method(cls, method, node.value, node)
            self.check_descriptors(node, "__get__")

    def check_kept(self, results: Iterable[ast.expr], own: frozenset[str]) -> None:
        """Refuse where a comprehension's result keeps a lambda or generator expression that sees its variables.

        Python makes all of them see one variable, which has the last value in the end. A comprehension that begins in
        the kernel, and is ended there because what it makes can't be sent, is two, each with variables of its own.
        """
        for made in itertools.chain.from_iterable(map(self._kept, results)):
            seen = own & _seen_later(made)
            if seen:
                what = "a lambda" if isinstance(made, ast.Lambda) else "a generator"
                why = f"is seen by {what} that is kept, and would be another variable in a worker"
                raise self.refuse("unsendable", made, min(seen), why)

    def _kept(self, node: ast.expr) -> Iterator[ast.expr]:
        """The lambdas and generator expressions in a value that may outlive its evaluation."""
        if isinstance(node, ast.Lambda | ast.GeneratorExp):
            yield node
        elif not (isinstance(node, ast.Call) and self._uses_up(node)):
            for child in ast.iter_child_nodes(node):
                part = child.value if isinstance(child, ast.keyword) else child
                if isinstance(part, ast.comprehension):
                    yield from self._kept(part.iter)
                elif isinstance(part, ast.expr):
                    yield from self._kept(part)

    def _uses_up(self, node: ast.Call) -> bool:
        """Tell whether nothing of what a call is given is kept in what it gives."""
        function = node.func
        thing = self.value(function).thing
        if any(thing is each for each in _EATERS):
            return True
        if isinstance(thing, types.FunctionType) and is_own(thing):
            return self.inspector.summary(thing).result.fresh == 2
        if isinstance(thing, types.FunctionType | types.BuiltinFunctionType) and not is_own(thing):
            return thing.__module__ not in {"functools", "_functools"} or thing is functools.reduce
        return thing is MISSING and isinstance(function, ast.Attribute) and function.attr in _EATING_METHODS


#: Types that take what they are made of out of a generator, and methods that have done with a function when they end.
_EATERS: Final = (
    list, tuple, set, frozenset, dict, bytes, bytearray, str, bool, int, float,
    collections.deque, collections.Counter, collections.OrderedDict,
)  # fmt: skip
_EATING_METHODS: Final = frozenset(
    "apply applymap map agg aggregate transform filter sort join sub subn assign pipe extend update".split()
)


def _seen_later(made: ast.expr) -> set[str]:
    """The names that a lambda or generator expression looks up after it was made."""
    if isinstance(made, ast.Lambda):
        return read_names([made.body]).refs.keys() - argument_names(made.args)
    assert isinstance(made, ast.GeneratorExp)
    first, *rest = made.generators
    begun = ast.comprehension(first.target, ast.Constant(None), first.ifs, 0)
    return set(read_names([ast.GeneratorExp(made.elt, [begun, *rest])]).refs)


def _is_iterator(thing: object) -> bool:
    return not isinstance(thing, type) and hasattr(type(thing), "__next__")
