"""The wheel's program is started where its libraries are the ones it was built with, and refused by name where they are not."""
import json
import os
import subprocess
import sys

import boltzmill
import pytest
from boltzmill import launcher

VERSION = "__version__ = '2.15.0+cu132'\ngit_version = 'd0f2af8b'\n"
BUILD = "2.15.0+cu132 d0f2af8b"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """An environment with the wheel and a LibTorch beside it; the program says how it was called, and by which Python."""
    home = tmp_path / "boltzmill/program"
    (home / "bin").mkdir(parents=True)
    (home / "bin/pipeline").write_text('#!/bin/sh\necho "$0 $* $BOLTZMILL_PYTHON"\n')
    (home / "bin/pipeline").chmod(0o755)
    (home / "build.json").write_text(json.dumps({"libraries": {"torch": {"version": "2.15.0", "build": BUILD}}}))
    (tmp_path / "torch/lib").mkdir(parents=True)
    (tmp_path / "torch/lib/libtorch_cpu.so").touch()
    (tmp_path / "torch/version.py").write_text(VERSION)
    installed(tmp_path, "2.15.0")
    monkeypatch.setattr(launcher, "_HERE", tmp_path / "boltzmill")
    monkeypatch.setattr(launcher, "_PROGRAM", home / "bin/pipeline")
    monkeypatch.delenv("BOLTZMILL_PYTHON", raising=False)
    monkeypatch.delenv("BOLTZMILL_PIPELINE", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def installed(site, version):
    information = site / "torch-1.dist-info"
    information.mkdir(exist_ok=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")


def test_the_right_libraries_are_taken(site):
    assert launcher.wrong() == []
    assert launcher.program() == str(site / "boltzmill/program/bin/pipeline")
    assert os.environ.pop("BOLTZMILL_PYTHON") == sys.executable
    assert boltzmill.program.find("any.yaml") == launcher.program()


@pytest.mark.parametrize("version", ["2.13.0+cpu", "2.15.0+cpu", "2.16.0"])
def test_another_version_is_refused_by_name(site, version):
    installed(site, version)
    (problem,) = launcher.wrong()
    assert problem.startswith(f"torch {version} is installed, and this program was built with torch 2.15.0; ")
    assert problem.endswith("'torch==2.15.0' puts the right one there")
    with pytest.raises(boltzmill.ProgramNotFound, match="torch 2.1"):
        boltzmill.program.find("any.yaml")


def test_another_build_is_refused_by_name(site):
    (site / "torch/version.py").write_text(VERSION.replace("d0f2af8b", "0000000"))
    (problem,) = launcher.wrong()
    assert f"version.py is of build 2.15.0+cu132 0000000, and this program was built with {BUILD}; " in problem
    (site / "torch/version.py").unlink()
    assert "is of build unknown" in launcher.wrong()[0]


def test_libraries_elsewhere_are_refused_by_name(site):
    (site / "torch/lib/libtorch_cpu.so").unlink()
    (problem,) = launcher.wrong()
    assert problem.startswith("torch is installed, and not beside boltzmill: ") and "one environment" in problem


def test_a_missing_library_is_named(site):
    (site / "boltzmill/program/build.json").write_text(json.dumps({"libraries": {"openmm-": {"version": "8", "build": ""}}}))
    launcher._FILES["openmm-"] = ("a", "b")
    try:
        assert launcher.wrong() == ["openmm- is not installed; python -m pip install --force-reinstall 'openmm-==8' puts the right one there"]
    finally:
        del launcher._FILES["openmm-"]


def test_without_a_program_the_package_reads_and_says_so():
    done = subprocess.run([sys.executable, "-m", "boltzmill", "--version"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("error: this package came without the program; ")
