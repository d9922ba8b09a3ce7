"""Vault passwords, keyrings and sealed backups."""
