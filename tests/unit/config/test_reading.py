from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import orjson
import pytest
import yaml

from stream_guard.config import build_routes, load_config
from stream_guard.config.reading import ReadSettings, build_reader
from stream_guard.config.resolved import resolved
from stream_guard.config.schema import config_schema
from stream_guard.errors import ConfigError
from stream_guard.events.envelope import CloudEventsReader
from stream_guard.events.mapping.language import written
from stream_guard.events.mapping.mapping import MappingReader
from stream_guard.events.mapping.ready import READY, SHAPES
from stream_guard.events.model import Chat, Completion, Event, Message, Turn
from stream_guard.events.outcome import Ignored, IgnoredReason, Rejection
from stream_guard.events.reader import CANONICAL, Format
from stream_guard.events.text import TEXT
from stream_guard.prompting.plain import PlainRenderer
from tests.cases import make_policy, make_record

FILE = """\
kafka:
  bootstrap_servers: localhost:9092
  start: earliest
engine:
  kind: scripted
policies: [.]
routes:
  - name: forum
    topic: forum.posts
    judge: [message, last_turn, completion]
    policies: [spam]
    outputs: &outputs
      verdicts: guard.verdicts
      rulings: guard.rulings
      dead_letters: guard.dead-letters
    read:
"""
MAPPING = """\
      mapping:
        - when: {path: $.type, any_of: [post, comment]}
          message:
            text: $.body
            id: $.post_id
            author: {key: true}
            language: {value: en}
            created_at: $.ts
            attributes: {room: $.channel.id, tenant: {header: tenant}}
            parts: {image: "$.images[*]"}
        - when:
            - {path: $.type, any_of: [dm]}
            - {header: tenant, matches: "ac.*"}
            - {path: $.deleted, present: false}
          chat:
            turns: $.thread[*]
            role: $.from
            text: $.text
            name: $.name
            roles: {agent: assistant, "*": user}
            id: $.id
        - when: {path: $.response, present: true}
          completion:
            prompt: {turns: $.request, role: {value: user}, text: $}
            completion: $.response.choices[*].content
            model: $.model
        - when: {path: $.type, any_of: [heartbeat]}
          ignore: true
        - when: {path: $.type, any_of: [draft]}
          reject: drafts do not belong here
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a configuration is written."""
    return tmp_path / "guard.yaml"


def read(settings: ReadSettings, value: object) -> Event | Ignored | Rejection:
    """What a record comes to under these settings."""
    raw = orjson.dumps(value)
    record = make_record(raw, key=b"ann", headers=(("tenant", b"acme"),))
    return build_reader(settings).read(raw, record, max_bytes=10_000, max_depth=32)


def finding(file: Path, mapping: str) -> str:
    """All that is wrong with a route's `read`, without the file's name."""
    file.write_text(FILE + mapping)
    with pytest.raises(ConfigError) as raised:
        load_config(file, {})
    return str(raised.value).replace(f"{file}:", "")


def test_a_mapping_reads_what_it_says(file: Path) -> None:
    """Every setting of the language has its effect."""
    file.write_text(FILE + MAPPING)
    settings = load_config(file, {}).routes[0].read
    post = {"type": "post", "body": "x", "post_id": 7, "ts": 0, "channel": {"id": "general"}}
    message = Message(
        content="x", id="7", author="ann", language="en", created_at="1970-01-01T00:00:00Z",
        attributes={"room": "general", "tenant": "acme"},
    )  # fmt: skip
    assert read(settings, post) == message
    dm = {"type": "dm", "id": "c", "thread": [{"from": "agent", "text": "a", "name": "b"}, {"from": "x", "text": "c"}]}
    assert read(settings, dm) == Chat(id="c", turns=(Turn("assistant", "a", "b"), Turn("user", "c")))
    answer = {"request": ["q"], "response": {"choices": [{"content": "a"}]}, "model": "m"}
    assert read(settings, answer) == Completion(prompt=(Turn("user", "q"),), completion="a", model="m")
    assert read(settings, {"type": "heartbeat"}) == Ignored(IgnoredReason.NOT_SELECTED)
    outcomes = [read(settings, value) for value in ({"type": "draft"}, {"type": "else"}, dm | {"deleted": 1})]
    assert [outcome.detail for outcome in outcomes if isinstance(outcome, Rejection)] == [
        "drafts do not belong here",
        "no shape of the mapping applies",
        "no shape of the mapping applies",
    ]


def test_one_shape_needs_no_list(file: Path) -> None:
    """A mapping with one shape may be that shape."""
    file.write_text(FILE + "      mapping: {message: {text: $.body}}\n")
    assert read(load_config(file, {}).routes[0].read, {"body": "x"}) == Message(content="x")


def test_a_constant_role_may_be_a_translated_one() -> None:
    """What `roles` says of a role holds for a constant, by name or as one of the rest."""
    for roles in ({"bot": "assistant"}, {"*": "assistant"}):
        chat = {"turns": "$", "role": {"value": "bot"}, "text": "$", "roles": roles}
        settings = ReadSettings.model_validate({"mapping": {"chat": chat}})
        assert read(settings, ["a"]) == Chat(turns=(Turn("assistant", "a"),))


def test_formats_and_envelopes_have_their_readers() -> None:
    """Each setting chooses the reader that its documentation says."""
    assert build_reader(ReadSettings()) is CANONICAL
    assert build_reader(ReadSettings(format=Format.AVRO)) is CANONICAL
    assert build_reader(ReadSettings(format=Format.TEXT)) is TEXT
    assert build_reader(ReadSettings(mapping="openai_chat")) is READY["openai_chat"]
    assert isinstance(build_reader(ReadSettings(envelope="cloudevents")), CloudEventsReader)


def test_equal_settings_have_the_same_reader() -> None:
    """Routes of a topic are grouped by their reader: two that are written alike must not read a record twice."""
    value = yaml.safe_load(MAPPING)["mapping"]
    settings = [ReadSettings.model_validate({"mapping": value, "envelope": envelope}) for envelope in (None, None, "cloudevents", "cloudevents")]  # fmt: skip
    readers = [build_reader(each) for each in settings]
    assert readers[0] is readers[1]
    assert readers[2] is readers[3]
    assert readers[0] is not readers[2]


def test_constants_that_are_equal_in_python_are_not_the_same() -> None:
    """1, 1.0 and true are three attributes."""
    readers = {
        id(build_reader(ReadSettings.model_validate({"mapping": {"message": {"text": "$", "attributes": {"a": {"value": value}}}}})))
        for value in (1, 1.0, True)
    }  # fmt: skip
    assert len(readers) == 3


def test_routes_get_their_readers(file: Path) -> None:
    """What `read` says is what the pipeline reads by."""
    second = "  - {name: rest, topic: forum.posts, judge: [message], policies: [spam], outputs: *outputs}\n"
    file.write_text(FILE + MAPPING + second)
    forum, rest = build_routes(load_config(file, {}), {"spam": make_policy()}, PlainRenderer()).all
    assert isinstance(forum.reader, MappingReader)
    assert rest.reader is CANONICAL


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_a_ready_mapping_is_written_in_its_own_language(name: str) -> None:
    """What `init` prints as an example means the very mapping, also after YAML, and the schema takes it."""
    example = written(SHAPES[name])
    settings = ReadSettings.model_validate({"mapping": yaml.safe_load(yaml.safe_dump(example, sort_keys=False))})
    assert not isinstance(settings.mapping, str)
    assert tuple(shape.shape() for shape in settings.mapping) == SHAPES[name]
    assert settings.model_dump(mode="json")["mapping"] == example
    schema = config_schema()
    jsonschema.validate({"mapping": example}, schema["$defs"]["ReadSettings"] | {"$defs": schema["$defs"]})


def test_the_language_can_be_written_back(file: Path) -> None:
    """Every form of a setting survives, as it was written."""
    file.write_text(FILE + MAPPING)
    dumped = load_config(file, {}).routes[0].read.model_dump(mode="json")
    assert dumped["mapping"] == yaml.safe_load(MAPPING)["mapping"]


def test_the_resolved_configuration_is_plain(file: Path) -> None:
    """`explain` prints paths and sources as they are written."""
    file.write_text(FILE + MAPPING)
    message = resolved(load_config(file, {}))["routes"][0]["read"]["mapping"][0]["message"]
    assert json.loads(json.dumps(message["attributes"])) == {"room": "$.channel.id", "tenant": {"header": "tenant"}}
    assert message["text"] == "$.body"


def test_the_schema_describes_the_language() -> None:
    """Every setting of the language says what it is for, and what it takes."""
    definitions = config_schema()["$defs"]
    for name in ("ReadSettings", "ShapeSettings", "ShapeConditionSettings", "MessageSettings", "ChatSettings", "TurnsSettings", "CompletionSettings"):  # fmt: skip
        fields = definitions[name]["properties"]
        assert all(field.get("description") for field in fields.values()), name
    mapping = yaml.safe_load(MAPPING)
    schema = definitions["ReadSettings"] | {"$defs": definitions}
    jsonschema.validate(mapping, schema)
    mapping["mapping"][0]["message"]["text"] = "body"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(mapping, schema)


@pytest.mark.parametrize(
    ("mapping", "findings"),
    [
        ("mapping: slack", "17:16: routes[0].read.mapping: there is no ready mapping of this name: canonical, openai_chat"),
        ("mapping: []", "17:7: routes[0].read.mapping: Tuple should have at least 1 item"),
        ("mapping: [{message: {text: body}}]", "17:34: routes[0].read.mapping[0].message.text: a path starts with $; a constant is"),
        ("mapping: [{message: {text: '$.a['}}]", "17:34: routes[0].read.mapping[0].message.text: $.a[ is no path: unbalanced brackets at character 5"),
        ("mapping: [{message: {text: {value: x}}}]", "17:28: routes[0].read.mapping[0].message.text: a constant is nothing that somebody wrote"),
        ("mapping: [{message: {text: {heder: x}}}]", "17:28: routes[0].read.mapping[0].message.text: must be a JSON path, {header: NAME}"),
        ("mapping: [{message: {text: $.a, id: {key: false}}}]", "17:39: routes[0].read.mapping[0].message.id: must be a JSON path, {header: NAME}"),
        ("mapping: [{message: {text: $.a, id: {value: null}}}]", "17:39: routes[0].read.mapping[0].message.id: must be a JSON path, {header: NAME}"),
        ("mapping: [{message: {id: $.a}}]", "17:18: routes[0].read.mapping[0].message.text is required"),
        ("mapping: [{mesage: {text: $.a}}]", "17:18: routes[0].read.mapping[0].mesage is unknown; did you mean message?"),
        ("mapping: [{when: {path: $.a, present: true}}]", "17:17: routes[0].read.mapping[0]: needs exactly one of message, chat"),
        ("mapping: [{ignore: true, reject: x}]", "17:17: routes[0].read.mapping[0]: needs exactly one of message, chat"),
        ("mapping: [{ignore: false}]", "17:26: routes[0].read.mapping[0].ignore: Input should be True"),
        ("mapping: [{ignore: true}, {message: {text: $.a}}]", "17:7: routes[0].read.mapping: shape 1 has no `when`: those after it"),
        ("mapping: [{when: {present: true}, ignore: true}]", "routes[0].read.mapping[0].when[0]: needs either path or header"),
        ("mapping: [{when: {path: $.a, header: b, present: true}, ignore: true}]", "needs either path or header"),
        ("mapping: [{when: {path: $.a}, ignore: true}]", "needs at least one of present, any_of and matches"),
        ("mapping: [{when: {path: 7, present: true}, ignore: true}]", "when[0].path: must be a JSON path"),
        ("mapping: [{when: {path: $..a..b, present: true}, ignore: true}]", "a path may have `..` once"),
        ("mapping: [{message: {text: $.a, parts: {text: $.b}}}]", "message.parts: parts of type text are found by `text`"),
        ("mapping: [{message: {text: $.a, parts: {a b: $.b}}}]", "message.parts: a b is no type of a part"),
        ("mapping: [{chat: {turns: $.a, role: $.b, text: $.c, roles: {bot: asistant}}}]", "chat.roles.bot: Input should be 'system'"),
        ("mapping: [{chat: {turns: {header: h}, role: $.b, text: $.c}}]", "chat.turns: must be a JSON path"),
        ("mapping: [{chat: {turns: $.a, text: $.c}}]", "chat.role is required"),
        ("mapping: [{completion: {prompt: {turns: $.a}, completion: $.c}}]", "completion.prompt.role is required"),
        ("format: text\n      mapping: openai_chat", "a value of format text is the message itself: there is nothing to map"),
        ("format: text\n      envelope: cloudevents", "with an envelope, format is that of the data"),
        ("mapping: [{message: {text: $.a, language: {value: 7}}}]", "message.language: this field finds a number, not a string, in every record"),
        ("mapping: [{message: {text: $.a, created_at: {value: never}}}]", "message.created_at: this field finds a string that is no time"),
        ("mapping: [{message: {text: $.a, author: {value: true}}}]", "message.author: this field finds a boolean, neither a string nor a number"),
        ("mapping: [{chat: {turns: $.a, role: {value: bot}, text: $.c}}]", "[0].chat: role bot is none of system, developer, user, assistant, tool, and"),
        ("envelope: soap", "17:17: routes[0].read.envelope: Input should be 'cloudevents'"),
    ],
)  # fmt: skip
def test_nonsense_is_found_at_its_place(file: Path, mapping: str, findings: str) -> None:
    """Each mistake is one finding with line and column, which says what is wrong and at which character of a path."""
    found = finding(file, f"      {mapping}\n")
    assert findings in found.splitlines()[0]
    assert len(found.splitlines()) <= 2
