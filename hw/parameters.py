"""The core's SystemVerilog parameters, from the geometry."""

from __future__ import annotations

from hw.config import ArrayConfig


def core_parameters(config: ArrayConfig) -> dict[str, int]:
    """SystemVerilog parameters of the core."""
    return {
        "Rows": config.rows,
        "Cols": config.cols,
        "Lanes": config.vector_lanes,
        "AccDepth": config.acc_depth,
        "ActWords": config.act_words,
        "WideWords": config.wide_words,
        "NormRows": config.norm_rows,
        "MemBytes": config.mem_bytes,
        "BurstBeats": config.burst_beats,
        "FifoBeats": config.fifo_beats,
        "PackDsp": int(config.dsp_pack),
    }
