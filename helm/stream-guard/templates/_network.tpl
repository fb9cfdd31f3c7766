{{/* Who may talk to whom. */}}

{{/* The port of a URL. */}}
{{- define "stream-guard.port" -}}
{{- $url := urlParse . -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (ternary "80" "443" (eq $url.scheme "http")) -}}
{{- end }}

{{/* The brokers' ports, as a YAML list; of one deployment's values. */}}
{{- define "stream-guard.kafkaPorts" -}}
{{- $ports := list -}}
{{- range splitList "," (toString .config.kafka.bootstrap_servers) -}}
{{- if not (contains "${" .) -}}
{{- $ports = append $ports (regexFind "[0-9]+$" (regexFind ":[0-9]+$" (trim .)) | default "9092" | int) -}}
{{- end -}}
{{- end -}}
{{- range .networkPolicy.kafka.ports -}}{{- $ports = append $ports (int .) -}}{{- end -}}
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
{{- $config := .config -}}
- ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
  {{- with $network.dns }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{ include "stream-guard.egress" (dict "to" $network.kafka.to "ports" (include "stream-guard.kafkaPorts" . | fromYamlArray)) }}
{{- with $config.schema_registry }}
{{- $ports := list }}
{{- range splitList "," .url }}{{ $ports = append $ports (include "stream-guard.port" (trim .)) }}{{ end }}
{{ include "stream-guard.egress" (dict "to" $network.registry.to "ports" (uniq $ports)) }}
{{- end }}
{{- with .otel.endpoint }}
{{ include "stream-guard.egress" (dict "to" $network.otlp.to "ports" (list (include "stream-guard.port" .))) }}
{{- end }}
{{- with dig "engine" "base_url" "" $config }}
{{ include "stream-guard.egress" (dict "to" $network.engine.to "ports" (list (include "stream-guard.port" .))) }}
{{- end }}
{{- with get (dig "kafka" "client" dict $config) "sasl.oauthbearer.token.endpoint.url" }}
{{ include "stream-guard.egress" (dict "to" $network.tokens.to "ports" (list (include "stream-guard.port" .))) }}
{{- end }}
{{- if eq .model.from "init" }}
{{ include "stream-guard.egress" (dict "to" $network.model.to "ports" (list 443)) }}
{{- end }}
{{- with $network.egress }}
{{ toYaml . }}
{{- end }}
{{- end }}
