"""What a module answers when it is asked for a name that it does not have.

That is one of three: PyTorch's other path to what is here (`distributions.multinomial.Multinomial`), PyTorch's older
name for it (`nn.init.xavier_uniform`), or an error that says why the name is left out, or else which one is near.
Modules take part by `__getattr__ = missing(__name__)`.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

from .errors import nearest

PACKAGE = __name__.partition(".")[0]

# A file of PyTorch's, and the module that has what is in it; what that lacks is sought in the package around the file.
PATHS = {
    "amp.autocast_mode": "amp",
    "amp.grad_scaler": "amp",
    "cuda.amp.autocast_mode": "cuda.amp",
    "cuda.amp.grad_scaler": "cuda.amp",
    "autograd.anomaly_mode": "autograd.anomaly",
    "autograd.grad_mode": "autograd.modes",
    "autograd.gradcheck": "autograd.check",
    **dict.fromkeys(
        (
            f"distributions.{name}"
            for name in (
                "chi2",
                "half_cauchy",
                "inverse_gamma",
                "multinomial",
                "negative_binomial",
                "pareto",
                "relaxed_categorical",
                "weibull",
            )
        ),
        "distributions",
    ),
    "nn.common_types": "nn.modules.utils",
    "nn.modules.activation": "nn.activation",
    "nn.modules.adaptive": "nn.adaptive",
    "nn.modules.batchnorm": "nn.batchnorm",
    "nn.modules.channelshuffle": "nn.vision",
    "nn.modules.container": "nn.containers",
    "nn.modules.conv": "nn.conv",
    "nn.modules.distance": "nn.distance",
    "nn.modules.dropout": "nn.dropout",
    "nn.modules.flatten": "nn.linear",
    "nn.modules.fold": "nn.fold",
    "nn.modules.instancenorm": "nn.batchnorm",
    "nn.modules.lazy": "nn.lazy",
    "nn.modules.linear": "nn.linear",
    "nn.modules.loss": "nn.loss",
    "nn.modules.module": "nn.module",
    "nn.modules.normalization": "nn.normalization",
    "nn.modules.padding": "nn.padding",
    "nn.modules.pixelshuffle": "nn.vision",
    "nn.modules.pooling": "nn.pooling",
    "nn.modules.rnn": "nn.recurrent",
    "nn.modules.sparse": "nn.sparse",
    "nn.modules.transformer": "nn.transformer",
    "nn.modules.upsampling": "nn.vision",
    "nn.utils.clip_grad": "nn.utils.clip",
    "nn.utils.convert_parameters": "nn.utils.vectors",
    "nn.utils.spectral_norm": "nn.utils.hooked",
    "nn.utils.stateless": "func.modules",
    "nn.utils.weight_norm": "nn.utils.hooked",
    "optim.adamw": "optim.adam",
    "optim.sparse_adam": "optim.sparse",
    "utils.dlpack": "core.tensor",
}

_INIT = ("constant", "dirac", "eye", "kaiming_normal", "kaiming_uniform", "normal", "orthogonal", "sparse", "uniform")
OLDER = {
    **{f"nn.init.{name}": f"{name}_" for name in (*_INIT, "xavier_normal", "xavier_uniform")},
    "nn.functional.upsample": "interpolate",
    "nn.functional.upsample_nearest": "interpolate",
    "nn.utils.clip_grad_norm": "clip_grad_norm_",
}

_COMPLEX = "complex numbers are not supported; keep real and imaginary parts in two tensors"
_SPARSE = "there are no sparse tensors; a dense one takes the same operations"
_QUANTISED = "there are no quantised tensors"
_HALF = "NumPy has no fast arithmetic in half precision; use float32"
_UNSIGNED = "of the unsigned integers there is uint8 alone; use int32 or int64"
_EXPORT = "programs are not exported; compile(step).source is a program that needs nothing but NumPy"
_ONE_PROCESS = "one process computes; DataLoader(num_workers=...) loads data in several"
_LINALG = "PyTorch has removed it; use linalg.{}"
LEFT_OUT = {
    **dict.fromkeys(("angle", "complex", "fft", "imag", "istft", "polar", "stft"), _COMPLEX),
    **dict.fromkeys(("ComplexFloatStorage", "complex32", "chalf", "view_as_complex", "view_as_real"), _COMPLEX),
    **dict.fromkeys(("sparse", "sparse_coo_tensor", "sparse_csr_tensor", "sparse_compressed_tensor"), _SPARSE),
    **dict.fromkeys(("ao", "quantization", "quantize_per_channel", "quantize_per_tensor", "dequantize"), _QUANTISED),
    **dict.fromkeys(("qint32", "qint8", "quint8", "nn.intrinsic", "nn.qat", "nn.quantized"), _QUANTISED),
    **dict.fromkeys(("BFloat16Tensor", "HalfTensor", "float8_e4m3fn", "float8_e5m2"), _HALF),
    **dict.fromkeys(("uint16", "uint32", "uint64"), _UNSIGNED),
    **dict.fromkeys(("export", "fx", "jit", "onnx", "package"), _EXPORT),
    **dict.fromkeys(("distributed", "multiprocessing", "nn.parallel.DistributedDataParallel"), _ONE_PROCESS),
    "nested": "there are no nested tensors; nn.utils.rnn pads and packs sequences of several lengths",
    "cuda": "there is no GPU; ask cuda.is_available(), which is False here, before",
    "hub": "nothing is downloaded but data sets; load_state_dict(load(path)) takes weights that you have",
    "special": "its functions are here by their plain names: erf, sigmoid for expit, lgamma for gammaln",
    "range": "PyTorch has deprecated it; use arange, whose end is not included",
    "autograd.forward_ad": "forward mode is func.jvp(f, primals, tangents)",
    "autograd.profiler": "use tinygrad_edu.profiler",
    "nn.functional.upsample_bilinear": 'use interpolate(x, size, mode="bilinear", align_corners=True)',
    "utils.benchmark": "use timeit",
    "utils.cpp_extension": "there is no C++; a primitive is written in NumPy, see README",
    "utils.model_zoo": "nothing is downloaded but data sets; load_state_dict(load(path)) takes weights that you have",
    "utils.tensorboard": "viz.record(model) keeps a run and shows it as a page",
    "symeig": _LINALG.format("eigh"),
    "eig": _LINALG.format("eigh"),
    "solve": _LINALG.format("solve"),
    "lstsq": _LINALG.format("lstsq"),
    "Tensor.angle": _COMPLEX,
    "Tensor.imag": _COMPLEX,
    "Tensor.stft": _COMPLEX,
    "Tensor.to_sparse": _SPARSE,
    "Tensor.coalesce": _SPARSE,
    "Tensor.to_mkldnn": "there is one layout of memory, the strided one",
    "Tensor.names": "axes have no names; write the shape as a comment",
}


def missing(module: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module: another path, an older name, or an AttributeError that helps."""
    scope = module.partition(".")[2]

    def __getattr__(name: str) -> Any:
        path = f"{scope}.{name}" if scope else name
        if path in PATHS:
            return sys.modules[f"{PACKAGE}.{path}"]
        here = sys.modules[module]
        if path in OLDER:
            newer = OLDER[path]
            message = f"`{path}` is PyTorch's older name, which it has deprecated; write `{newer}`."
            warnings.warn(message, FutureWarning, stacklevel=2)
            return getattr(here, newer)
        refuse(module, name, vars(here).get("__all__", vars(here)))

    return __getattr__


def refuse(module: str, name: str, known: Any) -> NoReturn:
    """Say why `name` is left out of a module, or which of the `known` names is near."""
    scope = module.partition(".")[2]
    reason = reason_for(f"{scope}.{name}" if scope else name)
    if reason is None:
        # of names like __path__ Python asks on import, where it expects no answer
        near = [] if name.startswith("__") else nearest(name, [k for k in known if not k.startswith("_")])
        hint = f". Did you mean {near[0]!r}?" if near else ""
    else:
        hint = f": {reason}."
    # Without an object Python adds no guess of its own to the traceback.
    raise AttributeError(f"module {module!r} has no attribute {name!r}{hint}", name=name, obj=None)


def reason_for(path: str) -> str | None:
    """Why a name, or what stands above it, is left out."""
    parts = path.split(".")
    above = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((LEFT_OUT[p] for p in above if p in LEFT_OUT), None)


class LeftOut:
    """What stands for an attribute that a class has not, and says why: hasattr answers False."""

    def __init__(self, owner: str, name: str) -> None:
        self.message = f"{owner!r} object has no attribute {name!r}: {LEFT_OUT[f'{owner}.{name}']}."

    def __get__(self, instance: Any, owner: type) -> NoReturn:
        raise AttributeError(self.message)


class _Path(ModuleType):
    """A file of PyTorch's that is none here: its names are those of the module that has them."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{PACKAGE}.{path}")
        around = path.rpartition(".")[0].removesuffix(".modules")
        self._homes = [f"{PACKAGE}.{home}" for home in (PATHS[path], around)]

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            for home in map(importlib.import_module, self._homes):
                if name in vars(home):
                    return vars(home)[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return dir(importlib.import_module(self._homes[0]))


class _Refusal:
    """Asked last for a module: says why one of PyTorch's is left out, and else nothing."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        package, _, rest = name.partition(".")
        reason = reason_for(rest) if package == PACKAGE else None
        if reason is not None:  # without the name, by which `from tinygrad_edu import fft` would drop the message
            raise ModuleNotFoundError(f"No module named {name!r}: {reason}.")


# Registered, not found on import: Python would put a module in the place of a function of the same name.
sys.modules.update({f"{PACKAGE}.{path}": _Path(path) for path in PATHS})
sys.meta_path.append(_Refusal)
