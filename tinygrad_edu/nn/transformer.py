"""Transformers: stacks of the layers in transformer_layers.py.

nn follows PyTorch: a weight is (out, in). Sequences are (L, N, E), or (N, L, E) with batch_first, or without N.
Masks say True, or minus infinity, where something is *not* seen.
"""

from __future__ import annotations

import copy
import math
from typing import Any

from ..core.mode import mode
from ..ops.creation import full
from ..ops.multi_head import canonical_mask
from . import functional as F
from . import init
from .activation import GELU, ReLU
from .containers import ModuleList
from .module import Module
from .normalization import LayerNorm
from .transformer_layers import Activation, TransformerDecoderLayer, TransformerEncoderLayer


def _copies(layer: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


class TransformerEncoder(Module):
    """num_layers copies of an encoder's layer, one after the other, and a norm.

    Args:
        encoder_layer: is copied, so the layers start with the same weights.
        norm: applied at the end.
        enable_nested_tensor: accepted; sequences are never packed here. See `forward`.
        mask_check: as enable_nested_tensor.
    """

    norm: Module | None

    def __init__(
        self,
        encoder_layer: Any,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check
        self.use_nested_tensor = enable_nested_tensor and _packs(encoder_layer)

    def forward(
        self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool | None = None
    ) -> Any:
        """The sequences after all layers.

        In evaluation without gradients PyTorch packs padded sequences, so that padding behind a sequence gives
        zeros before the norm; the same zeros are given here.
        """
        other = None if mask is None else mask.dtype
        padding = canonical_mask(src_key_padding_mask, "src_key_padding_mask", other, "mask", src.dtype)
        mask = canonical_mask(mask, "mask", None, "", src.dtype)
        x = src
        for layer in self.layers:
            # A mask that happens to be causal need not be found out: adding it gives the same.
            x = layer(x, src_mask=mask, is_causal=bool(is_causal), src_key_padding_mask=padding)
        if padding is not None and mask is None and self.use_nested_tensor and self._packing(src):
            hidden = padding != 0
            behind = (hidden[:, 1:] >= hidden[:, :-1]).all()  # as numbers: never a key after padding
            x = x.masked_fill((hidden & behind).unsqueeze(2), 0.0)
        return x if self.norm is None else self.norm(x)

    def _packing(self, src: Any) -> bool:
        if self.layers[0].training or src.ndim != 3:
            return False
        return not mode.grad or not any(x.requires_grad for x in (src, *self.layers[0].parameters()))


def _packs(layer: Any) -> bool:
    """Whether PyTorch packs padded sequences for layers like this one."""
    return (
        isinstance(layer, TransformerEncoderLayer)
        and not layer.norm_first
        and layer.self_attn.batch_first
        and layer.self_attn.in_proj_bias is not None
        and (layer.activation in (F.relu, F.gelu) or isinstance(layer.activation, (ReLU, GELU)))
        and layer.self_attn.num_heads % 2 == 0
    )


class TransformerDecoder(Module):
    """num_layers copies of a decoder's layer, one after the other, and a norm."""

    norm: Module | None

    def __init__(self, decoder_layer: Any, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        """The sequences tgt after all layers, each of which sees the memory."""
        x = tgt
        for layer in self.layers:
            x = layer(
                x,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=memory_is_causal,
            )
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """Encoder and decoder, as in "Attention is all you need"; embeddings and the last projection are the user's.

    Args:
        num_encoder_layers, num_decoder_layers: how many copies of each layer.
        custom_encoder, custom_decoder: modules in their places.
        and those of TransformerEncoderLayer.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, eps=layer_norm_eps, bias=bias, device=device, dtype=dtype)

        if custom_encoder is None:
            layer: Module = TransformerEncoderLayer(*shape, device=device, dtype=dtype)
            custom_encoder = TransformerEncoder(layer, num_encoder_layers, norm())
        self.encoder = custom_encoder
        if custom_decoder is None:
            layer = TransformerDecoderLayer(*shape, device=device, dtype=dtype)
            custom_decoder = TransformerDecoder(layer, num_decoder_layers, norm())
        self.decoder = custom_decoder
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        """What the decoder makes of tgt (T, N, E), seeing what the encoder makes of src (S, N, E)."""
        batch = 0 if self.batch_first else 1
        shapes = f"src {tuple(src.shape)} and tgt {tuple(tgt.shape)}"
        if src.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise RuntimeError(
                f"Transformer: the batch number of src and tgt must be equal, got {shapes}; batch_first is "
                f"{self.batch_first}, so the batch is axis {batch}."
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(
                f"Transformer: the feature number of src and tgt must be equal to d_model {self.d_model}, got {shapes}."
            )
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Any:
        """The causal mask: minus infinity above the diagonal, 0 elsewhere."""
        return full((sz, sz), -math.inf, dtype=dtype, device=device).triu(1)

    def _reset_parameters(self) -> None:
        """Draw all weights by Glorot and Bengio."""
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)
