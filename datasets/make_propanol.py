#!/usr/bin/env python3
"""Makes propanol/: a production run as most people have it. 1-propanol (GAFF2, AM1-BCC) in TIP3P water with a pair of ions, by AMBER's
sander: a periodic box at 300 K and 1 bar, bonds to hydrogen held by SHAKE, 2 fs, molecules wrapped into the box.

usage: .deps/amber/bin/python datasets/make_propanol.py --output FOLDER     (./bootstrap --amber makes that Python)
       ... --scale tiny     the same path in seconds, hardly any frames
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from rdkit import Chem
from rdkit.Chem import AllChem

LEAP = """source leaprc.gaff2
source leaprc.water.tip3p
LIG = loadmol2 lig.mol2
loadamberparams lig.frcmod
set default PBradii mbondi2
solvatebox LIG TIP3PBOX 7.0 0.75
addIonsRand LIG Na+ 1 Cl- 1
saveamberparm LIG solvated.prmtop built.rst7
quit
"""

# what all steps of dynamics share; lengths in Angstrom, times in ps
COMMON = "imin=0, ntc=2, ntf=2, ntt=3, temp0=300.0, cut=7.0, iwrap=1"
STEPS = [  # name, begins with, namelist without the number of steps, steps, steps between frames
    ("minimum", "built.rst7", "imin=1, maxcyc=500, ncyc=250, ntb=1, cut=7.0", None, None),
    ("warm", "minimum.rst7", f"{COMMON}, irest=0, ntx=1, dt=0.001, gamma_ln=5.0, tempi=50.0, ntb=1, ig=10", 5000, None),
    ("press", "warm.rst7", f"{COMMON}, irest=1, ntx=5, dt=0.002, gamma_ln=2.0, ntb=2, ntp=1, barostat=1, taup=0.5, ig=11", 20000, None),
    ("md1", "press.rst7", f"{COMMON}, irest=1, ntx=5, dt=0.002, gamma_ln=2.0, ntb=2, ntp=1, barostat=1, taup=2.0, ig=12", 200000, 1000),
    ("md2", "md1.rst7", f"{COMMON}, irest=1, ntx=5, dt=0.002, gamma_ln=2.0, ntb=2, ntp=1, barostat=1, taup=2.0, ig=13", 200000, 1000),
]
KEPT = ["solvated.prmtop", "md1.nc", "md2.nc"]


def call(folder, *command):
    """Runs a program of AmberTools in `folder`; its words are shown only where it failed."""
    prefix = pathlib.Path(sys.prefix)
    environment = dict(os.environ, AMBERHOME=str(prefix), PATH=f"{prefix / 'bin'}:{os.environ['PATH']}")
    done = subprocess.run(command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit(f"make_propanol: {' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--scale", choices=["full", "tiny"], default="full")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        molecule = Chem.AddHs(Chem.MolFromSmiles("CCCO"))
        AllChem.EmbedMolecule(molecule, randomSeed=7)
        AllChem.MMFFOptimizeMolecule(molecule)
        Chem.MolToMolFile(molecule, str(folder / "lig.mol"))
        call(folder, *"antechamber -i lig.mol -fi mdl -o lig.mol2 -fo mol2 -c bcc -at gaff2 -rn LIG -pf y -dr no".split())
        call(folder, *"parmchk2 -i lig.mol2 -f mol2 -o lig.frcmod -s gaff2".split())
        (folder / "leap.in").write_text(LEAP)
        call(folder, *"tleap -f leap.in".split())
        for step, begins, namelist, steps, saved in STEPS:
            if steps and arguments.scale == "tiny":
                steps, saved = steps // 500, saved and saved // 100
            lengths = f", nstlim={steps}, ntpr={max(1, steps // 10)}" if steps else ""
            frames = f", ntwx={saved or 0}, ioutfm=1"
            (folder / f"{step}.in").write_text(f"{step}\n &cntrl {namelist}{lengths}{frames} /\n")
            call(folder, *f"sander -O -i {step}.in -p solvated.prmtop -c {begins} -o {step}.out -r {step}.rst7 -x {step}.nc".split())
        arguments.output.mkdir(parents=True, exist_ok=True)
        for kept in KEPT:
            shutil.copy(folder / kept, arguments.output / kept)


main()
