"""Attention and its module against PyTorch: values, gradients, weights, initial values, errors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

NEAR = {"rtol": 1e-10, "atol": 1e-10}  # float64, sums of some dozen terms in another order
INF = float("inf")


def both(function, *arrays, **named):
    """function(library, *leaves, **named) by both; arrays among the named become tensors."""
    results = []
    for lib in (tg, torch):
        leaves = [lib.tensor(a) for a in arrays]
        for leaf in leaves:
            leaf.requires_grad_(leaf.is_floating_point())
        options = {k: lib.tensor(v) if isinstance(v, np.ndarray) else v for k, v in named.items()}
        results.append((function(lib, *leaves, **options), leaves))
    return results


def check(results, extra=lambda lib: ()):
    """Outputs are equal, and so are the gradients of a weighted sum by the leaves, and the gradients of those."""
    (ours, our_leaves), (theirs, their_leaves) = results
    ours, theirs = (o if isinstance(o, tuple) else (o,) for o in (ours, theirs))
    losses = []
    for mine, expected in zip(ours, theirs, strict=True):
        if expected is None:
            assert mine is None
            continue
        assert tuple(mine.shape) == tuple(expected.shape)
        assert_allclose(mine.detach().numpy(), expected.detach().numpy(), **NEAR)
        w = np.linspace(-1, 1, expected.numel()).reshape(expected.shape)
        losses.append(((mine * tg.tensor(w)).sum(), (expected * torch.tensor(w)).sum()))
    mine, expected = (sum(parts) for parts in zip(*losses, strict=True))
    ours = [x for x in our_leaves if x.requires_grad] + list(extra(tg))
    theirs = [x for x in their_leaves if x.requires_grad] + list(extra(torch))
    first = tg.autograd.grad(mine, ours, create_graph=True, allow_unused=True)
    slopes = torch.autograd.grad(expected, theirs, create_graph=True, allow_unused=True)
    for a, b in zip(first, slopes, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert_allclose(a.detach().numpy(), b.detach().numpy(), **NEAR)


def sdpa(lib, q, k, v, attn_mask=None, **options):
    return lib.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask, **options)


MASKS = {
    "none": None,
    "bool": lambda rng: rng.random((5, 7)) < 0.6,
    "bool-heads": lambda rng: rng.random((2, 1, 5, 7)) < 0.6,
    "keys": lambda rng: rng.random((2, 1, 1, 7)) < 0.6,
    "numbers": lambda rng: rng.standard_normal((5, 7)),
    "minus-infinity": lambda rng: np.where(rng.random((2, 3, 5, 7)) < 0.5, -INF, 0.0),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("scale", [None, 0.1])
def test_scaled_dot_product_attention(mask, scale, rng):
    """Masks that keep, masks that are added, queries without keys among them."""
    arrays = [rng.standard_normal(s) for s in ((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6))]
    chosen = MASKS[mask] and MASKS[mask](rng)
    check(both(sdpa, *arrays, attn_mask=chosen, scale=scale))


SHAPES = {
    "matrices": ((5, 4), (7, 4), (7, 6)),
    "one-batch-axis": ((3, 5, 4), (3, 7, 4), (3, 7, 6)),
    "broadcast-keys": ((2, 3, 5, 4), (2, 1, 7, 4), (2, 1, 7, 6)),
    "broadcast-query": ((5, 4), (3, 7, 4), (3, 7, 6)),
    "broadcast-values": ((3, 5, 4), (3, 7, 4), (2, 3, 7, 6)),
    "one-key": ((2, 3, 5, 4), (2, 3, 1, 4), (2, 3, 1, 6)),
    "no-queries": ((2, 3, 0, 4), (2, 3, 7, 4), (2, 3, 7, 6)),
    "five-axes": ((2, 2, 3, 5, 4), (2, 2, 3, 7, 4), (2, 2, 3, 7, 6)),
}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shapes", SHAPES)
def test_shapes_of_attention(shapes, causal, rng):
    """Any axes in front, which broadcast; the causal mask starts at the upper left."""
    check(both(sdpa, *(rng.standard_normal(s) for s in SHAPES[shapes]), is_causal=causal))


@pytest.mark.parametrize(("heads", "shared"), [(4, 2), (4, 1), (3, 3)])
def test_grouped_queries(heads, shared, rng):
    """With enable_gqa a head of key and value serves neighbouring heads of query."""
    arrays = [rng.standard_normal(s) for s in ((2, heads, 5, 4), (2, shared, 7, 4), (2, shared, 7, 6))]
    check(both(sdpa, *arrays, enable_gqa=True))


def test_no_keys(rng):
    """Without keys the output is 0."""
    arrays = [rng.standard_normal(s) for s in ((2, 5, 4), (2, 0, 4), (2, 0, 6))]
    (ours, _), (theirs, _) = both(sdpa, *arrays)
    assert_array_equal(ours.detach().numpy(), theirs.detach().numpy())


def test_dropout_masks_are_pytorchs(rng):
    """From the same seed the same weights are dropped."""
    arrays = [rng.standard_normal(s) for s in ((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6))]
    tg.manual_seed(5), torch.manual_seed(5)
    check(both(sdpa, *arrays, dropout_p=0.4))


# --- the module

OPTIONS = {
    "plain": {},
    "batch_first": {"batch_first": True},
    "no-bias": {"bias": False},
    "lengths": {"kdim": 5, "vdim": 6},
    "lengths-batch-first": {"kdim": 5, "vdim": 6, "batch_first": True},
    "kdim": {"kdim": 5, "bias": False},
    "bias_kv": {"add_bias_kv": True},
    "zero_attn": {"add_zero_attn": True},
    "everything": {"kdim": 5, "vdim": 6, "add_bias_kv": True, "add_zero_attn": True, "batch_first": True},
}


def modules(**options):
    """The same module of both libraries, with the same weights."""
    made = []
    for lib in (tg, torch):
        lib.manual_seed(1)
        made.append(lib.nn.MultiheadAttention(8, 2, dtype=lib.float64, **options))
    made[0].load_state_dict({k: v.numpy() for k, v in made[1].state_dict().items()})
    for bias in ("in_proj_bias", "out_proj.bias"):  # PyTorch's are 0 at first
        if bias in made[0].state_dict():
            values = np.linspace(-1, 1, made[0].state_dict()[bias].numel())
            for module, lib in zip(made, (tg, torch), strict=True):
                module.state_dict()[bias].copy_(lib.tensor(values))
    return dict(zip((tg, torch), made, strict=True))


def sequences(rng, options, kind="cross"):
    """Query, key and value, as one tensor, as two or as three."""
    first = options.get("batch_first", False)
    lengths = [8, options.get("kdim", 8), options.get("vdim", 8)]
    if kind == "self":
        return [rng.standard_normal((3, 4, 8))]
    arrays = [rng.standard_normal((3, n, E) if first else (n, 3, E)) for n, E in zip((4, 5, 5), lengths, strict=True)]
    return arrays[:2] if kind == "memory" else arrays


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("options", OPTIONS)
def test_multihead_attention(options, need_weights, rng):
    """Output, weights, and the gradients of inputs and of every parameter."""
    found = modules(**OPTIONS[options])
    results = both(
        lambda lib, q, k, v: found[lib](q, k, v, need_weights=need_weights), *sequences(rng, OPTIONS[options])
    )
    check(results, extra=lambda lib: found[lib].parameters())


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("kind", ["self", "memory"])
def test_one_tensor_is_projected_once(kind, first, rng):
    """Self-attention, and attention to a memory that is key and value."""
    found = modules(batch_first=first)

    def call(lib, q, k=None):
        k = q if k is None else k
        return found[lib](q, k, k, need_weights=False)

    arrays = sequences(rng, {"batch_first": first}, kind)
    check(both(call, *arrays), extra=lambda lib: found[lib].parameters())


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("mask", ["none", "bool", "numbers"])
def test_unbatched(mask, average, rng):
    """Sequences (L, E): the weights are (L, S) or (num_heads, L, S)."""
    found = modules()
    chosen = {"none": None, "bool": np.triu(np.ones((4, 5), bool), 2), "numbers": rng.standard_normal((2, 4, 5))}[mask]
    arrays = [rng.standard_normal((n, 8)) for n in (4, 5, 5)]

    def call(lib, q, k, v, **options):
        return found[lib](q, k, v, average_attn_weights=average, **options)

    check(both(call, *arrays, attn_mask=chosen))


def padded(rng, kind):
    mask = rng.random((3, 5)) < 0.4
    mask[:, 0] = False
    return mask if kind == "bool" else np.where(mask, -INF, rng.standard_normal((3, 5)))


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("padding", ["bool", "numbers", None])
@pytest.mark.parametrize("mask", ["bool", "numbers", "each", None])
def test_masks(mask, padding, add, need_weights, rng):
    """attn_mask, (L, S) or one per batch and head, with key_padding_mask, with and without further keys."""
    found = modules(batch_first=True, add_zero_attn=add, add_bias_kv=add)
    masks = {
        "bool": np.triu(np.ones((4, 5), bool), 1),
        "numbers": rng.standard_normal((4, 5)),
        "each": rng.standard_normal((6, 4, 5)),
    }
    named = {"attn_mask": masks.get(mask), "key_padding_mask": padding and padded(rng, padding)}

    def call(lib, q, k, v, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that one mask is bool and the other is not
            return found[lib](q, k, v, need_weights=need_weights, **options)

    check(both(call, *sequences(rng, {"batch_first": True}), **named), extra=lambda lib: found[lib].parameters())


def test_masks_of_two_kinds_warn(rng):
    """As PyTorch does."""
    x = tg.zeros(3, 4, 8, dtype=tg.float64)
    with pytest.warns(UserWarning, match="Support for mismatched key_padding_mask and attn_mask is deprecated"):
        modules(batch_first=True)[tg](
            x, x, x, key_padding_mask=tg.zeros(3, 4, dtype=tg.bool), attn_mask=tg.zeros(4, 4, dtype=tg.float64)
        )


@pytest.mark.parametrize("need_weights", [True, False])
def test_is_causal(need_weights, rng):
    """With the hint the mask is the causal one; with weights or padding the given mask is read."""
    found = modules(batch_first=True)
    mask = np.triu(np.full((4, 4), -INF), 1)

    def call(lib, x, attn_mask):
        return found[lib](x, x, x, need_weights=need_weights, attn_mask=attn_mask, is_causal=True)

    x = rng.standard_normal((3, 4, 8))
    results = both(lambda lib, x: call(lib, x, lib.tensor(mask)), x)
    check(results, extra=lambda lib: found[lib].parameters())


@pytest.mark.parametrize("need_weights", [True, False])
def test_a_query_without_keys(need_weights, rng):
    """NaN where the weights are asked for, else zeros."""
    found = modules(batch_first=True)
    mask = np.zeros((4, 4), bool)
    mask[1] = True
    x = rng.standard_normal((3, 4, 8))
    with np.errstate(invalid="ignore"):  # of -inf - -inf NumPy warns
        (ours, _), (theirs, _) = both(
            lambda lib, x: found[lib](x, x, x, need_weights=need_weights, attn_mask=lib.tensor(mask))[0], x
        )
    assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), **NEAR)


@pytest.mark.parametrize("need_weights", [True, False])
def test_dropout_of_weights(need_weights, rng):
    """In training weights are dropped, the same as PyTorch's; in evaluation none."""
    found = modules(batch_first=True, dropout=0.5)
    x = rng.standard_normal((3, 4, 8))
    for training in (True, False):
        for lib, module in found.items():
            module.train(training)
            lib.manual_seed(7)
        results = both(lambda lib, x: found[lib](x, x, x, need_weights=need_weights), x)
        check(results)


@pytest.mark.parametrize("options", OPTIONS)
def test_initial_values_names_and_text(options):
    """From the seed PyTorch's numbers, under its names; the module prints alike."""
    made = []
    for lib in (tg, torch):
        lib.manual_seed(2)
        made.append(lib.nn.MultiheadAttention(8, 2, **OPTIONS[options]))
    ours, theirs = made
    assert repr(ours) == repr(theirs)
    expected = theirs.state_dict()
    assert list(ours.state_dict()) == list(expected)
    for name, value in ours.state_dict().items():
        # equal but for the normals of bias_k and bias_v, whose logarithm is another library's
        assert_allclose(value.numpy(), expected[name].numpy(), rtol=1e-6 if "bias_" in name else 0)
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]


def test_static_keys_and_values(rng):
    """Keys and values given per head take the place of the projected ones."""
    found = modules()

    def call(lib, q, k, v, static_k, static_v):
        m = found[lib]
        return lib.nn.functional.multi_head_attention_forward(
            q, k, v, 8, 2, m.in_proj_weight, m.in_proj_bias, None, None, False, 0.0, m.out_proj.weight,
            m.out_proj.bias, static_k=static_k, static_v=static_v,
        )  # fmt: skip

    arrays = [*sequences(rng, {}), rng.standard_normal((6, 7, 4)), rng.standard_normal((6, 7, 4))]
    check(both(call, *arrays))


WRONG = {
    "four axes": ((3, 4, 5, 8), (5, 3, 8), (5, 3, 8), {}),
    "key unbatched": ((4, 3, 8), (5, 8), (5, 8), {}),
    "key batched": ((4, 8), (5, 3, 8), (5, 3, 8), {}),
    "embed_dim": ((4, 3, 7), (5, 3, 7), (5, 3, 7), {}),
    "key and value": ((4, 3, 8), (5, 3, 8), (6, 3, 8), {}),
    "mask of other lengths": ((4, 3, 8), (5, 3, 8), (5, 3, 8), {"attn_mask": (5, 4)}),
    "mask per head": ((4, 3, 8), (5, 3, 8), (5, 3, 8), {"attn_mask": (3, 4, 5)}),
    "mask of one axis": ((4, 3, 8), (5, 3, 8), (5, 3, 8), {"attn_mask": (5,)}),
    "unbatched mask per head": ((4, 8), (5, 8), (5, 8), {"attn_mask": (3, 4, 5)}),
    "padding of other batch": ((4, 3, 8), (5, 3, 8), (5, 3, 8), {"key_padding_mask": (5, 3)}),
    "padding of one axis": ((4, 3, 8), (5, 3, 8), (5, 3, 8), {"key_padding_mask": (5,)}),
    "causal without mask": ((4, 3, 8), (5, 3, 8), (5, 3, 8), {"is_causal": True}),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_have_pytorchs_class(case):
    """What PyTorch refuses is refused here, by the same class, with the shapes."""
    q, k, v, options = WRONG[case]
    raised = []
    for lib, module in modules().items():
        named = {n: lib.zeros(o, dtype=lib.float64) if isinstance(o, tuple) else o for n, o in options.items()}
        with pytest.raises((AssertionError, RuntimeError, ValueError, IndexError)) as caught:
            module(*(lib.zeros(s, dtype=lib.float64) for s in (q, k, v)), **named)
        raised.append(caught.value)
    assert isinstance(raised[0], type(raised[1]))
    assert str(raised[0])


@pytest.mark.parametrize("arguments", [(8, 3), (0, 2), (8, 0), (-4, 2)])
def test_constructors_errors(arguments):
    """Lengths that are no multiples, or not positive."""
    raised = []
    for lib in (tg, torch):
        with pytest.raises((AssertionError, ValueError)) as caught:
            lib.nn.MultiheadAttention(*arguments)
        raised.append(caught.value)
    assert type(raised[0]) is type(raised[1])
    assert str(raised[1]).rstrip(".") in str(raised[0])
