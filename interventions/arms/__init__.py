"""Arms beside the fix itself: the plan without some of its steps, and the repairs of rival causes."""
