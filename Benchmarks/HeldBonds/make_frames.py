#!/usr/bin/env python3
"""Dynamics of alanine dipeptide with its bonds to hydrogen held (SHAKE): the frames of datasets/alanine, made once more with constraints.

System: datasets/alanine/system.xml with each spring of a bond to hydrogen replaced by a constraint at the spring's length, which is what
OpenMM's constraints=HBonds does. Runs as in datasets/make_alanine.py, 2 fs in place of 1 fs, started from its frames:
  held-left.nc   16 runs of 0.6 ns from the alpha-L basin, a frame every 0.6 ps
  held-beta.nc    2 runs of 8 ns from the beta basin, a frame every 1 ps
  held.xml       the System with the constraints and without the springs

usage: .deps/checks/bin/python Benchmarks/HeldBonds/make_frames.py --output FOLDER [--scale tiny]
Takes about 15 minutes of one core.
"""
import argparse
import multiprocessing
import pathlib

import mdtraj
import numpy as np
import openmm
from openmm import unit

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "datasets" / "alanine"
TEMPERATURE, FRICTION, TIMESTEP = 300.0, 1.0, 0.002
SCALES = {"full": ((16, 600.0, 0.6), (2, 8000.0, 1.0)), "tiny": ((2, 6.0, 0.6), (2, 6.0, 1.0))}


def held_system():
    """The shipped System with its bonds to hydrogen as constraints."""
    system = openmm.XmlSerializer.deserialize((DATA / "system.xml").read_text())
    index = next(n for n, force in enumerate(system.getForces()) if isinstance(force, openmm.HarmonicBondForce))
    springs, kept = system.getForce(index), openmm.HarmonicBondForce()
    for bond in range(springs.getNumBonds()):
        first, second, length, constant = springs.getBondParameters(bond)
        if min(system.getParticleMass(atom).value_in_unit(unit.dalton) for atom in (first, second)) < 2:
            system.addConstraint(first, second, length)
        else:
            kept.addBond(first, second, length, constant)
    system.removeForce(index)
    system.addForce(kept)
    return system


def run(task):
    """Frames [n, 22, 3] / nm of one run."""
    xml, start, duration, stride, seed = task
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, FRICTION, TIMESTEP)
    integrator.setConstraintTolerance(1e-7)
    integrator.setRandomNumberSeed(seed)
    context = openmm.Context(
        openmm.XmlSerializer.deserialize(xml), integrator, openmm.Platform.getPlatformByName("Reference")
    )
    context.setPositions(start)
    context.applyConstraints(1e-7)
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=20)
    context.setVelocitiesToTemperature(TEMPERATURE, seed)
    integrator.step(round(min(5.0, duration / 4) / TIMESTEP))
    frames = []
    for _ in range(round(duration / stride)):
        integrator.step(round(stride / TIMESTEP))
        frames.append(context.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer))
    return np.array(frames, dtype=np.float32)


def main():
    parser = argparse.ArgumentParser(description="dynamics of alanine dipeptide with held bonds to hydrogen")
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--scale", choices=SCALES, default="full")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    xml = openmm.XmlSerializer.serialize(held_system())
    (options.output / "held.xml").write_text(xml)
    for number, (name, (runs, duration, stride)) in enumerate(zip(("left", "beta"), SCALES[options.scale])):
        shipped = mdtraj.load(DATA / f"alanine-{name}.nc", top=DATA / "alanine.pdb")
        # the first frame of each of the shipped runs: in its basin
        starts = shipped.xyz[:: len(shipped) // runs][:runs].astype(float)
        tasks = [(xml, start, duration, stride, 1000 * (number + 1) + k) for k, start in enumerate(starts)]
        if options.processes > 1:
            with multiprocessing.Pool(options.processes) as pool:
                parts = pool.map(run, tasks, chunksize=1)
        else:
            parts = list(map(run, tasks))
        frames = np.concatenate(parts)
        path = options.output / f"held-{name}.nc"
        times = (np.arange(len(frames), dtype=np.float32) + 1) * stride
        with mdtraj.formats.NetCDFTrajectoryFile(str(path), "w", force_overwrite=True) as file:
            file.write(coordinates=frames * 10, time=times)
        trajectory = mdtraj.Trajectory(frames, shipped.topology)
        phi = mdtraj.compute_dihedrals(trajectory, [[4, 6, 8, 14]], periodic=False)[:, 0]
        print(f"{path}: {len(frames)} frames, {100 * np.mean((phi > 0) & (phi < 2)):.1f} % with 0 < phi < 2 rad")


if __name__ == "__main__":
    main()
