"""Makes odd_pdb.json: PDB texts that depart from the format, and the atoms that MDTraj and OpenMM read in them.

Needs mdtraj and openmm: python make_odd_pdb.py
"""

import io
import json
import os
import tempfile
import warnings

import mdtraj
from openmm import app, unit

warnings.simplefilter("ignore")
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "molecules", "alanine.pdb")) as file:
    plain = [line.rstrip("\n") for line in file if line.startswith(("ATOM", "HETATM"))]


def atom(serial, name, residue, number, xyz, alt=" ", element="", chain="A", raw=False, occupancy=1.0):
    shown = name.ljust(4) if raw or len(name) == 4 else (" " + name).ljust(4)
    return "ATOM  %5s %s%s%-4s%s%4s    %8.3f%8.3f%8.3f%6.2f%6.2f          %2s" % (
        serial, shown, alt, residue, chain, number, *xyz, occupancy, 0.0, element)


def changed(line, start, text):
    return line[:start] + text + line[start + len(text):]


texts = {}
texts["crlf"] = "\r\n".join(plain + ["END", ""])
texts["left-justified, no elements"] = "\n".join(
    [changed(line, 12, line[12:16].strip().ljust(4))[:66] for line in plain] + ["END", ""])
texts["cut behind the coordinates"] = "\n".join([line[:54].rstrip() for line in plain] + ["END", ""])
texts["serials of stars"] = "\n".join([changed(line, 6, "*****") for line in plain] + ["END", ""])
texts["serials that repeat"] = "\n".join([changed(line, 6, "%5d" % (1 + k % 7)) for k, line in enumerate(plain)] + ["END", ""])
texts["serials in hexadecimal"] = "\n".join([changed(line, 6, "%5x" % (100000 + k)) for k, line in enumerate(plain)] + ["END", ""])
texts["serials in hybrid-36"] = "\n".join([changed(line, 6, "A%04d" % k) for k, line in enumerate(plain)] + ["END", ""])
texts["water of four letters"] = "\n".join(
    [atom(1, "OH2", "TIP3", 1, (0, 0, 0)), atom(2, "H1", "TIP3", 1, (0.957, 0, 0)), atom(3, "H2", "TIP3", 1, (-0.24, 0.927, 0)), "END", ""])
texts["ions"] = "\n".join(
    [atom(1, "CA", "CA", 1, (0, 0, 0), raw=True), atom(2, "CL", "CL", 2, (5, 0, 0), raw=True), atom(3, "NA", "NA", 3, (9, 0, 0), raw=True), "END", ""])

# serine at two locations, of which the second comes first in one of the atoms
serine = [
    ("N", (0.0, 0.0, 0.0), " "), ("CA", (1.45, 0.0, 0.0), " "), ("C", (2.0, 1.42, 0.0), " "), ("O", (1.25, 2.39, 0.0), " "),
    ("CB", (1.98, -0.77, -1.2), "A"), ("CB", (1.98, -0.71, 1.25), "B"), ("OG", (3.4, -0.77, -1.2), "A"), ("OG", (3.4, -0.70, 1.25), "B"),
]
texts["alternate locations"] = "\n".join(
    [atom(k + 1, n, "SER", 1, x, alt=a, element=n[0]) for k, (n, x, a) in enumerate(serine)] + ["END", ""])
# proline or serine in one place
both = [
    ("N", "PRO", "A", (0.0, 0.0, 0.0)), ("CA", "PRO", "A", (1.45, 0.0, 0.0)), ("C", "PRO", "A", (2.0, 1.42, 0.0)),
    ("O", "PRO", "A", (1.25, 2.39, 0.0)), ("CB", "PRO", "A", (1.8, -0.8, -1.2)), ("CG", "PRO", "A", (0.5, -1.5, -1.5)),
    ("CD", "PRO", "A", (-0.5, -1.0, -0.6)),
    ("N", "SER", "B", (0.1, 0.0, 0.0)), ("CA", "SER", "B", (1.55, 0.0, 0.0)), ("C", "SER", "B", (2.1, 1.42, 0.0)),
    ("O", "SER", "B", (1.35, 2.39, 0.0)), ("CB", "SER", "B", (2.0, -0.7, 1.2)), ("OG", "SER", "B", (3.4, -0.7, 1.2)),
]
texts["two residues in one place"] = "\n".join(
    [atom(k + 1, n, r, 1, x, alt=a, element=n[0], occupancy=0.5) for k, (n, r, a, x) in enumerate(both)] + ["END", ""])
texts["residue numbers of stars"] = "\n".join(
    line for k in range(3) for line in [
        atom(3 * k + 1, "O", "HOH", "****", (5.0 * k, 0, 0), element="O"), atom(3 * k + 2, "H1", "HOH", "****", (5.0 * k + 0.957, 0, 0), element="H"),
        atom(3 * k + 3, "H2", "HOH", "****", (5.0 * k - 0.24, 0.927, 0), element="H")]) + "\nEND\n"


def by_mdtraj(text):
    with tempfile.NamedTemporaryFile("w", suffix=".pdb", newline="", delete=False) as file:
        file.write(text)
    frame = mdtraj.load(file.name, standard_names=False)
    os.unlink(file.name)
    return {
        "names": [a.name for a in frame.topology.atoms], "elements": [a.element.symbol for a in frame.topology.atoms],
        "residues": [a.residue.index for a in frame.topology.atoms], "resnames": [r.name for r in frame.topology.residues],
        "xyz": [round(float(v), 4) for v in frame.xyz[0].ravel()]}


def by_openmm(text):
    read = app.PDBFile(io.StringIO(text, newline=None))
    atoms = list(read.topology.atoms())
    return {
        "names": [a.name for a in atoms], "elements": [a.element.symbol for a in atoms],
        "residues": [a.residue.index for a in atoms], "resnames": [r.name for r in read.topology.residues()],
        "xyz": [round(v, 4) for p in read.positions.value_in_unit(unit.nanometer) for v in p]}


cases = []
for name, text in texts.items():
    case = {"name": name, "text": text}
    for program, read in (("MDTraj", by_mdtraj), ("OpenMM", by_openmm)):
        try:
            case[program] = read(text)
        except Exception as error:
            print(name, program, "does not read it:", type(error).__name__, str(error)[:80])
    cases.append(case)
with open(os.path.join(here, "odd_pdb.json"), "w") as file:
    json.dump(cases, file, indent=0)
