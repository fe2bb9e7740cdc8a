"""Options of every command: dataclass, YAML and command line."""
