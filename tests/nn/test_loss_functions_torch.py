"""The losses of numbers, margins, rankings and likelihoods against PyTorch: values, first and second gradients."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from ..ops.test_ops_torch import LIMIT, OURS, THEIRS, compare, error, numbers  # noqa: E402  # skips itself as well

REDUCTIONS = ["mean", "sum", "none"]


def signs(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """1 and -1 in turn, as integers: targets that are not differentiated."""
    return np.asarray(1 - 2 * (np.arange(int(np.prod(shape))).reshape(shape) % 2))


def right_classes(m: int) -> np.ndarray[Any, Any]:
    """Right classes of 4: -1 stands behind the last; what follows it counts for nothing; one is named twice."""
    return np.array([[3, 0, -1, 1], [-1, 0, 1, 2], [2, 2, -1, -1], [0, 1, 2, 3]])[:m]


def normals(*shapes: tuple[int, ...]) -> Any:
    return lambda rng: [np.asarray(rng.standard_normal(s)) for s in shapes]


def with_targets(target: np.ndarray[Any, Any], *shapes: tuple[int, ...]) -> Any:
    return lambda rng: [*(np.asarray(rng.standard_normal(s)) for s in shapes), target]


def rates(*shape: int) -> Any:
    return lambda rng: [rng.uniform(0.2, 3.0, shape), np.asarray(rng.poisson(2.0, shape), np.float64)]


def rates_and_counts(*shape: int) -> Any:
    """Whole counts have no gradient, which PyTorch makes NaN where a count is 0."""
    return lambda rng: [rng.uniform(0.2, 3.0, shape), rng.poisson(2.0, shape)]


def with_variance(shape: tuple[int, ...], variance: tuple[int, ...]) -> Any:
    return lambda rng: [*normals(shape, shape)(rng), np.asarray(rng.uniform(0.1, 2.0, variance))]


def distributions(rng: np.random.Generator) -> list[Any]:
    P = rng.dirichlet(np.ones(4), 3)
    return [np.log(rng.dirichlet(np.ones(4), 3)), P]


def logs(rng: np.random.Generator) -> list[Any]:
    X, P = distributions(rng)
    return [X, np.log(P)]


# name, inputs, options, to which order PyTorch can be differentiated
CASES = {
    "l1": ("l1_loss", normals((3, 4), (3, 4)), {}, 1),
    "l1 0-d": ("l1_loss", normals((), ()), {}, 1),
    "smooth l1": ("smooth_l1_loss", normals((3, 4), (3, 4)), {}, 2),
    "smooth l1 of 0.3": ("smooth_l1_loss", normals((3, 4), (3, 4)), {"beta": 0.3}, 2),
    "smooth l1 of 0": ("smooth_l1_loss", normals((5,), (5,)), {"beta": 0.0}, 1),
    "huber": ("huber_loss", normals((3, 4), (3, 4)), {}, 2),
    "huber of 0.5": ("huber_loss", normals((3, 4), (3, 4)), {"delta": 0.5}, 2),
    "kl": ("kl_div", distributions, {}, 1),
    "kl of logs": ("kl_div", logs, {"log_target": True}, 2),
    "poisson": ("poisson_nll_loss", rates(3, 4), {}, 2),
    "poisson of rates": ("poisson_nll_loss", rates(3, 4), {"log_input": False}, 2),
    "poisson in full": ("poisson_nll_loss", rates_and_counts(3, 4), {"full": True, "log_input": False, "eps": 0.1}, 2),
    "gaussian": ("gaussian_nll_loss", with_variance((3, 4), (3, 4)), {}, 2),
    "gaussian in full": ("gaussian_nll_loss", with_variance((3, 4), (3,)), {"full": True}, 2),
    "gaussian, one variance": ("gaussian_nll_loss", with_variance((3, 4), (3, 1)), {"eps": 0.3}, 2),
    "soft margin": ("soft_margin_loss", with_targets(signs((3, 4)), (3, 4)), {}, 1),
    "hinge embedding": ("hinge_embedding_loss", with_targets(signs((3, 4)), (3, 4)), {"margin": 0.5}, 2),
    "margin ranking": ("margin_ranking_loss", with_targets(signs((6,)), (6,), (6,)), {}, 1),
    "margin ranking of 1": ("margin_ranking_loss", with_targets(signs((6,)), (6,), (6,)), {"margin": 1.0}, 1),
    "cosine embedding": ("cosine_embedding_loss", with_targets(signs((5,)), (5, 3), (5, 3)), {"margin": -0.3}, 2),
    "cosine embedding of one": ("cosine_embedding_loss", with_targets(signs(()), (3,), (3,)), {}, 2),
    "multi margin": ("multi_margin_loss", with_targets(np.array([0, 2, 3]), (3, 4)), {}, 1),
    "multi margin squared": (
        "multi_margin_loss",
        with_targets(np.array([0, 2, 3]), (3, 4)),
        {"p": 2, "margin": 0.7},
        1,
    ),
    "multi margin weighted": (
        "multi_margin_loss",
        with_targets(np.array([0, 2, 3]), (3, 4)),
        {"weight": np.array([0.1, 2.0, 1.0, 0.5])},
        1,
    ),
    "multi margin of one": ("multi_margin_loss", with_targets(np.array(1), (4,)), {}, 1),
    "multi margin of one in a list": ("multi_margin_loss", with_targets(np.array([1]), (4,)), {}, 1),
    "multilabel margin": ("multilabel_margin_loss", with_targets(right_classes(4), (4, 4)), {}, 1),
    "multilabel margin of one": ("multilabel_margin_loss", with_targets(right_classes(1)[0], (4,)), {}, 1),
    "multilabel soft margin": ("multilabel_soft_margin_loss", with_targets(np.eye(4)[:3], (3, 4)), {}, 2),
    "multilabel soft margin weighted": (
        "multilabel_soft_margin_loss",
        with_targets(np.eye(4)[:3], (3, 4)),
        {"weight": np.array([0.1, 2.0, 1.0, 0.5])},
        2,
    ),
    "triplet": ("triplet_margin_loss", normals((5, 3), (5, 3), (5, 3)), {}, 2),
    "triplet of norm 1, swapped": (
        "triplet_margin_loss",
        normals((5, 3), (5, 3), (5, 3)),
        {"p": 1, "swap": True, "margin": 0.2},
        1,
    ),
    "triplet of vectors": ("triplet_margin_loss", normals((3,), (3,), (3,)), {"eps": 1e-3, "p": 3}, 2),
    "triplet by distance": ("triplet_margin_with_distance_loss", normals((5, 3), (5, 3), (5, 3)), {"swap": True}, 2),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_losses_agree(case, dtype, rng):
    """Each under the three reductions; gradients by every floating input, and theirs where PyTorch has them."""
    name, draw, options, orders = CASES[case]
    inputs = draw(rng)
    for reduction in [*REDUCTIONS, *(["batchmean"] if name == "kl_div" else [])]:

        def function(L: Any, *xs: Any, reduction: str = reduction) -> Any:
            made = {k: L.tensor(v.astype(dtype)) if isinstance(v, np.ndarray) else v for k, v in options.items()}
            return getattr(L.m.nn.functional, name)(*xs, reduction=reduction, **made)

        compare(function, inputs, dtype, orders=orders)


@pytest.mark.parametrize("name", ["l1_loss", "mse_loss", "huber_loss"])
def test_weights_of_elements_agree(name, rng):
    """Their mean is by the weights' sum in the first two and by the count in Huber's, as in PyTorch."""
    for reduction in REDUCTIONS:
        compare(
            lambda L, x, y, w, reduction=reduction: getattr(L.m.nn.functional, name)(
                x, y, weight=w, reduction=reduction
            ),
            [*normals((3, 2), (3, 2))(rng), rng.random((3, 2))],
            "float64",
            orders=1,
        )


@pytest.mark.parametrize("name", ["l1_loss", "mse_loss", "smooth_l1_loss", "huber_loss"])
def test_shapes_that_broadcast_warn(name, rng):
    """Both libraries warn, and give the same."""
    x, y = normals((3, 1), (3,))(rng)
    with pytest.warns(UserWarning, match="different to the input size"):
        ours = getattr(tg.nn.functional, name)(tg.tensor(x), tg.tensor(y))
    with pytest.warns(UserWarning, match="different to the input size"):
        theirs = getattr(torch.nn.functional, name)(torch.tensor(x), torch.tensor(y))
    assert error(numbers(ours), numbers(theirs)) <= LIMIT["float64"]


def test_linear_cross_entropy_agrees(rng):
    """One sample, rows, several targets per sample, class weights and a bias."""
    y = np.array([0, 3, -100])
    for shape, classes, target in [((3, 5), (4,), y), ((5,), (4,), np.array(3)), ((3, 5), (4, 2), np.stack([y, y], 1))]:

        def function(L: Any, x: Any, w: Any, b: Any, t: Any) -> Any:
            return L.m.nn.functional.linear_cross_entropy(
                x, w, t, linear_bias=b, weight=L.m.linspace(0.5, 2.0, 4, dtype=x.dtype), label_smoothing=0.1
            )

        compare(function, [*normals(shape, (*classes, 5), classes)(rng), target], "float64")


def test_softmax_without_dim_guesses_as_pytorch(rng):
    """0 for 0, 1 and 3 axes, else 1; with a warning."""
    for shape in [(), (3,), (2, 3), (2, 3, 4), (2, 2, 3, 2)]:
        for name in ("softmax", "log_softmax", "softmin"):
            compare(
                lambda L, x, name=name: getattr(L.m.nn.functional, name)(x), [np.asarray(rng.random(shape))], "float64"
            )
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax has been deprecated"):
        tg.nn.Softmax()(tg.zeros(2, 3))


MODULES = [
    ("L1Loss", {}),
    ("SmoothL1Loss", {"beta": 0.5}),
    ("HuberLoss", {"delta": 0.5, "reduction": "sum"}),
    ("KLDivLoss", {"reduction": "batchmean", "log_target": True}),
    ("PoissonNLLLoss", {"full": True, "log_input": False, "eps": 0.1}),
    ("GaussianNLLLoss", {"full": True, "eps": 0.1}),
    ("SoftMarginLoss", {"reduction": "sum"}),
    ("HingeEmbeddingLoss", {"margin": 0.5}),
    ("MarginRankingLoss", {"margin": 0.5}),
    ("CosineEmbeddingLoss", {"margin": 0.5}),
    ("MultiMarginLoss", {"p": 2, "margin": 0.5, "weight": np.array([1.0, 2.0, 0.5, 1.0])}),
    ("MultiLabelMarginLoss", {"reduction": "none"}),
    ("MultiLabelSoftMarginLoss", {"weight": np.array([1.0, 2.0, 0.5, 1.0])}),
    ("TripletMarginLoss", {"p": 1.0, "swap": True, "margin": 0.5}),
    ("TripletMarginWithDistanceLoss", {"swap": True, "margin": 0.5}),
]


@pytest.mark.parametrize(("name", "arguments"), MODULES, ids=[name for name, _ in MODULES])
def test_modules_agree(name, arguments, rng):
    """A module hands all of its arguments on; its text and the keys of its state are PyTorch's, its words too."""
    made = {}
    for L in (OURS, THEIRS):
        tensors = {k: L.tensor(v) if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
        made[L.m] = getattr(L.m.nn, name)(**tensors)
    assert repr(made[tg]) == repr(made[torch])
    assert list(made[tg].state_dict()) == list(made[torch].state_dict())
    words = [
        [(p.name, p.default) for p in inspect.signature(getattr(lib.nn, name)).parameters.values()]
        for lib in (tg, torch)
    ]
    assert words[0] == words[1]
    inputs = {
        "GaussianNLLLoss": with_variance((3, 4), (3, 4)),
        "PoissonNLLLoss": rates_and_counts(3, 4),
        "KLDivLoss": logs,
        "CosineEmbeddingLoss": with_targets(signs((5,)), (5, 3), (5, 3)),
        "MarginRankingLoss": with_targets(signs((5,)), (5,), (5,)),
        "MultiMarginLoss": with_targets(np.array([0, 2, 3]), (3, 4)),
        "MultiLabelMarginLoss": with_targets(right_classes(3), (3, 4)),
        "MultiLabelSoftMarginLoss": with_targets(np.eye(4)[:3], (3, 4)),
        "SoftMarginLoss": with_targets(signs((3, 4)), (3, 4)),
        "HingeEmbeddingLoss": with_targets(signs((3, 4)), (3, 4)),
    }.get(name, normals(*[(5, 3)] * (3 if name.startswith("Triplet") else 2)))(rng)
    compare(lambda L, *xs: made[L.m](*xs), inputs, "float64", orders=1)


def test_linear_cross_entropy_module_is_pytorchs():
    """Same weights from the seed, same keys, same text, same loss."""
    made = []
    for lib in (tg, torch):
        lib.manual_seed(3)
        options = lib.nn.LinearCrossEntropyOptions(batch_chunk_size=2)
        made.append(lib.nn.LinearCrossEntropyLoss(5, 4, bias=True, ignore_index=1, options=options))
    assert repr(made[0]) == repr(made[1])
    assert list(made[0].state_dict()) == list(made[1].state_dict())
    losses = [m(lib.ones(3, 5), lib.tensor([0, 1, 3])).item() for m, lib in zip(made, (tg, torch), strict=True)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)  # float32


REFUSED = {
    "reduction": lambda m: m.nn.functional.l1_loss(m.ones(2), m.ones(2), reduction="avg"),
    "reduction of kl": lambda m: m.nn.functional.kl_div(m.ones(2), m.ones(2), reduction="batch"),
    "reduction of triplets": lambda m: m.nn.functional.triplet_margin_loss(*[m.ones(2, 2)] * 3, reduction="x"),
    "weight's shape": lambda m: m.nn.functional.l1_loss(m.ones(2), m.ones(2), weight=m.ones(3)),
    "shapes that clash": lambda m: m.nn.functional.huber_loss(m.ones(2), m.ones(3)),
    "delta": lambda m: m.nn.functional.huber_loss(m.ones(2), m.ones(2), delta=0.0),
    "delta's type": lambda m: m.nn.HuberLoss(delta="1"),
    "beta": lambda m: m.nn.functional.smooth_l1_loss(m.ones(2), m.ones(2), beta=-1.0),
    "negative variance": lambda m: m.nn.functional.gaussian_nll_loss(m.ones(2), m.ones(2), m.tensor([1.0, -1.0])),
    "negative variance, a number": lambda m: m.nn.functional.gaussian_nll_loss(m.ones(2), m.ones(2), -1.0),
    "variance's shape": lambda m: m.nn.functional.gaussian_nll_loss(m.ones(2, 3), m.ones(2, 3), m.ones(3)),
    "axes of rankings": lambda m: m.nn.functional.margin_ranking_loss(m.ones(2), m.ones(2), m.ones(2, 1)),
    "axes of cosines": lambda m: m.nn.functional.cosine_embedding_loss(m.ones(2), m.ones(2), m.ones(2)),
    "targets of cosines": lambda m: m.nn.functional.cosine_embedding_loss(m.ones(2, 2), m.ones(2, 2), m.ones(2, 1)),
    "margin of triplets": lambda m: m.nn.TripletMarginLoss(margin=0.0),
    "margin of triplets by distance": lambda m: m.nn.TripletMarginWithDistanceLoss(margin=-1.0),
    "axes of triplets": lambda m: m.nn.functional.triplet_margin_loss(m.ones(2), m.ones(1, 2), m.ones(2)),
    "p": lambda m: m.nn.MultiMarginLoss(p=3),
    "p of the function": lambda m: m.nn.functional.multi_margin_loss(m.ones(2, 3), m.tensor([0, 1]), p=3),
    "weight's axes": lambda m: m.nn.MultiMarginLoss(weight=m.ones(2, 2)),
    "label": lambda m: m.nn.functional.multi_margin_loss(m.ones(2, 3), m.tensor([0, 3])),
    "number of labels": lambda m: m.nn.functional.multi_margin_loss(m.ones(2, 3), m.tensor([0, 1, 2])),
    "right classes": lambda m: m.nn.functional.multilabel_margin_loss(m.ones(2, 2), m.tensor([[0, 2], [0, 1]])),
    "right classes' shape": lambda m: m.nn.functional.multilabel_margin_loss(m.ones(2, 3), m.tensor([0, 1, 2])),
    "two kinds of targets": lambda m: m.nn.functional.linear_cross_entropy(
        m.ones(2, 3), m.ones(4, 3), m.ones(2, 4), ignore_index=1
    ),
    "in_features": lambda m: m.nn.functional.linear_cross_entropy(m.ones(2, 3), m.ones(4, 2), m.tensor([0, 1])),
    "ignored class of probabilities": lambda m: m.nn.functional.cross_entropy(
        m.zeros(2, 3), m.ones(2, 3) / 3, ignore_index=0
    ),
    "mean of whole numbers": lambda m: m.nn.functional.l1_loss(m.tensor([1]), m.tensor([2])),
    "smoothing": lambda m: m.nn.LinearCrossEntropyLoss(2, 3, label_smoothing=2.0),
}


@pytest.mark.parametrize("wrong", REFUSED.values(), ids=REFUSED.keys())
def test_what_pytorch_refuses_is_refused(wrong):
    """By an exception that whoever catches PyTorch's would catch too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of shapes that differ, before they clash
        with pytest.raises(Exception) as theirs:  # which class is the question
            wrong(torch)
        with pytest.raises(theirs.type) as ours:
            wrong(tg)
    assert len(str(ours.value)) > 10


def test_losses_of_nothing():
    """The mean of no elements is NaN in both, the sum 0."""
    for name in ("l1_loss", "mse_loss", "huber_loss", "smooth_l1_loss"):
        for reduction in REDUCTIONS:
            found = []
            for lib in (tg, torch):
                loss = getattr(lib.nn.functional, name)(lib.zeros(0, 2), lib.zeros(0, 2), reduction=reduction)
                found.append(loss.numpy())
            np.testing.assert_array_equal(found[0], found[1])


ODD = {
    "whole numbers": lambda m: m.nn.functional.l1_loss(m.tensor([1, 2]), m.tensor([0, 4]), reduction="none"),
    "whole numbers summed": lambda m: m.nn.functional.l1_loss(m.tensor([1, 2]), m.tensor([0, 4]), reduction="sum"),
    "one sample, a list of one label": lambda m: m.nn.functional.cross_entropy(m.arange(3.0), m.tensor([1])),
    "angles of whole numbers": lambda m: m.cosine_similarity(m.ones(2, 3), m.tensor([[1, 2, 3]])),
    "huber far away": lambda m: m.nn.functional.huber_loss(m.tensor([float("inf"), 1.0]), m.zeros(2), reduction="none"),
    "no impossible class": lambda m: m.nn.functional.cross_entropy(
        m.tensor([[-float("inf"), 0.0, 1.0]]), m.tensor([1])
    ),
    "large scores": lambda m: m.nn.functional.soft_margin_loss(m.tensor([80.0, -80.0]), m.tensor([1.0, -1.0])),
    "no variance": lambda m: m.nn.functional.gaussian_nll_loss(m.ones(2), m.zeros(2), m.zeros(2)),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_odd_inputs_agree(odd):
    """What PyTorch takes is taken, with its shape, dtype and value."""
    ours, theirs = odd(tg), odd(torch)
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch.")
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6)  # float32
