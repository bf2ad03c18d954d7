"""Writes biased.h5, unbiased.h5 and samples.h5: what CartesianOracleTests need of the files that README.md describes.

usage: take_gvp.py SOURCE
SOURCE is a folder with gvp_alanine_biased.h5, gvp_alanine_unbiased.h5 and samples_biased.h5.
"""

import sys
from pathlib import Path

import h5py

HERE = Path(__file__).resolve().parent


def copy(source, output, path, rows=slice(None)):
    data = source[path][rows] if source[path].shape else source[path][()]
    output.create_dataset(path, data=data, **({"compression": 9, "shuffle": True} if data.size > 64 else {}))


def main():
    folder = Path(sys.argv[1])
    for name in ("biased", "unbiased"):
        with h5py.File(folder / f"gvp_alanine_{name}.h5") as source, h5py.File(HERE / f"{name}.h5", "w") as output:
            for case in ("atom_class", "x", "t", "velocity", "velocity_f64", "divergence_f64"):
                copy(source, output, f"cases/{case}")
            for state in source["intermediate"]:
                copy(source, output, f"intermediate/{state}")
            # the biased network's are in datasets/alanine-xtb
            for weight in source["weights"] if name == "unbiased" else ():
                if source[f"weights/{weight}"].size:
                    copy(source, output, f"weights/{weight}")
    with h5py.File(folder / "samples_biased.h5") as source, h5py.File(HERE / "samples.h5", "w") as output:
        for path in ("x", "prior"):
            copy(source, output, path, slice(8))


if __name__ == "__main__":
    main()
