"""RNN, LSTM and GRU, as stacks of layers over a sequence and as single cells.

nn follows PyTorch: samples are rows; a sequence is (T, m, n_in), or (m, T, n_in) with batch_first,
or without samples (T, n_in). A layer's parameters are weight_ih_l0 (gates n, n_in), weight_hh_l0
(gates n, n), bias_ih_l0, bias_hh_l0, and with `_reverse` behind the name those of the other direction.

What is computed is in ops/recurrent.py and ops/lstm.py.
"""

from __future__ import annotations

import math
import numbers
import warnings
from typing import Any

from ..core.errors import ShapeError
from ..core.tensor import Tensor
from ..ops import recurrent
from ..ops.creation import empty, zeros
from ..ops.gathering import index_select
from ..ops.shape import unsqueeze
from . import init
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class RNNBase(Module):
    """What RNN, LSTM and GRU share: the parameters, their names and their order, and the checks.

    Args:
        mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU".
        input_size: n_in, the features of the input at each step.
        hidden_size: n, the features of the state.
        num_layers: layers, each on the outputs of the one before.
        bias: False leaves both biases out.
        batch_first: sequences are (m, T, n_in) instead of (T, m, n_in); states are not affected.
        dropout: the probability of dropout on the outputs of each layer but the last, in training.
        bidirectional: a second set of weights reads the sequence from its end; outputs have 2 n features.
        proj_size: p, of an LSTM alone: its outputs and h are projected to p features.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if not isinstance(dropout, numbers.Number) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(
                f"dropout should be a number in range [0, 1] representing the probability of an element being zeroed, "
                f"not {dropout!r}."
            )
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={num_layers}",
                stacklevel=3,
            )
        for name, flag in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(flag, bool):
                raise TypeError(f"{name} should be of type bool, got: {type(flag).__name__}")
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if not isinstance(size, int):
                raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
            if size <= 0:
                raise ValueError(f"{name} must be greater than zero, got {size}")
        if num_layers <= 0:
            raise ValueError(f"num_layers must be greater than zero, got {num_layers}")
        if proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if proj_size >= hidden_size:
            raise ValueError(f"proj_size has to be smaller than hidden_size, got {proj_size} and {hidden_size}")
        if mode not in _GATES:
            raise ValueError(f"Unrecognized RNN mode: {mode}")
        self.mode = mode
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        self._all_weights: list[list[str]] = []  # names, by layer and direction
        for layer in range(num_layers):
            for suffix in ("", "_reverse") if bidirectional else ("",):
                shapes = self._shapes(layer)
                names = [f"{what}_l{layer}{suffix}" for what in shapes]
                for name, shape in zip(names, shapes.values(), strict=True):
                    setattr(self, name, Parameter(empty(shape, device=device, dtype=dtype)))
                self._all_weights.append(names)
        self.reset_parameters()

    def _shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        """The parameters of one layer in one direction, in PyTorch's order."""
        n, out = self.hidden_size, self._out
        n_in = out * self._directions if layer else self.input_size
        rows = _GATES[self.mode] * n
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, n_in), "weight_hh": (rows, out)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, n)
        return shapes

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _out(self) -> int:
        """The features of h."""
        return self.proj_size or self.hidden_size

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters, one list per layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Nothing: there is no faster layout to bring the parameters into."""

    def reset_parameters(self) -> None:
        """Draw all anew, uniform within 1/sqrt(hidden_size): PyTorch's numbers from the seed."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _run(self, function: Any, input: Any, states: tuple[Any, ...] | None, sizes: tuple[int, ...]) -> Any:
        """Check, add what is missing, compute, and take away what was added. `sizes`: features of each state."""
        kind = self._get_name()
        if isinstance(input, PackedSequence):
            return self._run_packed(input, states, sizes)
        if not isinstance(input, Tensor):
            raise TypeError(f"{kind}: the input must be a Tensor or a PackedSequence, not {type(input).__name__}.")
        if input.ndim not in (2, 3):
            raise ValueError(f"{kind}: Expected input to be 2D or 3D, got {input.ndim}D instead")
        self._check_input(input)
        batched = input.ndim == 3
        axis = 0 if self.batch_first else 1
        self._check_states(input, states, sizes, input.shape[0 if self.batch_first else 1] if batched else None)
        X = input if batched else unsqueeze(input, axis)
        layers = self.num_layers * self._directions
        if states is None:
            began = tuple(zeros(layers, X.shape[axis], n, dtype=input.dtype) for n in sizes)
        else:
            began = states if batched else tuple(unsqueeze(s, 1) for s in states)
        weights = [w for ws in self.all_weights for w in ws]
        output, *ends = function(
            X, began if len(sizes) > 1 else began[0], weights, self.bias, self.num_layers, self.dropout, self.training,
            self.bidirectional, self.batch_first,
        )  # fmt: skip
        return (output, *ends) if batched else (output.squeeze(axis), *(s.squeeze(1) for s in ends))

    def _run_packed(self, input: PackedSequence, states: tuple[Any, ...] | None, sizes: tuple[int, ...]) -> Any:
        """The same of packed sequences; states and ends are in the order of the caller's samples."""
        self._check_input(input.data)
        packing, order, back = input.packing, input.sorted_indices, input.unsorted_indices
        layers = self.num_layers * self._directions
        if states is None:
            states = tuple(zeros(layers, packing.m, n, dtype=input.data.dtype) for n in sizes)
        else:
            self._check_states(input.data, states, sizes, packing.m)
            if order is not None:
                states = tuple(index_select(s, 1, order) for s in states)
        weights = [w for ws in self.all_weights for w in ws]
        rows, *ends = recurrent.packed(
            self.mode, input.data, packing, states, weights, self.bias, self.num_layers, self.dropout, self.training,
            self.bidirectional,
        )  # fmt: skip
        return input.with_data(rows), *(ends if back is None else [index_select(s, 1, back) for s in ends])

    def _check_input(self, input: Any) -> None:
        dtype = self.all_weights[0][0].dtype
        if input.dtype != dtype:
            raise ValueError(
                f"{self._get_name()}: RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}). "
                f"Convert the input, input.to({dtype}), or the model."
            )
        if input.shape[-1] != self.input_size:
            order = "(m, T, input_size)" if self.batch_first else "(T, m, input_size)"
            raise ShapeError(
                f"{self._get_name()}: input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                f"{input.shape[-1]}: the input has shape {tuple(input.shape)}, which is read as {order}."
            )

    def _check_states(
        self, input: Any, states: tuple[Any, ...] | None, sizes: tuple[int, ...], samples: int | None
    ) -> None:
        wanted = 2 if samples is None else 3
        layers = self.num_layers * self._directions
        for k, (state, n) in enumerate(zip(states or (), sizes, strict=False)):
            name, part = ("hx", "cx")[k], "hidden" if len(sizes) == 1 else f"hidden[{k}]"
            if state.ndim != wanted:
                words = "unbatched 2-D" if samples is None else "batched 3-D"
                raise ShapeError(
                    f"{self._get_name()}: For {words} input, {name} should also be {wanted}-D but got {state.ndim}-D "
                    f"tensor {tuple(state.shape)}."
                )
            expected = (layers, *(() if samples is None else (samples,)), n)
            if tuple(state.shape) != expected:
                raise ShapeError(
                    f"{self._get_name()}: Expected {part} size {expected}, got {list(state.shape)}: (num_layers * "
                    "directions, samples, features), also with batch_first."
                )
            if state.dtype != input.dtype:
                raise ValueError(f"{self._get_name()}: {name} is {state.dtype}, the input {input.dtype}.")

    def extra_repr(self) -> str:
        """The sizes, and what differs from the defaults."""
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0}
        for name, default in {**defaults, "bidirectional": False}.items():
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)}"
        return text


class RNN(RNNBase):
    """Elman's network: h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu, over a sequence, in layers.

    Args:
        nonlinearity: "tanh" or "relu"; the fourth argument, behind num_layers. For the others see RNNBase.

    >>> from tinygrad_edu import nn, zeros
    >>> output, h = nn.RNN(3, 4)(zeros(5, 2, 3))
    >>> tuple(output.shape), tuple(h.shape)
    ((5, 2, 4), (1, 2, 4))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        nonlinearity = args[3] if len(args) > 3 else kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(f"RNN_{nonlinearity.upper()}", *args[:3], *args[4:], **kwargs)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """The outputs of the last layer at every step, and the state behind the last step."""
        function = recurrent.rnn_tanh if self.mode == "RNN_TANH" else recurrent.rnn_relu
        output, h = self._run(function, input, None if hx is None else (hx,), (self.hidden_size,))
        return output, h


class GRU(RNNBase):
    """Gated recurrent units (Cho et al. 2014) over a sequence, in layers. For the arguments see RNNBase.

    >>> from tinygrad_edu import nn, zeros
    >>> output, h = nn.GRU(3, 4, bidirectional=True)(zeros(5, 2, 3))
    >>> tuple(output.shape), tuple(h.shape)
    ((5, 2, 8), (2, 2, 4))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """The outputs of the last layer at every step, and the state behind the last step."""
        output, h = self._run(recurrent.gru, input, None if hx is None else (hx,), (self.hidden_size,))
        return output, h


class LSTM(RNNBase):
    """Long short-term memory over a sequence, in layers. For the arguments see RNNBase.

    >>> from tinygrad_edu import nn, zeros
    >>> output, (h, c) = nn.LSTM(3, 4, num_layers=2)(zeros(5, 2, 3))
    >>> tuple(output.shape), tuple(h.shape), tuple(c.shape)
    ((5, 2, 4), (2, 2, 4), (2, 2, 4))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, tuple[Any, Any]]:
        """The outputs of the last layer at every step, and (h, c) behind the last step."""
        if hx is not None and (isinstance(hx, Tensor) or len(hx) != 2):
            raise RuntimeError("LSTM: hx must be a pair, (h_0, c_0).")
        output, h, c = self._run(
            recurrent.lstm, input, None if hx is None else tuple(hx), (self._out, self.hidden_size)
        )
        return output, (h, c)


class RNNCellBase(Module):
    """What the cells share: weight_ih (gates n, n_in), weight_hh (gates n, n), bias_ih, bias_hh."""

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(empty(rows, input_size, device=device, dtype=dtype))
        self.weight_hh = Parameter(empty(rows, hidden_size, device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(empty(rows, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all anew, uniform within 1/sqrt(hidden_size): PyTorch's numbers from the seed."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0.0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _step(self, function: Any, input: Any, states: tuple[Any, ...] | None, count: int) -> tuple[Any, ...]:
        """One step; a sample alone is taken as one row. `count`: how many parts the state has."""
        kind = self._get_name()
        if input.ndim not in (1, 2):
            raise ValueError(f"{kind}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        for k, state in enumerate(states or ()):
            if state.ndim not in (1, 2):
                what = "hidden" if count == 1 else f"hx[{k}]"
                raise ValueError(f"{kind}: Expected {what} to be 1D or 2D, got {state.ndim}D instead")
        alone = input.ndim == 1
        X = unsqueeze(input, 0) if alone else input
        if states is None:
            states = (zeros(X.shape[0], self.hidden_size, dtype=input.dtype),) * count
        elif alone:
            if any(s.ndim == 2 for s in states):
                raise ShapeError(
                    f"{kind}: the input {tuple(input.shape)} is one sample, so hx has one axis too, not 2."
                )
            states = tuple(unsqueeze(s, 0) for s in states)
        result = function(
            X, states if count > 1 else states[0], self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        )
        results = result if count > 1 else (result,)
        return tuple(s.squeeze(0) for s in results) if alone else tuple(results)

    def extra_repr(self) -> str:
        """The sizes, and what differs from the defaults."""
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        return text if nonlinearity == "tanh" else f"{text}, nonlinearity={nonlinearity}"


class RNNCell(RNNCellBase):
    """One step of Elman's network: h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu.

    >>> from tinygrad_edu import nn, zeros
    >>> tuple(nn.RNNCell(3, 4)(zeros(2, 3)).shape)
    (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The next state, (m, n); hx defaults to zeros."""
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"RNNCell: Unknown nonlinearity: {self.nonlinearity}; use 'tanh' or 'relu'.")
        function = recurrent.rnn_tanh_cell if self.nonlinearity == "tanh" else recurrent.rnn_relu_cell
        return self._step(function, input, None if hx is None else (hx,), 1)[0]


class GRUCell(RNNCellBase):
    """One step of a gated recurrent unit: h' = (1 - z) n + z h.

    >>> from tinygrad_edu import nn, zeros
    >>> tuple(nn.GRUCell(3, 4)(zeros(2, 3)).shape)
    (2, 4)
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The next state, (m, n); hx defaults to zeros."""
        return self._step(recurrent.gru_cell, input, None if hx is None else (hx,), 1)[0]


class LSTMCell(RNNCellBase):
    """One step of an LSTM: c' = f c + i g, h' = o tanh(c').

    >>> from tinygrad_edu import nn, zeros
    >>> h, c = nn.LSTMCell(3, 4)(zeros(2, 3))
    >>> tuple(h.shape), tuple(c.shape)
    ((2, 4), (2, 4))
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """The next (h, c), each (m, n); hx defaults to zeros."""
        h, c = self._step(recurrent.lstm_cell, input, None if hx is None else tuple(hx), 2)
        return h, c
