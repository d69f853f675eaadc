"""autograd.grad, and gradients of gradients."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tinygrad_edu import autograd, no_grad, ones, tensor
from tinygrad_edu.autograd import grad


def leaf(*numbers):
    return tensor(list(numbers), dtype=np.float64, requires_grad=True)


def test_gradients_are_returned_and_grad_is_left_alone():
    """One tensor per input, of its shape; constants unless create_graph; .grad stays None."""
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    gx, gw = grad((x * w).sum(), [x, w])
    assert_array_equal(gx, [3, 4])
    assert_array_equal(gw, [1, 2])
    assert not gx.requires_grad
    assert x.grad is None
    assert w.grad is None


def test_inputs_may_be_inner_values_and_the_output_itself():
    """The output's gradient by itself is its cotangent."""
    x = leaf(1.0, 2.0)
    y = x * x
    loss = (y * 3).sum()
    gx, gy, gl = grad(loss, (x, y, loss))
    assert_array_equal(gx, [6, 12])
    assert_array_equal(gy, [3, 3])
    assert gl.item() == 1


def test_several_outputs_are_summed():
    """Each with its cotangent; the same output twice counts twice."""
    x = leaf(1.0, 2.0)
    squares = x * x
    (g,) = grad([squares, x.sum()], x, grad_outputs=[tensor([1.0, 10.0], dtype=np.float64), None])
    assert_array_equal(g, [3, 41])
    total = (x * 2).sum()
    (g,) = grad([total, total], x)
    assert_array_equal(g, [4, 4])


def test_tensors_may_come_from_anything_that_gives_them():
    """model.parameters() is a generator, a dict has values()."""
    x, y = leaf(2.0), leaf(3.0)
    named = {"x": x, "y": y}
    for inputs in (named.values(), (v for v in (x, y)), iter([x, y])):
        assert [g.item() for g in grad(x * y, inputs)] == [3.0, 2.0]
    outputs, cotangents = {"twice": x * 2, "square": y * y}, {"x": x.detach(), "y": y.detach()}
    assert [g.item() for g in grad(outputs.values(), [x, y], cotangents.values())] == [4.0, 18.0]


def test_unused_input_is_an_error_that_names_it():
    """allow_unused gives None for it, materialize_grads zeros."""
    x, other = leaf(1.0, 2.0), leaf(3.0)
    with pytest.raises(RuntimeError, match=r"do not depend on other\. Pass allow_unused=True"):
        grad(x.sum(), [x, other])
    assert grad(x.sum(), [x, other], allow_unused=True)[1] is None
    zeros = grad(x.sum(), [x, other], materialize_grads=True)[1]
    assert_array_equal(zeros, [0])
    assert zeros.dtype == other.dtype
    with pytest.raises(ValueError, match="allow_unused can't be False"):
        grad(x.sum(), [x, other], materialize_grads=True, allow_unused=False)


def test_wrong_calls_are_refused():
    """Constants, numbers, and counts that do not match."""
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"grad: .* does not require grad"):
        grad(x.sum(), ones(2))
    with pytest.raises(TypeError, match="expected a Tensor, got float"):
        grad(x.sum(), 1.0)
    with pytest.raises(RuntimeError, match="2 outputs need as many grad_outputs, got 1"):
        grad([x.sum(), x.sum()], x, grad_outputs=[None])
    with pytest.raises(RuntimeError, match="only for scalar outputs"):
        grad(x * x, x)


def test_arrays_are_freed_unless_retained():
    """retain_graph defaults to create_graph."""
    x = leaf(1.0, 2.0)
    loss = (x * x).sum()
    grad(loss, x, retain_graph=True)
    grad(loss, x, create_graph=True)
    grad(loss, x)
    with pytest.raises(RuntimeError, match="second time"):
        grad(loss, x)


def test_third_derivative_of_tanh():
    """Rules on Tensors give a graph, again and again: 1 - t^2, -2 t (1 - t^2), (6 t^2 - 2)(1 - t^2)."""
    x = leaf(-1.5, 0.0, 0.3, 2.0)
    t = np.tanh(x.detach().numpy())
    (first,) = grad(x.tanh().sum(), x, create_graph=True)
    (second,) = grad(first.sum(), x, create_graph=True)
    (third,) = grad(second.sum(), x)
    # float64, a dozen roundings on numbers of size 1
    assert_allclose(first.detach(), 1 - t**2, rtol=1e-12, atol=1e-15)
    assert_allclose(second.detach(), -2 * t * (1 - t**2), rtol=1e-12, atol=1e-15)
    assert_allclose(third, (6 * t**2 - 2) * (1 - t**2), rtol=1e-12, atol=1e-15)
    assert not third.requires_grad


def test_derivatives_of_a_power_end_in_zero():
    """x^3: 3 x^2, 6 x, 6, and then nothing that depends on x."""
    x = leaf(2.0)
    y = x**3
    found = []
    for _ in range(3):
        (y,) = grad(y.sum(), x, create_graph=True)
        found.append(y.item())
    assert found == [12.0, 12.0, 6.0]


def test_mixed_second_derivatives_are_equal():
    """d2/dxdw of sin(x w) either way round."""
    x, w = leaf(0.7), leaf(1.3)
    f = (x * w).sin().sum()
    gx, gw = grad(f, [x, w], create_graph=True)
    (xw,) = grad(gx, w, retain_graph=True)
    (wx,) = grad(gw, x)
    assert_allclose(xw, wx, rtol=1e-15)  # one rounding
    assert_allclose(xw, np.cos(0.91) - 0.91 * np.sin(0.91), rtol=1e-14)


def test_hessian_vector_product(rng):
    """The gradient of <gradient, v> of a quadratic form is (A + A.T) v."""
    A, v = tensor(rng.standard_normal((4, 4))), tensor(rng.standard_normal(4))
    x = tensor(rng.standard_normal(4), requires_grad=True)
    (g,) = grad(x @ A @ x, x, create_graph=True)
    (Hv,) = grad(g @ v, x)
    A, v = A.numpy(), v.numpy()
    assert_allclose(Hv, (A + A.T) @ v, rtol=1e-12)  # sums of four


def test_gradient_penalty_trains_the_weights(rng):
    """A loss that contains a gradient: d/dW of |d(f)/dx|^2, against the closed form."""
    W, x = tensor(rng.standard_normal(3), requires_grad=True), tensor(rng.standard_normal(3), requires_grad=True)
    (g,) = grad((W * x * x).sum(), x, create_graph=True)  # 2 W x
    (g * g).sum().backward()
    assert_allclose(W.grad, 8 * W.detach().numpy() * x.detach().numpy() ** 2, rtol=1e-14)
    assert_allclose(x.grad, 8 * W.detach().numpy() ** 2 * x.detach().numpy(), rtol=1e-14)


def test_cotangent_is_differentiated_too():
    """grad_outputs may require a gradient: d/dv of (dY v)' is the derivative itself."""
    x, v = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (g,) = grad(x * x, x, grad_outputs=v, create_graph=True)
    (gv,) = grad(g.sum(), v)
    assert_array_equal(gv, [2, 4])


def test_backward_with_create_graph_leaves_a_gradient_that_has_one():
    """.grad then requires a gradient, and a second call adds to it with both histories."""
    x = leaf(0.5)
    (x**3).sum().backward(create_graph=True)
    (x**2).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    assert x.grad.item() == 0.75 + 1.0
    (second,) = grad(x.grad.sum(), x)
    assert second.item() == 3.0 + 2.0


def test_create_graph_records_under_no_grad_as_well():
    """Asked for explicitly, it holds for accumulation too."""
    x = leaf(0.5)
    x.sum().backward()
    cube = (x**3).sum()
    with no_grad():
        cube.backward(create_graph=True)
    assert x.grad.requires_grad


def test_only_create_graph_records():
    """A plain gradient under enabled recording is a constant."""
    x = leaf(0.5)
    assert not grad((x**3).sum(), x)[0].requires_grad
    (x**3).sum().backward()
    assert not x.grad.requires_grad


def test_backward_of_several_tensors():
    """autograd.backward accumulates; one cotangent per tensor."""
    x = leaf(1.0, 2.0)
    autograd.backward([x * x, x.sum()], [ones(2), None])
    assert_array_equal(x.grad, [3, 5])
