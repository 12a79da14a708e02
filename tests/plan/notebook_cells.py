"""Cells in the manner of real notebooks, for `test_notebook_cells.py`: in what shares, see its test of the table.

Each row is a name, the cells that came before, the cell, and what careful reading says of it: None where its iterations
can be done in any order (*independent*), otherwise the line in the cell and the name that stand in the way.
"""

from __future__ import annotations

from typing import Final

Blame = tuple[int, str] | None
Row = tuple[str, str, str, Blame]

PANDAS: Final = """
import numpy as np
import pandas as pd
titanic = pd.DataFrame({
    'PassengerId': range(1, 13),
    'Survived': [0, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1],
    'Pclass': [3, 1, 3, 1, 3, 3, 1, 3, 3, 2, 3, 1],
    'Name': ['Braund, Mr. Owen Harris', 'Cumings, Mrs. John Bradley', 'Heikkinen, Miss. Laina',
             'Futrelle, Mrs. Jacques Heath', 'Allen, Mr. William Henry', 'Moran, Mr. James',
             'McCarthy, Mr. Timothy J', 'Palsson, Master. Gosta Leonard', 'Johnson, Mrs. Oscar W',
             'Nasser, Mrs. Nicholas', 'Sandstrom, Miss. Marguerite Rut', 'Bonnell, Miss. Elizabeth'],
    'Sex': ['male', 'female', 'female', 'female', 'male', 'male', 'male', 'male', 'female', 'female', 'female', 'female'],
    'Age': [22, 38, 26, 35, 35, np.nan, 54, 2, 27, 14, 4, 58],
    'Fare': [7.25, 71.2833, 7.925, 53.1, 8.05, 8.4583, 51.8625, 21.075, 11.1333, 30.0708, 16.7, 26.55],
    'Embarked': ['S', 'C', 'S', 'S', 'S', 'Q', 'S', 'S', 'S', 'C', 'S', np.nan],
})
"""

SALES: Final = """
import pandas as pd
import numpy as np
sales = pd.DataFrame({
    'date': pd.date_range('2023-01-01', periods=12, freq='MS'),
    'region': ['north', 'south', 'east'] * 4,
    'product': ['pen', 'pen', 'ink', 'ink'] * 3,
    'units': [12, 7, 31, 5, 18, 22, 9, 40, 3, 16, 27, 11],
    'price': [1.2, 1.25, 4.5, 4.4, 1.2, 1.3, 4.75, 4.6, 1.1, 1.35, 4.4, 4.9],
})
sales['revenue'] = sales['units'] * sales['price']
"""

IRIS: Final = """
import numpy as np
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
iris = load_iris()
X, y = iris.data[::3], iris.target[::3]
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=42)
"""

REVIEWS: Final = """
import re
import string
from collections import Counter, defaultdict
reviews = ["The plot was thin, but the acting was superb!", "Worst. Movie. Ever.", "I loved it; my kids loved it too.",
           "Too long, too loud, too much.", "A small wonder of a film.", "Not bad, not great - 3/5 stars",
           "Would watch again (and again)."]
stopwords = {'the', 'was', 'a', 'of', 'it', 'but', 'too', 'my', 'not', 'and', 'i'}
"""

TEXT_FILES: Final = """
import json
import os
from pathlib import Path
data_dir = Path('data')
data_dir.mkdir()
for station, temperatures in {'oslo': [-3, 0, 4, 9], 'rome': [9, 11, 14, 18], 'lima': [24, 25, 23, 21]}.items():
    (data_dir / f'{station}.txt').write_text('\\n'.join(str(t) for t in temperatures))
    (data_dir / f'{station}.json').write_text(json.dumps({'station': station, 'values': temperatures}))
with open('log.txt', 'w') as f:
    f.write('INFO start\\nERROR disk full\\nINFO retry\\nERROR timeout\\nINFO done\\n')
with open('grades.csv', 'w') as f:
    f.write('name,math,art\\nann,90,81\\nbob,55,70\\ncat,78,92\\n')
del f, station, temperatures
"""

PLOTS: Final = """
import matplotlib
matplotlib.use('Agg')
import matplotlib.pyplot as plt
import numpy as np
plt.close('all')
x = np.linspace(0, 2 * np.pi, 40)
"""

# -- for loops ---------------------------------------------------------------------------------------------------------

FOR_PRINTS: Final[list[Row]] = [
    (
        "count to ten",
        "",
        """
for i in range(10):
    print(i)
""",
        None,
    ),
    (
        "greet",
        "names = ['Ann', 'Bob', 'Cleo']",
        """
for name in names:
    print("Hello, " + name + "!")
""",
        None,
    ),
    (
        "numbered list",
        "fruits = ['apple', 'banana', 'cherry']",
        """
for i, fruit in enumerate(fruits, start=1):
    print(f"{i}. {fruit.title():<10}|")
""",
        None,
    ),
    (
        "zip of lists",
        "names = ['ann', 'bob']; ages = [31, 25]",
        """
for name, age in zip(names, ages):
    print(name, 'is', age, 'years old')
""",
        None,
    ),
    (
        "dict items",
        "capitals = {'France': 'Paris', 'Peru': 'Lima', 'Japan': 'Tokyo'}",
        """
for country, city in capitals.items():
    print("The capital of {} is {}".format(country, city))
""",
        None,
    ),
    (
        "multiplication table",
        "",
        """
for i in range(1, 6):
    for j in range(1, 6):
        print(i * j, end='\\t')
    print()
""",
        None,
    ),
    (
        "even or odd",
        "",
        """
for n in [3, 8, 15, 22]:
    if n % 2 == 0:
        print(n, "is even")
    else:
        print(n, "is odd")
""",
        None,
    ),
    (
        "characters of a word",
        "word = 'notebook'",
        """
for letter in word:
    if letter in 'aeiou':
        continue
    print(letter, end=' ')
""",
        None,
    ),
    (
        "fizzbuzz",
        "",
        """
for i in range(1, 16):
    if i % 15 == 0:
        print('FizzBuzz')
    elif i % 3 == 0:
        print('Fizz')
    elif i % 5 == 0:
        print('Buzz')
    else:
        print(i)
""",
        None,
    ),
    (
        "missing values per column",
        PANDAS,
        """
for col in titanic.columns:
    pct = titanic[col].isnull().mean() * 100
    print(f'{col}: {pct:.1f}% missing')
""",
        None,
    ),
    (
        "value counts",
        PANDAS,
        """
for column in ['Sex', 'Pclass', 'Embarked']:
    print(titanic[column].value_counts())
    print('-' * 30)
""",
        None,
    ),
    (
        "unique values of object columns",
        PANDAS,
        """
for col in titanic.select_dtypes(include='object').columns:
    n = titanic[col].nunique()
    if n < 5:
        print(col, n, sorted(titanic[col].dropna().unique()))
""",
        None,
    ),
    (
        "groups printed",
        SALES,
        """
for region, group in sales.groupby('region'):
    print(region)
    print(group[['product', 'units']].head(2))
""",
        None,
    ),
    (
        "rows printed",
        SALES,
        """
for index, row in sales.iterrows():
    if row['units'] > 20:
        print(index, row['region'], row['units'])
""",
        None,
    ),
    (
        "iris classes",
        IRIS,
        """
for i, name in enumerate(iris.target_names):
    count = np.sum(y == i)
    print('class %s: %d samples' % (name, count))
""",
        None,
    ),
    (
        "shapes",
        IRIS,
        """
for arr in (X_train, X_test, y_train, y_test):
    print(arr.shape, arr.dtype)
""",
        None,
    ),
    (
        "zip of results",
        IRIS,
        """
from sklearn.neighbors import KNeighborsClassifier
knn = KNeighborsClassifier(n_neighbors=3).fit(X_train, y_train)
for guess, truth, features in zip(knn.predict(X_test), y_test, X_test):
    if guess != truth:
        print('wrong:', iris.target_names[guess], 'is', iris.target_names[truth], features.round(1))
""",
        None,
    ),
    (
        "primes with for else",
        "",
        """
for n in range(2, 20):
    for d in range(2, n):
        if n % d == 0:
            break
    else:
        print(n, 'is prime')
""",
        None,
    ),
    (
        "nested lists",
        "matrix = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]",
        """
for row in matrix:
    for value in row:
        print(f'{value:3d}', end='')
    print()
print(value)
""",
        None,
    ),
    (
        "sorted dictionary",
        "ages = {'sam': 12, 'lea': 34, 'kim': 7}",
        """
for k in sorted(ages, key=ages.get, reverse=True):
    print(k.ljust(5), ages[k], sep=': ')
""",
        None,
    ),
    (
        "reversed",
        "lines = ['first', 'second', 'third']",
        """
for line in reversed(lines):
    print(line.upper())
""",
        None,
    ),
    (
        "display of heads",
        SALES,
        """
from IPython.display import display
for product in sales['product'].unique():
    display(sales[sales['product'] == product].describe())
""",
        None,
    ),
    (
        "print to stderr",
        "import sys",
        """
for level in range(3):
    print('warning', level, file=sys.stderr)
""",
        None,
    ),
    (
        "arguments printed with a function",
        "def show(*args, **kwargs):\n    print(args, kwargs)",
        """
for n in range(3):
    show(n, n ** 2, label='n=' + str(n))
""",
        None,
    ),
]

FOR_LISTS: Final[list[Row]] = [
    (
        "squares",
        "",
        """
squares = []
for i in range(10):
    squares.append(i ** 2)
print(squares)
""",
        None,
    ),
    (
        "knn accuracy by k",
        IRIS,
        """
from sklearn.neighbors import KNeighborsClassifier
train_accuracy, test_accuracy = [], []
neighbors = np.arange(1, 8)
for k in neighbors:
    knn = KNeighborsClassifier(n_neighbors=k)
    knn.fit(X_train, y_train)
    train_accuracy.append(knn.score(X_train, y_train))
    test_accuracy.append(knn.score(X_test, y_test))
""",
        None,
    ),
    (
        "elbow",
        IRIS,
        """
from sklearn.cluster import KMeans
inertias = []
for k in range(1, 6):
    km = KMeans(n_clusters=k, random_state=0, n_init=2)
    km.fit(X)
    inertias.append(km.inertia_)
""",
        None,
    ),
    (
        "tree depths",
        IRIS,
        """
from sklearn.tree import DecisionTreeClassifier
from sklearn.metrics import accuracy_score
scores = {}
for depth in range(1, 6):
    tree = DecisionTreeClassifier(max_depth=depth, random_state=1)
    tree.fit(X_train, y_train)
    y_pred = tree.predict(X_test)
    scores[depth] = accuracy_score(y_test, y_pred)
best = max(scores, key=scores.get)
""",
        None,
    ),
    (
        "cross validation of models",
        IRIS,
        """
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.model_selection import cross_val_score
models = [('LR', LogisticRegression(max_iter=500)), ('NB', GaussianNB())]
results, labels = [], []
for name, model in models:
    cv_results = cross_val_score(model, X, y, cv=3)
    results.append(cv_results)
    labels.append(name)
    print('%s: %f (%f)' % (name, cv_results.mean(), cv_results.std()))
""",
        None,
    ),
    (
        "k-fold by hand",
        IRIS,
        """
from sklearn.model_selection import KFold
from sklearn.linear_model import Ridge
kf = KFold(n_splits=4, shuffle=True, random_state=3)
errors = []
for train_index, test_index in kf.split(X):
    reg = Ridge(alpha=0.5)
    reg.fit(X[train_index], y[train_index])
    errors.append(np.mean((reg.predict(X[test_index]) - y[test_index]) ** 2))
print(np.mean(errors))
""",
        None,
    ),
    (
        "folds with their number",
        IRIS,
        """
from sklearn.model_selection import StratifiedKFold
from sklearn.tree import DecisionTreeClassifier
skf = StratifiedKFold(n_splits=3)
oof = np.zeros(len(y))
for fold, (tr, va) in enumerate(skf.split(X, y)):
    clf = DecisionTreeClassifier(random_state=fold).fit(X[tr], y[tr])
    oof[va] = clf.predict(X[va])
    print('fold', fold, (oof[va] == y[va]).mean())
""",
        None,
    ),
    (
        "parameter grid",
        IRIS,
        """
from itertools import product
from sklearn.svm import SVC
rows = []
for C, gamma in product([0.1, 1, 10], [0.01, 0.1]):
    svc = SVC(C=C, gamma=gamma).fit(X_train, y_train)
    rows.append({'C': C, 'gamma': gamma, 'score': svc.score(X_test, y_test)})
import pandas as pd
grid = pd.DataFrame(rows).sort_values('score', ascending=False)
""",
        None,
    ),
    (
        "titles of names",
        PANDAS,
        """
titles = []
for full_name in titanic['Name']:
    title = full_name.split(',')[1].split('.')[0].strip()
    titles.append(title)
titanic['Title'] = titles
""",
        None,
    ),
    (
        "rows into a list",
        PANDAS,
        """
fares = []
for i, row in titanic.iterrows():
    if row.Pclass == 1 and row.Sex == 'female':
        fares.append(row.Fare)
""",
        None,
    ),
    (
        "tuples of rows",
        SALES,
        """
summary = []
for r in sales.itertuples():
    summary.append((r.Index, r.region, round(r.units * r.price, 2)))
""",
        None,
    ),
    (
        "group sizes",
        SALES,
        """
big = []
for (region, product), sub in sales.groupby(['region', 'product']):
    if len(sub) > 1 and sub['units'].sum() > 20:
        big.append((region, product, sub['units'].mean()))
""",
        None,
    ),
    (
        "tokens",
        REVIEWS,
        """
tokens = []
for review in reviews:
    review = review.lower()
    review = re.sub('[^a-z ]', '', review)
    words = review.split()
    words = [w for w in words if w not in stopwords]
    tokens.append(words)
""",
        None,
    ),
    (
        "corpus",
        REVIEWS,
        """
corpus = []
for i in range(0, len(reviews)):
    text = re.sub('[^a-zA-Z]', ' ', reviews[i])
    text = text.lower()
    text = ' '.join([w for w in text.split() if not w in stopwords])
    corpus.append(text)
""",
        None,
    ),
    (
        "flatten",
        "nested = [[1, 2], [3], [], [4, 5, 6]]",
        """
flat = []
for sub in nested:
    for item in sub:
        flat.append(item)
""",
        None,
    ),
    (
        "extend from files",
        TEXT_FILES,
        """
values = []
for file_name in sorted(os.listdir(data_dir)):
    if file_name.endswith('.txt'):
        with open(os.path.join(data_dir, file_name)) as f:
            values.extend([int(line) for line in f])
""",
        None,
    ),
    (
        "json files",
        TEXT_FILES,
        """
frames = {}
for path in sorted(data_dir.glob('*.json')):
    with path.open() as fp:
        record = json.load(fp)
    frames[record['station']] = record['values']
""",
        None,
    ),
    (
        "glob of csv",
        TEXT_FILES + "import glob, pandas as pd\n",
        """
parts = []
for fn in glob.glob('*.csv'):
    df = pd.read_csv(fn)
    df['source'] = fn
    parts.append(df)
everything = pd.concat(parts, ignore_index=True)
""",
        None,
    ),
    (
        "error lines",
        TEXT_FILES,
        """
errors = []
for line in open('log.txt'):
    if line.startswith('ERROR'):
        errors.append(line.strip())
""",
        None,
    ),
    (
        "csv reader",
        TEXT_FILES + "import csv\n",
        """
people = []
with open('grades.csv') as handle:
    for row in csv.DictReader(handle):
        people.append((row['name'], int(row['math']) + int(row['art'])))
""",
        None,
    ),
    (
        "lines of an open file",
        TEXT_FILES,
        """
levels = []
with open('log.txt') as fh:
    for line in fh:
        level, message = line.rstrip().split(' ', 1)
        levels.append(level)
""",
        None,
    ),
    (
        "try conversion",
        "raw = ['12', 'x', '7.5', '', '3']",
        """
numbers, bad = [], []
for item in raw:
    try:
        numbers.append(float(item))
    except ValueError:
        bad.append(item)
""",
        None,
    ),
    (
        "try with finally",
        "records = [{'a': 1}, {}, {'a': 'z'}, {'a': 4}]",
        """
cleaned = []
for rec in records:
    value = None
    try:
        value = int(rec['a'])
    except (KeyError, ValueError) as err:
        print('skipped', rec, type(err).__name__)
    finally:
        cleaned.append(value)
""",
        None,
    ),
    (
        "progress bar",
        "from tqdm import tqdm\nimport math",
        """
roots = []
for n in tqdm(range(20), disable=True):
    roots.append(math.sqrt(n))
""",
        None,
    ),
    (
        "progress bar of rows",
        SALES + "from tqdm.auto import tqdm\n",
        """
labels = []
for idx, row in tqdm(sales.iterrows(), total=len(sales), disable=True):
    labels.append(f"{row['region'][0]}{idx:02d}")
""",
        None,
    ),
    (
        "numerical integral",
        "import numpy as np\ndef f(x):\n    return np.exp(-x ** 2)",
        """
estimates = []
for n in [10, 100, 1000]:
    xs = np.linspace(0, 1, n + 1)
    h = 1 / n
    estimates.append(h * (f(xs[0]) / 2 + f(xs[1:-1]).sum() + f(xs[-1]) / 2))
""",
        None,
    ),
    (
        "solve for each parameter",
        "import numpy as np\nfrom scipy.integrate import odeint\nfrom scipy.optimize import brentq\n",
        """
times = np.linspace(0, 5, 20)
solutions = []
for rate in np.linspace(0.1, 1.0, 4):
    def dydt(y, t):
        return -rate * y
    solutions.append(odeint(dydt, 1.0, times)[:, 0])
""",
        None,
    ),
    (
        "roots",
        "import numpy as np\nfrom scipy.optimize import brentq\ndef g(x, a):\n    return np.cos(x) - a * x",
        """
roots = []
for a in (0.5, 1, 2, 4):
    r = brentq(g, 0, 2, args=(a,))
    roots.append(r)
    print(f'a={a}: x={r:.6f}')
""",
        None,
    ),
    (
        "seeded simulation",
        "import numpy as np",
        """
means = []
for seed in range(6):
    rng = np.random.default_rng(seed)
    sample = rng.normal(loc=5, size=50)
    means.append(sample.mean())
""",
        None,
    ),
    (
        "class instances",
        """
class Account:
    def __init__(self, owner, balance=0):
        self.owner = owner
        self.balance = balance
    def deposit(self, amount):
        self.balance += amount
        return self
    def __repr__(self):
        return f'{self.owner}: {self.balance}'
""",
        """
accounts = []
for owner, start in [('ann', 10), ('bob', 20), ('cat', 0)]:
    account = Account(owner, start)
    account.deposit(5)
    accounts.append(account)
print(accounts)
""",
        None,
    ),
    (
        "starred rows",
        "rows = [('ann', 90, 81, 77), ('bob', 55, 70), ('cat', 78)]",
        """
averages = []
for name, *marks in rows:
    averages.append((name, sum(marks) / len(marks)))
""",
        None,
    ),
    (
        "pairs",
        "import itertools\npoints = [(0, 0), (3, 4), (6, 8), (1, 1)]",
        """
distances = []
for (x1, y1), (x2, y2) in itertools.combinations(points, 2):
    distances.append(((x1 - x2) ** 2 + (y1 - y2) ** 2) ** 0.5)
""",
        None,
    ),
    (
        "matches",
        "import re\ntext = 'call 555-1234 or 555-9876, fax 555-0000'",
        """
found = []
for m in re.finditer(r'(\\d{3})-(\\d{4})', text):
    found.append((m.start(), m.group(2)))
""",
        None,
    ),
    (
        "html table",
        """
from bs4 import BeautifulSoup
html = '<table><tr><td>a</td><td>1</td></tr><tr><td>b</td><td>2</td></tr></table>'
soup_text = html
""",
        """
table = []
for tr in BeautifulSoup(soup_text, 'html.parser').find_all('tr'):
    table.append([td.text for td in tr.find_all('td')])
""",
        None,
    ),
]

FOR_ITEMS: Final[list[Row]] = [
    (
        "fill a dict",
        REVIEWS,
        """
lengths = {}
for r in reviews:
    lengths[r[:10]] = len(r.split())
""",
        None,
    ),
    (
        "word counts in a dict",
        REVIEWS,
        """
counts = {}
for word in ' '.join(reviews).lower().split():
    word = word.strip(string.punctuation)
    if word in counts:
        counts[word] += 1
    else:
        counts[word] = 1
""",
        (4, "counts"),
    ),
    (
        "word counts by get",
        REVIEWS,
        """
freq = {}
for ch in reviews[0].lower():
    freq[ch] = freq.get(ch, 0) + 1
""",
        None,
    ),
    (
        "word counts in a defaultdict",
        REVIEWS,
        """
freq = defaultdict(int)
for word in reviews[3].split():
    freq[word.lower()] += 1
""",
        None,
    ),
    (
        "index of words",
        REVIEWS,
        """
index = defaultdict(list)
for number, review in enumerate(reviews):
    for word in set(review.lower().split()):
        index[word].append(number)
""",
        (3, "set(review.lower().split())"),
    ),
    (
        "group into lists",
        "people = [('ann', 'oslo'), ('bob', 'rome'), ('cat', 'oslo'), ('dan', 'lima')]\nfrom collections import defaultdict",
        """
by_city = defaultdict(list)
for person, city in people:
    by_city[city].append(person)
""",
        None,
    ),
    (
        "group with setdefault",
        "words = ['apple', 'bean', 'avocado', 'beet', 'corn']",
        """
by_letter = {}
for w in words:
    by_letter.setdefault(w[0], []).append(w)
""",
        None,
    ),
    (
        "counter updates",
        REVIEWS,
        """
total = Counter()
for review in reviews:
    total.update(re.findall(r'[a-z]+', review.lower()))
print(total.most_common(3))
""",
        None,
    ),
    (
        "fill an array",
        "import numpy as np",
        """
n = 20
y = np.zeros(n)
for i in range(n):
    y[i] = np.sin(i / 3) + i ** 2
""",
        None,
    ),
    (
        "fill a matrix",
        "import numpy as np",
        """
A = np.zeros((5, 5))
for i in range(5):
    for j in range(5):
        A[i, j] = 1 / (i + j + 1)
""",
        None,
    ),
    (
        "fill rows of a matrix",
        "import numpy as np\nX = np.arange(12.0).reshape(4, 3)\ncentroids = X[:2]",
        """
distances = np.zeros((X.shape[0], len(centroids)))
for k, c in enumerate(centroids):
    distances[:, k] = np.linalg.norm(X - c, axis=1)
labels = distances.argmin(axis=1)
""",
        None,
    ),
    (
        "list by index",
        "xs = [4, 8, 15, 16, 23, 42]",
        """
scaled = [0] * len(xs)
for i in range(len(xs)):
    scaled[i] = (xs[i] - min(xs)) / (max(xs) - min(xs))
""",
        None,
    ),
    (
        "list changed in place",
        "xs = [4, 8, 15, 16, 23, 42]",
        """
for i in range(len(xs)):
    xs[i] = xs[i] * 2
""",
        None,
    ),
    (
        "array changed in place",
        "import numpy as np\nimg = np.arange(12).reshape(3, 4)",
        """
for i in range(img.shape[0]):
    for j in range(img.shape[1]):
        img[i, j] = 255 - img[i, j]
""",
        None,
    ),
    (
        "new column by rows",
        PANDAS,
        """
titanic['Family'] = 0
for i in range(len(titanic)):
    titanic.loc[i, 'Family'] = len(titanic['Name'][i].split())
""",
        (3, "titanic"),
    ),
    (
        "column by at",
        SALES,
        """
discount = pd.DataFrame(index=sales.index, columns=['rate'])
for i, units in enumerate(sales['units']):
    discount.at[i, 'rate'] = 0.1 if units > 20 else 0.0
""",
        None,
    ),
    (
        "loc of another frame",
        SALES,
        """
totals = pd.DataFrame(0.0, index=['north', 'south', 'east'], columns=['units', 'revenue'])
for region in totals.index:
    part = sales[sales['region'] == region]
    totals.loc[region, 'units'] = part['units'].sum()
    totals.loc[region, 'revenue'] = part['revenue'].sum()
""",
        None,
    ),
    (
        "columns converted",
        PANDAS,
        """
for col in ['Pclass', 'Survived']:
    titanic[col] = titanic[col].astype('category')
""",
        None,
    ),
    (
        "columns filled",
        PANDAS,
        """
for col in ['Age', 'Fare']:
    titanic[col] = titanic[col].fillna(titanic[col].median())
""",
        None,
    ),
    (
        "dummy columns",
        SALES,
        """
features = pd.DataFrame({'units': sales['units']})
for name in ['north', 'south']:
    features['is_' + name] = (sales['region'] == name).astype(int)
""",
        None,
    ),
    (
        "label encoders",
        PANDAS + "from sklearn.preprocessing import LabelEncoder\n",
        """
encoders = {}
codes = {}
for c in ['Sex', 'Embarked']:
    le = LabelEncoder()
    codes[c] = le.fit_transform(titanic[c].astype(str))
    encoders[c] = le
""",
        None,
    ),
    (
        "transpose",
        "matrix = [[1, 2, 3], [4, 5, 6]]",
        """
result = [[0, 0] for _ in range(3)]
for i in range(len(matrix)):
    for j in range(len(matrix[0])):
        result[j][i] = matrix[i][j]
""",
        None,
    ),
    (
        "statistics in nested dict",
        SALES,
        """
stats = {}
for region in sales['region'].unique():
    sub = sales.loc[sales['region'] == region, 'units']
    stats[region] = {}
    stats[region]['mean'] = sub.mean()
    stats[region]['max'] = sub.max()
""",
        None,
    ),
    (
        "sum",
        "prices = [2.5, 3.75, 1.2, 9.99]",
        """
total = 0
for p in prices:
    total += p
print(total)
""",
        None,
    ),
    (
        "mean squared error",
        "import numpy as np\ny_true = np.array([3.0, -0.5, 2.0, 7.0]); y_hat = np.array([2.5, 0.0, 2.0, 8.0])",
        """
error = 0
for i in range(len(y_true)):
    error += (y_true[i] - y_hat[i]) ** 2
mse = error / len(y_true)
""",
        None,
    ),
    (
        "vowels counted",
        "sentence = 'The quick brown fox jumps over the lazy dog'",
        """
vowels = 0
for ch in sentence.lower():
    if ch in 'aeiou':
        vowels = vowels + 1
""",
        None,
    ),
    (
        "text joined",
        "words = ['this', 'is', 'fine']",
        """
sentence = ''
for w in words:
    sentence += w.capitalize() + ' '
""",
        None,
    ),
    (
        "correct answers",
        IRIS,
        """
from sklearn.neighbors import KNeighborsClassifier
model = KNeighborsClassifier(n_neighbors=1).fit(X_train, y_train)
correct = 0
for sample, target in zip(X_test, y_test):
    if model.predict(sample.reshape(1, -1))[0] == target:
        correct += 1
print('accuracy', correct / len(y_test))
""",
        None,
    ),
    (
        "search with break",
        "records = [{'id': 4}, {'id': 8}, {'id': 15}, {'id': 16}]",
        """
found = None
for record in records:
    if record['id'] == 15:
        found = record
        break
""",
        None,
    ),
    (
        "first divisor",
        "",
        """
for candidate in range(1000, 1100):
    if all(candidate % d for d in range(2, int(candidate ** 0.5) + 1)):
        print('first prime:', candidate)
        break
else:
    print('none')
""",
        None,
    ),
    (
        "set of initials",
        "names = ['ann', 'bob', 'abe', 'cat']",
        """
initials = set()
for n in names:
    initials.add(n[0])
""",
        None,
    ),
    (
        "assertions",
        "pairs = [(2, 4), (3, 9), (5, 25)]\ndef square(x):\n    return x * x",
        """
for given, expected in pairs:
    assert square(given) == expected, f'square({given})'
print('all tests pass')
""",
        None,
    ),
    (
        "error of a bad row",
        "rows = ['1,2', '3,4', '5', '7,8']",
        """
table = []
for r in rows:
    a, b = r.split(',')
    table.append((int(a), int(b)))
""",
        None,
    ),
    (
        "models of a dict scored",
        IRIS,
        """
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier
from sklearn.base import clone
candidates = {'knn': KNeighborsClassifier(), 'tree': DecisionTreeClassifier(random_state=0)}
scores = {}
for label in candidates:
    fitted = clone(candidates[label]).fit(X_train, y_train)
    scores[label] = fitted.score(X_test, y_test)
    print(label, round(scores[label], 3))
""",
        None,
    ),
    (
        "correlations",
        SALES + "from scipy import stats\n",
        """
correlations = {}
for a in ['units', 'price']:
    for b in ['price', 'revenue']:
        r, p = stats.pearsonr(sales[a], sales[b])
        correlations[a, b] = r
""",
        None,
    ),
    (
        "moving average",
        "import numpy as np\nprices = np.array([3.0, 4.0, 8.0, 9.0, 1.0, 2.0, 6.0])",
        """
window = 3
averages = []
for i in range(len(prices) - window + 1):
    averages.append(prices[i:i + window].mean())
""",
        None,
    ),
    (
        "attribute counters",
        "class Stats: pass\nstats = Stats(); stats.n = 0; stats.seen = []",
        """
for word in ['a', 'bb', 'a', 'ccc']:
    stats.seen.append(len(word))
""",
        None,
    ),
]

FOR_DEPENDENT: Final[list[Row]] = [
    (
        "fibonacci",
        "",
        """
a, b = 0, 1
for _ in range(10):
    print(a, end=' ')
    a, b = b, a + b
""",
        (3, "a"),
    ),
    (
        "fibonacci in a list",
        "",
        """
fib = [0, 1]
for i in range(2, 12):
    fib.append(fib[i - 1] + fib[i - 2])
""",
        (3, "fib"),
    ),
    (
        "running maximum",
        "values = [3, 9, 2, 14, 8]",
        """
largest = values[0]
for v in values:
    if v > largest:
        largest = v
""",
        (3, "largest"),
    ),
    (
        "compound interest",
        "",
        """
balance = 1000
for year in range(1, 6):
    balance = balance * 1.05
    print(year, round(balance, 2))
""",
        (4, "balance"),
    ),
    (
        "factorial",
        "",
        """
result = 1
for i in range(1, 10):
    result *= i
    print(i, result)
""",
        (4, "result"),
    ),
    (
        "gradient descent",
        "import numpy as np\nX = np.c_[np.ones(5), np.arange(5.0)]; y = 2 * np.arange(5.0) + 1",
        """
theta = np.zeros(2)
history = []
for epoch in range(20):
    grad = 2 / len(y) * X.T @ (X @ theta - y)
    theta = theta - 0.05 * grad
    history.append(np.mean((X @ theta - y) ** 2))
""",
        (4, "theta"),
    ),
    (
        "euler steps",
        "import numpy as np",
        """
t = np.linspace(0, 1, 11)
y = np.zeros(11)
y[0] = 1
for n in range(10):
    y[n + 1] = y[n] - 0.1 * y[n]
""",
        (5, "y"),
    ),
    (
        "previous price",
        "prices = [10, 12, 11, 15]",
        """
previous = None
changes = []
for p in prices:
    if previous is not None:
        changes.append(p - previous)
    previous = p
""",
        (4, "previous"),
    ),
    (
        "lines taken by next",
        "lines = iter(['name: ann', 'age: 31', 'name: bob', 'age: 25'])",
        """
people = []
for _ in range(2):
    name = next(lines).split(': ')[1]
    age = next(lines).split(': ')[1]
    people.append((name, int(age)))
""",
        (3, "lines"),
    ),
    (
        "asked three times",
        "import io, sys\nsys.stdin = io.StringIO('5\\n6\\n7\\n')",
        """
answers = []
for i in range(3):
    answers.append(int(input('number? ')))
""",
        (3, "input"),
    ),
    (
        "stack",
        "",
        """
stack = []
valid = True
for ch in '([]{})[':
    if ch in '([{':
        stack.append(ch)
    elif not stack or stack.pop() + ch not in ('()', '[]', '{}'):
        valid = False
""",
        (6, "stack"),
    ),
    (
        "models fitted in place",
        IRIS,
        """
from sklearn.linear_model import LinearRegression, Ridge
models = [LinearRegression(), Ridge()]
for m in models:
    m.fit(X_train, y_train)
    print(type(m).__name__, round(m.score(X_test, y_test), 4))
""",
        (4, "m"),
    ),
    (
        "partial fits",
        IRIS + "from sklearn.naive_bayes import GaussianNB\nnb = GaussianNB()\n",
        """
for start in range(0, len(X_train), 10):
    nb.partial_fit(X_train[start:start + 10], y_train[start:start + 10], classes=[0, 1, 2])
""",
        (2, "nb"),
    ),
    (
        "frame grown by concat",
        SALES,
        """
out = pd.DataFrame()
for region in ['north', 'south']:
    out = pd.concat([out, sales[sales['region'] == region]])
""",
        (3, "out"),
    ),
    (
        "columns dropped in place",
        PANDAS,
        """
for c in ['Name', 'PassengerId']:
    titanic.drop(columns=c, inplace=True)
""",
        (2, "titanic"),
    ),
    (
        "bubble sort",
        "xs = [5, 2, 9, 1, 7]",
        """
for i in range(len(xs)):
    for j in range(len(xs) - 1 - i):
        if xs[j] > xs[j + 1]:
            xs[j], xs[j + 1] = xs[j + 1], xs[j]
""",
        (4, "xs"),
    ),
    (
        "seen before",
        "emails = ['a@x.org', 'b@x.org', 'a@x.org']",
        """
unique = []
for e in emails:
    if e not in unique:
        unique.append(e)
""",
        (3, "unique"),
    ),
    (
        "counter in a global",
        "calls = 0\ndef fetch(n):\n    global calls\n    calls += 1\n    return n * calls",
        """
results = []
for n in range(4):
    results.append(fetch(n))
""",
        (3, "fetch"),
    ),
    (
        "memo in a dict",
        "memo = {}\ndef fib(n):\n    if n < 2:\n        return n\n    if n not in memo:\n        memo[n] = fib(n - 1) + fib(n - 2)\n    return memo[n]",
        """
for i in range(12):
    print(i, fib(i))
""",
        (2, "fib"),
    ),
    (
        "log file appended",
        TEXT_FILES,
        """
for step in range(3):
    with open('log.txt', 'a') as f:
        f.write(f'INFO step {step}\\n')
""",
        (2, "open"),
    ),
    (
        "collatz",
        "n = 12",
        """
steps = []
for _ in range(30):
    if n == 1:
        break
    n = n // 2 if n % 2 == 0 else 3 * n + 1
    steps.append(n)
""",
        (3, "n"),
    ),
    (
        "bank object",
        "class Bank:\n    def __init__(self):\n        self.total = 0\n    def pay(self, x):\n        self.total += x\n        return self.total\nbank = Bank()",
        """
for amount in [10, -3, 8]:
    print(bank.pay(amount))
""",
        (2, "bank"),
    ),
]

FOR_RANDOM: Final[list[Row]] = [
    (
        "dice",
        "import random\nrandom.seed(1)",
        """
rolls = []
for _ in range(10):
    rolls.append(random.randint(1, 6))
""",
        (3, "random.randint"),
    ),
    (
        "pi",
        "import random\nrandom.seed(1)",
        """
inside = 0
for i in range(200):
    x, y = random.random(), random.random()
    if x ** 2 + y ** 2 < 1:
        inside += 1
print(4 * inside / 200)
""",
        (3, "random.random"),
    ),
    (
        "bootstrap",
        "import numpy as np\nnp.random.seed(0)\ndata = np.arange(20.0)",
        """
means = np.empty(30)
for i in range(30):
    sample = np.random.choice(data, size=len(data))
    means[i] = np.mean(sample)
""",
        (3, "np.random.choice"),
    ),
    (
        "random walk",
        "import numpy as np\nrng = np.random.default_rng(0)",
        """
ends = []
for walk in range(8):
    steps = rng.choice([-1, 1], size=25)
    ends.append(steps.sum())
""",
        (3, "rng"),
    ),
    (
        "game two calls deep",
        "import random\nrandom.seed(2)\ndef roll():\n    return random.randint(1, 6)\ndef play():\n    return roll() + roll()",
        """
games = []
for g in range(12):
    games.append(play())
""",
        (3, "play"),
    ),
    (
        "shuffled split",
        IRIS + "np.random.seed(0)\nfrom sklearn.neighbors import KNeighborsClassifier\n",
        """
scores = []
for trial in range(5):
    order = np.random.permutation(len(X))
    half = len(X) // 2
    knn = KNeighborsClassifier().fit(X[order[:half]], y[order[:half]])
    scores.append(knn.score(X[order[half:]], y[order[half:]]))
""",
        (3, "np.random.permutation"),
    ),
]

FOR_PLOTS: Final[list[Row]] = [
    (
        "sine curves",
        PLOTS,
        """
for k in range(1, 4):
    plt.plot(x, np.sin(k * x), label=f'k={k}')
plt.legend();
""",
        (2, "plt.plot"),
    ),
    (
        "subplots",
        PLOTS,
        """
fig, axes = plt.subplots(2, 2)
for i, ax in enumerate(axes.flat):
    ax.plot(x, x ** i)
    ax.set_title('power %d' % i)
""",
        (3, "ax"),
    ),
    (
        "subplot by number",
        PLOTS,
        """
plt.figure(figsize=(6, 3))
for i in range(3):
    plt.subplot(1, 3, i + 1)
    plt.imshow(np.eye(4) * i, cmap='gray')
    plt.axis('off')
""",
        (3, "plt.subplot"),
    ),
    (
        "scatter by class",
        PLOTS + IRIS,
        """
for label in range(3):
    mask = y == label
    plt.scatter(X[mask, 0], X[mask, 1], s=10, label=iris.target_names[label])
""",
        (3, "plt.scatter"),
    ),
    (
        "histogram per column",
        PLOTS + PANDAS,
        """
for col in ['Age', 'Fare']:
    plt.figure()
    plt.hist(titanic[col].dropna())
    plt.title(col)
    plt.close()
""",
        (2, "plt.figure"),
    ),
    (
        "annotated points",
        PLOTS,
        """
fig, ax = plt.subplots()
names = ['a', 'b', 'c']
for name, px, py in zip(names, [1, 2, 3], [3, 1, 2]):
    ax.annotate(name, (px, py))
""",
        (4, "ax"),
    ),
    (
        "bars with heights",
        PLOTS,
        """
fig, ax = plt.subplots()
bars = ax.bar(['a', 'b'], [3, 5])
for bar in bars:
    bar.set_color('green')
""",
        (4, "bar"),
    ),
    (
        "group lines",
        PLOTS + SALES,
        """
fig, ax = plt.subplots()
for region, g in sales.groupby('region'):
    ax.plot(g['units'].to_numpy(), label=region)
""",
        (3, "ax"),
    ),
    (
        "plot in a function",
        PLOTS + "def draw(n):\n    plt.plot(x, np.cos(n * x))\n",
        """
for n in range(3):
    draw(n)
""",
        (2, "draw"),
    ),
    (
        "ticks",
        PLOTS,
        """
fig, ax = plt.subplots()
for tick in ax.get_xticklabels():
    tick.set_rotation(45)
""",
        (3, "tick"),
    ),
    (
        "pandas plots",
        PLOTS + SALES,
        """
fig, ax = plt.subplots()
for p in ['pen', 'ink']:
    sales[sales['product'] == p].plot(x='date', y='units', ax=ax, label=p)
""",
        (3, "sales[sales['product'] == p].plot"),
    ),
    (
        "axes by position",
        PLOTS,
        """
fig, axs = plt.subplots(1, 3)
for i in range(3):
    axs[i].hist(np.sin(x * i), bins=5)
""",
        (3, "axs[i]"),
    ),
]

# -- comprehensions and calls ------------------------------------------------------------------------------------------

LISTS: Final[list[Row]] = [
    ("squares", "", "squares = [i ** 2 for i in range(10)]", None),
    ("even numbers", "", "[n for n in range(20) if n % 2 == 0]", None),
    ("word lengths", REVIEWS, "lengths = [len(w) for w in reviews[0].split()]", None),
    (
        "lower case without stop words",
        REVIEWS,
        "words = [w.lower().strip(string.punctuation) for r in reviews for w in r.split() if w.lower() not in stopwords]",
        None,
    ),
    ("columns of a kind", PANDAS, "numeric = [c for c in titanic.columns if titanic[c].dtype != 'object']", None),
    ("columns with missing values", PANDAS, "cols = [col for col in titanic if titanic[col].isnull().any()]", None),
    ("titles", PANDAS, "titanic['Title'] = [n.split(', ')[1].split('.')[0] for n in titanic['Name']]", None),
    ("means of groups", SALES, "means = [g['units'].mean() for _, g in sales.groupby('region')]", None),
    ("rows as text", SALES, "texts = [f'{r.region}: {r.units}' for r in sales.itertuples(index=False)]", None),
    ("row totals", SALES, "totals = [row['units'] * row['price'] for i, row in sales.iterrows()]", None),
    ("zipped product", "a = [1, 2, 3]; b = [4, 5, 6]", "dot = sum([x * y for x, y in zip(a, b)])", None),
    ("matrix", "", "table = [[i * j for j in range(1, 5)] for i in range(1, 5)]", None),
    ("flatten", "matrix = [[1, 2], [3, 4], [5, 6]]", "[x for row in matrix for x in row]", None),
    ("file names", TEXT_FILES, "files = [f for f in os.listdir('data') if f.endswith('.json')]", None),
    ("stems", TEXT_FILES, "stems = sorted([p.stem.upper() for p in data_dir.glob('*.txt')])", None),
    ("numbers of a file", TEXT_FILES, "oslo = [float(line) for line in open('data/oslo.txt')]", None),
    ("read files", TEXT_FILES, "records = [json.loads(p.read_text()) for p in sorted(data_dir.glob('*.json'))]", None),
    (
        "parsed dates",
        "from datetime import datetime\ndays = ['2024-01-31', '2024-02-29']",
        "dates = [datetime.strptime(d, '%Y-%m-%d') for d in days]",
        None,
    ),
    (
        "function of the notebook",
        "import math\ndef area(r):\n    return math.pi * r ** 2",
        "areas = [area(r) for r in [1, 2.5, 4]]",
        None,
    ),
    ("conditional value", "marks = [35, 80, 62, 49]", "grades = ['pass' if m >= 50 else 'fail' for m in marks]", None),
    (
        "scores of k",
        IRIS + "from sklearn.neighbors import KNeighborsClassifier\n",
        "scores = [KNeighborsClassifier(k).fit(X_train, y_train).score(X_test, y_test) for k in range(1, 7)]",
        None,
    ),
    (
        "cross validated depths",
        IRIS + "from sklearn.tree import DecisionTreeClassifier\nfrom sklearn.model_selection import cross_val_score\n",
        "cv = [cross_val_score(DecisionTreeClassifier(max_depth=d, random_state=0), X, y, cv=3).mean() for d in (1, 2, 3)]",
        None,
    ),
    (
        "array of values",
        "import numpy as np\nxs = np.linspace(0, 1, 6)",
        "ys = np.array([np.exp(-x) if x > 0.3 else 1.0 for x in xs])",
        None,
    ),
    (
        "distances",
        "import numpy as np\nP = np.arange(8.0).reshape(4, 2)",
        "D = np.array([[np.linalg.norm(p - q) for q in P] for p in P])",
        None,
    ),
    ("enumerated", "letters = 'abcde'", "pairs = [(i, c.upper()) for i, c in enumerate(letters) if i % 2 == 0]", None),
    (
        "items of a dict",
        "stock = {'pen': 3, 'ink': 0, 'pad': 8}",
        "sold_out = [k for k, v in stock.items() if v == 0]",
        None,
    ),
    (
        "matches",
        "import re\ntext = 'a1 b22 c333'",
        "numbers = [int(m.group()) for m in re.finditer(r'\\d+', text)]",
        None,
    ),
    ("chunks", "xs = list(range(11))", "chunks = [xs[i:i + 4] for i in range(0, len(xs), 4)]", None),
    ("frame of rows", SALES, "pd.DataFrame([{'region': r, 'n': len(g)} for r, g in sales.groupby('region')])", None),
    ("prefixes", "import itertools", "codes = [''.join(p) for p in itertools.product('ab', repeat=3)]", None),
    (
        "objects",
        "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: float\n    y: float = 0",
        "points = [Point(i, i ** 2) for i in range(4)]",
        None,
    ),
    ("printed numbers", "", "[print(i) for i in range(3)]", None),
    ("progress", "from tqdm import tqdm", "doubles = [2 * i for i in tqdm(range(5), disable=True)]", None),
    ("lower case columns", SALES, "sales.columns = [c.strip().lower().replace(' ', '_') for c in sales.columns]", None),
    (
        "fields of records",
        'import json\nlines = [\'{"a": 1}\', \'{"a": 5, "b": 2}\']',
        "field = [json.loads(line).get('b', 0) for line in lines]",
        None,
    ),
    (
        "split lines",
        "text = 'x,y\\n1,2\\n3,4\\n'",
        "rows = [[float(v) for v in line.split(',')] for line in text.splitlines()[1:]]",
        None,
    ),
    (
        "colours of labels",
        IRIS,
        "palette = {0: 'red', 1: 'green', 2: 'blue'}\ncolours = [palette[label] for label in y_test]",
        None,
    ),
    ("bigrams", REVIEWS, "bigrams = [(a, b) for r in reviews for a, b in zip(r.split(), r.split()[1:])]", None),
    (
        "mean of slices",
        "import numpy as np\nsignal = np.sin(np.arange(40.0))",
        "means = [signal[i:i + 8].mean() for i in range(0, len(signal), 8)]",
        None,
    ),
    (
        "keys sorted",
        "stock = {'pen': 3, 'ink': 0, 'pad': 8}",
        "ranking = [f'{k}={stock[k]}' for k in sorted(stock, key=stock.get)]",
        None,
    ),
    (
        "attribute of objects",
        "from types import SimpleNamespace\nusers = [SimpleNamespace(name=n, age=a) for n, a in [('ann', 31), ('bob', 17)]]",
        "adults = [u.name for u in users if u.age >= 18]",
        None,
    ),
    (
        "taylor terms",
        "import math",
        "terms = [(-1) ** k * 0.5 ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(8)]",
        None,
    ),
    (
        "values of a pivot",
        SALES,
        "shares = [round(v / sales['revenue'].sum(), 3) for v in sales.groupby('region')['revenue'].sum().values]",
        None,
    ),
    (
        "random numbers",
        "import random\nrandom.seed(5)",
        "sample = [random.random() for _ in range(6)]",
        (1, "random.random"),
    ),
    (
        "normal samples",
        "import numpy as np\nnp.random.seed(0)",
        "samples = [np.random.normal(m, 1, 5).mean() for m in range(4)]",
        (1, "np.random.normal"),
    ),
    ("lines drawn", PLOTS, "lines = [plt.axhline(v) for v in (0.2, 0.5)]\nlen(lines)\ndel lines", (1, "plt.axhline")),
    ("popped", "queue = [3, 1, 2, 5]", "first = [queue.pop() for _ in range(2)]", (1, "queue")),
]

GENERATORS: Final[list[Row]] = [
    ("sum of squares", "", "total = sum(i * i for i in range(1, 101))", None),
    ("longest word", REVIEWS, "longest = max((w for r in reviews for w in r.split()), key=len)", None),
    ("joined", REVIEWS, "acronym = '.'.join(r[0].upper() for r in reviews)", None),
    ("any long", REVIEWS, "has_long = any(len(r) > 40 for r in reviews)", None),
    (
        "dict of pairs",
        "keys = ['a', 'b']; values = [1, 2]",
        "lookup = dict((k.upper(), v ** 2) for k, v in zip(keys, values))",
        None,
    ),
    ("lines with errors", TEXT_FILES, "n_errors = sum(1 for line in open('log.txt') if 'ERROR' in line)", None),
    (
        "random draws",
        "import random\nrandom.seed(3)",
        "hits = sum(random.random() < 0.5 for _ in range(50))",
        (1, "random.random"),
    ),
]

DICTS: Final[list[Row]] = [
    ("squares", "", "{n: n ** 2 for n in range(6)}", None),
    ("inverted", "codes = {'no': 'Norway', 'pe': 'Peru'}", "names = {v: k for k, v in codes.items()}", None),
    ("means of columns", SALES, "means = {c: sales[c].mean() for c in ['units', 'price', 'revenue']}", None),
    ("groups", SALES, "parts = {region: g.drop(columns='region') for region, g in sales.groupby('region')}", None),
    (
        "nested",
        "cities = ['oslo', 'rome']",
        "distances = {a: {b: abs(len(a) - len(b)) for b in cities if b != a} for a in cities}",
        None,
    ),
    ("counted", REVIEWS, "{w: reviews[3].lower().split().count(w) for w in ['too', 'much']}", None),
    ("word index", REVIEWS, "word_index = {w: i for i, w in enumerate(sorted(set(' '.join(reviews).split())))}", None),
]

MAPS: Final[list[Row]] = [
    ("numbers of text", "raw = '3 1 4 1 5'.split()", "numbers = list(map(int, raw))", None),
    ("lambda over two lists", "a = [1, 2, 3]; b = [10, 20, 30]", "sums = list(map(lambda x, y: x + y, a, b))", None),
    ("strip", "lines = [' a ', 'b ', ' c']", "clean = list(map(str.strip, lines))", None),
    ("filter", "ages = [12, 33, 17, 45]", "adults = list(filter(lambda a: a >= 18, ages))", None),
]

SETS: Final[list[Row]] = [
    ("extensions", TEXT_FILES, "extensions = {p.suffix for p in data_dir.iterdir()}", None),
    ("remainders", "", "remainders = {n * n % 7 for n in range(20)}", None),
]

FOR_LOOPS: Final = [*FOR_PRINTS, *FOR_LISTS, *FOR_ITEMS, *FOR_DEPENDENT, *FOR_RANDOM, *FOR_PLOTS]
#: All of them, by the kind of their first site.
NOTEBOOK_CELLS: Final = {
    "for": FOR_LOOPS,
    "list": LISTS,
    "generator": GENERATORS,
    "dict": DICTS,
    "map": MAPS,
    "set": SETS,
}
