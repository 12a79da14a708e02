"""The words of a plan: what a site is, what its names are, and why one is refused. Holds facts, decides nothing."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

#: What each refusal means. The codes are stable: people search for them.
REFUSALS: Final[Mapping[str, str]] = {
    "carried": "a value goes from one iteration to the next",
    "accumulator-read": "the loop reads what it also changes",
    "mutates": "something that outlives the iteration is changed inside it",
    "hidden-state": "a function that the loop calls changes something that outlives the call",
    "reads-loop-name": "a function that the loop calls reads a global name that the loop sets",
    "random": "the loop draws from a random generator that all iterations share",
    "memoised": "a cached function would fill its cache in the workers, not here",
    "stateful": "the loop uses something that keeps state outside the notebook's names",
    "outside-effect": "the loop changes files or processes",
    "set-order": "an order is taken from a set, and sets of strings are ordered differently in another process",
    "unknown-call": "it can't be told which function is called",
    "no-source": "a function's source is not to be had, so it can't be looked into",
    "statement": "a statement that is not split yet",
    "walrus": "a := inside the comprehension sets a name of the cell",
    "effect-in-try": "a change inside try or with could raise there, and would raise elsewhere when replayed",
    "accumulator-type": "the object that the loop changes is not of a type whose changes can be replayed",
    "iterator": "the iterable is an iterator that other code may see, or that may depend on the loop",
    "shadowed": "a builtin name has been given another meaning",
    "shared-object": "what the loop changes can also be reached from what it reads",
    "identity": "something is told apart by identity that a worker has a copy of",
    "unsendable": "something the loop needs can't be sent to a worker",
    "engine": "the pool itself failed; what was left ran in the kernel",
    "dynamic": "names are looked up in a way that can't be followed",
}


#: Line and column of something in a cell: lines as the editor counts, columns from 0 as `ast` does.
Position = tuple[int, int]


def place(position: Position) -> str:
    """A place in words, both as the editor counts.

    Examples
    --------
    >>> place((5, 8))
    'line 5 col 9'
    """
    return f"line {position[0]} col {position[1] + 1}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A loop that mpnb will not split, and why; a value, not an error.

    `line` and `column` are those of what stands in the way; `column` is None where only the line is known. Where two
    accesses conflict, `other` is the second one, and `why` names both places.
    """

    code: str
    line: int
    name: str
    why: str
    instead: str = ""
    column: int | None = None
    other: Position | None = None

    def __post_init__(self) -> None:
        if self.code not in REFUSALS:
            msg = f"unknown refusal code {self.code!r}"
            raise ValueError(msg)

    @classmethod
    def at(cls, code: str, node: ast.AST, name: str, why: str, instead: str = "") -> Refusal:
        """What stands in the way is this part of the cell."""
        return cls(code, getattr(node, "lineno", 0), name, why, instead, getattr(node, "col_offset", None))

    @property
    def reason(self) -> str:
        """The refusal in one line: what, why, where, and what to do instead where there is something."""
        return self.told()

    def told(self, site: Position | None = None) -> str:
        """The same beside the site's own place, which need not be said again."""
        text = f"`{self.name}` {self.why}" if self.name else self.why
        if self.column is not None and self.other is None and site != (self.line, self.column):
            text += f" ({place((self.line, self.column))})"
        return f"{text}; instead: {self.instead}" if self.instead else text


def unreadable(line: int, error: Exception) -> Refusal:
    """The refusal of a site whose looking into failed: a hole in it, or an object that can't bear to be looked at."""
    return Refusal("dynamic", line, "", f"it could not be looked into ({type(error).__name__}: {error})")


@dataclass(frozen=True, slots=True)
class Effect:
    """One statement of a loop body that changes something outside it, replayed in the kernel in iteration order.

    `form` is the kind of change (``append`` … a method's name, ``setitem``, ``aug``, ``binop``, ``bind``);
    `target` the notebook's name that it changes; `replay` the statement with its operands taken from the effect.
    """

    number: int
    form: str
    target: str
    line: int
    replay: ast.stmt
    can_raise: bool

    @property
    def position(self) -> Position:
        """Where the statement stands that it is made of."""
        return self.line, self.replay.col_offset


@dataclass(frozen=True, slots=True)
class Slices:
    """How a loop's body uses one name: always as `name[…, index, …]`, the loop variable at `position` of the key.

    The values of `index` come from the leaf of that number: its items, the keys of its items(), or a count of them.
    `exact`: the key is the loop variable and nothing else. `attribute` is `loc`, `at` or neither, `read` where it is
    read first, if at all. `turned` are columns that are both read and set, None where that can't be told. `modules` and
    `builtins` are the names of what it is given to, `measured` whether its size is asked for, `shaped` by an attribute.
    """

    name: str
    index: str
    position: int
    exact: bool
    attribute: str
    read: Position
    reads: bool
    measured: bool
    shaped: bool
    augmented: bool
    turned: frozenset[str] | None
    modules: frozenset[str]
    builtins: frozenset[str]
    leaf: int = 0
    what: str = ""


@dataclass(slots=True)
class Loop:
    """A site that can be split as far as its own text tells.

    `reads` are the names of the cell that it only reads (broadcast), `accumulators` those that it only changes,
    `temporaries` those that every iteration sets before it reads them, `kept_last` those of them that every iteration
    sets, so that only the last one's matter. `closing` are names of what the `with` around the loop leaves as soon as
    the loop is over, each with the call it came from: `open`, `path.open`. `task` makes the function that runs one
    iteration: most loops are too small to need one. `returns` are what each of its `return`s does in the kernel; None
    where its value comes from the worker. `sliced` are those accumulators of which each iteration sets, and reads, its
    own part only.
    """

    kind: str
    line: int
    column: int
    label: str
    targets: frozenset[str]
    reads: frozenset[str]
    accumulators: Mapping[str, tuple[Effect, ...]]
    temporaries: frozenset[str]
    kept_last: frozenset[str]
    handler_names: frozenset[str]
    effects: tuple[Effect, ...]
    task: Callable[[], ast.FunctionDef]
    iterable: ast.expr
    body: tuple[ast.stmt, ...]
    consumer: str = ""
    hashed: bool = False  # what it gives is put in a place by its hash, as in a Counter
    returns: tuple[ast.Return | None, ...] = ()
    closing: Mapping[str, str] = field(default_factory=dict)
    sliced: Mapping[str, Slices] = field(default_factory=dict)
    source: str = field(default="", repr=False)

    @property
    def copied(self) -> list[str]:
        """The names of which a job has a copy: each iteration reads its own part of it."""
        return [name for name, slices in self.sliced.items() if slices.reads]

    @property
    def sets(self) -> frozenset[str]:
        """The names of the cell that the loop sets or changes: nothing it calls may look at them."""
        if self.kind != "for":
            return frozenset()
        return self.targets | self.temporaries | self.handler_names | frozenset(self.accumulators)


@dataclass(slots=True)
class SitePlan:
    """One loop or comprehension of a cell: a `Loop`, or the `Refusal` that keeps it serial."""

    number: int
    kind: str
    line: int
    column: int
    label: str
    loop: Loop | None = None
    refusal: Refusal | None = None


@dataclass(slots=True)
class CellPlan:
    """A cell rewritten, and its sites in the order of the source. `note` says why there is none."""

    tree: ast.Module
    sites: list[SitePlan]
    note: str = ""
