"""A run as matplotlib axes: axes in, or none, and axes out."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from mpnb.record import CHECK, DECODE, FAILED, LOSSES, START, TASK, USEFUL, Record
from mpnb.report.look import COLOURS, KERNEL, KERNEL_COLOUR, LOSS_COLOURS, thinned
from mpnb.report.words import IN_SHORT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes


SCALING_INCHES: Final = (6, 3.8)


def axes_for(ax: Axes | None, width: float, height: float) -> Axes:
    """Give the axes, or new ones of this size in inches."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def to_png(draw: Callable[[Axes], object], width: float, height: float) -> bytes:
    """Draw on new axes of this size in inches, and give the bytes of the picture."""
    from matplotlib.figure import Figure  # not pyplot's, which a front end would show once more

    figure, written = Figure(figsize=(width, height), layout="constrained"), io.BytesIO()
    draw(figure.subplots())
    figure.savefig(written, format="png", dpi=100)
    return written.getvalue()


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
    ax = axes_for(ax, 8, min(12.0, 1.4 + 0.28 * len(lanes)))
    seen: dict[str, str] = {}
    resolution = (
        record.wall_s / 2000 * max(1.0, len(lanes) / 16)
    )  # a figure has only so many pixels, in both directions
    for row, (_, lane) in enumerate(lanes):
        for kind, worker_colour in COLOURS.items():
            colour = KERNEL_COLOUR if lane is record.kernel else worker_colour
            pieces = [(start, end - start) for each, start, end, _ in thinned(lane, resolution) if each == kind]
            if pieces:
                word = {TASK: "tasks", CHECK: "checks", FAILED: "failed or stopped"}.get(kind, "sending data")
                seen.setdefault(colour, KERNEL if lane is record.kernel else word)
                ax.broken_barh(pieces, (row - 0.4, 0.8), facecolors=colour, edgecolors="white", linewidth=0.3)
    ax.set_ylim(len(lanes) - 0.5, -0.5)
    ax.set_xlim(0, record.wall_s or 1)
    step = max(1, len(lanes) // 16)
    ax.set_yticks(range(0, len(lanes), step), [name for name, _ in lanes[::step]])
    dress(ax, "Who did what when?", "time [s]")
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
    ax = axes_for(ax, 7, 2.6)
    parts, whole = record.losses, record.core_s or 1.0
    names = [name for name in LOSSES if parts[name] / whole >= 0.0005] or [USEFUL]
    shares = [100 * parts[name] / whole for name in names]
    bars = ax.barh([IN_SHORT[name] for name in names], shares, color=[LOSS_COLOURS[name] for name in names])
    ax.bar_label(bars, [f"{share:.1f} %" for share in shares], padding=3)
    ax.invert_yaxis()
    ax.set_xlim(0, max(shares) * 1.12 or 1)
    dress(ax, "Where did the cores' time go?", "share of workers × time [%]")
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
    ax = axes_for(ax, 6, 3.2)
    workers = record.ideal
    times: Sequence[float] = [t for t, _ in record.curve]
    values: Sequence[float] = [value for _, value in record.curve]
    about = {"≈": " (estimate)", "≤": " (at most)"}.get(record.speedup_mark, "")
    ax.axhline(workers, color="0.5", linestyle="--", linewidth=1, label=f"ideal: {workers}×")
    ax.axhline(1, color="0.8", linewidth=1, label="serial: 1×")
    ax.plot(times, values, color=COLOURS[TASK], linewidth=2, label=f"so far{about}")
    ax.set_xlim(0, record.wall_s or 1)
    ax.set_ylim(0, max([workers, *values]) * 1.12)
    dress(ax, "How much faster than one core?", "time [s]", "speedup")
    ax.legend(frameon=False, loc="lower right")
    return ax


def dress(ax: Axes, title: str, x: str, y: str = "") -> None:
    """Put on title and labels, and take away the sides of the frame that say nothing."""
    ax.set_title(title)
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def scaling(
    measured: Sequence[tuple[int, float, float, float]],
    laws: Mapping[str, Callable[[float], float]],
    knee: int | None,
    ax: Axes | None = None,
) -> Axes:
    """Draw speedups by number of workers, with what they were at worst and at best.

    Parameters
    ----------
    measured
        Workers, speedup, the lowest, the highest.
    laws
        Curves with their names.
    knee
        From which number of workers on another one adds little.
    ax
        Where to draw; a new figure where it is None.
    """
    from matplotlib.ticker import MaxNLocator

    ax = axes_for(ax, *SCALING_INCHES)
    workers = [count for count, *_ in measured]
    middle = [speedup for _, speedup, *_ in measured]
    below = [speedup - low for _, speedup, low, _ in measured]
    above = [high - speedup for _, speedup, _, high in measured]
    last = max(workers)
    steps = [1 + (last - 1) * n / 200 for n in range(201)]
    ax.plot([1, last], [1, last], color="0.6", linestyle=":", linewidth=1, label="ideal")
    for (name, law), (colour, line) in zip(
        laws.items(), [(COLOURS[DECODE], "--"), (LOSS_COLOURS[START], "-")], strict=False
    ):
        ax.plot(steps, [law(n) for n in steps], color=colour, linestyle=line, linewidth=1.5, label=name)
    ax.errorbar(
        workers, middle, [below, above], fmt="o", color=COLOURS[TASK], markersize=5, capsize=3, label="measured"
    )  # fmt: skip
    if knee is not None:
        height = max((law(knee) for law in laws.values()), default=0.0)
        ax.plot([knee, knee], [0, height], color="0.5", linewidth=1, zorder=0)
        ax.text(knee, 0.02, f" knee: {knee}", transform=ax.get_xaxis_transform(), color="0.3")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    ax.set_xlim(0.8, last + 0.2)
    ax.set_ylim(0, max(last, *(high for *_, high in measured)) * 1.08)
    dress(ax, "How does it scale?", "workers", "speedup over the serial loop")
    ax.legend(frameon=False, loc="upper left")
    return ax
