"""Turn a diagnosis into a plan and a training mix."""
