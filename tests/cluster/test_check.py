"""Each rule of `python -m cluster.check`, seen on a good file of ours in which one thing is broken."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import requires
from itertools import pairwise
from pathlib import Path

import pytest
import ray.autoscaler
import yaml

from cluster.check import main
from cluster.pins import pins

CLUSTER = Path(__file__).resolve().parents[2] / "cluster"
FILES = ("cluster.yaml", "gcp.yaml", "azure.yaml", "on-prem.yaml", "kuberay.yaml")
POLICY, RAY_CLUSTER, RAY_JOB = 1, 2, 3
"""Documents of kuberay.yaml."""
HEAD = (RAY_CLUSTER, "spec", "headGroupSpec")
WORKERS = (RAY_CLUSTER, "spec", "workerGroupSpecs", 0)
GPU_SPOT = ("available_node_types", "gpu-spot")
GONE = object()


@pytest.fixture(autouse=True)
def launcher(tmp_path, monkeypatch):
    """A launcher's home with a token."""
    home = tmp_path / "home"
    (home / ".ray").mkdir(parents=True)
    (home / ".ray" / "auth_token").write_text("0" * 64)
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def check(tmp_path, capsys):
    """Check a copy of one of our files with values put at paths; gives stderr's lines, without the file's name."""
    path = tmp_path / "cluster" / "edited.yaml"
    path.parent.mkdir()

    def check(name, *edits):
        # Through JSON, so that what aliases share in the file is edited in one place alone.
        documents = json.loads(json.dumps(list(yaml.safe_load_all((CLUSTER / name).read_text()))))
        for steps, value in edits:
            node = documents if name == "kuberay.yaml" else documents[0]
            for step in steps[:-1]:
                node = node[step] if isinstance(node, list) else node.setdefault(step, {})
            if value is GONE:
                del node[steps[-1]]
            elif steps[-1] == "+":
                node.append(value)
            else:
                node[steps[-1]] = value
        path.write_text(yaml.safe_dump_all(documents))
        status = main([str(path)])
        lines = capsys.readouterr().err.splitlines()
        assert status == (2 if lines else 0)
        assert all(line.startswith(f"{path}: ") for line in lines)
        return [line.removeprefix(f"{path}: ") for line in lines]

    return check


def docker_option(option):
    return (("docker", "run_options", "+"), option)


BROKEN = {
    "a key that Ray's schema refuses": (
        "cluster.yaml", (("idle_timeout",), 5), "the file", "'idle_timeout' was unexpected"
    ),
    "a head type that Ray's validation misses": (
        "cluster.yaml", (("head_node_type",), "boss"), "the file", "`head_node_type` must be one of"
    ),
    "minimum above its maximum": (
        "cluster.yaml", ((*GPU_SPOT, "min_workers"), 7),
        "available_node_types.gpu-spot.min_workers", "is 7, but must be at most max_workers, which is 6",
    ),
    "minimum above the cluster's": (
        "gcp.yaml", (GPU_SPOT, {"min_workers": 9, "max_workers": 9, "resources": {}, "node_config": {}}),
        "the file", "global `max_workers` is smaller than the sum of `min_workers`",
    ),
    "a provider that we have no file for": (
        "cluster.yaml", (("provider", "type"), "vsphere"), "provider.type", "is vsphere, but must be aws"
    ),
    "a mistyped key of AWS": (
        "cluster.yaml", (("provider", "avaliability_zone"), "a"),
        "provider.avaliability_zone", "write availability_zone",
    ),
    "a mistyped key of Google Cloud": (
        "gcp.yaml", (("provider", "projectid"), "p"), "provider.projectid", "write project_id"
    ),
    "a mistyped key of Azure": (
        "azure.yaml", (("provider", "resource_grp"), "r"), "provider.resource_grp", "write resource_group"
    ),
    "a mistyped key of own machines": (
        "on-prem.yaml", (("provider", "worker_ip"), []), "provider.worker_ip", "write worker_ips"
    ),
    "a mistyped key of an AWS node": (
        "cluster.yaml", ((*GPU_SPOT, "node_config", "instanceType"), "g6.xlarge"),
        "available_node_types.gpu-spot.node_config.instanceType", "write InstanceType",
    ),
    "a mistyped key of an AWS node's disk": (
        "cluster.yaml", ((*GPU_SPOT, "node_config", "BlockDeviceMappings", 0, "Ebs", "Volumesize"), 200),
        "available_node_types.gpu-spot.node_config.BlockDeviceMappings[0].Ebs.Volumesize", "write VolumeSize",
    ),
    "a mistyped key of a Google Cloud node": (
        "gcp.yaml", ((*GPU_SPOT, "node_config", "scheduling", "provisioningmodel"), "SPOT"),
        "available_node_types.gpu-spot.node_config.scheduling.provisioningmodel", "write provisioningModel",
    ),
    "a mistyped key of an Azure node": (
        "azure.yaml", ((*GPU_SPOT, "node_config", "azure_arm_parameters", "osDiskSizeGB"), 200),
        "available_node_types.gpu-spot.node_config.azure_arm_parameters.osDiskSizeGB", "write osDiskSize",
    ),
    "GPUs without CUDA": (
        "azure.yaml", (("worker_setup_commands", 0), "pip install -c cluster/constraints.txt -e ."),
        "worker_setup_commands[0]", "installs no CUDA, but gpu-on-demand has a GPU",
    ),
    "a driver of before TensorFlow's CUDA": (
        "gcp.yaml",
        ((*GPU_SPOT, "node_config", "disks", 0, "initializeParams", "sourceImage"), "a/family/common-nvidia-470"),
        "available_node_types.gpu-spot.node_config.disks[0]", "needs driver 525 or newer",
    ),
    "a mount of nothing": (
        "cluster.yaml", (("file_mounts", "/home/ray/photos"), "photos"),
        "file_mounts./home/ray/photos", "is photos, but",
    ),
    "a dashboard for all": (
        "cluster.yaml", (("head_start_ray_commands", 1), "ray start --head --dashboard-host=0.0.0.0"),
        "head_start_ray_commands[1]", "write --dashboard-host=127.0.0.1",
    ),
    "a dashboard as Ray starts it by default": (
        "cluster.yaml", (("head_start_ray_commands",), GONE),
        "head_start_ray_commands[1]", "has --dashboard-host 0.0.0.0",
    ),
    "an open port": (
        "cluster.yaml",
        (
            ("provider", "security_group"),
            {"IpPermissions": [{"FromPort": 6379, "ToPort": 6379, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]},
        ),
        "provider.security_group.IpPermissions[0].IpRanges[0].CidrIp", "admits the whole internet",
    ),
    "an open port in IPv6": (
        "cluster.yaml",
        (("provider", "security_group"), {"IpPermissions": [{"Ipv6Ranges": [{"CidrIpv6": "::/0"}]}]}),
        "provider.security_group.IpPermissions[0].Ipv6Ranges[0].CidrIpv6", "admits the whole internet",
    ),
    "no word of the token": (
        "cluster.yaml", (("docker", "run_options", 0), "--init"),
        "docker.run_options", "add `-e RAY_AUTH_MODE=token`",
    ),
    "the token switched off": (
        "cluster.yaml", (("docker", "run_options", 0), "-e RAY_AUTH_MODE=disabled"),
        "docker.run_options[0]", "sets RAY_AUTH_MODE to disabled, but must be token",
    ),
    "no word of the token, without Docker": (
        "on-prem.yaml", (("worker_start_ray_commands", 1), "ray start --address=$RAY_HEAD_IP:6379"),
        "worker_start_ray_commands[1]", "write `RAY_AUTH_MODE=token ray start`",
    ),
    "a token that stays at home": (
        "cluster.yaml", (("file_mounts", "/home/ray/auth_token"), GONE),
        "file_mounts", "add `/home/ray/auth_token: ~/.ray/auth_token`",
    ),
    "another Ray on workers": (
        "cluster.yaml", (("docker", "worker_image"), "rayproject/ray:2.49.0-py311-gpu"),
        "docker.worker_image", "take an image tagged 2.60.0-py311-",
    ),
    "another Python on the head": (
        "gcp.yaml", (("docker", "head_image"), "rayproject/ray:2.60.0-py312-cpu"),
        "docker.head_image", "take an image tagged 2.60.0-py311-",
    ),
    "another Ray for one type": (
        "cluster.yaml", ((*GPU_SPOT, "docker"), {"worker_image": "rayproject/ray:latest"}),
        "available_node_types.gpu-spot.docker.worker_image", "is rayproject/ray:latest",
    ),
    "another version than we pin": (
        "cluster.yaml", (("setup_commands", "+"), "pip install -c cluster/constraints.txt Optuna==4.0.0"),
        "setup_commands[0]", "installs Optuna==4.0.0, but constraints.txt pins 5.0.0",
    ),
    "an installation without pins": (
        "cluster.yaml", (("worker_setup_commands", 0), "pip install tensorflow"),
        "worker_setup_commands[0]", "add `-c cluster/constraints.txt`",
    ),
    "a key that the operator drops": (
        "kuberay.yaml", ((*WORKERS, "replica"), 1),
        "RayCluster colorization-search: spec.workerGroupSpecs[0].replica", "write replicas",
    ),
    "a key of a pod that the operator drops": (
        "kuberay.yaml", ((*HEAD, "template", "spec", "containers", 0, "volumesMounts"), []),
        "RayCluster colorization-search: spec.headGroupSpec.template.spec.containers[0].volumesMounts",
        "write volumeMounts",
    ),
    "a key of a job that the operator drops": (
        "kuberay.yaml", ((RAY_JOB, "spec", "submitMode"), "HTTPMode"),
        "RayJob colorization-search: spec.submitMode", "write submissionMode",
    ),
    "a value of another type": (
        "kuberay.yaml", ((*WORKERS, "maxReplicas"), "8"),
        "RayCluster colorization-search: spec.workerGroupSpecs[0].maxReplicas", "'8' is not of type 'integer'",
    ),
    "a part that is missing": (
        "kuberay.yaml", ((*WORKERS, "groupName"), GONE),
        "RayCluster colorization-search: spec.workerGroupSpecs[0]", "'groupName' is a required property",
    ),
    "an old version of the operator's kinds": (
        "kuberay.yaml", ((RAY_JOB, "apiVersion"), "ray.io/v1alpha1"),
        "RayJob colorization-search: kind", "is RayJob of ray.io/v1alpha1",
    ),
    "minimum of replicas above its maximum": (
        "kuberay.yaml", ((*WORKERS, "minReplicas"), 9),
        "RayCluster colorization-search: spec.workerGroupSpecs[0].minReplicas",
        "is 9, but must be at most maxReplicas, which is 8",
    ),
    "a dashboard without a policy": (
        "kuberay.yaml", ((POLICY, "spec", "podSelector", "matchLabels", "ray.io/cluster"), "another"),
        "RayCluster colorization-search: spec.headGroupSpec.rayStartParams.dashboard-host", "is 0.0.0.0, but",
    ),
    "a policy that admits everybody": (
        "kuberay.yaml", ((POLICY, "spec", "ingress", "+"), {"ports": [{"port": 8265}]}),
        "NetworkPolicy colorization-search: spec.ingress[2]", "admits everybody",
    ),
    "a policy that admits the internet": (
        "kuberay.yaml", ((POLICY, "spec", "ingress", "+"), {"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}),
        "NetworkPolicy colorization-search: spec.ingress[2].from[0].ipBlock.cidr", "admits the whole internet",
    ),
    "a head behind a load balancer": (
        "kuberay.yaml", ((*HEAD, "serviceType"), "LoadBalancer"),
        "RayCluster colorization-search: spec.headGroupSpec.serviceType", "must be ClusterIP",
    ),
    "a head service of one's own on every node": (
        "kuberay.yaml", ((*HEAD, "headService"), {"spec": {"type": "NodePort"}}),
        "RayCluster colorization-search: spec.headGroupSpec.headService.spec.type", "must be ClusterIP",
    ),
    "a service on every node": (
        "kuberay.yaml",
        (("+",), {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "ray"}, "spec": {"type": "NodePort"}}),
        "Service ray: spec.type", "must be ClusterIP",
    ),
    "an ingress": (
        "kuberay.yaml", ((*HEAD, "enableIngress"), True),
        "RayCluster colorization-search: spec.headGroupSpec.enableIngress", "opens the dashboard",
    ),
    "the node's own network": (
        "kuberay.yaml", ((*WORKERS, "template", "spec", "hostNetwork"), True),
        "RayCluster colorization-search: spec.workerGroupSpecs[0].template.spec.hostNetwork", "delete it",
    ),
    "a port of the node": (
        "kuberay.yaml",
        ((*HEAD, "template", "spec", "containers", 0, "ports"), [{"containerPort": 10001, "hostPort": 10001}]),
        "RayCluster colorization-search: spec.headGroupSpec.template.spec.containers[0].ports[0].hostPort",
        "is 10001, which opens that port on the node",
    ),
    "no word of the token, on Kubernetes": (
        "kuberay.yaml", ((RAY_CLUSTER, "spec", "authOptions"), GONE),
        "RayCluster colorization-search: spec.authOptions.mode", "is None, but Ray must ask for a token",
    ),
    "the token switched off, on Kubernetes": (
        "kuberay.yaml", ((RAY_CLUSTER, "spec", "authOptions", "mode"), "disabled"),
        "RayCluster colorization-search: spec.authOptions.mode", "is disabled, but Ray must ask for a token",
    ),
    "the token switched off in a container": (
        "kuberay.yaml",
        ((*HEAD, "template", "spec", "containers", 0, "env"), [{"name": "RAY_AUTH_MODE", "value": "disabled"}]),
        "RayCluster colorization-search: spec.headGroupSpec.template.spec.containers[0].env[0].RAY_AUTH_MODE",
        "sets RAY_AUTH_MODE to disabled",
    ),
    "another image on Kubernetes' workers": (
        "kuberay.yaml", ((*WORKERS, "template", "spec", "containers", 0, "image"), "rayproject/ray:2.59.0-py311-gpu"),
        "RayCluster colorization-search: spec.workerGroupSpecs[0].template.spec.containers[0].image",
        "take an image tagged 2.60.0-py311-",
    ),
    "another Ray than the operator is told": (
        "kuberay.yaml", ((RAY_CLUSTER, "spec", "rayVersion"), "2.59.0"),
        "RayCluster colorization-search: spec.rayVersion", "is 2.59.0, but constraints.txt pins 2.60.0",
    ),
}  # fmt: skip


def test_cudas_libraries_are_pinned_to_what_tensorflow_was_built_against():
    asked = [re.match(r"(nvidia-[\w-]+)[^;]*>=([\d.]+)", one) for one in requires("tensorflow")]
    least = {one[1]: one[2] for one in asked if one}
    assert len(least) == 12
    assert {name: pins()[name] for name in least} == least


@pytest.mark.parametrize("file", FILES)
def test_our_files_pass(file, capsys):
    assert main([str(CLUSTER / file)]) == 0
    assert capsys.readouterr() == (f"{CLUSTER / file}: nothing found\n", "")


@pytest.mark.parametrize(("file", "edit", "place", "says"), BROKEN.values(), ids=BROKEN)
def test_one_broken_thing_is_found_at_its_place(check, file, edit, place, says):
    (line,) = check(file, edit)
    assert line.startswith(f"{place} ")
    assert says in line


KEY = "AKIA" + "ABCDEFGHIJKLMNOP"
SECRETS = {
    "an access key": ("cluster.yaml", (("provider", "aws_credentials"), {"aws_access_key_id": KEY})),
    "its other half": ("cluster.yaml", (("provider", "aws_credentials"), {"aws_secret_access_key": "x1y2z3"})),
    "a service account": (
        "gcp.yaml",
        (("provider", "gcp_credentials"), {"type": "service_account", "credentials": '{"private_key": "x1y2z3"}'}),
    ),
    "a private key": ("on-prem.yaml", (("auth", "ssh_proxy_command"), "-----BEGIN OPENSSH PRIVATE KEY-----x1y2z3")),
    "a token": ("cluster.yaml", docker_option("-e RAY_AUTH_TOKEN=x1y2z3")),
    "a password of an option": ("cluster.yaml", (("head_start_ray_commands", "+"), "ray start --password=x1y2z3")),
    "a password of a mount": ("azure.yaml", (("initialization_commands", "+"), "mount -o user=a,password=x1y2z3 /b")),
    "a password of an address": ("gcp.yaml", (("initialization_commands", "+"), "curl ftp://me:x1y2z3@host/file")),
    "a variable of a container": (
        "kuberay.yaml",
        ((*HEAD, "template", "spec", "containers", 0, "env"), [{"name": "KAGGLE_TOKEN", "value": "x1y2z3"}]),
    ),
    "a secret of Kubernetes": (
        "kuberay.yaml", (("+",), {"apiVersion": "v1", "kind": "Secret", "stringData": {"key": "x1y2z3"}})
    ),
}  # fmt: skip


@pytest.mark.parametrize(("file", "edit"), SECRETS.values(), ids=SECRETS)
def test_a_secret_is_found_and_not_repeated(check, file, edit):
    lines = check(file, edit)
    assert any("must hold no secret" in line for line in lines)
    assert not any(secret in line for line in lines for secret in (KEY, "x1y2z3"))


@pytest.mark.parametrize(
    "option",
    ["-e KAGGLE_TOKEN=$KAGGLE_TOKEN", "-e RAY_AUTH_TOKEN_PATH=/home/ray/auth_token", "-v ~/secret:/secret"],
)
def test_where_a_secret_lies_is_none(check, option):
    assert check("cluster.yaml", docker_option(option)) == []


def test_a_reference_to_a_secret_of_kubernetes_is_none(check):
    reference = {"name": "KAGGLE_TOKEN", "valueFrom": {"secretKeyRef": {"name": "kaggle", "key": "token"}}}
    assert check("kuberay.yaml", ((*HEAD, "template", "spec", "containers", 0, "env"), [reference])) == []


def test_a_launcher_without_a_token_is_told_how_to_make_one(check, launcher):
    (launcher / ".ray" / "auth_token").unlink()
    (line,) = check("cluster.yaml")
    assert line.startswith("file_mounts./home/ray/auth_token is ~/.ray/auth_token")
    assert "`ray get-auth-token --generate`" in line


def test_what_ray_would_install_by_itself_is_found(check):
    lines = check("cluster.yaml", (("setup_commands",), GONE))
    assert any(line.startswith("setup_commands[1]") and "setup_commands: []" in line for line in lines)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_dashboard_on_loopback_needs_no_policy(check, host):
    edits = (((*HEAD, "rayStartParams", "dashboard-host"), host), ((POLICY,), GONE))
    assert check("kuberay.yaml", *edits) == []


def test_the_operators_own_policy_shields_a_dashboard(check):
    edits = (((RAY_CLUSTER, "spec", "networkPolicy"), {"mode": "DenyAllIngress"}), ((POLICY,), GONE))
    assert check("kuberay.yaml", *edits) == []


def test_the_cluster_of_a_job_is_checked_as_well_and_no_policy_can_name_it(check):
    cluster = yaml.safe_load((CLUSTER / "kuberay.yaml").read_text().split("\n---\n")[RAY_CLUSTER])
    del cluster["spec"]["authOptions"]
    dashboard, token = check("kuberay.yaml", ((RAY_JOB, "spec", "rayClusterSpec"), cluster["spec"]))
    assert dashboard.startswith(
        "RayJob colorization-search: spec.rayClusterSpec.headGroupSpec.rayStartParams.dashboard-host is 0.0.0.0"
    )
    assert token.startswith("RayJob colorization-search: spec.rayClusterSpec.authOptions.mode is None")


def test_each_broken_thing_of_a_file_is_found_even_where_ray_refuses_it(check):
    refused, bounds = check("cluster.yaml", ((*GPU_SPOT, "min_workers"), 9))
    assert refused.startswith("the file is refused by Ray")
    assert bounds.startswith("available_node_types.gpu-spot.min_workers is 9")


@pytest.mark.parametrize("provider", ["aws", "gcp", "azure"])
def test_rays_own_defaults_have_no_unknown_key(provider, capsys):
    main([str(Path(ray.autoscaler.__file__).parent / provider / "defaults.yaml")])
    assert "is no key that is read" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("provider: [", "is not YAML"),
        (b"\xff\xfe\x00", "is not YAML"),
        ("just: a mapping", "is neither for `ray up`"),
        ("[1, 2]", "is neither for `ray up`"),
        ("", "is neither for `ray up`"),
        ("provider: {type: aws}\nmax_workers: many\ncluster_name: a", "'many' is not of type 'integer'"),
        ("provider: {type: aws}\navailable_node_types: 3\ncluster_name: a", "is refused by Ray"),
        ("apiVersion: ray.io/v1\nkind: RayCluster\nspec: 3", "3 is not of type 'object'"),
    ],
)
def test_what_is_no_cluster_file_gets_one_message_of_what_it_lacks(tmp_path, capsys, content, says):
    path = tmp_path / "file.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main([str(path)]) == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if says in line)
    assert line.startswith(f"{path}: ")


def test_good_files_are_told_apart_from_bad_and_missing_ones(tmp_path, capsys):
    missing = tmp_path / "missing.yaml"
    assert main([str(missing), str(tmp_path), str(CLUSTER / "gcp.yaml")]) == 2
    out, err = capsys.readouterr()
    assert out == f"{CLUSTER / 'gcp.yaml'}: nothing found\n"
    assert err.splitlines() == [
        f"{missing}: the file cannot be read: No such file or directory.",
        f"{tmp_path}: the file cannot be read: Is a directory.",
    ]


def test_no_file_is_an_error(capsys):
    assert main([]) == 2
    assert "no file is named" in capsys.readouterr().err


def test_the_command_runs_without_tensorflow(launcher):
    code = "import sys; from cluster.check import main; sys.exit(main(sys.argv[1:]) or 'tensorflow' in sys.modules)"
    command = [sys.executable, "-c", code, *(str(CLUSTER / file) for file in FILES)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def test_the_commands_exit_status_tells_of_findings(tmp_path):
    command = [sys.executable, "-m", "cluster.check", str(tmp_path / "none.yaml")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert run.stdout == ""


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in pairwise("abcdefghi")
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (LAUGHS, "stands for more than 20000 values or 50 levels, as of line 5"),
        ("a: &a [*a]", "has an alias in line 1 that holds itself"),
        ("[" * 5000, "stands for more than 20000 values or 50 levels"),
        ("provider: {type: !!int abc}", "holds a value that is none of its kind"),
        ("provider: {type: 2026-13-01}", "holds a value that is none of its kind"),
        ("provider: {type: 1" + "0" * 5000 + "}", "holds a value that is none of its kind"),
        ("provider: {type: *nothing}", "is not YAML"),
        ("provider: [", "is not YAML"),
        ("a: x\n" * 300_000, "has more than 1048576 bytes"),
    ],
    ids=["laughs", "itself", "deep", "integer", "month", "digits", "alias", "open", "large"],
)
def test_what_is_no_description_of_a_cluster_is_told_in_one_finding(tmp_path, capsys, content, said):
    file = tmp_path / "odd.yaml"
    file.write_text(content)
    assert main([str(file)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{file}: the file {said}")


def test_only_files_are_read(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.yaml")
    assert main([str(tmp_path / "pipe.yaml")]) == 2
    assert "the file is no file" in capsys.readouterr().err
