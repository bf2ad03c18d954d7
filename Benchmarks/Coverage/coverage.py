#!/usr/bin/env python3
"""Holds the 95 % intervals of dF of many runs that differ in their seeds against a reference: how many hold it, how far the numbers scatter,
and what their own errors say. Stages are told by their names without the cell: boltzmann, traced, audited, umbrella.

usage: .deps/checks/bin/python Benchmarks/Coverage/coverage.py runs/coverage --reference 3.833 --error 0.007
"""
import argparse
import collections
import pathlib
import sys

import h5py
import numpy as np
from scipy import stats

words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
words.add_argument("run", type=pathlib.Path)
words.add_argument("--reference", type=float, required=True, help="dF in kT")
words.add_argument("--error", type=float, default=0.0, help="its standard error: it is added to each interval's own, in squares")
given = words.parse_args()

found = collections.defaultdict(list)
for path in sorted(given.run.glob("*@*.h5")):
    if ".ckpt-" in path.name or ".part-" in path.name:
        continue
    with h5py.File(path) as file:
        if "results" not in file or "delta_f_standard_error" not in file["results"]:
            continue  # frames, emulators, samples
        value, error = (file["results"].get(name, np.array(np.nan))[()] for name in ("delta_f", "delta_f_standard_error"))
        if np.shape(value) != ():
            continue  # of several temperatures
        if "delta_f_interval" in file["results"]:
            low, high = file["results/delta_f_interval"][:]
        else:  # umbrella sampling
            low, high = value - 1.96 * error, value + 1.96 * error
    found[path.name.partition("@")[0]].append((value, error, low, high))
if not found:
    sys.exit(f"{given.run} has no finished stage with a dF and an interval")

print(f"reference {given.reference} +- {given.error} kT; intervals widened by the reference's own error")
print(f"{'stage':12} {'runs':>4} {'no dF':>5} {'mean':>7} {'spread':>7} {'stated':>7} {'bias / its error':>17} {'hold it':>9} {'of 100 (95 %)':>16}")
for name, rows in found.items():
    value, error, low, high = np.array(rows).T
    finite = np.isfinite([value, error, low, high]).all(axis=0)
    value, error, low, high = value[finite], error[finite], low[finite], high[finite]
    # an interval's ends move out by what the reference does not know
    wide = lambda half: np.hypot(half, 1.96 * given.error)
    holds = (value - wide(value - low) <= given.reference) & (given.reference <= value + wide(high - value))
    inside, runs = int(holds.sum()), len(value)
    if runs < 2:
        print(f"{name:12} {runs:4d} {len(finite) - runs:5d}  too few for a spread")
        continue
    share = stats.binomtest(inside, runs).proportion_ci(method="exact")
    bias, its = value.mean() - given.reference, np.hypot(value.std(ddof=1) / np.sqrt(runs), given.error)
    print(f"{name:12} {runs:4d} {len(finite) - runs:5d} {value.mean():7.3f} {value.std(ddof=1):7.3f} {np.sqrt(np.mean(error**2)):7.3f} "
          f"{bias:+8.3f} / {its:5.3f} {inside:5d}/{runs:<3d} {100 * inside / runs:5.1f} ({100 * share[0]:.0f} to {100 * share[1]:.0f})")
