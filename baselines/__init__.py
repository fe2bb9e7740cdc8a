"""Stable-baselines3 agents on the environments: `python -m baselines.train --env ID`.

Imports of stable-baselines3 wait until they are needed: `pip install "gym-cards[baselines]"`.
"""
