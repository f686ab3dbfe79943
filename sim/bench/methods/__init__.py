"""Integer methods for softmax and layer norm: accuracy and hardware, measured side by side.

`hw.integer` has the methods that were chosen. The others are here for the comparison only.
"""
