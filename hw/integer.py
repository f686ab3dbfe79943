"""The integer arithmetic of the machine, written once; `docs/integer.md` explains it.

Every function maps numpy integer arrays to numpy integer arrays and accepts any number of leading
batch dimensions. RTL, ONNX and HLS are held to these functions bit by bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.integer]

INT8_MIN, INT8_MAX = -128, 127
INT16_MIN, INT16_MAX = -32768, 32767
WEIGHT_MAX = 127
EXACT_DEPTH = 1024
"""Products of int8 pairs that float32 adds up without rounding: 2^10 * 2^14 = 2^24."""
MULTIPLIER_BITS = 16
SHIFT_MAX = 47

EXP2_FRACTION_BITS = 8
"""Scores are in units of 2^-8 of a power of two."""
EXP2_TABLE = np.round(2.0 ** (15 - np.arange(256) / 256.0)).astype(np.int64)
"""2^15 * 2^(-k/256) for k = 0..255."""
SOFTMAX_SHIFT = 28

ROOT_BITS = 16
"""The variance is scaled to [2^30, 2^32) before its root is taken, which then has 16 bits."""
NORM_FRACTION_BITS = 12
"""Normalized values carry 12 fractional bits."""
CENTRED_BITS = 10
"""Channels, in bits, up to which centred values keep every bit."""
EPSILON_BITS = 48
PROBABILITY_MULT_BITS = 24

SCORE_MAX = 255
"""Scores of tokens have 8 bits; 254 stands for 1."""
AVERAGE_BITS = 17
"""Weights of an average add up to about 2^17."""
AVERAGE_RECIPROCAL_BITS = 23


def saturate(x: ArrayLike, bits: int) -> NDArray[np.int64]:
    """Clamp to the two's-complement range of `bits`."""
    half = 1 << (bits - 1)
    return np.clip(np.asarray(x, dtype=np.int64), -half, half - 1)


def round_shift(x: ArrayLike, shift: ArrayLike) -> NDArray[np.int64]:
    """`floor(x / 2^shift + 1/2)`: the one rounding rule, half towards plus infinity."""
    x = np.asarray(x, dtype=np.int64)
    s = np.asarray(shift, dtype=np.int64)
    half = np.where(s > 0, np.int64(1) << np.maximum(s - 1, 0), 0)
    rounded = x + half
    rounded >>= s
    return rounded


def wrap32(x: ArrayLike) -> NDArray[np.int64]:
    """Reduce to int32, as the accumulators do."""
    return np.asarray(x, dtype=np.int64).astype(np.int32).astype(np.int64)


def exact_matmul(x: IntArray, w: IntArray) -> NDArray[np.int64]:
    """`x @ w` over integers of at most 8 bits, by float32 products in exact pieces.

    Args:
        x: (..., m, k)
        w: (..., k, n)
    Returns:
        int64 (..., m, n), reduced to int32.
    """
    x, w = x.astype(np.float32), w.astype(np.float32)
    total = np.matmul(x[..., :EXACT_DEPTH], w[..., :EXACT_DEPTH, :]).astype(np.int64)
    for start in range(EXACT_DEPTH, x.shape[-1], EXACT_DEPTH):
        piece = slice(start, start + EXACT_DEPTH)
        total += np.matmul(x[..., piece], w[..., piece, :]).astype(np.int64)
    return wrap32(total)


def requantize(
    acc: ArrayLike, bias: ArrayLike, mult: ArrayLike, shift: ArrayLike, bits: int
) -> NDArray[np.int64]:
    """Accumulator to `bits`-bit output: `saturate(round_shift((acc + bias) * mult, shift))`.

    Args:
        acc: int32 (..., tokens, channels)
        bias: int32 (channels)
        mult: unsigned 16 bit (channels)
        shift: 0 to 47 (channels)
        bits: 8 or 16
    """
    total = wrap32(np.asarray(acc, dtype=np.int64) + np.asarray(bias, dtype=np.int64))
    return saturate(round_shift(total * np.asarray(mult, dtype=np.int64), shift), bits)


def quantize_multiplier(real: ArrayLike) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Fixed-point form `mult / 2^shift` of non-negative real factors below 2^15.

    `mult` keeps 16 significant bits where the shift allows; a factor too small to matter becomes 0.
    """
    factor = np.asarray(real, dtype=np.float64)
    if np.any(factor < 0) or np.any(factor >= 2.0**15) or not np.all(np.isfinite(factor)):
        raise ValueError("requantization factors must lie in [0, 2^15)")
    _, exponent = np.frexp(np.where(factor > 0, factor, 1.0))
    shift = np.clip(MULTIPLIER_BITS - exponent, 0, SHIFT_MAX)
    mult = np.floor(factor * 2.0**shift + 0.5)
    too_large = mult >= 1 << MULTIPLIER_BITS
    shift = np.where(too_large, shift - 1, shift)
    mult = np.where(too_large, np.floor(factor * 2.0**shift + 0.5), mult)
    return mult.astype(np.uint16), shift.astype(np.uint8)


def add(a: IntArray, b: IntArray) -> NDArray[np.int64]:
    """Residual addition of two int16 tensors of one scale, saturating."""
    return saturate(a.astype(np.int64) + b.astype(np.int64), 16)


def softmax(scores: IntArray, probability_mult: int) -> NDArray[np.int64]:
    """Softmax over the last axis by a table of powers of two and one reciprocal a row.

    Args:
        scores: int16 (..., n) in units of 2^-8 of a power of two.
        probability_mult: `round(2^12 / scale)` of the int8 output, below 2^24.
    Returns:
        int8 values 0..127 (..., n).
    """
    x = scores.astype(np.int64)
    distance = x.max(axis=-1, keepdims=True) - x
    whole = np.minimum(distance >> EXP2_FRACTION_BITS, 31)
    power = EXP2_TABLE[distance & ((1 << EXP2_FRACTION_BITS) - 1)] >> whole
    reciprocal = (probability_mult << 16) // power.sum(axis=-1, keepdims=True)
    return np.minimum(round_shift(power * reciprocal, SOFTMAX_SHIFT), INT8_MAX)


def integer_sqrt(x: IntArray) -> NDArray[np.int64]:
    """`floor(sqrt(x))` for 0 <= x < 2^52."""
    root = np.floor(np.sqrt(x.astype(np.float64))).astype(np.int64)
    root = np.where(root * root > x, root - 1, root)
    return np.where((root + 1) * (root + 1) <= x, root + 1, root)


def _bit_length(x: IntArray) -> NDArray[np.int64]:
    """Bits of each positive number below 2^62."""
    _, exponent = np.frexp(x.astype(np.float64))
    length = exponent.astype(np.int64)
    # Numbers above 2^53 may round up to the next power of two.
    return length - ((np.int64(1) << (length - 1)) > x)


def layernorm(
    x: IntArray, gain: IntArray, offset: IntArray, shift: int, epsilon: int, bits: int = 8
) -> NDArray[np.int64]:
    """Layer normalization over the last axis, from int16 to int8 (int16 for a norm before blocks).

    With C channels, `d = C x - sum(x)` and `v = C sum(x^2) - sum(x)^2 + epsilon`, the normalized
    value is `d / sqrt(v)`. `v` is scaled by an even power of two to [2^30, 2^32), so that its root
    has 16 bits and one division a token gives the reciprocal. Where C needs more than 10 bits, `d`
    of a token with v >= 2^32 loses the excess, so that it stays within 27.

    Args:
        x: int16 (..., channels), at most 4096
        gain: int16 (channels), `gamma / scale * 2^(shift - 12)`
        offset: int32 (channels), `beta / scale * 2^shift`
        shift: rounding shift of the result
        epsilon: the epsilon of the float layer times C^2 / scale_in^2, 1 to 2^48 - 1
        bits: 8 or 16
    """
    x = x.astype(np.int64)
    channels = x.shape[-1]
    total = x.sum(axis=-1, keepdims=True)
    centred = channels * x - total
    variance = channels * (x * x).sum(axis=-1, keepdims=True) - total * total + epsilon
    half_shift = (2 * ROOT_BITS - _bit_length(variance)) // 2  # 2^30 <= v 4^half_shift < 2^32
    scaled = variance << np.maximum(2 * half_shift, 0)
    scaled >>= np.maximum(-2 * half_shift, 0)
    lost = np.where(half_shift < 0, max((channels - 1).bit_length() - CENTRED_BITS, 0), 0)
    reciprocal = (np.int64(1) << 2 * ROOT_BITS - 1) // integer_sqrt(scaled)
    fraction = 2 * ROOT_BITS - 1 - NORM_FRACTION_BITS
    normalized = round_shift((centred >> lost) * reciprocal, fraction - half_shift - lost)
    return saturate(round_shift(normalized * gain + offset, shift), bits)


def average_weights(scores: IntArray) -> NDArray[np.int64]:
    """Weights in proportion to scores, that add up to about 2^17.

    With B the sum of the scores and b its bit length, a score s gets
    `min(round_shift(s R, 6 + b), 2^17 - 1)`, where `R = 2^(23 + b) // B` has 24 bits or is 2^24.

    Args:
        scores: (..., tokens), 1 to 255, or 0 for a token that does not count; a positive sum.
    """
    total = scores.astype(np.int64).sum(axis=-1, keepdims=True)
    length = _bit_length(total)
    reciprocal = (np.int64(1) << (AVERAGE_RECIPROCAL_BITS + length)) // total
    shift = AVERAGE_RECIPROCAL_BITS - AVERAGE_BITS + length
    return np.minimum(round_shift(scores * reciprocal, shift), (1 << AVERAGE_BITS) - 1)


def average(x: IntArray, scores: IntArray) -> NDArray[np.int64]:
    """`saturate(round_shift(sum of w x, 17))`, w by `average_weights`, over the token axis, kept.

    The average of a single token is that token.

    Args:
        x: int16 (..., tokens, features)
        scores: (..., tokens), as for `average_weights`.
    """
    weighted = average_weights(scores)[..., None, :] @ x.astype(np.int64)
    return saturate(round_shift(weighted, AVERAGE_BITS), 16)


def mean_tokens(x: IntArray) -> NDArray[np.int64]:
    """Average of int16 (..., tokens, features) with equal weights: (..., 1, features)."""
    return average(x, np.ones(x.shape[:-1], np.int64))


def token_scores(keep: IntArray, heads: IntArray) -> NDArray[np.int64]:
    """Scores (..., tokens) of 0 to 255: `min(2 N // max(D, 1), 255)`, 254 standing for 1.

    `N = sum of keep * heads` and `D = sum of heads`, over the heads.

    Args:
        keep: 0 to 127 (..., tokens, heads)
        heads: 0 to 127 (..., tokens, heads)
    """
    keep, heads = keep.astype(np.int64), heads.astype(np.int64)
    total = np.maximum(heads.sum(axis=-1), 1)
    return np.minimum(2 * (keep * heads).sum(axis=-1) // total, SCORE_MAX)


def kept_tokens(scores: IntArray, threshold: int, prefix: int, package: bool) -> NDArray[np.bool_]:
    """Which tokens of an image stay: the first `prefix`, and those that reach the threshold.

    Args:
        scores: (tokens)
        package: the last token is a package token, which never stays.
    """
    kept = scores >= threshold
    kept[:prefix] = True
    if package:
        kept[-1] = False
    return kept


def select_tokens(x: IntArray, scores: IntArray, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The kept tokens in their order, then the average of the others, if any, by their scores.

    Args:
        x: int16 (tokens, features)
        scores: 0 to 255 (tokens); 0 counts as 1 in the average.
        kept: (tokens)
    """
    stay = x[kept].astype(np.int64)
    if kept.all():
        return stay
    return np.concatenate([stay, average(x[~kept], np.maximum(scores[~kept], 1))])


def lookup(x: IntArray, table: IntArray) -> NDArray[np.int64]:
    """`table[x + 128]` for int8 `x`; the table has 256 int8 entries."""
    return table.astype(np.int64)[x.astype(np.int64) - INT8_MIN]
