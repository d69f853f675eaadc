"""The loss of label sequences as a module; the function itself is in ops/losses_sequence.py."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .loss import _Loss


class CTCLoss(_Loss):
    """Connectionist temporal classification: minus the log-probability of labels whose places in time are unknown.

    Args:
        blank: the class that stands for no label.
        zero_infinity: 0 in the place of an infinite loss, which a sequence too long for its time has.
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(self, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any) -> Any:
        """The loss of log_probs (T, m, n_classes) and labels (m, S); see nn.functional.ctc_loss."""
        return F.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )
