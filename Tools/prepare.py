#!/usr/bin/env python3
"""From the sequence of a peptide to a structure (topology.pdb) and a force field (system.xml, a serialised OpenMM System).

PeptideBuilder places the heavy atoms (L amino acids, trans peptide bonds); OpenMM adds the hydrogens of
pH 7, minimises the energy and writes both files. `pipeline prepare` checks the sequence and calls this; see its help.

usage: .deps/prepare/bin/python Tools/prepare.py --residues ALA,CYS --output FOLDER     (./bootstrap makes that Python)
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
import PeptideBuilder
from Bio.SeqUtils import seq1
from openmm import app, unit
from PeptideBuilder import Geometry

FORCE_FIELDS = {
    "amber14+obc1": ("amber14-all.xml", "implicit/obc1.xml"),
    "amber14+obc2": ("amber14-all.xml", "implicit/obc2.xml"),
    "amber14": ("amber14-all.xml",),
    "amber99sbildn+obc": ("amber99sbildn.xml", "amber99_obc.xml"),
}

# Torsions of the backbone, degrees: an extended chain.
PHI, PSI = -120, 140

AMINO_ACIDS = {
    "ALA", "ARG", "ASN", "ASP", "CYS", "GLN", "GLU", "GLY", "HIS", "ILE", "LEU", "LYS", "MET", "PHE", "PRO", "SER", "THR", "TRP", "TYR",
    "VAL"}

# Stereocentres: atom, then three neighbours whose signed volume as seen from it is positive.
HANDS = {name: [("CA", "N", "C", "CB")] for name in AMINO_ACIDS if name != "GLY"}
HANDS["ILE"] = HANDS["ILE"] + [("CB", "CA", "CG1", "CG2")]
HANDS["THR"] = HANDS["THR"] + [("CB", "CA", "OG1", "CG2")]

# What the atoms of a glycine are called in a cap.
CAPS = {"ACE": {"CA": "CH3", "C": "C", "O": "O"}, "NME": {"N": "N", "CA": "C"}}


def build(residues):
    """Topology and coordinates / nm of the heavy atoms. `residues`: three-letter names, ACE first and NME last if there are caps."""
    # a cap is the half of a glycine that its bond to the chain has: CA, C and O of the one before, N and CA of the one behind
    chain = PeptideBuilder.initialize_res(Geometry.geometry(letter(residues[0])))
    for name in residues[1:]:
        geometry = Geometry.geometry(letter(name))
        geometry.phi, geometry.psi_im1 = PHI, PSI
        PeptideBuilder.add_residue(chain, geometry)
    if residues[-1] != "NME":
        PeptideBuilder.add_terminal_OXT(chain)
    topology = app.Topology()
    protein = topology.addChain("A")
    points = []
    for number, (name, built) in enumerate(zip(residues, chain.get_residues()), start=1):
        residue = topology.addResidue(name, protein, id=str(number))
        for atom in built:
            shown = CAPS[name].get(atom.name) if name in CAPS else atom.name
            if shown:
                topology.addAtom(shown, app.element.get_by_symbol(atom.element), residue)
                points.append(atom.coord / 10)
    topology.createStandardBonds()
    return topology, np.array(points)


def letter(name):
    return "G" if name in CAPS else seq1(name)


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
    known = AMINO_ACIDS | {"ACE", "NME"}
    for place, name in enumerate(residues):
        if name not in known or (name == "ACE" and place > 0) or (name == "NME" and place < len(residues) - 1):
            sys.exit(f"prepare: residue {place + 1}, {name!r}, is not one that can stand there")
    if not set(residues) & AMINO_ACIDS:
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
