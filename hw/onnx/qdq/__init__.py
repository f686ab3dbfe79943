"""QDQ ONNX: the network in standard operators between `QuantizeLinear` and `DequantizeLinear`.

    curves      activation functions, found again in tables
    graph       a graph of standard operators under construction
    scales, operations, activation, selection, export   from the IR to the file

`docs/onnx-qdq.md` explains the file.
"""
