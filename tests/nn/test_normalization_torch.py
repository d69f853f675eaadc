"""Normalisation against PyTorch: values, gradients of two orders, running statistics, errors, text, a training run."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from ..ops.side_by_side import assert_refused_alike, compare  # noqa: E402  # that file skips itself likewise

LIBRARIES = (tg, torch)

FUNCTIONS = {
    "layer_norm": (lambda l, x, w, b: l.F.layer_norm(x, (4,), w, b), (3, 4), (4,), (4,)),
    "layer_norm of two axes": (lambda l, x, w, b: l.F.layer_norm(x, (3, 4), w, b, 1e-3), (2, 3, 4), (3, 4), (3, 4)),
    "layer_norm of all": (lambda l, x: l.F.layer_norm(x, [2, 3]), (2, 3)),
    "layer_norm, weight": (lambda l, x, w: l.F.layer_norm(x, (4,), w), (2, 3, 4), (4,)),
    "layer_norm, no samples": (lambda l, x, w: l.F.layer_norm(x, (4,), w), (0, 4), (4,)),
    "torch.layer_norm": (lambda l, x, w, b: l.m.layer_norm(x, (4,), w, b, 1e-5, False), (3, 4), (4,), (4,)),
    "rms_norm": (lambda l, x, w: l.F.rms_norm(x, (4,), w), (3, 4), (4,)),
    "rms_norm of two axes": (lambda l, x: l.F.rms_norm(x, (3, 4), eps=0.1), (2, 3, 4)),
    "torch.rms_norm": (lambda l, x, w: l.m.rms_norm(x, (4,), w, 1e-3), (0, 4), (4,)),
    "group_norm": (lambda l, x, w, b: l.F.group_norm(x, 2, w, b), (3, 4, 5), (4,), (4,)),
    "group_norm, no places": (lambda l, x, w: l.F.group_norm(x, 3, w, eps=0.1), (2, 6), (6,)),
    "group_norm of one": (lambda l, x: l.F.group_norm(x, 1, eps=1e-2), (2, 3, 2, 2)),
    "torch.group_norm": (lambda l, x, w, b: l.m.group_norm(x, 4, w, b), (2, 4, 3), (4,), (4,)),
    "instance_norm": (lambda l, x, w, b: l.F.instance_norm(x, weight=w, bias=b), (2, 3, 4), (3,), (3,)),
    "instance_norm of images": (lambda l, x: l.F.instance_norm(x, eps=1e-3), (2, 3, 2, 2)),
    "batch_norm": (lambda l, x, w, b: l.F.batch_norm(x, None, None, w, b, True), (5, 3), (3,), (3,)),
    "batch_norm of signals": (lambda l, x, w: l.F.batch_norm(x, None, None, w, training=True), (2, 3, 4), (3,)),
    "batch_norm of images": (lambda l, x: l.F.batch_norm(x, None, None, training=True), (2, 2, 3, 2)),
    "batch_norm, evaluated": (
        lambda l, x, w, b: l.F.batch_norm(x, x[0].detach(), x[1].detach() ** 2, w, b),
        (4, 3),
        (3,),
        (3,),
    ),
    "batch_norm, evaluated plainly": (
        lambda l, x: l.F.batch_norm(x, x[0].detach()[:, 0], x[1].detach()[:, 0] ** 2),
        (4, 3, 2),
    ),
    "batch_norm of one channel": (lambda l, x, w, b: l.F.batch_norm(x, None, None, w, b, True), (2, 1, 3), (1,), (1,)),
    "torch.batch_norm": (
        lambda l, x, w, b: l.m.batch_norm(x, w, b, None, None, True, 0.1, 1e-5, False),
        (4, 3),
        (3,),
        (3,),
    ),
    "torch.instance_norm": (
        lambda l, x, w, b: l.m.instance_norm(x, w, b, None, None, True, 0.1, 1e-5, False),
        (2, 3, 4),
        (3,),
        (3,),
    ),
    "local_response_norm": (lambda l, x: l.F.local_response_norm(x, 2), (2, 5, 3)),
    "local_response_norm of images": (lambda l, x: l.F.local_response_norm(x, 3, 0.5, 0.7, 2.0), (2, 4, 2, 2)),
    "local_response_norm of volumes": (lambda l, x: l.F.local_response_norm(x, 4, 0.5), (1, 5, 2, 1, 2)),
    "normalize": (lambda l, x: l.F.normalize(x), (3, 4)),
    "normalize by p": (lambda l, x: l.F.normalize(x, p=3.0, dim=-1, eps=0.1), (2, 3, 4)),
    "normalize by 1": (lambda l, x: l.F.normalize(x, 1, 0), (3, 4)),
    "normalize over two axes": (lambda l, x: l.F.normalize(x, dim=(1, 2)), (2, 3, 4)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_agrees(name, rng):
    """Values, gradients of all operands and second derivatives are PyTorch's, to rounding in float64."""
    function, *shapes = FUNCTIONS[name]
    compare(function, *shapes, rng=rng, exact=False)


def test_a_bias_without_weight(rng):
    """The bias alone is added; its gradient is the sum. (PyTorch's own second derivative fails here.)"""
    x, b = rng.standard_normal((4, 3)), rng.standard_normal(3)
    found = []
    for m in LIBRARIES:
        bias = m.tensor(b, requires_grad=True)
        for y in (
            m.nn.functional.layer_norm(m.tensor(x), (3,), None, bias),
            m.nn.functional.batch_norm(m.tensor(x), None, None, None, bias, True),
        ):
            (slope,) = m.autograd.grad((y**3).sum(), bias)
            found.append((y.detach().numpy(), slope.numpy()))
    for ours, theirs in zip(found[:2], found[2:], strict=True):
        np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-12)
        np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-12)


REFUSED = {
    "layer_norm of another length": (lambda l, x: l.F.layer_norm(x, (3,)), (2, 4)),
    "layer_norm of more axes": (lambda l, x: l.F.layer_norm(x, (2, 4, 1)), (2, 4)),
    "layer_norm of no axes": (lambda l, x: l.F.layer_norm(x, ()), (2, 4)),
    "layer_norm by a number": (lambda l, x: l.F.layer_norm(x, 4), (2, 4)),
    "layer_norm, weight": (lambda l, x, w: l.F.layer_norm(x, (4,), w), (2, 4), (3,)),
    "layer_norm, dtypes": (lambda l, x, w: l.F.layer_norm(x, (4,), w.to(l.m.float32)), (2, 4), (4,)),
    "rms_norm of another length": (lambda l, x: l.F.rms_norm(x, (3,)), (2, 4)),
    "rms_norm, weight": (lambda l, x, w: l.F.rms_norm(x, (4,), w), (2, 4), (3,)),
    "group_norm of a vector": (lambda l, x: l.F.group_norm(x, 1), (4,)),
    "group_norm by what does not divide": (lambda l, x: l.F.group_norm(x, 3), (2, 4)),
    "group_norm of one value": (lambda l, x: l.F.group_norm(x, 4), (1, 4)),
    "group_norm, weight": (lambda l, x, w: l.F.group_norm(x, 2, w), (3, 4), (2,)),
    "batch_norm of one value": (lambda l, x: l.F.batch_norm(x, None, None, training=True), (1, 4)),
    "batch_norm of one place": (lambda l, x: l.F.batch_norm(x, None, None, training=True), (1, 4, 1, 1)),
    "batch_norm without statistics": (lambda l, x: l.F.batch_norm(x, None, None), (2, 4)),
    "batch_norm of a vector": (lambda l, x: l.F.batch_norm(x, None, None, training=True), (4,)),
    "batch_norm, statistics": (lambda l, x, m: l.F.batch_norm(x, m, m, training=True), (2, 4), (3,)),
    "batch_norm, weight": (lambda l, x, w: l.F.batch_norm(x, None, None, w, training=True), (2, 4), (3,)),
    "batch_norm, one statistic": (lambda l, x, m: l.F.batch_norm(x, m, None, training=True), (2, 4), (4,)),
    "batch_norm, trained statistics": (
        lambda l, x, m: l.F.batch_norm(x, m.requires_grad_(), m, training=True),
        (2, 4),
        (4,),
    ),
    "batch_norm, eps": (lambda l, x: l.F.batch_norm(x, None, None, training=True, eps=0.0), (2, 4)),
    "batch_norm, negative eps": (lambda l, x, m: l.F.batch_norm(x, m, m, eps=-1.0), (2, 4), (4,)),
    "instance_norm of one place": (lambda l, x: l.F.instance_norm(x), (2, 4, 1)),
    "instance_norm of no places": (lambda l, x: l.F.instance_norm(x), (2, 4)),
    "instance_norm without statistics": (lambda l, x: l.F.instance_norm(x, use_input_stats=False), (2, 4, 3)),
    "local_response_norm of rows": (lambda l, x: l.F.local_response_norm(x, 2), (2, 4)),
    "local_response_norm of size 0": (lambda l, x: l.F.local_response_norm(x, 0), (2, 4, 3)),
    "normalize along what is not there": (lambda l, x: l.F.normalize(x, dim=2), (2, 4)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_as_in_pytorch(name):
    """What PyTorch refuses is refused with an exception that its users' handlers catch."""
    assert_refused_alike(*REFUSED[name])


def same_state(ours, theirs):
    expected = theirs.state_dict()
    assert list(ours.state_dict()) == list(expected)
    for key, value in ours.state_dict().items():
        assert str(value.dtype) == str(expected[key].dtype).removeprefix("torch.")
        # float32: sums of some dozen numbers, in another order
        np.testing.assert_allclose(value.numpy(), expected[key].numpy(), rtol=1e-5, atol=1e-6, err_msg=key)


MODULES = {
    "BatchNorm1d": (lambda nn: nn.BatchNorm1d(3), (6, 3)),
    "BatchNorm1d of signals": (lambda nn: nn.BatchNorm1d(3, 1e-3, 0.3), (4, 3, 5)),
    "BatchNorm1d, cumulative": (lambda nn: nn.BatchNorm1d(3, momentum=None), (6, 3)),
    "BatchNorm1d, plain": (lambda nn: nn.BatchNorm1d(3, affine=False), (6, 3)),
    "BatchNorm1d, not tracking": (lambda nn: nn.BatchNorm1d(3, track_running_stats=False), (6, 3)),
    "BatchNorm2d": (lambda nn: nn.BatchNorm2d(3), (2, 3, 4, 4)),
    "BatchNorm2d without bias": (lambda nn: nn.BatchNorm2d(3, bias=False), (2, 3, 4, 4)),
    "BatchNorm3d": (lambda nn: nn.BatchNorm3d(2), (2, 2, 3, 2, 2)),
    "InstanceNorm1d": (lambda nn: nn.InstanceNorm1d(3), (2, 3, 5)),
    "InstanceNorm1d of one": (lambda nn: nn.InstanceNorm1d(3, affine=True), (3, 5)),
    "InstanceNorm2d, tracking": (
        lambda nn: nn.InstanceNorm2d(3, affine=True, track_running_stats=True),
        (2, 3, 4, 4),
    ),
    "InstanceNorm2d of one, tracking": (lambda nn: nn.InstanceNorm2d(3, track_running_stats=True), (3, 4, 4)),
    "InstanceNorm3d": (lambda nn: nn.InstanceNorm3d(2), (2, 2, 3, 2, 2)),
    "LayerNorm": (lambda nn: nn.LayerNorm(4), (2, 3, 4)),
    "LayerNorm of two axes": (lambda nn: nn.LayerNorm([3, 4], eps=0.1, bias=False), (2, 3, 4)),
    "LayerNorm, plain": (lambda nn: nn.LayerNorm((4,), elementwise_affine=False), (2, 4)),
    "GroupNorm": (lambda nn: nn.GroupNorm(2, 4), (2, 4, 3)),
    "GroupNorm, plain": (lambda nn: nn.GroupNorm(2, 4, affine=False), (2, 4, 3)),
    "GroupNorm without bias": (lambda nn: nn.GroupNorm(2, 4, bias=False), (2, 4)),
    "RMSNorm": (lambda nn: nn.RMSNorm(4), (2, 3, 4)),
    "RMSNorm, plain": (lambda nn: nn.RMSNorm([3, 4], eps=0.1, elementwise_affine=False), (2, 3, 4)),
    "LocalResponseNorm": (lambda nn: nn.LocalResponseNorm(2), (2, 4, 3)),
}


@pytest.mark.parametrize("name", MODULES)
def test_module_agrees_in_training_and_evaluation(name, rng):
    """Three batches in training, one in evaluation: results, gradients, statistics, keys and text are PyTorch's."""
    make, shape = MODULES[name]
    ours, theirs = (make(m.nn) for m in LIBRARIES)
    assert repr(ours) == repr(theirs)
    same_state(ours, theirs)
    for step in range(4):
        x = (rng.standard_normal(shape) * 2 + 1).astype(np.float32)
        found = []
        for m, module in ((tg, ours), (torch, theirs)):
            module.train(step < 3)
            module.zero_grad()
            leaf = m.tensor(x, requires_grad=True)
            y = module(leaf)
            (y**3).sum().backward()
            found.append([y.detach(), leaf.grad, *(p.grad for p in module.parameters())])
        for our, their in zip(*found, strict=True):
            # float32 sums in another order, and of the input's gradient a difference of like numbers
            np.testing.assert_allclose(our.numpy(), their.numpy(), rtol=1e-4, atol=2e-4)
        same_state(ours, theirs)


def test_half_of_the_statistics_state(rng):
    """reset_running_stats and reset_parameters start afresh; a state_dict without a count of batches is filled up."""
    for m in LIBRARIES:
        module = m.nn.BatchNorm1d(3)
        module(m.tensor(rng.standard_normal((4, 3)).astype(np.float32)))
        state = {k: v for k, v in module.state_dict().items() if k != "num_batches_tracked"}
        other = m.nn.BatchNorm1d(3)
        assert len(other.load_state_dict(state, strict=False).unexpected_keys) == 0
        np.testing.assert_array_equal(other.running_mean.numpy(), module.running_mean.numpy())
        assert int(other.num_batches_tracked) == 0
        module.reset_parameters()
        assert int(module.num_batches_tracked) == 0
        np.testing.assert_array_equal(module.running_var.numpy(), np.ones(3))


WRONG = {
    "BatchNorm1d of images": (lambda nn: nn.BatchNorm1d(3), (2, 3, 4, 4)),
    "BatchNorm2d of signals": (lambda nn: nn.BatchNorm2d(3), (2, 3, 4)),
    "BatchNorm1d, other channels": (lambda nn: nn.BatchNorm1d(3), (2, 4)),
    "BatchNorm1d of one sample": (lambda nn: nn.BatchNorm1d(3), (1, 3)),
    "InstanceNorm1d of rows": (lambda nn: nn.InstanceNorm1d(3), (2, 3, 4, 4)),
    "InstanceNorm2d, other channels": (lambda nn: nn.InstanceNorm2d(3, affine=True), (2, 4, 3, 3)),
    "InstanceNorm1d of one place": (lambda nn: nn.InstanceNorm1d(3), (2, 3, 1)),
    "LayerNorm, other length": (lambda nn: nn.LayerNorm(3), (2, 4)),
    "GroupNorm, other channels": (lambda nn: nn.GroupNorm(2, 4), (2, 6)),
    "GroupNorm, channels not divisible": (lambda nn: nn.GroupNorm(3, 4), (2, 4)),
}


@pytest.mark.parametrize("name", WRONG)
def test_module_refuses_what_pytorch_refuses(name):
    """The error is of PyTorch's class."""
    make, shape = WRONG[name]
    raised = []
    for m in LIBRARIES:
        with pytest.raises(Exception) as caught:  # which class is the question
            make(m.nn)(m.zeros(*shape))
        raised.append(caught.type)
    assert issubclass(*raised)


def test_a_refused_batch_changes_nothing():
    """A batch of one sample is neither counted nor mixed into the statistics."""
    module = tg.nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        module(tg.ones(1, 3))
    assert int(module.num_batches_tracked) == 0
    np.testing.assert_array_equal(module.running_mean.numpy(), 0)


def test_instance_norm_warns_of_a_length_that_means_nothing():
    """Without weights num_features is not used; a wrong one is a warning in both."""
    for m in LIBRARIES:
        with pytest.warns(UserWarning, match="num_features"):
            m.nn.InstanceNorm1d(5)(m.ones(2, 3, 4))


def test_double_and_mixed_dtypes():
    """A float64 layer refuses float32 input, as PyTorch does; .double() converts statistics, not the count."""
    for m in LIBRARIES:
        module = m.nn.BatchNorm1d(3).double()
        assert str(module.running_var.dtype).endswith("float64")
        assert str(module.num_batches_tracked.dtype).endswith("int64")
        with pytest.raises(RuntimeError):
            module(m.ones(2, 3))


def test_training_curve_is_pytorch_s(rng):
    """Fifteen steps of a network with three kinds of normalisation give PyTorch's losses from the same seed."""
    X = rng.standard_normal((32, 6)).astype(np.float32)
    Y = (X[:, :1] * X[:, 1:2] + X[:, 2:3]).astype(np.float32)
    curves = []
    for m in LIBRARIES:
        m.manual_seed(3)
        model = m.nn.Sequential(
            m.nn.Linear(6, 16), m.nn.BatchNorm1d(16), m.nn.ReLU(), m.nn.Linear(16, 16), m.nn.LayerNorm(16), m.nn.Tanh(),
            m.nn.Linear(16, 8), m.nn.GroupNorm(2, 8), m.nn.RMSNorm(8), m.nn.Linear(8, 1),
        )  # fmt: skip
        optimizer = m.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        curve = []
        for _ in range(15):
            optimizer.zero_grad()
            loss = m.nn.functional.mse_loss(model(m.tensor(X)), m.tensor(Y))
            loss.backward()
            optimizer.step()
            curve.append(loss.item())
        model.eval()
        with m.no_grad():
            curve.append(m.nn.functional.mse_loss(model(m.tensor(X)), m.tensor(Y)).item())
        curves.append(curve)
    np.testing.assert_allclose(*curves, rtol=1e-4)  # float32, whose roundings fifteen steps carry on


DROPOUTS = ("Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout")
INPUTS = {"Dropout1d": (4, 3, 5), "Dropout2d": (4, 3, 2, 2), "Dropout3d": (4, 3, 2, 2, 1)}


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", DROPOUTS)
def test_dropout_modules(name, p, rng):
    """What is kept is what PyTorch makes of it, dropped channels are dropped whole, in evaluation nothing is."""
    x = rng.standard_normal(INPUTS.get(name, (4, 3, 5))).astype(np.float32)
    results = []
    for m in LIBRARIES:
        m.manual_seed(5)
        module = getattr(m.nn, name)(p)
        leaf = m.tensor(x, requires_grad=True)
        y = module(leaf)
        y.sum().backward()
        module.eval()
        assert module(leaf) is leaf or (module(leaf) == leaf).all()
        results.append((repr(module), y.detach().numpy(), leaf.grad.numpy()))
    (text, y, slope), (expected_text, expected, expected_slope) = results
    assert text == expected_text
    # PyTorch's masks depend on the processor (README), but for each channel or element there are two outcomes only.
    if masks_agree():
        np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6)  # float32, a product and a sum
        np.testing.assert_allclose(slope, expected_slope, rtol=1e-6)
    else:
        assert set(np.unique(slope).round(5)) <= set(np.unique(expected_slope).round(5)) | {0.0}


def masks_agree():
    """Whether this build of PyTorch draws its masks from the stream that is followed here, and not by MKL."""
    masks = []
    for m in LIBRARIES:
        m.manual_seed(5)
        masks.append(m.nn.functional.dropout(m.ones(64)).numpy())
    return np.array_equal(*masks)


def test_dropouts_warn_and_refuse_as_pytorch():
    """Shapes that a channel-wise dropout can't read: an error for one place, a warning for two, as in PyTorch."""
    for m in LIBRARIES:
        F = m.nn.functional
        with pytest.raises(RuntimeError, match="dropout1d"):
            F.dropout1d(m.ones(2, 3, 4, 5))
        with pytest.warns(UserWarning, match="dropout2d"):
            F.dropout2d(m.ones(2, 3, 4))
        with pytest.warns(UserWarning, match="dropout3d"):
            F.dropout3d(m.ones(2, 3, 4))
        with pytest.raises(ValueError, match="between 0 and 1"):
            F.alpha_dropout(m.ones(2), 1.5)
        with pytest.raises(ValueError, match="between 0 and 1"):
            m.nn.Dropout2d(-0.1)
        with pytest.raises(RuntimeError, match="at least 2"):
            F.feature_alpha_dropout(m.ones(2), 0.5, True)


def test_dropout_in_place():
    """inplace=True writes the result into the input."""
    for m in LIBRARIES:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for F in (m.nn.functional.dropout1d, m.nn.functional.alpha_dropout, m.nn.functional.feature_alpha_dropout):
                x = m.ones(2, 3, 4)
                assert F(x, 0.5, True, True) is x
                assert not m.equal(x, m.ones(2, 3, 4))


@pytest.mark.parametrize("affine", [True, False], ids=["affine", "plain"])
def test_lazy_batch_norm(affine, rng):
    """The first input, or a loaded state_dict, tells the number of channels; then it is the ordinary layer."""
    x = rng.standard_normal((4, 3, 5)).astype(np.float32)
    texts = []
    for m in LIBRARIES:
        layer = m.nn.LazyBatchNorm1d(affine=affine)
        with pytest.raises(ValueError, match="2D or 3D"):
            layer(m.zeros(2, 3, 4, 5))
        layer(m.tensor(x))
        other = m.nn.LazyBatchNorm1d(affine=affine)
        other.load_state_dict(layer.state_dict())
        other.eval()
        layer.eval()
        assert m.equal(other(m.tensor(x)), layer(m.tensor(x)))
        assert type(layer) is m.nn.BatchNorm1d
        texts.append((repr(layer), sorted(layer.state_dict()), layer.running_mean.numpy()))
    assert texts[0][:2] == texts[1][:2]
    np.testing.assert_allclose(texts[0][2], texts[1][2], rtol=1e-5, atol=1e-7)  # float32 means of 20 numbers


WITHOUT_PARAMETERS = {
    "InstanceNorm2d": lambda nn: nn.InstanceNorm2d(3),
    "BatchNorm2d": lambda nn: nn.BatchNorm2d(3, affine=False),
    "GroupNorm": lambda nn: nn.GroupNorm(1, 3, affine=False),
}


@pytest.mark.parametrize("name", WITHOUT_PARAMETERS)
def test_what_follows_may_write_into_the_result(name, rng):
    """ReLU(inplace=True) behind a layer without weights: values and gradients are PyTorch's."""
    X, found = rng.standard_normal((2, 3, 4, 4)), []
    for lib in (torch, tg):
        x = lib.tensor(X, requires_grad=True)
        y = lib.nn.Sequential(WITHOUT_PARAMETERS[name](lib.nn), lib.nn.ReLU(inplace=True)).double()(x)
        (y**3).sum().backward()
        found.append((y.detach().numpy(), x.grad.numpy()))
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)  # float64


def test_sync_batch_norm_is_batch_norm_of_one_process():
    """convert_sync_batchnorm exchanges the layers, keeps parameters and statistics, and computes the same."""
    texts, sums = [], []
    for lib in (torch, tg):
        nn = lib.nn
        net = nn.Sequential(nn.Conv1d(2, 3, 1), nn.BatchNorm1d(3), nn.Sequential(nn.BatchNorm2d(3, affine=False)))
        weight = net[1].weight
        converted = nn.SyncBatchNorm.convert_sync_batchnorm(net)
        assert converted[1].weight is weight
        x = lib.arange(24.0).reshape(2, 3, 4)
        y = converted[1](x)
        texts.append((repr(converted), list(converted.state_dict())))
        sums.append([y.detach().numpy(), converted[1].running_mean.numpy(), converted[1].running_var.numpy()])
        assert not nn.SyncBatchNorm.convert_sync_batchnorm(nn.BatchNorm1d(2).eval()).training
        with pytest.raises(ValueError, match="at least 2D"):
            nn.SyncBatchNorm(2)(lib.ones(2))
    assert texts[0] == texts[1]
    for theirs, ours in zip(*sums, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)  # float32 rounding
