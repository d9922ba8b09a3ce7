"""Asking an operator what must be known."""
