"""source(readable=True) is the hand-written backprop of a textbook, and computes what the program computes."""

from __future__ import annotations

import inspect
import math
import re

import numpy as np
import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim
from tinygrad_edu.compiler.readable.numerals import spelled_number


def training(model, loss_of, *batch, optimizer=None, clip=None):
    optimizer = optimizer or optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        return loss

    return step, batch


def columns():
    W1, b1 = te.randn(2, 4, requires_grad=True), te.zeros(4, 1, requires_grad=True)
    W2, b2 = te.randn(4, 1, requires_grad=True), te.zeros(1, 1, requires_grad=True)

    def step(X, Y):
        Z1 = W1.T @ X + b1
        A1 = te.tanh(Z1)
        Z2 = W2.T @ A1 + b2
        A2 = te.sigmoid(Z2)
        cost = F.binary_cross_entropy(A2, Y)
        cost.backward()
        with te.no_grad():
            for W in (W1, b1, W2, b2):
                W -= 1.2 * W.grad
                W.grad = None
        return cost

    return step, (te.randn(2, 40), (te.rand(1, 40) > 0.5).float())


def rows():
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), nn.Sigmoid())
    return training(model, lambda p, y: F.binary_cross_entropy(p[:, 0], y), te.randn(40, 2), te.rand(40))


def classifier():
    model = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 10))
    return training(model, F.cross_entropy, te.randn(64, 20), te.randint(0, 10, (64,)))


def many_classes():
    return training(nn.Linear(5, 40), F.cross_entropy, te.randn(6, 5), te.randint(0, 40, (6,)))


def ignored_labels():
    def loss_of(scores, y):
        return F.cross_entropy(scores.flatten(0, 1), y.masked_fill(y > 2, -100).flatten())

    return training(nn.Linear(5, 4), loss_of, te.randn(3, 4, 5), te.randint(0, 4, (3, 4)))


def of_pixels():
    return training(nn.Conv2d(2, 3, 1), F.cross_entropy, te.randn(2, 2, 4, 4), te.randint(0, 3, (2, 4, 4)))


def lenet():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 4))
    return training(model, F.cross_entropy, te.randn(3, 1, 8, 8), te.randint(0, 4, (3,)))


def decoder():
    model = nn.Sequential(nn.ConvTranspose2d(2, 2, 2, stride=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(2, 1, 2))
    return training(model, F.mse_loss, te.randn(3, 2, 3, 3), te.randn(3, 1, 2, 2))


def summed():
    return training(nn.Linear(4, 1), nn.HuberLoss(reduction="sum"), te.randn(6, 4), te.randn(6, 1))


def enlarged():
    model = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(2, 1, 2))
    return training(model, F.mse_loss, te.randn(3, 2, 2, 2), te.randn(3, 1, 3, 3))


def weighted_and_smoothed():
    loss = nn.CrossEntropyLoss(weight=te.tensor([1.0, 2.0, 0.5]), label_smoothing=0.1, ignore_index=2)
    return training(nn.Linear(4, 3), loss, te.randn(6, 4), te.randint(0, 3, (6,)))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.layers = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))
        self.output = nn.Linear(8, 5)

    def forward(self, x):
        h = self.norm1(x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        x = x + self.layers(self.norm2(x))
        return self.output(x).mean(1)


def transformer():
    return training(Block(), F.cross_entropy, te.randn(4, 6, 8), te.randint(0, 5, (4,)))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.output = nn.LSTM(3, 8, batch_first=True), nn.Linear(8, 2)

    def forward(self, x):
        return self.output(self.lstm(x)[0][:, -1])


def lstm():
    return training(Recurrent(), F.mse_loss, te.randn(4, 5, 3), te.randn(4, 2))


def embedding():
    model = nn.Sequential(nn.Embedding(7, 4), nn.Flatten(), nn.Linear(12, 2))
    return training(model, F.mse_loss, te.tensor([[1, 1, 2], [0, 6, 1]]), te.randn(2, 2))


def vae():
    encoder, decoder = nn.Linear(20, 4), nn.Linear(2, 20)
    optimizer = optim.SGD([*encoder.parameters(), *decoder.parameters()], lr=0.1)

    def step(x):
        mean, log_scale = encoder(x).chunk(2, dim=1)
        scale = log_scale.exp()
        z = mean + scale * te.randn_like(mean)
        error = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum") / 8
        loss = error + 0.5 * (scale**2 + mean**2 - 1 - 2 * log_scale).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, (te.rand(8, 20),)


def gan():
    G = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    D = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    of_g, of_d = optim.SGD(G.parameters(), lr=0.1), optim.SGD(D.parameters(), lr=0.1)
    criterion, ones, zeros = nn.BCEWithLogitsLoss(), te.ones(8, 1), te.zeros(8, 1)

    def step(real):
        fake = G(te.randn(8, 4))
        of_d.zero_grad()
        loss_d = criterion(D(real), ones) + criterion(D(fake.detach()), zeros)
        loss_d.backward()
        of_d.step()
        of_g.zero_grad()
        loss_g = criterion(D(fake), ones)
        loss_g.backward()
        of_g.step()
        return loss_d + loss_g

    return step, (te.randn(8, 2),)


def penalty():
    critic = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = optim.SGD(critic.parameters(), lr=0.1)

    def step(x):
        x = x.detach().requires_grad_()
        (slope,) = te.autograd.grad(critic(x).sum(), x, create_graph=True)
        loss = ((slope.norm(dim=1) - 1) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, (te.randn(8, 2),)


def adam():
    model = nn.Linear(3, 1)
    return training(model, F.mse_loss, te.randn(8, 3), te.randn(8, 1), optimizer=optim.Adam(model.parameters(), lr=0.1))


def old_values():
    a, b = te.randn(3), te.randn(3)

    def step(x, y):
        before, double = a.clone(), a * 2
        a.copy_(b + x)
        b.copy_(before - y)
        with te.no_grad():
            a.mul_(0.5)
        return (before * double).sum() + (a * b).sum()

    return step, (te.randn(3), te.randn(3))


def dropout_and_clipping():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 3))
    return training(model, F.cross_entropy, te.randn(8, 4), te.randint(0, 3, (8,)), clip=1.0)


def cost_by_hand():
    model = nn.Linear(5, 1)

    def loss_of(Z, y):  # sigmoid(Z) is computed twice
        return -(y * te.log(te.sigmoid(Z)) + (1 - y) * te.log(1 - te.sigmoid(Z))).mean()

    return training(model, loss_of, te.randn(8, 5), te.rand(8, 1))


def log_likelihood(labels=None):
    def loss_of(Z, y):
        return F.nll_loss(F.log_softmax(Z, dim=1), y.long())

    return training(nn.Linear(5, 3), loss_of, te.randn(8, 5), te.randint(0, 3, (8,)) if labels is None else labels)


def labels_of_floats():
    return log_likelihood(3 * te.rand(8))


def each():
    def loss_of(Z, y):
        return F.nll_loss(F.log_softmax(Z, dim=1), y, reduction="none").mean()

    return training(nn.Linear(5, 3), loss_of, te.randn(8, 5), te.randint(0, 3, (8,)))


def smoothed():
    return training(
        nn.Linear(5, 3), lambda Z, y: F.cross_entropy(Z, y, label_smoothing=0.1), te.randn(8, 5), te.randint(0, 3, (8,))
    )


def weighted():
    weights = te.tensor([1.0, 2.0, 4.0])
    return training(
        nn.Linear(5, 3), lambda Z, y: F.cross_entropy(Z, y, weight=weights), te.randn(8, 5), te.randint(0, 3, (8,))
    )


def whole_numbers():
    def loss_of(Z, y):
        S = te.exp(Z) + 1
        A = S.square()
        return (A * y / S.int()).mean()  # S over the whole part of S is not 1

    return training(nn.Linear(5, 3), loss_of, te.randn(8, 5), te.rand(8, 3))


def hinge():
    model = nn.Sequential(nn.Linear(5, 4), nn.PReLU(), nn.Linear(4, 1))
    optimizer = optim.NAdam(model.parameters(), lr=0.1, weight_decay=0.1)
    y = te.randn(16, 1).sign()
    return training(model, lambda Z, y: te.clamp(1 - y * Z, min=0).mean(), te.randn(16, 5), y, optimizer=optimizer)


def gates():
    cell = nn.GRUCell(5, 3)
    return training(cell, lambda h, y: ((h - y) ** 2).mean(), te.randn(8, 5), te.randn(8, 3))


def mixture():
    def loss_of(o, y):
        mean, log_scale = o[:, :2], o[:, 2:]
        return -te.logsumexp(-log_scale - 0.5 * ((y - mean) / log_scale.exp()) ** 2, 1).mean()

    return training(nn.Linear(5, 4), loss_of, te.randn(8, 5), te.randn(8, 1))


def in_two_passes():
    model = nn.Linear(5, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        for k in range(2):
            (F.mse_loss(model(x[k]), y[k]) / 2).backward()
        optimizer.step()
        return x.sum()

    return step, (te.randn(2, 8, 5), te.randn(2, 8, 1))


def labels_drawn():
    E, D = nn.Embedding(4, 3), nn.Linear(5, 1)
    optimizer = optim.SGD([*E.parameters(), *D.parameters()], lr=0.1)

    def step(x):
        labels = te.randint(0, 4, (x.shape[0],))
        loss = D(te.cat((E(labels), x), -1)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, (te.randn(6, 2),)


def residual():
    net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def step(x, t, share):
        x = x.detach().requires_grad_()
        u = net(te.cat([x, t], 1))
        (u_x,) = te.autograd.grad(u.sum(), x, create_graph=True)
        (u_xx,) = te.autograd.grad(u_x.sum(), x, create_graph=True)
        loss = u.pow(2).mean() + share * ((u_xx - u) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, (te.randn(6, 1), te.randn(6, 1), 0.5)


def margin():
    return training(nn.Linear(3, 1), lambda z, y: F.relu(1 - z).mean(), te.randn(4, 3), te.randn(4))


def places_of_two_axes():
    def loss_of(out, y):
        return (out[te.tensor([2, 0, 1]), te.arange(3)] - y).pow(2).mean()

    return training(nn.Linear(3, 2), loss_of, te.randn(4, 3, 3), te.randn(3, 2))


STEPS = [
    labels_drawn, residual, margin, places_of_two_axes,
    hinge, gates, mixture, in_two_passes, decoder, summed, enlarged, weighted_and_smoothed,
    cost_by_hand, log_likelihood, labels_of_floats, each, smoothed, weighted, whole_numbers,
    columns, rows, classifier, many_classes, ignored_labels, of_pixels, lenet, transformer, lstm, embedding, vae, gan,
    penalty, adam, old_values, dropout_and_clipping,
]  # fmt: skip


def written(build):
    """A compiled step that has been called, with what it was called with, and its formulas."""
    te.manual_seed(0)
    step, batch = build()
    step = te.compile(step, grads=False)
    step(*batch)
    return step, batch, step.source(readable=True)


@pytest.mark.parametrize("build", STEPS, ids=lambda build: build.__name__)
def test_formulas_compute_what_the_program_computes(build):
    """Executed alone, with NumPy, on copies of the same state: the loss, and everything that the step writes."""
    step, batch, _ = written(build)
    for _ in range(2):
        step(*batch)
    known = step._last
    given = [float(batch[k]) if number else batch[k].numpy() for k, number in known._arguments]
    state = [known._array(t, batch).copy() for t in known._tensors]
    numbers = [group[key] if part is None else group[key][part] for group, key, part in known._numbers]
    scope: dict = {}
    exec(step.source(readable=True), scope)
    before = te.get_rng_state()
    with np.errstate(all="ignore"):
        loss, *_ = scope["step"](*given, *state, *numbers, *known._generators)
    te.set_rng_state(before)
    expected = step(*batch)
    # sums in another order, and products of 1 / m: some rounding of float32, relative to the largest number
    np.testing.assert_allclose(loss, expected.item(), rtol=2e-5)
    for array, tensor in zip(state, known._tensors, strict=True):
        now = known._array(tensor, batch)
        assert np.abs(array - now).max(initial=0) <= 2e-5 * max(1, np.abs(now).max(initial=0))


LINES = {
    columns: ("A2 = 1 / (1 + np.exp(-Z2))", "(1 - Y) * np.maximum(np.log(1", "dW2 = A1 @ dZ2.T", "W1 -= 1.2 * dW1"),
    rows: ("dA2 = ((A2[:, 0] - y)", "dZ1 = dA1 * (1 - A1 ** 2)"),
    cost_by_hand: ("dZ1 = (A1 - y) / 8",),
    log_likelihood: ("L = -np.sum(Y * A1) / 8", "dA1 = -Y / 8", "dZ1 = dA1 + np.exp(A1) / 8"),
    smoothed: ("dA1 = -0.1 / 24 - 0.9 * Y / 8", "dZ1 = dA1 + np.exp(A1) / 8"),
    each: ("-A1[np.arange(8), y]", "dA1[np.arange(8), y] = -1 / 8", "dZ1 = dA1 + np.exp(A1) / 8"),
    weighted: ("L = -np.sum(Y * A1 * weights) / t1", "dA1 = -Y / t1 * weights", "np.sum(weights[y])"),
    classifier: (
        "L = -np.sum(Y * log_P) / 64", "dZ2 = (np.exp(log_P) - Y) / 64", "dZ1 = dA1 * (A1 > 0)",
        "Y = y[:, None] == np.arange(10)",
    ),
    ignored_labels: (" != -100", "np.sum("),
    of_pixels: (
        "Y = y[:, None] == np.arange(3)[:, None, None]", "L = -np.sum(Y * log_P) / 32", "(np.exp(log_P) - Y) / 32",
    ),
    lenet: (
        "np.einsum('nchwij,ocij->nohw'", "np.einsum('nchwij,nohw->ocij'", "def add_windows(", "first = np.argmax(",
    ),
    summed: ("L = np.sum(C * (E - 0.5 * C))", "dZ1 = np.clip(E, -1, 1)"),
    enlarged: ("np.take(t1, np.array([0, 0, 1, 1], np.int64), axis=2)",),
    weighted_and_smoothed: ("1 / 30 * ",),
    decoder: ("np.einsum('nohw,ocij->nchwij'", "dA1 = add_windows(", " / 4)[..., None, None]"),
    lstm: ("def lstm_by_steps(", "h = o * np.tanh(c)"),
    transformer: ("np.mean(x, axis=2, keepdims=True)", "Z1 = h @ W1.T + b1", "np.sum(dZ4, axis=(0, 1))"),
    embedding: ("np.add.at(",),
    gan: ("fake = A5 @ W6.T + b6", "dZ5 = dA5 * (A5 > 0)"),
    hinge: (
        "dZ2 = -y * (t2 >= 0) / 16", "* (Z1 <= 0)).reshape(1)", "dW1 = dW1 + weight_decay * W1",
        "mu_next = ", "mu_product_W1[...] = mu * mu_product_W1",
    ),
    gates: ("Z1[:, :3] + Z2[:, :3]", "dZ1[:, :3] = "),
    mixture: (" = dmean", " = dlog_scale"),
    adam: (
        "L = np.mean(E ** 2)", "M_W1[...] = beta1 * M_W1 + (1 - beta1) * dW1", "t_W1 += 1", "M_W1 / (np.sqrt(V_W1) + ",
    ),
    dropout_and_clipping: ("dW1 = dZ1.T @ x", "np.sum(dW1 ** 2) + np.sum(db1 ** 2)"),
}  # fmt: skip


@pytest.mark.parametrize("build", LINES, ids=lambda build: build.__name__)
def test_lines_are_those_of_a_textbook(build):
    """Means, masks, one-hot labels and names as one writes them by hand; before the step functions with loops alone."""
    text = written(build)[2]
    for line in LINES[build]:
        assert line in text
    assert "def add_windows(" in text or "_by_steps(" in text or text.startswith("import numpy as np\n\n\ndef step(")
    for noise in (
        "refuse", "logical_not", ".view(", "88.0", "axis=(0,)", ", ...]", "np.copy", "np.positive", "= 1 * ", "1/3",
        "def onto_largest", "def spread_means", "def transposed_", "def resample",
    ):  # fmt: skip
        assert noise not in text


def test_what_cancels_is_written_as_it_is_derived():
    """The article's dZ2 = A2 - Y over m, and no dA2, of a cross-entropy that is spelled out."""
    W, b = te.randn(3, 1, requires_grad=True), te.zeros(1, 1, requires_grad=True)

    def step(X, Y):
        Z2 = W.T @ X + b
        A2 = te.sigmoid(Z2)
        L = -(Y * te.log(A2) + (1 - Y) * te.log(1 - A2)).mean()
        L.backward()
        return L

    step = te.compile(step)
    step(te.randn(3, 40), (te.rand(1, 40) > 0.5).float())
    text = step.source(readable=True)
    assert "dZ2 = (A2 - Y) / 40" in text
    assert "dA2" not in text


def formulas(function, *arguments):
    """The readable source of one call of a function."""
    compiled = te.compile(function)
    compiled(*arguments)
    return compiled.source(readable=True)


X, Y = te.arange(6.0).reshape(3, 2), te.ones(3, 2)
REWRITTEN = [
    (lambda x, y: -((-x) * y), "return (x * y,)", "minuses cancel"),
    (lambda x, y: -(x * 2) * y / 6 + y / 6, "return ((y - 2 * x * y) / 6,)", "numbers in front, one division"),
    (lambda x, y: 0 + x * y - 0, "return (x * y,)", "no zeros"),
    (lambda x, y: (x * 2) * (3 * y), "return (6 * x * y,)", "numbers together"),
    (lambda x, y: x * y * y, "return (x * y ** 2,)", "squares"),
    (lambda x, y: x * y.sum(), "return (np.sum(y) * x,)", "single numbers in front"),
    (lambda x, y: (x * y).clamp(-1.0, 1.0), "np.clip(x * y, -1, 1)", "whole numbers without a point"),
    (lambda x, y: te.where(~((x > 0) | (y <= 1)), x, y), "np.where((x <= 0) & (y > 1), x, y)", "no not"),
    (lambda x, y: (x.T @ y).T, "return (y.T @ x,)", "nothing turned twice"),
    (lambda x, y: (x[None].mT @ y[None]).mT.mT.mT, "y[None].mT @ x[None]", "of several matrices, too"),
    (lambda x, y: (x @ y[0]).sum(0, keepdim=True).reshape(()) * x, "np.sum(x @ y[0])", "products with vectors"),
    (lambda x, y: x.sum(1).unsqueeze(1) * y, "np.sum(x, axis=1, keepdims=True)", "axes that stay"),
    (lambda x, y: x.sum(1, keepdim=True).expand(3, 2) * y, "np.sum(x, axis=1, keepdims=True) * y", "no broadcasts"),
    (lambda x, y: (x - x.mean()) / x.std(), "np.std(x, ddof=1)", "standard deviations"),
    (lambda x, y: x.abs() * y, "np.abs(x)", "the short name"),
    (lambda x, y: te.cummax(x, 1)[0], "np.maximum.accumulate(x, axis=1)", "largest ones so far"),
    (lambda x, y: x.amax(0) - y.amin(0), "np.max(x, axis=0) - np.min(y, axis=0)", "short names of sums, too"),
    (lambda x, y: nn.utils.get_total_norm([x]) * y, "np.sqrt(np.sum(x ** 2))", "no norm of one norm"),
    (lambda x, y: te.where(x > 1, y, y * 2) * (x > 1), "np.where(x > 1, y, 2 * y) * (x > 1)", "masks in place"),
    (lambda x, y: (x + y).exp() - 0.5 + x, "np.exp(x + y) - 0.5 + x", "no plus minus"),
    (lambda x, y: 0.5 / y / 2 + x, "0.5 / y / 2 + x", "one number over another"),
    (lambda x, y: x * y + x * y, "2 * x * y", "equal terms are counted"),
    (lambda x, y: (-x).abs() * y, "np.abs(x) * y", "magnitudes have no sign"),
    (lambda x, y: (-x * y).sum(0) * x, "-np.sum(x * y, axis=0) * x", "minus in front of sums"),
    (lambda x, y: x * math.sqrt(2 * math.pi), "(2 * np.pi) ** 0.5 * x", "numbers that everybody knows"),
    (lambda x, y: x.max(1).values - y[:, 0], "np.max(x, axis=1) - y[:, 0]", "no place of the largest"),
    (lambda x, y: te.stack([x * y])[-1].exp(), "np.exp(x * y)", "no stack of one"),
    (lambda x, y: x.clone() * y, "return (x * y,)", "no copies of what is not written"),
    (lambda x, y: te.where(x > 1, 0.0, y) / te.where(x > 2, 1.0, y), "0.0, y) / np.where(x > 2", "two conditions"),
    (
        lambda x, y: F.binary_cross_entropy(te.sigmoid(x), te.ones(3, 2)) * y,
        "-np.mean(np.maximum(np.log(1 / (1 + np.exp(-x))), -100))",
        "no 0 times a logarithm that is limited",
    ),
    (lambda x, y: (-x).exp() + y * (-x), "np.exp(-x) - y * x", "minuses go wherever they stand"),
    (lambda x, y: 2 * x / y.exp() * y.exp(), "return (2 * x,)", "what is divided by is not multiplied by"),
    (lambda x, y: x.mean(1).mean() * y, "np.mean(x) * y", "no mean of means"),
    (lambda x, y: x[:1].sum((0, 1), keepdim=True).reshape(1) * y, "np.sum(x[:1], axis=1) * y", "no sum over one"),
    (lambda x, y: x.sum((0, 1), keepdim=True).reshape(1) * y[0], "np.sum(x).reshape(1)", "one number has no axes"),
    (lambda x, y: x[0:2] * y[1:3], "x[:2] * y[1:3]", "parts from the first on"),
    (lambda x, y: (x * (-2 / 3)).exp() + y, "np.exp(-2 / 3 * x)", "ratios below 0"),
    (lambda x, y: te.rms_norm(x, (2,)) * y, "+ np.finfo(np.float32).eps", "the precision has a name"),
    (lambda x, y: -2.5 * te.clamp(-x, min=0) + y, "2.5 * np.minimum(x, 0)", "limits have no minus"),
    (lambda x, y: F.multi_margin_loss(x, te.tensor([0, 1, 0])) * y, " == np.arange(2)", "classes are counted in place"),
    (lambda x, y: te.zeros(3, 2) * x.exp() + 2 * y, "return (2 * y,)", "nothing times something is nothing"),
    (lambda x, y: te.xlogy(y, y) - x, "y * np.log(np.where(y == 0, 1, y)) - x", "0 is a number"),
    (lambda x, y: -(x * y).sum() / 6 + x, "x - np.mean(x * y)", "minus in front of means"),
    (lambda x, y: x.T.neg().neg().T, "return (x,)", "what is turned twice is not turned"),
    (lambda x, y: x[0, 0].reshape(1, 1).expand(3, 2), "np.broadcast_to(x[0, 0], (3, 2))", "one number as it is"),
    (lambda x, y: np.sum(x * y, axis=()), "np.sum(x * y, axis=())", "a sum over no axis"),
    (lambda x, y: te.topk(x, 1)[0] * y, "np.take_along_axis(x, ", "axes by place"),
    (lambda x, y: (0.1234567 * x) * (0.7654321 * y), "0.1234567 * 0.7654321 * x * y", "no longer numbers"),
    (lambda x, y: np.power(-x, 2) * y, "x ** 2 * y", "squares have no sign"),
    (lambda x, y: -2 * x.clamp(max=1.0) + y, "2 * np.minimum(x, 1)", "limits of what has none"),
    (lambda x, y: x > math.inf, "np.zeros((3, 2), bool)", "what is never so"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "line", "_"), REWRITTEN, ids=[why for *_, why in REWRITTEN])
def test_lines_are_put_as_one_writes_them(function, line, _):
    """Each of these has a shorter way that computes the same numbers."""
    text = formulas(function, X, Y)
    assert line in text
    scope = {}
    exec(text, scope)
    (result,) = scope[re.search(r"def (\w+)\(x", text)[1]](X.numpy(), Y.numpy())
    np.testing.assert_allclose(result, function(X, Y).numpy(), rtol=1e-6)  # float32, in another order


GRADIENTS = [
    (lambda W, b, y: (W**1).sum(), "dW = np.full((3, 4), 1.0, np.float32)", "the power 0"),
    (lambda W, b, y: (W.gather(1, y[:, None])[:, 0] ** 2).sum(), "dW[np.arange(3), y] = ", "places of rows"),
    (lambda W, b, y: (W.gather(1, y[:, None]) * W.sum(1, keepdim=True)).sum(), "dH1 = t1.copy()", "1 times something"),
    (lambda W, b, y: ((W + b).gather(1, y[:, None]) ** 2).sum(), "db = dH1.copy()", "sums of one place"),
    (
        lambda W, b, y: (W[None].gather(2, y[None, :, None]) ** 2).sum(),
        "np.put_along_axis(",
        "places along a last axis",
    ),
    (lambda W, b, y: 2 * F.multi_margin_loss(W, y), "2 / 12 * (", "shares of masks"),
    (lambda W, b, y: (W[0:2] * W[1:3]).sum(), "dW[:2] += W[1:3]", "parts that overlap are added"),
    (lambda W, b, y: (W[0, :2] * W[0, 2:]).sum(), "dW[0, :2] = W[0, 2:]", "parts that don't are put there"),
]


@pytest.mark.parametrize(("loss", "line", "_"), GRADIENTS, ids=[why for *_, why in GRADIENTS])
def test_gradients_are_put_as_one_writes_them(loss, line, _):
    """Each of these has a shorter way, too."""
    W, b, y = te.randn(3, 4, requires_grad=True), te.randn(3, 1, requires_grad=True), te.tensor([0, 2, 1])

    def step(y):
        given = [W, b]
        L = loss(W, b, y)
        return *te.autograd.grad(L, given, allow_unused=True), L

    compiled = te.compile(step)
    compiled(y)
    text = compiled.source(readable=True)
    assert line in text
    scope = {}
    exec(text, scope)
    arrays = {"y": y.numpy(), "W": W.detach().numpy(), "b": b.detach().numpy()}
    found = scope["step"](*(arrays[name] for name in inspect.signature(scope["step"]).parameters))
    expected = [x for x in step(y) if x is not None]
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(b, a.detach().numpy(), rtol=1e-6)


def overwritten(Q, x):
    before = 2 * Q
    Q.sub_(0.5 * Q)
    return before * Q, before


def copied(Q, x):
    before, turned = Q.clone(), Q.T.clone()
    Q.add_(x)
    return before, turned, Q[0] * before


def negated(Q, x):
    before = Q * 1
    Q.add_(x)
    return before, -before


def put(Q, x):
    Q[0] = x[0]
    return x[0] * 2


WRITTEN = [
    (overwritten, "2 * Q  #"),
    (copied, "Q += x"),
    (negated, "Q.copy()"),
    (lambda Q, x: Q.copy_(x + Q).sum(), "Q += x"),
    (put, "Q[0] = x[0]"),
]


@pytest.mark.parametrize(("function", "line"), WRITTEN)
def test_what_is_read_after_a_write_is_computed_before(function, line):
    """A tensor's old numbers, where the step returns what it has made of them."""
    Q, x = te.randn(3, 4), te.randn(3, 4)
    was = Q.clone()

    def step(x):
        return function(Q, x)

    compiled = te.compile(step)
    compiled(x)
    text = compiled.source(readable=True)
    assert line in text
    scope = {}
    exec(text, scope)
    array = was.numpy().copy()
    found = scope["step"](x.numpy(), array)
    Q.copy_(was)
    expected = step(x)
    for a, b in zip(expected if isinstance(expected, tuple) else [expected], found, strict=True):
        np.testing.assert_allclose(b, a.numpy(), rtol=1e-6)
    np.testing.assert_allclose(array, Q.numpy(), rtol=1e-6)


def test_counts_that_are_equal_are_written_in_one_line():
    """Adam keeps a count per parameter; and the user's t1 is not taken for a number of ours."""
    model = nn.Linear(3, 1)
    optimizer = optim.Adam(model.parameters())

    def step(t1, t2):
        optimizer.zero_grad()
        (model(t1) * t2 * t1.exp().sum() + t1.exp().sum()).mean().backward()
        optimizer.step()

    step = te.compile(step, grads=False)
    for _ in range(2):
        step(te.randn(4, 3), te.randn(4, 1))
    text = step.source(readable=True)
    assert "    t_b1[...] = t_W1\n" in text
    assert "V_W1[...] = beta2 * V_W1 + (1 - beta2) * dW1 ** 2\n" in text
    assert "t1_2" not in text


def by_hand(passes=1):
    """A step that a user writes without an optimizer, in so many backward passes."""
    W, b = te.randn(3, 2, requires_grad=True), te.zeros(2, requires_grad=True)

    def step(X, Y, lr):
        total = 0.0
        for part in range(passes):
            loss = ((X[part] @ W + b - Y[part]) ** 2).mean()
            loss.backward()
            total = total + loss
        with te.no_grad():
            for p in (W, b):
                p -= lr * p.grad
                p.grad = None
        return total

    step = te.compile(step)
    step(te.randn(2, 4, 3), te.randn(2, 4, 2), 0.1)
    return step


@pytest.mark.parametrize("passes", [1, 2])
def test_update_by_hand_has_a_section(passes):
    """And a second forward pass after the first backward pass is called so, in both sources."""
    step = by_hand(passes)
    for text in (step.source, step.source(readable=True)):
        parts = re.findall(r"# (forward|backward|update)\n", text)
        assert parts == ["forward", "backward"] * passes + ["update"]


def test_gradient_of_several_passes_is_called_as_one():
    """`dW` is what the tensor's `.grad` holds in the end."""
    text = by_hand(2).source(readable=True)
    assert re.search(r"dW = X\[0\]\.T @ \w+ \+ X\[1\]\.T @ \w+", text)
    assert "W -= lr * dW\n" in text


def test_maps_are_numbered_as_they_run_and_weights_by_layer():
    """A cell that runs twice has two Z and one W; and the zeros that it begins with are no argument."""
    cell, out = nn.RNNCell(3, 4), nn.Linear(4, 1)

    def step(x):
        h = te.zeros(2, 4)
        for t in range(2):
            h = cell(x[t], h)
        out(h).sum().backward()

    step = te.compile(step)
    step(te.randn(2, 2, 3))
    text = step.source(readable=True)
    assert "Z1 = x[0] @ W1.T + b1" in text
    assert "Z2 = np.zeros((2, 4), np.float32) @ W2.T + b2" in text
    assert "Z3 = x[1] @ W1.T + b1" in text
    assert not re.search(r"\bx\d", text)


def test_mask_made_in_the_step_is_written_out():
    """In both sources, and neither takes it for an argument."""

    def attend(q):
        mask = te.triu(te.ones(5, 5), 1) > 0
        scores = (q @ q.mT / math.sqrt(8)).masked_fill(mask, float("-inf"))
        return scores.softmax(-1) @ q

    step = te.compile(attend)
    step(te.randn(5, 8))
    assert "mask = np.triu(np.ones((5, 5), bool), 1)\n" in step.source
    text = step.source(readable=True)
    assert "mask = np.triu(np.ones((5, 5), bool), 1)  # (5, 5)\n" in text
    assert "np.where(mask, -np.inf, q @ q.T / 8 ** 0.5)" in text


def test_gradients_have_the_users_names():
    """What autograd.grad returns is called as the variable that takes it; a negated setting after that."""
    W = te.randn(3, 1, requires_grad=True)

    def step(X, v, lr):
        (g,) = te.autograd.grad((X @ W).sigmoid().sum(), W, create_graph=True)
        (Hv,) = te.autograd.grad((g * v).sum(), W)
        W.data.add_(Hv, alpha=-lr)
        return Hv

    step = te.compile(step)
    step(te.randn(4, 3), te.randn(3, 1), 0.1)
    text = step.source(readable=True)
    assert "Hv = X.T @ " in text
    assert "W -= lr * Hv" in text


def test_what_is_drawn_has_the_users_name():
    """Labels and orders are made of whole numbers of the generator: these have no name."""

    def step(x):
        labels = te.randint(2, 5, (x.shape[0],))
        order = te.randperm(x.shape[0])
        return x[order] * labels % 3

    step = te.compile(step)
    step(te.randn(4))
    text = step.source(readable=True)
    assert "labels = (t1 % 3).astype(np.int64) + 2" in text
    assert "order = in_exchanged_order(t2, n=4)" in text


def test_explain_says_no_part_that_is_not_there():
    """A function without gradients has one part."""
    step = te.compile(lambda x: x.exp() + 1)
    step(te.randn(3))
    assert ", forward\n" in step.explain()
    assert "backward" not in step.explain()


def test_many_numbers_made_in_the_step_are_an_argument():
    """A program has no pages of numbers; memory that is not filled yet has none that would matter."""

    def step(x):
        filled = te.empty(3)
        filled[:] = x
        return (te.arange(5000.0)[:3] * filled + te.ones(5000)[:3]).sum()

    step = te.compile(step)
    step(te.randn(3))
    assert "x2 (5000,): tensors of the step, only read" in step.source
    assert "array(" not in step.source.replace("np.array(", "")


def test_labels_made_in_the_step_are_no_array_of_numbers():
    """Contrastive losses count the rows; and what is subtracted from zeros has a minus."""

    def step(z1, z2):
        h = te.zeros(5, 4) - z2
        return F.cross_entropy(z1 @ h.T, te.arange(5))

    step = te.compile(step)
    step(te.randn(5, 4), te.randn(5, 4))
    text = step.source(readable=True)
    assert "Y = np.eye(5, dtype=bool)  # (5, 5)\n" in text
    assert "-z2" in text


@pytest.mark.parametrize(
    ("number", "text"),
    [(2.0, "2"), (3, "3"), (0.1, "0.1"), (32 / 31, "32 / 31"), (8**0.5, "8 ** 0.5"), (8**-0.5, "8 ** -0.5"),
     (1 / 8**0.5, "1 / 8 ** 0.5"), (2.0**-46, "2 ** -46"), (-1 / 3, "-1 / 3"),
     (0.5**0.5, "0.5 ** 0.5"), (1 / math.sqrt(2 * math.pi), "1 / (2 * np.pi) ** 0.5")],
)  # fmt: skip
def test_numbers_of_many_digits_are_what_they_come_from(number, text):
    """Ratios and roots; every one evaluates to the number itself."""
    assert spelled_number(number)[0] == text
    assert eval(text) == number


def test_optimizers_numbers_and_masks_have_names():
    """Adam's step size, the common norm of clipping, dropout's mask."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.2), nn.Linear(4, 1))
    optimizer = optim.Adam(model.parameters())
    step, batch = training(model, F.mse_loss, te.randn(4, 3), te.randn(4, 1), optimizer=optimizer, clip=1.0)
    step = te.compile(step, grads=False)
    for _ in range(2):
        step(*batch)
    for text in (step.source, step.source(readable=True)):
        for name in ("draws", "mask", "norm", "correction", "alpha", "epsilon"):
            assert re.search(rf"\b{name}\b", text)
    assert "mask = (draws.reshape(4, 4) < 0.8).astype(np.float32) / 0.8" in text


@pytest.mark.parametrize("by", ["0.01", "100"])
def test_a_factor_is_no_count(by):
    """Of 100 rows `* 0.01` is not `/ 100`, and `/ 100` is."""
    w = te.ones(3, requires_grad=True)

    def times(x):
        ((x @ w) ** 2).sum().mul(0.01).backward()
        return w.grad

    def over(x):
        (((x @ w) ** 2).sum() / 100).backward()
        return w.grad

    step = te.compile(times if by == "0.01" else over)
    step(te.randn(100, 3))
    text = step.source(readable=True)
    assert ("/ 100" in text) == (by == "100")


def test_docstring_says_what_the_arguments_are():
    """Shapes, and which arrays are written, in both sources."""
    model = nn.Linear(3, 1)
    step, batch = training(model, F.mse_loss, te.randn(8, 3), te.randn(8, 1), optimizer=optim.Adam(model.parameters()))
    step = te.compile(step, grads=False)
    for _ in range(2):
        step(*batch)
    for text in (step.source, step.source(readable=True)):
        assert "x (8, 3), y (8, 1): arguments of the call\n" in text
        assert "W1 (1, 3), b1 (1,): tensors of the step, written in place\n" in text
        assert "t_*, M_*, V_*: what the optimizer keeps for each of them, written in place\n" in text
        assert "lr, beta1, beta2, eps: settings of the optimizer\n" in text


def test_counts_of_explain_add_up():
    """The calls that the trace makes, less those that the passes drop, are the program's; so are the writes."""
    step, _, _ = written(dropout_and_clipping)
    lines = [line for line in step.explain().splitlines() if not line.startswith(" ")]  # a row goes on after spaces
    assert all(len(line) <= 100 for line in step.explain().splitlines())
    figures = [int(re.search(r"-?\d+", line[40:])[0]) for line in lines]
    _, made, *dropped, left = figures[:7]
    assert made - sum(dropped) == left
    assert sum(dropped) > 0
    direct, writes, *copied = map(int, re.findall(r"-?\d+", lines[-1][40:]))
    assert direct + sum(copied) == writes


def test_no_label_is_added_where_it_can_be_set():
    """Labels that name a place of each row once are set, without a function that sums; shares keep their counts."""
    W, X, y = te.randn(3, 4, requires_grad=True), te.randn(6, 3), te.tensor([0, 1, 2, 3, 0, 1])

    def smoothed(X, y):
        return te.autograd.grad(F.cross_entropy(X @ W, y, label_smoothing=0.1, reduction="none").mean(), W)[0]

    def indexed(X, y):
        return te.autograd.grad(-F.log_softmax(X @ W, dim=1)[te.arange(6), y].mean(), W)[0]

    texts = []
    for step in map(te.compile, (smoothed, indexed)):
        step(X, y)
        texts.append(step.source(readable=True))
        scope = {}
        exec(texts[-1], scope)
        given = {"X": X, "y": y, "W": W}
        function = scope[step.__name__]
        words = function.__code__.co_varnames[: function.__code__.co_argcount]
        (dW,) = function(*(given.get(name, W).detach().numpy() for name in words))
        np.testing.assert_allclose(dW, step(X, y).numpy(), atol=1e-6)  # float32; the sums differ in order
    assert "[np.arange(6), y] = -0.9 / 6" in texts[0]
    assert " - 0.1 / 24" in texts[0]
    assert "[np.arange(6), y] = -1 / 6" in texts[1]
    assert "dZ1 = dA1 + np.exp(A1) / 6" in texts[1]
    assert not any("add_along" in text or "np.add.at" in text for text in texts)


def test_places_that_may_meet_are_summed():
    """An index that may name a place twice is left to a function that adds."""
    x, i = te.randn(5, requires_grad=True), te.tensor([0, 1, 1])
    step = te.compile(lambda i: te.autograd.grad(x.gather(0, i).sum(), x)[0])
    step(i)
    assert "add_along(" in step.source(readable=True)
    step = te.compile(lambda i: te.autograd.grad(x[i].sum(), x)[0])
    step(i)
    assert "np.add.at(" in step.source(readable=True)


def test_a_clipped_gradient_keeps_its_name():
    """What an update makes of a gradient that nobody reads any more is called as the gradient."""
    W, X = te.randn(3, 1, requires_grad=True), te.randn(5, 3)
    optimizer = te.optim.SGD([W], lr=0.1)

    def step(X):
        optimizer.zero_grad()
        L = (te.softmax(X @ W, dim=0) ** 2).sum()
        L.backward()
        te.nn.utils.clip_grad_norm_([W], 1.0)
        optimizer.step()
        return L

    compiled = te.compile(step)
    compiled(X)
    text = compiled.source(readable=True)
    assert "dW = share * dW  #" in text
    assert "W -= lr * dW\n" in text
    assert "E = np.exp(" in text


def test_an_equal_number_is_made_once():
    """A setting that two lines negate has no two names."""
    W, b, X = te.randn(3, 2, requires_grad=True), te.zeros(2, requires_grad=True), te.randn(5, 3)

    @te.compile
    def step(lr):
        dW, db = te.autograd.grad(((X @ W + b) ** 2).mean(), [W, b])
        with te.no_grad():
            W.add_(dW, alpha=-lr)
            b.add_(db, alpha=-lr)

    step(0.1)
    text = step.source(readable=True)
    assert "W -= lr * dW" in text
    assert "b -= lr * db" in text
    assert step.source.count(" = -lr\n") == 1


def test_what_is_drawn_is_drawn_once():
    """The slopes of the forward pass are those of the backward pass, also where dA has been put into dZ."""
    W, w = te.randn(3, 3, requires_grad=True), te.randn(4, 3)

    def step(x):
        Z = x @ W
        A = F.rrelu(Z, training=True)
        W.grad = None
        L = (A * w).sum()
        L.backward()
        return L

    step = te.compile(step)
    step(te.randn(4, 3))
    assert step.source(readable=True).count("= _slopes(") == 1
