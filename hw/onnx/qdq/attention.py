"""Attention while a graph is read: scores, softmax, and the values that they weigh."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hw.onnx.problems import Unmapped
from hw.onnx.qdq.values import Heads, Mixed, ScoreRows, View


def product(a: View, b: View, name: str) -> View:
    """Scores of queries and keys, or values weighted by attention.

    Raises:
        Unmapped: its inputs are neither.
    """
    rows = a.tensor
    if isinstance(rows, ScoreRows):
        return _mixed(a, b, name)
    for view in (a, b):
        if view.tensor.scale is None:
            raise Unmapped(f"it reads {view.tensor.name}, which is not rounded to int8")
        if view.shift != 0.0:
            raise Unmapped(f"a constant added to {view.tensor.name} behind its rounding")
    queries, keys = _heads(a), _heads(View(b.tensor, np.swapaxes(b.index, -1, -2)))
    if queries.features.shape != keys.features.shape or a.tensor.tokens != b.tensor.tokens:
        raise Unmapped("queries and keys of different shapes")
    heads, tokens = len(queries.features), a.tensor.tokens
    units = a.factor * b.factor
    scores = ScoreRows(
        name=name,
        tokens=tokens,
        features=heads * tokens,
        queries=queries,
        keys=keys,
        factor=np.full(heads, units),
    )
    shape = (*a.index.shape[:-1], tokens)
    index = scores.whole(tokens, heads, tokens).index.transpose(1, 0, 2)
    return View(scores, index.reshape(shape))


def softmax(view: View, axis: int, name: str) -> View:
    """Attention's softmax.

    Raises:
        Unmapped: it is another one.
    """
    rows = view.tensor
    if not isinstance(rows, ScoreRows) or rows.softened:
        raise Unmapped("a softmax outside of attention; end the graph at the logits")
    tokens, heads = rows.tokens, len(rows.factor)
    index = rows.whole(tokens, heads, tokens).index.transpose(1, 0, 2)
    if axis not in (-1, view.index.ndim - 1) or (view.index.ravel() != index.ravel()).any():
        raise Unmapped("a softmax that is not over each query's scores")
    return View(replace(rows, name=name, softened=True), view.index)


def _mixed(a: View, b: View, name: str) -> View:
    rows = a.tensor
    assert isinstance(rows, ScoreRows)
    if not rows.softened or rows.scale is None:
        raise Unmapped("attention whose probabilities are not rounded to int8")
    if b.tensor.scale is None or b.shift != 0.0 or (a.factor, a.shift) != (1.0, 0.0):
        raise Unmapped(f"attention over {b.tensor.name}, which is not rounded to int8")
    values, heads = _heads(b), len(rows.factor)
    if len(values.features) != heads or b.tensor.tokens != rows.tokens:
        raise Unmapped("values of another shape than the attention's")
    width = values.features.shape[1]
    mixed = Mixed(
        name=name,
        tokens=rows.tokens,
        features=heads * width,
        rows=rows,
        values=values,
        factor=np.full(heads, b.factor),
    )
    index = mixed.whole(rows.tokens, heads, width).index.transpose(1, 0, 2)
    return View(mixed, index.reshape(*a.index.shape[:-1], width))


def _heads(view: View) -> Heads:
    """Features of (..., heads, tokens, features)."""
    tensor = view.tensor
    if view.index.ndim < 3 or view.index.shape[-2] != tensor.tokens:
        raise Unmapped(f"it reads {tensor.name} as {view.index.shape}, expected heads by tokens")
    index = view.index.reshape(-1, tensor.tokens, view.index.shape[-1])
    features = index[:, 0, :]
    expected = np.arange(tensor.tokens)[None, :, None] * tensor.features + features[:, None]
    if (index != expected).any() or len(np.unique(features)) < features.size:
        raise Unmapped(f"it reads elements of {tensor.name} that are no heads of features")
    return Heads(tensor=tensor, features=features)
