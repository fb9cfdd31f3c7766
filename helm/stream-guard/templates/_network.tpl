{{/* Who may talk to whom. */}}

{{/*
The port of a URL; nothing where a `${NAME}` hides it: one that stands for all of the URL, or for its host without a port after it. By
patterns, for to a parser of URLs such a name is an error.
*/}}
{{- define "stream-guard.port" -}}
{{- $authority := regexReplaceAll "^[a-z]+://([^/?#]*).*$" . "$1" -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $authority) -}}
{{- if $port -}}
{{- $port -}}
{{- else if not (contains "${" $authority) -}}
{{- ternary "80" "443" (hasPrefix "http://" .) -}}
{{- end -}}
{{- end }}

{{/*
Who is asked by a URL, as a YAML map: the name under `networkPolicy` -> where its URLs stand -> URLs. Of one deployment's values. A
variable whose value is not here, of a secret say, is told as the name that stands for it.
*/}}
{{- define "stream-guard.urls" -}}
{{- $urls := dict "registry" dict "otlp" dict "engine" dict "tokens" dict -}}
{{- with .config.schema_registry -}}{{- $_ := set $urls.registry "config.schema_registry.url" (toString .url) -}}{{- end -}}
{{- with .otel.endpoint -}}{{- $_ := set $urls.otlp "otel.endpoint" . -}}{{- end -}}
{{- with dig "engine" "base_url" "" .config -}}{{- $_ := set $urls.engine "config.engine.base_url" . -}}{{- end -}}
{{- $endpoint := "sasl.oauthbearer.token.endpoint.url" -}}
{{- with get (dig "kafka" "client" dict .config) $endpoint -}}{{- $_ := set $urls.tokens (printf "config.kafka.client.%s" $endpoint) . -}}{{- end -}}
{{- range concat .env (keys .secretEnv | sortAlpha) -}}
{{- $variable := ternary (dict "name" .) . (kindIs "string" .) -}}
{{- if regexMatch "^OTEL_EXPORTER_OTLP_([A-Z]+_)?ENDPOINT$" $variable.name -}}
{{- $_ := set $urls.otlp (printf "env %s" $variable.name) ($variable.value | default (printf "${%s}" $variable.name)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $urls -}}
{{- end }}

{{/* The brokers' ports, as a YAML list; of one deployment's values. */}}
{{- define "stream-guard.kafkaPorts" -}}
{{- $ports := list -}}
{{- range splitList "," (toString .config.kafka.bootstrap_servers) -}}
{{- if not (contains "${" .) -}}
{{- $ports = append $ports (regexFind "[0-9]+$" (regexFind ":[0-9]+$" (trim .)) | default "9092" | int) -}}
{{- end -}}
{{- end -}}
{{- include "stream-guard.numbers" (concat $ports (.networkPolicy.kafka.ports | default list)) -}}
{{- end }}

{{/* The same ports, each once and in the same order whatever map they came from. */}}
{{- define "stream-guard.numbers" -}}
{{- $ports := list -}}
{{- range . -}}{{- $ports = append $ports (int . | toString) -}}{{- end -}}
{{- toYaml ($ports | uniq | sortAlpha) -}}
{{- end }}

{{/* One rule for what goes out, of `{to, ports}`. */}}
{{- define "stream-guard.egress" -}}
- ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ int . }}}
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* All rules for what goes out; of one deployment's values. */}}
{{- define "stream-guard.egressRules" -}}
{{- $network := .networkPolicy -}}
- ports:
    {{- range $network.dnsPorts }}
    - {protocol: UDP, port: {{ int . }}}
    - {protocol: TCP, port: {{ int . }}}
    {{- end }}
  {{- with $network.dns }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{ include "stream-guard.egress" (dict "to" $network.kafka.to "ports" (include "stream-guard.kafkaPorts" . | fromYamlArray)) }}
{{- range $name, $urls := include "stream-guard.urls" . | fromYaml }}
{{- if $urls }}
{{- $known := get $network $name }}
{{- $ports := $known.ports | default list }}
{{- range $url := values $urls }}
{{- range splitList "," $url }}{{ with include "stream-guard.port" (trim .) }}{{ $ports = append $ports . }}{{ end }}{{ end }}
{{- end }}
{{ include "stream-guard.egress" (dict "to" $known.to "ports" (include "stream-guard.numbers" $ports | fromYamlArray)) }}
{{- end }}
{{- end }}
{{- if eq .model.from "init" }}
{{ include "stream-guard.egress" (dict "to" $network.model.to "ports" (list 443)) }}
{{- end }}
{{- with $network.egress }}
{{ toYaml . }}
{{- end }}
{{- end }}
