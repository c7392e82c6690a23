"""One round of a loop: what it proposes, whether a person approves, and what follows for the next one."""
