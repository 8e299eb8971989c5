"""Holds what the chart rendered against rules, each a function whose name is the rule.

    chart.py OUT [flags of render]    OUT is what `render` wrote; prints how many objects held
    chart.py --same OUT               whether standard input (of `helm template`) is the same objects
"""

import base64
import re
import sys
from pathlib import Path

import yaml

CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "ClusterImagePolicy", "CustomResourceDefinition",
                "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"}


class Rendered:
    def __init__(self, out, flags):
        flag = lambda name, default: flags[flags.index(name) + 1] if name in flags else default
        load = lambda path: [doc for doc in yaml.safe_load_all(path.read_text()) if doc]
        self.out = Path(out)
        self.flags = flags
        self.namespace = flag("--namespace", "portreeve")
        self.version = tuple(int(part) for part in flag("--kube-version", "1.31.0").split(".")[:2])
        self.objects = load(self.out / "manifest.yaml")
        self.hooks = {path.stem: load(path) for path in sorted((self.out / "hooks").glob("*.yaml"))}
        self.crds = load(self.out / "crds.yaml")
        self.notes = (self.out / "NOTES.txt").read_text()

    def kind(self, *kinds):
        return [one for one in self.objects if one["kind"] in kinds]

    def one(self, *kinds):
        found = self.kind(*kinds)
        assert len(found) == 1, f"{len(found)} of {kinds}"
        return found[0]

    def everything(self):
        return self.objects + [one for hook in self.hooks.values() for one in hook]

    def workload(self):
        return self.one("Deployment", "StatefulSet")

    def pods(self):
        """Every pod template, with the object it is of."""
        for one in self.everything():
            if one["kind"] in ("Deployment", "StatefulSet", "Job"):
                yield one, one["spec"]["template"]
            if one["kind"] == "CronJob":
                yield one, one["spec"]["jobTemplate"]["spec"]["template"]

    def config(self):
        """The configuration of serve, and the files beside it."""
        data = self.one("ConfigMap")["data"]
        return yaml.safe_load(data["portreeve.yaml"]), data

    def gencerts(self):
        """The flags that gencerts is called with, as a map; None if it is not."""
        for one, pod in self.pods():
            words = pod["spec"]["containers"][0]["args"]
            if words[0] == "gencerts":
                return dict(word.removeprefix("--").split("=", 1) for word in words[1:])
        return None

    def webhooks(self):
        for one in self.kind("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
            yield one, one["webhooks"][0]


def names(one):
    return one["metadata"]["name"]


def objects_are_in_the_releases_namespace(r):
    narrowed = {"Role", "RoleBinding"}
    for one in r.everything():
        stated = one["metadata"].get("namespace")
        if one["kind"] in CLUSTER_WIDE:
            assert stated is None, f"{one['kind']} {names(one)} has a namespace"
        elif one["kind"] not in narrowed:
            assert stated == r.namespace, f"{one['kind']} {names(one)} is in {stated}"


def pods_run_with_no_rights_on_their_host(r):
    for one, pod in r.pods():
        spec, (container,) = pod["spec"], pod["spec"]["containers"]
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True, names(one)
        assert security.get("runAsUser") != 0, names(one)
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, names(one)
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]}}, names(one)
        for denied in ("hostPID", "hostIPC", "privileged"):
            assert denied not in spec and denied not in container, denied
        assert "memory" in container["resources"]["limits"], names(one)
        assert all("hostPath" not in volume for volume in spec.get("volumes", []))


def selectors_select_the_webhooks_pods(r):
    labels = r.workload()["spec"]["template"]["metadata"]["labels"]
    covers = lambda selector: selector and selector.items() <= labels.items()
    assert covers(r.workload()["spec"]["selector"]["matchLabels"])
    assert covers(r.one("Service")["spec"]["selector"])
    for kind, where in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        for one in r.kind(kind):
            assert covers(one["spec"][where]["matchLabels"]), kind
    for one in r.kind("ServiceMonitor"):
        selector = one["spec"]["selector"]["matchLabels"]
        assert selector.items() <= r.one("Service")["metadata"]["labels"].items()
    for one, pod in r.pods():
        if one is not r.workload():
            found = pod["metadata"]["labels"]
            assert not r.one("Service")["spec"]["selector"].items() <= found.items(), names(one)


def a_volume_is_mounted_and_a_mount_has_a_volume(r):
    spec = r.workload()["spec"]["template"]["spec"]
    claims = [one["metadata"]["name"] for one in r.workload()["spec"].get("volumeClaimTemplates", [])]
    volumes = sorted([volume["name"] for volume in spec["volumes"]] + claims)
    assert volumes == sorted(mount["name"] for mount in spec["containers"][0]["volumeMounts"])


def secrets_and_configuration_that_are_mounted_are_there(r):
    made = {names(one) for one in r.kind("Secret")} | {
        one["spec"]["secretName"] for one in r.kind("Certificate")}
    made |= {value for name, value in (r.gencerts() or {}).items() if name.endswith("secret")}
    supplied = {"mine", "portreeve-certs"} if "SkipSecretCreation=true" in r.flags else set()
    for volume in r.workload()["spec"]["template"]["spec"]["volumes"]:
        if "secret" in volume:
            assert volume["secret"]["secretName"] in made | supplied, volume
            assert volume["secret"]["defaultMode"] == 0o440, volume
        if "configMap" in volume:
            assert volume["configMap"]["name"] == names(r.one("ConfigMap"))


def files_that_the_configuration_names_are_mounted(r):
    config, beside = r.config()
    spec = r.workload()["spec"]["template"]["spec"]
    held = {"config": set(beside), "data": {""}}
    for volume in spec["volumes"]:
        if "secret" in volume:
            held[volume["name"]] = {item["path"] for item in volume["secret"]["items"]}
    mounts = {mount["mountPath"]: held[mount["name"]]
              for mount in spec["containers"][0]["volumeMounts"]}
    found = re.findall(r"/(?:etc|var)/[^\s\"',\]}]+", yaml.safe_dump(config))
    assert len(found) >= 3, found
    for path in found:
        parent, _, name = path.rpartition("/")
        assert path in mounts or name in mounts.get(parent, ()), f"{path} is not mounted"
    for name in beside:
        assert name == "portreeve.yaml" or f"/{name}" in yaml.safe_dump(config), f"{name} is not named"
        assert name == "portreeve.yaml" or beside[name].startswith("-----BEGIN"), name


def the_container_listens_where_it_is_asked(r):
    config, _ = r.config()
    (container,) = r.workload()["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports["https"] == int(config["listen"].rpartition(":")[2])
    assert ("metrics" in ports) == ("metricsListen" in config)
    served = {port["name"]: port["targetPort"] for port in r.one("Service")["spec"]["ports"]}
    assert served == {name: name for name in ports}, served
    for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"),
                        ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": "https", "scheme": "HTTPS"}
    for one in r.kind("NetworkPolicy"):
        opened = [port["port"] for rule in one["spec"]["ingress"] for port in rule["ports"]]
        assert opened == list(ports.values()), opened


def waiting_reviews_end_before_the_pod_is_killed(r):
    config, _ = r.config()
    grace = r.workload()["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace >= int(config["drainDelay"].removesuffix("s")) + 15


def replicas_survive_the_loss_of_a_host(r):
    spec = r.workload()["spec"]
    single = "replicaCount=1" in r.flags
    assert spec["replicas"] >= 2 or single
    if r.kind("Deployment"):
        rolling = spec["strategy"]["rollingUpdate"]
        assert rolling["maxUnavailable"] < spec["replicas"] or single
        assert rolling["maxUnavailable"] + rolling["maxSurge"] == 1
    pod = spec["template"]["spec"]
    assert pod["priorityClassName"]
    if "podAntiAffinity" in pod["affinity"]:
        terms = pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        keys = {term["podAffinityTerm"]["topologyKey"] for term in terms}
        assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        for term in terms:
            labels = term["podAffinityTerm"]["labelSelector"]["matchLabels"]
            assert labels.items() <= spec["template"]["metadata"]["labels"].items()
    for one in r.kind("PodDisruptionBudget"):
        least = one["spec"].get("minAvailable", spec["replicas"] - 1)
        assert least < spec["replicas"], "no node could be drained"


def a_replica_has_a_name_and_a_journal_of_its_own(r):
    (container,) = r.workload()["spec"]["template"]["spec"]["containers"]
    assert {"name": "HOSTNAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}} in container["env"]
    # A pod's name is the workload's with at most 17 more letters, and a node's name has 63.
    assert len(names(r.workload())) <= 46
    config, _ = r.config()
    sizes = {"Mi": 1 << 20, "Gi": 1 << 30}
    size = lambda text: int(text[:-2]) * sizes[text[-2:]]
    for volume in r.workload()["spec"]["template"]["spec"]["volumes"]:
        if "emptyDir" in volume:
            assert size(volume["emptyDir"]["sizeLimit"]) >= 2 * config["journalMaxBytes"]
    for claim in r.workload()["spec"].get("volumeClaimTemplates", []):
        assert size(claim["spec"]["resources"]["requests"]["storage"]) >= 2 * config["journalMaxBytes"]


def webhooks_are_asked_about_everything_that_runs_an_image(r):
    hooks = list(r.webhooks())
    if "webHooks.enabled=false" in r.flags:
        assert not hooks
        return
    assert len(hooks) == (1 if "webHooks.validate=false" in r.flags else 2)
    for one, hook in hooks:
        asked = {(group, resource) for rule in hook["rules"] for group in rule["apiGroups"]
                 for resource in rule["resources"]}
        for pair in (("", "pods"), ("", "pods/ephemeralcontainers"), ("", "replicationcontrollers"),
                     ("apps", "replicasets"), ("apps", "deployments"), ("apps", "statefulsets"),
                     ("apps", "daemonsets"), ("extensions", "deployments"),
                     ("extensions", "replicasets"), ("extensions", "daemonsets"),
                     ("batch", "jobs"), ("batch", "cronjobs")):
            assert pair in asked, f"{names(one)} is not asked about {pair}"
        for rule in hook["rules"]:
            assert rule["apiVersions"] == ["*"] and set(rule["operations"]) == {"CREATE", "UPDATE"}
        mutating = one["kind"] == "MutatingWebhookConfiguration"
        service = hook["clientConfig"]["service"]
        assert service["path"] == ("/admit" if mutating else "/validate")
        assert service["name"] == names(r.one("Service")) and service["namespace"] == r.namespace
        assert service["port"] == r.one("Service")["spec"]["ports"][0]["port"]
        assert hook["matchPolicy"] == "Equivalent" and hook["sideEffects"] == "NoneOnDryRun"
        assert hook["admissionReviewVersions"] == ["v1", "v1beta1"]
        assert hook.get("reinvocationPolicy") == ("IfNeeded" if mutating else None)
        wanted = "Ignore" if "webHooks.failurePolicy=Ignore" in r.flags else "Fail"
        assert hook["failurePolicy"] == wanted
        assert 2 <= hook["timeoutSeconds"] <= 30
        assert "objectSelector" not in hook, "a workload cannot skip itself"


def own_and_bootstrap_namespaces_are_not_asked_about(r):
    for one, hook in r.webhooks():
        rules = hook["namespaceSelector"]["matchExpressions"]
        own = [rule for rule in rules if rule["key"] == "kubernetes.io/metadata.name"]
        assert own and own[0]["operator"] == "NotIn"
        assert {r.namespace, "kube-system"} <= set(own[0]["values"])
        assert ("matchConditions" in hook) == (r.version >= (1, 28)), r.version
        label = "securityenforcement.admission.cloud.ibm.com/namespace"
        skip = [rule for rule in rules if rule["key"] == label]
        assert bool(skip) == ("everything" in str(r.out))
    assert (r.version < (1, 21)) == ("kubectl label namespace" in r.notes)


def an_authority_is_told_in_one_way(r):
    by_gencerts = "webhooks" in (r.gencerts() or {})
    for one, hook in r.webhooks():
        injected = "cert-manager.io/inject-ca-from" in one["metadata"].get("annotations", {})
        written = "caBundle" in hook["clientConfig"]
        assert by_gencerts + injected + written == 1, names(one)
        if written:
            assert base64.b64decode(hook["clientConfig"]["caBundle"]) == b"C"
    if by_gencerts:
        for one, hook in r.webhooks():
            assert names(one) == r.gencerts()["webhooks"]
        assert r.gencerts()["service"] == names(r.one("Service"))
        assert r.gencerts()["secret"] in str(r.workload())
    for one in r.kind("Certificate"):
        if one["spec"].get("isCA"):
            continue
        assert f"{names(r.one('Service'))}.{r.namespace}.svc" in one["spec"]["dnsNames"]


def versions_are_those_the_api_server_has(r):
    for one in r.kind("PodDisruptionBudget"):
        assert one["apiVersion"] == ("policy/v1" if r.version >= (1, 21) else "policy/v1beta1")
    for one in r.kind("CronJob"):
        assert one["apiVersion"] == ("batch/v1" if r.version >= (1, 21) else "batch/v1beta1")


def rights_are_named_one_by_one(r):
    for one in r.everything():
        for rule in one.get("rules") or []:
            assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"], names(one)
            assert not {"delete", "deletecollection", "escalate", "bind", "impersonate", "update"} \
                & set(rule["verbs"]), names(one)
    narrow = "everything" in str(r.out)
    for one in r.kind("ClusterRole"):
        secrets = [rule for rule in one["rules"] if "secrets" in rule["resources"]]
        assert bool(secrets) == (not narrow and names(one) == names(r.workload())), names(one)
    if narrow:
        at = {one["metadata"]["namespace"] for one in r.kind("Role") if names(one).endswith("-secrets")}
        assert at == {r.namespace, "shop", "pay"}, at


def bindings_bind_what_is_there(r):
    for group in [r.objects, *r.hooks.values()]:
        key = lambda one: (one["kind"], names(one), one["metadata"].get("namespace"))
        there = {key(one) for one in group}
        for one in group:
            if not one["kind"].endswith("RoleBinding"):
                continue
            role, namespace = one["roleRef"], one["metadata"].get("namespace")
            wanted = namespace if role["kind"] == "Role" else None
            assert (role["kind"], role["name"], wanted) in there, names(one)
            (subject,) = one["subjects"]
            account = ("ServiceAccount", subject["name"], subject["namespace"])
            assert account in there or "serviceAccount.create=false" in r.flags, account


def hooks_leave_nothing_behind(r):
    for event, group in r.hooks.items():
        assert event in ("pre-install", "pre-upgrade", "post-install", "post-upgrade"), event
        for one in group:
            policy = one["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
            assert set(policy.split(",")) == {"before-hook-creation", "hook-succeeded"}, names(one)
        kinds = [one["kind"] for one in group]
        assert kinds[-1] == "Job" and "ServiceAccount" in kinds, kinds


def the_notes_name_what_is_left(r):
    left = [value for name, value in (r.gencerts() or {}).items() if name.endswith("secret")]
    left += [one["spec"]["secretName"] for one in r.kind("Certificate")]
    for secret in left:
        assert f"secret/{secret} in {r.namespace}" in r.notes, f"{secret} is not in the notes"
    if r.kind("StatefulSet"):
        assert f"data-{names(r.workload())}-N" in r.notes
    for crd in r.crds:
        group, plural = crd["spec"]["group"], crd["spec"]["names"]["plural"]
        assert group in r.notes and plural in r.notes, names(crd)
    assert ("no policy" in r.notes) == (not r.kind("ClusterImagePolicy"))
    assert "<no value>" not in r.notes


def objects_of_the_release_have_its_labels(r):
    for one in r.everything():
        labels = one["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "Helm", names(one)
        assert labels["app.kubernetes.io/instance"] in ("portreeve", "shop"), names(one)


RULES = [rule for name, rule in list(globals().items())
         if callable(rule) and getattr(rule, "__code__", None) and rule.__code__.co_varnames[:1] == ("r",)]


def main():
    if sys.argv[1] == "--same":
        rendered = Rendered(sys.argv[2], [])
        ours = {(one["kind"], names(one), one["metadata"].get("namespace")): one
                for one in rendered.everything()}
        theirs = {(one["kind"], names(one), one["metadata"].get("namespace")): one
                  for one in yaml.safe_load_all(sys.stdin) if one}
        differ = sorted(str(key) for key in ours.keys() | theirs.keys()
                        if ours.get(key) != theirs.get(key))
        if differ:
            sys.exit("differ: " + ", ".join(differ))
        return
    rendered = Rendered(sys.argv[1], sys.argv[2:])
    broken = []
    for rule in RULES:
        try:
            rule(rendered)
        except (AssertionError, KeyError, ValueError, TypeError, IndexError) as error:
            broken.append(f"{rule.__name__}: {type(error).__name__} {error}")
    if broken:
        sys.exit("\n        ".join(broken))
    print(f"{len(rendered.everything())} objects hold {len(RULES)} rules")


main()
