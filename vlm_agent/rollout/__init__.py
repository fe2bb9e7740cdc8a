"""Episodes played by a policy, collected to learn from."""
