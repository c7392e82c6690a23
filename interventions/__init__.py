"""ACT: from a diagnosis to a plan and a training mix."""
