"""Running the program: where it is found, what becomes of its exit codes, and of Ctrl-C."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import boltzmill
import numpy as np
import pytest
from boltzmill.program import VARIABLE, find

TOY = """
name: toy
stages:
  samples: {{ uses: toy-samples, system: checkerboard, count: 300 }}
  model:
    uses: toy-energy-model
    samples: samples
    grid: 12
    network: {{ width: 8, depth: 1 }}
    training: {{ steps: {steps}, batch: 32 }}
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.yaml").write_text(TOY.format(steps=5))
    return pathlib.Path("toy.yaml")


def pretend(path, says):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return str(path)


def test_where_the_program_is_found(tmp_path, monkeypatch):
    checkout, other = tmp_path / "checkout", tmp_path / "bin"
    file = checkout / "pipelines" / "a.yaml"
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(other))
    with pytest.raises(boltzmill.ProgramNotFound, match=f"not on PATH.*'swift build'.*{VARIABLE}"):
        find(file)
    pretend(other / "pipeline", "another program of that name 1.0")
    with pytest.raises(boltzmill.ProgramNotFound):
        find(file)
    (checkout / "pipelines").mkdir(parents=True)
    (checkout / "Package.swift").touch()
    built = pretend(checkout / ".build" / "debug" / "pipeline", "boltzmill 1.0.0")
    assert find(file) == built
    onpath = pretend(other / "pipeline", "boltzmill 1.0.0")
    assert find(file) == onpath
    named = pretend(tmp_path / "named", "")
    monkeypatch.setenv(VARIABLE, named)
    assert find(file) == named
    assert find(file, built) == built
    monkeypatch.setenv(VARIABLE, "none")
    with pytest.raises(boltzmill.ProgramNotFound, match=f"none, as 'program' or the variable {VARIABLE} names it, is no program"):
        find(file)


def test_a_run(toy, program, capfd):
    with boltzmill.run(toy, program=program, threads=1, set={"seed": 5, "samples.count": 400}) as run:
        assert run.stages == ["model", "samples"] and run.name == "toy" and run.folder == pathlib.Path("runs/toy")
        samples = run.stage("samples")
        assert samples.provenance["threads"] == 1
        assert '"count":400' in samples.provenance["canonical"]
        digest = samples.provenance["contentDigest"]
    said = capfd.readouterr()
    assert "samples" in said.err and said.out == ""
    # the same again runs nothing; elsewhere, and quietly
    with boltzmill.run(toy, program=program, set={"seed": 5, "samples": {"uses": "toy-samples", "system": "checkerboard", "count": 400}},
                       runs=pathlib.Path("others"), threads=1, quiet=True) as run:
        assert run.folder == pathlib.Path("others/toy") and run.stage("samples").provenance["contentDigest"] == digest
        assert np.isfinite(run.stage("model").results.parameters)
    assert capfd.readouterr() == ("", "")


def test_failures_have_the_programs_own_words(toy, program):
    with pytest.raises(boltzmill.RunFailed, match="unknown key 'cuont'.*did you mean 'count'") as refused:
        boltzmill.run(toy, program=program, set={"samples.cuont": 1}, quiet=True)
    assert refused.value.code == 2 and refused.value.stages == {}
    with pytest.raises(boltzmill.RunFailed, match="(?s)^error: stage 'model': .*resume with: ") as failed:
        boltzmill.run(toy, program=program, set={"model.training.batch": 100000}, quiet=True)
    assert failed.value.code == 1 and list(failed.value.stages) == ["model"]
    assert failed.value.stages["model"] in str(failed.value)
    assert boltzmill.open("runs/toy").stages == ["samples"]


def children(process):
    try:
        return [int(each) for each in pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


@pytest.fixture
def begun(toy, program):
    """Python, at work on a long training in `boltzmill.run`, with a checkpoint; and the program that it runs."""
    toy.write_text(TOY.format(steps=2_000_000))
    call = """if True:
        import boltzmill
        try:
            boltzmill.run('toy.yaml', options=['--checkpoint-interval', '0.2'])
        except boltzmill.RunInterrupted as error:
            print(error.code, error)
        """
    process = subprocess.Popen(
        [sys.executable, "-c", call], env=os.environ | {VARIABLE: program}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(600):
            if list(pathlib.Path("runs/toy").glob("model.ckpt-*.h5")) or process.poll() is not None:
                break
            time.sleep(0.1)
        (child,) = children(process)
        yield process, child
    finally:
        for each in [*children(process), process.pid] if process.poll() is None else []:
            os.kill(each, signal.SIGKILL)
        process.communicate()


def test_control_c_is_passed_on(begun):
    process, child = begun
    assert os.getpgid(child) == child  # a terminal's Ctrl-C reaches it through us alone, and once
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (-signal.SIGINT, 128 + signal.SIGINT)  # Python ends by the signal
    assert "KeyboardInterrupt" in said and "interrupted in stage 'model'; its checkpoint is saved" in said and "resume with" in said
    run = boltzmill.open("runs/toy")
    assert run.stages == ["samples"] and run.unfinished == ["model"]


def test_a_run_that_others_stop_is_resumable(begun):
    """SIGTERM to the program, as a batch system sends it."""
    process, child = begun
    os.kill(child, signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert said.startswith("75 ") and "its checkpoint is saved" in said
