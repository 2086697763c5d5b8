"""The alert rules and the scrape configuration speak of metrics and ports there are."""

import re

import pytest
import yaml


@pytest.fixture
def rules(root):
    (group,) = yaml.safe_load((root / "deploy/prometheus/alerts.yml").read_text())["groups"]
    return group["rules"]


def test_every_metric_of_a_rule_exists(root, rules):
    guide = (root / "docs/operator-guide.md").read_text()
    known = set(re.findall(r"^\| `(datalab_\w+)` \|", guide, re.MULTILINE))  # made from the code
    named = {name for rule in rules for name in re.findall(r"datalab_\w+", rule["expr"])}
    assert len(named) >= 7
    assert named <= known


def test_every_rule_says_what_it_means(rules):
    assert len({rule["alert"] for rule in rules}) == len(rules)
    assert all(rule["annotations"]["summary"] for rule in rules)


def test_every_alarm_of_the_guide_is_a_rule(root, rules):
    guide = (root / "docs/operator-guide.md").read_text()
    (table,) = re.findall(r"^\| condition \| means \|\n\|.*\n((?:\|.*\n)+)", guide, re.MULTILINE)
    conditions = [line.split("|")[1] for line in table.splitlines()]
    in_rules = " ".join(rule["expr"] for rule in rules)
    named = {name for condition in conditions for name in re.findall(r"datalab_\w+", condition)}
    assert named
    assert [name for name in named if name not in in_rules] == []


def test_the_services_are_scraped_where_they_listen(root, dockerfiles):
    jobs = yaml.safe_load((root / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    found = {}
    for job in jobs:
        for static in job.get("static_configs", []):
            for target in static["targets"]:
                host, _, port = target.partition(":")
                found[host] = port
        for discovered in job.get("dns_sd_configs", []):
            found[discovered["names"][0]] = str(discovered["port"])
    assert found == {name: dockerfiles[name].all("EXPOSE")[0] for name in ("session-api", "ingest", "operation-runner")}
