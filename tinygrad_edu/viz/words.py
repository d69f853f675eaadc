"""A sentence or two per step of the explorer, for who has read how a network is trained and no more.

Chosen by what computed the value (the rule book's key) and by what the formula is made of. Only words:
the formulas themselves come from explain.
"""

from __future__ import annotations

from ..symbolic.means import OF_LABELS

_FORWARD = {
    "tanh": "tanh squashes every entry into (−1, 1), one by one.",
    "sigmoid": "The sigmoid turns every score into a number between 0 and 1, a probability.",
    "relu": "ReLU keeps what is positive and puts 0 in the place of the rest.",
    "leaky": "What is positive stays, the rest is made small.",
    "softmax_over": "Softmax turns the scores of each sample into probabilities that add up to 1.",
    "affine": "A linear layer: every entry is a weighted sum of a sample's inputs, plus a bias shared by all samples.",
    "standardized": "From every entry the mean is taken, and the result divided by the standard deviation.",
    "correlation": "A convolution: the same small kernel is laid on every place of its input.",
    "squared_error": "One number says how far the predictions are from the targets.",
    **dict.fromkeys(OF_LABELS, "One number says how little probability the right classes were given."),
    "cross_entropy_of_probabilities": "One number says how wrong the predicted probabilities are.",
    "cross_entropy_of_scores": "One number says how wrong the scores are, as probabilities.",
}
_BACKWARD = {
    "tanh": "The slope of tanh is 1 − A². Where it is saturated (A near ±1) that is almost 0, "
    "and the gradient dies there.",
    "sigmoid": "The slope of the sigmoid is A (1 − A): at most ¼, and almost 0 where A is near 0 or 1.",
    "relu": "ReLU lets the gradient through where its input was positive, and stops it elsewhere.",
    "leaky": "The gradient passes whole where the input was positive, and made small elsewhere.",
    "standardized": "Mean and deviation came from the same entries, so gradients go back through them too.",
}
LOSS = "Where this is positive, a smaller number would make the loss smaller; where it is negative, a larger one."
CANCELLED = "The slope cancels the fractions of the step before: this is all that is left."
WEIGHTS = (
    "Each weight gets what it multiplied on the way forward times the error that came back, added up over the samples."
)
BIAS = "It was added to every sample (broadcast), so its gradient adds up over them."
SHARED = "The error is shared out in proportion to the weights that carried the values forward."
PRODUCT = "A matrix product: every entry is a row of the first times a column of the second."
ROOT = (
    "Every gradient below answers one question: if this number moved a little, by how many times as much would the "
    "loss move? For the loss itself that is 1."
)


def forward(operation: str, kinds: set[str], root: bool) -> str:
    """What happens on the way forward; `root`: to the loss itself.

    Args:
        operation: the key of the last operation.
        kinds: what the formula's tree is made of, see trees.
    """
    if operation in _FORWARD:
        return _FORWARD[operation]
    if root:
        return "One number says how wrong the predictions are: the loss. Here the way forward ends."
    if "@" in kinds:
        return PRODUCT
    if "S" in kinds or operation in ("sum_over", "mean_over"):
        return "Many numbers are added up to few."
    return ""


def backward(users: list[str], kinds: set[str], leaf: bool, chained: bool) -> str:
    """What happens on the way back.

    Args:
        users: keys of the operations that used the value; "" stands for the loss.
        kinds: what the formula's tree is made of.
        leaf: the value is a parameter.
        chained: the formula uses another gradient.
    """
    several = f"It was used {len(users)} times, and the gradients of all uses are added up. " if len(users) > 1 else ""
    if users == [""]:
        return LOSS
    if leaf and "@" in kinds:
        return several + WEIGHTS
    if leaf and "S" in kinds and "o" not in kinds:
        return several + BIAS
    if len(users) == 1 and not chained and users[0] in ("sigmoid", "softmax_over"):
        return CANCELLED
    if len(users) == 1 and users[0] in _BACKWARD:
        return _BACKWARD[users[0]]
    if "@" in kinds:
        return several + SHARED
    return several or ("The chain rule: the gradient that came back, times the slope of this step." if chained else "")
