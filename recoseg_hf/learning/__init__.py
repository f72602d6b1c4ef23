"""What the training scripts share: slice data sets, augmentation, losses, checkpoints and the run itself."""
