"""Multi-head attention as a module; the computation is in ops/multi_head.py.

nn follows PyTorch: a weight is (out, in). Sequences are (L, N, E) unless batch_first says (N, L, E).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..ops.creation import empty
from ..ops.multi_head import multi_head
from . import init
from .linear import Linear
from .module import Module
from .parameter import Parameter


class NonDynamicallyQuantizableLinear(Linear):
    """A Linear by the name under which PyTorch prints an attention's last projection."""


class MultiheadAttention(Module):
    """Attention in num_heads heads of embed_dim / num_heads numbers each (Vaswani et al. 2017, section 3.2.2).

    Args:
        embed_dim: E, the length of query's vectors and of the result's.
        num_heads: of which E must be a multiple.
        dropout: the probability with which a weight is zeroed, in training.
        bias: whether the projections have biases.
        add_bias_kv: learn one more key and value, put behind those of every sequence.
        add_zero_attn: put one more key and value of zeros behind them.
        kdim, vdim: the lengths of key's and value's vectors; default E.
        batch_first: sequences are (N, L, E), not (L, N, E).

    >>> from tinygrad_edu import nn, zeros
    >>> x = zeros(2, 5, 8)
    >>> output, weights = nn.MultiheadAttention(8, 4, batch_first=True)(x, x, x)
    >>> tuple(output.shape), tuple(weights.shape)
    ((2, 5, 8), (2, 5, 5))
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and num_heads={num_heads} "
                "instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads, self.dropout, self.batch_first = num_heads, dropout, batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError(f"embed_dim must be divisible by num_heads, got {embed_dim} and {num_heads}")

        def new(*shape: int) -> Parameter:
            return Parameter(empty(*shape, device=device, dtype=dtype))

        together = self._qkv_same_embed_dim
        if together:
            self.in_proj_weight = new(3 * embed_dim, embed_dim)
        for word, n_in in (("q", embed_dim), ("k", self.kdim), ("v", self.vdim)):
            self.register_parameter(f"{word}_proj_weight", None if together else new(embed_dim, n_in))
        if not together:
            self.register_parameter("in_proj_weight", None)
        self.register_parameter("in_proj_bias", new(3 * embed_dim) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        if add_bias_kv:
            self.bias_k, self.bias_v = new(1, 1, embed_dim), new(1, 1, embed_dim)
        else:
            self.bias_k = self.bias_v = None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Draw the weights of the projections to heads by Glorot and Bengio; biases are 0."""
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            assert self.out_proj.bias is not None
            init.zeros_(self.out_proj.bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """What the queries receive, and with need_weights the weights, else None.

        Args:
            query, key, value: (L, N, E), (S, N, kdim), (S, N, vdim), or N first, or without N.
            key_padding_mask: (N, S), True where a key is padding; or numbers to add to its scores.
            need_weights: False leaves them out, which is faster.
            attn_mask: (L, S) or (N * num_heads, L, S), True where a query does not see a key; or numbers to add.
            average_attn_weights: the weights are the mean over the heads, (N, L, S), not (N, num_heads, L, S).
            is_causal: says that attn_mask is the causal one.
        """
        separate = None
        if not self._qkv_same_embed_dim:
            separate = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        return multi_head(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, separate,
            (self.bias_k, self.bias_v), self.add_zero_attn, self.dropout if self.training else 0.0,
            (self.out_proj.weight, self.out_proj.bias), key_padding_mask, need_weights, attn_mask, (None, None),
            average_attn_weights, is_causal, self.batch_first,
        )  # fmt: skip


class SDPBackend(enum.Enum):
    """Ways to compute attention that scripts choose from. Here there is one, whatever is chosen."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextmanager
def sdpa_kernel(backends: Any, set_priority: bool = False) -> Iterator[None]:
    """Without effect: `backends` are ways of GPUs to compute the same numbers."""
    for backend in backends if isinstance(backends, (list, tuple)) else [backends]:
        if not isinstance(backend, SDPBackend):
            raise TypeError(f"sdpa_kernel: expected SDPBackend, or a list of them, got {backend!r}.")
    yield
