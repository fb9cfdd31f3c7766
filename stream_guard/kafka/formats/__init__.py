"""Avro, Protobuf and JSON Schema values as JSON documents."""
