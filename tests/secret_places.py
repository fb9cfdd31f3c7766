"""Where secrets may stand in a configuration."""

from __future__ import annotations

SECRET_OPTIONS = (
    "sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem", "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.config", "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.oauthbearer.assertion.private.key.passphrase", "topic.sasl.password",
)  # fmt: skip
PLACES: tuple[tuple[str, ...], ...] = (
    *((("kafka", section, option)) for section in ("client", "consumer", "producer") for option in SECRET_OPTIONS),
    ("engine", "api_key"),
    ("content_hash_key",),
    ("schema_registry", "password"),
    ("schema_registry", "token"),
    ("schema_registry", "key_password"),
)
