"""Observations and replies as a model takes them."""
