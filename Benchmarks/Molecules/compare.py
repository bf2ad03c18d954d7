#!/usr/bin/env python3
"""Holds what chain.yaml found against its own dynamics, molecule by molecule: dF of the state by weights, and by counting frames of
the runs (the first fifth of each left out: half of the runs begin in the state), with the error of resampled runs; and against umbrella
sampling of the torsion.

usage: .deps/checks/bin/python Benchmarks/Molecules/compare.py runs/molecules [runs/molecules-longer runs/molecules-acid]
"""
import json
import pathlib
import sys

import h5py
import numpy as np

random = np.random.default_rng(1)
print(f"{'molecule':10} {'atoms':>5} {'changes':>7} {'dynamics / kT':>16} {'umbrella / kT':>16} {'weights / kT':>16} {'sigmas':>11} {'ESS / %':>7} {'cut / %':>7}  warnings")
good = warned = total = 0
for path in [path for folder in sys.argv[1:] for path in sorted(pathlib.Path(folder).glob("traced*.h5"))]:
    # a file of one molecule has no cell in its names: its folder is called after it
    folder, cell = path.parent, path.stem.removeprefix("traced")
    name = cell.removeprefix("@") or folder.name.split("-")[-1]
    with h5py.File(folder / f"md{cell}.h5") as file:
        run, angles = file["results/run"][:], file["results/torsions/t"][:]
        changes, atoms = file["results/runs/transitions"][:].sum(), file["coordinates"].shape[1]
    inside = np.abs(angles) > 2
    shares = []
    for number in np.unique(run):
        frames = inside[run == number]
        shares.append(frames[len(frames) // 5 :].mean())
    shares = np.array(shares)
    delta = lambda share: -np.log(share / (1 - share))
    resampled = [delta(random.choice(shares, len(shares)).mean()) for _ in range(2000)]
    dynamics, error = delta(shares.mean()), np.std(resampled)
    along = along_error = np.nan
    if (folder / f"umbrella{cell}.h5").exists():
        with h5py.File(folder / f"umbrella{cell}.h5") as file:
            along, along_error = file["results/delta_f"][()], file["results/delta_f_standard_error"][()]
    with h5py.File(path) as file:
        weighted, own = file["results/delta_f"][()], file["results/delta_f_standard_error"][()]
        share, cut = file["results/ess_fraction"][()], file["results/ess_fraction_truncated"][()]
        warnings = json.loads(file["provenance/record"][()]).get("warnings", [])
    with h5py.File(folder / f"frames{cell}.h5") as file:  # its words on torsions whose places the dynamics did not sample
        warnings += [w for w in json.loads(file["provenance/record"][()]).get("warnings", []) if "populations are not" in w or "was always" in w]
    sigmas, sharp = abs(weighted - dynamics) / np.hypot(error, own), abs(weighted - along) / np.hypot(along_error, own)
    total += 1
    good += bool(sigmas <= 2)
    warned += bool(not sigmas <= 2 and warnings)
    print(f"{name:10} {atoms:5d} {changes:7d} {dynamics:8.2f} +- {error:4.2f} {along:8.2f} +- {along_error:4.2f} {weighted:8.2f} +- {own:4.2f} {sigmas:5.1f} {sharp:5.1f} {100 * share:7.1f} {100 * cut:7.1f}  "
          + " | ".join(w[:100] for w in warnings))
print(f"{good} of {total} within two errors of the dynamics; {warned} of the others with a warning")
