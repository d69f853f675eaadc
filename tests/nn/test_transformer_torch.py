"""Transformer layers and stacks against PyTorch: values, gradients, initial values, text, training."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

NEAR = {"rtol": 1e-9, "atol": 1e-9}  # float64, through two layers of sums and norms
INF = float("inf")
CLASSES = [
    "TransformerEncoderLayer",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerDecoder",
    "Transformer",
]
pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor is True:UserWarning")  # PyTorch's


def pair(build):
    """build(library) by both, with PyTorch's weights for both, none of them 0."""
    made = []
    for lib in (tg, torch):
        lib.manual_seed(1)
        made.append(build(lib).double())
    ours, theirs = made
    rng = np.random.default_rng(2)
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(torch.tensor(0.1 * rng.standard_normal(p.shape)))
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return {tg: ours, torch: theirs}


def check(found, call, *arrays):
    """Outputs and the gradients of inputs and parameters are equal."""
    results = {}
    for lib, module in found.items():
        leaves = [lib.tensor(a, requires_grad=True) for a in arrays]
        out = call(lib, module, *leaves)
        w = lib.tensor(np.linspace(-1, 1, out.numel()).reshape(tuple(out.shape)))
        (out * w).sum().backward()
        slopes = [x.grad for x in (*leaves, *module.parameters())]
        results[lib] = [out.detach().numpy(), *(None if g is None else g.numpy() for g in slopes)]
    for mine, expected in zip(results[tg], results[torch], strict=True):
        assert (mine is None) == (expected is None)
        if expected is not None:
            assert mine.shape == expected.shape
            assert_allclose(mine, expected, **NEAR)


OPTIONS = {
    "plain": {},
    "batch_first": {"batch_first": True},
    "norm_first": {"norm_first": True, "batch_first": True},
    "gelu": {"activation": "gelu", "batch_first": True},
    "no-bias": {"bias": False, "layer_norm_eps": 1e-3},
    "function": {"activation": "tanh"},
}


def options(lib, name):
    chosen = {"dropout": 0.0, **OPTIONS[name]}
    if chosen.get("activation") == "tanh":
        chosen["activation"] = lib.tanh
    return chosen


def causal(lib, n):
    return lib.nn.Transformer.generate_square_subsequent_mask(n, dtype=lib.float64)


@pytest.mark.parametrize("mask", ["none", "causal", "hint", "padding"])
@pytest.mark.parametrize("name", OPTIONS)
def test_encoder_layer(name, mask, rng):
    """Every option, with each kind of mask."""
    found = pair(lambda lib: lib.nn.TransformerEncoderLayer(8, 2, 16, **options(lib, name)))
    x = rng.standard_normal((3, 5, 8) if OPTIONS[name].get("batch_first") else (5, 3, 8))

    def call(lib, module, x):
        if mask == "padding":
            return module(x, src_key_padding_mask=lib.tensor(np.arange(5) >= np.array([[5], [3], [4]])))
        if mask == "none":
            return module(x)
        return module(x, causal(lib, 5), is_causal=mask == "hint")

    check(found, call, x)


@pytest.mark.parametrize("name", OPTIONS)
def test_decoder_layer(name, rng):
    """Self-attention by the causal mask, and attention to a padded memory."""
    found = pair(lambda lib: lib.nn.TransformerDecoderLayer(8, 2, 16, **options(lib, name)))
    first = OPTIONS[name].get("batch_first")
    x, memory = (rng.standard_normal((3, n, 8) if first else (n, 3, 8)) for n in (4, 5))

    def call(lib, module, x, memory):
        padding = lib.tensor(np.arange(5) >= np.array([[5], [3], [4]]))
        return module(x, memory, causal(lib, 4), memory_key_padding_mask=padding, tgt_is_causal=True)

    check(found, call, x, memory)


@pytest.mark.parametrize("kind", ["TransformerEncoder", "TransformerDecoder"])
@pytest.mark.parametrize("norm", [False, True])
def test_unbatched_stack(kind, norm, rng):
    """Two layers and a norm, of sequences (L, E); the causal mask may come without the hint."""

    def build(lib):
        layer = getattr(lib.nn, f"{kind}Layer")(8, 2, 16, 0.0)
        return getattr(lib.nn, kind)(layer, 2, lib.nn.LayerNorm(8) if norm else None)

    arrays = [rng.standard_normal((n, 8)) for n in ((4,) if kind == "TransformerEncoder" else (4, 5))]
    check(pair(build), lambda lib, module, *xs: module(*xs, causal(lib, 4)), *arrays)


@pytest.mark.parametrize("first", [False, True])
def test_transformer(first, rng):
    """Encoder and decoder with all masks."""
    found = pair(lambda lib: lib.nn.Transformer(8, 2, 2, 2, 16, 0.0, batch_first=first))
    arrays = [rng.standard_normal((3, n, 8) if first else (n, 3, 8)) for n in (5, 4)]

    def call(lib, module, src, tgt):
        padding = lib.tensor(np.arange(5) >= np.array([[5], [3], [4]]))
        return module(
            src,
            tgt,
            tgt_mask=causal(lib, 4) < 0,
            src_key_padding_mask=padding,
            memory_key_padding_mask=padding,
            tgt_key_padding_mask=lib.tensor(np.zeros((3, 4), bool)),
        )

    check(found, call, *arrays)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("recorded", [True, False])
def test_padding_in_evaluation(aligned, recorded, rng):
    """Without gradients PyTorch packs sequences that are padded at their end, whose padding then gives zeros."""

    def build(lib):
        layer = lib.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        return lib.nn.TransformerEncoder(layer, 2, lib.nn.LayerNorm(8)).eval()

    found = pair(build)
    x = rng.standard_normal((3, 5, 8))
    padding = np.arange(5) >= np.array([[5], [3], [4]]) if aligned else np.arange(5) < np.array([[0], [2], [1]])
    results = []
    for lib, module in found.items():
        with lib.set_grad_enabled(recorded), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's: nested tensors are a prototype
            results.append(module(lib.tensor(x), src_key_padding_mask=lib.tensor(padding)).detach().numpy())
    assert_allclose(*results, **NEAR)


BUILDS = {
    "TransformerEncoderLayer": lambda lib: lib.nn.TransformerEncoderLayer(8, 2, 16, bias=False),
    "TransformerDecoderLayer": lambda lib: lib.nn.TransformerDecoderLayer(8, 2, 16, 0.3, lib.nn.GELU()),
    "TransformerEncoder": lambda lib: lib.nn.TransformerEncoder(
        lib.nn.TransformerEncoderLayer(8, 2, 16), 3, lib.nn.LayerNorm(8)
    ),
    "TransformerDecoder": lambda lib: lib.nn.TransformerDecoder(lib.nn.TransformerDecoderLayer(8, 2, 16), 2),
    "Transformer": lambda lib: lib.nn.Transformer(8, 2, 2, 1, 16),
}


@pytest.mark.parametrize("name", CLASSES)
def test_initial_values_names_and_text(name):
    """From the seed PyTorch's numbers, under its names; the module prints alike."""
    made = []
    for lib in (tg, torch):
        lib.manual_seed(2)
        made.append(BUILDS[name](lib))
    ours, theirs = made
    assert repr(ours) == repr(theirs)
    expected = theirs.state_dict()
    assert list(ours.state_dict()) == list(expected)
    for key, value in ours.state_dict().items():
        assert_array_equal(value.numpy(), expected[key].numpy(), err_msg=key)


@pytest.mark.parametrize("name", CLASSES)
def test_signatures(name):
    """Names, order and defaults of the arguments of constructor and forward."""
    for method in ("__init__", "forward"):
        ours, theirs = (
            inspect.signature(getattr(getattr(lib.nn, name), method)).parameters.values() for lib in (tg, torch)
        )
        assert [p.name for p in ours] == [p.name for p in theirs]
        assert [p.default for p in ours if not callable(p.default)] == [
            p.default for p in theirs if not callable(p.default)
        ]


def test_layers_of_a_stack_are_copies():
    """They start with the same weights, which are not shared."""
    layer = tg.nn.TransformerEncoderLayer(8, 2, 16)
    first, second = tg.nn.TransformerEncoder(layer, 2).layers
    assert_array_equal(first.linear1.weight.detach().numpy(), second.linear1.weight.detach().numpy())
    assert len({id(m.linear1.weight) for m in (layer, first, second)}) == 3


@pytest.mark.parametrize(
    ("src", "tgt"), [((5, 3, 8), (4, 2, 8)), ((5, 3, 8), (4, 3, 7)), ((5, 3, 7), (4, 3, 7))], ids=str
)
def test_transformer_refuses(src, tgt):
    """Batches or lengths of vectors that differ: PyTorch's class, and the shapes."""
    model = tg.nn.Transformer(8, 2, 1, 1, 16)
    with pytest.raises(RuntimeError, match="of src and tgt must be equal") as caught:
        model(tg.zeros(src), tg.zeros(tgt))
    assert str(src) in str(caught.value)
    with pytest.raises(RuntimeError, match="of src and tgt must be equal"):
        torch.nn.Transformer(8, 2, 1, 1, 16)(torch.zeros(src), torch.zeros(tgt))


def test_activation_is_relu_or_gelu_or_a_function():
    """Another name is refused."""
    for lib in (tg, torch):
        with pytest.raises(RuntimeError, match="activation should be relu/gelu, not tanh"):
            lib.nn.TransformerEncoderLayer(8, 2, activation="tanh")


@pytest.mark.parametrize(("dropout", "first"), [(0.0, True), (0.0, False), (0.2, False)])
def test_training_side_by_side(dropout, first, rng):
    """A language model of two layers learns to repeat: the same losses from the same seed.

    With dropout too, where sequences come first: else PyTorch draws the masks in another order, that of its memory.
    """
    tokens = rng.integers(0, 11, (8, 12) if first else (12, 8))
    curves = []
    for lib in (tg, torch):
        lib.manual_seed(0)
        embedding = lib.nn.Linear(11, 16)
        layer = lib.nn.TransformerEncoderLayer(16, 4, 32, dropout, batch_first=first, norm_first=True)
        stack = lib.nn.TransformerEncoder(layer, 2, lib.nn.LayerNorm(16), enable_nested_tensor=False)
        head = lib.nn.Linear(16, 11)
        parameters = [*embedding.parameters(), *stack.parameters(), *head.parameters()]
        optimizer = lib.optim.SGD(parameters, lr=0.1, momentum=0.9)
        X = lib.tensor(np.eye(11, dtype=np.float32)[tokens])
        labels = lib.tensor(tokens)
        mask = lib.nn.Transformer.generate_square_subsequent_mask(12)
        losses = []
        for _ in range(12):
            optimizer.zero_grad()
            Z = head(stack(embedding(X), mask=mask, is_causal=True))
            loss = lib.nn.functional.cross_entropy(Z.reshape(-1, 11), labels.reshape(-1))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        curves.append(losses)
    assert curves[0][-1] < 0.7 * curves[0][0]
    assert_allclose(*curves, rtol=2e-4)  # float32: roundings of 1e-7 that momentum carries through 12 steps
