"""How a policy and a content become a prompt that content can't break out of."""
