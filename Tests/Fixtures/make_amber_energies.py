"""Energies and forces of alanine dipeptide by OpenMM's Python AmberPrmtopFile, for the tests of ForceFields.

    python Tests/Fixtures/make_amber_energies.py        (needs openmm, netCDF4)

Frames: every 5000th of the two trajectories of datasets/alanine; angstrom / 10 in double precision. Energies also by force.
"""
import json
import pathlib

import netCDF4
import numpy as np
import openmm
from openmm import app, unit

root = pathlib.Path(__file__).resolve().parents[2]
data = root / "datasets" / "alanine"
prmtop = app.AmberPrmtopFile(str(data / "alanine.prmtop"))

frames = []
for name in ("alanine-left.nc", "alanine-beta.nc"):
    with netCDF4.Dataset(data / name) as file:
        frames.append(np.asarray(file["coordinates"][::5000], dtype=np.float64) / 10)
coordinates = np.concatenate(frames)


def evaluate(solvent):
    system = prmtop.createSystem(implicitSolvent=solvent, removeCMMotion=False)
    for group, force in enumerate(system.getForces()):
        force.setForceGroup(group)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    energies, by_force, forces = [], {force.getName(): [] for force in system.getForces()}, []
    for frame in coordinates:
        context.setPositions(frame)
        state = context.getState(energy=True, forces=True)
        energies.append(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
        values = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
        forces += np.asarray(values).reshape(-1).tolist()
        for group, force in enumerate(system.getForces()):
            part = context.getState(energy=True, groups={group}).getPotentialEnergy()
            by_force[force.getName()].append(part.value_in_unit(unit.kilojoule_per_mole))
    return {"energies_kj_mol": energies, "by_force_kj_mol": list(by_force.values()), "forces_kj_mol_nm": forces}


out = {
    "openmm": openmm.__version__,
    "coordinates_nm": coordinates.reshape(-1).tolist(),
    "none": evaluate(None), "obc1": evaluate(app.OBC1), "obc2": evaluate(app.OBC2),
}
path = pathlib.Path(__file__).with_name("amber_energies.json")
path.write_text(json.dumps(out))
print(path.name, coordinates.shape, path.stat().st_size, [len(out[k]["by_force_kj_mol"]) for k in ("none", "obc1", "obc2")])
