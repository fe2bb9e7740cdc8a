"""What adapters of other makers change besides linear layers, and their dropout."""
