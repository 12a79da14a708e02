"""A cell's syntax tree in, a `CellPlan` out: its sites found, each read by its own text, those that fit rewritten.

Or a function's: `read_body`. Sites are looked for at every depth of its own statements, not inside functions and
classes. The outermost one that can be split is split; what stands inside it runs where its iterations run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, Final

from mpnb.collector import collector_paused
from mpnb.plan.loops import read_comprehension, read_for, read_map
from mpnb.plan.names import read_names
from mpnb.plan.nodes import children, copied, parts, walked
from mpnb.plan.rewrite import noted, noted_value, rewrite_comprehension, rewrite_for, rewrite_map
from mpnb.plan.types import CellPlan, Loop, Refusal, SitePlan

#: Builtins that use up a generator expression or map at once.
CONSUMERS: Final = frozenset({"list", "sum", "max", "min", "sorted", "dict", "set", "tuple", "frozenset", "any", "all"})
#: With one of these in a cell, its names could be seen while it runs: it is left alone.
_SEES_NAMES: Final = frozenset({"globals", "locals", "vars", "dir", "exec", "eval"})


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
    seeing = next((n for n in walked(tree) if isinstance(n, ast.Name) and n.id in _SEES_NAMES), None)
    if seeing is not None:
        why = f"nothing is split: line {seeing.lineno} uses {seeing.id}(), which sees every name of the cell"
        return CellPlan(tree, [], why)
    finder = _SiteFinder()
    own = [copied(statement) if may_have_sites(statement) else statement for statement in tree.body]
    body: list[ast.stmt] = [finder.visit(statement) for statement in own]
    if body and isinstance(own[-1], ast.Expr) and isinstance(body[-1], ast.With):
        body[-1:] = noted_value(own[-1])
    return CellPlan(ast.Module(body, tree.type_ignores), finder.sites, "" if finder.sites else _why_none(tree))


def read_body(function: ast.FunctionDef) -> CellPlan:
    """Plan the body of a function, which is changed in place. Runs nothing and looks at no object."""
    finder = _SiteFinder(function)
    function.body = [finder.visit(statement) for statement in function.body]
    tree = ast.Module([function], [])
    return CellPlan(tree, finder.sites, "" if finder.sites else _why_none(ast.Module(function.body, [])))


def _why_none(tree: ast.Module) -> str:
    if not tree.body:
        return "no loop here: the cell is empty"
    for node in _own_nodes(tree):
        if isinstance(node, ast.While):
            return f"while loops stay serial (line {node.lineno})"
        if isinstance(node, ast.AsyncFor):
            return f"async for loops stay serial (line {node.lineno})"
    calls = [node for node in _own_nodes(tree) if isinstance(node, ast.Call)]
    if calls:
        return f"no loop here: line {calls[0].lineno} is one call, {ast.unparse(calls[0].func)}()"
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


class _SiteFinder:
    """Walks a cell from outside in, and puts what a site becomes in its place.

    The sites are numbered in the order in which it meets them. An `ast.NodeTransformer` would take three times as long.
    """

    def __init__(self, function: ast.FunctionDef | None = None) -> None:
        self.function = function
        self.sites: list[SitePlan] = []
        self.split = 0  # how many of them can be split
        self.label = ""
        self.closing: dict[str, str] = {}

    def visit(self, node: ast.AST) -> Any:
        """Look for sites in a node; give what stands in its place."""
        visit = getattr(self, f"visit_{type(node).__name__}", None)
        return self.generic_visit(node) if visit is None else visit(node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Look for sites in the parts of a node."""
        held = node.__dict__
        for name in parts[type(node)]:
            value = held.get(name)
            if isinstance(value, ast.AST):
                held[name] = self.visit(value)
            elif isinstance(value, list):
                value[:] = [self.visit(each) if isinstance(each, ast.AST) else each for each in value]
        return node

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
        node.items = [self.visit(item) for item in node.items]
        *before, last = node.body
        node.body = [self.visit(statement) for statement in before]
        outer, self.closing = self.closing, _closed_after(node, last)
        node.body.append(self.visit(last))
        self.closing = outer
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        before, self.label = self.label, ast.unparse(node.targets[0])
        statement = self._statement(node)
        self.label = before
        return statement

    def _statement(self, node: ast.stmt) -> ast.stmt:
        split = self.split
        self.generic_visit(node)
        return noted(node) if self.split > split else node

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
        site = self._site("for", node, ast.unparse(node.target), read)
        outer, self.closing = self.closing, {}  # inside, the loop may go round again before anything is closed
        node = self._for(node, site)
        self.closing = outer
        return node

    def _for(self, node: ast.For, site: SitePlan) -> ast.For:
        if site.loop is None:
            self.generic_visit(node)
            return node
        node.orelse = [self.visit(statement) for statement in node.orelse]
        rewritten = rewrite_for(node, site.number, site.loop, in_function=self.function is not None)
        # a site inside the iterable: for row in [load(p) for p in paths]
        rewritten.iter = self.visit(rewritten.iter)
        return rewritten

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        return self._comprehension("list", node)

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        return self._comprehension("set", node)

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        return self._comprehension("dict", node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        # not used up at once, as far as can be told: it stays lazy; only its first iterable is evaluated here
        node.generators[0].iter = self.visit(node.generators[0].iter)
        return node

    def _shown(self, node: ast.expr) -> str:
        text = self.label or ast.unparse(node)
        return text if len(text) <= 40 else text[:39] + "…"

    def _comprehension(self, kind: str, node: ast.ListComp | ast.SetComp | ast.DictComp) -> ast.AST:
        site = self._site(kind, node, self._shown(node), read_comprehension(node, self._shown(node)))
        if site.loop is None:
            node.generators[0].iter = self.visit(node.generators[0].iter)
            return node
        rewritten = rewrite_comprehension(node, site.number, site.loop)
        node.generators[0].iter = self.visit(node.generators[0].iter)
        return rewritten

    def visit_Call(self, node: ast.Call) -> ast.AST:
        match node:
            case ast.Call(ast.Name(consumer), [inner, *_]) if consumer in CONSUMERS:
                used_up = self._used_up(node, inner, consumer)
            case ast.Call(ast.Attribute(ast.Constant(str()), "join"), [inner], []):
                used_up = self._used_up(node, inner, "")
            case _:
                used_up = False
        if not used_up:
            self.generic_visit(node)
        return node

    def _used_up(self, node: ast.Call, inner: ast.expr, consumer: str) -> bool:
        """Split the generator expression, map or filter that a call uses up at once; False where that can't be."""
        label = self._shown(node)
        match inner:
            case ast.GeneratorExp():
                site = self._site("generator", inner, label, read_comprehension(inner, label, consumer))
                if site.loop is None:
                    return False
                node.args[0] = rewrite_comprehension(inner, site.number, site.loop)
                inner.generators[0].iter = self.visit(inner.generators[0].iter)
            case ast.Call(ast.Name("map" | "filter"), [_, _, *_]):
                site = self._site("map", inner, label, read_map(inner, label, consumer))
                if site.loop is None:
                    return False
                inner.args[1:] = [self.visit(iterable) for iterable in inner.args[1:]]
                node.args[0] = rewrite_map(inner, site.number)
            case _:
                return False
        node.args[1:] = [self.visit(argument) for argument in node.args[1:]]
        return True
