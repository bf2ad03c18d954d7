"""Writes dipeptides-published/gvp.h5: the weights of a published GVP for many dipeptides, and the tables that give each atom its features.

usage: make_dipeptides_published.py SOURCE [--output FILE]
SOURCE is an HDF5 file with the checkpoint's tensors under /weights, the network's constants as attributes of /config, and the tables under
/features: names of residues and of types of atoms, and for every atom that a residue can have its type.
"""

import argparse
from pathlib import Path

import h5py
import numpy as np

NEVER, ALWAYS, EITHER = 0, 1, 2


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--output", type=Path, default=here / "dipeptides-published" / "gvp.h5")
    arguments = parser.parse_args()
    with h5py.File(arguments.source) as source, h5py.File(arguments.output, "w") as output:
        write(source, output)
    print(f"{arguments.output}: {arguments.output.stat().st_size} bytes")


def presence(residue, atom):
    """Whether an atom is there in a first and in a last residue of a zwitterion."""
    if atom == "OXT":
        return NEVER, ALWAYS
    if atom in ("H2", "H3"):
        return ALWAYS, NEVER
    # either nitrogen of histidine carries a hydrogen, or both do
    if residue == "HIS" and atom in ("HD1", "HE2"):
        return EITHER, EITHER
    return ALWAYS, ALWAYS


def write(source, output):
    config, tables = source["config"].attrs, source["features"]
    if config["prediction"] != "velocity":
        raise SystemExit(f"the network predicts '{config['prediction']}', not velocity")

    def put(path, values):
        output.create_dataset(path, data=values, **({"compression": 9, "shuffle": True} if values.size > 64 else {}))

    for name, tensor in source["weights"].items():
        if tensor.size:
            put(f"weights/{name}", tensor[()].astype(np.float32))
    for name in ("residue_type_name", "atom_type_name", "rule_residue_name", "rule_atom_name"):
        names = tables[name][()]
        # the pipeline reads text as UTF-8 and not as ASCII
        put(f"features/{name}", names.astype(h5py.string_dtype("utf-8", names.dtype.itemsize)))
    put("features/rule_atom_type", tables["rule_atom_type"][()].astype(np.int64))
    rules = zip(tables["rule_residue_name"][()], tables["rule_atom_name"][()])
    put("features/rule_presence", np.array([presence(r.decode(), a.decode()) for r, a in rules], dtype=np.int64))
    for name in ("n_layers", "n_scalars", "n_vectors", "rbf_count", "n_residue_positions"):
        output[f"configuration/{name}"] = np.int64(config[name])
    for name in ("rbf_max", "coords_range", "message_norm"):
        output[f"configuration/{name}"] = np.float64(config[name])
    # what positions in nm are multiplied by
    output["configuration/length_scale"] = np.float64(config["length_units_per_nanometre"])
    # the network was trained with t = 1 for noise and dx/dt towards it
    output["configuration/noise_at_one"] = np.int64(1)
    for name in ("source", "license", "citation", "checkpoint", "checkpoint_sha256"):
        output.attrs[name] = source.attrs[name]


if __name__ == "__main__":
    main()
