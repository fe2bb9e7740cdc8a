"""The door: what an environment offers is looked at before an agent enters."""
