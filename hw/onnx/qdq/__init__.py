"""QDQ ONNX: the network in standard operators between `QuantizeLinear` and `DequantizeLinear`.

From the IR to the file:

    compact     hidden units left out that pruning has cut off
    curves      activation functions, found again in tables
    graph       a graph of standard operators under construction
    scales, operations, activation, selection, export

From a file, ours or another's, to the IR:

    values      what the values of a graph stand for
    evaluate    constants, and the indices of moved elements
    arithmetic, scaling, stream, products, attention, rounding, selections   what operators do
    handlers, read   operator by operator, node by node
    units, tables, network, load   the network behind the output

`docs/onnx-qdq.md` explains the file.
"""
