"""Writing replies: the loop over tokens, its cache, and adapters merged while it runs."""
