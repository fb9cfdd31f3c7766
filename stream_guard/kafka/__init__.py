"""Kafka behind the two ports: the poll thread, the producer, the first attach and what must hold before a start."""
