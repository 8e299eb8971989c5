{{/* Names, labels and what more than one template needs to know. */}}

{{- define "portreeve.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough that a pod's name is a node's name for Portreeve, which has at most 63 letters. */}}
{{- define "portreeve.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "portreeve.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "portreeve.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "portreeve.selector" -}}
app.kubernetes.io/name: {{ include "portreeve.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: webhook
{{- end -}}

{{- define "portreeve.labels" -}}
app.kubernetes.io/name: {{ include "portreeve.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "portreeve.image" -}}
{{- $image := printf "%s/%s" (.Values.image.host | trimSuffix "/") .Values.image.image | trimPrefix "/" -}}
{{- $tagged := printf "%s:%s" $image (.Values.image.tag | default .Chart.AppVersion) -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $tagged .Values.image.digest -}}
{{- else -}}
{{- $tagged -}}
{{- end -}}
{{- end -}}

{{- define "portreeve.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "portreeve.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "portreeve.tlsSecret" -}}
{{- .Values.tlsSecretName | default (printf "%s-certs" (include "portreeve.fullname" .)) -}}
{{- end -}}

{{- define "portreeve.sealSecret" -}}
{{- .Values.sealKey.secretName | default (printf "%s-seal" (include "portreeve.fullname" .)) -}}
{{- end -}}

{{/* Which of the four ways the certificate comes: gencerts, cert-manager, values or supplied. */}}
{{- define "portreeve.certificates" -}}
{{- $ways := list -}}
{{- if .Values.UseCertManager }}{{ $ways = append $ways "cert-manager" }}{{ end -}}
{{- if .Values.UseGeneratedCerts.enabled }}{{ $ways = append $ways "values" }}{{ end -}}
{{- if .Values.SkipSecretCreation }}{{ $ways = append $ways "supplied" }}{{ end -}}
{{- if gt (len $ways) 1 -}}
{{- fail "set one of UseCertManager, UseGeneratedCerts.enabled and SkipSecretCreation" -}}
{{- else if $ways -}}
{{- first $ways -}}
{{- else if .Values.gencerts.enabled -}}
gencerts
{{- else -}}
{{- fail "with gencerts.enabled false, set UseCertManager, UseGeneratedCerts.enabled or SkipSecretCreation" -}}
{{- end -}}
{{- end -}}

{{/* Whether gencerts has anything to do: certificates, or the key of seals. Empty is no. */}}
{{- define "portreeve.gencerts" -}}
{{- if and .Values.gencerts.enabled (or (eq (include "portreeve.certificates" .) "gencerts") .Values.sealKey.enabled) -}}
true
{{- end -}}
{{- end -}}

{{/* The PEM text in a value, with its line breaks. */}}
{{- define "portreeve.pem" -}}
{{- . | trim -}}
{{- "\n" -}}
{{- end -}}

{{- define "portreeve.drainSeconds" -}}
{{- $drain := int .Values.drainDelaySeconds -}}
{{- $grace := $drain | add 25 | int -}}
{{- if .Values.terminationGracePeriodSeconds -}}
{{- $grace = int .Values.terminationGracePeriodSeconds -}}
{{- end -}}
{{- if lt $grace (add $drain 15 | int) -}}
{{- fail (printf "terminationGracePeriodSeconds is %d; with drainDelaySeconds %d it is at least %d, or waiting reviews are cut off" $grace $drain (add $drain 15)) -}}
{{- end -}}
{{- $grace -}}
{{- end -}}
