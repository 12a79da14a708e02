"""What stands under the cell when it is over: a record in, static HTML out.

The HTML is self-contained, has no script, and stays under 60 KB whatever was run, so that it can be saved in a
notebook. Its colours follow the page it stands on.
"""

from __future__ import annotations

from html import escape
from typing import Final

from mpnb.markup import AMBER, FINE, FONT, GREEN, MUTED, SERIAL_MARK, SPLIT_MARK, TEXT, with_code
from mpnb.record import CHECK, DECODE, ENCODE, FAILED, LOSSES, TASK, Lane, Record
from mpnb.report.findings import remedy
from mpnb.report.look import COLOURS, KERNEL, KERNEL_COLOUR, LOSS_COLOURS, thinned
from mpnb.report.words import IN_SHORT, plural, reached, summary_lines, times

MARKS: Final = {"finished": SPLIT_MARK, "failed": "✗", "stopped": "■", "running": "▶"}
FAINT: Final = ' opacity=".55"'  # short tasks, merged, with much idle time between them


def static_html(record: Record, *, unfolded: bool = False) -> str:
    """Draw the record as HTML that needs nothing else: one line, and the pictures folded behind it, or not."""
    lines = summary_lines(record)
    split = [site for site in record.sites if site.was_split]
    mark = MARKS.get(record.status, "·")
    if mark == SPLIT_MARK and not split and not any(site.compared for site in record.sites):
        mark = SERIAL_MARK
    colour = {"✗": COLOURS[FAILED], "■": AMBER, SPLIT_MARK: GREEN}.get(mark, MUTED)
    head = next((n for n, site in enumerate(reached(record)) if site.was_split), 0)
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
        f'<div style="{style}"><details{" open" if unfolded else ""}>'
        f'<summary style="cursor:pointer;font-variant-numeric:tabular-nums">{words}</summary>'
        f'<div role="group" aria-label="{spoken}" style="border:1px solid {FINE};border-radius:8px;'
        'padding:12px 14px 10px;margin:6px 0 4px">'
        '<div style="display:flex;flex-wrap:wrap;gap:14px 26px">'
        f"{_lanes_html(record)}{_curve_html(record)}</div>{_losses_html(record)}</div></details>{others}</div>"
    )


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
        for kind, start, end, busy in thinned(lane, resolution):
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
        pieces = thinned(record.kernel, wall / 320)
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
        f'<div style="flex:3 1 340px;min-width:0">{_title(plural(count, "worker"), more)}'
        f'<svg viewBox="0 0 640 {height:.4g}" preserveAspectRatio="none" role="img" '
        f'aria-label="timeline of the workers" style="display:block;width:100%;height:{height:.4g}px">'
        f'<path {thick} stroke="currentColor" opacity=".07" d="{back}"/>'
        f"{shapes}</svg>{_axis(wall)}</div>"
    )


def _curve_html(record: Record) -> str:
    wall, workers = record.wall_s or 1.0, record.ideal
    top = max(workers * 1.12, 1.2, *(value for _, value in record.curve), 1.2)
    points = record.curve[:: max(1, len(record.curve) // 160)] + record.curve[-1:]

    def at(t: float, value: float) -> str:
        return f"{t / wall * 300:.1f} {150 - min(value, top) / top * 150:.1f}"

    line = "L".join(at(t, value) for t, value in points)
    area = f"M{points[0][0] / wall * 300:.1f} 150L{line}L{points[-1][0] / wall * 300:.1f} 150z" if points else ""
    speedup, about = record.speedup, record.speedup_mark
    number = "" if speedup is None else f'<b style="font-size:20px;line-height:1">{times(speedup, about)}</b>'
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
        + "".join(f'<div style="margin-top:6px;color:{MUTED}">{escape(str(each))}</div>' for each in record.checked)
        + "</div>"
    )


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.0995 or share == 0 else f"{share:.1%}"
