"""summary: the table, its numbers, and that looking changes nothing."""

from __future__ import annotations

import pytest

import tinygrad_edu as te
from tinygrad_edu import nn
from tinygrad_edu.nn.summary import summary

TABLE = """\
==========================================================================================
Layer (type:depth-idx)                   Output Shape             Param #
==========================================================================================
Sequential                               [2, 5]                   --
├─Conv2d: 1-1                            [2, 3, 4, 4]             30
├─Sequential: 1-2                        [2, 7]                   --
│    └─Flatten: 2-1                      [2, 48]                  --
│    └─Linear: 2-2                       [2, 7]                   343
├─Linear: 1-3                            [2, 5]                   (40)
==========================================================================================
Total params: 413
Trainable params: 373
Non-trainable params: 40
Total mult-adds (M): 0.00
==========================================================================================
Input size (MB): 0.00
Forward/backward pass size (MB): 0.00
Params size (MB): 0.00
Estimated Total Size (MB): 0.00
=========================================================================================="""


def model():
    layers = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Sequential(nn.Flatten(), nn.Linear(48, 7)), nn.Linear(7, 5))
    layers[2].requires_grad_(False)
    return layers


def test_table(capsys):
    """The tree, shapes, parameters (frozen ones in brackets) and totals; printed and returned."""
    found = summary(model(), (2, 1, 6, 6))
    width = len(str(found).split("\n")[0])
    lines = [line if set(line) != {"="} else "=" * width for line in TABLE.split("\n")]
    assert str(found).split("\n") == lines
    assert capsys.readouterr().out == f"{found}\n"


def test_numbers():
    """Multiplications of weights and biases, and bytes of float32."""
    found = summary(model(), (2, 1, 6, 6), verbose=0)
    assert (found.total_params, found.trainable_params) == (413, 373)
    assert found.total_mult_adds == 2 * 16 * 30 + 2 * 343 + 2 * 40
    assert found.total_input == 2 * 36 * 4
    assert found.total_output_bytes == 4 * 2 * (48 + 48 + 7 + 5)
    assert found.total_param_bytes == 4 * 413


def test_model_and_generator_are_as_before():
    """Modes, hooks, running statistics, gradients and the stream of random numbers."""
    layers = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))
    layers[1].eval()
    state = {k: v.clone() for k, v in layers.state_dict().items()}
    te.manual_seed(0)
    expected = te.rand(3)
    te.manual_seed(0)
    summary(layers, (5, 3), verbose=0)
    assert te.equal(te.rand(3), expected)
    assert [m.training for m in layers.modules()] == [True, True, False, True, True]
    assert all(te.equal(v, state[k]) for k, v in layers.state_dict().items())
    assert all(p.grad is None for p in layers.parameters())
    x = te.ones(5, 3)
    layers(x)  # no hook is left that would fail or count


def test_module_that_stands_twice_is_counted_once():
    """Its second line says so, its parameters enter the total once, its work every time."""
    shared = nn.Linear(4, 4)
    found = summary(nn.Sequential(shared, nn.ReLU(), shared), (2, 4), verbose=0)
    assert found.total_params == 20
    assert found.total_mult_adds == 2 * 2 * 20
    assert str(found).count("(recursive)") == 1


def test_depth_sums_what_is_not_shown():
    """A module at the last depth has the parameters of all below it."""
    text = str(summary(model(), (2, 1, 6, 6), depth=1, verbose=0))
    assert "2-1" not in text
    assert "├─Sequential: 1-2                        [2, 7]                   343" in text


def test_inputs_of_other_kinds():
    """Several sizes, tokens by dtypes=, tensors themselves, further arguments by name."""
    decoder = nn.TransformerDecoderLayer(8, 2, 16)
    assert summary(decoder, [(4, 3, 8), (5, 3, 8)], verbose=0).rows[0].seen.shape == (4, 3, 8)
    mask = nn.Transformer.generate_square_subsequent_mask(4)
    given = summary(decoder, input_data=[te.ones(4, 3, 8), te.ones(5, 3, 8)], verbose=0, tgt_mask=mask)
    assert given.rows[0].seen.shape == (4, 3, 8)
    named = summary(decoder, input_data={"tgt": te.ones(4, 3, 8), "memory": te.ones(5, 3, 8)}, verbose=0)
    assert named.total_output_bytes == given.total_output_bytes
    attention = nn.MultiheadAttention(8, 2)
    weights = summary(attention, [(4, 8)] * 3, verbose=0)  # whose outputs are a tuple
    assert weights.rows[0].seen.shape == (4, 8)
    assert weights.rows[1].seen is None  # out_proj's weight is used, the module is not called


def test_without_an_input_nothing_runs():
    """The tree and the parameters alone."""
    text = str(summary(model(), verbose=0))
    assert "Output Shape" not in text
    assert "Total params: 413" in text
    assert "mult-adds" not in text


def test_errors():
    """What is not a model; both kinds of input; a forward that fails, after which layer, and no hook left."""
    with pytest.raises(TypeError, match=r"expected an nn\.Module, got function"):
        summary(lambda x: x, (2, 3))
    with pytest.raises(RuntimeError, match="only one of input_size and input_data"):
        summary(model(), (2, 1, 6, 6), te.ones(2, 1, 6, 6))
    with pytest.raises(ValueError, match="1 inputs and 2 dtypes"):
        summary(model(), (2, 1, 6, 6), dtypes=[te.float32, te.float32])
    layers = nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2))
    with pytest.raises(RuntimeError, match="failed, after these layers: Linear") as caught:
        summary(layers, (2, 3))
    assert caught.value.__cause__ is not None
    assert layers.training
    assert te.summary is summary is te.utils.summary
