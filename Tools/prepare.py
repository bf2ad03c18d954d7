#!/usr/bin/env python3
"""From the sequence of a peptide to a structure (topology.pdb) and a force field (system.xml, a serialised OpenMM System).

Heavy atoms are placed from bond lengths, angles and torsions (L amino acids, trans peptide bonds); OpenMM adds the hydrogens of
pH 7, minimises the energy and writes both files. `pipeline prepare` checks the sequence and calls this; see its help.

usage: .deps/prepare/bin/python Tools/prepare.py --residues ALA,CYS --output FOLDER     (./bootstrap --prepare makes that Python)
       ... --compare FOLDER     also compares with another system.xml and topology.pdb; fails where they differ
"""
import argparse
import math
import os
import pathlib
import random
import sys

import numpy as np
import openmm
from openmm import app, unit

FORCE_FIELDS = {
    "amber14+obc1": ("amber14-all.xml", "implicit/obc1.xml"),
    "amber14+obc2": ("amber14-all.xml", "implicit/obc2.xml"),
    "amber14": ("amber14-all.xml",),
    "amber99sbildn+obc": ("amber99sbildn.xml", "amber99_obc.xml"),
}

# Torsions of the backbone, degrees: an extended chain.
PHI, PSI, OMEGA = -120.0, 140.0, 180.0

# Side chains, heavy atoms in the order of the Protein Data Bank: name, the three atoms it is placed from (bonded to the first),
# bond / nm, angle and torsion / degree. The torsion of CB about N-CA, counted from C, makes the amino acid L.
CB = ("CB", "CA", "N", "C", 0.153, 110.5, -122.0)


def chain(*atoms):
    return (CB,) + atoms


def first(name, torsion, bond=0.152, angle=113.8):
    return (name, "CB", "CA", "N", bond, angle, torsion)


SIDE_CHAINS = {
    "GLY": (),
    "ALA": chain(),
    "CYS": chain(first("SG", -62, 0.181)),
    "SER": chain(first("OG", -63, 0.142, 110.8)),
    "THR": chain(first("OG1", 60, 0.143, 109.2), first("CG2", -60, 0.153, 111.1)),
    "VAL": chain(first("CG1", 177, 0.153, 110.7), first("CG2", -63, 0.153, 110.4)),
    "LEU": chain(first("CG", -65), ("CD1", "CG", "CB", "CA", 0.153, 110.3, 175), ("CD2", "CG", "CB", "CA", 0.153, 110.3, 63)),
    "ILE": chain(first("CG1", 60, 0.153, 110.7), first("CG2", -61, 0.153, 110.4), ("CD1", "CG1", "CB", "CA", 0.152, 114, 170)),
    "MET": chain(first("CG", -64), ("SD", "CG", "CB", "CA", 0.181, 112.7, 180), ("CE", "SD", "CG", "CB", 0.179, 100.6, 70)),
    "ASP": chain(first("CG", -66), ("OD1", "CG", "CB", "CA", 0.125, 118.5, -46), ("OD2", "CG", "CB", "CA", 0.125, 118.5, 134)),
    "ASN": chain(first("CG", -65), ("OD1", "CG", "CB", "CA", 0.123, 120.8, -58), ("ND2", "CG", "CB", "CA", 0.133, 116.5, 122)),
    "GLU": chain(
        first("CG", -64), ("CD", "CG", "CB", "CA", 0.152, 113.3, 180), ("OE1", "CD", "CG", "CB", 0.125, 118.5, -6),
        ("OE2", "CD", "CG", "CB", 0.125, 118.5, 174)),
    "GLN": chain(
        first("CG", -64), ("CD", "CG", "CB", "CA", 0.152, 113.3, 180), ("OE1", "CD", "CG", "CB", 0.123, 120.8, -50),
        ("NE2", "CD", "CG", "CB", 0.133, 116.5, 130)),
    "LYS": chain(
        first("CG", -65), ("CD", "CG", "CB", "CA", 0.152, 111.8, 180), ("CE", "CD", "CG", "CB", 0.152, 111.7, 180),
        ("NZ", "CE", "CD", "CG", 0.149, 111.8, 180)),
    "ARG": chain(
        first("CG", -65), ("CD", "CG", "CB", "CA", 0.152, 111.8, 180), ("NE", "CD", "CG", "CB", 0.146, 111.7, 180),
        ("CZ", "NE", "CD", "CG", 0.133, 124.8, 180), ("NH1", "CZ", "NE", "CD", 0.133, 120.6, 0),
        ("NH2", "CZ", "NE", "CD", 0.133, 119.6, 180)),
    "PRO": chain(("CG", "CB", "CA", "N", 0.149, 104.2, 30), ("CD", "CG", "CB", "CA", 0.150, 105.0, -35)),
    "PHE": chain(
        first("CG", -65, 0.150), ("CD1", "CG", "CB", "CA", 0.139, 120, 93), ("CE1", "CD1", "CG", "CB", 0.139, 120, 180),
        ("CD2", "CG", "CB", "CA", 0.139, 120, -87), ("CE2", "CD2", "CG", "CB", 0.139, 120, 180),
        ("CZ", "CE1", "CD1", "CG", 0.139, 120, 0)),
    "HIS": chain(
        first("CG", -63, 0.149), ("ND1", "CG", "CB", "CA", 0.138, 122.8, -75), ("CD2", "CG", "CB", "CA", 0.135, 130.6, 104),
        ("CE1", "ND1", "CG", "CB", 0.132, 108.5, 180), ("NE2", "CD2", "CG", "CB", 0.135, 108.5, 180)),
    "TRP": chain(
        first("CG", -66, 0.150), ("CD1", "CG", "CB", "CA", 0.137, 127, 96), ("CD2", "CG", "CB", "CA", 0.143, 126.7, -83),
        ("NE1", "CD1", "CG", "CB", 0.138, 108.5, 180), ("CE2", "CD2", "CG", "CB", 0.140, 108.5, 180),
        ("CE3", "CD2", "CG", "CB", 0.140, 133.8, 0), ("CZ2", "CE2", "CD2", "CG", 0.140, 120, 180),
        ("CZ3", "CE3", "CD2", "CG", 0.140, 120, 180), ("CH2", "CZ2", "CE2", "CD2", 0.140, 120, 0)),
}
SIDE_CHAINS["TYR"] = SIDE_CHAINS["PHE"] + (("OH", "CZ", "CE1", "CD1", 0.139, 120, 180),)

# Stereocentres: atom, then three neighbours whose signed volume as seen from it is positive.
HANDS = {name: [("CA", "N", "C", "CB")] for name in SIDE_CHAINS if name != "GLY"}
HANDS["ILE"] = HANDS["ILE"] + [("CB", "CA", "CG1", "CG2")]
HANDS["THR"] = HANDS["THR"] + [("CB", "CA", "OG1", "CG2")]


def placed(a, b, c, bond, angle, torsion):
    """The point at distance `bond` from a, with angle (new, a, b) and torsion (new, a, b, c); degrees."""
    angle, torsion = math.radians(angle), math.radians(torsion)
    along = (a - b) / np.linalg.norm(a - b)
    normal = np.cross(b - c, along)
    normal /= np.linalg.norm(normal)
    side = np.cross(normal, along)
    return a + bond * (
        -math.cos(angle) * along + math.sin(angle) * (math.cos(torsion) * side + math.sin(torsion) * normal)
    )


def element_of(name):
    return app.element.get_by_symbol(name[0])


def build(residues):
    """Topology and coordinates / nm of the heavy atoms. `residues`: three-letter names, ACE first and NME last if there are caps."""
    topology = app.Topology()
    protein = topology.addChain("A")
    points = []
    core = [name for name in residues if name not in ("ACE", "NME")]
    # the backbone, from the first amino acid on
    backbone = []
    for index in range(len(core)):
        if index == 0:
            n, ca = np.zeros(3), np.array([0.147, 0.0, 0.0])
            c = placed(ca, n, np.array([0.0, 0.1, 0.0]), 0.1525, 110.5, 0.0)
        else:
            last = backbone[-1]
            n = placed(last["C"], last["CA"], last["N"], 0.1335, 116.6, PSI)
            ca = placed(n, last["C"], last["CA"], 0.1449, 121.9, OMEGA)
            c = placed(ca, n, last["C"], 0.1525, 110.5, PHI)
        backbone.append({"N": n, "CA": ca, "C": c})
    number = 1
    if residues[0] == "ACE":
        head = backbone[0]
        c = placed(head["N"], head["CA"], head["C"], 0.1335, 121.9, PHI)
        methyl = placed(c, head["N"], head["CA"], 0.1522, 116.6, OMEGA)
        o = placed(c, head["N"], head["CA"], 0.1229, 122.9, 0.0)
        add_residue(topology, protein, points, "ACE", number, [("CH3", methyl), ("C", c), ("O", o)])
        number += 1
    for index, name in enumerate(core):
        at = dict(backbone[index])
        at["O"] = placed(at["C"], at["CA"], at["N"], 0.1229, 120.4, PSI + 180)
        for atom, a, b, c, bond, angle, torsion in SIDE_CHAINS[name]:
            at[atom] = placed(at[a], at[b], at[c], bond, angle, torsion)
        if index == len(core) - 1 and residues[-1] != "NME":
            at["OXT"] = placed(at["C"], at["CA"], at["N"], 0.1250, 117.0, PSI)
        add_residue(topology, protein, points, name, number, at.items())
        number += 1
    if residues[-1] == "NME":
        last = backbone[-1]
        n = placed(last["C"], last["CA"], last["N"], 0.1335, 116.6, PSI)
        methyl = placed(n, last["C"], last["CA"], 0.1449, 121.9, OMEGA)
        add_residue(topology, protein, points, "NME", number, [("N", n), ("C", methyl)])
    topology.createStandardBonds()
    return topology, np.array(points)


def add_residue(topology, protein, points, name, number, atoms):
    residue = topology.addResidue(name, protein, id=str(number))
    # the backbone first, then the side chain, then OXT
    order = {"ACE": ("CH3", "C", "O"), "NME": ("N", "C")}.get(name, ("N", "CA", "C", "O"))
    for atom, point in sorted(atoms, key=lambda item: order.index(item[0]) if item[0] in order else len(order)):
        topology.addAtom(atom, element_of(atom), residue)
        points.append(point)


def wrong_hands(topology, points):
    """Stereocentres that are not those of the natural amino acids: "CA of ALA 1"."""
    wrong = []
    for residue in topology.residues():
        at = {atom.name: points[atom.index] for atom in residue.atoms()}
        for centre, *neighbours in HANDS.get(residue.name, []):
            a, b, c = (at[name] - at[centre] for name in neighbours)
            if np.dot(a, np.cross(b, c)) <= 0:
                wrong.append(f"{centre} of {residue.name} {residue.id}")
    return wrong


def create_system(force_field, topology, cutoff):
    options = {"nonbondedMethod": app.NoCutoff}
    if cutoff > 0:
        options = {"nonbondedMethod": app.CutoffNonPeriodic, "nonbondedCutoff": cutoff * unit.nanometer}
    return force_field.createSystem(topology, constraints=None, rigidWater=False, removeCMMotion=False, **options)


def minimised(topology, system, positions):
    integrator = openmm.VerletIntegrator(0.001)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    openmm.LocalEnergyMinimizer.minimize(context, 1.0)
    state = context.getState(getPositions=True, getEnergy=True)
    if not math.isfinite(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)):
        sys.exit("prepare: the structure's energy is not finite; this sequence cannot be built")
    return state.getPositions(asNumpy=True)


def prepare(residues, force_field_name, cutoff):
    """Topology, positions and System."""
    force_field = app.ForceField(*FORCE_FIELDS[force_field_name])
    topology, points = build(residues)
    random.seed(1)  # OpenMM starts hydrogens at random places
    modeller = app.Modeller(topology, points * unit.nanometer)
    variants = ["HIE" if residue.name == "HIS" else None for residue in topology.residues()]
    modeller.addHydrogens(
        force_field, pH=7.0, variants=variants, platform=openmm.Platform.getPlatformByName("Reference"))
    system = create_system(force_field, modeller.topology, cutoff)
    positions = minimised(modeller.topology, system, modeller.positions)
    wrong = wrong_hands(modeller.topology, np.array(positions.value_in_unit(unit.nanometer)))
    if wrong:
        sys.exit(f"prepare: the hand of {', '.join(wrong)} is not that of a natural amino acid; nothing was written")
    return modeller.topology, positions, system


def write_whole(path, text):
    """The file is there whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)


def pdb_text(topology, positions, residues, force_field_name):
    import io

    text = io.StringIO()
    app.PDBFile.writeFile(topology, positions, text, keepIds=True)
    # without OpenMM's first line, which holds the day: the same sequence gives the same bytes
    body = "".join(line + "\n" for line in text.getvalue().splitlines() if not line.startswith("REMARK"))
    return f"REMARK   1 {'-'.join(residues)}, {force_field_name}, OPENMM {openmm.__version__}\n" + body


def energies(system, frames):
    context = openmm.Context(
        system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    result = []
    for frame in frames:
        context.setPositions(frame)
        result.append(context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
    return np.array(result)


def compare(topology, positions, system, folder):
    """What differs from the molecule of another folder, in words, or nothing."""
    other = app.PDBFile(str(folder / "topology.pdb"))
    theirs = openmm.XmlSerializer.deserialize((folder / "system.xml").read_text())

    def names(top):
        return [(atom.residue.name, atom.residue.id, atom.name) for atom in top.atoms()]

    if names(topology) != names(other.topology):
        return f"atoms: {names(topology)} here, {names(other.topology)} there"

    def masses(s):
        return [s.getParticleMass(i).value_in_unit(unit.dalton) for i in range(s.getNumParticles())]

    if masses(system) != masses(theirs):
        return "masses"
    # both structures and shaken ones, on which every term of the energy shows
    generator = np.random.default_rng(1)
    frames = []
    for points in (positions.value_in_unit(unit.nanometer), other.getPositions(asNumpy=True).value_in_unit(unit.nanometer)):
        frames += [np.array(points) + scale * generator.standard_normal((len(points), 3)) for scale in (0, 0.002, 0.01)]
    ours, reference = energies(system, frames), energies(theirs, frames)
    worst = np.max(np.abs(ours - reference) / np.maximum(1, np.abs(reference)))
    print(f"{folder.name}: {len(frames)} energies, largest difference {worst:.1e} relative")
    return None if worst < 1e-6 else f"energies: {ours} here, {reference} kJ/mol there"


def main():
    parser = argparse.ArgumentParser(description="structure and force field of a peptide")
    parser.add_argument("--residues", required=True, help="three-letter names with commas, ACE and NME for caps")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder to write to (made if absent)")
    parser.add_argument("--force-field", choices=FORCE_FIELDS, default="amber14+obc1")
    parser.add_argument("--cutoff", type=float, default=2.0, help="nm, not periodic; 0 for none")
    parser.add_argument("--compare", type=pathlib.Path, help="a folder with topology.pdb and system.xml")
    options = parser.parse_args()
    residues = options.residues.split(",")
    known = set(SIDE_CHAINS) | {"ACE", "NME"}
    for place, name in enumerate(residues):
        if name not in known or (name == "ACE" and place > 0) or (name == "NME" and place < len(residues) - 1):
            sys.exit(f"prepare: residue {place + 1}, {name!r}, is not one that can stand there")
    if not set(residues) & set(SIDE_CHAINS):
        sys.exit("prepare: there is no amino acid between the caps")
    topology, positions, system = prepare(residues, options.force_field, options.cutoff)
    if options.compare:
        difference = compare(topology, positions, system, options.compare)
        if difference:
            sys.exit(f"prepare: {options.compare} differs: {difference}")
    options.output.mkdir(parents=True, exist_ok=True)
    write_whole(options.output / "topology.pdb", pdb_text(topology, positions, residues, options.force_field))
    write_whole(options.output / "system.xml", openmm.XmlSerializer.serialize(system))


if __name__ == "__main__":
    main()
