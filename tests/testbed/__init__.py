"""Throwaway systemd machines in podman: for the demo, the fixtures and Molecule."""
