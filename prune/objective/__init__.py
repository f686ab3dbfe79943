"""The prices in torch, for training: cycles and energy of soft masks beside the task loss."""
