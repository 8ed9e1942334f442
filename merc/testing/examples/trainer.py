"""Example, a trainer: replace its loop with yours."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import merc


@dataclass(frozen=True, kw_only=True)
class Example(merc.Trainer):
    """Plain gradient descent on the right answers: a step of size ``lr`` a conversation, for ``epochs`` epochs. A
    conversation is computed in passes of at most ``batch_tokens`` tokens.

    It keeps no checkpoint: a stage that is resumed starts again, from the same parameters and seed, and so reaches the
    same numbers. It is for one process.
    """

    lr: float = 0.01
    epochs: int = 1
    batch_tokens: int = 4096

    def train(self, job: merc.TrainContext) -> merc.TrainReport:
        """Train in place."""
        import torch

        torch.manual_seed(job.seed)
        model, started, step = job.model, time.monotonic(), 0
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=self.lr)
        job.rewind(0)

        def encode(example: merc.Example, epoch: int) -> Any:
            """The tokens of a prompt and its right answer."""
            return model.encode(example.prompt(), example.query, within=job.labels, draw=epoch)

        model.train()
        for epoch in range(self.epochs):
            talks = job.examples(epoch)
            for done, examples in enumerate(talks, start=1):
                total = 0.0
                for batch in model.batches([encode(example, epoch) for example in examples], self.batch_tokens):
                    loss = -model.log_probabilities(batch.to(model.device), epoch).sum() / len(examples)
                    if not torch.isfinite(loss):
                        raise merc.MercError(
                            f"stages.{job.stage}: the loss is {float(loss)} at step {step + 1}, in conversation "
                            f"{examples[0].query.conversation.id!r}; a smaller lr may help"
                        )
                    loss.backward()  # type: ignore[no-untyped-call]
                    total += float(loss.detach())
                optimizer.step()
                optimizer.zero_grad()
                step += 1
                job.log({"event": "step", "stage": job.stage, "step": step, "epoch": epoch, "loss": total})
                job.progress((epoch + done / len(talks)) / self.epochs, f"loss {total:.3f}")
        model.eval()
        return merc.TrainReport(steps=step, epochs=self.epochs, seconds=time.monotonic() - started)
