"""ONNX: the IR as a file that other runtimes run, and such a file as the IR.

The integer form is the network itself: an operation of the IR is a function of the domain
`blockvit`, whose body in standard operators travels in the file. `docs/onnx.md` explains both.
"""
