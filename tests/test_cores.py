"""The cores: how many may be used, and how busy they are."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from mpnb import cores


@pytest.fixture
def cgroups(tmp_path, monkeypatch):
    """Give the test control groups of its own: a function that writes their files."""
    own = tmp_path / "own"
    own.write_text("4:cpu,cpuacct:/box\n3:memory:/box\n0::/box/inner\n")
    monkeypatch.setattr(cores, "CGROUPS", tmp_path)
    monkeypatch.setattr(cores, "OWN_CGROUP", own)

    def put(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    return put


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu.max": "400000 100000", "box/cpu.max": "200000 100000", "box/inner/cpu.max": "max 100000"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({"cpu/box/cpu.cfs_quota_us": "250000", "cpu/box/cpu.cfs_period_us": "100000"}, 2.5),
    ],
)
def test_the_quota_of_a_container_is_seen(cgroups, files, quota):
    """The smallest quota of the control groups above this process counts, of version 2 and of version 1."""
    for path, text in files.items():
        cgroups(path, text)

    assert cores.cpu_quota() == quota


@pytest.mark.parametrize(
    ("allowed", "quota", "usable"), [(8, None, 8), (8, 2.0, 2), (8, 1.5, 2), (2, 16.0, 2), (4, 0.5, 1)]
)
def test_usable_cores(monkeypatch, allowed, quota, usable):
    """No more cores are used than the process may run on, nor than the quota can keep busy, and at least one."""
    monkeypatch.setattr(cores, "allowed_cores", lambda: list(range(allowed)))
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)

    assert cores.usable_cores() == usable


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_affinity_is_respected():
    """A process that may run on one core only uses one."""
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "from mpnb import cores; print(cores.usable_cores())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout == "1\n"


def test_the_memory_limit_is_seen(cgroups):
    """The smallest limit counts; the huge number that stands for no limit does not."""
    cgroups("memory/memory.limit_in_bytes", "9223372036854771712")
    assert cores.memory_limit() is None
    cgroups("memory/box/memory.limit_in_bytes", "1000000")
    assert cores.memory_limit() == 1_000_000


def test_load_is_of_the_time_since_the_last_call():
    """A core that computes shows as busy, shares lie between 0 and 1, and memory is within what there is."""
    load = cores.Load()
    end = time.perf_counter() + 0.5
    while time.perf_counter() < end:
        pass
    sample = load.sample()

    assert len(sample.cores) == os.cpu_count()
    assert sample.allowed == set(cores.allowed_cores())
    assert 0.3 < sample.own < 1.5
    assert 0 < sample.own_memory < sample.memory_total
    assert all(0 <= user <= 1 and 0 <= system <= 1 and user + system <= 1.001 for user, system in sample.cores)
    assert sum(user + system for user, system in sample.cores) > 0.3
    assert 0 < sample.memory_used <= sample.memory_total


def test_the_memory_of_processes():
    """What a process has to itself; nothing is said of one that is gone, or never was."""
    load = cores.Load()
    with subprocess.Popen(
        [sys.executable, "-c", "x = bytearray(b'1' * 50_000_000); print(); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        other.stdout.readline()
        [held, none] = load.memory_of([other.pid, None])
        other.communicate(b"\n")
    again = load.memory_of([other.pid])

    assert 50_000_000 < held < 150_000_000
    assert none is None
    assert again == [None]


def test_a_clock_that_stands_still_is_no_load(monkeypatch):
    """Where the system counts no time, the load is 0, not an error."""
    import psutil

    times = SimpleNamespace(user=1.0, system=1.0, idle=1.0, _fields=("user", "system", "idle"))
    monkeypatch.setattr(psutil, "cpu_times", lambda **_: [times] * 512)
    load = cores.Load()

    assert set(load.sample().cores) == {(0.0, 0.0)}


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, 5000),
        ({"memory.max": "max", "memory.current": "100"}, 5000),
        ({"box/memory.max": "3000", "box/memory.current": "1000"}, 2000),
        (
            {"box/memory.max": "3000", "box/memory.current": "1000", "box/memory.stat": "anon 5\ninactive_file 400\n"},
            2400,
        ),
        ({"box/memory.max": "3000", "box/memory.current": "3100"}, 0),
        ({"box/memory.max": "9000", "box/memory.current": "1000"}, 5000),
        (
            {
                "memory/box/memory.limit_in_bytes": "2500",
                "memory/box/memory.usage_in_bytes": "1000",
                "memory/box/memory.stat": "inactive_file 1\ntotal_inactive_file 300\n",
            },
            1501,
        ),
    ],
)
def test_the_memory_that_is_free(cgroups, monkeypatch, files, free):
    """That of the machine, or what the tightest control group has left; files it has read are given up when need be."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=5000))
    for path, text in files.items():
        cgroups(path, text)

    assert cores.free_memory() == free
