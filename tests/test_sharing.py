"""Processes beside the notebook, in real kernels: as `multiprocessing`'s examples are written, and what goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from real_kernel import ROOT, Kernel

import mpnb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

METHODS = ("forkserver", "spawn", "fork")
# from Python 3.12 on, os.fork() warns where there are threads, and a kernel has some
QUIET = "import warnings; warnings.filterwarnings('ignore', message='.*multi-threaded', category=DeprecationWarning)\n"


@pytest.fixture(scope="module")
def nb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Give a real kernel that all tests of this file share, which they leave without a process."""
    with pytest.MonkeyPatch.context() as environ:
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            environ.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        environ.setenv("JUPYTER_PLATFORM_DIRS", "1")
        environ.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
        environ.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        kernel = Kernel(tmp_path_factory.mktemp("kernel")).start()
        try:
            kernel.check(QUIET + "import os, signal, sys, time, mpnb\nfrom multiprocess.connection import wait")
            yield kernel
        finally:
            kernel.close()


@pytest.fixture(autouse=True)
def no_process_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """See to it that no test leaves a process running."""
    yield
    if "nb" in request.fixturenames:
        assert request.getfixturevalue("nb").value("mpnb.active_children()") == "[]"


def wait_until(is_so: Callable[[], bool], seconds: float) -> None:
    """Wait until something is so; fail when it is not in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it was not so in time"
        time.sleep(0.02)


def is_gone(process: psutil.Process) -> bool:
    """Tell whether a process has ended; nobody may have reaped it."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# ------------------------------------------------------------------------------------------- the examples, as written


def test_importing_mpnb_imports_no_multiprocess():
    """The names are there, and cost nothing until they are used."""
    code = "import sys, mpnb; assert not {'multiprocess', 'dill'} & set(sys.modules); print(mpnb.Process.__module__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert done.stdout == "mpnb.sharing.contexts\n"


@pytest.mark.parametrize("method", METHODS)
def test_three_processes_print(nb, method):
    """Three processes print, whatever the start method; what they print is shown before join() returns."""
    result = nb.check(f"""
from time import sleep
Process = mpnb.get_context({method!r}).Process
def do(i):
    print(f"in {{mpnb.current_process().name}}: {{i}}")
    sleep(0.01)
processes = [Process(target=do, args=(i,), name=f"work_{{i}}") for i in range(3)]
for p in processes: p.start()
for p in processes: p.join()
print([(p.name, p.exitcode, p.is_alive(), p.pid > 0, p.daemon) for p in processes])
""")

    lines = result.stdout.splitlines()
    assert sorted(lines[:3]) == [f"in work_{i}: {i}" for i in range(3)]
    assert lines[3:] == [str([(f"work_{i}", 0, False, True, False) for i in range(3)])]
    assert result.stderr == ""


@pytest.mark.parametrize("method", METHODS)
def test_ten_processes_get_from_and_put_to_a_queue(nb, method):
    """Ten processes each take from one queue and put into it."""
    result = nb.check(f"""
ctx = mpnb.get_context({method!r})
def both(q, i):
    value = q.get()
    q.put(value * 10)
q = ctx.Queue(20)
for i in range(10 if ctx.get_start_method() != "spawn" else 3): q.put(1)
processes = [ctx.Process(target=both, args=(q, i)) for i in range(10 if ctx.get_start_method() != "spawn" else 3)]
for p in processes: p.start()
for p in processes: p.join()
print(len(processes), sum(q.get(timeout=5) for p in processes) >= 10 * len(processes), q.empty(), {{p.exitcode for p in processes}})
""")

    assert (result.stdout, result.stderr) == (f"{3 if method == 'spawn' else 10} True True {{0}}\n", "")


def test_a_pool_maps_a_notebook_function(nb):
    """`Pool(3).map(do, names)` as it is written with multiprocessing."""
    result = nb.check("""
def shout(name):
    return name.upper()
with mpnb.Pool(3) as pool:
    print(pool.map(shout, ["ann", "bob"]))
""")

    assert result.stdout == "['ANN', 'BOB']\n"


@pytest.mark.parametrize("method", METHODS)
def test_shared_array_and_managers_dict_under_a_lock(nb, method):
    """Counters in shared memory and in a manager are exact."""
    result = nb.check(f"""
ctx = mpnb.get_context({method!r})
def count(array, d, lock, value):
    for i in range(50):
        with lock:
            array[i % 3] += 1
            d["n"] += 1
        with value.get_lock():
            value.value += 0.5
array, lock, value = ctx.Array("i", 3), ctx.Lock(), ctx.Value("d", 0)
with ctx.Manager() as manager:
    d = manager.dict(n=0)
    processes = [ctx.Process(target=count, args=(array, d, lock, value)) for _ in range(3)]
    for p in processes: p.start()
    for p in processes: p.join()
    print(array[:], dict(d), value.value, [p.exitcode for p in processes])
""")

    assert result.stdout == "[51, 51, 48] {'n': 150} 75.0 [0, 0, 0]\n"


def test_bounded_queue_bounds_memory(nb):
    """A producer of 400 MB waits for three consumers; nobody ever holds more than a few pieces."""
    result = nb.check("""
import resource
def produce(q, pieces):
    for _ in range(pieces):
        q.put(bytes(1_000_000))
    for _ in range(3):
        q.put(None)
    peaks.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
def consume(q, sums):
    total = 0
    while (piece := q.get()) is not None:
        total += len(piece)
    sums.put(total)
    peaks.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
q, sums, peaks = mpnb.Queue(4), mpnb.Queue(), mpnb.Queue()
processes = [mpnb.Process(target=produce, args=(q, 400))] + [mpnb.Process(target=consume, args=(q, sums)) for _ in range(3)]
for p in processes: p.start()
for p in processes: p.join()
print(sum(sums.get(timeout=5) for _ in range(3)), max(peaks.get(timeout=5) for _ in range(4)) < 150e6)
""")

    assert result.stdout == "400000000 True\n"


def test_everything_else_is_there(nb):
    """Events, conditions, barriers, semaphores, pipes, joinable and simple queues do what multiprocessing's do."""
    result = nb.check("""
def takes_part(event, barrier, condition, semaphore, connection, jobs, simple, raw):
    event.wait(10)
    with semaphore:
        raw[0] += 1
    barrier.wait(10)
    with condition:
        condition.notify_all()
    connection.send(connection.recv() + 1)
    simple.put([jobs.get()])
    jobs.task_done()
event, barrier, condition = mpnb.Event(), mpnb.Barrier(2), mpnb.Condition()
here, there = mpnb.Pipe()
jobs, simple, raw = mpnb.JoinableQueue(), mpnb.SimpleQueue(), mpnb.RawArray("i", 2)
p = mpnb.Process(target=takes_part, args=(event, barrier, condition, mpnb.BoundedSemaphore(1), there, jobs, simple, raw))
p.start()
event.set()
with condition:
    barrier.wait(10)
    print(condition.wait(10))
here.send(1)
print(here.recv())
jobs.put("job")
jobs.join()
print(simple.get(), raw[:])
p.join()
rlock = mpnb.RLock()
with rlock, rlock:
    print(rlock.acquire(timeout=1), mpnb.RawValue("i", 3).value)
rlock.release()
semaphore = mpnb.Semaphore(2)
print([semaphore.acquire(False) for _ in range(3)])
""")

    assert result.stdout == "True\n2\n['job'] [1, 0]\nTrue 3\n[True, True, False]\n"


# ---------------------------------------------------------------------------------------- functions of the notebook


def test_a_process_is_never_stale(nb):
    """A process sees functions, globals, classes and arrays as they are when it starts."""
    result = nb.check("""
factor, table = 2, {"a": 1}
def helper(x): return x * factor + table["a"]
def work(x): print(helper(x))
def run(x):
    p = mpnb.Process(target=work, args=(x,)); p.start(); p.join()
run(10)
factor = 3; run(10)
table["a"] = 5; run(10)
def helper(x): return -x
run(10)
""")

    assert result.stdout == "21\n31\n35\n-10\n"


def test_subclasses_and_instances_of_notebook_classes(nb):
    """A subclass with run() works; what comes back is an instance of the notebook's own class; its state stays here."""
    result = nb.check("""
from enum import Enum
class Colour(Enum):
    RED = 1
class Point:
    made = 0
    def __init__(self, x): self.x = x
    def __eq__(self, other): return type(self) is type(other) and self.x == other.x
class Worker(mpnb.Process):
    def __init__(self, q, x):
        super().__init__(name="mine", daemon=True)
        self.q, self.x = q, x
    def run(self):
        Point.made += 1
        self.q.put((Point(self.x), Colour.RED, Point.made))
q = mpnb.Queue()
p = Worker(q, 4)
p.start()
point, colour, made = q.get(timeout=10)
p.join()
print(point == Point(4), colour is Colour.RED, made, Point.made, p.name, p.daemon)
""")

    assert result.stdout == "True True 1 0 mine True\n"


def test_functions_through_a_queue_bring_their_names(nb):
    """A function sent to a running process brings the names it looks up, present ones; one that comes home has ours."""
    result = nb.check("""
step = 1
def add(x): return x + step
def serve(q, r):
    while (f := q.get()) is not None:
        r.put(f(10))
    r.put(add_here)
def add_here(x): return x + step
q, r = mpnb.Queue(), mpnb.Queue()
p = mpnb.Process(target=serve, args=(q, r))
p.start()
q.put(add); print(r.get(timeout=10))
step = 5
q.put(add); print(r.get(timeout=10))
q.put(lambda x: add(x) * 2); print(r.get(timeout=10))
q.put(None)
step = 7
print(r.get(timeout=10)(10))
p.join()
""")

    assert result.stdout == "11\n15\n30\n17\n"


def test_arrays_are_the_processs_own(nb):
    """An array that a process gets it may change; the notebook's stays as it is. eval() finds its names."""
    result = nb.check("""
import numpy
big = numpy.arange(300_000.0)
def change(a, q):
    a[0] = 7
    q.put((a[:2], eval("big.sum()")))
q = mpnb.Queue()
p = mpnb.Process(target=change, args=(big, q))
p.start()
print(q.get(timeout=20), big[0])
p.join()
""")

    assert result.stdout == "(array([7., 1.]), np.float64(44999850007.0)) 0.0\n"


def test_ctypes_structures_of_the_notebook(nb):
    """The Array of structures from Python's documentation."""
    result = nb.check("""
from ctypes import Structure, c_double
class Place(Structure):
    _fields_ = [("x", c_double), ("y", c_double)]
def square(n, places):
    n.value **= 2
    for place in places:
        place.x **= 2
n, places = mpnb.Value("i", 7), mpnb.Array(Place, [(1.5, -6.25), (-5.75, 2.0)])
p = mpnb.Process(target=square, args=(n, places))
p.start()
p.join()
print(n.value, [(place.x, place.y) for place in places])
""")

    assert result.stdout == "49 [(2.25, -6.25), (33.0625, 2.0)]\n"


def test_processes_of_processes(nb):
    """A process may start processes; what they print gets to the cell."""
    result = nb.check("""
def inner(q):
    print("inner prints")
    q.put("inner said")
def outer():
    q = mpnb.Queue()
    p = mpnb.Process(target=inner, args=(q,))
    p.start()
    p.join()
    print(q.get(timeout=5), mpnb.parent_process().pid)
p = mpnb.Process(target=outer)
p.start()
p.join()
print(os.getpid())
""")

    lines = result.stdout.split("\n")
    assert lines[0] == "inner prints"
    assert lines[1] == f"inner said {lines[2]}"


# ----------------------------------------------------------------------------------------------------------- output


@pytest.mark.parametrize("method", METHODS)
def test_what_is_printed_late_goes_to_the_cell_that_started_it(nb, method):
    """A process that prints while later cells run prints in its own cell, by whatever way it prints."""
    first = nb.submit(f"""
def late(event):
    event.wait(20)
    print("late")
    print("to stderr", file=sys.stderr)
    os.system("echo from a shell")
event = mpnb.Event()
p = mpnb.get_context({method!r}).Process(target=late, args=(event,))
p.start()
""")
    first.result()
    second = nb.submit("event.set(); p.join(); print('second')")

    assert second.result().stdout == "second\n"
    assert (first.so_far.stdout, first.so_far.stderr) == ("late\nfrom a shell\n", "to stderr\n")


def test_an_exception_shows_the_notebooks_lines(nb):
    """The traceback of a process begins in the notebook's code, and has its source lines."""
    result = nb.check("""
def divide(x):
    return x / 0
def work():
    divide(1)
p = mpnb.Process(target=work, name="fails")
p.start()
p.join()
print(p.exitcode)
""")

    lines = result.stderr.splitlines()
    assert result.stdout == "1\n"
    assert lines[:2] == ["Process fails:", "Traceback (most recent call last):"]
    assert [line.strip() for line in lines if line.strip() in {"divide(1)", "return x / 0"}] == [
        "divide(1)",
        "return x / 0",
    ]
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert len(lines) <= 10


def test_a_flood_of_text_is_capped_with_a_notice(nb):
    """A process that prints 30 MB ends, and the notebook gets a few MB and a note of the rest."""
    result = nb.check("""
def flood():
    for _ in range(300):
        print("x" * 99_999)
p = mpnb.Process(target=flood, name="flood")
p.start()
p.join()
print(p.exitcode)
""")

    assert len(result.stdout) < 5e6
    assert "[mpnb] flood printed 2" in result.stdout
    assert result.stdout.endswith("MB more, which are not shown\n0\n")


def test_a_captured_cell_captures_its_processes(nb):
    """What processes print under `redirect_stdout` goes where the notebook's prints go."""
    result = nb.check("""
import contextlib, io
buffer = io.StringIO()
with contextlib.redirect_stdout(buffer):
    p = mpnb.Process(target=print, args=("caught",))
    p.start()
    p.join()
print(repr(buffer.getvalue()))
""")

    assert result.stdout == "'caught\\n'\n"


# ----------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_what_cant_be_sent_is_named_before_anything_starts(nb, method):
    """An argument, attribute or global that can't be sent is a CodecError in the notebook, with the path to it."""
    result = nb.check(f"""
import sqlite3
Process = mpnb.get_context({method!r}).Process
db = sqlite3.connect(":memory:")
def use(x=None): pass
def use_global(): db.execute("")
class Sub(Process):
    def __init__(self):
        super().__init__()
        self.held = {{"db": db}}
    def run(self): pass
for p in (Process(target=use, args=(1, [db])), Process(target=use, kwargs={{"x": {{"a": db}}}}), Process(target=use_global), Sub()):
    try:
        p.start()
    except mpnb.CodecError as error:
        print(error.path, p.pid)
try:
    mpnb.Queue().put({{"deep": [db]}})
except mpnb.CodecError as error:
    print(error.path)
""")

    assert result.stdout.splitlines() == [
        "args[1][0] None", "kwargs['x']['a'] None", "db None", "self.held['db'] None", "object['deep'][0]",
    ]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_how_a_process_ended_is_known(nb, method):
    """Signals, exit codes, terminate, kill, timeouts, sentinels and close are as multiprocessing has them."""
    result = nb.check(f"""
Process = mpnb.get_context({method!r}).Process
def sleep(): time.sleep(60)
def leave(code):
    print("left", end="")
    os._exit(code)
def leave_politely(): sys.exit(3)
def started(*args, **kwargs):
    p = Process(*args, **kwargs)
    p.start()
    return p
p = started(target=sleep); os.kill(p.pid, signal.SIGKILL); p.join(); print(p.exitcode, p.is_alive())
p = started(target=sleep); p.terminate(); p.join(); print(p.exitcode)
p = started(target=sleep, daemon=True); p.join(0.05); print(p.exitcode, p.is_alive(), p.daemon); p.kill(); p.join(); print(p.exitcode)
p = started(target=leave, args=(7,)); p.join(); print("", p.exitcode)
p = started(target=leave_politely); print(wait([p.sentinel], 20) == [p.sentinel]); p.join(); print(p.exitcode); p.close()
try: p.exitcode
except ValueError as error: print(error)
""")

    assert result.stdout.splitlines() == [
        "-9 False", "-15", "None True True", "-9", "left 7", "True", "3", "process object is closed",
    ]  # fmt: skip


def test_a_readers_death_leaves_a_queue_usable(nb):
    """A process that is killed while it waits in get() takes nothing with it: others still get everything."""
    result = nb.check("""
def forever(q):
    while True: q.get()
def once(q, r): r.put(q.get())
q, r = mpnb.Queue(3), mpnb.SimpleQueue()
p = mpnb.Process(target=forever, args=(q,))
p.start()
q.put(0)
while not q.empty(): time.sleep(0.01)
time.sleep(0.1)
p.kill(); p.join()
p = mpnb.Process(target=once, args=(q, r))
p.start()
q.put("after")
print(r.get())
p.join()
q.put("here"); print(q.get(timeout=10))
""")

    assert result.stdout == "after\nhere\n"


def test_a_managers_death_is_told(nb):
    """When a manager's process is killed, whoever asks is told so, and its folder is gone."""
    result = nb.check("""
manager = mpnb.Manager()
folder = os.path.dirname(manager.address)
print(oct(os.stat(folder).st_mode), os.listdir(folder))
d = manager.dict(a=1)
os.kill(manager._process.pid, signal.SIGKILL)
manager._process.join()
for ask in (lambda: d["a"], manager.list):
    try: ask()
    except ConnectionError as error: print(error)
print(os.path.exists(folder))
manager.shutdown()
""")

    gone = "the manager's process has ended, and with it all that it held: make a new Manager()\n"
    assert result.stdout == f"0o40700 ['socket']\n{gone}{gone}False\n"


def test_a_pools_tasks_have_no_lock(nb):
    """A lock or a queue given to a pool's tasks is an error at once, which names it and says what to do."""
    result = nb.check("""
lock, q = mpnb.Lock(), mpnb.Queue()
def locks(i):
    with lock: return i
def puts(i): q.put(i)
with mpnb.Pool(1) as pool:
    for f in (locks, puts):
        try: pool.map(f, range(2))
        except mpnb.CodecError as error: print(error.path.split(".")[0], error.why)
""")

    for line, name in zip(result.stdout.splitlines(), ("lock", "q"), strict=True):
        assert line.startswith(name)
        assert "is shared with processes, not with tasks of a pool: Process(target=…, args=(…,))" in line


def test_a_lost_template_is_replaced(nb):
    """When the template is killed, its processes go on, and the next ones start from a new one."""
    result = nb.check("""
from mpnb.sharing.children import children
def answer(event):
    event.wait(10)
    print("goes on")
event = mpnb.Event()
p = mpnb.Process(target=answer, args=(event,))
p.start()
os.kill(children()._template.pid, signal.SIGKILL)
q = mpnb.Process(target=print, args=("new",))
q.start(); q.join()
event.set(); p.join(10)
print(q.exitcode, p.is_alive())
""")

    assert result.stdout == "new\ngoes on\n0 False\n"


# ------------------------------------------------------------------------------------------------ interrupts and ends


@pytest.mark.parametrize("method", METHODS)
def test_an_interrupt_ends_join_and_the_processes(nb, method):
    """As in a terminal: join() raises KeyboardInterrupt at once, the processes are interrupted too, each in one line."""
    request = nb.submit(f"""
def burn():
    print("burning")
    while True: pass
burning = [mpnb.get_context({method!r}).Process(target=burn, name=f"burn_{{i}}") for i in range(2)]
for p in burning: p.start()
for p in burning: p.join()
""")
    request.wait_for_stdout("burning\nburning\n")
    before = time.monotonic()
    nb.interrupt()
    result = request.result(20)
    took = time.monotonic() - before
    codes = nb.check("for p in burning: p.join(10)\nprint([p.exitcode for p in burning])")

    assert result.ename == "KeyboardInterrupt"
    assert took < 2
    assert codes.stdout == "[1, 1]\n"


SET_UP = (
    QUIET
    + """
import mpnb, os, signal, sys, time
def sleep(): time.sleep(60)
def stubborn():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True: sum(range(10_000_000))
manager = mpnb.Manager()
d = manager.dict()
lock, array, q = mpnb.Lock(), mpnb.Array("i", 100_000), mpnb.Queue()
for method in ("forkserver", "spawn", "fork"):
    for target in (sleep, stubborn):
        mpnb.get_context(method).Process(target=target).start()
print(os.path.dirname(manager.address))
"""
)


@pytest.mark.parametrize("whole_group", [False, True], ids=["alone", "group"])
def test_nothing_outlives_a_killed_kernel(start_kernel, whole_group):
    """When the kernel is killed, alone or with its group, its processes, the manager, its socket and folder are gone."""
    kernel = start_kernel()
    before = set(os.listdir("/dev/shm"))
    folder = Path(kernel.check(SET_UP).stdout.strip())
    came = [each for each in kernel.children() if each.status() != psutil.STATUS_ZOMBIE]
    listening = [c for p in (psutil.Process(kernel.pid), *came) for c in p.net_connections("unix") if c.laddr]
    assert folder.is_dir()
    assert len(came) == 8  # six, the template, the manager
    assert {Path(c.laddr).parent for c in listening} == {folder}
    assert set(os.listdir("/dev/shm")) <= before

    (os.killpg if whole_group else os.kill)(kernel.pid, signal.SIGKILL)

    wait_until(lambda: all(map(is_gone, came)) and not folder.exists(), 2)


def test_a_restart_does_not_wait_for_processes(start_kernel):
    """A kernel that is told to end ends at once, whatever processes it has and whatever lies in its queues."""
    kernel = start_kernel()
    # Those that ignore SIGTERM are left out, because ipykernel itself waits seconds for them.
    cell = SET_UP.replace("(sleep, stubborn)", "(sleep,)") + "for _ in range(100): q.put(bytes(10_000))"
    folder = Path(kernel.check(cell).stdout.strip())
    came = kernel.children()
    own = psutil.Process(kernel.pid)

    kernel._client.shutdown()

    wait_until(lambda: is_gone(own), 4)
    wait_until(lambda: all(map(is_gone, came)) and not folder.exists(), 2)


def test_the_portable_way(start_kernel):
    """Where there is no nameless memory, multiprocess's own locks and arrays do it, and leave nothing either."""
    kernel = start_kernel(MPNB_TRANSPORT="portable")
    before = set(os.listdir("/dev/shm"))
    result = kernel.check(
        QUIET
        + """
import mpnb
def count(array, lock, q):
    with lock: array[0] += 1
    q.put(array[0])
array, lock, q = mpnb.Array("i", 100_000), mpnb.Lock(), mpnb.Queue(5)
for method in ("forkserver", "spawn", "fork"):
    p = mpnb.get_context(method).Process(target=count, args=(array, lock, q))
    p.start()
    p.join()
    print(q.get(timeout=10), p.exitcode)
"""
    )
    came = kernel.children()
    kernel.kill()

    assert result.stdout == "1 0\n2 0\n3 0\n"
    wait_until(lambda: all(map(is_gone, came)) and set(os.listdir("/dev/shm")) <= before, 3)


def test_public_names():
    """What multiprocessing calls so, mpnb calls so, too."""
    names = """Process Queue SimpleQueue JoinableQueue Pipe Lock RLock Event Condition Semaphore BoundedSemaphore Barrier
        Value Array RawValue RawArray Manager get_context current_process parent_process active_children""".split()

    assert set(names) <= set(mpnb.__all__)
    with pytest.raises(ValueError, match="cannot find context for 'thread': there are forkserver, spawn, fork"):
        mpnb.get_context("thread")
