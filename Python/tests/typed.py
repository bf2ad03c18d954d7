"""What type checkers know of attributes; mypy reads this file, nothing runs it."""
from typing import Any, assert_type

import boltzmill
import numpy as np
from boltzmill import records
from boltzmill.fields import Field
from numpy.typing import NDArray


def check(run: boltzmill.Run) -> None:
    fresh = run.stage("fresh", records.Sample)
    assert_type(fresh.coordinates, NDArray[np.float64])
    assert_type(fresh.results.torsions["phi"], NDArray[np.float64])
    assert_type(records.Sample.coordinates, Field[NDArray[np.float64]])
    traced = run.stage("traced", records.Reweight)
    assert_type(traced.results.delta_f, float)
    assert_type(traced.results.dropped, int)
    assert_type(traced.results.pairs.from_, list[str])
    assert_type(run.stage("audit", records.Audit).results.methods["exact"].delta_f, float)
    assert_type(traced.free_energies()["alpha", "beta"].interval, tuple[float, float])
    assert_type(run.stage("fresh"), Any)
    fresh.coordintes  # type: ignore[attr-defined]


def check_emulator(run: boltzmill.Run) -> None:
    with run.emulator("emulator") as emulator:
        assert_type(emulator, boltzmill.Emulator)
        drawn = emulator.sample(10, log_density="exact-trace")
        assert_type(drawn.coordinates, NDArray[np.float64])
        assert_type(emulator.log_prob(drawn.coordinates, prior=drawn.prior), NDArray[np.float64])
