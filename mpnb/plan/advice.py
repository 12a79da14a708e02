"""What to write instead of what can't be split: the words of a refusal's last clause. Syntax in, a phrase out.

A phrase follows `instead: `. It is given only where it holds: the loop that it describes can be split, or what stands
in the way is gone. Empty where there is none.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Final

from mpnb.plan.nodes import walked
from mpnb.plan.types import Effect

PULL_TOGETHER: Final = "loop over both: for x, y in zip(xs, list(it))"
KEEP_ELSEWHERE: Final = "let it return the new value, and keep that in the loop"
GIVE_AS_ARGUMENT: Final = "give it to the function as an argument"

#: What to do where a library's state keeps a loop from being split, by what `tables` says of it.
_LIBRARIES: Final[Mapping[str, str]] = {
    "draws on the current figure": "collect the data with results.append(…), and draw after the loop",
    "draws on a figure": "collect the data with results.append(…), and draw after the loop",
    "sends log records to handlers of this process": "print(…), or log after the loop",
    "draws a progress bar": "for x in tqdm(xs), around the iterable itself",
    "speaks to the notebook": "display(…) as a statement of the loop, or after it",
    "starts processes": "leave that to %%parallel",
    "starts threads or processes": "leave that to %%parallel",
    "starts or waits for threads": "leave that to %%parallel",
    "changes the state of this process": "do that above the loop",
}


def instead_of_library(why: str) -> str:
    """What to do where a stateful library is used."""
    if why.endswith("keeps a state of its own"):
        return "make it inside the loop, or use it after the loop"
    return _LIBRARIES.get(why, "")


def instead_of_change(name: str) -> str:
    """What to do where something that lives on is changed in a way that can't be replayed."""
    root = name.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0].split("(", maxsplit=1)[0]
    return f"collect what is new with results.append(…), and change {root or name} after the loop"


def instead_of_statement(statement: ast.stmt) -> str:
    """What to do with a statement that no loop is split with."""
    match statement:
        case ast.Delete(targets=[ast.Name(), *_]):
            return "leave it out, or put it after the loop"
        case ast.Delete():
            return "collect what is to go with results.append(…), and delete it after the loop"
        case ast.AnnAssign():
            return "write it without the annotation"
        case ast.Import() | ast.ImportFrom() | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return "move it above the loop"
        case _:
            return ""


def instead_of_carried(loop: ast.For, name: str) -> str:
    r"""What to do where a loop reads a name before it sets it.

    Examples
    --------
    >>> loop = ast.parse("for x in xs:\n    if x > best:\n        best = x").body[0]
    >>> instead_of_carried(loop, "best")
    'results.append(…) in the loop, and best = max(best, *results) after it'
    """
    values = [
        node.value
        for node in walked(*loop.body)
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    ]
    if len(values) != 1:
        return ""
    (value,) = values
    match value:
        case ast.BinOp(ast.Constant() | ast.Name(), ast.Add() | ast.Mult() as op, ast.Name(right)) if right == name:
            sign = "+" if isinstance(op, ast.Add) else "*"
            return f"{name} {sign}= {ast.unparse(value.left)}, if those are numbers"
        case ast.Call(ast.Name("max" | "min" as best), [_, _], []):
            return f"results.append(…) in the loop, and {name} = {best}({name}, *results) after it"
        case ast.Name() if kept := _kept(loop, name, value):
            return f"results.append(…) in the loop, and {name} = {kept}({name}, *results) after it"
        case ast.Name(given) if isinstance(loop.target, ast.Name) and given == loop.target.id:
            over = ast.unparse(loop.iter)
            if isinstance(loop.iter, ast.Name) and loop.body and _is_set_last(loop, name):
                return f"for {name}, {given} in zip([{name}, *{over}], {over})"
        case _:
            pass
    return ""


def _is_set_last(loop: ast.For, name: str) -> bool:
    match loop.body[-1]:
        case ast.Assign([ast.Name(last)], _):
            return last == name
        case _:
            return False


def _kept(loop: ast.For, name: str, value: ast.expr) -> str:
    """`if x > best: best = x` keeps the greatest: "max", "min", or "" for anything else."""
    for node in walked(*loop.body):
        match node:
            case ast.If(ast.Compare(left, [op], [right]), [ast.Assign([ast.Name(kept)], new)], []) if kept == name:
                sides = ast.unparse(left), ast.unparse(right)
                if ast.unparse(new) != ast.unparse(value) or set(sides) != {name, ast.unparse(value)}:
                    return ""
                greater = isinstance(op, ast.Gt | ast.GtE)
                if not greater and not isinstance(op, ast.Lt | ast.LtE):
                    return ""
                return "max" if greater == (sides[1] == name) else "min"
            case _:
                continue
    return ""


def instead_of_read(loop: ast.For, name: str, effects: Sequence[Effect]) -> str:
    """What to do where a loop reads what it also changes."""
    if len(effects) != 1:
        return ""
    replay = effects[0].replay
    operation = replay.op if isinstance(replay, ast.AugAssign) else getattr(getattr(replay, "value", None), "op", None)
    match effects[0].form:
        case "aug" | "binop" if not isinstance(operation, ast.Add):
            return ""
        case "aug" if any(_counts(statement, name) for statement in loop.body):
            return "count with enumerate(…)"
        case "aug" | "binop":
            return f"results.append(…) in the loop, and after it itertools.accumulate(results, initial={name})"
        case "append" | "add":
            return "append everything to a new list, and sort out what is wanted after the loop"
        case _:
            return ""


def _counts(statement: ast.stmt, name: str) -> bool:
    """Tell whether this is `name += 1`, which every iteration does."""
    match statement:
        case ast.AugAssign(ast.Name(counted), ast.Add(), ast.Constant(1)):
            return counted == name
        case _:
            return False
