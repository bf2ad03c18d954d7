"""Makes Tests/Fixtures/windows: pymbar's example of 26 umbrella windows, thinned, with pymbar's answers; and sander's windows.

usage: make_windows.py pymbar EXAMPLE_FOLDER    (examples/umbrella-sampling-fes of github.com/choderalab/pymbar; needs pymbar)
       make_windows.py sander PRMTOP PDB        (needs sander of AmberTools in PATH; about a minute)
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent / "windows"
GAS_CONSTANT = 0.00831446261815324


def estimate(values, windows, centers, constants, temperature, bins):
    """Free energies of windows and profile, kT: pymbar on torsions in rad, k in kJ/mol/rad^2 of k/2 d^2."""
    import pymbar

    kT = GAS_CONSTANT * temperature
    counts = np.bincount(windows)
    d = values[None, :] - np.asarray(centers)[:, None]
    d -= 2 * np.pi * np.round(d / (2 * np.pi))
    u = 0.5 * np.asarray(constants)[:, None] * d * d / kT
    mbar = pymbar.MBAR(u, counts, relative_tolerance=1e-13, maximum_iterations=100000)
    log_weights = -np.log((counts[:, None] * np.exp(mbar.f_k[:, None] - u)).sum(axis=0))
    weights = np.exp(log_weights - log_weights.max())
    wrapped = values - 2 * np.pi * np.round(values / (2 * np.pi))
    index = np.clip(((wrapped + np.pi) / (2 * np.pi) * bins).astype(int), 0, bins - 1)
    histogram = np.bincount(index, weights=weights, minlength=bins)
    profile = [float(-np.log(h / histogram.max())) if h > 0 else None for h in histogram]
    inside = (wrapped > 0) & (wrapped < 2)
    delta = -np.log(weights[inside].sum() / weights[~inside].sum())
    return {
        "free_energies": [float(f - mbar.f_k[0]) for f in mbar.f_k], "profile": profile, "delta_f": float(delta),
        "overlap": mbar.compute_overlap()["matrix"].tolist(),
    }


def pymbar_example(folder, stride=5):
    out = HERE / "pymbar"
    out.mkdir(parents=True, exist_ok=True)
    lines = [line.split() for line in (folder / "data/centers.dat").read_text().splitlines() if line.strip()]
    metadata = ["# file, centre / degrees, force constant / kJ/mol/rad2"]
    values, windows = [], []
    for k, (center, constant) in enumerate(lines):
        rows = [
            line.split()[:2] for line in (folder / f"data/prod{k}_dihed.xvg").read_text().splitlines()
            if line and line[0] not in "#@"
        ][::stride]
        (out / f"prod{k}.xvg").write_text(
            '@    yaxis  label "Angle (degrees)"\n@TYPE xy\n' + "".join(f"{time} {angle}\n" for time, angle in rows))
        values += [float(angle) * np.pi / 180 for _, angle in rows]
        windows += [k] * len(rows)
        metadata.append(f"prod{k}.xvg {center} {constant}")
    (out / "metadata.dat").write_text("\n".join(metadata) + "\n")
    centers = [float(c) * np.pi / 180 for c, _ in lines]
    answer = estimate(np.array(values), np.array(windows), centers, [float(k) for _, k in lines], 300, 36)
    (out / "answer.json").write_text(json.dumps(answer) + "\n")


def sander(prmtop, pdb, count=24):
    out = HERE / "sander"
    out.mkdir(parents=True, exist_ok=True)
    atoms = [line for line in open(pdb) if line.startswith(("ATOM", "HETATM"))]
    numbers = [float(line[a : a + 8]) for line in atoms for a in (30, 38, 46)]
    values, windows, centers = [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        rows = ["".join(f"{x:12.7f}" for x in numbers[i : i + 6]) for i in range(0, len(numbers), 6)]
        (folder / "start.rst7").write_text(f"molecule\n{len(atoms):5d}\n" + "\n".join(rows) + "\n")
        for k in range(count):
            center = -180 + 360 * k // count
            restraint = (
                f"# phi of window {k}\n &rst iat=5,7,9,15, r1={center - 180}.0, r2={center}.0, r3={center}.0, r4={center + 180}.0,\n"
                "      rk2=40.0, rk3=40.0,\n &end\n")
            (out / f"w{k}.RST").write_text(restraint)
            (folder / "w.RST").write_text(restraint)
            (folder / "w.in").write_text(
                f"""a window
 &cntrl
  imin=0, ntx=1, irest=0, nstlim=12000, dt=0.001, ntt=3, gamma_ln=5.0, temp0=300.0, tempi=300.0, ig={100 + k},
  ntb=0, igb=5, cut=999.0, ntpr=12000, ntwx=0, ntc=1, ntf=1, nmropt=1,
 /
 &wt type='DUMPFREQ', istep1=100 /
 &wt type='END' /
DISANG=w.RST
DUMPAVE=w.dat
""")
            subprocess.run(
                f"sander -O -i w.in -o w.out -p {prmtop.resolve()} -c start.rst7 -r w.rst7 -x w.nc", shell=True, check=True, cwd=folder)
            (out / f"w{k}.dat").write_text((folder / "w.dat").read_text())
            lines = [line.split() for line in (folder / "w.dat").read_text().splitlines()]
            rows = [float(line[1]) for place, line in enumerate(lines) if place + 1 == len(lines) or lines[place + 1][0] != line[0]]
            values += [x * np.pi / 180 for x in rows[20:]]
            windows += [k] * len(rows[20:])
            centers.append(center * np.pi / 180)
    # AMBER's k has no half, and is in kcal/mol
    answer = estimate(np.array(values), np.array(windows), centers, [2 * 40 * 4.184] * count, 300, 36)
    (out / "answer.json").write_text(json.dumps(answer) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["pymbar"]:
        pymbar_example(pathlib.Path(sys.argv[2]))
    elif sys.argv[1:2] == ["sander"]:
        sander(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    else:
        sys.exit(__doc__)
