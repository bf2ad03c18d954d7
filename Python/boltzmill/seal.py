"""The seal of a committed artifact, which Sources/Artifacts/Seal.swift writes: the last 64 bytes of the file hold a mark, the length
of what is before them, and the SHA-256 of that with mark and length."""
import errno
import hashlib
import os
import pathlib
import stat

from .errors import BoltzmillError, DamagedArtifact, OtherFormat, StaleInput, UnreadableArtifact

_MARK = b"boltzmill seal 1"
_SIZE = 64
_OPEN_FOR_WRITING = 11  # the byte of an HDF5 file's first block that is 0 unless a program has it open for writing
# A lock, rights, too many files, the disk: these say nothing of what is in the file.
_NOT_OF_THE_CONTENT = {errno.EAGAIN, errno.EACCES, errno.EPERM, errno.ENOLCK, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOENT}

Identity = tuple[int, int, int, int]


def failure(path: pathlib.Path, error: Exception, damage: str = "") -> BoltzmillError:
    """What an error of the system or of HDF5 tells: that the file cannot be read now, or else `damage`."""
    if damage and getattr(error, "errno", None) not in _NOT_OF_THE_CONTENT:
        return DamagedArtifact(f"{path}: {damage}: {error}; run the stage again with --force")
    return UnreadableArtifact(f"{path} cannot be read now: {error}; this does not tell that it is damaged: mend that, then try again")


def identity(file: pathlib.Path | int) -> Identity:
    """What changes when a file is written again, or another one takes its place."""
    found = os.stat(file)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def is_same(path: pathlib.Path, before: Identity) -> bool:
    return path.exists() and identity(path) == before


def compare(path: pathlib.Path, before: Identity) -> None:
    if not is_same(path, before):
        raise StaleInput(f"{path} was made again since it was opened, or taken away; ask the run for stage '{path.stem}' again")


def check(path: pathlib.Path, every_byte: bool) -> Identity:
    """Raises where the file is not as it was committed; without `every_byte`, where it is not whole."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:  # no pipe holds it up
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UnreadableArtifact(f"{path} is a pipe or a device, and no file")
            found, again = identity(file.fileno()), "run the pipeline again: the stage is made anew"
            length = max(0, found[2] - _SIZE)
            file.seek(length)
            seal = file.read()
            if not seal.startswith(_MARK[:-1]):
                raise DamagedArtifact(
                    f"{path}: it does not end in a seal: it was cut off, another program wrote it, or one opened it for writing; "
                    "run the pipeline again: it is sealed anew if nothing was changed, or else the stage is made anew")
            if not seal.startswith(_MARK):
                raise OtherFormat(
                    f"{path}: its seal is '{seal[:len(_MARK)].decode(errors='replace')}', and this package reads "
                    f"'{_MARK.decode()}'; install the boltzmill package of the program that wrote it")
            head = _MARK + length.to_bytes(8, "little")
            if not seal.startswith(head):
                raise DamagedArtifact(f"{path}: damaged: it has not the length that was committed; {again}")
            file.seek(_OPEN_FOR_WRITING)
            if file.read(1) != b"\0":
                raise DamagedArtifact(
                    f"{path}: another program has it open for writing, or was killed while it had; close it there and run the "
                    "pipeline again")
            file.seek(0)
            digest = hashlib.sha256()
            while every_byte and (piece := file.read(min(1 << 20, length - file.tell()))):
                digest.update(piece)
            digest.update(head)
            if every_byte and seal != (head + digest.digest()).ljust(_SIZE, b"\0"):
                raise DamagedArtifact(f"{path}: damaged: its bytes are not those that were committed; {again}")
            return found
    except OSError as error:
        raise failure(path, error) from error
