"""The IR as an hls4ml model: layers, C++ kernels and projects for Vitis HLS. See `docs/hls.md`."""
