#!/usr/bin/env python3
"""Molecules whose bonds are held, and what OpenMM's constrained dynamics makes of them.

  held/chain.pdb, chain.xml   Br-C-C-Br without hydrogens, all three bonds as constraints: two soft angles, a torsion, and the push of the
                              ends on each other, which couples them
  held/springs.xml            the same with springs of 3e5 kJ/mol/nm2 in place of the constraints
  held/chain.nc               frames of constrained dynamics at 300 K (LangevinMiddle, 2 fs, 5/ps), one every ps
  held/held.json              chain: populations of the torsion in (-1, 1) rad and mean cosines of the angles, from 60 ns of that dynamics with
                              errors of 20 blocks, and by quadrature over angles and torsion of three laws: of the constrained molecule
                              (with sqrt(det Z)), of infinitely stiff springs (without), and of the System with springs, by dynamics
                              paths: positions after 200 steps of 1 fs without friction, of the chain and of methanol with HBonds
                              (cases/constraints-in-system/hbonds.xml), and the positions and velocities they began with

usage: .deps/checks/bin/python Tests/Fixtures/make_held.py      (about 6 minutes)
"""
import json
import pathlib

import mdtraj
import numpy as np
import openmm
from openmm import unit

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "held"
KT = 0.00831446261815324 * 300
MASSES = (79.904, 12.011, 12.011, 79.904)
LENGTHS = ((0, 1, 0.19), (1, 2, 0.15), (2, 3, 0.19))
ANGLE, ANGLE_K = 1.75, 8.0  # rad, kJ/mol/rad2
TORSION = ((1, 3.5, 3.0), (3, 0.0, 1.5))  # n, phase, k
CHARGES = (0.22, 0.0, 0.0, 0.22)
SIGMA, EPSILON = 0.3, 0.4  # of the ends
SPRING = 3e5
COULOMB = 138.935456
STATE = (-1.0, 1.0)


def system(constrained, plain=True):
    """Without `plain` the angles are CustomAngleForce's: OpenMM's constraint solver (CCMA) takes the angles of HarmonicAngleForce for nearly
    constant, and falls apart where they are as soft as here."""
    made = openmm.System()
    for mass in MASSES:
        made.addParticle(mass)
    bonds = openmm.HarmonicBondForce()
    for a, b, length in LENGTHS:
        if constrained:
            made.addConstraint(a, b, length)
        else:
            bonds.addBond(a, b, length, SPRING)
    angles = openmm.HarmonicAngleForce() if plain else openmm.CustomAngleForce(f"{ANGLE_K / 2}*(theta-{ANGLE})^2")
    for atoms in ((0, 1, 2), (1, 2, 3)):
        angles.addAngle(*atoms, *((ANGLE, ANGLE_K) if plain else ()))
    torsions = openmm.PeriodicTorsionForce()
    for n, phase, k in TORSION:
        torsions.addTorsion(0, 1, 2, 3, n, phase, k)
    pairs = openmm.NonbondedForce()
    pairs.setNonbondedMethod(openmm.NonbondedForce.NoCutoff)
    for atom, charge in enumerate(CHARGES):
        pairs.addParticle(charge, SIGMA, EPSILON if atom in (0, 3) else 0.0)
    for a, b in ((0, 1), (1, 2), (2, 3), (0, 2), (1, 3)):
        pairs.addException(a, b, 0, 1, 0)
    for force in (bonds, angles, torsions, pairs):
        made.addForce(force)
    return made


def place(t1, t2, phi):
    """Positions [..., 4, 3] at the bonds' lengths."""
    r1, r2, r3 = (length for _, _, length in LENGTHS)
    zero = np.zeros_like(phi)
    a = np.stack([r1 * np.cos(t1) + zero, r1 * np.sin(t1) + zero, zero], -1)
    c = np.stack([r2 + zero, zero, zero], -1)
    d = np.stack([r2 - r3 * np.cos(t2) + zero, r3 * np.sin(t2) * np.cos(phi), r3 * np.sin(t2) * np.sin(phi)], -1)
    return np.stack([a, np.zeros_like(a), c, d], -2)


def quadrature(with_metric):
    """Population of the state, mean cosine of the angle, by a grid over (angle, angle, torsion)."""
    def gauss(low, high, count):
        points, weights = np.polynomial.legendre.leggauss(count)
        return (low + high) / 2 + (high - low) / 2 * points, (high - low) / 2 * weights

    t, wt = gauss(0, np.pi, 100)
    pieces = [gauss(*STATE, 60), gauss(STATE[1], STATE[0] + 2 * np.pi, 100)]
    phi, wp = (np.concatenate(parts) for parts in zip(*pieces))
    t1, t2, p = t[:, None, None], t[None, :, None], phi[None, None, :]
    x = place(t1 + 0 * t2, t2 + 0 * t1, p + 0 * t1 + 0 * t2)
    r = np.linalg.norm(x[..., 0, :] - x[..., 3, :], axis=-1)
    u = 0.5 * ANGLE_K * ((t1 - ANGLE) ** 2 + (t2 - ANGLE) ** 2)
    u = u + sum(k * (1 + np.cos(n * p - phase)) for n, phase, k in TORSION)
    u = u + COULOMB * CHARGES[0] * CHARGES[3] / r + 4 * EPSILON * ((SIGMA / r) ** 12 - (SIGMA / r) ** 6)
    w = np.exp(-u / KT) * np.sin(t1) * np.sin(t2) * wt[:, None, None] * wt[None, :, None] * wp[None, None, :]
    if with_metric:
        m0, m1, m2, m3 = MASSES
        z11, z22, z33 = 1 / m0 + 1 / m1, 1 / m1 + 1 / m2, 1 / m2 + 1 / m3
        z12, z23 = np.cos(t1) / m1, np.cos(t2) / m2  # the sign plays no part
        w = w * np.sqrt(z11 * (z22 * z33 - z23**2) - z12**2 * z33)
    inside = (p > STATE[0]) & (p < STATE[1])
    return float((w * inside).sum() / w.sum()), float((w * np.cos(t1)).sum() / w.sum())


def dynamics(made, start, nanoseconds, seed, timestep):
    integrator = openmm.LangevinMiddleIntegrator(300, 5, timestep)
    integrator.setConstraintTolerance(1e-8)
    integrator.setRandomNumberSeed(seed)
    context = openmm.Context(made, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(start)
    context.setVelocitiesToTemperature(300, seed)
    integrator.step(20000)
    frames = []
    for _ in range(int(nanoseconds * 5000)):
        integrator.step(round(0.2 / timestep))
        frames.append(context.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer))
    return np.array(frames)


def averages(frames, topology):
    trajectory = mdtraj.Trajectory(frames, topology)
    phi = mdtraj.compute_dihedrals(trajectory, [[0, 1, 2, 3]], periodic=False)[:, 0]
    cosines = np.cos(mdtraj.compute_angles(trajectory, [[0, 1, 2], [1, 2, 3]], periodic=False))
    inside = ((phi > STATE[0]) & (phi < STATE[1])).astype(float)
    result = []
    for values in (inside, cosines[:, 0]):
        blocks = values[: len(values) // 20 * 20].reshape(20, -1).mean(axis=1)
        result.append([float(values.mean()), float(blocks.std(ddof=1) / np.sqrt(20))])
    return {"population": result[0], "cosine": result[1]}


def path(made, start, steps=200):
    """Positions after so many steps without friction, and what they began with: velocities that keep to the constraints."""
    integrator = openmm.LangevinMiddleIntegrator(300, 0, 0.001)
    integrator.setConstraintTolerance(1e-10)
    context = openmm.Context(made, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(start)
    context.applyConstraints(1e-10)
    context.setVelocitiesToTemperature(300, 7)
    state = context.getState(getPositions=True, getVelocities=True)
    begin = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    velocities = state.getVelocities(asNumpy=True).value_in_unit(unit.nanometer / unit.picosecond)
    integrator.step(steps)
    end = context.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    flat = lambda values: [float(value) for value in np.asarray(values).ravel()]
    return {"positions": flat(begin), "velocities": flat(velocities), "steps": steps, "end": flat(end)}


def main():
    OUT.mkdir(exist_ok=True)
    start = place(np.array(1.9), np.array(1.9), np.array(2.5))
    held, springs = system(True), system(False)
    (OUT / "chain.xml").write_text(openmm.XmlSerializer.serialize(held))
    (OUT / "springs.xml").write_text(openmm.XmlSerializer.serialize(springs))
    lines = []
    for index, (name, element) in enumerate((("BR1", "BR"), ("C1", "C"), ("C2", "C"), ("BR2", "BR"))):
        x, y, z = 10 * start[index]
        lines.append(f"HETATM{index + 1:5d} {name:<4s} DBE A   1    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          {element:>2s}")
    lines += ["CONECT    1    2", "CONECT    2    1    3", "CONECT    3    2    4", "CONECT    4    3", "END", ""]
    (OUT / "chain.pdb").write_text("\n".join(lines))
    topology = mdtraj.load(OUT / "chain.pdb").topology

    frames = dynamics(system(True, plain=False), start, 60, 1, 0.002)
    found = {"constrained": averages(frames, topology), "springs": averages(dynamics(springs, start, 60, 2, 0.001), topology)}
    for name, metric in (("quadrature", True), ("stiff", False)):
        population, cosine = quadrature(metric)
        found[name] = {"population": population, "cosine": cosine}
    print(json.dumps(found, indent=1))
    # OpenMM's own dynamics has the law with the factor where it holds the bonds, and the one without where springs do
    for dynamic, law, other in (("constrained", "quadrature", "stiff"), ("springs", "stiff", "quadrature")):
        for what in ("population", "cosine"):
            value, error = found[dynamic][what]
            assert abs(value - found[law][what]) < 3.5 * error < abs(value - found[other][what]), (dynamic, what)
    kept = frames[4 : 4 + 5 * 3000 : 5].astype(np.float32)
    with mdtraj.formats.NetCDFTrajectoryFile(str(OUT / "chain.nc"), "w", force_overwrite=True) as file:
        file.write(coordinates=kept * 10, time=np.arange(1, len(kept) + 1, dtype=np.float32))

    case = HERE / "cases" / "constraints-in-system"
    methanol = openmm.XmlSerializer.deserialize((case / "hbonds.xml").read_text())
    paths = {
        "chain": path(system(True, plain=False), start),
        "methanol": path(methanol, mdtraj.load(case / "meoh.pdb").xyz[0].astype(float)),
    }
    (OUT / "held.json").write_text(json.dumps({"chain": found, "paths": paths}, indent=1) + "\n")


if __name__ == "__main__":
    main()
