"""An engine without processes: runs a job's function here, item by item, and can be told what to do to an iteration."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from mpnb.engine import STDOUT, Effects, Job, Outcome, Tell
from mpnb.events import BatchFinished, JobEnded, JobResized, JobStarted, Ticked


class _Text(io.TextIOBase):
    def __init__(self, effects: Effects) -> None:
        self.effects = effects

    def write(self, text: str) -> int:
        self.effects.append((STDOUT, text))
        return len(text)


class ScriptedEngine:
    """Runs jobs in order; `script` maps an iteration to what happens instead of running it.

    With `task_s` it tells of each iteration that a worker took so long for it, the workers side by side.
    """

    def __init__(
        self,
        script: Mapping[int, Callable[[Job], Outcome]] | None = None,
        workers: int = 2,
        task_s: float | None = None,
    ) -> None:
        self.script = dict(script or {})
        self.task_s = task_s
        self.workers = workers
        self.ready = workers
        self.threads = 1
        self.jobs: list[Job] = []
        self.pulled = 0
        self.lacking: set[str] = set()  # modules that its workers would have to import
        self.each_import_s = 1.0
        self.closed = 0
        self.resized: list[int] = []  # to how many workers, the engine or a job

    def import_s(self, modules: Iterable[str]) -> float:
        return self.each_import_s * len(set(modules) & self.lacking)

    def resize(self, workers: int) -> None:
        self.workers = workers
        self.resized.append(workers)

    def run(self, job: Job, items: Iterator[object], tell: Tell, workers: int | None = None) -> _Running:
        self.jobs.append(job)
        tell(JobStarted(at=time.perf_counter(), site=job.site, workers=workers or self.workers, encode_s=0, nbytes=0))
        return _Running(self, job, items, tell)


class _Running:
    def __init__(self, engine: ScriptedEngine, job: Job, items: Iterator[object], tell: Tell) -> None:
        self.engine = engine
        self.job = job
        self.items = items
        self.tell = tell
        self.index = job.first
        self.open = True

    def __iter__(self) -> _Running:
        return self

    def __next__(self) -> Outcome:
        self.tell(Ticked(at=time.perf_counter()))
        item = next(self.items)
        self.engine.pulled += 1
        index, self.index = self.index, self.index + 1
        if index in self.engine.script:
            return self.engine.script[index](self.job)
        if (task_s := self.engine.task_s) is not None:
            worker, turn = index % self.engine.workers, index // self.engine.workers
            times = (turn * task_s, (turn + 1) * task_s)
            costs = {"decode_s": 0.0, "check_s": 0.0, "encode_s": 0.0, "nbytes": 0, "chunk_done": True}
            self.tell(
                BatchFinished(at=times[1], worker=worker, chunk=index, first=index, count=1, times=times, **costs)  # type: ignore[arg-type]
            )
        effects: Effects = []
        try:
            with contextlib.redirect_stdout(_Text(effects)):
                self.job.function(item, effects)
        except Exception as error:  # as a worker does
            return Outcome(index, [], "raised", repr(error))
        return Outcome(index, effects)

    def resize(self, workers: int) -> None:
        self.engine.resized.append(workers)
        self.tell(JobResized(at=time.perf_counter(), workers=workers))

    def close(self) -> list[Outcome]:
        if self.open:
            self.open = False
            self.engine.closed += 1
            self.tell(JobEnded(at=time.perf_counter(), site=self.job.site))
        return []
