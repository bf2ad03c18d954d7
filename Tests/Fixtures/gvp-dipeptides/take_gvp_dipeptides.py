"""Writes cases.h5: what PeptideOracleTests needs of the file that README.md describes.

usage: take_gvp_dipeptides.py SOURCE
SOURCE is gvp_dipeptides.h5.
"""

import sys
from pathlib import Path

import h5py

HERE = Path(__file__).resolve().parent


def main():
    with h5py.File(sys.argv[1]) as source, h5py.File(HERE / "cases.h5", "w") as output:

        def copy(path, values):
            output.create_dataset(path, data=values, **({"compression": 9, "shuffle": True} if values.size > 64 else {}))

        for name, molecule in source["molecules"].items():
            # three ones in each row
            copy(f"molecules/{name}/columns", molecule["features"][()].nonzero()[1].reshape(-1, 3))
        for name, cases in source["cases"].items():
            for path, values in cases.items():
                copy(f"cases/{name}/{path}", values[()])
        for path in ("prior", "t", "x_f64", "divergence_f64"):
            copy(f"trajectory/AC/{path}", source[f"trajectory/AC/{path}"][()])


if __name__ == "__main__":
    main()
