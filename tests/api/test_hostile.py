"""Every route there is, of the api and of the pages, with bodies and words that nobody means well:
a refusal in words, never a fault of ours, and nothing of it in a header."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from tests.api.stage import Stage
from tests.document import api_document

pytestmark = pytest.mark.anyio
DOCUMENT: dict[str, Any] = api_document()
PLACE = re.compile(r"\{[^}]+\}")
FORM = "application/x-www-form-urlencoded"
WRITES = ("POST", "PUT", "PATCH", "DELETE")
# By the names of the classes in tests/hostile.toml. Not all is refused: of a doubled key the last
# counts, and a byte order mark is passed over.
BODIES = {
    "empty": b"",
    "not UTF-8": b'{"name":"\xff\xfe"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "doubled keys": b'{"name":"a","name":"b","url":1,"url":2}',
    "NaN": b'{"name":NaN,"amount_minor":NaN,"days":NaN}',
    "endless number": b'{"name":1e400,"amount_minor":1e400,"days":1e400}',
    "deeper than anybody reads": b"[" * 30_000 + b"]" * 30_000,
    "deep in a field": b'{"data":' + b'{"a":' * 9_000 + b"1" + b"}" * 9_001,
    "a list": b"[]",
    "null": b"null",
    "a number beyond 63 bits": b'{"amount_minor":9223372036854775808,"days":9223372036854775808}',
    "below nothing": b'{"amount_minor":-1,"days":-1,"percent":-1}',
    "a fraction": b'{"amount_minor":0.1,"days":0.5}',
    "NUL": b'{"name":"\\u0000","url":"\\u0000","reason":"\\u0000"}',
    "half a surrogate pair": b'{"name":"\\ud800","url":"\\ud800","reason":"\\ud800"}',
    "ten thousand characters": json.dumps(dict.fromkeys(("name", "id"), "a" * 10_000)).encode(),
    "fields nobody knows": b'{"__proto__":{},"merchant_id":"mer_x","scopes":["all"]}',
}
WORDS = {
    "NUL": "%00",
    "not UTF-8": "%FF%FE",
    "half a surrogate pair": "%ED%A0%80",
    "ten thousand characters": "a" * 10_000,
    "a number beyond 63 bits": "9223372036854775808",
    "below nothing": "-1",
    "endless number": "1e400",
    "digits of another script": quote("١٢"),
    "SQL": quote("' or 1=1 --"),
    "template": quote("{{7*7}}"),
    "line end": "%0D%0AX-Evil:%201",
    "right to left": quote("\u202eabc"),
    "way up": "..%2F..%2Fetc%2Fpasswd",
}
FORMS = {
    "empty": b"",
    "not UTF-8": b"name=%ff%fe&email=\xff&token=%ff",
    "NUL": b"name=%00&email=%00&words=%00&once=%00&key=%00",
    "half a surrogate pair": b"name=%ed%a0%80&words=%ed%a0%80&once=%ed%a0%80",
    "a mebibyte": b"words=" + b"a" * 2**20,
    "a thousand fields": b"&".join(b"name=%d" % number for number in range(1_500)),
    "another form": b"--x\r\nContent-Disposition: form-data; name=words\r\n\r\nx\r\n--x--\r\n",
}


def routes(stage: Stage, *, api: bool) -> Iterator[tuple[str, str]]:
    """Method and path, of the document or of the pages."""
    documented = {
        (method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods
    }
    served = {
        (method, str(route.path))
        for route in iter_route_contexts(stage.app.routes)
        for method in route.methods or ()
    }
    assert len(served) > 100
    yield from sorted(documented if api else served - documented)


def filled(path: str, word: str) -> str:
    """The path with this word in each of its places."""
    return PLACE.sub(lambda _: word, path)


def wrong_of(asked: str, answer: httpx.Response) -> str | None:
    """What is wrong with an answer, if anything."""
    if answer.status_code >= 500:
        return f"{asked}: {answer.status_code}"
    if "x-evil" in answer.headers:
        return f"{asked}: a header of theirs"
    return None


@pytest.mark.parametrize("named", BODIES)
async def test_no_body_is_a_fault_of_ours_at_any_route(stage: Stage, named: str) -> None:
    merchant = await stage.merchant()
    headers = await stage.key(merchant) | {"Content-Type": "application/json"}
    answers = {
        f"{method} {path}": await stage.client.request(
            method, filled(path, "x" * 8), headers=headers, content=BODIES[named]
        )
        for method, path in routes(stage, api=True)
        if method in WRITES
    }

    assert len(answers) > 30
    assert [told for asked, answer in answers.items() if (told := wrong_of(asked, answer))] == []


@pytest.mark.parametrize("named", WORDS)
async def test_no_word_in_a_path_or_a_question_is_a_fault_of_ours(stage: Stage, named: str) -> None:
    merchant, word = await stage.merchant(), WORDS[named]
    headers = await stage.key(merchant)
    wrong = []
    for method, path in routes(stage, api=True):
        told = DOCUMENT["paths"][path][method.lower()].get("parameters", ())
        names = [each["name"] for each in told if each["in"] == "query"]
        asks = "&".join(f"{name}={word[:1_000]}" for name in names)
        url = f"{filled(path, word)}?{asks}"
        answer = await stage.client.request(method, url, headers=headers)
        wrong.append(wrong_of(f"{method} {path}", answer))

    assert [told for told in wrong if told] == []


async def test_each_word_of_a_question_alone_is_no_fault_of_ours(stage: Stage) -> None:
    merchant = await stage.merchant()
    headers, words = await stage.key(merchant), list(WORDS.values())
    wrong, asked = [], 0
    for path, methods in DOCUMENT["paths"].items():
        for told in methods.get("get", {}).get("parameters", ()):
            if told["in"] == "query":
                asked += 1
                url = f"{filled(path, 'x' * 8)}?{told['name']}={words[asked % len(words)]}"
                wrong.append(wrong_of(url[:200], await stage.client.get(url, headers=headers)))

    assert asked > 100
    assert [told for told in wrong if told] == []


@pytest.mark.parametrize("named", WORDS)
async def test_no_word_in_a_link_is_a_fault_of_ours(stage: Stage, named: str) -> None:
    answers = {
        f"{method} {path}": await stage.client.request(method, filled(path, WORDS[named]))
        for method, path in routes(stage, api=False)
    }

    assert len(answers) > 30
    assert [told for asked, answer in answers.items() if (told := wrong_of(asked, answer))] == []


@pytest.mark.parametrize("named", FORMS)
async def test_no_form_is_a_fault_of_ours_at_any_page(stage: Stage, named: str) -> None:
    merchant = await stage.merchant()
    kind = "multipart/form-data; boundary=x" if named == "another form" else FORM
    answers = {
        f"{method} {path}": await stage.client.request(
            method,
            filled(path.replace("{merchant}", merchant.merchant_id), "x" * 43),
            headers={"Content-Type": kind},
            content=FORMS[named],
        )
        for method, path in routes(stage, api=False)
        if method == "POST"
    }

    assert len(answers) > 10
    assert [told for asked, answer in answers.items() if (told := wrong_of(asked, answer))] == []
