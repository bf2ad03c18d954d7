"""The folder of a run."""
import difflib
import os
import pathlib
import re
from typing import Any, TypeVar, overload

from .artifact import Stage, opened
from .errors import BoltzmillError, NoRun, UnfinishedStage, UnknownStage
from .records import STAGES

S = TypeVar("S", bound=Stage)
# checkpoints and parts, notes of a stage that is at work, files that are being written, and those that were put aside
_UNFINISHED = re.compile(r"\.?(.+?)\.(?:ckpt-\w+\.h5|part-\d+\.h5|progress|h5\.tmp-.*|h5\.damaged.*)")
_RUN = ".pipeline.json"  # what every run leaves in its folder


class Run:
    """The artifacts of a run. Each is opened, and its seal checked, when it is asked for. A run is a context manager."""

    def __init__(self, folder: pathlib.Path, verify: bool = True) -> None:
        self.folder, self.name, self._verify = folder, folder.resolve().name, verify
        self._open: dict[str, Stage] = {}

    def __repr__(self) -> str:
        return f"<run {self.folder}: {', '.join(self.stages) or 'nothing is finished'}>"

    @property
    def stages(self) -> list[str]:
        """Names of the finished stages."""
        return sorted(file.stem for file in self.folder.glob("[!.]*.h5") if not _UNFINISHED.fullmatch(file.name))

    @property
    def unfinished(self) -> list[str]:
        """Names of stages that were begun, or whose artifact was put aside as damaged."""
        begun = filter(None, map(_UNFINISHED.fullmatch, os.listdir(self.folder)))
        return sorted({each[1] for each in begun} - {*self.stages})

    @overload
    def stage(self, name: str) -> Any: ...
    @overload
    def stage(self, name: str, kind: type[S]) -> S: ...
    def stage(self, name: str, kind: type[Stage] = Stage) -> Stage:
        """The artifact of a stage; `kind`, a class of `boltzmill.records`, tells type checkers its fields."""
        finished, unfinished = self.stages, self.unfinished
        if name in unfinished:
            raise UnfinishedStage(f"{self.folder}: stage '{name}' is not finished; run the pipeline again: it goes on where it stopped")
        if name not in finished:
            near = difflib.get_close_matches(name, finished, 1)
            raise UnknownStage(
                f"{self.folder} has no finished stage '{name}'{f'; did you mean {near[0]}?' if near else ''}; "
                f"finished: {', '.join(finished) or 'none'}; not finished: {', '.join(unfinished) or 'none'}")
        if name not in self._open:
            self._open[name] = opened(self.folder / f"{name}.h5", self, STAGES, self._verify)
        if not isinstance(found := self._open[name], kind):
            raise BoltzmillError(f"{found.path} is of type {found.type}, and not a {kind.__name__}")
        return found

    def close(self) -> None:
        for stage in self._open.values():
            stage.close()
        self._open = {}

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
