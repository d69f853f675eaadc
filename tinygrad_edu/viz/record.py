"""`viz.record`: chosen steps of a training run, kept for a page on which they can be scrubbed over.

    run = viz.record(model, every=50, inputs=X, labels=Y)
    for _ in range(2000):
        ...
        loss.backward()
        optimizer.step()
        run.step(loss)
    run.save("training.html")

The run itself is not disturbed: the model is asked in evaluation mode, the default generator goes on from
where it was, and nothing that the model holds is written; its hooks, if it has some, run. Which units are
saturated is read off the graph of that forward pass: the rule of each activation, handed ones, is its slope.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.kept import kept_values
from ..core.mode import mode
from ..core.record import Record
from ..core.tensor import Tensor, record_of
from ..nn.module import Module
from ..ops.generator import get_rng_state, set_rng_state
from ..symbolic.derive import topological
from ..symbolic.naming import Names
from .frame import Framed

Array = np.ndarray[Any, Any]

INPUTS = 1000  # of more, evenly spaced ones are asked at every recorded step
CELLS = 48  # rows and columns of the picture of the plane
CONFIDENCE = 8  # steps from one class of two to the other
CLASSES = 10  # that the plane can show
FLAT = 0.05  # a unit is saturated where its slope is less than this part of the activation's steepest
STEEPEST = {"sigmoid": 0.25, "hard_sigmoid": 1 / 6}  # others: 1, or little more
ACTIVATIONS = {
    "relu", "tanh", "sigmoid", "hard_tanh", "hard_sigmoid", "hard_swish", "exponential_unit", "gelu_exact",
    "gelu_by_tanh", "silu_of", "mish_of", "softsign_of", "soft_plus",
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """What one recorded step looked like; None where it could not be had."""

    step: int
    loss: float
    norms: dict[str, float | None]  # per layer: the gradient's length
    units: dict[str, Array]  # per activation: for each unit the share of the inputs at which it is saturated
    right: float | None  # the share of the inputs whose class was found
    plane: Array | None  # (CELLS, CELLS), upper row first: the class, or of two how sure it is, 0 to CONFIDENCE - 1


def record(
    model: Module | Mapping[str, Tensor] | Iterable[Tensor],
    *,
    every: int = 10,
    inputs: Any = None,
    labels: Any = None,
    predict: Callable[[Tensor], Tensor] | None = None,
) -> Training:
    """Keep the first, every so many-th and the last step of a training run; call its `.step(loss)` in the loop.

    Args:
        model: a module, or the parameters, with names or by names: W1 and b1 make a layer.
        every: steps from one that is kept to the next. The loss is kept at every step.
        inputs: what the model is asked at every kept step; with two features per sample the plane is drawn. Rows are
            samples, or columns where the labels, or two rows of features, say so.
        labels: a class per input: its number, one-hot, 0 and 1, or -1 and 1; other targets are not compared.
        predict: from inputs to scores; default: the model. Of one score per sample 0 parts the classes, or 1/2 if
            it comes from a sigmoid; of several the largest is the class.

    >>> from tinygrad_edu import nn, tensor
    >>> model, x = nn.Linear(2, 1), tensor([[0.0, 1.0], [1.0, 0.0]])
    >>> run = record(model, every=2, inputs=x, labels=[0, 1])
    >>> for _ in range(4):
    ...     loss = model(x).square().mean()
    ...     loss.backward()
    ...     run.step(loss)
    >>> run
    <Training of 4 steps, 2 of them kept: .save("training.html")>
    """
    return Training(model, every, inputs, labels, predict)


class Training(Framed):
    """The kept steps of a run: `.losses`, `.looks`, `.html`, `.save(path)`; notebooks show the page in a frame."""

    title = "Training"

    def __init__(self, model: Any, every: int, inputs: Any, labels: Any, predict: Any) -> None:
        if not isinstance(every, int) or every < 1:
            raise ValueError(f"record: every is a number of steps, at least 1, not {every!r}.")
        self.every = every
        self.losses: list[float] = []
        self.looks: list[Look] = []
        self.asked = 0  # inputs of which only some are asked; 0: all are
        self._modules = list(model.modules()) if isinstance(model, Module) else []
        self._layers = _layers(model)
        if not self._layers:
            raise ValueError("record: the model has no parameters that require a gradient.")
        self._ask = predict if predict is not None else model if isinstance(model, Module) else None
        self.inputs: Tensor | None = None
        self.classes: Array | None = None  # per input
        self.columns = False  # samples are columns
        self._compares = True  # scores are about classes; not so if the labels are none
        self._chance = False  # a score is a probability already
        self.graded = False  # the plane says how sure the model is, not only which class
        self._norms: dict[str, float | None] = {}  # at the last step: later its gradients may be gone
        self._names: list[str] = []  # of the activations
        if inputs is None and labels is not None:
            raise ValueError("record: labels need inputs=, what they are the classes of.")
        if inputs is not None:
            if self._ask is None:
                raise ValueError("record: inputs need predict=, a function from them to scores, or a module as model.")
            self._take(inputs, labels)

    def step(self, loss: Any) -> None:
        """Note a step of the run: after `backward()`, before the gradients are zeroed for the next one."""
        self.losses.append(float(loss.detach()) if isinstance(loss, Tensor) else float(loss))
        self._norms = {label: _norm(parameters) for label, parameters in self._layers.items()}
        if (len(self.losses) - 1) % self.every == 0:
            self.looks.append(self._look())

    def finish(self) -> None:
        """Keep the last step, if it is not kept already; a page does so by itself."""
        if not self.losses:
            raise ValueError("record: no step was recorded; call .step(loss) in the training loop.")
        if self.looks[-1].step != len(self.losses) - 1:
            self.looks.append(self._look())

    @property
    def html(self) -> str:
        """The page, with what has been recorded until now."""
        from .training import page

        return page(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page, all of it or nothing."""
        super().save(path)

    def __len__(self) -> int:
        return len(self.losses)

    def __repr__(self) -> str:
        return f'<Training of {len(self)} steps, {len(self.looks)} of them kept: .save("training.html")>'

    # --- what it is asked about

    def _take(self, inputs: Any, labels: Any) -> None:
        X = np.array(inputs.detach().numpy() if isinstance(inputs, Tensor) else inputs)
        if not isinstance(inputs, Tensor) and X.dtype.kind == "f":
            X = X.astype(next(p.dtype for ps in self._layers.values() for p in ps))
        Y = None if labels is None else np.asarray(labels.detach().numpy() if isinstance(labels, Tensor) else labels)
        if X.ndim == 2:
            self.columns = _in_columns(X.shape, Y)
        count = X.shape[-1 if self.columns else 0] if X.ndim else 0
        if not count:
            raise ValueError(f"record: inputs of shape {X.shape} hold no sample.")
        if Y is not None and Y.ndim == 2 and Y.size != count == Y.shape[-1 if self.columns else 0]:
            Y = _from_one_hot(Y.T if self.columns else Y)
        if Y is not None and Y.size != count:
            raise ValueError(f"record: one label per input is expected; inputs {X.shape}, labels {Y.shape}.")
        if count > INPUTS:
            self.asked = INPUTS
            some = np.linspace(0, count - 1, INPUTS).astype(int)
            X = X[:, some] if self.columns else X[some]
            Y = None if Y is None else Y.ravel()[some]
        self.inputs = Tensor(X)
        if Y is not None:
            self.classes = _classes(Y.ravel())
            self._compares = self.classes is not None

    @property
    def points(self) -> Array | None:
        """The inputs as rows of two numbers, if that is what they are."""
        if self.inputs is None or self.inputs.ndim != 2 or self.inputs.dtype.kind != "f":
            return None
        X = self.inputs.numpy()
        X = X.T if self.columns else X
        return X if X.shape[1] == 2 and len(X) and np.isfinite(X).all() else None

    def bounds(self) -> tuple[Array, Array]:
        """The corners of the plane that is drawn: the points with a margin."""
        points = self.points
        assert points is not None
        low, high = points.min(0).astype(float), points.max(0).astype(float)
        margin = np.maximum(0.08 * (high - low), 1e-6 + 1e-3 * np.abs(high))
        return low - margin, high + margin

    # --- a look

    def _look(self) -> Look:
        units: dict[str, Array] = {}
        right = plane = None
        if self.inputs is not None and self._ask is not None:
            with _undisturbed(self._modules):
                mode.grad = mode.keep = True
                out = self._scores(self.inputs)
                self._chance = _is_chance(out)
                units = self._saturated(out)
                mode.grad = mode.keep = False
                said = self._said(out)
                if said is not None and self.classes is not None:
                    right = float(np.mean(_class_of(said) == self.classes))
                if said is not None and self.points is not None and said.max() < CLASSES:
                    plane = self._plane()
                    self.graded = said.dtype.kind == "f"
        return Look(len(self.losses) - 1, self.losses[-1], self._norms, units, right, plane)

    def _scores(self, X: Tensor) -> Tensor:
        assert self._ask is not None
        out = self._ask(X)
        if not isinstance(out, Tensor):
            raise TypeError(f"record: the model gave no tensor but {type(out).__name__}; pass predict=.")
        return out

    def _said(self, out: Tensor) -> Array | None:
        """What the scores say of each sample: the class, or of two how likely the second is (a float)."""
        A = out.detach().numpy().astype(float)
        A = A[:, None] if A.ndim == 1 else A.T if self.columns else A
        if A.ndim != 2 or not A.shape[1] or not self._compares:
            return None
        if A.shape[1] > 1:
            best: Array = A.argmax(1)
            return best
        if self.classes is not None and self.classes.max() > 1:
            return None
        with np.errstate(all="ignore"):
            likely: Array = A[:, 0] if self._chance else 1 / (1 + np.exp(-A[:, 0]))
        return likely

    def _plane(self) -> Array:
        low, high = self.bounds()
        across, up = np.meshgrid(*(np.linspace(a, b, 2 * CELLS + 1)[1::2] for a, b in zip(low, high, strict=True)))
        grid = np.stack([across.ravel(), up[::-1].ravel()], axis=1)  # the middles of the cells
        assert self.inputs is not None
        grid = grid.astype(self.inputs.dtype)
        said = self._said(self._scores(Tensor(np.ascontiguousarray(grid.T) if self.columns else grid)))
        assert said is not None
        if said.dtype.kind == "f":
            said = np.clip(np.nan_to_num(said, nan=0.5) * CONFIDENCE, 0, CONFIDENCE - 1)
        return said.astype(np.int8).reshape(CELLS, CELLS)

    def _saturated(self, out: Tensor) -> dict[str, Array]:
        """Per activation and unit the share of the inputs at which the slope is almost 0."""
        assert self.inputs is not None
        if not out.requires_grad:
            return {}
        total = record_of(out.sum())
        order = topological(total)
        values = kept_values(order)
        samples = self.inputs.shape[-1 if self.columns else 0]
        found = {}
        for r in order:
            if r.key not in ACTIVATIONS or r.inputs[0] not in values:
                continue
            flat = _flat(r, values[r.inputs[0]], values[r])
            shares = _per_unit(flat, samples, self.columns)
            if shares is not None:
                found[r] = shares
        if len(self._names) != len(found):
            names = Names(order, total)
            names.by_order()
            self._names = []
            for k, r in enumerate(found, 1):
                assert r.primitive is not None
                self._names.append(f"{names.of.get(r, f'{k}.')} {r.primitive.name}")
        return dict(zip(self._names, found.values(), strict=True))


def _layers(model: Any) -> dict[str, list[Tensor]]:
    """The parameters that belong together, by what their layer is called."""
    layers: dict[str, list[Tensor]] = {}
    if isinstance(model, Module):
        for path, module in model.named_modules():
            own: list[Tensor] = [p for p in module.parameters(recurse=False) if p.requires_grad]
            if own:
                layers[f"{path} {type(module).__name__}".strip()] = own
        return layers
    pairs = model.items() if isinstance(model, Mapping) else [(None, t) for t in model]
    for k, (name, t) in enumerate(pairs):
        if not isinstance(t, Tensor):
            raise TypeError(f"record: a module or its parameters are expected, got {type(t).__name__}.")
        name = str(name or t.name or f"parameter {k}")
        digits = name[len(name.rstrip("0123456789")) :]
        same = next((label for label in layers if digits and label.endswith(digits)), None)
        together = layers.pop(same) if same is not None else []
        layers[f"{same}, {name}" if same is not None else name] = [*together, t]
    return layers


def _is_chance(out: Tensor) -> bool:
    """Whether a score is a probability: it comes from a sigmoid."""
    last = record_of(out).primitive if out.requires_grad else None
    return last is not None and last.key in ("sigmoid", "hard_sigmoid")


def _norm(parameters: list[Tensor]) -> float | None:
    """The length of the gradient of all of them together."""
    grads = [p.grad.detach().numpy().ravel() for p in parameters if p.grad is not None]
    if not grads:
        return None
    with np.errstate(all="ignore"):
        square = sum(float(np.vdot(g, g)) for g in grads)
        if not math.isfinite(square):  # too large for float32, perhaps
            square = sum(float(np.vdot(g, g)) for g in (g.astype(float) for g in grads))
    return math.sqrt(square)


def _classes(labels: Array) -> Array | None:
    """The labels as numbers of classes; None if they are none."""
    if labels.dtype.kind not in "fiub" or not labels.size:
        return None
    values = set(np.unique(labels).tolist())
    if values <= {-1, 1}:
        return (labels > 0).astype(int)
    whole = labels.dtype.kind in "iub" or values <= {0, 1}
    return labels.astype(int) if whole and min(values) >= 0 else None


def _in_columns(shape: tuple[int, ...], labels: Array | None) -> bool:
    """Whether samples are columns: labels tell, where they fit both ways or there are none, two rows of features do."""
    n, m = shape
    if labels is None:
        return n == 2 != m
    rows, columns = n in (labels.size, *labels.shape[:1]), m in (labels.size, *labels.shape[-1:])
    return columns and (not rows or n == 2 != m)


def _from_one_hot(labels: Array) -> Array:
    """Rows of zeros with a one in each as numbers of classes; other targets as what is no class."""
    one_hot = np.all((labels == 0) | (labels == 1)) and np.all(labels.sum(1) == 1)
    return labels.argmax(1) if one_hot else np.full(len(labels), np.nan)


def _class_of(said: Array) -> Array:
    return (said > 0.5).astype(int) if said.dtype.kind == "f" else said


def _flat(r: Record, Z: Any, A: Any) -> Array:
    """Where an activation's slope is almost 0."""
    assert r.primitive is not None
    with np.errstate(all="ignore"):
        r.primitive.begin()
        slope = np.asarray(r.primitive.call_rule(0, np.ones_like(A), A, [Z, *r.inputs[1:]], r.params))
    flat: Array = np.abs(np.broadcast_to(slope, np.shape(A))) < FLAT * STEEPEST.get(r.primitive.key, 1.0)
    return flat


def _per_unit(flat: Array, samples: int, columns: bool) -> Array | None:
    """The share of the samples, and of the places of an image or a sequence, per unit or channel."""
    if not flat.size or not flat.ndim or flat.shape[-1 if columns else 0] != samples or (columns and flat.ndim != 2):
        return None
    if flat.ndim == 1:
        flat = flat[:, None]
    # Rows of units; else channels of an image, features of a vector or of a sequence
    units = 0 if columns else 1 if flat.ndim == 4 else flat.ndim - 1
    shares: Array = np.moveaxis(flat, units, 0).reshape(flat.shape[units], -1).mean(1)
    return shares


@contextlib.contextmanager
def _undisturbed(modules: list[Module]) -> Iterator[None]:
    """Ask a model without leaving a trace: evaluation mode, and the generator where it was."""
    training = [(module, module.training) for module in modules]
    state, grad, keep = get_rng_state(), mode.grad, mode.keep
    try:
        for module in modules:
            module.training = False
        yield
    finally:
        for module, was in training:
            module.training = was
        mode.grad, mode.keep = grad, keep
        set_rng_state(state)
