"""Token selection: as many tokens come out as stay."""

from __future__ import annotations

from onnxscript import script

from hw.integer import SCORE_MAX
from hw.onnx.domain import INT64, UINT8, blockvit, op
from hw.onnx.functions.arithmetic import Average


@script(blockvit)
def TokenScores(keep, heads):
    """Scores int64 (N, tokens) of 0 to 255, 254 standing for 1, of votes (N, tokens, heads)."""
    last = op.Constant(value_ints=[-1])
    keep = op.Cast(keep, to=INT64)
    heads = op.Cast(heads, to=INT64)
    votes = op.ReduceSum(keep * heads, last, keepdims=0) * 2
    return op.Min(votes / op.Max(op.ReduceSum(heads, last, keepdims=0), 1), SCORE_MAX)


@script(blockvit)
def TokenSelect(x, keep, heads, package, threshold: int, prefix: int):
    """The tokens (1, tokens, features) that stay, then the average of the others, if any.

    keep, heads: int16 (1, tokens, heads) of 0 to 127.
    package: bool (1), whether the last token is the package token of the selection before.

    Returns the tokens int16 (1, live tokens, features), whether the last one is a package token,
    bool (1), the scores uint8 (1, tokens), and what stayed, bool (1, tokens).
    """
    one = op.Constant(value_ints=[1])
    count = op.Shape(x, start=1, end=2)
    number = op.Range(0, op.Squeeze(count), 1)
    scores = TokenScores(keep, heads)
    earlier = op.And(package, op.Equal(number, count - 1))
    stays = op.And(op.Or(scores >= threshold, number < prefix), op.Not(earlier))
    kept = op.Compress(x, op.Reshape(stays, op.Constant(value_ints=[-1])), axis=1)
    average = Average(x, op.Where(stays, 0, op.Max(scores, 1)))
    dropped = count - op.Shape(kept, start=1, end=2)
    rest = op.Slice(average, op.Constant(value_ints=[0]), op.Min(dropped, 1), one)
    return op.Concat(kept, rest, axis=1), dropped > 0, op.Cast(scores, to=UINT8), stays
