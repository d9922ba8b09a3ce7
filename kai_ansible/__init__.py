"""Installs, configures and runs a Kai bot."""

__version__ = "0.1.0"
