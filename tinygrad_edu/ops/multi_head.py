"""Multi-head attention: projections to queries, keys and values, attention in every head, a projection back.

Head h owns numbers h d to (h + 1) d of every projected vector. Sequences are (L, N, E), as PyTorch has them, or
(N, L, E) with `batch_first`; what is projected lies that way in memory, and the heads are views of it.

Not here: attention itself (attention.py), and the module with the weights (nn/attention.py).
"""

from __future__ import annotations

import warnings
from typing import Any

from ..core.apply import apply
from .activation import softmax_over
from .attention import additive, scaled_dot_product_attention, scores
from .creation import zeros
from .dropout import dropout
from .indexing import getitem
from .joining import cat
from .linalg import affine, matrix_product
from .reduction import mean_over
from .shape import expand, permute_axes, reshape_to
from .windows import pad

NAME = "multi_head_attention_forward"


def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """The output and the weights of multi-head attention; see nn.MultiheadAttention.

    Args:
        query, key, value: (L, N, E), (S, N, E_k), (S, N, E_v), or without N.
        embed_dim_to_check: E.
        in_proj_weight: (3 E, E), those of query, key and value one under the other; in_proj_bias (3 E,).
        bias_k, bias_v: (1, 1, E), one more key and value for every sequence.
        add_zero_attn: one more key and value of zeros.
        key_padding_mask: (N, S), True (or minus infinity) where a key is padding.
        attn_mask: (L, S) or (N * num_heads, L, S), True where a query does not see a key, or numbers to add.
        use_separate_proj_weight: take q_proj_weight (E, E), k_proj_weight (E, E_k), v_proj_weight (E, E_v).
        static_k, static_v: (N * num_heads, S, E / num_heads), in the place of the projected ones.
        is_causal: attn_mask is the causal one, which need not be read then.
    Returns:
        (L, N, E), and with need_weights (N, L, S), the mean over the heads, or (N, num_heads, L, S).
    """
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    return multi_head(
        query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, separate, (bias_k, bias_v),
        add_zero_attn, dropout_p if training else 0.0, (out_proj_weight, out_proj_bias), key_padding_mask,
        need_weights, attn_mask, (static_k, static_v), average_attn_weights, is_causal, batch_first=False,
    )  # fmt: skip


def multi_head(
    query: Any,
    key: Any,
    value: Any,
    embed_dim: int,
    heads: int,
    weight: Any,
    bias: Any,
    separate: tuple[Any, Any, Any] | None,
    further: tuple[Any, Any],
    add_zero_attn: bool,
    dropout_p: float,
    out: tuple[Any, Any],
    key_padding_mask: Any,
    need_weights: bool,
    attn_mask: Any,
    static: tuple[Any, Any],
    average: bool,
    is_causal: bool,
    batch_first: bool,
) -> tuple[Any, Any]:
    """As above, in either order of the axes of sequence and batch."""
    batched = _check_axes(query, key, value, key_padding_mask, attn_mask, heads)
    batch = 0 if batch_first or not batched else 1  # its axis
    if not batched:
        query, key, value = _with_batch(query, key, value)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    other = None if attn_mask is None else attn_mask.dtype
    padding = canonical_mask(key_padding_mask, "key_padding_mask", other, "attn_mask", query.dtype)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            f"{NAME}: Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and padding is None and not need_weights:
        attn_mask = None
    else:
        attn_mask = canonical_mask(attn_mask, "attn_mask", None, "", query.dtype)
        is_causal = False
    _check_lengths(query, key, value, embed_dim, heads, weight, separate)
    n, length = query.shape[batch], query.shape[1 - batch]
    mask = _as_four(attn_mask, n, heads, length, key.shape[1 - batch])

    Q, K, V = _projected(query, key, value, weight, bias, separate, heads, batch)
    K, V, added = _further(K, V, further, static, add_zero_attn, heads)
    if added:
        mask = None if mask is None else pad(mask, (0, added))
        padding = None if padding is None else pad(padding, (0, added))
    mask = _with_padding(mask, padding, n, K.shape[2])

    weights = None
    if need_weights:
        O, weights = _weighted(Q, K, V, mask, dropout_p, average)
    else:
        O = scaled_dot_product_attention(Q, K, V, mask, dropout_p, is_causal)
    merged = permute_axes(O, axes=(2, 0, 1, 3) if batch else (0, 2, 1, 3))  # (L, N, heads, d)
    Y = _linear(reshape_to(merged, shape=(*merged.shape[:2], embed_dim)), *out)
    if not batched:
        Y, weights = Y.squeeze(0), None if weights is None else weights.squeeze(0)
    return Y, weights


def _linear(x: Any, W: Any, b: Any) -> Any:
    return apply(affine, (x, W) if b is None else (x, W, b), {})


def _weighted(Q: Any, K: Any, V: Any, mask: Any, dropout_p: float, average: bool) -> tuple[Any, Any]:
    """The values' means, and the weights; a query that sees no key gets NaN, as in PyTorch."""
    P = softmax_over(scores(Q, K, mask), axis=-1)
    if dropout_p > 0:
        P = dropout(P, dropout_p, True)
    return matrix_product(P, V), mean_over(P, axis=(1,), keepdims=False) if average else P


def _with_batch(query: Any, key: Any, value: Any) -> tuple[Any, Any, Any]:
    """A batch of one; what was one tensor stays one, so that it is projected once."""
    q = query.unsqueeze(0)
    k = q if key is query else key.unsqueeze(0)
    return q, k, k if value is key else value.unsqueeze(0)


def _projected(
    query: Any, key: Any, value: Any, weight: Any, bias: Any, separate: Any, heads: int, batch: int
) -> tuple[Any, ...]:
    """Queries, keys and values of every head, (N, heads, L, d); what is one tensor is projected by one product."""
    E = query.shape[2]
    if separate is not None:
        biases = (None,) * 3 if bias is None else bias.chunk(3)
        jobs = [(x, W, b, 1) for x, W, b in zip((query, key, value), separate, biases, strict=True)]
    else:
        sizes = [3] if query is key is value else [1, 2] if key is value else [1, 1, 1]
        rows = [n * E for n in sizes]
        Ws = [weight] if len(rows) == 1 else weight.split(rows)
        bs = [None] * len(rows) if bias is None else [bias] if len(rows) == 1 else bias.split(rows)
        jobs = list(zip((query, key, value), Ws, bs, sizes, strict=False))
    found: list[Any] = []
    for x, W, b, parts in jobs:
        Z = _linear(x, W, b)
        Z = reshape_to(Z, shape=(*Z.shape[:2], parts, heads, E // heads))  # (L, N, parts, heads, d)
        axes = (1, 2, 0, 3) if batch else (0, 2, 1, 3)
        found += [permute_axes(getitem(Z, key=(slice(None), slice(None), i, ...)), axes=axes) for i in range(parts)]
    return tuple(found)


def _further(
    K: Any, V: Any, further: tuple[Any, Any], static: tuple[Any, Any], add_zero_attn: bool, heads: int
) -> tuple[Any, Any, int]:
    """Keys and values with what is put behind them, and how many these are."""
    n, _, _, d = K.shape
    bias_k, bias_v = further
    if (bias_k is None) != (bias_v is None):
        raise AssertionError(f"{NAME}: bias_k and bias_v go together: one of them is None.")
    added = int(bias_k is not None)
    if bias_k is not None:
        if static != (None, None):
            raise AssertionError(f"{NAME}: bias cannot be added to static key and value.")
        K, V = (
            cat([x, expand(reshape_to(b, shape=(1, heads, 1, d)), n, heads, 1, d)], 2)
            for x, b in ((K, bias_k), (V, bias_v))
        )
    parts = []
    for x, given, word in zip((K, V), static, ("static_k", "static_v"), strict=True):
        if given is not None:
            if (given.shape[0], given.shape[2]) != (n * heads, d):
                raise AssertionError(
                    f"{NAME}: {word} has shape {tuple(given.shape)}, expecting ({n * heads}, S, {d}): batch times "
                    "heads, keys, numbers per head."
                )
            x = reshape_to(given, shape=(n, heads, given.shape[1], d))
        parts.append(cat([x, zeros(n, heads, 1, d, dtype=x.dtype)], 2) if add_zero_attn else x)
    return parts[0], parts[1], added + bool(add_zero_attn)


# --- masks


def canonical_mask(mask: Any, name: str, other_type: Any, other_name: str, dtype: Any) -> Any:
    """A mask as numbers to add, minus infinity where it is True."""
    if mask is None:
        return None
    if mask.dtype.kind not in "bf":
        raise AssertionError(f"only bool and floating types of {name} are supported, not {mask.dtype}")
    if other_type is not None and mask.dtype != other_type:
        warnings.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=2,
        )
    return additive(mask, dtype, keeps=False)


def _as_four(mask: Any, n: int, heads: int, length: int, keys: int) -> Any:
    """attn_mask as (1, 1, L, S) or (N, heads, L, S)."""
    if mask is None:
        return None
    expected = (length, keys) if mask.ndim == 2 else (n * heads, length, keys)
    if tuple(mask.shape) != expected:
        raise RuntimeError(
            f"{NAME}: The shape of the {mask.ndim}D attn_mask is {tuple(mask.shape)}, but should be {expected}."
        )
    return reshape_to(mask, shape=(1, 1, *expected) if mask.ndim == 2 else (n, heads, length, keys))


def _with_padding(mask: Any, padding: Any, n: int, keys: int) -> Any:
    if padding is None:
        return mask
    for axis, (size, what) in enumerate(((n, "sequences"), (keys, "keys"))):
        if padding.shape[axis] != size:
            raise AssertionError(
                f"{NAME}: Expected key_padding_mask.shape[{axis}] to be {size}, but got {padding.shape[axis]}: there "
                f"are {size} {what}."
            )
    padding = reshape_to(padding, shape=(n, 1, 1, keys))
    return padding if mask is None else mask + padding


# --- checks of shapes, with PyTorch's exception class


def _check_axes(query: Any, key: Any, value: Any, padding: Any, attn_mask: Any, heads: int) -> bool:
    """Whether there is a batch axis."""
    if query.ndim not in (2, 3):
        raise AssertionError(
            f"{NAME}: query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query tensor"
        )
    n, kind = query.ndim, "batched (3-D)" if query.ndim == 3 else "unbatched (2-D)"
    if key.ndim != n or value.ndim != n:
        raise AssertionError(
            f"{NAME}: For {kind} `query`, expected `key` and `value` to be {n}-D but found {key.ndim}-D and "
            f"{value.ndim}-D tensors respectively"
        )
    if padding is not None and padding.ndim != n - 1:
        raise AssertionError(
            f"{NAME}: For {kind} `query`, expected `key_padding_mask` to be `None` or {n - 1}-D but found "
            f"{padding.ndim}-D tensor instead"
        )
    if attn_mask is not None and attn_mask.ndim not in (2, 3):
        raise AssertionError(
            f"{NAME}: For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.ndim}-D "
            "tensor instead"
        )
    if attn_mask is not None and n == 2 and attn_mask.ndim == 3:
        expected = (heads, query.shape[0], key.shape[0])
        if tuple(attn_mask.shape) != expected:
            raise AssertionError(
                f"{NAME}: Expected `attn_mask` shape to be {expected} but got {tuple(attn_mask.shape)}"
            )
    return bool(n == 3)


def _check_lengths(query: Any, key: Any, value: Any, embed_dim: int, heads: int, weight: Any, separate: Any) -> None:
    E = query.shape[-1]
    if embed_dim != E:
        raise AssertionError(f"{NAME}: was expecting embedding dimension of {embed_dim}, but got {E}")
    if E % heads:
        raise AssertionError(f"{NAME}: embed_dim {E} not divisible by num_heads {heads}")
    if separate is None:
        if weight is None:
            raise AssertionError(f"{NAME}: use_separate_proj_weight is False but in_proj_weight is None")
        if key.shape != value.shape:
            raise AssertionError(
                f"{NAME}: key shape {tuple(key.shape)} does not match value shape {tuple(value.shape)}"
            )
        return
    if key.shape[:2] != value.shape[:2]:
        raise AssertionError(
            f"{NAME}: key's sequence and batch dims {tuple(key.shape[:2])} do not match value's "
            f"{tuple(value.shape[:2])}"
        )
    for word, x, W in zip("qkv", (query, key, value), separate, strict=True):
        if W is None:
            raise AssertionError(f"{NAME}: use_separate_proj_weight is True but {word}_proj_weight is None")
        if tuple(W.shape) != (E, x.shape[-1]):
            raise AssertionError(
                f"{NAME}: expecting {word}_proj_weight of shape {(E, x.shape[-1])}, but got {tuple(W.shape)}"
            )
