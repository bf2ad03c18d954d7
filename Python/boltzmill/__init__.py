"""Results of boltzmill from Python: `boltzmill.open("runs/alanine").stage("fresh").coordinates`. See docs/python.md."""
from .artifact import FreeEnergy, Stage, StoredField
from .errors import (
    BoltzmillError, DamagedArtifact, MissingField, NoRun, OtherFormat, ProgramNotFound, RunFailed, RunInterrupted, StaleInput,
    UnfinishedStage, UnknownField, UnknownStage,
)
from .program import run
from .records import VERSION as __version__
from .runs import Run, open

__all__ = [
    "BoltzmillError", "DamagedArtifact", "FreeEnergy", "MissingField", "NoRun", "OtherFormat", "ProgramNotFound", "Run", "RunFailed",
    "RunInterrupted", "Stage", "StaleInput", "StoredField", "UnfinishedStage", "UnknownField", "UnknownStage", "__version__", "open",
    "run",
]
