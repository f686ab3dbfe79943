"""Fewer tokens: selectors that a model learns, and methods that need no training.

attach     all of it in a model: `attach_`, `detach_`, `masked`
recording  what was kept in a forward
selector   the network that scores tokens (SPViT, arXiv 2112.13890)
decision   from scores to kept tokens and the package token
masked     dropped tokens stay in the tensors, without influence
gather     dropped tokens leave the tensors
learned    selectors in a model
evit, tome, baselines  the same without training (arXiv 2202.07800, arXiv 2210.09461)
pricing, compare  cycles and top-1 of those
latency    time on this machine
stages     which blocks share their tokens, by architecture
attention  attention with weights of keys
pooling    the mean of the tokens that are left
take       picking tokens by number
schedule, probe, ranking  where selectors stand and how much they keep, without training
cost, exact  cycles of live tokens: in torch for training, and exactly
recipe, losses, training, levels, run  training them: `python -m prune tokens`
"""

from prune.tokens.attach import attach_, detach_, masked
from prune.tokens.evit import EViT
from prune.tokens.learned import Selectors
from prune.tokens.recording import recording
from prune.tokens.selection import Record, Selection
from prune.tokens.selector import TokenSelector
from prune.tokens.tome import ToMe

__all__ = [
    "EViT",
    "Record",
    "Selection",
    "Selectors",
    "ToMe",
    "TokenSelector",
    "attach_",
    "detach_",
    "masked",
    "recording",
]
