{{/* guard.yaml and what follows from it. All of these take one deployment's values. */}}

{{/* guard.yaml, as YAML: `config`, with the policies where they are mounted. */}}
{{- define "stream-guard.config" -}}
{{- $policies := .config.policies | default list -}}
{{- range reverse (.policiesFrom | default list) -}}
{{- $policies = prepend $policies (printf "policies-%s/" .) -}}
{{- end -}}
{{- if .policies -}}
{{- $policies = prepend $policies "policies/" -}}
{{- end -}}
{{- toYaml (set (omit .config "policies") "policies" $policies) -}}
{{- end }}

{{/* A duration of the configuration (a number, or a text like 1h30m) in seconds. */}}
{{- define "stream-guard.seconds" -}}
{{- $units := dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0 -}}
{{- $total := 0.0 -}}
{{- if not (kindIs "string" .) -}}
{{- $total = float64 . -}}
{{- else if regexMatch "^\\s*[0-9]+([.][0-9]+)?\\s*$" . -}}
{{- $total = float64 (trim .) -}}
{{- else -}}
{{- range regexFindAll "[0-9]+([.][0-9]+)?\\s*(ms|s|m|h|d)" . -1 -}}
{{- $total = addf $total (mulf (float64 (regexFind "^[0-9]+([.][0-9]+)?" .)) (get $units (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{- end -}}
{{- $total -}}
{{- end }}

{{/*
The shortest grace period, in seconds. A stop whose broker is away waits for `drain` twice (records under way, then outputs that are not
acknowledged), then for a question to the group's coordinator, the engine (10 s, then it is killed) and the last telemetry.
*/}}
{{- define "stream-guard.leastGrace" -}}
{{- $drain := include "stream-guard.seconds" (.config.drain | default 8) | float64 -}}
{{- add (ceil (mulf $drain 2.0) | int) 30 -}}
{{- end }}

{{- define "stream-guard.grace" -}}
{{- .terminationGracePeriodSeconds | default (include "stream-guard.leastGrace" .) | int -}}
{{- end }}

{{/* GPUs that the engine spans. */}}
{{- define "stream-guard.span" -}}
{{- $engine := .config.engine | default dict -}}
{{- $extra := $engine.extra | default dict -}}
{{- mul ($engine.tensor_parallel_size | default 1 | int) ($extra.pipeline_parallel_size | default 1 | int) ($extra.data_parallel_size | default 1 | int) -}}
{{- end }}

{{- define "stream-guard.gpus" -}}
{{- .gpu.count | default (include "stream-guard.span" .) | int -}}
{{- end }}

{{/* The topics that are read: of the routes, and what is escalated to this deployment. A YAML list; none where a pattern finds them. */}}
{{- define "stream-guard.inputs" -}}
{{- $topics := list -}}
{{- $patterns := false -}}
{{- range .config.routes -}}
{{- if ne (toString .subscribe) "false" -}}
{{- if .topic -}}{{- $topics = append $topics .topic -}}{{- else -}}{{- $patterns = true -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- with .config.escalation -}}{{- $topics = append $topics .topic -}}{{- end -}}
{{- with .config.redrive -}}{{- $topics = append $topics .topic -}}{{- end -}}
{{- toYaml (ternary list ($topics | uniq | sortAlpha) $patterns) -}}
{{- end }}

{{/*
A hash of all that a running service can't take over, for the pods' annotations: who changes a policy, or what a route says of its
records, restarts nothing. It follows stream_guard/editions/changes.py.
*/}}
{{- define "stream-guard.imprint" -}}
{{- $inputs := dict -}}
{{- $formats := list -}}
{{- $decoded := false -}}
{{- $contexts := dict -}}
{{- range .config.routes -}}
{{- $input := ternary (printf "topic %s" .topic) (printf "pattern %s" .pattern) (hasKey . "topic") -}}
{{- $seen := get $inputs $input | default (dict "read" false "written" list "bytes" list) -}}
{{- if ne (toString .subscribe) "false" -}}{{- $_ := set $seen "read" true -}}{{- end -}}
{{- range $output, $topic := .outputs -}}
{{- $_ := set $seen "written" (append $seen.written (printf "%s=%v" $output $topic) | uniq | sortAlpha) -}}
{{- end -}}
{{- with dig "escalate" "topic" "" . -}}
{{- $_ := set $seen "written" (append $seen.written (printf "escalations=%s" .) | uniq | sortAlpha) -}}
{{- end -}}
{{- with dig "limits" "record_bytes" "" . -}}
{{- $_ := set $seen "bytes" (append $seen.bytes (toString .) | uniq | sortAlpha) -}}
{{- end -}}
{{- $_ := set $inputs $input $seen -}}
{{- $read := .read | default dict -}}
{{- $format := $read.format | default "json" -}}
{{- $decoded = or $decoded (not (has $format (list "json" "text"))) -}}
{{- $formats = append $formats (list $input $format ($read.descriptors | default "") ($read.message | default "")) | uniq -}}
{{- if .context -}}{{- $_ := set $contexts .name .context -}}{{- end -}}
{{- end -}}
{{- $rest := omit .config "routes" "policies" -}}
{{- toJson (list $rest $inputs (ternary $formats list $decoded) $contexts .files .binaryFiles) | sha256sum -}}
{{- end }}
