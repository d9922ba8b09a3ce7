"""Ask the operator for the configuration."""
