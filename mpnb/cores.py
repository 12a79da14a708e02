"""The cores and the memory that this process may really use, and how busy they are. Changes nothing."""

from __future__ import annotations

import math
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

CGROUPS: Final = Path("/sys/fs/cgroup")
OWN_CGROUP: Final = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Give the number of cores that can be kept busy: those it may run on, and no more than the container's quota.

    Examples
    --------
    >>> usable_cores() >= 1
    True
    """
    allowed = allowed_cores()
    quota = cpu_quota()
    return len(allowed) if quota is None else max(1, min(len(allowed), math.ceil(quota - 0.05)))


def allowed_cores() -> list[int]:
    """List the numbers of the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cpu_quota() -> float | None:
    """Give the cores' worth of time that the container grants (cgroup v2 or v1); None where there is no limit."""
    limits = []
    for folder in _own_folders("cpu"):
        if (text := _read(folder / "cpu.max")) is not None:  # v2: "150000 100000" or "max 100000"
            quota, _, period = text.partition(" ")
        else:
            quota, period = _read(folder / "cpu.cfs_quota_us") or "-1", _read(folder / "cpu.cfs_period_us") or "100000"
        if quota.isdigit() and period.isdigit() and int(quota) > 0 and int(period) > 0:
            limits.append(int(quota) / int(period))
    return min(limits, default=None)


def memory_limit() -> int | None:
    """Give the bytes of memory that the container grants; None where there is no limit."""
    limits = []
    for folder in _own_folders("memory"):
        text = _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes") or ""
        if text.isdigit() and int(text) < 1 << 60:  # v1 writes "no limit" as a number near 2⁶³
            limits.append(int(text))
    return min(limits, default=None)


def free_memory() -> int:
    """Give the bytes of memory that can still be had: of the machine's, and of what the container grants."""
    import psutil

    free = int(psutil.virtual_memory().available)
    for folder in _own_folders("memory"):
        limit = _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes") or ""
        used = _read(folder / "memory.current") or _read(folder / "memory.usage_in_bytes") or ""
        if limit.isdigit() and used.isdigit():  # files that were read count as used, and are given up when need be
            files = re.search(r"^(?:total_)?inactive_file (\d+)$", _read(folder / "memory.stat") or "", re.MULTILINE)
            free = min(free, int(limit) - int(used) + (int(files[1]) if files else 0))
    return max(0, free)


def _own_folders(controller: str) -> list[Path]:
    """List this process's cgroup and all above it: any of them may hold the limit."""
    inside = {""}
    for line in (_read(OWN_CGROUP) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or controller in controllers.split(","):
            parts = path.strip("/").split("/")
            inside |= {"/".join(parts[:n]) for n in range(1, len(parts) + 1)}
    return [root / path for root in (CGROUPS, CGROUPS / controller) for path in sorted(inside)]


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:  # not there: another version of cgroups, another system, no permission
        return None


@dataclass(frozen=True, slots=True)
class Sample:
    """How busy the machine was lately: user and system share (0 to 1) of each of its cores, and its memory.

    `allowed` are the numbers of the cores that this process may use, `quota` how many cores' worth of time its
    container grants. `own` is what this process itself used, in cores, and `own_memory` its bytes.
    """

    cores: tuple[tuple[float, float], ...]
    memory_used: int
    memory_total: int
    allowed: frozenset[int] = frozenset()
    quota: float | None = None
    own: float = 0.0
    own_memory: int = 0


class Load:
    """Samples the load. Each call of `sample` speaks of the time since the one before."""

    def __init__(self) -> None:
        import psutil

        self._psutil: Any = psutil
        self._allowed = frozenset(allowed_cores())
        self._quota = cpu_quota()
        self._limit = memory_limit()
        self._own = psutil.Process()
        self._workers: dict[int, Any] = {}
        self._before = psutil.cpu_times(percpu=True)
        self._clocks = time.perf_counter(), time.process_time()

    def sample(self) -> Sample:
        """Give the load since the last call."""
        before, after = self._before, self._psutil.cpu_times(percpu=True)
        clocks = time.perf_counter(), time.process_time()
        passed, spent = clocks[0] - self._clocks[0], clocks[1] - self._clocks[1]
        self._before, self._clocks = after, clocks
        memory = self._psutil.virtual_memory()
        total = memory.total if self._limit is None else min(memory.total, self._limit)
        return Sample(
            tuple(_shares(old, new) for old, new in zip(before, after, strict=False)),
            min(memory.total - memory.available, total),
            total,
            self._allowed,
            self._quota,
            spent / passed if passed > 0 else 0.0,
            self._own.memory_info().rss,
        )

    def memory_of(self, pids: Iterable[int | None]) -> list[int | None]:
        """Give the bytes that each of these processes has to itself; None where that can't be told."""
        held = []
        for pid in pids:
            try:
                if pid is not None and pid not in self._workers:
                    self._workers[pid] = self._psutil.Process(pid)
                memory = None if pid is None else self._workers[pid].memory_info()
            except self._psutil.Error:  # it has ended, or is somebody else's by now
                if pid is not None:
                    self._workers.pop(pid, None)
                memory = None
            # what is shared are libraries, and the arrays that all workers map
            held.append(None if memory is None else max(0, memory.rss - getattr(memory, "shared", 0)))
        return held


def _shares(old: Any, new: Any) -> tuple[float, float]:
    """User and system share of one core between two readings."""
    spent = {name: max(0.0, getattr(new, name) - getattr(old, name)) for name in new._fields}
    # Linux counts a guest's time in user and nice, too
    total = sum(spent.values()) - spent.get("guest", 0.0) - spent.get("guest_nice", 0.0)
    if total <= 0:
        return 0.0, 0.0
    user = spent["user"] + spent.get("nice", 0.0)
    idle = spent["idle"] + spent.get("iowait", 0.0)
    return user / total, max(0.0, total - user - idle) / total
