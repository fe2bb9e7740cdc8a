"""Training in several processes: Accelerate and FSDP2."""
