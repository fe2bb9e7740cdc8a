"""Optimizers, their steps and learning rates."""
