"""What tests work on: a finished run of alanine-quick, and the program.

BOLTZMILL_RUNS names the folder of runs that holds alanine-quick; BOLTZMILL_PIPELINE the program, if it is not built here.
"""
import hashlib
import json
import os
import pathlib
import shutil

import boltzmill
import boltzmill.program
import h5py
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN = "alanine-quick"


@pytest.fixture(scope="session")
def folder():
    """The folder of a finished run, for reading."""
    runs = os.environ.get("BOLTZMILL_RUNS")
    if not runs:
        pytest.skip(f"BOLTZMILL_RUNS names no folder of runs: swift run pipeline run {RUN}.yaml, then BOLTZMILL_RUNS=runs")
    found = pathlib.Path(runs) / RUN
    assert found.is_dir(), f"BOLTZMILL_RUNS={runs} holds no {RUN}"
    return found


@pytest.fixture
def run(folder):
    with boltzmill.open(folder) as run:
        yield run


@pytest.fixture(scope="session")
def program():
    """The program's path."""
    try:
        return boltzmill.program.find(ROOT / "pipelines" / f"{RUN}.yaml")
    except boltzmill.ProgramNotFound as error:
        pytest.skip(str(error))


@pytest.fixture
def copied(folder, tmp_path):
    """A run's folder that a test may damage: two small artifacts."""
    for name in ("traced.h5", "report.h5", ".pipeline.json"):
        shutil.copy2(folder / name, tmp_path / name)
    return tmp_path


def seal(path):
    """Seals a file whose seal was cut off, by the description in docs/architecture.md and Seal.swift."""
    content = path.read_bytes()
    head = b"boltzmill seal 1" + len(content).to_bytes(8, "little")
    path.write_bytes(content + head + hashlib.sha256(content + head).digest() + bytes(8))


def rewrite(path, **changes):
    """Changes the record of an artifact and seals it again, as a program of another version would have written it."""
    with h5py.File(path, "r+") as file:
        record = json.loads(file["provenance/record"][()]) | changes
        del file["provenance/record"]
        file["provenance/record"] = json.dumps(record).encode()
    seal(path)
