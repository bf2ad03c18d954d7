"""Running the program: where it is found, what becomes of its exit codes, and of Ctrl-C."""
import concurrent.futures
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
    newer = pretend(checkout / ".build" / "release" / "pipeline", "boltzmill 1.0.0")
    os.utime(built, (1, 1))
    assert find(file) == newer
    os.utime(newer, (0, 0))
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


def test_programs_that_do_not_answer_are_passed_over(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin") + os.pathsep + os.environ["PATH"])
    hangs = pathlib.Path(pretend(tmp_path / "bin" / "pipeline", ""))
    (tmp_path / "Package.swift").touch()
    built = pretend(tmp_path / ".build" / "debug" / "pipeline", "boltzmill 1.0.0")
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *words, timeout, **options: run(*words, timeout=0.5, **options))
    hangs.write_text("#!/bin/sh\nexec sleep 30\n")
    assert find(tmp_path / "a.yaml") == built
    hangs.write_text("no program")
    assert find(tmp_path / "a.yaml") == built


@pytest.fixture
def echo(tmp_path, monkeypatch):
    """A program that fails and says what it was called with, one word a line."""
    path = tmp_path / "echo"
    path.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\" >&2\nexit 1\n")
    path.chmod(0o755)

    def called(**options):
        with pytest.raises(boltzmill.RunFailed) as failed:
            boltzmill.run("a.yaml", program=path, quiet=True, **options)
        return str(failed.value).splitlines()

    return called


@pytest.mark.parametrize("value, written", [
    ("null", '"null"'), ("5", '"5"'), ("a: b # ü", '"a: b # ü"'), (None, "null"), (True, "true"), (np.int64(5), "5"),
    (np.float32(0.5), "0.5"), (np.arange(3), "[0, 1, 2]"), ([np.int32(1), "x"], '[1, "x"]'), (pathlib.Path("a/b"), '"a/b"'),
    ({"a": np.bool_(True)}, '{"a": true}')])
def test_values_are_what_they_are_in_python(echo, value, written):
    words = echo(set={"a.b": value})
    assert words[words.index("--set") + 1] == f"a.b={written}"


def test_texts_are_utf_8_wherever_python_runs(tmp_path):
    path = tmp_path / "program"
    path.write_text("#!/bin/sh\nprintf 'error: \\303\\274\\n' >&2\nexit 1\n")
    path.chmod(0o755)
    call = f"""if True:
        import boltzmill
        try:
            boltzmill.run("a.yaml", program={str(path)!r}, quiet=True)
        except boltzmill.RunFailed as error:
            print(ascii(str(error)))
        """
    said = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", call], env=os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True, text=True, check=True).stdout
    assert said == r"'error: \xfc'" + "\n"


@pytest.mark.parametrize("option", ["--runs", "--runs=elsewhere", "--help", "-h", "--version"])
def test_options_that_change_where_the_run_is_are_refused(echo, option):
    with pytest.raises(boltzmill.BoltzmillError, match=f"options cannot hold {option.split('=')[0]}"):
        echo(options=["--force", option, "elsewhere"])


def test_a_text_that_looks_like_something_else_stays_a_text(toy, program):
    with boltzmill.run(toy, program=program, set={"name": "null", "samples.count": np.int64(50)}, quiet=True) as run:
        assert run.name == "null" and len(run.stage("samples").fields()) > 0


def test_a_run(toy, program, capfd):
    with boltzmill.run(toy, program=program, threads=1, set={"seed": 5, "samples.count": 400}) as run:
        assert run.stages == ["model", "samples"] and run.name == "toy" and run.folder == pathlib.Path("runs/toy").absolute()
        samples = run.stage("samples")
        assert samples.provenance["threads"] == 1
        assert '"count":400' in samples.provenance["canonical"]
        digest = samples.provenance["contentDigest"]
    said = capfd.readouterr()
    assert "samples" in said.err and said.out == ""
    # the same again runs nothing; elsewhere, and quietly
    with boltzmill.run(toy, program=program, set={"seed": 5, "samples": {"uses": "toy-samples", "system": "checkerboard", "count": 400}},
                       runs=pathlib.Path("others"), threads=1, quiet=True) as run:
        assert run.folder == pathlib.Path("others/toy").absolute() and run.stage("samples").provenance["contentDigest"] == digest
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
    # a shell's background jobs ignore Ctrl-C, those of nohup the end of the terminal, and so would what they start
    call = """if True:
        import signal
        import boltzmill
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for each in signal.SIGTERM, signal.SIGHUP:
            signal.signal(each, signal.SIG_DFL)
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


def is_there(number):
    try:
        return pathlib.Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_are_passed_on(begun, number):
    """A batch system's, to Python: the program saves and ends, then Python ends by the signal."""
    process, child = begun
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == -number and not is_there(child)
    assert "interrupted in stage 'model'; its checkpoint is saved" in said


def test_handlers_of_signals_are_given_back(tmp_path):
    """One of the caller's own is called once the program has ended; what is ignored stays ignored."""
    path = tmp_path / "program"
    path.write_text("#!/bin/sh\ntrap 'sleep 0.3; echo ended >&2; exit 75' TERM\nkill -TERM $PPID\nfor each in 1 2 3 4 5 6 7 8 9; do sleep 0.3; done\n")
    path.chmod(0o755)
    heard = []
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: heard.append(1)),
              signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    try:
        mine = signal.getsignal(signal.SIGTERM)
        with pytest.raises(boltzmill.RunInterrupted, match="ended"):
            boltzmill.run("a.yaml", program=path, quiet=True)
        assert heard == [1] and signal.getsignal(signal.SIGTERM) is mine and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_other_threads_run_too(echo):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        assert pool.submit(echo).result()[0] == "run"


def test_a_run_that_others_stop_is_resumable(begun):
    """SIGTERM to the program, as a batch system sends it."""
    process, child = begun
    os.kill(child, signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert said.startswith("75 ") and "its checkpoint is saved" in said
