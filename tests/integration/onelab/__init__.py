"""Tests on one white paper's lab: each module leaves it as it found it."""
