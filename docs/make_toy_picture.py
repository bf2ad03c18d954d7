#!/usr/bin/env python3
"""Draws docs/gaussians.png or docs/checkerboard.png from a finished run: the true density, and beside it the learnt one of each loss.

usage: .deps/checks/bin/python docs/make_toy_picture.py runs/gaussians --output docs/gaussians.png
       (./bootstrap --checks makes that Python)
"""
import argparse
import pathlib
import statistics

import h5py
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

TITLES = {"both": "both losses", "score": "score matching only", "contrastive": "InfoNCE only"}


def main():
    parser = argparse.ArgumentParser(description="draws learnt densities beside the true one, from a run's artifacts")
    parser.add_argument("folder", type=pathlib.Path, help="the run's folder")
    parser.add_argument("--output", type=pathlib.Path, required=True)
    options = parser.parse_args()

    groups = {}
    for path in sorted(options.folder.glob("model@*.h5")):
        if ".ckpt-" not in path.name:
            file = h5py.File(path, "r")
            loss = path.stem.split("@")[1].rsplit("-", 1)[0]
            groups.setdefault(loss, []).append((float(file["results/kl"][()]), file))
    groups = {loss: groups[loss] for loss in TITLES if loss in groups}
    if not groups:
        raise SystemExit(f"{options.folder}: no artifact of a model there; run its pipeline first")

    plt.rcParams.update({"font.size": 11, "font.family": "DejaVu Sans"})
    figure, axes = plt.subplots(
        1, 1 + len(groups), figsize=(3.1 * (1 + len(groups)), 3.5), layout="constrained", sharey=True)
    some = next(iter(groups.values()))[0][1]
    x, y = np.asarray(some["results/grid/x"]), np.asarray(some["results/grid/y"])
    truth = np.exp(np.asarray(some["results/grid/true_log_density"]))

    def draw(axis, density, title):
        axis.imshow(density, origin="lower", extent=(x[0], x[-1], y[0], y[-1]), vmin=0, vmax=truth.max(), cmap="viridis")
        axis.set_title(title, fontsize=11)
        axis.set(xticks=[-2, 0, 2], yticks=[-2, 0, 2])

    draw(axes[0], truth, "truth")
    for axis, (loss, runs) in zip(axes[1:], groups.items()):
        values = sorted(value for value, _ in runs)
        # the run that is neither the best nor the worst
        _, file = min(runs, key=lambda run: abs(run[0] - values[(len(values) - 1) // 2]))
        spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
        draw(axis, np.exp(np.asarray(file["results/grid/log_density"])),
             f"{TITLES[loss]}\nKL {statistics.mean(values):.3f}{spread} nat")
    figure.savefig(options.output, dpi=110)
    print(options.output)


if __name__ == "__main__":
    main()
