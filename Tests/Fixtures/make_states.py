"""Writes states.json: populations and free energies of states of alanine dipeptide by MDTraj and numpy, for StateSetTests.

usage: .deps/checks/bin/python Tests/Fixtures/make_states.py
"""

import json
import pathlib

import mdtraj
import numpy

root = pathlib.Path(__file__).resolve().parents[2]
data = root / "datasets/alanine"
frames = mdtraj.join(
    mdtraj.load(str(data / name), top=str(data / "alanine.pdb")) for name in ["alanine-left.nc", "alanine-beta.nc"]
)
phi, psi = mdtraj.compute_dihedrals(frames, [[4, 6, 8, 14], [6, 8, 14, 16]], periodic=False).astype(float).T
end = mdtraj.compute_distances(frames, [[1, 18]], periodic=False)[:, 0].astype(float)


def arc(values, low, high):
    return (values > low) & (values < high) if low < high else (values > low) | (values < high)


states = {
    "alpha_L": arc(phi, 0, 2),
    "C7eq": arc(phi, -2, -1) & arc(psi, 0, 1.5),
    "beta": (arc(phi, -3, -2) & arc(psi, 2, -2.5)) | (arc(phi, -2, -1.2) & arc(psi, 2, 3)),
    "bent": arc(phi, -2, -1) & arc(psi, -1.5, 0) & (end >= 0.3) & (end <= 0.55),
}
states["rest"] = ~numpy.logical_or.reduce(list(states.values()))
counts = {name: int(inside.sum()) for name, inside in states.items()}
pairs = [("alpha_L", "C7eq"), ("beta", "C7eq"), ("bent", "beta"), ("rest", "alpha_L")]
answer = {
    "frames": frames.n_frames,
    "counts": counts,
    "delta_f": [float(-numpy.log(counts[a] / counts[b])) for a, b in pairs],
    "pairs": pairs,
}
(root / "Tests/Fixtures/states.json").write_text(json.dumps(answer, indent=1) + "\n")
print(json.dumps(answer))
