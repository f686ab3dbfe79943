"""One network in four executors: reference, ONNX Runtime, HLS C simulation and RTL.

executors   each of them, with the same two questions: the logits of images, all tensors of one
compare     what they answer against the reference, and where one parts from it first
"""

from sim.agree.compare import Agreement, agreements, first_difference
from sim.agree.executors import EXECUTORS, Executor

__all__ = ["EXECUTORS", "Agreement", "Executor", "agreements", "first_difference"]
