"""Artifacts that older releases wrote, in Tests/Fixtures/releases: each is read whole, and while the version of its type stays, so do its fields."""
import boltzmill
import h5py
import pytest

from conftest import ROOT

FOLDERS = sorted(each for each in (ROOT / "Tests/Fixtures/releases").iterdir() if each.is_dir())


def test_the_first_release_is_there():
    assert FOLDERS[0].name == "0.1.0"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_dataset_is_read(folder):
    run = boltzmill.open(folder)
    assert len(run.stages) > 20
    for name in run.stages:
        stage = run.stage(name)
        fields = {field.path for field in stage.fields() if "@" not in field.path}
        with h5py.File(folder / f"{name}.h5") as file:
            there = set()
            file.visititems(lambda path, item: there.add(path) if isinstance(item, h5py.Dataset) else None)
        there = {path for path in there if not path.startswith("provenance/")}
        if type(stage)._versions[stage.type][0] == stage.provenance["stageVersion"]:
            assert there == fields, name
        assert there & fields, name
        for path in sorted(there & fields):
            assert stage.field(path)[()] is not None
