"""Stable-Baselines3 agents for the environments: `python -m baselines.train --env ID`.

They need `pip install "gym-cards[baselines]"`, and are used from a clone of the repository. Modules
that need Stable-Baselines3 are not imported here.
"""
