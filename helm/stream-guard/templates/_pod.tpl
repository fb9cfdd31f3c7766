{{/* The pod, of `{root, each}`. */}}

{{- define "stream-guard.image" -}}
{{- $image := .each.values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{- define "stream-guard.pod" -}}
{{- $root := .root -}}
{{- $each := .each -}}
{{- $values := $each.values -}}
metadata:
  labels:
    # The chart's version is not among them: who upgrades the chart alone need not load the model again.
    {{- include "stream-guard.ownSelector" . | nindent 4 }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: stream-guard
    # Changes with what a running service can't take over. Policies, and what routes say of their records, are not in it.
    checksum/restart: {{ include "stream-guard.imprint" $values }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- include "stream-guard.identity" . | nindent 2 }}
  {{- with $values.schedulerName }}
  schedulerName: {{ . }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $values.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  # Twice the drain and more: docs/failures.md, "A broker".
  terminationGracePeriodSeconds: {{ include "stream-guard.grace" $values }}
  {{- with include "stream-guard.placement" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- if or $values.initContainers (eq $values.model.from "init") }}
  initContainers:
    {{- with $values.initContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- if eq $values.model.from "init" }}
    {{- include "stream-guard.modelContainer" . | nindent 4 }}
    {{- end }}
  {{- end }}
  containers:
    - name: stream-guard
      image: {{ include "stream-guard.image" . }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args: [run, --config, /etc/stream-guard/guard.yaml]
      securityContext:
        {{- toYaml $values.securityContext | nindent 8 }}
      env:
        {{- include "stream-guard.env" . | nindent 8 }}
      {{- with $values.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: http
          containerPort: {{ int $values.config.telemetry.http_port }}
          protocol: TCP
      {{- include "stream-guard.probes" $values | nindent 6 }}
      resources:
        {{- include "stream-guard.resources" $values | nindent 8 }}
      volumeMounts:
        {{- include "stream-guard.configMounts" $values | nindent 8 }}
        {{- with include "stream-guard.ownMounts" $values | trim }}
        {{- . | nindent 8 }}
        {{- end }}
    {{- with $values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "stream-guard.configVolumes" (dict "fullname" $each.fullname "values" $values) | nindent 4 }}
    {{- with include "stream-guard.ownVolumes" $values | trim }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* Who the pod is: no token of the API server, no variables about services. */}}
{{- define "stream-guard.identity" -}}
serviceAccountName: {{ include "stream-guard.serviceAccountName" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .each.values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .each.values.podSecurityContext | nindent 2 }}
{{- end }}

{{/* Where it may run. */}}
{{- define "stream-guard.placement" -}}
{{- $context := . -}}
{{- $values := .each.values -}}
{{- with $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  - {{ toYaml (omit . "labelSelector") | nindent 4 | trim }}
    labelSelector:
      {{- if .labelSelector }}
      {{- toYaml .labelSelector | nindent 6 }}
      {{- else }}
      matchLabels:
        {{- include "stream-guard.ownSelector" $context | nindent 8 }}
      {{- end }}
  {{- end }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat (ternary $values.gpu.tolerations list $values.gpu.enabled) $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The environment, also of the Job that attaches. */}}
{{- define "stream-guard.env" -}}
{{- $values := .each.values -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
{{- if $values.staticMembership }}
- name: STREAM_GUARD_KAFKA__INSTANCE_ID
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- end }}
# The root is read-only: what libraries cache goes here.
- name: HOME
  value: /var/cache/stream-guard
- name: XDG_CACHE_HOME
  value: /var/cache/stream-guard
- name: TORCHINDUCTOR_CACHE_DIR
  value: /var/cache/stream-guard/torchinductor
- name: TRITON_CACHE_DIR
  value: /var/cache/stream-guard/triton
# Nothing is fetched at run time, whatever a library would like.
- name: HF_HUB_OFFLINE
  value: "1"
{{- with $values.otel }}
{{- if .endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .endpoint | quote }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ .protocol | quote }}
- name: OTEL_TRACES_SAMPLER
  value: {{ .sampler | quote }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ .samplerArg | quote }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: k8s.namespace.name=$(POD_NAMESPACE),k8s.pod.name=$(POD_NAME),service.instance.id=$(POD_NAME)
  {{- range $name, $value := .resourceAttributes }},{{ $name }}={{ $value }}{{ end }}
{{- end }}
{{- end }}
{{- range $name, $from := $values.secretEnv }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef: {name: {{ $from.secret }}, key: {{ $from.key | quote }}}
{{- end }}
{{- with $values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What the container needs; GPUs as a limit, which Kubernetes takes for the request as well. So it does with a limit of the disk. */}}
{{- define "stream-guard.resources" -}}
{{- $resources := deepCopy .resources -}}
{{- if .gpu.enabled -}}
{{- $_ := set $resources "limits" (set ($resources.limits | default dict) .gpu.resource (include "stream-guard.gpus" . | int)) -}}
{{- end -}}
{{- if not (or (hasKey ($resources.requests | default dict) "ephemeral-storage") (hasKey ($resources.limits | default dict) "ephemeral-storage")) -}}
{{- $_ := set $resources "requests" (set ($resources.requests | default dict) "ephemeral-storage" (include "stream-guard.disk" .)) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end }}

{{- define "stream-guard.probes" -}}
{{- $kind := .config.engine.kind -}}
startupProbe:
  {{- if eq $kind "vllm" }}
  # Sized for a model that loads. Not /ready: with a registry or an engine that is away a pod is started, not ready, and to end it
  # would load the model again and again.
  httpGet: {path: /started, port: http}
  {{- else }}
  httpGet: {path: /live, port: http}
  {{- end }}
  periodSeconds: {{ int .probes.startup.periodSeconds }}
  timeoutSeconds: {{ int .probes.startup.timeoutSeconds }}
  failureThreshold: {{ divf .probes.startup.seconds .probes.startup.periodSeconds | ceil | int }}
livenessProbe:
  httpGet: {path: /live, port: http}
  {{- toYaml .probes.liveness | nindent 2 }}
readinessProbe:
  httpGet: {path: /ready, port: http}
  {{- toYaml .probes.readiness | nindent 2 }}
{{- end }}

{{/* The init container that brings the model. */}}
{{- define "stream-guard.modelContainer" -}}
{{- $values := .each.values -}}
{{- $init := $values.model.init -}}
- name: model
  image: {{ $init.image | default (include "stream-guard.image" .) }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  {{- with $init.command }}
  command:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $init.args }}
  args:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml $values.securityContext | nindent 4 }}
  env:
    - name: HOME
      value: /tmp
    # The service's image says 1: here the hub may be asked.
    - name: HF_HUB_OFFLINE
      value: "0"
    {{- with $init.env }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  resources:
    {{- toYaml $init.resources | nindent 4 }}
  volumeMounts:
    - name: model
      mountPath: {{ $values.model.mountPath }}
    - name: tmp
      mountPath: /tmp
{{- end }}
