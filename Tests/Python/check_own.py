#!/usr/bin/env python3
"""Checks what docs/own-trajectory.md's run wrote, by MDTraj, OpenMM and NumPy.

usage: .deps/checks/bin/python Tests/Python/check_own.py RUN_FOLDER --data datasets/propanol
"""
import argparse
import pathlib
import sys

import h5py
import mdtraj
import numpy as np
import openmm
from openmm import app, unit

TEMPERATURE = 300.0
KT = 0.00831446261815324 * TEMPERATURE
TORSION = [0, 1, 2, 3]
# umbrella sampling of the torsion in the same force field, 40 ns: see datasets/README.md
REFERENCE, REFERENCE_ERROR = 0.05, 0.04


def check(condition, what):
    if not condition:
        sys.exit(f"check_own: {what}")


def inside(angles):
    return np.abs(angles) > 2


def of_first_atoms(whole, count):
    """The terms of a System among its first `count` atoms; a term that reaches further is an error."""
    part = openmm.System()
    for atom in range(count):
        part.addParticle(whole.getParticleMass(atom))

    def belongs(atoms):
        inside_it = [atom < count for atom in atoms]
        check(all(inside_it) or not any(inside_it), f"a term of atoms {atoms} reaches out of the molecule")
        return all(inside_it)

    for force in whole.getForces():
        kind = type(force)
        copy = kind()
        if kind is openmm.HarmonicBondForce:
            terms = (force.getBondParameters(i) for i in range(force.getNumBonds()))
            [copy.addBond(*term) for term in terms if belongs(term[:2])]
        elif kind is openmm.HarmonicAngleForce:
            terms = (force.getAngleParameters(i) for i in range(force.getNumAngles()))
            [copy.addAngle(*term) for term in terms if belongs(term[:3])]
        elif kind is openmm.PeriodicTorsionForce:
            terms = (force.getTorsionParameters(i) for i in range(force.getNumTorsions()))
            [copy.addTorsion(*term) for term in terms if belongs(term[:4])]
        elif kind is openmm.NonbondedForce:
            [copy.addParticle(*force.getParticleParameters(i)) for i in range(count)]
            terms = (force.getExceptionParameters(i) for i in range(force.getNumExceptions()))
            [copy.addException(*term) for term in terms if belongs(term[:2])]
        elif kind is openmm.GBSAOBCForce:
            [copy.addParticle(*force.getParticleParameters(i)) for i in range(count)]
            copy.setSurfaceAreaEnergy(0)
        else:
            check(False, f"a force that this check does not know: {kind.__name__}")
        part.addForce(copy)
    return part


def springs(system):
    """Atoms, length / nm and constant / kJ mol^-1 nm^-2 of the harmonic bonds."""
    force = next(force for force in system.getForces() if isinstance(force, openmm.HarmonicBondForce))
    for i in range(force.getNumBonds()):
        a, b, length, constant = force.getBondParameters(i)
        yield a, b, length.value_in_unit(unit.nanometer), constant.value_in_unit(unit.kilojoule_per_mole / unit.nanometer**2)


parser = argparse.ArgumentParser()
parser.add_argument("run", type=pathlib.Path)
parser.add_argument("--data", required=True, type=pathlib.Path)
arguments = parser.parse_args()
frames, fresh, traced = (h5py.File(arguments.run / f"{name}.h5") for name in ("frames", "fresh", "traced"))

# the molecule is cut out of its box as MDTraj does it
raw = mdtraj.load([str(arguments.data / f"md{n}.nc") for n in (1, 2)], top=str(arguments.data / "solvated.prmtop"))
raw = raw.atom_slice(raw.topology.select("resname LIG"))
angles = mdtraj.compute_dihedrals(raw, [TORSION], periodic=True)[:, 0]
kept = frames["coordinates"][:]
check(kept.shape == raw.xyz.shape, f"{kept.shape} coordinates, {raw.xyz.shape} in the files")
found = frames["results/torsions/t"][:]
check(np.abs(np.angle(np.exp(1j * (found - angles)))).max() < 2e-3, "the frames' torsions differ from MDTraj's")
population = inside(angles).mean()
check(abs(traced["results/state_populations_trajectory"][0] - population) < 1e-9, "the trajectory's population differs from MDTraj's")

# bonds that SHAKE held move again, as their springs would have them
atoms = kept.shape[1]
check(raw.topology.n_atoms == atoms and raw.topology.atom(0).element.symbol == "C", "the molecule is not where it is expected")
prmtop = app.AmberPrmtopFile(str(arguments.data / "solvated.prmtop"))
system = of_first_atoms(prmtop.createSystem(nonbondedMethod=app.NoCutoff, implicitSolvent=app.OBC2, removeCMMotion=False), atoms)
masses = [system.getParticleMass(i).value_in_unit(unit.dalton) for i in range(atoms)]
for a, b, _, constant in springs(system):
    lengths = np.linalg.norm(kept[:, a] - kept[:, b], axis=1)
    width = np.sqrt(KT / constant)
    held = min(masses[a], masses[b]) < 2
    check(not held or 0.8 < lengths.std() / width < 1.25, f"bond {a}-{b} varies by {lengths.std():.5f} nm, its spring by {width:.5f}")

# energies are those of the molecule alone in GB water; weights follow from them, but for a correction for the noise of the trace
context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
energies, coordinates = traced["energies"][:], fresh["coordinates"][:]
for row in range(0, len(energies), max(1, len(energies) // 50)):
    context.setPositions(coordinates[row].astype(float))
    value = context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
    check(abs(value - energies[row]) < 0.05, f"sample {row}: {energies[row]} kJ/mol, OpenMM says {value}")
log_weights = -energies / KT - traced["log_density"][:]
differences = (log_weights - traced["log_weights"][:])[np.isfinite(log_weights)]
check(np.ptp(differences) < 0.05, "the weights do not follow from energies and densities")
delta, error = traced["results/delta_f"][()], traced["results/delta_f_standard_error"][()]
check(0 < error < 0.3, f"dF has an error of {error} kT")
sigmas = abs(delta - REFERENCE) / np.hypot(error, REFERENCE_ERROR)
print(f"trajectory in water {-np.log(population / (1 - population)):.2f} kT, weighted {delta:.2f} +- {error:.2f} kT, "
      f"umbrella sampling {REFERENCE:.2f} kT, ESS {100 * traced['results/ess_fraction'][()]:.1f} %")
check(sigmas < 3.5, f"dF is {delta:.2f} +- {error:.2f} kT, umbrella sampling has {REFERENCE} +- {REFERENCE_ERROR}")
