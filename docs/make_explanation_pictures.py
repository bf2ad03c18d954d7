#!/usr/bin/env python3
"""Draws the pictures of docs/explanation.md from small calculations in one dimension, and prints their numbers.

usage: .deps/checks/bin/python docs/make_explanation_pictures.py --output docs     (./bootstrap --checks makes that Python)

The system is a double well whose right side holds 2 %: everything about it is known, so that what an estimate gets wrong shows.
"""
import argparse
import logging
import pathlib

import matplotlib
import numpy as np
import pymbar

matplotlib.use("Agg")
logging.disable(logging.WARNING)  # pymbar's, of what the second picture is about
import matplotlib.pyplot as plt

X = np.linspace(-3, 3, 6001)
LEFT, RIGHT, WIDTH = -1.0, 1.0, 0.22
TRUTH, WRONG, RIGHT_ONE = "#000000", "#d55e00", "#0072b2"


def normal(x, centre, width):
    return np.exp(-((x - centre) ** 2) / (2 * width**2)) / (width * np.sqrt(2 * np.pi))


def density(x, share=0.02, width=WIDTH):
    """Two wells; the right one holds `share`."""
    return (1 - share) * normal(x, LEFT, width) + share * normal(x, RIGHT, width)


def delta_f(weights, x):
    """-ln(P(right) / P(left)), kT."""
    right = weights[x > 0].sum()
    return np.inf if right == 0 else -np.log(right / weights[x <= 0].sum())


def effective(weights):
    return weights.sum() ** 2 / (weights**2).sum() / len(weights)


TRUE_DELTA_F = delta_f(density(X), X)


def draw(share, width, count, generator):
    side = np.where(generator.random(count) < share, RIGHT, LEFT)
    return side + width * generator.standard_normal(count)


def draw_effective_sample_size(file):
    """An emulator that knows both wells badly, and one that knows a single well well."""
    generator = np.random.default_rng(1)
    figure, places = plt.subplots(1, 2, figsize=(8, 3), sharey=True, constrained_layout=True)
    emulators = (("knows both wells, too broad", 0.3, 1.5 * WIDTH), ("never saw the right well", 0.0, 1.03 * WIDTH))
    for place, (name, share, width) in zip(places, emulators):
        x = draw(share, width, 10_000, generator)
        weights = density(x) / density(x, share, width)
        estimate, worth = delta_f(weights, x), effective(weights)
        told = "none: no sample is there" if np.isinf(estimate) else f"{estimate:.1f} kT"
        print(f"{name}: {worth:.0%} effective samples, dF {told} (true {TRUE_DELTA_F:.1f} kT)")
        place.plot(X, density(X), color=TRUTH, label="Boltzmann")
        place.plot(X, density(X, share, width), color=WRONG, ls="--", label="emulator")
        place.set_title(f"{name}\n{worth:.0%} effective samples, dF: {told}", fontsize=9)
        place.set(xlabel="x", xlim=(-2.2, 2.2))
    places[0].set_ylabel("density")
    places[0].legend(frameon=False, fontsize=8)
    figure.savefig(file, dpi=110)


def umbrella(centres, generator, spring=60.0, count=400):
    """MBAR over harmonic windows of the double well: the free energy on a grid, minimum 0, kT."""
    energy = -np.log(density(X) + 1e-30)
    samples = []
    for centre in centres:
        bias = spring / 2 * (X - centre) ** 2
        share = np.exp(-(energy + bias) + (energy + bias).min())
        samples.append(generator.choice(X, count, p=share / share.sum()))
    x = np.concatenate(samples)
    biases = np.array([spring / 2 * (x - centre) ** 2 for centre in centres])
    # where there is a gap nothing tells the two sides' difference, and no solver can converge
    solver = pymbar.MBAR(biases, [count] * len(centres), solver_protocol=({"method": "L-BFGS-B"},))
    log_denominator = np.logaddexp.reduce(np.log(count) + solver.f_k[:, None] - biases, axis=0)
    weights = np.exp(-log_denominator + log_denominator.min())
    bins = np.linspace(-1.8, 1.8, 61)
    counts, _ = np.histogram(x, bins=bins, weights=weights)
    with np.errstate(divide="ignore"):
        profile = -np.log(counts)
    profile[~np.isfinite(profile)] = np.nan
    middles = (bins[1:] + bins[:-1]) / 2
    return middles, profile - np.nanmin(profile), delta_f(weights, x)


def draw_umbrella_gap(file):
    """The same windows, with and without those on the barrier."""
    full = np.linspace(-1.5, 1.5, 13)
    figure, places = plt.subplots(1, 2, figsize=(8, 3), sharey=True, constrained_layout=True)
    truth = -np.log(density(X))
    for place, (name, centres) in zip(
        places, (("windows everywhere", full), ("no window on the barrier", full[np.abs(full) > 0.6]))):
        estimates = []
        for seed in range(10):
            middles, profile, estimate = umbrella(centres, np.random.default_rng(seed))
            estimates.append(estimate)
            place.plot(middles, profile, color=RIGHT_ONE if "every" in name else WRONG, lw=0.8)
        spread = np.std(estimates)
        print(f"{name}: dF of ten runs {np.mean(estimates):.1f}, spread {spread:.1f} kT (true {TRUE_DELTA_F:.1f} kT)")
        place.plot(X, truth - truth.min(), color=TRUTH, ls=":", label="true")
        place.plot(centres, np.full(len(centres), -0.6), "|", color="gray", label="windows")
        place.set_title(f"{name}\ndF of ten runs: {np.mean(estimates):.1f}, spread {spread:.1f} kT", fontsize=9)
        place.set(xlabel="x", xlim=(-1.8, 1.8), ylim=(-1.2, 16))
    places[0].set_ylabel("free energy / kT")
    places[0].legend(frameon=False, fontsize=8)
    figure.savefig(file, dpi=110)


def learnt(x, noise, generator, labels):
    """ln q on the grid, learnt from noisy slopes at the samples alone, or from some values of it besides: least squares of bumps."""
    centres = np.linspace(-2, 2, 41)

    def bumps(at):
        return np.exp(-((at[:, None] - centres) ** 2) / (2 * 0.15**2))

    def slopes(at):
        return bumps(at) * (centres - at[:, None]) / 0.15**2

    log_density = np.log(density(X, 0.5))
    rows = slopes(x)
    targets = np.interp(x, X, np.gradient(log_density, X)) + noise * generator.standard_normal(len(x))
    if labels:
        some = x[:labels]
        rows = np.vstack([rows, 10 * np.c_[bumps(some)]])
        targets = np.concatenate([targets, 10 * np.interp(some, X, log_density)])
    # a little ridge keeps flat what no sample tells
    solution = np.linalg.solve(rows.T @ rows + 0.1 * np.eye(len(centres)), rows.T @ targets)
    return bumps(X) @ solution


def draw_labels(file):
    """Two wells, half and half: slopes do not tell how high one lies above the other."""
    figure, places = plt.subplots(1, 2, figsize=(8, 3), sharey=True, constrained_layout=True)
    truth = np.log(density(X, 0.5))
    at_left, at_right = np.argmin(np.abs(X - LEFT)), np.argmin(np.abs(X - RIGHT))
    for place, (name, labels) in zip(places, (("slopes alone", 0), ("slopes, and 50 labels", 50))):
        biases = []
        for seed in range(10):
            generator = np.random.default_rng(seed)
            curve = learnt(draw(0.5, WIDTH, 2000, generator), 5.0, generator, labels)
            curve = curve - curve[at_left] + truth[at_left]
            biases.append(curve[at_right] - truth[at_right])
            place.plot(X, curve, color=RIGHT_ONE if labels else WRONG, lw=0.8)
        error = np.sqrt(np.mean(np.square(biases)))
        print(f"{name}: the right well is off by {error:.2g} nat (rms of ten trainings)")
        place.plot(X, truth, color=TRUTH, ls=":", label="true")
        place.set_title(f"{name}\nright well off by {error:.2g} nat (rms of ten)", fontsize=9)
        place.set(xlabel="x", xlim=(-1.8, 1.8), ylim=(-10, 4))
    places[0].set_ylabel("ln q")
    places[0].legend(frameon=False, fontsize=8)
    figure.savefig(file, dpi=110)


def main():
    parser = argparse.ArgumentParser(description="draws the pictures of docs/explanation.md and prints their numbers")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="the folder")
    folder = parser.parse_args().output
    draw_effective_sample_size(folder / "effective-sample-size.png")
    draw_umbrella_gap(folder / "umbrella-gap.png")
    draw_labels(folder / "labels.png")


if __name__ == "__main__":
    main()
