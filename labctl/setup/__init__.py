"""Preparing this host: the guest image and the control plane, built, carried as one file, and looked at."""
