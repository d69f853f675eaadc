"""gradcheck and gradgradcheck: they pass what is right, and name the entry of what is wrong."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from tinygrad_edu import Tensor, cat, maximum, tensor
from tinygrad_edu.autograd import GradcheckError, gradcheck, gradgradcheck
from tinygrad_edu.core.primitive import PRIMITIVES, primitive


@pytest.fixture
def wrong():
    """Primitives with a mistake in their rules, entered for one test."""
    before = set(PRIMITIVES)

    @primitive(dX=lambda dY, Y, X: dY * 2 * X)
    def cube_with_wrong_rule(X):
        return X**3

    # Right at first order, wrong at second: the rule cuts X out of the graph.
    @primitive(dX=lambda dY, Y, X: dY * sign_only(X))
    def square_with_rule_that_forgets(X):
        return X * X

    @primitive(dX=lambda dY, Y, X: dY * 0)
    def sign_only(X):
        return 2 * X

    # Right but for one entry of the Jacobian.
    @primitive(dX=lambda dY, Y, X: dY * np.where(np.cumsum(np.ones_like(X)) == 3, 7, 2 * X))
    def square_but_one(X):
        return X * X

    entered = {name: PRIMITIVES[name] for name in set(PRIMITIVES) - before}
    yield entered
    for name in entered:
        del PRIMITIVES[name]


def leaf(*numbers):
    return tensor(list(numbers), dtype=np.float64, requires_grad=True)


RIGHT = {
    "elementwise": lambda x, w: (x * w).tanh() + x.exp(),
    "matrix product": lambda x, w: x.reshape(1, 3) @ w.reshape(3, 1),
    "several outputs": lambda x, w: (x * w, x.sum(), w.sin()),
    "an output without gradient": lambda x, w: (x * w, (x > 0)),
    "views and writes": lambda x, w: _written(x, w),
    "one input unused": lambda x, w: x * 2,
    "branches": lambda x, w: maximum(x, w),
}


def _written(x, w):
    y = cat([x, w])
    y[1:4] *= w
    return y[::2]


@pytest.mark.parametrize("name", RIGHT)
def test_right_gradients_pass_at_both_orders(name):
    """Functions of two inputs, whatever they return."""
    x, w = leaf(0.3, -1.2, 0.8), leaf(1.1, 0.4, -0.6)
    assert gradcheck(RIGHT[name], (x, w)) is True
    assert gradgradcheck(RIGHT[name], (x, w)) is True
    assert x.grad is None


def test_one_input_needs_no_tuple():
    """gradcheck(f, x)."""
    assert gradcheck(lambda x: x.sin(), leaf(0.3))


def test_inputs_without_gradient_are_left_alone():
    """Constants, numbers and text pass through."""
    assert gradcheck(lambda x, c, k, s: (x * c * k).sum(int(s)), (leaf(1.0, 2.0), tensor([3.0, 4.0]), 2.0, "0"))


def test_wrong_rule_is_found_and_the_entry_named(wrong):
    """x^3 with the rule of 2 x: input, entry and both numbers are in the message."""
    with pytest.raises(GradcheckError) as error:
        gradcheck(wrong["cube_with_wrong_rule"], leaf(1.0, 2.0))
    assert str(error.value) == (
        "gradcheck: input 0 of shape (2,): d output 0[0] / d input 0[0] is 2 by autograd and 3 by central differences."
    )


def test_wrong_input_is_named_by_its_variable(wrong):
    """Of several inputs the one whose rule is wrong, with the name it has where gradcheck was called."""
    right, weights = leaf(1.0, 2.0), leaf(3.0, 4.0)

    def f(a, b):
        return a * 2 + wrong["cube_with_wrong_rule"](b)

    with pytest.raises(GradcheckError, match=r"input 1 \(weights\) of shape \(2,\): d output 0\[0\] / d input 1\[0\]"):
        gradcheck(f, (right, weights))


def test_single_wrong_entry_is_found(wrong):
    """Two of three entries are right; the third is named."""
    with pytest.raises(GradcheckError, match=r"d output 0\[2\] / d input 0\[2\] is 7 by autograd and 10 by"):
        gradcheck(wrong["square_but_one"], leaf(1.0, 2.0, 5.0))


def test_second_order_mistake_passes_the_first_and_fails_the_second(wrong):
    """A rule whose own derivative is wrong."""
    f = wrong["square_with_rule_that_forgets"]
    assert gradcheck(f, leaf(1.0, 2.0))
    with pytest.raises(GradcheckError, match="by autograd and"):
        gradgradcheck(f, leaf(1.0, 2.0))


def test_quiet_check_returns_false(wrong):
    """raise_exception=False: only the verdict."""
    assert gradcheck(wrong["cube_with_wrong_rule"], leaf(1.0, 2.0), raise_exception=False) is False
    assert gradgradcheck(wrong["square_with_rule_that_forgets"], leaf(1.0, 2.0), raise_exception=False) is False


def test_gradient_of_none_counts_as_zero():
    """A function that detaches half of its input is caught."""
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: x * x.detach(), leaf(1.0, 2.0))


def test_random_function_is_called_random(rng):
    """Each entry passes by luck of loose tolerances, or the text asks whether the function is deterministic."""
    with pytest.raises(GradcheckError, match=r"by autograd and|deterministic"):
        gradcheck(lambda x: x * float(rng.standard_normal()), leaf(1.0, 2.0))


def test_float32_is_refused():
    """Differences of 1e-6 need float64."""
    with pytest.raises(ValueError, match=r"input 0 is float32; .*\.double\(\)"):
        gradcheck(lambda x: x * x, tensor([1.0], requires_grad=True))


def test_nothing_to_check_is_refused():
    """No input or no output that requires a gradient."""
    with pytest.raises(ValueError, match="at least one input"):
        gradcheck(lambda x: x * x, tensor([1.0], dtype=np.float64))
    with pytest.raises(ValueError, match="no output"):
        gradcheck(lambda x: x.detach(), leaf(1.0))


def test_inputs_keep_their_numbers():
    """The differences are taken on copies, also where the function writes."""
    x = leaf(1.0, 2.0)
    gradcheck(lambda x: (x * 1).mul_(2).exp_(), x)
    assert x.tolist() == [1.0, 2.0]


def test_jacobian_of_0_d_and_3_d_inputs():
    """Shapes are whatever they are."""
    assert gradcheck(lambda x: x * x, tensor(0.5, dtype=np.float64, requires_grad=True))
    x = Tensor(np.linspace(-1, 1, 8).reshape(2, 2, 2), requires_grad=True)
    assert gradcheck(lambda x: x.sin().sum(1), x)
    assert gradgradcheck(lambda x: x.sin().sum(1), x)


def test_every_keyword_of_pytorchs_is_taken():
    """Whatever it says, what is right passes and what is wrong does not."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = tensor([0.5, 2.0], dtype=np.float64, requires_grad=True)
    for ours, theirs in ((gradcheck, torch.autograd.gradcheck), (gradgradcheck, torch.autograd.gradgradcheck)):
        keywords = inspect.signature(theirs).parameters
        assert set(keywords) <= set(inspect.signature(ours).parameters)
        options = {name: p.default for name, p in keywords.items() if p.default is not p.empty}
        assert ours(Tensor.tanh, (x,), **options)
