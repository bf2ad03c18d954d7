"""An emulator as a sampler for other programs: the program `pipeline` draws, and gives densities, in a process of its own."""
import json
import os
import struct
import subprocess
import tempfile
import threading
import weakref
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import BoltzmillError, ClosedEmulator, EmulatorRefused, RunFailed, StaleInput
from .program import find

_LENGTHS = struct.Struct("<QQ")  # bytes of the header, bytes of the numbers
_PIECE = 1 << 24


class Samples(NamedTuple):
    """Conformations that an emulator drew."""

    coordinates: NDArray[np.float64]  # nm, (samples, atoms, 3)
    log_prob: NDArray[np.float64]  # nat, (samples,); nan with log_density="none"
    prior: NDArray[np.float64]  # the points of the prior that they were transported from, (samples, dimension)


class Emulator:
    """The emulator in an artifact, `runs/alanine/emulator.h5`; or `run.emulator("emulator")`. A context manager.

    The program is started with the first question, and ends with `close()`, with this object, and with Python. `structure` names a
    file of the molecule, which one of many peptides needs, and one whose run's folder lies elsewhere. `program` is as for
    `boltzmill.run`; `threads` are as many as there are cores unless others are asked for. Raises `EmulatorRefused` for what cannot be
    answered, after which one may go on asking, and `RunFailed` where the program has ended, with its message. A process that was forked
    starts a program of its own. `digest`, the artifact's content, is looked at whenever the program starts.
    """

    def __init__(
        self, artifact: str | os.PathLike[str], *, structure: str | os.PathLike[str] = "",
        program: str | os.PathLike[str] = "", threads: int | None = None, digest: str = "",
    ) -> None:
        self._artifact, self._digest = os.path.abspath(artifact), digest
        self._words = ["--structure", os.path.abspath(structure)] if structure else []
        self._words += [] if threads is None else ["--threads", str(threads)]
        self._program, self._lock, self._closed = program, threading.Lock(), False
        self._worker: _Worker | None = None

    def __repr__(self) -> str:
        return f"<emulator {self._artifact}>"

    def describe(self) -> dict[str, Any]:
        """Its stage, "atoms", "temperature" (K), "units", the "options" of `sample` and `log_prob` with their defaults, and more."""
        header, _ = self._ask({"request": "describe"})
        return header

    def sample(self, n: int, seed: int = 0, **options: Any) -> Samples:
        """Draws n conformations; where trajectories are lost, there are fewer.

        `options` are parameters of the stage type `sample`: log_density="exact-trace", probes, ode_steps, integrator, batch. With
        those of a stage and its own seed, `stage.provenance["seed"]`, the samples are the stage's.
        """
        _, arrays = self._ask({"request": "sample", "seed": seed, "options": options | {"count": n}})
        coordinates = arrays["coordinates"]
        return Samples(coordinates, arrays.get("log_density", np.full(len(coordinates), np.nan)), arrays["prior"])

    def log_prob(
        self, x: ArrayLike, seed: int = 0, *, prior: ArrayLike | None = None, **options: Any,
    ) -> NDArray[np.float64]:
        """ln q of conformations x, (samples, atoms, 3) in nm: (samples,) in nat, per nm to the power of all coordinates, up to one
        constant of the molecule.

        nan is not zero density: no way back to the prior was found that is sure. `options` are those of `sample`; the steps must be those
        that are sampled with. By log_density="exact-trace", the default without `prior`, the value has no noise; by probes it is an
        unbiased estimate, with the probes that a draw with this seed, which loses none, has for its samples in their order. `prior`
        (samples, dimension), as it was drawn with x, spares the way back to it, and rounding. Emulators of positions need it.
        """
        given = {"coordinates": x} | ({} if prior is None else {"prior": prior})
        if prior is None:
            options.setdefault("log_density", "exact-trace")
        _, arrays = self._ask({"request": "log_prob", "seed": seed, "options": options}, given)
        return arrays["log_density"]

    def close(self) -> None:
        """Ends the program."""
        self._closed = True
        self._end()  # while a question waits for its answer, too

    def __enter__(self) -> "Emulator":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _end(self) -> None:
        worker, self._worker = self._worker, None
        if worker:
            worker.end()

    def _ask(
        self, header: dict[str, Any], arrays: dict[str, ArrayLike] | None = None,
    ) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
        values = {name: np.ascontiguousarray(value, "<f8") for name, value in (arrays or {}).items()}
        heads = [{"name": name, "shape": value.shape} for name, value in values.items()]
        text = json.dumps(header | {"arrays": heads}, default=lambda each: each.item() if hasattr(each, "item") else str(each))
        with self._lock:
            if self._closed:
                raise ClosedEmulator(f"{self._artifact}: the emulator was closed, by close() or at the end of 'with'; open it again")
            if self._worker and self._worker.owner != os.getpid():  # its pipes are those of the process that this one was forked from
                self._worker.end.detach()
                self._worker = None
            try:
                worker = self._worker = self._worker or self._started()
                found, answers = worker.exchange(text.encode(), list(values.values()))
            except BaseException as reason:  # Ctrl-C too: what is left of an answer belongs to no later question
                self._end()
                if self._closed and isinstance(reason, (BoltzmillError, ValueError)):
                    raise ClosedEmulator(f"{self._artifact}: the emulator was closed while it worked") from reason
                raise
            if found.get("ends"):
                self._end()
        if error := found.get("error"):
            raise EmulatorRefused(error["message"], error["type"])
        return found, answers

    def _started(self) -> "_Worker":
        worker = _Worker([find(self._artifact, self._program), "serve-emulator", self._artifact, *self._words])
        if self._digest:
            about, _ = worker.exchange(b'{"request": "describe"}', [])
            if about.get("digest", self._digest) != self._digest:
                worker.end()
                raise StaleInput(f"{self._artifact} was made again since this emulator was opened; open it again")
        return worker


class _Worker:
    """The process, its two pipes, and what it says beside them."""

    def __init__(self, command: list[str]) -> None:
        self._said: IO[bytes] = tempfile.TemporaryFile()
        self.owner = os.getpid()
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said,
            process_group=0)  # a terminal's Ctrl-C is for Python
        self.end = weakref.finalize(self, self._ended, self.owner, self._process, self._said)

    @staticmethod
    def _ended(owner: int, process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        if owner != os.getpid():
            return  # it is another's
        process.kill()  # it has nothing to save
        for stream in process.stdin, process.stdout:
            try:
                if stream:
                    stream.close()
            except BrokenPipeError:
                pass
        process.wait()
        said.close()

    def exchange(
        self, header: bytes, arrays: list[NDArray[np.float64]],
    ) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
        to, back = self._process.stdin, self._process.stdout
        assert to and back
        try:
            to.write(_LENGTHS.pack(len(header), sum(each.nbytes for each in arrays)) + header)
            for each in arrays:
                to.write(each.data.cast("B") if each.size else b"")
            to.flush()
        except BrokenPipeError:
            pass  # it says why before it ends
        lengths = _LENGTHS.unpack(self._read(back, _LENGTHS.size))
        found = json.loads(self._read(back, lengths[0]))
        answers = {}
        for head in found.pop("arrays"):
            values = np.frombuffer(self._read(back, 8 * int(np.prod(head["shape"], dtype=np.int64))), "<f8")
            answers[head["name"]] = values.reshape(head["shape"]).astype(np.float64)  # of its own memory
        return found, answers

    def _read(self, stream: IO[bytes], count: int) -> bytearray:
        data = bytearray()
        while len(data) < count:
            if not (piece := stream.read(min(count - len(data), _PIECE))):
                code = self._process.wait()
                self._said.seek(0)
                said = self._said.read().decode(errors="replace").strip()
                raise RunFailed(said or f"'pipeline serve-emulator' ended with code {code} and said nothing", code)
            data += piece
        return data
