"""What a cluster is asked: topics, rights, offsets, a topic's tail; and the first attach."""
