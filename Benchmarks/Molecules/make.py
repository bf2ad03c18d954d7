#!/usr/bin/env python3
"""Makes molecules/: twenty small molecules with GAFF2 and AM1-BCC charges as AMBER prmtop and PDB, one functional group each.

usage: .deps/amber/bin/python Benchmarks/Molecules/make.py [NAME...]     (./bootstrap --amber makes that Python)
Prints the torsion of each, atoms from 0, as chain.yaml names it.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from rdkit import Chem
from rdkit.Chem import AllChem

# name: SMILES, and the torsion as four atoms of it by number (heavy atoms in the order of the SMILES, from 0)
MOLECULES = {
    "nitrile": ("CCCC#N", (0, 1, 2, 3)),
    "alkyne": ("CCCC#C", (0, 1, 2, 3)),
    "tertbutyl": ("CC(C)(C)CCO", (1, 4, 5, 6)),
    "nitro": ("CCC[N+](=O)[O-]", (0, 1, 2, 3)),
    "sulfone": ("CCS(=O)(=O)C", (0, 1, 2, 5)),
    "amine": ("CCCN", (0, 1, 2, 3)),
    "ring5": ("OCC1CCCO1", (0, 1, 2, 6)),
    "ring6": ("OCC1CCCCC1", (0, 1, 2, 3)),
    "ring7": ("OCC1CCCCCC1", (0, 1, 2, 3)),
    "biphenyl": ("Fc1ccccc1-c1ccccc1", (1, 6, 7, 8)),
    "phosphate": ("COP(=O)(OC)OC", (0, 1, 2, 3)),
    "ester": ("CC(=O)OCC", (1, 3, 4, 5)),
    "amide": ("CC(=O)NCC", (1, 3, 4, 5)),
    "ether": ("COCCC", (0, 1, 2, 3)),
    "sulfide": ("CCSC", (0, 1, 2, 3)),
    "chloride": ("ClCCCl", (0, 1, 2, 3)),
    "diether": ("COCCO", (1, 2, 3, 4)),
    "acid": ("CCCC(=O)O", (0, 1, 2, 3)),
    "phenyl": ("OCCc1ccccc1", (0, 1, 2, 3)),
    "alkene": ("CCC=C", (0, 1, 2, 3)),
}

LEAP = """source leaprc.gaff2
LIG = loadmol2 lig.mol2
loadamberparams lig.frcmod
set default PBradii mbondi2
saveamberparm LIG lig.prmtop lig.rst7
savepdb LIG lig.pdb
quit
"""


def call(folder, command):
    """Runs a program of AmberTools in `folder`; its words are shown only where it failed."""
    prefix = pathlib.Path(sys.prefix)
    environment = dict(os.environ, AMBERHOME=str(prefix), PATH=f"{prefix / 'bin'}:{os.environ['PATH']}")
    done = subprocess.run(command.split(), cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit(f"make: {command} ended with {done.returncode}:\n{done.stdout[-2000:]}")


def make(name, output):
    smiles, torsion = MOLECULES[name]
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
        AllChem.EmbedMolecule(molecule, randomSeed=7)
        AllChem.MMFFOptimizeMolecule(molecule)
        Chem.MolToMolFile(molecule, str(folder / "lig.mol"))
        call(folder, "antechamber -i lig.mol -fi mdl -o lig.mol2 -fo mol2 -c bcc -at gaff2 -rn LIG -pf y -dr no")
        call(folder, "parmchk2 -i lig.mol2 -f mol2 -o lig.frcmod -s gaff2")
        (folder / "leap.in").write_text(LEAP)
        call(folder, "tleap -f leap.in")
        for kind in ("prmtop", "pdb"):
            shutil.copy(folder / f"lig.{kind}", output / f"{name}.{kind}")
    print(f"    {name}: {{ atoms: {list(torsion)} }}", flush=True)


output = pathlib.Path(__file__).parent / "molecules"
output.mkdir(exist_ok=True)
for name in sys.argv[1:] or MOLECULES:
    make(name, output)
