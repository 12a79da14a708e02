"""The engine on dask where the contract does not reach: processes that go, a scheduler that goes, real cells."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests are files, not a package

from kinds import START_S, wait_for
from test_contract import SETUP, names_of, run_on

from mpnb.adapters import find
from mpnb.engine import Job
from mpnb.errors import EngineLostError, MpnbError
from mpnb.pool import Pool

distributed = pytest.importorskip("distributed", reason="distributed is not installed")


class Cluster:
    """A scheduler and two workers, each started by its own command."""

    def __init__(self, folder: Path) -> None:
        file = folder / "scheduler.json"
        self.scheduler = self.start("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
        wait_for(file.exists, START_S)
        self.workers = [
            self.start(
                "worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", "--no-dashboard",
                "--local-directory", str(folder),
            )
            for _ in range(2)
        ]  # fmt: skip
        self.client = distributed.Client(scheduler_file=str(file), set_as_default=False)
        self.client.wait_for_workers(2, timeout=START_S)
        self.address = self.client.scheduler.address

    @staticmethod
    def start(*words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", *words, "--host", "127.0.0.1"]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def close(self) -> None:
        self.client.close(timeout=2)
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait(10)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster for one test, which ends some of it."""
    made = Cluster(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that outlives the tests."""
    made = Cluster(tmp_path_factory.mktemp("dask"))
    yield made
    made.close()


def descendants(*processes: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """What mpnb has started beside dask's workers."""
    return [child for each in processes for child in psutil.Process(each.pid).children(recursive=True)]


SLOW = """
    out = []
    for k in range(60):
        time.sleep(0.05)
        print("at", k)
        out.append(times(k))
"""


def after_a_while(names: dict[str, Any], do: Callable[[], None], iterations: int = 6) -> threading.Thread:
    """Do something when some iterations have taken effect."""

    def wait() -> None:
        wait_for(lambda: len(names.get("out", ())) >= iterations, 20)
        do()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_worker_that_goes_costs_nothing_but_time(mortal: Cluster) -> None:
    """The other one does its work again, the result is right, and the loss is told of; its processes go with it."""
    engine: Any = find(mortal.client)
    wait_for(lambda: engine.ready == 2, START_S)
    names = names_of(SETUP + "    import time\n")
    told: list[Any] = []
    beside = descendants(mortal.workers[1])
    assert beside
    thread = after_a_while(names, mortal.workers[1].kill)

    ending = run_on(engine, SLOW, names, listeners=(told.append,))

    thread.join()
    assert ending.error is None
    assert names["out"] == [3 * k + 2 for k in range(60)]
    assert ending.printed == "".join(f"at {k}\n" for k in range(60))
    assert ending.record.sites[0].parallel
    assert not ending.record.sites[0].reason
    assert [type(event).__name__ for event in told].count("WorkerDied") == 1
    assert engine.workers == 1
    wait_for(lambda: not any(process.is_running() for process in beside), 5)
    engine.shutdown()


def test_a_scheduler_that_goes_ends_the_cell_with_a_clear_error(mortal: Cluster) -> None:
    """Within ten seconds; what had finished can be had, and this machine's own pool works at once."""
    engine: Any = find(mortal.client)
    wait_for(lambda: engine.ready == 2, START_S)
    names = names_of(SETUP + "    import time\n")
    gone: list[float] = []

    def kill() -> None:
        mortal.scheduler.kill()
        gone.append(time.perf_counter())

    thread = after_a_while(names, kill)
    ending = run_on(engine, SLOW.replace("0.05", "0.2"), names)
    ended = time.perf_counter()
    thread.join()

    assert isinstance(ending.error, EngineLostError), ending.error
    assert mortal.address in str(ending.error)
    assert ended - gone[0] < 10
    assert names["out"] == [3 * k + 2 for k in range(len(names["out"]))]
    assert len(names["out"]) >= 6
    assert ending.record.finished.keys() >= set(range(len(names["out"])))
    with Pool(2) as pool:
        after = run_on(pool, "r = [times(k) for k in range(20)]", names)
        assert after.error is None
        assert after.record.sites[0].parallel


def test_what_is_big_is_sent_to_each_worker_once(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """An array that many tasks read, in several cells, lies at each worker once; a changed one is sent anew."""
    engine: Any = find(cluster.client)
    wait_for(lambda: engine.ready == 2, START_S)
    names = names_of(SETUP)

    def received() -> int:
        """Bytes that the workers had from each other."""

        def total(dask_worker: Any) -> int:
            return sum(each["total"] for each in dask_worker.transfer_incoming_log)

        return sum(cluster.client.run(total).values())

    scattered: list[int] = []
    scatter = cluster.client.scatter

    def counted(data: dict[str, Any], **options: Any) -> Any:
        scattered.extend(each.block.nbytes for each in data.values())
        return scatter(data, **options)

    monkeypatch.setattr(cluster.client, "scatter", counted)
    for _ in range(3):
        assert run_on(engine, "r = [big[k].sum() for k in range(200)]", names).error is None
    assert names["r"] == [names["big"][k].sum() for k in range(200)]
    assert len(scattered) == 1
    assert scattered[0] >= 8_000_000
    assert received() <= 8_000_000 * 1.1  # what the scheduler gave one of them, the other may have from there
    names["big"][7, 7] = -1.0
    assert run_on(engine, "r = [big[k].sum() for k in range(200)]", names).error is None
    assert names["r"] == [names["big"][k].sum() for k in range(200)]
    assert len(scattered) == 2
    engine.shutdown()


def test_processes_beside_the_workers_end_with_the_engine(cluster: Cluster) -> None:
    """The cluster is as it was found."""
    engine: Any = find(cluster.client)
    wait_for(lambda: engine.ready == 2, START_S)
    assert len(descendants(*cluster.workers)) >= 2

    engine.shutdown()

    wait_for(lambda: not descendants(*cluster.workers), 5)
    assert cluster.client.submit(sum, [1, 2]).result(timeout=10) == 3
    with pytest.raises(MpnbError, match="shut down"):
        engine.run(Job(names_of("def task(item, effects): pass")["task"]), iter([1]), lambda _event: None)


def test_real_cells_run_on_the_cluster_that_is_named(kernel: Any, cluster: Cluster) -> None:
    """`--on dask`, `--on tcp://…`, `mpnb.use`; nothing goes there unasked, and what can't be had is said at once."""
    kernel.check("%load_ext mpnb")
    where = textwrap.dedent("""
        %%parallel --no-probe --quiet {}
        import os
        def parent(k):
            return os.getppid()
        pids = []
        for k in range(40):
            print("k", k)
            pids.append(parent(k))
    """).strip()
    ours = {process.pid for process in cluster.workers}

    def ran_there(options: str = "") -> bool:
        result = kernel.check(where.format(options))
        assert result.stdout == "".join(f"k {k}\n" for k in range(40)), result.stdout
        pids = set(eval(kernel.value("pids") or "[]"))
        return bool(pids) and all(psutil.Process(pid).ppid() in ours or pid in ours for pid in pids)

    missing = kernel.run(where.format("--on dask"))
    assert missing.status == "error" or "UsageError" in missing.stderr
    assert "no dask client is connected" in missing.stderr + missing.evalue
    assert kernel.run("pids").ename == "NameError"
    assert ran_there(f"--on {cluster.address}")
    assert not ran_there()
    kernel.check(f"import distributed, mpnb\nclient = distributed.Client({cluster.address!r})")
    assert not ran_there()
    assert ran_there("--on dask")
    kernel.check("mpnb.use(client)")
    assert ran_there()
    assert not ran_there("--on local")
    kernel.check("mpnb.use('local')")
    assert not ran_there()
    unknown = kernel.run("%%parallel --on moon\nx = [1 for k in range(3)]")
    assert "there is no engine 'moon'" in unknown.stderr + unknown.evalue


def test_a_notebook_that_goes_leaves_nothing_running(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that hears nothing more of a job that runs ends it; as long as the notebook asks, it goes on."""
    cluster.client.run(set_patience, 1.0)
    engine: Any = find(cluster.client)
    wait_for(lambda: engine.ready == 2, START_S)
    names = names_of("import time\ndef task(item, effects):\n    time.sleep(item)\n    effects.append((0, item))\n")
    running = engine.run(Job(names["task"]), iter([2.0, 2.5]), lambda _event: None)
    assert [outcome.effects for outcome in running] == [[(0, 2.0)], [(0, 2.5)]]

    names = names_of("def task(item, effects):\n    while True:\n        pass\n")
    left: Any = engine.run(Job(names["task"]), iter(range(9)), lambda _event: None)
    left.prime(2)
    time.sleep(0.5)
    monkeypatch.setattr(engine._dispatcher.transport, "peek", lambda *_: None)  # as if it were gone

    def busy_s() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in descendants(*cluster.workers))

    def is_still() -> bool:
        before = busy_s()
        time.sleep(0.5)
        return busy_s() - before < 0.1

    assert not is_still()
    monkeypatch.setattr(engine._dispatcher.transport, "send", lambda *_: None)  # what was given up is not begun again
    wait_for(is_still, 20)
    left.close()
    engine.shutdown()
    cluster.client.run(set_patience, 30.0)


def set_patience(seconds: float) -> None:
    """Called in a host's process."""
    from mpnb.adapters import host

    host.GONE_S = seconds  # type: ignore[misc]


def test_an_interrupt_stops_what_runs_on_the_cluster(cluster: Cluster) -> None:
    """No core is busy afterwards, and the next cell finds the workers as warm as before."""
    engine: Any = find(cluster.client)
    wait_for(lambda: engine.ready == 2, START_S)
    names = names_of(SETUP + "    import time\n")
    cell = """
        out = []
        for k in range(40):
            while k >= 6:
                pass
            time.sleep(0.03)
            out.append(k)
        """
    thread = after_a_while(names, lambda: os.kill(os.getpid(), signal.SIGINT))
    before = {process.pid for process in descendants(*cluster.workers)}
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    ending = run_on(engine, cell, names)
    signal.signal(signal.SIGINT, handler)
    thread.join()

    assert isinstance(ending.error, KeyboardInterrupt)
    assert names["out"] == list(range(6))
    time.sleep(0.5)
    processes = descendants(*cluster.workers)
    assert {process.pid for process in processes} == before
    spent = [sum(process.cpu_times()[:2]) for process in processes]
    time.sleep(1.0)
    now = [sum(process.cpu_times()[:2]) for process in processes]
    assert max(b - a for a, b in zip(spent, now, strict=True)) < 0.5
    engine.shutdown()
