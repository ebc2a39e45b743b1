"""cluster.yaml and constraints.txt, checked without a cloud: by Ray's own validator and by Ray's own autoscaler."""

import copy
import re
import tomllib
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.autoscaler.v2.event_logger import AutoscalerEventLogger
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.utils import ResourceRequestUtil

CHECKOUT = Path(__file__).resolve().parents[2]
CLUSTER = CHECKOUT / "cluster"
GPU_TRIAL = {"CPU": 1, "GPU": 0.25}


@pytest.fixture
def config() -> dict[str, Any]:
    return yaml.safe_load((CLUSTER / "cluster.yaml").read_text())


@pytest.fixture
def workers(config: dict[str, Any]) -> dict[str, Any]:
    return {
        name: kind
        for name, kind in config["available_node_types"].items()
        if name != config["head_node_type"]
    }


@pytest.fixture
def launched(config: dict[str, Any]) -> Callable[..., dict[str, int]]:
    """Nodes that Ray's autoscaler would start for so many trials on a cluster of a head alone."""

    def decide(trials: int, demand: Mapping[str, float] = GPU_TRIAL) -> dict[str, int]:
        # The content hash would read the launcher's token.
        scaling = AutoscalingConfig(prepare_config(copy.deepcopy(config)), skip_content_hash=True)
        request = SchedulingRequest(
            node_type_configs=scaling.get_node_type_configs(),
            max_num_nodes=scaling.get_max_num_nodes(),
            resource_requests=ResourceRequestUtil.group_by_count(
                [ResourceRequestUtil.make(dict(demand))] * trials
            ),
            disable_launch_config_check=True,
        )
        reply = ResourceDemandScheduler(AutoscalerEventLogger(logger=None)).schedule(request)
        return {launch.instance_type: launch.count for launch in reply.to_launch}

    return decide


@pytest.fixture
def pins() -> dict[str, str]:
    lines = (CLUSTER / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def test_ray_accepts_the_cluster_file(config):
    validate_config(prepare_config(config))


def test_no_minimum_is_above_its_maximum_and_none_of_them_above_the_clusters(config):
    for name, kind in prepare_config(config)["available_node_types"].items():
        assert 0 <= kind["min_workers"] <= kind["max_workers"] <= config["max_workers"], name


def test_no_gpu_node_starts_before_a_trial_asks_for_one(config, workers, launched):
    assert launched(0) == {}
    assert all(kind["min_workers"] == 0 for kind in workers.values())
    assert config["available_node_types"][config["head_node_type"]]["max_workers"] == 0


def test_four_quarter_gpu_trials_share_one_spot_node(launched):
    assert launched(4) == {"gpu-spot": 1}
    assert launched(5) == {"gpu-spot": 2}


def test_demand_beyond_the_spot_nodes_goes_to_nodes_on_demand(workers, launched):
    spot = workers["gpu-spot"]["max_workers"]
    assert launched(4 * spot) == {"gpu-spot": spot}
    assert launched(4 * (spot + 1)) == {"gpu-spot": spot, "gpu-on-demand": 1}


def test_forbidding_spot_nodes_moves_the_demand_to_nodes_on_demand(config, launched):
    config["available_node_types"]["gpu-spot"]["max_workers"] = 0
    assert launched(4) == {"gpu-on-demand": 1}


def test_a_trial_without_a_gpu_runs_on_a_worker_as_well(config, launched):
    assert config["available_node_types"][config["head_node_type"]]["resources"]["CPU"] == 0
    assert launched(1, {"CPU": 1}) == {"gpu-spot": 1}


def test_every_worker_offers_a_gpu_and_spot_ones_alone_are_bought_on_the_spot_market(config, workers):
    assert all(kind["resources"]["GPU"] >= 1 for kind in workers.values())
    spot = {
        name
        for name, kind in config["available_node_types"].items()
        if kind["node_config"].get("InstanceMarketOptions") == {"MarketType": "spot"}
    }
    assert spot == {"gpu-spot"}


def test_idle_nodes_are_given_back_and_not_kept_stopped(config):
    assert 0 < config["idle_timeout_minutes"] <= 30
    assert config["provider"]["cache_stopped_nodes"] is False


def test_every_node_names_its_image_and_has_a_disk_for_cuda_and_data(config):
    for name, kind in config["available_node_types"].items():
        assert re.match(r"ami-|resolve:ssm:/aws/service/", kind["node_config"]["ImageId"]), name
        (disk,) = (device["Ebs"] for device in kind["node_config"]["BlockDeviceMappings"])
        assert disk["VolumeType"] == "gp3", name
        assert disk["VolumeSize"] >= 150, name


def test_the_dashboard_listens_on_the_loopback_address_alone(config):
    starts = [command for command in config["head_start_ray_commands"] if "ray start" in command]
    assert [re.findall(r"--dashboard-host[= ](\S+)", command) for command in starts] == [["127.0.0.1"]]


def test_the_checkout_is_synced_whole_and_from_where_ray_up_runs(config):
    source = (CLUSTER / config["file_mounts"]["/home/ray/colorization-search"]).resolve()
    assert source == CHECKOUT
    assert (source / config["rsync_filter"][0]).is_file()


def test_every_node_demands_the_token_that_is_mounted(config):
    environment = dict(
        option.removeprefix("-e ").split("=")
        for option in config["docker"]["run_options"]
        if option.startswith("-e ")
    )
    assert environment["RAY_AUTH_MODE"] == "token"
    assert config["file_mounts"][environment["RAY_AUTH_TOKEN_PATH"]] == "~/.ray/auth_token"


def test_images_constraints_and_this_environment_have_one_ray(config, pins):
    assert pins["ray"] == version("ray")
    assert config["docker"]["head_image"] == f"rayproject/ray:{pins['ray']}-py311-cpu"
    assert config["docker"]["worker_image"] == f"rayproject/ray:{pins['ray']}-py311-gpu"


def test_nodes_install_this_project_as_ci_does_and_gpu_nodes_with_cuda(config):
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    (head,) = config["head_setup_commands"]
    (worker,) = config["worker_setup_commands"]
    assert "-c cluster/constraints.txt -e . boto3" in head
    assert "-c cluster/constraints.txt -e '.[gpu]'" in worker
    assert any("and-cuda" in requirement for requirement in project["optional-dependencies"]["gpu"])


def test_constraints_pin_each_package_once_in_order(pins):
    lines = [
        line for line in (CLUSTER / "constraints.txt").read_text().splitlines() if not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!-]+", line) for line in lines)
    assert len({canonicalize_name(name) for name in pins}) == len(lines)
    assert lines == sorted(lines, key=str.upper)


def test_constraints_satisfy_what_the_project_asks_for(pins):
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    pinned = {canonicalize_name(name): number for name, number in pins.items()}
    for line in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        requirement = Requirement(line)
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, line
