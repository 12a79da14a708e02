"""The names of one body: which are its own, what they are bound to, and where the others lead."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Mapping
from typing import Any

from mpnb.plan.inspector import Inspector
from mpnb.plan.library import is_open
from mpnb.plan.names import target_names
from mpnb.plan.syntax import root_name
from mpnb.plan.values import MISSING, Summary, Value


class Scope:
    """One function's (or loop's) body as it is being read: its names, and the summary that is filled."""

    def __init__(
        self,
        inspector: Inspector,
        globals_: Mapping[str, Any],
        closure: Mapping[str, Any],
        parameters: Iterable[str],
        name: str,
        summary: Summary,
    ) -> None:
        self.inspector = inspector
        self.globals = globals_
        self.closure = closure
        self.parameters = set(parameters)
        self.name = name
        self.summary = summary
        self.bindings: dict[str, list[Any]] = {}  # local name → how it is bound, see bind
        self.locals: set[str] = set(self.parameters)
        self.global_names: set[str] = set()
        self.memo: dict[str, Value] = {}
        self.results: list[ast.expr] = []
        self.is_generator = False
        self.lambda_names: list[set[str]] = []
        self.in_order_free = False
        self.torn: set[str] = set()
        self.items: frozenset[str] = frozenset()  # loop variables that are no numbers and no texts
        self.sets: frozenset[str] = frozenset()  # parameters that are sets
        self.ordering: frozenset[int] = frozenset()  # effects that take an order from their operand
        self.adding: frozenset[int] = frozenset()  # those of them that are `+=`

    def bind(self, tree: ast.AST) -> None:
        """Collect, for every local name, the expressions that it is bound to ("part": an element of one)."""
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        self._bind_target(target, value)
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    self._bind_target(target, value)
                case ast.AugAssign(target=ast.Name(name), value=value):
                    self.bindings.setdefault(name, []).append(("aug", value))
                case ast.NamedExpr(target=ast.Name(name), value=value):
                    self.bindings.setdefault(name, []).append(("is", value))
                case ast.For(target=target, iter=iterable) | ast.comprehension(target=target, iter=iterable):
                    for name in target_names(target):
                        self.bindings.setdefault(name, []).append(("part", iterable))
                case ast.With(items=items):
                    for item in items:
                        if item.optional_vars is not None:
                            for name in target_names(item.optional_vars):
                                self.bindings.setdefault(name, []).append(("is", item.context_expr))
                case ast.ExceptHandler(name=str(name)):
                    self.bindings.setdefault(name, []).append(("fresh", None))
                case ast.Import() | ast.ImportFrom():
                    for alias in node.names:
                        self.bindings.setdefault((alias.asname or alias.name).split(".")[0], []).append(
                            ("import", alias)
                        )
                case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                    self.bindings.setdefault(name, []).append(("unknown", None))
                case ast.MatchMapping(rest=str(name)):
                    self.bindings.setdefault(name, []).append(("unknown", None))
                case ast.FunctionDef(name=name):
                    self.bindings.setdefault(name, []).append(("def", node))
                case ast.Call(function, arguments):
                    if isinstance(function, ast.Attribute) and (root := root_name(function.value)) is not None:
                        self.bindings.setdefault(root, []).append(("method", node))
                    for argument in arguments:
                        if (root := root_name(argument)) is not None:
                            self.bindings.setdefault(root, []).append(("given", node))
                case _:
                    pass

    def _bind_target(self, target: ast.expr, value: ast.expr) -> None:
        match target:
            case ast.Name(name):
                self.bindings.setdefault(name, []).append(("is", value))
            case ast.Subscript(base) | ast.Attribute(base):
                root = root_name(base)
                if root is not None:
                    self.bindings.setdefault(root, []).append(("holds", value))
            case ast.Tuple(elements) | ast.List(elements):
                same = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(elements)
                for position, element in enumerate(elements):
                    if same and not isinstance(element, ast.Starred):
                        self._bind_target(element, value.elts[position])  # type: ignore[attr-defined]
                    elif isinstance(element, ast.Subscript | ast.Attribute):
                        self._bind_target(element, value)
                    else:
                        for name in target_names(element):
                            self.bindings.setdefault(name, []).append(("part", value))
            case _:
                pass

    def lookup(self, name: str) -> Any:
        """The object that a name not bound here leads to, MISSING where there is none."""
        if name in self.closure:
            return self.closure[name]
        if name in self.globals:
            found = self.globals[name]
            # IPython puts an open() of its own into the notebook, which looks at its first argument and calls Python's
            return builtins.open if is_open(found) else found
        return getattr(builtins, name, MISSING)

    def is_builtin(self, node: ast.expr, names: frozenset[str]) -> bool:
        """Tell whether an expression is the name of one of these builtins, still with its own meaning."""
        return (
            isinstance(node, ast.Name)
            and node.id in names
            and node.id not in self.locals
            and self.lookup(node.id) is getattr(builtins, node.id, None)
        )
