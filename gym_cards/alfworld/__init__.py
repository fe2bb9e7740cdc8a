"""ALFWorld as a Gymnasium environment that shows pictures."""
