"""A cell as a function: its statements in a body, its names the function's own, a closure's, or the notebook's."""

from __future__ import annotations

import ast
import re
import textwrap
from typing import Final

from mpnb.plan.names import read_names

#: Where the set-up cell of a cell goes: into the function, into one around it, or where it was.
PLACES: Final = ("inside", "around", "before")

_KEEP: Final = """\
kept.append({{}})
{names}
"""
_NAME: Final = """\
try:
    kept[-1][{name!r}] = {name}
except NameError:
    pass
"""


def _indented(text: str) -> str:
    return textwrap.indent(text.strip("\n") or "pass", "    ") + "\n"


def as_function(setup: str, cell: str, place: str, *, returns: bool = False) -> str | None:
    """Write a cell that calls the cell as a function, and keeps what its names are at the end, however it ends.

    `returns`: every `break` becomes a `return`. None where a text goes over several lines, which may not be indented.
    """
    if returns:
        cell = re.sub(r"\bbreak\b", "return 'early'", cell)
    if any(
        isinstance(node, ast.Constant | ast.JoinedStr) and node.lineno != node.end_lineno
        for node in ast.walk(ast.parse(f"{setup}\n{cell}".replace("return 'early'", "pass")))
    ):
        return None
    before = read_names(ast.parse(setup).body).defs.keys()
    own = read_names(ast.parse(f"def f():\n{_indented(cell)}").body[0].body).defs.keys()  # type: ignore[attr-defined]
    keep = _KEEP.format(names="".join(_NAME.format(name=name) for name in sorted(before | own)))
    body = f"try:\n{_indented(cell)}finally:\n{_indented(keep)}"
    both = ", ".join(sorted(before & own))
    if place == "inside":
        return f"kept = []\n@parallel\ndef function():\n{_indented(setup)}{_indented(body)}r = function()\n"
    if place == "around":
        declared = f"nonlocal {both}\n" if both else ""
        inner = f"@parallel\ndef function():\n{_indented(declared + body)}return function\n"
        return f"kept = []\ndef outer():\n{_indented(setup)}{_indented(inner)}r = outer()()\n"
    declared = f"global {both}\n" if both else ""
    return f"{setup}\nkept = []\n@parallel\ndef function():\n{_indented(declared + body)}r = function()\n"
