"""The operator's inventory: hosts, variables and connections."""
