"""Trajectories of one molecule in every format that is read, as other programs write them, for the tests of Trajectories.

    python Tests/Fixtures/make_trajectories.py        (needs mdtraj, openmm, MDAnalysis, netCDF4, tables)

The frames: seven of datasets/alanine/alanine-beta.nc (22 atoms), every 1000th, which stay in a box of their own; and methanol (6 atoms,
too few for XTC to compress). frames.json holds the coordinates (nm), times (ps) and boxes that went into the files.
"""
import json
import pathlib
import shutil
import struct

import MDAnalysis
import mdtraj
import netCDF4
import numpy as np
from MDAnalysis.coordinates.XTC import XTCWriter
from openmm import app, unit, vec3

root = pathlib.Path(__file__).resolve().parents[2]
out = pathlib.Path(__file__).with_name("trajectories")
shutil.rmtree(out, ignore_errors=True)  # some writers replace no file
out.mkdir()

frames = 7
with netCDF4.Dataset(root / "datasets/alanine/alanine-beta.nc") as file:
    angstrom = np.asarray(file["coordinates"][::1000][:frames], dtype=np.float32)
coordinates = (angstrom.astype(np.float64) / 10).astype(np.float32)
topology = mdtraj.load_topology(str(root / "datasets/alanine/alanine.pdb"))
times = (10 + 2.5 * np.arange(frames)).astype(np.float32)
# triclinic, and another one in each frame
lengths = np.array([[3.0 + 0.01 * i, 3.1, 3.2] for i in range(frames)], dtype=np.float32)
angles = np.tile(np.array([80.0, 95.0, 70.0], dtype=np.float32), (frames, 1))
traj = mdtraj.Trajectory(coordinates, topology, times, lengths, angles)
bare = mdtraj.Trajectory(coordinates, topology, times)
box = mdtraj.Trajectory(coordinates, topology, times, lengths, np.full_like(angles, 90))

traj.save_dcd(str(out / "mdtraj.dcd"))
traj.save_xtc(str(out / "mdtraj.xtc"))
traj.save_trr(str(out / "mdtraj.trr"))
traj.save_hdf5(str(out / "mdtraj.h5"))
bare.save_hdf5(str(out / "bare.h5"))
traj.save_netcdf(str(out / "mdtraj.nc"))
traj.save_pdb(str(out / "mdtraj.pdb"))
bare.save_pdb(str(out / "bare.pdb"))
box.save_mdcrd(str(out / "box.mdcrd"))
bare.save_mdcrd(str(out / "bare.mdcrd"))
traj[2].save_amberrst7(str(out / "mdtraj.rst7"))
bare[2].save_amberrst7(str(out / "bare.rst7"))
traj[2].save_netcdfrst(str(out / "mdtraj.ncrst"))

# OpenMM's own writers
cells = traj.unitcell_vectors
openmm_topology = topology.to_openmm()
openmm_topology.setPeriodicBoxVectors([vec3.Vec3(*map(float, v)) for v in cells[0]] * unit.nanometer)
with open(out / "openmm.dcd", "wb") as stream:
    writer = app.DCDFile(stream, openmm_topology, 0.002 * unit.picosecond, 5000, 1250)
    for x, cell in zip(coordinates, cells):
        writer.writeModel(x * unit.nanometer, periodicBoxVectors=[vec3.Vec3(*map(float, v)) for v in cell] * unit.nanometer)
writer = app.XTCFile(str(out / "openmm.xtc"), openmm_topology, 0.002 * unit.picosecond, 5000, 1250)
for x, cell in zip(coordinates, cells):
    writer.writeModel(x * unit.nanometer, periodicBoxVectors=[vec3.Vec3(*map(float, v)) for v in cell] * unit.nanometer)
with open(out / "openmm.pdb", "w") as stream:
    app.PDBFile.writeHeader(openmm_topology, stream)
    for i, x in enumerate(coordinates):
        app.PDBFile.writeModel(openmm_topology, x * unit.nanometer, stream, modelIndex=i + 1)
    app.PDBFile.writeFooter(openmm_topology, stream)

# MDAnalysis: a DCD with times, an XTC of two digits without boxes
universe = MDAnalysis.Universe(str(root / "datasets/alanine/alanine.pdb"), coordinates * 10, dt=2.5)
with MDAnalysis.Writer(str(out / "mdanalysis.dcd"), n_atoms=22, dt=2.5, nsavc=1) as writer:
    for step in universe.trajectory:
        step.dimensions = [*(lengths[step.frame] * 10), *angles[step.frame]]
        writer.write(universe.atoms)
with XTCWriter(str(out / "coarse.xtc"), n_atoms=22, precision=2) as writer:
    for step in universe.trajectory:
        step.dimensions = None
        writer.write(universe.atoms)

# by the layouts' own rules: a big-endian DCD of X-PLOR's kind (no boxes), a TRR of double precision with frames of velocities alone
with open(out / "big.dcd", "wb") as stream:
    def record(data):
        stream.write(struct.pack(">i", len(data)) + data + struct.pack(">i", len(data)))
    record(b"CORD" + struct.pack(">9i", frames, 40, 10, 0, 0, 0, 0, 0, 0) + struct.pack(">d", 0.25 / 0.04888821) + struct.pack(">9i", *[0] * 9))
    record(struct.pack(">i", 1) + b"made by make_trajectories.py".ljust(80))
    record(struct.pack(">i", 22))
    for x in angstrom:
        for axis in range(3):
            record(x[:, axis].astype(">f4").tobytes())
with open(out / "double.trr", "wb") as stream:
    for i in range(frames):
        for kind in ("v", "x"):
            size = 3 * 22 * 8
            stream.write(struct.pack(">3i", 1993, 13, 12) + b"GMX_trn_file")
            stream.write(struct.pack(">13i", 0, 0, 72, 0, 0, 0, 0, size if kind == "x" else 0, size if kind == "v" else 0, 0, 22, i, 0))
            stream.write(struct.pack(">2d", float(times[i]) - (0.5 if kind == "v" else 0), 0.0))
            stream.write(np.asarray(cells[i], dtype=">f8").tobytes())
            stream.write((coordinates[i].astype(np.float64) * (1 if kind == "x" else 9)).astype(">f8").tobytes())

# methanol
small = np.array([[-0.0037, 0.0650, 0], [-0.0037, -0.0768, 0], [0.1003, 0.0982, 0], [-0.0540, 0.1028, 0.0890],
                  [-0.0540, 0.1028, -0.0890], [-0.0945, -0.1088, 0]], dtype=np.float32)
few = np.stack([small + np.float32(0.01 * i) for i in range(3)])
with mdtraj.formats.XTCTrajectoryFile(str(out / "methanol.xtc"), "w") as file:
    file.write(few, time=np.arange(3, dtype=np.float32), step=np.arange(3), box=np.zeros((3, 3, 3), dtype=np.float32))

# water and something far away: long runs of small differences, and ranges of more than 24 bits
random = np.random.default_rng(7)
centres = random.uniform(0, 12, size=(700, 1, 3))
waters = (centres + np.array([[0, 0, 0], [0.0957, 0, 0], [-0.024, 0.0927, 0]]) + random.normal(0, 0.003, (700, 3, 3))).reshape(1, -1, 3)
waters = np.concatenate([waters, waters + 0.02]).astype(np.float32)
with mdtraj.formats.XTCTrajectoryFile(str(out / "water.xtc"), "w") as file:
    file.write(waters, time=np.arange(2, dtype=np.float32), step=np.arange(2), box=np.zeros((2, 3, 3), dtype=np.float32))
far = np.concatenate([coordinates[0], coordinates[1] + np.float32(20000)])[None]
with mdtraj.formats.XTCTrajectoryFile(str(out / "far.xtc"), "w") as file:
    file.write(far, time=np.zeros(1, dtype=np.float32), step=np.zeros(1, dtype=int), box=np.zeros((1, 3, 3), dtype=np.float32))

def read(name):
    with mdtraj.formats.XTCTrajectoryFile(str(out / name)) as file:
        return file.read()[0]

read_waters = read("water.xtc").astype(np.float64)
(out / "frames.json").write_text(json.dumps({
    "mdtraj": mdtraj.__version__, "atoms": 22, "coordinates": coordinates.astype(float).reshape(-1).tolist(),
    "times": times.tolist(), "lengths": lengths.astype(float).reshape(-1).tolist(),
    "angles": angles.astype(float).reshape(-1).tolist(), "methanol": few.astype(float).reshape(-1).tolist(),
    # every 50th number, in thousandths
    "water": np.rint(1000 * read_waters).astype(int).reshape(-1)[::50].tolist(),
    "water_sum": int(np.rint(1000 * read_waters).sum()),
    "xtc": np.rint(1000 * read("mdtraj.xtc").astype(np.float64)).astype(int).reshape(-1).tolist(),
    "far": far.astype(float).reshape(-1).tolist(),
}))
for path in sorted(out.iterdir()):
    print(path.name, path.stat().st_size)
