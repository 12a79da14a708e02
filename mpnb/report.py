"""The view afterwards: a record in, words, static HTML and matplotlib axes out. Never changes the record.

The HTML is self-contained, has no script, and stays under 60 KB whatever was run, so that it can be saved in a
notebook. Its colours follow the page it stands on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Final

from mpnb.markup import AMBER, FINE, FONT, GREEN, MUTED, SERIAL_MARK, SPLIT_MARK, TEXT, with_code
from mpnb.record import (
    CHECK,
    DECODE,
    ENCODE,
    FAILED,
    LOSSES,
    PACKING,
    REPEATED,
    SLOWER,
    START,
    TASK,
    UNEVEN,
    USEFUL,
    WAITING,
    Lane,
    Record,
    Site,
    round_seconds,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

PREFIX: Final = "[mpnb] "
MARKS: Final = {"finished": SPLIT_MARK, "failed": "✗", "stopped": "■", "running": "▶"}
SERIAL: Final = "kernel alone"  # what the pool had no part in, of a site that was split

# Okabe and Ito's colours, told apart by all eyes, a little towards the middle so that they hold on white and on black.
COLOURS: Final = {TASK: "#2f86c8", DECODE: "#d99a1c", ENCODE: "#d99a1c", CHECK: "#a77bc9", FAILED: "#d9541e"}
KERNEL: Final = "kernel"
KERNEL_COLOUR: Final = GREEN
LOSS_COLOURS: Final = {
    USEFUL: "#2f86c8",
    SLOWER: "#6fb4dd",
    START: "#2c9f7c",
    PACKING: "#d99a1c",
    WAITING: "#b4bac4",
    UNEVEN: "#868c96",
    REPEATED: "#d9541e",
}
IN_SHORT: Final = {
    USEFUL: "useful work",
    SLOWER: "slower than alone",
    START: "starting",
    PACKING: "sending data",
    WAITING: "waiting for work",
    UNEVEN: "uneven tasks",
    REPEATED: "failed or thrown away",
    SERIAL: "kernel alone",
}
FAINT: Final = ' opacity=".55"'  # short tasks, merged, with much idle time between them


# ------------------------------------------------------------------------------------------------------------ in words


def summary(record: Record) -> str:
    """Say what became of each site, a line each."""
    return "\n".join(PREFIX + line for line in summary_lines(record))


def summary_lines(record: Record) -> list[str]:
    """List a line for each site that was reached; those that were too small to split share one."""
    reached = [site for site in record.sites if site.started is not None or site.reason]
    small = [site for site in reached if site.code == "small"]
    lines = [summary_line(record, site) for site in reached if len(small) < 2 or site.code != "small"]
    if len(small) > 1:
        spent = round_seconds(sum(site.wall_s or 0.0 for site in small))
        lines.append(f"{len(small)} sites finished in the kernel in {spent}: too small to split")
    if not lines:
        lines.append(record.note or f"{record.status} in {round_seconds(record.wall_s)}: nothing here to split")
    return lines


def summary_line(record: Record, site: Site) -> str:
    """Say in one line what became of a site, and which random numbers it drew."""
    line = _fate(record, site)
    return line if site.seed is None else f"{line} · random numbers from the streams of seed {site.seed}"


def _fate(record: Record, site: Site) -> str:
    if site.compared:
        speed = "" if site.speedup is None else f" · {in_words(site.speedup, measured=site.speedup_measured)}"
        return f"line {site.line}: {site.compared}{speed}"
    if not site.was_split or (site.reason and not site.parallel):
        if site.code == "small":
            return f"{site.label or f'line {site.line}'}: {site.reason}" if len(record.sites) > 1 else site.reason
        if site.reason:
            code = f" [{site.code}]" if site.code else ""
            how = "ran serially" if record.status == "finished" else "stays serial"  # it may not have been reached
            return f"line {site.line} {how}: {site.reason}{code}"
        return f"line {site.line}: {_count(site)} in the kernel in {round_seconds(_wall(record, site))}"
    line = f"{site.label or f'line {site.line}'}: {_outcome(record, site)}{_count(site, cut=_was_cut(record, site))}"
    line += f" in {round_seconds(_wall(record, site))} on {_plural(site.workers, 'worker')}"
    if site.speedup is not None:
        line += f" · {in_words(site.speedup, measured=site.speedup_measured)}"
        lost = lost_cores(site)
        shown = sorted(((value, name) for name, value in lost.items() if value >= 0.05), reverse=True)[:3]
        if shown and site.speedup >= 1:
            lost_in_all = sum(value for value in lost.values() if value > 0)
            line += f" · {lost_in_all:.1f} of {_plural(site.workers, 'core')} lost: "
            line += ", ".join(f"{value:.1f} {IN_SHORT[name]}" for value, name in shown)
    if site.threads is not None:
        kernel, worker = site.threads
        line += f" · linear algebra on {_plural(worker, 'thread')}, not {kernel}: last bits may differ (see --exact)"
    if site.reason:
        line += f" · {site.reason}"
    if site.died:
        line += f" · {_plural(site.died, 'worker')} died and {'was' if site.died == 1 else 'were'} replaced"
    return line


def lost_cores(site: Site) -> dict[str, float]:
    """Say how many of the cores were lost on average, by reason; speedup and losses together are the workers."""
    if not site.wall_s:
        return {}
    lost = {name: seconds / site.wall_s for name, seconds in site.lost.items() if name != USEFUL}
    lost[SERIAL] = max(0.0, site.workers * (site.wall_s - site.job_s) - site.kernel_s) / site.wall_s
    return lost


def remedy(record: Record) -> str:
    """Name the biggest loss in a sentence, and say what can be done; empty where hardly anything was lost."""
    losses = {name: seconds for name, seconds in record.losses.items() if name != USEFUL}
    name = max(losses, key=losses.__getitem__)
    whole = record.core_s
    if not whole or losses[name] < 0.05 * whole:
        return ""
    site = max((site for site in record.sites if site.was_split), key=lambda site: site.lost.get(name, 0.0))
    cores = losses[name] / whole * site.workers
    n = f"{cores:.1f} of your {site.workers} cores"
    match name:
        case "uneven end":
            if site.longest and site.longest_was_last:
                number, seconds = site.longest
                return (
                    f"{n} waited at the end: iteration {number:,} alone took {round_seconds(seconds)} of "
                    f"{round_seconds(site.job_s)}. Start long ones first (sorted(…, key=…, reverse=True)), or split it."
                )
            return f"{n} waited at the end for the others' last tasks. More and smaller iterations even out better."
        case "start":
            sent = f" ({_bytes(site.nbytes)})" if site.nbytes > 1 << 20 else ""
            return f"{n} had no task yet while names{sent} were sent and workers started. Longer loops make up for it."
        case "encode and decode":
            sent = f" {_bytes(site.nbytes)} went to and fro." if site.nbytes > 1 << 20 else ""
            return f"{n} packed and unpacked data.{sent} Send paths or indices, and return only what you need."
        case "waiting for work":
            return f"{n} waited for their next task: the iterations are very short. Do more in each of them."
        case "slower than alone":
            return (
                f"Each iteration took {1 / site.yardstick:.1f}× as long as alone ({n}): the cores share memory, "
                "caches, power or a lock. Fewer workers may be as fast."
            )
        case _:
            return f"{n} worked on what was thrown away: tasks that failed, were stopped, or were under way at the end."


def _wall(record: Record, site: Site) -> float:
    return record.wall_s if site.wall_s is None else site.wall_s


def _was_cut(record: Record, site: Site) -> bool:
    """Whether the run ended in the midst of this site."""
    if record.status in {"finished", "running"} or record.current is None or record.sites[record.current] is not site:
        return False
    return site.total is not None and (site.iterations or 0) < site.total


def _outcome(record: Record, site: Site) -> str:
    return f"{record.status} after " if _was_cut(record, site) else ""


def _count(site: Site, *, cut: bool = False) -> str:
    done = site.iterations or 0
    return f"{done:,} of {site.total:,} iterations" if cut else _plural(done, "iteration")


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def in_words(speedup: float, *, measured: bool) -> str:
    """Say how much faster or slower than the serial cell.

    Examples
    --------
    >>> in_words(3.71, measured=True), in_words(0.4, measured=False), in_words(0.98, measured=False)
    ('3.7× faster', '≈2.5× slower', 'about as fast as serially')
    """
    about = "" if measured else "≈"
    if 0.95 <= speedup < 1.05:
        return "about as fast as serially"
    if speedup > 1:
        return f"{_times(speedup, about)} faster"
    if speedup < 0.01:  # an estimate from iterations that were next to nothing
        return "more than 100× slower"
    return f"{_times(1 / speedup, about)} slower"


def _times(speedup: float, about: str) -> str:
    return f"{about}{speedup:.{1 if speedup < 99.95 else 0}f}×"


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB"):
        if number < 999.5:
            return f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


# ----------------------------------------------------------------------------------------------------------- as HTML


def static_html(record: Record) -> str:
    """Draw the record as HTML that needs nothing else: one line, and the pictures folded behind it."""
    lines = summary_lines(record)
    split = [site for site in record.sites if site.was_split]
    mark = MARKS.get(record.status, "·")
    if mark == SPLIT_MARK and not split and not any(site.compared for site in record.sites):
        mark = SERIAL_MARK
    colour = {"✗": COLOURS[FAILED], "■": AMBER, SPLIT_MARK: GREEN}.get(mark, MUTED)
    head = next((n for n, site in enumerate(_reached(record)) if site.was_split), 0)
    rest = [line for n, line in enumerate(lines) if n != head]
    words = (
        f'<span style="color:{colour};font-weight:700;display:inline-block;min-width:1.2em">{mark}</span>'
        f"{_headline(lines[head])}"
    )
    style = f"font:13px/1.5 {FONT};color:{TEXT};max-width:1040px;margin:4px 0 2px"
    others = "".join(f'<div style="color:{MUTED};padding-left:1.2em">{with_code(line)}</div>' for line in rest)
    if not split:
        return f'<div style="{style}">{words}{others}</div>'
    spoken = escape(f"{split[0].label or 'loop'}: what each worker did, speedup and losses", quote=True)
    return (
        f'<div style="{style}"><details><summary style="cursor:pointer;font-variant-numeric:tabular-nums">{words}'
        f'</summary><div role="group" aria-label="{spoken}" style="border:1px solid {FINE};border-radius:8px;'
        'padding:12px 14px 10px;margin:6px 0 4px">'
        '<div style="display:flex;flex-wrap:wrap;gap:14px 26px">'
        f"{_lanes_html(record)}{_curve_html(record)}</div>{_losses_html(record)}</div></details>{others}</div>"
    )


def _reached(record: Record) -> list[Site]:
    return [site for site in record.sites if site.started is not None or site.reason]


def _headline(line: str) -> str:
    """The line with the speedup in bold."""
    return " · ".join(f"<b>{escape(p)}</b>" if "× faster" in p else with_code(p) for p in line.split(" · "))


def _title(text: str, more: str = "") -> str:
    return (
        '<div style="display:flex;justify-content:space-between;align-items:center;gap:8px;height:24px;'
        'margin-bottom:3px">'
        f'<span style="font-size:10.5px;letter-spacing:.07em;text-transform:uppercase;color:{MUTED}">{text}</span>'
        f"{more}</div>"
    )


def _axis(wall: float) -> str:
    unit, size = ("s", 1.0) if wall >= 0.95 else ("ms", 1e-3)
    places = 0 if wall / size >= 20 else 1
    marks = "".join(
        f"<span>{wall * n / 4 / size:.{places}f} {unit}</span>" if n else "<span>0</span>" for n in range(5)
    )
    return f'<div style="display:flex;justify-content:space-between;font-size:10.5px;color:{MUTED}">{marks}</div>'


def _lanes_html(record: Record) -> str:
    lanes = [lane for lane in record.lanes if lane.spans]
    lanes += [Lane()] * (record.ideal - len(lanes))  # had nothing to do
    count = len(lanes)
    pitch = max(2.0, min(64.0, 144 / count))
    gap = 4.0 if pitch >= 12 else 1.0 if pitch >= 4 else 0.0
    wall = record.wall_s or 1.0
    top = 10.0 if record.kernel.spans else 0.0
    height = top + pitch * count
    # One path of thick strokes per kind of span; no more of them than the page has pixels for, nor than 60 KB hold.
    resolution = wall * max(1.0, count * 640 / 1700) / 640
    paths: dict[tuple[str, bool], str] = {}
    for n, lane in enumerate(lanes):
        middle = f"{top + n * pitch + (pitch - gap) / 2:.4g}"
        for kind, start, end, busy in _thinned(lane, resolution):
            length = end - start
            width = max(0.6, length / wall * 640 - (0.8 if length > wall / 150 else 0))
            key = kind, kind == TASK and busy < 0.7
            paths[key] = paths.get(key, "") + f"M{start / wall * 640:.1f} {middle}h{width:.1f}"
    back = "".join(f"M0 {top + n * pitch + (pitch - gap) / 2:.4g}h640" for n in range(count))
    thick = f'fill="none" stroke-width="{pitch - gap:.3g}"'
    shapes = "".join(
        f'<path {thick} stroke="{COLOURS[kind]}"{FAINT if faint else ""} d="{path}"/>'
        for (kind, faint), path in sorted(paths.items())
    )
    drawn = {kind for kind, _ in paths}
    if top:  # a thin line for what the kernel ran itself
        pieces = _thinned(record.kernel, wall / 320)
        path = "".join(f"M{a / wall * 640:.1f} 3h{max(0.6, (b - a) / wall * 640 - 0.8):.1f}" for _, a, b, _ in pieces)
        shapes += f'<path fill="none" stroke-width="6" stroke="{KERNEL_COLOUR}" d="{path}"/>'
        drawn.add(KERNEL)
    legend = " ".join(
        f'<span style="white-space:nowrap;margin-left:9px"><span style="display:inline-block;width:8px;height:8px;'
        f'border-radius:2px;background:{COLOURS.get(kind, KERNEL_COLOUR)}"></span> {word}</span>'
        for kind, word in (
            (KERNEL, "kernel"),
            (TASK, "tasks"),
            (ENCODE, "sending data"),
            (CHECK, "checks"),
            (FAILED, "failed or stopped"),
        )
        if kind in drawn or (kind == ENCODE and DECODE in drawn)
    )
    more = f'<span style="font-size:10.5px;color:{MUTED}">{legend}</span>'
    return (
        f'<div style="flex:3 1 340px;min-width:0">{_title(_plural(count, "worker"), more)}'
        f'<svg viewBox="0 0 640 {height:.4g}" preserveAspectRatio="none" role="img" '
        f'aria-label="timeline of the workers" style="display:block;width:100%;height:{height:.4g}px">'
        f'<path {thick} stroke="currentColor" opacity=".07" d="{back}"/>'
        f"{shapes}</svg>{_axis(wall)}</div>"
    )


def _thinned(lane: Lane, resolution: float) -> list[tuple[str, float, float, float]]:
    """Give kind, start, end and busy share of a lane's spans, those below the resolution merged."""
    out: list[_Stretch] = []
    for span in lane.spans:
        if not out or span.end - out[-1].start >= resolution:
            out.append(_Stretch(span.start))
        out[-1].end = span.end
        out[-1].kinds[span.kind] = out[-1].kinds.get(span.kind, 0.0) + span.end - span.start
        out[-1].busy += span.busy if span.kind == TASK else span.end - span.start
    return [(each.kind(), each.start, each.end, min(1.0, each.busy / max(1e-9, each.end - each.start))) for each in out]


@dataclass(slots=True)
class _Stretch:
    """What is drawn as one piece."""

    start: float
    end: float = 0.0
    busy: float = 0.0
    kinds: dict[str, float] = field(default_factory=dict)

    def kind(self) -> str:
        return FAILED if FAILED in self.kinds else max(self.kinds, key=self.kinds.__getitem__)


def _curve_html(record: Record) -> str:
    wall, workers = record.wall_s or 1.0, record.ideal
    top = max(workers * 1.12, 1.2, *(value for _, value in record.curve), 1.2)
    points = record.curve[:: max(1, len(record.curve) // 160)] + record.curve[-1:]

    def at(t: float, value: float) -> str:
        return f"{t / wall * 300:.1f} {150 - min(value, top) / top * 150:.1f}"

    line = "L".join(at(t, value) for t, value in points)
    area = f"M{points[0][0] / wall * 300:.1f} 150L{line}L{points[-1][0] / wall * 300:.1f} 150z" if points else ""
    speedup, about = record.speedup, "" if record.speedup_measured else "≈"
    number = "" if speedup is None else f'<b style="font-size:20px;line-height:1">{_times(speedup, about)}</b>'
    ideal, one = 150 - workers / top * 150, 150 - 1 / top * 150
    thin = 'fill="none" stroke="currentColor" vector-effect="non-scaling-stroke"'
    label = f"position:absolute;right:2px;font-size:10.5px;color:{MUTED}"
    return (
        f'<div style="flex:1 1 200px;min-width:0">{_title("speedup", number)}'
        '<div style="position:relative"><svg viewBox="0 0 300 150" preserveAspectRatio="none" role="img" '
        f'aria-label="speedup over time" style="display:block;width:100%;height:150px">'
        f'<path {thin} opacity=".55" stroke-dasharray="5 4" d="M0 {ideal:.1f}H300"/>'
        f'<path {thin} opacity=".25" d="M0 {one:.1f}H300M0 150H300"/>'
        f'<path fill="{COLOURS[TASK]}" opacity=".16" d="{area}"/>'
        f'<path fill="none" stroke="{COLOURS[TASK]}" stroke-width="2" stroke-linejoin="round" '
        f'vector-effect="non-scaling-stroke" d="M{line or "0 150"}"/></svg>'
        f'<span style="{label};top:{max(0.0, ideal - 17):.0f}px">ideal {workers}×</span>'
        + (f'<span style="{label};top:{one - 17:.0f}px">serial 1×</span>' if one - ideal > 34 and one < 146 else "")
        + f"</div>{_axis(wall)}</div>"
    )


def _losses_html(record: Record) -> str:
    losses, whole = record.losses, record.core_s
    if whole <= 0:
        return ""
    shares = [(IN_SHORT[name], losses[name] / whole, LOSS_COLOURS[name]) for name in LOSSES]
    bar = "".join(
        f'<span title="{name}: {share:.1%}" style="width:{share:.3%};background:{colour}"></span>'
        for name, share, colour in shares
        if share > 0.0005
    )
    legend = "".join(
        f'<span style="white-space:nowrap"><span style="display:inline-block;width:8px;height:8px;border-radius:2px;'
        f'background:{colour}"></span> {name} <b>{_percent(share)}</b></span>'
        for name, share, colour in shares
        if share >= 0.0005
    )
    sentence = remedy(record)
    spoken = "; ".join(f"{name} {_percent(share)}" for name, share, _ in shares)
    return (
        f'<div style="margin-top:12px">{_title("where the cores’ time went")}'
        '<div style="display:flex;height:12px;border-radius:4px;overflow:hidden;gap:1px" role="img" '
        f'aria-label="{spoken}">{bar}</div>'
        f'<div style="display:flex;flex-wrap:wrap;gap:2px 16px;font-size:11.5px;margin-top:5px">{legend}</div>'
        + (f'<div style="margin-top:6px">{escape(sentence)}</div>' if sentence else "")
        + "</div>"
    )


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.0995 or share == 0 else f"{share:.1%}"


# ------------------------------------------------------------------------------------------------- as matplotlib axes


def _axes(ax: Axes | None, width: float, height: float) -> Axes:
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def timeline(record: Record, ax: Axes | None = None) -> Axes:
    """Draw who did what when: a lane per worker, and one for the kernel where it ran iterations itself.

    Parameters
    ----------
    record
        What happened.
    ax
        Where to draw; a new figure where it is None.
    """
    from matplotlib.patches import Patch
    from matplotlib.transforms import ScaledTranslation

    lanes = [(f"worker {n}", lane) for n, lane in enumerate(record.lanes)]
    if record.kernel.spans:
        lanes.insert(0, (KERNEL, record.kernel))
    ax = _axes(ax, 8, min(12.0, 1.4 + 0.28 * len(lanes)))
    seen: dict[str, str] = {}
    resolution = (
        record.wall_s / 2000 * max(1.0, len(lanes) / 16)
    )  # a figure has only so many pixels, in both directions
    for row, (_, lane) in enumerate(lanes):
        for kind, worker_colour in COLOURS.items():
            colour = KERNEL_COLOUR if lane is record.kernel else worker_colour
            pieces = [(start, end - start) for each, start, end, _ in _thinned(lane, resolution) if each == kind]
            if pieces:
                word = {TASK: "tasks", CHECK: "checks", FAILED: "failed or stopped"}.get(kind, "sending data")
                seen.setdefault(colour, KERNEL if lane is record.kernel else word)
                ax.broken_barh(pieces, (row - 0.4, 0.8), facecolors=colour, edgecolors="white", linewidth=0.3)
    ax.set_ylim(len(lanes) - 0.5, -0.5)
    ax.set_xlim(0, record.wall_s or 1)
    step = max(1, len(lanes) // 16)
    ax.set_yticks(range(0, len(lanes), step), [name for name, _ in lanes[::step]])
    ax.set_xlabel("time [s]")
    ax.set_title("Who did what when?")
    if seen:
        ax.legend(
            handles=[Patch(color=colour, label=name) for colour, name in seen.items()],
            loc="upper left",
            bbox_to_anchor=(0, 0),
            # below the label of the axis, however high the axes are
            bbox_transform=ax.transAxes + ScaledTranslation(0, -32 / 72, ax.figure.dpi_scale_trans),
            ncols=len(seen),
            frameon=False,
            columnspacing=1.2,
            handlelength=1.2,
        )
    _undress(ax)
    return ax


def losses(record: Record, ax: Axes | None = None) -> Axes:
    """Draw where the cores' time went; the bars add up to 100 %.

    Parameters
    ----------
    record
        What happened.
    ax
        Where to draw; a new figure where it is None.
    """
    ax = _axes(ax, 7, 2.6)
    parts, whole = record.losses, record.core_s or 1.0
    names = [name for name in LOSSES if parts[name] / whole >= 0.0005] or [USEFUL]
    shares = [100 * parts[name] / whole for name in names]
    bars = ax.barh([IN_SHORT[name] for name in names], shares, color=[LOSS_COLOURS[name] for name in names])
    ax.bar_label(bars, [f"{share:.1f} %" for share in shares], padding=3)
    ax.invert_yaxis()
    ax.set_xlim(0, max(shares) * 1.12 or 1)
    ax.set_xlabel("share of workers × time [%]")
    ax.set_title("Where did the cores' time go?")
    _undress(ax)
    return ax


def speedup(record: Record, ax: Axes | None = None) -> Axes:
    """Draw the speedup over time against the ideal.

    Parameters
    ----------
    record
        What happened.
    ax
        Where to draw; a new figure where it is None.
    """
    ax = _axes(ax, 6, 3.2)
    workers = record.ideal
    times: Sequence[float] = [t for t, _ in record.curve]
    values: Sequence[float] = [value for _, value in record.curve]
    about = "" if record.speedup_measured else " (estimate)"
    ax.axhline(workers, color="0.5", linestyle="--", linewidth=1, label=f"ideal: {workers}×")
    ax.axhline(1, color="0.8", linewidth=1, label="serial: 1×")
    ax.plot(times, values, color=COLOURS[TASK], linewidth=2, label=f"so far{about}")
    ax.set_xlim(0, record.wall_s or 1)
    ax.set_ylim(0, max([workers, *values]) * 1.12)
    ax.set_xlabel("time [s]")
    ax.set_ylabel("speedup")
    ax.set_title("How much faster than one core?")
    ax.legend(frameon=False, loc="lower right")
    _undress(ax)
    return ax


def _undress(ax: Axes) -> None:
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
