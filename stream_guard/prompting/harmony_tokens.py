"""The control tokens of the harmony format, by their ids in the o200k_harmony vocabulary.

Source: https://github.com/openai/harmony/blob/main/docs/format.md. A test holds them against the reference library.
"""

from __future__ import annotations

ORDINARY_TOKENS = 199_998
"""Ids below it are text; every id from it on is a control token."""

ENDOFTEXT = 199_999
RETURN = 200_002
CONSTRAIN = 200_003
CHANNEL = 200_005
START = 200_006
END = 200_007
MESSAGE = 200_008
CALL = 200_012

STOP_IDS = (RETURN, CALL, ENDOFTEXT)
"""Where generation stops: the end of an answer, a tool call, and the stop id of gpt-oss's generation configuration."""

SPELLINGS = {
    "<|endoftext|>": ENDOFTEXT,
    "<|return|>": RETURN,
    "<|constrain|>": CONSTRAIN,
    "<|channel|>": CHANNEL,
    "<|start|>": START,
    "<|end|>": END,
    "<|message|>": MESSAGE,
    "<|call|>": CALL,
}
"""How they are spelled. A model folder whose tokenizer has other ids for them is no gpt-oss."""
