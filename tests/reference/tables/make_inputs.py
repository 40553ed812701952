"""Write the inputs of run.R: tables, strata, samples and trials, awkward ones among them.

    python make_inputs.py

Numbers come from numpy's default_rng(20261120); the files are committed, and both R and the tests read them.
"""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
rng = np.random.default_rng(20261120)


def text(table):
    return ";".join(",".join(str(int(v)) for v in row) for row in table)


def write(name, header, rows):
    lines = [header, *(" ".join(map(str, row)) for row in rows)]
    (HERE / name).write_text("\n".join(lines) + "\n")


def two_by_two():
    fixed = [
        [[3, 1], [1, 3]], [[12, 5], [3, 14]], [[0, 10], [0, 12]], [[0, 115], [4, 107]], [[5, 0], [0, 7]],
        [[1, 0], [0, 1]], [[19, 97], [36, 75]], [[113, 2], [108, 3]], [[10, 0], [10, 0]], [[30, 1], [2, 40]],
        [[0, 1], [200, 3]], [[500, 500], [430, 570]], [[3, 9997], [15, 9985]], [[2, 8], [8, 2]],
    ]  # fmt: skip
    drawn = []
    for n1, n2, p, q in [(8, 9, 0.3, 0.6), (25, 30, 0.1, 0.3), (116, 111, 0.2, 0.35), (181, 181, 0.05, 0.1)]:
        for _ in range(6):
            a, b = rng.binomial(n1, p), rng.binomial(n2, q)
            drawn.append([[a, n1 - a], [b, n2 - b]])
    return [*fixed, *drawn]


def larger():
    fixed = [
        [[1, 2, 1, 0], [3, 3, 6, 1], [10, 10, 14, 9], [6, 7, 12, 11]],
        [[0, 0, 3], [2, 4, 0]],
        [[3, 0], [0, 3], [2, 2]],
        [[48, 12, 39, 17], [51, 11, 37, 12]],
        [[5, 1, 0, 0], [0, 3, 2, 1]],
    ]
    drawn = []
    for shape, n in [
        ((2, 3), 30),
        ((2, 6), 227),
        ((3, 3), 60),
        ((3, 4), 80),
        ((3, 3), 227),
        ((4, 4), 60),
        ((2, 8), 120),
    ]:
        for skew in (1.0, 4.0):
            share = rng.gamma(1 / skew, size=shape)
            drawn.append(rng.multinomial(n, (share / share.sum()).ravel()).reshape(shape))
    keep = [t for t in map(np.asarray, drawn) if (t.sum(0) > 0).all() and (t.sum(1) > 0).all()]
    return [*fixed, *keep]


def strata():
    sets = []
    for k, size, odds in [(3, 40, 1.0), (8, 12, 2.5), (18, 8, 1.5), (5, 60, 0.4), (2, 10, 3.0)]:
        tables = []
        for _ in range(k):
            n1, n2 = rng.integers(2, size, 2)
            q = rng.uniform(0.15, 0.6)
            p = odds * q / (1 - q + odds * q)
            a, b = rng.binomial(n1, p), rng.binomial(n2, q)
            tables.append([[a, n1 - a], [b, n2 - b]])
        sets.append(tables)
    sets.append([[[2, 3], [0, 4]], [[1, 1], [0, 0]], [[3, 0], [1, 5]]])  # a stratum with an empty arm
    return sets


def larger_strata():
    sets = []
    for r, c, k in [(3, 3, 4), (2, 4, 6), (3, 2, 5), (4, 5, 3)]:
        share = rng.gamma(2.0, size=(r, c))
        share /= share.sum()
        sets.append([rng.multinomial(rng.integers(25, 70), share.ravel()).reshape(r, c) for _ in range(k)])
    return sets


def two_samples():
    cases = []
    for n, m, digits, shift in [
        (6, 7, 6, 0.5), (9, 9, 6, 0.0), (20, 31, 6, 1.0), (49, 49, 6, 0.2), (12, 15, 1, 0.4),
        (30, 30, 0, 0.8), (60, 45, 6, 0.3), (80, 90, 1, 0.2),
        (5, 4, 6, 3.0), (2, 3, 6, 0.0), (51, 20, 6, 0.5),
    ]:  # fmt: skip
        x, y = rng.normal(10 + shift, 1, n).round(digits), rng.normal(10, 1.6, m).round(digits)
        cases.append((x, y))
    return cases


def pairs():
    cases = []
    for n, digits, shift in [
        (7, 6, 0.5),
        (15, 6, 0.0),
        (49, 6, 0.3),
        (60, 6, 0.2),
        (20, 1, 0.3),
        (35, 0, 0.4),
    ]:
        x = rng.normal(5, 1, n).round(digits)
        cases.append((x, (x + rng.normal(shift, 0.8, n)).round(digits)))
    return cases


def groups():
    cases = []
    for sizes, digits in [((8, 9, 10), 6), ((30, 5, 12, 20), 6), ((15, 15, 15), 0), ((40, 37), 3)]:
        cases.append([rng.normal(3 + 0.3 * i, 1 + 0.3 * i, n).round(digits) for i, n in enumerate(sizes)])
    return cases


def trial():
    n = 140
    arm = rng.choice(["AZA", "MMF", "TAC"], n, p=[0.4, 0.35, 0.25])
    site = rng.choice(["a", "b", "c", "d", "e"], n, p=[0.35, 0.3, 0.2, 0.1, 0.05])
    sex = rng.choice(["f", "m"], n, p=[0.85, 0.15])
    base = rng.lognormal(0, 0.6, n)
    dose = np.select([arm == "AZA", arm == "MMF"], [0.0, 1.0], 2.5)
    y = (
        -0.4 * base
        + 0.3 * dose
        + 0.2 * (site == "b")
        + 0.5 * (sex == "m") * (arm == "MMF")
        + rng.normal(0, 0.7, n)
    )
    weight = rng.integers(1, 5, n)
    header = "y,arm,site,sex,base,dose,weight"
    rows = [f"{y[i]:.6f},{arm[i]},{site[i]},{sex[i]},{base[i]:.6f},{dose[i]:g},{weight[i]}" for i in range(n)]
    (HERE / "trial.csv").write_text("\n".join([header, *rows]) + "\n")


write("two_by_two.txt", "table", [(text(t),) for t in two_by_two()])
write("larger.txt", "table", [(text(t),) for t in larger()])
write("strata.txt", "tables", [("|".join(map(text, s)),) for s in strata()])
write("larger_strata.txt", "tables", [("|".join(map(text, s)),) for s in larger_strata()])
write("two_samples.txt", "x y", [tuple(",".join(f"{v:.10g}" for v in s) for s in c) for c in two_samples()])
write("pairs.txt", "x y", [tuple(",".join(f"{v:.10g}" for v in s) for s in c) for c in pairs()])
write("groups.txt", "groups", [("|".join(",".join(f"{v:.10g}" for v in s) for s in c),) for c in groups()])
trial()
