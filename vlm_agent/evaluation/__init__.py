"""Policies measured in environments."""
