"""A stand-in node in a container of its own, as kind makes it: `kubeadm init` and `join`, and what they start."""
