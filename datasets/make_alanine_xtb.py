"""Writes alanine-xtb/gvp-biased.h5, or gvp-endpoint.h5: the weights of a published GVP with what the pipeline needs to use them.

usage: make_alanine_xtb.py SOURCE [--output FILE]
SOURCE is an HDF5 file with the checkpoint's tensors under /weights, the network's constants as attributes of /config, and the classes of the
atoms under /cases/atom_class, in the authors' order of atoms, with /cases/to_openmm_order as the permutation to that of a PDB file. What
/config calls the network's prediction says which of the two files it becomes.
"""

import argparse
from pathlib import Path

import h5py
import numpy as np


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with h5py.File(arguments.source) as source:
        prediction = source["config"].attrs["prediction"].split()[0]
        if prediction not in ("velocity", "endpoint"):
            raise SystemExit(f"{arguments.source}: the network predicts '{prediction}', neither velocity nor endpoint")
        predicts_endpoint = prediction == "endpoint"
        name = "gvp-endpoint.h5" if predicts_endpoint else "gvp-biased.h5"
        path = arguments.output or here / "alanine-xtb" / name
        write(source, path, predicts_endpoint)
    print(f"{path}: {path.stat().st_size} bytes")


def write(source, path, predicts_endpoint):
    with h5py.File(path, "w") as output:
        classes = source["cases/atom_class"][:][source["cases/to_openmm_order"][:]]
        output["atom_class"] = classes.astype(np.int64)
        for name, tensor in source["weights"].items():
            if tensor.size:
                output[f"weights/{name}"] = tensor[()].astype(np.float32)
        for name in ("n_layers", "n_scalars", "n_vectors", "n_atom_classes", "rbf_count"):
            output[f"configuration/{name}"] = np.int64(source["config"].attrs[name])
        for name in ("rbf_max", "coords_range", "message_norm"):
            output[f"configuration/{name}"] = np.float64(source["config"].attrs[name])
        # the network was trained with t = 1 for noise and dx/dt towards it
        output["configuration/noise_at_one"] = np.int64(1)
        # what it gives is the data point and not dx/dt; a file without this gives dx/dt
        if predicts_endpoint:
            output["configuration/predicts_endpoint"] = np.int64(1)
        for name in ("source", "license", "citation", "checkpoint"):
            output.attrs[name] = source.attrs[name]


if __name__ == "__main__":
    main()
