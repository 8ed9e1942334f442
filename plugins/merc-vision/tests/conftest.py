from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """A file with random weights of DenseNet-121 whose numbers stay in a usual range, classifier included."""
    from merc_vision.densenet_net import DenseNet121

    torch.manual_seed(0)
    state = DenseNet121().state_dict()
    for key, value in state.items():
        if "norm" in key and key.endswith(("weight", "bias", "running_mean", "running_var")):
            state[key] = (
                torch.rand_like(value) + 0.5 if key.endswith(("weight", "var")) else torch.randn_like(value) / 5
            )
    state["classifier.weight"], state["classifier.bias"] = torch.randn(1000, 1024), torch.randn(1000)
    path = tmp_path_factory.mktemp("weights") / "densenet121.pth"
    torch.save(state, path)
    return path


TINY = {
    "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 16,
    "patch_size": 4,
}  # fmt: skip


def lively(net):
    """A network whose parameters are all random, so that none of its parts leaves a picture as it is."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return net.eval()


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> dict[str, Path]:
    """Folders of small random models by the names of encoders, each as transformers saves it, with all that the
    published weights have besides: heads, decoders, text halves."""
    import transformers as t

    torch.manual_seed(1)
    blip = t.Blip2Config(
        vision_config=t.Blip2VisionConfig(**TINY).to_dict(),
        qformer_config=t.Blip2QFormerConfig(
            hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, encoder_hidden_size=8,
            vocab_size=20,
        ).to_dict(),
        text_config=t.OPTConfig(
            vocab_size=20, hidden_size=8, ffn_dim=8, num_hidden_layers=1, num_attention_heads=2, word_embed_proj_dim=8
        ).to_dict(),
    )  # fmt: skip
    sees = t.CLIPVisionConfig(**TINY)
    words = t.CLIPTextConfig(
        vocab_size=20, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2
    )
    decoder = {
        "decoder_hidden_size": 8, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2,
        "decoder_intermediate_size": 8,
    }  # fmt: skip
    made = {
        "eva": t.Blip2ForConditionalGeneration(blip),
        "eva-alone": t.Blip2VisionModel(t.Blip2VisionConfig(**TINY)),
        "clip": t.CLIPModel(t.CLIPConfig(vision_config=sees.to_dict(), text_config=words.to_dict())),
        "clip-alone": t.CLIPVisionModel(sees),
        "mae": t.ViTMAEForPreTraining(t.ViTMAEConfig(**TINY, **decoder)),
        "videomae": t.VideoMAEForPreTraining(
            t.VideoMAEConfig(**TINY, num_frames=4, use_mean_pooling=False, **decoder)
        ),
        "videomae-mean": t.VideoMAEForVideoClassification(t.VideoMAEConfig(**TINY, num_frames=4)),
        "vit-cls": t.ViTForImageClassification(t.ViTConfig(**TINY)),
    }  # fmt: skip
    root = tmp_path_factory.mktemp("models")
    for name, net in made.items():
        lively(net).save_pretrained(root / name)
    return {name: root / name for name in made}
