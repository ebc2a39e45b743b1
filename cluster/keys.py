"""The keys that providers read in a cluster file. Ray passes on, or ignores, all others."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cluster.finding import Finding, mapping, within
from cluster.schema import violations

Keys = Mapping[str, "Keys | None"]
"""Keys with the keys below them; None where anything may follow. Lists have the keys of their items."""


def _keys(names: str, **below: Keys) -> Keys:
    return {**dict.fromkeys(names.split()), **below}


# Read in ray/autoscaler/_private/{aws,gcp,_azure,local}, updater.py and constants.py of Ray 2.60.
_EVERY_PROVIDER = _keys(
    "type use_internal_ips use_external_head_ip disable_node_updaters disable_launch_config_check"
    " foreground_node_launch worker_liveness_check"
)
_PROVIDER = {
    "aws": _keys(
        "region availability_zone cache_stopped_nodes security_group key_pair aws_credentials cloudwatch"
    ),
    "gcp": _keys("region availability_zone project_id gcp_credentials cache_stopped_nodes"),
    "azure": _keys(
        "location resource_group subscription_id msi_name msi_resource_group subnet_mask unique_id tags"
        " availability_zone cache_stopped_nodes"
    ),
    "local": _keys("head_ip worker_ips external_head_ip coordinator_address"),
}
PROVIDERS = tuple(_PROVIDER)

# Parameters of EC2's RunInstances, and Ray's SubnetIds; below them only what our file uses.
_AWS_NODE = _keys(
    "AdditionalInfo CapacityReservationSpecification CpuOptions CreditSpecification DisableApiStop"
    " DisableApiTermination EbsOptimized EnablePrimaryIpv6 EnclaveOptions HibernationOptions ImageId"
    " InstanceInitiatedShutdownBehavior InstanceType Ipv6AddressCount Ipv6Addresses KernelId KeyName LaunchTemplate"
    " LicenseSpecifications MaintenanceOptions MetadataOptions Monitoring NetworkInterfaces"
    " NetworkPerformanceOptions Operator Placement PrivateDnsNameOptions PrivateIpAddress RamdiskId"
    " SecondaryInterfaces SecurityGroupIds SecurityGroups SubnetId SubnetIds TagSpecifications UserData",
    BlockDeviceMappings=_keys(
        "DeviceName NoDevice VirtualName",
        Ebs=_keys(
            "AvailabilityZone AvailabilityZoneId DeleteOnTermination EbsCardIndex Encrypted Iops KmsKeyId"
            " OutpostArn SnapshotId Throughput VolumeInitializationRate VolumeSize VolumeType"
        ),
    ),
    IamInstanceProfile=_keys("Arn Name"),
    InstanceMarketOptions=_keys(
        "MarketType",
        SpotOptions=_keys(
            "BlockDurationMinutes InstanceInterruptionBehavior MaxPrice SpotInstanceType ValidUntil"
        ),
    ),
)

# Fields of Compute Engine's Instance (v1) that may be set, and Ray's sourceInstanceTemplate; likewise.
_GCP_NODE = _keys(
    "advancedMachineFeatures canIpForward confidentialInstanceConfig deletionProtection description displayDevice"
    " hostname instanceEncryptionKey keyRevocationActionType labels machineType metadata minCpuPlatform"
    " networkInterfaces networkPerformanceConfig params privateIpv6GoogleAccess reservationAffinity"
    " resourcePolicies shieldedInstanceConfig shieldedInstanceIntegrityPolicy sourceInstanceTemplate"
    " sourceMachineImage tags workloadIdentityConfig",
    disks=_keys(
        "architecture autoDelete boot deviceName diskEncryptionKey diskSizeGb forceAttach guestOsFeatures index"
        " interface mode source type",
        initializeParams=_keys(
            "architecture description diskName diskSizeGb diskType enableConfidentialCompute guestOsFeatures labels"
            " licenses onUpdateAction provisionedIops provisionedThroughput replicaZones resourceManagerTags"
            " resourcePolicies sourceImage sourceImageEncryptionKey sourceSnapshot sourceSnapshotEncryptionKey"
            " storagePool"
        ),
    ),
    guestAccelerators=_keys("acceleratorCount acceleratorType"),
    scheduling=_keys(
        "automaticRestart availabilityDomain hostErrorTimeoutSeconds instanceTerminationAction"
        " localSsdRecoveryTimeout locationHint maxRunDuration minNodeCpus nodeAffinities onHostMaintenance"
        " onInstanceStopAction preemptible provisioningModel skipGuestOsShutdown terminationTime"
    ),
    serviceAccounts=_keys("email scopes"),
)


@cache
def _azure_node() -> Keys:
    """Parameters of the template that Ray deploys machines with, and the zone, which it takes out before."""
    import ray.autoscaler

    template = Path(ray.autoscaler.__file__).parent / "_private" / "_azure" / "azure-vm-template.json"
    parameters = json.loads(template.read_text(encoding="utf-8"))["parameters"]
    return _keys("tags", azure_arm_parameters=_keys(" ".join(("availability_zone", *parameters))))


def unknown_keys(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Find keys of `provider` and of every `node_config` that the provider does not know."""
    provider = config["provider"]["type"]
    yield from violations(config["provider"], _closed({**_EVERY_PROVIDER, **_PROVIDER[provider]}), "provider")
    if provider == "local":
        return
    node = {"aws": _AWS_NODE, "gcp": _GCP_NODE}.get(provider) or _azure_node()
    for name in mapping(config, "available_node_types"):
        path = ("available_node_types", name, "node_config")
        yield from violations(within(config, *path), _closed(node), *path)


def _closed(keys: Keys) -> dict[str, Any]:
    """Schema that refuses other keys, in a mapping or in a list of them."""
    mapping = {
        "properties": {key: {} if below is None else _closed(below) for key, below in keys.items()},
        "additionalProperties": False,
    }
    return {**mapping, "items": mapping}
