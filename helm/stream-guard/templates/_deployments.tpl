{{/*
The deployments, as a YAML list of `{name, fullname, component, values}`, in the order of their names; the values are whole: what a
deployment sets itself is laid over what all have. Every template begins here, so that wrong values are told before anything else fails.
*/}}
{{- define "stream-guard.deployments" -}}
{{- $root := . -}}
{{- $fullname := include "stream-guard.fullname" . -}}
{{- $found := list -}}
{{- range $name := keys .Values.deployments | sortAlpha -}}
{{- $values := omit $root.Values "deployments" | toYaml | fromYaml -}}
{{- $over := get $root.Values.deployments $name | default dict | toYaml | fromYaml -}}
{{- include "stream-guard.layOver" (dict "base" $values "over" $over) -}}
{{- $found = append $found (dict "name" $name "fullname" (printf "%s-%s" $fullname $name) "component" $name "values" $values) -}}
{{- end -}}
{{- if not .Values.deployments -}}
{{- $values := omit $root.Values "deployments" | toYaml | fromYaml -}}
{{- $found = list (dict "name" "" "fullname" $fullname "component" "guard" "values" $values) -}}
{{- end -}}
{{- include "stream-guard.refuse" (dict "root" $root "deployments" $found) -}}
{{- toYaml $found -}}
{{- end }}

{{/*
Lays `over` over `base`, in place: maps are merged, all else is replaced. An engine of another kind replaces the
other whole, for no two kinds have the same settings. (Sprig's mergeOverwrite passes over false, 0 and empty lists.)
*/}}
{{- define "stream-guard.layOver" -}}
{{- range $key, $over := .over -}}
{{- $base := get $.base $key -}}
{{- $merged := and (kindIs "map" $over) (kindIs "map" $base) -}}
{{- if and $merged (eq $key "engine") -}}
{{- $merged = or (not (hasKey $over "kind")) (eq (toString $over.kind) (toString $base.kind)) -}}
{{- end -}}
{{- if $merged -}}
{{- include "stream-guard.layOver" (dict "base" $base "over" $over) -}}
{{- else -}}
{{- $_ := set $.base $key $over -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Labels of one deployment's objects, of `{root, each}`. */}}
{{- define "stream-guard.ownLabels" -}}
{{ include "stream-guard.labels" .root }}
app.kubernetes.io/component: {{ .each.component }}
{{- end }}

{{/* What selects one deployment's pods, of `{root, each}`. */}}
{{- define "stream-guard.ownSelector" -}}
{{ include "stream-guard.selectorLabels" .root }}
app.kubernetes.io/component: {{ .each.component }}
{{- end }}
