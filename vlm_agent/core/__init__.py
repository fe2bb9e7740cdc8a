"""Values, protocol, prompts and parsing: no torch."""
