"""vLLM as the engine that writes replies."""
