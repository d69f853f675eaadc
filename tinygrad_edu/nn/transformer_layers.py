"""The layers of transformers (Vaswani et al. 2017); stacks of them are in transformer.py.

nn follows PyTorch: a weight is (out, in). Sequences are (L, N, E), or (N, L, E) with batch_first, or without N.
Masks say True, or minus infinity, where something is *not* seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ..ops.multi_head import canonical_mask
from . import functional as F
from .attention import MultiheadAttention
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm

Activation = str | Callable[[Any], Any]


class _Layer(Module):
    """What the layers of encoder and decoder share: self-attention and two linear maps, each added to its input."""

    _sees_memory: ClassVar[bool]  # a decoder's layer attends to the encoder's result as well

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made = {"device": device, "dtype": dtype}

        def attention() -> MultiheadAttention:
            return MultiheadAttention(d_model, nhead, dropout, bias=bias, batch_first=batch_first, **made)

        self.self_attn = attention()
        if self._sees_memory:
            self.multihead_attn = attention()
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **made)
        self.norm_first = norm_first
        blocks = "123" if self._sees_memory else "12"
        for k in blocks:
            setattr(self, f"norm{k}", LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **made))
        for k in blocks:
            setattr(self, f"dropout{k}", Dropout(dropout))
        self.activation = _activation(activation) if isinstance(activation, str) else activation

    def _residual(self, x: Any, k: int, block: Callable[[Any], Any]) -> Any:
        """x and what block k makes of it, dropped out, added; normed before the block or after the sum."""
        norm, dropout = getattr(self, f"norm{k}"), getattr(self, f"dropout{k}")
        if self.norm_first:
            return x + dropout(block(norm(x)))
        return norm(x + dropout(block(x)))

    def _feed_forward(self, x: Any) -> Any:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


def _attended(attention: MultiheadAttention, x: Any, memory: Any, mask: Any, padding: Any, is_causal: bool) -> Any:
    """What the queries x receive from the memory."""
    return attention(
        x, memory, memory, attn_mask=mask, key_padding_mask=padding, is_causal=is_causal, need_weights=False
    )[0]


def _activation(name: str) -> Callable[[Any], Any]:
    if name not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {name}")
    return F.relu if name == "relu" else F.gelu


class TransformerEncoderLayer(_Layer):
    """Self-attention, then two linear maps with an activation between, each added to its input and normed.

    Args:
        d_model: E, the length of a sequence's vectors.
        nhead: heads, of which E must be a multiple.
        dim_feedforward: the length between the two linear maps.
        dropout: the probability, for the weights of attention, after each block, and between the linear maps.
        activation: "relu", "gelu", or a function of a tensor.
        layer_norm_eps: what the norms add to the variance.
        batch_first: sequences are (N, L, E), not (L, N, E).
        norm_first: norm each block's input, not the sum after it.
        bias: whether linear maps and norms have biases.

    >>> from tinygrad_edu import nn, zeros
    >>> tuple(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)(zeros(3, 5, 8)).shape)
    (3, 5, 8)
    """

    _sees_memory = False

    def forward(self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Any:
        """The sequences after the layer.

        Args:
            src: (L, N, E), (N, L, E) with batch_first, or (L, E).
            src_mask: (L, L) or (N * nhead, L, L).
            src_key_padding_mask: (N, L).
            is_causal: says that src_mask is the causal one.
        """
        other = None if src_mask is None else src_mask.dtype
        padding = canonical_mask(src_key_padding_mask, "src_key_padding_mask", other, "src_mask", src.dtype)
        mask = canonical_mask(src_mask, "src_mask", None, "", src.dtype)
        x = self._residual(src, 1, lambda x: _attended(self.self_attn, x, x, mask, padding, is_causal))
        return self._residual(x, 2, self._feed_forward)


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to a memory, then two linear maps; see TransformerEncoderLayer for the arguments."""

    _sees_memory = True

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        """The sequences tgt (L, N, E) after the layer, which also sees the memory (S, N, E)."""
        x = self._residual(
            tgt, 1, lambda x: _attended(self.self_attn, x, x, tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        )
        x = self._residual(
            x,
            2,
            lambda x: _attended(self.multihead_attn, x, memory, memory_mask, memory_key_padding_mask, memory_is_causal),
        )
        return self._residual(x, 3, self._feed_forward)
