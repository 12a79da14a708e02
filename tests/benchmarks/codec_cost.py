"""Print what encoding, loading and checking cost. Not a test: run it with `python tests/benchmarks/codec_cost.py`."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mpnb import surroundings
from mpnb.cache import EncodeCache
from mpnb.engine import Job
from mpnb.jobs import JobEncoder
from mpnb.namespace import Mirror

CELL = """
import math
SCALE = 2.5
NAMES = ["a", "b", "c"]
TABLE = {"x": 1, "y": [1, 2, 3]}
def clean(x): return x * SCALE
def score(x): return math.sqrt(clean(x)) + len(NAMES)
def describe(x): return {"score": score(x), "table": TABLE["x"]}
def body(item, effects): effects.append((0, describe(item)))
"""


def best(what: str, call: Callable[[], Any], times: int = 200) -> None:
    """Print the best and the median of many calls."""
    taken = []
    gc.collect()
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    taken.sort()
    print(f"{what:58} {taken[0] * 1e3:8.3f} ms best {taken[len(taken) // 2] * 1e3:8.3f} ms median")


def main() -> None:
    """Measure and print."""
    module = ModuleType("__main__")
    sys.modules["__main__"], mine = module, sys.modules["__main__"]
    names = vars(module)
    exec(compile(CELL, "<cell>", "exec"), names)
    job = Job(names["body"])
    cache = EncodeCache()
    start = time.perf_counter()
    encoder = JobEncoder(job, cache)
    print(
        f"{'JobEncoder, 3 helpers and small globals: the very first':58} {(time.perf_counter() - start) * 1e3:8.3f} ms"
    )
    best("JobEncoder: first time for these functions", lambda: JobEncoder(job, EncodeCache()))
    best("JobEncoder: again, unchanged", lambda: JobEncoder(job, cache))
    items: list[Any] = [[i, f"name{i}", {"k": float(i)}] for i in range(100)]
    best("encode_items: 100 small lists", lambda: encoder.encode_items(items))
    numbers: list[Any] = list(range(1000))
    best("encode_items: 1,000 ints", lambda: encoder.encode_items(numbers))
    mirror = Mirror({"__name__": "__main__"})
    best("load", lambda: mirror.load(encoder.parts))
    frame, memo = encoder.encode_items(items)
    best("decode_items: 100 small lists", lambda: mirror.decode_items(frame))
    results: list[Any] = [[(0, {"score": i / 3, "table": 1})] for i in range(100)]
    best("check, small job", mirror.check)
    best("encode_effects: 100 small dicts", lambda: mirror.encode_effects(results))
    home = mirror.encode_effects(results)
    best("decode_effects: 100 small dicts", lambda: encoder.decode_effects(home, memo))
    best("surroundings.capture", surroundings.capture)
    import numpy as np

    names["big"] = np.random.default_rng(0).random(12_500_000)
    exec("def body(item, effects): effects.append((0, big[item]))", names)
    big = Job(names["body"])
    best("JobEncoder with a new 100 MB array", lambda: JobEncoder(big, EncodeCache()), 3)
    JobEncoder(big, cache)
    best("JobEncoder with it unchanged", lambda: JobEncoder(big, cache), 10)
    sys.modules["__main__"] = mine


if __name__ == "__main__":
    main()
