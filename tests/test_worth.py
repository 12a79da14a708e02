"""Whether the pool pays: figures in, decision and reason out, by tables."""

from __future__ import annotations

import pytest

from mpnb.events import BatchFinished
from mpnb.worth import (
    BUSY,
    HOPELESS,
    SENDING,
    Figures,
    Watch,
    Yardstick,
    is_tail,
    judge,
    next_batch,
    sending_home_s,
    sending_s,
    wants_another,
    yardstick,
)

ALONE = Yardstick(each_s=0.005, count=5, steady=True)


@pytest.mark.parametrize(
    ("each_s", "left", "workers", "names_s", "item_s", "pays"),
    [
        pytest.param(0.005, 200, 2, 0, 0, True, id="a second of work"),
        pytest.param(0.005, 200, 1, 0, 0, False, id="one worker"),
        pytest.param(0.5, 1, 2, 0, 0, False, id="one iteration"),
        pytest.param(0.005, 8, 2, 0, 0, False, id="40 ms left"),
        pytest.param(0.1, 3, 2, 0, 0, True, id="three long ones"),
        pytest.param(1e-6, 10_000_000, 2, 0, 0, False, id="ten seconds of tiny iterations"),
        pytest.param(1e-6, 10_000_000, 64, 0, 0, False, id="and the kernel alone could not feed 64 workers"),
        pytest.param(5e-5, 100_000, 2, 0, 0, True, id="50 µs each"),
        pytest.param(0.005, 200, 2, 0.2, 0, True, id="names that are sent in 0.2 s"),
        pytest.param(0.005, 200, 2, 0.5, 0, False, id="names that are sent in 0.5 s"),
        pytest.param(0.005, 200, 2, 0, 0.004, False, id="inputs that take as long as the work"),
        pytest.param(0.005, 200, 8, 0, 0.0045, False, id="and the kernel alone sends them"),
        pytest.param(0.005, 200, 2, 0, 0.001, True, id="inputs that take less"),
    ],
)
def test_a_loop_is_handed_over_where_it_gains(
    each_s: float, left: int, workers: int, names_s: float, item_s: float, pays: bool
) -> None:
    """What is left, what each takes, and what it costs to send decide; more workers never make it worse."""
    assert judge(Figures(each_s, left, workers, names_s, item_s)).pays is pays


def test_the_reason_says_what_sending_would_take() -> None:
    """A loop that is only small needs no reason, one whose data is large does."""
    assert judge(Figures(0.001, 10, 2)).reason == ""
    assert "2.00 s" in judge(Figures(0.01, 100, 2, names_s=2.0)).reason


@pytest.mark.parametrize(
    ("left", "import_s", "pays"),
    [
        pytest.param(20, 0.0, True, id="0.1 s, and nothing to import"),
        pytest.param(20, 1.0, False, id="0.1 s, and a second of imports"),
        pytest.param(200, 1.0, False, id="a second of each"),
        pytest.param(1000, 1.0, True, id="five seconds pay for one"),
    ],
)
def test_imports_of_the_workers_have_to_be_gained_back(left: int, import_s: float, pays: bool) -> None:
    """Each worker imports for itself, beside the others: as many workers as there may be do not make it shorter."""
    for workers in (2, 64):
        verdict = judge(Figures(0.005, left, workers, import_s=import_s))
        assert verdict.pays is pays
        assert ("importing what it uses" in verdict.reason) is not verdict.pays


@pytest.mark.parametrize(
    ("workers", "result_s", "pays"),
    [
        pytest.param(2, 0.0005, True, id="a tenth of the work"),
        pytest.param(2, 0.005, False, id="as much as the work"),
        pytest.param(8, 0.005, True, id="eight workers pack beside each other"),
        pytest.param(64, 0.012, False, id="and the kernel alone unpacks"),
    ],
)
def test_results_have_to_come_home(workers: int, result_s: float, pays: bool) -> None:
    """One half of what they cost falls to the workers, the other to the kernel; the reason says how much it is."""
    verdict = judge(Figures(0.005, 200, workers, result_s=result_s))

    assert verdict.pays is pays
    assert pays or f"sending home what it makes would take {200 * result_s:.2f} s" in verdict.reason


@pytest.mark.parametrize(
    ("count", "left", "workers", "another"),
    [(1, 40, 2, True), (1, 39, 2, False), (1, 40, 4, False), (2, 400, 2, False)],
)
def test_one_iteration_is_no_yardstick(count: int, left: int, workers: int, another: bool) -> None:
    """A second one runs in the kernel where the workers can spare it."""
    assert wants_another(Figures(0.1, left, workers), count) is another


def test_sending_grows_with_objects_and_bytes() -> None:
    """A list of a million strings costs seconds, an array of eight megabytes milliseconds."""
    assert sending_s(1e6, 0) > 1
    assert 0.001 < sending_s(1, 8e6) < 0.1
    assert sending_home_s(1e6, 0) > 1
    assert 0.001 < sending_home_s(1, 8e6) < sending_s(1, 8e6)


@pytest.mark.parametrize(
    ("size", "took_s", "expected"),
    [(1, 1e-6, 2), (1024, 1e-4, 2048), (1024, 0.0007, 1024), (1024, 0.01, 512), (1, 0.5, 1)],
)
def test_batches_grow_while_they_are_short(size: int, took_s: float, expected: int) -> None:
    """Tiny iterations are let run by the thousand, long ones one by one."""
    assert next_batch(size, took_s) == expected


@pytest.mark.parametrize(
    ("seconds", "count", "total", "tail"),
    [
        pytest.param(0.002, 50, 100, True, id="2 ms left"),
        pytest.param(0.002, 10, 100, False, id="only a tenth is done: what comes may be longer"),
        pytest.param(0.1, 50, 100, False, id="0.1 s left"),
        pytest.param(0.002, 50, None, False, id="nobody knows how long"),
        pytest.param(0.0001, 50, 100, False, id="too little to tell"),
    ],
)
def test_a_short_tail_is_left_alone(seconds: float, count: int, total: int | None, tail: bool) -> None:
    """Where next to nothing is left, the clock is not looked at any more."""
    assert is_tail(seconds, count, total) is tail


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([(0, 0.0), (4, 0.4)], None),
        ([(0, 0.0), (4, 0.4), (8, 0.8)], Yardstick(pytest.approx(0.1), 4, True)),
        ([(0, 0.0), (4, 0.4), (8, 2.0)], Yardstick(pytest.approx(0.4), 4, False)),
        ([(0, 0.0), (1, 1.0), (2, 1.1), (3, 1.2), (4, 1.3)], Yardstick(pytest.approx(0.1), 2, True)),
    ],
    ids=["too short", "steady", "growing", "a long first one"],
)
def test_the_kernels_own_iterations_are_the_yardstick(
    marks: list[tuple[int, float]], expected: Yardstick | None
) -> None:
    """The later half counts; where it differs from the first, later iterations may differ again."""
    assert yardstick(marks) == expected


def batch(worker: int, first: int, seconds: list[float], began: float, **costs: float) -> BatchFinished:
    """Tasks one after the other."""
    times, at = [], began
    for each in seconds:
        times += [at, at + each]
        at += each
    spent = {"decode_s": 0.0, "check_s": 0.0, "encode_s": 0.0, **costs}
    return BatchFinished(
        at=at, worker=worker, chunk=0, first=first, count=len(seconds), times=tuple(times), nbytes=0, chunk_done=False,
        **spent,
    )  # fmt: skip


def watched(stick: Yardstick | None, seconds: float, rounds: int, *, gap: float = 0.0, **costs: float) -> str:
    """What two workers are said to be that run so many batches of four tasks, with a gap after each task."""
    watch, reason = Watch(2, stick), ""
    for number in range(rounds):
        for worker in (0, 1):
            for task in range(4):
                first = (2 * number + worker) * 4 + task
                at = (number * 4 + task) * (seconds + gap)
                watch.add(batch(worker, first, [seconds], at, **costs))
                reason = reason or watch.look()
    return reason


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        pytest.param(0.005, "", id="as fast as the kernel"),
        pytest.param(0.0075, "", id="half as fast again: still 1.3 kernels"),
        pytest.param(0.0105, BUSY, id="each takes twice as long"),
        pytest.param(0.05, BUSY, id="each takes ten times as long"),
    ],
)
def test_workers_that_slow_each_other_down_are_left(seconds: float, reason: str) -> None:
    """Two workers that take twice as long for an iteration as the kernel are worth no more than it."""
    assert watched(ALONE, seconds, 12) == reason


def test_one_look_is_not_enough_unless_it_is_hopeless() -> None:
    """What is a little slower for a moment is not left; twice in a row is."""
    watch = Watch(2, ALONE)
    looks = []
    for number in range(30):
        for worker in (0, 1):
            watch.add(batch(worker, 2 * number + worker, [0.0105], number * 0.0105))
            looks.append(watch.look())
            if looks[-1]:
                assert len(watch.worth) == 2
                assert all(worth < 1 for worth in watch.worth)
                return
    pytest.fail(f"never left: {watch.worth}")


@pytest.mark.parametrize("stick", [None, Yardstick(0.005, 5, steady=False)])
def test_without_a_yardstick_long_tasks_are_taken_for_work(stick: Yardstick | None) -> None:
    """Iterations that may have grown are no sign of memory that is shared."""
    assert watched(stick, 0.02, 12) == ""


def test_tasks_that_grow_are_taken_for_work() -> None:
    """Also where the kernel's own did not grow yet."""
    watch = Watch(2, ALONE)
    for number in range(40):
        for worker in (0, 1):
            seconds = 0.005 * 1.1**number
            watch.add(batch(worker, 2 * number + worker, [seconds], sum(0.005 * 1.1**n for n in range(number))))
            assert watch.look() == ""
    assert watch.worth


def test_workers_that_wait_for_their_inputs_are_left() -> None:
    """Where a worker has nothing to do for three quarters of its time, two are worth half a kernel."""
    assert watched(ALONE, 0.005, 12, gap=0.015) == SENDING


def test_workers_that_pack_for_longer_than_they_work_are_left_at_once() -> None:
    """Large results show in the first few batches."""
    watch = Watch(2, ALONE)
    for number in range(5):
        assert watch.look() == ""
        watch.add(batch(number % 2, number, [0.001], number * 0.01, encode_s=0.008))

    assert watch.look() == SENDING
    assert watched(ALONE, 0.005, 12, encode_s=0.0005) == ""


def test_a_hiccup_is_not_held_against_a_worker() -> None:
    """Now and then a batch takes long to pack because something else had the core."""
    watch = Watch(2, ALONE)
    for number in range(40):
        watch.add(batch(number % 2, number, [0.005], number // 2 * 0.006, check_s=0.02 if number % 5 == 0 else 0.0001))

        assert watch.look() == ""


def test_one_pause_of_the_kernel_is_not_held_against_workers_that_were_good() -> None:
    """A look that finds them hopeless once is not enough where they had been worth more than the kernel on the whole."""
    watch = Watch(2, ALONE)
    for number in range(40):
        pause = 0.15 if number >= 20 else 0.0
        for worker in (0, 1):
            watch.add(batch(worker, 2 * number + worker, [0.005], number * 0.005 + pause))
            assert watch.look() == ""
    assert sum(worth < HOPELESS for worth in watch.worth) == 1, watch.worth


def test_the_first_batch_of_a_worker_is_not_held_against_it() -> None:
    """It has decoded all names then, which happens once."""
    watch = Watch(2, ALONE)
    for worker in (0, 1):
        watch.add(batch(worker, worker, [0.005], 0.0, decode_s=3.0))
    for number in range(2, 12):
        watch.add(batch(number % 2, number, [0.005], number // 2 * 0.005))

        assert watch.look() == ""
