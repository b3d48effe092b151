"""The container images of the stand-ins: what goes into them, how they are built without a registry or a daemon."""
