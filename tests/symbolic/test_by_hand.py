"""check_by_hand: mistakes are named and located, and what is right is never called wrong."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import check_by_hand, nn

ARTICLE = """
dZ2 = A2 - Y
dW2 = 1/m * A1 @ dZ2.T
db2 = 1/m * np.sum(dZ2, axis=1, keepdims=True)
dA1 = W2 @ dZ2
dZ1 = dA1 * (1 - A1**2)
dW1 = 1/m * X @ dZ1.T
db1 = 1/m * np.sum(dZ1, axis=1, keepdims=True)
"""
EXACT = ARTICLE.replace("A2 - Y", "(A2 - Y) / m").replace("1/m * ", "")
SLOPES = {
    "tanh": "1 - A1**2",
    "sigmoid": "A1 * (1 - A1)",
    "relu": "(Z1 > 0)",
    "leaky": "np.where(Z1 > 0, 1, 0.1)",
}
RUNS = {"tanh": te.tanh, "sigmoid": te.sigmoid, "relu": te.relu, "leaky": lambda Z: F.leaky_relu(Z, 0.1)}


def article(rng, g="tanh", m=6, n_in=3, n=4, n_out=2, dtype=te.float64, penalty=0.0, mean=True):
    """The article's network, columns; the names are those of the variables."""
    X = te.tensor(rng.standard_normal((n_in, m)), dtype=dtype)
    Y = te.tensor((rng.random((n_out, m)) > 0.5).astype(float), dtype=dtype)
    W1 = te.tensor(rng.standard_normal((n_in, n)), dtype=dtype, requires_grad=True)
    b1 = te.tensor(rng.standard_normal((n, 1)), dtype=dtype, requires_grad=True)
    W2 = te.tensor(rng.standard_normal((n, n_out)), dtype=dtype, requires_grad=True)
    b2 = te.tensor(rng.standard_normal((n_out, 1)), dtype=dtype, requires_grad=True)
    Z1 = W1.T @ X + b1
    A1 = RUNS[g](Z1)
    Z2 = W2.T @ A1 + b2
    A2 = te.sigmoid(Z2)
    losses = -(Y * te.log(A2) + (1 - Y) * te.log(1 - A2))
    cost = losses.sum(0).mean() if mean else losses.sum() / m
    if penalty:
        lam = te.tensor(penalty, dtype=dtype, name="lam")
        cost = cost + lam * (W1**2).sum()
    return cost


class Seeded(NamedTuple):
    """A mistake put into right lines."""

    kind: str
    first: str  # where it is
    old: str
    new: str
    g: str = "tanh"
    penalty: float = 0.0
    lines: str = ARTICLE


PENALISED = ARTICLE.replace("X @ dZ1.T", "X @ dZ1.T + 2 * lam * W1")
LAST = "np.sum(dZ1, axis=1, keepdims=True)"
SEEDED = [
    Seeded("missing 1/m", "dW1", "1/m * X", "X"),
    Seeded("missing 1/m", "dW2", "1/m * A1", "A1"),
    Seeded("missing 1/m", "db1", f"1/m * {LAST}", LAST),
    Seeded("doubled 1/m", "dW2", "1/m * A1", "1/m * 1/m * A1"),
    Seeded("doubled 1/m", "dW1", "dW1 = X", "dW1 = 1/m * X", lines=EXACT),
    Seeded("sum against mean", "db1", LAST, "np.mean(dZ1, axis=1, keepdims=True)", lines=EXACT),
    Seeded("sum against mean", "db2", "np.sum(dZ2", "np.mean(dZ2"),
    Seeded("missing sum", "db1", LAST, "dZ1"),
    Seeded("wrong axis", "db1", LAST, "np.sum(dZ1, axis=0, keepdims=True)"),
    Seeded("wrong axis", "db1", LAST, "np.sum(dZ1)"),
    Seeded("lost keepdims", "db1", LAST, "np.sum(dZ1, axis=1)"),
    Seeded("transposed", "dW1", "X @ dZ1.T", "dZ1 @ X.T"),
    Seeded("sign", "dZ2", "A2 - Y", "Y - A2"),
    Seeded("sign", "dW1", "1/m * X", "-1/m * X"),
    Seeded("sign", "dZ1", "1 - A1**2", "A1**2 - 1"),
    Seeded("constant factor", "dA1", "W2 @ dZ2", "0.5 * W2 @ dZ2"),
    Seeded("constant factor", "dZ2", "A2 - Y", "2 * (A2 - Y)"),
    Seeded("missing g'", "dZ1", "dA1 * (1 - A1**2)", "dA1"),
    Seeded("missing g'", "dZ1", "dA1 * (A1 * (1 - A1))", "dA1", "sigmoid"),
    Seeded("missing g'", "dZ1", "dA1 * ((Z1 > 0))", "dA1", "relu"),
    Seeded("g' twice", "dZ2", "A2 - Y", "(A2 - Y) * A2 * (1 - A2)"),
    Seeded("g' of the wrong quantity", "dZ1", "1 - A1**2", "1 - Z1**2"),
    Seeded("g' of the wrong quantity", "dZ1", "1 - A1**2", "1 - np.tanh(A1)**2"),
    Seeded("g' of the wrong quantity", "dZ1", "A1 * (1 - A1)", "Z1 * (1 - Z1)", "sigmoid"),
    Seeded("g' of the wrong quantity", "dZ1", "A1 * (1 - A1)", "sigmoid(A1) * (1 - sigmoid(A1))", "sigmoid"),
    Seeded("g' of another activation", "dZ1", "1 - A1**2", "A1 * (1 - A1)"),
    Seeded("g' of another activation", "dZ1", "A1 * (1 - A1)", "(1 - A1**2)", "sigmoid"),
    Seeded("g' of another activation", "dZ1", "1 - A1**2", "(Z1 > 0)"),
    Seeded("g' of another activation", "dZ1", "np.where(Z1 > 0, 1, 0.1)", "(Z1 > 0)", "leaky"),
    Seeded("g' of another activation", "dZ1", "np.where(Z1 > 0, 1, 0.1)", "np.where(Z1 > 0, 1, 0.01)", "leaky"),
    Seeded("g for g'", "dZ1", "(1 - A1**2)", "A1"),
    Seeded("comparison reversed", "dZ1", "Z1 > 0", "Z1 <= 0", "relu"),
    Seeded("missing upstream gradient", "dZ1", "dA1 * (1 - A1**2)", "1 - A1**2"),
    Seeded("missing factor", "dZ1", "A1 * (1 - A1)", "(1 - A1)", "sigmoid"),
    Seeded("wrong value", "dW2", "A1 @ dZ2.T", "Z1 @ dZ2.T"),
    Seeded("wrong value", "dW1", "X @ dZ1.T", "X @ dA1.T"),
    Seeded("forgotten regularisation", "dW1", " + 2 * lam * W1", "", penalty=0.3, lines=PENALISED),
    Seeded("constant factor", "dW1", "2 * lam", "lam", penalty=0.3, lines=PENALISED),
    Seeded("doubled 1/m", "dW1", "2 * lam", "2 / m * lam", penalty=0.3, lines=PENALISED),
    Seeded("sign", "dW1", "+ 2 * lam", "- 2 * lam", penalty=0.3, lines=PENALISED),
    Seeded("extra penalty", "db1", LAST, f"{LAST} + 0.1 * b1"),
    Seeded("stale value", "dA1", "dA1 = W2", "dA1 = (W2 - 0.3 * dW2)"),
    Seeded("not finite", "dZ1", "1 - A1**2", "np.log(A1 - 2)"),
    Seeded("forgotten bias", "dZ2", "A2 - Y", "sigmoid(W2.T @ A1) - Y"),
]


def seeded(case, rng):
    lines = case.lines.replace(SLOPES["tanh"], SLOPES[case.g])
    assert lines.count(case.old) >= 1
    return check_by_hand(article(rng, case.g, penalty=case.penalty), lines.replace(case.old, case.new, 1))


@pytest.mark.parametrize("case", SEEDED, ids=lambda c: f"{c.kind}: {c.new or 'none'}")
def test_seeded_mistake_is_named(case, rng):
    """Kind and equation; those before it and beside it are right, those after it follow from it."""
    report = seeded(case, rng)
    assert report[case.first].mistake.kind == case.kind, str(report)
    assert report.first == case.first
    assert not report.ok
    for entry in report:
        if entry.name != case.first:
            assert entry.status in ("right", "follows"), str(report)
            assert entry.status == "right" or entry.where == case.first


def right_lines(g, exact):
    return (EXACT if exact else ARTICLE).replace(SLOPES["tanh"], SLOPES[g])


@pytest.mark.parametrize("exact", [False, True], ids=["textbook", "exact"])
@pytest.mark.parametrize("dtype", [te.float64, te.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("g", RUNS)
def test_right_columns_are_never_wrong(g, dtype, exact, rng):
    """Random networks in the article's notation, computed in the network's own precision."""
    for k in range(6):
        m, n_in, n, n_out = rng.integers(1, 8, 4)
        cost = article(rng, g, m, n_in, n, n_out, dtype, mean=k % 2 == 0)
        if k % 3 == 0:
            cost.backward()
        wide = check_by_hand(cost, right_lines(g, exact))
        assert wide.ok, str(wide)
        if m > 1 and dtype is te.float32:
            report = check_by_hand(cost, functools.partial(narrow, right_lines(g, exact)))
            assert report.ok, str(report)


def narrow(lines, **known):
    """What the lines compute in float32."""
    scope = {k: np.float32(v) if isinstance(v, np.ndarray) else v for k, v in known.items()}
    exec(lines, {"np": np}, scope)
    return {k: v for k, v in scope.items() if k.startswith("d")}


ROWS = """
dZ2 = P - np.eye(P.shape[1])[labels]
dW2 = 1/m * dZ2.T @ A1
db2 = 1/m * dZ2.sum(0)
dA1 = dZ2 @ W2
dZ1 = dA1 * (1 - A1**2)
dW1 = dZ1.T @ x / m
db1 = dZ1.mean(axis=0)
"""


def rows(rng, g="tanh", m=6, n_in=3, n=4, classes=3, dtype=te.float64):
    """nn's layers, rows, softmax with cross-entropy."""
    layer1, layer2 = nn.Linear(n_in, n, dtype=dtype), nn.Linear(n, classes, dtype=dtype)
    x = te.tensor(rng.standard_normal((m, n_in)), dtype=dtype)
    labels = te.tensor(rng.integers(0, classes, m))
    Z1 = layer1(x)
    A1 = RUNS[g](Z1)
    Z2 = layer2(A1)
    return F.cross_entropy(Z2, labels)


@pytest.mark.parametrize("dtype", [te.float64, te.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("g", RUNS)
def test_right_rows_are_never_wrong(g, dtype, rng):
    """Rows, softmax, biases without a second axis; autograd's own gradients too."""
    for _ in range(12):
        m, n_in, n, classes = rng.integers(2, 8, 4)
        loss = rows(rng, g, m, n_in, n, classes, dtype)
        report = check_by_hand(loss, ROWS.replace(SLOPES["tanh"], SLOPES[g]))
        assert report.ok, str(report)


def test_Y_is_what_the_formula_prints(rng):
    """P - Y takes the one-hot rows, whatever the labels are called."""
    assert check_by_hand(rows(rng), ROWS.replace("np.eye(P.shape[1])[labels]", "Y")).ok


@pytest.mark.parametrize(
    ("old", "new", "first", "kind"),
    [
        ("P - ", "", "dZ2", "missing term"),
        ("1/m * dZ2.T", "dZ2.T", "dW2", "missing 1/m"),
        ("dZ2.sum(0)", "dZ2.sum(1)", "db2", "wrong axis"),
        ("dZ1.mean(axis=0)", "dZ1.sum(axis=0)", "db1", "missing 1/m"),
        ("dZ1.mean(axis=0)", "dZ1.mean(axis=0, keepdims=True)", "db1", "wrong shape"),
        ("P - ", "np.exp(Z2) / np.exp(Z2).sum(0) - ", "dZ2", "wrong axis"),
        ("dZ2.T @ A1", "A1.T @ dZ2", "dW2", "transposed"),
    ],
)
def test_seeded_mistake_in_rows_is_named(old, new, first, kind, rng):
    """The same for nn's layers, where samples are rows."""
    report = check_by_hand(rows(rng, classes=5), ROWS.replace(old, new, 1))
    assert (report.first, report[first].mistake.kind) == (first, kind), str(report)


def test_product_of_elements_for_a_matrix_product(rng):
    """* broadcasts where @ belongs, so the shape is wrong too."""
    loss = article(rng, n_out=1)
    report = check_by_hand(loss, ARTICLE.replace("A1 @ dZ2.T", "A1 * dZ2"))
    assert report["dW2"].mistake.kind == "* for @"
    assert report["dW1"].status == "right"


def test_transposed_square_matrix_is_named(rng):
    """W.T for W runs where W is square."""
    report = check_by_hand(article(rng, n=2), ARTICLE.replace("W2 @ dZ2", "W2.T @ dZ2"))
    assert report["dA1"].mistake.says == "W2 is transposed"
    assert report["dW1"].where == "dA1"


def test_line_that_raises_is_mended(rng):
    """A product whose shapes don't fit is tried with a matrix turned."""
    report = check_by_hand(article(rng), ARTICLE.replace("A1 @ dZ2.T", "A1 @ dZ2"))
    assert report["dW2"].mistake.kind == "transposed"
    assert report["dW2"].mistake.says.startswith("dZ2 is not transposed, so `dW2 = 1/m * A1 @ dZ2` raises ValueError")
    report = check_by_hand(article(rng), ARTICLE.replace("A2 - Y", "A2 - Q"))
    assert report["dZ2"].mistake.kind == "does not run"
    assert {entry.name: entry.status for entry in report} == {"dZ2": "wrong"} | dict.fromkeys(
        ("dW2", "db2", "dA1", "dZ1", "dW1", "db1"), "follows"
    )


def test_two_mistakes_in_one_line_are_both_named(rng):
    """A missing slope, and a sign."""
    report = check_by_hand(article(rng), ARTICLE.replace("1/m * X", "-2 * X"))
    assert report["dW1"].status == "wrong"
    report = check_by_hand(article(rng), ARTICLE.replace("dA1 * (1 - A1**2)", "-dA1"))
    assert report["dZ1"].mistake.kind == "missing g'"
    assert report["dZ1"].verdict.endswith("and the sign is wrong")


def test_two_mistakes_in_two_lines_are_both_found(rng):
    """The second is found in spite of the first: each line is recomputed from the student's own values."""
    lines = ARTICLE.replace("A2 - Y", "Y - A2").replace("1/m * X", "X")
    report = check_by_hand(article(rng), lines)
    assert report.first == "dZ2"
    assert report["dW1"].mistake.kind == "missing 1/m"
    assert report["dZ1"].status == "follows"


def test_mistake_before_what_was_given_is_located(rng):
    """Only dW1 and db1 are handed in, and the slope is missing in dZ1."""
    found = {}

    def by_hand(X, Y, A1, A2, W2, m):
        dZ1 = W2 @ (A2 - Y)
        found.update(dW1=X @ dZ1.T / m, db1=dZ1.sum(1, keepdims=True) / m)
        return found

    report = check_by_hand(article(rng), by_hand)
    assert report.first == "dZ1"
    assert "in dZ1, which was not given: the slope g'(Z1) of tanh is missing" in report["dW1"].verdict
    assert report["db1"].status == "follows"
    assert report.missing == ["dW2", "db2"]


@pytest.mark.parametrize(("old", "new", "first"), [("A2 - Y", "Y - A2", "dZ2"), ("W2 @", "2 * W2 @", "dA1 dZ1")])
def test_factor_that_lines_share_comes_from_before_them(old, new, first, rng):
    """A sign or a factor in all that is computed from dZ2 is one mistake, not four."""
    loss = article(rng)

    def parameters(m, **known):
        found = narrow(ARTICLE.replace(old, new), m=m, **known)
        return {k: v for k, v in found.items() if k in ("dW1", "db1", "dW2", "db2")}

    report = check_by_hand(loss, parameters)
    assert report.first in first.split()
    assert [entry.status for entry in report if entry.status != "right"].count("wrong") == 1, str(report)


def test_scales(rng):
    """Either is right and named; both in one derivation are a finding; one can be asked for."""
    loss = article(rng)
    book, exact = check_by_hand(loss, ARTICLE), check_by_hand(loss, EXACT)
    assert {entry.scale for entry in book} == {"textbook", None}
    assert {entry.scale for entry in exact} == {"exact", None}
    mixed = check_by_hand(
        loss, ARTICLE.replace("1/m * X", "X").replace("A1**2)", "A1**2) / m").replace("1/m * np.sum(dZ1", "np.sum(dZ1")
    )
    assert all(entry.status == "right" for entry in mixed)
    assert not mixed.ok
    assert mixed.findings == ["Scales are mixed: dZ1 in exact scale, dZ2, dA1 in textbook scale (times m)."]
    assert check_by_hand(loss, ARTICLE, "textbook").ok
    assert check_by_hand(loss, ARTICLE, "exact").findings == [
        "exact scale was asked for, but dZ2, dA1, dZ1 is in textbook scale."
    ]


def test_other_slope_at_a_kink_is_right(rng):
    """Where Z1 is 0, relu has no derivative, and 1 is as good as 0."""
    X, Y = te.tensor(rng.standard_normal((2, 5))), te.tensor(rng.standard_normal((1, 5)))
    W1 = te.zeros(2, 3, dtype=te.float64, requires_grad=True)
    W2 = te.tensor(rng.standard_normal((3, 1)), requires_grad=True)
    Z1 = W1.T @ X
    A1 = te.relu(Z1)
    Z2 = W2.T @ A1
    loss = ((Z2 - Y) ** 2).mean()
    lines = "dZ2 = 2 * (Z2 - Y)\ndA1 = W2 @ dZ2\ndZ1 = dA1 * (Z1 >= 0)\ndW1 = X @ dZ1.T / m"
    report = check_by_hand(loss, lines)
    assert report.ok, str(report)
    assert "kink" in report["dZ1"].note


def test_saturated_probabilities_are_right_as_far_as_rounding_lets_one_tell():
    """A probability of 1 stands at the border of the loss's domain, and its gradient is all rounding."""
    z = te.tensor([[30.0, -40.0, 35.0]], requires_grad=True)
    A = te.sigmoid(z)
    Y = te.tensor([[1.0, 0.0, 1.0]])
    report = check_by_hand(F.binary_cross_entropy(A, Y), {"dz": (A - Y).detach().numpy() / 3})
    assert report.ok, str(report)


def test_what_it_does_not_know_it_says(rng):
    """Numbers that nothing explains are called unknown."""
    loss = article(rng)
    report = check_by_hand(loss, {"dW1": rng.standard_normal((3, 4)), "db1": rng.standard_normal((4, 1))})
    assert [entry.mistake.kind for entry in report] == ["unknown", "unknown"]
    assert not report["dW1"].sure
    assert "not sure what went wrong" in str(report)


def test_letters_by_order_name_what_variables_name_otherwise(rng):
    """In a loop the last layer's variables are w, z and A; W3, Z3 and A3 find them too."""
    X = te.tensor(rng.standard_normal((3, 7)))
    Ws = [te.tensor(rng.standard_normal((3, 3)), requires_grad=True) for _ in range(3)]
    A, known = X, {"A0": X.numpy()}
    for k, w in enumerate(Ws, 1):
        z = w.T @ A
        A = te.tanh(z)
        known[f"A{k}"] = A.detach().numpy()
    loss = (A**2).mean()
    dZ3 = 2 * known["A3"] / 21 * (1 - known["A3"] ** 2)
    dZ2 = Ws[2].detach().numpy() @ dZ3  # tanh' is missing
    dZ1 = (Ws[1].detach().numpy() @ dZ2) * (1 - known["A1"] ** 2)
    report = check_by_hand(loss, {"dW3": known["A2"] @ dZ3.T, "dW2": known["A1"] @ dZ2.T, Ws[0]: X.numpy() @ dZ1.T})
    assert [entry.status for entry in report] == ["right", "wrong", "follows"]
    assert report.first == "dZ2"
    assert report["dW2"].mistake.kind == "missing g'"


def test_scale_reaches_across_what_was_not_given(rng):
    """dZ2 is in textbook scale, so dW1 is expected to have its 1/m, though dZ1 was not given."""
    lines = ARTICLE.replace("1/m * X", "X").replace("dZ1 =", "D =").replace("dZ1", "D").replace("dA1", "B")
    report = check_by_hand(article(rng), lines)
    assert report["dW1"].mistake.text("dW1") == "dW1 = X dZ1ᵀ"


def test_no_candidate_is_huge(rng):
    """A batch of 5,000 makes no 5,000 by 5,000 product."""
    from tinygrad_edu.symbolic.mistakes import Sources
    from tinygrad_edu.symbolic.rewrites import LARGEST, rewrites
    from tinygrad_edu.symbolic.walk import downwards

    e = te.explain(article(rng, m=5000))
    for line in e.backward:
        for mistake in rewrites(line.symbol, line, Sources(e)):
            assert all(np.prod(node.shape) <= LARGEST for node in downwards(mistake.symbol))


def test_table(rng):
    """Three columns and the mistaken formula beside the right one."""
    text = check_by_hand(article(rng), ARTICLE.replace("1 - A1**2", "1 - Z1**2")).text()
    assert text.startswith("4 of 7 gradients are right; the first mistake is in dZ1.")
    assert text.split("\n")[2].split() == ["entry", "by", "hand", "autograd", "central", "diff."]
    assert "by hand: dZ1 = dA1 ∘ (1 - Z1²)" in text
    assert "right:   dZ1 = dA1 ∘ (1 - A1²)" in text
    assert check_by_hand(article(rng), ARTICLE.replace("1 - A1**2", "1 - Z1**2")).text(ascii=True).isascii()


def test_central_differences_agree(rng):
    """The third column is an independent one: it equals autograd's to what differences can tell."""
    for entry in check_by_hand(article(rng), ARTICLE):
        assert entry.shown[2] == pytest.approx(entry.shown[1], rel=1e-6)


def test_wrong_calls_are_explained(rng):
    """Unknown names with the nearest one, arguments that the graph lacks, what is no gradient."""
    loss = article(rng)
    with pytest.raises(KeyError, match=r"no gradient 'dW3'.*Did you mean 'dW"):
        check_by_hand(loss, {"dW3": 1.0})
    with pytest.raises(TypeError, match="the graph has no value 'Q'"):
        check_by_hand(loss, lambda Q: {})
    with pytest.raises(KeyError, match="no line assigns a gradient"):
        check_by_hand(loss, "x = 1")
    with pytest.raises(ValueError, match="no gradients to check"):
        check_by_hand(loss, {})
    with pytest.raises(ValueError, match="not 'article'"):
        check_by_hand(loss, {}, "article")
    with pytest.raises(TypeError, match="a scalar Tensor"):
        check_by_hand(te.ones(2), {})
    with pytest.raises(TypeError, match="not real numbers"):
        check_by_hand(loss, {"dW1": np.array(["a"])})


def test_written_parameter_is_refused(rng):
    """After a step there is nothing to compare with."""
    model = nn.Linear(2, 1).double()
    loss = F.mse_loss(model(te.tensor(rng.standard_normal((4, 2)))), te.zeros(4, 1, dtype=te.float64))
    loss.backward()
    te.optim.SGD(model.parameters(), lr=0.1).step()
    with pytest.raises(RuntimeError, match=r"before optimizer\.step"):
        check_by_hand(loss, {"weight": np.zeros((1, 2))})
