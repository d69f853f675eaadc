"""torch.nn.functional's names and signatures, in front of the functions of ops/.

nn follows PyTorch: rows are samples, X (m, n_in), and a weight is (n_out, n_in).
"""

from __future__ import annotations

from typing import Any

from ..core.apply import apply
from ..core.missing import missing
from ..ops import activation, linalg
from ..ops import dropout as dropping
from ..ops.activation import (
    celu,
    celu_,
    elu,
    elu_,
    gelu,
    glu,
    leaky_relu,
    leaky_relu_,
    logsigmoid,
    mish,
    relu_,
    selu,
    selu_,
    silu,
    softplus,
    softsign,
    tanhshrink,
)
from ..ops.attention import scaled_dot_product_attention
from ..ops.averaging import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
)
from ..ops.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    fold,
    unfold,
)
from ..ops.distance import (
    bilinear,
    cosine_similarity,
    pairwise_distance,
    pdist,
)
from ..ops.dropout import (
    alpha_dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    feature_alpha_dropout,
)
from ..ops.embedding import embedding, embedding_bag
from ..ops.gathering import one_hot
from ..ops.grid_sampling import affine_grid, grid_sample
from ..ops.loss import (
    huber_loss,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from ..ops.losses_binary import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    hinge_embedding_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
)
from ..ops.losses_classes import cross_entropy, linear_cross_entropy, nll_loss
from ..ops.losses_likelihood import gaussian_nll_loss, kl_div, poisson_nll_loss
from ..ops.losses_margin import multi_margin_loss, multilabel_margin_loss
from ..ops.losses_ranking import (
    cosine_embedding_loss,
    margin_ranking_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from ..ops.losses_sequence import ctc_loss
from ..ops.multi_head import multi_head_attention_forward
from ..ops.normalization import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    normalize,
    rms_norm,
)
from ..ops.out import store_out, with_out
from ..ops.piecewise import (
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    hardtanh_,
    prelu,
    relu6,
    softshrink,
    threshold,
    threshold_,
)
from ..ops.pooling import (
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from ..ops.pooling_fractional import (
    fractional_max_pool2d,
    fractional_max_pool2d_with_indices,
    fractional_max_pool3d,
    fractional_max_pool3d_with_indices,
)
from ..ops.random_activation import gumbel_softmax, rrelu, rrelu_
from ..ops.resizing import (
    channel_shuffle,
    interpolate,
    pixel_shuffle,
    pixel_unshuffle,
)
from ..ops.windows import pad

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "affine_grid",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "celu_",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "ctc_loss",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "elu_",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "fold",
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "grid_sample",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "linear_cross_entropy",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mish",
    "mse_loss",
    "multi_head_attention_forward",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pdist",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rms_norm",
    "rrelu",
    "rrelu_",
    "scaled_dot_product_attention",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "unfold",
]


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """In training each element is zeroed with probability p, the others are divided by 1 - p."""
    result = dropping.dropout(input, p, training)
    return input.replace(result, "dropout_") if inplace else result


def linear(input: Any, weight: Any, bias: Any = None, *, out: Any = None) -> Any:
    """input @ weight.T + bias: input (..., n_in), weight (n_out, n_in), bias (n_out,)."""
    if out is not None:
        return store_out(linear, out, "linear", (input, weight, bias), {})
    # apply, not a call of the primitive: which reading is meant needs no looking up here
    return apply(linalg.affine, (input, weight) if bias is None else (input, weight, bias), {})


def tanh(input: Any) -> Any:
    """tanh, elementwise."""
    return apply(activation.tanh, (input,), {})


def sigmoid(input: Any) -> Any:
    """1 / (1 + exp(-input)), elementwise."""
    return apply(activation.sigmoid, (input,), {})


def relu(input: Any, inplace: bool = False) -> Any:
    """max(input, 0), elementwise; inplace=True overwrites the input."""
    return input.relu_() if inplace else apply(activation.relu, (input,), {})


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """Probabilities along `dim`, proportional to exp(input). Without dim PyTorch's old guess, with its warning."""
    return activation.softmax(input, activation.guessed_axis(input, dim, "softmax", _stacklevel), dtype)


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """The logarithms of the softmax along `dim`. Without dim PyTorch's old guess, with its warning."""
    return activation.log_softmax(input, activation.guessed_axis(input, dim, "log_softmax", _stacklevel), dtype)


def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """The softmax of -input along `dim`. Without dim PyTorch's old guess, with its warning."""
    return activation.softmax(-input, activation.guessed_axis(input, dim, "softmin", _stacklevel), dtype)


_TAKING_OUT = (avg_pool2d, avg_pool3d, gelu, hardshrink, logsigmoid, softplus, softshrink)  # as in PyTorch
globals().update({f.__name__: with_out(f, f.__name__) for f in _TAKING_OUT})

__getattr__ = missing(__name__)
