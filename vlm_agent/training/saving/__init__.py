"""The directory of a run: metrics, checkpoints, and how a training is resumed from them."""
