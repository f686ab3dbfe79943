"""The layers that the IR's operations become in an hls4ml `ModelGraph`.

A layer names its kernel (`nnet_utils/nnet_<kernel>.h`), the sizes in the kernel's config struct, and
its constant arrays, in the order of the kernel's arguments.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from hls4ml.model.attributes import (
    Attribute,
    ChoiceAttribute,
    ConfigurableAttribute,
    WeightAttribute,
)
from hls4ml.model.layers import Layer
from hls4ml.model.types import IntegerPrecisionType, NamedType

from hw.errors import UserError
from hw.hls.parallel import Sizes, closest_width, divisors

ARRAY_ALIASES = {"payload": "weight", "rows": "index", "columns": "index", "empty": "index"}
"""Arrays whose type has another name in the config struct and in `Precision`."""


class IntegerLayer(Layer):  # type: ignore[misc]
    """An operation on integers: `docs/integer.md` says what it computes."""

    kernel: ClassVar[str] = ""
    sizes: ClassVar[tuple[str, ...]] = ("n_tokens", "n_in")
    arrays: ClassVar[tuple[str, ...]] = ()
    width: ClassVar[str] = "parallel"
    """Size of the kernel that the reuse factor stands for."""
    multiplies: ClassVar[bool] = False
    """Whether that is a number of the array's multipliers, else of the vector unit's lanes."""
    accumulates: ClassVar[bool] = False
    strategies: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        if "kernel" not in cls.__dict__:  # hls4ml's own subclass for a backend
            return
        cls._expected_attributes = [
            *(Attribute(name) for name in cls.sizes),
            *(WeightAttribute(name) for name in cls.arrays),
            ConfigurableAttribute("reuse_factor", default=1),
        ]
        if cls.strategies:
            choice = ChoiceAttribute("strategy", list(cls.strategies), default=cls.strategies[0])
            cls._expected_attributes.append(choice)

    @classmethod
    def work(cls, sizes: Sizes) -> int:
        """What the units do for one token, in products or features."""
        return int(sizes["n_in"])

    @classmethod
    def widths(cls, sizes: Sizes) -> list[int]:
        """Numbers of units that the kernel can be built with, ascending."""
        return list(range(1, sizes["n_in"] + 1))

    def initialize(self) -> None:
        config = self.model.config
        self.set_attr("reuse_factor", config.get_reuse_factor(self))
        if self.strategies:
            self.set_attr("strategy", config.get_strategy(self))
        work, widths = self.work(self.attributes), self.widths(self.attributes)
        width = closest_width(self.name, work, widths, self.get_attr("reuse_factor"))
        self.set_attr(self.width, width)
        if self.accumulates:
            accum = NamedType("accum{index}_t", self._precision("accum"), index=self.index)
            self.set_attr("accum_t", accum)
        for name in self.arrays:
            self._add_array(name)
        for output, (shape, role) in zip(self.outputs, self.get_attr("results"), strict=True):
            suffix = "" if role == "result" else f"_{role}"
            self.add_output_variable(
                shape,
                out_name=output,
                var_name=f"layer{{index}}{suffix or '_out'}",
                type_name=f"layer{{index}}{suffix}_t",
                precision=self._precision(role),
            )

    def _precision(self, role: str) -> IntegerPrecisionType:
        fixed = self.get_attr("fixed_precisions", {}).get(role)
        if fixed is not None:
            return self.model.config.backend.convert_precision_string(fixed)
        precision, _ = self.model.config.get_precision(self, role)
        return precision

    def _add_array(self, name: str) -> None:
        data: Any = self.get_attr(f"{name}_data")
        precision = self._precision(ARRAY_ALIASES.get(name, name))
        low = -(1 << precision.width - 1) if precision.signed else 0
        high = (1 << precision.width - precision.signed) - 1
        if data.min() < low or data.max() > high:
            raise UserError(
                f"{self.name}: Precision {precision} of {ARRAY_ALIASES.get(name, name)!r} does not "
                f"hold its values, {data.min()} to {data.max()}; choose a wider one"
            )
        self.add_weights_variable(name, precision=precision, data=np.asarray(data, np.int64))


class BlockDense(IntegerLayer):
    """A linear layer of which only the kept blocks of the weight exist."""

    kernel = "block_dense"
    sizes = ("n_tokens", "n_in", "n_out", "block_out", "block_in", "n_blocks", "n_empty")
    arrays = ("payload", "rows", "columns", "ends", "empty", "bias", "mult", "shift")
    width = "multipliers"
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

    @classmethod
    def widths(cls, sizes: Sizes) -> list[int]:
        return list(range(1, cls.work(sizes) + 1))


LAYERS: tuple[type[IntegerLayer], ...] = (BlockDense, TableActivation, JoinToken)
