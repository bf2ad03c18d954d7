"""Reference torsions by MDTraj for the Molecules tests.

usage: python make_torsions.py TRAJECTORY.nc > torsions.json
(TRAJECTORY: frames of alanine dipeptide in the order of alanine.pdb beside this script)
"""
import json
import pathlib
import sys

import mdtraj
import numpy

folder = pathlib.Path(__file__).parent
frames = mdtraj.load(sys.argv[1], top=str(folder / "alanine.pdb"))[::1500]
torsions = [[4, 6, 8, 14], [6, 8, 14, 16], [1, 4, 6, 8], [11, 10, 8, 6], [16, 14, 8, 9], [0, 1, 4, 5]]
coordinates = frames.xyz.astype(float)
exact = mdtraj.Trajectory(coordinates, frames.topology)
angles = mdtraj.compute_dihedrals(exact, numpy.array(torsions), periodic=False, opt=False)
json.dump(
    {
        "mdtraj": mdtraj.__version__,
        "atoms": frames.n_atoms,
        "torsions": torsions,
        "coordinates": [float(x) for x in exact.xyz.ravel()],
        "angles": [float(x) for x in angles.ravel()],
    },
    sys.stdout,
)
