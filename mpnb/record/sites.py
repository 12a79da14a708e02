"""A loop of the cell and what became of it; how far it is; durations in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from mpnb.record.books import CAUSES, DECIDING, KERNEL_ONLY, WORK, Costs, Times, by_loss

TOO_SMALL: Final = "small"  # refusal code of a loop that could be split and was over before that paid


@dataclass(slots=True, repr=False)
class Site:
    """A loop or comprehension of the cell, and what became of it.

    Parameters
    ----------
    line, column
        Where it stands, as the editor counts; the magic's own line is 1.
    kind
        ``for``, ``list``, ``set``, ``dict``, ``generator`` or ``map``.
    label
        The name that gets the result, else the source text, shortened.
    parallel
        Whether it was split: by the plan at first, and by what happened once it has run.
    code, reason
        Why it stayed serial; empty when it was split.
    refused_at, conflict
        Line and column (from 0) of what keeps it serial, and of the access that this conflicts with, where known.
    iterations
        Those whose effects took place in the notebook.
    speedup
        Serial seconds over wall seconds. An estimate unless `speedup_measured`; the most that it may be unless
        `certain`.
    yardstick
        Seconds of an iteration alone over seconds of one beside the others, 1 where that can't be told.
    certain
        Whether the kernel ran enough iterations, of loops whose iterations are alike, to say so.
    warm, warm_s
        The kernel's iterations by which that is told, and their seconds.
    longest
        Number and seconds of the longest iteration that a worker ran.
    longest_was_last
        Whether the other workers had nothing left to do when it ended.
    seed
        The seed of the streams that its random numbers came from; None where they came as without `--seed`.
    threads
        Those of linear algebra in the kernel and in a worker, where the loop reaches it and they differ.
    nbytes, names_nbytes
        What went to and fro, and how much of it is what the loop reads, which is sent once.
    parts, core_job_s
        Core seconds of the pool's part by cause, and in all. `causes` and `lost` are of the whole site.
    pool_s
        Seconds of the pool's iterations, as long as they would have taken alone.
    beside_s
        What the kernel ran itself while the pool was at work.
    times
        Seconds of the iterations that the pool ran, by number; of the job that had most.
    costs
        What sending took.
    compared
        Under `--compare`, in what the pool's result and the kernel's differ, and how long both took.
    pooled
        Under `--scaling`, numbers of workers and what the pool took on each; the kernel alone took `kernel_s`.
    """

    line: int
    column: int = 0
    kind: str = "for"
    label: str = ""
    code: str = ""
    parallel: bool = False
    reason: str = ""
    refused_at: tuple[int, int] | None = None
    conflict: tuple[int, int] | None = None
    iterations: int | None = None
    wall_s: float | None = None
    speedup: float | None = None
    speedup_measured: bool = False
    total: int | None = None
    workers: int = 0
    jobs: int = 0
    job_s: float = 0.0
    kernel_iterations: int = 0
    kernel_s: float = 0.0
    started: float | None = None
    ended: float | None = None
    died: int = 0
    yardstick: float = 1.0
    certain: bool = False
    warm: int = 0
    warm_s: float = 0.0
    longest: tuple[int, float] | None = None
    longest_was_last: bool = False
    seed: int | None = None
    compared: str = ""
    pooled: list[tuple[int, float]] = field(default_factory=list)
    threads: tuple[int, int] | None = None
    nbytes: int = 0
    names_nbytes: int = 0
    parts: dict[str, float] = field(default_factory=dict)
    core_job_s: float = 0.0
    pool_s: float = 0.0
    beside_s: float = 0.0
    times: Times | None = None
    costs: Costs = field(default_factory=Costs)

    @property
    def alone(self) -> tuple[float, int]:
        """Seconds of iterations in the kernel, and how many: the later ones of a probe, else all of them."""
        return (self.warm_s, self.warm) if self.warm else (self.kernel_s, self.kernel_iterations)

    @property
    def causes(self) -> dict[str, float]:
        """Core seconds by cause, adding up to workers × wall where it was split; empty where it was not."""
        if not self.jobs:
            return {}
        causes = dict.fromkeys(CAUSES, 0.0) | self.parts
        outside = max(0.0, (self.wall_s or 0.0) - self.job_s)
        kernel = min(outside, max(0.0, self.kernel_s - self.beside_s))
        causes[WORK] += kernel
        causes[KERNEL_ONLY] += (self.workers - 1) * kernel
        causes[DECIDING] += self.workers * (outside - kernel)
        return causes

    @property
    def core_s(self) -> float:
        """Core seconds: workers × wall, where it was split."""
        return self.core_job_s + self.workers * max(0.0, (self.wall_s or 0.0) - self.job_s) if self.jobs else 0.0

    @property
    def lost(self) -> dict[str, float]:
        """Core seconds by loss, the useful work among them, adding up to workers × wall."""
        return by_loss(self.causes)

    @property
    def speedup_mark(self) -> str:
        """What stands before it: nothing where it was measured, ≈ for an estimate, ≤ where it may be less."""
        return "" if self.speedup_measured else "≈" if self.certain else "≤"

    @property
    def was_split(self) -> bool:
        """Whether the pool had any part in it."""
        return self.jobs > 0

    def __repr__(self) -> str:
        """Where it stands and what became of it, in a line; its attributes tell the rest."""
        found = [f"{self.iterations:,} iterations"] if self.iterations is not None else []
        found += [round_seconds(self.wall_s)] if self.wall_s is not None else []
        if self.was_split:
            found.insert(0, f"split over {self.workers} workers")
            found += [f"speedup {self.speedup_mark}{self.speedup:.2g}"] if self.speedup else []
        elif self.reason:
            found.insert(0, f"serial [{self.code}]" if self.code else "serial")
        return f"<Site line {self.line}, {self.kind} {self.label}: {', '.join(found) or 'not reached'}>"


@dataclass(frozen=True, slots=True)
class Checked:
    """What `what_if` had foretold of a run, and what it took: `how` are the conditions, in words."""

    how: str
    foretold_s: float
    measured_s: float

    @property
    def error(self) -> float:
        """How far off it was: 0.1 where a tenth more was foretold, -0.1 where a tenth less."""
        return self.foretold_s / self.measured_s - 1

    def __str__(self) -> str:
        """All of it, in a line."""
        foretold, measured = round_seconds(self.foretold_s), round_seconds(self.measured_s)
        return f"what if {self.how}: ≈{foretold} foretold, {measured} measured, {self.error:+.0%}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a site is. `rate` is iterations per second, lately; None is: not known."""

    done: int = 0
    total: int | None = None
    rate: float | None = None
    eta_s: float | None = None


def round_seconds(seconds: float) -> str:
    """Give a duration as a person says it: ``0.4 ms``, ``3 ms``, ``3.1 s``, ``2 min 5 s``, ``1 h 2 min``."""
    if seconds < 0.00095:
        return f"{seconds * 1e3:.1f} ms"
    if seconds < 0.95:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    if seconds < 3570:
        return f"{round(seconds) // 60} min {round(seconds) % 60} s"
    return f"{round(seconds / 60) // 60} h {round(seconds / 60) % 60} min"
