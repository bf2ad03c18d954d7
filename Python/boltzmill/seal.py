"""The seal of a committed artifact, which Sources/Artifacts/Seal.swift writes: the last 64 bytes of the file hold a mark, the length
of what is before them, and the SHA-256 of that with mark and length."""
import hashlib
import pathlib

from .errors import DamagedArtifact, OtherFormat

_MARK = b"boltzmill seal 1"
_SIZE = 64
_OPEN_FOR_WRITING = 11  # the byte of an HDF5 file's first block that is 0 unless a program has it open for writing


def check(path: pathlib.Path, every_byte: bool) -> None:
    """Raises where the file is not as it was committed; without `every_byte`, where it is not whole."""
    again = "run the pipeline again: the stage is made anew"
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _SIZE))
        seal = file.read()
        if not seal.startswith(_MARK[:-1]):
            raise DamagedArtifact(
                f"{path}: it does not end in a seal: it was cut off, another program wrote it, or one opened it for writing; "
                "run the pipeline again: it is sealed anew if nothing was changed, or else the stage is made anew")
        if not seal.startswith(_MARK):
            raise OtherFormat(
                f"{path}: its seal is '{seal[:len(_MARK)].decode(errors='replace')}', and this package reads "
                f"'{_MARK.decode()}'; install the boltzmill package of the program that wrote it")
        length = (size - _SIZE).to_bytes(8, "little")
        if seal[len(_MARK):len(_MARK) + 8] != length:
            raise DamagedArtifact(f"{path}: damaged: it has not the length that was committed; {again}")
        if not every_byte:
            return
        file.seek(0)
        is_open = file.read(_OPEN_FOR_WRITING + 1)[-1] != 0
        file.seek(0)
        found = hashlib.sha256()
        while piece := file.read(min(1 << 20, size - _SIZE - file.tell())):
            found.update(piece)
        found.update(_MARK + length)
    if seal != (_MARK + length + found.digest()).ljust(_SIZE, b"\0"):
        raise DamagedArtifact(
            f"{path}: another program has it open for writing, or was killed while it had; close it there and run the pipeline again"
            if is_open else f"{path}: damaged: its bytes are not those that were committed; {again}")
