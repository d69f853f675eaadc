"""Corners of nn that no table has, side by side with PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.utils.prune

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("torch.nn.utils.prune")

X = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)


def spectral_norm_of_a_vector(lib, x):
    m = lib.nn.Module()
    m.w = lib.nn.Parameter(x[0])
    lib.nn.utils.parametrizations.spectral_norm(m, "w")
    return [m.w]


def parametrized_buffer(lib, x):
    class Double(lib.nn.Module):
        def forward(self, w):
            return w * 2

        def right_inverse(self, w):
            return w / 2

    m = lib.nn.Module()
    m.register_buffer("w", x)
    lib.nn.utils.parametrize.register_parametrization(m, "w", Double())
    found = [m.w, *m.state_dict().values()]
    lib.nn.utils.parametrize.remove_parametrizations(m, "w")
    return [*found, *m.state_dict().values()]


def pruned_twice(lib, x):
    m, prune = lib.nn.Linear(4, 3), lib.nn.utils.prune
    m.weight.data.copy_(x)
    prune.l1_unstructured(m, "weight", 2)
    prune.ln_structured(m, "weight", 1, 2, 0)
    (container,) = m._forward_pre_hooks.values()
    return [m.weight, len(container), [type(method).__name__ for method in container], type(container[0]).__name__]


def pruned_globally(lib, x):
    m, prune = lib.nn.Linear(4, 3), lib.nn.utils.prune
    m.weight.data.copy_(x)

    class Large(prune.BasePruningMethod):
        PRUNING_TYPE = "global"

        def compute_mask(self, t, default_mask):
            return default_mask * (t <= 0.5)

    Large.apply(m, "weight")
    prune.l1_unstructured(m, "weight", 2)
    return [m.weight]


def dicts_of_parameters(lib, x):
    parameters = lib.nn.ParameterDict({"b": x})
    return [[*({"a": lib.nn.Parameter(x)} | parameters)], [*(parameters | {"a": x})]]


def another_state_dict(lib, x):
    m = lib.nn.Linear(1, 1)
    m._register_state_dict_hook(lambda module, state, prefix, metadata: {"only": 1})
    return [m.state_dict()]


def lazy_module_of_ones_own(lib, x):
    class Scale(lib.nn.modules.lazy.LazyModuleMixin, lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = lib.nn.UninitializedParameter()

        def initialize_parameters(self, x):
            if self.has_uninitialized_params():
                self.w.materialize(x.shape)
                lib.nn.init.ones_(self.w)

        def forward(self, x):
            return x * self.w

    scale = Scale()
    return [scale(x), scale(x), type(scale).__name__]


def packed(lib, x):
    sequences = lib.nn.utils.rnn.pack_sequence([x, x[:2]])
    return [sequences.double().float().data, sequences.long().data, sequences.int().data]


def normed_of_nothing(lib, x):
    return [lib.nn.functional.layer_norm(x[:0], (4,))]


CASES = [
    spectral_norm_of_a_vector,
    parametrized_buffer,
    pruned_twice,
    pruned_globally,
    dicts_of_parameters,
    another_state_dict,
    lazy_module_of_ones_own,
    packed,
    normed_of_nothing,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_as_in_pytorch(case):
    """What is made, to the letter where it is no tensor."""
    ours, theirs = (case(lib, lib.tensor(X)) for lib in (te, torch))
    for a, b in zip(ours, theirs, strict=True):
        if isinstance(a, te.Tensor):
            assert a.detach().numpy().dtype == b.detach().numpy().dtype
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-6)
        else:
            assert a == b


def test_older_name_of_a_loss_warns():
    """NLLLoss2d is NLLLoss."""
    with pytest.warns(FutureWarning, match="NLLLoss2d"):
        loss = te.nn.NLLLoss2d()
    x, y = te.tensor(X).reshape(1, 3, 2, 2), te.zeros(1, 2, 2, dtype=te.int64)
    assert loss(x, y).item() == te.nn.NLLLoss()(x, y).item()
