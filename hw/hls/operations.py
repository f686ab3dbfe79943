"""The layers, one for each kernel."""

from __future__ import annotations

from hls4ml.model.types import IntegerPrecisionType

from hw.hls.layers import IntegerLayer
from hw.hls.parallel import Sizes, divisors


class BlockSparseLinear(IntegerLayer):
    """A linear layer of which only the kept blocks of the weight exist."""

    kernel = "block_dense"
    sizes = ("n_tokens", "n_in", "n_out", "block_out", "block_in", "n_blocks", "n_empty")
    arrays = ("payload", "rows", "columns", "ends", "empty", "bias", "mult", "shift")
    multiplies = True
    accumulates = True
    strategies = ("resource", "latency")

    @classmethod
    def work(cls, sizes: Sizes) -> int:
        return int(sizes["n_blocks"] * sizes["block_out"] * sizes["block_in"])

    @classmethod
    def widths(cls, sizes: Sizes) -> list[int]:
        rows = (sizes["block_in"] * count for count in divisors(sizes["block_out"]))
        return sorted({*divisors(sizes["block_in"]), *rows})

    @classmethod
    def shape(cls, sizes: Sizes, width: int) -> dict[str, int]:
        return {"multipliers": width}

    @classmethod
    def ports(cls, sizes: Sizes, width: int) -> int:
        return max(min(width, sizes["block_in"]), width // sizes["block_in"])


class TableActivation(IntegerLayer):
    """The activation function behind a linear layer, as a table of its 256 results."""

    kernel = "table_activation"
    arrays = ("table",)


class JoinToken(IntegerLayer):
    """The features of one common token behind those of each token."""

    kernel = "join_token"
    sizes = ("n_tokens", "n_in", "n_common")

    @classmethod
    def work(cls, sizes: Sizes) -> int:
        return int(sizes["n_in"] + sizes["n_common"])


class HeadProduct(IntegerLayer):
    """A product of attention: all heads of a token with all tokens."""

    sizes = ("n_tokens", "n_heads", "n_head")
    arrays = ("mult", "shift")
    multiplies = True
    accumulates = True

    @classmethod
    def work(cls, sizes: Sizes) -> int:
        return int(sizes["n_heads"] * sizes["n_head"] * sizes["n_tokens"])

    @classmethod
    def widths(cls, sizes: Sizes) -> list[int]:
        """Powers of two: a rectangle of products, as wide as high or twice as high."""
        side = min(sizes["n_head"], sizes["n_tokens"])
        return [1 << bits for bits in range(2 * side.bit_length() - 1)]

    @classmethod
    def shape(cls, sizes: Sizes, width: int) -> dict[str, int]:
        cols = 1 << (width.bit_length() - 1) // 2
        return {"rows": width // cols, "cols": cols}

    @classmethod
    def ports(cls, sizes: Sizes, width: int) -> int:
        return cls.shape(sizes, width)["rows"]


class AttentionScores(HeadProduct):
    """Queries times keys."""

    kernel = "scores"


class AttentionValues(HeadProduct):
    """Shares times values."""

    kernel = "attend"


class IntegerSoftmax(IntegerLayer):
    """Softmax over every group of a token."""

    kernel = "integer_softmax"
    sizes = ("n_tokens", "n_groups", "n_group", "probability_mult")

    @classmethod
    def work(cls, sizes: Sizes) -> int:
        return int(sizes["n_group"])


class IntegerLayerNorm(IntegerLayer):
    """Layer normalization over the features of a token."""

    kernel = "integer_layernorm"
    sizes = ("n_tokens", "n_in", "shift", "epsilon")
    arrays = ("gain", "offset")


class EmbedTokens(IntegerLayer):
    """Prefix tokens before those of patches, and positions."""

    kernel = "embed_tokens"
    sizes = ("n_tokens", "n_prefix", "n_in")
    arrays = ("prefix", "position")


class SaturatingAdd(IntegerLayer):
    """The sum of two tensors of one scale."""

    kernel = "saturating_add"


class SelectToken(IntegerLayer):
    """One token."""

    kernel = "select_token"
    sizes = ("n_tokens", "n_in", "token")


class MeanTokens(IntegerLayer):
    """The average of the tokens behind the prefix."""

    kernel = "mean_tokens"
    sizes = ("n_tokens", "n_in", "start")


class TokenSelect(IntegerLayer):
    """The tokens that stay, and the package of the others; another result is their number, with
    whether the last one is a package."""

    kernel = "token_select"
    sizes = ("n_tokens", "n_in", "n_heads", "threshold", "prefix")

    @classmethod
    def ports(cls, sizes: Sizes, width: int) -> int:
        """All votes on a token are counted at once."""
        return max(width, int(sizes["n_heads"]))


class CopyWords(IntegerLayer):
    """A stream once more, for the next of its readers."""

    kernel = "copy_words"

    def _precision(self, role: str) -> IntegerPrecisionType:
        return self.get_input_variable().type.precision


LAYERS: tuple[type[IntegerLayer], ...] = (
    BlockSparseLinear,
    TableActivation,
    JoinToken,
    AttentionScores,
    AttentionValues,
    IntegerSoftmax,
    IntegerLayerNorm,
    EmbedTokens,
    SaturatingAdd,
    SelectToken,
    MeanTokens,
    TokenSelect,
    CopyWords,
)
