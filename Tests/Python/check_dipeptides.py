#!/usr/bin/env python3
"""Checks what a run of pipelines/dipeptides-quick.yaml wrote, by MDTraj, OpenMM and NumPy.

usage: .deps/checks/bin/python Tests/Python/check_dipeptides.py RUN_FOLDER --datasets datasets/dipeptides
"""
import argparse
import pathlib
import sys

import h5py
import mdtraj
import numpy as np
import openmm
from openmm import unit

TEMPERATURE = 310.0
KT = 0.00831446261815324 * TEMPERATURE


def check(condition, what):
    if not condition:
        sys.exit(f"check_dipeptides: {what}")


def distance(a, b, weights_a, weights_b):
    """2-Wasserstein distance on the line: both quantile functions on the union of their steps."""
    orders = [np.argsort(a, kind="stable"), np.argsort(b, kind="stable")]
    sums = [np.cumsum(w[o]) / w.sum() for w, o in zip((weights_a, weights_b), orders)]
    levels = np.union1d(*sums)
    levels = levels[levels > 0]
    middle = levels - np.diff(np.concatenate([[0.0], levels])) / 2
    values = [
        v[o][np.minimum(np.searchsorted(s, middle), len(v) - 1)] for v, o, s in zip((a, b), orders, sums)
    ]
    return np.sqrt(np.sum(np.diff(np.concatenate([[0.0], levels])) * (values[0] - values[1]) ** 2))


def inside(phi):
    return (phi > 0) & (phi < 2)


def sides(weighted):
    """Which samples of a reweighting lie in the state, and which outside."""
    within = inside(weighted["results/torsions/phi"][:])
    return within, ~within


def cells(phi, psi):
    """Cells of 30 degrees in both torsions, cut at the state's borders."""
    place = [np.floor(np.mod(angle / (2 * np.pi), 1) * 12).astype(int) % 12 for angle in (phi, psi)]
    return (inside(phi) * 12 + place[0]) * 12 + place[1]


def umbrella_shares(umbrella):
    """Share of each cell by the umbrella's weights: every n-th sample of a walk, as many as 40,000 allow."""
    names = [name.decode() if isinstance(name, bytes) else name for name in umbrella["torsion_names"][:]]
    check(names[:2] == ["phi", "psi"], f"umbrella torsions {names}")
    angles = umbrella["torsions"][:][..., :2]
    free = umbrella["results/window_free_energy"][:]
    used = np.isfinite(free)
    directions, windows, samples, _ = angles.shape
    stride = max(1, directions * used.sum() * samples // 40_000)
    number = np.arange(directions * windows * samples)
    kept = used[number // samples % windows] & (number % stride == 0)
    angles = angles.reshape(-1, 2)[kept]
    away = np.mod(angles[:, None, :] - umbrella["centers"][:][used] + np.pi, 2 * np.pi) - np.pi
    bias = 0.5 * (umbrella["force_constants"][:] / KT * away**2).sum(axis=-1)
    weights = 1 / np.exp(free[used] - bias).sum(axis=1)
    return np.bincount(cells(angles[:, 0], angles[:, 1]), weights / weights.sum(), 288)


def main():
    parser = argparse.ArgumentParser(description="checks a run of dipeptides-quick.yaml")
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--datasets", type=pathlib.Path, required=True)
    options = parser.parse_args()
    names = sorted(path.stem.split("@")[1] for path in options.run.glob("md@*.h5"))
    check(len(names) == 2, f"simulations of {names}")
    for name in names:
        folder = options.datasets / name
        top = mdtraj.load(str(folder / "topology.pdb")).topology
        simulated = mdtraj.load(str(options.run / f"md@{name}.h5"))
        exported = mdtraj.load(str(options.run / f"md@{name}.nc"), top=top)
        check(np.abs(simulated.xyz - exported.xyz).max() < 2e-6, f"{name}: md.nc is not md.h5")
        check(np.allclose(simulated.time, exported.time), f"{name}: times of md.nc")

        artifact = h5py.File(options.run / f"md@{name}.h5")
        system = openmm.XmlSerializer.deserialize((folder / "system.xml").read_text())
        context = openmm.Context(
            system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
        for frame in range(0, simulated.n_frames, simulated.n_frames // 10):
            context.setPositions(simulated.xyz[frame].astype(float))
            energy = context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
            stored = artifact["energies"][frame]
            check(abs(energy - stored) < 1e-6 * abs(energy), f"{name}: energy of frame {frame}: {stored}, OpenMM {energy}")

        phi = artifact["results/torsions/phi"][:]
        check(inside(phi[0]) and not inside(phi[-1]), f"{name}: the runs do not begin in both states")
        atoms = [int(i) for i in artifact["results/torsions/phi"].attrs["atoms"].split(b"," if isinstance(
            artifact["results/torsions/phi"].attrs["atoms"], bytes) else ",")]
        check(np.abs(mdtraj.compute_dihedrals(simulated, [atoms])[:, 0] - phi).max() < 1e-4, f"{name}: phi")

        weighted = h5py.File(options.run / f"boltzmann@{name}.h5")
        umbrella = h5py.File(options.run / f"umbrella@{name}.h5")
        compared = h5py.File(options.run / f"distance@{name}.h5")
        share = 1 / (1 + np.exp(umbrella["results/delta_f"][()]))
        mine = np.exp(weighted["log_weights"][:])
        place = cells(phi, artifact["results/torsions/psi"][:])
        shares = umbrella_shares(umbrella)
        theirs = shares[place] / np.bincount(place, minlength=288)[place]
        for side, part in ((inside(phi), share), (~inside(phi), 1 - share)):
            theirs[side] *= part / theirs[side].sum()
        coverage = shares[np.unique(place)].sum()
        check(abs(compared["results/e_w2_coverage"][()] - coverage) < 1e-6, f"{name}: coverage {coverage}")
        keep = mine > 0
        expected = distance(
            weighted["energies"][:][keep] / KT, artifact["energies"][:] / KT, mine[keep], theirs)
        found = compared["results/e_w2"][()]
        check(abs(found - expected) < 1e-5 * max(1, expected), f"{name}: E-W2 {found}, by NumPy {expected}")
        error = abs(weighted["results/delta_f"][()] - umbrella["results/delta_f"][()])
        found_error = compared["results/delta_f_error"][()]
        # with fewer than ten effective samples on one side there is no free energy
        counts = [mine[side].sum() ** 2 / (mine[side] ** 2).sum() for side in sides(weighted)]
        check(np.isnan(error) == (min(counts) < 10), f"{name}: dF by {counts} effective samples")
        check(np.isnan(found_error) if np.isnan(error) else abs(found_error - error) < 1e-12, f"{name}: error of dF")
        check(compared["results/t_w2"][()] > 0, f"{name}: T-W2")
        print(f"{name}: {simulated.n_frames} frames, E-W2 {found:.3f} kT, dF error {error:.2f} kT: as other programs have it")


if __name__ == "__main__":
    main()
