{{/* Volumes and where they are mounted. ConfigMaps and secrets as whole directories: what is mounted by subPath never changes. */}}

{{/* What the configuration is made of, also for the Job that attaches; of one deployment's values. */}}
{{- define "stream-guard.configMounts" -}}
- name: config
  mountPath: /etc/stream-guard
  readOnly: true
{{- if .policies }}
- name: policies
  mountPath: /etc/stream-guard/policies
  readOnly: true
{{- end }}
{{- range .policiesFrom }}
- name: policies-{{ . }}
  mountPath: /etc/stream-guard/policies-{{ . }}
  readOnly: true
{{- end }}
{{- if or .files .binaryFiles }}
- name: files
  mountPath: /etc/stream-guard/files
  readOnly: true
{{- end }}
{{- range $name, $_ := .secretFiles }}
- name: secret-{{ $name }}
  mountPath: /run/secrets/{{ $name }}
  readOnly: true
{{- end }}
- name: tmp
  mountPath: /tmp
- name: cache
  mountPath: /var/cache/stream-guard
{{- with .extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The volumes of these, of `{fullname, values}`. */}}
{{- define "stream-guard.configVolumes" -}}
{{- $fullname := .fullname -}}
{{- with .values -}}
- name: config
  configMap: {name: {{ $fullname }}-config}
{{- if .policies }}
- name: policies
  configMap: {name: {{ $fullname }}-policies}
{{- end }}
{{- range .policiesFrom }}
- name: policies-{{ . }}
  configMap: {name: {{ . }}}
{{- end }}
{{- if or .files .binaryFiles }}
- name: files
  configMap: {name: {{ $fullname }}-files}
{{- end }}
{{- range $name, $from := .secretFiles }}
- name: secret-{{ $name }}
  secret:
    secretName: {{ $from.secret }}
    # For the group alone, which is fsGroup.
    defaultMode: 288 # 0440
    {{- with $from.items }}
    items:
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end }}
- name: tmp
  emptyDir: {sizeLimit: {{ .emptyDirs.tmp }}}
- name: cache
  emptyDir: {sizeLimit: {{ .emptyDirs.cache }}}
{{- with .extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
{{- end }}

{{/*
What the emptyDirs of the pod may take of the node's disk, all together; of one deployment's values. What is in memory takes none, and
what others mount (extraVolumes) is theirs to count.
*/}}
{{- define "stream-guard.disk" -}}
{{- $sizes := list .emptyDirs.tmp .emptyDirs.cache -}}
{{- if .config.state_dir -}}{{- $sizes = append $sizes .emptyDirs.state -}}{{- end -}}
{{- if and (eq .model.from "init") (not .model.claim) -}}{{- $sizes = append $sizes .model.sizeLimit -}}{{- end -}}
{{- $units := dict "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $total := 0 -}}
{{- range $sizes -}}
{{- $total = add $total (mul (regexFind "^[0-9]+" . | int64) (get $units (regexFind "[A-Za-z]+$" .))) -}}
{{- end -}}
{{- $found := toString $total -}}
{{- range $unit := list "Ki" "Mi" "Gi" -}}
{{- if eq (mod $total (get $units $unit)) 0 -}}{{- $found = printf "%d%s" (div $total (get $units $unit)) $unit -}}{{- end -}}
{{- end -}}
{{- $found -}}
{{- end }}

{{/* Whether there is a /dev/shm in memory. Text "true", or nothing. */}}
{{- define "stream-guard.shm" -}}
{{- if ternary (gt (include "stream-guard.span" . | int) 1) .sharedMemory.enabled (kindIs "invalid" .sharedMemory.enabled) -}}true{{- end -}}
{{- end }}

{{/* What the service alone has besides; of one deployment's values. */}}
{{- define "stream-guard.ownMounts" -}}
{{- with .config.state_dir }}
- name: state
  mountPath: {{ . }}
{{- end }}
{{- if ne .model.from "image" }}
- name: model
  mountPath: {{ .model.mountPath }}
  readOnly: true
{{- end }}
{{- if include "stream-guard.shm" . }}
- name: shm
  mountPath: /dev/shm
{{- end }}
{{- end }}

{{- define "stream-guard.ownVolumes" -}}
{{- if .config.state_dir }}
- name: state
  emptyDir: {sizeLimit: {{ .emptyDirs.state }}}
{{- end }}
{{- if ne .model.from "image" }}
- name: model
  {{- if .model.claim }}
  persistentVolumeClaim: {claimName: {{ .model.claim }}, readOnly: {{ eq .model.from "pvc" }}}
  {{- else }}
  emptyDir: {sizeLimit: {{ .model.sizeLimit }}}
  {{- end }}
{{- end }}
{{- if include "stream-guard.shm" . }}
- name: shm
  emptyDir: {medium: Memory, sizeLimit: {{ .sharedMemory.sizeLimit }}}
{{- end }}
{{- end }}
