"""The bodies of the domain's functions: one an operation of the IR, and the arithmetic they share.

Every file is both: Python that onnxscript turns into ONNX functions, and the text that defines
them. `hw.integer` and `docs/integer.md` are what they must equal, bit for bit.

All arithmetic on elements is in double precision, whose integers are exact below 2^53: more than
any value here takes. What takes more, the variance of a layer norm, is in int64.
"""
