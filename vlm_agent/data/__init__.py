"""Demonstrations, recordings and trajectories."""
