"""The command line: verbs, options, help and completion."""
