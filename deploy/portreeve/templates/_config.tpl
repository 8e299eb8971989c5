{{/* The file of `portreeve serve --config`, and the files it names, as data of a ConfigMap. */}}

{{- define "portreeve.config" -}}
{{- $made := dict
  "listen" (printf "%s:%d" (include "portreeve.listenHost" .) (int .Values.service.targetPort))
  "tlsCert" "/etc/portreeve/tls/tls.crt"
  "tlsKey" "/etc/portreeve/tls/tls.key"
  "dataDir" "/var/lib/portreeve"
  "operatorNamespace" .Release.Namespace
  "drainDelay" (printf "%ds" (int .Values.drainDelaySeconds))
  "durability" .Values.journal.durability
  "journalMaxBytes" (int64 .Values.journal.maxBytes)
  "log" .Values.logFormat
  "logLevel" .Values.logLevel
-}}
{{- $files := dict -}}
{{- if .Values.service.metricsPort -}}
{{- $_ := set $made "metricsListen" (printf "%s:%d" (include "portreeve.listenHost" .) (int .Values.service.metricsPort)) -}}
{{- end -}}
{{- if .Values.sealKey.enabled -}}
{{- $_ := set $made "sealKey" "/etc/portreeve/seal/seal.key" -}}
{{- end -}}
{{- with .Values.journal.maxAge -}}
{{- $_ := set $made "journalMaxAge" . -}}
{{- end -}}
{{- with .Values.journal.minFree -}}
{{- $_ := set $made "journalMinFree" (int64 .) -}}
{{- end -}}
{{- with .Values.apiServerClientCA -}}
{{- $_ := set $files "client-ca.pem" (include "portreeve.pem" .) -}}
{{- $_ := set $made "clientCa" "/etc/portreeve/config/client-ca.pem" -}}
{{- end -}}
{{- with .Values.trustCA -}}
{{- $_ := set $files "trust-ca.pem" (include "portreeve.pem" .) -}}
{{- $_ := set $made "trustCa" (list "/etc/portreeve/config/trust-ca.pem") -}}
{{- end -}}
{{- if .Values.trustServerCAs -}}
{{- $hosts := dict -}}
{{- range $index, $host := keys .Values.trustServerCAs | sortAlpha -}}
{{- $file := printf "trust-server-ca-%d.pem" $index -}}
{{- $_ := set $files $file (include "portreeve.pem" (index $.Values.trustServerCAs $host)) -}}
{{- $_ := set $hosts $host (list (printf "/etc/portreeve/config/%s" $file)) -}}
{{- end -}}
{{- $_ := set $made "trustServerCAs" $hosts -}}
{{- end -}}
{{- if .Values.pinCAs -}}
{{- $prefixes := dict -}}
{{- range $index, $prefix := keys .Values.pinCAs | sortAlpha -}}
{{- $file := printf "pin-ca-%d.pem" $index -}}
{{- $_ := set $files $file (include "portreeve.pem" (index $.Values.pinCAs $prefix)) -}}
{{- $_ := set $prefixes $prefix (printf "/etc/portreeve/config/%s" $file) -}}
{{- end -}}
{{- $_ := set $made "pinCAs" $prefixes -}}
{{- end -}}
{{- with .Values.bundle -}}
{{- if and .url .configMap -}}
{{- fail "bundle: name url or configMap, not both" -}}
{{- end -}}
{{- if or .url .configMap -}}
{{- $_ := set $files "bundle-root.json" (required "bundle.root: the root.json from which the trust bundle is verified" .root | include "portreeve.pem") -}}
{{- $_ := set $made "bundle" (.url | default "/etc/portreeve/bundle") -}}
{{- $_ := set $made "bundleRoot" "/etc/portreeve/config/bundle-root.json" -}}
{{- $_ := set $made "bundleExpired" .expired -}}
{{- $_ := set $made "bundleRefresh" .refresh -}}
{{- with .ca -}}
{{- $_ := set $files "bundle-ca.pem" (include "portreeve.pem" .) -}}
{{- $_ := set $made "bundleCA" (list "/etc/portreeve/config/bundle-ca.pem") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $key, $value := .Values.config -}}
{{- if hasKey $made $key -}}
{{- fail (printf "config.%s is made by the chart; see values.yaml for the value it comes from" $key) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $files "portreeve.yaml" (printf "%s\n" (toYaml (merge (deepCopy .Values.config) $made))) -}}
{{- toYaml $files -}}
{{- end -}}

{{- define "portreeve.listenHost" -}}
{{- if contains ":" .Values.service.listenAddress -}}
[{{ .Values.service.listenAddress }}]
{{- else -}}
{{ .Values.service.listenAddress }}
{{- end -}}
{{- end -}}
