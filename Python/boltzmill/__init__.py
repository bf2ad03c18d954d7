"""Results of boltzmill from Python: `boltzmill.open("runs/alanine").stage("fresh").coordinates`. See docs/python.md."""
from .artifact import FreeEnergy, Stage, StoredField
from .emulator import Emulator, Samples
from .errors import (
    BoltzmillError, ClosedEmulator, ClosedRun, DamagedArtifact, EmulatorRefused, MissingField, NoRun, OtherFormat,
    ProgramNotFound, RunFailed, RunInterrupted, StaleInput, UnequalColumns, UnfinishedStage, UnknownField, UnknownStage,
    UnreadableArtifact,
)
from .program import run
from .records import VERSION as __version__
from .runs import Run, open

__all__ = [
    "BoltzmillError", "ClosedEmulator", "ClosedRun", "DamagedArtifact", "Emulator", "EmulatorRefused", "FreeEnergy",
    "MissingField", "NoRun", "OtherFormat", "ProgramNotFound", "Run", "RunFailed", "RunInterrupted", "Samples", "Stage",
    "StaleInput", "StoredField", "UnequalColumns", "UnfinishedStage", "UnknownField", "UnknownStage",
    "UnreadableArtifact", "__version__", "open", "run",
]
