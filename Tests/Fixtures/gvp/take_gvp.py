"""Writes biased.h5, unbiased.h5, endpoint.h5 and samples.h5: what CartesianOracleTests and EndpointOracleTests need of the files that
README.md describes.

usage: take_gvp.py SOURCE [NAME...]
SOURCE is a folder with gvp_alanine_biased.h5, gvp_alanine_unbiased.h5, gvp_alanine_endpoint.h5 and samples_biased.h5. NAME is
biased, unbiased, endpoint or samples; left out: all four.
"""

import sys
from pathlib import Path

import h5py

HERE = Path(__file__).resolve().parent
CASES = ("atom_class", "x", "t", "velocity", "velocity_f64", "divergence_f64")
ENDPOINT_CASES = ("endpoint", "endpoint_f64", "endpoint_divergence_f64")


def copy(source, output, path, rows=slice(None)):
    data = source[path][rows] if source[path].shape else source[path][()]
    output.create_dataset(path, data=data, **({"compression": 9, "shuffle": True} if data.size > 64 else {}))


def main():
    folder = Path(sys.argv[1])
    names = sys.argv[2:] or ["biased", "unbiased", "endpoint", "samples"]
    for name in ("biased", "unbiased", "endpoint"):
        if name not in names:
            continue
        with h5py.File(folder / f"gvp_alanine_{name}.h5") as source, h5py.File(HERE / f"{name}.h5", "w") as output:
            for case in CASES + (ENDPOINT_CASES if name == "endpoint" else ()):
                copy(source, output, f"cases/{case}")
            # one network's shape, so that two networks' inner states are enough
            for state in source["intermediate"] if name != "endpoint" else ():
                copy(source, output, f"intermediate/{state}")
            # those of the other two are in datasets/alanine-xtb
            for weight in source["weights"] if name == "unbiased" else ():
                if source[f"weights/{weight}"].size:
                    copy(source, output, f"weights/{weight}")
    if "samples" not in names:
        return
    with h5py.File(folder / "samples_biased.h5") as source, h5py.File(HERE / "samples.h5", "w") as output:
        for path in ("x", "prior"):
            copy(source, output, path, slice(8))


if __name__ == "__main__":
    main()
