"""The folder of a run."""
import difflib
import functools
import os
import pathlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from . import seal
from .artifact import Stage, opened, stage_of
from .errors import BoltzmillError, ClosedRun, NoRun, UnfinishedStage, UnknownStage
from .records import STAGES

if TYPE_CHECKING:
    from .emulator import Emulator

S = TypeVar("S", bound=Stage)
# checkpoints and parts, notes of a stage that is at work, files that are being written, and those that were put aside
_UNFINISHED = re.compile(r"\.?(.+?)\.(?:ckpt-\w+\.h5|part-\d+\.h5|progress|h5\.tmp-.*|h5\.damaged.*)")
_OPEN = 128  # files at once: a process may have 1024, or 256 on macOS
_RUN = ".pipeline.json"  # what every run leaves in its folder


class Run:
    """The artifacts of a run. Each is opened, and its seal checked, when it is asked for. A run is a context manager."""

    def __init__(self, folder: pathlib.Path, verify: bool = True) -> None:
        self.folder, self.name, self._verify = folder.absolute(), folder.resolve().name, verify
        self._stages: dict[str, Stage] = {}
        self._file: Callable[[pathlib.Path, seal.Identity], Any] = functools.lru_cache(_OPEN)(opened)

    def __repr__(self) -> str:
        return f"<run {self.folder}: {', '.join(self.stages) or 'nothing is finished'}>"

    @property
    def stages(self) -> list[str]:
        """Names of the finished stages."""
        return [name.removesuffix(".h5") for name in self._listed() if self._is_artifact(name)]

    @property
    def unfinished(self) -> list[str]:
        """Names of stages that were begun, or whose artifact was put aside as damaged."""
        begun = filter(None, map(_UNFINISHED.fullmatch, self._listed()))
        return sorted({each[1] for each in begun} - {*self.stages})

    def _listed(self) -> list[str]:
        try:
            return sorted(os.listdir(self.folder))
        except OSError as error:
            raise NoRun(f"{self.folder} cannot be listed: {error}") from error

    def _is_artifact(self, name: str) -> bool:
        is_name = name.endswith(".h5") and name[0] != "." and os.path.basename(name) == name and not _UNFINISHED.fullmatch(name)
        return is_name and os.path.isfile(self.folder / name)

    @overload
    def stage(self, name: str) -> Any: ...
    @overload
    def stage(self, name: str, kind: type[S]) -> S: ...
    def stage(self, name: str, kind: type[Stage] = Stage) -> Stage:
        """The artifact of a stage; `kind`, a class of `boltzmill.records`, tells type checkers its fields."""
        if not self._is_artifact(f"{name}.h5"):
            finished, unfinished = self.stages, self.unfinished
            if name in unfinished:
                raise UnfinishedStage(f"{self.folder}: stage '{name}' is not finished; run the pipeline again: it goes on where it stopped")
            near = difflib.get_close_matches(name, finished, 1)
            raise UnknownStage(
                f"{self.folder} has no finished stage '{name}'{f'; did you mean {near[0]}?' if near else ''}; "
                f"finished: {', '.join(finished) or 'none'}; not finished: {', '.join(unfinished) or 'none'}")
        found, path = self._stages.get(name), self.folder / f"{name}.h5"
        if found is None or not seal.is_same(path, found._identity):
            found = self._stages[name] = stage_of(path, self, STAGES, self._verify)
        if not isinstance(found, kind):
            raise BoltzmillError(f"{found.path} is of type {found.type}, and not a {kind.__name__}")
        return found

    def emulator(
        self, name: str, *, structure: str | os.PathLike[str] = "", program: str | os.PathLike[str] = "",
        threads: int | None = None,
    ) -> "Emulator":
        """The emulator of a stage as a sampler; see `Emulator`. Close it when it is not needed any more: the run does not."""
        from .emulator import Emulator  # which starts the program, and finds runs by it

        stage = self.stage(name)
        digest = str(stage.provenance["contentDigest"])
        return Emulator(stage.path, structure=structure, program=program, threads=threads, digest=digest)

    def close(self) -> None:
        self._stages, self._file = {}, self._closed  # files end with what refers to them

    def _closed(self, *_: object) -> Any:
        raise ClosedRun(f"{self.folder}: the run was closed, by close() or at the end of 'with'; open it again")

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open(folder: str | os.PathLike[str], verify: bool = True) -> Run:
    """The run in a folder, `runs/alanine`. `verify=False` trusts the bytes of artifacts that are whole, which spares reading them."""
    path = pathlib.Path(folder)
    if not path.is_dir():
        does = f"open the folder it is in, then stage('{path.stem}')" if path.is_file() else "'pipeline run' makes it, where its --runs says"
        raise NoRun(f"{path} is no folder; {does}")
    run = Run(path, verify)
    if not (path / _RUN).exists() and not run.stages:
        inside = [str(each.parent) for each in sorted(path.glob(f"*/{_RUN}"))]
        raise NoRun(f"{path} is no run's folder" + (f"; these are: {', '.join(inside)}" if inside else ": it holds no artifacts"))
    return run
