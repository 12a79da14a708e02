"""Random cells, each run in every way: python -m tests.plan.fuzz --cells 10000 [--seed 1] [--first 1].

A cell is made of a seed by the grammar below: set-up names (lists, dicts, arrays, objects, some of them aliases of one
another), helpers (some with a state of their own, hidden one or two calls deep) and one or two loops or comprehensions
with effects, temporaries, branches, inner loops, `break`, `try`, prints and now and then an error. Most statements are
valid Python that an ordinary cell could have; which of them may be split is what is asked.
"""

from __future__ import annotations

import argparse
import random
import sys
import textwrap
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from differ import Bench, Verdict

SETUP = """
import math, contextlib
from collections import Counter, defaultdict, deque
import numpy as np
class Box:
    made = 0
    def __init__(self, v): self.v = v; self.kept = []
    def get(self): return self.v
    def put(self, x): self.kept.append(x); return self
    def bump(self): self.v += 1; return self.v
    def total(self): return self.v + sum(k for k in self.kept if isinstance(k, int))
    def __eq__(self, other): return isinstance(other, Box) and self.v == other.v
    def __hash__(self): return hash(self.v)
    def __repr__(self): return f'Box({self.v})'
    def __add__(self, other): return Box(self.v + (other.v if isinstance(other, Box) else other))
    @property
    def double(self): return self.v * 2
class Count(Box):
    def __init__(self, v):
        super().__init__(v)
        Count.made += 1
xs = [3, 1, 4, 1, 5, 9, 2, 6]
words = ['a', 'bb', 'ccc', 'dd', 'e']
rows = [[1, 2], [3, 4], [5, 6], [7, 8]]
boxes = [Box(1), Box(2), Box(3)]
pairs = [(1, 'x'), (2, 'y'), (3, 'x')]
table = {'a': [1], 'b': [2], 'ccc': [3]}
grid = np.arange(12.0).reshape(4, 3)
out, out2, log = [], [], []
found, seen = {}, set()
counts, groups = Counter(), defaultdict(list)
total, text, peak = 0, '', 0
acc = np.zeros(3)
cells = np.zeros((10, 3))
shared = [0]
box = Box(10)
def pure(x): return x * 2 + 1 if isinstance(x, (int, float)) else (x, x)
def deep(x): return [pure(x), {'k': x}]
def local(x):
    made = []
    for k in range(3): made.append((k, x))
    made.sort(key=str)
    return made
def keep(x, into=None):
    into = [] if into is None else into
    into.append(x)
    return into
def make(x):
    b = Box(x)
    b.put(x)
    return b
def same(x): return x
def first(x): return x[0] if isinstance(x, (list, tuple, str)) and len(x) else x
def rec(n): return 0 if not isinstance(n, int) or n <= 0 else n + rec(n - 1)
def loud(x):
    print('loud', x)
    return x
def fails(x):
    if x in (4, 'ccc'): raise ValueError(x)
    return x
"""
HIDDEN = {
    "note": "def note(x):\n    log.append(x)\n    return len(log)",
    "remember": "def remember(x, cache={}):\n    cache[x] = len(cache)\n    return cache[x]",
    "glob": "tally = 0\ndef glob(x):\n    global tally\n    tally += 1\n    return tally",
    "into": "def into(x):\n    keep(x, shared)\n    return len(shared)",
    "attr": "def attr(x):\n    attr.n = getattr(attr, 'n', 0) + 1\n    return attr.n",
    "alias": "def alias(x):\n    here = shared\n    here.append(x)\n    return len(here)",
    "viaself": "def viaself(x): return box.bump()",
    "reads": "def reads(x): return len(out)",
    "readsloop": "i = 0\ndef readsloop(x): return i",
    "counted": "def counted(x): return Count(x).made",
    "late": "def late(x): return [f(x) for f in (pure, same)]",
    "grouped": "def grouped(x): return len(groups[x])",
    "closed": "def maker():\n    n = [0]\n    def closed(x):\n        n[0] += 1\n        return n[0]\n    return closed\nclosed = maker()",
    "returns": "def the_list(): return shared\ndef returns(x):\n    the_list().append(x)\n    return len(shared)",
    "arr": "def arr(x):\n    a = acc\n    a[0] = a[0] + 1\n    return float(a[0])",
    "addat": "def addat(x):\n    np.add.at(acc, [0], 1)\n    return float(acc[0])",
}
ALIASES = [
    "out2 = out",
    "log = out",
    "shared = log",
    "table['a'] = shared",
    "rows[1] = rows[0]",
    "boxes[0].kept = out",
    "box.kept = log",
    "acc = cells[0]",
    "rows.append(out)",
    "found = table",
    "boxes.append(boxes[0])",
    "grid = cells[:4]",
]
PURE = ["pure", "deep", "local", "keep", "make", "same", "first", "rec", "str", "repr", "len_", "loud", "fails"]


class Writer:
    """Writes one cell from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.hidden: list[str] = []
        self.temporaries: list[str] = []
        self.variable = "i"

    def one(self, *choices: str) -> str:
        return self.random.choice(choices)

    def chance(self, part: float) -> bool:
        return self.random.random() < part

    def write(self) -> tuple[str, str]:
        """The set-up cell and the cell."""
        setup = [SETUP, "def len_(x): return len(str(x))"]
        setup += [self.one(*ALIASES) for _ in range(self.random.choice([0, 0, 0, 0, 1, 1, 2]))]
        if self.chance(0.25):
            self.hidden = self.random.sample(sorted(HIDDEN), self.random.choice([1, 1, 2]))
            setup += [HIDDEN[name] for name in self.hidden]
        if self.chance(0.1):
            setup.append(self.one("t = 'old'", "u = [0]", "i = 7", "total = 0.5", "total = np.float32(0.1)"))
        statements = [self.site() for _ in range(self.random.choice([1, 1, 1, 2]))]
        return "\n".join(setup), "\n".join(statements)

    def iterable(self) -> str:
        return self.one(
            "xs", "xs", "xs", "words", "rows", "boxes", "range(7)", "range(7)", "range(1, 9, 2)", "table", "list(table.items())",
            "table.values()", "grid", "sorted(words)", "reversed(xs)", "{3, 1, 2}", "'text'", "zip(xs, xs)", "deque(xs)",
            "enumerate(words)", "pairs", "[x for x in xs]", "out", "np.arange(5)", "iter(xs)", "(x for x in xs)", "xs[::-1]",
            "set(words)", "[[k] for k in range(5)]", "[box, box, Box(2)]",
        )  # fmt: skip

    def atom(self) -> str:
        names = [self.variable] * 6 + self.temporaries * 2
        return self.one(
            *names, *names, "1", "2.5", "'s'", "len(words)", "xs", "rows", "table", "box", "total", "grid", "shared", "out",
        ) if self.chance(0.9) else self.one("len(out)", "box.v", "box.double", "seen", "acc", "rows[0]", "table['a']")  # fmt: skip

    def call(self, depth: int) -> str:
        name = self.one(*PURE, *self.hidden * 4)
        return f"{name}({self.expression(depth + 1)})"

    def expression(self, depth: int = 0) -> str:
        if depth > 2 or self.chance(0.35):
            return self.atom()
        inner = self.expression(depth + 1)
        return self.one(
            self.call(depth), self.call(depth), self.call(depth),
            f"[{inner}, {self.atom()}]", f"({inner},)", f"{{'k': {inner}}}", "[k for k in range(3)]",
            f"[{self.variable}] * 2", f"str({inner})", f"f'{{{self.variable}}}'", f"[y for y in [{inner}]]",
            f"({inner} if {self.condition()} else {self.atom()})", "box.get()", "box.total()", "Box(1).put(2).v",
            f"isinstance({inner}, int)", "grid[1]", "grid.sum()", f"sorted([{self.variable}, {self.variable}])",
            f"make({self.atom()}).put({self.atom()})", f"{self.variable} is {self.one('xs', 'box', 'rows[0]', 'None')}", "sum([1, 2])",
            f"max([{self.variable}, {self.variable}])", "next(iter(rows))", "list(table.values())[0]", f"keep({inner}, [1])",
            f"keep({inner}, [{self.atom()}])[0]", "same(rows)[0]", f"same({inner})", "dict(table)", "np.zeros(3)", "list(rows)",
        )  # fmt: skip

    def condition(self) -> str:
        v = self.variable
        return self.one(
            f"{v} in (1, 'bb', 3)", f"isinstance({v}, int)", f"len(str({v})) > 1", f"{v} == 4", f"{v} != 2", "True", "total",
            f"{v} in seen", f"str({v}) < '4'",
        )  # fmt: skip

    def effect(self) -> str:
        e, v = self.expression(), self.variable
        return self.one(
            f"out.append({e})", f"out.append({e})", f"out.append({e})", f"out2.append({e})", f"out.extend([{e}])",
            f"out.extend({self.atom()})", f"found[{v}] = {e}", f"found[str({v})] = {e}", f"seen.add(str({v}))", f"seen.add({v})",
            f"total += {self.one('1', v, 'len(str(' + v + '))', '0.1')}", f"text += str({v})", f"counts[str({v})] += 1",
            f"counts.update([str({v})])", f"groups[str({v})] += [{e}]", f"groups[str({v})].append({v})", f"print({v})",
            f"print('p', {v}, end=' ')", "acc += 1", "acc += np.ones(3) * 0.1", f"cells[len(str({v}))] = 1", f"out += [{e}]",
            f"out.insert(0, {v})", f"found.update({{str({v}): {e}}})", f"seen |= {{str({v})}}", "total = total + 1",
            "total = total * 2 + 1", f"peak = max(peak, len(str({v})))", "cells[2] = grid[1]", f"shared.append({v})",
            f"box.put({v})", "box.bump()", "rows[0][0] = 5", f"{v}.append(1)" if self.chance(0.3) else f"out.append({v})",
            f"{v}.bump()" if self.chance(0.3) else f"out.append([{v}])",
        )  # fmt: skip

    def temporary(self) -> str:
        name = self.one("t", "u", "w")
        value = self.expression()
        statement = f"{name} = {value}"
        if name not in self.temporaries:
            self.temporaries.append(name)
        return statement

    def after(self) -> str:
        if not self.temporaries:
            return self.temporary()
        name = self.one(*self.temporaries)
        return self.one(f"{name} = [{name}]", f"{name} = same({name})", f"out.append({name})", f"found[1] = {name}",
                        f"{name} = [1]; out.append({name}); {name}.append(2)", f"{name} = [3]; out.extend({name}); {name}.append(2)",
                        f"{name} = np.ones(3); acc += {name}; {name}[0] = 7", f"{name} = [1.0] * 3; cells[1] = {name}; {name}[0] = 7",
                        f"{name} = Box(1); {name}.put(2); out.append({name}.kept)")  # fmt: skip

    def statement(self, depth: int) -> str:
        kind = self.random.random()
        if kind < 0.4 or depth > 2:
            return self.effect()
        if kind < 0.6:
            return self.temporary()
        if kind < 0.7:
            return self.after()
        if kind < 0.8:
            then = self.body(depth + 1, self.random.choice([1, 1, 2]))
            otherwise = f"\nelse:\n{self.body(depth + 1, 1)}" if self.chance(0.3) else ""
            return f"if {self.condition()}:\n{then}{otherwise}"
        if kind < 0.85:
            return self.one(
                "if " + self.condition() + ": continue", "if " + self.condition() + ": break", "if 0: break"
            )
        if kind < 0.9:
            name = self.one("k", "m")
            return (
                f"for {name} in {self.one('range(3)', 'range(len(str(' + self.variable + ')))', 'rows[0]')}:\n"
                + self.body(depth + 1, 1)
            )
        if kind < 0.95:
            return (
                f"try:\n{self.body(depth + 1, 1)}\nexcept {self.one('Exception', 'ValueError', 'ZeroDivisionError as e')}:\n"
                + self.body(depth + 1, 1)
            )
        return self.one(
            "with contextlib.suppress(Exception):\n" + self.body(depth + 1, 1),
            "assert str(" + self.variable + ") != '9'",
        )

    def body(self, depth: int, count: int) -> str:
        lines = [self.statement(depth) for _ in range(count)]
        return textwrap.indent("\n".join(lines), "    ")

    def site(self) -> str:
        self.temporaries = []
        form = self.random.random()
        if form < 0.65:
            self.variable = self.one("i", "i", "x", "item")
            iterable = self.iterable()
            target = self.variable
            if iterable in {"pairs", "zip(xs, xs)", "enumerate(words)", "list(table.items())"} and self.chance(0.6):
                target = f"{self.variable}, {self.one('b', 'q')}"
            ending = "\nelse:\n    out2.append('else')" if self.chance(0.1) else ""
            return f"for {target} in {iterable}:\n{self.body(1, self.random.choice([1, 2, 2, 3, 4]))}{ending}"
        self.variable = self.one("i", "x")
        condition = f" if {self.condition()}" if self.chance(0.25) else ""
        source = f"for {self.variable} in {self.iterable()}{condition}"
        value = self.expression()
        return self.one(
            f"r = [{value} {source}]", f"r = [{value} {source}]", f"r = {{str({self.variable}): {value} {source}}}",
            f"r = {{str({self.variable}) {source}}}", f"r = sum(len(str({value})) {source})", f"r = list({value} {source})",
            f"r = max(str({value}) {source})", f"r = list(map({self.one(*PURE, *self.hidden * 3)}, {self.iterable()}))",
            f"r = sorted((str({value}) {source}), reverse=True)", f"[{value} {source}]",
        )  # fmt: skip


def write(seed: int) -> tuple[str, str]:
    """The set-up cell and the cell of a seed; the same in every version of Python."""
    return Writer(seed).write()


def judge(bench: Bench, seed: int) -> tuple[str, Verdict]:
    """Run the cell of a seed in every way."""
    setup, cell = write(seed)
    return cell, bench.judge(setup, cell)


def main() -> None:
    """Run many, print those that differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first cell")
    asked = parser.parse_args()
    bench = Bench()
    wrong = split = failed = 0
    began = time.perf_counter()
    try:
        for seed in range(asked.first, asked.first + asked.cells):
            cell, verdict = judge(bench, seed)
            split += verdict.split
            failed += bool(verdict.plain and verdict.plain.error)
            if verdict.differences:
                wrong += 1
                print(f"--- {seed}\n{cell}\n{verdict.sites}")
                for way, lines in verdict.differences.items():
                    print(*(f"    {way}: {line}" for line in lines), sep="\n")
    finally:
        bench.close()
    seconds = time.perf_counter() - began
    print(f"{asked.cells} cells, {split} split, {failed} with an error, {wrong} wrong, {seconds:.0f} s")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
