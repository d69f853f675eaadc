"""grid_sample and affine_grid beside PyTorch's: values, gradients, second order, edges, errors, a training run."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_edu as te

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

LIBRARIES = (torch, te)
CLOSE = {"rtol": 1e-9, "atol": 1e-9}  # float64; 16 products per place at most, and places that are scaled by 8
MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")
SHAPES = {  # of the input, and the lengths of the grid
    "images": ((2, 3, 4, 5), (3, 4)),
    "one row": ((1, 2, 1, 4), (2, 2)),
    "volumes": ((2, 2, 3, 4, 2), (2, 1, 3)),
    "no channels": ((2, 0, 3, 3), (2, 2)),
    "no images": ((0, 2, 3, 3), (2, 2)),
    "no places": ((2, 2, 3, 3), (0, 2)),
}


def sampled(lib, X, G, mode, padding, align):
    """The result and its gradients by image and places."""
    x, g = lib.tensor(X, requires_grad=True), lib.tensor(G, requires_grad=True)
    y = lib.nn.functional.grid_sample(x, g, mode, padding, align)
    return [y, *lib.autograd.grad((y * y + y).sum(), [x, g])]


def assert_same(found):
    for theirs, ours in zip(*found, strict=True):
        assert tuple(theirs.shape) == tuple(ours.shape)
        assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), **CLOSE)


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("case", SHAPES)
def test_samples_and_gradients_agree(case, align, rng):
    """In all modes and paddings, at places inside, at the border, and far outside."""
    shape, lengths = SHAPES[case]
    X = rng.standard_normal(shape)
    for mode, padding, reach in itertools.product(MODES, PADDINGS, (0.9, 1.6, 8.0)):
        if mode == "bicubic" and len(shape) == 5:
            continue
        G = rng.uniform(-reach, reach, (shape[0], *lengths, len(shape) - 2))
        assert_same([sampled(lib, X, G, mode, padding, align) for lib in LIBRARIES])


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("mode", MODES)
def test_places_on_elements_and_ends_agree(mode, padding):
    """Where floor and the mirrors decide: exact elements, exact ends, the middle of two."""
    X = np.arange(12.0).reshape(1, 1, 3, 4)
    ends = np.array([-1.5, -1, -0.75, -0.5, 0, 0.25, 0.5, 1, 1.25])
    G = np.stack(np.meshgrid(ends, ends), -1)[None]
    for align in (True, False):
        assert_same([sampled(lib, X, G, mode, padding, align)[:2] for lib in LIBRARIES])


def test_second_derivatives_agree_with_central_differences(rng):
    """PyTorch has none. By image and places, bilinear and bicubic."""
    for mode in ("bilinear", "bicubic"):
        x = te.tensor(rng.standard_normal((1, 1, 3, 4)), requires_grad=True)
        g = te.tensor(rng.uniform(-0.9, 0.9, (1, 2, 2, 2)), requires_grad=True)
        assert te.autograd.gradgradcheck(
            lambda x, g, m=mode: te.nn.functional.grid_sample(x, g, m, "zeros", False), (x, g)
        )


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("size", [(2, 1, 3, 4), (2, 3, 1, 5), (2, 1, 2, 3, 4)])
def test_affine_grids_agree(size, align, rng):
    """Values and the gradient by theta."""
    T = rng.standard_normal((2, len(size) - 2, len(size) - 1))
    found = []
    for lib in LIBRARIES:
        theta = lib.tensor(T, requires_grad=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's, of axes of length 1
            grid = lib.nn.functional.affine_grid(theta, size, align_corners=align)
        found.append([grid, *lib.autograd.grad((grid**2).sum(), theta)])
    assert_same(found)


def test_a_missing_align_corners_warns():
    """As PyTorch does, whose default changed."""
    for lib in LIBRARIES:
        F = lib.nn.functional
        with pytest.warns(UserWarning, match="Default grid_sample and affine_grid behavior has changed"):
            grid = F.affine_grid(lib.eye(2, 3)[None], (1, 1, 2, 2))
        with pytest.warns(UserWarning, match="Default grid_sample"):
            F.grid_sample(lib.ones(1, 1, 2, 2), grid)


WRONG = {
    "mode": ((1, 1, 2, 2), (1, 2, 2, 2), {"mode": "cubic"}),
    "padding": ((1, 1, 2, 2), (1, 2, 2, 2), {"padding_mode": "circular"}),
    "batch": ((2, 1, 2, 2), (1, 2, 2, 2), {}),
    "axes": ((1, 1, 2, 2), (1, 2, 2, 2, 3), {}),
    "coordinates": ((1, 1, 2, 2), (1, 2, 2, 3), {}),
    "no elements": ((1, 1, 0, 2), (1, 2, 2, 2), {}),
    "cubic volumes": ((1, 1, 2, 2, 2), (1, 2, 2, 2, 3), {"mode": "bicubic"}),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_are_of_pytorchs_class(name):
    """The message names the operation, and the shapes or the words."""
    shape, places, options = WRONG[name]
    raised = []
    for lib in LIBRARIES:
        with pytest.raises((RuntimeError, ValueError)) as caught:
            lib.nn.functional.grid_sample(lib.ones(shape), lib.zeros(places), align_corners=False, **options)
        raised.append(caught)
    assert isinstance(raised[1].value, raised[0].type)
    assert str(raised[1].value).startswith("grid_sample: ")


THETAS = {"size": ((1, 2, 3), (1, 1, 2)), "theta": ((1, 3, 4), (1, 1, 2, 2)), "none": ((1, 2, 3), (1, 1, 0, 2))}


@pytest.mark.parametrize("name", THETAS)
def test_errors_of_affine_grid_are_of_pytorchs_class(name):
    """With the shapes that disagree."""
    shape, size = THETAS[name]
    raised = []
    for lib in LIBRARIES:
        with pytest.raises((ValueError, NotImplementedError)) as caught:
            lib.nn.functional.affine_grid(lib.ones(shape), size, align_corners=False)
        raised.append(caught)
    assert isinstance(raised[1].value, raised[0].type)


def test_a_spatial_transformer_trains_with_pytorchs_curve():
    """Localisation, affine_grid, grid_sample, classifier; ten steps of SGD from one seed."""
    curves = []
    for lib in LIBRARIES:
        lib.manual_seed(1)
        nn, F = lib.nn, lib.nn.functional
        locate, head = nn.Linear(36, 6), nn.Linear(36, 3)
        nn.init.normal_(locate.weight, 0, 0.01)
        locate.bias.data.copy_(lib.tensor([1.0, 0, 0, 0, 1, 0]))
        optimizer = lib.optim.SGD([*locate.parameters(), *head.parameters()], lr=0.1)
        x, y, losses = lib.randn(8, 1, 6, 6), lib.randint(0, 3, (8,)), []
        for _ in range(10):
            theta = locate(x.flatten(1)).view(-1, 2, 3)
            seen = F.grid_sample(x, F.affine_grid(theta, x.size(), align_corners=False), align_corners=False)
            loss = F.cross_entropy(head(seen.flatten(1)), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        curves.append(losses)
    assert_allclose(curves[1], curves[0], rtol=1e-4)  # float32, ten steps
