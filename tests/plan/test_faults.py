"""Known faults, planted one at a time in the reading, the checks and the replay: the fuzzer finds each.

A fuzzer that finds nothing may be blind. Each row takes one rule away, and says within how many of the fuzzer's cells a
cell must come out that differs from serial.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from differ import Bench
from fuzz import search

from mpnb import session
from mpnb.engine import Job
from mpnb.plan import calls, inspector, library, loops, objects, purity, reader, rules
from mpnb.plan.reader import BodyReader

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """A shell with mpnb loaded, for all faults."""
    bench = Bench()
    yield bench
    bench.close()


def without_nets(patch: pytest.MonkeyPatch) -> None:
    """What the nets at run time would catch goes through: they are there for faults like these."""

    def bare(**given: Any) -> Job:
        return Job(**(given | {"nets": False, "targets": (), "hidden": frozenset(), "shared": frozenset()}))

    patch.setattr(session, "Job", bare)


# Each fault has a function that plants it; `monkeypatch` takes it out again.


def accumulators_may_be_read(patch: pytest.MonkeyPatch) -> None:
    """By a helper that the loop calls: its global names are taken for constants."""
    without_nets(patch)
    patch.setattr(purity, "Summary", _Unread)


class _Unread(purity.Summary):
    """A summary that forgets which names are read."""

    @property  # type: ignore[override]
    def reads(self) -> set[str]:
        return set()

    @reads.setter
    def reads(self, _: set[str]) -> None:
        pass


def globals_of_helpers_are_not_seen(patch: pytest.MonkeyPatch) -> None:
    """`global tally; tally += 1` in a helper is no matter."""
    without_nets(patch)
    patch.setattr(BodyReader, "visit_Global", lambda self, node: self.global_names.difference_update(node.names))


def changes_of_outer_objects_are_not_seen(patch: pytest.MonkeyPatch) -> None:
    """Neither in the body nor in helpers."""
    without_nets(patch)
    patch.setattr(rules.Rules, "change", lambda *_: None)


def temporaries_stay_in_the_workers(patch: pytest.MonkeyPatch) -> None:
    """What the last iteration set is not brought home."""
    patch.setattr(loops._ForReader, "_binds", lambda *_: [])


def effects_are_replayed_as_they_come(patch: pytest.MonkeyPatch) -> None:
    """Every second iteration's effects take place before those of the one before."""
    taken = session.SiteRun._replays

    def replays(self: session.SiteRun, running: Any) -> Iterator[Any]:
        held = None
        for replay in taken(self, running):
            if held is not None:
                yield replay
                yield held
                held = None
            elif replay.error is None and not replay.broke:
                held = replay
            else:
                yield replay
        if held is not None:
            yield held

    patch.setattr(session.SiteRun, "_replays", replays)


def a_break_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """The iterations after it take effect as well."""
    taken = session.SiteRun._taken
    patch.setattr(session.SiteRun, "_taken", lambda *given: replace(taken(*given), broke=False))


def random_numbers_may_be_drawn(patch: pytest.MonkeyPatch) -> None:
    """Neither `random` nor numpy's generators are known to be shared."""
    without_nets(patch)
    patch.setattr(library, "generator_types", lambda: ())
    for room in (inspector, calls, reader):
        if hasattr(room, "why_stateful"):
            patch.setattr(room, "why_stateful", lambda *_, **__: None)


def aliases_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    """An accumulator that is also read by another name, or looped over."""
    without_nets(patch)
    patch.setattr(objects, "UNALIASED", (object,))


Fault = Callable[[pytest.MonkeyPatch], None]
#: Each fault, what the cells are to have for it (helpers of `grammar.HIDDEN` by name), and the number of cells within
#: which the fuzzer finds it.
FAULTS: list[tuple[Fault, tuple[str, ...], int]] = [
    (accumulators_may_be_read, ("reads", "readstotal"), 40),
    (globals_of_helpers_are_not_seen, ("glob", "glob2"), 40),
    (changes_of_outer_objects_are_not_seen, ("into", "note", "alias"), 40),
    (temporaries_stay_in_the_workers, (), 20),
    (effects_are_replayed_as_they_come, (), 20),
    (a_break_is_forgotten, (), 30),
    (random_numbers_may_be_drawn, ("drawn", "drawn3", "sampled"), 30),
    (aliases_are_not_checked, ("aliases",), 80),
]


@pytest.mark.parametrize(("fault", "focus", "within"), FAULTS, ids=[row[0].__name__ for row in FAULTS])
def test_the_fuzzer_finds_a_planted_fault(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, fault: Fault, focus: tuple[str, ...], within: int
) -> None:
    """Within a few cells, and the cell that it finds is one that is right without the fault."""
    with monkeypatch.context() as patch:
        fault(patch)
        tally, found = search(bench, 0, range(within), focus=focus, first=True)
    assert found, f"{tally}"
    sound, _ = search(bench, 0, range(tally.wrong[0], tally.wrong[0] + 1), focus=focus)
    assert not sound.wrong
