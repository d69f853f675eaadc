"""A compiled step gives eager mode's numbers bit for bit: losses, parameters, gradients, state, the generator."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim

from .training import OPTIMIZERS, cross_entropy, training


def everything(model, optimizer):
    """The bytes of all that a step changes."""
    found = {name: t.numpy().tobytes() for name, t in model.state_dict().items()}
    for name, p in model.named_parameters():
        found[f"{name}.grad"] = None if p.grad is None else p.grad.numpy().tobytes()
    for k, entries in enumerate(optimizer.state.values()):
        found.update({f"{k}.{name}": t.numpy().tobytes() for name, t in entries.items()})
    return found


def assert_same_steps(make, batches, compiled=te.compile):
    """Both take the same steps from the same state, the generator included. Returns the compiled step."""
    (eager_model, eager_optimizer, eager), (model, optimizer, step) = make(), make()
    step = compiled(step)
    before = te.get_rng_state()
    for batch in batches:
        expected = eager(*batch)
        after = te.get_rng_state()
        te.set_rng_state(before)
        found = step(*batch)
        assert te.get_rng_state().numpy().tobytes() == after.numpy().tobytes()
        before = after
        assert found.numpy().tobytes() == expected.detach().numpy().tobytes()
        assert everything(model, optimizer) == everything(eager_model, eager_optimizer)
    return step


def sgd(p):
    return optim.SGD(p, lr=0.1, momentum=0.9)


def adam(p):
    return optim.Adam(p, lr=0.01)


ROWS = 16


def mlp():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def rows():
    te.manual_seed(1)
    return te.randn(ROWS, 8), te.randint(0, 4, (ROWS,))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_two_hundred_steps_of_every_optimizer_equal_the_eager_ones(name):
    """The first step, which makes the state, and 199 that follow, with fresh data each."""
    te.manual_seed(2)
    batches = [(te.randn(ROWS, 8), te.randint(0, 4, (ROWS,))) for _ in range(200)]
    assert_same_steps(lambda: training(mlp, OPTIMIZERS[name]), batches)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x):
        x = x + F.relu(self.first(x))
        x = x + te.tanh(self.second(x))
        return self.last(x)


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.embedding, self.cell, self.out = nn.Embedding(11, 6), kind(6, 8, batch_first=True), nn.Linear(8, 11)

    def forward(self, x):
        return self.out(self.cell(self.embedding(x))[0])


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 16)
        self.places = nn.Parameter(te.zeros(7, 16))
        self.block = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.1, batch_first=True)
        self.out = nn.Linear(16, 11)

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(7)
        return self.out(self.block(self.embedding(x) + self.places, mask, is_causal=True))


class Variational(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(8, 6), nn.Linear(3, 8)

    def forward(self, x):
        mean, log_variance = self.encoder(x).chunk(2, 1)
        return self.decoder(mean + te.randn_like(mean) * te.exp(0.5 * log_variance)), mean, log_variance


def evidence(model, X, Y):
    decoded, mean, log_variance = model(X)
    return F.mse_loss(decoded, X, reduction="sum") - 0.5 * te.sum(1 + log_variance - mean**2 - log_variance.exp())


def characters(model, X, Y):
    return F.cross_entropy(model(X).reshape(-1, 11), Y.reshape(-1), label_smoothing=0.1)


def penalized(model, X, Y):
    """Second order inside of the step: the gradient by the input enters the loss."""
    X = X.clone().requires_grad_(True)
    scores = model(X)
    (slope,) = te.autograd.grad(scores.sum(), X, create_graph=True)
    return F.cross_entropy(scores, Y) + 0.1 * (slope**2).sum()


def clip(model):
    nn.utils.clip_grad_norm_(model.parameters(), 0.5)


def text():
    te.manual_seed(1)
    return te.randint(0, 11, (4, 7)), te.randint(0, 11, (4, 7))


def pictures():
    te.manual_seed(1)
    return te.randn(8, 1, 12, 12), te.randint(0, 5, (8,))


MODELS = {
    "residual": (Residual, sgd, cross_entropy, rows),
    "dropout": (lambda: nn.Sequential(nn.Linear(8, 9), nn.Dropout(0.3), nn.Linear(9, 4)), adam, cross_entropy, rows),
    "layer norm": (lambda: nn.Sequential(nn.Linear(8, 9), nn.LayerNorm(9), nn.Linear(9, 4)), adam, cross_entropy, rows),
    "batch norm": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.Flatten(), nn.Linear(400, 5)),
        adam,
        cross_entropy,
        pictures,
    ),
    "convolutions": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3), nn.ReLU(), nn.AvgPool2d(2),
            nn.Flatten(), nn.Linear(32, 5),
        ),
        sgd,
        cross_entropy,
        pictures,
    ),
    "transposed": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2), nn.GroupNorm(2, 4), nn.ConvTranspose2d(4, 2, 3), nn.Flatten(),
            nn.Linear(98, 5),
        ),
        adam,
        cross_entropy,
        pictures,
    ),
    "RNN": (lambda: Recurrent(nn.RNN), adam, characters, text),
    "GRU": (lambda: Recurrent(nn.GRU), adam, characters, text),
    "LSTM": (lambda: Recurrent(nn.LSTM), adam, characters, text),
    "transformer": (Attention, adam, characters, text),
    "variational": (Variational, adam, evidence, rows),
    "second order": (Residual, sgd, penalized, rows),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_models_train_as_they_do_eagerly(name):
    """Six steps of each kind of layer; draws (dropout, noise) come from the same generator in the same order."""
    build, optimizer, loss_of, data = MODELS[name]
    assert_same_steps(lambda: training(build, optimizer, loss_of), [data()] * 6)


@pytest.mark.parametrize("name", ["ELU", "GELU", "SiLU", "Mish", "Softplus", "LeakyReLU", "PReLU", "Hardswish", "SELU",
                                  "Sigmoid", "LogSigmoid", "Softsign", "CELU", "ReLU6", "Tanhshrink"])  # fmt: skip
def test_activations(name):
    """Each activation between two linear layers."""
    build = lambda: nn.Sequential(nn.Linear(8, 8), getattr(nn, name)(), nn.Linear(8, 4))
    assert_same_steps(lambda: training(build, sgd), [rows()] * 4)


@pytest.mark.parametrize(
    "name", ["L1Loss", "SmoothL1Loss", "HuberLoss", "MSELoss", "BCEWithLogitsLoss", "PoissonNLLLoss"]
)
def test_losses(name):
    """Losses of numbers against numbers."""
    loss_of = lambda model, X, Y: getattr(nn, name)()(model(X), te.sigmoid(X))
    assert_same_steps(lambda: training(lambda: nn.Linear(8, 8), sgd, loss_of), [rows()] * 4)


def test_gradients_that_are_sums_of_many_copies():
    """The rule's sum is the same function on arrays as in a program: 61 rows, which BLAS adds in another order."""
    te.manual_seed(0)
    W, v = te.randn(30, requires_grad=True), te.randn(61 * 30)

    def step():
        return te.autograd.grad((W.repeat(61) * v).sum(), W)[0]

    assert te.compile(step)().numpy().tobytes() == step().numpy().tobytes()


POWERS = {
    "constant": lambda c: (c + 0.0) ** -0.8,
    "mean": lambda c: (c[None] * 1.0).mean() ** 1.3,
    "slope": lambda c: te.autograd.grad((W := c.detach().requires_grad_()).mul(1.0) ** -0.8, W)[0],
    "square": lambda c: (c / 3.0) ** 2,
}


@pytest.mark.parametrize("name", POWERS)
def test_powers_of_a_single_number(name):
    """A tensor without axes is an array; NumPy's scalars have another pow, which differs for a seventeenth of these."""
    step = te.compile(POWERS[name])
    for k in range(1, 200):
        c = te.tensor(float(k), dtype=te.float64)
        assert step(c).item() == POWERS[name](c).item()


def test_clipping_belongs_to_the_step():
    """clip_grad_norm_ between backward and update."""
    assert_same_steps(lambda: training(Residual, sgd, before_update=clip), [rows()] * 5)


def test_source_runs_with_numpy_alone():
    """The program's text, executed by itself, is the function that runs: it mentions nothing of the package."""
    model, optimizer, step = training(mlp, sgd)
    step = te.compile(step)
    batch = rows()
    for _ in range(3):
        step(*batch)
    scope = {}
    exec(step.source, scope)
    written = scope["program"]()
    before = {n: t.clone() for n, t in model.state_dict().items()}
    names = written.__code__.co_varnames[: written.__code__.co_argcount]
    weights = [before[n].numpy() for n in ("0.weight", "0.bias", "2.weight", "2.bias")]
    momenta = [entries["momentum_buffer"].numpy().copy() for entries in optimizer.state.values()]
    given = dict(zip(("W1", "b1", "W2", "b2", "M_W1", "M_b1", "M_W2", "M_b2"), [*weights, *momenta], strict=True))
    given.update(zip(("X", "Y"), (t.numpy() for t in batch), strict=True))
    given.update(lr=0.1, momentum=0.9)
    found = written(*(given[n] for n in names))
    assert found[0] == step(*batch).item()
    for name, array in zip(("0.weight", "0.bias", "2.weight", "2.bias"), weights, strict=True):
        np.testing.assert_array_equal(array, model.state_dict()[name].numpy())
    assert "tinygrad" not in step.source


@pytest.mark.parametrize("name", ["convolutions", "LSTM", "transformer", "batch norm", "transposed"])
def test_helpers_are_written_out(name):
    """Operations that are kept whole bring their source: the program refers to nothing outside of itself."""
    build, optimizer, loss_of, data = MODELS[name]
    step = te.compile(training(build, optimizer, loss_of)[2])
    step(*data())
    scope = {}
    exec(step.source, scope)
    assert callable(scope["program"]())
    assert "tinygrad" not in step.source


def test_formulas_compute_the_same():
    """source(readable=True) is a function too; only the order of its sums may differ."""
    te.manual_seed(0)
    W1, b1 = te.randn(2, 4, requires_grad=True), te.zeros(4, 1, requires_grad=True)
    W2, b2 = te.randn(4, 1, requires_grad=True), te.zeros(1, 1, requires_grad=True)
    optimizer = optim.SGD([W1, b1, W2, b2], lr=0.5)

    @te.compile
    def step(X, Y):
        optimizer.zero_grad()
        Z1 = W1.T @ X + b1
        A1 = te.tanh(Z1)
        Z2 = W2.T @ A1 + b2
        A2 = te.sigmoid(Z2)
        L = -(Y * te.log(A2) + (1 - Y) * te.log(1 - A2)).mean()
        L.backward()
        optimizer.step()
        return L

    X, Y = te.randn(2, 50), (te.rand(1, 50) > 0.5).float()
    step(X, Y)
    text = step.source(readable=True)
    scope = {}
    exec(text, scope)
    given = [t.detach().numpy().copy() for t in (X, Y, W1, b1, W2, b2)]
    found = scope["step"](*given, 0.5)
    assert abs(found[0] - step(X, Y).item()) < 1e-6  # float32, another order of sums
    for array, tensor in zip(given[2:], (W1, b1, W2, b2), strict=True):
        np.testing.assert_allclose(array, tensor.detach().numpy(), rtol=1e-5, atol=1e-6)  # float32, as above
    for line in ("A1 = np.tanh(Z1)", "dZ1 = dA1 * (1 - A1 ** 2)", "dA1 = W2 @ dZ2", "b2 -= lr * db2"):
        assert line in text


def test_source_is_the_same_at_every_run():
    """Two models built alike give the same bytes."""
    sources = []
    for _ in range(2):
        step = te.compile(training(mlp, adam)[2])
        step(*rows())
        step(*rows())
        sources.append(step.source + step.source(readable=True))
    assert sources[0] == sources[1]
