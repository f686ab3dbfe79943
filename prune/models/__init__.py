"""Getting a Vision Transformer with weights, and what can be done with it.

names        what the user may call a model
build        timm models of any size
checkpoint, pretrained, initialize   where weights come from
load         all of it: `load_model`
image_shape  what a model takes
reach        which of its weights meet the image, so that blocks of them can go
support      whether the compiler can run it
"""

from prune.models.load import LoadedModel, load_model, pretrained_config

__all__ = ["LoadedModel", "load_model", "pretrained_config"]
