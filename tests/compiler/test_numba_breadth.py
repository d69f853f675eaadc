"""The accelerated engine over everything: each activation, loss, layer family and optimizer against eager mode.

Many small things make one program, since compiling takes a time for each; every one has an input of its own, so its
result and its gradients are compared by themselves.
"""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim

from .training import OPTIMIZERS

pytest.importorskip("numba", reason="Numba is not installed")


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    """A folder for what is compiled, so that no earlier run's kernels are met."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def assert_close(found, expected, name):
    """Within 1e-5 of the largest magnitude, which is what the engine promises: sums are taken in another order."""
    found, expected = found.detach().numpy(), expected.detach().numpy()
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    apart = np.abs(found - expected).max()
    assert apart <= 1e-5 * max(np.abs(expected).max(), 1e-6), f"{name}: {apart} of {np.abs(expected).max()}"


def assert_all_agree(cases):
    """Each case makes a function or module, and its input: results, gradients by inputs and parameters, buffers."""

    def run(compiled):
        te.manual_seed(1)
        modules = {name: build() for name, (build, _) in cases.items()}
        inputs = [given() for _, given in cases.values()]
        floats = [x.is_floating_point() for x in inputs]
        inputs = [x.requires_grad_(True) if f else x for x, f in zip(inputs, floats, strict=True)]

        def step(*inputs):
            outputs = [module(x) for module, x in zip(modules.values(), inputs, strict=True)]
            outputs = [y[0] if isinstance(y, tuple) else y for y in outputs]
            sum((y * te.cos(te.arange(y.numel()).reshape(y.shape))).sum() for y in outputs).backward()
            return outputs

        step = te.compile(step, engine="numba") if compiled else step
        seen = {}
        for name, y in zip(modules, step(*inputs), strict=True):
            seen[f"{name}'s result"] = y
        for name, x in zip(modules, inputs, strict=True):
            if x.grad is not None:
                seen[f"{name}'s gradient"] = x.grad
        for name, module in modules.items():
            for part, p in module.named_parameters() if isinstance(module, nn.Module) else ():
                seen[f"{name}.{part}.grad"] = p.grad
            for part, b in module.named_buffers() if isinstance(module, nn.Module) else ():
                seen[f"{name}.{part}"] = b
        return seen

    expected, found = run(False), run(True)
    assert expected.keys() == found.keys()
    for name in expected:
        assert_close(found[name], expected[name], name)


ACTIVATIONS = [
    "CELU",
    "ELU",
    "GELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


def test_every_activation():
    """On numbers on both sides of all their knees."""
    options = {"LogSoftmax": (1,), "Softmax": (1,), "Softmin": (1,), "Threshold": (0.1, -2.0)}
    build = lambda name: lambda: getattr(nn, name)(*options.get(name, ()))
    assert_all_agree({name: (build(name), lambda: 3 * te.randn(5, 9)) for name in ACTIVATIONS})


def test_every_loss():
    """Of numbers against numbers, labels, signs and rankings; each in its default reduction."""
    te.manual_seed(3)
    numbers, shares, bits = te.randn(6, 4), te.softmax(te.randn(6, 4), 1), (te.randn(6, 4) > 0).float()
    labels, signs, other = te.randint(0, 4, (6,)), te.sign(te.randn(6)), te.randn(6, 4)
    losses = {
        "l1": lambda x: F.l1_loss(x, numbers),
        "smooth_l1": lambda x: F.smooth_l1_loss(x, numbers, beta=0.5),
        "huber": lambda x: F.huber_loss(x, numbers, delta=0.7),
        "mse": lambda x: F.mse_loss(x, numbers, reduction="none"),
        "bce": lambda x: F.binary_cross_entropy(te.sigmoid(x), bits),
        "bce_with_logits": lambda x: F.binary_cross_entropy_with_logits(x, bits, pos_weight=shares[0]),
        "poisson": lambda x: F.poisson_nll_loss(x, bits, full=True),
        "gaussian": lambda x: F.gaussian_nll_loss(x, numbers, shares),
        "kl": lambda x: F.kl_div(te.log_softmax(x, 1), shares, reduction="batchmean"),
        "soft_margin": lambda x: F.soft_margin_loss(x, 2 * bits - 1),
        "cross_entropy": lambda x: F.cross_entropy(x, labels),
        "smoothed": lambda x: F.cross_entropy(x, labels, label_smoothing=0.1, weight=shares[1]),
        "of shares": lambda x: F.cross_entropy(x, shares),
        "nll": lambda x: F.nll_loss(te.log_softmax(x, 1), labels, reduction="sum"),
        "multi_margin": lambda x: F.multi_margin_loss(x, labels),
        "multilabel_soft_margin": lambda x: F.multilabel_soft_margin_loss(x, bits),
        "hinge": lambda x: F.hinge_embedding_loss(x[:, 0], signs),
        "ranking": lambda x: F.margin_ranking_loss(x[:, 0], x[:, 1], signs, margin=0.3),
        "cosine": lambda x: F.cosine_embedding_loss(x, other, signs),
        "triplet": lambda x: F.triplet_margin_loss(x, numbers, other),
    }
    assert_all_agree({name: (lambda loss=loss: loss, lambda: te.randn(6, 4)) for name, loss in losses.items()})


def rows(*shape):
    return lambda: te.randn(*shape)


CONVOLUTIONS = {
    "conv1d": (lambda: nn.Conv1d(2, 3, 3, dilation=2), rows(2, 2, 9)),
    "conv2d": (lambda: nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), rows(2, 2, 7, 7)),
    "transposed": (lambda: nn.ConvTranspose2d(2, 3, 3, stride=2), rows(2, 2, 4, 4)),
    "max": (lambda: nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), rows(2, 2, 6, 6)),
    "max overlapping": (lambda: nn.MaxPool2d(3, 2, 1), rows(2, 2, 7, 7)),
    "average": (lambda: nn.AvgPool2d(3, 2, 1), rows(2, 2, 7, 7)),
    "adaptive": (lambda: nn.AdaptiveAvgPool2d(3), rows(2, 2, 7, 7)),
    "unfolded": (lambda: nn.Unfold(2), rows(2, 2, 4, 4)),
    "padded": (lambda: nn.ReflectionPad2d(1), rows(2, 2, 4, 4)),
    "shuffled": (lambda: nn.PixelShuffle(2), rows(2, 4, 3, 3)),
    "upsampled": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), rows(2, 2, 3, 3)),
}
NORMALISATIONS = {
    "batch": (lambda: nn.BatchNorm2d(3), rows(4, 3, 5, 5)),
    "batch, evaluated": (lambda: nn.BatchNorm1d(3).eval(), rows(4, 3)),
    "layer": (lambda: nn.LayerNorm(6), rows(2, 4, 6)),
    "group": (lambda: nn.GroupNorm(2, 4), rows(2, 4, 5)),
    "instance": (lambda: nn.InstanceNorm2d(3, affine=True), rows(2, 3, 5, 5)),
    "rms": (lambda: nn.RMSNorm(6), rows(3, 6)),
    "response": (lambda: nn.LocalResponseNorm(2), rows(2, 4, 3, 3)),
    "dropout": (lambda: nn.Dropout(0.3), rows(4, 6)),
    "linear": (lambda: nn.Linear(6, 3), rows(4, 6)),
    "bilinear": (lambda: (lambda layer: lambda x: layer(x, x.sin()))(nn.Bilinear(3, 3, 2)), rows(4, 3)),
}
SEQUENCES = {
    "embedding": (lambda: nn.Embedding(7, 3, padding_idx=0), lambda: te.randint(0, 7, (4, 5))),
    "RNN": (lambda: nn.RNN(3, 4, batch_first=True), rows(2, 3, 3)),
    "GRU": (lambda: nn.GRU(3, 4), rows(2, 2, 3)),
    "LSTM": (lambda: nn.LSTM(3, 4), rows(2, 2, 3)),
    "attention": (
        lambda: (lambda layer: lambda x: layer(x, x, x, need_weights=False))(nn.MultiheadAttention(4, 2)),
        rows(3, 2, 4),
    ),
    "block": (lambda: nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True), rows(2, 3, 4)),
}


@pytest.mark.parametrize("family", [CONVOLUTIONS, NORMALISATIONS, SEQUENCES], ids=["planes", "rows", "sequences"])
def test_every_family_of_layers(family):
    """Results, gradients and running statistics."""
    assert_all_agree(family)


def test_every_optimizer():
    """The first step, which makes the state, and those that follow, from the same state each."""
    kinds = {**OPTIMIZERS, "Adafactor": optim.Adafactor}

    def made():
        te.manual_seed(2)
        weights = {name: nn.Parameter(te.randn(4, 3)) for name in kinds}
        return weights, {name: kinds[name]([W]) for name, W in weights.items()}

    def step_of(weights, optimizers):
        def step(X):
            loss = sum((te.sin(W) * X).sum() for W in weights.values())
            for W in weights.values():
                W.grad = None
            loss.backward()
            for optimizer in optimizers.values():
                optimizer.step()
            return loss

        return step

    (eager_weights, eager), (weights, optimizers) = made(), made()
    run, step = step_of(eager_weights, eager), te.compile(step_of(weights, optimizers), engine="numba")
    for k in range(5):
        te.manual_seed(k)
        X = te.randn(4, 3)
        assert_close(step(X), run(X), "loss")
        for name in kinds:
            W, V = weights[name], eager_weights[name]
            assert_close(W, V, name)
            state, expected = optimizers[name].state[W], eager[name].state[V]
            assert state.keys() == expected.keys()
            with te.no_grad():
                W.copy_(V)
                for key, entry in state.items():
                    if isinstance(entry, te.Tensor):
                        assert_close(entry, expected[key], f"{name}'s {key}")
                        entry.copy_(expected[key])
