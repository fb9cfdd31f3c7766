"""A trial: the last records of a topic through the unchanged pipeline, between a source and a sink that leave no trace."""
