#!/usr/bin/env python3
"""From SMILES to a structure (topology.pdb) and a force field (forcefield.prmtop): GAFF2 with AM1-BCC charges, radii mbondi2.

RDKit embeds the molecule and AmberTools (antechamber, sqm, parmchk2, tleap) types it. `pipeline prepare --smiles` calls this.

usage: .deps/amber/bin/python Tools/prepare_ligand.py --smiles CCO --output FOLDER     (./bootstrap --amber makes that Python)
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from rdkit import Chem, RDLogger
from rdkit.Chem import AllChem

LEAP = """source leaprc.gaff2
LIG = loadmol2 lig.mol2
loadamberparams lig.frcmod
set default PBradii mbondi2
saveamberparm LIG lig.prmtop lig.rst7
savepdb LIG lig.pdb
quit
"""

# Elements that GAFF2 and AM1-BCC have parameters for.
ELEMENTS = {"H", "C", "N", "O", "F", "P", "S", "Cl", "Br", "I"}


def call(folder, command):
    """Runs a program of AmberTools in `folder`; its words are shown only where it failed."""
    prefix = pathlib.Path(sys.prefix)
    environment = dict(os.environ, AMBERHOME=str(prefix), PATH=f"{prefix / 'bin'}:{os.environ['PATH']}")
    done = subprocess.run(command.split(), cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit(f"prepare: {command} ended with {done.returncode}:\n{done.stdout[-2000:]}")


def embedded(smiles):
    """The molecule with its hydrogens in three dimensions; ends the program where the SMILES does not say one molecule."""
    RDLogger.DisableLog("rdApp.*")
    flat = Chem.MolFromSmiles(smiles)
    if flat is None:
        sys.exit(f"prepare: {smiles!r} is no SMILES that RDKit can read")
    if len(Chem.GetMolFrags(flat)) > 1:
        sys.exit(f"prepare: {smiles!r} is of several molecules; leave counter-ions out")
    foreign = sorted({atom.GetSymbol() for atom in flat.GetAtoms()} - ELEMENTS)
    if foreign:
        sys.exit(f"prepare: GAFF2 has no parameters for {', '.join(foreign)}")
    if any(atom.GetNumRadicalElectrons() for atom in flat.GetAtoms()):
        sys.exit(f"prepare: {smiles!r} has unpaired electrons, which GAFF2 does not know")
    untold = [index for index, hand in Chem.FindMolChiralCenters(flat, includeUnassigned=True, useLegacyImplementation=False) if hand == "?"]
    if untold:
        names = ", ".join(f"{flat.GetAtomWithIdx(index).GetSymbol()} {index}" for index in untold)
        sys.exit(f"prepare: the hand of {names} (atoms of the SMILES, from 0) is not told; write @ or @@ there")
    bonds = [
        flat.GetBondWithIdx(found.centeredOn) for found in Chem.FindPotentialStereo(flat)
        if found.type == Chem.StereoType.Bond_Double and found.specified == Chem.StereoSpecified.Unspecified]
    if bonds:
        names = ", ".join(f"{bond.GetBeginAtomIdx()}={bond.GetEndAtomIdx()}" for bond in bonds)
        sys.exit(f"prepare: cis or trans of the double bond {names} (atoms of the SMILES, from 0) is not told; write / and \\ beside it")
    molecule = Chem.AddHs(flat)
    if AllChem.EmbedMolecule(molecule, randomSeed=7) != 0:
        sys.exit(f"prepare: RDKit finds no structure of {smiles!r} in three dimensions")
    AllChem.MMFFOptimizeMolecule(molecule)
    return molecule


def prepare(smiles, topology, prmtop):
    """Writes the two files."""
    molecule = embedded(smiles)
    charge = Chem.GetFormalCharge(molecule)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        Chem.MolToMolFile(molecule, str(folder / "lig.mol"))
        call(folder, f"antechamber -i lig.mol -fi mdl -o lig.mol2 -fo mol2 -c bcc -nc {charge} -at gaff2 -rn LIG -pf y -dr no")
        call(folder, "parmchk2 -i lig.mol2 -f mol2 -o lig.frcmod -s gaff2")
        lacking = [line for line in (folder / "lig.frcmod").read_text().splitlines() if "ATTN" in line]
        if lacking:
            sys.exit("prepare: GAFF2 lacks parameters of this molecule:\n" + "\n".join(lacking))
        (folder / "leap.in").write_text(LEAP)
        call(folder, "tleap -f leap.in")
        for made, wanted in (("lig.pdb", topology), ("lig.prmtop", prmtop)):
            # there whole or not at all
            temporary = wanted.with_name(f".{wanted.name}.tmp-{os.getpid()}")
            shutil.copy(folder / made, temporary)
            temporary.replace(wanted)


def main():
    parser = argparse.ArgumentParser(description="structure and force field of a small molecule")
    parser.add_argument("--smiles", required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder to write to (made if absent)")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    prepare(options.smiles, options.output / "topology.pdb", options.output / "forcefield.prmtop")


if __name__ == "__main__":
    main()
