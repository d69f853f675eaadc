"""Hooks of modules against PyTorch: when they are called, with what, and what their results change."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import tinygrad_edu as tg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

LIBRARIES = (tg, torch)
X = np.linspace(-1.0, 1.0, 6, dtype=np.float32).reshape(2, 3)


def plain(value):
    """Nested tensors as nested lists of rounded numbers, modules by their names."""
    if isinstance(value, (tg.Tensor, torch.Tensor)):
        return np.round(value.detach().numpy().astype(float), 4).tolist()
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return type(value).__name__ if hasattr(value, "forward") else value


def model_of(m):
    m.manual_seed(0)
    return m.nn.Sequential(m.nn.Linear(3, 4), m.nn.Tanh(), m.nn.Linear(4, 2))


def same(program):
    """The program's log and its result are the same in both libraries."""
    found = []
    for m in LIBRARIES:
        log = []
        found.append((plain(program(m, log)), log))
    assert found[0] == found[1]
    assert found[0][1], "no hook was called"


def test_forward_hooks_see_and_replace():
    """Pre-hooks replace arguments, hooks results, in order of registration; prepend comes first; remove ends it."""

    def program(m, log):
        model = model_of(m)
        first = model[0]
        handles = [
            first.register_forward_pre_hook(lambda mod, args: log.append(["pre", plain(mod), plain(args)])),
            first.register_forward_pre_hook(lambda mod, args: args[0] * 2),
            first.register_forward_pre_hook(lambda mod, args: log.append(["first", plain(args)]), prepend=True),
            first.register_forward_hook(lambda mod, args, out: out + 1),
            first.register_forward_hook(lambda mod, args, out: log.append(["out", plain(args), plain(out)])),
            model[2].register_forward_hook(lambda mod, args, out: log.append("early"), prepend=True),
        ]
        results = [model(m.tensor(X))]
        for handle in handles:
            handle.remove()
        results.append(model(m.tensor(X)))
        with model.register_forward_hook(lambda mod, args, out: out * 0):
            results.append(model(m.tensor(X)))
        results.append(model(m.tensor(X)))
        return results

    same(program)


def test_hooks_with_keyword_arguments():
    """with_kwargs hands over and takes back the keyword arguments too."""

    def program(m, log):
        class Shift(m.nn.Module):
            def forward(self, x, by=0.0):
                return x + by

        module = Shift()
        module.register_forward_pre_hook(lambda mod, a, k: (a, {"by": k["by"] * 3}), with_kwargs=True)
        module.register_forward_hook(lambda mod, a, k, out: log.append([plain(a), k, plain(out)]), with_kwargs=True)
        wrong = module.register_forward_pre_hook(lambda mod, a, k: a, with_kwargs=True)
        with pytest.raises(RuntimeError, match="must return None or a tuple"):
            module(m.tensor(X), by=2.0)
        wrong.remove()
        return module(m.tensor(X), by=2.0)

    same(program)


def test_always_called_hooks():
    """always_call=True calls a hook after an error as well, which is raised all the same; others are left out."""

    def program(m, log):
        class Broken(m.nn.Module):
            def forward(self, x):
                raise KeyError("broken")

        module = Broken()
        module.register_forward_hook(lambda mod, args, out: log.append(["always", out]), always_call=True)
        module.register_forward_hook(lambda mod, args, out: log.append("never"))
        with pytest.raises(KeyError, match="broken"):
            module(m.tensor(X))

    same(program)


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")  # PyTorch's, where no input needs a gradient
@pytest.mark.parametrize("needs", [True, False], ids=["input needs", "input does not need"])
def test_full_backward_hooks(needs):
    """They see the gradients of arguments and results, and may replace them; pre-hooks those of the results."""

    def program(m, log):
        model = model_of(m)
        model[1].register_full_backward_pre_hook(lambda mod, out: (out[0] * 2,))
        model[1].register_full_backward_hook(lambda mod, inp, out: log.append([plain(mod), plain(inp), plain(out)]))
        model[1].register_full_backward_hook(lambda mod, inp, out: (inp[0] + 1,))
        model[0].register_full_backward_hook(lambda mod, inp, out: log.append([plain(mod), plain(inp), plain(out)]))
        x = m.tensor(X, requires_grad=needs)
        (model(x) ** 2).sum().backward()
        return [x.grad, *(p.grad for p in model.parameters())]

    same(program)


def test_full_backward_hooks_of_several_arguments_and_results():
    """One gradient per positional argument, None for what is no tensor; every result has one."""

    def program(m, log):
        class Both(m.nn.Module):
            def forward(self, x, n, y):
                return x * y, x + n

        module = Both()
        module.register_full_backward_hook(lambda mod, inp, out: log.append([plain(inp), plain(out)]))
        x, y = m.tensor(X, requires_grad=True), m.tensor(X + 1, requires_grad=True)
        product, total = module(x, 2, y)
        (product.sum() + (total**2).sum()).backward()
        (module(x, 3, y)[0] ** 2).sum().backward()  # the other result is not used: None
        return x.grad, y.grad

    same(program)


def test_backward_hooks_that_return_too_much_are_refused():
    """The number of gradients returned must be that of the arguments."""
    for m in LIBRARIES:
        model = model_of(m)
        model[1].register_full_backward_hook(lambda mod, inp, out: (inp[0], inp[0]))
        with pytest.raises(RuntimeError, match="invalid number of grad_input, got 2, but expected 1"):
            model(m.tensor(X)).sum().backward()


def test_state_dict_hooks():
    """Before and after saving, before and after loading: each sees and changes what PyTorch lets it."""

    def program(m, log):
        model = model_of(m)
        first = model[0]
        first.register_state_dict_pre_hook(lambda mod, prefix, keep: log.append(["saving", plain(mod), prefix, keep]))

        def renamed(mod, state, prefix, local):
            log.append(["saved", prefix, sorted(state), local])
            state[f"{prefix}kernel"] = state.pop(f"{prefix}weight")

        first.register_state_dict_post_hook(renamed)
        state = model.state_dict()

        def back(mod, state, prefix, local, strict, missing, unexpected, errors):
            log.append(["loading", prefix, strict, local])
            state[f"{prefix}weight"] = state.pop(f"{prefix}kernel")

        first.register_load_state_dict_pre_hook(back)
        model.register_load_state_dict_post_hook(lambda mod, keys: log.append(["loaded", keys.missing_keys]))
        keys = model.load_state_dict(state)
        assert "0.kernel" in state, "the caller's dict is left as it is"

        def forgive(mod, keys):
            log.append(sorted(keys.missing_keys))
            keys.missing_keys.clear()

        model[2].register_load_state_dict_post_hook(forgive)
        less = {k: v for k, v in state.items() if not k.startswith("2.")}
        model.load_state_dict(less)
        return [list(state), str(keys), list(state._metadata)]

    same(program)


def test_a_post_hook_must_return_nothing():
    """register_state_dict_post_hook changes the dict in place; a result is an error."""
    for m in LIBRARIES:
        module = m.nn.Linear(1, 1)
        module.register_state_dict_post_hook(lambda mod, state, prefix, local: state)
        with pytest.raises(RuntimeError, match="must return None"):
            module.state_dict()


def test_extra_state():
    """get_extra_state goes into the state_dict under `_extra_state`, and comes back by set_extra_state."""

    def program(m, log):
        class Counting(m.nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = m.nn.Linear(1, 1)
                self.count = 3

            def get_extra_state(self):
                return {"count": self.count}

            def set_extra_state(self, state):
                log.append(state)
                self.count = state["count"]

        model = m.nn.Sequential(Counting())
        state = model.state_dict()
        model[0].count = 0
        model.load_state_dict(state)
        with pytest.raises(RuntimeError, match="_extra_state"):
            model.load_state_dict({k: v for k, v in state.items() if "extra" not in k})
        return list(state), model[0].count

    same(program)


def test_assigned_tensors():
    """load_state_dict(assign=True) takes the tensors over, with their dtype."""
    for m in LIBRARIES:
        layer = m.nn.Linear(2, 1)
        values = {"weight": m.ones(1, 2, dtype=m.float64), "bias": m.zeros(1, dtype=m.float64)}
        layer.load_state_dict(values, assign=True)
        assert layer.weight.dtype == m.float64
        assert isinstance(layer.weight, m.nn.Parameter)
        assert layer.weight.requires_grad
        values["weight"].zero_()
        assert layer.weight.sum().item() == 0


def test_copies_keep_their_hooks():
    """A deep copy has the hooks of its model; removing one from the original leaves the copy's."""

    def program(m, log):
        model = model_of(m)
        handle = model.register_forward_hook(lambda mod, args, out: log.append(type(out).__name__))
        other = copy.deepcopy(model)
        handle.remove()
        model(m.tensor(X))
        other(m.tensor(X))
        return len(model._forward_hooks), len(other._forward_hooks)

    same(program)


def test_names_of_module():
    """What PyTorch's Module has and this one has not is known by name."""
    left_out = {
        "T_destination", "call_super_init", "compile", "dump_patches", "ipu", "mtia", "share_memory", "xpu",
    }  # fmt: skip
    missing = {name for name in dir(torch.nn.Module) if not name.startswith("_")} - set(dir(tg.nn.Module))
    assert missing == left_out


def test_type_and_to_empty():
    """type converts integer buffers too; to_empty keeps shapes; half and bfloat16 say why not."""
    for m in LIBRARIES:
        module = m.nn.BatchNorm1d(2).type(m.float64)
        assert {str(t.dtype).removeprefix("torch.") for t in module.state_dict().values()} == {"float64"}
        assert tuple(module.to_empty(device="cpu").weight.shape) == (2,)
    with pytest.raises(RuntimeError, match="float16"):
        tg.nn.Linear(1, 1).half()
    with pytest.raises(RuntimeError, match="bfloat16"):
        tg.nn.Linear(1, 1).bfloat16()


def test_set_submodule():
    """A module in the place of a dotted name; what is no module is not replaced."""

    def program(m, log):
        model = model_of(m)
        model.set_submodule("1", m.nn.ReLU())
        log.append(repr(model))
        for wrong in (lambda: model.set_submodule("", m.nn.ReLU()), lambda: model.set_submodule("9.x", m.nn.ReLU())):
            with pytest.raises((ValueError, AttributeError)):
                wrong()
        return model(m.tensor(X))

    same(program)
