"""What calibration images say about a model's layers: inputs, second moments and importance.

inputs      the tokens that reach each layer, in one forward of all images
importance  how much each token and each output row matters to the loss
moments     second moments of a layer's input, and what they are to be fitted to
store       results of finished layers, so that an interrupted run goes on
"""
