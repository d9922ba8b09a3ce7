"""Runs of Ansible: the request, its events and its log."""
