"""The console programs of the wheel: the libraries that it was built with are looked for, then the program takes over."""
import importlib.metadata
import json
import os
import pathlib
import re
import shutil
import signal
import sys

_HERE = pathlib.Path(__file__).resolve().parent
_PROGRAM = _HERE / "program" / "bin" / "pipeline"
# where each lies beside this package, and the file there that tells its build
_FILES = {"torch": ("torch/lib/libtorch_cpu.so", "torch/version.py"), "openmm": ("OpenMM.libs/lib/libOpenMM.so", "openmm/version.py")}


class WrongLibraries(Exception):
    """What the program was built with is not there, or is another."""


def program() -> str:
    """The wheel's own program; "" where this package came without one. Raises `WrongLibraries`."""
    if not _PROGRAM.exists():
        return ""
    if problems := wrong():
        raise WrongLibraries("\n".join(problems))
    if sys.executable:
        os.environ.setdefault("BOLTZMILL_PYTHON", sys.executable)  # for what makes peptides
    return str(_PROGRAM)


def wrong() -> list[str]:
    """What of its libraries is missing or another build, and what to do. LibTorch's and OpenMM's numbers are those of one build only."""
    built = json.loads((_PROGRAM.parents[1] / "build.json").read_text(encoding="utf-8"))["libraries"]
    problems = []
    for name, expected in built.items():
        advice = f"python -m pip install --force-reinstall '{name}=={expected['version']}' puts the right one there"
        library, told = (_HERE.parent / each for each in _FILES[name])
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            problems.append(f"{name} is not installed; {advice}")
            continue
        if version != expected["version"]:
            problems.append(f"{name} {version} is installed, and this program was built with {name} {expected['version']}; {advice}")
        elif not library.exists():
            problems.append(f"{name} is installed, and not beside boltzmill: {library} is missing; install both into one environment")
        elif (found := build(told.read_text(encoding="utf-8") if told.exists() else "")) != expected["build"]:
            problems.append(f"{told} is of build {found or 'unknown'}, and this program was built with {expected['build']}; {advice}")
    return problems


def build(text: str) -> str:
    """Version and commit that a library was built from, as its own version file says it: 2.15.0+cu132 d0f2af8b..."""
    return " ".join(re.findall(r"""^(?:__version__|full_version|git_version|git_revision) *= *['"]([^'"]+)""", text, re.MULTILINE))


def main() -> None:
    """`boltzmill` and `pipeline`: this process becomes the program, called as it was."""
    try:
        found = program()
    except WrongLibraries as error:
        sys.exit(f"error: {error}")
    if not found:
        sys.exit("error: this package came without the program; build it in a checkout by 'swift build', or install the wheel")
    called = os.path.basename(sys.argv[0])
    if called == "__main__.py":
        called = "boltzmill"
    elif shutil.which(called) != sys.argv[0]:  # not on PATH
        called = sys.argv[0]
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
        signal.signal(number, signal.SIG_DFL)
    os.execv(found, [called, *sys.argv[1:]])
