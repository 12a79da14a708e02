"""A cell's syntax tree in, a `CellPlan` out: its sites found, each read by its own text, those that fit rewritten.

Or a function's: `read_body`. Sites are looked for at every depth of its own statements, not inside functions and
classes. The outermost one that can be split is split; what stands inside it runs where its iterations run.
"""

from __future__ import annotations

import ast
import builtins
import operator
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, ClassVar, Final, TypeVar, cast

from mpnb.collector import collector_paused
from mpnb.plan.loops import is_by_row, read_applied, read_comprehension, read_for, read_map, skips_missing
from mpnb.plan.names import Comprehension, read_names
from mpnb.plan.nodes import alike, children, parts, walked
from mpnb.plan.rewrite import (
    noted,
    noted_value,
    rewrite_applied,
    rewrite_comprehension,
    rewrite_for,
    rewrite_if_known,
    rewrite_map,
)
from mpnb.plan.tables import EAGER
from mpnb.plan.types import CellPlan, Loop, Refusal, SitePlan

_Comprehension = TypeVar("_Comprehension", bound=Comprehension)

#: Builtins that use up a generator expression or map at once.
#: Consumers, those of libraries as well, that put what they are given in a place by its hash.
_HASHING: Final = frozenset({"set", "frozenset", "dict", "Counter", "OrderedDict", "mode", "multimode"})
CONSUMERS: Final = frozenset({"list", "sum", "max", "min", "sorted", "dict", "set", "tuple", "frozenset", "any", "all"})
USE_UP: Final = EAGER.keys() - {"starmap"}
#: With one of these in a cell, its names could be seen while it runs: it is left alone.
SEES_NAMES: Final = frozenset({"globals", "locals", "vars", "dir", "exec", "eval"})
#: With one of these magics in a cell, its names are gone while it runs, the one that a split loop speaks to as well.
TAKES_NAMES: Final = frozenset({"reset", "reset_selective"})


#: What a site can be, or begin with; a call counts by the name of what is called.
_MAY_BE_SITES: Final = (ast.For, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_MAY_BE_CALLED: Final = frozenset({"map", "starmap", "filter", "apply", "applymap", "transform", "agg"})
_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def may_have_sites(tree: ast.AST) -> bool:
    """Tell by a look at the kinds of nodes whether planning a cell could find anything; True where in doubt."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, _MAY_BE_SITES):
            return True
        if isinstance(node, ast.Call):
            called = node.func
            if (called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")) in _MAY_BE_CALLED:
                return True
        if not isinstance(node, _SCOPES):
            todo += children(node)
    return False


def read_cell(tree: ast.Module) -> CellPlan:
    """Plan a cell; the tree is left as it is. Runs nothing and looks at no object."""
    with collector_paused():
        return _read(tree)


def _read(tree: ast.Module) -> CellPlan:
    for node in walked(tree):
        match node:
            case ast.Name(name) if name in SEES_NAMES:
                why = f"nothing is split: line {node.lineno} uses {name}(), which sees every name of the cell"
                return CellPlan(tree, [], why)
            case ast.Call(ast.Attribute(attr="run_line_magic"), [ast.Constant(magic), *_]) if magic in TAKES_NAMES:
                why = f"nothing is split: line {node.lineno} is %{magic}, which takes every name of the cell away"
                return CellPlan(tree, [], why)
    finder = _SiteFinder()
    body: list[ast.stmt] = [finder.visit(statement) for statement in tree.body]
    match tree.body, body:
        case [*_, ast.Expr()], [*_, ast.With(body=[ast.Expr() as shown])]:
            body[-1:] = noted_value(shown)
    return CellPlan(ast.Module(body, tree.type_ignores), finder.sites, "" if finder.sites else _why_none(tree))


def read_body(function: ast.FunctionDef) -> CellPlan:
    """Plan the body of a function, which is changed in place. Runs nothing and looks at no object."""
    finder = _SiteFinder(function)
    function.body = [finder.visit(statement) for statement in function.body]
    tree = ast.Module([function], [])
    return CellPlan(tree, finder.sites, "" if finder.sites else _why_none(ast.Module(function.body, [])))


def _text(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ast.unparse(node)


def _why_none(tree: ast.Module) -> str:
    if not tree.body:
        return "no loop here: the cell is empty"
    for node in _own_nodes(tree):
        if isinstance(node, ast.While):
            return f"while loops stay serial (line {node.lineno})"
        if isinstance(node, ast.AsyncFor):
            return f"async for loops stay serial (line {node.lineno})"
    for node in _own_nodes(tree):
        match node:
            case ast.Call(func=ast.Name(name)) if not hasattr(builtins, name):
                call = f"line {node.lineno} is one call, {name}()"
                return f"no loop here: {call}; where that is yours, @mpnb.parallel above its def splits the loops in it"
    return "no loop here"


def _own_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(tree):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield child
            yield from _own_nodes(child)


def _elsewhere(function: ast.FunctionDef, loop: ast.For) -> frozenset[str]:
    """The names that a function reads outside of a loop's body, or shares with what is around it."""
    found: set[str] = set()
    todo: list[ast.AST] = [function]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            found.update(node.names)
        inside = node.body if node is loop else ()
        todo += [child for child in children(node) if child not in inside]
    return frozenset(found)


def _closed_after(node: ast.With, last: ast.stmt) -> dict[str, str]:
    """What a `with` closes right after its last statement, in which it stands only as what is looped over, once."""
    if not isinstance(last, ast.For | ast.Assign | ast.Expr | ast.AugAssign):
        return {}
    made = {
        item.optional_vars.id: ast.unparse(item.context_expr.func)
        for item in node.items
        if isinstance(item.optional_vars, ast.Name) and isinstance(item.context_expr, ast.Call)
    }
    found = read_names(node.body)
    used = [inner.id for inner in ast.walk(last) if isinstance(inner, ast.Name)]
    return {name: call for name, call in made.items() if used.count(name) == 1 and name not in found.defs}


class Rebuilder:
    """Walks a tree from outside in, and puts something else in the place of some nodes.

    No node is changed: what one of those stands in is made anew, and the rest of the tree is the same nodes as before.
    """

    _visits: ClassVar[dict[type[ast.AST], Callable[[Any, Any], Any]]]

    def __init_subclass__(cls) -> None:
        cls._visits = {}

    def visit(self, node: ast.AST) -> Any:
        """Look into a node; give what stands in its place."""
        kind = type(node)
        if kind not in self._visits:
            self._visits[kind] = getattr(type(self), f"visit_{kind.__name__}", Rebuilder.generic_visit)
        return self._visits[kind](self, node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Look into the parts of a node."""
        found: dict[str, Any] = {}
        for name in parts[type(node)]:
            value = node.__dict__.get(name)
            if isinstance(value, ast.AST):
                if (new := self.visit(value)) is not value:
                    found[name] = new
            elif value and isinstance(value, list):
                many = [self.visit(each) if isinstance(each, ast.AST) else each for each in value]
                if any(map(operator.is_not, many, value)):
                    found[name] = many
        return alike(node, **found) if found else node

    def first_visited(self, node: _Comprehension) -> _Comprehension:
        """A comprehension with its first iterable looked into, which is evaluated outside of it."""
        first, *others = node.generators
        return alike(node, generators=[alike(first, iter=self.visit(first.iter)), *others])

    def comprehension(self, kind: str, node: Comprehension) -> ast.AST:
        """What becomes of a comprehension."""
        raise NotImplementedError

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        """A list comprehension."""
        return self.comprehension("list", node)

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        """A set comprehension."""
        return self.comprehension("set", node)

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        """A dict comprehension."""
        return self.comprehension("dict", node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        """A generator expression."""
        # not used up at once, as far as can be told: it stays lazy; only its first iterable is evaluated here
        return self.first_visited(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        """A function: what is inside is its own matter."""
        return node


class _SiteFinder(Rebuilder):
    """Puts what a site becomes in its place. The sites are numbered in the order in which it meets them."""

    def __init__(self, function: ast.FunctionDef | None = None) -> None:
        self.function = function
        self.sites: list[SitePlan] = []
        self.split = 0  # how many of them can be split
        self.label: ast.expr | None = None  # what the value of the statement that stands around is assigned to
        self.closing: dict[str, str] = {}

    def _visited(self, nodes: list[Any]) -> list[Any]:
        return [self.visit(node) for node in nodes]

    def _site(self, kind: str, node: ast.expr | ast.stmt, label: str, read: Loop | Refusal) -> SitePlan:
        site = SitePlan(len(self.sites), kind, node.lineno, node.col_offset, label)
        if isinstance(read, Loop):
            site.loop = read
            read.closing = self.closing
            site.label = read.label
            self.split += 1
        else:
            site.refusal = read
        self.sites.append(site)
        return site

    def visit_With(self, node: ast.With) -> ast.AST:
        *before, last = node.body
        items, body = self._visited(node.items), self._visited(before)
        outer, self.closing = self.closing, _closed_after(node, last)
        body.append(self.visit(last))
        self.closing = outer
        return alike(node, items=items, body=body)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        before, self.label = self.label, node.targets[0]
        statement = self._statement(node)
        self.label = before
        return statement

    def _statement(self, node: ast.stmt) -> ast.stmt:
        split = self.split
        found = cast("ast.stmt", self.generic_visit(node))
        return noted(found) if self.split > split else found

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return self._statement(node)

    def visit_Return(self, node: ast.Return) -> ast.AST:
        return self._statement(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        return self._statement(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        return self._statement(node)

    def visit_For(self, node: ast.For) -> ast.AST:
        read = read_for(node, None if self.function is None else _elsewhere(self.function, node))
        site = self._site("for", node, read.label if isinstance(read, Loop) else _text(node.target), read)
        outer, self.closing = self.closing, {}  # inside, the loop may go round again before anything is closed
        found = self._for(node, site)
        self.closing = outer
        return found

    def _for(self, node: ast.For, site: SitePlan) -> ast.AST:
        if site.loop is None:
            return self.generic_visit(node)
        node = alike(node, orelse=self._visited(node.orelse))
        rewritten = rewrite_for(node, site.number, site.loop, in_function=self.function is not None)
        # a site inside the iterable: for row in [load(p) for p in paths]
        rewritten.iter = self.visit(rewritten.iter)
        return rewritten

    def _shown(self, node: ast.expr) -> str:
        text = _text(self.label or node)
        return text if len(text) <= 40 else text[:39] + "…"

    def comprehension(self, kind: str, node: Comprehension) -> ast.AST:
        label = self._shown(node)
        site = self._site(kind, node, label, read_comprehension(node, label))
        node = self.first_visited(node)
        return node if site.loop is None else rewrite_comprehension(node, site.number, site.loop)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        used_up = None
        match node:
            case ast.Call(ast.Name(consumer), [inner, *_]) if consumer in CONSUMERS:
                used_up = self._used_up(node, inner, consumer)
            case ast.Call(ast.Attribute(ast.Constant(str()), "join"), [inner], []):
                used_up = self._used_up(node, inner, "")
            case ast.Call(ast.Attribute(ast.Name(), "join"), [inner], []):
                used_up = self._used_up(node, inner, "", node.func)
            case ast.Call(ast.Name(name) | ast.Attribute(ast.Name(), name), [inner, *_]) if name in USE_UP:
                used_up = self._used_up(node, inner, "", node.func)
            case ast.Call(ast.Attribute(_, "apply"), [ast.Name() | ast.Attribute() | ast.Lambda(), *_]):
                return self._applied(node)
            case ast.Call(ast.Attribute(_, "map"), [ast.Name() | ast.Attribute() | ast.Lambda()]):
                return self._applied(node)
        return self.generic_visit(node) if used_up is None else used_up

    def _used_up(self, node: ast.Call, inner: ast.expr, consumer: str, *called: ast.expr) -> ast.Call | None:
        """Split the generator expression, map or filter that a call uses up at once; None where that can't be.

        `called` are functions of libraries that are told by what they are when the cell runs.
        """

        def hashing(loop: Loop | Refusal) -> Loop | Refusal:
            named = {consumer, *(each.attr if isinstance(each, ast.Attribute) else _text(each) for each in called)}
            return replace(loop, hashed=True) if isinstance(loop, Loop) and not named.isdisjoint(_HASHING) else loop

        match inner:
            case ast.GeneratorExp():
                label = self._shown(node)
                site = self._site("generator", inner, label, hashing(read_comprehension(inner, label, consumer)))
                if site.loop is None:
                    return None
                split = rewrite_comprehension(self.first_visited(inner), site.number, site.loop)
            case ast.Call(ast.Name("map" | "filter"), [function, _, *_]):
                label = self._shown(node)
                site = self._site("map", inner, label, hashing(read_map(inner, label, consumer)))
                if site.loop is None:
                    return None
                split = rewrite_map(alike(inner, args=[function, *self._visited(inner.args[1:])]), site.number)
            case ast.Call(ast.Name("starmap") | ast.Attribute(ast.Name(), "starmap") as starmap, [function, _]):
                label = self._shown(node)
                site = self._site("map", inner, label, hashing(read_map(inner, label, consumer)))
                if site.loop is None:
                    return None
                called = (*called, starmap)
                split = rewrite_map(alike(inner, args=[function, *self._visited(inner.args[1:])]), site.number)
            case _:
                return None
        if called:
            split = rewrite_if_known(inner, split, site.number, called)
        return alike(node, args=[split, *self._visited(node.args[1:])])

    def _applied(self, node: ast.Call) -> ast.AST:
        """`X.apply(f)` or `X.map(f)`, which is split where X turns out to be pandas'."""
        label = self._shown(node)
        site = self._site("map", node, label, read_applied(node, label))
        if site.loop is None:
            return self.generic_visit(node)
        assert isinstance(node.func, ast.Attribute)
        node = alike(node, func=alike(node.func, value=self.visit(node.func.value)))
        return rewrite_applied(node, site.number, rows=is_by_row(node), skips=skips_missing(node))
