"""Losses and activations against PyTorch: values and gradients, over arguments and shapes."""

from __future__ import annotations

import inspect
import itertools

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.nn import functional as F

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

REDUCTIONS = ["mean", "sum", "none"]
# float64 throughout: what is left is the order of a few additions
EXACT = {"rtol": 1e-12, "atol": 1e-14}


def compare(ours, theirs, differentiated, *constants, tolerance=EXACT, **options):
    """Value and gradients of `ours(*differentiated, *constants)` equal those of `theirs`.

    Arrays among the options, such as weights, become each library's tensors.
    """
    results = []
    for lib, function in ((tg, ours), (torch, theirs)):
        inputs = [lib.tensor(x, requires_grad=True) for x in differentiated]
        rest = [lib.tensor(x) for x in constants]
        named = {k: lib.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        value = function(*inputs, *rest, **named)
        cotangent = np.linspace(0.5, 1.5, value.numel()).reshape(tuple(value.shape))
        value.backward(lib.tensor(cotangent))
        results.append([value.detach().numpy(), *(x.grad.numpy() for x in inputs)])
    for mine, expected in zip(*results, strict=True):
        assert mine.shape == expected.shape
        np.testing.assert_allclose(mine, expected, **tolerance)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(), (4,), (3, 2), (2, 3, 4)], ids=str)
def test_mse_loss(shape, reduction, rng):
    """mse_loss agrees, by input and by target."""
    compare(
        F.mse_loss,
        torch.nn.functional.mse_loss,
        [rng.standard_normal(shape), rng.standard_normal(shape)],
        reduction=reduction,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_mse_loss_weighted(reduction, rng):
    """mse_loss with a weight per element: its mean is divided by the sum of the weights."""
    compare(
        F.mse_loss,
        torch.nn.functional.mse_loss,
        [rng.standard_normal((3, 2)), rng.standard_normal((3, 2))],
        weight=rng.random((3, 2)),
        reduction=reduction,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shapes", [((3, 1), (3,)), ((2, 3), (3,)), ((3,), (4, 3))], ids=str)
def test_mse_loss_of_shapes_that_broadcast(shapes, reduction, rng):
    """Both libraries warn that sizes differ, and broadcast to the same value and gradients."""
    with pytest.warns(UserWarning, match="Using a target size") as caught:
        compare(
            F.mse_loss,
            torch.nn.functional.mse_loss,
            [rng.standard_normal(shape) for shape in shapes],
            reduction=reduction,
        )
    assert len(caught) == 2


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weight", [None, (3,), (4, 1), (4, 3)], ids=str)
def test_binary_cross_entropy(weight, reduction, rng):
    """binary_cross_entropy agrees, with soft targets and weights that broadcast."""
    compare(
        F.binary_cross_entropy,
        torch.nn.functional.binary_cross_entropy,
        [rng.random((4, 3))],
        rng.random((4, 3)),
        weight=None if weight is None else rng.random(weight),
        reduction=reduction,
    )


def test_binary_cross_entropy_at_its_ends():
    """Probabilities of exactly 0 and 1: the logarithm stops at -100, the denominator at 1e-12, as in PyTorch."""
    compare(
        F.binary_cross_entropy,
        torch.nn.functional.binary_cross_entropy,
        [np.array([0.0, 0.0, 1.0, 1.0, 1e-20, 0.5])],
        np.array([0.0, 1.0, 0.0, 1.0, 1.0, 1.0]),
        tolerance={"rtol": 1e-8},  # PyTorch's 1e-12 is a float32, 4e-9 too small
        reduction="none",
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    ("weight", "pos_weight"), list(itertools.product([None, (3,), (4, 3)], [None, (), (3,), (4, 3)])), ids=str
)
def test_binary_cross_entropy_with_logits(weight, pos_weight, reduction, rng):
    """Scores small and large, weight and pos_weight of shapes that broadcast."""
    compare(
        F.binary_cross_entropy_with_logits,
        torch.nn.functional.binary_cross_entropy_with_logits,
        [rng.standard_normal((4, 3)) * np.array([1.0, 10.0, 300.0])],
        rng.random((4, 3)),
        weight=None if weight is None else rng.random(weight),
        pos_weight=None if pos_weight is None else np.asarray(rng.random(pos_weight) * 3),
        reduction=reduction,
    )


SHAPES = [(3,), (5, 3), (5, 3, 2), (4, 3, 2, 2)]  # the classes lie along axis 1, or 0 of a single sample


def scores_and_labels(shape, rng):
    labels = shape[2:] if len(shape) == 1 else shape[:1] + shape[2:]
    return rng.standard_normal(shape) * 3, rng.integers(0, 3, () if len(shape) == 1 else labels)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_cross_entropy_of_labels(label_smoothing, weighted, reduction, shape, rng):
    """cross_entropy agrees for single samples, rows and images, with class weights and smoothing."""
    scores, labels = scores_and_labels(shape, rng)
    compare(
        F.cross_entropy,
        torch.nn.functional.cross_entropy,
        [scores],
        labels,
        weight=rng.random(3) + 0.1 if weighted else None,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


@pytest.mark.parametrize("ignore_index", [-100, 1])
@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_cross_entropy_leaves_out_ignored_labels(label_smoothing, weighted, reduction, shape, ignore_index, rng):
    """Samples labelled ignore_index give no loss and no gradient, and are not counted in the mean."""
    scores, labels = scores_and_labels(shape, rng)
    labels.reshape(-1)[::3] = ignore_index
    labels.reshape(-1)[1] = 2
    compare(
        F.cross_entropy,
        torch.nn.functional.cross_entropy,
        [scores],
        labels,
        weight=rng.random(3) + 0.1 if weighted else None,
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_cross_entropy_of_probabilities(label_smoothing, weighted, reduction, shape, rng):
    """Targets in the scores' own shape are probabilities, and are differentiated too."""
    targets = rng.random(shape)
    targets /= targets.sum(axis=0 if len(shape) == 1 else 1, keepdims=True)
    compare(
        F.cross_entropy,
        torch.nn.functional.cross_entropy,
        [rng.standard_normal(shape), targets],
        weight=rng.random(3) + 0.1 if weighted else None,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("ignore_index", [-100, 2])
def test_nll_loss(ignore_index, weighted, reduction, shape, rng):
    """nll_loss agrees, with class weights, and with one class left out."""
    log_P, labels = scores_and_labels(shape, rng)
    labels.reshape(-1)[:1] = 0  # at least one sample counts
    compare(
        F.nll_loss,
        torch.nn.functional.nll_loss,
        [log_P],
        labels,
        weight=rng.random(3) + 0.1 if weighted else None,
        ignore_index=ignore_index,
        reduction=reduction,
    )


@pytest.mark.parametrize("loss", ["cross_entropy", "nll_loss"])
def test_all_labels_ignored(loss, rng):
    """The mean of nothing is NaN in both libraries."""
    labels = np.full(4, -100)
    scores = rng.standard_normal((4, 3))
    with np.errstate(invalid="ignore"):  # 0 / 0, of which NumPy warns
        ours = getattr(F, loss)(tg.tensor(scores), tg.tensor(labels))
    theirs = getattr(torch.nn.functional, loss)(torch.tensor(scores), torch.tensor(labels))
    assert np.isnan(ours.item())
    assert np.isnan(theirs.item())


@pytest.mark.parametrize(
    ("size_average", "reduce"),
    [(False, None), (True, None), (None, False), (None, True), (False, False), (False, True)],
)
@pytest.mark.parametrize("loss", ["mse_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"])
def test_the_old_arguments_of_reduction(loss, size_average, reduce, rng):
    """size_average and reduce still choose the reduction, with a warning each time."""
    with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated"):
        compare(
            getattr(F, loss),
            getattr(torch.nn.functional, loss),
            [rng.random((4, 3))],
            rng.random((4, 3)),
            size_average=size_average,
            reduce=reduce,
        )


MODULES = [
    ("MSELoss", {}, "real"),
    ("MSELoss", {"reduction": "sum"}, "real"),
    ("BCELoss", {"weight": np.array([0.5, 1.0, 2.0])}, "unit"),
    ("BCEWithLogitsLoss", {"pos_weight": np.array([0.5, 1.0, 2.0]), "reduction": "none"}, "real"),
    ("CrossEntropyLoss", {"weight": np.array([0.5, 1.0, 2.0]), "label_smoothing": 0.1}, "labels"),
    ("CrossEntropyLoss", {"ignore_index": 0, "reduction": "sum"}, "labels"),
    ("NLLLoss", {"weight": np.array([0.5, 1.0, 2.0]), "ignore_index": 0}, "labels"),
]


@pytest.mark.parametrize(("name", "arguments", "target"), MODULES, ids=[f"{n}({', '.join(a)})" for n, a, _ in MODULES])
def test_loss_modules(name, arguments, target, rng):
    """Each loss module hands all of its arguments on, and holds its weights as buffers."""
    Y = {"real": rng.random, "unit": rng.random, "labels": lambda shape: np.array([0, 1, 2, 2])}[target]((4, 3))
    X = rng.random((4, 3)) if target == "unit" else rng.standard_normal((4, 3))
    made = {}
    for lib in (tg, torch):
        made[lib] = getattr(lib.nn, name)(
            **{k: lib.tensor(v) if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
        )
    assert list(made[tg].state_dict()) == list(made[torch].state_dict())
    compare(made[tg], made[torch], [X], Y)


ACTIVATIONS = [
    ("Tanh", {}),
    ("Sigmoid", {}),
    ("ReLU", {}),
    ("LeakyReLU", {"negative_slope": 0.2}),
    ("Softplus", {}),
    ("Softplus", {"beta": 2.0, "threshold": 1.0}),
    ("Softmax", {"dim": 1}),
    ("Softmax", {"dim": -2}),
    ("LogSoftmax", {"dim": 0}),
    ("Identity", {}),
    ("Flatten", {}),
]


@pytest.mark.parametrize(("name", "arguments"), ACTIVATIONS, ids=[f"{n}{a}" for n, a in ACTIVATIONS])
def test_activation_modules(name, arguments, rng):
    """Value and gradient agree, at 0 and far out too."""
    X = rng.standard_normal((3, 4)) * 4
    X[0] = [0.0, -0.0, 50.0, -50.0]
    compare(getattr(tg.nn, name)(**arguments), getattr(torch.nn, name)(**arguments), [X])


@pytest.mark.parametrize(("name", "arguments"), [("ReLU", {}), ("LeakyReLU", {"negative_slope": 0.2})])
def test_in_place_activations(name, arguments, rng):
    """inplace=True overwrites its input, with the gradient of the other form."""
    ours, theirs = (getattr(lib.nn, name)(inplace=True, **arguments) for lib in (tg, torch))
    compare(lambda x: ours(x * 1), lambda x: theirs(x * 1), [rng.standard_normal((3, 4))])
    x = tg.tensor([-1.0, 2.0])
    assert ours(x) is x
    assert x[0].item() != -1.0


def has_signature(function):
    """PyTorch's builtins have none, and its functions of two minds (return_indices) show *args."""
    try:
        return "args" not in inspect.signature(function).parameters
    except ValueError:
        return False


FUNCTIONS = [name for name in F.__all__ if has_signature(getattr(torch.nn.functional, name))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures(name):
    """Names, order and defaults of the parameters are PyTorch's."""

    def shape(function):
        parameters = inspect.signature(function).parameters.values()
        return [(p.name, p.default) for p in parameters]

    assert shape(getattr(F, name)) == shape(getattr(torch.nn.functional, name))


CLASSES = ["Linear", "Flatten", "ReLU", "LeakyReLU", "Softplus", "Softmax", "LogSoftmax"]
CLASSES += ["MSELoss", "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "NLLLoss", "ModuleList", "ModuleDict"]


@pytest.mark.parametrize("name", CLASSES)
def test_signatures_of_modules(name):
    """Names, order and defaults of what a module is made from are PyTorch's."""

    def shape(cls):
        return [(p.name, p.default) for p in inspect.signature(cls).parameters.values()]

    assert shape(getattr(tg.nn, name)) == shape(getattr(torch.nn, name))
