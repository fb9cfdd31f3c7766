"""The deterministic simulator: the unchanged pipeline among a fake broker, group and engine, under a virtual clock and a seed."""
