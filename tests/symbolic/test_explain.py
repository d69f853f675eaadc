"""explain(loss): the formulas that a textbook prints, derived from the record and held against its numbers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim
from tinygrad_edu.symbolic import FormulaError, explain
from tinygrad_edu.symbolic.printer import namespace


def lines(e):
    """Name -> formula of the backward lines."""
    return dict(line.text().split(" = ", 1) for line in e.backward)


def article(rng, g=te.tanh, m=6):
    """The article's network as its reader types it; names are those of the variables."""
    X, Y = te.tensor(rng.standard_normal((2, m))), te.tensor((rng.random((1, m)) > 0.5).astype(float))
    W1 = te.tensor(rng.standard_normal((2, 4)), requires_grad=True)
    b1 = te.tensor(rng.standard_normal((4, 1)), requires_grad=True)
    W2 = te.tensor(rng.standard_normal((4, 1)), requires_grad=True)
    b2 = te.tensor(rng.standard_normal((1, 1)), requires_grad=True)
    Z1 = W1.T @ X + b1
    A1 = g(Z1)
    Z2 = W2.T @ A1 + b2
    A2 = te.sigmoid(Z2)
    return -(Y * te.log(A2) + (1 - Y) * te.log(1 - A2)).mean()


def test_textbook_scale_prints_the_article(rng):
    """Word for word the article's equations, a line for dA2 before them."""
    loss = article(rng)
    loss.backward()
    assert lines(explain(loss, scale="textbook")) == {
        "dL": "1",
        "dA2": "(1 - Y) / (1 - A2) - Y / A2",
        "dZ2": "A2 - Y",
        "dW2": "1/m A1 dZ2ᵀ",
        "db2": "1/m Σ dZ2",
        "dA1": "W2 dZ2",
        "dZ1": "dA1 ∘ (1 - A1²)",
        "dW1": "1/m X dZ1ᵀ",
        "db1": "1/m Σ dZ1",
    }


def test_exact_scale_keeps_the_share_in_dZ2(rng):
    """What .grad holds: 1/m belongs to dZ2, and the parameters' lines have none."""
    found = lines(explain(article(rng)))
    assert found["dZ2"] == "1/m (A2 - Y)"
    assert found["dW2"] == "A1 dZ2ᵀ"
    assert found["db2"] == "Σ dZ2"
    assert found["dA1"] == "W2 dZ2"
    assert found["dW1"] == "X dZ1ᵀ"


def test_forward_lines_are_the_users_own(rng):
    """In the order in which they ran, with the operands' names and the constant 1 - Y as it was typed."""
    assert [line.text() for line in explain(article(rng)).forward] == [
        "Z1 = W1ᵀ X + b1",
        "A1 = tanh(Z1)",
        "Z2 = W2ᵀ A1 + b2",
        "A2 = σ(Z2)",
        "L = -mean(Y ∘ log(A2) + (1 - Y) ∘ log(1 - A2))",
    ]


@pytest.mark.parametrize(
    ("g", "slope"),
    [
        (te.relu, "dA1 ∘ [Z1 > 0]"),
        (te.sigmoid, "dA1 ∘ A1 ∘ (1 - A1)"),
        (lambda Z: F.leaky_relu(Z, 0.1), "dA1 ∘ (1 if Z1 > 0 else 0.1)"),
        (te.tanh, "dA1 ∘ (1 - A1²)"),
    ],
    ids=["relu", "sigmoid", "leaky", "tanh"],
)
def test_slope_of_the_hidden_activation(g, slope, rng):
    """g'(Z1) in the form that the activation is known by."""
    assert lines(explain(article(rng, g)))["dZ1"] == slope


def rows(model, loss, Y, rng, m=6):
    return loss(model(te.tensor(rng.standard_normal((m, 2)))), Y)


def test_sequential_network_has_the_rows_forms(rng):
    """Weights are (out, in) and samples rows, so products stand the other way round; the paths find the lines."""
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), nn.Sigmoid()).double()
    Y = te.tensor((rng.random((6, 1)) > 0.5).astype(float))
    e = explain(rows(model, nn.BCELoss(), Y, rng), "textbook")
    found = lines(e)
    assert {k: found[k] for k in ("dZ2", "dW2", "dA1", "dZ1", "dW1", "db1")} == {
        "dZ2": "A2 - Y",
        "dW2": "1/m dZ2ᵀ A1",
        "dA1": "dZ2 W2",
        "dZ1": "dA1 ∘ (1 - A1²)",
        "dW1": "1/m dZ1ᵀ X",
        "db1": "1/m Σ dZ1",
    }
    assert e["0.weight"] is e["dW1"]
    assert_allclose(e["2.bias"].value, e["db2"].value)


def test_softmax_with_cross_entropy_is_P_minus_Y(rng):
    """P is the softmax, with a line of its own, and Y the one-hot labels."""
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    e = explain(rows(model, F.cross_entropy, te.tensor([0, 1, 2, 0, 1, 2]), rng), "textbook")
    assert lines(e)["dZ2"] == "P - Y"
    assert "P = softmax(Z2)" in [line.text() for line in e.forward]
    assert e.check() < 1e-10


def test_squared_error_doubles_the_difference(rng):
    """Textbook 2 (Ŷ - Y), exact 2/m of it."""
    model = nn.Linear(2, 1).double()
    Y = te.tensor(rng.standard_normal((6, 1)))
    assert lines(explain(rows(model, F.mse_loss, Y, rng), "textbook"))["dŶ"] == "2 (Ŷ - Y)"
    assert lines(explain(rows(model, F.mse_loss, Y, rng)))["dŶ"] == "2/m (Ŷ - Y)"


@pytest.mark.parametrize("scale", ["exact", "textbook"])
def test_penalty_keeps_its_own_factor(scale, rng):
    """The gradient of lam * sum(W^2) is 2 lam W, untouched by m."""
    X, Y = te.tensor(rng.standard_normal((2, 6))), te.tensor(rng.standard_normal((1, 6)))
    W = te.tensor(rng.standard_normal((2, 1)), requires_grad=True)
    lam = te.tensor(0.1, dtype=te.float64, name="λ")
    Z = W.T @ X
    loss = ((Z - Y) ** 2).mean() + lam * (W**2).sum()
    share = "1/m " if scale == "textbook" else ""
    assert lines(explain(loss, scale))["dW"] == f"2 λ W + {share}X dZᵀ"


def test_value_used_twice_shows_the_sum():
    """Both users' contributions in one line."""
    x = te.tensor([0.5, 1.0, 2.0], dtype=te.float64, requires_grad=True)
    y = te.exp(x)
    loss = (y * y + 3 * y).sum()
    assert lines(explain(loss)) == {"dL": "1", "dy": "2 y + 3", "dx": "dy ∘ y"}


def blocks(name, rng):
    """Losses over larger pieces."""
    te.manual_seed(0)
    x = te.tensor(rng.standard_normal((6, 4)))
    layer = nn.Linear(4, 4).double()
    if name == "layer norm":
        return (nn.LayerNorm(4).double()(layer(x)) ** 2).mean()
    if name == "batch norm":
        return (nn.BatchNorm1d(4).double()(layer(x)) ** 2).mean()
    if name == "attention":
        q, k, v = (te.tensor(rng.standard_normal((1, 1, 5, 4)), requires_grad=True) for _ in range(3))
        return F.scaled_dot_product_attention(q, k, v).square().mean()
    if name == "convolution":
        return F.relu(nn.Conv2d(1, 2, 3).double()(te.tensor(rng.standard_normal((2, 1, 5, 5))))).mean()
    if name == "lstm cell":
        return nn.LSTMCell(4, 3).double()(x)[0].sum()
    return (x + te.tanh(layer(x))).square().mean()


@pytest.mark.parametrize("name", ["layer norm", "batch norm", "attention", "convolution", "lstm cell", "residual"])
def test_larger_pieces_are_derived_and_right(name, rng):
    """Every line and every step of its derivation gives the gradient's numbers, to 1e-10 of the largest."""
    assert explain(blocks(name, rng)).check() < 1e-10


def test_normalisation_prints_its_known_gradient(rng):
    """dX = (dN - mean(dN) - N mean(dN N)) / sqrt(V + eps)."""
    e = explain(blocks("layer norm", rng))
    assert lines(e)["dZ1"] == "(dN - 1/4 Σ dN - 1/4 N ∘ Σ (dN ∘ N)) / √(V + 1e-05)"


def test_values_are_the_gradients(rng):
    """A line's value is what .grad holds; in textbook scale m times that for what lies between."""
    X = te.tensor(rng.standard_normal((2, 6)))
    W = te.tensor(rng.standard_normal((2, 3)), requires_grad=True)
    Z = W.T @ X
    Z.retain_grad()
    loss = te.tanh(Z).square().mean()
    loss.backward()
    e, book = explain(loss), explain(loss, "textbook")
    assert_allclose(e["dW"].value, W.grad.numpy(), rtol=1e-12)
    assert_allclose(e["dZ"].value, Z.grad.numpy(), rtol=1e-12)
    assert_allclose(book["dW"].value, W.grad.numpy(), rtol=1e-12)
    assert_allclose(book["dZ"].value, 18 * Z.grad.numpy(), rtol=1e-12)


def test_float32_graphs_are_checked_in_float64(rng):
    """Values and formulas are computed from float64 copies, whatever the graph's precision."""
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3))
    loss = F.cross_entropy(
        model(te.tensor(rng.standard_normal((6, 2)), dtype=te.float32)), te.tensor([0, 1, 2, 0, 1, 2])
    )
    assert explain(loss).check() < 1e-10


def test_gradient_that_cancels_is_right(rng):
    """The mean of a normalised layer does not depend on its input: both gradients are rounding, and the check knows."""
    layer, norm = nn.Linear(4, 4).double(), nn.LayerNorm(4).double()
    assert explain(norm(layer(te.tensor(rng.standard_normal((6, 4))))).mean()).check() < 1e-10


def test_learned_number_has_a_line(rng):
    """A 0-d leaf without a name is one of the parameters."""
    scale = nn.Parameter(te.tensor(2.0, dtype=te.float64))
    assert "dscale" in lines(explain((te.tensor(rng.standard_normal(3)) * scale).square().mean()))


def test_check_finds_a_wrong_formula(rng):
    """A line whose formula is exchanged is named."""
    e = explain(article(rng))
    e["dW2"].symbol = 2 * e["dW2"].symbol
    with pytest.raises(FormulaError, match=r"dW2 = 2 A1 dZ2ᵀ is off by 1\.0e\+00"):
        e.check()


def test_saturated_probabilities_keep_their_floor():
    """Where A (1 - A) is below the floor of the loss, the floor is part of the formula, and the check holds."""
    z = te.tensor([[60.0], [0.3]], dtype=te.float64, requires_grad=True)
    A = te.sigmoid(z)
    loss = F.binary_cross_entropy(A, te.tensor([[0.0], [1.0]], dtype=te.float64))
    e = explain(loss)
    assert "max" in lines(e)["dA"]
    assert e.check() < 1e-10


def test_derivation_goes_from_the_rules_to_the_line(rng):
    """The first step is what the chain rule gives, the last what is printed, and all are checked."""
    steps = explain(article(rng), "textbook")["dZ2"].derivation
    assert steps[0].startswith("dZ2 = ")
    assert len(steps) == 3
    assert steps[-1] == "dZ2 = A2 - Y"
    assert "dA2 ∘ A2 ∘ (1 - A2)" in steps[1]


def test_other_notations(rng):
    """ASCII, LaTeX, MathML and NumPy of the same line."""
    e = explain(article(rng), "textbook")
    line = e["dW2"]
    assert line.text(ascii=True) == "dW2 = 1/m A1 dZ2.T"
    assert line.latex() == r"\mathrm{d}W_{2} = \frac{1}{m}\, A_{1}\, \mathrm{d}Z_{2}^{\top}"
    assert line.source() == "dW2 = 1 / m * (A1 @ dZ2.T)"
    assert "<mfrac>" in line.mathml()
    assert e["dZ1"].text(ascii=True) == "dZ1 = dA1 * (1 - A1^2)"
    assert e.text(ascii=True).isascii()
    assert e.latex().startswith(r"\begin{aligned}")


def test_mathml_is_well_formed(rng):
    """Every line parses as XML."""
    import xml.etree.ElementTree as ET

    for line in explain(article(rng, te.relu)):
        assert ET.fromstring(line.mathml()).tag.endswith("math")


def test_source_runs_on_its_own(rng):
    """The printed program, given the leaves, computes loss and gradients with NumPy."""
    X = rng.standard_normal((2, 6))
    W = te.tensor(rng.standard_normal((2, 3)), requires_grad=True)
    x = te.tensor(X)
    Z = W.T @ x
    A = te.sigmoid(Z)
    loss = A.square().mean()
    loss.backward()
    scope = {"x": X, "W": W.detach().numpy()}
    exec(explain(loss).source(), scope)
    assert_allclose(scope["L"], loss.item(), rtol=1e-12)
    assert_allclose(scope["dW"], W.grad.numpy(), rtol=1e-12)
    assert not set(namespace()) & (set(scope) - {"np"})


def test_written_leaf_is_named(rng):
    """After optimizer.step() the formulas stand, without values."""
    model = nn.Linear(2, 1).double()
    loss = rows(model, F.mse_loss, te.tensor(rng.standard_normal((6, 1))), rng)
    loss.backward()
    optim.SGD(model.parameters(), lr=0.1).step()
    e = explain(loss)
    assert "W1, b1 has been written since" in str(e)
    assert e["dW1"].value is None
    with pytest.raises(RuntimeError, match=r"before optimizer\.step"):
        e.check()


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (lambda x: (x * x).sum(), "no mean"),
        (lambda x: (x * x).mean() + x[:2].mean(), r"means over different counts, \[2, 3\]"),
    ],
)
def test_textbook_scale_needs_one_mean(loss, text):
    """The reason is said."""
    x = te.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with pytest.raises(ValueError, match=text):
        explain(loss(x), "textbook")


def test_mistakes_are_named():
    """A constant, a vector, a wrong scale."""
    with pytest.raises(RuntimeError, match="does not require one"):
        explain(te.tensor(1.0))
    with pytest.raises(RuntimeError, match=r"this has shape \(2,\)"):
        explain(te.ones(2, requires_grad=True) * 2)
    with pytest.raises(ValueError, match="not 'article'"):
        explain(te.ones(2, requires_grad=True).sum(), "article")
    with pytest.raises(KeyError, match="no line is called 'dQ'"):
        explain(te.ones(2, requires_grad=True).sum())["dQ"]


def test_names_given_by_the_user_win(rng):
    """name= before variables, variables before letters by order."""
    W = te.tensor(rng.standard_normal((2, 3)), requires_grad=True, name="theta")
    features = te.tensor(rng.standard_normal((3, 2)))
    scores = features @ W
    scores.name = "S"
    assert set(lines(explain(scores.square().mean()))) == {"dL", "dS", "dtheta"}


def test_mean_written_as_a_sum_over_m_has_a_textbook_scale(rng):
    """sum / m, 1/m * sum and sum / (2 m) divide by m; a penalty's own factor and a bare number don't."""
    X, Y = te.tensor(rng.standard_normal((2, 6))), te.tensor(rng.standard_normal((1, 6)))
    W = te.tensor(rng.standard_normal((2, 1)), requires_grad=True)
    Z = W.T @ X
    squares = (Z - Y) ** 2
    for loss in (squares.sum() / 6, 1 / 6 * squares.sum(), -1 / 6 * (-squares.sum())):
        assert lines(explain(loss, "textbook"))["dW"] == "1/m X dZᵀ"
    assert lines(explain(squares.sum() / 12, "textbook"))["dW"] == "1/m X dZᵀ"
    assert lines(explain(squares.mean() + (W**2).sum() / 2, "textbook"))["dW"] == "W + 1/m X dZᵀ"
    scalar = te.tensor(2.0, requires_grad=True)
    assert explain(0.5 * scalar).m is None


def test_softmax_cross_entropy_may_be_a_part_of_the_loss(rng):
    """With a penalty added the loss is no output of the fused operation, and its line still holds."""
    W = te.tensor(rng.standard_normal((3, 4)), requires_grad=True)
    Z = te.tensor(rng.standard_normal((5, 3))) @ W
    e = explain(F.cross_entropy(Z, te.tensor([0, 1, 2, 3, 0])) + 0.1 * (W**2).sum(), "textbook")
    assert e.check() < 1e-10
    assert lines(e)["dZ"] == "P - Y"


@pytest.mark.parametrize("penalty", [lambda W: 0.01 * (W**2).sum(), lambda W: (W**2).sum() / 100], ids=["0.01", "/100"])
@pytest.mark.parametrize("scale", ["exact", "textbook"])
def test_penalty_whose_factor_is_1_over_m_by_chance_keeps_its_number(penalty, scale, rng):
    """With m = 100 the penalty 0.01 sum(W**2) gives 0.02 W, not 2/m W: its factor has nothing to do with m."""
    X, Y = te.tensor(rng.standard_normal((2, 100))), te.tensor(rng.standard_normal((1, 100)))
    W = te.tensor(rng.standard_normal((2, 1)), requires_grad=True)
    Z = W.T @ X
    loss = ((Z - Y) ** 2).mean() + penalty(W)
    e = te.explain(loss, scale)
    assert str(e["dW"]) == ("dW = 0.02 W + X dZᵀ" if scale == "exact" else "dW = 0.02 W + 1/m X dZᵀ")
    assert str(e["dZ"]) == ("dZ = 2/m (Z - Y)" if scale == "exact" else "dZ = 2 (Z - Y)")


def test_gradient_of_numbers_alone():
    """A mean with a minus before it, as a generator's loss has: dZ is -1/m, which no value is in."""
    w = te.tensor([1.0, 2.0], requires_grad=True, name="w")
    Z = w * te.tensor([[1.0, 0.5], [2.0, 1.0], [0.0, 3.0]])
    e = explain(-Z.mean())
    assert e.check() == 0.0
    assert lines(e)["dZ"] == "-1/m"


def test_ignored_labels_send_nothing(rng):
    """A label of -100 is no class: its row is not P - Y, and m counts the others."""
    Z = te.tensor(rng.standard_normal((4, 3)), requires_grad=True, name="Z")
    e = explain(F.cross_entropy(Z, te.tensor([0, -100, 2, 1])))
    assert e.m == 3
    assert e.check() < 1e-10
    assert_allclose(e["dZ"].value[1], 0)


def test_functions_and_hooks_of_the_user_are_explained(rng):
    """A Function's backward is read on symbols and its forward run again; backward hooks are identities."""

    class Squared(te.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.save_for_backward(x)
            ctx.factor = factor
            return x * x * factor

        @staticmethod
        def backward(ctx, dY):
            (x,) = ctx.saved_tensors
            return 2 * ctx.factor * x * dY, None

    X = te.tensor(rng.standard_normal((5, 3)), name="X")
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh()).double()
    model[1].register_full_backward_hook(lambda module, dX, dY: None)
    L = Squared.apply(model(X), 3.0).mean()
    L.backward()
    explanation = te.explain(L)
    assert explanation.check() < 1e-12
    assert lines(explanation)["dH3"] == "6/m H3"


class OnArrays(te.autograd.Function):
    """exp by NumPy, its slope kept as an array."""

    @staticmethod
    def forward(ctx, x):
        ctx.slope = np.exp(x.detach().numpy())
        return te.from_numpy(ctx.slope)

    @staticmethod
    def backward(ctx, dy):
        return dy * te.from_numpy(ctx.slope)


def test_a_backward_on_arrays_is_refused_with_the_way_out():
    """What a Function keeps outside of the graph has no formula."""
    x = te.ones(3, requires_grad=True)
    with pytest.raises(TypeError, match=r"array of shape \(3,\).*save_for_backward"):
        explain(OnArrays.apply(x).sum())


def test_costs_of_pixels_read_as_those_of_rows(rng):
    """Scores with further axes than samples and classes: P - Y, too; and the source makes Y of the labels."""
    Z = te.tensor(rng.standard_normal((2, 3, 4, 4)), requires_grad=True)
    labels = te.tensor(rng.integers(0, 3, (2, 4, 4)))
    e = explain(F.cross_entropy(Z, labels))
    assert lines(e)["dZ"] == "1/m (P - Y)"
    assert e.m == 32
    assert e.check() < 1e-12  # float64
    assert "Y = np.moveaxis(np.eye(3)[labels], -1, 1)" in e.source()
    A = F.log_softmax(Z, dim=1)
    assert lines(explain(F.nll_loss(A, labels)))["dA"] == "-1/m Y"


def test_labels_are_y_beside_their_rows_Y():
    """P - Y subtracts rows of zeros with a 1; the labels that a loss takes are called otherwise."""
    text = explain(F.cross_entropy(nn.Linear(3, 4)(te.ones(5, 3)), te.tensor([0, 1, 2, 3, 0]))).text()
    assert "L = cross_entropy(Z1, y)" in text
    assert "(P - Y)" in text


def test_sums_of_products_and_kernels_are_maps():
    """A recurrent cell's Z has a line, and so has dZ; a kernel's bias has its number; a normalised value is no A."""
    W, V, b, K, c = (te.randn(*shape, requires_grad=True) for shape in ((3, 3), (3, 3), (3,), (1, 1, 2), (1,)))
    x, state = te.randn(2, 3), te.randn(2, 3)
    for _ in range(2):
        state = te.tanh(x @ W + state @ V + b)
    e = explain(F.conv1d(F.rms_norm(state @ W, (3,))[:, None], K * 1, c).relu().sum())  # [Z > 0] alone comes back
    assert "dZ1 = dA1 ∘ (1 - A1²)" in e.text()
    assert "A3" not in e.text()
    assert e.check() < 1e-5  # float32
    text = explain(F.conv1d(te.randn(2, 1, 4), K, c).relu().sum()).text()
    assert "dZ1 = [Z1 > 0]" in text
    assert "dc = Σ dZ1" in text


def test_parts_and_counts_are_written_shortly():
    """`:2` from the first on; of eight 1/8, which is no number that one has chosen, as 0.02 is."""
    X, W = te.randn(4, 8), te.randn(8, 8, requires_grad=True)
    Z = X @ W
    text = explain(te.tanh(Z[:, 0:2]).sum() + 0.02 * te.tanh(F.layer_norm(Z, (8,))).sum()).text()
    assert "tanh(Z[:, :2])" in text
    assert "1/8 Σ dN" in text
    assert "0.02" in text
