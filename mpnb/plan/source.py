"""From a function to its syntax, by the source that its code names; and what was generated instead of written."""

from __future__ import annotations

import ast
import functools
import linecache
import types
from collections.abc import Iterator


@functools.lru_cache(maxsize=256)
def _parse(source: str) -> ast.Module:
    return ast.parse(source)


def function_node(function: types.FunctionType) -> ast.FunctionDef | ast.Lambda | None:
    """The syntax of a function, from the source that its code names; None where that is not to be had."""
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    if not lines:
        return None
    try:
        tree = _parse("".join(lines))
    except (SyntaxError, ValueError):
        return None
    found: list[ast.FunctionDef | ast.Lambda] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first == code.co_firstlineno:
                found.append(node)
        elif isinstance(node, ast.Lambda) and code.co_name == "<lambda>" and node.lineno == code.co_firstlineno:
            found.append(node)
    if len(found) > 1:
        columns = {column for _, _, column, _ in code.co_positions() if column is not None}
        found = [n for n in found if isinstance(n, ast.Lambda) and n.body.col_offset in columns]
    return found[0] if len(found) == 1 else None


def is_generated(function: types.FunctionType) -> bool:
    """Tell whether dataclasses, namedtuple or attrs made it, which put no code of the user's into it."""
    code = function.__code__
    return (
        code.co_qualname.startswith("__create_fn__.<locals>.")
        or code.co_filename.startswith("<attrs generated")
        or str(function.__globals__.get("__name__")).startswith("namedtuple_")
    )


def factories(cls: type) -> Iterator[object]:
    """What dataclasses and attrs call for the fields that are not given."""
    for each in getattr(cls, "__dataclass_fields__", {}).values():
        yield getattr(each, "default_factory", None)
    for each in getattr(cls, "__attrs_attrs__", ()):
        yield getattr(each.default, "factory", None)
