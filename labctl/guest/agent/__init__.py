"""The agent that runs inside the guest: standard library only, it must start in Python 3.11 to 3.13."""
