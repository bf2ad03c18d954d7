"""One finished stage: its fields, and what is made of several of them."""
import difflib
import json
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from . import seal
from .errors import BoltzmillError, DamagedArtifact, MissingField, OtherFormat, StaleInput, UnequalColumns, UnknownField
from .fields import NAME, Field, Group, declared, text, texts

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
        if self._field.convert in (text, texts):  # few: read whole
            found = np.asarray(self.value, object)[part]
            return found.tolist() if isinstance(found, np.ndarray) else found
        return self._field.convert(self._stage.read(self.path, part))

    def __repr__(self) -> str:
        return f"{self.path} {list(self.shape)}{f' in {self.unit}' if self.unit else ''}: {self.meaning}"


class Stage(Group):
    """The artifact of a stage. Its attributes are the fields that are declared for the stage's type."""

    _versions: ClassVar[Mapping[str, tuple[int, ...]]] = {}  # by type: the present one, and those that still stand

    def __init__(self, path: pathlib.Path, identity: seal.Identity, provenance: dict[str, Any], run: "Run") -> None:
        super().__init__(self)
        self.path, self._identity, self._run = path, identity, run
        self.provenance = provenance  # what it was made from, by what, and when
        self.name, self.type, self._canonical = path.stem, str(provenance["stageType"]), json.loads(provenance["canonical"])
        self._declared = {field.path: field for field in declared(type(self))}

    def __repr__(self) -> str:
        return f"<{self.type} {self.path}>"

    @property
    def stale(self) -> list[str]:
        """Names of the stages that this one was made from and that were made again since. What a change of the pipeline file makes
        out of date, `pipeline status` tells."""
        used = {each["stage"]: each["content"] for inputs in self._canonical["inputs"].values() for each in inputs}
        there = [name for name in self._run.stages if name in used]
        return [name for name in there if self._run.stage(name).provenance["contentDigest"] != used[name]]

    # What is in the file

    @property
    def _file(self) -> h5py.File:
        return self._run._file(self.path, self._identity)

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
            raise seal.failure(self.path, error, f"{path} cannot be read") from error

    def names(self, family: str) -> list[str]:
        """What stands in the place of NAME in a path: of datasets, or of groups with such a member."""
        group, _, member = family.partition("@")[0].partition(NAME)
        names: list[str] = []
        if (found := self._file.get(group)) is not None:
            found.visititems(lambda name, each: names.append(name) if isinstance(each, h5py.Dataset) else None)
        names = [name for name in names if group + name not in self._declared]
        return list(dict.fromkeys(name.partition("/")[0] for name in names if "/" in name)) if member else names

    def holds(self, family: str, name: str) -> bool:
        """Whether the name is one of `names`, without a list of all."""
        path = family.replace(NAME, name)
        is_there = isinstance(self._file.get(path), h5py.Group if path.endswith("/") else h5py.Dataset)
        return bool(name) and is_there and path not in self._declared

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
        the only one there is. Intervals are two columns. Fails where fields along the axis differ in length."""
        found = [each for each in self.fields() if len(each.axes) == 1 or each.axes[1:] == ("end",)]
        axes = list(dict.fromkeys(each.axes[0] for each in found))
        axis = axis or ("frame" if "frame" in axes else axes[0] if len(axes) == 1 else "")
        if axis not in axes:
            raise UnknownField(f"{self.path} has no table along '{axis}'; name an axis: {', '.join(axes) or 'there is none'}")
        columns: dict[str, Any] = {}
        for each in (each for each in found if each.axes[0] == axis):
            name, value = each.path.removeprefix("results/"), each.value
            columns |= {name: value} if len(each.axes) == 1 else {f"{name}/low": value[:, 0], f"{name}/high": value[:, 1]}
        if len({len(value) for value in columns.values()}) > 1:
            lengths = ", ".join(f"{name} has {len(value)}" for name, value in columns.items())
            raise UnequalColumns(f"{self.path}: along '{axis}', {lengths}: these make no table; read each by itself")
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
        elif axes := self.field(paths[0]).axes:
            raise UnknownField(f"{self.path}: {paths[0]} has one entry for each {' and '.join(axes)}; ask these stages, or table()")
        elif "results/state_names" in self and "state" not in self._canonical.get("system", {}):
            first, other = self.field("results/state_names").value  # an audit's: those of the first pair
            pairs = [(first, other)]
        rows = [np.reshape(self.field(path).value if path in self else [np.nan] * (2 * len(pairs)), (len(pairs), -1)) for path in paths]
        return {
            pair: FreeEnergy(float(value[0]), float(error[0]), (float(ends[0]), float(ends[1])))
            for pair, value, error, ends in zip(pairs, *rows, strict=True)
        }

    def trajectory(self, **options: Any) -> "mdtraj.Trajectory":
        """The frames as MDTraj's: of a stage that weights samples, these, in the order of the weights. `options` are those of
        `mdtraj.load_hdf5`: stride, frame, atom_indices."""
        if "coordinates" in self:
            try:
                import mdtraj

                seal.compare(self.path, self._identity)
                frames = mdtraj.load_hdf5(str(self.path), **options)
            except ImportError as error:
                raise BoltzmillError(f"frames need MDTraj and PyTables ({error}): pip install 'boltzmill[trajectories]'") from error
            seal.compare(self.path, self._identity)
            return frames
        inputs = self._canonical["inputs"].get("samples", [])
        if len(inputs) != 1 or "log_weights" not in self:
            raise MissingField(f"{self.path} holds no frames and weights none; stages of types simulate, ingest, sample and explore do")
        source: Stage = self._run.stage(inputs[0]["stage"])
        if source.provenance["contentDigest"] != inputs[0]["content"]:
            does = f"run the pipeline again, or if that was done, ask the run for '{self.name}' again"
            raise StaleInput(f"{source.path} was made again after '{self.name}', which is of older samples; {does}")
        return source.trajectory(**options)


def opened(path: pathlib.Path, identity: seal.Identity) -> h5py.File:
    """The file, if it still is the one that was checked."""
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise seal.failure(path, error, "its seal is sound, but it cannot be read") from error
    seal.compare(path, identity)
    return file


def stage_of(path: pathlib.Path, run: "Run", kinds: Mapping[str, type[Stage]], every_byte: bool) -> Stage:
    """The stage whose artifact lies at a path, after its seal, its record and its version have been looked at."""
    identity = seal.check(path, every_byte)
    try:
        provenance = json.loads(text(run._file(path, identity)["provenance/record"][()]))
        name, stage_type, version = str(provenance["stage"]), str(provenance["stageType"]), int(provenance["stageVersion"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise seal.failure(path, error, "its seal is sound, but it cannot be read") from error
    if name != path.stem or stage_type == "checkpoint":
        raise DamagedArtifact(f"{path}: it holds the {stage_type} of stage '{name}', as a copy would; move it away and run the pipeline again")
    kind = kinds.get(stage_type, Stage)
    known = kind._versions.get(stage_type, ())
    if version not in known:
        reads = f"version {' and '.join(map(str, known))}" if known else "no such type"
        does = "install the package of the newer program" if version > max(known, default=0) else "run the pipeline again"
        raise OtherFormat(f"{path}: written by version {version} of '{stage_type}'; this package reads {reads}; {does}, or use h5py")
    return kind(path, identity, provenance, run)
