"""The states of optimizers in a trace: what a step puts there, and what was there before."""

from __future__ import annotations

from typing import Any

from ..core.errors import TraceError
from ..core.symbol import Symbol
from ..core.tensor import Tensor
from .aliases import Aliases
from .refusals import not_a_tensor


class States(Aliases):
    """The part of a Trace that knows them."""

    def __init__(self) -> None:
        super().__init__()
        self.optimizers: list[tuple[Any, dict[Any, Any]]] = []  # with the entries of their states, and what these held

    def remember(self, optimizer: Any) -> None:
        """Remember what an optimizer's state holds, to tell what the step adds."""
        if not any(known is optimizer for known, _ in self.optimizers):
            for key, entries in optimizer.state.items():
                if not isinstance(entries, dict):
                    raise TraceError(not_a_tensor(optimizer, key, entries))
            self.optimizers.append((optimizer, {k: (v, dict(v)) for k, v in optimizer.state.items()}))

    def kept_in_state(self) -> list[tuple[Any, Any, str, Any]]:
        """What the step has put into the states of optimizers: another tensor, or what is none."""
        added: list[tuple[Any, Any, str, Any]] = []
        for optimizer, before in self.optimizers:
            for key, entries in optimizer.state.items():
                _, old = before.get(key, (None, {}))
                if isinstance(entries, dict):
                    added += [(optimizer, key, n, v) for n, v in entries.items() if n not in old or _another(old[n], v)]
                else:
                    added.append((optimizer, None, key, entries))
        return added

    def _held(self, optimizer: Any, key: Any) -> dict[str, Any]:
        """The entries that an optimizer's state has had for a parameter."""
        return next((was[key][1] for o, was in self.optimizers if o is optimizer and key in was), {})

    def replaced_in_state(self, written: set[Tensor]) -> list[tuple[Tensor, Symbol]]:
        """What the program writes into tensors of a state that the step replaces by others it computes."""
        found: list[tuple[Tensor, Symbol]] = []
        held = [v for *_, v in self.kept_in_state()]
        for optimizer, key, name, value in self.kept_in_state():
            entries = self._held(optimizer, key)
            if name not in entries or any(y is value for _, y in self.exchanged):
                continue
            old = entries[name]
            apart = isinstance(old, Tensor) and sum(v is value for v in held) == 1
            if apart and self.is_alone(value):
                self.enter((old, value))
                apart = (old.shape, old.dtype) == (value.shape, value.dtype) and old not in written
                apart = apart and old not in self.through and not self.has_neighbours(old)
            else:
                apart = False
            if not apart:
                raise TraceError(
                    f"{type(optimizer).__name__} replaces {name} in its state by what may be something else's memory; "
                    f"write it in place: state[{name!r}].copy_(...)."
                )
            found.append((old, value._array))
        return found

    def put_back_states(self) -> list[tuple[Any, Any, str, Any]]:
        """Give the states what they had. Returns what the step has put there."""
        added = self.kept_in_state()
        for optimizer, before in self.optimizers:
            optimizer.state.clear()
            for parameter, (entries, held) in before.items():  # the same dicts: other programs know them
                entries.clear()
                entries.update(held)
                optimizer.state[parameter] = entries
        return added


def _another(old: Any, new: Any) -> bool:
    """Whether a step has put something else into a state."""
    return old is not new and not (type(old) is type(new) and isinstance(new, (bool, int, float, str)) and old == new)
