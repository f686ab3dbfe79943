"""Fewer tokens: selectors that a model learns, and methods that need no training.

stages     which blocks share their tokens, by architecture
selector   the network that scores tokens (SPViT, arXiv 2112.13890)
decision   from scores to kept tokens and the package token
masked     dropped tokens stay in the tensors, without influence
gather     dropped tokens leave the tensors
attention  attention with weights of keys
pooling    the mean of the tokens that are left
recording  what was kept in a forward
attach     all of it in a model: `attach_`, `detach_`, `masked`
"""

from prune.tokens.attach import Selectors, attach_, detach_, masked
from prune.tokens.recording import Record, Selection, recording
from prune.tokens.selector import TokenSelector

__all__ = [
    "Record",
    "Selection",
    "Selectors",
    "TokenSelector",
    "attach_",
    "detach_",
    "masked",
    "recording",
]
