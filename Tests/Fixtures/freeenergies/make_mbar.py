"""Reference values by pymbar 4 for the FreeEnergies tests.

usage: python make_mbar.py > mbar.json
Systems are given by their samples x and states u_k(x) = k_k (x - c_k)^2 / 2 + offset_k; a test computes u_kn itself.
"""
import json
import sys

import numpy
import pymbar
from pymbar import timeseries

rng = numpy.random.default_rng(2026)


def system(name, centres, stiffness, offsets, counts, draw):
    x = numpy.concatenate([draw(c, k, n) for c, k, n in zip(centres, stiffness, counts)])
    x = numpy.round(x, 9)
    u = numpy.array([0.5 * k * (x - c) ** 2 + o for c, k, o in zip(centres, stiffness, offsets)])
    mbar = pymbar.MBAR(u, numpy.array(counts), relative_tolerance=1e-13, maximum_iterations=10000,
                       solver_protocol="robust")
    gradient = numpy.abs(mbar.W_nk.sum(axis=0) - 1).max()
    assert gradient < 1e-9, gradient
    differences = mbar.compute_free_energy_differences()
    mean = mbar.compute_expectations(x)
    inside = (x > 0.3).astype(float)
    return {
        "name": name, "centres": list(centres), "stiffness": list(stiffness), "offsets": list(offsets),
        "counts": list(counts), "x": x.tolist(),
        "differences": differences["Delta_f"].tolist(), "errors": differences["dDelta_f"].tolist(),
        "overlap": mbar.compute_overlap()["matrix"].tolist(),
        "means": mean["mu"].tolist(), "mean_errors": mean["sigma"].tolist(),
        "inside": mbar.compute_expectations(inside)["mu"].tolist(),
        "inside_errors": mbar.compute_expectations(inside)["sigma"].tolist(),
    }


def oscillator(c, k, n):
    return c + rng.standard_normal(n) / numpy.sqrt(k)


systems = [
    system("oscillators", [0.0, 0.5, 1.0, 1.8, 2.5], [1.0, 2.0, 4.0, 3.0, 1.5], [0, 3, -2, 40, 1],
           [60, 80, 50, 70, 40], oscillator),
    system("a state without samples", [0.0, 0.7, 1.2, 2.0], [1.0, 1.5, 2.0, 6.0], [0, 0, 5, 0], [80, 90, 0, 60], oscillator),
    system("the first state without samples", [0.2, 0.0, 1.0], [3.0, 1.0, 1.0], [0, 0, 0], [0, 100, 70], oscillator),
    system("narrow overlap", [0.0, 2.2, 4.4], [2.0, 2.0, 2.0], [0, 0, 0], [150, 150, 150], oscillator),
]
series = numpy.zeros(400)
for i in range(1, 400):
    series[i] = 0.85 * series[i - 1] + rng.standard_normal()
series = numpy.round(series, 6)
json.dump({
    "pymbar": pymbar.__version__,
    "systems": systems,
    "series": series.tolist(),
    "inefficiency": timeseries.statistical_inefficiency(series),
}, sys.stdout)
