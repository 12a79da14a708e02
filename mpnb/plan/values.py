"""What is known of a value, and of a function, without running it.

A value is judged by *freshness*: 2 made in this iteration with all that hangs on it, 1 made in this iteration but
holding things that may not be, 0 anything else. Only fresh things may be changed.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from mpnb.plan.types import Refusal

MISSING: Final = object()

#: Stands among the roots for what can't be named.
ANYTHING: Final = frozenset({"?"})


@dataclass(frozen=True, slots=True)
class Value:
    """What is known of an expression's value.

    `thing` is the object itself, where a name or attribute leads to one without running anything. `roots` are the
    parameters, or names of the cell, that the value may be or be a part of; `held` those that may hang on it besides.
    `checked`: a lambda whose body has been looked into.
    """

    fresh: int = 0
    thing: Any = MISSING
    roots: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    is_set: bool = False
    checked: bool = False
    no_set: bool = False  # known to be no set; what hangs on it may be one

    @property
    def hanging(self) -> frozenset[str]:
        """The roots of the value and of all that hangs on it."""
        return frozenset() if self.fresh == 2 else (self.roots | self.held) or ANYTHING

    def part(self) -> Value:
        """What hangs on it: an element, an attribute."""
        return Value(2) if self.fresh == 2 else Value(0, roots=self.hanging)


FRESH: Final = Value(2, no_set=True)
UNKNOWN: Final = Value(0, roots=ANYTHING)


def join(values: Iterable[Value]) -> Value:
    """What is known of a value that may be any of these: the worst of all."""
    every = list(values)
    if not every:
        return FRESH
    first = every[0]
    same = all(value.thing is first.thing for value in every)
    fresh = min(value.fresh for value in every)
    # what is known to be made here is no root of the whole; what hangs on it stays so
    roots = frozenset().union(*(value.roots or ANYTHING for value in every if value.fresh == 0))
    return Value(
        fresh,
        first.thing if same else MISSING,
        roots,
        frozenset().union(*(value.held if value.fresh == 0 else value.hanging for value in every)),
        any(value.is_set for value in every),
        all(value.checked for value in every),
        all(value.no_set for value in every),
    )


def made_of(parts: Iterable[Value], *, is_set: bool = False) -> Value:
    """A new object on which these hang."""
    held = frozenset().union(*(part.hanging for part in parts))
    return Value(1 if held else 2, held=held, is_set=is_set, no_set=not is_set)


@dataclass(slots=True)
class Summary:
    """What a function does to the world, as its callers need to know it."""

    problem: Refusal | None = None
    reads: set[str] = field(default_factory=set)  # global names, of the function's own module
    mutates: dict[str, int] = field(default_factory=dict)  # parameter → freshness that it must have
    calls: set[str] = field(default_factory=set)  # parameters that it calls
    result: Value = UNKNOWN  # its roots are parameters
    holds: dict[str, frozenset[str]] = field(default_factory=dict)  # parameter → what is made to hang on it
    parameters: tuple[str, ...] = ()
    variadic: bool = False


WhichSets = Callable[[Sequence[str]], frozenset[str]] | None


class Problem(Exception):
    """Leaves the reading of a body with the refusal that was found."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal

    def find_place(self, node: ast.AST) -> None:
        """Give it the column of the part that it was found in, where it has none: the innermost one in its line."""
        refusal = self.refusal
        if refusal.column is None and refusal.line == getattr(node, "lineno", None):
            self.refusal = replace(refusal, column=getattr(node, "col_offset", None))
