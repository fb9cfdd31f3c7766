{{/* Names and labels. All of these take the root context. */}}

{{- define "stream-guard.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* The release's name, with the chart's unless it has that in it. 40 characters at most: names of deployments and parts follow. */}}
{{- define "stream-guard.fullname" -}}
{{- $name := include "stream-guard.name" . -}}
{{- $whole := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $whole | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* What selects all pods of the release. It never changes: selectors are immutable. */}}
{{- define "stream-guard.selectorLabels" -}}
app.kubernetes.io/name: {{ include "stream-guard.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "stream-guard.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "stream-guard.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: stream-guard
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "stream-guard.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "stream-guard.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end }}
