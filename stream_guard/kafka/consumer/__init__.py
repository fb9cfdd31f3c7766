"""The consumer: one thread owns it; leases, intakes and stored offsets pass through a mailbox."""
