"""Fields against h5py's own reading, numbers against those that the program prints, frames against MDTraj's."""
import json
import math
import subprocess
import sys

import boltzmill
import h5py
import mdtraj
import numpy as np
import pandas
import pytest
from boltzmill import records

from conftest import rewrite


def plain(value):
    """What h5py gives, with texts decoded."""
    if isinstance(value, bytes):
        return value.decode()
    return [plain(each) for each in value.tolist()] if isinstance(value, np.ndarray) and value.dtype.kind == "S" else value


def test_every_dataset_is_a_field_and_every_field_is_what_h5py_reads(run, folder):
    assert run.stages == sorted(file.stem for file in folder.glob("*.h5"))
    assert len(run.stages) == 9 and run.unfinished == []
    for name in run.stages:
        stage = run.stage(name)
        with h5py.File(folder / f"{name}.h5") as file:
            datasets = set()
            file.visititems(lambda path, item: datasets.add(path) if isinstance(item, h5py.Dataset) else None)
            fields = {field.path: field for field in stage.fields()}
            there = {path for path in datasets if not path.startswith("provenance/")}
            assert {path for path in fields if "@" not in path} == there
            for path in there:
                stored, field = file[path], fields[path]
                np.testing.assert_array_equal(field.value, plain(stored[()]))
                assert field.shape == stored.shape
                assert plain(stored.attrs.get("units")) == field.unit, path
                if "dims" in stored.attrs:
                    assert plain(stored.attrs["dims"]) == ",".join(field.axes), path
                assert field.meaning
            for path in fields.keys() - there:
                owner, attribute = path.split("@")
                assert fields[path].value == plain(file[owner or "/"].attrs[attribute])


def test_attributes_have_the_types_that_are_declared(run):
    fresh = run.stage("fresh", records.Sample)
    assert fresh.coordinates.dtype == np.float64 and fresh.coordinates.shape[1:] == (22, 3)
    assert fresh.field("coordinates").unit == records.Sample.coordinates.unit == "nanometers"
    assert records.Sample.coordinates.axes == ("frame", "atom", "axis")
    np.testing.assert_array_equal(fresh.field("coordinates")[5:8], fresh.coordinates[5:8])
    assert repr(fresh.results.torsions) == "<SampleResultsTorsions: phi, psi>" and "solver_error" in repr(fresh.results)
    assert list(fresh.results.torsions) == ["phi", "psi"] and len(fresh.results.torsions) == 2
    np.testing.assert_array_equal(fresh.results.torsions["phi"], fresh.field("results/torsions/phi").value)
    assert isinstance(fresh.topology, list) and json.loads(fresh.topology[0])["chains"]
    frames = run.stage("frames")
    assert frames.field("results/torsions/phi@atoms").value == "4,6,8,14"
    assert frames.field("coordinates@origin").value == "centre of mass"
    traced = run.stage("traced")
    assert type(traced.results.delta_f) is float and type(traced.results.dropped) is int
    assert traced.results.state_names == ["phi in (0, 2)", "elsewhere"]
    # a family of groups' fields and one of datasets in groups, beside fields that are always there
    emulator = run.stage("emulator", records.Emulator)
    assert "train" in emulator.results.loss and "step" not in emulator.results.loss
    assert len(emulator.results.loss.step) == len(emulator.results.loss["train"]) > 0
    assert any(name.startswith("average/") for name in emulator.training.tensors)
    assert emulator.provenance["stageType"] == emulator.type == "emulator"


def test_weights_and_free_energies(run, folder):
    for name in ("boltzmann", "traced"):
        stage = run.stage(name, records.Reweight)
        weights = stage.weights()
        assert weights.sum() == pytest.approx(1, abs=1e-9)
        assert 1 / np.sum(weights**2) / len(weights) == pytest.approx(stage.results.ess_fraction, rel=1e-9)
        (pair, found), = stage.free_energies().items()
        assert pair == ("state", "elsewhere")
        assert found.value == stage.results.delta_f and found.standard_error == stage.results.delta_f_standard_error
        assert list(found.interval) == stage.results.delta_f_interval.tolist()
        phi = stage.results.torsions["phi"]
        share = weights[(phi > 0) & (phi < 2)].sum()
        assert -math.log(share / (1 - share)) == pytest.approx(found.value, abs=1e-6)
    (umbrella,) = run.stage("umbrella").free_energies().values()
    assert umbrella.value == run.stage("umbrella").results.delta_f and math.isnan(umbrella.interval[0])
    with pytest.raises(boltzmill.UnknownField, match="is of several stages"):
        run.stage("report").free_energies()
    with pytest.raises(boltzmill.UnknownField, match="stages of type umbrella have no field 'log_weights'"):
        run.stage("umbrella").weights()


def test_free_energies_of_pairs_of_states(copied):
    with h5py.File(copied / "traced.h5", "r+") as file:
        pairs = file.create_group("results/pairs")
        pairs["from"], pairs["to"] = np.array([b"alpha", b"beta"]), np.array([b"beta", b"left"])
        pairs["delta_f"], pairs["standard_error"] = [1.5, math.nan], [0.25, math.nan]
        pairs["interval"] = [[1.0, 2.0], [math.nan, math.nan]]
    rewrite(copied / "traced.h5")
    with boltzmill.open(copied) as run:
        found = run.stage("traced").free_energies()
        assert run.stage("traced").results.pairs.from_ == ["alpha", "beta"]
        table = run.stage("traced").table("pair")
    assert found["alpha", "beta"] == (1.5, 0.25, (1.0, 2.0))
    assert list(found) == [("alpha", "beta"), ("beta", "left")] and math.isnan(found["beta", "left"].value)
    assert table["pairs/interval/high"][0] == 2 and list(table["pairs/from"]) == ["alpha", "beta"]


def test_numbers_are_those_of_the_report(run, folder, program):
    said = subprocess.run([program, "report", str(folder), "--json"], capture_output=True, text=True, check=True)
    (report,) = json.loads(said.stdout)["reports"]
    rows = {line.split()[0]: line for line in report["table"].splitlines()[3:]}
    assert set(rows) == set(run.stage("report").results.stages) == {"boltzmann", "traced", "umbrella"}
    for name, row in rows.items():
        (found,) = run.stage(name).free_energies().values()
        assert f" {found.value:.2f} " in row and f" {found.standard_error:.3f} " in row
        if not math.isnan(found.interval[0]):
            assert f" {found.interval[0]:.2f} to {found.interval[1]:.2f} " in row
            assert f" {100 * run.stage(name).results.ess_fraction:.1f} " in row
    assert report["table"] == run.stage("report").results.table


def test_trajectories_are_those_of_mdtraj(run, folder):
    fresh = run.stage("fresh")
    frames = fresh.trajectory()
    np.testing.assert_array_equal(frames.xyz, fresh.coordinates.astype(np.float32))
    _, phi = mdtraj.compute_phi(frames)
    np.testing.assert_allclose(phi[:, 0], fresh.results.torsions["phi"], atol=1e-4)
    # a stage with weights has those of its samples, in their order
    traced = run.stage("traced").trajectory(stride=7)
    np.testing.assert_array_equal(traced.xyz, frames.xyz[::7])
    assert traced.topology == mdtraj.load(str(folder / "fresh.h5")).topology
    with pytest.raises(boltzmill.MissingField, match="holds no frames; stages of types simulate, ingest"):
        run.stage("emulator").trajectory()


def test_weights_of_older_samples_are_not_mixed_with_new_ones(copied, folder):
    with boltzmill.open(copied) as run, pytest.raises(boltzmill.UnknownStage, match="no finished stage 'fresh'"):
        run.stage("traced").trajectory()
    (copied / "fresh.h5").write_bytes((folder / "fresh.h5").read_bytes())
    with boltzmill.open(copied) as run:
        assert run.stage("traced").trajectory(frame=3).n_frames == 1
    rewrite(copied / "fresh.h5", contentDigest="0" * 64)
    with boltzmill.open(copied) as run, pytest.raises(boltzmill.StaleInput, match="made again after 'traced'.*run the pipeline again"):
        run.stage("traced").trajectory()


def test_tables(run):
    traced = run.stage("traced")
    table = traced.table()
    assert isinstance(table, pandas.DataFrame)
    assert list(table) == ["log_weights", "log_density", "energies", "torsions/phi", "torsions/psi"]
    np.testing.assert_array_equal(table["energies"], traced.energies)
    assert list(run.stage("umbrella").columns("bin")) == ["profile/phi", "profile/free_energy", "profile/standard_error"]
    report = run.stage("report").columns()  # the only axis there is
    assert report["stages"] == ["boltzmann", "traced", "umbrella"]
    np.testing.assert_array_equal(report["delta_f_interval/low"], run.stage("report").results.delta_f_interval[:, 0])
    with pytest.raises(boltzmill.UnknownField, match="name an axis: window, .*bin"):
        run.stage("umbrella").table()


def test_what_is_not_asked_for_is_not_imported(folder):
    def imported(text):
        said = subprocess.run(
            [sys.executable, "-c", f"import boltzmill, sys\nrun = boltzmill.open({str(folder)!r})\n{text}\nprint(*sys.modules)"],
            capture_output=True, text=True, check=True)
        return {"torch", "mdtraj", "pandas", "matplotlib"} & set(said.stdout.split())

    assert imported("run.stage('fresh').coordinates; run.stage('traced').weights(); run.stage('traced').columns()") == set()
    assert imported("run.stage('fresh').trajectory(frame=0)") >= {"mdtraj"}
    assert "torch" not in imported("run.stage('traced').table()")
    # without pandas a table is columns
    assert imported("sys.modules['pandas'] = None; assert list(run.stage('report').table()['stages']) == ['boltzmann', 'traced', 'umbrella']")


def test_what_is_not_there_is_told_with_what_is(run):
    fresh, traced = run.stage("fresh"), run.stage("traced")
    with pytest.raises(boltzmill.UnknownStage, match="did you mean traced.*finished: boltzmann, ebm, emulator, frames, fresh"):
        run.stage("tracd")
    with pytest.raises(boltzmill.UnknownField, match="no 'coordintes'; did you mean coordinates"):
        fresh.coordintes
    with pytest.raises(boltzmill.UnknownField, match="no field 'results/torsions/chi'; did you mean results/torsions/phi"):
        fresh.field("results/torsions/chi")
    with pytest.raises(KeyError, match="has no 'chi'; it has phi, psi"):
        fresh.results.torsions["chi"]
    # declared, and this run has nothing to say of it
    with pytest.raises(boltzmill.MissingField, match="traced.h5 does without results/pairs/delta_f"):
        traced.results.pairs.delta_f
    with pytest.raises(boltzmill.MissingField, match="fresh.h5 does without time"):
        fresh.field("time")
    assert not hasattr(traced.results.pairs, "delta_f") and "results/pairs/delta_f" not in traced and "energies" in traced
    with pytest.raises(boltzmill.BoltzmillError, match="is of type sample, and not a Reweight"):
        run.stage("fresh", records.Reweight)
