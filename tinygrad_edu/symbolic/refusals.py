"""What a step may not do, since a program could not do it again: told with the line of the step that does it."""

from __future__ import annotations

import functools
import itertools
import os
import re
import traceback
from collections.abc import Callable
from typing import Any

from ..core.dtypes import get_default_dtype, set_default_dtype
from ..core.errors import TraceError
from ..core.mode import mode
from ..core.tensor import Tensor
from .blame import line_of_step, line_that, of_library
from .nested import contents, hides, put_back


def not_a_tensor(optimizer: Any, name: Any, value: Any) -> str:
    return (
        f"{type(optimizer).__name__} keeps {name} ({type(value).__name__}) in its state: the program could not "
        "change it. Keep it in a tensor."
    )


def refuse_state(put: list[tuple[Any, Any, str, Any]], again: Callable[[], Any]) -> None:
    """What a step puts into an optimizer's state must be a tensor."""
    others = [x for x in put if not isinstance(x[3], Tensor)]
    if others:
        optimizer, key, name, value = others[0]
        entries = optimizer.state if key is None else optimizer.state[key]
        line = line_that(again, lambda: entries.get(name) is not value)
        raise TraceError(f"{line}{not_a_tensor(optimizer, name, value)}")


def refuse_later(result: Any) -> None:
    """What a step returns must have been computed: a generator or a coroutine computes when it is asked."""
    if not any(hasattr(type(result), name) for name in ("__next__", "__anext__", "__await__")):
        return
    if hasattr(result, "close"):  # a coroutine warns where it has not been run
        result.close()
    way = "list(...) of it" if hasattr(result, "__next__") else "what it comes to: a step is no async function"
    raise TraceError(
        f"the step returns a {type(result).__name__}, which computes when it is asked, after the trace. Return {way}."
    )


def refuse_hidden(result: Any, is_new: Callable[[Tensor], bool]) -> None:
    """Tensors that a step returns must be in containers that a program looks into."""
    within = hides(result, is_new)
    if within is not None:
        raise TraceError(
            f"the step returns a {type(within).__name__} with tensors in it, where a program does not find them. "
            "Return them in tuples, lists, dicts or dataclasses."
        )


def modes_now() -> tuple[Any, ...]:
    """What holds for all operations: whether they are recorded and looked after, the dtype of what is made."""
    return mode.grad, mode.anomaly, get_default_dtype()


def set_modes(modes: tuple[Any, ...]) -> None:
    mode.grad, mode.anomaly, dtype = modes
    set_default_dtype(dtype)


def refuse_modes(modes: tuple[Any, ...], again: Callable[[], Any]) -> None:
    """These must be as they were, since a program would not change them at its calls."""
    if modes_now() != modes:
        set_modes(modes)
        line = line_that(again, lambda: modes_now() != modes)
        raise TraceError(
            f"{line}the step leaves gradients, anomaly detection or the default dtype in another mode than before. "
            "Set it outside of the step, or in a `with` block (no_grad(), enable_grad())."
        )


def refuse_changed(held: list[tuple[Any, list[Any]]], again: Callable[[], Any]) -> None:
    """Lists, dicts and dataclasses that the step is given must hold what they held."""
    for container, were in held:
        if _changed(container, were):
            put_back(container, were)
            line = line_that(again, functools.partial(_changed, container, were))
            put_back(container, were)
            what = "attributes of a" if isinstance(container, Tensor) else "a"
            raise TraceError(
                f"{line}the step changes {what} {type(container).__name__} that it is given. A program changes only "
                "tensors: return what is new, or keep it in a tensor written in place."
            )


def _changed(container: Any, were: list[Any]) -> bool:
    return any(x is not y for x, y in itertools.zip_longest(contents(container), were))


def placed(error: TraceError, step: Any) -> TraceError:
    """The refusal with the line of the step that it is about, or that the step is written in."""
    lines = [
        f"{os.path.basename(frame.f_code.co_filename)}:{number}: "
        for frame, number in traceback.walk_tb(error.__traceback__)
        if not of_library(frame.f_globals.get("__name__"))
    ]
    named = re.match(r"\S+:\d+: ", str(error))
    if named and not lines:
        return error
    return type(error)((lines[-1] if lines else line_of_step(step)) + str(error)[named.end() if named else 0 :])
