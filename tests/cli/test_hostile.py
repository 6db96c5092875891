"""`yes | arms` with what a stranger gives: refused, and no program is started, nobody asked, little memory taken up."""

import os
import shutil
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from arms.cli.completers import STARTER
from tests.cli.bombs import BOMBS, png_with_long_text
from tests.cli.watched import ARMS, Watch, can_trace, check_refused
from tests.encoders.hostile import COMMIT, hostile, router_with
from tests.fakes import png_of_size
from tests.pipeline import ROOT

PICTURE_MIB = 200  # Python with Pillow and numpy takes a quarter of it; no library of the router is loaded
ROUTER_MIB = 1500  # with the router's libraries
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n"
EXPECTED = "; expected one of PNG, JPEG, WEBP, GIF, BMP, TIFF, AVIF"
NOT_REGULAR = ": expected a regular file, got a pipe, a socket or a device"
TOO_LARGE = " pixels) exceeds limit of"


@pytest.fixture
def watch(tmp_path):
    return Watch(tmp_path)


def route(watch: Watch, image: object, *more: object, **environment: str):
    return watch.run(ARMS, "route", "--image", str(image), "--question", "What?", *map(str, more), **environment)


def test_what_is_started_and_asked_is_seen(watch):
    """What the other tests are against, done on purpose."""
    (watch.work / "vector.png").write_bytes(EPS)
    code = (
        "import socket, sys; from PIL import Image\n"
        "try: Image.open('vector.png').load()\n"
        "except OSError: pass\n"
        "with socket.socket() as one: one.connect_ex(('127.0.0.1', 9))\n"
        "input()"
    )
    ended = watch.run(sys.executable, "-c", code)
    seen = "\n".join(ended.done)
    for sign in ("subprocess.Popen", "gs ran", "socket.connect", "builtins.input"):
        assert sign in seen
    if can_trace():
        assert "/bin/gs" in seen
        assert "sa_family=AF_INET" in seen
    assert watch.run(sys.executable, "-c", "").done == []


class TestPictures:
    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("vector.png", EPS, f"vector.png is EPS{EXPECTED}"),
            ("windows.jpg", b"\xc5\xd0\xd3\xc6" + struct.pack("<6I", 30, 60, 0, 0, 0, 0) + EPS, "windows.jpg is EPS;"),
            ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", f"drawing.svg is SVG{EXPECTED}"),
            ("page.png", b"%PDF-1.4\n", f"page.png is of no known format{EXPECTED}"),
            ("plot.wmf", b"\xd7\xcd\xc6\x9a\0\0" + bytes(40), f"plot.wmf is WMF{EXPECTED}"),
        ],
    )
    def test_other_formats(self, watch, name, content, message):
        (watch.work / name).write_bytes(content)
        check_refused(route(watch, name), message, most_mib=PICTURE_MIB)

    def test_no_regular_files(self, watch):
        os.mkfifo(watch.work / "pipe.png")
        (watch.work / "link.png").symlink_to("/dev/zero")
        for place in ("pipe.png", "link.png", "/dev/zero", "/dev/stdin"):
            check_refused(route(watch, place), f"{place}{NOT_REGULAR}", most_mib=PICTURE_MIB)

    @pytest.mark.parametrize("kind", ["png", "tiff", "bmp", "gif", "frame.gif", "webp", "jpeg"])
    def test_bombs(self, watch, kind):
        """Some bytes that say to be 50,000 pixels wide and high, or as many as the format can say."""
        content = BOMBS[kind]()
        assert len(content) < 2000
        (watch.work / f"bomb.{kind}").write_bytes(content)
        check_refused(route(watch, f"bomb.{kind}"), f"bomb.{kind}: Image size (", TOO_LARGE, most_mib=PICTURE_MIB)

    def test_more_pixels_than_allowed(self, watch):
        (watch.work / "large.png").write_bytes(png_of_size(13_000, 13_000))
        message = "large.png: expected 89,478,485 pixels at most, got 13,000 x 13,000"
        check_refused(route(watch, "large.png"), message, most_mib=PICTURE_MIB)

    def test_a_small_picture_with_a_long_text(self, watch):
        (watch.work / "text.png").write_bytes(png_with_long_text())
        check_refused(route(watch, "text.png"), "text.png: not a readable image: ", most_mib=PICTURE_MIB)


class TestRouters:
    def route(self, watch, router, **environment):
        return route(watch, ROOT / "docs/figures/shapes.png", "--router", router, **environment)

    def test_a_folder_with_code(self, watch, tmp_path):
        model = hostile(tmp_path / "evil", model_type="evil")
        router = router_with(tmp_path / "router", text={"model": str(model)})
        message = f"text encoder '{model}': the router names a path that the settings of this"
        check_refused(self.route(watch, router), message, most_mib=ROUTER_MIB)
        # Nor where settings name that folder too.
        (watch.work / "conf/encoders").mkdir(parents=True)
        settings = (ROOT / "conf/encoders/bundled.yaml").read_text()
        before, found, after = settings.rpartition("model: bundled")
        assert found
        (watch.work / "conf/encoders/mine.yaml").write_text(f"{before}model: {model}{after}")
        parts = (f"text encoder '{model}' could not be loaded", "ARMS runs no code that comes")
        check_refused(self.route(watch, router), *parts, most_mib=ROUTER_MIB)
        assert not (model / "trace").exists()

    def test_a_configuration_with_remote_code(self, watch, tmp_path):
        config = {"model_type": "evil", "auto_map": {"AutoConfig": "acme/evil--evil.C", "AutoModel": "acme/evil--e.M"}}
        text = {"model": None, "architecture": {"dim": 8}, "vocabulary_size": 100}
        router = router_with(tmp_path / "router", {"text_config": config}, text=text)
        check_refused(
            self.route(watch, router), "text encoder: its configuration cannot be used: ", most_mib=ROUTER_MIB
        )

    @pytest.mark.parametrize(
        ("modality", "settings", "advice"),
        [
            ("text", {"model": "acme/bert"}, "hf download acme/bert"),
            (
                "image",
                {"model": f"hf-hub:acme/clip@{COMMIT}", "pretrained": None},
                f"hf download acme/clip --revision {COMMIT}",
            ),
        ],
    )
    def test_a_model_on_the_hub(self, watch, tmp_path, hub, modality, settings, advice):
        router = router_with(tmp_path / "router", **{modality: settings})
        ended = self.route(watch, router, HF_ENDPOINT=hub.address)
        check_refused(ended, " is not on this machine, and loading a router asks no hub", advice, most_mib=ROUTER_MIB)
        assert hub.asked == []

    def test_a_further_model(self, watch, tmp_path):
        tower = {"embed_dim": 8, "vision_cfg": {"timm_model_name": "hf-hub:acme/evil", "timm_model_pretrained": True}}
        image = {"model": None, "pretrained": None, "architecture": tower}
        router = router_with(tmp_path / "router", image=image)
        message = "names a further model, timm_model_name 'hf-hub:acme/evil'"
        check_refused(self.route(watch, router), message, most_mib=ROUTER_MIB)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"kind": "os:system"}, "unknown kind of router 'os:system'; known: arms, "),
            ({"kind": "baseline", "name": "evil:Router", "settings": {}}, "unknown router 'evil:Router'; known: "),
        ],
    )
    def test_classes_that_a_router_may_not_name(self, watch, tmp_path, changes, message):
        (watch.work / "evil.py").write_text("raise SystemExit('it ran')\n")
        check_refused(self.route(watch, router_with(tmp_path / "router", changes)), message, most_mib=ROUTER_MIB)

    def test_a_pipe(self, watch, tmp_path):
        router = shutil.copytree(STARTER, tmp_path / "router")
        (router / "router.json").unlink()
        os.mkfifo(router / "router.json")
        check_refused(self.route(watch, router), "router: no router there", most_mib=ROUTER_MIB)


class TestNames:
    """None of them leaves its folder."""

    @pytest.fixture(autouse=True)
    def outside(self, watch, tmp_path):
        def files():
            return {path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "watch")}

        for name in ("conf", "params.yaml"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, watch.work / name)
        shutil.copy(ROOT / "docs/figures/shapes.png", watch.work / "a.png")
        (watch.work / "log.csv").write_text("query_id,question,image,ok\n1,What?,a.png,1\n2,Who?,a.png,0\n")
        before = files()
        yield
        assert files() == before

    @pytest.mark.parametrize("name", ["../../../esc", "a/b"])
    def test_a_dataset(self, watch, name):
        imported = watch.run(
            ARMS, "import", "csv", "log.csv", "--name", name, "--verdict", "vlm=ok", "--access", "free"
        )
        message = "expected a name of letters, digits, '_', '-' and '.', beginning with a letter or digit, got"
        check_refused(imported, message, most_mib=ROUTER_MIB)
        check_refused(watch.run(ARMS, "report", "--data", name), message, most_mib=ROUTER_MIB)

    def test_a_router(self, watch):
        settings = watch.work / "params.yaml"
        before, key, after = settings.read_text().partition("\nbaselines:")
        settings.write_text(f"{before}{key}\n  ../../../esc: {{router: random}}{after}")
        ended = watch.run(sys.executable, "-m", "stages.baselines")
        message = "baselines: error: params.yaml.baselines: expected a name of letters"
        check_refused(ended, message, "got '../../../esc'", most_mib=ROUTER_MIB)

    def test_a_vlm(self, watch):
        """It may have such a name, and it stays one."""
        ended = watch.run(
            ARMS, "import", "csv", "log.csv", "--name", "mine", "--verdict", "../../../esc=ok", "--access", "free"
        )
        assert ended.status == 0, ended.stderr
        assert ended.done == []
        assert "../../../esc" in (watch.work / "data/raw/mine/vlms.yaml").read_text()
        shutil.rmtree(watch.work / "data")
        (watch.work / "conf/data/mine.yaml").unlink()


class _Counting(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self):
        self.asked.append(self.path)
        self.send_error(404)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


class Hub(HTTPServer):
    """Takes note of every request."""

    def __init__(self):
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), type("Counting", (_Counting,), {"asked": self.asked}))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def hub():
    server = Hub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
