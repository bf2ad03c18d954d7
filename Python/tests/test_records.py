"""The classes of `boltzmill.records` against the program that they are made from."""
import json
import subprocess
import sys
import tomllib

import boltzmill
import pytest
from boltzmill import fields, records

from conftest import ROOT


def groups(kind):
    yield kind
    for member in vars(kind).values():
        inner = member.group if isinstance(member, fields.Below) else member
        if isinstance(inner, type) and issubclass(inner, fields.Group):
            yield from groups(inner)


def test_no_field_hides_what_all_groups_have(run):
    """A name that the package's own classes use cannot be that of a field."""
    own = {attribute for attribute in vars(run.stage("fresh")) if not attribute.startswith("_")}
    assert "provenance" in own
    count = 0
    for stage_type in set(records.STAGES.values()):
        for kind in groups(stage_type):
            (base,) = kind.__bases__
            names = {name for name in vars(kind) if not name.startswith("_")}
            assert not names & set(dir(base)), kind
            if base is boltzmill.Stage:
                assert not names & own, kind
            count += len(names)
    assert count > 300


def test_the_classes_are_those_of_the_program(program):
    """Make them anew as the head of records.py says"""
    said = subprocess.run([program, "schema", "--artifacts", "--json"], capture_output=True, text=True, check=True).stdout
    made = subprocess.run(
        [sys.executable, ROOT / "Tools/python_records.py"], input=said, capture_output=True, text=True, check=True).stdout
    assert made == (ROOT / "Python/boltzmill/records.py").read_text()
    # read back from the classes, they are what was declared
    for artifact in json.loads(said)["artifacts"]:
        for each in artifact["types"]:
            kind = records.STAGES[each["type"]]
            assert kind._versions[each["type"]] == (each["version"], *each["readable_versions"])
            found = {field.path: (field.unit, list(field.axes), field.meaning) for field in fields.declared(kind)}
            assert found == {field["path"]: (field["unit"], field["axes"], field["meaning"]) for field in artifact["fields"]}


def test_classes_have_the_groups_below_them():
    assert records.Sample.results is records.SampleResults
    assert records.Reweight.results.delta_f.unit == "kT" and records.Sample.log_density.axes == ("frame",)


def test_one_version(program):
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"boltzmill {boltzmill.__version__} (")
    project = tomllib.loads((ROOT / "Python/pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "boltzmill.records.VERSION"}


@pytest.fixture
def declarations():
    field = {"path": "results/from", "kind": "number", "type": "float64", "axes": [], "unit": "kT", "meaning": "m"}
    types = [{"type": "a-b", "version": 2, "readable_versions": [1]}]
    return {"version": "1.2.3", "artifacts": [{"types": types, "fields": [field]}]}


def generate(declarations):
    return subprocess.run(
        [sys.executable, ROOT / "Tools/python_records.py"], input=json.dumps(declarations), capture_output=True, text=True,
        check=False)


def test_the_generator_writes_names_that_python_takes(declarations):
    made = generate(declarations).stdout
    assert "class ABResults(Group):\n    from_ = Field('results/from', 'm', float, unit='kT')\n" in made
    assert "_versions = {'a-b': (2, 1)}" in made and "VERSION = '1.2.3'" in made


@pytest.mark.parametrize("path, reason", [
    ("results/1st", "'1st' is no name in Python"), ("results/a b", "'a b' is no name"), ("results/_file", "'_file' is no name"),
    ("results/from_", "results/from_ and another field"), ("Results/x", "two classes 'ABResults'")])
def test_the_generator_refuses_names_that_python_cannot_tell_apart(declarations, path, reason):
    first = declarations["artifacts"][0]["fields"]
    first.append({**first[0], "path": path})
    refused = generate(declarations)
    assert refused.returncode != 0 and reason in refused.stderr and "Traceback" not in refused.stderr


def test_the_generator_refuses_types_of_one_name(declarations):
    other = json.loads(json.dumps(declarations["artifacts"][0]).replace("a-b", "a_b"))
    declarations["artifacts"].append(other)
    assert "two classes 'AB" in generate(declarations).stderr
    declarations["artifacts"] = [json.loads(json.dumps(other).replace("a_b", "stage"))]
    assert "two classes 'Stage'" in generate(declarations).stderr


def test_the_generator_refuses_one_path_for_two_things(declarations):
    first = declarations["artifacts"][0]["fields"]
    first.append({**first[0], "meaning": "another"})
    refused = generate(declarations)
    assert refused.returncode != 0 and "results/from is declared twice" in refused.stderr
