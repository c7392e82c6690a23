"""What the examples of failure modes are made from. All of it is written for this purpose."""
