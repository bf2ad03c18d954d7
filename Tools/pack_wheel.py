#!/usr/bin/env python3
"""Packs the release program, the Python package and what both need into a wheel. Tools/wheel calls it.

usage: pack_wheel.py PROGRAM OUTPUT
What Debian's libraries need of the network (HDF5 and NetCDF can read from servers, which the program never asks them to) is replaced by
empty stand-ins: thirty libraries less, OpenSSL and Kerberos among them.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Python/boltzmill"))
import launcher  # noqa: E402 - it needs nothing of its package

DEPS = ROOT / ".deps"
SYSTEM = pathlib.Path("/usr/lib/x86_64-linux-gnu")
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "boltzmill/wheels"
PYTHON = sys.executable
SWIFT = pathlib.Path(shutil.which("swift")).resolve().parents[1]
PLATFORM = "manylinux_2_36_x86_64"
LEFT_OUT = ["dipeptides-published", "propanol", "rings", "*.py"]  # of datasets/: what few examples want, and what made the rest
OWN_DEBIAN = ["libxtb6", "liblemon-dev"]  # beside what auditwheel finds: loaded at run time, and headers alone
# by soname: they are for reading from servers
NETWORK = ["libcurl.so.4", "libcurl-gnutls.so.4", "libcrypto.so.3", "libssl.so.3", "libxml2.so.2"]
# taken from the wheels that this one depends on
FOREIGN = ["libtorch_cpu.so", "libtorch.so", "libc10.so", "libOpenMM.so"]
RUN_PATH = ":".join("$ORIGIN/" + each for each in (
    "../../../OpenMM.libs/lib", "../../../torch/lib", "../../../nvidia/cu13/lib", "../lib"))


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(str(word) for word in words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def stand_ins(folder, users):
    """Libraries with the names and versions of the functions that `users` want of NETWORK. Each gives 0: nothing can be opened by them."""
    folder.mkdir()
    wanted = {}
    for user in users:
        needed = run("readelf", "-d", user)
        for name in NETWORK:
            if f"[{name}]" not in needed:
                continue
            versions = wanted.setdefault(name, {})
            symbols = run("readelf", "-W", "-V", user)
            # the versions that are needed of this file
            section = re.search(rf"File: {re.escape(name)} .*?(?=File:|\Z)", symbols, re.DOTALL)
            known = re.findall(r"Name: (\S+)", section[0]) if section else []
            for version in known:
                versions.setdefault(version, set())
            for line in run("nm", "-D", "--with-symbol-versions", user).splitlines():
                symbol, _, version = line.split()[-1].partition("@")
                if " U " in line and version.lstrip("@") in known:
                    versions[version.lstrip("@")].add(symbol)
    for name, versions in wanted.items():
        source, script = folder / f"{name}.c", folder / f"{name}.map"
        source.write_text("".join(f"long {symbol}(void) {{ return 0; }}\n" for each in versions.values() for symbol in sorted(each)))
        script.write_text("".join(f"{version} {{ global: {' '.join(f'{each};' for each in sorted(names))} local: *; }};\n"
                                  if names else f"{version} {{ local: *; }};\n" for version, names in versions.items()))
        run("clang", "-w", "-shared", "-fPIC", "-O1", "-nostdlib", f"-Wl,-soname,{name}", f"-Wl,--version-script={script}",
            "-o", folder / name, source)
        source.unlink(), script.unlink()
    return folder


def packages(program):
    """Name, version, folder of the Swift packages that the program was built from."""
    build = program.resolve().parents[2]
    state = json.loads((build / "workspace-state.json").read_text())["object"]["dependencies"]
    return [(each["packageRef"]["identity"], each["state"]["checkoutState"].get("version", ""), build / "checkouts" / each["subpath"],
             each["packageRef"]["location"]) for each in state]


def licences(folder, debian_packages, swift_packages):
    """The licence of everything that lies in the wheel, our own first; returns the files' names."""
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "LICENSE", folder / "LICENSE.txt")
    for package in debian_packages:
        shutil.copy(f"/usr/share/doc/{package}/copyright", folder / f"{package}.txt")
    for name in {"GPL-3", "LGPL-3"}:  # which Debian's files only name
        shutil.copy(f"/usr/share/common-licenses/{name}", folder / f"{name}.txt")
    shutil.copy(SWIFT / "share/swift/LICENSE.txt", folder / "swift.txt")
    for name, _, checkout, _ in swift_packages:
        found = [each for each in sorted(checkout.iterdir()) if each.name.upper().startswith(("LICENSE", "NOTICE"))]
        if not found:
            sys.exit(f"{checkout} has no licence")
        for file in found:
            shutil.copy(file, folder / f"{name}-{file.stem}.txt")
    plotly = next(CACHE.glob("plotly-*.whl"))
    script = run("unzip", "-p", plotly, "plotly/package_data/plotly.min.js")
    (folder / "plotly.js.txt").write_text(script[:script.index("*/") + 2] + "\n\n" + run("unzip", "-p", plotly, "*/LICENSE.txt"))
    return sorted(each.name for each in folder.iterdir())


def materials(file, swift_packages):
    """A bill of materials (CycloneDX) of what auditwheel, which lists the shared libraries it puts in, does not know."""
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion
    from packageurl import PackageURL

    def debian(name):
        version = run("dpkg-query", "-W", "-f", "${Version}", name)
        return Component(name=name, version=version, type=ComponentType.LIBRARY, purl=PackageURL("deb", "debian", name, version))

    swift = re.search(r"Swift version (\S+)", run("swift", "--version"))[1]
    parts = [debian(name) for name in OWN_DEBIAN] + [Component(name="swift", version=swift, type=ComponentType.LIBRARY)]
    for name, version, _, location in swift_packages:
        place, _, project = location.removeprefix("https://").removesuffix(".git").rpartition("/")
        parts.append(Component(name=name, version=version, type=ComponentType.LIBRARY, purl=PackageURL("swift", place, project, version)))
    version = next(CACHE.glob("plotly-*.whl")).name.split("-")[1]
    parts.append(Component(name="plotly.js, of plotly", version=version, type=ComponentType.LIBRARY, purl=PackageURL("pypi", None, "plotly", version)))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(make_outputter(Bom(components=parts), OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1))


def tree(stage, program):
    """What the wheel holds: Python/, and boltzmill/program."""
    shutil.copytree(ROOT / "Python", stage, ignore=shutil.ignore_patterns("__pycache__", "tests", "*.egg-info", "build"))
    home = stage / "boltzmill/program"
    (home / "bin").mkdir(parents=True)
    (home / "lib").mkdir()
    shutil.copy(program, home / "bin/pipeline")
    run("strip", "--strip-all", home / "bin/pipeline")
    xtb = (SYSTEM / "libxtb.so.6").resolve()
    shutil.copy(xtb, home / "lib/libxtb.so.6")
    (home / "lib/libxtb.version").write_text(xtb.name.split(".so.")[1] + "\n")
    shutil.copytree(ROOT / "pipelines", home / "pipelines")
    shutil.copytree(ROOT / "datasets", home / "datasets", ignore=shutil.ignore_patterns("__pycache__", *LEFT_OUT))
    (home / "Tools").mkdir()
    for name in ("prepare.py", "requirements.txt"):
        shutil.copy(ROOT / "Tools" / name, home / "Tools")
    plotly = "plotly/package_data/plotly.min.js"
    (home / ".deps" / plotly).parent.mkdir(parents=True)
    shutil.copy(DEPS / plotly, home / ".deps" / plotly)
    return home




def libraries():
    """The wheels whose libraries the program was linked with, as ./bootstrap pins and unpacked them."""
    found = {}
    for name, file in (("torch", "torch/version.py"), ("openmm", "openmm/version.py")):
        version = re.search(rf"^{name}==(\S+)", (ROOT / "bootstrap").read_text(), re.MULTILINE)[1]
        wheel = next(CACHE.glob(f"{name}-{version}-*.whl"))
        found[name] = {"version": version, "build": launcher.build(run("unzip", "-p", wheel, file))}
    return found


def declare(stage, built):
    """pyproject.toml of the wheel: the same as Python/'s, with the program's dependencies and its two commands."""
    file = stage / "pyproject.toml"
    text = file.read_text()
    pins = {name: {"version": re.search(rf"^{name}==(\S+)", (ROOT / "Tools/requirements.txt").read_text(), re.MULTILINE)[1]}
            for name in ("peptidebuilder", "biopython")}  # for system.peptide and `prepare`
    needs = "".join(f', "{name}=={each["version"]}"' for name, each in {**built, **pins}.items())
    text, count = re.subn(r'^(dependencies = \[.*)\]', rf"\1{needs}]", text, flags=re.MULTILINE)
    text, files = re.subn(r'package-data = \{ boltzmill = \["py.typed"\] \}',
                          'package-data = { boltzmill = ["py.typed", "program/**/*", "program/.deps/**/*"] }', text)
    if (count, files) != (1, 1):
        sys.exit("Python/pyproject.toml is not as pack_wheel.py expects it")
    text += '\n[project.scripts]\nboltzmill = "boltzmill.launcher:main"\npipeline = "boltzmill.launcher:main"\n'
    file.write_text(text)
    (stage / "setup.py").write_text(
        "import setuptools\n"
        "from setuptools.command.bdist_wheel import bdist_wheel\n\n\n"
        "class Program(setuptools.Distribution):\n    has_ext_modules = lambda self: True\n\n\n"
        "class Wheel(bdist_wheel):\n    get_tag = lambda self: ('py3', 'none', 'linux_x86_64')\n\n\n"
        "setuptools.setup(distclass=Program, cmdclass={'bdist_wheel': Wheel})\n")


def main(program, output):
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        stage = scratch / "stage"
        home = tree(stage, program)
        built = libraries()
        commit = run("git", "-C", ROOT, "rev-parse", "--short=7", "HEAD").strip()
        version = re.search(r"^VERSION = '(\S+)'", (stage / "boltzmill/records.py").read_text(), re.MULTILINE)[1]
        (home / "build.json").write_text(json.dumps({"version": version, "commit": commit, "libraries": built}, indent=1) + "\n")
        declare(stage, built)
        run("patchelf", "--force-rpath", "--set-rpath", RUN_PATH, home / "bin/pipeline")
        run("patchelf", "--force-rpath", "--set-rpath", "$ORIGIN", home / "lib/libxtb.so.6")
        users = [(SYSTEM / f"lib{name}.so").resolve() for name in ("netcdf", "hdf5_serial", "hdf5_serial_hl")]
        empty = stand_ins(scratch / "empty", users)
        run(PYTHON, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", scratch / "raw", stage)
        excluded = [word for name in FOREIGN for word in ("--exclude", name)]
        run(PYTHON, "-m", "auditwheel", "repair", "--plat", PLATFORM, *excluded, "--wheel-dir", scratch / "repaired",
            *(scratch / "raw").glob("*.whl"), env={**os.environ, "LD_LIBRARY_PATH": f"{empty}:{SWIFT / 'lib/swift/linux'}"})
        run(PYTHON, "-m", "wheel", "unpack", "--dest", scratch / "open", *(scratch / "repaired").glob("*.whl"))
        opened = next((scratch / "open").iterdir())
        complete(next(opened.glob("*.dist-info")), packages(program))
        said = run(PYTHON, "-m", "wheel", "pack", "--dest-dir", output, opened)
    wheel = output / re.search(r"boltzmill-\S+\.whl", said)[0]
    containers(wheel, version)
    print(f"{wheel}: {wheel.stat().st_size / 1e6:.1f} MB")


def containers(wheel, version):
    """Beside the wheel: what makes a container of it, for podman or docker and for Apptainer, and a module file for clusters."""
    lines = (ROOT / "Tools/wheel-packages.txt").read_text().splitlines()
    steps = ["apt-get update", "apt-get install -y --no-install-recommends " + " ".join(each for each in lines if not each.startswith("#")),
             "rm -rf /var/lib/apt/lists/*", "python3 -m venv /opt/boltzmill",
             f"/opt/boltzmill/bin/pip install --no-cache-dir /opt/{wheel.name}", f"rm /opt/{wheel.name}"]
    (wheel.parent / "Containerfile").write_text(
        f"# podman build -t boltzmill:{version} .        then: podman run --rm -v $PWD:/work -w /work boltzmill:{version} run alanine.yaml\n"
        f"FROM docker.io/library/debian:bookworm-slim\nCOPY {wheel.name} /opt/\nRUN " + " \\\n && ".join(steps)
        + '\nENV PATH=/opt/boltzmill/bin:$PATH\nENTRYPOINT ["boltzmill"]\n')
    (wheel.parent / "boltzmill.def").write_text(
        f"# apptainer build boltzmill-{version}.sif boltzmill.def        then: apptainer run boltzmill-{version}.sif run alanine.yaml\n"
        f"Bootstrap: docker\nFrom: debian:bookworm-slim\n\n%files\n    {wheel.name} /opt/\n\n%post\n    set -e\n    "
        + "\n    ".join(steps) + '\n\n%environment\n    export PATH=/opt/boltzmill/bin:$PATH\n\n%runscript\n    exec boltzmill "$@"\n')
    (wheel.parent / "boltzmill.module").write_text(
        "#%Module1.0\n# For a cluster: put it where `module` looks, as boltzmill/" + version + ", with the folder of the environment that has the wheel.\n"
        "module-whatis {boltzmill " + version + ": Boltzmann emulators and free energies}\nconflict boltzmill\nset folder /opt/boltzmill\n"
        "prepend-path PATH $folder/bin\n")


def complete(information, swift_packages):
    """Licences, and the second bill of materials, into the wheel's own folder of information."""
    sboms = information / "sboms"
    found = json.loads((sboms / "auditwheel.cdx.json").read_text())["components"]
    debian_packages = sorted({each["name"] for each in found if each["purl"].startswith("pkg:deb/")} | {*OWN_DEBIAN})
    names = licences(information / "licenses", debian_packages, swift_packages)
    metadata = information / "METADATA"
    head, mark, rest = metadata.read_text().partition("License-Expression: Apache-2.0\n")
    if not mark:
        sys.exit("the wheel's METADATA names no licence")
    metadata.write_text(head + mark + "".join(f"License-File: {name}\n" for name in names) + rest)
    materials(sboms / "boltzmill.cdx.json", swift_packages)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
