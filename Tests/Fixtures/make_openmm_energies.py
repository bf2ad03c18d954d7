"""Energies and forces of alanine dipeptide by OpenMM's own Python layer, for the tests of OpenMM and ForceFields.

    python Tests/Fixtures/make_openmm_energies.py        (needs openmm, netCDF4)

Frames: every 1600th of the two trajectories of datasets/alanine; angstrom / 10 in double precision.
"""
import json
import pathlib

import netCDF4
import numpy as np
import openmm
from openmm import unit

root = pathlib.Path(__file__).resolve().parents[2]
data = root / "datasets" / "alanine"
system = openmm.XmlSerializer.deserialize((data / "system.xml").read_text())
integrator = openmm.VerletIntegrator(0.001)
context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))

frames = []
for name in ("alanine-left.nc", "alanine-beta.nc"):
    with netCDF4.Dataset(data / name) as file:
        coordinates = file["coordinates"]
        frames.append(np.asarray(coordinates[::1600], dtype=np.float64) / 10)
coordinates = np.concatenate(frames)

energies, forces = [], []
for frame in coordinates:
    context.setPositions(frame)
    state = context.getState(energy=True, forces=True)
    energies.append(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
    forces.append(
        state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer).tolist()
    )

out = {
    "openmm": openmm.__version__,
    "platform": "Reference",
    "atoms": system.getNumParticles(),
    "coordinates_nm": coordinates.reshape(-1).tolist(),
    "energies_kj_mol": energies,
    "forces_kj_mol_nm": np.asarray(forces).reshape(-1).tolist(),
}
path = pathlib.Path(__file__).with_name("openmm_energies.json")
path.write_text(json.dumps(out))
print(path.name, coordinates.shape, path.stat().st_size)
