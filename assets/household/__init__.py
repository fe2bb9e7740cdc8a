"""Drawings of the household: icons of all types, and furniture seen from the front."""
