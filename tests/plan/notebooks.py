"""Three long notebooks in the manner of real ones: tables, a model, text and simulation. Cells begin with `# %%`."""

from __future__ import annotations

SALES = r"""
# %%
import math
import numpy as np
import pandas as pd
import matplotlib.pyplot as plt
from collections import Counter, defaultdict
pd.set_option("display.max_rows", 12)
# %%
rng = np.random.default_rng(7)
n = 600
shops = ["north", "south", "east", "west"]
df = pd.DataFrame({
    "day": pd.date_range("2024-01-01", periods=n, freq="6h"),
    "shop": [shops[i] for i in rng.integers(0, 4, n)],
    "units": rng.integers(1, 40, n),
    "price": np.round(rng.gamma(4, 2.5, n), 2),
    "note": [f" Order-{i % 17:03d} / {'late' if i % 5 == 0 else 'ok'} " for i in range(n)],
})
df.head()
# %%
df.describe()
# %%
df["revenue"] = df["units"] * df["price"]
df.loc[df["units"] > 35, "revenue"] *= 0.9
df.dtypes
# %%
def clean(note):
    number, state = note.strip().lower().split(" / ")
    return {"order": int(number.split("-")[1]), "late": state == "late"}
# %%
cleaned = [clean(note) for note in df["note"]]
df["order"] = [c["order"] for c in cleaned]
df["late"] = [c["late"] for c in cleaned]
df[["order", "late"]].sum()
# %%
totals = {}
for shop, group in df.groupby("shop"):
    totals[shop] = group["revenue"].sum()
    print(f"{shop:6s} {len(group):4d} orders {totals[shop]:10.2f}")
# %%
missing = {column: int(df[column].isna().sum()) for column in df.columns}
missing
# %%
by_month = df.groupby([df["day"].dt.month, "shop"])["revenue"].sum().unstack()
by_month
# %%
fig, axes = plt.subplots(2, 2, figsize=(5, 4))
for ax, shop in zip(axes.flat, shops):
    rows = df[df["shop"] == shop]
    ax.plot(rows["day"], rows["revenue"].rolling(20).mean())
    ax.set_title(shop)
plt.tight_layout()
# %%
running = []
total = 0
for value in df["revenue"]:
    total += value
    running.append(total)
running[-1]
# %%
best = None
for index, row in df.head(80).iterrows():
    if best is None or row["revenue"] > best["revenue"]:
        best = row
best["shop"], float(best["revenue"])
# %%
features = []
for i in range(len(df)):
    row = df.iloc[i]
    features.append([row["units"], math.log1p(row["price"]), int(row["late"])])
X = np.array(features)
X.shape, X.mean(axis=0).round(3)
# %%
columns = ["units", "price", "revenue"]
corr = {}
for a in columns:
    for b in columns:
        corr[a, b] = float(df[a].corr(df[b]))
for pair in sorted(corr):
    print(pair, round(corr[pair], 3))
# %%
counts = Counter()
for note in df["note"]:
    for word in note.split():
        counts[word] += 1
counts.most_common(3)
# %%
words = defaultdict(list)
for i, note in enumerate(df["note"].head(60)):
    words[note.split()[-1]].append(i)
{k: len(v) for k, v in words.items()}
# %%
def moving(values, width):
    return [sum(values[max(0, i - width + 1): i + 1]) / min(width, i + 1) for i in range(len(values))]
smooth = {width: moving(list(df["revenue"][:150]), width) for width in (3, 7, 30)}
[round(smooth[w][-1], 4) for w in smooth]
# %%
plt.figure(figsize=(4, 3))
for width, values in smooth.items():
    plt.plot(values, label=f"{width} orders")
plt.legend();
# %%
matrix = np.zeros((4, 12))
for i, shop in enumerate(shops):
    for month in range(1, 13):
        matrix[i, month - 1] = df[(df["shop"] == shop) & (df["day"].dt.month == month)]["revenue"].sum()
matrix.round(1)
# %%
outliers = []
mean, std = df["revenue"].mean(), df["revenue"].std()
for i, value in enumerate(df["revenue"]):
    if abs(value - mean) < 2 * std:
        continue
    outliers.append((i, round(value, 1)))
    if len(outliers) == 10:
        break
outliers
# %%
report = ""
for shop in shops:
    part = df[df["shop"] == shop]
    report += f"{shop}: {part['units'].sum()} units, late {part['late'].mean():.1%}\n"
print(report)
# %%
df["band"] = df["revenue"].apply(lambda v: "high" if v > 250 else "mid" if v > 80 else "low")
pd.crosstab(df["shop"], df["band"])
# %%
forecasts = {}
for shop in shops:
    y = df.loc[df["shop"] == shop, "revenue"].to_numpy()
    x = np.arange(len(y))
    slope, start = np.polyfit(x, y, 1)
    residual = y - (slope * x + start)
    forecasts[shop] = {"slope": slope, "start": start, "rmse": float(np.sqrt((residual ** 2).mean()))}
pd.DataFrame(forecasts).T.round(2)
# %%
try:
    for shop in shops + ["nowhere"]:
        print(shop, forecasts[shop]["rmse"] > 0)
except KeyError as error:
    print("no such shop:", error)
# %%
assert all(f["rmse"] > 0 for f in forecasts.values())
final = sorted(forecasts, key=lambda shop: forecasts[shop]["slope"])
final
"""

MODEL = r"""
# %%
import random
import warnings
import numpy as np
import pandas as pd
import matplotlib.pyplot as plt
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, confusion_matrix, roc_auc_score
from sklearn.model_selection import KFold, train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
warnings.simplefilter("ignore")
# %%
SEED = 11
random.seed(SEED)
np.random.seed(SEED)
X, y = make_classification(n_samples=2000, n_features=8, n_informative=4, random_state=SEED)
X.shape, np.bincount(y)
# %%
names = [f"f{i}" for i in range(X.shape[1])]
frame = pd.DataFrame(X, columns=names).assign(target=y)
frame.head(3)
# %%
for name in names:
    print(f"{name}: mean {frame[name].mean():+.3f}, std {frame[name].std():.3f}, corr {frame[name].corr(frame['target']):+.3f}")
# %%
fig, axes = plt.subplots(2, 4, figsize=(7, 3))
for i, ax in enumerate(axes.ravel()):
    for label in (0, 1):
        ax.hist(frame.loc[frame["target"] == label, names[i]], bins=15, alpha=0.5)
    ax.set_title(names[i], fontsize=7)
# %%
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=SEED)
scaler = StandardScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
len(X_train), len(X_test)
# %%
models = {
    "logistic": LogisticRegression(max_iter=500),
    "tree": DecisionTreeClassifier(max_depth=4, random_state=SEED),
    "forest": RandomForestClassifier(n_estimators=60, random_state=SEED),
}
# %%
scores = {}
for name, model in models.items():
    model.fit(X_train, y_train)
    scores[name] = accuracy_score(y_test, model.predict(X_test))
    print(name, round(scores[name], 4))
# %%
def evaluate(depth, seed=SEED):
    model = DecisionTreeClassifier(max_depth=depth, random_state=seed)
    model.fit(X_train, y_train)
    return roc_auc_score(y_test, model.predict_proba(X_test)[:, 1])
# %%
depths = range(1, 9)
aucs = [evaluate(depth) for depth in depths]
best_depth = depths[int(np.argmax(aucs))]
best_depth, [round(a, 4) for a in aucs]
# %%
plt.figure(figsize=(4, 2.5))
plt.plot(list(depths), aucs, "o-")
plt.axvline(best_depth, ls=":");
# %%
folds = KFold(5, shuffle=True, random_state=SEED)
cv = []
for fold, (train, test) in enumerate(folds.split(X)):
    model = LogisticRegression(max_iter=500).fit(X[train], y[train])
    score = model.score(X[test], y[test])
    cv.append(score)
    print(f"fold {fold}: {score:.3f}")
np.mean(cv)
# %%
grid = []
for C in [0.01, 0.1, 1, 10]:
    for penalty in ["l2"]:
        model = LogisticRegression(C=C, max_iter=500).fit(X_train, y_train)
        grid.append({"C": C, "score": model.score(X_test, y_test), "norm": float(np.abs(model.coef_).sum())})
pd.DataFrame(grid).sort_values("score", ascending=False)
# %%
boot = []
for _ in range(60):
    pick = np.random.randint(0, len(y_test), len(y_test))
    boot.append(accuracy_score(y_test[pick], models["forest"].predict(X_test[pick])))
np.percentile(boot, [2.5, 50, 97.5]).round(3)
# %%
generator = np.random.default_rng(SEED)
walk = [0.0]
for step in generator.normal(size=50):
    walk.append(walk[-1] * 0.9 + step)
walk[-1]
# %%
jitter = [random.random() for _ in range(5)]
sum(jitter)
# %%
importances = pd.Series(models["forest"].feature_importances_, index=names).sort_values()
importances.round(3)
# %%
drop = {}
baseline = models["tree"].score(X_test, y_test)
for j, name in enumerate(names):
    changed = X_test.copy()
    changed[:, j] = changed[:, j].mean()
    drop[name] = baseline - models["tree"].score(changed, y_test)
drop
# %%
confusion = {name: confusion_matrix(y_test, model.predict(X_test)) for name, model in models.items()}
confusion["tree"]
# %%
thresholds = np.linspace(0.1, 0.9, 9)
proba = models["logistic"].predict_proba(X_test)[:, 1]
curve = []
for t in thresholds:
    predicted = (proba >= t).astype(int)
    tp = int(((predicted == 1) & (y_test == 1)).sum())
    fp = int(((predicted == 1) & (y_test == 0)).sum())
    if tp + fp == 0:
        curve.append((t, None))
        continue
    curve.append((round(float(t), 2), tp / (tp + fp)))
curve
# %%
weights = np.zeros(X_train.shape[1])
losses = []
for epoch in range(40):
    z = X_train @ weights
    p = 1 / (1 + np.exp(-z))
    weights -= 0.1 * X_train.T @ (p - y_train) / len(y_train)
    losses.append(float(-np.mean(y_train * np.log(p + 1e-9) + (1 - y_train) * np.log(1 - p + 1e-9))))
    if epoch % 10 == 0:
        print(epoch, round(losses[-1], 5))
# %%
predictions = pd.DataFrame({name: model.predict(X_test) for name, model in models.items()})
agree = [int(len(set(row)) == 1) for row in predictions.itertuples(index=False)]
sum(agree) / len(agree)
# %%
%%time
distances = [[float(np.linalg.norm(a - b)) for b in X_test[:15]] for a in X_test[:40]]
# %%
nearest = [min(range(15), key=lambda j: row[j]) for row in distances]
nearest[:10]
# %%
results = pd.DataFrame([{"model": name, "accuracy": s, "auc": roc_auc_score(y_test, models[name].predict_proba(X_test)[:, 1])} for name, s in scores.items()])
results.round(4)
# %%
print(results.to_string(index=False))
assert set(results["model"]) == set(models)
"""

TEXT = r"""
# %%
import json
import math
import re
import os
import functools
import itertools
from collections import Counter, namedtuple
from dataclasses import dataclass, field
# %%
from pydoc_data.topics import topics  # Python's own manual: half a million characters of English
docs = [text for _, text in sorted(topics.items())]
len(docs)
# %%
def tokens(text):
    return re.findall(r"[a-z]+", text.lower())
# %%
tokenized = [tokens(doc) for doc in docs]
everything = sorted({word for words in tokenized for word in words})
len(everything), everything[:5]
# %%
frequency = Counter()
for words in tokenized:
    frequency.update(words)
vocabulary = sorted(word for word, _ in frequency.most_common(120))
frequency.most_common(4)
# %%
index = {word: i for i, word in enumerate(vocabulary)}
idf = {}
for word in vocabulary:
    idf[word] = math.log(len(docs) / (1 + sum(word in words for words in tokenized)))
round(sum(idf.values()), 6)
# %%
def vector(words):
    counts = Counter(words)
    return [counts[word] * idf[word] for word in vocabulary]
vectors = [vector(words) for words in tokenized]
# %%
def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b))
    return dot / (math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b)) or 1)
similar = {}
for i, j in itertools.combinations(range(8), 2):
    similar[i, j] = cosine(vectors[i], vectors[j])
max(similar, key=similar.get)
# %%
bigrams = Counter(pair for words in tokenized for pair in zip(words, words[1:]))
for (a, b), count in bigrams.most_common(5):
    print(f"{a:>8} {b:<8} {count}")
# %%
@dataclass
class Particle:
    x: float
    v: float
    trail: list = field(default_factory=list)
    def step(self, dt):
        self.v -= self.x * dt
        self.x += self.v * dt
        self.trail.append(self.x)
particles = [Particle(x=i / 10, v=0.0) for i in range(150)]
# %%
for t in range(300):
    for particle in particles:
        particle.step(0.1)
sum(p.x for p in particles)
# %%
energy = [0.5 * p.v ** 2 + 0.5 * p.x ** 2 for p in particles]
print(["%.4f" % e for e in energy[:4]])
# %%
@functools.lru_cache(maxsize=None)
def fib(k):
    return k if k < 2 else fib(k - 1) + fib(k - 2)
fibs = [fib(k) for k in range(30)]
fibs[-1], fib.cache_info().currsize
# %%
def is_prime(k):
    if k < 2:
        return False
    for d in range(2, int(k ** 0.5) + 1):
        if k % d == 0:
            return False
    return True
primes = [k for k in range(20000) if is_prime(k)]
len(primes), primes[-1]
# %%
gaps = [b - a for a, b in zip(primes, primes[1:])]
Counter(gaps).most_common(3)
# %%
world = {(1, 0), (2, 1), (0, 2), (1, 2), (2, 2)}
def neighbours(cell):
    return [(cell[0] + dx, cell[1] + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy]
for generation in range(200):
    counts = Counter(other for cell in world for other in neighbours(cell))
    world = {cell for cell, count in counts.items() if count == 3 or (count == 2 and cell in world)}
sorted(world)
# %%
collatz = {}
longest = 0
for start in range(1, 4000):
    steps, value = 0, start
    while value != 1:
        value = value // 2 if value % 2 == 0 else 3 * value + 1
        steps += 1
    collatz[start] = steps
    longest = max(longest, steps)
longest, collatz[97]
# %%
names = []
for i in range(3):
    name = f"part_{i}.json"
    with open(name, "w") as file:
        json.dump({"part": i, "primes": primes[i * 10:(i + 1) * 10]}, file)
    names.append(name)
!ls part_0.json
# %%
loaded = []
for name in names:
    with open(name) as file:
        loaded.append(json.load(file))
[entry["primes"][0] for entry in loaded]
# %%
matrix = [[(i * j) % 7 for j in range(6)] for i in range(6)]
product = [[sum(a * b for a, b in zip(row, column)) for column in zip(*matrix)] for row in matrix]
product[1]
# %%
state = 12345
draws = []
for _ in range(20):
    state = (1103515245 * state + 12345) % 2 ** 31
    draws.append(state / 2 ** 31)
round(sum(draws), 9)
# %%
Point = namedtuple("Point", "x y")
points = [Point(math.cos(k), math.sin(k)) for k in range(25)]
hull = sorted(points)[:3]
[tuple(round(c, 3) for c in p) for p in hull]
# %%
failed = []
for entry in ["1", "2", "x", "4", ""]:
    try:
        failed.append(int(entry))
    except ValueError as error:
        failed.append(str(error)[:20])
failed
# %%
def levels(tree, depth=0):
    return depth if not tree else max(levels(sub, depth + 1) for sub in tree)
tree = [[[], [[]]], [[]]]
levels(tree)
# %%
squares = list(map(lambda k: k * k, range(10)))
flags = [s % 3 == 1 for s in squares]
any(flags), all(flags), sum(s for s, f in zip(squares, flags) if f)
# %%
for name in names:
    os.remove(name)
print("done", len(collatz), len(similar))
"""

NOTEBOOKS = {"sales": SALES, "model": MODEL, "text": TEXT}


def cells(text: str) -> list[str]:
    """Split a notebook's text into its cells."""
    return [cell.strip("\n") for cell in text.split("# %%\n") if cell.strip()]
