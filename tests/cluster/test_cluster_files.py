"""What the cluster files promise beyond `cluster.check`: what Ray's autoscaler makes of them, disks, roles, pins."""

import copy
import json
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
from ray.autoscaler._private.resource_demand_scheduler import _add_min_workers_nodes
from ray.autoscaler._private.util import prepare_config
from ray.autoscaler.v2.event_logger import AutoscalerEventLogger
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.schema import AutoscalerInstance
from ray.autoscaler.v2.utils import ResourceRequestUtil
from ray.core.generated.instance_manager_pb2 import Instance

CHECKOUT = Path(__file__).resolve().parents[2]
CLUSTER = CHECKOUT / "cluster"
CLOUDS = ("cluster.yaml", "gcp.yaml", "azure.yaml")
GPU_TRIAL = {"CPU": 1, "GPU": 0.25}


@pytest.fixture(params=CLOUDS)
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    return yaml.safe_load((CLUSTER / request.param).read_text())


@pytest.fixture
def on_prem() -> dict[str, Any]:
    """Own machines, as Ray reads the file."""
    return prepare_config(yaml.safe_load((CLUSTER / "on-prem.yaml").read_text()))


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
        "aws": lambda node: node.get("InstanceMarketOptions") == {"MarketType": "spot"},
        "gcp": lambda node: node.get("scheduling", {}).get("provisioningModel") == "SPOT",
        "azure": lambda node: node["azure_arm_parameters"].get("priority") == "Spot",
    }[config["provider"]["type"]]
    kinds = config["available_node_types"].items()
    assert {name for name, kind in kinds if spot(kind["node_config"])} == {"gpu-spot"}


def test_idle_nodes_are_given_back_and_not_kept_stopped(config):
    assert 0 < config["idle_timeout_minutes"] <= 30
    assert config["provider"]["cache_stopped_nodes"] is False


def test_every_node_names_its_image_and_has_a_disk_for_cuda_and_data(config):
    image, gigabytes = {
        "aws": lambda node: (node["ImageId"], node["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"]),
        "gcp": lambda node: (
            node["disks"][0]["initializeParams"]["sourceImage"],
            node["disks"][0]["initializeParams"]["diskSizeGb"],
        ),
        "azure": lambda node: (
            ":".join(node["azure_arm_parameters"][f"image{part}"] for part in ("Publisher", "Offer", "Sku")),
            node["azure_arm_parameters"]["osDiskSize"],
        ),
    }[config["provider"]["type"]](config["available_node_types"]["gpu-spot"]["node_config"])
    assert re.search("ubuntu-22.?04|ubuntu-hpc:2204", image)
    assert gigabytes >= 150


def test_no_worker_has_a_role_or_an_account(workers):
    for kind in workers.values():
        assert not kind["node_config"].keys() & {"IamInstanceProfile", "serviceAccounts"}


def test_the_aws_role_is_of_this_cluster_alone():
    cluster = yaml.safe_load((CLUSTER / "cluster.yaml").read_text())
    policy = json.loads((CLUSTER / "roles" / "aws-head.json").read_text())
    conditions = [
        statement["Condition"]["StringEquals"]
        for statement in policy["Statement"]
        if "Condition" in statement
    ]
    tags = {
        value
        for condition in conditions
        for key, value in condition.items()
        if key.endswith("ray-cluster-name")
    }
    assert tags == {cluster["cluster_name"]}
    assert not any("*" in str(statement["Action"]) for statement in policy["Statement"])
    head = cluster["available_node_types"]["head"]["node_config"]
    assert head["IamInstanceProfile"] == {"Name": cluster["cluster_name"]}


def test_every_machine_of_ones_own_is_started(on_prem):
    """By version 1 of the autoscaler, which the file asks for; version 2 counts the head among the workers."""
    (kind,) = on_prem["available_node_types"]
    machines = len(on_prem["provider"]["worker_ips"])
    _, _, started = _add_min_workers_nodes(
        [{}], {kind: 1}, on_prem["available_node_types"], on_prem["max_workers"], kind, [], None
    )
    assert started == {kind: machines}
    assert "RAY_enable_autoscaler_v2=0" in on_prem["head_start_ray_commands"][-1]

    # The hash of the launch configuration would read the key.
    scaling = AutoscalingConfig({**on_prem, "auth": {}}, skip_content_hash=True)
    head = AutoscalerInstance(
        im_instance=Instance(instance_type=kind, status=Instance.ALLOCATED, instance_id="0")
    )
    request = SchedulingRequest(
        node_type_configs=scaling.get_node_type_configs(),
        max_num_nodes=scaling.get_max_num_nodes(),
        current_instances=[head],
        disable_launch_config_check=True,
    )
    reply = ResourceDemandScheduler(AutoscalerEventLogger(logger=None)).schedule(request)
    assert [launch.count for launch in reply.to_launch] == [machines - 1], "Ray has mended it: drop version 1"


def test_the_checkout_is_synced_whole_and_from_where_ray_up_runs(config):
    source = (CLUSTER / config["file_mounts"]["/home/ray/colorization-search"]).resolve()
    assert source == CHECKOUT
    assert (source / config["rsync_filter"][0]).is_file()


def test_pins_this_environment_and_the_image_that_is_built_have_one_ray(pins):
    assert pins["ray"] == version("ray")
    (base,) = re.findall(r"^FROM (\S+)$", (CLUSTER / "Dockerfile").read_text(), re.MULTILINE)
    assert base == f"rayproject/ray:{pins['ray']}-py311-gpu"
    assert set(re.findall(r"colorization-search:(\S+)", (CLUSTER / "Dockerfile").read_text())) == {
        f"{pins['ray']}-py311-gpu"
    }


def test_nodes_install_this_project_as_ci_does_and_gpu_nodes_with_cuda(config):
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    (head,) = config["head_setup_commands"]
    (worker,) = config["worker_setup_commands"]
    launches_with = {"aws": "boto3", "gcp": "google-api-python-client", "azure": "azure-mgmt-compute"}
    assert re.search(f"-c cluster/constraints.txt -e [.] .*{launches_with[config['provider']['type']]}", head)
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
