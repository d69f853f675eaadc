"""autograd.functional and Function side by side with PyTorch."""

from __future__ import annotations

import pytest
from numpy.testing import assert_allclose

import tinygrad_edu
from tinygrad_edu.autograd import functional

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


def both(*arrays):
    """The same arrays as tensors of either library."""
    return tuple(map(tinygrad_edu.tensor, arrays)), tuple(map(torch.tensor, arrays))


def assert_same(mine, theirs):
    """Equal structure, shapes and numbers."""
    if isinstance(theirs, (tuple, list)):
        assert type(mine) is type(theirs)
        assert len(mine) == len(theirs)
        for m, t in zip(mine, theirs, strict=True):
            assert_same(m, t)
        return
    assert tuple(mine.shape) == tuple(theirs.shape)
    assert str(mine.dtype) == str(theirs.dtype).removeprefix("torch.")
    assert mine.requires_grad == theirs.requires_grad
    # float64 products of a few factors of order 1
    assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=1e-12, atol=1e-12)


def scalar(x, y):
    return (x**3).sum() * (y**2).prod() + (x * x).sum()


@pytest.mark.parametrize("create_graph", [False, True])
def test_products_and_jacobians(create_graph, rng):
    """jacobian, hessian, vjp, jvp, vhp, hvp: structure, values, requires_grad, of one and of two inputs."""
    arrays = rng.standard_normal(2), rng.standard_normal((3, 2))
    mine, theirs = both(*arrays)
    vs = rng.standard_normal(2), rng.standard_normal((3, 2))
    v_mine, v_theirs = both(*vs)
    out_mine, out_theirs = both(rng.standard_normal(()), rng.standard_normal(2))
    their = torch.autograd.functional

    def f(x, y):
        return (x * y).sum(), (x**3).exp() * y[:2].sum()

    words = {"create_graph": create_graph}
    assert_same(functional.jacobian(f, mine, **words), their.jacobian(f, theirs, **words))
    assert_same(functional.vjp(f, mine, out_mine, **words), their.vjp(f, theirs, out_theirs, **words))
    assert_same(functional.jvp(f, mine, v_mine, **words), their.jvp(f, theirs, v_theirs, **words))
    for name in ("vhp", "hvp"):
        ours, ref = getattr(functional, name), getattr(their, name)
        assert_same(ours(scalar, mine, v_mine, **words), ref(scalar, theirs, v_theirs, **words))
    assert_same(functional.hessian(scalar, mine, **words), their.hessian(scalar, theirs, **words))
    one = lambda x: (x**3).sum()
    assert_same(functional.hessian(one, mine[0], **words), their.hessian(one, theirs[0], **words))
    assert_same(functional.vjp(one, mine[0], **words), their.vjp(one, theirs[0], **words))


def test_results_of_create_graph_are_differentiated(rng):
    """The gradient of a Jacobian's sum of squares reaches the caller's tensor."""
    array = rng.standard_normal(3)
    found = []
    for library, jacobian in ((tinygrad_edu, functional.jacobian), (torch, torch.autograd.functional.jacobian)):
        x = library.tensor(array, requires_grad=True)
        (jacobian(lambda x: x**3, x, create_graph=True) ** 2).sum().backward()
        found.append(x.grad.numpy())
    assert_allclose(*found, rtol=1e-12)  # float64, a few products


def test_independent_inputs_are_zeros_or_with_strict_an_error():
    """An unused input gives zeros in both libraries, and RuntimeError with strict=True."""
    for library, their in ((tinygrad_edu, functional), (torch, torch.autograd.functional)):
        x, y = library.ones(2), library.ones(3)
        assert their.jacobian(lambda x, y: x * 2, (x, y))[1].tolist() == [[0.0] * 3] * 2
        assert their.hessian(lambda x: x.sum(), x).tolist() == [[0.0] * 2] * 2
        for call in (their.jacobian, their.vjp):
            words = {"v": library.ones(2)} if call is their.vjp else {}
            with pytest.raises(RuntimeError, match="independent of"):
                call(lambda x, y: x * 2, (x, y), strict=True, **words)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda f, one: f.vjp(lambda x: x * 2, one(2)), RuntimeError),
        (lambda f, one: f.jvp(lambda x: x * 2, one(2)), RuntimeError),
        (lambda f, one: f.vjp(lambda x: x * 2, one(2), one(3)), RuntimeError),
        (lambda f, one: f.jvp(lambda x: x * 2, (one(2),), (one(2), one(2))), RuntimeError),
        (lambda f, one: f.hessian(lambda x: x * 2, one(2)), RuntimeError),
        (lambda f, one: f.jacobian(lambda x: x.tolist(), one(2)), TypeError),
        (lambda f, one: f.jacobian(lambda x: x, [1.0]), TypeError),
    ],
)
def test_mistakes_raise_pytorchs_classes(call, error):
    """A missing or misshapen vector, a value that is no scalar, what is no tensor."""
    for library, their in ((tinygrad_edu, functional), (torch, torch.autograd.functional)):
        with pytest.raises(error):
            call(their, library.ones)


def own_function(library):
    """The same Function, defined in either library."""

    class Softplus(library.autograd.Function):
        @staticmethod
        def forward(ctx, x, scale, unused):
            y = (1 + (scale * x).exp()).log()
            ctx.save_for_backward(x, scale, y)
            ctx.mark_non_differentiable(unused)
            return y, x * scale

        @staticmethod
        def backward(ctx, dY, dZ):
            x, scale, y = ctx.saved_tensors
            slope = 1 - (-y).exp()
            dX = dY * scale * slope + dZ * scale if ctx.needs_input_grad[0] else None
            dscale = (dY * x * slope + dZ * x).sum() if ctx.needs_input_grad[1] else None
            return dX, dscale, None

    return Softplus.apply


@pytest.mark.parametrize("scale_needs", [False, True])
def test_one_function_in_both_libraries(scale_needs, rng):
    """Values, gradients and second gradients of a Function with two outputs, saved inputs and output."""
    array = rng.standard_normal((2, 3))
    found = []
    for library in (tinygrad_edu, torch):
        x = library.tensor(array, requires_grad=True)
        scale = library.tensor(0.7, dtype=library.float64, requires_grad=scale_needs)
        y, z = own_function(library)(x, scale, library.ones(1))
        (dX,) = library.autograd.grad((y * z).sum(), x, create_graph=True)
        (dX**2).sum().backward()
        grads = [x.grad] + ([scale.grad] if scale_needs else [])
        found.append([t.detach().numpy() for t in (y, z, dX, *grads)])
    for mine, theirs in zip(*found, strict=True):
        assert_allclose(mine, theirs, rtol=1e-11, atol=1e-12)  # float64; 1 - exp(-y) loses a digit near 0
