"""A function's code and the lines of its file in, a `FunctionPlan` out, its loops rewritten; or a `Refusal`.

The plan is written over the function's own names, which are its locals and what it closes over. The rewritten code has
the file, the lines and the free names of the function's own, and one free name more: what gives each call its run.
"""

from __future__ import annotations
import __future__

import ast
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Final

from mpnb.plan import codes
from mpnb.plan.cell import read_body
from mpnb.plan.names import argument_names, mangled, read_names
from mpnb.plan.nodes import copied
from mpnb.plan.rewrite import BEGIN, RUN, rewrite_function
from mpnb.plan.types import CellPlan, Refusal

_SCOPE: Final = "_mpnb_scope"
_MADE: Final = "_mpnb_made"  # the scope must not have the function's own name: it may be a global one
_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200  # of co_flags
_SEES_FRAMES: Final = frozenset({"_getframe", "currentframe", "set_trace"})
_SEES_NAMES: Final = frozenset({"locals", "exec", "eval", "breakpoint", *_SEES_FRAMES})
_SEES_NAMES_BARE: Final = frozenset({"vars", "dir"})


@dataclass(frozen=True, slots=True)
class FunctionPlan:
    """A function rewritten: its sites, its new code, and the names that are its own, bound or not."""

    cell: CellPlan
    code: CodeType
    names: frozenset[str]


def read_function(code: CodeType, lines: Sequence[str]) -> FunctionPlan | Refusal:
    """Plan the function that has this code, found in the lines of its file. Runs nothing and looks at no object."""
    name = code.co_name
    if code.co_flags & (_COROUTINE | _ASYNC_GENERATOR):
        return Refusal("statement", code.co_firstlineno, name, "is asynchronous")
    if code.co_flags & _GENERATOR:
        why = "is a generator, whose loops wait for who uses it"
        return Refusal("statement", code.co_firstlineno, name, why, "collect in a list, and return that")
    node = _find(code, "".join(lines))
    if node is None:
        return Refusal("no-source", code.co_firstlineno, name, "can't be looked into: its source is not to be had")
    refusal = _check(node)
    if refusal is not None:
        return refusal
    defs = read_names(node.body).defs.keys() | argument_names(node.args)
    own = defs & {*code.co_varnames, *code.co_cellvars} | set(code.co_freevars)
    cell = read_body(node)
    if not cell.sites:
        return Refusal("statement", node.lineno, "", cell.note)
    refused = [site.refusal for site in cell.sites if site.refusal is not None]
    if len(refused) == len(cell.sites):
        return refused[0]
    rewritten = _compiled(rewrite_function(node), code)
    if rewritten is None:
        return Refusal("dynamic", node.lineno, name, "has names that can't be followed")
    return FunctionPlan(cell, rewritten, frozenset(own))


@functools.lru_cache(maxsize=64)
def _parse(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def _find(code: CodeType, source: str) -> ast.FunctionDef | None:
    """A copy of the function's own syntax, private names as the class has them; None where it is not to be had."""
    tree = _parse(source)
    found = [] if tree is None else list(_functions(tree, ""))
    fitting = [
        (node, class_name)
        for node, class_name in found
        if node.name == code.co_name
        and min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) == code.co_firstlineno
    ]
    if len(fitting) != 1:
        return None
    node, class_name = copied(fitting[0][0]), fitting[0][1]
    arguments = node.args
    parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    if [parameter.arg for parameter in parameters if parameter is not None] != _parameters(code) and not class_name:
        return None  # the file is not what it was when the function was made
    mangled(node, class_name)
    node.name = _MADE
    # None of this runs again: the function is made from its code alone.
    node.decorator_list = [ast.copy_location(ast.Name(BEGIN, ast.Load()), each) for each in node.decorator_list]
    arguments.defaults = [ast.copy_location(ast.Constant(None), each) for each in arguments.defaults]
    arguments.kw_defaults = [each and ast.copy_location(ast.Constant(None), each) for each in arguments.kw_defaults]
    node.returns = None
    if parameters and parameters[0] is not None:
        node.body = [_Supers(parameters[0].arg).visit(statement) for statement in node.body]
    for parameter in parameters:
        if parameter is not None:
            parameter.annotation = None
    return node


class _Supers(ast.NodeTransformer):
    """`super()` as `super(__class__, self)`: a task has other parameters than the method that its loop stands in."""

    def __init__(self, first: str) -> None:
        self.first = first

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args and not node.keywords:
            names = (ast.Name("__class__", ast.Load()), ast.Name(self.first, ast.Load()))
            node.args = [ast.copy_location(name, node) for name in names]
        return node

    def _as_it_is(self, node: ast.AST) -> ast.AST:
        return node  # a scope of its own, in which it means something else

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = visit_ClassDef = _as_it_is
    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _as_it_is


def _parameters(code: CodeType) -> list[str]:
    extra = bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)  # *args, **kwargs
    return list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + extra])


def _functions(tree: ast.AST, class_name: str) -> Iterator[tuple[ast.FunctionDef, str]]:
    """Every function of a tree, each with the name of the class that it stands in at some depth."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef):
            yield child, class_name
        yield from _functions(child, child.name if isinstance(child, ast.ClassDef) else class_name)


def _check(function: ast.FunctionDef) -> Refusal | None:
    """What keeps a whole function as it is."""
    if getattr(function, "type_params", None):
        return Refusal("statement", function.lineno, "", "it has type parameters")
    for inner in ast.walk(function):
        if type(inner).__name__ == "TypeAlias":
            return Refusal("statement", inner.lineno, "type", "is not split yet")  # type: ignore[attr-defined]
        name = inner.id if isinstance(inner, ast.Name) else inner.attr if isinstance(inner, ast.Attribute) else ""
        if name in (_SEES_NAMES if isinstance(inner, ast.Name) else _SEES_FRAMES):
            assert isinstance(inner, ast.expr)
            return Refusal("dynamic", inner.lineno, name, "sees every name of the function")
        if name.startswith(RUN) and name != BEGIN:
            return Refusal("dynamic", function.lineno, name, "is a name of mpnb's own")
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and not inner.args:
            if inner.func.id in _SEES_NAMES_BARE:
                return Refusal("dynamic", inner.lineno, inner.func.id, "sees every name of the function")
    return None


def _compiled(function: ast.FunctionDef, code: CodeType) -> CodeType | None:
    """The function's new code; None where its names would not be what they are in the old."""
    arguments = [ast.arg(name) for name in (*code.co_freevars, BEGIN)]
    scope = ast.FunctionDef(
        _SCOPE,
        ast.arguments(posonlyargs=[], args=arguments, kwonlyargs=[], kw_defaults=[], defaults=[]),
        [function],
        [],
    )
    if "type_params" in ast.FunctionDef._fields:
        scope.type_params = []  # type: ignore[attr-defined]  # from Python 3.12 on
    module = ast.fix_missing_locations(ast.Module([scope], []))
    flags = code.co_flags & __future__.annotations.compiler_flag
    outer = compile(module, code.co_filename, "exec", flags=flags, dont_inherit=True)
    made = codes.inner(codes.inner(outer, _SCOPE), _MADE)
    same = ("co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_firstlineno")
    if set(made.co_freevars) != {*code.co_freevars, BEGIN} or any(getattr(made, a) != getattr(code, a) for a in same):
        return None
    if _parameters(made) != _parameters(code):
        return None
    renamed = codes.renamed(made, made.co_qualname + ".", code.co_qualname + ".")
    return renamed.replace(co_name=code.co_name, co_qualname=code.co_qualname)


__all__ = ["FunctionPlan", "read_function"]
