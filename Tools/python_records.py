#!/usr/bin/env python3
"""Writes Python/boltzmill/records.py, the fields of all artifacts as Python classes, from what the program declares.

usage: pipeline schema --artifacts --json | Tools/python_records.py > new && mv new Python/boltzmill/records.py
"""
import json
import keyword
import re
import sys

NAME = "NAME"  # in a path, stands for a name of the run's own
HEAD = '''"""The fields of all artifacts, by stage type. Made from the program's declarations, not to be edited:
pipeline schema --artifacts --json | Tools/python_records.py > new && mv new Python/boltzmill/records.py
"""
import numpy as np
from numpy.typing import NDArray

from .artifact import Stage
from .fields import Below, Family, Field, Group, array, text, texts

VERSION = {version!r}
'''


def camel(text):
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", text))


def attribute(name, path):
    if not name.isidentifier() or name.startswith("_"):
        sys.exit(f"{path}: '{name}' is no name in Python that a field can have; call it otherwise")
    return name + "_" if keyword.iskeyword(name) else name


def new(name, taken):
    """A class's name, if nothing has it yet."""
    if name in taken or not name.isidentifier():
        sys.exit(f"there would be two classes '{name}', or it is no name in Python; call a stage type or a group otherwise")
    taken.add(name)
    return name


def annotation(field):
    """The type of its value in Python."""
    return {"numbers": f"NDArray[np.{field['type']}]", "texts": "list[str]", "text": "str", "attribute": "str"}.get(
        field["kind"], "int" if "int" in field["type"] else "float")


def declaration(field):
    """How a field is declared in Python."""
    convert = {"numbers": f"array(np.{field['type']})", "texts": "texts", "text": "text", "attribute": "text"}.get(
        field["kind"], annotation(field))
    words = [repr(field["path"]), repr(field["meaning"]), convert]
    words += [f"unit={field['unit']!r}"] if field["unit"] else []
    words += [f"axes={tuple(field['axes'])!r}"] if field["axes"] else []
    return f"Field({', '.join(words)})"


def tree(fields):
    """Fields by the parts of their paths, and those that are attributes in the file."""
    root, attributes = {}, []
    for field in fields:
        if field["kind"] == "attribute":
            attributes.append(field)
            continue
        *groups, last = field["path"].split("/")
        node = root
        for group in groups:
            node = node.setdefault(group, {})
        if node.setdefault(last, field) != field:
            sys.exit(f"{field['path']} is declared twice, as different things")
    return root, attributes


def is_field(member):
    return isinstance(member.get("path"), str)


def write(lines, taken, name, base, path, members, attributes=(), versions=None):
    """The class of a group, after those of the groups below it."""
    below, written_names = {}, set()
    for key, member in members.items():
        if not is_field(member):
            below[key] = new(name + camel(key), taken)
            place = f"{path}/{key}" if path else key
            family = member.get(NAME)
            inner = "Group" if family is None else f"Family[{annotation(family) if is_field(family) else below[key] + camel(NAME)}]"
            write(lines, taken, below[key], inner, place, member)
    lines += ["", "", f"class {name}({base}):"]
    body = [f"    _versions = {versions!r}"] if versions else []
    if attributes:
        body += ["    _attributes = ("] + [f"        {declaration(each)}," for each in attributes] + ["    )"]
    if NAME in members:
        body.append(f"    _family = {f'{path}/{NAME}' + ('' if is_field(members[NAME]) else '/')!r}")
    for key, member in members.items():
        place = f"{path}/{key}" if path else key
        called = "_member" if key == NAME else attribute(key, place)
        if called in written_names:
            sys.exit(f"{place} and another field would both be '{called}' in Python; call one otherwise")
        written_names.add(called)
        written = declaration(member) if is_field(member) else below[key] if key == NAME else f"Below({below[key]})"
        body.append(f"    {called} = {written}")
    lines += body


def main():
    declared = json.load(sys.stdin)
    head = HEAD.format(version=declared["version"])
    lines, names, taken = head.rstrip("\n").split("\n"), {}, set(re.findall(r"\w+", head))
    for artifact in declared["artifacts"]:
        types = {each["type"]: (each["version"], *each["readable_versions"]) for each in artifact["types"]}
        name = new(camel(next(iter(types))), taken)
        write(lines, taken, name, "Stage", "", *tree(artifact["fields"]), versions=types)
        names |= dict.fromkeys(types, name)
    lines += ["", "", "STAGES: dict[str, type[Stage]] = {"]
    lines += [f"    {stage_type!r}: {name}," for stage_type, name in names.items()] + ["}"]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
