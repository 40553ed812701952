"""Writes survival_awkward.csv: a made-up trial with everything that is awkward about survival data.

Heavy ties, left truncation, whole and fractional weights, a stratum of one, a stratum without events, a
center without events, competing causes, and times in months that are days divided by 30.4375.
Run: python tests/reference/survival_awkward.py
"""

import csv
from pathlib import Path

import numpy as np

rng = np.random.default_rng(20261120)
n = 150
arm = rng.integers(0, 2, n)
center = rng.choice(12, n, p=np.array([20, 18, 16, 14, 12, 10, 8, 7, 6, 5, 3, 1]) / 120)
stratum = rng.choice(["A", "B", "C"], n, p=[0.5, 0.3, 0.2])
age = np.round(rng.normal(33, 10, n), 1)
marker = np.round(rng.lognormal(0, 1, n), 3)
effect = rng.gamma(4, 0.25, 12)
hazard = 0.012 * np.exp(-0.6 * arm + 0.02 * (age - 33) + 0.2 * np.log(marker)) * effect[center]
failure = rng.exponential(1 / hazard)
death = rng.exponential(1 / 0.004, n)
censor = rng.uniform(10, 160, n)
day = np.maximum(np.ceil(np.minimum(np.minimum(failure, death), censor) / 3) * 3, 3)  # every third day: ties
cause = np.where(np.minimum(failure, death) > censor, 0, np.where(failure <= death, 1, 2))
entry = np.where(rng.random(n) < 0.4, np.floor(rng.uniform(0, 1, n) * day / 2), 0.0)
stratum[0], cause[0] = "D", 1  # a stratum of one
for i in (1, 2, 3):
    stratum[i], cause[i] = "E", 0  # a stratum without events
cause[center == 11] = 0
whole = rng.integers(1, 4, n)
fractional = np.round(rng.uniform(0.3, 2.5, n), 3)
more = ["marker", "whole", "fractional", "offset"]
offset = np.round(rng.normal(0, 0.3, n), 4)
with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
    out = csv.writer(file, lineterminator="\n")
    out.writerow(["id", "entry", "day", "month", "cause", "event", "arm", "center", "stratum", "age", *more])
    for i in range(n):
        row = [i + 1, entry[i], day[i], day[i] / 30.4375, cause[i], int(cause[i] == 1), arm[i], center[i]]
        out.writerow([*row, stratum[i], age[i], marker[i], whole[i], fractional[i], offset[i]])
