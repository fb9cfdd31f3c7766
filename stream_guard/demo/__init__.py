"""The demo: events that we wrote, fed through the whole service beside a Kafka in this process, and what came of them."""
