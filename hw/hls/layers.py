"""The layer that an operation of the IR becomes in an hls4ml `ModelGraph`: see `hw.hls.operations`.

A layer names its kernel (`nnet_utils/nnet_<kernel>.h`), the sizes in the kernel's config struct,
and its constant arrays, in the order of the kernel's arguments.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from hls4ml.model.attributes import (
    Attribute,
    ChoiceAttribute,
    ConfigurableAttribute,
    WeightAttribute,
)
from hls4ml.model.layers import Layer
from hls4ml.model.types import IntegerPrecisionType, NamedType, WeightVariable

from hw.errors import UserError
from hw.hls.parallel import Sizes, closest_width

PRECISIONS = {
    "accum": "ap_int<32>",
    "weight": "ap_int<8>",
    "bias": "ap_int<32>",
    "mult": "ap_uint<16>",
    "shift": "ap_uint<6>",
    "index": "ap_uint<16>",
    "table": "ap_int<8>",
    "gain": "ap_int<16>",
    "offset": "ap_int<32>",
    "prefix": "ap_int<16>",
    "position": "ap_int<16>",
}
"""Default types by the names that `Precision` has for them; `result` is the tensor's."""

FIXED_PRECISIONS = {"live": "ap_uint<16>", "ends": "ap_uint<1>"}
"""Types that cannot be configured."""

ROLES = {"payload": "weight", "rows": "index", "columns": "index", "empty": "index"}
"""Constant arrays that go by another name in the config struct and in `Precision`."""


class IntegerWeights(WeightVariable):
    """A constant array whose values are written as whole numbers, millions in a second."""

    def __iter__(self) -> Iterator[str]:
        return map(str, np.asarray(self.data).ravel().tolist())


class IntegerLayer(Layer):
    """An operation on integers; `docs/integer.md` says what it computes."""

    kernel: ClassVar[str] = ""
    sizes: ClassVar[tuple[str, ...]] = ("n_tokens", "n_in")
    arrays: ClassVar[tuple[str, ...]] = ()
    multiplies: ClassVar[bool] = False
    """Whether the array's multipliers work in it, else the vector unit's lanes."""
    accumulates: ClassVar[bool] = False
    strategies: ClassVar[tuple[str, ...]] = ()
    _expected_attributes: ClassVar[list[Attribute]] = []

    def __init_subclass__(cls) -> None:
        if "kernel" not in cls.__dict__:  # a backend's own subclass
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
        """What multipliers or lanes share: products or features, of a token."""
        return int(sizes["n_in"])

    @classmethod
    def widths(cls, sizes: Sizes) -> list[int]:
        """Numbers of multipliers or lanes that the kernel can be built with, ascending."""
        return list(range(1, cls.work(sizes) + 1))

    @classmethod
    def shape(cls, sizes: Sizes, width: int) -> dict[str, int]:
        """Sizes of the kernel that follow from their number."""
        return {}

    @classmethod
    def ports(cls, sizes: Sizes, width: int) -> int:
        """Neighbouring features of a tensor that are read or written in a cycle."""
        return width

    @classmethod
    def roles(cls) -> list[str]:
        """What `Precision` has a type for, beside `result`."""
        accum = ["accum"] if cls.accumulates else []
        names = (ROLES.get(name, name) for name in cls.arrays)
        return list(dict.fromkeys([*accum, *(role for role in names if role in PRECISIONS)]))

    def initialize(self) -> None:
        config, sizes = self.model.config, self.attributes
        if self.strategies:
            self.set_attr("strategy", config.get_strategy(self))
        reuse_factor = config.get_reuse_factor(self)
        width = closest_width(self.name, self.work(sizes), self.widths(sizes), reuse_factor)
        self.set_attr("width", width)
        if self.accumulates:
            accum = NamedType("accum{index}_t", self._precision("accum"), index=self.index)
            self.set_attr("accum_t", accum)
        for name in self.arrays:
            self._add_array(name)
        for output, (role, shape) in zip(self.outputs, self.get_attr("results"), strict=True):
            self.add_output_variable(
                shape,
                out_name=output,
                var_name="layer{index}_" + ("out" if role == "result" else role),
                type_name="layer{index}_" + ("t" if role == "result" else f"{role}_t"),
                precision=self._precision(role),
            )

    def _precision(self, role: str) -> IntegerPrecisionType:
        text = FIXED_PRECISIONS.get(role)
        if text is None:
            text, _ = self.model.config.get_precision(self, role)
        precision = self.model.config.backend.convert_precision_string(text)
        if not isinstance(precision, IntegerPrecisionType):
            raise UserError(
                f"Precision {role} of {self.name}: {precision}; layers compute with integers, "
                "choose an ap_int or ap_uint"
            )
        return precision

    def _add_array(self, name: str) -> None:
        data: Any = self.get_attr(f"{name}_data")
        role = ROLES.get(name, name)
        precision = self._precision(role)
        low = -(1 << precision.width - 1) if precision.signed else 0
        high = (1 << precision.width - int(precision.signed)) - 1
        if data.min() < low or data.max() > high:
            raise UserError(
                f"Precision {role} of {self.name}: {precision} does not hold its values, "
                f"{data.min()} to {data.max()}; choose a wider one"
            )
        names = {"var_name": f"{name}{{index}}", "type_name": f"{name}{{index}}_t"}
        array = IntegerWeights(**names, precision=precision, data=data, index=self.index)
        self.set_attr(name, array)
