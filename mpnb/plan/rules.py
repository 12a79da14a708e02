"""The two rules for every statement: only what is fresh may be changed, and no order may be taken of a set."""

from __future__ import annotations

import ast
import types

from mpnb.plan.advice import KEEP_ELSEWHERE, instead_of_change
from mpnb.plan.evaluator import Evaluator
from mpnb.plan.library import is_own
from mpnb.plan.loops import is_wrapper
from mpnb.plan.syntax import is_number, is_whole, root_name
from mpnb.plan.tables import ORDER_FREE, ORDER_FREE_METHODS
from mpnb.plan.types import Refusal
from mpnb.plan.values import UNKNOWN, Problem, Value


class Rules(Evaluator, ast.NodeVisitor):
    """What is changed, and where an order is taken, held against what is known of the values; raises at a problem."""

    def refuse(self, code: str, node: ast.AST, name: str, why: str, instead: str = "") -> Problem:
        """A refusal at this place, to be raised."""
        return Problem(Refusal.at(code, node, name, why, instead))

    def visit(self, node: ast.AST) -> None:
        """Read a part; what was found in what it calls is a problem of this place."""
        try:
            super().visit(node)
        except Problem as problem:
            problem.find_place(node)
            raise

    def change(self, target: ast.expr, node: ast.AST, needed: int = 1, instead: str = "") -> None:
        """Something is changed: it must be fresh, or be a parameter whose caller then has to see to it."""
        value = self.value(target)
        for inner in ast.walk(target):
            if isinstance(inner, ast.Attribute) and self.inspector.is_of_class(inner.attr):
                why = "is kept on a class, whose instances share it, and is changed inside the iteration"
                raise self.refuse("hidden-state", node, ast.unparse(target), why, KEEP_ELSEWHERE)
        if value.fresh >= needed:
            return
        roots = value.roots if value.fresh == 0 else frozenset()
        if needed == 2 or value.fresh == 1:
            roots |= value.held
        if roots and roots <= self.parameters:
            depth = 1 if isinstance(target, ast.Name) and target.id in self.parameters else 2
            for name in roots:
                self.summary.mutates[name] = max(self.summary.mutates.get(name, 0), depth, needed)
            return
        name = ast.unparse(target)
        root = root_name(target)
        if root is not None and root not in self.locals and isinstance(self.lookup(root), types.FunctionType | type):
            why = "keeps state on a function or class, which is changed inside the iteration"
            raise self.refuse("hidden-state", node, name, why, KEEP_ELSEWHERE)
        why = "is changed inside the iteration, and it outlives the iteration"
        raise self.refuse("mutates", node, name, why, instead or instead_of_change(name))

    def check_unpacking(self, target: ast.expr, value: ast.expr) -> None:
        """`a, b = x` takes an order from x, and a store into something keeps what is stored."""
        match target:
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(targets):
                    for inner, part in zip(targets, value.elts, strict=True):
                        self.check_unpacking(inner, part)
                    return
                self.check_order(value, value)
                for inner in targets:
                    if isinstance(inner, ast.Tuple | ast.List):
                        self._note_order(UNKNOWN, value)
            case ast.Subscript(slice=ast.Slice()):
                self.check_order(value, value)
            case ast.Subscript() | ast.Attribute():
                self.keep(value)
            case _:
                pass

    def check_parts(self, target: ast.expr, iterable: ast.expr) -> None:
        """`for a, b in x` takes an order from the elements of x."""
        if not isinstance(target, ast.Tuple | ast.List):
            return
        method = iterable.func if isinstance(iterable, ast.Call) else None
        pairs = (isinstance(method, ast.Attribute) and method.attr == "items") or is_wrapper(iterable)
        if not pairs or any(isinstance(inner, ast.Tuple | ast.List) for inner in target.elts):
            self._note_order(self.value(iterable).part(), iterable)

    def order_free(self, node: ast.AST, *, free: bool = True) -> None:
        """Read what is inside, where the order of what is gone through does not show (or does)."""
        before, self.in_order_free = self.in_order_free, free
        self.generic_visit(node)
        self.in_order_free = before

    def check_order(self, iterable: ast.expr, node: ast.AST) -> None:
        """An order is taken from this: refused where it is known to be a set, noted where that can't be told."""
        if self.is_reordered(iterable):
            why = "is a set, whose order differs between processes unless it holds only numbers"
            raise self.refuse("set-order", node, ast.unparse(iterable), why, f"sorted({ast.unparse(iterable)})")
        value = self.value(iterable)
        if not value.is_set and not value.no_set and not is_number(iterable):
            self._note_order(value, iterable)

    def check_orders_in(self, node: ast.expr) -> None:
        """An order is taken from this or from anything that hangs on it."""
        self.check_order(node, node)
        value = self.value(node)
        if not (value.fresh == 2 and value.no_set) and not is_number(node) and not callable(value.thing):
            self._note_order(value.part(), node)

    def _note_order(self, value: Value, node: ast.AST) -> None:
        if value.fresh < 2:
            self.inspector.orders = True
        if self.inspector.order_place is None:
            self.inspector.order_place = node, self.name

    def keep(self, node: ast.expr) -> None:
        """Something is put where it is not known any more what it is."""
        if self.is_reordered(node):
            self.inspector.keeps_sets = True

    def is_order_free(self, node: ast.Call) -> bool:
        """Tell whether a builtin gives the same for every order of its arguments' elements."""
        if self.is_builtin(node.func, frozenset({"sum"})):
            match node.args:
                case [ast.GeneratorExp(elt=element) | ast.ListComp(elt=element), *_]:
                    return is_whole(element)  # sums of floats hang on the order in their last bits
                case _:
                    return False
        return self.is_builtin(node.func, ORDER_FREE) and not any(k.arg == "key" for k in node.keywords)

    def takes_order(self, function: ast.expr) -> bool:
        """Does a call make an order out of a set given to it? Own functions are looked into by themselves."""
        thing = self.value(function).thing
        if isinstance(function, ast.Attribute) and function.attr in ORDER_FREE_METHODS:
            return False
        if type(thing).__name__ == "ufunc" or getattr(thing, "__module__", None) in {"math", "cmath"}:
            return False
        return not (isinstance(thing, types.FunctionType | type) and is_own(thing))
