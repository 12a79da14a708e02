"""The run record: events in, one account of the run out. Reads no clock, draws nothing, holds no value of a result.

    run      the record: takes events in, says what they add up to
     ├─ sites    a loop of the cell, and what became of it
     ├─ lanes    who did what when, merged where it is too short to be seen
     ├─ books    where every second of the workers went
     └─ archive  a record as JSON, and back

Its size is bounded whatever the number of iterations: spans are merged once they are too short to be seen, sums stay
exact. Everything that is shown, live or afterwards, is a function of a `Record`.
"""

from mpnb.record.archive import SCHEMA
from mpnb.record.books import (
    ALONE,
    CAUSES,
    LOSSES,
    PACKING,
    PLANNING,
    REPEATED,
    SLOWER,
    START,
    TRANSFER,
    UNEVEN,
    USEFUL,
    WAITING,
    Times,
)
from mpnb.record.lanes import CHECK, DECODE, ENCODE, FAILED, KINDS, TASK, Lane, Span
from mpnb.record.run import Record, load_run
from mpnb.record.sites import TOO_SMALL, Checked, Progress, Site, round_seconds

__all__ = [
    "ALONE",
    "CAUSES",
    "CHECK",
    "DECODE",
    "ENCODE",
    "FAILED",
    "KINDS",
    "LOSSES",
    "PACKING",
    "PLANNING",
    "REPEATED",
    "SCHEMA",
    "SLOWER",
    "START",
    "TASK",
    "TOO_SMALL",
    "TRANSFER",
    "UNEVEN",
    "USEFUL",
    "WAITING",
    "Checked",
    "Lane",
    "Progress",
    "Record",
    "Site",
    "Span",
    "Times",
    "load_run",
    "round_seconds",
]
