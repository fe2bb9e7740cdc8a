"""PPO and its kin, supervised fine-tuning, checkpoints."""
