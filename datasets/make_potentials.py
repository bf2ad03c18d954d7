#!/usr/bin/env python3
"""Makes other force fields for the molecules here: what `perturb` carries an emulator to.

Each is a serialised OpenMM System on the atoms of the molecule's own PDB file, without constraints.

usage: .deps/checks/bin/python datasets/make_potentials.py --output FOLDER     (./bootstrap --checks makes that Python)
Seconds. The same OpenMM (8.6.1) gives the same bytes.
"""
import argparse
import pathlib

import openmm
from openmm import app, unit

# Name, OpenMM's force-field files.
ALANINE = {
    "ff14sb-obc2": ("amber14/protein.ff14SB.xml", "implicit/obc2.xml"),
    "ff19sb-obc2": ("amber19/protein.ff19SB.xml", "implicit/obc2.xml"),
    "ff99sbildn-gbn2": ("amber99sbildn.xml", "implicit/gbn2.xml"),
    "ff99sbildn-vacuum": ("amber99sbildn.xml",),
}
# Cutoff as in their own system.xml, 2 nm.
DIPEPTIDES = {
    "ff19sb-obc1": ("amber19/protein.ff19SB.xml", "implicit/obc1.xml"),
    "ff14sb-gbn2": ("amber14/protein.ff14SB.xml", "implicit/gbn2.xml"),
}
MOLECULES = {
    "alanine": ("alanine.pdb", ALANINE, 0.0),
    "dipeptides/AC": ("topology.pdb", DIPEPTIDES, 2.0),
    "dipeptides/GN": ("topology.pdb", DIPEPTIDES, 2.0),
}


def system(topology, files, cutoff):
    options = {"nonbondedMethod": app.NoCutoff}
    if cutoff > 0:
        options = {"nonbondedMethod": app.CutoffNonPeriodic, "nonbondedCutoff": cutoff * unit.nanometer}
    return app.ForceField(*files).createSystem(
        topology, constraints=None, rigidWater=False, removeCMMotion=False, **options)


def main():
    parser = argparse.ArgumentParser(description="other force fields for the molecules of datasets/")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder to write to, as datasets/ is made")
    output = parser.parse_args().output
    here = pathlib.Path(__file__).parent
    for molecule, (structure, potentials, cutoff) in MOLECULES.items():
        topology = app.PDBFile(str(here / molecule / structure)).topology
        folder = output / molecule / "potentials"
        folder.mkdir(parents=True, exist_ok=True)
        for name, files in potentials.items():
            text = openmm.XmlSerializer.serialize(system(topology, files, cutoff))
            (folder / f"{name}.xml").write_text(text)
            print(folder / f"{name}.xml")


if __name__ == "__main__":
    main()
