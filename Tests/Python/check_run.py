#!/usr/bin/env python3
"""Reads a finished run with the field's own libraries and recomputes what it says.

  h5py        opens every artifact and reads every dataset of it
  mdtraj      loads frames and samples; its torsions equal ours to 1e-5 rad
  OpenMM      (Python layer, Reference platform) gives the energies of reweighted samples, to 1e-6 relative
  numpy       recomputes effective sample sizes, populations and free-energy differences from /log_weights
  pymbar      solves MBAR on the umbrella windows; free energies and dF equal ours to 1e-6 kT

usage: .deps/checks/bin/python Tests/Python/check_run.py runs/alanine-quick --forcefield datasets/alanine/system.xml
"""
import argparse
import contextlib
import io
import json
import logging
import math
import pathlib
import sys

import h5py
import mdtraj
import numpy as np
import openmm

logging.disable(logging.WARNING)
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    import pymbar

GAS_CONSTANT = 0.00831446261815324  # kJ/(mol K)
LARGEST_MBAR = 60_000_000  # reduced potentials that pymbar is given; above, the equations alone are checked


class Stage:
    """One artifact, opened by h5py."""

    def __init__(self, path):
        self.path = path
        self.file = h5py.File(path, "r")
        self.type = self.text("provenance/stage_type")
        self.name = self.text("provenance/stage")
        self.canonical = json.loads(self.text("provenance/canonical"))

    def __contains__(self, path):
        return path in self.file

    def __getitem__(self, path):
        return self.file[path][()]

    def text(self, path):
        value = self.file[path][()]
        value = value.item() if isinstance(value, np.ndarray) else value
        return value.decode() if isinstance(value, bytes) else str(value)

    def texts(self, path):
        return [value.decode() if isinstance(value, bytes) else str(value) for value in self.file[path][()]]

    def input(self, slot):
        """The name of the stage in a slot, or None."""
        return next((entry["stage"] for entry in self.canonical["inputs"].get(slot, [])), None)

    @property
    def system(self):
        return self.canonical["system"]


class Checks:
    def __init__(self, folder, forcefield):
        paths = sorted(path for path in folder.glob("*.h5") if ".ckpt-" not in path.name)
        if not paths:
            sys.exit(f"check_run: no artifacts in {folder}")
        self.stages = {stage.name: stage for stage in map(Stage, paths)}
        self.forcefield = forcefield
        self.passed = self.failed = 0

    def of(self, kind):
        return [stage for stage in self.stages.values() if stage.type == kind]

    def check(self, what, condition, detail):
        self.passed += bool(condition)
        self.failed += not condition
        print(f"{'ok    ' if condition else 'FAILED'}  {what}: {detail}")

    def near(self, what, ours, theirs, tolerance, unit=""):
        difference = float(np.max(np.abs(np.asarray(ours) - np.asarray(theirs)), initial=0.0))
        self.check(what, difference <= tolerance, f"largest difference {difference:.2g} {unit} (at most {tolerance:g})")

    # ---------------------------------------------------------------------------------------------------------------
    def artifacts(self):
        for stage in self.stages.values():
            count = size = 0

            def visit(_, item):
                nonlocal count, size
                if isinstance(item, h5py.Dataset):
                    size += item[()].nbytes if item.shape else 0  # reading runs every chunk's checksum
                    count += 1

            stage.file.visititems(visit)
            self.check(f"h5py reads {stage.path.name}", count > 0, f"{count} datasets, {size / 1e6:.1f} MB")

    def torsions(self):
        atoms = {}
        for stage in self.of("ingest"):
            for name, item in stage.file["results/torsions"].items():
                if "atoms" in item.attrs:
                    text = item.attrs["atoms"]
                    atoms[name] = [int(i) for i in (text.decode() if isinstance(text, bytes) else text).split(",")]
        for stage in self.of("ingest") + self.of("sample"):
            trajectory = mdtraj.load(str(stage.path))
            group = stage.file["results/torsions"]
            for name in group:
                if name in atoms:
                    theirs = mdtraj.compute_dihedrals(trajectory, [atoms[name]], periodic=False)[:, 0]
                else:
                    theirs = {"phi": mdtraj.compute_phi, "psi": mdtraj.compute_psi}[name](trajectory, periodic=False)[1][:, 0]
                turn = np.asarray(group[name]) - theirs
                turn -= 2 * np.pi * np.round(turn / (2 * np.pi))
                self.near(f"mdtraj's {name} of {stage.path.name} ({len(theirs)} frames)", turn, 0, 1e-5, "rad")

    def energies(self):
        if not self.forcefield:
            return
        system = openmm.XmlSerializer.deserialize(self.forcefield.read_text())
        for stage in self.of("reweight"):
            samples = self.stages[stage.input("samples")]
            count = len(stage["energies"])
            picked = np.unique(np.linspace(0, count - 1, min(count, 300)).astype(int))
            integrator = openmm.VerletIntegrator(0.001)
            context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
            theirs = []
            for positions in samples["coordinates"][picked].astype(float):
                context.setPositions(positions)
                theirs.append(context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(openmm.unit.kilojoule_per_mole))
            theirs, ours = np.array(theirs), stage["energies"][picked]
            both = np.isfinite(theirs) & np.isfinite(ours)
            relative = (ours[both] - theirs[both]) / np.maximum(1, np.abs(theirs[both]))
            self.near(f"OpenMM's energies of {stage.name} ({both.sum()} samples)", relative, 0, 1e-6, "relative")

    def reweighting(self):
        for stage in self.of("reweight"):
            samples = self.stages[stage.input("samples")]
            log_weights = stage["log_weights"]
            kept = np.isfinite(log_weights)
            weights = np.where(kept, np.exp(np.where(kept, log_weights - log_weights[kept].max(), 0)), 0)
            fraction = weights.sum() ** 2 / (weights**2).sum() / len(weights)
            self.near(f"effective sample size of {stage.name}", stage["results/ess_fraction"], fraction, 1e-9)
            state = stage.system["state"]
            inside = within(samples[f"results/torsions/{state['torsion']}"], state["from"], state["to"])
            share = weights[inside].sum() / weights.sum()
            self.near(
                f"dF of {stage.name} from its weights", stage["results/delta_f"], -math.log(share / (1 - share)), 1e-9, "kT")
            self.near(
                f"populations of {stage.name}", stage["results/state_populations"], [share, 1 - share], 1e-9)

    def umbrella(self):
        for stage in self.of("umbrella"):
            thermal = GAS_CONSTANT * stage.system["temperature"]
            # windows above the ceiling are left out of the estimate, and have no free energy
            kept = np.flatnonzero(np.isfinite(stage["results/window_free_energy"]))
            centers = np.asarray(stage["centers"])[kept]
            constants = np.asarray(stage["force_constants"]) / thermal
            windows, dimensions = centers.shape
            # the window of each sample; windows outermost, as u_kn wants its columns
            if "walks/count" in stage:          # windows of their own lengths: [direction, window by window], torsion
                series, own = np.asarray(stage["walks/torsions"]), np.asarray(stage["walks/count"])
                window = np.tile(np.repeat(np.arange(len(own)), own), 2)
            else:                               # [direction, window, sample, torsion]
                series = np.asarray(stage["torsions"])
                window = np.broadcast_to(np.arange(series.shape[1])[None, :, None], series.shape[:3]).reshape(-1)
                series = series.reshape(-1, series.shape[-1])
            order = np.argsort(window, kind="stable")
            order = order[np.isin(window[order], kept)]
            angles = series[order, :dimensions]
            counts = np.bincount(window[order], minlength=len(stage["centers"]))[kept]
            ours = np.asarray(stage["results/window_free_energy"])[kept]
            if windows * len(angles) > LARGEST_MBAR:
                print(f"        MBAR of {stage.name}: {windows} x {len(angles)} is too much for pymbar here")
                continue
            u_kn = np.zeros((windows, len(angles)))
            for axis in range(dimensions):
                offset = angles[None, :, axis] - centers[:, None, axis]
                offset -= 2 * np.pi * np.round(offset / (2 * np.pi))
                u_kn += 0.5 * constants[axis] * offset**2
            with contextlib.redirect_stdout(io.StringIO()):
                mbar = pymbar.MBAR(u_kn, counts, solver_protocol=(
                    {"method": "adaptive", "tol": 1e-13, "options": {"min_sc_iter": 0, "maxiter": 200}},))
            theirs = mbar.f_k - mbar.f_k[0]
            self.near(f"pymbar's free energies of {stage.name} ({windows} windows)", ours - ours[0], theirs, 1e-6, "kT")
            state = stage.system["state"]
            axis = stage.texts("torsion_names").index(state["torsion"])
            inside = within(angles[:, axis], state["from"], state["to"])
            log_denominator = np.logaddexp.reduce(np.log(counts)[:, None] + mbar.f_k[:, None] - u_kn, axis=0)
            if "shared_bias" in stage:
                log_denominator -= np.asarray(stage["shared_bias"]).reshape(-1)[order] / thermal
            elif "walks/shared_bias" in stage:
                log_denominator -= np.asarray(stage["walks/shared_bias"])[order] / thermal
            weights = np.exp(log_denominator.min() - log_denominator)
            difference = -math.log(weights[inside].sum() / weights[~inside].sum())
            self.near(f"pymbar's dF of {stage.name}", stage["results/delta_f"], difference, 1e-6, "kT")
            overlap = mbar.compute_overlap()["matrix"]
            self.near(f"pymbar's overlap of {stage.name}", np.asarray(stage["results/overlap"])[np.ix_(kept, kept)], overlap, 1e-6)


def within(angles, start, end):
    """Whether each angle lies in the arc from start up to end."""
    offset = np.mod(np.asarray(angles) - start, 2 * np.pi)
    return (offset > 0) & (offset < (end - start) % (2 * np.pi))


def main():
    parser = argparse.ArgumentParser(description="recomputes what a finished run says, with other programs")
    parser.add_argument("folder", type=pathlib.Path, help="the run's folder")
    parser.add_argument("--forcefield", type=pathlib.Path, help="the serialised OpenMM System of the run")
    options = parser.parse_args()
    checks = Checks(options.folder, options.forcefield)
    for part in (checks.artifacts, checks.torsions, checks.energies, checks.reweighting, checks.umbrella):
        try:
            part()
        except Exception as error:  # one part's failure must not hide the others' results
            checks.check(part.__name__, False, f"{type(error).__name__}: {error}")
    print(f"check_run: {checks.passed} passed, {checks.failed} failed")
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
