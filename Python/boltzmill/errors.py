"""What can go wrong. Every text says what, where, and what to do."""
from collections.abc import Mapping


class BoltzmillError(Exception):
    """All errors of this package."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""  # KeyError would show it in quotes


class NoRun(BoltzmillError):
    """The folder is not that of a run."""


class UnknownStage(BoltzmillError, KeyError):
    """The run has no stage of that name."""


class UnfinishedStage(BoltzmillError):
    """The stage has no artifact yet."""


class DamagedArtifact(BoltzmillError):
    """The file is not what the program committed, or not all of it."""


class UnreadableArtifact(BoltzmillError):
    """The file cannot be read now: it is locked, the system refuses it, or it is no regular file."""


class OtherFormat(BoltzmillError):
    """The file was written by a program whose artifacts this package does not know."""


class UnknownField(BoltzmillError, AttributeError, KeyError):
    """Nothing of that name is declared."""


class MissingField(UnknownField):
    """It is declared, and this artifact does without it."""


class UnequalColumns(BoltzmillError):
    """An axis has several lengths in one artifact, and so no table."""


class StaleInput(BoltzmillError):
    """A stage has been made again since it was opened, or since another one was made from it."""


class ClosedRun(BoltzmillError):
    """The run was closed, and its artifacts with it."""


class ClosedEmulator(BoltzmillError):
    """The emulator was closed, and its program with it."""


class EmulatorRefused(BoltzmillError, ValueError):
    """What an emulator was asked for cannot be had: another molecule's shape, an unknown option, a number that is not finite."""

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind  # the program's own name for it, as "ConformationError"


class ProgramNotFound(BoltzmillError):
    """The program `pipeline` is not where it was looked for."""


class RunFailed(BoltzmillError):
    """The program ended with another exit code than 0."""

    def __init__(self, message: str, code: int = 1, stages: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code, self.stages = code, dict(stages or {})  # of the process; the errors of stages that failed, by name


class RunInterrupted(RunFailed):
    """It was told to stop; the same call goes on where it stopped."""
