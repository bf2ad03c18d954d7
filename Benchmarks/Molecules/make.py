#!/usr/bin/env python3
"""Makes molecules/: twenty small molecules with GAFF2 and AM1-BCC charges as AMBER prmtop and PDB, one functional group each.

usage: .deps/amber/bin/python Benchmarks/Molecules/make.py [NAME...]     (./bootstrap --amber makes that Python)
Prints the torsion of each, atoms from 0, as chain.yaml names it.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "Tools"))
import prepare_ligand

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

output = pathlib.Path(__file__).parent / "molecules"
output.mkdir(exist_ok=True)
for name in sys.argv[1:] or MOLECULES:
    smiles, torsion = MOLECULES[name]
    prepare_ligand.prepare(smiles, output / f"{name}.pdb", output / f"{name}.prmtop")
    print(f"    {name}: {{ atoms: {list(torsion)} }}", flush=True)
