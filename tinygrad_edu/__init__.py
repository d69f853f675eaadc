"""tinygrad_edu: autograd on NumPy, with PyTorch's names, that shows its work.

The public names, PyTorch's own.
"""

import importlib
from typing import Any

from . import autograd, nn, optim
from .autograd import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from .core.dtypes import (
    bool_ as bool,
)
from .core.dtypes import (
    float32,
    float64,
    get_default_dtype,
    int8,
    int16,
    int32,
    int64,
    set_default_dtype,
    uint8,
)
from .core.dtypes import (
    float32 as float,
)
from .core.dtypes import (
    float64 as double,
)
from .core.dtypes import (
    int16 as short,
)
from .core.dtypes import (
    int32 as int,
)
from .core.dtypes import (
    int64 as long,
)
from .core.errors import (
    DtypeError,
    ShapeError,
    TraceError,
)
from .core.tensor import (
    Size,
    Tensor,
    from_numpy,
)
from .ops.activation import (
    log_softmax,
    logaddexp,
    relu,
    sigmoid,
    softmax,
    tanh,
)
from .ops.creation import (
    arange,
    as_tensor,
    empty,
    empty_like,
    eye,
    full,
    full_like,
    is_tensor,
    linspace,
    numel,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from .ops.elementwise import (
    absolute,
    add,
    allclose,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    clamp,
    clamp_max,
    clamp_min,
    div,
    eq,
    equal,
    exp,
    expm1,
    floor,
    ge,
    gt,
    isclose,
    isfinite,
    isinf,
    isnan,
    le,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    maximum,
    minimum,
    multiply,
    ne,
    negative,
    pow,
    remainder,
    sign,
    sqrt,
    square,
    sub,
    where,
)
from .ops.elementwise import (
    absolute as abs,
)
from .ops.elementwise import (
    clamp as clip,
)
from .ops.elementwise import (
    div as divide,
)
from .ops.elementwise import (
    ge as greater_equal,
)
from .ops.elementwise import (
    gt as greater,
)
from .ops.elementwise import (
    invert as bitwise_not,
)
from .ops.elementwise import (
    le as less_equal,
)
from .ops.elementwise import (
    lt as less,
)
from .ops.elementwise import (
    multiply as mul,
)
from .ops.elementwise import (
    ne as not_equal,
)
from .ops.elementwise import (
    negative as neg,
)
from .ops.elementwise import (
    sub as subtract,
)
from .ops.indexing import (
    take_along_dim,
)
from .ops.linalg import (
    dot,
    matmul,
    mm,
)
from .ops.random import (
    Generator,
    default_generator,
    initial_seed,
    manual_seed,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    seed,
)
from .ops.reduction import (
    all_ as all,
)
from .ops.reduction import (
    amax,
    amin,
    argmax,
    argmin,
    logsumexp,
    mean,
    std,
    sum,
    var,
)
from .ops.reduction import (
    any_ as any,
)
from .ops.reduction import (
    max_ as max,
)
from .ops.reduction import (
    min_ as min,
)
from .ops.shape import (
    cat,
    clone,
    flatten,
    permute,
    reshape,
    squeeze,
    stack,
    t,
    transpose,
    unsqueeze,
)
from .ops.shape import (
    cat as concat,
)
from .ops.shape import (
    cat as concatenate,
)
from .ops.shape import (
    transpose as swapaxes,
)
from .ops.special import (
    digamma,
    erf,
    erfc,
    erfinv,
    lgamma,
    polygamma,
)
from .ops.trigonometry import (
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    cos,
    cosh,
    deg2rad,
    hypot,
    rad2deg,
    sin,
    sinc,
    sinh,
    tan,
)
from .ops.trigonometry import (
    arccos as acos,
)
from .ops.trigonometry import (
    arccosh as acosh,
)
from .ops.trigonometry import (
    arcsin as asin,
)
from .ops.trigonometry import (
    arcsinh as asinh,
)
from .ops.trigonometry import (
    arctan as atan,
)
from .ops.trigonometry import (
    arctan2 as atan2,
)
from .ops.trigonometry import (
    arctanh as atanh,
)

__version__ = "0.1.0"

__all__ = [
    "DtypeError",
    "Generator",
    "ShapeError",
    "Size",
    "Tensor",
    "TraceError",
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "all",
    "allclose",
    "amax",
    "amin",
    "any",
    "arange",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "argmax",
    "argmin",
    "as_tensor",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "autograd",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "bool",
    "cat",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "clone",
    "concat",
    "concatenate",
    "cos",
    "cosh",
    "default_generator",
    "deg2rad",
    "digamma",
    "div",
    "divide",
    "dot",
    "double",
    "empty",
    "empty_like",
    "enable_grad",
    "eq",
    "equal",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "expm1",
    "eye",
    "flatten",
    "float",
    "float32",
    "float64",
    "floor",
    "from_numpy",
    "full",
    "full_like",
    "ge",
    "get_default_dtype",
    "greater",
    "greater_equal",
    "gt",
    "hypot",
    "inference_mode",
    "initial_seed",
    "int",
    "int16",
    "int32",
    "int64",
    "int8",
    "is_grad_enabled",
    "is_tensor",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "less",
    "less_equal",
    "lgamma",
    "linspace",
    "log",
    "log1p",
    "log_softmax",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsumexp",
    "long",
    "lt",
    "manual_seed",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "mm",
    "mul",
    "multiply",
    "ne",
    "neg",
    "negative",
    "nn",
    "no_grad",
    "not_equal",
    "numel",
    "ones",
    "ones_like",
    "optim",
    "permute",
    "polygamma",
    "pow",
    "rad2deg",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "relu",
    "remainder",
    "reshape",
    "seed",
    "set_default_dtype",
    "set_grad_enabled",
    "short",
    "sigmoid",
    "sign",
    "sin",
    "sinc",
    "sinh",
    "softmax",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "sub",
    "subtract",
    "sum",
    "swapaxes",
    "t",
    "take_along_dim",
    "tan",
    "tanh",
    "tensor",
    "transpose",
    "uint8",
    "unsqueeze",
    "var",
    "where",
    "zeros",
    "zeros_like",
]

_LATER = ("datasets", "symbolic", "viz")  # loaded when first asked for: most programs never do
_NOT_HERE = {
    "float16": "NumPy has no fast float16; use float32.",
    "half": "NumPy has no fast float16; use float32.",
    "bfloat16": "NumPy has no bfloat16; use float32.",
    "complex64": "complex numbers are not supported; keep real and imaginary parts in two tensors.",
    "complex128": "complex numbers are not supported; keep real and imaginary parts in two tensors.",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return importlib.import_module(f".{name}", __name__)
    if name in _NOT_HERE:
        raise AttributeError(f"tinygrad_edu.{name}: {_NOT_HERE[name]}")
    import difflib

    near = difflib.get_close_matches(name, __all__, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise AttributeError(f"module 'tinygrad_edu' has no attribute {name!r}.{hint}")
