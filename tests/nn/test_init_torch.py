"""nn.init and Linear's start against PyTorch itself, from the same seeds."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.nn import init

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

CASES = [
    ("uniform_", {"a": -0.3, "b": 0.7}),
    ("normal_", {"mean": 0.5, "std": 0.1}),
    ("xavier_uniform_", {}),
    ("xavier_normal_", {"gain": 1.5}),
    ("kaiming_uniform_", {"a": 0.1, "mode": "fan_out"}),
    ("kaiming_normal_", {"nonlinearity": "relu"}),
]


@pytest.mark.parametrize("shape", [(3, 4), (20, 7), (8, 3, 3, 3)], ids=str)
@pytest.mark.parametrize(("name", "arguments"), CASES, ids=[name for name, _ in CASES])
def test_filled_tensors_agree(name, arguments, shape):
    """Uniform draws agree to the bit; normal ones within the roundings of log, cos and sin in float32."""
    tg.manual_seed(11)
    torch.manual_seed(11)
    ours = getattr(init, name)(tg.empty(*shape), **arguments).numpy()
    theirs = getattr(torch.nn.init, name)(torch.empty(*shape), **arguments).numpy()
    if "uniform" in name:
        np.testing.assert_array_equal(ours, theirs)
    else:
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=3e-7)


@pytest.mark.parametrize(("n_in", "n_out"), [(1, 1), (2, 4), (5, 3), (17, 16), (784, 128)])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_linear_starts_from_pytorch_s_weights(n_in, n_out, bias):
    """Two layers drawn one after the other have PyTorch's weights and biases, bit for bit."""
    tg.manual_seed(n_in)
    torch.manual_seed(n_in)
    ours = nn.Sequential(nn.Linear(n_in, n_out, bias), nn.Linear(n_out, n_in))
    theirs = torch.nn.Sequential(torch.nn.Linear(n_in, n_out, bias), torch.nn.Linear(n_out, n_in))
    expected = theirs.state_dict()
    assert list(ours.state_dict()) == list(expected)
    for name, value in ours.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), expected[name].numpy(), err_msg=name)


def test_pytorch_s_state_dict_loads_as_it_is():
    """load_state_dict takes PyTorch's tensors; both models then agree on their output."""
    theirs = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    ours = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2))
    ours.load_state_dict(theirs.state_dict())
    x = np.linspace(-1, 1, 20, dtype=np.float32).reshape(4, 5)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(ours(tg.from_numpy(x)).detach().numpy(), expected, rtol=1e-5, atol=1e-6)  # float32 sums
