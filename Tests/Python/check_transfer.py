#!/usr/bin/env python3
"""Checks what a run of pipelines/transfer-quick.yaml wrote, by MDTraj, OpenMM and NumPy.

usage: .deps/checks/bin/python Tests/Python/check_transfer.py RUN_FOLDER --datasets datasets/dipeptides
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
        sys.exit(f"check_transfer: {what}")


def context(folder):
    system = openmm.XmlSerializer.deserialize((folder / "system.xml").read_text())
    return openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))


def forces_of(where, positions):
    where.setPositions(positions * unit.nanometer)
    return where.getState(getForces=True).getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)


def energy_of(where, positions):
    where.setPositions(positions * unit.nanometer)
    return where.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)


parser = argparse.ArgumentParser()
parser.add_argument("run", type=pathlib.Path)
parser.add_argument("--datasets", type=pathlib.Path, required=True)
arguments = parser.parse_args()

# forces that `ingest` kept are OpenMM's own
kept = sorted(arguments.run.glob("frames@*.h5"))
check(len(kept) >= 4, f"{len(kept)} frames@*.h5")
for path in kept:
    name = path.stem.split("@")[1]
    there = context(arguments.datasets / name)
    with h5py.File(path) as file:
        positions, forces = file["coordinates"], file["forces"]
        check(positions.shape == forces.shape, f"{name}: {positions.shape} positions, {forces.shape} forces")
        check(abs(file["results/forces_temperature"][()] - TEMPERATURE) < 1e-9, f"{name}: temperature of the forces")
        for frame in np.linspace(0, len(positions) - 1, 5).astype(int):
            own = forces_of(there, positions[frame].astype(float))
            worst = np.abs(own - forces[frame]).max() / np.abs(own).max()
            check(worst < 1e-4, f"{name}, frame {frame}: forces differ by {worst:.1e} of the largest")

# molecules that were never simulated: their own atoms, bonds and hands, energies of the force field
drawn = sorted(arguments.run.glob("fresh@*.h5"))
trained = {path.stem.split("@")[1] for path in kept}
check(len(drawn) >= 2, f"{len(drawn)} fresh@*.h5")
for path in drawn:
    name = path.stem.split("@")[1]
    check(name not in trained and not (arguments.run / f"md@{name}.h5").exists(), f"{name} was simulated")
    samples = mdtraj.load(str(path))
    reference = mdtraj.load(str(arguments.datasets / name / "topology.pdb"))
    check([a.name for a in samples.topology.atoms] == [a.name for a in reference.topology.atoms], f"{name}: atoms")
    pairs = [(bond[0].index, bond[1].index) for bond in samples.topology.bonds]
    lengths, standard = mdtraj.compute_distances(samples, pairs), mdtraj.compute_distances(reference, pairs)
    off = np.abs(lengths / standard - 1)
    # thermal motion leaves every bond within a third of its length
    check(np.mean(off.max(axis=1) > 0.3) < 0.02, f"{name}: {np.mean(off.max(axis=1) > 0.3):.3f} of the samples have a broken bond")
    for residue in samples.topology.residues:
        atoms = {atom.name: atom.index for atom in residue.atoms}
        if residue.name == "GLY":
            continue
        n, ca, c, cb = (samples.xyz[:, atoms[x]] for x in ("N", "CA", "C", "CB"))
        hand = np.einsum("ij,ij->i", np.cross(n - ca, c - ca), cb - ca)
        check(np.all(hand > 0), f"{name}: {np.sum(hand <= 0)} samples have a {residue.name} of the other hand")
    with h5py.File(arguments.run / f"traced@{name}.h5") as file, h5py.File(path) as own:
        energies, positions = file["energies"], own["coordinates"]
        there = context(arguments.datasets / name)
        for frame in np.linspace(0, len(positions) - 1, 5).astype(int):
            mine = energy_of(there, positions[frame])
            check(abs(mine - energies[frame]) < 1e-3 * max(1, abs(mine)), f"{name}, frame {frame}: energy {energies[frame]}, OpenMM {mine}")
        weights = np.exp(file["log_weights"][()])
        check(abs(weights.sum() - 1) < 1e-6, f"{name}: weights add up to {weights.sum()}")
        ess = 1 / np.sum(weights**2)
        check(abs(ess / len(weights) - file["results/ess_fraction"][()]) < 1e-6, f"{name}: effective samples {ess}")
        print(f"{name}: {len(weights)} samples of a molecule that was never simulated, {ess:.0f} effective")
print("check_transfer: all well")
