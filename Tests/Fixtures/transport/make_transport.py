"""Reference values by SciPy and POT for the tests of optimal transport.

usage: python make_transport.py > transport.json
Points come from a congruential sequence that the test repeats; only answers are stored.
"""
import json

import numpy
import ot
from scipy.optimize import linear_sum_assignment
from scipy.spatial.transform import Rotation


class Sequence:
    """s -> 1103515245 s + 12345 mod 2^31; values s / 2^31."""

    def __init__(self, seed):
        self.state = seed

    def draw(self, *shape):
        values = numpy.empty(int(numpy.prod(shape)))
        for k in range(values.size):
            self.state = (1103515245 * self.state + 12345) % 2**31
            values[k] = self.state / 2**31
        return values.reshape(shape)


def squared(a, b):
    return ((a[:, None, :] - b[None, :, :]) ** 2).sum(-1)


def torus(a, b):
    d = numpy.abs(a[:, None, :] - b[None, :, :])
    return (numpy.minimum(d, 2 * numpy.pi - d) ** 2).sum(-1)


def published(a, b):
    return (((a[:, None, :] - b[None, :, :]) % numpy.pi) ** 2).sum(-1)


def transport(cost, p=None, q=None):
    n, m = cost.shape
    p = numpy.full(n, 1 / n) if p is None else p / p.sum()
    q = numpy.full(m, 1 / m) if q is None else q / q.sum()
    return float(numpy.sqrt(ot.emd2(p, q, cost, numItermax=10**7)))


s = Sequence(1)
a, b = s.draw(256, 66), s.draw(256, 66)
rows, columns = linear_sum_assignment(squared(a, b))
answer = {"assignment": columns.tolist(), "assignment_cost": float(squared(a, b)[rows, columns].sum())}

s = Sequence(2)
a, b = (s.draw(300, 2) * 2 - 1) * numpy.pi, (s.draw(240, 2) ** 2 * 2 - 1) * numpy.pi
p, q = s.draw(300) ** 4, s.draw(240)
answer["torus"] = transport(torus(a, b))
answer["torus_weighted"] = transport(torus(a, b), p, q)
answer["published"] = transport(published(a, b))

s = Sequence(3)
a, b = s.draw(500) * 20 - 5, s.draw(350) ** 2 * 30
p, q = s.draw(500) ** 3, s.draw(350)
answer["line"] = float(numpy.sqrt(ot.emd2_1d(a, b, metric="sqeuclidean")))
answer["line_weighted"] = float(numpy.sqrt(ot.emd2_1d(a, b, p / p.sum(), q / q.sum(), metric="sqeuclidean")))

# rotations that carry centred points a best onto centred points b; the last pair is a mirror image
s = Sequence(4)
rotations, residuals = [], []
for case in range(4):
    a = s.draw(8, 3) - 0.5
    b = s.draw(8, 3) - 0.5 if case < 3 else a * numpy.array([-1, 1, 1])
    a, b = a - a.mean(0), b - b.mean(0)
    rotation, residual = Rotation.align_vectors(b, a)
    rotations.append(rotation.as_matrix().ravel().tolist())
    residuals.append(float(residual))
answer["rotations"], answer["residuals"] = rotations, residuals
print(json.dumps(answer))
