"""Which names a loop body reads and sets at the loop variable alone: `out[i] = out[i] * 2`, `df.loc[i, "c"] = …`.

By the text: every occurrence in the body has the same loop variable at the same place of its key. Whether that variable
takes a value twice, and of what type the object is, is told later, when the objects are there (`fitting`).
"""

from __future__ import annotations

import ast
import collections
import copy
import dataclasses
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mpnb.plan.names import target_names
from mpnb.plan.nodes import children, walked
from mpnb.plan.space import Space
from mpnb.plan.tables import DICT_VIEWS
from mpnb.plan.types import Slices
from mpnb.sliced import LASTING, Sliced

#: Names in a task that stand for a sliced one: what is read, what is read and used up at once, what `+=` begins with.
ONE: Final = "_mpnb_one_"
EVERY: Final = "_mpnb_every_"
OWN: Final = "_mpnb_own_"
#: The value that is set, on its way.
VALUE: Final = "_mpnb_set"
SLICED: Final = "_mpnb_sliced"
MADE: Final = (ONE, EVERY, OWN)

#: Methods that change their object and whose result is not used: replayed on the notebook's own object.
EFFECT_METHODS: Final = frozenset(
    {"append", "appendleft", "insert", "add", "discard", "extend", "extendleft", "update"}
)

_KEY_PARTS: Final = (ast.Name, ast.Constant, ast.Slice, ast.BinOp, ast.UnaryOp)
_HIDING: Final = (ast.Lambda, ast.FunctionDef, ast.GeneratorExp, ast.Try, ast.With)
#: Methods, functions of numpy and builtins after which nothing is left of the array that they are given. Not round() or
#: diff(): those can give the very array back, as astype() does with copy=False.
_METHODS: Final = frozenset(
    """sum mean std var min max prod any all argmin argmax argsort cumsum cumprod copy tolist dot item""".split()
)
_FUNCTIONS: Final = frozenset(
    """sum mean std var min max amin amax prod any all argmin argmax argsort sort cumsum cumprod median percentile
    quantile dot norm sin cos tan exp log log2 log10 sqrt abs absolute square power clip maximum minimum where
    isnan unique average count_nonzero linalg""".split()
)
_BUILTINS: Final = frozenset({"sum", "len", "print", "float", "int", "str", "repr", "any", "all", "round", "abs"})
_ATTRIBUTES: Final = frozenset({"shape", "size", "ndim", "dtype"})


@dataclass(slots=True)
class Use:
    """One occurrence in the body."""

    place: ast.Subscript
    owner: ast.Name
    attribute: str
    is_read: bool
    used_up: bool
    augmented: bool


def find_slices(
    body: list[ast.stmt], target: ast.expr, iterable: ast.expr, fixed: frozenset[str], names: Iterable[str]
) -> dict[str, Slices]:
    """Which of `names` a body uses in slices. `fixed` are names that the body does not set.

    What is read gets the names in the body that it has in a task; what is set keeps its own for now.
    """
    indices = frozenset(target_names(target)) & fixed
    called = frozenset(id(node.func) for node in walked(*body) if isinstance(node, ast.Call))
    found = {}
    for name in names:
        read = _Occurrences(name, indices, called)
        for statement in body:
            read.visit(statement, None)
        slices = read.slices()
        origin = None if slices is None else _source(target, iterable, slices.index, 0)
        if slices is not None and origin is not None:
            found[name] = dataclasses.replace(slices, leaf=origin[0], what=origin[1])
            if slices.reads:
                _rename(read.uses, read.measured)
    return found


def set_by_key(body: list[ast.stmt]) -> set[str]:
    """The names of which a body sets something by a key."""
    found = set()
    for node in walked(*body):
        match node:
            case ast.Subscript(ast.Name(name) | ast.Attribute(ast.Name(name), "loc" | "at"), ctx=ast.Store()):
                found.add(name)
            case _:
                pass
    return found


class _Occurrences:
    """Goes through a body and takes down every occurrence of one name; `bad` where one is no slice."""

    def __init__(self, name: str, indices: frozenset[str], called: frozenset[int]) -> None:
        self.name = name
        self.indices = indices
        self.bad = False
        self.uses: list[Use] = []
        self.measured: list[ast.Name] = []
        self.shaped = False
        self.keys: set[tuple[str, int, bool, str]] = set()
        self.modules: set[str] = set()
        self.builtins: set[str] = set()
        self.called = called
        self.hidden = 0

    def slices(self) -> Slices | None:
        """What the occurrences come to; None where they are not all alike, or nothing is both read and set."""
        stored = any(not use.is_read or use.augmented for use in self.uses)
        reads = [use for use in self.uses if use.is_read and not use.augmented]
        if self.bad or not stored or len({key[:2] + key[3:] for key in self.keys}) != 1:
            return None
        index, position, _, attribute = next(iter(self.keys))
        places = [(name.lineno, name.col_offset) for name in [*(use.owner for use in reads), *self.measured]]
        return Slices(
            self.name,
            index,
            position,
            all(exact for _, _, exact, _ in self.keys),
            attribute,
            min(places, default=(0, 0)),
            bool(places),
            bool(self.measured),
            self.shaped,
            any(use.augmented for use in self.uses),
            self._turned() if attribute else frozenset(),
            frozenset(self.modules),
            frozenset(self.builtins),
        )

    def _turned(self) -> frozenset[str] | None:
        """The columns that are both read and set; None where one is not written down."""
        read, changed = set(), set()
        for use in self.uses:
            key = use.place.slice
            column = key.elts[1] if isinstance(key, ast.Tuple) else None
            if not isinstance(column, ast.Constant) or not isinstance(column.value, str):
                return None
            if use.is_read:
                read.add(column.value)
            if use.augmented or not use.is_read:
                changed.add(column.value)
        return frozenset(read & changed)

    def visit(self, node: ast.AST, parent: ast.AST | None) -> None:
        """Look at a node, which stands in `parent`."""
        if self.bad:
            return
        match node:
            case ast.Name(name) if name == self.name:
                self.bad = True  # what fits was taken further out
                return
            case ast.Call(ast.Name("len"), [ast.Name(name) as owner], []) if name == self.name:
                self.bad |= bool(self.hidden)
                self.measured.append(owner)
                self.builtins.add("len")
                return
            case ast.Attribute(ast.Name(name) as owner, attribute, ast.Load()) if (
                name == self.name and attribute in _ATTRIBUTES
            ):
                self.bad |= bool(self.hidden)
                self.measured.append(owner)
                self.shaped = True
                return
            case ast.Subscript(ast.Name(name) as owner, key) if name == self.name:
                self._take(node, owner, "", key, parent)
                return
            case ast.Subscript(ast.Attribute(ast.Name(name) as owner, "loc" | "at" as attribute), key) if (
                name == self.name
            ):
                self._take(node, owner, attribute, key, parent)
                return
            case _:
                pass
        hides = isinstance(node, _HIDING)
        rebinds = [inner for inner in children(node) if isinstance(inner, ast.comprehension)]
        bound = {name for inner in rebinds for name in target_names(inner.target)}
        before = self.indices
        self.indices -= bound
        self.hidden += hides
        for child in children(node):
            self.visit(child, node)
        self.hidden -= hides
        self.indices = before

    def _take(
        self, node: ast.Subscript, owner: ast.Name, attribute: str, key: ast.expr, parent: ast.AST | None
    ) -> None:
        place = self._place(key)
        if place is None or self.hidden or (attribute and not (isinstance(key, ast.Tuple) and len(key.elts) == 2)):
            self.bad = True
            return
        self.keys.add((*place, attribute))
        match node.ctx, parent:
            case ast.Load(), ast.Subscript(ctx=ast.Store() | ast.Del()):
                self.bad = True  # what hangs on it is changed
            case ast.Load(), ast.Attribute(attr=method) if method in EFFECT_METHODS:
                self.bad = True
            case ast.Load(), _:
                self.uses.append(Use(node, owner, attribute, True, self._is_used_up(node, parent), False))
            case ast.Store(), ast.Assign(targets=[_]):
                self.uses.append(Use(node, owner, attribute, False, False, False))
            case ast.Store(), ast.AugAssign():
                self.uses.append(Use(node, owner, attribute, True, False, True))
            case _:
                self.bad = True

    def _place(self, key: ast.expr) -> tuple[str, int, bool] | None:
        """Where the loop variable stands in a key that is plain otherwise."""
        match key:
            case ast.Name(index) if index in self.indices:
                return index, 0, True
            case ast.Tuple(elts=parts):
                for position, part in enumerate(parts):
                    if isinstance(part, ast.Name) and part.id in self.indices:
                        others = [*parts[:position], *parts[position + 1 :]]
                        return (part.id, position, False) if all(map(self._is_plain, others)) else None
                return None
            case _:
                return None

    def _is_plain(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Name) and node.id == self.name:
            return False
        return isinstance(node, _KEY_PARTS) and all(map(self._is_plain, children(node)))

    def _is_used_up(self, node: ast.expr, parent: ast.AST | None) -> bool:
        """Tell whether nothing is left of an array where it stands."""
        match parent:
            case ast.BinOp() | ast.UnaryOp() | ast.Compare() | ast.FormattedValue():
                return True
            case ast.Attribute(attr=attribute):
                return attribute in _ATTRIBUTES or (attribute in _METHODS and id(parent) in self.called)
            case ast.Call(keywords=keywords) if any(keyword.arg in {None, "out"} for keyword in keywords):
                return False
            case ast.Call(ast.Name(function)) if function in _BUILTINS:
                self.builtins.add(function)
                return True
            case ast.Call(ast.Attribute(ast.Name(module), function)) if function in _FUNCTIONS:
                self.modules.add(module)
                return node in parent.args
            case ast.Call(ast.Attribute(ast.Attribute(ast.Name(module), "linalg"), "norm")):
                self.modules.add(module)
                return True
            case _:
                return False


def _rename(uses: Iterable[Use], measured: Iterable[ast.Name]) -> None:
    for use in uses:
        if use.is_read and not use.augmented:
            use.owner.id = (EVERY if use.used_up else ONE) + use.owner.id
    for name in measured:
        name.id = ONE + name.id


def unmade(text: str) -> str:
    """A text in which made names are the notebook's own again."""
    for made in MADE:
        text = text.replace(made, "")
    return text


def _source(target: ast.expr, iterable: ast.expr, index: str, first: int) -> tuple[int, str] | None:
    """Where the values of a loop variable come from: the number of a leaf, and what of it; None where unknown."""
    match iterable, target:
        case ast.Call(ast.Name("enumerate"), [inner, *start]), ast.Tuple(elts=[count, rest]):
            if _is_named(count, index):
                plain = not start or (isinstance(start[0], ast.Constant) and type(start[0].value) is int)
                keywords = [k.value for k in iterable.keywords]
                plain &= all(isinstance(value, ast.Constant) and type(value.value) is int for value in keywords)
                return (first, "count") if plain and not _is_negative([*start, *keywords]) else None
            return _source(rest, inner, index, first)
        case ast.Call(ast.Name("zip"), [*parts]), ast.Tuple(elts=targets) if len(targets) == len(parts):
            for part, each in zip(parts, targets, strict=True):
                found = _source(each, part, index, first)
                if found is not None:
                    return found
                first += _leaves(part)
            return None
        case ast.Call(ast.Name("enumerate" | "zip")), _:
            return None
        case ast.Call(ast.Name("reversed"), [inner]), _:
            return _source(target, inner, index, first)
        case _, ast.Name():
            return (first, "item") if _is_named(target, index) else None
        case _, ast.Tuple(elts=[key, _]):
            return (first, "key") if _is_named(key, index) else None
        case _:
            return None


def _is_named(target: ast.expr, index: str) -> bool:
    return isinstance(target, ast.Name) and target.id == index


def _is_negative(nodes: Sequence[ast.expr]) -> bool:
    return any(isinstance(node, ast.Constant) and node.value < 0 for node in nodes)  # type: ignore[operator]


def _leaves(iterable: ast.expr) -> int:
    match iterable:
        case ast.Call(ast.Name("enumerate"), [inner, *_]):
            return _leaves(inner)
        case ast.Call(ast.Name("zip" | "reversed"), [*parts]):
            return sum(map(_leaves, parts))
        case _:
            return 1


# -- with the objects ------------------------------------------------------------------------------------------------

_ROWS: Final = (list, tuple)
_DICTS: Final = (dict, collections.OrderedDict, collections.Counter)


def distinct(leaf: Any, what: str) -> list[int | str] | range | None:
    """The values that a loop variable takes, where no two of them are equal; None where that can't be told.

    `count` is what enumerate() adds, `item` the leaf's item, `key` the first of the two that items() gives.
    """
    if what == "count":
        return range(sys.maxsize)
    if what == "key":
        if type(leaf) is not type({}.items()):
            return None
        values: list[Any] = list(dict(leaf))
    elif type(leaf) is range:
        return leaf
    elif type(leaf) in {*_ROWS, *_DICTS, DICT_VIEWS[0]} or _is_index(leaf):
        values = list(leaf)
    else:
        return None
    alike = {type(value) for value in values} in ({int}, {str}, set())
    return values if alike and len(set(values)) == len(values) else None


def _is_index(leaf: Any) -> bool:
    return "Index" in {base.__name__ for base in type(leaf).__mro__} and type(leaf).__module__.split(".")[0] == "pandas"


def runs_over_itself(slices: Slices | None, number: int, leaf: Any, thing: Any) -> bool:
    """Tell whether a loop may run over what it sets: each element is set when its own turn has come.

    `leaf` is what is looped over, or the dict of which it shows the content.
    """
    if slices is None or not slices.exact or slices.attribute or slices.leaf != number or leaf is not thing:
        return False
    if slices.augmented and not holds_lasting(thing):
        return False
    return slices.what in {"item", "key"} if type(thing) in _DICTS else type(thing) is list and slices.what == "count"


def why_not(slices: Slices, thing: Any, values: list[int | str] | range | None, space: Space) -> str:
    """Why a name can't be taken apart by the loop variable, as a clause; empty where it can."""
    if values is None:
        return f"`{slices.index}` may come twice"
    kind = type(thing)
    numpy = sys.modules.get("numpy")
    ints = isinstance(values, range) or not values or type(values[0]) is int
    if kind is list or (numpy is not None and kind is numpy.ndarray):
        if not ints:
            return f"`{slices.index}` is no number"
        ends = (values[0], values[-1]) if isinstance(values, range) and values else values
        if any(value < 0 for value in ends) and any(value >= 0 for value in ends):  # type: ignore[operator]
            return f"`{slices.index}` may mean one element twice, from either end"
    if kind is list or kind in _DICTS:
        return _why_not_elements(slices, thing)
    if numpy is not None and kind is numpy.ndarray:
        return _why_not_array(slices, thing, space)
    return _why_not_frame(slices, thing, values)


def _why_not_elements(slices: Slices, thing: Any) -> str:
    if not slices.exact or slices.attribute:
        return f"its key is not `{slices.index}` alone"
    if slices.shaped or (slices.measured and type(thing) is not list):
        return "its length is asked for"
    if slices.augmented and not all(_lasts(each) for each in (thing if type(thing) is list else thing.values())):
        return "its elements may be changed in place"
    return ""


def _why_not_array(slices: Slices, thing: Any, space: Space) -> str:
    if slices.attribute or thing.dtype.kind not in "biufcSUmM":
        return f"it holds {thing.dtype}"
    if not (thing.flags.c_contiguous or thing.flags.f_contiguous):
        return "its elements do not lie side by side"
    if thing.ndim <= slices.position:
        return "it has too few axes"
    if any(space.get(module) is not sys.modules.get("numpy") for module in slices.modules):
        return "it is given to a function that is not numpy's"
    return ""


def _why_not_frame(slices: Slices, thing: Any, values: Sequence[int | str]) -> str:
    pandas = sys.modules.get("pandas")
    if pandas is None or type(thing) is not pandas.DataFrame or int(pandas.__version__.split(".")[0]) < 3:
        return f"a {type(thing).__name__} can't be taken apart"
    if not thing.columns.is_unique or any(str(dtype).startswith("Sparse") for dtype in thing.dtypes):
        return "two columns have one name"
    if slices.measured:
        return "its size is asked for"
    if not slices.attribute:
        return "" if slices.exact else f"its key is not `{slices.index}` alone"
    if slices.position or not thing.index.is_unique or isinstance(thing.index, pandas.MultiIndex):
        return "its rows can't be told apart"
    if slices.turned is None or any(
        getattr(thing.dtypes.get(column), "kind", "") not in {"f", "O"} for column in slices.turned
    ):
        return "setting a cell may change its column's type"
    if isinstance(values, range) and len(values) == sys.maxsize:
        values = range(len(thing))
        return "" if thing.index.equals(pandas.RangeIndex(len(thing))) else "it may get new rows"
    return "" if all(value in thing.index for value in values) else "it may get new rows"


def _lasts(element: Any) -> bool:
    if type(element) in LASTING:
        return True
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(element, numpy.generic)


def holds_lasting(thing: Any) -> bool:
    """Tell whether what is read of it is a number or text, or a copy, so that it may be changed by who has it."""
    if type(thing) is list:
        return all(map(_lasts, thing))
    if isinstance(thing, dict):
        return all(map(_lasts, thing.values()))
    return True


def snapshot(slices: Slices, thing: Any) -> Sliced:
    """What travels with a job in the place of a sliced object: a copy of it as it is now, with the same elements."""
    if isinstance(thing, list | dict):
        return Sliced(copy.copy(thing))
    if type(thing).__name__ == "ndarray":
        return Sliced(thing.copy(order="K"), slices.position)
    whole = thing.copy()
    whole.index, whole.columns = thing.index, thing.columns
    return Sliced(whole)


def made_names(names: Iterable[str]) -> Iterator[str]:
    """The names that sliced ones have in a task, in the order in which `turn()` gives them."""
    for name in names:
        yield from (made + name for made in MADE)
