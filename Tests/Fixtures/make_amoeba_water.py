"""A water molecule of AMOEBA as a serialised System, and its energy (printed), for the tests of OpenMM.

    python Tests/Fixtures/make_amoeba_water.py      (needs openmm)

Forces without a term for one molecule of water are left out; the tables that they carry are large.
"""
import pathlib

import openmm
from openmm import app

topology = app.Topology()
residue = topology.addResidue("HOH", topology.addChain())
oxygen = topology.addAtom("O", app.element.oxygen, residue)
for name in ("H1", "H2"):
    topology.addBond(oxygen, topology.addAtom(name, app.element.hydrogen, residue))
system = app.ForceField("amoeba2018.xml").createSystem(
    topology, nonbondedMethod=app.NoCutoff, constraints=None, rigidWater=False, polarization="mutual")
kept = ("AmoebaBondForce", "AmoebaMultipoleForce", "HarmonicBondForce", "AmoebaAngleForce")
for index in reversed(range(system.getNumForces())):
    if system.getForce(index).getName() not in kept:
        system.removeForce(index)
pathlib.Path(__file__).with_name("molecules").joinpath("amoeba-water.xml").write_text(openmm.XmlSerializer.serialize(system))
context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
context.setPositions([[0, 0, 0], [0.1, 0, 0], [-0.02, 0.093, 0.001]])
print(repr(context.getState(energy=True).getPotentialEnergy()._value))
