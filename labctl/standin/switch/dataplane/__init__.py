"""What makes a switch's configuration true: FRR for routing, Linux for packets."""
