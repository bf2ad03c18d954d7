#!/usr/bin/env python3
"""Draws docs/alanine.png from a finished run: free energy along phi by every road, and how far they are from each other.

usage: .deps/checks/bin/python docs/make_picture.py runs/alanine --reference datasets/alanine/umbrella_reference.csv \
           --output docs/alanine.png                  (./bootstrap --checks makes that Python)
"""
import argparse
import json
import pathlib

import h5py
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"]


LARGEST_ERROR = 2.0  # kT; a bin with more says nothing and is left out


def text(file, path):
    value = file[path][()]
    return value.decode() if isinstance(value, bytes) else str(value)


def free_energy(angles, bins=60):
    """-ln of the density of angles / rad, minimum 0, nan where there is nothing."""
    counts, edges = np.histogram(angles, bins=bins, range=(-np.pi, np.pi))
    with np.errstate(divide="ignore"):
        energy = -np.log(counts / counts.max())
    energy[~np.isfinite(energy)] = np.nan
    return (edges[1:] + edges[:-1]) / 2, energy


def main():
    parser = argparse.ArgumentParser(description="draws the free energy along the state's torsion from a run's artifacts")
    parser.add_argument("folder", type=pathlib.Path, help="the run's folder")
    parser.add_argument("--reference", type=pathlib.Path, help="a CSV of phi / rad, free energy / kT, standard error / kT")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("docs/alanine.png"))
    options = parser.parse_args()

    stages = {}
    for path in sorted(options.folder.glob("*.h5")):
        if ".ckpt-" not in path.name:
            file = h5py.File(path, "r")
            stages[text(file, "provenance/stage")] = file
    of = lambda kind: [(name, f) for name, f in stages.items() if text(f, "provenance/stage_type") == kind]

    plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False, "font.family": "DejaVu Sans"})
    figure, (profile, difference) = plt.subplots(
        1, 2, figsize=(11, 4.6), width_ratios=(2.4, 1), layout="constrained", gridspec_kw={"wspace": 0.06})
    answers = []

    torsion = "phi"
    drawn = set()
    for name, file in of("reweight"):
        canonical = json.loads(text(file, "provenance/canonical"))
        torsion = canonical["system"]["state"]["torsion"]
        samples = canonical["inputs"]["samples"][0]["stage"]
        if samples not in drawn and samples in stages:
            drawn.add(samples)
            angles = np.asarray(stages[samples][f"results/torsions/{torsion}"])
            profile.plot(*free_energy(angles), color="#8a8a8a", linestyle="--", label="raw emulator, no weights")

    if options.reference:
        reference = np.genfromtxt(options.reference, delimiter=",", comments="#", skip_header=2)
        profile.plot(reference[:, 0], reference[:, 1], color="#b08a4a", linewidth=4, alpha=0.55, label="independent umbrella runs")
        header = options.reference.read_text().splitlines()[0]
        values = dict(part.split("=") for part in header.lstrip("# ").split() if "=" in part)
        if "dF_kT" in values:
            answers.append(("independent\numbrella runs", float(values["dF_kT"]),
                            2 * [1.96 * float(values["standard_error_kT"])], "#b08a4a"))

    def draw(name, file, colour, label):
        x, y = np.asarray(file[f"results/profile/{torsion}"]), np.asarray(file["results/profile/free_energy"])
        error = np.asarray(file["results/profile/standard_error"])
        y = np.where(error <= LARGEST_ERROR, y, np.nan)
        profile.fill_between(x, y - error, y + error, color=colour, alpha=0.25, linewidth=0)
        profile.plot(x, y, color=colour, linewidth=1.6, label=label)
        value = float(file["results/delta_f"][()])
        if "results/delta_f_interval" in file:
            low, high = file["results/delta_f_interval"][()]
            bars = [value - low, high - value]
        else:
            bars = 2 * [1.96 * float(file["results/delta_f_standard_error"][()])]
        answers.append((name, value, bars, colour))

    for name, file in of("umbrella"):
        draw(name, file, "#1a1a1a", "umbrella sampling, this run")
    for (name, file), colour in zip(of("reweight"), COLOURS):
        canonical = json.loads(text(file, "provenance/canonical"))
        density = canonical["inputs"].get("density")
        how = f"energy model {density[0]['stage']}" if density else str(canonical["parameters"].get("density", ""))
        draw(name, file, colour, f"reweighted by {how.replace('-', ' ')}")

    profile.set(xlim=(-np.pi, np.pi), ylim=(-0.6, 24), xlabel=f"{torsion} / rad", ylabel="free energy / kT")
    profile.legend(frameon=False, fontsize=9.5, loc="upper left")
    for place, (name, value, bars, colour) in enumerate(answers):
        difference.errorbar([value], [place], xerr=[[bars[0]], [bars[1]]], fmt="o", color=colour, capsize=4)
    difference.set_yticks(range(len(answers)), [name for name, *_ in answers])
    difference.set(xlabel="dF / kT, 95 % intervals", ylim=(len(answers) - 0.5, -0.5))
    difference.grid(axis="x", color="#e6e6e6")
    figure.savefig(options.output, dpi=160)
    print(options.output)


if __name__ == "__main__":
    main()
