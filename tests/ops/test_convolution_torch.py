"""Convolutions beside PyTorch's: results, gradients and gradients of those, refusals."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from .side_by_side import OURS, THEIRS, assert_near, assert_refused_alike, compare  # noqa: E402  # after the skip

# name, input, weight, options; a bias is added in every other case
CASES = [
    ("conv1d", (2, 3, 8), (4, 3, 3), {}),
    ("conv1d", (3, 8), (4, 3, 3), {"padding": 1}),
    ("conv1d", (2, 4, 9), (6, 2, 3), {"stride": 2, "padding": 2, "dilation": 2, "groups": 2}),
    ("conv1d", (2, 3, 7), (3, 1, 4), {"padding": "same", "groups": 3}),
    ("conv1d", (2, 3, 7), (3, 3, 4), {"padding": "same", "dilation": 3}),
    ("conv1d", (2, 3, 7), (3, 3, 4), {"padding": "valid", "stride": 3}),
    ("conv1d", (2, 1, 40), (2, 1, 17), {"padding": 8}),
    ("conv2d", (2, 3, 6, 5), (4, 3, 3, 2), {}),
    ("conv2d", (3, 6, 5), (4, 3, 3, 2), {"stride": (2, 1)}),
    ("conv2d", (2, 1, 6, 6), (2, 1, 3, 3), {"padding": 1}),
    ("conv2d", (2, 4, 5, 6), (4, 1, 3, 3), {"padding": 1, "groups": 4}),
    ("conv2d", (2, 4, 5, 6), (8, 1, 3, 3), {"padding": (2, 0), "groups": 4, "stride": 2}),
    ("conv2d", (2, 4, 7, 8), (6, 2, 2, 3), {"stride": (3, 2), "padding": (1, 2), "dilation": (2, 1), "groups": 2}),
    ("conv2d", (2, 3, 4, 4), (5, 3, 1, 1), {}),
    ("conv2d", (2, 3, 5, 4), (5, 3, 1, 1), {"stride": 2}),
    ("conv2d", (2, 3, 8, 8), (5, 3, 4, 4), {"stride": 4}),
    ("conv2d", (2, 3, 4, 4), (2, 3, 4, 4), {}),
    ("conv2d", (2, 3, 5, 5), (2, 3, 3, 4), {"padding": "same", "dilation": (2, 1)}),
    ("conv2d", (2, 2, 3, 3), (2, 2, 2, 2), {"padding": 5}),
    ("conv3d", (2, 2, 4, 3, 5), (3, 2, 2, 3, 2), {"padding": (1, 1, 0), "stride": (2, 1, 1)}),
    ("conv_transpose1d", (2, 3, 5), (3, 4, 3), {}),
    ("conv_transpose1d", (3, 5), (3, 4, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    ("conv_transpose1d", (2, 4, 5), (4, 1, 3), {"stride": 2, "dilation": 3, "output_padding": 2, "groups": 2}),
    ("conv_transpose1d", (2, 2, 5), (2, 3, 2), {"stride": 5}),
    ("conv_transpose2d", (2, 3, 4, 3), (3, 2, 2, 3), {}),
    ("conv_transpose2d", (2, 3, 4, 3), (3, 2, 4, 4), {"stride": 2, "padding": 1}),
    ("conv_transpose2d", (2, 4, 3, 3), (4, 3, 3, 3), {"stride": (2, 3), "padding": (1, 2), "groups": 2}),
    ("conv_transpose2d", (2, 3, 4, 3), (3, 2, 3, 2), {"dilation": (1, 2), "output_padding": (0, 1), "padding": 1}),
    ("conv_transpose2d", (2, 3, 4, 3), (3, 2, 1, 1), {"stride": 2, "output_padding": 1}),
    ("conv_transpose2d", (2, 4, 2, 3), (4, 3, 6, 4), {"stride": (5, 4), "padding": (2, 0), "groups": 2}),
    ("conv_transpose3d", (1, 2, 2, 3, 2), (2, 2, 2, 2, 3), {"stride": 2, "padding": (0, 1, 0)}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "input", "weight", "options"), CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)]
)
@pytest.mark.parametrize("biased", [True, False], ids=["bias", "no bias"])
def test_convolution_is_pytorch_s(name, input, weight, options, biased, rng):
    """Results, gradients of input, weight and bias, and second order, agree to the rounding of float64."""
    n_out = weight[1] * options.get("groups", 1) if "transpose" in name else weight[0]
    shapes = (input, weight, (n_out,)) if biased else (input, weight)
    compare(lambda lib, *xs: getattr(lib.F, name)(*xs, **options), *shapes, rng=rng, exact=False)


@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d"])
def test_a_batch_of_no_samples(name):
    """An empty result, a gradient of zeros for the weight, and an empty one for the input."""
    for lib in (OURS, THEIRS):
        X, W = lib.leaf(np.zeros((0, 3, 5, 5))), lib.leaf(np.ones((3, 3, 2, 2)))
        Y = getattr(lib.F, name)(X, W, stride=2)
        Y.sum().backward()
        assert tuple(Y.shape) == (0, 3, 2, 2) if name == "conv2d" else (0, 3, 10, 10)
        assert tuple(X.grad.shape) == (0, 3, 5, 5)
        assert W.grad.tolist() == np.zeros((3, 3, 2, 2)).tolist()


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_other_dtypes(dtype, rng):
    """float32 stays float32, and whole numbers are exact."""
    X, W = (rng.integers(-4, 5, s).astype(dtype) for s in ((2, 3, 6, 6), (4, 3, 3, 3)))
    ours, theirs = (lib.F.conv2d(lib.make(X), lib.make(W), padding=1) for lib in (OURS, THEIRS))
    assert_near(ours, theirs, dtype, eps=0)  # sums of small whole numbers


def test_inputs_of_any_strides(rng):
    """Transposed, broadcast and sliced tensors are read as they are."""

    def turned(lib, x, w):
        return lib.F.conv2d(x.permute(3, 2, 1, 0), w.transpose(2, 3), padding=1)

    def sliced(lib, x, w):
        return lib.F.conv2d(x[:1].expand(2, 3, 5, 6)[..., ::2], w)

    compare(turned, (6, 5, 3, 2), (3, 3, 4, 2), rng=rng, exact=False)
    compare(sliced, (1, 1, 5, 6), (2, 3, 2, 2), rng=rng, exact=False)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 2},
        {"kernel_size": (2, 3), "padding": 1},
        {"kernel_size": (3, 2), "stride": (2, 1), "dilation": (1, 2), "padding": (1, 0)},
        {"kernel_size": 2, "stride": 3, "padding": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("batch", [(2,), ()], ids=["batch", "one"])
def test_windows_as_columns(options, batch, rng):
    """unfold takes them out, fold adds them back: both agree with PyTorch's, with gradients."""
    image = (5, 6)
    compare(lambda lib, x: lib.F.unfold(x, **options), (*batch, 3, *image), rng=rng)
    columns = tuple(OURS.F.unfold(OURS.make(np.zeros((*batch, 3, *image))), **options).shape)
    compare(lambda lib, x: lib.F.fold(x, output_size=image, **options), columns, rng=rng, exact=False)


REFUSED = {
    "too many channels": (lambda lib, x, w: lib.F.conv2d(x, w), (1, 4, 5, 5), (2, 3, 2, 2)),
    "window larger than the image": (lambda lib, x, w: lib.F.conv2d(x, w), (1, 3, 2, 2), (2, 3, 3, 3)),
    "dilated window larger": (lambda lib, x, w: lib.F.conv1d(x, w, dilation=3), (1, 3, 6), (2, 3, 3)),
    "empty image": (lambda lib, x, w: lib.F.conv2d(x, w), (1, 3, 0, 2), (2, 3, 1, 1)),
    "wrong rank": (lambda lib, x, w: lib.F.conv2d(x, w), (3, 4), (2, 3, 2, 2)),
    "weight of wrong rank": (lambda lib, x, w: lib.F.conv2d(x, w), (1, 3, 4, 4), (2, 3, 2)),
    "groups that don't divide": (lambda lib, x, w: lib.F.conv2d(x, w, groups=2), (1, 6, 4, 4), (3, 3, 2, 2)),
    "no groups": (lambda lib, x, w: lib.F.conv2d(x, w, groups=0), (1, 3, 4, 4), (3, 3, 2, 2)),
    "stride 0": (lambda lib, x, w: lib.F.conv2d(x, w, stride=0), (1, 3, 4, 4), (3, 3, 2, 2)),
    "stride of a float": (lambda lib, x, w: lib.F.conv2d(x, w, stride=1.5), (1, 3, 4, 4), (3, 3, 2, 2)),
    "dilation 0": (lambda lib, x, w: lib.F.conv2d(x, w, dilation=0), (1, 3, 4, 4), (3, 3, 2, 2)),
    "negative padding": (lambda lib, x, w: lib.F.conv2d(x, w, padding=-1), (1, 3, 4, 4), (3, 3, 2, 2)),
    "three paddings": (lambda lib, x, w: lib.F.conv2d(x, w, padding=(1, 1, 1)), (1, 3, 4, 4), (3, 3, 2, 2)),
    "unknown padding": (lambda lib, x, w: lib.F.conv2d(x, w, padding="full"), (1, 3, 4, 4), (3, 3, 2, 2)),
    "same and a stride": (lambda lib, x, w: lib.F.conv2d(x, w, padding="same", stride=2), (1, 3, 4, 4), (3, 3, 2, 2)),
    "bias too long": (lambda lib, x, w, b: lib.F.conv2d(x, w, b), (1, 3, 4, 4), (3, 3, 2, 2), (2,)),
    "bias of a number": (lambda lib, x, w: lib.F.conv2d(x, w, 1.0), (1, 3, 4, 4), (3, 3, 2, 2)),
    "two dtypes": (lambda lib, x, w: lib.F.conv2d(x.float(), w), (1, 3, 4, 4), (3, 3, 2, 2)),
    "transposed, channels": (lambda lib, x, w: lib.F.conv_transpose2d(x, w), (1, 4, 5, 5), (3, 2, 2, 2)),
    "transposed, output_padding": (
        lambda lib, x, w: lib.F.conv_transpose1d(x, w, output_padding=1),
        (1, 3, 4),
        (3, 2, 2),
    ),
    "transposed, too much padding": (lambda lib, x, w: lib.F.conv_transpose1d(x, w, padding=3), (1, 3, 2), (3, 2, 2)),
    "transposed, 'same'": (lambda lib, x, w: lib.F.conv_transpose1d(x, w, padding="same"), (1, 3, 2), (3, 2, 2)),
    "unfold beyond the image": (lambda lib, x: lib.F.unfold(x, 5), (1, 3, 4, 4)),
    "fold of other columns": (lambda lib, x: lib.F.fold(x, (4, 4), 2), (1, 12, 8)),
    "fold of rows that don't divide": (lambda lib, x: lib.F.fold(x, (4, 4), 2), (1, 13, 9)),
}


@pytest.mark.parametrize(("function", "shapes"), [(f, s) for f, *s in REFUSED.values()], ids=REFUSED)
def test_what_pytorch_refuses_is_refused(function, shapes):
    """With an exception that whoever catches PyTorch's catches, and a message."""
    assert_refused_alike(function, *shapes)
