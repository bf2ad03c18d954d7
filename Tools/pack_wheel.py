#!/usr/bin/env python3
"""Packs the release program, the Python package and what both need into a wheel. Tools/wheel calls it.

usage: pack_wheel.py PROGRAM OUTPUT
What Debian's libraries need of the network (HDF5 and NetCDF can read from servers, which the program never asks them to) is replaced by
empty stand-ins: OpenSSL, Kerberos, ICU and what else they need stay out.
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
INSTALLED = (DEPS / "torch").resolve().parent  # what ./bootstrap unpacked of the wheels from PyPI
PYTHON = sys.executable
LICENSES = ("Apache-2.0 AND BSD-3-Clause AND MIT AND BSL-1.0 AND Unicode-3.0 AND Zlib AND LGPL-3.0-or-later AND LGPL-2.1-or-later"
            " AND GPL-3.0-or-later WITH GCC-exception-3.1")
# Beside what auditwheel finds: xtb is loaded at run time; of LEMON the headers are in the program. The last three are for their licences alone: ICU is
# in Swift's Foundation, libyaml in Yams, BoringSSL in swift-crypto, each as a copy of its source.
OWN_DEBIAN, LIKE_DEBIAN = ["libxtb6", "liblemon-dev"], ["libicu72", "libyaml-0-2", "android-libboringssl"]
PLATFORM = "manylinux_2_36_x86_64"
LEFT_OUT = ["dipeptides-published", "propanol", "rings", "*.py"]  # of datasets/: what few examples want, and what made the rest
# by soname: they are for reading from servers
NETWORK = ["libcurl.so.4", "libcurl-gnutls.so.4", "libcrypto.so.3", "libssl.so.3", "libxml2.so.2"]
# taken from the wheels that this one depends on
FOREIGN = ["libtorch_cpu.so", "libtorch.so", "libc10.so", "libOpenMM.so"]
RUN_PATH = ":".join("$ORIGIN/" + each for each in (
    "../../../OpenMM.libs/lib", "../../../torch/lib", "../../../nvidia/cu13/lib", "../lib"))


def run(*words, **options):
    """What a command prints; the end of this program, with all that it said, where it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(str(word) for word in words)}\n{done.stdout}{done.stderr}")
    return done.stdout


SWIFT = pathlib.Path(json.loads(run("swift", "-print-target-info"))["paths"]["runtimeResourcePath"])  # usr/lib/swift


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
    for package in [*debian_packages, *LIKE_DEBIAN]:
        shutil.copy(f"/usr/share/doc/{package}/copyright", folder / f"{package}.txt")
    named = set(re.findall(r"/usr/share/common-licenses/([A-Za-z]+[-0-9.]*[0-9])", "".join(each.read_text() for each in folder.iterdir())))
    for name in sorted(named):  # which Debian's files only name
        shutil.copy(f"/usr/share/common-licenses/{name}", folder / f"{name}.txt")
    sources = "".join(f"{name} {version(name)}: source package {run('dpkg-query', '-W', '-f', '${source:Package} ${source:Version}', name)}\n"
                      for name in debian_packages)
    (folder / "SOURCES.txt").write_text(
        "Shared libraries in this wheel, as Debian 12 built them. Their sources: https://sources.debian.org and https://snapshot.debian.org.\n" + sources)
    shutil.copy(SWIFT.parents[1] / "share/swift/LICENSE.txt", folder / "swift.txt")
    for name, _, checkout, _ in swift_packages:
        found = [each for each in sorted(checkout.iterdir()) if each.name.upper().startswith(("LICENSE", "NOTICE"))]
        if not found:
            sys.exit(f"{checkout} has no licence")
        for file in found:
            shutil.copy(file, folder / f"{name}-{file.stem}.txt")
    script = (INSTALLED / "plotly/package_data/plotly.min.js").read_text()
    (folder / "plotly.js.txt").write_text(script[:script.index("*/") + 2] + "\n\n" + next(INSTALLED.glob("plotly-*/licenses/LICENSE*")).read_text())
    shutil.copy(next(INSTALLED.glob("torch-*/licenses/LICENSE")), folder / "torch-headers.txt")
    (folder / "openmm-headers.txt").write_text("OpenMM's headers are under the MIT licence; its package says:\n\n" + next(INSTALLED.glob("openmm-*/METADATA")).read_text())
    return sorted(each.name for each in folder.iterdir())


def version(package):
    """Of an installed package of Debian."""
    return run("dpkg-query", "-W", "-f", "${Version}", package)


def materials(file, swift_packages):
    """A bill of materials (CycloneDX) of what auditwheel, which lists the shared libraries it puts in, does not know."""
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion
    from packageurl import PackageURL

    def debian(name):
        return Component(name=name, version=version(name), type=ComponentType.LIBRARY, purl=PackageURL("deb", "debian", name, version(name)))

    swift = re.search(r"Swift version (\S+)", run("swift", "--version"))[1]
    parts = [debian(name) for name in OWN_DEBIAN] + [Component(name="swift", version=swift, type=ComponentType.LIBRARY)]
    parts += [Component(name=name, type=ComponentType.LIBRARY, description=where) for name, where in (
        ("ICU", "a copy in Swift's Foundation"), ("libyaml", "a copy in Yams"), ("BoringSSL", "a copy in swift-crypto"))]
    for name, tag, _, location in swift_packages:
        place, _, project = location.removeprefix("https://").removesuffix(".git").rpartition("/")
        parts.append(Component(name=name, version=tag, type=ComponentType.LIBRARY, purl=PackageURL("swift", place, project, tag)))
    plotly = next(INSTALLED.glob("plotly-*.dist-info")).name.removesuffix(".dist-info").split("-")[1]
    parts.append(Component(name="plotly.js, of plotly", version=plotly, type=ComponentType.LIBRARY, purl=PackageURL("pypi", None, "plotly", plotly)))
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
        found[name] = {"version": version, "build": launcher.build((INSTALLED / file).read_text())}
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
        if run("git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no"):
            commit += "+changes"
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
            *(scratch / "raw").glob("*.whl"), env={**os.environ, "LD_LIBRARY_PATH": f"{empty}:{SWIFT / 'linux'}"})
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
    metadata.write_text(head + f"License-Expression: {LICENSES}\n" + "".join(f"License-File: {name}\n" for name in names) + rest)
    materials(sboms / "boltzmill.cdx.json", swift_packages)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
