"""Converts observations and replies to a model's inputs, and tokens back to text."""
