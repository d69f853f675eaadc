"""How arrays lie in memory is eager mode's in a program too: what is a view and what a copy, and the order of sums."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.core.errors import TraceError


def copied(x):
    y = x.T.contiguous()
    y.mul_(2)
    return y * 1, x * 1


def not_copied(x):
    h = x.T * 2  # lies as x does, so that its transpose is in order
    y = h.T.contiguous()
    y.mul_(2)
    return y * 1, h * 1


def copied_as_computed(x):
    h = x.T * 2
    y = h.contiguous()
    y.mul_(2)
    return y * 1, h * 1


def reshaped(x):
    h = x.T * 2
    r, s = h.reshape(-1), h.T.reshape(-1)  # a copy, a view
    h.mul_(2)
    return r * 1, s * 1


def ravelled(x):
    h = x.T * 2
    r = h.ravel()
    h.mul_(2)
    return r * 1, h * 1


def part_of_outside(x):
    r = x[:, :3].reshape(-1)
    x.mul_(2)
    return r * 1, x * 1


VIEWS = (copied, not_copied, copied_as_computed, reshaped, ravelled, part_of_outside)


@pytest.mark.parametrize("step", VIEWS, ids=lambda step: step.__name__)
def test_copies_and_views(step, rng):
    """contiguous(), reshape() and ravel() copy what does not lie in order, also where the step has computed it."""
    numbers = rng.standard_normal((4, 5)).astype("f")
    compiled = te.compile(step)
    for _ in range(2):
        x, y = te.tensor(numbers), te.tensor(numbers)
        assert [t.tolist() for t in compiled(x)] == [t.tolist() for t in step(y)]
        assert x.tolist() == y.tolist()


def test_a_part_of_an_ndarray_is_copied_by_reshape(rng):
    """What stands behind the tensor need not be in one piece."""
    numbers = rng.standard_normal((4, 5)).astype("f")
    results = []
    for compiled in (False, True):
        x = te.from_numpy(numbers.copy()[:, :3])

        def step(x):
            r = x.reshape(-1)
            x.mul_(2)
            return r * 1

        results.append((te.compile(step) if compiled else step)(x).tolist())
    assert results[0] == results[1]


def cloned(x):
    return x.T.clone().sum(), (x.T.clone() * 3).sum(), x.T.contiguous().tanh().sum()


def written(x):
    h = x.T * 2
    h.sub_(h.mean())
    return h.sum(), (h * 3).sum()


def written_as_a_part(x):
    h = x * 2
    part = h.T[1:, ::2]
    part.sub_(part.mean())
    return part.sum(), (part * 3).sum(), h.sum()


def written_outside(x):
    x.T.sub_(x.mean())
    return x.sum(), (x.T * 3).sum()


SUMS = (cloned, written, written_as_a_part, written_outside)


@pytest.mark.parametrize("step", SUMS, ids=lambda step: step.__name__)
@pytest.mark.parametrize("order", ["C", "F"])
def test_sums_are_taken_in_the_order_of_memory(step, order, rng):
    """To the last bit: a copy lies in order, and what is written in place lies as it did."""
    compiled = te.compile(step)
    for _ in range(4):
        numbers = rng.standard_normal((37, 53)).astype("f")
        x, y = (te.from_numpy(np.array(numbers, order=order)) for _ in range(2))
        assert [t.item() for t in compiled(x)] == [t.item() for t in step(y)]
        assert x.tolist() == y.tolist()


def test_random_writes_through_views(rng):
    """Views of tensors from outside, of their transposes and of what is computed, written and read in turn."""
    for _ in range(25):
        plan, chosen = rng.integers(0, 10, 10).tolist(), rng.integers(0, 100, 10).tolist()
        numbers = [rng.standard_normal(shape).astype("f") for shape in ((4, 6), (6,), (3, 2))]
        states = []
        for compiled in (False, True):
            w, b, x = map(te.tensor, numbers)
            outside = [w, b, w[1:3, ::2], b.view(2, 3).T]

            def step(x, outside=outside, plan=plan, chosen=chosen):
                pool, sums = [*outside, x], []
                for action, k in zip(plan, chosen, strict=True):
                    t = pool[k % len(pool)]
                    if action == 0:
                        t.mul_(1.25)
                    elif action == 1:
                        t.copy_(t.flip(0) * 0.5)
                    elif action == 2:
                        t[0] += pool[k // 3 % len(pool)].sum()
                    elif action == 3:
                        t.sub_(t.mean())
                    else:
                        make = (
                            lambda t: t[..., :1],
                            lambda t: t.transpose(0, -1),
                            lambda t: t.reshape(-1),
                            lambda t: t * 2 - 1,
                            lambda t: t.contiguous(),
                            lambda t: te.where(t > 0, t, t * 0.1),
                        )
                        t = make[action - 4](t)
                    pool.append(t)
                    sums.append(t.sum())
                return sums

            run = te.compile(step) if compiled else step
            results = [[t.item() for t in run(x)] for _ in range(2)]
            states.append([results, w.tolist(), b.tolist(), x.tolist()])
        assert states[0] == states[1]


def test_writes_to_a_part_of_an_expanded_tensor_are_refused():
    """One element stands for several there."""

    def step(x):
        part = x.expand(2, 3)[1]
        part.mul_(2)
        return part

    with pytest.raises(TraceError, match=r"test_layouts\.py:\d+: the step writes to a part of x expanded"):
        te.compile(step)(te.ones(3))


def test_ndarrays_that_are_read_only_are_not_written():
    """The error is eager mode's, at the first call and at later ones."""
    numbers = np.ones(3, "f")
    numbers.flags.writeable = False
    step = te.compile(lambda x: x.mul_(2))
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"is read-only, .* write to a \.clone"):
            step(te.from_numpy(numbers))
        assert step(te.ones(3)).tolist() == [2.0, 2.0, 2.0]


def test_strides_are_known_of_what_a_step_computes():
    """They are eager mode's."""

    def step(x):
        h, part = x.T * 2, (x * 2)[:, 1:]
        return [x.stride(), h.stride(), part.stride(), h.is_contiguous(), h.T.is_contiguous(), part.is_contiguous()]

    compiled = te.compile(step)
    for x in (te.ones(3, 4), te.ones(3, 4).T, te.ones(3, 8)[:, ::2]):
        assert compiled(x) == step(x)


def test_what_can_not_be_viewed_is_refused_as_in_eager_mode():
    """view() never copies."""
    compiled = te.compile(lambda x: (x.T * 2).view(-1))
    with pytest.raises(RuntimeError, match="is not laid out for"):
        compiled(te.ones(2, 3))
    assert compiled(te.ones(2, 3).T).shape == (6,)


@pytest.mark.parametrize("create_graph", [False, True])
def test_cotangents_of_parts_are_added_where_they_belong(create_graph):
    """To n parts, one after the other, as eager mode does: adding zeros to the others would make 0 of their -0."""

    def step(x):
        h = x * 1
        a, b, c = h.chunk(3, 1)
        total = (a * -0.0).sum() + (b * 2).sum() + (c * -0.0).sum() + h[[0, 0, 1]].sum() * -0.0
        return te.autograd.grad(total, h, create_graph=create_graph)[0]

    x = te.ones(4, 6, requires_grad=True)
    compiled = te.compile(step)
    expected = step(x).detach().numpy()
    assert np.signbit(expected).any()
    for _ in range(2):
        np.testing.assert_array_equal(compiled(x).detach().numpy().view(np.uint32), expected.view(np.uint32))


def test_a_part_is_added_to_a_constant_cotangent():
    """Of `y.sum()` it is 1 everywhere."""

    def step(w, x):
        y = w * x
        ((y[:2] * x[:2]).sum() + y.sum()).backward()

    gradients = []
    for run in (step, te.compile(step)):
        w = te.ones(4, requires_grad=True)
        run(w, te.tensor([1.0, 2.0, 3.0, 4.0]))
        gradients.append(w.grad.tolist())
    assert gradients[0] == gradients[1] == [2, 6, 3, 4]


def test_parts_are_written_as_numpy_has_it():
    """Slices need no function of ours, nor an array of zeros for each."""

    def step(x):
        a, b = te.tanh(x).chunk(2, 1)
        (a * b).sum().backward()

    compiled = te.compile(step)
    compiled(te.ones(2, 6, requires_grad=True))
    assert "def scatter" not in compiled.source
    assert ".fill(0)" in compiled.source
    assert "[:, :3] += " in compiled.source


def test_another_shape_of_an_array_is_computed_in_its_memory():
    """Of a product with rows of all samples: sequences take no more memory than the same rows."""

    def step(x, w, b):
        return te.tanh(x @ w.T + b)

    found = []
    for shape in ((4, 5, 8), (20, 8)):
        compiled = te.compile(step)
        compiled(te.ones(*shape), te.ones(16, 8), te.ones(16))
        found.append(re.search(r"(\d+) blocks? of ([\d,]+) bytes", compiled.explain()).groups())
    assert found[0] == found[1] == ("1", "1,280")


@pytest.mark.parametrize(
    "numbers", [[-0.0, -0.0], [0.0, -0.0], [[1.0, -0.0], [0.0, 1.0]], [[-1.0, -1.0], [-0.0, -1.0]]]
)
def test_constants_keep_the_sign_of_zero(numbers):
    """0 and -0 are equal to ==, and give other numbers."""
    constant = np.array(numbers, "f")
    compiled = te.compile(lambda x: x * te.tensor(constant))
    found = compiled(te.ones(constant.shape)).numpy()
    np.testing.assert_array_equal(np.signbit(found), np.signbit(constant))


@pytest.mark.parametrize(
    ("one", "other"), [((64, 64), (64, 1)), ((32, 4, 64), (32, 1, 1)), ((8, 3, 16, 16), (3, 1, 1)), ((300, 10), (1, 1))]
)
def test_sums_of_long_rows_are_the_same_product(one, other):
    """Eager mode undoes broadcasting with arrays, a program with what NumPy's sum is on Symbols."""

    def step(x, y):
        total = (x * y).softmax(-1).square().sum(-1).square().sum() + (x * y * x).logsumexp(-1).sum()
        return total, *te.autograd.grad(total, [x, y])

    x, y = te.randn(*one, requires_grad=True), te.randn(*other, requires_grad=True)
    for found, expected in zip(te.compile(step)(x, y), step(x, y), strict=True):
        assert found.detach().numpy().tobytes() == expected.detach().numpy().tobytes()


def test_a_part_is_added_to_what_others_read_as_well():
    """The cotangent of a sum belongs to both of its terms: one of them has more to come."""

    def step(a, x):
        h = x * 2
        part = h[:2]
        total = ((a + h) ** 2).sum() + part.exp().sum()
        return te.autograd.grad(total, [a, x])

    a, x = te.randn(4, 3, requires_grad=True), te.randn(4, 3, requires_grad=True)
    compiled = te.compile(step)
    assert "np.copyto" in (compiled(a, x), compiled.source)[1]
    for _ in range(2):
        for found, expected in zip(compiled(a, x), step(a, x), strict=True):
            assert found.numpy().tobytes() == expected.numpy().tobytes()


@pytest.mark.parametrize("shapes", [((7, 1, 8), (8, 24)), ((61, 1, 33), (33, 1)), ((2, 7, 1, 8), (8, 24))])
def test_a_stack_times_a_matrix_is_one_product_in_gradients_too(shapes, rng):
    """To the last bit, of gradients of gradients: a rule multiplies arrays as a program does."""
    X, W = (te.tensor(rng.standard_normal(shape), dtype=te.float32, requires_grad=True) for shape in shapes)

    def step(X, W):
        loss = ((X @ W) ** 2).sum()
        first = te.autograd.grad(loss, [X, W], create_graph=True)
        return (loss, *first, *te.autograd.grad(sum((d * d).sum() for d in first), [X, W]))

    for found, expected in zip(te.compile(step)(X, W), step(X, W), strict=True):
        assert found.detach().numpy().tobytes() == expected.detach().numpy().tobytes()
