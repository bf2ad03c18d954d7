"""Writes an OpenMM System of an AMBER force field as an AMBER parameter-topology file (prmtop).

For one molecule without box, constraints or CMAP: harmonic bonds and angles, periodic torsions, a NonbondedForce whose exceptions
are exclusions and 1-4 pairs scaled by 1/1.2 and 1/2, and a GBSAOBCForce for radii and screening factors (optional).
Format: ambermd.org/FileFormats.php. Real numbers have nine digits, so energies differ in the third decimal of a kJ/mol.
"""
import itertools

import openmm
from openmm import app, unit

KCAL = 4.184  # kJ
CHARGE = 18.2223  # AMBER's unit of charge in e
SCEE, SCNB = 1.2, 2.0


def section(name, kind, values):
    per_line, width, text = {
        "a": (20, 4, lambda v: f"{v:<4.4s}"),
        "i": (10, 8, lambda v: f"{v:8d}"),
        "e": (5, 16, lambda v: f"{v:16.8E}"),
    }[kind]
    form = {"a": "20a4", "i": "10I8", "e": "5E16.8"}[kind]
    lines = [f"%FLAG {name}".ljust(80), f"%FORMAT({form})".ljust(80)]
    for start in range(0, max(1, len(values)), per_line):
        lines.append("".join(text(v) for v in values[start : start + per_line]))
    return lines


class Table:
    """Distinct parameters, in the order they come up; numbers count from 1."""

    def __init__(self):
        self.rows = []

    def number(self, *row):
        row = tuple(round(value, 10) for value in row)
        if row not in self.rows:
            self.rows.append(row)
        return self.rows.index(row) + 1

    def column(self, index):
        return [row[index] for row in self.rows]


def plain(value, *units):
    return value.value_in_unit(units[0]) if unit.is_quantity(value) else value


def write_prmtop(path, topology, system, title="boltzmill"):
    forces = {type(force): force for force in system.getForces()}
    nonbonded = forces[openmm.NonbondedForce]
    atoms = list(topology.atoms())
    count = len(atoms)
    is_hydrogen = [atom.element is app.element.hydrogen for atom in atoms]
    per_kcal, per_angstrom = unit.kilocalorie_per_mole, unit.angstrom

    bonds, bond_types = {True: [], False: []}, Table()
    bonded = set()
    force = forces[openmm.HarmonicBondForce]
    for a, b, length, k in (force.getBondParameters(i) for i in range(force.getNumBonds())):
        bonded |= {(a, b), (b, a)}
        kind = bond_types.number(plain(k, per_kcal / per_angstrom**2) / 2, plain(length, per_angstrom))
        bonds[is_hydrogen[a] or is_hydrogen[b]] += [3 * a, 3 * b, kind]

    angles, angle_types = {True: [], False: []}, Table()
    force = forces[openmm.HarmonicAngleForce]
    near = set(bonded)
    for a, b, c, theta, k in (force.getAngleParameters(i) for i in range(force.getNumAngles())):
        near |= {(a, c), (c, a)}
        kind = angle_types.number(plain(k, per_kcal / unit.radian**2) / 2, plain(theta, unit.radian))
        angles[any(is_hydrogen[i] for i in (a, b, c))] += [3 * a, 3 * b, 3 * c, kind]

    # Pairs: those not within two bonds whose exception has an interaction are 1-4; the first torsion of each counts it.
    exceptions = [nonbonded.getExceptionParameters(i) for i in range(nonbonded.getNumExceptions())]
    excluded = {(min(a, b), max(a, b)) for a, b, *_ in exceptions}
    open_pairs = {(min(a, b), max(a, b)) for a, b, *_ in exceptions if (a, b) not in near}
    torsions, torsion_types = {True: [], False: []}, Table()

    def add_torsion(a, b, c, d, period, phase, k):
        nonlocal open_pairs
        is_chain = {(a, b), (b, c), (c, d)} <= bonded
        if c == 0 or d == 0:  # the sign of the third and fourth index means something, and zero has none
            a, b, c, d = d, c, b, a
        pair = (min(a, d), max(a, d))
        counts = is_chain and pair in open_pairs
        open_pairs -= {pair} if counts else set()
        kind = torsion_types.number(plain(k, per_kcal), period, plain(phase, unit.radian))
        row = [3 * a, 3 * b, 3 * c if counts else -3 * c, 3 * d if is_chain else -3 * d, kind]
        torsions[any(is_hydrogen[i] for i in (a, b, c, d))] += row

    force = forces[openmm.PeriodicTorsionForce]
    for i in range(force.getNumTorsions()):
        add_torsion(*force.getTorsionParameters(i))
    # a System leaves torsions without force constant out; the 1-4 pairs at their ends are counted all the same
    for a, d in sorted(open_pairs):
        b, c = next((b, c) for a_, b in sorted(bonded) if a_ == a for b_, c in sorted(bonded) if b_ == b and (c, d) in bonded)
        add_torsion(a, b, c, d, 1, 0.0, 0.0)

    particles = [nonbonded.getParticleParameters(i) for i in range(count)]
    lj_types = Table()
    types = [lj_types.number(plain(s, per_angstrom), plain(e, per_kcal)) for _, s, e in particles]
    number = len(lj_types.rows)
    a_values, b_values, index = [], [], [[0] * number for _ in range(number)]
    for i, j in ((i, j) for i in range(number) for j in range(i + 1)):
        (s1, e1), (s2, e2) = lj_types.rows[i], lj_types.rows[j]
        six = ((s1 + s2) / 2) ** 6
        a_values.append(4 * (e1 * e2) ** 0.5 * six * six)
        b_values.append(4 * (e1 * e2) ** 0.5 * six)
        index[i][j] = index[j][i] = len(a_values)
    exclusions = [sorted(b + 1 for a, b in excluded if a == i) or [0] for i in range(count)]
    residues = list(topology.residues())
    starts = [next(residue.atoms()).index + 1 for residue in residues]
    sizes = [len(list(residue.atoms())) for residue in residues]

    pointers = [0] * 31
    pointers[:20] = [
        count, number, len(bonds[True]) // 3, len(bonds[False]) // 3, len(angles[True]) // 4, len(angles[False]) // 4,
        len(torsions[True]) // 5, len(torsions[False]) // 5, 0, 0, sum(map(len, exclusions)), len(residues),
        len(bonds[False]) // 3, len(angles[False]) // 4, len(torsions[False]) // 5, len(bond_types.rows),
        len(angle_types.rows), len(torsion_types.rows), number, 0,
    ]
    pointers[28] = max(sizes)
    many = len(torsion_types.rows)
    # no date: equal input gives an equal file
    lines = ["%VERSION  VERSION_STAMP = V0001.000  DATE = 01/01/00  00:00:00".ljust(80)]
    lines += [*section("TITLE", "a", [])[:2], title]
    for name, kind, values in (
        ("POINTERS", "i", pointers),
        ("ATOM_NAME", "a", [atom.name for atom in atoms]),
        ("CHARGE", "e", [plain(q, unit.elementary_charge) * CHARGE for q, *_ in particles]),
        ("ATOMIC_NUMBER", "i", [atom.element.atomic_number for atom in atoms]),
        ("MASS", "e", [plain(system.getParticleMass(i), unit.dalton) for i in range(count)]),
        ("ATOM_TYPE_INDEX", "i", types),
        ("NUMBER_EXCLUDED_ATOMS", "i", [len(row) for row in exclusions]),
        ("NONBONDED_PARM_INDEX", "i", list(itertools.chain(*index))),
        ("RESIDUE_LABEL", "a", [residue.name for residue in residues]),
        ("RESIDUE_POINTER", "i", starts),
        ("BOND_FORCE_CONSTANT", "e", bond_types.column(0)),
        ("BOND_EQUIL_VALUE", "e", bond_types.column(1)),
        ("ANGLE_FORCE_CONSTANT", "e", angle_types.column(0)),
        ("ANGLE_EQUIL_VALUE", "e", angle_types.column(1)),
        ("DIHEDRAL_FORCE_CONSTANT", "e", torsion_types.column(0)),
        ("DIHEDRAL_PERIODICITY", "e", torsion_types.column(1)),
        ("DIHEDRAL_PHASE", "e", torsion_types.column(2)),
        ("SCEE_SCALE_FACTOR", "e", [SCEE] * many),
        ("SCNB_SCALE_FACTOR", "e", [SCNB] * many),
        ("SOLTY", "e", [0.0] * number),
        ("LENNARD_JONES_ACOEF", "e", a_values),
        ("LENNARD_JONES_BCOEF", "e", b_values),
        ("BONDS_INC_HYDROGEN", "i", bonds[True]),
        ("BONDS_WITHOUT_HYDROGEN", "i", bonds[False]),
        ("ANGLES_INC_HYDROGEN", "i", angles[True]),
        ("ANGLES_WITHOUT_HYDROGEN", "i", angles[False]),
        ("DIHEDRALS_INC_HYDROGEN", "i", torsions[True]),
        ("DIHEDRALS_WITHOUT_HYDROGEN", "i", torsions[False]),
        ("EXCLUDED_ATOMS_LIST", "i", list(itertools.chain(*exclusions))),
        ("HBOND_ACOEF", "e", []),
        ("HBOND_BCOEF", "e", []),
        ("HBCUT", "e", []),
        ("AMBER_ATOM_TYPE", "a", [f"T{kind}" for kind in types]),
        ("TREE_CHAIN_CLASSIFICATION", "a", ["BLA"] * count),
        ("JOIN_ARRAY", "i", [0] * count),
        ("IROTAT", "i", [0] * count),
    ):
        lines += section(name, kind, values)
    if openmm.GBSAOBCForce in forces:
        born = [forces[openmm.GBSAOBCForce].getParticleParameters(i) for i in range(count)]
        lines += section("RADIUS_SET", "a", [])[:2] + ["radii of the System's GBSAOBCForce"]
        lines += section("RADII", "e", [plain(radius, per_angstrom) for _, radius, _ in born])
        lines += section("SCREEN", "e", [plain(screen, unit.dimensionless) for _, _, screen in born])
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(line.rstrip() for line in lines) + "\n")
