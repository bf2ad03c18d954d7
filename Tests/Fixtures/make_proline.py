"""Makes rings/proline.xml: proline dipeptide (ACE-PRO-NME) in the force field of datasets/alanine, for rings/proline.pdb.

The structure is that of tleap's `sequence { ACE PRO NME }` with leaprc.protein.ff14SB, minimised in this force field.

    .deps/checks/bin/python Tests/Fixtures/make_proline.py
"""

from pathlib import Path

import openmm
from openmm import app

folder = Path(__file__).parent / "rings"
structure = app.PDBFile(str(folder / "proline.pdb"))
system = app.ForceField("amber99sbildn.xml", "amber99_obc.xml").createSystem(
    structure.topology, nonbondedMethod=app.NoCutoff, constraints=None, removeCMMotion=False
)
(folder / "proline.xml").write_text(openmm.XmlSerializer.serialize(system))
