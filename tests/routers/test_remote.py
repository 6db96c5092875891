"""Routers in an object store, on a real S3 server with faults injected."""

import json
import shutil

import pytest
import torch
from click.testing import CliRunner

import arms
from arms.cli import main
from arms.cli.completers import STARTER
from arms.data.storage.bucket import RETRIES, Bucket, ObjectError
from arms.errors import ArmsError
from arms.routers.checkpoint import DESCRIPTION, write_checkpoint
from arms.routers.remote import local_router, push_router
from arms.serve.loaded import Loaded
from arms.serve.settings import ServeSettings, UpstreamSettings
from tests.object_server import Fault
from tests.stores import contents, flip


def checkpoint(folder, number, **options):
    folder.mkdir(parents=True, exist_ok=True)
    write_checkpoint(folder, {"head": {"w": torch.full((4,), float(number))}}, {"kind": "toy"}, **options)
    return folder


def test_a_router_is_fetched_once_and_routes(s3, url):
    push_router(STARTER, url)
    copy = local_router(url)
    assert set(contents(copy)) < set(contents(STARTER))
    assert all(contents(STARTER)[name] == content for name, content in contents(copy).items())
    s3.seen.clear()
    router = arms.Router.load(url)
    assert router.vlms == arms.Router.load(STARTER).vlms
    assert [path.rpartition("/")[2] for _, path in s3.seen] == [DESCRIPTION], "only whether it has changed was asked"


def test_the_command_line_and_the_gateway_take_urls(s3, url):
    push_router(STARTER, url)
    result = CliRunner().invoke(main, ["route", "--router", url, "--question", "How many?", "--json"])
    assert result.exit_code == 0, result.output
    assert url in result.output
    upstream = UpstreamSettings(base_url="http://127.0.0.1:9/v1", model="x")
    settings = ServeSettings(router=url, default="sim-atlas", upstreams={"sim-atlas": upstream})
    assert Loaded.from_folder(settings).router.vlms == arms.Router.load(STARTER).vlms


def test_a_changed_router_is_fetched_anew(s3, url, tmp_path):
    push_router(checkpoint(tmp_path / "one", 1), url)
    first = local_router(url)
    push_router(checkpoint(tmp_path / "two", 2), url)
    second = local_router(url)
    assert contents(second) == contents(tmp_path / "two")
    assert contents(first) == contents(tmp_path / "one"), "who has the old one open keeps it"


def test_routers_inside_and_shared_files_come_along(s3, url, tmp_path):
    phi = checkpoint(tmp_path / "phi", 1)
    mine = tmp_path / "mine"
    inner = checkpoint(mine / "net", 2)
    checkpoint(mine / "theta", 2, beside=inner)
    checkpoint(mine, 1, beside=phi, nested=("net", "theta"))
    assert not (mine / "head.safetensors").exists()
    assert not (mine / "theta" / "head.safetensors").exists()
    push_router(mine, f"{url}/mine")
    copy = local_router(f"{url}/mine")
    assert contents(copy) == contents(mine)
    assert contents(copy.parent / "phi") == {"head.safetensors": (phi / "head.safetensors").read_bytes()}


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(status=503), Fault(status=429), Fault(cut=20)], ids=str)
def test_what_passes_is_tried_again(s3, url, tmp_path, fault):
    folder = checkpoint(tmp_path / "router", 1)
    if fault.status:
        s3.fail_first(3, fault, "PUT")
    push_router(folder, url)
    s3.fail_first(3, fault, "GET")
    assert contents(local_router(url)) == contents(folder)


def test_errors_name_the_url_and_what_to_do(s3, url, tmp_path):
    with pytest.raises(ObjectError, match=f"{url}/router.json: expected a router's description, got no such object"):
        local_router(url)
    with pytest.raises(ObjectError, match=r"s3://no-such-bucket/router/router.json: .*no such bucket"):
        local_router("s3://no-such-bucket/router")
    push_router(checkpoint(tmp_path / "router", 1), url)
    s3.fail_always(Fault(status=403))
    with pytest.raises(ObjectError, match=r"denied it \(403 Forbidden.*check the credentials"):
        local_router(url)
    s3.fail_always(Fault(status=503))
    with pytest.raises(ObjectError, match=r"failed \(503 Service Unavailable, SlowDown, after 4 retries\); wait"):
        local_router(url)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("s3://bucket", "expected a bucket and a name in it"),
        ("swift://bucket/router", "expected a URL that begins with one of s3://, gs://, file://"),
    ],
)
def test_urls_that_cannot_be_opened(place, text):
    with pytest.raises(ArmsError, match=text):
        local_router(place)


def test_a_router_that_is_half_replaced_is_refused_and_not_kept(s3, url, tmp_path):
    push_router(checkpoint(tmp_path / "one", 1), url)
    other = checkpoint(tmp_path / "two", 2)
    Bucket(url).write("head.safetensors", other / "head.safetensors")
    with pytest.raises(ArmsError, match="damaged, or is being replaced"):
        local_router(url)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    push_router(other, url)
    assert contents(local_router(url)) == contents(other)


def test_a_damaged_copy_is_fetched_again(s3, url, tmp_path):
    folder = checkpoint(tmp_path / "router", 1)
    push_router(folder, url)
    flip(local_router(url) / "head.safetensors", -1)
    assert contents(local_router(url)) == contents(folder)
    shutil.rmtree(tmp_path / "cache")
    assert contents(local_router(url)) == contents(folder)


def test_a_damaged_router_is_not_pushed(s3, url, tmp_path):
    folder = checkpoint(tmp_path / "router", 1)
    flip(folder / "head.safetensors", -1)
    with pytest.raises(ArmsError, match="damaged"):
        push_router(folder, url)
    assert not Bucket(url).exists(DESCRIPTION, "nothing")
    with pytest.raises(ArmsError, match=DESCRIPTION):
        push_router(tmp_path / "none", url)


def test_a_description_names_no_files_elsewhere(s3, url, tmp_path):
    from arms.routers.remote import _key

    for name in ("../../x", "/etc/passwd", "..", "a/../../../x", "..\\..\\x"):
        with pytest.raises(ArmsError, match="in a folder next to it"):
            _key(url, name)


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setattr("arms.data.storage.bucket.find_spec", lambda name: None)
    with pytest.raises(ArmsError, match=r"obstore is missing; run: pip install 'arms\[s3\]'"):
        local_router("s3://bucket/router")


def test_urls_of_google_are_opened_by_its_client(monkeypatch, tmp_path):
    key = tmp_path / "key.json"
    empty = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
    key.write_text(json.dumps({"gcs_base_url": "http://127.0.0.1:9", "disable_oauth": True, **empty}))
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(key))
    monkeypatch.setenv(RETRIES, "0")
    with pytest.raises(ObjectError, match=r"gs://bucket/router/router.json: .*the store failed"):
        local_router("gs://bucket/router")


def test_a_forked_process_is_told_that_it_cannot_go_on(s3, url, monkeypatch):
    Bucket(url).exists("x", "nothing")
    monkeypatch.setattr("arms.data.storage.bucket.os.getpid", lambda: -1)
    with pytest.raises(ArmsError, match="got one forked from one that used a store"):
        Bucket(url).exists("x", "nothing")


def test_file_urls(tmp_path):
    folder = checkpoint(tmp_path / "router", 1)
    push_router(folder, f"file://{tmp_path}/pushed/mine")
    assert contents(tmp_path / "pushed" / "mine") == contents(folder)
