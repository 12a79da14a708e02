"""What a cell would do, as a table: verdicts, names with their class and size, seconds by workers. Runs nothing.

A `SiteExplained` and what was measured before come in, a `SiteOutlook` comes out: data, and from it text and HTML.
"""

from __future__ import annotations

import ast
import marshal
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from mpnb import worth
from mpnb.markup import CODE, FINE, FONT, GREEN, MUTED, SERIAL_MARK, SPLIT_MARK, TEXT, with_code
from mpnb.plan.explain import NameUse, SiteExplained, explain_site
from mpnb.plan.iterables import length
from mpnb.plan.names import read_names
from mpnb.plan.space import Space
from mpnb.plan.types import CellPlan
from mpnb.record import Site, round_seconds
from mpnb.weight import Weight, weigh, weigh_names

_HEAD: Final = ("name", "class", "line", "pickled", "shared", "")
#: Most workers for which the seconds are given, besides the number asked for.
_COUNTS: Final = 8


@dataclass(frozen=True, slots=True)
class Measured:
    """What a site took when the same cell ran before: serial seconds of an iteration, and how many there were."""

    each_s: float
    iterations: int


@dataclass(frozen=True, slots=True)
class NameOutlook:
    """One name: its class, its place, and about how many bytes go to a worker; None where it is not sent, or not known.

    `pickled` are copied for each worker, `shared` lie once in memory that all of them map. What is looped over stands
    beside the first loop variable, for each item. `brings` are the names that a function needs in its turn; `note`
    says why there is no size.
    """

    name: str
    role: str
    line: int
    column: int
    pickled: int | None = None
    shared: int | None = None
    brings: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class SiteOutlook:
    """One site: the verdict, its names, and the seconds it should take on 1, 2, … workers, where a run told."""

    line: int
    column: int
    kind: str
    label: str
    splits: bool
    code: str
    verdict: str
    names: tuple[NameOutlook, ...]
    expected: tuple[tuple[int, float], ...]
    gain: str

    @property
    def head(self) -> str:
        """The site and its verdict, in a line."""
        return f"line {self.line} col {self.column + 1}, {self.kind} `{self.label}`: {self.verdict}"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a cell would do: a table for each of its sites; `note` where it has none."""

    sites: tuple[SiteOutlook, ...]
    note: str = ""

    def to_text(self) -> str:
        """The tables in plain text."""
        if not self.sites:
            return self.note or "nothing here to split"
        return "\n".join(line for site in self.sites for line in _text(site))

    def to_html(self) -> str:
        """The tables in HTML that needs nothing else, in the colours of the front end."""
        style = f"font:13px/1.5 {FONT};color:{TEXT};margin:2px 0"
        inner = "".join(map(_html, self.sites)) or f"<div>{escape(self.to_text())}</div>"
        return f'<div style="{style}">{inner}</div>'


def measure(site: Site) -> Measured | None:
    """What a run tells of a site, for the next time; None where no iteration ran."""
    if site.kernel_iterations:
        each_s = site.kernel_s / site.kernel_iterations
    elif site.iterations:
        each_s = site.pool_s / site.iterations
    else:
        return None
    return Measured(each_s, site.iterations or site.kernel_iterations) if each_s > 0 else None


def look_at_cell(
    cell: CellPlan,
    tree: ast.Module,
    namespace: dict[str, Any],
    workers: int,
    measured: Mapping[int, Measured],
    *,
    seeded: bool = False,
    trusted: frozenset[str] = frozenset(),
) -> Outlook:
    """What a cell would do. `tree` is the cell as it was written; `measured` what an earlier run told, by site."""
    set_in_cell = read_names(tree.body).defs
    sites = []
    for plan in cell.sites:
        site = explain_site(plan, Space(namespace), set_in_cell, seeded=seeded, trusted=trusted)
        known = {name: thing for name, thing in namespace.items() if name not in site.later}
        sites.append(look_ahead(site, known.get, workers, measured.get(plan.number)))
    return Outlook(tuple(sites), cell.note)


def look_ahead(
    site: SiteExplained, look_up: Callable[[str], object], workers: int, measured: Measured | None
) -> SiteOutlook:
    """What a site would do on up to so many workers.

    `look_up` gives None for a name that the notebook does not have, or that the cell has yet to set.
    """
    plan = site.plan
    names = tuple(_of_name(use, site, look_up) for use in site.names)
    refusal = site.refusal
    expected: tuple[tuple[int, float], ...] = ()
    if refusal is not None:
        verdict = f"stays serial: {refusal.told((plan.line, plan.column))} [{refusal.code}]"
        gain = "stays in the kernel"
    else:
        verdict = "can be split"
        if site.later:
            verdict += f", as far as can be told before this cell sets {', '.join(f'`{name}`' for name in site.later)}"
        expected, gain = _expected(site, look_up, workers, measured)
    code = "" if refusal is None else refusal.code
    return SiteOutlook(
        plan.line, plan.column, plan.kind, plan.label, refusal is None, code, verdict, names, expected, gain
    )


# --------------------------------------------------------------------------------------------------------------- sizes


def _of_name(use: NameUse, site: SiteExplained, look_up: Callable[[str], object]) -> NameOutlook:
    plain = (use.name, use.role, use.line, use.column)
    if use.role == "loop variable":
        if use.name != next(each.name for each in site.names):
            return NameOutlook(*plain)  # the items are sent as a whole, and stand beside the first
        each = _weight_of_items(site)
        if each is None:
            return NameOutlook(*plain, note="its items are known when the cell runs")
        return NameOutlook(*plain, round(each.pickled), round(each.shared), note="each item")
    loop = site.plan.loop
    is_sent = use.role == "broadcast" or (loop is not None and use.name in loop.copied)
    if not is_sent:
        return NameOutlook(*plain)
    if use.name in site.later:
        return NameOutlook(*plain, note="set by this cell")
    thing = look_up(use.name)
    if _is_module(thing):
        return NameOutlook(*plain, 0, 0, note="imported there")
    try:
        found = weigh_names([use.name], look_up)
        brought = sorted(name for name in found.keys() - {use.name} if look_up(name) is not None)
        weights = Weight()
        for name in (use.name, *brought):
            held = look_up(name)
            if not _is_module(held):
                weights += found[name] + Weight(pickled=_code_size(held))
    except Exception as error:  # an object that can't bear to be looked at
        return NameOutlook(*plain, note=f"can't be looked at ({type(error).__name__})")
    return NameOutlook(*plain, round(weights.pickled), round(weights.shared), tuple(brought))


def _is_module(thing: object) -> bool:
    return issubclass(type(thing), types.ModuleType)  # not isinstance, which asks the object


def _code_size(thing: object) -> int:
    code = [thing.__code__] if type(thing) is types.FunctionType else []
    if issubclass(type(thing), type) and thing.__module__ == "__main__":
        code = [member.__code__ for member in vars(thing).values() if isinstance(member, types.FunctionType)]
    return sum(len(marshal.dumps(each)) for each in code)


_NUMBER: Final = weigh(0)


def _weight_of_items(site: SiteExplained) -> Weight | None:
    """What one iteration's items weigh; None where it can't be told."""
    if site.leaves is None:
        return None
    total = Weight()
    for leaf in site.leaves:
        size = length(leaf.thing)
        if size is None:
            return None
        total += _NUMBER if isinstance(leaf.thing, range) else weigh(leaf.thing).times(1 / max(1, size))
    return total


# ------------------------------------------------------------------------------------------------------------- seconds


def _expected(
    site: SiteExplained, look_up: Callable[[str], object], workers: int, measured: Measured | None
) -> tuple[tuple[tuple[int, float], ...], str]:
    """Seconds by workers, and in words what is to be expected."""
    if measured is None:
        return (), "not known until the cell has run once"
    total = _total(site)
    left = measured.iterations if total is None else total
    weights = weigh_names([use.name for use in site.names if use.role == "broadcast"], look_up).values()
    names = sum(weights, Weight())
    item = _weight_of_items(site) or Weight()
    found = []
    why = ""
    for count in _counts(workers):
        figures = worth.Figures(
            measured.each_s,
            left,
            count,
            worth.sending_s(names.objects, names.nbytes),
            worth.sending_s(item.objects, item.nbytes),
        )
        verdict = worth.judge(figures)
        found.append((count, figures.pool_s if verdict.pays else figures.serial_s))
        if not verdict.pays:
            why = verdict.reason or f"{round_seconds(figures.serial_s)} of work is too small to split"
    serial, best = left * measured.each_s, found[-1][1]
    each = f"{left:,} iterations of {round_seconds(measured.each_s)}, as measured in its last run"
    if best < serial:
        return tuple(found), f"≈{serial / best:.1f}× faster on {workers} workers · {each}"
    return tuple(found), f"stays in the kernel: {why} · {each}"


def _total(site: SiteExplained) -> int | None:
    if site.leaves is None:
        return None
    sizes = [length(leaf.thing) for leaf in site.leaves]
    known = [size for size in sizes if size is not None]
    return min(known) if known and len(known) == len(sizes) else None


def _counts(workers: int) -> list[int]:
    if workers <= _COUNTS:
        return list(range(1, workers + 1))
    doubled = [1 << power for power in range(workers.bit_length()) if 1 << power < workers]
    return [*doubled, workers]


# --------------------------------------------------------------------------------------------------------------- shown


def _bytes(number: int | None) -> str:
    if number is None:
        return ""
    if number < 1000:
        return f"{number} B"
    for unit in ("kB", "MB", "GB"):
        number_in = number / {"kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]
        if number_in < 999.5:
            return f"{number_in:.3g} {unit}"
    return f"{number / 1e12:.3g} TB"


def _rows(site: SiteOutlook) -> list[tuple[str, ...]]:
    return [
        (
            each.name,
            each.role,
            str(each.line),
            _bytes(each.pickled),
            _bytes(each.shared) if each.shared or each.pickled is None else "–",
            "; ".join(filter(None, [each.note, f"with {', '.join(each.brings)}" if each.brings else ""])),
        )
        for each in site.names
    ]


def _seconds(site: SiteOutlook) -> str:
    by_workers = ", ".join(f"{count}: {round_seconds(seconds)}" for count, seconds in site.expected)
    return f"{site.gain} · by workers {by_workers}" if by_workers else site.gain


def _text(site: SiteOutlook) -> Iterable[str]:
    yield site.head
    rows = [_HEAD, *_rows(site)] if site.names else []
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))] if rows else []
    for row in rows:
        cells = [
            cell.rjust(width) if place in _NUMBERS else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield f"    {'  '.join(cells)}".rstrip()
    yield f"    expected: {_seconds(site)}"


_NUMBERS: Final = frozenset({2, 3, 4})


def _html(site: SiteOutlook) -> str:
    mark, colour = (SPLIT_MARK, GREEN) if site.splits else (SERIAL_MARK, MUTED)
    head = f'<span style="color:{colour};font-weight:700">{mark}</span> {with_code(site.head)}'
    table = _table(_rows(site)) if site.names else ""
    expected = f'<div style="color:{MUTED};padding-left:1.2em">expected: {escape(_seconds(site))}</div>'
    return f'<div style="margin:0 0 8px">{head}{table}{expected}</div>'


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    def line(cells: tuple[str, ...], tag: str, colour: str = TEXT) -> str:
        return (
            "<tr>"
            + "".join(
                f'<{tag} style="text-align:{"right" if place in _NUMBERS else "left"};padding:1px 14px 1px 0;'
                f"border:0;border-bottom:1px solid {FINE};background:transparent;color:{colour};font-weight:normal;"
                f'{f"font-family:{CODE}" if place == 0 and tag == "td" else ""}">{escape(cell)}</{tag}>'
                for place, cell in enumerate(cells)
            )
            + "</tr>"
        )

    body = "".join(line(row, "td") for row in rows)
    style = "border-collapse:collapse;margin:2px 0 2px 1.2em;font-size:12px;font-variant-numeric:tabular-nums"
    return f'<table style="{style}"><thead>{line(_HEAD, "th", MUTED)}</thead><tbody>{body}</tbody></table>'
