"""Fields against h5py's own reading, numbers against those that the program prints, frames against MDTraj's."""
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys

import boltzmill
import h5py
import mdtraj
import numpy as np
import pandas
import pytest
from boltzmill import records

from conftest import RUN, rewrite


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
    with pytest.raises(boltzmill.UnknownField, match="one entry for each stage"):
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
    _, head, rule, *lines = report["table"].splitlines()
    ends = [match.span() for match in re.finditer("─+", rule)]
    names = [head[start:end].strip() for start, end in ends]
    rows = {row["stage"]: row for row in (dict(zip(names, [line[start:end].strip() for start, end in ends], strict=True)) for line in lines)}
    assert set(rows) == set(run.stage("report").results.stages) == {"boltzmann", "traced", "umbrella"}
    for name, row in rows.items():
        (found,) = run.stage(name).free_energies().values()
        assert row["dF / kT"] == f"{found.value:.2f}" and row["error / kT"] == f"{found.standard_error:.3f}"
        low, high = found.interval
        assert row["95 % interval / kT"] == ("–" if math.isnan(low) else f"{low:.2f} to {high:.2f}")
        results = run.stage(name).results
        assert row["ESS / %"] == (f"{100 * results.ess_fraction:.1f}" if "results/ess_fraction" in run.stage(name) else "–")
    assert report["table"] == run.stage("report").results.table


def test_free_energies_of_a_first_pair_alone(copied):
    """An audit has no pairs: of several states its number is that of the first two."""
    path = copied / "traced.h5"
    rewrite(path, stageType="audit", stageVersion=records.Audit._versions["audit"][0])
    with boltzmill.open(copied) as run:
        assert list(run.stage("traced").free_energies()) == [("state", "elsewhere")]
    with h5py.File(path, "r+") as file:
        canonical = json.loads(json.loads(file["provenance/record"][()])["canonical"])
        canonical["system"]["states"] = canonical["system"].pop("state")
        del file["results/state_names"]
        file["results/state_names"] = np.array([b"beta", b"alpha"])
        file["results/methods/exact/delta_f"] = 1.25
        file["results/methods/order"] = np.array([b"exact"])
    rewrite(path, canonical=json.dumps(canonical))
    with boltzmill.open(copied) as run:
        audit = run.stage("traced", records.Audit)
        ((pair, found),) = audit.free_energies().items()
        assert pair == ("beta", "alpha") and found.value == audit.results.delta_f
        # groups by names of the run's own
        assert list(audit.results.methods) == ["exact"] and audit.results.methods["exact"].delta_f == 1.25
        assert "exact/delta_f" not in audit.results.methods and "" not in audit.results.methods
        assert audit.results.methods.order == ["exact"]


def test_a_report_of_one_stage_has_no_free_energy_of_its_own(copied):
    path = copied / "report.h5"
    with h5py.File(path, "r+") as file:
        for name in [name for name, each in file["results"].items() if each.shape]:
            value = file["results"][name][:1]
            del file["results"][name]
            file["results"][name] = value
    rewrite(path)
    with boltzmill.open(copied) as run, pytest.raises(boltzmill.UnknownField, match="one entry for each stage and end|for each stage;"):
        run.stage("report").free_energies()


def test_texts_are_read_in_part(run):
    assert run.stage("report").field("results/stages")[0] == "boltzmann"
    assert run.stage("report").field("results/stages")[:2] == ["boltzmann", "traced"]
    assert run.stage("report").field("results/stages")[[0, 2]] == ["boltzmann", "umbrella"]
    method = run.stage("fresh").field("log_density@method")
    assert method[()] == method.value
    for part in (0, slice(2)):
        with pytest.raises(IndexError):
            method[part]


def test_a_batch():
    """Stages of several molecules, with an audit, whose weights and free energies are looked at as those of one are."""
    folder = pathlib.Path(os.environ.get("BOLTZMILL_RUNS", "")) / "dipeptides-quick"
    if not (folder / ".pipeline.json").exists():
        pytest.skip(f"{folder} is not there: swift run pipeline run dipeptides-quick.yaml")
    with boltzmill.open(folder) as run:
        assert run.unfinished == [] and run.stages == sorted(file.stem for file in folder.glob("*.h5"))
        cells = {name.partition("@")[2] for name in run.stages} - {""}
        assert len(cells) > 1
        for name in run.stages:
            stage = run.stage(name)
            assert stage.name == name and stage.stale == [] and stage.fields()
        for cell in cells:
            for name in [each for each in run.stages if each.endswith("@" + cell) and run.stage(each).type in ("reweight", "audit")]:
                (found,) = run.stage(name).free_energies().values()
                assert found.value == run.stage(name).results.delta_f or math.isnan(found.value)
                if run.stage(name).type == "reweight":
                    assert len(run.stage(name).weights()) == run.stage(name).trajectory().n_frames


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
    with pytest.raises(boltzmill.MissingField, match="holds no frames and weights none; stages of types simulate, ingest"):
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


def replacement(path, folder, **changes):
    """Another artifact of the same stage, ready to take its place."""
    folder.mkdir(exist_ok=True)
    shutil.copy2(path, folder / path.name)
    rewrite(folder / path.name, **changes)
    return folder / path.name


def test_frames_of_a_file_that_was_replaced_are_not_given(copied, folder, tmp_path, monkeypatch):
    shutil.copy2(folder / "fresh.h5", copied)
    path = copied / "fresh.h5"
    with boltzmill.open(copied) as run:
        traced, fresh = run.stage("traced"), run.stage("fresh")
        first = fresh.coordinates[0]
        assert traced.trajectory(frame=0).n_frames == 1 and run.stage("fresh") is fresh
        os.replace(replacement(path, tmp_path / "new", contentDigest="0" * 64), path)
        with pytest.raises(boltzmill.StaleInput, match="made again since it was opened.*ask the run for stage 'fresh' again"):
            fresh.trajectory(frame=0)
        with pytest.raises(boltzmill.StaleInput, match="made again after 'traced'"):
            traced.trajectory(frame=0)
        np.testing.assert_array_equal(fresh.coordinates[0], first)  # what is open is what it was
        assert run.stage("fresh") is not fresh and run.stage("fresh").provenance["contentDigest"] == "0" * 64
        assert traced.stale == ["fresh"] and run.stage("fresh").stale == []
        # while MDTraj reads it, and while it is opened
        load = mdtraj.load_hdf5
        new = replacement(path, tmp_path / "new")
        monkeypatch.setattr(mdtraj, "load_hdf5", lambda name, **options: [load(name, **options), os.replace(new, path)][0])
        with pytest.raises(boltzmill.StaleInput):
            run.stage("fresh").trajectory(frame=0)
    check = boltzmill.seal.check
    new = replacement(path, tmp_path / "new")
    monkeypatch.setattr(boltzmill.seal, "check", lambda *arguments: [check(*arguments), os.replace(new, path)][0])
    with boltzmill.open(copied) as run, pytest.raises(boltzmill.StaleInput):
        run.stage("fresh")


def test_stages_of_older_inputs_say_so(run, copied, folder):
    assert [name for name in run.stages if run.stage(name).stale] == []
    with boltzmill.open(copied) as some:  # what is not there tells nothing
        assert some.stage("report").stale == []
    rewrite(copied / "traced.h5", contentDigest="0" * 64)
    with boltzmill.open(copied) as some:
        assert some.stage("report").stale == ["traced"] and some.stage("traced").stale == []


def test_stages_that_weigh_nothing_have_no_frames(run):
    with pytest.raises(boltzmill.MissingField, match="ebm.h5 holds no frames and weights none"):
        run.stage("ebm").trajectory()


@pytest.mark.parametrize("name", ["mdtraj", "tables"])
def test_a_missing_package_is_named_with_its_extra(folder, name):
    call = f"import sys; sys.modules['{name}'] = None; import boltzmill; boltzmill.open({str(folder)!r}).stage('fresh').trajectory(frame=0)"
    said = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, check=False).stderr
    assert "boltzmill.errors.BoltzmillError: frames need MDTraj and PyTables" in said and "pip install 'boltzmill[trajectories]'" in said


def test_families_are_read_without_a_list_for_each_name(run, monkeypatch):
    tensors = run.stage("emulator").training.tensors
    count, names = [], boltzmill.Stage.names
    monkeypatch.setattr(boltzmill.Stage, "names", lambda *arguments: [names(*arguments), count.append(1)][0])
    assert len(dict(tensors)) > 20 and len(count) == 1


def test_few_files_are_open_at_once_and_closed_ones_are_opened_again(folder, monkeypatch):
    monkeypatch.setattr(boltzmill.runs, "_OPEN", 2)

    def is_open(name):
        file = (folder / name).resolve()  # BOLTZMILL_RUNS may be a path from the working folder
        return any(os.path.realpath(f"/proc/self/fd/{each}") == str(file) for each in os.listdir("/proc/self/fd"))

    with boltzmill.open(folder) as run:
        stages = {name: run.stage(name) for name in run.stages}
        assert sum(is_open(f"{name}.h5") for name in stages) == 2 and not is_open("boltzmann.h5")
        assert stages["boltzmann"].weights().sum() == pytest.approx(1) and is_open("boltzmann.h5")
    assert not any(is_open(f"{name}.h5") for name in stages)


def test_a_stage_is_found_without_a_list_of_the_folder(folder, monkeypatch):
    with boltzmill.open(folder) as run:
        monkeypatch.setattr(os, "listdir", None)
        assert run.stage("traced").type == "reweight"


def test_a_closed_run_says_so(folder):
    with boltzmill.open(folder) as run:
        traced = run.stage("traced")
    for asked in (lambda: traced.energies, lambda: "energies" in traced, lambda: traced.field("energies"), lambda: traced.fields(),
                  lambda: list(traced.results.torsions), lambda: hasattr(traced.results.pairs, "delta_f"), lambda: run.stage("traced")):
        with pytest.raises(boltzmill.ClosedRun, match="the run was closed.*open it again"):
            asked()


def test_folders_may_be_left(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder.parent)
    run = boltzmill.open(RUN)
    monkeypatch.chdir(tmp_path)
    assert run.stage("traced").type == "reweight"


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


def test_columns_have_one_length(copied):
    with h5py.File(copied / "traced.h5", "r+") as file:
        del file["results/noise/variance"]
        file["results/noise/variance"] = [1.0, 2.0, 3.0]
    rewrite(copied / "traced.h5")
    with boltzmill.open(copied) as run:
        for table in (run.stage("traced").columns, run.stage("traced").table):
            with pytest.raises(boltzmill.UnequalColumns, match="along 'state', .*state_names has 2, .*noise/variance has 3.*read each"):
                table("state")


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
