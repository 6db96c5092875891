import hashlib
import json
import pickle
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

import arms
from arms.errors import ArmsError
from arms.routers import arms as module
from arms.routers import loading
from arms.routers.cascade import CascadeRouter
from arms.routers.checkpoint import read_description, read_weights, seal, write_checkpoint
from arms.routers.saved import load_router
from tests.fakes import VIT, make_queries, make_router, tiny_tokenizer

MADE = make_queries(24)


class TestFiles:
    def test_round_trip(self, tmp_path):
        strided = torch.arange(12.0).reshape(3, 4).T
        head = {"a": strided, "b.c": torch.tensor([1, 2]), "d": torch.ones(2, dtype=torch.bfloat16)}
        parts = {"head": head, "image_tail": {"a": torch.zeros(3)}, "text_tail": {}}
        write_checkpoint(tmp_path, parts, {"kind": "toy", "name": "日本"})
        description = read_description(tmp_path)
        assert {key: description[key] for key in ("format", "kind", "name")} == {
            "format": 5,
            "kind": "toy",
            "name": "日本",
        }
        read = read_weights(tmp_path, description)
        assert set(read) == {"head", "image_tail"}
        assert read["head"].keys() == head.keys()
        for name, tensor in head.items():
            assert read["head"][name].dtype == tensor.dtype
            assert torch.equal(read["head"][name], tensor)
        assert torch.equal(read["image_tail"]["a"], torch.zeros(3))

    def test_the_same_content_gives_the_same_bytes(self, tmp_path):
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            write_checkpoint(tmp_path / name, {"head": {"a": torch.ones(3)}}, {"kind": "toy"})
        for file in ("head.safetensors", "router.json"):
            assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, r"toy: no router there \(router\.json is missing\); train one with: dvc repro"),
            ("{", r"router\.json: not valid JSON: "),
            ('{"kind": "arms"}', r"router\.json: expected checkpoint format 5, got None; train it anew"),
            ('{"format": 2}', r"router\.json: expected checkpoint format 5, got 2; train it anew"),
            ("[1]", r"router\.json: expected checkpoint format 5, got None; train it anew"),
            ('{"format": 4, "kind": "forest"}', r"toy: unknown kind of router 'forest'; known: arms, cascade"),
            ('{"format": 4}', r"toy: unknown kind of router None; known: arms, cascade"),
        ],
    )
    def test_errors(self, tmp_path, content, message):
        if content is not None:
            (tmp_path / "toy").mkdir()
            (tmp_path / "toy/router.json").write_text(content)
        with pytest.raises(ArmsError, match=message):
            load_router(tmp_path / "toy")


def fitted(image=None, text=None, **settings):
    router = make_router(image=image, text=text, **settings)
    return router.fit(MADE.label(router.encoders))


def edit(folder, **changes):
    """Change a checkpoint's description, and give it the checksum that goes with it."""
    description = json.loads((folder / "router.json").read_text())
    (folder / "router.json").write_text(json.dumps(seal({**description, **changes})))


def check_same(router, read):
    """Same pool, settings and scores, on queries that each encodes itself."""
    assert read.profiles == router.profiles
    assert (read.vlms, read.policy) == (router.vlms, router.policy)
    assert (read.router, read.training) == (router.router, router.training)
    for ours, theirs in ((router.encoders.image, read.encoders.image), (router.encoders.text, read.encoders.text)):
        assert theirs.fingerprint == ours.fingerprint
    scores = router.score(router.encode(MADE.pictures, MADE.questions))
    np.testing.assert_array_equal(read.score(read.encode(MADE.pictures, MADE.questions)), scores)


LAYERS = [0, 1, "all"]


@pytest.mark.parametrize("text_layers", LAYERS)
@pytest.mark.parametrize("image_layers", LAYERS)
def test_a_router_survives(tmp_path, image_layers, text_layers):
    router = fitted({"tunable_layers": image_layers}, {"tunable_layers": text_layers})
    router.save(tmp_path / "router")
    # A frozen trunk comes from the checkpoint, as other versions would draw other weights from the seed.
    edit(tmp_path / "router", encoders_seed=99)
    read = arms.Router.load(str(tmp_path / "router"), device="cpu").router
    check_same(router, read)
    assert not read.net.training


def test_a_router_keeps_shortening_texts_as_in_its_training(tmp_path):
    """One that was trained when long texts lost their end is loaded and asked like that."""
    long = f"{'read the sign . ' * 60}how many dots ?"
    tokens = {}
    for shortening in ("middle", "end"):
        router = make_router(shortening=shortening, text={"max_tokens": 16})
        router.save(tmp_path / shortening)
        loaded = load_router(tmp_path / shortening, device="cpu")
        assert loaded.encoders.text.shortening == shortening
        assert loaded.encoders.fingerprints == router.encoders.fingerprints
        (tokens[shortening],) = (ids.tolist() for ids in loaded.encoders.text.tokenize([long]))
        assert tokens[shortening] == router.encoders.text.tokenize([long])[0].tolist()
    assert tokens["middle"] != tokens["end"]


def test_it_can_be_trained_on(tmp_path):
    router = fitted({"tunable_layers": 1}, {"tunable_layers": "all"})
    router.save(tmp_path / "router")
    read = load_router(tmp_path / "router", device="cpu")
    train = MADE.label(router.encoders)
    np.testing.assert_array_equal(read.fit(train).score(train.queries), router.fit(train).score(train.queries))


def test_saving_replaces_what_was_there(tmp_path):
    router = fitted()
    router.save(tmp_path / "router")
    (tmp_path / "router/old.txt").touch()
    router.save(tmp_path / "router")
    assert sorted(path.name for path in (tmp_path / "router").iterdir()) == [
        "head.safetensors",
        "image_trunk.safetensors",
        "router.json",
        "text_trunk.safetensors",
        "tokenizer.json",
    ]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A router's folder, to be copied and not changed."""
    folder = tmp_path_factory.mktemp("saved") / "router"
    fitted({"tunable_layers": 1}, {"tunable_layers": 1}).save(folder)
    return folder


def _joined(old, new):
    """A value with others in the place of its own, as deep as they go."""
    if not isinstance(new, dict):
        return new
    return {**old, **{name: _joined(old[name], change) for name, change in new.items()}}


class TestDamage:
    @pytest.fixture
    def folder(self, saved, tmp_path):
        return shutil.copytree(saved, tmp_path / "router")

    def error(self, folder):
        with pytest.raises(ArmsError) as caught:
            load_router(folder, device="cpu")
        return str(caught.value)

    def test_damaged_weights(self, folder):
        content = bytearray((folder / "head.safetensors").read_bytes())
        content[-5] ^= 1
        (folder / "head.safetensors").write_bytes(content)
        message = self.error(folder)
        assert message.startswith(f"{folder / 'head.safetensors'}: expected sha256 ")
        assert message.endswith("; the file is damaged")

    @pytest.mark.parametrize(
        ("file", "message"),
        [
            ("router.json", "no router there (router.json is missing)"),
            ("head.safetensors", "head.safetensors is missing; the checkpoint is incomplete"),
            ("image_tail.safetensors", "image_tail.safetensors is missing; the checkpoint is incomplete"),
            ("tokenizer.json", "tokenizer.json is missing; the checkpoint is incomplete"),
        ],
    )
    def test_missing_files(self, folder, file, message):
        (folder / file).unlink()
        assert message in self.error(folder)

    def test_another_tokenizer(self, folder):
        def put(content):
            (folder / "tokenizer.json").write_text(content)
            edit(folder, files={"tokenizer.json": hashlib.sha256(content.encode()).hexdigest()})

        tokenizer = tiny_tokenizer()
        tokenizer.add_tokens(["extra"])
        (folder / "tokenizer.json").write_text(tokenizer.to_str())
        assert "tokenizer.json: expected sha256 " in self.error(folder)
        put(tokenizer.to_str())
        assert "tokenizer.json: not the tokenizer that the router was trained with" in self.error(folder)
        put("{")
        assert "tokenizer.json: the router's tokenizer cannot be read" in self.error(folder)

    @pytest.mark.parametrize(
        "change",
        [
            lambda content: content.update(temperature=2.0),
            lambda content: content["vlms"][0].update(name="other"),
            lambda content: content["encoders"]["image"].update(resize="shortest"),
            lambda content: content["router"].update(logit_max=4.0),
            lambda content: content["fingerprints"]["text"].pop("tokenizer"),
            lambda content: content.pop("sha256"),
        ],
    )
    def test_any_change_of_the_description(self, folder, change):
        description = json.loads((folder / "router.json").read_text())
        change(description)
        (folder / "router.json").write_text(json.dumps(description))
        message = f"{folder / 'router.json'} is damaged or was changed: it does not match its checksum; train it anew"
        assert self.error(folder) == message

    def test_a_description_of_another_shape(self, folder):
        description = json.loads((folder / "router.json").read_text())
        del description["encoders_seed"]
        (folder / "router.json").write_text(json.dumps(seal(description)))
        assert "got one of another shape (KeyError: 'encoders_seed'); train it anew" in self.error(folder)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"temperature": float("nan")}, "expected a temperature above 0, got nan; train it anew"),
            ({"temperature": 0}, "expected a temperature above 0, got 0; train it anew"),
            ({"temperature": "warm"}, "expected a temperature above 0, got 'warm'; train it anew"),
            ({"router": {"ffn_width": 10**14}}, "it cannot be built as its description says (RuntimeError: "),
            ({"weights": {"head": {"file": "/etc/passwd"}}}, "next to this one, got '/etc/passwd'; train it anew"),
            ({"weights": {"head": {"file": "../../head.safetensors"}}}, "got '../../head.safetensors'; train it anew"),
            ({"weights": {"head": {"file": "image_tail.safetensors"}}}, "expected the weights 'head' in head.safet"),
        ],
    )
    def test_what_only_a_stranger_writes(self, folder, changes, message):
        """With a right checksum."""
        description = json.loads((folder / "router.json").read_text())
        edit(folder, **{name: _joined(description[name], change) for name, change in changes.items()})
        assert message in self.error(folder)

    def test_weights_in_another_form(self, folder):
        content = pickle.dumps({"weight": 1})
        (folder / "head.safetensors").write_bytes(content)
        weights = json.loads((folder / "router.json").read_text())["weights"]
        edit(folder, weights={**weights, "head": {**weights["head"], "sha256": hashlib.sha256(content).hexdigest()}})
        message = f"{folder / 'head.safetensors'}: expected weights in safetensors, could not read them: "
        assert self.error(folder).startswith(message)

    def test_json_of_very_many_levels(self, folder):
        (folder / "router.json").write_text("[" * 200_000)
        assert "it cannot be built as its description says (RecursionError: " in self.error(folder)

    def test_encoders_that_are_built_otherwise_than_those_of_the_training(self, folder):
        fingerprints = json.loads((folder / "router.json").read_text())["fingerprints"]
        fingerprints["image"]["interpolation"] = "nearest"
        edit(folder, fingerprints=fingerprints)
        assert "trained with an encoder of interpolation 'nearest', this installation has 'bicubic'" in self.error(
            folder
        )

    def test_a_router_of_the_format_before_loads_and_says_so(self, folder, saved, caplog):
        description = json.loads((folder / "router.json").read_text())
        description = {key: value for key, value in description.items() if key not in ("files", "sha256")}
        (folder / "router.json").write_text(json.dumps({**description, "format": 4}))
        check_same(load_router(saved, device="cpu"), load_router(folder, device="cpu"))
        assert "was saved before descriptions had checksums, and is loaded unchecked; train it anew" in caplog.text

    def test_a_part_of_another_cascade(self, saved, tmp_path):
        phi, other = (load_router(saved, device="cpu") for _ in range(2))
        other.temperature = 2.0
        theta = phi.over([replace(profile, name=f"new {profile.name}") for profile in phi.profiles])
        CascadeRouter(phi, [theta], theta=0.5).save(tmp_path / "cascade")
        load_router(tmp_path / "cascade", device="cpu")
        other.save(tmp_path / "cascade/phi")
        message = f"expected the router that {tmp_path / 'cascade'} was saved with, got another; train it anew"
        assert message in self.error(tmp_path / "cascade")

    def test_weights_that_do_not_fit(self, folder):
        router = json.loads((folder / "router.json").read_text())["router"]
        edit(folder, router={**router, "num_experts": 3, "top_k": 3})
        assert f"{folder}: its weights do not fit its description: " in self.error(folder)

    def test_pictures_that_were_read_otherwise(self, folder):
        fingerprints = json.loads((folder / "router.json").read_text())["fingerprints"]
        del fingerprints["image"]["pictures"]  # as before they were turned, scaled and laid over white
        edit(folder, fingerprints=fingerprints)
        message = f"{folder}: it was trained on pictures read as None, this version reads them as 'upright, "
        assert message in self.error(folder)

    def test_a_cascade_without_theta(self, saved, tmp_path):
        for name in ("phi", "theta-1"):
            shutil.copytree(saved, tmp_path / name)
        write_checkpoint(tmp_path, {}, {"kind": "cascade", "theta": 0.5, "num_thetas": 1}, nested=("phi", "theta-1"))
        shutil.rmtree(tmp_path / "theta-1")
        assert f"{tmp_path / 'theta-1'}: no router there" in self.error(tmp_path)

    def test_a_cascade_of_an_unknown_number(self, saved, tmp_path):
        write_checkpoint(tmp_path, {}, {"kind": "cascade", "theta": 0.5})
        shutil.copytree(saved, tmp_path / "phi")
        assert "expected num_thetas, the number of routers Theta" in self.error(tmp_path)


class TestReplaced:
    """A router that is replaced while it is loaded is one version or the other."""

    @pytest.fixture
    def versions(self, saved):
        routers = [load_router(saved, device="cpu") for _ in range(2)]
        with torch.no_grad():
            for parameter in routers[1].net.head_parameters():
                parameter.add_(0.1)
        routers[1].temperature = 2.0
        return routers

    def test_between_description_and_weights(self, versions, tmp_path, monkeypatch):
        old, new = versions
        old.save(tmp_path / "router")
        read, replaced = module.read_weights, []

        def replace_first(folder, description):
            if not replaced:
                replaced.append(True)
                new.save(tmp_path / "router")
            return read(folder, description)

        monkeypatch.setattr(module, "read_weights", replace_first)
        check_same(new, load_router(tmp_path / "router", device="cpu"))

    def test_one_that_is_missing_between_two_renames(self, versions, tmp_path):
        old, _ = versions
        old.save(tmp_path / "router")
        work = tmp_path / ".router.tmp"
        work.mkdir()
        (tmp_path / "router").rename(work / "router.old")
        timer = threading.Timer(0.2, lambda: (work / "router.old").rename(tmp_path / "router"))
        timer.start()
        check_same(old, load_router(tmp_path / "router", device="cpu"))
        timer.join()

    def test_one_that_never_stays(self, versions, tmp_path, monkeypatch):
        monkeypatch.setattr(loading, "_PAUSE_S", 0.0)
        monkeypatch.setattr(loading, "_load", lambda folder, load: versions[0].save(folder))
        versions[0].save(tmp_path / "router")
        with pytest.raises(ArmsError, match=r"router: it was replaced again and again while it was loaded; wait until"):
            load_router(tmp_path / "router", device="cpu")


class TestPretrained:
    """Encoders whose weights are elsewhere: a frozen trunk is loaded from there, a trained one is in the checkpoint."""

    @pytest.fixture
    def hub(self, tmp_path, monkeypatch):
        """An open_clip checkpoint of a tag, and a folder in the layout of the Hugging Face hub."""
        import open_clip
        from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

        (tmp_path / "saved-vit.json").write_text(
            json.dumps({**VIT, "text_cfg": {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}})
        )
        open_clip.add_model_config(tmp_path)
        torch.manual_seed(4)
        torch.save(open_clip.create_model("saved-vit").state_dict(), tmp_path / "vit.pt")
        tag = {"file": str(tmp_path / "vit.pt"), "mean": (0.5, 0.4, 0.3), "quick_gelu": True}
        monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "saved-vit", {"mine": tag})
        config = BertConfig(
            hidden_size=8,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=16,
            vocab_size=300,
            max_position_embeddings=40,
        )
        BertModel(config).save_pretrained(tmp_path / "bert")
        PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer(), pad_token="[PAD]").save_pretrained(tmp_path / "bert")
        return tmp_path

    def make(self, hub, image_layers, text_layers, **settings):
        return fitted(
            {"model": "saved-vit", "architecture": None, "pretrained": "mine", "tunable_layers": image_layers},
            {
                "model": str(hub / "bert"),
                "architecture": None,
                "vocabulary_size": None,
                "tunable_layers": text_layers,
            },
            **settings,
        )

    @pytest.mark.parametrize("text_layers", [0, 1, 2, "all"])
    @pytest.mark.parametrize("image_layers", [0, 1, 3, "all"])
    def test_a_router_survives(self, hub, image_layers, text_layers):
        router = self.make(hub, image_layers, text_layers)
        router.save(hub / "router")
        if image_layers in (3, "all"):
            (hub / "vit.pt").unlink()
        if text_layers in (2, "all"):
            shutil.rmtree(hub / "bert")
        check_same(router, load_router(hub / "router", device="cpu"))
        saved = read_weights(hub / "router", read_description(hub / "router"))
        tails = {"image_tail"} if image_layers else set()
        assert set(saved) == {"head"} | tails | ({"text_tail"} if text_layers else set())

    def test_other_weights_of_the_image_encoder(self, hub):
        self.make(hub, 1, 1).save(hub / "router")
        state = torch.load(hub / "vit.pt", weights_only=True)
        state["visual.conv1.weight"][0, 0, 0, 0] += 1
        torch.save(state, hub / "vit.pt")
        with pytest.raises(ArmsError) as caught:
            load_router(hub / "router", device="cpu")
        assert f"{hub / 'router'}: it was trained on the frozen image encoder saved-vit/mine with weights" in str(
            caught.value
        )
        assert "get those weights, or train the router anew" in str(caught.value)

    def test_other_weights_of_the_text_encoder(self, hub):
        from transformers import BertModel

        self.make(hub, 1, 1).save(hub / "router")
        model = BertModel.from_pretrained(hub / "bert")
        with torch.no_grad():
            model.embeddings.word_embeddings.weight[5, 0] += 1
        model.save_pretrained(hub / "bert")
        with pytest.raises(ArmsError, match=r"it was trained on the frozen text encoder .* with weights"):
            load_router(hub / "router", device="cpu")

    def test_weights_that_are_gone(self, hub):
        self.make(hub, 1, 1).save(hub / "router")
        shutil.rmtree(hub / "bert")
        with pytest.raises(ArmsError, match=r"text encoder .*bert' could not be loaded"):
            load_router(hub / "router", device="cpu")

    @pytest.mark.parametrize("layers", [1, "all"])
    @pytest.mark.parametrize(("trains", "tuned"), [("head", set()), ("image", {"image_tail"}), ("text", {"text_tail"})])
    def test_a_tail_that_did_not_train_is_not_saved(self, hub, layers, trains, tuned):
        router = self.make(hub, layers, layers, train={"trains": trains})
        router.save(hub / "router")
        assert set(read_weights(hub / "router", read_description(hub / "router"))) == {"head"} | tuned
        read = load_router(hub / "router", device="cpu")
        check_same(router, read)
        read.save(hub / "again")  # it still knows what has trained
        files = [sorted(path.name for path in (hub / folder).iterdir()) for folder in ("router", "again")]
        assert files[0] == files[1]
        check_same(router, load_router(hub / "again", device="cpu"))

    def test_what_trained_once_is_saved_ever_after(self, hub):
        router = self.make(hub, 1, 1, train={"trains": "text"})
        further = router.continued(router.profiles, router.training.model_copy(update={"trains": "head"}))
        further.fit(MADE.label(router.encoders)).save(hub / "router")
        assert (hub / "router/text_tail.safetensors").exists()
        assert not (hub / "router/image_tail.safetensors").exists()
        check_same(further, load_router(hub / "router", device="cpu"))

    def test_other_weights_of_a_tail_that_was_not_saved(self, hub):
        self.make(hub, 1, 1, train={"trains": "text"}).save(hub / "router")
        state = torch.load(hub / "vit.pt", weights_only=True)
        state["visual.ln_post.weight"][0] += 1
        torch.save(state, hub / "vit.pt")
        with pytest.raises(ArmsError, match=r"trained on the untuned upper layers of the image encoder saved-vit/mine"):
            load_router(hub / "router", device="cpu")
