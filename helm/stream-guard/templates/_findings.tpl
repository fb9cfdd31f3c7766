{{/*
What is wrong with values that the schema takes: what two values mean together. All of it is told at once. A finding is a line that begins
with "- "; these templates write findings and nothing else.
*/}}

{{/* Fails where anything is wrong, of `{root, deployments}`. */}}
{{- define "stream-guard.refuse" -}}
{{- $findings := list -}}
{{- range $each := .deployments -}}
{{- $where := ternary "" (printf "deployments.%s: " $each.name) (empty $each.name) -}}
{{- range $part := list "image" "required" "secrets" "variables" "references" "engine" "model" "times" "scaling" "rollout" "telemetry" "network" -}}
{{- range $line := include (printf "stream-guard.findings.%s" $part) $each.values | splitList "\n" -}}
{{- if trim $line -}}
{{- $findings = append $findings (printf "- %s%s" $where (trim $line)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $line := include "stream-guard.findings.together" . | splitList "\n" -}}
{{- if trim $line -}}
{{- $findings = append $findings (printf "- %s" (trim $line)) -}}
{{- end -}}
{{- end -}}
{{- if $findings -}}
{{- fail (printf "\n\nThese values can't be installed:\n%s\n" ($findings | uniq | join "\n")) -}}
{{- end -}}
{{- end }}

{{- define "stream-guard.findings.image" }}
{{- if not .image.repository }}
image.repository: name the image that you built and pushed; there is no public one
{{- end }}
{{- if and (eq .image.tag "latest") (not .image.digest) }}
image.tag: latest is another image tomorrow, so that replicas would differ; name a version, or a digest
{{- end }}
{{- end }}

{{- define "stream-guard.findings.required" }}
{{- $kafka := .config.kafka | default dict }}
{{- if not $kafka.bootstrap_servers }}
config.kafka.bootstrap_servers: name some brokers, as in kafka-1:9093,kafka-2:9093
{{- end }}
{{- if not $kafka.start }}
config.kafka.start: say where a new group begins: earliest, latest or a time; there is no default
{{- end }}
{{- if not (dig "engine" "kind" "" .config) }}
config.engine.kind: say who judges: vllm (in the pod), openai (a server elsewhere) or scripted (no model, for a demo)
{{- end }}
{{- if not .config.routes }}
config.routes: say what is judged; docs/attach.md has an example for each kind of topic
{{- end }}
{{- if not (or .policies .policiesFrom .config.policies) }}
policies: nothing can be judged without a policy; docs/first-policy.md writes one
{{- end }}
{{- if and $kafka.instance_id (not .staticMembership) }}
config.kafka.instance_id: all replicas would have this one name, and one would end the other; set staticMembership, which gives each its own
{{- end }}
{{- if and $kafka.instance_id .staticMembership }}
config.kafka.instance_id: staticMembership gives each pod its own; leave it out
{{- end }}
{{- end }}

{{- define "stream-guard.findings.secrets" }}
{{- $reference := "^\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}$" }}
{{- range $section := list "client" "consumer" "producer" }}
{{- range $option, $value := dig "kafka" $section dict $.config }}
{{- $secret := and (regexMatch "password|passphrase|secret|key\\.pem$|token$|oauthbearer\\.config$" $option) (not (regexMatch "\\.(location|file)$" $option)) }}
{{- if and $secret (not (regexMatch $reference (toString $value))) }}
config.kafka.{{ $section }}.{{ $option }}: a secret would stand in a ConfigMap; mount it (secretFiles, and config.kafka.client_files), or write ${NAME} and name it under secretEnv
{{- end }}
{{- end }}
{{- end }}
{{- $registry := .config.schema_registry | default dict }}
{{- $engine := .config.engine | default dict }}
{{- $others := dict "schema_registry.password" $registry.password "schema_registry.token" $registry.token "schema_registry.key_password" $registry.key_password "engine.api_key" $engine.api_key "content_hash_key" .config.content_hash_key }}
{{- range $name, $value := $others }}
{{- if and $value (not (regexMatch $reference (toString $value))) }}
config.{{ $name }}: a secret would stand in a ConfigMap; write ${NAME} and name it under secretEnv
{{- end }}
{{- end }}
{{- range concat (.env | default list) (.model.init.env | default list) }}
{{- if and .value (regexMatch "(?i)(password|passphrase|secret|token|credentials?|api_?key|private_?key|headers)$" .name) }}
env {{ .name }}: a secret would stand in the manifest; bring it by secretEnv, or by valueFrom.secretKeyRef
{{- end }}
{{- end }}
{{- end }}

{{/* What a container would be told twice: of two variables of one name server-side apply takes neither. */}}
{{- define "stream-guard.findings.variables" }}
{{- $seen := dict }}
{{- range include "stream-guard.env" (dict "each" (dict "values" .)) | fromYamlArray }}{{ if kindIs "map" . }}
{{- if hasKey $seen .name }}
env {{ .name }}: is set already, by the chart, by secretEnv or by env; leave it out, or set the value that it comes of
{{- end }}
{{- $_ := set $seen .name true }}
{{- end }}{{ end }}
{{- $seen = dict "HOME" true "HF_HUB_OFFLINE" true }}
{{- range .model.init.env }}
{{- if hasKey $seen .name }}
model.init.env {{ .name }}: is set already, by the chart or in this list; leave it out
{{- end }}
{{- $_ := set $seen .name true }}
{{- end }}
{{- end }}

{{/* What the configuration names and the pod would lack. */}}
{{- define "stream-guard.findings.references" }}
{{- $set := concat (keys .secretEnv) (list "POD_NAME" "POD_NAMESPACE") }}
{{- range .env }}{{ $set = append $set .name }}{{ end }}
{{- if not .envFrom }}
{{- range regexFindAll "(^|[^$])\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}" (toYaml .config) -1 | uniq }}
{{- $name := regexFind "[A-Za-z_][A-Za-z0-9_]*" (regexFind "\\$.*$" .) }}
{{- if not (has $name $set) }}
config refers to ${{ "{" }}{{ $name }}}, which nothing sets: name it under secretEnv or env
{{- end }}
{{- end }}
{{- end }}
{{- $mounted := list }}
{{- range $name, $_ := .secretFiles }}{{ $mounted = append $mounted (printf "/run/secrets/%s/" $name) }}{{ end }}
{{- range .extraVolumeMounts }}{{ $mounted = append $mounted (printf "%s/" (trimSuffix "/" .mountPath)) }}{{ end }}
{{- $named := dict }}
{{- range $section := list "client" "client_files" "consumer" "producer" }}
{{- range $option, $path := dig "kafka" $section dict $.config }}
{{- $_ := set $named (printf "kafka.%s.%s" $section $option) (toString $path) }}
{{- end }}
{{- end }}
{{- range $key, $path := .config.schema_registry | default dict }}{{ $_ := set $named (printf "schema_registry.%s" $key) (toString $path) }}{{ end }}
{{- range $key, $path := $named }}
{{- if hasPrefix "/run/secrets/" $path }}
{{- $there := false }}
{{- range $mounted }}{{ $there = or $there (hasPrefix . $path) }}{{ end }}
{{- if not $there }}
config.{{ $key }}: nothing is mounted at {{ $path }}; name the secret under secretFiles.{{ index (splitList "/" $path) 3 }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "stream-guard.findings.engine" }}
{{- $kind := dig "engine" "kind" "" .config }}
{{- $span := include "stream-guard.span" . | int }}
{{- if and .gpu.enabled (has $kind (list "openai" "scripted")) }}
gpu.enabled: the engine {{ $kind }} computes nothing in the pod, and a GPU would idle there; set it to false
{{- end }}
{{- if and .gpu.enabled (eq $kind "vllm") (ne (include "stream-guard.gpus" . | int) $span) }}
gpu.count: {{ include "stream-guard.gpus" . }}, but the engine spans {{ $span }} (config.engine.tensor_parallel_size): leave it null, or set both
{{- end }}
{{- range $kind, $amounts := pick .resources "limits" "requests" }}
{{- range $resource, $amount := $amounts }}
{{- if or (eq $resource $.gpu.resource) (regexMatch "(?i)gpu" $resource) }}
resources.{{ $kind }}.{{ $resource }}: GPUs are asked for by gpu.count, which has to be a whole number: a fraction silently gets none
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "stream-guard.findings.model" }}
{{- $model := toString (dig "engine" "model" "" .config) }}
{{- if eq (dig "engine" "kind" "" .config) "vllm" }}
{{- if and (ne .model.from "image") (ne $model "small") (not (hasPrefix (printf "%s/" (trimSuffix "/" .model.mountPath)) $model)) }}
config.engine.model: {{ $model }} is not in {{ .model.mountPath }} (model.mountPath), where the model is brought
{{- end }}
{{- if and (ne $model "small") (not (hasPrefix "/" $model)) }}
config.engine.model: must be the absolute path of a folder in the pod, as in /models/gpt-oss-safeguard-20b
{{- end }}
{{- end }}
{{- if and (eq .model.from "pvc") (not .model.claim) }}
model.claim: name the claim that holds the model
{{- end }}
{{- if and (eq .model.from "init") (not (or .model.init.command .model.init.args)) }}
model.init: say how the model is brought: command, args or both
{{- end }}
{{- end }}

{{- define "stream-guard.findings.times" }}
{{- $least := include "stream-guard.leastGrace" . | int }}
{{- if and .terminationGracePeriodSeconds (lt (int .terminationGracePeriodSeconds) $least) }}
terminationGracePeriodSeconds: {{ int .terminationGracePeriodSeconds }} is less than {{ $least }}, twice the drain of {{ .config.drain | default "8s" }} and 30: pods would be killed while they drain, and what they had in hand is judged again
{{- end }}
{{- if and .rollout.progressDeadlineSeconds (le (int .rollout.progressDeadlineSeconds) (int .probes.startup.seconds)) }}
rollout.progressDeadlineSeconds: {{ int .rollout.progressDeadlineSeconds }} is no more than probes.startup.seconds ({{ int .probes.startup.seconds }}): a rollout would count as failed while the model loads
{{- end }}
{{- end }}

{{- define "stream-guard.findings.scaling" }}
{{- with .scaling }}
{{- if ne .by "fixed" }}
{{- if lt (int .maxReplicas) (int .minReplicas) }}
scaling.maxReplicas: {{ int .maxReplicas }} is less than scaling.minReplicas, {{ int .minReplicas }}
{{- end }}
{{- if and (eq (int .minReplicas) 0) (not (and (eq .by "keda") .keda.scaleToZero)) }}
scaling.minReplicas: 0 needs scaling.by: keda and scaling.keda.scaleToZero: true, which says what it costs
{{- end }}
{{- if not (or .recordsPerSecond (and (eq .by "hpa") .hpa.metrics)) }}
scaling.recordsPerSecond: say how many records one replica judges in a second; `stream-guard try` measures it
{{- end }}
{{- end }}
{{- $most := ternary (int .replicas) (int .maxReplicas) (eq .by "fixed") }}
{{- if and .partitions (gt $most (int .partitions)) }}
scaling.{{ ternary "replicas" "maxReplicas" (eq .by "fixed") }}: {{ $most }} replicas for {{ int .partitions }} partitions: {{ sub $most (int .partitions) }} would hold GPUs and read nothing
{{- end }}
{{- if and .keda.secrets .keda.authenticationRef }}
scaling.keda: either secrets or authenticationRef
{{- end }}
{{- end }}
{{- if and .pdb.enabled (not (kindIs "invalid" .pdb.maxUnavailable)) (not (kindIs "invalid" .pdb.minAvailable)) }}
pdb: either maxUnavailable or minAvailable; set the other one to null
{{- end }}
{{- end }}

{{- define "stream-guard.findings.rollout" }}
{{- if and (has (toString .rollout.maxSurge) (list "0" "0%")) (has (toString .rollout.maxUnavailable) (list "0" "0%")) }}
rollout: maxSurge and maxUnavailable are both 0, so that no pod could ever be replaced
{{- end }}
{{- end }}

{{- define "stream-guard.findings.telemetry" }}
{{- $telemetry := .config.telemetry | default dict }}
{{- if has (toString $telemetry.http_host) (list "127.0.0.1" "localhost" "::1") }}
config.telemetry.http_host: the kubelet can't reach {{ $telemetry.http_host }}, so that every probe would fail; use 0.0.0.0, or "::"
{{- end }}
{{- if or (kindIs "invalid" $telemetry.http_port) (eq (toString $telemetry.http_port) "0") }}
config.telemetry.http_port: probes need a port that is known; use 9464
{{- end }}
{{- if and .podMonitor.enabled .serviceMonitor.enabled }}
podMonitor and serviceMonitor: enable one of them, or everything is counted twice
{{- end }}
{{- if and .prometheusRule.enabled (not (or .podMonitor.enabled .serviceMonitor.enabled .prometheusRule.selector)) }}
prometheusRule: nothing scrapes these pods, so that no alert could fire but the one that says so: enable podMonitor or serviceMonitor, or name in prometheusRule.selector what your own scraping gives them
{{- end }}
{{- if and .config.state_dir (not (hasPrefix "/" .config.state_dir)) }}
config.state_dir: must be an absolute path: an emptyDir is mounted there
{{- end }}
{{- end }}

{{- define "stream-guard.findings.network" }}
{{- $servers := toString (dig "kafka" "bootstrap_servers" "" .config) }}
{{- if and .networkPolicy.enabled (contains "${" $servers) (not .networkPolicy.kafka.ports) }}
networkPolicy.kafka.ports: the brokers' ports can't be told from {{ $servers }}; name them
{{- end }}
{{- if .networkPolicy.enabled }}
{{- range $name, $urls := include "stream-guard.urls" . | fromYaml }}
{{- range $where, $url := ternary dict $urls (not (empty (get $.networkPolicy $name).ports)) }}
{{- range splitList "," $url }}
{{- if not (include "stream-guard.port" (trim .)) }}
networkPolicy.{{ $name }}.ports: the port can't be told from {{ trim . }} ({{ $where }}); name it
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* What deployments mean together; of `{root, deployments}`. */}}
{{- define "stream-guard.findings.together" }}
{{- $groups := dict }}
{{- range $each := .deployments }}
{{- $group := dig "kafka" "group" "stream-guard" $each.values.config }}
{{- with get $groups $group }}
deployments: {{ . }} and {{ $each.name }} have the consumer group {{ $group }}: Kafka would split partitions between them, and each would get records that only the other has routes for; give each a config.kafka.group of its own
{{- end }}
{{- $_ := set $groups $group $each.name }}
{{- end }}
{{- end }}
