"""Supervised fine-tuning on the replies of an expert or a person, and its lessons in reading."""
