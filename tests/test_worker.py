"""A worker alone, at one end of a socket pair, in this process's stead: what it answers to what it is told."""

from __future__ import annotations

import mmap
import os
import socket
import subprocess
import sys
import textwrap
import threading
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from mpnb import wire
from mpnb import worker as worker_room
from mpnb.cache import EncodeCache
from mpnb.engine import STDERR, STDOUT, Job
from mpnb.frames import Frame
from mpnb.jobs import JobEncoder
from mpnb.tasks import attempt
from mpnb.worker import Capture

HOME = str(Path(__file__).resolve().parent.parent)


def task(body: str) -> FunctionType:
    """A job's function with this body."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec("import os, time\nseen = []\ndef task(item, effects):\n" + textwrap.indent(body, "    "), names)
    return names["task"]


class Talk:
    """The kernel's side of a worker."""

    def __init__(self) -> None:
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(10)
        self.incoming = wire.Incoming()
        self.heard: list[wire.Message] = []
        word_fd = os.memfd_create("word")
        os.ftruncate(word_fd, mmap.PAGESIZE)
        self.word = memoryview(mmap.mmap(word_fd, mmap.PAGESIZE)).cast("q")
        lifeline, self.lifeline = os.pipe()
        code = "import sys; sys.path.append(sys.argv[1]); from mpnb.worker import main; main(*map(int, sys.argv[2:]))"
        fds = (theirs.fileno(), word_fd, lifeline)
        self.process = subprocess.Popen([sys.executable, "-c", code, HOME, *map(str, fds), "1"], pass_fds=fds)
        theirs.close()
        os.close(word_fd)
        os.close(lifeline)

    def hear(self) -> wire.Message:
        """The next message."""
        while not self.heard:
            found = self.incoming.pull(self.sock)
            assert found is not None, "the worker has ended"
            self.heard.extend(found)
        return self.heard.pop(0)

    def open(self, function: FunctionType, *, nets: bool = True, number: int = 0) -> JobEncoder:
        """Send a job."""
        encoder = JobEncoder(Job(function, nets=nets), EncodeCache())
        digests = tuple(part.digest for part in encoder.parts)
        wire.send(
            self.sock,
            ("job", number, (nets, False, False, False, False), digests, digests),
            tuple(part.frame for part in encoder.parts),
        )
        return encoder

    def run(
        self, encoder: JobEncoder, items: list[Any], *, start: int = 0, stop: int | None = None, number: int = 0
    ) -> Any:
        """Send a chunk whose first iteration is 0; returns the items' memo."""
        frame, memo = encoder.encode_items(items)
        wire.send(self.sock, ("chunk", 7, number, 5, 0, start, len(items) if stop is None else stop, False), (frame,))
        return memo

    def close(self) -> None:
        """End it."""
        self.sock.close()
        self.process.wait(5)
        os.close(self.lifeline)


@pytest.fixture
def talk() -> Iterator[Talk]:
    """A worker that has said that it is ready."""
    if not hasattr(os, "memfd_create"):
        pytest.skip("needs memfd_create")
    one = Talk()
    assert one.hear().note == ("ready", one.process.pid)
    yield one
    one.close()


def test_a_chunk_comes_back_as_a_batch(talk: Talk) -> None:
    """Short iterations come home together, with their times, and the chunk is said to be done."""
    encoder = talk.open(task("effects.append((0, item * 2))"))
    memo = talk.run(encoder, [1, 2, 3, 4, 5], start=1, stop=4)
    message = talk.hear()
    word, chunk, first, count, times, *_, done, stop = message.note
    assert (word, chunk, first, count, done, stop) == ("batch", 5, 1, 3, True, None)
    assert len(array("d", times)) == 6
    assert encoder.decode_effects(message.frames[0], memo) == [[(0, 4)], [(0, 6)], [(0, 8)]]
    assert talk.word[0] == 0


def test_long_iterations_come_home_one_by_one(talk: Talk) -> None:
    """Results leave at least every 20 ms, and the word says which iteration runs."""
    encoder = talk.open(task("time.sleep(0.05); effects.append((0, item))"))
    talk.run(encoder, [0, 1, 2])
    for number in range(3):
        note = talk.hear().note
        assert (note[2], note[3], note[-2]) == (number, 1, number == 2)
        if number < 2:
            assert talk.word[0] in (number + 2, 0)


@pytest.mark.parametrize(
    ("body", "grows"),
    [("effects.append((0, item))", True), ("print(item)", False), ("effects.append((0, bytes(1_200_000)))", False)],
    ids=["small results", "prints", "large results"],
)
def test_batches_of_a_long_job_are_longer(talk: Talk, body: str, grows: bool) -> None:
    """After a while fewer of them leave, up to 100 ms apart; every 20 ms what is for people to read, or large."""
    encoder = talk.open(task(f"time.sleep(0.005); {body}"))
    talk.run(encoder, list(range(250)))
    lasted: list[float] = []  # until the last iteration began
    done, began = False, 0.0
    while not done:
        note = talk.hear().note
        times, done = array("d", note[4]), note[-2]
        began = began or times[0] - 0.1  # about when the job was loaded
        lasted.append(times[-2] - times[0])
        ramp_s = (times[-2] - began) / worker_room.RAMP if grows else 0.0
        assert lasted[-1] <= min(worker_room.LONG_BATCH_S, max(worker_room.BATCH_S, ramp_s))
    assert len(lasted) > 8
    assert (max(lasted[-4:]) > 2 * worker_room.BATCH_S) is grows


def test_a_running_chunk_gives_half_of_its_rest_back(talk: Talk) -> None:
    """What was not begun can be taken back; every iteration is either run or given back."""
    encoder = talk.open(task("time.sleep(0.1)"))
    talk.run(encoder, list(range(9)))
    talk.hear()
    wire.send(talk.sock, ("back", 7))
    heard = []
    while not heard or not (heard[-1][0] == "batch" and heard[-1][-2]):
        heard.append(talk.hear().note)
    ((_, _, first, stop, _),) = [note for note in heard if note[0] == "returned"]
    batches = [note for note in heard if note[0] == "batch"]
    assert stop == 9
    assert batches[-1][2] + batches[-1][3] == first
    assert 3 <= first <= 6


def test_what_is_not_there_is_not_given_back(talk: Talk) -> None:
    """The answer to an order that came too late is that there is nothing."""
    wire.send(talk.sock, ("back", 99))
    assert talk.hear().note == ("returned", 99, 0, 0, False)


@pytest.mark.parametrize("body", ["time.sleep(60)", "while True: pass"])
def test_a_cancelled_task_is_interrupted(talk: Talk, body: str) -> None:
    """Only the job that was meant; the worker goes on with others."""
    encoder = talk.open(task(body))
    talk.run(encoder, [1, 2])
    while not talk.word[0]:
        pass
    wire.send(talk.sock, ("cancel", 3))
    assert talk.hear().note == ("cancelled", 3)
    wire.send(talk.sock, ("cancel", 0))
    assert talk.hear().note == ("cancelled", 0)
    encoder = talk.open(task("effects.append((0, 1))"), number=1)
    talk.run(encoder, [1], number=1)
    assert talk.hear().note[0] == "batch"


def test_a_net_voids_the_batch(talk: Talk) -> None:
    """Nothing that the failed check covers is sent, and the worker says that it is spoiled."""
    encoder = talk.open(task("effects.append((0, item)); seen.append(item)"))
    talk.run(encoder, [1, 2, 3])
    note = talk.hear().note
    assert (note[2], note[3], note[-2]) == (0, 0, True)
    assert note[-1][:2] == ("tripped", 0)
    assert talk.hear().note == ("spoiled",)


def test_without_nets_a_task_may_do_it(talk: Talk) -> None:
    """As with multiprocessing.Pool."""
    encoder = talk.open(task("seen.append(item); effects.append((0, len(seen)))"), nets=False)
    memo = talk.run(encoder, [1, 2, 3])
    message = talk.hear()
    assert encoder.decode_effects(message.frames[0], memo) == [[(0, 1)], [(0, 2)], [(0, 3)]]


def test_it_ends_with_its_socket(talk: Talk) -> None:
    """Even in the midst of a task."""
    encoder = talk.open(task("while True: pass"))
    talk.run(encoder, [1])
    while not talk.word[0]:
        pass
    talk.sock.close()
    talk.process.wait(2)


def test_it_ends_with_its_lifeline() -> None:
    """A task that holds the GIL is ended by the system."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells a process so")
    one = Talk()
    assert one.hear().note == ("ready", one.process.pid)
    encoder = one.open(task("sum(range(10**12))"))
    one.run(encoder, [1])
    while not one.word[0]:
        pass
    os.close(one.lifeline)
    assert one.process.wait(2) == -9
    one.sock.close()


class FakeWorker:
    """Takes what is written."""

    def __init__(self) -> None:
        self.got: list[tuple[int, str]] = []

    def written(self, number: int, text: str) -> None:
        """What a worker has, too."""
        self.got.append((number, text))


def test_capture_is_a_text_stream() -> None:
    """It takes text only, says how much, and has what programs ask a stream for."""
    worker = FakeWorker()
    out, err = Capture(STDOUT, worker), Capture(STDERR, worker)  # type: ignore[arg-type]
    assert out.write("ab") == 2
    print("c", file=err, flush=True)
    out.writelines(["d", ""])
    assert worker.got == [(STDOUT, "ab"), (STDERR, "c"), (STDERR, "\n"), (STDOUT, "d")]
    with pytest.raises(TypeError, match="must be str, not bytes"):
        out.write(b"x")  # type: ignore[arg-type]
    assert (out.encoding, out.errors, out.isatty(), out.writable(), out.readable()) == (
        "utf-8", "strict", False, True, False,
    )  # fmt: skip


def test_an_attempt() -> None:
    """It gives a value, an exception that can travel, or the words of one that cannot."""

    class Local(Exception):
        pass

    def fail(error: Exception) -> None:
        raise error

    assert attempt(abs, (-1,), {}, 0) == (0, 1)
    kind, error, text = attempt(fail, (LookupError(3),), {}, 0)
    assert (kind, error.args) == (1, (3,))
    assert "in fail" in text
    assert attempt(fail, (Local("x"),), {}, 0)[:2] == (2, f"{Local.__qualname__}: x")


@pytest.mark.parametrize(
    ("following", "sent", "stop", "given"),
    [
        (4, 4, 5, (0, 0)),  # not begun yet, or between two iterations with nothing unsent: one is kept
        (4, 4, 6, (5, 6)),
        (4, 4, 9, (6, 9)),
        (5, 4, 6, (5, 6)),  # 4 runs, or has run and is unsent
        (5, 4, 5, (0, 0)),
    ],
)
def test_a_running_piece_is_never_given_back_whole(
    following: int, sent: int, stop: int, given: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel waits for the batch that ends a running piece, so some of it must be left to end."""
    worker: Any = object.__new__(worker_room.Worker)
    said: list[Any] = []
    monkeypatch.setattr(worker_room.Worker, "_send", lambda _self, note: said.append(note))
    worker._changed = threading.Condition()
    worker._queue = []
    worker._running = worker_room._Piece(7, 0, 0, 0, following, stop, Frame(b""), sent)
    worker._give_back(7)
    assert said == [("returned", 7, *given, False)]  # False: it still has a batch to end
    assert worker._running.stop == (given[0] or stop) > sent
