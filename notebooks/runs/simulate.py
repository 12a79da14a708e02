"""Records of machines that are not here. Nothing in them was measured: they are simulated, as their first lines say.

mpnb's own scheduler hands out tasks of given lengths to workers that exist on paper only. `python simulate.py` makes
the files anew, the same each time. Cores on paper do not slow each other down, as real ones do.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from mpnb.events import (
    BatchFinished,
    ChunkEncoded,
    ChunkSent,
    Event,
    JobEnded,
    JobStarted,
    KernelRan,
    RunEnded,
    RunStarted,
    SiteEnded,
    SiteStarted,
)
from mpnb.record import Record, Site
from mpnb.simulation import Lengths, Prices, play

CORES = (8, 16, 64)
TASKS, PROBED = 600, 2
PRICES = Prices(item_s=0.0004, sending_s=0.0005, unpacking_s=0.0002, packing_s=0.0003)  # what goes by around a task
SOURCE = "# simulated: {} cores that exist on paper only, {} uneven tasks\nresults = [task(item) for item in items]"


def simulate(cores: int) -> Record:
    """Make the record of a run of these tasks on so many cores."""
    lengths = np.random.default_rng(7).lognormal(-2.6, 0.5, TASKS).tolist()
    probe_s = sum(lengths[:PROBED])
    record = Record([Site(line=2, kind="list", label="results")], SOURCE.format(cores, TASKS), cores)
    for event in (  # the pool begins at 0
        RunStarted(at=-probe_s, workers=cores),
        SiteStarted(at=-probe_s, site=0, total=TASKS),
        KernelRan(at=0.0, site=0, first=0, count=PROBED, seconds=probe_s),
        JobStarted(at=0.0, site=0, workers=cores, encode_s=0.0, nbytes=0),
    ):
        record.add(event)
    rest = Lengths((1, each) for each in lengths[PROBED:])
    end = play(rest, cores, PRICES, expected_s=probe_s / PROBED, tell=partial(_add, record))
    for event in (
        JobEnded(at=end, site=0),
        SiteEnded(at=end, site=0, iterations=TASKS),
        RunEnded(at=end, status="finished"),
    ):
        record.add(event)
    return record


def _add(record: Record, event: Event) -> None:
    """Count iterations from the first of the loop, which the kernel ran."""
    if isinstance(event, ChunkEncoded | ChunkSent | BatchFinished):
        event = replace(event, first=event.first + PROBED)
    record.add(event)


if __name__ == "__main__":
    for cores in CORES:
        simulate(cores).save(Path(__file__).with_name(f"simulated_{cores}_cores.json"))
