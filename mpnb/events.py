"""What can happen in a run, as frozen facts in the past tense. Holds no behaviour and imports nothing of mpnb.

Every `at` is seconds of `time.perf_counter`, which on one machine is the same clock in every process.
Iterations are counted from 0 over the whole site: those that ran in the kernel included.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, and when."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A cell began to run under mpnb."""

    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteStarted(Event):
    """A loop or comprehension that may be split began; `total` is None where its length is not known."""

    site: int
    total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRan(Event):
    """Iterations ran in the kernel's own main thread, the last one ending at `at` (the probe, or a serial rest).

    The later ones of a probe are the yardstick for those in the pool: `warm` of them took `warm_s` seconds.
    """

    site: int
    first: int
    count: int
    seconds: float
    warm: int = 0
    warm_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted(Event):
    """A site was handed to the pool: its names are encoded, which took `encode_s` seconds."""

    site: int
    workers: int
    encode_s: float
    nbytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStarted(Event):
    """A worker process was started."""

    worker: int
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReady(Event):
    """A worker said that it takes work."""

    worker: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDied(Event):
    """A worker process ended unasked; `iteration` is the one it was running."""

    worker: int
    exitcode: int | None
    iteration: int | None
    peak_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkEncoded(Event):
    """Items were pulled from the iterable and encoded, in the kernel's main thread."""

    chunk: int
    first: int
    count: int
    nbytes: int
    encode_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkSent(Event):
    """A chunk went to a worker."""

    worker: int
    chunk: int
    first: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFinished(Event):
    """A worker sent home the effects of consecutive iterations of one chunk.

    `times` holds start and end of each, flat: start₀, end₀, start₁, end₁ …
    `decode_s`, `check_s` and `encode_s` are the worker's own costs around them.
    """

    worker: int
    chunk: int
    first: int
    count: int
    times: tuple[float, ...]
    decode_s: float
    check_s: float
    encode_s: float
    nbytes: int
    chunk_done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResized(Event):
    """From now on the job has so many workers; those that go finish what they are running."""

    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnded(Event):
    """The pool's part of a site is over; the kernel may still run a serial rest."""

    site: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteEnded(Event):
    """A site is over; `iterations` are those whose effects took place in the notebook."""

    site: int
    iterations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """The cell is over: `finished`, `failed` (an exception) or `stopped` (an interrupt)."""

    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked(Event):
    """Time has passed while the kernel waited for the pool."""
