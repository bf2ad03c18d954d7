"""Running the program `pipeline` from Python."""
import collections
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import ProgramNotFound, RunFailed, RunInterrupted
from .runs import Run
from .runs import open as open_run

VARIABLE = "BOLTZMILL_PIPELINE"
_INTERRUPTED = 75  # exit code: stopped, and resumable
_LAST = 40  # lines of its messages that are kept


def find(file: str | os.PathLike[str] = "", program: str | os.PathLike[str] = "") -> str:
    """The program: as it is given here or by the environment, from PATH, or as it was built in the checkout that holds the file."""
    if given := os.fspath(program) or os.environ.get(VARIABLE, ""):
        if found := shutil.which(given):
            return found
        raise ProgramNotFound(f"{given}, as 'program' or the variable {VARIABLE} names it, is no program; give the path of 'pipeline'")
    checkouts = [folder for folder in pathlib.Path(file).resolve().parents if (folder / "Package.swift").exists()]
    built = [str(folder / ".build" / kind / "pipeline") for folder in checkouts for kind in ("release", "debug")]
    for found in filter(None, map(shutil.which, ["pipeline", *built])):
        said = subprocess.run([found, "--version"], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if said.stdout.startswith("boltzmill "):  # others have programs of that name too
            return found
    raise ProgramNotFound(
        f"the program 'pipeline' of boltzmill is not on PATH, and not built in a checkout that holds {file}; build it there by "
        f"'swift build', or name it by 'program' or the variable {VARIABLE}")


def run(
    file: str | os.PathLike[str], *, set: Mapping[str, Any] | None = None, runs: str | os.PathLike[str] = "runs",
    threads: int | None = None, program: str | os.PathLike[str] = "", options: Sequence[str] = (), quiet: bool = False,
) -> Run:
    """Runs a pipeline file and opens the run: `run("alanine.yaml", set={"emulator.training.steps": 500})`.

    `options` are further ones of `pipeline run`. What it says goes to sys.stderr unless `quiet`. Ctrl-C is passed on: the program
    saves a checkpoint and ends. Raises `RunFailed` with its message and exit code, `RunInterrupted` where others stopped it.
    """
    command = [find(file, program), "run", os.fspath(file), "--runs", os.fspath(runs), "--json", *options]
    for key, value in (set or {}).items():
        command += ["--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
    command += [] if threads is None else ["--threads", str(threads)]
    lines: collections.deque[str] = collections.deque(maxlen=_LAST)
    is_interrupted = False
    with tempfile.TemporaryFile("w+") as output, subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, text=True, errors="replace",
        process_group=0,  # a terminal's Ctrl-C reaches it through us alone, and once
    ) as process:
        while process.returncode is None:
            try:
                for line in process.stderr or ():
                    lines.append(line.rstrip("\n"))
                    if not quiet:
                        sys.stderr.write(line)
                process.wait()
            except KeyboardInterrupt:
                is_interrupted = True
                process.send_signal(signal.SIGINT)
            except BaseException:
                process.terminate()
                raise
        output.seek(0)
        said = output.read()
    if is_interrupted:
        raise KeyboardInterrupt(lines[-1] if lines else "")
    if (code := process.returncode) == 0:
        return open_run(pathlib.Path(runs) / json.loads(said)["pipeline"])
    first = next((k for k, line in enumerate(lines) if line.startswith("error: ")), 0)
    message = "\n".join([*lines][first:]) or f"'pipeline run' ended with code {code} and said nothing"
    errors = {each["stage"]: each["error"] for each in json.loads(said)["stages"] if "error" in each} if said else {}
    raise (RunInterrupted if code == _INTERRUPTED else RunFailed)(message, code, errors)
