"""What every settings model shares: unknown keys are errors, values are frozen, and no error quotes an input."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """The base of all settings."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=False,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )
