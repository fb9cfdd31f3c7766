{{/* What scaling by KEDA and by an HPA share. */}}

{{- define "stream-guard.scaleTarget" -}}
apiVersion: apps/v1
kind: {{ ternary "StatefulSet" "Deployment" .values.staticMembership }}
name: {{ .fullname }}
{{- end }}

{{/* Records that may wait for each replica; of `scaling`. */}}
{{- define "stream-guard.lagThreshold" -}}
{{- max 1 (mulf .recordsPerSecond .backlogSeconds | ceil | int) -}}
{{- end }}
