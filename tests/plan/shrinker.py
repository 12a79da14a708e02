"""A cell that fails in, a smaller one that still fails out: statements are dropped, blocks unpacked, values simplified.

Knows nothing of what failing means: it asks. Every try is one small change to the syntax tree; the first that still
fails is taken, and it begins anew, until no change is left or the tries are used up.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

_BLOCKS = ("body", "orelse", "finalbody")


def shrink(setup: str, cell: str, fails: Callable[[str, str], bool], tries: int = 400) -> tuple[str, str]:
    """Make both texts smaller for as long as `fails(setup, cell)` holds."""
    left = [tries]

    def may(setup: str, cell: str) -> bool:
        left[0] -= 1
        return left[0] >= 0 and fails(setup, cell)

    if may(sliced := _needed(setup, cell), cell):
        setup = sliced
    cell = _shrunk(cell, lambda smaller: may(setup, smaller), _smaller)
    if may(sliced := _needed(setup, cell), cell):
        setup = sliced
    setup = _in_halves(setup, lambda smaller: may(smaller, cell))
    cell = _shrunk(cell, lambda smaller: may(setup, smaller), _smaller)
    return setup, cell


def _shrunk(text: str, fails: Callable[[str], bool], candidates: Callable[[str], Iterator[str]]) -> str:
    text = ast.unparse(ast.parse(text)) if fails(ast.unparse(ast.parse(text))) else text
    seen = {text}
    while True:
        for smaller in candidates(text):
            if smaller not in seen:
                seen.add(smaller)
                if fails(smaller):
                    text = smaller
                    break
        else:
            return text


def _needed(setup: str, cell: str) -> str:
    """The statements of a set-up cell that bind, or speak of, names which the cell leads to."""
    statements = ast.parse(setup).body
    wanted = _names(ast.parse(cell))
    kept: set[int] = set()
    while True:
        more = {n for n, each in enumerate(statements) if n not in kept and _bound(each) & wanted}
        if not more:
            return "\n".join(ast.unparse(statements[number]) for number in sorted(kept))
        kept |= more
        wanted = wanted.union(*(_names(statements[number]) for number in more))


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _bound(statement: ast.stmt) -> set[str]:
    """What a statement binds; one that is no definition is taken to change whatever it names."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {(alias.asname or alias.name).split(".")[0] for alias in names}
        case _:
            return _names(statement)


def _in_halves(text: str, fails: Callable[[str], bool]) -> str:
    """Drop top-level statements of the set-up, many at a time first."""
    statements = [ast.unparse(statement) for statement in ast.parse(text).body]
    size = len(statements)
    while size >= 1:
        place = 0
        while place < len(statements):
            rest = statements[:place] + statements[place + size :]
            if fails("\n".join(rest)):
                statements = rest
            else:
                place += size
        size //= 2
    return "\n".join(statements)


def _smaller(text: str) -> Iterator[str]:
    """Every text with one thing less, the big ones first."""
    for change in _changes(ast.parse(text)):
        tree = ast.parse(text)
        if change(tree):
            try:
                yield ast.unparse(ast.fix_missing_locations(tree))
            except ValueError:  # no tree of Python's any more
                continue


Change = Callable[[ast.Module], bool]


def _changes(tree: ast.Module) -> Iterator[Change]:
    """Changes by the number of the node that they change, so that they can be made to a fresh tree."""
    nodes = list(ast.walk(tree))
    endless = {
        id(inner) for node in nodes if isinstance(node, ast.While) for inner in ast.walk(node)
    }  # they might become
    for number, node in enumerate(nodes):
        if id(node) in endless:
            continue
        for block in _BLOCKS:
            statements = getattr(node, block, None)
            if isinstance(statements, list) and statements and isinstance(statements[0], ast.stmt):
                for place, statement in enumerate(statements):
                    if not isinstance(statement, ast.Pass) or len(statements) > 1:
                        yield _at(number, block, place, lambda _old: [])
                    inner = [s for name in _BLOCKS for s in getattr(statement, name, [])]
                    if inner and isinstance(inner[0], ast.stmt):
                        yield _at(number, block, place, _unpacked)
    for number, node in enumerate(nodes):
        if id(node) in endless:
            continue
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.expr) and not isinstance(getattr(value, "ctx", None), ast.Store | ast.Del):
                yield from (_replace(number, name, None, part) for part in range(_parts(value)))
            elif isinstance(value, list) and name in {"args", "elts", "values", "generators", "ifs", "handlers"}:
                for place, inner in enumerate(value):
                    if name in {"ifs", "elts", "args"} or (name == "generators" and place):
                        yield _drop(number, name, place)
                    if isinstance(inner, ast.expr):
                        yield from (_replace(number, name, place, part) for part in range(_parts(inner)))


def _unpacked(old: ast.stmt) -> list[ast.stmt]:
    return [statement for name in _BLOCKS for statement in getattr(old, name, [])]


def _at(number: int, block: str, place: int, made: Callable[[ast.stmt], list[ast.stmt]]) -> Change:
    def change(tree: ast.Module) -> bool:
        node = list(ast.walk(tree))[number]
        statements: list[ast.stmt] = getattr(node, block)
        statements[place : place + 1] = made(statements[place])
        if not statements and block == "body" and not isinstance(node, ast.Module):
            statements.append(ast.Pass())
        return True

    return change


def _drop(number: int, name: str, place: int) -> Change:
    def change(tree: ast.Module) -> bool:
        del getattr(list(ast.walk(tree))[number], name)[place]
        return True

    return change


def _parts(node: ast.expr) -> int:
    """How many simpler expressions may stand for this one: its own parts, and a number."""
    if isinstance(node, ast.Name | ast.Constant):
        return 0
    return len([child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]) + 1


def _replace(number: int, name: str, place: int | None, part: int) -> Change:
    def change(tree: ast.Module) -> bool:
        owner = list(ast.walk(tree))[number]
        old = getattr(owner, name) if place is None else getattr(owner, name)[place]
        parts = [child for child in ast.iter_child_nodes(old) if isinstance(child, ast.expr)]
        new = parts[part] if part < len(parts) else ast.Constant(1)
        if place is None:
            setattr(owner, name, new)
        else:
            getattr(owner, name)[place] = new
        return True

    return change
