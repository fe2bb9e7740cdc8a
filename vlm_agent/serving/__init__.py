"""Models behind an API, and policies offered through one."""
