"""tinygrad_edu: autograd on NumPy, with PyTorch's names, that shows its work.

The public names, PyTorch's own.
"""

import importlib
from math import e, inf, nan, pi
from typing import Any

from . import accelerator, amp, autograd, backends, cuda, linalg, nn, optim, random
from .amp import (
    GradScaler,
    autocast,
)
from .autograd import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from .core.device import (
    device,
)
from .core.dtypes import (
    bool_ as bool,
)
from .core.dtypes import (
    dtype,
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
from .core.layout import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    layout,
    memory_format,
    preserve_format,
    strided,
)
from .core.missing import refuse
from .core.tensor import (
    Tensor,
    from_dlpack,
    from_numpy,
)
from .core.typed import (
    BoolTensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
)
from .core.value import (
    Size,
)
from .nn.summary import (
    summary,
)
from .ops.activation import (
    celu,
    celu_,
    log_softmax,
    logaddexp,
    logaddexp2,
    logit,
    relu,
    relu_,
    selu,
    selu_,
    sigmoid,
    softmax,
    tanh,
)
from .ops.arranging import (
    flip,
    fliplr,
    flipud,
    repeat_interleave,
    roll,
    rot90,
    tile,
)
from .ops.averaging import (
    adaptive_avg_pool1d,
    avg_pool1d,
)
from .ops.calculus import (
    cumulative_trapezoid,
    diff,
    gradient,
    trapezoid,
)
from .ops.calculus import (
    trapezoid as trapz,
)
from .ops.choices import (
    clamp,
    clamp_max,
    clamp_min,
    fmax,
    fmin,
    maximum,
    minimum,
    where,
)
from .ops.choices import (
    clamp as clip,
)
from .ops.comparison import (
    allclose,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    eq,
    equal,
    gcd,
    ge,
    gt,
    isclose,
    isfinite,
    isinf,
    isnan,
    isneginf,
    isposinf,
    isreal,
    lcm,
    le,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    ne,
)
from .ops.comparison import (
    ge as greater_equal,
)
from .ops.comparison import (
    gt as greater,
)
from .ops.comparison import (
    invert as bitwise_not,
)
from .ops.comparison import (
    le as less_equal,
)
from .ops.comparison import (
    left_shift as bitwise_left_shift,
)
from .ops.comparison import (
    lt as less,
)
from .ops.comparison import (
    ne as not_equal,
)
from .ops.comparison import (
    right_shift as bitwise_right_shift,
)
from .ops.conversion import (
    copy_of as clone,
)
from .ops.conversion import (
    set_default_tensor_type,
)
from .ops.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from .ops.creation import (
    arange,
    as_tensor,
    asarray,
    empty,
    empty_like,
    eye,
    frombuffer,
    full,
    full_like,
    ones,
    ones_like,
    scalar_tensor,
    tensor,
    zeros,
    zeros_like,
)
from .ops.diagonals import (
    diag,
    diag_embed,
    diagflat,
    diagonal,
    tril,
    tril_indices,
    triu,
    triu_indices,
)
from .ops.digits import (
    frexp,
    ldexp,
    nextafter,
)
from .ops.distance import (
    bilinear,
    cdist,
    cosine_similarity,
    pairwise_distance,
    pdist,
)
from .ops.documentation import (
    docs,
)
from .ops.dropout import (
    _torch_alpha_dropout as alpha_dropout,
)
from .ops.dropout import (
    _torch_feature_alpha_dropout as feature_alpha_dropout,
)
from .ops.dropout import (
    dropout,
    feature_dropout,
)
from .ops.einsum import (
    einsum,
    kron,
    tensordot,
)
from .ops.elementwise import (
    absolute,
    add,
    addcdiv,
    addcmul,
    div,
    float_power,
    floor_divide,
    fmod,
    lerp,
    multiply,
    negative,
    pow,
    reciprocal,
    remainder,
    square,
    sub,
    true_divide,
)
from .ops.elementwise import (
    absolute as abs,
)
from .ops.elementwise import (
    div as divide,
)
from .ops.elementwise import (
    multiply as mul,
)
from .ops.elementwise import (
    negative as neg,
)
from .ops.elementwise import (
    sub as subtract,
)
from .ops.elementwise import (
    unchanged as positive,
)
from .ops.exponential import (
    exp,
    exp2,
    expm1,
    log,
    log1p,
    log2,
    log10,
    rsqrt,
    sqrt,
    xlogy,
)
from .ops.gathering import (
    argwhere,
    as_strided,
    gather,
    index_select,
    masked_select,
    nonzero,
    take,
)
from .ops.generator import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from .ops.grids import (
    bartlett_window,
    blackman_window,
    combinations,
    hamming_window,
    hann_window,
    kaiser_window,
    linspace,
    logspace,
)
from .ops.indexing import (
    take_along_dim,
)
from .ops.joining import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    block_diag,
    cartesian_prod,
    cat,
    column_stack,
    dstack,
    hstack,
    meshgrid,
    stack,
    vstack,
)
from .ops.joining import (
    cat as concat,
)
from .ops.joining import (
    cat as concatenate,
)
from .ops.joining import (
    vstack as row_stack,
)
from .ops.linalg import (
    dot,
    matmul,
    mm,
)
from .ops.losses_sequence import (
    _torch_ctc_loss as ctc_loss,
)
from .ops.lowrank import (
    pca_lowrank,
    svd_lowrank,
)
from .ops.matrices import (
    cholesky,
    cholesky_inverse,
    cholesky_solve,
    det,
    logdet,
    matrix_exp,
    matrix_power,
    pinverse,
    slogdet,
)
from .ops.matrices import (
    inv as inverse,
)
from .ops.matrices import (
    qr_some as qr,
)
from .ops.matrices import (
    svd_some as svd,
)
from .ops.matrices import (
    vander_falling as vander,
)
from .ops.norm import (
    dist,
    norm,
    renorm,
)
from .ops.normalization import (
    _torch_batch_norm as batch_norm,
)
from .ops.normalization import (
    _torch_group_norm as group_norm,
)
from .ops.normalization import (
    _torch_instance_norm as instance_norm,
)
from .ops.normalization import (
    _torch_layer_norm as layer_norm,
)
from .ops.normalization import (
    rms_norm,
)
from .ops.ordering import (
    argsort,
    bucketize,
    isin,
    kthvalue,
    msort,
    searchsorted,
    sort,
    topk,
    unique,
    unique_consecutive,
)
from .ops.piecewise import (
    hardshrink,
    prelu,
    threshold,
    threshold_,
)
from .ops.pooling import (
    _adaptive_max_pool1d as adaptive_max_pool1d,
)
from .ops.pooling import (
    _max_pool1d as max_pool1d,
)
from .ops.pooling import (
    _max_pool2d as max_pool2d,
)
from .ops.pooling import (
    _max_pool3d as max_pool3d,
)
from .ops.pooling import (
    max_pool1d_with_indices,
)
from .ops.prod import (
    prod,
)
from .ops.products import (
    addbmm,
    addmm,
    addmv,
    addr,
    baddbmm,
    bmm,
    chain_matmul,
    cross,
    inner,
    mv,
    outer,
    trace,
    vdot,
)
from .ops.products import (
    outer as ger,
)
from .ops.queries import (
    broadcast_shapes,
    can_cast,
    conj_physical,
    finfo,
    iinfo,
    is_complex,
    is_floating_point,
    is_nonzero,
    is_same_size,
    is_signed,
    is_tensor,
    numel,
    promote_types,
    real,
    result_type,
    unravel_index,
)
from .ops.queries import (
    is_complex as is_conj,
)
from .ops.queries import (
    is_complex as is_neg,
)
from .ops.queries import (
    real as conj,
)
from .ops.queries import (
    real as resolve_conj,
)
from .ops.queries import (
    real as resolve_neg,
)
from .ops.random import (
    bernoulli,
    multinomial,
    normal,
    poisson,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
)
from .ops.random_activation import (
    rrelu_,
)
from .ops.random_activation import (
    rrelu_of as rrelu,
)
from .ops.random_binomial import (
    binomial,
)
from .ops.recurrent import (
    gru,
    gru_cell,
    lstm,
    lstm_cell,
    rnn_relu,
    rnn_relu_cell,
    rnn_tanh,
    rnn_tanh_cell,
)
from .ops.reduction import (
    all_ as all,
)
from .ops.reduction import (
    amax,
    amin,
    aminmax,
    argmax,
    argmin,
    count_nonzero,
    logsumexp,
    mean,
    nanmean,
    nansum,
    sum,
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
from .ops.resizing import (
    channel_shuffle,
    pixel_shuffle,
    pixel_unshuffle,
)
from .ops.resizing import (
    channel_shuffle as native_channel_shuffle,
)
from .ops.rounding import (
    ceil,
    copysign,
    floor,
    frac,
    heaviside,
    nan_to_num,
    round,
    sign,
    signbit,
    trunc,
)
from .ops.rounding import (
    sign as sgn,
)
from .ops.rounding import (
    trunc as fix,
)
from .ops.scan import (
    cummax,
    cummin,
    cumprod,
    cumsum,
    logcumsumexp,
)
from .ops.scattering import (
    diagonal_scatter,
    index_add,
    index_copy,
    index_fill,
    index_put,
    index_reduce,
    masked_fill,
    masked_scatter,
    put,
    scatter_add,
    scatter_reduce,
    select_scatter,
    slice_scatter,
)
from .ops.scattering import (
    scatter_into as scatter,
)
from .ops.shape import (
    adjoint,
    broadcast_tensors,
    flatten,
    moveaxis,
    movedim,
    permute,
    ravel,
    reshape,
    squeeze,
    swapaxes,
    t,
    transpose,
    unflatten,
    unsqueeze,
)
from .ops.shape import (
    stretch as broadcast_to,
)
from .ops.shape import (
    transpose as swapdims,
)
from .ops.slicing import (
    chunk,
    dsplit,
    hsplit,
    narrow,
    narrow_copy,
    select,
    split,
    split_with_sizes,
    tensor_split,
    unbind,
    vsplit,
)
from .ops.special import (
    digamma,
    erf,
    erfc,
    erfinv,
    lgamma,
    mvlgamma,
    polygamma,
)
from .ops.spread import (
    std,
    std_mean,
    var,
    var_mean,
)
from .ops.statistics import (
    bincount,
    corrcoef,
    cov,
    histc,
    histogram,
    median,
    mode,
    nanmedian,
    nanquantile,
    quantile,
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
from .serialization import (
    load,
    save,
)
from .settings import (
    are_deterministic_algorithms_enabled,
    get_default_device,
    get_float32_matmul_precision,
    get_num_interop_threads,
    get_num_threads,
    is_deterministic_algorithms_warn_only_enabled,
    set_default_device,
    set_float32_matmul_precision,
    set_flush_denormal,
    set_num_interop_threads,
    set_num_threads,
    set_printoptions,
    use_deterministic_algorithms,
)

__version__ = "0.1.0"

newaxis = None

__all__ = [
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "DtypeError",
    "FloatTensor",
    "Generator",
    "GradScaler",
    "IntTensor",
    "LongTensor",
    "ShapeError",
    "ShortTensor",
    "Size",
    "Tensor",
    "TraceError",
    "abs",
    "absolute",
    "accelerator",
    "acos",
    "acosh",
    "adaptive_avg_pool1d",
    "adaptive_max_pool1d",
    "add",
    "addbmm",
    "addcdiv",
    "addcmul",
    "addmm",
    "addmv",
    "addr",
    "adjoint",
    "all",
    "allclose",
    "alpha_dropout",
    "amax",
    "amin",
    "aminmax",
    "amp",
    "any",
    "arange",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "are_deterministic_algorithms_enabled",
    "argmax",
    "argmin",
    "argsort",
    "argwhere",
    "as_strided",
    "as_tensor",
    "asarray",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "autocast",
    "autograd",
    "avg_pool1d",
    "backends",
    "baddbmm",
    "bartlett_window",
    "batch_norm",
    "bernoulli",
    "bilinear",
    "bincount",
    "binomial",
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "blackman_window",
    "block_diag",
    "bmm",
    "bool",
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
    "bucketize",
    "can_cast",
    "cartesian_prod",
    "cat",
    "cdist",
    "ceil",
    "celu",
    "celu_",
    "chain_matmul",
    "channel_shuffle",
    "channels_last",
    "channels_last_3d",
    "cholesky",
    "cholesky_inverse",
    "cholesky_solve",
    "chunk",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "clone",
    "column_stack",
    "combinations",
    "concat",
    "concatenate",
    "conj",
    "conj_physical",
    "contiguous_format",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "copysign",
    "corrcoef",
    "cos",
    "cosh",
    "cosine_similarity",
    "count_nonzero",
    "cov",
    "cross",
    "ctc_loss",
    "cuda",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "cumulative_trapezoid",
    "default_generator",
    "deg2rad",
    "det",
    "device",
    "diag",
    "diag_embed",
    "diagflat",
    "diagonal",
    "diagonal_scatter",
    "diff",
    "digamma",
    "dist",
    "div",
    "divide",
    "docs",
    "dot",
    "double",
    "dropout",
    "dsplit",
    "dstack",
    "dtype",
    "e",
    "einsum",
    "empty",
    "empty_like",
    "enable_grad",
    "eq",
    "equal",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "exp2",
    "expm1",
    "eye",
    "feature_alpha_dropout",
    "feature_dropout",
    "finfo",
    "fix",
    "flatten",
    "flip",
    "fliplr",
    "flipud",
    "float",
    "float32",
    "float64",
    "float_power",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "frac",
    "frexp",
    "from_dlpack",
    "from_numpy",
    "frombuffer",
    "full",
    "full_like",
    "gather",
    "gcd",
    "ge",
    "ger",
    "get_default_device",
    "get_default_dtype",
    "get_float32_matmul_precision",
    "get_num_interop_threads",
    "get_num_threads",
    "get_rng_state",
    "gradient",
    "greater",
    "greater_equal",
    "group_norm",
    "gru",
    "gru_cell",
    "gt",
    "hamming_window",
    "hann_window",
    "hardshrink",
    "heaviside",
    "histc",
    "histogram",
    "hsplit",
    "hstack",
    "hypot",
    "iinfo",
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "index_reduce",
    "index_select",
    "inf",
    "inference_mode",
    "initial_seed",
    "inner",
    "instance_norm",
    "int",
    "int16",
    "int32",
    "int64",
    "int8",
    "inverse",
    "is_complex",
    "is_conj",
    "is_deterministic_algorithms_warn_only_enabled",
    "is_floating_point",
    "is_grad_enabled",
    "is_neg",
    "is_nonzero",
    "is_same_size",
    "is_signed",
    "is_tensor",
    "isclose",
    "isfinite",
    "isin",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "kaiser_window",
    "kron",
    "kthvalue",
    "layer_norm",
    "layout",
    "lcm",
    "ldexp",
    "le",
    "lerp",
    "less",
    "less_equal",
    "lgamma",
    "linalg",
    "linspace",
    "load",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_softmax",
    "logaddexp",
    "logaddexp2",
    "logcumsumexp",
    "logdet",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logit",
    "logspace",
    "logsumexp",
    "long",
    "lstm",
    "lstm_cell",
    "lt",
    "manual_seed",
    "masked_fill",
    "masked_scatter",
    "masked_select",
    "matmul",
    "matrix_exp",
    "matrix_power",
    "max",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool3d",
    "maximum",
    "mean",
    "median",
    "memory_format",
    "meshgrid",
    "min",
    "minimum",
    "mm",
    "mode",
    "moveaxis",
    "movedim",
    "msort",
    "mul",
    "multinomial",
    "multiply",
    "mv",
    "mvlgamma",
    "nan",
    "nan_to_num",
    "nanmean",
    "nanmedian",
    "nanquantile",
    "nansum",
    "narrow",
    "narrow_copy",
    "native_channel_shuffle",
    "ne",
    "neg",
    "negative",
    "newaxis",
    "nextafter",
    "nn",
    "no_grad",
    "nonzero",
    "norm",
    "normal",
    "not_equal",
    "numel",
    "ones",
    "ones_like",
    "optim",
    "outer",
    "pairwise_distance",
    "pca_lowrank",
    "pdist",
    "permute",
    "pi",
    "pinverse",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson",
    "polygamma",
    "positive",
    "pow",
    "prelu",
    "preserve_format",
    "prod",
    "promote_types",
    "put",
    "qr",
    "quantile",
    "rad2deg",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "random",
    "randperm",
    "ravel",
    "real",
    "reciprocal",
    "relu",
    "relu_",
    "remainder",
    "renorm",
    "repeat_interleave",
    "reshape",
    "resolve_conj",
    "resolve_neg",
    "result_type",
    "rms_norm",
    "rnn_relu",
    "rnn_relu_cell",
    "rnn_tanh",
    "rnn_tanh_cell",
    "roll",
    "rot90",
    "round",
    "row_stack",
    "rrelu",
    "rrelu_",
    "rsqrt",
    "save",
    "scalar_tensor",
    "scatter",
    "scatter_add",
    "scatter_reduce",
    "searchsorted",
    "seed",
    "select",
    "select_scatter",
    "selu",
    "selu_",
    "set_default_device",
    "set_default_dtype",
    "set_default_tensor_type",
    "set_float32_matmul_precision",
    "set_flush_denormal",
    "set_grad_enabled",
    "set_num_interop_threads",
    "set_num_threads",
    "set_printoptions",
    "set_rng_state",
    "sgn",
    "short",
    "sigmoid",
    "sign",
    "signbit",
    "sin",
    "sinc",
    "sinh",
    "slice_scatter",
    "slogdet",
    "softmax",
    "sort",
    "split",
    "split_with_sizes",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "std_mean",
    "strided",
    "sub",
    "subtract",
    "sum",
    "summary",
    "svd",
    "svd_lowrank",
    "swapaxes",
    "swapdims",
    "t",
    "take",
    "take_along_dim",
    "tan",
    "tanh",
    "tensor",
    "tensor_split",
    "tensordot",
    "threshold",
    "threshold_",
    "tile",
    "topk",
    "trace",
    "transpose",
    "trapezoid",
    "trapz",
    "tril",
    "tril_indices",
    "triu",
    "triu_indices",
    "true_divide",
    "trunc",
    "uint8",
    "unbind",
    "unflatten",
    "unique",
    "unique_consecutive",
    "unravel_index",
    "unsqueeze",
    "use_deterministic_algorithms",
    "vander",
    "var",
    "var_mean",
    "vdot",
    "vsplit",
    "vstack",
    "where",
    "xlogy",
    "zeros",
    "zeros_like",
]

_LATER = (
    "datasets",
    "distributions",
    "func",
    "profiler",
    "safetensors",
    "symbolic",
    "testing",
    "utils",
    "version",
    "viz",
)  # loaded when first asked for: most programs never do
_ELSEWHERE = {
    "check_by_hand": "symbolic",
    "compile": "compiler",
    "explain": "symbolic",
    "vmap": "func",
}  # names of this level that live in those modules


def __getattr__(name: str) -> Any:
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(f".{_ELSEWHERE[name]}", __name__), name)
    if name in _LATER:
        return importlib.import_module(f".{name}", __name__)
    from .core.dtypes import REFUSED

    if name in REFUSED:
        return REFUSED[name]
    from .ops.public import INPLACE

    if name in INPLACE:
        return INPLACE[name]
    return refuse(__name__, name, __all__)
