"""What the name of a field says of what it holds: the names that platforms and logs give to such fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|[0-9]+")

TEXTS = frozenset({
    "text", "body", "content", "message", "msg", "comment", "caption", "post", "utterance", "transcript", "plaintext",
    "fulltext", "texto", "texte", "mensaje", "nachricht", "inhalt", "contents",
})  # fmt: skip
"""Names of what somebody wrote."""
_MAYBE_TEXTS = frozenset({
    "description", "title", "subject", "headline", "summary", "bio", "about", "review", "question", "answer", "reply", "note",
    "feedback", "snippet", "value", "prompt", "completion", "response", "input", "output", "query", "html", "markdown",
    "data", "payload", "line", "sentence", "remark", "opinion", "raw", "sms", "tweet", "chat", "speech",
    "instruction", "request",
})  # fmt: skip
"""Names that may also be of something else."""
_NO_TEXTS = frozenset({
    "id", "ids", "uuid", "guid", "url", "uri", "link", "links", "href", "src", "avatar", "image", "icon", "photo", "agent", "ua",
    "ip", "host", "hostname", "email", "mail", "phone", "hash", "token", "signature", "version", "lang", "language",
    "locale", "type", "kind", "state", "reason", "code", "level", "name", "username", "nick", "login", "address",
    "city", "country", "region", "path", "file", "filename", "mime", "color", "currency", "device", "os", "browser",
    "platform", "source", "topic", "tag", "tags", "label", "labels", "category", "format", "encoding", "key", "slug", "error",
    "exception", "stacktrace", "date", "time", "timestamp", "ts", "at", "model", "role", "author", "user", "sender", "schema",
    "licence", "license", "method", "logger", "thread", "timezone", "tz", "sku", "referer", "referrer",
})  # fmt: skip
WRITTEN_BY_MODELS = frozenset({
    "response", "completion", "output", "answer", "reply", "generation", "generated", "result", "choices", "prediction",
})  # fmt: skip
"""Names of what a model wrote upon a prompt."""

PROMPTS = frozenset({"prompt", "input", "instruction", "query", "request", "question"})
"""Names of what a model was asked."""
TITLES = frozenset({"title", "subject", "headline"})
"""Names of what stands above a text, and is written by the same author."""

_MEDIA: Mapping[str, tuple[str, ...]] = {
    "image": ("image", "images", "imageurl", "imageurls", "photo", "photos", "photourl", "picture", "pictures", "gif", "sticker",
              "stickers"),
    "video": ("video", "videos", "videourl", "clip"),
    "audio": ("audio", "voice", "audiourl", "voicenote", "voicemessage"),
    "file": ("attachment", "attachments", "file", "files", "media", "mediaurl", "mediaurls", "uploads"),
    "tool_call": ("toolcalls", "functioncall"),
}  # fmt: skip

AUTHORS = frozenset({
    "author", "user", "sender", "from", "username", "nick", "nickname", "login", "player", "uid", "poster", "creator",
    "member", "by", "owner", "account", "customer", "screenname", "displayname", "handle", "commenter", "reviewer", "writer", "userid",
})  # fmt: skip
_AUTHOR_FORMS = ("id", "uid", "uuid", "userid", "username", "name", "login", "handle", "screenname", "nickname", "nick")
"""How an author may be named, best first: an id stays, a name is chosen anew."""
ROOMS = (
    "channel", "room", "conversation", "thread", "chat", "group", "guild", "server", "forum", "board", "subreddit",
    "lobby", "match", "session", "ticket", "stream",
)  # fmt: skip
"""Where messages belong together, the narrowest first."""
_THINGS = (
    "message", "msg", "comment", "post", "review", "chat", "conversation", "completion", "request", "note", "reply", "item",
    "entry", "document", "record", "object", "ticket", "activity", "event", "row", "client",
)  # fmt: skip
"""What an id may be of so that it is the record's own, best first."""
LANGUAGES = frozenset({"lang", "language", "locale", "langcode", "languagecode", "isolanguage", "isolang"})
_TIMES = (
    "created", "sent", "posted", "published", "written", "submitted", "occurred", "timestamp", "ts", "time", "datetime",
    "date", "at", "utc", "t", "when",
)  # fmt: skip
_LATER = frozenset({
    "updated", "edited", "deleted", "modified", "expires", "expired", "received", "ingested", "last", "seen", "ended",
    "processed", "read", "joined",
})  # fmt: skip
ROLES = (
    "role", "senderrole", "authorrole", "sendertype", "authortype", "speaker", "from", "sender", "author", "party",
    "participant", "direction", "side", "source", "type", "user", "name", "who", "by",
)  # fmt: skip
"""Names of who speaks in a turn, the plainest first."""
SPEAKER_NAMES = frozenset(
    {"name", "username", "displayname", "nick", "nickname", "authorname", "sendername", "agentname"}
)
KINDS = (
    "type", "kind", "event", "eventtype", "eventname", "messagetype", "msgtype", "op", "action", "object", "t", "category",
    "subtype", "class", "name", "operation", "topic", "schema", "status",
)  # fmt: skip
"""Names of what tells the shapes of a topic apart, the plainest first."""


@cache
def words(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case: `messageBody`, `message_body` and `message-body` are the same."""
    return tuple(word.lower() for word in _WORD.findall(name)) or ((name.lower(),) if name.isalpha() else ())


def joined(name: str) -> str:
    """The name in lower case, without what separates its words."""
    return "".join(words(name))


def text_likeness(name: str) -> float:
    """How much the name says that somebody's text is here: 1 it does, 0 it says nothing, -1 it is something else."""
    found = words(name)
    if not found:
        return 0.0
    if found[-1] in TEXTS or joined(name) in TEXTS:
        return 1.0
    if found[-1] in _NO_TEXTS or joined(name) in SPEAKER_NAMES:
        return -1.0
    if found[-1] in _MAYBE_TEXTS or not TEXTS.isdisjoint(found):
        return 0.5
    return 0.0


def id_likeness(name: str) -> float:
    """How much the name says that the record's own id is here, 0 to 1."""
    found = words(name)
    if found in {("id",), ("uuid",), ("guid",)}:
        return 1.0
    if not found or found[-1] not in {"id", "uuid", "guid"}:
        return 0.8 if joined(name) in {"key", "nonce", "pk"} else 0.0
    ranks = [_THINGS.index(word) for word in found[:-1] if word in _THINGS]
    return 0.9 - min(ranks) / 50 if ranks else 0.0


def author_likeness(name: str, holder: str) -> float:
    """How much the name, and that of the object that holds it, say that the author is here, 0 to 1."""
    found = words(name)
    if words(holder) and not AUTHORS.isdisjoint((joined(holder), words(holder)[-1])) and joined(name) in _AUTHOR_FORMS:
        return 1.0 - _AUTHOR_FORMS.index(joined(name)) / 50
    if len(found) > 1 and not AUTHORS.isdisjoint(found[:-1]) and found[-1] in _AUTHOR_FORMS:
        return 0.9 - _AUTHOR_FORMS.index(found[-1]) / 50
    return 0.8 if joined(name) in AUTHORS else 0.0


def room_likeness(name: str, holder: str) -> float:
    """How much the names say that the place of a conversation is here, 0 to 1."""
    for rank, room in enumerate(ROOMS):
        known = 0.9 - rank / 50
        found = words(name)
        if found in {(room,), (room, "id")}:
            return known
        if found in {(room, "name"), (room, "slug")}:
            return known - 0.1
        if words(holder) == (room,) and joined(name) in {"id", "name"}:
            return known - (0.1 if name == "name" else 0)
    return 0.0


def time_likeness(name: str) -> float:
    """How much the name says that the time of writing is here, 0 to 1."""
    found = words(name)
    if not _LATER.isdisjoint(found):
        return 0.0
    ranks = [_TIMES.index(word) for word in found if word in _TIMES]
    return 1.0 - min(ranks) / 50 if ranks and (len(found) == 1 or found[-1] in _TIMES or found[0] in _TIMES) else 0.0


def media_kind(name: str) -> str | None:
    """What stands here that somebody sent beside a text (image, file and the like), None where the name says no such thing."""
    return next((kind for kind, names in _MEDIA.items() if joined(name) in names), None)


def rank(name: str, names: tuple[str, ...]) -> int | None:
    """The place of a name among these, None where it is none of them."""
    key = joined(name)
    return names.index(key) if key in names else None
