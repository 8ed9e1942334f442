from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> dict[str, Path]:
    """Folders of small random models as transformers saves them, decoders and heads included. The Whispers hear
    windows of 2 s."""
    import transformers as t

    torch.manual_seed(1)
    whisper = t.WhisperConfig(
        d_model=8, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=12, decoder_layers=1,
        decoder_attention_heads=2, decoder_ffn_dim=8, vocab_size=20, num_mel_bins=80, max_source_positions=100,
        max_target_positions=10, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    small = {
        "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12,
        "conv_dim": (8,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2, "vocab_size": 10,
    }  # fmt: skip
    large = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}
    made = {
        "whisper": t.WhisperForConditionalGeneration(whisper),
        "whisper-bare": t.WhisperModel(whisper),
        "hubert": t.HubertForCTC(t.HubertConfig(**small)),
        "hubert-large": t.HubertModel(t.HubertConfig(**small, **large)),
    }
    root = tmp_path_factory.mktemp("models")
    for name, net in made.items():
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        net.save_pretrained(root / name)
    return {name: root / name for name in made}
