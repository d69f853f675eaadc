"""`python -m tinygrad_edu explain FILE.py`: run a program as Python would, then explain the loss that it computed.

The program runs under `viz.keep()`, so that the numbers are those of its last step although its optimizer has
written the parameters since. Of the losses that one line calls `backward()` on, only the last keeps them: a
program that puts all its losses into a list must not run out of memory here and nowhere else. The steps of each such
line are noted too, so that the page can show how the loss fell and how large the gradients were.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from types import FrameType, ModuleType
from typing import Any, NamedTuple

from ..core.record import is_internal
from ..core.tensor import Tensor, record_of
from ..symbolic.calls import Calls
from ..symbolic.derive import topological
from ..symbolic.explain import explained
from ..symbolic.explanation import Explanation, Scale
from ..symbolic.lines import FormulaError
from .explore import FOLDING, Page
from .keep import keep
from .record import Training, record

LOOKS = 120  # steps that are kept at most; of a longer run every second, every fourth ...
USUAL = ("loss", "L", "cost")  # what people call it; the first that is one is taken


class Called(NamedTuple):
    """A scalar on which backward was called, the variables that its caller saw, and the steps that line has made."""

    loss: Tensor
    variables: dict[str, Any]
    training: Training | None = None


class Run:
    """A program that has run: its variables, and the last scalar of each line that called backward."""

    def __init__(self) -> None:
        self.module = ModuleType("__main__")
        self.calls: dict[Any, Called] = {}  # by line; the latest is the last

    @property
    def variables(self) -> dict[str, Any]:
        """The program's own, as they are at its end."""
        return self.module.__dict__

    def note(self, loss: Tensor, frame: FrameType) -> None:
        """Remember a call of backward; what an earlier one at the same place has kept is let go."""
        place = frame.f_code, frame.f_lasti
        variables = {**frame.f_globals, **frame.f_locals}
        before = self.calls.pop(place, None)
        training = _training(loss, variables) if before is None else before.training
        if before is not None:
            still = set(topological(record_of(loss)))
            for record in topological(record_of(before.loss)):
                if record not in still:
                    record.kept = None
        self.calls[place] = Called(loss, variables, training)

    def step(self, loss: Tensor) -> None:
        """A step of a training, if it is one: the gradients of the loss that was noted last are there."""
        training = list(self.calls.values())[-1].training if self.calls else None
        if training is not None:
            training.step(loss)
            if len(training.looks) > LOOKS:
                training.every *= 2
                training.looks = training.looks[::2]

    def training(self, loss: Tensor) -> Training | None:
        """What is known of how a loss has fallen: what the program has recorded, else the steps of its line."""
        own = [value for value in self.variables.values() if isinstance(value, Training) and len(value)]
        noted = [call.training for call in self.calls.values() if call.loss is loss and call.training is not None]
        found = own + [training for training in noted if len(training) > 1]
        return found[0] if found else None

    def choose(self, name: str | None) -> Called:
        """The loss that is meant, with the variables that name its values.

        Raises:
            LookupError: there is none, or not of that name; says which there are.
        """
        here = [Called(self.variables[n], self.variables) for n in losses_among(self.variables)]
        if name is None:
            named = [self.variables[n] for n in USUAL if n in losses_among(self.variables)]
            if named:
                return next(call for call in here if call.loss is named[0])
            if self.calls:
                return list(self.calls.values())[-1]
            raise LookupError(
                "no loss was found: no variable called " + ", ".join(USUAL) + " holds a scalar that requires a "
                "gradient, and backward() was called on none. " + self._meant("--name VARIABLE says which one is meant")
            )
        for variables in (self.variables, *(call.variables for call in reversed(self.calls.values()))):
            if name in losses_among(variables):
                return Called(variables[name], variables)
            if name in variables:
                raise LookupError(f"{name} is {_described(variables[name])}. " + self._meant("What could be meant"))
        raise LookupError(f"the program has no variable {name}. " + self._meant("What could be meant"))

    def _meant(self, introduction: str) -> str:
        """The scalars with a gradient that the program has, in words."""
        names = dict.fromkeys(losses_among(self.variables))
        for call in self.calls.values():
            names |= dict.fromkeys(losses_among(call.variables))
        if names:
            return f"{introduction}: {', '.join(names)}."
        return (
            "There is no scalar that requires a gradient: a program for PyTorch computes with this library "
            "once `import torch` is exchanged for `import tinygrad_edu as torch`."
        )


def _training(loss: Tensor, variables: Mapping[str, Any]) -> Training | None:
    """A record of the steps of a line that calls backward: losses, and gradients by layer.

    The model is not asked anything: running the user's forward once more could be seen.
    """
    order = topological(record_of(loss))
    leaves = {r for r in order if r.primitive is None and r.needs_grad}
    roots = list({id(call.module): call.module for call in Calls(order).all if call.parent is None}.values())
    for module in roots:
        if leaves <= {p._record for p in module.parameters()}:
            return record(module, every=1)
    named = {name: x for name, x in variables.items() if isinstance(x, Tensor) and x._record in leaves}
    for path, x in ((path, x) for module in roots for path, x in module.named_parameters() if x._record in leaves):
        named.setdefault(path, x)
    unique = {x._record: (name, x) for name, x in reversed(named.items())}
    return record(dict(reversed(unique.values())), every=1) if unique else None


def losses_among(variables: Mapping[str, Any]) -> list[str]:
    """Names of variables that hold a computed scalar with a gradient."""
    return [
        name
        for name, value in variables.items()
        if isinstance(value, Tensor) and value.requires_grad and not value.is_leaf and value.numel() == 1
    ]


def _described(value: Any) -> str:
    if not isinstance(value, Tensor):
        return f"no tensor but of type {type(value).__name__}"
    if not value.requires_grad:
        return "a tensor that does not require a gradient"
    return f"a tensor of shape {tuple(value.shape)}, not a computed scalar"


def run(source: bytes, path: str, arguments: list[str]) -> Run:
    """Run a program as `python path arguments` does: as `__main__`, with its folder first on the path.

    Raises:
        Whatever the program raises, SystemExit too unless it says that all is well.
    """
    path = os.path.abspath(path)
    found = Run()
    found.module.__file__ = path
    code = compile(source, path, "exec", dont_inherit=True)
    with _as_main(found.module, [path, *arguments]), _watched(found), keep():
        try:
            exec(code, found.module.__dict__)
        except SystemExit as end:
            if end.code not in (None, 0):
                raise
    return found


@contextlib.contextmanager
def _as_main(module: ModuleType, arguments: list[str]) -> Iterator[None]:
    before = sys.modules["__main__"], sys.argv, sys.path
    sys.modules["__main__"], sys.argv = module, arguments
    sys.path = [os.path.dirname(arguments[0]), *sys.path]
    try:
        yield
    finally:
        sys.modules["__main__"], sys.argv, sys.path = before


@contextlib.contextmanager
def _watched(found: Run) -> Iterator[None]:
    """Note every call of a scalar's backward."""
    backward = Tensor.backward

    def noted(self: Tensor, *args: Any, **kwargs: Any) -> None:
        frame = caller()
        if frame is not None and self.requires_grad and self.numel() == 1:
            found.note(self, frame)
        backward(self, *args, **kwargs)
        if frame is not None and self.requires_grad and self.numel() == 1:
            found.step(self)

    Tensor.backward = noted  # type: ignore[method-assign]
    try:
        yield
    finally:
        Tensor.backward = backward  # type: ignore[method-assign]


def caller() -> FrameType | None:
    """The nearest frame outside of the package."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_internal(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def main(arguments: list[str]) -> int:
    """`explain FILE.py`; the exit status: 0, 1 if the program raised, 2 after an error that the user can mend."""
    parser = argparse.ArgumentParser(
        prog="python -m tinygrad_edu explain",
        description="Run a program, print the formulas of its loss and of every gradient, and write the page that "
        "steps through them. What stands behind -- is handed to the program.",
    )
    parser.add_argument("file", metavar="FILE.py", help="the program")
    parser.add_argument(
        "--name", metavar="VARIABLE", help="the loss (loss, L or cost; else what backward was called on)"
    )
    parser.add_argument(
        "--out", metavar="PAGE.html", help="where the page goes (FILE_backprop.html beside the program)"
    )
    parser.add_argument("--scale", choices=("exact", "textbook"), help="of what is printed (textbook if there is one)")
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:end])
    try:
        with open(options.file, "rb") as file:
            source = file.read()
    except OSError as error:
        return _refuse(f"{options.file}: {error.strerror}")
    try:
        found = run(source, options.file, arguments[end + 1 :])
    except Exception as error:
        _print_traceback(error)
        return 1
    out = options.out or f"{os.path.splitext(options.file)[0]}_backprop.html"
    try:
        call = found.choose(options.name)
        training = found.training(call.loss)
        page, shown = explanation(call, options.scale, training)
        print(shown)
        print(f"\nLargest error of a formula, evaluated in float64 beside autograd: {shown.check():.1e}")
        page.save(out)
    except OSError as error:
        return _refuse(f"{out}: {error.strerror}")
    except (LookupError, ValueError, RuntimeError, FormulaError) as error:
        return _refuse(str(error))
    more = f" and scrub over the training's {len(training)} steps" if training is not None else ""
    print(f"Step through the same equations, with every number,{more} in a browser: {out}")
    return 0


def explanation(call: Called, scale: Scale | None, training: Training | None = None) -> tuple[Page, Explanation]:
    """The explorer's page of a loss, and what is printed of it."""
    exact = explained(call.loss, "exact", call.variables, None)
    textbook = explained(call.loss, "textbook", call.variables, None) if exact.m is not None or scale else None
    return Page(exact, textbook, FOLDING, training), exact if textbook is None or scale == "exact" else textbook


def _refuse(why: str) -> int:
    print(f"error: {why}", file=sys.stderr)
    return 2


def _print_traceback(error: BaseException) -> None:
    """As Python prints it for the program alone: without the frames that ran it."""
    trace = error.__traceback__
    while trace is not None and is_internal(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)
