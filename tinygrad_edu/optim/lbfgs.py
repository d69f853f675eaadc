"""L-BFGS: Newton's method with a Hessian guessed from the last steps and changes of the gradient.

Source: Nocedal and Wright, "Numerical Optimization" (2006), algorithms 7.4 and 7.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import numpy as np

from ..autograd import enable_grad
from ..core.errors import TraceError
from ..core.mode import mode
from ..core.tensor import Tensor, wrap
from ..core.write import write
from .adam import check_lr
from .line_search import Point, strong_wolfe
from .optimizer import Group, Optimizer, State, require

Vector = np.ndarray[Any, Any]  # all parameters, or their gradients, in one row
CURVED = 1e-10  # the least curvature y @ s that a step must have seen to be remembered


class LBFGS(Optimizer):
    """Up to max_iter steps W += t * D per call, D = -H @ G, each from history_size steps before it.

    For smooth losses of the whole data, not for batches. There is one group of parameters.

    Args:
        params: tensors.
        lr: t, or with a line search the first t that is tried.
        max_iter: steps per call.
        max_eval: runs of the closure per call; default: max_iter * 5 // 4.
        tolerance_grad: ends a call when no component of the gradient exceeds it.
        tolerance_change: ends a call when no weight, or the loss, changes by as much.
        history_size: how many steps are remembered.
        line_search_fn: "strong_wolfe", or None for steps of fixed length.
    Raises:
        ValueError: lr is negative, or there are several groups.
        TraceError: in a trace: how many steps are taken depends on values.
    """

    counts = ("func_evals", "n_iter", "t", "prev_loss")

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        require(
            len(self.param_groups) == 1,
            "LBFGS doesn't support per-parameter options (parameter groups); make one list of all parameters.",
        )

    def check(self, group: Group) -> None:
        """Refuse what climbs by mistake."""
        check_lr(group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Run up to max_iter steps. Returns the loss before the first.

        Args:
            closure: clears the gradients, computes the loss, calls backward() and returns the loss.
        """
        if mode.trace is not None:
            raise TraceError(
                "LBFGS.step can't be traced: how often it runs the closure depends on the values that it finds. "
                "Trace the closure (zero_grad, loss, backward), and hand the program to LBFGS.step."
            )
        if closure is None:
            raise TypeError("LBFGS.step needs a closure, which it runs several times: step(closure).")
        group = self.param_groups[0]
        search, limit = group["line_search_fn"], group["max_eval"]
        if search not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        lr = float(group["lr"])
        memory = Memory(self.state[group["params"][0]], group["history_size"])

        def run() -> tuple[Any, Vector]:
            """The closure's loss, and its gradient."""
            with enable_grad():
                loss = closure()
            return loss, self._gradient()

        first, G = run()
        f, evaluations = float(first), 1
        memory.evaluations += 1
        steps, done = 0, bool(np.abs(G).max() <= group["tolerance_grad"])
        while not done and steps < group["max_iter"]:
            steps += 1
            D = memory.direction(G)
            slope = G @ D
            f_before = f
            t = lr if memory.steps > 1 else min(1.0, 1.0 / np.abs(G).sum()) * lr
            memory.took(t, D, G, f)
            if slope > -group["tolerance_change"]:
                break
            tried = 0
            if search is not None:
                start, reach = Point(0, f, G, slope), np.abs(D).max()
                point, tried = strong_wolfe(self._evaluator(run, D), start, t, reach, limit - evaluations)
                f, G, t = point.f, point.G, point.t
                memory.t = t
                self._move(t, D)
            else:
                self._move(t, D)
                if steps < group["max_iter"]:  # the next call evaluates anew what the last step leads to
                    loss, G = run()
                    f, tried = float(loss), 1
            evaluations += tried
            memory.evaluations += tried
            done = (
                evaluations >= limit
                or bool(np.abs(G).max() <= group["tolerance_grad"])
                or bool(np.abs(D * t).max() <= group["tolerance_change"])
                or abs(f - f_before) < group["tolerance_change"]
            )
        memory.save()
        return first

    def _evaluator(self, run: Callable[[], tuple[Any, Vector]], D: Vector) -> Callable[[Any], Point]:
        """What evaluates points on the line from here along D, and comes back."""
        params = self.param_groups[0]["params"]
        here = [W._array.copy() for W in params]

        def evaluate(t: Any) -> Point:
            self._move(t, D)
            loss, G = run()
            for W, array in zip(params, here, strict=True):
                write(W, np.positive, array, by=self.writer)
            return Point(t, float(loss), G, G @ D)

        return evaluate

    def _gradient(self) -> Vector:
        """All gradients in one row, 0 where there is none."""
        rows = []
        for W in self.param_groups[0]["params"]:
            rows.append(np.zeros(W.numel(), W.dtype) if W.grad is None else W.grad._array.ravel())
        return np.concatenate(rows)

    def _move(self, t: Any, D: Vector) -> None:
        """W = W + t D."""
        start: int = 0
        for W in self.param_groups[0]["params"]:
            end = start + W.numel()
            write(W, np.add, W._array, (t * D[start:end]).reshape(W.shape), by=self.writer)
            start = end


class Memory:
    """The last steps and what they showed of the Hessian. Stored with the first parameter, as PyTorch does."""

    def __init__(self, state: State, size: int) -> None:
        self.state, self.size = state, size
        self.evaluations: int = state.get("func_evals", 0)
        self.steps: int = state.get("n_iter", 0)
        state.update(func_evals=self.evaluations, n_iter=self.steps)
        self.t = _plain(state.get("t"))
        self.D, self.G = _plain(state.get("d")), _plain(state.get("prev_flat_grad"))
        self.scale = _plain(state.get("H_diag", 1))
        self.loss: float | None = state.get("prev_loss")
        self.ys = [_plain(y) for y in state.get("old_dirs") or []]  # changes of the gradient
        self.ss = [_plain(s) for s in state.get("old_stps") or []]  # steps
        self.rhos = [_plain(rho) for rho in state.get("ro") or []]  # 1 / (y @ s)

    def direction(self, G: Vector) -> Vector:
        """D = -H @ G, H being what the remembered steps make of scale * I: the two-loop recursion."""
        self.steps += 1
        if self.steps == 1:
            return -G
        self._remember(G - self.G, self.D * self.t)
        q = -G
        alphas = []
        for s, y, rho in zip(reversed(self.ss), reversed(self.ys), reversed(self.rhos), strict=True):
            alphas.append((s @ q) * rho)
            q = q - alphas[-1] * y
        r = q * self.scale
        for s, y, rho, alpha in zip(self.ss, self.ys, self.rhos, reversed(alphas), strict=True):
            r = r + s * (alpha - (y @ r) * rho)
        return cast(Vector, r)

    def _remember(self, y: Vector, s: Vector) -> None:
        ys = y @ s
        if ys <= CURVED:  # H would no longer be positive definite
            return
        for kept, new in (self.ys, y), (self.ss, s), (self.rhos, 1.0 / ys):
            if len(kept) == self.size:
                kept.pop(0)
            kept.append(new)
        self.scale = ys / (y @ y)

    def took(self, t: Any, D: Vector, G: Vector, f: float) -> None:
        """A step of length t along D is taken where the gradient is G and the loss f."""
        self.t, self.D, self.G, self.loss = t, D, G, f

    def save(self) -> None:
        """Put everything into the state, in PyTorch's layout."""
        self.state.update(func_evals=self.evaluations, n_iter=self.steps)
        if self.D is None:
            return
        self.state.update(
            d=_tensor(self.D),
            t=_tensor(self.t),
            old_dirs=[_tensor(y) for y in self.ys],
            old_stps=[_tensor(s) for s in self.ss],
            ro=[_tensor(rho) for rho in self.rhos],
            H_diag=_tensor(self.scale),
            prev_flat_grad=_tensor(self.G),
            prev_loss=self.loss,
        )


def _plain(value: Any) -> Any:
    """A Tensor's array, a 0-d one's number in its own precision."""
    return value._array[()] if isinstance(value, Tensor) else value


def _tensor(value: Any) -> Any:
    """Arrays and NumPy's numbers as Tensors; Python's stay."""
    return wrap(np.asarray(value)) if isinstance(value, (np.ndarray, np.generic)) else value
