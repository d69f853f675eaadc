"""tinygrad_edu: autograd on NumPy that shows its work."""
from .ops.public import PUBLIC as _P
from . import ops, autograd
from .core.tensor import Tensor
globals().update(_P)
from .autograd import *
from .autograd import no_grad, enable_grad
