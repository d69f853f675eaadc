"""Recurrent cells, and stacks of recurrent layers: torch.lstm_cell, torch.lstm and their like.

Samples are rows here, x (m, n_in), and a sequence is (T, m, n_in), or (m, T, n_in) with batch_first.
A layer's weights are those of its gates below one another: w_ih (gates n, n_in), w_hh (gates n, n).

A cell is composed of public functions, so that its formula is read off the graph; a layer of RNN is a
loop over cells whose input parts are computed in one product. For the others see ops/lstm.py and gru.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.errors import ShapeError
from ..core.tensor import Tensor
from .activation import relu, sigmoid, tanh
from .dropout import dropout as random_dropout
from .gru import gru_steps
from .indexing import getitem
from .joining import cat, stack
from .linalg import affine
from .lstm import lstm_steps
from .packing import Packing
from .public import public
from .shape import transpose
from .slicing import chunk, unbind

Step = Callable[..., tuple[Any, ...]]
Layer = Callable[..., tuple[Any, tuple[Any, ...]]]


def _linear(X: Any, W: Any, b: Any) -> Any:
    return affine(X, W) if b is None else affine(X, W, b)


# --- one step, from the input's part of the gates


def _simple_step(activation: Any) -> Step:
    def step(G: Any, state: tuple[Any, ...], w_hh: Any, b_hh: Any = None) -> tuple[Any, ...]:
        return (activation(G + _linear(state[0], w_hh, b_hh)),)

    return step


def _gru_step(G: Any, state: tuple[Any, ...], w_hh: Any, b_hh: Any = None) -> tuple[Any, ...]:
    """The reset gate r acts on the state's part of the candidate n, behind the product with w_hh."""
    (h,) = state
    r_x, z_x, n_x = chunk(G, 3, dim=1)
    r_h, z_h, n_h = chunk(_linear(h, w_hh, b_hh), 3, dim=1)
    r = sigmoid(r_x + r_h)
    z = sigmoid(z_x + z_h)
    n = tanh(n_x + r * n_h)
    return (n + z * (h - n),)


def _lstm_step(G: Any, state: tuple[Any, ...], w_hh: Any, b_hh: Any = None, w_hr: Any = None) -> tuple[Any, ...]:
    h, c = state
    i, f, g, o = chunk(G + _linear(h, w_hh, b_hh), 4, dim=1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return (h if w_hr is None else affine(h, w_hr)), c


# --- cells


@public("rnn_tanh_cell", as_method=False)
def rnn_tanh_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """h' = tanh(w_ih x + b_ih + w_hh h + b_hh): input (m, n_in), hx (m, n)."""
    return _cell("rnn_tanh_cell", _simple_step(tanh), input, (hx,), 1, w_ih, w_hh, b_ih, b_hh)[0]


@public("rnn_relu_cell", as_method=False)
def rnn_relu_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """h' = relu(w_ih x + b_ih + w_hh h + b_hh): input (m, n_in), hx (m, n)."""
    return _cell("rnn_relu_cell", _simple_step(relu), input, (hx,), 1, w_ih, w_hh, b_ih, b_hh)[0]


@public("gru_cell", as_method=False)
def gru_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """One step of a gated recurrent unit: h' = (1 - z) n + z h. Source: Cho et al. (2014)."""
    return _cell("gru_cell", _gru_step, input, (hx,), 3, w_ih, w_hh, b_ih, b_hh)[0]


@public("lstm_cell", as_method=False)
def lstm_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """One step of an LSTM: (h', c') from hx = (h, c), with c' = f c + i g and h' = o tanh(c')."""
    if len(hx) != 2:
        raise RuntimeError(f"lstm_cell: expects two hidden states, h and c, got {len(hx)}.")
    return _cell("lstm_cell", _lstm_step, input, tuple(hx), 4, w_ih, w_hh, b_ih, b_hh)


def _cell(
    name: str, step: Step, input: Any, state: tuple[Any, ...], gates: int, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any
) -> Any:
    if input.ndim != 2 or input.shape[1] != w_ih.shape[1]:
        raise ShapeError(
            f"{name}: input has inconsistent input_size: expected (m, {w_ih.shape[1]}), got {tuple(input.shape)}. "
            "Rows are samples here."
        )
    n = w_hh.shape[1]
    for k, x in enumerate(state):
        if tuple(x.shape) != (input.shape[0], n):
            raise ShapeError(
                f"{name}: hidden{k} has inconsistent hidden_size or batch size: got {tuple(x.shape)}, expected "
                f"{(input.shape[0], n)}, one row per sample of the input {tuple(input.shape)}."
            )
    if w_ih.shape[0] != gates * n or w_hh.shape[0] != gates * n:
        raise ShapeError(
            f"{name}: w_ih {tuple(w_ih.shape)} and w_hh {tuple(w_hh.shape)} must have {gates * n} rows, "
            f"{gates} times hidden_size {n}."
        )
    return step(_linear(input, w_ih, b_ih), state, w_hh, b_hh)


# --- a layer, in one direction: X (T, m, n_in) and state to the outputs (T, m, n) and the last state


def _turning(layer: Layer) -> Layer:
    """A layer whose padded sequences, read from their ends, are turned instead: what lies behind stays behind."""

    def whole(
        X: Any, state: tuple[Any, ...], weights: Sequence[Any], reverse: bool, packing: Packing | None = None
    ) -> tuple[Any, tuple[Any, ...]]:
        if packing is None or not reverse:
            return layer(X, state, weights, reverse, packing)
        H, final = layer(packing.turn(X), state, weights, False, packing)
        return packing.turn(H), final

    return whole


def _loop(step: Step) -> Layer:
    """A layer as a loop over steps; the input's part of all of them is one product."""

    @_turning
    def layer(
        X: Any, state: tuple[Any, ...], weights: Sequence[Any], reverse: bool, packing: Packing | None = None
    ) -> tuple[Any, tuple[Any, ...]]:
        w_ih, w_hh, b_ih, b_hh, *rest = weights
        steps = unbind(_linear(X, w_ih, b_ih))
        states = []
        for g in reversed(steps) if reverse else steps:
            state = step(g, state, w_hh, b_hh, *rest)
            states.append(state)
        outputs = stack([s[0] for s in (states[::-1] if reverse else states)])
        if packing is None:
            return outputs, state
        return outputs, (
            packing.last(outputs),
            *(packing.last(stack(part)) for part in [*zip(*states, strict=True)][1:]),
        )

    return layer


@_turning
def _gru_layer(
    X: Any, state: tuple[Any, ...], weights: Sequence[Any], reverse: bool, packing: Packing | None = None
) -> tuple[Any, tuple[Any, ...]]:
    w_ih, w_hh, *biases = weights
    H, _ = gru_steps(X, w_ih, w_hh, *state, *(b for b in biases if b is not None), reverse=reverse)
    return H, ((getitem(H, key=(0 if reverse else -1, ...)) if packing is None else packing.last(H)),)


@_turning
def _lstm_layer(
    X: Any, state: tuple[Any, ...], weights: Sequence[Any], reverse: bool, packing: Packing | None = None
) -> tuple[Any, tuple[Any, ...]]:
    w_ih, w_hh, b_ih, b_hh, *projection = weights
    if projection:
        return _loop(_lstm_step)(X, state, weights, reverse, packing)
    biases = [b for b in (b_ih, b_hh) if b is not None]
    H, C, _ = lstm_steps(X, w_ih, w_hh, *state, *([biases[0] + biases[1]] if biases else []), reverse=reverse)
    if packing is not None:
        return H, (packing.last(H), packing.last(transpose(C, 1, 2)))
    last = 0 if reverse else -1
    return H, (getitem(H, key=(last, ...)), transpose(getitem(C, key=(last, ...)), 0, 1))


# --- stacks of layers

LAYERS: dict[str, Layer] = {  # by the mode of nn.RNNBase
    "RNN_TANH": _loop(_simple_step(tanh)),
    "RNN_RELU": _loop(_simple_step(relu)),
    "GRU": _gru_layer,
    "LSTM": _lstm_layer,
}


def _stacked(
    name: str,
    layer: Layer,
    input: Any,
    state: tuple[Any, ...],
    params: Sequence[Any],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    packing: Packing | None = None,
) -> tuple[Any, ...]:
    """All layers in both directions: the outputs, then each part of the state behind the last step.

    The state's parts are (num_layers * directions, m, n), forward and backward of a layer side by side.
    With `packing` the sequences are padded: a state is that behind each one's own end.
    """
    directions = 2 if bidirectional else 1
    count = len(params) // (num_layers * directions)  # weights of one layer in one direction
    if input.ndim != 3:
        raise ShapeError(f"{name}: input must have 3 dimensions, got {input.ndim}: {tuple(input.shape)}.")
    if input.shape[1 if batch_first else 0] == 0:
        raise RuntimeError(f"{name}: Expected sequence length to be larger than 0 in RNN, got {tuple(input.shape)}.")
    X = transpose(input, 0, 1) if batch_first else input
    finals: list[tuple[Any, ...]] = []
    for number in range(num_layers):
        if number and dropout and train:
            # of packed sequences the rows, so that the mask is PyTorch's
            X = random_dropout(X, dropout, train) if packing is None else _drop_rows(X, dropout, packing)
        outputs = []
        for direction in range(directions):
            k = number * directions + direction
            weights = list(params[k * count : (k + 1) * count])
            if not has_biases:
                weights[2:2] = [None, None]
            began = tuple(getitem(part, key=(k, ...)) for part in state)
            Y, final = layer(X, began, weights, direction == 1, packing)
            outputs.append(Y)
            finals.append(final)
        X = outputs[0] if directions == 1 else cat(outputs, dim=2)
    ends = tuple(stack(parts) for parts in zip(*finals, strict=True))
    return (transpose(X, 0, 1) if batch_first else X), *ends


def _drop_rows(X: Any, dropout: float, packing: Packing) -> Any:
    return packing.pad(random_dropout(packing.pack(X), dropout, True))


def _single(name: str, layer: Layer, input: Any, hx: Any, *rest: Any) -> tuple[Any, Any]:
    """A stack whose state has one part."""
    output, h = _stacked(name, layer, input, (hx,), *rest)
    return output, h


@public("rnn_tanh", as_method=False)
def rnn_tanh(
    input: Tensor, hx: Tensor, params: Sequence[Tensor], has_biases: bool, num_layers: int, dropout: float,
    train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[Any, Any]:  # fmt: skip
    """Layers of rnn_tanh_cell over a sequence: the outputs, and the state behind the last step."""
    rest = params, has_biases, num_layers, dropout, train, bidirectional, batch_first
    return _single("rnn_tanh", LAYERS["RNN_TANH"], input, hx, *rest)


@public("rnn_relu", as_method=False)
def rnn_relu(
    input: Tensor, hx: Tensor, params: Sequence[Tensor], has_biases: bool, num_layers: int, dropout: float,
    train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[Any, Any]:  # fmt: skip
    """Layers of rnn_relu_cell over a sequence: the outputs, and the state behind the last step."""
    rest = params, has_biases, num_layers, dropout, train, bidirectional, batch_first
    return _single("rnn_relu", LAYERS["RNN_RELU"], input, hx, *rest)


@public("gru", as_method=False)
def gru(
    input: Tensor, hx: Tensor, params: Sequence[Tensor], has_biases: bool, num_layers: int, dropout: float,
    train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[Any, Any]:  # fmt: skip
    """Layers of gru_cell over a sequence: the outputs, and the state behind the last step."""
    rest = params, has_biases, num_layers, dropout, train, bidirectional, batch_first
    return _single("gru", LAYERS["GRU"], input, hx, *rest)


@public("lstm", as_method=False)
def lstm(
    input: Tensor, hx: Sequence[Tensor], params: Sequence[Tensor], has_biases: bool, num_layers: int, dropout: float,
    train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Layers of lstm_cell over a sequence, from hx = (h, c): the outputs, and h and c behind the last step.

    With a fifth weight per layer, w_hr (p, n), the state h is projected to p features after each step.
    """
    rest = params, has_biases, num_layers, dropout, train, bidirectional, batch_first
    output, h, c = _stacked("lstm", LAYERS["LSTM"], input, tuple(hx), *rest)
    return output, h, c


def packed(
    mode: str, rows: Any, packing: Packing, state: tuple[Any, ...], params: Sequence[Any], has_biases: bool,
    num_layers: int, dropout: float, train: bool, bidirectional: bool,
) -> tuple[Any, ...]:  # fmt: skip
    """Layers over packed sequences: the outputs' rows, and each part of the state behind each one's own end.

    They are padded for it: one product for all samples of a step costs less than leaving some out.
    """
    rest = params, has_biases, num_layers, dropout, train, bidirectional, False
    X, *ends = _stacked(mode.lower(), LAYERS[mode], packing.pad(rows), state, *rest, packing)
    return packing.pack(X), *ends
