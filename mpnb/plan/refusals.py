"""Each refusal in a paragraph: what happens, why mpnb refuses, what to write instead, a cell before and after.

Data, and the words made of it. `tests/plan/test_explanations.py` runs every cell.
"""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from mpnb.plan.types import REFUSALS


@dataclass(frozen=True, slots=True)
class Explanation:
    """A refusal explained.

    `setup` is an earlier cell, `before` one that is refused, `after` one that is split; both leave `result`, which is
    the same one where `same` says so. `options` go on the `%%parallel` line of the latter.
    """

    code: str
    what: str
    why: str
    instead: str
    setup: str = ""
    before: str = ""
    after: str = ""
    options: str = ""
    same: bool = True


_XS: Final = """
xs = [3, 1, 4, 1, 5, 9, 2, 6]
def score(x):
    return x * x % 7
"""

_EVERY: Final = (
    Explanation(
        "carried",
        "An iteration reads a name that the iteration before has set: a running maximum, the item before, a state.",
        "The iterations hang together like the links of a chain: none can begin before the one before has ended.",
        "Split what does not hang together off: compute it in a loop of its own, collect it in a list, and go through "
        "the list afterwards, which takes next to no time.",
        _XS,
        """
        result = 0
        for x in xs:
            if score(x) > result:
                result = score(x)
        """,
        """
        scores = []
        for x in xs:
            scores.append(score(x))
        result = max(0, *scores)
        """,
    ),
    Explanation(
        "accumulator-read",
        "The loop adds to something, or appends to it, and reads it as well.",
        "What is only added to can be added in the order of the iterations when they come home. What is read in the "
        "loop has to be there in the worker, with all that earlier iterations have added.",
        "Collect what each iteration adds, and make the running values of it after the loop.",
        _XS,
        """
        total = 0
        result = []
        for x in xs:
            total += score(x)
            result.append(total)
        """,
        """
        import itertools
        scores = []
        for x in xs:
            scores.append(score(x))
        result = list(itertools.accumulate(scores))
        """,
    ),
    Explanation(
        "mutates",
        "An iteration changes an object that was there before it and is there after it.",
        "A worker has a copy of the object. The change would be made to the copy, and the notebook's own object would "
        "stay as it was.",
        "Make something new instead of changing what is there. Plain changes of a name's own object, such as "
        "results.append(…), table[key] = … and total += …, are replayed in the notebook and may stay.",
        "rows = [[3, 1], [2, 5], [9, 4]]",
        """
        result = []
        for row in rows:
            row.sort()
            result.append(row)
        """,
        """
        result = []
        for row in rows:
            result.append(sorted(row))
        """,
    ),
    Explanation(
        "hidden-state",
        "A function that the loop calls changes something that outlives the call: a global, a default argument, an "
        "attribute of a shared object.",
        "In a worker it would change that worker's copy. Each would count for itself, and the notebook not at all.",
        "Let the function return what is new, and keep it in the loop.",
        """
        xs = [3, 1, 4, 1, 5]
        calls = 0
        def square(x):
            global calls
            calls += 1
            return x * x
        """,
        "result = [square(x) for x in xs]",
        """
        def plain_square(x):
            return x * x
        result = [plain_square(x) for x in xs]
        calls += len(xs)
        """,
    ),
    Explanation(
        "reads-loop-name",
        "A function that the loop calls looks up a global name, and the loop sets that name.",
        "In the notebook the function sees what the loop has just set. In a worker the loop's names are those of one "
        "iteration, and no global ones.",
        "Give it to the function as an argument.",
        """
        factor = 1
        def scaled(x):
            return x * factor
        """,
        """
        result = []
        for factor in [2, 3, 4]:
            result.append(scaled(10))
        """,
        """
        def scaled_by(x, factor):
            return x * factor
        result = []
        for factor in [2, 3, 4]:
            result.append(scaled_by(10, factor))
        """,
    ),
    Explanation(
        "random",
        "The loop draws from a random generator that all of its iterations share.",
        "Which numbers an iteration gets hangs on how many were drawn before it. Workers can't know that, so the "
        "serial numbers can't be kept.",
        "%%parallel --seed N gives every iteration its own stream, made from N: the same numbers on any number of "
        "workers, though not those of the serial cell.",
        "import random",
        "result = [random.random() for trial in range(8)]",
        "result = [random.random() for trial in range(8)]",
        options="--seed 0",
        same=False,
    ),
    Explanation(
        "memoised",
        "A function keeps what it has computed in a cache: functools.lru_cache, a cached property.",
        "The cache would be filled in the workers and not here, and every worker would compute the same values again.",
        "If it may be so, vouch for the function: %%parallel --trust NAME. Else fill the cache above the loop.",
        """
        import functools
        @functools.lru_cache(maxsize=None)
        def fib(n):
            return n if n < 2 else fib(n - 1) + fib(n - 2)
        """,
        "result = [fib(n) for n in range(12)]",
        "result = [fib(n) for n in range(12)]",
        options="--trust fib",
    ),
    Explanation(
        "stateful",
        "The loop uses something that keeps a state outside the notebook's names: the current figure, a lock, a queue, "
        "a table inside a library.",
        "A worker has a state of its own: what it draws or registers there never gets here.",
        "Compute in the loop, and draw or register after it.",
        """
        import matplotlib
        matplotlib.use("agg")
        import matplotlib.pyplot as plt
        """
        + textwrap.indent(_XS, " " * 8),
        """
        for x in xs:
            plt.plot(x, score(x), "o")
        result = [score(x) for x in xs]
        """,
        """
        result = [score(x) for x in xs]
        plt.plot(xs, result, "o")
        """,
    ),
    Explanation(
        "outside-effect",
        "An iteration appends to a file, renames or removes one, starts a process or opens a connection.",
        "Iterations run at the same time and in any order, so one may write before, after or while another does. Whole "
        "files are no such matter: what an iteration writes to files that it opens anew is kept back, and put in "
        "place in the order of the iterations.",
        "Compute in the loop, and write after it; or write one file per iteration.",
        _XS,
        """
        for x in xs:
            with open("scores.txt", "a") as file:
                file.write(f"{score(x)}\\n")
        result = open("scores.txt").read()
        """,
        """
        lines = [f"{score(x)}\\n" for x in xs]
        with open("scores.txt", "a") as file:
            file.writelines(lines)
        result = open("scores.txt").read()
        """,
    ),
    Explanation(
        "set-order",
        "An order is taken from a set: by a loop over it, by list(), by join.",
        "The order of a set of texts hangs on a random number that every Python process draws when it starts, so it is "
        "another one in a worker.",
        "sorted(…) gives the same order everywhere. A dict keeps the order in which it was filled.",
        """
        tags = {"red", "green", "blue"}
        names = ["a", "b", "c"]
        """,
        """result = [name + ": " + ", ".join(tags) for name in names]""",
        """result = [name + ": " + ", ".join(sorted(tags)) for name in names]""",
        same=False,
    ),
    Explanation(
        "unknown-call",
        "The loop calls something that is looked up while it runs, so it can't be told which function that is.",
        "A function that can't be looked into might change something that outlives the call.",
        "Give the function a name above the loop, and call it by that.",
        """
        ways = {"loud": str.upper, "soft": str.lower}
        words = ["Ab", "Cd", "Ef"]
        """,
        """result = [ways["loud"](word) for word in words]""",
        """
        shout = ways["loud"]
        result = [shout(word) for word in words]
        """,
    ),
    Explanation(
        "no-source",
        "The source of a function is not to be had: it was made by exec, or its cell is not known.",
        "Without its source it can't be looked into, and it might change something that outlives the call.",
        "Define it in a cell. Or vouch for it: %%parallel --trust NAME.",
        """
        xs = [3, 1, 4]
        exec("def double(x): return 2 * x")
        """,
        "result = [double(x) for x in xs]",
        """
        def double(x):
            return 2 * x
        result = [double(x) for x in xs]
        """,
    ),
    Explanation(
        "statement",
        "The loop has a statement that mpnb does not split: a class or an import in its body, await, and the like.",
        "Such a statement has an effect that can't be replayed as it is.",
        "Move it above the loop, or below.",
        "xs = [3, 1, 4]",
        """
        result = []
        for x in xs:
            class Point:
                weight = 2
            result.append(x * Point.weight)
        """,
        """
        class Point:
            weight = 2
        result = []
        for x in xs:
            result.append(x * Point.weight)
        """,
    ),
    Explanation(
        "walrus",
        "A := inside a comprehension sets a name of the cell.",
        "A comprehension gives back its result and nothing else, so the name would not get here.",
        "A for loop, which may set names.",
        _XS,
        "result = [last := score(x) for x in xs]",
        """
        result = []
        for x in xs:
            last = score(x)
            result.append(last)
        """,
    ),
    Explanation(
        "effect-in-try",
        "Inside try or with, the loop changes something of the notebook's, and the change itself could raise.",
        "The change is made in the notebook, when the iteration has ended. An error of it would be raised there, where "
        "no except of the iteration catches it.",
        "Compute inside try, and make the change after it.",
        "xs = [2, 0, 5]",
        """
        result = {}
        for x in xs:
            try:
                result[x] = 10 // x
            except ZeroDivisionError:
                result[x] = None
        """,
        """
        result = {}
        for x in xs:
            try:
                share = 10 // x
            except ZeroDivisionError:
                share = None
            result[x] = share
        """,
    ),
    Explanation(
        "accumulator-type",
        "The loop appends to something, or adds to it, that is no plain list, dict, set, number, text or array.",
        "What an append or a += does is known for those. A class of its own may do anything.",
        "Collect in a plain list, and hand that over after the loop.",
        """
        class Bag(list):
            pass
        bag = Bag()
        """
        + textwrap.indent(_XS, " " * 8),
        """
        for x in xs:
            bag.append(score(x))
        result = list(bag)
        """,
        """
        found = []
        for x in xs:
            found.append(score(x))
        bag.extend(found)
        result = list(bag)
        """,
    ),
    Explanation(
        "iterator",
        "The loop runs over an iterator that other code can see as well, or that runs code of yours when it is pulled.",
        "Items are pulled ahead of the loop, to be sent. Other code would see how far; and what the pulling does, it "
        "would do too early.",
        "Loop over list(…) of it.",
        "stream = iter([3, 1, 4, 1, 5])",
        "result = [x * x for x in stream]",
        "result = [x * x for x in list(stream)]",
    ),
    Explanation(
        "shadowed",
        "A name of Python's own, such as sum or zip, has been given another meaning in the notebook.",
        "What the loop is used up by is then a function of yours, which may do anything with it.",
        "Give yours another name; del gives Python's own back.",
        _XS
        + """
def sum(numbers):
    total = 0
    for number in numbers:
        total += number
    return total
""",
        "result = sum(score(x) for x in xs)",
        """
        del sum
        result = sum(score(x) for x in xs)
        """,
    ),
    Explanation(
        "shared-object",
        "What the loop changes can also be reached from what it reads: it is the same object, or a part of it.",
        "A worker reads what was sent to it, and would not see the changes of earlier iterations.",
        "Loop over a copy, or read from one.",
        "prices = {'tea': 3, 'milk': 2}\nmenu = prices",
        """
        for name in menu:
            prices[name] = menu[name] * 2
        result = prices
        """,
        """
        menu = prices.copy()
        for name in menu:
            prices[name] = menu[name] * 2
        result = prices
        """,
    ),
    Explanation(
        "identity",
        "The loop asks whether two things are the very same object: is, id(), or a nan that is looked for.",
        "Workers have copies of numbers and texts. Two that are one object here may be two there.",
        "Compare by ==; ask for a nan by math.isnan.",
        """
        limit = 1000
        xs = [3, limit, 4]
        """,
        "result = [x is limit for x in xs]",
        "result = [x == limit for x in xs]",
    ),
    Explanation(
        "unsendable",
        "The loop needs something that can't be sent to another process: a connection, an open file, a thread.",
        "Such a thing is of this process alone.",
        "Take what is needed out of it above the loop, or open it inside the loop.",
        """
        import sqlite3
        shop = {"connection": sqlite3.connect(":memory:"), "rate": 2}
        xs = [3, 1, 4]
        """,
        """result = [x * shop["rate"] for x in xs]""",
        """
        rate = shop["rate"]
        result = [x * rate for x in xs]
        """,
    ),
    Explanation(
        "engine",
        "The pool itself failed while the loop ran. What was left ran in the kernel, and the result is right.",
        "It is no fault of the cell's: a process could not be started, memory was short, or mpnb has a fault.",
        "Run the cell again. If it comes back, the line says what failed: please report it.",
    ),
    Explanation(
        "dynamic",
        "Names are looked up, or code is run, in a way that can't be followed: eval, exec, globals, input.",
        "What can't be followed may reach anything.",
        "Say by name what is meant.",
        """
        import ast
        texts = ["[1, 2]", "3"]
        def read(text):
            return eval(text)
        """,
        "result = [read(text) for text in texts]",
        """
        def read_value(text):
            return ast.literal_eval(text)
        result = [read_value(text) for text in texts]
        """,
    ),
)


def _plain(each: Explanation) -> Explanation:
    before, after, setup = (textwrap.dedent(cell).strip("\n") for cell in (each.before, each.after, each.setup))
    return replace(each, before=before, after=after, setup=setup)


#: By code, in the order of `REFUSALS`.
EXPLANATIONS: Final[Mapping[str, Explanation]] = {each.code: _plain(each) for each in _EVERY}


def explain_code(code: str) -> str:
    """Explain a refusal by its code; for one that does not exist, say which there are.

    Examples
    --------
    >>> print(explain_code("iterator").splitlines()[0])
    iterator: the iterable is an iterator that other code may see, or that may depend on the loop
    """
    found = EXPLANATIONS.get(code)
    if found is None:
        close = difflib.get_close_matches(code, EXPLANATIONS, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        return f"there is no refusal {code!r}: {hint}they are {', '.join(EXPLANATIONS)}"
    parts = [f"{code}: {REFUSALS[code]}"]
    parts += [textwrap.fill(each, 88) for each in (f"{found.what} {found.why}", f"Instead: {found.instead}")]
    if found.before:
        magic = f"%%parallel {found.options}".rstrip()
        parts.append("\n".join(["Stays serial:", textwrap.indent(f"%%parallel\n{found.before}", "    ")]))
        parts.append("\n".join(["Is split:", textwrap.indent(f"{magic}\n{found.after}", "    ")]))
    return "\n\n".join(parts)


def list_codes() -> str:
    """All codes, each with what it means in a line."""
    width = max(map(len, REFUSALS))
    return "\n".join(f"{code:{width}}  {meaning}" for code, meaning in REFUSALS.items())
