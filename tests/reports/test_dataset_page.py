"""The page of one dataset from a made-up summary."""

import re

from arms.reports.dataset_page import dataset_page
from arms.reports.studies_section import PUBLISHED_ABLATION
from tests.reports.made import METRICS, summary


def page(made=None, **settings):
    links = {"figures": "../figures/mine", "overview": "../results.md"}
    return dataset_page("mine", made or summary(**settings), "Made up.", **links)


def test_what_is_ours_stands_beside_what_was_published():
    (row,) = re.findall(r"^\| full \|.*0\.6\d\d.*$", page(ood=False), re.MULTILINE)
    f1, em = PUBLISHED_ABLATION["ablation"]["full"][-2:]
    assert row.endswith(f"| 0.610 (0.600 to 0.620) | +0.020 (-0.010 to +0.050) | {f1:.3f} | {em:.3f} |")
    (other,) = re.findall(r"^\| one-expert \|.*$", page(ood=False), re.MULTILINE)
    assert other.endswith("| 0.610 (0.600 to 0.620) | +0.020 (-0.010 to +0.050) |  |  |")
    assert re.search(r"^\| image-frozen \|.*\| 0\.645 \| 0\.535 \|$", page(ood=False), re.MULTILINE)
    assert "0.796 on id with the extended pool" in page()


def test_the_dataset_says_what_it_is():
    assert page().startswith("# Results on mine\n\nThis page is generated; [all results](../results.md) says how")
    assert "Made up. Encoders: bundled; 7 epochs; preset: none; all else as in params.yaml." in page()
    assert "![Confidences](../figures/mine/confidences.png)" in page()


def test_results_from_before_the_net_was_joined_say_so():
    made = summary()
    assert "called `plain` now" not in page(made)
    del made["metrics"]["plain"]
    assert "here ARMS is only the net, which is called `plain` now." in page(made)


def test_the_extension_has_its_tables():
    text = page()
    margins = "+0.100 (+0.050 to +0.150) | -0.010 (-0.030 to +0.020) | -0.010 (-0.030 to +0.020)"
    cells = f"0.800 (0.750 to 0.850) | {METRICS['em_all']:.3f} | {margins}"
    assert text.count(f"| incremental | {cells} | 25% | 1.3 |") == 2
    assert page(ood=False).count(f"| incremental | {cells}") == 1
    assert "on id 0.800 before, 0.780 after, -0.010 (-0.030 to +0.020)" in text
    assert text.index("| 0 | 0.500 (0.680 to 0.720); - |") < text.index("| 16 | 0.700 (0.680 to 0.720); 0.400 |")
    assert "Extending the pool" not in page(extended=False)


def test_figure_7_has_five_metrics():
    text = page()
    assert text.count("| theta | accuracy | precision | recall | F1 | EM | EM, all queries | EM, not calibrated |") == 2
    assert text.count("| 1 | 0.900 | 0.900 | 0.900 | 0.900 | 0.900 | 0.900 | 1.000 |") == 2
    assert page(ood=False).count("| theta | accuracy") == 1
    assert "| Phi's share of the images | id: accuracy | id: precision | id: recall | id: F1 | id: EM | id: EM" in text
    assert "| 20% | 0.200 (0.200 to 0.300) |" in text


def test_the_papers_tables_1_and_2_with_this_dataset():
    text = page()
    assert "| base pool | 1 | 80 (70) |" in text
    assert "| mine | yes | no | selection | 100 |" in text
    assert "| M2 | yes | yes | selection | 56,107 |" in text


def test_a_dataset_whose_studies_were_not_run():
    alone = summary()
    alone["studies"] = {study: {} for study in alone["studies"]}
    text = page(alone)
    assert "## Ablation" not in text
    assert "ablation.png" not in text
    assert "## The dataset" in text


def test_a_dataset_without_held_out_queries():
    text = page(ood=False)
    assert "| epochs | id: accuracy | id: F1 | id: EM | id: EM of ARMS minus this |\n" in text
    assert "| epochs | id: accuracy | id: F1 | id: EM | id: EM of ARMS minus this | ood: accuracy |" in page()


def test_a_quick_run_says_so():
    assert "mean nothing" in page(quick=True)
    assert "mean nothing" not in page()


def test_tables_have_as_many_cells_as_their_header():
    columns = None
    for line in page().splitlines():
        if not line.startswith("|"):
            columns = None
            continue
        assert columns in (None, line.count("|")), line
        columns = line.count("|")
