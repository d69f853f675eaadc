"""Networks that nobody has tidied: names that are right, forms that a person would write, in both scales."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn
from tinygrad_edu.symbolic import explain


def values(rng, *shapes, grad=True):
    """float64 leaves without names."""
    return [te.tensor(rng.standard_normal(shape), requires_grad=grad) for shape in shapes]


def lines(e):
    """The text of each line by its name; every formula is right."""
    assert e.check() < 1e-10
    return {line.name: line.text().split(" = ", 1)[1] for line in e}


# --- names out of the source


def hidden(make):
    """A loss made where the caller's variables can't be seen."""
    return make()


def test_operands_of_functions_have_their_own_names(rng):
    """Of einsum, whose first argument is no tensor; of sort, which is called on a module and not on a tensor."""

    def make():
        (A,) = values(rng, (4, 3), grad=False)
        B, c = values(rng, (3, 2), (4,))
        return te.einsum("ni,ij->nj", A, B).sum() + te.sort(c)[0].exp().sum()

    found = lines(explain(hidden(make)))
    assert "dB" in found
    assert not {"dA", "dte", "dC"} & set(found)


def test_an_embedding_is_not_called_like_its_indices(rng):
    """A module's own parameter is no operand of its call; the function takes indices first."""

    def module():
        words, table = te.tensor([1, 2, 2]), nn.Embedding(4, 3)
        return table(words).square().sum()

    def function():
        words, table = te.tensor([1, 2, 2]), values(rng, (4, 3))[0]
        return F.embedding(words, table).square().sum()

    assert "dwords" not in lines(explain(hidden(module)))
    found = explain(hidden(function))
    assert {line.name for line in found.backward if line.operation == ""} == {"dtable"}


def test_targets_of_one_assignment(rng):
    """`q, k = ...` names both."""

    def make():
        (X,) = values(rng, (4, 3), grad=False)
        Q, K = values(rng, (3, 2), (3, 2))
        q, k = X @ Q, X @ K
        return te.softmax(q @ k.T, dim=1).square().mean()

    assert {"dq", "dk"} <= set(lines(explain(hidden(make))))


# --- forms


def test_softmax_and_its_log_written_out_are_p_minus_y(rng):
    """Columns as samples; the labels' columns sum to 1, which their numbers show."""
    X, W, b = *values(rng, (3, 6), grad=False), *values(rng, (3, 4), (4, 1))
    Y = te.tensor(np.eye(4)[:, [0, 1, 2, 3, 0, 1]])
    m = 6
    Z = W.T @ X + b
    P = te.softmax(Z, dim=0)
    loss = -(Y * te.log(P)).sum() / m
    assert lines(explain(loss))["dZ"] == "1/m (P - Y)"
    assert lines(explain(loss, "textbook"))["dZ"] == "P - Y"
    V = te.tensor(rng.random((4, 6)), name="V")  # to nothing in particular
    other = lines(explain(-(V * te.log(P)).sum() / m, "textbook"))["dZ"]
    assert "Σ V" in other


@pytest.mark.parametrize(
    ("activation", "slope"),
    [
        (lambda Z: F.softplus(Z), "(1 if Z > 20 else σ(Z))"),
        (lambda Z: F.elu(Z), "(exp(-relu(-Z)) if Z ≤ 0 else 1)"),
        (lambda Z: F.leaky_relu(Z, 0.1), "(1 if Z > 0 else 0.1)"),
        (lambda Z: te.clamp(Z, -1, 1), "[Z ≤ 1] ∘ [Z ≥ -1]"),
        (lambda Z: te.clamp(Z, min=0), "[Z ≥ 0]"),
    ],
    ids=["softplus", "elu", "leaky", "clamp", "floor"],
)
@pytest.mark.parametrize("scale", ["exact", "textbook"])
def test_a_choice_is_a_factor(activation, slope, scale, rng):
    """dZ = dA ∘ slope, in both scales alike: no 1/m stands inside of the cases."""
    X, W = *values(rng, (5, 3), grad=False), *values(rng, (3, 2))
    Z = X @ W
    A = activation(Z)
    assert lines(explain((A**3).mean(), scale))["dZ"] == f"dA ∘ {slope}"


def test_one_sample_has_both_scales_alike(rng):
    """m = 1: no m stands anywhere."""
    model, x, y = nn.Linear(3, 1).double(), *values(rng, (1, 3), (1, 1), grad=False)
    loss = F.mse_loss(model(x), y)
    assert lines(explain(loss, "textbook")) == lines(explain(loss))


def test_a_product_with_a_vector(rng):
    """Xᵀ dZ; and what sums to a number has no shape to be told."""
    X, w = *values(rng, (6, 3), grad=False), *values(rng, (3,))
    b = te.zeros((), dtype=te.float64, requires_grad=True)
    Z = X @ w + b
    found = lines(explain((Z**2).mean()))
    assert (found["dw"], found["db"]) == ("Xᵀ dZ", "Σ dZ")


def test_cost_of_log_probabilities(rng):
    """log_softmax and nll_loss, as PyTorch's examples have it: -Y / m, and the P - Y that it comes to."""
    (Z,) = values(rng, (4, 3))
    A = te.log_softmax(Z, dim=1)
    e = explain(F.nll_loss(A, te.tensor([0, 2, 1, 1])))
    assert (lines(e)["dA"], lines(e)["dZ"]) == ("-1/m Y", "1/m (exp(A) - Y)")
    assert e.check() < 1e-10
    A = te.log_softmax(Z, dim=1)
    ignored = explain(F.nll_loss(A, te.tensor([0, -100, 1, 1])))  # a row of Y has no 1
    assert lines(ignored)["dZ"] == "dA - (Σ dA) ∘ exp(A)"
    assert ignored.check() < 1e-10
    total = explain(F.cross_entropy(Z, te.tensor([0, 2, 1, 1]), reduction="sum"))
    assert lines(total)["dZ"] == "exp(H1) - Y"


def test_what_goes_without_saying(rng):
    """Parameters with the values that they have if nobody names them; a limit at infinity."""
    (Z,) = values(rng, (4, 3))
    said = explain(F.soft_margin_loss(Z, te.ones(4, 3, dtype=te.float64)))
    assert (lines(said)["H1"], lines(said)["dZ"]) == ("softplus(C1 ∘ Z)", "1/m C1 ∘ σ(C1 ∘ Z)")
    assert "softplus(Z, beta=2)" in str(explain(F.softplus(Z, beta=2).sum()))


def test_a_functions_backward_may_use_any_operation():
    """A draw of a gamma distribution: its backward calls primitives that Symbols can't be computed by."""
    a = te.tensor([2.0, 3.0], dtype=te.float64, requires_grad=True)
    e = explain((te.distributions.Gamma(a, te.ones_like(a)).rsample() ** 2).mean())
    assert any("gamma_moment(" in line.text() for line in e.backward)
    assert max(line.check() for line in e.backward) < 1e-10


def test_labels_that_none_ignores_leave_no_condition(rng):
    """Weighted and smoothed cross-entropy: a mask that is 1 everywhere is not written."""
    (Z,) = values(rng, (4, 3))
    labels = te.tensor([0, 2, 1, 1])
    for loss in (
        F.cross_entropy(Z, labels, weight=te.tensor([1.0, 2.0, 0.5], dtype=te.float64)),
        F.cross_entropy(Z, labels, label_smoothing=0.1),
        F.nll_loss(te.log_softmax(Z, dim=1), labels),
    ):
        e = explain(loss)
        assert e.check() < 1e-10
        assert not any(word in line.text() for line in e.backward for word in ("not", "if"))
    some = explain(F.cross_entropy(Z, te.tensor([0, -100, 1, 1]), label_smoothing=0.1))
    assert some.check() < 1e-10
    assert "(1 - " in str(some)


def test_long_numbers_are_cut_where_people_read(rng):
    """Six digits in the text, all of them in the source; of a float32 number no tail is shown."""
    Q, K = values(rng, (4, 3), (4, 3))
    S = Q @ K.T / 3**0.5
    loss = (S * te.tensor(0.1)).tanh().sum()
    e = explain(loss)
    assert e["S"].text() == "S = Q Kᵀ / 1.73205"
    assert "1.7320508075688772" in e["S"].source()
    assert "0.57735 dS K" in e["dQ"].text()
    assert "0.1000" not in str(e)


def test_a_penaltys_mean_is_not_the_samples_mean(rng):
    """m counts samples, although the mean of the weights' squares divides too; it keeps its own factor."""
    X, y, W = *values(rng, (6, 3), (6, 1), grad=False), *values(rng, (3, 1))
    Z = X @ W
    e = explain(((Z - y) ** 2).mean() + 0.1 * (W**2).mean(), "textbook")
    assert e.m == 6
    assert e["dZ"].text() == "dZ = 2 (Z - y)"
    assert e["dW"].text() == "dW = 1/15 W + 1/m Xᵀ dZ"
    assert explain((W**2).mean()).m == 3  # of a parameter alone it is the mean


def test_labels_of_which_only_their_complements_are_left(rng):
    """`-Y` and `1 - Y` are constants of one Y, which the source says; so what cancels with Y cancels."""

    def make():
        X, W, Y = *values(rng, (2, 5), grad=False), *values(rng, (2, 1)), te.tensor([[1.0, 0, 1, 1, 0]]).double()
        A = te.sigmoid(W.T @ X)
        return te.mean(-Y * te.log(A) - (1 - Y) * te.log(1 - A))

    e = explain(hidden(make), "textbook")
    assert e.check() < 1e-10
    assert e["dZ1"].text() == "dZ1 = A - Y"
    assert [g.name for g in e.given if not g.needs_grad] == ["Y", "X"]
    scope = {g.name: np.array(g.value) for g in e.given} | {"np": np}
    exec(e.source(), scope)
    np.testing.assert_allclose(scope["dW"], e["dW"].value, rtol=1e-12)


def test_conditions_are_shown_as_the_source_has_them(rng):
    """`Z * (Z > 0)` and `where(A < 1, ...)`, whose masks leave no record; sums of conditions are counted, not or-ed."""
    X, W = *values(rng, (5, 3), grad=False), *values(rng, (3, 2))
    Z = X @ W
    A = Z * (Z > 0)
    B = te.where(A < 1, A, 2 * A)
    found = lines(explain(B.square().sum()))
    assert (found["A"], found["dZ"]) == ("Z ∘ [Z > 0]", "dA ∘ [Z > 0]")
    assert found["B"] == "(A if A < 1 else 2 A)"
    w, x = *values(rng, (3,)), *values(rng, (3,), grad=False)
    z = w * x
    mask = z > 0.1
    found = lines(explain((z * mask).sum() + te.where(z >= 0, z, -z).sum()))
    assert "where" not in found["dz"]


def test_a_cost_by_a_matrix_product(rng):
    """`-1/m (Y @ log(A).T + ...)`, squeezed: its count is the number of columns; 1 × 1 factors leave no trace."""
    X, W = *values(rng, (2, 5), grad=False), *values(rng, (2, 1))
    Y = te.tensor([[1.0, 0, 1, 1, 0]]).double()
    m = X.shape[1]
    Z = W.T @ X
    A = te.sigmoid(Z)
    e = explain(te.squeeze(-(1 / m) * (Y @ te.log(A).T + (1 - Y) @ te.log(1 - A).T)), "textbook")
    assert e.check() < 1e-10
    assert e["dA"].text() == "dA = (1 - Y) / (1 - A) - Y / A"
    assert e["dZ"].text() == "dZ = A - Y"


def test_writes_into_a_tensor(rng):
    """Where they go is shown as an index, through views too; the source runs alone."""
    X, W = *values(rng, (4, 3), grad=False), *values(rng, (3, 2))
    Z = X @ W
    A = Z.clone()
    A[A < 0] = 0.0
    A[:, 0] *= 2
    e = explain(A.mean(), "textbook")
    assert e.check() < 1e-10
    text = str(e)
    assert "at=[:, 0]" in text
    assert not any(word in text for word in ("steps", "slice", "Ellipsis", "m put"))
    scope = {g.name: np.array(g.value) for g in e.given}
    exec(e.source(), scope)
    np.testing.assert_allclose(scope["dW"], e["dW"].value, rtol=1e-12)


def test_sources_run_where_a_value_is_the_same_in_every_row(rng):
    """A gradient whose formula is smaller than what it is the gradient of is stretched to that shape."""
    w, v = values(rng, (3, 1), (2,))
    e = explain((w.expand(3, 4) * te.repeat_interleave(v, 2)).sum())
    scope = {g.name: np.array(g.value) for g in e.given}
    exec(e.source(), scope)
    for line in e.backward:
        assert np.shape(scope[line.name]) == line.shape
        np.testing.assert_allclose(scope[line.name], line.value)


def test_conditions_with_a_sign(rng):
    """A negative condition is a number: textbook scale of a margin loss."""
    a, p = values(rng, (5, 3), (5, 3))
    loss = te.clamp(1 + (a - p).norm(dim=1) - (a + p).norm(dim=1), min=0).mean()
    assert any(text.startswith("-[") for text in lines(explain(loss, "textbook")).values())


def test_operands_of_a_choice_by_a_method(rng):
    """`x.masked_fill(mask, value)` and `x.where(mask, other)`: the condition is not called x."""

    def make():
        (scores,) = values(rng, (3, 3))
        later, none = te.triu(te.ones(3, 3), diagonal=1).bool(), te.zeros(3, 3, dtype=te.float64)
        return scores.masked_fill(later, -9.0).exp().sum() + scores.where(later, none).sum()

    e = explain(hidden(make))
    assert e.check() < 1e-10
    assert {g.name for g in e.given} == {"later", "scores", "none"}
    assert next(g for g in e.given if g.name == "later").value.dtype == bool


def test_a_normalisation_says_mean_and_variance(rng):
    """Its three outputs have three formulas, which the normalised values' gradient reads."""
    layer, (X,) = nn.LayerNorm(4).double(), values(rng, (3, 4))
    found = lines(explain(layer(X).square().mean()))
    assert (found["μ"], found["V"], found["N"]) == ("mean(X)", "var(X)", "standardize(X, eps=1e-05)")
    assert found["dX"].endswith("/ √(V + 1e-05)")


def test_a_condition_in_a_loop_is_not_that_of_a_later_value(rng):
    """The name h is the last one's; a mask of an earlier h is a constant, although the signs are the same."""
    (x,) = values(rng, (3,))
    h = x
    for _ in range(2):
        h = h * (h > 0) + x
    text = explain(h.sum()).text()
    assert "h > 0" not in text
