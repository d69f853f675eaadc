"""Writes: what is counted, copied, locked and refused, in which words, and who in the package writes at all."""

from __future__ import annotations

import ast
import functools
import gc
import inspect
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_edu
from tinygrad_edu import DtypeError, ShapeError, Tensor, as_tensor, from_numpy, no_grad, ones, tensor, zeros
from tinygrad_edu.core.write import COPY_BELOW, Lock

from ..ops.table import CASES

RNG = np.random.default_rng(0)
LARGE = COPY_BELOW // 8  # elements of float64 from which on memory is locked and not copied


def leaf(*numbers):
    return tensor(list(numbers), dtype=np.float64, requires_grad=True)


def line(offset=0):
    """`file:line` of the caller, as messages write it."""
    frame = inspect.currentframe().f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno + offset}"


# --- gradients, in closed form


def test_write_to_a_result_reaches_its_gradient():
    """y = 2 x, y += 1, y *= y0: d(y * y).sum() / dx as by hand."""
    x = leaf(1.0, 3.0)
    y = x * 2
    y += 1
    (y * y).sum().backward()
    assert_array_equal(x.grad, 2 * (2 * np.array([1.0, 3.0]) + 1) * 2)


def test_write_through_a_view_reaches_the_base():
    """Row 0 of y is exchanged for v: x's gradient is 0 there, v's is y's."""
    x, v = leaf(1.0, 2.0, 3.0), leaf(5.0)
    y = x * 1
    y[1:2] += v
    (y * tensor([1.0, 10.0, 100.0], dtype=np.float64)).sum().backward()
    assert_array_equal(x.grad, [1, 10, 100])
    assert_array_equal(v.grad, [10])


def test_constant_takes_the_graph_of_what_is_written_into_it():
    """a = zeros(3), a[0] = w[1]: a requires grad from then on, and w[1] gets a[0]'s gradient."""
    w = leaf(4.0, 5.0)
    a = zeros(3, dtype=np.float64)
    a[0] = w[1]
    assert a.requires_grad
    assert not a.is_leaf
    (a * 7).sum().backward()
    assert_array_equal(w.grad, [0, 7])


def test_view_made_before_the_write_follows_its_base():
    """A view of a constant requires grad once its base does, and its gradient flows through the write."""
    w = leaf(4.0, 5.0)
    a = zeros(2, 2, dtype=np.float64)
    column = a.T[0]
    a[1] = w
    assert column.requires_grad
    (column * tensor([3.0, 9.0], dtype=np.float64)).sum().backward()
    assert_array_equal(w.grad, [9, 0])


def test_parameter_written_under_no_grad_stays_a_leaf():
    """`with no_grad(): p -= step` leaves p a leaf that requires grad, with its name and its gradient."""
    p = tensor([1.0, 2.0], requires_grad=True, name="p")
    (p * p).sum().backward()
    grad = p.grad
    with no_grad():
        p -= p.grad * 0.5
        p[0] = 7.0
    assert p.requires_grad
    assert p.is_leaf
    assert p.name == "p"
    assert p.grad is grad
    assert_array_equal(p.detach(), [7, 0])


def test_name_stays_with_a_tensor_that_is_written():
    """A named constant that takes a graph keeps its name; a named view does too."""
    w = leaf(1.0, 2.0)
    a = zeros(2, 2, dtype=np.float64)
    a.name = "a"
    a[0] = w
    row = a[1]
    row.name = "row"
    a *= 2
    assert row.requires_grad
    assert (a.name, row.name) == ("a", "row")


def test_place_named_twice_gives_its_gradient_to_what_was_written_last():
    """x[[0, 0, -2]] = v: v[2] is what lies there (x has two elements), v[0] and v[1] were lost."""
    v = leaf(1.0, 2.0, 3.0)
    x = zeros(2, dtype=np.float64)
    x[[0, 0, -2]] = v
    assert_array_equal(x.detach(), [3, 0])
    x.sum().backward()
    assert_array_equal(v.grad, [0, 0, 1])


# --- messages


def test_refusal_names_both_operations_and_both_lines():
    """An overwritten input: who saved it and where, who wrote it and where, and what to do."""
    x = leaf(1.0, 2.0)
    y = x * 1
    y.name = "y"
    z, saved = y.sin(), line()
    y += 1
    written = line(-1)
    with pytest.raises(RuntimeError) as error:
        z.sum().backward()
    assert str(error.value) == (
        f"sin at {saved} saved y (2,) for its gradient, and += at {written} has overwritten it since: one of the "
        "variables needed for gradient computation has been modified by an inplace operation. Write to a copy "
        "(x = x.clone()), use the form that makes a new tensor (x = x + 1), or write after backward()."
    )


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (lambda y: y.mul_(2), "mul_"),
        (lambda y: y.zero_(), "zero_"),
        (lambda y: y.fill_(1.0), "fill_"),
        (lambda y: y.copy_(ones(2)), "copy_"),
        (lambda y: y.__setitem__(0, 5.0), "setitem"),
        (lambda y: y[0].exp_(), "exp_"),
        (lambda y: y.detach().neg_(), "neg_"),
        (lambda y: y.data.clamp_(0, 1), "clamp_"),
        (lambda y: np.add(y, 1, out=y), "add"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_refusal_names_the_write(write, name):
    """Whatever the way, through a view, detach() or .data too, the message names the writing operation and its line."""
    x = leaf(1.0, 2.0)
    y = x * 1
    z = y.sin()
    write(y)
    with pytest.raises(RuntimeError, match=rf"sin at .* saved its input Z \(2,\) .* {name} at test_writes.py:\d+ has"):
        z.sum().backward()


def test_refusal_says_when_it_is_the_result_that_was_overwritten():
    """exp reads its result, in place or not."""
    x = leaf(1.0, 2.0)
    y = x.exp()
    y += 1
    with pytest.raises(RuntimeError, match=r"exp at .* saved its result \(2,\)"):
        y.sum().backward()
    y = x * 1
    y.exp_()
    y *= 2
    with pytest.raises(RuntimeError, match=r"exp at .* saved its result \(2,\)"):
        y.sum().backward()


@pytest.mark.parametrize("write", [lambda w: w.add_(1), lambda w: w.__setitem__(0, 1.0), lambda w: w.fill_(0.0)])
def test_leaf_that_requires_grad_is_not_written(write):
    """The message names the leaf and its shape, and the two ways out; nothing has been changed."""
    w = tensor([1.0, 2.0], requires_grad=True, name="W")
    with pytest.raises(RuntimeError, match=r"a leaf Variable that requires grad .*W \(2,\).*no_grad"):
        write(w)
    assert_array_equal(w.detach(), [1, 2])


def test_views_of_views_of_views_remember_a_step_each():
    """2,000 of them take 1.3 MB; with all the steps of each it would be 17, and time to copy them."""
    x = zeros(2, 3)
    views = [x]
    tracemalloc.start()
    for _ in range(2000):
        views.append(views[-1].T)
    (_, peak) = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3e6
    views[-1][0, 1] = 5.0
    assert x[0, 1].item() == 5.0
    assert views[1999][1, 0].item() == 5.0


def test_view_of_a_leaf_is_not_written():
    """Not through views of views, nor through a view made before the leaf required a gradient."""
    w = tensor([[1.0, 2.0], [3.0, 4.0]])
    early = w[0]
    w.requires_grad_()
    for view in (w[0], w.T[1][1:], early):
        with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
            view.zero_()
    assert_array_equal(w.detach(), [[1, 2], [3, 4]])


def test_write_that_does_not_fit_changes_nothing():
    """Wrong shapes and kinds are refused before memory, record or version have moved."""
    x = leaf(1.0, 2.0)
    y = x * 1
    z = y.sin()
    refused = [
        (ShapeError, lambda: y.add_(ones(3, 2))),
        (ShapeError, lambda: y.copy_(ones(3))),
        (ShapeError, lambda: y.__setitem__(slice(None), ones(3))),
        (IndexError, lambda: y.__setitem__(5, 1.0)),
        (IndexError, lambda: y.__setitem__((0, 0), 1.0)),
        (IndexError, lambda: y.__setitem__([True, False, True], 1.0)),
        (RuntimeError, lambda: y.fill_(ones(2))),
        (DtypeError, lambda: tensor([1, 2]).mul_(1.5)),
        (DtypeError, lambda: tensor([True, False]).add_(1)),
        (DtypeError, lambda: tensor([1, 2]).__setitem__([0], tensor([1.5]))),
    ]
    for kind, write in refused:
        with pytest.raises(kind):
            write()
    assert_array_equal(y.detach(), [1, 2])
    z.sum().backward()
    assert_array_equal(x.grad, np.cos([1.0, 2.0]))


def test_expanded_tensor_is_not_written():
    """Its elements share memory: one write would change several; an expand that repeats nothing is a plain view."""
    x = zeros(1, dtype=np.float64)
    with pytest.raises(RuntimeError, match=r"zero_: .* is expanded: .*clone"):
        x.expand(3).zero_()
    row = zeros(3)
    row.expand(1, 3).add_(1)
    assert_array_equal(row, [1, 1, 1])


def test_view_made_under_no_grad_is_neither_used_nor_written_afterwards():
    """Whether a gradient should flow through it is unclear, so it is refused once its base has been written."""
    y = leaf(1.0, 2.0) * 1
    with no_grad():
        view = y[0]
    with pytest.raises(RuntimeError, match="created in no_grad mode"):
        view.add_(1)
    y.mul_(2)
    with pytest.raises(RuntimeError, match="created in no_grad mode"):
        view * 2
    assert view.item() == 2


# --- memory that someone outside can write


def outside(array, make):
    """A loss of which d/dx is `array`'s sum of squares, with the array written between forward and backward."""
    x = tensor(1.0, dtype=np.float64, requires_grad=True)
    loss = (x * make(array) * make(array)).sum()
    array[:] = 10.0
    loss.backward()
    return x.grad.item()


@pytest.mark.parametrize(
    "make", [from_numpy, as_tensor, tensor, lambda a: a], ids=["from_numpy", "as_tensor", "tensor", "a"]
)
def test_small_array_written_outside_does_not_change_the_gradient(make):
    """d/dx x (1 + 1 + 4) is 6, whatever the caller's buffer holds by the time of backward."""
    assert outside(np.array([1.0, 1.0, 2.0]), make) == 6.0


def test_from_numpy_shares_memory_both_ways():
    """A write on either side is seen on the other."""
    a = np.zeros(3)
    t = from_numpy(a)
    a[0] = 1.0
    t[1] = 2.0
    assert t.tolist() == a.tolist() == [1.0, 2.0, 0.0]


def test_large_array_is_locked_until_backward_has_read_it():
    """Above 1 MB nothing is copied: the caller's array and its base can't be written until backward() is done."""
    base = np.ones(LARGE + 2)
    a = base[1:-1]
    x = tensor(1.0, dtype=np.float64, requires_grad=True)
    loss = (x * from_numpy(a)).sum()
    for array in (a, base):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5.0
    loss.backward()
    assert x.grad.item() == LARGE
    a[0] = base[0] = 5.0


def test_large_array_is_unlocked_when_the_graph_is_dropped():
    """No backward, `del loss`: the array can be written at once."""
    a = np.ones(LARGE)
    loss = (tensor(1.0, dtype=np.float64, requires_grad=True) * a).sum()
    assert not a.flags.writeable
    del loss
    assert a.flags.writeable


def test_large_array_in_two_graphs_stays_locked_until_both_are_done():
    """The first backward() does not open what the second still has to read; retain_graph keeps the lock."""
    a = np.ones(LARGE + 1)
    x = tensor(1.0, dtype=np.float64, requires_grad=True)
    first, second = (x * a).sum(), (x * from_numpy(a)[1:]).sum()
    first.backward()
    assert not a.flags.writeable
    second.backward(retain_graph=True)
    assert not a.flags.writeable
    del second
    assert a.flags.writeable
    assert not Lock.held


def test_own_write_into_locked_memory_is_made_and_counted():
    """A write through the Tensor needs no lock: it goes through, and backward refuses by the version."""
    a = np.ones(LARGE)
    t = from_numpy(a)
    x = tensor(1.0, dtype=np.float64, requires_grad=True)
    loss = (x * t).sum()
    t += 1
    t[0] = 7.0
    assert not a.flags.writeable
    assert a[:2].tolist() == [7.0, 2.0]
    with pytest.raises(RuntimeError, match=r"setitem at .* has overwritten it"):
        loss.backward()


def test_view_made_under_lock_can_be_written_afterwards():
    """NumPy makes it read-only for good; the library writes through all the same once the lock is gone."""
    a = np.ones(LARGE)
    t = from_numpy(a)
    loss = (tensor(1.0, dtype=np.float64, requires_grad=True) * t).sum()
    view = t[:2]
    loss.backward()
    view += 1
    assert a[:3].tolist() == [2.0, 2.0, 1.0]


def test_read_only_array_is_not_written():
    """What the caller has protected stays as it is."""
    a = np.zeros(3)
    a.flags.writeable = False
    t = from_numpy(a)
    for write in (lambda: t.add_(1), lambda: t[1:].zero_(), lambda: t.__setitem__(0, 1.0)):
        with pytest.raises(RuntimeError, match="read-only"):
            write()
    assert a.tolist() == [0.0, 0.0, 0.0]


def test_result_in_shared_memory_is_protected_too():
    """exp_ reads its result; when that lies in the caller's array, backward uses what the forward pass saw."""
    a = np.zeros(2)
    t, x = from_numpy(a), leaf(1.0, 2.0)
    t += x
    t.exp_()
    a[:] = 100.0
    t.sum().backward()
    assert_array_equal(x.grad, np.exp([1.0, 2.0]))


def test_numpy_before_the_forward_pass_shares_memory():
    """What .numpy() gave may be written; a rule that reads the tensor later keeps a copy."""
    t, x = tensor([1.0, 2.0], dtype=np.float64), leaf(3.0, 4.0)
    a = t.numpy()
    a[0] = 5.0
    loss = (x * t).sum()
    a[:] = 100.0
    loss.backward()
    assert_array_equal(x.grad, [5, 2])


def test_numpy_after_the_forward_pass_is_read_only():
    """A record holds this memory itself, so the ndarray can't be written; the tensor can, and that is counted."""
    x = leaf(1.0, 2.0)
    y = x.exp()
    a = y.detach().numpy()
    with pytest.raises(ValueError, match="read-only"):
        a[0] = 5.0
    assert np.shares_memory(a, y.detach().numpy())
    with pytest.raises(RuntimeError, match="read-only"):
        from_numpy(a).zero_()


def test_numpy_of_what_requires_grad_is_refused():
    """NumPy would not record; a view that came to require grad through its base is refused as well."""
    with pytest.raises(RuntimeError, match=r"detach\(\)\.numpy\(\)"):
        leaf(1.0).numpy()
    a = zeros(2, dtype=np.float64)
    view = a[:1]
    a *= leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"detach\(\)\.numpy\(\)"):
        view.numpy()


def test_index_array_written_afterwards_does_not_move_the_gradient():
    """Index arrays and masks are kept as they were."""
    x = leaf(1.0, 2.0, 3.0)
    index, mask = tensor([0, 2]), tensor([True, False, False])
    a = np.array([0, 2])
    y = x[index] * 2 + x[a]
    z = x * 1
    z[mask] = 0.0
    index.zero_()
    a[:] = 1
    mask.fill_(True)
    (y.sum() + z.sum()).backward()
    assert_array_equal(x.grad, [3, 1, 4])


def test_data_assignment_shares_memory_with_its_source():
    """p.data = q: a write to q is one to p, so what was saved of p is refused afterwards."""
    p, q = leaf(1.0, 2.0), tensor([3.0, 4.0], dtype=np.float64)
    p.data = q
    loss = (p * p).sum()
    q += 1
    assert_array_equal(p.detach(), [4, 5])
    with pytest.raises(RuntimeError, match=r"\+= at .* has overwritten"):
        loss.backward()


def test_view_is_cut_off_when_its_base_gets_other_memory():
    """After y.data = ..., an old view of y writes to the old memory and no longer to y's record."""
    x = leaf(1.0, 2.0)
    y = x * 1
    view = y[0]
    y.data = y.detach() * 10
    view += 1
    (y * y).sum().backward()
    assert_array_equal(y.detach(), [10, 20])
    assert_array_equal(x.grad, [20, 40])


def test_saved_memory_of_a_dropped_graph_does_not_hinder_writes():
    """Versions bind backward alone: a tensor may be written at any time when nothing is differentiated afterwards."""
    x = leaf(1.0, 2.0)
    y = x * 1
    z = y.sin()
    del z
    y += 1
    y.sum().backward()
    assert_array_equal(x.grad, [1, 1])
    gc.collect()
    assert not Lock.held


# --- who writes

PACKAGE = Path(tinygrad_edu.__file__).parent
IN_PLACE_CALLS = {"at", "copyto", "put", "place", "putmask", "fill", "setflags", "fill_diagonal"}
# A forward may fill what it has just made; a clone is a Tensor, whose writes are counted.
NEW = ("np.zeros", "np.empty", "np.full", "np.zeros_like", "np.array", "clone")
PLAIN_VALUES = (ast.Constant, ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.JoinedStr)
PLAIN = (
    "int",
    "float",
    "str",
    "bool",
    "list",
    "dict",
    "set",
    "defaultdict",
    "Counter",
    "len",
    "sorted",
    "sum",
    "max",
    "min",
)
ALLOWED = {
    "nn/utils/orthogonal.py:_reflections": "sets the diagonal of the copy that it has just made",
    "nn/utils/prune.py:add_pruning_method": "a tuple of methods, no array",
    "nn/utils/prune.py:compute_mask": "an in-place operation on the Tensor that it has just cloned",
    "ops/writes.py:resize_": "an in-place operation on the Tensor that it has just made",
    "core/write.py:write": "the one function that writes",
    "core/write.py:_through_lock": "its second half: the same write, with the lock held open",
    "core/apply.py:apply": "an entry in the table of a trace",
    "core/apply.py:_joint": "as apply",
    "ops/generator.py:uniform": "fills an array of its own, or the room for its result",
    "ops/generator.py:normal": "as uniform, and exchanges a part",
    "core/backward.py:send": "adds into a cotangent that this pass allocated and nobody else has seen",
    "ops/factorizations.py:_eliminate": "works in the copy that the two forwards have just made",
    "ops/factorizations.py:pivoting": "orders of rows, made here",
    "ops/factorizations.py:order_of": "as pivoting",
    "ops/numpy_parts.py:_np_insert": "places, made here",
    "core/backward.py:add": "as send",
    "ops/scan.py:recurrence": "opaque forward: works in blocks that it has just made",
    "ops/indexing.py:add_at": "opaque forward: adds to its own copy, or where it is let",
    "optim/sgd.py:_blend": "handed to core.write, which hands it the memory",
    "optim/formula.py:compute": "likewise",
    "ops/writes.py:_put": "what assign's forward does to its own copy, and core.write to the target",
    "ops/products.py:cross_along": "opaque forward: fills an array that it has just made, through views",
    "ops/pooling.py:_onto_first": "of an opaque forward: fills an array that it has just made, position by position",
    "ops/pooling.py:largest_places": "opaque forward: counts in an array that it has just made",
    "ops/pooling_windows.py:_spread_along": "of an opaque forward: fills an array that it has just made",
    "ops/losses_labels.py:cross_entropy_of_classes": "divides the exponentials that its forward has just made",
    "ops/losses_labels.py:cross_entropy_of_pixels": "as that of classes",
    "ops/losses_labels.py:minus_one_hot": "lessens its own copy of P",
    "ops/losses_labels.py:minus_one_hot_of_pixels": "lessens its own copy of P",
    "ops/losses_labels.py:one_hot_rows": "opaque forward: fills zeros of its own",
    "ops/losses_labels.py:one_hot_pixels": "opaque forward: fills zeros of its own",
    "ops/room.py:zeroed": "the memory that a program keeps for a result",
    "ops/indexing.py:scatter": "opaque forward: adds to zeros of its own",
    "ops/indexing.py:put_along": "opaque forward: adds to zeros of its own",
    "ops/indexing.py:_add_at": "of an opaque forward: adds to the zeros of its caller",
    "ops/pooling.py:onto_largest": "opaque forward: hands on the room for its result",
    "ops/lstm.py:lstm_pull": "opaque forward: fills room of its own",
    "ops/columns.py:gather_windows": "opaque forward: fills room of its own",
    "ops/columns.py:scatter_windows": "opaque forward: fills zeros of its own",
    "ops/correlation.py:transposed_correlation": "opaque forward: adds the bias to what it has just computed",
    "ops/correlation.py:kernel_correlation": "opaque forward: fills zeros of its own",
    "ops/normalization.py:standardized": "divides what its forward has just subtracted",
    "ops/normalization.py:_moved": "handed to core.write, which hands it the memory",
    "ops/resizing.py:resample": "opaque forward: sums in an array that it has just made",
    "ops/generator.py:_box_muller": "works in the draws of `normal`",
    "ops/columns.py:load": "of an opaque forward: frames samples in a buffer that it has just made",
    "ops/columns.py:matrices": "of an opaque forward: fills a buffer that it has just made",
    "ops/correlation.py:_correlate": "of an opaque forward: fills an empty result that its caller has just made",
    "ops/correlation.py:_multiply_columns": "of an opaque forward: fills the result that its caller has just made",
    "ops/correlation.py:_add_by_columns": "of an opaque forward: adds to the zeros that its caller has just made",
    "ops/correlation.py:_add_by_shifts": "of an opaque forward: fills what it has just made, and adds to zeros",
    "ops/attention.py:scaled_scores": "opaque forward: adds the mask to the product that it has just made",
    "ops/attention.py:_softmax": "of an opaque forward: goes on in the array that it has just made",
    "ops/attention.py:attend": "opaque forward: fills the array that it has just made",
    "ops/linalg.py:affine": "adds the bias to the product that it has just made; of Symbols np makes a sum",
    "ops/gru.py:gru_pull": "opaque forward: fills arrays that it has just made, step by step",
    "ops/gru.py:gru_steps": "opaque forward: fills arrays that it has just made, step by step",
    "ops/lstm.py:lstm_steps": "opaque forward: fills arrays that it has just made, step by step",
    "ops/indexing.py:_add_rows": "of an opaque forward: adds to the zeros that its caller has just made",
    "ops/embedding.py:_renormalise": "the user's own weight, as x[i] = v on a Tensor",
    "autograd/check.py:gradcheck": "a direction drawn here",
}


def written_places():
    """`file:function` of every statement of the package that changes an object which may be an array."""
    # Left out is what only reads, viz and symbolic, and the main job, which is written as a user writes
    paths = [path for part in ("core", "ops", "autograd", "nn", "optim") for path in (PACKAGE / part).rglob("*.py")]
    files = {path.relative_to(PACKAGE): ast.parse(path.read_text("utf-8")) for path in sorted(paths)}
    shared = {name for tree in files.values() for name in plain_names(tree, attributes_only=True)}
    for part, tree in files.items():
        for function, node in within_functions(tree):
            if writes(node, part.parts[0] == "nn") and not is_plain(node, plain_names(function or tree) | shared):
                name = getattr(function, "name", "module")
                yield f"{part.as_posix()}:{name}", f"{part}:{node.lineno}: {ast.unparse(node)}"


def within_functions(tree):
    """Each node below a tree, with the innermost function around it."""
    stack = [(None, tree)]
    while stack:
        function, node = stack.pop()
        inner = node if isinstance(node, ast.FunctionDef) else function
        children = [(inner, child) for child in ast.iter_child_nodes(node)]
        yield from children
        stack.extend(reversed(children))


def writes(node, names_are_keys=False):
    """Whether a statement changes an object; in nn a key that is a name is a parameter's or a module's."""
    if isinstance(node, ast.AugAssign):
        return True
    if isinstance(node, ast.Assign):
        targets = [t for t in node.targets if isinstance(t, ast.Subscript)]
        return any(not (names_are_keys and isinstance(t.slice, (ast.Name, ast.BinOp))) for t in targets)
    if isinstance(node, ast.Call):
        in_place = isinstance(node.func, ast.Attribute) and node.func.attr in IN_PLACE_CALLS
        return in_place or any(k.arg == "out" for k in node.keywords)
    return False


def is_plain(node, names):
    """Whether a Python number, text or container is written, what is indexed by text, or an array made just before."""
    if isinstance(node, ast.Call):
        out = [k.value for k in node.keywords if k.arg == "out"]
        target = out[0] if out else node.func.value if node.func.attr in ("fill", "setflags") else node.args[0]
    elif isinstance(node, ast.AugAssign):
        target = node.target
    else:
        target = next(t for t in node.targets if isinstance(t, ast.Subscript))
    while isinstance(target, (ast.Subscript, ast.Call)):
        if isinstance(target, ast.Call):  # a view of its first argument
            target = target.args[0]
            continue
        if isinstance(target.slice, ast.Constant) and isinstance(target.slice.value, str):
            return True
        target = target.value
    return last_name(target) in names


def last_name(expression):
    return getattr(expression, "attr", getattr(expression, "id", None))


@functools.cache
def plain_names(tree, attributes_only=False):
    """Names bound to Python's own containers, texts and numbers in a function; or a module's attributes and globals."""
    found = {"kwargs", "__dict__"}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None and not attributes_only:
            if ast.unparse(node.annotation).startswith(PLAIN):
                found.add(node.arg)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            told = isinstance(node, ast.AnnAssign) and (
                ast.unparse(node.annotation).removeprefix("ClassVar[").startswith(PLAIN)
            )
            call = isinstance(node.value, ast.Call) and ast.unparse(node.value.func) in (*PLAIN, *NEW)
            repeated = isinstance(node.value, ast.BinOp) and isinstance(node.value.left, ast.List)  # [None] * n
            plain = isinstance(node.value, PLAIN_VALUES) and getattr(node.value, "value", 0) is not None
            if told or call or repeated or plain:
                found |= {last_name(t) for t in targets if not attributes_only or is_shared(t)}
    return found - {None}


def is_shared(target):
    """An attribute, a global table or a class's counter: seen from other files under this name."""
    name = last_name(target) or ""
    table = len(name) > 2 and name.isupper()  # PRIMITIVES, and no matrix
    return isinstance(target, ast.Attribute) or table or name in ("_next", "held")


def test_no_array_is_written_but_by_the_one_function():
    """No `+=`, `x[i] = v` or `out=` on a bare array, outside of core.write and of forwards that fill what they made."""
    found = dict(written_places())
    surplus = [text for place, text in found.items() if place not in ALLOWED]
    assert not surplus, "\n".join(surplus)
    assert not set(ALLOWED) - set(found), "these write no longer"


def test_search_for_writes_finds_them():
    """The search sees each way of writing, and takes Python's own containers and numbers for what they are."""
    source = """
def f(X, n: int):
    made = np.zeros(3)
    made[0] = 1
    A = X.T
    A += 1
    A[0] = 2
    np.add(A, 1, out=A)
    np.add.at(A, 0, 1)
    n += 1
    known = {}
    known[n] = A
    X.T[0] *= 3
"""
    module = ast.parse(source)
    lines = {n.lineno for f, n in within_functions(module) if writes(n) and not is_plain(n, plain_names(f or module))}
    assert sorted(lines) == [6, 7, 8, 9, 13]


def test_version_moves_with_every_write_and_with_nothing_else():
    """Each kind of write counts one or more; reading, viewing and copying count none."""
    y = tensor([1.0, 2.0])
    _ = leaf(1.0, 2.0).float() * y
    version = y._storage.version
    assert y.sum().item() == 3.0
    _ = y[0], y.T, y.detach(), y.clone(), y.data, y.numpy(), repr(y)
    assert y._storage.version == version
    for write in (lambda: y.add_(1), lambda: y[0].mul_(2), lambda: y.data.zero_(), lambda: y.detach().fill_(3)):
        write()
        assert y._storage.version > version
        version = y._storage.version


INTERNAL = {"valid_labels", "labels_within"}  # hand integers through, and are called by losses only


@pytest.mark.parametrize("case", [c for c in CASES if c.output is None and c.key not in INTERNAL], ids=str)
def test_result_shares_memory_only_as_a_view(case, rng):
    """A primitive gives new memory, or is linked to its base: else a write to one would be missed by the other."""
    inputs = case.sample(rng)
    with np.errstate(all="ignore"):
        result = case.primitive(*(from_numpy(x) if isinstance(x, np.ndarray) else x for x in inputs), **case.params)
    if isinstance(result, Tensor) and result.numel():
        arrays = [x for x in inputs if isinstance(x, np.ndarray)]
        shared = any(np.shares_memory(result._array, x) for x in arrays)
        assert shared == (result._view is not None)
        assert case.primitive.view or not shared


@pytest.mark.parametrize("case", [c for c in CASES if c.output is None and c.differentiable(c.sample(RNG))], ids=str)
def test_cotangent_that_the_engine_may_write_is_new(case, rng):
    """A rule's result without a base is added to in place: it must be no operand's memory, and not the result's."""
    inputs = case.sample(rng)
    Y = case.forward(*inputs)
    dY = np.asarray(rng.standard_normal(Y.shape), Y.dtype)
    for i in case.differentiable(inputs):
        with np.errstate(all="ignore"):
            dX = case.primitive.call_rule(i, dY, Y, inputs, case.params)
        if isinstance(dX, np.ndarray) and dX is not dY and dX.base is None:
            others = [dY, Y, *(x for x in inputs if isinstance(x, np.ndarray))]
            assert not any(np.shares_memory(dX, other) for other in others)


def test_views_know_their_base_and_copies_do_not(rng):
    """Slices, reshapes and transposes share memory; index arrays, masks, clone and reshapes that copy do not."""
    t = Tensor(rng.standard_normal((2, 3)))
    views = (t[0], t[:, 1:], t[None], t[...], t.T, t.reshape(-1), t.view(6), t.unsqueeze(0), t.flatten(), t[tensor(1)])
    copies = (t[[0, 1]], t[t > -9], t.clone(), t.T.reshape(-1), t + 0, t.double().float())
    assert all(np.shares_memory(v._array, t._array) for v in views)
    assert all(v._view is not None and v._view.base is t for v in views)
    assert not any(np.shares_memory(c._array, t._array) for c in copies)
    assert all(c._view is None for c in copies)


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.mul_(2),
        lambda x: x[0].mul_(2),
        lambda x: x.T.zero_(),
        lambda x: x.__setitem__(0, 1.0),
    ],
)
def test_a_view_that_is_made_a_leaf_is_one(write):
    """It is not written where that is recorded, and neither is a view of it."""
    x = ones(3, 4).T.requires_grad_()
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad is being used in an in-place operation"):
        write(x)
    with no_grad():
        write(x)
    (x * x).sum().backward()
    assert x.is_leaf
    assert x.grad.tolist() == (2 * x).tolist()
