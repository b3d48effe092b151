"""Scenarios that are files: traffic, faults, expectations and captures as steps, labctl's own and a user's."""
