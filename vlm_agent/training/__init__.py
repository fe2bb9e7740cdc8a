"""PPO, supervised fine-tuning, checkpoints."""
