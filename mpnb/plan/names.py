"""Which names a piece of code sets and reads, and whether each is set before it is read. Pure functions over `ast`.

*defs* are the names that statements bind in their own scope, *refs* those that they read from it; names bound by a
nested comprehension, lambda or function belong to that one and do not appear.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from mpnb.plan.nodes import children, walked

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_Tree = TypeVar("_Tree", bound=ast.AST)
Position = tuple[int, int]
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def target_names(target: ast.AST) -> Iterator[str]:
    """The names that an assignment target binds: `(a, *b), c[0]` binds a and b."""
    for node in walked(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


@dataclass(slots=True)
class Names:
    """What a piece of code does with the names of its own scope: each with the (line, column) where it does so."""

    defs: dict[str, list[Position]] = field(default_factory=dict)
    refs: dict[str, list[Position]] = field(default_factory=dict)
    handlers: set[str] = field(default_factory=set)


def read_names(nodes: Iterable[ast.AST]) -> Names:
    """Collect defs and refs of `nodes` as seen from the scope that they stand in."""
    found = Names()
    visitor = _NameReader(found)
    for node in nodes:
        visitor.visit(node)
    return found


class _NameReader(ast.NodeVisitor):
    def __init__(self, found: Names) -> None:
        self.found = found
        self.hidden: list[set[str]] = []  # names bound by the nested scopes around the node

    def generic_visit(self, node: ast.AST) -> None:
        for child in children(node):
            self.visit(child)

    def visit_Constant(self, node: ast.Constant) -> None:
        """There is no name in it."""

    def _is_hidden(self, name: str) -> bool:
        return any(name in scope for scope in self.hidden)

    def visit_Name(self, node: ast.Name) -> None:
        if self._is_hidden(node.id):
            return
        where = self.found.refs if isinstance(node.ctx, ast.Load) else self.found.defs
        where.setdefault(node.id, []).append((node.lineno, node.col_offset))

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        # [(last := x) for x in xs] binds `last` in the scope around the comprehension
        self.found.defs.setdefault(node.target.id, []).append((node.lineno, node.col_offset))
        self.visit(node.value)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name is not None:
            self.found.handlers.add(node.name)
            self.found.defs.setdefault(node.name, []).append((node.lineno, node.col_offset))
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name is not None:
            self.found.defs.setdefault(node.name, []).append((node.lineno, node.col_offset))
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name is not None:
            self.found.defs.setdefault(node.name, []).append((node.lineno, node.col_offset))

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest is not None:
            self.found.defs.setdefault(node.rest, []).append((node.lineno, node.col_offset))
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            name = (alias.asname or alias.name).split(".")[0]
            self.found.defs.setdefault(name, []).append((node.lineno, node.col_offset))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            self.found.defs.setdefault(alias.asname or alias.name, []).append((node.lineno, node.col_offset))

    def _nested(self, bound: set[str], nodes: Iterable[ast.AST]) -> None:
        self.hidden.append(bound)
        for node in nodes:
            self.visit(node)
        self.hidden.pop()

    def _comprehension(self, node: Comprehension) -> None:
        # the first iterable is evaluated outside, everything else inside
        self.visit(node.generators[0].iter)
        bound = {name for generator in node.generators for name in target_names(generator.target)}
        inside: list[ast.AST] = []
        for position, generator in enumerate(node.generators):
            inside += [generator.target, *generator.ifs] + ([generator.iter] if position else [])
        inside += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self._nested(bound, inside)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for default in [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]:
            self.visit(default)
        self._nested(argument_names(node.args), [node.body])

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.found.defs.setdefault(node.name, []).append((node.lineno, node.col_offset))
        defaults = [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
        for outer in [*node.decorator_list, *defaults]:
            self.visit(outer)
        inner = read_names(node.body)
        self._nested(argument_names(node.args) | set(inner.defs), node.body)

    visit_FunctionDef = visit_AsyncFunctionDef = _function

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.found.defs.setdefault(node.name, []).append((node.lineno, node.col_offset))
        for outer in [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]:
            self.visit(outer)
        self._nested(set(read_names(node.body).defs), node.body)


def argument_names(arguments: ast.arguments) -> set[str]:
    """All parameter names of a function."""
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return {argument.arg for argument in every if argument is not None}


@dataclass(slots=True)
class Flow:
    """What `assigned_first` found: names read too early (with the place), and those set at every end of the body."""

    early: dict[str, Position] = field(default_factory=dict)
    always: frozenset[str] = frozenset()


def assigned_first(body: list[ast.stmt], bound: frozenset[str], watched: frozenset[str]) -> Flow:
    """Follow every path through a loop body and tell which of the `watched` names is read before it is set.

    `bound` are the names set before the body begins (the loop's targets). What an inner loop or a `with` sets counts
    as set in what follows, although the loop may have no turn and the context manager may swallow an error: the name
    is then unbound in a worker, and the NameError sends the iteration to the kernel. Not so where a `try` could catch
    that, and not for `always`.
    """
    flow = Flow()
    ends: list[frozenset[str]] = []
    last = _Follower(flow, watched, ends).block(body, bound)
    if last is not None:
        ends.append(last)
    flow.always = frozenset.intersection(*ends) if ends else watched
    if flow.early and not any(isinstance(inner, ast.Try) for inner in walked(*body)):
        flow.early.clear()
        _Follower(flow, watched, [], hopeful=True).block(body, bound)
    return flow


class _Follower:
    """Walks statements with the set of names that are surely bound; None means that the end is not reached."""

    def __init__(
        self, flow: Flow, watched: frozenset[str], ends: list[frozenset[str]], *, hopeful: bool = False
    ) -> None:
        self.flow = flow
        self.hopeful = hopeful  # loops are taken to have a turn, context managers to swallow nothing
        self.watched = watched
        self.ends = ends
        self.depth = 0  # of loops inside the body; at 0 `continue` ends the iteration

    def block(self, body: list[ast.stmt], bound: frozenset[str]) -> frozenset[str] | None:
        state: frozenset[str] | None = bound
        for statement in body:
            if state is None:
                return None
            state = self.statement(statement, state)
        return state

    def expression(self, node: ast.AST | None, bound: frozenset[str]) -> frozenset[str]:
        if node is None:
            return bound
        # A walrus binds for what is read after it, where nothing can skip it: (m := match(s)) and m.group()
        walrus: dict[str, Position] = {}
        for inner in _surely_evaluated(node):
            if isinstance(inner, ast.NamedExpr):
                walrus.setdefault(inner.target.id, (inner.end_lineno or 0, inner.end_col_offset or 0))
        for name, positions in read_names([node]).refs.items():
            if name in self.watched and name not in bound:
                early = [p for p in positions if name not in walrus or p < walrus[name]]
                if early:
                    self.flow.early.setdefault(name, early[0])
        return bound | frozenset(walrus)

    def statement(self, node: ast.stmt, bound: frozenset[str]) -> frozenset[str] | None:
        match node:
            case ast.Assign(targets=targets, value=value):
                after = self.expression(value, bound)
                for target in targets:
                    self.expression(target, after)
                    after |= frozenset(target_names(target))
                return after
            case ast.AugAssign(target=target, value=value):
                if isinstance(target, ast.Name):
                    if target.id in self.watched and target.id not in bound:
                        self.flow.early.setdefault(target.id, (node.lineno, node.col_offset))
                else:
                    self.expression(target, bound)
                after = self.expression(value, bound)
                return after | {target.id} if isinstance(target, ast.Name) else after
            case ast.If(test=test, body=body, orelse=orelse):
                after = self.expression(test, bound)
                return _both(self.block(body, after), self.block(orelse, after))
            case ast.For(target=target, iter=iterable, body=body, orelse=orelse):
                after = self.expression(iterable, bound)
                self.depth += 1
                inside = self.block(body, after | frozenset(target_names(target)))
                self.depth -= 1
                return self._after_loop(body, orelse, after, inside, frozenset(target_names(target)))
            case ast.While(test=test, body=body, orelse=orelse):
                after = self.expression(test, bound)
                self.depth += 1
                inside = self.block(body, after)
                self.depth -= 1
                return self._after_loop(body, orelse, after, inside, frozenset())
            case ast.With(items=items, body=body):
                after = bound
                for item in items:
                    after = self.expression(item.context_expr, after)
                    if item.optional_vars is not None:
                        self.expression(item.optional_vars, after)
                        after |= frozenset(target_names(item.optional_vars))
                inside = self.block(body, after)
                if inside is None:
                    return after
                return inside if self.hopeful else inside & self._unless_suppressed(items, after, inside)
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=finalbody):
                inside = self.block(body, bound)
                done = None if inside is None else self.block(orelse, inside)
                for handler in handlers:
                    self.expression(handler.type, bound)
                    caught = bound | ({handler.name} if handler.name else set())
                    done = _both(done, self.block(handler.body, frozenset(caught)))
                final = self.block(finalbody, bound)  # it may run after any statement of the body
                if final is None or done is None:
                    return None
                return done | final
            case ast.Match(subject=subject, cases=cases):
                after = self.expression(subject, bound)
                ends: frozenset[str] | None = after  # no case may fit
                for case in cases:
                    names = read_names([case.pattern])
                    inner = after | frozenset(names.defs)
                    self.expression(case.guard, inner)
                    ends = _both(ends, self.block(case.body, inner))
                return ends
            case ast.Continue() | ast.Break():
                if self.depth == 0:
                    self.ends.append(bound)
                return None
            case ast.Raise(exc=exc, cause=cause):
                self.expression(cause, self.expression(exc, bound))
                return None
            case ast.Return(value=value):
                self.ends.append(self.expression(value, bound))
                return None
            case _:
                return self.expression(node, bound)

    def _after_loop(
        self,
        body: list[ast.stmt],
        orelse: list[ast.stmt],
        before: frozenset[str],
        inside: frozenset[str] | None,
        targets: frozenset[str],
    ) -> frozenset[str]:
        """What is bound after an inner loop: what was before it, or, hopefully, what its turns have bound."""
        after = before
        if self.hopeful:
            # one turn may end early; what it binds in its first statements, up to that, is not told apart
            after = before | targets | (inside or frozenset())
            after |= frozenset(read_names(body).defs)
        return _both(self.block(orelse, after), after) or after

    @staticmethod
    def _unless_suppressed(items: list[ast.withitem], before: frozenset[str], inside: frozenset[str]) -> frozenset[str]:
        """A context manager may swallow an exception, so what its body binds is sure only for the plainest: open()."""
        plain = all(
            isinstance(i.context_expr, ast.Call)
            and isinstance(i.context_expr.func, ast.Name)
            and i.context_expr.func.id == "open"
            for i in items
        )
        return inside if plain else before


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None:
        return other
    return one if other is None else one & other


def _surely_evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of an expression that are evaluated whatever its values are."""
    yield node
    match node:
        case ast.BoolOp(values=values):
            yield from _surely_evaluated(values[0])
        case ast.IfExp(test=test):
            yield from _surely_evaluated(test)
        case ast.Compare(left=left, comparators=comparators):
            yield from _surely_evaluated(left)
            yield from _surely_evaluated(comparators[0])
        case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return
        case _:
            for child in children(node):
                yield from _surely_evaluated(child)


def mangled(tree: _Tree, class_name: str) -> _Tree:
    """Give the private names in a method's tree the form that they have in its class: `__x` → `_Class__x`."""
    prefix = class_name.lstrip("_")
    if prefix:
        _Mangler(f"_{prefix}").visit(tree)
    return tree


class _Mangler(ast.NodeVisitor):
    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def generic_visit(self, node: ast.AST) -> None:
        for place in _NAMING.get(type(node), ()):
            name = getattr(node, place)
            if isinstance(name, str):
                setattr(node, place, self._mangled(name))
            elif isinstance(name, list):
                setattr(node, place, [self._mangled(each) for each in name])
        super().generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """A class inside mangles with its own name; only what stands outside its body is this one's."""
        node.name = self._mangled(node.name)
        for outer in [*node.decorator_list, *node.bases, *node.keywords]:
            self.visit(outer)

    def _mangled(self, name: str) -> str:
        private = name.startswith("__") and not name.endswith("__") and "." not in name
        return self.prefix + name if private else name


#: The fields of syntax that hold names of the user's.
_NAMING: Final[Mapping[type[ast.AST], tuple[str, ...]]] = {
    ast.Name: ("id",),
    ast.Attribute: ("attr",),
    ast.arg: ("arg",),
    ast.keyword: ("arg",),
    ast.FunctionDef: ("name",),
    ast.AsyncFunctionDef: ("name",),
    ast.Global: ("names",),
    ast.Nonlocal: ("names",),
    ast.alias: ("name", "asname"),
    ast.ExceptHandler: ("name",),
    ast.MatchAs: ("name",),
    ast.MatchStar: ("name",),
    ast.MatchMapping: ("rest",),
}
