"""Files that are not what the program committed, folders that are no run's."""
import errno
import fcntl
import os
import re
import shutil

import boltzmill
import h5py
import pytest

from conftest import RUN, rewrite, seal

SEAL = 64


def taken(folder, name="traced", **options):
    with boltzmill.open(folder, **options) as run:
        return run.stage(name)


def refused(folder, error, text, name="traced", **options):
    with pytest.raises(error, match=text) as found:
        taken(folder, name, **options)
    assert str(folder) in str(found.value)  # it says where
    return str(found.value)


def test_a_sound_copy_opens(copied):
    assert taken(copied, "traced").type == "reweight"
    assert taken(copied, "report", verify=False).type == "report"


@pytest.mark.parametrize("left", [0, 10, SEAL, 5000, -1, -SEAL])
def test_truncated_files(copied, left):
    path = copied / "traced.h5"
    path.write_bytes(path.read_bytes()[:left])
    for verify in (True, False):
        text = refused(copied, boltzmill.DamagedArtifact, "does not end in a seal.*run the pipeline again", verify=verify)
        assert str(path) in text


def test_a_seal_alone(copied):
    path = copied / "traced.h5"
    path.write_bytes(path.read_bytes()[-SEAL:])
    for verify in (True, False):
        refused(copied, boltzmill.DamagedArtifact, "not the length that was committed", verify=verify)


def test_opened_for_writing(copied):
    with h5py.File(copied / "traced.h5", "r+"):
        marked = (copied / "traced.h5").read_bytes()
    refused(copied, boltzmill.DamagedArtifact, "opened it for writing.*sealed anew if nothing was changed")
    # while it is open, or after a program was killed that had it open
    (copied / "traced.h5").write_bytes(marked)
    refused(copied, boltzmill.DamagedArtifact, "another program has it open for writing.*close it there")


@pytest.mark.parametrize("place", [20, 4000, -SEAL - 1, -20])
def test_a_changed_byte(copied, place):
    path = copied / "traced.h5"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    refused(copied, boltzmill.DamagedArtifact, "bytes are not those that were committed.*run the pipeline again")


def test_unread_bytes_are_trusted_on_request(copied):
    path = copied / "traced.h5"
    content = bytearray(path.read_bytes())
    content[-20] ^= 1  # in the seal's digest
    path.write_bytes(content)
    assert taken(copied, "traced", verify=False).type == "reweight"


def test_something_else_behind_a_sound_seal(copied):
    path = copied / "traced.h5"
    with h5py.File(path, "r+") as file:
        del file["provenance/record"]
    seal(path)
    refused(copied, boltzmill.DamagedArtifact, "seal is sound, but it cannot be read.*--force")


def test_other_versions(copied):
    known = boltzmill.records.Reweight._versions["reweight"]
    path = copied / "traced.h5"
    for version in known:  # also older ones that still stand
        rewrite(path, stageVersion=version)
        assert taken(copied, "traced").provenance["stageVersion"] == version
    rewrite(path, stageVersion=max(known) + 1)
    refused(copied, boltzmill.OtherFormat, f"by version {max(known) + 1} of 'reweight'.*install the package of the newer program")
    rewrite(path, stageVersion=min(known) - 1)
    refused(copied, boltzmill.OtherFormat, f"by version {min(known) - 1} of 'reweight'.*run the pipeline again")
    rewrite(path, stageType="reweigh-twice", stageVersion=1)
    refused(copied, boltzmill.OtherFormat, "'reweigh-twice'; this package reads no such type")


def test_a_newer_seal(copied):
    path = copied / "traced.h5"
    path.write_bytes(path.read_bytes().replace(b"boltzmill seal 1", b"boltzmill seal 2"))
    refused(copied, boltzmill.OtherFormat, "its seal is 'boltzmill seal 2'.*reads 'boltzmill seal 1'.*install the boltzmill package")


@pytest.mark.parametrize("left", [
    "{}.ckpt-A.h5", "{}.ckpt-R1.h5", "{}.part-0.h5", ".{}.progress", ".{}.h5.tmp-vm-18843-5", "{}.h5.damaged", "{}.h5.damaged-2"])
@pytest.mark.parametrize("name", ["emulator", "emulator@A.C"])
def test_unfinished_stages(copied, left, name):
    (copied / left.format(name)).touch()
    run = boltzmill.open(copied)
    assert run.stages == ["report", "traced"] and run.unfinished == [name]
    refused(copied, boltzmill.UnfinishedStage, f"stage '{re.escape(name)}' is not finished; run the pipeline again", name)


def test_an_artifact_beside_a_checkpoint_of_its_own_is_finished(copied):
    (copied / "traced.ckpt-A.h5").touch()  # forced to run again
    assert boltzmill.open(copied).unfinished == []
    assert taken(copied, "traced").type == "reweight"


def test_a_copy_under_the_name_of_another_stage(copied, folder):
    shutil.copy2(folder / "proposals.h5", copied / "fresh.h5")
    text = refused(copied, boltzmill.DamagedArtifact, "fresh.h5: it holds the sample of stage 'proposals'.*move it away", "fresh")
    assert "run the pipeline again" in text
    rewrite(copied / "traced.h5", stageType="checkpoint", stageVersion=1)
    refused(copied, boltzmill.DamagedArtifact, "it holds the checkpoint of stage 'traced'")


def test_a_locked_file_is_not_called_damaged(copied):
    with (copied / "traced.h5").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = refused(copied, boltzmill.UnreadableArtifact, "traced.h5 cannot be read now: .*lock")
    assert "--force" not in text and taken(copied).type == "reweight"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EMFILE, errno.EIO, errno.ENOLCK])
def test_what_the_system_refuses_is_not_called_damaged(copied, monkeypatch, code):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    for place in ("boltzmill.artifact.h5py.File", "os.open"):
        with monkeypatch.context() as patch:
            patch.setattr(place, refuse)
            refused(copied, boltzmill.UnreadableArtifact, f"cannot be read now: .*{os.strerror(code)}")
    with boltzmill.open(copied) as run:
        traced = run.stage("traced")
        monkeypatch.setattr(h5py.Dataset, "__getitem__", refuse)
        with pytest.raises(boltzmill.UnreadableArtifact):
            traced.energies


def test_a_file_that_is_open_for_writing_is_seen_without_reading_it_all(copied):
    with h5py.File(copied / "traced.h5", "r+"):
        marked = (copied / "traced.h5").read_bytes()
    (copied / "traced.h5").write_bytes(marked)
    seal(copied / "traced.h5")
    for verify in (True, False):
        refused(copied, boltzmill.DamagedArtifact, "has it open for writing", verify=verify)


def test_what_is_no_file_is_no_stage(copied):
    (copied / "gone.h5").symlink_to(copied / "nothing.h5")
    (copied / "folder.h5").mkdir()
    os.mkfifo(copied / "pipe.h5")
    (copied / "round.h5").symlink_to(copied / "round.h5")
    assert boltzmill.open(copied).stages == ["report", "traced"]
    for name in ("gone", "folder", "pipe", "round", "", ".", "../traced", f"../{copied.name}/traced", "traced.h5"):
        refused(copied, boltzmill.UnknownStage, "has no finished stage", name)
    for name in ("gone", "folder", "pipe", "round"):  # they took its place just now
        with pytest.raises(boltzmill.UnreadableArtifact, match=name):
            boltzmill.seal.check(copied / f"{name}.h5", True)


def test_a_folder_that_was_taken_away(copied):
    run = boltzmill.open(copied)
    copied.rename(copied.parent / "elsewhere")
    with pytest.raises(boltzmill.NoRun, match="cannot be listed"):
        run.stage("traced")


def test_folders_that_are_no_run(copied, tmp_path, folder):
    with pytest.raises(boltzmill.NoRun, match="no folder; 'pipeline run' makes it"):
        boltzmill.open(tmp_path / "none")
    with pytest.raises(boltzmill.NoRun, match=r"open the folder it is in, then stage\('traced'\)"):
        boltzmill.open(copied / "traced.h5")
    runs = tmp_path / "runs"
    runs.mkdir()
    with pytest.raises(boltzmill.NoRun, match="no run's folder: it holds no artifacts"):
        boltzmill.open(runs)
    (runs / RUN).mkdir()
    shutil.copy2(folder / ".pipeline.json", runs / RUN)
    with pytest.raises(boltzmill.NoRun, match=f"these are: .*runs/{RUN}"):
        boltzmill.open(runs)
    # begun, and nothing is finished
    with pytest.raises(boltzmill.UnknownStage, match="finished: none"):
        boltzmill.open(runs / RUN).stage("fresh")
