"""From a sample of a topic's records to how it can be read, and from that to the files of a first configuration. Pure."""
