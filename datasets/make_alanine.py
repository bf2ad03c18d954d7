#!/usr/bin/env python3
"""Makes the alanine dipeptide dataset: structure, force field (for OpenMM and for AMBER), and two molecular-dynamics trajectories.

Molecule: ACE-ALA-NME, 22 atoms, built here from standard bond lengths and angles (L-alanine).
Force field: amber99sb-ILDN with OBC implicit solvent, no cutoff, no constraints.
Dynamics: OpenMM Reference platform, Langevin middle integrator, 300 K, 1/ps, 1 fs.
  alanine-left.nc   16 runs of 0.6 ns from the alpha-L basin (phi near +1 rad), a frame every 0.6 ps
  alanine-beta.nc    2 runs of 8 ns from the beta basin (phi near -1.3 rad), a frame every 1 ps
The two basins are held half and half on purpose: at equilibrium the left one has about 2 % of the weight, and it is for the
pipeline to find that out.

usage: .deps/checks/bin/python datasets/make_alanine.py --output FOLDER     (./bootstrap --checks makes that Python)
       ... --scale tiny     the same in a few seconds, for a test: short runs, coarse steering
Takes about 10 minutes of two cores. The trajectories are new realisations, not the shipped bytes: Langevin noise differs.
"""
import argparse
import math
import multiprocessing
import pathlib
import sys

import mdtraj
import numpy as np
import openmm
from openmm import app, unit

from amber_prmtop import write_prmtop

TEMPERATURE = 300.0  # K
FRICTION = 1.0  # 1/ps
TIMESTEP = 0.001  # ps
PHI = (4, 6, 8, 14)
PSI = (6, 8, 14, 16)
ALPHA_CARBON = (8, 6, 14, 10)  # CA, then N, C, CB: their handedness is L in every frame

# Each atom: name, element, residue, the three atoms it is placed from (bonded to the first), bond / nm, angle and torsion / degree.
ATOMS = [
    ("H1", "H", 0, None, 0.109, 0.0, 0.0),
    ("CH3", "C", 0, None, 0.109, 0.0, 0.0),
    ("H2", "H", 0, (1, 0, -1), 0.109, 109.5, 0.0),
    ("H3", "H", 0, (1, 0, 2), 0.109, 109.5, 120.0),
    ("C", "C", 0, (1, 0, 2), 0.1522, 109.5, -120.0),
    ("O", "O", 0, (4, 1, 0), 0.1229, 120.5, 0.0),
    ("N", "N", 1, (4, 1, 0), 0.1335, 116.5, 180.0),
    ("H", "H", 1, (6, 4, 5), 0.101, 119.5, 180.0),
    ("CA", "C", 1, (6, 4, 1), 0.1449, 122.0, 180.0),
    ("HA", "H", 1, (8, 6, 4), 0.109, 109.5, 40.0),
    ("CB", "C", 1, (8, 6, 4), 0.1526, 109.7, 160.0),
    ("HB1", "H", 1, (10, 8, 6), 0.109, 109.5, 60.0),
    ("HB2", "H", 1, (10, 8, 6), 0.109, 109.5, 180.0),
    ("HB3", "H", 1, (10, 8, 6), 0.109, 109.5, -60.0),
    ("C", "C", 1, (8, 6, 4), 0.1522, 110.1, -80.0),
    ("O", "O", 1, (14, 8, 6), 0.1229, 120.4, -30.0),
    ("N", "N", 2, (14, 8, 6), 0.1335, 116.6, 150.0),
    ("H", "H", 2, (16, 14, 15), 0.101, 119.5, 180.0),
    ("C", "C", 2, (16, 14, 8), 0.1449, 122.0, 180.0),
    ("H1", "H", 2, (18, 16, 14), 0.109, 109.5, 60.0),
    ("H2", "H", 2, (18, 16, 14), 0.109, 109.5, 180.0),
    ("H3", "H", 2, (18, 16, 14), 0.109, 109.5, -60.0),
]
RESIDUES = ("ACE", "ALA", "NME")

SCALES = {
    #        steering ps, left: runs, ps, stride ps,   beta: runs, ps, stride ps
    "full": (400.0, (16, 600.0, 0.6), (2, 8000.0, 1.0)),
    "tiny": (40.0, (2, 6.0, 0.6), (2, 6.0, 1.0)),
}


def placed(a, b, c, bond, angle, torsion):
    """The point at distance `bond` from a, with angle (new, a, b) and torsion (new, a, b, c)."""
    along = (a - b) / np.linalg.norm(a - b)
    normal = np.cross(b - c, along)
    normal /= np.linalg.norm(normal)
    side = np.cross(normal, along)
    return a + bond * (
        -math.cos(angle) * along + math.sin(angle) * (math.cos(torsion) * side + math.sin(torsion) * normal)
    )


def build():
    """Topology and starting coordinates / nm of ACE-ALA-NME in its beta basin."""
    topology = app.Topology()
    chain = topology.addChain("A")
    residues = [topology.addResidue(name, chain) for name in RESIDUES]
    for name, element, residue, *_ in ATOMS:
        topology.addAtom(name, app.element.get_by_symbol(element), residues[residue])
    points = [np.zeros(3), np.array([0.109, 0.0, 0.0])]
    fixed = np.array([0.0, 0.1, 0.0])  # stands in where only two atoms are placed yet
    for _, _, _, origin, bond, angle, torsion in ATOMS[2:]:
        a, b, c = (points[i] if i >= 0 else fixed for i in origin)
        points.append(placed(a, b, c, bond, math.radians(angle), math.radians(torsion)))
    bonds = [(1, 0)] + [(origin[0], index) for index, (_, _, _, origin, *_) in enumerate(ATOMS) if origin]
    atoms = list(topology.atoms())
    for first, second in bonds:
        topology.addBond(atoms[first], atoms[second])
    return topology, np.array(points)


def torsion(points, atoms):
    """A torsion angle / rad in MDTraj's sign."""
    p = [points[i] for i in atoms]
    b0, b1, b2 = p[1] - p[0], p[2] - p[1], p[3] - p[2]
    n0, n1 = np.cross(b0, b1), np.cross(b1, b2)
    return math.atan2(np.dot(np.cross(n0, n1), b1) / np.linalg.norm(b1), np.dot(n0, n1))


def is_l(points):
    """Whether the alpha carbon is L: N, C, CB turn clockwise when seen from outside, which fixes the sign of their volume."""
    centre, first, second, third = (points[i] for i in ALPHA_CARBON)
    return np.dot(first - centre, np.cross(second - centre, third - centre)) > 0


def make_simulation(topology, system, seed):
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, FRICTION, TIMESTEP)
    integrator.setRandomNumberSeed(seed)
    return app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName("Reference"))


def coordinates(simulation):
    state = simulation.context.getState(getPositions=True)
    return np.array(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer))


def steered(topology, system_xml, start, target, duration, seed):
    """`start` led to the torsions `target` = (phi, psi) / rad over `duration` / ps by moving harmonic wells.

    Slow on purpose: a fast pull along phi turns the alpha carbon inside out. The result is checked to be L.
    """
    system = openmm.XmlSerializer.deserialize(system_xml)
    pull = openmm.CustomTorsionForce("0.5*k*d*d; d=theta-c-two_pi*floor((theta-c)/two_pi+0.5); two_pi=6.283185307179586")
    pull.addGlobalParameter("k", 200.0)  # kJ/mol/rad2
    pull.addPerTorsionParameter("c")
    now = [torsion(start, PHI), torsion(start, PSI)]
    for atoms, centre in zip((PHI, PSI), now):
        pull.addTorsion(*atoms, [centre])
    system.addForce(pull)
    simulation = make_simulation(topology, system, seed)
    simulation.context.setPositions(start)
    simulation.minimizeEnergy()
    simulation.context.setVelocitiesToTemperature(TEMPERATURE, seed)
    segments = 200
    steps = max(1, round(duration / TIMESTEP / segments))
    for segment in range(1, segments + 1):
        for index, atoms in enumerate((PHI, PSI)):
            way = math.remainder(target[index] - now[index], 2 * math.pi)
            pull.setTorsionParameters(index, *atoms, [now[index] + way * segment / segments])
        pull.updateParametersInContext(simulation.context)
        simulation.step(steps)
    end = coordinates(simulation)
    if not is_l(end):
        sys.exit(f"make_alanine: steering to {target} turned the alpha carbon into its mirror image; steer slower")
    for index, atoms in enumerate((PHI, PSI)):
        off = abs(math.remainder(torsion(end, atoms) - target[index], 2 * math.pi))
        if off > 0.8:
            sys.exit(f"make_alanine: steering ended {off:.2f} rad away from {target}; steer slower")
    return end


def run(task):
    """One molecular-dynamics run: frames [n, 22, 3] / nm."""
    topology, system_xml, start, duration, stride, seed = task
    simulation = make_simulation(topology, openmm.XmlSerializer.deserialize(system_xml), seed)
    simulation.context.setPositions(start)
    simulation.minimizeEnergy(maxIterations=20)
    simulation.context.setVelocitiesToTemperature(TEMPERATURE, seed)
    simulation.step(round(5.0 / TIMESTEP) if duration > 100 else 500)
    frames = []
    for _ in range(round(duration / stride)):
        simulation.step(round(stride / TIMESTEP))
        frames.append(coordinates(simulation))
        if not is_l(frames[-1]):
            sys.exit(f"make_alanine: a frame of the run with seed {seed} is not L")
    return np.array(frames, dtype=np.float32)


def main():
    parser = argparse.ArgumentParser(description="makes the alanine dipeptide dataset")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder to write to (made if absent)")
    parser.add_argument("--scale", choices=SCALES, default="full")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    steering, left, beta = SCALES[options.scale]

    topology, start = build()
    if not is_l(start):
        sys.exit("make_alanine: the built structure is not L-alanine")
    system = app.ForceField("amber99sbildn.xml", "amber99_obc.xml").createSystem(
        topology, nonbondedMethod=app.NoCutoff, constraints=None, removeCMMotion=False
    )
    system_xml = openmm.XmlSerializer.serialize(system)
    (options.output / "system.xml").write_text(system_xml)
    write_prmtop(options.output / "alanine.prmtop", topology, system)

    simulation = make_simulation(topology, system, options.seed)
    simulation.context.setPositions(start)
    simulation.minimizeEnergy()
    relaxed = coordinates(simulation)
    with open(options.output / "alanine.pdb", "w") as file:
        app.PDBFile.writeFile(topology, relaxed * unit.nanometer, file, keepIds=True)

    in_beta = steered(topology, system_xml, relaxed, (-1.3, 2.6), steering / 4, options.seed + 1)
    # By way of psi first, then over the lower phi barrier (near phi = 0).
    in_right = steered(topology, system_xml, in_beta, (-1.0, 0.6), steering / 4, options.seed + 2)
    in_left = steered(topology, system_xml, in_right, (1.0, 0.6), steering, options.seed + 3)

    for name, begin, (runs, duration, stride), offset in (
        ("left", in_left, left, 100),
        ("beta", in_beta, beta, 200),
    ):
        tasks = [(topology, system_xml, begin, duration, stride, options.seed + offset + k) for k in range(runs)]
        with multiprocessing.Pool(options.processes) as pool:
            frames = np.concatenate(pool.map(run, tasks, chunksize=1))
        times = (np.arange(len(frames), dtype=np.float32) + 1) * stride
        path = options.output / f"alanine-{name}.nc"
        with mdtraj.formats.NetCDFTrajectoryFile(str(path), "w", force_overwrite=True) as file:
            file.write(coordinates=frames * 10, time=times)  # angstrom, as AMBER's convention has it
        phi = np.array([torsion(frame, PHI) for frame in frames])
        share = np.mean((phi > 0) & (phi < 2))
        print(f"{path}: {len(frames)} frames, {100 * share:.1f} % with 0 < phi < 2 rad")


if __name__ == "__main__":
    main()
