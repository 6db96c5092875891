"""Logits, gates and fused vectors of many queries."""

from dataclasses import replace

import numpy as np
import torch

from arms.training.prediction import predict_logits, read_net
from tests.fakes import CPU, make_queries, make_router


class TestPredictLogits:
    def test_it_is_the_net_in_the_order_of_the_queries(self):
        made = make_queries(13)
        router = make_router(image={"tunable_layers": 1}, text={"tunable_layers": "all"})
        queries = made.encode(router.encoders)
        queries = replace(queries, image_rows=queries.image_rows[::-1].copy())
        router.net.eval()
        with torch.inference_mode():
            expected = router.net(queries.batch(np.arange(13)).to(CPU), router.profile_batch)
        router.net.train()
        for batch_size in (1, 5, 64):
            got = predict_logits(
                router.net, router.profile_batch, queries, batch_size=batch_size, window_mb=1, device=CPU
            )
            assert got.dtype == np.float32
            np.testing.assert_allclose(got, expected, atol=1e-4)
        assert not router.net.training

    def test_no_queries(self):
        router = make_router()
        queries = make_queries(2).encode(router.encoders).subset(np.arange(0))
        assert predict_logits(
            router.net, router.profile_batch, queries, batch_size=4, window_mb=1, device=CPU
        ).shape == (0, 3)


class TestReadNet:
    def test_it_is_what_the_net_scores_by(self):
        made, router = make_queries(9), make_router(router={"num_experts": 3, "top_k": 2})
        queries = made.encode(router.encoders)
        reading = read_net(router.net, queries, batch_size=4, window_mb=1, device=CPU)
        assert reading.gate_NE.shape == (9, 3)
        assert ((reading.gate_NE > 0).sum(axis=1) == 2).all()
        with torch.inference_mode():
            question = router.net.encode_queries(queries.batch(np.arange(9)).to(CPU)).question_ND
            profiles = router.net.encode_profiles(router.profile_batch)
            logits = router.net.classifier(question, torch.from_numpy(reading.fused_ND), profiles)
        expected = predict_logits(router.net, router.profile_batch, queries, batch_size=9, window_mb=1, device=CPU)
        np.testing.assert_allclose(logits, expected, atol=1e-4)

    def test_the_router_reads_itself(self):
        made, router = make_queries(5), make_router()
        queries = made.encode(router.encoders)
        reading = router.read(queries)
        np.testing.assert_allclose(reading.gate_NE.sum(axis=1), 1, atol=1e-6)
        assert reading.fused_ND.shape == (5, router.net.text_width)
