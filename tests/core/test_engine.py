"""The backward pass: order, accumulation, ownership of memory, hooks, what is called and what is kept."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tinygrad_edu import ShapeError, Tensor, autograd, cat, from_numpy, no_grad, ones, stack, tensor
from tinygrad_edu.core import sums
from tinygrad_edu.core.backward import unbroadcast
from tinygrad_edu.core.primitive import PRIMITIVES, Primitive
from tinygrad_edu.core.record import Record


def leaf(*numbers, name=None):
    return tensor(list(numbers), dtype=np.float64, requires_grad=True, name=name)


# --- sums over paths


def test_value_used_twice_gets_both_cotangents():
    """d(x x + 3 x) / dx = 2 x + 3."""
    x = leaf(1.0, 2.0)
    (x * x + x * 3).sum().backward()
    assert_array_equal(x.grad, [5, 7])


def test_operand_used_twice_by_one_operation():
    """x + x and x @ x send two cotangents along two edges that join the same records."""
    x = leaf(1.0, 2.0)
    ((x + x) * (x - x * 0.5)).sum().backward()  # x squared
    assert_array_equal(x.grad, [2, 4])


def test_diamond_is_walked_once():
    """20 diamonds in a row have 2 ** 20 paths; each value is visited once, after all its users."""
    x = leaf(1.0)
    y = x
    for _ in range(20):
        y = y * 0.5 + y * 0.5
    visits = []
    y.register_hook(lambda g: visits.append(g.item()))
    y.backward()
    assert visits == [1.0]
    assert_array_equal(x.grad, [1])


def test_shared_value_of_unequal_depth_is_visited_after_its_last_user():
    """z uses y at once and far later: its cotangent is complete before its rule runs."""
    x = leaf(2.0)
    y = x * x
    seen = []
    y.register_hook(lambda g: seen.append(g.item()))
    z = y
    for _ in range(10):
        z = z + 1
    (z * y).backward()  # y (y + 10): 2 y + 10 = 18
    assert seen == [18.0]
    assert_array_equal(x.grad, [18 * 4])


def test_second_backward_adds_to_grad():
    """Gradients of several losses add up until .grad is set to None or zeroed."""
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    assert x.grad is first
    assert_array_equal(x.grad, [5, 7])
    x.grad = None
    (x * 3).sum().backward()
    assert_array_equal(x.grad, [3, 3])


def test_broadcast_operand_gets_the_sum():
    """(3,) against (2, 3), (2, 1) and (): each axis that was stretched is summed."""
    row, column, number = leaf(1.0, 2.0, 3.0), Tensor([[1.0], [2.0]], dtype=np.float64, requires_grad=True), leaf(2.0)
    number = number.sum()
    number.retain_grad()
    (row * column * number).sum().backward()
    assert_array_equal(row.grad, [6, 6, 6])
    assert_array_equal(column.grad, [[12], [12]])
    assert number.grad.item() == 18


@pytest.mark.parametrize(
    ("have", "shape"),
    [((2, 3), (3,)), ((2, 3), (1, 3)), ((2, 3), (2, 1)), ((2, 3), ()), ((4, 2, 3), (2, 1)), ((5,), ()), ((4, 1), (1,))],
)
def test_unbroadcast_undoes_stretching(have, shape, rng):
    """<unbroadcast(dY), V> = <dY, V stretched> for every V: the one is the other's transpose."""
    dY, V = rng.standard_normal(have), rng.standard_normal(shape)
    back = unbroadcast(dY, shape)
    assert back.shape == shape
    assert_allclose(np.sum(back * V), np.sum(dY * np.broadcast_to(V, have)), rtol=1e-12)  # order of summation


def test_cotangent_has_the_dtype_of_its_primal():
    """float32 times float64 is float64; each gets its gradient in its own dtype."""
    x, y = tensor([1.0, 2.0], requires_grad=True), leaf(3.0, 4.0)
    (x * y).sum().backward()
    assert x.grad.dtype == np.float32
    assert y.grad.dtype == np.float64
    assert_array_equal(x.grad, [3, 4])


def test_infinite_slope_is_an_answer():
    """sqrt at 0: inf and no warning, as in PyTorch."""
    x = leaf(0.0, 4.0)
    x.sqrt().sum().backward()
    assert_array_equal(x.grad, [np.inf, 0.25])


# --- backward's arguments


def test_gradient_is_the_cotangent_of_the_output():
    """backward(dY) of a vector sums dY times each row of the Jacobian; lists and ints will do."""
    for dY in (tensor([1.0, 10.0], dtype=np.float64), np.array([1.0, 10.0]), [1, 10], tensor([1, 10])):
        x = leaf(1.0, 2.0)
        (x * x).backward(dY)
        assert_array_equal(x.grad, [2, 40])


def test_inputs_limit_what_is_accumulated():
    """backward(inputs=...) fills .grad of these tensors alone, inner values included."""
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = x * w
    (y * y).sum().backward(inputs=[w, y])
    assert x.grad is None
    assert_array_equal(w.grad, [6, 32])
    assert_array_equal(y.grad, [6, 16])
    (x * 2).sum().backward(inputs=x)
    assert_array_equal(x.grad, [2, 2])


def test_several_roots_in_one_pass():
    """autograd.backward sums the gradients of several tensors; one may lie below another."""
    x = leaf(1.0, 2.0)
    y = x * x
    autograd.backward([y.sum(), y, x.sum()], [None, tensor([1.0, 5.0], dtype=np.float64), None])
    assert_array_equal(x.grad, [2 + 2 + 1, 4 + 20 + 1])


REFUSALS = {
    "not a scalar": (lambda x: (x * x).backward(), RuntimeError, "only for scalar outputs, .* has shape \\(2,\\)"),
    "wrong shape": (lambda x: (x * x).backward(ones(3)), ShapeError, "gradient has shape \\(3,\\), .* has \\(2,\\)"),
    "no gradient": (lambda x: tensor([1.0]).backward(), RuntimeError, "does not require grad and does not"),
    "under no_grad": (lambda x: _without_grad(x).backward(), RuntimeError, "or it was computed under no_grad"),
    "no inputs": (lambda x: x.sum().backward(inputs=[]), RuntimeError, "inputs= is empty"),
    "constant input": (lambda x: x.sum().backward(inputs=[ones(2)]), RuntimeError, "does not require grad"),
    "not a tensor": (lambda x: x.sum().backward(inputs=[3.0]), TypeError, "expected a Tensor, got float"),
}  # fmt: skip


def _without_grad(x):
    with no_grad():
        return x.sum()


@pytest.mark.parametrize("case", REFUSALS)
def test_backward_refuses(case):
    """Each mistake has its own sentence, and no .grad has been touched."""
    call, error, text = REFUSALS[case]
    x = leaf(1.0, 2.0)
    with pytest.raises(error, match=text):
        call(x)
    assert x.grad is None


def test_error_names_the_variable():
    """Shapes come with the caller's own names."""
    weights = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"weights has shape \(2,\)"):
        weights.backward()


# --- a second time


def test_second_backward_explains_retain_graph():
    """The arrays are freed by the first; the text says how to keep them, and that gradients add up."""
    x = leaf(1.0, 2.0)
    loss = (x * x).sum()
    loss.backward()
    with pytest.raises(RuntimeError) as error:
        loss.backward()
    assert str(error.value) == (
        "backward: the arrays that mul saved were freed by an earlier backward (trying to backward through the graph "
        "a second time). Pass retain_graph=True to the first call to keep them; gradients of both calls then add up "
        "in .grad. To start afresh, compute the loss again."
    )


def test_retain_graph_keeps_the_arrays():
    """Twice the same loss, twice the gradient; the last call frees."""
    x = leaf(1.0, 2.0)
    loss = (x * x).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    assert_array_equal(x.grad, [4, 8])
    with pytest.raises(RuntimeError, match="retain_graph"):
        loss.backward()


def test_graph_that_saved_nothing_can_be_walked_again():
    """x + x reads no numbers, so nothing was freed: as in PyTorch."""
    x = leaf(1.0)
    y = (x + x).sum()
    y.backward()
    y.backward()
    assert_array_equal(x.grad, [4])


def test_second_backward_through_a_shared_part_is_refused():
    """Two losses over one hidden value: the first backward freed it."""
    x = leaf(1.0)
    h = x.exp()
    first, second = (h * 2).sum(), (h * 3).sum()
    first.backward()
    with pytest.raises(RuntimeError, match="the arrays that exp saved were freed"):
        second.backward()


def test_graph_above_a_target_is_freed_and_below_is_kept():
    """grad(loss, h) does not walk below h, so h.backward(dh) can go on from there."""
    x = leaf(1.0, 2.0)
    h = x.exp()
    (dh,) = autograd.grad((h * h).sum(), h)
    h.backward(dh)
    assert_allclose(x.grad, 2 * np.exp([2.0, 4.0]), rtol=1e-15)  # one rounding more than exp's


# --- what is called, what is kept


@pytest.fixture
def calls(monkeypatch):
    """The rules that run, as (primitive, input), and what they return."""
    seen = []

    def watch(primitive, index, rule):
        def watched(*args, **kwargs):
            result = rule(*args, **kwargs)
            seen.append((primitive.name, primitive.inputs[index]))
            return result

        return watched

    for primitive in PRIMITIVES.values():
        rules = tuple(None if r is None else watch(primitive, i, r) for i, r in enumerate(primitive.rules))
        monkeypatch.setattr(primitive, "rules", rules)
        monkeypatch.setattr(primitive, "reads", {})
    return seen


def test_only_needed_rules_run(calls, rng):
    """A two-layer network: dX of the first layer is never computed, and each other rule once."""
    X = Tensor(rng.standard_normal((3, 5)))
    W1, W2 = (Tensor(rng.standard_normal(s), requires_grad=True) for s in ((4, 3), (1, 4)))
    loss = ((W2 @ (W1 @ X).tanh()) ** 2).sum()
    calls.clear()  # a primitive's rules are read once on Symbols, during the forward pass
    loss.backward()
    assert calls.count(("matmul", "A")) == 2
    assert calls.count(("matmul", "B")) == 1
    assert calls.count(("tanh", "Z")) == 1
    assert ("pow", "B") not in calls


def test_inputs_limit_which_rules_run(calls):
    """backward(inputs=[w]) runs no rule that does not lead to w."""
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = x.sin() * w.cos()
    calls.clear()
    y.sum().backward(inputs=[w])
    assert ("sin", "Z") not in calls
    assert ("cos", "Z") in calls
    assert calls.count(("mul", "A")) == 0


def test_constant_graph_records_nothing():
    """No input that requires grad, or no_grad: no record at all."""
    a = tensor([1.0, 2.0])
    b = (a * 2).tanh()
    assert b._record is None
    w = leaf(1.0, 2.0)
    with no_grad():
        assert (w * 2)._record is None


def test_record_keeps_only_the_arrays_its_rules_read():
    """x + y and y.sum() keep none, tanh its result, x * w the operands, a product with a constant that alone."""
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    c = tensor([5.0, 6.0], dtype=np.float64)

    def kept(t):
        record = t._record
        arrays = [a for a in (record.array, *record.saved) if isinstance(a, np.ndarray)]
        return [a.tolist() for a in arrays]

    assert kept(x + w) == kept((x + w).sum()) == []
    assert kept(x.tanh()) == [np.tanh([1.0, 2.0]).tolist()]
    assert kept(x * w) == [[1.0, 2.0], [3.0, 4.0]]
    assert kept(x * c) == [[5.0, 6.0]]


def test_arrays_are_freed_as_they_are_used_up():
    """When a value's rule has run, its saved arrays are gone, while values below still keep theirs."""
    x = leaf(1.0, 2.0)
    arrays, alive = [], []
    y = x
    for _ in range(4):
        y = (y * 1.5).sin()  # sin keeps its operand, which nobody else holds
        arrays.append(weakref.ref(y._record.saved[0]))
        y.register_hook(lambda g: alive.append([a() is not None for a in arrays]))
    y.sum().backward()
    assert alive[0] == [True, True, True, True]
    assert alive[1] == [True, True, True, False]
    assert alive[3] == [True, False, False, False]
    assert not any(a() is not None for a in arrays)


def test_structure_outlives_backward():
    """Operations, parameters, shapes and names stay for drawing and explaining; arrays go."""
    x = leaf(1.0, 2.0, name="x")
    loss = (x * x).sum()
    loss.backward()
    product = loss.grad_fn.record.inputs[0]
    assert product.primitive.name == "mul"
    assert product.shape == (2,)
    assert product.saved is None
    assert product.inputs[0].name == "x"


def test_nothing_stays_alive_after_del_loss():
    """No cycles: with the collector off, records and arrays are gone with the last name."""
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        before = _count_records()
        loss = ((x * 2).tanh() @ x.exp() + cat([x, x])[1:].sum() + stack([x, x]).mean()).log()
        assert _count_records() > before
        array = weakref.ref(loss._array)
        loss.backward(retain_graph=True)
        (g,) = autograd.grad(loss, x, create_graph=True)
        g.sum().backward()
        del loss, g
        assert array() is None
        assert _count_records() == before
    finally:
        gc.enable()


def _count_records():
    return sum(type(o) is Record for o in gc.get_objects())  # isinstance would ask objects that others have replaced


def test_failed_backward_keeps_nothing_alive_and_leaves_grad_alone():
    """A rule that raises half way: no .grad is filled, the mode is what it was, the graph can be dropped."""
    x, v = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = x * 1
    z = (y.sin() * v).sum()
    y += 1
    with pytest.raises(RuntimeError, match="overwritten"):
        z.backward()
    assert x.grad is None
    assert v.grad is None
    assert (x * 2).requires_grad


# --- memory


def test_grad_owns_its_memory():
    """Nobody's .grad is another's, or the gradient given, or a read-only stretch: writing one changes no other."""
    x, y, z = leaf(1.0, 2.0), leaf(3.0, 4.0), leaf(5.0, 6.0)
    given = tensor([1.0, 1.0], dtype=np.float64)
    (x + y + z.reshape(1, 2).T.reshape(2)).backward(given)
    x.grad.mul_(5)
    assert_array_equal(y.grad, [1, 1])
    assert_array_equal(z.grad, [1, 1])
    assert_array_equal(given, [1, 1])
    w = leaf(1.0, 2.0)
    w.sum().backward()  # a stretched number
    w.grad[0] = 7.0
    assert_array_equal(w.grad, [7, 1])


@pytest.mark.parametrize("create_graph", [False, True])
def test_callers_gradient_is_neither_kept_nor_written(create_graph):
    """Not as .grad of a leaf that is itself the root, nor by accumulation into it."""
    x = leaf(1.0, 2.0)
    given = tensor([1.0, 10.0], dtype=np.float64)
    x.backward(given, create_graph=create_graph)
    x.backward(given, create_graph=create_graph)
    assert_array_equal(given, [1, 10])
    assert_array_equal(x.grad.detach(), [2, 20])
    array = np.array([1.0, 10.0])
    y = leaf(1.0, 2.0)
    y.backward(from_numpy(array), create_graph=create_graph)
    array[:] = 5
    assert_array_equal(y.grad.detach(), [1, 10])


@pytest.mark.parametrize("create_graph", [False, True])
def test_returned_gradients_do_not_share_memory(create_graph):
    """grad() of a sum by three inputs: three arrays, one of which may be written."""
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    h = x + 0
    gx, gy, gh = (g.detach() for g in autograd.grad((h + y).sum(), [x, y, h], create_graph=create_graph))
    gx.mul_(5)
    assert_array_equal(gy, [1, 1])
    assert_array_equal(gh, [1, 1])


def test_retained_grad_owns_its_memory():
    """retain_grad of two values that send the same cotangent on."""
    x = leaf(1.0, 2.0)
    y = x + 0
    z = y + 0
    y.retain_grad()
    z.retain_grad()
    z.sum().backward()
    z.grad.zero_()
    assert_array_equal(y.grad, [1, 1])
    assert_array_equal(x.grad, [1, 1])


def test_saved_arrays_are_not_changed_by_accumulation():
    """exp's cotangent times its result, added up in place: the result itself stays."""
    x = leaf(0.0, 1.0)
    y = x.exp()
    (y * y + y * 2 + y).sum().backward(retain_graph=True)
    first = np.array(x.grad)
    x.grad = None
    (y * y + y * 2 + y).sum().backward()
    assert_array_equal(x.grad, first)
    assert_array_equal(y.detach(), np.exp([0.0, 1.0]))


# --- hooks


def test_hooks_run_in_order_and_may_replace():
    """Each sees what the one before gave back; retain_grad sees the last; what flows on is replaced too."""
    x = leaf(1.0, 2.0)
    y = x * 3
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.retain_grad()
    y.sum().backward()
    assert seen == [[1.0, 1.0], [10.0, 10.0]]
    assert_array_equal(y.grad, [10, 10])
    assert_array_equal(x.grad, [30, 30])


def test_hook_of_a_leaf_runs_once_with_the_whole_gradient():
    """All uses summed, before accumulation: what is in .grad already is not seen, and not replaced."""
    x = leaf(1.0, 2.0)
    x.sum().backward()
    seen = []
    x.register_hook(lambda g: seen.append(g.tolist()) or g * 100)
    (x * x + x).sum().backward()
    assert seen == [[3.0, 5.0]]
    assert_array_equal(x.grad, [301, 501])


def test_removed_hook_no_longer_runs():
    """By remove(), or at the end of a with block; removing twice is harmless."""
    x = leaf(1.0)
    seen = []
    handle = x.register_hook(seen.append)
    with x.register_hook(lambda g: g * 2):
        (x * 1).backward()
    handle.remove()
    handle.remove()
    (x * 1).backward()
    assert len(seen) == 1
    assert_array_equal(x.grad, [3])


def test_hook_that_writes_changes_no_sibling():
    """A hook may write into what it gets: that flows on, and the other operand of the sum keeps its own."""
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    h = x * 1
    h.register_hook(lambda g: g.mul_(10))
    (h + y).sum().backward()
    assert_array_equal(x.grad, [10, 10])
    assert_array_equal(y.grad, [1, 1])


def test_hook_must_return_none_or_a_fitting_tensor():
    """Another shape or an array is an error that names the value; another dtype is cast."""
    x = leaf(1.0, 2.0, name="x")
    for wrong in (lambda g: g.sum(), lambda g: np.ones(2)):
        with x.register_hook(wrong), pytest.raises(RuntimeError, match=r"hook of x: .*Tensor of shape \(2,\)"):
            x.sum().backward()
    with x.register_hook(lambda g: g.float()):
        x.sum().backward()
    assert x.grad.dtype == np.float64


def test_hook_or_retain_grad_on_a_constant_is_refused():
    """There will be no gradient to call it with."""
    with pytest.raises(RuntimeError, match="does not require"):
        tensor([1.0]).register_hook(print)
    with pytest.raises(RuntimeError, match="does not require"):
        tensor([1.0]).retain_grad()


def test_retain_grad_adds_up_and_shows():
    """`retains_grad` is true for inner values only; a leaf keeps its gradient anyway."""
    x = leaf(2.0)
    y = x * 3
    y.retain_grad()
    x.retain_grad()
    (y * y).backward(retain_graph=True)
    (y * y).backward()
    assert y.retains_grad
    assert not x.retains_grad
    assert_array_equal(y.grad, [24])


def test_grad_of_an_inner_value_warns():
    """It is None unless retained, which PyTorch users know by a warning."""
    y = leaf(2.0) * 3
    with pytest.warns(UserWarning, match=r"\.grad of the result of mul .*retain_grad"):
        assert y.grad is None


# --- depth and leaves


def test_graph_of_a_million_nodes_needs_no_recursion():
    """Forward, backward and deallocation of a chain of 1,000,000 operations."""
    x = tensor(1.0, requires_grad=True)
    y = x
    gc.disable()  # its passes over a growing graph are half of the time, and not what is asked here
    try:
        for _ in range(1_000_000):
            y = y.clone()
        y.backward()
        del y
    finally:
        gc.enable()
    assert x.grad.item() == 1.0


def test_value_with_many_users_gets_all_their_cotangents():
    """10,000 users of one value: each contribution is added once."""
    x = tensor([1.0, 2.0], requires_grad=True)
    total = x * 0.0
    for _ in range(10_000):
        total = total + x * 1.0
    total.sum().backward()
    assert_array_equal(x.grad, [10_000, 10_000])


@pytest.mark.parametrize(
    "key", [0, -1, slice(1, None), (1, 2), (..., 0), (slice(None), None, 1), [0, 0, 1], (slice(None), [2, 0, 2])]
)
def test_parts_are_added_where_they_were_taken(key):
    """Each part of x sends its cotangent to its place, added to what other parts have sent: so does x * M."""
    X = np.arange(6.0).reshape(2, 3) + 1
    x, M = leaf(*X.ravel()), np.zeros((2, 3))
    y = x.reshape(2, 3)
    (y[key] * y[key] + 5 * y[key] + (y[0] * y[0]).sum()).sum().backward()
    picked = X[key]
    np.add.at(M, key, 2 * picked + 5)
    M[0] += 2 * X[0] * picked.size
    assert_array_equal(x.grad, M.ravel())


def test_parts_are_never_added_into_memory_of_another():
    """A cotangent that came from the user, from a hook or through a view is left as it was."""
    x, given = leaf(1.0, 2.0, 3.0), ones(3, dtype=np.float64)
    y = x * 1
    seen = []
    y.register_hook(lambda g: seen.append(g.clone()) or g)
    part = y[1]
    (y.reshape(3) + part).backward(given)  # y is sent a view of `given` first, then 3 at its place 1
    assert_array_equal(given, [1, 1, 1])
    assert_array_equal(seen[0], [1, 4, 1])
    assert_array_equal(x.grad, [1, 4, 1])


def test_detach_cuts_and_shares():
    """x.detach() * x: the gradient flows through one operand; memory is the same."""
    x = leaf(1.0, 2.0)
    d = x.detach()
    (d * x).sum().backward()
    assert_array_equal(x.grad, [1, 2])
    assert np.shares_memory(d.numpy(), x.detach().numpy())
    y = x * 2
    y.detach_()
    assert y.is_leaf
    assert not y.requires_grad
    with pytest.raises(RuntimeError, match="can't be cut off its base"):
        (x * 2)[0].detach_()


def test_frozen_leaf_gets_no_gradient_and_a_thawed_one_does():
    """requires_grad_(False) after the forward pass and back again: the graph still finds its leaf."""
    x = leaf(1.0, 2.0)
    y = x * x
    x.requires_grad_(False)
    y.sum().backward(retain_graph=True)
    assert x.grad is None
    x.requires_grad_(True)
    assert x.grad is None
    y.sum().backward()
    assert_array_equal(x.grad, [2, 4])


def test_constant_made_a_leaf_does_not_change_graphs_made_before():
    """A graph recorded while c was a constant sends it nothing."""
    x, c = leaf(1.0, 2.0), tensor([3.0, 4.0], dtype=np.float64)
    y = x * c
    c.requires_grad_()
    (y + c).sum().backward()
    assert_array_equal(c.grad, [1, 1])
    assert_array_equal(x.grad, [3, 4])


def test_primitive_is_a_name_for_its_rules():
    """What the engine calls: one rule per input, looked up by position."""
    tanh = PRIMITIVES["tanh"]
    assert isinstance(tanh, Primitive)
    A = np.tanh(0.5)
    assert tanh.call_rule(0, 1.0, A, (0.5,), {}) == 1 - A**2


@pytest.mark.parametrize("shape", [(32, 32, 32, 32), (17, 3, 29, 31), (641, 7, 2), (1, 64, 63, 65), (9, 1024, 1, 3)])
def test_sums_over_images_are_products_that_wake_no_thread_of_blas(shape):
    """However many rows there are; 641 is prime."""
    X = np.random.default_rng(0).standard_normal(shape, np.float32)
    axes = (0, *range(2, X.ndim))
    rows, length = int(np.prod(shape[:2])), int(np.prod(shape[2:]))
    together = sums._together(rows, length)
    assert rows % together == 0
    assert together * length <= sums.ALONE
    assert_allclose(sums.sum_axes(X, axes, True), X.sum(axes, np.float64, keepdims=True), atol=1e-3)
