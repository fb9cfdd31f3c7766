"""A real Kubernetes on 127.0.0.1, without root and without containers: etcd, API server, controllers, scheduler, and nodes on paper.

    with ControlPlane(kubernetes_tools, tmp_path) as cluster:
        cluster.start_nodes()
        cluster.kubectl("get", "nodes")

The nodes are kwok's: their pods become ready at once and run nothing.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.certificates import Authority
from tests.kubernetes import tools
from tests.kubernetes.processes import Processes
from tests.ports import free_ports

_STAGES = Path(__file__).parent / "stages.yaml"
_SERVICES = "10.96.0.0/16"
_HOSTS = ("127.0.0.1", "localhost", "10.96.0.1", "kubernetes.default.svc")
_START_S = 90.0
_KUBECTL_S = 60.0
_PAUSE_S = 0.2


class Refused(RuntimeError):
    """The API server or kubectl said no; the message is theirs."""


class ControlPlane:
    """The programs, who may call them, and the tests' own hands on the API."""

    def __init__(
        self, programs: Path, folder: Path, prefix: Sequence[str] = (), controllers: Sequence[str] = ()
    ) -> None:
        """Makes the credentials. `prefix` stands before every program, `controllers` are more options of the controller manager."""
        self.programs = programs
        self.folder = folder
        self.authority = Authority(folder / "pki")
        self.processes = Processes(folder / "logs", prefix)
        self._prefix = prefix
        self._controllers = controllers
        self._etcd, self._peer, self.port = free_ports(3)
        self._token = secrets.token_hex(16)
        self._tls = ssl.create_default_context(cafile=str(self.authority.pem))
        self._connections: dict[int, http.client.HTTPSConnection] = {}
        self.kubeconfig = _private(folder / "kubeconfig", json.dumps(self._access()))

    @property
    def version(self) -> str:
        """Of Kubernetes, such as `1.37.2`."""
        return tools.version("k8s.io/kubernetes")

    def __enter__(self) -> Self:
        """Starts all but the nodes; returns when namespaces are populated. Raises Died or TimeoutError."""
        try:
            self._start_etcd()
            self._start_api_server()
            self.wait(lambda: self.get("/readyz") == "ok", "the API server is not ready")
            self._start_controllers()
            self.wait(lambda: self.get("/api/v1/namespaces/default/serviceaccounts/default"), "no controller works")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends everything. The logs stay."""
        self.stop()

    def stop(self) -> None:
        """Ends all programs, and drops what they stored."""
        for connection in self._connections.values():
            connection.close()
        self.processes.end()
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)

    def start_nodes(self) -> None:
        """Starts kwok, the kubelet of every node that is annotated `kwok.x-k8s.io/node: fake`."""
        self.processes.start(
            "kwok", self.programs / "kwok", "--config", _STAGES, "--kubeconfig", self.kubeconfig,
            "--manage-nodes-with-annotation-selector", "kwok.x-k8s.io/node=fake", "--node-lease-duration-seconds", "40",
        )  # fmt: skip

    def add_nodes(self, *nodes: Mapping[str, Any]) -> None:
        """Adds nodes on paper, and waits until they are ready."""
        for node in nodes:
            self.create("/api/v1/nodes", node)
        names = [node["metadata"]["name"] for node in nodes]
        self.wait(lambda: all(map(self._is_ready, names)), f"not all of {names} are ready")

    def kubectl(self, *arguments: str | Path, manifest: str | None = None) -> str:
        """What kubectl prints; `manifest` is what it reads with `-f -`. Raises Refused."""
        command = [*self._prefix, self.programs / "kubebox", "kubectl", "--kubeconfig", self.kubeconfig, *arguments]
        done = subprocess.run(command, input=manifest, capture_output=True, text=True, timeout=_KUBECTL_S, check=False)
        if done.returncode:
            raise Refused(done.stderr.strip())
        return done.stdout

    def apply(self, *files: Path) -> None:
        """Applies manifests, in the way that names fields which don't exist."""
        self.kubectl("apply", "--server-side", "--validate=strict", *(part for file in files for part in ("-f", file)))

    def get(self, path: str, accept: str = "application/json") -> Any:
        """What the API server answers: parsed where it is JSON, None where there is no such thing. Raises Refused."""
        status, body = self._call_there(path) if self._prefix else self._call("GET", path, accept=accept)
        if status == http.client.NOT_FOUND:
            return None
        if status != http.client.OK:
            raise Refused(f"{path}: {status} {body[:500]}")
        return json.loads(body) if body.startswith("{") else body

    def create(self, path: str, manifest: object) -> None:
        """Posts one object to its collection. Raises Refused."""
        status, body = self._call("POST", path, json.dumps(manifest))
        if status != http.client.CREATED:
            raise Refused(f"{path}: {status} {body[:500]}")

    def delete(self, path: str) -> None:
        """Deletes one object, or all of a collection. Raises Refused."""
        status, body = self._call("DELETE", path)
        if status not in {http.client.OK, http.client.ACCEPTED, http.client.NOT_FOUND}:
            raise Refused(f"{path}: {status} {body[:500]}")

    def wait(self, condition: Callable[[], Any], otherwise: str, seconds: float = _START_S) -> None:
        """Returns once it holds. Raises TimeoutError, or Died where a program ended meanwhile."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException, Refused):  # not listening yet, or not ready
                if condition():
                    return
            self.processes.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{otherwise} after {seconds:.0f} s; logs in {self.folder / 'logs'}")
            time.sleep(_PAUSE_S)

    def _is_ready(self, node: str) -> bool:
        """Ready, and free of the taint that the controllers put on a new node."""
        found = self.get(f"/api/v1/nodes/{node}")
        taints = {taint["key"] for taint in found["spec"].get("taints", ())}
        conditions = {each["type"]: each["status"] for each in found["status"].get("conditions", ())}
        return conditions.get("Ready") == "True" and "node.kubernetes.io/not-ready" not in taints

    def _call(self, method: str, path: str, body: str = "", accept: str = "application/json") -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json", "Accept": accept}
        while True:
            try:
                status, text = self._ask(method, path, body, headers)
            except (OSError, http.client.HTTPException):  # the server closes what was idle for a while
                status, text = self._ask(method, path, body, headers)
            if status != http.client.TOO_MANY_REQUESTS:
                return status, text
            time.sleep(_PAUSE_S)  # it is busy, or just learns of new kinds; every client is to come back

    def _ask(self, method: str, path: str, body: str, headers: Mapping[str, str]) -> tuple[int, str]:
        connection = self._connection()
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        except BaseException:
            connection.close()  # the next request opens it anew
            raise

    def _connection(self) -> http.client.HTTPSConnection:
        """One for each thread: a new one for each request would cost both sides more than the request."""
        return self._connections.setdefault(
            threading.get_ident(),
            http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=self._tls),
        )

    def _call_there(self, path: str) -> tuple[int, str]:
        """The same for an API server in a network namespace that this process is not in."""
        try:
            return http.client.OK, self.kubectl("get", "--raw", path)
        except Refused as refusal:
            if "NotFound" in str(refusal):
                return http.client.NOT_FOUND, ""
            raise

    def _start_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self._etcd}", f"http://127.0.0.1:{self._peer}"
        self._start(
            "etcd", data_dir=self.folder / "etcd", unsafe_no_fsync="true", log_level="warn",
            listen_client_urls=client, advertise_client_urls=client, listen_peer_urls=peer,
            initial_advertise_peer_urls=peer, initial_cluster=f"default={peer}",
        )  # fmt: skip

    def _start_api_server(self) -> None:
        server, proxy, kubelet = (
            self.authority.issue(name, hosts=hosts)
            for name, hosts in (("kube-apiserver", _HOSTS), ("front-proxy-client", ()), ("kubelet-client", ()))
        )
        tokens = _private(self.folder / "pki" / "tokens.csv", f'{self._token},admin,admin,"system:masters"\n')
        self._start(
            "kube-apiserver", etcd_servers=f"http://127.0.0.1:{self._etcd}", bind_address="127.0.0.1",
            secure_port=self.port, advertise_address="127.0.0.1", endpoint_reconciler_type="none",
            tls_cert_file=server.pem, tls_private_key_file=server.key, client_ca_file=self.authority.pem,
            token_auth_file=tokens, authorization_mode="Node,RBAC", service_cluster_ip_range=_SERVICES,
            service_account_issuer="https://kubernetes.default.svc", service_account_key_file=server.pem,
            service_account_signing_key_file=server.key, allow_privileged="true",
            # A server that extends the API, such as KEDA's, trusts who comes with this certificate.
            requestheader_client_ca_file=self.authority.pem, requestheader_allowed_names="front-proxy-client",
            requestheader_username_headers="X-Remote-User", requestheader_group_headers="X-Remote-Group",
            requestheader_extra_headers_prefix="X-Remote-Extra-",
            proxy_client_cert_file=proxy.pem, proxy_client_key_file=proxy.key,
            # A real kubelet, where a test starts one, is asked for logs with this one.
            kubelet_client_certificate=kubelet.pem, kubelet_client_key=kubelet.key,
            kubelet_preferred_address_types="InternalIP",
        )  # fmt: skip
        self._signing_key = server.key

    def _start_controllers(self) -> None:
        self._start(
            "kube-controller-manager", *self._controllers, kubeconfig=self.kubeconfig, leader_elect="false",
            secure_port=0, service_account_private_key_file=self._signing_key, root_ca_file=self.authority.pem,
            # Many releases come and go at once here; by default it asks 20 times a second at most.
            kube_api_qps=200, kube_api_burst=400,
            # How soon a node that is ready is free of the taint that it began with.
            node_monitor_period="1s",
        )  # fmt: skip
        self._start("kube-scheduler", kubeconfig=self.kubeconfig, leader_elect="false", secure_port=0)

    def _start(self, program: str, *more: str, **options: object) -> None:
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.processes.start(program, self.programs / "kubebox", program, *flags, *more)

    def _access(self) -> dict[str, Any]:
        server = {"server": f"https://127.0.0.1:{self.port}", "certificate-authority": str(self.authority.pem)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "local", "cluster": server}],
            "users": [{"name": "admin", "user": {"token": self._token}}],
            "contexts": [{"name": "local", "context": {"cluster": "local", "user": "admin"}}],
            "current-context": "local",
        }


def _private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path
