"""One finished stage: its fields, and what is made of several of them."""
import difflib
import json
import pathlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from . import seal
from .errors import DamagedArtifact, MissingField, OtherFormat, StaleInput, UnknownField
from .fields import NAME, Field, Group, declared, text

if TYPE_CHECKING:
    import mdtraj

    from .runs import Run


class FreeEnergy(NamedTuple):
    """-ln(P(first) / P(second)) in kT, positive where the first state is the rarer one; nan where it is not known."""

    value: float
    standard_error: float
    interval: tuple[float, float]  # 95 %


class StoredField:
    """A field as it stands in an artifact: what is declared of it, and its values, whole (`value`) or in part (`field[:100]`)."""

    def __init__(self, stage: "Stage", field: Field[Any], path: str) -> None:
        self._stage, self._field = stage, field
        self.path, self.unit, self.axes, self.meaning = path, field.unit, field.axes, field.meaning

    @property
    def value(self) -> Any:
        return self._field.convert(self._stage.read(self.path))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(getattr(self._stage.stored(self.path), "shape", ()))

    def __getitem__(self, part: Any) -> Any:
        return self._field.convert(self._stage.read(self.path, part))

    def __repr__(self) -> str:
        return f"{self.path} {list(self.shape)}{f' in {self.unit}' if self.unit else ''}: {self.meaning}"


class Stage(Group):
    """The artifact of a stage. Its attributes are the fields that are declared for the stage's type."""

    _versions: ClassVar[Mapping[str, tuple[int, ...]]] = {}  # by type: the present one, and those that still stand

    def __init__(self, path: pathlib.Path, file: h5py.File, provenance: dict[str, Any], run: "Run") -> None:
        super().__init__(self)
        self.path, self._file, self._run, self.close = path, file, run, file.close
        self.provenance = provenance  # what it was made from, by what, and when
        self.name, self.type = str(provenance["stage"]), str(provenance["stageType"])
        self._declared = {field.path: field for field in declared(type(self))}

    def __repr__(self) -> str:
        return f"<{self.type} {self.path}>"

    # What is in the file

    def _found(self, path: str) -> Any:
        owner, _, attribute = path.partition("@")
        found = self._file.get(owner or "/")
        return found.attrs.get(attribute) if attribute and found is not None else found

    def stored(self, path: str) -> Any:
        """The dataset of h5py at a path, or the value of an attribute `PATH@NAME`."""
        if (found := self._found(path)) is None:
            raise MissingField(f"{self.path} does without {path}, as the run has nothing to say of it; fields() has what is there")
        return found

    def __contains__(self, path: str) -> bool:
        return self._found(path) is not None

    def read(self, path: str, part: Any = ()) -> Any:
        found = self.stored(path)
        try:
            return found[part] if isinstance(found, h5py.Dataset) else found
        except OSError as error:
            raise DamagedArtifact(f"{self.path}: {path} cannot be read: {error}; run the pipeline again") from error

    def names(self, family: str) -> list[str]:
        """What stands in the place of NAME in a path: of datasets, or of groups with such a member."""
        group, _, member = family.partition("@")[0].partition(NAME)
        below: list[str] = []
        if group in self._file:
            self._file[group].visit(below.append)
        names = [name for name in below if isinstance(self._file[group + name], h5py.Dataset) and group + name not in self._declared]
        return list(dict.fromkeys(name.partition("/")[0] for name in names if "/" in name)) if member else names

    # Fields by their paths

    def fields(self) -> list[StoredField]:
        """All that are there."""
        every = [
            StoredField(self, field, field.path.replace(NAME, name))
            for field in self._declared.values() for name in (self.names(field.path) if NAME in field.path else [""])
        ]
        return [each for each in every if each.path in self]

    def field(self, path: str) -> StoredField:
        """The field at a path of the file: "coordinates", "results/torsions/phi", "log_density@method"."""
        found = {each.path: each for each in self.fields()}
        if path in found:
            return found[path]
        if path in self._declared:
            self.stored(path)  # raises
        near = difflib.get_close_matches(path, found)
        raise UnknownField(
            f"{self.path}: stages of type {self.type} have no field '{path}'; "
            + (f"did you mean {' or '.join(near)}?" if near else "fields() has what is there"))

    # Several fields together

    def columns(self, axis: str = "") -> dict[str, Any]:
        """The fields along an axis, by their paths without "results/", as columns of one length. Left out, the axis is "frame", or
        the only one there is. Intervals are two columns."""
        found = [each for each in self.fields() if len(each.axes) == 1 or each.axes[1:] == ("end",)]
        axes = list(dict.fromkeys(each.axes[0] for each in found))
        axis = axis or ("frame" if "frame" in axes else axes[0] if len(axes) == 1 else "")
        if axis not in axes:
            raise UnknownField(f"{self.path} has no table along '{axis}'; name an axis: {', '.join(axes) or 'there is none'}")
        columns: dict[str, Any] = {}
        for each in (each for each in found if each.axes[0] == axis):
            name, value = each.path.removeprefix("results/"), each.value
            columns |= {name: value} if len(each.axes) == 1 else {f"{name}/low": value[:, 0], f"{name}/high": value[:, 1]}
        return columns

    def table(self, axis: str = "") -> Any:
        """`columns` as a DataFrame of pandas, where that is installed, else as they are."""
        try:
            import pandas
        except ImportError:
            return self.columns(axis)
        return pandas.DataFrame(self.columns(axis))

    def weights(self) -> NDArray[np.float64]:
        """The normalised weight of each sample, in the order of `trajectory()`; their sum is 1."""
        return np.asarray(np.exp(self.field("log_weights").value), np.float64)

    def free_energies(self) -> dict[tuple[str, str], FreeEnergy]:
        """By pair of states; with the short form `state` of a pipeline file, of ("state", "elsewhere")."""
        pairs, paths = [("state", "elsewhere")], [f"results/delta_f{part}" for part in ("", "_standard_error", "_interval")]
        if "results/pairs/delta_f" in self:
            pairs = list(zip(self.field("results/pairs/from").value, self.field("results/pairs/to").value, strict=True))
            paths = [f"results/pairs/{part}" for part in ("delta_f", "standard_error", "interval")]
        if np.size(self.field(paths[0]).value) != len(pairs):
            raise UnknownField(f"{self.path}: {paths[0]} is of several stages; ask these, or table()")
        rows = [np.reshape(self.field(path).value if path in self else [np.nan] * (2 * len(pairs)), (len(pairs), -1)) for path in paths]
        return {
            pair: FreeEnergy(float(value[0]), float(error[0]), (float(ends[0]), float(ends[1])))
            for pair, value, error, ends in zip(pairs, *rows, strict=True)
        }

    def trajectory(self, **options: Any) -> "mdtraj.Trajectory":
        """The frames as MDTraj's: of a stage that weights samples, these, in the order of the weights. `options` are those of
        `mdtraj.load_hdf5`: stride, frame, atom_indices."""
        if "coordinates" in self:
            import mdtraj

            return mdtraj.load_hdf5(str(self.path), **options)
        inputs = json.loads(self.provenance["canonical"])["inputs"].get("samples", [])
        if len(inputs) != 1:
            raise MissingField(f"{self.path} holds no frames; stages of types simulate, ingest, sample and explore do")
        source: Stage = self._run.stage(inputs[0]["stage"])
        if source.provenance["contentDigest"] != inputs[0]["content"]:
            raise StaleInput(f"{source.path} was made again after '{self.name}', which is of older samples; run the pipeline again")
        return source.trajectory(**options)


def opened(path: pathlib.Path, run: "Run", kinds: Mapping[str, type[Stage]], every_byte: bool) -> Stage:
    """The artifact at a path, after its seal, its record and its version have been looked at."""
    seal.check(path, every_byte)
    try:
        with h5py.File(path, "r") as file:
            provenance = json.loads(text(file["provenance/record"][()]))
        stage_type, version = str(provenance["stageType"]), int(provenance["stageVersion"])
    except (OSError, KeyError, ValueError) as error:
        raise DamagedArtifact(f"{path}: its seal is sound, but it cannot be read: {error}; run the stage again with --force") from error
    kind = kinds.get(stage_type, Stage)
    known = kind._versions.get(stage_type, ())
    if version not in known:
        reads = f"version {' and '.join(map(str, known))}" if known else "no such type"
        does = "install the package of the newer program" if version > max(known, default=0) else "run the pipeline again"
        raise OtherFormat(f"{path}: written by version {version} of '{stage_type}'; this package reads {reads}; {does}, or use h5py")
    return kind(path, h5py.File(path, "r"), provenance, run)
