"""A cell in, the same cell with its loops watched out: what runs until one of them takes long. Decides nothing.

    for x in xs:                 for x in _mpnb.watch(0, xs, "xs"):
        BODY              →          BODY
    else:                        if _mpnb.is_through(0):
        ORELSE                       ORELSE

    r = [f(x) for x in xs]   →   r = _mpnb.whole(0, [f(x) for x in _mpnb.watch(0, xs, "xs")])
    sum(f(x) for x in xs)    →   sum(_mpnb.chained(0, (f(x) for x in _mpnb.watch(0, xs, "xs"))))

A plan takes ten times as long as this, and most loops are over before it would be of use. IPython compiles each
statement of a cell when the one before has run: so what stands behind a loop can still become what its plan says. That
holds for the cell's own statements only. Where loops stand deeper, or are of a kind that is not watched, the cell is
planned first.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any, Final, cast

from mpnb.plan.cell import CONSUMERS, SEES_NAMES, TAKES_NAMES, USE_UP, Rebuilder, may_have_sites
from mpnb.plan.loops import is_wrapper
from mpnb.plan.names import Comprehension
from mpnb.plan.nodes import alike, placed
from mpnb.plan.rewrite import RUN, rewrite_if_known
from mpnb.plan.types import CellPlan, SitePlan

_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_SIMPLE: Final = (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Assert, ast.Delete, ast.Raise)
_LOAD: Final = ast.Load()
#: Without one of these in its text, a cell has nothing that is split.
_WORDS: Final = ("for", "map", "filter", "apply")
#: In a cell with one of these words, what its loops are has to be known before it runs.
_FIRST: Final = re.compile(rf"\b(?:{'|'.join(sorted(SEES_NAMES | TAKES_NAMES))}|await|async)\b")


@dataclass(frozen=True, slots=True)
class Place:
    """A watched loop: what it is, in which of the cell's statements, and what stands behind it, if it is a `for`."""

    number: int
    kind: str
    node: ast.For | Comprehension | ast.Call
    statement: int
    behind: ast.If | None = None

    @property
    def holds_others(self) -> bool:
        """Whether inside a `for` there may be loops that can be split where it can't."""
        return isinstance(self.node, ast.For) and any(map(may_have_sites, self.node.body))

    def site(self, cell: CellPlan) -> SitePlan | None:
        """The site that it is by the cell's plan; None where it is none."""
        here = self.kind, self.node.lineno, self.node.col_offset
        return next((site for site in cell.sites if (site.kind, site.line, site.column) == here), None)

    def as_site(self) -> SitePlan:
        """What it would be in a plan of its own."""
        return SitePlan(self.number, self.kind, self.node.lineno, self.node.col_offset, "")

    def put_behind(self, *statements: ast.stmt) -> None:
        """Have these run when the loop has ended, and not by a `break`."""
        assert self.behind is not None
        through = _call("is_through", self.behind, ast.Constant(self.number))
        self.behind.test, self.behind.body = through, list(statements)


@dataclass(frozen=True, slots=True)
class WatchedCell:
    """A cell as it was written, the one that runs in its stead, and the loops that are watched in that."""

    written: ast.Module
    tree: ast.Module
    places: list[Place]


def watch_cell(tree: ast.Module, source: str) -> WatchedCell | None:
    """Have the loops of a cell watched; None where its plan has to come first. The tree is left as it is.

    Examples
    --------
    >>> watched = watch_cell(ast.parse("for x in xs: pass"), "for x in xs: pass")
    >>> ast.unparse(watched.tree).splitlines()[0]
    "for x in _mpnb.watch(0, xs, 'xs'):"
    """
    if not any(word in source for word in _WORDS):
        return WatchedCell(tree, tree, [])
    if _FIRST.search(source):
        return None
    watcher = _Watcher()
    body = watcher.statements(tree.body)
    return WatchedCell(tree, ast.Module(body, tree.type_ignores), watcher.places) if watcher.fits else None


def left_of(rewritten: ast.For, place: Place) -> ast.For:
    """A loop that stays serial while loops inside it are split: from where it has got to."""
    return alike(rewritten, iter=_call("left", rewritten.iter, ast.Constant(place.number)))


def _call(method: str, where: ast.expr | ast.stmt, *arguments: ast.expr) -> ast.Call:
    """`_mpnb.method(…)`, in the place of another node: see `nodes.placed`, which takes three times as long."""
    line, column = where.lineno, where.col_offset
    end = where.end_lineno, where.end_col_offset
    here = {"lineno": line, "col_offset": column, "end_lineno": line, "end_col_offset": column}
    run = ast.Name.__new__(ast.Name)
    run.__dict__.update(here, id=RUN, ctx=_LOAD)
    function = ast.Attribute.__new__(ast.Attribute)
    function.__dict__.update(here, value=run, attr=method, ctx=_LOAD)
    for argument in arguments:
        if type(argument) is ast.Constant:
            argument.__dict__.update(here)
    call = ast.Call.__new__(ast.Call)
    call.__dict__.update(
        here, end_lineno=end[0], end_col_offset=end[1], func=function, args=list(arguments), keywords=[]
    )
    return call


class _Watcher(Rebuilder):
    def __init__(self) -> None:
        self.places: list[Place] = []
        self.fits = True
        self.statement = 0

    def statements(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """The statements of a cell, its loops watched."""
        found: list[ast.stmt] = []
        for self.statement, statement in enumerate(body):
            if isinstance(statement, ast.For):
                found += self._for(statement)
            elif isinstance(statement, _SIMPLE):
                found.append(self.visit(statement))
            else:
                self.fits &= isinstance(statement, _SCOPES) or not may_have_sites(statement)
                found.append(statement)
        return found

    def _place(self, kind: str, node: ast.For | Comprehension | ast.Call, behind: ast.If | None = None) -> int:
        self.places.append(Place(len(self.places), kind, node, self.statement, behind))
        return len(self.places) - 1

    def _for(self, node: ast.For) -> list[ast.stmt]:
        behind = placed(ast.If(ast.Constant(False), [ast.Pass()], []), node)
        number = self._place("for", node, behind)
        if node.orelse:
            self.places[number].put_behind(*node.orelse)
            self.fits &= not any(map(may_have_sites, node.orelse))
        return [alike(node, iter=self._watched(number, node.iter), orelse=[]), behind]

    def _watched(self, number: int, iterable: ast.expr) -> ast.expr:
        found = self.visit(iterable)
        if not is_wrapper(found):
            return _call("watch", iterable, ast.Constant(number), found, _name_of(found))
        return _call("watch_all", iterable, ast.Constant(number), self._noted(number, found))

    def _noted(self, number: int, node: ast.expr) -> ast.expr:
        """The iterable with its leaves noted: `enumerate(xs)` → `enumerate(_mpnb.note(0, xs, "xs"))`."""
        if is_wrapper(node):
            assert isinstance(node, ast.Call)
            count = 1 if isinstance(node.func, ast.Name) and node.func.id == "enumerate" else len(node.args)
            noted = [self._noted(number, argument) for argument in node.args[:count]]
            return alike(node, args=noted + node.args[count:])
        return _call("note", node, ast.Constant(number), node, _name_of(node))

    def comprehension(self, kind: str, node: Comprehension) -> ast.AST:
        return self._made(kind, node, "whole")

    def _made(self, kind: str, node: Comprehension, method: str) -> ast.expr:
        number = self._place(kind, node)
        first, *others = node.generators
        watched = alike(node, generators=[alike(first, iter=self._watched(number, first.iter)), *others])
        return _call(method, node, ast.Constant(number), watched)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        known: list[ast.expr] | None = None
        match node:
            case ast.Call(ast.Name(consumer), [_, *_]) if consumer in CONSUMERS:
                known = []
            case ast.Call(ast.Attribute(ast.Constant(str()), "join"), [_], []):
                known = []
            case ast.Call(ast.Attribute(ast.Name(), "join"), [_], []):
                known = [node.func]
            case ast.Call(ast.Name(name) | ast.Attribute(ast.Name(), name), [_, *_]) if name in USE_UP:
                known = [node.func]
            case ast.Call(ast.Attribute(_, "apply" | "map"), [ast.Name() | ast.Attribute() | ast.Lambda(), *_]):
                self.fits = False
        used_up = None if known is None else self._used_up(node.args[0], known)
        if used_up is None:
            return self.generic_visit(node)
        return alike(node, args=[used_up, *(cast("Any", self.visit(each)) for each in node.args[1:])])

    def _used_up(self, inner: ast.expr, known: list[ast.expr]) -> ast.expr | None:
        """What a call uses up at once, watched, where the functions around it are what they seem."""
        if any(isinstance(each, ast.Starred) for each in getattr(inner, "args", ())):
            return None
        number = len(self.places)
        match inner:
            case ast.GeneratorExp():
                watched = self._made("generator", inner, "chained")
            case ast.Call(ast.Name("map" | "filter"), [_, _, *_], []):
                watched = self._map(inner)
            case ast.Call(ast.Name("starmap") | ast.Attribute(ast.Name(), "starmap"), [_, _], []):
                known = [*known, inner.func]
                watched = self._map(inner)
            case _:
                return None
        return rewrite_if_known(inner, watched, number, known, ask="uses_up") if known else watched

    def _map(self, node: ast.Call) -> ast.expr:
        number = self._place("map", node)
        function, *iterables = node.args
        if len(iterables) == 1:
            watched: ast.expr = alike(node, args=[function, self._watched(number, iterables[0])])
        else:
            noted = [self._noted(number, cast("Any", self.visit(each))) for each in iterables]
            both = _call("watch_all", node, ast.Constant(number), _call("zip", node, *noted))
            watched = _call("starmap", node, function, both)
        return _call("chained", node, ast.Constant(number), watched)


def _name_of(node: ast.expr) -> ast.Constant:
    return ast.Constant(node.id if isinstance(node, ast.Name) else None)
