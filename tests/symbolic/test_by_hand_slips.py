"""check_by_hand on nets with dropout, normalisation, recurrence and shared weights: the slip alone is accused."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import check_by_hand

from .test_by_hand_networks import Values, as_arrays


class Network:
    """A loss, and its gradients by hand, which are right."""

    def __init__(self, build, lines):
        self.build, self.lines, self.__name__ = build, lines.strip(), build.__name__


def dropout(v):
    X, Y, W1, b1, W2, b2 = v.data(8, 3), v.data(8, 2), v.leaf(3, 5), v.leaf(5), v.leaf(5, 2), v.leaf(2)
    D = v.coins(8, 5) / 0.25
    Z1 = X @ W1 + b1
    A1 = te.tanh(Z1)
    H = A1 * D
    O = H @ W2 + b2
    return ((O - Y) ** 2).sum(1).mean()


def standardized(v):
    """Batch normalisation, spelled out."""
    X, Y, W1, g, be, W2 = v.data(8, 3), v.coins(8, 1), v.leaf(3, 4), v.leaf(4), v.leaf(4), v.leaf(4, 1)
    Z = X @ W1
    mu = Z.mean(0)
    C = Z - mu
    var = (C**2).mean(0)
    s = te.sqrt(var + 1e-5)
    N = C / s
    B = g * N + be
    A = te.relu(B)
    P = te.sigmoid(A @ W2)
    return F.binary_cross_entropy(P, Y)


def batch_norm(v):
    X, Y, W1, W2 = v.data(8, 3), v.data(8, 1), v.leaf(3, 4), v.leaf(4, 1)
    gamma = te.tensor(v.rng.standard_normal(4), requires_grad=True, name="gamma")
    beta = te.tensor(v.rng.standard_normal(4), requires_grad=True, name="beta")
    Z1 = X @ W1
    B = F.batch_norm(Z1, None, None, gamma, beta, training=True)
    A1 = te.relu(B)
    O = A1 @ W2
    return ((O - Y) ** 2).mean()


def conv(v):
    X, Y, K, c, W = v.data(2, 1, 5, 5), v.data(2, 1), v.leaf(2, 1, 3, 3), v.leaf(2), v.leaf(18, 1)
    Z = F.conv2d(X, K, c)
    A = te.relu(Z)
    V = A.reshape(2, 18)
    O = V @ W
    return ((O - Y) ** 2).mean()


def attention(v):
    X, Wq, Wk, Wv, T = v.data(5, 4), v.leaf(4, 3), v.leaf(4, 3), v.leaf(4, 3), v.data(5, 3)
    Q = X @ Wq
    K = X @ Wk
    V = X @ Wv
    S = Q @ K.T / np.sqrt(3)
    A = te.softmax(S, dim=1)
    O = A @ V
    return ((O - T) ** 2).mean()


def gru(v):
    x, h0, T, Wz, Uz, Wr = v.data(6, 3), v.data(6, 4), v.data(6, 4), v.leaf(3, 4), v.leaf(4, 4), v.leaf(3, 4)
    Ur, Wn, Un = v.leaf(4, 4), v.leaf(3, 4), v.leaf(4, 4)
    az = x @ Wz + h0 @ Uz
    z = te.sigmoid(az)
    ar = x @ Wr + h0 @ Ur
    r = te.sigmoid(ar)
    q = h0 @ Un
    an = x @ Wn + r * q
    n = te.tanh(an)
    h = (1 - z) * n + z * h0
    return ((h - T) ** 2).mean()


def rnn(v):
    x1, x2, h0, y = v.data(5, 3), v.data(5, 3), v.data(5, 4), te.tensor([0, 2, 1, 1, 0])
    Wx, Wh, b, Wy = v.leaf(3, 4), v.leaf(4, 4), v.leaf(4), v.leaf(4, 3)
    z1 = x1 @ Wx + h0 @ Wh + b
    h1 = te.tanh(z1)
    z2 = x2 @ Wx + h1 @ Wh + b
    h2 = te.tanh(z2)
    o = h2 @ Wy
    return F.cross_entropy(o, y)


def decayed(v):
    """Softmax over columns, and a penalty on both weights."""
    X, Y = v.data(4, 7), te.tensor(np.eye(3)[:, [0, 1, 2, 0, 1, 2, 2]])
    W1, b1, W2, b2 = v.leaf(4, 5), v.leaf(5, 1), v.leaf(5, 3), v.leaf(3, 1)
    Z1 = W1.T @ X + b1
    A1 = te.sigmoid(Z1)
    Z2 = W2.T @ A1 + b2
    A2 = te.softmax(Z2, dim=0)
    return -(Y * te.log(A2)).sum(0).mean() + 0.05 * ((W1**2).sum() + (W2**2).sum())


def embedding(v):
    E, W, y, i = v.leaf(6, 3), v.leaf(3, 4), te.tensor([0, 3, 1, 1, 2]), te.tensor([1, 1, 4, 0, 5])
    H = E[i]
    Z = H @ W
    return F.cross_entropy(Z, y)


def tied(v):
    """An autoencoder whose two layers share W."""
    X, W, b, c = v.data(7, 5), v.leaf(5, 3), v.leaf(3), v.leaf(5)
    Z = X @ W + b
    H = te.sigmoid(Z)
    R = H @ W.T + c
    return ((R - X) ** 2).sum() / (2 * 7)


def columns(v):
    X, Y = v.data(3, 6), v.coins(1, 6)
    W1, b1, W2, b2 = v.leaf(3, 4), v.leaf(4, 1), v.leaf(4, 1), v.leaf(1, 1)
    Z1 = W1.T @ X + b1
    A1 = te.tanh(Z1)
    Z2 = W2.T @ A1 + b2
    A2 = te.sigmoid(Z2)
    return -(Y * te.log(A2) + (1 - Y) * te.log(1 - A2)).mean()


def three(v):
    """Two kinds of slopes with kinks, and a loss with one."""
    X, Y, W1, b1, W2 = v.data(9, 3), v.data(9, 1), v.leaf(3, 4), v.leaf(4), v.leaf(4, 4)
    b2, W3, b3 = v.leaf(4), v.leaf(4, 1), v.leaf(1)
    Z1 = X @ W1 + b1
    A1 = F.leaky_relu(Z1, 0.1)
    Z2 = A1 @ W2 + b2
    A2 = F.elu(Z2)
    Z3 = A2 @ W3 + b3
    return F.huber_loss(Z3, Y)


DROPOUT = Network(dropout, """
dO = 2 * (O - Y); dW2 = H.T @ dO / m; db2 = dO.sum(0) / m; dH = dO @ W2.T; dA1 = dH * D
dZ1 = dA1 * (1 - A1**2); dW1 = X.T @ dZ1 / m; db1 = dZ1.sum(0) / m
""")  # fmt: skip
SPELLED = Network(standardized, """
dA = (P - Y) @ W2.T; dB = dA * (B > 0); dg = (dB * N).mean(0); dbe = dB.mean(0); dN = dB * g
dvar = (dN * C).sum(0) * -0.5 * s**-3; dmu = -(dN / s).sum(0); dZ = dN / s + dvar * 2 * C / m + dmu / m
dW1 = X.T @ dZ / m
""")  # fmt: skip
NORM = Network(batch_norm, """
dO = 2 * (O - Y) / 8; dA1 = dO @ W2.T; dB = dA1 * (B > 0); s = np.sqrt(Z1.var(0) + 1e-5); M = (Z1 - Z1.mean(0)) / s
dgamma = (dB * M).sum(0); dbeta = dB.sum(0); dN = dB * gamma
dZ1 = (dN - dN.mean(0) - M * (dN * M).mean(0)) / s; dW1 = X.T @ dZ1
""")  # fmt: skip
CONV = Network(conv, """
dO = O - Y; dW = V.T @ dO; dV = dO @ W.T; dA = dV.reshape(2, 2, 3, 3); dZ = dA * (Z > 0); dc = dZ.sum((0, 2, 3))
windows = np.lib.stride_tricks.sliding_window_view(X[:, 0], (3, 3), axis=(1, 2))
dK = np.einsum('nhwij,nohw->oij', windows, dZ)[:, None]
""")  # fmt: skip
ATTENTION = Network(attention, """
dO = 2 * (O - T) / 15; dV = A.T @ dO; dWv = X.T @ dV; dA = dO @ V.T
dS = A * (dA - (dA * A).sum(1, keepdims=True)); dQ = dS @ K / np.sqrt(3); dK = dS.T @ Q / np.sqrt(3)
dWq = X.T @ dQ; dWk = X.T @ dK
""")  # fmt: skip
GRU = Network(gru, """
dh = 2 * (h - T) / 24; dz = dh * (h0 - n); dn = dh * (1 - z); dan = dn * (1 - n**2); dWn = x.T @ dan; dr = dan * q
dq = dan * r; dUn = h0.T @ dq; daz = dz * z * (1 - z); dWz = x.T @ daz; dUz = h0.T @ daz; dar = dr * r * (1 - r)
dWr = x.T @ dar; dUr = h0.T @ dar
""")  # fmt: skip
RNN = Network(rnn, """
do = P - np.eye(3)[y]; dWy = h2.T @ do / m; dh2 = do @ Wy.T; dz2 = dh2 * (1 - h2**2); dh1 = dz2 @ Wh.T
dz1 = dh1 * (1 - h1**2); dWx = (x1.T @ dz1 + x2.T @ dz2) / m; dWh = (h0.T @ dz1 + h1.T @ dz2) / m
db = (dz1 + dz2).sum(0) / m
""")  # fmt: skip
DECAYED = Network(decayed, """
dZ2 = A2 - Y; dW2 = A1 @ dZ2.T / m + 0.1 * W2; db2 = dZ2.sum(1, keepdims=True) / m; dA1 = W2 @ dZ2
dZ1 = dA1 * A1 * (1 - A1); dW1 = X @ dZ1.T / m + 0.1 * W1; db1 = dZ1.sum(1, keepdims=True) / m
""")  # fmt: skip
EMBEDDING = Network(embedding, """
dZ = P - np.eye(4)[y]; dW = H.T @ dZ / m; dH = dZ @ W.T; dE = np.zeros((6, 3)); np.add.at(dE, i, dH / m)
""")  # fmt: skip
TIED = Network(tied, """
dR = (R - X) / m; dc = dR.sum(0); dH = dR @ W; dZ = dH * H * (1 - H); db = dZ.sum(0); dW = X.T @ dZ + dR.T @ H
""")  # fmt: skip
COLUMNS = Network(columns, """
dZ2 = A2 - Y; dW2 = A1 @ dZ2.T / m; db2 = dZ2.sum(1, keepdims=True) / m; dA1 = W2 @ dZ2; dZ1 = dA1 * (1 - A1**2)
dW1 = X @ dZ1.T / m; db1 = dZ1.sum(1, keepdims=True) / m
""")  # fmt: skip
THREE = Network(three, """
dZ3 = np.clip(Z3 - Y, -1, 1); dW3 = A2.T @ dZ3 / m; db3 = dZ3.sum(0) / m; dA2 = dZ3 @ W3.T
dZ2 = dA2 * np.where(Z2 > 0, 1, np.exp(Z2)); dW2 = A1.T @ dZ2 / m; dA1 = dZ2 @ W2.T
dZ1 = dA1 * np.where(Z1 > 0, 1, 0.1); dW1 = X.T @ dZ1 / m; db1 = dZ1.mean(0)
""")  # fmt: skip
NETWORKS = [DROPOUT, SPELLED, NORM, CONV, ATTENTION, GRU, RNN, DECAYED, EMBEDDING, TIED, COLUMNS, THREE]

SUM = "(dA * A).sum(1, keepdims=True)"
# fmt: off
SLIPS = [  # network, what is right, what stands there, the line, the kind of mistake, and words of it
    (DROPOUT, "dA1 = dH * D", "dA1 = dH", "dA1", "missing factor", "the factor D is missing"),
    (DROPOUT, "dA1 = dH * D", "dA1 = dH * (D > 0)", "dA1", "constant factor", "0.25 times"),
    (DROPOUT, "dA1 = dH * D", "dA1 = dH * D * D", "dA1", "factor twice", "the factor D is there twice"),
    (DROPOUT, "H.T @ dO", "A1.T @ dO", "dW2", "wrong value", "A1 stands where H belongs"),
    (DROPOUT, "dZ1 / m", "dZ1 / m**2", "dW1", "doubled 1/m", "one 1/m too many"),
    (SPELLED, " + dmu / m", "", "dZ", "missing term", "is missing"),
    (SPELLED, "dvar * 2 * C / m + ", "", "dZ", "missing term", "where dC stands in this line, the term"),
    (SPELLED, "-0.5 * s**-3", "0.5 * s**-3", "dvar", "sign", "the sign is wrong"),
    (SPELLED, "dN = dB * g", "dN = dB", "dN", "missing factor", "the factor g is missing"),
    (SPELLED, "(dB * N)", "(dB * Z)", "dg", "wrong value", "Z stands where N belongs"),
    (NORM, " - dN.mean(0) - M * (dN * M).mean(0)", "", "dZ1", "missing term", "the terms 1/8 Σ dN and 1/8 N"),
    (NORM, " - M * (dN * M).mean(0)", "", "dZ1", "missing term", "the term 1/8 N ∘ Σ (dN ∘ N) is missing"),
    (NORM, "(dN - dN", "(dB - dB", "dZ1", "unknown", "not sure"),
    (CONV, "oij', windows", "oji', windows", "dK", "wrong order", "axes 2 and 3 are exchanged"),
    (CONV, "dZ)[:, None]", "dZ)[:, None, ::-1, ::-1]", "dK", "wrong order", "reversed along axis 2, 3"),
    (CONV, "dZ.sum((", "dZ.mean((", "dc", "sum against mean", "a mean of dZ"),
    (ATTENTION, SUM, "(dA * A).sum(1)", "dS", "lost keepdims", "has lost its axis (keepdims=True)"),
    (ATTENTION, SUM, "dA.sum(1, keepdims=True)", "dS", "missing factor", "the factor A is missing"),
    (ATTENTION, f"(dA - {SUM})", "dA", "dS", "missing term", "the term Σ (dA ∘ A) is missing"),
    (ATTENTION, f"A * (dA - {SUM})", "dA", "dS", "missing g'", "the slope g'(S) of softmax is missing"),
    (ATTENTION, "dS @ K / np.sqrt(3)", "dS @ K", "dQ", "constant factor", "the factor 0.57735 is missing"),
    (ATTENTION, "dS.T @ Q", "dS @ Q", "dK", "transposed", "dS is not transposed"),
    (GRU, "dh * (1 - z)", "dh * z", "dn", "wrong value", "z stands where 1 - z belongs"),
    (GRU, "h0.T @ dq", "h0.T @ dan", "dUn", "wrong value", "dan stands where dq belongs"),
    (GRU, "dr * r * (1 - r)", "dr * (1 - r**2)", "dar", "g' of another activation", "the slope of tanh"),
    (GRU, "dz * z * (1 - z)", "dz * r * (1 - r)", "daz", "g' of the wrong quantity", "r stands where z belongs"),
    (RNN, "x1.T @ dz1 + x2", "x2", "dWx", "missing term", "the term x1ᵀ dz1 is missing"),
    (RNN, "(dz1 + dz2).sum(0)", "(dz1 + dz2)", "db", "missing sum", "are not summed over the samples"),
    (RNN, "dz2 @ Wh.T", "dz2 @ Wh", "dh1", "transposed", "Wh is not transposed"),
    (RNN, "dh1 = dz2", "dh1 = dh2", "dh1", "wrong value", "dh2 stands where dz2 belongs"),
    (DECAYED, "A2 - Y", "A2 * (1 - A2) * (A2 - Y)", "dZ2", "g' twice", "the slope of sigmoid"),
    (DECAYED, "+ 0.1 * W1", "+ 0.2 * W1", "dW1", "constant factor", "is counted twice"),
    (DECAYED, "db1 = dZ1.sum(1, keepdims=True) / m", "db1 = dZ1.sum(1, keepdims=True) / 5", "db1", "constant factor",
     "as if divided by 5, the length of another axis, and not by m = 7"),
    (EMBEDDING, "np.add.at(dE, i, dH / m)", "dE[i] = dH / m", "dE", "missing sum", "np.add.at"),
    (EMBEDDING, "np.add.at(dE, i", "np.add.at(dE, y", "dE", "wrong value", "y stands where i belongs"),
    (TIED, "X.T @ dZ + dR.T @ H", "X.T @ dZ + 2 * dR.T @ H", "dW", "constant factor", "dRᵀ H is counted twice"),
    (TIED, "X.T @ dZ + dR.T @ H", "X.T @ dZ - dR.T @ H", "dW", "sign", "dRᵀ H has the wrong sign"),
    (COLUMNS, "(1 - A1**2)", "(1 - A1)**2", "dZ1", "missing brackets", "the power belongs to A1 alone"),
    (COLUMNS, "(1 - A1**2)", "(1 - A1 * 2)", "dZ1", "wrong value", "A1 is multiplied by 2 instead of squared"),
    (COLUMNS, "dA1 * (1 - A1**2)", "dA1 - A1**2", "dZ1", "missing brackets", "the brackets around 1 - A1²"),
    (COLUMNS, "A2 - Y", "(A2 - Y).T", "dZ2", "transposed", "dZ2 is transposed: 6 × 1 where 1 × 6 belongs"),
    (COLUMNS, "W2 @ dZ2", "(W2 - 0.1 * dW2) @ dZ2", "dA1", "stale value", "learning rate 0.1"),
    (THREE, "np.clip(Z3 - Y, -1, 1)", "Z3 - Y", "dZ3", "wrong value", "Z3 - Y stands where clamp"),
    (THREE, "dZ2 @ W2.T", "dZ2 @ W2", "dA1", "transposed", "W2 is not transposed"),
    (THREE, "np.where(Z1 > 0", "np.where(Z2 > 0", "dZ1", "g' of the wrong quantity", "Z2 stands where Z1"),
    (THREE, "1, np.exp(Z2)", "1, np.exp(Z2) - 1", "dZ2", "unknown", "not sure"),
]
# fmt: on


def run(lines):
    return lines.replace("; ", "\n")


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_right_lines_are_right(network, rng):
    """As lines and as arrays."""
    loss = network.build(Values(rng))
    for given in (run(network.lines), as_arrays(loss, run(network.lines))):
        report = check_by_hand(loss, given)
        assert report.ok, str(report)


@pytest.mark.parametrize(
    ("network", "right", "wrong", "line", "kind", "words"),
    SLIPS,
    ids=[f"{network.__name__}: {wrong or 'not ' + right}" for network, right, wrong, *_ in SLIPS],
)
def test_slip_alone_is_accused(network, right, wrong, line, kind, words, rng):
    """What is before it and beside it is right, what reads it follows, and the formula has no `- -1`."""
    assert right in network.lines
    report = check_by_hand(network.build(Values(rng)), run(network.lines.replace(right, wrong, 1)))
    entry = report[line]
    assert (report.first, entry.mistake.kind) == (line, kind), str(report)
    assert words in entry.verdict
    for other in report:
        if other is not entry:
            assert other.status in ("right", "follows"), str(report)
            assert "kink" not in other.note
    assert not any(noise in entry.mistake.text(line) for noise in ("- -", "-1 ", "+ -"))


def test_line_of_other_shape_leads_to_what_follows():
    """A gradient that lies the wrong way round makes later lines raise, and others come out in another shape."""
    report = check_by_hand(
        columns(Values(np.random.default_rng(0))), run(COLUMNS.lines.replace("A2 - Y", "(A2 - Y).T"))
    )
    assert [entry.status for entry in report] == ["wrong"] + ["follows"] * 6


def test_broadcasting_that_made_a_square_is_named(rng):
    """A row met a column."""
    X, y, w = te.tensor(rng.standard_normal((8, 3))), te.tensor(rng.standard_normal((8, 1))), Values(rng).leaf(3, 1)
    yhat = X @ w
    report = check_by_hand(((yhat - y) ** 2).mean(), "dyhat = 2 * (yhat - y[:, 0])\ndw = X.T @ dyhat / m")
    assert "8 numbers in a row met 8 in a column" in report["dyhat"].verdict
    assert report["dw"].status == "follows"


def test_line_that_raises_for_a_line_before_it_shows_that_one(rng):
    """A variable that is no gradient could not be computed; what the graph has is said."""
    loss = columns(Values(rng))
    lines = run(COLUMNS.lines).replace("dZ1 = dA1 * (1 - A1**2)", "slope = 1 - Q**2\ndZ1 = dA1 * slope")
    verdict = check_by_hand(loss, lines)["dZ1"].verdict
    assert "`slope = 1 - Q**2` raises NameError: name 'Q' is not defined (the graph has A1, A2, " in verdict


def test_gates_in_another_order_are_named(rng):
    """A cell's weights are three matrices on top of one another."""
    cell = te.nn.GRUCell(3, 4).double()
    x, T = te.tensor(rng.standard_normal((5, 3))), te.tensor(rng.standard_normal((5, 4)))
    loss = ((cell(x) - T) ** 2).mean()
    loss.backward()
    reset, update, new = np.split(cell.weight_ih.grad.numpy(), 3)
    verdict = check_by_hand(loss, {"weight_ih": np.concatenate([update, reset, new])})["weight_ih"].verdict
    assert "its 3 parts along axis 0 (gates) come in the order 1, 0, 2" in verdict
