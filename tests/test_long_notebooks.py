"""`%parallel on` for whole notebooks: the names and outputs that they end with are those of the notebook without it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.plan.notebooks import NOTEBOOKS, cells

QUICKSTART = Path(__file__).parent.parent / "notebooks" / "01_quickstart.ipynb"

# Describes every name of the notebook, deeply and to the last bit.
DESCRIBE = """
def _described():
    import hashlib, types
    import numpy as np, pandas as pd
    def of(value, depth=0, seen=()):
        if isinstance(value, (int, float, complex, str, bytes, bool, type(None), range)):
            return f"{type(value).__name__} {value!r}"
        if depth > 8 or id(value) in seen:
            return f"… {type(value).__name__}"
        inner = lambda each: of(each, depth + 1, (*seen, id(value)))
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            return f"array {value.dtype} {value.shape} {value.strides} {hashlib.sha1(value.tobytes()).hexdigest()}"
        if isinstance(value, np.generic):
            return f"{value.dtype} {value.tobytes().hex()}"
        if isinstance(value, pd.DataFrame):
            return f"frame {[(str(c), inner(value[c])) for c in value.columns]} {inner(value.index)}"
        if isinstance(value, (pd.Series, pd.Index)):
            return f"{type(value).__name__} {value.dtype} {value.name!r} {[inner(v) for v in value.tolist()]}"
        if isinstance(value, dict):
            return f"{type(value).__name__} {{{', '.join(inner(k) + ': ' + inner(v) for k, v in value.items())}}}"
        if isinstance(value, (set, frozenset)):
            return f"{type(value).__name__} {sorted(map(inner, value))}"
        if isinstance(value, (list, tuple)):
            return f"{type(value).__name__} {[inner(v) for v in value]}"
        if isinstance(value, (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)):
            return f"{type(value).__name__} {value.__name__}"
        if isinstance(value, np.random.Generator):
            return inner(value.bit_generator.state)
        if type(value).__module__.startswith(("matplotlib", "mpnb")):
            return type(value).__name__
        if type(value).__name__ == "_lru_cache_wrapper":
            return f"cached {value.cache_info()}"
        state = getattr(value, "__dict__", None)
        return f"{type(value).__name__} {inner(dict(state)) if state else ''}"
    import random
    hidden = ("In", "Out", "get_ipython", "exit", "quit", "open")
    names = {n: of(v) for n, v in globals().items() if n not in hidden and not n.startswith("_")}
    names["the random state"] = hashlib.sha1(repr(random.getstate()).encode()).hexdigest()
    names["numpy's random state"] = of(np.random.get_state(legacy=False))
    return names
print(__import__("json").dumps(_described()))
"""


def outputs(result) -> list[object]:
    """Give what a cell showed, without what mpnb showed and without times."""

    def steady(text):
        return re.sub(r"[\d.]+ (ns|[µμ]s|ms|s)\b|0x[0-9a-f]+", "…", text) if isinstance(text, str) else text

    shown = [display["data"] for display in result.displays if "mpnb" not in display["metadata"]]
    bundles = [{kind: steady(data) for kind, data in bundle.items()} for bundle in (*shown, result.result)]
    return [result.status, result.ename, steady(result.stdout), steady(result.stderr), bundles]


def run_through(kernel, notebook: list[str]) -> tuple[list[list[object]], dict[str, str]]:
    """Run a notebook; give the outputs of its cells, and every name that it ends with."""
    shown = [outputs(kernel.check(cell)) for cell in notebook]
    described = kernel.submit(DESCRIBE, store_history=False).result()
    return shown, json.loads(described.stdout)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_long_notebooks_end_as_without_it(start_kernel, name):
    """Three long notebooks show the same and end with the same names, split where it pays and wherever it can be."""
    notebook = cells(NOTEBOOKS[name])
    assert len(notebook) >= 20
    expected = None
    for line in ("pass", "%parallel on -n 2", "%parallel on -n 2 --no-probe"):
        kernel = start_kernel()
        kernel.check("%load_ext mpnb\nimport mpnb, random, numpy\nrandom.seed(1)\nnumpy.random.seed(1)")
        kernel.check(f"{line}")
        shown, names = run_through(kernel, notebook)
        if expected is None:
            expected = shown, names
        for cell, here, there in zip(notebook, shown, expected[0], strict=True):
            assert here == there, (line, cell)
        for key in expected[1].keys() | names.keys():
            assert names.get(key) == expected[1].get(key), (line, key)
        if "--no-probe" in line:
            assert kernel.value("mpnb.last_run() is not None and mpnb.last_run().status") == "'finished'"


@pytest.mark.full
@pytest.mark.timeout(400)
def test_the_quickstart_ends_as_without_it(start_kernel):
    """The quickstart with `%parallel on` above it ends with the names that it ends with alone, but for its times."""
    notebook = [
        "".join(cell["source"]) for cell in json.loads(QUICKSTART.read_text())["cells"] if cell["cell_type"] == "code"
    ]
    timed = {"wall", "cpu", "started", "seconds", "plain_seconds", "speedup", "site", "run", "line"}
    ended = []
    for line in ("pass", "%parallel on"):
        kernel = start_kernel()
        kernel.check("%load_ext mpnb\nimport mpnb, random, numpy\nrandom.seed(1)\nnumpy.random.seed(1)")
        kernel.check(line)
        shown, names = run_through(kernel, notebook)
        counted = [bundles for _, _, _, _, bundles in shown if "'http'" in str(bundles) or "'get'" in str(bundles)]
        ended.append((counted, {key: text for key, text in names.items() if key not in timed}))
    assert ended[0] == ended[1]
    assert ended[0][0]
