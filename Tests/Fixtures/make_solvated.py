"""Makes solvated/: capped alanine among waters and ions, as PDB, AMBER prmtop, System XML and frames, and what other programs say of them.

Needs openmm, mdtraj and parmed: python make_solvated.py
"""

import json
import os

import mdtraj
import numpy as np
import openmm
import parmed
from openmm import app, unit

here = os.path.dirname(os.path.abspath(__file__))
folder = os.path.join(here, "solvated")
os.makedirs(folder, exist_ok=True)
random = np.random.default_rng(7)

solute = app.PDBFile(os.path.join(here, "molecules", "alanine.pdb"))
field = app.ForceField("amber19/protein.ff19SB.xml", "amber14/tip3p.xml")

modeller = app.Modeller(solute.topology, solute.positions)
modeller.addSolvent(field, boxSize=openmm.Vec3(2.0, 2.0, 2.0), model="tip3p", ionicStrength=0.3 * unit.molar)
# some of the water, and that before the molecule too
residues = list(modeller.topology.residues())
waters = [r for r in residues if r.name == "HOH"]
modeller.delete(waters[14:])
positions = np.array(modeller.positions.value_in_unit(unit.nanometer))
chains = list(modeller.topology.chains())
top, order = app.Topology(), []
atoms = {}


def copy(residue, chain):
    new = top.addResidue(residue.name, chain)
    for atom in residue.atoms():
        atoms[atom] = top.addAtom(atom.name, atom.element, new)
        order.append(atom.index)


residues = list(modeller.topology.residues())
water = [r for r in residues if r.name == "HOH"]
ions = [r for r in residues if r.name in ("NA", "CL")]
molecule = [r for r in residues if r.name in ("ACE", "ALA", "NME")]
for group in (water[:3], molecule, ions, water[3:]):
    chain = top.addChain()
    for residue in group:
        copy(residue, chain)
for bond in modeller.topology.bonds():
    top.addBond(atoms[bond[0]], atoms[bond[1]])
top.setPeriodicBoxVectors(modeller.topology.getPeriodicBoxVectors())
positions = positions[order]

with open(os.path.join(folder, "all.pdb"), "w") as file:
    app.PDBFile.writeFile(top, positions * unit.nanometer, file)

system = field.createSystem(
    top, nonbondedMethod=app.PME, nonbondedCutoff=0.9 * unit.nanometer, constraints=app.HBonds, rigidWater=True)
system.addForce(openmm.MonteCarloBarostat(1, 300))
for index, force in enumerate(system.getForces()):
    if isinstance(force, openmm.CMAPTorsionForce):  # the one map that is used, among those of all residues
        used = openmm.CMAPTorsionForce()
        terms = [force.getTorsionParameters(i) for i in range(force.getNumTorsions())]
        used.addMap(*force.getMapParameters(terms[0][0]))
        for term in terms:
            used.addTorsion(0, *term[1:])
        system.removeForce(index)
        system.addForce(used)
        break
with open(os.path.join(folder, "all.xml"), "w") as file:
    file.write(openmm.XmlSerializer.serialize(system))

flexible = app.ForceField("amber14/protein.ff14SB.xml", "amber14/tip3p.xml").createSystem(
    top, nonbondedMethod=app.PME, nonbondedCutoff=0.9 * unit.nanometer, constraints=None, rigidWater=False,
    removeCMMotion=False)
parm = parmed.openmm.load_topology(top, flexible, positions * unit.nanometer)
parm = parmed.amber.AmberParm.from_structure(parm)
parmed.tools.changeRadii(parm, "mbondi2").execute()
parm.write_parm(os.path.join(folder, "all.prmtop"))

kept = [a.index for a in top.atoms() if a.residue.name in ("ACE", "ALA", "NME")]
frames = [positions[kept] + 0.004 * random.standard_normal((len(kept), 3)) for _ in range(5)]


def energies(system, frames):
    context = openmm.Context(
        system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    found = []
    for frame in frames:
        context.setPositions(frame)
        found.append(context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
    return found


again = parmed.amber.AmberParm(os.path.join(folder, "all.prmtop"))
again.strip("!:ACE,ALA,NME")
stripped = {}
for name, model in (("obc2", app.OBC2), ("none", None)):
    made = again.createSystem(nonbondedMethod=app.NoCutoff, implicitSolvent=model, gbsaModel=None)
    stripped[name] = energies(made, frames)
    if model is not None:
        stripped["ace"] = energies(
            again.createSystem(nonbondedMethod=app.NoCutoff, implicitSolvent=model, gbsaModel="ACE"), frames)

small = app.Topology()
chain = small.addChain()
new = {}
for residue in molecule:
    r = small.addResidue(residue.name, chain)
    for atom in residue.atoms():
        new[atom] = small.addAtom(atom.name, atom.element, r)
for bond in modeller.topology.bonds():
    if bond[0] in new:
        small.addBond(new[bond[0]], new[bond[1]])
alone = field.createSystem(small, nonbondedMethod=app.NoCutoff, constraints=app.HBonds)

trajectory = mdtraj.load(os.path.join(folder, "all.pdb"))
queries = [
    "all", "protein", "water", "not water", "backbone", "sidechain", "resname ALA", "resname ALA NME", "name CA CB",
    "name CA or name CB", "resid 3 to 5", "resid < 4", "index 9 to 30", "index 9 10 11", "element C", "element Cl or element Na",
    "chainid 1", "protein and not element H", "protein and (name CB or element O)", "not (water or resname NA CL)",
    "resname == 'ALA' and name != CA", "backbone or resname NA and chainid 2",
    "not water and not protein", "n_bonds > 3", "mass > 15", "!water && !protein || resname ALA",
]
selections = {}
for query in queries:
    try:
        selections[query] = trajectory.topology.select(query).tolist()
    except Exception as error:
        print("MDTraj does not read", query, type(error).__name__)

with open(os.path.join(folder, "expected.json"), "w") as file:
    json.dump(
        {
            "kept": kept, "frames": [f.ravel().round(9).tolist() for f in frames], "parmed": stripped,
            "openmm": energies(alone, [f.round(9) for f in frames]), "selections": selections,
        }, file, indent=0)

# the molecule across the corner of the box, in three frames
moved = []
box = np.array([2.0, 2.0, 2.0])
for step in range(3):
    frame = positions + np.array([0.9, 1.1, 0.8]) + 0.05 * step
    moved.append(frame - box * np.floor(frame / box))
writer = mdtraj.formats.NetCDFTrajectoryFile(os.path.join(folder, "wrapped.nc"), "w")
writer.write(
    np.array(moved) * 10, time=np.arange(3) * 2.0, cell_lengths=np.tile(box * 10, (3, 1)),
    cell_angles=np.full((3, 3), 90.0))
writer.close()
