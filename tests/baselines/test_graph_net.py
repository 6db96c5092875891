"""The net's messages, once more by loops over nodes and edges."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from arms.baselines.graph_net import GraphNet

NAN = np.nan
OUTCOMES = torch.tensor([[1, 0, NAN], [NAN, 1, NAN], [NAN, NAN, NAN], [0, 0, NAN], [1, NAN, NAN]])
TASKS = torch.tensor([0, 0, 1, 1, 0])
KEPT = torch.tensor([True, False, True])


@pytest.fixture(scope="module")
def graph():
    """A net of two rounds whose every weight is drawn, five queries, three tasks (one without queries), three VLMs."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = GraphNet(4, 2, 3, num_layers=2)
        for weight in net.parameters():
            torch.nn.init.normal_(weight, std=0.5)
        return net.requires_grad_(False), torch.randn(5, 4), torch.randn(3, 4), torch.randn(3, 2)


def by_loop(net, queries, tasks, profiles, outcomes=OUTCOMES, kept=KEPT):
    """Tasks' states before both rounds; VLMs' vectors, log odds and the queries' mean message after the second."""
    query = [net.query_in(vector) for vector in queries]
    task = [net.task_in(vector) for vector in tasks]
    own = [net.vlm_in(vector) * float(keep) for vector, keep in zip(profiles, kept, strict=True)]
    vlm, before = own, [task]
    for place in range(2):
        sent = [F.relu(net.sent[place].linear(torch.cat([q, task[k]]))) for q, k in zip(query, TASKS, strict=True)]
        mean = torch.stack(sent).mean(dim=0)
        if place == 0:
            query, task = first_round(net, query, task, vlm, sent, outcomes)
            before.append(task)
        heard = []
        for j in range(len(own)):
            right = [sent[i] for i in range(5) if outcomes[i, j] == 1] + [mean] * 5
            wrong = [sent[i] for i in range(5) if outcomes[i, j] == 0] + [mean] * 5
            heard.append(torch.stack(right).mean(dim=0) - torch.stack(wrong).mean(dim=0))
        vlm = [start + net.to_vlms[place](message) for start, message in zip(own, heard, strict=True)]
    return before, vlm, mean


def first_round(net, query, task, vlm, sent, outcomes):
    to_query, to_task, from_vlms = net.to_queries[0], net.to_tasks[0], net.from_vlms[0]
    new_query = []
    for i, state in enumerate(query):
        messages = [
            F.relu(from_vlms.linear(vlm[j]) + (from_vlms.right if outcomes[i, j] == 1 else 0))
            for j in range(len(vlm))
            if not outcomes[i, j].isnan()
        ]
        message = torch.stack(messages).mean(dim=0) if messages else torch.zeros(3)
        new_query.append(to_query.norm(state + F.relu(to_query.linear(torch.cat([state, task[TASKS[i]], message])))))
    new_task = []
    for k, state in enumerate(task):
        members = [sent[i] for i in range(5) if TASKS[i] == k]
        message = torch.stack(members).mean(dim=0) if members else torch.zeros(3)
        new_task.append(to_task.norm(state + F.relu(to_task.linear(torch.cat([state, message])))))
    return new_query, new_task


def test_messages_by_loop(graph):
    net, queries, tasks, profiles = graph
    states = net.propagate(queries, OUTCOMES, TASKS, tasks, profiles, KEPT)
    before, vlm, mean = by_loop(net, queries, tasks, profiles)
    assert len(states.tasks) == 2
    for found, expected in zip(states.tasks, before, strict=True):
        torch.testing.assert_close(found, torch.stack(expected))
    torch.testing.assert_close(states.vlms.vectors_SH, torch.stack(vlm))
    torch.testing.assert_close(states.vlms.mean_H, mean)
    np.testing.assert_allclose(states.vlms.log_odds_S, np.log([2.5 / 1.5, 1.5 / 2.5, 1]), rtol=1e-6)


def test_edges_by_loop(graph):
    """A query that is routed hears its task in the first round, and is read by what it would send in the second."""
    net, queries, tasks, profiles = graph
    states = net.propagate(queries, OUTCOMES, TASKS, tasks, profiles, KEPT)
    new, new_task = torch.randn(4, 4, generator=torch.Generator().manual_seed(1)), torch.tensor([2, 0, 1, 1])
    logits = net.predict(new, new_task, states)
    assert logits.shape == (4, 3)
    (first_task, second_task), vlm, mean = by_loop(net, queries, tasks, profiles)
    update, readout = net.to_queries[0], net.readout
    for i in range(4):
        state = net.query_in(new[i])
        its_task = first_task[new_task[i]]
        state = update.norm(state + F.relu(update.linear(torch.cat([state, its_task, torch.zeros(3)]))))
        away = F.relu(net.sent[1].linear(torch.cat([state, second_task[new_task[i]]]))) - mean
        for j, odds in enumerate((2.5 / 1.5, 1.5 / 2.5, 1)):
            expected = readout.log_scale.exp() * (readout.query(away) @ vlm[j]) + readout.level(away)
            expected += readout.odds[0] * np.log(odds) + readout.odds[1]
            assert float(logits[i, j]) == pytest.approx(float(expected), abs=1e-4)


def test_the_order_of_queries_and_of_vlms_is_of_no_matter(graph):
    net, queries, tasks, profiles = graph
    one = net.propagate(queries, OUTCOMES, TASKS, tasks, profiles, KEPT)
    rows, columns = torch.tensor([3, 1, 4, 0, 2]), torch.tensor([2, 0, 1])
    other = net.propagate(
        queries[rows], OUTCOMES[rows][:, columns], TASKS[rows], tasks, profiles[columns], KEPT[columns]
    )
    for found, expected in zip(other.tasks, one.tasks, strict=True):
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(other.vlms.vectors_SH, one.vlms.vectors_SH[columns])
    torch.testing.assert_close(net.predict(queries, TASKS, other), net.predict(queries, TASKS, one)[:, columns])


def test_a_vlm_whose_vector_is_withheld_is_known_by_its_edges(graph):
    net, queries, tasks, profiles = graph
    one, other = (
        net.propagate(queries, OUTCOMES, TASKS, tasks, vectors, KEPT).vlms.vectors_SH
        for vectors in (profiles, profiles + torch.tensor([[0.0], [1.0], [1.0]]))
    )
    torch.testing.assert_close(one[:2], other[:2])
    assert (one[2] != other[2]).any()


def test_a_graph_without_queries(graph):
    net, queries, tasks, profiles = graph
    states = net.propagate(queries[:0], OUTCOMES[:0], TASKS[:0], tasks, profiles, KEPT)
    assert net.predict(queries, TASKS, states).isfinite().all()


def test_one_round_has_no_messages_but_those_to_vlms():
    net = GraphNet(4, 2, 3, num_layers=1)
    assert not [name for name, _ in net.named_parameters() if name.startswith(("to_queries", "to_tasks", "from_vlms"))]
    assert (net.vlm_in.weight == 0).all()
