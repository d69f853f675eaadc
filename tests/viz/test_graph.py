"""viz.graph: what was recorded, as plain data, and never a number that the graph has not seen."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_edu as te
from tinygrad_edu import Tensor, from_numpy, no_grad, tensor
from tinygrad_edu.viz import graph

from ..ops.table import CASES
from .graphs import GRAPHS, article, leaf, used_twice


def available(t: Tensor) -> dict[str, bool]:
    """Of each value with a name, whether its numbers are there."""
    return {v.name: v.array is not None for v in graph(t).values if v.name}


def descend(v: dict[str, Tensor]) -> None:
    with no_grad():
        for name in ("W1", "b1", "W2", "b2"):
            v[name] -= 0.1 * v[name].grad
            v[name].grad = None


SLOPED = [c for c in CASES if c.differentiable(c.sample(np.random.default_rng(0)))]


# --- structure


def test_values_stand_in_the_order_in_which_they_were_made():
    """Each value has the id of its place, and its inputs stand before it."""
    values = graph(article()["L"]).values
    assert [v.id for v in values] == [f"v{i}" for i in range(len(values))]
    for place, value in enumerate(values):
        assert all(int(x[1:]) < place for x in value.inputs if isinstance(x, str))
    assert [v.name for v in values if v.kind == "result" and v.name] == ["Z1", "A1", "Z2", "A2", "L"]


def test_a_value_used_twice_stands_once_with_two_edges():
    """a + a is two values and two edges, told apart by their position."""
    g = graph(used_twice())
    assert len(g) == 2
    assert g.edges == [("v0", "v1", 0), ("v0", "v1", 1)]


def test_kinds_names_and_operations():
    """Leaves, constants and results are told apart; an operation has the user's word and its key."""
    g = graph(article()["L"])
    assert {v.name for v in g.values if v.kind == "leaf"} == {"W1", "b1", "W2", "b2"}
    assert {v.name for v in g.values if v.kind == "constant"} == {"X", "Y", None}
    assert (g["Z1"].operation, g["Z1"].primitive) == ("add", "plus")
    assert (g["W1"].operation, g["W1"].line) == (None, "")
    assert g["A2"].line.startswith("graphs.py:")
    assert (g["A1"].shape, g["A1"].dtype) == ((3, 2), np.float32)


def test_numbers_are_inputs_as_they_are():
    """A Python number keeps its place among the inputs and is no value of its own."""
    x = leaf([1.0], "x")
    g = graph(2.0 - x)
    assert g.root.inputs == (2.0, "v0")
    assert g.edges == [("v0", "v1", 1)]


def test_parameters_of_an_operation_are_there():
    """The axes of a sum are in params."""
    assert graph(leaf([[1.0]]).sum(0)).root.params == {"axis": (0,), "keepdims": False}


def test_names_may_be_given():
    """names= calls tensors that have no name; a name of one's own stays."""
    w, b = leaf([1.0]), leaf([2.0], "own")
    assert {v.name for v in graph(w * b, {"0.weight": w, "0.bias": b}.items()).values} == {"0.weight", "own", None}
    assert graph(w * b, {"0.weight": w})["0.weight"].id == "v0"


def test_lookup_by_name_and_id():
    """g[...] finds a value by its name or its id, and says which names there are otherwise."""
    g = graph(used_twice())
    assert g["a"] is g["v0"]
    with pytest.raises(KeyError, match="no value is called 'b'; the names in this graph are: a"):
        g["b"]


def test_a_tensor_without_history_is_a_graph_of_one():
    """A constant is one value."""
    (value,) = graph(tensor([1, 2])).values
    assert (value.kind, value.shape, value.grad) == ("constant", (2,), None)


def test_a_view_is_seen_with_what_was_written_to_its_base():
    """The graph of a view made before a write to its base includes that write."""
    x = leaf([1.0, 2.0], "x")
    y = x * 1
    part = y[0]
    y[0] = x[1] * 5
    g = graph(part)
    assert "setitem" in [v.operation for v in g.values]
    assert g.root.array == 10.0


def test_what_is_no_tensor_is_refused():
    """An array has no graph."""
    with pytest.raises(TypeError, match="graph: expected a Tensor, got ndarray"):
        graph(np.ones(3))


def test_the_order_is_the_same_in_every_run():
    """Two recordings of one program give the same data, whatever lies where in memory."""
    fields = [f.name for f in dataclasses.fields(graph(used_twice()).root) if f.name not in ("array", "grad")]
    runs = [[[getattr(v, f) for f in fields] for v in graph(GRAPHS["residual"]()).values] for _ in range(2)]
    assert runs[0] == runs[1]


def test_a_long_graph_needs_no_recursion_and_linear_time(calls):
    """20,000 operations, each using its input twice, are 20,001 values; 2**20000 paths would never end."""

    def doubled(times):
        y = leaf([0.0])
        for _ in range(times):
            y = y + y
        return y

    long, short = doubled(20_000), doubled(2_000)
    assert len(graph(long)) == 20_001
    assert calls(lambda: graph(long)) < 11 * calls(lambda: graph(short))


# --- numbers


@pytest.mark.parametrize("case", SLOPED, ids=str)
def test_values_are_had_again_after_backward(case, rng):
    """For every row of the rule book's table: backward frees the arrays, and the graph has them all the same."""
    inputs = case.sample(rng)
    slopes = case.differentiable(inputs)
    tensors = [tensor(x, requires_grad=i in slopes) if isinstance(x, np.ndarray) else x for i, x in enumerate(inputs)]
    with np.errstate(all="ignore"):
        Y = case.primitive(*tensors, **case.params)
        loss = (Y * 2).sum()
    expected = Y.detach().numpy().copy()
    loss.backward()
    *values, doubled, _ = graph(loss).values
    assert all(v.array is not None for v in values)
    assert values[-1].primitive == case.key
    assert_array_equal(values[-1].array, expected)
    assert_array_equal(doubled.array, 2 * expected)


def test_values_are_the_same_before_and_after_backward(rng):
    """Freed arrays are computed again, to the last bit."""
    v = article(rng, m=5)
    before = graph(v["L"])
    v["L"].backward()
    for a, b in zip(before.values, graph(v["L"]).values, strict=True):
        assert_array_equal(a.array, b.array)
    assert_array_equal(before["A1"].array, v["A1"].detach().numpy())


def test_the_data_stay_when_training_goes_on(rng):
    """Arrays are copies that can't be written: a step changes the parameters and not the data."""
    v = article(rng)
    v["L"].backward()
    g = graph(v["L"])
    W1, dW1 = g["W1"].array.copy(), g["W1"].grad.copy()
    descend(v)
    assert_array_equal(g["W1"].array, W1)
    assert_array_equal(g["W1"].grad, dW1)
    with pytest.raises(ValueError, match="read-only"):
        g["W1"].array[0, 0] = 1


def test_values_are_there_in_every_iteration(rng):
    """Parameters that were written in earlier steps are no obstacle."""
    v = article(rng)
    v["L"].backward()
    descend(v)
    L = -(te.log(te.sigmoid(v["W2"].T @ te.tanh(v["W1"].T @ v["X"] + v["b1"]) + v["b2"]))).mean()
    assert all(x.array is not None for x in graph(L).values)
    L.backward()
    assert all(x.array is not None for x in graph(L).values)


def test_after_the_step_what_depends_on_written_parameters_is_not_available(rng):
    """Parameters now hold other numbers than the graph saw; inputs and the loss itself are certain."""
    v = article(rng)
    v["L"].backward()
    descend(v)
    expected = dict.fromkeys(("W1", "b1", "W2", "b2", "Z1", "A1", "Z2", "A2"), False)
    assert available(v["L"]) == expected | dict.fromkeys(("X", "Y", "L"), True)


def test_a_write_that_no_record_guards_is_noticed(rng):
    """No rule reads the bias of Z + b. The last value can't be had from the written one, which says enough."""
    v = article(rng)
    with no_grad():
        v["b1"] += 1
    names = available(v["L"])
    assert not names["b1"]
    assert not names["Z1"]
    assert names["A1"]  # tanh's rule reads its result, so that is kept
    assert names["W2"]


def test_a_guarded_write_that_changes_nothing_downstream_is_noticed():
    """A dead ReLU hides a write from the last value; the version of what a rule reads tells."""
    x, w = leaf([1.0], "x"), leaf([-1.0], "w")
    y = te.relu(x * w)
    with no_grad():
        w -= 1
    assert available(y) == {"x": True, "w": False}


def test_a_write_by_numpy_is_noticed():
    """Memory shared with an ndarray counts no writes; what a rule kept of it is the old value."""
    data = np.array([1.0, 2.0], np.float32)
    X = from_numpy(data)
    X.name = "X"
    w = leaf([3.0, 4.0], "w")
    kept, free = (X * w).sum(), (X + w).sum()
    data[:] = 7
    assert_array_equal(graph(kept)["X"].array, [1.0, 2.0])
    assert available(free) == {"X": False, "w": True}


def test_a_constant_that_was_written_over_is_not_available():
    """The old numbers of a buffer that results are stored in are gone, and are not made up."""
    buffer = te.zeros(3)
    buffer.name = "buffer"
    w = leaf(2.0, "w")
    buffer[0] = w * 1
    old, new = (v for v in graph(buffer).values if v.name == "buffer")
    assert old.array is None
    assert_array_equal(new.array, [2.0, 0.0, 0.0])


def test_writes_to_results_are_followed():
    """h += 1 is one more value, and both have their numbers."""
    w = leaf([2.0], "w")
    h = w * 3
    h += 1
    assert [v.array.tolist() for v in graph(h).values] == [[2.0], [6.0], [7.0]]


def test_a_detached_value_is_a_constant_with_numbers():
    """detach() shares memory with a result and is no write."""
    w = leaf([2.0], "w")
    h = w * 3
    g = graph(h * h.detach())
    assert [v.kind for v in g.values].count("constant") == 1
    assert all(v.array is not None for v in g.values)


def test_nan_values_are_had_again():
    """NaN equals NaN when the replay is compared."""
    x = leaf([-1.0, 4.0], "x")
    with np.errstate(all="ignore"):
        y = te.sqrt(x).sum()
        y.backward()
    assert all(v.array is not None for v in graph(y).values)


# --- gradients


def test_before_backward_no_gradient_is_computed():
    """Not computed is None, never 0."""
    assert all(v.grad is None for v in graph(article()["L"]).values)


def test_leaves_have_their_gradient_after_backward(rng):
    """A leaf's gradient is what .grad holds; of other values there is none unless it was asked for."""
    v = article(rng)
    v["A1"].retain_grad()
    v["L"].backward()
    g = graph(v["L"])
    assert {x.name for x in g.values if x.grad is not None} == {"W1", "b1", "W2", "b2", "A1"}
    assert_array_equal(g["W1"].grad, v["W1"].grad.numpy())
    assert_array_equal(g["A1"].grad, v["A1"].grad.numpy())


def test_the_graph_of_a_gradient_is_a_graph():
    """With create_graph the gradient has a record, and its own values and numbers."""
    x = leaf([1.0, 2.0], "x")
    (dx,) = te.autograd.grad((x**3).sum(), [x], create_graph=True)
    g = graph(dx)
    assert_array_equal(g.root.array, [3.0, 12.0])
    assert g["x"].kind == "leaf"
