"""What the text of an expression says by itself, whatever its names lead to: a root name, a plain number …."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from mpnb.plan.tables import MUTATORS, NUMBER_CALLS, ORDER_FREE, SHALLOW


def root_name(node: ast.expr) -> str | None:
    """The name at the beginning of `name.a[b]`, None where there is none."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def stores(target: ast.expr) -> Iterator[ast.expr]:
    """The single targets of an assignment."""
    if isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from stores(element)
    elif isinstance(target, ast.Starred):
        yield from stores(target.value)
    else:
        yield target


def is_number(node: ast.expr) -> bool:
    """Tell whether an expression is plainly a number."""
    match node:
        case ast.Constant(value=value):
            return isinstance(value, int | float | complex)
        case ast.UnaryOp(operand=operand):
            return is_number(operand)
        case ast.Compare():
            return True
        case ast.BinOp(left=left, op=ast.Sub() | ast.Div() | ast.FloorDiv() | ast.Pow(), right=right):
            return is_number(left) or is_number(right)
        case ast.BinOp(left=left, right=right):
            return is_number(left) and is_number(right)
        case ast.Call(ast.Name(name)):
            return name in NUMBER_CALLS
        case ast.IfExp(body=body, orelse=orelse):
            return is_number(body) and is_number(orelse)
        case _:
            return False


def is_whole(node: ast.expr) -> bool:
    """Tell whether an expression is plainly a whole number, whose sum is the same in every order."""
    match node:
        case ast.Constant(value=value):
            return isinstance(value, int)
        case ast.Compare():
            return True
        case ast.Call(ast.Name(name)):
            return name in {"len", "int", "ord", "hash", "id", "bool"}
        case _:
            return False


def says_inplace(keyword: ast.keyword, thing: object) -> bool:
    """Tell whether `**keywords` holds inplace= or out=."""
    return keyword.arg is None and isinstance(thing, dict) and bool({"inplace", "out"} & thing.keys())


def is_standard_stream(node: ast.expr) -> bool:
    """Tell whether an expression is sys.stdout or sys.stderr as it is written."""
    return isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.stdout", "sys.stderr"}


def adds_numbers(how: str, node: Any) -> bool:
    """Tell whether a binding leaves a name that holds a set of numbers, made here, such a set."""
    match how, node:
        case "is", ast.Call(ast.Name("set"), []):
            return True
        case "is", ast.Set(elts=elements):
            return all(map(is_number, elements))
        case "is", ast.SetComp(elt=element):
            return is_number(element)
        case "holds", element:
            return is_number(element)
        case "method", ast.Call(ast.Attribute(_, method), arguments):
            return method not in MUTATORS or (method in {"add", "discard", "remove"} and all(map(is_number, arguments)))
        case "given", ast.Call(ast.Name(name)):
            return name in ORDER_FREE | SHALLOW
        case _:
            return False
