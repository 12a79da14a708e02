"""More cells in the manner of real notebooks, as `notebook_cells` has them and labelled alike; see there."""

from __future__ import annotations

from typing import Final

from notebook_cells import IRIS, PANDAS, PLOTS, REVIEWS, SALES, TEXT_FILES, Row

FOR_LOOPS: Final[list[Row]] = [
    (
        "prices with tax",
        "prices = [10.0, 24.5, 3.99]",
        """
for i in range(len(prices)):
    prices[i] = round(prices[i] * 1.25, 2)
    print(f"Item {i}: {prices[i]}")
""",
        None,
    ),
    (
        "names tidied by index",
        "names = [' ann ', 'BOB', 'cleo  ']",
        """
for i, name in enumerate(names):
    names[i] = name.strip().title()
""",
        None,
    ),
    (
        "words capitalised by index",
        "words = 'the quick brown fox'.split()",
        """
for i in range(len(words)):
    words[i] = words[i].capitalize()
sentence = ' '.join(words)
""",
        None,
    ),
    (
        "scores curved in place",
        "scores = [61, 74, 88, 93]; bonus = [5, 0, 2, 1]",
        """
for i in range(len(scores)):
    scores[i] += bonus[i]
print(scores)
""",
        None,
    ),
    (
        "negative values clipped",
        "values = [3, -1, 4, -5, 9]",
        """
for i in range(len(values)):
    if values[i] < 0:
        values[i] = 0
""",
        None,
    ),
    (
        "dict values rounded",
        "stats = {'mean': 3.14159, 'std': 1.41421, 'max': 9.99999}",
        """
for key in stats:
    stats[key] = round(stats[key], 2)
""",
        None,
    ),
    (
        "stock after sales",
        "stock = {'pen': 30, 'ink': 12, 'pad': 8}; sold = {'pen': 4, 'ink': 12, 'pad': 1}",
        """
for item in stock:
    stock[item] -= sold[item]
print(stock)
""",
        None,
    ),
    (
        "image thresholded",
        "import numpy as np\nimg = np.arange(20).reshape(4, 5) * 12",
        """
rows, cols = img.shape
for r in range(rows):
    for c in range(cols):
        if img[r, c] > 127:
            img[r, c] = 255
        else:
            img[r, c] = 0
""",
        None,
    ),
    (
        "rows normalised",
        "import numpy as np\nX = np.arange(1.0, 13.0).reshape(4, 3)",
        """
for i in range(len(X)):
    X[i] = X[i] / X[i].sum()
""",
        None,
    ),
    (
        "columns standardised",
        "import numpy as np\nX = np.arange(12.0).reshape(4, 3) ** 2",
        """
for j in range(X.shape[1]):
    X[:, j] = (X[:, j] - X[:, j].mean()) / X[:, j].std()
""",
        None,
    ),
    (
        "prefix sums",
        "xs = [3, 1, 4, 1, 5]",
        """
for i in range(1, len(xs)):
    xs[i] = xs[i] + xs[i - 1]
""",
        (2, "xs"),
    ),
    (
        "heat along a rod",
        "import numpy as np\nu = np.linspace(0, 1, 8) ** 2",
        """
for i in range(1, len(u) - 1):
    u[i] = u[i] + 0.1 * (u[i + 1] - 2 * u[i] + u[i - 1])
""",
        (2, "u"),
    ),
    (
        "fare bands by loc",
        PANDAS,
        """
for i in range(len(titanic)):
    if titanic.loc[i, 'Fare'] > 30:
        titanic.loc[i, 'Band'] = 'high'
    else:
        titanic.loc[i, 'Band'] = 'low'
""",
        None,
    ),
    (
        "missing ages by loc in iterrows",
        PANDAS,
        """
for index, row in titanic.iterrows():
    if pd.isna(row['Age']):
        titanic.loc[index, 'Age'] = 30
""",
        None,
    ),
    (
        "columns by type",
        SALES,
        """
for col in sales.columns:
    if sales[col].dtype == 'int64':
        sales[col] = sales[col].astype('float32')
""",
        None,
    ),
    (
        "strings of columns stripped",
        PANDAS,
        """
for c in ['Sex', 'Name']:
    titanic[c] = titanic[c].str.upper()
    print(c, titanic[c].nunique())
""",
        None,
    ),
    (
        "groups aggregated",
        SALES,
        """
summary = []
for (region, product), group in sales.groupby(['region', 'product']):
    summary.append({'region': region, 'product': product, 'units': group['units'].sum()})
summary = pd.DataFrame(summary)
""",
        None,
    ),
    (
        "itertuples",
        SALES,
        """
expensive = []
for row in sales.itertuples(index=False):
    if row.price > 4:
        expensive.append((row.region, row.revenue))
""",
        None,
    ),
    (
        "json of nested records",
        "people = {'ann': {'langs': ['py', 'r'], 'age': 31}, 'bob': {'langs': [], 'age': 25}}",
        """
for name, info in people.items():
    print(f"\\n{name.upper()} ({info['age']})")
    for lang in info['langs']:
        print(f"\\t- {lang}")
""",
        None,
    ),
    (
        "product of grids",
        "import itertools",
        """
table = []
for a, b in itertools.product([1, 2, 3], [10, 20]):
    table.append([a, b, a * b, a / b])
""",
        None,
    ),
    (
        "accuracy per model printed",
        IRIS + "from sklearn.linear_model import LogisticRegression\nfrom sklearn.tree import DecisionTreeClassifier\n",
        """
models = [('LR', LogisticRegression(max_iter=200)), ('CART', DecisionTreeClassifier(random_state=7))]
for name, model in models:
    model.fit(X_train, y_train)
    acc = model.score(X_test, y_test)
    print("%s: %f" % (name, acc))
""",
        (3, "model"),
    ),
    (
        "longest line of a file",
        TEXT_FILES,
        """
with open('log.txt') as f:
    for n, line in enumerate(f):
        parts = line.strip().split(' ', 1)
        print(n, len(parts), parts[-1])
""",
        None,
    ),
    (
        "cards drawn",
        "import random\nrandom.seed(4)\ndeck = list(range(52))",
        """
hands = []
for player in range(4):
    hands.append(random.sample(deck, 5))
print(hands)
""",
        (3, "random.sample"),
    ),
    (
        "law of large numbers",
        "import numpy as np\nnp.random.seed(3)",
        """
means = []
for n in [10, 100, 1000]:
    sample = np.random.rand(n)
    means.append(sample.mean())
    print(f'n={n:5d} mean={means[-1]:.3f}')
""",
        (5, "means"),
    ),
    (
        "lines of a plot",
        PLOTS,
        """
fig, ax = plt.subplots()
for k in range(1, 4):
    ax.plot(x, np.sin(k * x), label=f'k = {k}')
ax.legend();
""",
        (3, "ax.plot"),
    ),
    (
        "last word seen",
        REVIEWS,
        """
longest = ''
for r in reviews:
    for w in r.split():
        if len(w) > len(longest):
            longest = w
print(longest)
""",
        (4, "longest"),
    ),
]

LISTS: Final[list[Row]] = [
    ("pairs of two loops", "", "pairs = [(x, y) for x in range(4) for y in range(x) if (x + y) % 2]", None),
    ("flat words", REVIEWS, "words = [w for r in reviews for w in r.lower().split() if w not in stopwords]", None),
    ("replaced by condition", "xs = [1, -2, 3]", "[x if x > 0 else 0 for x in xs]", None),
    ("frames of files", TEXT_FILES + "import pandas as pd\n", "frames = [pd.read_csv(p, names=['t']) for p in sorted(data_dir.glob('*.txt'))]\nall_t = pd.concat(frames)", None),
    ("walrus kept", "texts = ['12', '', '7']", "lens = [n for t in texts if (n := len(t))]", (1, "n")),
    ("pages of a sequence", "", "[f'https://example.org/page/{i:03d}' for i in range(1, 6)]", None),
    ("parsed json of files", TEXT_FILES, "loaded = [json.load(open(p)) for p in sorted(data_dir.glob('*.json'))]", None),
    ("index of maximum", "rows = [[3, 9], [4, 1]]", "best = [max(range(len(r)), key=r.__getitem__) for r in rows]", None),
]  # fmt: skip

GENERATORS: Final[list[Row]] = [
    ("longest of the names", "names = ['ann', 'robert']", "print(max(len(n) for n in names))", None),
    ("array from a generator", "import numpy as np", "squares = np.fromiter((i * i for i in range(12)), dtype=float)", None),
]  # fmt: skip

DICTS: Final[list[Row]] = [
    ("word lengths", REVIEWS, "lengths = {w: len(w) for r in reviews for w in r.split()}", None),
]

MAPS: Final[list[Row]] = [
    ("array of a map", "import numpy as np", "a = np.array(list(map(lambda v: v ** 0.5, range(9))))", None),
]

SETS: Final[list[Row]] = [
    ("domains", "mails = ['a@x.org', 'b@y.org', 'c@x.org']", "domains = {m.split('@')[1] for m in mails}", None),
]

#: All of them, by the kind of their first site.
MORE_CELLS: Final = {
    "for": FOR_LOOPS,
    "list": LISTS,
    "generator": GENERATORS,
    "dict": DICTS,
    "map": MAPS,
    "set": SETS,
}
