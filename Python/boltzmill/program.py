"""Running the program `pipeline` from Python."""
import collections
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from . import launcher
from .errors import BoltzmillError, ProgramNotFound, RunFailed, RunInterrupted
from .runs import Run
from .runs import open as open_run

VARIABLE = "BOLTZMILL_PIPELINE"
_INTERRUPTED = 75  # exit code: stopped, and resumable
_REFUSED = {"--runs", "--help", "-h", "--version"}  # among `options`
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LAST = 40  # lines of its messages that are kept


def find(file: str | os.PathLike[str] = "", program: str | os.PathLike[str] = "") -> str:
    """The program: as it is given here or by the environment, that of the wheel, from PATH, or as it was built last in the checkout that
    holds the file."""
    if given := os.fspath(program) or os.environ.get(VARIABLE, ""):
        if found := shutil.which(given):
            return found
        raise ProgramNotFound(f"{given}, as 'program' or the variable {VARIABLE} names it, is no program; give the path of 'pipeline'")
    try:
        if own := launcher.program():
            return own
    except launcher.WrongLibraries as error:
        raise ProgramNotFound(str(error)) from error
    folders = [each / ".build" for each in pathlib.Path(file).resolve().parents if (each / "Package.swift").exists()]
    built = [path for each in folders for path in sorted(each.glob("[rd]e*/pipeline"), key=lambda path: -path.stat().st_mtime)]
    for found in filter(None, map(shutil.which, ["pipeline", *map(str, built)])):
        try:
            said = subprocess.run([found, "--version"], capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if said.stdout.startswith(b"boltzmill "):  # others have programs of that name too
            return found
    raise ProgramNotFound(
        f"the program 'pipeline' of boltzmill is not on PATH, and not built in a checkout that holds {file}; build it there by "
        f"'swift build', or name it by 'program' or the variable {VARIABLE}")


def run(
    file: str | os.PathLike[str], *, set: Mapping[str, Any] | None = None, runs: str | os.PathLike[str] = "runs",
    threads: int | None = None, program: str | os.PathLike[str] = "", options: Sequence[str] = (), quiet: bool = False,
) -> Run:
    """Runs a pipeline file and opens the run: `run("alanine.yaml", set={"emulator.training.steps": 500})`.

    `options` are further ones of `pipeline run`. What it says goes to sys.stderr unless `quiet`. Ctrl-C, SIGTERM and SIGHUP are
    passed on: the program saves a checkpoint and ends. Raises `RunFailed` with its message and exit code, `RunInterrupted` where
    others stopped it.
    """
    if refused := _REFUSED & {option.partition("=")[0] for option in options}:
        raise BoltzmillError(f"options cannot hold {', '.join(sorted(refused))}: the folder of runs is run(..., runs=FOLDER)")
    command = [find(file, program), "run", os.fspath(file), "--runs", os.fspath(runs), "--json", *options]
    for key, value in (set or {}).items():  # as YAML reads it: a str in quotes, arrays of numpy as lists, paths as str
        written = json.dumps(value, ensure_ascii=False, default=lambda each: each.tolist() if hasattr(each, "tolist") else str(each))
        command += ["--set", f"{key}={written}"]
    command += [] if threads is None else ["--threads", str(threads)]
    lines: collections.deque[str] = collections.deque(maxlen=_LAST)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output, _passed_on() as pass_on, subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, encoding="utf-8", errors="replace",
        process_group=0,  # a terminal's Ctrl-C reaches it through us alone, and once
    ) as process:
        pass_on(process)
        try:
            for line in process.stderr or ():
                lines.append(line.rstrip("\n"))
                if not quiet:
                    sys.stderr.write(line)
            process.wait()
        except BaseException:
            process.terminate()
            raise
        output.seek(0)
        said = output.read()
    if (code := process.returncode) == 0:
        return open_run(pathlib.Path(runs) / json.loads(said)["pipeline"])
    first = next((k for k, line in enumerate(lines) if line.startswith("error: ")), 0)
    message = "\n".join([*lines][first:]) or f"'pipeline run' ended with code {code} and said nothing"
    errors = {each["stage"]: each["error"] for each in json.loads(said)["stages"] if "error" in each} if said else {}
    raise (RunInterrupted if code == _INTERRUPTED else RunFailed)(message, code, errors)


@contextlib.contextmanager
def _passed_on() -> Iterator[Callable[[subprocess.Popen[str]], None]]:
    """Signals go to the process that is named, and the first of them, once that has ended, to what handles it otherwise."""
    received: list[int] = []
    processes: list[subprocess.Popen[str]] = []

    def pass_on(number: int, _: object) -> None:
        received.append(number)
        for process in processes:
            process.send_signal(number)

    def name(process: subprocess.Popen[str]) -> None:
        processes.append(process)
        for number in received:  # while it was started
            process.send_signal(number)

    handled = [number for number in _SIGNALS if signal.getsignal(number) not in (None, signal.SIG_IGN)]  # nohup ignores one
    is_main = threading.current_thread() is threading.main_thread()  # Python lets no other thread handle any
    before = {number: signal.signal(number, pass_on) for number in handled if is_main}
    try:
        yield name
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])
