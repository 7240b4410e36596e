"""Models in this process: tiny random ones, whose processors work without torchvision."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from morelli.attributors.mllm import AskSettings, LocalAsker, LocalModel, MultimodalAttributor
from morelli.attributors.mllm.local import _load, _place_of, weights_of
from morelli.attributors.mllm.parse import read_reply
from morelli.attributors.mllm.question import Picture, Question
from morelli.attributors.registry import get_attributor_info
from morelli.encoders.pictures import pack_pixels
from morelli.errors import EndpointError, MorelliError

torch = pytest.importorskip("torch", reason="the deep extra is not installed")
transformers = pytest.importorskip("transformers", reason="the deep extra is not installed")

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}IMAGE{% else %}{{ c['text'] }}{% endif %}{% endfor %}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tokenizer(special: list[str], image: str):
    """Bytes as tokens: single letters are one token, words are several."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", additional_special_tokens=special,
        chat_template=TEMPLATE.replace("IMAGE", image),
    )  # fmt: skip


def llava(folder: Path) -> Path:
    torch.manual_seed(0)
    own = tokenizer(["<image>"], "<image>")
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**sizes, image_size=28, patch_size=14),
        text_config=transformers.LlamaConfig(**sizes, vocab_size=len(own), num_key_value_heads=2),
        image_token_index=own.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    images = transformers.CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    transformers.LlavaProcessor(
        image_processor=images, tokenizer=own, patch_size=14, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=own.chat_template,
    ).save_pretrained(folder)  # fmt: skip
    transformers.LlavaForConditionalGeneration(config).save_pretrained(folder)
    return folder


def qwen(folder: Path) -> Path:
    torch.manual_seed(0)
    special = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    own = tokenizer(special, "<|vision_start|><|image_pad|><|vision_end|>")
    start, end, image, video = (own.convert_tokens_to_ids(token) for token in special)
    config = transformers.Qwen3VLConfig(
        text_config={
            "vocab_size": len(own), "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16,
            "rope_scaling": {"mrope_section": [4, 2, 2], "rope_type": "default", "mrope_interleaved": True},
        },
        vision_config={
            "depth": 1, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32,
            "patch_size": 14, "spatial_merge_size": 2, "deepstack_visual_indexes": [0], "num_position_embeddings": 16,
        },
        image_token_id=image, video_token_id=video, vision_start_token_id=start, vision_end_token_id=end,
    )  # fmt: skip
    transformers.Qwen2VLImageProcessorPil(
        patch_size=14, merge_size=2, min_pixels=28 * 28, max_pixels=56 * 56
    ).save_pretrained(folder)
    own.save_pretrained(folder)
    transformers.Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=[llava, qwen])
def folder(request, tmp_path_factory) -> Path:
    return request.param(tmp_path_factory.mktemp(request.param.__name__))


@pytest.fixture
def asker(folder, tmp_path):
    def make(**settings):
        local = LocalModel(str(folder), answers=str(tmp_path / "answers.sqlite"))
        return LocalAsker(local, AskSettings(**settings))

    return make


def picture(seed: int) -> Picture:
    return Picture(np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8))


QUESTION = Question("Look.", ("One:", picture(0), "Two:", picture(1), "Which?"), {"answer": ("A", "B", "unknown")})


def test_scores_are_those_of_the_model(folder, asker):
    """Against one plain pass for each answer, written out in full."""
    (reply,) = asker().ask(1, lambda i: QUESTION)
    reading = read_reply(reply, QUESTION.answers)
    assert reading.reason is None
    answer = next(token for token in reply.tokens if token.others)
    model = _load(str(folder), "cpu", "float32")
    prompt = model.prompt(QUESTION) + '{"answer": "'
    pictures = [part.image(512) for part in QUESTION.pictures]
    expected = {}
    for word in QUESTION.answers["answer"]:
        inputs = model.inputs(prompt + word, pictures)
        with torch.no_grad():
            logits = torch.log_softmax(model._network(**inputs).logits[0].double(), dim=-1)
        tokens = inputs["input_ids"][0]
        expected[word] = sum(float(logits[i - 1, tokens[i]]) for i in range(len(tokens) - len(word), len(tokens)))
    scores = np.array([expected[word] for word in QUESTION.answers["answer"]])
    scores -= np.log(np.exp(scores).sum())
    np.testing.assert_allclose([score for _, score in answer.others], scores, atol=1e-4)
    assert reading.values["answer"] == max(expected, key=expected.get)
    assert "".join(token.token for token in reply.tokens) == reply.text


def test_several_answers(asker):
    form = {f"q{i}": ("yes", "no") for i in range(3)}
    (reply,) = asker().ask(1, lambda i: Question("Look.", (picture(0), "Well?"), form))
    assert set(read_reply(reply, form).values) == set(form)
    assert "".join(token.token for token in reply.tokens) == reply.text


def test_answers_are_kept(asker, monkeypatch):
    first = asker().ask(2, lambda i: Question("Look.", (picture(i), "Well?"), {"answer": ("yes", "no")}))
    monkeypatch.setattr("morelli.attributors.mllm.local._load", None)  # nothing is loaded for what is known
    again = asker().ask(2, lambda i: Question("Look.", (picture(i), "Well?"), {"answer": ("yes", "no")}))
    assert again == first
    with pytest.raises(TypeError):
        asker().ask(1, lambda i: Question("Look.", (picture(9), "Well?"), {"answer": ("yes", "no")}))


def test_as_an_attributor(folder, tmp_path):
    y = np.repeat(["Ä", "b", "c"], 3)
    X = np.stack([pack_pixels(np.full((32, 32, 3), 20 * i, dtype=np.uint8)) for i in range(9)])
    info = get_attributor_info("mllm-local")
    made = info.build({}, model=str(folder), shots=1, answers=str(tmp_path / "a.sqlite"))
    assert isinstance(made, MultimodalAttributor)
    answers = made.fit(X, y).answer(X[:4])
    named = [reason is None for reason in answers.unanswered]
    assert all(reason in (None, "unknown") for reason in answers.unanswered)
    np.testing.assert_allclose(answers.proba[named].sum(axis=1), 1.0)
    assert made.stated_ == 0
    assert made.spent_["tokens_in"] > 0
    again = info.build({}, model=str(folder), shots=1, answers=str(tmp_path / "b.sqlite")).fit(X, y).answer(X[:4])
    np.testing.assert_array_equal(again.proba, answers.proba)
    assert info.deciding({"model": str(folder)})["weights"] == weights_of(str(folder))


def test_weights_that_are_missing_are_not_made_up(folder, tmp_path):
    """A library would fill them with random numbers, and go on."""
    from safetensors.numpy import load_file, save_file

    lacking = tmp_path / "lacking"
    shutil.copytree(folder, lacking)
    arrays = load_file(lacking / "model.safetensors")
    lost = next(name for name in arrays if name.endswith("layers.0.mlp.down_proj.weight"))
    save_file({name: a for name, a in arrays.items() if name != lost}, lacking / "model.safetensors", {"format": "pt"})
    asker = LocalAsker(LocalModel(str(lacking), answers=str(tmp_path / "a.sqlite")), AskSettings())
    with pytest.raises(EndpointError, match=r"the weights lack .*layers\.0\.mlp\.down_proj\.weight and 0 more"):
        asker.ask(1, lambda i: QUESTION)


def test_answers_are_kept_under_where_they_were_made(asker, folder, monkeypatch):
    """What a processor answered is no answer of a CUDA device, though the settings say "auto" of both."""
    deciding = get_attributor_info("mllm-local").deciding
    settings = {"model": str(folder)}
    monkeypatch.setenv("MORELLI_DEVICE", "cpu")
    here, decided = asker()._request(QUESTION), deciding(settings)
    assert (here["device"], here["dtype"]) == (decided["device"], decided["dtype"]) == ("cpu", "float32")
    assert f"torch {torch.__version__.partition('+')[0]}" in decided["runtime"]
    assert deciding({**settings, "device": "cpu", "dtype": "float32"}) == decided
    monkeypatch.setenv("MORELLI_DEVICE", "cuda:1")
    there, elsewhere = asker()._request(QUESTION), deciding(settings)
    assert (there["device"], there["dtype"]) == (elsewhere["device"], elsewhere["dtype"]) == ("cuda", "auto")
    assert deciding({**settings, "device": "cuda"}) == elsewhere


def test_the_environment_names_the_device(folder, monkeypatch):
    monkeypatch.setenv("MORELLI_DEVICE", "cuda:1")
    assert _place_of(LocalModel(str(folder))) == ("cuda:1", "auto")
    assert _place_of(LocalModel(str(folder), dtype="float16")) == ("cuda:1", "float16")
    assert _place_of(LocalModel(str(folder), device="cpu")) == ("cpu", "float32")


def test_weights_are_told_apart(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "model.safetensors").write_bytes(b"1")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "model.safetensors").write_bytes(b"2")
    assert weights_of(str(tmp_path / "a")) != weights_of(str(tmp_path / "b"))
    (tmp_path / "c").mkdir()
    with pytest.raises(MorelliError, match="no weights as safetensors"):
        weights_of(str(tmp_path / "c"))
    with pytest.raises(EndpointError, match="is no folder, and the hub's cache holds no model"):
        weights_of("nobody/nothing")


def test_what_is_no_multimodal_model(tmp_path):
    folder = tmp_path / "bert"
    transformers.BertModel(
        transformers.BertConfig(
            hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, vocab_size=9
        )
    ).save_pretrained(folder)
    asker = LocalAsker(LocalModel(str(folder), answers=str(tmp_path / "a.sqlite")), AskSettings())
    with pytest.raises(EndpointError, match="cannot be loaded as a multimodal model"):
        asker.ask(1, lambda i: QUESTION)
