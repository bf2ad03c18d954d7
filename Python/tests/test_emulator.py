"""An emulator as a sampler: against what the run's own stages drew, and what becomes of wrong questions and of the worker."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import boltzmill
import numpy as np
import pytest
from boltzmill.program import VARIABLE

COUNT = 8000  # samples of the stage `fresh`, by stochastic trace, two probes


@pytest.fixture(scope="module")
def emulator(folder, program):
    with boltzmill.open(folder) as run, run.emulator("emulator", program=program) as emulator:
        yield emulator


@pytest.fixture
def fresh(run):
    return run.stage("fresh", boltzmill.records.Sample)


def test_what_it_is(emulator):
    about = emulator.describe()
    assert about["atoms"] == 22 and about["temperature"] == 300 and about["type"] == "emulator"
    assert about["units"] == {"coordinates": "nm", "log_density": "nat", "temperature": "K"}
    assert about["options"]["ode_steps"] == 8


def test_log_prob_equals_the_stored_one(emulator, fresh):
    """Of every sample, by the stage's seed, which gives the probes, and its prior points."""
    assert fresh.log_density.shape == (COUNT,)
    found = emulator.log_prob(fresh.coordinates, seed=fresh.provenance["seed"], prior=fresh.prior)
    assert np.max(np.abs(found - fresh.log_density)) < 1e-6


def test_log_prob_of_coordinates_alone(emulator, fresh):
    """The way back to the prior is found to the rounding of networks in single precision."""
    found = emulator.log_prob(fresh.coordinates, seed=fresh.provenance["seed"], log_density="stochastic-trace")
    off = np.abs(found - fresh.log_density)
    print(f"ln q of coordinates alone, of {COUNT}: off by {np.nanmedian(off):.2g} nat in the middle, {np.nanmax(off):.2g} at most; {np.isnan(off).sum()} not found")
    assert np.nanmedian(off) < 5e-6 and np.nanmax(off) < 2e-3 and np.isnan(off).sum() <= 8
    assert np.nanpercentile(off / np.abs(fresh.log_density), 99.9) < 1e-6


def test_samples_of_a_stage_are_drawn_again(emulator, fresh):
    drawn = emulator.sample(COUNT, seed=fresh.provenance["seed"])
    assert np.array_equal(drawn.coordinates, fresh.coordinates) and np.array_equal(drawn.log_prob, fresh.log_density)
    assert np.array_equal(drawn.prior, fresh.prior)


def test_exact_likelihoods_have_no_noise(emulator):
    drawn = emulator.sample(40, seed=3, log_density="exact-trace")
    assert drawn.coordinates.shape == (40, 22, 3)
    turned = drawn.coordinates[:, :, [1, 2, 0]] + 5  # neither orientation nor place plays a part
    for seed in 1, 2:
        assert np.allclose(emulator.log_prob(turned, seed=seed, log_density="exact-trace"), drawn.log_prob, rtol=1e-6, atol=0)
    # by probes, they are the mean of many estimates
    estimates = [emulator.log_prob(drawn.coordinates, seed=seed, prior=drawn.prior, probes=50) for seed in range(8)]
    z = (np.mean(estimates, 0) - drawn.log_prob) / (np.std(estimates, 0, ddof=1) / np.sqrt(8))
    assert np.sqrt(np.mean(z ** 2)) < 2  # 1.17 is expected of Student's t of 7 degrees of freedom
    assert np.all(np.isnan(emulator.sample(2, log_density="none").log_prob))


@pytest.mark.parametrize("change, words", [
    (lambda x: x[:, :21], r"coordinates has the shape \[2, 21, 3\], and \[samples, 22, 3\] is needed"),
    (lambda x: x[0], r"the shape \[22, 3\]"), (lambda x: -x, "the other hand than the emulator's molecule"),
    (lambda x: 10 * x, r"sample 0: atoms \d+ and \d+ \(from 0\) are bonded, and [\d.]+ nm apart: give whole molecules, in nm"),
    (lambda x: np.where(x == x[1, 3, 0], np.inf, x), r"sample 1, atom 3 \(from 0\): a coordinate is inf")])
def test_wrong_conformations_are_refused_and_it_goes_on(emulator, fresh, change, words):
    two = fresh.coordinates[:2]
    with pytest.raises(boltzmill.EmulatorRefused, match=words) as refused:
        emulator.log_prob(change(two))
    assert refused.value.kind.endswith("Error") and isinstance(refused.value, ValueError)
    assert emulator.log_prob(two).shape == (2,) and emulator.log_prob(two[:0]).shape == (0,)


def test_wrong_options_are_refused_by_the_stages_own_checks(emulator):
    with pytest.raises(boltzmill.EmulatorRefused, match="unknown key 'ode_step'.*did you mean 'ode_steps'"):
        emulator.sample(3, ode_step=4)
    with pytest.raises(boltzmill.EmulatorRefused, match="one answer holds at most"):
        emulator.sample(10**12)
    with pytest.raises(boltzmill.EmulatorRefused, match="header"):
        emulator.sample(3, seed=-1)
    assert len(emulator.sample(np.int64(3), seed=2**64 - 1).coordinates) == 3


def test_a_question_that_is_too_long_is_no_reason_to_stop(emulator, fresh):
    with pytest.raises(boltzmill.EmulatorRefused, match="the header of the message would be"):
        emulator.sample(3, note="x" * (1 << 20))
    with pytest.raises(boltzmill.EmulatorRefused, match="32768 are transported at a time at most"):
        emulator.sample(3, batch=2**63 - 1)
    assert len(emulator.sample(3).log_prob) == 3


def test_an_artifact_that_was_made_again_is_refused(folder, program):
    other = boltzmill.Emulator(folder / "emulator.h5", program=program, digest="0" * 64)
    with pytest.raises(boltzmill.StaleInput, match="was made again"), other:
        other.sample(1)


def test_a_forked_process_has_a_worker_of_its_own(emulator):
    first, worker = emulator.sample(4, seed=9).coordinates, emulator._worker
    child = os.fork()
    if child == 0:
        try:
            same = np.array_equal(emulator.sample(4, seed=9).coordinates, first) and emulator._worker is not worker
            emulator.close()
        finally:
            os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert np.array_equal(emulator.sample(4, seed=9).coordinates, first) and emulator._worker is worker


def test_another_stage_holds_none(run, program):
    with run.emulator("fresh", program=program) as none, pytest.raises(boltzmill.RunFailed, match="of type sample, holds no emulator") as failed:
        none.sample(1)
    assert failed.value.code == 1


def test_by_its_file_and_a_structure(folder, program, tmp_path):
    alone = tmp_path / "alone.h5"
    alone.write_bytes((folder / "emulator.h5").read_bytes())
    with pytest.raises(boltzmill.RunFailed, match="structure="), boltzmill.Emulator(alone, program=program) as emulator:
        emulator.describe()
    pdb = pathlib.Path(__file__).parents[2] / "datasets/alanine/alanine.pdb"
    with boltzmill.Emulator(alone, structure=pdb, program=program, threads=1) as emulator:
        assert emulator.describe()["temperature"] is None and len(emulator.sample(5).log_prob) == 5
    with pytest.raises(boltzmill.ClosedEmulator):
        emulator.sample(1)


def test_a_worker_that_ends_is_told_and_started_again(folder, program):
    with boltzmill.open(folder).emulator("emulator", program=program) as emulator:
        first = emulator.sample(5, seed=1)
        emulator._worker._process.kill()
        with pytest.raises(boltzmill.RunFailed, match="ended with code -9"):
            emulator.sample(5)
        assert np.array_equal(emulator.sample(5, seed=1).coordinates, first.coordinates)


def test_it_ends_with_python(folder, program):
    """Killed, in the middle of a long draw too; and torch is not imported."""
    call = f"""if True:
        import boltzmill, sys
        emulator = boltzmill.open({str(folder)!r}).emulator("emulator", threads=1)
        emulator.sample(3)
        assert "torch" not in sys.modules
        print(emulator._worker._process.pid, flush=True)
        emulator.sample(500_000, batch=100)
        """
    process = subprocess.Popen([sys.executable, "-c", call], env=os.environ | {VARIABLE: program}, stdout=subprocess.PIPE, text=True)
    worker = int(process.stdout.readline())
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    for _ in range(300):
        if not is_there(worker):
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker goes on")


def is_there(number):
    try:
        return pathlib.Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
