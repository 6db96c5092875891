"""The page's addresses: who may see what, and how its files are served."""

import re
import tomllib
from fnmatch import fnmatch
from html.parser import HTMLParser

import pytest

from arms.errors import ArmsError
from arms.serve.memory.opening import open_memory
from arms.serve.page.files import STATIC
from tests.pipeline import ROOT
from tests.serve.helpers import CLIENT, chat, data_uri, picture, post, serving, settings_of, until, with_picture

FILES = sorted(path.name for path in STATIC.iterdir())
KEYED = {"authorization": "Bearer mine"}


class Elements(HTMLParser):
    """All elements of a page, and the text that stands in scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.found, self.inline = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.found and self.found[-1][0] in ("script", "style"):
            self.inline += data.strip()


@pytest.fixture(scope="module")
def watching(started_upstream, tmp_path_factory):
    """A gateway that keeps what happens."""
    place = str(tmp_path_factory.mktemp("memory") / "memory.db")
    settings = settings_of(started_upstream.url, memory=place)
    with serving(settings, memory=open_memory(place)) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def guarded(started_upstream):
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GATE_KEYS", "mine")
        with serving(settings_of(started_upstream.url, keys_env="GATE_KEYS")) as gateway:
            yield gateway


def get(gateway, path, headers=None):
    return CLIENT.get(f"{gateway.url}{path}", headers=headers)


class TestFiles:
    @pytest.mark.parametrize("path", ["/", *(f"/page/{name}" for name in FILES), "/page/about.json"])
    def test_all_may_load_them_and_they_load_nothing_from_elsewhere(self, guarded, path):
        response = get(guarded, path)
        assert response.status_code == 200
        policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'self'"
        assert policy["img-src"] == "'self' data: blob:"
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert not policy.keys() & {"script-src", "style-src", "connect-src"}
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"

    def test_an_unchanged_file_is_not_sent_again(self, gateway):
        tag = get(gateway, "/page/page.js").headers["etag"]
        again = get(gateway, "/page/page.js", {"if-none-match": tag})
        assert (again.status_code, again.content) == (304, b"")

    @pytest.mark.parametrize("path", ["/page/none.js", "/page/../routes.py", "/page/%2e%2e/routes.py", "/page/"])
    def test_nothing_else_is_served(self, gateway, path):
        response = get(gateway, path)
        assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")

    def test_nothing_stands_inline(self):
        page = Elements((STATIC / "index.html").read_text(encoding="utf-8"))
        assert page.inline == ""
        assert not any(
            "style" in attributes or any(key.startswith("on") for key in attributes) for _, attributes in page.found
        )

    @pytest.mark.parametrize("name", FILES)
    def test_every_address_is_of_this_gateway(self, name):
        text = (STATIC / name).read_text(encoding="utf-8")
        addresses = re.findall(r"""(?:\bhttps?:)?//[\w.-]+\.\w[^\s"'`)]*""", text)
        assert [address for address in addresses if not address.startswith("http://www.w3.org/2000/svg")] == []
        for imported in re.findall(r'from "\./([\w.]+)"', text) + re.findall(r'(?:src|href)="/page/([\w.]+)"', text):
            assert imported in FILES

    def test_every_label_has_its_field_and_every_id_is_one(self):
        page = Elements((STATIC / "index.html").read_text(encoding="utf-8"))
        ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
        assert len(ids) == len(set(ids))
        for key in ("for", "aria-labelledby", "aria-describedby"):
            for _, attributes in page.found:
                assert set(attributes.get(key, "").split()) <= set(ids)
        for script in STATIC.glob("*.js"):
            assert set(re.findall(r'find\("([\w-]+)"\)', script.read_text(encoding="utf-8"))) <= set(ids)

    def test_a_wheel_holds_them(self):
        content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        globs = content["tool"]["setuptools"]["package-data"]["arms"]
        folder = STATIC.relative_to(ROOT / "arms").as_posix()
        assert all(any(fnmatch(f"{folder}/{name}", one) for one in globs) for name in FILES)

    def test_without_the_page_there_is_none(self, upstream):
        with serving(settings_of(upstream.url, page={"use": False})) as gateway:
            assert {get(gateway, path).status_code for path in ("/", "/page/page.js", "/v1/traffic")} == {404}
            assert get(gateway, "/health").status_code == 200


class TestAbout:
    def test_what_the_page_has_to_know(self, gateway, guarded, watching):
        plain, keyed, kept = (get(one, "/page/about.json").json() for one in (gateway, guarded, watching))
        assert (plain["keys"], plain["memory"], plain["pictures"]) == (False, False, False)
        assert (plain["body_mb"], plain["images"]) == (32.0, 32)
        assert (keyed["keys"], kept["memory"]) == (True, True)


class TestRoute:
    def test_a_ranking_says_what_each_vlm_is_expected_to_cost(self, gateway):
        body = {"model": "auto", "messages": with_picture(data_uri(picture()))}
        found = post(gateway, body, "/v1/route").json()
        assert found["router_failure"] is None
        costs = found["expected_costs_usd"]
        assert costs["alpha"] > costs["beta"] > 0
        assert found["expected_cost_usd"] == costs[found["vlm"]]

    def test_a_router_that_fails_says_so(self, gateway):
        found = post(gateway, chat("fail"), "/v1/route").json()
        assert (found["reason"], found["vlm"], found["router_failure"]) == ("default", "beta", "error")
        assert found["expected_costs_usd"] == {}


class TestTraffic:
    def test_it_needs_a_key(self, guarded):
        assert get(guarded, "/v1/traffic").status_code == 401
        assert get(guarded, "/v1/traffic", KEYED).json() == {"memory": False}

    def test_it_counts_what_happened(self, watching, upstream):
        post(watching, chat("beta", stream=True))
        post(watching, chat("alpha"), "/v1/route")
        # An answer is kept a moment after it was given, and what was read is shown for a moment.
        until(lambda: get(watching, "/v1/traffic").json()["requests"]["answered"] == 1)
        found = get(watching, "/v1/traffic?span=week").json()
        assert (found["memory"], found["span"]) == (True, "week")
        assert (found["requests"]["decided"], found["requests"]["only_decided"]) == (2, 1)
        assert [(one["vlm"], one["answered"], one["share"]) for one in found["vlms"]] == [
            ("beta", 1, 1.0),
            ("alpha", 0, 0.0),
        ]
        assert found["cost"]["single"] == "beta"

    def test_a_span_that_is_none(self, gateway):
        response = get(gateway, "/v1/traffic?span=year")
        assert response.status_code == 400
        said = "span: expected one of hour, day, week, month, all, got 'year'"
        assert response.json()["error"]["message"] == said

    def test_a_memory_that_cannot_be_read(self, upstream, tmp_path):
        with serving(settings_of(upstream.url, memory=str(tmp_path / "none.db"))) as gateway:
            response = get(gateway, "/v1/traffic")
            assert (response.status_code, response.json()["error"]["code"]) == (503, "memory")


class TestNeighbours:
    def test_without_a_dataset_there_are_none(self, gateway):
        for path in ("/v1/neighbours?query_id=q", "/v1/neighbours/picture?query_id=q"):
            assert get(gateway, path).status_code == 404

    def test_a_folder_that_is_not_there(self, upstream, tmp_path):
        with pytest.raises(ArmsError, match=r"page\.pictures: expected a dataset's folder, got "):
            serving(settings_of(upstream.url, page={"pictures": str(tmp_path / "none")})).__enter__()
