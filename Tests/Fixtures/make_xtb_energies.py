"""GFN2-xTB energies and forces by the xtb program itself, for the tests of XTB and ForceFields.

    python Tests/Fixtures/make_xtb_energies.py        (needs numpy, netCDF4, and Debian's xtb 6.5.1 on PATH)

Molecules: every 8000th frame of the two trajectories of datasets/alanine in GBSA water and without a solvent, and a formate
ion in water.
"""
import json
import os
import pathlib
import re
import subprocess
import tempfile

import netCDF4
import numpy as np

root = pathlib.Path(__file__).resolve().parents[2]
data = root / "datasets" / "alanine"
bohr, hartree = 0.0529177210903, 2625.4996394799  # CODATA 2018: nm, kJ/mol
symbols = {1: "H", 6: "C", 7: "N", 8: "O"}


def compute(numbers, frame, charge, solvent):
    """Energy in kJ/mol and forces in kJ/mol/nm of one frame in nm."""
    with tempfile.TemporaryDirectory() as folder:
        lines = ["$coord"]  # in bohr: no conversion inside the program
        lines += [" ".join(f"{x / bohr:.15f}" for x in p) + " " + symbols[z].lower() for p, z in zip(frame, numbers)]
        pathlib.Path(folder, "coord").write_text("\n".join(lines + ["$end", ""]))
        command = ["xtb", "coord", "--gfn", "2", "--chrg", str(charge), "--grad"]
        command += ["--gbsa", solvent] if solvent else []
        run = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        energy = float(re.search(r"TOTAL ENERGY\s+(\S+)", run.stdout).group(1))
        rows = pathlib.Path(folder, "gradient").read_text().splitlines()[2 + len(numbers) : 2 + 2 * len(numbers)]
        gradient = np.array([[float(x.replace("D", "E")) for x in row.split()] for row in rows])
    return energy * hartree, (-gradient * hartree / bohr).reshape(-1).tolist()


elements = {"H": 1, "C": 6, "N": 7, "O": 8}
pdb = [line for line in (data / "alanine.pdb").read_text().splitlines() if line.startswith(("ATOM", "HETATM"))]
numbers = [elements[line[76:78].strip()] for line in pdb]
frames = []
for name in ("alanine-left.nc", "alanine-beta.nc"):
    with netCDF4.Dataset(data / name) as file:
        frames.append(np.asarray(file["coordinates"][::8000], dtype=np.float64) / 10)
frames = np.concatenate(frames)
formate = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.112], [0.109, 0.0, -0.066], [-0.112, 0.01, -0.064]])

cases = []
for numbers_, frames_, charge, solvent in (
    (numbers, frames, 0, "water"), (numbers, frames[:1], 0, None), ([6, 1, 8, 8], formate[None], -1, "water"),
):
    results = [compute(numbers_, frame, charge, solvent) for frame in frames_]
    cases.append({
        "atomic_numbers": numbers_, "charge": charge, "solvent": solvent,
        "coordinates_nm": frames_.reshape(-1).tolist(),
        "energies_kj_mol": [energy for energy, _ in results],
        "forces_kj_mol_nm": [x for _, forces in results for x in forces],
    })
path = pathlib.Path(__file__).with_name("xtb_energies.json")
path.write_text(json.dumps({"xtb": "6.5.1", "cases": cases}))
print(path.name, [len(case["energies_kj_mol"]) for case in cases], path.stat().st_size)
