"""One command per file, and the engines that they share: options, target, role_run and others."""
