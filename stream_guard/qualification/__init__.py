"""Whether a model can be trusted with a policy: the policy's own examples, asked and counted."""
